import contextlib
import io
import itertools
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsoc_fido import fitsfiles, headers
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import definitions

BLOCK = 2880
SHAPE = (24, 32)


def ramp(kind):
    return np.arange(24 * 32).reshape(SHAPE).astype(kind)


def scaled():
    """
    Integers that stand for other numbers, with one that stands for nothing.
    """
    hdu = fits.PrimaryHDU(ramp("int16"))
    hdu.header.update({"BZERO": 100.0, "BSCALE": 0.5, "BLANK": -32768})
    return hdu


def compressed(kind, **options):
    return fits.CompImageHDU(ramp(kind), **({"compression_type": "RICE_1"} | options))


def compressed_with_blank():
    hdu = compressed("int16")
    hdu.header["BLANK"] = -32768
    return hdu


def table():
    columns = [
        fits.Column("name", "5A", array=np.array(["a", "bb"])),
        fits.Column("lists", "PJ()", array=np.array([np.arange(3), np.arange(5)], dtype=object)),
    ]
    return fits.BinTableHDU.from_columns(columns)


#: Files as sites store them: parts, and the number of the one with the image.
FILES = {
    "int16": lambda: ([fits.PrimaryHDU(ramp("int16"))], 0),
    "int32": lambda: ([fits.PrimaryHDU(ramp("int32"))], 0),
    "uint8": lambda: ([fits.PrimaryHDU(ramp("uint8"))], 0),
    "int8": lambda: ([fits.PrimaryHDU(ramp("int8"))], 0),
    "uint16": lambda: ([fits.PrimaryHDU(ramp("uint16"))], 0),
    "float32": lambda: ([fits.PrimaryHDU(np.sqrt(ramp("float32")))], 0),
    "float64": lambda: ([fits.PrimaryHDU(np.where(ramp("float64") > 9, ramp("float64"), np.nan))], 0),
    "scaled": lambda: ([scaled()], 0),
    "extension": lambda: ([fits.PrimaryHDU(), fits.ImageHDU(ramp("int16"))], 1),
    "others around": lambda: ([fits.PrimaryHDU(), table(), fits.ImageHDU(ramp("int16")), table()], 2),
    "rice int16": lambda: ([fits.PrimaryHDU(), compressed("int16")], 1),
    "rice int32": lambda: ([fits.PrimaryHDU(), compressed("int32")], 1),
    "rice uint8": lambda: ([fits.PrimaryHDU(), compressed("uint8")], 1),
    "rice uint16": lambda: ([fits.PrimaryHDU(), compressed("uint16")], 1),
    "rice blank": lambda: ([fits.PrimaryHDU(), compressed_with_blank()], 1),
    "gzip float32": lambda: ([fits.PrimaryHDU(), compressed("float32", compression_type="GZIP_1")], 1),
    "quantized float32": lambda: ([fits.PrimaryHDU(), compressed("float32", quantize_level=16)], 1),
}


@pytest.fixture(params=FILES)
def stored(request, tmp_path):
    """
    A stored file of each kind, and the number of the part with the image.
    """
    hdus, number = FILES[request.param]()
    path = tmp_path / "stored.fits"
    fits.HDUList(hdus).writeto(path)
    return path, number


@pytest.fixture
def rice(tmp_path):
    path = tmp_path / "rice.fits"
    fits.HDUList([fits.PrimaryHDU(), compressed("int32")]).writeto(path)
    return path


@pytest.fixture(scope="module")
def cards():
    values = {"CAMERA": 2, "T_REC": 1167609645.0, "HISTORY": "one\ntwo"}
    return headers.header(definitions.load("hmi.m_45s"), values, segment="magnetogram", recnum=3)


def split(path, number):
    """
    The bytes before a header, those of the header, and those behind it.
    """
    data = Path(path).read_bytes()
    with fits.open(path, disable_image_compression=True) as hdus:
        where = hdus[number].fileinfo()
    return data[: where["hdrLoc"]], data[where["hdrLoc"] : where["datLoc"]], data[where["datLoc"] :]


