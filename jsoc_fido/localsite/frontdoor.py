"""
What stands between the network and a site's application: a path in front of all others, and a log of requests.
"""

import logging
import time
from logging.handlers import WatchedFileHandler
from pathlib import Path

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jsoc_fido.exceptions import DataError

__all__ = ["Prefixed", "RequestLog"]

#: What may be told of a request. All else came from outside, and may be anybody's name.
OPERATIONS = {
    "checkAddress",
    "exp_repeat",
    "exp_request",
    "exp_status",
    "exp_su",
    "file",
    "rs_list",
    "rs_summary",
    "series_struct",
    "show_series",
    "showextseries",
}


class Prefixed:
    """
    An application below a path, as behind a proxy that serves others too.

    Proxies may leave the path in front of what they pass on, or take it off; both are understood. The paths in the
    replies are the same as ever: clients put the site's address in front of them, which ends with the path.

    Parameters
    ----------
    app
        The application.
    root_path
        The path, such as ``/drms``.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == self.root_path:
                # Links on the page are relative to a folder.
                await RedirectResponse(f"{self.root_path}/")(scope, receive, send)
                return
            if not path.startswith(f"{self.root_path}/"):
                path = self.root_path + path
            scope = {**scope, "root_path": self.root_path, "path": path}
        await self.app(scope, receive, send)


class RequestLog:
    """
    An application whose requests are noted, a line each: time, method, operation, status, bytes and seconds.

    Parameters of requests are not noted, nor who asks. The file may be moved away at any time; a new one is begun then.

    Parameters
    ----------
    app
        The application; it says what was asked by the ``operation`` of the request's state.
    path
        The file.

    Raises
    ------
    DataError
        If the file cannot be written.
    """

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self.app = app
        try:
            self._handler = WatchedFileHandler(path, encoding="ascii")
        except OSError as err:
            raise DataError(f"The log {path} cannot be written: {err.strerror}.") from err
        self._handler.setFormatter(logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S"))
        self._handler.formatter.converter = time.gmtime  # type: ignore[union-attr]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = size = 0
        told = scope.setdefault("state", {})

        async def noting(message: Message) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            operation = told.get("operation", "")
            words = (
                f"{scope['method']} {operation if operation in OPERATIONS else 'other'} "
                f"{status or '-'} {size} {time.perf_counter() - began:.3f}"
            )
            self._handler.handle(logging.LogRecord("request", logging.INFO, "", 0, words, (), None))

    def close(self) -> None:
        """
        Close the file.
        """
        self._handler.close()
