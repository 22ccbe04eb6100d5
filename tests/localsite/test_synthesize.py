import hashlib
import logging

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.table import QTable
from astropy.time import Time
from stored import exported, records
from sunpy.coordinates import HeliographicCarrington
from sunpy.map.maputils import all_coordinates_from_map, coordinate_is_on_solar_disk

from jsoc_fido import times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import images
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.ephemeris import ephemeris
from jsoc_fido.localsite.regions import between, region, region_at
from jsoc_fido.localsite.synthesize import PRODUCTS, synthesize
from jsoc_fido.series import Segment

HOUR = ("2014-01-01T00:00:00", "2014-01-01T01:00:00")


@pytest.fixture
def site(tmp_path):
    with Catalogue.create(tmp_path / "site") as catalogue:
        yield catalogue


def test_an_hour_of_dopplergrams_is_that_of_the_guide(site):
    assert synthesize(site, "hmi.v_45s", *HOUR) == 81
    found = records(site, "hmi.v_45s")
    slots = [times.format(record.keywords["T_REC"]) for record in found]
    assert (slots[0], slots[-1]) == ("2014.01.01_00:00:45_TAI", "2014.01.01_01:00:45_TAI")
    first = found[0].keywords
    assert times.format(first["T_OBS"]) == "2014.01.01_00:00:37_TAI"
    assert times.format(first["DATE__OBS"], "ISO", 2) == "2013-12-31T23:59:39.20Z"
    assert (first["INSTRUME"], first["CAMERA"], first["CAR_ROT"]) == ("HMI_FRONT2", 2, 2145)
    assert found[0].series.keywords["WAVELNTH"].default == "6173.0"
    assert {record.keywords["QUALITY"] for record in found} == {0}
    assert all(record.files["Dopplergram"].stat().st_size == record.row["sg_000_bytes"] for record in found)
    assert {record.row["sg_000_dims"] for record in found} == {"64x64"}


def test_an_hour_of_euv_images_is_that_of_the_guide(site):
    assert synthesize(site, "aia.lev1_euv_12s", *HOUR, size=8) == 2107
    found = records(site, "aia.lev1_euv_12s")
    assert [record.keywords["WAVELNTH"] for record in found[:7]] == [94, 131, 171, 193, 211, 304, 335]
    assert [record.keywords["INSTRUME"] for record in found[:7]] == [f"AIA_{n}" for n in (4, 1, 3, 2, 2, 4, 1)]
    assert [times.format(record.keywords["T_REC"], "ISO") for record in (found[0], found[-1])] == [
        "2014-01-01T00:00:01Z",
        "2014-01-01T01:00:01Z",
    ]
    numbers = [record.keywords["FSN"] for record in found]
    assert len(set(numbers)) == len(numbers)
    assert all(0.4 < record.keywords["EXPTIME"] < 3.0 for record in found)


STRUCTURE = {"XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BLANK", "BZERO", "BSCALE", ""}


@pytest.mark.parametrize("series", sorted(PRODUCTS))
def test_every_series_can_be_computed(site, series, tmp_path):
    assert synthesize(site, series, "2017-09-06T12:00:00", "2017-09-06T12:00:10", size=16) >= 1
    found = records(site, series)
    missing = set(found[0].keywords)
    for record in found:
        missing &= {name for name, value in record.keywords.items() if value is None}
        own = [segment.name for segment in record.series.segments.values() if segment.link is None]
        lists = {"spikes", "bad_pixel"}
        assert set(record.files) == {name for name in own if name not in lists}
        for segment, path in record.files.items():
            with fits.open(path, disable_image_compression=True) as hdus:
                assert hdus[1].header["ZCMPTYPE"] == "RICE_1"
                assert (
                    hdus[1].header["ZBITPIX"]
                    == {"char": 8, "short": 16, "int": 32}[record.series.segments[segment].type]
                )
            with fits.open(path) as hdus:
                assert np.isfinite(hdus[1].data).any()
                # Nothing but the structure is in a stored file.
                assert set(hdus[1].header) <= STRUCTURE
        segment = next(iter(record.files))
        with fits.open(exported(record, segment, tmp_path / "exported.fits"), checksum=True) as hdus:
            assert (
                hdus[1].data.shape
                == tuple(map(int, record.row[f"sg_{own_number(record, segment)}_dims"].split("x")))[::-1]
            )
    variable = {name for name in found[0].keywords if not name[-3:].isdigit()}
    # Much of IRIS's telemetry is nothing that could be computed.
    most = 0.6 if series == "iris.lev1" else 0.15
    assert len(variable & missing) < most * len(variable), sorted(variable & missing)


