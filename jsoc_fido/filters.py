"""
The parts of a record set, as values that write themselves as text (contract A.2).

Whatever can be made here can be written, and reading it gives the same again; all else is refused when it is made.
"""

from dataclasses import dataclass
from typing import TypeAlias

from jsoc_fido.exceptions import QueryError
from jsoc_fido.tokens import NAME, SERIES, TIMES, check_bare, check_printable, end_of_sql, is_iso, structure

__all__ = [
    "EmptyFilter",
    "Extreme",
    "Filter",
    "Index",
    "IndexItem",
    "IndexRange",
    "IndexSpan",
    "Item",
    "KeyFilter",
    "Range",
    "RecordNumbers",
    "RecordSet",
    "Span",
    "SqlFilter",
    "Value",
]

#: Room that DRMS gives a series name (one character less), all filters together, and a segment list (contract A.2).
LONGEST_SERIES, LONGEST_FILTERS, LONGEST_SEGMENTS = 64, 8192, 128

ALL_SEGMENTS = "**ALL**"

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Value:
    """
    One value, as it is written.

    Parameters
    ----------
    text
        The characters; of a quoted value those between the quotes, without escapes.
    quoted
        Whether it stands between quotes, and so is a string.

    Raises
    ------
    QueryError
        If it would not be read as one value.
    """

    text: str
    quoted: bool = False

    def __post_init__(self) -> None:
        check_printable(self.text.replace("\n", "").replace("\t", "") if self.quoted else self.text)
        if ";" in self.text:
            raise QueryError(f"{self.text!r} holds a semicolon, which JSOC refuses.")
        if self.quoted:
            return
        if self.text != self.text.strip():
            raise QueryError(f"{self.text!r} begins or ends with a blank; leave it out, or quote it if it is a string.")
        parts = structure(self.text)
        if parts is not None and (len(parts) > 1 or self.text[:1] in {"'", '"'}):
            raise QueryError(f"{self.text!r} is more than one value; quote it if it is a string.")
        if parts is None:
            check_bare(self.text)

    def __str__(self) -> str:
        if not self.quoted:
            return self.text
        return "'" + "".join(_ESCAPES.get(character, character) for character in self.text) + "'"


@dataclass(frozen=True, slots=True)
class Extreme:
    """
    The first (``^``) or last (``$``) value of a key.

    Parameters
    ----------
    last
        Whether it is the last one.
    index
        Whether it is written with ``#``, as record numbers must be.
    """

    last: bool
    index: bool = False

    def __str__(self) -> str:
        return ("#" if self.index else "") + ("$" if self.last else "^")


@dataclass(frozen=True, slots=True)
class Range:
    """
    From one value to another, both included: ``a-b``, ``a-b@skip``.

    Parameters
    ----------
    start, end
        Numbers, times, or quoted strings.
    skip
        A number or duration: only every so many.

    Raises
    ------
    QueryError
        If DRMS would not read it so.
    """

    start: Value
    end: Value
    skip: str | None = None

    def __post_init__(self) -> None:
        _check_structure(str(self), ("-", str(self.start), str(self.end), self.skip or ""), self.skip)

    def __str__(self) -> str:
        return f"{self.start}-{self.end}" + _at(self.skip)


@dataclass(frozen=True, slots=True)
class Span:
    """
    From a value on, as far as an extent says: ``a/d``, ``a/d@skip``.

    Parameters
    ----------
    start
        A number or a time.
    extent, skip
        A number or a duration.

    Raises
    ------
    QueryError
        If DRMS would not read it so.
    """

    start: Value
    extent: str
    skip: str | None = None

    def __post_init__(self) -> None:
        _check_structure(str(self), ("/", str(self.start), self.extent, self.skip or ""), self.skip)

    def __str__(self) -> str:
        return f"{self.start}/{self.extent}" + _at(self.skip)


def _at(skip: object) -> str:
    return "" if skip is None else f"@{skip}"


def _check_structure(text: str, expected: tuple[str, ...], skip: str | None) -> None:
    if structure(text) != expected or skip == "":
        raise QueryError(
            f"{text!r} cannot be read as a range: its ends must be numbers, times or quoted strings, "
            "and what follows / or @ a number or a duration such as 12s or 1d."
        )


@dataclass(frozen=True, slots=True)
class Index:
    """
    A number instead of a value: ``#5``, the number of a slot or of a record.
    """

    number: int

    def __str__(self) -> str:
        return f"#{self.number}"


@dataclass(frozen=True, slots=True)
class IndexRange:
    """
    From one number to another, both included; None leaves an end open: ``#5-#9``, ``#5-#``, ``#-#9@2``.

    Raises
    ------
    QueryError
        If the skip is not positive.
    """

    start: int | None = None
    stop: int | None = None
    skip: int | None = None

    def __post_init__(self) -> None:
        _check_skip(self.skip)

    def __str__(self) -> str:
        ends = ("" if end is None else str(end) for end in (self.start, self.stop))
        return "#" + "-#".join(ends) + _at(self.skip)


@dataclass(frozen=True, slots=True)
class IndexSpan:
    """
    So many numbers from one on: ``#5/3``.

    Raises
    ------
    QueryError
        If the count or the skip is not positive.
    """

    start: int
    count: int
    skip: int | None = None

    def __post_init__(self) -> None:
        _check_skip(self.skip)
        if self.count < 1:
            raise QueryError(f"#{self.start}/{self.count} counts nothing; the count must be 1 or more.")

    def __str__(self) -> str:
        return f"#{self.start}/{self.count}" + _at(self.skip)


