import json
import tarfile
import time
from dataclasses import replace

import asking
import numpy as np
import pytest
from asking import ADA, contents, finished, status
from astropy.io import fits

from jsoc_fido import times
from jsoc_fido.localsite import definitions, schema
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.limits import Limits

TWO = "hmi.m_45s[2014.01.01_00:00:45_TAI/90s]{magnetogram}"


@pytest.fixture
def site(empty, make):
    make.add_magnetograms(empty)
    make.add_harps(empty)
    return empty


@pytest.fixture
def exporter(site):
    exporter = Exporter(site, register=[ADA], staging_time=0.01)
    exporter.start()
    yield exporter
    exporter.stop()


def ask(exporter, ds=TWO, **parameters):
    return asking.ask(exporter, ds, **{"process=n": "0", **parameters})


def test_fits(exporter, site, make):
    reply = ask(exporter, filenamefmt="hmi.m_45s.{T_REC:A}.{CAMERA}.{segment}")
    assert list(reply) == ["status", "requestid", "method", "protocol", "wait", "rcount", "size"]
    assert (reply["rcount"], reply["size"], reply["method"], reply["protocol"]) == (2, 1, "url", "fits")
    done = finished(exporter, reply)
    members = "version requestid method protocol count size exptime dir status keywords data"
    assert list(done) == members.split()
    assert all(isinstance(done[member], str) for member in members.split()[:-1])
    assert (done["count"], done["status"], done["keywords"]) == ("2", "0", "**IN FITS FILES**")
    assert done["data"][1] == {
        "record": "hmi.M_45s[2014.01.01_00:01:30_TAI][2]",
        "filename": "hmi.m_45s.20140101_000130_TAI.2.magnetogram.fits",
    }
    directory, names = contents(site, done)
    assert names == sorted(["index.json", *(row["filename"] for row in done["data"])])
    with fits.open(directory / done["data"][1]["filename"]) as hdus:
        assert np.array_equal(hdus[1].data, make.pixels_of(1))
        header = hdus[1].header
        assert header["T_REC"] == "2014.01.01_00:01:30.000_TAI"
        assert header["DATE-OBS"] == "2014-01-01T00:00:45.000"
        assert header["DATAMEAN"] == 0.25
        assert header["TELESCOP"] == "SDO/HMI"
        assert header["RECNUM"] == 2
        assert header["DRMS_ID"] == "hmi.M_45s:2:magnetogram"
    # What is stored has no keywords, before and after.
    with fits.open(site.slot_directory(1, 1) / "magnetogram.fits") as hdus:
        assert "T_REC" not in hdus[1].header


def test_as_is(exporter, site):
    done = finished(exporter, ask(exporter, protocol="as-is"))
    members = "version requestid method protocol wait count size status dir keywords data"
    assert list(done) == members.split()
    assert done["keywords"] == f"{done['dir']}/{done['requestid']}.keywords.txt"
    assert done["data"][0] == {
        "record": "hmi.M_45s[2014.01.01_00:00:45_TAI][2]{magnetogram}",
        "filename": "hmi.M_45s.1.magnetogram.fits",
    }
    directory, _ = contents(site, done)
    stored = site.slot_directory(1) / "magnetogram.fits"
    assert (directory / done["data"][0]["filename"]).read_bytes() == stored.read_bytes()
    lines = (directory / f"{done['requestid']}.keywords.txt").read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].split("\t")[:2] == ["record", "DATE"]
    assert "2014.01.01_00:01:30_TAI" in lines[2].split("\t")


@pytest.mark.parametrize("protocol", ["fits", "as-is"])
def test_tar(exporter, site, protocol):
    done = finished(exporter, ask(exporter, method="url-tar", protocol=protocol))
    assert done["tarfile"] == f"{done['dir']}/{done['requestid']}.tar"
    directory, names = contents(site, done)
    extra = [] if protocol == "fits" else [f"{done['requestid']}.keywords.txt"]
    assert names == sorted([f"{done['requestid']}.tar", "index.json", *extra])
    with tarfile.open(directory / names[0 if protocol == "fits" else 1]) as archive:
        assert archive.getnames() == [f"./{row['filename']}" for row in done["data"]] + [f"./{name}" for name in extra]


