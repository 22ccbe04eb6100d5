"""
The database of a site: SQLite in the site's folder, or PostgreSQL.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import schema

__all__ = ["check_version", "connect", "extend", "take", "version_of", "words"]

#: The database in the site's folder, or in its place what says where another one is.
DATABASE = "site.sqlite"
ADDRESS = "database.url"

#: Connections at one time: each thread that answers has one, and each that exports.
CONNECTIONS = 50


def connect(directory: Path, database: str | None, *, read_only: bool = False) -> sa.Engine:
    """
    Make the engine of a site's database.

    Parameters
    ----------
    directory
        The site's directory.
    database
        URL of the database; the file in the directory if None.
    read_only
        Whether to refuse all changes.

    Raises
    ------
    DataError
        If there is nothing to use a database of that kind with.
    """
    pool: dict[str, Any] = {"pool_size": 5, "max_overflow": CONNECTIONS - 5}
    if database is not None:
        try:
            url = sa.make_url(database)
            if url.get_backend_name() == "postgresql":
                # A server may have been started anew since the last question.
                pool |= {"pool_pre_ping": True, "execution_options": {"postgresql_readonly": read_only}}
            return sa.create_engine(url, **pool)
        except (SQLAlchemyError, ImportError) as err:
            # The URL may hold a password.
            name = database.partition(":")[0]
            raise DataError(f"A database of the kind {name!r} cannot be used: {words(err)}.") from err
    url = (
        _read_only_url(directory / DATABASE)
        if read_only
        else sa.URL.create("sqlite", database=str(directory / DATABASE))
    )
    engine = sa.create_engine(url, connect_args={"timeout": 60}, **pool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # Readers do not wait for the writer, and a site that is cut off loses at most its last records. LIKE tells
        # capitals from small letters, as in PostgreSQL.
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA case_sensitive_like = ON")

    return engine


def _read_only_url(path: Path) -> sa.URL:
    # Readers share an index of what was written last, a file beside the database. On a medium where it cannot be made,
    # nobody else writes either.
    alone = not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()
    query = {"uri": "true", **({"immutable": "1"} if alone else {"mode": "ro"})}
    return sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def version_of(connection: sa.Connection) -> str | None:
    """
    The version of the tables, as the site notes it.
    """
    return connection.scalar(sa.select(schema.site.c.value).where(schema.site.c.name == "version"))


def check_version(directory: Path, engine: sa.Engine, version: str | None) -> None:
    """
    Make sure that the tables are those of this package; the engine is disposed of if not.

    Raises
    ------
    DataError
        If another version of the package made them.
    """
    if version != schema.VERSION:
        engine.dispose()
        raise DataError(
            f"The site in {directory} has version {version} of the tables, this package version {schema.VERSION}; "
            "make a new site and ingest the files again."
        )


def extend(connection: sa.Connection, table: sa.Table, name: str) -> None:
    """
    Give an existing table the columns it lacks.

    Raises
    ------
    DataError
        If it has columns that it must not have.
    """
    existing = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    wanted = {column.name for column in table.c}
    if lost := sorted(existing - wanted):
        raise DataError(f"Series {name} has values of {', '.join(lost)}, which the new definition lacks.")
    prepare = connection.dialect.identifier_preparer
    for column in table.c:
        if column.name not in existing:
            kind = column.type.compile(connection.dialect)
            # SQLAlchemy Core has no construct for this; all names are quoted by it.
            statement = f"ALTER TABLE {prepare.format_table(table)} ADD COLUMN {prepare.format_column(column)} {kind}"
            connection.exec_driver_sql(statement)


def take(connection: sa.Connection, counter: str, count: int) -> range:
    """
    Take the next numbers of a counter, for nobody else.
    """
    counters = schema.counters
    update = counters.update().where(counters.c.name == counter).values(value=counters.c.value + count)
    last = connection.scalar(update.returning(counters.c.value))
    if last is None:
        try:
            with connection.begin_nested():
                connection.execute(counters.insert(), {"name": counter, "value": count})
            last = count
        except IntegrityError:  # somebody else was first
            last = connection.execute(update.returning(counters.c.value)).scalar_one()
    return range(last - count + 1, last + 1)


def words(err: Exception) -> str:
    """
    What a database says is wrong, in one line.
    """
    return str(getattr(err, "orig", None) or err).strip().splitlines()[0].rstrip(".")
