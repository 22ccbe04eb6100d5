"""
DRMS keywords as FITS cards, and back (contract E).

The exporter of the local site and the quick way to a file write headers with it, ingesting reads them.
"""

import hashlib
import logging
import math
import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

from jsoc_fido import clocks, times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.fitscards import ascii_text, card_text, header_bytes, text_cards, value_text
from jsoc_fido.fitsfiles import GENERATED, TEXT, image_hdu, rewrite, write_fits
from jsoc_fido.printed import INTERVALS, NO_CARD, Mark, from_text
from jsoc_fido.series import Keyword, Series

__all__ = [
    "card_name",
    "cards",
    "clock_texts",
    "header",
    "history",
    "image_hdu",
    "read_keywords",
    "rewrite",
    "write_fits",
]

log = logging.getLogger(__name__)


class _ClockText(str):
    """
    A time as its card has it.
    """

    __slots__ = ()


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


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    One keyword of one segment: where its value is kept and what of its card is the same for all records.

    Parameters
    ----------
    keyword
        The keyword.
    key
        Its name, for one that each segment has for itself with the segment's number.
    card
        Name of the card.
    comment
        Its comment, without the keyword's own name.
    original
        That name, where the card has another.
    missing
        All of the card that stands for a missing value; empty where there is none.
    default
        Value of a constant, None for other keywords.
    zone
        Zone of a time on the calendar, empty for other keywords.
    """

    keyword: Keyword
    key: str
    card: str
    comment: str
    original: str
    missing: str
    default: float | str | None
    zone: str

    @classmethod
    def of(cls, keyword: Keyword, key: str, card: str) -> "_Entry":
        """
        Prepare the card of a keyword.
        """
        comment = _comment(keyword)
        original = f"{{{key}}}" if card != key.upper() else ""
        stem = COORDINATE.fullmatch(card)
        if card == "DATE" or card in TEXT:
            missing = ""
        elif stem:
            missing = card_text(card, "1.0" if stem[1] == "CDELT" else "0.0", comment, original)
        else:
            missing = card_text(card, "", _comment(keyword, missing=True), original)
        default = _default(keyword) if keyword.is_constant else None
        zone = "" if not keyword.is_time or keyword.units in INTERVALS else _zone(keyword)
        return cls(keyword, key, card, comment, original, missing, default, zone)

    def image(self, content: float | str | None) -> str:
        """
        The card of a value, with those that continue it if it is long.
        """
        if content is None:
            return self.missing
        return card_text(self.card, value_text(content), self.comment, self.original)


def _entries(series: Series, segment: str | None) -> tuple[_Entry, ...]:
    """
    The keywords that an export of a segment writes, in the series' order (contract E.4).
    """
    known = _known_entries.get(id(series))
    if known is None:
        # A series cannot be hashed, but lives as long as its entries are of any use.
        known = _known_entries[id(series)] = {}
        weakref.finalize(series, _known_entries.pop, id(series), None).atexit = False
    if segment not in known:
        known[segment] = tuple(_make_entries(series, segment))
    return known[segment]


_known_entries: dict[int, dict[str | None, tuple[_Entry, ...]]] = {}


def _make_entries(series: Series, segment: str | None) -> Iterator[_Entry]:
    number = (
        None
        if segment is None
        else next((i for i, name in enumerate(series.segments) if name.lower() == segment.lower()), None)
    )
    for keyword in series.keywords.values():
        # The type of a keyword whose link leads nowhere is "link"; it has no card.
        if series.is_implicit(keyword.name) or series.is_alias(keyword.name) or keyword.type == "link":
            continue
        card = card_name(keyword)
        if card is None or (card in TEXT and keyword.type != "string"):
            log.debug("keyword %s is not exported: its name belongs to FITS", keyword.name)
        elif not keyword.is_per_segment:
            yield _Entry.of(keyword, keyword.name, card)
        elif number is not None:
            yield _Entry.of(keyword, f"{keyword.name}_{number:03d}", card)


def header(series: Series, values: Mapping[str, object], *, segment: str | None, recnum: int) -> fits.Header:
    """
    The cards that an export adds to the file of a segment, as astropy has them; `cards` says which.
    """
    return fits.Header.fromstring(cards(series, values, segment=segment, recnum=recnum))


def cards(series: Series, values: Mapping[str, object], *, segment: str | None, recnum: int) -> str:
    """
    The cards that an export adds to the file of a segment, as they stand in the file.

    Parameters
    ----------
    series
        Definition of the series. What its cards have in common is kept as long as it lives.
    values
        Values by keyword: numbers, strings, and for times seconds (`jsoc_fido.times`); absent, None or NaN where
        missing, `NO_CARD` where there must be no card. A keyword that each segment has for itself is ``NAME_000``,
        ``NAME_001``, ... Constants may be left out.
    segment
        Name of the segment, None for a record without.
    recnum
        Number of the record.

    Returns
    -------
    str
        Cards of eighty characters: keywords in the series' order, then ``RECNUM``, ``DRMS_ID``, ``PRIMARYK``,
        ``LICENSE``, ``HEADSUM`` and ``LONGSTRN``.

    Raises
    ------
    DataError
        If a value is of another type than its keyword.
    """
    entries = _entries(series, segment)
    made: dict[str, str] = {}
    for entry, content in zip(entries, _contents(entries, values), strict=True):
        if content is NO_CARD:
            continue
        if entry.card in TEXT:
            made[f"{entry.card} {entry.key}"] = text_cards(entry.card, content)
        elif image := entry.image(content):
            # Of two keywords with one card, the later one stays.
            made.pop(entry.card, None)
            made[entry.card] = image
    for name, content, comment in (
        ("RECNUM", recnum, "Recnum"),
        ("DRMS_ID", f"{series.name}:{recnum}:{segment or 'no_segment'}", "DRMS ID"),
        ("PRIMARYK", ", ".join(series.prime_keys), "DRMS primary key"),
        # The value is the name of the card, in JSOC's own files too (contract E.4).
        ("LICENSE", "LICENSE", "CC0 1.0"),
    ):
        made.pop(name, None)
        made[name] = card_text(name, value_text(content), comment, "")
    text = "".join(made.values())
    digest = hashlib.md5(header_bytes(text.encode("ascii")), usedforsecurity=False).hexdigest()
    text += card_text("HEADSUM", value_text(digest[:16]), "Keyword checksum", "")
    return text + card_text("LONGSTRN", value_text("OGIP 1.0"), "The HEASARC Long String Convention may be used.", "")


def history(text: str) -> str:
    """
    ``HISTORY`` cards, as many as a text needs.
    """
    return text_cards("HISTORY", text)


def _contents(entries: Sequence[_Entry], values: Mapping[str, object]) -> list[float | str | Mark | None]:
    """
    The values of a record as its cards hold them.
    """
    contents = [_content(entry, values.get(entry.key)) for entry in entries]
    zones: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.zone and isinstance(contents[place], float):
            zones.setdefault(entry.zone, []).append(place)
    # Many times are printed together in little more time than a single one.
    for zone, places in zones.items():
        try:
            texts = _clock_texts([contents[place] for place in places], zone)
        except QueryError as err:
            raise DataError(f"{entries[places[0]].key} cannot be written as a card: {err}") from err
        for place, text in zip(places, texts, strict=True):
            contents[place] = text
    return contents


def _content(entry: _Entry, value: Any) -> float | str | Mark | None:
    """
    A value as its card holds it (contract E.5), None if it is missing. A time on the calendar is not printed yet.
    """
    if value is None:
        value = entry.default
    if value is None or isinstance(value, Mark | _ClockText):
        return value
    keyword = entry.keyword
    try:
        if entry.card in TEXT:
            return str(value)
        if keyword.type == "string":
            return ascii_text(str(value).replace("\n", "")) or None
        if keyword.is_integer:
            return int(value)
        number = float(value)
    except (TypeError, ValueError, OverflowError) as err:
        raise DataError(f"{value!r} is no value for {entry.key}, which is of type {keyword.type}.") from err
    if not math.isfinite(number) or (keyword.is_time and abs(number - times.MISSING) < 0.5):
        return None
    if keyword.is_time and not entry.zone:
        return f"{number / INTERVALS[keyword.units]:.17g}"
    return number


def clock_texts(keyword: Keyword, values: Sequence[object]) -> list[object]:
    """
    Times of many records as their cards have them, which `cards` takes as they are.

    Many are printed in little more time than a single one. Missing times, and values of other keywords, stay.
    """
    if not keyword.is_time or keyword.units in INTERVALS:
        return list(values)
    texts = list(values)
    known = [
        place
        for place, value in enumerate(values)
        if isinstance(value, float) and math.isfinite(value) and abs(value - times.MISSING) >= 0.5
    ]
    with suppress(QueryError):  # whoever asks for the card of the time that cannot be printed will be told
        for place, text in zip(known, _clock_texts([values[place] for place in known], _zone(keyword)), strict=True):
            texts[place] = _ClockText(text)
    return texts


def _clock_texts(seconds: Sequence[object], zone: str) -> list[str]:
    """
    Times with three decimals and without ``Z`` (contract E.5).

    They are rounded to six decimals first, so that what a site prints with six of them (contract B.3) gives the same.
    """
    offset = clocks.UNIFORM.get(zone, 0.0)
    there = np.array(seconds, dtype=float) + offset
    whole = np.floor(there)
    thousandths = np.rint(np.rint((there - whole) * 1e6) / 1e3)
    return [text.removesuffix("Z") for text in times.format_many(whole + thousandths / 1e3 - offset, zone, 3)]


def _zone(keyword: Keyword) -> str:
    return keyword.units.upper() if keyword.units not in {"", "none"} else "UTC"


def _comment(keyword: Keyword, *, missing: bool = False) -> str:
    """
    ``[unit] (MISSING) note``, the note without its alias and up to its first single dash (contract E.5).
    """
    note = _CAST.sub("", keyword.note)
    parts = [
        f"[{keyword.units}]" if keyword.units not in {"", "none"} else "",
        "(MISSING)" if missing else "",
        _SINGLE_DASH.split(note, maxsplit=1)[0].replace("--", "-").strip(),
    ]
    return ascii_text(" ".join(part for part in parts if part))


def _default(keyword: Keyword) -> float | str | None:
    """
    The value of a constant, None if it is missing or makes no sense.
    """
    if keyword.type == "string":
        return keyword.default or None
    try:
        return from_text(keyword, keyword.default)
    except ValueError:
        return None


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
            value = from_text(entry.keyword, card.value)
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
