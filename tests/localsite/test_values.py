import math

import pytest

from jsoc_fido import times
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import values
from jsoc_fido.series import Keyword


def printed(value, kind, layout="", units="none", **options):
    keyword = Keyword("K", kind, units=units, format=layout)
    return values.printed(keyword, [values.decode(keyword, values.encode(keyword, value))], **options)[0]


@pytest.mark.parametrize(
    ("value", "kind", "layout", "text"),
    [
        (5, "int", "", "5"),
        (-5, "int", "%d", "-5"),
        (5.9, "int", "%d", "5"),
        (0, "int", "0x%08X", "0x00000000"),
        (-1, "int", "0x%08X", "0xFFFFFFFF"),
        (0xFFFFFFFF, "int", "%d", "-1"),
        (0x22112, "longlong", "0x%016llX", "0x0000000000022112"),
        (-2, "longlong", "%llx", "fffffffffffffffe"),
        (-2, "short", "%hu", "65534"),
        (7, "char", "%hhd", "7"),
        (7, "int", "%05d", "00007"),
        (7, "int", "[%+d%%]", "[+7%]"),
        (7, "int", "%.1f", "7.0"),
        (2.5, "float", "", "2.500000"),
        (2.5, "double", "%.2lf", "2.50"),
        (2.5, "double", "%g", "2.5"),
        (1e22, "float", "%e", "1.000000e+22"),
        (2.5, "double", "%d", "2"),
        (2.5, "double", "not a format", "2.500000"),
        ("text", "string", "", "text"),
        ("text", "string", "%6s", "  text"),
        ("text", "string", "%d", "text"),
        (None, "int", "%d", None),
        (-(2**31), "int", "%d", None),
        (math.nan, "float", "%f", None),
        (math.inf, "double", "%f", None),
        ("", "string", "%s", None),
        (times.MISSING, "time", "0", None),
    ],
)
def test_values_print_as_c_prints_them(value, kind, layout, text):
    assert printed(value, kind, layout) == text


@pytest.mark.parametrize(
    ("units", "layout", "text"),
    [
        ("TAI", "0", "2014.01.01_00:00:45_TAI"),
        ("TAI", "", "2014.01.01_00:00:45_TAI"),
        ("UTC", "2", "2014.01.01_00:00:10.25_UTC"),
        ("ISO", "1", "2014-01-01T00:00:10.2Z"),
        ("ISO", "0", "2014-01-01T00:00:10Z"),
        ("secs", "", "1167609645.250000"),
        ("days", "", "13514.000524"),
    ],
)
def test_times_print_in_their_zone(units, layout, text):
    seconds = times.parse("2014.01.01_00:00:45.25_TAI")
    assert printed(seconds, "time", layout, units) in {text, text.replace("10.2Z", "10.3Z")}


def test_long_texts_are_cut():
    assert printed("a" * 20_001, "string") == "a" * 20_000


def test_all_digits_if_wanted():
    assert printed(0.1, "float", "%.1f", exact=True) == "0.1"
    assert printed(0.1, "double", "%.1f", exact=True) == "0.10000000000000001"
    assert printed(1 / 4, "time", "0", "TAI", exact=True) == "1977.01.01_00:00:00.250000_TAI"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "0x80000000", None),
        ("int", "0x10", 16),
        ("int", "-2147483648", None),
        ("longlong", "0", 0),
        ("float", "nan", None),
        ("float", "45.0", 45.0),
        ("string", "SDO/HMI", "SDO/HMI"),
        ("string", "", None),
        ("time", "-4712.01.01_11:59:28_TAI", None),
        ("time", "1993.01.01_00:00:00_TAI", 504921600.0),
        ("int", "not a number", None),
    ],
)
def test_defaults(kind, text, value):
    assert values.default_value(Keyword("K", kind, default=text)) == value


@pytest.mark.parametrize(
    ("kind", "value"), [("int", 2**32), ("char", 300), ("short", -40000), ("int", "x"), ("time", "x")]
)
def test_values_that_do_not_fit(kind, value):
    with pytest.raises(DataError, match=f"is no value for K, which is of type {kind}"):
        values.encode(Keyword("K", kind), value)
