"""
The answer to a search: a typed table whose rows know their records.

A site prints all values as text (contract B.5). Here they get the types of the series' definition: numbers as numbers
with units, times as `~astropy.time.Time` that print as JSOC prints them, missing values masked. What a fetch needs to
know of a row travels in columns that are not shown, so that it survives slices, sorts and stacks.
"""

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, QTable, TableAttribute, vstack
from astropy.time import Time
from astropy.utils.masked import Masked
from sunpy.net.base_client import QueryResponseRow, QueryResponseTable
from sunpy.net.fido_factory import UnifiedResponse

from jsoc_fido.columns import column, masked, sizes
from jsoc_fido.exceptions import QueryError
from jsoc_fido.query import Query
from jsoc_fido.series import Series

__all__ = ["ONLINE", "QUESTION", "RECNUM", "RECORD", "SIZE", "JSOCResponse", "Question", "as_response", "stack"]

#: Columns that say which record a row is; not shown unless asked for.
RECORD, RECNUM, QUESTION, ONLINE, SIZE = "Record", "Recnum", "Question", "Online", "Size"

#: Pseudo keys that a search asks for besides keywords (contract B.5).
PSEUDO_KEYS = ("*recnum*", "*online*", "*size*")

#: Paths that are no paths (contract B.5, G.18).
NO_FILE = frozenset({"NoDataDirectory", "InvalidSegName", "BadSegLink", "NA", ""})

#: Columns that sunpy's guide shows.
SHOWN = ("T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT")


@dataclass(frozen=True, slots=True)
class Question:
    """
    What was asked for a run of rows: the query, the record set it became, and where it was asked.

    Parameters
    ----------
    query
        The meaning.
    record_set
        The text that was sent.
    site
        Name or URL of the site.
    series
        Name of the series, as the site spells it.
    segments
        Names of the segments whose paths came along.
    count
        Number of records in the answer.
    """

    query: Query
    record_set: str
    site: str
    series: str
    segments: tuple[str, ...]
    count: int

    @property
    def key(self) -> str:
        """
        A short name; the rows of the answer carry it.
        """
        return hashlib.blake2s(repr((self.query, self.record_set, self.site)).encode(), digest_size=6).hexdigest()


class JSOCResponse(QueryResponseTable):
    """
    Records of a DRMS site.

    Columns are the keywords of the series. ``show()`` shows them all, ``show("T_REC", "EXPTIME")`` some of them.

    Attributes
    ----------
    questions
        What was asked (`~jsoc_fido.response.Question`), one for each OR branch.
    requests
        Staged requests that were made for this table.
    """

    questions = TableAttribute(default=())
    requests = TableAttribute(default=())
    size_column = SIZE

    @classmethod
    def from_reply(
        cls, reply: Mapping[str, Any], series: Series, question: Question, client: Any = None
    ) -> "JSOCResponse":
        """
        Make a table from an ``rs_list`` reply.

        Parameters
        ----------
        reply
            The decoded JSON, column by column; without any arrays if there is no record (contract B.5).
        series
            Definition of the series.
        question
            What was asked.
        client
            The client that shall fetch the files.
        """
        count = int(reply.get("count", 0))
        table = cls(client=client)
        if count == 0:
            return table
        pseudo: dict[str, list[Any]] = {}
        for item in reply.get("keywords", ()):
            name, values = item["name"], item["values"]
            if name in PSEUDO_KEYS:
                pseudo[name] = values
            elif name not in table.colnames:
                table[name] = column(values, series.keyword(name))
        names = [item["name"] for item in reply.get("recinfo", ())]
        table[RECORD] = names or [""] * count
        table[RECNUM] = np.asarray(pseudo.get("*recnum*", np.zeros(count)), dtype=np.int64)
        table[ONLINE] = np.asarray([value == "Y" for value in pseudo.get("*online*", [None] * count)])
        table[SIZE] = sizes(pseudo.get("*size*", ["NA"] * count))
        for item in reply.get("segments", ()):
            # Segments that no record has are cut short (contract B.5).
            if len(item["values"]) == count and item["name"] not in table.colnames:
                table[item["name"]] = MaskedColumn(item["values"], mask=[value in NO_FILE for value in item["values"]])
        table[QUESTION] = [question.key] * count
        table.questions = (question,)
        # A dictionary, because that is what tables merge without repeating, when they are stacked.
        table.display_keys = dict.fromkeys(shown(table, series, question.query))
        return table

    def __getitem__(self, item: Any) -> Any:
        result = super().__getitem__(item)
        if isinstance(item, list | tuple) and item and all(isinstance(name, str) for name in item):
            # Whoever picks columns wants to see them.
            result.unhide_columns()
        return result

    def __str__(self) -> str:
        # As much as a terminal shows; sunpy would print, and format, every row.
        return "\n".join(self._display_table.pformat(max_lines=None, max_width=None, show_dtype=False))

    def __repr__(self) -> str:
        return f"{object.__repr__(self)}\n{self}"

    def show(self, *cols: str) -> "JSOCResponse":
        """
        Show some columns, or all keywords.

        Parameters
        ----------
        *cols
            Names of columns; a name that the table lacks is left out. None means all keywords.
        """
        names = [name for name in (cols or self.keyword_names) if name in self.colnames]
        return self[names] if names else type(self)(client=self.client)

    def total_size(self) -> u.Quantity:
        """
        Total size of all files; NaN bytes if no row has a size.
        """
        # sunpy has no prefix for less than a kilobyte.
        total = np.nansum(self[SIZE]) if SIZE in self.colnames else 0 * u.byte
        return total if 0 * u.byte < total < 1 * u.kbyte else super().total_size()

    def __getstate__(self) -> tuple[dict[str, Any], Any]:
        # astropy loses the mask of times and quantities on the way through a pickle.
        columns, meta = super().__getstate__()
        return {name: _Packed.of(item) for name, item in columns.items()}, meta

    def __setstate__(self, state: tuple[dict[str, Any], Any]) -> None:
        columns, meta = state
        super().__setstate__(({name: item.unpack() for name, item in columns.items()}, meta))

    def unhide_columns(self) -> "JSOCResponse":
        """
        Show all columns from now on.
        """
        # A slice shares its attributes with the table it comes from, which shall go on as it is.
        self.meta: Any = deepcopy(self.meta)
        return super().unhide_columns()

    @property
    def keyword_names(self) -> list[str]:
        """
        Names of the columns that are keywords of the series.
        """
        hidden = {RECORD, RECNUM, QUESTION, ONLINE, SIZE}
        for question in self.questions or ():
            hidden |= set(question.segments)
        return [name for name in self.colnames if name not in hidden]


