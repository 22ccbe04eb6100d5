"""
``rs_list`` with ``f=1`` (contract B.6).
"""

import json

import pytest

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import NewRecord
from jsoc_fido.localsite.rowform import rs_rows

TWO = "hmi.m_45s[2014.01.01_00:00:45_TAI/90s]"
LAST = "hmi.m_45s[$]"


def rows(catalogue, ds, **parameters):
    reply = json.loads(bytes(rs_rows(catalogue, ds, **parameters)))
    assert list(reply) == ["recset", "count", "runtime", "status"]
    assert (reply["count"], reply["status"]) == (len(reply["recset"]), 0)
    return reply["recset"]


def cards(row):
    return {item["name"]: item["value"] for item in row["keywords"]}


def test_only_what_was_asked_for(small):
    assert rows(small, TWO) == [
        {"specification": "hmi.M_45s[2014.01.01_00:00:45_TAI][2]"},
        {"specification": "hmi.M_45s[2014.01.01_00:01:30_TAI][2]"},
    ]
    assert json.loads(bytes(rs_rows(small, "hmi.m_45s[2000.01.01_TAI]", key="T_REC", recinfo=True))).keys() == {
        "count",
        "runtime",
        "status",
    }


def test_values_are_those_of_headers(small):
    first, second = rows(small, TWO, key="DATE__OBS,quality,T_REC,CALVER64,DATAMEAN,TELESCOP,bogus")
    assert second["keywords"][:-1] == [
        {"name": "DATE-OBS", "value": "2014-01-01T00:00:45.000"},
        {"name": "QUALITY", "value": "1"},
        {"name": "T_REC", "value": "2014.01.01_00:01:30.000_TAI"},
        {"name": "CALVER64", "value": "139538"},
        {"name": "DATAMEAN", "value": "0.25"},
        {"name": "TELESCOP", "value": "SDO/HMI"},
    ]
    assert first["keywords"][-1] == {"name": "bogus", "invalid": True}
    [last] = rows(small, LAST, key="QUALITY,CRPIX1,HISTORY")
    # What is missing is told as it is.
    assert cards(last) == {"QUALITY": "-2147483648", "CRPIX1": "nan", "HISTORY": ""}


def test_all_keywords_once(small):
    [row] = rows(small, LAST, key="**ALL**")
    names = [item["name"] for item in row["keywords"]]
    assert len(set(names)) == len(names) == len(definitions.load("hmi.m_45s").keywords)
    assert {"DATE-OBS", "TRECEPOC"} <= set(names)
    assert not {"DATE__OBS", "T_REC_index", "magnetogram_bzero", "cparms_sg000"} & set(names)


def test_members_of_records(small):
    names = "*recnum*,*sunum*,*size*,*online*,*retain*,*archive*,*recdir*,*logdir*,*dirmtime*,*spec*"
    [row] = rows(small, LAST, key=names)
    assert list(row) == [
        "specification", "recnum", "sunum", "size", "online", "expdate", "archive", "recdir", "logdir", "dirmtime",
        "spec",
    ]  # fmt: skip
    assert (row["recnum"], row["online"], row["spec"]) == (14, "Y", row["specification"])
    [row] = rows(small, LAST, key="T_REC", recinfo=True)
    assert row["online"] == 1


def test_records_without_storage(empty):
    empty.add_series(definitions.load("aia.response"))
    empty.add_records("aia.response", [NewRecord({"T_START": 0.0, "WAVE_STR": "171_THIN"})])
    assert rows(empty, "aia.response", recinfo=True)[0]["online"] == "NA"
    assert rows(empty, "aia.response", seg="**ALL**", link="**ALL**", key="**NONE**")[0]["segments"] == []


def test_segments(small):
    [row] = rows(small, "hmi.m_45s[^]", seg="magnetogram,nosuch")
    found, unknown = row["segments"]
    assert found["path"].startswith("/SUM0/")
    assert {name: found[name] for name in list(found) if name != "path"} == {
        "name": "magnetogram",
        "online": 1,
        "dims": "8x12",
        "cparms": "compress Rice",
        "bzero": "0",
        "bscale": "0.1",
    }
    assert unknown == {"name": "nosuch", "invalid": True}


def test_keywords_of_segments_stand_there(small):
    [row] = rows(small, "test.harp_720s[101][2014.01.01_TAI]", key="**ALL**", seg="**ALL**")
    continuum, notes = row["segments"]
    assert continuum["keywords"] == [{"name": "DATAMIN", "value": "0.0"}]
    assert notes["keywords"] == [{"name": "DATAMIN", "value": "nan"}]
    assert "bscale" not in notes
    assert "DATAMIN" not in cards(row)


def test_links(small):
    found, lost = rows(small, "test.linked[3-9]", key="QUALITY,LOST", seg="magnetogram,image", link="**ALL**,bar")
    assert cards({"keywords": found["keywords"][:1]}) == {"QUALITY": "1"}
    assert found["keywords"][1] == {"name": "LOST", "invalid": True}
    assert found["segments"][0]["path"].endswith("magnetogram.fits")
    assert found["segments"][1] == {"name": "image", "invalid": True}
    assert found["links"] == [
        {"name": "mag", "linkedrec": "hmi.M_45s[2014.01.01_00:03:00_TAI][2]"},
        {"name": "patch", "linkedrec": "test.Harp_720s[:#3]"},
        {"name": "nowhere", "invalid": True},
        {"name": "bar", "invalid": True},
    ]
    assert lost["keywords"][0] == {"name": "QUALITY", "invalid": True}
    assert [link.get("invalid") for link in lost["links"]] == [True] * 4


def test_one_set_only(small):
    with pytest.raises(QueryError, match="single data series"):
        rs_rows(small, f"{TWO},{LAST}")
