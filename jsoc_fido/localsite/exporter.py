"""
Staged requests as the site sees them: asking, waiting, and the reply when the files are there (contract B.9 to B.18).
"""

import hashlib
import json
import logging
import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jsoc_fido import recordset
from jsoc_fido.exceptions import ExportError, JSOCError, QueryError
from jsoc_fido.localsite import filenames, pictures, processing, schema
from jsoc_fido.localsite.addresses import REGISTERED, Addresses, requester
from jsoc_fido.localsite.catalogue import Catalogue, take
from jsoc_fido.localsite.inquiry import flag
from jsoc_fido.localsite.limits import Limits
from jsoc_fido.localsite.listing import OFFLINE
from jsoc_fido.localsite.replies import (
    BUSY,
    DONE,
    EXPIRED,
    FAILED,
    NOT_ONLINE,
    QUEUED,
    RUNNING,
    TEST,
    Found,
    Index,
    RefusedError,
    TooLargeError,
    queued,
    quick,
    unfinished,
)
from jsoc_fido.localsite.staging import Job, StagingStoppedError, stage
from jsoc_fido.localsite.storageunits import SU_AS_IS, quick_units, stage_units, unit_numbers
from jsoc_fido.localsite.turnstile import Turnstile
from jsoc_fido.localsite.uploads import with_upload
from jsoc_fido.recordset import RecordNumbers, RecordSet, SqlFilter

__all__ = ["Exporter"]

log = logging.getLogger(__name__)

METHODS = ("url", "url_quick", "url-tar", "ftp", "ftp-tar")
PROTOCOLS = ("as-is", "fits", *pictures.KINDS)
MEGABYTE = 1 << 20

#: The series that the files of requests belong to.
EXPORTS = "jsoc.export"

_REQUEST_ID = re.compile(r"JSOC_\d{8}_\d+(?:_SU)?(?:_IN)?")
#: What an export adds to a record set (contract B.12).
HAS_IMAGE = "drms.image_exists(quality)"

#: Seconds between two looks for files that nobody may have any more.
SWEEPING = 3600

DAY = 86400

_OWN_QUALITY = re.compile(r"\bquality\b", re.IGNORECASE)


