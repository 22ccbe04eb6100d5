"""
The files of the rows of a table: which there are, where they lie, and what they are called.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from jsoc_fido import names
from jsoc_fido.config import download_folder
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.query import Question
from jsoc_fido.response import ONLINE, QUESTION, RECNUM, RECORD, SIZE, JSOCResponse, path_column
from jsoc_fido.series import Series

__all__ = [
    "Definitions",
    "Identity",
    "SegmentFile",
    "State",
    "files_of",
    "needed",
    "path_columns",
    "questions_of",
    "targets",
]

#: Site, series, record number, segment, and what is made of the stored file: files with the same are one.
Identity: TypeAlias = tuple[str, str, int, str, str]

#: Where the definition of a question's series comes from.
Definitions = Callable[[Question], Series]


class State(StrEnum):
    """
    What the search told about a file.
    """

    ONLINE = "online"
    #: The storage of the record has to be brought back from tape.
    OFFLINE = "offline"
    #: The record has no such file.
    ABSENT = "absent"
    #: The column with its path is no longer in the table.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """
    The file of one segment of one record.

    Parameters
    ----------
    row
        Place of its row in the table.
    question
        What was asked for the row.
    recnum, record
        Number and canonical name of the record.
    segment
        Name of the segment.
    stored
        Path in the site's storage; empty unless it is online.
    name
        Name for the file on disk.
    state
        One of `State`.
    form
        What is made of the stored file (`jsoc_fido.names.form`); empty for the file itself with its full header.
    """

    row: int
    question: Question
    recnum: int
    record: str
    segment: str
    stored: str
    name: str
    state: State
    form: str = ""

    @property
    def identity(self) -> Identity:
        """
        Site, series, record number, segment and form; two files with the same are one.
        """
        return self.question.site, self.question.series, self.recnum, self.segment, self.form

    @property
    def label(self) -> str:
        """
        The record and the segment, as a person writes them.
        """
        return f"{self.record or f'{self.question.series}[:#{self.recnum}]'}{{{self.segment}}}"


def questions_of(response: JSOCResponse) -> dict[Question, np.ndarray]:
    """
    Places of the rows that came with each question, in the order of the table.

    Raises
    ------
    QueryError
        If the table does not say which records its rows are.
    """
    missing = [name for name in (RECNUM, QUESTION) if name not in response.colnames]
    questions = {question.key: question for question in response.questions or ()}
    if missing or not questions:
        raise QueryError(
            "This table does not say which records its rows are; fetch the result of the search, or rows of it, "
            "instead of a table made by show(), or of two results joined side by side."
        )
    keys = np.asarray(response[QUESTION])
    lost = np.asarray(getattr(response[QUESTION], "mask", False)) | np.asarray(getattr(response[RECNUM], "mask", False))
    unknown = [key for key in dict.fromkeys(keys.tolist()) if key not in questions]
    if np.any(lost) or unknown:
        raise QueryError(
            f"{int(np.sum(lost)) or int(np.isin(keys, unknown).sum())} rows of this table are of no search, so there "
            "is nothing to fetch for them; leave them out."
        )
    return {questions[key]: np.flatnonzero(keys == key) for key in dict.fromkeys(keys.tolist())}


def files_of(response: JSOCResponse, definition: Definitions) -> list[SegmentFile]:
    """
    List the files of the rows: in the order of the rows, and for each in the order of the segments.

    Parameters
    ----------
    response
        The rows.
    definition
        Gives the definition of a question's series.

    Raises
    ------
    QueryError
        If the table does not say which records its rows are.
    """
    found = [
        file
        for question, rows in questions_of(response).items()
        for file in _files(response, question, rows, definition)
    ]
    return sorted(found, key=lambda file: file.row)


def targets(files: Sequence[SegmentFile], path: str | Path | None, response: JSOCResponse) -> dict[Identity, Path]:
    """
    Say where each file goes.

    Parameters
    ----------
    files
        The files.
    path
        A folder, or a template in which ``{file}`` is the name of the file and any column of the table, such as
        ``{T_REC}`` or ``{wavelnth}``, the value of its row. Without it, sunpy's download folder.
    response
        The rows.

    Returns
    -------
    dict
        Paths by `SegmentFile.identity`.

    Raises
    ------
    QueryError
        If the template names what is not there.
    DataError
        If two files would get the same path.
    """
    template = names.template(download_folder() if path is None else path)
    result: dict[Identity, Path] = {}
    taken: dict[Path, SegmentFile] = {}
    known = path_columns(response)
    # Only what the template asks for: rows have hundreds of values.
    columns = {name: response[known[name]] for name in names.fields(template) if name in known}
    for file in files:
        if file.identity in result:
            continue
        values = {name: column[file.row] for name, column in columns.items()} | {"segment": file.segment}
        target = names.fill(template, names.with_form(file.name, file.form), values, known)
        other = taken.setdefault(target, file)
        if other is not file:
            raise DataError(
                f"Two files would both be {target}: {other.label} and {file.label}. "
                "Put {file}, or a column that tells them apart such as {recnum}, into the path."
            )
        result[file.identity] = target
    return result


def path_columns(response: JSOCResponse) -> dict[str, str]:
    """
    Columns by the names that a path may use: their own, and those in lower case of ``path_format_keys()``.
    """
    own = [name for name in response.colnames if name != QUESTION]
    return {re.sub(r"\W", "_", name).lower(): name for name in own} | {name: name for name in own}


def needed(response: JSOCResponse, path: str) -> JSOCResponse:
    """
    A table without the columns that a fetch into a path has no use for.
    """
    columns = path_columns(response)
    kept = {RECORD, RECNUM, QUESTION, ONLINE, SIZE}
    kept |= {path_column(response, segment) for question in response.questions for segment in question.segments}
    kept |= {columns[name] for name in names.fields(names.template(path)) if name in columns}
    return response[[name for name in response.colnames if name in kept]]


def _files(
    response: JSOCResponse, question: Question, rows: np.ndarray, definition: Definitions
) -> Iterator[SegmentFile]:
    series = definition(question)
    numbers = np.asarray(response[RECNUM])[rows].tolist()
    records = np.asarray(response[RECORD])[rows].tolist() if RECORD in response.colnames else [""] * len(rows)
    online = _column(response, ONLINE, rows)
    columns = [(segment, _column(response, path_column(response, segment), rows)) for segment in question.segments]
    for place, (row, number, record) in enumerate(zip(rows.tolist(), numbers, records, strict=True)):
        for segment, paths in columns:
            stored, state = "", State.UNKNOWN
            if paths is not None:
                stored = str(paths[place] or "")
                there = online is None or online[place]
                state = State.ONLINE if stored else State.OFFLINE if there is False else State.ABSENT
            last = stored.rpartition("/")[2] or _usual_name(series, segment)
            name = names.file_name(series, record or f"{series.name}[:#{number}]", last)
            yield SegmentFile(row, question, number, record, segment, stored, name, state)


def _column(response: JSOCResponse, name: str, rows: np.ndarray) -> list[Any] | None:
    """
    Values of a column, None where they are missing.
    """
    if name not in response.colnames:
        return None
    return np.ma.asarray(response[name])[rows].tolist()


def _usual_name(series: Series, segment: str) -> str:
    """
    Name under which a site usually stores a segment, for files whose path is not known.
    """
    known = series.segments.get(segment)
    return f"{segment}.fits" if known is None or known.protocol != "generic" else segment
