import pytest

from jsoc_fido import recordset, times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.catalogue import NewRecord
from jsoc_fido.localsite.select import Selection
from jsoc_fido.series import Keyword, NameMap, Series


def numbers(catalogue, text, limit=0):
    selection = Selection(catalogue, recordset.parse(text))
    return [row[0] for row in selection.rows([selection.table.c.recnum], limit=limit)]


def count(catalogue, text):
    found = len(numbers(catalogue, text))
    assert Selection(catalogue, recordset.parse(text)).count() == found
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hmi.M_45s", range(1, 15)),
        ("HMI.m_45S[2014.01.01_TAI/1d]{magnetogram}", range(1, 15)),
        ("hmi.M_45s [2014.01.01_00:00:45_TAI] [2] {magnetogram}", [1]),
        ("hmi.M_45s[2014.01.01_00:00:37_TAI]", [1]),  # the nearest slot
        ("hmi.M_45s[2014.01.01_00:00:37_TAI-2014.01.01_00:01:22_TAI]", [1, 2]),
        ("hmi.M_45s[2014.01.01_00:00:37_TAI-2014.01.01_00:02:07_TAI@90.0s]", [1, 3]),
        ("hmi.M_45s[2014.01.01_00:01:13_TAI-2014.01.01_00:01:15_TAI]", [2]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/3m]", [1, 2, 3, 4]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/4m]", [1, 2, 3, 4, 5]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/10s]", [1]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/5u]", [1, 2, 3, 4, 5]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/10m@10s]", range(1, 14)),  # a cadence below half a step
        ("hmi.M_45s[2014.01.01_00:00:45_TAI,2014.01.01_00:03_TAI]", [1, 4]),
        ("hmi.M_45s[T_REC_index=14726401]", [1]),
        ("hmi.M_45s[#14726401/3]", [1, 2, 3]),
        ("hmi.M_45s[$]", [14]),
        ("hmi.M_45s[^]", [1]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/3m][^]", [1, 2, 3, 4]),
        ("hmi.M_45s[][2]", range(1, 15)),
        ("hmi.M_45s[CAMERA=2][T_REC=2014.01.01_00:00:45_TAI]", [1]),
        ("hmi.M_45s[][3]", []),
        ("hmi.M_45s[][2][]", range(1, 15)),
        ("hmi.M_45s[:#3,#5]", [3, 5]),
        ("hmi.M_45s[:#3-#9@2]", [3, 5, 7, 9]),
        ("hmi.M_45s[:#3/2]", [3, 4]),
        ("hmi.M_45s[:#12-#]", [12, 13, 14]),
        ("hmi.M_45s[:#-#3]", [1, 2, 3]),
        ("hmi.M_45s[:#^]", [1]),
        ("hmi.M_45s[:#$]", [14]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/3m][? QUALITY=1 ?]", [2, 4]),
        ("hmi.M_45s[2014.01.01_00:00:45_TAI/3m][! QUALITY=1 !]", [2, 4]),
        ("test.harp_720s[101]", [1, 2, 3]),
        ("test.harp_720s[101-102]", range(1, 7)),
        ("test.harp_720s[101/2]", range(1, 7)),
        ("test.harp_720s[101-105@4]", [1, 2, 3, 7, 8, 9]),
        ("test.harp_720s[102,105][2014.01.01_00:00_TAI]", [4, 7]),
        ("test.harp_720s[][2014.01.01_00:12_TAI]", [2, 5, 8]),
        ("test.harp_720s[$][^]", [7]),
        ("test.harp_720s[^][$]", [3]),
    ],
)
def test_record_sets(small, text, expected):
    assert numbers(small, text) == list(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hmi.M_45s[][2][3]", "primary key"),
        ("hmi.M_45s[QUALITY=0]", "QUALITY"),
        ("hmi.M_45s[2014.01.01_TAI/1w]", "1w"),
        ("hmi.M_45s{nosuch}", "none of the segments nosuch"),
        ("nosuch.series", "series not found"),
        ("hmi.M_45s[? NOSUCH=1 ?]", "nosuch"),
    ],
)
def test_wrong_record_sets(small, text, words):
    with pytest.raises(QueryError, match=words):
        numbers(small, text)


@pytest.mark.parametrize(
    ("limit", "expected"), [(3, [1, 2, 3]), (-3, [12, 13, 14]), (0, range(1, 15)), (100, range(1, 15))]
)
def test_first_and_last(small, limit, expected):
    assert numbers(small, "hmi.m_45s", limit) == list(expected)
    assert Selection(small, recordset.parse("hmi.m_45s")).count(limit=limit) == len(expected)


