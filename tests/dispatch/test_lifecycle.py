"""The table itself, and what it asks of a command."""

from __future__ import annotations

from collections import Counter

import pytest

from haulwatch.dispatch.decisions import check_data
from haulwatch.dispatch.lifecycle import (
    COLLECTING,
    FINAL,
    ROLE_NAMES,
    STAGE_NAMES,
    TRANSITIONS,
    VERDICT_NAMES,
    commands_in,
)
from haulwatch.domain.orders import COMMANDS, ROLES, STAGES, VERDICTS, Transition

ROWS = {(row.source, row.command): row for row in TRANSITIONS}


def reachable(start: str) -> set[str]:
    found, todo = {start}, [start]
    while todo:
        for row in commands_in(todo.pop()):  # type: ignore[arg-type]
            if row.target not in found:
                found.add(row.target)
                todo.append(row.target)
    return found


def test_a_stage_and_a_command_lead_to_one_place() -> None:
    """Only what was on hold resumes in one of several: where it was put on hold."""
    several = [key for key, count in Counter((row.source, row.command) for row in TRANSITIONS).items() if count > 1]
    assert several == [("on_hold", "resume")]
    held = {row.source for row in TRANSITIONS if row.target == "on_hold" and row.command == "hold"}
    assert {row.target for row in TRANSITIONS if row.command == "resume"} == held


def test_what_needs_approval() -> None:
    assert {row.command for row in TRANSITIONS if row.approval} == {"reject", "extend", "hold", "void"}
    for row in TRANSITIONS:
        if row.approval:
            decisions = {one.command: one for one in commands_in(row.source)}
            assert decisions["approve"].roles == decisions["decline"].roles == ("duty_officer",)
            assert set(row.roles) <= set(decisions["withdraw"].roles)


def test_every_stage_is_reached_from_new() -> None:
    assert reachable("new") == set(STAGES)


def test_every_order_can_come_to_an_end_and_stays_there() -> None:
    for stage in STAGES:
        assert reachable(stage) & FINAL
        assert bool(commands_in(stage)) == (stage not in FINAL)


def test_the_main_line_is_the_citys() -> None:
    stage, walked = "new", ["new"]
    for command in ("file", "dispatch", "accept", "arrive", "handle", "verify", "close"):
        stage = ROWS[stage, command].target  # type: ignore[index]
        walked.append(stage)
    assert walked == ["new", "filed", "dispatched", "accepted", "on_site", "handled", "verifying", "closed"]


def test_everything_has_a_name_in_both_languages() -> None:
    assert set(STAGE_NAMES) == set(STAGES)
    assert set(ROLE_NAMES) == set(ROLES)
    assert set(VERDICT_NAMES) == set(VERDICTS)
    assert {row.command for row in TRANSITIONS} == set(COMMANDS)


def test_nothing_joins_an_order_that_is_over() -> None:
    assert COLLECTING.isdisjoint(FINAL | {"handled", "verifying"})


@pytest.mark.parametrize(
    ("row", "data", "wrong"),
    [
        (ROWS["new", "file"], {}, []),
        (ROWS["new", "file"], {"note": "看过视频"}, []),
        (ROWS["new", "file"], {"squad_id": "S-1"}, ["squad_id"]),
        (ROWS["new", "reject"], {}, ["reason_code"]),
        (ROWS["new", "reject"], {"reason_code": "mood"}, ["reason_code"]),
        (ROWS["new", "reject"], {"reason_code": "wrong_plate"}, []),
        # "other" says nothing by itself
        (ROWS["new", "reject"], {"reason_code": "other"}, ["note"]),
        (ROWS["new", "reject"], {"reason_code": "other", "note": "雨天反光"}, []),
        (ROWS["filed", "dispatch"], {"squad_id": "  "}, ["squad_id"]),
        (ROWS["filed", "dispatch"], {"squad_id": 7}, ["squad_id"]),
        (ROWS["filed", "dispatch"], {"squad_id": "s" * 129}, ["squad_id"]),
        (ROWS["filed", "dispatch"], {"squad_id": "S-1", "note": "x" * 2001}, ["note"]),
        (ROWS["verifying", "close"], {}, ["verdict"]),
        (ROWS["verifying", "close"], {"verdict": "confirmed"}, []),
        # a false alarm without its reason teaches nobody
        (ROWS["verifying", "close"], {"verdict": "false_alarm"}, ["reason_code"]),
        (ROWS["verifying", "close"], {"verdict": "false_alarm", "reason_code": "misrecognised"}, []),
        (ROWS["verifying", "rework"], {}, ["reason"]),
        (ROWS["filed", "extend"], {"minutes": "30", "reason": "堵车"}, []),
        (ROWS["filed", "extend"], {"minutes": "0", "reason": "堵车"}, ["minutes"]),
        (ROWS["filed", "extend"], {"minutes": "半小时", "reason": "堵车"}, ["minutes"]),
        (ROWS["filed", "extend"], {"minutes": "43201", "reason": "堵车"}, ["minutes"]),
        (ROWS["filed", "extend"], {"minutes": "٣", "reason": "堵车"}, ["minutes"]),
        (ROWS["filed", "transfer"], {"to": "交警支队"}, ["evidence_sha256", "reason"]),
        (ROWS["handled", "rate"], {"department": "城管", "rating": "superb"}, ["rating"]),
    ],
)
def test_what_must_be_given(row: Transition, data: dict[str, object], wrong: list[str]) -> None:
    assert sorted(check_data(row, data)) == wrong
