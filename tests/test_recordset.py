"""
The record-set language against the contract's vectors (A.6, A.12, A.17) and real queries.
"""

import dataclasses

import pytest
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

from jsoc_fido import recordset, times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.recordset import (
    Between,
    Condition,
    EmptyFilter,
    Equals,
    Extreme,
    Extremum,
    HalfOpen,
    Index,
    IndexBetween,
    IndexRange,
    IndexSpan,
    KeyFilter,
    PrimeKey,
    Range,
    RecordNumbers,
    RecordSet,
    Span,
    SqlFilter,
    Value,
    bind,
    parse,
    parse_list,
)

HMI = times.Slot("ts_eq", times.parse("MDI_EPOCH"), 45.0)
SHARP = times.Slot("ts_eq", times.parse("MDI_EPOCH"), 720.0)
AIA = times.Slot("ts_eq", times.parse("1993.01.01_00:00:04_TAI"), 12.0)
SERIES = {
    "hmi.m_45s": (PrimeKey("T_REC", "time", HMI), PrimeKey("CAMERA", "int")),
    "hmi.sharp_720s": (PrimeKey("HARPNUM", "int"), PrimeKey("T_REC", "time", SHARP)),
    "aia.lev1_euv_12s": (PrimeKey("T_REC", "time", AIA), PrimeKey("WAVELNTH", "int")),
    "iris.lev1": (PrimeKey("T_OBS", "time"), PrimeKey("FSN", "longlong"), PrimeKey("CONFIG", "string")),
    "mdi.synop": (PrimeKey("CAR_ROT", "double"), PrimeKey("LON", "double", times.Slot("carr", 0.0, 5.0))),
    "su.levels": (PrimeKey("HEIGHT", "float", times.Slot("slot", 10.0, 0.5)), PrimeKey("BYTE", "char")),
    "su.bare": (),
}
JAN_2020 = 18933120  # the slot of 2020.01.01_TAI at 45 s


def bound(text):
    """
    The terms of each filter of a record set, for the prime keys of its series.
    """
    record_set = parse(text)
    parts = bind(record_set, SERIES[record_set.series.lower()])
    return [part.terms if isinstance(part, Condition) else part for part in parts]


def slots(low, high=None, skip=None):
    return (IndexBetween(low, low if high is None else high, skip),)


# Contract A.17: what is valid, and what it means.
VALID = [
    ("hmi.M_45s", []),
    ("HMI.m_45S[2020.01.01_TAI/1d]{magnetogram}", [slots(JAN_2020, JAN_2020 + 1919)]),
    ("hmi.M_45s [2020.01.01_TAI] [2] {magnetogram}", [slots(JAN_2020), (Equals(2),)]),
    ("hmi.M_45s[2020.01.01_TAI/1d@6h]", [slots(JAN_2020, JAN_2020 + 1919, 480)]),
    ("hmi.M_45s[2020.01.01_TAI-2020.01.02_TAI@6h]", [slots(JAN_2020, JAN_2020 + 1920, 480)]),
    ("hmi.M_45s[2020.01.01_TAI/10s]", [slots(JAN_2020)]),
    ("hmi.M_45s[2020.01.01_TAI/100u]", [slots(JAN_2020, JAN_2020 + 99)]),
    ("hmi.M_45s[9861d]", [slots(JAN_2020)]),
    ("hmi.M_45s[T_REC_index=18933120]", [slots(JAN_2020)]),
    ("hmi.M_45s[#18933120/4]", [slots(JAN_2020, JAN_2020 + 3)]),
    ("hmi.M_45s[$]", [(Extremum(last=True),)]),
    ("hmi.M_45s[^]", [(Extremum(last=False),)]),
    ("hmi.M_45s[][2]", [(Equals(2),)]),
    ("hmi.M_45s[CAMERA=2]", [(Equals(2),)]),
    ("hmi.M_45s[? CAMERA=2 ?]", [SqlFilter("CAMERA=2")]),
    ("hmi.M_45s[][2][]", [(Equals(2),)]),
    ("hmi.M_45s[:#10737508]", [RecordNumbers((Index(10737508),))]),
    ("hmi.M_45s[:#1,#2]", [RecordNumbers((Index(1), Index(2)))]),
    ("hmi.M_45s[:#1-#9@2]", [RecordNumbers((IndexRange(1, 9, 2),))]),
    ("hmi.M_45s[2020.01.01_TAI][! QUALITY<0 !]", [slots(JAN_2020), SqlFilter("QUALITY<0", all_versions=True)]),
    (
        "hmi.M_45s[? QUALITY>=0 AND DATE > $(2020.01.05_UTC) ?]",
        [SqlFilter("QUALITY>=0 AND DATE > $(2020.01.05_UTC)")],
    ),
    ("hmi.M_45s{nosuch}", []),
    ("hmi.sharp_720s[4864][2014.11.30_00:00_TAI]{continuum, magnetogram}", [(Equals(4864),), slots(960360)]),
    ("hmi.sharp_720s[4864-4870,5000][]", [(Between(4864, 4870), Equals(5000))]),
    ("hmi.sharp_720s[4864/3]", [(HalfOpen(4864, 3),)]),
    (
        # 300 s is 0.42 of a step: DRMS would divide by zero.
        "hmi.sharp_720s[][2020.01.01_00:00:35_TAI-2020.01.01_01:00:35_TAI@300.0s]{continuum,magnetogram}",
        [slots(1183320, 1183325, 1)],
    ),
    ("aia.lev1_euv_12s[2025-01-01T04:33:30.000/1m@12s][171]{image}", [slots(84154970, 84154974, 1), (Equals(171),)]),
]

