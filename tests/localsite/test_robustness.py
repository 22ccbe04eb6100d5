"""
What happens when a site is killed, has no room any more, is asked for a lot, or for nonsense.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
import sqlalchemy as sa
from asking import ADA, ended, finished, status
from astropy.io import fits

from jsoc_fido import localsite
from jsoc_fido.localsite import schema
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord
from jsoc_fido.localsite.exporter import Exporter

RECORDS = 40

#: Seconds after which a process is killed, of about half a second that its work takes.
MOMENTS = (0.01, 0.05, 0.15)

#: Asks for an export, carries it out, and what was left before.
EXPORTING = """
import sys, time
from pathlib import Path
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.exporter import Exporter
with Catalogue.open(Path(sys.argv[1])) as catalogue:
    exporter = Exporter(catalogue, staging_time=0)
    exporter.start()
    wanted = {"op": "exp_request", "ds": "hmi.m_45s", "notify": "ada@example.org", "protocol": "fits", "q": "1"}
    reply = exporter.answer(wanted | {"filenamefmt": "export" + sys.argv[2] + ".{recnum:%d}.{segment}"})
    print(reply["requestid"], flush=True)
    time.sleep(60)
"""

INGESTING = """
import sys
from pathlib import Path
from jsoc_fido import localsite
print("begun", flush=True)
localsite.ingest(sys.argv[1], sorted(Path(sys.argv[2]).glob("*.fits")))
"""

CRAMPED = """
import json, resource, sys, time
from pathlib import Path
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.exporter import Exporter
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
with Catalogue.open(Path(sys.argv[1])) as catalogue:
    exporter = Exporter(catalogue, staging_time=0)
    exporter.start()
    for ds in ("hmi.m_45s[$]", "hmi.m_45s[^]"):
        reply = exporter.answer({"op": "exp_request", "ds": ds, "notify": "ada@example.org", "protocol": "fits"})
        while int(reply["status"]) in (1, 2):
            time.sleep(0.01)
            reply = exporter.answer({"op": "exp_status", "requestid": reply["requestid"]})
        print(json.dumps(reply))
    exporter.stop()
"""


@pytest.fixture
def site(empty, make):
    make.add_magnetograms(empty, count=RECORDS)
    return empty


def run_and_kill(code, *arguments, after):
    """
    Run a program until some time after its first line, which is returned.
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline().strip()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return line


def check_database(catalogue):
    if catalogue.engine.dialect.name == "sqlite":
        with catalogue.engine.connect() as connection:
            assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"


def exported(catalogue):
    """
    Folders of the storage units with exports.
    """
    with catalogue.engine.connect() as connection:
        units = schema.units
        sunums = connection.scalars(sa.select(units.c.sunum).where(units.c.series == "jsoc.export")).all()
    return [folder for sunum in sunums if (folder := catalogue.slot_directory(sunum)).parent.exists()]


def test_killed_while_exporting(site, make):
    exporter = Exporter(site, staging_time=0)
    exporter.start()
    first = exporter.answer({"op": "exp_request", "ds": "hmi.m_45s[:#1]", "notify": ADA, "protocol": "fits"})
    before = finished(exporter, first)
    exporter.stop()
    requestids = []
    for number, moment in enumerate(MOMENTS):
        requestids.append(run_and_kill(EXPORTING, site.directory, number, after=moment))
        check_database(site)
        # Whatever is in the storage is complete, and what was finished is finished still.
        for folder in exported(site):
            names = [row["filename"] for row in json.loads((folder / "index.json").read_text())["data"]]
            assert {path.name for path in folder.iterdir()} == {"index.json", *names}
        assert status(exporter, first["requestid"]) == before
    exporter.start()
    try:
        for number, requestid in enumerate(requestids):
            done = ended(exporter, requestid)
            assert (done["status"], done["count"]) == ("0", str(RECORDS))
            folder = site.directory / done["dir"].lstrip("/")
            for record in range(RECORDS):
                with fits.open(folder / f"export{number}.{record + 1}.magnetogram.fits") as hdus:
                    assert np.array_equal(hdus[1].data, make.pixels_of(record))
    finally:
        exporter.stop()
    assert len(exported(site)) == 1 + len(MOMENTS)
    assert [path.name for path in (site.directory / "staging").iterdir()] == ["lock"]