@pytest.fixture
def versions(empty, make):
    """
    Record 1 is replaced by 4, which is worse; record 2 by 5, which is better; record 3 stays.
    """
    make.add_magnetograms(empty, count=3)
    for place, quality in ((0, 9), (1, 0)):
        values = {"T_REC": make.START + 45 * place, "CAMERA": 2, "QUALITY": quality}
        empty.add_records("hmi.m_45s", [NewRecord(values)])
    return empty


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("", [4, 5, 3]),
        ("[2014.01.01_00:00:45_TAI]", [4]),
        ("[^]", [4]),
        # The newest version of the first has QUALITY 9: its older one does not come instead.
        ("[? QUALITY=0 ?]", [5]),
        ("[? QUALITY<2 ?]", [5, 3]),
        ("[! QUALITY<2 !]", [1, 2, 5, 3]),
        ("[2014.01.01_00:00:45_TAI][! QUALITY>=0 !]", [1, 4]),
        ("[:#1]", [1]),
        ("[:#1-#4]", [1, 4, 2, 3]),
        ("[:#1-#4][? QUALITY=0 ?]", [1]),
    ],
)
def test_the_newest_version_counts(versions, filters, expected):
    assert numbers(versions, f"hmi.m_45s{filters}") == expected


def test_records_with_missing_prime_keys(empty, make):
    make.add_magnetograms(empty, count=2)
    empty.add_records(
        "hmi.m_45s", [NewRecord({"CAMERA": 2}), NewRecord({"T_REC": make.START}), NewRecord({"CAMERA": 2})]
    )
    # Those without a time stand behind the others, and are versions of each other.
    assert numbers(empty, "hmi.m_45s") == [4, 1, 2, 5]
    assert numbers(empty, "hmi.m_45s[][DRMS_MISSING_VALUE]") == [4]


def test_a_series_without_prime_keys(empty):
    empty.add_series(Series("test.bag", keywords=NameMap([Keyword("WORD", "string")])))
    empty.add_records("test.bag", [NewRecord({"WORD": word}) for word in ("one", "two", "one")])
    assert numbers(empty, "test.bag") == [1, 2, 3]
    assert numbers(empty, "test.bag[? WORD='one' ?]") == [1, 3]
    with pytest.raises(QueryError):
        numbers(empty, "test.bag['one']")


@pytest.fixture
def plain(empty):
    """
    Prime keys of all types that are no slots.
    """
    keys = [Keyword("T", "time", units="UTC"), Keyword("X", "double"), Keyword("NAME", "string")]
    empty.add_series(Series("test.plain", prime_keys=("T", "X", "NAME"), keywords=NameMap(keys)))
    start = times.parse("2014.01.01_00:00:00_UTC")
    empty.add_records(
        "test.plain",
        [NewRecord({"T": start + 10 * step + 1e-7, "X": 1 + step / 4, "NAME": f"n-{step}"}) for step in range(4)]
        + [NewRecord({"NAME": "it's -- DROP TABLE series"})],
    )
    return empty


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("[2014.01.01_00:00:10_UTC]", [2]),
        ("[2014.01.01_00:00:05_UTC]", []),
        ("[2014.01.01_UTC-2014.01.01_00:00:25_UTC]", [1, 2, 3]),
        ("[2014.01.01_UTC/20s]", [1, 2]),
        ("[$]", [4]),
        ("[][1.25]", [2]),
        ("[][1-1.5]", [1, 2, 3]),
        ("[][1/0.5]", [1, 2]),
        ("[][1-2@0.5]", [1, 3]),
        ("[][][n-1]", [2]),
        ("[][]['n-1'-'n-2']", [2, 3]),
        ("[NAME=n-0,n-3]", [1, 4]),
        ('[NAME="it\'s -- DROP TABLE series"]', [5]),
        ("[][DRMS_MISSING_VALUE]", [5]),
    ],
)
def test_keys_that_are_no_slots(plain, filters, expected):
    assert sorted(numbers(plain, f"test.plain{filters}")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"hmi.m_45s[:{','.join(f'#{number}' for number in range(1, 1200))}]", range(1, 15)),
        (f"hmi.m_45s[:{','.join(f'#{number}/1' for number in range(1, 1100))}]", range(1, 15)),
        (f"hmi.m_45s[][{','.join(map(str, range(1100)))}]", range(1, 15)),
        (f"test.harp_720s[{','.join(map(str, range(101, 1300)))}]", range(1, 10)),
    ],
)
def test_lists_of_any_length(small, text, expected):
    assert numbers(small, text) == list(expected)


def test_more_numbers_than_the_database_holds(small):
    assert count(small, f"hmi.m_45s[][{2**31 - 1}]") == 0
    with pytest.raises(QueryError):
        numbers(small, f"hmi.m_45s[:#{10**30}]")
