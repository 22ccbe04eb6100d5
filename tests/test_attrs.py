import pickle
from copy import deepcopy

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import frames
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import attrs
from jsoc_fido.exceptions import QueryError


def corner(x=-500, y=-275, **kwargs):
    return SkyCoord(
        x * u.arcsec, y * u.arcsec, obstime="2020-01-01T00:00", observer="earth", frame=frames.Helioprojective, **kwargs
    )


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
    assert attrs.Series("x") != attrs.Protocol("x")
    assert len({attrs.Series("x"), attrs.Protocol("x"), attrs.Segment("x"), attrs.Series("x")}) == 3
    both = attrs.Series("x") | attrs.Protocol("x")
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


def test_two_tests_of_one_keyword_stay_two():
    both = (attrs.Keyword("EXPTIME") > 1) & (attrs.Keyword("EXPTIME") > 2)
    assert len(both.attrs) == 2


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
        (lambda: attrs.Keyword("K") < 1 * u.s, "Keyword K"),
        (lambda: attrs.Keyword("K") | attrs.Keyword("L"), "comparison to a value"),
        (lambda: attrs.Notify(None), "email"),
        (lambda: attrs.Notify("nobody"), "'@' symbol"),
        (attrs.Keys, "Keys"),
        (lambda: attrs.Keys("T_REC", 1), "Keys"),
        (lambda: attrs.Process("rebin", scale=[1]), "Process rebin"),
        (lambda: attrs.Process("rebin", scale="1|no_op"), "Process rebin"),
        (lambda: attrs.Process("rebin,scale"), "processing step"),
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


def test_cutout_wants_helioprojective():
    carrington = SkyCoord(
        0 * u.deg, 0 * u.deg, obstime="2020-01-01", observer="earth", frame=frames.HeliographicCarrington
    )
    with pytest.raises(QueryError, match="Helioprojective"):
        attrs.Cutout(carrington, width=1 * u.deg, height=1 * u.deg)


def test_an_address_is_not_shown():
    assert "solar@example.com" not in repr(attrs.Notify("solar@example.com"))
    assert "solar@example.com" not in repr(
        jsoc_fido.walker.queries(attrs.Series("x") & attrs.Notify("solar@example.com"))
    )
