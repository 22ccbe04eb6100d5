"""
Conditions on keywords: what they are in a record set, and that a table and a site select the same by them.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable
from hypothesis import given, settings
from hypothesis import strategies as st
from sunpy.net import Fido
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, attrs, clauses, conditions, matching, recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.series import Keyword as Definition
from jsoc_fido.series import NameMap, Series

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
PATCHES = attrs.Series("hmi.sharp_720s")
SERIES = definitions.load("hmi.sharp_720s")
Keyword = attrs.Keyword

#: Conditions, and how they are asked.
WRITTEN = [
    (Keyword("USFLUX").between(1e21, 1e22), "USFLUX>=1e+21 AND USFLUX<=1e+22"),
    (Keyword("HARPNUM").isin([1, 2, 1]), "HARPNUM IN (1,2)"),
    (Keyword("NOAA_ARS").isin(["11944", "it's"]), "NOAA_ARS IN ('11944','it''s')"),
    (Keyword("NOAA_ARS").contains("11944"), "strpos(NOAA_ARS,'11944')>0"),
    (Keyword("noaa_ars").like("119%"), "left(NOAA_ARS,3)='119'"),
    (Keyword("NOAA_ARS").like("%44"), "right(NOAA_ARS,2)='44'"),
    (Keyword("NOAA_ARS").like("%19%"), "strpos(NOAA_ARS,'19')>0"),
    (Keyword("NOAA_ARS").like("1194_"), "NOAA_ARS LIKE '1194_'"),
    (Keyword("QUALITY").bits_clear(31), "(QUALITY & 2147483648)=0"),
    (Keyword("QUALITY").bits_set(8, 9), "(QUALITY & 768)=768"),
    (Keyword("QUALITY") == 0x80000000, "QUALITY=-2147483648"),
    (Keyword("HARPNUM").is_missing(), "(HARPNUM IS NULL OR HARPNUM=-2147483648)"),
    (Keyword("USFLUX").is_missing(), "(USFLUX IS NULL OR USFLUX='NaN')"),
    (Keyword("NOAA_ARS").is_missing(), "(NOAA_ARS IS NULL OR NOAA_ARS='')"),
    (Keyword("T_OBS").is_missing(), "(T_OBS IS NULL OR T_OBS=-211087684832.184)"),
    (~(Keyword("HARPNUM") < 5), "NOT HARPNUM<5"),
    ((Keyword("HARPNUM") < 5) | (Keyword("HARPNUM") > 9), "HARPNUM<5 OR HARPNUM>9"),
    (
        ((Keyword("HARPNUM") < 5) | (Keyword("HARPNUM") > 9)) & ~Keyword("NOAA_ARS").is_missing(),
        "(HARPNUM<5 OR HARPNUM>9) AND NOT (NOAA_ARS IS NULL OR NOAA_ARS='')",
    ),
    (Keyword("USFLUX") > 1 * u.T * u.m**2, "USFLUX>100000000.0"),
    (Keyword("CDELT1") < 1 * u.arcmin / u.pix, "CDELT1<60.0"),
    (Keyword("T_OBS") > HOUR.start, "T_OBS>$(2014.01.01_00:00:35.000_TAI)"),
    (Keyword("T_OBS").isin([HOUR.start]), "T_OBS IN ($(2014.01.01_00:00:35.000_TAI))"),
]


@pytest.mark.parametrize(("test", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_conditions_are_written_as_drms_reads_them(test, text):
    assert clauses.clause(test.condition, SERIES) == text
    asked = recordset.RecordSet("hmi.sharp_720s", (recordset.SqlFilter(text),))
    assert recordset.parse(str(asked)) == asked


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (Keyword("TELESCOP") == "SDO/HMI", "'SDO/HMI' for all records; .*response.where"),
        (Keyword("NOAA_ARS").like("1%4"), "takes % for a format"),
        (Keyword("NOAA_ARS").like("1_%"), "takes % for a format"),
        (Keyword("NOAA_ARS").contains("?]"), "NOAA_ARS: '\\?\\]' cannot stand"),
        (Keyword("NOAA_ARS").contains("100%"), "NOAA_ARS: '100%' cannot stand"),
        (Keyword("NOAA_ARS") == 2 * u.s, "NOAA_ARS is a text"),
        (Keyword("USFLUX").contains("1"), "USFLUX of float is not a text"),
        (Keyword("USFLUX").bits_set(1), "USFLUX of float is not an integer"),
        (Keyword("QUALITY").bits_set(32), "QUALITY of int is not an integer with the bits"),
        (Keyword("QUALITY") < 0x80000000, "signed number of 32 bits"),
        (Keyword("CDELT1") < 1 * u.s, "CDELT1 is in arcsec / pix; it cannot be compared with 1 s"),
        (Keyword("HARPNUM") < 1 * u.s, "HARPNUM has no unit"),
        (Keyword("USFLUX") > float("inf"), "cannot be compared with inf"),
        (Keyword("HARPNUM") == "many", "HARPNUM is a number"),
        (Keyword("T_OBS") > 5 * u.s, "cannot be compared with the quantity 5 s"),
        (Keyword("NOSUCH") > 5, "NOSUCH"),
    ],
)
def test_what_drms_cannot_be_asked_is_refused(test, message):
    with pytest.raises(QueryError, match=message):
        clauses.clause((test | (Keyword("HARPNUM") > 1)).condition, SERIES)


def test_a_keyword_behind_a_link_is_not_asked():
    series = Series("su.x", keywords=NameMap([Definition("K", "int", link="other->K"), Definition("N", "int")]))
    with pytest.raises(QueryError, match="comes from another series, through the link other->K"):
        clauses.clause((Keyword("K") > 1).condition, series)


def test_keywords_of_segments_are_asked_by_number():
    keywords = NameMap([Definition("DATAMEAN", "float", scope="segment")])
    series = Series("su.x", keywords=keywords, segments=definitions.load("hmi.sharp_720s").segments)
    assert clauses.clause((Keyword("datamean[2]") > 1).condition, series) == "DATAMEAN_002>1"
    assert clauses.clause((Keyword("DATAMEAN_002") > 1).condition, series) == "DATAMEAN_002>1"
    with pytest.raises(QueryError, match="test one, DATAMEAN_000 to DATAMEAN_"):
        clauses.clause((Keyword("DATAMEAN") > 1).condition, series)


TABLE = QTable(
    {
        "N": MaskedColumn([1, 2, 3, 4], mask=[0, 0, 0, 1], dtype=np.int32),
        "WORD": np.array([0, 0x80000000, 0x300, 0x100], dtype=np.uint32),
        "X": MaskedColumn([1.0, 2.0, np.nan, 4.0], mask=[0, 0, 0, 1]),
        "L": [1, 2, 3, 4] * u.m,
        "TEXT": MaskedColumn(["11944", "11944,11946", "", "x"], mask=[0, 0, 0, 1]),
    }
)


@pytest.mark.parametrize(
    ("test", "rows"),
    [
        (Keyword("N") > 1, [1, 2]),
        # A missing integer is the smallest of all, as in the database.
        (Keyword("N") < 2, [0, 3]),
        ((Keyword("N") < 2) & ~Keyword("N").is_missing(), [0]),
        (Keyword("n").isin([2, 3, 9]), [1, 2]),
        (Keyword("X") > 1, [1]),
        # Nothing is known of what is missing, also when the test is turned round.
        (~(Keyword("X") > 1), [0]),
        (Keyword("X").is_missing(), [2, 3]),
        ((Keyword("X") > 1) | (Keyword("N") == 3), [1, 2]),
        (~((Keyword("X") > 1) & (Keyword("N") < 9)), [0]),
        (Keyword("L").between(150 * u.cm, 3 * u.m), [1, 2]),
        (Keyword("WORD") == 0x80000000, [1]),
        (Keyword("WORD") >= 0, [0, 2, 3]),
        (Keyword("WORD").bits_clear(31), [0, 2, 3]),
        (Keyword("WORD").bits_set(8, 9), [2]),
        (~Keyword("WORD").bits_set(8, 9), [0, 1, 3]),
        (Keyword("TEXT").contains("11944"), [0, 1]),
        (Keyword("TEXT").like("11%6"), [1]),
        (Keyword("TEXT").like("_1944"), [0]),
        (Keyword("TEXT").is_missing(), [2, 3]),
        (Keyword("TEXT") != "11944", [1, 2, 3]),
    ],
)
def test_conditions_choose_rows(test, rows):
    assert np.flatnonzero(matching.matches(test.condition, TABLE)).tolist() == rows


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (Keyword("NONE") > 1, "not in the table"),
        (Keyword("N").contains("1"), "not a text"),
        (Keyword("TEXT").bits_set(1), "not an integer"),
        (Keyword("L") > 1 * u.s, "is in m"),
    ],
)
def test_what_a_table_does_not_have_is_refused(test, message):
    with pytest.raises(QueryError, match=message):
        matching.matches(test.condition, TABLE)


#: Conditions that a site and a table are asked.
ASKED = [
    Keyword("USFLUX") > 1e21,
    ~(Keyword("USFLUX") > 1e21),
    Keyword("USFLUX").between(1e20, 1e22) | Keyword("NOAA_ARS").contains("9"),
    Keyword("NOAA_ARS").like("119%"),
    Keyword("NOAA_ARS").like("%4"),
    Keyword("NOAA_ARS").is_missing(),
    ~Keyword("NOAA_ARS").is_missing() & (Keyword("HARPNUM") > 3000),
    Keyword("QUALITY").bits_clear(31),
    ~Keyword("QUALITY").bits_set(0),
    Keyword("QUALITY") == 0,
    Keyword("USFLUX").is_missing(),
    ~Keyword("USFLUX").is_missing(),
    ~Keyword("HARPNUM").is_missing(),
    ~Keyword("T_OBS").is_missing(),
    Keyword("T_REC") < "2014.01.01_00:30_TAI",
    Keyword("CDELT1") < 1 * u.arcmin / u.pix,
]


@pytest.mark.parametrize("test", ASKED, ids=repr)
def test_a_table_selects_what_the_site_selects(local_site, test):
    client = JSOCClient()
    everything = client.search(HOUR, PATCHES)
    local_site.requests.clear()
    asked = client.search(HOUR, PATCHES, test)
    assert local_site.count("rs_list") == 1
    assert list(asked["Recnum"] if len(asked) else []) == list(everything.where(test)["Recnum"])


def test_the_conditions_that_are_compared_select_something_else_than_all(local_site):
    everything = JSOCClient().search(HOUR, PATCHES)
    counts = [len(everything.where(test)) for test in ASKED]
    assert sum(0 < count < len(everything) for count in counts) >= 5


def test_an_alternative_is_one_question_through_fido(local_site):
    test = (Keyword("USFLUX") > 1e22) | Keyword("NOAA_ARS").contains("11944")
    JSOCClient().search(HOUR, PATCHES)
    local_site.requests.clear()
    found = Fido.search(HOUR, PATCHES, test)
    assert len(found) == 1
    assert len(local_site.requests) == 1


def test_where_takes_tests_only(local_site):
    table = JSOCClient().search(HOUR, PATCHES)
    assert len(table.where(Keyword("TELESCOP") == "SDO/HMI")) == len(table)
    chosen = table.where(Keyword("QUALITY") == 0, Keyword("USFLUX") > 0)
    assert chosen.questions == table.questions
    for wrong in ((), ("QUALITY == 0",), (Keyword("QUALITY"),)):
        with pytest.raises(QueryError, match="where"):
            table.where(*wrong)


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
tests = st.recursive(
    st.one_of(
        st.builds(lambda value: Keyword("NOAA_ARS") == value, texts.filter(str.strip)),
        st.builds(lambda value: Keyword("NOAA_ARS").contains(value), texts.filter(str.strip)),
        st.builds(lambda value: Keyword("HARPNUM") < value, st.integers(-(2**31), 2**31 - 1)),
        st.builds(lambda value: Keyword("USFLUX") >= value, st.floats(allow_nan=False, allow_infinity=False)),
    ),
    lambda parts: st.one_of(
        st.builds(lambda x, y: x & y, parts, parts),
        st.builds(lambda x, y: x | y, parts, parts),
        st.builds(lambda x: ~x, parts),
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(tests)
def test_any_condition_is_one_filter_or_refused(test):
    try:
        text = clauses.clause(test.condition, SERIES)
    except QueryError:
        return
    written = recordset.RecordSet("hmi.sharp_720s", (recordset.SqlFilter(text),), ("magnetogram",))
    assert recordset.parse(str(written)) == written


def test_nested_conditions_are_flat():
    first, second, third = (Keyword(name) > 1 for name in "ABC")
    assert (first | (second | third)).condition == ((first | second) | third).condition
    assert len((first & second & third).condition.conditions) == 3
    assert (first | first) == attrs.KeywordCondition(first.condition)
    assert list(conditions.keywords((~(first | second) & third).condition)) == ["A", "B", "C"]
