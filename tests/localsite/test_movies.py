"""
Images and movies as exports: they are decoded again, and looked at.
"""

import json
import tarfile
import urllib.request

import av
import drms
import numpy as np
import pytest
from PIL import Image

from jsoc_fido import localsite
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.localsite import pictures
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.pictures import TABLES, Movie, Rendering

ADA = "ada@example.org"
SET = "aia.lev1_euv_12s[2025-01-01T04:33:30Z/1m][171]"
HMI = "hmi.M_45s[2014.01.01_00:00:45_TAI]"
MOVIES = {"mpg": ("mpeg", {"mpeg2video", "mpeg1video"}), "mp4": ("mp4", {"h264", "mpeg4"})}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("movies")
    localsite.init(directory)
    day = ("2025-01-01T04:33:30", "2025-01-01T04:34:20")
    localsite.synthesize(directory, "aia.lev1_euv_12s", *day, size=64, wavelength=171)
    localsite.synthesize(directory, "hmi.m_45s", "2014.01.01_00:00:45_TAI", "2014.01.01_00:00:45_TAI", size=65)
    return directory


@pytest.fixture(scope="module")
def ask(directory):
    with Catalogue.open(directory) as catalogue:
        exporter = Exporter(catalogue, staging_time=0.001)
        exporter.start()

        def export(ds, protocol, **parameters):
            """
            Ask for a picture, and wait for the reply; tell where its files are.
            """
            asked = {"op": "exp_request", "ds": ds, "notify": ADA, "method": "url", "protocol": protocol}
            reply = exporter.answer(asked | {"process=n": "0"} | parameters)
            requestid = reply.get("requestid")
            while int(reply["status"]) in {1, 2}:
                reply = exporter.answer({"op": "exp_status", "requestid": requestid})
            return reply, catalogue.directory / reply.get("dir", "").lstrip("/")

        yield export
        exporter.stop()


def decoded(path):
    """
    The format of a movie, its codec, and its frames.
    """
    with av.open(str(path)) as file:
        codec = file.streams.video[0].codec_context.name
        return file.format.name, codec, [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def test_images(ask):
    reply, directory = ask(SET, "jpg,CT=aia_171.lut,scaling=SQRT,size=2", filenamefmt="{T_REC:A}.{segment}")
    assert len(reply["data"]) == 5
    assert reply["data"][0] == {
        "record": "aia.lev1_euv_12s[2025-01-01T04:33:23Z][171]",
        "filename": "2025-01-01T043323Z.image_lev1.jpg",
    }
    for row in reply["data"]:
        with Image.open(directory / row["filename"]) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (32, 32), "RGB")
            red, green, blue = np.asarray(image).mean(axis=(0, 1))
            assert red > green > blue


@pytest.mark.parametrize("kind", list(MOVIES))
def test_movies(ask, kind):
    reply, directory = ask(SET, f"{kind},CT=grey.sao,scaling=MINMAX,size=1")
    movie, *frames = reply["data"]
    assert movie == {"record": "movie of the following data", "filename": reply["movie name"]}
    assert movie["filename"].endswith(f".{kind}")
    assert len(frames) == 5
    container, codec, images = decoded(directory / movie["filename"])
    assert MOVIES[kind][0] in container
    assert codec in MOVIES[kind][1]
    assert len(images) == 5
    for row, image in zip(frames, images, strict=True):
        with Image.open(directory / row["filename"]) as still:
            assert image.shape == (64, 64, 3)
            assert np.abs(np.asarray(still).astype(int) - image).mean() < 12


