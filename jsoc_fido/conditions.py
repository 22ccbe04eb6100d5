"""
Conditions on keywords: comparisons, sets, texts, bits, and what ``&``, ``|`` and ``~`` make of them.

They are plain values. ``jsoc_fido.compose`` writes them into a record set, `jsoc_fido.matching` applies them to a
table; both read the values that a person gave with `plain_value`, so that they mean the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import astropy.units as u

from jsoc_fido import timetext
from jsoc_fido.exceptions import QueryError

__all__ = [
    "OPERATORS",
    "AllOf",
    "AnyOf",
    "Bits",
    "Condition",
    "Contains",
    "KeywordTest",
    "Kind",
    "Like",
    "Measure",
    "Missing",
    "Not",
    "OneOf",
    "Value",
    "all_of",
    "any_of",
    "keywords",
    "plain_value",
    "reason",
    "shown",
]

#: Characters of a value, and of another error, that a message has room for.
LONGEST_SHOWN, LONGEST_REASON = 80, 300


def shown(value: object) -> str:
    """
    A value for a message; a long one is cut short.

    Examples
    --------
    >>> print(shown("it's"))
    "it's"
    >>> len(shown("1" * 10_000))
    80
    """
    return _cut(repr(value), LONGEST_SHOWN)


def reason(err: Exception) -> str:
    """
    What an error says, for the message of another one; a long one is cut short.
    """
    return _cut(str(err), LONGEST_REASON)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


#: Comparisons of a keyword with a value (contract A.10).
OPERATORS = ("<", "<=", ">", ">=", "=", "!=")


@dataclass(frozen=True, slots=True)
class Measure:
    """
    A number with a unit.
    """

    value: float
    unit: u.UnitBase

    def __repr__(self) -> str:
        return f"{self.value:.12g} {self.unit}".strip()


#: What a keyword can be compared with; times are texts.
Value: TypeAlias = str | int | float | Measure


@dataclass(frozen=True, slots=True)
class KeywordTest:
    """
    A keyword, one of `OPERATORS`, and what it is compared with.
    """

    name: str
    operator: str
    value: Value

    def __str__(self) -> str:
        operator = "==" if self.operator == "=" else self.operator
        return f"Keyword({self.name!r}) {operator} {self.value!r}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """
    A keyword and the values that it may have.
    """

    name: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"Keyword({self.name!r}).isin({list(self.values)!r})"


@dataclass(frozen=True, slots=True)
class Contains:
    """
    A keyword whose text holds another text.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"Keyword({self.name!r}).contains({self.text!r})"


@dataclass(frozen=True, slots=True)
class Like:
    """
    A keyword whose text looks like a pattern: ``%`` is any text, ``_`` any character.
    """

    name: str
    pattern: str

    def __str__(self) -> str:
        return f"Keyword({self.name!r}).like({self.pattern!r})"


@dataclass(frozen=True, slots=True)
class Missing:
    """
    A keyword that has no value.
    """

    name: str

    def __str__(self) -> str:
        return f"Keyword({self.name!r}).is_missing()"


@dataclass(frozen=True, slots=True)
class Bits:
    """
    A status word of which all bits of a mask are set, or none.
    """

    name: str
    mask: int
    are_set: bool

    def __str__(self) -> str:
        numbers = ", ".join(str(bit) for bit in range(self.mask.bit_length()) if self.mask >> bit & 1)
        return f"Keyword({self.name!r}).{'bits_set' if self.are_set else 'bits_clear'}({numbers})"


@dataclass(frozen=True, slots=True)
class Not:
    """
    What does not hold.
    """

    condition: "Condition"

    def __str__(self) -> str:
        return f"~({self.condition})"


