"""
Whatever is given to a word: it is refused by name, and nobody is asked, or what is sent says exactly what was meant.
"""

from functools import cache

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sunpy.net import attrs as a
from sunpy.net.attr import and_

from jsoc_fido import JSOCClient, attrs, compose, recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite import definitions
from jsoc_fido.query import Query
from jsoc_fido.walker import queries

HOUR = a.Time("2014-01-01T00:00:00", "2014-01-01T01:00:00")
PATCHES = attrs.Series("hmi.sharp_720s")

#: What a word is made of, by what its errors call it.
WORDS = {
    "Series": lambda value: and_(attrs.Series(value), HOUR),
    "Segments?": lambda value: and_(PATCHES, HOUR, attrs.Segment(value)),
    "PrimeKeys?": lambda value: and_(PATCHES, attrs.PrimeKey(value, 1)),
    "PrimeKey HARPNUM": lambda value: and_(PATCHES, attrs.PrimeKey("HARPNUM", value)),
    "Keyword": lambda value: and_(PATCHES, HOUR, attrs.Keyword(value) > 1),
    "Keyword HARPNUM": lambda value: and_(PATCHES, HOUR, attrs.Keyword("HARPNUM") == value),
    "Keyword T_OBS": lambda value: and_(PATCHES, HOUR, attrs.Keyword("T_OBS").isin([value])),
    "Keys": lambda value: and_(PATCHES, HOUR, attrs.Keys(value)),
    "RecordSet": lambda value: attrs.RecordSet(
        f"hmi.sharp_720s[{value}" if isinstance(value, str) and value in TEXTS else value
    ),
    "Protocol": lambda value: and_(PATCHES, HOUR, attrs.Protocol("jpg", ct=value)),
    "Process": lambda value: and_(PATCHES, HOUR, attrs.Process(value)),
    "Process rebin": lambda value: and_(PATCHES, HOUR, attrs.Process("rebin", scale=value)),
    "Notify": lambda value: and_(PATCHES, HOUR, attrs.Notify(value)),
    "Cutout": lambda value: and_(PATCHES, HOUR, attrs.Cutout(value, width=1 * u.arcsec, height=1 * u.arcsec)),
}

#: Words and an unknown unit, or a value of the wrong type.
BAD = {
    "nothing": None,
    "truth": True,
    "bytes": b"x",
    "list": [[1]],
    "unit": 3 * u.kg / u.candela,
    "nan": np.nan * u.s,
    "empty": "",
    "blank": "  ",
    "bracket": "a[1]",
    "closing": "1]{x",
    "quote": "it's'",
    "newline": "1\n2",
    "long": "1a" * 5000,
    "foreign": "Ångström",
}


TEXTS = {"a[1]", "1]{x", "it's'", "1\n2", "1a" * 5000, "Ångström"}


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
@pytest.mark.parametrize("word", WORDS)
def test_bad_values_are_refused_by_name_and_nothing_is_sent(local_site, word, value):
    client = JSOCClient()
    client.info("hmi.sharp_720s")
    local_site.requests.clear()
    with pytest.raises(QueryError, match=rf"\b{word}\b") as caught:
        client.search(WORDS[word](value))
    message = str(caught.value)
    # The value is in the message: as it was written, as a list has it, or its beginning if it is long.
    said = str(value.unit) if isinstance(value, u.Quantity) and np.isfinite(value) else repr(value).strip("[]'")
    assert said[:20] in message or str(value)[:20] in message
    assert len(message) < 20000
    assert local_site.requests == []


@cache
def definition(name):
    return definitions.load(name)


anything = st.text(max_size=30) | st.text("[]{}?!#'\";,@/-$^% \n0123456789abcAZ.:_=()<>&|~\\", max_size=30)


def composed(*words):
    """
    The query and the record set of words, read again; None if they are refused.
    """
    try:
        (query,) = queries(and_(PATCHES, *(word() for word in words)))
        asked = compose.compose(query, definition("hmi.sharp_720s"))
    except QueryError:
        return None
    again = recordset.parse(str(asked))
    assert again == asked
    return query, again


@settings(max_examples=300, deadline=None)
@given(anything)
def test_any_text_in_a_prime_key_is_one_filter(text):
    made = composed(lambda: attrs.PrimeKey("HARPNUM", text))
    if made is not None:
        query, asked = made
        assert [value.value for value in query.prime_keys] == [text]
        assert (len(asked.filters), asked.segments) == (1, ())
        assert asked.filters[0] == recordset.parse(f"x[{text}]").filters[0]


@settings(max_examples=300, deadline=None)
@given(anything)
def test_any_text_that_a_keyword_is_compared_with_stays_a_text(text):
    made = composed(lambda: HOUR_KEY, lambda: attrs.Keyword("NOAA_ARS") == text)
    if made is not None:
        _, asked = made
        quoted = text.replace("'", "''")
        assert asked.filters[-1].text == f"NOAA_ARS='{quoted}'"
        assert len(asked.filters) == 2


HOUR_KEY = attrs.PrimeKey("HARPNUM", 1)


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_any_names_are_those_of_the_series_or_refused(segment, keyword):
    made = composed(lambda: HOUR_KEY, lambda: attrs.Segment(segment), lambda: attrs.Keyword(keyword) > 1)
    if made is not None:
        _, asked = made
        assert set(asked.segments) <= set(definition("hmi.sharp_720s").segments)
        assert definition("hmi.sharp_720s").keyword(keyword) is not None
    made = composed(lambda: HOUR_KEY, lambda: attrs.Segment(segment))
    wanted = [name.strip() for name in segment.split(",") if name.strip()]
    if made is not None:
        assert [name.lower() for name in made[1].segments] == list(dict.fromkeys(name.lower() for name in wanted))


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_any_text_in_the_other_words_is_kept_or_refused(first, second):
    for make, part, kept in (
        (lambda: attrs.Series(first), "series", first),
        (lambda: attrs.RecordSet(first), "record_set", first),
        (lambda: attrs.Site(first), "site", first),
        (lambda: attrs.Keys(first, second), "keys", (first.strip(), second.strip())),
        (lambda: attrs.Notify(first), "notify", first.strip()),
        (lambda: attrs.Protocol(first), "protocol", first.strip().lower()),
    ):
        try:
            (query,) = queries(make())
        except QueryError:
            continue
        assert query == Query(**{part: kept if isinstance(kept, str) else tuple(dict.fromkeys(kept))})


@settings(max_examples=300, deadline=None)
@given(anything, anything)
def test_any_text_in_a_step_is_refused_or_one_argument(name, value):
    for make in (lambda: attrs.Process(name), lambda: attrs.Process("im_patch", t_ref=value, width=1, height=1)):
        try:
            step = make().step
        except QueryError:
            continue
        read = [part.partition("=") for part in str(step).split(",")[1:]]
        assert [(key, text) for key, _, text in read] == [(key, str(item)) for key, item in step.arguments]
