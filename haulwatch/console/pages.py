"""The page and its static files, with caching that never shows an old console after an update."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from haulwatch.console.access import Allowed, Open
from haulwatch.console.auth.pages import home_of
from haulwatch.domain.access import LOOKERS, PEOPLE, READERS
from haulwatch.domain.orders import Actor

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
    readers = [Depends(Allowed(*READERS))]

    @pages.get("/", response_model=None)
    def front_page(actor: Annotated[Actor, Depends(Allowed(*PEOPLE))]) -> Response:
        """The dispatcher's page; a wall and a squad have one of their own."""
        home = home_of(actor)
        return dispatcher_page() if home == "/" else RedirectResponse(home, 303, {"Cache-Control": "no-store"})

    @pages.get("/orders", dependencies=readers)
    @pages.get("/orders/{order_id}", dependencies=readers)
    def dispatcher_page(order_id: str = "") -> FileResponse:  # noqa: ARG001  # read by the page's script
        return FileResponse(STATIC / "index.html", media_type="text/html", headers={"Cache-Control": ASK_AGAIN})

    @pages.get("/wall", dependencies=[Depends(Allowed(*PEOPLE))])
    def wall_page() -> FileResponse:
        return FileResponse(STATIC / "wall.html", media_type="text/html", headers={"Cache-Control": ASK_AGAIN})

    @pages.get("/offenders", dependencies=readers)
    def offenders_page() -> FileResponse:
        return FileResponse(STATIC / "offenders.html", media_type="text/html", headers={"Cache-Control": ASK_AGAIN})

    @pages.get("/rules", dependencies=[Depends(Allowed(*LOOKERS))])
    def operators_page() -> FileResponse:
        return FileResponse(STATIC / "operators.html", media_type="text/html", headers={"Cache-Control": ASK_AGAIN})

    @pages.get("/favicon.ico", dependencies=[Depends(Open())])
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers={"Cache-Control": ASK_AGAIN})

    return pages