def own_number(record, segment):
    return f"{list(record.series.segments).index(segment):03d}"


def test_the_same_call_makes_the_same_pixels(tmp_path):
    digests = []
    for name in ("one", "two"):
        with Catalogue.create(tmp_path / name) as site:
            # The other one fills the interval in two steps.
            ends = ["2014-01-01T00:10"] if name == "one" else ["2014-01-01T00:03", "2014-01-01T00:10"]
            for end in ends:
                synthesize(site, "hmi.m_45s", "2014-01-01", end, size=32)
                synthesize(site, "hmi.sharp_cea_720s", "2014-01-01", end, size=32)
            found = records(site, "hmi.m_45s") + records(site, "hmi.sharp_cea_720s")
            pixels = hashlib.sha256(b"".join(path.read_bytes() for r in found for path in r.files.values())).hexdigest()
            digests.append((pixels, [record.keywords for record in found]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("series", "options"),
    [
        ("hmi.v_45s", {}),
        ("aia.lev1_uv_24s", {}),
        ("aia.lev1", {}),
        ("iris.lev1", {}),
        ("hmi.sharp_720s", {"harp": 7115}),
    ],
)
def test_what_exists_stays_as_it_is(site, series, options, caplog):
    interval = ("2017-09-06T12:00:00", "2017-09-06T12:03:00")
    added = synthesize(site, series, *interval, size=8, **options)
    with caplog.at_level(logging.INFO, logger="jsoc_fido"):
        assert synthesize(site, series, *interval, size=8, **options) == 0
    assert f"{added} records of {site.series(series).name} exist already" in caplog.text
    longer = synthesize(site, series, interval[0], "2017-09-06T12:30:00", size=8, **options)
    assert len(records(site, series)) == added + longer > added


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2014.01.01_00:00:35_TAI", "2014.01.01_00:03:00_UTC"),
        ("2014/01/01 00:00", "2014-Jan-01 00:03"),
        ("20140101", "2014.01.01_00:03"),
        (Time("2014-01-01T00:00:35", scale="tai"), Time("2014-01-01T00:03:00", scale="utc")),
        ("2014-01-01T00:00:00Z", "2014.01.01_00:03:35_TAI"),
    ],
)
def test_times_in_any_form(site, start, end):
    assert synthesize(site, "hmi.v_45s", start, end, size=8) == 5
    assert times.format(records(site, "hmi.v_45s")[0].keywords["T_REC"]) == "2014.01.01_00:00:45_TAI"


def test_patches_on_the_disk(site):
    added = synthesize(site, "hmi.sharp_720s", *HOUR, size=32)
    found = records(site, "hmi.sharp_720s")
    assert len(found) == added
    numbers = {record.keywords["HARPNUM"] for record in found}
    assert 4 <= len(numbers) <= 25
    assert all(3500 < number < 3700 for number in numbers)
    for record in found:
        assert abs(record.keywords["LON_FWT"]) < 75.0
        assert record.keywords["T_FRST1"] <= record.keywords["T_REC"] <= record.keywords["T_LAST1"]
        assert len(record.files) == 31
    whole = [record for record in found if record.keywords["HARPNUM"] == found[0].keywords["HARPNUM"]]
    assert len({record.row["sg_000_dims"] for record in whole}) == 1


def test_a_patch_of_ones_choice(site):
    assert synthesize(site, "hmi.sharp_cea_720s", "2014-11-30", "2014-11-30T01:00", harp=4864) == 6
    assert synthesize(site, "hmi.sharp_cea_720s", "2019-03-01", "2019-03-01T01:00", harp=12) == 6
    assert {record.keywords["HARPNUM"] for record in records(site, "hmi.sharp_cea_720s")} == {4864, 12}


@pytest.mark.parametrize(
    ("series", "sample", "count", "step"),
    [
        ("hmi.m_45s", 10 * u.min, 7, 585.0),  # 13 slots of 45 s, as in a search
        ("hmi.m_45s", 1 * u.s, 81, 45.0),
        ("hmi.m_45s", 2 * u.day, 1, None),
        ("aia.lev1_euv_12s", 0.5 * u.h, 3 * 7, 1800.0),
        ("hmi.b_720s", 24 * u.min, 3, 1440.0),
    ],
)
def test_one_record_every_so_often(site, series, sample, count, step):
    assert synthesize(site, series, *HOUR, size=8, sample=sample) == count
    when = np.unique([record.keywords["T_REC"] for record in records(site, series)])
    assert set(np.diff(when)) == ({step} if step else set())
    assert synthesize(site, series, *HOUR, size=8, sample=sample) == 0
    if series == "hmi.b_720s":
        assert len(records(site, "hmi.me_720s_fd10")) == count


