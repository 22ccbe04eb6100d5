"""
HTTP in front of a site: JSOC's CGIs under ``/cgi-bin/ajax/`` and the files under ``/SUM0/`` (contract B).
"""

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from jsoc_fido.exceptions import JSOCError, QueryError
from jsoc_fido.localsite import info
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.listing import json_text, rs_list

__all__ = ["Counter", "create_app"]

log = logging.getLogger(__name__)

BASE = "/cgi-bin/ajax"

Parameters = dict[str, str]


class Counter:
    """
    Keeps what was asked, so that tests can count round trips. It never holds parameters, which may name people.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    def add(self, method: str, what: str) -> None:
        self.requests.append((method, what))
        log.debug("%s %s", method, what)

    def count(self, what: str) -> int:
        return sum(asked == what for _, asked in self.requests)


def create_app(
    catalogue: Catalogue, exporter: Exporter, *, delay: float = 0.0, counter: Counter | None = None
) -> FastAPI:
    """
    Make the application.

    Parameters
    ----------
    catalogue
        The site.
    exporter
        Stages its files.
    delay
        Seconds to wait before each answer of a CGI, as if the site were far away.
    counter
        Where to note what was asked.
    """
    app = FastAPI(title="A DRMS site", docs_url=None, redoc_url=None, openapi_url=None)
    counter = counter or Counter()

    async def answer(request: Request, operation: str, reply: Callable[[], object]) -> Response:
        counter.add(request.method, operation)
        if delay:
            await asyncio.sleep(delay)
        body = await run_in_threadpool(_answered, reply)
        return Response(body, media_type="application/json")

    def cgi(name: str, handler: Callable[[Request, Parameters], tuple[str, Callable[[], object]]]) -> None:
        async def endpoint(request: Request) -> Response:
            operation, reply = handler(request, await _parameters(request))
            return await answer(request, operation, reply)

        app.add_api_route(f"{BASE}/{name}", endpoint, methods=["GET", "POST"])

    def show_series(request: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        pattern = _filter(request, parameters)
        return "show_series", lambda: info.show_series(catalogue, pattern)

    def showextseries(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        pattern, with_info = parameters.get("filter", ""), parameters.get("info") == "1"
        return "showextseries", lambda: info.showextseries(catalogue, pattern, info=with_info)

    def jsoc_info(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        return parameters.get("op", "jsoc_info"), lambda: _jsoc_info(catalogue, parameters)

    def jsoc_fetch(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        return parameters.get("op", "jsoc_fetch"), lambda: exporter.answer(parameters)

    def check_address(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        address = parameters.get("address", "")
        return "checkAddress", lambda: exporter.addresses.answer(address)

    cgi("show_series", show_series)
    cgi("showextseries", showextseries)
    cgi("jsoc_info", jsoc_info)
    cgi("jsoc_fetch", jsoc_fetch)
    cgi("checkAddress.sh", check_address)

    storage = catalogue.directory / STORAGE

    @app.api_route("/" + STORAGE + "/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, path: str) -> Response:
        counter.add(request.method, "file")
        try:
            found = (storage / path).resolve()
        except (OSError, ValueError) as err:
            raise HTTPException(404) from err
        if not found.is_relative_to(storage) or not found.is_file():
            raise HTTPException(404)
        return FileResponse(found, media_type=_media_type(found.suffix))

    return app


def _answered(reply: Callable[[], object]) -> str:
    try:
        body = reply()
    except JSOCError as err:
        body = {"status": 1, "error": str(err)}
    return body if isinstance(body, str) else json_text(body) + "\n"


def _jsoc_info(catalogue: Catalogue, parameters: Parameters) -> object:
    operation, ds = parameters.get("op", ""), parameters.get("ds", "")
    if operation == "series_struct":
        return info.series_struct(catalogue, ds)
    limit = _integer(parameters, "n")
    if operation == "rs_summary":
        return info.rs_summary(catalogue, ds, limit=limit)
    if operation == "rs_list":
        return rs_list(
            catalogue,
            ds,
            key=parameters.get("key", ""),
            seg=parameters.get("seg", ""),
            link=parameters.get("link", ""),
            limit=limit,
            recinfo=parameters.get("R") == "1",
            exact=parameters.get("M", "0") not in {"", "0"},
        )
    raise QueryError(f"{operation!r} is no operation of jsoc_info; there are series_struct, rs_summary and rs_list.")


def _integer(parameters: Parameters, name: str) -> int:
    text = parameters.get(name) or "0"
    try:
        return int(text)
    except ValueError as err:
        raise QueryError(f"Bad QUERY_STRING: {name}={text} is no integer.") from err


async def _parameters(request: Request) -> Parameters:
    """
    Parameters of a request, from the URL and from the body, urlencoded or multipart; the first of a name counts.
    """
    parameters: Parameters = {}
    for name, value in request.query_params.multi_items():
        parameters.setdefault(name, value)
    if request.method == "POST":
        async with request.form() as form:
            for name, field in form.multi_items():
                if isinstance(field, str):
                    parameters.setdefault(name, field)
    return parameters


def _filter(request: Request, parameters: Parameters) -> str:
    # The program takes all behind the first "=", and leaves a plus sign alone, which means something in an expression.
    _, equals, text = request.url.query.partition("=")
    return unquote(text.partition("&")[0]) if equals else parameters.get("filter", "")


def _media_type(suffix: str) -> str:
    return {
        ".fits": "application/fits",
        ".json": "application/json",
        ".txt": "text/plain; charset=utf-8",
        ".tar": "application/x-tar",
    }.get(suffix.lower(), "application/octet-stream")
