"""
Whose turn it is, among all threads and processes of a person: locks that the system frees when a process ends.
"""

import getpass
import hashlib
import logging
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from jsoc_fido import config

__all__ = ["lock"]

log = logging.getLogger(__name__)


def lock(*words: object) -> FileLock:
    """
    A lock on something.

    Parameters
    ----------
    *words
        What it is on. They may hold an e-mail address: nobody can read it from the name of the lock's file.
    """
    name = hashlib.blake2s(repr(words).encode(), digest_size=12).hexdigest()
    return FileLock(_folder(config.state_folder()) / f"{name}.lock", thread_local=False)


@cache
def _folder(state: Path) -> Path:
    """
    The folder of the locks: in the user's state directory, or, where that cannot be written, in the temporary one.
    """
    folder = state / "queues"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        log.warning("%s cannot be made: %s. It is not seen there what other processes do.", folder, err.strerror or err)
        folder = Path(tempfile.gettempdir()) / f"jsoc_fido-{getpass.getuser()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder
