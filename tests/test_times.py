"""
DRMS times against the contract's vectors (A.6, A.7, A.12), astropy, and what JSOC printed.
"""

import copy
import datetime as dt
import json
import pickle

import astropy
import astropy.units as u
import numpy as np
import pytest
import strategies
from astropy.table import QTable, Table, vstack
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.times import Duration, Slot

Y2014 = 1167609600.0  # 2014.01.01_00:00:00_TAI

# Contract A.6: text, seconds, and what of it the scanner leaves over.
SCANNED = [
    ("1977.01.01_TAI", 0.0, ""),
    ("2014.01.01_00:00:00_TAI", Y2014, ""),
    ("2014.01.01", Y2014 + 35, ""),
    ("2014.01", Y2014 + 35, ""),
    ("2014", Y2014 + 35, ""),
    ("2014-01-01T00:00:00Z", Y2014 + 35, ""),
    ("20140101", Y2014 + 35, ""),
    ("2014001", Y2014 + 35, ""),
    ("2014.001", Y2014 + 35, ""),
    ("2014.01.01_12:30", 1167654635.0, ""),
    ("JD_2456658.5", Y2014 - 32.184, ""),
    ("MJD_56658", Y2014 - 32.184, ""),
    ("JD_2456658.5_TAI", Y2014, ""),
    ("2014.01.01_00:00:00_TT", Y2014 - 32.184, ""),
    ("2014.01.01_00:00:00_GPS", Y2014 + 19, ""),
    ("2014.01.01_00:00:00+0100", 1167606035.0, ""),
    ("2014.01.01_00:00:00_PST", 1167638435.0, ""),
    ("2012.06.30_23:59:60_UTC", 1120176034.0, ""),
    ("2014.02.31", 1172880035.0, ""),
    ("2014/01/01", Y2014 + 35, "/01/01"),
    ("2014.01.01T00:00:00Z", Y2014 + 35, "T00:00:00Z"),
    ("2014.01.01_00:00:00_XYZ", 1167649235.0, "YZ"),
    ("2014.01.01_00:00:00_NZST", Y2014 + 35 + 3600, "ZST"),
]
# More forms of the table of syntax.
SAME = [
    "2014.1.1",
    "2014.Jan.01",
    "2014.january.1_UTC",
    "2014.I.01",
    "2014-Jan-01",
    "2014-01",
    "2014-001",
    "2014.01.01.0",
    "2014.01.01_00",
    "2014.01.01_00h:00m:00s",
    "2014.01.01_00:00:00.000_UTC",
    "2014-01-01 00:00:00",
    "2014-01-01T00:00Z",
    "2014-01-01_UTC",
    "20140101T00:00:00Z",
    "2014_utc",
    "2014.01.01_00:00:00Z",
    "2014.01.01_00:00:00UTC",
    "2014.01.01_01:00:00_CET",
    "2014.01.01_01:00A",
    "2014.01.01_05:30:00+0530",
    "2013.12.31_16:00:00-0800",
    "2013.12.31_16:00:00_-0800",
    "2013.12.31.5_Y",
    "2014.01.01_00:00:35_tai",
    "jd_2456658.5_UTC",
    "  2014.01.01",
]
NOT_TIMES = [
    "",
    "foo",
    "2014.13.01",
    "2014.00.01",
    "2014-01-01T",
    "2014.01.01_",
    "2014.01.01_J",
    "2014.01.01_12:",
    "2014.01.01.",
    "2014.367",
    "2015.366",
    "2014.Foo.01",
    "2014.02.400",
    "2014.01.1000",
    "140101",
    "20141301",
    "20140101-5",
    "2014367",
    "123456",
    "JD2456658.5",
    "JD_",
    "MISSING",
    "Invalid KeyLink",
    "nan",
    "2014/01/01",
    "2014.01.01T00:00:00Z",
    "2014.01.01_00:00:00_XYZ",
    "2014.01.01_00:00:00_NZST",
    "2014.01.01_00:00:00+01:00",
    "2014.01.01_00:00:00 and more",
    "2014.01.01_00:00:123",
    "٢٠١٤.01.01",
]
# What DRMS would read without a word, as something else.
MISREAD = [
    "2014-01-01T00:00:00-2014",  # a zone of 20 hours and 14 minutes
    "2014.01.01_00:00:00+1",  # one minute
    "2014.01.01.05",  # half a day
    "20140101T123456",  # 123,456 hours
    "2014.01.01_+0100",  # a hundred hours
]


