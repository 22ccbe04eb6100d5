"""
How many questions a search asks: one for each site and record set, and one for each series that is not known yet.
"""

import astropy.units as u
import pytest
from astropy.config.paths import set_temp_cache
from astropy.coordinates import SkyCoord
from sunpy.coordinates import frames
from sunpy.net import Fido
from sunpy.net import attrs as a

import jsoc_fido
from jsoc_fido import JSOCClient, attrs
from jsoc_fido.site import site

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
NEXT = a.Time("2014-01-02T00:00:00", "2014-01-02T01:00:00")
VELOCITY, PATCHES, AIA = (attrs.Series(name) for name in ("hmi.v_45s", "hmi.sharp_720s", "aia.lev1_euv_12s"))
PrimeKey, Keyword = attrs.PrimeKey, attrs.Keyword
NOTIFY = attrs.Notify("solar@example.com")
CORNER = SkyCoord(-5 * u.deg, -5 * u.deg, obstime="2014-01-01T00:00", frame=frames.HeliographicStonyhurst)

#: Searches by what is delivered with each of them: words, series that are asked about, record sets.
SEARCHES = {
    # Keyword expressions
    "comparisons": ([HOUR, PATCHES, Keyword("USFLUX") > 1e21, Keyword("QUALITY") == 0], 1, 1),
    "alternatives of conditions": (
        [HOUR, PATCHES, Keyword("NOAA_ARS").contains("119") | ~Keyword("USFLUX").between(1e20, 1e21)],
        1,
        1,
    ),
    "branches that differ in conditions": (
        [(HOUR & PATCHES & (Keyword("USFLUX") > 1e22)) | (HOUR & PATCHES & Keyword("QUALITY").bits_clear(31))],
        1,
        1,
    ),
    "a set, a missing value, a status word": (
        [
            HOUR,
            PATCHES,
            Keyword("HARPNUM").isin([1, 2, 3]) | Keyword("USFLUX").is_missing() | Keyword("QUALITY").bits_set(8),
        ],
        1,
        1,
    ),
    # Times and other keys
    "a list of a prime key": ([PATCHES, PrimeKey("HARPNUM", [3000, "3500-3600", 3700])], 1, 1),
    "alternatives of a prime key": ([HOUR, PATCHES, PrimeKey("HARPNUM", 1) | PrimeKey("HARPNUM", "3000-4000")], 1, 1),
    "the last of a prime key": ([PATCHES, PrimeKey("HARPNUM", "$")], 1, 1),
    "wavelengths": ([HOUR, AIA, a.Wavelength(100 * u.AA, 200 * u.AA)], 1, 1),
    "every so often": ([HOUR, VELOCITY, a.Sample(9 * u.min)], 1, 1),
    "two times": ([HOUR | NEXT, VELOCITY], 1, 2),
    "two series": ([HOUR, VELOCITY | AIA], 2, 2),
    "two series at two times": ([HOUR | NEXT, VELOCITY | AIA], 2, 4),
    "a record set": ([attrs.RecordSet("hmi.v_45s[2014.01.01_TAI/1h][? QUALITY>=0 ?]")], 1, 1),
    # Cutouts, processing, formats: nothing of that is asked when searching
    "a cutout": ([HOUR, VELOCITY, attrs.Cutout(CORNER, width=5 * u.deg, height=5 * u.deg), NOTIFY], 1, 1),
    "two steps": (
        [HOUR, VELOCITY, attrs.Process("register", scale_to=1 * u.arcsec / u.pix), attrs.Process("rebin", scale=0.5)],
        1,
        1,
    ),
    "a movie": ([HOUR, VELOCITY, attrs.Protocol("mp4", ct="grey.sao", size=4), NOTIFY], 1, 1),
    # Which columns and files come along
    "segments and keywords": ([HOUR, PATCHES, attrs.Segment("bitmap, magnetogram"), attrs.Keys("USFLUX")], 1, 1),
}


@pytest.fixture
def unknown(local_site, tmp_path):
    """
    The local site, none of whose series anybody has heard of.
    """
    with set_temp_cache(tmp_path):
        site(local_site.url)._definitions.clear()
        yield local_site


@pytest.mark.parametrize(("words", "series", "record_sets"), SEARCHES.values(), ids=SEARCHES)
def test_a_search_asks_once_for_each_record_set_and_unknown_series(unknown, words, series, record_sets):
    JSOCClient().search(*words)
    asked = [what for _, what in unknown.requests]
    assert sorted(asked) == ["rs_list"] * record_sets + ["series_struct"] * series
    unknown.requests.clear()
    JSOCClient().search(*words)
    assert [what for _, what in unknown.requests] == ["rs_list"] * record_sets


@pytest.mark.parametrize(("words", "series", "record_sets"), SEARCHES.values(), ids=SEARCHES)
def test_fido_asks_no_more_than_once_for_each_of_its_branches(unknown, words, series, record_sets):
    found = Fido.search(*words)
    assert unknown.count("series_struct") == series
    assert unknown.count("rs_list") == len(unknown.requests) - series == len(found)
    assert len(found) >= record_sets


def test_each_of_several_sites_is_asked_once(unknown):
    jsoc_fido.register_site("second", unknown.url)
    jsoc_fido.register_site("third", unknown.url, kind="flarecast")
    where = attrs.Site(unknown.url) | attrs.Site("second") | attrs.Site("third")
    found = JSOCClient().search(HOUR, PATCHES, attrs.Segment("bitmap"), where)
    assert [question.site for question in found.questions] == [unknown.url, "second", "third"]
    # The gateway's series are known without asking.
    asked = sorted(what for _, what in unknown.requests)
    assert asked == ["flarecast_list", "rs_list", "rs_list", "series_struct", "series_struct"]


def test_discovery_asks_once(unknown):
    client = JSOCClient()
    for ask, what in (
        (lambda: client.series(r"hmi\."), ["show_series"]),
        (lambda: client.info("hmi.sharp_720s"), ["series_struct"]),
        (lambda: client.info("HMI.SHARP_720S"), []),
        (lambda: client.harps(HOUR), ["rs_list"]),
        (lambda: client.harps(HOUR, 11944), ["rs_list"]),
        (lambda: client.harps(a.Time("2014-01-01", "2014-02-01")), ["rs_list"]),
    ):
        unknown.requests.clear()
        ask()
        assert [name for _, name in unknown.requests] == what


def test_a_gateway_is_asked_once_for_a_list_and_once_for_more_keywords(unknown):
    jsoc_fido.register_site("gateway-of-questions", unknown.url, kind="flarecast")
    client = JSOCClient("gateway-of-questions")
    found = client.search(HOUR, PATCHES, attrs.Segment("magnetogram"))
    assert [what for _, what in unknown.requests] == ["flarecast_list"]
    client.with_keywords(found, "USFLUX", "NOAA_ARS")
    assert [what for _, what in unknown.requests] == ["flarecast_list", "flarecast_meta"]
    unknown.requests.clear()
    client.search(HOUR, PATCHES, attrs.Keys("USFLUX"))
    assert [what for _, what in unknown.requests] == ["flarecast_list"]
