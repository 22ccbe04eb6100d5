"""
Files that are not whole yet: where they grow, and what becomes of those that nobody finished.
"""

import hashlib
import os
import platform
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

__all__ = ["Leftovers", "growing"]

#: This computer, in the names of files that grow.
_HOST = re.sub(r"[^A-Za-z0-9]", "", platform.node())

#: What grows in this process; several of its threads may want the same file.
_growing: set[Path] = set()
_lock = threading.Lock()


class Leftovers:
    """
    Beginnings of files that processes of this computer left which are no more.
    """

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, list[Path]]] = {}

    def of(self, folder: Path, stem: str) -> list[Path]:
        """
        Those whose names begin so. A folder is read once: it may have very many files.
        """
        if folder not in self._found:
            found: dict[str, list[Path]] = {}
            for path in folder.glob(f".*.{_HOST}-*.part"):
                begin, _, owner = path.name.removesuffix(".part").rpartition(f".{_HOST}-")
                process = owner.rpartition("-")[2]
                if process.isdigit() and not psutil.pid_exists(int(process)):
                    found.setdefault(f"{begin}.", []).append(path)
            self._found[folder] = found
        return self._found[folder].get(stem, [])


@contextmanager
def growing(path: Path, url: str, left: Leftovers) -> Iterator[Path]:
    """
    Where a file grows, hidden beside its place. What a process left that is no more is taken over.

    Parameters
    ----------
    path
        The place of the file; its folder is made.
    url
        Where the file comes from.
    left
        What may be taken over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another file at another address must not be taken for the beginning of this one.
    stem = f".{path.name}.{hashlib.blake2s(url.encode(), digest_size=4).hexdigest()}."
    # A process may have been forked since this module was imported.
    part = path.with_name(f"{stem}{_HOST}-{os.getpid()}.part")
    with _lock:
        if part in _growing:
            part = path.with_name(f"{stem}{_HOST}-{secrets.token_hex(4)}-{os.getpid()}.part")
        _growing.add(part)
    try:
        for beginning in left.of(path.parent, stem):
            with suppress(OSError):  # another process was faster
                beginning.replace(part)
        yield part
    finally:
        with _lock:
            _growing.discard(part)
