"""
Bringing files to disk: with parfive, politely, and whole or not at all.

A file comes under a temporary name beside its own. Only what has been checked, and completed where that is needed,
gets its own name. What fails is listed in the result and leaves nothing behind.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import parfive
from filelock import BaseFileLock, Timeout
from parfive.utils import FailedDownload, replacement_filename

from jsoc_fido import fitsfiles, transfer, turns
from jsoc_fido.exceptions import DataError
from jsoc_fido.growing import Leftovers, growing
from jsoc_fido.site import Site

__all__ = ["Delivery", "OtherRecordError", "check_folders", "enqueue", "keep"]

log = logging.getLogger(__name__)


def keep(stored: Path, target: Path, *, recnum: int | None = None) -> None:
    """
    Give a file that has come its name, if it is what its name says.

    Parameters
    ----------
    stored
        What has come.
    target
        The name.
    recnum
        Number of the record that it has to be of, if it has a header that says so.

    Raises
    ------
    DataError
        If it is called a FITS file and is none, not a whole one, or one of another record.
    """
    if target.suffix.lower() == ".fits":
        found = fitsfiles.check(stored, with_data=True)
        if None not in {found, recnum} and found != recnum:
            raise OtherRecordError(
                f"{target.name} came as record {found}, which has taken the place of record {recnum}; search again."
            )
    stored.replace(target)


class OtherRecordError(DataError):
    """
    A file is of another record than the one that was asked for.
    """


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A file to bring.

    Parameters
    ----------
    site
        The site that has it.
    url
        Where it is.
    path
        Where it goes.
    finish
        Called with the path of what has come and ``path``; makes a file there, or raises
        `~jsoc_fido.exceptions.JSOCError`.
    problem
        Why it cannot come at all; it is then listed among the errors without being asked for.
    locate
        Tells where it is, if that is not known yet; it may take its time. ``url`` then only says what is wanted.
    rename
        Gives, for the name that the server tells with the file, where it goes instead of ``path``.
    gone
        Called when the server says that there is no such file.
    recnum
        Number of its record, if its header has to tell it; a file that is there and tells another is fetched anew.
    """

    site: Site
    url: str
    path: Path
    finish: Callable[[Path, Path], None] = keep
    problem: Exception | None = None
    locate: Callable[[], str] | None = None
    rename: Callable[[str], Path] | None = None
    gone: Callable[[], None] | None = None
    recnum: int | None = None


def check_folders(paths: Iterable[Path]) -> None:
    """
    Make sure that files can be written, before anything is asked.

    Raises
    ------
    DataError
        If a folder is none or cannot be written.
    """
    for folder in {path.parent for path in paths}:
        try:
            there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        except OSError as err:
            raise DataError(f"Files cannot be put into {folder}: {err.strerror}. Give another path.") from err
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            reason = "it may not be written" if there.is_dir() else "it is a file"
            raise DataError(f"Files cannot be put into {folder}: of {there}, {reason}. Give another path.")


def enqueue(
    downloader: parfive.Downloader, deliveries: Iterable[Delivery], came: dict[Path, Path] | None = None
) -> None:
    """
    Put files into a downloader, each in one piece.

    Parameters
    ----------
    downloader
        The downloader; it decides when, how many at a time, and shows the progress.
    deliveries
        The files.
    came
        Takes, for each `Delivery.path`, where the file is in the end.
    """
    came = {} if came is None else came
    left = Leftovers()
    # parfive's own way to a file gives it its name at once, cannot go on where it broke off, and waits for ever when
    # the disk is full; so its queue gets ours.
    downloader.http_queue.extend(partial(_deliver, delivery, downloader, came, left) for delivery in deliveries)


async def _deliver(
    delivery: Delivery,
    downloader: parfive.Downloader,
    came: dict[Path, Path],
    left: Leftovers,
    session: Any,
    *,
    token: Any,
    file_pb: Any = None,
) -> tuple[str, str]:
    """
    Bring one file; parfive calls this in the place of its own method, and gives the last three arguments.
    """
    url = delivery.url
    try:
        target, is_there = await _wanted(delivery, downloader.config.overwrite)
        if is_there:
            log.debug("%s is there already", target)
        else:
            with ExitStack() as stack:
                url, part = await asyncio.to_thread(_begin, delivery, target, left, stack)
                with _progress(file_pb, token, target) as progress:
                    target = await _bring(delivery, url, part, target, downloader.config, session, progress)
    except (Exception, asyncio.CancelledError) as err:  # a cancelled download is a failed one, for parfive too
        if delivery.gone and isinstance(err, transfer.RefusedError) and err.is_gone:
            await asyncio.to_thread(delivery.gone)
        raise FailedDownload(partial(_again, delivery), url, err) from err
    came[delivery.path] = target
    return url, str(target)


