"""
Texts of a site, held compactly, become the same columns as they do one by one.
"""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from jsoc_fido.columns import FEW, Texts, column, compact, sizes
from jsoc_fido.series import Keyword
from jsoc_fido.timetext import parse, read_many

MANY = 3 * FEW

# numpy drops zero characters at the end of a text.
texts = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=9) | st.sampled_from(["MISSING", "Å", ""]))


@given(texts, st.integers(1, 4), st.integers(-9, 9), st.slices(6))
def test_texts_are_a_sequence_of_texts(values, times, index, part):
    values *= times
    held = Texts(values)
    assert list(held) == values
    assert len(held) == len(values)
    assert held[part] == values[part]
    assert np.asarray(held).tolist() == values
    assert Texts.of(held) is held
    if -len(values) <= index < len(values):
        assert held[index] == values[index]
        assert type(held[index]) is str
    else:
        with pytest.raises(IndexError):
            held[index]


def test_texts_that_are_all_the_same_are_kept_once():
    held = Texts(["SDO/AIA"] * MANY)
    assert held.array.shape == (1,)
    assert list(held) == ["SDO/AIA"] * MANY
    assert held[-1] == "SDO/AIA"
    with pytest.raises(IndexError):
        held[MANY]


def test_texts_suit_numpy_and_pandas():
    for values in (["a", "b"], ["c", "c"]):
        assert np.asarray(Texts(values), dtype="U3").dtype == "U3"
        assert pd.Series(Texts(values)).tolist() == values
        with pytest.raises(ValueError, match="only in a copy"):
            np.asarray(Texts(values), copy=False)


def test_only_many_texts_are_held_compactly():
    numbers = list(range(MANY))
    words = [str(number) for number in numbers]
    assert isinstance(compact({"name": "K", "values": words})["values"], Texts)
    for values in (words[:FEW], numbers, [*words, None], [None, *words], [[word] for word in words], "text", None):
        assert compact({"values": values})["values"] is values
    assert compact({"name": "K"}) == {"name": "K"}


def test_the_texts_of_two_columns_are_never_there_together():
    count = 30
    columns = [{"name": f"K{i}", "values": [f"{i}.{row:010d}" for row in range(MANY)]} for i in range(count)]
    text = json.dumps({"keywords": columns, "count": MANY})
    plain, held = (peak(json.loads, text), peak(json.loads, text, object_hook=compact))
    assert held < plain / 2


def peak(function, *args, **kwargs):
    tracemalloc.start()
    try:
        kept = function(*args, **kwargs)
        return tracemalloc.get_traced_memory()[1] if kept else 0
    finally:
        tracemalloc.stop()


PRINTED = {
    ("int", "none"): ["1", "-2", "MISSING", "2147483647"],
    ("longlong", "none"): ["0x0000000000022112", "0xffffffffffffffff", "Invalid KeyLink"],
    ("short", "pixels"): ["7"],
    ("char", "none"): ["MISSING"],
    ("float", "arcsec"): ["1.5", "nan", "-1e-30", "MISSING"],
    ("double", "none"): ["0.599489", "inf", "MISSING"],
    ("double", "deg"): ["odd", "1.5"],
    ("int", "deg"): ["1.5", "0x", "7"],
    ("string", "none"): ["AIA_1", "MISSING", "Ångström", "Invalid KeyLink"],
    ("time", "TAI"): ["2014.01.01_00:00:45_TAI", "MISSING", "2014.01.01_00:00:45.25_TAI"],
    ("time", "ISO"): ["2012-06-30T23:59:60.50Z", "2014-01-01T00:00:00Z"],
    ("time", "UTC"): ["JD_2443144.5", "2014.01.01", "MDI_EPOCH"],
    ("time", "mins"): ["12.5", "MISSING"],
}


@pytest.mark.parametrize("constant", [False, True], ids=["different", "the same"])
@pytest.mark.parametrize("kind", PRINTED, ids=" ".join)
def test_columns_are_those_of_single_values(kind, constant):
    keyword = Keyword("K", kind[0], units=kind[1])
    printed = PRINTED[kind]
    values = [printed[0]] * MANY if constant else (printed * MANY)[:MANY]
    single = column(values if constant else printed, keyword)
    for given_as in (values, Texts(values), np.array(values), tuple(values)):
        whole = column(given_as, keyword)
        assert type(whole) is type(single)
        assert getattr(whole, "unit", None) == getattr(single, "unit", None)
        assert len(whole) == MANY
        for row in (0, 1, MANY - 1):
            one = single[row % len(single)]
            assert str(whole[row]) == str(one)
            assert np.all(getattr(whole[row], "mask", False) == getattr(one, "mask", False))


def test_a_column_can_be_changed():
    for values in (["1"] * MANY, [str(number) for number in range(MANY)]):
        for kind in ("int", "double", "string"):
            changed = column(Texts(values), Keyword("K", kind))
            changed[0] = changed[7]
            changed.mask[1] = True
            assert changed.mask.tolist()[:3] == [False, True, False]
            assert str(changed[2]) in {values[2], f"{values[2]}.0"}


def test_times_show_the_decimals_that_were_printed():
    printed = ["2014.01.01_00:00:45_TAI", "2014.01.01_00:00:45.125_TAI", "MISSING", "2014-01-01T00:00:00.5Z"]
    for values, decimals in ((printed, 3), (printed[:1], 0), (printed[3:], 1), (["MISSING"], 0)):
        times = column(values * MANY, Keyword("T", "time", units="TAI"))
        assert isinstance(times, Time)
        assert times.precision == decimals
        assert times.mask.tolist() == [value == "MISSING" for value in values * MANY]


forms = st.sampled_from([".._::", "--T::", ".._:-", "-.T::"])
fractions = st.sampled_from(["", ".", ".5", ".25", ".000000001", ".1234567890"])
zones = st.sampled_from(["", "Z", "_UTC", "_TAI", "_TT", "_PST", "_TAIx", "Å", "Z" * 40])


@given(st.lists(st.tuples(st.datetimes(), forms, fractions, zones), max_size=9))
def test_many_times_are_read_as_one_by_one(parts):
    printed = []
    for moment, form, fraction, zone in parts:
        fields = moment.strftime("%Y %m %d %H %M %S").split()
        fields[0] = fields[0].zfill(4)
        printed.append("".join(a + b for a, b in zip(fields, [*form, ""], strict=True)) + fraction + zone)
    seconds, _ = read_many(printed)
    assert seconds == pytest.approx([one(text) for text in printed], nan_ok=True, abs=1e-6)
    if all(text.isascii() for text in printed) and printed:
        again, decimals = read_many(np.array(printed, dtype="S"))
        assert np.array_equal(again, seconds, equal_nan=True)
        assert decimals == read_many(np.array(printed))[1] == read_many(printed)[1]


def one(text):
    try:
        return parse(text)
    except ValueError:
        return np.nan


def test_sizes():
    printed = ["99", "NA", "-1"] * MANY
    for values in (printed, Texts(printed), printed[:3], [99, None, -1]):
        assert sizes(values)[:3].value.tolist() == pytest.approx([100, np.nan, 0], nan_ok=True)
        assert len(sizes(values)) == len(values)
    assert sizes(["99"] * MANY).value.tolist() == [100] * MANY