def raw(path):
    """
    Everything that is stored, with the scaling not applied.
    """
    with fits.open(path, disable_image_compression=True, do_not_scale_image_data=True) as hdus:
        return [None if hdu.data is None else bytes(np.ascontiguousarray(hdu.data).view("u1")) for hdu in hdus]


def test_only_one_header_changes(stored, tmp_path, cards):
    source, number = stored
    target = tmp_path / "new" / "file.fits"
    target.parent.mkdir()
    fitsfiles.write_fits(source, target, cards)
    before, old, behind = split(source, number)
    new_before, new, new_behind = split(target, number)
    assert (new_before, new_behind) == (before, behind)
    assert new.startswith(old[: old.index(b"END     ")].rstrip())
    assert cards.tostring(endcard=False, padding=False).encode("ascii") in new
    assert raw(target) == raw(source)
    assert [path.name for path in target.parent.iterdir()] == ["file.fits"]
    fitsfiles.check(target)
    with fits.open(source) as one, fits.open(target, checksum=True) as other:
        assert [type(hdu) for hdu in one] == [type(hdu) for hdu in other]
        np.testing.assert_array_equal(one[number].data, other[number].data)
        assert other[number].data.dtype == one[number].data.dtype
        assert other[number].header["T_REC"] == "2014.01.01_00:00:45.000_TAI"
        assert list(other[number].header["HISTORY"]) == ["one", "two"]
        for name in ("BZERO", "BSCALE", "BLANK", "BITPIX", "NAXIS1"):
            assert one[number].header.get(name) == other[number].header.get(name)


def test_checksums_are_those_of_the_standard(stored, tmp_path, cards):
    source, number = stored
    target = tmp_path / "new.fits"
    fitsfiles.write_fits(source, target, cards)
    with fits.open(target, disable_image_compression=True) as hdus:
        assert hdus[number].verify_checksum() == 1
        assert hdus[number].verify_datasum() == 1
    fitsfiles.rewrite(target, target, lambda header: header.set("CAMERA", 7), checksum=False)
    with fits.open(target, disable_image_compression=True) as hdus:
        # The data are still the same, the header is not.
        assert hdus[number].verify_checksum() == 2
        assert hdus[number].verify_datasum() == 1
        assert hdus[number].header["CAMERA"] == 7


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(), max_size=40), st.binary(min_size=1, max_size=9000))
def test_checksums_of_anything(tmp_path, numbers, data):
    path, target = tmp_path / "in.fits", tmp_path / "out.fits"
    fits.PrimaryHDU(np.frombuffer(data, dtype="u1")).writeto(path, overwrite=True)
    fitsfiles.write_fits(path, target, fits.Header([(f"N{place}", number) for place, number in enumerate(numbers)]))
    with fits.open(target, checksum=True) as hdus:  # warns if a sum is wrong
        assert hdus[0].data.tobytes() == data
        assert hdus[0].header["DATASUM"]
    fitsfiles.check(target)


def test_large_data_are_copied_in_parts(tmp_path, cards):
    path, target = tmp_path / "large.fits", tmp_path / "copy.fits"
    pixels = np.random.default_rng(5).integers(-(2**31), 2**31, (3, 1000, 300), dtype=np.int32)
    fits.PrimaryHDU(pixels).writeto(path)
    assert path.stat().st_size > 3 * fitsfiles.CHUNK
    fitsfiles.write_fits(path, target, cards)
    assert raw(target) == raw(path)
    with fits.open(target) as hdus:
        assert hdus[0].verify_checksum() == hdus[0].verify_datasum() == 1


def test_stale_cards_are_replaced_and_others_stay(rice, tmp_path, cards):
    with fits.open(rice, mode="update", disable_image_compression=True) as hdus:
        stale = {"CAMERA": 9, "DETECTOR": "HMI", "DRMS_ID": "old:1:x", "CONTENT": "stale " * 40, "KEPT": "kept " * 40}
        hdus[1].header.update(stale)
        hdus[1].header.add_comment("stays")
    target = tmp_path / "out.fits"
    fitsfiles.write_fits(rice, target, cards)
    header = fits.getheader(target, 1)
    assert (header["CAMERA"], header["DETECTOR"], header["DRMS_ID"]) == (2, "HMI", "hmi.M_45s:3:magnetogram")
    assert "stale" not in str(header["CONTENT"])
    assert header["KEPT"] == ("kept " * 40).rstrip()
    assert list(header["COMMENT"]) == ["stays"]
    # Texts may be there any number of times.
    assert list(header["HISTORY"]) == ["one", "two"]
    assert split(target, 1)[1].count(b"CONTINUE") == split(rice, 1)[1].count(b"CONTINUE") // 2


