"""
Bytes from a URL into a file, over a connection of parfive's; what has come already is not asked for again.
"""

import asyncio
import base64
import hashlib
import logging
import re
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp

from jsoc_fido.connection import NOT_NOW, USER_AGENT, Limits
from jsoc_fido.exceptions import DataError, TransportError

__all__ = ["RefusedError", "bring"]

log = logging.getLogger(__name__)

#: Bytes read at once. parfive's own 1 KiB costs more time than the network (users.md, introduction).
CHUNK = 1 << 20

#: Longest time that a server may ask to wait before the next try.
LONGEST_PAUSE = 120.0


class RefusedError(TransportError):
    """
    A server answered with another status than a file.

    Parameters
    ----------
    url
        What was asked for.
    status, reason
        What was answered.
    pause
        Seconds that the server wants to be left alone, None if it does not say.
    """

    def __init__(self, url: str, status: int, reason: str | None, pause: float | None = None) -> None:
        super().__init__(f"{url}: HTTP {status} {reason or ''}".rstrip(), url=url)
        self.status = status
        self.pause = pause

    @property
    def may_pass(self) -> bool:
        """
        Whether another try may succeed.
        """
        return self.status in (*NOT_NOW, 408)

    @property
    def is_gone(self) -> bool:
        """
        Whether there is no such file.
        """
        return self.status in (404, 410)


async def bring(session: aiohttp.ClientSession, url: str, part: Path, limits: Limits, **options: Any) -> str | None:
    """
    Bring what is missing of a file, trying again when the connection breaks or the server is busy.

    Parameters
    ----------
    session
        A session of parfive's.
    url
        Where the file is.
    part
        Where it grows. What is there is its beginning, and stays there when the last try fails.
    limits
        How often to try, and how long to wait between.
    **options
        Other arguments of `aiohttp.ClientSession.get`; ``progress``, if given, is updated with the bytes that come.

    Returns
    -------
    str or None
        What the server calls the file (``Content-Disposition``), if it says so.

    Raises
    ------
    TransportError
        If it does not come, or not all of it.
    OSError
        If it cannot be written.
    """
    progress = options.pop("progress", None)
    for attempt in range(1, limits.tries + 1):
        try:
            return await _stream(session, url, part, progress, options)
        except RefusedError as err:
            if attempt == limits.tries or not err.may_pass:
                raise
            pause = err.pause
            reason: object = err
        except (aiohttp.ClientError, TimeoutError) as err:
            reason = str(err) or type(err).__name__
            if attempt == limits.tries:
                raise TransportError(f"{url} broke off: {reason}", url=url) from err
            pause = None
        pause = limits.pause * 2 ** (attempt - 1) if pause is None else min(pause, LONGEST_PAUSE)
        log.info("%s; trying again in %.1f s", reason, pause)
        await asyncio.sleep(pause)
    return None


async def _stream(
    session: aiohttp.ClientSession, url: str, part: Path, progress: Any, options: dict[str, Any]
) -> str | None:
    there = _size(part)
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    async with session.get(url, headers=headers, **options) as reply:
        if there and reply.status == 416:
            # There is no such rest: either all of it has come, or it is another file now.
            # Some servers leave out the unit, which RFC 9110 wants.
            if reply.headers.get("Content-Range", "").removeprefix("bytes ") == f"*/{there}":
                return _name(reply)
            await asyncio.to_thread(part.unlink)
            raise aiohttp.ClientPayloadError("what was there before is not the beginning of the file")
        if reply.status not in {200, 206}:
            raise RefusedError(url, reply.status, reply.reason, _pause(reply.headers.get("Retry-After")))
        goes_on = reply.status == 206
        if goes_on and not (there and reply.headers.get("Content-Range", "").startswith(f"bytes {there}-")):
            await asyncio.to_thread(part.unlink, missing_ok=True)
            raise aiohttp.ClientPayloadError("another part of the file came than the one that was asked for")
        if goes_on and await asyncio.to_thread(_is_older, part, reply.headers.get("Last-Modified")):
            await asyncio.to_thread(part.unlink, missing_ok=True)
            raise aiohttp.ClientPayloadError("the file was changed after its beginning had come")
        if progress is not None:
            progress.total = int(reply.headers.get("Content-Length", 0)) + (there if goes_on else 0) or None
            progress.update(there if goes_on else 0)
        # A file on a local disk takes less time than the switch to another thread.
        with part.open("ab" if goes_on else "wb") as file:
            async for chunk in reply.content.iter_chunked(CHUNK):
                file.write(chunk)
                if progress is not None:
                    progress.update(len(chunk))
        digest, name = reply.headers.get("Repr-Digest"), _name(reply)
    if digest is not None:
        await asyncio.to_thread(_check_digest, part, digest, url)
    return name


def _is_older(part: Path, modified: str | None) -> bool:
    """
    Whether what has come is older than what the server has now (RFC 9110, 8.8.2).
    """
    try:
        return modified is not None and part.stat().st_mtime < parsedate_to_datetime(modified).timestamp()
    except ValueError:
        return False


def _name(reply: aiohttp.ClientResponse) -> str | None:
    said = Message()
    said["Content-Disposition"] = reply.headers.get("Content-Disposition", "")
    return said.get_filename()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_digest(part: Path, digest: str, url: str) -> None:
    """
    Compare a file with the digest that a server gave for it (RFC 9530).
    """
    for algorithm, name in (("sha-512", "sha512"), ("sha-256", "sha256")):
        if match := re.search(rf"{algorithm}=:([A-Za-z0-9+/=]+):", digest):
            with part.open("rb") as file:
                found = hashlib.file_digest(file, name).digest()
            if base64.b64encode(found).decode() != match[1]:
                raise DataError(f"{url} came damaged: its bytes do not fit the digest that the server gave.")
            return


def _pause(text: str | None) -> float | None:
    """
    Seconds that a ``Retry-After`` names, as a number or as a date.
    """
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
