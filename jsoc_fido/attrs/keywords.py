"""
Tests of keywords, and what is made of them with ``&``, ``|`` and ``~``.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from sunpy.net.attr import Attr, DataAttr, SimpleAttr

from jsoc_fido import conditions
from jsoc_fido.attrs.checks import LONGEST_NAME, TypedEquality, comparable, plain, text_of
from jsoc_fido.conditions import OPERATORS, KeywordTest, shown
from jsoc_fido.exceptions import QueryError

__all__ = ["Keyword", "KeywordComparison", "KeywordCondition"]


class KeywordCondition(TypedEquality, DataAttr):
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
        self.value = comparable(f"Keyword {name}", value)
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
        super().__init__(text_of(self, value, "the name of a keyword", LONGEST_NAME))

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
        alternatives = tuple(dict.fromkeys(comparable(f"Keyword {self.value}", value) for value in values))
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
        pattern = comparable(f"Keyword {self.value}: {what}", text)
        if not isinstance(pattern, str):
            raise QueryError(f"Keyword {self.value}: {what} takes a text, not {shown(text)} ({type(text).__name__}).")
        return pattern

    def _mask(self, numbers: tuple[int, ...]) -> int:
        bits = [plain(number) for number in numbers]
        if not bits or not all(type(number) is int and 0 <= number < 64 for number in bits):
            raise QueryError(
                f"Keyword {self.value}: a bit is a number from 0 to 63, not "
                f"{', '.join(map(shown, numbers[:5])) or 'none'}."
            )
        return sum(1 << number for number in set(bits))

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
