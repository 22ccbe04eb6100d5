"""
What comes is what the rows say, whatever else is in the folder, in the table, or at the site by now.
"""

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import JSOCClient, attrs, fitsfiles, localsite
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.journal import Job, Journal

EMAIL = "solar@example.com"
MINUTES = a.Time("2014-01-01T00:00", "2014-01-01T00:03")
MAGNETOGRAMS = attrs.Series("hmi.m_45s")
VELOCITIES = attrs.Series("hmi.v_45s")


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("exact") / "site"
    localsite.init(directory)
    for series in ("hmi.m_45s", "hmi.v_45s"):
        localsite.synthesize(directory, series, MINUTES.start, MINUTES.end, size=32)
    return directory


@pytest.fixture(scope="module")
def archive(directory):
    with localsite.running(directory, register=[EMAIL], staging_time=0, repeat_hours=0) as running:
        yield running


@pytest.fixture
def client(archive, monkeypatch, tmp_path) -> JSOCClient:
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    archive.requests.clear()
    return JSOCClient(archive.url, EMAIL)


def rebin(scale: float) -> attrs.Process:
    return attrs.Process("rebin", method="boxcar", scale=scale)


def shapes(paths) -> list[int]:
    found = []
    for path in paths:
        with fits.open(path) as hdus:
            found.append(hdus[-1].data.shape[0])
    return found


def test_two_processings_of_a_record_are_two_files(client, tmp_path):
    found = client.search(MINUTES, MAGNETOGRAMS, rebin(0.5) | rebin(0.25))
    table = client.fetch(found, path=tmp_path / "data", progress=False, return_table=True)
    paths = table["Path"].tolist()
    assert len(set(paths)) == len(found)
    assert sorted(shapes(paths)) == [8] * (len(found) // 2) + [16] * (len(found) // 2)
    assert all(".rebin-" in Path(path).name for path in paths)


def test_a_processed_file_is_not_taken_for_the_whole_one(client, tmp_path):
    plain = client.fetch(client.search(MINUTES, MAGNETOGRAMS), path=tmp_path, progress=False)
    small = client.fetch(client.search(MINUTES, MAGNETOGRAMS, rebin(0.5)), path=tmp_path, progress=False)
    assert not set(plain) & set(small)
    assert set(shapes(plain)) == {32}
    assert set(shapes(small)) == {16}


@pytest.mark.parametrize("protocol", ["quick", "fits"])
def test_a_file_without_its_header_is_fetched_anew(client, tmp_path, protocol):
    found = client.search(MINUTES, MAGNETOGRAMS)
    bare = client.fetch(found, path=tmp_path, progress=False, protocol="as-is")
    with fits.open(bare[0]) as hdus:
        assert "RECNUM" not in hdus[-1].header
    full = client.fetch(found, path=tmp_path, progress=False, protocol=protocol)
    assert list(full) == list(bare)
    for path, number in zip(full, found["Recnum"], strict=True):
        with fits.open(path) as hdus:
            assert hdus[-1].header["RECNUM"] == number


@pytest.fixture
def superseded(tmp_path, monkeypatch):
    """
    A site, a search, and a new version of one of its records since.
    """
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    directory = tmp_path / "site"
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.m_45s", MINUTES.start, MINUTES.end, size=16)
    with localsite.running(directory, register=[EMAIL], staging_time=0) as running:
        client = JSOCClient(running.url, EMAIL)
        found = client.search(MINUTES, MAGNETOGRAMS)
        (file,) = client.fetch(found[:1], path=tmp_path / "old", progress=False, protocol="quick")
        fitsfiles.rewrite(Path(file), Path(file), lambda header: header.set("QUALITY", 1))
        with localsite.Catalogue.open(directory) as catalogue:
            localsite.ingest(catalogue, [Path(file)])
        yield client, found


def test_what_has_taken_the_place_of_a_record_is_not_taken_for_it(superseded, tmp_path):
    client, found = superseded
    results = client.fetch(found, path=tmp_path / "data", progress=False, protocol="fits")
    assert len(results) == len(found) - 1
    (error,) = results.errors
    assert "search again" in str(error.exception)
    again = client.search(MINUTES, MAGNETOGRAMS)
    assert len(client.fetch(again, path=tmp_path / "data", progress=False, protocol="fits")) == len(again)


def test_a_file_of_an_older_version_is_fetched_anew(superseded, tmp_path):
    client, found = superseded
    now = client.search(MINUTES, MAGNETOGRAMS)
    assert now["Recnum"][0] != found["Recnum"][0]
    (file,) = client.fetch(now[:1], path=tmp_path / "old", progress=False, protocol="quick")
    with fits.open(file) as hdus:
        assert hdus[-1].header["RECNUM"] == now["Recnum"][0]


def test_tables_of_two_sites_do_not_overwrite_each_other(client, archive, tmp_path):
    localsite.init(tmp_path / "other")
    localsite.synthesize(tmp_path / "other", "hmi.m_45s", MINUTES.start, MINUTES.end, size=16)
    with localsite.running(tmp_path / "other") as other:
        found = Fido.search(MINUTES, MAGNETOGRAMS, attrs.Site(archive.url) | attrs.Site(other.url))
        with pytest.raises(DataError, match="Two files would both be"):
            Fido.fetch(found, path=str(tmp_path / "data"), progress=False)
    assert not (tmp_path / "data").exists()


def test_nothing_is_staged_for_files_that_are_there(client, archive, tmp_path):
    found = jsoc_fido.vstack([client.search(MINUTES, MAGNETOGRAMS), client.search(MINUTES, VELOCITIES)])
    files = client.fetch(found, path=tmp_path, progress=False, protocol="fits")
    archive.requests.clear()
    # One of them is lost: the other series is left alone.
    Path(files[-1]).unlink()
    Journal().path.unlink()
    assert len(client.fetch(found, path=tmp_path, progress=False, protocol="fits")) == len(found)
    assert archive.count("exp_request") == 1
    # One of them is damaged, which is seen only when it is its turn.
    Path(files[0]).write_bytes(Path(files[0]).read_bytes()[:-2880])
    Journal().path.unlink()
    assert len(client.fetch(found, path=tmp_path, progress=False, protocol="fits")) == len(found)
    assert archive.count("exp_request") == 2


def test_tables_of_different_series_are_stacked_and_stay_as_they_are(client):
    magnetograms, velocities = client.search(MINUTES, MAGNETOGRAMS), client.search(MINUTES, VELOCITIES)
    before = magnetograms["DATAMEAN"].unit
    both = jsoc_fido.vstack([magnetograms, velocities])
    assert len(both) == len(magnetograms) + len(velocities)
    assert (magnetograms["DATAMEAN"].unit, before) == (u.G, u.G)
    assert np.asarray(both["DATAMEAN"]).dtype.kind == "U"


def test_what_is_wrong_with_a_path_or_an_option_is_said(client, tmp_path):
    found = client.search(MINUTES, MAGNETOGRAMS)
    with pytest.raises(DataError, match="name too long"):
        client.fetch(found, path=tmp_path / ("x" * 300) / "{file}", progress=False)
    with pytest.raises(QueryError, match="overwrite is True, False or 'unique', not 'maybe'"):
        client.fetch(found, path=tmp_path, progress=False, overwrite="maybe")
    found["NAME"] = ["", *["."] * (len(found) - 1)]
    files = client.fetch(found, path=str(tmp_path / "{NAME}" / "{file}"), progress=False)
    assert {Path(file).parent for file in files} == {tmp_path / "_"}


def test_an_error_names_the_file_and_not_what_it_grew_under(client, archive, directory, tmp_path):
    found = client.search(MINUTES, MAGNETOGRAMS)
    stored = directory / found["magnetogram"][0].lstrip("/")
    content = stored.read_bytes()
    stored.write_bytes(b"no FITS")
    try:
        (error,) = client.fetch(found[:1], path=tmp_path, progress=False, protocol="quick").errors
    finally:
        stored.write_bytes(content)
    assert ".part" not in str(error.exception)
    assert str(tmp_path / "hmi.m_45s.2014") in str(error.exception)


# The state directory


def test_a_request_is_done_when_its_files_have_come(client, tmp_path):
    request = client.request_data(client.search(MINUTES, MAGNETOGRAMS), progress=False)
    request.wait(sleep=0.02)
    # The journal knows where it was made.
    elsewhere = JSOCClient("http://127.0.0.1:1")
    assert elsewhere.get_request(request.id, path=tmp_path / "data", progress=False)
    assert client.requests()["State"].tolist() == ["done"]


def test_a_damaged_journal_is_set_aside(client, tmp_path, caplog):
    journal = Journal()
    journal.path.parent.mkdir(parents=True, exist_ok=True)
    journal.path.write_bytes(b"no database" * 1000)
    assert journal.requests() == []
    caplog.clear()
    assert len(client.fetch(client.search(MINUTES, MAGNETOGRAMS), path=tmp_path / "data", progress=False))
    assert "The journal" not in caplog.text
    assert journal.path.with_suffix(".damaged").exists()


def test_staging_needs_no_state_directory(client, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "file"))
    found = client.search(MINUTES, MAGNETOGRAMS)
    assert len(client.fetch(found, path=tmp_path / "data", progress=False, protocol="fits")) == len(found)
    assert "It is not seen there what other processes do" in caplog.text