def test_patches_share_the_times_of_a_sample(site):
    synthesize(site, "hmi.sharp_720s", "2014-01-01", "2014-01-05", size=8, sample=1 * u.day)
    found = records(site, "hmi.sharp_720s")
    when = {record.keywords["T_REC"] for record in found}
    assert len({record.keywords["HARPNUM"] for record in found}) > 10
    assert len(when) == 5
    assert {(time - min(when)) % 86400.0 for time in when} == {0.0}


def test_exposures_are_cut_in_a_flare_and_only_then(site):
    synthesize(site, "aia.lev1_euv_12s", "2021-07-03T14:25", "2021-07-03T14:35", size=8)
    found = [record.keywords for record in records(site, "aia.lev1_euv_12s")]
    short = [record for record in found if record["EXPTIME"] < 2.0]
    # As many as there really are.
    assert (len(found), len(short)) == (357, 101)
    assert {record["WAVELNTH"] for record in short} == {94, 131, 193, 211}
    real = [
        0.578715, 0.693402, 0.832670, 1.000602, 1.199910, 0.237294, 0.286916, 0.344258, 0.414851, 0.495807,
        0.594103, 0.712433, 0.855792, 0.168142, 0.204964, 0.246917, 0.296079, 0.353420, 0.427137, 0.509090,
    ]  # fmt: skip
    chosen = [record for record in short if record["WAVELNTH"] == 211]
    np.testing.assert_allclose([record["EXPTIME"] for record in chosen], real, rtol=0.02)
    assert times.format(chosen[0]["T_REC"], "ISO") == "2021-07-03T14:27:23Z"
    # The shutter is nearly as exact as it was told to be.
    assert max(abs(record["EXPTIME"] * 1000 - record["AIMGSHCE"]) for record in found) < 1.0
    between = [record["EXPTIME"] for record in found if record["WAVELNTH"] == 211 and record["EXPTIME"] > 2.0]
    assert set(between) == {2.900825}
    # They start again from the usual one before and after.
    for time in ("2021-07-03T14:17", "2021-07-03T14:46"):
        synthesize(site, "aia.lev1", time, f"{time}:23", size=8)
    usual = {(record.keywords["WAVELNTH"], record.keywords["EXPTIME"]) for record in records(site, "aia.lev1")}
    assert {(211, 2.900825), (193, 2.000825), (171, 2.000825)} <= usual
    assert len(usual) == len({wavelength for wavelength, _ in usual})


def test_only_short_exposures_of_a_flare_are_not_saturated(site):
    synthesize(site, "aia.lev1_euv_12s", "2021-07-03T14:28", "2021-07-03T14:30", size=256)
    frames = [record.keywords for record in records(site, "aia.lev1_euv_12s") if record.keywords["WAVELNTH"] == 211]
    saturated = {record["EXPTIME"] > 2.0: set() for record in frames}
    for record in frames:
        saturated[record["EXPTIME"] > 2.0].add(record["DATAMAX"] >= 16383)
    assert saturated == {True: {True}, False: {False}}


def test_a_region_emerges_as_it_did(site):
    for series in ("hmi.sharp_720s", "hmi.sharp_cea_720s"):
        interval = ("2014.07.02_03:00_TAI", "2014.07.12_11:00_TAI")
        assert synthesize(site, series, *interval, size=32, harp=4315, sample=1 * u.day) == 11
    image, map_ = ([record.keywords for record in records(site, f"hmi.sharp_{kind}")] for kind in ("720s", "cea_720s"))
    flux = np.array([record["USFLUX"] for record in map_])
    assert (np.diff(flux[:-2]) > 0).all()
    assert flux.max() > 4 * flux[0]
    # The flux and the area are the Sun's, however it is mapped.
    for name in ("USFLUX", "AREA_ACR"):
        np.testing.assert_allclose([r[name] for r in image], [r[name] for r in map_], rtol=0.1)
    assert map_[0]["MEANJZH"] > 0 > map_[-1]["MEANJZH"] > min(record["MEANJZH"] for record in map_)


