"""
DRMS time strings to seconds and back (contract A.6).

Times are floats: SI seconds since 1977.01.01_00:00:00_TAI.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jsoc_fido import clocks
from jsoc_fido.clocks import DAY
from jsoc_fido.exceptions import QueryError

__all__ = ["MISSING", "format", "format_many", "is_missing", "parse", "parse_many", "read", "read_many", "scan"]

#: Julian day 0, which DRMS takes for a missing time (contract A.5).
MISSING = -211087684832.184

#: Julian date of DRMS second 0.
_JD_EPOCH = 2443144.5

EPOCHS = {
    "DRMS_EPOCH": 0.0,
    "MDI_EPOCH": 504921600.0,
    "TSEQ_EPOCH": 504921600.0,
    "WSO_EPOCH": -11865398400.0,
    "TAI_EPOCH": -599616000.0,
    "MJD_EPOCH": -3727641600.0,
}

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")

# Longer names first: DRMS takes the longest zone that fits, and else a single letter.
_NAMES = sorted({*clocks.UNIFORM, *clocks.CIVIL} - {"ISO"}, key=len, reverse=True)
_OFFSET = r"[+-]\d+"
_NAME = f"(?i:{'|'.join(_NAMES)})"

_JULIAN = re.compile(
    rf"(?i:(?P<modified>M?)JD_)(?P<days>[+-]?(?:\d{{1,12}}\.?\d*|\.\d+))(?:_(?P<zone>{_NAME}|{_OFFSET}))?", re.ASCII
)
_DATE = re.compile(
    r"(?P<joined>\d{7,8})(?!\d)"
    r"|(?P<year>[+-]?\d+)"
    r"(?:\.(?P<month>\d+|[A-Za-z]+)(?:\.(?P<day>\d+))?|(?P<iso>-)(?P<iso_month>\d+|[A-Za-z]+)(?:[.-](?P<iso_day>\d+))?)?"
    r"(?:\.(?P<fraction>\d+))?",
    re.ASCII,
)
_CLOCK = re.compile(
    r"(?P<hour>\d+)[hH]?(?::(?P<minute>\d{1,2})[mM]?(?::(?P<second>\d{1,2})(?:\.(?P<decimals>\d*))?[sS]?)?)?", re.ASCII
)
# Directly after the clock a letter must be a capital: h, m and s belong to the clock.
_ATTACHED = re.compile(rf"_(?:{_NAME}|{_OFFSET})|{_OFFSET}|(?=[A-IK-Z]){_NAME}", re.ASCII)
_DELAYED = re.compile(f"_{_NAME}", re.ASCII)


def scan(text: str) -> tuple[float, int]:
    """
    Read the time at the beginning of a text, as the DRMS scanner does.

    Parameters
    ----------
    text
        Begins with a time; what follows it is left alone.

    Returns
    -------
    seconds, used
        The time, and how many characters it took.

    Raises
    ------
    QueryError
        If the text does not begin with a time, or with one that DRMS would misread without saying so.

    Notes
    -----
    The zone is UTC where none is given, and TDT for ``JD_`` and ``MJD_`` (contract A.6). An unknown zone is read by its
    first letter, as DRMS does; the rest of it is left over.

    Examples
    --------
    >>> scan("2014.01.01_TAI/1d")
    (1167609600.0, 14)
    """
    seconds, used, _ = read(text)
    return seconds, used


def parse(text: str) -> float:
    """
    Read a text that is one time, or the name of an epoch such as ``MDI_EPOCH``.

    Parameters
    ----------
    text
        The time.

    Raises
    ------
    QueryError
        If it is not a time, or followed by something else.

    Examples
    --------
    >>> parse("2014.01.01_00:00:00_TAI"), parse("2014-01-01T00:00:00Z")
    (1167609600.0, 1167609635.0)
    """
    stripped = text.strip()
    if stripped.upper() in EPOCHS:
        return EPOCHS[stripped.upper()]
    seconds, used, _ = read(stripped)
    if used < len(stripped):
        raise QueryError(
            f"{stripped!r} is not a time: {stripped[used:]!r} is left over after {stripped[:used]!r}; {_ADVICE}."
        )
    return seconds


_ADVICE = "write YYYY.MM.DD_hh:mm:ss_TAI (or another zone)"


def read(text: str) -> tuple[float, int, str]:
    """
    Like `scan`, and tell the zone as well, in upper case and after the default was filled in.

    Raises
    ------
    QueryError
        As `scan` does.
    """
    start = len(text) - len(text.lstrip(" "))
    if match := _JULIAN.match(text, start):
        return _julian(match)
    match = _DATE.match(text, start)
    if match is None:
        raise QueryError(f"{text!r} is not a time; {_ADVICE}.")
    days = _day(match, text)
    minute, second = days * DAY, 0.0
    used = match.end()
    zone = None
    if match["fraction"] is not None:
        second = _fraction_of_day(match["fraction"], text)
        zone = _DELAYED.match(text, used)
    elif clock := _clock(match, text):
        minute += 3600 * int(clock["hour"]) + 60 * int(clock["minute"] or 0)
        second = int(clock["second"] or 0) + _decimals(clock["decimals"])
        used = clock.end()
        zone = _ATTACHED.match(text, used)
    else:
        zone = _DELAYED.match(text, used)
    if zone is None and text.startswith("_", used):
        raise QueryError(f"{text!r} is not a time: no clock and no zone follows {text[: used + 1]!r}; {_ADVICE}.")
    name = zone[0].removeprefix("_").upper() if zone else "UTC"
    seconds = _to_tai(minute, second, name)
    return seconds, zone.end() if zone else used, name


def _clock(date: re.Match[str], text: str) -> re.Match[str] | None:
    separators = "_T " if date["joined"] or date["iso"] else "_"
    if text[date.end() : date.end() + 1] not in tuple(separators):
        return None
    clock = _CLOCK.match(text, date.end() + 1)
    if clock and len(clock["hour"]) > 2:
        raise QueryError(f"{text!r}: DRMS reads {clock['hour']!r} as a number of hours; write the clock as hh:mm:ss.")
    return clock


def _day(match: re.Match[str], text: str) -> int:
    """
    Days since 1977.01.01 of what `_DATE` matched.
    """
    if joined := match["joined"]:
        if len(joined) == 7:
            return _day_of_year(int(joined[:4]), int(joined[4:]), text)
        if text[match.end("joined") : match.end("joined") + 1] in {".", "-"}:
            raise QueryError(f"{text!r} is not a time: nothing but a clock or zone may follow {joined!r}; {_ADVICE}.")
        month, day = int(joined[4:6]), int(joined[6:])
        if not 1 <= month <= 12:
            raise QueryError(f"{text!r} is not a time: there is no month {month}.")
        return clocks.day_number(int(joined[:4]), month, day)
    if len(match["year"]) > 5:
        raise QueryError(f"{text!r} is not a time: {match['year']!r} is no year; {_ADVICE}.")
    year = int(match["year"])
    name = match["month"] or match["iso_month"] or "1"
    if name.isdecimal() and len(name) == 3:
        return _day_of_year(year, int(name), text)
    day = int(match["day"] or match["iso_day"] or 1)
    month = int(name) if name.isdecimal() else _month(name)
    # In January the day may count through the year.
    if not 1 <= month <= 12 or len(match["day"] or match["iso_day"] or "") > 3 or (day > 366 and month > 1):
        raise QueryError(f"{text!r} is not a time: there is no month {name!r} with a day {day}; {_ADVICE}.")
    return clocks.day_number(year, month, day)


def _month(name: str) -> int:
    upper = name.upper()
    if upper in _ROMAN:
        return _ROMAN.index(upper) + 1
    return _MONTHS.index(upper[:3]) + 1 if upper[:3] in _MONTHS else 0


def _day_of_year(year: int, day: int, text: str) -> int:
    first = clocks.day_number(year, 1, 1)
    if not 1 <= day <= clocks.day_number(year + 1, 1, 1) - first:
        raise QueryError(f"{text!r} is not a time: the year {year} has no day {day}.")
    return first + day - 1


def _fraction_of_day(digits: str, text: str) -> float:
    if digits.startswith("0") and digits.strip("0"):
        raise QueryError(f"{text!r}: DRMS drops the zero after the point of the day; write a clock, hh:mm:ss.")
    return DAY * _decimals(digits)


def _decimals(digits: str | None) -> float:
    return float(f"0.{digits}") if digits else 0.0


def _julian(match: re.Match[str]) -> tuple[float, int, str]:
    zone = (match["zone"] or "TDT").upper()
    days = float(match["days"]) - (15020.0 + 28124.0 if match["modified"] else _JD_EPOCH)
    whole = math.floor(days)
    return _to_tai(whole * DAY, (days - whole) * DAY, zone), match.end(), zone


def _to_tai(minute: int, second: float, zone: str) -> float:
    if zone in clocks.UNIFORM:
        seconds = minute + second - clocks.UNIFORM[zone]
    else:
        seconds = int(clocks.civil_to_tai(minute, zone)) + second
    # Missing times print as whole seconds, or in UTC: all of these mean that one.
    return MISSING if abs(seconds - MISSING) < 0.5 else seconds


def is_missing(seconds: ArrayLike) -> NDArray[np.bool_]:
    """
    Which times DRMS takes for missing: NaN and Julian day 0 (contract A.5).
    """
    values = np.asarray(seconds, dtype=float)
    return ~np.isfinite(values) | (np.abs(values - MISSING) < 0.5)


# The columns of 'YYYY.MM.DD_hh:mm:ss', and a text longer than any that the fast path reads.
_WIDTH, _LONGEST = 19, 36
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
_MARKS = np.array([4, 7, 10, 13, 16])
_ZONES = {"": "UTC", "Z": "UTC", "_UTC": "UTC", "_TAI": "TAI"}
_LONGEST_ZONE = 5
_MOST_DECIMALS = 9


def parse_many(texts: Sequence[str] | NDArray[Any]) -> NDArray[np.float64]:
    """
    Read many times; NaN where a text is missing or is none (``MISSING``, ``Invalid KeyLink``).

    Parameters
    ----------
    texts
        The times. Those in the forms that JSOC prints are read together, which is fast.

    Examples
    --------
    >>> parse_many(["2014.01.01_00:00:45_TAI", "2014-01-01T00:00:10.50Z", "MISSING"])
    array([1.16760964e+09, 1.16760965e+09,            nan])
    """
    return read_many(texts)[0]


def read_many(texts: Sequence[str] | NDArray[Any]) -> tuple[NDArray[np.float64], int]:
    """
    Like `parse_many`, and tell with how many decimals the seconds are printed, at most.

    Parameters
    ----------
    texts
        The times; an array may also hold ASCII bytes.

    Examples
    --------
    >>> read_many(["2014-01-01T00:00:10.50Z", "MISSING"])
    (array([1.16760965e+09,            nan]), 2)
    """
    array = np.asarray(texts) if len(texts) else np.zeros(0, dtype="S1")
    result, decimals, done = _read_printed(_codes(array))
    known: dict[str, tuple[float, int]] = {}
    rest = np.flatnonzero(~done)
    for index, text in zip(rest.tolist(), array[rest].astype(str).tolist(), strict=True):
        if text not in known:
            known[text] = _parse_or_nan(text), _decimals_printed(text)
        result[index] = known[text][0]
    result[is_missing(result)] = np.nan
    return result, max(decimals, max((count for _, count in known.values()), default=0))


def _parse_or_nan(text: str) -> float:
    try:
        return parse(text)
    except QueryError:
        return math.nan


def _decimals_printed(text: str) -> int:
    # '2013-12-31T23:59:39.20Z' has two; the dots of a dotted date stand before the first colon.
    _, _, tail = text.rpartition(":")
    fraction = tail.partition(".")[2]
    return len(fraction) - len(fraction.lstrip("0123456789"))


def _codes(texts: NDArray[Any]) -> NDArray[np.uint8]:
    """
    Codes of the characters of texts: a row for each place in them, a column for each text.
    """
    codes = np.zeros((_LONGEST, len(texts)), dtype=np.uint8)
    unit = np.dtype(np.uint8 if texts.dtype.kind == "S" else np.uint32)
    places = texts.dtype.itemsize // unit.itemsize
    used = np.ascontiguousarray(texts).view(unit).reshape(len(texts), places)[:, :_LONGEST]
    # No character beyond ASCII is of use in a time; 127 is of none either.
    codes[: used.shape[1]] = np.minimum(used, 127).T
    return codes


def _read_printed(codes: NDArray[np.uint8]) -> tuple[NDArray[np.float64], int, NDArray[np.bool_]]:
    """
    Read the texts that have the fixed columns of JSOC's output.

    Returns
    -------
    seconds, decimals, done
        The times, NaN for other texts; how many decimals they have at most; which texts were read.
    """
    # What is no digit becomes a number above nine.
    digits, marks = codes[_DIGITS] - np.uint8(ord("0")), codes[_MARKS]
    fits = (digits <= 9).all(axis=0) & (_are(marks, ".._::") | _are(marks, "--T::")) & (codes[-1] == 0)
    # Decimals of the seconds: a run of digits after a point, of any length from row to row.
    tail = codes[_WIDTH:]
    has_point = tail[0] == ord(".")
    numerator, count = np.zeros((2, codes.shape[1]), dtype=np.int64)
    is_decimal = has_point & fits
    for place in range(1, _MOST_DECIMALS + 2):
        digit = tail[place] - np.uint8(ord("0"))
        is_decimal = is_decimal & (digit <= 9)
        if not is_decimal.any():
            break
        count += is_decimal
        numerator = np.where(is_decimal, 10 * numerator + digit, numerator)
    fits &= count <= _MOST_DECIMALS
    # What is left must be one of the zones, to the end of the text.
    at = np.where(has_point, count + 1, 0) + np.arange(_LONGEST_ZONE)[:, np.newaxis]
    ends = np.take_along_axis(tail, at, axis=0)

    year = np.array([1000, 100, 10, 1]) @ digits[:4]
    month, day, hour, minute, second = (np.array([10, 1]) @ digits[i : i + 2] for i in range(4, 14, 2))
    # What is out of range is left to the careful way, which knows what to say about it.
    fits &= (month >= 1) & (month <= 12) & (year > 0)
    start = DAY * clocks.day_number(year, month, day) + 3600 * hour + 60 * minute
    seconds = second + numerator / 10.0**count
    result = np.full(codes.shape[1], np.nan)
    done = np.zeros(codes.shape[1], dtype=bool)
    for end, zone in _ZONES.items():
        rows = fits & _are(ends, end.ljust(_LONGEST_ZONE, "\0"))
        if rows.any():
            base = start[rows] if zone == "TAI" else clocks.civil_to_tai(start[rows], zone)
            result[rows] = base + seconds[rows]
            done |= rows
    return result, int(count[done].max(initial=0)), done


def _are(codes: NDArray[np.uint8], text: str) -> NDArray[np.bool_]:
    return (codes == np.array([[ord(mark)] for mark in text])).all(axis=0)


def format(seconds: float, zone: str = "TAI", precision: int = 0) -> str:  # noqa: A001 - as in Time.format; used qualified
    """
    Print a time as DRMS does.

    Parameters
    ----------
    seconds
        The time; NaN prints as the missing time.
    zone
        What a keyword's unit says: ``ISO``, any zone of contract A.6, or empty for UTC without a zone behind it.
    precision
        Number of decimals of the seconds; -1 leaves out the seconds, -2 the minutes too, and so on.

    Raises
    ------
    QueryError
        If DRMS knows no such zone.

    Notes
    -----
    Seconds are rounded to the precision before the time is split up. DRMS rounds last, and prints 59.7 s as ``60``.

    Examples
    --------
    >>> format(1167609645.0), format(1167609645.0, "ISO", 2)
    ('2014.01.01_00:00:45_TAI', '2014-01-01T00:00:10.00Z')
    """
    return format_many(np.array([seconds], dtype=float), zone, precision)[0]


def format_many(seconds: ArrayLike, zone: str = "TAI", precision: int = 0) -> list[str]:
    """
    Print many times as DRMS does; see `format`.

    Raises
    ------
    QueryError
        If DRMS knows no such zone.
    """
    zone = zone.upper()
    times = np.array(seconds, dtype=float).ravel()
    times[is_missing(times)] = MISSING
    # Beyond this DRMS has no calendar, and prints a Julian date.
    distant = np.abs(times) > 6.776e16
    texts = _print_dates(np.where(distant, MISSING, times), zone, precision)
    for index in np.flatnonzero(distant):
        texts[index] = f"JD_{times[index] / DAY + _JD_EPOCH:.{max(precision, 0)}f}"
    return texts


def _print_dates(times: NDArray[np.float64], zone: str, precision: int) -> list[str]:
    year, month, day, clock, decimals = _split(times, zone, precision)
    is_iso = zone == "ISO"
    hour, minute, second = clock
    pattern = "0000-00-00T00:00:00" if is_iso else "0000.00.00_00:00:00"
    length = _WIDTH if precision >= 0 else {-1: 16, -2: 13, -3: 10, -4: 7}.get(precision, 4)
    pattern = pattern[:length] + ("." + "0" * precision if precision > 0 else "") + _suffix(zone, precision)
    codes = np.tile(np.frombuffer(pattern.encode("ascii"), dtype=np.uint8), (len(times), 1))
    # Years of other than four digits are put in afterwards.
    short = np.where((year >= 0) & (year <= 9999), year, 0)
    fields = [(4, 0, short), (2, 5, month), (2, 8, day), (2, 11, hour), (2, 14, minute), (2, 17, second)]
    fields += [(precision, 20, decimals)] if precision > 0 else []
    for width, start, value in fields:
        if start < length or (width == precision > 0 and start == 20):
            for place in range(width):
                codes[:, start + place] += (value // 10 ** (width - 1 - place) % 10).astype(np.uint8)
    texts: list[str] = codes.view(f"S{len(pattern)}")[:, 0].astype(str).tolist() if len(times) else []
    for index in np.flatnonzero(year != short):
        texts[index] = f"{year[index]:04d}{texts[index][4:]}"
    # ISO 8601 has neither the Julian calendar nor long years.
    odd = np.flatnonzero((year < 1583) | (year > 9999)) if is_iso else ()
    if len(odd):
        for index, text in zip(odd, _print_dates(times[odd], "Z", precision), strict=True):
            texts[index] = text
    return texts


def _suffix(zone: str, precision: int) -> str:
    if zone == "ISO":
        return "Z" if precision > -3 else ""
    if len(zone) == 1 or zone.startswith(("+", "-")):
        return zone if precision > -3 else ""
    return f"_{zone}" if zone else ""


def _split(
    times: NDArray[np.float64], zone: str, precision: int
) -> tuple[clocks.Integers, clocks.Integers, clocks.Integers, tuple[clocks.Integers, ...], clocks.Integers]:
    """
    Year, month, day, (hour, minute, second) and decimals, as an integer, of times in a zone.
    """
    times = times + clocks.UNIFORM.get(zone, 0.0)
    whole = np.floor(times)
    ticks = 10 ** max(precision, 0)
    # What is left out is cut off, not rounded.
    decimals = np.rint((times - whole) * ticks * (precision >= 0)).astype(np.int64)
    count = whole.astype(np.int64) + decimals // ticks
    is_leap: NDArray[np.bool_] | bool = False
    if zone not in clocks.UNIFORM:
        count, is_leap = clocks.tai_to_civil(count, zone or "UTC")
    year, month, day = clocks.calendar_date(count // DAY)
    clock = count % DAY
    return year, month, day, (clock // 3600, clock // 60 % 60, clock % 60 + is_leap), decimals % ticks
