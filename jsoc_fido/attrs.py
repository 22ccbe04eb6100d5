"""
The words of a JSOC search.

They are what ``a.jsoc.`` completes to once `jsoc_fido` is imported, next to sunpy's own `~sunpy.net.attrs.Time` and
`~sunpy.net.attrs.Wavelength`. A word checks its own value when it is made and asks nobody; whether a series knows
a prime key or a segment is checked when the search is made.
"""

import re
from collections.abc import Hashable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import astropy.units as u
import drms
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, ConvertError, SkyCoord
from astropy.time import Time, TimeDelta
from sunpy.coordinates import Helioprojective, get_earth
from sunpy.coordinates.utils import get_rectangle_coordinates
from sunpy.net._attrs import Sample
from sunpy.net.attr import Attr, DataAttr, SimpleAttr

from jsoc_fido import conditions, recordset, steps, times
from jsoc_fido.conditions import OPERATORS, KeywordTest, Measure, shown
from jsoc_fido.exceptions import QueryError
from jsoc_fido.tokens import SERIES

__all__ = [
    "Cutout",
    "Keys",
    "Keyword",
    "KeywordComparison",
    "KeywordCondition",
    "Notify",
    "PrimeKey",
    "Process",
    "Protocol",
    "RecordSet",
    "Sample",
    "Segment",
    "Series",
    "Site",
]


def __dir__() -> list[str]:
    # ``a.jsoc.<TAB>`` shows the words and nothing else.
    return sorted(__all__)


#: Room that DRMS has for all filters of a record set (contract A.2); no value can be longer.
LONGEST = 8192

#: Room that DRMS has for the name of a series, one character less (contract A.2).
LONGEST_SERIES = 64

#: No keyword, prime key or segment of a site has a longer name.
LONGEST_NAME = 64

#: An e-mail address as sites take it, who refuse ``;`` and quotes (contract A.10), and how long one can be (RFC 5321).
ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"'|&=]+@[A-Za-z0-9.-]*[A-Za-z0-9]")
LONGEST_ADDRESS = 254

#: No site has a longer address.
LONGEST_URL = 500

#: Colour tables of JSOC; drms, which sends the request, checks against the same.
COLOR_TABLES: tuple[str, ...] = drms.Client._export_color_table_names  # noqa: SLF001 - it has no public name

#: How far from the Earth an observer sees the Sun as SDO does, as far as cutouts are concerned.
NEAR_EARTH = 0.01 * u.AU


def _text(attr: object, value: object, what: str, longest: int = LONGEST) -> str:
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


def _plain(value: Any) -> Any:
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


def _value(what: str, value: Any) -> conditions.Value:
    """
    Check what a prime key or a keyword is compared with.
    """
    plain = _plain(value)
    if isinstance(plain, Keyword):
        raise QueryError(
            f"{what} is compared with values only, not with {shown(plain)}; search for both keywords, and compare the "
            "columns of the table."
        )
    if isinstance(plain, bool) or not isinstance(plain, str | int | float | Measure):
        instead = "; DRMS has no truths, but numbers such as 0 and 1" if isinstance(plain, bool) else ""
        raise QueryError(
            f"{what} takes a text, a finite number, a Quantity or a Time, not {shown(value)} "
            f"({type(value).__name__}){instead}."
        )
    if isinstance(plain, str) and not plain.strip():
        raise QueryError(f"{what} cannot be compared with the empty text {shown(plain)}; ask with is_missing().")
    if isinstance(plain, str) and (len(plain) > LONGEST or not (plain.isascii() and plain.isprintable())):
        raise QueryError(
            f"{what} takes at most {LONGEST} characters of printable ASCII, as DRMS does; {shown(plain)} is not so."
        )
    return plain


class _TypedEquality:
    """
    Equality and hash that tell ``Series("x")`` from ``Protocol("x")``; sunpy's compare the values only.
    """

    def _identity(self) -> Hashable:
        return tuple(sorted(vars(self).items()))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((type(self), self._identity()))


