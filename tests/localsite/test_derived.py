"""
Series that are made of many images, or that say how to use them.
"""

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from jsoc_fido import headers, times
from jsoc_fido.cli import main
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.derived import rotation_rate
from jsoc_fido.localsite.select import Selection
from jsoc_fido.localsite.synthesize import DERIVED, synthesize
from jsoc_fido.localsite.table import Table
from jsoc_fido.recordset import parse


@pytest.fixture
def site(tmp_path):
    with Catalogue.create(tmp_path / "site") as catalogue:
        yield catalogue


def values(site, ds, *names):
    table = Table(Selection(site, parse(ds)))
    makers = [table.native(table.fields.find(name)) for name in names]
    table.read()
    return list(zip(*(maker() for maker in makers), strict=True))


def paths(site, ds, segment):
    table = Table(Selection(site, parse(ds)))
    maker = table.segment(segment)
    table.read()
    return [site.directory / path.lstrip("/") for path in maker()["values"]]


@pytest.mark.parametrize("series", sorted(DERIVED))
def test_made_once_and_complete(site, series):
    interval = ("2014.05.20_TAI", "2014.06.10_TAI")
    added = synthesize(site, series, *interval, size=16)
    assert added > 0
    assert synthesize(site, series, *interval, size=16) == 0
    keywords = [name for name, item in definitions.load(series).keywords.items() if not item.is_constant]
    found = values(site, series, *keywords)
    assert len(found) == added
    for name, column in zip(keywords, zip(*found, strict=True), strict=True):
        assert None not in column, name


def test_three_inversions_of_each_time_series(site):
    assert synthesize(site, "hmi.v_sht_2drls", "2024.09.19_TAI", "2024.11.30_TAI", size=16) == 6
    found = values(site, "hmi.v_sht_2drls", "T_START", "T_STOP", "NACOEFF", "NDT")
    assert [times.format(row[0]) for row in found[::3]] == ["2024.09.19_00:00:00_TAI", "2024.11.30_00:00:00_TAI"]
    assert [row[2] for row in found] == [6, 18, 36] * 2
    assert {(row[1] - row[0]) / 45.0 for row in found} == {found[0][3]}
    for segment, name in (("split", "splittings.out"), ("rot", "rot.2d"), ("err", "err.2d")):
        files = paths(site, "hmi.v_sht_2drls", segment)
        assert [file.name for file in files] == [name] * 6
        assert all(file.stat().st_size for file in files)
    rate, error = (np.loadtxt(paths(site, "hmi.v_sht_2drls[:#1]", segment)[0]) for segment in ("rot", "err"))
    radius, latitude = np.linspace(0.5, 1.0, len(rate)), np.linspace(0.0, 90.0, rate.shape[1])
    assert np.all(np.abs(rate - rotation_rate(radius[:, None], latitude)) < 6 * error)
    modes = np.loadtxt(paths(site, "hmi.v_sht_2drls[][][][][36]", "split")[0])
    assert modes.shape == (values(site, "hmi.v_sht_2drls[:#1]", "NMODES")[0][0], 3 + 2 * 36)


def test_the_sun_turns_as_one_inside():
    latitude = np.array([0.0, 60.0])
    assert np.ptp(rotation_rate(np.array(0.5), latitude)) < 1e-3
    equator, pole = rotation_rate(np.array(1.0), latitude)
    assert (equator, pole) == pytest.approx((455.4, 376.7), abs=0.1)


def test_synoptic_maps(site, tmp_path):
    # The end of one rotation and the beginning of the next.
    assert synthesize(site, "hmi.synoptic_mr_720s", "2014.05.30_TAI", "2014.06.02_TAI", size=64) == 2
    found = values(site, "hmi.synoptic_mr_720s", "CAR_ROT", "T_START", "T_STOP")
    assert [row[0] for row in found] == [2150, 2151]
    assert found[0][2] == found[1][1] == pytest.approx(times.parse("2014.05.31_20:00_UTC"), abs=3600)
    [path] = paths(site, "hmi.synoptic_mr_720s[2150]", "synopMr")
    with fits.open(path) as hdus:
        chart = hdus[1].data
    assert chart.shape == (22, 56)
    assert np.isfinite(chart).all()
    assert np.abs(chart).max() > 100


