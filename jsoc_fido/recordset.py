"""
The DRMS record-set language (contract, part A): text to values, values to text, and what a text means for a series.

The values themselves are in `jsoc_fido.filters`, the meaning in `jsoc_fido.binding`; this is the door to both.
"""

import math
import re
from typing import SupportsFloat, SupportsIndex

from jsoc_fido import timetext
from jsoc_fido.binding import (
    Between,
    Condition,
    Equals,
    Extremum,
    HalfOpen,
    IndexBetween,
    PrimeKey,
    Term,
    bind,
)
from jsoc_fido.exceptions import QueryError
from jsoc_fido.filters import (
    ALL_SEGMENTS,
    EmptyFilter,
    Extreme,
    Filter,
    Index,
    IndexItem,
    IndexRange,
    IndexSpan,
    Item,
    KeyFilter,
    Range,
    RecordNumbers,
    RecordSet,
    Span,
    SqlFilter,
    Value,
)
from jsoc_fido.tokens import NAME, QUOTED, SERIES, check_printable, end_of_sql, structure

__all__ = [
    "Between",
    "Condition",
    "EmptyFilter",
    "Equals",
    "Extreme",
    "Extremum",
    "Filter",
    "HalfOpen",
    "Index",
    "IndexBetween",
    "IndexItem",
    "IndexRange",
    "IndexSpan",
    "Item",
    "KeyFilter",
    "PrimeKey",
    "Range",
    "RecordNumbers",
    "RecordSet",
    "Span",
    "SqlFilter",
    "Term",
    "Value",
    "bind",
    "parse",
    "parse_list",
    "quote_sql",
    "time_value",
    "value_of",
]

_KEY_NAME = re.compile(rf" *({NAME.pattern}) *= *")
_INDEX = re.compile(r"#(?P<number>[+-]?\d{1,19})")
_INDEX_RANGE = re.compile(r"#(?P<start>[+-]?\d{1,19})?-#(?P<stop>[+-]?\d{1,19})?(?:@(?P<skip>\d{1,19}))?")
_INDEX_SPAN = re.compile(r"#(?P<start>[+-]?\d{1,19})/(?P<count>\d{1,19})(?:@(?P<skip>\d{1,19}))?")
_EXTREME = re.compile(r"(?P<index>#?)(?P<mark>[\^$])")
_SEGMENTS = re.compile(r"\{([^{}]*)\}")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}

#: What may begin a set besides a series, and why it is refused (contract A.2).
_NOT_SERIES = {
    "@": "@ names a file on the server; write the record sets themselves",
    "/": "a path names files on the server; write a series",
    ".": "a path names files on the server; write a series",
    "*": "an uploaded file cannot be used; write the record sets themselves",
    "{": "it begins with braces; write a series first",
    "[": "it begins with a filter; write the series first",
}


def parse(text: str) -> RecordSet:
    """
    Read a text that is one record set.

    Parameters
    ----------
    text
        The record set.

    Raises
    ------
    QueryError
        If it is none, or more than one, or DRMS would misread it silently (contract A.6).

    Examples
    --------
    >>> parse("hmi.sharp_720s [4864] [] {continuum, magnetogram}").segments
    ('continuum', 'magnetogram')
    """
    found = parse_list(text)
    if len(found) > 1:
        raise QueryError(f"{text!r} holds {len(found)} record sets; one is wanted here.")
    return found[0]


def parse_list(text: str) -> tuple[RecordSet, ...]:
    """
    Read one or several record sets, separated by commas or semicolons.

    Parameters
    ----------
    text
        The record sets.

    Raises
    ------
    QueryError
        If it is none, or DRMS would misread it silently (contract A.6).
    """
    stripped = text.strip()
    if not stripped:
        raise QueryError("The record set is empty; write a series and its filters: hmi.m_45s[2020.01.01_TAI/1d].")
    check_printable(stripped)
    found = []
    position = -1
    while position < len(stripped):
        record_set, position = _read_set(stripped, _skip_blanks(stripped, position + 1))
        found.append(record_set)
        if position < len(stripped) and stripped[position] not in ",;":
            raise QueryError(
                f"{stripped[position:]!r} is not expected after {stripped[:position]!r}: "
                "a record set is series[filter][filter]{segments}."
            )
    return tuple(found)


