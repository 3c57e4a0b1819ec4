"""Notices at work: a real order store, real servers, threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.notify.notifier import Notifier
from connectors.notify.outgoing import Post, Reply
from connectors.notify.steps import deliveries_of
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text
from tests.connectors.notify.conftest import SECRET, file_of
from tests.connectors.notify.receiver import ROBOT_OK, Receiver, Request, verify
from tests.connectors.notify.receiver import Reply as Said
from tests.dispatch.conftest import a_breach
from tests.e2e.children import wait_until
from tests.postgresql.server import Postgres

ANYONE = Actor("local", frozenset(ROLES))
SQUADS = {"S1": Squad(squad_id="S1", channel="squad-one")}
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Clock:
    """A clock that goes as fast as a test wants, and never stands."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[OrderStore]:
    opened = open_store(database_url, clock_ms=clock)
    yield opened
    opened.close()


def channel_of(receiver: Receiver, kind: str = "webhook", **more: Any) -> str:
    secret = {"secret": '"env:HOOK"'} if kind == "webhook" else {}
    fields = {"type": kind, "url": f'"{receiver.url}/{kind}"', "http": "true", **secret, **more}
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"


def notifier_of(store: OrderStore, clock: Clock, channels: dict[str, str], routes: str, **more: Any) -> Notifier:
    lines = "".join(f"  {name}: {channel}\n" for name, channel in channels.items())
    ports = sorted({channel.split("127.0.0.1:")[1].split("/")[0] for channel in channels.values()})
    hosts = "allow_hosts: [" + ", ".join(f"'127.0.0.1:{port}'" for port in ports) + "]"
    file = file_of(f"{hosts}\nchannels:\n{lines}routes:\n{routes}")
    deliveries = store.deliveries()
    zone = ZoneInfo("Asia/Shanghai")
    return Notifier(file, deliveries, squads=lambda: SQUADS, timezone=lambda: zone, now_ms=clock, **more)


@contextmanager
def running(notifier: Notifier) -> Iterator[Notifier]:
    notifier.start()
    try:
        wait_until(lambda: notifier.holds, "it has the lease", 20)
        yield notifier
    finally:
        notifier.stop()


@pytest.fixture(autouse=True)
def _signing_key_and_no_patience(secret: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    secret("HOOK", SECRET)
    monkeypatch.setattr("connectors.notify.notifier.POLL_S", 0.2)
    monkeypatch.setattr("connectors.notify.notifier.TIDY_S", 0.5)


TO_PLATFORM = "  - {on: [opened, filed], channels: [platform]}\n"


def take(store: OrderStore, *numbers: int) -> None:
    store.intake([a_breach(f"b{number}", truck_id=f"浙E{number:05d}") for number in numbers])


def states(store: OrderStore) -> list[str]:
    return [entry.state for entry in store.deliveries().log(limit=1000)]


def orders_of(requests: list[Request]) -> list[str]:
    return [request.json["data"]["order"]["order_id"] for request in requests]


def test_changes_from_now_on_are_told_once_in_their_order(store: OrderStore, clock: Clock) -> None:
    take(store, 1)
    with Receiver() as receiver:
        with running(notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)) as notifier:
            take(store, 2, 3)
            store.command("HW-20260501-0002", "file", expected_version=1, actor=ANYONE)
            requests = receiver.wait(3)
            wait_until(lambda: states(store) == ["sent"] * 3, "all sent", 10)
            notifier.check()
            figures = {(s.name, s.labels): s.value for s in notifier.samples()}
        for request in requests:
            verify(SECRET, request)
    assert [request.json["type"] for request in requests] == ["haulwatch.order.opened"] * 2 + ["haulwatch.order.filed"]
    assert orders_of(requests) == ["HW-20260501-0002", "HW-20260501-0003", "HW-20260501-0002"]
    assert figures["notify_deliveries_total", (("channel", "platform"), ("state", "sent"))] == 3


def test_a_server_that_fails_is_asked_again_and_what_it_wished_is_granted(store: OrderStore, clock: Clock) -> None:
    replies = [Said(500), Said(429, headers={"Retry-After": "3000"}), Said(503)]
    with (
        Receiver(*replies) as receiver,
        running(notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)),
    ):
        take(store, 1)
        receiver.wait(1)
        wait_until(lambda: states(store) == ["failed"], "the failure is written", 10)
        clock.ahead_ms += 60_000
        receiver.wait(2)
        deliveries = store.deliveries()
        wait_until(lambda: deliveries.past("platform", 0).failures == 2, "the wish is written", 10)
        assert deliveries.past("platform", 0).paused_until_ms > clock() + 2_900_000
        clock.ahead_ms += 3_000_000
        receiver.wait(3)
        wait_until(lambda: deliveries.past("platform", 0).failures == 3, "the third is written", 10)
        clock.ahead_ms += 60_000
        requests = receiver.wait(4)
        wait_until(lambda: states(store) == ["sent"], "sent at last", 10)
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    [entry] = store.deliveries().log()
    assert entry.attempts == 4


