import astropy.units as u
import numpy as np
import pytest
import sunpy.net.jsoc.attrs as builtin
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import Helioprojective
from sunpy.net import attrs as a
from sunpy.net.attr import AttrOr, and_

from jsoc_fido import attrs, times
from jsoc_fido.conditions import AnyOf, KeywordTest, Not
from jsoc_fido.exceptions import QueryError
from jsoc_fido.query import PrimeKeyValue, ProcessStep, TimeSpan, WavelengthSpan
from jsoc_fido.walker import queries, understood

SERIES = attrs.Series("hmi.m_45s")

#: A time that is missing, as in a table.
MASKED = Time("2014-01-01")
MASKED[()] = np.ma.masked


def one(*words):
    (query,) = queries(and_(*words))
    return query


def test_every_word_is_understood():
    assert {getattr(attrs, name) for name in attrs.__all__} <= understood()


def test_several_tests_on_one_keyword_are_all_kept():
    query = one(SERIES, attrs.Keyword("K") > 1, attrs.Keyword("K") < 5, attrs.Keyword("K") != 3)
    assert query.tests == (KeywordTest("K", ">", 1), KeywordTest("K", "<", 5), KeywordTest("K", "!=", 3))


def test_prime_keys_and_segments_add_up():
    query = one(
        SERIES,
        attrs.PrimeKey("HARPNUM", "1") & attrs.PrimeKey("HARPNUM", "2"),
        attrs.Segment("a") & attrs.Segment("b, c") & attrs.Segment("a"),
    )
    assert query.prime_keys == (PrimeKeyValue("HARPNUM", "1"), PrimeKeyValue("HARPNUM", "2"))
    assert query.segments == ("a", "b", "c")


def test_branches_are_flat_whatever_the_nesting():
    tree = attrs.PrimeKey("A", 1) & (attrs.Series("x.a") | (attrs.Series("x.b") | attrs.Series("x.c")))
    assert [query.series for query in queries(tree)] == ["x.a", "x.b", "x.c"]


def values(tree):
    """
    Values of the prime keys of each query.
    """
    return [[value.value for value in query.prime_keys] for query in queries(SERIES & tree)]


def test_branches_that_differ_in_one_prime_key_are_one():
    first, second, third = (attrs.PrimeKey("A", number) for number in (1, "2-5", 3))
    assert values(first | second | third) == [[1, "2-5", 3]]
    camera = attrs.PrimeKey("CAMERA", 2)
    assert values((first & camera) | (third & camera)) == [[1, 2, 3]]
    # Only one of them: not every pair of values was asked for.
    assert values((first & camera) | (third & attrs.PrimeKey("CAMERA", 1))) == [[1, 2], [3, 1]]
    assert values(first | camera) == [[1], [2]]
    # The newest of each is not the newest of both.
    last = attrs.PrimeKey("T_REC", "$")
    assert values((first & last) | (third & last)) == [[1, "$"], [3, "$"]]
    assert values(first | attrs.PrimeKey("A", "^")) == [[1], ["^"]]
    # In the order in which they were given.
    elsewhere = attrs.Series("x.y") & first
    assert [query.series for query in queries((SERIES & first) | elsewhere | (SERIES & attrs.PrimeKey("A", "$")))] == [
        "hmi.m_45s", "x.y", "hmi.m_45s",
    ]  # fmt: skip
    conditions = [attrs.Keyword("K") > 1, attrs.Keyword("K") > 2]
    assert len(queries(SERIES & ((first & conditions[0]) | (third & conditions[1])))) == 2


def test_a_list_does_not_become_too_long():
    many = [attrs.PrimeKey("A", 10**9 + number) for number in range(400)]
    found = values(AttrOr(many))
    assert [len(part) for part in found] == [150, 150, 100]
    assert [value for part in found for value in part] == [key.value for key in many]


@pytest.mark.parametrize("scale", ["utc", "tai", "tt"])
def test_time_in_any_scale_is_the_same_instant(scale):
    start, end = Time("2014-01-01T00:00:00"), Time("2014-01-01T01:00:00")
    query = one(SERIES, a.Time(getattr(start, scale), getattr(end, scale)))
    assert query.time == TimeSpan(
        pytest.approx(times.parse("2014.01.01_00:00:35_TAI")), pytest.approx(times.parse("2014.01.01_01:00:35_TAI"))
    )


def test_wavelength_and_sample_have_units():
    query = one(SERIES, a.Wavelength(17.1 * u.nm), a.Sample(10 * u.min))
    assert query.wavelength == WavelengthSpan(pytest.approx(171), pytest.approx(171))
    assert query.sample == 600


def test_steps_are_kept_in_order():
    query = one(SERIES, attrs.Process("rebin", scale=0.5), attrs.Process("resize", regrid=True))
    assert query.steps == (
        ProcessStep("rebin", (("method", "boxcar"), ("scale", 0.5))),
        ProcessStep("resize", (("regrid", 1),)),
    )


