import json
import pickle

import astropy.table
import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time

from jsoc_fido import response as module
from jsoc_fido.columns import column, unit_of
from jsoc_fido.localsite import definitions
from jsoc_fido.query import Question
from jsoc_fido.response import JSOCResponse, vstack
from jsoc_fido.series import Keyword, NameMap, Series

QUESTION = Question(
    record_set="hmi.V_45s[$]", site="jsoc", series="hmi.V_45s", segments=("Dopplergram",), count=2, asked="2014-01-05"
)

REPLY = {
    "recinfo": [{"name": "hmi.V_45s[2014.01.01_00:00:45_TAI][2]"}, {"name": "hmi.V_45s[2014.01.01_00:01:30_TAI][2]"}],
    "keywords": [
        {"name": "T_REC", "values": ["2014.01.01_00:00:45_TAI", "2014.01.01_00:01:30_TAI"]},
        {"name": "DATE", "values": ["2014-01-05T17:46:02Z", "MISSING"]},
        {"name": "CAMERA", "values": ["2", "2"]},
        {"name": "WAVELNTH", "values": ["6173.0", "6173.0"]},
        {"name": "QUALITY", "values": ["0x00000000", "0x80000000"]},
        {"name": "CRLN_OBS", "values": ["21.725103", "MISSING"]},
        {"name": "CAR_ROT", "values": ["2145", "MISSING"]},
        {"name": "INSTRUME", "values": ["HMI_FRONT2", "Invalid KeyLink"]},
        {"name": "*recnum*", "values": [7, 8]},
        {"name": "*online*", "values": ["Y", "N"]},
        {"name": "*size*", "values": ["99", "NA"]},
    ],
    "segments": [{"name": "Dopplergram", "values": ["/SUM0/D1/S00000/Dopplergram.fits", "NoDataDirectory"]}],
    "count": 2,
    "status": 0,
}


@pytest.fixture
def table():
    return JSOCResponse.from_reply(REPLY, definitions.load("hmi.v_45s"), QUESTION)


def test_types_are_the_series_own(table):
    assert isinstance(table["T_REC"], Time)
    assert table["T_REC"].scale == "tai"
    assert table["T_REC"][0].value == "2014.01.01_00:00:45_TAI"
    assert table["DATE"].scale == "utc"
    assert table["DATE"].mask.tolist() == [False, True]
    assert table["WAVELNTH"].unit == u.AA
    assert table["CRLN_OBS"].unit == u.deg
    assert table["CRLN_OBS"].mask.tolist() == [False, True]
    assert table["CAR_ROT"].mask.tolist() == [False, True]
    assert table["INSTRUME"].mask.tolist() == [False, True]
    assert table["Online"].tolist() == [True, False]
    assert table["Size"][0] == 100 * u.byte
    assert np.isnan(table["Size"][1])
    assert table.total_size() == 100 * u.byte
    assert pickle.loads(pickle.dumps(table))["DATE"].mask.tolist() == [False, True]
    assert pickle.loads(pickle.dumps(table))["CRLN_OBS"].mask.tolist() == [False, True]


def test_quality_has_bits(table):
    assert table["QUALITY"].dtype == np.uint32
    assert (table["QUALITY"] & 0x80000000 > 0).tolist() == [False, True]


def test_shows_what_the_guide_shows(table):
    lines = str(table).splitlines()
    assert lines[0].split() == ["T_REC", "INSTRUME", "WAVELNTH", "CAR_ROT"]
    assert "2014.01.01_00:00:45_TAI" in str(table)
    assert table.show("CAMERA", "nonsense", "T_REC").colnames == ["CAMERA", "T_REC"]
    assert table.show().colnames[-1] == "INSTRUME"
    assert table.show("Recnum", "Dopplergram").colnames == ["Recnum", "Dopplergram"]
    assert table.show("nonsense").colnames == []
    assert str(table[["CAMERA", "CRLN_OBS"]]).split()[:2] == ["CAMERA", "CRLN_OBS"]
    assert str(table) == "\n".join(lines)


def test_a_long_table_is_shown_in_part(table):
    long = JSOCResponse(table[np.arange(1000) % 2])
    assert "Length = 1000 rows" in str(long)
    assert len(repr(long).splitlines()) < 200


def test_empty_reply():
    table = JSOCResponse.from_reply({"count": 0, "runtime": 0.1, "status": 0}, definitions.load("hmi.v_45s"), QUESTION)
    assert len(table) == 0
    assert str(table)
    assert len(vstack([table, table])) == 0


def test_rows_know_their_records_wherever_they_go(table):
    for part in (
        table[1:],
        table[[False, True]],
        table[[1]],
        pickle.loads(pickle.dumps(table))[1:],
        table.copy()[1:],
        table[1].as_table(),
    ):
        assert part["Recnum"].tolist() == [8]
        assert [question.key for question in part.questions] == list(part["Question"])
    both = astropy.table.vstack([table[:1], table[1:]])
    assert both["Recnum"].tolist() == [7, 8]
    assert QUESTION in both.questions


