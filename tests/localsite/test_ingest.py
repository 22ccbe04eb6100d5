from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from stored import exported, records
from sunpy.data.test import get_test_filepath

from jsoc_fido import headers, times
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.ingest import IngestReport, ingest

REAL = Path(__file__).parents[3] / "shared" / "realdata" / "fits"
SHARP = "hmi.sharp_cea_720s.377.20110215_020000_TAI.{}.fits"
CUTOUT = "aia.lev1_euv_12s_mod.20130310.171.cutout.fits"


@pytest.fixture
def site(tmp_path):
    with Catalogue.create(tmp_path / "site") as catalogue:
        yield catalogue


def real(name):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def make(path, series="hmi.m_45s", segment="magnetogram", pixels=None, recnum=5, **keywords):
    """
    A file as a site exports it.
    """
    pixels = np.arange(48, dtype=np.int32).reshape(6, 8) if pixels is None else pixels
    keywords = {"T_REC": times.parse("2014.01.01_00:00:45_TAI"), "CAMERA": 2, "QUALITY": 0, **keywords}
    hdu = fits.CompImageHDU(pixels, compression_type="RICE_1")
    bare = path.with_name("bare.fits")
    hdu.writeto(bare, overwrite=True)
    header = headers.header(definitions.load(series), keywords, segment=segment, recnum=recnum)
    headers.write_fits(bare, path, header)
    bare.unlink()
    return path


MISSING = {-2147483648, -32768, "nan", ""}


def same(before, after):
    """
    Whether a card is what it was: numbers and texts equal, times to the digits that were printed, missing ones missing.
    """
    if (
        before is None
        or isinstance(before, fits.card.Undefined)
        or (not isinstance(before, bool) and before in MISSING)
    ):
        return after is None or isinstance(after, fits.card.Undefined) or after in MISSING or after in {0.0, 1.0}
    if before == after:
        return True
    try:
        return times.format(times.parse(before), "TAI", 2) == times.format(times.parse(after), "TAI", 2)
    except (QueryError, TypeError, AttributeError):
        return False


#: Cards that an export writes itself, or that describe how a file is stored.
OWN = {*headers.GENERATED, "BITPIX", "ZBITPIX", "XTENSION", "SIMPLE", "EXTEND", "PCOUNT", "GCOUNT", ""}


def compare(before, after):
    """
    Same pixels, byte for byte, and the same cards.
    """
    with (
        fits.open(before, disable_image_compression=True) as old,
        fits.open(after, disable_image_compression=True, checksum=True) as new,
    ):
        old.verify("silentfix+ignore")
        one, other = headers.image_hdu(old), headers.image_hdu(new)
        data = []
        for path, hdu in ((before, one), (after, other)):
            where = hdu.fileinfo()
            data.append(Path(path).read_bytes()[where["datLoc"] : where["datLoc"] + where["datSpan"]])
        assert data[0] == data[1]
        different = {
            name: (one.header[name], other.header.get(name))
            for name in one.header
            if name not in {*OWN, "COMMENT", "HISTORY"} and not same(one.header[name], other.header.get(name))
        }
        for name in ("HISTORY", "COMMENT"):
            texts = [{str(line).strip() for line in hdu.header.get(name, ())} - {""} for hdu in (one, other)]
            assert texts[0] <= texts[1]
    return different


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("segment", ["Br", "bitmap", "conf_disambig", "continuum", "magnetogram"])
def test_real_patches_come_back(site, tmp_path, segment):
    path = real(SHARP.format(segment))
    assert ingest(site, [path]) == IngestReport(1, 1)
    [record] = records(site, "hmi.sharp_cea_720s")
    assert record.keywords["HARPNUM"] == 377
    assert times.format(record.keywords["T_REC"]) == "2011.02.15_02:00:00_TAI"
    assert record.keywords["USFLUX"] == 2.714760e22
    assert record.files.keys() == {segment}
    assert not compare(path, exported(record, segment, tmp_path / "out.fits"))
    # The stored file has no keywords.
    stored = fits.getheader(record.files[segment], -1)
    assert not {"T_REC", "HARPNUM", "USFLUX", "CRVAL1", "RECNUM", "HISTORY"} & set(stored)


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_real_patches_are_one_record(site):
    paths = [real(SHARP.format(segment)) for segment in ("Br", "bitmap", "conf_disambig", "continuum", "magnetogram")]
    assert ingest(site, paths) == IngestReport(1, 5)
    [record] = records(site, "hmi.sharp_cea_720s")
    assert len(record.files) == 5
    numbers = [list(record.series.segments).index(segment) for segment in ("Br", "magnetogram")]
    minima = [record.keywords[f"DATAMIN_{number:03d}"] for number in numbers]
    assert minima[0] == -2521.580078
    assert minima[0] != minima[1]
    assert record.row["sg_000_dims"] == "744x377"
    assert (record.row["sg_003_bzero"], record.row["sg_003_bscale"], record.row["cparms_sg003"]) == (
        97304,
        3,
        "compress Rice",
    )
    assert record.row["cparms_sg001"] == ""
    assert ingest(site, paths) == IngestReport(0, 0, 1)