class Series(_TypedEquality, SimpleAttr):
    """
    The data series to search, such as ``"hmi.m_45s"``.

    Parameters
    ----------
    value
        Name of the series, in any case.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        name = _text(self, value, "the name of a series", LONGEST_SERIES - 1)
        if not SERIES.fullmatch(name.strip()):
            raise QueryError(f"Series takes the name of a series, letters, digits, _ and dots, not {value!r}.")
        super().__init__(name)

    def collides(self, other: object) -> bool:
        return isinstance(other, Series)


class Segment(_TypedEquality, SimpleAttr):
    """
    A segment to get: one of the files that a record has.

    Several are joined with ``&``.

    Parameters
    ----------
    value
        Name of the segment, such as ``"magnetogram"``; several may be given with commas between them.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "the name of a segment"))
        if not value.strip(" ,"):
            raise QueryError(f"Segment needs the name of a segment; {shown(value)} has none.")

    def collides(self, other: object) -> bool:
        return False


class PrimeKey(_TypedEquality, DataAttr):
    """
    The value that a prime key of the series must have.

    Several are joined with ``&``; several of the same prime key are alternatives.

    Parameters
    ----------
    label
        Name of the prime key, such as ``"HARPNUM"``.
    value
        A number, a Quantity, a Time, or text as DRMS reads it between the brackets: ``"4864"``, ``"4864-4870"``,
        ``"2014.01.01_TAI/1d"``, ``"^"`` for the first and ``"$"`` for the last (contract A.4 to A.9). A list of such
        values are alternatives; a `range` is one of whole numbers.

    Raises
    ------
    QueryError
        If one of them is not of that kind.

    Examples
    --------
    >>> from jsoc_fido import attrs
    >>> attrs.PrimeKey("HARPNUM", "4864")
    <jsoc_fido.attrs.PrimeKey('HARPNUM', '4864')>
    >>> attrs.PrimeKey("HARPNUM", [4864, 4870])
    <jsoc_fido.attrs.PrimeKey('HARPNUM', (4864, 4870))>
    >>> attrs.PrimeKey("HARPNUM", range(4864, 4880, 5))
    <jsoc_fido.attrs.PrimeKey('HARPNUM', '4864-4879@5')>
    """

    def __init__(self, label: str, value: Any) -> None:
        super().__init__()
        self.label = _text(self, label, "the name of a prime key", LONGEST_NAME)
        what = f"PrimeKey {label}"
        if isinstance(value, range):
            self.value: Any = _range(what, value)
        elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray | Time) and len(value.shape) == 1):
            self.value = tuple(_value(what, item) for item in value)
            if not self.value:
                raise QueryError(f"{what} needs a value; {shown(value)} has none.")
        else:
            self.value = _value(what, value)

    @property
    def values(self) -> tuple[conditions.Value, ...]:
        """
        The alternatives.
        """
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.PrimeKey({self.label!r}, {self.value!r})>"

    def collides(self, other: object) -> bool:
        return False


def _range(what: str, numbers: range) -> str:
    if not numbers or numbers.step < 0:
        raise QueryError(f"{what} takes a range of numbers that rise, not {shown(numbers)}.")
    return f"{numbers[0]}-{numbers[-1]}" + (f"@{numbers.step}" if numbers.step > 1 else "")


