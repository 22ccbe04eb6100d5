"""
The queue for staged requests: one at a time for each address and site, across calls, threads and processes.

A request that is alive is used again instead of made twice; one that stands in the way is waited for; what a site calls
too large is split. Files of a request can be downloaded while the next one is being staged.
"""

import hashlib
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import drms
from filelock import Timeout

from jsoc_fido import exports, recordset, subsets, turns
from jsoc_fido.exceptions import ExportError, ExportTimeout, JSOCError, NotRegisteredError, TransportError
from jsoc_fido.exports import Order
from jsoc_fido.journal import Entry, Journal
from jsoc_fido.site import Site, site
from jsoc_fido.waiting import Announcer, Watch

__all__ = ["Staging", "digest", "stage", "submit", "wait"]

log = logging.getLogger(__name__)

#: Codes of replies (contract B.16).
TOO_LARGE, REFUSED, EXPIRED, NOT_YET, BUSY = 3, 4, 5, 6, 7

#: Words of failures that pass by themselves, such as "Cant save new export-request hash" (users.md, section 1).
PASSING = re.compile(r"hash|try again|temporar|time-?out|deadlock|connection|internal", re.IGNORECASE)

#: How often a request is made that failed in a way that may pass.
TRIES = 4

_ID = re.compile(r"JSOC_\d{8}_\d+(?:_[A-Z]+)*")


def digest(order: Order) -> str:
    """
    What an order is for, whoever asks.
    """
    said = (order.site, order.record_set, order.numbers, order.method, order.protocol, order.steps)
    return hashlib.blake2s(repr(said).encode(), digest_size=16).hexdigest()


def stage(order: Order, watch: Watch, journal: Journal) -> list[drms.ExportRequest]:
    """
    Have an order staged when it is its turn.

    Parameters
    ----------
    order
        What to stage.
    watch
        How long to wait.
    journal
        Where requests are noted, and found again.

    Returns
    -------
    list of drms.client.ExportRequest
        Finished requests; more than one if the site wanted it in parts.

    Raises
    ------
    NotRegisteredError
        If the site does not know the e-mail address.
    ExportError
        If the site refuses, or fails.
    ExportTimeout
        If it takes too long.
    TransportError
        If the site does not answer.
    """
    with _turn(order, watch):
        return _staged(order, watch, journal)


def submit(orders: Sequence[Order], watch: Watch, journal: Journal) -> list[drms.ExportRequest]:
    """
    Ask for orders, or find the requests that were made for them, without waiting for the files of the last.

    A site takes one request of an address at a time, so those before the last of each address are waited for.

    Raises
    ------
    NotRegisteredError, ExportError, ExportTimeout, TransportError
        As `stage`, after all were asked for.
    """
    requests: list[drms.ExportRequest] = []
    refusals: list[JSOCError] = []
    before: dict[tuple[str, str], drms.ExportRequest] = {}
    for order in dict.fromkeys(orders):
        queue = (order.site, order.notify)
        try:
            with _turn(order, watch):
                if queue in before:
                    # Whether it succeeds is the business of the one who gets its files.
                    with suppress(ExportError):
                        wait(before[queue], watch, journal)
                before[queue] = _submit(order, watch, journal)
                requests.append(before[queue])
        except (ExportError, TransportError) as err:
            refusals.append(err)
    if refusals and requests:
        taken = ", ".join(str(request.id) for request in requests)
        log.warning("%d of %d requests were refused; the others are %s", len(refusals), len(orders), taken)
    if refusals:
        raise refusals[0]
    return requests


def _submit(order: Order, watch: Watch, journal: Journal) -> drms.ExportRequest:
    """
    Ask for an order when it is its turn, or find the request that was made for it.
    """
    where = site(order.site)
    began, attempt = time.monotonic(), 1
    while True:
        try:
            found = _alive(order, where, journal)
            if found is not None:
                log.info("%s has %s already for %s", where.name, found.id, order.record_set)
                return found
            request = exports.submit(order)
        except NotRegisteredError:
            raise
        except TransportError as err:
            # Whether it was taken is not known. A site gives the same request the same files.
            if attempt == TRIES:
                raise
            log.info("%s; asking again", err)
        except ExportError as err:
            if err.status == BUSY:
                # That is no failure, and does not count as one.
                _wait_until_free(str(err), order, watch, journal, began)
                continue
            if not _may_pass(err) or attempt == TRIES:
                raise
            log.info("%s; asking again", err)
        else:
            if request.id:
                journal.add(_entry(order, request))
            return request
        watch.pause(where.limits.pause * 2 ** (attempt - 1), f"Asking {where.name} for {order.record_set}")
        attempt += 1


