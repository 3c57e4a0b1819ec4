"""Photos of the order store: on record with their audit entry, in one transaction, once their bytes are durable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select

from haulwatch.dispatch.commands import MAX_KEY
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.lifecycle import FINAL, STAGE_NAMES
from haulwatch.dispatch.photos_tables import photos
from haulwatch.dispatch.records import order_of, order_row, storable
from haulwatch.domain.evidence import PackedPhoto, PictureSource
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor, BadCommand, Conflict, NotPermitted, Order, UnknownOrder
from haulwatch.domain.photos import NewPhoto, Photo
from haulwatch.domain.text import Text

DESK = frozenset({"dispatcher", "duty_officer"})
"""Roles that may add a photo to any order; besides them the squads that have it, or a task of it."""

_COLUMNS = [photos.c[name] for name in Photo.__struct_fields__]


class Photos:
    """See `haulwatch.domain.photos.PhotoDesk`; made by `OrderStore.photos`, for any number of threads."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._clock_ms = clock_ms

    def add(self, order_id: str, photo: NewPhoto, *, actor: Actor, idempotency_key: str) -> Photo:
        """Puts the photo on record with its audit entry, or finds it there."""
        if not 0 < len(idempotency_key) <= MAX_KEY or not storable(idempotency_key):
            raise BadCommand({"idempotency_key": Text(f"应为 1 至 {MAX_KEY} 个字符", f"1 to {MAX_KEY} characters")})
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            order = _permitted(connection, order_id, actor)
            known = _known(connection, order, photo.sha256, actor.actor_id, idempotency_key)
            if known is not None:
                return known
            if order.stage in FINAL:
                name = STAGE_NAMES[order.stage]
                zh = f"工单 {order_id} 已“{name.zh}”，不再接收照片"
                raise Conflict("illegal", Text(zh, f"order {order_id} is {name.en} and takes no more photos"), order)
            added = self._record(recorder, order, photo, actor, idempotency_key)
            recorder.close()
        return added

    def check(self, order_id: str, *, actor: Actor) -> None:
        """Raises `UnknownOrder` or `NotPermitted`."""
        with reading(self._engine) as connection:
            _permitted(connection, order_id, actor)

    def of_order(self, order_id: str) -> Sequence[Photo]:
        """All photos of an order, in the order in which they arrived; none of an order that there is not."""
        if not storable(order_id):
            return []
        query = select(*_COLUMNS).where(photos.c.order_id == order_id).order_by(photos.c.audit_seq)
        with reading(self._engine) as connection:
            return [Photo(**row._mapping) for row in connection.execute(query)]

    def get(self, photo_id: str) -> Photo | None:
        """A photo on record."""
        if not storable(photo_id):
            return None
        with reading(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(photos.c.photo_id == photo_id)).one_or_none()
        return None if row is None else Photo(**row._mapping)

    def _record(self, recorder: Recorder, order: Order, photo: NewPhoto, actor: Actor, key: str) -> Photo:
        added = Photo(
            **msgspec.structs.asdict(photo),
            photo_id=photo_id_of(order.order_id, photo.sha256),
            order_id=order.order_id,
            received_at=recorder.at,
            by=actor.actor_id,
            squad_id=actor.squad_id,
        )
        data: dict[str, Any] = msgspec.structs.asdict(added)
        told = {name: value for name, value in data.items() if name not in ("order_id", "by", "received_at")}
        detail = {"from": order.stage, "data": told, "roles": sorted(actor.roles)}
        seq = recorder.audit_order(actor.actor_id, "photo_added", order, detail)
        recorder.connection.execute(insert(photos), {**data, "audit_seq": seq, "idempotency_key": key})
        return added


class OriginalPhotos:
    """The `PhotoSource` of evidence packs: photos on record, with their bytes from where pictures are kept."""

    def __init__(self, on_record: Photos, kept: PictureSource) -> None:
        self._on_record = on_record
        self._kept = kept

    def of_order(self, order_id: str) -> Sequence[PackedPhoto]:
        """All of them, in the order in which they arrived."""
        names = PackedPhoto.__struct_fields__
        found = self._on_record.of_order(order_id)
        return [PackedPhoto(**{name: getattr(photo, name) for name in names}) for photo in found]

    def original(self, photo: PackedPhoto) -> bytes | None:
        """The bytes as received; None where they are not here."""
        return self._kept.get(photo.sha256)


def photo_id_of(order_id: str, sha256: str) -> str:
    """The id of these bytes as a photo of this order."""
    return hashlib.sha256(f"{order_id}/{sha256}".encode()).hexdigest()[:32]


def may_add(order: Order, actor: Actor) -> bool:
    """Whether the actor has a part in the order: from a desk, or as a member of one of its squads."""
    if not actor.roles.isdisjoint(DESK):
        return True
    squads = {order.squad_id, *(task.squad_id for task in order.tasks)}
    return "squad" in actor.roles and actor.squad_id is not None and actor.squad_id in squads


def _permitted(connection: Connection, order_id: str, actor: Actor) -> Order:
    row = order_row(connection, order_id)
    if row is None:
        raise UnknownOrder(order_id)
    order = order_of(row)
    if not may_add(order, actor):
        zh, en = "仅限承办该工单的队伍和派遣员添加照片", "only the order's squads and dispatchers may add photos"
        raise NotPermitted(Text(zh, en), order)
    return order


def _known(connection: Connection, order: Order, sha256: str, by: str, key: str) -> Photo | None:
    """The photo that is on record already; raises `Conflict` where the key belongs to another one."""
    same = (photos.c.order_id == order.order_id) & (photos.c.sha256 == sha256)
    row = connection.execute(select(*_COLUMNS).where(same)).one_or_none()
    if row is not None:
        return Photo(**row._mapping)
    used = (photos.c.by == by) & (photos.c.idempotency_key == key)
    if connection.execute(select(photos.c.photo_id).where(used)).first() is not None:
        text = Text("该幂等键已用于另一张照片", "the idempotency key belongs to another photo")
        raise Conflict("key_reused", text, order)
    return None