@dataclass(frozen=True, slots=True)
class _Packed:
    """
    A column that can be pickled: its values and, apart from them, its mask.
    """

    values: Any
    mask: np.ndarray | None

    @classmethod
    def of(cls, item: Any) -> "_Packed":
        if isinstance(item, Masked | Time) and np.any(item.mask):
            return cls(item.unmasked, np.array(item.mask))
        return cls(item, None)

    def unpack(self) -> Any:
        if self.mask is None:
            return self.values
        if isinstance(self.values, Time):
            self.values[self.mask] = np.ma.masked
            return self.values
        return Masked(self.values, mask=self.mask)


def shown(table: QTable, series: Series, query: Query) -> list[str]:
    """
    Names of the columns to show unless asked otherwise.

    They are those of sunpy's guide, led by the prime keys of a series that has no ``T_REC``, and what was asked for
    by name.
    """
    if query.keys:
        return [name for name in table.colnames if name in {*query.keys, *series.prime_keys}]
    names = [name for name in SHOWN if name in table.colnames]
    if "T_REC" not in names:
        names = [*(key for key in series.prime_keys if key in table.colnames and key not in names), *names]
    return names


def as_response(results: Any) -> JSOCResponse:
    """
    The table of what a person may hold: a table, a row, or what Fido returned.

    Raises
    ------
    QueryError
        If it is no result of a search of this package.
    """
    if isinstance(results, QueryResponseRow):
        results = results.as_table()
    if isinstance(results, UnifiedResponse):
        results = list(results)
    if isinstance(results, list | tuple) and results and all(isinstance(item, JSOCResponse) for item in results):
        return stack(results)
    if not isinstance(results, JSOCResponse):
        raise QueryError(f"The result of a search, or rows of it, can be fetched; this is {type(results).__name__}.")
    return results


def stack(tables: Sequence[JSOCResponse]) -> JSOCResponse:
    """
    Put tables below each other, also those of different series.

    Where two series disagree about the type of a keyword, its column becomes text.

    Parameters
    ----------
    tables
        At least one.
    """
    filled = [table for table in tables if len(table)]
    if len(filled) < 2:
        return filled[0] if filled else tables[0]
    for name in {name for table in filled for name in table.colnames}:
        columns = [table[name] for table in filled if name in table.colnames]
        if len({_kind(item) for item in columns}) > 1:
            for table in filled:
                if name in table.colnames:
                    table[name] = _as_text(table[name])
    result: JSOCResponse = vstack(filled, metadata_conflicts="silent")
    for name in result.colnames:
        if isinstance(result[name], Time):
            # Before 8.0.2 astropy stacks missing times to real ones.
            missing = np.concatenate([_missing(table, name) for table in filled])
            if missing.any():
                result[name][missing] = np.ma.masked
    return result


def _missing(table: JSOCResponse, name: str) -> np.ndarray:
    if name not in table.colnames:
        return np.ones(len(table), bool)
    return np.broadcast_to(np.asarray(getattr(table[name], "mask", False)), len(table))


def _kind(item: Any) -> str:
    if isinstance(item, Time):
        return "time"
    unit = getattr(item, "unit", None)
    return f"unit {unit.physical_type}" if unit is not None else ("text" if item.dtype.kind in "US" else "number")


def _as_text(item: Any) -> Column:
    mask = np.broadcast_to(np.asarray(getattr(item, "mask", False)), len(item))
    texts = np.asarray([str(getattr(value, "value", value)) for value in item], dtype=str)
    return masked(texts, mask)
