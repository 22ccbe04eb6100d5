"""
FITS files become records: their cards keywords in the database, their pixels files in the storage.

A file is stored as JSOC stores one: the image as it is, without the cards that the database has. Cards that are no
keyword of the series stay in the file, so that an export has all of them again.
"""

import filecmp
import logging
import math
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.utils.exceptions import AstropyUserWarning

from jsoc_fido import headers
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions, schema, values
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.records import NewRecord, StorageSlot, StoredFile
from jsoc_fido.series import Segment, Series

__all__ = ["IngestReport", "ingest"]

log = logging.getLogger(__name__)

#: Names of compressions, as DRMS has them.
COMPRESSIONS = {
    "RICE_1": "Rice",
    "RICE_ONE": "Rice",
    "GZIP_1": "GZIP1",
    "GZIP_2": "GZIP2",
    "PLIO_1": "PLIO",
    "HCOMPRESS_1": "HCompress",
}

#: Beginning of the names of folders in which files are prepared.
PREFIX = ".ingest"

DAY = 86400

_DRMS_ID = re.compile(r"(?P<series>[\w.]+):\d+:(?P<segment>\w+)")


@dataclass(frozen=True, slots=True)
class IngestReport:
    """
    What became of files.

    Parameters
    ----------
    records
        Number of new records.
    files
        Number of files in them.
    unchanged
        Number of records that the site had already, exactly so.
    """

    records: int
    files: int
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class _Source:
    """
    A file that has been read.
    """

    path: Path
    series: Series
    segment: Segment
    values: Mapping[str, Any]
    file: StoredFile


@dataclass
class _Draft:
    """
    A record in the making.
    """

    series: Series
    primes: tuple[Any, ...]
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, tuple[StoredFile, Path]] = field(default_factory=dict)


def ingest(site: Path | str | Catalogue, files: Iterable[Path | str], series: str | None = None) -> IngestReport:
    """
    Add the records of FITS files to a site: all of them or, if something is wrong with one, none.

    Files of the same record, as their prime keys tell, become segments of one record. A record that exists already gets
    a new version, with the segments it has now and the new ones; if nothing is new it is left as it is.

    Parameters
    ----------
    site
        A site, or its directory.
    files
        FITS files with an image each.
    series
        Name of their series. By default the card ``DRMS_ID`` tells it, or the beginning of the file's name.

    Raises
    ------
    DataError
        If a file is no FITS file, does not tell its series, segment or prime keys, or the site cannot be written.
    QueryError
        If nothing is known about the series.
    """
    with (
        nullcontext(site) if isinstance(site, Catalogue) else Catalogue.open(Path(site)) as catalogue,
        warnings.catch_warnings(),
    ):
        # Real files are not always to the letter of the standard; what is read of them here, is.
        warnings.simplefilter("ignore", VerifyWarning)
        # Half a file would only be noticed when somebody looks at it.
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        sources = [_read(catalogue, Path(path), series) for path in files]
        # On the same file system as the storage, so that finished files move there in no time.
        try:
            _remove_leftovers(catalogue.directory)
            with tempfile.TemporaryDirectory(prefix=PREFIX, dir=catalogue.directory) as folder:
                return _add(catalogue, sources, Path(folder))
        except OSError as err:
            raise DataError(f"The site {catalogue.directory} cannot be written: {err.strerror or err}.") from err


def _remove_leftovers(directory: Path) -> None:
    """
    Remove what was left by those that were killed; nobody works on a folder for a day without changing it.
    """
    for folder in directory.glob(f"{PREFIX}*"):
        if folder.stat().st_mtime < time.time() - DAY:
            shutil.rmtree(folder, ignore_errors=True)


