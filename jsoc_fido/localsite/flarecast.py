"""
FLARECAST's REST interface over the site's own records: lists of HMI records, their metadata, and finished files.

The addresses, parameters and replies are those of that gateway's tutorial; times are UTC.
"""

import itertools
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from jsoc_fido import fitsfiles, headers, names, times
from jsoc_fido.exceptions import DataError, JSOCError, QueryError
from jsoc_fido.localsite import info
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import Maker, Table
from jsoc_fido.printed import from_printed
from jsoc_fido.recordset import EmptyFilter, KeyFilter, Range, RecordSet, time_value
from jsoc_fido.series import Series

__all__ = ["add_flarecast", "listed", "metadata"]

#: Where finished files are, below the site's directory.
FINISHED = "finished"

#: Members of a listed record, with the keyword that each comes from; empty for those that only FLARECAST knows.
MEMBERS = {
    "date__obs": "DATE__OBS",
    "download_time": "",
    "exptime": "EXPTIME",
    "harpnum": "HARPNUM",
    "mask_cadence": "",
    "nbr_update": "",
    "quality": "QUALITY",
    "recnum": "",
    "recnum_init": "",
    "series_name": "",
    "t_rec_index": "T_REC_index",
    "time": "DATE",
    "type": "",
    "wavelnth": "WAVELNTH",
}

#: Members that are times, and printed with all decimals.
MOMENTS = frozenset({"date__obs", "time"})

TIME_KEY = "T_REC"

#: Records whose metadata can be asked for at once, and the highest number that a database holds.
MOST_RECORDS = 1000
HIGHEST = 2**63 - 1

#: Whole numbers beyond this are not exact.
LARGEST_WHOLE = 2**53

#: Files that are kept for whoever comes back for the rest.
KEPT = 50

#: Characters that need no quotes in a header.
_NO_TOKEN = re.compile(r"[^\w.+-]")

_ERROR = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}


def _refusal(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": _ERROR}}}


class MissingError(QueryError):
    """
    There is no such thing here.
    """


def listed(
    catalogue: Catalogue, name: str, start: datetime, end: datetime, *, meta: bool, address: str
) -> list[dict[str, Any]]:
    """
    List the records of a time range.

    Parameters
    ----------
    catalogue
        The site.
    name
        Name of the series.
    start, end
        First and last time that a record's slot may have; UTC unless they say otherwise.
    meta
        Whether all keywords come along.
    address
        Address of the site, for the files.

    Raises
    ------
    QueryError
        If there is no such series, or the times cannot be understood.
    """
    series = _series(catalogue, name)
    first, last = (time_value(_seconds(moment), "TAI", 3) for moment in (start, end))
    filters = (KeyFilter((Range(first, last),)) if key == TIME_KEY else EmptyFilter() for key in series.prime_keys)
    selection = Selection(catalogue, RecordSet(series.name, tuple(filters)))
    return [item for _, item in _described(selection, _meta_names(selection) if meta else None, address)]


def metadata(catalogue: Catalogue, name: str, recnums: Sequence[int], fields: Sequence[str]) -> dict[str, Any]:
    """
    Keywords of some records, by their numbers.

    Parameters
    ----------
    catalogue
        The site.
    name
        Name of the series.
    recnums
        Numbers of the records.
    fields
        Names of the keywords, in any case; none means all.

    Raises
    ------
    QueryError
        If there is no such series, record or keyword.
    """
    selection = Selection.of_records(catalogue, _series(catalogue, name).name, recnums)
    unknown = [field for field in fields if selection.series.keyword(field) is None]
    if unknown:
        raise QueryError(f"{selection.series.name} has no keyword {unknown[0]!r}.")
    wanted = [field.lower() for field in fields] or _meta_names(selection)
    found = {str(recnum): item for recnum, item in _described(selection, wanted, None)}
    if not found:
        raise MissingError(f"{selection.series.name} has no record {', '.join(map(str, recnums))}.")
    return found


def _series(catalogue: Catalogue, name: str) -> Series:
    try:
        series = catalogue.series(name)
    except QueryError as err:
        raise MissingError(f"There is no series {name!r} here.") from err
    if not series.name.lower().startswith("hmi.") or TIME_KEY not in series.prime_keys:
        raise MissingError(f"{series.name} is none of HMI's series with a {TIME_KEY}, which are what is listed here.")
    return series


def _seconds(moment: datetime) -> float:
    try:
        text = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).replace(tzinfo=None).isoformat()
        return times.parse(f"{text}Z")
    except (OverflowError, QueryError) as err:
        raise QueryError(f"{moment.isoformat()} is no time that can be asked for.") from err


def _meta_names(selection: Selection) -> list[str]:
    series = selection.series
    return [name.lower() for name in series.keywords if not series.is_implicit(name) and not series.is_alias(name)]


