import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from astropy.io import fits
from click.testing import CliRunner

from jsoc_fido import localsite
from jsoc_fido.cli import main
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord

AJAX = "cgi-bin/ajax"
ADA = "ada@example.org"


@pytest.fixture
def site(empty, make):
    make.add_magnetograms(empty)
    return empty


def info(url, **parameters):
    return requests.get(f"{url}/{AJAX}/jsoc_info", params=parameters, timeout=30).json()


def path_of(url):
    return info(url, op="rs_list", ds="hmi.m_45s[^]", seg="magnetogram")["segments"][0]["values"][0]


def contents(folder):
    """
    Names, sizes and times of all files but those by which SQLite's readers know of each other.
    """
    found = (path for path in Path(folder).rglob("*") if not path.name.endswith(("-shm", "-wal")))
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in found if path.is_file()}


# The log


LINE = re.compile(
    r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ (?P<method>\w+) (?P<what>\w+) (?P<status>\d+) (?P<size>\d+) \d+\.\d{3}"
)


def test_a_line_for_each_request(small_directory, tmp_path):
    log = tmp_path / "requests.log"
    with localsite.running(small_directory, request_log=log) as site:
        path = path_of(site.url)
        size = len(requests.get(site.url + path, timeout=30).content)
        requests.get(f"{site.url}/SUM0/D1/S00000/absent.fits", timeout=30)
        requests.post(f"{site.url}/{AJAX}/jsoc_fetch", {"op": "exp_request", "ds": "x", "notify": ADA}, timeout=30)
        requests.get(f"{site.url}/{AJAX}/checkAddress.sh", {"address": ADA}, timeout=30)
        requests.get(f"{site.url}/{AJAX}/jsoc_info", {"op": ADA}, timeout=30)
        requests.get(f"{site.url}/{ADA}", timeout=30)
    text = log.read_text()
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(lines), text
    # A line is written when all was sent, and the next question may have come by then.
    assert sorted(line.group("method", "what", "status") for line in lines) == [
        ("GET", "checkAddress", "200"),
        ("GET", "file", "200"),
        ("GET", "file", "404"),
        ("GET", "other", "200"),
        ("GET", "other", "404"),
        ("GET", "rs_list", "200"),
        ("POST", "exp_request", "200"),
    ]
    [sent] = [line for line in lines if line.group("what", "status") == ("file", "200")]
    assert int(sent["size"]) == size
    assert "ada" not in text
    assert "hmi" not in text


def test_the_log_goes_on_after_a_restart_and_after_it_was_moved_away(small_directory, tmp_path):
    log = tmp_path / "requests.log"
    for _ in range(2):
        with localsite.running(small_directory, request_log=log) as site:
            info(site.url, op="rs_summary", ds="hmi.m_45s")
    assert len(log.read_text().splitlines()) == 2
    with localsite.running(small_directory, request_log=log) as site:
        log.rename(tmp_path / "old.log")
        info(site.url, op="rs_summary", ds="hmi.m_45s")
    assert len(log.read_text().splitlines()) == 1


def test_a_log_that_cannot_be_written_is_named(small_directory, tmp_path):
    with (
        pytest.raises(DataError, match=r"The log .*absent.* cannot be written: No such file"),
        localsite.running(small_directory, request_log=tmp_path / "absent" / "log"),
    ):
        pass


# Reading only


def test_finished_files_are_below_the_site(site):
    folder = site.directory / "staging" / "finished"
    folder.mkdir(parents=True)
    (folder / "left.fits").write_text("by a site that was killed")
    with localsite.running(site.directory) as running:
        address = f"{running.url}/HMI/hmi.m_45s/1/magnetogram.fits"
        assert not folder.exists()
        first = requests.get(address, timeout=30)
        assert first.status_code == 200
        assert len([*folder.rglob("*.fits")]) == 1
        shutil.rmtree(folder)
        # Its date may be another one.
        again = requests.get(address, timeout=30)
        assert (again.status_code, len(again.content)) == (200, len(first.content))


def test_a_site_that_is_read_only_writes_nothing(site, make):
    with localsite.running(site.directory, staging_time=0) as running:
        url = f"{running.url}/{AJAX}/jsoc_fetch"
        wanted = {"op": "exp_request", "notify": ADA, "protocol": "fits"}
        done = requests.post(url, {**wanted, "ds": "hmi.m_45s[:#1]"}, timeout=30).json()
        while requests.get(url, {"op": "exp_status", "requestid": done["requestid"]}, timeout=30).json()["status"] == 1:
            time.sleep(0.02)
    site.close()
    before = contents(site.directory)
    with localsite.running(site.directory, read_only=True) as running:
        url = f"{running.url}/{AJAX}/jsoc_fetch"
        assert requests.get(f"{running.url}/HMI/hmi.m_45s/1/magnetogram.fits", timeout=30).status_code == 200
        assert info(running.url, op="rs_summary", ds="hmi.m_45s")["count"] == 14
        refused = requests.post(url, {**wanted, "ds": "hmi.m_45s[:#2]"}, timeout=30).json()
        assert refused["status"] == 4
        assert refused["error"].startswith("This site is read only and stages nothing")
        # What needs no staging, and what was staged before, is there.
        quick = {**wanted, "ds": "hmi.m_45s[:#2]", "method": "url_quick", "protocol": "as-is"}
        path = requests.post(url, quick, timeout=30).json()["data"][0]["filename"]
        assert requests.get(running.url + path, timeout=30).status_code == 200
        told = requests.get(url, {"op": "exp_status", "requestid": done["requestid"]}, timeout=30).json()
        assert told["status"] == "0"
        assert (
            requests.post(url, {**wanted, "ds": "hmi.m_45s[:#1]"}, timeout=30).json()["requestid"] == done["requestid"]
        )
    assert contents(site.directory) == before


