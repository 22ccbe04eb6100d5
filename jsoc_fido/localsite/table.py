"""
Records as columns: paths, names and keywords as JSOC prints them, for all that is told or written of records.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from jsoc_fido.localsite import schema, values
from jsoc_fido.localsite.catalogue import STORAGE
from jsoc_fido.localsite.fields import Field, Fields
from jsoc_fido.localsite.select import Selection
from jsoc_fido.series import Keyword

__all__ = ["Maker", "Table"]

NO_KEYWORD = "Invalid KeyLink"
NO_SEGMENT = "InvalidSegName"
NO_LINK = "Invalid_Link"
NO_TARGET = "BadSegLink"
OFFLINE = "NoDataDirectory"
NO_FILE = "NoDataFile"

#: What ``rs_list`` tells of a segment.
SEGMENT_ARRAYS = ("values", "dims", "cparms", "bzeros", "bscales")

#: Gives a column once the records are read.
Maker = Callable[[], Sequence[Any]]

#: Makes texts of the values of a keyword.
Printer = Callable[[Keyword, Sequence[Any]], list[str | None]]


class Table:
    """
    Columns of the records of a selection: first each is asked for, then all are read at once, then made into texts.

    Parameters
    ----------
    selection
        The records.
    exact
        Whether numbers and times are printed with all their digits.
    bits
        Whether they are printed as patterns of bits.
    """

    def __init__(self, selection: Selection, *, exact: bool = False, bits: bool = False) -> None:
        self.selection = selection
        self.fields = selection.fields
        self._print = values.bit_patterns if bits else partial(values.printed, exact=exact)
        self.count = 0
        self._wanted: list[sa.ColumnElement[Any]] = []
        self._numbers: dict[sa.ColumnElement[Any], int] = {}
        self._columns: list[Sequence[Any]] = []
        self._offline: set[int] = set()

    def read(self, limit: int = 0) -> int:
        """
        Read the records.

        Parameters
        ----------
        limit
            Only so many of the first, or of the last if negative.

        Returns
        -------
        int
            How many they are.
        """
        self._find_offline()
        self._hold(self.selection.rows(self._asked(), limit=limit))
        return self.count

    def blocks(self, limit: int = 0) -> Iterator[int]:
        """
        Read the records some at a time; what was asked for gives those that were read last.

        Parameters
        ----------
        limit
            As for `read`.

        Yields
        ------
        int
            How many they are.
        """
        self._find_offline()
        for rows in self.selection.blocks(self._asked(), limit=limit):
            self._hold(rows)
            yield self.count

    def _asked(self) -> list[sa.ColumnElement[Any]]:
        return self._wanted or [self.fields.table.c.recnum]

    def _hold(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.count = len(rows)
        self._columns = list(zip(*rows, strict=True)) or [()] * len(self._asked())

    def _find_offline(self) -> None:
        with self.selection.catalogue.engine.connect() as connection:
            offline = sa.select(schema.units.c.sunum).where(schema.units.c.online.is_(False))
            self._offline = set(connection.scalars(offline))

    def column(self, column: sa.ColumnElement[Any]) -> Maker:
        """
        Ask for a column as the database holds it.
        """
        if column not in self._numbers:
            self._numbers[column] = len(self._wanted)
            self._wanted.append(column)
        number = self._numbers[column]
        return lambda: self._columns[number]

    def native(self, field: Field) -> Maker:
        """
        Ask for the values of a keyword, None where missing.
        """
        if field.column is None:
            return lambda: [field.constant] * self.count
        stored = self.column(field.column)
        absent = values.missing(field.keyword.type)
        return lambda: [None if value is None or value == absent else value for value in stored()]

    def texts(self, name: str) -> Maker:
        """
        Ask for the values of a keyword as JSOC prints them.
        """
        field = self.fields.find(name)
        if field is None:
            return lambda: [NO_KEYWORD] * self.count
        # The one keyword whose missing value is told as it is, if it is asked for in capitals.
        filler = values.printed(field.keyword, [values.missing("int")])[0] if name == "QUALITY" else "MISSING"
        return self._texts(field, filler)

    def _texts(self, field: Field, filler: str | None) -> Maker:
        keyword = field.keyword
        target = None if field.target is None else self.column(field.target)
        if field.column is None:
            text = filler if field.constant is None else keyword.default
            found: Maker = lambda: [text] * self.count  # noqa: E731 - a closure among others
        else:
            stored = self.column(field.column)
            found = lambda: _printed(keyword, stored(), filler, self._print)  # noqa: E731
        if target is None:
            return found
        return lambda: [NO_KEYWORD if number is None else text for number, text in zip(target(), found(), strict=True)]

    def names(self, fields: Fields | None = None, *, segment: str = "") -> Maker:
        """
        Ask for the canonical names of the records (contract A.15).

        Parameters
        ----------
        fields
            Whose names: the records' own by default, or those at the end of a link.
        segment
            What to add to each.
        """
        fields = fields or self.fields
        series = fields.series
        found = [field for name in series.prime_keys if (field := fields.find(name)) is not None]
        if not found:
            numbers = self.column(fields.table.c.recnum)
            return lambda: [f"{series.name}[:#{number}]{segment}" for number in numbers()]
        keys = [self._texts(field, _missing_text(field.keyword)) for field in found]
        template = series.name + "[%s]" * len(keys) + segment.replace("%", "%%")
        return lambda: [template % key for key in zip(*(maker() for maker in keys), strict=True)]

    def segment(self, name: str) -> Callable[[], dict[str, list[Any]]]:
        """
        Ask for paths, sizes and scaling of the files of a segment.
        """
        known = {segment.lower(): segment for segment in self.selection.segments}
        if name.lower() not in known:
            return lambda: _segment_columns([(NO_SEGMENT, "NA")] * self.count)
        field = self.fields.find_segment(known[name.lower()])
        if field is None:
            return lambda: _segment_columns([(NO_TARGET, "NA")] * self.count)
        makers = [self.column(column) for column in field.columns()]
        image = field.segment.protocol != "generic"
        return lambda: _segment_columns(
            (*self._path(row), *((bzero, bscale, cparms) if image and row[3] else ()))
            for *row, bzero, bscale, cparms in zip(*(maker() for maker in makers), strict=True)
        )

    def _path(self, row: Sequence[Any]) -> tuple[str, str]:
        recnum, sunum, slot, file, dims, _ = row
        if recnum is None:
            return NO_TARGET, "NA"
        if sunum is None or sunum in self._offline:
            return OFFLINE, dims or "NA"
        if file is None:
            return NO_FILE, "NA"
        return f"/{STORAGE}/D{sunum}/S{slot:05d}/{file}", dims or ""

    def link(self, name: str) -> Maker:
        """
        Ask for the records at the end of a link.
        """
        series = self.fields.series
        target = self.fields.follow(series.links[name].name) if name in series.links else None
        if target is None:
            return lambda: [NO_LINK] * self.count
        numbers = self.column(target.table.c.recnum)
        if series.links[name].kind.upper() == "STATIC":
            return lambda: [NO_LINK if number is None else f"{target.series.name}[:#{number}]" for number in numbers()]
        names = self.names(target)
        return lambda: [NO_LINK if number is None else text for number, text in zip(numbers(), names(), strict=True)]

    def sizes(self, segments: Iterable[str]) -> Maker:
        """
        Ask for the bytes of the files of some segments together, None where a record has no storage.
        """
        found = [field for name in segments if (field := self.fields.find_segment(name)) is not None]
        makers = [self.column(field.columns()[5]) for field in found]
        # With segments of another series, what counts is its storage.
        units = self.column(found[0].table.c.sunum if found else self.fields.table.c.sunum)
        return lambda: [
            None if unit is None else sum(size or 0 for size in sizes)
            for unit, *sizes in zip(units(), *(maker() for maker in makers), strict=True)
        ]

    def online(self) -> Maker:
        """
        Ask whether the records' storage is there; None for a record without any.
        """
        units = self.column(self.fields.table.c.sunum)
        return lambda: [None if unit is None else unit not in self._offline for unit in units()]

    def pseudo(self, name: str, segments: Iterable[str]) -> Maker | None:
        """
        Ask for a pseudo keyword such as ``*recnum*``; None if there is none of that name.
        """
        makers = {
            "*recnum*": lambda: self.column(self.fields.table.c.recnum),
            "*sunum*": self._unit_numbers,
            # JSOC starts its sum at -1, and so tells one byte too few.
            "*size*": lambda: _each(self.sizes(segments), lambda size: "NA" if size is None else str(size - 1)),
            "*online*": lambda: _each(self.online(), lambda there: _choose(there, "NA", "N", "Y")),
            "*retain*": lambda: _each(self.online(), lambda there: _choose(there, "NA", "N/A", self._retained())),
            # What is not on disk is on tape.
            "*archive*": lambda: _each(self.online(), lambda there: _choose(there, "NA", "Y", "N")),
            "*logdir*": lambda: lambda: ["NO LOG"] * self.count,
            "*spec*": self.names,
            "*recdir*": lambda: _each(self._directories(), lambda directory: directory or OFFLINE),
            "*dirmtime*": lambda: _each(self._directories(), self._changed),
        }
        return makers[name]() if name in makers else None

    def _unit_numbers(self) -> Maker:
        return _each(self.column(self.fields.table.c.sunum), lambda number: -1 if number is None else number)

    def _retained(self) -> str:
        until = datetime.now(UTC) + timedelta(days=self.fields.series.retention)
        return until.strftime("%Y.%m.%d")

    def _directories(self) -> Maker:
        units, slots = self.column(self.fields.table.c.sunum), self.column(self.fields.table.c.slotnum)
        return lambda: [
            None if unit is None or unit in self._offline else f"/{STORAGE}/D{unit}/S{slot:05d}"
            for unit, slot in zip(units(), slots(), strict=True)
        ]

    def _changed(self, directory: str | None) -> str:
        if directory is None:
            return "NA"
        try:
            changed = (self.selection.catalogue.directory / directory.lstrip("/")).stat().st_mtime
        except OSError:
            return "NA"
        return datetime.fromtimestamp(changed, UTC).strftime("%Y.%m.%d_%H:%M:%S_UT")


def _each(maker: Maker, change: Callable[[Any], Any]) -> Maker:
    return lambda: [change(value) for value in maker()]


def _choose(there: bool | None, none: str, no: str, yes: str) -> str:
    return none if there is None else yes if there else no


def _printed(keyword: Keyword, stored: Sequence[Any], filler: str | None, printed: Printer) -> list[str | None]:
    """
    Print values as they are stored, each once if many are the same; ``filler`` stands for those that are missing.
    """
    distinct: Sequence[Any] = list(set(stored))
    # Zero may have a sign, which prints, although it makes no difference otherwise.
    if 2 * len(distinct) > len(stored) or (keyword.is_real and 0.0 in distinct):
        distinct = stored
    absent = values.missing(keyword.type)
    present = [None if value is None or value == absent else value for value in distinct]
    texts = [filler if text is None else text for text in printed(keyword, present)]
    return texts if distinct is stored else list(map(dict(zip(distinct, texts, strict=True)).__getitem__, stored))


def _missing_text(keyword: Keyword) -> str:
    absent = values.missing(keyword.type)
    return "nan" if absent is None else values.printed(keyword, [absent])[0] or ""


def _segment_columns(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in SEGMENT_ARRAYS}
    for path, dims, *scaling in rows:
        columns["values"].append(path)
        columns["dims"].append(dims)
        if scaling:
            bzero, bscale, cparms = scaling
            columns["bzeros"].append(f"{0 if bzero is None else bzero:g}")
            columns["bscales"].append(f"{1 if bscale is None else bscale:g}")
            if cparms:
                columns["cparms"].append(cparms)
    return columns
