"""Drafts: what operators change on the page becomes files of the city, checked at their places."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.city import build_city, pack_city
from haulwatch.city.drafts import TUNED_FILE, drafted
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.rollouts import FieldChange, RolloutRefused
from haulwatch.domain.workbench import Draft, ExceptionSheet, RuleDraft
from haulwatch.testing import city_files_of
from tests.rollouts.conftest import CITY_HASH, FILES, OPERATOR, RULES

TODAY = date(2026, 5, 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def bench(desk: Rollouts) -> CityWorkbench:
    return CityWorkbench(desk, lambda: TODAY)


def draft(files: dict[str, str | None] | None = None, **rules: RuleDraft) -> Draft:
    return Draft(CITY_HASH, dict(rules), files or {})


def test_the_workshop_shows_what_is_in_force(bench: CityWorkbench) -> None:
    shop = bench.workshop()
    assert (shop.city_hash, shop.today, shop.pending) == (CITY_HASH, "2026-05-01", [])
    fast, stand = shop.rules
    [limit], [stay] = fast.params, stand.params
    assert (limit.name, limit.value, limit.minimum, limit.maximum, limit.unit) == ("limit", 80.0, 40.0, 120.0, "number")
    assert (stay.value, stay.shown, stay.unit) == (120.0, "2m", "duration")
    assert (fast.file, fast.line, fast.tuned) == ("rules/test.yaml", 2, False)
    assert {file.name: file.text for file in shop.files}["rules/test.yaml"] == RULES


def test_params_status_and_exceptions_go_into_one_local_file(bench: CityWorkbench, desk: Rollouts) -> None:
    spared = ExceptionSheet("应急抢险", "王科长", "2026-12-31", truck_id=["浙E12345"])
    wanted = draft(fast=RuleDraft({"limit": 90.0}, "shadow", [spared]), stand=RuleDraft({"stay": 330.0}))
    checked = bench.check(wanted)
    assert checked.findings == []
    told = {change.rule_id: change for change in checked.changes.rules}
    assert FieldChange("params.limit", "80", "90") in told["fast"].fields
    assert FieldChange("status", "active", "shadow") in told["fast"].fields
    assert [field.name for field in told["fast"].fields] == ["params.limit", "status", "exceptions"]
    assert told["stand"].fields == [FieldChange("params.stay", "2m", "5m30s")]
    rollout = bench.propose(wanted, "试", actor=OPERATOR)
    assert rollout.city_hash == checked.city_hash
    files = desk.files(rollout.city_hash)
    assert files is not None
    assert files["rules/test.yaml"] == RULES.encode(), "the vendor's file stays as it is"
    city = build_city(files, today=TODAY)
    fast, stand = city.book.rules
    assert (fast.status, fast.params["limit"].value, stand.params["stay"].value) == ("shadow", 90.0, 330.0)
    assert fast.exceptions[0].expires == date(2026, 12, 31)


def test_a_second_draft_keeps_what_the_first_set() -> None:
    city = build_city(FILES)
    once = drafted(FILES, city.book, draft(fast=RuleDraft({"limit": 90.0})))
    twice = drafted(once, city.book, draft(fast=RuleDraft(status="shadow"), stand=RuleDraft({"stay": 60.0})))
    fast, stand = build_city(twice).book.rules
    assert (fast.params["limit"].value, fast.status, stand.params["stay"].value) == (90.0, "shadow", 60.0)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (RuleDraft({"limit": 500.0}), "E017"),
        (RuleDraft({"limitt": 90.0}), "E024"),
        (RuleDraft(status="on"), "E014"),
        (RuleDraft(exceptions=[ExceptionSheet("x", "y", "2026-04-30", zone=["D1"])]), "E023"),
        (RuleDraft(exceptions=[ExceptionSheet("x", "y", "soon", zone=["D1"])]), ""),
        (RuleDraft(exceptions=[ExceptionSheet("x", "y", "2027-01-01")]), "E011"),
    ],
)
def test_what_is_wrong_is_found_at_its_place(bench: CityWorkbench, wrong: RuleDraft, code: str) -> None:
    checked = bench.check(draft(fast=wrong))
    [finding] = [finding for finding in checked.findings if finding.severity == "error"]
    assert (finding.file, checked.city_hash) == (TUNED_FILE, None)
    assert finding.line > 0
    assert code in finding.code
    with pytest.raises(AuthorError):
        bench.propose(draft(fast=wrong), "x", actor=OPERATOR)


def test_a_book_is_edited_and_its_examples_played(bench: CityWorkbench) -> None:
    text = RULES.replace("speed_kmh > $limit", "speed_kmh > $limit + 20")
    [finding] = bench.check(draft({"rules/test.yaml": text})).findings
    assert (finding.code, finding.file) == ("T002", "rules/test.yaml")
    [finding] = bench.check(draft({"rules/test.yaml": RULES.replace("speed_kmh", "speed_km", 1)})).findings
    assert (finding.code, finding.line) == ("E012", 11)
    with pytest.raises(AuthorError):
        bench.propose(draft({"rules/test.yaml": text}), "x", actor=OPERATOR)


@pytest.mark.parametrize("name", ["../x.yaml", "rules/../../x.yaml", "passwd", "rules/x.py", "/etc/passwd", ""])
def test_files_that_no_city_has(bench: CityWorkbench, name: str) -> None:
    with pytest.raises(RolloutRefused) as refused:
        bench.check(draft({name: "x"}))
    assert refused.value.code == "not-a-city-file"


def test_an_edited_shipped_book_makes_all_of_them_the_citys_own(store: OrderStore) -> None:
    files = city_files_of()
    city = build_city(files)
    desk = store.rollouts()
    desk.found(city.city_hash, pack_city(files), folder=True)
    bench = CityWorkbench(desk, lambda: TODAY)
    [book] = [file for file in bench.workshop().files if file.name == "rules/overweight.yaml"]
    assert book.shipped
    wanted = Draft(city.city_hash, files={book.name: book.text.replace("severity: minor", "severity: major")})
    checked = bench.check(wanted)
    assert [finding for finding in checked.findings if finding.severity == "error"] == []
    assert {change.kind for change in checked.changes.rules} == {"changed"}
    assert {field.name for change in checked.changes.rules for field in change.fields} == {"severity"}


def test_zones_are_compared(bench: CityWorkbench) -> None:
    moved = FILES["geofences/zones.geojson"].decode().replace("120.3", "120.31")
    [zone] = bench.check(draft({"geofences/zones.geojson": moved})).changes.zones
    assert (zone.zone_id, zone.kind, zone.fields) == ("D1", "changed", ["geometry", "outline"])


def test_a_draft_of_a_city_that_is_not_known(bench: CityWorkbench) -> None:
    with pytest.raises(RolloutRefused):
        bench.check(Draft("0" * 64))
