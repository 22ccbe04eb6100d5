import gc
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jsoc_fido import headers, times
from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite import definitions, staging, values
from jsoc_fido.localsite.catalogue import Catalogue, NewRecord, StoredFile
from jsoc_fido.localsite.info import series_struct
from jsoc_fido.localsite.listing import json_text, rs_list
from jsoc_fido.printed import NO_CARD, from_printed
from jsoc_fido.series import Keyword, Link, NameMap, Segment, Series

REALDATA = Path(__file__).parents[2] / "shared" / "realdata"


@pytest.fixture
def magnetograms():
    return definitions.load("hmi.m_45s")


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


def test_a_time_in_an_unknown_zone_is_named():
    with pytest.raises(DataError, match="A cannot be written as a card: 'FURLONG' is not a time zone"):
        one(Keyword("A", "time", units="furlong"), 0.0)
    assert is_missing(one(Keyword("A", "time", units="furlong"))["A"])


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
    # astropy takes a quote for the end of a text if a blank or a slash follows.
    "string": st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=150).filter(
        lambda text: "'/" not in text
    ),
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


@pytest.mark.parametrize("size", [*range(55, 72), 134, 135, 201, 400])
@pytest.mark.parametrize("text", ["x", "'", "a'", "it's one ", "&"])
def test_long_texts_keep_to_their_columns(text, size):
    text = (text * size)[:size].rstrip()
    for keyword in (Keyword("A", "string"), Keyword("a_long_name", "string", note="of the text")):
        cards = one(keyword, text).tostring(endcard=False, padding=False)
        name = headers.card_name(keyword)
        lines = [cards[place : place + 80] for place in range(0, len(cards), 80)]
        assert lines[0].startswith(f"{name:8}= '")
        parts = lines[: next(number for number, line in enumerate(lines) if line.startswith("RECNUM"))]
        assert all(line.startswith("CONTINUE  '") for line in parts[1:])
        whole = ""
        for line in parts:
            inside = line[11 : line.rindex("'")]
            # What is between the quotes holds whole pairs of quotes only.
            assert "'" not in inside.replace("''", "")
            whole = whole.removesuffix("&") + inside.replace("''", "'")
        assert whole.rstrip() == text


def test_of_two_keywords_with_one_card_the_later_stays():
    keywords = [Keyword("a_name_too_long", "int"), Keyword("B", "int"), Keyword("ANAMETOO", "int")]
    series = Series("su.test", keywords=NameMap(keywords))
    values_of = {"a_name_too_long": 1, "B": 2, "ANAMETOO": 3}
    header = headers.header(series, values_of, segment=None, recnum=1)
    assert list(header)[:2] == ["B", "ANAMETOO"]
    assert header["ANAMETOO"] == 3


def test_no_card_at_all():
    for keyword in (
        Keyword("A", "int"),
        Keyword("CRPIX1", "float"),
        Keyword("HISTORY", "string"),
        Keyword("A", "time", units="TAI"),
        Keyword("A", "int", scope="constant", default="7"),
    ):
        assert keyword.name not in one(keyword, NO_CARD)
    assert "A" not in one(Keyword("A", "link"))
    assert "HISTORY" not in one(Keyword("HISTORY", "time", units="TAI"), 0.25)


@pytest.mark.parametrize(("default", "kind"), [("", "string"), ("many", "int"), ("some day", "time"), ("300", "char")])
def test_a_constant_without_a_sensible_value_is_missing(default, kind):
    assert is_missing(one(Keyword("A", kind, scope="constant", default=default))["A"])


def test_what_is_kept_about_a_series_goes_with_it(magnetograms):
    known = headers._known_entries
    headers.header(magnetograms, {}, segment="magnetogram", recnum=1)
    assert "magnetogram" in known[id(magnetograms)]
    # Two series that are equal but for one keyword do not share anything.
    other = replace(magnetograms, keywords=NameMap([Keyword("ONLY", "int")]))
    number = id(other)
    assert next(iter(headers.header(other, {"ONLY": 1}, segment="magnetogram", recnum=1))) == "ONLY"
    assert number in known
    del other
    gc.collect()
    assert number not in known


