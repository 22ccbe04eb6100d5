"""
Writing the files of a request, and the list of them (contract B.15, D, E.7).
"""

import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from jsoc_fido import headers
from jsoc_fido.exceptions import DataError, ExportError
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.fields import Field
from jsoc_fido.localsite.filenames import FileNames
from jsoc_fido.localsite.listing import NO_FILE, Table
from jsoc_fido.localsite.select import Selection
from jsoc_fido.series import NameMap, Series

__all__ = ["Job", "StagingStoppedError", "stage"]

MEGABYTE = 1 << 20

#: Records whose keywords are in memory at the same time.
BATCH = 500

NO_FILES = "warning=No FITS files were exported. The requested FITS files no longer exist."


class StagingStoppedError(ExportError):
    """
    The site goes down; the request will be taken up again.
    """


@dataclass(frozen=True, slots=True)
class Job:
    """
    A request, as far as its files are concerned.
    """

    requestid: str
    method: str
    protocol: str
    filename_format: str
    series: str
    recnums: Sequence[int]
    segments: Sequence[str]

    @property
    def with_headers(self) -> bool:
        return self.protocol.lower().startswith("fits")


@dataclass
class _Result:
    """
    What was written so far.
    """

    directory: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, record: str, name: str) -> None:
        self.rows.append({"record": record, "filename": name})
        self.names.append(name)
        self.size += (self.directory / name).stat().st_size


