"""
Fetching: from a plan to files on disk, noted in the journal until all of them are there.
"""

import hashlib
import io
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import parfive

from jsoc_fido import delivery, downloaders, files, names
from jsoc_fido import download as downloads
from jsoc_fido.download import Delivery
from jsoc_fido.exceptions import ExportError, TransportError
from jsoc_fido.files import Definitions, Identity
from jsoc_fido.journal import Job, Journal
from jsoc_fido.plan import Plan
from jsoc_fido.response import JSOCResponse
from jsoc_fido.site import Site, site
from jsoc_fido.staging import Staging
from jsoc_fido.waiting import Announcer

__all__ = ["Fetch", "download"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetch:
    """
    Rows of a table, what is done for their files, and where these go.

    Parameters
    ----------
    response
        The rows.
    plan
        What is done.
    paths
        Where each file goes (`jsoc_fido.files.targets`).
    path
        The folder or template that says so.
    protocol, method
        What the caller said.
    came
        Where the files are that came, by their place in ``paths``.
    """

    response: JSOCResponse
    plan: Plan
    paths: Mapping[Identity, Path]
    path: str
    protocol: str | None = None
    method: str | None = None
    came: dict[Path, Path] = field(default_factory=dict)

    def run(
        self, downloader: parfive.Downloader, definition: Definitions, *, wait: bool, timeout: float, strict: bool
    ) -> parfive.Results:
        """
        Bring the files.

        Parameters
        ----------
        downloader
            Downloads them.
        definition
            Gives the definition of a question's series.
        wait
            Whether to download now; otherwise the downloader's owner does.
        timeout
            Seconds to wait for each staged request.
        strict
            Whether to raise when a file did not come, after all were tried.

        Returns
        -------
        parfive.Results
            Paths of the files in the order of the rows.

        Raises
        ------
        ExportError
            If nothing came because it could not be staged, or, if ``strict``, whatever did not come. What else a
            downloader that others own brings is not lost for the first.
        NotRegisteredError
            If a site does not know the e-mail address.
        DataError
            If a folder cannot be written, or two files would get the same path.
        """
        downloads.check_folders(self.paths.values())
        for part in self.plan.parts:
            log.info("%s", part)
        self._check_registered()
        journal, job = Journal(), self._job()
        orders = [*self.plan.orders, *self.plan.fallbacks]
        announcer = Announcer(_bar(downloader), len(orders))
        queue = Staging(orders, timeout=timeout, journal=journal, announcer=announcer)
        deliveries = delivery.prepare(self.plan, self.paths, names.template(self.path), definition, queue)
        downloaders.claim(downloader, deliveries)
        if not downloader.config.overwrite:
            for order, paths in deliveries.by_order.items():
                if all(path.exists() for path in paths):
                    queue.postpone(order)
        journal.begin(job)

        def finish(results: parfive.Results) -> None:
            queue.stop()
            self.response.requests = tuple(queue.done())
            lost = [delivery for delivery in deliveries if delivery.path not in self.came]
            if not lost:
                journal.end(job.job)
            _report(downloaders.errors(results, lost), len(list(deliveries)), strict=strict, alone=wait and not results)

        where = {site(question.site) for question in files.questions_of(self.response)}
        results = download(deliveries, where, downloader, wait=wait, came=self.came, finish=finish)
        _sort(results, [str(self.came[target]) for target in self.paths.values() if target in self.came])
        return results

    def table(self) -> JSOCResponse:
        """
        The table of the files (`jsoc_fido.delivery.with_paths`).
        """
        return delivery.with_paths(self.response, self.plan, self.paths, self.came)

    def _check_registered(self) -> None:
        """
        Ask each site for the address, before anything is staged. One that is down keeps no other from being asked.
        """
        asked = {(order.site, order.notify) for order in self.plan.orders}
        failures: list[TransportError] = []
        for name, notify in asked:
            try:
                site(name).check_registered(notify)
            except TransportError as err:
                failures.append(err)
        if failures and len(failures) == len(asked):
            raise failures[0]

    def _job(self) -> Job:
        """
        What another process must know to finish this.
        """
        ways = {part.way for part in self.plan.parts}
        folder = str(Path(self.path).expanduser().absolute())
        options = {
            "path": folder,
            # Without the e-mail address, which is not kept, the way would be another one.
            "protocol": self.protocol or (ways.pop() if len(ways) == 1 else None),
            "method": self.method,
        }
        rows = io.StringIO()
        files.needed(self.response, folder).write(rows, format="ascii.ecsv")
        name = hashlib.blake2s(f"{rows.getvalue()}{options}".encode(), digest_size=12).hexdigest()
        return Job(name, time.time(), rows.getvalue(), options, len(self.paths))


def download(
    deliveries: Iterable[Delivery],
    where: Iterable[Site],
    downloader: parfive.Downloader,
    *,
    wait: bool,
    came: dict[Path, Path] | None = None,
    finish: Callable[[parfive.Results], None] | None = None,
) -> parfive.Results:
    """
    Download now, or let the owner of a downloader do so.

    Parameters
    ----------
    deliveries
        What to bring.
    where
        The sites that have it.
    downloader
        Brings it, as politely as these sites want.
    wait
        Whether to download now.
    came
        Takes, for each `jsoc_fido.download.Delivery.path`, where the file is in the end.
    finish
        Called with the results when the downloader is done.
    """
    for place in where:
        downloaders.be_polite(downloader, place.limits)
    downloads.enqueue(downloader, deliveries, came)
    if finish is not None:
        downloaders.afterwards(downloader, finish)
    return downloader.download() if wait and downloader.queued_downloads else parfive.Results()


def _report(errors: Sequence[Exception], asked: int, *, strict: bool, alone: bool) -> None:
    """
    Say once what did not come.
    """
    if not errors:
        return
    message = f"{len(errors)} of {asked} files could not be had"
    if alone and all(isinstance(error, ExportError) for error in errors):
        raise errors[0]
    log.warning("%s; fetch the rows again to try those once more. %s", message, errors[0])
    if strict:
        raise ExportError(f"{message}: {errors[0]}")


def _sort(results: parfive.Results, paths: Sequence[str]) -> None:
    """
    Bring the files that a fetch brought into the order of the rows.
    """
    places = {path: place for place, path in enumerate(paths)}
    if set(results) <= set(places):
        pairs = sorted(zip(results.data, results.urls, strict=True), key=lambda pair: places[pair[0]])
        results.data[:] = [path for path, _ in pairs]
        results.urls[:] = [url for _, url in pairs]


def _bar(downloader: parfive.Downloader) -> Callable[..., Any] | None:
    """
    What makes a bar below those of a downloader, None if that shows none.
    """
    return partial(downloader.tqdm, position=downloader.config.max_conn + 1) if downloader.config.progress else None
