"""
Every example of the five documents that this project grew from, on the embedded site.

Where the output is another than the document's, the test says in what it is better, or that the records are computed
and not real. The table in ``docs/topics/seeds.rst`` says which example is where.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import astropy.time
import astropy.units as u
import drms
import numpy as np
import pytest
import requests
from astropy.io import fits
from sunpy.net import Fido
from sunpy.net import attrs as a
from sunpy.util.exceptions import SunpyUserWarning

from jsoc_fido import JSOCClient, localsite
from jsoc_fido import site as site_module
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import Catalogue, definitions
from jsoc_fido.series import Keyword, NameMap, Segment, Series

EMAIL = "solar@example.com"
HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
VELOCITY, SHARP = a.jsoc.Series("hmi.v_45s"), a.jsoc.Series("hmi.sharp_720s")
DAY_AT_6H = "hmi.v_45s[2016.04.01_TAI/1d@6h]"
ONE_PATCH = "hmi.sharp_720s[4864][2014.11.30_00:00_TAI]{continuum, magnetogram}"
FLARE = "aia.lev1_euv_12s[2021-07-03T14:25:00Z-2021-07-03T14:35:00Z]"
SHARP_SEGMENTS = [
    "magnetogram", "bitmap", "Dopplergram", "continuum", "inclination", "azimuth", "field", "vlos_mag", "dop_width",
    "eta_0", "damping", "src_continuum", "src_grad", "alpha_mag", "chisq", "conv_flag", "info_map", "confid_map",
    "inclination_err", "azimuth_err", "field_err", "vlos_err", "alpha_err", "field_inclination_err", "field_az_err",
    "inclin_azimuth_err", "field_alpha_err", "inclination_alpha_err", "azimuth_alpha_err", "disambig", "conf_disambig",
]  # fmt: skip


def described_only(catalogue: Catalogue) -> None:
    """
    Series of which the documents show the definition and no record.
    """
    magnetogram = definitions.load("hmi.m_720s")
    for name in ("hmi.m_720s_mod", "hmi.m_720s_nrt"):
        catalogue.add_series(replace(magnetogram, name=name))
    catalogue.add_series(
        Series(
            "hmi.v_sht_modes",
            prime_keys=("T_START", "LMIN", "LMAX", "NDT"),
            keywords=NameMap(
                [Keyword("T_START", "time", units="TAI"), *(Keyword(name, "int") for name in ("LMIN", "LMAX", "NDT"))]
            ),
        )
    )
    catalogue.add_series(
        Series(
            "hmi.v_avg120",
            prime_keys=("CarrRot",),
            keywords=NameMap([Keyword("CarrRot", "int")]),
            segments=NameMap(
                [
                    Segment("mean", "short", "m/s", "fits", "4096x4096", "Doppler mean"),
                    Segment("power", "short", "m2/s2", "fits", "4096x4096", "Doppler power"),
                    Segment("valid", "short", "NA", "fits", "4096x4096", "valid pixel count"),
                    Segment("Log", "char", "NA", "generic", "", "run log"),
                ]
            ),
        )
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archive")
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.v_45s", "2016.04.01_TAI", "2016.04.01_23:00_TAI", size=16, sample=6 * u.hour)
    localsite.synthesize(directory, "hmi.m_45s", "2014.01.01_TAI", "2014.01.01_TAI", size=16)
    localsite.synthesize(directory, "hmi.m_720s", "2014.01.01_TAI", "2014.01.01_TAI", size=16)
    noon = "2014.11.30_00:00:00_TAI"
    localsite.synthesize(directory, "hmi.sharp_720s", noon, noon, size=16, harp=4864)
    localsite.synthesize(directory, "hmi.sharp_720s", "2015-12-11T23:30", "2015-12-11T23:40", size=16)
    localsite.synthesize(directory, "aia.lev1_euv_12s", "2021-07-03T14:25:00", "2021-07-03T14:35:00", size=16)
    with Catalogue.open(directory) as catalogue:
        described_only(catalogue)
    with localsite.running(directory, register=[EMAIL], staging_time=0.01) as running:
        yield running


@pytest.fixture
def server(archive):
    return site_module.site(archive.url).server


@pytest.fixture
def c(server):
    return drms.Client(server, email=EMAIL)


@pytest.fixture
def client(archive):
    return JSOCClient(archive.url)


# What the documents show


def cells(lines):
    """
    The words in each line.
    """
    return [line.split() for line in lines]


def shown(document):
    """
    The first and the last rows of a table that a document shows, and how many it has.
    """
    lines = document.strip().splitlines()
    first = next(place for place, line in enumerate(lines) if set(line) <= set("- ")) + 1
    rows = cells(lines[first:-1])
    gap = next((place for place, row in enumerate(rows) if set(row) == {"..."}), len(rows))
    return rows[:gap], rows[gap + 1 :], int(lines[-1].split()[2])


def assert_rows(table, document, *, count=None):
    """
    Compare a table, printed in full, with the part of one that a document shows.
    """
    top, bottom, length = shown(document)
    printed = table.show("T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT").pformat(max_lines=-1, max_width=-1)
    rows = cells(printed)[-len(table) :]
    assert rows[: len(top)] == top
    assert rows[len(rows) - len(bottom) :] == bottom
    assert len(table) == (length if count is None else count)


def without_numbers(text):
    """
    A printed table, in which no number with a point is any other.
    """
    return cells(re.sub(r"-?\d+\.\d{6}\b", "#", text).splitlines())


VELOCITIES = """
         T_REC          TELESCOP  INSTRUME  WAVELNTH CAR_ROT
----------------------- -------- ---------- -------- -------
2014.01.01_00:00:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:01:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:02:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:03:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:03:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:04:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:05:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:06:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:06:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:07:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
                    ...      ...        ...      ...     ...
