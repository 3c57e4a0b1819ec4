"""`haulwatch rules explain`, as a person runs it: why a rule fired, why not, what it waits for, and bad arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haulwatch.cli.main import main
from haulwatch.domain.events import Event
from haulwatch.testing import PLATE, city_files_of, position, sighting, square, weighing
from haulwatch.wire import encode_event
from tests.streams.test_processor import FAST, STAND, UNCOVERED, rule

NIGHT = rule("night", "on: position\n      where: speed_kmh > 80", "speed", '    schedule: {active: ["22:00-05:00"]}\n')
OUTSIDE = rule("outside", "on: position\n      where: speed_kmh > 80", "speed", "    unless: zones.district\n")
OFTEN = rule("often", "count: 3\n      of: {on: position, where: speed_kmh > 80}\n      within: 5m", "speed")
DRAFT = rule("draft", "on: position\n      where: load_kg > 100", "speed").replace("status: active", "status: draft")
HEAVY = rule("heavy", "on: weighing\n      where: gross_kg > 49000", "overweight")
BOOK = "rules:\n" + FAST + STAND + UNCOVERED + NIGHT + OUTSIDE + OFTEN + DRAFT + HEAVY
EVENTS: list[Event] = [
    position(0, speed_kmh=40),
    sighting(5, cover="open"),
    position(10, 120.101, speed_kmh=90),
    position(20, 120.103, speed_kmh=85),
    position(30, 120.104, speed_kmh=50),
    position(90, 120.110, speed_kmh=50),
    position(100, truck_id="浙E00002", speed_kmh=10),
]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    zones = [square("D1", "district", 120.1, 30.86, 0.2)]
    for name, data in city_files_of(BOOK, zones=zones).items():
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).write_bytes(data)
    (tmp_path / "events.ndjson").write_bytes(b"".join(encode_event(event) + b"\n" for event in EVENTS))
    return tmp_path / "city"


class Explain:
    def __init__(self, city: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.city, self.capsys = city, capsys

    def text(self, rule_id: str, *more: str, code: int = 0) -> str:
        events = str(self.city.parent / "events.ndjson")
        assert main(["rules", "explain", rule_id, "--events", events, "--city", str(self.city), *more]) == code
        out = self.capsys.readouterr()
        return out.out if code == 0 else out.err

    def json(self, rule_id: str, *more: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text(rule_id, "--json", *more))
        return found


@pytest.fixture
def explain(city: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    return Explain(city, capsys)


def parts(found: dict[str, Any]) -> dict[str, Any]:
    return {part["name"]: part for part in found["now"]["parts"]}


def test_a_rule_that_fired_shows_the_values_it_fired_on(explain: Explain) -> None:
    found = explain.json("fast")
    assert (found["verdict"], found["truck_id"], len(found["fired_at"])) == ("fired", PLATE, 2)
    (seen,) = found["last"]["parts"]
    assert seen["result"] == "PASS"
    assert seen["event_id"] == f"p-{PLATE}-20"
    condition = seen["condition"]
    assert (condition["observed"], condition["operator"], condition["threshold"]) == (85.0, ">", 80)


def test_as_of_an_earlier_instant_only_what_had_happened_counts(explain: Explain) -> None:
    before = explain.json("fast", "--at", "2026-05-01T02:00:05Z")
    assert before["verdict"] == "not_met"
    assert parts(before)["on"]["condition"]["observed"] == 40.0
    assert len(explain.json("fast", "--at", "2026-05-01T02:00:15Z")["fired_at"]) == 1


def test_an_open_sequence_says_what_it_waits_for_and_until_when(explain: Explain) -> None:
    found = explain.json("uncovered", "--at", "2026-05-01T02:00:30Z")
    assert found["verdict"] == "waiting"
    (waiting,) = found["now"]["open"]
    assert (waiting["waits_for"], waiting["until"]) == ("kept", "2026-05-01T02:01:05.000Z")
    assert parts(found)["seen"]["result"] == "PASS"
    assert (parts(found)["kept"]["result"], parts(found)["kept"]["threshold"]) == ("WAIT", 60.0)
    assert explain.json("uncovered")["last"]["detected_at"] == "2026-05-01T02:01:05.000Z"


def test_a_condition_that_does_not_hold_says_for_how_long_it_held(explain: Explain) -> None:
    held = parts(explain.json("stand", "--at", "2026-05-01T02:00:30Z"))["held"]
    assert (held["result"], held["threshold"]) == ("FAIL", 120.0)


def test_a_count_says_how_many_of_how_many(explain: Explain) -> None:
    found = explain.json("often")
    assert found["verdict"] == "waiting"
    assert (parts(found)["count"]["observed"], parts(found)["count"]["threshold"]) == (2, 3)
    assert found["now"]["open"][0]["until"] == "2026-05-01T02:05:10.000Z"


@pytest.mark.parametrize(
    ("rule_id", "part"),
    [
        ("night", {"name": "schedule", "result": "FAIL", "observed": "10:00", "threshold": "22:00-05:00"}),
        ("outside", {"name": "unless", "result": "FAIL", "text": "zones.district"}),
    ],
)
def test_what_held_a_satisfied_rule_back_is_told(explain: Explain, rule_id: str, part: dict[str, Any]) -> None:
    found = explain.json(rule_id)
    assert found["verdict"] == "held_back"
    assert {key: parts(found)[part["name"]][key] for key in part} == part


def test_unknown_is_told_apart_from_false_and_drafts_can_be_explained(explain: Explain) -> None:
    found = explain.json("draft")
    assert found["status"] == "draft"
    condition = parts(found)["on"]["condition"]
    assert (condition["result"], condition["unknown"]) == ("UNKNOWN", ["load_kg"])


def test_a_rule_whose_events_never_came_says_so(explain: Explain) -> None:
    found = explain.json("heavy")
    assert found["verdict"] == "no_events"
    assert "没有收到过这种事件" in explain.text("heavy")


def test_another_truck_is_explained_by_its_own_events(explain: Explain) -> None:
    found = explain.json("fast", "--truck", "浙E00002")
    assert (found["verdict"], parts(found)["on"]["condition"]["observed"]) == ("not_met", 10.0)


def test_the_text_names_result_value_threshold_and_local_time(explain: Explain) -> None:
    zh = explain.text("uncovered")
    assert "已触发" in zh
    assert "2026-05-01 10:01:05" in zh
    assert 'PASS    cover == "open"    实际 open' in zh
    en = explain.text("often", "--lang", "en")
    assert "waiting" in en
    assert "actual 2  >= 3" in en
    assert "waits until 2026-05-01 10:05:10" in en


def test_other_rules_can_be_tried_without_touching_the_city(explain: Explain, tmp_path: Path) -> None:
    (tmp_path / "try").mkdir()
    (tmp_path / "try" / "b.yaml").write_text("rules:\n" + FAST.replace("> 80", "> 86"), encoding="utf-8")
    assert len(explain.json("fast", "--rules", str(tmp_path / "try"))["fired_at"]) == 1


def test_without_a_city_zones_are_not_known(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = str(city.parent / "events.ndjson")
    assert main(["rules", "explain", "uncovered-seen", "--events", events]) == 0
    assert "uncovered-seen" in capsys.readouterr().out


def test_weighings_of_a_late_network_are_explained_too(explain: Explain) -> None:
    late: list[Event] = [*EVENTS, position(400, speed_kmh=1), weighing(50, 52_000, received_s=500)]
    path = explain.city.parent / "events.ndjson"
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event in late))
    found = explain.json("heavy")
    assert (found["verdict"], found["last"]["late"]) == ("fired", True)


def test_what_cannot_be_answered_is_one_message(explain: Explain) -> None:
    assert "是否想写 uncovered" in explain.text("uncoverd", code=3)
    assert "浙A00000" in explain.text("fast", "--truck", "浙A00000", code=3)
    assert "no time zone" in explain.text("fast", "--at", "2026-05-01T02:00:05", "--lang", "en", code=3).replace(
        "without a time zone", "no time zone"
    )
    assert explain.text("fast", "--rules", str(explain.city / "nowhere"), code=3)
