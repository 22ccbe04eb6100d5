import json
import logging
import uuid

import pytest
import requests

AJAX = "cgi-bin/ajax"


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


def path_of(server, session):
    reply = session.get(
        f"{server.url}/{AJAX}/jsoc_info", params={"op": "rs_list", "ds": "hmi.m_45s[^]", "seg": "magnetogram"}
    )
    return reply.json()["segments"][0]["values"][0]


def test_replies_are_ascii_json(server, session):
    reply = session.get(f"{server.url}/{AJAX}/jsoc_info", params={"op": "series_struct", "ds": "hmi.m_45s"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.content.isascii()
    assert reply.json()["status"] == 0


@pytest.mark.parametrize(
    ("program", "parameters", "words"),
    [
        ("jsoc_info", {"op": "series_struct", "ds": "bob"}, "series not found"),
        ("jsoc_info", {"op": "series_struct", "ds": ""}, ""),
        ("jsoc_info", {"op": "rs_list", "ds": "bob.bob", "key": "T_REC"}, "series not found"),
        ("jsoc_info", {"op": "rs_list", "ds": "hmi.m_45s[", "key": "T_REC"}, ""),
        ("jsoc_info", {"op": "rs_list", "ds": "hmi.m_45s\nx", "key": "T_REC"}, ""),
        ("jsoc_info", {"op": "rs_list", "ds": "@/etc/passwd", "key": "T_REC"}, ""),
        ("jsoc_info", {"op": "rs_summary", "ds": "hmi.m_45s", "n": "many"}, "Bad QUERY_STRING"),
        ("jsoc_info", {"op": "nonsense", "ds": "hmi.m_45s"}, "'nonsense' is no operation"),
        ("jsoc_info", {}, "is no operation"),
    ],
)
def test_errors_are_replies(server, session, program, parameters, words):
    reply = session.get(f"{server.url}/{AJAX}/{program}", params=parameters)
    assert reply.status_code == 200
    assert reply.json()["status"] == 1
    assert words in reply.json()["error"]
    assert "\n" not in reply.json()["error"]


@pytest.mark.parametrize("how", ["get", "urlencoded", "multipart"])
def test_all_ways_to_ask(server, session, how):
    url = f"{server.url}/{AJAX}/jsoc_info"
    parameters = {"op": "rs_summary", "ds": "hmi.m_45s[2014.01.01_00:00:45_TAI/3m][? QUALITY=1 ?]", "unknown": "x"}
    if how == "get":
        reply = session.get(url, params=parameters)
    elif how == "urlencoded":
        reply = session.post(url, data=parameters)
    else:
        reply = session.post(url, files={name: (None, value) for name, value in parameters.items()})
    assert reply.json()["count"] == 2


def test_show_series_takes_all_behind_the_equals_sign(server, session):
    def names(query):
        reply = session.get(f"{server.url}/{AJAX}/show_series{query}")
        return [item["name"] for item in reply.json()["names"]]

    assert names("") == ["hmi.M_45s", "test.Harp_720s", "test.linked"]
    assert names("?filter=hmi%5C.") == ["hmi.M_45s"]
    assert names("?filter=t+est") == names("?filter=t%2Best") == ["test.Harp_720s", "test.linked"]
    assert names("?filter=NOT%20hmi") == ["test.Harp_720s", "test.linked"]
    assert names("?filter=%5B%5B%3Adigit%3A%5D%5Ds%24") == ["hmi.M_45s", "test.Harp_720s"]


@pytest.mark.parametrize("query", ["filter=hmi%5C.&v=1", "v=1&filter=hmi%5C."])
def test_show_series_verbose(server, session, query):
    reply = session.get(f"{server.url}/{AJAX}/show_series?{query}").json()
    assert [(item["name"], item["owner"]) for item in reply["names"]] == [("hmi.M_45s", "site")]
    assert "owner" not in session.get(f"{server.url}/{AJAX}/show_series?v=0&filter=hmi").json()["names"][0]


def test_showextseries(server, session):
    reply = session.get(
        f"{server.url}/{AJAX}/showextseries", params={"dbhost": "hmidb2", "filter": "harp", "info": "1"}
    )
    assert reply.json() == {"errMsg": "", "seriesList": [{"test.Harp_720s": {"description": "patches"}}]}


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("ada@example.org", 2),
        ("ada%40example.org", 2),
        ("ADA%2540example.org".replace("%25", "%"), 2),
        ("eve%40example.org", 4),
        ("", -2),
        ("nonsense", -2),
    ],
)
def test_check_address(server, session, address, status):
    reply = session.get(f"{server.url}/{AJAX}/checkAddress.sh", params={"address": address, "checkonly": "1"}).json()
    assert reply["status"] == status
    assert set(reply) == {"status", "msg", "user_id"}


def test_registration_begins_and_is_pending(server, session):
    """
    Contract B.7: without ``checkonly``, statuses 1 and 3.
    """
    address = f"{uuid.uuid4().hex}@example.org"  # the site remembers it

    def ask(**parameters):
        reply = session.get(f"{server.url}/{AJAX}/checkAddress.sh", params={"address": address, **parameters}).json()
        return reply["status"], reply["user_id"]

    assert ask(checkonly="1") == (4, -1)
    assert ask(name="Bea") == (1, -1)
    assert ask() == ask(checkonly="1") == (3, -1)
    wanted = {"op": "exp_request", "ds": "hmi.m_45s[^]", "notify": address}
    refused = session.get(f"{server.url}/{AJAX}/jsoc_fetch", params=wanted).json()
    assert refused["status"] == 4
    assert refused["error"].endswith("Email-address registration is pending. Please wait and try again later.")