2014.01.01_00:54:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:54:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:55:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:56:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:57:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:57:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:58:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:59:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_01:00:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_01:00:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
Length = 81 rows
"""

#: What show("TELESCOP", "INSTRUME", "T_OBS") shows.
OBSERVED = """
TELESCOP  INSTRUME           T_OBS
-------- ---------- -----------------------
 SDO/HMI HMI_FRONT2 2014.01.01_00:00:37_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:01:22_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:02:07_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:02:52_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:03:37_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:04:22_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:05:07_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:05:52_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:06:37_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:07:22_TAI
     ...        ...                     ...
 SDO/HMI HMI_FRONT2 2014.01.01_00:53:52_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:54:37_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:55:22_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:56:07_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:56:52_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:57:37_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:58:22_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:59:07_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_00:59:52_TAI
 SDO/HMI HMI_FRONT2 2014.01.01_01:00:37_TAI
Length = 81 rows
"""

PATCHES = """
         T_REC          TELESCOP  INSTRUME WAVELNTH CAR_ROT
----------------------- -------- --------- -------- -------
2014.01.01_00:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:12:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:24:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:36:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:48:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_01:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:12:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:24:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:36:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
                    ...      ...       ...      ...     ...
2014.01.01_00:24:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:36:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:48:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_01:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:12:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:24:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:36:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_00:48:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
2014.01.01_01:00:00_TAI  SDO/HMI HMI_SIDE1   6173.0    2145
Length = 61 rows
"""

SAMPLED = """
         T_REC          TELESCOP  INSTRUME  WAVELNTH CAR_ROT
----------------------- -------- ---------- -------- -------
2014.01.01_00:00:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:10:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:20:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:30:00_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:39:45_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:49:30_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
2014.01.01_00:59:15_TAI  SDO/HMI HMI_FRONT2   6173.0    2145
Length = 7 rows
"""

CORONA = """
       T_REC         TELESCOP INSTRUME WAVELNTH CAR_ROT
-------------------- -------- -------- -------- -------
2014-01-01T00:00:01Z  SDO/AIA    AIA_4       94    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_1      131    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_3      171    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_2      193    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_2      211    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_4      304    2145
2014-01-01T00:00:01Z  SDO/AIA    AIA_1      335    2145
2014-01-01T00:00:13Z  SDO/AIA    AIA_4       94    2145
2014-01-01T00:00:13Z  SDO/AIA    AIA_1      131    2145
2014-01-01T00:00:13Z  SDO/AIA    AIA_3      171    2145
                    ...      ...      ...      ...     ...
2014-01-01T00:59:49Z  SDO/AIA    AIA_2      211    2145
2014-01-01T00:59:49Z  SDO/AIA    AIA_4      304    2145
2014-01-01T00:59:49Z  SDO/AIA    AIA_1      335    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_4       94    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_1      131    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_3      171    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_2      193    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_2      211    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_4      304    2145
2014-01-01T01:00:01Z  SDO/AIA    AIA_1      335    2145
Length = 2107 rows
"""


# The tutorial of drms: basic usage


def test_000_series(c, client):
    shown = ["hmi.M_45s", "hmi.M_720s", "hmi.m_720s_mod", "hmi.m_720s_nrt"]
    assert c.series(r"hmi\.m_") == shown
    assert client.series(r"hmi\.m_") == shown


def test_000_prime_keys(c, client):
    assert c.pkeys("hmi.m_720s") == ["T_REC", "CAMERA"]
    assert c.pkeys("hmi.v_sht_modes") == ["T_START", "LMIN", "LMAX", "NDT"]
    assert client.info("hmi.v_sht_modes").prime_keys == ("T_START", "LMIN", "LMAX", "NDT")


SEGMENTS = """
        type  units protocol       dims               note
mean   short    m/s     fits  4096x4096       Doppler mean
power  short  m2/s2     fits  4096x4096      Doppler power
valid  short     NA     fits  4096x4096  valid pixel count
Log     char     NA  generic                       run log
"""


def test_000_segments(c, client):
    # Today's drms prints the name of the index, too.
    printed = [line for line in str(c.info("hmi.v_avg120").segments).splitlines() if line.strip() != "name"]
    assert cells(printed) == cells(SEGMENTS.strip().splitlines())
    # The description here prints the same, and more.
    described = cells(str(client.info("hmi.v_avg120")).splitlines())
    assert all(line in described for line in cells(SEGMENTS.strip().splitlines()[1:]))


SLOTS = [f"2016.04.01_{hour:02d}:00:00_TAI" for hour in (0, 6, 12, 18)]

VELOCITY_OF_A_DAY = """
                     T_REC     DATAMEAN       OBS_VR