def test_quick(exporter, site):
    reply = ask(exporter, "test.harp_720s[102,105][^]", method="url_quick", protocol="as-is")
    members = ["rcount", "count", "size", "dir", "data", "requestid", "method", "protocol", "wait", "status"]
    assert list(reply) == members
    assert (reply["rcount"], reply["count"], reply["status"], reply["requestid"], reply["dir"]) == (2, 4, 0, "", "")
    assert [row["record"].partition("{")[2] for row in reply["data"]] == ["continuum}", "notes}"] * 2
    paths = [row["filename"] for row in reply["data"]]
    assert paths[2] == "NoDataFile"
    assert all((site.directory / path.lstrip("/")).is_file() for path in paths if path != "NoDataFile")


def test_generic_segments_are_copied(exporter, site):
    done = finished(exporter, ask(exporter, "test.harp_720s[101,105][^]", filenamefmt="{HARPNUM}.{segment}"))
    assert [row["filename"] for row in done["data"]] == ["101.continuum.fits", "101.notes.txt", "105.notes.txt"]
    directory, _ = contents(site, done)
    assert (directory / "105.notes.txt").read_text() == "about 105\n"
    assert fits.getheader(directory / "101.continuum.fits")["DATAMIN"] == 0


def test_missing_files_of_as_is(exporter):
    done = finished(exporter, ask(exporter, "test.harp_720s[105][^]", protocol="as-is"))
    assert [row["filename"] for row in done["data"]] == ["NoDataFile", "test.Harp_720s.7.notes.txt"]
    assert done["count"] == "1"


def test_records_without_an_image_are_left_out(exporter):
    assert ask(exporter, "hmi.m_45s")["rcount"] == 13
    assert ask(exporter, "hmi.m_45s", q="1")["rcount"] == 14
    assert ask(exporter, "hmi.m_45s[? QUALITY<0 ?]")["rcount"] == 1
    assert ask(exporter, "test.harp_720s")["rcount"] == 9


def test_the_same_request_again_gets_the_same_answer(exporter):
    first = ask(exporter)
    again = ask(exporter)
    assert (again["requestid"], again["status"], again["wait"]) == (first["requestid"], 2, 0)
    done = finished(exporter, first)
    assert ask(exporter)["requestid"] == done["requestid"]
    assert ask(exporter, filenamefmt="{recnum}.{segment}")["requestid"] != done["requestid"]
    assert ask(exporter, protocol="as-is")["requestid"] != done["requestid"]


def test_limits_of_records(exporter):
    assert ask(exporter, "hmi.m_45s", **{"process=n": "3"})["rcount"] == 3
    reply = exporter.answer(
        {"op": "exp_request", "ds": "hmi.m_45s", "notify": ADA, "process": "n=-2|no_op", "protocol": "fits"}
    )
    assert reply["rcount"] == 2


def test_segments_by_parameter(exporter):
    assert ask(exporter, "test.harp_720s[101][^]", seg="notes", method="url_quick", protocol="as-is")["count"] == 1
    assert ask(exporter, "test.harp_720s[101][^]{notes}", seg="notes")["status"] == 4


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"ds": ""}, ""),
        ({"ds": "bob.bob"}, "series not found"),
        ({"ds": "hmi.m_45s[2000.01.01_TAI]"}, "Can not open RecordSet"),
        ({"ds": "hmi.m_45s[:#1];hmi.m_45s[:#2]"}, "Illegal characters"),
        ({"ds": "hmi.m_45s[? INSTRUME='x ?]"}, "Illegal characters"),
        ({"ds": "hmi.m_45s[:#1],test.harp_720s"}, "same series"),
        ({"ds": "hmi.m_45s[:#1],hmi.m_45s[:#2]"}, "Only one record set"),
        ({"ds": "hmi.m_45s[? pg_sleep(9) = 1 ?]"}, "not allowed"),
        ({"notify": ""}, "Cannot process your request. Missing required argument 'address'."),
        ({"notify": "nonsense"}, "Cannot process your request. Not a valid email address."),
        ({"notify": "eve@example.org"}, "Cannot process your request. email address has been neither"),
        ({"method": "url_direct"}, "Method 'url_direct' is not supported"),
        ({"protocol": "mp4,CT=green.sao"}, "'CT=green.sao' is wrong for the protocol mp4"),
        ({"process=n": "many"}, "Bad record limit"),
        ({"processing": "{"}, "invalid processing list argument"),
    ],
)
def test_refused_requests(exporter, parameters, words):
    reply = ask(exporter, **parameters)
    assert reply["status"] == 4
    assert words in reply["error"]


