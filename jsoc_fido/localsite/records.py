"""
New records, and the rows of the database that they become.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import schema, values
from jsoc_fido.series import Keyword, Series

__all__ = ["NewRecord", "Rows", "StorageSlot", "StoredFile"]

#: Stands for any slotted key: a missing one has no slot.
SLOTTED = Keyword("", "time")


@dataclass(frozen=True, slots=True)
class StorageSlot:
    """
    A directory for the files of one record.
    """

    sunum: int
    number: int
    directory: Path


@dataclass(frozen=True, slots=True)
class StoredFile:
    """
    The file of a segment, as it lies in a record's directory.

    Parameters
    ----------
    name
        Name of the file.
    dims
        Sizes of the image's axes, in FITS order.
    size
        Bytes.
    bzero, bscale
        Scaling of the stored integers.
    compression
        In DRMS' words, as in ``"compress Rice"``.
    """

    name: str
    dims: tuple[int, ...]
    size: int
    bzero: float = 0.0
    bscale: float = 1.0
    compression: str = ""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """
    A record to be added.

    Parameters
    ----------
    values
        Values by keyword: numbers, strings, and for times seconds; absent or None where missing. A keyword that each
        segment has for itself is ``NAME_000``, ``NAME_001``, ... Constants belong to the series and are ignored here.
    slot
        Where its files are.
    files
        The files, by segment.
    links
        By link: values of the target's prime keys, or the record number of a static link's target. For a dynamic link
        not named here, the record's own keywords of the same name are taken.
    """

    values: Mapping[str, object]
    slot: StorageSlot | None = None
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, object] | int] = field(default_factory=dict)


class Rows:
    """
    Turns records into rows of a series' table.

    Parameters
    ----------
    series
        The series.
    table
        Its table.
    targets
        Definitions of the series its links lead to, by lower-case name, as far as they are known.
    """

    def __init__(self, series: Series, table: sa.Table, targets: Mapping[str, Series]) -> None:
        self.series = series
        self.targets = targets
        self.columns = [column.name for column in table.c]
        self.keywords: dict[str, Keyword] = {}
        self.ignored: set[str] = set()
        for keyword in self.series.keywords.values():
            for name in schema.stored_names(self.series, keyword):
                if name in table.c and not self.series.is_implicit(keyword.name):
                    self.keywords[name] = keyword
                else:
                    self.ignored.add(name)
        self.links = dict(schema.link_targets(self.series, targets))
        self._known: dict[str, str | None] = {}
        self._reals = {name for name, keyword in self.keywords.items() if keyword.is_real or keyword.is_time}
        self._texts = {name for name, keyword in self.keywords.items() if keyword.type == "string"}

    def rows(self, records: Sequence[NewRecord]) -> list[dict[str, Any]]:
        """
        Make a row of each record, still without a record number.

        Raises
        ------
        DataError
            If a record has a keyword or a segment that the series lacks, or a value of another type.
        """
        missing = dict.fromkeys(self.columns)
        missing |= {name: values.missing(keyword.type) for name, keyword in self.keywords.items()}
        rows = []
        for record in records:
            row = dict(missing)
            self._fill_values(row, record.values)
            self._fill_links(row, record)
            if record.slot is not None:
                row["sunum"], row["slotnum"] = record.slot.sunum, record.slot.number
            for segment, file in record.files.items():
                self._fill_file(row, segment, file)
            rows.append(row)
        self._fill_slots(rows)
        return rows

    def _fill_values(self, row: dict[str, Any], given: Mapping[str, object]) -> None:
        for name, value in given.items():
            if name not in self._known:
                self._known[name] = self._column(name)
            column = self._known[name]
            if column is None:
                continue
            # Most values of thousands of records need no thought.
            if (type(value) is float and value - value == 0.0 and column in self._reals) or (
                type(value) is str and column in self._texts
            ):
                row[column] = value
            else:
                row[column] = values.encode(self.keywords[column], value)

    def _column(self, name: str) -> str | None:
        """
        The column of a keyword; None for what the series knows but does not store.

        Raises
        ------
        DataError
            If the series has no such keyword.
        """
        column = name.lower()
        if column in self.keywords:
            return column
        if column not in self.ignored:
            raise DataError(f"Series {self.series.name} has no keyword {name.upper()!r}.")
        return None

    def _fill_links(self, row: dict[str, Any], record: NewRecord) -> None:
        if not self.links and not record.links:
            return
        given = {name.lower(): value for name, value in record.values.items()}
        for link in self.series.links.values() if record.links else ():
            told = record.links.get(link.name, {})
            by_key = told if isinstance(told, Mapping) else {"recnum": told}
            row.update({schema.link_column(link, name): value for name, value in by_key.items()})
            if unknown := row.keys() - set(self.columns):
                raise DataError(f"Link {link.name} of {self.series.name} has no {', '.join(sorted(unknown))}.")
        for column, key in self.links.items():
            value = row[column] if row[column] is not None else given.get(key.name.lower())
            row[column] = None if value is None else values.encode(key, value)

    def _fill_slots(self, rows: list[dict[str, Any]]) -> None:
        slotted = {name.lower(): (schema.slot_column(name), self.series.slot(name)) for name in self.series.prime_keys}
        for link in self.series.links.values():
            target = self.targets.get(link.target.lower())
            if target is not None and link.kind.upper() != "STATIC":
                columns = {name: schema.link_column(link, name) for name in target.prime_keys}
                slotted |= {column: (column, target.slot(name)) for name, column in columns.items()}
        for source, (column, slot) in slotted.items():
            if slot is None:
                continue
            present = [row for row in rows if values.decode(SLOTTED, row[source]) is not None]
            numbers = slot.index(np.array([row[source] for row in present], dtype=float))
            if source == column:
                for row in rows:
                    row[column] = None
            for row, number in zip(present, np.atleast_1d(numbers).tolist(), strict=True):
                row[column] = number

    def _fill_file(self, row: dict[str, Any], segment: str, file: StoredFile) -> None:
        names = [name.lower() for name in self.series.segments]
        if segment.lower() not in names or self.series.segments[segment].link is not None:
            raise DataError(f"Series {self.series.name} has no segment {segment!r} of its own.")
        number = names.index(segment.lower())
        prefix = f"sg_{number:03d}_"
        row[f"{prefix}file"] = file.name
        row[f"{prefix}dims"] = "x".join(map(str, file.dims))
        row[f"{prefix}bytes"] = int(file.size)
        row[f"{prefix}bzero"] = float(file.bzero)
        row[f"{prefix}bscale"] = float(file.bscale)
        row[f"cparms_sg{number:03d}"] = file.compression