# Contract A.17, the texts that no site accepts, and some more; with what the message says about them.
INVALID = [
    ("hmi.M_45s[:10737508]", "must begin with #"),
    ("hmi.M_45s[:#1][:#2]", "Only one list of record numbers"),
    ("hmi.M_45s[2020.01.01_TAI][! QUALITY!=0 !]", "write <> instead of !="),
    ("hmi.M_45s[2020.01.01_TAI/1w]", "durations with s, m, h, d or u"),
    ("hmi.M_45s[2020.01.01_TAI", "not closed: it needs a ']'"),
    ("hmi.M_45s]", "']' is not expected"),
    ("hmi.M_45s{magnetogram", "not closed; it needs a '}'"),
    ("[2020]", "write the series first"),
    ("hmi.M_45s{magnetogram}[2020.01.01_TAI]", "after the segment list"),
    ("", "empty"),
    ("   ", "empty"),
    ("@files.txt", "names a file on the server"),
    ("/home/someone/x.fits", "a path"),
    ("./x.fits", "a path"),
    ("{prog:x}", "braces"),
    ("*file*", "uploaded"),
    ("ns.table_manifest::[*]", "manifest"),
    ("5hmi.M_45s", "cannot begin a series"),
    ("hmi.M_45s,", "a series is missing"),
    ("hmi.M_45s[? QUALITY=0", r"does not end: it needs '\?]'"),
    ("hmi.M_45s[? QUALITY='0 ?]", "the quote ' is not closed"),
    ("hmi.M_45s[? a ? b ?]", "cannot stand"),
    ("hmi.M_45s[? a; b ?]", "semicolon"),
    ("hmi.M_45s[? ?]", "empty"),
    ("hmi.M_45s['a;b']", "semicolon"),
    ("hmi.M_45s['a]", "the quote ' is not closed"),
    ("hmi.M_45s['a''b']", "goes on after its quotes"),
    (r"hmi.M_45s['a\x']", "not an escape"),
    ("hmi.M_45s[1,,2]", "value is missing"),
    ("hmi.M_45s[^,2]", "must stand alone"),
    ("hmi.M_45s[#1,2]", "mixes"),
    ("hmi.M_45s[:#^,#5]", "must stand alone"),
    ("hmi.M_45s[:^]", r"written #\^ and #\$"),
    ("hmi.M_45s[#1/0]", "must be 1 or more"),
    ("hmi.M_45s[#1-#5@0]", "must be 1 or more"),
    ("hmi.M_45s[5-$]", "quotes"),
    ("hmi.M_45s[a b]", "quotes"),
    ("hmi.M_45s[1][CAMERA=]", "value is missing"),
    ("hmi.M_45s{image,}", "ends with a separator"),
    ("hmi.M_45s{im age?}", "name of a segment"),
    ("hmi.M_45s[Ångström]", "printable ASCII"),
    ("hmi.M_45s[1]\nhmi.V_45s[1]", "printable ASCII"),
    ("hmi.M_45s[1] and more", "not expected"),
    ("h" * 64, "less than 64"),
    ("hmi.M_45s" + "[1]" * 3000, "DRMS takes 8192"),
    ("hmi.M_45s{" + ",".join("segment" for _ in range(20)) + "}", "DRMS takes 126"),
]