def test_once_more_over_itself(rice, tmp_path, cards):
    target = tmp_path / "out.fits"
    without_text = cards.copy()
    without_text.remove("HISTORY", remove_all=True)
    fitsfiles.write_fits(rice, target, without_text)
    before = fits.getheader(target, 1)
    without_text["CAMERA"] = 3
    fitsfiles.write_fits(target, target, without_text)
    after = fits.getheader(target, 1)
    assert list(after) == list(before)
    assert (before["CAMERA"], after["CAMERA"]) == (2, 3)


def test_room_that_was_left_is_used(tmp_path, cards):
    path, target = tmp_path / "in.fits", tmp_path / "out.fits"
    hdu = fits.PrimaryHDU(ramp("int16"))
    for _ in range(200):
        hdu.header.append("", bottom=True)
    hdu.writeto(path)
    fitsfiles.write_fits(path, target, cards)
    assert "" not in fits.getheader(target)


def test_stored_cards_that_are_not_to_the_letter_of_the_standard(tmp_path, cards):
    path, target = tmp_path / "in.fits", tmp_path / "out.fits"
    fits.PrimaryHDU(ramp("int16"), fits.Header([("ODD", 1), ("R_VALUE", 0.5)])).writeto(path)
    data = path.read_bytes().replace(b"ODD     =                    1", b"ODD     =                  1e3")
    path.write_bytes(data.replace(b"R_VALUE =                  0.5", b"R_VALUE =                 -nan"))
    fitsfiles.write_fits(path, target, cards)
    assert b"R_VALUE =                 -nan" in target.read_bytes()
    fitsfiles.rewrite(path, target, lambda header: header.set("NEW", 1))
    with fits.open(target, checksum=True) as hdus:
        assert hdus[0].header["NEW"] == 1


def test_a_stored_file_without_its_last_blanks_is_not_whole(rice, tmp_path, cards):
    target = tmp_path / "out.fits"
    rice.write_bytes(rice.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"rice\.fits is cut short"):
        fitsfiles.write_fits(rice, target, cards)
    assert not target.exists()


def test_an_open_file_can_be_the_source(rice, tmp_path, cards):
    file = io.BytesIO(rice.read_bytes())
    file.seek(100)
    fitsfiles.write_fits(file, tmp_path / "out.fits", cards)
    assert raw(tmp_path / "out.fits") == raw(rice)


def test_others_may_read_what_is_written(rice, tmp_path, cards):
    umask = os.umask(0o027)
    try:
        fitsfiles.write_fits(rice, tmp_path / "out.fits", cards)
    finally:
        os.umask(umask)
    assert (tmp_path / "out.fits").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_copied(rice, tmp_path, cards):
    text, empty, target = tmp_path / "text.fits", tmp_path / "empty.fits", tmp_path / "out.fits"
    text.write_text("this is no FITS file\n" * 500)
    fits.HDUList([fits.PrimaryHDU(), table()]).writeto(empty)
    for source, message in (
        (text, r"text\.fits is no FITS file: it begins with b'this is no FITS file'"),
        (empty, r"empty\.fits holds no image"),
        (tmp_path / "none.fits", "cannot be copied to .*: No such file"),
        (tmp_path, "cannot be copied to .*: Is a directory"),
    ):
        with pytest.raises(DataError, match=message):
            fitsfiles.write_fits(source, target, cards)
        assert not target.exists()
    with pytest.raises(DataError, match="the folder writable"):
        fitsfiles.write_fits(rice, tmp_path / "nowhere" / "out.fits", cards)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.fits", "rice.fits", "text.fits"]