class KeywordCondition(_TypedEquality, DataAttr):
    """
    A condition on keywords; made by testing a `Keyword`, and of other conditions with ``&``, ``|`` and ``~``.

    An alternative of conditions stays one word, so that a search asks once.

    Parameters
    ----------
    condition
        The condition.

    Examples
    --------
    >>> from jsoc_fido import attrs
    >>> short, good = attrs.Keyword("EXPTIME") < 2, attrs.Keyword("QUALITY") == 0
    >>> short | ~good
    <jsoc_fido.attrs.KeywordCondition((Keyword('EXPTIME') < 2) | (~(Keyword('QUALITY') == 0)))>
    """

    def __init__(self, condition: conditions.Condition) -> None:
        super().__init__()
        self.condition = condition

    def _identity(self) -> Hashable:
        return self.condition

    def __and__(self, other: Any) -> Attr:
        if isinstance(other, KeywordCondition):
            return KeywordCondition(conditions.all_of(self.condition, other.condition))
        return super().__and__(other)

    def __or__(self, other: Any) -> Attr:
        if isinstance(other, KeywordCondition):
            return KeywordCondition(conditions.any_of(self.condition, other.condition))
        return super().__or__(other)

    def __invert__(self) -> "KeywordCondition":
        return KeywordCondition(conditions.Not(self.condition))

    def __bool__(self) -> bool:
        # Python asks for the truth of the first half of 2 < Keyword("K") < 5, and would go on without it.
        name = next(conditions.keywords(self.condition))
        raise QueryError(
            f"A test of {name} is neither true nor false; write (Keyword > 2) & (Keyword < 5), and ~ for not."
        )

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.KeywordCondition({self.condition})>"

    def collides(self, other: object) -> bool:
        # Two tests of one keyword are a range, not a contradiction: both are kept.
        return False


class KeywordComparison(KeywordCondition):
    """
    A test of a keyword; made by comparing a `Keyword` with a value.

    Parameters
    ----------
    name
        Name of the keyword.
    operator
        One of ``< <= > >= = !=``.
    value
        A text, a number, a Quantity or a Time.

    Raises
    ------
    QueryError
        If one of them is not of that kind.
    """

    def __init__(self, name: str, operator: str, value: Any) -> None:
        if not isinstance(operator, str) or operator not in OPERATORS:
            raise QueryError(
                f"Keyword {shown(name)} cannot be tested with {shown(operator)}; use one of {' '.join(OPERATORS)}."
            )
        self.name, self.operator = Keyword(name).value, operator
        self.value = _value(f"Keyword {name}", value)
        super().__init__(KeywordTest(self.name, self.operator, self.value))

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keyword({self.name!r}) {self.operator} {self.value!r}>"


