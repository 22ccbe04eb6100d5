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
from astropy.table import QTable
from drms.config import ServerConfig
from sunpy.net import Fido
from sunpy.net import attrs as a
from sunpy.util.exceptions import SunpyUserWarning

from jsoc_fido import JSOCClient, localsite
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
    return ServerConfig(
        name="embedded",
        cgi_baseurl=f"{archive.url}/cgi-bin/ajax/",
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        http_download_baseurl=f"{archive.url}/",
    )


@pytest.fixture
def c(server):
    return drms.Client(server, email=EMAIL)


@pytest.fixture
def client(archive):
    return JSOCClient(archive.url)


# The tutorial of drms: basic usage


def test_000_series(c, client):
    shown = ["hmi.M_45s", "hmi.M_720s", "hmi.m_720s_mod", "hmi.m_720s_nrt"]
    assert sorted(c.series(r"hmi\.m_")) == shown
    assert sorted(client.series(r"hmi\.m_")) == shown


def test_000_prime_keys(c, client):
    assert c.pkeys("hmi.m_720s") == ["T_REC", "CAMERA"]
    assert c.pkeys("hmi.v_sht_modes") == ["T_START", "LMIN", "LMAX", "NDT"]
    assert client.info("hmi.v_sht_modes").prime_keys == ("T_START", "LMIN", "LMAX", "NDT")


def test_000_segments(c, client):
    table = c.info("hmi.v_avg120").segments
    assert table.loc["power"].tolist() == ["short", "m2/s2", "fits", "4096x4096", "Doppler power"]
    assert table.index.tolist() == ["mean", "power", "valid", "Log"]
    # The description prints the same columns.
    assert "  power  short  m2/s2  fits      4096x4096  Doppler power\n" in str(client.info("hmi.v_avg120"))


SLOTS = [f"2016.04.01_{hour:02d}:00:00_TAI" for hour in (0, 6, 12, 18)]


def test_000_query(c, client):
    k = c.query(DAY_AT_6H, key="T_REC, DATAMEAN, OBS_VR")
    assert k.columns.tolist() == ["T_REC", "DATAMEAN", "OBS_VR"]
    assert k.T_REC.tolist() == SLOTS
    # The spacecraft's velocity is computed here; the real one was up to 3.3 km/s, down to -2.3 km/s on that day.
    np.testing.assert_allclose(k.OBS_VR, [3309.268006, 887.864139, -2284.690263, 137.836168], atol=600)
    np.testing.assert_allclose(k.DATAMEAN, k.OBS_VR, atol=600)
    # Typed, with units, and in one question: better than text.
    table = client.search(a.jsoc.RecordSet(DAY_AT_6H), a.jsoc.Keys("DATAMEAN", "OBS_VR"))
    assert table["OBS_VR"].unit == u.m / u.s
    np.testing.assert_allclose(table["OBS_VR"].value, k.OBS_VR)


def test_000_times(c, client):
    t = drms.to_datetime(c.query(DAY_AT_6H, key="T_REC").T_REC)
    assert t.astype(str).tolist()[1] == "2016-04-01 06:00:00"
    ta = astropy.time.Time(t[0].to_pydatetime(), format="datetime", scale="tai")
    assert str(ta.utc) == "2016-03-31 23:59:24"
    # Here the column is a Time already, and knows its scale.
    times = client.search(a.jsoc.RecordSet(DAY_AT_6H), a.jsoc.Keys("T_REC"))["T_REC"]
    assert times.scale == "tai"
    assert abs(times[0] - ta) < 1 * u.us


def test_000_segment_files(archive, c, client):
    s = c.query(DAY_AT_6H, seg="Dopplergram")
    assert len(s) == 4
    assert all(re.fullmatch(r"/SUM\d+/D\d+/S\d{5}/Dopplergram\.fits", path) for path in s.Dopplergram)
    k, again = c.query(DAY_AT_6H, key="T_REC, DATAMEAN, OBS_VR", seg="Dopplergram")
    assert len(k) == len(again) == 4
    data = fits.getdata(archive.url + s.Dopplergram[0])
    assert (data.shape, data.dtype.kind) == ((16, 16), "f")
    assert client.search(a.jsoc.RecordSet(DAY_AT_6H))["Dopplergram"].tolist() == s.Dopplergram.tolist()


# The tutorial of drms: exports


