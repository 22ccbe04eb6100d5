"""
What the filters of a record set mean for a series: texts become values of the prime keys' types.

DRMS reads the same text in one way for an integer and in another for a string or a time (contract A.5), so that a
record set can be understood only with the types of the prime keys at hand. The client checks with it what it asks; the
local site answers from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jsoc_fido import timetext
from jsoc_fido.exceptions import QueryError
from jsoc_fido.filters import (
    EmptyFilter,
    Extreme,
    Index,
    IndexRange,
    IndexSpan,
    Item,
    KeyFilter,
    Range,
    RecordNumbers,
    RecordSet,
    SqlFilter,
    Value,
)
from jsoc_fido.slots import Slot, parse_duration
from jsoc_fido.tokens import structure

__all__ = ["Between", "Condition", "Equals", "Extremum", "HalfOpen", "IndexBetween", "PrimeKey", "Term", "bind"]

#: Width of each integer type in bits (contract C.2).
_BITS = {"char": 8, "short": 16, "int": 32, "longlong": 64}
#: Letters at the end of a duration (contract A.7).
_UNITS = frozenset("smhdu")
_MISSING = "DRMS_MISSING_VALUE"
_WANTED = {
    "time": "it is not a time; write YYYY.MM.DD_hh:mm:ss_TAI, and what follows / or @ as 12s, 5m, 1h, 2d or 10u",
    **dict.fromkeys(_BITS, "it is not an integer"),
}

Scalar: TypeAlias = float | str


@dataclass(frozen=True, slots=True)
class PrimeKey:
    """
    A prime key, as far as the record-set language is concerned.

    Parameters
    ----------
    name
        Its public name.
    type
        Its DRMS type (contract C.2).
    slot
        Its grid, if it is slotted.
    """

    name: str
    type: str
    slot: Slot | None = None


@dataclass(frozen=True, slots=True)
class Equals:
    """
    One value; None is the missing one.
    """

    value: Scalar | None


@dataclass(frozen=True, slots=True)
class Between:
    """
    From ``low`` to ``high``, both included; with ``skip`` only those at whole multiples of it from ``low``.
    """

    low: Scalar
    high: Scalar
    skip: float | None = None


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """
    From ``start`` to ``start + extent``, which is not included; ``skip`` as for `Between`.
    """

    start: float
    extent: float
    skip: float | None = None


@dataclass(frozen=True, slots=True)
class Extremum:
    """
    The first or last value among the records that earlier filters leave over (contract A.8).
    """

    last: bool


@dataclass(frozen=True, slots=True)
class IndexBetween:
    """
    Numbers of slots from ``low`` to ``high``, both included; None leaves an end open; ``skip`` as for `Between`.
    """

    low: int | None
    high: int | None
    skip: int | None = None


Term: TypeAlias = Equals | Between | HalfOpen | Extremum | IndexBetween


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What a prime key must be: one of the terms.
    """

    key: PrimeKey
    terms: tuple[Term, ...]


def bind(record_set: RecordSet, prime_keys: Sequence[PrimeKey]) -> tuple[Condition | RecordNumbers | SqlFilter, ...]:
    """
    Read the filters of a record set with the types of the prime keys.

    Parameters
    ----------
    record_set
        The record set.
    prime_keys
        All prime keys of its series, in order.

    Returns
    -------
    tuple
        One entry for each filter that asks for something, in the order of the text.

    Raises
    ------
    QueryError
        If a filter has no prime key to go to, or a value cannot be one of it.

    Examples
    --------
    >>> from jsoc_fido.recordset import parse
    >>> bind(parse("hmi.sharp_720s[4864/3]"), [PrimeKey("HARPNUM", "int")])[0].terms
    (HalfOpen(start=4864, extent=3, skip=None),)
    """
    result: list[Condition | RecordNumbers | SqlFilter] = []
    place = 0
    for item in record_set.filters:
        match item:
            case EmptyFilter():
                place += 1
            case KeyFilter(name=None):
                if place >= len(prime_keys):
                    raise QueryError(
                        f"More primary keys are implied than exist: {item} has none left in {record_set.series}, "
                        f"whose prime keys are {[key.name for key in prime_keys]}."
                    )
                result.append(_condition(item, prime_keys[place]))
                place += 1
            case KeyFilter():
                result.append(_named(item, record_set.series, prime_keys))
            case _:
                result.append(item)
    return tuple(result)