class Keyword(SimpleAttr):
    """
    A keyword of the series, to be tested.

    It is compared with ``< <= > >= == !=``. Values are texts, numbers, Quantities, which are converted to the
    keyword's unit, and Times. Tests are joined with ``&``, ``|`` and ``~``, and are understood by a search and by
    `JSOCResponse.where <jsoc_fido.JSOCResponse.where>`.

    Parameters
    ----------
    value
        Name of the keyword.

    Raises
    ------
    QueryError
        If it is no text.

    Examples
    --------
    >>> from jsoc_fido import attrs
    >>> attrs.Keyword("EXPTIME") < 2
    <jsoc_fido.attrs.Keyword('EXPTIME') < 2>
    """

    # Quantities and numpy's numbers on the left of a comparison let the keyword answer.
    __array_ufunc__ = None

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "the name of a keyword", LONGEST_NAME))

    def between(self, low: Any, high: Any) -> KeywordCondition:
        """
        Test for a value from one to another, both included.
        """
        first, last = self >= low, self <= high
        return KeywordCondition(conditions.all_of(first.condition, last.condition))

    def isin(self, values: Any) -> KeywordCondition:
        """
        Test for one of several values.
        """
        if isinstance(values, str | bytes | bytearray | Mapping) or not np.iterable(values):
            raise QueryError(f"Keyword {self.value}: isin takes a list of values, not {shown(values)}.")
        alternatives = tuple(dict.fromkeys(_value(f"Keyword {self.value}", value) for value in values))
        if not alternatives:
            raise QueryError(f"Keyword {self.value}: isin needs values; {shown(values)} has none.")
        return KeywordCondition(conditions.OneOf(self.value, alternatives))

    def contains(self, text: str) -> KeywordCondition:
        """
        Test for a text that holds another one, as ``NOAA_ARS`` holds the numbers of active regions.
        """
        return KeywordCondition(conditions.Contains(self.value, self._pattern("contains", text)))

    def like(self, pattern: str) -> KeywordCondition:
        """
        Test for a text that looks like a pattern, in which ``%`` is any text and ``_`` any character.

        DRMS can be asked for ``"ab%"``, ``"%ab"``, ``"%ab%"`` and ``"a_b"`` (contract A.10); a table for all.
        """
        return KeywordCondition(conditions.Like(self.value, self._pattern("like", pattern)))

    def is_missing(self) -> KeywordCondition:
        """
        Test for records in which the keyword has no value.
        """
        return KeywordCondition(conditions.Missing(self.value))

    def bits_set(self, *numbers: int) -> KeywordCondition:
        """
        Test for a status word in which all these bits are set; the lowest bit is 0.
        """
        return KeywordCondition(conditions.Bits(self.value, self._mask(numbers), are_set=True))

    def bits_clear(self, *numbers: int) -> KeywordCondition:
        """
        Test for a status word in which none of these bits is set; the lowest bit is 0.

        ``Keyword("QUALITY").bits_clear(31)`` are records that have an image (contract A.10).
        """
        return KeywordCondition(conditions.Bits(self.value, self._mask(numbers), are_set=False))

    def _pattern(self, what: str, text: Any) -> str:
        plain = _value(f"Keyword {self.value}: {what}", text)
        if not isinstance(plain, str):
            raise QueryError(f"Keyword {self.value}: {what} takes a text, not {shown(text)} ({type(text).__name__}).")
        return plain

    def _mask(self, numbers: tuple[int, ...]) -> int:
        plain = [_plain(number) for number in numbers]
        if not plain or not all(type(number) is int and 0 <= number < 64 for number in plain):
            raise QueryError(
                f"Keyword {self.value}: a bit is a number from 0 to 63, not "
                f"{', '.join(map(shown, numbers[:5])) or 'none'}."
            )
        return sum(1 << number for number in set(plain))

    def __lt__(self, other: Any) -> KeywordComparison:
        return KeywordComparison(self.value, "<", other)

    def __le__(self, other: Any) -> KeywordComparison:
        return KeywordComparison(self.value, "<=", other)

    def __gt__(self, other: Any) -> KeywordComparison:
        return KeywordComparison(self.value, ">", other)

    def __ge__(self, other: Any) -> KeywordComparison:
        return KeywordComparison(self.value, ">=", other)

    # As in sunpy, == and != make tests; two Keyword objects are never compared with each other.
    def __eq__(self, other: Any) -> KeywordComparison:  # noqa: PYI032 - not an equality
        return KeywordComparison(self.value, "=", other)

    def __ne__(self, other: Any) -> KeywordComparison:  # noqa: PYI032 - not an equality
        return KeywordComparison(self.value, "!=", other)

    def __or__(self, other: Any) -> Attr:
        # SimpleAttr's | asks whether both are equal, which here would be a test that is always true.
        raise QueryError(f"Keyword {shown(self.value)} needs to have a comparison to a value.")

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keyword({self.value!r})>"

    def collides(self, other: object) -> bool:
        return False