def test_a_protocol_that_nobody_knows(exporter):
    reply = ask(exporter, protocol="png,CT=grey.sao")
    assert reply["status"] == 2
    done = finished(exporter, reply)
    assert done["status"] == 4
    assert "Protocol 'png,CT=grey.sao' is not supported" in done["error"]


def test_rice_compressed_reals_are_refused(exporter, site):
    stored = site.slot_directory(1) / "magnetogram.fits"
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(np.ones((8, 8), "f4"), compression_type="RICE_1")]
    fits.HDUList(hdus).writeto(stored, overwrite=True)
    done = finished(exporter, ask(exporter))
    assert (done["status"], done["error"]) == (4, "Cannot export Rice-compressed floating-point images.")
    assert finished(exporter, ask(exporter, protocol="as-is"))["status"] == "0"


def test_registered_addresses_in_any_case_and_encoding(exporter):
    assert ask(exporter, notify="ADA%40example.org")["status"] == 2


def test_too_much(site):
    exporter = Exporter(site, limits=Limits(megabytes=0.5))
    reply = ask(exporter)
    assert list(reply) == ["requestid", "method", "protocol", "wait", "status", "count", "size", "error"]
    assert (reply["requestid"], reply["status"], reply["count"]) == ("VOID", 3, 2)
    assert reply["error"] == "Request exceeds max byte limit of 0.5MB"


def test_offline_storage(exporter, site):
    with site.engine.begin() as connection:
        connection.execute(schema.units.update().values(online=False))
    reply = ask(exporter)
    assert reply["status"] == 25
    assert reply["error"].startswith("One or more data files are offline; please send a request")


def test_records_without_storage(exporter, site, make):
    site.add_records("hmi.m_45s", [NewRecord({"T_REC": make.START + 4500, "CAMERA": 2, "QUALITY": 0})])
    assert ask(exporter, "hmi.m_45s[$]")["error"] == "One or more records contain no Storage Units"
    assert ask(exporter, "test.harp_720s[105][^]{continuum}")["error"] == "There are no files in this RecordSet"


def test_a_request_that_fails_later(exporter, site):
    (site.slot_directory(1) / "magnetogram.fits").write_text("no FITS file any more")
    reply = finished(exporter, ask(exporter))
    assert list(reply) == ["status", "requestid", "method", "protocol", "wait", "rcount", "size", "error", "contact"]
    assert (reply["status"], reply["wait"], reply["rcount"]) == (4, 999999, 0)
    assert "magnetogram.fits" in reply["error"]
    # Nothing of it stays, and what failed may be asked for again.
    assert not list((site.directory / "SUM0").glob("*/*/index.json*"))
    assert ask(exporter)["requestid"] != reply["requestid"]


def test_two_files_of_one_name(exporter):
    reply = finished(exporter, ask(exporter, filenamefmt="{segment}"))
    assert reply["status"] == 4
    assert "Two files would be named magnetogram.fits" in reply["error"]


def test_files_that_are_gone_are_left_out_of_fits(exporter, site):
    (site.slot_directory(1, 0) / "magnetogram.fits").unlink()
    done = finished(exporter, ask(exporter))
    assert [row["filename"] for row in done["data"]] == ["hmi.M_45s.2.magnetogram.fits"]
    (site.slot_directory(1, 1) / "magnetogram.fits").unlink()
    done = finished(exporter, ask(exporter, filenamefmt="{segment}"))
    assert done["data"] == [
        {"record": "warning=No FITS files were exported. The requested FITS files no longer exist.", "filename": ""}
    ]


