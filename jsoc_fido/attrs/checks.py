"""
What words check of their values: texts that DRMS can read, and constants that it can compare with.
"""

from collections.abc import Hashable
from datetime import date, datetime, time, timedelta
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time, TimeDelta
from sunpy.net.attr import Attr

from jsoc_fido import conditions, recordset, times
from jsoc_fido.conditions import Measure, shown
from jsoc_fido.exceptions import QueryError

__all__ = ["LONGEST", "LONGEST_NAME", "TypedEquality", "comparable", "plain", "text_of"]

#: Room that DRMS has for all filters of a record set (contract A.2); no value can be longer.
LONGEST = 8192

#: No keyword, prime key or segment of a site has a longer name.
LONGEST_NAME = 64


def text_of(attr: object, value: object, what: str, longest: int = LONGEST) -> str:
    """
    Check a value that must be a text of printable ASCII.

    DRMS reads nothing else (contract A.2).
    """
    name = type(attr).__name__
    if not isinstance(value, str):
        raise QueryError(f"{name} takes {what} as text, not {shown(value)} ({type(value).__name__}).")
    if not value.strip():
        raise QueryError(f"{name} needs {what}; {shown(value)} is empty.")
    if len(value) > longest:
        raise QueryError(f"{name} takes {what} of at most {longest} characters; {shown(value)} has {len(value)}.")
    if not (value.isascii() and value.isprintable()):
        raise QueryError(f"{name} takes {what} in printable ASCII, as DRMS does; {shown(value)} is not.")
    return value


def plain(value: Any) -> Any:
    """
    A value of a table as a plain one: numpy scalars as numbers and text, times as DRMS writes them.

    A date is its midnight, as it is to DRMS; a length of time is a quantity of seconds.
    """
    if np.any(getattr(value, "mask", False)):
        # What is missing in a table equals nothing.
        return value
    value = _of_time(getattr(value, "unmasked", value))
    if isinstance(value, Time) and value.isscalar:
        return recordset.time_value(times.from_astropy(value)).text
    if isinstance(value, u.Quantity) and value.isscalar and value.dtype.kind in "iuf" and np.isfinite(value):
        return Measure(float(value.value), value.unit)
    return value.item() if isinstance(value, np.generic) else value


def _of_time(value: Any) -> Any:
    """
    A time of Python's or numpy's as astropy's, and a length of time as a quantity; what is neither, as it is.
    """
    try:
        match value:
            case np.datetime64() | np.timedelta64() if np.isnat(value):
                return value
            case np.datetime64() | datetime():
                return Time(value)
            case date():
                return Time(datetime.combine(value, time()))
            case np.timedelta64():
                return value / np.timedelta64(1, "s") * u.s
            case timedelta() | TimeDelta():
                return TimeDelta(value).to(u.s)
    except ValueError:
        # NaT, pandas' word for a time that is missing.
        pass
    return value


def comparable(what: str, value: Any) -> conditions.Value:
    """
    Check what a prime key or a keyword is compared with.
    """
    constant = plain(value)
    if isinstance(constant, Attr):
        raise QueryError(
            f"{what} is compared with values only, not with {shown(constant)}; search for both keywords, and compare "
            "the columns of the table."
        )
    if isinstance(constant, bool) or not isinstance(constant, str | int | float | Measure):
        instead = "; DRMS has no truths, but numbers such as 0 and 1" if isinstance(constant, bool) else ""
        raise QueryError(
            f"{what} takes a text, a finite number, a Quantity or a Time, not {shown(value)} "
            f"({type(value).__name__}){instead}."
        )
    if isinstance(constant, str) and not constant.strip():
        raise QueryError(f"{what} cannot be compared with the empty text {shown(constant)}; ask with is_missing().")
    if isinstance(constant, str) and (len(constant) > LONGEST or not (constant.isascii() and constant.isprintable())):
        raise QueryError(
            f"{what} takes at most {LONGEST} characters of printable ASCII, as DRMS does; {shown(constant)} is not so."
        )
    return constant


class TypedEquality:
    """
    Equality and hash that tell ``Series("x")`` from ``Protocol("x")``; sunpy's compare the values only.
    """

    def _identity(self) -> Hashable:
        return tuple(sorted(vars(self).items()))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((type(self), self._identity()))
