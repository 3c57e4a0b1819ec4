"""The squad's page: a shell that holds nothing about anybody, so that a phone may keep it and show it offline.

Everything in it comes from the API, which asks who is there.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fastapi import APIRouter, Depends
from starlette.responses import FileResponse, Response

from haulwatch.console.access import Open
from haulwatch.console.pages import ASK_AGAIN, STATIC
from haulwatch.console.security import HEADERS

SHELL_FOLDERS = ("squad/**/*.js", "squad/**/*.css", "squad/**/*.png", "vendor/lit*/**/*.js")
SHELL_FILES = (
    "css/tokens.css",
    "i18n/en.json",
    "i18n/zh.json",
    "icon.svg",
    "js/format.js",
    "js/i18n.js",
    "js/lib.js",
    "js/theme.js",
    "vendor/ol-10.11.0/dist/ol.js",
)
NOT_KEPT = ("squad/sw.js",)
MANIFEST = "application/manifest+json"
PERMISSIONS = HEADERS["Permissions-Policy"].replace("geolocation=()", "geolocation=(self)")
"""A photo says where it was taken, if the person allows it."""


def router() -> APIRouter:
    """The page, its service worker and its manifest."""
    pages = APIRouter(prefix="/squad", include_in_schema=False, dependencies=[Depends(Open())])
    worker = service_worker(STATIC)

    @pages.get("")
    @pages.get("/orders/{order_id}")
    def squad_page(order_id: str = "") -> FileResponse:  # noqa: ARG001  # read by the page's script
        headers = {"Cache-Control": ASK_AGAIN, "Permissions-Policy": PERMISSIONS}
        return FileResponse(STATIC / "squad" / "index.html", media_type="text/html", headers=headers)

    @pages.get("/sw.js")
    def squad_worker() -> Response:
        headers = {"Cache-Control": ASK_AGAIN, "Service-Worker-Allowed": "/squad"}
        return Response(worker, media_type="text/javascript", headers=headers)

    @pages.get("/manifest.webmanifest")
    def squad_manifest() -> FileResponse:
        headers = {"Cache-Control": ASK_AGAIN}
        return FileResponse(STATIC / "squad" / "manifest.webmanifest", media_type=MANIFEST, headers=headers)

    return pages


def service_worker(static: Path) -> str:
    """The service worker with the files that it keeps and a digest of all of them: any change is a new worker."""
    files = shell_files(static)
    digest = hashlib.sha256()
    for path in [static / "squad" / "index.html", *files]:
        digest.update(path.read_bytes())
    addresses = ["/squad", *(f"/static/{path.relative_to(static).as_posix()}" for path in files)]
    source = (static / "squad" / "sw.js").read_text("utf-8")
    return source.replace("{{version}}", digest.hexdigest()[:16]).replace("{{files}}", json.dumps(addresses))


def shell_files(static: Path) -> list[Path]:
    """The files of the shell besides the page itself."""
    found = {path for pattern in SHELL_FOLDERS for path in static.glob(pattern)}
    found |= {static / name for name in SHELL_FILES}
    return sorted(found - {static / name for name in NOT_KEPT})
