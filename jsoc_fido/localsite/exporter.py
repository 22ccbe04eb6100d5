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
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jsoc_fido.exceptions import JSOCError, QueryError
from jsoc_fido.localsite import filenames, pictures, processing, schema
from jsoc_fido.localsite.addresses import REGISTERED, Addresses, requester
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.database import take
from jsoc_fido.localsite.inquiry import flag
from jsoc_fido.localsite.limits import MEGABYTE, Limits
from jsoc_fido.localsite.question import record_sets
from jsoc_fido.localsite.replies import (
    BUSY,
    DONE,
    EXPIRED,
    FAILED,
    NOT_ONLINE,
    QUEUED,
    RUNNING,
    TEST,
    TOO_LARGE,
    Found,
    Index,
    RefusedError,
    TooLargeError,
    queued,
    quick,
    unfinished,
)
from jsoc_fido.localsite.select import MOST_RECORDS
from jsoc_fido.localsite.sizeratio import given_ratio, ratio_of, shape_of
from jsoc_fido.localsite.storageunits import SU_AS_IS, quick_units, unit_numbers
from jsoc_fido.localsite.uploads import with_upload
from jsoc_fido.localsite.workers import DAY, EXPORTS, NEARLINE, Workers, index_path
from jsoc_fido.recordset import Extreme, KeyFilter, RecordNumbers, RecordSet, SqlFilter

__all__ = ["Exporter"]

log = logging.getLogger(__name__)

METHODS = ("url", "url_quick", "url-tar", "ftp", "ftp-tar")
PROTOCOLS = ("as-is", "fits", *pictures.KINDS)

_REQUEST_ID = re.compile(r"JSOC_\d{8}_\d+(?:_SU)?(?:_IN)?")
#: What an export adds to a record set (contract B.12).
HAS_IMAGE = "drms.image_exists(quality)"

