"""
Of several processes that serve the same folder, one takes up what was left unfinished.
"""

from pathlib import Path
from types import ModuleType
from typing import IO

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # where there are no such locks, one process has to serve a folder alone
    fcntl = None

__all__ = ["Turnstile"]


class Turnstile:
    """
    Lets one in. The lock goes with the process that has it, however that ends.

    Parameters
    ----------
    path
        The file that is locked; it is made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def enter(self) -> bool:
        """
        Try to get in.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a", encoding="utf-8")
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
        self._file = file
        return True

    def leave(self) -> None:
        """
        Let the next one in.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
