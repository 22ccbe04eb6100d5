"""
The client: it joins the words to the record sets, the record sets to a site, and the site to files.
"""

import io
import json
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import astropy.units as u
import drms
import parfive
from astropy.table import QTable
from sunpy.net import Fido
from sunpy.net.attr import Attr, and_
from sunpy.net.attrs import Time as TimeRange
from sunpy.net.base_client import BaseClient
from sunpy.util.exceptions import warn_user
from tqdm.auto import tqdm

from jsoc_fido import (
    attrs,
    compose,
    config,
    download,
    exports,
    fetching,
    files,
    flarecast,  # noqa: F401 - another kind of site
    lookups,
    plan,
    remote,
    staging,
)
from jsoc_fido.exceptions import ExportError, JSOCError, QueryError, TransportError, UnsupportedError
from jsoc_fido.fetching import Fetch
from jsoc_fido.journal import Journal
from jsoc_fido.query import Query, Question
from jsoc_fido.response import PSEUDO_KEYS, JSOCResponse, as_response, vstack
from jsoc_fido.series import Series
from jsoc_fido.site import Site, site
from jsoc_fido.waiting import Announcer, Watch
from jsoc_fido.walker import queries, understood

__all__ = ["JSOCClient"]

log = logging.getLogger(__name__)

#: Words that other archives understand too; alone they do not make a search ours.
COMMON = {"Time", "Wavelength", "Sample"}

#: What Fido and habits from sunpy's own client may pass; the site's limits and our waiting stand above it.
PASSED_BY_FIDO = frozenset({"max_conn", "max_splits", "sleep"})

#: Above this, one record an hour is enough to see which patches there are.
LONG = 2 * u.hour

#: Seconds to wait for a staged request unless told otherwise.
STAGING_TIMEOUT = 6 * 3600.0


