"""Which change concerns whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.notify.steps import STEPS, deliveries_of, step_of, unknown_channel_of
from haulwatch.domain.orders import COMMANDS, STAGES, Change, Pending
from haulwatch.domain.registry import Squad
from tests.connectors.notify.conftest import NOW_MS, SQUADS, a_delivery, file_of

CHANNELS = """
allow_hosts: [q.example.org]
channels:
  duty: {type: wecom, url: "https://q.example.org/duty"}
  squad-one: {type: wecom, url: "https://q.example.org/one"}
routes:
"""


def a_change(kind: str, **changes: Any) -> Change:
    return a_delivery(1, kind=kind, **changes).change


def told(route: str, change: Change) -> list[tuple[str, str]]:
    file = file_of(CHANNELS + f"  - {route}\n")
    return [(new.step, new.channel) for new in deliveries_of(change, NOW_MS, file, SQUADS)]


@pytest.mark.parametrize(
    ("kind", "stage", "step"),
    [
        ("opened", "new", "opened"),
        ("finding", "on_site", "finding"),
        ("file", "filed", "filed"),
        ("dispatch", "dispatched", "dispatched"),
        ("rework", "rework", "rework"),
        ("approve", "void", "void"),
        ("approve", "on_site", "extended"),
        ("decline", "on_site", "declined"),
        ("resume", "on_site", "resumed"),
        ("answer", "on_site", "answered"),
        ("reminder", "on_site", "reminder"),
        ("overdue_red", "on_site", "overdue_red"),
        ("something new", "filed", None),
    ],
)
def test_steps(kind: str, stage: str, step: str | None) -> None:
    assert step_of(a_change(kind, stage=stage)) == step


def test_a_request_is_not_what_it_asks_for() -> None:
    pending = Pending(command="void", data={"reason": "演练"}, by="wang", at="2026-05-01T00:00:00.000Z")
    change = a_change("void", stage="on_site", pending=pending)
    assert step_of(change) == "approval_asked"
    assert told("{on: [void], channels: [duty]}", change) == []
    assert told("{on: [approval_asked], channels: [duty]}", change) == [("approval_asked", "duty")]


def test_an_approval_is_told_once_to_who_asks_for_it_and_for_what_follows() -> None:
    change = a_change("approve", stage="void")
    assert told("{on: [approved, void], channels: [duty]}", change) == [("void", "duty")]
    assert told("{on: [approved], channels: [duty]}", change) == [("void", "duty")]


def test_every_stage_and_every_command_is_a_step() -> None:
    assert set(STAGES) - {"new"} < set(STEPS)
    assert all(step_of(a_change(command, stage="filed")) for command in COMMANDS)


@pytest.mark.parametrize(
    ("route", "is_told"),
    [
        ("{on: [opened], channels: [duty]}", True),
        ("{on: [closed], channels: [duty]}", False),
        ("{on: [opened, closed], severity: [major], category: [uncovered], channels: [duty]}", True),
        ("{on: [opened], severity: [critical], channels: [duty]}", False),
        ("{on: [opened], category: [dumping], channels: [duty]}", False),
        ("{on: [opened], urgency: [low], channels: [duty]}", False),
        ("{on: [opened], zones: [D-09, T-03], channels: [duty]}", True),
        ("{on: [opened], zones: [D-09], channels: [duty]}", False),
        ("{on: [opened], late: false, channels: [duty]}", True),
        ("{on: [opened], late: true, channels: [duty]}", False),
        ("{on: [opened], squads: [S1], channels: [duty]}", False),
        ("{on: [opened], channels: [squad]}", False),
    ],
)
def test_routes(route: str, is_told: bool) -> None:
    assert told(route, a_change("opened")) == ([("opened", "duty")] if is_told else [])


def test_a_squad_is_told_of_what_it_is_sent_to_in_its_own_channel() -> None:
    change = a_change("dispatch", stage="dispatched", squad_id="S1")
    assert told("{on: [closed], channels: [duty]}", change) == [("dispatched", "squad-one")]
    assert told("{on: [dispatched], channels: [squad, duty]}", change) == [
        ("dispatched", "squad-one"),
        ("dispatched", "duty"),
    ]


def test_a_squad_whose_channel_is_not_there_is_noticed() -> None:
    change = a_change("dispatch", stage="dispatched", squad_id="S2")
    squads = {"S2": Squad(squad_id="S2", channel="squad-two")}
    file = file_of(CHANNELS.removesuffix("routes:\n"))
    assert list(deliveries_of(change, NOW_MS, file, squads)) == []
    assert unknown_channel_of(change, file, squads) == "squad-two"
    assert unknown_channel_of(msgspec.structs.replace(change, kind="opened"), file, squads) is None


def test_a_reminder_is_due_later_and_besides_the_message_itself() -> None:
    file = file_of(
        CHANNELS + "  - {on: [opened], channels: [duty]}\n  - {on: [opened], after_min: 10, channels: [duty]}\n"
        "  - {on: [opened], late: false, channels: [duty]}\n"
    )
    now, later = deliveries_of(a_change("opened"), NOW_MS, file, {})
    assert (now.step, now.due_ms, now.if_unchanged) == ("opened", NOW_MS, False)
    assert (later.step, later.due_ms, later.if_unchanged) == ("opened+10m", NOW_MS + 600_000, True)