INTEGERS = ("char", "short", "int", "longlong")
LAYOUTS = {
    **{kind: ["", "%d", "0x%08X", "0x%016llx", "%05d", "%x", "[%d]", "%.1f"] for kind in INTEGERS},
    "float": ["", "%f", "%.1f", "%e"],
    "double": ["", "%.2f", "%d"],
    "string": ["", "%s", "%20s"],
    "time": ["0", "3", "-1", ""],
}
UNITS = {
    "time": ["TAI", "UTC", "ISO", "TT", "GPS", "PST", "Z", "none", "s", "secs", "mins", "hours", "day", "days", "wk"]
}
#: Names that are treated each in their own way, and with another card than their name.
NAMES = ["A", "CRVAL1", "CDELT1", "DATE", "a_long_name", "HISTORY"]
TIMES = st.one_of(
    st.floats(-2e10, 2e11),
    st.integers(-(10**9), 2 * 10**9).map(lambda half: half + 0.0005),
    st.builds(lambda whole, thousandth: whole + (thousandth + 0.5) / 1000, st.integers(-(10**9), 2**31),
              st.integers(0, 999)),
    # Around leap seconds.
    st.builds(lambda start, moment: start + moment,
              st.sampled_from([times.parse("2012.06.30_23:59:59_UTC"), times.parse("2017.01.01_UTC")]),
              st.floats(-3, 3)),
    st.just(times.MISSING),
)  # fmt: skip
STORABLE = {
    **{
        kind: st.integers(-(1 << (bits - 1)), (1 << bits) - 1)
        for kind, bits in zip(INTEGERS, (8, 16, 32, 64), strict=True)
    },
    "float": st.floats(width=32) | st.floats(),
    "double": st.floats(),
    "time": TIMES | st.sampled_from([math.nan, math.inf]),
    "string": st.text(max_size=300).filter(lambda text: text not in {"MISSING", "Invalid KeyLink"}),
}


@st.composite
def stored_values(draw):
    kind = draw(st.sampled_from(sorted(STORABLE)))
    keyword = Keyword(
        draw(st.sampled_from(NAMES)),
        kind,
        draw(st.sampled_from(["variable", "ts_eq"])),
        units=draw(st.sampled_from(UNITS.get(kind, ["none", "m/s"]))),
        note=draw(st.sampled_from(["", "[YES:STRING] some-thing", "what it is" * 9])),
        format=draw(st.sampled_from(LAYOUTS[kind])),
    )
    return keyword, draw(st.none() | STORABLE[kind])


def through_the_site(keyword, value):
    """
    A value as the site's database has it, and as the site prints it with ``M=1``.
    """
    native = values.decode(keyword, values.encode(keyword, value))
    [text] = values.printed(keyword, [native], exact=True)
    return native, json.loads(json_text("MISSING" if text is None else text))


@settings(deadline=None, max_examples=400)
@given(stored_values())
@example((Keyword("A", "time", units="TAI"), 1167609645.0005))
@example((Keyword("A", "time", units="UTC"), 1120176033.9995))
@example((Keyword("A", "time", units="ISO"), 1167609645.9999996))
@example((Keyword("A", "time", units="days"), 0.1 * 86400 * 3))
@example((Keyword("A", "float"), 31.776090621948242))
@example((Keyword("A", "double"), 5e-324))
@example((Keyword("A", "int", format="0x%08X"), -2))
@example((Keyword("A", "char", format="%x"), 0x7F))
@example((Keyword("A", "string", format="%s"), " "))
@example((Keyword("A", "string", format="%s"), "it's 'so' / " * 20))
@example((Keyword("a_long_name", "string"), "caf\u00e9\n" * 40))
def test_printed_values_give_the_cards_of_the_values_themselves(stored):
    keyword, value = stored
    native, text = through_the_site(keyword, value)
    series = Series("su.test", keywords=NameMap([keyword]), segments=NameMap([Segment("s")]))
    [back] = from_printed(series, {keyword.name: [text]})
    direct = headers.header(series, {keyword.name: native}, segment="s", recnum=1)
    assert headers.header(series, back, segment="s", recnum=1).tostring() == direct.tostring()