def test_no_invented_region_lies_on_the_real_one(site):
    real = region(4315)
    others = [item for item in between(real.first, real.last) if item.number != real.number]
    assert len(others) > 5
    for item in others:
        apart = abs((item.longitude - real.longitude + 180.0) % 360.0 - 180.0)
        assert (
            apart > (item.width + real.width) / 2
            or abs(item.latitude - real.latitude) > (item.height + real.height) / 2
        )


def test_the_real_region_is_like_its_records(realdata):
    table = QTable.read(realdata / "listings" / "harp_4315.csv")
    when = np.array([times.parse(text) for text in table["TRUE_TIME"]])
    real = region(4315)
    assert (real.first, real.last) == (when.min(), when.max())
    helicity = [real.helicity(time) for time in when]
    assert np.corrcoef(helicity, table["MEANJZH"])[0, 1] > 0.8
    strength = [real.strength(time) for time in when]
    assert np.corrcoef(strength, table["USFLUX"])[0, 1] > 0.9


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("bob.series", *HOUR), {}, "no definition of the series 'bob.series'"),
        (("hmi.v_45s_mod", *HOUR), {}, "cannot be computed"),
        (("hmi.v_45s", *HOUR[::-1]), {}, "reversed"),
        (("hmi.v_45s", "yesterday", HOUR[1]), {}, "'yesterday' is no time"),
        (("hmi.v_45s", "2014.13.01", HOUR[1]), {}, "is no time"),
        (("hmi.v_45s", *HOUR), {"harp": 3}, "has no patches"),
        (("hmi.v_45s", *HOUR), {"size": 4}, "4 pixels"),
        (("hmi.v_45s", *HOUR), {"sample": 10}, "no time between records"),
        (("hmi.v_45s", *HOUR), {"sample": 10 * u.m}, "no time between records"),
        (("hmi.v_45s", *HOUR), {"sample": 0 * u.s}, "0 s would do"),
        (("hmi.v_45s", *HOUR), {"sample": np.nan * u.s}, "cannot be nan s apart"),
        (("iris.lev1", *HOUR), {"sample": 1 * u.min}, "has no slots"),
    ],
)
def test_bad_input(site, arguments, options, message):
    with pytest.raises(QueryError, match=message):
        synthesize(site, *arguments, **options)
    assert site.series_names() == []


def test_no_site(tmp_path):
    with pytest.raises(DataError, match="is no site"):
        synthesize(tmp_path, "hmi.v_45s", *HOUR)


@pytest.mark.parametrize(
    ("series", "segment", "kind"),
    [
        ("hmi.v_45s", "Dopplergram", "HMIMap"),
        ("hmi.ic_45s", "continuum", "HMIMap"),
        ("hmi.m_720s", "magnetogram", "HMIMap"),
        ("mdi.fd_v", "data", "MDIMap"),
        ("hmi.me_720s_fd10", "inclination", "HMIMap"),
    ],
)
def test_images_sit_right_on_the_sun(site, series, segment, kind, tmp_path):
    synthesize(site, series, "2010-10-15T12:00", "2010-10-15T12:00:01", size=64)
    [record] = records(site, series)
    image = sunpy.map.Map(exported(record, segment, tmp_path / "image.fits"))
    assert type(image).__name__ == kind
    assert abs(image.observer_coordinate.lat.deg - record.keywords["CRLT_OBS"]) < 1e-3
    assert abs(image.observer_coordinate.lon.deg) < 0.05
    on_disk = coordinate_is_on_solar_disk(all_coordinates_from_map(image))
    assert (on_disk == np.isfinite(image.data)).mean() > 0.995
    if "v" in series.split(".")[1].lower().split("_")[:2]:
        west = all_coordinates_from_map(image).Tx > 600 * u.arcsec
        east = all_coordinates_from_map(image).Tx < -600 * u.arcsec
        assert np.nanmean(image.data[west]) - np.nanmean(image.data[east]) == pytest.approx(2800, abs=500)
        assert np.nanmean(image.data) == pytest.approx(record.keywords["OBS_VR"], abs=300)


def test_the_corona_shines_where_the_sun_is(site, tmp_path):
    synthesize(site, "aia.lev1_euv_12s", "2014-01-01", "2014-01-01T00:00:01", size=64)
    for record in records(site, "aia.lev1_euv_12s"):
        image = sunpy.map.Map(exported(record, "image", tmp_path / "image.fits"))
        assert image.wavelength == record.keywords["WAVELNTH"] * u.AA
        where = all_coordinates_from_map(image)
        radius = np.hypot(where.Tx, where.Ty) / image.rsun_obs
        assert image.data[radius < 1].mean() > 3 * image.data[radius > 1.2].mean()


