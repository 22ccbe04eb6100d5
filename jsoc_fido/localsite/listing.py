"""
The reply to ``rs_list``: keywords, segments and links of records, column by column (contract B.5).
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.question import ALL, Question, Tally, asked_sets, check_single
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.spool import Piece, Reply, Spool
from jsoc_fido.localsite.table import NO_FILE, OFFLINE, SEGMENT_ARRAYS, Maker, Table

__all__ = ["json_text", "rs_list"]


def json_text(value: object) -> str:
    """
    JSON as JSOC writes it: pure ASCII, with slashes escaped (contract B.0).
    """
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


class _Listing:
    """
    What a request asks of one record set.

    Columns are known by their place: ``("keywords", 0)``, ``("segments", 0, "values")``, ``("links", 0)``.
    """

    def __init__(self, selection: Selection, question: Question, *, recinfo: bool, exact: bool, bits: bool) -> None:
        self.table = Table(selection, exact=exact, bits=bits)
        stored = question.stored_of(selection)
        self.keywords: list[tuple[str, Maker]] = [
            (name, self.table.pseudo(name, stored) or self.table.texts(name)) for name in question.keys_of(selection)
        ]
        self.segments = [(name, self.table.segment(name)) for name in question.segments_of(selection)]
        self.stored = [number for number, (name, _) in enumerate(self.segments) if name in stored]
        self.links = [(name, self.table.link(name)) for name in question.links_of(selection)]
        self.names = self.table.names() if recinfo else None
        self.online = self.table.online()
        self.count = 0
        #: Numbers of the segments that have a file, or at least are said to.
        self.filled: set[int] = set()
        self._pieces: dict[tuple[Any, ...], list[Piece]] = {}

    def write(self, spool: Spool, limit: int, tally: Tally) -> int:
        """
        Put the columns down, and tell how many records they have.
        """
        width = len(self.keywords) + len(self.segments) + len(self.links)
        for count in self.table.blocks(limit):
            tally.add(count, width)
            self.count += count
            for number, (_, maker) in enumerate(self.keywords):
                self._put(spool, ("keywords", number), maker())
            for number, (_, maker) in enumerate(self.links):
                self._put(spool, ("links", number), maker())
            segments = [maker() for _, maker in self.segments]
            for number, columns in enumerate(segments):
                if any(path != NO_FILE for path in columns["values"]):
                    self.filled.add(number)
                for name, column in columns.items():
                    self._put(spool, ("segments", number, name), column)
            if self.names is not None:
                self._put(spool, ("recinfo",), self._recinfo(self.names, [segments[number] for number in self.stored]))
        return self.count

    def _put(self, spool: Spool, place: tuple[Any, ...], column: Sequence[Any]) -> None:
        if len(column):
            self._pieces.setdefault(place, []).append(spool.add(json_text(column)[1:-1]))

    def pieces(self, *place: Any) -> list[Piece]:
        """
        Where a column is, without brackets.
        """
        return self._pieces.get(place, [])

    def _recinfo(self, names: Maker, stored: Iterable[dict[str, list[Any]]]) -> list[dict[str, object]]:
        there = [bool(flag) for flag in self.online()]
        for columns in stored:
            there = [known and path != OFFLINE for known, path in zip(there, columns["values"], strict=True)]
        return [{"name": name, "online": int(flag)} for name, flag in zip(names(), there, strict=True)]


def rs_list(
    catalogue: Catalogue,
    ds: str,
    *,
    key: str = "",
    seg: str = "",
    link: str = "",
    limit: int = 0,
    recinfo: bool = False,
    exact: bool = False,
    bits: bool = False,
) -> Reply:
    """
    Answer ``rs_list``.

    Parameters
    ----------
    catalogue
        The site.
    ds
        One record set, or several.
    key, seg, link
        Names, joined by commas, or ``**ALL**``.
    limit
        Only so many of the first records, or of the last if negative.
    recinfo
        Whether to add the names of the records.
    exact
        Whether to print numbers and times with all their digits.
    bits
        Whether to print them as patterns of bits.

    Returns
    -------
    Reply
        The reply as JSON, which may be larger than memory; it has to be read or closed.

    Raises
    ------
    QueryError
        If the record sets cannot be read, do not fit the series, or are too many.
    """
    began = time.perf_counter()
    sets = asked_sets(ds)
    question = Question(key, seg, link, sets=len(sets))
    tally = Tally()
    if question.is_general:
        check_single(sets, ds)
    listings = []
    left = limit
    spool = Spool()
    try:
        for record_set in reversed(sets) if limit < 0 else sets:
            selection = question.selection(catalogue, record_set)
            listing = _Listing(selection, question, recinfo=recinfo, exact=exact, bits=bits)
            found = listing.write(spool, left, tally)
            if found:
                listings.append(listing)
            if limit:
                left -= found if limit > 0 else -found
                if not left:
                    break
    except BaseException:
        spool.close()
        raise
    if limit < 0:
        listings.reverse()
    parts: list[str | Piece] = ["{"]
    if listings:
        if recinfo:
            parts += ['"recinfo":', *_array(listings, "recinfo"), ","]
        parts += _members(listings, question)
    runtime = time.perf_counter() - began
    parts.append(f'"count":{sum(listing.count for listing in listings)},"runtime":{runtime:.3f},"status":0}}\n')
    return Reply(spool, parts)


def _members(listings: Sequence[_Listing], question: Question) -> Iterator[str | Piece]:
    """
    Keywords, segments and links, each a list of objects.
    """
    first = listings[0]
    shared = min(len(listing.segments) for listing in listings)
    shown = [
        number
        for number in range(shared)
        if ALL not in question.segments or any(number in listing.filled for listing in listings)
    ]
    yield '"keywords":['
    yield from _objects(listings, "keywords", [name for name, _ in first.keywords])
    yield '],"segments":['
    for place, number in enumerate(shown):
        yield f'{"," if place else ""}{{"name":{json_text(first.segments[number][0])}'
        for part in SEGMENT_ARRAYS:
            yield f',"{part}":'
            yield from _array(listings, "segments", number, part)
        yield "}"
    yield '],"links":['
    yield from _objects(listings, "links", [name for name, _ in first.links])
    yield "],"


def _objects(listings: Sequence[_Listing], member: str, names: Iterable[str]) -> Iterator[str | Piece]:
    for number, name in enumerate(names):
        yield f'{"," if number else ""}{{"name":{json_text(name)},"values":'
        yield from _array(listings, member, number)
        yield "}"


def _array(listings: Sequence[_Listing], *place: Any) -> Iterator[str | Piece]:
    """
    The values of a column in all record sets.
    """
    yield "["
    for number, piece in enumerate(piece for listing in listings for piece in listing.pieces(*place)):
        if number:
            yield ","
        yield piece
    yield "]"
