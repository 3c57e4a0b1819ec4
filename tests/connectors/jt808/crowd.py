"""Thousands of terminals in one event loop: each registers, authenticates, reports, comes back when it is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

from connectors.jt808 import answers, messages
from connectors.jt808.protocol import Frame, FrameReader
from tests.connectors.jt808 import frames

CHINA = timedelta(hours=8)
SLOT_S = 0.01
ADDRESSES = 20_000
"""Connections from one loopback address; more of them than there are ports need another."""
AGAIN_S = 1.0
AT_ONCE = 200
"""Connections that are made at the same time."""


class Member(asyncio.Protocol):
    """One terminal. A report that was not answered is sent again when it has connected anew, as real ones do."""

    def __init__(self, crowd: Crowd, number: int, phone: str) -> None:
        self.crowd, self.number, self.phone = crowd, number, phone
        self.code = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered: set[str] = set()
        self.waiting: dict[int, tuple[str, bytes, float]] = {}
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._serial = 0
        self._connecting: asyncio.Task[None] | None = None
        self._given_up = False

    # -- the connection -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connects until it is let in."""
        loop = asyncio.get_running_loop()
        address = (f"127.0.0.{1 + self.number // ADDRESSES}", 0)
        while not self.ready.done():
            async with self.crowd.doors:
                with contextlib.suppress(OSError, TimeoutError):
                    await loop.create_connection(lambda: self, "127.0.0.1", self.crowd.port, local_addr=address)
                    async with asyncio.timeout(AGAIN_S * 10):
                        await asyncio.shield(self.ready)
                        return
            await asyncio.sleep(AGAIN_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says who it is."""
        self._transport = cast(asyncio.Transport, transport)
        self._reader = FrameReader()
        if self.code:
            self._send(messages.AUTHENTICATE, frames.authentication(self.code))
        else:
            self._send(messages.REGISTER, frames.registration(2013, plate=""))

    def connection_lost(self, _error: Exception | None) -> None:
        """Comes again, unless it is to go."""
        self._transport = None
        if self.ready.done():
            self.ready = asyncio.get_running_loop().create_future()
            if not self._given_up:
                self.crowd.reconnects += 1
                self._connecting = asyncio.get_running_loop().create_task(self.connect())

    def drop(self) -> None:
        """Loses its connection, as in a tunnel."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self) -> None:
        """Goes for good."""
        self._given_up = True
        if self._connecting is not None:
            self._connecting.cancel()
        self.drop()

    # -- what is said -------------------------------------------------------------------------------------------------

    def _send(self, message_id: int, body: bytes) -> int:
        assert self._transport is not None
        self._serial = self._serial % 0xFFFF + 1
        self._transport.write(frames.frame(message_id, body, self._serial, phone=self.phone))
        return self._serial

    def report(self) -> None:
        """Reports where it is now."""
        now = datetime.now(UTC)
        at = (now + CHINA).strftime("%y%m%d%H%M%S")
        minutes = now.timestamp() / 60 % 60
        lon = round(120.0 + self.number % 100 * 1e-3 + minutes * 5e-4, 6)
        body = frames.location(lon=lon, lat=30.8 + self.number // 100 * 1e-3, time=at)
        self.crowd.sent += 1
        self._report(at, body)

    def _report(self, at: str, body: bytes) -> None:
        connected = self._transport is not None and self.ready.done()
        serial = self._send(messages.LOCATION, body) if connected else -next(self.crowd.numbers)
        self.waiting[serial] = at, body, time.perf_counter()

    def data_received(self, data: bytes) -> None:
        """What the platform says."""
        for item in self._reader.feed(data):
            if isinstance(item, Frame):
                self._hear(item)

    def _hear(self, frame: Frame) -> None:
        if frame.message_id == answers.REGISTERED:
            if frame.body[2] == 0:
                self.code = frame.body[3:].decode()
                self._send(messages.AUTHENTICATE, frames.authentication(self.code))
            return
        if frame.message_id != answers.GENERAL:
            return
        serial, message_id, result = (
            int.from_bytes(frame.body[:2], "big"),
            int.from_bytes(frame.body[2:4], "big"),
            frame.body[4],
        )
        if message_id == messages.AUTHENTICATE and result == 0:
            self.ready.set_result(None)
            waiting, self.waiting = self.waiting, {}
            for at, body, _sent in waiting.values():
                self._report(at, body)
        elif message_id == messages.LOCATION:
            at, _body, sent = self.waiting.pop(serial)
            if result == 0:
                self.answered.add(at)
                self.crowd.latencies.append(time.perf_counter() - sent)
            else:
                self.crowd.refused += 1


class Crowd:
    """Terminals of these numbers at one gateway."""

    def __init__(self, port: int, phones: Iterable[str]) -> None:
        self.port = port
        self.doors = asyncio.Semaphore(AT_ONCE)
        self.latencies: list[float] = []
        self.sent = self.refused = self.reconnects = 0
        self.lag_s = 0.0
        """By how much this loop was late at most: what is measured contains it."""
        self.numbers = itertools.count(1)
        self.members = [Member(self, number, phone) for number, phone in enumerate(phones)]

    async def enter(self) -> float:
        """All of them connect; returns how many a second were let in."""
        started = time.perf_counter()
        await asyncio.gather(*(member.connect() for member in self.members))
        return len(self.members) / (time.perf_counter() - started)

    async def report(self, seconds: float, interval_s: float, drops_a_minute: float = 0.0) -> None:
        """Each reports once an interval, evenly spread; some lose their connections at random."""
        slots = max(round(interval_s / SLOT_S), 1)
        buckets = [self.members[slot::slots] for slot in range(slots)]
        rng = random.Random(1)
        started = time.perf_counter()
        for slot in range(round(seconds / SLOT_S)):
            ahead = started + slot * SLOT_S - time.perf_counter()
            self.lag_s = max(self.lag_s, -ahead)
            await asyncio.sleep(max(ahead, 0))
            for member in buckets[slot % slots]:
                member.report()
            if rng.random() < len(self.members) * drops_a_minute / 60 * SLOT_S:
                rng.choice(self.members).drop()

    @property
    def unanswered(self) -> int:
        """Reports that have no answer yet."""
        return sum(len(member.waiting) for member in self.members)

    async def settle(self, timeout_s: float) -> int:
        """Waits for the answers that are still to come; returns how many did not."""
        deadline = time.perf_counter() + timeout_s
        while self.unanswered and time.perf_counter() < deadline:
            await asyncio.sleep(0.02)
        return self.unanswered

    def take_latencies(self) -> list[float]:
        """How long answers took since the last call (s), sorted."""
        latencies, self.latencies = sorted(self.latencies), []
        return latencies

    def leave(self) -> None:
        """All of them go."""
        for member in self.members:
            member.give_up()

    def answered(self) -> set[str]:
        """What every answered report is called in the log, up to its digest."""
        return {f"jt808:{member.phone}:{at}" for member in self.members for at in member.answered}


def quantile(ordered: list[float], share: float) -> float:
    """The value below which so much of a sorted list lies; 0 of an empty one."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
