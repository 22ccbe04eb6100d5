"""
The quick way: stored files with headers completed here are what an export would have written.
"""

from pathlib import Path

import pytest
import sunpy.map
from astropy.io import fits
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, localsite, times
from jsoc_fido.exceptions import DataError, UnsupportedError
from jsoc_fido.headers import card_name
from jsoc_fido.localsite.synthesize import PRODUCTS
from jsoc_fido.quick import ExactKeywords, url
from jsoc_fido.site import site as site_of_name

EMAIL = "solar@example.com"

#: When each series that can be computed has at least one record.
MOMENT = ("2017-09-06T12:00:00", "2017-09-06T12:00:10")
#: More of some.
MINUTE = a.Time("2014-01-01T00:00", "2014-01-01T00:01")

#: Cards that tell when a file was written, or sum up its bytes.
OF_THE_FILE = ["DATE", "CHECKSUM", "DATASUM", "HISTORY"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("archive")
    localsite.init(directory)
    for series in sorted(PRODUCTS):
        localsite.synthesize(directory, series, *MOMENT, size=16)
    for series in ("hmi.v_45s", "hmi.m_45s", "aia.lev1_euv_12s"):
        localsite.synthesize(directory, series, MINUTE.start, MINUTE.end, size=16)
    return directory


@pytest.fixture(scope="module")
def archive(directory):
    with localsite.running(directory, register=[EMAIL], staging_time=0.01) as running:
        yield running


def image(hdus: fits.HDUList):
    return next(hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS", 0) > 0)


def assert_same_file(quick: Path, staged: Path) -> None:
    """
    The same pixels, and card by card the same header, but for cards of the file itself.
    """
    with (
        fits.open(quick, disable_image_compression=True) as one,
        fits.open(staged, disable_image_compression=True) as other,
    ):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            cards = [
                [card.image for card in hdu.header.cards if card.keyword not in OF_THE_FILE] for hdu in (left, right)
            ]
            assert cards[0] == cards[1]
            assert (left.data is None) == (right.data is None)
            if left.data is not None:
                assert left.data.tobytes() == right.data.tobytes()


@pytest.mark.parametrize("series", sorted(PRODUCTS))
def test_quick_files_are_the_staged_files(archive, series, tmp_path):
    client = JSOCClient(archive.url)
    response = client.search(a.Time("2017-09-06T11:00", "2017-09-06T13:00"), a.jsoc.Series(series))[:4]
    assert len(response)
    archive.requests.clear()
    quick = client.fetch(response, path=tmp_path / "quick", progress=False)
    asked = {what for _, what in archive.requests}
    assert not quick.errors
    assert asked == {"rs_list", "file"}
    assert archive.count("rs_list") == 1
    staged = client.fetch(response, path=tmp_path / "staged", notify=EMAIL, progress=False)
    assert not staged.errors
    assert [Path(file).name for file in quick] == [Path(file).name for file in staged]
    for one, other in zip(quick, staged, strict=True):
        if one.endswith(".fits"):
            assert_same_file(Path(one), Path(other))
        else:
            assert Path(one).read_bytes() == Path(other).read_bytes()


def test_the_header_says_how_it_was_made(archive, tmp_path):
    client = JSOCClient(archive.url)
    response = client.search(MINUTE, a.jsoc.Series("hmi.m_45s"))[:1]
    (file,) = client.fetch(response, path=tmp_path, progress=False)
    with fits.open(file) as hdus:
        history = "".join(image(hdus).header["HISTORY"])
        assert f"from the DRMS keywords of hmi.M_45s[:#{response['Recnum'][0]}] at {archive.url}" in history
    assert sunpy.map.Map(file).meta["t_rec"] == response["T_REC"][0].value.replace("_TAI", ".000_TAI")


def test_pixels_stay_as_they_are_stored(archive, directory, tmp_path):
    client = JSOCClient(archive.url)
    response = client.search(MINUTE, a.jsoc.Series("aia.lev1_euv_12s"))[:1]
    (file,) = client.fetch(response, path=tmp_path, progress=False)
    stored = directory / response["image"][0].lstrip("/")
    with (
        fits.open(file, disable_image_compression=True) as new,
        fits.open(stored, disable_image_compression=True) as old,
    ):
        assert new[1].header["ZCMPTYPE"] == old[1].header["ZCMPTYPE"] == "RICE_1"
        assert new[1].data.tobytes() == old[1].data.tobytes()
        assert not new[1].header.get("CHECKSUM") or new[1].verify_checksum() == 1


def test_keywords_that_the_table_lacks_make_no_difference(archive, tmp_path):
    client = JSOCClient(archive.url)
    words = MINUTE, a.jsoc.Series("hmi.v_45s")
    everything, few = client.search(*words), client.search(*words, a.jsoc.Keys("CAMERA"))
    few.remove_columns(["CAMERA", "Record", "Dopplergram", "Online", "Size"])
    one = client.fetch(everything, path=tmp_path / "all", progress=False)
    other = client.fetch(few, path=tmp_path / "few", progress=False)
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert_same_file(Path(left), Path(right))


def test_real_files_come_as_they_were_exported(realdata, tmp_path):
    sources = sorted((realdata / "fits").glob("hmi.sharp_cea_720s.377.*.fits")) + sorted(
        (realdata / "fits").glob("aia.lev1*.fits")
    )
    localsite.init(tmp_path / "site")
    localsite.ingest(tmp_path / "site", sources[:-1])
    localsite.ingest(tmp_path / "site", sources[-1:], series="aia.lev1_euv_12s")
    with localsite.running(tmp_path / "site", staging_time=0.01) as archive:
        client = JSOCClient(archive.url)
        found = {
            "hmi.sharp_cea_720s": a.jsoc.PrimeKey("HARPNUM", 377),
            "aia.lev1_euv_12s": a.Time("2013-03-10", "2013-03-11"),
        }
        for series, word in found.items():
            response = client.search(a.jsoc.Series(series), word)
            quick = client.fetch(response, path=tmp_path / "quick", progress=False)
            staged = client.fetch(response, path=tmp_path / "staged", notify=EMAIL, progress=False)
            there = [Path(file).name for file in quick]
            assert there == [Path(file).name for file in staged]
            for one, other in zip(quick, staged, strict=True):
                assert_same_file(Path(one), Path(other))
                segment = "cutout" if series.startswith("aia") else Path(one).name.split(".")[-2]
                (source,) = [path for path in sources if path.name.endswith(f".{segment}.fits")]
                assert_same_values(Path(one), source, client.info(series))


def assert_same_values(quick: Path, exported: Path, series) -> None:
    """
    A file has the keywords that the real export had, with the same values.

    That export is of 2013 and printed its numbers otherwise; a real number has the digits of its type.
    """
    with fits.open(quick) as one, fits.open(exported) as other:
        other.verify("silentfix+ignore")  # it is not quite to the letter of the standard
        ours, theirs = image(one).header, image(other).header
        keywords = {card_name(keyword): keyword for keyword in series.keywords.values()}
        compared = 0
        for card in theirs.cards:
            keyword = keywords.get(card.keyword)
            if keyword is None or keyword.is_constant or card.keyword in (*OF_THE_FILE, "COMMENT"):
                continue
            mine, real = ours.get(card.keyword), card.value
            compared += 1
            if is_missing(real):
                assert is_missing(mine) or mine == {True: 0.0}.get(card.keyword.startswith("CR")), card.keyword
            elif keyword.is_time:
                assert times.parse(mine) == pytest.approx(times.parse(real), abs=6e-4), card.keyword
            elif keyword.is_real:
                assert mine == pytest.approx(float(real), rel=1e-6), card.keyword
            else:
                assert str(mine).strip() == str(real).strip(), card.keyword
        assert compared > 100


def is_missing(value) -> bool:
    return value is None or isinstance(value, fits.card.Undefined) or str(value).strip().lower() in {"", "nan"}


def test_questions_are_few(archive):
    client = JSOCClient(archive.url)
    response = client.search(MINUTE, a.jsoc.Series("aia.lev1_euv_12s"))
    numbers = response["Recnum"].tolist()
    keywords = ExactKeywords(client.site, client.info("aia.lev1_euv_12s"), numbers)
    archive.requests.clear()
    assert [keywords.values(number)["WAVELNTH"] for number in numbers] == response["WAVELNTH"].value.tolist()
    assert archive.count("rs_list") == 1


def test_a_record_that_is_gone_is_named(archive):
    client = JSOCClient(archive.url)
    keywords = ExactKeywords(client.site, client.info("hmi.v_45s"), [10**6])
    with pytest.raises(DataError, match=r"hmi.V_45s\[:#1000000\] is no longer at"):
        keywords.values(10**6)


@pytest.mark.parametrize(
    "path", ["SUM0/x.fits", "//evil.example/x.fits", ".evil.example/x", "/SUM0/../../etc", "@evil/x"]
)
def test_no_path_leads_to_another_site(path):
    with pytest.raises(DataError, match="no path in its storage"):
        url(site_of_name("jsoc"), path)


def test_paths_are_quoted():
    assert url(site_of_name("jsoc"), "/SUM1/a b?#.fits") == "http://jsoc.stanford.edu/SUM1/a%20b%3F%23.fits"


def test_sites_without_files_say_so():
    with pytest.raises(UnsupportedError, match="KIS answers searches only"):
        url(site_of_name("kis"), "/SUM1/x.fits")


def test_generic_segments_come_unchanged(tmp_path):
    directory = tmp_path / "site"
    localsite.init(directory)
    localsite.synthesize(directory, "hmi.v_sht_2drls", "2024-09-18T23:00", "2024-09-19T01:00")
    with localsite.running(directory) as archive:
        client = JSOCClient(archive.url)
        response = client.search(a.jsoc.RecordSet("hmi.v_sht_2drls[2024.09.19_00:00:00_TAI]"))
        table = client.fetch(response, path=tmp_path / "files", progress=False, return_table=True)
    assert len(table) > len(response) > 0
    for row in table:
        assert Path(row["Path"]).read_bytes() == (directory / row[row["Segment"]].lstrip("/")).read_bytes()