@pytest.mark.parametrize(("text", "seconds", "rest"), SCANNED)
def test_vectors(text, seconds, rest):
    found, used = times.scan(text)
    assert found == seconds
    assert text[used:] == rest


@pytest.mark.parametrize("text", SAME)
def test_forms_of_one_time(text):
    assert times.parse(text) == Y2014 + 35


@pytest.mark.parametrize("text", NOT_TIMES + MISREAD)
def test_not_times(text):
    with pytest.raises(QueryError):
        times.parse(text)
    assert np.isnan(times.parse_many([text])).all()


def test_messages_say_what_would_work():
    with pytest.raises(QueryError, match=r"'T00:00:00Z' is left over after '2014.01.01'; write YYYY.MM"):
        times.parse("2014.01.01T00:00:00Z")
    with pytest.raises(QueryError, match="time zone that DRMS knows; use TAI"):
        times.parse("2014-01-01T00:00:00-2014")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DRMS_EPOCH", "1977.01.01_TAI"),
        ("MDI_EPOCH", "1993.01.01_TAI"),
        ("TSEQ_EPOCH", "1993.01.01_TAI"),
        ("WSO_EPOCH", "1601.01.01_UT"),
        ("tai_epoch", "1958.01.01_TAI"),
        ("MJD_EPOCH", "1858.11.17_UT"),
    ],
)
def test_epochs(name, text):
    assert times.parse(name) == times.parse(text)


def test_missing_is_julian_day_zero():
    assert times.parse("JD_0") == times.MISSING
    assert times.parse("-4712.01.01_11:59:28_TAI") == times.MISSING
    assert times.format(times.MISSING) == "-4712.01.01_11:59:28_TAI"
    assert times.format(float("nan"), "ISO") == "-4712.01.01_11:59:28Z"
    # As series_struct prints it for a keyword with two decimals.
    assert times.format(times.MISSING, "ISO", 2) == "-4712.01.01_11:59:27.82Z"
    assert times.is_missing([times.MISSING, np.nan, np.inf, 0.0]).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("zone", "precision", "text"),
    [
        ("TAI", 0, "2020.01.01_00:00:45_TAI"),
        ("tai", 2, "2020.01.01_00:00:45.25_TAI"),
        ("UTC", 0, "2020.01.01_00:00:08_UTC"),
        ("ISO", 0, "2020-01-01T00:00:08Z"),
        ("ISO", 2, "2020-01-01T00:00:08.25Z"),
        ("ISO", -1, "2020-01-01T00:00Z"),
        ("ISO", -3, "2020-01-01"),
        ("ISO", -9, "2020"),
        ("TT", 3, "2020.01.01_00:01:17.434_TT"),
        ("TDT", 3, "2020.01.01_00:01:17.434_TDT"),
        ("GPS", 0, "2020.01.01_00:00:26_GPS"),
        ("Z", 1, "2020.01.01_00:00:08.2Z"),
        ("", 0, "2020.01.01_00:00:08"),
        ("PST", 0, "2019.12.31_16:00:08_PST"),
        ("+0530", 0, "2020.01.01_05:30:08+0530"),
        ("TAI", -1, "2020.01.01_00:00_TAI"),
        ("TAI", -2, "2020.01.01_00_TAI"),
        ("TAI", -3, "2020.01.01_TAI"),
        ("TAI", -4, "2020.01_TAI"),
        ("TAI", -5, "2020_TAI"),
        ("Z", -3, "2020.01.01"),
    ],
)
def test_printing(zone, precision, text):
    assert times.format(times.parse("2020.01.01_00:00:45.25_TAI"), zone, precision) == text


def test_printing_needs_a_zone_that_exists():
    with pytest.raises(QueryError, match="'NOWHERE' is not a time zone"):
        times.format(0.0, "nowhere")


def test_printing_rounds_before_it_splits():
    assert times.format(times.parse("2019.12.31_23:59:59.7_TAI")) == "2020.01.01_00:00:00_TAI"
    assert times.format(times.parse("2019.12.31_23:59:59.7_TAI"), precision=-1) == "2019.12.31_23:59_TAI"
    assert times.format(times.parse("2012.06.30_23:59:59.7_UTC"), "UTC") == "2012.06.30_23:59:60_UTC"
    assert times.format(times.parse("2012.06.30_23:59:60.7_UTC"), "UTC") == "2012.07.01_00:00:00_UTC"


