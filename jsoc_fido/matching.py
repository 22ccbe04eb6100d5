"""
Conditions on keywords, applied to the columns of a table.

They select the rows that a site would select, by the rules of its database: nothing can be said of a real number that
is missing, whether it is tested or the test is turned round; a missing integer or time stands below all others, and a
missing text is empty (contract A.5).
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.table import QTable
from astropy.time import Time

from jsoc_fido import conditions, times
from jsoc_fido.conditions import Condition, Kind
from jsoc_fido.exceptions import QueryError

__all__ = ["matches"]

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

#: What is known to hold, and what is known not to; shape ``(rows,)`` each.
Known: TypeAlias = tuple[np.ndarray, np.ndarray]


def matches(condition: Condition, table: QTable) -> np.ndarray:
    """
    Say for which rows a condition holds.

    Parameters
    ----------
    condition
        The condition.
    table
        The rows.

    Returns
    -------
    numpy.ndarray
        Booleans, shape ``(rows,)``.

    Raises
    ------
    QueryError
        If the table has no such keyword, or it is of another type.
    """
    return _known(condition, table)[0]


def _known(condition: Condition, table: QTable) -> Known:
    match condition:
        case conditions.Not():
            holds, fails = _known(condition.condition, table)
            return fails, holds
        case conditions.AllOf():
            parts = [_known(part, table) for part in condition.conditions]
            return np.all([holds for holds, _ in parts], axis=0), np.any([fails for _, fails in parts], axis=0)
        case conditions.AnyOf():
            parts = [_known(part, table) for part in condition.conditions]
            return np.any([holds for holds, _ in parts], axis=0), np.all([fails for _, fails in parts], axis=0)
        case _:
            return _Column(table, condition.name).known(condition)


class _Column:
    """
    The values of a keyword, as the database of a site has them.
    """

    def __init__(self, table: QTable, name: str) -> None:
        self.name = _spelled(table, name)
        item = table[self.name]
        self.absent = np.broadcast_to(np.asarray(getattr(item, "mask", False)), len(table))
        if isinstance(item, Time):
            self.kind = Kind("time")
            self.values = np.where(self.absent, times.MISSING, np.nan_to_num(times.from_astropy(item)))
            self.unknown = np.zeros(len(table), dtype=bool)
            return
        numbers = np.asarray(getattr(item, "unmasked", item))
        if numbers.dtype.kind in "iu":
            # The database has signed numbers only; the table shows words as unsigned ones.
            numbers = numbers.astype(f"i{numbers.dtype.itemsize}")
            self.kind = Kind("number", getattr(item, "unit", None), 8 * numbers.dtype.itemsize)
            self.values = np.where(self.absent, np.iinfo(numbers.dtype).min, numbers)
            self.unknown = np.zeros(len(table), dtype=bool)
        elif numbers.dtype.kind == "f":
            self.kind = Kind("number", item.unit if isinstance(item, u.Quantity) else None)
            self.values = numbers
            self.unknown = self.absent = self.absent | np.isnan(numbers)
        else:
            self.kind = Kind("text")
            self.values = np.where(self.absent, "", numbers.astype(str))
            self.absent = self.values == ""
            self.unknown = np.zeros(len(table), dtype=bool)

    def known(self, condition: Condition) -> Known:
        if isinstance(condition, conditions.Missing):
            return self.absent, ~self.absent
        holds = np.broadcast_to(self._holds(condition), self.values.shape)
        return holds & ~self.unknown, ~holds & ~self.unknown

    def _holds(self, condition: Condition) -> Any:
        match condition:
            case conditions.KeywordTest():
                value = conditions.plain_value(self.name, condition.value, self.kind, condition.operator)
                return COMPARISONS[condition.operator](self.values, value)
            case conditions.OneOf():
                values = [conditions.plain_value(self.name, value, self.kind) for value in condition.values]
                return np.any([self.values == value for value in values], axis=0)
            case conditions.Contains():
                self._require(self.kind.sort == "text", "a text")
                return np.strings.find(self.values, condition.text) >= 0
            case conditions.Like():
                self._require(self.kind.sort == "text", "a text")
                parts = (_WILD.get(character, re.escape(character)) for character in condition.pattern)
                pattern = re.compile("".join(parts), re.DOTALL)
                return [pattern.fullmatch(text) is not None for text in self.values.tolist()]
            case conditions.Bits():
                self._require(
                    self.kind.bits >= condition.mask.bit_length(), f"an integer of {condition.mask:#x}'s size"
                )
                # The sign goes on to the left, so that the highest bit is where it was.
                return (self.values.astype(np.int64) & condition.mask) == (condition.mask if condition.are_set else 0)
        raise QueryError(f"{condition!r} is no condition on one keyword.")

    def _require(self, right: bool, what: str) -> None:
        if not right:
            raise QueryError(f"Keyword {self.name} is not {what}, so it cannot be tested like one.")


_WILD = {"%": ".*", "_": "."}


def _spelled(table: QTable, name: str) -> str:
    for column in table.colnames:
        if column.lower() == name.lower():
            return str(column)
    raise QueryError(
        f"Keyword {name!r} is not in the table; search with a.jsoc.Keys({name!r}, ...) or without Keys to have it."
    )