# Contract A.6: times in filters.
TIME_FILTERS = [
    ("2014.01.01_00:00:00-2014.01.02_00:00:00", ("2014.01.01", "2014.01.02")),
    ("2014.01.01_00:00:00_TAI-2014.01.02_00:00:00_TAI", ("2014.01.01_TAI", "2014.01.02_TAI")),
    ("2014-01-01T00:00:00Z-2014-01-02T00:00:00Z", ("2014.01.01", "2014.01.02")),
    ("2014-01-01-2014-01-02", ("2014.01.01", "2014.01.02")),
    ("2014-01-01_TAI-2014-01-02_TAI", ("2014.01.01_TAI", "2014.01.02_TAI")),
    ("2014-01-01T00:00:00_TAI-2014-01-02T00:00:00_TAI@1h", ("2014.01.01_TAI", "2014.01.02_TAI", 3600.0)),
    ("2014.01.01-2014-01-02", ("2014.01.01", "2014.01.02")),
    ("2014.01-2014.02", ("2014.01.01", "2014.02.01")),
    ("2014-2015", ("2014.01.01", "2015.01.01")),
    ("20140101-20140102", ("2014.01.01", "2014.01.02")),
    ("2014001-2014002", ("2014.01.01", "2014.01.02")),
    ("JD_2456658.5_TAI-MJD_56659_TAI", ("2014.01.01_TAI", "2014.01.02_TAI")),
    ("2014.Jan.01_TAI-2014.II.01_TAI", ("2014.01.01_TAI", "2014.02.01_TAI")),
]

MISREAD = [
    "2014-01-01T00:00:00-2014-01-02T00:00:00",
    "2014-01-01T00:00:00-2014.01.02_00:00:00",
    "2014-01-01T00:00:00Z,2014-01-02T00:00:00Z",
    "2014-01-01,2014-01-02",
    "2014-01-01_TAI/1d,2014.01.05_TAI",
    "2014.01.01_00:00:00-2014-01-02T00:00:00Z",
    "2014.01.01_12-2014-01-02",
    "2014.01.01_00:00:00_XYZ",
    "2014.01.01_00:00:00_NZST",
    "2014.01.01T00:00:00Z",
    "2014.01.01T00:00:00Z-2014.01.02T00:00:00Z",
    "2014.01.01_TAI-",
    "2014.01.01_TAI/",
    "2014/01/01",
    "2014.01.01_TAI/1 d",
    "2014.01.01_TAI@1h",
]