def test_synoptic_maps_have_coordinates(site, tmp_path):
    import sunpy.map

    synthesize(site, "hmi.synoptic_mr_720s", "2014.05.20_TAI", "2014.05.20_TAI", size=64)
    series = site.series("hmi.synoptic_mr_720s")
    names = [name for name, item in series.keywords.items() if not series.is_implicit(name)]
    [row] = values(site, series.name, *names)
    header = headers.header(series, dict(zip(names, row, strict=True)), segment="synopMr", recnum=1)
    target = tmp_path / "map.fits"
    headers.write_fits(paths(site, series.name, "synopMr")[0], target, header)
    chart = sunpy.map.Map(target)
    height, width = chart.data.shape
    corner = chart.wcs.wcs_pix2world(
        [[-0.5, -0.5], [width - 0.5, height - 0.5], [(width - 1) / 2, (height - 1) / 2]], 0
    )
    assert corner[2] == pytest.approx([180.0, 0.0], abs=1e-3)
    assert corner[:2, 1] == pytest.approx([-90.0, 90.0], abs=0.2)


def test_effective_areas(site):
    assert synthesize(site, "aia.response", "2012-06-01", "2014-06-01") == 30
    found = values(site, "aia.response[][304_THIN]", "T_START", "T_STOP", "EFF_AREA", "WAVELNTH")
    assert [times.format(row[0], "ISO") for row in found] == [f"{year}-01-01T00:00:00Z" for year in (2012, 2013, 2014)]
    assert [row[1] for row in found[:-1]] == [row[0] for row in found[1:]]
    areas = [row[2] for row in found]
    assert areas == sorted(areas, reverse=True)
    # They have no files, and so no storage.
    table = Table(Selection(site, parse("aia.response")))
    online = table.online()
    table.read()
    assert set(online()) == {None}


def test_nothing_before_there_was_an_instrument(site):
    assert synthesize(site, "aia.response", "2005-01-01", "2005-12-31") == 0


def test_one_channel(site):
    options = {"size": 8, "wavelength": 171}
    assert synthesize(site, "aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T00:01", **options) == 6
    assert {row[0] for row in values(site, "aia.lev1_euv_12s", "WAVELNTH")} == {171}
    with pytest.raises(QueryError, match=r"no channel of 1600 angstroms; it has 94, 131"):
        synthesize(site, "aia.lev1_euv_12s", "2014-01-01T00:00", "2014-01-01T00:01", wavelength=1600)
    with pytest.raises(QueryError, match="no channels to choose from"):
        synthesize(site, "hmi.m_45s", "2014-01-01T00:00", "2014-01-01T00:01", wavelength=171)


def test_one_channel_from_a_shell(site):
    arguments = [
        "site",
        "synthesize",
        str(site.directory),
        "aia.lev1_euv_12s",
        "2014-01-01T00:00",
        "2014-01-01T00:00:30",
    ]
    result = CliRunner().invoke(main, [*arguments, "--size", "8", "--wavelength", "304"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {row[0] for row in values(site, "aia.lev1_euv_12s", "WAVELNTH")} == {304}


def test_texts_that_cannot_be_written(site, monkeypatch):
    original = site.allocate

    def lost(series, count):
        slots = original(series, count)
        for slot in slots:
            slot.directory.rmdir()
        return slots

    monkeypatch.setattr(site, "allocate", lost)
    with pytest.raises(DataError, match=r"splittings\.out cannot be written"):
        synthesize(site, "hmi.v_sht_2drls", "2024.09.19_TAI", "2024.09.19_TAI")
