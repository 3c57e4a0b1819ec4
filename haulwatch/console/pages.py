"""The page and its static files, with caching that never shows an old console after an update."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class ConsoleFiles(StaticFiles):
    """Vendored files have their version in the path and may be kept for ever; our own are asked for again (304)."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        response = await super().get_response(path, scope)
        vendored = Path(path).parts[:1] == ("vendor",) and Path(path).name != "manifest.json"
        response.headers["Cache-Control"] = FOR_EVER if vendored and response.status_code == 200 else ASK_AGAIN
        return response


def router() -> APIRouter:
    """The dispatcher's page; every order has an address of its own."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/")
    @pages.get("/orders")
    @pages.get("/orders/{order_id}")
    def dispatcher_page(order_id: str = "") -> FileResponse:  # noqa: ARG001  # read by the page's script
        return FileResponse(STATIC / "index.html", media_type="text/html", headers={"Cache-Control": ASK_AGAIN})

    @pages.get("/favicon.ico")
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers={"Cache-Control": ASK_AGAIN})

    return pages