def test_leap_seconds_have_their_own_place():
    seconds = times.parse("2016.12.31_23:59:59_UTC") + np.arange(3)
    texts = ["2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"]
    assert times.format_many(seconds, "ISO") == texts
    assert times.parse_many(texts).tolist() == seconds.tolist()
    # The zones have it at another time of the day.
    assert times.format(seconds[1], "CET") == "2017.01.01_00:59:60_CET"
    assert times.parse("2017.01.01_00:59:60_CET") == seconds[1]


@pytest.mark.parametrize(
    ("date", "offset"),
    [
        ("1959.12.31", 0),
        ("1960.01.01", 1),
        ("1962.07.01", 2),
        ("1964.07.01", 3),
        ("1965.07.01", 4),
        ("1966.07.01", 5),
        ("1968.01.01", 6),
        ("1969.01.01", 7),
        ("1970.01.01", 8),
        ("1971.01.01", 9),
        ("1972.01.01", 10),
        ("1999.01.01", 32),
        ("2017.01.01", 37),
        ("2030.01.01", 37),
    ],
)
def test_offset_of_utc(date, offset):
    assert times.parse(f"{date}_UTC") - times.parse(f"{date}_TAI") == offset


def test_calendar_changes_in_1582():
    assert times.parse("1582.10.15_TAI") - times.parse("1582.10.04_TAI") == 86400
    assert times.format(times.parse("1582.10.15_TAI") - 1) == "1582.10.04_23:59:59_TAI"
    # Every fourth year was a leap year.
    assert times.parse("1500.03.01_TAI") - times.parse("1500.02.28_TAI") == 2 * 86400
    assert times.parse("1900.03.01_TAI") - times.parse("1900.02.28_TAI") == 86400
    assert times.format(times.parse("1582.10.15_TAI") - 86400, "ISO") == "1582.10.04_00:00:00Z"


def test_far_away_times():
    assert times.format(1e17).startswith("JD_11574098505")
    assert times.format(times.parse("12014.05.06_07:08:09_TAI")) == "12014.05.06_07:08:09_TAI"
    assert times.format(times.parse("12014.05.06_UTC"), "ISO") == "12014.05.06_00:00:00Z"
    assert times.format(times.parse("-2014.01.01_TAI")) == "-2014.01.01_00:00:00_TAI"


@given(st.dates())
def test_dates_are_pythons(date):
    days = date.toordinal() - dt.date(1977, 1, 1).toordinal()
    if date >= dt.date(1582, 10, 15):
        assert times.parse(f"{date.year}.{date.month}.{date.day}_TAI") == 86400.0 * days
        assert times.format(86400.0 * days, precision=-3) == f"{date.isoformat().replace('-', '.')}_TAI"


@given(st.integers(-4700 * 366, 10**6))
def test_every_day_is_itself(day):
    seconds = 86400.0 * day
    text = times.format(seconds)
    assert times.parse(text) == seconds
    assert text.endswith("_00:00:00_TAI")


@given(strategies.seconds, strategies.zones)
def test_printed_times_read_back(seconds, zone):
    text = times.format(seconds, zone, 6)
    assert times.parse(text) == pytest.approx(seconds, abs=1e-6, rel=0)
    assert times.scan(text + "]")[1] == len(text)


@given(st.lists(st.tuples(strategies.seconds, st.sampled_from(["TAI", "UTC", "ISO"]), st.integers(0, 6)), max_size=8))
def test_many_are_as_one(parts):
    texts = [times.format(*part) for part in parts] + ["MISSING", "2014.Jan.01", "2014.01.01_12", "", "x" * 40]
    expected = [strategies.refused(times.parse, text) for text in texts]
    found = times.parse_many(texts)
    assert [None if np.isnan(value) else value for value in found] == expected


def test_many_of_none():
    assert times.parse_many([]).shape == (0,)
    assert times.format_many([]) == []


def test_many_understand_what_is_out_of_columns():
    texts = ["2014.02.31_00:00:00_UTC", "2014.13.01_00:00:00_TAI", "2014.01.01_00:00:00", "2014.01.01_00:00:00."]
    texts += ["2014.01.01_00:00:00.1234567890123_TAI", "2014-01-01T00:00:00_TAI", "2014.01.01_00:00:00_TAIX"]
    assert times.parse_many(texts) == pytest.approx(
        [1172880035.0, np.nan, Y2014 + 35, Y2014 + 35, Y2014 + 0.123456789, Y2014, np.nan], nan_ok=True, rel=0, abs=1e-6
    )


