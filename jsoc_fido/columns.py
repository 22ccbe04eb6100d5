"""
From what a site prints to typed columns: numbers with units, times, text, with what is missing masked (contract B.5).
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any, overload

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn
from astropy.time import Time
from astropy.utils.masked import Masked

from jsoc_fido import times, timetext
from jsoc_fido.series import Keyword

__all__ = ["Texts", "column", "compact", "integers", "masked", "reals", "sizes", "time_column", "unit_of"]

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
NO_UNITS = frozenset(
    {"", "none", "na", "n/a", "d/s", "unitless", "dimensionless", "string", "bits", "count", "number", "mh"}
)

INTEGERS = {"char": np.int8, "short": np.int16, "int": np.int32, "longlong": np.int64}

#: Texts of a column that are not worth an array.
FEW = 100


class Texts(Sequence[str]):
    """
    The texts of a column: in one array, or only once if they are all the same.

    It takes a tenth of the memory of a list of texts.

    Parameters
    ----------
    values
        The texts.

    Raises
    ------
    TypeError
        If some of them are none.

    Examples
    --------
    >>> from jsoc_fido.columns import Texts
    >>> Texts(["SDO/AIA", "SDO/AIA"]).array, Texts(["94", "131"])[1]
    (array([b'SDO/AIA'], dtype='|S7'), '131')
    """

    __slots__ = ("_count", "array")

    def __init__(self, values: Sequence[str]) -> None:
        self._count = len(values)
        #: Bytes, or for what is not ASCII characters; shape ``(records,)``, or ``(1,)`` if all texts are the same.
        self.array = _array(values[:1] if _is_constant(values) else values)

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Texts":
        """
        Texts of anything that can be printed.
        """
        if isinstance(values, cls):
            return values
        try:
            return cls(list(values))
        except TypeError:
            return cls([str(value) for value in values])

    def each(self, results: np.ndarray) -> np.ndarray:
        """
        One result for each record, from what `array` was turned into.
        """
        return results if len(results) == self._count else np.repeat(results, self._count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        texts: list[str] = self.array.astype(str).tolist()
        return iter(texts) if len(texts) == self._count else repeat(texts[0], self._count)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return list(self)[index]
        row = range(self._count)[index]
        return str(self.array[row if len(self.array) == self._count else 0].astype(str))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The texts of a column become an array of characters only in a copy.")
        return self.each(self.array.astype(dtype or str))


def _is_constant(values: Sequence[str]) -> bool:
    return len(values) > 1 and values[0] == values[-1] and values.count(values[0]) == len(values)


def _array(texts: Sequence[str]) -> np.ndarray:
    # numpy takes four bytes for a character, also where one would do.
    if "".join(texts).isascii():
        return np.array(texts, dtype=f"S{max(map(len, texts), default=1) or 1}")
    return np.array(texts, dtype=str)


def compact(item: dict[str, Any]) -> dict[str, Any]:
    """
    Hold the values of a column more compactly, if they are many texts.

    For `json.loads`, which calls it as soon as it has read a column: so there are never the texts of two columns.

    Parameters
    ----------
    item
        A column, ``{"name": ..., "values": [...]}``. Anything else is left as it is.
    """
    values = item.get("values")
    if isinstance(values, list) and len(values) > FEW:
        try:
            item["values"] = Texts(values)
        except TypeError:
            # Numbers, such as `*recnum*`, stay what they are.
            return item
    return item


def column(values: Sequence[Any], keyword: Keyword | None) -> Column | u.Quantity | Time:
    """
    Values of a keyword as a site prints them, with the type and unit of its definition.

    Parameters
    ----------
    values
        Texts, shape ``(records,)``.
    keyword
        Definition of the keyword; without it the texts stay texts.
    """
    texts = Texts.of(values)
    kind = keyword.type if keyword else "string"
    if keyword and kind == "time" and unit_of(keyword.units) is None:
        return time_column(texts, keyword)
    if keyword and kind in INTEGERS:
        return integers(texts, keyword)
    if keyword and kind in {"float", "double", "time"}:
        return reals(texts, keyword)
    return _as_printed(texts)


def time_column(values: Sequence[str], keyword: Keyword) -> Time:
    """
    Times, in the keyword's own zone and with the decimals that the site printed.
    """
    texts = Texts.of(values)
    seconds, decimals = timetext.read_many(texts.array)
    result = times.to_astropy(texts.each(seconds), keyword.units)
    result.precision = decimals
    return result


def integers(values: Sequence[str], keyword: Keyword) -> Column:
    """
    Integers; words printed in hexadecimal, such as ``QUALITY``, are unsigned, so that their bits can be tested.
    """
    dtype = np.dtype(INTEGERS[keyword.type])
    texts = Texts.of(values)
    absent = _absent(texts.array)
    printed = _replaced(texts.array, absent, "0")
    hexadecimal = np.strings.startswith(printed, _word("0x", printed)).any()
    if hexadecimal or keyword.default.startswith("0x"):
        dtype = np.dtype(f"u{dtype.name}")
    try:
        if hexadecimal:
            numbers = np.array([int(text, 0) for text in printed.tolist()], dtype=np.uint64)
        else:
            numbers = printed.astype(np.int64)
    except (ValueError, OverflowError):
        # A site that prints an integer in some other way: the text is worth more than an error.
        return _as_printed(texts)
    return masked(texts.each(numbers.astype(dtype)), texts.each(absent))


def reals(values: Sequence[str], keyword: Keyword) -> Column | u.Quantity:
    """
    Real numbers, with the keyword's unit where that is one.
    """
    dtype = np.float32 if keyword.type == "float" else np.float64
    texts = Texts.of(values)
    absent = _absent(texts.array)
    try:
        numbers = _replaced(texts.array, absent, "nan").astype(np.float64).astype(dtype)
    except ValueError:
        return _as_printed(texts)
    unit = unit_of(keyword.units)
    numbers, absent = texts.each(numbers), texts.each(absent)
    if unit is None:
        return masked(numbers, absent)
    return u.Quantity(Masked(numbers, mask=absent) if absent.any() else numbers, unit, dtype=dtype, copy=False)


def sizes(values: Sequence[Any]) -> u.Quantity:
    """
    Bytes on disk; NaN where the site cannot tell.

    The site's sum begins at -1 (contract B.5), hence the byte that is added.
    """
    texts = Texts.of(values)
    known = np.strings.isdigit(np.strings.lstrip(texts.array, _word("-", texts.array)))
    numbers = _replaced(texts.array, ~known, "nan").astype(np.float64) + 1
    return u.Quantity(texts.each(numbers), u.byte, copy=False)


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


def _as_printed(texts: Texts) -> Column:
    return masked(np.asarray(texts), texts.each(_absent(texts.array)))


def _absent(texts: np.ndarray) -> np.ndarray:
    return np.isin(texts, np.array(ABSENT, dtype=texts.dtype.kind))


def _replaced(texts: np.ndarray, where: np.ndarray, word: str) -> np.ndarray:
    return np.where(where, _word(word, texts), texts) if where.any() else texts


def _word(word: str, like: np.ndarray) -> np.ndarray:
    # numpy compares bytes with bytes, and characters with characters.
    return np.array(word, dtype=like.dtype.kind)


def masked(values: np.ndarray, absent: np.ndarray) -> Column:
    """
    A column that may miss values.
    """
    # Also where nothing is missing: astropy does not stack masked columns on others.
    return MaskedColumn(values, mask=absent)