def test_a_real_cutout_comes_back(site, tmp_path):
    path = real(CUTOUT)
    assert ingest(site, [path]) == IngestReport(1, 1)
    [record] = records(site, "aia.lev1_euv_12s_mod")
    assert record.series.prime_keys == ("T_REC", "WAVELNTH", "RequestID")
    assert record.keywords["RequestID"] == "JSOC_20230812_126"
    different = compare(path, exported(record, "image", tmp_path / "out.fits"))
    assert different.keys() <= {"AIMGOTS"} - {"AIMGOTS"}
    with fits.open(tmp_path / "out.fits") as hdus, fits.open(path) as before:
        np.testing.assert_array_equal(hdus[1].data, before[1].data)


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_the_image_that_sunpy_ships_comes_back(site, tmp_path):
    path = get_test_filepath("aia_171_level1.fits")
    assert ingest(site, [path], series="aia.lev1") == IngestReport(1, 1)
    [record] = records(site, "aia.lev1")
    assert record.keywords["FSN"] == 20781661
    assert times.format(record.keywords["T_REC"], "ISO") == "2011-02-15T00:00:01Z"
    assert record.keywords["ROI_LLX1"] is None
    out = exported(record, "image_lev1", tmp_path / "out.fits")
    # Means nothing for floating point numbers.
    assert not compare(path, out).keys() - {"BLANK"}
    with fits.open(out) as hdus, fits.open(path) as before:
        assert hdus[0].data.dtype == before[0].data.dtype
        np.testing.assert_array_equal(hdus[0].data, before[0].data)
        assert hdus[0].header["CRVAL1"] == before[0].header["CRVAL1"]
        assert hdus[0].header["DETECTOR"] == "AIA"


def test_what_a_site_exports_can_be_ingested(site, tmp_path):
    path = make(tmp_path / "anything.fits", DATAMEAN=0.1 + 0.2, HISTORY="one\ntwo", INSTRUME="HMI_FRONT2")
    ingest(site, [path])
    [record] = records(site, "hmi.M_45s")
    assert record.keywords["DATAMEAN"] == 0.1 + 0.2
    assert record.keywords["HISTORY"] == "one\ntwo"
    again = exported(record, "magnetogram", tmp_path / "again.fits")
    assert not compare(path, again)


@pytest.mark.parametrize(
    ("name", "option", "segment"),
    [
        ("hmi.m_45s.20140101_000045_TAI.2.magnetogram.fits", None, "magnetogram"),
        ("HMI.M_45s.x.fits", None, "magnetogram"),
        ("a.fits", "hmi.M_45s", "magnetogram"),
        ("a.disambig.fits", "hmi.b_720s", "disambig"),
        ("hmi.sharp_720s_nrt.fits", "hmi.sharp_720s", None),
    ],
)
def test_series_and_segment(site, tmp_path, name, option, segment):
    path = make(tmp_path / name)
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        del hdus[1].header["DRMS_ID"]
        hdus[1].header["HARPNUM"] = 1
    if segment is None:
        with pytest.raises(DataError, match="does not tell its segment"):
            ingest(site, [path], option)
    else:
        assert ingest(site, [path], option).records == 1
        [record] = records(site, option or "hmi.m_45s")
        assert record.files.keys() == {segment}


def test_a_linked_segment_belongs_elsewhere(site, tmp_path):
    path = make(tmp_path / "hmi.b_720s.2014.field.fits")
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        del hdus[1].header["DRMS_ID"]
    with pytest.raises(DataError, match="MDATA"):
        ingest(site, [path])


