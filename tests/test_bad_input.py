"""
Whatever is given to a word: it is refused by name, and nobody is asked, or what is sent says exactly what was meant.
"""

import re
from itertools import product

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from sunpy.coordinates import frames
from sunpy.net import attrs as a
from sunpy.net.attr import and_

from jsoc_fido import JSOCClient, attrs, compose, recordset, steps
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.query import ProcessStep
from jsoc_fido.walker import queries

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
PATCHES = attrs.Series("hmi.sharp_720s")

Keyword = attrs.Keyword
CORNER = SkyCoord(
    0 * u.arcsec, 0 * u.arcsec, obstime="2014-01-01", observer="earth", frame=frames.Helioprojective
)  # fmt: skip
PIXELS = {"clon": 0, "clat": 0, "scale": 1, "cols": 10, "rows": 10}

#: Every place that a value can be given to, by what its errors call it.
WORDS = {
    "Series": lambda value: and_(attrs.Series(value), HOUR),
    "Segments?": lambda value: and_(PATCHES, HOUR, attrs.Segment(value)),
    "PrimeKeys?": lambda value: and_(PATCHES, attrs.PrimeKey(value, 1)),
    "PrimeKey HARPNUM": lambda value: and_(PATCHES, attrs.PrimeKey("HARPNUM", value)),
    "PrimeKey HARPNUM( )?": lambda value: and_(PATCHES, attrs.PrimeKey("HARPNUM", [1, value])),
    "PrimeKey T_REC": lambda value: and_(PATCHES, attrs.PrimeKey("T_REC", value)),
    "Keyword": lambda value: and_(PATCHES, HOUR, Keyword(value) > 1),
    "Keyword HARPNUM": lambda value: and_(PATCHES, HOUR, Keyword("HARPNUM") == value),
    "Keyword HARPNUM( )?": lambda value: and_(PATCHES, HOUR, Keyword("HARPNUM").between(1, value)),
    "Keyword USFLUX": lambda value: and_(PATCHES, HOUR, Keyword("USFLUX") < value),
    "Keyword T_OBS": lambda value: and_(PATCHES, HOUR, Keyword("T_OBS").isin([value])),
    "Keyword QUALITY": lambda value: and_(PATCHES, HOUR, Keyword("QUALITY").bits_set(value)),
    "Keyword QUALITY( )?": lambda value: and_(PATCHES, HOUR, Keyword("QUALITY").bits_clear(value)),
    "Keys": lambda value: and_(PATCHES, HOUR, attrs.Keys(value)),
    "Keys( )?": lambda value: and_(PATCHES, HOUR, attrs.Keys("T_REC", value)),
    "RecordSet": lambda value: attrs.RecordSet(f"hmi.sharp_720s[{value}" if isinstance(value, str) else value),
    "RecordSet( )?": attrs.RecordSet,
    "Site": lambda value: and_(PATCHES, HOUR, attrs.Site(value)),
    "(DRMS s|S)ite": lambda value: and_(
        PATCHES, HOUR, attrs.Site(f"http://x/?q={value}x" if isinstance(value, str) else value)
    ),
    "Notify": lambda value: and_(PATCHES, HOUR, attrs.Notify(value)),
    "Notify( )?": lambda value: and_(
        PATCHES, HOUR, attrs.Notify(f"{value}@example.com" if isinstance(value, str) else value)
    ),
    "Protocol": lambda value: and_(PATCHES, HOUR, attrs.Protocol(value)),
    **{
        f"Protocol jpg: {name}": lambda value, name=name: and_(PATCHES, HOUR, attrs.Protocol("jpg", **{name: value}))
        for name in ("ct", "scaling", "size", "min", "max")
    },
    "Process": lambda value: and_(PATCHES, HOUR, attrs.Process(value)),
    "Process rebin: scale": lambda value: and_(PATCHES, HOUR, attrs.Process("rebin", scale=value)),
    "Process rebin: method": lambda value: and_(PATCHES, HOUR, attrs.Process("rebin", scale=1, method=value)),
    "Process resize: regrid": lambda value: and_(PATCHES, HOUR, attrs.Process("resize", regrid=value)),
    "Process im_patch: t_ref": lambda value: and_(
        PATCHES, HOUR, attrs.Process("im_patch", t_ref=value, width=1, height=1)
    ),
    **{
        f"Process map_proj: {name}": lambda value, name=name: and_(
            PATCHES, HOUR, attrs.Process("map_proj", **{**PIXELS, name: value})
        )
        for name in ("map", "clon", "scale", "cols")
    },
    "Cutout": lambda value: and_(PATCHES, HOUR, attrs.Cutout(value, width=1 * u.arcsec, height=1 * u.arcsec)),
    "Cutout( takes a SkyCoord as top_right| cannot)": lambda value: and_(
        PATCHES, HOUR, attrs.Cutout(CORNER, top_right=value)
    ),
    "Cutout( takes an angle as width| cannot)": lambda value: and_(
        PATCHES, HOUR, attrs.Cutout(CORNER, width=value, height=1 * u.arcsec)
    ),
    **{
        f"Cutout: {name}": lambda value, name=name: and_(
            PATCHES, HOUR, attrs.Cutout(CORNER, width=1 * u.arcsec, height=1 * u.arcsec, **{name: value})
        )
        for name in ("tracking", "register", "nan_off_limb")
    },
}

