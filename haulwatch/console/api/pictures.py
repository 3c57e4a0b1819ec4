"""Pictures as evidence: the bytes as they were received, under their digest."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response

from haulwatch.console.access import Allowed
from haulwatch.console.ports import Pictures
from haulwatch.console.problems import Problem
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import answers
from haulwatch.domain.access import EVERYTHING, READERS, reach_of
from haulwatch.domain.orders import Actor, OrderDesk, UnknownOrder
from haulwatch.domain.text import Text

KINDS = ((b"\xff\xd8\xff", "image/jpeg", "jpg"), (b"\x89PNG", "image/png", "png"), (b"BM", "image/bmp", "bmp"))
FOR_EVER = "private, max-age=31536000, immutable"


def router(pictures: Pictures, desk: OrderDesk) -> APIRouter:
    """One route: a picture by its SHA-256, for those who may see the order that it belongs to."""
    api = APIRouter(prefix="/api/v1/pictures", tags=["pictures"])

    @api.get(
        "/{sha256}",
        responses=answers(None, 401, 403, 404, 422, 503) | {200: {"content": {"image/*": {}}}},
        response_class=Response,
    )
    def show_picture(
        actor: Annotated[Actor, Depends(Allowed(*READERS))],
        sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
        order_id: Annotated[
            str | None, Query(max_length=32, description="needed by those who do not see every order")
        ] = None,
    ) -> Response:
        """The bytes as received; never anything that a browser would run. That somebody looked is put on record."""
        holder = _holder(desk, actor, sha256, order_id)
        data = pictures.get(sha256) if holder is not None or reach_of(actor) == EVERYTHING else None
        if data is None:
            raise Problem(404, "not-found", Text("没有这张图片", "There is no such picture"))
        desk.note_read("picture_read", holder, actor=actor, detail={"sha256": sha256})
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


def _holder(desk: OrderDesk, actor: Actor, sha256: str, order_id: str | None) -> str | None:
    """The order, if the picture belongs to it and the actor may see it."""
    if order_id is None:
        return None
    try:
        breach = Reached(desk, actor).get(order_id).breach
    except UnknownOrder:
        return None
    return order_id if sha256.encode() in msgspec.json.encode(breach.evidence) else None
