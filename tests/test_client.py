"""
The main job, all the way through, on a real site.
"""

import asyncio
import pickle
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import drms
import numpy as np
import parfive
import pytest
import sunpy
import sunpy.map
from astropy.io import fits
from astropy.table import QTable, vstack
from sunpy.net import Fido
from sunpy.net import attrs as a
from sunpy.net.fido_factory import UnifiedResponse
from sunpy.util.exceptions import SunpyUserWarning

import jsoc_fido
from jsoc_fido import JSOCClient, JSOCResponse
from jsoc_fido.exceptions import (
    ExportError,
    ExportTimeout,
    NotExportedError,
    NotRegisteredError,
    QueryError,
    ServerError,
)
from jsoc_fido.site import _site_at

EMAIL = "solar@example.com"
HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
NEXT = a.Time("2014-01-02T00:00:00", "2014-01-02T01:00:00")
MINUTES = a.Time("2014-01-01T00:00:00", "2014-01-01T00:02:30")
VELOCITY = a.jsoc.Series("hmi.v_45s")
NOTIFY = a.jsoc.Notify(EMAIL)

SUNPY_8 = int(sunpy.__version__.split(".")[0]) >= 8


@pytest.fixture
def client(local_site):
    return JSOCClient()


def search_error(*query) -> Exception:
    """
    The error of a Fido search: sunpy 7 raises it, sunpy 8 hangs it on the table.
    """
    if not SUNPY_8:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the test looks at it
            Fido.search(*query)
        return caught.value
    (table,) = Fido.search(*query)
    (error,) = table.errors if isinstance(table.errors, list | tuple) else (table.errors,)
    return error


# Search