def test_stack_of_different_series():
    other = Series("x", keywords=module_keywords())
    reply = {
        "keywords": [
            {"name": "WAVELNTH", "values": ["171"]},
            {"name": "CAMERA", "values": ["side"]},
            {"name": "*recnum*", "values": [1]},
        ],
        "count": 1,
    }
    question = Question(record_set="x[$]", site="jsoc", series="x", count=1)
    first = JSOCResponse.from_reply(REPLY, definitions.load("hmi.v_45s"), QUESTION)
    table = vstack([first, JSOCResponse.from_reply(reply, other, question)])
    assert len(table) == 3
    assert list(table["CAMERA"]) == ["2", "2", "side"]
    assert table["T_REC"].mask.tolist() == [False, False, True]
    assert table.questions == (QUESTION, question)


KINDS = [("int", "none"), ("double", "none"), ("double", "deg"), ("string", "none"), ("time", "TAI")]


@pytest.mark.parametrize("values", [("MISSING", "5"), ("5", "MISSING"), ("5", "6"), ("MISSING", "MISSING")])
@pytest.mark.parametrize("keyword", [Keyword("V", kind, units=unit) for kind, unit in KINDS], ids=map(" ".join, KINDS))
def test_stack_where_one_branch_misses_all(values, keyword):
    printed = ["2014.01.01_00:00:00_TAI" if keyword.is_time and value != "MISSING" else value for value in values]
    series = Series("x", keywords=NameMap([keyword]))
    tables = [
        JSOCResponse.from_reply({"keywords": [{"name": "V", "values": [value]}], "count": 1}, series, QUESTION)
        for value in printed
    ]
    both = vstack(tables)
    mask = np.broadcast_to(getattr(both["V"], "mask", False), 2)
    assert mask.tolist() == [value == "MISSING" for value in values]
    assert len(str(astropy.table.vstack(tables)).splitlines()) == len(str(both).splitlines())


def module_keywords():
    return module.Series.from_struct(
        {"keywords": [{"name": "WAVELNTH", "type": "int", "units": "angstrom"}, {"name": "CAMERA", "type": "string"}]},
        "x",
    ).keywords


@pytest.mark.parametrize(
    ("values", "keyword", "dtype", "expected"),
    [
        (["1", "-2"], Keyword("K", "short"), np.int16, [1, -2]),
        (["0x0000000000022112"], Keyword("K", "longlong"), np.uint64, [0x22112]),
        (["4370"], Keyword("K", "longlong", default="0x0000000000000000"), np.uint64, [4370]),
        (["1.5e3"], Keyword("K", "float"), np.float32, [1500]),
        (["12.5"], Keyword("K", "time", units="mins"), np.float64, [12.5]),
        (["odd"], Keyword("K", "int"), None, ["odd"]),
        (["odd"], Keyword("K", "double"), None, ["odd"]),
        (["text"], None, None, ["text"]),
    ],
)
def test_columns(values, keyword, dtype, expected):
    result = column(values, keyword)
    assert list(getattr(result, "value", result)) == expected
    if dtype:
        assert result.dtype == dtype


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("none", None),
        ("TAI", None),
        ("D/S", None),
        ("blubb", None),
        ("Angstrom", u.AA),
        ("m/s", u.m / u.s),
        ("degree", u.deg),
        ("Mx/cm^2", u.Mx / u.cm**2),
    ],
)
def test_units(name, unit):
    assert unit_of(name) == unit


def test_every_real_reply_becomes_the_right_table(realdata):
    folder = realdata / "jsoc_replies"
    structs = {}
    for path in folder.glob("series_struct__*.json"):
        reply = json.loads(path.read_text("latin1"))
        if reply["status"] == 0:
            name = path.stem.removeprefix("series_struct__")
            structs[name.lower()] = Series.from_struct(reply, name)
    done = 0
    for path in sorted(folder.glob("*.json")):
        reply = json.loads(path.read_text("latin1"))
        if not isinstance(reply, dict) or "count" not in reply or ("keywords" not in (reply or {}) and reply["count"]):
            continue
        name = path.stem.split("__")[1] if path.stem.startswith("rs_list") else "hmi.sharp_720s"
        series = structs.get(name.lower(), structs["hmi.m_45s"])
        table = JSOCResponse.from_reply(reply, series, QUESTION)
        assert len(table) == reply["count"]
        for item in reply.get("keywords", ()):
            check_column(table[item["name"]], item["values"], series.keyword(item["name"]))
        done += 1
    assert done >= 10


def check_column(column, printed, keyword):
    mask = np.broadcast_to(getattr(column, "mask", False), len(printed))
    assert mask.tolist() == [value in ("MISSING", "Invalid KeyLink") for value in printed]
    kind = keyword.type if keyword else "string"
    for value, text, masked in zip(column, printed, mask, strict=True):
        if masked:
            continue
        if kind == "time":
            assert value.value == text
        elif kind in ("int", "longlong", "short"):
            assert int(value) == int(text, 0)
        elif kind in ("float", "double"):
            assert float(getattr(value, "value", value)) == pytest.approx(float(text), rel=1e-6, nan_ok=True)
        else:
            assert str(value) == text
