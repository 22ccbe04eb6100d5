"""
Durations, and the grids on which slotted prime keys lie (contract A.7, A.12).
"""

import math
import re
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from jsoc_fido import timetext
from jsoc_fido.exceptions import QueryError

__all__ = ["Duration", "Slot", "parse_duration"]

#: Seconds of each unit of a duration (contract A.7); ``u`` is the width of a slot.
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[A-Za-z]*)", re.ASCII)

#: More slots than any grid has; a number that the database still takes.
_MANY = 2.0**62

#: What ``<key>_unit`` may say (contract A.12), in seconds or degrees.
_UNITS = {
    "tenthsecs": 0.1,
    "secs": 1.0,
    "mins": 60.0,
    "hours": 3600.0,
    "days": 86400.0,
    "degrees": 1.0,
    "arcmins": 1 / 60,
    "arcsecs": 1 / 3600,
    "milliarcsecs": 1 / 3.6e6,
    "rads": math.degrees(1.0),
    "microrads": math.degrees(1e-6),
}
#: Units that a step may carry itself; ``m`` and ``s`` of a Carrington step are arc minutes and seconds.
_ANGLES = {"d": 1.0, "m": 1 / 60, "s": 1 / 3600}


@dataclass(frozen=True, slots=True)
class Duration:
    """
    A span of time as a record set writes it: ``12s``, ``0.5h``, ``100u``.

    Parameters
    ----------
    value
        How many.
    unit
        ``s``, ``m``, ``h``, ``d``, or ``u`` for widths of a slot.

    Raises
    ------
    QueryError
        If DRMS knows no such unit, or the number is not finite.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in {*_SECONDS, "u"}:
            raise QueryError(f"A duration cannot be in {self.unit!r}; DRMS knows the units s, m, h, d and u (slots).")
        if not math.isfinite(self.value):
            raise QueryError(f"A duration must be finite, not {self.value!r}.")

    def __str__(self) -> str:
        value = int(self.value) if self.value == int(self.value) and abs(self.value) < 1e15 else float(self.value)
        return f"{value!r}{self.unit}"

    def seconds(self, slot_width: float | None = None) -> float:
        """
        Length in seconds, or in whatever the width of a slot is given in.

        Raises
        ------
        QueryError
            If it is counted in slots and nobody says how wide they are.
        """
        if self.unit != "u":
            return self.value * _SECONDS[self.unit]
        if slot_width is None:
            raise QueryError(f"{self} counts slots, and this prime key has none; use s, m, h or d.")
        return self.value * slot_width


def parse_duration(text: str) -> Duration:
    """
    Read a duration.

    Parameters
    ----------
    text
        A number with its unit directly behind it.

    Raises
    ------
    QueryError
        If it is no duration.

    Examples
    --------
    >>> parse_duration("0.5h").seconds()
    1800.0
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not match["unit"]:
        raise QueryError(f"{text!r} is not a duration; write a number with s, m, h, d or u behind it: '12s'.")
    return Duration(float(match["value"]), match["unit"])


