import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from jsoc_fido import headers, times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions, schema, values
from jsoc_fido.series import Series

REPLIES = Path(__file__).parents[3] / "shared" / "realdata" / "jsoc_replies"

NAMES = definitions.known()


def test_the_series_are_those_of_the_guide_and_more():
    assert {name.lower() for name in NAMES} >= {
        "hmi.v_45s", "hmi.m_45s", "hmi.ic_45s", "hmi.v_720s", "hmi.m_720s", "hmi.ic_720s", "hmi.b_720s",
        "hmi.sharp_720s", "hmi.sharp_cea_720s", "aia.lev1", "aia.lev1_euv_12s", "aia.lev1_uv_24s", "mdi.fd_m_lev182",
        "mdi.fd_v", "iris.lev1",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_definitions_are_consistent(name):
    series = definitions.load(name.upper())
    assert series.name == name
    assert series.note
    assert series.prime_keys
    for key in series.prime_keys:
        assert series.keyword(key) is not None
    for key in series.prime_key_types:
        assert (key.slot is not None) == series.keyword(key.name).is_slotted
    for keyword in series.keywords.values():
        assert keyword.type in {"char", "short", "int", "longlong", "float", "double", "time", "string"}
        assert not series.is_implicit(keyword.name)
        assert not series.is_alias(keyword.name)
        # What stands behind a dash would be lost in the header (contract E.5).
        assert "-" not in keyword.note.removeprefix("[DATE-OBS]")
        assert headers.card_name(keyword)
        assert values.printed(keyword, [values.default_value(keyword)])
        if keyword.is_time:
            assert keyword.units in {"TAI", "UTC", "ISO"}
            times.parse(keyword.default)
    for segment in series.segments.values():
        assert segment.note
        if segment.link is not None:
            assert segment.name in definitions.load(series.links[segment.link].target).segments
    cards = [headers.card_name(keyword) for keyword in series.keywords.values()]
    assert len(cards) == len(set(cards))


@pytest.mark.parametrize("name", NAMES)
def test_definitions_survive_json(name):
    series = definitions.load(name)
    form = json.loads(json.dumps(definitions.to_dict(series)))
    assert definitions.to_dict(definitions.from_dict(form)) == form
    again = definitions.from_dict(form)
    assert list(again.keywords.values()) == list(series.keywords.values())
    assert list(again.segments.values()) == list(series.segments.values())


def test_slots():
    assert definitions.load("hmi.v_45s").slot("T_REC").step == 45.0
    aia = definitions.load("aia.lev1_euv_12s").slot("T_REC")
    assert (aia.kind, aia.base, aia.step) == ("ts_eq", times.parse("1993.01.01_00:00:04_TAI"), 12.0)
    assert definitions.load("aia.lev1_uv_24s").slot("T_REC").step == 24.0
    assert definitions.load("aia.lev1").slot("T_REC").kind == "ts_slot"
    assert definitions.load("iris.lev1").slot("T_OBS") is None
    assert definitions.load("mdi.fd_v").slot("T_REC").step == 60.0


def test_processed_series_have_one_more_prime_key():
    series = definitions.load("AIA.lev1_euv_12s_mod")
    assert series.name == "aia.lev1_euv_12s_mod"
    assert series.prime_keys == ("T_REC", "WAVELNTH", "RequestID")
    assert values.default_value(series.keywords["RequestID"]) == "NA"
    assert series.segments["image"].dims == "VARxVAR"


@pytest.mark.parametrize("name", ["bob", "hmi.v_45", "nothing_mod", ""])
def test_unknown_series_are_told_with_the_known_ones(name):
    with pytest.raises(QueryError, match=r"hmi\.V_45s"):
        definitions.load(name)


@pytest.mark.parametrize(
    "definition", [{}, {"name": "x.y"}, {"name": "x.y", "prime_keys": [], "keywords": [{"nome": 1}]}]
)
def test_what_is_no_definition(definition):
    with pytest.raises(QueryError, match="not valid"):
        definitions.from_dict(definition)


@pytest.mark.parametrize("name", ["hmi.m_45s", "hmi.v_45s", "hmi.sharp_720s", "hmi.sharp_cea_720s", "aia.lev1_euv_12s"])
def test_keywords_are_the_real_ones(name):
    path = REPLIES / f"series_struct__{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    real = Series.from_struct(json.loads(path.read_bytes().decode("latin1")), name)
    ours = schema.complete(definitions.load(name))
    assert ours.prime_keys == real.prime_keys
    assert ours.name == real.name
    # T_REC_index stands at the end of some, and in the middle of others.
    ranked = [key for key in real.keywords if not real.is_alias(key) and key != "T_REC_index"]
    linked = any(keyword.link for keyword in real.keywords.values())
    assert [key for key in ours.keywords if key != "T_REC_index" and not (linked and ours.is_implicit(key))] == ranked
    for key in ranked:
        mine, theirs = ours.keywords[key], real.keywords[key]
        told = replace(theirs, note="", format="", link=None)
        # The value of this constant has changed over the years, so here it varies.
        scope = "variable" if key == "KEYWDDOC" else told.scope
        assert replace(mine, note="", format="") == replace(told, scope=scope)
        assert mine.fits_alias == theirs.fits_alias
    assert [(item.name, item.type) for item in ours.segments.values()] == [
        (item.name, item.type) if not linked else (item.name, ours.segments[item.name].type)
        for item in real.segments.values()
    ]


@pytest.mark.parametrize("name", ["hmi.m_45s", "hmi.v_45s", "hmi.sharp_720s", "hmi.sharp_cea_720s", "aia.lev1_euv_12s"])
def test_defaults_print_as_the_site_prints_them(name):
    path = REPLIES / f"series_struct__{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    series = definitions.load(name)
    for keyword in series.keywords.values():
        default = values.default_value(keyword)
        if default is not None and keyword.type != "string" and keyword.name != "CADENCE":
            [text] = values.printed(keyword, [default])
            assert (text, keyword.name) == (re.sub("^0X", "0X", keyword.default), keyword.name)


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("rs_list__hmi.M_45s__1rec_20200101_010113", "hmi.m_45s"),
        ("rs_list__aia.lev1_euv_12s__7rec", "aia.lev1_euv_12s"),
    ],
)
def test_values_print_as_the_site_prints_them(reply, name):
    path = REPLIES / f"{reply}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    series = definitions.load(name)
    columns = json.loads(path.read_bytes().decode("latin1"))["keywords"]
    checked = 0
    for column in columns:
        keyword = series.keyword(column["name"])
        if keyword is None or column["values"][0] == "MISSING" or keyword.type == "string":
            continue
        text = column["values"][0]
        if keyword.is_time:
            value = times.parse(text)
        else:
            value = int(text, 0) if keyword.is_integer else float(text)
        assert (keyword.name, values.printed(keyword, [value])) == (keyword.name, [text])
        checked += 1
    assert checked > 50
