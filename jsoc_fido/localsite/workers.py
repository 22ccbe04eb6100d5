"""
Carrying out requests: in the background, one after the other, and again after a site was killed (contract B.14).
"""

import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jsoc_fido.exceptions import ExportError, JSOCError
from jsoc_fido.localsite import processing, schema
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.limits import MEGABYTE, Limits
from jsoc_fido.localsite.replies import DONE, FAILED, QUEUED, RUNNING, TOO_LARGE
from jsoc_fido.localsite.staging import Job, StagingStoppedError, TooMuchError, stage
from jsoc_fido.localsite.storageunits import SU_AS_IS, stage_units
from jsoc_fido.localsite.turnstile import Turnstile

__all__ = ["Workers", "index_path"]

log = logging.getLogger(__name__)

#: The series that the files of requests belong to.
EXPORTS = "jsoc.export"

#: Series whose offline files are brought back for an export, without anybody's help (contract B.12).
NEARLINE = "iris.lev1"

#: Seconds between two looks for files that nobody may have any more.
SWEEPING = 3600

#: Part of the time that a request takes in which nobody works on it yet, and it may be cancelled.
IN_QUEUE = 0.1

DAY = 86400


class Workers:
    """
    Carry out the requests in the site's database.

    Parameters
    ----------
    catalogue
        The site.
    staging_time
        Seconds that a request takes at least. It can be cancelled in the first tenth of them.
    limits
        How large a request may get, and how long its files stay.
    """

    def __init__(self, catalogue: Catalogue, staging_time: float, limits: Limits) -> None:
        self.catalogue = catalogue
        self.staging_time = staging_time
        self.limits = limits
        self._stopping = threading.Event()
        self._threads: ThreadPoolExecutor | None = None
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
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="export")
        self._threads.submit(self._sweep)
        if not self._turnstile.enter():
            return
        table = schema.requests
        with self.catalogue.engine.connect() as connection:
            left = sa.select(table.c.requestid).where(table.c.status.in_([QUEUED, RUNNING])).order_by(table.c.submitted)
            unfinished = list(connection.scalars(left))
        for requestid in unfinished:
            self._threads.submit(self._carry_out, requestid)

    def stop(self) -> None:
        """
        Stop working, at the next file.
        """
        self._stopping.set()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None
        self._turnstile.leave()

    def submit(self, requestid: str) -> None:
        """
        Carry out a request when its turn comes; before `start`, it waits.
        """
        if self._threads is not None:
            self._threads.submit(self._carry_out, requestid)

    def _carry_out(self, requestid: str) -> None:
        table = schema.requests
        began = time.monotonic()
        if self._stopping.wait(IN_QUEUE * self.staging_time):
            return
        try:
            mine = table.c.requestid == requestid
            # Until it is begun, it may be cancelled.
            waits = table.c.status.in_([QUEUED, RUNNING]) & table.c.error.is_(None)
            with self.catalogue.writing() as connection:
                begin = table.update().where(mine, waits).values(status=RUNNING)
                row = connection.execute(begin.returning(*table.c)).one_or_none()
                error = None if row is not None else connection.scalar(sa.select(table.c.error).where(mine))
            if error is not None:
                raise ExportError(error, request_id=requestid)
            if row is None:
                return
            # A request that was begun before the site was killed has its storage unit, and perhaps all of its files.
            sunum = row.sunum or self.catalogue.new_units(EXPORTS, 1)[0]
            self._note(requestid, sunum=sunum)
            if row.sunum is None or not index_path(self.catalogue, sunum).is_file():
                self._stage(row, sunum)
            if not self._stopping.wait(max(0.0, self.staging_time - (time.monotonic() - began))):
                self._note(requestid, status=DONE, finished=time.time(), host="")
            if time.monotonic() > self._swept + SWEEPING:
                self._sweep()
        except StagingStoppedError:
            log.info("%s waits for the site to come back", requestid)
        except TooMuchError as err:
            self._give_up(requestid, TOO_LARGE, str(err))
        except Exception as err:  # noqa: BLE001 - see below
            # Whatever it is, the one who asked must learn of it, and the next request must have its turn.
            words = str(err) if isinstance(err, JSOCError | OSError) else f"{type(err).__name__}: {err}"
            self._give_up(requestid, FAILED, words)

    def _stage(self, row: sa.Row[Any], sunum: int) -> None:
        if row.protocol == SU_AS_IS:
            stage_units(self.catalogue, row.requestid, row.method, row.recnums, sunum)
            return
        if row.series.lower().startswith(NEARLINE):
            self.catalogue.set_online(row.series, row.recnums, online=True)
        most = math.floor(self.limits.megabytes * MEGABYTE)
        stage(self.catalogue, _job(row), sunum, self._stopping.is_set, most=most)

    def _give_up(self, requestid: str, status: int, words: str) -> None:
        log.warning("%s failed: %s", requestid, words)
        try:
            self._note(requestid, status=status, error=words, finished=time.time(), host="")
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


def index_path(catalogue: Catalogue, sunum: int | None) -> Path:
    """
    Where the reply about a finished request is kept.
    """
    return catalogue.slot_directory(sunum or 0) / "index.json"


def _job(row: sa.Row[Any]) -> Job:
    names = ("requestid", "method", "protocol", "filename_format", "series", "recnums", "segments")
    steps = [processing.Step(name, arguments) for name, arguments in row.steps]
    return Job(**{name: getattr(row, name) for name in names}, steps=steps)
