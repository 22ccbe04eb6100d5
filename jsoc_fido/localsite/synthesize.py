"""
Records and small images computed from the ephemeris, for sites to learn and to test with.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import sqlalchemy as sa
from astropy.time import Time
from sunpy.time import parse_time

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions, images, schema
from jsoc_fido.localsite.aia import AIA, AIALevel1
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.derived import Modes, Response, Synoptic
from jsoc_fido.localsite.hmi import HMI
from jsoc_fido.localsite.iris import IRIS
from jsoc_fido.localsite.mdi import MDI
from jsoc_fido.localsite.patches import FullDiskField, Inversion, Sharp
from jsoc_fido.localsite.products import Columns, Cubes, Group, Product
from jsoc_fido.localsite.records import NewRecord, StorageSlot, StoredFile
from jsoc_fido.series import Keyword, Segment, Series

__all__ = ["synthesize"]

log = logging.getLogger(__name__)

#: Pixels that are computed at a time; it bounds the memory.
_PIXELS = 1 << 20
#: Records that are computed at a time, at most.
_RECORDS = 256
#: Files that are written at a time.
_WRITERS = 2

_EUV = (94, 131, 171, 193, 211, 304, 335)

#: What instruments observe, an image or more at a time.
PRODUCTS: dict[str, Product] = {
    "hmi.v_45s": HMI("Dopplergram"),
    "hmi.m_45s": HMI("magnetogram"),
    "hmi.ic_45s": HMI("continuum"),
    "hmi.v_720s": HMI("Dopplergram"),
    "hmi.m_720s": HMI("magnetogram"),
    "hmi.ic_720s": HMI("continuum"),
    "hmi.me_720s_fd10": Inversion(),
    "hmi.b_720s": FullDiskField(),
    "hmi.sharp_720s": Sharp(),
    "hmi.sharp_cea_720s": Sharp(equal_area=True),
    "aia.lev1": AIALevel1(),
    "aia.lev1_euv_12s": AIA(_EUV),
    "aia.lev1_uv_24s": AIA((1600, 1700)),
    "mdi.fd_m_lev182": MDI(velocity=False),
    "mdi.fd_v": MDI(velocity=True),
    "iris.lev1": IRIS(),
}

#: What is made of many images, or says how to use them.
DERIVED: dict[str, Product] = {
    "aia.response": Response(),
    "hmi.synoptic_mr_720s": Synoptic(),
    "hmi.v_sht_2drls": Modes(),
}

#: Series whose segments are links into another one, which is computed with them.
_NEEDS = {"hmi.b_720s": "hmi.me_720s_fd10"}


def synthesize(
    site: Path | str | Catalogue,
    series: str,
    start: str | datetime | Time,
    end: str | datetime | Time,
    *,
    size: int = 64,
    harp: int | None = None,
    wavelength: int | None = None,
    sample: u.Quantity | None = None,
) -> int:
    """
    Add computed records of a series to a site. The same call always computes the same records.

    Parameters
    ----------
    site
        A site, or its directory.
    series
        Name of the series, one of those that the package has a definition of.
    start, end
        The interval, in any form that DRMS or `sunpy.time.parse_time` reads; UTC if it does not say otherwise. All
        slots are filled that DRMS selects between them, both ends included (contract A.12).
    size
        Pixels along an edge of an image of the whole disk, which keeps its field of view. Patches become a few tens of
        pixels wide at the default of 64, and larger with it.
    harp
        Number of one active region patch, for the SHARP series; it is put on the disk at the start if it is not there
        by itself. By default all patches that are on the disk then.
    wavelength
        One channel in angstroms, for the AIA series with several at a time; all of them by default.
    sample
        Time between records, to have long intervals without all of their records. As with `sunpy.net.attrs.Sample`
        in a search, one of so many slots is filled, counted from that of ``start`` (contract A.12).

    Returns
    -------
    int
        How many records were added. Records that the site has already are left as they are.

    Raises
    ------
    QueryError
        If there is no recipe for the series, the interval is no interval, or the series has no slots to sample.
    DataError
        If the site cannot be written.
    """
    definition = definitions.load(series)
    lower = definition.name.lower()
    known = PRODUCTS | DERIVED
    if lower not in known:
        raise QueryError(f"Records of {definition.name} cannot be computed. Those of {', '.join(sorted(known))} can.")
    first, last = _seconds(start), _seconds(end)
    if last < first:
        raise QueryError(f"The interval from {start} to {end} is reversed; the earlier time comes first.")
    if not 8 <= size <= 4096:
        raise QueryError(f"Images cannot have {size} pixels along an edge; 8 to 4096 can be made.")
    product = _narrowed(definition, known[lower], harp, wavelength)
    skip = 1 if sample is None else _skip(definition, sample)
    with nullcontext(site) if isinstance(site, Catalogue) else Catalogue.open(Path(site)) as catalogue:
        if lower in _NEEDS:
            synthesize(catalogue, _NEEDS[lower], start, end, size=size, sample=sample)
        return _fill(catalogue, definition, product, first, last, size, skip)


def _narrowed(series: Series, product: Product, harp: int | None, wavelength: int | None) -> Product:
    """
    The part of a product that is wanted.
    """
    if harp is not None:
        if not isinstance(product, Sharp):
            raise QueryError(f"{series.name} has no patches, so no HARP can be chosen; leave harp out.")
        return replace(product, harp=harp)
    if wavelength is not None:
        if not isinstance(product, AIA):
            raise QueryError(f"{series.name} has no channels to choose from; leave wavelength out.")
        if wavelength not in product.wavelengths:
            channels = ", ".join(map(str, product.wavelengths))
            raise QueryError(f"{series.name} has no channel of {wavelength} angstroms; it has {channels}.")
        return replace(product, wavelengths=(wavelength,))
    return product


def _skip(series: Series, sample: u.Quantity) -> int:
    """
    Of how many slots one is filled.
    """
    try:
        seconds = float(u.Quantity(sample).to_value(u.s))
    except (u.UnitsError, TypeError, ValueError) as err:
        raise QueryError(f"{sample!r} is no time between records; 6 * u.hour is one.") from err
    if not 0.0 < seconds < float("inf"):
        raise QueryError(f"Records cannot be {sample} apart; a time longer than 0 s would do.")
    slot = series.slot("T_REC")
    if slot is None:
        raise QueryError(f"{series.name} has no slots that could be sampled; leave sample out.")
    return slot.skip(seconds)


def _sampled(series: Series, group: Group, start: float, skip: int) -> Group:
    """
    The records of a group in one of so many slots, counted from the slot of a time.
    """
    slot = series.slot("T_REC")
    if slot is None or skip == 1:
        return group
    return group[(slot.index(group.keys["T_REC"]) - slot.index(start)) % skip == 0]


def _seconds(text: str | datetime | Time) -> float:
    """
    DRMS seconds of a time in DRMS' or sunpy's words.
    """
    if isinstance(text, str):
        try:
            seconds = times.parse(text.strip())
        except QueryError:
            seconds = times.MISSING
        if seconds != times.MISSING:
            return seconds
    try:
        return float(times.from_astropy(parse_time(text)))
    except (ValueError, TypeError) as err:
        raise QueryError(f"{text!r} is no time; '2014-01-01T00:00:00' or '2014.01.01_00:00:00_TAI' is one.") from err


def _fill(
    catalogue: Catalogue, series: Series, product: Product, start: float, end: float, size: int, skip: int
) -> int:
    """
    Add the records of an interval that are not there yet.
    """
    catalogue.add_series(series)
    added = existing = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting: Callable[[], int] = int  # the last part, whose files are written while the next one is computed
        for found in product.groups(series, start, end):
            group = _sampled(series, found, start, skip)
            new = group[~_present(catalogue, series, group)]
            existing += len(group) - len(new)
            step = max(1, min(_RECORDS, _PIXELS // size**2))
            for offset in range(0, len(new), step):
                part = new[offset : offset + step]
                columns, cubes = product.render(part, size)
                added += waiting()
                waiting = _store(catalogue, series, part, columns, cubes, pool)
        added += waiting()
    if existing:
        log.info("%d records of %s exist already and stay as they are", existing, series.name)
    return added


def _present(catalogue: Catalogue, series: Series, group: Group) -> np.ndarray:
    """
    Which records of a group the site has already.
    """
    if not len(group):
        return np.zeros(0, dtype=bool)
    table = catalogue.holding(series.name).table
    columns = schema.prime_columns(series, table)
    values = [_key_values(series, name, group.keys[name]) for name in series.prime_keys]
    query = sa.select(*columns).where(
        *(column.between(min(value), max(value)) for column, value in zip(columns, values, strict=True))
    )
    with catalogue.engine.connect() as connection:
        known = {tuple(row) for row in connection.execute(query)}
    return np.array([row in known for row in zip(*values, strict=True)], dtype=bool)


def _key_values(series: Series, name: str, values: np.ndarray) -> list[Any]:
    """
    Values of a prime key as the database has them: slot numbers, where it has slots.
    """
    slot = series.slot(name)
    return values.tolist() if slot is None else slot.index(values).tolist()


def _store(
    catalogue: Catalogue, series: Series, group: Group, columns: Columns, cubes: Cubes, pool: ThreadPoolExecutor
) -> Callable[[], int]:
    """
    Begin to write the files of records; what is returned waits for them and enters the records.
    """
    slots: Sequence[StorageSlot] = catalogue.allocate(series.name, len(group)) if cubes else []
    segments = [series.segments[name] for name in cubes]
    raw = [
        cubes[segment.name] if _is_text(segment) else images.scale(cubes[segment.name], segment) for segment in segments
    ]
    jobs = []
    for part in np.array_split(np.arange(len(group)), _WRITERS):
        files = [
            (slots[index].directory / _file_name(segment), image[index], segment)
            for index in part
            for segment, image in zip(segments, raw, strict=True)
        ]
        jobs.append(pool.submit(_write_files, files))

    def finish() -> int:
        sizes = iter([size for job in jobs for size in job.result()])
        rows = _rows(series, {**columns, **group.keys}, len(group))
        records = [
            NewRecord(
                row,
                slot,
                {
                    segment.name: StoredFile(
                        name=_file_name(segment),
                        dims=image.shape[:0:-1],
                        size=next(sizes),
                        bzero=segment.bzero,
                        bscale=segment.bscale,
                        compression=segment.compression,
                    )
                    for segment, image in zip(segments, raw, strict=True)
                },
            )
            for row, slot in zip(rows, slots or repeat(None, len(group)), strict=True)
        ]
        catalogue.add_records(series.name, records)
        return len(records)

    return finish


def _is_text(segment: Segment) -> bool:
    return segment.protocol == "generic"


def _write_files(files: Sequence[tuple[Path, Any, Segment]]) -> list[int]:
    """
    Write texts and images; their sizes in bytes.
    """
    written = iter(images.write_images([file for file in files if not _is_text(file[2])]))
    try:
        return [
            path.write_text(str(content), encoding="ascii") if _is_text(segment) else next(written)
            for path, content, segment in files
        ]
    except OSError as err:
        raise DataError(f"{err.filename} cannot be written: {err.strerror}.") from err


def _file_name(segment: Segment) -> str:
    return segment.file or f"{segment.name}.fits"


def _rows(series: Series, columns: Columns, count: int) -> Iterator[dict[str, Any]]:
    """
    The values of each record, of those keywords that the series has, with the digits that it prints.
    """
    named = {}
    for name, values in columns.items():
        keyword = series.keyword(name)
        if keyword is not None and not keyword.is_constant:
            printed = _printed(keyword, values)
            named[name] = printed.tolist() if isinstance(printed, np.ndarray) else repeat(printed, count)
    return (dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True))


def _printed(keyword: Keyword, values: Any) -> Any:
    """
    Round values to the digits of their keyword's format, so that a table and a header say the same.
    """
    if not keyword.is_real or not isinstance(values, (float, np.ndarray)) or keyword.format[-1:] != "f":
        return values
    digits = keyword.format.removeprefix("%").removesuffix("f").removeprefix(".")
    rounded = np.round(np.asarray(values, dtype=float), int(digits or 6))
    return rounded if rounded.ndim else float(rounded)