@given(st.text(max_size=30) | st.text("0123456789.-_:TZ+JDM ", max_size=30))
def test_any_text_is_a_time_or_refused(text):
    seconds = strategies.refused(times.parse, text)
    assert seconds is None or np.isfinite(seconds)
    assert not times.format_many([seconds or 0.0])[0].startswith(" ")


# astropy


@given(strategies.seconds)
def test_astropy_agrees(seconds):
    expected = Time(2443144.5, seconds / 86400, format="jd", scale="tai")
    text = times.format(seconds, "ISO", 6)
    assert abs(Time(text.removesuffix("Z"), format="isot", scale="utc") - expected) < 1.1 * u.us
    assert abs(times.from_astropy(expected) - seconds) < 1e-6


@given(strategies.seconds, st.sampled_from(["TAI", "UTC", "ISO", "TT", "PST"]))
def test_there_and_back(seconds, zone):
    assert abs(times.from_astropy(times.to_astropy(seconds, zone)) - seconds) < 1e-6


@pytest.mark.parametrize(
    ("zone", "scale", "text"),
    [
        ("TAI", "tai", "2014.01.01_00:00:45_TAI"),
        ("UTC", "utc", "2014.01.01_00:00:10_UTC"),
        ("ISO", "utc", "2014-01-01T00:00:10Z"),
        ("TT", "tt", "2014.01.01_00:01:17_TT"),
        ("TDT", "tt", "2014.01.01_00:01:17_TT"),
        ("none", "utc", "2014.01.01_00:00:10_UTC"),
    ],
)
def test_zones_are_scales(zone, scale, text):
    time = times.to_astropy(Y2014 + 45, zone)
    assert (time.scale, time.value, str(time)) == (scale, text, text)
    assert time.isscalar


def test_format_reads_every_form():
    for text in [*SAME, *(text for text, _, rest in SCANNED if not rest)]:
        assert times.from_astropy(Time(text, format="drms")) == pytest.approx(times.parse(text), abs=1e-6, rel=0)
    assert Time("MDI_EPOCH", format="drms").value == "1993.01.01_00:00:00_TAI"
    assert Time(b"2014.01.01_TAI", format="drms").scale == "tai"
    assert Time("2014.01.01_TT", format="drms").scale == "tt"
    assert Time("2014.01.01", format="drms").scale == "utc"


def test_format_takes_a_scale():
    text = "2014.01.01_00:00:45_TAI"
    assert Time(text, format="drms", scale="utc").value == "2014.01.01_00:00:10_UTC"
    assert Time(text, format="drms", scale="tt").to_value("isot") == "2014-01-01T00:01:17"
    assert Time(text, format="drms", scale="tdb").value == text  # DRMS has no name for TDB


def test_format_prints():
    time = Time(["2014.01.01_00:00:45.25_TAI", "2014.01.02_TAI"], format="drms")
    assert time.value.tolist() == ["2014.01.01_00:00:45_TAI", "2014.01.02_00:00:00_TAI"]
    time.precision = 2
    assert time[0].value == "2014.01.01_00:00:45.25_TAI"
    assert time.utc.to_value("drms", "iso")[0] == "2014-01-01T00:00:10.25Z"
    time.out_subfmt = "iso"
    assert time.value[1] == "2014-01-01T23:59:25.00Z"


def test_format_refuses():
    with pytest.raises(ValueError, match="not a time"):
        Time("2014.13.01", format="drms")
    with pytest.raises(ValueError, match="strings"):
        Time(5.0, format="drms")
    # Guessing a format must go on as if ours did not exist.
    with pytest.raises(ValueError, match="did not match any of the formats"):
        Time("2014.01.01_00:00:45_TAI")


def test_missing_times_are_masked():
    time = times.to_astropy([[Y2014, np.nan], [times.MISSING, Y2014 + 45]], "ISO")
    assert time.mask.tolist() == [[False, True], [True, False]]
    assert time[1, 1].value == "2014-01-01T00:00:10Z"
    assert np.isnan(times.from_astropy(time)).tolist() == time.mask.tolist()
    assert times.to_astropy(np.nan).masked
    assert np.isnan(times.from_astropy(times.to_astropy(np.nan)))
    again = Time(time.value, format="drms", scale="utc")
    assert again.mask.tolist() == time.mask.tolist()