@pytest.mark.parametrize(("text", "meaning"), VALID)
def test_valid_vectors(text, meaning):
    assert bound(text) == meaning
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_invalid_vectors(text, message):
    with pytest.raises(QueryError, match=message):
        parse_list(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hmi.M_45s[][2][3]", r"More primary keys are implied than exist: \[3\]"),
        ("hmi.M_45s[QUALITY=0]", r"'QUALITY' is not a primary index of hmi.M_45s; its .* are \['T_REC', 'CAMERA'\]"),
        ("hmi.M_45s[FOO=0]", "'FOO' is not a primary index"),
        ("hmi.M_45s[CAMERA_index=0]", "is not a primary index"),
        ("hmi.M_45s[foo]", "not a time; write YYYY.MM.DD"),
        ("hmi.M_45s[2020.01.01_TAI/100]", "not a duration"),
        ("hmi.M_45s[2020.01.01_TAI/1d@6]", "not a duration"),
        ("hmi.M_45s[2020.01.01_TAI/1d@-6h]", "must be positive"),
        ("hmi.M_45s['2020.01.01_TAI']", "write it without quotes"),
        ("hmi.M_45s[T_REC_index=1.5]", "not an integer"),
        ("hmi.M_45s[T_REC_index=DRMS_MISSING_VALUE]", "lies in no slot"),
        ("hmi.sharp_720s[abc]", "HARPNUM .int. cannot be abc: it is not an integer"),
        ("hmi.sharp_720s['4864']", "write it without quotes"),
        ("hmi.sharp_720s[4864.5]", "not an integer"),
        ("hmi.sharp_720s[99999999999]", "too large for 32 bits"),
        ("hmi.sharp_720s[1-9@0]", "must be positive"),
        ("hmi.sharp_720s[5-x]", "not an integer"),
        ("iris.lev1[2014.01.01_TAI/10u]", "counts slots"),
        ("iris.lev1[#5]", "T_OBS has no slots"),
        ("iris.lev1[][][a]['b'/5]", "More primary keys"),
        ("iris.lev1[][]['b'/5]", "neither extent nor skip"),
        ("iris.lev1[][]['b'-'c'@5]", "neither extent nor skip"),
        ("mdi.synop[x]", "not a number"),
        ("mdi.synop[1e999]", "not finite"),
        ("mdi.synop[][0-90@2u]", "no working skip"),
        ("mdi.synop[][DRMS_MISSING_VALUE]", "lies in no slot"),
        ("su.levels[10-20@2]", "count them instead, as in @2u"),
        ("su.levels[][200]", "too large for 8 bits"),
        ("su.bare[1]", "More primary keys"),
        ("su.bare[X=1]", "is not a primary index"),
    ],
)
def test_what_a_series_does_not_have(text, message):
    with pytest.raises(QueryError, match=message):
        bound(text)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        # Contract A.12, the worked checks.
        ("hmi.m_45s[2013.07.03_08:42_TAI/3m]", [slots(14377656, 14377659)]),
        ("hmi.m_45s[2013.07.03_08:42_TAI/4m]", [slots(14377656, 14377660)]),
        ("hmi.sharp_720s[][2013.07.03_08:42_TAI/40m]", [slots(898604, 898606)]),
        ("hmi.M_45s[2020.01.01_00:00:37_TAI-2020.01.01_00:01:22_TAI]", [slots(JAN_2020 + 1, JAN_2020 + 2)]),
        ("hmi.M_45s[2020.01.01_01:01:13_TAI-2020.01.01_01:01:15_TAI]", [slots(JAN_2020 + 82)]),
        ("hmi.M_45s[2020.01.01_00:00:37_TAI-2020.01.01_00:02:07_TAI@90.0s]", [slots(JAN_2020 + 1, JAN_2020 + 3, 2)]),
        # UTC is 35 s behind: the nearest slot is not that of midnight (contract G.10).
        ("hmi.M_45s[2014.01.01]", [slots(14726401)]),
        ("hmi.M_45s[2014-01]", [slots(14726401)]),
        ("hmi.M_45s[2014-01/1d]", [slots(14726401, 14728320)]),
        ("hmi.M_45s[#^]", [(Extremum(last=False),)]),
        ("hmi.M_45s[#5-#9@2,#12-#]", [(IndexBetween(5, 9, 2), IndexBetween(12, None))]),
        ("hmi.M_45s[#-#3,#-#]", [(IndexBetween(None, 3), IndexBetween(None, None))]),
        ("hmi.M_45s[t_rec_INDEX=5-9@2,0x10]", [(*slots(5, 9, 2), *slots(16))]),
        ("hmi.M_45s[T_REC_index=#7,#9/2]", [(*slots(7), *slots(9, 10))]),
        ("hmi.M_45s[T_REC_index=5/3]", [slots(5, 7)]),
        ("hmi.M_45s[CAMERA=2][T_REC=2020.01.01_TAI]", [(Equals(2),), slots(JAN_2020)]),
        ("hmi.M_45s[DRMS_MISSING_VALUE]", [slots(HMI.index(times.MISSING))]),
        ("hmi.sharp_720s[-5--1]", [(Between(-5, -1),)]),
        ("hmi.sharp_720s[0x10-0xFFFFFFFF]", [(Between(16, -1),)]),
        ("hmi.sharp_720s[1-9@2]", [(Between(1, 9, 2),)]),
        ("hmi.sharp_720s[drms_missing_value]", [(Equals(None),)]),
        ("hmi.sharp_720s[#5-#9]", [slots(5, 9)]),
        ("aia.lev1_euv_12s[][94-171]", [(Between(94, 171),)]),
        ("aia.lev1_euv_12s[][171-193,304]", [(Between(171, 193), Equals(304))]),
        ("iris.lev1[2014.01.01_TAI]", [(Equals(1167609600.0),)]),
        ("iris.lev1[2014.01.01_TAI/1h@12s]", [(HalfOpen(1167609600.0, 3600.0, 12.0),)]),
        ("iris.lev1[][010]", [(Equals(8),)]),
        ("iris.lev1[][][a-b]", [(Equals("a-b"),)]),
        ("iris.lev1[][][5-9]", [(Equals("5-9"),)]),
        ("iris.lev1[][]['a'-'c']", [(Between("a", "c"),)]),
        ("iris.lev1[][][\"it's\", 'x\\ty', z/1@2]", [(Equals("it's"), Equals("x\ty"), Equals("z/1@2"))]),
        ("iris.lev1[][]['']", [(Equals(None),)]),
        ("iris.lev1[][]['DRMS_MISSING_VALUE',DRMS_MISSING_VALUE]", [(Equals("DRMS_MISSING_VALUE"), Equals(None))]),
        ("mdi.synop[2100-2101.5@0.5]", [(Between(2100.0, 2101.5, 0.5),)]),
        ("mdi.synop[1e3/0x10]", [(HalfOpen(1000.0, 16.0),)]),
        ("mdi.synop[][12]", [slots(2)]),
        ("mdi.synop[][0/90]", [slots(0, 17)]),
        ("su.levels[10-20@2u]", [slots(0, 20, 2)]),
        ("su.levels[4u/10u]", [slots(4, 13)]),
        ("su.levels[][-128-127]", [(Between(-128, 127),)]),
        ("su.bare[:#1][? x=1 ?][]", [RecordNumbers((Index(1),)), SqlFilter("x=1")]),
    ],
)
def test_meaning(text, meaning):
    assert bound(text) == meaning


