import pickle
from copy import deepcopy
from datetime import date, datetime, timedelta, timezone

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import GCRS, SkyCoord
from astropy.time import Time, TimeDelta
from astropy.utils.masked import Masked
from sunpy.coordinates import frames, get_earth
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import attrs, clauses
from jsoc_fido.conditions import AllOf, KeywordTest
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions


def corner(x=-500, y=-275, **kwargs):
    return SkyCoord(
        x * u.arcsec, y * u.arcsec, obstime="2020-01-01T00:00", observer="earth", frame=frames.Helioprojective, **kwargs
    )


#: As columns of a table are, some of whose values are missing.
MASKED_LENGTHS = Masked([1, 2] * u.s, mask=[False, True])
MASKED_TIMES = Time(["2014-01-01", "2014-01-02"])
MASKED_TIMES[1] = np.ma.masked

WORDS = [
    attrs.Series("hmi.m_45s"),
    attrs.Segment("magnetogram"),
    attrs.PrimeKey("HARPNUM", "4864"),
    attrs.Keyword("EXPTIME") < 2,
    attrs.Protocol("fits"),
    attrs.Notify("solar@example.com"),
    attrs.Cutout(corner(), width=100 * u.arcsec, height=100 * u.arcsec),
    attrs.Keys("T_REC", "EXPTIME"),
    attrs.Site("jsoc"),
    attrs.RecordSet("hmi.m_45s[$]"),
    attrs.Process("rebin", method="boxcar", scale=0.25),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
def test_words_are_values(word):
    assert hash(deepcopy(word)) == hash(word)
    assert deepcopy(word) == word
    assert pickle.loads(pickle.dumps(word)) == word
    assert repr(word).startswith("<jsoc_fido.attrs.")


def test_equality_knows_the_type():
    assert attrs.Series("fits") != attrs.Protocol("fits")
    assert len({attrs.Series("fits"), attrs.Protocol("fits"), attrs.Segment("fits"), attrs.Series("fits")}) == 3
    both = attrs.Series("fits") | attrs.Protocol("fits")
    assert len(both.attrs) == 2


@pytest.mark.parametrize(
    ("operator", "test"),
    [
        ("<", attrs.Keyword("K") < 1),
        ("<=", attrs.Keyword("K") <= 1),
        (">", attrs.Keyword("K") > 1),
        (">=", attrs.Keyword("K") >= 1),
        ("=", attrs.Keyword("K") == 1),
        ("!=", attrs.Keyword("K") != 1),
    ],
)
def test_comparisons(operator, test):
    assert (test.name, test.operator, test.value) == ("K", operator, 1)


def test_two_tests_of_one_keyword_are_both_kept():
    both = (attrs.Keyword("EXPTIME") > 1) & (attrs.Keyword("EXPTIME") > 2)
    assert both.condition == AllOf((KeywordTest("EXPTIME", ">", 1), KeywordTest("EXPTIME", ">", 2)))


def test_a_chained_comparison_is_refused():
    with pytest.raises(QueryError, match=r"write \(Keyword > 2\) & \(Keyword < 5\)"):
        _ = 2 < attrs.Keyword("CAMERA") < 5


def test_values_of_a_table_are_values():
    time = Time("2014-01-01T00:00:00")
    assert attrs.PrimeKey("HARPNUM", np.int32(7)) == attrs.PrimeKey("HARPNUM", 7)
    assert attrs.PrimeKey("HARPNUM", np.str_("7")) == attrs.PrimeKey("HARPNUM", "7")
    assert attrs.PrimeKey("T_REC", time).value == "2014.01.01_00:00:35_TAI"
    assert (attrs.Keyword("T_OBS") > time).value == "2014.01.01_00:00:35_TAI"
    assert (attrs.Keyword("EXPTIME") > np.float32(2)).value == 2
    # A cell of a column in which other values are missing.
    assert (attrs.Keyword("EXPTIME") > MASKED_LENGTHS[0]) == (attrs.Keyword("EXPTIME") > 1 * u.s)
    assert (attrs.Keyword("T_OBS") > MASKED_TIMES[0]).value == "2014.01.01_00:00:35_TAI"


@pytest.mark.parametrize(
    "midnight",
    [
        date(2014, 1, 1),
        datetime(2014, 1, 1),  # noqa: DTZ001 - UTC, as everywhere in sunpy
        datetime(2014, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        np.datetime64("2014-01-01"),
        np.datetime64("2014-01-01T00:00:00.000000000"),
        pd.Timestamp("2014-01-01"),
        Time("2014-01-01T00:00:35", scale="tai"),
    ],
    ids=repr,
)
def test_times_of_all_kinds_are_times(midnight):
    assert (attrs.Keyword("T_OBS") >= midnight).value == "2014.01.01_00:00:35_TAI"
    assert attrs.PrimeKey("T_REC", midnight).value == "2014.01.01_00:00:35_TAI"


@pytest.mark.parametrize(
    "minute", [timedelta(minutes=1), np.timedelta64(60_000, "ms"), TimeDelta(60, format="sec"), 1 * u.min], ids=repr
)
def test_lengths_of_time_have_a_unit(minute):
    test = attrs.Keyword("EXPTIME") < minute
    assert clauses.clause(test.condition, definitions.load("aia.lev1")) == "EXPTIME<60.0"


def test_sample_is_sunpys():
    assert attrs.Sample is a.Sample
    assert a.jsoc.Sample is a.Sample


def test_completion_shows_words_only():
    assert dir(a.jsoc) == sorted(attrs.__all__)


def test_series_complete_and_print():
    assert "hmi_m_45s" in dir(a.jsoc.Series)
    assert a.jsoc.Series.hmi_m_45s == a.jsoc.Series("hmi.m_45s") or a.jsoc.Series.hmi_m_45s.value.lower() == "hmi.m_45s"
    printed = str(a.jsoc.Series)
    assert "aia_lev1_euv_12s" in printed
    assert "Attribute Name" in printed
    assert "iris" in printed
    assert "magnetogram" in dir(a.jsoc.Segment)
    assert "Dopplergrams with a cadence of 45 seconds" in repr(a.jsoc.Series("hmi.v_45s"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: attrs.Series(""), "Series"),
        (lambda: attrs.Series(5), "Series"),
        (lambda: attrs.Segment("a\nb"), "Segment"),
        (lambda: attrs.Segment(" , "), "Segment"),
        (lambda: attrs.PrimeKey("HARPNUM", None), "PrimeKey HARPNUM"),
        (lambda: attrs.PrimeKey("HARPNUM", True), "PrimeKey HARPNUM"),
        (lambda: attrs.PrimeKey("", "1"), "PrimeKey"),
        (lambda: attrs.Keyword("Å"), "Keyword"),
        (lambda: attrs.Keyword("K") < [1], "Keyword K"),
        (lambda: attrs.Keyword("K") < [1, 2] * u.s, "Keyword K"),
        (lambda: attrs.Keyword("K") < np.nan * u.s, "Keyword K"),
        (lambda: attrs.Keyword("K") == "", "is_missing"),
        (lambda: attrs.Keyword("K").isin("abc"), "isin takes a list"),
        (lambda: attrs.Keyword("K").isin([]), "isin needs values"),
        (lambda: attrs.Keyword("K").contains(5), "contains takes a text"),
        (lambda: attrs.Keyword("K").bits_set(), "a bit is a number"),
        (lambda: attrs.Keyword("K").bits_set(64), "a bit is a number"),
        (lambda: attrs.Keyword("K").bits_clear(1.5), "a bit is a number"),
        (lambda: attrs.PrimeKey("HARPNUM", []), "PrimeKey HARPNUM"),
        (lambda: attrs.PrimeKey("HARPNUM", range(5, 1)), "PrimeKey HARPNUM"),
        (lambda: attrs.PrimeKey("HARPNUM", [1, None]), "PrimeKey HARPNUM"),
        (lambda: attrs.Protocol("quik"), "Protocol 'quik' .* use one of fits, as-is, quick, jpg, mpg, mp4"),
        (lambda: attrs.Protocol("fits", ct="grey.sao"), "no arguments"),
        (lambda: attrs.Protocol("jpg", color="grey.sao"), "no argument color"),
        (lambda: attrs.Protocol("jpg", ct="pink"), "ct is one of"),
        (lambda: attrs.Protocol("mp4", size=3), "size is one of"),
        (lambda: attrs.Protocol("mp4", min=5, max=1), "not less than"),
        (lambda: attrs.Process("rebin"), "needs scale"),
        (lambda: attrs.Process("rebin", scale=0.5, metod="boxcar"), "no argument metod"),
        (lambda: attrs.Process("rebin", scale=0.5 * u.s), "a plain number"),
        (lambda: attrs.Process("rebin", scale=0), "more than nothing"),
        (lambda: attrs.Process("register", scale_to=1 * u.arcsec), "arcsec / pix"),
        (lambda: attrs.Process("map_proj", map="flat", clon=0, clat=0, scale=1, cols=1, rows=1), "map is one of"),
        (lambda: attrs.Process("map_proj", clon=0, clat=0, scale=1, cols=1.5, rows=1), "whole number"),
        (lambda: attrs.Process("map_proj", clon=0, clat=-91, scale=1, cols=1, rows=1), "clat must be from -90 to 90"),
        (lambda: attrs.Process("map_proj", clon=0, clat=2 * u.rad, scale=1, cols=1, rows=1), "from -90 to 90"),
        (lambda: attrs.Cutout("here", width=1 * u.arcsec, height=1 * u.arcsec), "Cutout takes a SkyCoord"),
        (lambda: attrs.Cutout(corner(), width=0 * u.arcsec, height=1 * u.arcsec), "a width and a height"),
        (lambda: attrs.Cutout(corner(), width=1 * u.arcsec), "Cutout cannot be made"),
        (lambda: attrs.Series("hmi.m_45s; drop"), "Series"),
        (lambda: attrs.Series("x" * 64), "Series .* at most 63"),
        (lambda: attrs.RecordSet("hmi.m_45s[$"), "RecordSet"),
        (lambda: attrs.Keyword("K") | attrs.Keyword("L"), "comparison to a value"),
        (lambda: attrs.Notify(None), "email"),
        (lambda: attrs.Notify("nobody"), "'@' symbol"),
        (lambda: attrs.Notify("@example.com"), "Notify takes one email address"),
        (lambda: attrs.Notify("solar@"), "Notify takes one email address"),
        (lambda: attrs.Notify("solar@example.com, lunar@example.com"), "Notify takes one email address"),
        (lambda: attrs.Notify("solar;drop@example.com"), "Notify takes one email address"),
        (lambda: attrs.Keyword("K") == attrs.Keyword("L"), r"Keyword K is compared with values only, .*Keyword\('L'\)"),
        (lambda: attrs.Keyword("K") == True, "Keyword K .* not True .*DRMS has no truths, but numbers such as 0 and 1"),  # noqa: E712
        (lambda: attrs.Keyword("K") > np.datetime64("NaT", "s"), "Keyword K .*NaT"),
        (lambda: attrs.Keyword("K") > pd.NaT, "Keyword K .*NaT"),
        (lambda: attrs.Keyword("K") > np.timedelta64("NaT", "s"), "Keyword K .*NaT"),
        (lambda: attrs.Keyword("K") > np.ma.masked, "Keyword K .*masked"),
        (lambda: attrs.Keyword("K") > MASKED_TIMES[1], "Keyword K .*Time"),
        (lambda: attrs.Keyword("K") > MASKED_LENGTHS[1], "Keyword K .*MaskedQuantity"),
        (lambda: attrs.Keyword("K") > (1 + 2j), "Keyword K .*complex"),
        (lambda: attrs.Keyword("K").isin(b"x"), "isin takes a list"),
        (lambda: attrs.Keyword("K").isin({"a": 1}), "isin takes a list"),
        (lambda: attrs.KeywordComparison("K", "~", 1), "Keyword 'K' cannot be tested with '~'"),
        (lambda: attrs.KeywordComparison(None, "=", 1), "Keyword takes the name"),
        (lambda: attrs.Cutout(corner(), top_right="there"), "Cutout takes a SkyCoord as top_right, not 'there'"),
        (lambda: attrs.Cutout(corner(), width=5, height=1 * u.arcsec), "Cutout takes an angle as width.*not 5"),
        (lambda: attrs.Cutout(corner(), width=5 * u.s, height=1 * u.arcsec), "Cutout takes an angle as width.* s>"),
        (
            lambda: attrs.Cutout(corner(), width=1 * u.arcsec, height=1 * u.arcsec, tracking="no"),
            "Cutout: tracking is True or False, not 'no'",
        ),
        (
            lambda: attrs.Process("im_patch", t_ref="a[1]", width=1, height=1),
            r"Process im_patch: t_ref is a time, not 'a\[1\]'",
        ),
        (attrs.Keys, "Keys"),
        (lambda: attrs.Keys("T_REC", 1), "Keys"),
        (lambda: attrs.Process("rebin", scale=[1]), "Process rebin"),
        (lambda: attrs.Process("rebin", scale="1|no_op"), "Process rebin"),
        (lambda: attrs.Process("rebin,scale"), "not a step that sites know"),
        (lambda: attrs.Site("  "), "Site"),
        (lambda: attrs.RecordSet(b"x"), "RecordSet"),
    ],
)
def test_bad_values_are_refused_at_once(make, words):
    with pytest.raises(QueryError, match=words):
        make()


def test_cutout_is_what_im_patch_takes():
    cutout = attrs.Cutout(corner(), top_right=corner(-100, 125), tracking=True, register=True)
    assert cutout.value["t"] == 0
    assert cutout.value["r"] == 1
    assert cutout.value["c"] == 0
    assert (cutout.value["x"], cutout.value["y"]) == pytest.approx((-300, -75))
    assert (cutout.value["width"], cutout.value["height"]) == pytest.approx((400, 400))
    assert cutout.value["t_ref"] == "2020-01-01T00:00:00.000"


def test_cutout_off_the_disk_cannot_be_tracked():
    with pytest.raises(QueryError, match="not on the solar disk"):
        attrs.Cutout(corner(2000, 0), width=10 * u.arcsec, height=10 * u.arcsec, tracking=True)


def test_cutout_far_from_the_disk_is_refused():
    size = {"width": 10 * u.arcsec, "height": 10 * u.arcsec}
    with pytest.raises(QueryError, match=r"begins 7071 arcsec from .* limb is at 976 arcsec"):
        attrs.Cutout(corner(5000, 5000), **size)
    with pytest.raises(QueryError, match="limb is at 976 arcsec"):
        attrs.Cutout(corner(-1300, 0), **size)
    assert attrs.Cutout(corner(-1270, 0), **size).value["x"] == pytest.approx(-1265)
    assert attrs.Cutout(corner(-3000, -3000), top_right=corner(3000, 3000)).value["width"] == pytest.approx(6000)


def test_cutout_in_another_frame_is_what_sdo_sees():
    when = "2020-01-01T00:00"
    patch = SkyCoord(-5 * u.deg, -5 * u.deg, obstime=when, frame=frames.HeliographicStonyhurst)
    value = attrs.Cutout(patch, width=10 * u.deg, height=10 * u.deg).value
    middle = SkyCoord(0 * u.deg, 0 * u.deg, obstime=when, frame=frames.HeliographicStonyhurst).transform_to(
        frames.Helioprojective(observer="earth", obstime=when)
    )
    assert (value["x"], value["y"]) == pytest.approx((middle.Tx.value, middle.Ty.value), abs=2)
    # Ten degrees in the middle of the disk.
    radius = 976
    assert (value["width"], value["height"]) == pytest.approx((0.174 * radius, 0.174 * radius), rel=0.03)
    carrington = SkyCoord(patch).transform_to(frames.HeliographicCarrington(observer="earth", obstime=when))
    same = attrs.Cutout(carrington, width=10 * u.deg, height=10 * u.deg).value
    assert [same[key] for key in ("x", "width")] == pytest.approx([value[key] for key in ("x", "width")], abs=0.5)


def test_cutout_seen_from_elsewhere_is_turned_to_sdo():
    there = SkyCoord(30 * u.deg, 0 * u.deg, 1 * u.AU, obstime="2020-01-01", frame=frames.HeliographicStonyhurst)
    seen = SkyCoord(-50 * u.arcsec, -50 * u.arcsec, observer=there, obstime="2020-01-01", frame=frames.Helioprojective)
    value = attrs.Cutout(seen, width=100 * u.arcsec, height=100 * u.arcsec).value
    assert value["x"] == pytest.approx(976 * np.sin(np.radians(30)), rel=0.03)
    sdo = SkyCoord(-500 * u.arcsec, 0 * u.arcsec, observer="earth", obstime="2020-01-01", frame=frames.Helioprojective)
    assert attrs.Cutout(sdo, width=100 * u.arcsec, height=100 * u.arcsec).value["x"] == pytest.approx(-450)


def test_cutout_seen_from_l1_is_turned_to_sdo():
    earth = get_earth("2020-01-01")
    observer = SkyCoord(earth.lon, earth.lat, earth.radius - 0.0098 * u.AU, frame=earth.frame)
    size = {"width": 100 * u.arcsec, "height": 100 * u.arcsec}
    seen = SkyCoord(-500 * u.arcsec, -50 * u.arcsec, observer=observer, obstime="2020-01-01", frame="helioprojective")
    assert attrs.Cutout(seen, **size).value["x"] == pytest.approx(-450 * 0.99, abs=1)
    observer = SkyCoord(earth.lon, earth.lat, earth.radius - 4e4 * u.km, frame=earth.frame)
    seen = SkyCoord(-500 * u.arcsec, -50 * u.arcsec, observer=observer, obstime="2020-01-01", frame="helioprojective")
    assert attrs.Cutout(seen, **size).value["x"] == pytest.approx(-450)


def test_cutout_between_places_in_space():
    sky = corner(-500, -100), corner(-400, 100)
    expected = attrs.Cutout(*sky).value
    whole = [SkyCoord(place.frame.make_3d()) for place in sky]
    for frame in (
        frames.Heliocentric(observer="earth", obstime=sky[0].obstime),
        frames.HeliographicStonyhurst(obstime=sky[0].obstime, representation_type="cartesian"),
    ):
        value = attrs.Cutout(*(place.transform_to(frame) for place in whole)).value
        assert [value[key] for key in ("x", "y")] == pytest.approx([expected[key] for key in ("x", "y")], abs=12)
        assert value["width"] == pytest.approx(100, rel=0.3)


@pytest.mark.parametrize(
    "frame",
    [
        GCRS(obstime="2020-01-01"),
        frames.Heliocentric(obstime="2020-01-01"),
        frames.Heliocentric(observer="mars", obstime="2020-01-01"),
    ],
)
def test_corners_nobody_can_turn_to_sdo_are_refused(frame):
    units = (u.deg, u.deg) if isinstance(frame, GCRS) else (u.km, u.km, u.km)
    places = [SkyCoord(*(value * unit for unit in units), frame=frame) for value in (0, 1)]
    with pytest.raises(QueryError, match="Cutout"):
        attrs.Cutout(*places)


@pytest.mark.parametrize("lon", [180, 85])
def test_cutout_beyond_the_limb_is_refused(lon):
    patch = SkyCoord(lon * u.deg, 0 * u.deg, obstime="2020-01-01", frame=frames.HeliographicStonyhurst)
    with pytest.raises(QueryError, match="SDO does not see all of the part"):
        attrs.Cutout(patch, width=10 * u.deg, height=10 * u.deg)


def test_cutout_needs_a_time():
    patch = SkyCoord(0 * u.deg, 0 * u.deg, frame=frames.HeliographicStonyhurst)
    with pytest.raises(QueryError, match="needs an obstime"):
        attrs.Cutout(patch, width=10 * u.deg, height=10 * u.deg)


def test_conditions_stay_one_word():
    short, good, late = (
        attrs.Keyword("EXPTIME") < 2,
        attrs.Keyword("QUALITY") == 0,
        attrs.Keyword("T_OBS") > "2014.01.01",
    )
    either = (short & good) | ~late
    assert type(either) is attrs.KeywordCondition
    assert (attrs.Series("x") & either).attrs == [attrs.Series("x"), either]
    assert either == (short & good) | ~late
    assert hash(either) == hash((short & good) | ~late)
    assert pickle.loads(pickle.dumps(either)) == either
    assert deepcopy(either) == either
    assert repr(either).startswith("<jsoc_fido.attrs.KeywordCondition(((Keyword('EXPTIME') < 2)")
    with pytest.raises(QueryError, match="neither true nor false"):
        _ = short and good


def test_quantities_and_numbers_may_come_first():
    assert (2 * u.s > attrs.Keyword("EXPTIME")) == (attrs.Keyword("EXPTIME") < 2 * u.s)
    assert (np.float32(2) > attrs.Keyword("EXPTIME")) == (attrs.Keyword("EXPTIME") < 2)


def test_values_of_prime_keys_may_be_many():
    assert attrs.PrimeKey("HARPNUM", np.array([1, 5])).values == (1, 5)
    assert attrs.PrimeKey("HARPNUM", range(1, 10)).value == "1-9"
    # A column of whole numbers with a gap in it has floats.
    assert repr(attrs.PrimeKey("HARPNUM", 3568.0)) == "<jsoc_fido.attrs.PrimeKey('HARPNUM', 3568)>"
    assert repr(attrs.PrimeKey("X", np.array([1.0, 1.5])).values) == "(1, 1.5)"
    assert attrs.PrimeKey("T_REC", Time(["2014-01-01", "2014-01-02"])).values == (
        "2014.01.01_00:00:35_TAI",
        "2014.01.02_00:00:35_TAI",
    )


def test_steps_are_written_as_sites_read_them():
    assert str(attrs.Process("resize", scale_to=1 * u.arcsec / u.pix).step) == "resize,scale_to=1.0,rescale=1"
    assert attrs.Process("Maproj", clon=0, clat=0, scale=1, cols=9, rows=9) == attrs.Process(
        "map_proj", clon=0, clat=0 * u.deg, scale=60 * u.arcmin / u.pix, cols=9 * u.pix, rows=9
    )


def test_whole_numbers_may_be_floats():
    assert attrs.Protocol("jpg", size=8.0).text == attrs.Protocol("jpg", size=np.float32(8)).text == "jpg,size=8"
    with pytest.raises(QueryError, match="size is one of"):
        attrs.Protocol("jpg", size=8.5)


def test_an_address_is_not_shown():
    assert "solar@example.com" not in repr(attrs.Notify("solar@example.com"))
    assert "solar@example.com" not in repr(
        jsoc_fido.walker.queries(attrs.Series("x") & attrs.Notify("solar@example.com"))
    )