def test_a_change_that_fails_leaves_nothing(rice, tmp_path):
    def fail(header):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fitsfiles.rewrite(rice, tmp_path / "out.fits", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["rice.fits"]


# Whole files, and others


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_whole_files(kind, checksum, tmp_path):
    path = tmp_path / "file.fits"
    fits.HDUList(FILES[kind]()[0]).writeto(path, checksum=checksum)
    fitsfiles.check(path)


def test_what_stands_behind_the_end_of_a_header_means_nothing(tmp_path):
    path = tmp_path / "file.fits"
    fits.PrimaryHDU(np.ones((8, 8))).writeto(path)
    content = path.read_bytes()
    told = b"DATASUM = '12345   '".ljust(80) + b"RECNUM  =                    7".ljust(80)
    place = content.index(b"END" + b" " * 77) + 80
    path.write_bytes(content[:place] + told + content[place + len(told) :])
    assert fitsfiles.check(path) is None


def test_reals_that_are_compressed_by_rice(tmp_path):
    for method, kind in itertools.product(("RICE_1", "GZIP_1"), ("int32", "float32")):
        path = tmp_path / f"{method}{kind}.fits"
        fits.CompImageHDU(np.ones((8, 8), kind), compression_type=method).writeto(path)
        assert fitsfiles.has_compressed_reals(path) == ((method, kind) == ("RICE_1", "float32"))


def test_whole_files_of_other_kinds(tmp_path):
    groups = fits.GroupsHDU(fits.GroupData(np.ones((2, 1, 1, 3)), parnames=["a"], pardata=[np.arange(2.0)], bitpix=-32))
    ascii_table = fits.TableHDU.from_columns([fits.Column("x", "F8.3", array=np.arange(5.0))])
    for number, hdus in enumerate(([groups], [fits.PrimaryHDU(), ascii_table], [fits.PrimaryHDU()])):
        path = tmp_path / f"{number}.fits"
        fits.HDUList(hdus).writeto(path, checksum=True)
        fitsfiles.check(path)


@pytest.mark.parametrize("checksum", [False, True])
def test_cut_files(rice, tmp_path, checksum):
    if checksum:
        fitsfiles.rewrite(rice, rice, lambda header: None)
    data = rice.read_bytes()
    path = tmp_path / "cut.fits"
    # The first part alone is a whole file, though not the one that was meant.
    ends = {0, BLOCK}
    for size in {*range(0, len(data), 400), *range(BLOCK, len(data), BLOCK), len(data) - 1} - ends:
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.fits is cut short"):
            fitsfiles.check(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"cut\.fits is no FITS file: it begins with b''"):
        fitsfiles.check(path)


def test_damaged_files(rice):
    fitsfiles.rewrite(rice, rice, lambda header: None)
    data = bytearray(rice.read_bytes())
    place = len(data) - len(split(rice, 1)[2]) + 7
    data[place] ^= 0x10
    rice.write_bytes(data)
    with pytest.raises(DataError, match=r"rice\.fits is damaged: the data from byte \d+ on do not fit their DATASUM"):
        fitsfiles.check(rice)


@pytest.mark.parametrize(
    ("card", "is_refused"),
    [
        ("DATASUM = ''", False),
        ("DATASUM =", False),
        ("DATASUM = '        ' / not known", False),
        ("DATASUM = '{:d}' / right", False),
        ("DATASUM = '{:012d}'", False),
        ("DATASUM = {:d} / no text", False),
        ("DATASUM = '17'", True),
        ("DATASUM = 'none'", True),
    ],
)
def test_sums_as_they_are_written(tmp_path, card, is_refused):
    path = tmp_path / "sum.fits"
    fits.PrimaryHDU(ramp("int16")).writeto(path, checksum=True)
    total = int(fits.getheader(path)["DATASUM"])
    data = path.read_bytes()
    place = data.index(b"DATASUM =")
    path.write_bytes(data[:place] + card.format(total).ljust(80).encode("ascii") + data[place + 80 :])
    if is_refused:
        with pytest.raises(DataError, match="damaged"):
            fitsfiles.check(path)
    else:
        fitsfiles.check(path)


def test_a_sum_of_nothing_counts(tmp_path):
    path = tmp_path / "zeros.fits"
    fits.PrimaryHDU(np.zeros((3, 3), dtype="int16")).writeto(path, checksum=True)
    assert fits.getheader(path)["DATASUM"] == "0"
    fitsfiles.check(path)
    data = path.read_bytes()
    path.write_bytes(data[:BLOCK] + b"x" + data[BLOCK + 1 :])
    with pytest.raises(DataError, match="damaged"):
        fitsfiles.check(path)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html><body>Not found</body></html>",
        b'{"status":1,"error":"no such file"}' * 200,
        b"\0" * 10000,
        b"\x1f\x8b\x08" + b"x" * 9000,
        b"simple  =                    T",
    ],
)
def test_what_is_no_fits_file(tmp_path, content):
    path = tmp_path / "page.fits"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"page\.fits is no FITS file: it begins with b"):
        fitsfiles.check(path)


