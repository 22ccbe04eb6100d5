import io
import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from jsoc_fido import headers, times
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import definitions
from jsoc_fido.series import Keyword, NameMap, Segment, Series

REALDATA = Path(__file__).parents[2] / "shared" / "realdata"


@pytest.fixture
def magnetograms():
    return definitions.load("hmi.m_45s")


@pytest.fixture
def stored(tmp_path):
    """
    A file as a site stores one: compressed, scaled, without keywords.
    """
    pixels = np.arange(24 * 32, dtype=np.int32).reshape(24, 32)
    path = tmp_path / "magnetogram.fits"
    fits.CompImageHDU(pixels, compression_type="RICE_1").writeto(path)
    return path, pixels


def real_header(name):
    path = REALDATA / "headers" / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    text = path.read_text(encoding="ascii")
    return fits.Header.fromstring(text, sep="\n") if "\n" in text else fits.Header.fromstring(text)


@pytest.mark.parametrize(
    ("keyword", "card"),
    [
        (Keyword("T_REC", "time"), "T_REC"),
        (Keyword("T_REC_epoch", "time"), "TRECEPOC"),
        (Keyword("T_REC_step", "float"), "TRECSTEP"),
        (Keyword("T_REC_unit", "string"), "TRECUNIT"),
        (Keyword("T_REC_round", "float"), "TRECROUN"),
        (Keyword("DATE__OBS", "time", note="[DATE-OBS] DATE_OBS = T_OBS - EXPTIME/2.0"), "DATE-OBS"),
        (Keyword("DATE__OBS", "time"), "DATEOBS"),
        (Keyword("magnetic_flux_total", "float"), "MAGNETIC"),
        (Keyword("quality", "int"), "QUALITY"),
        (Keyword("X", "int", note="[YES:INTEGER] cast"), "YES"),
        (Keyword("X", "int", note="[NO:NONE] not a cast"), "X"),
        (Keyword("X", "int", note="[much_too_long] not a name"), "X"),
        (Keyword("na_xis_extent", "int"), "NAXISEXT"),
        (Keyword("n.axis.1", "int"), "_NAXIS1"),
        (Keyword("NAXIS1", "int"), None),
        (Keyword("bzero", "double"), None),
        (Keyword("PRIMEKEYSTRING", "string"), None),
    ],
)
def test_card_names(keyword, card):
    assert headers.card_name(keyword) == card


def one(keyword, value=None, **kwargs):
    series = Series("su.test", prime_keys=("A",), keywords=NameMap([keyword]), segments=NameMap([Segment("s", "int")]))
    return headers.header(series, {keyword.name: value, **kwargs}, segment="s", recnum=7)


@pytest.mark.parametrize(
    ("keyword", "value", "expected", "comment"),
    [
        (Keyword("A", "int", note="a number"), 5, 5, "a number"),
        (Keyword("A", "int", format="0x%08X"), -1, -1, ""),
        (Keyword("A", "double", units="m", note="size"), 1.5, 1.5, "[m] size"),
        (Keyword("A", "float", units="Mm", note="size"), None, None, "[Mm] (MISSING) size"),
        (Keyword("A", "double"), math.nan, None, "(MISSING)"),
        (Keyword("A", "string"), "", None, "(MISSING)"),
        (Keyword("A", "string"), "caf\u00e9\tx", "caf??x", ""),
        (Keyword("A", "string", note="one - two"), "x", "x", "one"),
        (Keyword("A", "string", note="Comma-separated"), "x", "x", "Comma"),
        (Keyword("A", "string", note="a--b"), "x", "x", "a-b"),
        (Keyword("A", "time", units="TAI"), 1167609645.0, "2014.01.01_00:00:45.000_TAI", "[TAI]"),
        (Keyword("A", "time", units="ISO"), 1167609637.3, "2014-01-01T00:00:02.300", "[ISO]"),
        (Keyword("A", "time", units="UTC"), 1167609635.0, "2014.01.01_00:00:00.000_UTC", "[UTC]"),
        (Keyword("A", "time", units="TAI"), times.MISSING, None, "[TAI] (MISSING)"),
        (Keyword("A", "time", units="days"), 43200.0, "0.5", "[days]"),
        (Keyword("A", "int", scope="constant", default="7"), None, 7, ""),
        (Keyword("A", "double", scope="constant", default="nan"), None, None, "(MISSING)"),
        (Keyword("A", "time", units="TAI", scope="constant", default="1993.01.01_TAI"), None,
         "1993.01.01_00:00:00.000_TAI", "[TAI]"),
    ],
)  # fmt: skip
def test_values(keyword, value, expected, comment):
    card = one(keyword, value).cards["A"]
    assert (None if is_missing(card.value) else card.value) == expected
    assert card.comment == comment


