"""
Calendar, leap seconds and zones as DRMS counts them (contract A.6): numbers only, no text.

DRMS counts SI seconds from 1977.01.01_00:00:00_TAI. A *civil count* is what a clock on the wall shows, as seconds since
1977.01.01_00:00:00 of its own zone with every day 86,400 s long. All functions work on numbers and on arrays.
"""

from typing import TypeAlias, TypeVar

import erfa
import numpy as np
from numpy.typing import NDArray

from jsoc_fido.exceptions import QueryError

__all__ = ["CIVIL", "DAY", "UNIFORM", "calendar_date", "civil_to_tai", "day_number", "tai_to_civil", "zone_shift"]

Integers: TypeAlias = NDArray[np.int64]
Whole = TypeVar("Whole", int, Integers)

DAY = 86400

#: Julian day number of the afternoon of 1977.01.01, and of the first day of the Gregorian calendar, 1582.10.15.
_EPOCH = 2443145
_GREGORIAN = 2299161

#: Zones that run with TAI, and how far ahead of it they are, in seconds.
UNIFORM = {"TAI": 0.0, "TT": 32.184, "TDT": 32.184, "GPS": -19.0}

_HOURS = {
    -10: "HST BDT",
    -9: "YST HDT",
    -8: "PST YDT",
    -7: "MST PDT",
    -6: "CST MDT",
    -5: "EST CDT",
    -4: "AST EDT",
    -3: "ADT",
    0: "UTC UT GMT WET ISO",
    1: "CET BST",
    2: "EET",
    8: "WST SST",
    9: "JST",
    10: "JDT",
}
#: Civil zones and their distance from UTC in hours. ``NZST`` and ``NZDT`` are missing: DRMS cannot reach them.
CIVIL = {
    **{name: hours for hours, names in _HOURS.items() for name in names.split()},
    **{letter: hours for hours, letter in enumerate("ZABCDEFGHIKLM")},
    **{letter: -hours for hours, letter in enumerate("ZNOPQRSTUVWXY")},
}


def day_number(year: Whole, month: Whole, day: Whole) -> Whole:
    """
    Days since 1977.01.01 of a date, in the Julian calendar before 1582.10.15; days beyond the month's end roll on.
    """
    early = (14 - month) // 12
    y = year + 4800 - early
    common = day + (153 * (month + 12 * early - 3) + 2) // 5 + 365 * y + y // 4
    gregorian = common - y // 100 + y // 400 - 32045
    julian = common - 32083
    is_old = gregorian < _GREGORIAN
    # Arithmetic instead of np.where: the same line serves numbers and arrays.
    return gregorian + is_old * (julian - gregorian) - _EPOCH


def calendar_date(days: Integers) -> tuple[Integers, Integers, Integers]:
    """
    Year, month and day of a number of days since 1977.01.01; the inverse of `day_number`.
    """
    number = days + _EPOCH
    # Richards' algorithm (Explanatory Supplement to the Astronomical Almanac, 3rd edition, 15.11).
    century = (4 * number + 274277) // 146097 * 3 // 4 - 38
    f = number + 1401 + np.where(number >= _GREGORIAN, century, 0)
    e = 4 * f + 3
    h = 5 * (e % 1461 // 4) + 2
    day = h % 153 // 5 + 1
    month = (h // 153 + 2) % 12 + 1
    return e // 1461 - 4716 + (14 - month) // 12, month, day


def _leap_seconds() -> tuple[Integers, Integers]:
    """
    Civil counts (UTC) at which TAI - UTC changes, and its values: that before all changes, then that after each.
    """
    # Before 1972 UTC was stretched; DRMS steps it by whole seconds instead.
    steps = [(1960, 1, 1), (1962, 7, 2), (1964, 7, 3), (1965, 7, 4), (1966, 7, 5), (1968, 1, 6), (1969, 1, 7)]
    steps += [(1970, 1, 8), (1971, 1, 9)]
    announced = erfa.leap_seconds.get()
    announced = announced[announced["year"] >= 1972]
    steps += [(int(row["year"]), int(row["month"]), round(float(row["tai_utc"]))) for row in announced]
    starts = [DAY * day_number(year, month, 1) for year, month, _ in steps]
    return np.array(starts, dtype=np.int64), np.array([0, *(offset for *_, offset in steps)], dtype=np.int64)


_STARTS, _OFFSETS = _leap_seconds()
#: The same moments counted in TAI: the first second after each leap second.
_TAI_STARTS = _STARTS + _OFFSETS[1:]


def zone_shift(zone: str) -> int:
    """
    Seconds that a civil zone is ahead of UTC.

    Parameters
    ----------
    zone
        One of `CIVIL`, or hours and minutes such as ``+0100``, in upper case.

    Raises
    ------
    QueryError
        If DRMS knows no such zone.
    """
    if zone in CIVIL:
        return 3600 * CIVIL[zone]
    if zone[:1] in {"+", "-"} and zone[1:].isdecimal() and len(zone) in {4, 5}:
        hours, minutes = int(zone[1:-2]), int(zone[-2:])
        # No clock on Earth is more than 14 hours from UTC: "-2014" is the year of a range's end, misread.
        if hours <= 14 and minutes < 60:
            return (60 * hours + minutes) * (-60 if zone[0] == "-" else 60)
    raise QueryError(f"{zone!r} is not a time zone that DRMS knows; use TAI, UTC, TT or an offset such as +0100.")


def civil_to_tai(minute: Integers | int, zone: str) -> Integers | int:
    """
    DRMS seconds at the beginning of a minute of a civil clock.

    Counting on from the minute gives a leap second, ``23:59:60``, its own place.

    Parameters
    ----------
    minute
        Civil count of a full minute in the zone.
    zone
        As for `zone_shift`.

    Raises
    ------
    QueryError
        If DRMS knows no such zone.
    """
    utc = minute - zone_shift(zone)
    offset = _OFFSETS[np.searchsorted(_STARTS, utc, side="right")]
    return utc + (offset if np.ndim(utc) else int(offset))


def tai_to_civil(seconds: Integers, zone: str) -> tuple[Integers, NDArray[np.bool_]]:
    """
    Civil count at whole DRMS seconds.

    Parameters
    ----------
    seconds
        Whole DRMS seconds.
    zone
        As for `zone_shift`.

    Returns
    -------
    count, is_leap
        The civil count. In a leap second it is that of the second before, and ``is_leap`` is true.

    Raises
    ------
    QueryError
        If DRMS knows no such zone.
    """
    passed = np.searchsorted(_TAI_STARTS - 1, seconds, side="right")
    is_leap = np.append(_TAI_STARTS, 0)[passed - 1] == seconds + 1
    return seconds - _OFFSETS[passed] + zone_shift(zone), is_leap