class JSOCClient(BaseClient):
    """
    Searches, stages and fetches records of JSOC and other DRMS sites.

    A search brings a table of records. Staging asks the site to write the files of some of them; when that is done
    they can be downloaded. `fetch` does both; `request_data` and `get_request` do one each.

    Parameters
    ----------
    site
        Name or URL of the site to ask when a search does not say; without it ``JSOC_FIDO_SITE`` from the environment,
        else JSOC.
    email
        Address for staging when neither the search nor the fetch says; without it ``JSOC_EMAIL`` from the
        environment, else ``email`` in section ``jsoc`` of sunpy's configuration.

    Examples
    --------
    >>> import jsoc_fido
    >>> from sunpy.net import attrs as a
    >>> client = jsoc_fido.JSOCClient()
    >>> response = client.search(a.Time("2014-01-01T00:00", "2014-01-01T00:02"), a.jsoc.Series("hmi.v_45s"))
    >>> print(response.show("T_REC", "TELESCOP", "CAMERA"))
             T_REC          TELESCOP CAMERA
    ----------------------- -------- ------
    2014.01.01_00:00:45_TAI  SDO/HMI      2
    2014.01.01_00:01:30_TAI  SDO/HMI      2
    2014.01.01_00:02:15_TAI  SDO/HMI      2
    """

    def __init__(self, site: str | None = None, email: str | None = None) -> None:
        # Nothing is asked here: Fido makes clients outside its error handling.
        self._site = site
        self._email = email

    # Tables copy their client along with themselves; a client is where it asks and who asks, so the copy is the client.
    def __deepcopy__(self, memo: dict[int, Any]) -> "JSOCClient":
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JSOCClient) and (self._site, self._email) == (other._site, other._email)

    def __hash__(self) -> int:
        return hash((self._site, self._email))

    @property
    def site(self) -> Site:
        """
        The site that is asked when a search does not say.
        """
        return site(self._site or config.default_site())

    @property
    def info_url(self) -> str:
        """
        Address of the site, which Fido prints above the table.
        """
        return self.site.url

    def search(self, *query: Any) -> JSOCResponse:
        """
        Search for records.

        Parameters
        ----------
        *query
            Words of ``a.jsoc`` and `a.Time <sunpy.net.attrs.Time>`, `a.Wavelength <sunpy.net.attrs.Wavelength>`,
            `a.Sample <sunpy.net.attrs.Sample>`, all of which must hold; ``|`` joins alternatives.

        Returns
        -------
        JSOCResponse
            One table for all alternatives, in their order; those that one question can ask are in that of the prime
            keys.

        Raises
        ------
        QueryError
            If the words say too little, contradict each other, or the series does not know them.
        TransportError
            If the site does not answer.
        """
        if not query:
            raise QueryError("A search needs words, such as a.jsoc.Series('hmi.m_45s') and a.Time(start, end).")
        for word in query:
            if not isinstance(word, Attr):
                raise QueryError(f"A search takes words such as a.jsoc.Series('hmi.m_45s'), not {word!r}.")
        return vstack([self._answer(branch) for branch in queries(and_(*query))])

    def request_data(
        self,
        response: JSOCResponse,
        method: str = "url",
        protocol: str | None = None,
        notify: str | None = None,
        *,
        progress: bool = True,
    ) -> drms.ExportRequest | list[drms.ExportRequest]:
        """
        Ask the site to stage the files of a table, or of some of its rows; return at once.

        As a site takes one request of an address at a time, a request that is being staged already is waited for, and
        where the rows need several, all but the last.

        Parameters
        ----------
        response
            The rows.
        method
            ``"url"``, ``"url_quick"`` (without staging, for protocol ``"as-is"`` and data that is online) or
            ``"url-tar"``.
        protocol
            ``"fits"`` (full headers) or ``"as-is"`` (as stored); without it, what ``a.jsoc.Protocol`` said in the
            search.
        notify
            E-mail address, if the search had no ``a.jsoc.Notify``.
        progress
            Show what is waited for, if something is.

        Returns
        -------
        drms.client.ExportRequest or list of it
            One request, or a list where one is not enough. Its ``id`` can be given to `get_request` later.

        Raises
        ------
        NotRegisteredError
            If there is no e-mail address, or none that the site knows.
        ExportError
            If the site refuses.
        QueryError
            If the method or protocol is unknown.
        """
        response = as_response(response)
        orders = exports.plan(response, method=method, protocol=protocol, notify=self._address(notify))
        announcer = Announcer(tqdm if progress else None, len(orders))
        try:
            requests = staging.submit(orders, Watch.of(STAGING_TIMEOUT, announcer.waiting), Journal())
        finally:
            announcer.close()
        response.requests = tuple(requests)
        return requests[0] if len(requests) == 1 else requests

    def get_request(
        self,
        requests: drms.ExportRequest | str | Sequence[drms.ExportRequest | str],
        path: str | Path | None = None,
        *,
        progress: bool = True,
        overwrite: bool | str = False,
        downloader: parfive.Downloader | None = None,
        wait: bool = True,
        **kwargs: Any,
    ) -> parfive.Results:
        """
        Download the files of finished requests.

        Parameters
        ----------
        requests
            What `request_data` returned, or identifiers such as ``"JSOC_20140325_334"``, also of requests made
            elsewhere. What this client's site does not know is looked for where the journal says that it was made.
        path
            Folder, or template with ``{file}``.
        progress
            Show a progress bar.
        overwrite
            Replace files that are there already; ``"unique"`` gives the new ones another name.
        downloader
            The downloader to use; ``progress`` and ``overwrite`` are then its business.
        wait
            Whether to download now; only a ``downloader`` that was given can do so later.
        **kwargs
            Other arguments that `sunpy.net.Fido` passes along, such as ``max_conn``; what the site allows prevails.

        Raises
        ------
        NotExportedError
            If a request is not finished yet.
        ExportError
            If one failed or expired.
        """
        _check_options(kwargs)
        if isinstance(requests, str | drms.ExportRequest):
            requests = [requests]
        if not isinstance(requests, list | tuple) or not all(
            isinstance(item, str | drms.ExportRequest) for item in requests
        ):
            raise QueryError(f"get_request takes requests or their identifiers, not {requests!r}.")
        journal = Journal()
        found = [self._request(item, journal) if isinstance(item, str) else item for item in requests]
        exports.check_finished(found)
        for request in found:
            if request.id:
                journal.note(exports.site_of(request).name, request.id, "done", files=len(request.data))
        # Overlapping requests bring a file twice.
        named = {
            (file.record or file.url, file.name): (exports.site_of(request), file)
            for request in found
            for file in remote.remote_files(request)
        }
        paths = remote.targets([file for _, file in named.values()], path)
        deliveries = [
            download.Delivery(where, file.url, target)
            for (where, file), target in zip(named.values(), paths, strict=True)
        ]
        where = {exports.site_of(request) for request in found}
        if downloader is None:
            downloader, wait = _downloader(progress=progress, overwrite=overwrite), True
        return fetching.download(deliveries, where, downloader, wait=wait)

    def fetch(
        self,
        response: JSOCResponse,
        *,
        path: str | Path | None = None,
        notify: str | None = None,
        progress: bool = True,
        overwrite: bool | str = False,
        downloader: parfive.Downloader | None = None,
        wait: bool = True,
        protocol: str | None = None,
        method: str | None = None,
        timeout: float = STAGING_TIMEOUT,
        strict: bool = False,
        dry_run: bool = False,
        return_table: bool = False,
        **kwargs: Any,
    ) -> parfive.Results | JSOCResponse | QTable:
        """
        Bring the files of a table, or of some of its rows.

        Files come straight from the site's storage, and their headers are completed here (``"quick"``), unless the
        site has to write them: because of an e-mail address or a protocol in the search or here, because of a
        processing step, or because they are offline. Staged requests are made one after the other, as JSOC allows
        one at a time.

        Parameters
        ----------
        response
            The rows.
        path
            A folder, or a template such as ``"data/{T_REC:%Y}/{wavelnth}/{file}"``. ``{file}`` is the name of the
            file, ``{segment}`` that of the segment, any other name a column of the table.
        notify
            E-mail address; it lets the site stage the files.
        progress, overwrite, downloader, wait, **kwargs
            As in `get_request`. Whole files that are there already are not asked for again.
        protocol
            ``"quick"``, ``"fits"`` (staged, with full headers) or ``"as-is"`` (as stored).
        method
            As in `request_data`; without it ``"url_quick"`` for files as they are stored, else ``"url"``.
        timeout
            Seconds to wait for each request.
        strict
            Raise when a file could not be brought, after all were tried; what others asked of the same downloader is
            brought, and lost to them then. Otherwise ``errors`` of the result lists them.
        dry_run
            Ask nothing, and return what would be done: a table of ways, numbers of files and requests, bytes and the
            expected time.
        return_table
            Return the table of the files instead of the list of their paths: the rows, once for each of their files,
            with the columns ``Segment`` and ``Path``; the path is masked for a file that did not come.

        Returns
        -------
        parfive.Results
            Paths of the files: in the order of the rows, and for each row in the order of its segments, without those
            that are in ``errors``. A row that is there twice is fetched once.

        Raises
        ------
        NotRegisteredError
            If something has to be staged and there is no e-mail address, or none that the site knows.
        ExportError
            If a request fails, or, if ``strict``, a download.
        QueryError
            If the table does not say which records its rows are, or the template names what is not there.
        DataError
            If two files would get the same path, or the folder cannot be written.
        """
        _check_options(kwargs)
        response = as_response(response)
        if not len(response):
            return response if return_table else parfive.Results()
        todo = plan.make(
            response,
            _definition,
            protocol=protocol,
            method=method,
            notify=_checked(notify),
            address=self._address(notify),
        )
        paths = files.targets(todo.files, path, response)
        if dry_run:
            return todo.table()
        if downloader is None:
            downloader, wait = _downloader(progress=progress, overwrite=overwrite), True
        fetch = Fetch(response, todo, paths, str(config.download_folder() if path is None else path), protocol, method)
        results = fetch.run(downloader, _definition, wait=wait, timeout=timeout, strict=strict)
        return fetch.table() if return_table else results

    def resume(self, *, path: str | Path | None = None, notify: str | None = None, **kwargs: Any) -> parfive.Results:
        """
        Finish the fetches that were interrupted, of this and of other processes, the oldest first.

        What was staged is not staged again, files that are whole are not asked for again, and of those that are not,
        the rest.

        Parameters
        ----------
        path
            Finish only those into this folder or template; all by default.
        notify
            E-mail address for what still has to be staged; addresses are not kept.
        **kwargs
            As for `fetch`.

        Returns
        -------
        parfive.Results
            The files of all of them, also those that had come before.

        Raises
        ------
        JSOCError
            What `fetch` raised for the first that failed altogether, after all were tried.
        """
        if refused := {"dry_run", "return_table"} & set(kwargs):
            raise QueryError(f"resume() finishes what was begun; it takes no {' and no '.join(sorted(refused))}.")
        together = parfive.Results()
        failures: list[JSOCError] = []
        for job in Journal().jobs():
            options = dict(job.options)
            if path is not None and options["path"] != str(Path(path).expanduser().absolute()):
                continue
            try:
                response = JSOCResponse.read(io.BytesIO(job.rows.encode()), client=self)
                results = self.fetch(
                    response,
                    path=options["path"],
                    protocol=options["protocol"],
                    method=options["method"],
                    notify=notify,
                    **kwargs,
                )
            except JSOCError as err:
                log.warning("The fetch of %d files into %s goes on to fail: %s", job.files, options["path"], err)
                failures.append(err)
                continue
            together.data += results.data
            together._urls += results.urls  # noqa: SLF001 - as sunpy joins results
            together._errors += results.errors  # noqa: SLF001
        if failures:
            raise failures[0]
        return together

    def requests(self) -> QTable:
        """
        The staged requests that this package made, the newest first: identifier, site, state, when, until when, what.

        Returns
        -------
        astropy.table.QTable
            Its ``ID`` can be given to `get_request`.
        """
        entries = Journal().requests()
        table = QTable()
        table["ID"] = [entry.requestid for entry in entries]
        table["Site"] = [entry.site for entry in entries]
        table["State"] = ["expired" if entry.expires < time.time() else entry.state for entry in entries]
        table["Submitted"] = [_moment(entry.submitted) for entry in entries]
        table["Expires"] = [_moment(entry.expires) for entry in entries]
        table["Files"] = [entry.files or 0 for entry in entries]
        table["Protocol"] = [entry.protocol for entry in entries]
        table["RecordSet"] = [entry.record_set for entry in entries]
        return table

    def series(self, pattern: str | None = None) -> list[str]:
        r"""
        Names of the series that the site has.

        Parameters
        ----------
        pattern
            Regular expression, in any case, that the names must contain.

        Examples
        --------
        >>> import jsoc_fido
        >>> jsoc_fido.JSOCClient().series(r"hmi\.v_45s$")
        ['hmi.V_45s']
        """
        return self.site.series(pattern)

    def with_keywords(self, response: JSOCResponse, *names: str) -> JSOCResponse:
        """
        The same rows with more keywords, which are asked for these records only.

        Parameters
        ----------
        response
            The rows.
        *names
            Names of keywords, in any case.

        Returns
        -------
        JSOCResponse
            A new table; a keyword that is there already has the new values. What a record no longer has is missing.

        Raises
        ------
        QueryError
            If the table does not say which records its rows are, or their series lack a keyword.
        TransportError
            If the site does not answer.

        Examples
        --------
        >>> import jsoc_fido
        >>> from sunpy.net import attrs as a
        >>> client = jsoc_fido.JSOCClient()
        >>> few = client.search(a.Time("2014-01-01T00:00", "2014-01-01T00:02"), a.jsoc.Series("hmi.v_45s"),
        ...                     a.jsoc.Keys("T_REC"))
        >>> client.with_keywords(few[:1], "WAVELNTH").show("WAVELNTH")["WAVELNTH"].value
        array([6173.], dtype=float32)
        """
        return lookups.with_keywords(as_response(response), attrs.Keys(*names).names, _definition)

    def harps(self, time: TimeRange, noaa: int | None = None, *, series: str = "hmi.sharp_720s") -> QTable:
        """
        Active region patches (HARPs) of a time range, and the NOAA active regions that they contain.

        Parameters
        ----------
        time
            The time range, as `sunpy.net.attrs.Time`.
        noaa
            Number of an active region; then only the patches that contain it.
        series
            A series of patches.

        Returns
        -------
        astropy.table.QTable
            One row for each patch: ``HARPNUM``, ``NOAA_ARS`` (the regions, as text), ``First`` and ``Last`` (the times
            of its first and last record in the range). One record an hour is looked at; a patch that lived for less
            than that may be missing.

        Raises
        ------
        QueryError
            If the series has no such patches.
        TransportError
            If the site does not answer.

        Examples
        --------
        >>> import jsoc_fido
        >>> from sunpy.net import attrs as a
        >>> client = jsoc_fido.JSOCClient()
        >>> patches = client.harps(a.Time("2014-01-01T00:00", "2014-01-01T01:00"))
        >>> patches.colnames
        ['HARPNUM', 'NOAA_ARS', 'First', 'Last']
        """
        if noaa is not None and (isinstance(noaa, bool) or not isinstance(noaa, int) or noaa <= 0):
            raise QueryError(f"noaa is the number of an active region, such as 11158, not {noaa!r}.")
        words: list[Attr] = [time, attrs.Series(series), attrs.Keys("NOAA_ARS")]
        if time.end - time.start > LONG:
            words.append(attrs.Sample(1 * u.hour))
        return lookups.patches(self.search(*words), noaa)

    def info(self, series: str) -> Series:
        """
        Definition of a series: prime keys, keywords, segments, links. Printed, it says all of that; in a notebook too.

        Parameters
        ----------
        series
            Name of the series, in any case.

        Raises
        ------
        QueryError
            If the site has no such series.
        """
        return self.site.definition(series)

    def _address(self, notify: str | None) -> str | None:
        """
        The e-mail address for what was searched without one.
        """
        return _checked(notify or self._email or config.default_email())

    def _request(self, identifier: str, journal: Journal) -> drms.ExportRequest:
        try:
            return exports.find(identifier, self.site)
        except (ExportError, TransportError):
            # Sites count alike, so the journal is asked only for what is not here.
            elsewhere = journal.site_of(identifier)
            if elsewhere in {None, self.site.name}:
                raise
            return exports.find(identifier, site(str(elsewhere)))

    def _answer(self, query: Query) -> JSOCResponse:
        where = site(query.site) if query.site else self.site
        _check_can_do(query, where)
        definition = where.definition(compose.series_name(query))
        record_set = compose.compose(query, definition)
        keys = compose.keys(query, definition) or ("**ALL**",)
        default = compose.default_segments(query, definition)
        segments = record_set.segments or default or tuple(definition.segments)
        log.debug("asking %s for %s", where.name, record_set)
        reply = where.records(str(record_set), keys=(*keys, *PSEUDO_KEYS), segments=segments)
        count = int(reply.get("count", 0))
        if count == where.limits.records:
            warn_user(
                f"{where.name} gives no more than {count} records in one answer, so some of {record_set} may be "
                "missing; search for a shorter time."
            )
        question = Question(
            record_set=str(record_set),
            site=where.name,
            series=definition.name,
            segments=segments,
            left_out=tuple(name for name in definition.segments if default and name not in default),
            count=count,
            asked=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            notify=query.notify,
            protocol=query.protocol,
            steps=query.steps,
        )
        # Fido names the site of the table's client above the table.
        client = self if where is self.site else JSOCClient(where.name, self._email)
        return JSOCResponse.from_reply(reply, definition, question, client=client, keys=query.keys)

    @classmethod
    def _can_handle_query(cls, *query: Any) -> bool:
        types = {type(attr) for attr in query}
        ours = any(kind.__name__ not in COMMON for kind in types)
        return ours and types <= understood()

    @classmethod
    def register_values(cls) -> dict[type, list[tuple[str, str]]]:
        """
        Series and segments that ``a.jsoc.Series.<TAB>`` and ``a.jsoc.Segment.<TAB>`` offer, from the catalogue in the
        package.
        """
        catalogue = json.loads(resources.files("jsoc_fido").joinpath("data", "catalogue.json").read_text("utf-8"))
        return {
            attrs.Series: [tuple(pair) for pair in catalogue["series"]],
            attrs.Segment: [tuple(pair) for pair in catalogue["segments"]],
        }