@dataclass(frozen=True, slots=True)
class AllOf:
    """
    Conditions that all hold.
    """

    conditions: tuple["Condition", ...]

    def __str__(self) -> str:
        return " & ".join(f"({condition})" for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """
    Conditions of which at least one holds.
    """

    conditions: tuple["Condition", ...]

    def __str__(self) -> str:
        return " | ".join(f"({condition})" for condition in self.conditions)


Condition: TypeAlias = KeywordTest | OneOf | Contains | Like | Missing | Bits | Not | AllOf | AnyOf


def all_of(*conditions: Condition) -> Condition:
    """
    Join conditions that must all hold; those that are joined so already are not nested.
    """
    parts = [part for item in conditions for part in (item.conditions if isinstance(item, AllOf) else (item,))]
    return parts[0] if len(parts) == 1 else AllOf(tuple(dict.fromkeys(parts)))


def any_of(*conditions: Condition) -> Condition:
    """
    Join conditions of which one must hold; those that are joined so already are not nested.
    """
    parts = [part for item in conditions for part in (item.conditions if isinstance(item, AnyOf) else (item,))]
    distinct = tuple(dict.fromkeys(parts))
    return distinct[0] if len(distinct) == 1 else AnyOf(distinct)


def keywords(condition: Condition) -> Iterator[str]:
    """
    Names of the keywords that a condition speaks of, as they were written.
    """
    match condition:
        case Not():
            yield from keywords(condition.condition)
        case AllOf() | AnyOf():
            for part in condition.conditions:
                yield from keywords(part)
        case _:
            yield condition.name


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What the values of a keyword are.

    Parameters
    ----------
    sort
        ``"time"``, ``"number"`` or ``"text"``.
    unit
        Unit of the numbers.
    bits
        How many bits an integer has; 0 for other numbers.
    """

    sort: str
    unit: u.UnitBase | None = None
    bits: int = 0


def plain_value(name: str, value: Value, kind: Kind, operator: str = "=") -> str | int | float:
    """
    A value as the keyword has it: DRMS seconds for times, numbers in the keyword's unit, texts.

    Parameters
    ----------
    name
        Name of the keyword, for messages.
    value
        What the keyword is compared with.
    kind
        What its values are.
    operator
        One of `OPERATORS`.

    Raises
    ------
    QueryError
        If the value cannot be one of the keyword.

    Examples
    --------
    >>> import astropy.units as u
    >>> plain_value("EXPTIME", Measure(2000, u.ms), Kind("number", u.s))
    2.0
    >>> plain_value("QUALITY", "0x80000000", Kind("number", bits=32))
    -2147483648
    """
    if kind.sort == "time":
        return _time(name, value)
    if kind.sort == "text":
        if isinstance(value, Measure):
            raise QueryError(f"Keyword {name} is a text; it cannot be compared with {shown(value)}.")
        return str(value)
    if isinstance(value, Measure):
        return _converted(name, value, kind.unit)
    number = _number(name, value) if isinstance(value, str) else value
    if isinstance(number, float) and not math.isfinite(number):
        raise QueryError(f"Keyword {name} cannot be compared with {shown(value)}; DRMS asks for finite numbers.")
    if kind.bits and 1 << (kind.bits - 1) <= number < 1 << kind.bits:
        return _signed(name, number, kind.bits, operator)
    return number


def _time(name: str, value: Value) -> float:
    if not isinstance(value, str):
        what = "number" if isinstance(value, int | float) else "quantity"
        raise QueryError(f"Keyword {name} is a time; it cannot be compared with the {what} {shown(value)}.")
    try:
        return timetext.parse(value)
    except QueryError as err:
        raise QueryError(f"Keyword {name} is a time: {reason(err)}") from err


def _converted(name: str, value: Measure, unit: u.UnitBase | None) -> float:
    try:
        number = float(u.Quantity(value.value, value.unit).to_value(unit or u.one))
    except u.UnitsError as err:
        has = f"is in {unit}" if unit else "has no unit"
        raise QueryError(f"Keyword {name} {has}; it cannot be compared with {value!r}.") from err
    # Conversions leave crumbs: 17.1 nm is 171.00000000000003 angstrom.
    return float(f"{number:.14g}")


def _signed(name: str, number: float, bits: int, operator: str) -> int | float:
    """
    A word with its highest bit set, which the database keeps as a negative number.
    """
    if operator not in {"=", "!="} or number != int(number):
        raise QueryError(
            f"Keyword {name} is a signed number of {bits} bits, so {operator} {number!r} would not do what it seems "
            f"to; test its bits, such as Keyword({name!r}).bits_clear({bits - 1})."
        )
    return int(number) - (1 << bits)


def _number(name: str, text: str) -> int | float:
    for read in (lambda number: int(number, 0), float):
        try:
            return read(text)
        except ValueError:
            continue
    raise QueryError(f"Keyword {name} is a number; it cannot be compared with {shown(text)}.")
