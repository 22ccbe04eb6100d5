"""
Values of keywords: as they are stored, and as JSOC prints them.

A missing value is stored as DRMS stores it (contract A.5): the smallest integer, the empty string, JD 0; for floating
point numbers, whose NaN not every database can hold, NULL. In Python it is None.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.series import Keyword

__all__ = ["decode", "default_value", "encode", "missing", "printed"]

BITS = {"char": 8, "short": 16, "int": 32, "longlong": 64}

#: Seconds per unit, for times whose unit is an interval: they print as a number (contract A.6).
INTERVALS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "hour": 3600, "hours": 3600, "day": 86400, "days": 86400, "wk": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip

_PRINTF = re.compile(
    r"(?P<before>(?:[^%]|%%)*)%(?P<flags>[-+ #0]*\d*(?:\.\d+)?)(?:hh|h|ll|l|q|L|j|z|t)?(?P<kind>[diouxXeEfFgGs])"
    r"(?P<after>(?:[^%]|%%)*)"
)
_DEFAULT_FORMAT = {"float": "%f", "double": "%f", "string": "%s"}


def missing(kind: str) -> object:
    """
    What stands in the database for a missing value of a DRMS type.
    """
    if kind in BITS:
        return -(1 << (BITS[kind] - 1))
    return {"time": times.MISSING, "string": ""}.get(kind)


def encode(keyword: Keyword, value: Any) -> object:
    """
    Turn a Python value into what the database stores.

    Parameters
    ----------
    keyword
        The keyword it is a value of.
    value
        A number, a string, seconds for a time, or None.

    Raises
    ------
    DataError
        If the value is of another type or does not fit.
    """
    if value is None or value is np.ma.masked:
        return missing(keyword.type)
    try:
        if keyword.type == "string":
            return str(value)
        if keyword.type in BITS:
            return _fitting(int(value), BITS[keyword.type])
        number = float(value)
    except (TypeError, ValueError, OverflowError) as err:
        raise DataError(f"{value!r} is no value for {keyword.name}, which is of type {keyword.type}.") from err
    return number if math.isfinite(number) else missing(keyword.type)


def _fitting(number: int, bits: int) -> int:
    # Patterns of bits, such as QUALITY, may come unsigned.
    if not -(1 << (bits - 1)) <= number < (1 << bits):
        raise ValueError(f"more than {bits} bits")
    return number - (1 << bits) if number >= 1 << (bits - 1) else number


def decode(keyword: Keyword, value: Any) -> Any:
    """
    Turn what the database stores into a Python value, None if it is missing.
    """
    return None if value is None or value == missing(keyword.type) else value


def default_value(keyword: Keyword) -> Any:
    """
    The default of a keyword, which is the value of a constant; None if it is missing.
    """
    text = keyword.default.strip()
    try:
        if keyword.type == "time":
            value: object = times.parse(text)
        elif keyword.type in BITS:
            value = _fitting(int(text, 0), BITS[keyword.type])
        elif keyword.is_real:
            value = float(text)
        else:
            value = keyword.default
    except (ValueError, QueryError):
        return None
    return None if isinstance(value, float) and math.isnan(value) else decode(keyword, value)


def printed(keyword: Keyword, values: Sequence[Any], *, exact: bool = False) -> list[str | None]:
    """
    Print the values of a keyword with the keyword's own format (contract B.5).

    Parameters
    ----------
    keyword
        Gives type, format and, for times, the zone.
    values
        Python values, None where missing.
    exact
        Print all digits instead (the parameter ``M`` of contract B.3).

    Returns
    -------
    list
        Texts, None where missing.
    """
    if keyword.type == "time":
        return _printed_times(keyword, values, exact=exact)
    template, convert = _template(keyword, exact=exact)
    if convert is None:
        return [None if value is None else template % value for value in values]
    return [None if value is None else template % convert(value) for value in values]


def _template(keyword: Keyword, *, exact: bool) -> tuple[str, Callable[[Any], Any] | None]:
    match = None if exact and keyword.is_real else _PRINTF.fullmatch(keyword.format)
    if match is None:
        if exact and keyword.is_real:
            return "%.9G" if keyword.type == "float" else "%.17G", None
        return _DEFAULT_FORMAT.get(keyword.type, "%d"), None
    kind = match["kind"]
    template = f"{match['before']}%{match['flags']}{kind}{match['after']}"
    if keyword.type == "string":
        return (template, None) if kind == "s" else ("%s", None)
    if kind in "ouxX" and keyword.is_integer:
        # C prints the pattern of bits, Python would print a minus sign.
        mask = (1 << BITS[keyword.type]) - 1
        return template, lambda value: value & mask
    if kind in "diouxX":
        return template, None if keyword.is_integer else int
    return template, None


def _printed_times(keyword: Keyword, values: Sequence[Any], *, exact: bool) -> list[str | None]:
    if keyword.units in INTERVALS:
        return [None if value is None else f"{value / INTERVALS[keyword.units]:f}" for value in values]
    present = [index for index, value in enumerate(values) if value is not None]
    seconds = np.array([values[index] for index in present], dtype=float)
    texts: list[str | None] = [None] * len(values)
    zone = keyword.units if keyword.units and keyword.units != "none" else "UTC"
    for index, text in zip(present, times.format_many(seconds, zone, 6 if exact else decimals(keyword)), strict=True):
        texts[index] = text
    return texts


def decimals(keyword: Keyword) -> int:
    """
    Decimals of the seconds with which a time prints; negative ones leave out seconds, minutes, ... (contract A.6).
    """
    try:
        return int(keyword.format)
    except ValueError:
        return 0
