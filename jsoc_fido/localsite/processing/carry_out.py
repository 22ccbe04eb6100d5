"""
Making processed records: images go through the steps, and what comes out is stored in a series of its own (D.2).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa

from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions, products
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.keywords import Keywords
from jsoc_fido.localsite.processing.picture import Form, Picture, read, write
from jsoc_fido.localsite.processing.wire import Arguments, Step
from jsoc_fido.localsite.records import NewRecord, StorageSlot
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.table import Table
from jsoc_fido.printed import NO_CARD
from jsoc_fido.series import Keyword, NameMap, Series

__all__ = ["Processed", "discard", "process"]

#: Records whose keywords are in memory at the same time.
BATCH = 500

#: Keywords of processed records that tell where they come from.
REQUEST, SOURCE = "RequestID", "SOURCE"

#: Steps that a site takes, but does not carry out: what they do is written down nowhere (contract F.3).
UNKNOWN = ("aia_scale_orig", "aia_scale_other", "HmiB2ptr")

#: Steps that are others with some of their arguments given: AIA's way to level 1.5.
SPECIAL = {"aia_scale_aialev1": Step("resize", {"rescale": "1", "scale_to": "0.6"})}


class Operation(Protocol):
    """
    A step, ready to be carried out.
    """

    def begin(self, picture: Picture) -> None:
        """
        See the image nearest to the reference time, before all others.
        """

    def apply(self, picture: Picture) -> Picture | None:
        """
        Change an image; None if nothing is left of it.
        """


@dataclass(frozen=True, slots=True)
class Processed:
    """
    What processing made.

    Parameters
    ----------
    series
        The series of the new records.
    recnums
        Their numbers.
    segments
        Those of their segments that were asked for.
    """

    series: str
    recnums: list[int]
    segments: list[str]


def process(
    catalogue: Catalogue,
    series: str,
    recnums: Sequence[int],
    segments: Sequence[str],
    steps: Sequence[Step],
    requestid: str,
    check: Callable[[int], None] = lambda _: None,
) -> Processed:
    """
    Process the images of records, and add what comes out to the site as new records.

    One image is in memory at a time. If something goes wrong, nothing of the new storage stays.

    Parameters
    ----------
    catalogue
        The site.
    series, recnums, segments
        The records, and which of their segments.
    steps
        What to do, in order.
    requestid
        The request, a prime key of the new records.
    check
        Called with the bytes that were made so far, before each record and at the end; it may raise an error to stop.

    Raises
    ------
    QueryError
        If a step or an argument is wrong, or a map shows nothing of the disk in any image.
    DataError
        If an image cannot be read, processed or stored.
    """
    operations = [_operation(step) for step in steps]
    _begin(catalogue, series, recnums, segments, operations)
    made: list[int] = []
    size = 0
    units: set[int] = set()
    target: Series | None = None
    try:
        for start in range(0, len(recnums), BATCH):
            records = _records(catalogue, series, recnums[start : start + BATCH], segments)
            if target is None:
                target = _target(records[0].keywords)
                catalogue.add_series(target)
            slots = catalogue.allocate(target.name, len(records))
            units |= {slot.sunum for slot in slots}
            new = []
            for record, slot in zip(records, slots, strict=True):
                check(size)
                found = _processed(record, operations, slot, target)
                if found is not None:
                    size += sum(file.size for file in found.files.values())
                    told = _with_history(target, found.values, steps)
                    new.append(replace(found, values={**told, REQUEST: requestid}))
            check(size)
            made += catalogue.add_records(target.name, new)
        if not made:
            # Who asked must have made a mistake, which no list of no files would tell.
            for words in filter(None, (getattr(operation, "nothing", "") for operation in operations)):
                raise QueryError(words)
    except BaseException:
        for sunum in units:
            catalogue.remove_unit(sunum)
        raise
    return Processed(target.name if target is not None else series, made, list(segments))


def discard(catalogue: Catalogue, series: str, requestid: str) -> None:
    """
    Remove the files of what a request made. The records stay.

    Parameters
    ----------
    catalogue
        The site.
    series
        The series of the original records.
    requestid
        The request.

    Raises
    ------
    DataError
        If the database cannot be written.
    """
    try:
        table = catalogue.holding(series + definitions.PROCESSED).table
    except QueryError:  # it made nothing
        return
    with catalogue.engine.connect() as connection:
        mine = sa.select(table.c.sunum).where(table.c[REQUEST.lower()] == requestid).distinct()
        units = [sunum for sunum in connection.scalars(mine) if sunum is not None]
    for sunum in units:
        catalogue.remove_unit(sunum)


def _operation(step: Step) -> Operation:
    """
    Find a step, and check its arguments.

    Raises
    ------
    QueryError
        If there is none of that name, or it is not carried out here, or an argument is wrong.
    DataError
        If the libraries for it are not installed.
    """
    try:
        from jsoc_fido.localsite.processing.patch import Patch
        from jsoc_fido.localsite.processing.plates import MapProjection, Rebin, Resize
    except ImportError as err:
        raise DataError(
            f"This site cannot process images without {err.name}; pip install 'jsoc-fido[all]' brings it."
        ) from err
    known: dict[str, Callable[[Arguments], Operation]] = {
        "im_patch": Patch,
        "rebin": Rebin,
        "resize": Resize,
        "Maproj": MapProjection,
    }
    names = ", ".join([*known, *SPECIAL])
    if step.name in SPECIAL:
        general = SPECIAL[step.name]
        step = Step(general.name, {**general.arguments, **step.arguments})
    if step.name in UNKNOWN:
        raise QueryError(f"This site does not carry out the processing step {step.name}; it has {names}.")
    if step.name not in known:
        raise QueryError(f"There is no processing step {step.name!r}; this site has {names}.")
    arguments = Arguments(step)
    operation = known[step.name](arguments)
    arguments.finish()
    return operation


@dataclass(frozen=True)
class _Record:
    """
    A record to be processed, and the files of its segments that are there.
    """

    name: str
    recnum: int
    place: int
    keywords: Keywords
    files: Mapping[str, Path]

    def pictures(self) -> Iterator[tuple[str, Picture, Form]]:
        """
        Its images, one after the other. A segment of another shape than the first (a list of spikes, say) is none.
        """
        values = self.keywords.values(self.place)
        shape: tuple[int, ...] = ()
        for segment, path in self.files.items():
            pixels, form = read(path)
            shape = shape or pixels.shape
            if pixels.ndim == 2 and pixels.shape == shape:
                header = self.keywords.header_of(values, segment, self.recnum)
                yield segment, Picture.of(pixels, header, values, self.name), form


def _records(catalogue: Catalogue, series: str, recnums: Sequence[int], segments: Sequence[str]) -> list[_Record]:
    # All segments need no list, which would be longer than DRMS takes.
    every = set(segments) == set(catalogue.series(series).segments)
    selection = Selection.of_records(catalogue, series, recnums, () if every else segments)
    table = Table(selection)
    keywords = Keywords(table)
    numbers, names = table.column(selection.table.c.recnum), table.names()
    paths = {name: table.segment(name) for name in selection.segments if keywords.is_image(name)}
    table.read()
    stored = {name: maker()["values"] for name, maker in paths.items()}
    records = []
    for place, (recnum, name) in enumerate(zip(numbers(), names(), strict=True)):
        told = {segment: files[place] for segment, files in stored.items() if files[place].startswith("/SUM")}
        files = {segment: catalogue.directory / path.lstrip("/") for segment, path in told.items()}
        there = {segment: path for segment, path in files.items() if path.is_file()}
        records.append(_Record(name, recnum, place, keywords, there))
    return records


def _begin(
    catalogue: Catalogue,
    series: str,
    recnums: Sequence[int],
    segments: Sequence[str],
    operations: Sequence[Operation],
) -> None:
    """
    Show all steps the record that is nearest to the reference time, or the first.
    """
    reference = next((time for operation in operations if (time := getattr(operation, "time", None)) is not None), None)
    for recnum in _by_distance(catalogue, series, recnums, reference):
        for record in _records(catalogue, series, [recnum], segments):
            for _, found, _ in record.pictures():
                picture: Picture | None = found
                for operation in operations:
                    if picture is not None:
                        operation.begin(picture)
                        picture = operation.apply(picture)
                return


def _by_distance(catalogue: Catalogue, series: str, recnums: Sequence[int], reference: float | None) -> Sequence[int]:
    if reference is None:
        return recnums
    found: list[tuple[float, int]] = []
    for start in range(0, len(recnums), BATCH):
        table = Table(Selection.of_records(catalogue, series, recnums[start : start + BATCH]))
        numbers = table.column(table.fields.table.c.recnum)
        fields = (table.fields.find(name) for name in ("T_OBS", "T_REC", *table.fields.series.prime_keys))
        known = next((field for field in fields if field is not None and field.keyword.is_time), None)
        if known is None:
            return recnums
        times = table.native(known)
        table.read()
        found += [
            (math.inf if time is None else abs(time - reference), recnum)
            for time, recnum in zip(times(), numbers(), strict=True)
        ]
    return [recnum for _, recnum in sorted(found)]


def _target(keywords: Keywords) -> Series:
    """
    The series of the new records: all that links bring is its own.
    """
    series, fields = keywords.series, keywords.table.fields
    segments = [
        replace(known.segment if known is not None else segment, name=name, protocol="fits", file="")
        for name, segment in series.segments.items()
        for known in [fields.find_segment(name)]
    ]
    return definitions.processed(replace(series, segments=NameMap(segments), links=NameMap(()), interval={}))


def _processed(record: _Record, operations: Sequence[Operation], slot: StorageSlot, target: Series) -> NewRecord | None:
    """
    Store what the steps make of a record; None if there is nothing.
    """
    values = dict(record.keywords.values(record.place))
    files = {}
    for segment, before, form in record.pictures():
        picture: Picture | None = before
        for operation in operations:
            picture = operation.apply(picture) if picture is not None else None
        if picture is None:
            continue
        files[segment] = write(slot.directory / f"{segment}.fits", picture.pixels, form)
        changed = {name: value for name, value in picture.cards.items() if before.cards.get(name) != value}
        values |= _values(target, segment, changed, products.statistics(picture.pixels[None], percentiles=True))
    if not files:
        return None
    known = {name: value for name, value in values.items() if value is not NO_CARD}
    return NewRecord({**known, SOURCE: record.name}, slot, files)


def _with_history(target: Series, values: Mapping[str, Any], steps: Sequence[Step]) -> dict[str, Any]:
    """
    The keywords of a processed image, with what was done in its ``HISTORY``, if the series has one.
    """
    if target.keyword("HISTORY") is None:
        return dict(values)
    texts = [",".join([step.name, *(f"{name}={value}" for name, value in step.arguments.items())]) for step in steps]
    before = str(values.get("HISTORY") or "").strip()
    return {**values, "HISTORY": "; ".join(filter(None, [before, *texts]))}


def _number(keyword: Keyword, value: float) -> float | int:
    return round(value) if keyword.is_integer else float(value)


def _values(target: Series, segment: str, cards: Mapping[str, Any], statistics: Mapping[str, Any]) -> dict[str, object]:
    """
    The keywords that a processed image has in the place of those of the original.
    """
    number = list(target.segments).index(segment)
    values: dict[str, object] = {}
    for name, value in {**statistics, **cards}.items():
        keyword = target.keyword(name)
        if keyword is None:
            continue
        own = f"{keyword.name}_{number:03d}" if keyword.is_per_segment else keyword.name
        values[own] = value if keyword.type == "string" else _number(keyword, np.ravel(value)[0].item())
    return values