def test_new_versions(site, tmp_path):
    path = make(tmp_path / "a.fits", QUALITY=0)
    assert ingest(site, [path]) == IngestReport(1, 1)
    assert ingest(site, [path]) == IngestReport(0, 0, 1)
    # A keyword that has changed, then a pixel.
    make(path, QUALITY=256)
    assert ingest(site, [path]) == IngestReport(1, 1)
    make(path, QUALITY=256, pixels=np.ones((6, 8), dtype=np.int32))
    assert ingest(site, [path]) == IngestReport(1, 1)
    assert ingest(site, [path]) == IngestReport(0, 0, 1)
    found = records(site, "hmi.m_45s")
    assert [record.keywords["QUALITY"] for record in found] == [0, 256, 256]
    assert len({record.recnum for record in found}) == 3
    assert all(record.files["magnetogram"].exists() for record in found)


def test_a_new_segment_joins_the_others(site, tmp_path):
    series = "hmi.sharp_cea_720s"
    for segment in ("Br", "Bt"):
        path = make(tmp_path / f"{series}.{segment}.fits", series, segment, HARPNUM=377, NOAA_AR=11158)
        assert ingest(site, [path]) == IngestReport(1, 1 if segment == "Br" else 2)
    old, new = records(site, series)
    assert old.files.keys() == {"Br"}
    assert new.files.keys() == {"Br", "Bt"}
    assert all(path.exists() for path in new.files.values())
    assert new.files["Br"].read_bytes() == old.files["Br"].read_bytes()
    assert new.row["sg_006_dims"] == "8x6"


def storage(site):
    return sorted(str(path.relative_to(site.directory)) for path in site.directory.rglob("*.fits"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"this is no FITS file", r"bad\.fits cannot be ingested: .*Only FITS files can"),
        (b"", r"bad\.fits cannot be ingested: .*Only FITS files can"),
        (None, r"bad\.fits cannot be ingested: No such file"),
        ("folder", r"bad\.fits cannot be ingested: "),
        ("empty", r"holds no image"),
        ("cut", r"bad\.fits cannot be ingested: .*truncated"),
        ("nowhere", r"does not tell its series.*--series"),
        ("prime", r"has no card T_REC"),
    ],
)
def test_a_bad_file_stops_all(site, tmp_path, content, message):
    good, bad = make(tmp_path / "good.fits"), tmp_path / "bad.fits"
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif content == "folder":
        bad.mkdir()
    elif content == "empty":
        fits.PrimaryHDU().writeto(bad)
    elif content == "cut":
        fits.PrimaryHDU(np.zeros((200, 200))).writeto(bad)
        bad.write_bytes(bad.read_bytes()[:-5760])
    elif content == "nowhere":
        fits.PrimaryHDU(np.zeros((2, 2))).writeto(bad)
    elif content == "prime":
        make(bad, T_REC=None)
    with pytest.raises(DataError, match=message) as caught:
        ingest(site, [good, bad])
    assert "\n" not in str(caught.value)
    assert storage(site) == []
    assert not list(site.directory.glob(".ingest*"))
    if "hmi.M_45s" in site.series_names():
        assert records(site, "hmi.m_45s") == []


def test_an_unknown_series(site, tmp_path):
    with pytest.raises(QueryError, match=r"no definition of the series 'su.mine'"):
        ingest(site, [make(tmp_path / "good.fits")], series="su.mine")


def test_no_site(tmp_path):
    with pytest.raises(DataError, match="is no site"):
        ingest(tmp_path, [make(tmp_path / "good.fits")])


def test_storage_that_cannot_be_written(site, tmp_path):
    path = make(tmp_path / "good.fits")
    (site.directory / "SUM0").rmdir()
    (site.directory / "SUM0").write_text("in the way")
    with pytest.raises(DataError):
        ingest(site, [path])
    assert records(site, "hmi.m_45s") == []
    assert not list(site.directory.glob(".ingest*"))


def test_no_files(site):
    assert ingest(site, []) == IngestReport(0, 0)


def test_the_sites_own_definition_counts(site, tmp_path):
    from dataclasses import replace

    from jsoc_fido.series import Keyword, NameMap

    series = definitions.load("hmi.m_45s")
    extra = Keyword("DETECTOR", "string", note="detector")
    site.add_series(replace(series, keywords=NameMap([*series.keywords.values(), extra])))
    path = make(tmp_path / "a.fits")
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header["DETECTOR"] = "HMI"
    ingest(site, [path])
    [record] = records(site, "hmi.m_45s")
    assert record.keywords["DETECTOR"] == "HMI"
    assert "DETECTOR" not in fits.getheader(record.files["magnetogram"], 1)
