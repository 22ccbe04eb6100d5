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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from jsoc_fido import recordset
from jsoc_fido.exceptions import JSOCError, QueryError
from jsoc_fido.localsite import filenames, schema
from jsoc_fido.localsite.addresses import REGISTERED, Addresses, requester
from jsoc_fido.localsite.catalogue import Catalogue, take
from jsoc_fido.localsite.listing import OFFLINE
from jsoc_fido.localsite.replies import (
    BUSY,
    DONE,
    EXPIRED,
    FAILED,
    NOT_ONLINE,
    QUEUED,
    RUNNING,
    Found,
    RefusedError,
    TooLargeError,
    queued,
    quick,
    unfinished,
)
from jsoc_fido.localsite.staging import Job, StagingStoppedError, stage
from jsoc_fido.recordset import RecordSet, SqlFilter

__all__ = ["Exporter", "Limits"]

log = logging.getLogger(__name__)

METHODS = ("url", "url_quick", "url-tar", "ftp", "ftp-tar")
PROTOCOLS = ("as-is", "fits")
MEGABYTE = 1 << 20

_REQUEST_ID = re.compile(r"JSOC_\d{8}_\d+(?:_IN)?")
_OWN_QUALITY = re.compile(r"\bquality\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How much a site stages.

    Parameters
    ----------
    pending
        Unfinished requests of one address at a time; any number if None. JSOC allows 1.
    megabytes
        Size of one request.
    repeat_hours
        For how long the same request gets the same files again.
    """

    pending: int | None = None
    megabytes: float = 100_000
    repeat_hours: float = 24.0


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

    def start(self) -> None:
        """
        Begin to work, with the requests that are not finished yet.
        """
        self._stopping.clear()
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="export")
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

    def answer(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """
        Answer ``jsoc_fetch``.

        Parameters
        ----------
        parameters
            The parameters of the request.
        """
        operation = parameters.get("op", "")
        try:
            for name, value in parameters.items():
                if ";" in value or value.count("'") % 2:
                    raise RefusedError(FAILED, f"Illegal characters in argument {name}.")
            if operation == "exp_request":
                return self.request(parameters)
            if operation == "exp_status":
                return self.status(parameters.get("requestid", ""))
            if operation == "exp_repeat":
                raise RefusedError(FAILED, "Re-Export requests temporarily disabled.")
        except RefusedError as err:
            return err.reply
        except JSOCError as err:
            return {"status": FAILED, "error": str(err)}
        words = f"{operation!r} is no operation of this site; there are exp_request and exp_status."
        return {"status": FAILED, "error": words}

    # Asking

    def request(self, parameters: Mapping[str, str]) -> dict[str, Any]:
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
        limit = _record_limit(parameters)
        with self._submitting:
            self._check_pending(address)
            found = [Found(self.catalogue, item, limit) for item in self._record_sets(parameters)]
            order = {
                "method": method,
                "protocol": protocol,
                "filename_format": parameters.get("filenamefmt") or filenames.DEFAULT,
                "series": found[0].series,
                "recnums": [recnum for part in found for recnum in part.recnums],
                "segments": found[0].segments,
                "megabytes": max(math.floor(size / MEGABYTE), 1) if (size := sum(part.size for part in found)) else 0,
            }
            digest = _digest(order)
            earlier = self._earlier(digest)
            if earlier is not None:
                return queued(earlier, wait=0)
            self._check(found, order)
            if method == "url_quick" and kind == "as-is":
                return quick(found, order)
            if len(found) > 1:
                raise RefusedError(FAILED, "Only one record set can be exported at a time.")
            return queued(self._enqueue(order, digest, address), wait=self._estimate(QUEUED))

    def _record_sets(self, parameters: Mapping[str, str]) -> list[RecordSet]:
        sets = recordset.parse_list(parameters.get("ds", ""))
        if len({item.series for item in sets}) > 1:
            raise QueryError("All record sets of a request must be of the same series.")
        if sets[0].series.lower().startswith("jsoc.export"):
            raise QueryError(f"Records of {sets[0].series} cannot be exported.")
        listed = tuple(name for name in parameters.get("seg", "").split(",") if name)
        if listed and any(item.segments for item in sets):
            raise QueryError("Give the segments either in the record set or as seg=, not both.")
        checks = "q" not in parameters and self.catalogue.series(sets[0].series).keyword("quality") is not None
        return [
            RecordSet(item.series, _with_images(item.filters) if checks else item.filters, item.segments or listed)
            for item in sets
        ]

    def _check_pending(self, address: str) -> None:
        if self.limits.pending is None:
            return
        table = schema.requests
        mine = (table.c.requester == requester(address)) & table.c.status.in_([QUEUED, RUNNING])
        with self.catalogue.engine.connect() as connection:
            pending = list(connection.scalars(sa.select(table.c.requestid).where(mine)))
        if len(pending) >= self.limits.pending:
            raise RefusedError(
                BUSY,
                f"User {address} has {len(pending)} pending export requests ({', '.join(pending)}); please wait until "
                "at least one request has completed before submitting a new one.",
            )

    def _earlier(self, digest: str) -> sa.Row[Any] | None:
        table = schema.requests
        recent = time.time() - self.limits.repeat_hours * 3600
        same = (table.c.hash == digest) & (table.c.submitted > recent) & table.c.status.in_([DONE, RUNNING, QUEUED])
        with self.catalogue.engine.connect() as connection:
            for row in connection.execute(sa.select(table).where(same).order_by(table.c.submitted.desc())):
                if row.status != DONE or self._index(row).is_file():
                    return row
        return None

    def _check(self, found: list[Found], order: Mapping[str, Any]) -> None:
        paths = [path for part in found for row in part.paths for path in row]
        if any(part.without_storage for part in found):
            raise RefusedError(FAILED, "One or more records contain no Storage Units")
        if OFFLINE in paths:
            raise RefusedError(
                NOT_ONLINE,
                "One or more data files are offline; please send a request for help to jsoc@sun.stanford.edu and we "
                "will place the requested data online, and then you may try again",
            )
        if order["megabytes"] > self.limits.megabytes:
            raise TooLargeError(order, self.limits.megabytes)
        if not any(path.startswith("/SUM") for path in paths):
            raise RefusedError(FAILED, "There are no files in this RecordSet")

    def _enqueue(self, order: Mapping[str, Any], digest: str, address: str) -> sa.Row[Any]:
        table = schema.requests
        day = datetime.now(UTC).strftime("%Y%m%d")
        with self.catalogue.engine.begin() as connection:
            number = take(connection, f"request {day}", 1)[0]
            requestid = f"JSOC_{day}_{number:03d}"
            connection.execute(
                table.insert(),
                {
                    "requestid": requestid,
                    "status": QUEUED,
                    "submitted": time.time(),
                    "hash": digest,
                    "requester": requester(address),
                    **order,
                },
            )
            row = connection.execute(sa.select(table).where(table.c.requestid == requestid)).one()
        log.info("%s: %d records of %s", requestid, len(order["recnums"]), order["series"])
        if self._workers is not None:
            self._workers.submit(self._carry_out, requestid)
        return row

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
            row = connection.execute(sa.select(table).where(table.c.requestid == match[0])).one_or_none()
        if row is None:
            raise RefusedError(FAILED, f"invalid export DRMS record for ID `%s`{match[0]}")
        if row.status == DONE:
            try:
                reply: dict[str, Any] = json.loads(self._index(row).read_text("ascii"))
            except OSError:
                words = "Request was completed but is now deleted, 7 day limit exceeded"
                return unfinished(row, EXPIRED, wait=999999, error=words)
            return reply
        if row.status in {QUEUED, RUNNING}:
            # What waits is told as running, whether somebody works on it or not.
            return unfinished(row, RUNNING, wait=self._estimate(row.status))
        return unfinished(row, row.status, wait=999999, error=row.error or "RecordSet specified does not exist")

    def _estimate(self, status: int) -> int:
        return max(1, math.ceil(self.staging_time * (2 if status == QUEUED else 1)))

    def _index(self, row: sa.Row[Any]) -> Any:
        return self.catalogue.slot_directory(row.sunum or 0) / "index.json"

    # Working

    def _carry_out(self, requestid: str) -> None:
        table = schema.requests
        if self._stopping.wait(self.staging_time):
            return
        try:
            with self.catalogue.engine.connect() as connection:
                row = connection.execute(sa.select(table).where(table.c.requestid == requestid)).one()
            self._note(requestid, status=RUNNING)
            sunum = self.catalogue.new_units("jsoc.export", 1)[0]
            stage(self.catalogue, _job(row), sunum, self._stopping.is_set)
            if not self._stopping.wait(self.staging_time):
                self._note(requestid, status=DONE, sunum=sunum)
        except StagingStoppedError:
            log.info("%s waits for the site to come back", requestid)
        except Exception as err:  # noqa: BLE001 - see below
            # Whatever it is, the one who asked must learn of it, and the next request must have its turn.
            words = str(err) if isinstance(err, JSOCError | OSError) else f"{type(err).__name__}: {err}"
            log.warning("%s failed: %s", requestid, words)
            self._note(requestid, status=FAILED, error=words)

    def _note(self, requestid: str, **changes: object) -> None:
        table = schema.requests
        with self.catalogue.engine.begin() as connection:
            connection.execute(table.update().where(table.c.requestid == requestid), changes)


def _with_images(filters: tuple[Any, ...]) -> tuple[Any, ...]:
    """
    Add what an export adds by itself: only records that have an image, unless the set tests QUALITY (contract B.12).
    """
    tests = [item.text for item in filters if isinstance(item, SqlFilter) and not item.all_versions]
    if any(map(_OWN_QUALITY.search, tests)):
        return filters
    return (*filters, SqlFilter("drms.image_exists(quality)"))


def _record_limit(parameters: Mapping[str, str]) -> int:
    """
    The number of records that ``process`` allows, in either of its spellings (contract B.9).
    """
    text = parameters.get("process=n")
    if text is None:
        text = parameters.get("process", "n=0").removeprefix("n=")
    number, *steps = re.split(r"\|", text)
    names = [step.partition(",")[0] for step in steps if step and step.partition(",")[0] != "no_op"]
    if parameters.get("processing"):
        try:
            names += dict(json.loads(parameters["processing"]))
        except (ValueError, TypeError) as err:
            raise RefusedError(FAILED, "invalid processing list argument") from err
    if names:
        raise RefusedError(FAILED, f"This site cannot carry out the processing step {', '.join(names)}.")
    try:
        return int(number.strip(", ") or 0)
    except ValueError as err:
        raise RefusedError(FAILED, f"Bad record limit n={number}.") from err


def _digest(order: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


def _job(row: sa.Row[Any]) -> Job:
    names = ("requestid", "method", "protocol", "filename_format", "series", "recnums", "segments")
    return Job(**{name: getattr(row, name) for name in names})