class Protocol(_TypedEquality, SimpleAttr):
    """
    How files are made: ``"fits"`` (with full headers), ``"as-is"`` (as they are stored), ``"quick"`` (as they are
    stored, with headers that are completed here), ``"jpg"`` (pictures), ``"mpg"`` or ``"mp4"`` (a movie of all
    records).

    Parameters
    ----------
    value
        Name of the protocol, in any case.
    **arguments
        For pictures and movies: ``ct``, the colour table, such as ``"grey.sao"``; ``scaling``, one of ``"MINMAX"``,
        ``"MINMAXGIVEN"``, ``"LOG"``, ``"SQRT"``, ``"mag"``; ``size``, by how much they are made smaller: 1, 2, 4 or 8;
        ``min`` and ``max``, the pixel values that get the first and the last colour.

    Raises
    ------
    QueryError
        If there is no such protocol, or it has no such arguments.

    Examples
    --------
    >>> from jsoc_fido import attrs
    >>> attrs.Protocol("mp4", ct="grey.sao", scaling="mag", size=8, min=-1500, max=1500).text
    'mp4,ct=grey.sao,scaling=mag,size=8,min=-1500,max=1500'
    """

    def __init__(self, value: str, **arguments: str | float) -> None:
        super().__init__(_text(self, value, "the name of a protocol", LONGEST_NAME))
        #: The protocol with its arguments, as a request has it (contract B.11).
        self.text = steps.picture_text(value.strip().lower(), arguments, COLOR_TABLES)


class Notify(_TypedEquality, SimpleAttr):
    """
    The e-mail address that the site knows you by; staging needs one.

    Parameters
    ----------
    value
        The address.

    Raises
    ------
    QueryError
        If it cannot be an address.
    """

    def __init__(self, value: str) -> None:
        if value is None:
            raise QueryError("Notify attribute must contain an email address, not None.")
        address = _text(self, value, "an email address", LONGEST_ADDRESS).strip()
        if "@" not in address:
            raise QueryError(
                f"Notify attribute must contain an '@' symbol to be a valid email address, not {shown(value)}."
            )
        if not ADDRESS.fullmatch(address):
            raise QueryError(f"Notify takes one email address, such as name@example.com, not {shown(value)}.")
        super().__init__(address)

    def __repr__(self) -> str:
        # Results are logged and pasted into issues; addresses are not for that.
        return "<jsoc_fido.attrs.Notify(...)>"


class Cutout(_TypedEquality, DataAttr):
    """
    A part of the image, cut out at the site.

    Parameters
    ----------
    bottom_left
        Bottom left corner, in any frame that sunpy can transform, with an ``obstime``. A corner in the
        `~sunpy.coordinates.Helioprojective` frame of the Earth, of SDO, or of nobody, is where it says; others are
        transformed to what SDO sees at that time, and the part is the box around them.
    top_right
        Top right corner; or else give ``width`` and ``height``.
    width, height
        Size of the part.
    tracking
        Let the part follow the Sun's rotation from the time of ``bottom_left``.
    register
        Shift by parts of a pixel so that the cutouts fit on each other.
    nan_off_limb
        Set pixels beyond the limb to NaN.

    Raises
    ------
    QueryError
        If the corner has no time, if SDO cannot see it, or if a part to be tracked is not on the disk.
    """

    def __init__(
        self,
        bottom_left: SkyCoord,
        top_right: SkyCoord | None = None,
        width: u.Quantity | None = None,
        height: u.Quantity | None = None,
        tracking: bool = False,
        register: bool = False,
        nan_off_limb: bool = False,
    ) -> None:
        super().__init__()
        flags = {"tracking": tracking, "register": register, "nan_off_limb": nan_off_limb}
        tracked, registered, blanked = (steps.flag(f"Cutout: {name}", value) for name, value in flags.items())
        low, high = _corners(bottom_left, top_right, width, height)
        x, y = (low.Tx + high.Tx) / 2, (low.Ty + high.Ty) / 2
        size = high.Tx - low.Tx, high.Ty - low.Ty
        if not all(np.isfinite(value) for value in (x, y)) or not all(value > 0 * u.arcsec for value in size):
            raise QueryError(f"Cutout needs a part with a width and a height, not from {shown(bottom_left)} by {size}.")
        if tracked:
            from sunpy.map.maputils import coordinate_is_on_solar_disk  # noqa: PLC0415 - slow, and needed here only

            if not coordinate_is_on_solar_disk(SkyCoord(x, y, frame=low.frame.replicate_without_data())):
                raise QueryError(
                    f"Tracking is enabled, but the center of the cutout (Tx={x}, Ty={y}) is not on the solar disk."
                )
        self.value = {
            "t_ref": low.obstime.utc.isot,
            "t": int(not tracked),  # DRMS asks whether to leave tracking out (contract F.3)
            "r": registered,
            "c": blanked,
            "locunits": "arcsec",
            "boxunits": "arcsec",
            "x": x.to_value("arcsec"),
            "y": y.to_value("arcsec"),
            "width": size[0].to_value("arcsec"),
            "height": size[1].to_value("arcsec"),
        }

    def _identity(self) -> Hashable:
        return tuple(self.value.items())

    def __repr__(self) -> str:
        return "<jsoc_fido.attrs.Cutout({x:g}, {y:g}; {width:g} x {height:g} arcsec at {t_ref})>".format(**self.value)

    def collides(self, other: object) -> bool:
        return isinstance(other, Cutout)