def test_what_was_left_is_taken_up_once(site):
    wanted = {"op": "exp_request", "ds": "hmi.m_45s[:#1-#3]", "notify": ADA, "protocol": "fits"}
    requestid = Exporter(site).answer(wanted)["requestid"]
    first, second = (Exporter(site, staging_time=pause) for pause in (60, 0))
    first.start()
    try:
        # The first one has not begun yet, but it will.
        second.start()
        other = second.answer(wanted | {"filenamefmt": "{segment}.{recnum:%d}"})["requestid"]
        assert ended(second, other)["status"] == "0"
        assert status(second, requestid)["status"] == 1
        second.stop()
        first.stop()
        second.start()
        assert ended(second, requestid)["status"] == "0"
    finally:
        first.stop()
        second.stop()


def test_killed_while_ingesting(site, make, tmp_path, new_database):
    exporter = Exporter(site, staging_time=0)
    exporter.start()
    ordered = exporter.answer({"op": "exp_request", "ds": "hmi.m_45s", "notify": ADA, "protocol": "fits", "q": "1"})
    done = finished(exporter, ordered)
    exporter.stop()
    files = site.directory / done["dir"].lstrip("/")
    target = tmp_path / "target"
    with Catalogue.create(target, new_database()) as catalogue:
        make.add_harps(catalogue)
        for moment in MOMENTS[1:]:
            run_and_kill(INGESTING, target, files, after=moment)
            check_database(catalogue)
            names = catalogue.series_names()
            if "hmi.M_45s" in names:
                table = catalogue.holding("hmi.m_45s").table
                with catalogue.engine.connect() as connection:
                    assert connection.scalar(sa.select(sa.func.count()).select_from(table)) in {0, RECORDS}
        with localsite.running(target) as running:
            info = {"op": "rs_summary", "ds": "test.harp_720s"}
            assert requests.get(f"{running.url}/cgi-bin/ajax/jsoc_info", info, timeout=30).json()["count"] == 9
            # What an ingestion that was killed left behind is removed by another one, a day later.
            left = target / ".ingest-left"
            left.mkdir()
            os.utime(left, (0, 0))
            localsite.ingest(target, sorted(files.glob("*.fits")))
            assert not left.exists()
            listed = {"op": "rs_list", "ds": "hmi.m_45s[]", "seg": "magnetogram"}
            reply = requests.get(f"{running.url}/cgi-bin/ajax/jsoc_info", listed, timeout=30).json()
            assert reply["count"] == RECORDS
            for number, path in enumerate(reply["segments"][0]["values"]):
                with fits.open(target / path.lstrip("/")) as hdus:
                    assert np.array_equal(hdus[1].data, make.pixels_of(number))


@pytest.mark.skipif(sys.platform == "win32", reason="sizes of files cannot be limited here")
def test_no_room_for_an_export(site, make):
    [slot] = site.allocate("hmi.m_45s", 1)
    pixels = np.random.default_rng(1).integers(-(1 << 30), 1 << 30, (1500, 1500), dtype=np.int32)
    file = make.write_image(slot, "magnetogram.fits", pixels)
    keywords = {"T_REC": make.START + 45 * RECORDS, "CAMERA": 2, "QUALITY": 0}
    site.add_records("hmi.m_45s", [NewRecord(keywords, slot, {"magnetogram": file})])
    assert file.size > 8 << 20
    words = [sys.executable, "-c", CRAMPED, site.directory, 6 << 20]
    result = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, timeout=60)
    failed, done = map(json.loads, result.stdout.splitlines())
    assert (failed["status"], failed["rcount"]) == (4, 0)
    assert "File too large" in failed["error"]
    # Nothing of it is left, and there is room for smaller ones.
    assert (done["status"], done["count"]) == ("0", "1")
    assert [path.name for path in (site.directory / "staging").iterdir()] == ["lock"]
    assert len(exported(site)) == 1
    check_database(site)