def test_expired_requests(exporter, site):
    done = finished(exporter, ask(exporter))
    directory, names = contents(site, done)
    for name in names:
        (directory / name).unlink()
    reply = status(exporter, done["requestid"])
    assert reply["status"] == 5
    assert reply["error"] == "Request was completed but is now deleted, 7 day limit exceeded"
    assert finished(exporter, ask(exporter))["requestid"] != done["requestid"]


@pytest.mark.parametrize(
    ("requestid", "error"),
    [
        ("", "RequestID must be provided"),
        ("nonsense", "Bad RequestID 'nonsense' provided."),
        ("JSOC_20140101_001", "invalid export DRMS record for ID `%s`JSOC_20140101_001"),
    ],
)
def test_unknown_requests(exporter, requestid, error):
    assert status(exporter, requestid) == {"status": 4, "error": error}


def test_other_operations(exporter):
    assert exporter.answer({"op": "exp_repeat"})["error"] == "Re-Export requests temporarily disabled."
    assert exporter.answer({})["status"] == 4


def test_states(site):
    exporter = Exporter(site, staging_time=0.5)
    exporter.start()
    began = time.monotonic()
    try:
        reply = ask(exporter)
        assert (reply["status"], reply["wait"]) == (2, 1)
        found = status(exporter, reply["requestid"])
        assert list(found) == ["status", "requestid", "method", "protocol", "wait", "rcount", "size"]
        assert (found["status"], found["rcount"]) == (1, 0)
        assert finished(exporter, reply)["status"] == "0"
        assert time.monotonic() - began >= 0.5
    finally:
        exporter.stop()


def test_requests_survive_a_restart(site):
    first = Exporter(site, staging_time=30)
    first.start()
    reply = ask(first)
    first.stop()
    with Catalogue.open(site.directory) as reopened:
        second = Exporter(reopened, staging_time=0.01)
        second.start()
        try:
            assert finished(second, reply)["count"] == "2"
        finally:
            second.stop()


def test_request_ids_count_up(exporter):
    names = [ask(exporter, f"hmi.m_45s[:#{number}]")["requestid"] for number in (1, 2, 3)]
    assert [name.rpartition("_")[2] for name in names] == ["001", "002", "003"]
    assert names[0].startswith("JSOC_2")


def test_no_address_is_kept(exporter, site):
    finished(exporter, ask(exporter))
    with site.engine.connect() as connection:
        rows = connection.execute(schema.requests.select()).all()
    assert "ada" not in json.dumps([list(map(str, row)) for row in rows])


@pytest.fixture
def without_segments(site):
    """
    Two records that have keywords only; the second one lacks some.
    """
    site.add_series(definitions.load("aia.response"))
    start = times.parse("2012.01.01_UTC")
    values = {"DATE": start, "T_STOP": start + 86400.5, "VER_NUM": 10, "EFF_AREA": 1.25, "INSTRUME": "AIA_3"}
    records = [{**values, "T_START": start, "WAVE_STR": "171_THIN"}, {"T_START": start, "WAVE_STR": "94_THIN"}]
    site.add_records("aia.response", [NewRecord(record) for record in records])
    return site


def test_keywords_of_a_series_without_segments_are_a_table(exporter, without_segments):
    """
    Contract E.1: keywords as rows of a binary table, with the names and values of cards (E.2 to E.5).
    """
    reply = ask(exporter, "aia.response")
    assert (reply["rcount"], reply["size"]) == (2, 0)
    done = finished(exporter, reply)
    name = f"{done['requestid']}.keywords.fits"
    assert (done["count"], done["status"]) == ("1", "0")
    assert done["data"] == [{"record": "aia.response[:#1-#2]", "filename": name}]
    directory, names = contents(without_segments, done)
    assert names == sorted([name, "index.json"])
    with fits.open(directory / name) as hdus:
        table = hdus[1]
        assert {"T_START", "WAVE_STR", "EFF_AREA", "RECNUM", "DRMS_ID", "PRIMARYK"} <= set(table.columns.names)
        assert table.data["RECNUM"].tolist() == [1, 2]
        first, second = table.data
        assert first["WAVE_STR"] == "171_THIN"
        assert first["T_STOP"].endswith(".500")
        assert first["DRMS_ID"] == "aia.response:1:no_segment"
        assert (first["VER_NUM"], first["EFF_AREA"]) == (10, 1.25)
        # What is missing has no value.
        assert table.columns["VER_NUM"].null == second["VER_NUM"]
        assert np.isnan(second["EFF_AREA"])
        assert (second["T_STOP"], second["INSTRUME"]) == ("", "")


