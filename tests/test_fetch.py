"""
One fetches what one sees: rows of any kind of table, each with exactly its files, and failures one by one.
"""

import json
import os
import pickle
import re
import resource
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import astropy.units as u
import numpy as np
import parfive
import pytest
import sqlalchemy as sa
from astropy.io import fits
from astropy.table import QTable, join, vstack
from astropy.time import Time
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import JSOCClient, JSOCResponse, download, downloaders, exports, localsite
from jsoc_fido import site as site_module
from jsoc_fido.connection import Limits
from jsoc_fido.exceptions import DataError, ExportError, QueryError, TransportError, UnsupportedError

EMAIL = "solar@example.com"
MINUTES = a.Time("2014-01-01T00:00:00", "2014-01-01T00:04:00")
VELOCITY, EUV = a.jsoc.Series("hmi.v_45s"), a.jsoc.Series("aia.lev1_euv_12s")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archive")
    localsite.init(directory)
    for series in ("hmi.v_45s", "aia.lev1_euv_12s", "hmi.sharp_720s"):
        localsite.synthesize(directory, series, MINUTES.start, MINUTES.end, size=16)
    return directory


@pytest.fixture
def archive(directory, monkeypatch):
    with localsite.running(directory, register=[EMAIL], staging_time=0.01) as running:
        monkeypatch.setenv("JSOC_FIDO_SITE", running.url)
        yield running


@pytest.fixture
def client(archive):
    return JSOCClient()


@pytest.fixture
def velocity(client):
    return client.search(MINUTES, VELOCITY)


def stamps(files) -> list[str]:
    """
    The times in the names of files.
    """
    return [Path(file).name.split(".")[2] for file in files]


def expected(table) -> list[str]:
    return [str(time.value).replace(".", "").replace(":", "") for time in table["T_REC"]]


