"""
What was asked of sites, and what is still to be brought: a small database in the user's state directory.

It survives a crash, and all processes of a user share it. E-mail addresses are not in it.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsoc_fido import config

__all__ = ["EXPIRY", "Entry", "Job", "Journal"]

log = logging.getLogger(__name__)

#: Seconds for which JSOC keeps the files of a request (users.md, section 2).
EXPIRY = 7 * 86400.0

#: Of requests and jobs that are older nobody will ask.
FORGOTTEN = 60 * 86400.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    site TEXT NOT NULL, requestid TEXT NOT NULL, digest TEXT NOT NULL, series TEXT NOT NULL, record_set TEXT NOT NULL,
    method TEXT NOT NULL, protocol TEXT NOT NULL, submitted REAL NOT NULL, finished REAL, state TEXT NOT NULL,
    files INTEGER, error TEXT, PRIMARY KEY (site, requestid));
CREATE INDEX IF NOT EXISTS requests_digest ON requests (digest);
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT PRIMARY KEY, started REAL NOT NULL, rows TEXT NOT NULL, options TEXT NOT NULL, files INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A staged request: where, what, when (in seconds since 1970), and how it is.

    ``state`` is ``"pending"``, ``"done"``, ``"failed"`` or ``"expired"``.
    """

    site: str
    requestid: str
    digest: str
    series: str
    record_set: str
    method: str
    protocol: str
    submitted: float
    finished: float | None = None
    state: str = "pending"
    files: int | None = None
    error: str | None = None

    @property
    def expires(self) -> float:
        """
        When the site will remove the files, in seconds since 1970.
        """
        return (self.finished or self.submitted) + EXPIRY


@dataclass(frozen=True, slots=True)
class Job:
    """
    A fetch that was begun: the rows as a saved table, and the options of the fetch.
    """

    job: str
    started: float
    rows: str
    options: dict[str, str | None]
    files: int


class Journal:
    """
    The journal.

    Parameters
    ----------
    path
        The database file; by default in the user's state directory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or config.state_folder() / "journal.sqlite"

    def add(self, entry: Entry) -> None:
        """
        Enter a request, or what is new about it.
        """
        self._write(
            "INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(getattr(entry, name) for name in Entry.__slots__),
        )
        self._write("DELETE FROM requests WHERE submitted < ?", time.time() - FORGOTTEN)

    def note(
        self, site: str, requestid: str, state: str, *, files: int | None = None, error: str | None = None
    ) -> None:
        """
        Note how a request is; one that the journal does not know stays unknown.
        """
        finished = None if state == "pending" else time.time()
        self._write(
            "UPDATE requests SET state = ?, finished = coalesce(finished, ?), files = coalesce(?, files), error = ?"
            " WHERE site = ? AND requestid = ?",
            state, finished, files, error, site, requestid,
        )  # fmt: skip

    def live(self, digest: str) -> Entry | None:
        """
        The newest request for the same that has neither failed nor expired.
        """
        entries = self._entries("digest = ? AND state IN ('pending', 'done')", digest)
        return next((entry for entry in entries if entry.expires > time.time()), None)

    def site_of(self, requestid: str) -> str | None:
        """
        The site of a request, None if it is not one of ours, or if several sites have one of that name.
        """
        sites = {entry.site for entry in self._entries("requestid = ?", requestid)}
        return sites.pop() if len(sites) == 1 else None

    def requests(self) -> list[Entry]:
        """
        All requests, the newest first.
        """
        return self._entries("1 = 1")

    def begin(self, job: Job) -> None:
        """
        Enter a fetch.
        """
        self._write(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?)",
            job.job, job.started, job.rows, json.dumps(job.options), job.files,
        )  # fmt: skip
        self._write("DELETE FROM jobs WHERE started < ?", time.time() - FORGOTTEN)

    def end(self, job: str) -> None:
        """
        Forget a fetch that is complete.
        """
        self._write("DELETE FROM jobs WHERE job = ?", job)

    def jobs(self) -> list[Job]:
        """
        The fetches that were begun and are not complete, the oldest first.
        """
        rows = self._read("SELECT job, started, rows, options, files FROM jobs ORDER BY started")
        return [Job(job, started, text, json.loads(options), files) for job, started, text, options, files in rows]

    def _entries(self, condition: str, *values: str) -> list[Entry]:
        columns = ", ".join(Entry.__slots__)
        rows = self._read(
            f"SELECT {columns} FROM requests WHERE {condition} ORDER BY submitted DESC",  # noqa: S608 - our own text
            *values,
        )
        return [Entry(*row) for row in rows]

    def _write(self, statement: str, *values: object) -> None:
        # Files matter more than the note that they came.
        try:
            with self._open() as database, database:
                database.execute(statement, values)
        except (sqlite3.Error, OSError) as err:
            self._set_aside(err)
            log.warning(
                "The journal %s cannot be written: %s. What is interrupted now cannot be resumed.", self.path, err
            )

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._open() as database:
                return database.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as err:
            self._set_aside(err)
            log.warning("The journal %s cannot be read: %s.", self.path, err)
            return []

    def _set_aside(self, err: Exception) -> None:
        """
        Begin a new journal in the place of one that is damaged, so that it is complained about once.
        """
        if getattr(err, "sqlite_errorcode", None) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            with suppress(OSError):
                self.path.replace(self.path.with_suffix(".damaged"))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Each time anew: a connection is of one thread, and a fork must not inherit it.
        with closing(sqlite3.connect(self.path, timeout=30.0)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
                database.executescript(_SCHEMA)
            yield database
