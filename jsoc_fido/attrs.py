"""
The words of a JSOC search.

They are what ``a.jsoc.`` completes to once `jsoc_fido` is imported, next to sunpy's own `~sunpy.net.attrs.Time` and
`~sunpy.net.attrs.Wavelength`. A word checks its own value when it is made and asks nobody; whether a series knows
a prime key or a segment is checked when the search is made.
"""

from collections.abc import Hashable
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import Helioprojective
from sunpy.coordinates.utils import get_rectangle_coordinates
from sunpy.net._attrs import Sample
from sunpy.net.attr import Attr, AttrComparison, DataAttr, SimpleAttr

from jsoc_fido import recordset, times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.query import OPERATORS, ProcessStep

__all__ = [
    "Cutout",
    "Keys",
    "Keyword",
    "KeywordComparison",
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


def _text(attr: object, value: object, what: str) -> str:
    """
    Check a value that must be a text of printable ASCII.

    DRMS reads nothing else (contract A.2).
    """
    name = type(attr).__name__
    if not isinstance(value, str):
        raise QueryError(f"{name} takes {what} as text, not {value!r} ({type(value).__name__}).")
    if not value.strip():
        raise QueryError(f"{name} needs {what}; an empty text was given.")
    if not (value.isascii() and value.isprintable()):
        raise QueryError(f"{name} takes {what} in printable ASCII, as DRMS does; {value!r} is not.")
    return value


def _plain(value: Any) -> Any:
    """
    A value of a table as a plain one: numpy scalars as numbers and text, times as DRMS writes them.
    """
    if isinstance(value, Time) and value.isscalar and not value.masked:
        return recordset.time_value(times.from_astropy(value)).text
    return value.item() if isinstance(value, np.generic) else value


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
        super().__init__(_text(self, value, "the name of a series"))

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
            raise QueryError(f"Segment needs the name of a segment; {value!r} has none.")

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
        A number, or text as DRMS reads it between the brackets: ``"4864"``, ``"4864-4870"``, ``"2014.01.01_TAI/1d"``,
        ``"$"`` (contract A.4 to A.9).

    Raises
    ------
    QueryError
        If one of them is not of that kind.

    Examples
    --------
    >>> from jsoc_fido import attrs
    >>> attrs.PrimeKey("HARPNUM", "4864")
    <jsoc_fido.attrs.PrimeKey('HARPNUM', '4864')>
    """

    def __init__(self, label: str, value: str | float) -> None:
        super().__init__()
        self.label = _text(self, label, "the name of a prime key")
        value = _plain(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise QueryError(
                f"PrimeKey {label} takes a text, a number or a Time, not {value!r} ({type(value).__name__})."
            )
        self.value = _text(self, value, f"a value of {label}") if isinstance(value, str) else value

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.PrimeKey({self.label!r}, {self.value!r})>"

    def collides(self, other: object) -> bool:
        return False


class KeywordComparison(_TypedEquality, AttrComparison):
    """
    A test of a keyword; made by comparing a `Keyword` with a value.

    Parameters
    ----------
    name
        Name of the keyword.
    operator
        One of ``< <= > >= = !=``.
    value
        A text or a number.

    Raises
    ------
    QueryError
        If one of them is not of that kind.
    """

    def __init__(self, name: str, operator: str, value: str | float) -> None:
        if operator not in OPERATORS:
            raise QueryError(f"Keyword {name} cannot be tested with {operator!r}; use one of {' '.join(OPERATORS)}.")
        value = _plain(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise QueryError(
                f"Keyword {name} is compared with a text, a number or a Time, not {value!r} ({type(value).__name__})."
            )
        super().__init__(name, operator, value)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keyword({self.name!r}) {self.operator} {self.value!r}>"

    def __bool__(self) -> bool:
        # Python asks for the truth of the first half of 2 < Keyword("K") < 5, and would go on without it.
        raise QueryError(f"A test of {self.name} is neither true nor false; write (Keyword > 2) & (Keyword < 5).")

    def collides(self, other: object) -> bool:
        # Two tests of one keyword are a range, not a contradiction: both are kept.
        return False


class Keyword(SimpleAttr):
    """
    A keyword of the series, to be compared with a value.

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

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "the name of a keyword"))

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
        raise QueryError(f"Keyword {self.value!r} needs to have a comparison to a value.")

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keyword({self.value!r})>"

    def collides(self, other: object) -> bool:
        return False


