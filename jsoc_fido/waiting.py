"""
Waiting for a site: for how long, whether to go on, and what a person is told meanwhile.
"""

import logging
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import drms

from jsoc_fido.exceptions import ExportTimeout

__all__ = ["Announcer", "Watch"]

log = logging.getLogger(__name__)


class Announcer:
    """
    Says what is waited for: on a bar if there is one, and in the log when it changes, or once a minute.

    Parameters
    ----------
    bar
        Makes a bar when there is something to say, as `tqdm.tqdm` does.
    total
        Number of orders.
    """

    def __init__(self, bar: Callable[..., Any] | None = None, total: int = 0) -> None:
        self._make = bar
        self._total = total
        self._bar: Any = None
        self._last = ""
        self._said = -math.inf

    def waiting(self, words: str) -> None:
        """
        Say what is waited for.
        """
        what = re.sub(r"\d+ s\b", "", words)
        if what != self._last or time.monotonic() - self._said > 60:
            log.info("%s", words)
            self._last, self._said = what, time.monotonic()
        if self._make is not None and self._bar is None:
            self._bar = self._make(total=self._total, unit="request", desc="Requests staged", leave=False)
        if self._bar is not None:
            self._bar.set_postfix_str(words)

    def finished(self) -> None:
        """
        Count an order that is done.
        """
        if self._bar is not None:
            self._bar.update(1)

    def close(self) -> None:
        """
        Take the bar away.
        """
        if self._bar is not None:
            self._bar.close()


@dataclass
class Watch:
    """
    How long to wait, whether to go on, and whom to tell.

    Parameters
    ----------
    until
        Time of `time.monotonic` at which to give up.
    stopping
        Set when nobody waits any more.
    tell
        Called with what is waited for.
    """

    until: float
    stopping: threading.Event
    tell: Callable[[str], None] = log.debug

    @classmethod
    def of(cls, timeout: float, tell: Callable[[str], None] = log.debug) -> "Watch":
        """
        Wait for some seconds.
        """
        return cls(time.monotonic() + timeout, threading.Event(), tell)

    def pause(self, seconds: float, what: str, request: drms.ExportRequest | None = None) -> None:
        """
        Wait.

        Raises
        ------
        ExportTimeout
            If the time is over, or nobody waits any more.
        """
        left = self.until - time.monotonic()
        is_over = left <= 0
        if is_over or self.stopping.wait(min(seconds, left)):
            identifier = getattr(request, "id", None)
            later = f" It goes on at the site; get it later with client.get_request({identifier!r})." if request else ""
            raise ExportTimeout(
                f"{what} {'took longer than it was given' if is_over else 'is no longer waited for'}.{later}",
                request_id=identifier,
                status=getattr(request, "status", None),
            )
