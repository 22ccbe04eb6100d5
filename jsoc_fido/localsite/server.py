"""
Running a site: in the background of this process, or in the foreground.
"""

import contextlib
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from jsoc_fido.exceptions import DataError, TransportError
from jsoc_fido.localsite.app import Counter, create_app
from jsoc_fido.localsite.catalogue import Catalogue
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.frontdoor import Prefixed, RequestLog
from jsoc_fido.localsite.limits import Limits

__all__ = ["RunningSite", "running", "serve"]

log = logging.getLogger(__name__)

#: Seconds that a site may take to accept connections, and to finish its last answers.
PATIENCE = 30


class RunningSite:
    """
    A site that answers.

    Parameters
    ----------
    url
        Its address.
    catalogue
        What it has.
    counter
        What it was asked.
    """

    def __init__(self, url: str, catalogue: Catalogue, counter: Counter) -> None:
        self.url = url
        self.catalogue = catalogue
        self._counter = counter

    def __repr__(self) -> str:
        return f"<RunningSite {self.url}>"

    @property
    def requests(self) -> list[tuple[str, str]]:
        """
        What was asked so far, as pairs of HTTP method and operation.

        Such a pair is ``("GET", "rs_list")``, or ``("GET", "file")`` for a download. The list may be cleared.
        """
        return self._counter.requests

    def count(self, operation: str) -> int:
        """
        How often an operation was asked for so far.
        """
        return self._counter.count(operation)


class _Server(uvicorn.Server):
    """
    A server that leaves the signals to the program it runs in.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def running(
    directory: Path | str,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    database: str | None = None,
    register: Iterable[str] | None = None,
    delay: float = 0.0,
    staging_time: float = 0.2,
    read_only: bool = False,
    request_log: Path | str | None = None,
    root_path: str = "",
    jsoc_limits: bool = False,
    **limits: Any,
) -> Iterator[RunningSite]:
    """
    Run a site in the background of this process, for tests and notebooks.

    Parameters
    ----------
    directory
        The site's directory.
    port, host
        Where to listen; port 0 means any that is free.
    database
        URL of its database, if it is not the file in the directory.
    register
        E-mail addresses registered for staging; None means every valid one.
    delay
        Seconds to wait before each answer, as if the site were far away.
    staging_time
        Seconds that a request for staging takes at least.
    read_only
        Whether nothing is written: no file is staged then.
    request_log
        File to which a line is added for each request: time, method, operation, status, bytes, seconds.
    root_path
        Path below which a proxy shows the site to others, such as ``/drms``.
    jsoc_limits
        Whether requests are limited as at JSOC, and not leniently.
    **limits
        Single limits: members of `jsoc_fido.localsite.limits.Limits`, such as ``pending`` or ``retain_days``.

    Yields
    ------
    RunningSite
        The site; ``.url`` is its address.

    Raises
    ------
    DataError
        If the directory holds no site, the port is in use, or the log cannot be written.
    """
    listener = _listen(host, port)
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        catalogue = stack.enter_context(Catalogue.open(Path(directory), database, read_only=read_only))
        allowed = Limits.jsoc(**limits) if jsoc_limits else Limits(**limits)
        exporter = Exporter(catalogue, register=register, staging_time=staging_time, limits=allowed)
        counter = Counter()
        app: ASGIApp = create_app(catalogue, exporter, delay=delay, counter=counter)
        root_path = f"/{inner}" if (inner := root_path.strip("/")) else ""
        if root_path:
            app = Prefixed(app, root_path)
        if request_log is not None:
            logged = app = RequestLog(app, Path(request_log))
            stack.callback(logged.close)
        server = _Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,  # a URL may hold an e-mail address
                lifespan="off",
                timeout_graceful_shutdown=PATIENCE,
            )
        )
        exporter.start()
        stack.callback(exporter.stop)
        thread = threading.Thread(target=server.run, args=([listener],), name="site", daemon=True)
        thread.start()
        stack.callback(_stop, server, thread)
        _wait_until_started(server, thread)
        yield RunningSite(_url(listener) + root_path, catalogue, counter)


def serve(
    directory: Path | str,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    database: str | None = None,
    register: Iterable[str] | None = None,
    delay: float = 0.0,
    staging_time: float = 0.2,
    read_only: bool = False,
    request_log: Path | str | None = None,
    root_path: str = "",
    jsoc_limits: bool = False,
    **limits: Any,
) -> None:
    """
    Run a site until it is interrupted. Its address is the first line of standard output, once it accepts connections.

    Parameters
    ----------
    directory, port, host, database, register, delay, staging_time
        As for `running`.
    read_only, request_log, root_path, jsoc_limits, **limits
        As for `running`.

    Raises
    ------
    DataError
        If the directory holds no site, or the port is in use.
    """
    site = running(
        directory,
        port=port,
        host=host,
        database=database,
        register=register,
        delay=delay,
        staging_time=staging_time,
        read_only=read_only,
        request_log=request_log,
        root_path=root_path,
        jsoc_limits=jsoc_limits,
        **limits,
    )
    # Interrupting raises KeyboardInterrupt, and the site is closed on the way out.
    with contextlib.suppress(KeyboardInterrupt), _terminated_as_interrupted(), site as running_site:
        sys.stdout.write(f"{running_site.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """
    Let the signal that asks a service to end do what Ctrl-C does, and both do it also when the parent ignores them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once over sockets that are said to be TCP; over others, each file waits 40 ms for the client.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as err:
        listener.close()
        raise DataError(f"Cannot listen on {host} port {port}: {err.strerror}. Port 0 takes any that is free.") from err
    except OverflowError as err:
        listener.close()
        raise DataError(f"{port} is no port; choose one from 0 to 65535, where 0 takes any that is free.") from err
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - the address to print, not to listen on
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise TransportError("The site did not start.")
        time.sleep(0.005)


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(PATIENCE)