OPERATIONS = {
    "all": lambda table: table,
    "slice": lambda table: table[1:4],
    "steps": lambda table: table[::2],
    "mask": lambda table: table[np.arange(len(table)) % 3 == 0],
    "fancy": lambda table: table[[4, 0, 2]],
    "sorted": lambda table: table[np.argsort(table["OBS_VR"])[::-1]],
    "row": lambda table: table[2],
    "row as a table": lambda table: table[2].as_table(),
    "stacked": lambda table: vstack([table[:1], table[3:]]),
    "copy": lambda table: table.copy()[1:3],
    "pickle": lambda table: pickle.loads(pickle.dumps(table[1:3])),
    "column removed": lambda table: without(table[1:3], "Dopplergram", "QUALITY", "Size"),
    "columns chosen": lambda table: table[["T_REC", "Recnum", "Question", "Record"]][2:],
    "grouped": lambda table: with_column(table, "half", np.arange(len(table)) // 3).group_by("half").groups[1],
    "joined": lambda table: join(
        table, QTable({"CAMERA": [2], "observer": ["me"]}), keys="CAMERA", metadata_conflicts="silent"
    )[:2],
    "reversed": lambda table: reversed_rows(table),  # noqa: PLW0108 - defined below
}


def without(table, *names):
    table = table.copy()
    table.remove_columns(names)
    return table


def with_column(table, name, values):
    table = table.copy()
    table[name] = values
    return table


def reversed_rows(table):
    table = table.copy()
    table.reverse()
    return table


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rows_of_any_kind_bring_their_files(client, velocity, operation, tmp_path):
    part = OPERATIONS[operation](velocity)
    rows = part.as_table() if operation == "row" else part
    by_client = client.fetch(part, path=tmp_path / "client", progress=False)
    by_fido = Fido.fetch(part, path=tmp_path / "fido", progress=False)
    assert not by_client.errors
    assert not by_fido.errors
    assert stamps(by_client) == stamps(by_fido) == expected(rows)
    staged = client.fetch(part, path=tmp_path / "staged", notify=EMAIL, progress=False)
    assert stamps(staged) == expected(rows)
    assert [Path(file).name for file in staged] == [Path(file).name for file in by_client]


def test_tables_sorted_in_place(client, velocity, tmp_path):
    velocity.sort("OBS_VR", reverse=True)
    assert stamps(client.fetch(velocity, path=tmp_path, progress=False)) == expected(velocity)


def test_tables_of_different_series(client, tmp_path):
    both = client.search(MINUTES, VELOCITY | EUV)
    mixed = both[[0, len(both) - 1, 1]]
    files = client.fetch(mixed, path=tmp_path, progress=False)
    assert [Path(file).name.split(".")[0] for file in files] == ["hmi", "aia", "hmi"]
    files = Fido.fetch(Fido.search(MINUTES, VELOCITY | EUV)[:, :2], path=tmp_path / "fido", progress=False)
    assert len(files) == 4


def test_the_same_row_twice_is_one_file(client, velocity, tmp_path):
    twice = velocity[[1, 1]]
    table = client.fetch(twice, path=tmp_path, progress=False, return_table=True)
    assert len(set(table["Path"])) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_saved_table_in_another_process(archive, client, tmp_path):
    response = client.search(MINUTES, VELOCITY | EUV, a.jsoc.Notify(EMAIL), a.jsoc.Protocol("quick"))
    saved = tmp_path / "saved.ecsv"
    response[[1, 8]].write(saved)
    assert EMAIL not in saved.read_text("ascii")
    program = (
        "import sys, json, jsoc_fido; from sunpy.net import Fido;"
        "table = jsoc_fido.JSOCResponse.read(sys.argv[1]);"
        "print(json.dumps(list(Fido.fetch(table, path=sys.argv[2], progress=False))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, saved, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    files = json.loads(done.stdout.splitlines()[-1])
    assert [Path(file).name.split(".")[0] for file in files] == ["hmi", "aia"]
    assert stamps(files)[0] == expected(response[1:2])[0]


def test_a_saved_table_is_the_table(client, tmp_path):
    response = client.search(MINUTES, VELOCITY | EUV | a.jsoc.Series("hmi.sharp_720s"))
    response.write(tmp_path / "saved.ecsv")
    again = JSOCResponse.read(tmp_path / "saved.ecsv")
    assert again.colnames == response.colnames
    assert again.questions == response.questions
    assert again.meta["record_sets"] == response.meta["record_sets"]
    assert str(again) == str(response)
    for name in response.colnames:
        before, after = response[name], again[name]
        assert type(before) is type(after) or name in ("Record", "Recnum", "Question"), name
        missing = np.broadcast_to(np.asarray(getattr(before, "mask", False)), len(before))
        assert (missing == np.broadcast_to(np.asarray(getattr(after, "mask", False)), len(after))).all(), name
        if not missing.all():
            there = ~missing
            before, after = before[there], after[there]
            same = abs(before - after) < 1 * u.us if isinstance(before, Time) else before == after
            assert np.all(same | (before != before)), name  # noqa: PLR0124 - what is not a number
    assert len(vstack([again, response])) == 2 * len(response)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("jsoc_fido:", "other:"), "holds no saved result"),
        (lambda text: text.replace('\\"questions\\"', '\\"answers\\"').replace('"questions"', '"answers"'), "no saved"),
        (lambda text: text.replace("Recnum", "Number"), "does not say which records"),
        (lambda text: text.replace("# %ECSV", "# %CSV"), "ECSV"),
        (lambda text: text[: len(text) // 3], "."),
        (lambda text: text.replace('"count', '"counts').replace('\\"count', '\\"counts'), "changed|no saved"),
    ],
)
def test_a_saved_table_that_was_changed_by_hand(velocity, tmp_path, change, message):
    velocity.write(tmp_path / "saved.ecsv")
    text = (tmp_path / "saved.ecsv").read_text("ascii")
    changed = change(text)
    assert changed != text
    (tmp_path / "saved.ecsv").write_text(changed, "ascii")
    with pytest.raises(DataError, match=message):
        JSOCResponse.read(tmp_path / "saved.ecsv")


def test_a_saved_row_of_no_search(velocity, tmp_path):
    velocity.write(tmp_path / "saved.ecsv")
    text = (tmp_path / "saved.ecsv").read_text("ascii")
    lines = text.splitlines()
    lines[-1] = lines[-1].replace(velocity.questions[0].key, "0123456789ab")
    (tmp_path / "saved.ecsv").write_text("\n".join(lines), "ascii")
    with pytest.raises(DataError, match="0123456789ab"):
        JSOCResponse.read(tmp_path / "saved.ecsv")


def test_two_results_side_by_side_are_no_rows(client, velocity):
    both = join(velocity, velocity, keys="T_REC", metadata_conflicts="silent")
    with pytest.raises(QueryError, match="side by side"):
        client.fetch(both)


def test_a_table_from_another_site_goes_there(archive, directory, velocity, tmp_path):
    with localsite.running(directory) as other:
        files = JSOCClient(other.url).fetch(velocity[:1], path=tmp_path, progress=False)
        assert len(files) == 1
        assert other.count("file") == 0


# The way


def test_which_way_is_taken_and_why(client, archive, caplog, tmp_path):
    caplog.set_level("INFO", "jsoc_fido")
    response = client.search(MINUTES, EUV)
    client.fetch(response[:1], path=tmp_path, progress=False)
    assert "quick: 1 files" in caplog.text
    assert "Left out: spikes" in caplog.text
    assert {what for _, what in archive.requests} == {"series_struct", "rs_list", "file"}
    client.fetch(response[:1], path=tmp_path / "2", progress=False, notify=EMAIL)
    assert "fits: 1 files" in caplog.text
    assert "An e-mail address was given" in caplog.text
    assert archive.count("exp_request") == 1
    assert EMAIL not in caplog.text
    for address in (EMAIL, None):
        with pytest.raises(UnsupportedError, match="'png' is not supported; use one of quick, fits"):
            client.fetch(response[:1], path=tmp_path, protocol="png", notify=address)


def test_quick_with_an_address_needs_no_staging(client, archive, tmp_path):
    response = client.search(MINUTES, VELOCITY, a.jsoc.Notify(EMAIL), a.jsoc.Protocol("quick"))
    assert len(client.fetch(response[:2], path=tmp_path, progress=False)) == 2
    assert archive.count("exp_request") == archive.count("checkAddress") == 0


def test_quick_cannot_process(client, velocity, tmp_path):
    step = client.search(MINUTES, VELOCITY, a.jsoc.Process("rebin", scale=0.5), a.jsoc.Protocol("quick"))
    with pytest.raises(QueryError, match="rebin needs 'fits'"):
        client.fetch(step, path=tmp_path)
    with pytest.raises(QueryError, match="method 'url-tar' needs 'fits'"):
        client.fetch(velocity, path=tmp_path, protocol="quick", method="url-tar")
    with pytest.raises(QueryError, match="needs no request"):
        client.request_data(velocity, protocol="quick", notify=EMAIL)


def test_default_segments(client):
    response = client.search(MINUTES, EUV)
    assert response.questions[0].segments == ("image",)
    assert response.questions[0].left_out == ("spikes",)
    both = client.search(MINUTES, EUV, a.jsoc.Segment("image") & a.jsoc.Segment("spikes"))
    assert both.questions[0].segments == ("image", "spikes")
    (order,) = exports.plan(response, notify=EMAIL)
    assert order.record_set.endswith("{image}")


def test_a_segment_that_some_rows_lack(client, tmp_path):
    response = client.search(MINUTES, EUV, a.jsoc.Segment("image") & a.jsoc.Segment("spikes"))[:2]
    results = client.fetch(response, path=tmp_path, progress=False)
    assert len(results) == 2
    assert ["{spikes} has no such file" in str(error.exception) for error in results.errors] == [True, True]


def test_a_dry_run_asks_nothing(client, archive, velocity, tmp_path):
    both = client.search(MINUTES, VELOCITY | EUV)
    archive.requests.clear()
    table = client.fetch(both, path=tmp_path / "nowhere", dry_run=True)
    assert not archive.requests
    assert not (tmp_path / "nowhere").exists()
    assert table["Way"].tolist() == ["quick", "quick"]
    assert table["Files"].sum() == len(both)
    assert table["Size"].sum() == np.nansum(both["Size"])
    assert table["Requests"].tolist() == [0, 0]
    staged = client.fetch(both[:3], path=tmp_path, notify=EMAIL, dry_run=True)
    assert staged["Requests"].tolist() == [1]
    assert staged["Time"].unit == u.min
    assert not archive.requests


def test_the_table_of_the_files(client, tmp_path):
    response = client.search(MINUTES, a.jsoc.Series("hmi.sharp_720s"),
                             a.jsoc.Segment("bitmap") & a.jsoc.Segment("continuum"))[:2]  # fmt: skip
    table = client.fetch(response, path=tmp_path, progress=False, return_table=True)
    assert table["Segment"].tolist() == ["bitmap", "continuum"] * 2 or set(table["Segment"]) == {"bitmap", "continuum"}
    assert table["Recnum"].tolist() == np.repeat(response["Recnum"], 2).tolist()
    for row in table:
        assert f".{row['HARPNUM']}." in row["Path"]
        assert row["Path"].endswith(f".{row['Segment']}.fits")
        assert Path(row["Path"]).is_file()
    assert {"Segment", "Path"} <= set(table.display_keys)
    assert "Path" not in response.display_keys
    staged = client.fetch(response, path=tmp_path / "s", progress=False, return_table=True, notify=EMAIL)
    assert [Path(path).name for path in staged["Path"]] == [Path(path).name for path in table["Path"]]
    assert len(client.fetch(response[:0], return_table=True)) == 0


# Offline


@pytest.fixture
def offline(archive, velocity):
    gone = velocity["Recnum"][:1].tolist()
    assert velocity["Online"].all()
    archive.catalogue.set_online("hmi.v_45s", gone, online=False)
    yield
    archive.catalogue.set_online("hmi.v_45s", gone, online=True)


def test_offline_rows_without_an_address_are_listed(client, offline, archive, tmp_path):
    response = client.search(MINUTES, VELOCITY | EUV)
    mixed = response[[0, len(response) - 1]]
    results = client.fetch(mixed, path=tmp_path, progress=False)
    assert len(results) == 1
    (error,) = results.errors
    assert "is offline and has to be staged: give an e-mail address" in str(error.exception)
    assert "hmi.V_45s[2014.01.01_00:00:45_TAI][2]" in str(error.exception)


def test_fido_says_too_what_did_not_come(client, offline, tmp_path, caplog):
    response = client.search(MINUTES, VELOCITY | EUV)
    mixed = response[[0, len(response) - 1]]
    assert len(Fido.fetch(mixed, path=tmp_path, progress=False)) == 1
    assert "1 of 2 files could not be had" in caplog.text
    with pytest.raises(ExportError, match=r"1 of 2 files could not be had: .* is offline"):
        Fido.fetch(mixed, path=tmp_path / "strict", progress=False, strict=True)
    assert len(list((tmp_path / "strict").iterdir())) == 1


def test_what_others_asked_of_a_downloader_is_not_lost(client, offline, archive, tmp_path):
    downloader = parfive.Downloader(progress=False)
    downloader.enqueue_file(f"{archive.url}/", path=tmp_path, filename="page.html")
    gone = client.search(MINUTES, VELOCITY)[:1]
    results = client.fetch(gone, path=tmp_path, downloader=downloader, protocol="fits", notify=EMAIL)
    assert [Path(path).name for path in results] == ["page.html"]
    assert len(results.errors) == 1
    with pytest.raises(ExportError, match="offline"):
        client.fetch(gone, path=tmp_path, progress=False, protocol="fits", notify=EMAIL)


def test_a_site_that_is_down_fails_its_own_rows_only(directory, client, velocity, tmp_path):
    with localsite.running(directory) as other:
        elsewhere = JSOCClient(other.url).search(MINUTES, EUV)
    # As in a new process, which knows no series yet.
    site_module._site_at.cache_clear()
    results = client.fetch(jsoc_fido.vstack([elsewhere[:2], velocity[:2]]), path=tmp_path, progress=False)
    assert [Path(path).name[:8] for path in results] == ["hmi.v_45"] * 2
    for error in results.errors:
        assert f"cannot be had now: {other.url} could not be reached" in str(error.exception)
    assert len(results.errors) == 2
    with pytest.raises(TransportError, match=f"{other.url} could not be reached"):
        client.fetch(elsewhere, path=tmp_path, progress=False)


def test_a_site_that_was_down_is_asked_again(directory, client, velocity, tmp_path, monkeypatch):
    """
    What the rows of each site need is in the journal: here, that one of them processes its files.
    """
    monkeypatch.setenv("JSOC_FIDO_STATE", str(tmp_path / "state"))
    words = EUV, a.jsoc.Process("rebin", scale=0.5), a.jsoc.Notify(EMAIL)
    with localsite.running(directory, staging_time=0) as other:
        elsewhere = JSOCClient(other.url).search(MINUTES, *words)
    site_module._site_at.cache_clear()
    both = jsoc_fido.vstack([elsewhere[:1], velocity[:1]])
    assert client.fetch(both, path=tmp_path, dry_run=True)["Note"][0].startswith("The site does not answer now.")
    assert len(client.fetch(both, path=tmp_path / "files", progress=False)) == 1
    with localsite.running(directory, port=urlsplit(other.url).port, staging_time=0):
        results = client.resume(notify=EMAIL, progress=False)
    assert not results.errors
    assert [".rebin-" in path for path in results] == [True, False]


def test_offline_rows_with_an_address_are_staged(offline, archive, tmp_path, caplog):
    client = JSOCClient(email=EMAIL)
    response = client.search(MINUTES, VELOCITY | EUV)
    mixed = response[[0, len(response) - 1]]
    assert client.fetch(mixed, path=tmp_path, dry_run=True)["Way"].tolist() == ["quick", "fits", "quick"]
    results = client.fetch(mixed, path=tmp_path, progress=False)
    assert archive.count("exp_request") == 1
    assert len(results) == 1
    (error,) = results.errors
    assert "offline" in str(error.exception)
    assert error.exception.status == 25
    with pytest.raises(ExportError, match="offline"):
        client.fetch(mixed, path=tmp_path, progress=False, strict=True)


# Staged subsets


def test_a_part_is_ordered_by_record_numbers(velocity, archive):
    (order,) = exports.plan(velocity[[0, 1, 2, 4]], notify=EMAIL)
    assert order.record_set == "hmi.V_45s[:#1-#3,#5]"
    (order,) = exports.plan(velocity, notify=EMAIL)
    assert order.record_set == velocity.questions[0].record_set


def test_orders_are_split_by_size(client, velocity, monkeypatch):
    size = velocity["Size"][0]
    monkeypatch.setattr(client.site, "limits", Limits(request_size=2.5 * size))
    orders = exports.plan(velocity[:5], notify=EMAIL)
    assert [order.record_set for order in orders] == [
        "hmi.V_45s[:#1-#2]", "hmi.V_45s[:#3-#4]", "hmi.V_45s[:#5]",
    ]  # fmt: skip
    assert len(exports.plan(velocity, notify=EMAIL)) == len(velocity) // 2 + len(velocity) % 2


def test_a_site_that_refuses_record_numbers(directory, tmp_path, caplog):
    caplog.set_level("INFO", "jsoc_fido")
    with localsite.running(directory, staging_time=0.01, record_numbers=False) as stubborn:
        client = JSOCClient(stubborn.url, EMAIL)
        response = client.search(MINUTES, EUV)
        part = response[[0, 1, 9]]
        files = client.fetch(part, path=tmp_path, progress=False, protocol="fits")
        assert len(files) == 3
        assert not files.errors
        quick = client.fetch(part, path=tmp_path / "quick", progress=False)
        assert [Path(file).name for file in files] == [Path(file).name for file in quick]
        assert "by prime keys instead" in caplog.text


# Names


def test_collisions_are_found_before_anything_is_asked(client, archive, directory, velocity, tmp_path):
    with localsite.running(directory) as other:
        twice = vstack([velocity, JSOCClient(other.url).search(MINUTES, VELOCITY)], metadata_conflicts="silent")
        archive.requests.clear()
        with pytest.raises(DataError, match="Two files would both be") as caught:
            client.fetch(twice, path=tmp_path, notify=EMAIL)
        assert "hmi.V_45s[2014.01.01_00:00:45_TAI][2]{Dopplergram}" in str(caught.value)
        assert not archive.requests
        assert not list(tmp_path.iterdir())


def test_a_path_of_columns(client, velocity, tmp_path):
    path = tmp_path / "{T_REC:%Y-%m}" / "{wavelnth}" / "{segment}_{obs_vr:.0f}_{recnum}_{file}"
    table = client.fetch(velocity[:2], path=path, progress=False, return_table=True)
    for row, file in zip(velocity, table["Path"], strict=False):
        assert Path(file).parent == tmp_path / "2014-01" / "6173"
        assert Path(file).name.startswith(f"Dopplergram_{row['OBS_VR'].value:.0f}_{row['Recnum']}_hmi.v_45s.")
    for name in velocity.path_format_keys():
        if name != "question":
            client.fetch(velocity[:2], path=str(tmp_path / f"{{{name}}}" / "{file}"), dry_run=True)
    with pytest.raises(QueryError, match="asks for"):
        client.fetch(velocity, path=str(tmp_path / "{T_REC.__class__}" / "{file}"))


def test_a_hostile_value_stays_in_the_folder(client, velocity, tmp_path):
    velocity["evil"] = "../../x"
    (file,) = client.fetch(velocity[:1], path=str(tmp_path / "{evil}" / "{file}"), progress=False)
    assert Path(file).is_relative_to(tmp_path)
    assert ".." not in Path(file).relative_to(tmp_path).parts


# What goes wrong


def stored(directory, table, row) -> Path:
    return directory / str(table["Dopplergram"][row]).lstrip("/")


@pytest.fixture
def spoiled(directory, velocity):
    """
    Change a stored file for the time of a test.
    """
    before: dict[Path, bytes] = {}

    def spoil(row, content):
        path = stored(directory, velocity, row)
        before.setdefault(path, path.read_bytes())
        path.write_bytes(content(before[path]) if callable(content) else content)

    yield spoil
    for path, content in before.items():
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>The site is down.</body></html>", "no FITS"),
        (lambda content: content[:3000], "cut|short|less|end"),
        (lambda content: content[: len(content) - 2880], "cut|short|less|end"),
    ],
)
@pytest.mark.parametrize("notify", [None, EMAIL])
def test_a_file_that_is_none_is_a_listed_failure(client, velocity, spoiled, tmp_path, content, words, notify):
    spoiled(1, content)
    protocol = "as-is" if notify else None
    results = client.fetch(velocity[:3], path=tmp_path, progress=False, notify=notify, protocol=protocol)
    assert stamps(results) == [expected(velocity)[0], expected(velocity)[2]]
    (error,) = results.errors
    assert isinstance(error.exception, DataError)
    assert re.search(words, str(error.exception))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(file).name for file in results)