def _named(item: KeyFilter, series: str, prime_keys: Sequence[PrimeKey]) -> Condition:
    name = (item.name or "").lower()
    for key in prime_keys:
        if key.name.lower() == name:
            return _condition(item, key)
        if key.slot and f"{key.name}_index".lower() == name:
            return Condition(key, tuple(_index_term(term, key) for term in item.items))
    raise QueryError(
        f"{item.name!r} is not a primary index of {series}; its prime keys are {[key.name for key in prime_keys]}. "
        f"Ask for other keywords with [? {item.name} = ... ?]."
    )


def _index_term(item: Item, key: PrimeKey) -> Term:
    """
    The number of a slot is an ordinary integer.
    """
    term = _term(item, PrimeKey(f"{key.name}_index", "longlong"))
    match term:
        case Equals():
            if term.value is None:
                raise QueryError(f"{item} lies in no slot of {key.name}.")
            return IndexBetween(int(term.value), int(term.value))
        case Between():
            return IndexBetween(int(term.low), int(term.high), _whole(term.skip))
        case HalfOpen():
            return IndexBetween(int(term.start), int(term.start + term.extent) - 1, _whole(term.skip))
    return term


def _whole(skip: float | None) -> int | None:
    return None if skip is None else int(skip)


def _condition(item: KeyFilter, key: PrimeKey) -> Condition:
    return Condition(key, tuple(_term(part, key) for part in item.items))


def _term(item: Item, key: PrimeKey) -> Term:
    match item:
        case Extreme():
            return Extremum(item.last)
        case Index() | IndexRange() | IndexSpan():
            if key.slot is None and key.type not in _BITS:
                raise QueryError(f"{key.name} has no slots; ask for its values, instead of {item}.")
            if isinstance(item, Index):
                return IndexBetween(item.number, item.number)
            stop = item.stop if isinstance(item, IndexRange) else item.start + item.count - 1
            return IndexBetween(item.start, stop, item.skip)
    try:
        if key.type == "string":
            return _string(item)
        text = str(item)
        parts = structure(text) if key.type != "time" else _time_structure(text)
        if text.upper() == _MISSING:
            parts = (text,)
        if parts is None:
            raise QueryError(_WANTED.get(key.type, "it is not a number"))
        reader = _Slotted(key, key.slot) if key.slot else _Reader(key)
        return reader.term(parts)
    except QueryError as err:
        raise QueryError(f"{key.name} ({key.type}) cannot be {item}: {err}") from err


def _string(item: Item) -> Term:
    match item:
        case Value():
            missing = not item.text if item.quoted else item.text.upper() == _MISSING
            return Equals(None if missing else item.text)
        case Range(start=Value(quoted=True), end=Value(quoted=True), skip=None):
            return Between(item.start.text, item.end.text)
    text = str(item)
    if "'" in text:
        raise QueryError("strings have neither extent nor skip, and both ends of a range are quoted")
    # Without quotes a string swallows the operators (contract A.5).
    return Equals(text)


def _time_structure(text: str) -> tuple[str, ...] | None:
    """
    Like `~jsoc_fido.tokens.structure`, where a number of four digits is a year: ``2014-05`` is a month, not a range.
    """
    try:
        _, used = timetext.scan(text)
    except QueryError:
        used = 0
    if used == len(text):
        return (text,)
    if used and text[used] in "-/" and "-" in text[:used]:
        rest = structure(f"0{text[used:]}")
        return None if rest is None or len(rest) == 1 else (rest[0], text[:used], *rest[2:])
    return structure(text)


