"""
From a finished request to files on disk: names, folders, and a downloader that is polite.

Names come from the server and values from the database; neither may lead out of the folder the user chose.
"""

import asyncio
import logging
import os
import re
import signal
import string
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from weakref import WeakSet

import astropy.units as u
import drms
import numpy as np
import parfive
from astropy.time import Time

from jsoc_fido.config import download_folder
from jsoc_fido.exceptions import DataError, QueryError
from jsoc_fido.response import QUESTION, RECORD, JSOCResponse
from jsoc_fido.site import Limits

__all__ = ["RemoteFile", "be_polite", "enqueue", "remote_files", "targets"]

log = logging.getLogger(__name__)

#: Bytes read at once. parfive's own 1 KiB costs more time than the network (users.md, introduction).
CHUNK = 1024 * 1024

#: What parfive catches.
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_RECORD = re.compile(r"^\s*(?P<series>[\w.]+)(?P<filters>(?:\[[^\]]*\])*)(?:\{(?P<segment>[^}]*)\})?\s*$")
_TIME = re.compile(r"^\d{4}[.-]\d\d[.-]\d\d[_T]\d\d:\d\d")
_UNSAFE = re.compile(r"[^\w.+=@,()-]+")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """
    A file to download: where it is, what it shall be called, and the record it belongs to.
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
    if request.method == "url_quick":
        # The paths are those of the site's storage, where many files have the same name.
        return [
            RemoteFile(row.url, _name_of_record(row.record, row.filename), row.record)
            for row in request.urls.itertuples()
        ]
    return [RemoteFile(row.url, safe_name(row.filename), row.record or "") for row in request.urls.itertuples()]


def targets(files: Sequence[RemoteFile], path: str | Path | None, response: JSOCResponse | None = None) -> list[Path]:
    """
    Say where each file goes.

    Parameters
    ----------
    files
        What will be downloaded.
    path
        A folder, or a template in which ``{file}`` is the name of the file and any column of the table, such as
        ``{T_REC}`` or ``{wavelnth}``, the value of its row. Without it, sunpy's download folder.
    response
        The rows that the files belong to; without it ``{file}`` is the only name.

    Raises
    ------
    QueryError
        If the template names what is not there.
    DataError
        If two files would get the same path.
    """
    template = str(path if path is not None else download_folder())
    if "{file}" not in template:
        template = str(Path(template) / "{file}")
    rows = _rows(response) if response is not None else {}
    result = [Path(_fill(template, file, rows.get(_key(file.record), {}))).expanduser() for file in files]
    _check_distinct(files, result)
    return result


def be_polite(downloader: parfive.Downloader, limits: Limits) -> None:
    """
    Hold a downloader, whoever made it, to what a site allows, and let it give Ctrl-C back to Python when it is done.
    """
    # Fido makes one with five connections and five splits for clients that it does not know.
    downloader.config.max_conn = min(downloader.config.max_conn, limits.connections)
    if downloader not in _tidied:
        _tidied.add(downloader)
        _tidy(downloader)


#: Downloaders that already clean up behind them.
_tidied: WeakSet[parfive.Downloader] = WeakSet()


def _tidy(downloader: parfive.Downloader) -> None:
    """
    Let a downloader close its event loop and give the signals back.

    parfive makes a loop for each download, lets it catch Ctrl-C, and leaves both so; Ctrl-C would then reach nobody.
    """
    download, run_download = downloader.download, downloader.run_download
    loops: list[asyncio.AbstractEventLoop] = []

    async def run_and_tell() -> parfive.Results:
        loops.append(asyncio.get_running_loop())
        return await run_download()

    def download_and_tidy() -> parfive.Results:
        catches = threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in SIGNALS} if catches else {}
        try:
            return download()
        finally:
            for loop in loops:
                for number in before if os.name != "nt" else ():
                    loop.remove_signal_handler(number)
                loop.close()
            loops.clear()
            for number, handler in before.items():
                signal.signal(number, handler)

    downloader.run_download, downloader.download = run_and_tell, download_and_tidy


def enqueue(downloader: parfive.Downloader, files: Sequence[RemoteFile], paths: Sequence[Path]) -> None:
    """
    Put files into a downloader, each in one piece.
    """
    for file, path in zip(files, paths, strict=True):
        downloader.enqueue_file(file.url, path=path.parent, filename=path.name, max_splits=1, chunksize=CHUNK)


def safe_name(name: str) -> str:
    """
    The last part of a name that a server gave, if that is a file name.

    Raises
    ------
    DataError
        If it is none.

    Examples
    --------
    >>> from jsoc_fido.download import safe_name
    >>> safe_name("/SUM1/D2/S00000/image_lev1.fits"), safe_name("../../.bashrc")
    ('image_lev1.fits', 'bashrc')
    """
    # A leading dot would hide the file; control characters and backslashes are paths on some systems.
    last = _UNSAFE.sub("_", PurePosixPath(name.replace("\\", "/")).name).lstrip(".")
    if not last:
        raise DataError(f"The site offers a file called {name!r}, which is no file name; nothing was downloaded.")
    return last


def _name_of_record(record: str, filename: str) -> str:
    match = _RECORD.match(record or "")
    if match is None:
        return safe_name(filename)
    values = [_file_text(value) for value in re.findall(r"\[([^\]]*)\]", match["filters"])]
    segment = match["segment"] or PurePosixPath(filename).stem
    parts = [match["series"].lower(), *values, segment]
    return safe_name(".".join(part for part in parts if part) + PurePosixPath(filename).suffix)


def _file_text(value: str) -> str:
    """
    A value as it stands in file names: times without dots and colons (contract D.1, layout ``A``).
    """
    if _TIME.match(value):
        value = value.replace(".", "").replace(":", "")
    return _UNSAFE.sub("_", value)


def _key(record: str) -> tuple[str, ...]:
    match = _RECORD.match(record or "")
    return tuple(re.findall(r"\[([^\]]*)\]", match["filters"])) if match else ()


class _Rows(dict[tuple[str, ...], Mapping[str, Any]]):
    """
    Rows by the values of their prime keys. A processed record has the request's identifier besides (contract D.2).
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key) or super().get(key[:-1], default)