def test_a_table_of_one_record_is_named_for_it(exporter, without_segments):
    done = finished(exporter, ask(exporter, "aia.response[][94_THIN]", method="url-tar"))
    assert done["data"][0]["record"].startswith("aia.response[2012")
    with tarfile.open(without_segments.directory / done["tarfile"].lstrip("/")) as archive:
        assert archive.getnames() == [f"./{done['requestid']}.keywords.fits"]


def test_records_without_segments_have_no_files_otherwise(exporter, without_segments):
    for parameters in ({"protocol": "as-is"}, {"protocol": "as-is", "method": "url_quick"}, {"protocol": "jpg"}):
        assert ask(exporter, "aia.response", **parameters)["error"] == "There are no files in this RecordSet"


def test_first_and_last_records_are_exported_together(exporter):
    """
    Contract A.14: such record sets become a list of record numbers, so that there may be several.
    """
    done = finished(exporter, ask(exporter, "hmi.m_45s[^],hmi.m_45s[$][? QUALITY<0 ?]"))
    assert [row["record"] for row in done["data"]] == [
        "hmi.M_45s[2014.01.01_00:00:45_TAI][2]",
        "hmi.M_45s[2014.01.01_00:10:30_TAI][2]",
    ]


def test_files_of_units_that_are_gone_cannot_be_asked_for(exporter, site):
    [sunum] = {record.sunum for record in site.allocate("hmi.m_45s", 1)}
    table = site.holding("hmi.m_45s").table
    with site.engine.begin() as connection:
        connection.execute(table.update().where(table.c.recnum == 2).values(sunum=sunum))
    site.remove_unit(sunum)
    reply = ask(exporter, "hmi.m_45s[:#1-#3]")
    assert reply == {"status": 4, "error": f"One or more Storage Units are invalid{sunum}"}


def test_some_offline_files_are_brought_back(exporter, site, make):
    """
    Contract B.12: those of ``iris.lev1`` are near enough.
    """
    site.add_series(replace(make.harp_series(), name="iris.lev1_test"))
    [slot] = site.allocate("iris.lev1_test", 1)
    file = make.write_image(slot, "continuum.fits", make.pixels_of(1))
    keywords = {"HARPNUM": 1, "T_REC": make.START}
    site.add_records("iris.lev1_test", [NewRecord(keywords, slot, {"continuum": file})])
    site.set_online("iris.lev1_test", [1], online=False)
    assert ask(exporter, "iris.lev1_test", method="url_quick", protocol="as-is")["status"] == 2
    done = finished(exporter, ask(exporter, "iris.lev1_test{continuum}"))
    assert (done["status"], done["count"]) == ("0", "1")


@pytest.mark.parametrize(
    ("stored", "told", "words"),
    [(3, 3, "Request too large"), (7, 4, "Illegal status"), (25, 4, "Illegal status"), (4, 4, "RecordSet specified")],
)
def test_stored_statuses(site, stored, told, words):
    """
    Contract B.14.
    """
    exporter = Exporter(site)
    reply = ask(exporter)
    changes = {"status": stored, "error": "Request too large" if stored == 3 else None}
    with site.engine.begin() as connection:
        connection.execute(schema.requests.update().values(changes))
    found = status(exporter, reply["requestid"])
    assert (found["status"], found["wait"], found["rcount"]) == (told, 999999, 0)
    assert found["error"].startswith(words)