#: Values of the wrong type, and texts that mean something to somebody.
BAD = {
    "nothing": None,
    "truth": True,
    "bytes": b"x",
    "list": [[1]],
    "dictionary": {"a": 1},
    "type": object,
    "unit": 3 * u.kg / u.candela,
    "nan": np.nan * u.s,
    "empty": "",
    "blank": "  ",
    "bracket": "a[1]",
    "closing": "1]{x",
    "quote": "it's'",
    "newline": "1\n2",
    "null": "1\x002",
    "long": "1a" * 5000,
    "nearly": "1a" * 4000,
    "foreign": "Ångström",
}

#: Where a value means what it says.
MEANT = {
    *((word, "truth") for word in WORDS if re.search("regrid|tracking|register|nan_off_limb", word)),
    *((word, "bracket") for word in WORDS if word.startswith("RecordSet")),
}


@pytest.mark.parametrize(("word", "value"), [pair for pair in product(WORDS, BAD) if pair not in MEANT])
def test_bad_values_are_refused_by_name_and_nothing_is_sent(local_site, word, value):
    client, given = JSOCClient(), BAD[value]
    client.info("hmi.sharp_720s")
    local_site.requests.clear()
    with pytest.raises(QueryError, match=rf"\b{word}\b") as caught:
        client.search(WORDS[word](given))
    message = str(caught.value)
    # The value is in the message: as it was written, as a list has it, or its beginning if it is long.
    said = str(given.unit) if isinstance(given, u.Quantity) and np.isfinite(given) else repr(given).strip("[]'")
    absent = given is None and "cannot be made" in message
    assert absent or said[:20] in message or str(given)[:20] in message
    # Lists of what a series has may be long, values are cut short.
    assert len(message) < 1000
    assert local_site.requests == []


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    "make", [attrs.Sample, a.Wavelength, lambda value: a.Time(value, value)], ids=["Sample", "Wavelength", "Time"]
)
def test_sunpys_own_words_refuse_bad_values_when_they_are_made(local_site, make, value):
    # Their messages are sunpy's. What can be asked about them here is asked by test_walker.
    if make is attrs.Sample and value == "nan":
        with pytest.raises(QueryError, match="Sample needs a duration longer than nothing, not nan s"):
            JSOCClient().search(PATCHES, HOUR, make(BAD[value]))
    else:
        with pytest.raises((TypeError, ValueError, u.UnitsError)):
            make(BAD[value])
    assert local_site.requests == []


def test_every_word_is_given_bad_values():
    sunpys = {"Sample", "KeywordComparison", "KeywordCondition"}
    assert {re.match(r"\w+", word.replace("s?", "").replace("(DRMS s|S)ite", "Site"))[0] for word in WORDS} == set(
        attrs.__all__
    ) - sunpys


PATCHES_DEFINITION = definitions.load("hmi.sharp_720s")
ONE = attrs.PrimeKey("HARPNUM", 1)


def names(text):
    """
    The different names in a list with commas, in lower case.
    """
    return list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))


def quoted(text):
    return "'{}'".format(text.replace("'", "''"))


def step(name, text):
    return ProcessStep(name, (("t_ref", text.strip()), ("width", 1), ("height", 1)))


