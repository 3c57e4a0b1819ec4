"""Order changes to Kafka: each at least once, in their order, the last state last, whoever publishes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest
from kafka.consumer.fetcher import ConsumerRecord

from connectors.kafka_orders import OrderOutbox, OrderPublisher
from connectors.kafka_topics import create
from haulwatch.console.testing import overweight
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, Actor, Change, Order
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from tests.connectors.kafka_console.records import everything, until
from tests.kafka.broker import Broker

MS = 1_777_593_600_000
ANYONE = Actor("local", frozenset(ROLES))
NAME = "work-orders"


def open_orders(store: OrderStore, *numbers: int) -> None:
    store.intake([overweight(f"b{n}", MS + n * 1000, f"浙E{n:05d}") for n in numbers])


def file_all(store: OrderStore) -> None:
    for order in store.list(limit=500).orders:
        store.command(order.order_id, "file", expected_version=order.version, actor=ANYONE)


def published(settings: ClusterSettings) -> list[ConsumerRecord]:
    return everything(settings, settings.topics.work_orders)


def orders_of(records: Sequence[ConsumerRecord]) -> list[Order]:
    return [msgspec.json.decode(record.value, type=Order) for record in records]


def last_states(records: Sequence[ConsumerRecord]) -> dict[str, Order]:
    """What a compacted topic ends with."""
    return {order.order_id: order for order in orders_of(records)}


def current(store: OrderStore) -> dict[str, Order]:
    return {order.order_id: order for order in store.list(limit=500).orders}


@contextmanager
def publishing(settings: ClusterSettings, outbox: OrderOutbox) -> Iterator[OrderPublisher]:
    publisher = OrderPublisher(settings, outbox)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def in_order(records: Sequence[ConsumerRecord]) -> bool:
    """Whether each partition's changes come in the order in which they were made."""
    places: dict[int, list[int]] = {}
    for record, order in zip(records, orders_of(records), strict=True):
        places.setdefault(record.partition, []).append(order.change_id)
    return all(ids == sorted(ids) for ids in places.values())


@pytest.mark.kafka
def test_every_change_is_published_in_its_order(topics: ClusterSettings, store: OrderStore) -> None:
    open_orders(store, *range(300))
    with publishing(topics, store.outbox_reader(NAME)) as publisher:
        until(lambda: store.outbox_reader(NAME).position() == 300)
        file_all(store)
        publisher.notify()
        until(lambda: store.outbox_reader(NAME).position() == 600)
        publisher.check()
    records = published(topics)
    assert sorted(order.change_id for order in orders_of(records)) == list(range(1, 601))
    assert in_order(records)
    assert last_states(records) == current(store)
    assert {record.key.decode() for record in records} == set(current(store))
    assert {dict(record.headers)["kind"] for record in records} == {b"opened", b"file"}


@pytest.mark.kafka
def test_it_goes_on_where_it_was(topics: ClusterSettings, store: OrderStore) -> None:
    open_orders(store, 1, 2)
    with publishing(topics, store.outbox_reader(NAME)):
        until(lambda: store.outbox_reader(NAME).position() == 2)
    open_orders(store, 3)
    with publishing(topics, store.outbox_reader(NAME)):
        until(lambda: store.outbox_reader(NAME).position() == 3)
    assert [order.change_id for order in sorted(orders_of(published(topics)), key=lambda o: o.change_id)] == [1, 2, 3]


@pytest.mark.kafka
def test_of_two_consoles_one_publishes_and_the_other_takes_over(topics: ClusterSettings, store: OrderStore) -> None:
    first, second = (OrderPublisher(topics, store.outbox_reader(NAME)) for _ in range(2))
    first.start()
    until(lambda: first.publishes)
    second.start()
    open_orders(store, *range(10))
    until(lambda: store.outbox_reader(NAME).position() == 10)
    assert not second.publishes
    first.stop()
    open_orders(store, *range(10, 20))
    until(lambda: second.publishes, 10)  # the lease was given up, not left to end
    until(lambda: store.outbox_reader(NAME).position() == 20)
    second.stop()
    assert sorted(order.change_id for order in orders_of(published(topics))) == list(range(1, 21))


class Sleeper:
    """An outbox whose console falls asleep right before it writes, and wakes when told."""

    def __init__(self, outbox: OrderOutbox) -> None:
        self._outbox = outbox
        self.asleep, self.wake = threading.Event(), threading.Event()
        self.sleep_at = 0

    def claim(self, holder: str, lease_ms: int) -> int | None:
        return self._outbox.claim(holder, lease_ms)

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        changes = self._outbox.changes(after, limit)
        if changes:
            self.sleep_at -= 1
            if self.sleep_at == 0:
                self.asleep.set()
                assert self.wake.wait(60)
        return changes

    def advance(self, holder: str, change_id: int, lease_ms: int) -> bool:
        return self._outbox.advance(holder, change_id, lease_ms)

    def release(self, holder: str) -> None:
        self._outbox.release(holder)


