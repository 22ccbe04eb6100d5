"""
The files of a staged request that is finished: what they are called, and where they go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drms

from jsoc_fido import names
from jsoc_fido.config import download_folder
from jsoc_fido.exceptions import DataError
from jsoc_fido.exports import site_of
from jsoc_fido.series import Series
from jsoc_fido.steps import MOVIES, read_protocol

__all__ = ["RemoteFile", "remote_files", "targets"]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """
    A file of a staged request: where it is, what it shall be called, and the record it belongs to.
    """

    url: str
    name: str
    record: str


def remote_files(request: drms.ExportRequest) -> list[RemoteFile]:
    """
    List the files of a finished request.

    Parameters
    ----------
    request
        A finished request.

    Raises
    ------
    DataError
        If the site names a file in a way that is no file name.
    """
    rows = list(request.urls.itertuples())
    if read_protocol(str(request.protocol or ""))[0] in MOVIES:
        # The frames, which come after the movie (contract B.15), are there for the site's own use.
        rows = rows[:1]
    if request.method != "url_quick":
        return [RemoteFile(row.url, names.safe_name(row.filename), row.record or "") for row in rows]
    # The paths are those of the site's storage, where many files have the same name.
    return [RemoteFile(row.url, _name_of(row, site_of(request).definition), row.record) for row in rows]


def _name_of(row: Any, definition: Callable[[str], Series]) -> str:
    series = str(row.record or "").partition("[")[0].strip()
    return names.file_name(definition(series), row.record, row.filename) if series else names.safe_name(row.filename)


def targets(files: Sequence[RemoteFile], path: str | Path | None) -> list[Path]:
    """
    Say where each file goes.

    Parameters
    ----------
    files
        What will be downloaded.
    path
        A folder, or a template in which ``{file}`` is the name of the file. Without it, sunpy's download folder.

    Raises
    ------
    QueryError
        If the template has other names.
    DataError
        If two files would get the same path.
    """
    template = names.template(path if path is not None else download_folder())
    taken: dict[Path, RemoteFile] = {}
    result = []
    for file in files:
        target = names.fill(template, file.name, {})
        other = taken.setdefault(target, file)
        if other.url != file.url:
            raise DataError(
                f"Two files would both be {target}: {other.record} and {file.record}. Put {{file}} into the path."
            )
        result.append(target)
    return result
