"""
Replies that JSOC really gave, played back on a real socket: each goes through the client and means what it says.
"""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from test_response import check_column
from test_site import answering, http

from jsoc_fido.exceptions import JSOCError, NotRegisteredError, QueryError
from jsoc_fido.query import Question
from jsoc_fido.response import JSOCResponse
from jsoc_fido.site import site


@pytest.fixture(scope="session")
def recorded(realdata):
    """
    The recorded requests: what was asked (decoded query) and the bytes that came.
    """
    folder = realdata / "jsoc_replies"
    requests = json.loads((folder / "requests.json").read_text("utf-8"))
    return [
        (
            urlsplit(item["url_decoded"]),
            dict(parse_qsl(urlsplit(item["url_decoded"]).query)),
            (folder / item["file"]).read_bytes(),
        )
        for item in requests
        if (folder / item["file"]).exists()
    ]


def distinct(recorded, ending, **query):
    found = {
        body: (url, asked)
        for url, asked, body in recorded
        if url.path.endswith(ending) and query.items() <= asked.items()
    }
    assert found
    return [(*key, body) for body, key in found.items()]


def test_definitions(recorded):
    for _, asked, body in distinct(recorded, "jsoc_info", op="series_struct"):
        reply = json.loads(body.decode("latin1"))
        with answering(http(body)) as (url, _):
            if reply["status"]:
                with pytest.raises(QueryError, match=f"{asked['ds']!r} is not known"):
                    site(url).definition(asked["ds"])
                continue
            series = site(url).definition(asked["ds"])
        assert list(series.prime_keys) == reply["primekeys"]
        assert list(series.keywords) == list(dict.fromkeys(item["name"] for item in reply["keywords"]))
        assert list(series.segments) == [item["name"] for item in reply["segments"]]
        slotted = {item["name"]: float(item["step"]) for item in reply["primekeysinfo"] if item["slotted"]}
        assert {key.name: key.slot.step for key in series.prime_key_types if key.slot} == pytest.approx(slotted)


def test_records(recorded):
    structs = {
        asked["ds"].lower(): body
        for _, asked, body in distinct(recorded, "jsoc_info", op="series_struct")
        if b"primekeys" in body
    }
    for _, asked, body in distinct(recorded, "jsoc_info", op="rs_list"):
        reply = json.loads(body.decode("latin1"))
        name = asked["ds"].partition("[")[0].lower()
        with answering(http(structs[name]), http(body)) as (url, _):
            series = site(url).definition(name)
            answer = site(url).records(asked["ds"], keys=(asked["key"],), segments=())
        question = Question(record_set=asked["ds"], site=url, series=series.name, count=reply["count"])
        table = JSOCResponse.from_reply(answer, series, question)
        assert len(table) == reply["count"]
        for item in reply.get("keywords", ()):
            check_column(table[item["name"]], item["values"], series.keyword(item["name"]))


def test_addresses(recorded):
    for _, _, body in distinct(recorded, "checkAddress.sh"):
        reply = json.loads(body)
        with answering(http(body)) as (url, asked):
            if reply["status"] == 2:
                site(url).check_registered("solar@example.com")
                site(url).check_registered("solar@example.com")
                assert len(asked) == 1
            else:
                with pytest.raises(NotRegisteredError, match=reply["msg"]):
                    site(url).check_registered("solar@example.com")


def test_export_replies(realdata):
    from jsoc_fido.exports import Order, submit

    good = b'{"status": 0, "primekeys": ["T_REC"], "keywords": [], "segments": [], "links": []}'
    known = b'{"user_id": 1, "status": 2, "msg": "Email address is valid and registered."}'
    replies = json.loads((realdata / "jsoc_replies" / "observed_export_replies.json").read_text("utf-8"))
    seen = 0
    for item in replies:
        reply = item.get("reply")
        if not reply or "exp_request" not in item["call"]:
            continue
        seen += 1
        with answering(http(known), http(good), http(json.dumps(reply).encode())) as (url, _):
            order = Order("x.y[$]", url, "x.y", "url", "fits", "solar@example.com")
            if reply["status"] == 2:
                request = submit(order)
                assert (request.id, request.status) == (reply["requestid"], 2)
            else:
                with pytest.raises(JSOCError, match=reply["error"]):
                    submit(order)
    assert seen >= 3
