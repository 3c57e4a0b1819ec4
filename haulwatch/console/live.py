"""The live stream: order changes with resume, truck positions, counts. Each is read once for all browsers, and encoded
once for all that may see everything; `haulwatch.console.views` says what of it the others get.

Nothing is queued per browser: each stream walks the shared rings at its own pace. One that is too slow for the rings
reads the store again (orders), or gets all trucks again; it never makes the others wait and never misses a change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from haulwatch.console.frames import OrderFrame, TruckFrame, order_frame, reset_event, text_of, truck_data, truck_frame
from haulwatch.console.ports import TruckFeed
from haulwatch.console.reach import open_trucks
from haulwatch.console.views import View
from haulwatch.domain.access import EVERYTHING
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import Actor, OrderDesk, Reach
from haulwatch.metrics import Counters, Sample


@dataclass(frozen=True)
class LiveSettings:
    """How often is looked, how much is kept, and how many may listen."""

    orders_poll_s: float = 0.25
    trucks_poll_s: float = 1.0
    heartbeat_s: float = 10.0
    recheck_s: float = 30.0
    orders_kept: int = 1000
    trucks_kept: int = 20
    reset_after: int = 5000
    max_streams: int = 200


class LiveHub:
    """Polls the ports and feeds every stream; owned by the app's lifespan, used on its event loop only."""

    def __init__(self, desk: OrderDesk, feed: TruckFeed, counters: Counters, settings: LiveSettings) -> None:
        self.desk, self.feed, self.counters, self.settings = desk, feed, counters, settings
        self.streams = 0
        self.closed = False
        self.failed = False
        self._head = 0
        self._orders: deque[OrderFrame] = deque(maxlen=settings.orders_kept)
        self._counts: dict[Reach, bytes] = {}
        self._open_trucks: dict[Reach, frozenset[str]] = {}
        self._reaches: Counter[Reach] = Counter()
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

    async def stream(
        self, after: int | None, actor: Actor, still: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[bytes]:
        """What the actor may see of everything after change `after` (None: from now on), then of what happens.

        Ends when the hub closes, or when the actor is not `still` one who may listen: asked now and then.
        """
        view = View(self.desk, actor)
        self.streams += 1
        self._reaches[view.counted] += 1
        try:
            await self._started.wait()  # else "from now on" would be from the beginning
            await self._until_answered(lambda: self._look_at(view.counted))
            cursor = self._head if after is None else after
            yield format_sse_event(event="hello", data_str=f'{{"change_id":{self._head}}}', retry=2000)
            counts, checked = b"", asyncio.get_running_loop().time()
            while not self.closed:
                news = self._news
                async for frame in self._changes_after(cursor):
                    cursor = frame.change_id
                    async for data in view.changes(frame):
                        yield data
                if counts != self._counts[view.counted]:
                    counts = self._counts[view.counted]
                    yield counts
                view.open_trucks = self._open_trucks.get(view.counted, frozenset())
                for trucks in self._trucks_after(view.revision_for_trucks()):
                    for data in view.trucks(trucks):
                        yield data
                now = asyncio.get_running_loop().time()
                if now - checked >= self.settings.recheck_s:
                    checked = now
                    if not await run_in_threadpool(still):
                        return
                try:
                    await asyncio.wait_for(news.wait(), self.settings.heartbeat_s)
                except TimeoutError:
                    yield view.heartbeat(cursor)
        finally:
            self.streams -= 1
            self._reaches[view.counted] -= 1

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
        for reach in {EVERYTHING, *+self._reaches}:
            await self._look_at(reach)
        for reach in self._counts.keys() - (+self._reaches).keys() - {EVERYTHING}:
            self._counts.pop(reach)
            self._open_trucks.pop(reach, None)

    async def _look_at(self, reach: Reach) -> None:
        counts = await run_in_threadpool(self.desk.counts, reach)
        self._counts[reach] = format_sse_event(event="counts", data_str=text_of(counts))
        if reach.squad_id is not None:
            self._open_trucks[reach] = await run_in_threadpool(open_trucks, self.desk, reach)

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
            trucks = list(self._known.values())
            data = truck_data(self._revision, trucks, full=True)
            self._snapshot = TruckFrame(-1, self._revision, data, trucks, full=True)
        return [self._snapshot]


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
