"""`haulwatch rules diff`: which findings appear, which go and which stay, with place and verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulwatch.bootstrap.backtest import difference
from haulwatch.bootstrap.recordings import RecordedFiles
from haulwatch.domain.events import Event
from haulwatch.testing import city_files_of, position, sighting
from tests.cli.trying import Trying, speeding, write_events
from tests.streams.test_processor import STAND, rule


@pytest.fixture
def trying(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Trying:
    return Trying(tmp_path, capsys)


def book(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_raised_threshold_shows_what_goes_and_that_no_confirmed_one_does(trying: Trying, tmp_path: Path) -> None:
    old, new = book(tmp_path, "old.yaml", speeding(80)), book(tmp_path, "new.yaml", speeding(90))
    found = trying.json("diff", old, new, *trying.data)
    (changed,) = found["rules"]
    assert (changed["same"], changed["appearing"], changed["disappearing"]) == (4, 0, 6)
    gone = changed["disappearing_verdicts"]
    assert (gone["confirmed"], gone["false_alarm"], gone["open"]) == (0, 4, 2)
    assert {one["truck_id"] for one in found["disappearing"]} == {"浙E00001", "浙E00002", "浙E00006"}
    assert all((one["lon"], one["lat"]) == (120.1, 30.86) for one in found["disappearing"])
    assert {one["verdict"] for one in found["disappearing"]} == {"false_alarm", None}


def test_the_other_way_round_they_appear_with_their_verdicts(trying: Trying, tmp_path: Path) -> None:
    old, new = book(tmp_path, "old.yaml", speeding(90)), book(tmp_path, "new.yaml", speeding(65))
    found = trying.json("diff", old, new, *trying.data)
    (changed,) = found["rules"]
    assert (changed["same"], changed["appearing"], changed["disappearing"]) == (4, 8, 0)
    assert changed["appearing_verdicts"]["false_alarm"] == 4
    assert changed["appearing_verdicts"]["unknown"] == 2, "nobody has ever heard of the slowest truck"


def test_rules_that_come_go_or_change_their_status_are_named(trying: Trying, tmp_path: Path) -> None:
    old = book(tmp_path, "old.yaml", speeding(80, rule("left", "on: sighting", "uncovered")))
    new = book(tmp_path, "new.yaml", speeding(80, STAND).replace("status: active", "status: shadow", 1))
    rules = {one["rule_id"]: one for one in trying.json("diff", old, new, *trying.data)["rules"]}
    statuses = {rule_id: (one["old_status"], one["new_status"]) for rule_id, one in rules.items()}
    assert statuses == {"left": ("active", None), "speeding": ("active", "shadow"), "stand": (None, "active")}
    assert "active → shadow" in trying.run("diff", old, new, *trying.data)


def test_people_read_it_in_both_languages(trying: Trying, tmp_path: Path) -> None:
    old, new = book(tmp_path, "old.yaml", speeding(80)), book(tmp_path, "new.yaml", speeding(90))
    chinese, english = (trying.run("diff", old, new, *trying.data, "--lang", lang) for lang in ("zh", "en"))
    assert "[误报]" in chinese
    assert "[false alarm]" in english
    assert sum(line.startswith("- speeding") for line in english.splitlines()) == 6
    assert "120.100000,30.860000" in english
    assert "the same findings" in trying.run("diff", old, old, *trying.data, "--lang", "en")


def test_a_finding_that_begins_with_another_event_is_the_same_finding(tmp_path: Path) -> None:
    def seen(confidence: float) -> dict[str, bytes]:
        steps = (
            "sequence:\n"
            f"        - {{as: seen, on: sighting, where: cover_confidence >= {confidence}}}\n"
            "        - {as: kept, absent: cover_change, where: 'cover == \"closed\"', for: 1m}\n      within: 10m"
        )
        return city_files_of(
            "rules:\n" + rule("seen", steps, "uncovered", "    episode: {key: [truck_id], cooldown: 9m}\n")
        )

    events: list[Event] = [position(0), sighting(5, cover_confidence=0.6), sighting(30, cover_confidence=0.9)]
    events.append(position(200))
    recording = RecordedFiles([str(write_events(tmp_path / "e.ndjson", events))])
    found = difference(seen(0.5), seen(0.8), recording)
    assert [(one.same, one.appearing, one.disappearing) for one in found.rules] == [(1, 0, 0)]
    again = difference(seen(0.5), seen(0.95), recording)
    assert [(one.same, one.appearing, one.disappearing) for one in again.rules] == [(0, 0, 1)]
    assert found.old_book_hash != found.new_book_hash
    assert found.run.events == 4


def test_two_processes_find_the_same_difference(trying: Trying, tmp_path: Path) -> None:
    old, new = book(tmp_path, "old.yaml", speeding(80)), book(tmp_path, "new.yaml", speeding(90, STAND))
    one, two = (trying.json("diff", old, new, *trying.data, "--processes", count) for count in "12")
    assert two["run"].pop("processes") == 2
    for found in (one, two):
        del found["run"]["seconds"]
    assert one | {"run": two["run"]} == two