def test_ten_thousand_exports_wait(site):
    rows = [
        {
            "requestid": f"JSOC_20140101_{number:05d}",
            "status": 2,
            "submitted": float(number),
            "hash": str(number),
            "requester": str(number % 100),
            "host": str(number % 7),
            "method": "url",
            "protocol": "fits",
            "filename_format": "{recnum}.{segment}",
            "series": "hmi.M_45s",
            "recnums": list(range(1, RECORDS)),
            "segments": ["magnetogram"],
            "megabytes": 1,
        }
        for number in range(10_000)
    ]
    with site.engine.begin() as connection:
        connection.execute(schema.requests.insert(), rows)
    with localsite.running(site.directory, staging_time=60, jsoc_limits=True) as running:
        url = f"{running.url}/cgi-bin/ajax/jsoc_fetch"

        def ask(**parameters):
            return requests.post(url, parameters, timeout=30).json()

        for number in range(0, 10_000, 500):
            assert ask(op="exp_status", requestid=f"JSOC_20140101_{number:05d}")["status"] == 1
        taken = ask(op="exp_request", ds="hmi.m_45s[:#1]", notify=ADA, protocol="fits")
        assert taken["status"] == 2
        assert ask(op="exp_status", requestid=taken["requestid"])["status"] == 1
        assert ask(op="exp_request", ds="hmi.m_45s[:#2]", notify=ADA, protocol="fits")["status"] == 7


LONG = (
    "hmi.m_45s["
    + ",".join(f"2014.01.01_00:{number // 60 % 60:02d}:{number % 60:02d}_TAI" for number in range(50_000))
    + "]"
)


@pytest.mark.parametrize(
    "body",
    [
        f"op=rs_list&key=T_REC&ds={LONG}",
        "op=rs_list&key=T_REC&ds=hmi.m_45s[? " + "QUALITY=0 OR " * 20_000 + "QUALITY=1 ?]",
        "op=rs_list&key=T_REC&ds=hmi.m_45s[? " + "(" * 20_000 + "QUALITY=1" + ")" * 20_000 + " ?]",
        "op=rs_list&key=T_REC&ds=hmi.m_45s[" + "9" * 10_000 + "]",
        "op=rs_list&key=T_REC&ds=hmi.m_45s[:#" + "9" * 1000 + "]",
        "op=rs_list&key=T_REC&ds=" + "[" * 100_000,
    ],
    ids=["times", "or", "parentheses", "digits", "recnum", "brackets"],
)
def test_oversized_record_sets_are_refused(server, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = requests.post(f"{server.url}/cgi-bin/ajax/jsoc_info", body, headers=headers, timeout=60)
    assert (reply.status_code, reply.json()["status"]) == (200, 1)
    assert reply.json()["error"]


def ask_raw(server, request):
    """
    Send bytes that no client would send, and read what comes.
    """
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(request)
        parts = b""
        while part := connection.recv(1 << 16):
            parts += part
    head, _, body = parts.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    "query",
    [
        b"op=rs_list&key=T_REC&ds=%zz",
        b"op=rs_list&key=T_REC&ds=hmi.m_45s%",
        b"op=rs_list&key=T_REC&ds=hmi.m_45s%5",
        b"op=rs_list&key=T_REC&ds=hmi.m_45s%5B%FF%FE%5D",
        b"op=rs_list&key=T_REC&ds=caf%E9",
        b"op=rs_list&key=T_REC&ds=hmi.m_45s%00",
        b"op=rs_list&key=T_REC&ds=hmi.m_45s[%3F INSTRUME='%00' %3F]".replace(b" ", b"+"),
        b"%",
        b"&&&===&",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_broken_encoding_is_an_error_object(server, query, method):
    path = b"/cgi-bin/ajax/jsoc_info"
    lines = [
        method + b" " + path + (b"?" + query if method == b"GET" else b"") + b" HTTP/1.1",
        b"Host: x",
        b"Connection: close",
    ]
    if method == b"POST":
        lines += [b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(query)]
    status, body = ask_raw(server, b"\r\n".join(lines) + b"\r\n\r\n" + (query if method == b"POST" else b""))
    assert status == 200
    assert json.loads(body)["status"] == 1


def test_latin_1_in_a_body_is_an_error_object(server):
    form = "op=rs_list&key=T_REC&ds=hmi.m_45s[? INSTRUME='caf\xe9' ?]".encode("latin-1")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = requests.post(f"{server.url}/cgi-bin/ajax/jsoc_info", form, headers=headers, timeout=30)
    assert reply.status_code == 200
    assert reply.json()["status"] == 1


def test_what_is_no_http_is_refused(server):
    status, _ = ask_raw(
        server, b"GET /cgi-bin/ajax/jsoc_info?ds=caf\xe9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert status == 400