@pytest.mark.parametrize(
    ("query", "lengths"),
    [
        ((HOUR, VELOCITY), [81]),
        ((HOUR, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s")), [81, 2107]),
        ((HOUR | NEXT, VELOCITY), [81, 81]),
        ((HOUR, VELOCITY, a.Sample(9 * u.min)), [7]),
        ((HOUR, a.jsoc.Series("aia.lev1_euv_12s"), a.Wavelength(304 * u.AA)), [301]),
        ((HOUR, a.jsoc.Series("aia.lev1_euv_12s"), a.jsoc.PrimeKey("WAVELNTH", "171")), [301]),
    ],
)
def test_the_guides_searches(local_site, query, lengths):
    found = Fido.search(*query)
    assert isinstance(found, UnifiedResponse)
    assert [len(table) for table in found] == lengths
    assert all(isinstance(table, JSOCResponse) for table in found)


def test_the_guides_table(local_site):
    found = Fido.search(HOUR, VELOCITY)
    printed = str(found)
    assert "81 Results from the JSOCClient" in printed
    assert f"Source: {local_site.url}" in printed
    (table,) = found
    assert str(table).split("\n")[0].split() == ["T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT"]
    first, last = table[0], table[-1]
    assert str(first["T_REC"].value) == "2014.01.01_00:00:45_TAI"
    assert str(last["T_REC"].value) == "2014.01.01_01:00:45_TAI"
    assert (first["TELESCOP"], first["INSTRUME"], first["CAR_ROT"]) == ("SDO/HMI", "HMI_FRONT2", 2145)
    assert first["WAVELNTH"] == 6173 * u.AA
    assert str(first["T_OBS"].value) == "2014.01.01_00:00:37_TAI"
    assert "2014.01.01_00:00:37_TAI" in str(found.show("TELESCOP", "INSTRUME", "T_OBS"))


def test_sampled_times_are_the_guides(client):
    # Ten minutes are no multiple of 45 seconds.
    with pytest.warns(SunpyUserWarning, match="one every 585 s"):
        table = client.search(HOUR, VELOCITY, a.Sample(10 * u.min))
    assert [str(time.value)[11:19] for time in table["T_REC"]] == [
        "00:00:45", "00:10:30", "00:20:15", "00:30:00", "00:39:45", "00:49:30", "00:59:15",
    ]  # fmt: skip


def test_one_round_trip_when_warm_two_when_cold(local_site):
    _site_at.cache_clear()
    JSOCClient().search(HOUR, VELOCITY)
    assert [what for _, what in local_site.requests] == ["series_struct", "rs_list"]
    local_site.requests.clear()
    JSOCClient().search(NEXT, VELOCITY)
    assert [what for _, what in local_site.requests] == ["rs_list"]


def test_keyword_tests_are_all_asked(client):
    response = client.search(
        MINUTES, a.jsoc.Series("aia.lev1_euv_12s"), a.jsoc.Keyword("EXPTIME") > 1.5, a.jsoc.Keyword("EXPTIME") < 2.5
    )
    assert len(response)
    assert ((response["EXPTIME"] > 1.5 * u.s) & (response["EXPTIME"] < 2.5 * u.s)).all()


def test_the_guides_keyword_on_an_implicit_column(client):
    sharps = a.jsoc.Series("hmi.sharp_720s")
    everything = client.search(HOUR, sharps)
    assert len(everything) > 0
    assert len(client.search(HOUR, sharps, a.jsoc.Keyword("bitmap_bzero") == 0)) == len(everything)
    assert len(
        client.search(HOUR, sharps, a.jsoc.Keyword("bitmap_bzero") == 0, a.jsoc.Keyword("continuum_bscale") > 0)
    ) == len(everything)
    assert len(client.search(HOUR, sharps, a.jsoc.Keyword("bitmap_bzero") == 1)) == 0


def test_keys_restrict_the_table(client):
    response = client.search(MINUTES, VELOCITY, a.jsoc.Keys("OBS_VR", "CRLN_OBS"))
    assert response.keyword_names == ["T_REC", "CAMERA", "OBS_VR", "CRLN_OBS"]
    assert str(response).split("\n")[0].split() == ["T_REC", "CAMERA", "OBS_VR", "CRLN_OBS"]
    assert response["OBS_VR"].unit == u.m / u.s


def test_record_set_as_text(client):
    response = client.search(a.jsoc.RecordSet("hmi.v_45s[2014.01.01_TAI/1h@10m]{Dopplergram}"))
    assert len(response) == 5 + 1


def test_nothing_found_is_an_empty_table(client):
    response = client.search(a.Time("1999-01-01", "1999-01-02"), VELOCITY)
    assert len(response) == 0
    assert len(client.fetch(response)) == 0


def test_branches_of_one_client_are_one_table(client):
    response = client.search(HOUR, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s"))
    assert len(response) == 81 + 2107
    assert len(response.questions) == 2


def test_an_answer_that_may_be_cut_is_told(client, monkeypatch):
    monkeypatch.setattr(client.site, "limits", replace(client.site.limits, records=4))
    with pytest.warns(SunpyUserWarning, match="no more than 4 records in one answer"):
        assert len(client.search(MINUTES, VELOCITY)) == 4


def test_site_attr_prevails(local_site, monkeypatch):
    monkeypatch.setenv("JSOC_FIDO_SITE", "http://127.0.0.1:1")
    found = JSOCClient(email=EMAIL).search(MINUTES, VELOCITY, a.jsoc.Site(local_site.url))
    assert len(found) == 4
    # Above the table Fido says where it comes from.
    assert found.client == JSOCClient(local_site.url, EMAIL)
    assert len(JSOCClient(local_site.url).search(MINUTES, VELOCITY)) == 4


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ((HOUR, a.jsoc.Series("hmi.nosuch")), "'hmi.nosuch' is not known"),
        ((HOUR, a.jsoc.PrimeKey("HARPNUM", "1")), "Series must be specified"),
        ((VELOCITY,), "Time, Wavelength or an explicit PrimeKey must be specified"),
        ((VELOCITY, a.jsoc.PrimeKey("HARPNUM", "1")), r"supports the following PrimeKeys \['T_REC', 'CAMERA'\]"),
        ((HOUR, a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Segment("image")), "Unexpected Segments were passed"),
        (
            (HOUR, a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Keyword("bitmap_bzero")),
            "needs to have a comparison to a value",
        ),
        (
            (HOUR, a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Keyword("bac") == 0),
            "Keyword: 'bac' is not supported by series: hmi.sharp_720s",
        ),
    ],
)
def test_bad_searches(local_site, query, message):
    with pytest.raises(ValueError, match=message):
        JSOCClient().search(*query)
    error = search_error(*query)
    assert isinstance(error, QueryError)
    assert "\n" not in str(error)


def test_reversed_times_are_refused_by_sunpys_own_word():
    with pytest.raises(ValueError, match="End time must be after start time"):
        a.Time("2014-01-02", "2014-01-01")


def test_clients_are_values(client):
    assert pickle.loads(pickle.dumps(client)) == client
    assert deepcopy(client) is client
    assert JSOCClient("http://127.0.0.1:1") != client
    with pytest.raises(QueryError, match="words"):
        client.search()


def test_series_and_info(client):
    assert client.series(r"hmi\.sharp") == ["hmi.sharp_720s"]
    info = client.info("HMI.V_45S")
    assert info.name == "hmi.V_45s"
    assert info.prime_keys == ("T_REC", "CAMERA")
    assert list(info.segments) == ["Dopplergram"]


# Stage and fetch


def sent(local_site):
    return [what for _, what in local_site.requests]


def test_fido_fetches_files_with_full_headers(local_site, tmp_path):
    found = Fido.search(MINUTES, VELOCITY, NOTIFY)
    files = Fido.fetch(found, path=tmp_path, progress=False)
    assert not files.errors
    assert sorted(Path(file).name for file in files) == [
        f"hmi.v_45s.20140101_{time}_TAI.2.Dopplergram.fits" for time in ("000045", "000130", "000215", "000300")
    ]
    one = sunpy.map.Map(min(files))
    assert one.date.isot.startswith("2013-12-31T23:59:39")
    assert one.meta["t_rec"] == "2014.01.01_00:00:45.000_TAI"
    assert one.observer_coordinate.radius.to_value(u.AU) == pytest.approx(0.983, abs=0.002)
    assert np.isfinite(one.data).any()


def test_a_part_of_a_table_fetches_that_part(client, local_site, tmp_path):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    files = client.fetch(response[1:3], path=tmp_path / "slice", progress=False)
    assert [Path(file).name.split(".")[2] for file in sorted(files)] == ["20140101_000130_TAI", "20140101_000215_TAI"]
    files = Fido.fetch(response[0], path=tmp_path / "row", progress=False)
    assert [Path(file).name.split(".")[2] for file in files] == ["20140101_000045_TAI"]
    both = vstack([response[:1], response[3:]])
    assert len(client.fetch(both, path=tmp_path / "stacked", progress=False)) == 2


def test_two_branches_are_staged_together(client, local_site, tmp_path):
    minutes = a.Time("2014-01-02T00:00:00", "2014-01-02T00:01:00")
    response = client.search(MINUTES | minutes, VELOCITY, NOTIFY)
    files = client.fetch(response, path=tmp_path, progress=False)
    assert len(files) == len(response)
    assert len({Path(file).name for file in files}) == len(response)
    # One request can serve both, as they are of one series.
    assert sent(local_site).count("exp_request") == 1


def test_staging_and_downloading_can_be_separate(client, tmp_path):
    response = client.search(MINUTES, VELOCITY, a.jsoc.Segment("Dopplergram"), NOTIFY)
    request = client.request_data(response)
    assert isinstance(request, drms.ExportRequest)
    assert request.id.startswith("JSOC_")
    request.wait(sleep=0.02)
    assert request.status == 0
    assert response.requests == (request,)
    assert pickle.loads(pickle.dumps(response)).requests[0].id == request.id
    by_object = client.get_request(request, path=tmp_path / "object", progress=False)
    by_id = JSOCClient().get_request(request.id, path=tmp_path / "id", progress=False)
    assert [Path(file).name for file in by_object] == [Path(file).name for file in by_id]
    assert len(by_id) == 4


def test_several_requests_make_a_list(client, tmp_path):
    response = client.search(MINUTES, VELOCITY | a.jsoc.Series("aia.lev1_euv_12s"), NOTIFY)
    requests = client.request_data(response)
    assert [type(request) for request in requests] == [drms.ExportRequest] * 2


def test_too_early_is_said(local_site, tmp_path):
    from jsoc_fido import localsite

    localsite.init(tmp_path)
    localsite.synthesize(tmp_path, "hmi.v_45s", "2014-01-01T00:00", "2014-01-01T00:01", size=16)
    with localsite.running(tmp_path, staging_time=60) as slow:
        client = JSOCClient(slow.url, EMAIL)
        response = client.search(MINUTES, VELOCITY)
        request = client.request_data(response)
        with pytest.raises(NotExportedError, match=f"{request.id} is not staged yet") as caught:
            client.get_request(request)
        assert caught.value.request_id == request.id
        with pytest.raises(ExportTimeout, match=f"get_request\\('{request.id}'\\)"):
            client.fetch(response, timeout=0.1, path=tmp_path / "out", progress=False, notify=EMAIL)
        assert not (tmp_path / "out").exists()


def test_unknown_request(client):
    with pytest.raises(ExportError, match="JSOC_20010101_001"):
        client.get_request("JSOC_20010101_001")


def test_as_is_needs_no_staging(client, local_site, tmp_path):
    response = client.search(MINUTES, VELOCITY, NOTIFY, a.jsoc.Protocol("as-is"))
    files = client.fetch(response, path=tmp_path, progress=False)
    assert len(files) == 4
    assert "exp_status" not in sent(local_site)
    assert "hmi.v_45s.20140101_000045_TAI.2.Dopplergram.fits" in {Path(file).name for file in files}
    with fits.open(files[0]) as hdus:
        assert "T_REC" not in hdus[-1].header


def test_everything_in_one_tar(client, tmp_path):
    import tarfile

    response = client.search(MINUTES, VELOCITY, NOTIFY)
    request = client.request_data(response, method="url-tar")
    request.wait(sleep=0.02)
    (file,) = client.get_request(request, path=tmp_path, progress=False)
    assert Path(file).name == f"{request.id}.tar"
    with tarfile.open(file) as archive:
        assert sum(name.endswith(".fits") for name in archive.getnames()) == 4


def test_queued_as_is(client, tmp_path):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    request = client.request_data(response, method="url", protocol="as-is")
    request.wait(sleep=0.02)
    assert len(client.get_request(request, path=tmp_path, progress=False)) == 4


def test_path_knows_the_row(client, tmp_path):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    files = client.fetch(response, path=tmp_path / "{T_REC:%Y}" / "{camera}" / "{file}.fits", progress=False)
    assert {Path(file).parent for file in files} == {tmp_path / "2014" / "2"}
    assert all(file.endswith("Dopplergram.fits") and not file.endswith(".fits.fits") for file in files)
    with pytest.raises(QueryError, match="nonsense"):
        client.fetch(response, path=tmp_path / "{nonsense}", progress=False)


def test_only_the_segment_asked_for(client, tmp_path):
    response = client.search(
        a.Time("2014-01-01T00:00", "2014-01-01T00:05"),
        a.jsoc.Series("hmi.sharp_720s"),
        a.jsoc.Segment("continuum") & a.jsoc.Segment("magnetogram"),
        NOTIFY,
    )
    files = client.fetch(response, path=tmp_path, progress=False)
    assert len(files) == 2 * len(response)
    assert {Path(file).name.split(".")[-2] for file in files} == {"continuum", "magnetogram"}


def test_all_segments_of_a_sharp(client, tmp_path):
    response = client.search(
        a.Time("2014-01-01T00:00", "2014-01-01T00:05"), a.jsoc.Series("hmi.sharp_720s"), a.jsoc.Keys("T_REC"), NOTIFY
    )
    files = client.fetch(response[:1], path=tmp_path, progress=False)
    assert len(files) == len(client.info("hmi.sharp_720s").segments) == 31


def test_overlapping_branches_fetch_each_record_once(client, local_site, tmp_path):
    first, second = (a.Time(f"2014-01-01T00:0{n}:00", f"2014-01-01T00:0{n + 2}:00") for n in (0, 1))
    response = client.search(first | second, VELOCITY, NOTIFY)
    distinct = set(response["Recnum"])
    assert len(distinct) < len(response)
    files = client.fetch(response, path=tmp_path, progress=False)
    assert len(files) == len({Path(file).name for file in files}) == len(distinct)


def test_the_last_record_is_the_one_that_was_shown(client):
    from jsoc_fido.exports import plan

    (order,) = plan(client.search(VELOCITY, a.jsoc.PrimeKey("T_REC", "$"), NOTIFY))
    assert "[:#" in order.record_set
    (order,) = plan(client.search(MINUTES, VELOCITY, NOTIFY))
    assert "[:#" not in order.record_set


def test_what_a_person_may_hold_can_be_staged(client, tmp_path):
    found = Fido.search(MINUTES, VELOCITY, NOTIFY)
    assert client.request_data(found).id
    assert client.request_data(found[0][0]).id
    assert len(client.fetch(found, path=tmp_path, progress=False)) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client, table: client.fetch(QTable(table)), "this is QTable"),
        (lambda client, table: client.fetch(None), "this is NoneType"),
        (lambda client, table: client.request_data(table[:0]), "no rows"),
        (lambda client, table: client.request_data(table, method=None), "Method 'none'"),
        (lambda client, table: client.request_data(table, notify=5), "Notify"),
        (lambda client, table: client.get_request(None), "get_request takes"),
        (lambda client, table: client.search("hmi.v_45s"), "A search takes words"),
        (lambda client, table: client.search(None), "A search takes words"),
    ],
)
def test_wrong_things_are_named(client, call, message):
    table = client.search(MINUTES, VELOCITY)
    with pytest.raises(QueryError, match=message):
        call(client, table)


