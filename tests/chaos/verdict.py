"""What a broken and mended cluster has left behind, held against one undisturbed pass over the same log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import msgspec
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from connectors.kafka_client import reader, records_until
from haulwatch.bootstrap import open_order_store
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Order
from haulwatch.settings import ClusterSettings
from haulwatch.wire import DeadLetter
from streams.processor import PartitionProcessor
from streams.records import LogReader
from streams.runtime import CityRuntime

Key = tuple[str, str, int, bool]
"""Of a breach record: breach_id, phase, occurrences, late."""
RuntimeOf = Callable[[str], CityRuntime]
OURS = ("engine_failed", "unknown_city", "received_in_future")
"""Dead letters that only a fault of the system's own could have led to here."""
SHOWN = 5


@dataclass
class Verdict:
    """Counts for the table, and everything that is wrong."""

    counts: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The counts, a line each, and the problems."""
        width = max(len(name) for name in self.counts)
        lines = [f"{name:{width}}  {value}" for name, value in self.counts.items()]
        return "\n".join([*lines, *(f"PROBLEM {problem}" for problem in self.problems)])

    def compare(self, what: str, expected: Collection[object], found: Collection[object]) -> None:
        """Two sets must be one."""
        wanted, there = set(expected), set(found)
        for name, difference in (("missing", wanted - there), ("too many", there - wanted)):
            if difference:
                shown = sorted(map(str, difference))[:SHOWN]
                self.problems.append(f"{what}: {len(difference)} {name}: {'; '.join(shown)}")


def records_of(settings: ClusterSettings, topic: str) -> dict[int, list[ConsumerRecord]]:
    """Every record of a topic up to its present end, by partition."""
    found: dict[int, list[ConsumerRecord]] = {}
    with reader(settings, isolation_level="read_committed") as consumer:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        for place, end in consumer.end_offsets(places).items():
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            found[place.partition] = list(records_until(consumer, {place: end}))
    return found


@dataclass
class Undisturbed:
    """What the log leads to when nothing is in the way: breaches by partition in order, event ids, what was dead."""

    breaches: dict[int, list[Breach]]
    event_ids: set[str]
    events: int
    dead: Counter[str]


def undisturbed(
    topic: str, log: dict[int, list[ConsumerRecord]], upto: dict[int, int], runtime_of: RuntimeOf
) -> Undisturbed:
    """One pass over the log, each partition up to the offset that the workers have reached."""
    result = Undisturbed({}, set(), 0, Counter())
    for number, records in log.items():
        processor = PartitionProcessor(None, runtime_of)
        log_reader = LogReader(topic, number, len(log))
        found = result.breaches[number] = []
        for record in records:
            read = log_reader.read(record.value, record.timestamp, record.offset)
            result.dead.update(letter.code for letter in read.dead)
            for event in read.events:
                result.events += 1
                if (event_id := getattr(event, "event_id", None)) is not None:
                    result.event_ids.add(event_id)
                if record.offset < upto.get(number, 0):
                    found += processor.apply(event)
    return result


def judge_log(verdict: Verdict, acknowledged: Iterable[str], truth: Undisturbed) -> None:
    """(i) What was acknowledged is in the log."""
    wanted = set(acknowledged)
    verdict.counts["events acknowledged"] = len(wanted)
    verdict.counts["events in the log"] = f"{truth.events} ({len(truth.event_ids)} different)"
    verdict.compare("acknowledged events", wanted, wanted & truth.event_ids)


def judge_breaches(verdict: Verdict, truth: Undisturbed, topic: dict[int, list[ConsumerRecord]]) -> None:
    """(ii) The breaches topic holds what the log leads to, word for word, a truck's in order; repeats are allowed."""
    records = [record for number in sorted(topic) for record in topic[number]]
    first: dict[Key, bytes] = {}
    order: dict[str, list[Key]] = {}
    for record in records:
        breach = msgspec.json.decode(record.value, type=Breach)
        key = key_of(breach)
        if key not in first:
            first[key] = record.value
            order.setdefault(breach.truck_id, []).append(key)
        elif first[key] != record.value:
            verdict.problems.append(f"two different records of one breach: {key}")
    expected = {key_of(breach): msgspec.json.encode(breach) for found in truth.breaches.values() for breach in found}
    verdict.counts["breach records"] = f"{len(records)} ({len(first)} different), expected {len(expected)}"
    verdict.compare("breaches", expected, first)
    differing = [key for key in expected.keys() & first.keys() if expected[key] != first[key]]
    if differing:
        verdict.problems.append(f"{len(differing)} breaches read differently, e.g. {differing[0]}")
    right: dict[str, list[Key]] = {}
    for breach in (breach for found in truth.breaches.values() for breach in found):
        keys = right.setdefault(breach.truck_id, [])
        if key_of(breach) not in keys:
            keys.append(key_of(breach))
    disordered = [truck for truck in right if order.get(truck) not in (None, right[truck])]
    if disordered:
        verdict.problems.append(f"breaches of {len(disordered)} trucks came in another order, e.g. {disordered[0]}")