def test_the_original_name_is_told_where_the_card_has_another():
    header = one(Keyword("DATE__OBS", "time", units="ISO", note="[DATE-OBS] start"), 1167609637.3)
    assert header.comments["DATE-OBS"] == "[ISO] start {DATE__OBS}"


@pytest.mark.parametrize(("name", "value"), [("CRPIX1", 0.0), ("CDELT2", 1.0), ("CRDER1", 0.0), ("CROTA2", 0.0)])
def test_missing_coordinates_are_numbers(name, value):
    assert one(Keyword(name, "float"))[name] == value


def test_what_is_written_when_missing():
    assert is_missing(one(Keyword("CSYSER1", "float"))["CSYSER1"])
    assert "DATE" not in one(Keyword("DATE", "time", units="ISO"))
    assert "HISTORY" not in one(Keyword("HISTORY", "string"))


def test_a_value_of_another_type_is_named():
    with pytest.raises(DataError, match="'many' is no value for A, which is of type int"):
        one(Keyword("A", "int"), "many")


def test_long_texts_and_long_comments():
    text = "path/" * 40
    card = one(Keyword("A", "string", note="n" * 100, units="unit"), text)
    assert card["A"] == text
    assert fits.Header.fromstring(card.tostring())["A"] == text
    assert len(str(one(Keyword("A", "double", note="n" * 100), 1.0).cards["A"])) == 80


def test_history_and_comment_are_split_and_joined(magnetograms):
    text = "De-rotation: ON;" * 20 + "\nsecond line"
    header = headers.header(magnetograms, {"HISTORY": text, "COMMENT": "short"}, segment="magnetogram", recnum=1)
    assert all(len(str(line)) <= 72 for line in header["HISTORY"])
    values, _ = headers.read_keywords(header, magnetograms, "magnetogram")
    assert values["HISTORY"] == text
    assert values["COMMENT"] == "short"


def test_what_is_appended(magnetograms):
    header = headers.header(magnetograms, {}, segment="magnetogram", recnum=42)
    assert list(header)[-6:] == ["RECNUM", "DRMS_ID", "PRIMARYK", "LICENSE", "HEADSUM", "LONGSTRN"]
    assert header["RECNUM"] == 42
    assert header["DRMS_ID"] == "hmi.M_45s:42:magnetogram"
    assert header["PRIMARYK"] == "T_REC, CAMERA"
    assert header["LICENSE"] == "LICENSE"
    assert header.comments["LICENSE"] == "CC0 1.0"
    assert header["TRECEPOC"] == "1993.01.01_00:00:00.000_TAI"
    assert headers.header(magnetograms, {}, segment=None, recnum=42)["DRMS_ID"] == "hmi.M_45s:42:no_segment"


def test_the_checksum_of_the_keywords_tells_them_apart(magnetograms):
    def digest(**values):
        return headers.header(magnetograms, values, segment="magnetogram", recnum=1)["HEADSUM"]

    assert digest(QUALITY=0) == digest(QUALITY=0) != digest(QUALITY=1)


def test_keywords_of_each_segment():
    sharps = definitions.load("hmi.sharp_cea_720s")
    values = {"DATAMIN_000": -1.0, "DATAMIN_003": 3.0}
    header = headers.header(sharps, values, segment="continuum", recnum=1)
    assert header["DATAMIN"] == 3.0
    assert header.comments["DATAMIN"].endswith("{DATAMIN_003}")
    back, _ = headers.read_keywords(header, sharps, "continuum")
    assert {name: value for name, value in back.items() if name[-3:].isdigit()} == {"DATAMIN_003": 3.0}
    assert is_missing(headers.header(sharps, values, segment="Br", recnum=1)["DATAMIN"])
    assert "DATAMIN" not in headers.header(sharps, values, segment=None, recnum=1)


