"""
The local site: how fast it makes records, and how fast it answers.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from jsoc_fido import localsite, times
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord
from jsoc_fido.localsite.records import StorageSlot, StoredFile

PROGRAM = """
import json, resource, sys, time
from jsoc_fido import localsite
if __name__ == "__main__":
    localsite.init(sys.argv[1])
    began = time.perf_counter()
    records = localsite.synthesize(sys.argv[1], "hmi.v_45s", "2014-01-01T00:00", "2014-01-06T05:00")
    seconds = time.perf_counter() - began
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"records": records, "seconds": seconds, "megabytes": own, "megabytes of a child": child}))
"""


def bench_ten_thousand_records(benchmark, tmp_path):
    benchmark.group = "10,000 synthetic records"
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")

    def synthesize():
        words = [sys.executable, program, tmp_path / "site"]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    result = benchmark.pedantic(synthesize, rounds=1)
    benchmark.extra_info.update(result)
    print(result)
    assert result["records"] >= 10_000
    assert result["seconds"] < 10
    assert result["megabytes"] + result["megabytes of a child"] < 500


@pytest.fixture
def fast_site(directory):
    with localsite.running(directory) as site:
        yield site


def bench_rs_list(benchmark, fast_site):
    benchmark.group = "rs_list of 2,107 records with all keywords"
    query = {
        "op": "rs_list",
        "ds": "aia.lev1_euv_12s[2014.01.01_00:00:00_UTC-2014.01.01_01:00:00_UTC]",
        "key": "**ALL**",
        "seg": "image",
    }
    url = f"{fast_site.url}/cgi-bin/ajax/jsoc_info?{urllib.parse.urlencode(query)}"

    def ask():
        with urllib.request.urlopen(url) as reply:
            return json.load(reply)

    reply = benchmark.pedantic(ask, rounds=3, warmup_rounds=1)
    assert reply["count"] == 2107
    assert benchmark.stats.stats.mean < 1


SERVE = "import sys; from jsoc_fido.cli import main; main(['site', 'serve', sys.argv[1]])"
MILLION = 1_000_000

#: Bytes of the file that is downloaded.
LARGE = 400 << 20


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """
    A site with a million records of one series, without files.
    """
    directory = tmp_path_factory.mktemp("million") / "site"
    start = times.parse("2010.05.01_00:00:45_TAI")
    file = StoredFile("magnetogram.fits", (4096, 4096), 15_000_000, 0.0, 0.1, "compress Rice")
    with Catalogue.create(directory) as catalogue:
        catalogue.add_series(definitions.load("hmi.m_45s"))
        for first in range(0, MILLION, 20_000):
            records = [
                NewRecord(
                    {"T_REC": start + 45 * number, "CAMERA": 2, "QUALITY": number % 7, "DATAMEAN": number / 4},
                    StorageSlot(1 + number // 16, number % 16, directory),
                    {"magnetogram": file},
                )
                for number in range(first, first + 20_000)
            ]
            catalogue.add_records("hmi.m_45s", records)
    with localsite.running(directory) as site:
        yield site


def ask(site, **parameters):
    url = f"{site.url}/cgi-bin/ajax/jsoc_info?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)


@pytest.mark.parametrize("test", ["", "[? QUALITY=1 ?]"])
def bench_hundred_of_a_million(benchmark, million, test):
    benchmark.group = "100 of a million records, by prime key"
    ds = f"hmi.m_45s[2010.07.01_00:00:45_TAI/75m]{test}"
    keys = {"op": "rs_list", "key": "T_REC,QUALITY,DATAMEAN", "seg": "magnetogram"}
    reply = benchmark.pedantic(lambda: ask(million, ds=ds, **keys), rounds=20, warmup_rounds=1)
    assert reply["count"] == (14 if test else 100)
    assert benchmark.stats.stats.mean < 0.05


def bench_count_a_million(benchmark, million):
    benchmark.group = "rs_summary of a million records"
    reply = benchmark.pedantic(lambda: ask(million, op="rs_summary", ds="hmi.m_45s"), rounds=5, warmup_rounds=1)
    assert reply["count"] == MILLION
    assert benchmark.stats.stats.mean < 1


@pytest.fixture
def served(request):
    """
    Serves a site by a process of its own.
    """
    running = []

    def serve(directory):
        words = [sys.executable, "-c", SERVE, str(directory)]
        running.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return running[-1].stdout.readline().strip(), running[-1].pid

    yield serve
    for process in running:
        process.terminate()
        process.communicate(timeout=60)


def peak(pid):
    """
    The most memory that a process had so far, in MB.
    """
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def bench_streaming(tmp_path, served):
    """
    50,407 records with all keywords: how fast they come, and how much memory more than an hour of them takes.
    """
    localsite.init(tmp_path / "site")
    localsite.synthesize(tmp_path / "site", "aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-02T00:00", size=8)
    url, pid = served(tmp_path / "site")
    peaks = []
    for ds in ("aia.lev1_euv_12s[2014.01.01_00:00:00_UTC/1h]", "aia.lev1_euv_12s[]"):
        query = {"op": "rs_list", "ds": ds, "key": "**ALL**", "seg": "image", "R": 1}
        began, size = time.perf_counter(), 0
        with urllib.request.urlopen(f"{url}/cgi-bin/ajax/jsoc_info?{urllib.parse.urlencode(query)}") as reply:
            while part := reply.read(1 << 20):
                size += len(part)
        seconds = time.perf_counter() - began
        peaks.append(peak(pid))
        print(f"{size / 1e6:.1f} MB in {seconds:.2f} s, {size / 1e6 / seconds:.1f} MB/s; peak {peaks[-1]:.0f} MB")
    assert size / 1e6 / seconds >= 15
    assert peaks[1] - peaks[0] < 40


def bench_files(tmp_path, served, report):
    """
    A large file, from the site and from Python's plain server.
    """
    localsite.init(tmp_path / "site")
    folder = tmp_path / "site" / "SUM0" / "D1" / "S00000"
    folder.mkdir(parents=True)
    (folder / "large.bin").write_bytes(os.urandom(1 << 20) * (LARGE >> 20))
    url, _ = served(tmp_path / "site")

    def speed(address):
        began = time.perf_counter()
        with urllib.request.urlopen(address) as reply:
            while reply.read(1 << 20):
                pass
        return LARGE / 1e6 / (time.perf_counter() - began)

    words = [sys.executable, "-u", "-m", "http.server", "-b", "127.0.0.1", "-d", folder, "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as plain:
        try:
            address = re.search(r"http://[\d.:]+", plain.stdout.readline())[0]
            theirs = max(speed(f"{address}/large.bin") for _ in range(5))
        finally:
            plain.terminate()
    ours = max(speed(f"{url}/SUM0/D1/S00000/large.bin") for _ in range(5))
    report("a file of 400 MiB, beside http.server", ours, theirs, "MB/s")
    assert ours > theirs / 2
