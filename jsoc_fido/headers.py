"""
DRMS keywords as FITS cards, and back (contract E).

The exporter of the local site and the quick way to a file write headers with it, ingesting reads them.
"""

import hashlib
import logging
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from astropy.io import fits

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.fitsfiles import GENERATED, TEXT, image_hdu, rewrite, write_fits
from jsoc_fido.series import Keyword, Series

__all__ = ["card_name", "header", "image_hdu", "read_keywords", "rewrite", "write_fits"]

log = logging.getLogger(__name__)

#: Names DRMS keeps for itself, alone and with a number behind (contract E.3).
RESERVED = re.compile(r"(SIMPLE|EXTEND|BZERO|BSCALE|BLANK|BITPIX|NAXIS|END|PRIMEKEYSTRING)\d*", re.IGNORECASE)
#: Missing values of these are written as a number, so that no reader stumbles over a coordinate system (contract E.3).
COORDINATE = re.compile(r"(CRPIX|CRVAL|CDELT|CROTA|CRDER|CSYER)\d*")

_VALID = re.compile(r"[A-Z0-9_-]{1,8}")
_CAST = re.compile(r"^\[(?P<name>[^\]:\s]+)(?::(?P<type>[A-Za-z]+))?\]\s*")
_ORIGINAL = re.compile(r"\{(?P<name>\w+)\}\s*$")
_SINGLE_DASH = re.compile(r"(?<!-)-(?!-)")
_LONGSTRN_COMMENTS = (
    "  This FITS file may contain long string keyword values that are",
    "  continued over multiple keywords.  The HEASARC convention uses the &",
    "  character at the end of each substring which is then continued",
    "  on the next keyword which has the name CONTINUE.",
)
#: Units of time keywords that count something instead of naming a zone (contract A.6).
_INTERVALS = {"s": 1, "secs": 1, "seconds": 1, "mins": 60, "minutes": 60, "hours": 3600, "days": 86400, "wk": 604800}


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    One keyword of one segment: where its value is kept and which card it is.
    """

    keyword: Keyword
    key: str
    card: str


def card_name(keyword: Keyword) -> str | None:
    """
    Name of the FITS card of a keyword (contract E.2, E.3).

    Parameters
    ----------
    keyword
        The keyword. Of one that each segment has for itself, the name without the segment's number.

    Returns
    -------
    str or None
        The name, or None for a keyword that is never exported.

    Examples
    --------
    >>> card_name(Keyword("DATE__OBS", "time", note="[DATE-OBS] start of the observation"))
    'DATE-OBS'
    >>> card_name(Keyword("T_REC_epoch", "time"))
    'TRECEPOC'
    >>> card_name(Keyword("NAXIS1", "int")) is None
    True
    """
    if RESERVED.fullmatch(keyword.name):
        return None
    cast = _CAST.match(keyword.note)
    if (
        cast
        and cast["type"] in {None, "INTEGER", "FLOAT", "STRING", "LOGICAL"}
        and _VALID.fullmatch(cast["name"].upper())
    ):
        return cast["name"].upper()
    upper = keyword.name.upper()
    if _VALID.fullmatch(upper):
        return upper
    short = re.sub("[^A-Z0-9]", "", upper)[:8]
    return f"_{short}"[:8] if RESERVED.fullmatch(short) else short


def _entries(series: Series, segment: str | None) -> Iterator[_Entry]:
    """
    The keywords that an export of a segment writes, in the series' order (contract E.4).
    """
    number = (
        None
        if segment is None
        else next((i for i, name in enumerate(series.segments) if name.lower() == segment.lower()), None)
    )
    for keyword in series.keywords.values():
        if series.is_implicit(keyword.name) or series.is_alias(keyword.name):
            continue
        card = card_name(keyword)
        if card is None:
            log.debug("keyword %s is not exported: its name belongs to FITS", keyword.name)
        elif not keyword.is_per_segment:
            yield _Entry(keyword, keyword.name, card)
        elif number is not None:
            yield _Entry(keyword, f"{keyword.name}_{number:03d}", card)


def header(series: Series, values: Mapping[str, object], *, segment: str | None, recnum: int) -> fits.Header:
    """
    The cards that an export adds to the file of a segment.

    Parameters
    ----------
    series
        Definition of the series.
    values
        Values by keyword: numbers, strings, and for times seconds (`jsoc_fido.times`); absent, None or NaN where
        missing. A keyword that each segment has for itself is ``NAME_000``, ``NAME_001``, ... Constants may be left
        out.
    segment
        Name of the segment, None for a record without.
    recnum
        Number of the record.

    Returns
    -------
    astropy.io.fits.Header
        Keywords in the series' order, then ``RECNUM``, ``DRMS_ID``, ``PRIMARYK``, ``LICENSE``, ``HEADSUM`` and
        ``LONGSTRN``.

    Raises
    ------
    DataError
        If a value is of another type than its keyword.
    """
    cards = fits.Header()
    for entry in _entries(series, segment):
        value = values.get(entry.key)
        if value is None and entry.keyword.is_constant:
            value = _from_text(entry.keyword, entry.keyword.default)
        if entry.card in TEXT:
            for line in _lines(value):
                cards.add_history(line) if entry.card == "HISTORY" else cards.add_comment(line)
            continue
        card = _card(entry, value)
        if card is not None:
            if card.keyword in cards:
                del cards[card.keyword]
            cards.append(card, end=True)
    drms_id = f"{series.name}:{recnum}:{segment or 'no_segment'}"
    for name, content, comment in (
        ("RECNUM", recnum, "Recnum"),
        ("DRMS_ID", drms_id, "DRMS ID"),
        ("PRIMARYK", ", ".join(series.prime_keys), "DRMS primary key"),
        # The value is the name of the card, in JSOC's own files too (contract E.4).
        ("LICENSE", "LICENSE", "CC0 1.0"),
    ):
        cards.append((name, content, comment), end=True)
    digest = hashlib.md5(cards.tostring().encode("ascii"), usedforsecurity=False).hexdigest()
    cards.append(("HEADSUM", digest[:16], "Keyword checksum"), end=True)
    cards.append(("LONGSTRN", "OGIP 1.0", "The HEASARC Long String Convention may be used."), end=True)
    return cards


def _card(entry: _Entry, value: Any) -> fits.Card | None:
    """
    The card of one value (contract E.5), None where there must be none.
    """
    try:
        content = _content(entry.keyword, value)
    except (TypeError, ValueError, OverflowError) as err:
        kind = entry.keyword.type
        raise DataError(f"{value!r} is no value for {entry.key}, which is of type {kind}.") from err
    missing = content is None
    if missing and entry.card == "DATE":
        return None
    if missing and (stem := COORDINATE.fullmatch(entry.card)):
        content, missing = (1.0 if stem[1] == "CDELT" else 0.0), False
    comment = _comment(entry.keyword, missing=missing)
    original = f"{' ' if comment else ''}{{{entry.key}}}" if entry.card != entry.key.upper() else ""
    return _fitted(entry.card, content, comment, original)


def _content(keyword: Keyword, value: Any) -> int | float | str | None:
    """
    A value as a card holds it, None if it is missing.
    """
    if value is None:
        return None
    if keyword.type == "string":
        return _ascii(str(value).replace("\n", "")) or None
    if keyword.is_integer:
        return int(value)
    number = float(value)
    if not math.isfinite(number) or (keyword.is_time and number == times.MISSING):
        return None
    if not keyword.is_time:
        return number
    if keyword.units in _INTERVALS:
        return f"{number / _INTERVALS[keyword.units]:.17g}"
    zone = keyword.units if keyword.units not in {"", "none"} else "UTC"
    return times.format(number, zone, 3).removesuffix("Z")


def _comment(keyword: Keyword, *, missing: bool) -> str:
    """
    ``[unit] (MISSING) note``, the note without its alias and up to its first single dash (contract E.5).
    """
    note = _CAST.sub("", keyword.note)
    parts = [
        f"[{keyword.units}]" if keyword.units not in {"", "none"} else "",
        "(MISSING)" if missing else "",
        _SINGLE_DASH.split(note, maxsplit=1)[0].replace("--", "-").strip(),
    ]
    return _ascii(" ".join(part for part in parts if part))


def _fitted(name: str, content: float | str | None, comment: str, original: str) -> fits.Card:
    """
    A card with as much of its comment as there is room for, and the keyword's own name behind if that differs.
    """
    text = _value_text(content)
    if len(text) > fits.Card.length - 10:  # goes on in CONTINUE cards
        return fits.Card(name, content, f"{comment[:40]}{original}")
    room = max(fits.Card.length - 10 - max(len(text), 20) - len(" / "), 0)
    comment = comment[: max(room - len(original), 0)] + original
    return fits.Card.fromstring(f"{name:8}= {text:>20} / {comment[:room]}" if comment else f"{name:8}= {text:>20}")


def _value_text(content: float | str | None) -> str:
    """
    A value as a card has it, numbers with all digits: astropy would cut them to twenty characters.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return f"{_quoted(content):20}"
    text = repr(content).upper()
    return text.replace("E", ".0E") if "E" in text and "." not in text else text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''").ljust(8) + "'"