@pytest.mark.parametrize(("text", "expected"), TIME_FILTERS)
def test_ranges_of_times(text, expected):
    low, high, *skip = expected
    assert bound(f"iris.lev1[{text}]") == [(Between(times.parse(low), times.parse(high), *skip),)]


@pytest.mark.parametrize("text", MISREAD)
def test_what_drms_would_misread_is_refused(text):
    with pytest.raises(QueryError, match=r"YYYY.MM.DD_hh:mm:ss_TAI"):
        parse(f"hmi.M_45s[{text}]")


def test_dotted_lists_of_times():
    text = "hmi.M_45s[2014.01.01_TAI-2014.01.02_TAI,2014.01.05_TAI/1d,2014-01-07T00:00:00Z]"
    assert len(bound(text)[0]) == 3


def test_structure():
    assert parse("hmi.m_45s [ T_REC = 2020.01.01_TAI/1d@6h , 2020.02.01_TAI ] [2]{a, b:c;d e}#[note]") == RecordSet(
        "hmi.m_45s",
        (
            KeyFilter((Span(Value("2020.01.01_TAI"), "1d", "6h"), Value("2020.02.01_TAI")), "T_REC"),
            KeyFilter((Value("2"),)),
        ),
        ("a", "b", "c", "d", "e"),
    )