def _skip_blanks(text: str, position: int) -> int:
    while text.startswith(" ", position):
        position += 1
    return position


def _read_set(text: str, position: int) -> tuple[RecordSet, int]:
    match = SERIES.match(text, position)
    if match is None:
        first = text[position : position + 1]
        reason = _NOT_SERIES.get(first, "a series is missing" if not first else f"{first!r} cannot begin a series")
        raise QueryError(f"{text[position:] or text!r} is not a record set: {reason}.")
    position = match.end()
    if text.startswith("::", position):
        raise QueryError(f"{text!r} asks for a manifest, which is not supported; write a series.")
    filters = []
    position = _skip_blanks(text, position)
    while text.startswith("[", position):
        item, position = _read_filter(text, position)
        filters.append(item)
        position = _skip_blanks(text, position)
    segments: tuple[str, ...] = ()
    if text.startswith("{", position):
        segments, position = _read_segments(text, position)
        position = _skip_blanks(text, position)
        if text.startswith("[", position):
            raise QueryError(f"The filter {text[position:]!r} stands after the segment list; put it before.")
    if text.startswith("#", position):
        # A comment ends at the next # or with the text.
        end = text.find("#", position + 1)
        position = len(text) if end < 0 else _skip_blanks(text, end + 1)
    return RecordSet(match[0], tuple(filters), segments), position


def _read_segments(text: str, position: int) -> tuple[tuple[str, ...], int]:
    match = _SEGMENTS.match(text, position)
    if match is None:
        raise QueryError(f"The segment list {text[position:]!r} is not closed; it needs a '}}'.")
    body = match[1].strip()
    if body and body[-1] in ",:;":
        raise QueryError(f"The segment list {match[0]!r} ends with a separator; leave it out.")
    names = tuple(name for name in re.split(r"[,:; ]+", body) if name)
    return (() if names == (ALL_SEGMENTS,) else names), match.end()


def _read_filter(text: str, position: int) -> tuple[Filter, int]:
    mark = text[position + 1 : position + 2]
    if mark in {"?", "!"}:
        end = end_of_sql(text, position + 2, mark)
        return SqlFilter(text[position + 2 : end].strip(), all_versions=mark == "!"), end + 2
    parts, end = _split_list(text, position + 1)
    if mark == ":":
        numbers = tuple(_read_index(part) for part in [parts[0].lstrip().removeprefix(":"), *parts[1:]])
        return RecordNumbers(numbers), end
    if len(parts) == 1 and not parts[0].strip():
        return EmptyFilter(), end
    name = _KEY_NAME.match(parts[0])
    if name:
        parts[0] = parts[0][name.end() :]
    return KeyFilter(tuple(_read_item(part) for part in parts), name[1] if name else None), end


def _split_list(text: str, start: int) -> tuple[list[str], int]:
    """
    The parts of a list, up to the bracket that closes it, and where the text goes on.
    """
    parts, begin, quote, position = [], start, "", start
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in {"'", '"'}:
            quote = character
        elif character in {",", "]"}:
            parts.append(text[begin:position])
            begin = position + 1
            if character == "]":
                return parts, begin
        position += 1
    what = f"the quote {quote} is not closed" if quote else "it needs a ']'"
    raise QueryError(f"The filter {text[start - 1 :]!r} is not closed: {what}.")


def _read_index(part: str) -> IndexItem:
    text = part.strip()
    if match := _INDEX.fullmatch(text):
        return Index(int(match["number"]))
    if match := _EXTREME.fullmatch(text):
        return Extreme(match["mark"] == "$", bool(match["index"]))
    if match := _INDEX_RANGE.fullmatch(text):
        return IndexRange(
            **{name: None if number is None else int(number) for name, number in match.groupdict().items()}
        )
    if match := _INDEX_SPAN.fullmatch(text):
        return IndexSpan(**{name: int(number) for name, number in match.groupdict().items() if number is not None})
    raise QueryError(f"{text!r} is not a number of records or slots; each must begin with #: #5, #5-#9, #5/3, #^, #$.")