@pytest.mark.parametrize(
    ("file", "series", "segment", "unknown"),
    [
        ("hmi_sharp_magnetogram.header", "hmi.sharp_720s", "magnetogram", set()),
        # This release of the series has keywords under other names.
        ("hmi_cea_sharp_magnetogram.header", "hmi.sharp_cea_720s", "magnetogram", set()),
        ("mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header", "mdi.fd_M_lev182", "data", {"REQUESTI"}),
    ],
)
def test_real_headers_come_back(file, series, segment, unknown):
    real = real_header(file)
    definition = definitions.load(series)
    values, rest = headers.read_keywords(real, definition, segment)
    again = headers.header(definition, values, segment=segment, recnum=real["RECNUM"])
    structure = {
        "SIMPLE",
        "XTENSION",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "PCOUNT",
        "GCOUNT",
        "BLANK",
        "BZERO",
        "BSCALE",
    }
    assert set(rest) - structure - {"COMMENT"} == unknown
    different = {
        name: (real[name], again[name])
        for name in real
        if name not in structure | unknown | {*headers.GENERATED, "COMMENT", "HISTORY", ""}
        and not same(real[name], again[name])
    }
    if series.startswith("mdi"):  # the real file is of a longer cadence
        assert set(different) == {"CONTENT", "CADENCE", "TRECEPOC", "TRECSTEP"}
    else:
        assert not different
        generated = {"RECNUM", "PRIMARYK", "LICENSE", "DRMS_ID"}
        assert {name: again[name] for name in generated} == {name: real[name] for name in generated}


def same(one, other):
    return one == other or (is_missing(one) and is_missing(other))


def is_missing(value):
    return value is None or isinstance(value, fits.card.Undefined)


VALUES = {
    "int": st.integers(-(2**31) + 1, 2**31 - 1),
    "longlong": st.integers(-(2**63) + 1, 2**63 - 1),
    "float": st.floats(-1e30, 1e30).filter(lambda value: value == 0 or abs(value) > 1e-30),
    "double": st.floats(-1e300, 1e300).filter(lambda value: value == 0 or abs(value) > 1e-300),
    "time": st.integers(-(10**12), 5 * 10**12).map(lambda milliseconds: milliseconds / 1000),
    "string": st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=150),
}


@settings(deadline=None, max_examples=25)  # a machine may be busy
@given(st.data())
def test_all_values_come_back(data):
    series = definitions.load("hmi.m_45s")
    variables = [
        item for item in series.keywords.values() if not item.is_constant and item.name not in {"HISTORY", "COMMENT"}
    ]
    chosen = data.draw(st.lists(st.sampled_from(variables), max_size=12, unique_by=lambda item: item.name))
    values = {item.name: data.draw(VALUES[item.type], label=item.name) for item in chosen}
    header = headers.header(series, values, segment="magnetogram", recnum=1)
    text = header.tostring()
    assert text.isascii()
    back, _ = headers.read_keywords(fits.Header.fromstring(text), series, "magnetogram")
    for name, value in values.items():
        expected = (
            value
            if isinstance(value, str)
            else pytest.approx(value, rel=0, abs=1e-6 if series.keywords[name].is_time else 0)
        )
        assert back[name] == expected
    # Nothing else, but for the coordinates that must not be missing.
    assert set(back) - set(values) <= {"CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CROTA2", "CRDER1", "CRDER2"}


def test_a_card_that_is_no_value_stays(magnetograms):
    cards = fits.Header([("QUALITY", "bad"), ("T_OBS", "some day"), ("CAMERA", 2.0), ("DATAMIN", "nan"), ("XYZ", 1)])
    values, rest = headers.read_keywords(cards, magnetograms, "magnetogram")
    assert values == {"CAMERA": 2}
    assert list(rest) == ["QUALITY", "T_OBS", "XYZ"]


def test_hexadecimal_and_unsigned_integers(magnetograms):
    cards = fits.Header([("QUALITY", "0x80000100"), ("QUALLEV1", 0x80000001), ("HFLID", -(2**31))])
    values, rest = headers.read_keywords(cards, magnetograms, "magnetogram")
    assert values == {"QUALITY": 0x80000100 - 2**32, "QUALLEV1": 0x80000001 - 2**32}
    assert len(rest) == 0