@pytest.mark.parametrize("zone", ["TAI", "ISO"])
def test_times_survive_tables(zone, tmp_path):
    time = times.to_astropy([Y2014 + 0.5, np.nan, Y2014 + 45], zone)
    time.precision = 1
    table = QTable({"T_REC": time, "n": [3, 1, 2]})
    table.write(tmp_path / "table.ecsv")
    copies = [
        Table.read(tmp_path / "table.ecsv"),
        QTable.read(tmp_path / "table.ecsv"),
        pickle.loads(pickle.dumps(table)),
        copy.deepcopy(table),
        table[::-1][::-1],
    ]
    for same in copies:
        column = same["T_REC"]
        assert (column.format, column.scale, column.precision) == ("drms", time.scale, 1)
        assert column.mask.tolist() == [False, True, False]
        assert column[[0, 2]].value.tolist() == time[[0, 2]].value.tolist()
    table.sort("n")
    assert table["T_REC"][2].value == time[0].value


@pytest.mark.skipif(Version(astropy.__version__) < Version("8.0.2"), reason="astropy loses masks of times it joins")
def test_missing_times_survive_stacking():
    table = QTable({"T_REC": times.to_astropy([Y2014, np.nan, Y2014 + 45])})
    stacked = vstack([table[:1], table[1:]])["T_REC"]
    assert stacked.mask.tolist() == [False, True, False]
    assert stacked[2].value == "2014.01.01_00:00:45_TAI"


# Durations and slots


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12s", 12), ("1m", 60), ("0.5h", 1800), ("365.25d", 31557600), ("-1d", -86400), ("90.0s", 90)],
)
def test_durations(text, seconds):
    assert times.parse_duration(text).seconds() == seconds


def test_durations_in_slots():
    assert times.parse_duration("3u").seconds(45.0) == 135.0
    with pytest.raises(QueryError, match="counts slots"):
        times.parse_duration("3u").seconds()


@pytest.mark.parametrize("text", ["1w", "1y", "5ms", "1M", "1 d", "d", "5", "", "1dd", "nand", "1e999s"])
def test_not_durations(text):
    with pytest.raises(QueryError):
        times.parse_duration(text)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9), st.sampled_from("smhdu"))
def test_durations_read_back(value, unit):
    duration = Duration(value, unit)
    assert times.parse_duration(str(duration)) == duration


HMI = Slot.from_constants("ts_eq", epoch="1993.01.01_00:00:00_TAI", step="45.000000", unit="secs")
AIA = Slot.from_constants("ts_eq", epoch="1993.01.01_00:00:04_TAI", step=12)


def test_slots_of_the_contract():
    assert HMI.index(times.parse("2020.01.01_TAI")) == 18933120
    assert times.format(HMI.value(HMI.index(times.parse("2020.01.01_00:00:37_TAI")))) == "2020.01.01_00:00:45_TAI"
    assert times.format(HMI.value(HMI.index(times.parse("2014.01.01")))) == "2014.01.01_00:00:45_TAI"
    assert HMI.value(HMI.index(times.parse("2020.01.01_01:01:13_TAI"))) == times.parse("2020.01.01_01:01:30_TAI")
    # The key's value is as the pipeline wrote it, a few seconds from the grid.
    assert AIA.index(times.parse("2020.01.01_01:01:13_TAI")) == AIA.index(times.parse("2020-01-01T01:00:35Z"))


def test_slots_round_as_drms():
    assert [HMI.count(extent) for extent in (180, 240, 10, 0, -5)] == [4, 5, 1, 1, 1]
    assert [HMI.skip(cadence) for cadence in (90.0, 100.0, 10.0, 67.5)] == [2, 2, 1, 2]
    # Ties go up.
    assert HMI.index(HMI.value(10) + 22.5) == 11
    assert HMI.index(HMI.value(-10) + 22.5) == -9