def test_a_step_may_come_again():
    half, wide = attrs.Process("rebin", scale=0.5), attrs.Process("resize", regrid=True)
    assert one(SERIES & half & wide & half).steps == (half.step, wide.step, half.step)


@pytest.mark.parametrize("word", [attrs.Cutout, builtin.Cutout])
def test_a_part_is_cut_out_once(word):
    corner = SkyCoord(0 * u.arcsec, 0 * u.arcsec, observer="earth", obstime="2020-01-01", frame=Helioprojective)
    first, second = (attrs.Cutout(corner, width=size * u.arcsec, height=9 * u.arcsec) for size in (10, 20))
    with pytest.raises(QueryError, match="Cutout was given twice"):
        queries(SERIES & first & word(corner, width=20 * u.arcsec, height=9 * u.arcsec))
    assert len(queries(SERIES & (first | second))) == 2


def test_sunpys_own_words_are_understood():
    query = one(
        builtin.Series("hmi.m_45s"),
        builtin.PrimeKey("CAMERA", "2"),
        builtin.Segment("magnetogram"),
        builtin.Keyword("QUALITY") == 0,
        builtin.Notify("solar@example.com"),
        builtin.Protocol("FITS"),
    )
    assert query.series == "hmi.m_45s"
    assert query.tests == (KeywordTest("QUALITY", "=", 0),)
    assert query.protocol == "fits"
    assert query.notify == "solar@example.com"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((SERIES, a.Instrument("aia")), "Instrument is not understood"),
        ((a.Instrument("aia"),), "Instrument is not understood"),
        ((SERIES, attrs.Keyword("K")), "Keyword 'K' needs to have a comparison to a value"),
        ((SERIES, a.Time("2014-01-01", "2014-01-02", near="2014-01-01T12:00")), "near"),
        ((SERIES, builtin.Series("hmi.v_45s")), "Series was given twice"),
        ((SERIES, a.Sample(0 * u.s)), "Sample"),
        ((SERIES, a.Wavelength(np.nan * u.AA)), "Wavelength"),
        ((SERIES, a.Wavelength(np.inf * u.AA)), "Wavelength"),
        ((SERIES, builtin.Keyword("K") == [1]), "Keyword K"),
        ((SERIES, builtin.Protocol("quik")), "Protocol 'quik' .* use one of fits, as-is, quick"),
        ((SERIES, builtin.Segment("")), "Segment needs the name of a segment"),
        ((builtin.Series("a[1]"),), "Series takes the name of a series"),
        ((SERIES, builtin.Notify("a b@example.com")), "Notify takes one email address"),
        ((SERIES, a.Sample([1, 2] * u.s)), "Sample"),
        ((SERIES, a.Sample(np.nan * u.s)), "Sample"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message):
    with pytest.raises(QueryError, match=message):
        one(*words)


@pytest.mark.parametrize(("start", "end"), [("2014-01-01", None), (None, "2014-01-01"), (None, None), (MASKED, MASKED)])
def test_a_time_is_not_open(start, end):
    # Some of these sunpy refuses to make, others are refused here.
    with pytest.raises(ValueError, match=r"Specify start and end|did not match any of the formats|it cannot be open"):
        one(SERIES, a.Time(start, end))


def test_an_alternative_of_conditions_is_one_query():
    first, second = attrs.Keyword("K") > 1, attrs.Keyword("L") == "x"
    both = AnyOf((first.condition, second.condition))
    assert one(SERIES, first | second).tests == (both,)
    assert one(SERIES, ~(first | second)).tests == (Not(both),)
    # sunpy joins its own tests, and whole branches, to alternatives that differ in their tests only.
    assert [query.tests for query in queries((SERIES & first) | (SERIES & second))] == [(both,)]
    apart = SERIES & (builtin.Keyword("K") > 1) | SERIES & (builtin.Keyword("L") == "x")
    assert [query.tests for query in queries(apart)] == [(both,)]


def test_alternatives_that_differ_otherwise_stay_apart():
    test = attrs.Keyword("K") > 1
    assert len(queries((SERIES & test) | (attrs.Series("hmi.v_45s") & test))) == 2
    assert [query.tests for query in queries((SERIES & test) | SERIES)] == [()]


def test_many_values_of_a_prime_key_are_alternatives():
    query = one(SERIES, attrs.PrimeKey("HARPNUM", [1, "5-7"]), attrs.PrimeKey("HARPNUM", "$"))
    assert [value.value for value in query.prime_keys] == [1, "5-7", "$"]


def test_a_protocol_has_its_arguments():
    query = one(SERIES, attrs.Protocol("JPG", ct="grey.sao", size=2))
    assert query.protocol == "jpg,ct=grey.sao,size=2"
