"""
The words that name something: a series, a prime key, segments, keywords, a site, a person, what to make of images.
"""

import re
from typing import Any

import drms
import numpy as np
from astropy.time import Time
from sunpy.net.attr import DataAttr, SimpleAttr

from jsoc_fido import conditions, recordset, steps
from jsoc_fido.attrs.checks import LONGEST_NAME, TypedEquality, comparable, text_of
from jsoc_fido.conditions import shown
from jsoc_fido.exceptions import QueryError
from jsoc_fido.tokens import SERIES

__all__ = ["Keys", "Notify", "PrimeKey", "Process", "Protocol", "RecordSet", "Segment", "Series", "Site"]

#: Room that DRMS has for the name of a series, one character less (contract A.2).
LONGEST_SERIES = 64

#: An e-mail address as sites take it, who refuse ``;`` and quotes (contract A.10), and how long one can be (RFC 5321).
ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"'|&=]+@[A-Za-z0-9.-]*[A-Za-z0-9]")
LONGEST_ADDRESS = 254

#: No site has a longer address.
LONGEST_URL = 500

#: Up to here, each whole number is a float.
MOST_EXACT = 2**53

#: Colour tables of JSOC; drms, which sends the request, checks against the same.
COLOR_TABLES: tuple[str, ...] = drms.Client._export_color_table_names  # noqa: SLF001 - it has no public name


class Series(TypedEquality, SimpleAttr):
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
        name = text_of(self, value, "the name of a series", LONGEST_SERIES - 1)
        if not SERIES.fullmatch(name.strip()):
            raise QueryError(f"Series takes the name of a series, letters, digits, _ and dots, not {value!r}.")
        super().__init__(name)

    def collides(self, other: object) -> bool:
        return isinstance(other, Series)


class Segment(TypedEquality, SimpleAttr):
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
        super().__init__(text_of(self, value, "the name of a segment"))
        if not value.strip(" ,"):
            raise QueryError(f"Segment needs the name of a segment; {shown(value)} has none.")

    def collides(self, other: object) -> bool:
        return False


class PrimeKey(TypedEquality, DataAttr):
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
        self.label = text_of(self, label, "the name of a prime key", LONGEST_NAME)
        what = f"PrimeKey {label}"
        if isinstance(value, range):
            self.value: Any = _range(what, value)
        elif isinstance(value, list | tuple) or (isinstance(value, np.ndarray | Time) and len(value.shape) == 1):
            self.value = tuple(_whole(comparable(what, item)) for item in value)
            if not self.value:
                raise QueryError(f"{what} needs a value; {shown(value)} has none.")
        else:
            self.value = _whole(comparable(what, value))

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


def _whole(value: conditions.Value) -> conditions.Value:
    """
    A whole number without a point, as tables with a gap in a column have them: integer keys take no other.
    """
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < MOST_EXACT else value


def _range(what: str, numbers: range) -> str:
    if not numbers or numbers.step < 0:
        raise QueryError(f"{what} takes a range of numbers that rise, not {shown(numbers)}.")
    return f"{numbers[0]}-{numbers[-1]}" + (f"@{numbers.step}" if numbers.step > 1 else "")


class Protocol(TypedEquality, SimpleAttr):
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
        super().__init__(text_of(self, value, "the name of a protocol", LONGEST_NAME))
        #: The protocol with its arguments, as a request has it (contract B.11).
        self.text = steps.picture_text(value.strip().lower(), arguments, COLOR_TABLES)


class Notify(TypedEquality, SimpleAttr):
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
        address = text_of(self, value, "an email address", LONGEST_ADDRESS).strip()
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


class Keys(TypedEquality, DataAttr):
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
        self.names = tuple(text_of(self, name, "the name of a keyword", LONGEST_NAME).strip() for name in names)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.Keys({', '.join(map(repr, self.names))})>"

    def collides(self, other: object) -> bool:
        return isinstance(other, Keys)


class Site(TypedEquality, SimpleAttr):
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
        super().__init__(text_of(self, value, "a name or a URL", LONGEST_URL))


class RecordSet(TypedEquality, SimpleAttr):
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
        text = text_of(self, value, "a record set")
        try:
            recordset.parse(text)
        except QueryError as err:
            raise QueryError(f"RecordSet cannot be {shown(text)}: {conditions.reason(err)}") from err
        super().__init__(text)

    def __repr__(self) -> str:
        return f"<jsoc_fido.attrs.RecordSet({self.value!r})>"


class Process(TypedEquality, DataAttr):
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
        self.step = steps.step(text_of(self, name, "the name of a processing step"), arguments)

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={value!r}" for key, value in self.step.arguments)
        return f"<jsoc_fido.attrs.Process({self.step.name!r}{arguments})>"

    def collides(self, other: object) -> bool:
        return False