def test_ts_slot_rounds_down_but_for_its_margin():
    down = Slot.from_constants("ts_slot", epoch=0.0, step="1", unit="mins")
    assert [down.index(value) for value in (0.0, 59.9, 60.0, -0.1)] == [0, 0, 1, -1]
    margin = Slot.from_constants("ts_slot", epoch="DRMS_EPOCH", step="60s", round="20")
    assert [margin.index(value) for value in (49.9, 50.0, 60.0)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("kind", "constants", "expected"),
    [
        ("ts_eq", {"epoch": "MDI_EPOCH", "step": "1", "unit": "days"}, (504921600.0, 86400.0)),
        ("ts_eq", {"epoch": "504921600.000000", "step": "1", "unit": "mins"}, (504921600.0, 60.0)),
        ("ts_eq", {"epoch": "MDI_EPOCH", "step": "96m", "unit": "secs"}, (504921600.0, 5760.0)),
        ("ts_eq", {"epoch": "MDI_EPOCH", "step": "5", "unit": "tenthsecs"}, (504921600.0, 0.5)),
        ("slot", {"base": "10", "step": "0.5", "unit": "days"}, (10.0, 0.5)),
        ("carr", {"step": "5"}, (0.0, 5.0)),
        ("carr", {"step": "30m"}, (0.0, 0.5)),
        ("carr", {"step": "3600", "unit": "arcsecs"}, (0.0, 1.0)),
    ],
)
def test_constants(kind, constants, expected):
    slot = Slot.from_constants(kind, **constants)
    assert (slot.base, slot.step) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "constants", "message"),
    [
        ("enum", {"step": 1}, "needs a constant _epoch"),
        ("ts_eq", {"epoch": "MDI_EPOCH"}, "_step"),
        ("ts_eq", {"step": 45}, "_epoch"),
        ("ts_eq", {"epoch": "some day", "step": 45}, "not a time"),
        ("ts_eq", {"epoch": 0.0, "step": 0}, "positive step"),
        ("ts_eq", {"epoch": 0.0, "step": 1, "unit": "fortnights"}, "fortnights"),
        ("slot", {"step": 1}, "_base"),
        ("carr", {"step": "5h"}, "must be in one of d, m, s"),
        ("ts_slot", {"epoch": 0.0, "step": 1, "round": "much"}, "_round"),
    ],
)
def test_bad_constants(kind, constants, message):
    with pytest.raises(QueryError, match=message):
        Slot.from_constants(kind, **constants)


def test_no_slots_of_an_enumeration():
    with pytest.raises(QueryError, match="'enum' do not work"):
        Slot("enum", 0.0, 1.0)


def test_missing_values_lie_in_no_slot():
    with pytest.raises(QueryError, match="lies in no slot"):
        HMI.index(np.nan)
    with pytest.raises(QueryError, match="lies in no slot"):
        HMI.index(np.array([0.0, np.inf]))


@given(st.lists(st.integers(-(10**8), 10**8), max_size=5), st.sampled_from([HMI, AIA]))
def test_values_of_slots_lie_in_them(numbers, slot):
    found = slot.index(slot.value(np.array(numbers, dtype=np.int64)))
    assert found.dtype == np.int64
    assert found.tolist() == numbers == [slot.index(slot.value(number)) for number in numbers]


# What JSOC printed


def test_real_times_print_as_jsoc_printed_them(realdata):
    printed = 0
    for path in sorted((realdata / "jsoc_replies").glob("rs_list__*.json")):
        for column in json.loads(path.read_text("latin-1")).get("keywords", ()):
            texts = [text for text in column["values"] if isinstance(text, str)]
            seconds = times.parse_many(texts)
            for text, value in zip(texts, seconds, strict=True):
                if np.isfinite(value) and text[:1].isdigit() and any(mark in text for mark in ("_TAI", "Z", "_UTC")):
                    zone = "ISO" if "T" in text[:11] else text.rpartition("_")[2]
                    precision = len(text.partition(".")[2].rstrip("Z")) if zone == "ISO" else 0
                    assert times.format(value, zone, precision) == text
                    printed += 1
            assert not np.isfinite(seconds[[text == "MISSING" for text in texts]]).any()
    assert printed > 80


def test_real_defaults_are_missing(realdata):
    found = 0
    for path in sorted((realdata / "jsoc_replies").glob("series_struct__*.json")):
        for keyword in json.loads(path.read_text("latin-1")).get("keywords", ()):
            if keyword["type"] == "time" and keyword["recscope"] != "constant":
                assert times.parse(keyword["defval"]) == times.MISSING
                found += 1
    assert found > 20