0  2016.04.01_00:00:00_TAI  3313.104980  3309.268006
1  2016.04.01_06:00:00_TAI   878.075195   887.864139
2  2016.04.01_12:00:00_TAI -2289.062500 -2284.690263
3  2016.04.01_18:00:00_TAI   128.609283   137.836168
"""


def test_000_query(c, client):
    k = c.query(DAY_AT_6H, key="T_REC, DATAMEAN, OBS_VR")
    # The same table of other numbers: the spacecraft's velocity is computed here, to some tens of m/s, and the mean
    # of the images with it.
    assert without_numbers(str(k)) == without_numbers(VELOCITY_OF_A_DAY.strip())
    np.testing.assert_allclose(k.OBS_VR, [3309.268006, 887.864139, -2284.690263, 137.836168], atol=60)
    np.testing.assert_allclose(k.DATAMEAN, [3313.104980, 878.075195, -2289.062500, 128.609283], atol=300)
    # Typed, with units, and in one question: better than text.
    table = client.search(a.jsoc.RecordSet(DAY_AT_6H), a.jsoc.Keys("DATAMEAN", "OBS_VR"))
    assert [str(time.value) for time in table["T_REC"]] == SLOTS
    assert table["OBS_VR"].unit == u.m / u.s
    np.testing.assert_allclose(table["OBS_VR"].value, k.OBS_VR)


def test_000_times(c, client):
    t = drms.to_datetime(c.query(DAY_AT_6H, key="T_REC").T_REC)
    # Today's pandas counts in microseconds.
    assert str(t).replace("[us]", "[ns]").splitlines() == [
        "0   2016-04-01 00:00:00",
        "1   2016-04-01 06:00:00",
        "2   2016-04-01 12:00:00",
        "3   2016-04-01 18:00:00",
        "Name: T_REC, dtype: datetime64[ns]",
    ]
    # astropy takes Python's own datetime.
    ta = astropy.time.Time(t[0].to_pydatetime(), format="datetime", scale="tai")
    assert repr(ta) == "<Time object: scale='tai' format='datetime' value=2016-04-01 00:00:00>"
    assert repr(ta.utc) == "<Time object: scale='utc' format='datetime' value=2016-03-31 23:59:24>"
    # Here the column is a Time already, and knows its scale.
    times = client.search(a.jsoc.RecordSet(DAY_AT_6H), a.jsoc.Keys("T_REC"))["T_REC"]
    assert times.scale == "tai"
    assert abs(times[0] - ta) < 1 * u.us


STORED = r"/SUM\d+/D\d+/S\d{5}/Dopplergram\.fits"


def test_000_segment_files(archive, c, client):
    s = c.query(DAY_AT_6H, seg="Dopplergram")
    assert s.columns.tolist() == ["Dopplergram"]
    # Storage has other numbers here.
    assert len(s) == 4
    assert all(re.fullmatch(STORED, path) for path in s.Dopplergram)
    k, again = c.query(DAY_AT_6H, key="T_REC, DATAMEAN, OBS_VR", seg="Dopplergram")
    assert k.T_REC.tolist() == SLOTS
    assert again.Dopplergram.tolist() == s.Dopplergram.tolist()
    url = archive.url + s.Dopplergram[0]
    data = fits.getdata(url)
    # The document's images have 4096 x 4096 pixels; those of tests are small.
    assert f"{data.shape} {data.dtype}" == "(16, 16) float32"
    assert c.info("hmi.v_45s").segments.dims.tolist() == ["4096x4096"]
    assert client.search(a.jsoc.RecordSet(DAY_AT_6H))["Dopplergram"].tolist() == s.Dopplergram.tolist()


# The tutorial of drms: exports


def said_by_drms(caplog) -> list[str]:
    """
    What drms logged; the site, which logs too, is in the same process.
    """
    return [record.getMessage().strip() for record in caplog.records if record.name == "drms"]


def test_000_quick_export(c, client, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    out_dir = "downloads"
    if not os.path.exists(out_dir):  # noqa: PTH110 - as the document writes it
        os.mkdir(out_dir)  # noqa: PTH102
    r = c.export(DAY_AT_6H + "{Dopplergram}")
    # Today's drms has a colon behind the name.
    assert repr(r) == "<ExportRequest: id=None, status=0>"
    assert len(r.data.filename) == 4
    assert all(re.fullmatch(STORED, path) for path in r.data.filename)
    assert r.urls.url[0] == c._server.http_download_baseurl.rstrip("/") + r.data.filename[0]
    with caplog.at_level("INFO", "drms"):
        # As drms wants it today, the index has a name.
        done = r.download(out_dir, index=0)
    assert len(done) == 1
    assert said_by_drms(caplog) == [
        "Downloading file 1 of 1...",
        "record: hmi.V_45s[2016.04.01_00:00:00_TAI][2]{Dopplergram}",
        "filename: Dopplergram.fits",
        "-> downloads/hmi.v_45s.20160401_000000_TAI.2.Dopplergram.fits",
    ]
    # The same name, without an export, and with all keywords in the header: better.
    (file,) = client.fetch(client.search(a.jsoc.RecordSet(DAY_AT_6H))[:1], path="quick", progress=False)
    assert Path(file).name == Path(done.download[0]).name
    with fits.open(file) as hdus:
        assert hdus[-1].header["T_REC"] == "2016.04.01_00:00:00.000_TAI"


CHOSEN = """
            type  units protocol     dims                 note