def test_the_form_of_the_reply(ask, directory):
    protocol = "mp4,CT=heat.sao,scaling=LOG,size=1,min=1,max=5000"
    reply, folder = ask(SET, protocol, filenamefmt="{T_REC:A}.{segment}")
    pairs = json.loads((folder / "index.json").read_text(), object_pairs_hook=list)
    names = (
        "reqid expversion method recordset protocol dir filefmt cparms keywords size status movie_name keywords data"
    )
    assert [name.replace(" ", "_") for name, _ in pairs] == names.split()
    assert all(isinstance(value, str) for name, value in pairs if name != "data")
    assert (reply["protocol"], reply["status"], reply["filefmt"]) == ("mp4", "0", "{T_REC:A}.{segment}")
    assert reply["cparms"] == protocol.partition(",")[2]
    total = sum((folder / row["filename"]).stat().st_size for row in reply["data"])
    assert float(reply["size"]) == pytest.approx(total / 2**20, abs=1e-6)
    assert len((directory / reply["keywords"].lstrip("/")).read_text().splitlines()) == 6


def test_over_http(directory, make):
    with localsite.running(directory, staging_time=0.01) as site:
        url = f"{site.url}/cgi-bin/ajax/jsoc_fetch"
        asked = f"{url}?op=exp_request&ds={SET}&notify={ADA}&method=url&protocol=jpg,CT=bb.sao&process%3Dn=0"
        reply = json.load(urllib.request.urlopen(asked))
        assert (reply["status"], reply["protocol"]) == (2, "jpg,CT=bb.sao")
        told = []
        while not told or ("status", 1) in told:
            with urllib.request.urlopen(f"{url}?op=exp_status&requestid={reply['requestid']}") as answer:
                told = json.load(answer, object_pairs_hook=list)
        # The member that comes twice gets through.
        assert [name for name, _ in told].count("keywords") == 2
        # drms knows where to look for the identifier then.
        request = drms.Client(make.drms_server(site.url)).export_from_id(reply["requestid"])
        assert request.id == reply["requestid"]
        assert len(request.urls) == 5
        with urllib.request.urlopen(request.urls.url[0]) as file:
            assert file.read(3) == b"\xff\xd8\xff"


def test_north_is_up(ask):
    reply, directory = ask(HMI, "jpg,scaling=mag,min=-100,max=100", filenamefmt="{segment}")
    plain, there = ask(HMI, "fits", filenamefmt="{segment}")
    from sunpy.map import Map

    original = Map(there / plain["data"][0]["filename"])
    assert abs(original.meta["crota2"]) > 90
    with Image.open(directory / reply["data"][0]["filename"]) as image:
        drawn = np.asarray(image).mean(axis=2)
    # What is drawn from above, turned by 180 degrees, is what is stored from below, from right to left.
    expected = np.clip(np.nan_to_num(original.data[:, ::-1], nan=-100), -100, 100)
    assert np.corrcoef(expected.ravel(), drawn.ravel())[0, 1] > 0.95


def test_processed_images(ask):
    reply, directory = ask(SET, "mp4", **{"process=n": "0|rebin,scale=0.25"})
    assert reply["data"][1]["record"].startswith("aia.lev1_euv_12s_mod[2025-01-01T04:33:23Z][171][JSOC_")
    assert decoded(directory / reply["movie name"])[2][0].shape == (16, 16, 3)


def test_tar(ask):
    reply, directory = ask(SET, "mpg", method="url-tar")
    names = {path.name for path in directory.iterdir()}
    assert names == {f"{reply['reqid']}.{ending}" for ending in ("tar", "keywords.txt")} | {"index.json"}
    with tarfile.open(directory / reply["tarfile"].rpartition("/")[2]) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert names == {row["filename"] for row in reply["data"]} | {f"{reply['reqid']}.keywords.txt"}


def test_names_must_differ(ask):
    reply, _ = ask(SET, "jpg", filenamefmt="{WAVELNTH}.jpg")
    assert reply["status"] == 4
    assert "Two files would be named 171.jpg" in reply["error"]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("png,CT=grey.sao", "is not supported"),
        ("jpg,CT=pink.lut", "must be one of grey.sao"),
        ("jpg,scaling=HISTEQ", "must be one of MINMAX"),
        ("jpg,size=3", "must be one of 1, 2, 4, 8"),
        ("jpg,min=low", "'min=low' is wrong"),
        ("jpg,max=nan", "'max=nan' is wrong"),
        ("jpg,min=5,max=5", "is not less than"),
        ("jpg,scaling=MINMAXGIVEN,min=5", "needs min and max"),
        ("jpg,quality=5", "has no argument 'quality=5'"),
    ],
)
def test_what_is_refused(ask, protocol, words):
    reply, _ = ask(SET, protocol)
    assert reply["status"] == 4
    assert words in reply["error"]


