"""
Values of keywords: as they are stored, and as JSOC prints them.

A missing value is stored as DRMS stores it (contract A.5): the smallest integer, the empty string, JD 0; for floating
point numbers, whose NaN not every database can hold, NULL. In Python it is None.
"""

import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.printed import INTERVALS
from jsoc_fido.series import Keyword

__all__ = ["bit_patterns", "decode", "default_value", "encode", "missing", "printed"]

BITS = {"char": 8, "short": 16, "int": 32, "longlong": 64}

#: Characters of a text that are told (contract B.5).
LONGEST = 20_000

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
    if keyword.type == "string":
        return [None if value is None else (template % value)[:LONGEST] for value in values]
    if convert is None:
        return [None if value is None else template % value for value in values]
    return [None if value is None else template % convert(value) for value in values]


def bit_patterns(keyword: Keyword, values: Sequence[Any]) -> list[str | None]:
    """
    Print the values of a keyword as the bits that DRMS keeps of them (the parameter ``B`` of contract B.3).

    Parameters
    ----------
    keyword
        Gives the type. Texts are printed as they are.
    values
        Python values, None where missing.

    Examples
    --------
    >>> bit_patterns(Keyword("CRVAL1", "float"), [1.5, None])
    ['0x3FC00000', None]
    >>> bit_patterns(Keyword("QUALITY", "int"), [-1])
    ['0xFFFFFFFF']
    """
    if keyword.type == "string":
        return printed(keyword, values)
    if keyword.is_integer:
        bits = BITS[keyword.type]
        return [None if value is None else f"0x{value & ((1 << bits) - 1):0{bits // 4}X}" for value in values]
    form = ">f" if keyword.type == "float" else ">d"
    return [None if value is None else f"0x{struct.pack(form, value).hex().upper()}" for value in values]


def _template(keyword: Keyword, *, exact: bool) -> tuple[str, Callable[[Any], Any] | None]:
    if exact and keyword.is_real:
        return ("%s", _float_text) if keyword.type == "float" else ("%.17G", None)
    match = _PRINTF.fullmatch(keyword.format)
    # Widths and texts around a value cannot be taken off again, nor do digits tell that they are hexadecimal.
    if match is None or (
        exact and not (match["before"] in {"0x", "0X"} and match["kind"] in "xX" and not match["after"])
    ):
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


def _float_text(value: float) -> str:
    """
    Nine digits, all that a float has in DRMS. A value that came with more, from a file, keeps them here.
    """
    text = f"{value:.9G}"
    return text if float(text) == value else f"{value:.17G}"


def _printed_times(keyword: Keyword, values: Sequence[Any], *, exact: bool) -> list[str | None]:
    if keyword.units in INTERVALS:
        form = ".17G" if exact else "f"
        return [None if value is None else format(value / INTERVALS[keyword.units], form) for value in values]
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
