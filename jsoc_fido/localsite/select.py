"""
From a record set to the records: SQL with bound parameters (contract A.8 to A.12).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jsoc_fido import recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import schema, values
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.fields import Fields
from jsoc_fido.localsite.junctions import any_of
from jsoc_fido.localsite.sqlfilter import compile_filter
from jsoc_fido.recordset import PrimeKey, RecordSet

__all__ = ["MOST_RECORDS", "Selection"]

#: Records of one set; JSOC leaves out the rest without a word, and so does a site here (contract A.11).
MOST_RECORDS = 75_000

#: Times that are no slots are equal if they print alike, to 6 decimals (contract A.12).
SAME_TIME = 5e-7

#: How far a real key may be from a multiple of its skip, in units of the start value (contract A.5).
TOLERANCE = 2e-11

#: Records that are in memory at the same time when many are told.
BLOCK = 2000

Clause = Callable[[sa.FromClause], sa.ColumnElement[bool]]


class Selection:
    """
    The records of one record set.

    Parameters
    ----------
    catalogue
        The site.
    record_set
        The record set, parsed.

    Raises
    ------
    QueryError
        If the site has no such series, or the filters do not fit it.
    """

    def __init__(self, catalogue: Catalogue, record_set: RecordSet) -> None:
        holding = catalogue.holding(record_set.series)
        self.catalogue = catalogue
        self.series = holding.series
        self.table = holding.table
        self.fields = Fields(catalogue, holding)
        self.record_set = record_set
        #: Names of the segments that the set asks for: all, if it names none.
        self.segments = self._segments()
        self._condition = self._where()

    @classmethod
    def of_records(
        cls, catalogue: Catalogue, series: str, recnums: Sequence[int], segments: Sequence[str] = ()
    ) -> "Selection":
        """
        Select records by number.

        Parameters
        ----------
        catalogue
            The site.
        series
            Their series.
        recnums
            Their numbers; some thousands at most.
        segments
            Names of segments, all by default.

        Raises
        ------
        QueryError
            If the site has no such series, or the series no such segment.
        """
        selection = cls(catalogue, RecordSet(series, segments=tuple(segments)))
        selection._condition = selection.table.c.recnum.in_(recnums)
        return selection

    def rows(self, columns: Sequence[sa.ColumnElement[Any]], *, limit: int = 0) -> list[tuple[Any, ...]]:
        """
        Values of some columns, in the order of the prime keys.

        Parameters
        ----------
        columns
            What to select; `fields` knows it.
        limit
            Only so many of the first records, or of the last ones if negative.

        Raises
        ------
        QueryError
            If the database cannot carry the filters out.
        """
        order = [*schema.prime_columns(self.series, self.table), self.table.c.recnum]
        ascending = [column.asc().nulls_last() for column in order]
        descending = [column.desc().nulls_first() for column in order]
        statement = (
            self._columns(columns)
            .where(self._condition)
            .order_by(*(descending if limit < 0 else ascending))
            .limit(min(abs(limit) or MOST_RECORDS, MOST_RECORDS))
        )
        found = self._execute(statement)
        return found[::-1] if limit < 0 else found

    def blocks(self, columns: Sequence[sa.ColumnElement[Any]], *, limit: int = 0) -> Iterator[list[tuple[Any, ...]]]:
        """
        The same, some records at a time. A row may have more columns at its end.

        Parameters
        ----------
        columns, limit
            As for `rows`.

        Raises
        ------
        QueryError
            If the database cannot carry the filters out.
        """
        # Which records, and in which order, is found out with no more than it takes; they do not change any more.
        recnums = [recnum for (recnum,) in self.rows([self.table.c.recnum], limit=limit)]
        for start in range(0, len(recnums), BLOCK):
            block = recnums[start : start + BLOCK]
            statement = self._columns([*columns, self.table.c.recnum]).where(self.table.c.recnum.in_(block))
            found = {row[-1]: row for row in self._execute(statement)}
            yield [found[recnum] for recnum in block]

    def _columns(self, columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
        # The labels keep a column that is asked for twice from being taken for one.
        labelled = [column.label(f"c{number}") for number, column in enumerate(columns)]
        return sa.select(*labelled).select_from(self.fields.source)

    def count(self, *, limit: int = 0) -> int:
        """
        Number of records, also of those beyond the most that are told (contract B.4).

        Parameters
        ----------
        limit
            Count no more than so many.
        """
        inner = sa.select(self.table.c.recnum).select_from(self.fields.source).where(self._condition)
        if limit:
            inner = inner.limit(min(abs(limit), MOST_RECORDS))
        return self._execute(sa.select(sa.func.count()).select_from(inner.subquery()))[0][0]

    def _execute(self, statement: sa.Select[Any]) -> list[Any]:
        try:
            with self.catalogue.engine.connect() as connection:
                return list(connection.execute(statement).all())
        except (SQLAlchemyError, OverflowError) as err:
            words = str(getattr(err, "orig", None) or err).splitlines()[0]
            raise QueryError(f"problem with database query: {words}") from err

    def _segments(self) -> list[str]:
        named = self.record_set.segments
        if not named or "**ALL**" in named:
            return list(self.series.segments)
        wanted = {name.lower() for name in named}
        known = [name for name in self.series.segments if name.lower() in wanted]
        if not known:
            raise QueryError(
                f"Series {self.series.name} has none of the segments {', '.join(named)}; "
                f"it has {', '.join(self.series.segments) or 'no segments'}."
            )
        return known

    def _where(self) -> sa.ColumnElement[bool]:
        clauses: list[Clause] = []
        conditions = []
        by_number = all_versions = False
        for part in recordset.bind(self.record_set, self.series.prime_key_types):
            match part:
                case recordset.Condition():
                    clauses.append(self._key_clause(part, tuple(clauses)))
                case recordset.RecordNumbers():
                    by_number = True
                    conditions.append(self._number_clause(part))
                case recordset.SqlFilter():
                    all_versions = all_versions or part.all_versions
                    conditions.append(compile_filter(part.text, self.fields))
        if by_number or all_versions or not schema.prime_columns(self.series, self.table):
            conditions += [clause(self.table) for clause in clauses]
        else:
            conditions.append(self._is_newest(clauses))
        return sa.and_(sa.true(), *conditions)

    def _is_newest(self, clauses: Sequence[Clause]) -> sa.ColumnElement[bool]:
        # All versions of a record have the same prime keys, so the filters on these may come first (contract A.11).
        versions = self.table.alias()
        newest = (
            sa.select(sa.func.max(versions.c.recnum))
            .where(sa.true(), *(clause(versions) for clause in clauses))
            .group_by(*schema.prime_columns(self.series, versions))
        )
        return self.table.c.recnum.in_(newest)

    def _key_clause(self, condition: "recordset.Condition", earlier: tuple[Clause, ...]) -> Clause:
        key = condition.key
        name = schema.slot_column(key.name) if key.slot is not None else key.name.lower()
        return lambda table: any_of(self._term(term, key, table, name, earlier) for term in condition.terms)

    def _term(
        self, term: object, key: PrimeKey, table: sa.FromClause, name: str, earlier: tuple[Clause, ...]
    ) -> sa.ColumnElement[bool]:
        column = table.c[name]
        match term:
            case recordset.Extremum():
                # Among the records that the filters to the left leave over (contract A.8).
                others = self.table.alias()
                extreme = (sa.func.max if term.last else sa.func.min)(others.c[name])
                among = [clause(others) for clause in earlier]
                return column == sa.select(extreme).where(sa.true(), *among).scalar_subquery()
            case recordset.IndexBetween():
                return self._numbers(column, term.low, term.high, term.skip)
            case recordset.Equals():
                return _equals(column, key, term.value)
            case recordset.Between():
                within = sa.and_(column >= term.low, column <= term.high)
                return sa.and_(within, _on_grid(column, key, term.low, term.skip))
            case recordset.HalfOpen():
                within = sa.and_(column >= term.start, column < term.start + term.extent)
                return sa.and_(within, _on_grid(column, key, term.start, term.skip))
        raise QueryError(f"{term!r} is no filter that a site knows.")

    def _number_clause(self, part: "recordset.RecordNumbers") -> sa.ColumnElement[bool]:
        column = self.table.c.recnum
        choices = []
        for item in part.items:
            match item:
                case recordset.Extreme():
                    extreme = (sa.func.max if item.last else sa.func.min)(self.table.alias().c.recnum)
                    choices.append(column == sa.select(extreme).scalar_subquery())
                case recordset.Index():
                    choices.append(column == item.number)
                case recordset.IndexRange():
                    choices.append(self._numbers(column, item.start, item.stop, item.skip))
                case recordset.IndexSpan():
                    choices.append(self._numbers(column, item.start, item.start + item.count - 1, item.skip))
        return any_of(choices)

    def _numbers(
        self, column: sa.ColumnElement[Any], low: int | None, high: int | None, skip: int | None
    ) -> sa.ColumnElement[bool]:
        parts: list[sa.ColumnElement[bool]] = [sa.true()]
        if low is not None:
            parts.append(column >= low)
        if high is not None:
            parts.append(column <= high)
        if skip is not None and skip > 1:
            start: Any = low
            if low is None:
                start = sa.select(sa.func.min(self.table.alias().c[str(column.key)])).scalar_subquery()
            parts.append((column - start) % skip == 0)
        return sa.and_(*parts)


def _equals(column: sa.ColumnElement[Any], key: PrimeKey, value: Any) -> sa.ColumnElement[bool]:
    if value is None:
        stand_in = values.missing(key.type)
        return column.is_(None) if stand_in is None else sa.or_(column.is_(None), column == stand_in)
    if key.type == "time":
        return column.between(value - SAME_TIME, value + SAME_TIME)
    return column == value


def _on_grid(column: sa.ColumnElement[Any], key: PrimeKey, start: Any, skip: float | None) -> sa.ColumnElement[bool]:
    if not skip:
        return sa.true()
    if key.type in values.BITS:
        return (column - start) % int(skip) == 0
    steps = (column - start) / skip
    return sa.func.abs(steps - sa.func.round(steps)) <= TOLERANCE * abs(start)
