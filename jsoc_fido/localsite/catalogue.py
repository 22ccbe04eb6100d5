"""
What a site has: series, records, and the storage of their files.

A site is a directory::

    DIR/site.sqlite                     series, records, requests
    DIR/database.url                    or, in its place, where the PostgreSQL database with these is
    DIR/SUM0/D<sunum>/S<slot>/          files, in storage units as JSOC has them
    DIR/staging/                        exports that are not finished
"""

import logging
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import re2
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions, schema
from jsoc_fido.localsite.database import ADDRESS, DATABASE, check_version, connect, extend, take, version_of, words
from jsoc_fido.localsite.records import NewRecord, Rows, StorageSlot, StoredFile
from jsoc_fido.series import Series

__all__ = ["Catalogue", "Holding", "NewRecord", "StorageSlot", "StoredFile"]

log = logging.getLogger(__name__)

STORAGE = "SUM0"
STAGING = "staging"

#: What a regular expression of `Catalogue.series_names` is compiled with.
_ANY_CASE = re2.Options()
_ANY_CASE.case_sensitive = False
_ANY_CASE.log_errors = False

#: Records that are in memory as rows at the same time.
BATCH = 1000


@dataclass(frozen=True)
class Holding:
    """
    A series as the site holds it: its definition, completed with the keywords DRMS makes itself, and its table.
    """

    series: Series
    table: sa.Table
    revision: int