def _read_item(part: str) -> Item:
    text = part.strip()
    if text.startswith("#") or text in {"^", "$"}:
        return _read_index(text)
    if not text:
        raise QueryError("A value is missing in a list; remove the comma.")
    parts = structure(text)
    if parts is None or len(parts) == 1:
        return _read_value(text)
    operator, start, end, skip = parts
    if operator == "-":
        return Range(_read_value(start), _read_value(end), skip or None)
    return Span(_read_value(start), end, skip or None)


def _read_value(text: str) -> Value:
    if text[0] not in {"'", '"'}:
        return Value(text)
    if not QUOTED.fullmatch(text):
        raise QueryError(f"{text!r} goes on after its quotes; write only what is between them.")
    return Value(_ESCAPE.sub(_unescape, text[1:-1]), quoted=True)


def _unescape(match: re.Match[str]) -> str:
    if match[1] not in _ESCAPED:
        raise QueryError(rf"{match[0]!r} is not an escape that DRMS knows; it has \t \n \\ \" \'.")
    return _ESCAPED[match[1]]


def value_of(value: str | SupportsIndex | SupportsFloat) -> Value:
    """
    Write a value, with quotes where it needs them.

    Parameters
    ----------
    value
        A string or a number.

    Raises
    ------
    QueryError
        If DRMS has no way to write it.

    Examples
    --------
    >>> [str(value_of(value)) for value in (171, 0.5, "north", "north pole")]
    ['171', '0.5', 'north', "'north pole'"]
    """
    if isinstance(value, str):
        try:
            return Value(value)
        except QueryError:
            return Value(value, quoted=True)
    if isinstance(value, bool):
        raise QueryError(f"{value!r} is neither a string nor a number; DRMS has no truth values. Write 0 or 1.")
    if isinstance(value, SupportsIndex):
        return Value(str(value.__index__()))
    number = float(value)
    if not math.isfinite(number):
        raise QueryError(f"{number!r} cannot be asked for; a missing value is written DRMS_MISSING_VALUE.")
    return Value(repr(number))


def time_value(seconds: float, zone: str = "TAI", precision: int | None = None) -> Value:
    """
    Write a time in the form that DRMS never misreads: dotted, and with its zone.

    Parameters
    ----------
    seconds
        DRMS seconds.
    zone
        Time zone; ``ISO`` means UTC here.
    precision
        Number of decimals of the seconds; by default as many as it takes to get within a microsecond.

    Raises
    ------
    QueryError
        If the time is missing, or DRMS knows no such zone.

    Examples
    --------
    >>> str(time_value(1167609645.0)), str(time_value(1167609645.5, "UTC"))
    ('2014.01.01_00:00:45_TAI', '2014.01.01_00:00:10.5_UTC')
    """
    if timetext.is_missing(seconds):
        raise QueryError(f"{seconds!r} is no time that can be asked for; a missing one is written DRMS_MISSING_VALUE.")
    name = "UTC" if zone.upper() in {"ISO", "Z", ""} else zone
    if precision is not None:
        return Value(timetext.format(seconds, name, precision))
    texts = (timetext.format(seconds, name, decimals) for decimals in range(7))
    exact = (text for text in texts if abs(timetext.parse(text) - seconds) < 5e-7)
    return Value(next(exact, timetext.format(seconds, name, 6)))


def quote_sql(value: str | float) -> str:
    """
    Write a value as ``[? ?]`` expects it.

    Parameters
    ----------
    value
        A number, which is written bare, or a string, which is written between single quotes.

    Raises
    ------
    QueryError
        If a string holds what DRMS would not leave alone (contract A.10).

    Examples
    --------
    >>> quote_sql(0), quote_sql("it's")
    ('0', "'it''s'")
    """
    if not isinstance(value, str):
        return value_of(value).text
    check_printable(value)
    for part in (";", "?]", "!]", '"', "%"):
        if part in value:
            raise QueryError(f"{value!r} cannot stand in a condition: JSOC refuses or changes {part!r}, even quoted.")
    return "'" + value.replace("'", "''") + "'"