def test_check_address_says_what_jsoc_says(server, session, replies):
    def ask(address):
        return session.get(f"{server.url}/{AJAX}/checkAddress.sh", params={"address": address, "checkonly": "1"}).json()

    assert ask("") == replies("checkAddress__missing_address")
    real, ours = replies("checkAddress__registered"), ask("ada@example.org")
    assert list(ours) == list(real)
    assert {**ours, "user_id": 0} == {**real, "user_id": 0}


def test_files(server, session, small_directory):
    path = path_of(server, session)
    stored = (small_directory / path.lstrip("/")).read_bytes()
    whole = session.get(server.url + path)
    assert whole.content == stored
    assert whole.headers["accept-ranges"] == "bytes"
    head = session.head(server.url + path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(stored)))
    part = session.get(server.url + path, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, stored[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(stored)}"
    end = session.get(server.url + path, headers={"Range": "bytes=-10"})
    assert end.content == stored[-10:]
    assert session.get(server.url + path, headers={"Range": f"bytes={len(stored)}-"}).status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/site.sqlite",
        "/SUM0/../site.sqlite",
        "/SUM0/%2e%2e/site.sqlite",
        "/SUM0/..%2fsite.sqlite",
        "/SUM0//etc/passwd",
        "/SUM0/%2fetc%2fpasswd",
        "/SUM0/D1/S00000/nothing.fits",
        "/SUM0/D1/S00000",
        "/SUM0/",
        "/SUM0/%00",
        "/SUM0",
        "/SUM1/D1",
        "/page/",
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/redoc.standalone.js",
        "/redoc",
        f"/{AJAX}/nonsense",
    ],
)
def test_nothing_else_is_served(server, session, path):
    request = requests.Request("GET", server.url).prepare()
    request.url = server.url + path  # as it is: requests would tidy the dots away
    assert session.send(request).status_code == 404


def test_links_out_of_the_storage_are_not_followed(server, session, small_directory):
    link = small_directory / "SUM0" / "out"
    link.symlink_to("/etc")
    try:
        assert session.get(f"{server.url}/SUM0/out/hostname").status_code == 404
    finally:
        link.unlink()


def test_what_cannot_be_read_is_an_error_of_the_program(server, session):
    def send(program, body, kind):
        reply = session.post(f"{server.url}/{AJAX}/{program}", data=body, headers={"Content-Type": kind})
        assert reply.status_code == 200
        return reply.json()

    broken = (b"--x--x--x", "multipart/form-data")
    assert send("jsoc_info", *broken)["status"] == 1
    # Status 1 would say that the request is worked on (contract B.16).
    assert send("jsoc_fetch", *broken)["status"] == 4
    assert send("checkAddress.sh", *broken)["status"] == -1
    assert send("manage-request", *broken)["status"] == "-1"
    assert send("show_series", *broken)["errmsg"].startswith("Bad QUERY_STRING")
    assert send("showextseries", *broken)["seriesList"] == []
    long = (b"&".join(b"%d=%s" % (number, b"x" * 900_000) for number in range(3)), "application/x-www-form-urlencoded")
    assert "bytes were sent" in send("jsoc_fetch", *long)["error"]


def test_what_fails_in_the_site_is_an_error_of_the_program(server, session, monkeypatch, caplog):
    def fail(*_):
        raise ArithmeticError("of the site")

    monkeypatch.setattr("jsoc_fido.localsite.inquiry.answer", fail)
    monkeypatch.setattr("jsoc_fido.localsite.info.showextseries", lambda *_, **__: {"n": object()})
    for program, told in (("jsoc_info", "error"), ("showextseries", "errMsg")):
        reply = session.get(f"{server.url}/{AJAX}/{program}", params={"op": "rs_list", "ds": "hmi.m_45s"})
        assert reply.status_code == 200
        assert reply.json()[told] == "this site has failed to answer; its log says why"
    assert "ArithmeticError: of the site" in caplog.text


def test_what_is_counted_is_no_text_of_the_user(server, session):
    server.requests.clear()
    for program in ("jsoc_info", "jsoc_fetch"):
        session.get(f"{server.url}/{AJAX}/{program}", params={"op": "ada@example.org"})
    assert server.requests == [("GET", "jsoc_info"), ("GET", "jsoc_fetch")]


def test_other_methods_are_refused(server, session):
    assert session.put(f"{server.url}/{AJAX}/jsoc_info").status_code == 405
    assert session.delete(server.url + path_of(server, session)).status_code == 405


def test_logs_name_nobody(server, session, caplog):
    with caplog.at_level(logging.DEBUG, logger="jsoc_fido"):
        session.get(f"{server.url}/{AJAX}/checkAddress.sh", params={"address": "mallory@example.org"})
        parameters = {"op": "exp_request", "ds": "hmi.m_45s[^]", "notify": "ada@example.org", "protocol": "fits"}
        session.get(f"{server.url}/{AJAX}/jsoc_fetch", params=parameters)
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("jsoc_fido", "uvicorn", "sqlalchemy"))
    ]
    assert ours
    assert not any("example.org" in line for line in ours)
    assert "example.org" not in json.dumps(server.requests)