class Exporter:
    """
    Takes requests and carries them out in the background.

    Requests are kept in the site's database: what was not finished when a site went down is taken up by `start`.

    Parameters
    ----------
    catalogue
        The site.
    register
        Registered e-mail addresses; None means every valid one.
    staging_time
        Seconds that a request stays in each pending state.
    limits
        How much may be asked for.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        register: Iterable[str] | None = None,
        staging_time: float = 0.2,
        limits: Limits | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.addresses = Addresses(register)
        self.staging_time = staging_time
        self.limits = limits or Limits()
        self._stopping = threading.Event()
        self._workers: ThreadPoolExecutor | None = None
        self._submitting = threading.Lock()
        self._swept = -math.inf
        self._turnstile = Turnstile(catalogue.staging_directory("lock"))

    def start(self) -> None:
        """
        Begin to work, with the requests that are not finished yet, unless another process has begun with them.

        Nothing happens on a site that is read only.
        """
        if self.catalogue.read_only:
            return
        self._stopping.clear()
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="export")
        self._workers.submit(self._sweep)
        if not self._turnstile.enter():
            return
        table = schema.requests
        with self.catalogue.engine.connect() as connection:
            left = sa.select(table.c.requestid).where(table.c.status.in_([QUEUED, RUNNING])).order_by(table.c.submitted)
            unfinished = list(connection.scalars(left))
        for requestid in unfinished:
            self._workers.submit(self._carry_out, requestid)

    def stop(self) -> None:
        """
        Stop working, at the next file.
        """
        self._stopping.set()
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._workers = None
        self._turnstile.leave()

    def answer(self, parameters: Mapping[str, str], host: str = "") -> dict[str, Any]:
        """
        Answer ``jsoc_fetch``.

        Parameters
        ----------
        parameters
            The parameters of the request.
        host
            The computer that asks.
        """
        operation = parameters.get("op", "")
        try:
            for name, value in parameters.items():
                if ";" in value or value.count("'") % 2:
                    raise RefusedError(FAILED, f"Illegal characters in argument {name}.")
            if operation == "exp_request":
                return self.request(with_upload(parameters), host)
            if operation == "exp_su":
                return self.units(parameters, host)
            if operation == "exp_status":
                return self.status(parameters.get("requestid", ""))
            if operation == "exp_repeat":
                raise RefusedError(FAILED, "Re-Export requests temporarily disabled.")
        except RefusedError as err:
            return err.reply
        except JSOCError as err:
            return {"status": FAILED, "error": str(err)}
        except SQLAlchemyError as err:
            log.warning("%s: %s", operation, err)
            return {"status": FAILED, "error": "The database of this site cannot be used at the moment."}
        words = f"{operation!r} is no operation of this site; there are exp_request, exp_status and exp_su."
        return {"status": FAILED, "error": words}

    # Asking

    def request(self, parameters: Mapping[str, str], host: str = "") -> dict[str, Any]:
        """
        Take a request (contract B.12), or answer it at once (``url_quick``).

        Raises
        ------
        RefusedError
            If it is refused; its ``reply`` says why.
        QueryError
            If its record set is wrong.
        """
        address = parameters.get("notify", "")
        known = self.addresses.answer(address)
        if known["status"] != REGISTERED:
            raise RefusedError(FAILED, f"Cannot process your request. {known['msg']}")
        method = parameters.get("method") or "url"
        protocol = parameters.get("protocol") or "as-is"
        if method not in METHODS:
            raise RefusedError(FAILED, f"Method {method!r} is not supported; there are {', '.join(METHODS)}.")
        kind = protocol.partition(",")[0].lower()
        if kind not in PROTOCOLS:
            raise RefusedError(FAILED, f"Protocol {protocol!r} is not supported; there are {', '.join(PROTOCOLS)}.")
        if kind in pictures.KINDS:
            pictures.Rendering.parse(protocol)
        limit, steps = processing.parse(parameters)
        with self._submitting:
            self._check_pending(address, host)
            sets = self._record_sets(parameters)
            found = [Found(self.catalogue, item, limit) for item in sets]
            order = {
                "method": method,
                "protocol": protocol,
                "filename_format": parameters.get("filenamefmt") or filenames.DEFAULT,
                "series": found[0].series,
                "recnums": [recnum for part in found for recnum in part.recnums],
                "segments": found[0].segments,
                "steps": [[step.name, dict(step.arguments)] for step in steps],
                "megabytes": max(math.floor(size / MEGABYTE), 1) if (size := sum(part.size for part in found)) else 0,
            }
            digest = _digest(order)
            earlier = self._earlier(digest)
            if earlier is not None:
                return queued(earlier, wait=0)
            self._check(found, order, all_online=flag(parameters, "o", default=True))
            if method == "url_quick" and kind == "as-is" and not steps:
                return quick(found, order)
            if len(found) > 1:
                raise RefusedError(FAILED, "Only one record set can be exported at a time.")
            if self.catalogue.read_only:
                raise RefusedError(
                    FAILED,
                    "This site is read only and stages nothing; files can be had as they are stored, by method "
                    "url_quick and protocol as-is.",
                )
            order["error"] = self._objection(parameters["ds"], sets)
            row = self._enqueue(order, digest, requester(address), requester(host) if host else "")
            # A test is told as one, and carried out like any other request.
            status = TEST if flag(parameters, "t") else QUEUED
            return queued(row, wait=self._estimate(QUEUED), status=status)

    def units(self, parameters: Mapping[str, str], host: str = "") -> dict[str, Any]:
        """
        Tell where storage units are, at once or as a request that waits (contract B.18).

        Raises
        ------
        RefusedError
            If the request is refused; its ``reply`` says why.
        """
        reply = quick_units(self.catalogue, parameters)
        if reply is not None:
            return reply
        if self.catalogue.read_only:
            raise RefusedError(FAILED, "This site is read only and stages nothing; method url_quick tells at once.")
        order = {
            "method": parameters.get("method") or "url",
            "protocol": SU_AS_IS,
            "filename_format": filenames.DEFAULT,
            "series": EXPORTS,
            "recnums": unit_numbers(parameters),
            "segments": [],
            "megabytes": 0,
            "error": None,
        }
        person = requester(parameters.get("notify", ""))
        row = self._enqueue(order, _digest(order), person, requester(host) if host else "", kind="_SU")
        return queued(row, wait=self._estimate(QUEUED))

    def _record_sets(self, parameters: Mapping[str, str]) -> list[RecordSet]:
        sets = recordset.parse_list(parameters.get("ds", ""))
        if len({item.series for item in sets}) > 1:
            raise QueryError("All record sets of a request must be of the same series.")
        if not self.limits.record_numbers and any(
            isinstance(part, RecordNumbers) for item in sets for part in item.filters
        ):
            raise QueryError("This site does not export by record number; name the prime keys.")
        if sets[0].series.lower().startswith(EXPORTS):
            raise QueryError(f"Records of {sets[0].series} cannot be exported.")
        listed = tuple(name for name in parameters.get("seg", "").split(",") if name)
        if listed and any(item.segments for item in sets):
            raise QueryError("Give the segments either in the record set or as seg=, not both.")
        checks = "q" not in parameters and self.catalogue.series(sets[0].series).keyword("quality") is not None
        return [
            RecordSet(item.series, _with_images(item.filters) if checks else item.filters, item.segments or listed)
            for item in sets
        ]

    def _objection(self, text: str, sets: list[RecordSet]) -> str | None:
        """
        What will be wrong when the request is carried out: too long a record set is taken, and fails then.
        """
        most = self.limits.record_set_length
        tests = sum(SqlFilter(HAS_IMAGE) in item.filters for item in sets)
        length = len(text) + tests * len(f"[? {HAS_IMAGE} ?]")
        return None if most is None or length <= most else "Record-set specification is too long"

    def _check_pending(self, address: str, host: str) -> None:
        table = schema.requests
        since = time.time() - 60 * self.limits.pending_minutes
        waits = table.c.status.in_([QUEUED, RUNNING]) & (table.c.submitted > since)
        later = "please wait until at least one request has completed before submitting a new one."
        with self.catalogue.engine.connect() as connection:
            if self.limits.pending is not None:
                mine = waits & (table.c.requester == requester(address))
                pending = list(connection.scalars(sa.select(table.c.requestid).where(mine).order_by(table.c.submitted)))
                if len(pending) >= self.limits.pending:
                    words = f"User {address} has {len(pending)} pending export requests ({', '.join(pending)}); {later}"
                    raise RefusedError(BUSY, words)
            if self.limits.pending_host is not None and host:
                same = sa.select(sa.func.count()).where(waits & (table.c.host == requester(host)))
                if (connection.scalar(same) or 0) >= self.limits.pending_host:
                    raise RefusedError(BUSY, f"There are too many requests from {address}; {later}")

    def _earlier(self, digest: str) -> sa.Row[Any] | None:
        table = schema.requests
        recent = time.time() - self.limits.repeat_hours * 3600
        same = (table.c.hash == digest) & (table.c.submitted > recent) & table.c.status.in_([DONE, RUNNING, QUEUED])
        with self.catalogue.engine.connect() as connection:
            for row in connection.execute(sa.select(table).where(same).order_by(table.c.submitted.desc())):
                if row.error is None and (
                    row.status != DONE or (self._index(row).is_file() and not self._has_expired(row))
                ):
                    return row
        return None

    def _check(self, found: list[Found], order: Mapping[str, Any], *, all_online: bool) -> None:
        paths = [path for part in found for row in part.paths for path in row]
        if any(part.without_storage for part in found):
            raise RefusedError(FAILED, "One or more records contain no Storage Units")
        if all_online and OFFLINE in paths:
            words = (
                "One or more data files are offline; please send a request for help to jsoc@sun.stanford.edu and we "
                "will place the requested data online, and then you may try again"
            )
            raise RefusedError(NOT_ONLINE, words if self.catalogue.read_only else f"{words}; {self._new_id()}")
        compressed = any(part.is_compressed for part in found)
        most = self.limits.most_megabytes(order["protocol"], compressed=compressed)
        if order["megabytes"] > most:
            raise TooLargeError(order, most)
        if not any(path.startswith("/SUM") for path in paths):
            raise RefusedError(FAILED, "There are no files in this RecordSet")

    def _new_id(self) -> str:
        day = datetime.now(UTC).strftime("%Y%m%d")
        with self.catalogue.writing() as connection:
            return f"JSOC_{day}_{take(connection, f'request {day}', 1)[0]:03d}"

    def _enqueue(self, order: Mapping[str, Any], digest: str, person: str, host: str, *, kind: str = "") -> sa.Row[Any]:
        table = schema.requests
        requestid = self._new_id() + kind
        row = {"requestid": requestid, "status": QUEUED, "submitted": time.time(), "hash": digest, **order}
        with self.catalogue.writing() as connection:
            connection.execute(table.insert(), {**row, "requester": person, "host": host})
            found = connection.execute(sa.select(table).where(table.c.requestid == requestid)).one()
        log.info("%s: %d records of %s", requestid, len(order["recnums"]), order["series"])
        if self._workers is not None:
            self._workers.submit(self._carry_out, requestid)
        return found

    # Waiting

    def status(self, text: str) -> dict[str, Any]:
        """
        Say how far a request is (contract B.14); when it is done, where its files are (B.15).

        Raises
        ------
        RefusedError
            If there is no such request.
        """
        if not text:
            raise RefusedError(FAILED, "RequestID must be provided")
        match = _REQUEST_ID.search(text)
        if match is None:
            raise RefusedError(FAILED, f"Bad RequestID '{text}' provided.")
        table = schema.requests
        with self.catalogue.engine.connect() as connection:
            # All but the long lists.
            told = [column for column in table.c if not isinstance(column.type, sa.JSON)]
            row = connection.execute(sa.select(*told).where(table.c.requestid == match[0])).one_or_none()
        if row is None:
            raise RefusedError(FAILED, f"invalid export DRMS record for ID `%s`{match[0]}")
        if row.status == DONE:
            try:
                reply = Index.read(self._index(row))
            except OSError:
                return self._expired(row)
            return self._expired(row) if self._has_expired(row) else reply
        if row.status in {QUEUED, RUNNING}:
            # What waits is told as running, whether somebody works on it or not.
            return unfinished(row, RUNNING, wait=self._estimate(row.status))
        return unfinished(row, row.status, wait=999999, error=row.error or "RecordSet specified does not exist")

    def _estimate(self, status: int) -> int:
        return max(1, math.ceil(self.staging_time * (2 if status == QUEUED else 1)))

    def _has_expired(self, row: sa.Row[Any]) -> bool:
        days = self.limits.retain_days
        return days is not None and row.finished is not None and row.finished < time.time() - days * DAY

    def _expired(self, row: sa.Row[Any]) -> dict[str, Any]:
        words = f"Request was completed but is now deleted, {self.limits.retain_days or 7:g} day limit exceeded"
        return unfinished(row, EXPIRED, wait=999999, error=words)

    def _index(self, row: sa.Row[Any]) -> Path:
        return self.catalogue.slot_directory(row.sunum or 0) / "index.json"

    # Working

    def _carry_out(self, requestid: str) -> None:
        table = schema.requests
        if self._stopping.wait(self.staging_time):
            return
        try:
            with self.catalogue.engine.connect() as connection:
                row = connection.execute(sa.select(table).where(table.c.requestid == requestid)).one()
            if row.error is not None:
                raise ExportError(row.error, request_id=requestid)
            # A request that was begun before the site was killed has its storage unit, and perhaps all of its files.
            sunum = row.sunum or self.catalogue.new_units(EXPORTS, 1)[0]
            self._note(requestid, status=RUNNING, sunum=sunum)
            if row.sunum is None or not self._index(row).is_file():
                if row.protocol == SU_AS_IS:
                    stage_units(self.catalogue, requestid, row.method, row.recnums, sunum)
                else:
                    stage(self.catalogue, _job(row), sunum, self._stopping.is_set)
            if not self._stopping.wait(self.staging_time):
                self._note(requestid, status=DONE, finished=time.time(), host="")
            if time.monotonic() > self._swept + SWEEPING:
                self._sweep()
        except StagingStoppedError:
            log.info("%s waits for the site to come back", requestid)
        except Exception as err:  # noqa: BLE001 - see below
            # Whatever it is, the one who asked must learn of it, and the next request must have its turn.
            words = str(err) if isinstance(err, JSOCError | OSError) else f"{type(err).__name__}: {err}"
            log.warning("%s failed: %s", requestid, words)
            try:
                self._note(requestid, status=FAILED, error=words, finished=time.time(), host="")
            except JSOCError as failure:
                log.warning("%s will be tried again when the site starts: %s", requestid, failure)

    def _note(self, requestid: str, **changes: object) -> None:
        table = schema.requests
        with self.catalogue.writing() as connection:
            connection.execute(table.update().where(table.c.requestid == requestid), changes)

    def _sweep(self) -> None:
        """
        Remove the files that nobody may have any more.
        """
        self._swept = time.monotonic()
        if self.limits.retain_days is None:
            return
        table = schema.requests
        old = (table.c.status == DONE) & (table.c.finished < time.time() - self.limits.retain_days * DAY)
        with self.catalogue.engine.connect() as connection:
            expired = connection.execute(
                sa.select(table.c.requestid, table.c.sunum, table.c.series, table.c.steps).where(
                    old, table.c.sunum.is_not(None)
                )
            ).all()
        for requestid, sunum, series, steps in expired:
            if self._stopping.is_set():
                return
            self.catalogue.remove_unit(sunum)
            if steps:
                processing.discard(self.catalogue, series, requestid)
            self._note(requestid, sunum=None)
            log.info("%s: its files were removed", requestid)


def _with_images(filters: tuple[Any, ...]) -> tuple[Any, ...]:
    """
    Add what an export adds by itself: only records that have an image, unless the set tests QUALITY (contract B.12).
    """
    tests = [item.text for item in filters if isinstance(item, SqlFilter) and not item.all_versions]
    if any(map(_OWN_QUALITY.search, tests)):
        return filters
    return (*filters, SqlFilter(HAS_IMAGE))


def _digest(order: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


def _job(row: sa.Row[Any]) -> Job:
    names = ("requestid", "method", "protocol", "filename_format", "series", "recnums", "segments")
    steps = [processing.Step(name, arguments) for name, arguments in row.steps]
    return Job(**{name: getattr(row, name) for name in names}, steps=steps)