def key_of(breach: Breach) -> Key:
    """What tells one record of a breach from another."""
    return breach.breach_id, breach.phase, breach.occurrences, breach.late


def judge_orders(
    verdict: Verdict, truth: Undisturbed, database: str, work_orders: dict[int, list[ConsumerRecord]]
) -> None:
    """(iii) The order store holds what an undisturbed intake of those breaches makes of them; its audit is whole."""
    store, model = open_order_store(database), open_order_store("sqlite://")
    try:
        for breaches in truth.breaches.values():
            for start in range(0, len(breaches), 500):
                model.intake(breaches[start : start + 500])
        orders, expected = all_orders(store), all_orders(model)
        verdict.counts["orders"] = f"{len(orders)}, expected {len(expected)}"
        verdict.compare("orders", map(essence, expected), map(essence, orders))
        verdict.compare("breaches of orders", members(model, expected), members(store, orders))
        opened = [order.breach_id for order in orders]
        if len(opened) != len(set(opened)):
            verdict.problems.append("an episode has two orders")
        report = store.verify()
        verdict.counts["audit entries"] = report.entries
        if report.problem is not None:
            verdict.problems.append(f"audit: {report.problem}")
        latest = {
            record.key.decode(): msgspec.json.decode(record.value, type=Order)
            for number in sorted(work_orders)
            for record in work_orders[number]
        }
        verdict.counts["work-order records"] = sum(map(len, work_orders.values()))
        verdict.compare("work orders told", map(state, orders), map(state, latest.values()))
    finally:
        store.close()
        model.close()


def all_orders(store: OrderStore) -> list[Order]:
    """Every order, page by page."""
    found: list[Order] = []
    cursor = None
    while True:
        page = store.list(cursor=cursor, limit=500)
        found += page.orders
        if (cursor := page.next_cursor) is None:
            return found


def essence(order: Order) -> tuple[object, ...]:
    """What an order is, whenever and under whichever number it was filed."""
    return (
        *(order.breach_id, order.rule_id, order.category, order.severity, order.truck_id, order.late),
        *(order.occurrences, order.started_at, order.detected_at, order.last_detected_at, order.ended_at),
    )


def members(store: OrderStore, orders: Iterable[Order]) -> set[tuple[str, str, str, int]]:
    """Which findings belong to which order: the order's first breach, and breach, phase and count of each."""
    return {
        (order.breach_id, finding.breach_id, finding.phase, finding.count)
        for order in orders
        for finding in store.get(order.order_id).occurrences
    }


def state(order: Order) -> tuple[str, int, int]:
    """Which state of an order this is."""
    return order.order_id, order.version, order.change_id


def judge_letters(verdict: Verdict, letters: dict[int, list[ConsumerRecord]]) -> None:
    """Nothing was put aside for a fault of our own."""
    codes = Counter(
        msgspec.json.decode(record.value, type=DeadLetter).code for batch in letters.values() for record in batch
    )
    verdict.counts["dead letters"] = ", ".join(f"{code} {count}" for code, count in sorted(codes.items())) or "none"
    verdict.problems += [f"dead letters {code}: {codes[code]}" for code in OURS if codes[code]]
