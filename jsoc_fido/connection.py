"""
The connection to a DRMS site, and how politely it is used.

The requests are those of `drms.json.HttpJsonClient`; here they go over one connection that is kept open, are tried
again when the site stumbles, go as POST when they are long, and end in this package's errors when there is no answer.
"""

import json
import logging
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from socket import gaierror
from typing import Any
from urllib.parse import urlsplit

import astropy.units as u
import requests
from drms.config import ServerConfig
from drms.json import HttpJsonClient
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from jsoc_fido.columns import compact
from jsoc_fido.exceptions import TransportError
from jsoc_fido.version import version

__all__ = ["LONGEST_URL", "NOT_NOW", "USER_AGENT", "Connection", "Limits", "LostError"]

log = logging.getLogger(__name__)

USER_AGENT = f"jsoc_fido/{version} python-requests/{requests.__version__} (plugin for sunpy's Fido)"

#: A URL longer than this goes as POST: sites cut or refuse long ones with status 414 (users.md, section 2).
LONGEST_URL = 2000

#: Bytes of a file that are read at once.
CHUNK = 1 << 20

#: Statuses of HTTP with which a server says: not now.
NOT_NOW = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How politely a site wants to be treated.

    Parameters
    ----------
    connections
        Downloads at the same time.
    questions
        Searches at the same time.
    records
        Records of one answer; DRMS cuts a longer one without a word (contract A.11).
    poll
        Seconds between two looks at a staged request, at first and at most.
    request_size
        Bytes of one staged request. JSOC's limit is 100 GB; the rest is for what its own count finds more.
    staging
        Time that a staged request takes, whatever its size (users.md, section 2).
    rate
        Bytes that come in a unit of time.
    tries
        How often a file is tried.
    pause
        Seconds before the second try; then twice as many each time.
    """

    connections: int = 1
    questions: int = 2
    records: int = 75_000
    poll: tuple[float, float] = (5.0, 30.0)
    request_size: u.Quantity = 80 * u.Gbyte
    staging: u.Quantity = 76 * u.s
    rate: u.Quantity = 1.65 * u.Mbyte / u.s
    tries: int = 5
    pause: float = 1.0

    def pause_after(self, elapsed: float) -> float:
        """
        Seconds until the next look at a request that is looked at for some seconds already.

        An eighth of what it took so far: what is done is seen soon, and what takes long is not looked at often.
        """
        first, longest = self.poll
        return min(max(first, elapsed / 8), longest)


#: An e-mail address in a URL: as it is, or encoded once or twice.
_ADDRESS = re.compile(r"[^=&?/\s]+(?:@|%40|%2540)[^&\s]+|(?<=requester=)[^&\s]+")


def _without_address(record: logging.LogRecord) -> bool:
    """
    Take e-mail addresses, which JSOC wants in the URL, out of what urllib3 logs; and what it says of each new try.
    """
    if str(record.msg).startswith("Retrying"):
        return False
    if isinstance(record.args, tuple):
        record.args = tuple(_ADDRESS.sub("...", item) if isinstance(item, str) else item for item in record.args)
    return True


for name in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(name).addFilter(_without_address)


class LostError(TransportError):
    """
    A site was asked, and its answer did not come, or not as it was sent.
    """


class Connection(HttpJsonClient):
    """
    drms' requests to a site, over one kept connection.
    """

    def __init__(self, server: ServerConfig, limits: Limits, *, timeout: float = 60.0) -> None:
        super().__init__(server)
        self.timeout = timeout
        self._turn = threading.BoundedSemaphore(limits.questions)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        self._pause = limits.pause
        # No `read` retries: only here is it known what may be asked twice.
        retry = Retry(
            total=4,
            read=0,
            backoff_factor=0.3,
            status_forcelist=NOT_NOW,
            allowed_methods=None,
            respect_retry_after_header=True,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=max(limits.questions, 1)))

    # Export requests hold their connection; a copy of one goes on over the same.
    def __deepcopy__(self, memo: dict[int, Any]) -> "Connection":
        return self

    def ask(self, url: str) -> dict[str, Any]:
        """
        Ask what drms has no words for.
        """
        return self._json_request(url).data

    def ask_other(self, url: str) -> dict[str, Any]:
        """
        Ask what is no DRMS site, and answers in JSON without a status.
        """
        return self._json_request(url, has_status=False).data

    def download(self, url: str, path: Path) -> None:
        """
        Write a file to a path, which is overwritten.
        """
        try:
            with (
                self._turn,
                self._session.get(url, timeout=self.timeout, stream=True) as reply,
                path.open("wb") as file,
            ):
                if not reply.ok:
                    raise TransportError(f"{_host(url)} answered HTTP {reply.status_code} for {url}.", url=url)
                for chunk in reply.iter_content(CHUNK):
                    file.write(chunk)
        except requests.RequestException as err:
            raise TransportError(f"{url} did not come: {_reason(err)[0]}.", url=url) from err

    def _json_request(self, url: str, *, has_status: bool = True) -> "Answer":
        # The one place through which all of drms' requests go. The query may hold an e-mail address: it is not logged.
        address, _, query = url.partition("?")
        log.debug("asking %s (%d characters)", address, len(query))
        try:
            return self._answer(address, query, has_status=has_status)
        except LostError as err:
            # A request to stage may have been carried out; all others may be asked twice.
            if "op=exp_request" in query:
                raise
            log.info("%s Asking again.", err)
            time.sleep(self._pause)
            return self._answer(address, query, has_status=has_status)

    def _answer(self, address: str, query: str, *, has_status: bool) -> "Answer":
        try:
            with self._turn:
                if len(address) + len(query) > LONGEST_URL:
                    form = {"Content-Type": "application/x-www-form-urlencoded"}
                    reply = self._session.post(address, data=query, headers=form, timeout=self.timeout)
                else:
                    reply = self._session.get(address, params=query, timeout=self.timeout)
        except requests.RequestException as err:
            reason, is_lost = _reason(err)
            kind = LostError if is_lost else TransportError
            # Without its cause, whose text holds the whole URL and so the address of a person.
            raise kind(
                f"{_host(address)} could not be reached: {reason}. Is the site up, and the address right?", url=address
            ) from None
        if not reply.ok:
            raise TransportError(
                f"{_host(address)} answered HTTP {reply.status_code} {reply.reason} to {urlsplit(address).path}; "
                "it seems to be down or to be no DRMS site.",
                url=address,
            )
        return Answer(_decode(reply, address, self.server.encoding or "latin1", has_status=has_status))


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A decoded reply, in the place of drms' own request object.
    """

    data: dict[str, Any]