def test_all_segments_is_no_list():
    assert parse("hmi.m_45s{**ALL**}").segments == ()
    assert parse("hmi.m_45s{}").segments == ()


def test_several_sets():
    texts = ["hmi.M_45s[2020.01.01_TAI]", "hmi.V_45s['a,b'][? x IN (1,2) ?]{a,b}"]
    for separator in ",", ";", " , ", "#comment#,":
        assert [str(found) for found in parse_list(separator.join(texts))] == texts
    with pytest.raises(QueryError, match="holds 2 record sets"):
        parse(",".join(texts))


def test_quotes_hide_brackets():
    text = r"""hmi.m_45s['a]b','c\'[d',"e\"f'"][? x=']' AND y='?]' ?]"""
    assert parse(text).filters == (
        KeyFilter((Value("a]b", quoted=True), Value("c'[d", quoted=True), Value("e\"f'", quoted=True))),
        SqlFilter("x=']' AND y='?]'"),
    )


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (Value, ("5-10",)),
        (Value, ("'a'",)),
        (Value, (" 5",)),
        (Value, ("a=b",)),
        (Value, ("a]",)),
        (Value, ("",)),
        (Value, ("^",)),
        (Value, ("#5",)),
        (Value, ("a\x00b", True)),
        (Range, (Value("a"), Value("b"))),
        (Range, (Value("1"), Value("2"), "")),
        (Range, (Value("1"), Value("2"), "x")),
        (Range, (Value("2014-01-01T00:00:00"), Value("2014-01-02"))),
        (Range, (Value("1"), Value("12-01-01"))),
        (Span, (Value("1"), "")),
        (Span, (Value("a"), "1d")),
        (Span, (Value("1"), "1d", "2]")),
        (KeyFilter, ((),)),
        (KeyFilter, ((Value("1"),), "a b")),
        (KeyFilter, ((Extreme(last=True), Value("1")),)),
        (KeyFilter, ((Value("2014-01-01"), Value("2014-01-02")),)),
        (RecordNumbers, ((),)),
        (IndexRange, (1, 2, 0)),
        (IndexSpan, (1, 0)),
        (SqlFilter, ("",)),
        (SqlFilter, ("x=1 ?][? y=1",)),
        (SqlFilter, ("x!=1", True)),
        (SqlFilter, ("x='",)),
        (SqlFilter, (" x=1",)),
        (SqlFilter, ("x=1\n",)),
        (RecordSet, ("",)),
        (RecordSet, ("hmi m",)),
        (RecordSet, ("hmi.m[1]",)),
        (RecordSet, ("hmi.m", (), ("a}b",))),
    ],
)
def test_what_cannot_be_made(make, arguments):
    with pytest.raises(QueryError):
        make(*arguments)


def test_parts_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RecordSet("hmi.m_45s").series = "x"
    assert len({parse("hmi.m_45s[1]"), parse("hmi.m_45s [ 1 ]")}) == 1


@given(strategies.record_sets())
@example(RecordSet("hmi.m_45s", (EmptyFilter(), KeyFilter((Extreme(last=True, index=True),), "CAMERA"))))
def test_written_sets_read_back(record_set):
    assert parse(str(record_set)) == record_set


@given(st.lists(strategies.record_sets(), min_size=1, max_size=3), st.sampled_from([",", ";", " , "]))
def test_written_lists_read_back(record_sets, separator):
    assert parse_list(separator.join(map(str, record_sets))) == tuple(record_sets)


@given(st.text(strategies.PRINTABLE, max_size=20), st.booleans())
def test_any_value_is_refused_or_reads_back(text, quoted):
    value = strategies.refused(Value, text, quoted)
    if value is not None:
        assert parse(f"x[{value}]").filters == (KeyFilter((value,)),)


@given(strategies.values, strategies.values, st.sampled_from("-/"))
def test_any_range_is_refused_or_reads_back(start, end, operator):
    item = strategies.refused(Range, start, end) if operator == "-" else strategies.refused(Span, start, str(end))
    if item is not None:
        assert parse(f"x[{item}]").filters == (KeyFilter((item,)),)


