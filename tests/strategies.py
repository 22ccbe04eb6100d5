"""
Hypothesis strategies for record sets and their parts: all of them can be written and read again.
"""

import string

from hypothesis import strategies as st

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.recordset import (
    EmptyFilter,
    Extreme,
    Index,
    IndexRange,
    IndexSpan,
    KeyFilter,
    Range,
    RecordNumbers,
    RecordSet,
    Span,
    SqlFilter,
    Value,
    quote_sql,
    time_value,
    value_of,
)

LETTERS = string.ascii_letters
PRINTABLE = string.digits + LETTERS + string.punctuation + " "

#: Times for which DRMS and the rest of the world agree about UTC, up to well after the last leap second.
seconds = st.floats(times.parse("1972.01.02_TAI"), times.parse("2099.12.31_TAI")).map(lambda value: round(value, 6))
zones = st.sampled_from(["TAI", "UTC", "TT", "GPS", "PST", "+0100", "Z", "ISO"])

series_names = st.builds(
    "{}.{}".format,
    st.sampled_from(["hmi", "aia", "mdi", "iris", "su_someone"]),
    st.text(string.digits + LETTERS + "_.", min_size=1, max_size=40),
)
names = st.builds(str.__add__, st.sampled_from(LETTERS + "_"), st.text(string.digits + LETTERS + "_", max_size=20))

quoted = st.text(PRINTABLE.replace(";", "") + "\n\t", max_size=20).map(lambda text: Value(text, quoted=True))
words = st.builds(str.__add__, st.sampled_from(LETTERS), st.text(string.digits + LETTERS + "_.", max_size=12)).map(
    value_of
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 400)
).map(value_of)
hexadecimals = st.integers(0, 2**32).map(lambda number: Value(hex(number)))
time_values = st.builds(time_value, seconds, zones, st.sampled_from([None, 0, 2]))
durations = st.builds(
    times.Duration, st.one_of(st.integers(1, 10**6), st.floats(0.001, 1e4)), st.sampled_from("smhdu")
).map(str)
skips = st.none() | durations | st.integers(1, 1000).map(str)

ranges = st.one_of(
    st.builds(Range, time_values, time_values, st.none() | durations),
    st.builds(Range, numbers, numbers, skips),
    st.builds(Range, quoted, quoted),
)
spans = st.one_of(
    st.builds(Span, time_values, durations, st.none() | durations),
    st.builds(Span, numbers, durations | st.integers(1, 1000).map(str), skips),
)
values = st.one_of(quoted, words, numbers, hexadecimals, time_values, durations.map(Value))

counts = st.integers(1, 10**6)
places = st.integers(-(10**10), 10**12)
index_items = st.one_of(
    st.builds(Index, places),
    st.builds(IndexRange, st.none() | places, st.none() | places, st.none() | counts),
    st.builds(IndexSpan, places, counts, st.none() | counts),
)


def lists(items):
    return st.lists(items, min_size=1, max_size=4).map(tuple)


key_filters = st.one_of(
    st.builds(KeyFilter, lists(values | ranges | spans), st.none() | names),
    st.builds(KeyFilter, lists(index_items), st.none() | names),
    st.builds(KeyFilter, st.tuples(st.builds(Extreme, st.booleans(), st.booleans())), st.none() | names),
)
record_numbers = st.one_of(
    st.builds(RecordNumbers, lists(index_items)),
    st.builds(RecordNumbers, st.tuples(st.builds(Extreme, st.booleans(), st.just(True)))),
)


def _literals():
    texts = st.text(PRINTABLE.translate(str.maketrans("", "", ';%"')), max_size=10)
    return st.one_of(st.integers(-(2**31), 2**31), texts.filter(lambda text: "?]" not in text and "!]" not in text))


comparisons = st.builds(
    "{}{}{}".format, names, st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]), _literals().map(quote_sql)
)
conditions = st.lists(comparisons, min_size=1, max_size=3).map(" AND ".join)
sql_filters = st.builds(SqlFilter, conditions, st.booleans())


@st.composite
def record_sets(draw):
    """
    Record sets of all kinds; at most one of their filters lists record numbers.
    """
    filters = draw(st.lists(st.one_of(st.just(EmptyFilter()), key_filters, sql_filters), max_size=4))
    if draw(st.booleans()):
        filters.insert(draw(st.integers(0, len(filters))), draw(record_numbers))
    segments = draw(st.lists(names, max_size=3, unique=True))
    return RecordSet(draw(series_names), tuple(filters), tuple(segments))


def refused(make, *arguments):
    """
    What a constructor gives, or None if it refuses.
    """
    try:
        return make(*arguments)
    except QueryError:
        return None
