"""
Staged requests: the site writes the files, then they can be downloaded.

`plan` says what to ask for a table or a part of it, `submit` asks once. `jsoc_fido.staging` knows how to wait, and what
to do when a site refuses.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import astropy.units as u
import drms
import numpy as np

from jsoc_fido import recordset, subsets
from jsoc_fido.exceptions import (
    ExportError,
    NotExportedError,
    NotRegisteredError,
    QueryError,
    UnsupportedError,
)
from jsoc_fido.files import questions_of
from jsoc_fido.names import file_name_format, prime_key_texts
from jsoc_fido.query import ProcessStep, Question
from jsoc_fido.recordset import RecordSet
from jsoc_fido.response import RECNUM, RECORD, SIZE, JSOCResponse
from jsoc_fido.site import Site, site
from jsoc_fido.steps import PICTURES, read_protocol

__all__ = [
    "METHODS",
    "PROTOCOLS",
    "Order",
    "check",
    "check_finished",
    "find",
    "is_pending",
    "plan",
    "refresh",
    "site_of",
    "submit",
]

log = logging.getLogger(__name__)

#: How files come: one by one, one by one without staging if possible, all in one (contract B.10).
METHODS = ("url", "url_quick", "url-tar")

#: What the files are: with full headers, as they are stored, pictures, movies (contract B.11).
PROTOCOLS = ("fits", "as-is", *PICTURES)

#: States of requests that are not finished: running, queued, not entered yet, queued in test mode (contract B.16).
PENDING = (1, 2, 6, 12)


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
    #: Numbers of the records; the same record set may mean more of them tomorrow.
    numbers: tuple[int, ...] = ()
    #: Prime keys of the records, where the record set tells their numbers.
    records: tuple[tuple[str, ...], ...] = ()

    def __hash__(self) -> int:
        # Each file looks its order up, and an order may have ten thousand records.
        return hash((self.record_set, self.site, self.method, self.protocol))

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
    UnsupportedError
        If a site stages nothing.
    NotRegisteredError
        If there is no e-mail address.
    """
    if not len(response):
        raise QueryError("The table has no rows, so there is nothing to fetch.")
    method = str(method).lower().replace("url-quick", "url_quick")
    if method not in METHODS:
        raise UnsupportedError(f"Method {method!r} is not supported; use one of {', '.join(METHODS)}.")
    orders: list[Order] = []
    for (template, asked), parts in _alike(response, method=method, protocol=protocol, notify=notify).items():
        rows = np.concatenate([rows for _, rows in parts])
        numbers = np.unique(np.asarray(response[RECNUM])[rows])
        portions = _portions(response, rows, numbers, site(template.site).limits.request_size)
        (question, _), *more = parts
        if (
            not more
            and len(portions) == 1
            and len(numbers) == question.count
            and not subsets.may_move(recordset.parse(question.record_set))
        ):
            whole = replace(recordset.parse(question.record_set), segments=asked.segments)
            orders.append(replace(template, record_set=str(whole), numbers=tuple(numbers.tolist())))
            continue
        keys = dict(zip(np.asarray(response[RECNUM])[rows].tolist(), _prime_keys(response, rows), strict=True))
        for portion in portions:
            for part in subsets.by_numbers(asked.series, portion, asked.segments):
                listed = subsets.numbers_of(part)
                records = tuple(keys[number] for number in listed)
                orders.append(replace(template, record_set=str(part), numbers=tuple(listed), records=records))
    return orders


