import json

import pytest

from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions, info
from jsoc_fido.series import Series


def test_show_series(small):
    reply = info.show_series(small, "hmi")
    assert reply["status"] == 0
    assert reply["n"] == 1
    assert reply["names"][0]["name"] == "hmi.M_45s"
    assert reply["names"][0]["primekeys"] == "T_REC, CAMERA"
    assert list(reply["names"][0]) == ["name", "primekeys", "note"]
    assert info.show_series(small, "nothing") == {"status": 0, "names": [], "n": 0}
    assert info.show_series(small, "(")["status"] == 1


def test_show_series_with_how_they_are_kept(small):
    """
    Contract B.1: texts, between the prime keys and the note.
    """
    [series] = info.show_series(small, "hmi", verbose=True)["names"]
    assert list(series) == ["name", "primekeys", "archive", "retention", "tapegroup", "unitsize", "owner", "note"]
    assert all(isinstance(value, str) for value in series.values())
    assert series["unitsize"] == str(definitions.load("hmi.m_45s").unitsize)


def test_showextseries(small):
    assert info.showextseries(small, "", info=False) == {
        "errMsg": "",
        "seriesList": ["hmi.M_45s", "test.Harp_720s", "test.linked"],
    }
    assert info.showextseries(small, "harp", info=True)["seriesList"] == [
        {"test.Harp_720s": {"description": "patches"}}
    ]
    assert info.showextseries(small, "(", info=True)["seriesList"] == []


def test_rs_summary(small):
    reply = info.rs_summary(small, "hmi.m_45s[2014.01.01_00:00:45_TAI/3m]{magnetogram}")
    assert (list(reply), reply["count"]) == (["count", "runtime", "status"], 4)
    assert info.rs_summary(small, "hmi.m_45s,test.harp_720s[101]")["count"] == 17
    assert info.rs_summary(small, "hmi.m_45s", limit=-3)["count"] == 3
    assert info.rs_summary(small, "hmi.m_45s[? QUALITY=99 ?]")["count"] == 0


def test_interval(small):
    assert info.series_struct(small, "hmi.m_45s")["Interval"] == {
        "FirstRecord": "hmi.M_45s[2014.01.01_00:00:45_TAI][2]",
        "FirstRecnum": 1,
        "LastRecord": "hmi.M_45s[2014.01.01_00:10:30_TAI][2]",
        "LastRecnum": 14,
        "MaxRecnum": 14,
    }
    assert info.series_struct(small, "test.harp_720s")["Interval"]["LastRecord"] == (
        "test.Harp_720s[105][2014.01.01_00:24:00_TAI]"
    )


def test_interval_of_an_empty_series(empty):
    empty.add_series(definitions.load("hmi.m_45s"))
    found = info.series_struct(empty, "hmi.m_45s")["Interval"]
    assert list(found.values()) == ["NA", "NA", "NA", "NA", 0]


def test_a_series_without_prime_keys(empty):
    empty.add_series(Series("test.bag"))
    reply = info.series_struct(empty, "test.bag")
    assert (reply["primekeys"], reply["primekeysinfo"], reply["dbindex"]) == ([None], [None], [None])


def test_one_series_only(small):
    assert info.series_struct(small, "hmi.m_45s[2014.01.01_TAI/1d]")["primekeys"] == ["T_REC", "CAMERA"]
    with pytest.raises(QueryError, match="single data series"):
        info.series_struct(small, "hmi.m_45s,test.linked")
    with pytest.raises(QueryError, match="series not found"):
        info.series_struct(small, "bob.bob")


def test_linked_keywords_and_segments(small):
    reply = info.series_struct(small, "test.linked")
    keywords = {item["name"]: item for item in reply["keywords"]}
    assert list(keywords["QUALITY"]) == ["name", "linkinfo", "type", "recscope", "defval", "units", "note"]
    assert keywords["QUALITY"]["linkinfo"] == "mag->QUALITY"
    assert (keywords["QUALITY"]["type"], keywords["QUALITY"]["defval"]) == ("int", "0x80000000")
    assert keywords["WAVELNTH"]["recscope"] == "constant"
    assert (keywords["LOST"]["type"], keywords["LOST"]["units"]) == ("link", "error following link")
    assert not any(name.startswith("cparms") for name in keywords)
    assert reply["segments"][0] == {
        "name": "magnetogram",
        "type": "int",
        "units": None,
        "protocol": "link via mag",
        "dims": None,
        "note": "",
    }
    assert reply["links"][0] == {"name": "mag", "target": "hmi.M_45s", "kind": "DYNAMIC", "note": "by time"}


def test_generic_segments_have_no_scaling(small):
    names = [item["name"] for item in info.series_struct(small, "test.harp_720s")["keywords"]]
    assert names[:3] == ["cparms_sg000", "continuum_bzero", "continuum_bscale"]
    assert names[-1] == "T_REC_index"
    assert "notes_bzero" not in names
    assert names.count("DATAMIN") == 1


@pytest.mark.parametrize("name", ["hmi.m_45s", "hmi.v_45s", "hmi.sharp_720s", "hmi.sharp_cea_720s"])
def test_real_structures(empty, replies, name):
    """
    The shipped definitions describe the series as JSOC does, but for the words of the notes.
    """
    empty.add_series(definitions.load(name))
    ours = json.loads(json.dumps(info.series_struct(empty, name)))
    real = replies(f"series_struct__{name}")
    assert list(ours) == list(real)
    for member in ("retention", "stagingretention", "unitsize", "archive", "tapegroup", "primekeys", "dbindex"):
        assert ours[member] == real[member]
    assert ours["primekeysinfo"] == real["primekeysinfo"]
    assert list(ours["Interval"]) == list(real["Interval"])

    def facts(items):
        return {item["name"]: {key: value for key, value in item.items() if key != "note"} for item in items}

    for part in ("keywords", "segments", "links"):
        assert facts(ours[part]) == facts(real[part])
        assert [list(item) for item in ours[part]] == [list(item) for item in real[part]]
    # JSOC gave some keywords to a series later, and these stand behind the slot numbers there.
    index = [item["name"] for item in real["keywords"]].index("T_REC_index")
    assert [item["name"] for item in ours["keywords"]][:index] == [item["name"] for item in real["keywords"]][:index]