@settings(deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=20), st.sampled_from(["TAI", "UTC", "ISO", "TT", "GPS", "EST"]))
def test_times_are_those_that_the_site_prints(seconds, zone):
    """
    With three decimals, the time on a card is the time that six decimals tell.
    """
    keyword = Keyword("A", "time", units=zone)
    series = Series("su.test", keywords=NameMap([keyword]))
    for second in seconds:
        card = headers.header(series, {"A": second}, segment=None, recnum=1).get("A")
        if abs(second - times.MISSING) < 0.5:
            assert is_missing(card)
            continue
        assert abs(times.parse(card if zone != "ISO" else f"{card}Z") - second) <= 0.000501 + abs(second) * 2**-50


def test_what_sites_print(magnetograms):
    sharps = definitions.load("hmi.sharp_cea_720s")
    printed = {
        "t_rec": ["2014.01.01_00:00:45.000000_TAI", "MISSING"],
        "HARPNUM": ["377", "0377"],
        "QUALITY": ["0x80000000", "0xFFFFFFFE"],
        "USFLUX": ["2.71476E+22", "nan"],
        "DATAMIN_000": ["-1.5", "MISSING"],
        "DATAMIN[3]": ["3", "Invalid KeyLink"],
        "DATAMIN_999": ["no such segment", ""],
        "NOAA_ARS": ["MISSING", ""],
        "*recnum*": [1, 2],
        "no keyword": ["a", "b"],
    }
    rows = from_printed(sharps, printed)
    assert rows == [
        {"T_REC": 1167609645.0, "HARPNUM": 377, "QUALITY": None, "USFLUX": 2.71476e22, "DATAMIN_000": -1.5,
         "DATAMIN_003": 3.0, "NOAA_ARS": None},
        {"T_REC": None, "HARPNUM": 377, "QUALITY": -2, "USFLUX": None, "DATAMIN_000": None,
         "DATAMIN_003": NO_CARD, "NOAA_ARS": ""},
    ]  # fmt: skip
    assert from_printed(magnetograms, {}) == []
    assert from_printed(magnetograms, {"*recnum*": [1, 2]}) == [{}, {}]


def test_fits_names_repeat_a_column_that_is_read_already():
    series = Series("su.test", keywords=NameMap([
        Keyword("DATE__OBS", "time", units="ISO", note="[DATE-OBS] start"),
        Keyword("DATE-OBS", "time", units="ISO", note="[DATE-OBS] start"),
    ]))  # fmt: skip
    text = "2014-01-01T00:00:10.500000Z"
    rows = from_printed(series, {"DATE__OBS": [text], "DATE-OBS": ["something else"]})
    assert rows == [{"DATE__OBS": 1167609645.5}]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        (Keyword("A", "int"), "many"),
        (Keyword("A", "int"), "0x1FFFFFFFF"),
        (Keyword("A", "char"), "300"),
        (Keyword("A", "double"), "1.5 m"),
        (Keyword("A", "time", units="TAI"), "some day"),
        (Keyword("A", "time", units="days"), "2014.01.01"),
    ],
)
def test_what_is_no_value_is_named(keyword, text):
    series = Series("su.test", keywords=NameMap([keyword]))
    with pytest.raises(DataError, match=rf"printed '{text}' for A, which is of type {keyword.type}"):
        from_printed(series, {"A": ["MISSING", text]})


def test_columns_of_different_lengths(magnetograms):
    with pytest.raises(DataError, match=r"hmi\.M_45s with different lengths: \[1, 2\]"):
        from_printed(magnetograms, {"CAMERA": ["1"], "QUALITY": ["0", "0"]})