#: Characters of an argument, as of the text of a test in a record set; and arguments with bounds of their own.
LONGEST_ARGUMENT = 8192
LISTS = {"ds", "file", "sunum"}

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
        Seconds that a request takes at least.
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
        self._workers = Workers(catalogue, staging_time, self.limits)
        self._submitting = threading.Lock()

    def start(self) -> None:
        """
        Begin to carry requests out, with those that are not finished yet, unless another process has begun with them.

        Nothing happens on a site that is read only.
        """
        self._workers.start()

    def stop(self) -> None:
        """
        Stop working, at the next file.
        """
        self._workers.stop()

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
                if len(value) > LONGEST_ARGUMENT and name not in LISTS:
                    words = f"The argument {name} has {len(value)} characters; at most {LONGEST_ARGUMENT} are taken."
                    raise RefusedError(FAILED, words)
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
        if kind in pictures.KINDS:
            pictures.Rendering.parse(protocol)
        limit, steps = processing.parse(parameters)
        with self._submitting:
            self._check_pending(address, host)
            sets = self._record_sets(parameters)
            found = self._found(sets, limit)
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
            self._check_files(found, order, all_online=flag(parameters, "o", default=True))
            self._check_size(found, order, given_ratio(parameters))
            if method == "url_quick" and kind == "as-is" and not steps and all(part.is_online for part in found):
                return quick(found, order)
            if len(found) > 1 and not _are_numbers(sets):
                raise RefusedError(FAILED, "Only one record set can be exported at a time.")
            if self.catalogue.read_only:
                raise RefusedError(
                    FAILED,
                    "This site is read only and stages nothing; files can be had as they are stored, by method "
                    "url_quick and protocol as-is.",
                )
            order["error"] = self._objection(parameters["ds"], sets, protocol)
            row = self._enqueue(order, digest, requester(address), requester(host) if host else "")
            # A test is told as one, and carried out like any other request.
            status = TEST if flag(parameters, "t") else QUEUED
            return queued(row, wait=self._estimate, status=status)

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
        return queued(row, wait=self._estimate, status=TEST if flag(parameters, "t") else QUEUED)

    def _record_sets(self, parameters: Mapping[str, str]) -> list[RecordSet]:
        sets = record_sets(parameters.get("ds", ""))
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

    def _found(self, sets: list[RecordSet], limit: int) -> list[Found]:
        found: list[Found] = []
        left = MOST_RECORDS
        for number, item in enumerate(sets):
            found.append(Found(self.catalogue, item, limit))
            left -= len(found[-1].recnums)
            if left < 0:
                raise RefusedError(FAILED, f"Can not open RecordSet {number} is too many records in one request.")
        return found

    def _objection(self, text: str, sets: list[RecordSet], protocol: str) -> str | None:
        """
        What will be wrong when the request is carried out: it is taken, and fails then (contract B.11).
        """
        if protocol.partition(",")[0].lower() not in PROTOCOLS:
            return f"Protocol {protocol!r} is not supported; there are {', '.join(PROTOCOLS)}."
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
                if row.error is None and (row.status != DONE or self._is_there(row)):
                    return row
        return None

    def _check_files(self, found: list[Found], order: Mapping[str, Any], *, all_online: bool) -> None:
        if any(part.without_storage for part in found):
            raise RefusedError(FAILED, "One or more records contain no Storage Units")
        if lost := [part.lost_unit for part in found if part.lost_unit is not None]:
            raise RefusedError(FAILED, f"One or more Storage Units are invalid{lost[0]}")
        is_nearline = order["series"].lower().startswith(NEARLINE)
        if all_online and not is_nearline and not all(part.is_online for part in found):
            words = (
                "One or more data files are offline; please send a request for help to jsoc@sun.stanford.edu and we "
                "will place the requested data online, and then you may try again"
            )
            raise RefusedError(NOT_ONLINE, words if self.catalogue.read_only else f"{words}; {self._new_id()}")
        # Keywords are all that there is to export of a series without segments (contract E.1).
        is_table = not order["segments"] and order["protocol"].lower().startswith("fits")
        if not is_table and not is_nearline and not any(part.has_files for part in found):
            raise RefusedError(FAILED, "There are no files in this RecordSet")

    def _check_size(self, found: list[Found], order: Mapping[str, Any], given: float) -> None:
        """
        Make sure that a request is not too large (contract B.12).

        What processing leaves of the files counts, as far as the one who asks says how much that is, but never less
        than what the steps make (contract B.9, F.2).
        """
        ratio = 1.0
        if order["steps"]:
            told = ratio_of(order["steps"], shape_of(self.catalogue, self.catalogue.series(order["series"])))
            ratio = given if told is None else max(given, told)
        compressed = any(part.is_compressed for part in found)
        most = self.limits.most_megabytes(order["protocol"], compressed=compressed)
        if order["megabytes"] * ratio > most:
            raise TooLargeError(order, most, ratio)

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
        self._workers.submit(requestid)
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
                reply = Index.read(index_path(self.catalogue, row.sunum))
            except OSError:
                return self._expired(row)
            return self._expired(row) if self._has_expired(row) else reply
        if row.status in {QUEUED, RUNNING}:
            # What waits is told as running, whether somebody works on it or not.
            return unfinished(row, RUNNING, wait=self._estimate)
        if row.status not in {FAILED, TOO_LARGE}:
            return unfinished(row, FAILED, wait=999999, error="Illegal status in export record")
        return unfinished(row, row.status, wait=999999, error=row.error or "RecordSet specified does not exist")

    @property
    def _estimate(self) -> int:
        return max(1, math.ceil(self.staging_time))

    def _is_there(self, row: sa.Row[Any]) -> bool:
        return index_path(self.catalogue, row.sunum).is_file() and not self._has_expired(row)

    def _has_expired(self, row: sa.Row[Any]) -> bool:
        days = self.limits.retain_days
        return days is not None and row.finished is not None and row.finished < time.time() - days * DAY

    def _expired(self, row: sa.Row[Any]) -> dict[str, Any]:
        words = f"Request was completed but is now deleted, {self.limits.retain_days or 7:g} day limit exceeded"
        return unfinished(row, EXPIRED, wait=999999, error=words)


def _with_images(filters: tuple[Any, ...]) -> tuple[Any, ...]:
    """
    Add what an export adds by itself: only records that have an image, unless the set tests QUALITY (contract B.12).
    """
    tests = [item.text for item in filters if isinstance(item, SqlFilter) and not item.all_versions]
    if any(map(_OWN_QUALITY.search, tests)):
        return filters
    return (*filters, SqlFilter(HAS_IMAGE))


def _are_numbers(sets: Iterable[RecordSet]) -> bool:
    """
    Whether a request becomes a list of record numbers, as one for the first or last records does: it may have several
    sets, then (contract A.14).
    """
    items = (item for part in sets for each in part.filters if isinstance(each, KeyFilter) for item in each.items)
    return any(isinstance(item, Extreme) for item in items)


def _digest(order: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()