def _rows(response: JSOCResponse) -> _Rows:
    if RECORD not in response.colnames:
        return _Rows()
    result = _Rows()
    for row in response:
        # `path_format_keys` gives names in lower case; people write them as the table does.
        values = {name: row[name] for name in response.colnames if name != QUESTION}
        result[_key(str(row[RECORD]))] = {**row.response_block_map, **values}
    return result


class _Formatter(string.Formatter):
    """
    ``str.format`` for paths: no value may bring a folder of its own.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        if np.all(getattr(value, "mask", value is np.ma.masked)):
            text = "MISSING"
        elif isinstance(value, Time):
            if format_spec:
                # What stands in the text comes from the template, and so from the user: %Y/%m makes two folders.
                return str(value.strftime(format_spec))
            text = _file_text(str(value.value))
        elif isinstance(value, u.Quantity):
            text = format(value.value, format_spec or ".12g")
        else:
            text = format(value, format_spec)
        return _UNSAFE.sub("_", text).replace("..", "_")


def _fill(template: str, file: RemoteFile, row: Mapping[str, Any]) -> str:
    suffix = PurePosixPath(file.name).suffix
    if suffix and template.endswith("{file}" + suffix):
        template = template.removesuffix(suffix)
    try:
        return _Formatter().vformat(template, (), {**row, "file": file.name})
    except (KeyError, IndexError) as err:
        names = ", ".join(sorted(name for name in row if name.isidentifier())[:12]) or "nothing else, without the table"
        raise QueryError(f"The path {template!r} asks for {err}; there is {{file}} and {names}.") from err
    except (ValueError, AttributeError, TypeError) as err:
        raise QueryError(f"The path {template!r} cannot be filled: {err}.") from err


def _check_distinct(files: Sequence[RemoteFile], paths: Sequence[Path]) -> None:
    seen: dict[Path, RemoteFile] = {}
    for file, path in zip(files, paths, strict=True):
        other = seen.setdefault(path, file)
        if other.url != file.url:
            raise DataError(
                f"Two files would both be {path}: {other.record} and {file.record}. "
                "Put {file}, or a column that tells them apart, into the path."
            )