continuum    int   DN/s     fits  VARxVAR  continuum intensity
magnetogram  int  Gauss     fits  VARxVAR          magnetogram
"""


def test_000_a_patch_with_all_keywords(c, client, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    si = c.info("hmi.sharp_720s")
    # Notes are in this site's own words.
    assert "active region patches" in si.note
    assert si.primekeys == ["HARPNUM", "T_REC"]
    assert len(si.segments) == 31
    assert si.segments.index.values.tolist() == SHARP_SEGMENTS == list(client.info("hmi.sharp_720s").segments)
    chosen = si.segments.loc[["continuum", "magnetogram"]]
    described = [line.split()[:5] for line in CHOSEN.strip().splitlines()]
    assert [chosen.columns.tolist()[:4]] == [described[0][:4]]
    assert [[name, *row] for name, row in zip(chosen.index, chosen.values[:, :4].tolist(), strict=True)] == described[
        1:
    ]
    r = c.export(ONE_PATCH, method="url", protocol="fits")
    assert re.fullmatch(r"<ExportRequest: id=JSOC_\d{8}_\d+, status=2>", repr(r))
    assert r.wait(sleep=0.05, timeout=60)
    assert r.status == 0
    assert r.request_url.startswith(c._server.http_download_baseurl)
    Path("downloads").mkdir()
    with caplog.at_level("INFO", "drms"):
        r.download("downloads")
    name = "hmi.sharp_720s.4864.20141130_000000_TAI"
    assert [line for line in said_by_drms(caplog) if "ownload" in line or ": " in line] == [
        "Downloading file 1 of 2...",
        "record: hmi.sharp_720s[4864][2014.11.30_00:00:00_TAI]",
        f"filename: {name}.magnetogram.fits",
        f"-> downloads/{name}.magnetogram.fits",
        "Downloading file 2 of 2...",
        "record: hmi.sharp_720s[4864][2014.11.30_00:00:00_TAI]",
        f"filename: {name}.continuum.fits",
        f"-> downloads/{name}.continuum.fits",
    ]
    assert c.export_from_id(r.id).status == 0
    # In one line, and the identifier downloads later too.
    files = client.get_request(r.id, path=tmp_path / "again", progress=False)
    assert [Path(file).name for file in files] == [f"{name}.magnetogram.fits", f"{name}.continuum.fits"]


# Specific images of AIA


KEYS = ["EXPTIME", "QUALITY", "T_OBS", "T_REC", "WAVELNTH"]

SHORT = """
EXPTIME QUALITY T_OBS T_REC WAVELNTH
3 1.999620 0 2021-07-03T14:25:05.84Z 2021-07-03T14:24:59Z 193
10 1.999624 0 2021-07-03T14:25:17.84Z 2021-07-03T14:25:11Z 193
17 1.999622 0 2021-07-03T14:25:29.83Z 2021-07-03T14:25:23Z 193
24 1.999621 0 2021-07-03T14:25:41.84Z 2021-07-03T14:25:35Z 193
31 1.999622 0 2021-07-03T14:25:53.84Z 2021-07-03T14:25:47Z 193
344 0.102880 0 2021-07-03T14:34:58.50Z 2021-07-03T14:34:47Z 131
346 0.148062 0 2021-07-03T14:34:55.47Z 2021-07-03T14:34:47Z 193
350 1.483586 0 2021-07-03T14:35:01.80Z 2021-07-03T14:34:59Z 94
353 1.999624 0 2021-07-03T14:35:05.84Z 2021-07-03T14:34:59Z 193
354 0.509090 0 2021-07-03T14:35:01.15Z 2021-07-03T14:34:59Z 211
"""

SHORT_211 = """
EXPTIME QUALITY T_OBS T_REC WAVELNTH
88 0.578715 0 2021-07-03T14:27:25.09Z 2021-07-03T14:27:23Z 211
102 0.693402 0 2021-07-03T14:27:48.98Z 2021-07-03T14:27:47Z 211
116 0.832670 0 2021-07-03T14:28:12.86Z 2021-07-03T14:28:11Z 211
130 1.000602 0 2021-07-03T14:28:36.72Z 2021-07-03T14:28:35Z 211
144 1.199910 0 2021-07-03T14:29:00.54Z 2021-07-03T14:28:59Z 211
158 0.237294 0 2021-07-03T14:29:25.39Z 2021-07-03T14:29:23Z 211
172 0.286916 0 2021-07-03T14:29:49.34Z 2021-07-03T14:29:47Z 211
186 0.344258 0 2021-07-03T14:30:13.29Z 2021-07-03T14:30:11Z 211
200 0.414851 0 2021-07-03T14:30:37.23Z 2021-07-03T14:30:35Z 211
214 0.495807 0 2021-07-03T14:31:01.16Z 2021-07-03T14:30:59Z 211
228 0.594103 0 2021-07-03T14:31:25.07Z 2021-07-03T14:31:23Z 211
242 0.712433 0 2021-07-03T14:31:48.97Z 2021-07-03T14:31:47Z 211
256 0.855792 0 2021-07-03T14:32:12.86Z 2021-07-03T14:32:11Z 211
270 0.168142 0 2021-07-03T14:32:37.46Z 2021-07-03T14:32:35Z 211
284 0.204964 0 2021-07-03T14:33:01.42Z 2021-07-03T14:32:59Z 211
298 0.246917 0 2021-07-03T14:33:25.38Z 2021-07-03T14:33:23Z 211
312 0.296079 0 2021-07-03T14:33:49.34Z 2021-07-03T14:33:47Z 211
326 0.353420 0 2021-07-03T14:34:13.29Z 2021-07-03T14:34:11Z 211
340 0.427137 0 2021-07-03T14:34:37.22Z 2021-07-03T14:34:35Z 211
354 0.509090 0 2021-07-03T14:35:01.15Z 2021-07-03T14:34:59Z 211
"""


def assert_images(results, document):
    """
    Compare images with those that the document lists: the same numbers, slots and wavelengths.

    Exposures are computed here, to 2 percent or 10 ms; those of the document are measured.
    """
    listed = cells(document.strip().splitlines()[1:])
    rows = results.loc[[int(row[0]) for row in listed]]
    assert rows.T_REC.tolist() == [row[4] for row in listed]
    assert rows.WAVELNTH.tolist() == [int(row[5]) for row in listed]
    np.testing.assert_allclose(rows.EXPTIME, [float(row[1]) for row in listed], rtol=0.02, atol=0.01)
    # Observed while the slot lasts, in the document and here: not at the same moment.
    late = drms.to_datetime(rows.T_OBS) - drms.to_datetime(rows.T_REC)
    assert ((late.dt.total_seconds() > 0) & (late.dt.total_seconds() < 12)).all()
    # As the site prints it: drms makes numbers of it only with a pandas before 3.
    assert {int(text, 16) for text in rows.QUALITY} == {0}


def test_003_keywords_are_explained(c):
    keywords = c.info("aia.lev1_euv_12s").keywords
    # The words are this site's own.
    assert all(keywords.loc[key].note for key in KEYS)
    assert keywords.loc[KEYS].linkinfo.isna().all()


def test_003_filter_ask_again_compare(c):
    results = c.query(FLARE, key=KEYS, skip_conversion="QUALITY")
    assert results.columns.tolist() == KEYS
    assert len(results) == 357
    results = results[results.EXPTIME < 2]
    assert len(results) == 101
    # The document shows the first five and the last five of them.
    shown = [int(row[0]) for row in cells(SHORT.strip().splitlines()[1:])]
    assert [*results.index[:5], *results.index[-5:]] == shown
    assert_images(results, SHORT)
    results = results[results.WAVELNTH == 211]
    assert results.index.tolist() == [int(row[0]) for row in cells(SHORT_211.strip().splitlines()[1:])]
    assert_images(results, SHORT_211)
    updated_qstr = FLARE + "[? EXPTIME<2.0 AND WAVELNTH=211 ?]{image}"
    records, filenames = c.query(updated_qstr, key=KEYS, seg="image", skip_conversion="QUALITY")
    assert len(records) == len(filenames.image) == 20
    compared = str(results.reset_index(drop=True) == records.reset_index(drop=True))
    assert cells(compared.splitlines()) == [KEYS, *([str(row), *["True"] * 5] for row in range(20))]


def test_003_with_fido_no_second_query_is_needed(archive, client, tmp_path):
    # The document says that Fido cannot do this, and that a part of a table cannot be downloaded. It can here.
    flare = a.Time("2021-07-03T14:25:00", "2021-07-03T14:35:00"), a.jsoc.Series("aia.lev1_euv_12s")
    table = client.search(*flare)
    chosen = table[(table["EXPTIME"] < 2 * u.s) & (table["WAVELNTH"] == 211)]
    asked = client.search(*flare, a.Wavelength(211 * u.AA), a.jsoc.Keyword("EXPTIME") < 2)
    assert (chosen["Record"] == asked["Record"]).all()
    archive.requests.clear()
    files = client.fetch(chosen[:3], path=tmp_path, progress=False)
    assert [what for _, what in archive.requests].count("file") == len(files) == 3


def test_003_export_of_the_subset(c, client, tmp_path):
    updated_qstr = FLARE + "[? EXPTIME<2.0 AND WAVELNTH=211 ?]{image}"
    export = c.export(updated_qstr, method="url", protocol="fits")
    files = export.download(tmp_path.as_posix())
    assert len(files.download.to_list()) == 20
    assert all(fits.getheader(file, -1)["WAVELNTH"] == 211 for file in files.download)
    # "It is possible to bypass the export stage ... be aware that each file will have the same filename"
    _, filenames = c.query(updated_qstr, key=KEYS, seg="image", skip_conversion="QUALITY")
    urls = [f"{c._server.http_download_baseurl.rstrip('/')}{filename}" for filename in filenames.image]
    assert {url.rpartition("/")[2] for url in urls} == {"image_lev1.fits"}
    # That is what a search and a fetch do, with other names and whole headers: better.
    assert client.search(a.jsoc.RecordSet(updated_qstr))["image"].tolist() == filenames.image.tolist()


# FLARECAST: the script with another host


def download_files(urls):
    for url in urls:
        r = requests.get(url, stream=True, timeout=60)
        dispo = r.headers["content-disposition"]
        file_name = re.findall("filename=(.+)", dispo)[0]
        if r.status_code == 200:
            with open(file_name, "wb") as f:  # noqa: PTH123 - as the document writes it
                for chunk in r.iter_content(1024):  # noqa: FURB122
                    f.write(chunk)
    return file_name


#: What the document shows of a record, of the first slot in its list, and of metadata that is asked for again.
LISTED = {
    "date__obs": "2015-12-11T23:34:08.799999Z", "download_time": None, "exptime": None, "harpnum": 6178,
    "mask_cadence": None, "nbr_update": 0, "quality": 0, "recnum": 5605571, "recnum_init": None,
    "series_name": "hmi.sharp_720s", "t_rec_index": 1005598, "time": "2016-01-20T05:41:33.750935Z", "type": None,
    "urls": [f"http://cluster-r730-1:8001/HMI/hmi.sharp_720s/5605571/{name}.fits" for name in SHARP_SEGMENTS],
    "wavelnth": 6173,
}  # fmt: skip
RELOADED = {
    "date__obs": "2015-12-11T23:34:08.800000Z", "download_time": None, "exptime": None, "harpnum": 6167,
    "mask_cadence": None, "meta": {"area": 3507.3125, "cmask": 6423,
    "distcoef": "/home/jsoc/cvs/Development/JSOC/proj/lev1.5_hmi/apps//../libs/lev15/"},
    "nbr_update": 0, "quality": 0, "recnum": 5601499, "recnum_init": None, "series_name": "hmi.sharp_720s",
    "t_rec_index": 1005598, "time": "2016-05-26T15:39:51Z", "type": None, "urls": [], "wavelnth": 6173,
}  # fmt: skip

#: What each site numbers for itself, and when it made its records.
OWN = {"recnum", "harpnum", "time"}


def assert_like(found, document, host):
    """
    Compare a record with one that the document shows: the same members in the same order, with the same values.
    """
    assert list(found) == list(document)
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in document.items()
    }
    # The document's first time is a rounding error short of its second.
    assert found["date__obs"] == "2015-12-11T23:34:08.800000Z"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["time"])
    here = f"{host}/HMI/hmi.sharp_720s/{found['recnum']}/"
    there = "http://cluster-r730-1:8001/HMI/hmi.sharp_720s/5605571/"
    assert [url.replace(here, there) for url in found["urls"]] == document["urls"]
    for name in set(found) - OWN - {"date__obs", "urls", "meta"}:
        assert found[name] == document[name], name


def test_004_the_addresses(archive):
    # The first one is what the page of the document makes, with colons escaped.
    address = "/HMI/hmi.sharp_720s?start=2015-12-11T00%3A00%3A00Z&end=2015-12-12T00%3A00%3A00Z&meta=false"
    reply = requests.get(f"{archive.url}{address}", timeout=60).json()
    # The document prints the list alone here; its script takes the list from "data", as it is sent here.
    assert list(reply) == ["data"]
    item = next(entry for entry in reply["data"] if entry["t_rec_index"] == 1005598)
    assert_like(item, LISTED, archive.url)
    fields = "area,cmask,distcoef"
    again = requests.get(f"{archive.url}/HMI/hmi.sharp_720s/meta/{item['recnum']}?fields={fields}", timeout=60).json()
    assert list(again) == [str(item["recnum"])]
    reloaded = again[str(item["recnum"])]
    assert_like(reloaded, RELOADED, archive.url)
    # Other patches, whose values have the same types.
    assert {name: type(value) for name, value in reloaded["meta"].items()} == {
        name: type(value) for name, value in RELOADED["meta"].items()
    }


def test_004_the_script(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host = archive.url
    start_date, end_date, incl_meta = "2015-12-11T00:00:00Z", "2015-12-12T00:00:00Z", "false"
    response = requests.get(
        f"{host}/HMI/hmi.sharp_720s?start={start_date}&end={end_date}&meta={incl_meta}", timeout=60
    ).json()
    sharp_list = response["data"]
    first_sharp_date = sharp_list[0]["date__obs"]
    assert first_sharp_date.startswith("2015-12-11T23:")
    first_sharp_urls = sharp_list[0]["urls"]
    assert [url.rpartition("/")[2] for url in first_sharp_urls] == [f"{name}.fits" for name in SHARP_SEGMENTS]

    sharp_image, fields = sharp_list[0]["recnum"], ["area", "cmask", "distcoef"]
    meta_data = requests.get(
        f"{host}/HMI/hmi.sharp_720s/meta/{sharp_image}?fields={','.join(fields)}", timeout=60
    ).json()
    assert list(meta_data[str(sharp_image)]["meta"]) == fields
    assert meta_data[str(sharp_image)]["wavelnth"] == 6173

    # Of all records, but two files of each. The function returns the name of the last one, as the document has it.
    sharp_files = list(map(lambda s: download_files(s["urls"][:2]), sharp_list))  # noqa: C417 - as the document writes it
    assert all(name.endswith(".bitmap.fits") for name in sharp_files)
    assert len(set(sharp_files)) == len(sharp_list)
    assert len(list(tmp_path.iterdir())) == 2 * len(sharp_list)
    assert all(fits.getheader(name, -1)["TELESCOP"] == "SDO/HMI" for name in sharp_files)


def test_004_the_page(archive):
    page = requests.get(f"{archive.url}/ui", timeout=60)
    assert page.status_code == 200
    assert "swagger" in page.text.lower()
    # "You have to set the series parameter and the start and end date. Optionally, ... the meta parameter."
    described = requests.get(f"{archive.url}/openapi.json", timeout=60).json()["paths"]["/HMI/{series}"]["get"]
    assert {item["name"]: item["required"] for item in described["parameters"]} == {
        "series": True, "start": True, "end": True, "meta": False,
    }  # fmt: skip


# The guide of sunpy's client


SERIES = """
aia_flatfield                      JSOC   aia.flatfield                      AIA flatfield
aia_lev1                           JSOC   aia.lev1                           AIA Level 1
aia_lev1_euv_12s                   JSOC   aia.lev1_euv_12s                   AIA Level 1, 12 second cadence
aia_lev1_uv_24s                    JSOC   aia.lev1_uv_24s                    AIA Level 1, 24 second cadence
aia_lev1_vis_1h                    JSOC   aia.lev1_vis_1h                    AIA Level 1, 3600 second cadence
aia_master_pointing3h              JSOC   aia.master_pointing3h              Master Pointing Parameters
aia_response                       JSOC   aia.response                       AIA instrument response table
aia_temperature_summary_300s       JSOC   aia.temperature_summary_300s       Temperature Statistics from AIA
hmi_b_135s                         JSOC   hmi.b_135s
"""


def test_002_series_are_listed(monkeypatch):
    # As wide as the document's; how much is printed depends on the terminal.
    monkeypatch.setenv("COLUMNS", "250")
    lines = str(a.jsoc.Series).splitlines()
    # This package's series, and what they are for.
    assert lines[0] == "jsoc_fido.attrs.Series"
    (titles,) = [place for place, line in enumerate(lines) if "Attribute Name" in line]
    assert lines[titles].split() == ["Attribute", "Name", "Client", "Full", "Name", "Description"]
    listed = cells(lines[titles + 2 :])
    expected = cells(SERIES.strip().splitlines())
    assert [line[:3] for line in listed[: len(expected)]] == [line[:3] for line in expected]
    descriptions = dict(JSOCClient.register_values()[a.jsoc.Series])
    # HMI's are in this package's own words.
    for line in expected[:-1]:
        assert descriptions[line[2]].startswith(" ".join(line[3:]))
    assert descriptions["hmi.b_135s"]


def test_002_prime_keys(c, archive):
    assert str(c.pkeys("hmi.m_720s")) == "['T_REC', 'CAMERA']"
    assert JSOCClient(archive.url).info("hmi.m_720s").prime_keys == ("T_REC", "CAMERA")


def test_002_a_basic_query(local_site):
    res = Fido.search(HOUR, VELOCITY)
    lines = repr(res).splitlines()
    assert re.fullmatch(r"<sunpy\.net\.fido_factory\.UnifiedResponse object at \w+>", lines[0])
    assert lines[1] == "Results from 1 Provider:"
    assert "81 Results from the JSOCClient:" in lines
    # The site that was asked, which was JSOC in the document. The size of the files, and the unit of the wavelength,
    # which the document lacks, are told, too: better.
    assert f"Source: {local_site.url}" in lines
    assert any(line.startswith("Total estimated size: ") for line in lines)
    titles = lines.index(next(line for line in lines if "TELESCOP" in line))
    assert cells(lines[titles : titles + 2]) == [["T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT"], ["Angstrom"]]
    assert lines[-1] == "Length = 81 rows" or lines[-2] == "Length = 81 rows"
    assert_rows(res[0], VELOCITIES)


def test_002_times_in_another_scale(local_site):
    start, end = (astropy.time.Time(f"2014-01-01T0{hour}:00:00", scale="tai") for hour in (0, 1))
    assert repr(a.Time(start, end)) == "<sunpy.net.attrs.Time(2014-01-01 00:00:00.000, 2014-01-01 01:00:00.000)>"
    table = Fido.search(a.Time(start, end), VELOCITY)[0]
    # The hour begins 35 seconds earlier than in UTC.
    assert table.questions[0].record_set == "hmi.V_45s[2014.01.01_00:00:00_TAI-2014.01.01_01:00:00_TAI]"
    assert str(table["T_REC"][-1].value) == "2014.01.01_01:00:00_TAI"


def test_002_words_print_what_they_are():
    # As shown, with this package's names; prime keys stand in one line, with what they are.
    described = "hmi.v_45s: Dopplergrams with a cadence of 45 seconds"
    assert re.fullmatch(rf"<jsoc_fido\.attrs\.Series\({described}\) object at \w+>", " ".join(repr(VELOCITY).split()))
    one = a.jsoc.PrimeKey("HARPNUM", "4864")
    assert repr(one) == "<jsoc_fido.attrs.PrimeKey('HARPNUM', '4864')>"
    both = one & a.jsoc.PrimeKey("CAMERA", "2")
    assert repr(both) == f"<AttrAnd([{one!r}, <jsoc_fido.attrs.PrimeKey('CAMERA', '2')>])>"
    assert repr((HOUR, a.jsoc.PrimeKey("WAVELNTH", "161"))) == (
        "(<sunpy.net.attrs.Time(2014-01-01 00:00:00.000, 2014-01-01 01:00:00.000)>, "
        "<jsoc_fido.attrs.PrimeKey('WAVELNTH', '161')>)"
    )


def test_002_a_wavelength(local_site):
    series = a.jsoc.Series("aia.lev1_euv_12s")
    found = Fido.search(HOUR, series, a.Wavelength(304 * u.AA))[0]
    assert set(found["WAVELNTH"].value.tolist()) == {304}
    assert len(found) == 301
    by_name = Fido.search(HOUR, series, a.jsoc.PrimeKey("WAVELNTH", "304"))[0]
    assert (by_name["Record"] == found["Record"]).all()
    # "Specifying spectral units in arguments is necessary or an error will be raised."
    with pytest.raises(TypeError, match="must be astropy Quantities"):
        a.Wavelength(304)
    # "All other PrimeKey values must be passed as a string": numbers are understood, too: better.
    number = Fido.search(HOUR, series, a.jsoc.PrimeKey("WAVELNTH", 304))[0]
    assert (number["Record"] == found["Record"]).all()


def test_002_a_wrong_prime_key_names_the_right_ones(local_site):
    with pytest.raises(ValueError, match=r"supports the following PrimeKeys \['T_REC', 'CAMERA'\]"):
        JSOCClient().search(HOUR, VELOCITY, a.jsoc.PrimeKey("HARPNUM", "4864"))


def test_002_columns_are_chosen(local_site):
    res = Fido.search(HOUR, VELOCITY)
    shown_columns = res.show("TELESCOP", "INSTRUME", "T_OBS")[0]
    assert shown_columns.colnames == ["TELESCOP", "INSTRUME", "T_OBS"]
    top, bottom, length = shown(OBSERVED)
    rows = cells(shown_columns.pformat(max_lines=-1, max_width=-1))[-length:]
    assert (rows[:10], rows[-10:], len(rows)) == (top, bottom, 81)
    everything = res.show()[0]
    # The document's first and last columns; software has other names here, and records were made at another second.
    assert everything.colnames[:3] == ["DATE", "DATE__OBS", "DATE-OBS"]
    assert everything.colnames[-2:] == ["CODEVER3", "CALVER64"]
    observed = [f"2014-01-01T00:{minute:02d}:{second}.20Z" for minute, second in ((0, 24), (1, "09"), (1, 54), (2, 39))]
    for name in ("DATE__OBS", "DATE-OBS"):
        assert [str(time.value) for time in everything[name][:5]] == ["2013-12-31T23:59:39.20Z", *observed]
    assert set(everything["CALVER64"].tolist()) == {4370}
    # "Passing an incorrect keyword won't throw an error, but the column will not be displayed."
    assert res.show("TELESCOP", "NONSENSE")[0].colnames == ["TELESCOP"]


def test_002_segments(c, local_site):
    assert c.info("hmi.sharp_720s").segments.index.values.tolist() == SHARP_SEGMENTS
    message = (
        "Unexpected Segments were passed. The series hmi.sharp_720s contains the following Segments "
        f"{SHARP_SEGMENTS}, not ['image']."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Segment("image"))
    found = Fido.search(HOUR, SHARP, a.jsoc.Segment("continuum") & a.jsoc.Segment("magnetogram"))[0]
    # The document has 61 records; other patches are computed here, which were there for the whole hour.
    assert_rows(found, PATCHES, count=66)
    # "Providing a segment won't have any effect on the response": it has these files in it.
    assert {"continuum", "magnetogram"} <= set(found.colnames)
    assert "bitmap" not in found.colnames


KEYWORDS = [
    "cparms_sg000", "magnetogram_bzero", "magnetogram_bscale", "cparms_sg001", "bitmap_bzero", "bitmap_bscale",
    "cparms_sg002", "Dopplergram_bzero", "Dopplergram_bscale", "cparms_sg003", "continuum_bzero", "continuum_bscale",
    "cparms_sg004", "inclination_bzero", "inclination_bscale", "cparms_sg005", "azimuth_bzero", "azimuth_bscale",
    "cparms_sg006", "field_bzero", "field_bscale", "cparms_sg007",
]  # fmt: skip


def test_002_keywords(c, local_site):
    keywords = c.keys("hmi.sharp_720s")
    assert keywords[: len(KEYWORDS)] == KEYWORDS
    # The document's list ends so; where the number of the slot stands is each site's affair.
    assert [name for name in keywords if name != "T_REC_index"][-2:] == ["ERRJHT", "ERRVF"]
    every = Fido.search(HOUR, SHARP)[0]
    one = Fido.search(HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero") == 0)[0]
    two = Fido.search(
        HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero") == 0, a.jsoc.Keyword("continuum_bscale") > 0
    )[0]  # fmt: skip
    for found in (every, one, two):
        assert_rows(found, PATCHES, count=66)
    # "chained together inside the query"
    (question,) = two.questions
    assert question.record_set.endswith("[? bitmap_bzero=0 AND continuum_bscale>0 ?]")


def test_002_wrong_keywords(local_site):
    with pytest.raises(ValueError, match=r"^Keyword 'bitmap_bzero' needs to have a comparison to a value\.$"):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero"))
    with pytest.raises(ValueError, match=r"^Keyword: 'bac' is not supported by series: hmi\.sharp_720s$"):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Keyword("bac") == 0)


def test_002_sample(local_site):
    # DRMS takes every 13th slot, as the document shows; that this is no 10 minutes is said here: better.
    with pytest.warns(SunpyUserWarning, match=r"600s is no multiple of the 45 s .* one every 585 s"):
        found = Fido.search(HOUR, VELOCITY, a.Sample(10 * u.min))[0]
    assert_rows(found, SAMPLED)
    # "The argument must be an astropy quantity, convertible into seconds."
    with pytest.raises(TypeError, match="should pass in an astropy Quantity"):
        a.Sample(600)
    with pytest.raises(u.UnitsError, match="convertible to 's'"):
        a.Sample(10 * u.m)


def test_002_alternatives(local_site):
    found = Fido.search(HOUR, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s"))
    assert "Results from 2 Providers:" in repr(found).splitlines()
    assert len(found) == 2
    assert_rows(found[0], VELOCITIES)
    assert_rows(found[1], CORONA)
    days = Fido.search(HOUR | a.Time("2014-01-02T00:00:00", "2014-01-02T01:00:00"), VELOCITY)
    assert "Results from 2 Providers:" in repr(days).splitlines()
    assert_rows(days[0], VELOCITIES)
    assert_rows(days[1], VELOCITIES.replace("2014.01.01", "2014.01.02"))


def test_002_download(local_site, tmp_path):
    # A minute of the document's hour: it would be 2188 files.
    minute = a.Time("2014-01-01T00:00", "2014-01-01T00:01")
    res = Fido.search(minute, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s"), a.jsoc.Notify(EMAIL))
    downloaded_files = Fido.fetch(res, path=tmp_path, progress=False)
    assert not downloaded_files.errors
    assert len(downloaded_files) == len(res[0]) + len(res[1]) == 2 + 42
    assert local_site.count("exp_request") == 2
    # "No slicing operations will affect the number of files downloaded": they do: better.
    assert len(Fido.fetch(res[0][:1], path=tmp_path / "one", progress=False)) == 1
    # "You must have used Notify": without it the files come quick, with whole headers: better.
    res = Fido.search(minute, VELOCITY)
    local_site.requests.clear()
    assert len(Fido.fetch(res, path=tmp_path / "quick", progress=False)) == 2
    assert local_site.count("exp_request") == 0


def test_002_the_client_in_three_steps(local_site, tmp_path):
    client = JSOCClient()
    res = client.search(HOUR, VELOCITY, a.jsoc.Notify(EMAIL))
    assert_rows(res, VELOCITIES)
    # Three of the document's 81 records; a slice is staged as a slice: better.
    requests = client.request_data(res[:3])
    assert re.fullmatch(r"<ExportRequest: id=JSOC_\d{8}_\d+, status=\d>", str(requests))
    assert re.fullmatch(r"JSOC_\d{8}_\d+", requests.id)
    assert requests.wait(sleep=0.05, timeout=60)
    assert requests.status == 0
    assert str(requests) == f"<ExportRequest: id={requests.id}, status=0>"
    files = client.get_request(requests, path=tmp_path, progress=False)
    # The document waits for the results then; they are complete here.
    assert [Path(file).name for file in files] == [
        f"hmi.v_45s.20140101_00{time}_TAI.2.Dopplergram.fits" for time in ("0045", "0130", "0215")
    ]
    # For more than one query it is "a list of ExportRequest objects".
    both = client.search(HOUR, VELOCITY | SHARP, a.jsoc.Notify(EMAIL))
    several = client.request_data(both[[0, len(both) - 1]], progress=False)
    assert [type(request).__name__ for request in several] == ["ExportRequest"] * 2
    with pytest.raises(QueryError, match="needs words"):
        client.search()


# The table in the documentation


TABLE = Path(__file__).parent.parent / "docs" / "topics" / "seeds.rst"


def places():
    """
    Where the table in the documentation says that examples run.
    """
    return re.findall(r"``(test_\w+)\.py(?:::(test_\w+))?``", TABLE.read_text("utf-8"))


@pytest.mark.parametrize(("module", "name"), places())
def test_what_the_table_names_exists(module, name):
    source = (Path(__file__).parent / f"{module}.py").read_text("utf-8")
    assert not name or f"\ndef {name}(" in source


def test_every_example_is_in_the_table():
    source = Path(__file__).read_text("utf-8")
    here = set(re.findall(r"^def (test_0\w+)\(", source, re.MULTILINE))
    assert here == {name for module, name in places() if module == "test_seeds"}