@dataclass(frozen=True, slots=True)
class Slot:
    """
    The grid of a slotted prime key: what DRMS really counts is the number of the slot.

    Parameters
    ----------
    kind
        ``ts_eq``, ``ts_slot``, ``slot`` or ``carr``.
    base
        Value of slot 0; DRMS seconds for times.
    step
        Width of a slot; seconds for times, degrees for Carrington longitudes.
    round
        Width of the interval around the beginning of a slot that belongs to it; only of ``ts_slot``.

    Raises
    ------
    QueryError
        If DRMS knows no such kind, or the width is not positive.

    Examples
    --------
    >>> hmi = Slot.from_constants("ts_eq", epoch="1993.01.01_00:00:00_TAI", step="45.000000", unit="secs")
    >>> hmi.index(timetext.parse("2020.01.01_TAI"))
    18933120
    """

    kind: str
    base: float
    step: float
    round: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in {"ts_eq", "ts_slot", "slot", "carr"}:
            raise QueryError(f"Slots of kind {self.kind!r} do not work in DRMS; use ts_eq, ts_slot, slot or carr.")
        if not (self.step > 0 and all(map(math.isfinite, (self.base, self.step, self.round)))):
            raise QueryError(f"A grid needs finite numbers and a positive step, not {self!r}.")

    @classmethod
    def from_constants(
        cls,
        kind: str,
        *,
        epoch: str | float | None = None,
        base: str | float | None = None,
        step: str | float | None = None,
        unit: str | None = None,
        round: str | float | None = None,  # noqa: A002 - the name of the constant
    ) -> "Slot":
        """
        Make a grid from the constants that define it in a series.

        Parameters
        ----------
        kind
            The keyword's scope.
        epoch, base
            Value of slot 0: a time, or a number; none for Carrington longitudes.
        step
            Width of a slot, a number in the unit, or with a unit of its own (``60s``), which then wins.
        unit
            ``secs``, ``mins``, ``days``, ``degrees``, ...
        round
            Of ``ts_slot``, in seconds.

        Raises
        ------
        QueryError
            If a constant is missing, or cannot be read.
        """
        name = (unit or "").strip().lower()
        if name and name != "none" and name not in _UNITS:
            raise QueryError(f"{unit!r} is not a unit of slots; DRMS knows {', '.join(_UNITS)}.")
        factor = _UNITS.get(name, 1.0)
        width, own_unit = _number(kind, "step", step)
        if own_unit:
            units = _ANGLES if kind == "carr" else _SECONDS
            if own_unit not in units:
                raise QueryError(f"The step {step!r} of a {kind} key must be in one of {', '.join(units)}.")
            factor = units[own_unit]
        if kind == "slot":
            factor = 1.0  # a plain quantity: DRMS ignores its unit
        origin = 0.0
        if kind == "carr":
            pass
        elif kind == "slot":
            origin = _number(kind, "base", base)[0]
        else:
            origin = _epoch(kind, base if epoch in (None, "") else epoch)
        rounding = 0.0 if kind != "ts_slot" or round in (None, "") else _number(kind, "round", round)[0]
        return cls(kind, origin, width * factor, rounding)

    @overload
    def index(self, value: float) -> int: ...
    @overload
    def index(self, value: NDArray[np.float64]) -> NDArray[np.int64]: ...
    def index(self, value: float | NDArray[np.float64]) -> int | NDArray[np.int64]:
        """
        Number of the slot a value belongs to: the nearest, ties go up; with ``ts_slot`` the one it lies in.

        Raises
        ------
        QueryError
            If a value is missing.
        """
        margin = self.round if self.kind == "ts_slot" else self.step
        numbers = np.floor((np.asarray(value, dtype=float) - self.base + margin / 2) / self.step)
        if not np.all(np.abs(numbers) < 2.0**63):
            raise QueryError(f"{value!r} lies in no slot: it is missing or not finite.")
        return numbers.astype(np.int64) if numbers.ndim else int(numbers)

    @overload
    def value(self, index: int) -> float: ...
    @overload
    def value(self, index: NDArray[np.int64]) -> NDArray[np.float64]: ...
    def value(self, index: int | NDArray[np.int64]) -> float | NDArray[np.float64]:
        """
        Value on the grid of a slot number.
        """
        return self.base + index * self.step  # type: ignore[return-value]  # numpy does not say which floats

    def count(self, extent: float) -> int:
        """
        How many slots ``start/extent`` takes: whole ones, and at least one.
        """
        return max(1, math.trunc(min(extent / self.step, _MANY)))

    def skip(self, cadence: float) -> int:
        """
        Every how many slots a cadence takes one: rounded, and at least 1 (DRMS would divide by zero).
        """
        return max(1, math.floor(min(cadence / self.step, _MANY) + 0.5))


def _number(kind: str, constant: str, value: str | float | None) -> tuple[float, str]:
    text = "" if value is None else str(value).strip()
    match = _DURATION.fullmatch(text)
    if match is None or match["unit"] not in {"", *_SECONDS}:
        raise QueryError(f"The constant _{constant} of a {kind} key must be a number, not {text!r}.")
    return float(match["value"]), match["unit"]


def _epoch(kind: str, value: str | float | None) -> float:
    if isinstance(value, int | float):
        return float(value)
    if not value:
        raise QueryError(f"A {kind} key needs a constant _epoch, the time of slot 0.")
    try:
        return float(value)
    except ValueError:
        return timetext.parse(value)
