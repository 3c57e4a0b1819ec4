"""The city that a console shows: none, the active one, the next one; never a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulwatch.bootstrap.city_in_force import CityInForce
from haulwatch.city import build_city, pack_city
from haulwatch.console.testing import overweight
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.testing import SETTINGS, city_files_of


class Shelf:
    """What is active, as a test says."""

    def __init__(self) -> None:
        self.now: tuple[str, bytes] | None = None
        self.away = False

    def active(self) -> tuple[str, bytes] | None:
        if self.away:
            raise WorldError(Text("读不到", "away"), retryable=True)
        return self.now

    def put(self, name: str, timezone: str = "Asia/Shanghai") -> None:
        files = city_files_of(settings=SETTINGS.replace("Test", name).replace("Asia/Shanghai", timezone))
        self.now = build_city(files).city_hash, pack_city(files)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_before_the_first_city_the_map_is_empty(shelf: Shelf) -> None:
    city = CityInForce(shelf.active)
    city.refresh()
    with pytest.raises(WorldError, match="no city is deployed"):
        city.check()
    assert city.zones == {"type": "FeatureCollection", "features": []}
    assert city.urgency_of(overweight("b1", 0)) == "urgent", "by severity, as nobody says otherwise"


def test_it_follows_the_active_city(shelf: Shelf) -> None:
    zones: list[str] = []
    city = CityInForce(shelf.active, zones.append)
    for name, timezone in (("One", "Asia/Shanghai"), ("Two", "Asia/Urumqi")):
        shelf.put(name, timezone)
        city.refresh()
        city.refresh()
        city.check()
        assert city.name.en == name
    assert zones == ["Asia/Shanghai", "Asia/Urumqi"]
    assert [sample.labels for sample in city.samples()] == [(("city_hash", shelf.now[0]),)]  # type: ignore[index]


@pytest.mark.parametrize("packed", [b"", b"nonsense", pack_city({"city.yaml": b"id: [", "geofences/z.geojson": b"{"})])
def test_a_city_that_cannot_be_used_leaves_the_one_before(shelf: Shelf, packed: bytes) -> None:
    city = CityInForce(shelf.active)
    shelf.put("One")
    city.refresh()
    shelf.now = ("another", packed)
    city.refresh()
    assert city.name.en == "One"
    with pytest.raises(WorldError, match="deployed city unusable"):
        city.check()
    shelf.put("Two")
    city.refresh()
    city.check()
    assert city.name.en == "Two"


def test_a_shelf_that_is_away_is_said_and_asked_again(shelf: Shelf) -> None:
    city = CityInForce(shelf.active)
    shelf.put("One")
    shelf.away = True
    city.refresh()
    with pytest.raises(WorldError, match="away"):
        city.check()
    shelf.away = False
    city.check()
    assert city.name.en == "One"


def test_a_new_city_changes_where_new_orders_go_and_how_long_they_may_take(shelf: Shelf, tmp_path: Path) -> None:
    city = CityInForce(shelf.active)
    store = open_store(sqlite_url(tmp_path), plan=city)
    squads = "squad_id,name,district_zone,level,departments,hours\nQ1,一队,D1,district,综合执法,\n"
    store.intake([overweight("b0", 0, "浙E00000")])
    for number, (minutes, table) in enumerate(((7, {}), (3, {"squads.csv": squads})), start=1):
        calendar = f"service_clocks: {{file: {{urgent: {minutes}m, normal: {minutes}m, low: {minutes}m}}}}\n"
        files = city_files_of(tables={"calendar.yaml": calendar, **table})
        shelf.now = (f"hash-{number}", pack_city(files))
        city.refresh()
        store.intake([overweight(f"b{number}", 0, f"浙E0000{number}", zone_ids=["D1"])])
    found = [
        (order.clock.limit_min, order.jurisdictions, order.proposed_squad_id, order.duty_desk)
        for order in reversed(store.list().orders)
        if order.clock is not None
    ]
    assert found == [(10, [], None, False), (7, ["D1"], None, True), (3, ["D1"], "Q1", False)]
    store.close()
