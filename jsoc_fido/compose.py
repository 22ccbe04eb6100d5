"""
From what a search means to the record set that asks it.

A `Query` is checked against the definition of its series and written as a `~jsoc_fido.recordset.RecordSet`. Nothing
is asked here. What the series does not know is refused with what it does know.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from jsoc_fido import recordset, times
from jsoc_fido.exceptions import QueryError, UnsupportedError
from jsoc_fido.query import KeywordTest, PrimeKeyValue, Query, TimeSpan, WavelengthSpan
from jsoc_fido.recordset import EmptyFilter, KeyFilter, PrimeKey, Range, RecordSet, SqlFilter
from jsoc_fido.series import Keyword, Series

__all__ = ["compose", "keys", "segments", "series_name"]

#: Prime key that `~sunpy.net.attrs.Wavelength` speaks of.
WAVELENGTH = "WAVELNTH"


def series_name(query: Query) -> str:
    """
    Name of the series that a query asks.

    Raises
    ------
    QueryError
        If there is none, or if `Series` and `RecordSet` name different ones.
    """
    if query.record_set is None:
        if not query.series:
            raise QueryError("Series must be specified for a JSOC Query, such as a.jsoc.Series('hmi.m_45s').")
        # The grammar of names is the record-set language's.
        return RecordSet(query.series.strip()).series
    name = recordset.parse(query.record_set).series
    if query.series and query.series.lower() != name.lower():
        raise QueryError(f"Series names {query.series!r}, but RecordSet asks {name!r}; give one of them.")
    return name


def compose(query: Query, series: Series) -> RecordSet:
    """
    Write a query as a record set.

    Parameters
    ----------
    query
        What is asked.
    series
        Definition of the series.

    Raises
    ------
    QueryError
        If the series has no such prime key, keyword or segment, if a value cannot be one of it, or if too little was
        said.
    """
    wanted = segments(query, series)
    if query.record_set is not None:
        return _given(query, series, wanted)
    filters = {key.name: _alternatives(key, query.prime_keys) for key in series.prime_key_types}
    _check_prime_keys(query.prime_keys, series)
    if query.time is not None:
        key = _time_key(series)
        _add(filters, key, "Time", _time_range(query.time, query.sample, key, series))
    elif query.sample is not None:
        raise QueryError("Sample needs Time: it says how often between the start and the end.")
    tests = [_test(test, series) for test in query.tests]
    if query.wavelength is not None:
        wavelength = _wavelength_key(series)
        if isinstance(wavelength, PrimeKey):
            _add(filters, wavelength, "Wavelength", _wavelengths(query.wavelength))
        else:
            tests += [_test(test, series) for test in _wavelength_tests(wavelength, query.wavelength)]
    if not any(filters.values()):
        raise QueryError(
            "Time, Wavelength or an explicit PrimeKey must be specified. "
            f"The series {series.name} has the prime keys {list(series.prime_keys)}."
        )
    positional = [KeyFilter(items) if items else EmptyFilter() for items in filters.values()]
    while isinstance(positional[-1], EmptyFilter):
        positional.pop()
    sql = (SqlFilter(" AND ".join(tests)),) if tests else ()
    result = RecordSet(series.name, (*positional, *sql), wanted)
    recordset.bind(result, series.prime_key_types)
    return result


def segments(query: Query, series: Series) -> tuple[str, ...]:
    """
    Names of the segments that a query wants, as the series spells them.

    Raises
    ------
    QueryError
        If the series lacks one.
    """
    return _known_segments(query.segments, series)


def keys(query: Query, series: Series) -> tuple[str, ...]:
    """
    Names of the keywords that a query wants in the table: the prime keys first; empty for all.

    Raises
    ------
    QueryError
        If the series lacks one.
    """
    for name in query.keys:
        _keyword(name, series)
    return tuple(dict.fromkeys((*series.prime_keys, *query.keys))) if query.keys else ()


def _given(query: Query, series: Series, wanted: tuple[str, ...]) -> RecordSet:
    said = {
        "Time": query.time,
        "Wavelength": query.wavelength,
        "Sample": query.sample,
        "PrimeKey": query.prime_keys,
        "Keyword": query.tests,
    }
    twice = [word for word, value in said.items() if value]
    if twice:
        raise QueryError(f"RecordSet says it all; leave out {', '.join(twice)}, or write it into the record set.")
    result = recordset.parse(query.record_set or "")
    named = _known_segments(result.segments, series)
    if wanted and named and set(wanted) != set(named):
        raise QueryError(f"Segment asks for {list(wanted)}, but RecordSet for {list(named)}; give one of them.")
    recordset.bind(result, series.prime_key_types)
    return replace(result, series=series.name, segments=wanted or named)


def _known_segments(names: Sequence[str], series: Series) -> tuple[str, ...]:
    if any(name not in series.segments for name in names):
        raise QueryError(
            f"Unexpected Segments were passed. The series {series.name} contains the following Segments "
            f"{list(series.segments)}"
        )
    return tuple(dict.fromkeys(series.segments[name].name for name in names))


def _check_prime_keys(values: Sequence[PrimeKeyValue], series: Series) -> None:
    known = {key.lower() for key in series.prime_keys}
    unknown = [value.name for value in values if value.name.lower() not in known]
    if unknown:
        raise QueryError(
            f"Unexpected PrimeKeys were passed: {unknown}. "
            f"The series {series.name} supports the following PrimeKeys {list(series.prime_keys)}"
        )


def _alternatives(key: PrimeKey, values: Sequence[PrimeKeyValue]) -> tuple[recordset.Item, ...]:
    return tuple(
        item for value in values if value.name.lower() == key.name.lower() for item in _items(key, value.value)
    )


def _items(key: PrimeKey, value: str | float) -> tuple[recordset.Item, ...]:
    if not isinstance(value, str):
        return (recordset.value_of(value),)
    try:
        # What stands behind the value must still be there when it has been read.
        found = recordset.parse(f"x[{key.name}={value}][]")
    except QueryError as err:
        raise QueryError(f"PrimeKey {key.name} cannot be {value!r}: {err}") from err
    match found:
        case RecordSet(filters=(KeyFilter(items=items), EmptyFilter()), segments=()):
            return items
    raise QueryError(f"PrimeKey {key.name} cannot be {value!r}: it is more than the values of one prime key.")


def _add(
    filters: dict[str, tuple[recordset.Item, ...]], key: PrimeKey, word: str, items: tuple[recordset.Item, ...]
) -> None:
    if filters[key.name]:
        raise QueryError(
            f"{key.name} was given both as {word} and as PrimeKey; give one of them, or separate them by the OR "
            "operator."
        )
    filters[key.name] = items


def _time_key(series: Series) -> PrimeKey:
    found = [key for key in series.prime_key_types if key.type == "time"]
    if not found:
        raise QueryError(
            f"The series {series.name} has no time among its prime keys {list(series.prime_keys)}; ask with PrimeKey."
        )
    if len(found) > 1:
        raise QueryError(
            f"The series {series.name} has several times among its prime keys {list(series.prime_keys)}; "
            f"say which with PrimeKey, such as a.jsoc.PrimeKey({found[0].name!r}, '2014.01.01_TAI/1d')."
        )
    return found[0]


def _time_range(time: TimeSpan, sample: float | None, key: PrimeKey, series: Series) -> tuple[recordset.Item, ...]:
    keyword = series.keyword(key.name)
    zone = "UTC" if keyword and keyword.units.upper() in {"ISO", "UTC", "UT"} else "TAI"
    start, end = (recordset.time_value(instant, zone) for instant in (time.start, time.end))
    skip = None
    # A cadence below the grid's own means every record; DRMS would divide by zero (contract A.12).
    if sample is not None and not (key.slot and sample <= key.slot.step):
        skip = f"{sample:.12g}s"
    return (Range(start, end, skip),)


def _wavelength_key(series: Series) -> PrimeKey | Keyword:
    """
    What tells the records of a series apart by wavelength: a prime key, or a keyword as in ``aia.lev1``.
    """
    for key in series.prime_key_types:
        if key.name.upper() == WAVELENGTH:
            return key
    keyword = series.keyword(WAVELENGTH)
    # What is the same for the whole series, or comes through a link, is not in its table (contract A.10).
    if keyword and keyword.scope == "variable" and not keyword.link and (keyword.is_integer or keyword.is_real):
        return keyword
    raise UnsupportedError(
        f"The series {series.name} does not support wavelength attribute. "
        f"The following primekeys are supported {list(series.prime_keys)}"
    )


def _wavelengths(span: WavelengthSpan) -> tuple[recordset.Item, ...]:
    first, last = _whole_wavelengths(span)
    ends = recordset.value_of(first), recordset.value_of(last)
    return (ends[0],) if first == last else (Range(*ends),)


def _wavelength_tests(keyword: Keyword, span: WavelengthSpan) -> list[KeywordTest]:
    first, last = _whole_wavelengths(span)
    if first == last:
        return [KeywordTest(keyword.name, "=", first)]
    return [KeywordTest(keyword.name, ">=", first), KeywordTest(keyword.name, "<=", last)]


def _whole_wavelengths(span: WavelengthSpan) -> tuple[int, int]:
    low, high = span.low, span.high
    # Conversions leave crumbs: 17.1 nm is 171.00000000000003 angstrom.
    first, last = math.ceil(low - 1e-6), math.floor(high + 1e-6)
    if first > last:
        raise QueryError(
            f"Wavelengths of series are whole numbers of angstrom; there is none from {low:g} to {high:g}."
        )
    return first, last


def _keyword(name: str, series: Series) -> Keyword:
    keyword = series.keyword(name)
    if keyword is None:
        raise QueryError(f"Keyword: {name!r} is not supported by series: {series.name}")
    return keyword


def _test(test: KeywordTest, series: Series) -> str:
    keyword = _keyword(test.name, series)
    name = test.name
    if series.is_alias(keyword.name):
        # An alias such as DATE-OBS is a name for FITS; the database knows the keyword it stands for.
        name = next(item.name for item in series.keywords.values() if item.fits_alias == keyword.name != item.name)
    operator = "<>" if test.operator == "!=" else test.operator
    return f"{name}{operator}{_literal(test, keyword, series)}"


def _literal(test: KeywordTest, keyword: Keyword, series: Series) -> str:
    value = test.value
    if keyword.is_time:
        if not isinstance(value, str):
            raise QueryError(f"Keyword {test.name} is a time; it cannot be compared with the number {value!r}.")
        try:
            return f"$({recordset.time_value(times.parse(value), 'TAI', 3).text})"
        except QueryError as err:
            raise QueryError(f"Keyword {test.name} is a time: {err}") from err
    if keyword.is_integer or keyword.is_real:
        if isinstance(value, str):
            value = _number(test, value, keyword, series)
        if isinstance(value, float) and not math.isfinite(value):
            raise QueryError(f"Keyword {test.name} cannot be compared with {value!r}; DRMS asks for numbers.")
        return recordset.quote_sql(value)
    return recordset.quote_sql(str(value))


def _number(test: KeywordTest, text: str, keyword: Keyword, series: Series) -> int | float:
    for read in (lambda number: int(number, 0), float):
        try:
            return read(text)
        except ValueError:
            continue
    raise QueryError(
        f"Keyword {test.name} of {series.name} is a number ({keyword.type}); it cannot be compared with {text!r}."
    )