def _alike(
    response: JSOCResponse, *, method: str, protocol: str | None, notify: str | None
) -> dict[tuple[Order, RecordSet], list[tuple[Question, np.ndarray]]]:
    """
    The questions of a table with their rows, those together that one request can serve.
    """
    groups: dict[tuple[Order, RecordSet], list[tuple[Question, np.ndarray]]] = {}
    for question, rows in questions_of(response).items():
        if not site(question.site).can_stage:
            raise UnsupportedError(f"{question.site} stages nothing, so there is nothing to request of it.")
        email = question.notify or notify
        if not email:
            raise NotRegisteredError(
                "A registered email is required to get data from JSOC. Give it with a.jsoc.Notify in the search, "
                "as notify= here, or as JSOC_EMAIL in the environment."
            )
        chosen = _protocol(protocol or question.protocol, question)
        template = Order("", question.site, question.series, method, chosen, email, question.steps)
        asked = recordset.parse(question.record_set)
        segments = question.segments if question.left_out else asked.segments
        groups.setdefault((template, RecordSet(asked.series, (), segments)), []).append((question, rows))
    return groups


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
    protocol, arguments = read_protocol(order.protocol)
    try:
        request = where.drms_client().export(
            order.record_set,
            method=order.method,
            protocol=protocol,
            protocol_args=arguments or None,
            email=order.notify,
            filenamefmt=file_name_format(where.definition(order.series)),
            process={step.name: dict(step.arguments) for step in order.steps} or None,
        )
    except ValueError as err:
        raise QueryError(str(err)) from err
    check(request, where, order.record_set)
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
    check(request, where, request_id)
    return request


def is_pending(request: drms.ExportRequest) -> bool:
    """
    Whether a request is not finished yet, as far as is known. drms does not know that 12 means queued (contract B.16).
    """
    return request.status in PENDING


def refresh(request: drms.ExportRequest) -> None:
    """
    Ask the site how a request is.

    Raises
    ------
    TransportError
        If the site does not answer.
    """
    request._update_status()  # noqa: SLF001 - drms asks only for the states that it knows


def check(request: drms.ExportRequest, where: Site, what: str) -> None:
    """
    Make sure that a request has not failed.

    Raises
    ------
    ExportError
        If it has, with the site's own words.
    """
    if not is_pending(request) and request.status != 0:
        reply = request._d or {}  # noqa: SLF001 - drms keeps the site's words nowhere else
        reason = reply.get("error") or "no reason was given"
        raise ExportError(
            f"{where.name} did not stage {what}: {reason} [status={request.status}]",
            request_id=request.id,
            status=request.status,
        )


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
        if is_pending(request):
            refresh(request)
        if is_pending(request):
            raise NotExportedError(
                f"{request.id} is not staged yet (status {request.status}), so there is nothing to download. "
                f"Try client.get_request({request.id!r}) again later.",
                request_id=request.id,
                status=request.status,
            )
        check(request, site_of(request), str(request.id))


def site_of(request: drms.ExportRequest) -> Site:
    """
    The site that stages a request.
    """
    return site(request._client._server.name)  # noqa: SLF001 - drms does not tell otherwise


def _portions(response: JSOCResponse, rows: np.ndarray, numbers: np.ndarray, most: u.Quantity) -> list[list[int]]:
    """
    Split record numbers so that no portion has more bytes than a site stages in one request.
    """
    sizes = np.zeros(len(rows))
    if SIZE in response.colnames:
        sizes = np.nan_to_num(np.asarray(response[SIZE][rows].to_value(u.byte)))
    known = dict(zip(np.asarray(response[RECNUM])[rows].tolist(), sizes.tolist(), strict=True))
    portions: list[list[int]] = []
    left = 0.0
    for number in numbers.tolist():
        if not portions or known[number] > left:
            portions.append([])
            left = most.to_value(u.byte)
        portions[-1].append(number)
        left -= known[number]
    return portions


def _prime_keys(response: JSOCResponse, rows: np.ndarray) -> list[tuple[str, ...]]:
    if RECORD not in response.colnames:
        return [()] * len(rows)
    return [prime_key_texts(str(record)) for record in np.asarray(response[RECORD])[rows].tolist()]


def _protocol(name: str | None, question: Question) -> str:
    protocol = (name or "fits").lower()
    if protocol == "quick":
        raise UnsupportedError("Protocol 'quick' needs no request: fetch the rows, or stage them with protocol='fits'.")
    if read_protocol(protocol)[0] not in PROTOCOLS:
        raise UnsupportedError(f"Protocol {name!r} is not supported; use one of {', '.join(PROTOCOLS)}.")
    names = [step.name for step in question.steps]
    if question.steps and protocol == "as-is":
        raise QueryError(f"Protocol {name!r} gives the files as they are stored; {', '.join(names)} needs 'fits'.")
    if len(set(names)) < len(names):
        raise QueryError(f"A processing step can be taken once in a request; {', '.join(names)} repeats one.")
    return protocol