@sqlite
def test_what_is_refused_is_given_up_with_its_reason_and_the_rest_goes_on(store: OrderStore, clock: Clock) -> None:
    with (
        Receiver(Said(400, b"no such field")) as receiver,
        running(notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)),
    ):
        take(store, 1, 2)
        receiver.wait(2)
        wait_until(lambda: states(store) == ["sent", "given_up"], "both are done", 10)
    [entry] = store.deliveries().log(states=["given_up"])
    assert (entry.status, entry.reason) == (400, "HTTP 400 no such field")


@sqlite
def test_a_channel_that_hangs_holds_up_nobody_else(store: OrderStore, clock: Clock) -> None:
    hang = threading.Event()
    with Receiver(then=Said(before=lambda: hang.wait(20) and None)) as slow, Receiver() as quick:
        channels = {"slow": channel_of(slow), "quick": channel_of(quick)}
        with running(notifier_of(store, clock, channels, "  - {on: [opened], channels: [slow, quick]}\n")):
            take(store, 1, 2, 3)
            slow.wait(1)
            quick.wait(3)
            assert len(slow.requests) == 1
            hang.set()
            slow.wait(3)


@sqlite
def test_a_burst_is_told_in_few_messages_that_name_every_order(store: OrderStore, clock: Clock) -> None:
    first = threading.Event()
    with Receiver(Said(body=b'{"errcode":0}', before=lambda: first.wait(20) and None), then=ROBOT_OK) as robot:
        routes = "  - {on: [opened], channels: [duty]}\n"
        with running(notifier_of(store, clock, {"duty": channel_of(robot, "wecom")}, routes)):
            take(store, 1)
            robot.wait(1)
            take(store, *range(2, 40))
            wait_until(lambda: len(states(store)) == 39, "all are queued", 10)
            first.set()
            requests = robot.wait(2)
            wait_until(lambda: states(store) == ["sent"] * 39, "all sent", 10)
    told = [request.json["markdown"]["content"] for request in requests]
    assert len(told) == 2
    assert told[1].startswith("### 38 张工单")
    assert all(f"HW-20260501-{number:04d}" in told[1] for number in range(2, 40))
    assert {entry.together for entry in store.deliveries().log()} == {1, 38}


@sqlite
def test_over_its_rate_a_channel_waits_also_after_a_restart(store: OrderStore, clock: Clock) -> None:
    with Receiver() as receiver:
        channels = {"platform": channel_of(receiver, rate_per_minute=2)}
        with running(notifier_of(store, clock, channels, TO_PLATFORM)):
            take(store, 1, 2, 3)
            receiver.wait(1)
        with running(notifier_of(store, clock, channels, TO_PLATFORM)) as again:
            wait_until(lambda: bool([s for s in again.samples() if s.name == "notify_waiting"]), "it has looked", 20)
            assert len(receiver.requests) == 1
            clock.ahead_ms += 61_000
            receiver.wait(2)
            clock.ahead_ms += 61_000
            assert orders_of(receiver.wait(3)) == ["HW-20260501-0001", "HW-20260501-0002", "HW-20260501-0003"]


def test_what_was_on_its_way_when_the_process_ended_is_sent_again(store: OrderStore, clock: Clock) -> None:
    """The process dies after the request and before its answer is written: twice, and never not at all."""
    with Receiver() as receiver:
        channels = {"platform": channel_of(receiver)}
        dying = notifier_of(store, clock, channels, TO_PLATFORM)
        log = store.deliveries()
        assert log.claim("dying", 1_000) == 0
        take(store, 1)
        [change] = log.changes(0, 10)
        log.queue("dying", 1, list(deliveries_of(change, clock(), dying._file, {})), 1)
        [delivery] = log.due("platform", 10)
        log.begin("platform", [delivery.delivery_id])
        with running(notifier_of(store, clock, channels, TO_PLATFORM)):
            [request] = receiver.wait(1)
            wait_until(lambda: states(store) == ["sent"], "sent", 10)
    assert request.headers["webhook-id"] == delivery.message_id
    assert [entry.attempts for entry in store.deliveries().log()] == [2]


def test_of_two_consoles_one_sends_and_the_other_takes_over(store: OrderStore, clock: Clock) -> None:
    with Receiver() as receiver:
        channels = {"platform": channel_of(receiver)}
        one, two = (notifier_of(store, clock, channels, TO_PLATFORM) for _ in range(2))
        with running(one):
            two.start()
            take(store, 1, 2, 3)
            receiver.wait(3)
            wait_until(lambda: states(store) == ["sent"] * 3, "all sent", 10)
            assert (one.holds, two.holds) == (True, False)
            two.check()
        wait_until(lambda: two.holds, "the other takes over", 20)
        take(store, 4)
        requests = receiver.wait(4)
        two.stop()
    assert orders_of(requests) == [f"HW-20260501-{number:04d}" for number in range(1, 5)]