def test_a_file_that_is_missing(client, directory, velocity, tmp_path):
    path = stored(directory, velocity, 1)
    content = path.read_bytes()
    path.unlink()
    try:
        table = client.fetch(velocity[:3], path=tmp_path, progress=False, return_table=True)
        assert table["Path"].mask.tolist() == [False, True, False]
        results = client.fetch(velocity[:3], path=tmp_path / "2", progress=False)
        assert results.errors[0].exception.status == 404
    finally:
        path.write_bytes(content)
    assert len(client.fetch(velocity[:3], path=tmp_path, progress=False, strict=True)) == 3


def test_a_record_that_was_deleted_since_the_search(client, archive, tmp_path):
    localsite.synthesize(archive.catalogue.directory, "hmi.v_45s", "2014-01-03T00:00", "2014-01-03T00:01", size=16)
    response = client.search(a.Time("2014-01-03T00:00", "2014-01-03T00:01"), VELOCITY)
    table = archive.catalogue.holding("hmi.v_45s").table
    with archive.catalogue.engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.recnum == int(response["Recnum"][0])))
    results = client.fetch(response, path=tmp_path, progress=False)
    assert len(results) == len(response) - 1
    assert "is no longer at" in str(results.errors[0].exception)


def test_files_that_are_there_cost_no_request(client, archive, velocity, tmp_path):
    first = client.fetch(velocity[:3], path=tmp_path, progress=False)
    Path(first[1]).write_bytes(Path(first[1]).read_bytes()[:3000])
    archive.requests.clear()
    assert list(client.fetch(velocity[:3], path=tmp_path, progress=False)) == list(first)
    assert archive.count("file") == 1  # the one that was cut
    fits.open(first[1]).close()
    unique = client.fetch(velocity[:1], path=tmp_path, progress=False, overwrite="unique", return_table=True)
    assert unique["Path"][0] not in set(first)
    archive.requests.clear()
    client.fetch(velocity[:1], path=tmp_path, progress=False, overwrite=True)
    assert archive.count("file") == 1