def _check_skip(skip: int | None) -> None:
    if skip is not None and skip < 1:
        raise QueryError(f"@{skip} is no skip; it must be 1 or more.")


IndexItem: TypeAlias = Extreme | Index | IndexRange | IndexSpan
Item: TypeAlias = Value | Range | Span | IndexItem


@dataclass(frozen=True, slots=True)
class EmptyFilter:
    """
    ``[]``: any value of a prime key.
    """

    def __str__(self) -> str:
        return "[]"


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """
    Values that a prime key may have: ``[1,3-5]``, ``[CAMERA=2]``.

    Parameters
    ----------
    items
        The alternatives.
    name
        Name of the prime key; None for the next one in the series' order.

    Raises
    ------
    QueryError
        If DRMS would not read it so.
    """

    items: tuple[Item, ...]
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not NAME.fullmatch(self.name):
            raise QueryError(f"{self.name!r} cannot be the name of a prime key.")
        _check_items(self.items)
        if len({isinstance(item, Value | Range | Span) for item in self.items}) > 1:
            raise QueryError(f"{self} mixes values and numbers with #; write two record sets.")
        for item in self.items[:-1]:
            ends = [part.text for part in _values(item) if not part.quoted]
            if any(map(is_iso, ends)):
                raise QueryError(f"DRMS misreads {item} in a list, because of its dashes; {TIMES}.")

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        return f"[{name}{','.join(map(str, self.items))}]"


def _values(item: Item) -> tuple[Value, ...]:
    match item:
        case Value():
            return (item,)
        case Range():
            return (item.start, item.end)
        case Span():
            return (item.start,)
    return ()


def _check_items(items: tuple[Item, ...]) -> None:
    if not items:
        raise QueryError("A filter without values is an EmptyFilter, [].")
    if len(items) > 1 and any(isinstance(item, Extreme) for item in items):
        raise QueryError("^ and $ must stand alone in their filter; DRMS overlooks the other values.")


@dataclass(frozen=True, slots=True)
class RecordNumbers:
    """
    Records by their numbers: ``[:#5,#7-#9]``; also those that newer ones have replaced.

    Raises
    ------
    QueryError
        If an item is not a number with ``#``.
    """

    items: tuple[IndexItem, ...]

    def __post_init__(self) -> None:
        _check_items(self.items)
        if any(isinstance(item, Extreme) and not item.index for item in self.items):
            raise QueryError("In a list of record numbers the first and last one are written #^ and #$.")

    def __str__(self) -> str:
        return f"[:{','.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class SqlFilter:
    """
    A condition on keywords: ``[? QUALITY>=0 ?]``.

    Parameters
    ----------
    text
        The condition, in SQL.
    all_versions
        Whether replaced records are returned too: ``[! QUALITY>=0 !]``.

    Raises
    ------
    QueryError
        If it would end before its end, or JSOC refuses it.
    """

    text: str
    all_versions: bool = False

    def __post_init__(self) -> None:
        check_printable(self.text)
        if not self.text or self.text != self.text.strip():
            raise QueryError(f"A condition must be neither empty nor begin or end with a blank, as {self.text!r} does.")
        if ";" in self.text:
            raise QueryError(f"The condition {self.text!r} holds a semicolon, which JSOC refuses.")
        if end_of_sql(f"{self} ", 2, self._mark) != len(str(self)) - 2:
            raise QueryError(f"The condition {self.text!r} would end at its first '{self._mark}]'.")

    @property
    def _mark(self) -> str:
        return "!" if self.all_versions else "?"

    def __str__(self) -> str:
        return f"[{self._mark} {self.text} {self._mark}]"


Filter: TypeAlias = EmptyFilter | KeyFilter | RecordNumbers | SqlFilter


@dataclass(frozen=True, slots=True)
class RecordSet:
    """
    Records of one series; ``str`` gives the text.

    Parameters
    ----------
    series
        Name of the series.
    filters
        Conditions, all of which must hold; those without a name go to the prime keys in order.
    segments
        Names of the segments wanted; none means all.

    Raises
    ------
    QueryError
        If it breaks the grammar, or is longer than DRMS takes.

    Examples
    --------
    >>> str(RecordSet("hmi.m_45s", (KeyFilter((Span(Value("2020.01.01_TAI"), "1d"),)),), ("magnetogram",)))
    'hmi.m_45s[2020.01.01_TAI/1d]{magnetogram}'
    """

    series: str
    filters: tuple[Filter, ...] = ()
    segments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not SERIES.fullmatch(self.series) or len(self.series) >= LONGEST_SERIES:
            raise QueryError(
                f"{self.series!r} cannot be the name of a series; one looks like hmi.m_45s and has less than "
                f"{LONGEST_SERIES} characters."
            )
        for name in self.segments:
            if not NAME.fullmatch(name) and name != ALL_SEGMENTS:
                raise QueryError(f"{name!r} cannot be the name of a segment.")
        if sum(isinstance(item, RecordNumbers) for item in self.filters) > 1:
            raise QueryError("Only one list of record numbers, [:#...], is allowed; join them: [:#1,#2].")
        if (length := sum(len(str(item)) for item in self.filters)) > LONGEST_FILTERS:
            raise QueryError(
                f"The filters have {length} characters; DRMS takes {LONGEST_FILTERS}. Ask in several parts."
            )
        if (length := len(",".join(self.segments))) + 2 > LONGEST_SEGMENTS:
            raise QueryError(f"The segment list has {length} characters; DRMS takes {LONGEST_SEGMENTS - 2}.")

    def __str__(self) -> str:
        segments = f"{{{','.join(self.segments)}}}" if self.segments else ""
        return self.series + "".join(map(str, self.filters)) + segments
