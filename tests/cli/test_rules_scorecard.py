"""`haulwatch rules scorecard`: what people said to each rule's findings, its delays, what is silent or noisy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haulwatch.bootstrap.backtest import scorecard
from haulwatch.city import build_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import open_store
from haulwatch.domain.events import Event
from haulwatch.testing import START, city_files_of, decide, position
from tests.cli.trying import DESK, Trying, closed, speeding
from tests.streams.test_processor import SILENT, STAND, rule


@pytest.fixture
def trying(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Trying:
    return Trying(tmp_path, capsys)


def scores(found: dict[str, Any]) -> dict[str, Any]:
    return {one["rule_id"]: one for one in found["rules"]}


def test_every_rule_is_scored_by_what_people_said(trying: Trying, tmp_path: Path) -> None:
    (tmp_path / "now.yaml").write_text(speeding(80, STAND), encoding="utf-8")
    rules = ("--rules", str(tmp_path / "now.yaml"))
    found = scores(trying.json("scorecard", "--database", trying.database, *rules))
    speed, stand = found["speeding"], found["stand"]
    assert (speed["reported"], speed["in_shadow"], speed["precision"]) == (10, 0, 0.5)
    assert (speed["verdicts"]["confirmed"], speed["verdicts"]["false_alarm"], speed["verdicts"]["open"]) == (4, 4, 2)
    assert (stand["reported"], stand["remarks"]) == (0, ["silent"])
    assert (speed["found"], speed["never_true"]) == (None, None), "nothing was recorded to try it on"


def test_on_recorded_data_conditions_that_were_never_true_come_to_light(trying: Trying, tmp_path: Path) -> None:
    never = rule("never", "on: position\n      where: speed_kmh > 99 and load_kg > 5", "speed")
    (tmp_path / "now.yaml").write_text(speeding(80, never + SILENT), encoding="utf-8")
    for count in "12":
        arguments = (*trying.data, "--rules", str(tmp_path / "now.yaml"), "--processes", count)
        found = scores(trying.json("scorecard", *arguments))
        assert [one["condition"] for one in found["never"]["never_true"]] == ["speed_kmh > 99", "load_kg > 5"]
        assert found["never"]["never_true"][0]["file"] == "rules/now.yaml"
        assert (found["speeding"]["found"], found["speeding"]["never_true"]) == (10, [])
        assert found["never"]["remarks"] == ["silent"]
    text = trying.run("scorecard", *trying.data, "--rules", str(tmp_path / "now.yaml"), "--lang", "en")
    assert "never true: load_kg > 5" in text


def test_a_rule_that_is_mostly_wrong_is_called_noisy_once_enough_is_known(tmp_path: Path) -> None:
    trucks = [f"浙E{n:05d}" for n in range(6)]
    clock = [int(START.timestamp() * 1000) + 60_000]
    store = open_store(sqlite_url(tmp_path), clock_ms=lambda: clock[0])
    log: list[Event] = [position(10, truck_id=plate, speed_kmh=90) for plate in trucks]
    store.intake(decide(build_city(city_files_of(speeding(80))), log))
    files, reader = city_files_of(speeding(80)), store.rule_outcomes()
    remarks = []
    for n, order in enumerate(store.list(limit=100).orders):
        said = {"verdict": "confirmed"} if n < 2 else {"verdict": "false_alarm", "reason_code": "device_fault"}
        closed(store, order, said)
        (score,) = scorecard(files, reader).rules
        remarks.append(score.remarks)
    assert remarks == [[], [], [], [], ["noisy"], ["noisy"]]
    assert score.order_delay_s == 50.0, "ten seconds past, found; a minute past, an order"
    assert score.detection_delay_s == 0.0
    store.close()


def test_a_merged_order_has_the_verdict_of_the_one_it_went_into(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    log: list[Event] = [position(10 * n, truck_id=f"浙E{n:05d}", speed_kmh=90) for n in range(2)]
    store.intake(decide(build_city(city_files_of(speeding(80))), log))
    one, other = store.list().orders
    order = store.command(one.order_id, "file", expected_version=one.version, actor=DESK)
    store.command(one.order_id, "merge", expected_version=order.version, actor=DESK, data={"into": other.order_id})
    closed(store, store.get(other.order_id).order, {"verdict": "confirmed"})
    (score,) = scorecard(city_files_of(speeding(80)), store.rule_outcomes()).rules
    assert (score.reported, score.verdicts.confirmed) == (2, 2)
    store.close()


def test_shadow_findings_and_rules_that_left_are_counted(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    shadow = speeding(80).replace("status: active", "status: shadow")
    store.intake(decide(build_city(city_files_of(shadow)), [position(10, speed_kmh=90)]))
    (score,) = scorecard(city_files_of(shadow), store.rule_outcomes()).rules
    assert (score.status, score.reported, score.in_shadow, score.order_delay_s) == ("shadow", 1, 1, None)
    left = scorecard(city_files_of("rules:\n" + STAND), store.rule_outcomes()).rules[-1]
    assert (left.rule_id, left.title, left.status, left.reported) == ("speeding", None, None, 1)
    store.close()


def test_only_findings_of_the_time_that_was_asked_for(trying: Trying) -> None:
    window = ("--from", "2026-05-01T02:04:00Z", "--to", "2026-05-01T02:05:15Z")
    found = trying.json("scorecard", "--database", trying.database, "--city", str(trying.city), *window)
    assert scores(found)["speeding"]["reported"] == 2
    assert found["since"] == "2026-05-01T02:04:00.000Z"


def test_the_table_is_for_people_in_both_languages(trying: Trying) -> None:
    arguments = ("--database", trying.database, "--city", str(trying.city))
    assert "误报过多" not in trying.run("scorecard", *arguments)
    assert "准确率" in trying.run("scorecard", *arguments)
    assert "precision" in trying.run("scorecard", *arguments, "--lang", "en")
    assert "--database" in trying.run("scorecard", "--city", str(trying.city), code=3)
