"""
What a downloader, whoever made it, is held to: no file twice, a site's manners, and Ctrl-C given back.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet

import parfive

from jsoc_fido.connection import Limits
from jsoc_fido.download import Delivery
from jsoc_fido.exceptions import DataError, JSOCError

__all__ = ["afterwards", "be_polite", "claim", "errors"]

log = logging.getLogger(__name__)

#: What parfive catches.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def claim(downloader: parfive.Downloader, deliveries: Iterable[Delivery]) -> None:
    """
    Make sure that no two files of a downloader, which may bring those of several tables, get the same path.

    Raises
    ------
    DataError
        If two would.
    """
    taken = _claimed.setdefault(downloader, {})
    for delivery in deliveries:
        other = taken.setdefault(delivery.path, delivery)
        is_same = other.url == delivery.url or (
            other.site is delivery.site and other.recnum is not None and other.recnum == delivery.recnum
        )
        if not is_same:
            raise DataError(
                f"Two files would both be {delivery.path}: {other.url} and {delivery.url}. Fetch the tables one by "
                "one, each into a path of its own."
            )


#: What downloaders bring, by its place.
_claimed: WeakKeyDictionary[parfive.Downloader, dict[Path, Delivery]] = WeakKeyDictionary()


def errors(results: parfive.Results, lost: Iterable[Delivery]) -> list[Exception]:
    """
    Why files did not come, of all that a downloader tried; not those that it did not try in the end.
    """
    mine = {id(delivery) for delivery in lost}
    found = ((getattr(error.filepath_partial, "args", ()), error.exception) for error in results.errors)
    return [
        exception
        for args, exception in found
        if args and id(args[0]) in mine and not isinstance(exception, asyncio.CancelledError)
    ]


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


def afterwards(downloader: parfive.Downloader, finish: Callable[[parfive.Results], None]) -> None:
    """
    Call a function with the results when a downloader, whose download someone else may start, is done.
    """
    _afterwards.setdefault(downloader, []).append(finish)


#: What is to be done when downloaders are done.
_afterwards: WeakKeyDictionary[parfive.Downloader, list[Callable[[parfive.Results], None]]] = WeakKeyDictionary()


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
        results = parfive.Results()
        failures: list[JSOCError] = []
        try:
            results = download()
            interrupted = [error for error in results.errors if isinstance(error.exception, asyncio.CancelledError)]
            if interrupted:
                log.warning(
                    "Interrupted: %d files came, %d did not. Fetch the rows again, or use client.resume() or "
                    "'jsoc-fido fetch --resume', to go on.",
                    len(results),
                    len(results.errors),
                )
                raise KeyboardInterrupt
        finally:
            for finish in _afterwards.pop(downloader, ()):
                try:
                    finish(results)
                except JSOCError as err:
                    failures.append(err)
            for loop in loops:
                for number in before if os.name != "nt" else ():
                    loop.remove_signal_handler(number)
                loop.close()
            loops.clear()
            for number, handler in before.items():
                signal.signal(number, handler)
        if failures:
            raise failures[0]
        return results

    downloader.run_download, downloader.download = run_and_tell, download_and_tidy
