"""
A site that is down, slow or something else: real sockets, one clear error each.
"""

import json
import re
import socket
import threading
import traceback
from contextlib import contextmanager

import pytest

from jsoc_fido import JSOCClient
from jsoc_fido.columns import Texts
from jsoc_fido.connection import Limits
from jsoc_fido.exceptions import NotRegisteredError, QueryError, ServerError, TransportError
from jsoc_fido.site import Site, _site_at, site


@contextmanager
def answering(*replies: bytes):
    """
    A server that answers each connection with the next of some bytes, the last one for ever, and closes.
    """
    # Another server may have had this address.
    _site_at.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def serve():
            remaining = list(replies)
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536).decode("latin1"))
                    connection.sendall(remaining.pop(0) if len(remaining) > 1 else remaining[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TransportError, match=re.escape(f"{url} could not be reached")):
        site(url).definition("hmi.m_45s")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (http(b"<html><body>We are down.</body></html>"), r"no JSON \(<html><body>We are down"),
        (http(b""), "answered nothing"),
        (http(b'{"status":0,"keyw'), "no JSON"),
        (http(b"[1, 2]"), "no DRMS reply"),
        (http(b"gone", "404 Not Found"), "HTTP 404"),
        (http(b'{"status":0}')[:60], "could not be reached"),
        (b"", "could not be reached"),
    ],
    ids=["HTML", "empty", "cut JSON", "list", "404", "cut", "closed"],
)
def test_no_answer_is_one_clear_line(reply, message):
    with answering(reply) as (url, _), pytest.raises(TransportError, match=message) as caught:
        JSOCClient(url).info("hmi.m_45s")
    assert "\n" not in str(caught.value)


def test_many_records_are_held_compactly():
    count = 2000
    numbers, words = list(range(count)), [f"Å{number}" for number in range(count)]
    values = {"*recnum*": numbers, "K": words, "C": ["same"] * count, "N": [None, *words[1:]]}
    keywords = [{"name": name, "values": column} for name, column in values.items()]
    reply = json.dumps({"keywords": keywords, "count": count, "status": 0}, ensure_ascii=False)
    with answering(http(reply.encode("latin1"))) as (url, _):
        answer = site(url).records("x.y[]", keys=("**ALL**",), segments=())
    assert {item["name"]: list(item["values"]) for item in answer["keywords"]} == values
    assert [isinstance(item["values"], Texts) for item in answer["keywords"]] == [False, True, True, False]


def test_tries_again_when_the_site_stumbles():
    good = http(b'{"status": 0, "primekeys": ["T_REC"], "keywords": [], "segments": [], "links": []}')
    with answering(http(b"later", "503 Service Unavailable", Retry_After="0"), good) as (url, asked):
        assert site(url).definition("x.y").prime_keys == ("T_REC",)
        assert len(asked) == 2


def test_gives_up_when_the_site_stays_down():
    with answering(http(b"later", "503 Service Unavailable", Retry_After="0")) as (url, asked):
        with pytest.raises(TransportError, match="HTTP 503"):
            site(url).definition("x.y")
        assert 2 <= len(asked) <= 6


def test_no_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = site(f"http://127.0.0.1:{silent.getsockname()[1]}")
        impatient = Site(where.server, Limits())
        impatient.connection.timeout = 0.05
        with pytest.raises(TransportError, match="no answer in time"):
            impatient.definition("x.y")


def test_an_address_never_reaches_the_log_or_an_error(caplog):
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="jsoc_fido")
    with answering(http(b"<html>")) as (url, asked):
        with pytest.raises(TransportError) as caught:
            site(url).check_registered("solar@example.com")
        assert "solar" in asked[0]
    assert {record.name for record in caplog.records} >= {"jsoc_fido.connection", "urllib3.connectionpool"}
    assert "example.com" not in caplog.text + str(caught.value)


def test_an_address_is_neither_in_a_retry_nor_in_a_traceback(caplog):
    address = "moc.elpmaxe@ralos"[::-1]  # backwards, because tracebacks quote the source
    caplog.set_level("DEBUG")
    with answering(http(b"later", "503 Service Unavailable", Retry_After="0")) as (url, asked):
        with pytest.raises(TransportError) as caught:
            site(url).check_registered(address)
        assert len(asked) > 1
    with pytest.raises(TransportError) as gone:
        site(url).check_registered(address)
    told = "".join(traceback.format_exception(caught.value) + traceback.format_exception(gone.value))
    assert "example.com" not in caplog.text + told
    assert "Retrying" not in caplog.text


def test_definitions_of_sites_on_one_host_are_kept_apart():
    places = {
        site(f"http://archive.example{rest}")._stored_definition("hmi.v_45s")
        for rest in ("", ":8080", ":8080/test", "/test")
    }
    assert len(places) == 4


def test_user_agent_names_the_project():
    with answering(http(b'{"status": 1}')) as (url, asked):
        with pytest.raises(QueryError):
            site(url).definition("x.y")
        assert "user-agent: jsoc_fido/" in asked[0].lower()


@pytest.mark.parametrize("where", ["nowhere", "http://", "http://host:port", "http://user@host", "http://host/?x=1"])
def test_no_such_site(where):
    with pytest.raises(QueryError, match=r"where|URL"):
        site(where)


def test_known_sites():
    assert site("jsoc") is site("JSOC")
    assert site("jsoc").limits.connections == 1
    assert site("http://127.0.0.1:1/") is site("http://127.0.0.1:1")
    assert site("kis").server.check_supported("query")
    with pytest.raises(NotRegisteredError, match="KIS stages nothing"):
        site("kis").check_registered("solar@example.com")


def test_unknown_series_names_what_would_work(local_site):
    with pytest.raises(QueryError, match=r"'hmi.nosuch' is not known to .*client.series\('hmi.'\)"):
        site(local_site.url).definition("hmi.nosuch")


def test_a_refused_record_set_is_the_sites_own_words(local_site):
    with pytest.raises(ServerError, match="refused"):
        site(local_site.url).records("hmi.v_45s[nonsense", keys=("T_REC",), segments=())


def test_long_questions_go_as_post(local_site):
    where = site(local_site.url)
    listed = ",".join(f"#{number}" for number in range(1, 600))
    reply = where.records(f"hmi.v_45s[:{listed}]", keys=("T_REC",), segments=())
    assert reply["count"] == 162
    assert any(method == "POST" for method, _ in local_site.requests)


def test_definitions_are_kept_on_disk_for_far_sites(tmp_path, monkeypatch):
    good = http(b'{"status": 0, "primekeys": ["T_REC"], "keywords": [], "segments": [], "links": []}')
    with answering(good) as (url, asked):
        near = site(url)
        far = Site(near.server, Limits())
        monkeypatch.setattr(Site, "_stored_definition", lambda self, key: tmp_path / "cache" / f"{key}.json")
        assert far.definition("x.y").prime_keys == ("T_REC",)
        again = Site(near.server, Limits())
        assert again.definition("X.Y").prime_keys == ("T_REC",)
        assert len(asked) == 1
