"""An order's evidence pack, and the city as it was when the order opened. Both are put on record with who asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Response
from starlette.responses import StreamingResponse

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import PackDesk
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import answers
from haulwatch.domain.evidence import PackReceipt, Scene
from haulwatch.domain.orders import Actor, OrderDesk, Role

EXPORTERS: tuple[Role, ...] = ("dispatcher", "duty_officer", "verifier", "auditor", "administrator")
IN_MEMORY = 4 << 20
"""Bytes of a pack that is being made; a larger one goes to a temporary file."""
PORTION = 1 << 16


def router(packs: PackDesk, desk: OrderDesk) -> APIRouter:
    """Pack, packs exported so far, and scene of an order."""
    api = APIRouter(prefix="/api/v1/orders/{order_id}", tags=["evidence"])

    @api.get(
        "/pack",
        responses=answers(None, 401, 403, 404, 503) | {200: {"content": {"application/zip": {}}}},
        response_class=Response,
    )
    def export_pack(order_id: str, actor: Annotated[Actor, Depends(Allowed(*EXPORTERS))]) -> Response:
        """The evidence pack, made at this moment. `X-Pack-SHA256` is its digest, which a transfer has to name."""
        Reached(desk, actor).get(order_id)
        out = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
        try:
            receipt = packs.export(order_id, out, actor=actor)
        except BaseException:
            out.close()
            raise
        return StreamingResponse(_portions(out), media_type="application/zip", headers=_headers(receipt))

    @api.get("/scene", responses=answers(Scene, 401, 403, 404, 503), response_class=Response)
    def show_scene(order_id: str, actor: Annotated[Actor, Depends(Allowed(*EXPORTERS, "squad"))]) -> Response:
        """Zones near the order, its rule in the author's words and the editions of law, as they were.

        `exact` is false where that city is no longer kept; then nothing is shown, or what `shown_city_hash` names.
        """
        Reached(desk, actor).get(order_id)
        return JsonAnswer(packs.scene(order_id, actor=actor))

    return api


def _portions(out: IO[bytes]) -> Iterator[bytes]:
    with out:
        out.seek(0)
        yield from iter(lambda: out.read(PORTION), b"")


def _headers(receipt: PackReceipt) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{receipt.order_id}-v{receipt.version}.zip"',
        "Content-Length": str(receipt.size),
        "Content-Encoding": "identity",  # photos are compressed already: not once more on the way
        "Cache-Control": "no-store",
        "X-Pack-SHA256": receipt.sha256,
        "X-Manifest-SHA256": receipt.manifest_sha256,
    }