def test_000_quick_export(c, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out_dir = "downloads"
    os.mkdir(out_dir)  # noqa: PTH102 - as the document writes it
    r = c.export(DAY_AT_6H + "{Dopplergram}")
    assert (r.id, r.status) == (None, 0)
    assert len(r.data.filename) == 4
    assert r.urls.url[0].endswith("/Dopplergram.fits")
    # As drms wants it today, the index has a name.
    done = r.download(out_dir, index=0)
    assert Path(done.download[0]).name == "hmi.v_45s.20160401_000000_TAI.2.Dopplergram.fits"
    # The same name, without an export, and with all keywords in the header: better.
    (file,) = client.fetch(client.search(a.jsoc.RecordSet(DAY_AT_6H))[:1], path="quick", progress=False)
    assert Path(file).name == Path(done.download[0]).name
    with fits.open(file) as hdus:
        assert hdus[-1].header["T_REC"] == "2016.04.01_00:00:00.000_TAI"


def test_000_a_patch_with_all_keywords(c, client, tmp_path):
    si = c.info("hmi.sharp_720s")
    assert si.primekeys == ["HARPNUM", "T_REC"]
    assert len(si.segments) == 31
    assert si.segments.index.tolist() == SHARP_SEGMENTS == list(client.info("hmi.sharp_720s").segments)
    chosen = si.segments.loc[["continuum", "magnetogram"]]
    assert chosen[["type", "units", "protocol", "dims"]].values.tolist() == [
        ["int", "DN/s", "fits", "VARxVAR"],
        ["int", "Gauss", "fits", "VARxVAR"],
    ]
    r = c.export(ONE_PATCH, method="url", protocol="fits")
    assert re.fullmatch(r"JSOC_\d{8}_\d+", r.id)
    assert r.wait(sleep=0.05, timeout=60)
    assert r.status == 0
    assert r.request_url.startswith(c._server.http_download_baseurl)
    names = sorted(Path(file).name for file in r.download(str(tmp_path)).download)
    assert names == [
        "hmi.sharp_720s.4864.20141130_000000_TAI.continuum.fits",
        "hmi.sharp_720s.4864.20141130_000000_TAI.magnetogram.fits",
    ]
    assert c.export_from_id(r.id).status == 0
    # In one line, and the identifier downloads later too.
    files = client.get_request(r.id, path=tmp_path / "again", progress=False)
    assert sorted(Path(file).name for file in files) == names


# Specific images of AIA


KEYS = ["EXPTIME", "QUALITY", "T_OBS", "T_REC", "WAVELNTH"]


def test_003_keywords_are_explained(c):
    keywords = c.info("aia.lev1_euv_12s").keywords
    # The words are this site's own.
    assert all(keywords.loc[key].note for key in KEYS)


def test_003_filter_ask_again_compare(c):
    results = c.query(FLARE, key=KEYS, skip_conversion="QUALITY")
    assert len(results) == 357
    results = results[results.EXPTIME < 2]
    assert len(results) == 101
    results = results[results.WAVELNTH == 211]
    assert len(results) == 20
    updated_qstr = FLARE + "[? EXPTIME<2.0 AND WAVELNTH=211 ?]{image}"
    records, filenames = c.query(updated_qstr, key=KEYS, seg="image", skip_conversion="QUALITY")
    assert len(records) == len(filenames.image) == 20
    assert (results.reset_index(drop=True) == records.reset_index(drop=True)).to_numpy().all()


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
    updated_qstr = FLARE + "[? EXPTIME<0.25 AND WAVELNTH=211 ?]{image}"
    files = c.export(updated_qstr, method="url", protocol="fits").download(tmp_path.as_posix())
    assert 0 < len(files) < 20
    urls = client.search(a.jsoc.RecordSet(updated_qstr))["image"]
    assert len(urls) == len(files)


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


def test_004_the_script(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host = archive.url
    start_date, end_date, incl_meta = "2015-12-11T00:00:00Z", "2015-12-12T00:00:00Z", "false"
    response = requests.get(
        f"{host}/HMI/hmi.sharp_720s?start={start_date}&end={end_date}&meta={incl_meta}", timeout=60
    ).json()
    sharp_list = response["data"]
    assert sharp_list[0]["date__obs"].startswith("2015-12-11T23:")
    first_sharp_urls = sharp_list[0]["urls"]
    assert [url.rpartition("/")[2] for url in first_sharp_urls] == [f"{name}.fits" for name in SHARP_SEGMENTS]

    sharp_image, fields = sharp_list[0]["recnum"], ["area", "cmask", "distcoef"]
    meta_data = requests.get(
        f"{host}/HMI/hmi.sharp_720s/meta/{sharp_image}?fields={','.join(fields)}", timeout=60
    ).json()
    assert list(meta_data[str(sharp_image)]["meta"]) == fields
    assert meta_data[str(sharp_image)]["wavelnth"] == 6173

    sharp_files = [download_files(entry["urls"][:2]) for entry in sharp_list[:2]]
    assert len(set(sharp_files)) == 2
    assert all(fits.getheader(name, -1)["TELESCOP"] == "SDO/HMI" for name in sharp_files)


def test_004_the_page(archive):
    assert "description" in requests.get(f"{archive.url}/ui", timeout=60).text


# The guide of sunpy's client


def head(table: QTable, name: str, count: int = 3) -> list[str]:
    return [str(value.value) for value in table[name][:count]]


def test_002_series_are_listed():
    printed = str(a.jsoc.Series)
    for name in ("aia_flatfield", "aia_lev1_euv_12s", "aia_master_pointing3h", "hmi_b_135s"):
        assert name in printed
    # How much of the descriptions is printed, depends on the terminal.
    assert dict(JSOCClient.register_values()[a.jsoc.Series])["aia.lev1_euv_12s"] == "AIA Level 1, 12 second cadence"


def test_002_prime_keys(archive):
    assert JSOCClient(archive.url).info("hmi.m_720s").prime_keys == ("T_REC", "CAMERA")


def test_002_a_basic_query(local_site):
    res = Fido.search(HOUR, VELOCITY)
    lines = repr(res).splitlines()
    assert "81 Results from the JSOCClient:" in lines
    # The site that was asked, which was JSOC in the document.
    assert f"Source: {local_site.url}" in lines
    (titles,) = [line.split() for line in lines if "TELESCOP" in line]
    assert titles == ["T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT"]
    (first,) = [line.split() for line in lines if line.startswith("2014.01.01_00:00:45_TAI")]
    assert first == ["2014.01.01_00:00:45_TAI", "SDO/HMI", "HMI_FRONT2", "6173.0", "2145"]
    assert str(res[0]["T_REC"][-1].value) == "2014.01.01_01:00:45_TAI"


def test_002_times_in_another_scale(local_site):
    start, end = (astropy.time.Time(f"2014-01-01T0{hour}:00:00", scale="tai") for hour in (0, 1))
    assert repr(a.Time(start, end)) == "<sunpy.net.attrs.Time(2014-01-01 00:00:00.000, 2014-01-01 01:00:00.000)>"
    table = Fido.search(a.Time(start, end), VELOCITY)[0]
    # The hour begins 35 seconds earlier than in UTC; the slots of its first minutes are not on this site.
    assert table["T_REC"][0] >= start
    assert table["T_REC"][-1] <= end


def test_002_words_print_what_they_are():
    assert "Series(hmi.v_45s" in repr(VELOCITY)
    assert "HARPNUM" in repr(a.jsoc.PrimeKey("HARPNUM", "4864"))
    both = a.jsoc.PrimeKey("HARPNUM", "4864") & a.jsoc.PrimeKey("CAMERA", "2")
    assert type(both).__name__ == "AttrAnd"
    assert "CAMERA" in repr(both)


def test_002_a_wavelength(local_site):
    series = a.jsoc.Series("aia.lev1_euv_12s")
    found = Fido.search(HOUR, series, a.Wavelength(304 * u.AA))[0]
    assert set(found["WAVELNTH"].value.tolist()) == {304}
    assert len(found) == 301
    by_name = Fido.search(HOUR, series, a.jsoc.PrimeKey("WAVELNTH", "304"))[0]
    assert len(by_name) == 301


def test_002_a_wrong_prime_key_names_the_right_ones(local_site):
    with pytest.raises(ValueError, match=r"supports the following PrimeKeys \['T_REC', 'CAMERA'\]"):
        JSOCClient().search(HOUR, VELOCITY, a.jsoc.PrimeKey("HARPNUM", "4864"))


def test_002_columns_are_chosen(local_site):
    res = Fido.search(HOUR, VELOCITY)
    shown = res.show("TELESCOP", "INSTRUME", "T_OBS")[0]
    assert shown.colnames == ["TELESCOP", "INSTRUME", "T_OBS"]
    times = [str(value.value) for value in shown["T_OBS"][:2]]
    # The document has 00:00:37 and 00:01:22; the orbit is computed here, to a second of light time.
    assert all(
        re.match(rf"2014\.01\.01_00:{minute}:\d\d", text) for text, minute in zip(times, ("00", "01"), strict=True)
    )
    everything = res.show()[0]
    assert everything.colnames[0] == "DATE"
    assert {"DATE__OBS", "DATE-OBS", "CODEVER3", "CALVER64"} <= set(everything.colnames)
    assert res.show("TELESCOP", "NONSENSE")[0].colnames == ["TELESCOP"]


def test_002_segments(local_site):
    with pytest.raises(ValueError, match=re.escape(f"contains the following Segments {SHARP_SEGMENTS}")):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Segment("image"))
    found = Fido.search(HOUR, SHARP, a.jsoc.Segment("continuum") & a.jsoc.Segment("magnetogram"))[0]
    # The document has 61 patches; others are computed here, in the same slots.
    slots = [f"2014.01.01_{hour:02d}:{minute:02d}:00_TAI" for hour, minute in
             ((0, 0), (0, 12), (0, 24), (0, 36), (0, 48), (1, 0))]  # fmt: skip
    assert head(found, "T_REC", 6) == slots
    assert (len(found) % 6, set(found["CAR_ROT"].tolist())) == (0, {2145})
    assert {"continuum", "magnetogram"} <= set(found.colnames)


def test_002_keywords(local_site):
    known = JSOCClient().info("hmi.sharp_720s").keywords
    assert {"cparms_sg000", "magnetogram_bzero", "magnetogram_bscale", "ERRJHT", "ERRVF"} <= set(known)
    every = Fido.search(HOUR, SHARP)[0]
    one = Fido.search(HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero") == 0)[0]
    two = Fido.search(
        HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero") == 0, a.jsoc.Keyword("continuum_bscale") > 0
    )[0]  # fmt: skip
    assert len(every) == len(one) == len(two)


def test_002_wrong_keywords(local_site):
    with pytest.raises(ValueError, match=r"Keyword 'bitmap_bzero' needs to have a comparison to a value\."):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Keyword("bitmap_bzero"))
    with pytest.raises(ValueError, match=r"Keyword: 'bac' is not supported by series: hmi\.sharp_720s"):
        JSOCClient().search(HOUR, SHARP, a.jsoc.Keyword("bac") == 0)


def test_002_sample(local_site):
    # DRMS takes every 13th slot, as the document shows; that this is no 10 minutes is said here: better.
    with pytest.warns(SunpyUserWarning, match="no multiple of the 45 s"):
        found = Fido.search(HOUR, VELOCITY, a.Sample(10 * u.min))[0]
    assert head(found, "T_REC", 9) == [
        "2014.01.01_00:00:45_TAI", "2014.01.01_00:10:30_TAI", "2014.01.01_00:20:15_TAI", "2014.01.01_00:30:00_TAI",
        "2014.01.01_00:39:45_TAI", "2014.01.01_00:49:30_TAI", "2014.01.01_00:59:15_TAI",
    ]  # fmt: skip


def test_002_alternatives(local_site):
    found = Fido.search(HOUR, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s"))
    assert [len(table) for table in found] == [81, 2107]
    assert found[1]["WAVELNTH"][:7].value.tolist() == [94, 131, 171, 193, 211, 304, 335]
    assert head(found[1], "T_REC", 1) == ["2014-01-01T00:00:01Z"]
    days = Fido.search(HOUR | a.Time("2014-01-02T00:00:00", "2014-01-02T01:00:00"), VELOCITY)
    assert [len(table) for table in days] == [81, 81]
    assert head(days[1], "T_REC", 1) == ["2014.01.02_00:00:45_TAI"]


def test_002_download(local_site, tmp_path):
    minute = a.Time("2014-01-01T00:00", "2014-01-01T00:01")
    res = Fido.search(minute, VELOCITY, a.jsoc.Notify(EMAIL))
    downloaded_files = Fido.fetch(res, path=tmp_path, progress=False)
    assert len(downloaded_files) == len(res[0]) == 2
    # Slices are not ignored, as the document warns: better.
    assert len(Fido.fetch(res[0][:1], path=tmp_path / "one", progress=False)) == 1


def test_002_the_client_in_three_steps(local_site, tmp_path):
    client = JSOCClient()
    res = client.search(HOUR, VELOCITY, a.jsoc.Notify(EMAIL))
    requests = client.request_data(res[:2])
    assert re.fullmatch(r"JSOC_\d{8}_\d+", requests.id)
    assert requests.wait(sleep=0.05, timeout=60)
    assert requests.status == 0
    assert len(client.get_request(requests, path=tmp_path, progress=False)) == 2
    with pytest.raises(QueryError, match="needs words"):
        client.search()
