"""Figures over many orders: the wall names nobody, offenders are counted by truck, carrier and site, as a table too."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

from haulwatch.console.api.offenders import harmless
from haulwatch.console.api.sources import sources_of
from haulwatch.console.testing import LAT, LON, SteeredFeed, overweight, small_city, truck
from haulwatch.domain.events import Weighing
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.orders import Actor
from haulwatch.domain.sources import SourceNews
from streams.source_board import SourceBoard

NOW_MS = time.time_ns() // 1_000_000
DESK = Actor("李四", frozenset({"dispatcher", "duty_officer", "verifier"}))


def found(console: Any, number: int, truck_id: str, **changes: Any) -> str:
    """An order of this truck, opened just now."""
    return str(console.store.intake([overweight(f"b{number}", NOW_MS - number, truck_id, **changes)]).opened[0])


def test_the_wall_shows_figures_and_names_nobody(console: Any) -> None:
    order_id = found(console, 1, "浙E12345")
    found(console, 2, "浙E99999", category="dumping", severity="critical")
    console.store.command(order_id, "file", expected_version=1, actor=DESK)
    console.feed.put(truck("浙E12345", NOW_MS, load="full"), truck("浙E00001", 0, silent=True))
    answer = console.client.get("/api/v1/wall")
    wall = answer.json()
    assert (wall["orders"]["opened_today"], wall["orders"]["stages"]["filed"], wall["orders"]["unassigned"]) == (
        2,
        1,
        1,
    )
    assert sum(wall["orders"]["by_hour"]) == 2
    assert {(kind["category"], kind["severity"]) for kind in wall["orders"]["kinds"]} == {
        ("overweight", "major"),
        ("dumping", "critical"),
    }
    (cell,) = wall["orders"]["heat"]
    assert cell["orders"] == 2
    assert (cell["lon"], cell["lat"]) != (LON + 0.004, LAT), "the middle of a cell, not the place"
    assert wall["trucks"] == {"known": 2, "heard": 1, "moving": 1, "loaded": 1}
    for personal in ("浙E", order_id, "李四", "HW-"):
        assert personal not in answer.text


def test_offenders_are_ranked_by_what_stands_against_them(console: Any) -> None:
    for number in (1, 2, 3):
        found(console, number, "浙E12345", category=("overweight", "dumping", "route")[number - 1])
    found(console, 4, "浙E99999", zone_ids=["D-1", "S-001"])
    found(console, 5, "浙E00007", zone_ids=["S-001"])
    by_truck = console.client.get("/api/v1/offenders?by=truck&days=7").json()["offenders"]
    assert [(one["key"], one["orders"], one["open"]) for one in by_truck] == [("浙E12345", 3, 3)]
    assert by_truck[0]["categories"] == {"overweight": 1, "dumping": 1, "route": 1}
    by_carrier = console.client.get("/api/v1/offenders?by=carrier&at_least=1").json()["offenders"]
    assert [(one["key"], one["orders"], one["trucks"]) for one in by_carrier] == [("顺达运输", 4, 2), ("", 1, 1)]
    (site,) = console.client.get("/api/v1/offenders?by=site").json()["offenders"]
    assert (site["key"], site["name"]["zh"], site["orders"]) == ("S-001", "云栖花园工地", 2)


def test_what_was_found_before_does_not_count(console: Any) -> None:
    console.store.intake([overweight("old", NOW_MS - 40 * 86_400_000, "浙E12345")])
    found(console, 1, "浙E12345")
    assert console.client.get("/api/v1/offenders?days=30").json()["offenders"] == []
    assert len(console.client.get("/api/v1/offenders?days=60").json()["offenders"]) == 1


def test_offenders_as_a_table_for_spreadsheets(console: Any) -> None:
    found(console, 1, "浙E12345")
    answer = console.client.get("/api/v1/offenders.csv?at_least=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="offenders-truck-30d.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["key"], row["orders"], row["categories"]) == ("浙E12345", "1", "overweight:1")
    assert harmless("=1+1") == "'=1+1"
    assert harmless(7) == 7


def test_sources_are_told_by_their_age_and_those_never_heard_are_named(console: Any) -> None:
    board = Board(
        SourceNews(source="isapi:cam-07", last_ms=NOW_MS - 360_000, events=3),
        SourceNews(source="jt808:013800138000", last_ms=NOW_MS - 1000, events=9),
        SourceNews(source="jt808:013800138001", last_ms=NOW_MS - 3_600_000, events=2),
    )
    answer = sources_of(board, SteeredFeed(), small_city(), lambda: NOW_MS)
    ages = {age.source: age for age in answer.sources}
    assert ages["W-1"].last_at is None
    assert (ages["cam-07"].kind, ages["cam-07"].name) == ("camera", "环城路卡口")
    assert (ages["jt808"].devices, ages["jt808"].silent) == (2, 1)
    assert answer.lacks is None
    told = console.client.get("/api/v1/sources").json()
    assert [age["source"] for age in told["sources"]] == ["trucks"]
    assert "网关" in told["lacks"]["zh"], "what a process cannot know, it says"


class Board:
    """A source feed of fixed news."""

    def __init__(self, *news: SourceNews) -> None:
        self.news = news

    def sources(self) -> tuple[SourceNews, ...]:
        """See `SourceFeed`."""
        return self.news


def test_a_board_remembers_who_spoke_last() -> None:
    at = to_datetime(NOW_MS)
    an_event = Weighing(event_id="e1", truck_id="浙E12345", at=at, source="scale:W-1", station_id="W-1", gross_kg=9000)
    board = SourceBoard()
    board.heard([an_event, an_event], 1000)
    board.heard([an_event], 2000)
    assert board.sources() == [SourceNews(source=an_event.source, last_ms=2000, events=3)]


def test_many_orders_are_commanded_at_once_and_each_answers_for_itself(console: Any) -> None:
    orders = [{"order_id": found(console, n, f"浙E{n:05d}"), "version": 1} for n in range(3)]
    body = {"command": "file", "orders": [*orders, {"order_id": "HW-0", "version": 1}], "data": {"note": "一起"}}
    console.store.command(orders[1]["order_id"], "file", expected_version=1, actor=DESK)
    answer = console.client.post("/api/v1/orders/commands", json=body, headers={"Idempotency-Key": "k-many"})
    results = answer.json()["results"]
    assert [result.get("order", {}).get("stage") for result in results] == ["filed", None, "filed", None]
    assert (results[1]["problem"]["code"], results[3]["problem"]["code"]) == ("stale-version", "not-found")
    assert results[1]["problem"]["order"]["stage"] == "filed"
    again = console.client.post("/api/v1/orders/commands", json=body, headers={"Idempotency-Key": "k-many"})
    assert [result.get("order") for result in again.json()["results"]] == [result.get("order") for result in results]
    twice = {**body, "orders": [orders[0], orders[0]]}
    assert (
        console.client.post("/api/v1/orders/commands", json=twice, headers={"Idempotency-Key": "x"}).status_code == 422
    )


def test_a_list_is_narrowed_by_search_assignment_and_request(console: Any) -> None:
    first, second = found(console, 1, "浙E12345"), found(console, 2, "浙E99_99")
    console.store.command(first, "file", expected_version=1, actor=DESK)
    console.store.command(first, "dispatch", expected_version=2, actor=DESK, data={"squad_id": "Q-1"})

    def ids(query: str) -> list[str]:
        return [order["order_id"] for order in console.client.get(f"/api/v1/orders?{query}").json()["orders"]]

    assert ids("search=E123") == [first]
    assert ids("search=9_9") == [second]
    assert ids("search=E1_3") == []
    assert ids("unassigned=true") == [second]
    assert ids("overdue=true") == ids("pending=true") == []