def test_a_folder_that_is_none(client, archive, velocity, tmp_path):
    (tmp_path / "file").write_text("here")
    archive.requests.clear()
    with pytest.raises(DataError, match="it is a file"):
        client.fetch(velocity, path=tmp_path / "file" / "deeper")
    assert not archive.requests


def read_only(folder: Path) -> Path | None:
    """
    A folder that may not be written; nothing is read-only for root, but for file systems that are.
    """
    folder.chmod(0o500)
    return next((path for path in (folder, Path("/sys"), Path("/proc/sys")) if not os.access(path, os.W_OK)), None)


def test_a_folder_that_may_not_be_written(client, archive, velocity, tmp_path):
    folder = read_only(tmp_path)
    if folder is None:
        pytest.skip("every folder can be written here")
    archive.requests.clear()
    with pytest.raises(DataError, match="it may not be written"):
        client.fetch(velocity, path=folder / "deeper")
    assert not archive.requests


def test_a_full_disk(archive, velocity, tmp_path):
    # The limit on the size of files is the one thing that fails in the same way without a disk of one's own.
    limit = 4000
    velocity.write(tmp_path / "saved.ecsv")
    program = (
        "import sys, resource, jsoc_fido;"
        "table = jsoc_fido.JSOCResponse.read(sys.argv[1]);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY));"
        "results = jsoc_fido.JSOCClient().fetch(table[:3], path=sys.argv[2], progress=False);"
        "print(len(results), [str(error.exception) for error in results.errors])"
    )
    assert resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "saved.ecsv", tmp_path / "out"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith("0 [")
    assert done.stdout.count("File too large") == 3
    assert not list((tmp_path / "out").iterdir())