class Catalogue:
    """
    Series, records and storage of a site. Use `create` or `open` to get one, and `close` or ``with`` to let go of it.

    Any number of threads and processes may use a site at the same time.

    Parameters
    ----------
    directory
        The site's directory.
    engine
        Its database.
    read_only
        Whether nothing can be written through it.
    """

    def __init__(self, directory: Path, engine: sa.Engine, *, read_only: bool = False) -> None:
        self.directory = directory
        self.engine = engine
        self.read_only = read_only
        self._holdings: dict[str, Holding] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Catalogue {self.directory}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def create(cls, directory: Path, database: str | None = None) -> "Catalogue":
        """
        Make a site, or open the one that is there.

        Parameters
        ----------
        directory
            The site's directory; it is made if need be.
        database
            URL of a database, in SQLAlchemy's form; a file in the directory by default. The site remembers it, without
            the password: PostgreSQL has ways of its own to know that (``~/.pgpass``, ``PGPASSWORD``).

        Raises
        ------
        DataError
            If the directory or the database cannot be written, or another version of this package made them.
        """
        directory = Path(directory).resolve()
        if database is None and ((directory / DATABASE).exists() or (directory / ADDRESS).exists()):
            return cls.open(directory)
        try:
            (directory / STORAGE).mkdir(parents=True, exist_ok=True)
            if database is None:
                # SQLite says "unable to open database file" of whatever is wrong; this says what.
                (directory / DATABASE).touch()
        except OSError as err:
            raise DataError(
                f"A site cannot be made in {directory}: {err.strerror}. Choose a folder you may write."
            ) from err
        engine = connect(directory, database)
        try:
            with engine.begin() as connection:
                version = version_of(connection) if sa.inspect(connection).has_table(schema.site.name) else None
                if version is None:
                    schema.metadata.create_all(connection)
                    connection.execute(schema.site.insert(), {"name": "version", "value": schema.VERSION})
                    connection.execute(schema.counters.insert(), {"name": "sunum", "value": 0})
        except SQLAlchemyError as err:
            engine.dispose()
            raise DataError(f"The database of {directory} cannot be made: {words(err)}.") from err
        check_version(directory, engine, version or schema.VERSION)
        if database is not None:
            (directory / ADDRESS).write_text(f"{engine.url.set(password=None)}\n", "utf-8")
        return cls(directory, engine)

    @classmethod
    def open(cls, directory: Path, database: str | None = None, *, read_only: bool = False) -> "Catalogue":
        """
        Open a site.

        Parameters
        ----------
        directory
            The site's directory.
        database
            URL of its database, if it is not the one that the site remembers.
        read_only
            Whether to refuse all changes.

        Raises
        ------
        DataError
            If there is no site, or one that another version of this package made.
        """
        directory = Path(directory).resolve()
        address = directory / ADDRESS
        if database is None and address.is_file():
            database = address.read_text("utf-8").strip()
        if not (directory / STORAGE).is_dir() or (database is None and not (directory / DATABASE).is_file()):
            raise DataError(f"{directory} is no site; 'jsoc-fido site init {directory}' makes one.")
        engine = connect(directory, database, read_only=read_only)
        try:
            with engine.connect() as connection:
                version = version_of(connection)
        except SQLAlchemyError as err:
            engine.dispose()
            raise DataError(f"The database of {directory} is none of a site: {words(err)}.") from err
        check_version(directory, engine, version)
        return cls(directory, engine, read_only=read_only)

    def close(self) -> None:
        """
        Close all connections to the database.
        """
        self.engine.dispose()

    # Series

    def add_series(self, definition: Series) -> None:
        """
        Add a series, or keywords and segments to one that is there already.

        Parameters
        ----------
        definition
            What the series is. Nothing happens if the site has it so.

        Raises
        ------
        DataError
            If no table can be made of it, or if it lacks a keyword of which the site has values.
        """
        lower = definition.name.lower()
        known = schema.series_table
        table = schema.data_table(definition, self._targets(definition))
        form = definitions.to_dict(definition)
        with self.writing() as connection:
            row = connection.execute(sa.select(known).where(known.c.lower_name == lower)).one_or_none()
            if row is None:
                connection.execute(
                    known.insert(),
                    {"lower_name": lower, "name": definition.name, "revision": 1, "definition": form},
                )
                connection.execute(schema.counters.insert(), {"name": f"recnum {lower}", "value": 0})
                table.create(connection)
            elif row.definition != form:
                extend(connection, table, definition.name)
                connection.execute(
                    known.update().where(known.c.lower_name == lower),
                    {"revision": row.revision + 1, "definition": form},
                )

    def series(self, name: str) -> Series:
        """
        Definition of a series.

        Parameters
        ----------
        name
            Its name, in any case.

        Raises
        ------
        QueryError
            If the site has no such series.
        """
        return self.holding(name).series

    def holding(self, name: str) -> Holding:
        """
        A series with its table.

        Raises
        ------
        QueryError
            If the site has no such series.
        """
        lower = name.lower()
        known = schema.series_table
        with self.engine.connect() as connection:
            revision = connection.scalar(sa.select(known.c.revision).where(known.c.lower_name == lower))
            if revision is None:
                raise QueryError("series not found")
            holding = self._holdings.get(lower)
            if holding is not None and holding.revision == revision:
                return holding
            row = connection.execute(sa.select(known).where(known.c.lower_name == lower)).one()
        series = schema.complete(definitions.from_dict(row.definition))
        table = schema.data_table(series, self._targets(series))
        holding = Holding(series, table, row.revision)
        with self._lock:
            self._holdings[lower] = holding
        return holding

    def series_names(self, pattern: str | None = None) -> list[str]:
        """
        Names of the series, sorted.

        Parameters
        ----------
        pattern
            Regular expression that a name must fit somewhere, in any case; with ``NOT`` and a blank in front, must not
            fit (contract B.1).

        Raises
        ------
        QueryError
            If it is no regular expression.
        """
        with self.engine.connect() as connection:
            names = sorted(connection.scalars(sa.select(schema.series_table.c.name)), key=str.lower)
        if not pattern:
            return names
        wanted = not pattern.startswith("NOT ")
        try:
            # Not Python's own, which can be made to search for years, with the whole site waiting.
            expression = re2.compile(pattern.removeprefix("NOT "), _ANY_CASE)
        except (re2.error, UnicodeEncodeError) as err:
            raise QueryError(f"{pattern!r} is no regular expression: {err}.") from err
        return [name for name in names if bool(expression.search(name)) is wanted]

    def _targets(self, series: Series) -> dict[str, Series]:
        """
        Definitions of the series that a series' links lead to: of this site, or else those that come with the package.
        """
        found = {}
        for link in series.links.values():
            lower = link.target.lower()
            if lower == series.name.lower():
                found[lower] = series
                continue
            try:
                found[lower] = self._definition(lower) or definitions.load(lower)
            except QueryError:
                log.debug("the target of link %s of %s is not known", link.name, series.name)
        return found

    def _definition(self, lower: str) -> Series | None:
        known = schema.series_table
        with self.engine.connect() as connection:
            form = connection.scalar(sa.select(known.c.definition).where(known.c.lower_name == lower))
        return definitions.from_dict(form) if form is not None else None

    # Storage

    def allocate(self, series_name: str, count: int) -> list[StorageSlot]:
        """
        Make directories for the files of new records, in new storage units.

        Parameters
        ----------
        series_name
            The series; its ``unitsize`` says how many records share a storage unit.
        count
            How many records.

        Raises
        ------
        DataError
            If they cannot be made.
        QueryError
            If the site has no such series.
        """
        series = self.series(series_name)
        unitsize = max(series.unitsize, 1)
        sunums = self.new_units(series.name, -(-count // unitsize))
        slots = [
            StorageSlot(sunum, number, self.slot_directory(sunum, number))
            for sunum in sunums
            for number in range(unitsize)
        ][:count]
        self._make_directories(slot.directory for slot in slots)
        return slots

    def new_units(self, series_name: str, count: int) -> range:
        """
        Enter new storage units, without directories.
        """
        with self.writing() as connection:
            sunums = take(connection, "sunum", count)
            if sunums:
                connection.execute(
                    schema.units.insert(), [{"sunum": sunum, "series": series_name, "online": True} for sunum in sunums]
                )
        return sunums

    def slot_directory(self, sunum: int, number: int = 0) -> Path:
        """
        Directory of a slot of a storage unit.
        """
        return self.directory / STORAGE / f"D{sunum}" / f"S{number:05d}"

    def staging_directory(self, requestid: str) -> Path:
        """
        Where an export is written; it moves to a storage unit when it is complete, so that nobody ever sees half of it.
        """
        return self.directory / STAGING / requestid

    def remove_unit(self, sunum: int) -> None:
        """
        Remove a storage unit with its files.
        """
        shutil.rmtree(self.slot_directory(sunum).parent, ignore_errors=True)
        with self.writing() as connection:
            connection.execute(schema.units.delete().where(schema.units.c.sunum == sunum))

    def _make_directories(self, directories: Iterable[Path]) -> None:
        try:
            for directory in directories:
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise DataError(f"{err.filename} cannot be made: {err.strerror}.") from err

    # Records

    def add_records(self, series_name: str, records: Sequence[NewRecord]) -> list[int]:
        """
        Add records, all or none. A record whose prime keys exist already becomes the newest version (contract A.11).

        Parameters
        ----------
        series_name
            The series.
        records
            The records.

        Returns
        -------
        list
            Their record numbers, in order.

        Raises
        ------
        DataError
            If a record has a keyword or a segment that the series lacks, or a value of another type.
        QueryError
            If the site has no such series.
        """
        if not records:
            return []
        holding = self.holding(series_name)
        maker = Rows(holding.series, holding.table, self._targets(holding.series))
        lower = holding.series.name.lower()
        with self.writing() as connection:
            recnums = take(connection, f"recnum {lower}", len(records))
            for start in range(0, len(records), BATCH):
                rows = maker.rows(records[start : start + BATCH])
                for recnum, row in zip(recnums[start:], rows, strict=False):
                    row["recnum"] = recnum
                connection.execute(holding.table.insert(), rows)
        return list(recnums)

    def set_online(self, series_name: str, recnums: Sequence[int], *, online: bool) -> None:
        """
        Say that the storage units of records are on disk, or that they have to be brought back from tape.

        Parameters
        ----------
        series_name
            Name of the series.
        recnums
            Numbers of the records. Other records in the same storage units share their fate.
        online
            Whether they are there.
        """
        table = self.holding(series_name).table
        with self.writing() as connection:
            for start in range(0, len(recnums), BATCH):
                units = sa.select(table.c.sunum).where(table.c.recnum.in_(recnums[start : start + BATCH]))
                connection.execute(schema.units.update().where(schema.units.c.sunum.in_(units)).values(online=online))

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """
        A connection whose changes are made all or, if something goes wrong, not at all.

        Raises
        ------
        DataError
            If the database cannot be written.
        """
        if self.read_only:
            raise DataError(f"The site {self.directory} was opened to be read only.")
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as err:
            raise DataError(f"The database of {self.directory} cannot be written: {words(err)}.") from err
