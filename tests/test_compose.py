import json

import astropy.units as u
import pytest
from astropy.time import Time
from sunpy.net import attrs as a
from sunpy.net.attr import and_
from sunpy.util.exceptions import SunpyUserWarning

from jsoc_fido import attrs, compose, recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.series import Keyword, NameMap, Series
from jsoc_fido.walker import queries

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")


def ask(series, *words):
    (query,) = queries(and_(attrs.Series(series), *words))
    return str(compose.compose(query, definitions.load(series)))


@pytest.mark.parametrize(
    ("series", "words", "text"),
    [
        ("hmi.v_45s", (HOUR,), "hmi.V_45s[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]"),
        ("hmi.v_45s", (HOUR, a.Sample(9 * u.min)), "hmi.V_45s[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI@540s]"),
        ("hmi.v_45s", (HOUR, a.Sample(45 * u.s)), "hmi.V_45s[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "2"),), "hmi.V_45s[][2]"),
        ("hmi.v_45s", (attrs.PrimeKey("camera", 2),), "hmi.V_45s[][2]"),
        (
            "aia.lev1_euv_12s",
            (HOUR, a.Wavelength(304 * u.AA)),
            "aia.lev1_euv_12s[2014.01.01_00:00:00_UTC-2014.01.01_01:00:00_UTC][304]",
        ),
        ("aia.lev1_euv_12s", (a.Wavelength(17.1 * u.nm),), "aia.lev1_euv_12s[][171]"),
        ("aia.lev1_euv_12s", (a.Wavelength(170 * u.AA, 20 * u.nm),), "aia.lev1_euv_12s[][171,193]"),
        ("aia.lev1_uv_24s", (a.Wavelength(100 * u.AA, 2000 * u.AA),), "aia.lev1_uv_24s[][1600,1700]"),
        (
            "aia.lev1",
            (HOUR, a.Wavelength(171 * u.AA), attrs.Keyword("EXPTIME") < 2),
            "aia.lev1[2014.01.01_00:00:00_UTC-2014.01.01_01:00:00_UTC][? EXPTIME<2 AND WAVELNTH=171 ?]",
        ),
        (
            "aia.lev1",
            (attrs.PrimeKey("FSN", 7), a.Wavelength(90 * u.AA, 200 * u.AA)),
            "aia.lev1[][7][? WAVELNTH IN (94,131,171,193) ?]",
        ),
        (
            "hmi.sharp_720s",
            (
                attrs.PrimeKey("HARPNUM", "4864") & attrs.PrimeKey("HARPNUM", "5000-5003"),
                attrs.Segment("Continuum") & attrs.Segment("magnetogram"),
            ),
            "hmi.sharp_720s[4864,5000-5003]{continuum,magnetogram}",
        ),
        ("hmi.sharp_720s", (attrs.PrimeKey("HARPNUM", [4864, "5000-5003"]),), "hmi.sharp_720s[4864,5000-5003]"),
        ("hmi.sharp_720s", (attrs.PrimeKey("HARPNUM", range(4864, 4880, 5)),), "hmi.sharp_720s[4864-4879@5]"),
        ("hmi.sharp_720s", (attrs.PrimeKey("HARPNUM", "^"),), "hmi.sharp_720s[^]"),
        (
            "hmi.sharp_720s",
            (attrs.PrimeKey("T_REC", Time(["2014-01-01", "2014-01-02"])),),
            "hmi.sharp_720s[][2014.01.01_00:00:35_TAI,2014.01.02_00:00:35_TAI]",
        ),
        (
            # DRMS misreads times with dashes in a list.
            "hmi.sharp_720s",
            (attrs.PrimeKey("T_REC", ["2014-01-01T00:00:00Z", "2014-01-02T00:00Z/1d@6h", "2014.01.05_TAI"]),),
            "hmi.sharp_720s[][2014.01.01_00:00:00_UTC,2014.01.02_00:00:00_UTC/1d@6h,2014.01.05_TAI]",
        ),
        (
            "hmi.sharp_720s",
            (attrs.PrimeKey("T_REC", "2014.11.30_TAI/1d@6h"),),
            "hmi.sharp_720s[][2014.11.30_TAI/1d@6h]",
        ),
        (
            "hmi.sharp_720s",
            (
                attrs.PrimeKey("HARPNUM", "$"),
                attrs.Keyword("USFLUX") > 1e22,
                attrs.Keyword("QUALITY") == "0x0",
                attrs.Keyword("NOAA_ARS") != "it's",
            ),
            "hmi.sharp_720s[$][? USFLUX>1e+22 AND QUALITY=0 AND NOAA_ARS<>'it''s' ?]",
        ),
        (
            "hmi.v_45s",
            (HOUR, attrs.Keyword("T_OBS") < "2014.01.01_TAI"),
            "hmi.V_45s[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI][? T_OBS<$(2014.01.01_00:00:00.000_TAI) ?]",
        ),
    ],
)
def test_words_to_text(series, words, text):
    asked = ask(series, *words)
    assert asked == text
    assert str(recordset.parse(asked)) == text


def test_time_in_any_scale_becomes_the_series_own():
    span = a.Time(Time("2014-01-01T00:00:00", scale="tai"), Time("2014-01-01T01:00:00", scale="tai"))
    assert ask("hmi.v_45s", span) == "hmi.V_45s[2014.01.01_00:00:00_TAI-2014.01.01_01:00:00_TAI]"


def definition(*keys, **keywords):
    """
    A series with prime keys of types, and other keywords.
    """
    return Series(
        "su.test",
        prime_keys=tuple(name for name, _ in keys),
        keywords=NameMap([Keyword(name, kind, units="TAI") for name, kind in (*keys, *keywords.items())]),
    )


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ((("T_OBS", "time"),), "su.test[2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]"),
        ((("NR", "int"), ("T_START", "time")), "su.test[][2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]"),
        (
            (("T_STOP", "time"), ("T_START", "time")),
            "su.test[][2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]",
        ),
        ((("T_OBS", "time"), ("t_rec", "time")), "su.test[][2014.01.01_00:00:35_TAI-2014.01.01_01:00:35_TAI]"),
    ],
)
def test_time_goes_to_the_time_of_the_data(keys, text):
    (query,) = queries(attrs.Series("su.test") & HOUR)
    assert str(compose.compose(query, definition(*keys))) == text


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ((("BORN", "time"), ("DIED", "time")), r"Time: .*several times.*PrimeKey\('BORN'"),
        ((("NR", "int"),), r"Time: .*no time among its prime keys.*Keyword\('WHEN'\).between"),
    ],
)
def test_time_without_one_place_to_go_is_refused(keys, message):
    (query,) = queries(attrs.Series("su.test") & HOUR)
    with pytest.raises(QueryError, match=message):
        compose.compose(query, definition(*keys, WHEN="time"))


