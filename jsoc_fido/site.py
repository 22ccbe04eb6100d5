"""
A DRMS site: where it is, what it can do, and what it answers.
"""

import copyreg
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import astropy.units as u
import drms
from astropy.config.paths import get_cache_dir_path
from drms.config import ServerConfig
from drms.json import HttpJsonClient

from jsoc_fido.connection import Connection, Limits
from jsoc_fido.exceptions import NotRegisteredError, QueryError, ServerError
from jsoc_fido.series import Series
from jsoc_fido.tokens import SERIES

__all__ = ["LOCAL", "Site", "add_kind", "host_of", "is_local", "register_site", "site"]

log = logging.getLogger(__name__)


#: Seconds for which a series' definition on disk is believed.
DEFINITION_LIFETIME = 86400.0

#: What to do about an address that JSOC does not know.
REGISTER = "Register it at http://jsoc.stanford.edu/ajax/register_email.html."


#: A site on this machine has nobody to share it with.
LOCAL = Limits(connections=5, questions=8, poll=(0.1, 2.0), staging=1 * u.s, rate=200 * u.Mbyte / u.s, pause=0.05)


class Site:
    """
    A DRMS site.

    Use `site` to get one; each site is made once in a process, so that all clients share what it has told about its
    series.

    Parameters
    ----------
    server
        drms' description of the site.
    limits
        How politely it wants to be treated.
    """

    #: Whether its files come with a complete header, and their name in ``Content-Disposition``.
    has_finished_files = False

    def __init__(self, server: ServerConfig, limits: Limits) -> None:
        self.server = server
        self.limits = limits
        self.connection = Connection(server, limits)
        self._definitions: dict[str, Series] = {}
        self._registered: set[str] = set()

    def __repr__(self) -> str:
        return f"<Site {self.name}: {self.url}>"

    @property
    def name(self) -> str:
        """
        The name under which `site` finds it again.
        """
        return str(self.server.name)

    @property
    def url(self) -> str:
        """
        Address of its files, without a slash at the end.
        """
        return str(self.server.http_download_baseurl or self.server.cgi_baseurl or "").rstrip("/")

    @property
    def has_files(self) -> bool:
        """
        Whether it offers files, and not only answers to searches.
        """
        return bool(self.server.http_download_baseurl)

    @property
    def can_stage(self) -> bool:
        """
        Whether it can be asked to write files.
        """
        return bool(self.server.check_supported("export"))

    def drms_client(self) -> drms.Client:
        """
        A `drms.Client` that talks over this site's connection.
        """
        client = drms.Client(self.server)
        client._json = self.connection  # noqa: SLF001 - drms offers no other way to choose the connection
        return client

    def definition(self, series: str) -> Series:
        """
        Definition of a series; it is asked for once, and then remembered in memory and on disk.

        Parameters
        ----------
        series
            Name of the series, in any case.

        Raises
        ------
        QueryError
            If the site has no such series.
        TransportError
            If the site does not answer.
        """
        key = series.lower()
        if not SERIES.fullmatch(key):
            raise QueryError(f"{series!r} is no name of a series; one looks like 'hmi.m_45s'.")
        if key not in self._definitions:
            stored = self._stored_definition(key)
            reply = _read(stored) if stored else None
            if reply is None:
                reply = self.connection.series_struct(key)
                if int(reply.get("status", 1)) != 0:
                    raise QueryError(
                        f"Series {series!r} is not known to {self.name}: {_words(reply)}. {self._similar_series(key)}"
                    )
                if stored:
                    _write(stored, reply)
            self._definitions[key] = Series.from_struct(reply, series)
        return self._definitions[key]

    def series(self, pattern: str | None = None) -> list[str]:
        """
        Names of the series whose name fits a regular expression.

        Raises
        ------
        ServerError
            If the site refuses the pattern.
        TransportError
            If the site does not answer.
        """
        try:
            return list(map(str, self.drms_client().series(pattern)))
        except drms.DrmsQueryError as err:
            raise ServerError(
                f"{self.name} refused to list the series like {pattern!r}: {err}. Is that a regular expression?",
                url=self.url,
            ) from err

    def records(self, record_set: str, *, keys: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, Any]:
        """
        Keywords and segment paths of the records of a record set, as the site prints them (contract B.5).

        The values of many records are `jsoc_fido.columns.Texts`, which take much less memory than lists.

        Raises
        ------
        ServerError
            If the site refuses the record set.
        TransportError
            If the site does not answer.
        """
        reply: dict[str, Any] = self.connection.rs_list(
            record_set, key=list(keys), seg=list(segments) or None, recinfo=True
        )
        self._check(reply, f"the record set {record_set}")
        return reply

    def exact_keywords(self, record_set: str, segments: tuple[str, ...] = ()) -> dict[str, Any]:
        """
        All keywords of the records of a record set with all their digits (contract B.3, ``M``), and segment paths.

        Raises
        ------
        ServerError
            If the site refuses the record set.
        TransportError
            If the site does not answer.
        """
        question = {"op": "rs_list", "ds": record_set, "key": "**ALL**,*recnum*", "seg": ",".join(segments), "M": "1"}
        reply = self.connection.ask(f"{self.server.url_jsoc_info}?{urlencode(question)}")
        self._check(reply, f"the record set {record_set}")
        return reply

    def download(self, url: str, path: Path) -> None:
        """
        Bring one file. Many are brought by `jsoc_fido.download`.

        Raises
        ------
        TransportError
            If it does not come, or not all of it.
        """
        self.connection.download(url, path)

    def check_registered(self, email: str) -> None:
        """
        Make sure that the site knows an e-mail address; it is asked once for each address.

        Raises
        ------
        NotRegisteredError
            If it does not, with its own words.
        TransportError
            If the site does not answer.
        """
        if not self.can_stage:
            raise NotRegisteredError(f"{self.name} stages nothing, so it knows no addresses.")
        if email in self._registered:
            return
        reply = self.connection.check_address(email)
        if int(reply.get("status", -1)) != 2:
            raise NotRegisteredError(
                f"The e-mail address is invalid or not registered with {self.name}: {_words(reply)} "
                f"{REGISTER if self.name == 'jsoc' else ''}".rstrip(),
                status=int(reply.get("status", -1)),
            )
        self._registered.add(email)

    def _check(self, reply: dict[str, Any], what: str) -> None:
        status = int(reply.get("status", 1))
        if status != 0:
            raise ServerError(f"{self.name} refused {what}: {_words(reply)}", url=self.url, status=status)

    def _similar_series(self, name: str) -> str:
        project = name.partition(".")[0]
        return (
            f"See what it has with client.series({project + '.'!r})."
            if project.isalnum()
            else "Name a series as in 'hmi.m_45s'."
        )

    def _stored_definition(self, key: str) -> Path | None:
        parts = urlsplit(self.url)
        if is_local(parts.hostname or "") or not all(part.isidentifier() or part.isalnum() for part in key.split(".")):
            # A site on this machine is quick to ask, and may have been replaced by another one at the same address.
            return None
        return get_cache_dir_path("jsoc_fido") / quote(f"{parts.netloc}{parts.path}", safe="") / f"{key}.json"


