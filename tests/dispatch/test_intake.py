"""Findings become orders: one per episode, once, whatever is sent again and in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.dispatch.duty import NoPlan
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.orders import Actor, IntakeResult, Order, OrderFilter, Urgency
from haulwatch.domain.text import Text
from tests.dispatch.conftest import examples

Make = Callable[..., Breach]


def only(store: OrderStore) -> Order:
    (order,) = store.list().orders
    return order


def test_an_opened_finding_becomes_a_new_order(store: OrderStore, breach: Make) -> None:
    finding = breach()
    assert store.intake([finding]) == IntakeResult(opened=("HW-20260501-0001",))
    order = only(store)
    assert (order.order_id, order.version, order.stage) == ("HW-20260501-0001", 1, "new")
    assert (order.truck_id, order.category, order.severity, order.urgency) == (
        "浙E12345",
        "uncovered",
        "major",
        "urgent",
    )
    assert (order.rule_id, order.rule_hash, order.city_hash) == (finding.rule_id, finding.rule_hash, finding.city_hash)
    assert (order.lon, order.lat, order.zone_ids) == (120.1, 30.86, ["D-01", "T-03"])
    assert (order.title, order.summary) == (finding.title, finding.summary)
    assert (order.occurrences, order.late, order.ended_at) == (1, False, None)
    assert (order.started_at, order.detected_at) == ("2026-05-01T00:29:00.000Z", "2026-05-01T00:30:00.000Z")
    assert store.get(order.order_id).breach == finding


def test_the_same_record_again_changes_nothing(store: OrderStore, breach: Make) -> None:
    records = [breach(), breach(phase="updated", count=4), breach(phase="ended", count=6)]
    store.intake(records)
    before, change_id = store.get("HW-20260501-0001"), store.last_change_id()
    assert store.intake(records + records) == IntakeResult(unchanged=6)
    assert store.get("HW-20260501-0001") == before
    assert store.last_change_id() == change_id


def test_an_episode_that_goes_on_and_ends_adds_to_its_order(store: OrderStore, breach: Make) -> None:
    store.intake([breach()])
    assert store.intake([breach(phase="updated", count=4)]).updated == ("HW-20260501-0001",)
    assert (only(store).occurrences, only(store).ended_at) == (4, None)
    store.intake([breach(phase="ended", count=5)])
    assert (only(store).occurrences, only(store).ended_at) == (5, "2026-05-01T00:35:00.000Z")
    # the same conduct goes on within its cooldown
    store.intake([breach(phase="updated", count=6)])
    assert (only(store).occurrences, only(store).ended_at) == (6, None)
    assert only(store).version == 1, "findings do not take the order out of the dispatcher's hands"


def test_an_episode_also_adds_to_an_order_that_is_over(
    store: OrderStore, breach: Make, anyone: Actor, second: Actor
) -> None:
    store.intake([breach()])
    order_id = only(store).order_id
    store.command(order_id, "void", expected_version=1, actor=anyone, data={"reason": "重复报警"})
    store.command(order_id, "approve", expected_version=2, actor=second)
    assert store.intake([breach(phase="ended", count=2)]).updated == (order_id,)
    assert (only(store).stage, only(store).occurrences) == ("void", 2)


@pytest.mark.parametrize("first", ["updated", "ended"])
def test_a_record_whose_opening_was_never_seen_opens_the_order(store: OrderStore, breach: Make, first: str) -> None:
    assert store.intake([breach(phase=first, count=3)]).opened == ("HW-20260501-0001",)
    assert store.intake([breach()]).updated == ("HW-20260501-0001",)
    assert only(store).occurrences == 3
    assert (only(store).ended_at is None) == (first == "updated")


def test_an_episode_that_ended_twice_ended_when_it_was_last_seen(store: OrderStore, breach: Make) -> None:
    late_end = breach(phase="ended", count=3, ended_at="2026-05-01T01:00:00.000Z")
    store.intake([breach(), late_end, breach(phase="ended", count=2)])
    assert (only(store).occurrences, only(store).ended_at) == (3, "2026-05-01T01:00:00.000Z")


def test_another_rule_that_sees_the_same_conduct_joins(store: OrderStore, breach: Make) -> None:
    camera = breach(severity="minor")
    sensor = breach("b2", rule_id="uncovered-sensor", minute=55, severity="critical")
    assert store.intake([camera, sensor]) == IntakeResult(opened=("HW-20260501-0001",), joined=("HW-20260501-0001",))
    order = only(store)
    assert (order.occurrences, order.severity, order.urgency) == (2, "critical", "urgent")
    assert (order.rule_id, order.breach_id) == ("uncovered-camera", "b1")
    assert [found.breach_id for found in store.get(order.order_id).occurrences] == ["b1", "b2"]


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("the same rule's new episode is new conduct by its own cooldown", {"minute": 40}),
        ("half an hour after it was last seen", {"minute": 61, "rule_id": "uncovered-sensor"}),
        ("another category", {"rule_id": "over", "category": "overweight"}),
        ("another truck", {"rule_id": "uncovered-sensor", "truck_id": "浙E54321"}),
    ],
)
def test_what_does_not_join_opens_an_order(
    store: OrderStore, breach: Make, why: str, changes: dict[str, object]
) -> None:
    result = store.intake([breach(), breach("b2", **changes)])
    assert result.opened == ("HW-20260501-0001", "HW-20260501-0002"), why


def test_of_two_open_orders_of_one_truck_the_newer_collects(store: OrderStore, breach: Make) -> None:
    store.intake([breach(), breach("b2", minute=40), breach("b3", minute=41, rule_id="uncovered-sensor")])
    older, newer = store.get("HW-20260501-0001").order, store.get("HW-20260501-0002").order
    assert (older.occurrences, newer.occurrences) == (1, 2)


@pytest.mark.parametrize(("commands", "joins"), [(3, True), (4, True), (5, False)])
def test_nothing_joins_once_it_is_handled(
    store: OrderStore, breach: Make, anyone: Actor, commands: int, joins: bool
) -> None:
    store.intake([breach()])
    line = [
        ("file", {}),
        ("dispatch", {"squad_id": "S-1"}),
        ("accept", {}),
        ("arrive", {}),
        ("handle", {"outcome": "x"}),
    ]
    for version, (command, data) in enumerate(line[:commands], start=1):
        store.command("HW-20260501-0001", command, expected_version=version, actor=anyone, data=data)
    result = store.intake([breach("b2", rule_id="uncovered-sensor")])
    assert bool(result.joined) == joins
    assert bool(result.opened) != joins


def test_a_shadow_finding_is_kept_without_an_order(store: OrderStore, breach: Make) -> None:
    records = [breach(status="shadow"), breach(phase="ended", count=3, status="shadow")]
    assert store.intake(records) == IntakeResult(shadow=2)
    assert store.intake(records) == IntakeResult(unchanged=2)
    assert store.list().orders == []
    assert store.last_change_id() == 0


def test_a_late_finding_becomes_an_order_without_urgency(store: OrderStore, breach: Make) -> None:
    store.intake([breach(late=True, severity="critical")])
    assert (only(store).late, only(store).urgency, only(store).severity) == (True, "low", "critical")


def test_a_late_finding_of_what_was_seen_live_joins_without_urging(store: OrderStore, breach: Make) -> None:
    store.intake([breach(severity="info"), breach("b2", late=True, minute=20, severity="critical")])
    assert (only(store).late, only(store).urgency, only(store).severity) == (False, "low", "critical")


def test_late_findings_of_one_gap_share_an_order_apart_from_the_live_one(store: OrderStore, breach: Make) -> None:
    live = breach(minute=300)
    late = [breach("b2", late=True), breach("b3", late=True, minute=31), breach("b4", late=True, minute=90)]
    result = store.intake([live, *late])
    assert result.opened == ("HW-20260501-0001", "HW-20260501-0002", "HW-20260501-0003")
    assert result.joined == ("HW-20260501-0002",)
    # the live order still collects
    assert store.intake([breach("b5", rule_id="uncovered-sensor", minute=301)]).joined == ("HW-20260501-0001",)


def test_numbers_begin_anew_each_local_day(store: OrderStore, breach: Make) -> None:
    minutes = (0, 15 * 60 + 59, 16 * 60)  # 08:00, 23:59 and 24:00 in Hekou
    result = store.intake([breach(f"b{minute}", minute=minute) for minute in minutes])
    assert result.opened == ("HW-20260501-0001", "HW-20260501-0002", "HW-20260502-0001")


def test_the_city_may_say_how_urgent_a_finding_is(url: str, breach: Make) -> None:
    class Calm(NoPlan):
        def urgency_of(self, breach: Breach) -> Urgency:
            return "normal" if breach.rule_id == "uncovered-camera" else "urgent"

    store = open_store(url, plan=Calm())
    store.intake([breach(severity="critical")])
    assert only(store).urgency == "normal"
    store.close()


def test_a_batch_that_fails_leaves_nothing(store: OrderStore, breach: Make) -> None:
    with pytest.raises(ValueError, match="never"):
        store.intake([breach(), breach("b2", truck_id="浙E2", detected_at="never")])
    assert store.list().orders == []
    assert store.intake([breach()]).opened == ("HW-20260501-0001",)


@pytest.mark.parametrize(
    "changes",
    [
        {"breach_id": "b" * 129},
        {"truck_id": "x" * 33},
        {"truck_id": "浙E\0"},
        {"rule_id": ""},
        {"rule_hash": "r\0"},
        {"city_hash": "\ud800"},
        {"count": 0},
        {"count": 1 << 31},
    ],
)
def test_what_no_database_could_hold_is_a_bad_finding(
    store: OrderStore, breach: Make, changes: dict[str, object]
) -> None:
    with pytest.raises(DeviceError) as refused:
        store.intake([breach("b0"), breach(**changes)])
    assert refused.value.code == "unfit_breach"
    assert store.list().orders == []


def test_texts_that_a_database_could_not_hold_as_they_are(store: OrderStore, breach: Make) -> None:
    """Inside JSON anything goes; a plate may be as long and as strange as events allow."""
    plate = "𠮷" * 32
    store.intake([breach(truck_id=plate, summary=Text("\0", "\0"), zone_ids=["\0"])])
    (order,) = store.list(OrderFilter(truck_id=plate)).orders
    assert (order.summary, order.zone_ids) == (Text("\0", "\0"), ["\0"])
    assert store.verify().problem is None


def picture(store: OrderStore) -> list[object]:
    """Everything about the orders except when the wall clock saw it."""
    found: list[object] = []
    for order in reversed(store.list(limit=500).orders):
        detail = store.get(order.order_id)
        kept = {
            name: getattr(order, name)
            for name in order.__struct_fields__
            if name not in ("opened_at", "stage_at", "clock")
        }
        parts = [(o.breach_id, o.phase, o.count, o.late, o.detected_at, o.ended_at) for o in detail.occurrences]
        told = [{**entry.detail, "action": entry.action, "state_sha256": ""} for entry in detail.audit]  # has instants
        found.append((kept, parts, detail.breach, told))
    return found


Spec = tuple[str, str, int, dict[str, object]]
"""What `breach` makes a finding of: breach_id, phase, count, changes."""


@st.composite
def stories(draw: st.DrawFn) -> list[Spec]:
    """Records of a few trucks' episodes in the order of the log."""
    records: list[Spec] = []
    for number in range(draw(st.integers(1, 8))):
        truck, rule = draw(st.sampled_from(["浙E1", "浙E2"])), draw(st.sampled_from(["camera", "sensor"]))
        fields = {"truck_id": truck, "rule_id": rule, "late": draw(st.booleans()), "minute": draw(st.integers(0, 120))}
        phases = draw(st.lists(st.sampled_from(["updated", "ended"]), max_size=3))
        records += [(f"b{number}", phase, count, fields) for count, phase in enumerate(["opened", *phases], start=1)]
    return records


def test_batches_and_repetitions_make_no_difference(url: str, another_url: Callable[[], str], breach: Make) -> None:
    """However the log is cut into batches, and from wherever it is sent again, the orders are the same."""

    @settings(max_examples=examples(url, 40), deadline=None)
    @given(story=stories(), cuts=st.lists(st.integers(0, 40), max_size=4), again=st.integers(0, 40))
    def hold(story: list[Spec], cuts: list[int], again: int) -> None:
        records = [breach(breach_id, phase, count, **changes) for breach_id, phase, count, changes in story]
        once, often = (open_store(another_url()) for _ in range(2))
        once.intake(records)
        edges = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
        for start, end in pairwise(edges):
            often.intake(records[max(0, start - again) : end])
        often.intake(records)
        expected, found = picture(once), picture(often)
        once.close()
        often.close()
        assert found == expected

    hold()