def raw_data(path):
    with fits.open(path, disable_image_compression=True) as hdus:
        info = headers.image_hdu(hdus).fileinfo()
        return path.read_bytes()[info["datLoc"] : info["datLoc"] + info["datSpan"]]


def test_pixels_are_copied_as_they_are_stored(stored, tmp_path, magnetograms):
    source, pixels = stored
    target = tmp_path / "out" / "exported.fits"
    target.parent.mkdir()
    header = headers.header(magnetograms, {"QUALITY": 0, "T_REC": 1167609645.0}, segment="magnetogram", recnum=3)
    headers.write_fits(source, target, header)
    assert raw_data(target) == raw_data(source)
    with fits.open(target, checksum=True) as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
        np.testing.assert_array_equal(hdus[1].data, pixels)
        assert hdus[1].header["T_REC"] == "2014.01.01_00:00:45.000_TAI"
        assert hdus[1].header["DRMS_ID"] == "hmi.M_45s:3:magnetogram"
    with fits.open(target, disable_image_compression=True) as hdus:
        assert "DATASUM" in hdus[1].header
    assert [path.name for path in target.parent.iterdir()] == ["exported.fits"]


@pytest.mark.parametrize("kind", ["image", "scaled", "extension"])
def test_files_without_compression(tmp_path, magnetograms, kind):
    pixels = np.arange(20, dtype=np.int16).reshape(4, 5)
    source, target = tmp_path / "in.fits", tmp_path / "out.fits"
    hdu = fits.PrimaryHDU(pixels) if kind != "extension" else fits.ImageHDU(pixels)
    if kind == "scaled":
        hdu.scale("int16", bscale=0.5, bzero=100.0)
    hdu.writeto(source)
    headers.write_fits(source, target, headers.header(magnetograms, {"CAMERA": 2}, segment="magnetogram", recnum=1))
    assert raw_data(target) == raw_data(source)
    with fits.open(target, checksum=True) as hdus, fits.open(source) as before:
        np.testing.assert_array_equal(hdus[-1].data, before[-1].data)
        assert hdus[-1].header["CAMERA"] == 2


def test_stale_cards_are_replaced_and_others_stay(stored, tmp_path, magnetograms):
    source, _ = stored
    with fits.open(source, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header.update({"CAMERA": 9, "DETECTOR": "HMI", "DRMS_ID": "old:1:x"})
        hdus[1].header.add_comment("stays")
    target = tmp_path / "out.fits"
    headers.write_fits(source, target, headers.header(magnetograms, {"CAMERA": 2}, segment="magnetogram", recnum=1))
    header = fits.getheader(target, 1)
    assert (header["CAMERA"], header["DETECTOR"], header["DRMS_ID"]) == (2, "HMI", "hmi.M_45s:1:magnetogram")
    assert list(header["COMMENT"]) == ["stays"]
    # Once more over itself: nothing accumulates.
    headers.write_fits(target, target, headers.header(magnetograms, {"CAMERA": 3}, segment="magnetogram", recnum=1))
    assert len(fits.getheader(target, 1)) == len(header)
    assert fits.getheader(target, 1)["CAMERA"] == 3


def test_an_open_file_can_be_the_source(stored, tmp_path, magnetograms):
    source, pixels = stored
    header = headers.header(magnetograms, {}, segment="magnetogram", recnum=1)
    headers.write_fits(io.BytesIO(source.read_bytes()), tmp_path / "out.fits", header)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), pixels)


def test_what_cannot_be_copied(tmp_path, stored, magnetograms):
    header = headers.header(magnetograms, {}, segment="magnetogram", recnum=1)
    text, empty, target = tmp_path / "text.fits", tmp_path / "empty.fits", tmp_path / "out.fits"
    text.write_text("this is no FITS file\n" * 500)
    fits.PrimaryHDU().writeto(empty)
    for source, message in (
        (text, "cannot be copied"),
        (empty, "no image"),
        (tmp_path / "none.fits", "cannot be copied"),
    ):
        with pytest.raises(DataError, match=message):
            headers.write_fits(source, target, header)
        assert not target.exists()
    with pytest.raises(DataError, match="folder"):
        headers.write_fits(stored[0], tmp_path / "nowhere" / "out.fits", header)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.fits", "magnetogram.fits", "text.fits"]