def wait(request: drms.ExportRequest, watch: Watch, journal: Journal) -> None:
    """
    Wait until a request is staged, looking often at first and then less.

    Raises
    ------
    ExportTimeout
        If it takes too long; the request goes on at the site.
    ExportError
        If it fails.
    """
    where = exports.site_of(request)
    began = time.monotonic()
    missed = 0
    while exports.is_pending(request):
        elapsed = time.monotonic() - began
        watch.tell(f"{request.id} is being staged, for {elapsed:.0f} s now")
        watch.pause(where.limits.pause_after(elapsed), f"{request.id} at {where.name}", request)
        try:
            exports.refresh(request)
            missed = 0
        except TransportError as err:
            missed += 1
            if missed > TRIES:
                raise
            log.info("%s; looking at %s again later", err, request.id)
    try:
        exports.check(request, where, str(request.id))
    except ExportError as err:
        journal.note(where.name, str(request.id), "expired" if err.status == EXPIRED else "failed", error=str(err))
        raise
    if request.id:
        journal.note(where.name, request.id, "done", files=len(request.data))


class Staging:
    """
    Orders that are staged in the background, one after the other for each address.

    Parameters
    ----------
    orders
        The orders.
    timeout
        Seconds to wait for each.
    journal
        Where requests are noted.
    announcer
        Says what is waited for.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        *,
        timeout: float,
        journal: Journal,
        announcer: Announcer | None = None,
    ) -> None:
        self._orders = list(dict.fromkeys(orders))
        self._timeout = timeout
        self._journal = journal
        self._announcer = announcer or Announcer()
        self._stopping = threading.Event()
        self._results: dict[Order, Future[list[drms.ExportRequest]]] = {order: Future() for order in self._orders}
        self._starting = threading.Lock()
        self._started = False
        self._postponed: set[Order] = set()

    def start(self) -> None:
        """
        Begin; more than once does no harm.
        """
        with self._starting:
            if self._started:
                return
            self._started = True
        queues: dict[tuple[str, str], list[Order]] = {}
        for order in self._orders:
            if order not in self._postponed:
                queues.setdefault((order.site, order.notify), []).append(order)
        for orders in queues.values():
            threading.Thread(target=self._work, args=(orders,), name="staging", daemon=True).start()

    def postpone(self, order: Order) -> None:
        """
        Stage an order only if someone wants its requests: all its files seem to be there.
        """
        self._postponed.add(order)

    def requests(self, order: Order) -> list[drms.ExportRequest]:
        """
        Finished requests for an order; waits for them.

        Raises
        ------
        JSOCError
            What went wrong with this order.
        """
        self.start()
        with self._starting:
            is_wanted = order in self._postponed
            self._postponed.discard(order)
        if is_wanted:
            threading.Thread(target=self._work, args=([order],), name="staging", daemon=True).start()
        try:
            return self._results[order].result()
        except JSOCError as err:
            # Many files may wait for one order, and each raise would add to the traceback.
            raise err.with_traceback(None) from None

    def done(self) -> list[drms.ExportRequest]:
        """
        The requests that are finished now.
        """
        results = [result for result in self._results.values() if result.done() and not result.exception()]
        return [request for result in results for request in result.result()]

    def forget(self, order: Order) -> None:
        """
        Use the finished requests for an order no more: the site has removed their files.
        """
        for request in self._results[order].result():
            if request.id:
                self._journal.note(order.site, request.id, "expired", error="its files are gone")

    def stop(self) -> None:
        """
        Stop waiting. What the site has taken goes on there.
        """
        self._stopping.set()
        self._announcer.close()
        for result in self._results.values():
            if not result.done():
                _give(result, ExportTimeout("The fetch was stopped before its files were staged."))

    def _work(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if self._stopping.is_set():
                return
            watch = Watch(time.monotonic() + self._timeout, self._stopping, self._announcer.waiting)
            try:
                outcome: Any = stage(order, watch, self._journal)
            except Exception as err:  # noqa: BLE001 - whatever it is, those who wait for this order must learn of it
                outcome = err if isinstance(err, JSOCError) else ExportError(f"{type(err).__name__}: {err}")
                log.warning("%s", outcome)
            self._announcer.finished()
            _give(self._results[order], outcome)


def _give(result: Future[Any], outcome: Any) -> None:
    with suppress(InvalidStateError):  # it was given up in the meantime
        if isinstance(outcome, BaseException):
            result.set_exception(outcome)
        else:
            result.set_result(outcome)


@contextmanager
def _turn(order: Order, watch: Watch) -> Iterator[None]:
    """
    Wait for the other requests of this address, in this process and in others.
    """
    lock = turns.lock("staging", site(order.site).url, order.notify.lower())
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            watch.tell("another request of the same address is being staged")
            watch.pause(0.05, f"The queue for {site(order.site).name}")
    try:
        yield
    finally:
        lock.release()


def _staged(order: Order, watch: Watch, journal: Journal) -> list[drms.ExportRequest]:
    for anew in (False, True):
        try:
            request = _submit(order, watch, journal)
            wait(request, watch, journal)
        except (NotRegisteredError, ExportTimeout):
            raise
        except ExportError as err:
            if err.status == EXPIRED and not anew:
                log.info("%s; asking anew", err)
                continue
            parts = _smaller(order, err)
            if not parts:
                raise
            log.info("%s; asking for it in %d parts", err, len(parts))
            return [request for part in parts for request in _staged(part, watch, journal)]
        else:
            return [request]
    raise AssertionError("the second attempt returns or raises")


def _smaller(order: Order, err: ExportError) -> list[Order]:
    """
    What to ask for instead of an order that was refused: less at a time, or by prime keys; nothing if that is no use.
    """
    asked = recordset.parse(order.record_set)
    numbers = subsets.numbers_of(asked)
    if err.status == TOO_LARGE and len(order.numbers) > 1:
        # A whole answer lists no numbers, but they are known.
        numbers = list(order.numbers)
        half = len(numbers) // 2
        parts = subsets.by_numbers(asked.series, numbers[:half], asked.segments)
        parts += subsets.by_numbers(asked.series, numbers[half:], asked.segments)
        keys = dict(zip(numbers, order.records, strict=True)) if len(order.records) == len(numbers) else {}
        return [
            replace(
                order,
                record_set=str(part),
                numbers=tuple(subsets.numbers_of(part)),
                records=tuple(keys.get(number, ()) for number in subsets.numbers_of(part)),
            )
            for part in parts
        ]
    if err.status == REFUSED and err.request_id is None and numbers and order.records and all(order.records):
        keys_of = site(order.site).definition(order.series).prime_key_types
        named = subsets.by_prime_keys(asked.series, keys_of, order.records, asked.segments)
        log.info("%s; asking by prime keys instead", err)
        return [replace(order, record_set=str(part), records=()) for part in named]
    return []


def _alive(order: Order, where: Site, journal: Journal) -> drms.ExportRequest | None:
    """
    A request for the same that the site still has.
    """
    entry = journal.live(digest(order))
    if entry is None:
        return None
    try:
        return exports.find(entry.requestid, where)
    except ExportError as err:
        journal.note(entry.site, entry.requestid, "expired" if err.status == EXPIRED else "failed", error=str(err))
        return None


def _wait_until_free(refusal: str, order: Order, watch: Watch, journal: Journal, began: float) -> None:
    """
    Wait for the requests that a site names as standing in the way; not for one that is for the same, as it can be used.
    """
    where = site(order.site)
    identifiers = _ID.findall(refusal)
    live = journal.live(digest(order))
    if live is not None and live.requestid in identifiers:
        return
    names = ", ".join(identifiers) or "a request that it does not name"
    while True:
        watch.tell(f"{where.name} is busy with {names}")
        # Also when nothing is in the way any more: a site may go on to refuse for a while.
        watch.pause(where.limits.pause_after(time.monotonic() - began), f"{names} at {where.name}")
        if not any(_is_in_way(identifier, where) for identifier in identifiers):
            return


def _may_pass(err: ExportError) -> bool:
    return err.status == REFUSED and PASSING.search(str(err)) is not None


def _is_in_way(identifier: str, where: Site) -> bool:
    try:
        return exports.is_pending(exports.find(identifier, where))
    except (ExportError, TransportError):
        return False


def _entry(order: Order, request: drms.ExportRequest) -> Entry:
    return Entry(
        site=order.site,
        requestid=str(request.id),
        digest=digest(order),
        series=order.series,
        record_set=order.record_set,
        method=order.method,
        protocol=order.protocol,
        submitted=time.time(),
    )
