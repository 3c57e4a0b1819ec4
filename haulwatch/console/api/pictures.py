"""Pictures as evidence: the bytes as they were received, under their digest."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from haulwatch.console.ports import Pictures
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import answers
from haulwatch.domain.text import Text

KINDS = ((b"\xff\xd8\xff", "image/jpeg", "jpg"), (b"\x89PNG", "image/png", "png"), (b"BM", "image/bmp", "bmp"))
FOR_EVER = "private, max-age=31536000, immutable"


def router(pictures: Pictures) -> APIRouter:
    """One route: a picture by its SHA-256."""
    api = APIRouter(prefix="/api/v1/pictures", tags=["pictures"])

    @api.get(
        "/{sha256}",
        responses=answers(None, 404, 422, 503) | {200: {"content": {"image/*": {}}}},
        response_class=Response,
    )
    def show_picture(sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
        """The bytes as received; never anything that a browser would run."""
        data = pictures.get(sha256)
        if data is None:
            raise Problem(404, "not-found", Text("没有这张图片", "There is no such picture"))
        found = ((kind, ending) for magic, kind, ending in KINDS if data.startswith(magic))
        kind, ending = next(found, ("application/octet-stream", "bin"))
        shown = "inline" if kind.startswith("image/") else "attachment"
        headers = {
            "Cache-Control": FOR_EVER,
            "Content-Disposition": f'{shown}; filename="{sha256[:16]}.{ending}"',
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(data, media_type=kind, headers=headers)

    return api
