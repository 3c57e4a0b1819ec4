"""The live stream: nothing lost, nothing sent for ever, resumed where it broke off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveHub, LiveSettings, running
from haulwatch.console.testing import SteeredFeed, SteeredIntake, overweight, served, small_city, truck
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.domain.text import Text
from haulwatch.domain.truck_board import TruckBoard
from haulwatch.metrics import Counters
from tests.logins import bearer

QUICK = LiveSettings(orders_poll_s=0.01, trucks_poll_s=0.01, heartbeat_s=0.05, orders_kept=4, trucks_kept=3)
MS = 1_777_593_600_000
ANYBODY = Actor("p", frozenset(ROLES))


@dataclass(frozen=True)
class Seen:
    """One server-sent event."""

    event: str | None
    data: Any
    id: str | None


def parse(block: str) -> Seen:
    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    return Seen(fields.get("event"), json.loads(fields["data"]) if "data" in fields else None, fields.get("id"))


async def take(stream: AsyncIterator[bytes], enough: Callable[[list[Seen]], bool]) -> list[Seen]:
    """Reads until `enough` is satisfied; fails after five seconds."""
    seen: list[Seen] = []
    async with asyncio.timeout(5):
        while not enough(seen):
            seen.append(parse((await anext(stream)).decode().strip()))
    return seen


def orders(seen: list[Seen]) -> list[int]:
    return [one.data["change_id"] for one in seen if one.event == "order"]


def file(store: OrderStore, *numbers: int) -> None:
    store.intake([overweight(f"b{n}", MS + n * 60_000, f"浙E{n:05d}") for n in numbers])


def hub_over(store: OrderStore, feed: SteeredFeed | None = None, settings: LiveSettings = QUICK) -> LiveHub:
    return LiveHub(store, feed or SteeredFeed(), Counters(), settings)


def test_a_new_stream_tells_what_happens_from_now_on(store: OrderStore) -> None:
    file(store, 1)

    async def story() -> None:
        hub = hub_over(store)
        async with running(hub):
            stream = hub.stream(None, ANYBODY)
            start = await take(stream, lambda seen: any(one.event == "trucks" for one in seen))
            assert [one.event for one in start] == ["hello", "counts", "trucks"]
            file(store, 2, 3)
            assert orders(await take(stream, lambda seen: len(orders(seen)) == 2)) == [2, 3]
            await stream.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("after", [0, 1, 5, 8, 9])
def test_a_stream_resumes_after_any_change_without_gap_or_repeat(store: OrderStore, after: int) -> None:
    """The ring keeps four; what is older is read from the store again."""
    file(store, *range(1, 6))

    async def story() -> None:
        hub = hub_over(store)
        async with running(hub):
            first = hub.stream(None, ANYBODY)
            await take(first, lambda seen: len(seen) == 3)
            file(store, *range(6, 10))
            await take(first, lambda seen: len(orders(seen)) == 4)
            stream = hub.stream(after, ANYBODY)
            file(store, 10)
            seen = await take(stream, lambda seen: 10 in orders(seen))
            assert orders(seen) == list(range(after + 1, 11))
            await first.aclose()
            await stream.aclose()

    asyncio.run(story())


def test_who_is_too_far_behind_is_told_to_load_anew(store: OrderStore) -> None:
    file(store, *range(1, 9))

    async def story() -> None:
        settings = LiveSettings(orders_poll_s=0.01, trucks_poll_s=0.01, heartbeat_s=0.05, reset_after=5)
        hub = hub_over(store, settings=settings)
        async with running(hub):
            await asyncio.sleep(0.05)
            for after in (1, 999):  # long ago, and from before the database was put back from a backup
                stream = hub.stream(after, ANYBODY)
                seen = await take(stream, lambda seen: any(one.event == "reset" for one in seen))
                assert seen[-1] == Seen("reset", {"change_id": 8}, "8")
                await stream.aclose()

    asyncio.run(story())


def test_trucks_come_whole_first_then_what_changed(store: OrderStore) -> None:
    feed = SteeredFeed()
    feed.put(truck("浙A00001", MS), truck("浙A00002", MS))

    async def story() -> None:
        hub = hub_over(store, feed)
        async with running(hub):
            stream = hub.stream(None, ANYBODY)
            known: dict[str, float] = {}

            def learn(seen: list[Seen]) -> bool:
                for one in seen:
                    if one.event == "trucks":
                        if one.data["full"]:
                            known.clear()
                        known.update({row[0]: row[2] for row in one.data["rows"]})
                return len(known) == 3 and known["浙A00002"] == 121.0

            await take(stream, lambda seen: learn(seen) or len(known) == 2)
            feed.put(truck("浙A00002", MS + 1, lon=121.0), truck("浙A00003", MS))
            seen = await take(stream, learn)
            last = [one.data for one in seen if one.event == "trucks"][-1]
            assert last["columns"][0] == "truck_id"
            await stream.aclose()

    asyncio.run(story())


def test_a_stream_too_slow_for_the_ring_gets_all_trucks_again(store: OrderStore) -> None:
    feed = SteeredFeed()

    async def story() -> None:
        hub = hub_over(store, feed)
        async with running(hub):
            stream = hub.stream(None, ANYBODY)
            await take(stream, lambda seen: any(one.event == "trucks" for one in seen))
            for n in range(8):
                feed.put(truck(f"浙A{n:05d}", MS + n))
                await asyncio.sleep(0.04)
            seen = await take(stream, lambda seen: any(one.event == "trucks" for one in seen))
            (trucks,) = [one.data for one in seen if one.event == "trucks"]
            assert trucks["full"]
            assert len(trucks["rows"]) == 8
            await stream.aclose()

    asyncio.run(story())


def test_a_truck_that_leaves_the_board_leaves_every_stream(store: OrderStore) -> None:
    async def story() -> None:
        board = TruckBoard()
        board.apply([truck("浙A00001", MS), truck("浙A00002", MS)])
        hub = LiveHub(store, board, Counters(), QUICK)
        async with running(hub):
            stream = hub.stream(None, ANYBODY)
            await take(stream, lambda seen: any(one.event == "trucks" and len(one.data["rows"]) == 2 for one in seen))
            board.apply([], ["浙A00001"])
            seen = await take(stream, lambda seen: any(one.event == "trucks" for one in seen))
            assert seen[-1].data["full"]
            assert [row[0] for row in seen[-1].data["rows"]] == ["浙A00002"]
            board.apply([truck("浙A00003", MS)])
            seen = await take(stream, lambda seen: any(one.event == "trucks" for one in seen))
            assert [row[0] for row in seen[-1].data["rows"]] == ["浙A00003"]
            await stream.aclose()

    asyncio.run(story())


def test_silence_is_filled_with_a_comment(store: OrderStore) -> None:
    async def story() -> None:
        hub = hub_over(store)
        async with running(hub):
            stream = hub.stream(None, ANYBODY)
            await take(stream, lambda seen: len(seen) == 3)
            assert (await take(stream, lambda seen: len(seen) == 1)) == [Seen(None, None, None)]
            await stream.aclose()

    asyncio.run(story())


class AwayFor:
    """A store that does not answer the first few times."""

    def __init__(self, store: OrderStore, times: int) -> None:
        self._store, self._times = store, times

    def __getattr__(self, name: str) -> Any:
        if self._times > 0:
            self._times -= 1
            raise WorldError(Text("数据库不可用", "the database is away"), retryable=True)
        return getattr(self._store, name)


def test_a_store_that_was_away_is_asked_again(store: OrderStore) -> None:
    file(store, 1)

    async def story() -> None:
        counters = Counters()
        hub = LiveHub(AwayFor(store, 2), SteeredFeed(), counters, QUICK)
        async with running(hub):
            stream = hub.stream(0, ANYBODY)
            assert orders(await take(stream, lambda seen: bool(orders(seen)))) == [1]
            await stream.aclose()
        (failures,) = counters.samples()
        assert (failures.name, failures.value) == ("console_live_failures_total", 2)

    asyncio.run(story())


@pytest.fixture
def address(store: OrderStore) -> Iterator[str]:
    settings = ConsoleSettings(live=LiveSettings(orders_poll_s=0.02, trucks_poll_s=0.02, max_streams=2))
    with served(
        create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), settings=settings)
    ) as url:
        yield url


def read_until(lines: Iterator[str], text: str) -> list[str]:
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError(f"the stream ended without {text}: {seen}")


def test_a_browser_resumes_over_http_with_last_event_id(store: OrderStore, address: str) -> None:
    file(store, 1, 2)
    who = bearer(store)
    live = f"{address}/api/v1/live?after=0"
    with httpx.stream("GET", live, headers=who, timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert "id: 1" in read_until(answer.iter_lines(), "id: 2")
    file(store, 3)
    headers = {**who, "Last-Event-ID": "2"}  # wins over the address, which a browser repeats as it was
    with httpx.stream("GET", live, headers=headers, timeout=5) as answer:
        assert "id: 1" not in read_until(answer.iter_lines(), "id: 3")


def test_more_streams_than_allowed_are_refused_and_places_become_free(store: OrderStore, address: str) -> None:
    live = f"{address}/api/v1/live"
    client = httpx.Client(headers=bearer(store), timeout=5)
    with client, client.stream("GET", live) as one, client.stream("GET", live) as two:
        both = (one.iter_lines(), two.iter_lines())  # kept: httpx closes an answer whose lines nobody holds
        for lines in both:
            read_until(lines, "hello")
        refused = client.get(live)
        assert (refused.status_code, refused.json()["code"]) == (503, "too-many-streams")
    deadline = time.monotonic() + 5
    while "haulwatch_console_live_streams 0" not in httpx.get(f"{address}/metrics").text:
        file(store, 1)  # a stream notices that its reader is gone when it writes
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_server_stops_at_once_although_somebody_listens(store: OrderStore) -> None:
    app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city())
    with contextlib.ExitStack() as listening:
        with served(app) as url:
            answer = listening.enter_context(
                httpx.stream("GET", f"{url}/api/v1/live", headers=bearer(store), timeout=10)
            )
            lines = answer.iter_lines()
            read_until(lines, "hello")
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 3
        assert not any("hello" in line for line in lines)