def _connection_of(where: str) -> Connection:
    return site(where).connection


# An export request from a pickle goes on over the connection that is there.
copyreg.pickle(Connection, lambda connection: (_connection_of, (str(connection.server.name),)))


def _words(reply: dict[str, Any]) -> str:
    return str(reply.get("error") or reply.get("msg") or "no reason was given").strip()


def is_local(host: str) -> bool:
    """
    Whether a host is this machine.
    """
    return host in {"localhost", "::1"} or host.startswith("127.")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if time.time() - path.stat().st_mtime > DEFINITION_LIFETIME:
            return None
        reply: dict[str, Any] = json.loads(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return reply


def _write(path: Path, reply: dict[str, Any]) -> None:
    # Several processes may write at once: each its own file, then one name. Without a writable cache one asks again.
    temporary = path.with_suffix(f".{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(reply), "ascii")
        temporary.replace(path)
    except OSError as err:
        log.debug("the definition could not be kept: %s", err.strerror)


#: Makes a site of a kind from its name and URL.
Maker = Callable[[str, str], Site]

_kinds: dict[str, Maker] = {}

#: Sites that were registered, by name in lower case, or by URL.
_registered: dict[str, Site] = {}

#: Names that mean the same for everybody.
RESERVED = frozenset({"jsoc", "kis"})


def add_kind(kind: str, make: Maker) -> None:
    """
    Let `register_site` know another kind of site.

    Parameters
    ----------
    kind
        Its name.
    make
        Makes a site of this kind from its name and its URL.
    """
    _kinds[kind] = make


def register_site(name: str, url: str | None = None, *, kind: str = "drms") -> None:
    """
    Give a site a name, under which ``a.jsoc.Site`` and ``JSOCClient(site=)`` know it in this process.

    Parameters
    ----------
    name
        The name, in any case; or a URL, which from now on means a site of this kind.
    url
        Where the site is.
    kind
        ``"drms"``, with the CGIs below ``cgi-bin/ajax/``, or ``"flarecast"``.

    Raises
    ------
    QueryError
        If the name is JSOC's or KIS's, the URL is none, or there is no such kind.

    Examples
    --------
    >>> import jsoc_fido
    >>> jsoc_fido.register_site("our-archive", "http://127.0.0.1:8080")
    >>> jsoc_fido.JSOCClient(site="our-archive").site
    <Site our-archive: http://127.0.0.1:8080>
    """
    if not isinstance(name, str) or not name.strip() or name.strip().lower() in RESERVED:
        raise QueryError(f"A site cannot be called {name!r}; choose a name that is not empty, 'jsoc' or 'kis'.")
    key = _key(name)
    if _is_url(key) and url is not None:
        raise QueryError(f"{name!r} is a URL already; give it alone, or with another name.")
    where = key if url is None else url
    if not isinstance(where, str) or not _is_url(where):
        raise QueryError(f"{where!r} is no URL of a site; one looks like 'http://127.0.0.1:8080'.")
    if kind not in _kinds:
        raise QueryError(f"{kind!r} is no kind of site; there are {', '.join(sorted(_kinds))}.")
    _registered[key] = _kinds[kind](key, _key(where))


def _is_url(text: str) -> bool:
    return text.strip().lower().startswith(("http://", "https://"))


def _key(text: str) -> str:
    text = text.strip()
    return text.rstrip("/") if _is_url(text) else text.lower()


@cache
def _known_site(name: str) -> Site:
    try:
        server = HttpJsonClient(name).server
    except KeyError as err:
        known = ", ".join(map(repr, sorted({*RESERVED, *(key for key in _registered if not _is_url(key))})))
        raise QueryError(
            f"Site {name!r} is not known. Use {known}, the URL of a DRMS site, or jsoc_fido.register_site first."
        ) from err
    return Site(server, Limits())


def _drms_site(name: str, url: str) -> Site:
    host = host_of(url)
    server = ServerConfig(
        name=name,
        cgi_baseurl=f"{url}/cgi-bin/ajax/",
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        http_download_baseurl=f"{url}/",
    )
    return Site(server, LOCAL if is_local(host) else Limits())


@cache
def _site_at(url: str) -> Site:
    return _drms_site(url, url)


def host_of(url: str) -> str:
    """
    The host in the URL of a site.

    Raises
    ------
    QueryError
        If it is no URL of a site.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as err:
        raise QueryError(f"{url!r} is no URL of a DRMS site: {err}.") from err
    if not host or parts.username or parts.query or parts.fragment:
        raise QueryError(f"{url!r} is no URL of a DRMS site; one looks like 'http://127.0.0.1:8080'.")
    return host


def site(where: str) -> Site:
    """
    Find a site by name or URL.

    Parameters
    ----------
    where
        ``"jsoc"``, ``"kis"``, ``"flarecast"``, a name registered with `register_site` or with
        `drms.config.register_server`, or a URL, under which ``cgi-bin/ajax/`` has the CGIs.

    Raises
    ------
    QueryError
        If there is no such site.

    Examples
    --------
    >>> from jsoc_fido.site import site
    >>> site("jsoc").url
    'http://jsoc.stanford.edu'
    """
    key = _key(where)
    if key in _registered:
        return _registered[key]
    return _site_at(key) if _is_url(key) else _known_site(key)


add_kind("drms", _drms_site)
