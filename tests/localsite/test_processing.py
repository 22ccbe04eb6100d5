"""
Processing in exports: what a pixel shows stays where it is on the sky or on the Sun, whatever is done to the image.
"""

import time

import astropy.units as u
import numpy as np
import pytest
import sqlalchemy as sa
import sunpy.map
from asking import ask, finished
from astropy.coordinates import SkyCoord
from astropy.io import fits
from scipy import ndimage
from sunpy.coordinates import HeliographicCarrington, propagate_with_solar_surface

from jsoc_fido import localsite
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import images, schema
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.limits import Limits
from jsoc_fido.localsite.processing import Step, discard, parse, process
from jsoc_fido.localsite.processing.picture import Form, read, write
from jsoc_fido.series import Segment

ADA = "ada@example.org"
#: Three magnetograms, eight hours apart, turned by 180 degrees as HMI's are; one image of AIA.
HMI = "hmi.M_720s"
SIZE = 256
#: Where each magnetogram has a spot: the same place on the turning Sun.
SPOT = {"lon": 205.0 * u.deg, "lat": 18.0 * u.deg}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("processing")
    localsite.init(directory)
    day = ("2020-10-17T12:00:00_TAI", "2020-10-18T04:00:00_TAI")
    localsite.synthesize(directory, HMI, *day, size=SIZE, sample=8 * u.hour)
    localsite.synthesize(
        directory, "aia.lev1_euv_12s", "2025-01-01T04:33:30", "2025-01-01T04:33:40", size=64, wavelength=171
    )
    localsite.synthesize(directory, "hmi.b_720s", "2014.01.01_00:00:00_TAI", "2014.01.01_00:00:00_TAI", size=32)
    return directory


@pytest.fixture(scope="module")
def site(directory):
    with Catalogue.open(directory) as catalogue:
        exporter = Exporter(catalogue, staging_time=0.001)
        exporter.start()
        for path in sorted(directory.glob("SUM0/*/*/magnetogram.fits"))[:3]:
            _paint_spot(catalogue, path)
        yield Site(catalogue, exporter)
        exporter.stop()


class Site:
    """
    What the tests ask.
    """

    def __init__(self, catalogue, exporter):
        self.catalogue = catalogue
        self.exporter = exporter

    def ask(self, ds, process="", **parameters):
        """
        Ask for records with a number of steps, and wait for the reply.
        """
        defaults = {"op": "exp_request", "ds": ds, "notify": ADA, "method": "url", "protocol": "fits"}
        reply = self.exporter.answer(defaults | {"process=n": f"0|{process}" if process else "0"} | parameters)
        if reply["status"] != 2:
            return reply
        while (
            int((found := self.exporter.answer({"op": "exp_status", "requestid": reply["requestid"]}))["status"]) == 1
        ):
            time.sleep(0.01)
        return found

    def maps(self, ds, process="", **parameters):
        reply = self.ask(ds, process, **parameters)
        assert reply["status"] == "0", reply
        directory = self.catalogue.directory / reply["dir"].lstrip("/")
        return [sunpy.map.Map(directory / row["filename"]) for row in reply["data"]]


def _paint_spot(catalogue, path):
    """
    Replace a stored magnetogram by a spot.
    """
    recnum = sorted(catalogue.directory.glob("SUM0/*/*/magnetogram.fits")).index(path) + 1
    with fits.open(path) as hdus:
        form = Form("int", hdus[1].header.get("BZERO", 0), hdus[1].header.get("BSCALE", 1))
    image = _original(catalogue, recnum)
    x, y = (value.to_value(u.pix) for value in image.world_to_pixel(_spot(image)))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    pixels = 1000 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))
    path.unlink()
    write(path, pixels, form)


def _original(catalogue, recnum):
    """
    The whole image of a magnetogram, as an export without processing has it.
    """
    from jsoc_fido.localsite.keywords import Keywords
    from jsoc_fido.localsite.select import Selection
    from jsoc_fido.localsite.table import Table

    table = Table(Selection.of_records(catalogue, HMI, [recnum]))
    keywords, paths = Keywords(table), table.segment("magnetogram")
    table.read()
    pixels, _ = read(catalogue.directory / paths()["values"][0].lstrip("/"))
    header = dict(keywords.header(0, "magnetogram", recnum))
    return sunpy.map.Map(
        pixels, {name: value for name, value in header.items() if isinstance(value, str | float | int)}
    )


