"""
What a site can do with images before it sends them, and in which form it sends them (contract B.11, F).

A site takes a wrong argument without a word, and sends images as they are (contract F.3); so names, choices and units
are checked here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time

from jsoc_fido import timetext
from jsoc_fido.conditions import reason, shown
from jsoc_fido.exceptions import QueryError, UnsupportedError
from jsoc_fido.query import ProcessStep

__all__ = ["MOVIES", "PICTURES", "PROTOCOLS", "STEPS", "flag", "picture_text", "read_protocol", "step"]

#: Formats that are no FITS files; a movie is one file for all records.
MOVIES = ("mpg", "mp4")
PICTURES = ("jpg", *MOVIES)

#: Every form in which files come: with full headers, as they are stored, that with headers made here, and pictures.
PROTOCOLS = ("fits", "as-is", "quick", *PICTURES)

#: How pixel values become colours.
SCALINGS = ("MINMAX", "MINMAXGIVEN", "LOG", "SQRT", "mag")

#: By how much pictures are made smaller.
SIZES = (1, 2, 4, 8)

#: Map projections, as the site names them.
PROJECTIONS = (
    "carree", "Cassini", "Mercator", "cyleqa", "sineqa", "gnomonic", "Postel", "stereographic", "orthographic",
    "Lambert",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Argument:
    """
    One argument of a step: a number, in a unit or not, a yes or no, or one of some words.

    Parameters
    ----------
    unit
        Unit of the number that is sent; numbers without a unit are taken to be in it.
    choices
        The words that it may be.
    is_whole, is_flag, is_time
        Whether it is a whole number, a yes or no, a time.
    is_positive
        Whether a number must be more than nothing.
    most
        How much a number may be, with either sign.
    is_needed
        Whether the step makes no sense without it.
    """

    unit: u.UnitBase | None = None
    choices: tuple[str, ...] = ()
    is_whole: bool = False
    is_flag: bool = False
    is_time: bool = False
    is_positive: bool = False
    most: float = math.inf
    is_needed: bool = False

    def value(self, label: str, given: Any) -> str | int | float:
        """
        What is sent for a value.

        Raises
        ------
        QueryError
            If it is not of this kind.
        """
        if self.choices:
            return _choice(label, given, self.choices)
        if self.is_time:
            return _time(label, given)
        if self.is_flag:
            return flag(label, given)
        number = _number(label, given, self.unit)
        if self.is_positive and number <= 0:
            raise QueryError(f"{label} must be more than nothing, not {shown(given)}.")
        if abs(number) > self.most:
            raise QueryError(f"{label} must be from {-self.most:g} to {self.most:g}, not {shown(given)}.")
        if self.is_whole and number != int(number):
            raise QueryError(f"{label} is a whole number, not {shown(given)}.")
        return int(number) if number == int(number) and (self.is_whole or isinstance(given, int)) else number


_FLAG = Argument(is_flag=True)
_NUMBER = Argument()
_DEGREES = Argument(unit=u.deg, is_needed=True)
_PIXELS = Argument(unit=u.pix, is_whole=True, is_positive=True, is_needed=True)


@dataclass(frozen=True, slots=True)
class Step:
    """
    A processing step that sites know.

    Parameters
    ----------
    name
        Its name in a request.
    arguments
        Its arguments.
    always
        Arguments that are sent unless given.
    """

    name: str
    arguments: Mapping[str, Argument]
    always: tuple[tuple[str, str | int | float], ...] = ()


_SCALE_TO = Argument(unit=u.arcsec / u.pix, is_positive=True)
_RESIZE = {
    "scale_to": _SCALE_TO,
    "rescale": _FLAG,
    "regrid": _FLAG,
    "do_stretchmarks": _FLAG,
    "center_to": Argument(choices=("0", "1", "2")),
}
_MAP = {
    "map": Argument(choices=PROJECTIONS),
    "clon": _DEGREES,
    "clat": replace(_DEGREES, most=90),
    "scale": Argument(unit=u.deg / u.pix, is_positive=True, is_needed=True),
    "cols": _PIXELS,
    "rows": _PIXELS,
}
_PATCH = {
    "t_ref": Argument(is_time=True),
    **dict.fromkeys(("t", "r", "c"), _FLAG),
    **dict.fromkeys(("locunits", "boxunits"), Argument(choices=("arcsec", "pixels", "stony", "carrlong"))),
    **dict.fromkeys(("x", "y"), _NUMBER),
    **dict.fromkeys(("width", "height"), Argument(is_positive=True, is_needed=True)),
}
_REBIN = {
    "scale": Argument(is_positive=True, is_needed=True),
    "method": Argument(choices=("boxcar", "gaussian")),
    "FWHM": Argument(unit=u.pix, is_positive=True),
}

#: Steps by the names that a search may use; some sites know a step by two names (contract F.2).
STEPS: Mapping[str, Step] = {
    "rebin": Step("rebin", _REBIN, (("method", "boxcar"),)),
    "resize": Step("resize", _RESIZE),
    "register": Step(
        "resize",
        {"scale_to": Argument(unit=u.arcsec / u.pix, is_positive=True, is_needed=True), **_RESIZE},
        (("rescale", 1), ("regrid", 1), ("do_stretchmarks", 0), ("center_to", "0")),
    ),
    **dict.fromkeys(("map_proj", "Maproj"), Step("Maproj", _MAP, (("map", "carree"),))),
    "im_patch": Step("im_patch", _PATCH),
    **dict.fromkeys(("to_ptr", "HmiB2ptr"), Step("HmiB2ptr", {})),
    **{name: Step(name, {}) for name in ("aia_scale_aialev1", "aia_scale_orig", "aia_scale_other")},
}


def step(name: str, given: Mapping[str, Any]) -> ProcessStep:
    """
    Make a processing step.

    Parameters
    ----------
    name
        Name of the step.
    given
        Its arguments; quantities are converted to the units that the site expects.

    Raises
    ------
    QueryError
        If there is no such step, or an argument is unknown, missing, or not of its kind.

    Examples
    --------
    >>> import astropy.units as u
    >>> str(step("register", {"scale_to": 1 * u.arcsec / u.pix}))
    'resize,rescale=1,regrid=1,do_stretchmarks=0,center_to=0,scale_to=1.0'
    """
    known = {key.lower(): known for key, known in STEPS.items()}.get(name.strip().lower())
    if known is None:
        raise QueryError(f"Process {shown(name)} is not a step that sites know; they know {', '.join(STEPS)}.")
    strange = [key for key in given if key not in known.arguments]
    if strange:
        has = f"it has {', '.join(known.arguments)}" if known.arguments else "it has none"
        raise QueryError(f"Process {name} has no argument {strange[0][:40]}={shown(given[strange[0]])}; {has}.")
    lacking = [key for key, argument in known.arguments.items() if argument.is_needed and key not in given]
    if lacking:
        raise QueryError(f"Process {name} needs {', '.join(lacking)}.")
    arguments = {key: known.arguments[key].value(f"Process {name}: {key}", value) for key, value in given.items()}
    if known.name == "resize" and "scale_to" in arguments:
        # Without it the site leaves the scale alone.
        arguments.setdefault("rescale", 1)
    return ProcessStep(known.name, tuple({**dict(known.always), **arguments}.items()))


def picture_text(name: str, given: Mapping[str, Any], color_tables: tuple[str, ...]) -> str:
    """
    Write a protocol with its arguments, as a request has them (contract B.11).

    Parameters
    ----------
    name
        Name of the protocol.
    given
        ``ct``, ``scaling``, ``size``, ``min``, ``max``, or some of them.
    color_tables
        The colour tables that sites have.

    Raises
    ------
    QueryError
        If there is no such protocol, or it has no arguments, or not these, or not with these values.

    Examples
    --------
    >>> picture_text("mp4", {"ct": "grey.sao", "min": -1500, "max": 1500}, ("grey.sao",))
    'mp4,ct=grey.sao,scaling=minmaxgiven,min=-1500,max=1500'
    """
    if name not in PROTOCOLS:
        raise UnsupportedError(f"Protocol {shown(name)} is not supported; use one of {', '.join(PROTOCOLS)}.")
    if not given:
        return name
    if name not in PICTURES:
        raise QueryError(
            f"Protocol {name!r} has no arguments, such as {shown(next(iter(given)))}; {', '.join(PICTURES)} have."
        )
    strange = [key for key in given if key not in _PICTURE]
    if strange:
        raise QueryError(
            f"Protocol {name} has no argument {strange[0][:40]}={shown(given[strange[0]])}; "
            f"it has {', '.join(_PICTURE)}."
        )
    values: dict[str, str | int | float] = {}
    for key, argument in _PICTURE.items():
        if key in given:
            known = replace(argument, choices=color_tables) if key == "ct" else argument
            values[key] = known.value(f"Protocol {name}: {key}", given[key])
        elif key == "scaling" and {"min", "max"} & set(given):
            # Limits mean nothing to the other ways of scaling.
            values[key] = "MINMAXGIVEN"
    if {"min", "max"} <= set(values) and not float(values["min"]) < float(values["max"]):
        raise QueryError(f"Protocol {name}: min={shown(given['min'])} is not less than max={shown(given['max'])}.")
    return ",".join([name, *(f"{key}={value}" for key, value in values.items())]).lower()


_PICTURE = {
    "ct": Argument(),
    "scaling": Argument(choices=SCALINGS),
    "size": Argument(choices=tuple(map(str, SIZES))),
    "min": _NUMBER,
    "max": _NUMBER,
}


def read_protocol(text: str) -> tuple[str, dict[str, str]]:
    """
    Name and arguments of a protocol as it was written.

    Examples
    --------
    >>> read_protocol("mp4,ct=grey.sao,size=8")
    ('mp4', {'ct': 'grey.sao', 'size': '8'})
    """
    name, *parts = text.split(",")
    return name, dict(part.split("=", 1) for part in parts if "=" in part)


def _choice(label: str, given: Any, choices: tuple[str, ...]) -> str:
    is_whole = isinstance(given, float | np.floating) and float(given).is_integer()
    text = str(int(given) if is_whole else given)
    for choice in choices:
        if not isinstance(given, bool) and text.lower() == choice.lower():
            return choice
    raise QueryError(f"{label} is one of {', '.join(choices)}, not {shown(given)}.")


def flag(label: str, given: Any) -> int:
    """
    A yes or no as sites read it.

    Raises
    ------
    QueryError
        If it is neither.
    """
    if not isinstance(given, bool | int | np.bool | np.integer) or given not in (0, 1):
        raise QueryError(f"{label} is True or False, not {shown(given)}.")
    return int(given)


def _time(label: str, given: Any) -> str:
    if isinstance(given, Time) and given.isscalar and not np.any(given.mask):
        return str(given.utc.isot)
    text = given.strip() if isinstance(given, str) else ""
    try:
        timetext.parse(text)
    except QueryError as err:
        raise QueryError(f"{label} is a time, not {shown(given)}: {reason(err)}") from err
    return text


def _number(label: str, given: Any, unit: u.UnitBase | None) -> float:
    if isinstance(given, u.Quantity) and given.isscalar:
        try:
            return _finite(label, given, float(given.to_value(unit or u.one)))
        except u.UnitConversionError as err:
            raise QueryError(f"{label} is {f'in {unit}' if unit else 'a plain number'}, not {shown(given)}.") from err
    if isinstance(given, bool) or not isinstance(given, int | float | np.number):
        raise QueryError(f"{label} is a number{f' or a quantity in {unit}' if unit else ''}, not {shown(given)}.")
    return _finite(label, given, float(given))


def _finite(label: str, given: Any, number: float) -> float:
    if not math.isfinite(number):
        raise QueryError(f"{label} must be finite, not {shown(given)}.")
    return float(f"{number:.14g}")
