"""
The client: it joins the words to the record sets, the record sets to a site, and the site to files.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import drms
import parfive
from sunpy.net import Fido
from sunpy.net.attr import Attr, and_
from sunpy.net.base_client import BaseClient
from sunpy.util.exceptions import warn_user

from jsoc_fido import attrs, compose, config, download, exports
from jsoc_fido.exceptions import ExportError, QueryError
from jsoc_fido.query import Query
from jsoc_fido.response import PSEUDO_KEYS, JSOCResponse, Question, as_response, stack
from jsoc_fido.series import Series
from jsoc_fido.site import Site, site
from jsoc_fido.walker import queries, understood

__all__ = ["JSOCClient"]

log = logging.getLogger(__name__)

#: Words that other archives understand too; alone they do not make a search ours.
COMMON = {"Time", "Wavelength", "Sample"}

#: What Fido and habits from sunpy's own client may pass; the site's limits and our waiting stand above it.
PASSED_BY_FIDO = frozenset({"max_conn", "max_splits", "sleep"})

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
            One table for all alternatives, in their order.

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
        return stack([self._answer(branch) for branch in queries(and_(*query))])

    def request_data(
        self, response: JSOCResponse, method: str = "url", protocol: str | None = None, notify: str | None = None
    ) -> drms.ExportRequest | list[drms.ExportRequest]:
        """
        Ask the site to stage the files of a table, or of some of its rows; return at once.

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
        requests = [exports.submit(order) for order in orders]
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
        response: JSOCResponse | None = None,
        **kwargs: Any,
    ) -> parfive.Results:
        """
        Download the files of finished requests.

        Parameters
        ----------
        requests
            What `request_data` returned, or identifiers such as ``"JSOC_20140325_334"``, also of requests made
            elsewhere.
        path
            Folder or template; see `fetch`.
        progress
            Show a progress bar.
        overwrite
            Replace files that are there already; ``"unique"`` gives the new ones another name.
        downloader
            The downloader to use; ``progress`` and ``overwrite`` are then its business.
        wait
            Whether to download now; only a ``downloader`` that was given can do so later.
        response
            The rows of the requests, for names of columns in ``path``.
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
        found = [exports.find(item, self.site) if isinstance(item, str) else item for item in requests]
        exports.check_finished(found)
        # Overlapping requests bring a file twice.
        named = {
            (file.record or file.url, file.name): file for request in found for file in download.remote_files(request)
        }
        files = list(named.values())
        paths = download.targets(files, path, response)
        if downloader is None:
            downloader = parfive.Downloader(max_splits=1, progress=progress, overwrite=overwrite)
            wait = True
        for where in {exports.site_of(request) for request in found}:
            download.be_polite(downloader, where.limits)
        download.enqueue(downloader, files, paths)
        return downloader.download() if wait and files else parfive.Results()

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
        **kwargs: Any,
    ) -> parfive.Results:
        """
        Stage the files of a table, or of some of its rows, and download them.

        Requests are staged one after the other, because JSOC allows one at a time.

        Parameters
        ----------
        response
            The rows.
        path
            A folder, or a template such as ``"data/{T_REC:%Y}/{wavelnth}/{file}"``. ``{file}`` is the name of the
            file, any other name a column of the table.
        notify
            E-mail address, if the search had no ``a.jsoc.Notify``.
        progress, overwrite, downloader, wait, **kwargs
            As in `get_request`.
        protocol, method
            As in `request_data`; without a method ``"url_quick"`` for files as they are stored, else ``"url"``.
        timeout
            Seconds to wait for each request.
        strict
            Raise when a file could not be downloaded, after all were tried. Otherwise ``errors`` of the result lists
            them.

        Raises
        ------
        NotRegisteredError
            If there is no e-mail address, or none that the site knows.
        ExportError
            If a request fails, or, if ``strict``, a download.
        """
        _check_options(kwargs)
        response = as_response(response)
        if len(response) == 0:
            return parfive.Results()
        orders = [
            replace(order, method="url_quick") if order.protocol == "as-is" and method is None else order
            for order in exports.plan(response, method=method or "url", protocol=protocol, notify=self._address(notify))
        ]
        requests = []
        for order in orders:
            request = exports.submit(order)
            exports.wait(request, timeout=timeout)
            requests.append(request)
        response.requests = tuple(requests)
        results = self.get_request(
            requests,
            path,
            progress=progress,
            overwrite=overwrite,
            downloader=downloader,
            wait=wait,
            response=response,
        )
        if results.errors:
            message = f"{len(results.errors)} of {len(results.errors) + len(results)} files could not be downloaded"
            log.warning("%s; give the result to Fido.fetch to try those again.", message)
            if strict:
                raise ExportError(f"{message}: {results.errors[0].exception}")
        return results

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
        >>> jsoc_fido.JSOCClient().series(r"hmi\.v_")
        ['hmi.V_45s']
        """
        return self.site.series(pattern)

    def info(self, series: str) -> Series:
        """
        Definition of a series: prime keys, keywords, segments, links.

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
        address = notify or self._email or config.default_email()
        return attrs.Notify(address).value if address else None

    def _answer(self, query: Query) -> JSOCResponse:
        where = site(query.site) if query.site else self.site
        definition = where.definition(compose.series_name(query))
        record_set = compose.compose(query, definition)
        keys = compose.keys(query, definition) or ("**ALL**",)
        segments = record_set.segments or tuple(definition.segments)
        log.debug("asking %s for %s", where.name, record_set)
        reply = where.records(str(record_set), keys=(*keys, *PSEUDO_KEYS), segments=segments)
        question = Question(query, str(record_set), where.name, definition.name, segments, int(reply.get("count", 0)))
        return JSOCResponse.from_reply(reply, definition, question, client=self)

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


def _check_options(options: dict[str, Any]) -> None:
    """
    Say which options have no meaning here; Fido passes those of all archives to each.
    """
    unknown = sorted(set(options) - PASSED_BY_FIDO)
    if unknown:
        warn_user(f"The JSOC client does not know the options {', '.join(unknown)}; they change nothing.")


# Creating the class has put it into Fido's registry; whether it answers is for `jsoc_fido.takeover` to say.
Fido.registry.pop(JSOCClient, None)