def _corners(bottom_left: Any, top_right: Any, width: Any, height: Any) -> tuple[SkyCoord, SkyCoord]:
    """
    Bottom left and top right corner as SDO sees them.
    """
    if not isinstance(bottom_left, SkyCoord):
        raise QueryError(f"Cutout takes a SkyCoord as bottom_left, not {shown(bottom_left)}.")
    if top_right is not None and not isinstance(top_right, SkyCoord | BaseCoordinateFrame):
        raise QueryError(f"Cutout takes a SkyCoord as top_right, not {shown(top_right)}.")
    for name, size in (("width", width), ("height", height)):
        if size is not None and not _is_angle(size):
            raise QueryError(f"Cutout takes an angle as {name}, such as 100 * u.arcsec, not {shown(size)}.")
    try:
        low, high = get_rectangle_coordinates(bottom_left, top_right=top_right, width=width, height=height)
    except (TypeError, ValueError, ConvertError) as err:
        raise QueryError(f"Cutout cannot be made from these corners: {err}") from err
    if getattr(low.frame, "obstime", None) is None:
        raise QueryError("Cutout: `bottom_left` needs an obstime: the time at which the cutout is where you say.")
    if isinstance(low.frame, Helioprojective) and _sees_as_sdo(low):
        return low, high
    seen = _outline(low, high).transform_to(Helioprojective(observer="earth", obstime=low.obstime))
    if not np.all(np.isfinite(seen.Tx)) or not np.all(seen.frame.is_visible()):
        raise QueryError(
            f"Cutout: SDO does not see all of the part from {_words(low)} to {_words(high)} at {low.obstime.isot}; "
            "a part of it is on the far side of the Sun, or beyond its limb."
        )
    frame = seen.frame.replicate_without_data()
    return (
        SkyCoord(seen.Tx.min(), seen.Ty.min(), frame=frame),
        SkyCoord(seen.Tx.max(), seen.Ty.max(), frame=frame),
    )


def _is_angle(size: Any) -> bool:
    return isinstance(size, u.Quantity) and size.isscalar and size.unit.is_equivalent(u.deg) and np.isfinite(size)


def _sees_as_sdo(corner: SkyCoord) -> bool:
    observer = corner.frame.observer
    return observer is None or SkyCoord(observer).separation_3d(get_earth(corner.obstime)) < NEAR_EARTH


def _outline(low: SkyCoord, high: SkyCoord) -> SkyCoord:
    """
    Points of a part in its own frame: its sides are curved in another one.
    """
    first, last = low.spherical, high.spherical
    across = np.linspace(0, 1, 9) * (last.lon - first.lon).to(u.deg).wrap_at(360 * u.deg)
    up = np.linspace(0, 1, 9) * (last.lat - first.lat).to(u.deg)
    lon, lat = np.meshgrid(first.lon + across, first.lat + up)
    return SkyCoord(lon.ravel(), lat.ravel(), frame=low.frame.replicate_without_data())


