"""
What a fetch will do, before anything is asked: which way each file comes, how many requests and bytes that takes.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import astropy.units as u
import numpy as np
from astropy.table import QTable

from jsoc_fido import exports, names, recordset
from jsoc_fido.exceptions import QueryError, TransportError, UnsupportedError
from jsoc_fido.exports import Order
from jsoc_fido.files import Definitions, SegmentFile, State, files_of, questions_of
from jsoc_fido.query import Question
from jsoc_fido.response import SIZE, JSOCResponse
from jsoc_fido.series import Series
from jsoc_fido.site import site
from jsoc_fido.steps import PICTURES, read_protocol

__all__ = ["QUICK", "Part", "Plan", "make"]

log = logging.getLogger(__name__)

#: The way without an export; the others are the protocols of `jsoc_fido.exports`.
QUICK = "quick"

#: What a person can do about files that cannot come.
OFFLINE = (
    "is offline and has to be staged: give an e-mail address as notify=, or set JSOC_EMAIL; or ask the site's people "
    "to bring it online"
)
ABSENT = "has no such file"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a fetch will do.

    Parameters
    ----------
    files
        The files of all rows, in their order.
    quick
        Those that come straight from the site's storage.
    orders
        Staged requests that were asked for.
    fallbacks
        Staged requests for rows that are offline.
    undeliverable
        Files that cannot come, each with the reason.
    parts
        The same for people: one line for each way and question.
    """

    files: tuple[SegmentFile, ...]
    quick: tuple[SegmentFile, ...]
    orders: tuple[Order, ...]
    fallbacks: tuple[Order, ...]
    undeliverable: tuple[tuple[SegmentFile, str], ...]
    parts: tuple["Part", ...]

    def table(self) -> QTable:
        """
        The plan as a table, one row for each way and question: number of files and of requests, bytes, expected time.
        """
        parts = self.parts
        table = QTable()
        table["Way"] = [part.way for part in parts]
        table["Site"] = [part.site for part in parts]
        table["Series"] = [part.series for part in parts]
        table["Segments"] = [",".join(part.segments) for part in parts]
        table["Files"] = [part.files for part in parts]
        table["Size"] = u.Quantity([part.size for part in parts]).to(u.Mbyte)
        table["Requests"] = [part.requests for part in parts]
        table["Time"] = u.Quantity([part.time for part in parts]).to(u.min)
        table["Note"] = [part.note for part in parts]
        table["Size"].info.format, table["Time"].info.format = ".3g", ".1f"
        return table

    def __str__(self) -> str:
        return "\n".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Part:
    """
    One line of a plan.
    """

    way: str
    site: str
    series: str
    segments: tuple[str, ...]
    files: int
    size: u.Quantity
    requests: int
    note: str

    @property
    def time(self) -> u.Quantity:
        """
        How long it will take, as far as experience goes (`jsoc_fido.connection.Limits`).
        """
        limits = site(self.site).limits
        size = 0 * u.byte if np.isnan(self.size) else self.size
        return self.requests * limits.staging + size / limits.rate

    def __str__(self) -> str:
        size = "of unknown size" if np.isnan(self.size) else f"{self.size.to(u.Mbyte):.3g}"
        staged = f", {self.requests} staged requests" if self.requests else ""
        seconds = max(self.time.to_value(u.s), 1)
        took = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        what = f"{self.way}: {self.files} files ({size}) of {self.series} from {self.site}"
        return f"{what}{staged}, about {took}. {self.note}"


def make(
    response: JSOCResponse,
    definition: Definitions,
    *,
    protocol: str | None = None,
    method: str | None = None,
    notify: str | None = None,
    address: str | None = None,
) -> Plan:
    """
    Decide which way each file of a table comes.

    Files come quick unless the search or the caller names another protocol, a method or an e-mail address, or a
    processing step needs the site to write the files.

    Parameters
    ----------
    response
        The rows.
    definition
        Gives the definition of a question's series.
    protocol, method
        What the caller said; see `jsoc_fido.exports.plan`.
    notify
        E-mail address that the caller gave for this fetch.
    address
        E-mail address that is known otherwise; it is used where staging cannot be avoided.

    Raises
    ------
    QueryError
        If a protocol or method is unknown, or if the table does not say which records its rows are.
    NotRegisteredError
        If something must be staged and there is no e-mail address.
    UnsupportedError
        If a site has no files, or does not stage what would have to be.
    TransportError
        If no site answers. The files of one that does not, where others do, are among the undeliverable.
    """
    questions = questions_of(response)
    silent: dict[str, TransportError] = {}

    def known(question: Question) -> Series:
        if question.site not in silent:
            try:
                return definition(question)
            except TransportError as err:
                silent[question.site] = err
        return Series(question.series)

    files = tuple(
        _as_sent(file, protocol or file.question.protocol or "") for file in _wanted(files_of(response, known))
    )
    if silent.keys() == {question.site for question in questions}:
        raise next(iter(silent.values()))
    quick: list[SegmentFile] = []
    staged: dict[str, list[int]] = {}
    offline: list[int] = []
    undeliverable: list[tuple[SegmentFile, str]] = []
    parts: list[Part] = []
    for question, rows in questions.items():
        mine = [file for file in files if file.question is question]
        way, why = _way(question, protocol, method, notify)
        if question.site in silent:
            undeliverable += [(file, f"cannot be had now: {silent[question.site]}".rstrip(".")) for file in mine]
            parts.append(_part(way, question, mine, response, "The site does not answer now."))
            continue
        _check_site(question, way)
        if way != QUICK:
            staged.setdefault(way, []).extend(rows.tolist())
            parts.append(_part(way, question, mine, response, why))
            continue
        now = [file for file in mine if file.state in {State.ONLINE, State.UNKNOWN}]
        away = [file for file in mine if file.state is State.OFFLINE]
        undeliverable += [(file, ABSENT) for file in mine if file.state is State.ABSENT]
        quick += now
        parts.append(_part(QUICK, question, now, response, why))
        if away and address and site(question.site).can_stage:
            offline += [file.row for file in away]
            parts.append(_part("fits", question, away, response, "These are offline."))
        else:
            undeliverable += [(file, OFFLINE) for file in away]
    orders = [
        order
        for way, rows in staged.items()
        for order in exports.plan(
            response[rows],
            method=method or ("url_quick" if way == "as-is" else "url"),
            protocol=way,
            notify=notify or address,
        )
    ]
    fallbacks = exports.plan(response[sorted(set(offline))], protocol="fits", notify=address) if offline else []
    counted = tuple(_with_requests(parts, [*orders, *fallbacks]))
    return Plan(files, tuple(quick), tuple(orders), tuple(fallbacks), tuple(undeliverable), counted)