@pytest.mark.kafka
@pytest.mark.parametrize("asleep_at", [1, 2, 3], ids=["before it connects", "after it connected", "in full swing"])
def test_a_console_that_slept_through_its_lease_brings_nothing_old(
    topics: ClusterSettings, store: OrderStore, monkeypatch: pytest.MonkeyPatch, asleep_at: int
) -> None:
    monkeypatch.setattr("connectors.kafka_orders.LEASE_MS", 1_500)
    monkeypatch.setattr("connectors.kafka_orders.RENEW_S", 0.4)
    sleeper = Sleeper(store.outbox_reader(NAME))
    if asleep_at == 3:
        open_orders(store, 1)
    with publishing(topics, sleeper) as first:
        if asleep_at == 3:
            until(lambda: store.outbox_reader(NAME).position() == 1)
            asleep_at = 1
        sleeper.sleep_at = asleep_at
        open_orders(store, *range(10, 15))
        first.notify()
        assert sleeper.asleep.wait(20)
        with publishing(topics, store.outbox_reader(NAME)) as second:
            until(lambda: second.publishes)
            file_all(store)
            newest = store.last_change_id()
            until(lambda: store.outbox_reader(NAME).position() == newest)
            sleeper.wake.set()
            until(lambda: not first.publishes or failing(first))
            open_orders(store, 20)
            until(lambda: store.outbox_reader(NAME).position() == newest + 1)
    records = published(topics)
    assert last_states(records) == current(store)
    assert in_order(records)


class Fragile:
    """An outbox whose database is away for a while, after what it was asked has already happened elsewhere."""

    def __init__(self, outbox: OrderOutbox) -> None:
        self._outbox = outbox
        self.away = False
        self.refused = 0

    def _ask(self, what: Callable[[], object]) -> object:
        if self.away:
            self.refused += 1
            raise WorldError(Text("数据库不可用", "the database is away"), retryable=True)
        return what()

    def claim(self, holder: str, lease_ms: int) -> int | None:
        return self._ask(lambda: self._outbox.claim(holder, lease_ms))  # type: ignore[return-value]

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        return self._ask(lambda: self._outbox.changes(after, limit))  # type: ignore[return-value]

    def advance(self, holder: str, change_id: int, lease_ms: int) -> bool:
        self.away = self.away or change_id == 5  # once: it goes away in the worst moment
        return self._ask(lambda: self._outbox.advance(holder, change_id, lease_ms))  # type: ignore[return-value]

    def release(self, holder: str) -> None:
        self._ask(lambda: self._outbox.release(holder))


@pytest.mark.kafka
def test_a_database_that_goes_before_the_place_is_kept(topics: ClusterSettings, store: OrderStore) -> None:
    fragile = Fragile(store.outbox_reader(NAME))
    open_orders(store, *range(5))
    with publishing(topics, fragile) as publisher:
        until(lambda: fragile.refused >= 3)
        assert failing(publisher)
        open_orders(store, 6)
        fragile.away = False
        until(lambda: store.outbox_reader(NAME).position() == 6)
        until(lambda: not failing(publisher))
    records = published(topics)
    assert {order.change_id for order in orders_of(records)} == set(range(1, 7))
    assert last_states(records) == current(store)


def failing(publisher: OrderPublisher) -> bool:
    try:
        publisher.check()
    except WorldError:
        return True
    return False


@pytest.mark.kafka
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back(
    own_broker: Broker, tmp_path_factory: pytest.TempPathFactory, end: str
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/orders.sqlite")
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t")
    create(settings, 3)
    with publishing(settings, store.outbox_reader(NAME)) as publisher:
        open_orders(store, 1)
        until(lambda: store.outbox_reader(NAME).position() == 1)
        getattr(own_broker, end)()
        open_orders(store, *range(2, 40))
        until(lambda: failing(publisher))
        own_broker.start()
        own_broker.wait_ready()
        until(lambda: store.outbox_reader(NAME).position() == 39, 60)
        until(lambda: not failing(publisher))
    records = published(settings)
    assert last_states(records) == current(store)
    assert in_order(records)
    store.close()


@pytest.mark.kafka
def test_it_stops_within_seconds_while_the_broker_is_away(
    own_broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/orders.sqlite")
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t")
    create(settings, 3)
    with publishing(settings, store.outbox_reader(NAME)) as publisher:
        open_orders(store, 1)
        until(lambda: store.outbox_reader(NAME).position() == 1)
        own_broker.kill()
        open_orders(store, 2)
        until(lambda: failing(publisher))
        began = time.monotonic()
        publisher.stop()
        assert time.monotonic() - began < 7
    store.close()
