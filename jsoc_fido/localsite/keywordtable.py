"""
Keywords as a FITS table, a row for each record: what an export gives of a series without segments (contract E.1).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from jsoc_fido import headers
from jsoc_fido.localsite.keywords import Keywords
from jsoc_fido.localsite.table import Table
from jsoc_fido.series import Keyword

__all__ = ["KeywordTable"]

#: Cards that every record has (contract E.4), as keywords.
ADDED = (
    Keyword("RECNUM", "longlong"),
    Keyword("DRMS_ID", "string"),
    Keyword("PRIMARYK", "string"),
    Keyword("LICENSE", "string"),
)

#: Stands for a missing integer, which has no card, and no number in a table.
MISSING = np.iinfo(np.int64).min


class KeywordTable:
    """
    Collects the keywords of records. A column is named, and has values, as the card would in the header of a file.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, Keyword] = {}
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, table: Table, recnums: Sequence[int], keywords: Keywords) -> None:
        """
        Add records.

        Parameters
        ----------
        table
            The records, which have been read.
        recnums
            Their numbers.
        keywords
            Their keywords.

        Raises
        ------
        DataError
            If a value is of another type than its keyword.
        """
        if not self._kinds:
            self._kinds = _cards(keywords)
        rows = [keywords.header(place, None, recnum) for place, recnum in zip(range(table.count), recnums, strict=True)]
        for card, keyword in self._kinds.items():
            values = [_value(row, card) for row in rows]
            self._parts.setdefault(card, []).append(_array(keyword, values))

    def write(self, path: Path) -> None:
        """
        Write the table.
        """
        columns = [_column(card, keyword, np.concatenate(self._parts[card])) for card, keyword in self._kinds.items()]
        fits.BinTableHDU.from_columns(columns).writeto(path)


def _cards(keywords: Keywords) -> dict[str, Keyword]:
    """
    The cards of a record; of two keywords with the same, the later one has it.
    """
    cards: dict[str, Keyword] = {}
    for keyword in keywords.series.keywords.values():
        card = headers.card_name(keyword)
        if card is not None and keyword.type != "link" and not keywords.series.is_alias(keyword.name):
            cards[card] = keyword
    return cards | {keyword.name: keyword for keyword in ADDED}


def _value(row: fits.Header, card: str) -> object:
    if card not in row:
        return None
    value = row[card]
    if isinstance(value, fits.card.Undefined):
        return None
    return " ".join(str(value).split("\n")) if card in headers.TEXT else value


def _array(keyword: Keyword, values: Sequence[object]) -> np.ndarray:
    if keyword.is_integer or keyword.type == "char":
        return np.array([MISSING if value is None else value for value in values], dtype=np.int64)
    if keyword.is_real:
        return np.array([np.nan if value is None else value for value in values], dtype=float)
    return np.array(["" if value is None else str(value) for value in values], dtype=str)


def _column(card: str, keyword: Keyword, values: np.ndarray) -> fits.Column:
    has_unit = not keyword.is_time and keyword.units not in {"", "none"}
    # FITS has no degree signs and the like.
    unit = keyword.units.encode("ascii", "replace").decode() if has_unit else None
    if values.dtype.kind == "i":
        return fits.Column(card, "K", unit=unit, null=int(MISSING) if (values == MISSING).any() else None, array=values)
    if values.dtype.kind == "f":
        return fits.Column(card, "D", unit=unit, array=values)
    return fits.Column(card, f"{max(values.dtype.itemsize // 4, 1)}A", unit=unit, array=values)
