"""
``exp_su`` (contract B.18), and the other ways to ask ``jsoc_fetch`` that no client of the peers uses.
"""

import shutil

import pytest
import requests
from asking import ADA, finished, status

from jsoc_fido.localsite import storageunits
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.limits import Limits
from jsoc_fido.localsite.pending import CANCELLED, manage_request

QUICK = {"op": "exp_su", "method": "url_quick", "protocol": "as-is"}


@pytest.fixture
def site(empty, make):
    make.add_magnetograms(empty, count=4)
    return empty


@pytest.fixture
def sleeping(site):
    """
    An exporter that takes requests and does not carry them out yet.
    """
    return Exporter(site, register=[ADA], staging_time=0.01)


@pytest.fixture
def exporter(sleeping):
    sleeping.start()
    yield sleeping
    sleeping.stop()


def unit(site, number, state="Y"):
    files = [path for path in (site.directory / "SUM0" / f"D{number}").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return {
        "sunum": str(number),
        "series": "hmi.M_45s",
        "path": f"/SUM0/D{number}",
        "sustatus": state,
        "susize": str(size),
    }


def test_units_at_once(sleeping, site):
    [record] = {slot.parent.name for slot in site.directory.glob("SUM0/D1/*")}
    assert record == "D1"
    reply = sleeping.answer({**QUICK, "sunum": "1"})
    assert reply == {
        "count": 1,
        "size": int(unit(site, 1)["susize"]),
        "dir": "",
        "data": [unit(site, 1)],
        "requestid": "",
        "method": "url_quick",
        "protocol": "as-is",
        "wait": 0,
        "status": 0,
    }
    assert reply["size"] > 0
    assert sleeping.answer({**QUICK, "ds": "1"}) == reply


def test_units_as_an_object(sleeping, site):
    site.set_online("hmi.m_45s", [1], online=False)
    reply = sleeping.answer({**QUICK, "sunum": "1,77", "formatvar": "dataobj", "requestid": "NOASYNCREQUEST"})
    assert reply["data"] == {
        "1": unit(site, 1, "N"),
        "77": {"sunum": "77", "series": "NA", "path": "NA", "sustatus": "I", "susize": "0"},
    }
    assert reply["status"] == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"sunum": "77", "requestid": "NOASYNCREQUEST"}, "User denies required full export"),
        ({"sunum": "1", "method": "url", "requestid": "NOASYNCREQUEST"}, "User denies required full export"),
        ({"sunum": "one"}, "is no list of storage units"),
        ({"sunum": ""}, "names no storage units"),
        ({"sunum": "-1"}, "names no storage units"),
        ({"sunum": "9" * 30}, "names no storage units"),
        ({"sunum": ",".join(["1"] * 20_000)}, "at most"),
    ],
)
def test_refused_units(sleeping, query, words):
    reply = sleeping.answer(QUICK | query)
    assert reply["status"] == 4
    assert words in reply["error"]


def test_units_that_wait_their_turn(exporter, site):
    reply = exporter.answer({**QUICK, "sunum": "1,77"})
    assert (reply["status"], reply["protocol"], reply["rcount"]) == (2, "su-as-is", 2)
    assert reply["requestid"].endswith("_SU")
    done = finished(exporter, reply)
    assert list(done)[:4] == ["version", "requestid", "method", "protocol"]
    assert done["data"] == [unit(site, 1), {**unit(site, 77, "I"), "series": "NA", "path": "NA"}]
    assert all(isinstance(value, str) for name, value in done.items() if name != "data")


def test_lists_are_uploaded(server):
    """
    Contract A.2: one set in a line, lines with # left out. B.13: ``format=txt``.
    """
    url = f"{server.url}/cgi-bin/ajax/jsoc_fetch"
    asked = {
        "op": "exp_request", "ds": "*file*", "notify": ADA, "method": "url_quick", "protocol": "as-is", "format": "txt",
    }  # fmt: skip
    sets = b"# two of them\nhmi.m_45s[:#1]\n\r\n hmi.m_45s[:#3]{magnetogram}\r\n"
    reply = requests.post(url, data=asked, files={"file": ("list.txt", sets)})
    assert reply.headers["content-type"].startswith("text/plain")
    head, data = reply.text.split("# DATA\n")
    assert dict(line.split("=") for line in head.splitlines()) == {
        "rcount": "2", "count": "2", "size": "1", "dir": "", "requestid": "", "method": "url_quick",
        "protocol": "as-is", "wait": "0", "status": "0",
    }  # fmt: skip
    records = [line.split("\t") for line in data.splitlines()]
    assert [record for record, _ in records] == [
        "hmi.M_45s[2014.01.01_00:00:45_TAI][2]{magnetogram}",
        "hmi.M_45s[2014.01.01_00:02:15_TAI][2]{magnetogram}",
    ]
    assert all(path.startswith("/SUM0/") for _, path in records)
    for content in (b"", b"# nothing\n", b"hmi.m_45s[:#1]\n" * 600):
        wrong = requests.post(url, data={**asked, "format": "json"}, files={"file": ("list.txt", content)}).json()
        assert wrong["status"] == 4
        assert "upload" in wrong["error"]
    assert requests.post(url, data={**asked, "op": "nonsense"}).text.startswith("status=4\nerror=")


def test_a_test_is_told_as_one(exporter):
    """
    Contract B.9, B.16: ``t=1`` gives status 12 instead of 2.
    """
    asked = {"op": "exp_request", "ds": "hmi.m_45s[:#1]", "notify": ADA, "t": "1", "protocol": "fits"}
    reply = exporter.answer(asked)
    assert reply["status"] == 12
    assert finished(exporter, reply)["status"] == "0"


