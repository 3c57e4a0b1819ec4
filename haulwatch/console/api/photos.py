"""Photos of an order: taken in as they are, shown as they are or as a copy with a watermark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from haulwatch.console import photo_files
from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.events import read_limited
from haulwatch.console.api.orders import given_key
from haulwatch.console.api.squad import squad_name
from haulwatch.console.photo_files import PhotoRefused
from haulwatch.console.ports import CityView, Pictures
from haulwatch.console.problems import Problem
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import PhotosAnswer, answers
from haulwatch.domain.access import READERS
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.orders import Actor, Order, OrderDesk
from haulwatch.domain.photos import NewPhoto, Photo, PhotoDesk
from haulwatch.domain.text import Text

DIGEST = "^[0-9a-f]{64}$"
FOR_EVER = "private, max-age=31536000, immutable"
CITY_TIME = ZoneInfo("Asia/Shanghai")
_ADDS = Allowed("squad", "dispatcher", "duty_officer")
_SEES = Allowed(*READERS)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png", "image/webp")
        },
    }
}


def router(desk: OrderDesk, photos: PhotoDesk, pictures: Pictures, city: CityView, max_bytes: int) -> APIRouter:
    """Routes over `photos`, whose bytes lie in `pictures`; one may have `max_bytes`."""
    api = APIRouter(prefix="/api/v1", tags=["photos"])
    copies = Copies(pictures)

    @api.post(
        "/orders/{order_id}/photos",
        status_code=201,
        responses=answers(Photo, 400, 401, 403, 404, 409, 413, 415, 422, 503, status=201),
        response_class=Response,
        openapi_extra=_BODY,
    )
    async def add_photo(
        request: Request,
        order_id: str,
        actor: Annotated[Actor, Depends(_ADDS)],
        x_photo_sha256: Annotated[str | None, Header(description="as computed when it was taken")] = None,
        x_taken_at: Annotated[str | None, Header(description="RFC 3339")] = None,
        x_photo_lon: Annotated[float | None, Header(ge=-180, le=180)] = None,
        x_photo_lat: Annotated[float | None, Header(ge=-90, le=90)] = None,
        idempotency_key: Annotated[str | None, Header(description="the same for every repeat")] = None,
    ) -> Response:
        """Keeps a photo as it is. Sent again, it is still one photo. A damaged one is refused: the phone has it."""
        key, claimed, taken_at = given_key(idempotency_key), given_digest(x_photo_sha256), given_instant(x_taken_at)
        await run_in_threadpool(Reached(desk, actor).get, order_id)
        await run_in_threadpool(photos.check, order_id, actor=actor)
        data = await read_limited(request, max_bytes)
        place = (x_photo_lon, x_photo_lat) if x_photo_lon is not None and x_photo_lat is not None else (None, None)

        def take() -> Photo:
            photo = checked(data, claimed, taken_at, place)
            pictures.put(data)  # durable first: what is on record can always be shown
            return photos.add(order_id, photo, actor=actor, idempotency_key=key)

        return JsonAnswer(await run_in_threadpool(take), status_code=201)

    @api.get("/orders/{order_id}/photos", responses=answers(PhotosAnswer, 401, 403, 404, 503), response_class=Response)
    def list_photos(order_id: str, actor: Annotated[Actor, Depends(_SEES)]) -> Response:
        """Photos of an order, in the order in which they arrived."""
        order = Reached(desk, actor).get(order_id).order
        return JsonAnswer(PhotosAnswer(list(photos.of_order(order.order_id))))

    @api.get(
        "/photos/{photo_id}",
        responses=answers(None, 401, 403, 404, 422, 503) | {200: {"content": {"image/*": {}}}},
        response_class=Response,
    )
    def show_photo(
        photo_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")],
        actor: Annotated[Actor, Depends(_SEES)],
        copy: Annotated[Literal["original", "marked", "small"], Query()] = "marked",
    ) -> Response:
        """The bytes as received, a copy with a watermark, or a small one. That somebody looked is put on record."""
        photo = photos.get(photo_id)
        if photo is None:
            raise Problem(404, "not-found", Text("没有这张照片", "There is no such photo"))
        order = Reached(desk, actor).get(photo.order_id).order
        data = copies.of(photo, copy, order, squad_name(city, photo.squad_id or ""))
        if copy != "small":
            desk.note(order.order_id, "photo_read", actor=actor, detail={"photo_id": photo_id, "copy": copy})
        return Response(data, media_type=photo.media_type if copy == "original" else "image/jpeg", headers=safe(photo))

    return api


class Copies:
    """Copies to look at, the last ones remembered: they are made from the original and never change."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._marked = lru_cache(maxsize=16)(self._make_marked)
        self._small = lru_cache(maxsize=256)(self._make_small)

    def of(self, photo: Photo, copy: str, order: Order, squad: str) -> bytes:
        """The bytes of one copy. Raises `Problem` or WorldError where the original is not here any more."""
        match copy:
            case "original":
                return self._original(photo.sha256)
            case "small":
                return self._small(photo.sha256)
            case _:
                return self._marked(photo.sha256, watermark(photo, order, squad))

    def _make_marked(self, sha256: str, lines: tuple[str, ...]) -> bytes:
        return photo_files.marked(self._original(sha256), lines)

    def _make_small(self, sha256: str) -> bytes:
        return photo_files.small(self._original(sha256))

    def _original(self, sha256: str) -> bytes:
        data = self._pictures.get(sha256)
        if data is None:
            raise Problem(404, "not-kept", Text("照片原件不在本机", "The photo's original is not kept here"))
        return data


