"""
The other form of the reply to ``rs_list``, asked for by ``f=1``: row by row, in the words of FITS (contract B.6).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jsoc_fido import headers
from jsoc_fido.localsite import values
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.fields import Field
from jsoc_fido.localsite.listing import json_text
from jsoc_fido.localsite.question import ALL, Question, Tally, only_set
from jsoc_fido.localsite.spool import Piece, Reply, Spool
from jsoc_fido.localsite.table import NO_LINK, Table
from jsoc_fido.series import Keyword

__all__ = ["fits_texts", "rs_rows"]

#: Members of a record that are asked for as pseudo keywords.
MEMBERS = {
    "recnum": "*recnum*", "sunum": "*sunum*", "size": "*size*", "online": "*online*", "expdate": "*retain*",
    "archive": "*archive*", "recdir": "*recdir*", "logdir": "*logdir*", "dirmtime": "*dirmtime*", "spec": "*spec*",
}  # fmt: skip

Rows = Callable[[], Iterable[Any]]


def rs_rows(
    catalogue: Catalogue,
    ds: str,
    *,
    key: str = "",
    seg: str = "",
    link: str = "",
    limit: int = 0,
    recinfo: bool = False,
    timed: bool = True,
) -> Reply:
    """
    Answer ``rs_list`` row by row (contract B.6).

    Parameters
    ----------
    catalogue
        The site.
    ds
        One record set.
    key, seg, link
        Names, joined by commas, or ``**ALL**``.
    limit
        Only so many of the first records, or of the last if negative.
    recinfo
        Whether to say which records are online.
    timed
        Whether to say how long it took.

    Raises
    ------
    QueryError
        If the record set cannot be read, does not fit its series, is not the only one, or has too many records.
    """
    began = time.perf_counter()
    question = Question(key, seg, link)
    record = _Record(Table(question.selection(catalogue, only_set(ds))), question, recinfo=recinfo)
    tally = Tally()
    count = 0
    spool = Spool()
    parts: list[str | Piece] = ['{"recset":[']
    try:
        for found in record.table.blocks(limit):
            tally.add(found, record.width)
            texts = [json_text(row) for row in record.rows()]
            if texts:
                parts += [*([","] if count else []), spool.add(",".join(texts))]
            count += found
    except BaseException:
        spool.close()
        raise
    runtime = f'"runtime":{time.perf_counter() - began:.3f},' if timed else ""
    closing = f'"count":{count},{runtime}"status":0}}\n'
    return Reply(spool, [*parts, "],", closing] if count else ["{", closing])


class _Record:
    """
    What is told of each record.
    """

    def __init__(self, table: Table, question: Question, *, recinfo: bool) -> None:
        self.table = table
        selection = table.selection
        segments, links = question.segments_of(selection), question.links_of(selection)
        stored = question.stored_of(selection)
        self.names = table.names()
        self.online = table.online() if recinfo else None
        self.members = {
            member: maker
            for member, name in MEMBERS.items()
            if name in question.keys and (maker := table.pseudo(name, stored)) is not None
        }
        wanted = [name for name in question.keys if name not in MEMBERS.values()]
        self.keywords = list(self._keywords(wanted)) if wanted else None
        self.segments = [self._segment(name, wanted) for name in segments] if question.segments else None
        self.links = [(name, table.link(name)) for name in links] if links else None
        self.width = len(self.keywords or ()) + len(self.segments or ()) + len(self.links or ())

    def rows(self) -> Iterator[dict[str, Any]]:
        """
        The records that were read last.
        """
        columns: dict[str, Iterable[Any]] = {"specification": self.names()}
        columns |= {member: maker() for member, maker in self.members.items()}
        if self.online is not None and "online" not in columns:
            columns["online"] = ["NA" if there is None else int(there) for there in self.online()]
        for member, makers in (("keywords", self.keywords), ("segments", self.segments)):
            if makers is not None:
                columns[member] = zip(*(maker() for maker in makers), strict=True) if makers else self._nothing()
        if self.links is not None:
            columns["links"] = zip(*(_linked(name, maker()) for name, maker in self.links), strict=True)
        return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))

    def _nothing(self) -> list[list[Any]]:
        return [[]] * self.table.count

    def _keywords(self, names: Sequence[str]) -> Iterator[Rows]:
        series = self.table.fields.series
        for name in names:
            if name == ALL:
                for keyword in series.keywords.values():
                    hidden = series.is_implicit(keyword.name) or series.is_alias(keyword.name)
                    if not hidden and not keyword.is_per_segment:
                        yield self._keyword(keyword.name, self.table.fields.find(keyword.name))
            elif not _is_per_segment(series.keyword(name)):
                yield self._keyword(name, self.table.fields.find(name))

    def _keyword(self, name: str, field: Field | None) -> Rows:
        if field is None:
            return lambda: [{"name": name, "invalid": True}] * self.table.count
        card = headers.card_name(replace(field.keyword, name=name)) or name
        if field.target is None:
            native = self.table.native(field)
            return lambda: [{"name": card, "value": text} for text in fits_texts(field.keyword, native())]
        native, target = self.table.native(field), self.table.column(field.target)
        return lambda: [
            {"name": card, "invalid": True} if number is None else {"name": card, "value": text}
            for number, text in zip(target(), fits_texts(field.keyword, native()), strict=True)
        ]

    def _segment(self, name: str, keys: Sequence[str]) -> Rows:
        told = self.table.segment(name)
        selection = self.table.selection
        series = selection.series
        if name.lower() not in {known.lower() for known in selection.segments}:
            return lambda: [{"name": name, "invalid": True}] * self.table.count
        segment = series.segments[name]
        field = self.table.fields.find_segment(segment.name)
        if field is None:
            return lambda: [{"name": name, "invalid": True}] * self.table.count
        number = list(series.segments).index(segment.name)
        own = [
            self._keyword(keyword.name, self.table.fields.find(f"{keyword.name}_{number:03d}"))
            for keyword in series.keywords.values()
            if keyword.is_per_segment and any(key == ALL or key.lower() == keyword.name.lower() for key in keys)
        ]
        *_, bzero, bscale, cparms = (self.table.column(column) for column in field.columns())
        image = field.segment.protocol != "generic"

        def rows() -> Iterator[dict[str, Any]]:
            found = told()
            cards = zip(*(maker() for maker in own), strict=True) if own else self._nothing()
            columns = (found["values"], found["dims"], cparms(), bzero(), bscale(), cards)
            for path, dims, packing, zero, unit, keywords in zip(*columns, strict=True):
                row = {"name": name, "online": int(path.startswith("/SUM")), "path": path, "dims": dims}
                if image:
                    row |= {"cparms": packing or "", "bzero": _number(zero, 0), "bscale": _number(unit, 1)}
                yield {**row, "keywords": list(keywords)} if own else row

        return rows


def _is_per_segment(keyword: Keyword | None) -> bool:
    return keyword is not None and keyword.is_per_segment


def _linked(name: str, records: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for record in records:
        yield {"name": name, "invalid": True} if record == NO_LINK else {"name": name, "linkedrec": record}


def _number(value: float | None, default: float) -> str:
    return f"{default if value is None else value:g}"


def fits_texts(keyword: Keyword, native: Sequence[Any]) -> list[str]:
    """
    Values as the cards of a header have them (contract E.5): whole numbers in tens, times with three decimals and no Z.

    Parameters
    ----------
    keyword
        The keyword.
    native
        Its values, None where missing; these are not told as ``MISSING``.

    Examples
    --------
    >>> fits_texts(Keyword("QUALITY", "int", format="0x%08X"), [256, None])
    ['256', '-2147483648']
    >>> fits_texts(Keyword("DATE", "time", units="ISO"), [0.0])
    ['1976-12-31T23:59:45.000']
    """
    absent = values.missing(keyword.type)
    present = [absent if value is None else value for value in native]
    if keyword.is_time:
        printed = values.printed(replace(keyword, format="3"), present)
        return [str(text).removesuffix("Z") for text in printed]
    return ["nan" if value is None else str(value) for value in present]
