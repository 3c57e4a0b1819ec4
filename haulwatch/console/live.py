"""The live stream: order changes with resume, truck positions, counts. Each is read and encoded once for all browsers.

Nothing is queued per browser: each stream walks the shared rings at its own pace. One that is too slow for the rings
reads the store again (orders), or gets all trucks again; it never makes the others wait and never misses a change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from haulwatch.console.ports import TruckFeed
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import Change, OrderDesk
from haulwatch.metrics import Counters, Sample

TRUCK_COLUMNS = (
    "truck_id",
    "at_ms",
    "lon",
    "lat",
    "speed_kmh",
    "heading_deg",
    "load",
    "cover",
    "phase",
    "silent",
)


@dataclass(frozen=True)
class LiveSettings:
    """How often is looked, how much is kept, and how many may listen."""

    orders_poll_s: float = 0.25
    trucks_poll_s: float = 1.0
    heartbeat_s: float = 10.0
    orders_kept: int = 1000
    trucks_kept: int = 20
    reset_after: int = 5000
    max_streams: int = 200


@dataclass(frozen=True)
class OrderFrame:
    """One order change as it goes over the wire."""

    change_id: int
    data: bytes


@dataclass(frozen=True)
class TruckFrame:
    """What changed between two revisions of the truck feed, as it goes over the wire."""

    after: int
    revision: int
    data: bytes


class LiveHub:
    """Polls the ports and feeds every stream; owned by the app's lifespan, used on its event loop only."""

    def __init__(self, desk: OrderDesk, feed: TruckFeed, counters: Counters, settings: LiveSettings) -> None:
        self.desk, self.feed, self.counters, self.settings = desk, feed, counters, settings
        self.streams = 0
        self.closed = False
        self.failed = False
        self._head = 0
        self._orders: deque[OrderFrame] = deque(maxlen=settings.orders_kept)
        self._counts = b""
        self._trucks: deque[TruckFrame] = deque(maxlen=settings.trucks_kept)
        self._known: dict[str, TruckPosition] = {}
        self._revision = 0
        self._snapshot: TruckFrame | None = None
        self._news = asyncio.Event()
        self._started = asyncio.Event()

    async def run(self) -> None:
        """Looks for news until `close`; a store that is away is counted and asked again."""
        try:
            await self._until_answered(self._start)
            trucks_due = 0.0
            while not self.closed:
                now = asyncio.get_running_loop().time()
                await self._until_answered(self._look_for_changes)
                if now >= trucks_due:
                    trucks_due = now + self.settings.trucks_poll_s
                    await self._until_answered(self._look_for_trucks)
                await asyncio.sleep(self.settings.orders_poll_s)
        except BaseException:
            self.failed = True
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Ends every stream; browsers will come back by themselves."""
        self.closed = True
        self._started.set()
        self._announce()

    def samples(self) -> list[Sample]:
        """Figures for the metrics page."""
        return [Sample("console_live_streams", "Open live streams", self.streams)]

    async def stream(self, after: int | None) -> AsyncIterator[bytes]:
        """Everything after change `after` (None: from now on), then what happens; ends when the hub closes."""
        self.streams += 1
        try:
            await self._started.wait()  # else "from now on" would be from the beginning
            cursor = self._head if after is None else after
            revision, counts = -1, b""
            yield format_sse_event(event="hello", data_str=f'{{"change_id":{self._head}}}', retry=2000)
            while not self.closed:
                news = self._news
                async for frame in self._changes_after(cursor):
                    cursor = frame.change_id
                    yield frame.data
                if counts != self._counts:
                    counts = self._counts
                    yield counts
                for trucks in self._trucks_after(revision):
                    revision = trucks.revision
                    yield trucks.data
                try:
                    await asyncio.wait_for(news.wait(), self.settings.heartbeat_s)
                except TimeoutError:
                    yield format_sse_event(comment="still here")
        finally:
            self.streams -= 1

    async def _until_answered(self, ask: Any) -> None:
        while not self.closed:
            try:
                await ask()
                return
            except WorldError:
                self.counters.add("console_live_failures_total", "Times that a port did not answer the live stream")
                await asyncio.sleep(self.settings.trucks_poll_s)

    async def _start(self) -> None:
        self._head = await run_in_threadpool(self.desk.last_change_id)
        await self._count()
        self._started.set()

    async def _count(self) -> None:
        counts = await run_in_threadpool(self.desk.counts)
        self._counts = format_sse_event(event="counts", data_str=text_of(counts))

    async def _look_for_changes(self) -> None:
        changes = await run_in_threadpool(self.desk.changes_since, self._head)
        if not changes:
            return
        await self._count()
        self._orders.extend(order_frame(change) for change in changes)
        self._head = changes[-1].change_id
        self._announce()

    async def _look_for_trucks(self) -> None:
        revision, trucks = await run_in_threadpool(self.feed.changed_since, self._revision)
        if revision == self._revision:
            return
        anew = revision < self._revision  # the feed began anew: every stream gets all trucks again
        if anew:
            self._known.clear()
            revision, trucks = await run_in_threadpool(self.feed.changed_since, 0)
        self._known.update((truck.truck_id, truck) for truck in trucks)
        if self.streams and not anew:
            self._trucks.append(truck_frame(self._revision, revision, trucks))
        else:
            self._trucks.clear()
        self._revision = revision
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _changes_after(self, cursor: int) -> AsyncIterator[OrderFrame]:
        if cursor > self._head or self._head - cursor > self.settings.reset_after:
            yield OrderFrame(self._head, reset_event(self._head))
            return
        while cursor < self._head and not (self._orders and self._orders[0].change_id <= cursor + 1):
            changes = await run_in_threadpool(self.desk.changes_since, cursor)
            if not changes:
                yield OrderFrame(self._head, reset_event(self._head))
                return
            for change in changes:
                cursor = change.change_id
                yield order_frame(change)
        for frame in [frame for frame in self._orders if frame.change_id > cursor]:
            yield frame

    def _trucks_after(self, revision: int) -> list[TruckFrame]:
        if revision == self._revision:
            return []
        later = [frame for frame in self._trucks if frame.after >= revision]
        if later and later[0].after == revision:
            return later
        if self._snapshot is None or self._snapshot.revision != self._revision:
            data = truck_data(self._revision, list(self._known.values()), full=True)
            self._snapshot = TruckFrame(-1, self._revision, data)
        return [self._snapshot]


def order_frame(change: Change) -> OrderFrame:
    """A change as an `order` event whose id is the place to resume from."""
    data = format_sse_event(event="order", id=str(change.change_id), data_str=text_of(change))
    return OrderFrame(change.change_id, data)


def truck_frame(after: int, revision: int, trucks: Sequence[TruckPosition]) -> TruckFrame:
    """Changed trucks as a `trucks` event."""
    return TruckFrame(after, revision, truck_data(revision, trucks, full=False))


def truck_data(revision: int, trucks: Sequence[TruckPosition], full: bool) -> bytes:
    """Trucks as rows under `columns`; `full`: trucks that are not among them are gone."""
    body = {"revision": revision, "full": full, "columns": TRUCK_COLUMNS, "rows": [row_of(truck) for truck in trucks]}
    return format_sse_event(event="trucks", data_str=text_of(body))


def row_of(truck: TruckPosition) -> tuple[object, ...]:
    """A truck's values in the order of `TRUCK_COLUMNS`; a decimetre is enough for a map."""
    return (
        truck.truck_id,
        truck.at_ms,
        round(truck.lon, 6),
        round(truck.lat, 6),
        truck.speed_kmh,
        truck.heading_deg,
        truck.load,
        truck.cover,
        truck.phase,
        truck.silent,
    )


def reset_event(change_id: int) -> bytes:
    """Tells a browser that is too far behind to load its lists anew and go on from `change_id`."""
    return format_sse_event(event="reset", id=str(change_id), data_str=f'{{"change_id":{change_id}}}')


def text_of(value: Any) -> str:
    """JSON on one line."""
    return msgspec.json.encode(value).decode("utf-8")


@contextlib.asynccontextmanager
async def running(hub: LiveHub) -> AsyncIterator[None]:
    """The hub at work for the life of the app."""
    task = asyncio.create_task(hub.run(), name="live-hub")
    try:
        yield
    finally:
        hub.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
