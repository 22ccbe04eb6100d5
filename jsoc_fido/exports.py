"""
Staged requests: the site writes the files, then they can be downloaded.

`plan` says what to ask for a table or a part of it, `submit` asks, `wait` waits.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import drms
import numpy as np

from jsoc_fido import recordset
from jsoc_fido.exceptions import (
    ExportError,
    ExportTimeout,
    NotExportedError,
    NotRegisteredError,
    QueryError,
    UnsupportedError,
)
from jsoc_fido.query import ProcessStep, Query
from jsoc_fido.recordset import Extreme, Index, IndexRange, KeyFilter, RecordNumbers, RecordSet, SqlFilter
from jsoc_fido.response import QUESTION, RECNUM, JSOCResponse, Question
from jsoc_fido.series import Series
from jsoc_fido.site import Site, site

__all__ = ["METHODS", "PROTOCOLS", "Order", "check_finished", "find", "plan", "site_of", "submit", "wait"]

log = logging.getLogger(__name__)

#: How files come: one by one, one by one without staging if possible, all in one (contract B.10).
METHODS = ("url", "url_quick", "url-tar")

#: What the files are: with full headers, or as they are stored (contract B.11).
PROTOCOLS = ("fits", "as-is")

#: Longest record set to send. JSOC accepts 4,095 characters, of which it needs some itself (users.md, section 2).
LONGEST_RECORD_SET = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """
    One request to be staged.
    """

    record_set: str
    site: str
    series: str
    method: str
    protocol: str
    notify: str
    steps: tuple[ProcessStep, ...] = ()

    def __repr__(self) -> str:
        # Without the address: orders are logged.
        return f"<Order {self.record_set} as {self.protocol} by {self.method} from {self.site}>"


def plan(
    response: JSOCResponse, *, method: str = "url", protocol: str | None = None, notify: str | None = None
) -> list[Order]:
    """
    Say what to stage for the rows of a table.

    A whole answer is asked for as it was searched; a part of one by the record numbers of its rows.

    Parameters
    ----------
    response
        The rows.
    method
        One of `METHODS`.
    protocol
        One of `PROTOCOLS`; without it, what ``Protocol`` said in the search, else ``"fits"``.
    notify
        E-mail address for rows that were searched without ``Notify``.

    Raises
    ------
    QueryError
        If a method or protocol is unknown, or if the table does not say which records its rows are.
    NotRegisteredError
        If there is no e-mail address.
    """
    if not len(response):
        raise QueryError("The table has no rows, so there is nothing to fetch.")
    method = str(method).lower().replace("url-quick", "url_quick")
    if method not in METHODS:
        raise UnsupportedError(f"Method {method!r} is not supported; use one of {', '.join(METHODS)}.")
    orders = []
    ordered: dict[tuple[object, ...], np.ndarray] = {}
    for question, numbers in _asked(response):
        query = question.query
        email = query.notify or notify
        if not email:
            raise NotRegisteredError(
                "A registered email is required to get data from JSOC. Give it with a.jsoc.Notify in the search, "
                "as notify= here, or as JSOC_EMAIL in the environment."
            )
        chosen = _protocol(protocol or query.protocol, query)
        # Branches may overlap; a record is ordered once.
        same = (question.site, question.series, question.segments, chosen, query.steps)
        new = np.setdiff1d(numbers, ordered.get(same, np.empty(0, np.int64)))
        ordered[same] = np.union1d(numbers, ordered.get(same, new))
        orders += [
            Order(text, question.site, question.series, method, chosen, email, query.steps)
            for text in _record_sets(question, new)
        ]
    return orders


def submit(order: Order) -> drms.ExportRequest:
    """
    Ask the site to stage an order.

    Raises
    ------
    NotRegisteredError
        If the site does not know the e-mail address.
    ExportError
        If it refuses the request.
    TransportError
        If it does not answer.
    """
    where = site(order.site)
    where.check_registered(order.notify)
    try:
        request = where.drms_client().export(
            order.record_set,
            method=order.method,
            protocol=order.protocol,
            email=order.notify,
            filenamefmt=file_name_format(where.definition(order.series)),
            process={step.name: dict(step.arguments) for step in order.steps} or None,
        )
    except ValueError as err:
        raise QueryError(str(err)) from err
    _check(request, where, order.record_set)
    log.info("%s stages %s as %s", where.name, order.record_set, request.id or "nothing: the files are there")
    return request


def find(request_id: str, where: Site) -> drms.ExportRequest:
    """
    Find a request by its identifier, wherever it was made.

    Raises
    ------
    ExportError
        If the site does not know it, or if it failed or expired.
    TransportError
        If the site does not answer.
    """
    request = where.drms_client().export_from_id(request_id)
    _check(request, where, request_id)
    return request


def wait(request: drms.ExportRequest, *, timeout: float) -> None:
    """
    Wait until a request is staged, looking often at first and then less.

    Parameters
    ----------
    request
        What `submit` gave.
    timeout
        Seconds to wait at most.

    Raises
    ------
    ExportTimeout
        If it takes longer; the request goes on at the site.
    ExportError
        If it fails.
    """
    where = site_of(request)
    began = time.monotonic()
    pause, longest = where.limits.poll
    while not request.has_finished(skip_update=True):
        left = began + timeout - time.monotonic()
        if left <= 0:
            raise ExportTimeout(
                f"{request.id} was not staged within {timeout:g} s. It goes on at {where.name}; "
                f"get it later with client.get_request({request.id!r}).",
                request_id=request.id,
                status=request.status,
            )
        log.debug("%s is being staged, for %.0f s now", request.id, time.monotonic() - began)
        time.sleep(min(pause, left))
        pause = min(1.5 * pause, longest)
        request.has_finished()
    _check(request, where, str(request.id))


def check_finished(requests: Sequence[drms.ExportRequest]) -> None:
    """
    Make sure that requests are finished; their state is asked for once.

    Raises
    ------
    NotExportedError
        If one is not finished yet.
    ExportError
        If one failed.
    """
    for request in requests:
        if not request.has_finished():
            raise NotExportedError(
                f"{request.id} is not staged yet (status {request.status}), so there is nothing to download. "
                f"Try client.get_request({request.id!r}) again later.",
                request_id=request.id,
                status=request.status,
            )
        _check(request, site_of(request), str(request.id))


def site_of(request: drms.ExportRequest) -> Site:
    """
    The site that stages a request.
    """
    return site(request._client._server.name)  # noqa: SLF001 - drms does not tell otherwise


def file_name_format(series: Series) -> str:
    """
    Template for the names of the files: series, prime keys, segment (contract D.1).

    Examples
    --------
    >>> from jsoc_fido.exports import file_name_format
    >>> from jsoc_fido.series import Keyword, NameMap, Series
    >>> keywords = NameMap([Keyword("T_REC", "time"), Keyword("CAMERA", "int")])
    >>> file_name_format(Series("hmi.M_45s", prime_keys=("T_REC", "CAMERA"), keywords=keywords))
    'hmi.m_45s.{T_REC:A}.{CAMERA}.{segment}'
    """
    parts = [f"{{{key.name}:A}}" if key.type == "time" else f"{{{key.name}}}" for key in series.prime_key_types]
    return ".".join([series.name.lower(), *(parts or ["{recnum:%lld}"]), "{segment}"])


def _check(request: drms.ExportRequest, where: Site, what: str) -> None:
    if request.has_finished(skip_update=True) and request.status != 0:
        reply = request._d or {}  # noqa: SLF001 - drms keeps the site's words nowhere else
        reason = reply.get("error") or "no reason was given"
        raise ExportError(
            f"{where.name} did not stage {what}: {reason} [status={request.status}]",
            request_id=request.id,
            status=request.status,
        )


def _asked(response: JSOCResponse) -> list[tuple[Question, np.ndarray]]:
    missing = [name for name in (RECNUM, QUESTION) if name not in response.colnames]
    questions = {question.key: question for question in response.questions or ()}
    if missing or not questions:
        raise QueryError(
            "This table does not say which records its rows are; fetch the result of the search, or rows of it, "
            "instead of a table made by show()."
        )
    keys = np.asarray(response[QUESTION])
    numbers = np.asarray(response[RECNUM])
    return [(questions[key], numbers[keys == key]) for key in dict.fromkeys(keys.tolist())]


def _protocol(name: str | None, query: Query) -> str:
    protocol = (name or "fits").lower()
    if protocol not in PROTOCOLS:
        raise UnsupportedError(f"Protocol {name!r} is not supported; use one of {', '.join(PROTOCOLS)}.")
    names = [step.name for step in query.steps]
    if query.steps and protocol != "fits":
        raise QueryError(f"Protocol {name!r} gives the files as they are stored; {', '.join(names)} needs 'fits'.")
    if len(set(names)) < len(names):
        raise QueryError(f"A processing step can be taken once in a request; {', '.join(names)} repeats one.")
    return protocol


def _record_sets(question: Question, numbers: np.ndarray) -> list[str]:
    if not len(numbers):
        return []
    asked = recordset.parse(question.record_set)
    if len(numbers) == question.count and not _may_move(asked):
        return [question.record_set]
    base = replace(asked, filters=())
    result: list[str] = []
    items: list[Index | IndexRange] = []
    for item in _runs(numbers):
        if items and len(str(_numbered(base, [*items, item]))) > LONGEST_RECORD_SET:
            result.append(str(_numbered(base, items)))
            items = []
        items.append(item)
    return [*result, str(_numbered(base, items))]


def _may_move(asked: RecordSet) -> bool:
    """
    Whether a record set means other records tomorrow: the first or last ones, or old versions.
    """
    items = [item for part in asked.filters if isinstance(part, KeyFilter) for item in part.items]
    every_version = any(isinstance(part, SqlFilter) and part.all_versions for part in asked.filters)
    return every_version or any(isinstance(item, Extreme) for item in items)


def _numbered(base: RecordSet, items: Sequence[Index | IndexRange]) -> RecordSet:
    return replace(base, filters=(RecordNumbers(tuple(items)),))


def _runs(numbers: np.ndarray) -> list[Index | IndexRange]:
    """
    Record numbers, sorted, as single ones and runs of neighbours.
    """
    pieces = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
    return [
        Index(int(piece[0])) if len(piece) == 1 else IndexRange(int(piece[0]), int(piece[-1]), None) for piece in pieces
    ]