def test_what_is_on_disk_if_others_are_not(exporter, site, make):
    """
    Contract B.9: ``o=0`` asks for what there is.
    """
    make.add_magnetograms(site, make.START + 45000, count=1)
    site.set_online("hmi.m_45s", [1], online=False)
    asked = {"op": "exp_request", "ds": "hmi.m_45s[:#1,#5]", "notify": ADA, "protocol": "as-is", "q": "1"}
    assert exporter.answer(asked)["status"] == 25
    done = finished(exporter, exporter.answer({**asked, "o": "0"}))
    assert [row["filename"] == "NoDataFile" for row in done["data"]] == [True, False]


def test_pending_requests(sleeping, site):
    """
    Contract B.8: looked up and taken back by address.
    """

    def manage(operation, address=ADA):
        reply = manage_request(site, sleeping.addresses, {"operation": operation, "address": address})
        assert list(reply) == ["status", "msg"]
        return reply["status"]

    assert (manage("check"), manage("cancel")) == ("1", "1")
    asked = {"op": "exp_request", "ds": "hmi.m_45s[:#1]", "notify": ADA, "protocol": "fits"}
    requestid = sleeping.answer(asked)["requestid"]
    assert manage("check", "Ada%40Example.org") == "2"
    assert manage("check", "eve@example.org") == "0"
    assert manage("cancel") == "3"
    assert manage("check") == "1"
    told = status(sleeping, requestid)
    assert (told["status"], told["error"]) == (4, CANCELLED)
    # Neither is it carried out, nor given to the next one who asks for the same.
    sleeping.start()
    try:
        again = sleeping.answer(asked)
        assert again["requestid"] != requestid
        assert finished(sleeping, again)["status"] == "0"
        assert status(sleeping, requestid)["status"] == 4
    finally:
        sleeping.stop()


@pytest.mark.parametrize(
    "query", [{}, {"operation": "check"}, {"operation": "check", "address": "ada"}, {"operation": "x", "address": ADA}]
)
def test_wrong_arguments(server, query):
    reply = requests.get(f"{server.url}/cgi-bin/ajax/manage-request", params=query).json()
    assert int(reply["status"]) < 0
    assert reply["msg"]


def test_quick_answers_need_all_files_on_disk(exporter, site, make):
    """
    Contract B.10: otherwise, the request waits like others.
    """
    make.add_magnetograms(site, make.START + 45000, count=1)
    site.set_online("hmi.m_45s", [1], online=False)
    asked = {"op": "exp_request", "ds": "hmi.m_45s[:#1,#5]", "notify": ADA, "method": "url_quick", "q": "1", "o": "0"}
    done = finished(exporter, exporter.answer(asked))
    assert [row["filename"] == "NoDataFile" for row in done["data"]] == [True, False]


def test_units_that_are_gone_for_good(sleeping, site):
    """
    Contract B.18: what is neither on disk nor on tape will not come by waiting.
    """
    shutil.rmtree(site.directory / "SUM0" / "D1")
    reply = sleeping.answer({**QUICK, "sunum": "1", "protocol": "su"})
    assert reply["data"] == [{**unit(site, 1, "X"), "susize": "0"}]
    assert (reply["status"], reply["protocol"]) == (0, "su")


def test_units_of_a_test_are_told_as_one(exporter):
    reply = exporter.answer({**QUICK, "method": "url", "sunum": "1", "t": "1"})
    assert reply["status"] == 12
    assert finished(exporter, reply)["status"] == "0"


def test_the_same_unit_is_looked_at_once(sleeping, site, monkeypatch):
    looked = []
    monkeypatch.setattr(storageunits, "_bytes", lambda directory: looked.append(directory) or 7)
    reply = sleeping.answer({**QUICK, "sunum": ",".join(["1"] * 1000)})
    assert (reply["count"], reply["size"], len(looked)) == (1000, 7000, 1)


def test_units_wait_whoever_else_does(site):
    """
    Contract B.12, B.18: limits of pending requests are those of ``exp_request``.
    """
    sleeping = Exporter(site, limits=Limits.jsoc(pending_host=1))
    for _ in range(2):
        assert sleeping.answer({**QUICK, "method": "url", "sunum": "1"}, "192.0.2.1")["status"] == 2


def test_what_is_said_of_an_upload_is_shown_in_a_frame(server):
    """
    Contract B.0: as HTML, and none comes out of what was sent.
    """
    url = f"{server.url}/cgi-bin/ajax/jsoc_fetch"
    asked = {"op": "exp_request", "ds": "*file*", "notify": ADA, "method": "url_quick", "protocol": "as-is"}
    reply = requests.post(url, data=asked, files={"file": ("list.txt", b"<script>alert(1)</script>&\n")})
    assert reply.headers["content-type"].startswith("text/html")
    assert not set("<>&") & set(reply.text)
    assert "<script>" in reply.json()["error"]
    reply = requests.post(url, data=asked, files={"file": ("list.txt", b"hmi.m_45s[:#1]\n")})
    assert reply.json()["count"] == 1


def test_what_is_cancelled_at_the_last_moment_is_not_finished(sleeping, site, monkeypatch):
    asked = {"op": "exp_request", "ds": "hmi.m_45s[:#1]", "notify": ADA, "protocol": "fits"}
    requestid = sleeping.answer(asked)["requestid"]
    writing = site.writing

    def cancelled_before():
        monkeypatch.setattr(site, "writing", writing)
        told = manage_request(site, sleeping.addresses, {"operation": "cancel", "address": ADA})
        assert told["status"] == "3"
        return writing()

    monkeypatch.setattr(site, "writing", cancelled_before)
    sleeping._workers._carry_out(requestid)
    told = status(sleeping, requestid)
    assert (told["status"], told["error"]) == (4, CANCELLED)
