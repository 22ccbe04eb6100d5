"""
From what a site prints to typed columns: numbers with units, times, text, with what is missing masked (contract B.5).
"""

from collections.abc import Iterable, Sequence
from functools import cache

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn
from astropy.time import Time
from astropy.utils.masked import Masked

from jsoc_fido import times
from jsoc_fido.series import Keyword

__all__ = ["column", "integers", "masked", "reals", "sizes", "time_column", "unit_of"]

#: What a site prints for a value that is not there (contract B.5).
ABSENT = ("MISSING", "Invalid KeyLink")

#: How DRMS series spell units that astropy spells otherwise.
UNIT_NAMES = {
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "mins": "min",
    "minutes": "min",
    "days": "d",
    "hours": "h",
    "degree": "deg",
    "degrees": "deg",
    "degree/day": "deg / d",
    "deg/day": "deg / d",
    "meter": "m",
    "meters": "m",
    "gauss": "G",
    "pixels": "pix",
    "angstroms": "Angstrom",
    "cmsq": "cm2",
    "maxwell": "Mx",
    "milliangstrom": "mAngstrom",
}

#: Units that astropy would read as something else than the series means, or that say there is none.
NO_UNITS = frozenset({"", "none", "na", "n/a", "d/s", "unitless", "dimensionless", "string", "bits", "count", "number"})

INTEGERS = {"char": np.int8, "short": np.int16, "int": np.int32, "longlong": np.int64}


def column(values: Sequence[str], keyword: Keyword | None) -> Column | u.Quantity | Time:
    """
    Values of a keyword as a site prints them, with the type and unit of its definition.

    Parameters
    ----------
    values
        Texts, shape ``(records,)``.
    keyword
        Definition of the keyword; without it the texts stay texts.
    """
    kind = keyword.type if keyword else "string"
    if keyword and kind == "time" and unit_of(keyword.units) is None:
        return time_column(values, keyword)
    if keyword and kind in INTEGERS:
        return integers(values, keyword)
    if keyword and kind in {"float", "double", "time"}:
        return reals(values, keyword)
    texts = np.asarray(values, dtype=str)
    return masked(texts, _absent(texts))


def time_column(values: Sequence[str], keyword: Keyword) -> Time:
    """
    Times, in the keyword's own zone and with the decimals that the site printed.
    """
    seconds = times.parse_many(values)
    result = times.to_astropy(seconds, keyword.units)
    result.precision = max((_decimals(value) for value in values if value not in ABSENT), default=0)
    return result


def integers(values: Sequence[str], keyword: Keyword) -> Column:
    """
    Integers; words printed in hexadecimal, such as ``QUALITY``, are unsigned, so that their bits can be tested.
    """
    dtype = np.dtype(INTEGERS[keyword.type])
    texts = np.asarray(values, dtype=str)
    absent = _absent(texts)
    hexadecimal = np.char.startswith(texts, "0x")
    if hexadecimal.any() or keyword.default.startswith("0x"):
        dtype = np.dtype(f"u{dtype.name}")
    try:
        if hexadecimal.any():
            numbers = np.array([0 if gone else int(text, 0) for text, gone in zip(texts, absent, strict=True)])
        else:
            numbers = np.where(absent, "0", texts).astype(np.int64)
        return masked(numbers.astype(dtype), absent)
    except (ValueError, OverflowError):
        # A site that prints an integer in some other way: the text is worth more than an error.
        return masked(texts, absent)


def reals(values: Sequence[str], keyword: Keyword) -> Column | u.Quantity:
    """
    Real numbers, with the keyword's unit where that is one.
    """
    dtype = np.float32 if keyword.type == "float" else np.float64
    texts = np.asarray(values, dtype=str)
    absent = _absent(texts)
    try:
        numbers = np.where(absent, "nan", texts).astype(np.float64).astype(dtype)
    except ValueError:
        return masked(texts, absent)
    unit = unit_of(keyword.units)
    if unit is None:
        return masked(numbers, absent)
    return u.Quantity(Masked(numbers, mask=absent) if absent.any() else numbers, unit, dtype=dtype)


def sizes(values: Iterable[str]) -> u.Quantity:
    """
    Bytes on disk; NaN where the site cannot tell.

    The site's sum begins at -1 (contract B.5), hence the byte that is added.
    """
    return u.Quantity([float(value) + 1 if str(value).lstrip("-").isdigit() else np.nan for value in values], u.byte)


@cache
def unit_of(text: str) -> u.UnitBase | None:
    """
    The unit that a series names, or `None` if it names none.

    Examples
    --------
    >>> from jsoc_fido.columns import unit_of
    >>> unit_of("arcsec"), unit_of("degrees"), unit_of("TAI"), unit_of("none")
    (Unit("arcsec"), Unit("deg"), None, None)
    """
    name = text.strip()
    if name.lower() in NO_UNITS or name.upper() in {"TAI", "UTC", "UT", "ISO", "TT", "TDT", "GPS"}:
        return None
    unit = u.Unit(UNIT_NAMES.get(name.lower(), name), parse_strict="silent")
    return None if isinstance(unit, u.UnrecognizedUnit) else unit


def _absent(texts: np.ndarray) -> np.ndarray:
    return np.isin(texts, ABSENT)


def masked(values: np.ndarray, absent: np.ndarray) -> Column:
    """
    A column that may miss values.
    """
    # Also where nothing is missing: astropy does not stack masked columns on others.
    return MaskedColumn(values, mask=absent)


def _decimals(text: str) -> int:
    # '2013-12-31T23:59:39.20Z' has two; the dots of a dotted date stand before the first colon.
    _, _, tail = text.rpartition(":")
    fraction = tail.partition(".")[2]
    return len(fraction) - len(fraction.lstrip("0123456789"))