class Protocol(_TypedEquality, SimpleAttr):
    """
    How files are made: ``"fits"`` (with full headers) or ``"as-is"`` (as they are stored).

    Parameters
    ----------
    value
        Name of the protocol, in any case.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "the name of a protocol"))


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
            raise QueryError("Notify attribute must contain an email address")
        _text(self, value, "an email address")
        if "@" not in value:
            raise QueryError("Notify attribute must contain an '@' symbol to be a valid email address")
        super().__init__(value.strip())

    def __repr__(self) -> str:
        # Results are logged and pasted into issues; addresses are not for that.
        return "<jsoc_fido.attrs.Notify(...)>"


class Cutout(_TypedEquality, DataAttr):
    """
    A part of the image, cut out at the site.

    Parameters
    ----------
    bottom_left
        Bottom left corner, in the `~sunpy.coordinates.Helioprojective` frame with an ``obstime``. The observer is
        taken to be SDO.
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
        If the corner is in another frame or without time, or if a part to be tracked is not on the disk.
    """

    @u.quantity_input
    def __init__(
        self,
        bottom_left: SkyCoord,
        top_right: SkyCoord | None = None,
        width: u.arcsec = None,
        height: u.arcsec = None,
        tracking: bool = False,
        register: bool = False,
        nan_off_limb: bool = False,
    ) -> None:
        super().__init__()
        low, high = get_rectangle_coordinates(bottom_left, top_right=top_right, width=width, height=height)
        if not isinstance(low.frame, Helioprojective):
            raise QueryError(
                "`bottom_left` must be in the `Helioprojective` frame, but is instead "
                f"in the `{low.frame.__class__.__name__}` frame"
            )
        if low.obstime is None:
            raise QueryError("`bottom_left` needs an obstime: the time at which the cutout is where you say.")
        x, y = (low.Tx + high.Tx) / 2, (low.Ty + high.Ty) / 2
        if tracking:
            from sunpy.map.maputils import coordinate_is_on_solar_disk  # noqa: PLC0415 - slow, and needed here only

            if not coordinate_is_on_solar_disk(SkyCoord(x, y, frame=bottom_left.frame)):
                raise QueryError(
                    f"Tracking is enabled, but the center of the cutout (Tx={x}, Ty={y}) is not on the solar disk."
                )
        self.value = {
            "t_ref": low.obstime.isot,
            "t": int(not tracking),  # DRMS asks whether to leave tracking out (contract F.3)
            "r": int(register),
            "c": int(nan_off_limb),
            "locunits": "arcsec",
            "boxunits": "arcsec",
            "x": x.to_value("arcsec"),
            "y": y.to_value("arcsec"),
            "width": (high.Tx - low.Tx).to_value("arcsec"),
            "height": (high.Ty - low.Ty).to_value("arcsec"),
        }

    def _identity(self) -> Hashable:
        return tuple(self.value.items())

    def __repr__(self) -> str:
        return "<jsoc_fido.attrs.Cutout({x:g}, {y:g}; {width:g} x {height:g} arcsec at {t_ref})>".format(**self.value)

    def collides(self, other: object) -> bool:
        return isinstance(other, Cutout)


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
        self.names = tuple(_text(self, name, "the name of a keyword").strip() for name in names)

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
        A name (``"jsoc"``, ``"kis"``, or one registered with `drms.config.register_server`) or a URL.

    Raises
    ------
    QueryError
        If it is no text.
    """

    def __init__(self, value: str) -> None:
        super().__init__(_text(self, value, "a name or a URL"))


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
        super().__init__(_text(self, value, "a record set"))

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.RecordSet({self.value!r})>"


class Process(_TypedEquality, DataAttr):
    """
    A processing step that the site shall take before it writes the files.

    Several steps are taken in the order in which they are given.

    Parameters
    ----------
    name
        Name of the step, such as ``"rebin"`` (contract F.2).
    **arguments
        Its arguments, such as ``method="boxcar", scale=0.25`` (contract F.3).

    Raises
    ------
    QueryError
        If a name or a value cannot be said in an export request.
    """

    def __init__(self, name: str, **arguments: str | float) -> None:
        super().__init__()
        step = _text(self, name, "the name of a processing step")
        for key, value in arguments.items():
            if not isinstance(value, str | int | float):
                raise QueryError(f"Process {step} takes a text or a number as {key}, not {value!r}.")
            text = str(value)
            if not text.isascii() or not text.isprintable() or set("|,=&;") & set(f"{key}{text}"):
                raise QueryError(f"Process {step} cannot take {key}={value!r}: one of | , = & ; ends an argument.")
        if set("|,=&;") & set(step):
            raise QueryError(f"{name!r} is no name of a processing step: one of | , = & ; ends a name.")
        self.step = ProcessStep(step, tuple(arguments.items()))

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={value!r}" for key, value in self.step.arguments)
        return f"<jsoc_fido.attrs.Process({self.step.name!r}{arguments})>"

    def collides(self, other: object) -> bool:
        return False