def test_reading_the_arguments():
    rendering = Rendering.parse("JPG,ct=AIA_MIXED,Scaling=Mag,SIZE=8,MIN=-10,max=1e3")
    assert rendering == Rendering("jpg", "aia_mixed", "mag", 8, -10, 1000)
    assert str(rendering) == "CT=aia_mixed,scaling=mag,size=8,min=-10,max=1000"
    assert Rendering.parse(f"jpg,{Rendering('jpg')}") == Rendering("jpg")
    with pytest.raises(QueryError):
        Rendering.parse("jpg,size")


@pytest.mark.parametrize("table", TABLES)
def test_colour_tables(table):
    ramp = np.arange(256.0).reshape(16, 16)
    drawn = np.asarray(Rendering("jpg", table).draw(ramp)).astype(int)
    colours = np.unique(drawn.reshape(-1, 3), axis=0)
    assert len(colours) > 60
    # The first row is below.
    assert drawn[0].sum() != drawn[-1].sum()


@pytest.mark.parametrize("scaling", ["MINMAX", "LOG", "SQRT"])
def test_more_is_brighter(scaling):
    drawn = np.asarray(Rendering("jpg", scaling=scaling).draw(np.arange(64.0).reshape(1, 64)))[0, :, 0].astype(int)
    assert (drawn[0], drawn[-1]) == (0, 255)
    assert (np.diff(drawn) >= 0).all()
    assert drawn[16] > (100 if scaling != "MINMAX" else 60)


def test_magnetic_fields_have_zero_in_the_middle():
    drawn = np.asarray(Rendering("jpg", scaling="mag", low=-500, high=100).draw(np.array([[-500.0, 0.0, 500.0]])))
    assert drawn[0, :, 0].tolist() == [0, 128, 255]


def test_missing_pixels_are_black():
    pixels = np.array([[np.nan, 5.0], [7.0, 9.0]])
    assert np.asarray(Rendering("jpg", low=0, high=5).draw(pixels))[1, 0].tolist() == [0, 0, 0]
    assert not np.asarray(Rendering("jpg", scaling="SQRT").draw(np.full((3, 3), np.nan))).any()


def test_the_channel_chooses_the_table():
    pixels, mixed = np.arange(64.0).reshape(8, 8), Rendering("jpg", "aia_mixed")
    assert mixed.draw(pixels, wavelength=304) == Rendering("jpg", "aia_304.lut").draw(pixels)
    assert mixed.draw(pixels, wavelength=6173) == Rendering("jpg", "grey.sao").draw(pixels)


@pytest.mark.parametrize("kind", list(MOVIES))
def test_frames_of_any_size(tmp_path, kind):
    movie = Movie(tmp_path / f"x.{kind}", kind)
    for size in ((33, 21), (40, 40), (5, 90)):
        movie.add(Image.new("RGB", size, (200, 100, 50)))
    movie.close()
    _, _, images = decoded(movie.path)
    assert [image.shape for image in images] == [(22, 34, 3)] * 3
    assert np.abs(images[0][:20, :32].mean(axis=(0, 1)) - (200, 100, 50)).max() < 8


def test_movies_of_whole_images(tmp_path):
    # MPEG-2 takes no multiple of 4096.
    movie = Movie(tmp_path / "x.mpg", "mpg")
    movie.add(Image.new("RGB", (4096, 16)))
    movie.close()
    assert decoded(movie.path)[2][0].shape == (16, 4098, 3)


def test_a_codec_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(pictures.KINDS, "mp4", ("mp4", ("nothing",)))
    with pytest.raises(DataError, match="PyAV has none of nothing"):
        Movie(tmp_path / "x.mp4", "mp4")
