"""What one listener gets of the live stream: orders within its reach, and the trucks that it may follow."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from haulwatch.console.frames import OrderFrame, TruckFrame, truck_data
from haulwatch.domain.access import EVERYTHING, holds, reach_of, sees_plates
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import Actor, Change, OrderDesk, Reach

_SALT = secrets.token_bytes(16)


class View:
    """The stream of one actor. Not shared, and used on the event loop only."""

    def __init__(self, desk: OrderDesk, actor: Actor) -> None:
        self.desk = desk
        self.reach = reach_of(actor)
        self.plates = sees_plates(actor)
        self.open_trucks: frozenset[str] = frozenset()
        self._shown_trucks: frozenset[str] = frozenset()
        self._revision = -1
        self._hidden = False

    @property
    def counted(self) -> Reach:
        """The orders that are counted for it; figures name nobody, so a wall gets the whole city's."""
        return self.reach if self.plates else EVERYTHING

    async def changes(self, frame: OrderFrame) -> AsyncIterator[bytes]:
        """The change, where it is of an order within reach; `gone` where the order was within reach until then."""
        if frame.change is None or self.reach == EVERYTHING or holds(self.reach, frame.change.order):
            self._hidden = False
            yield frame.data
        elif await self._left(frame.change):
            self._hidden = False
            yield gone_event(frame.change)
        else:
            self._hidden = True

    async def _left(self, change: Change) -> bool:
        """Whether this change took the order out of reach. Only squads change: an order stays in its zones."""
        if self.reach.squad_id is None or self.reach.nothing:
            return False
        before = await run_in_threadpool(self.desk.order_before, change.order.order_id, change.change_id)
        return before is not None and holds(self.reach, before)

    def heartbeat(self, cursor: int) -> bytes:
        """Word that the stream lives; it names the place to resume from where what was passed over had one."""
        comment = format_sse_event(comment="still here")
        return comment if not self._hidden else f"id: {cursor}\n".encode() + comment

    def revision_for_trucks(self) -> int:
        """The revision of trucks that was shown last; -1 where all have to be shown again."""
        if self.reach.squad_id is not None and self.open_trucks != self._shown_trucks:
            self._shown_trucks, self._revision = self.open_trucks, -1
        return self._revision

    def trucks(self, frame: TruckFrame) -> Iterator[bytes]:
        """The positions, of the trucks that may be followed."""
        self._revision = frame.revision
        if self.plates and self.reach.squad_id is None:
            yield frame.data
            return
        shown = [one for one in frame.trucks if one.truck_id in self._shown_trucks] if self.plates else frame.trucks
        if shown or frame.full:
            yield truck_data(frame.revision, shown if self.plates else nameless(shown), full=frame.full)


def nameless(trucks: Sequence[TruckPosition]) -> list[TruckPosition]:
    """The trucks under names that mean nothing and stay the same as long as this process lives."""
    return [msgspec.structs.replace(truck, truck_id=_nameless(truck.truck_id)) for truck in trucks]


def _nameless(truck_id: str) -> str:
    return hashlib.blake2b(truck_id.encode(), key=_SALT, digest_size=6).hexdigest()


def gone_event(change: Change) -> bytes:
    """Tells a listener that an order is not its business any more; nothing else about it."""
    data = f'{{"change_id":{change.change_id},"order_id":"{change.order.order_id}"}}'
    return format_sse_event(event="gone", id=str(change.change_id), data_str=data)