def _read(catalogue: Catalogue, path: Path, name: str | None) -> _Source:
    """
    Read what a file says.
    """
    try:
        with path.open("rb") as file, fits.open(file, disable_image_compression=True, memmap=False) as hdus:
            hdus.verify("silentfix+ignore")
            cards = headers.image_hdu(hdus).header
    except (OSError, AstropyUserWarning) as err:
        reason = err.strerror if isinstance(err, OSError) and err.strerror else str(err).splitlines()[0].rstrip(".")
        raise DataError(f"{path} cannot be ingested: {reason}. Only FITS files can.") from err
    series = _series(catalogue, path, cards, name)
    segment = _segment(series, path, cards)
    found, _ = headers.read_keywords(cards, series, segment.name)
    prefix = "Z" if cards.get("ZIMAGE") else ""
    compression = COMPRESSIONS.get(cards.get("ZCMPTYPE", ""), "")
    stored = StoredFile(
        name=segment.file or f"{segment.name}.fits",
        dims=tuple(cards[f"{prefix}NAXIS{axis}"] for axis in range(1, cards[f"{prefix}NAXIS"] + 1)),
        size=0,
        bzero=float(cards.get("BZERO", 0.0)),
        bscale=float(cards.get("BSCALE", 1.0)),
        compression=f"compress {compression}" if compression else "",
    )
    return _Source(path, series, segment, found, stored)


def _series(catalogue: Catalogue, path: Path, cards: fits.Header, name: str | None) -> Series:
    """
    The series of a file: as the site defines it, or else the package.
    """
    if name is None:
        told = _DRMS_ID.fullmatch(str(cards.get("DRMS_ID", "")))
        name = told["series"] if told else _series_in_name(catalogue, path)
    if name is None:
        raise DataError(
            f"{path} does not tell its series, neither by a card DRMS_ID nor by its name; name it with --series."
        )
    try:
        return catalogue.series(name)
    except QueryError:
        return definitions.load(name)


def _series_in_name(catalogue: Catalogue, path: Path) -> str | None:
    """
    The longest name of a series that the name of a file begins with.
    """
    names = {*definitions.known(), *catalogue.series_names()}
    names |= {f"{name}{definitions.PROCESSED}" for name in names}
    fitting = [name for name in names if path.name.lower().startswith(f"{name.lower()}.")]
    return max(fitting, key=len, default=None)


def _segment(series: Series, path: Path, cards: fits.Header) -> Segment:
    """
    The segment that a file is of.
    """
    own = {segment.name.lower(): segment for segment in series.segments.values() if segment.link is None}
    by_file = {Path(segment.file).stem.lower(): segment for segment in own.values() if segment.file}
    told = _DRMS_ID.fullmatch(str(cards.get("DRMS_ID", "")))
    last = path.name.removesuffix(".fits").rpartition(".")[2]
    for name in (told["segment"] if told else "", last, path.stem):
        lower = name.lower()
        if lower in own or lower in by_file:
            return own.get(lower) or by_file[lower]
        if lower and lower in {segment.lower() for segment in series.segments}:
            target = series.segments[name].link
            raise DataError(
                f"{path} cannot be ingested: {series.name} has {name} from elsewhere, through its link {target}."
            )
    # A name that tells nothing is good enough where there is no choice: lists of pixels are no images.
    images = [segment for segment in own.values() if segment.dims == next(iter(own.values())).dims]
    if len(images) == 1:
        return images[0]
    raise DataError(
        f"{path} does not tell its segment. Name the file {series.name}.<anything>.<segment>.fits with one of "
        f"{', '.join(segment.name for segment in own.values())}."
    )


def _primes(source: _Source) -> tuple[Any, ...]:
    """
    What tells a record apart, as the database has it.
    """
    primes = []
    for name in source.series.prime_keys:
        keyword = source.series.keyword(name)
        if keyword is None:
            raise DataError(f"{source.series.name} has no keyword for its prime key {name}.")
        value = source.values.get(name)
        value = values.default_value(keyword) if value is None else value
        if value is None:
            card = headers.card_name(keyword)
            raise DataError(f"{source.path} has no card {card}, so its record in {source.series.name} is not known.")
        slot = source.series.slot(name)
        primes.append(values.encode(keyword, value) if slot is None else slot.index(value))
    return tuple(primes)