def _spot(image):
    return SkyCoord(
        **SPOT,
        radius=image.rsun_meters,
        frame=HeliographicCarrington(observer=image.observer_coordinate, obstime=image.reference_date),
    ).transform_to(image.coordinate_frame)


def _centroid(pixels):
    """
    The middle of the spot in an image, x and y counted from 0.
    """
    bright = np.where(np.nan_to_num(pixels) > 50, np.nan_to_num(pixels), 0)
    y, x = ndimage.center_of_mass(bright)
    return x, y


def _error(image):
    """
    How far the spot is from where the header says it should be, in pixels.
    """
    expected = [value.to_value(u.pix) for value in image.world_to_pixel(_spot(image))]
    return np.hypot(*np.subtract(_centroid(image.data), expected))


PATCH = "im_patch,t_ref=2020-10-17T20:00:00,locunits=arcsec,boxunits=arcsec,x={x},y={y},width=240,height=160"


def _patch(site, **changes):
    """
    The step that cuts the spot out, with some arguments changed.
    """
    middle = _spot(_original(site.catalogue, 2))
    arguments = PATCH.format(x=f"{middle.Tx.to_value(u.arcsec):.3f}", y=f"{middle.Ty.to_value(u.arcsec):.3f}")
    return ",".join([arguments, *(f"{name}={value}" for name, value in changes.items())])


def test_the_spot_is_where_it_should_be(site):
    whole = site.maps(f"{HMI}[]{{magnetogram}}")
    assert len(whole) == 3
    assert max(map(_error, whole)) < 0.1
    # 180 degrees: the test of all others would be too easy without.
    assert abs(whole[0].meta["crota2"]) > 90


@pytest.mark.parametrize("registers", [0, 1])
def test_patches_track_the_sun(site, registers):
    patches = site.maps(f"{HMI}[]{{magnetogram}}", _patch(site, t=0, r=registers, c=0))
    whole = site.maps(f"{HMI}[]{{magnetogram}}")
    scale = whole[0].scale[0].value
    assert {patch.data.shape for patch in patches} == {(int(np.ceil(160 / scale)), int(np.ceil(240 / scale)))}
    assert max(map(_error, patches)) < 0.1
    middle = np.subtract(patches[0].data.shape[::-1], 1) / 2
    off = [np.abs(np.subtract(_centroid(patch.data), middle)).max() for patch in patches]
    assert max(off) < (0.05 if registers else 0.65)
    # sunpy's own way to follow a place, with another law of rotation, comes to nearly the same.
    start, end = patches[0], patches[2]
    with propagate_with_solar_surface():
        there = start.pixel_to_world(*(middle * u.pix)).transform_to(end.coordinate_frame)
    drift = [value.to_value(u.pix) for value in end.world_to_pixel(there)]
    assert np.hypot(*np.subtract(drift, middle)) < 3


def test_patches_have_the_pixels_of_the_original(site):
    (patch,) = site.maps(f"{HMI}[2020.10.17_20:00:00_TAI]{{magnetogram}}", _patch(site))
    (whole,) = site.maps(f"{HMI}[2020.10.17_20:00:00_TAI]{{magnetogram}}")
    corner = whole.world_to_pixel(patch.pixel_to_world(0 * u.pix, 0 * u.pix))
    x, y = (round(value.to_value(u.pix)) for value in corner)
    rows, columns = patch.data.shape
    assert np.array_equal(patch.data, whole.data[y : y + rows, x : x + columns])
    assert patch.meta["crpix1"] == pytest.approx(whole.meta["crpix1"] - x, abs=1e-6)
    assert patch.meta["datamax"] == pytest.approx(float(patch.data.max()), abs=0.1)
    assert patch.meta["datamean"] == pytest.approx(float(patch.data.mean()), abs=0.1)
    # What has nothing to do with the image stays.
    assert patch.meta["t_rec"] == whole.meta["t_rec"]
    assert patch.meta["rsun_obs"] == whole.meta["rsun_obs"]