def _described(
    selection: Selection, meta: Sequence[str] | None, address: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Numbers of records, and what FLARECAST tells of them: with addresses of files unless the address is None.
    """
    series = selection.series
    table = Table(selection, exact=True)
    numbers = table.column(selection.table.c.recnum)
    members = {name: _values(table, name, keyword) for name, keyword in MEMBERS.items()}
    details = {name: _values(table, name, name) for name in meta or ()}
    segments = {} if address is None else {name: table.segment(name) for name in series.segments}
    count = table.read()
    columns = {name: maker() if maker else [None] * count for name, maker in members.items()}
    extra = {name: maker() if maker else [None] * count for name, maker in details.items()}
    stored = {name: maker()["values"] for name, maker in segments.items()}
    for place, recnum in enumerate(numbers()):
        item: dict[str, Any] = {name: column[place] for name, column in columns.items()}
        item |= {"nbr_update": 0, "recnum": recnum, "series_name": series.name}
        if meta is not None:
            item["meta"] = {name: column[place] for name, column in extra.items()}
        item["urls"] = [
            f"{address}/HMI/{series.name}/{recnum}/{name}.fits"
            for name, paths in stored.items()
            if paths[place].startswith(f"/{STORAGE}")
        ]
        yield recnum, dict(sorted(item.items()))


def _values(table: Table, name: str, keyword: str) -> Maker | None:
    """
    Values of a keyword as JSON has them: times as text, what is missing as null. None if there is no such keyword.
    """
    field = table.fields.find(keyword) if keyword else None
    if field is None:
        return None
    known = field.keyword
    if not known.is_time:
        values = table.native(field)
        return lambda: [_number(value) if known.is_real else value for value in values()]
    if name not in MOMENTS:
        printed = table.texts(keyword)
        return lambda: [None if text == "MISSING" else text for text in printed()]
    seconds = table.native(field)
    return lambda: [None if value is None else times.format(value, "ISO", 6) for value in seconds()]


def _number(value: float | None) -> float | None:
    """
    A number as FLARECAST writes it: a whole one without a point.
    """
    return int(value) if value is not None and value.is_integer() and abs(value) < LARGEST_WHOLE else value


class _Finished:
    """
    Stored files with complete headers, the latest of which are kept: who comes back for the rest gets the same file.

    Parameters
    ----------
    catalogue
        The site.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        #: On a site that is read only, there is no room.
        self._parent = None if catalogue.read_only else catalogue.staging_directory(FINISHED)
        self._folder: Path | None = None
        self._kept: dict[tuple[str, int, str, int], Path] = {}
        self._count = itertools.count()
        self._writing = threading.Lock()
        if self._parent is not None:
            # What a site that was killed has left.
            shutil.rmtree(self._parent, ignore_errors=True)

    def file(self, name: str, recnum: int, segment: str) -> tuple[Path, str]:
        """
        Where a finished file is, and what it is called.

        Raises
        ------
        QueryError
            If there is no such series, record or file.
        """
        series = _series(self._catalogue, name)
        if segment not in series.segments:
            raise MissingError(f"{series.name} has no segment {segment!r}.")
        segment = series.segments[segment].name
        selection = Selection.of_records(self._catalogue, series.name, [recnum], [segment])
        table = Table(selection, exact=True)
        records, paths = table.names(), table.segment(segment)
        columns = {key: table.texts(key) for key in selection.fields.names()}
        path = paths()["values"][0] if table.read() else ""
        stored = self._catalogue.directory / path.lstrip("/")
        if not path.startswith(f"/{STORAGE}") or not stored.is_file():
            raise MissingError(f"{series.name}[:#{recnum}] has no file {segment}.")
        told = names.file_name(series, records()[0], f"{segment}.fits")
        kept = series.name, recnum, segment, stored.stat().st_mtime_ns
        with self._writing:
            # Another process that begins with the same site removes what it finds.
            if kept not in self._kept or not self._kept[kept].is_file():
                self._kept[kept] = self._write(stored, kept, {key: maker() for key, maker in columns.items()})
            return self._kept[kept], _NO_TOKEN.sub("_", told)

    def _write(self, stored: Path, kept: tuple[str, int, str, int], printed: dict[str, Sequence[Any]]) -> Path:
        name, recnum, segment, _ = kept
        # As a client reads it, whose keywords that are linked have the types of their targets.
        series = Series.from_struct(info.series_struct(self._catalogue, name), name)
        (values,) = from_printed(series, printed)
        target = self._directory() / f"{next(self._count)}.fits"
        fitsfiles.write_fits(stored, target, headers.cards(series, values, segment=segment, recnum=recnum))
        while len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept))).unlink(missing_ok=True)
        return target

    def _directory(self) -> Path:
        if self._folder is None or not self._folder.is_dir():
            try:
                if self._parent is not None:
                    self._parent.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix=f"{FINISHED}-", dir=self._parent))
            except OSError as err:
                raise DataError(f"{err.filename} cannot be made: {err.strerror}.") from err
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder


def add_flarecast(app: FastAPI, catalogue: Catalogue, note: Callable[[Request, str], None]) -> None:
    """
    Add the interface to an application.

    Parameters
    ----------
    app
        The application.
    catalogue
        The site.
    note
        Called with each request and what it asks for.
    """
    finished = _Finished(catalogue)

    async def sharp_list(
        request: Request,
        series: Annotated[str, InPath(description="Name of the series.", examples=["hmi.sharp_720s"])],
        start: Annotated[datetime, Query(description="First time, UTC.", examples=["2015-12-11T00:00:00Z"])],
        end: Annotated[datetime, Query(description="Last time, UTC.", examples=["2015-12-12T00:00:00Z"])],
        meta: Annotated[bool, Query(description="Whether all keywords come along, which takes longer.")] = False,
    ) -> Response:
        """
        The records of a time range, with the addresses of their files.
        """
        note(request, "flarecast_list")
        address = str(request.base_url).rstrip("/")
        found = await _told(lambda: listed(catalogue, series, start, end, meta=meta, address=address))
        return JSONResponse({"data": found})

    async def sharp_meta(
        request: Request,
        series: Annotated[str, InPath(description="Name of the series.", examples=["hmi.sharp_720s"])],
        recnums: Annotated[str, InPath(description="Numbers of records, with commas between.", examples=["1", "1,2"])],
        fields: Annotated[str, Query(description="Names of keywords, with commas between; all by default.")] = "",
    ) -> Response:
        """
        Keywords of some records.
        """
        note(request, "flarecast_meta")
        return JSONResponse(
            await _told(lambda: metadata(catalogue, series, _numbers(recnums), [*filter(None, _parts(fields))]))
        )

    async def sharp_file(
        request: Request,
        series: Annotated[str, InPath(description="Name of the series.", examples=["hmi.sharp_720s"])],
        recnum: Annotated[int, InPath(description="Number of the record.", ge=0, le=HIGHEST)],
        segment: Annotated[str, InPath(description="Name of the segment.", examples=["magnetogram"])],
    ) -> Response:
        """
        A file with a complete header; its name is in Content-Disposition.
        """
        note(request, "file")
        path, name = await _told(lambda: finished.file(series, recnum, segment))
        # Without quotes, as scripts that look for what follows the sign expect it.
        disposition = {"Content-Disposition": f"attachment; filename={name}"}
        return FileResponse(path, media_type="application/fits", headers=disposition)

    refusals: dict[int | str, dict[str, Any]] = {
        400: _refusal("What is asked for cannot be understood."),
        404: _refusal("There is no such series, record or file."),
    }
    tags: list[Any] = ["FLARECAST"]
    app.add_api_route("/HMI/{series}", sharp_list, summary="List records", tags=tags, responses=refusals)
    app.add_api_route(
        "/HMI/{series}/meta/{recnums}", sharp_meta, summary="Keywords of records", tags=tags, responses=refusals
    )
    file = "/HMI/{series}/{recnum}/{segment}.fits"
    app.add_api_route(
        file,
        sharp_file,
        summary="A file",
        tags=tags,
        response_class=FileResponse,
        responses={200: {"content": {"application/fits": {}}, "description": "The file."}, **refusals},
    )
    app.add_api_route(file, sharp_file, methods=["HEAD"], include_in_schema=False)

    async def ui() -> Response:
        # Relative, so that it holds behind a proxy that puts a prefix in front.
        return RedirectResponse("docs")

    app.add_api_route("/ui", ui, methods=["GET", "HEAD"], include_in_schema=False)


async def _told(find: Callable[[], Any]) -> Any:
    try:
        return await run_in_threadpool(find)
    except MissingError as err:
        raise HTTPException(404, str(err)) from err
    except JSOCError as err:
        raise HTTPException(400, str(err)) from err


def _parts(text: str) -> Iterable[str]:
    return (part.strip() for part in text.split(","))


def _numbers(text: str) -> list[int]:
    parts = [*_parts(text)]
    if not all(part.isascii() and part.isdigit() and len(part) < 20 and int(part) <= HIGHEST for part in parts):
        raise QueryError(f"{text!r} are no numbers of records; write them as in 5601499,5601500.")
    if len(parts) > MOST_RECORDS:
        raise QueryError(f"{len(parts)} records are too many at once; ask for at most {MOST_RECORDS}.")
    return [*map(int, parts)]
