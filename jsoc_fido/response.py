"""
The answer to a search: a typed table whose rows know their records.

A site prints all values as text (contract B.5). Here they get the types of the series' definition: numbers as numbers
with units, times as `~astropy.time.Time` that print as JSOC prints them, missing values masked. What a fetch needs to
know of a row travels in columns that are not shown, so that it survives slices, sorts and stacks.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, QTable, TableAttribute, vstack
from astropy.time import Time
from astropy.utils.masked import Masked
from sunpy.net.base_client import QueryResponseRow, QueryResponseTable
from sunpy.net.fido_factory import UnifiedResponse

from jsoc_fido import times
from jsoc_fido.exceptions import QueryError
from jsoc_fido.query import Query
from jsoc_fido.series import Keyword, Series

__all__ = ["ONLINE", "QUESTION", "RECNUM", "RECORD", "SIZE", "JSOCResponse", "Question", "as_response", "stack"]

#: Columns that say which record a row is; not shown unless asked for.
RECORD, RECNUM, QUESTION, ONLINE, SIZE = "Record", "Recnum", "Question", "Online", "Size"

#: Pseudo keys that a search asks for besides keywords (contract B.5).
PSEUDO_KEYS = ("*recnum*", "*online*", "*size*")

#: What a site prints for a value that is not there (contract B.5).
ABSENT = ("MISSING", "Invalid KeyLink")

#: Paths that are no paths (contract B.5, G.18).
NO_FILE = frozenset({"NoDataDirectory", "InvalidSegName", "BadSegLink", "NA", ""})

#: Columns that sunpy's guide shows.
SHOWN = ("T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT")

#: How DRMS series spell units that astropy spells otherwise.
UNIT_NAMES = {
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "mins": "min",
    "minutes": "min",
    "days": "d",
    "hours": "h",
    "degree": "deg",
    "degrees": "deg",
    "degree/day": "deg / d",
    "deg/day": "deg / d",
    "meter": "m",
    "meters": "m",
    "gauss": "G",
    "pixels": "pix",
    "angstroms": "Angstrom",
    "cmsq": "cm2",
    "maxwell": "Mx",
    "milliangstrom": "mAngstrom",
}

#: Units that astropy would read as something else than the series means, or that say there is none.
NO_UNITS = frozenset({"", "none", "na", "n/a", "d/s", "unitless", "dimensionless", "string", "bits", "count", "number"})

INTEGERS = {"char": np.int8, "short": np.int16, "int": np.int32, "longlong": np.int64}


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


def column(values: Sequence[str], keyword: Keyword | None) -> Column | u.Quantity | Time:
    """
    Values of a keyword as a site prints them, with the type and unit of its definition.

    Parameters
    ----------
    values
        Texts, shape ``(records,)``.
    keyword
        Definition of the keyword; without it the texts stay texts.
    """
    kind = keyword.type if keyword else "string"
    if keyword and kind == "time" and unit_of(keyword.units) is None:
        return time_column(values, keyword)
    if keyword and kind in INTEGERS:
        return integers(values, keyword)
    if keyword and kind in {"float", "double", "time"}:
        return reals(values, keyword)
    texts = np.asarray(values, dtype=str)
    return _masked(texts, _absent(texts))


def time_column(values: Sequence[str], keyword: Keyword) -> Time:
    """
    Times, in the keyword's own zone and with the decimals that the site printed.
    """
    seconds = times.parse_many(values)
    result = times.to_astropy(seconds, keyword.units)
    result.precision = max((_decimals(value) for value in values if value not in ABSENT), default=0)
    return result


def integers(values: Sequence[str], keyword: Keyword) -> Column:
    """
    Integers; words printed in hexadecimal, such as ``QUALITY``, are unsigned, so that their bits can be tested.
    """
    dtype = np.dtype(INTEGERS[keyword.type])
    texts = np.asarray(values, dtype=str)
    absent = _absent(texts)
    hexadecimal = np.char.startswith(texts, "0x")
    if hexadecimal.any() or keyword.default.startswith("0x"):
        dtype = np.dtype(f"u{dtype.name}")
    try:
        if hexadecimal.any():
            numbers = np.array([0 if gone else int(text, 0) for text, gone in zip(texts, absent, strict=True)])
        else:
            numbers = np.where(absent, "0", texts).astype(np.int64)
        return _masked(numbers.astype(dtype), absent)
    except (ValueError, OverflowError):
        # A site that prints an integer in some other way: the text is worth more than an error.
        return _masked(texts, absent)


def reals(values: Sequence[str], keyword: Keyword) -> Column | u.Quantity:
    """
    Real numbers, with the keyword's unit where that is one.
    """
    dtype = np.float32 if keyword.type == "float" else np.float64
    texts = np.asarray(values, dtype=str)
    absent = _absent(texts)
    try:
        numbers = np.where(absent, "nan", texts).astype(np.float64).astype(dtype)
    except ValueError:
        return _masked(texts, absent)
    unit = unit_of(keyword.units)
    if unit is None:
        return _masked(numbers, absent)
    return u.Quantity(Masked(numbers, mask=absent) if absent.any() else numbers, unit, dtype=dtype)


def sizes(values: Iterable[str]) -> u.Quantity:
    """
    Bytes on disk; NaN where the site cannot tell.

    The site's sum begins at -1 (contract B.5), hence the byte that is added.
    """
    return u.Quantity([float(value) + 1 if str(value).lstrip("-").isdigit() else np.nan for value in values], u.byte)


@cache
def unit_of(text: str) -> u.UnitBase | None:
    """
    The unit that a series names, or `None` if it names none.

    Examples
    --------
    >>> from jsoc_fido.response import unit_of
    >>> unit_of("arcsec"), unit_of("degrees"), unit_of("TAI"), unit_of("none")
    (Unit("arcsec"), Unit("deg"), None, None)
    """
    name = text.strip()
    if name.lower() in NO_UNITS or name.upper() in {"TAI", "UTC", "UT", "ISO", "TT", "TDT", "GPS"}:
        return None
    unit = u.Unit(UNIT_NAMES.get(name.lower(), name), parse_strict="silent")
    return None if isinstance(unit, u.UnrecognizedUnit) else unit


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
    return _masked(texts, mask)


def _absent(texts: np.ndarray) -> np.ndarray:
    return np.isin(texts, ABSENT)


def _masked(values: np.ndarray, absent: np.ndarray) -> Column:
    # Also where nothing is missing: astropy does not stack masked columns on others.
    return MaskedColumn(values, mask=absent)


def _decimals(text: str) -> int:
    # '2013-12-31T23:59:39.20Z' has two; the dots of a dotted date stand before the first colon.
    _, _, tail = text.rpartition(":")
    fraction = tail.partition(".")[2]
    return len(fraction) - len(fraction.lstrip("0123456789"))
