"""
What a search means, before it is text: one `Query` for each OR branch of the attrs.

Only plain values live here: times are DRMS seconds (`jsoc_fido.times`), wavelengths are angstrom, samples are seconds.
Everything is frozen, so that a table can carry its question through copies, slices and pickles.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from jsoc_fido.conditions import Condition, Measure

__all__ = [
    "PrimeKeyValue",
    "ProcessStep",
    "Query",
    "Question",
    "TimeSpan",
    "WavelengthSpan",
]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """
    From one instant to another, both included; DRMS seconds.
    """

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class WavelengthSpan:
    """
    From one wavelength to another, both included; angstrom.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PrimeKeyValue:
    """
    A prime key and the value it must have: a text as DRMS reads it, a number, or one with a unit.
    """

    name: str
    value: str | int | float | Measure


@dataclass(frozen=True, slots=True)
class ProcessStep:
    """
    One processing step on the server and its arguments, in order (contract F).
    """

    name: str
    arguments: tuple[tuple[str, str | int | float], ...] = ()

    def __str__(self) -> str:
        return ",".join([self.name, *(f"{name}={value}" for name, value in self.arguments)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """
    One question to one series, and what shall become of its answer.

    Parameters
    ----------
    series
        Name of the series.
    time, wavelength, sample
        The span of time, of wavelength, and the cadence in seconds.
    prime_keys
        Values of other prime keys; several of one key are alternatives.
    tests
        Conditions on keywords; all must hold.
    segments
        Segments wanted; none means all.
    keys
        Keywords wanted in the table; none means all.
    record_set
        A record set as text, instead of all of the above.
    site
        Name or URL of the site to ask.
    notify, protocol, steps
        For staging: the e-mail address, the protocol, the processing steps.
    """

    series: str = ""
    time: TimeSpan | None = None
    wavelength: WavelengthSpan | None = None
    sample: float | None = None
    prime_keys: tuple[PrimeKeyValue, ...] = ()
    tests: tuple[Condition, ...] = ()
    segments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    record_set: str | None = None
    site: str | None = None
    notify: str | None = None
    protocol: str | None = None
    steps: tuple[ProcessStep, ...] = ()

    def __repr__(self) -> str:
        # An e-mail address must not reach a log through a repr.
        shown = ((name, "..." if name == "notify" else value) for name, value in self._given())
        return f"Query({', '.join(f'{name}={value!r}' for name, value in shown)})"

    def _given(self) -> Iterator[tuple[str, object]]:
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                yield item.name, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What was asked for a run of rows, and what a fetch of them must know.

    Parameters
    ----------
    record_set
        The text that was sent.
    site
        Name or URL of the site that was asked.
    series
        Name of the series, as the site spells it.
    segments
        Names of the segments whose paths came along.
    left_out
        Names of the segments that the series has besides, when the search named none.
    count
        Number of records in the answer.
    asked
        When, in UTC: ``"2014-01-05T12:00:00Z"``.
    notify, protocol, steps
        What the search said about staging.
    """

    record_set: str
    site: str
    series: str
    segments: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    count: int = 0
    asked: str = ""
    notify: str | None = field(default=None, repr=False)  # an e-mail address must not reach a log through a repr
    protocol: str | None = None
    steps: tuple[ProcessStep, ...] = ()

    @property
    def key(self) -> str:
        """
        A short name; the rows of the answer carry it.
        """
        said = (self.record_set, self.site, self.segments, self.protocol, self.steps, self.notify is not None)
        return hashlib.blake2s(repr(said).encode(), digest_size=6).hexdigest()