def test_both_kinds_of_patches_show_the_same_spot(site, tmp_path):
    spots = []
    for series, segment in (("hmi.sharp_720s", "magnetogram"), ("hmi.sharp_cea_720s", "Br")):
        synthesize(site, series, "2014-11-30", "2014-11-30T00:00:01", size=128, harp=4864)
        [record] = records(site, series)
        image = sunpy.map.Map(exported(record, segment, tmp_path / "patch.fits"))
        y, x = np.unravel_index(np.nanargmax(np.abs(image.data)), image.data.shape)
        spot = image.pixel_to_world(x * u.pix, y * u.pix)
        spots.append(spot.transform_to(HeliographicCarrington(obstime=image.date, observer=image.observer_coordinate)))
    assert abs(spots[0].lon.deg - spots[1].lon.deg) < 1.0
    assert abs(spots[0].lat.deg - spots[1].lat.deg) < 1.0
    chosen = region_at(4864, times.parse("2014.11.30_00:00_UTC"))
    assert abs(spots[1].lat.deg - chosen.latitude) < chosen.size
    assert abs(spots[1].lon.deg - chosen.longitude) < chosen.size


def test_every_segment_of_a_patch_is_a_map(site, tmp_path):
    synthesize(site, "hmi.sharp_cea_720s", "2014-11-30", "2014-11-30T00:00:01", size=16, harp=4864)
    [record] = records(site, "hmi.sharp_cea_720s")
    for segment in record.files:
        image = sunpy.map.Map(exported(record, segment, tmp_path / "patch.fits"))
        assert image.unit in {None, u.Unit("Mx/cm^2"), u.Unit("m/s"), u.Unit("DN/s")}


def test_iris_looks_at_the_centre(site, tmp_path):
    assert synthesize(site, "iris.lev1", "2014-01-01", "2014-01-01T00:00:59", size=16) == 9
    found = records(site, "iris.lev1")
    assert sorted({record.keywords["INSTRUME"] for record in found}) == ["FUV", "NUV", "SJI"]
    jaw = next(record for record in found if record.keywords["INSTRUME"] == "SJI")
    image = sunpy.map.Map(exported(jaw, "image_lev1", tmp_path / "jaw.fits"))
    centre = image.center
    assert abs(centre.Tx) < 5 * u.arcsec
    assert (image.dimensions.x * image.scale.axis1).to_value(u.arcsec) == pytest.approx(129, rel=1e-3)


def test_all_channels_of_aia_take_turns(site):
    synthesize(site, "aia.lev1", "2014-01-01T00:00:00", "2014-01-01T00:01:59", size=8)
    found = records(site, "aia.lev1")
    counts = {w: sum(record.keywords["WAVELNTH"] == w for record in found) for w in images.CHANNELS}
    assert all(9 <= counts[w] <= 11 for w in (94, 131, 171, 193, 211, 304, 335))
    assert 8 <= counts[1600] + counts[1700] + counts[4500] <= 11
    assert len({record.keywords["FSN"] for record in found}) == len(found)
    for record in found:
        assert 0.0 <= record.keywords["T_OBS"] - record.keywords["T_REC"] < 1.0
        assert times.parse("2014-01-01T00:00:00Z") <= record.keywords["T_REC"] <= times.parse("2014-01-01T00:01:59Z")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        # Of real headers.
        ("2020.01.01_01:01:21.6_TAI", (147090512653.53, 70.359192, -2.953845, 2225, 976.003418, 2515.991991, 30296.1)),
        ("2010.08.01_03:40:37.5_TAI", (151855544707.36, 111.963272, 5.789389, 2099, 945.377441, 1798.364614, 31499.6)),
        ("2011.02.15_00:00:35.3_TAI", (147724815128.0, 22.814522, -6.820544, 2106, 971.812597, 2812.012181, 30057.5)),
    ],
)
def test_the_ephemeris_is_that_of_real_headers(when, expected):
    distance, longitude, latitude, rotation, radius, outward, westward = expected
    now = ephemeris(np.array([times.parse(when)]))
    assert now.dsun_obs[0] == pytest.approx(distance, abs=2e7)
    # JSOC does not count the time that light takes, sunpy does: 0.08 degrees.
    assert now.crln_obs[0] == pytest.approx(longitude, abs=0.12)
    assert now.crlt_obs[0] == pytest.approx(latitude, abs=0.01)
    assert now.car_rot[0] == rotation
    assert now.rsun_obs[0] == pytest.approx(radius, abs=0.2)
    assert now.obs_vr[0] == pytest.approx(outward, abs=250)
    assert now.obs_vw[0] == pytest.approx(westward, abs=250)


