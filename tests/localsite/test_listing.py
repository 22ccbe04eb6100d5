import json

import numpy as np
import pytest

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions, schema
from jsoc_fido.localsite.catalogue import NewRecord
from jsoc_fido.localsite.listing import rs_list

FIRST = "hmi.M_45s[2014.01.01_00:00:45_TAI]"


def listed(catalogue, ds, **parameters):
    return json.loads(bytes(rs_list(catalogue, ds, **parameters)))


def columns(reply, part="keywords"):
    return {item["name"]: item["values"] for item in reply[part]}


def test_no_records_is_a_reply_of_three_members(small):
    ds = "hmi.m_45s[2000.01.01_TAI]"
    text = bytes(rs_list(small, ds, key="**ALL**", seg="**ALL**", link="**ALL**", recinfo=True)).decode()
    assert list(json.loads(text)) == ["count", "runtime", "status"]
    assert text.startswith('{"count":0,"runtime":')
    assert text.endswith(',"status":0}\n')


def test_members_and_their_order(small):
    reply = listed(small, FIRST, key="T_REC", recinfo=True)
    assert list(reply) == ["recinfo", "keywords", "segments", "links", "count", "runtime", "status"]
    assert reply["recinfo"] == [{"name": "hmi.M_45s[2014.01.01_00:00:45_TAI][2]", "online": 1}]
    assert reply["keywords"] == [{"name": "T_REC", "values": ["2014.01.01_00:00:45_TAI"]}]
    assert (reply["segments"], reply["links"], reply["count"], reply["status"]) == ([], [], 1, 0)
    assert list(listed(small, FIRST)) == ["keywords", "segments", "links", "count", "runtime", "status"]


def test_unknown_names_are_no_error(small):
    reply = listed(small, "hmi.m_45s[2014.01.01_00:00:45_TAI/2m]", key="foo", seg="baz", link="bar")
    assert columns(reply) == {"foo": ["Invalid KeyLink"] * 2}
    assert columns(reply, "segments") == {"baz": ["InvalidSegName"] * 2}
    assert reply["segments"][0]["dims"] == ["NA", "NA"]
    assert columns(reply, "links") == {"bar": ["Invalid_Link"] * 2}
    assert reply["status"] == 0


def test_names_are_echoed_as_they_were_asked_for(small):
    names = "t_rec,T_REC,date-obs,DATE__OBS,magnetogram_BSCALE,T_REC_index,cparms_sg000,t_rec"
    reply = listed(small, FIRST, key=names)
    assert [item["name"] for item in reply["keywords"]] == names.split(",")
    assert columns(reply) == {
        "t_rec": ["2014.01.01_00:00:45_TAI"],
        "T_REC": ["2014.01.01_00:00:45_TAI"],
        "date-obs": ["2014-01-01T00:00:00.00Z"],
        "DATE__OBS": ["2014-01-01T00:00:00.00Z"],
        "magnetogram_BSCALE": ["0.1"],
        "T_REC_index": ["14726401"],
        "cparms_sg000": ["compress Rice"],
    }


def test_missing_values(small):
    keys = "CRPIX1,HISTORY,DATE,CAL_FSN,QUALITY,quality,OBS_VR"
    reply = listed(small, "hmi.m_45s[$]", key=keys)
    assert columns(reply) == {
        "CRPIX1": ["MISSING"],
        "HISTORY": ["MISSING"],
        "DATE": ["MISSING"],
        "CAL_FSN": ["MISSING"],
        "QUALITY": ["0x80000000"],
        "quality": ["MISSING"],
        "OBS_VR": ["MISSING"],
    }


def test_pseudo_keywords(small):
    keys = "*recnum*,*sunum*,*size*,*online*,*retain*,*archive*,*recdir*,*logdir*,*dirmtime*,*spec*"
    reply = listed(small, FIRST, key=keys)
    found = columns(reply)
    size = (small.slot_directory(1) / "magnetogram.fits").stat().st_size
    assert found["*recnum*"] == [1]
    assert found["*sunum*"] == [1]
    assert found["*size*"] == [str(size - 1)]
    assert (found["*online*"], found["*archive*"], found["*logdir*"]) == (["Y"], ["N"], ["NO LOG"])
    assert found["*retain*"][0].count(".") == 2
    assert found["*recdir*"] == ["/SUM0/D1/S00000"]
    assert found["*dirmtime*"][0].endswith("_UT")
    assert found["*spec*"] == ["hmi.M_45s[2014.01.01_00:00:45_TAI][2]"]


def test_pseudo_keywords_of_a_record_without_storage(small):
    keys = "*sunum*,*size*,*online*,*retain*,*archive*,*recdir*,*dirmtime*"
    assert columns(listed(small, "test.linked[1]", key=keys)) == {
        "*sunum*": [-1],
        "*size*": [columns(listed(small, "hmi.m_45s[:#2]", key="*size*"))["*size*"][0]],
        "*online*": ["NA"],
        "*retain*": ["NA"],
        "*archive*": ["NA"],
        "*recdir*": ["NoDataDirectory"],
        "*dirmtime*": ["NA"],
    }