def watermark(photo: Photo, order: Order, squad: str) -> tuple[str, ...]:
    """What stands below a marked copy: order and plate, when and where it was taken, by whom, which original."""
    taken = datetime.fromisoformat(photo.taken_at or photo.received_at).astimezone(CITY_TIME)
    where = "" if photo.lon is None or photo.lat is None else f"  {photo.lon:.6f}, {photo.lat:.6f}"
    when = f"{'拍摄' if photo.taken_at else '接收'} {taken:%Y-%m-%d %H:%M:%S}"
    who = f"{squad} {photo.by}".strip()
    return (
        f"{order.order_id}  {order.truck_id}  {order.title.zh}",
        f"{when}{where}",
        f"{who}  SHA-256 {photo.sha256[:16]}…",
    )


def checked(
    data: bytes, claimed: str | None, taken_at: str | None, place: tuple[float | None, float | None]
) -> NewPhoto:
    """The photo that these bytes are. Raises the problem that the phone is told otherwise; nothing is kept then."""
    sha256 = hashlib.sha256(data).hexdigest()
    if claimed is not None and claimed != sha256:
        zh = f"照片在传输中改变：拍摄时 {claimed}，收到 {sha256}。请重新发送"
        en = f"the photo changed on the way: {claimed} when taken, {sha256} as received. Send it again"
        raise Problem(422, "digest-mismatch", Text(zh, en), claimed_sha256=claimed, received_sha256=sha256)
    try:
        kind = photo_files.kind_of(data)
    except PhotoRefused as error:
        status = 415 if error.code in ("no_photo", "heic") else 422
        raise Problem(status, error.code.replace("_", "-"), error.text) from None
    return NewPhoto(
        sha256=sha256,
        captured_sha256=claimed,
        taken_at=taken_at,
        lon=place[0],
        lat=place[1],
        size_bytes=len(data),
        media_type=kind.media_type,
        width_px=kind.width_px,
        height_px=kind.height_px,
    )


def given_digest(sha256: str | None) -> str | None:
    """The digest in a header, in lower case; 400 for what is none."""
    if sha256 is None:
        return None
    digest = sha256.strip().lower()
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise Problem(400, "invalid-digest", Text("X-Photo-SHA256 应为 64 位十六进制", "X-Photo-SHA256: 64 hex digits"))
    return digest


def given_instant(text: str | None) -> str | None:
    """The instant in a header as UTC; 400 for what is none."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None:
            raise ValueError(text)
        return rfc3339(to_ms(at))
    except (ValueError, OverflowError):
        raise Problem(400, "invalid-instant", Text("X-Taken-At 应为 RFC 3339 时刻", "X-Taken-At: RFC 3339")) from None


def safe(photo: Photo) -> Mapping[str, str]:
    """Headers with which a browser shows the picture and never runs anything."""
    ending = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}[photo.media_type]
    return {
        "Cache-Control": FOR_EVER,
        "Content-Disposition": f'inline; filename="{photo.photo_id}.{ending}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "X-Photo-SHA256": photo.sha256,
    }