def test_spacecraft_are_where_they_should_be():
    seconds = times.parse("2012.01.01_TAI") + 3600.0 * np.arange(48)
    sdo, soho, iris = (ephemeris(seconds, name) for name in ("SDO", "SOHO", "IRIS"))
    np.testing.assert_allclose(np.linalg.norm(sdo.geocentric, axis=0), 42168e3)
    np.testing.assert_allclose(np.linalg.norm(iris.geocentric, axis=0), 7021e3)
    np.testing.assert_allclose(soho.dsun_obs / sdo.dsun_obs, 0.99, atol=5e-4)
    assert np.ptp(sdo.obs_vr) > 3000  # up and down once a day
    np.testing.assert_allclose(sdo.dsun_obs, np.linalg.norm(sdo.heliocentric, axis=0))


def test_regions_follow_from_their_numbers():
    assert region(377) == region(377)
    assert region(377).noaa in {0, 11158}
    time = times.parse("2014.01.01_TAI")
    here = between(time, time)
    assert here
    for item in here:
        assert item.first <= time <= item.last
        assert abs(item.meridian_distance(time)) < 75
        assert region_at(item.number, time) == item
        observer = ephemeris(np.array([time]))
        distance = (item.longitude - observer.crln_obs[0] + 180) % 360 - 180
        assert distance == pytest.approx(item.meridian_distance(time), abs=4)
    moved = region_at(1, time)
    assert moved.first <= time <= moved.last


@pytest.mark.parametrize("kind", ["char", "short", "int"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 5, 70)])
def test_stored_images_are_read_back(tmp_path, kind, shape):
    segment = Segment("s", kind, bzero=0.0 if kind == "char" else 10.0, bscale=1.0 if kind == "char" else 0.5)
    physical = np.random.default_rng(1).normal(20.0, 30.0, shape)
    physical[:, 0, :3] = np.nan
    raw = images.scale(physical, segment)
    paths = [tmp_path / f"{number}.fits" for number in range(len(raw))]
    sizes = images.write_images([(path, image, segment) for path, image in zip(paths, raw, strict=True)])
    for path, image, size in zip(paths, physical, sizes, strict=True):
        assert path.stat().st_size == size
        with fits.open(path) as hdus:
            hdus.verify("exception")
            data = hdus[1].data
        blank = np.isnan(image)
        np.testing.assert_allclose(data[~blank], image[~blank], atol=0.5001 * segment.bscale)
        assert (data[blank] == -128).all() if kind == "char" else np.isnan(data[blank]).all()


def test_files_that_cannot_be_written(tmp_path):
    segment = Segment("s", "short")
    with pytest.raises(DataError, match="cannot be written"):
        images.write_images([(tmp_path / "nowhere" / "0.fits", np.zeros((4, 4), dtype=np.int16), segment)])


def test_the_view_of_a_point_and_its_place_agree():
    longitude, latitude = np.meshgrid(np.linspace(-60.0, 60.0, 7), np.linspace(-50.0, 50.0, 5))
    there = images.plate(longitude, latitude, 7.0)
    back = images.disk(there.x, there.y, 7.0)
    np.testing.assert_allclose(back.stonyhurst, longitude, atol=1e-4)
    np.testing.assert_allclose(back.latitude, latitude, atol=1e-4)
    np.testing.assert_allclose(back.mu, there.mu, atol=1e-6)
    assert back.on.all()


def test_inclination_and_azimuth_hold_the_whole_field():
    time = times.parse("2014.01.01_TAI")
    from jsoc_fido.localsite.regions import surface

    view = images.plate(*np.meshgrid(np.linspace(-60.0, 60.0, 40), np.linspace(-30.0, 30.0, 20)), -3.0)
    vector = images.field(view, surface(time), 189.4, -3.0, 1)
    size = np.sqrt(vector.radial**2 + vector.west**2 + vector.north**2)
    np.testing.assert_allclose(vector.strength, size, rtol=1e-4)
    assert np.nanmin(vector.azimuth) >= 0
    assert np.nanmax(vector.azimuth) < 180
