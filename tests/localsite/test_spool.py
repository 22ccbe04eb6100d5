import json

import pytest
import requests

from jsoc_fido import localsite
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import select, spool
from jsoc_fido.localsite.listing import rs_list
from jsoc_fido.localsite.spool import Reply, Spool

MEMBERS = {"key": "**ALL**,*recnum*,*size*", "seg": "**ALL**", "link": "**ALL**", "recinfo": True}


def reply_of(catalogue, ds, **parameters):
    reply = json.loads(bytes(rs_list(catalogue, ds, **MEMBERS | parameters)))
    del reply["runtime"]
    return reply


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
def test_texts_come_in_any_order(monkeypatch, in_memory):
    monkeypatch.setattr(spool, "IN_MEMORY", in_memory)
    monkeypatch.setattr(spool, "CHUNK", 10)
    store = Spool()
    pieces = [store.add(f"text {number};") for number in range(30)]
    reply = Reply(store, ["<", *reversed(pieces), ">"])
    with reply:
        chunks = list(reply)
    assert b"".join(chunks).decode() == "<" + "".join(f"text {number};" for number in reversed(range(30))) + ">"
    assert len(b"".join(chunks)) == reply.size
    assert all(len(chunk) < 10 + len("text 10;") for chunk in chunks)
    with pytest.raises(ValueError, match="closed"):
        list(reply)


@pytest.mark.parametrize("ds", ["hmi.m_45s", "test.harp_720s", "test.linked", "test.harp_720s[105]"])
@pytest.mark.parametrize("limit", [0, 5, -5])
def test_blocks_make_no_difference(small, monkeypatch, ds, limit):
    whole = reply_of(small, ds, limit=limit)
    monkeypatch.setattr(select, "BLOCK", 2)
    assert reply_of(small, ds, limit=limit) == whole


def test_values_that_repeat_print_as_each_of_them(small):
    listed = {"key": "CAMERA,QUALITY,INSTRUME,DATAMEAN,CRPIX1", "seg": "", "link": "", "recinfo": False}
    whole = reply_of(small, "hmi.m_45s", **listed)
    single = [reply_of(small, f"hmi.m_45s[:#{number}]", **listed) for number in range(1, 15)]
    for place, column in enumerate(whole["keywords"]):
        assert column["values"] == [reply["keywords"][place]["values"][0] for reply in single]


def test_second_sets_are_not_cut_to_the_length_of_the_first(small):
    reply = json.loads(bytes(rs_list(small, "hmi.m_45s[:#1],hmi.m_45s[:#3-#9]", key="*recnum*")))
    assert reply["keywords"][0]["values"] == [1, 3, 4, 5, 6, 7, 8, 9]


def test_long_replies_are_streamed_and_told_with_their_length(small_directory, monkeypatch):
    from jsoc_fido.localsite import app

    monkeypatch.setattr(app, "CHUNK", 100)
    monkeypatch.setattr(spool, "CHUNK", 100)
    with localsite.running(small_directory) as site:
        query = {"op": "rs_list", "ds": "hmi.m_45s", "key": "**ALL**"}
        reply = requests.get(f"{site.url}/cgi-bin/ajax/jsoc_info", query, timeout=30)
        assert reply.headers["content-type"] == "application/json"
        assert int(reply.headers["content-length"]) == len(reply.content)
        assert reply.json()["count"] == 14


def test_errors_come_instead_of_half_a_reply(small, monkeypatch):
    class Counted(Spool):
        closed = 0

        def close(self):
            super().close()
            Counted.closed += 1

    monkeypatch.setattr("jsoc_fido.localsite.listing.Spool", Counted)
    with pytest.raises(QueryError):
        rs_list(small, "hmi.m_45s[:#1],hmi.m_46s", key="T_REC")
    assert Counted.closed == 1