def _with_requests(parts: Sequence["Part"], orders: Sequence[Order]) -> Iterator["Part"]:
    """
    Count each request with the first part that it serves.
    """
    left = list(orders)
    for part in parts:
        mine = [
            order for order in left if (order.protocol, order.site, order.series) == (part.way, part.site, part.series)
        ]
        left = [order for order in left if order not in mine]
        yield replace(part, requests=len(mine))


def _wanted(files: Sequence[SegmentFile]) -> Iterator[SegmentFile]:
    """
    Leave out what a record does not have and nobody asked for by name, as long as it has something.
    """
    named = {question: _is_named(question) for question in {file.question for file in files}}
    rows = {file.row for file in files if file.state is not State.ABSENT}
    for file in files:
        if file.state is not State.ABSENT or named[file.question] or file.row not in rows:
            yield file


def _as_sent(file: SegmentFile, protocol: str) -> SegmentFile:
    """
    Name a file for what it will be.
    """
    name, _ = read_protocol(protocol.lower())
    sent = replace(file, form=names.form(file.question.steps, protocol.lower()))
    return replace(sent, name=str(PurePosixPath(file.name).with_suffix(f".{name}"))) if name in PICTURES else sent


def _is_named(question: Question) -> bool:
    """
    Whether the segments were asked for, or chosen as the sensible ones.
    """
    return bool(question.left_out or recordset.parse(question.record_set).segments)


def _way(question: Question, protocol: str | None, method: str | None, notify: str | None) -> tuple[str, str]:
    """
    Which way the files of a question come, and why.
    """
    said = (protocol or question.protocol or "").lower()
    steps = ", ".join(step.name for step in question.steps)
    if said and said != QUICK and read_protocol(said)[0] not in exports.PROTOCOLS:
        # Otherwise an e-mail address would be missed first, which is not what is wrong.
        known = ", ".join((QUICK, *exports.PROTOCOLS))
        raise UnsupportedError(f"Protocol {said!r} is not supported; use one of {known}.")
    if said == QUICK and (question.steps or method):
        raise QueryError(
            f"Protocol 'quick' brings the files as they are stored; {steps or f'method {method!r}'} needs 'fits'."
        )
    if said:
        return said, f"Protocol {said!r} was asked for."
    if question.steps:
        return "fits", f"The site has to do {steps}."
    if method:
        return "fits", f"Method {method!r} was asked for."
    if (notify or question.notify) and site(question.site).can_stage:
        return "fits", "An e-mail address was given; a.jsoc.Protocol('quick') would need no staging."
    return QUICK, "Neither an e-mail address nor a protocol was given; the site's storage has the files."


def _check_site(question: Question, way: str) -> None:
    """
    Refuse what a site cannot do, before it is asked.
    """
    where = site(question.site)
    if not where.has_files:
        raise UnsupportedError(f"{where.name} answers searches only; it offers no files. Leave its rows out.")
    if way == QUICK and not question.segments:
        raise UnsupportedError(
            f"{question.series} has no segments, so there are no files of it; its keywords are in the table. With "
            "protocol='fits' and an e-mail address as notify=, the site writes them into a FITS table."
        )
    if way != QUICK and not where.can_stage:
        raise UnsupportedError(
            f"{where.name} stages nothing: leave out the protocol {way!r} and processing steps; its files come as "
            "they are."
        )


def _part(way: str, question: Question, files: Sequence[SegmentFile], response: JSOCResponse, why: str) -> Part:
    size = np.nan * u.byte
    rows = list({file.recnum: file.row for file in files}.values())
    if rows and SIZE in response.colnames:
        # What the site tells is the size of all segments of a record together.
        sizes = response[SIZE][rows]
        size = size if np.isnan(sizes).all() else np.nansum(sizes)
    left = f" Left out: {', '.join(question.left_out)}; ask with a.jsoc.Segment." if question.left_out else ""
    distinct = len({file.identity for file in files})
    return Part(way, question.site, question.series, question.segments, distinct, size, 0, why + left)
