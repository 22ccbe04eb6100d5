"""
DRMS times: text, DRMS seconds, `~astropy.time.Time`, and the grids of slotted prime keys.

This is the door to the modules beneath it: `jsoc_fido.clocks` counts, `jsoc_fido.timetext` reads and prints,
`jsoc_fido.slots` knows durations and grids. Importing it adds the format ``drms`` to `~astropy.time.Time`.
"""

from typing import Any

import erfa
import numpy as np
from astropy.time import Time
from astropy.time.formats import TimeFormat
from astropy.utils.masked import Masked
from numpy.typing import ArrayLike, NDArray

from jsoc_fido import clocks
from jsoc_fido.exceptions import QueryError
from jsoc_fido.slots import Duration, Slot, parse_duration
from jsoc_fido.timetext import MISSING, format, format_many, is_missing, parse, parse_many, read, scan  # noqa: A004

__all__ = [
    "MISSING",
    "Duration",
    "Slot",
    "TimeDRMS",
    "format",
    "format_many",
    "from_astropy",
    "is_missing",
    "parse",
    "parse_duration",
    "parse_many",
    "scan",
    "to_astropy",
]

#: Julian date of DRMS second 0.
_EPOCH = 2443144.5
_DAY = 86400.0


def to_astropy(seconds: ArrayLike, zone: str = "TAI") -> Time:
    """
    Make a `~astropy.time.Time` that prints as DRMS prints.

    Parameters
    ----------
    seconds
        DRMS seconds; missing ones are masked.
    zone
        What the keyword's unit says; it decides the time scale, which is UTC for all civil zones.

    Examples
    --------
    >>> to_astropy(1167609645.0)
    <Time object: scale='tai' format='drms' value=2014.01.01_00:00:45_TAI>
    """
    values = np.array(seconds, dtype=float)
    missing = is_missing(values)
    values[missing] = 0.0
    jd1, jd2 = _to_jd(values)
    if missing.any():
        jd1, jd2 = Masked(jd1, mask=missing), Masked(jd2, mask=missing)
    scale = _scale_of(zone.upper())
    time = getattr(Time(jd1, jd2, format="jd", scale="tai"), scale).copy()
    time.format = "drms"
    time.precision = 0
    if zone.upper() in {"ISO", "Z"}:
        time.out_subfmt = "iso"
    return time


def from_astropy(time: Time) -> Any:
    """
    DRMS seconds of a `~astropy.time.Time` in any scale: a float, or an array of the same shape; NaN where it is masked.

    Examples
    --------
    >>> from_astropy(Time("2014-01-01T00:00:10", scale="utc"))
    1167609645.0
    """
    tai = time.tai
    seconds = _from_jd(_plain(tai.jd1), _plain(tai.jd2))
    if time.masked:
        seconds = np.where(time.mask, np.nan, seconds)
    return seconds if np.ndim(seconds) else float(seconds)


class TimeDRMS(TimeFormat):  # type: ignore[misc]  # astropy has no types
    """
    The format ``drms`` of `~astropy.time.Time`: ``2014.01.01_00:00:45_TAI``.

    It reads every form of contract A.6 and prints with the zone of the time scale, or with ``out_subfmt="iso"`` in the
    ISO form that AIA's keywords have. Without a scale, that of the text is taken.

    Examples
    --------
    >>> time = Time("2014.01.01_00:00:45_TAI", format="drms")
    >>> time.scale, time.utc.value
    ('tai', '2014.01.01_00:00:10_UTC')
    """

    name = "drms"
    subfmts = (("drms", "", ""), ("iso", "", ""))
    _default_precision = 0

    def _check_val_type(self, val1: Any, val2: Any) -> tuple[Any, Any]:
        if val1.dtype.kind not in "US" or not np.all(val2 is None or val2 == 0):
            raise TypeError("Input values for drms times must be strings.")
        return (np.char.decode(val1, "ascii") if val1.dtype.kind == "S" else val1), None

    def set_jds(self, val1: Any, val2: Any) -> None:  # noqa: ARG002 - astropy prescribes it
        """
        Read the texts.
        """
        texts = [str(text) for text in np.ravel(val1)]
        seconds = np.array([parse(text) for text in texts]).reshape(np.shape(val1))
        if self.__dict__.get("_scale") is None:
            scales = {_scale_of(_zone_in(text)) for text in texts}
            self.scale = next((scale for scale in ("tai", "tt") if scale in scales), "utc")
        jd1, jd2 = _to_jd(seconds)
        scale = self.scale
        if scale == "utc":
            jd1, jd2 = erfa.taiutc(jd1, jd2)
        elif scale != "tai":
            other = getattr(Time(jd1, jd2, format="jd", scale="tai"), scale)
            jd1, jd2 = other.jd1, other.jd2
        self.jd1, self.jd2 = jd1, jd2

    def to_value(self, parent: Any = None, out_subfmt: str | None = None) -> Any:
        """
        Print the times.
        """
        jd1, jd2 = _plain(self.jd1), _plain(self.jd2)
        zone = {"tai": "TAI", "utc": "UTC", "tt": "TT"}.get(self.scale)
        if self.scale == "utc":
            jd1, jd2 = erfa.utctai(jd1, jd2)
        elif self.scale == "tt":
            jd1, jd2 = erfa.tttai(jd1, jd2)
        elif zone is None:
            # DRMS has no name for the other scales.
            tai = (parent if parent is not None else Time(jd1, jd2, format="jd", scale=self.scale)).tai
            zone, jd1, jd2 = "TAI", _plain(tai.jd1), _plain(tai.jd2)
        if (out_subfmt or self.out_subfmt) == "iso":
            zone = "ISO"
        seconds = _from_jd(jd1, jd2)
        return np.array(format_many(seconds, zone or "TAI", self.precision), dtype=str).reshape(np.shape(seconds))

    @property
    def value(self) -> Any:
        return self.to_value()

    def __getstate__(self) -> dict[str, Any]:
        # astropy's masked arrays forget their mask when they are pickled (astropy 8.0).
        mask = getattr(self.jd1, "mask", None)
        return {**self.__dict__, "_jd1": _plain(self.jd1), "_jd2": _plain(self.jd2), "mask": mask}

    def __setstate__(self, state: dict[str, Any]) -> None:
        mask = state.pop("mask")
        self.__dict__.update(state)
        if mask is not None:
            self.jd1 = Masked(self.jd1, mask=mask)
            self.jd2 = Masked(self.jd2, mask=self.jd1.mask)


def _plain(values: Any) -> Any:
    # Masked arrays keep something finite beneath the mask.
    return getattr(values, "unmasked", values)


def _to_jd(seconds: NDArray[np.float64]) -> tuple[Any, Any]:
    days = np.floor(seconds / _DAY)
    return _EPOCH + days, (seconds - days * _DAY) / _DAY


def _from_jd(jd1: Any, jd2: Any) -> Any:
    return (jd1 - _EPOCH) * _DAY + jd2 * _DAY


def _zone_in(text: str) -> str:
    try:
        return read(text.strip())[2]
    except QueryError:
        return "TAI"  # the name of an epoch


def _scale_of(zone: str) -> str:
    return "tai" if zone in {"TAI", "GPS"} else "tt" if zone in clocks.UNIFORM else "utc"