#: For each word: how a text is given to it; a text that it takes; and what the query and the record set that is sent,
#: read again, must say of a text that was taken. Nothing in a record set may say more than was asked.
TAKEN = {
    "Series": (
        lambda text: and_(attrs.Series(text), ONE),
        "hmi.sharp_720s",
        lambda text, query, _: compose.series_name(query) == text.strip(),
    ),
    "Segment": (
        lambda text: and_(PATCHES, ONE, attrs.Segment(text)),
        "Magnetogram, bitmap",
        lambda text, _, asked: [name.lower() for name in asked.segments] == names(text) and len(asked.filters) == 1,
    ),
    "PrimeKey": (
        lambda text: and_(PATCHES, attrs.PrimeKey("HARPNUM", text)),
        "4864-4870@2,5000",
        lambda text, query, asked: (
            [value.value for value in query.prime_keys] == [text]
            and asked.filters == recordset.parse(f"x[{text}]").filters
            and asked.segments == ()
        ),
    ),
    "Keyword": (
        lambda text: and_(PATCHES, ONE, Keyword(text) > 1),
        "usflux",
        lambda text, _, asked: (
            asked.filters[1:] == (recordset.SqlFilter(f"{PATCHES_DEFINITION.keyword(text).name}>1"),)
        ),
    ),
    "KeywordComparison": (
        lambda text: and_(PATCHES, ONE, Keyword("NOAA_ARS") == text),
        "it's [here]",
        lambda text, _, asked: asked.filters[1:] == (recordset.SqlFilter(f"NOAA_ARS={quoted(text)}"),),
    ),
    "KeywordCondition": (
        lambda text: and_(PATCHES, ONE, Keyword("NOAA_ARS").contains(text) | ~Keyword("NOAA_ARS").isin([text, "x"])),
        "it's {here}",
        lambda text, _, asked: (
            asked.filters[1].text.startswith(f"strpos(NOAA_ARS,{quoted(text)})>0 OR NOT NOAA_ARS IN ({quoted(text)}")
            and len(asked.filters) == 2
        ),
    ),
    "Keys": (
        lambda text: and_(PATCHES, ONE, attrs.Keys(text)),
        "usflux",
        lambda text, query, asked: (
            query.keys == (text.strip(),)
            and PATCHES_DEFINITION.keyword(text.strip()) is not None
            and len(asked.filters) == 1
        ),
    ),
    "RecordSet": (
        attrs.RecordSet,
        "HMI.sharp_720s[4864][2014.11.30_TAI/1d][? USFLUX>1e22 ?]{magnetogram}",
        lambda text, _, asked: asked.filters == recordset.parse(text).filters,
    ),
    "Site": (
        lambda text: and_(PATCHES, ONE, attrs.Site(text)),
        "http://127.0.0.1:8080",
        lambda text, query, asked: query.site == text and len(asked.filters) == 1,
    ),
    "Notify": (
        lambda text: and_(PATCHES, ONE, attrs.Notify(text)),
        "solar+jsoc@example.com",
        lambda text, query, _: query.notify == text.strip() and not set(text.strip()) & set(" ;'\"&="),
    ),
    "Protocol": (
        lambda text: and_(PATCHES, ONE, attrs.Protocol(text)),
        "As-Is",
        lambda text, query, _: query.protocol == text.strip().lower() and query.protocol in steps.PROTOCOLS,
    ),
    "Process": (
        lambda text: and_(PATCHES, ONE, attrs.Process("im_patch", t_ref=text, width=1, height=1)),
        "2014-01-01T00:00:00",
        lambda text, query, _: (
            query.steps == (step("im_patch", text),)
            and str(query.steps[0]) == f"im_patch,t_ref={text.strip()},width=1,height=1"
            and not set("|,=&;") & set(text)
        ),
    ),
    # These take no text.
    "Cutout": (lambda text: and_(PATCHES, ONE, attrs.Cutout(text)), None, None),
    "Sample": (lambda text: and_(PATCHES, HOUR, attrs.Sample(text)), None, None),
}

letters = "[]{}?!#'\";,@/-$^% \n0123456789abcAZ.:_=()<>&|~\\"
fragments = [
    "magnetogram", "bitmap", ",", "1", "2-5", "@3", "/7", "^", "$", "]", "{", "HARPNUM", "USFLUX", "hmi.", "x", "_",
    "@x.y", "fits", "2014.01.01", "_TAI", "[? 1=1 ?]", "'", " ",
]  # fmt: skip
anything = (
    st.text(max_size=30)
    | st.text(letters, max_size=30)
    | st.lists(st.sampled_from(fragments), max_size=5).map("".join)
    | st.sampled_from([good for _, good, _ in TAKEN.values() if good])
)


def said(word, text):
    """
    The query and the record set that a word with a text makes, read again; None if it is refused.
    """
    try:
        (query,) = queries(TAKEN[word][0](text))
        asked = compose.compose(query, PATCHES_DEFINITION)
        compose.keys(query, PATCHES_DEFINITION)
    except (QueryError, TypeError):
        return None
    again = recordset.parse(str(asked))
    assert again == asked
    return query, again


@pytest.mark.parametrize("word", TAKEN)
@given(text=anything)
def test_any_text_is_refused_or_said_exactly(word, text):
    made = said(word, text)
    if made is not None:
        assert TAKEN[word][2](text, *made)


@pytest.mark.parametrize("word", [word for word, (_, good, _) in TAKEN.items() if good])
def test_a_text_that_is_meant_is_taken(word):
    good, exactly = TAKEN[word][1:]
    assert exactly(good, *said(word, good))


def test_every_word_is_given_any_text():
    assert set(TAKEN) == set(attrs.__all__)


@given(anything, anything)
def test_any_name_of_a_step_or_of_an_argument_is_known(name, value):
    for make in (
        lambda: attrs.Process(name),
        lambda: attrs.Process("rebin", scale=1, method=value),
        lambda: attrs.Process("rebin", **{"scale": 1, name: value}),
        lambda: attrs.Protocol("jpg", **{name: value}),
        lambda: attrs.Protocol("jpg", ct=value),
    ):
        try:
            word = make()
        except QueryError:
            continue
        text = word.text if isinstance(word, attrs.Protocol) else str(word.step)
        assert text.count(",") == text.count("=")
        assert re.fullmatch(r"[\w.,=-]+", text)


@given(anything)
def test_any_name_of_a_prime_key_is_one_of_the_series(name):
    try:
        (query,) = queries(and_(PATCHES, attrs.PrimeKey(name, 1)))
        asked = compose.compose(query, PATCHES_DEFINITION)
    except QueryError:
        return
    assert name.upper() == "HARPNUM"
    assert str(asked) == "hmi.sharp_720s[1]"