def test_a_bad_pattern_is_the_sites_word(client):
    with pytest.raises(ServerError, match=r"'\['.*Is that a regular expression"):
        client.series("[")


def test_options_without_meaning_are_said(client, tmp_path):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    with pytest.warns(UserWarning, match="protocl"):
        client.fetch(response[:1], path=tmp_path, progress=False, protocl="as-is")
    files = client.fetch(response[:1], path=tmp_path / "raw", progress=False, protocol="as-is")
    with fits.open(files[0]) as hdus:
        assert "T_REC" not in hdus[-1].header


def test_a_notebook_can_fetch(client, tmp_path):
    async def cell():
        return Fido.fetch(Fido.search(MINUTES, VELOCITY, NOTIFY), path=tmp_path, progress=False)

    assert len(asyncio.run(cell())) == 4


def test_an_address_can_come_late(local_site, tmp_path, monkeypatch):
    response = JSOCClient().search(MINUTES, VELOCITY, a.jsoc.Protocol("fits"))
    with pytest.raises(NotRegisteredError, match=r"a.jsoc.Notify"):
        JSOCClient().fetch(response, path=tmp_path, progress=False)
    assert "exp_request" not in sent(local_site)
    assert len(JSOCClient().fetch(response, path=tmp_path / "1", notify=EMAIL, progress=False)) == 4
    assert len(JSOCClient(email=EMAIL).fetch(response, path=tmp_path / "2", progress=False)) == 4
    monkeypatch.setenv("JSOC_EMAIL", EMAIL)
    assert len(Fido.fetch(response, path=tmp_path / "3", progress=False)) == 4
    # The same is staged once, and the address asked for once in this process or before.
    assert sent(local_site).count("exp_request") <= 1
    assert sent(local_site).count("checkAddress") <= 1