def _ascii(text: str) -> str:
    """
    The characters that FITS allows; others become a question mark.
    """
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def _lines(value: object) -> list[str]:
    """
    Split a text over cards of 72 characters; lines that it has already are kept.
    """
    text = "" if value is None else str(value)
    room = fits.Card.length - 8
    return [_ascii(line[i : i + room]) for line in text.splitlines() if line.strip() for i in range(0, len(line), room)]


def _from_text(keyword: Keyword, text: object) -> int | float | str | None:
    """
    A value from a card or a default; None if it is missing (contract A.5).

    Raises
    ------
    ValueError
        If the text is no value of the keyword's type.
    """
    if isinstance(text, fits.card.Undefined) or text is None:
        return None
    if keyword.type == "string":
        # A missing text is no text at all; blanks are a value, though FITS does not count them.
        return str(text) or " "
    if isinstance(text, str) and text.strip().lower() in {"", "nan", "missing", "-nan"}:
        return None
    if keyword.is_integer:
        return _integer(keyword, text)
    if keyword.is_time and isinstance(text, str):
        if keyword.units in _INTERVALS:
            return float(text) * _INTERVALS[keyword.units]
        seconds = times.parse(text.strip())
        return None if seconds == times.MISSING else seconds
    number = float(str(text))
    return number if math.isfinite(number) else None


