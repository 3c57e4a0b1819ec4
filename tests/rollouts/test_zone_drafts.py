"""Zones on the workbench: drawn, changed and deleted in a draft, checked, written into files, and found by place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from geofences.datum import convert
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.bootstrap.zone_desk import ZoneDesk
from haulwatch.city import build_city, pack_city
from haulwatch.city.zone_drafts import DRAWN_FILE
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.instants import to_ms
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.workbench import Draft, ZoneDraft
from haulwatch.domain.zone_sheets import ImportBody, PlaceBody
from haulwatch.testing import SETTINGS, city_files_of, square
from tests.rollouts.conftest import OPERATOR, RULES

NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
ZONES = [
    square("D1", "district", 120.1, 30.86, 0.2),
    square("S1", "construction_site", 120.05, 30.85, note="drawn by hand"),
    square("P1", "parking", 120.15, 30.9, hours=["22:00-05:00"]),
    square("F1", "forbidden", 120.15, 30.9, 0.004, valid_to="2026-04-30"),
]
FILES = city_files_of(RULES, zones=ZONES)
ZONE_FILE = "geofences/zones.geojson"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


def bench_of(store: OrderStore, files: dict[str, bytes]) -> tuple[CityWorkbench, ZoneDesk, str]:
    city = build_city(files)
    desk: Rollouts = store.rollouts()
    desk.found(city.city_hash, pack_city(files), folder=True)
    bench = CityWorkbench(desk, lambda: date(2026, 5, 1))
    return bench, ZoneDesk(bench, lambda: to_ms(NOON)), city.city_hash


Made = tuple[CityWorkbench, ZoneDesk, str]


@pytest.fixture
def made(store: OrderStore) -> Made:
    return bench_of(store, FILES)


def polygon(lon: float, lat: float, half_deg: float = 0.002) -> dict[str, Any]:
    ring = square("x", "parking", lon, lat, half_deg)["geometry"]["coordinates"][0]
    return {"type": "Polygon", "coordinates": [[[round(x, 6), round(y, 6)] for x, y in ring]]}


def new(kind: str, geometry: dict[str, Any], **properties: Any) -> ZoneDraft:
    return ZoneDraft({"kind": kind, "name": "新", **properties}, geometry, added=True)


def test_the_map_has_what_the_files_say_and_what_counts_now(made: Made) -> None:
    zones = {zone.zone_id: zone for zone in made[1].in_force().zones}
    assert [zone.counts for zone in zones.values()] == [True, True, False, False]
    assert (zones["S1"].properties["note"], zones["S1"].file, zones["S1"].area) == ("drawn by hand", ZONE_FILE, None)
    assert zones["S1"].area_m2 == pytest.approx(382.7 * 443.5, rel=0.01)


def test_a_drawn_zone_goes_the_way_of_every_change(made: Made) -> None:
    bench, desk, base = made
    drawn = new("disposal_site", polygon(120.0, 30.8), valid_from="2026-05-02")
    draft = Draft(base, zones={"N1": drawn, "S1": ZoneDraft({"valid_to": "2026-05-31"}), "P1": None})
    checked = bench.check(draft)
    assert checked.findings == []
    told = {change.zone_id: (change.kind, change.fields) for change in checked.changes.zones}
    assert told == {"N1": ("added", []), "S1": ("changed", ["valid_to"]), "P1": ("removed", [])}
    rollout = bench.propose(draft, "新消纳场", actor=OPERATOR)
    files = bench.city(rollout.city_hash)[1]
    before, after = (json.loads(one[ZONE_FILE])["features"] for one in (FILES, files))
    assert [feature["properties"]["zone_id"] for feature in after] == ["D1", "S1", "F1"]
    assert [after[0], after[2]] == [before[0], before[3]], "what is not touched stays as it is"
    assert after[1]["geometry"] == before[1]["geometry"]
    assert after[1]["properties"] == {**before[1]["properties"], "valid_to": "2026-05-31"}
    assert json.loads(files[DRAWN_FILE])["features"][0]["geometry"] == drawn.geometry
    [sheet] = [zone for zone in desk.drafted(draft).zones if zone.zone_id == "N1"]
    assert (sheet.file, sheet.line, sheet.counts) == (DRAWN_FILE, 2, False)
    assert desk.drafted(draft).removed == ["P1"]


def test_a_second_draft_adds_to_what_the_first_drew(made: Made, store: OrderStore) -> None:
    bench, _, base = made
    once = bench.drafted(Draft(base, zones={"N1": new("parking", polygon(120.0, 30.8))}))
    again, _, base = bench_of(store, once)
    twice = again.drafted(
        Draft(base, zones={"N2": new("parking", polygon(120.0, 30.7)), "N1": ZoneDraft({"name": "旧"})})
    )
    zones = {zone.zone_id: zone.name.zh for zone in build_city(twice).zones}
    assert (zones["N1"], zones["N2"]) == ("旧", "新")
    gone = again.drafted(Draft(base, zones={"N1": None}))
    assert DRAWN_FILE not in gone, "an empty zone file would be an error"


def test_a_city_in_mars_coordinates_keeps_them(store: OrderStore) -> None:
    files = city_files_of(RULES, zones=ZONES, settings=SETTINGS.replace("wgs84", "gcj02"))
    bench, desk, base = bench_of(store, files)
    drawn = Draft(base, zones={"N1": new("parking", polygon(120.0, 30.8))})
    [sheet] = [zone for zone in desk.drafted(drawn).zones if zone.zone_id == "N1"]
    assert sheet.outline["coordinates"][0][0] == pytest.approx((119.998, 30.798), abs=2e-8)
    written = json.loads(bench.drafted(drawn)[DRAWN_FILE])["features"][0]["geometry"]["coordinates"][0][0]
    assert written == pytest.approx(convert(119.998, 30.798, "wgs84", "gcj02"), abs=2e-8)


BOW = {"type": "Polygon", "coordinates": [[[120, 30.8], [120.01, 30.81], [120.01, 30.8], [120, 30.81], [120, 30.8]]]}


@pytest.mark.parametrize(
    ("zone_id", "zone", "code"),
    [
        ("N1", new("parking", BOW), "Z026"),
        ("N1", new("parking", {"type": "Polygon", "coordinates": [[[120, 30], [120.1, 30], [120, 30]]]}), "Z025"),
        ("N1", new("parking", {"type": "LineString", "coordinates": [[120, 30.8], [120.1, 30.8]]}), "Z027"),
        ("N1", new("parking", {"type": "Point", "coordinates": [120, 30.8]}), "Z010"),
        ("N1", new("parking", {"coordinates": "x"}), "Z020"),
        ("N1", ZoneDraft({"kind": "parking"}, added=True), "Z020"),
        ("N1", new("car_park", polygon(120.0, 30.8)), "Z012"),
        ("N1", new("parking", polygon(120.0, 30.8), valid_from="2026-05-02", valid_to="2026-05-01"), "Z016"),
        ("N1", new("parking", polygon(120.0, 30.8), parent="T9"), "Z017"),
        ("S1", new("parking", polygon(120.0, 30.8)), "Z013"),
        ("S1", ZoneDraft({"kind": None}), "Z010"),
    ],
)
def test_what_is_wrong_is_said_of_its_zone(made: Made, zone_id: str, zone: ZoneDraft, code: str) -> None:
    bench, desk, base = made
    draft = Draft(base, zones={zone_id: zone})
    found = [(trouble.zone_id, trouble.finding.code) for trouble in desk.drafted(draft).troubles]
    assert found == [(zone_id, code)]
    with pytest.raises(AuthorError):
        bench.propose(draft, "x", actor=OPERATOR)
    with pytest.raises(AuthorError):
        desk.here(PlaceBody(120, 30.8, draft=draft))


def test_what_is_doubtful_is_said_and_drawn(made: Made) -> None:
    _, desk, base = made

    def told(zone: ZoneDraft) -> list[tuple[str, list[str]]]:
        return [(doubt.code, sorted(doubt.zone_ids)) for doubt in desk.drafted(Draft(base, zones={"N1": zone})).doubts]

    over = new("disposal_site", polygon(120.052, 30.85))
    [overlap] = desk.drafted(Draft(base, zones={"N1": over})).doubts
    assert (overlap.code, sorted(overlap.zone_ids)) == ("Z030", ["N1", "S1"])
    assert overlap.area_m2 == pytest.approx(191.4 * 443.5, rel=0.01)
    assert overlap.shape is not None
    assert overlap.shape["type"] == "Polygon"
    assert told(new("disposal_site", polygon(120.052, 30.85), parent="S1")) == []
    assert told(new("route", polygon(120.05, 30.85))) == []
    assert told(new("parking", polygon(120.15, 30.9), valid_to="2026-01-01")) == [("Z030", ["N1", "P1"])]
    assert told(new("parking", polygon(120.0, 30.8, 0.00005))) == [("Z031", ["N1"])]
    assert told(new("parking", polygon(122.0, 30.8))) == [("Z032", ["N1"])]


def test_which_zones_are_here(made: Made) -> None:
    _, desk, base = made
    place = desk.here(PlaceBody(120.15, 30.9))
    assert [(zone.zone_id, zone.counts) for zone in place.zones] == [("P1", False), ("F1", False), ("D1", True)]
    assert [zone.why and zone.why.en for zone in place.zones] == ["outside its hours", "ended 2026-04-30", None]
    night = desk.here(PlaceBody(120.15, 30.9, at=datetime(2026, 4, 30, 23, 0)))  # the city's own time
    assert [zone.counts for zone in night.zones] == [True, True, True]
    for datum, there in (("gcj02", place.gcj02), ("bd09", place.bd09)):
        again = desk.here(PlaceBody(*there, datum=datum))  # type: ignore[arg-type]
        assert again.wgs84 == pytest.approx((120.15, 30.9), abs=1e-9)
        assert [zone.zone_id for zone in again.zones] == ["P1", "F1", "D1"]
    draft = Draft(base, zones={"P1": None, "F1": ZoneDraft({"valid_to": None})})
    assert [(zone.zone_id, zone.counts) for zone in desk.here(PlaceBody(120.15, 30.9, draft=draft)).zones] == [
        ("F1", True),
        ("D1", True),
    ]
    with pytest.raises(RolloutRefused):
        desk.here(PlaceBody(120.15, 30.9, at=datetime(1, 1, 1, tzinfo=UTC)))


def test_a_drawing_of_others_comes_into_the_draft(made: Made) -> None:
    bench, desk, base = made
    features = [
        square("S1", "construction_site", 120.05, 30.85),
        square("P1", "parking", 120.16, 30.9),
        square("x", "parking", 120.0, 30.8),
        {
            "type": "Feature",
            "properties": {"NO": 7.0, "名称": "七号", "zone_id": None},
            "geometry": polygon(120.0, 30.7),
        },
        {"type": "Feature", "properties": {"NO": 8}, "geometry": BOW},
    ]
    for feature in features[:3]:
        feature["properties"]["NO"] = feature["properties"].pop("zone_id")
    body = ImportBody(
        Draft(base, zones={"x": None}),
        "sites.geojson",
        json.dumps({"type": "FeatureCollection", "features": features}).encode(),
        kind="disposal_site",
        id_field="NO",
        name_field="名称",
    )
    found = desk.read_import(body)
    assert (found.datum, found.said, "名称" in found.fields) == ("wgs84", True, True)
    told = [(zone.zone_id, zone.change) for zone in found.zones]
    assert told == [("S1", "same"), ("P1", "changed"), ("x", "added"), ("7", "added"), ("8", "rejected")]
    assert found.zones[3].properties == {"name": "七号", "kind": "disposal_site"}
    assert "自相交" in found.zones[4].reasons[0].zh
    accepted = {
        zone.zone_id: ZoneDraft(zone.properties, zone.geometry, added=zone.change == "added")
        for zone in found.zones
        if zone.change in ("added", "changed")
    }
    draft = Draft(base, zones=accepted)
    told = {change.zone_id: change.kind for change in bench.check(draft).changes.zones}
    assert told == {"P1": "changed", "x": "added", "7": "added"}
    again = desk.read_import(ImportBody(draft, body.file, body.data, kind="parking", id_field="NO"))
    assert [zone.change for zone in again.zones[:3]] == ["same"] * 3
    mars = desk.read_import(ImportBody(draft, body.file, body.data, datum="gcj02", id_field="NO"))
    assert [zone.change for zone in mars.zones[:3]] == ["changed"] * 3
    assert mars.zones[3].reasons[0].en == "Property kind is missing"