def stage(catalogue: Catalogue, job: Job, sunum: int, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """
    Write the files of a request, and ``index.json``, into a storage unit.

    Parameters
    ----------
    catalogue
        The site.
    job
        The request.
    sunum
        The storage unit, which must be new.
    is_stopping
        Asked before each file.

    Raises
    ------
    DataError
        If a file cannot be read or written, or two would get the same name.
    ExportError
        If it was stopped.
    QueryError
        If the format of the file names does not fit the series.
    """
    directory = catalogue.slot_directory(sunum)
    try:
        directory.mkdir(parents=True)
        result = _Result(directory)
        for start in range(0, len(job.recnums), BATCH):
            _write_batch(catalogue, job, job.recnums[start : start + BATCH], result, is_stopping)
        _write_index(job, result, f"/{STORAGE}/D{sunum}/S00000")
    except BaseException as err:
        shutil.rmtree(directory.parent, ignore_errors=True)
        if isinstance(err, OSError):
            raise DataError(f"{err.filename} cannot be written: {err.strerror}.") from err
        raise


def _write_batch(
    catalogue: Catalogue, job: Job, recnums: Sequence[int], result: _Result, is_stopping: Callable[[], bool]
) -> None:
    # All segments need no list, which would be longer than DRMS takes.
    every = set(job.segments) == set(catalogue.series(job.series).segments)
    selection = Selection.of_records(catalogue, job.series, recnums, () if every else job.segments)
    table = Table(selection)
    file_names = FileNames(job.filename_format, table, first=len(result.names))
    numbers, records = table.column(selection.table.c.recnum), table.names()
    paths = {name: table.segment(name) for name in selection.segments}
    keywords = _Keywords(table) if job.with_headers else None
    listing = _KeywordList(table) if keywords is None else None
    table.read()
    stored = {name: maker()["values"] for name, maker in paths.items()}
    for place, (recnum, record) in enumerate(zip(numbers(), records(), strict=True)):
        for segment, files in stored.items():
            if is_stopping():
                raise StagingStoppedError("the site goes down", request_id=job.requestid)
            path = files[place]
            label = record if keywords is not None else f"{record}{{{segment}}}"
            if not path.startswith("/SUM") or not (source := catalogue.directory / path.lstrip("/")).exists():
                if keywords is None:
                    result.rows.append({"record": label, "filename": NO_FILE})
                continue
            target = result.directory / file_names.name(place, source.name)
            if target.exists():
                raise DataError(
                    f"Two files would be named {target.name}; the format {job.filename_format!r} must tell them apart."
                )
            if keywords is not None and keywords.is_image(segment):
                headers.write_fits(source, target, keywords.header(place, segment, recnum))
            else:
                _copy(source, target)
            result.add(label, target.name)
    if listing is not None:
        listing.append_to(result.directory / f"{job.requestid}.keywords.txt")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


class _Keywords:
    """
    Headers for the records of a table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        found: dict[str, Field] = {}
        keywords = []
        for keyword in table.fields.series.keywords.values():
            if table.fields.series.is_implicit(keyword.name):
                continue
            names = [keyword.name]
            if keyword.is_per_segment:
                names = [f"{keyword.name}_{number:03d}" for number in range(len(table.fields.series.segments))]
            fields = {name: known for name in names if (known := table.fields.find(name)) is not None}
            if keyword.link is not None and (not fields or fields[keyword.name].keyword.type == "link"):
                # A keyword whose link leads nowhere has no type, and no card (contract E.4).
                continue
            keywords.append(keyword if keyword.link is None else replace(fields[keyword.name].keyword, link=None))
            found |= fields
        self.series: Series = replace(table.fields.series, keywords=NameMap(keywords))
        self._makers = {name: table.native(known) for name, known in found.items() if known.column is not None}
        self._constants = {name: known.constant for name, known in found.items() if known.column is None}
        self._columns: dict[str, Sequence[object]] = {}

    def is_image(self, segment: str) -> bool:
        known = self.table.fields.find_segment(segment)
        return known is not None and known.segment.protocol != "generic"

    def header(self, place: int, segment: str, recnum: int) -> headers.fits.Header:
        if not self._columns:
            self._columns = {name: maker() for name, maker in self._makers.items()}
        values = {**self._constants, **{name: column[place] for name, column in self._columns.items()}}
        return headers.header(self.series, values, segment=segment, recnum=recnum)


class _KeywordList:
    """
    Keywords of the records as text, which go with files without headers (contract E.1).
    """

    def __init__(self, table: Table) -> None:
        self.names = list(table.fields.names())
        self._makers = [table.texts(name) for name in self.names]
        self._records = table.names()

    def append_to(self, path: Path) -> None:
        new = not path.exists()
        with path.open("a", encoding="utf-8") as file:
            if new:
                file.write("\t".join(["record", *self.names]) + "\n")
            for row in zip(self._records(), *(maker() for maker in self._makers), strict=True):
                file.write("\t".join(" ".join(str(text).split()) for text in row) + "\n")


def _write_index(job: Job, result: _Result, directory: str) -> None:
    keywords = f"{job.requestid}.keywords.txt"
    protocol = "fits" if job.with_headers else job.protocol
    header = {"requestid": job.requestid, "method": job.method, "protocol": protocol}
    counted = {"count": str(len(result.names)), "size": str(-(-result.size // MEGABYTE))}
    if job.with_headers:
        index: dict[str, object] = {
            "version": "0.5",
            **header,
            **counted,
            "exptime": datetime.now(UTC).strftime("%Y.%m.%d_%H:%M:%S_UT"),
            "dir": directory,
            "status": "0",
            "keywords": "**IN FITS FILES**",
        }
    else:
        index = {
            "version": "1",
            **header,
            "wait": "0",
            **counted,
            "status": "0",
            "dir": directory,
            "keywords": f"{directory}/{keywords}",
        }
    if job.method.endswith("-tar"):
        index["tarfile"] = f"{directory}/{job.requestid}.tar"
        _tar(result, result.directory / f"{job.requestid}.tar", extra=() if job.with_headers else (keywords,))
    rows = result.rows
    if job.with_headers and not result.names:
        rows = [{"record": NO_FILES, "filename": ""}]
    index["data"] = rows
    text = json.dumps(index).replace("/", "\\/")
    temporary = result.directory / "index.json.part"
    temporary.write_text(text + "\n", "ascii")
    temporary.replace(result.directory / "index.json")


def _tar(result: _Result, path: Path, extra: Sequence[str]) -> None:
    with tarfile.open(path, "w") as archive:
        for name in [*result.names, *extra]:
            archive.add(result.directory / name, f"./{name}")
    for name in result.names:
        target = result.directory / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