def _integer(keyword: Keyword, text: object) -> int | None:
    if isinstance(text, str):
        number = int(text.strip(), 0)
    elif isinstance(text, (int, float)) and float(text).is_integer():
        number = int(text)
    else:
        raise ValueError(f"{text!r} is no integer")
    bits = {"char": 8, "short": 16, "int": 32, "longlong": 64}[keyword.type]
    if number >= 1 << (bits - 1):  # patterns of bits may be printed unsigned
        number -= 1 << bits
    return None if number == -(1 << (bits - 1)) else number


def read_keywords(
    cards: fits.Header, series: Series, segment: str | None
) -> tuple[dict[str, int | float | str], fits.Header]:
    """
    Turn the cards of an exported file back into keywords.

    Parameters
    ----------
    cards
        Header of the image.
    series
        Definition of the series.
    segment
        Name of the segment the file is of.

    Returns
    -------
    tuple
        Values as `header` takes them, without constants and missing ones; and the header without the cards that these
        came from and without those that each export writes anew.
    """
    rest = cards.copy()
    values: dict[str, int | float | str] = {}
    by_card = {entry.card: entry for entry in _entries(series, segment)}
    by_name = {entry.key.lower(): entry for entry in by_card.values()}
    for name in TEXT:
        if name in by_card and (text := _text(cards, name)):
            values[by_card[name].key] = text
            _drop_text(rest, name)
    for card in cards.cards:
        original = _ORIGINAL.search(card.comment)
        entry = by_name.get(original["name"].lower()) if original else None
        entry = entry or by_card.get(card.keyword)
        if entry is None or card.keyword in TEXT:
            continue
        try:
            value = _from_text(entry.keyword, card.value)
        except (ValueError, QueryError):
            log.debug("card %s: %r is no value for %s and stays in the file", card.keyword, card.value, entry.key)
            continue
        if value is not None and not entry.keyword.is_constant:
            values[entry.key] = value
        rest.remove(card.keyword, ignore_missing=True)
    for name in GENERATED:
        rest.remove(name, ignore_missing=True)
    return values, rest


def _is_boilerplate(line: str) -> bool:
    """
    Whether FITS libraries write the comment themselves.
    """
    line = line.strip()
    return (
        line in {text.strip() for text in _LONGSTRN_COMMENTS}
        or (line.startswith("FITS (Flexible Image Transport System)") and line.endswith("'Astronomy"))
        or line == "and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H"
    )


def _text(cards: fits.Header, name: str) -> str:
    """
    The text of all COMMENT or HISTORY cards. A full card goes on in the next one, as `header` splits them.
    """
    text = ""
    for line in cards.get(name, ()):
        if not _is_boilerplate(str(line)):
            text += str(line) if len(str(line)) == fits.Card.length - 8 else f"{line}\n"
    return text.strip("\n")


def _drop_text(cards: fits.Header, name: str) -> None:
    """
    Remove the cards that `_text` reads.
    """
    kept = [str(line) for line in cards.get(name, ()) if _is_boilerplate(str(line))]
    cards.remove(name, ignore_missing=True, remove_all=True)
    for line in kept:
        cards.add_comment(line) if name == "COMMENT" else cards.add_history(line)
