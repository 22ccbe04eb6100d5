"""
From the name of a keyword to the place where its values are: a column, a constant, or a record at the end of a link.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import schema, values
from jsoc_fido.localsite.catalogue import Catalogue, Holding
from jsoc_fido.series import Keyword, Link, Segment

__all__ = ["Field", "Fields", "SegmentField"]

#: Links that lead to links: more than this many in a row go in a circle.
LONGEST_CHAIN = 4

_INDEXED = re.compile(r"(?P<name>[^\[\]]+)\[(?P<number>\d{1,3})\]")
_LINK = re.compile(r"(?P<link>[^->]+)->(?P<key>.+)")


@dataclass(frozen=True)
class Field:
    """
    Where the values of a keyword are.

    Parameters
    ----------
    keyword
        The keyword; for a linked one with type, unit and format of the one it stands for.
    column
        The expression to select.
    constant
        The value, where it is the same for all records.
    target
        For a linked keyword, the expression of the target's record number, which is NULL where there is no target.
    """

    keyword: Keyword
    column: sa.ColumnElement[Any] | None = None
    constant: Any = None
    target: sa.ColumnElement[Any] | None = None

    @property
    def expression(self) -> sa.ColumnElement[Any]:
        """
        The values as SQL.
        """
        return sa.literal(values.encode(self.keyword, self.constant)) if self.column is None else self.column


@dataclass(frozen=True)
class SegmentField:
    """
    Where the files of a segment are.

    Parameters
    ----------
    segment
        The segment, as the series that stores it defines it.
    table
        The table of that series.
    number
        Its number there.
    linked
        Whether that is another series.
    """

    segment: Segment
    table: sa.FromClause
    number: int
    linked: bool

    def columns(self) -> list[sa.ColumnElement[Any]]:
        """
        Record number, storage unit, slot, file name, sizes of the axes, bytes, bzero, bscale, compression.
        """
        parts = [f"sg_{self.number:03d}_{part}" for part in schema.SEGMENT_COLUMNS]
        names = ["recnum", "sunum", "slotnum", *parts, f"cparms_sg{self.number:03d}"]
        return [self.table.c[name] for name in names]


class Fields:
    """
    The keywords and segments of a series, and through its links those of others.

    Parameters
    ----------
    catalogue
        The site.
    holding
        The series.
    """

    def __init__(self, catalogue: Catalogue, holding: Holding) -> None:
        self.catalogue = catalogue
        self.holding = holding
        self.series = holding.series
        self.table: sa.FromClause = holding.table
        #: The table, joined with the tables at the end of the links that were followed.
        self.source: sa.FromClause = holding.table
        self._root = self
        self._depth = 0
        self._targets: dict[str, Fields | None] = {}
        self._columns = {
            column: keyword
            for keyword in self.series.keywords.values()
            if keyword.link is None
            for column in schema.stored_names(self.series, keyword)
        }
        self._aliases = {
            keyword.fits_alias.lower(): keyword for keyword in self.series.keywords.values() if keyword.fits_alias
        }
        self._scalings = {
            f"{segment.name}_{part}".lower(): f"sg_{number:03d}_{part}"
            for number, segment in enumerate(self.series.segments.values())
            for part in ("bzero", "bscale")
        }

    def names(self) -> Iterator[str]:
        """
        What ``**ALL**`` stands for: all but the implicit keywords, FITS names behind the DRMS names (contract B.5).
        """
        for keyword in self.series.keywords.values():
            if self.series.is_implicit(keyword.name) or self.series.is_alias(keyword.name):
                continue
            if keyword.is_per_segment:
                yield from (f"{keyword.name}_{number:03d}" for number in range(len(self.series.segments)))
                continue
            yield keyword.name
            if keyword.fits_alias and keyword.fits_alias != keyword.name:
                yield keyword.fits_alias

    def find(self, name: str) -> Field | None:
        """
        Find a keyword by any name that DRMS accepts for it (contract A.3, B.5): in any case, ``NAME[0]`` for
        ``NAME_000``, the FITS name of its note, ``link:NAME``.
        """
        link, colon, key = name.partition(":")
        if colon:
            return self._linked(Keyword(key, "link"), link, key)
        indexed = _INDEXED.fullmatch(name)
        lower = (f"{indexed['name']}_{int(indexed['number']):03d}" if indexed else name).lower()
        keyword = self._columns.get(lower)
        if keyword is not None and keyword.is_constant:
            return Field(keyword, constant=values.default_value(keyword))
        if keyword is not None:
            column: sa.ColumnElement[Any] | None = self.table.c.get(self._scalings.get(lower, lower))
            if column is not None and self.series.is_implicit(keyword.name) and keyword.scope != "index":
                # A record without the file has the scaling that the series declares.
                column = sa.func.coalesce(column, values.default_value(keyword))
            if column is not None:
                return Field(keyword, column)
        keyword = self.series.keywords.get(lower) or self._aliases.get(lower)
        if keyword is None or keyword.is_per_segment:
            return None
        match = _LINK.fullmatch(keyword.link or "")
        if match:
            return self._linked(keyword, match["link"], match["key"])
        return self.find(keyword.name) if keyword.name.lower() != lower else None

    def _linked(self, keyword: Keyword, link: str, key: str) -> Field:
        target = self.follow(link)
        field = target.find(key) if target is not None else None
        if target is None or field is None:
            return Field(keyword, sa.null(), target=sa.null())
        there = field.keyword
        note = keyword.note or there.note
        seen = replace(
            keyword, type=there.type, units=there.units, format=there.format, default=there.default, note=note
        )
        end = field.target if field.target is not None else target.table.c.recnum
        return Field(seen, field.column, field.constant, end)

    def find_segment(self, name: str) -> SegmentField | None:
        """
        Find a segment, following its link; None if the link leads nowhere.

        Parameters
        ----------
        name
            Name of a segment of the series, in any case.
        """
        segment = self.series.segments[name]
        if segment.link is None:
            return SegmentField(segment, self.table, list(self.series.segments).index(segment.name), self._depth > 0)
        target = self.follow(segment.link)
        if target is None or segment.name not in target.series.segments:
            return None
        return target.find_segment(segment.name)

    def follow(self, name: str) -> "Fields | None":
        """
        The series at the end of a link, joined to this one; None if the link leads nowhere.

        A static link leads to a record number, a dynamic one to the newest record with the same prime keys (C.4).
        """
        if name not in self._targets:
            self._targets[name] = self._follow(self.series.links[name]) if name in self.series.links else None
        return self._targets[name]

    def _follow(self, link: Link) -> "Fields | None":
        try:
            holding = self.catalogue.holding(link.target)
        except QueryError:
            return None
        if self._depth >= LONGEST_CHAIN:
            return None
        target = Fields(self.catalogue, holding)
        target.table = holding.table.alias()
        target._root, target._depth = self._root, self._depth + 1
        if link.kind.upper() == "STATIC":
            condition = self._told(link, "recnum") == target.table.c.recnum
        else:
            versions = holding.table.alias()
            keys = schema.prime_columns(holding.series, versions)
            told = [self._told(link, key) for key in holding.series.prime_keys]
            if not keys or len(told) != len(keys) or any(column is None for column in told):
                return None
            same = [key == column for key, column in zip(keys, told, strict=True)]
            newest = sa.select(sa.func.max(versions.c.recnum)).where(*same).scalar_subquery()
            condition = target.table.c.recnum == newest
        self._root.source = self._root.source.outerjoin(target.table, condition)
        return target

    def _told(self, link: Link, key: str) -> Any:
        return self.table.c.get(schema.link_column(link, key))
