"""
A small site, made of records whose values are known, on which all parts of the local site are tested.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import drms
import numpy as np
import postgres
import pytest
import sqlalchemy as sa
from astropy.io import fits
from drms.config import ServerConfig

from jsoc_fido import localsite, times
from jsoc_fido import site as site_module
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord, StorageSlot, StoredFile
from jsoc_fido.series import Keyword, Link, NameMap, Segment, Series

#: First slot of the magnetograms, and how many there are: ten minutes, and some more.
START = times.parse("2014.01.01_00:00:45_TAI")
COUNT = 14


def write_image(slot: StorageSlot, name: str, pixels: np.ndarray, *, compressed: bool = True) -> StoredFile:
    """
    Store an image as JSOC does: without keywords, and Rice-compressed.
    """
    hdu = fits.CompImageHDU(pixels, compression_type="RICE_1") if compressed else fits.PrimaryHDU(pixels)
    hdus = [fits.PrimaryHDU(), hdu] if compressed else [hdu]
    path = slot.directory / name
    fits.HDUList(hdus).writeto(path)
    compression = "compress Rice" if compressed else ""
    return StoredFile(name, pixels.shape[::-1], path.stat().st_size, 0.0, 0.1, compression)


def pixels_of(number: int) -> np.ndarray:
    return np.arange(number, number + 12 * 8, dtype=np.int32).reshape(12, 8)


def add_magnetograms(catalogue: Catalogue, start: float = START, count: int = COUNT) -> list[int]:
    catalogue.add_series(definitions.load("hmi.m_45s"))
    slots = catalogue.allocate("hmi.m_45s", count)
    records = []
    for number, slot in enumerate(slots):
        record_time = start + 45 * number
        keywords = {
            "T_REC": record_time,
            "T_OBS": record_time - 8.25,
            "DATE__OBS": record_time - 10,
            "CAMERA": 2,
            # The last one has no image: bit 31.
            "QUALITY": 0x80000000 if number == count - 1 else number % 2,
            "INSTRUME": "HMI_FRONT2",
            "DATAMEAN": number / 4,
            "CALVER64": 0x22112,
            "CRPIX1": None,
        }
        file = write_image(slot, "magnetogram.fits", pixels_of(number))
        records.append(NewRecord(keywords, slot, {"magnetogram": file}))
    return catalogue.add_records("hmi.m_45s", records)


def harp_series() -> Series:
    """
    A series with two prime keys of which the second is the time, keywords of each segment, and a generic segment.
    """
    slot = [
        Keyword("T_REC_epoch", "time", "constant", "1993.01.01_00:00:00_TAI", "TAI"),
        Keyword("T_REC_step", "float", "constant", "720.0", "seconds"),
    ]
    return Series(
        "test.Harp_720s",
        "patches",
        ("HARPNUM", "T_REC"),
        NameMap(
            [
                Keyword("HARPNUM", "int", default="-2147483648", format="%d"),
                Keyword("T_REC", "time", "ts_eq", "-4712.01.01_11:59:28_TAI", "TAI", "slot", format="0"),
                *slot,
                Keyword("USFLUX", "float", default="nan", units="Maxwell", format="%e"),
                Keyword("NOAA_ARS", "string", note="numbers"),
                Keyword("DATAMIN", "float", "segment", "nan", format="%g"),
            ]
        ),
        NameMap(
            [
                Segment("continuum", "int", "DN/s", "fits", "VARxVAR", "brightness", 0, 0.5, "compress Rice"),
                Segment("notes", "", "none", "generic", "", "text", file="notes.txt"),
            ]
        ),
    )


def add_harps(catalogue: Catalogue) -> list[int]:
    catalogue.add_series(harp_series())
    base = times.parse("2014.01.01_00:00:00_TAI")
    numbers = [(harp, base + 720 * step) for harp in (101, 102, 105) for step in range(3)]
    records = []
    slots = catalogue.allocate("test.harp_720s", len(numbers))
    for place, ((harp, record_time), slot) in enumerate(zip(numbers, slots, strict=True)):
        (slot.directory / "notes.txt").write_text(f"about {harp}\n")
        files = {"notes": StoredFile("notes.txt", (), 10)}
        if harp != 105:
            files["continuum"] = write_image(slot, "continuum.fits", pixels_of(place), compressed=False)
        values = {
            "harpnum": harp,
            "T_REC": record_time,
            "USFLUX": 1e21 * place,
            "NOAA_ARS": f"{harp},it's" if place % 2 else "",
            "DATAMIN_000": place,
        }
        records.append(NewRecord(values, slot, files))
    return catalogue.add_records("test.harp_720s", records)


def linked_series() -> Series:
    return Series(
        "test.linked",
        "links to magnetograms and patches",
        ("FSN",),
        NameMap(
            [
                Keyword("FSN", "int", format="%d"),
                Keyword("T_REC", "time", units="TAI", format="0"),
                Keyword("CAMERA", "int"),
                Keyword("QUALITY", "link", link="mag->QUALITY"),
                Keyword("WAVELNTH", "link", link="mag->WAVELNTH"),
                Keyword("USFLUX", "link", link="patch->USFLUX"),
                Keyword("LOST", "link", link="nowhere->FOO"),
            ]
        ),
        NameMap(
            [
                Segment("magnetogram", "int", protocol="link via mag"),
                Segment("image", "int", protocol="link via nowhere"),
            ]
        ),
        NameMap(
            [
                Link("mag", "hmi.M_45s", "DYNAMIC", "by time"),
                Link("patch", "test.Harp_720s", "STATIC", "by number"),
                Link("nowhere", "test.absent", "DYNAMIC", ""),
            ]
        ),
    )


def add_linked(catalogue: Catalogue) -> list[int]:
    catalogue.add_series(linked_series())
    records = [
        NewRecord({"FSN": number, "T_REC": START + 45 * number, "CAMERA": 2}, links={"patch": number})
        for number in range(1, 4)
    ]
    # Nothing is at the end of the links of the last one.
    records.append(NewRecord({"FSN": 9, "T_REC": START - 4500, "CAMERA": 2}))
    return catalogue.add_records("test.linked", records)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """
    Makes one more PostgreSQL database, or what is as good as one: a schema of its own. Gives its URL.
    """
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres.server())
        except LookupError as err:
            if "CI" in os.environ:
                raise
            pytest.skip(str(err))
        engine = sa.create_engine(url)
        stack.callback(engine.dispose)
        numbers = count(1)

        def make_schema() -> str:
            name = f"site{next(numbers)}"
            with engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema(name))
            return str(url.update_query_dict({"options": f"-csearch_path={name}"}))

        yield make_schema


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """
    Makes the database of one more site, of each kind that a site may have.
    """
    return request.getfixturevalue("postgresql") if request.param == "postgresql" else lambda: None


@pytest.fixture
def empty(tmp_path: Path, new_database: Callable[[], str | None]) -> Iterator[Catalogue]:
    with Catalogue.create(tmp_path / "empty site", new_database()) as catalogue:
        yield catalogue


@pytest.fixture(scope="session")
def small_directory(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str | None]) -> Path:
    directory = tmp_path_factory.mktemp("small")
    with Catalogue.create(directory, new_database()) as catalogue:
        add_magnetograms(catalogue)
        add_harps(catalogue)
        add_linked(catalogue)
    return directory


@pytest.fixture(scope="session")
def small(small_directory: Path) -> Iterator[Catalogue]:
    """
    The catalogue of a site that no test can change.
    """
    with Catalogue.open(small_directory, read_only=True) as catalogue:
        yield catalogue


@pytest.fixture(scope="session")
def server(small_directory: Path) -> Iterator[localsite.RunningSite]:
    """
    That site, running. It is read only: an export would be the answer to all that ask for the same later.
    """
    with localsite.running(small_directory, register=["ada@example.org"], read_only=True) as site:
        yield site


@pytest.fixture
def client(server: localsite.RunningSite) -> drms.Client:
    return drms.Client(drms_server(server.url), email="ada@example.org")


@pytest.fixture
def exporting_client(empty: Catalogue) -> Iterator[drms.Client]:
    """
    A client of a site of the test's own, with magnetograms.
    """
    add_magnetograms(empty)
    with localsite.running(empty.directory, register=["ada@example.org"], staging_time=0.02) as site:
        yield drms.Client(drms_server(site.url), email="ada@example.org")


def drms_server(url: str) -> ServerConfig:
    return site_module.site(url).server


@pytest.fixture(scope="session")
def replies(realdata: Path) -> Any:
    """
    Real replies of JSOC by the name of their file.
    """
    folder = realdata / "jsoc_replies"
    return lambda name: json.loads((folder / f"{name}.json").read_text("latin-1"))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """
    What builds records.
    """
    return SimpleNamespace(
        START=START,
        COUNT=COUNT,
        write_image=write_image,
        pixels_of=pixels_of,
        add_magnetograms=add_magnetograms,
        add_harps=add_harps,
        add_linked=add_linked,
        harp_series=harp_series,
        drms_server=drms_server,
    )
