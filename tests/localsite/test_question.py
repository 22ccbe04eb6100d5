"""
However a question is put, it costs no more than so much, and whoever asks for more is told so.
"""

import json

import pytest
import requests
from asking import ADA

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import inquiry, question, select
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.question import MOST_COLUMNS, MOST_SETS

SETS = ",".join(["hmi.m_45s[^]"] * (MOST_SETS + 1))


def asked(catalogue, op="rs_list", ds="hmi.m_45s", **parameters):
    reply = inquiry.answer(catalogue, {"op": op, "ds": ds, **parameters})
    return reply if isinstance(reply, dict) else json.loads(bytes(reply))


@pytest.mark.parametrize("parameters", [{"op": "rs_summary"}, {"key": "T_REC"}, {"key": "T_REC", "f": "1"}])
def test_thousands_of_record_sets_are_refused(small, parameters):
    with pytest.raises(QueryError, match=f"{MOST_SETS + 1} record sets are too many .* at most {MOST_SETS}"):
        asked(small, ds=SETS, **parameters)


def test_thousands_of_record_sets_are_refused_for_export_too(small):
    reply = Exporter(small).answer({"op": "exp_request", "ds": SETS, "notify": ADA, "method": "url_quick"})
    assert reply["status"] == 4
    assert reply["error"].startswith(f"{MOST_SETS + 1} record sets are too many")


def test_as_many_as_are_allowed_are_answered(small):
    assert asked(small, "rs_summary", ",".join(["hmi.m_45s[^]"] * 100))["count"] == 100


def test_a_long_list_is_refused_before_it_is_read(server):
    form = {"op": "rs_summary", "ds": "a," * 260_000}
    reply = requests.post(f"{server.url}/cgi-bin/ajax/jsoc_info", form, timeout=30)
    assert reply.json()["status"] == 1
    assert "520000 characters are too many" in reply.json()["error"]
    # What is wrong is not repeated as a whole.
    assert len(reply.content) < 20_000


@pytest.mark.parametrize("f", ["0", "1"])
@pytest.mark.parametrize(
    "lists",
    [
        {"key": ",".join(["T_REC"] * (MOST_COLUMNS + 1))},
        {"key": ",".join(["**ALL**"] * 100)},
        {"key": ",".join(["T_REC"] * MOST_COLUMNS), "seg": "magnetogram"},
        {"link": ",".join(["x"] * (MOST_COLUMNS + 1))},
    ],
)
def test_names_over_and_over_are_refused(small, lists, f):
    with pytest.raises(QueryError, match=f"are too many for one question; ask for at most {MOST_COLUMNS}"):
        asked(small, f=f, **lists)


def test_many_names_of_many_sets_are_refused(small):
    with pytest.raises(QueryError, match="500 keywords, segments and links of 500 record sets are too many"):
        asked(small, ds=",".join(["hmi.m_45s[^]"] * 500), key=",".join(["T_REC"] * 500))


@pytest.mark.parametrize(
    "parameters",
    [{"key": "T_REC,QUALITY"}, {"key": "T_REC,QUALITY", "f": "1"}, {"op": "rs_summary", "ds": "hmi.m_45s,hmi.m_45s"}],
)
def test_long_replies_are_refused(small, monkeypatch, parameters):
    monkeypatch.setattr(question, "MOST_VALUES", 28)
    assert asked(small, **parameters)["count"] in {14, 28}
    monkeypatch.setattr(question, "MOST_VALUES", 27)
    with pytest.raises(QueryError, match="more than 27 values; ask for fewer"):
        asked(small, **parameters)


def test_the_values_of_all_sets_count_together(small, monkeypatch):
    monkeypatch.setattr(question, "MOST_VALUES", 20)
    with pytest.raises(QueryError, match="more than 20 values"):
        asked(small, ds="hmi.m_45s,hmi.m_45s", key="T_REC")


def test_the_records_of_all_sets_of_an_export_count_together(small, monkeypatch):
    wanted = {"op": "exp_request", "notify": ADA, "method": "url_quick", "q": "1"}
    ds = "hmi.m_45s[:#1-#9],hmi.m_45s[:#2-#9]"
    assert Exporter(small).answer({**wanted, "ds": ds})["rcount"] == 17
    monkeypatch.setattr("jsoc_fido.localsite.exporter.MOST_RECORDS", 16)
    assert Exporter(small).answer({**wanted, "ds": ds}) == {
        "status": 4,
        "error": "Can not open RecordSet 1 is too many records in one request.",
    }


def test_long_arguments_are_refused(small):
    wanted = {"op": "exp_request", "ds": "hmi.m_45s[^]", "notify": ADA, "protocol": "fits"}
    reply = Exporter(small).answer({**wanted, "filenamefmt": "{recnum}" * 2000})
    assert reply == {"status": 4, "error": "The argument filenamefmt has 16000 characters; at most 8192 are taken."}
    reply = Exporter(small).answer({**wanted, "process=n": "0" + "|rebin,scale=8" * 21})
    assert reply["error"] == "21 processing steps are too many for one request; at most 20 are not."


def test_deep_json_is_refused(small):
    with pytest.raises(QueryError, match="invalid processing list argument"):
        asked(small, "series_struct", processing="[" * 100_000)


def test_all_records_are_counted_also_those_that_are_not_told(small, monkeypatch):
    """
    Contract B.4, A.11: the cap cuts what is told, so that it has to be counted first.
    """
    monkeypatch.setattr(select, "MOST_RECORDS", 5)
    assert asked(small, key="T_REC")["count"] == 5
    assert asked(small, "rs_summary")["count"] == 14
    assert asked(small, "rs_summary", n="3")["count"] == 3
