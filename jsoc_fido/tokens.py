"""
The words of the record-set language: where a value, an item, a condition ends (contract A.2, A.5, A.6).

What DRMS would silently take for something else is refused here.
"""

import re

from jsoc_fido import timetext
from jsoc_fido.exceptions import QueryError

__all__ = ["NAME", "QUOTED", "SERIES", "TIMES", "check_bare", "check_printable", "end_of_sql", "is_iso", "structure"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SERIES = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")

QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_NUMBER = r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_NUMBER_OR_DURATION = re.compile(rf"{_NUMBER}[smhdu]?")
# An item must not begin with #, ^ or $, which mean something, nor with : ? !, which would make another filter of it.
_BARE = re.compile(r"[A-Za-z0-9_.+\-/@*%&()<>|~][A-Za-z0-9_.+\-/@*%&()<>|~:?!]*")
# A whole date, which for a moment looks like a number or a range of numbers; or a part of one with its zone.
_DATE = re.compile(
    r"[+-]?\d{1,5}(?:\.(?:\d{1,2}|[A-Za-z]+)\.\d|(?P<iso>-(?:\d{1,2}|[A-Za-z]{3,})-\d))|\d{8}[T_]|(?i:M?JD_)"
)
_LOOKS_LIKE_TIME = re.compile(r"\d{4}([./-])\d{1,2}\1\d{1,2}|\d{4}(?:[.-]\d{1,3})?_|(?i:M?JD_)")
_SEPARATORS = frozenset("-/@,]")

#: What to do instead, for messages.
TIMES = "write times as YYYY.MM.DD_hh:mm:ss_TAI (or another zone), durations with s, m, h, d or u (slots)"


def structure(text: str) -> tuple[str, ...] | None:
    """
    Split an item at the operators it has where its values are numbers, times, durations or quoted.

    Parameters
    ----------
    text
        One item of a list.

    Returns
    -------
    tuple
        ``(value,)``, ``("-", first, last, skip)`` or ``("/", start, extent, skip)``; without a skip that is empty.
        None for a bare string, which swallows the operators (contract A.5).

    Raises
    ------
    QueryError
        If DRMS would take a time for another one (contract A.6).
    """
    end = _value_end(text, 0)
    if end is None:
        return None
    if end == len(text):
        return (text,)
    operator = text[end]
    if operator == "-":
        stop = _value_end(text, end + 1)
        if stop is None:
            return None
        _refuse_swallowed_year(text[:end], text[end + 1 : stop])
    elif operator == "/":
        match = _NUMBER_OR_DURATION.match(text, end + 1)
        if match is None:
            return None
        stop = match.end()
    else:
        return None
    skip = text[stop:]
    if skip and not (skip[0] == "@" and _NUMBER_OR_DURATION.fullmatch(skip, 1)):
        return None
    return (operator, text[:end], text[end + 1 : stop], skip[1:])


def _value_end(text: str, start: int) -> int | None:
    """
    Where the number, duration, time or quoted string that begins at ``start`` ends; None if there is none.
    """
    if match := QUOTED.match(text, start):
        end = match.end()
        return end if _ends(text, end) else None
    if not _DATE.match(text, start):
        match = _NUMBER_OR_DURATION.match(text, start)
        if match and _ends(text, match.end()):
            return match.end()
    return _time_end(text, start)


def is_iso(text: str) -> bool:
    """
    Whether a text begins with a whole date with dashes.
    """
    match = _DATE.match(text)
    return match is not None and match["iso"] is not None


def _ends(text: str, position: int) -> bool:
    return position == len(text) or text[position] in _SEPARATORS


def _time_end(text: str, start: int) -> int | None:
    try:
        _, used = timetext.scan(text[start:])
    except QueryError:
        used = -1
    if used > 0 and _ends(text, start + used):
        return start + used
    # What follows a clock without a zone is first taken for one; DRMS then tries again up to the first dash.
    cut = text.find("-", start + 1)
    if cut < 0:
        return None
    if is_iso(text[start:]):
        raise QueryError(f"DRMS misreads {text!r}: it takes what follows a dash for a time zone; {TIMES}.")
    try:
        _, used = timetext.scan(text[start:cut])
    except QueryError:
        return None
    return cut if start + used == cut else None


def _refuse_swallowed_year(first: str, last: str) -> None:
    if not is_iso(last):
        return
    # "2014.01.01_12:00-2014-01-02": the scanner takes -2014 for the zone, and is content with the dash behind it.
    try:
        _, used = timetext.scan(f"{first}_UTC")
    except QueryError:
        return
    # There is a clock, and no zone yet.
    if used == len(first) + 4 and "_" in first and first[0].isdecimal():
        raise QueryError(f"DRMS misreads '{first}-{last}': it takes '-{last[:4]}' for a time zone; {TIMES}.")


def check_printable(text: str) -> None:
    """
    Refuse what DRMS takes for the end of the text.

    Raises
    ------
    QueryError
        If a character is not printable ASCII.
    """
    for character in text:
        if not " " <= character <= "~":
            raise QueryError(f"{text!r} holds {character!r}; a record set is printable ASCII.")


def check_bare(text: str) -> None:
    """
    Refuse what cannot stand in a filter without quotes.

    Raises
    ------
    QueryError
        If it looks like a time that DRMS does not read, or holds a character that means something.
    """
    if _LOOKS_LIKE_TIME.match(text):
        raise QueryError(f"{text!r} is neither a time that DRMS reads nor a range of times; {TIMES}.")
    if not _BARE.fullmatch(text):
        raise QueryError(f"{text!r} cannot stand in a filter as it is; put it between quotes.")


def end_of_sql(text: str, start: int, mark: str) -> int:
    """
    Position of the mark, outside quotes, that ends a condition.

    Parameters
    ----------
    text, start
        A text, and where in it the condition begins.
    mark
        ``?`` or ``!``.

    Raises
    ------
    QueryError
        If it does not end, quotes do not balance, or the mark stands where DRMS does not expect it (contract A.10).
    """
    quote = ""
    for position in range(start, len(text)):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in {"'", '"'}:
            quote = character
        elif character == mark:
            if text.startswith("]", position + 1):
                return position
            hint = "; write <> instead of !=" if mark == "!" else ""
            raise QueryError(f"'{mark}' cannot stand in {text[start:].strip()!r} outside quotes{hint}.")
    what = f"the quote {quote} is not closed" if quote else f"it needs '{mark}]' at its end"
    raise QueryError(f"The condition {text[start:].strip()!r} does not end: {what}.")