@pytest.mark.parametrize(
    ("series", "sample", "words", "ending"),
    [
        ("hmi.v_45s", 10 * u.min, "one every 585 s", "@600s]"),
        ("hmi.v_45s", 10 * u.s, "one every 45 s", "_TAI]"),
    ],
)
def test_a_sample_that_does_not_fit_is_told(series, sample, words, ending):
    with pytest.warns(SunpyUserWarning, match=words):
        assert ask(series, HOUR, a.Sample(sample)).endswith(ending)


def test_a_sample_without_a_grid_is_told():
    (query,) = queries(attrs.Series("su.test") & HOUR & a.Sample(1 * u.min))
    with pytest.warns(SunpyUserWarning, match="lies on no grid"):
        assert str(compose.compose(query, definition(("T_OBS", "time")))).endswith("@60s]")


def test_a_sample_on_a_grid_that_only_rounds_is_told():
    with pytest.warns(SunpyUserWarning, match=r"T_REC of aia.lev1 lies on no grid; .* multiples of 3 s"):
        assert ask("aia.lev1", HOUR, a.Sample(2.5 * u.s)).endswith("@2.5s]")
    assert "@" not in ask("aia.lev1", HOUR, a.Sample(1 * u.s))
    with pytest.warns(SunpyUserWarning, match="one every 1 s"):
        assert "@" not in ask("aia.lev1", HOUR, a.Sample(0.4 * u.s))


def test_a_prime_key_takes_quantities():
    (query,) = queries(attrs.Series("su.test") & attrs.PrimeKey("LON", 0.5 * u.rad))
    series = Series("su.test", prime_keys=("LON",), keywords=NameMap([Keyword("LON", "double", units="degrees")]))
    assert str(compose.compose(query, series)) == "su.test[28.647889756541]"


def test_record_set_as_text():
    text = "hmi.sharp_720s[4864][2014.11.30_TAI/1d][? USFLUX>1e22 ?]"
    (query,) = queries(attrs.RecordSet(text) & attrs.Segment("magnetogram"))
    assert compose.series_name(query) == "hmi.sharp_720s"
    assert str(compose.compose(query, definitions.load("hmi.sharp_720s"))) == text + "{magnetogram}"