def test_an_unknown_address_is_refused_before_anything_is_staged(client, local_site, tmp_path):
    response = client.search(MINUTES, VELOCITY, a.jsoc.Notify("nobody@example.com"))
    with pytest.raises(NotRegisteredError, match="not registered with") as caught:
        client.fetch(response, path=tmp_path)
    assert "nobody@example.com" not in str(caught.value)
    assert "exp_request" not in sent(local_site)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "ftp"}, "Method 'ftp' is not supported; use one of url, url_quick, url-tar"),
        ({"protocol": "png"}, "Protocol 'png' is not supported; use one of fits, as-is, jpg"),
    ],
)
def test_unknown_methods_and_protocols(client, local_site, arguments, message):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    with pytest.raises(QueryError, match=message):
        client.request_data(response, **arguments)
    assert "exp_request" not in sent(local_site)


def test_processing_of_raw_files_is_refused(client):
    response = client.search(MINUTES, VELOCITY, NOTIFY, a.jsoc.Process("rebin", scale=0.5), a.jsoc.Protocol("as-is"))
    with pytest.raises(QueryError, match="rebin needs 'fits'"):
        client.request_data(response)


def test_a_shown_table_is_not_the_search(client):
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    with pytest.raises(QueryError, match="which records"):
        client.fetch(response.show("T_REC"))