@given(st.text(strategies.PRINTABLE, max_size=20))
def test_any_condition_is_refused_or_reads_back(text):
    condition = strategies.refused(SqlFilter, text)
    if condition is not None:
        assert parse(f"x{condition}").filters == (condition,)


@given(
    st.text("hmi.m_[]{}?!:#^$,;-/@='\"\\ 0123456789TZd", max_size=40).map("x".__add__)
    | strategies.record_sets().flatmap(lambda record_set: st.text(max_size=2).map(lambda text: f"{record_set}{text}"))
    | st.text()
)
def test_any_text_is_refused_or_stable(text):
    found = strategies.refused(parse_list, text)
    if found is not None:
        assert parse_list(",".join(map(str, found))) == found
    for record_set in found or ():
        for keys in SERIES.values():
            strategies.refused(bind, record_set, keys)


@given(st.text(strategies.PRINTABLE.replace(";", ""), max_size=20))
def test_strings_are_quoted_where_they_must(text):
    value = recordset.value_of(text)
    is_missing = text.upper() in {"", "DRMS_MISSING_VALUE"}
    assert bound(f"iris.lev1[][][{value}]") == [(Equals(None if is_missing else text),)]


@given(st.integers(-(2**31), 2**31 - 1))
def test_integers_are_themselves(number):
    assert bound(f"hmi.sharp_720s[{recordset.value_of(number)}]") == [(Equals(number),)]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reals_are_themselves(number):
    assert bound(f"mdi.synop[{recordset.value_of(number)}]") == [(Equals(number),)]


@given(strategies.seconds, strategies.zones)
def test_times_are_themselves(seconds, zone):
    value = recordset.time_value(seconds, zone)
    ((term,),) = bound(f"iris.lev1[{value}]")
    assert term.value == pytest.approx(seconds, abs=1e-6, rel=0)


@given(strategies.seconds, strategies.seconds, strategies.zones)
def test_times_make_ranges(start, end, zone):
    item = Range(recordset.time_value(start, zone), recordset.time_value(end, zone))
    assert bound(str(RecordSet("iris.lev1", (KeyFilter((item,)),))))[0] == (
        Between(times.parse(item.start.text), times.parse(item.end.text)),
    )


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "a;b", "tab\x0b"])
def test_what_cannot_be_written(value):
    with pytest.raises(QueryError):
        recordset.value_of(value)


def test_times_are_written_with_their_zone():
    seconds = times.parse("2014.01.01_00:00:45_TAI")
    assert [str(recordset.time_value(seconds, zone)) for zone in ("TAI", "ISO", "", "TT")] == [
        "2014.01.01_00:00:45_TAI",
        "2014.01.01_00:00:10_UTC",
        "2014.01.01_00:00:10_UTC",
        "2014.01.01_00:01:17.184_TT",
    ]
    assert str(recordset.time_value(seconds, "TAI", 3)) == "2014.01.01_00:00:45.000_TAI"
    with pytest.raises(QueryError, match="no time that can be asked for"):
        recordset.time_value(times.MISSING)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-1.5, "-1.5"), ("north", "'north'"), ("it's", "'it''s'"), ("", "''")]
)
def test_sql_literals(value, text):
    assert recordset.quote_sql(value) == text
    assert parse(f"x[? a={text} ?]").filters == (SqlFilter(f"a={text}"),)


@pytest.mark.parametrize("value", ["a;b", "a?]", "a!]", 'a"b', "50%", "a\nb", "Å", float("nan"), True])
def test_sql_literals_that_drms_would_not_leave_alone(value):
    with pytest.raises(QueryError):
        recordset.quote_sql(value)


def test_real_queries(realdata):
    lines = (realdata / "listings" / "recordset_queries.txt").read_text("ascii").splitlines()
    assert len(lines) > 700
    for line in lines:
        record_set = parse(line)
        assert str(record_set) == line
        assert parse(str(record_set)) == record_set
