"""
HTTP in front of a site: JSOC's CGIs under ``/cgi-bin/ajax/``, the files under ``/SUM0/`` (contract B), and some pages.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from python_multipart.exceptions import FormParserError
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Message, Receive, Scope, Send

from jsoc_fido.exceptions import JSOCError, QueryError
from jsoc_fido.localsite import info, inquiry, uploads
from jsoc_fido.localsite.catalogue import STORAGE, Catalogue
from jsoc_fido.localsite.exporter import Exporter
from jsoc_fido.localsite.flarecast import add_flarecast
from jsoc_fido.localsite.interface import PROGRAMS
from jsoc_fido.localsite.listing import json_text
from jsoc_fido.localsite.pages import add_pages
from jsoc_fido.localsite.pending import manage_request
from jsoc_fido.localsite.replies import FAILED, Index, InFrame, PlainText, formatted
from jsoc_fido.localsite.spool import CHUNK, Reply
from jsoc_fido.version import version

__all__ = ["Counter", "create_app"]

log = logging.getLogger(__name__)

BASE = "/cgi-bin/ajax"

#: Bytes of a body that are read: many times what the longest record set and the longest list have.
MOST_SENT = 2 << 20

#: What may stand before the expression of ``show_series``.
_VERBOSE = re.compile(r"^v=[^&]*(&|$)")

#: Replies that are no JSON, or are not to be taken for it.
MEDIA_TYPES: dict[type, str] = {PlainText: "text/plain", InFrame: "text/html"}

#: What is said where the site itself is wrong.
BROKEN = "this site has failed to answer; its log says why"

#: A site may run for months; what was asked long ago is forgotten.
MOST_COUNTED = 100_000

Parameters = dict[str, str]

#: Gives the name of what is asked for, and what answers it.
Handler = Callable[[Request, Parameters], tuple[str, Callable[[], object]]]


class StoredFileResponse(FileResponse):
    """
    A file in pieces that are worth a turn of the event loop.
    """

    chunk_size = 1 << 20


class SpooledResponse(StreamingResponse):
    """
    A reply from its spool, which is closed however the sending ends.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(iter(reply), media_type="application/json", headers={"Content-Length": str(reply.size)})
        self.reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.reply:
            await super().__call__(scope, receive, send)


