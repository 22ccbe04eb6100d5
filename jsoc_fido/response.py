"""
The answer to a search: a typed table whose rows know their records.

A site prints all values as text (contract B.5). Here they get the types of the series' definition: numbers as numbers
with units, times as `~astropy.time.Time` that print as JSOC prints them, missing values masked. What a fetch needs to
know of a row travels in columns that are not shown, so that it survives slices, sorts and stacks.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import astropy.table
import astropy.units as u
import numpy as np
from astropy.table import Column, MaskedColumn, QTable, TableAttribute
from astropy.time import Time
from astropy.utils.masked import Masked
from sunpy.net.base_client import QueryResponseRow, QueryResponseTable
from sunpy.net.fido_factory import UnifiedResponse

from jsoc_fido import saved, times
from jsoc_fido.columns import column, masked, sizes
from jsoc_fido.conditions import Condition, all_of
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.matching import matches
from jsoc_fido.query import Question
from jsoc_fido.series import Series

__all__ = ["ONLINE", "QUESTION", "RECNUM", "RECORD", "SIZE", "JSOCResponse", "as_response", "path_column", "vstack"]

#: Columns that say which record a row is; not shown unless asked for.
RECORD, RECNUM, QUESTION, ONLINE, SIZE = "Record", "Recnum", "Question", "Online", "Size"

#: Pseudo keys that a search asks for besides keywords (contract B.5).
PSEUDO_KEYS = ("*recnum*", "*online*", "*size*")

#: Paths that are no paths (contract B.5, G.18).
NO_FILE = frozenset({"NoDataDirectory", "NoDataFile", "InvalidSegName", "BadSegLink", "NA", ""})

#: Columns that sunpy's guide shows.
SHOWN = ("T_REC", "TELESCOP", "INSTRUME", "WAVELNTH", "CAR_ROT")


class JSOCResponse(QueryResponseTable):
    """
    Records of a DRMS site.

    Columns are the keywords of the series. ``show()`` shows them all, ``show("T_REC", "EXPTIME")`` some of them.
    ``meta["record_sets"]`` has the record sets that were asked, and when; ``meta["processing"]`` what the site shall do
    with their files.

    Attributes
    ----------
    questions
        What was asked (`~jsoc_fido.query.Question`), one for each OR branch.
    requests
        Staged requests that were made for this table.
    """

    questions = TableAttribute(default=())
    requests = TableAttribute(default=())
    size_column = SIZE

    #: Makes the client of a table that is read; `jsoc_fido.client`, which knows this module, puts its class here.
    make_client: ClassVar[Callable[[], Any]]

    @classmethod
    def from_reply(
        cls,
        reply: Mapping[str, Any],
        series: Series,
        question: Question,
        client: Any = None,
        *,
        keys: Sequence[str] = (),
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
        keys
            Names of the keywords that were asked for; empty for all.
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
        online = np.asarray(pseudo.get("*online*", ["NA"] * count))
        table[ONLINE] = MaskedColumn(online == "Y", mask=~np.isin(online, ("Y", "N")))
        table[SIZE] = sizes(pseudo.get("*size*", ["NA"] * count))
        for item in reply.get("segments", ()):
            # Segments that no record has are cut short (contract B.5).
            paths = item["values"] if len(item["values"]) == count else [""] * count
            name = item["name"] if item["name"] not in table.colnames else _beside(item["name"])
            table[name] = MaskedColumn(paths, mask=[path in NO_FILE for path in paths])
        table[QUESTION] = [question.key] * count
        table.questions = (question,)
        # Dictionaries, because these are what tables merge without repeating, when they are stacked.
        table.display_keys = dict.fromkeys(shown(table, series, keys))
        table.meta["record_sets"] = {question.record_set: question.asked}
        if question.steps:
            table.meta["processing"] = {question.record_set: " | ".join(map(str, question.steps))}
        return table

    @classmethod
    def read(cls, path: str | Path | BinaryIO, client: Any = None) -> "JSOCResponse":
        """
        Read a result that was saved with ``response.write("saved.ecsv")``; its rows can be fetched.

        Parameters
        ----------
        path
            The file, in the format ECSV, or one that is open.
        client
            The client that shall fetch the files; by default a new one.

        Raises
        ------
        DataError
            If the file is no saved result.
        """
        try:
            plain = QTable.read(path, format="ascii.ecsv")
        except OSError:
            raise
        except Exception as err:
            # astropy's reader lets through whatever its parsers of YAML, JSON and numbers raise.
            raise DataError(f"{path} is no table in the format ECSV, or was changed by hand: {err}") from err
        asked = saved.questions(plain.meta)
        lost = [name for name in (RECNUM, QUESTION) if name not in plain.colnames]
        if lost or plain[RECNUM].dtype.kind != "i":
            raise DataError(f"{path} does not say which records its rows are: {lost or RECNUM} is not as it was saved.")
        unknown = sorted(set(plain[QUESTION].tolist()) - set(asked))
        if unknown:
            raise DataError(f"{path} has rows of a search that it does not describe: {unknown[0]!r} as {QUESTION}.")
        for name in plain.colnames:
            if type(plain[name]) is Column and name not in (RECORD, RECNUM, QUESTION):
                # As a search makes them, so that the two can be stacked.
                plain[name] = masked(np.asarray(plain[name]), np.zeros(len(plain), dtype=bool))
        table = cls(plain, client=cls.make_client() if client is None else client)
        table[QUESTION] = [asked[key].key for key in plain[QUESTION].tolist()]
        table.questions = tuple(asked.values())
        table.display_keys = saved.display_keys(plain.meta, plain)
        del table.meta[saved.META]
        return table

    def write(self, *args: Any, **kwargs: Any) -> None:
        """
        Write the table; in the format ECSV it can be read back with `read` and fetched.

        Arguments are those of `astropy.table.Table.write`. E-mail addresses are not written.
        """
        plain = QTable([_in_full(self[name]) for name in self.colnames], names=self.colnames, copy=False)
        plain.meta = {name: value for name, value in self.meta.items() if name != "__attributes__"}
        plain.meta[saved.META] = saved.pack(self.questions or (), self._shown_names)
        plain.write(*args, **kwargs)

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

    def show_in_notebook(self, **kwargs: Any) -> Any:
        """
        Show an interactive table of the columns that are shown otherwise, with the times as the site prints them.

        Parameters
        ----------
        **kwargs
            As for `astropy.table.Table.show_in_notebook`.
        """
        shown = self._display_table
        times = {name: shown[name] for name in shown.colnames if isinstance(shown[name], Time)}
        plain = QTable([times[name].value if name in times else shown[name] for name in shown.colnames],
                       names=shown.colnames)  # fmt: skip
        return plain.show_in_notebook(**kwargs)

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

    def show_also(self, *names: str) -> None:
        """
        Show more columns from now on.
        """
        # A slice shares its attributes with the table it comes from, which shall go on as it is.
        self.meta = deepcopy(self.meta)
        if isinstance(self.display_keys, Mapping):
            self.display_keys: Any = dict.fromkeys([*self.display_keys, *names])

    def where(self, *tests: Any) -> "JSOCResponse":
        """
        Choose the rows for which tests of keywords hold, by the words that a search takes.

        Times and real numbers are in the table as the site printed them, which may be with fewer digits than it has: of
        these, a range selects what the site selects, and equality may not.

        Parameters
        ----------
        *tests
            Such as ``a.jsoc.Keyword("EXPTIME") < 2 * u.s``; all must hold. They select what the site would select; in
            a table, keywords that the database cannot be asked about can be tested too.

        Raises
        ------
        QueryError
            If something else is given, or a keyword is not in the table.
        """
        if not tests:
            raise QueryError("where() takes tests, such as a.jsoc.Keyword('QUALITY') == 0.")
        found: list[Condition] = []
        for test in tests:
            condition = getattr(test, "condition", None)
            if not isinstance(condition, Condition):
                raise QueryError(f"where() takes tests, such as a.jsoc.Keyword('QUALITY') == 0, not {test!r}.")
            found.append(condition)
        chosen: JSOCResponse = self[matches(all_of(*found), self)] if len(self) else self
        return chosen

    @property
    def is_good(self) -> np.ndarray:
        """
        Which rows have a ``QUALITY`` with no bit set: ``response[response.is_good]``; shape ``(rows,)``.

        A row whose ``QUALITY`` is missing is not good. To search for good data only, ask with
        ``a.jsoc.Keyword("QUALITY") == 0``.

        Raises
        ------
        QueryError
            If the table has no ``QUALITY``.
        """
        words = self._words("QUALITY")
        return np.ma.filled(words == 0, fill_value=False)

    def bits(self, name: str = "QUALITY") -> np.ndarray:
        """
        Bits of a status word; a missing word has none set.

        Parameters
        ----------
        name
            Name of a column of integers.

        Returns
        -------
        numpy.ndarray
            Booleans, shape ``(rows, bits of the word)``, the lowest bit first: ``response.bits()[:, 31]`` is true where
            there is no image (contract A.10).

        Raises
        ------
        QueryError
            If there is no such column, or if it does not hold integers.
        """
        words = self._words(name)
        numbers = np.ma.filled(words, 0)
        return (numbers[:, np.newaxis] >> np.arange(8 * numbers.dtype.itemsize, dtype=numbers.dtype)) & 1 == 1

    def _words(self, name: str) -> np.ma.MaskedArray:
        if name not in self.colnames or self[name].dtype.kind not in "iu":
            kind = "is not in the table" if name not in self.colnames else f"holds {self[name].dtype}, no integers"
            raise QueryError(f"{name} {kind}; a status word is wanted, such as QUALITY.")
        return np.ma.asarray(self[name])

    @property
    def _shown_names(self) -> list[str]:
        return list(self.display_keys) if isinstance(self.display_keys, Mapping) else list(self.colnames)

    @property
    def keyword_names(self) -> list[str]:
        """
        Names of the columns that are keywords of the series.
        """
        hidden = {RECORD, RECNUM, QUESTION, ONLINE, SIZE}
        for question in self.questions or ():
            hidden |= {path_column(self, segment) for segment in question.segments}
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


def _in_full(item: Any) -> Any:
    """
    A column that prints all its digits. The decimals of times are one number for the column, also after a stack.
    """
    if not isinstance(item, Time):
        return item
    seconds = np.ma.filled(np.ma.masked_invalid(times.from_astropy(item)), 0.0)
    decimals = (
        number for number in range(item.precision, 9) if np.abs(seconds - seconds.round(number)).max(initial=0) < 1e-6
    )
    full = item.copy()
    full.precision = next(decimals, 9)
    return full


def path_column(table: QTable, segment: str) -> str:
    """
    Name of the column with the paths of a segment: the segment's own, unless a keyword has that name too.
    """
    return _beside(segment) if _beside(segment) in table.colnames else segment


def _beside(segment: str) -> str:
    return f"{segment}_path"


def shown(table: QTable, series: Series, keys: Sequence[str] = ()) -> list[str]:
    """
    Names of the columns to show unless asked otherwise.

    They are those of sunpy's guide, led by the prime keys of a series that has no ``T_REC``, and what was asked for
    by name.
    """
    if keys:
        return [name for name in table.colnames if name in {*keys, *series.prime_keys}]
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
        return vstack(results)
    if not isinstance(results, JSOCResponse):
        raise QueryError(f"The result of a search, or rows of it, can be fetched; this is {type(results).__name__}.")
    return results


def vstack(tables: Sequence[JSOCResponse]) -> JSOCResponse:
    """
    Put tables below each other, also those of different series.

    This is `astropy.table.vstack` for results of searches, which alone refuses columns whose units or types differ.
    Where two series disagree about a keyword so, its column becomes text.

    Parameters
    ----------
    tables
        At least one.
    """
    filled = [table for table in tables if len(table)]
    if len(filled) < 2:
        return filled[0] if filled else tables[0]
    # Other tables with the same columns: those that were given stay as they are.
    filled = [table[:] for table in filled]
    for name in {name for table in filled for name in table.colnames}:
        columns = [table[name] for table in filled if name in table.colnames]
        if len({_kind(item) for item in columns}) > 1:
            for table in filled:
                if name in table.colnames:
                    table[name] = _as_text(table[name])
    result: JSOCResponse = astropy.table.vstack(filled, metadata_conflicts="silent")
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