def test_nothing_gets_past_a_catalogue_that_is_read_only(site, make):
    with Catalogue.open(site.directory, read_only=True) as catalogue:
        with pytest.raises(DataError, match="was opened to be read only"):
            catalogue.add_records("hmi.m_45s", [NewRecord({"CAMERA": 1})])
        with pytest.raises(DataError, match="was opened to be read only"):
            catalogue.set_online("hmi.m_45s", [1], online=False)
        table = catalogue.holding("hmi.m_45s").table
        with catalogue.engine.connect() as connection, pytest.raises(Exception, match=r"(?i)read-?only"):
            connection.execute(table.delete())


# Behind a proxy


@pytest.mark.parametrize("given", ["/drms", "drms/"])
def test_a_site_below_a_path(small_directory, make, given):
    with localsite.running(small_directory, root_path=given, staging_time=0) as site:
        assert site.url.endswith("/drms")
        # The proxy may leave the path, or take it off.
        bare = site.url.removesuffix("/drms")
        for url in (site.url, bare):
            assert info(url, op="rs_summary", ds="hmi.m_45s")["count"] == 14
            path = path_of(url)
            assert path.startswith("/SUM0/")
            assert requests.get(url + path, timeout=30).content.startswith(b"SIMPLE  =")
        assert requests.get(site.url, timeout=30).url == f"{site.url}/"
        assert requests.get(f"{bare}/drmsx/SUM0", timeout=30).status_code == 404


def test_clients_stage_below_a_path(site, make, tmp_path):
    from jsoc_fido import JSOCClient, attrs

    with localsite.running(site.directory, root_path="/deep/down", staging_time=0) as running:
        client = JSOCClient(site=running.url, email=ADA)
        response = client.search(attrs.Series("hmi.m_45s"), attrs.RecordSet("hmi.m_45s[:#2]"))
        results = client.fetch(response, path=tmp_path, protocol="fits", progress=False)
        assert results.errors == []
        with fits.open(results[0]) as hdus:
            assert np.array_equal(hdus[1].data, make.pixels_of(1))


def test_computers_behind_a_proxy_are_told_apart(site):
    with localsite.running(site.directory, pending_host=1, staging_time=60) as running:
        form = {"op": "exp_request", "notify": ADA, "protocol": "fits"}

        def ask(number, host):
            url, headers = f"{running.url}/{AJAX}/jsoc_fetch", {"X-Forwarded-For": host}
            return requests.post(url, {**form, "ds": f"hmi.m_45s[:#{number}]"}, headers=headers, timeout=30).json()[
                "status"
            ]

        assert [ask(1, "192.0.2.1"), ask(2, "192.0.2.2"), ask(3, "192.0.2.1")] == [2, 2, 7]


# Stopping


def test_answers_are_finished_before_a_site_stops(site):
    whole = bytes(40 << 20)
    (site.slot_directory(1) / "large.bin").write_bytes(whole)
    stack = localsite.running(site.directory)
    running = stack.__enter__()
    with requests.get(f"{running.url}/SUM0/D1/S00000/large.bin", stream=True, timeout=30) as reply:
        chunks = reply.iter_content(1 << 16)
        size = len(next(chunks))
        stopping = threading.Thread(target=stack.__exit__, args=(None, None, None))
        stopping.start()
        time.sleep(0.2)
        size += sum(map(len, chunks))
    stopping.join(30)
    assert not stopping.is_alive()
    assert size == len(whole)
    with pytest.raises(requests.ConnectionError):
        requests.get(running.url, timeout=5)


# The command


def test_serve_takes_all_of_it(site, tmp_path):
    log = tmp_path / "log"
    options = [
        "--read-only",
        "--log",
        log,
        "--root-path",
        "/drms",
        "--jsoc-limits",
        "--pending",
        "2",
        "--retain-days",
        "0",
    ]
    words = [sys.executable, "-m", "jsoc_fido.cli", "site", "serve", site.directory, *options, "--no-record-numbers"]
    code = "import sys; from jsoc_fido.cli import main; main(sys.argv[1:])"
    words[1:3] = ["-c", code]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.endswith("/drms")
            form = {"op": "exp_request", "notify": ADA, "protocol": "fits", "ds": "hmi.m_45s[:#1]"}
            reply = requests.post(f"{url}/{AJAX}/jsoc_fetch", form, timeout=30).json()
            assert "does not export by record number" in reply["error"]
            reply = requests.post(f"{url}/{AJAX}/jsoc_fetch", form | {"ds": "hmi.m_45s[^]"}, timeout=30).json()
            assert "read only" in reply["error"]
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert [line.split()[1:3] for line in log.read_text().splitlines()] == [["POST", "exp_request"]] * 2


def test_offline_and_online(site):
    def run(*words):
        result = CliRunner().invoke(main, ["site", *words])
        assert result.exit_code == 0, result.output
        return result.output

    out = run("offline", str(site.directory), "hmi.m_45s[:#1-#2]")
    assert out == "2 records are offline, with all in the same storage units.\n"
    with localsite.running(site.directory) as running:
        assert path_of(running.url) == "NoDataDirectory"
        assert run("online", str(site.directory), "hmi.m_45s[:#1]").startswith("1 records are online")
        assert path_of(running.url).startswith("/SUM0/")


def test_a_record_set_that_cannot_go_offline_is_named(site):
    result = CliRunner().invoke(main, ["site", "offline", str(site.directory), "hmi.m_46s"])
    assert result.exit_code == 1
    assert "series not found" in result.output