class Counter:
    """
    Keeps what was asked, so that tests can count round trips. It never holds parameters, which may name people.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    def add(self, method: str, what: str) -> None:
        self.requests.append((method, what))
        if len(self.requests) > MOST_COUNTED:
            del self.requests[: MOST_COUNTED // 2]
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
    app = FastAPI(
        title="A DRMS site",
        description="Series, records and files, asked for and answered as at JSOC.",
        version=version,
        docs_url=None,
        redoc_url=None,
        # Relative to the description, so that it holds behind a proxy that puts a prefix in front.
        servers=[{"url": "./"}],
        root_path_in_servers=False,
        redirect_slashes=False,
    )
    counter = counter or Counter()

    async def answer(request: Request, program: str) -> Response:
        failure = partial(_failure, program)
        try:
            operation, reply = programs[program](request, await _parameters(request))
        except (StarletteHTTPException, QueryError) as err:
            # A form that cannot be read, or is too long.
            operation, reply = program, partial(failure, f"Bad QUERY_STRING: {getattr(err, 'detail', err)}")
        counter.add(request.method, operation)
        request.state.operation = operation
        if delay:
            await asyncio.sleep(delay)
        body = await run_in_threadpool(_answered, reply, failure)
        if isinstance(body, Reply):
            return SpooledResponse(body)
        return Response(body, media_type=MEDIA_TYPES.get(type(body), "application/json"))

    def cgi(name: str) -> None:
        async def endpoint(request: Request) -> Response:
            return await answer(request, name)

        for method in ("GET", "POST"):
            described = PROGRAMS[name].operation(method)
            app.add_api_route(f"{BASE}/{name}", endpoint, methods=[method], openapi_extra=described)

    programs = _programs(catalogue, exporter)
    for name in programs:
        cgi(name)

    storage = catalogue.directory / STORAGE

    def find(path: str) -> Path | None:
        try:
            found = (storage / path).resolve()
            return found if found.is_relative_to(storage) and found.is_file() else None
        except (OSError, ValueError):
            return None

    @app.api_route("/" + STORAGE + "/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(request: Request, path: str) -> Response:
        counter.add(request.method, "file")
        request.state.operation = "file"
        found = find(path)
        if found is None:
            raise HTTPException(404)
        return StoredFileResponse(found, media_type=_media_type(found.suffix))

    def note(request: Request, operation: str) -> None:
        counter.add(request.method, operation)
        request.state.operation = operation

    add_flarecast(app, catalogue, note)
    add_pages(app, lambda path: find(path.removeprefix(f"{STORAGE}/")) if path.startswith(f"{STORAGE}/") else None)
    return app


def _programs(catalogue: Catalogue, exporter: Exporter) -> dict[str, Handler]:
    """
    The CGIs by name.
    """

    def show_series(request: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        pattern, verbose = _filter(request, parameters), inquiry.flag(parameters, "v")
        return "show_series", lambda: info.show_series(catalogue, pattern, verbose=verbose)

    def showextseries(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        pattern, with_info = parameters.get("filter", ""), parameters.get("info") == "1"
        return "showextseries", lambda: info.showextseries(catalogue, pattern, info=with_info)

    def jsoc_info(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        return _operation("jsoc_info", parameters), lambda: inquiry.answer(catalogue, parameters)

    def jsoc_fetch(request: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        host = request.client.host if request.client is not None else ""

        def reply() -> object:
            found = formatted(exporter.answer(parameters, host), parameters.get("format"))
            in_frame = uploads.is_upload(parameters) and not isinstance(found, PlainText)
            return InFrame.of(json_text(found) + "\n") if in_frame else found

        return _operation("jsoc_fetch", parameters), reply

    def check_address(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        address, register = parameters.get("address", ""), not inquiry.flag(parameters, "checkonly")
        return "checkAddress", lambda: exporter.addresses.answer(address, register=register)

    def manage(_: Request, parameters: Parameters) -> tuple[str, Callable[[], object]]:
        return "manage-request", lambda: manage_request(catalogue, exporter.addresses, parameters)

    return {
        "show_series": show_series,
        "showextseries": showextseries,
        "jsoc_info": jsoc_info,
        "jsoc_fetch": jsoc_fetch,
        "checkAddress.sh": check_address,
        "manage-request": manage,
    }


def _operation(program: str, parameters: Parameters) -> str:
    """
    What is asked of a program, for those who count and log: never what else may stand in its place.
    """
    operation = parameters.get("op", "")
    return operation if operation in PROGRAMS[program].operations else program


def _failure(program: str, words: str) -> dict[str, Any]:
    """
    An error in the form that a program has for it (contract B.1 to B.8, B.13).
    """
    forms: dict[str, dict[str, Any]] = {
        "checkAddress.sh": {"status": -1, "msg": words, "user_id": None},
        "jsoc_fetch": {"status": FAILED, "error": words},  # 1 would mean that the request is worked on
        "manage-request": {"status": "-1", "msg": words},
        "show_series": {"status": 1, "errmsg": words},
        "showextseries": {"errMsg": words, "seriesList": []},
    }
    return forms.get(program, {"status": 1, "error": words})


def _answered(reply: Callable[[], object], failure: Callable[[str], object]) -> str | bytes | Reply:
    try:
        return _sent(reply())
    except JSOCError as err:
        words = str(err)
    except SQLAlchemyError as err:
        log.warning("the database does not answer: %s", err)
        words = "problem with database query: the database cannot be used at the moment"
    except Exception:
        # Clients read what their protocol has for it, and nothing else.
        log.exception("a request cannot be answered")
        words = BROKEN
    return _sent(failure(words))


def _sent(body: object) -> str | bytes | Reply:
    if isinstance(body, Reply):
        # What goes out at once needs no streaming.
        return body if body.size > CHUNK else bytes(body)
    if isinstance(body, Index):
        return body.text
    return body if isinstance(body, str) else json_text(body) + "\n"


async def _parameters(request: Request) -> Parameters:
    """
    Parameters of a request, from the URL and from the body, urlencoded or multipart; the first of a name counts.

    Raises
    ------
    HTTPException
        If the body is not what it says to be.
    QueryError
        If it is too long.
    """
    left = MOST_SENT

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise QueryError(f"more than {MOST_SENT} bytes were sent.")
        return message

    if len(request.url.query) > MOST_SENT:
        raise QueryError(f"more than {MOST_SENT} bytes were sent.")
    parameters: Parameters = {}
    for name, value in request.query_params.multi_items():
        parameters.setdefault(name, value)
    if request.method == "POST":
        try:
            async with Request(request.scope, receive).form() as form:
                for name, field in form.multi_items():
                    # More than can be used is not read: a record set that is too long is told so.
                    text = field if isinstance(field, str) else (await field.read(uploads.MOST + 1)).decode("latin-1")
                    parameters.setdefault(name, text)
        except FormParserError as err:
            # starlette does this itself from 1.8 on.
            raise HTTPException(400, "Invalid multipart data.") from err
    return parameters


def _filter(request: Request, parameters: Parameters) -> str:
    # The program takes all behind the first "=", and leaves a plus sign alone, which means something in an expression.
    query = _VERBOSE.sub("", request.url.query)
    _, equals, text = query.partition("=")
    return unquote(text.partition("&")[0]) if equals else parameters.get("filter", "")


def _media_type(suffix: str) -> str:
    return {
        ".fits": "application/fits",
        ".json": "application/json",
        ".txt": "text/plain; charset=utf-8",
        ".tar": "application/x-tar",
    }.get(suffix.lower(), "application/octet-stream")