def test_without_tracking_a_patch_stays_on_the_sky(site):
    patches = site.maps(f"{HMI}[]{{magnetogram}}", _patch(site, t=1))
    centres = [patch.center for patch in patches]
    scale = patches[0].scale[0] * u.pix
    for centre in centres:
        assert abs(centre.Tx - centres[1].Tx) < scale
        assert abs(centre.Ty - centres[1].Ty) < scale
    assert abs(_spot(patches[0]).Tx - _spot(patches[2]).Tx) > 10 * scale


@pytest.mark.parametrize(
    ("units", "place"),
    [
        ("carrlong", lambda _: (205, 18)),
        ("stony", lambda image: (205 - image.carrington_longitude.to_value(u.deg), 18)),
        ("pixels", lambda image: [float(value.to_value(u.pix)) + 1 for value in image.world_to_pixel(_spot(image))]),
    ],
)
def test_other_units(site, units, place):
    x, y = place(_original(site.catalogue, 2))
    step = f"im_patch,t_ref=2020-10-17T20:00:00,locunits={units},x={x},y={y},boxunits=pixels,width=21,height=11"
    patches = site.maps(f"{HMI}[]{{magnetogram}}", step)
    for patch in patches:
        assert patch.data.shape == (11, 21)
        assert np.abs(np.subtract(_centroid(np.where(patch.data > 300, patch.data, 0)), (10, 5))).max() < 1


def test_degrees(site):
    (patch,) = site.maps(f"{HMI}[$]{{magnetogram}}", "im_patch,x=0,y=0,boxunits=degrees,width=30,height=10")
    radius = (patch.rsun_obs / (patch.scale[0] * u.pix)).value
    assert patch.data.shape == (int(np.ceil(radius * np.radians(10))), int(np.ceil(radius * np.radians(30))))


@pytest.mark.parametrize("crops", [0, 1])
def test_beyond_the_limb(site, crops):
    step = f"im_patch,t=0,c={crops},x=0,y=830,width=300,height=300"
    (patch,) = site.maps(f"{HMI}[$]{{magnetogram}}", step)
    coordinates = sunpy.map.all_coordinates_from_map(patch)
    distance = np.hypot(coordinates.Tx, coordinates.Ty) / patch.rsun_obs
    if crops:
        assert np.array_equal(np.isnan(patch.data), distance > 1)
    else:
        assert np.isfinite(patch.data).all()
    assert patch.meta["datavals"] == np.isfinite(patch.data).sum()


def test_a_box_over_the_edge_of_the_image_is_filled_up(site):
    step = "im_patch,t=1,x=0,y=0,boxunits=pixels,width=300,height=280"
    (patch,) = site.maps(f"{HMI}[$]{{magnetogram}}", step)
    (whole,) = site.maps(f"{HMI}[$]{{magnetogram}}")
    assert patch.data.shape == (280, 300)
    assert np.isfinite(patch.data).sum() == SIZE**2
    assert _error(patch) == pytest.approx(_error(whole), abs=1e-6)


def test_what_is_beside_the_sun_does_not_turn(site):
    patches = site.maps(f"{HMI}[]{{magnetogram}}", "im_patch,t=0,x=1000,y=0,boxunits=pixels,width=9,height=9")
    scale = patches[0].scale[0] * u.pix
    assert all(abs(patch.center.Tx - 1000 * u.arcsec) < scale for patch in patches)


def test_a_place_behind_the_limb_has_no_patch(site):
    # Eight hours earlier it was still to be seen.
    (whole, *_) = site.maps(f"{HMI}[]{{magnetogram}}")
    longitude = whole.carrington_longitude.to_value(u.deg) + 88.5
    step = f"im_patch,locunits=carrlong,x={longitude},y=0,boxunits=pixels,width=5,height=5"
    reply = site.ask(f"{HMI}[]{{magnetogram}}", step)
    assert [row["record"].partition("[")[2][:19] for row in reply["data"]] == ["2020.10.17_12:00:00"]
    nothing = site.ask(
        f"{HMI}[$]{{magnetogram}}", f"im_patch,locunits=carrlong,x={longitude + 30},y=0,width=5,height=5"
    )
    assert nothing["data"][0]["record"].startswith("warning=No FITS files were exported.")