async def _wanted(delivery: Delivery, overwrite: bool | str) -> tuple[Path, bool]:
    """
    Where a file goes, and whether it is there already.
    """
    if delivery.problem is not None:
        raise delivery.problem
    if overwrite == "unique":
        return Path(replacement_filename(delivery.path)), False
    # A thread costs more than a small file, and most files are not there.
    is_there = not overwrite and delivery.path.exists()
    return delivery.path, is_there and await asyncio.to_thread(_is_whole, delivery.path, delivery.recnum)


def _begin(delivery: Delivery, target: Path, left: Leftovers, stack: ExitStack) -> tuple[str, Path]:
    """
    Where a file comes from, and where it grows, as long as the stack is open.
    """
    url = delivery.locate() if delivery.locate else delivery.url
    return url, stack.enter_context(growing(target, url, left))


async def _bring(
    delivery: Delivery, url: str, part: Path, target: Path, config: Any, session: Any, progress: Any
) -> Path:
    """
    Bring a file, and say where it is.
    """
    proxy = config.https_proxy if url.startswith("https:") else config.http_proxy
    for last in (False, True):
        try:
            async with _turn(delivery.site):
                told = await transfer.bring(
                    session,
                    url,
                    part,
                    delivery.site.limits,
                    progress=progress,
                    timeout=config.timeouts,
                    proxy=proxy,
                )
            if told and delivery.rename and target == delivery.path:
                target = delivery.rename(told)
            await asyncio.to_thread(_finish, delivery, part, target)
        except (DataError, OSError) as err:
            # What came is not what it should be: of no use, but perhaps the site had a bad moment.
            await asyncio.to_thread(part.unlink, missing_ok=True)
            if last or isinstance(err, OSError | OtherRecordError):
                raise
        else:
            break
    return target


@asynccontextmanager
async def _turn(where: Site) -> AsyncIterator[None]:
    """
    Wait until a site has a connection to spare: each downloader counts its own only, and there may be several.
    """
    while (lock := _spare(where)) is None:  # noqa: ASYNC110 - other processes have no event of ours to set
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        lock.release()


def _spare(where: Site) -> BaseFileLock | None:
    """
    A connection to a site that nobody uses, as the lock that stands for it.
    """
    for number in range(where.limits.connections):
        lock = turns.lock("connection", where.url, number)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            return lock
    return None


def _finish(delivery: Delivery, part: Path, target: Path) -> None:
    try:
        delivery.finish(part, target)
    except DataError as err:
        # Nobody knows the hidden name under which it came.
        raise type(err)(str(err).replace(str(part), str(target))) from err
    part.unlink(missing_ok=True)


def _progress(file_pb: Any, token: Any, target: Path) -> Any:
    """
    The bar of one file, as parfive shows it.
    """
    if not callable(file_pb):
        return nullcontext()
    return file_pb(position=token.n, unit="B", unit_scale=True, desc=target.name, leave=False)


def _is_whole(path: Path, recnum: int | None) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        if path.suffix.lower() == ".fits":
            found = fitsfiles.check(path)
            if recnum is not None and found != recnum:
                what = "has no full header" if found is None else f"is of record {found}, not of {recnum}"
                log.warning("%s %s; it is fetched anew.", path, what)
                return False
    except DataError as err:
        log.warning("%s It is fetched anew.", err)
        return False
    return True


def _again(delivery: Delivery, *_: object) -> Path:
    """
    Bring a file whose download failed, when parfive tries it again.

    parfive asks where to put it, with a downloader that knows nothing of what has to be done with it. So it is brought
    here, and parfive finds that it is there.
    """
    if delivery.problem is not None:
        raise delivery.problem
    url = delivery.locate() if delivery.locate else delivery.url
    with growing(delivery.path, url, Leftovers()) as part:
        try:
            delivery.site.download(url, part)
            delivery.finish(part, delivery.path)
        finally:
            part.unlink(missing_ok=True)
    return delivery.path
