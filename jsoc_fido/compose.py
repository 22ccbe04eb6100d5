"""
From what a search means to the record set that asks it.

A `Query` is checked against the definition of its series and written as a `~jsoc_fido.recordset.RecordSet`. Nothing
is asked here. What the series does not know is refused with what it does know.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from sunpy.util.exceptions import warn_user

from jsoc_fido import conditions, recordset, times
from jsoc_fido.clauses import clause
from jsoc_fido.columns import unit_of
from jsoc_fido.conditions import Condition, KeywordTest, Kind, Measure, OneOf, plain_value, reason, shown
from jsoc_fido.exceptions import QueryError, UnsupportedError
from jsoc_fido.query import PrimeKeyValue, Query, TimeSpan, WavelengthSpan
from jsoc_fido.recordset import EmptyFilter, KeyFilter, PrimeKey, Range, RecordSet, Span, SqlFilter, Value
from jsoc_fido.series import Keyword, Series

__all__ = ["compose", "default_segments", "keys", "segments", "series_name"]

#: Prime key that `~sunpy.net.attrs.Wavelength` speaks of.
WAVELENGTH = "WAVELNTH"

#: Wavelengths in angstrom of AIA's series, by the beginning of their names; the longest beginning first.
_EUV, _UV, _VISIBLE = (94, 131, 171, 193, 211, 304, 335), (1600, 1700), (4500,)
WAVELENGTHS = {
    "aia.lev1_euv_": _EUV,
    "aia.lev1_uv_": _UV,
    "aia.lev1_vis_": _VISIBLE,
    "aia.lev1": (*_EUV, *_UV, *_VISIBLE),
}

#: Times that say when the data are from, where several prime keys are times; the better one first.
TIME_KEYS = ("T_REC", "T_OBS", "T_START", "DATE__OBS")

#: Seconds between times that were only rounded: no series has a record in each of them (contract A.12).
ROUNDING = 1


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
    filters = {key.name: _alternatives(key, query.prime_keys, series) for key in series.prime_key_types}
    _check_prime_keys(query.prime_keys, series)
    if query.time is not None:
        key = _time_key(series)
        _add(filters, key, "Time", _time_range(query.time, query.sample, key, series))
    elif query.sample is not None:
        raise QueryError("Sample needs Time: it says how often between the start and the end.")
    tests = list(query.tests)
    if query.wavelength is not None:
        wavelength = _wavelength_key(series)
        if isinstance(wavelength, PrimeKey):
            _add(filters, wavelength, "Wavelength", _wavelengths(query.wavelength, series))
        else:
            tests.append(_wavelength_test(wavelength, query.wavelength, series))
    if not any(filters.values()):
        raise QueryError(
            "Time, Wavelength or an explicit PrimeKey must be specified. "
            f"The series {series.name} has the prime keys {list(series.prime_keys)}."
        )
    positional = [KeyFilter(items) if items else EmptyFilter() for items in filters.values()]
    while isinstance(positional[-1], EmptyFilter):
        positional.pop()
    sql = (SqlFilter(clause(conditions.all_of(*tests), series)),) if tests else ()
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


def default_segments(query: Query, series: Series) -> tuple[str, ...]:
    """
    Segments whose files a query that names none wants; none means all.

    AIA's records have the places of the spikes that were removed, and others, beside the image.
    """
    if query.segments or query.record_set or not series.name.lower().startswith("aia.lev1"):
        return ()
    images = tuple(name for name in series.segments if name.startswith("image"))
    return images if len(images) < len(series.segments) else ()


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
        raise QueryError(f"Segment asks for {shown(list(wanted))}, but RecordSet for {list(named)}; give one of them.")
    recordset.bind(result, series.prime_key_types)
    return replace(result, series=series.name, segments=wanted or named)


def _known_segments(names: Sequence[str], series: Series) -> tuple[str, ...]:
    if any(name not in series.segments for name in names):
        raise QueryError(
            f"Unexpected Segments were passed. The series {series.name} contains the following Segments "
            f"{list(series.segments)}, not {shown([name for name in names if name not in series.segments])}."
        )
    return tuple(dict.fromkeys(series.segments[name].name for name in names))


def _check_prime_keys(values: Sequence[PrimeKeyValue], series: Series) -> None:
    known = {key.lower() for key in series.prime_keys}
    unknown = [value.name for value in values if value.name.lower() not in known]
    if unknown:
        raise QueryError(
            f"Unexpected PrimeKeys were passed: {shown(unknown)}. "
            f"The series {series.name} supports the following PrimeKeys {list(series.prime_keys)}"
        )


def _alternatives(key: PrimeKey, values: Sequence[PrimeKeyValue], series: Series) -> tuple[recordset.Item, ...]:
    keyword = series.keyword(key.name)
    items = tuple(
        item
        for value in values
        if value.name.lower() == key.name.lower()
        for item in _items(key, value.value, keyword.units if keyword else "")
    )
    return tuple(map(_listed, items)) if key.type == "time" and len(items) > 1 else items


def _listed(item: recordset.Item) -> recordset.Item:
    """
    A time as it can stand in a list, in which DRMS misreads those with dashes (contract A.6).
    """
    match item:
        case Value():
            return _dotted(item)
        case Range():
            return replace(item, start=_dotted(item.start), end=_dotted(item.end))
        case Span():
            return replace(item, start=_dotted(item.start))
    return item


def _dotted(value: Value) -> Value:
    return recordset.time_value(times.parse(value.text), "UTC") if "-" in value.text else value


def _items(key: PrimeKey, value: str | float | Measure, unit: str) -> tuple[recordset.Item, ...]:
    try:
        items = _read(key, value, unit)
        recordset.bind(RecordSet("x", (KeyFilter(items),)), (key,))
    except QueryError as err:
        raise QueryError(f"PrimeKey {key.name} cannot be {shown(value)}: {reason(err)}") from err
    return items


def _read(key: PrimeKey, value: str | float | Measure, unit: str) -> tuple[recordset.Item, ...]:
    if not isinstance(value, str) and (key.type == "time" or isinstance(value, Measure)):
        # A time is no number, although DRMS would read one as a year.
        value = plain_value(key.name, value, Kind("time" if key.type == "time" else "number", unit_of(unit)))
        # An angle of 4 deg is the integer 4 for a key of integers.
        value = int(value) if value == int(value) else value
    if not isinstance(value, str):
        return (recordset.value_of(value),)
    # What stands behind the value must still be there when it has been read.
    match recordset.parse(f"x[{key.name}={value}][]"):
        case RecordSet(filters=(KeyFilter(items=items), EmptyFilter()), segments=()):
            return items
    raise QueryError("it is more than the values of one prime key.")


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
    """
    The prime key that `~sunpy.net.attrs.Time` speaks of.
    """
    found = {key.name.upper(): key for key in series.prime_key_types if key.type == "time"}
    if not found:
        tests = [name for name, keyword in series.keywords.items() if keyword.is_time and not keyword.is_constant]
        instead = f", or test a keyword: a.jsoc.Keyword({tests[0]!r}).between(start, end)" if tests else ""
        raise QueryError(
            f"Time: the series {series.name} has no time among its prime keys {list(series.prime_keys)}; ask with "
            f"PrimeKey{instead}."
        )
    names = [name for name in TIME_KEYS if name in found] or list(found)
    if names[0] not in TIME_KEYS and len(found) > 1:
        first = found[names[0]].name
        raise QueryError(
            f"Time: the series {series.name} has several times among its prime keys {list(series.prime_keys)}; "
            f"say which with PrimeKey, such as a.jsoc.PrimeKey({first!r}, '2014.01.01_TAI/1d')."
        )
    return found[names[0]]


def _time_range(time: TimeSpan, sample: float | None, key: PrimeKey, series: Series) -> tuple[recordset.Item, ...]:
    keyword = series.keyword(key.name)
    zone = "UTC" if keyword and keyword.units.upper() in {"ISO", "UTC", "UT"} else "TAI"
    start, end = (recordset.time_value(instant, zone) for instant in (time.start, time.end))
    skip = None if sample is None else _skip(sample, key, series)
    return (Range(start, end, skip),)


def _skip(sample: float, key: PrimeKey, series: Series) -> str | None:
    """
    A cadence as it stands behind ``@``, None for every record.
    """
    text = f"{sample:.12g}s"
    if key.slot is None:
        warn_user(_lonely(key, series, text))
        return text
    slots = sample / key.slot.step
    # A cadence below the grid's own means every record; DRMS would divide by zero (contract A.12).
    taken = max(1, key.slot.skip(sample)) if slots > 1 else 1
    if slots > 1 and key.slot.step <= ROUNDING:
        warn_user(_lonely(key, series, f"{taken * key.slot.step:g} s"))
    elif abs(slots - taken) > 1e-6 * taken:
        warn_user(
            f"Sample: {text} is no multiple of the {key.slot.step:g} s between records of {series.name}; there will be "
            f"one every {taken * key.slot.step:g} s."
        )
    return text if slots > 1 else None


def _lonely(key: PrimeKey, series: Series, step: str) -> str:
    return (
        f"Sample: {key.name} of {series.name} lies on no grid; only records at whole multiples of {step} after the "
        "start will be found."
    )


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


def _wavelengths(span: WavelengthSpan, series: Series) -> tuple[recordset.Item, ...]:
    known = _known_wavelengths(span, series)
    if known:
        return tuple(recordset.value_of(length) for length in known)
    first, last = _whole_wavelengths(span)
    ends = recordset.value_of(first), recordset.value_of(last)
    return (ends[0],) if first == last else (Range(*ends),)


def _wavelength_test(keyword: Keyword, span: WavelengthSpan, series: Series) -> Condition:
    known = _known_wavelengths(span, series)
    if known:
        return OneOf(keyword.name, known) if len(known) > 1 else KeywordTest(keyword.name, "=", known[0])
    first, last = _whole_wavelengths(span)
    if first == last:
        return KeywordTest(keyword.name, "=", first)
    return conditions.all_of(KeywordTest(keyword.name, ">=", first), KeywordTest(keyword.name, "<=", last))


def _known_wavelengths(span: WavelengthSpan, series: Series) -> tuple[int, ...]:
    """
    Those wavelengths of a span that the series has; empty if it is not known which it has.

    Raises
    ------
    QueryError
        If it has none of the span.
    """
    name = series.name.lower()
    lengths = next((lengths for start, lengths in WAVELENGTHS.items() if name.startswith(start)), ())
    found = tuple(length for length in lengths if span.low - 1e-6 <= length <= span.high + 1e-6)
    if lengths and not found:
        what = f"{span.low:g} angstrom" if span.low == span.high else f"from {span.low:g} to {span.high:g} angstrom"
        raise QueryError(f"Wavelength: {series.name} has none of {what}; it has {', '.join(map(str, lengths))}.")
    return found


def _whole_wavelengths(span: WavelengthSpan) -> tuple[int, int]:
    low, high = span.low, span.high
    # Conversions leave crumbs: 17.1 nm is 171.00000000000003 angstrom.
    first, last = math.ceil(low - 1e-6), math.floor(high + 1e-6)
    if first > last:
        raise QueryError(f"Wavelength: series have whole numbers of angstrom; there is none from {low:g} to {high:g}.")
    return first, last


def _keyword(name: str, series: Series) -> Keyword:
    keyword = series.keyword(name)
    if keyword is None:
        raise QueryError(f"Keys: {shown(name)} is not a keyword of {series.name}.")
    return keyword
