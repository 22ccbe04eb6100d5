import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from jsoc_fido import localsite
from jsoc_fido.exceptions import DataError


def summary(url, ds="hmi.m_45s"):
    return requests.get(f"{url}/cgi-bin/ajax/jsoc_info", params={"op": "rs_summary", "ds": ds}, timeout=30).json()[
        "count"
    ]


def sites():
    """
    The threads in which sites run; one that other tests share may be among them.
    """
    return {thread for thread in threading.enumerate() if thread.name == "site"}


def test_it_runs_and_stops(small_directory):
    before = sites()
    with localsite.running(small_directory) as site:
        assert len(sites() - before) == 1
        assert site.url.startswith("http://127.0.0.1:")
        assert summary(site.url) == 14
        assert site.requests == [("GET", "rs_summary")]
        assert (site.count("rs_summary"), site.count("rs_list")) == (1, 0)
    with pytest.raises(requests.ConnectionError):
        summary(site.url)
    assert sites() == before


def test_requests_are_counted_by_what_they_ask(small_directory):
    with localsite.running(small_directory) as site:
        ajax = f"{site.url}/cgi-bin/ajax"
        requests.get(f"{ajax}/jsoc_info?op=series_struct&ds=hmi.m_45s", timeout=30)
        requests.post(f"{ajax}/jsoc_info", data={"op": "rs_list", "ds": "hmi.m_45s"}, timeout=30)
        requests.get(f"{ajax}/checkAddress.sh?address=a@b.org", timeout=30)
        requests.get(f"{ajax}/jsoc_fetch?op=exp_status&requestid=x", timeout=30)
        requests.get(f"{site.url}/SUM0/D1/S00000/magnetogram.fits", timeout=30)
        assert site.requests == [
            ("GET", "series_struct"),
            ("POST", "rs_list"),
            ("GET", "checkAddress"),
            ("GET", "exp_status"),
            ("GET", "file"),
        ]
        site.requests.clear()
        assert site.count("file") == 0


def test_a_port_in_use_is_named(small_directory):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(DataError, match=f"Cannot listen on 127.0.0.1 port {port}: Address already in use"),
            localsite.running(small_directory, port=port),
        ):
            pass


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_is_none_is_named(small_directory, port):
    with pytest.raises(DataError, match=f"{port} is no port"), localsite.running(small_directory, port=port):
        pass


def test_a_folder_that_is_no_site_is_named(tmp_path):
    with pytest.raises(DataError, match="is no site"), localsite.running(tmp_path):
        pass


def test_answers_may_be_slow(small_directory):
    with localsite.running(small_directory, delay=0.3) as site:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: summary(site.url), range(8))) == [14] * 8
        assert time.monotonic() - began >= 0.3


def test_many_at_once(small_directory):
    texts = [f"hmi.m_45s[:#1-#{number}]" for number in range(1, 13)] * 4
    with localsite.running(small_directory) as site, ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda text: summary(site.url, text), texts)) == list(range(1, 13)) * 4


def test_records_come_in_while_it_runs(empty, make):
    make.add_magnetograms(empty, count=1)
    with localsite.running(empty.directory) as site:
        assert summary(site.url) == 1
        make.add_magnetograms(empty, start=make.START + 4500, count=2)
        assert summary(site.url) == 3


def test_serve_tells_its_address_first(small_directory):
    code = f"from jsoc_fido import localsite; localsite.serve({str(small_directory)!r}, register=['ada@example.org'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert summary(url) == 14
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.parametrize("inherited", ["SIG_DFL", "SIG_IGN"])
def test_serve_ends_quietly_when_it_is_interrupted(small_directory, inherited):
    # A shell without job control lets what it starts in the background ignore the signal.
    code = (
        f"import signal; signal.signal(signal.SIGINT, signal.{inherited})\n"
        f"from jsoc_fido import localsite; localsite.serve({str(small_directory)!r})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors
