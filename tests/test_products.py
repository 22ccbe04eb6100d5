"""
What a site makes of images before it sends them: pictures, movies, processed images.
"""

import re
from pathlib import Path

import pytest
from astropy.io import fits
from PIL import Image
from sunpy.net import attrs as a

from jsoc_fido import JSOCClient, attrs, localsite
from jsoc_fido.exceptions import QueryError, UnsupportedError
from jsoc_fido.journal import Journal

MINUTES = a.Time("2014-01-01T00:00", "2014-01-01T00:01")
VELOCITY = attrs.Series("hmi.v_45s")
NOTIFY = attrs.Notify("solar@example.com")


@pytest.fixture
def client(local_site):
    return JSOCClient()


def test_pictures_come_one_for_each_record(client, tmp_path):
    protocol = attrs.Protocol("jpg", ct="grey.sao", scaling="MINMAXGIVEN", min=-2000, max=2000)
    found = client.search(MINUTES, VELOCITY, NOTIFY, protocol)
    results = client.fetch(found, path=tmp_path, progress=False)
    assert [Path(path).suffix for path in results] == [".jpg"] * len(found)
    for path in results:
        with Image.open(path) as picture:
            assert picture.format == "JPEG"


# drms sets the first value of a column in a way that pandas 3 warns of; nothing depends on that value here.
@pytest.mark.filterwarnings("ignore:(?s)A value is being set on a copy of a DataFrame")
@pytest.mark.parametrize(
    ("kind", "arguments", "begin"),
    [
        ("mp4", {"ct": "grey.sao"}, rb"....ftyp"),
        # A pack of an MPEG program stream (ISO 13818-1).
        ("mpg", {"scaling": "MINMAXGIVEN", "min": -2000, "max": 2000, "size": 2}, rb"\x00\x00\x01\xba"),
    ],
    ids=["mp4", "mpg"],
)
def test_a_movie_comes_once(client, tmp_path, kind, arguments, begin):
    found = client.search(MINUTES, VELOCITY, NOTIFY, attrs.Protocol(kind, **arguments))
    results = client.fetch(found, path=tmp_path, progress=False)
    assert [Path(path).suffix for path in results] == [f".{kind}"]
    assert re.match(begin, Path(results[0]).read_bytes(), re.DOTALL)
    # There is nothing left to resume, and without the table it is the movie that comes, too.
    assert str(tmp_path) not in {job.options["path"] for job in Journal().jobs()}
    (request,) = found.requests
    again = client.get_request(request.id, path=tmp_path / "again", progress=False)
    assert [Path(path).suffix for path in again] == [f".{kind}"]


def test_processed_files_say_what_was_done(client, tmp_path):
    found = client.search(MINUTES, VELOCITY, NOTIFY, attrs.Process("rebin", scale=0.5))
    assert list(found.meta["processing"].values()) == ["rebin,method=boxcar,scale=0.5"]
    results = client.fetch(found[:1], path=tmp_path, progress=False)
    plain = client.fetch(client.search(MINUTES, VELOCITY)[:1], path=tmp_path / "plain", progress=False)
    with fits.open(results[0]) as processed, fits.open(plain[0]) as whole:
        assert processed[-1].data.shape == tuple(size // 2 for size in whole[-1].data.shape)
        assert "rebin,method=boxcar,scale=0.5" in "".join(processed[-1].header["HISTORY"])
        assert "HISTORY" not in whole[-1].header or "rebin" not in str(whole[-1].header["HISTORY"])


def test_files_as_they_are_stored_cannot_be_processed(client):
    found = client.search(MINUTES, VELOCITY, NOTIFY, attrs.Protocol("as-is"), attrs.Process("rebin", scale=0.5))
    with pytest.raises(QueryError, match="rebin needs 'fits'"):
        client.fetch(found, progress=False)


def test_a_series_without_files_comes_as_a_table_of_its_keywords(tmp_path):
    localsite.init(tmp_path / "site")
    localsite.synthesize(tmp_path / "site", "aia.response", "2012-06-01", "2014-06-01")
    with localsite.running(tmp_path / "site", staging_time=0) as archive:
        client = JSOCClient(archive.url)
        found = client.search(a.Time("2012-05-01", "2014-06-01"), attrs.Series("aia.response"))
        with pytest.raises(UnsupportedError, match=r"aia\.response has no segments"):
            client.fetch(found, path=tmp_path, progress=False)
        (path,) = client.fetch(found, path=tmp_path, progress=False, protocol="fits", notify="solar@example.com")
    with fits.open(path) as hdus:
        assert len(hdus[1].data) == len(found) > 1
        assert set(hdus[1].data["WAVELNTH"]) == set(found["WAVELNTH"].value)