def tidy() -> parfive.Downloader:
    """
    What Fido would make by itself, but for the event loop that it leaves to be collected, perhaps in another thread.
    """
    downloader = parfive.Downloader(progress=False)
    downloaders.be_polite(downloader, site_module.LOCAL)
    return downloader


@pytest.mark.parametrize("protocol", ["quick", "as-is"])
def test_a_failed_file_is_tried_again_by_fido(client, directory, velocity, tmp_path, protocol):
    path = stored(directory, velocity, 1)
    content = path.read_bytes()
    path.unlink()
    try:
        results = client.fetch(velocity[:3], path=tmp_path, progress=False, notify=EMAIL, protocol=protocol)
        assert len(results.errors) == 1
        again = Fido.fetch(results, downloader=tidy())
        assert len(again.errors) == 1
        assert len(again) == 2
    finally:
        path.write_bytes(content)
    last = Fido.fetch(again, downloader=tidy())
    assert not last.errors
    assert sorted(stamps(last)) == expected(velocity[:3])
    assert len(list(tmp_path.iterdir())) == 3
    with fits.open(last[-1]) as hdus:
        assert ("T_REC" in hdus[1].header) == (protocol == "quick")


def test_parfive_still_calls_what_we_put_into_its_queue(velocity, archive, tmp_path):
    downloader = tidy()
    there = tmp_path / "x.txt"
    problem = DataError("cannot come")
    where = site_module.site(archive.url)
    download.enqueue(
        downloader,
        [
            download.Delivery(where, f"{archive.url}{velocity['Dopplergram'][0]}", there),
            download.Delivery(where, f"{archive.url}/none", tmp_path / "none", problem=problem),
        ],
    )
    assert downloader.queued_downloads == 2
    results = downloader.download()
    assert list(results) == [str(there)]
    assert results.errors[0].exception is problem
