"""
Values of keywords from texts: as a site prints them with all their digits, and as they stand on FITS cards.
"""

import enum
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from astropy.io import fits

from jsoc_fido import times
from jsoc_fido.exceptions import DataError
from jsoc_fido.series import Keyword, Series

__all__ = ["INTERVALS", "NO_CARD", "Mark", "from_printed", "from_text"]


class Mark(enum.Enum):
    """
    What stands in the place of a value.
    """

    NO_CARD = enum.auto()


#: Instead of a value: the keyword gets no card, because its link is broken (contract E.4). A missing value gets one.
NO_CARD: Final = Mark.NO_CARD

#: Seconds per unit, for times whose unit is an interval: they print as a number (contract A.6).
INTERVALS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "hour": 3600, "hours": 3600, "day": 86400, "days": 86400, "wk": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip

_SEGMENT_NUMBER = re.compile(r"(?:_(\d{3})|\[(\d+)\])$")
#: What `rs_list` prints where a record has no value, and where a link is broken (contract B.5).
_MISSING, _BROKEN = "MISSING", "Invalid KeyLink"


def from_printed(series: Series, printed: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
    """
    Turn keywords that a site printed with all digits (contract B.3, B.5) into values, as `jsoc_fido.headers.cards`
    takes them.

    Parameters
    ----------
    series
        Definition of the series.
    printed
        Columns of texts by name of the keyword, as ``rs_list`` replies with ``M=1``. What is no keyword of the series
        itself is left out: pseudo keys, and FITS names, whose columns repeat others.

    Returns
    -------
    list of dict
        Values for each record, by the series' own spelling of the keyword: None for ``MISSING``, and `NO_CARD` for
        ``Invalid KeyLink``. A text that happens to be one of these words cannot be told from it.

    Raises
    ------
    DataError
        If a text is no value of its keyword's type, or the columns are of different lengths.

    Examples
    --------
    >>> from jsoc_fido.series import NameMap
    >>> series = Series("su.test", keywords=NameMap([Keyword("QUALITY", "int"), Keyword("T_OBS", "time")]))
    >>> from_printed(series, {"QUALITY": ["0x80000001"], "T_OBS": ["2014.01.01_00:00:45.250000_TAI"]})
    [{'QUALITY': -2147483647, 'T_OBS': 1167609645.25}]
    """
    lengths = {len(texts) for texts in printed.values()}
    if len(lengths) > 1:
        raise DataError(f"The site printed columns of {series.name} with different lengths: {sorted(lengths)}.")
    columns = {}
    for name, texts in printed.items():
        keyword = series.keyword(name)
        if keyword is not None and not series.is_alias(keyword.name):
            key = _key(keyword, name)
            columns[key] = _column(keyword, key, texts)
    if not columns:
        return [{} for _ in range(max(lengths, default=0))]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _key(keyword: Keyword, name: str) -> str:
    number = _SEGMENT_NUMBER.search(name) if keyword.is_per_segment else None
    return f"{keyword.name}_{int(number[1] or number[2]):03d}" if number else keyword.name


def _column(keyword: Keyword, key: str, texts: Sequence[str]) -> list[object]:
    read = _reader(keyword, texts)
    marks: dict[str, object] = {_MISSING: None, _BROKEN: NO_CARD}
    column: list[object] = []
    for text in texts:
        try:
            column.append(marks[text] if text in marks else read(text))
        except ValueError as err:
            raise DataError(f"The site printed {text!r} for {key}, which is of type {keyword.type}.") from err
    return column


def _reader(keyword: Keyword, texts: Sequence[str]) -> Callable[[str], object]:
    """
    What reads the texts of a column.
    """
    if keyword.type == "string":
        return str
    if not keyword.is_time or keyword.units in INTERVALS:
        return functools.partial(from_text, keyword)
    # All at once is faster than one by one. What cannot be read, or is missing, is looked at again.
    known = dict(zip(texts, times.parse_many(texts).tolist(), strict=True))
    return lambda text: from_text(keyword, text) if math.isnan(known[text]) else known[text]


def from_text(keyword: Keyword, text: object) -> int | float | str | None:
    """
    A value from a card, or as a site prints it; None if it is missing (contract A.5).

    Raises
    ------
    ValueError
        If the text is no value of the keyword's type.
    """
    if isinstance(text, fits.card.Undefined) or text is None:
        return None
    if keyword.type == "string":
        # A missing text is no text at all; blanks are a value, though FITS does not count them.
        return str(text) or " "
    if isinstance(text, str) and text.strip().lower() in {"", "nan", "missing", "-nan"}:
        return None
    if keyword.is_integer:
        return _integer(keyword, text)
    if keyword.is_time and isinstance(text, str):
        if keyword.units in INTERVALS:
            return _seconds(float(text), INTERVALS[keyword.units])
        seconds = times.parse(text)
        return None if seconds == times.MISSING else seconds
    number = float(str(text))
    return number if math.isfinite(number) else None


def _seconds(count: float, unit: int) -> float | None:
    """
    The time that is a number of units, so that dividing by the unit gives that number again, to the last digit.
    """
    if not math.isfinite(count):
        return None
    seconds = count * unit
    near = (seconds, math.nextafter(seconds, -math.inf), math.nextafter(seconds, math.inf))
    return next((candidate for candidate in near if candidate / unit == count), seconds)


def _integer(keyword: Keyword, text: object) -> int | None:
    if isinstance(text, str):
        # Leading zeros come from a format such as %03d.
        number = int(text, 16 if "x" in text.lower() else 10)
    elif isinstance(text, (int, float)) and float(text).is_integer():
        number = int(text)
    else:
        raise ValueError(f"{text!r} is no integer")
    bits = {"char": 8, "short": 16, "int": 32, "longlong": 64}[keyword.type]
    if not -(1 << (bits - 1)) <= number < (1 << bits):
        raise ValueError(f"{text!r} has more than {bits} bits")
    if number >= 1 << (bits - 1):  # patterns of bits may be printed unsigned
        number -= 1 << bits
    return None if number == -(1 << (bits - 1)) else number