class _Reader:
    """
    Reads the values of a prime key without slots.
    """

    def __init__(self, key: PrimeKey) -> None:
        self.key = key

    def term(self, parts: tuple[str, ...]) -> Term:
        if len(parts) == 1:
            return self.equals(parts[0])
        operator, start, end, skip = parts
        step = self.skip(skip) if skip else None
        if step is not None and step <= 0:
            raise QueryError(f"the skip {skip!r} must be positive")
        if operator == "-":
            return self.between(self.value(start), self.value(end), step)
        return self.half_open(self.value(start), self.distance(end), step)

    def equals(self, text: str) -> Term:
        return Equals(None if text.upper() == _MISSING else self.value(text))

    def between(self, low: float, high: float, skip: float | None) -> Term:
        return Between(low, high, skip)

    def half_open(self, start: float, extent: float, skip: float | None) -> Term:
        return HalfOpen(start, extent, skip)

    def value(self, text: str) -> float:
        if text[0] in {"'", '"'}:
            raise QueryError(f"{text} is a string; write it without quotes")
        if self.key.type == "time":
            return timetext.parse(text)
        return _integer(text, self.key.type) if self.key.type in _BITS else _real(text)

    def skip(self, text: str) -> float:
        """
        What follows ``@``.
        """
        return self.distance(text)

    def distance(self, text: str) -> float:
        """
        What follows ``/``.
        """
        if self.key.type == "time":
            return parse_duration(text).seconds()
        return _integer(text, self.key.type) if self.key.type in _BITS else _real(text)


class _Slotted(_Reader):
    """
    Reads the values of a slotted prime key, and tells which slots they mean (contract A.12).
    """

    def __init__(self, key: PrimeKey, slot: Slot) -> None:
        super().__init__(key)
        self.slot = slot

    def equals(self, text: str) -> Term:
        if text.upper() == _MISSING:
            if self.key.type != "time":
                raise QueryError("a missing value lies in no slot")
            number = self.slot.index(timetext.MISSING)
        else:
            number = self.slot.index(self.value(text))
        return IndexBetween(number, number)

    def between(self, low: float, high: float, skip: float | None) -> Term:
        return IndexBetween(self.slot.index(low), self.slot.index(high), self._skip(skip))

    def half_open(self, start: float, extent: float, skip: float | None) -> Term:
        first = self.slot.index(start)
        return IndexBetween(first, first + self.slot.count(extent) - 1, self._skip(skip))

    def _skip(self, cadence: float | None) -> int | None:
        return None if cadence is None else self.slot.skip(cadence)

    def value(self, text: str) -> float:
        if text[-1] in _UNITS:
            # A duration counts from slot 0 (contract A.7).
            return self.slot.base + parse_duration(text).seconds(self.slot.step)
        return super().value(text)

    def skip(self, text: str) -> float:
        if self.slot.kind == "carr":
            raise QueryError("DRMS has no working skip for Carrington longitudes; ask for every slot")
        if self.key.type != "time" and text[-1] not in _UNITS:
            raise QueryError(f"DRMS does not convert the skip {text!r} to slots; count them instead, as in @2u")
        return self.distance(text)

    def distance(self, text: str) -> float:
        if self.key.type == "time" or text[-1] in _UNITS:
            return parse_duration(text).seconds(self.slot.step)
        return super().distance(text)


def _integer(text: str, kind: str) -> int:
    bits = _BITS[kind]
    digits = text.lstrip("+-")
    try:
        # Only the longest type knows the octal numbers of C (contract A.5).
        base = 16 if digits[:2].lower() == "0x" else 8 if kind == "longlong" and digits[:1] == "0" else 10
        number = int(text, base)
    except ValueError as err:
        raise QueryError(f"{text!r} is not an integer") from err
    if base == 16 and 1 << (bits - 1) <= number < 1 << bits:
        number -= 1 << bits
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise QueryError(f"{text!r} is too large for {bits} bits")
    return number


def _real(text: str) -> float:
    try:
        number = float.fromhex(text) if "0x" in text.lower() else float(text)
    except ValueError as err:
        raise QueryError(f"{text!r} is not a number") from err
    if not math.isfinite(number):
        raise QueryError(f"{text!r} is not finite")
    return number