def test_what_is_not_on_disk_is_on_tape(empty, make):
    make.add_magnetograms(empty, count=1)
    empty.set_online("hmi.m_45s", [1], online=False)
    reply = columns(listed(empty, "hmi.m_45s", key="*online*,*archive*,*retain*"))
    assert reply == {"*online*": ["N"], "*archive*": ["Y"], "*retain*": ["N/A"]}


def test_size_counts_the_segments_that_are_asked_for(small):
    ds = "test.harp_720s[101][^]"
    both = int(columns(listed(small, ds, key="*size*"))["*size*"][0])
    notes = int(columns(listed(small, ds, key="*size*", seg="notes"))["*size*"][0])
    image = int(columns(listed(small, ds, key="*size*", seg="continuum"))["*size*"][0])
    assert (notes, both) == (9, notes + image + 1)


def test_all_and_none(small):
    names = [item["name"] for item in listed(small, FIRST, key="**ALL**,*recnum*")["keywords"]]
    assert names[:3] == ["DATE", "DATE__OBS", "DATE-OBS"]
    assert names[-1] == "*recnum*"
    assert not {"T_REC_index", "cparms_sg000", "magnetogram_bzero"} & set(names)
    assert listed(small, FIRST, key="**NONE**,T_REC")["keywords"] == []
    names = [item["name"] for item in listed(small, "test.harp_720s[101]", key="**ALL**")["keywords"]]
    assert names[-2:] == ["DATAMIN_000", "DATAMIN_001"]


def test_keywords_of_segments(small):
    reply = listed(small, "test.harp_720s[101][$]", key="DATAMIN_000,datamin[0],DATAMIN[1],DATAMIN,DATAMIN[7]")
    assert columns(reply) == {
        "DATAMIN_000": ["2"],
        "datamin[0]": ["2"],
        "DATAMIN[1]": ["MISSING"],
        "DATAMIN": ["Invalid KeyLink"],
        "DATAMIN[7]": ["Invalid KeyLink"],
    }


def test_segments(small):
    reply = listed(small, "test.harp_720s[102,105][^]{continuum,notes}", seg="**ALL**", recinfo=True)
    image, text = reply["segments"]
    assert image["name"] == "continuum"
    assert image["dims"] == ["8x12", "NA"]
    assert image["values"][0].endswith("/continuum.fits")
    assert image["values"][1] == "NoDataFile"
    assert (image["bzeros"], image["bscales"], image["cparms"]) == (["0"], ["0.1"], [])
    assert [path.rpartition("/")[2] for path in text["values"]] == ["notes.txt", "notes.txt"]
    assert (text["dims"], text["bzeros"]) == (["", ""], [])
    for path in text["values"]:
        assert (small.directory / path.lstrip("/")).is_file()


def test_segments_outside_of_the_set_are_invalid(small):
    reply = listed(small, "test.harp_720s[102][^]{notes}", seg="continuum,NOTES")
    assert columns(reply, "segments")["continuum"] == ["InvalidSegName"]
    assert columns(reply, "segments")["NOTES"][0].endswith("notes.txt")


def test_segments_without_any_file_are_left_out_of_all(small):
    assert [item["name"] for item in listed(small, "test.harp_720s[105]", seg="**ALL**")["segments"]] == ["notes"]


def test_offline_storage(empty, make):
    make.add_magnetograms(empty, count=2)
    with empty.engine.begin() as connection:
        connection.execute(schema.units.update().values(online=False))
    reply = listed(empty, "hmi.m_45s[^]", key="*online*,*retain*,*recdir*", seg="magnetogram", recinfo=True)
    assert columns(reply) == {"*online*": ["N"], "*retain*": ["N/A"], "*recdir*": ["NoDataDirectory"]}
    assert columns(reply, "segments") == {"magnetogram": ["NoDataDirectory"]}
    assert reply["recinfo"][0]["online"] == 0


def test_links(small):
    reply = listed(
        small, "test.linked", key="FSN,QUALITY,WAVELNTH,USFLUX,LOST,mag:CAMERA", seg="**ALL**", link="**ALL**"
    )
    broken = "Invalid KeyLink"
    assert columns(reply) == {
        "FSN": ["1", "2", "3", "9"],
        "QUALITY": ["0x00000001", "0x00000000", "0x00000001", broken],
        "WAVELNTH": ["6173.0", "6173.0", "6173.0", broken],
        "USFLUX": ["0.000000e+00", "1.000000e+21", "2.000000e+21", broken],
        "LOST": [broken] * 4,
        "mag:CAMERA": ["2", "2", "2", broken],
    }
    assert columns(reply, "links") == {
        "mag": [f"hmi.M_45s[2014.01.01_00:0{time}_TAI][2]" for time in ("1:30", "2:15", "3:00")] + ["Invalid_Link"],
        "patch": ["test.Harp_720s[:#1]", "test.Harp_720s[:#2]", "test.Harp_720s[:#3]", "Invalid_Link"],
        "nowhere": ["Invalid_Link"] * 4,
    }
    paths = columns(reply, "segments")
    assert [path.rpartition("/")[2] for path in paths["magnetogram"]] == ["magnetogram.fits"] * 3 + ["BadSegLink"]
    assert paths["image"] == ["BadSegLink"] * 4


