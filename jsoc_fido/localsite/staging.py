"""
Writing the files of a request, and the list of them (contract B.15, D, E.7).
"""

import json
import math
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jsoc_fido import headers, subsets
from jsoc_fido.exceptions import DataError, ExportError
from jsoc_fido.fitsfiles import has_compressed_reals
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.filenames import FileNames
from jsoc_fido.localsite.keywords import Keywords
from jsoc_fido.localsite.keywordtable import KeywordTable
from jsoc_fido.localsite.limits import MEGABYTE
from jsoc_fido.localsite.pictures import KINDS, Movie, Rendering
from jsoc_fido.localsite.processing import Step, process
from jsoc_fido.localsite.processing.picture import read
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import NO_FILE, Table

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Job", "StagingStoppedError", "TooMuchError", "stage"]

#: Records whose keywords are in memory at the same time.
BATCH = 500

#: Stands for a movie among the records (contract B.15).
MOVIE = "movie of the following data"

#: How much of a picture its JPEG file keeps, in per cent.
QUALITY = 90

NO_FILES = "warning=No FITS files were exported. The requested FITS files no longer exist."


class StagingStoppedError(ExportError):
    """
    The site goes down; the request will be taken up again.
    """


class TooMuchError(ExportError):
    """
    Processing makes more than the site stages at once.
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
    steps: Sequence[Step] = ()

    @property
    def with_headers(self) -> bool:
        return self.protocol.lower().startswith("fits")

    @property
    def rendering(self) -> Rendering | None:
        return Rendering.parse(self.protocol) if self.protocol.partition(",")[0].lower() in KINDS else None


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


def stage(
    catalogue: Catalogue,
    job: Job,
    sunum: int,
    is_stopping: Callable[[], bool] = lambda: False,
    *,
    most: float = math.inf,
) -> None:
    """
    Write the files of a request, and ``index.json``, and make a storage unit of them when they are complete.

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
    most
        Bytes that processing may make.

    Raises
    ------
    DataError
        If a file cannot be read or written, or two would get the same name.
    ExportError
        If it was stopped, or processing makes too much.
    QueryError
        If the format of the file names does not fit the series.
    """
    unit = catalogue.staging_directory(job.requestid)
    directory = unit / "S00000"
    # What a site that was killed left behind.
    shutil.rmtree(unit, ignore_errors=True)
    try:
        directory.mkdir(parents=True)
        result = _Result(directory)
        job = _processed(catalogue, job, is_stopping, most)
        place = f"/{STORAGE}/D{sunum}/S00000"
        if (rendering := job.rendering) is not None:
            movies = _draw(catalogue, job, rendering, result, is_stopping)
            _write_picture_index(job, rendering, movies, result, place)
        elif job.with_headers and not catalogue.series(job.series).segments:
            _write_table(catalogue, job, result, is_stopping)
            _write_index(job, result, place)
        else:
            for start in range(0, len(job.recnums), BATCH):
                _write_batch(catalogue, job, job.recnums[start : start + BATCH], result, is_stopping)
            _write_index(job, result, place)
        unit.rename(catalogue.slot_directory(sunum).parent)
    except BaseException as err:
        shutil.rmtree(unit, ignore_errors=True)
        if isinstance(err, OSError):
            raise DataError(f"{err.filename or directory} cannot be written: {err.strerror or err}.") from err
        raise


def _processed(catalogue: Catalogue, job: Job, is_stopping: Callable[[], bool], most: float) -> Job:
    """
    Carry out the processing steps of a request: what is to be exported then are the records that they make (D.2).
    """
    if not job.steps:
        return job

    def check(size: int) -> None:
        if is_stopping():
            raise StagingStoppedError("the site goes down", request_id=job.requestid)
        if size > most:
            raise TooMuchError("Request too large", request_id=job.requestid)

    made = process(catalogue, job.series, job.recnums, job.segments, job.steps, job.requestid, check)
    return replace(job, series=made.series, recnums=made.recnums, segments=made.segments, steps=())


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
    keywords = Keywords(table) if job.with_headers else None
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
            _check_is_new(target, job)
            if keywords is not None and keywords.is_image(segment):
                headers.write_fits(source, target, keywords.cards(place, segment, recnum))
                if has_compressed_reals(target):
                    # DRMS refuses it too (contract E.1).
                    raise DataError("Cannot export Rice-compressed floating-point images.")
            else:
                _copy(source, target)
            result.add(label, target.name)
    if listing is not None:
        listing.append_to(result.directory / f"{job.requestid}.keywords.txt")


def _write_table(catalogue: Catalogue, job: Job, result: _Result, is_stopping: Callable[[], bool]) -> None:
    """
    Write the keywords of records that have no files.
    """
    rows = KeywordTable()
    names: list[str] = []
    for start in range(0, len(job.recnums), BATCH):
        if is_stopping():
            raise StagingStoppedError("the site goes down", request_id=job.requestid)
        table = Table(Selection.of_records(catalogue, job.series, job.recnums[start : start + BATCH]))
        numbers, records, keywords = table.column(table.fields.table.c.recnum), table.names(), Keywords(table)
        table.read()
        rows.add(table, numbers(), keywords)
        names += records()
    path = result.directory / f"{job.requestid}.keywords.fits"
    rows.write(path)
    sets = names if len(names) == 1 else map(str, subsets.by_numbers(job.series, job.recnums))
    result.add(",".join(sets), path.name)


def _draw(
    catalogue: Catalogue, job: Job, rendering: Rendering, result: _Result, is_stopping: Callable[[], bool]
) -> list[str]:
    """
    Draw the images of a request; give the names of the movies, one for each segment.
    """
    rows: dict[str, list[dict[str, str]]] = {}
    with ExitStack() as stack:
        movies: dict[str, Movie] = {}
        for start in range(0, len(job.recnums), BATCH):
            for drawing in _drawings(catalogue, job, job.recnums[start : start + BATCH], result):
                if is_stopping():
                    raise StagingStoppedError("the site goes down", request_id=job.requestid)
                picture = drawing.picture(rendering)
                picture.save(result.directory / drawing.name, "JPEG", quality=QUALITY)
                result.add(drawing.record, drawing.name)
                if rendering.is_movie:
                    if drawing.segment not in movies:
                        path = result.directory / f"{job.requestid}.{drawing.segment}.{rendering.kind}"
                        movies[drawing.segment] = Movie(path, rendering.kind)
                        stack.callback(movies[drawing.segment].close)
                    movies[drawing.segment].add(picture)
                rows.setdefault(drawing.segment, []).append(result.rows.pop())
    for segment, frames in rows.items():
        if segment in movies:
            result.add(MOVIE, movies[segment].path.name)
        result.rows += frames
    return [movie.path.name for movie in movies.values()]


@dataclass(frozen=True)
class _Drawing:
    """
    An image that is to be drawn.
    """

    record: str
    name: str
    segment: str
    pixels: np.ndarray
    values: Mapping[str, Any]

    def picture(self, rendering: Rendering) -> "Image":
        turn = math.radians(self.values.get("CROTA2") or 0.0)
        return rendering.draw(self.pixels, wavelength=self.values.get("WAVELNTH"), turned=math.cos(turn) < 0)


def _drawings(catalogue: Catalogue, job: Job, recnums: Sequence[int], result: _Result) -> Iterator[_Drawing]:
    """
    The images of records, one after the other; what is no image, or not there, is left out.
    """
    every = set(job.segments) == set(catalogue.series(job.series).segments)
    table = Table(Selection.of_records(catalogue, job.series, recnums, () if every else job.segments))
    file_names = FileNames(job.filename_format, table, first=len(result.names))
    records, keywords, listing = table.names(), Keywords(table), _KeywordList(table)
    paths = {name: table.segment(name) for name in table.selection.segments if keywords.is_image(name)}
    table.read()
    stored = {name: maker()["values"] for name, maker in paths.items()}
    for place, record in enumerate(records()):
        shape: tuple[int, ...] = ()
        for segment, files in stored.items():
            source = catalogue.directory / files[place].lstrip("/")
            if not files[place].startswith("/SUM") or not source.is_file():
                continue
            pixels, _ = read(source)
            shape = shape or pixels.shape
            # A list of spikes, say, is nothing to look at.
            if pixels.ndim == 2 and pixels.shape == shape:
                name = file_names.name(place, source.with_suffix(".jpg").name)
                name = name if name.endswith(".jpg") else f"{name}.jpg"
                _check_is_new(result.directory / name, job)
                yield _Drawing(record, name, segment, pixels, keywords.values(place))
    listing.append_to(result.directory / f"{job.requestid}.keywords.txt")


def _check_is_new(target: Path, job: Job) -> None:
    if target.exists():
        raise DataError(
            f"Two files would be named {target.name}; the format {job.filename_format!r} must tell them apart."
        )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


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


def _write_picture_index(
    job: Job, rendering: Rendering, movies: Sequence[str], result: _Result, directory: str
) -> None:
    keywords = f"{job.requestid}.keywords.txt"
    sets = subsets.by_numbers(job.series, job.recnums, tuple(job.segments))
    # One member comes twice, as at JSOC (contract B.15).
    members: list[tuple[str, object]] = [
        ("reqid", job.requestid),
        ("expversion", "0.5"),
        ("method", job.method),
        ("recordset", ",".join(map(str, sets))),
        ("protocol", rendering.kind),
        ("dir", directory),
        ("filefmt", job.filename_format),
        ("cparms", str(rendering)),
        ("keywords", f"{directory}/{keywords}"),
        ("size", f"{result.size / MEGABYTE:.6f}"),
        ("status", "0"),
        *([("movie name", movies[0])] if movies else []),
        ("keywords", f"{directory}/{keywords}"),
    ]
    if job.method.endswith("-tar"):
        members.append(("tarfile", f"{directory}/{job.requestid}.tar"))
        _tar(result, result.directory / f"{job.requestid}.tar", extra=(keywords,))
    members.append(("data", result.rows))
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members)
    _save_index(result, f"{{{text}}}")


def _save_index(result: _Result, text: str) -> None:
    temporary = result.directory / "index.json.part"
    temporary.write_text(text.replace("/", "\\/") + "\n", "ascii")
    temporary.replace(result.directory / "index.json")


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
    _save_index(result, json.dumps(index))


def _tar(result: _Result, path: Path, extra: Sequence[str]) -> None:
    with tarfile.open(path, "w") as archive:
        for name in [*result.names, *extra]:
            archive.add(result.directory / name, f"./{name}")
    for name in result.names:
        target = result.directory / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