def _decode(reply: requests.Response, address: str, encoding: str, *, has_status: bool) -> dict[str, Any]:
    try:
        text = reply.content.decode("ascii" if reply.content.isascii() else encoding)
        data = json.loads(text, object_hook=compact)
    except ValueError as err:
        start = " ".join(reply.content[:60].decode("ascii", "replace").split())
        what = "nothing" if not start else f"something that is no JSON ({start}...)"
        raise LostError(
            f"{_host(address)} answered {what}; it seems to be down or to be no DRMS site.", url=address
        ) from err
    # Every reply of DRMS has a status (contract B), as a number or as text.
    told = not has_status or re.fullmatch(r"-?\d+", str(data.get("status") if isinstance(data, dict) else "").strip())
    if not isinstance(data, dict) or not told:
        raise LostError(f"{_host(address)} answered JSON that is no DRMS reply: {str(data)[:60]}", url=address)
    return data


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def _reason(err: requests.RequestException) -> tuple[str, bool]:
    """
    Why there was no answer, and whether the question had been sent.
    """
    # urllib3 wraps the operating system's words several times and repeats the URL, which may hold an e-mail address.
    cause: BaseException = err
    while True:
        inner = getattr(cause, "reason", None) or cause.__cause__ or (cause.args[0] if cause.args else None)
        if not isinstance(inner, BaseException):
            break
        cause = inner
    is_lost = not isinstance(err, requests.ConnectTimeout) and not isinstance(cause, ConnectionRefusedError | gaierror)
    if isinstance(err, requests.Timeout) or isinstance(cause, TimeoutError):
        return "no answer in time", is_lost
    return getattr(cause, "strerror", None) or type(cause).__name__, is_lost
