"""One channel through anything: answers of every kind, crashes at any moment, a clock that leaps."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.notify.courier import Courier
from connectors.notify.outgoing import Post, Reply
from connectors.notify.pacing import WINDOW_MS
from connectors.notify.senders import Sender
from connectors.notify.steps import deliveries_of
from connectors.notify.texts import Wording
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.deliveries import Deliveries
from haulwatch.dispatch.store import open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters
from tests.connectors.notify.conftest import NOW_MS, file_of
from tests.dispatch.conftest import a_breach

RATE = 4
FILE = f"""
allow_hosts: [robot.example.org]
channels:
  duty: {{type: wecom, url: https://robot.example.org/send, rate_per_minute: {RATE}, bundle: 2}}
routes:
  - {{on: [opened], channels: [duty]}}
"""
WORDING = Wording(ZoneInfo("Asia/Shanghai"), {})


class Crash(Exception):  # noqa: N818 - what happened, not a fault
    """The process is gone."""


class World:
    """A store with a clock that stands until it is moved, a robot, and a courier that may die and be replaced."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = NOW_MS
        self.store = open_store(sqlite_url(folder), clock_ms=lambda: self.now_ms)
        self.log: Deliveries = self.store.deliveries()
        self.file = file_of(FILE)
        self.place = self.log.claim("one", 10**12)
        assert self.place == 0
        self.answer: Callable[[], Reply] = lambda: Reply(200, {}, b'{"errcode":0}')
        self.asked_ms: list[int] = []
        self.told: set[str] = set()
        self.orders = 0
        self.restart()

    def restart(self) -> None:
        self.courier = Courier(
            Sender("duty", self.file),
            self.log,
            self._send,
            lambda: WORDING,
            Counters(),
            give_up_after_ms=10**12,
            now_ms=lambda: self.now_ms,
            chance=lambda: 0.5,
        )

    def _send(self, post: Post) -> Reply:
        self.asked_ms.append(self.now_ms)
        reply = self.answer()
        if reply.body == b'{"errcode":0}':
            self.told |= set(re.findall(r"HW-20260501-\d{4}", post.body.decode()))
        return reply

    def open(self, count: int) -> None:
        numbers = range(self.orders + 1, self.orders + count + 1)
        self.orders += count
        self.store.intake([a_breach(f"b{n}", truck_id=f"浙E{n:05d}") for n in numbers])
        changes = self.log.changes(self.place or 0, 1000)
        new = [one for change in changes for one in deliveries_of(change, self.now_ms, self.file, {})]
        self.place = changes[-1].change_id
        assert self.log.queue("one", self.place, new, 10**12)

    def step(self) -> int | None:
        try:
            return self.courier.step()
        except Crash:
            self.restart()
            return 0

    def settle(self) -> None:
        """The robot is well again: how long until nothing waits."""
        self.answer = lambda: Reply(200, {}, b'{"errcode":0}')
        for _ in range(500):
            wait_ms = self.step()
            if wait_ms is None:
                return
            self.now_ms += wait_ms
        raise AssertionError("it never comes to rest")


def crash() -> Reply:
    raise Crash


def away() -> Reply:
    raise WorldError(Text("不在", "away"), retryable=True)


ANSWERS: dict[str, Callable[[], Reply]] = {
    "ok": lambda: Reply(200, {}, b'{"errcode":0}'),
    "too often": lambda: Reply(200, {}, b'{"errcode":45009}'),
    "wait": lambda: Reply(429, {"retry-after": "90"}, b""),
    "failed": lambda: Reply(500, {}, b""),
    "nonsense": lambda: Reply(200, {}, b"<html>"),
    "away": away,
    "crash": crash,
}
ACTIONS = st.lists(
    st.tuples(st.sampled_from([*ANSWERS, "open", "restart"]), st.integers(1, 12), st.integers(0, 70_000)), max_size=25
)


@settings(max_examples=30, deadline=None)
@given(ACTIONS)
def test_everybody_is_told_and_nobody_is_flooded(actions: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.open(1)
        for what, count, wait_ms in actions:
            if what == "open":
                world.open(count)
            elif what == "restart":
                world.restart()
            else:
                world.answer = ANSWERS[what]
                world.step()
            world.now_ms += wait_ms
        world.settle()
        assert world.told == {f"HW-20260501-{number:04d}" for number in range(1, world.orders + 1)}
        for at_ms in world.asked_ms:
            assert sum(at_ms <= other < at_ms + WINDOW_MS for other in world.asked_ms) <= RATE
        assert {entry.state for entry in world.log.log(limit=1000)} == {"sent"}
        world.store.close()


@pytest.mark.parametrize("orders", [1, 30])
def test_when_it_is_quiet_it_speaks_at_once(tmp_path: Path, orders: int) -> None:
    world = World(tmp_path)
    world.open(orders)
    assert world.step() == 0
    assert len(world.told) == orders
    assert world.step() is None
    world.store.close()


def test_a_flood_is_told_in_few_messages(tmp_path: Path) -> None:
    world = World(tmp_path)
    for _second in range(120):
        world.open(2)
        while world.step() == 0:
            pass
        world.now_ms += 1000
    world.settle()
    assert len(world.told) == world.orders == 240
    assert len(world.asked_ms) <= 3 * RATE
    world.store.close()


def test_a_message_that_nobody_can_digest_does_not_keep_the_others_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open(1)
    world.answer = ANSWERS["failed"]
    world.step()
    world.now_ms += 3_000
    world.open(1)
    world.answer = ANSWERS["ok"]
    assert world.step() == 0
    assert world.told == {"HW-20260501-0002"}
    world.settle()
    assert len(world.told) == 2
    world.store.close()


def test_a_secret_that_no_header_can_carry_waits_for_a_better_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "\udcff")
    file = file_of(FILE.replace("rate_per_minute", "token: 'env:TOKEN', rate_per_minute"))
    world = World(tmp_path)
    world.file = file
    world.restart()
    world.open(1)
    assert world.step() == 0
    assert [entry.reason for entry in world.log.log()] == ["a secret of the channel is not plain text"]
    monkeypatch.setenv("TOKEN", "good")
    world.settle()
    assert world.told == {"HW-20260501-0001"}
    world.store.close()