def _add(catalogue: Catalogue, sources: Iterable[_Source], folder: Path) -> IngestReport:
    drafts: dict[tuple[Any, ...], _Draft] = {}
    for number, source in enumerate(sources):
        primes = _primes(source)
        draft = drafts.setdefault((source.series.name.lower(), *primes), _Draft(source.series, primes))
        for name in source.series.prime_keys:
            draft.values.setdefault(name, values.default_value(source.series.keywords[name]))
        draft.values |= source.values
        target = folder / f"{number}.fits"
        headers.rewrite(source.path, target, partial(_strip, source), checksum=False)
        stored = StoredFile(
            source.file.name,
            source.file.dims,
            target.stat().st_size,
            source.file.bzero,
            source.file.bscale,
            source.file.compression,
        )
        draft.files[source.segment.name] = (stored, target)
    for series in {draft.series.name: draft.series for draft in drafts.values()}.values():
        if series.name.lower() not in map(str.lower, catalogue.series_names()):
            catalogue.add_series(series)
    new = [draft for draft in drafts.values() if _complete(catalogue, draft)]
    _enter(catalogue, new)
    return IngestReport(len(new), sum(len(draft.files) for draft in new), len(drafts) - len(new))


def _strip(source: _Source, cards: fits.Header) -> None:
    """
    Leave those cards that the database does not have.
    """
    _, rest = headers.read_keywords(cards, source.series, source.segment.name)
    for name in set(cards):
        if name not in rest or name in {"COMMENT", "HISTORY"}:
            cards.remove(name, ignore_missing=True, remove_all=True)
    if cards["BITPIX"] < 0:
        cards.remove("BLANK", ignore_missing=True)  # means nothing for floating point numbers, but makes astropy warn
    for name, add in (("COMMENT", cards.add_comment), ("HISTORY", cards.add_history)):
        for line in rest.get(name, ()):
            add(str(line))


def _complete(catalogue: Catalogue, draft: _Draft) -> bool:
    """
    Complete a record with what its last version has. False if nothing is new.
    """
    holding = catalogue.holding(draft.series.name)
    columns = schema.prime_columns(holding.series, holding.table)
    query = (
        sa.select(holding.table)
        .where(*(column == value for column, value in zip(columns, draft.primes, strict=True)))
        .order_by(holding.table.c.recnum.desc())
        .limit(1)
    )
    with catalogue.engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return True
    old = {
        key: values.decode(keyword, row[name])
        for keyword in holding.series.keywords.values()
        for name in schema.stored_names(holding.series, keyword)
        if name in row and not holding.series.is_implicit(keyword.name)
        for key in [keyword.name + name[len(keyword.name) :]]
    }
    changed = any(not _same(value, old.get(key)) for key, value in draft.values.items())
    directory = catalogue.slot_directory(row["sunum"], row["slotnum"]) if row["sunum"] is not None else None
    for number, segment in enumerate(holding.series.segments.values()):
        name = row.get(f"sg_{number:03d}_file")
        path = directory / name if directory is not None and name else None
        if not name or path is None or not path.exists():
            changed |= segment.name in draft.files
        elif segment.name in draft.files:
            changed |= not filecmp.cmp(path, draft.files[segment.name][1], shallow=False)
        else:
            part = f"sg_{number:03d}"
            sizes = tuple(map(int, row[f"{part}_dims"].split("x")))
            stored = StoredFile(
                name,
                sizes,
                row[f"{part}_bytes"],
                row[f"{part}_bzero"],
                row[f"{part}_bscale"],
                row[f"cparms_sg{number:03d}"],
            )
            draft.files[segment.name] = (stored, path)
    draft.values = {**old, **draft.values}
    return changed


def _same(new: Any, old: Any) -> bool:
    if isinstance(new, float) and isinstance(old, (int, float)):
        return math.isclose(new, old, rel_tol=1e-15, abs_tol=1e-9)
    return bool(new == old)


def _enter(catalogue: Catalogue, drafts: list[_Draft]) -> None:
    """
    Move the files to the storage and enter the records; if that fails, as if nothing had been.
    """
    placed: list[StorageSlot] = []
    try:
        for name in dict.fromkeys(draft.series.name for draft in drafts):
            chosen = [draft for draft in drafts if draft.series.name == name]
            slots = catalogue.allocate(name, len(chosen))
            placed += slots
            records = []
            for draft, slot in zip(chosen, slots, strict=True):
                for stored, path in draft.files.values():
                    # Not moved: the files of an earlier version stay where they are.
                    os.link(path, slot.directory / stored.name)
                records.append(
                    NewRecord(draft.values, slot, {segment: file for segment, (file, _) in draft.files.items()})
                )
            catalogue.add_records(name, records)
            placed.clear()
    except BaseException:
        for slot in placed:
            shutil.rmtree(slot.directory, ignore_errors=True)
        raise
