"""More than a tenth of a carrier's trucks over the limit within a year: what is counted, and what is not."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from haulwatch.console.app import create_app
from haulwatch.console.fleet_share import a_year_before, fleet_shares, share_of
from haulwatch.console.testing import SteeredFeed, SteeredIntake, overweight, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor
from haulwatch.domain.statistics import OffenceGroup
from tests.logins import bearer, client_of

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000
CHINA = ZoneInfo("Asia/Shanghai")
DESK = Actor("李四", frozenset({"dispatcher", "duty_officer", "verifier"}))
SQUAD = Actor("王五", frozenset({"squad"}), squad_id="Q-1")
STEPS: tuple[tuple[str, Actor, dict[str, str]], ...] = (
    ("file", DESK, {}),
    ("dispatch", DESK, {"squad_id": "Q-1"}),
    ("accept", SQUAD, {}),
    ("arrive", SQUAD, {}),
    ("handle", SQUAD, {"outcome": "已卸载"}),
    ("verify", DESK, {}),
)
TEN = {f"浙E{number:05d}": "顺达运输" for number in range(10)}


def group(truck_id: str, category: str = "overweight", confirmed: int = 0, undecided: int = 0) -> OffenceGroup:
    return OffenceGroup(
        truck_id=truck_id,
        zone_ids=[],
        category=category,  # type: ignore[arg-type]
        orders=confirmed + undecided,
        confirmed=confirmed,
        open=undecided,
        last_at="2026-05-01T00:00:00.000Z",
    )


def test_trucks_are_counted_once_and_by_what_was_confirmed() -> None:
    year = [
        group("浙E00001", confirmed=4),
        group("浙E00001", confirmed=1, undecided=1),
        group("浙E00002", undecided=2),
        group("浙E00003", "uncovered", confirmed=9),
        group("浙E77777", confirmed=9),
    ]
    (share,) = fleet_shares(year, TEN).values()
    assert (share.confirmed_trucks, share.undecided_trucks, share.fleet) == (1, 1, 10)
    assert (share.pct, share.over) == (10.0, False), "exactly a tenth is not more than a tenth"
    assert fleet_shares([*year, group("浙E00004", confirmed=1)], TEN)["顺达运输"].over


@pytest.mark.parametrize(
    ("confirmed", "fleet", "pct", "over"),
    [(0, 3, 0.0, False), (1, 9, 11.1, True), (2, 20, 10.0, False), (100, 999, 10.0, True), (2, 3, 66.6, True)],
)
def test_the_percentage_is_cut_off_and_the_tenth_is_exact(confirmed: int, fleet: int, pct: float, over: bool) -> None:
    share = share_of(confirmed, 0, fleet)
    assert (share.pct, share.over) == (pct, over)


def test_a_year_is_a_calendar_year() -> None:
    assert a_year_before(datetime(2026, 5, 1, 8, tzinfo=CHINA)) == datetime(2025, 5, 1, 8, tzinfo=CHINA)
    assert a_year_before(datetime(2028, 2, 29, 8, tzinfo=CHINA)) == datetime(2027, 2, 28, 8, tzinfo=CHINA)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def client(store: OrderStore) -> Iterator[Any]:
    city = replace(small_city(), carriers={**TEN, "浙E90001": "安和土方"})
    with client_of(create_app(store, store.people(), SteeredFeed(), SteeredIntake(), city), store) as client:
        yield client


def closed(store: OrderStore, number: int, truck_id: str, days_ago: int, verdict: str, **why: str) -> None:
    """An overweight order that went all the way, found `days_ago`."""
    (order_id,) = store.intake([overweight(f"b{number}", NOW_MS - days_ago * DAY_MS, truck_id)]).opened
    for command, actor, data in (*STEPS, ("close", DESK, {"verdict": verdict, **why})):
        version = store.get(order_id).order.version
        store.command(order_id, command, expected_version=version, actor=actor, data=data)  # type: ignore[arg-type]


def test_carriers_above_a_tenth_are_named_whatever_days_are_asked_for(store: OrderStore, client: Any) -> None:
    closed(store, 1, "浙E00001", 200, "confirmed")
    closed(store, 2, "浙E00002", 100, "confirmed")
    closed(store, 3, "浙E00003", 400, "confirmed")
    closed(store, 4, "浙E00004", 50, "false_alarm", reason_code="misrecognised")
    store.intake([overweight("open", NOW_MS, "浙E90001")])
    answer = client.get("/api/v1/offenders?by=carrier&days=30").json()
    (carrier,) = answer["offenders"]
    assert (carrier["key"], carrier["orders"], carrier["trucks"]) == ("顺达运输", 0, 0)
    expected = {"confirmed_trucks": 2, "undecided_trucks": 0, "fleet": 10, "pct": 20.0, "over": True}
    assert carrier["share"] == expected, "not the one of last year, nor the false alarm"
    assert "第六十六条" in answer["shares"]["law"]["zh"]
    assert (answer["shares"]["limit_pct"], answer["shares"]["partial"]) == (10, False)
    rows = csv.DictReader(io.StringIO(client.get("/api/v1/offenders.csv?by=carrier&at_least=1").text.lstrip("\ufeff")))
    told = {row["key"]: (row["overweight_trucks_1y"], row["undecided_trucks_1y"], row["over_10_pct"]) for row in rows}
    assert told == {"安和土方": ("0", "1", "no"), "顺达运输": ("2", "0", "yes")}


def test_who_sees_only_some_areas_is_told_that_the_share_is_of_those(store: OrderStore, client: Any) -> None:
    closed(store, 1, "浙E00001", 1, "confirmed")
    headers = bearer(store, "auditor", name="elsewhere", jurisdiction=["DX-9"])
    answer = client.get("/api/v1/offenders?by=carrier&at_least=1", headers=headers).json()
    assert (answer["shares"]["partial"], answer["offenders"]) == (True, [])


def test_trucks_and_sites_have_no_share(store: OrderStore, client: Any) -> None:
    closed(store, 1, "浙E00001", 1, "confirmed")
    answer = client.get("/api/v1/offenders?by=truck&at_least=1").json()
    assert (answer["shares"], answer["offenders"][0]["share"]) == (None, None)
