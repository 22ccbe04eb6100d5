"""
Pages to look at: the site's root, the description of its interface, and quick-look pictures.

The pages are plain files, in ``page/``. They ask the site what any client may ask, under addresses relative to their
own, so that they work behind a proxy that puts a prefix in front.
"""

import importlib.resources
from collections.abc import Callable
from pathlib import Path

import anyio
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from jsoc_fido.exceptions import DataError
from jsoc_fido.localsite.quicklook import LARGEST, SMALLEST, picture

__all__ = ["add_pages", "policy"]

#: Pictures that are made at the same time, and seconds after which nobody waits for one any more.
PAINTERS = 2
PATIENCE = 30

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: Assets of the interface's description, from a package that keeps them for use without a network.
SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")


def policy(*, inline_styles: bool = False) -> dict[str, str]:
    """
    Headers that keep a page to what the site itself serves.

    Parameters
    ----------
    inline_styles
        Whether styles may stand in the page, and pictures in the styles, as Swagger UI wants it.
    """
    styles, pictures = ("'self' 'unsafe-inline'", "'self' data:") if inline_styles else ("'self'", "'self'")
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src {styles}; img-src {pictures}; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def add_pages(app: FastAPI, find: Callable[[str], Path | None]) -> None:
    """
    Add the pages to an application.

    Parameters
    ----------
    app
        The application.
    find
        Gives the file in the site's storage that a path leads to, None if it leads to none.
    """
    own = Path(str(importlib.resources.files("jsoc_fido.localsite"))) / "page"
    swagger = Path(str(importlib.resources.files("fastapi_offline"))) / "static"
    _add_asset(app, "/", own / "index.html", policy())
    _add_asset(app, "/docs", own / "docs.html", policy(inline_styles=True))
    for name in ("docs.js", "icon.svg", "page.css", "page.js"):
        _add_asset(app, f"/page/{name}", own / name, policy())
    for name in SWAGGER:
        _add_asset(app, f"/page/{name}", swagger / name, policy())
    _add_quicklook(app, find)


def _add_asset(app: FastAPI, address: str, path: Path, headers: dict[str, str]) -> None:
    def asset(request: Request) -> Response:
        reply = FileResponse(
            path,
            media_type=MEDIA_TYPES[path.suffix],
            headers={**headers, "Cache-Control": "no-cache"},
            stat_result=path.stat(),
        )
        return _unless_known(request, reply)

    app.add_api_route(address, asset, methods=["GET", "HEAD"], include_in_schema=False)


def _add_quicklook(app: FastAPI, find: Callable[[str], Path | None]) -> None:
    painters = anyio.CapacityLimiter(PAINTERS)

    async def quicklook(request: Request, path: str, size: int = Query(512, ge=SMALLEST, le=LARGEST)) -> Response:
        """
        A small PNG picture of the image in a stored file. A browser keeps it for as long as the file stays the same.
        """
        found = find(path)
        if found is None:
            raise HTTPException(404, "There is no such file.")
        stat = found.stat()
        headers = {"Cache-Control": "no-cache", "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}-{size}"'}
        known = _unless_known(request, Response(media_type="image/png", headers=headers))
        if known.status_code == 304:
            return known
        try:
            with anyio.fail_after(PATIENCE):
                content = await anyio.to_thread.run_sync(picture, found, size, limiter=painters, abandon_on_cancel=True)
        except DataError as err:
            raise HTTPException(415, str(err)) from err
        except TimeoutError as err:
            raise HTTPException(503, "Too many pictures are asked for; try again.") from err
        return Response(content, media_type="image/png", headers=headers)

    app.add_api_route(
        "/quicklook/{path:path}",
        quicklook,
        methods=["GET"],
        response_class=Response,
        responses={
            200: {"content": {"image/png": {}}, "description": "The picture."},
            304: {"description": "It has not changed."},
            404: {"description": "There is no such file."},
            415: {"description": "The file holds no image that can be shown."},
            503: {"description": "Too many pictures are asked for at once."},
        },
        tags=["files"],
        summary="Quick-look picture",
    )


def _unless_known(request: Request, reply: Response) -> Response:
    """
    The reply, or word that the one who asks has it already.
    """
    etag = reply.headers["etag"]
    if etag not in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}:
        return reply
    kept = {name: reply.headers[name] for name in ("etag", "cache-control")}
    return Response(status_code=304, headers=kept)
