"""
What a question about records names: record sets, keywords, segments and links (contract B.3, B.5).

A question costs no more than so much, however it is put: each bound here is far above what anybody needs at once, and
whoever meets one is told so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from jsoc_fido import recordset
from jsoc_fido.exceptions import QueryError
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.select import Selection
from jsoc_fido.recordset import RecordSet

__all__ = ["Question", "Tally", "asked_sets", "check_single", "only_set", "record_sets"]

ALL = "**ALL**"
NONE = "**NONE**"

#: Record sets of a question, each of which is looked up for itself, and their characters.
MOST_SETS = 1000
LONGEST = 500_000

#: Characters of a record set that an error repeats.
LONGEST_SHOWN = 10_000

#: Keywords, segments and links of a question, many times what any series has; and those of all its record sets.
MOST_COLUMNS = 2000
MOST_LOOKUPS = 100_000

#: Values of a reply: twice as many as the most records of a set have, in the series with the most keywords.
MOST_VALUES = 100_000_000


def record_sets(ds: str) -> tuple[RecordSet, ...]:
    """
    Read record sets.

    Raises
    ------
    QueryError
        If they cannot be read, or are too many.
    """
    if len(ds) > LONGEST:
        raise QueryError(
            f"{len(ds)} characters are too many for the record sets of a question; write at most {LONGEST}."
        )
    found = recordset.parse_list(ds)
    if len(found) > MOST_SETS:
        raise QueryError(f"{len(found)} record sets are too many for one question; ask for at most {MOST_SETS}.")
    return found


def asked_sets(ds: str) -> tuple[RecordSet, ...]:
    """
    Read record sets, in JSOC's words if they cannot be read (contract B.3).

    Raises
    ------
    QueryError
        If they cannot be read, or are too many.
    """
    try:
        return record_sets(ds)
    except QueryError as err:
        raise QueryError(f"invalid record-set specification `{_shown(ds)}`: {err}") from err


def only_set(ds: str) -> RecordSet:
    """
    Read a record set where there may be one only (contract A.14).

    Raises
    ------
    QueryError
        If it cannot be read, or is not the only one.
    """
    sets = asked_sets(ds)
    check_single(sets, ds)
    return sets[0]


def check_single(sets: Sequence[RecordSet], ds: str) -> None:
    """
    Make sure that there is one record set only.

    Raises
    ------
    QueryError
        If there are more.
    """
    if len(sets) != 1:
        words = "the records must belong to a single data series"
        raise QueryError(f"invalid record-set specification `{_shown(ds)}`; {words}")


def _shown(ds: str) -> str:
    return repr(ds[:LONGEST_SHOWN])[1:-1]  # in one line


class Question:
    """
    The lists of a request, and what they mean for a series.

    Parameters
    ----------
    key, seg, link
        Names, joined by commas, or ``**ALL**``.
    sets
        How many record sets it has.

    Raises
    ------
    QueryError
        If they are too many.
    """

    def __init__(self, key: str, seg: str, link: str, *, sets: int = 1) -> None:
        self.keys, self.segments, self.links = (_names(text) for text in (key, seg, link))
        columns = sum(map(len, (self.keys, self.segments, self.links)))
        _check(columns)
        if columns * sets > MOST_LOOKUPS:
            raise QueryError(
                f"{columns} keywords, segments and links of {sets} record sets are too many for one question; "
                f"together they must not be more than {MOST_LOOKUPS}."
            )

    @property
    def is_general(self) -> bool:
        """
        Whether it has to be seen in the series what is asked for.
        """
        return ALL in self.keys or ALL in self.segments or ALL in self.links

    def selection(self, catalogue: Catalogue, record_set: RecordSet) -> Selection:
        """
        Select the records of a set.

        Raises
        ------
        QueryError
            If the site has no such series, the filters do not fit it, or more is asked of it than can be told.
        """
        try:
            catalogue.series(record_set.series)
        except QueryError as err:
            raise QueryError(" jsoc_info: series not found.") from err
        selection = Selection(catalogue, record_set)
        _check(len(self.keys_of(selection)) + len(self.segments_of(selection)) + len(self.links_of(selection)))
        return selection

    def keys_of(self, selection: Selection) -> list[str]:
        return list(_expand(self.keys, selection.fields.names))

    def segments_of(self, selection: Selection) -> list[str]:
        return list(_expand(self.segments, lambda: selection.segments))

    def stored_of(self, selection: Selection) -> list[str]:
        """
        Those of the segments that the series has, or all that it has if none was asked for: they have a size.
        """
        known = {name.lower() for name in selection.segments}
        return [name for name in self.segments_of(selection) if name.lower() in known] or selection.segments

    def links_of(self, selection: Selection) -> list[str]:
        return list(_expand(self.links, lambda: selection.series.links))


class Tally:
    """
    Counts what a reply has, and stops it when that gets too much.
    """

    def __init__(self) -> None:
        self._values = 0

    def add(self, records: int, columns: int) -> None:
        """
        Count records, with so many columns each.

        Raises
        ------
        QueryError
            If the reply gets too long.
        """
        self._values += records * max(columns, 1)
        if self._values > MOST_VALUES:
            raise QueryError(
                f"The reply would have more than {MOST_VALUES} values; ask for fewer records or fewer keywords at once."
            )


def _check(columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise QueryError(
            f"{columns} keywords, segments and links are too many for one question; ask for at most {MOST_COLUMNS}."
        )


def _names(text: str) -> list[str]:
    """
    The names in a list, up to ``**NONE**`` (contract B.5).
    """
    names = [name for name in text.split(",") if name]
    return names[: names.index(NONE)] if NONE in names else names


def _expand(names: Iterable[str], everything: Callable[[], Iterable[str]]) -> Iterator[str]:
    for name in names:
        if name == ALL:
            yield from everything()
        else:
            yield name