def test_what_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.fits", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            fitsfiles.check(path)


def test_more_bytes_than_parts(rice):
    data = rice.read_bytes()
    for extra in (b"", b"\0" * 100, b" " * BLOCK, b"x" * BLOCK):
        rice.write_bytes(data + extra)
        fitsfiles.check(rice)
    for extra in (b"\0" * (BLOCK + 1), b"<html>" * 1000, data):
        rice.write_bytes(data + extra)
        with pytest.raises(DataError, match=f"{len(extra)} bytes too many"):
            fitsfiles.check(rice)
    # What begins like a part has to be one.
    rice.write_bytes(data + b"XTENSION= 'IMAGE   '")
    with pytest.raises(DataError, match="cut short"):
        fitsfiles.check(rice)


def simple(*cards):
    text = "".join(card.ljust(80) for card in ("SIMPLE  =                    T", *cards, "END"))
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ((), "does not tell how many data follow"),
        (("BITPIX  = 8",), "does not tell"),
        (("BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 5"), "does not tell"),
        (("BITPIX  = 8", "NAXIS   = T"), "does not tell"),
        (("BITPIX  = 8.5", "NAXIS   = 0"), "does not tell"),
        (("BITPIX  = 7", "NAXIS   = 0"), "sizes that cannot be"),
        (("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -5"), "sizes that cannot be"),
        (("BITPIX  = 8", "NAXIS   = -1"), "sizes that cannot be"),
        (("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 5", "GCOUNT  = -1"), "sizes that cannot be"),
        (("BITPIX  = 8", "NAXIS   = 999999999999999999", "NAXIS1  = 1"), "does not tell"),
        (("BITPIX  = 8", "NAXIS   = 9" + "9" * 60), "does not tell"),
        (("BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 999999999999999999"), "cut short"),
        (("BITPIX  = 8", "NAXIS   = 1000", *(f"NAXIS{n:<3}= 1" for n in range(1, 1000))), "sizes that cannot be"),
        (("BITPIX  = 64", "NAXIS   = 999", *(f"NAXIS{n:<3}= 999999999999999999" for n in range(1, 1000))), "cut short"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, cards, message):
    path = tmp_path / "odd.fits"
    path.write_bytes(simple(*cards))
    with pytest.raises(DataError, match=rf"odd\.fits.*{message}"):
        fitsfiles.check(path)


def test_a_header_that_never_ends_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "endless.fits"
    with path.open("wb") as file:
        file.write(simple("BITPIX  = 8", "NAXIS   = 0").replace(b"END", b"AND"))
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"endless\.fits is no FITS file: its header at byte 0 has no end in"):
            fitsfiles.check(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4 * BLOCK), st.binary(min_size=1, max_size=12)), min_size=1, max_size=5))
def test_nothing_but_data_errors(tmp_path, patches):
    path, target = tmp_path / "patched.fits", tmp_path / "copy.fits"
    fits.HDUList([fits.PrimaryHDU(), compressed("int16")]).writeto(path, checksum=True, overwrite=True)
    data = bytearray(path.read_bytes())
    for place, patch in patches:
        data[place : place + len(patch)] = patch
    path.write_bytes(data)
    for work in (lambda: fitsfiles.check(path), lambda: fitsfiles.write_fits(path, target, fits.Header([("A", 1)]))):
        with contextlib.suppress(DataError):
            work()