@sqlite
def test_a_reminder_comes_only_if_nothing_has_happened(store: OrderStore, clock: Clock) -> None:
    routes = "  - {on: [opened], after_min: 30, channels: [duty]}\n"
    with (
        Receiver(then=ROBOT_OK) as robot,
        running(notifier_of(store, clock, {"duty": channel_of(robot, "wecom")}, routes)),
    ):
        take(store, 1, 2)
        wait_until(lambda: len(states(store)) == 2, "both are queued", 10)
        store.command("HW-20260501-0001", "file", expected_version=1, actor=ANYONE)
        assert robot.requests == []
        clock.ahead_ms += 31 * 60_000
        [request] = robot.wait(1)
        wait_until(lambda: sorted(states(store)) == ["not_needed", "sent"], "both are done", 10)
    assert "新工单 30 分钟无进展" in request.json["markdown"]["content"]
    assert "HW-20260501-0002" in request.json["markdown"]["content"]


@sqlite
def test_a_squad_is_told_in_its_channel(store: OrderStore, clock: Clock) -> None:
    with Receiver(then=ROBOT_OK) as robot:
        routes = "  - {on: [closed], channels: [squad-one]}\n"
        with running(notifier_of(store, clock, {"squad-one": channel_of(robot, "dingtalk")}, routes)):
            take(store, 1)
            store.command("HW-20260501-0001", "file", expected_version=1, actor=ANYONE)
            store.command("HW-20260501-0001", "dispatch", expected_version=2, actor=ANYONE, data={"squad_id": "S1"})
            [request] = robot.wait(1)
    assert request.json["markdown"]["title"] == "已派遣 未密闭运输"


@sqlite
def test_what_is_older_than_the_limit_is_given_up_and_counted(store: OrderStore, clock: Clock) -> None:
    with (
        Receiver(then=Said(503)) as receiver,
        running(notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)),
    ):
        take(store, 1)
        receiver.wait(1)
        wait_until(lambda: states(store) == ["failed"], "it has failed", 10)
        clock.ahead_ms += 25 * 3_600_000
        wait_until(lambda: states(store) == ["given_up"], "it is given up", 10)
    assert [entry.reason for entry in store.deliveries().log()] == ["not delivered within 24 h"]


@sqlite
def test_a_robot_that_is_dead_is_no_reason_to_be_unready_but_a_log_that_is_away_is(
    store: OrderStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(_post: Post) -> Reply:
        raise WorldError(Text("不在", "nobody there"), retryable=True)

    with Receiver() as nobody:
        notifier = notifier_of(store, clock, {"platform": channel_of(nobody)}, TO_PLATFORM, send=dead)
    with running(notifier):
        take(store, 1)
        wait_until(lambda: states(store) == ["failed"], "it was tried", 10)
        notifier.check()
        [entry] = store.deliveries().log()
        assert entry.reason == "nobody there"

        def away(*_arguments: object) -> None:
            raise WorldError(Text("库不在", "the database is away"), retryable=True)

        with monkeypatch.context() as broken:
            broken.setattr(notifier._log, "changes", away)

            wait_until(lambda: not is_ready(notifier), "it is unready", 10)
            with pytest.raises(WorldError, match="the database is away"):
                notifier.check()
        wait_until(lambda: is_ready(notifier), "it is ready again", 10)


@sqlite
def test_what_was_sent_while_the_log_was_away_is_written_later_not_sent_again(
    store: OrderStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        notifier = notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)
        finish, failures = notifier._log.finish, [1, 2]

        def sometimes(*arguments: Any, **named: Any) -> None:
            if failures:
                failures.pop()
                raise WorldError(Text("库不在", "the database is away"), retryable=True)
            finish(*arguments, **named)

        monkeypatch.setattr(notifier._log, "finish", sometimes)
        with running(notifier):
            take(store, 1)
            wait_until(lambda: states(store) == ["sent"], "it is written", 20)
        assert len(receiver.requests) == 1


def test_a_database_that_goes_and_comes_back(own_postgres: Postgres, clock: Clock) -> None:
    store = open_store(own_postgres.url().render_as_string(hide_password=False), clock_ms=clock)
    with Receiver() as receiver:
        notifier = notifier_of(store, clock, {"platform": channel_of(receiver)}, TO_PLATFORM)
        with running(notifier):
            take(store, 1)
            receiver.wait(1)
            wait_until(lambda: states(store) == ["sent"], "the first is done", 10)
            own_postgres.kill()
            wait_until(lambda: not is_ready(notifier), "it says so", 20)
            own_postgres.start()
            wait_until(lambda: is_ready(notifier), "it is ready again", 60)
            take(store, 2)
            assert set(orders_of(receiver.wait(2, timeout_s=60))) == {"HW-20260501-0001", "HW-20260501-0002"}
            wait_until(lambda: states(store) == ["sent", "sent"], "the second is done", 10)
            assert notifier.failure is None
    store.close()


def is_ready(notifier: Notifier) -> bool:
    """What /readyz would say."""
    try:
        notifier.check()
    except WorldError:
        return False
    return True
