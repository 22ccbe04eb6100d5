"""
The parameters of ``jsoc_info`` (contract B.3, C).
"""

import json
import struct

import pytest

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions, inquiry
from jsoc_fido.localsite.sizeratio import Shape, size_ratio


def asked(catalogue, **parameters):
    reply = inquiry.answer(catalogue, parameters)
    return reply if isinstance(reply, dict) else json.loads(bytes(reply))


def described(catalogue, ds, **parameters):
    return asked(catalogue, op="series_struct", ds=ds, **parameters)


def test_keywords_with_the_names_of_their_cards(small):
    """
    Contract C.2: FITS names, implicit keywords left out, scope ``segment`` not marked.
    """
    keywords = {item["name"]: item for item in described(small, "hmi.m_45s", f="1")["keywords"]}
    assert {"DATE-OBS", "T_REC", "TRECEPOC"} <= keywords.keys()
    assert not {"DATE__OBS", "T_REC_index", "cparms_sg000", "magnetogram_bscale"} & keywords.keys()
    patches = {item["name"]: item for item in described(small, "test.harp_720s", f="1")["keywords"]}
    assert patches["DATAMIN"]["recscope"] == "variable"
    assert patches["T_REC"]["recscope"] == "ts_eq"


def test_segments_of_other_series(small):
    """
    Contract C.3: ``l=1`` follows the link, where it leads to something.
    """
    image, lost = described(small, "test.linked", l="1")["segments"]
    there = described(small, "hmi.m_45s")["segments"][0]
    assert image == there
    assert (lost["protocol"], lost["dims"]) == ("link via nowhere", None)
    assert described(small, "test.linked", l="0")["segments"][0]["dims"] is None


def test_owner(small):
    plain, owned = described(small, "hmi.m_45s"), described(small, "hmi.m_45s", o="1")
    assert "owner" not in plain
    assert "HasShadow" not in plain["Interval"]
    assert list(owned)[5:7] == ["tapegroup", "owner"]
    assert owned["Interval"]["HasShadow"] == "no"


def test_runtime_can_be_left_out(small):
    assert list(asked(small, op="rs_summary", ds="hmi.m_45s", r="1")) == ["count", "status"]
    assert "runtime" not in described(small, "hmi.m_45s", r="1")
    assert "runtime" in described(small, "hmi.m_45s", r="0")
    rows = {"op": "rs_list", "ds": "hmi.m_45s[^]", "key": "T_REC", "f": "1"}
    assert list(asked(small, **rows, r="1")) == ["recset", "count", "status"]


@pytest.mark.parametrize(
    ("steps", "ratio"),
    [
        ({"rebin": {"method": "boxcar", "scale": 0.25}}, 0.0625),
        # In arcseconds too, of which only the digits before the point are read (contract F.2).
        ({"im_patch": {"width": 4.9, "height": "6"}}, 0.25),
        ({"map_proj": {"cols": 4, "rows": 12}}, 0.5),
        ({"resize": {"scale_to": 2.0}}, 0.25),
        ({"im_patch": {"width": 4, "height": 6}, "rebin": {"scale": 0.5}}, 0.0625),
        ({"to_ptr": {}, "aia_scale_aialev1": {}}, 1.0),
        ({}, 1.0),
        ({"fold": {}}, -1.0),
        ({"rebin": {}}, -1.0),
        ({"rebin": {"scale": "big"}}, -1.0),
        ({"resize": {"scale_to": 0}}, -1.0),
        ({"rebin": {"scale": "1e300"}}, -1.0),
        ({"map_proj": {"cols": "9" * 400, "rows": 2}}, -1.0),
        ({"im_patch": {"width": "9" * 400, "height": 2}}, -1.0),
    ],
)
def test_size_ratios(steps, ratio):
    assert size_ratio(json.dumps(steps), Shape(96, 0.5)) == pytest.approx(ratio)


def test_size_ratio_without_images():
    shape = Shape(None, None)
    assert size_ratio('{"im_patch": {"width": 4, "height": 6}}', shape) == -1.0
    assert size_ratio('{"resize": {"scale_to": 1}}', shape) == -1.0


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"rebin": 2}'])
def test_what_are_no_steps(small, text):
    with pytest.raises(QueryError, match="invalid processing list argument"):
        described(small, "hmi.m_45s", processing=text)


def test_processing_size_ratio(small, empty):
    steps = '{"im_patch": {"width": 4, "height": 12}}'
    reply = described(small, "hmi.m_45s", processing=steps)
    assert list(reply)[-3:] == ["processing_size_ratio", "runtime", "status"]
    assert reply["processing_size_ratio"] == 0.5
    empty.add_series(definitions.load("hmi.m_45s"))
    assert described(empty, "hmi.m_45s", processing=steps)["processing_size_ratio"] == -1


def test_patterns_of_bits(small):
    """
    Contract B.3: ``B`` counts together with ``M`` only.
    """
    query = {
        "op": "rs_list",
        "ds": "hmi.m_45s[:#2,#14]",
        "key": "T_REC,DATAMEAN,QUALITY,CALVER64,INSTRUME,CRPIX1",
    }

    def values(**flags):
        return {item["name"]: item["values"][0] for item in asked(small, **query, **flags)["keywords"]}

    bits = values(M="1", B="1")
    assert bits["DATAMEAN"] == "0x3E800000"  # 0.25 as a float
    assert bits["T_REC"] == f"0x{struct.pack('>d', times.parse('2014.01.01_00:01:30_TAI')).hex().upper()}"
    assert (bits["QUALITY"], bits["CALVER64"]) == ("0x00000001", "0x0000000000022112")
    assert (bits["INSTRUME"], bits["CRPIX1"]) == ("HMI_FRONT2", "MISSING")
    assert values(B="1") == values()
    assert values()["DATAMEAN"] == "0.250000"


def test_rows_instead_of_columns(small):
    assert "recset" in asked(small, op="rs_list", ds="hmi.m_45s", key="T_REC", f="1", n="2")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"op": "series_struct", "ds": "bob.bob"}, "^series not found$"),
        ({"op": "rs_list", "ds": "bob.bob", "key": "T_REC"}, r"^ jsoc_info: series not found\.$"),
        ({"op": "rs_summary", "ds": "hmi.m_45s["}, r"^invalid record-set specification `hmi\.m_45s\[`"),
        ({"op": "rs_list", "ds": "hmi.m_45s["}, r"^invalid record-set specification `hmi\.m_45s\[`"),
        ({"op": "series_struct", "ds": ""}, "^invalid record-set specification ``"),
        (
            {"op": "series_struct", "ds": "hmi.m_45s,test.linked"},
            "^invalid record-set specification `hmi.m_45s,test.linked`; the records must belong to a single data",
        ),
        ({"op": "rs_summary", "ds": "hmi.m_45s", "n": "x"}, "^Bad QUERY_STRING"),
    ],
)
def test_errors_in_the_words_of_jsoc(small, query, words):
    with pytest.raises(QueryError, match=words):
        inquiry.answer(small, query)