@pytest.fixture
def linked(tmp_path):
    """
    A site with a series some of whose keywords come through links, of which the second record's leads nowhere.
    """
    target = Series("su.far", "", ("FSN",), NameMap([
        Keyword("FSN", "int"),
        Keyword("SPEED", "float", units="m/s", note="[VELOCITY] of the spacecraft - roughly", format="%.1f"),
        Keyword("STARTED", "time", units="ISO", format="0"),
        Keyword("ORIGIN", "string", "constant", "far, it's said"),
        Keyword("CRPIX1", "float"),
    ]))  # fmt: skip
    series = Series("su.near", "", ("FSN",), NameMap([
        Keyword("FSN", "int", format="%05d"),
        Keyword("DATE__OBS", "time", units="ISO", note="[DATE-OBS] start", format="1"),
        Keyword("WAITED", "time", units="days"),
        Keyword("TEMP", "float", format="%.1f"),
        Keyword("NAME", "string"),
        Keyword("MASK", "int", format="0x%08x"),
        Keyword("EPOCH", "time", "constant", "1993.01.01_TAI", "TAI"),
        Keyword("SPEED", "link", link="far->SPEED"),
        Keyword("BEGAN", "link", link="far->STARTED", note="when"),
        Keyword("ORIGIN", "link", link="far->ORIGIN"),
        Keyword("CRPIX1", "link", link="far->CRPIX1"),
        Keyword("LOST", "link", link="nowhere->FOO"),
        Keyword("CLAIMED", "int", link="nowhere->FOO"),
        Keyword("DATAMIN", "float", "segment"),
    ]), NameMap([Segment("one", "int"), Segment("two", "int")]), NameMap([
        Link("far", "su.far", "STATIC"), Link("nowhere", "su.absent", "STATIC"),
    ]))  # fmt: skip
    with Catalogue.create(tmp_path / "site") as catalogue:
        catalogue.add_series(target)
        far = {"FSN": 1, "SPEED": 1234.5678, "STARTED": 1167609645.0625}
        [number] = catalogue.add_records("su.far", [NewRecord(far)])
        catalogue.add_series(series)
        records = []
        for place, slot in enumerate(catalogue.allocate("su.near", 2)):
            files = {}
            for segment in series.segments:
                fits.PrimaryHDU(np.eye(3, dtype=np.int16)).writeto(slot.directory / f"{segment}.fits")
                files[segment] = StoredFile(f"{segment}.fits", (3, 3), 5760)
            near = {
                "FSN": place,
                "DATE__OBS": 1167609637.3005,
                "WAITED": 12345.678,
                "TEMP": 0.1 if place else 1 / 3,
                "NAME": "it's a caf\u00e9, " * 9,
                "MASK": 0xFFFFFFF0,
                "DATAMIN_000": 1.5,
                "DATAMIN_001": -2.25,
            }
            records.append(NewRecord(near, slot, files, links={} if place else {"far": number}))
        catalogue.add_records("su.near", records)
        yield catalogue


def test_headers_from_a_listing_are_those_of_an_export(linked):
    [unit] = linked.new_units("su.near", 1)
    job = staging.Job("JSOC_1", "url", "fits", "{FSN:%d}.{segment}", "su.near", [1, 2], ["one", "two"])
    staging.stage(linked, job, unit)
    reply = json.loads(bytes(rs_list(linked, "su.near[]", key="**ALL**", exact=True)))
    series = Series.from_struct(series_struct(linked, "su.near"), "su.near")
    columns = {item["name"]: item["values"] for item in reply["keywords"]}
    assert "DATE-OBS" in columns
    rows = from_printed(series, columns)
    for number, row in enumerate(rows):
        for segment in series.segments:
            exported = fits.getheader(linked.slot_directory(unit) / f"{number}.{segment}.fits")
            text = exported.tostring(endcard=False, padding=False)
            completed = headers.header(series, row, segment=segment, recnum=number + 1)
            assert completed.tostring(endcard=False, padding=False) in text
            assert completed["DATAMIN"] == (1.5 if segment == "one" else -2.25)
    first, second = (headers.header(series, row, segment="one", recnum=1) for row in rows)
    assert first["VELOCITY"] == 1234.5678
    assert first["BEGAN"] == "2014-01-01T00:00:10.062"
    assert (first["ORIGIN"], first["CRPIX1"], first["EPOCH"]) == ("far, it's said", 0.0, "1993.01.01_00:00:00.000_TAI")
    assert not {"LOST", "CLAIMED"} & {*first, *second}
    assert not {"VELOCITY", "BEGAN", "ORIGIN", "CRPIX1"} & set(second)
