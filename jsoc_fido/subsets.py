"""
Record sets that mean exactly these records and no others.

By record number, which is exact and short; or by the values of the prime keys, for sites that refuse numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from jsoc_fido import times
from jsoc_fido.recordset import (
    Extreme,
    Filter,
    Index,
    IndexItem,
    IndexRange,
    Item,
    KeyFilter,
    PrimeKey,
    RecordNumbers,
    RecordSet,
    SqlFilter,
    time_value,
    value_of,
)

_Item = TypeVar("_Item", bound=Item)

__all__ = ["LONGEST", "by_numbers", "by_prime_keys", "may_move", "numbers_of"]

#: Longest record set to send. JSOC accepts 4,095 characters, of which it needs some itself (users.md, section 2).
LONGEST = 2000


def by_numbers(
    series: str, numbers: Iterable[int], segments: tuple[str, ...] = (), *, longest: int = LONGEST
) -> list[RecordSet]:
    """
    Ask for records by their numbers, runs of neighbours as ``#a-#b``, in as few record sets as possible.

    Parameters
    ----------
    series
        Name of the series.
    numbers
        Record numbers, in any order.
    segments
        Segments wanted; none means all.
    longest
        Number of characters that one record set may have.

    Examples
    --------
    >>> [str(item) for item in by_numbers("hmi.m_45s", [9, 7, 8, 12])]
    ['hmi.m_45s[:#7-#9,#12]']
    """
    runs: list[IndexItem] = [
        Index(start) if start == stop else IndexRange(start, stop) for start, stop in _runs(numbers)
    ]
    return _packed(RecordSet(series, (), segments), runs, lambda items: (RecordNumbers(items),), longest)


def by_prime_keys(
    series: str,
    keys: Sequence[PrimeKey],
    records: Iterable[Sequence[str]],
    segments: tuple[str, ...] = (),
    *,
    longest: int = LONGEST,
) -> list[RecordSet]:
    """
    Ask for records by the values of their prime keys.

    The filters of a record set are joined by AND, so that it can list values of one key only; that is the key with
    the most values.

    Parameters
    ----------
    series
        Name of the series.
    keys
        Its prime keys.
    records
        Values of these keys for each record, as the site prints them.
    segments
        Segments wanted; none means all.
    longest
        Number of characters that one record set may have.

    Examples
    --------
    >>> keys = [PrimeKey("T_REC", "time"), PrimeKey("CAMERA", "int")]
    >>> records = [("2014.01.01_00:00:45_TAI", "2"), ("2014.01.01_00:01:30_TAI", "2")]
    >>> [str(item) for item in by_prime_keys("hmi.m_45s", keys, records)]
    ['hmi.m_45s[2014.01.01_00:00:45_TAI,2014.01.01_00:01:30_TAI][2]']
    """
    tuples = list(dict.fromkeys(map(tuple, records)))
    if not tuples:
        return []
    varied = max(range(len(keys)), key=lambda place: len({record[place] for record in tuples}))
    groups: dict[tuple[str, ...], list[str]] = {}
    for record in tuples:
        groups.setdefault(record[:varied] + record[varied + 1 :], []).append(record[varied])
    result: list[RecordSet] = []
    for others, values in groups.items():
        fixed = [KeyFilter((_item(key, text),)) for key, text in zip(_without(keys, varied), others, strict=True)]
        items = [_item(keys[varied], text) for text in values]

        def filters(items: tuple[Item, ...], fixed: list[KeyFilter] = fixed) -> tuple[KeyFilter, ...]:
            return (*fixed[:varied], KeyFilter(items), *fixed[varied:])

        result += _packed(RecordSet(series, (), segments), items, filters, longest)
    return result


def numbers_of(record_set: RecordSet) -> list[int]:
    """
    The numbers that a record set of `by_numbers` lists, ascending.

    Examples
    --------
    >>> numbers_of(by_numbers("hmi.m_45s", [9, 7, 8, 12])[0])
    [7, 8, 9, 12]
    """
    result: list[int] = []
    for part in record_set.filters:
        for item in part.items if isinstance(part, RecordNumbers) else ():
            match item:
                case Index(number=number):
                    result.append(number)
                case IndexRange(start=int(start), stop=int(stop), skip=None):
                    result += range(start, stop + 1)
    return result


def may_move(asked: RecordSet) -> bool:
    """
    Whether a record set means other records tomorrow: the first or last ones, or old versions.
    """
    items = [item for part in asked.filters if isinstance(part, KeyFilter) for item in part.items]
    every_version = any(isinstance(part, SqlFilter) and part.all_versions for part in asked.filters)
    return every_version or any(isinstance(item, Extreme) for item in items)


def _packed(
    base: RecordSet, items: Sequence[_Item], filters: Callable[[tuple[_Item, ...]], tuple[Filter, ...]], longest: int
) -> list[RecordSet]:
    """
    Spread items over as few record sets as the length allows.
    """

    def written(part: Sequence[_Item]) -> RecordSet:
        return RecordSet(base.series, filters(tuple(part)), base.segments)

    result: list[RecordSet] = []
    part: list[_Item] = []
    length = 0
    for item in items:
        size = len(str(item)) + 1
        if not part:
            length = len(str(written([item]))) - size
        elif length + size > longest:
            result.append(written(part))
            part, length = [], len(str(written([item]))) - size
        part.append(item)
        length += size
    return [*result, written(part)] if part else result


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """
    First and last of each run of neighbours.
    """
    start = stop = None
    for number in sorted(set(map(int, numbers))):
        if start is None or stop is None:
            start = number
        elif number != stop + 1:
            yield start, stop
            start = number
        stop = number
    if start is not None and stop is not None:
        yield start, stop


def _item(key: PrimeKey, text: str) -> Item:
    # A time in ISO form is misread in a list (contract A.6).
    return time_value(times.parse(text)) if key.type == "time" else value_of(text)


def _without(keys: Sequence[PrimeKey], place: int) -> list[PrimeKey]:
    return [key for number, key in enumerate(keys) if number != place]