def _words(corner: SkyCoord) -> str:
    return f"({corner.spherical.lon.wrap_at('180d').deg:g} deg, {corner.spherical.lat.deg:g} deg)"


class Keys(_TypedEquality, DataAttr):
    """
    The keywords that the table shall have; without it, all.

    Prime keys always come along, because a row without them could not be told from another.

    Parameters
    ----------
    *names
        Names of keywords.

    Raises
    ------
    QueryError
        If there is none, or one is no text.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        if not names:
            raise QueryError("Keys needs the names of keywords, such as Keys('T_REC', 'EXPTIME').")
        self.names = tuple(_text(self, name, "the name of a keyword", LONGEST_NAME).strip() for name in names)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keys({', '.join(map(repr, self.names))})>"

    def collides(self, other: object) -> bool:
        return isinstance(other, Keys)


class Site(_TypedEquality, SimpleAttr):
    """
    The DRMS site to ask, instead of JSOC.

    Parameters
    ----------
    value
        A name (``"jsoc"``, ``"kis"``, ``"flarecast"``, or one registered with `jsoc_fido.register_site` or
        `drms.config.register_server`) or a URL.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "a name or a URL", LONGEST_URL))


class RecordSet(_TypedEquality, SimpleAttr):
    """
    A record set as text, for what the other words cannot say.

    Parameters
    ----------
    value
        Such as ``"hmi.sharp_720s[4864][2014.11.30_TAI/1d][? USFLUX>1e22 ?]{magnetogram}"``. It is read and checked
        before it is sent.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        text = _text(self, value, "a record set")
        try:
            recordset.parse(text)
        except QueryError as err:
            raise QueryError(f"RecordSet cannot be {shown(text)}: {conditions.reason(err)}") from err
        super().__init__(text)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.RecordSet({self.value!r})>"


class Process(_TypedEquality, DataAttr):
    """
    A processing step that the site shall take before it writes the files.

    Several steps are taken in the order in which they are given.

    Parameters
    ----------
    name
        Name of the step (contract F.2): ``"rebin"`` (fewer pixels), ``"resize"`` (another scale), ``"register"``
        (upright, centred, all of one scale), ``"map_proj"`` (a map of heliographic coordinates), or
        ``"aia_scale_aialev1"`` (AIA's level 1.5).
    **arguments
        Its arguments (contract F.3). ``"rebin"`` has ``scale``, ``method`` (``"boxcar"`` or ``"gaussian"``) and
        ``FWHM``; ``"resize"`` and ``"register"`` have ``scale_to``, ``regrid``, ``do_stretchmarks`` and ``center_to``;
        ``"map_proj"`` has ``map``, ``clon``, ``clat``, ``scale``, ``cols`` and ``rows``. Quantities are converted to
        the units that the site expects: degrees for maps, arcseconds for the others.

    Raises
    ------
    QueryError
        If there is no such step, or an argument is unknown, missing, or not of its kind.

    Examples
    --------
    >>> import astropy.units as u
    >>> from jsoc_fido import attrs
    >>> attrs.Process("rebin", scale=0.25)
    <jsoc_fido.attrs.Process('rebin', method='boxcar', scale=0.25)>
    >>> attrs.Process("map_proj", clon=1 * u.rad, clat=0, scale=0.03 * u.deg / u.pix, cols=400, rows=200)
    <jsoc_fido.attrs.Process('Maproj', map='carree', clon=57.295779513082, clat=0, scale=0.03, cols=400, rows=200)>
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__()
        self.step = steps.step(_text(self, name, "the name of a processing step"), arguments)

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={value!r}" for key, value in self.step.arguments)
        return f"<jsoc_fido.attrs.Process({self.step.name!r}{arguments})>"

    def collides(self, other: object) -> bool:
        return False