def test_a_dynamic_link_leads_to_the_newest_version(empty, make):
    make.add_magnetograms(empty, count=3)
    make.add_harps(empty)
    make.add_linked(empty)
    empty.add_records("hmi.m_45s", [NewRecord({"T_REC": make.START + 45, "CAMERA": 2, "QUALITY": 7})])
    assert columns(listed(empty, "test.linked[1]", key="QUALITY")) == {"QUALITY": ["0x00000007"]}


def test_several_sets(small):
    ds = "hmi.m_45s[2014.01.01_00:00:45_TAI],test.harp_720s[101][^],hmi.m_45s[2014.01.01_00:01:30_TAI]"
    reply = listed(small, ds, key="T_REC,*recnum*", seg="magnetogram", recinfo=True)
    assert columns(reply)["*recnum*"] == [1, 1, 2]
    assert [item["name"].partition("[")[0] for item in reply["recinfo"]] == ["hmi.M_45s", "test.Harp_720s", "hmi.M_45s"]
    assert columns(reply, "segments")["magnetogram"][1] == "InvalidSegName"
    assert columns(listed(small, ds, key="*recnum*", limit=2)) == {"*recnum*": [1, 1]}
    assert columns(listed(small, ds, key="*recnum*", limit=-2)) == {"*recnum*": [1, 2]}
    with pytest.raises(QueryError, match="the records must belong to a single data series"):
        listed(small, ds, key="**ALL**")


def test_pure_ascii_with_escaped_slashes(empty, make):
    make.add_magnetograms(empty, count=1)
    empty.add_records("hmi.m_45s", [NewRecord({"T_REC": make.START + 45, "CAMERA": 2, "HISTORY": 'Å/"\\\n'})])
    text = bytes(rs_list(empty, "hmi.m_45s[$]", key="HISTORY,TELESCOP")).decode("ascii")
    assert '"SDO\\/HMI"' in text
    assert columns(json.loads(text))["HISTORY"] == ['Å/"\\\n']


def test_exact_values(small):
    reply = listed(small, "hmi.m_45s[:#2]", key="DATAMEAN,T_OBS", exact=True)
    assert columns(reply) == {"DATAMEAN": ["0.25"], "T_OBS": ["2014.01.01_00:01:21.750000_TAI"]}


def native(keyword, text):
    if text in {"MISSING", "Invalid KeyLink"}:
        return None
    if keyword.is_time:
        return float(times.parse_many([text])[0])
    return int(text, 0) if keyword.is_integer else float(text) if keyword.is_real else text


@pytest.mark.parametrize(
    "name",
    [
        "rs_list__hmi.M_45s__1rec_20200101_010113",
        "rs_list__hmi.M_45s__2rec_range",
        "rs_list__hmi.M_45s__2rec_sampled_90s",
        "rs_list__hmi.m_45s__1rec_20100801_034034",
    ],
)
def test_real_replies_come_back(empty, replies, name):
    """
    What JSOC told of its records, put into a site, is told by the site in the same way.
    """
    series = definitions.load("hmi.m_45s")
    empty.add_series(series)
    real = replies(name)
    told = {item["name"]: item["values"] for item in real["keywords"] if not series.is_alias(item["name"])}
    keywords = {name: keyword for name in told if (keyword := series.keyword(name)) is not None}
    records = [
        {name: native(keyword, told[name][place]) for name, keyword in keywords.items()}
        for place in range(real["count"])
    ]
    empty.add_records("hmi.m_45s", [NewRecord(record) for record in records])
    reply = listed(empty, "hmi.m_45s", key="**ALL**")
    assert [item["name"] for item in reply["keywords"]] == [item["name"] for item in real["keywords"]]
    assert columns(reply) == columns(real)
    assert list(reply) == list(real)


def test_the_time_it_takes_grows_with_the_records(empty):
    """
    2,107 records with all keywords: one statement for all, and a reply of the right size.
    """
    series = definitions.load("hmi.m_45s")
    empty.add_series(series)
    random = np.random.default_rng(1)
    names = [keyword.name for keyword in series.keywords.values() if keyword.type in {"float", "double"}]
    numbers = random.normal(size=(2107, len(names)))
    records = [
        NewRecord({"T_REC": 1167609645.0 + 45 * place, "CAMERA": 2, **dict(zip(names, row.tolist(), strict=True))})
        for place, row in enumerate(numbers)
    ]
    empty.add_records("hmi.m_45s", records)
    reply = listed(empty, "hmi.m_45s", key="**ALL**", recinfo=True)
    assert reply["count"] == 2107
    assert {len(item["values"]) for item in reply["keywords"]} == {2107}
    assert reply["runtime"] < 5
