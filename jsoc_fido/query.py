"""
What a search means, before it is text: one `Query` for each OR branch of the attrs.

Only plain values live here: times are DRMS seconds (`jsoc_fido.times`), wavelengths are angstrom, samples are seconds.
Everything is frozen, so that a table can carry its query through copies, slices and pickles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

__all__ = ["OPERATORS", "KeywordTest", "PrimeKeyValue", "ProcessStep", "Query", "TimeSpan", "WavelengthSpan"]

#: Comparisons of a keyword with a value, as they stand in ``[? ?]`` (contract A.10).
OPERATORS = ("<", "<=", ">", ">=", "=", "!=")


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
    A prime key and the value it must have: a text as DRMS reads it, or a number.
    """

    name: str
    value: str | int | float


@dataclass(frozen=True, slots=True)
class KeywordTest:
    """
    A keyword, one of `OPERATORS`, and what it is compared with.
    """

    name: str
    operator: str
    value: str | int | float


@dataclass(frozen=True, slots=True)
class ProcessStep:
    """
    One processing step on the server and its arguments, in order (contract F).
    """

    name: str
    arguments: tuple[tuple[str, str | int | float], ...] = ()


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
        Keyword tests; all must hold.
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
    tests: tuple[KeywordTest, ...] = ()
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
