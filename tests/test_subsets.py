"""
Record sets that mean exactly these records.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsoc_fido import recordset, subsets, times
from jsoc_fido.localsite import definitions
from jsoc_fido.recordset import PrimeKey

numbers = st.lists(st.integers(1, 10**7) | st.integers(1, 60), min_size=1, max_size=300)


@given(numbers, st.integers(60, 400))
def test_numbers_come_back(wanted, longest):
    parts = subsets.by_numbers("hmi.m_45s", wanted, ("magnetogram",), longest=longest)
    assert [number for part in parts for number in subsets.numbers_of(part)] == sorted(set(wanted))
    assert all(len(str(part)) <= longest for part in parts)
    assert all(recordset.parse(str(part)) == part for part in parts)


@given(numbers)
def test_no_two_parts_could_be_one(wanted):
    parts = subsets.by_numbers("hmi.m_45s", wanted, longest=100)
    for one, other in pairwise(parts):
        first = next(iter(other.filters[0].items))
        assert len(str(one)) + len(str(first)) + 1 > 100


def test_nothing_asks_for_nothing():
    assert subsets.by_numbers("hmi.m_45s", []) == []
    assert subsets.by_prime_keys("hmi.m_45s", [PrimeKey("T_REC", "time")], []) == []


KEYS = definitions.load("aia.lev1_euv_12s").prime_key_types


@given(
    st.lists(
        st.tuples(st.integers(0, 50).map(lambda step: times.format(1167609600.0 + 12 * step, "ISO", 0)),
                  st.sampled_from(["94", "131", "171"])),
        min_size=1,
    ),
    st.integers(90, 300),
)  # fmt: skip
def test_prime_keys_mean_these_records_and_no_others(records, longest):
    parts = subsets.by_prime_keys("aia.lev1_euv_12s", KEYS, records, longest=longest)
    found = []
    for part in parts:
        assert len(str(part)) <= longest
        assert recordset.parse(str(part)) == part
        recordset.bind(part, KEYS)
        moments, waves = (item.items for item in part.filters)
        found += [(times.parse(str(moment)), str(wave)) for moment in moments for wave in waves]
    assert sorted(found) == sorted({(times.parse(moment), wave) for moment, wave in records})


def test_texts_are_quoted():
    keys = [PrimeKey("NAME", "string"), PrimeKey("N", "int")]
    (part,) = subsets.by_prime_keys("su.x", keys, [("a b", "1"), ("c,d", "1")])
    assert str(part) == "su.x['a b','c,d'][1]"


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("hmi.m_45s[$]", True), ("hmi.m_45s[^]", True), ("hmi.m_45s[][! QUALITY>=0 !]", True),
        ("hmi.m_45s[2014.01.01_TAI/1d][? QUALITY>=0 ?]", False),
    ],
)  # fmt: skip
def test_what_may_mean_other_records_tomorrow(text, moves):
    assert subsets.may_move(recordset.parse(text)) == moves