def _check_can_do(query: Query, where: Site) -> None:
    """
    Refuse what a site cannot make of its files, before it is asked for anything.
    """
    staged = [step.name for step in query.steps]
    if query.protocol and query.protocol.lower() != plan.QUICK:
        staged.append(f"protocol {query.protocol!r}")
    if staged and not where.can_stage:
        raise UnsupportedError(
            f"{where.name} stages nothing, so there is no {' and no '.join(staged)}; leave that out."
        )


def _definition(question: Question) -> Series:
    return site(question.site).definition(question.series)


def _checked(address: str | None) -> str | None:
    return attrs.Notify(address).value if address else None


def _downloader(*, progress: bool, overwrite: bool | str) -> parfive.Downloader:
    if overwrite not in (True, False, "unique"):
        raise QueryError(f"overwrite is True, False or 'unique', not {overwrite!r}.")
    return parfive.Downloader(max_splits=1, progress=progress, overwrite=overwrite)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_options(options: dict[str, Any]) -> None:
    """
    Say which options have no meaning here; Fido passes those of all archives to each.
    """
    unknown = sorted(set(options) - PASSED_BY_FIDO)
    if unknown:
        warn_user(f"The JSOC client does not know the options {', '.join(unknown)}; they change nothing.")


JSOCResponse.make_client = JSOCClient

# Creating the class has put it into Fido's registry; whether it answers is for `jsoc_fido.takeover` to say.
Fido.registry.pop(JSOCClient, None)