def test_politeness_whatever_downloader(client, tmp_path, monkeypatch):
    from jsoc_fido import site as module

    limits = module.Limits(connections=1, poll=(0.02, 0.1))
    monkeypatch.setattr(client.site, "limits", limits)
    downloader = parfive.Downloader(max_conn=5, max_splits=5, progress=False)
    response = client.search(MINUTES, VELOCITY, NOTIFY)
    files = Fido.fetch(response, path=tmp_path, downloader=downloader)
    assert downloader.config.max_conn == 1
    assert len(files) == 4


def test_failed_downloads_are_reported_once(local_site, site_directory, tmp_path, caplog):
    client = JSOCClient(email=EMAIL)
    response = client.search(MINUTES, VELOCITY, a.jsoc.Protocol("as-is"))
    stored = site_directory / response["Dopplergram"][0].lstrip("/")
    content = stored.read_bytes()
    request = client.request_data(response, method="url_quick", protocol="as-is")
    stored.unlink()
    try:
        results = client.get_request(request, path=tmp_path, progress=False)
        assert len(results) == 3
        assert len(results.errors) == 1
    finally:
        stored.write_bytes(content)
    assert len(jsoc_fido.JSOCClient(email=EMAIL).fetch(response, path=tmp_path, progress=False, strict=True)) == 4