def test_a_job_that_cannot_be_read_keeps_no_other_from_being_finished(client, tmp_path):
    Journal().begin(Job("damaged", 2e9, "no table", {"path": "x", "protocol": None, "method": None}, 1))
    found = client.search(MINUTES, MAGNETOGRAMS)
    file = client.fetch(found, path=tmp_path / "data", progress=False)[0]
    Path(file).unlink()
    fetch = jsoc_fido.fetching.Fetch(found, *planned(client, found, tmp_path / "data"))
    Journal().begin(fetch._job())
    with pytest.raises(DataError, match="no table in the format ECSV"):
        client.resume(progress=False)
    assert Path(file).exists()


def planned(client, found, folder):
    from jsoc_fido import files, plan
    from jsoc_fido.client import _definition

    todo = plan.make(found, _definition)
    return todo, files.targets(todo.files, folder, found), str(folder)


def test_a_relative_path_can_be_resumed(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = client.search(MINUTES, MAGNETOGRAMS)
    Journal().begin(jsoc_fido.fetching.Fetch(found, *planned(client, found, "data"))._job())
    assert len(client.resume(path="data", progress=False)) == len(found)


@pytest.mark.parametrize("option", ["dry_run", "return_table"])
def test_resuming_takes_no_options_that_make_no_sense(client, option):
    with pytest.raises(QueryError, match=f"takes no {option}"):
        client.resume(**{option: True})