@pytest.mark.parametrize("method", ["boxcar", "gaussian"])
@pytest.mark.parametrize("scale", [0.25, 0.34, 2])
def test_rebin(site, method, scale):
    factor = {0.25: 4, 0.34: 3, 2: 0.5}[scale]
    for image in site.maps(f"{HMI}[]{{magnetogram}}", f"rebin,method={method},scale={scale}"):
        assert image.data.shape == (SIZE // factor,) * 2
        assert _error(image) < 0.1
        assert image.scale[0].value == pytest.approx(2.0 * 2.016 * 0.5 * factor * 4096 / SIZE * 0.504 / 2.016, rel=1e-6)


def test_means(site):
    (image,) = site.maps(f"{HMI}[$]{{magnetogram}}", "rebin,method=boxcar,scale=0.25")
    (whole,) = site.maps(f"{HMI}[$]{{magnetogram}}")
    expected = whole.data.reshape(SIZE // 4, 4, SIZE // 4, 4).mean(axis=(1, 3))
    assert np.allclose(image.data, expected, atol=0.06)


@pytest.mark.parametrize(("regrid", "centre"), [(0, 0), (1, 0), (1, 1), (1, 2)])
def test_resize(site, regrid, centre):
    step = f"resize,regrid={regrid},do_stretchmarks=0,center_to={centre},rescale=1,scale_to=10.5"
    for image in site.maps(f"{HMI}[]{{magnetogram}}", step):
        assert image.data.shape == (SIZE, SIZE)
        assert [step.value for step in image.scale] == [10.5, 10.5]
        assert image.meta["crota2"] == 0
        assert _error(image) < (0.1 if regrid else 0.7)
        if centre == 0:
            assert [value.value for value in image.reference_pixel] == [(SIZE - 1) / 2] * 2


def test_resize_fills_what_comes_in(site):
    step = "resize,rescale=1,scale_to=10.5,do_stretchmarks={}"
    empty, filled = (site.maps(f"{HMI}[$]{{magnetogram}}", step.format(flag))[0] for flag in (0, 1))
    assert np.isnan(empty.data).any()
    assert np.isfinite(filled.data).all()


def test_aia_to_level_one_and_a_half(site):
    (image,) = site.maps("aia.lev1_euv_12s[$]", "aia_scale_aialev1")
    assert (image.meta["crota2"], image.meta["cdelt1"], image.meta["cdelt2"]) == (0, 0.6, 0.6)


@pytest.mark.parametrize(
    "name", ["carree", "Mercator", "cyleqa", "sineqa", "gnomonic", "Postel", "stereographic", "orthographic", "Lambert"]
)
def test_maps_of_the_sun(site, name):
    step = f"Maproj,map={name},clon=198,clat=12,scale=0.5,cols=90,rows=70"
    for image in site.maps(f"{HMI}[$]{{magnetogram}}", step):
        assert image.data.shape == (70, 90)
        assert isinstance(image.coordinate_frame, HeliographicCarrington)
        assert abs(image.center.lon - 198 * u.deg) < 1e-6 * u.deg
        assert abs(image.center.lat - 12 * u.deg) < 1e-6 * u.deg
        peak = np.unravel_index(np.nanargmax(image.data), image.data.shape)[::-1]
        expected = [value.to_value(u.pix) for value in image.world_to_pixel(_spot(image))]
        assert np.hypot(*np.subtract(peak, expected)) < 1.5
        assert image.meta["cunit1"] == "deg"


def test_the_far_side_is_empty(site):
    (image,) = site.maps(f"{HMI}[$]{{magnetogram}}", "Maproj,map=carree,clon=190,clat=0,scale=4,cols=90,rows=45")
    there = sunpy.map.all_coordinates_from_map(image)
    angle = there.separation(image.observer_coordinate.transform_to(image.coordinate_frame))
    seen = np.isfinite(image.data)
    assert angle[seen].max() < 90 * u.deg
    assert seen[angle < 80 * u.deg].all()


def test_steps_are_taken_in_their_order(site):
    box = "im_patch,x=0,y=0,boxunits=pixels,width=40,height=20"
    (first,) = site.maps(f"{HMI}[$]{{magnetogram}}", f"{box}|rebin,scale=0.5")
    (second,) = site.maps(f"{HMI}[$]{{magnetogram}}", f"rebin,scale=0.5|{box}")
    assert (first.data.shape, second.data.shape) == ((10, 20), (20, 40))
    assert second.scale[0] == first.scale[0]


def test_names_and_series(site):
    reply = site.ask(f"{HMI}[$]{{magnetogram}}", "rebin,scale=0.5", filenamefmt="{seriesname}.{RequestID}.{segment}")
    requestid = reply["requestid"]
    (row,) = reply["data"]
    assert row["record"] == f"{HMI}_mod[2020.10.18_04:00:00_TAI][3][{requestid}]"
    assert row["filename"] == f"{HMI}_mod.{requestid}.magnetogram.fits"
    # What was made can be searched, and exported again.
    again = site.ask(row["record"], protocol="as-is", filenamefmt="{segment}")
    assert again["data"] == [{"record": f"{row['record']}{{magnetogram}}", "filename": "magnetogram.fits"}]
    lines = (site.catalogue.directory / again["dir"].lstrip("/") / f"{again['requestid']}.keywords.txt").read_text()
    keywords = dict(zip(*(line.split("\t") for line in lines.splitlines()), strict=True))
    assert keywords["RequestID"] == requestid
    assert keywords["SOURCE"] == f"{HMI}[2020.10.18_04:00:00_TAI][3]"
    assert site.catalogue.series(f"{HMI}_mod").prime_keys == ("T_REC", "CAMERA", "RequestID")


def test_the_same_steps_again_get_the_same_files(site):
    first, again, other = (
        site.ask(f"{HMI}[$]{{magnetogram}}", f"rebin,scale={scale}") for scale in ("0.125", "0.125", "0.0625")
    )
    assert first["requestid"] == again["requestid"] != other["requestid"]


def test_all_ways_to_say_it(site):
    form = '{"rebin": {"method": "boxcar", "scale": 0.2}}'
    ways = [
        {"process=n": "0|rebin,method=boxcar,scale=0.2"},
        {"process=n": "", "process": "n=0|rebin,method=boxcar,scale=0.2"},
        {"process=n": "0", "processing": form},
    ]
    assert ways[1].pop("process=n") == ""
    replies = [
        site.exporter.answer(
            {"op": "exp_request", "ds": f"{HMI}[$]", "notify": ADA, "method": "url", "protocol": "fits", **way}
        )
        for way in ways
    ]
    assert len({reply["requestid"] for reply in replies}) == 1


def test_only_pictures_are_processed(site):
    reply = site.ask("aia.lev1_euv_12s[$]", "rebin,scale=0.5", filenamefmt="{segment}")
    assert [row["filename"] for row in reply["data"]] == ["image.fits"]


def test_linked_segments_become_own(site):
    reply = site.ask("hmi.b_720s[$]", "rebin,scale=0.5", filenamefmt="{segment}")
    names = list(site.catalogue.series("hmi.b_720s").segments)
    assert [row["filename"] for row in reply["data"]] == [f"{name}.fits" for name in names]
    target = site.catalogue.series("hmi.b_720s_mod")
    assert not target.links
    (field,) = site.maps("hmi.b_720s[$]{field}", "rebin,scale=0.25")
    assert field.data.shape == (8, 8)
    # The keyword comes through the link.
    (before,) = site.maps("hmi.b_720s[$]{field}")
    assert field.meta["crln_obs"] == before.meta["crln_obs"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("nonsense,a=1", "There is no processing step 'nonsense'"),
        ("HmiB2ptr", "does not carry out the processing step HmiB2ptr"),
        ("aia_scale_orig", "does not carry out the processing step aia_scale_orig"),
        ("rebin,method=boxcar", "The processing step rebin needs the argument scale"),
        ("rebin,scale=0", "scale=0 of the processing step rebin is wrong"),
        ("rebin,scale=nan", "scale=nan of"),
        ("rebin,scale=1e-3", "cannot be rebinned by a factor of 1000"),
        ("rebin,scale=0.5,method=median", "must be one of boxcar, gaussian"),
        ("rebin,scale=0.5,how=well", "has no argument 'how'"),
        ("im_patch,t=0", "needs the argument x"),
        ("im_patch,x=0,y=0,width=-1,height=9", "width=-1 of"),
        ("im_patch,x=0,y=0,width=1e9,height=9", "is too large"),
        ("im_patch,x=0,y=0,width=9,height=9,t=maybe", "t=maybe of"),
        ("im_patch,x=0,y=0,width=9,height=9,t_ref=yesterday", "a time such as"),
        ("im_patch,x=0,y=0,width=9,height=9,locunits=miles", "must be one of arcsec"),
        ("im_patch,x=0,y=0,width=9,height=9,locunits=arcsec,boxunits=stones", "must be one of arcsec"),
        ("im_patch,x=9000,y=0,width=9,height=9", "is beside the image"),
        ("im_patch,x=10,y=95,locunits=stony,width=9,height=9", "no latitude"),
        ("resize,rescale=1", "needs the argument scale_to"),
        ("resize,center_to=7", "center_to=7 of"),
        ("Maproj,map=atlas,clon=0,clat=0,scale=1,cols=9,rows=9", "must be one of carree"),
        ("Maproj,clon=0,clat=0,scale=1,cols=9.5,rows=9", "a whole number"),
        ("Maproj,clon=0,clat=0,scale=1,cols=90000,rows=9", "from 1 to 8192"),
        ("Maproj,map=carree,clon=190,clat=0,scale=1,cols=9,rows=9|resize", "is a map"),
        ("Maproj,clon=10,clat=0,scale=1,cols=9,rows=9", "nothing of the map is on the visible disk"),
    ],
)
def test_what_is_wrong_is_told_later(site, steps, words):
    asked = {"op": "exp_request", "ds": f"{HMI}[$]", "notify": ADA, "method": "url", "protocol": "fits"}
    assert site.exporter.answer(asked | {"process=n": f"0|{steps}"})["status"] == 2
    reply = site.ask(f"{HMI}[$]", steps)
    assert reply["status"] == 4
    assert words in reply["error"]


def test_what_gets_too_large_is_told_later(site):
    """
    Contract B.14: a box in degrees, of which nobody knows beforehand how many pixels it has.
    """
    exporter = Exporter(site.catalogue, staging_time=0.001, limits=Limits(megabytes=0.001))
    exporter.start()
    try:
        before = set(site.catalogue.directory.glob("SUM0/*"))
        steps = "im_patch,x=0,y=0,locunits=stony,width=1,height=1,boxunits=degrees"
        found = finished(exporter, ask(exporter, f"{HMI}[$]", sizeratio="1e-4", **{"process=n": f"0|{steps}"}))
        assert (found["status"], found["error"]) == (3, "Request too large")
        assert set(site.catalogue.directory.glob("SUM0/*")) == before
    finally:
        exporter.stop()


@pytest.mark.parametrize(
    "parameters",
    [
        {"process=n": "0|rebin,scale"},
        {"process=n": "0|rebin,=4"},
        {"processing": "[1]"},
        {"processing": '{"rebin": 3}'},
        {"processing": '{"rebin": {"scale": [1]}}'},
        {"processing": f'{{"rebin": {{"scale": "{"1" * 64}"}}}}'},
        {"processing": f'{{"{"r" * 32}": {{}}}}'},
        {"processing": "[" * 100_000},
        {"processing": "{}", "max_recs": "many"},
    ],
)
def test_what_cannot_be_read_is_refused(site, parameters):
    assert site.ask(f"{HMI}[$]", **parameters)["status"] == 4


def test_no_steps():
    assert parse({"process=n": "0|no_op"}) == (0, [])
    assert parse({"process": "n=-3,"}) == (-3, [])
    assert parse({}) == (0, [])
    assert parse({"processing": '{"map_proj": {"clon": null, "t": true}}', "max_recs": "7"}) == (
        7,
        [Step("Maproj", {"clon": "0", "t": "1"})],
    )


def test_a_record_without_coordinates(empty, make):
    make.add_magnetograms(empty)
    step = Step("im_patch", {"x": "0", "y": "0", "width": "9", "height": "9"})
    with pytest.raises(DataError, match="CRPIX1"):
        process(empty, "hmi.m_45s", [1], ["magnetogram"], [step], "JSOC_1")
    # To rebin it, nobody need know where it is.
    made = process(empty, "hmi.m_45s", [1, 2], ["magnetogram"], [Step("rebin", {"scale": "0.5"})], "JSOC_1")
    assert (made.series, made.recnums, made.segments) == ("hmi.M_45s_mod", [1, 2], ["magnetogram"])


def test_what_is_stopped_leaves_nothing(empty, make):
    make.add_magnetograms(empty)

    def units():
        with empty.engine.connect() as connection:
            return set(connection.scalars(sa.select(schema.units.c.sunum)))

    before, calls = units(), iter([False, False, True])

    def check(size):
        if next(calls):
            raise QueryError("enough")

    with pytest.raises(QueryError, match="enough"):
        process(empty, "hmi.m_45s", [1, 2, 3], ["magnetogram"], [Step("rebin", {"scale": "0.5"})], "JSOC_1", check)
    assert units() == before
    assert len(list(empty.directory.glob("SUM0/D*"))) == len(before)


def test_what_expired_is_removed(empty, make):
    make.add_magnetograms(empty)
    before = len(list(empty.directory.glob("SUM0/D*")))
    discard(empty, "hmi.m_45s", "JSOC_1")
    for requestid in ("JSOC_1", "JSOC_2"):
        process(empty, "hmi.m_45s", [1, 2], ["magnetogram"], [Step("rebin", {"scale": "0.5"})], requestid)
    assert len(list(empty.directory.glob("SUM0/D*"))) == before + 2
    discard(empty, "hmi.M_45s", "JSOC_1")
    assert len(list(empty.directory.glob("SUM0/D*"))) == before + 1
    assert len(list(empty.directory.glob("SUM0/*/*/magnetogram.fits"))) == make.COUNT + 2


def test_records_without_files_are_left_out(empty, make):
    make.add_harps(empty)
    made = process(empty, "test.harp_720s", list(range(1, 10)), ["continuum"], [Step("rebin", {"scale": "0.5"})], "J")
    assert made.recnums == list(range(1, 7))


@pytest.mark.parametrize(
    "form",
    [
        Form("char", 0, 1),
        Form("short", 0, 1),
        Form("short", 100, 0.5),
        Form("int", 0, 0.1),
        Form("float", 0, 1),
        Form("double", 0, 1),
    ],
)
def test_pixels_are_stored_as_they_were(tmp_path, form):
    pixels = np.arange(-50.0, 70.0).reshape(10, 12)
    pixels[3, 4] = np.nan
    stored = write(tmp_path / "image.fits", pixels, form)
    assert (stored.dims, stored.bzero, stored.bscale) == ((12, 10), form.bzero, form.bscale)
    assert stored.size == (tmp_path / "image.fits").stat().st_size
    again, told = read(tmp_path / "image.fits")
    assert told == form
    assert np.allclose(again, pixels, atol=1e-5, equal_nan=True)


def test_raw_integers_survive(tmp_path):
    segment = Segment("image", "int", bscale=0.1)
    raw = np.array([[-(2**30), 2**30 - 1, 12345678], [-(2**31), 0, -1]], dtype=np.int32)
    images.write_images([(tmp_path / "before.fits", raw, segment)])
    pixels, form = read(tmp_path / "before.fits")
    write(tmp_path / "after.fits", pixels, form)
    with fits.open(tmp_path / "after.fits", do_not_scale_image_data=True) as hdus:
        assert np.array_equal(hdus[1].data, raw)


def test_files_that_are_no_images(tmp_path):
    (tmp_path / "text.fits").write_text("nothing")
    with pytest.raises(DataError, match=r"text\.fits"):
        read(tmp_path / "text.fits")