@pytest.mark.parametrize(
    ("series", "words", "message"),
    [
        ("hmi.v_45s", (), "Time, Wavelength or an explicit PrimeKey must be specified"),
        ("hmi.v_45s", (attrs.Keyword("QUALITY") == 0,), "explicit PrimeKey must be specified"),
        (
            "hmi.v_45s",
            (attrs.PrimeKey("HARPNUM", "1"),),
            r"HARPNUM.*supports the following PrimeKeys \['T_REC', 'CAMERA'\]",
        ),
        ("hmi.v_45s", (HOUR, a.Wavelength(6173 * u.AA)), "does not support wavelength attribute"),
        ("hmi.v_45s", (a.Sample(1 * u.min), attrs.PrimeKey("CAMERA", 2)), "Sample needs Time"),
        ("hmi.v_45s", (HOUR, attrs.PrimeKey("T_REC", "$")), "both as Time and as PrimeKey"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "front"),), "PrimeKey CAMERA cannot be 'front'"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", 1.5),), "PrimeKey CAMERA cannot be 1.5: .* is not an integer"),
        ("hmi.v_45s", (attrs.PrimeKey("T_REC", 2014),), "PrimeKey T_REC cannot be 2014: .* is a time"),
        ("hmi.v_45s", (attrs.PrimeKey("T_REC", 45 * u.s),), "PrimeKey T_REC cannot be 45 s: .* is a time"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "2][3"),), "CAMERA"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "2]{x"),), "CAMERA"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "2]{Dopplergram} # junk"),), "CAMERA"),
        ("hmi.v_45s", (attrs.PrimeKey("CAMERA", "2] # junk"),), "CAMERA"),
        ("hmi.v_45s", (HOUR, attrs.Keyword("T_OBS") > 5), "T_OBS is a time"),
        ("hmi.v_45s", (HOUR, attrs.Keyword("T_OBS") > "soon"), "T_OBS is a time"),
        ("aia.lev1_euv_12s", (a.Wavelength(170.3 * u.AA),), "has none of 170.3 angstrom; it has 94, 131"),
        ("hmi.v_45s", (attrs.PrimeKey("T_REC", "2014.01.01_TAI-"),), "T_REC"),
        ("hmi.v_45s", (attrs.PrimeKey("T_REC", "2014-01-01T00:00:00-2014-01-02T00:00:00"),), "T_REC"),
        (
            "hmi.sharp_720s",
            (HOUR, attrs.Segment("image")),
            r"Unexpected Segments .* hmi.sharp_720s contains the following Segments \['magnetogram', 'bitmap'",
        ),
        (
            "hmi.sharp_720s",
            (HOUR, attrs.Keyword("bac") == 0),
            "Keyword: 'bac' is not supported by series: hmi.sharp_720s",
        ),
        ("hmi.sharp_720s", (HOUR, attrs.Keyword("USFLUX") < "much"), "USFLUX.*'much'"),
        ("hmi.sharp_720s", (HOUR, attrs.Keyword("USFLUX") < float("inf")), "USFLUX"),
        ("hmi.sharp_720s", (HOUR, attrs.Keyword("NOAA_ARS") == "a ?] b"), "."),
        ("hmi.sharp_720s", (HOUR, attrs.Keyword("NOAA_ARS") == "a; b"), ";"),
        ("aia.lev1_euv_12s", (a.Wavelength(172 * u.AA, 190 * u.AA),), "has none of from 172 to 190 angstrom"),
    ],
)
def test_what_the_series_does_not_know_is_refused(series, words, message):
    with pytest.raises(QueryError, match=message):
        ask(series, *words)


def test_an_error_that_sunpy_raises_as_type_error_is_one_too():
    with pytest.raises(TypeError, match="does not support wavelength"):
        ask("hmi.v_45s", HOUR, a.Wavelength(6173 * u.AA))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((HOUR,), "Series must be specified"),
        ((attrs.RecordSet("hmi.m_45s[$]"), attrs.Series("hmi.v_45s")), "names 'hmi.v_45s'"),
    ],
)
def test_which_series(words, message):
    (query,) = queries(and_(*words))
    with pytest.raises(QueryError, match=message):
        compose.series_name(query)


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("hmi.sharp_720s[4864]", (HOUR,), "leave out Time"),
        ("hmi.sharp_720s[4864]{nosuch}", (), "Unexpected Segments"),
        ("hmi.sharp_720s[4864]{bitmap}", (attrs.Segment("magnetogram"),), "give one of them"),
        ("hmi.sharp_720s[a][b][c]", (), "."),
        ("hmi.sharp_720s[QUALITY=0]", (), "QUALITY"),
    ],
)
def test_record_set_is_checked(text, words, message):
    (query,) = queries(and_(attrs.RecordSet(text), *words))
    with pytest.raises(QueryError, match=message):
        compose.compose(query, definitions.load("hmi.sharp_720s"))


def test_every_real_series_can_be_asked(realdata):
    for path in sorted((realdata / "jsoc_replies").glob("series_struct__*.json")):
        reply = json.loads(path.read_text("latin1"))
        if reply["status"] != 0:
            continue
        series = Series.from_struct(reply, path.stem.removeprefix("series_struct__"))
        (query,) = queries(and_(HOUR, attrs.Series(series.name)))
        assert str(compose.compose(query, series)).startswith(series.name)
        assert all(key.slot for key in series.prime_key_types if key.type == "time")


def test_keys_bring_the_prime_keys():
    (query,) = queries(attrs.Series("hmi.sharp_720s") & attrs.Keys("USFLUX", "T_REC"))
    assert compose.keys(query, definitions.load("hmi.sharp_720s")) == ("HARPNUM", "T_REC", "USFLUX")
    (query,) = queries(attrs.Series("hmi.sharp_720s") & attrs.Keys("USFLUKS"))
    with pytest.raises(QueryError, match="USFLUKS"):
        compose.keys(query, definitions.load("hmi.sharp_720s"))
