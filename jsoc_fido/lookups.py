"""
What is looked up for a table, or read out of one: more keywords for its rows, and active regions by their patches.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from astropy.table import QTable

from jsoc_fido import subsets
from jsoc_fido.columns import ABSENT, column
from jsoc_fido.exceptions import QueryError
from jsoc_fido.files import Definitions, questions_of
from jsoc_fido.query import Question
from jsoc_fido.response import PSEUDO_KEYS, RECNUM, JSOCResponse
from jsoc_fido.series import Keyword
from jsoc_fido.site import site

__all__ = ["patches", "with_keywords"]

NUMBER = PSEUDO_KEYS[0]
MISSING = ABSENT[0]


def with_keywords(response: JSOCResponse, names: Sequence[str], definition: Definitions) -> JSOCResponse:
    """
    The rows of a table with more keywords, which are asked for these records only.

    Parameters
    ----------
    response
        The rows.
    names
        Names of keywords, in any case.
    definition
        Gives the definition of a question's series.

    Raises
    ------
    QueryError
        If the table does not say which records its rows are, or their series lack a keyword.
    TransportError
        If a site does not answer.
    """
    result = response[:]
    questions = questions_of(response) if len(response) else {}
    keywords = {question: _known(question, names, definition) for question in questions}
    kinds: dict[str, Keyword] = {}
    texts: dict[str, list[str]] = {}
    for question, rows in questions.items():
        numbers = response[RECNUM][rows].tolist()
        for keyword, values in zip(keywords[question], _values(question, keywords[question], numbers), strict=True):
            kinds.setdefault(keyword.name, keyword)
            listed = texts.setdefault(keyword.name, [MISSING] * len(response))
            for row, number in zip(rows.tolist(), numbers, strict=True):
                listed[row] = values.get(number, MISSING)
    for name, listed in texts.items():
        result[name] = column(listed, kinds[name])
    result.show_also(*texts)
    return result


def _known(question: Question, names: Sequence[str], definition: Definitions) -> list[Keyword]:
    series = definition(question)
    found = {name: series.keyword(name) for name in names}
    unknown = [name for name, keyword in found.items() if keyword is None]
    if unknown:
        raise QueryError(f"Keyword: {unknown[0]!r} is not supported by series: {series.name}")
    return list({keyword.name: keyword for keyword in found.values() if keyword is not None}.values())


def _values(question: Question, keywords: Sequence[Keyword], numbers: Iterable[int]) -> list[dict[int, str]]:
    """
    Values of each keyword, as the site prints them, by the number of the record.
    """
    found: list[dict[int, str]] = [{} for _ in keywords]
    for part in subsets.by_numbers(question.series, numbers):
        keys = (*(keyword.name for keyword in keywords), NUMBER)
        reply = site(question.site).records(str(part), keys=keys, segments=())
        columns = {item["name"]: item["values"] for item in reply.get("keywords", ())}
        for keyword, values in zip(keywords, found, strict=True):
            values.update(zip(map(int, columns.get(NUMBER, ())), columns.get(keyword.name, ()), strict=True))
    return found


def patches(records: JSOCResponse, noaa: int | None = None) -> QTable:
    """
    The active region patches among records, and the NOAA regions that they contain.

    Parameters
    ----------
    records
        Records of a series of patches, those of each patch in the order of time.
    noaa
        Number of an active region; then only the patches that contain it.
    """
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(records["HARPNUM"].tolist() if len(records) else ()):
        rows.setdefault(number, []).append(row)
    regions = {number: _regions(records["NOAA_ARS"][mine]) for number, mine in rows.items()}
    wanted = [number for number, inside in regions.items() if noaa is None or noaa in inside]
    table = QTable()
    table["HARPNUM"] = np.array(wanted, dtype=int)
    table["NOAA_ARS"] = np.array([",".join(map(str, regions[number])) for number in wanted], dtype=str)
    for name, place in (("First", 0), ("Last", -1)):
        table[name] = records["T_REC"][[rows[number][place] for number in wanted]] if wanted else []
    return table


def _regions(texts: Iterable[Any]) -> list[int]:
    """
    Numbers in values of ``NOAA_ARS``, which hold lists as text.
    """
    numbers = (int(digits) for text in texts for digits in re.findall(r"\d+", str(text)))
    return sorted({number for number in numbers if number})
