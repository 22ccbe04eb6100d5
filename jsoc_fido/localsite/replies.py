"""
Replies to requests for staged files, and what they are made of (contract B.12 to B.16).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jsoc_fido.exceptions import ExportError, QueryError
from jsoc_fido.localsite import schema
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import NO_FILE, NO_TARGET, OFFLINE, Table
from jsoc_fido.recordset import RecordSet

__all__ = [
    "Found",
    "InFrame",
    "Index",
    "PlainText",
    "RefusedError",
    "TooLargeError",
    "formatted",
    "queued",
    "quick",
    "unfinished",
]

#: Statuses of requests (contract B.16).
DONE, RUNNING, QUEUED, TOO_LARGE, FAILED, EXPIRED, BUSY, TEST, NOT_ONLINE = 0, 1, 2, 3, 4, 5, 7, 12, 25

#: Records that are looked up at once.
BATCH = 5000

HELP = "jsoc_help@jsoc.stanford.edu"


class RefusedError(ExportError):
    """
    A request that is answered with a status other than success.

    Parameters
    ----------
    status
        The status.
    message
        Why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, status=status)
        self.reply: dict[str, Any] = {"status": status, "error": message}


class TooLargeError(RefusedError):
    """
    A request for more than the site stages at once.

    Parameters
    ----------
    order
        The request.
    most
        Megabytes that the site stages.
    ratio
        What processing makes of a megabyte.
    """

    def __init__(self, order: Mapping[str, Any], most: float, ratio: float = 1.0) -> None:
        times = "" if ratio == 1 else f"; processing makes {ratio:.3g}MB of each MB"
        super().__init__(TOO_LARGE, f"Request exceeds max byte limit of {most:.15g}MB{times}")
        self.reply = {
            "requestid": "VOID",
            "method": order["method"],
            "protocol": order["protocol"],
            "wait": 0,
            "status": TOO_LARGE,
            "count": len(order["recnums"]),
            "size": order["megabytes"],
            "error": str(self),
        }


class Index(dict[str, Any]):
    """
    The reply about a finished request, which is its ``index.json`` as it is: a member may come twice (contract B.15).

    Parameters
    ----------
    text
        The file.
    """

    def __init__(self, text: str) -> None:
        super().__init__(json.loads(text))
        self.text = text

    @classmethod
    def read(cls, path: Path) -> "Index":
        """
        Read the file.
        """
        return cls(path.read_text("ascii"))


class Found:
    """
    The records of one set, and where their files are.
    """

    def __init__(self, catalogue: Catalogue, record_set: RecordSet, limit: int) -> None:
        selection = Selection(catalogue, record_set)
        table = Table(selection)
        self.series = selection.series.name
        self.segments = selection.segments
        numbers, sizes, stored = table.column(selection.table.c.recnum), table.sizes(self.segments), table.online()
        segments = [table.segment(name) for name in self.segments]
        names = [table.names(segment=f"{{{name}}}") for name in self.segments]
        if not table.read(limit):
            raise QueryError(f"Can not open RecordSet, bad query or too many records: {record_set}")
        self.recnums = list(numbers())
        self.size = sum(size or 0 for size in sizes())
        files = [maker() for maker in segments]
        #: By segment, then by record.
        self.paths = [columns["values"] for columns in files]
        self.is_compressed = any(any(columns["cparms"]) for columns in files)
        self.names = [maker() for maker in names]
        self.is_online = not any(OFFLINE in paths for paths in self.paths)
        self.has_files = any(path.startswith("/SUM") for paths in self.paths for path in paths)
        own = [name for name in self.segments if selection.series.segments[name].link is None]
        self.lost_unit = _lost_unit(selection, self.recnums) if own else None
        self.without_storage = bool(own) and any(there is None for there in stored())


def _lost_unit(selection: Selection, recnums: Sequence[int]) -> int | None:
    """
    A storage unit of some records that is there no more, as those of processed records are when they have expired.
    """
    table, units = selection.table, schema.units
    with selection.catalogue.engine.connect() as connection:
        for start in range(0, len(recnums), BATCH):
            mine = table.c.recnum.in_(recnums[start : start + BATCH])
            lost = sa.select(table.c.sunum).where(mine, table.c.sunum.not_in(sa.select(units.c.sunum))).limit(1)
            if (sunum := connection.scalar(lost)) is not None:
                return sunum
    return None


def quick(found: Sequence[Found], order: Mapping[str, Any]) -> dict[str, Any]:
    """
    Reply to a request that needs no staging (contract B.13a).
    """
    rows = [
        {"record": name, "filename": NO_FILE if path == NO_TARGET else path}
        for part in found
        for names, paths in zip(zip(*part.names, strict=True), zip(*part.paths, strict=True), strict=True)
        for name, path in zip(names, paths, strict=True)
    ]
    return {
        "rcount": len(order["recnums"]),
        "count": len(rows),
        "size": order["megabytes"],
        "dir": "",
        "data": rows,
        "requestid": "",
        "method": order["method"],
        "protocol": order["protocol"],
        "wait": 0,
        "status": DONE,
    }


def queued(row: sa.Row[Any], *, wait: int, status: int = QUEUED) -> dict[str, Any]:
    """
    Reply to a request that was taken, now or earlier (contract B.13b, c).
    """
    return {
        "status": status,
        "requestid": row.requestid,
        "method": row.method,
        "protocol": row.protocol,
        "wait": wait,
        "rcount": len(row.recnums),
        "size": row.megabytes,
    }


def unfinished(row: sa.Row[Any], status: int, *, wait: int, error: str = "") -> dict[str, Any]:
    """
    Reply about a request that has no files (contract B.14).
    """
    reply: dict[str, Any] = {
        "status": status,
        "requestid": row.requestid,
        "method": row.method,
        "protocol": row.protocol,
        "wait": wait,
        "rcount": 0,
        "size": row.megabytes,
    }
    if error:
        reply |= {"error": error}
    if status > QUEUED:
        reply |= {"contact": HELP}
    return reply


class PlainText(str):
    """
    A reply that is no JSON.
    """

    __slots__ = ()


class InFrame(str):
    """
    A reply in JSON that a browser shall show in the frame from which a file was sent (contract B.0).
    """

    __slots__ = ()

    @classmethod
    def of(cls, text: str) -> "InFrame":
        """
        Write JSON so that it is no HTML, whatever it repeats of what was sent.
        """
        for character in "<>&":
            text = text.replace(character, f"\\u{ord(character):04x}")
        return cls(text)


def formatted(reply: Mapping[str, Any], form: str | None) -> Mapping[str, Any] | PlainText:
    """
    Write a reply as text, if that is the form which was asked for (contract B.13).

    Parameters
    ----------
    reply
        The reply.
    form
        The parameter ``format``: ``json`` or ``txt``; anything else is taken for ``json``.

    Examples
    --------
    >>> print(formatted({"status": 4, "error": "no records"}, "txt"), end="")
    status=4
    error=no records
    """
    if form != "txt":
        return reply
    lines = [f"{name}={value}" for name, value in reply.items() if name != "data"]
    if "data" in reply:
        data = reply["data"].values() if isinstance(reply["data"], dict) else reply["data"]
        lines += ["# DATA", *("\t".join(map(str, row.values())) for row in data)]
    return PlainText("".join(f"{line}\n" for line in lines))
