"""Papers and places of a trip: late manifests, where a load came from, where it went."""

from __future__ import annotations

from haulwatch.domain.events import Event
from haulwatch.testing import PLATE, city_of, manifest, position, square, weighing
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

ZONES = (
    square("Q", "district", 120.1, 30.86, 0.5),
    square("S-1", "construction_site", 120.1, 30.86),
    square("D-1", "disposal_site", 120.15, 30.86),
)
TABLES = {
    "trucks.csv": f"truck_id,axle_count,registered_gross_kg,tare_kg\n{PLATE},4,31000,13000\n",
    "permits.csv": "permit_id,origin_zone,destination_zone\nP-1,S-1,D-1\n",
}
CITY = city_of("rules: []\n", zones=ZONES, tables=TABLES)


def after(events: list[Event]) -> PartitionProcessor:
    processor = PartitionProcessor(CityRuntime(CITY))
    for event in events:
        processor.apply(event)
    processor.advance_to(processor.clock_ms + 3_001)
    return processor


def way(begin_s: int, lon: float, to_lon: float, seconds: int, **fields: object) -> list[Event]:
    share = (to_lon - lon) / max(seconds, 1)
    return [position(begin_s + t, lon=lon + share * t, speed_kmh=40.0, **fields) for t in range(0, seconds, 10)]


def stay(begin_s: int, lon: float, seconds: int, **fields: object) -> list[Event]:
    return [position(begin_s + t, lon=lon, speed_kmh=0.0, **fields) for t in range(0, seconds, 30)]


def test_a_manifest_that_arrives_late_belongs_to_the_trip_all_the_same() -> None:
    late = manifest(55, status="issued", origin_zone="S-1", received_s=90)
    drive = way(60, 120.1, 120.12, 120, load="full")
    story = [*stay(0, 120.1, 60, load="full"), *drive]
    told = sorted([*story, late], key=lambda event: event.received_at or event.at)
    trip = after(told).trucks()[PLATE].trip
    assert trip is not None
    assert trip.has_manifest


def test_a_late_copy_does_not_open_a_closed_manifest_again() -> None:
    story: list[Event] = [*way(0, 120.11, 120.12, 60)]
    story += [manifest(61, status="issued"), manifest(65, status="completed", event_id="m-2")]
    story += way(70, 120.12, 120.13, 60)
    story.append(manifest(61, status="issued", received_s=140, event_id="m-3"))
    assert after(story).trucks()[PLATE].manifest_id is None


def test_a_load_found_by_a_scale_comes_from_the_site_of_the_long_stay() -> None:
    story = [*stay(0, 120.1, 600), *way(600, 120.1, 120.13, 900), weighing(1_495, 30_000.0)]
    trip = after(story).trucks()[PLATE].trip
    assert trip is not None
    assert (trip.origin_zone, trip.permit_id) == ("S-1", "P-1")


def test_what_was_unloaded_is_no_longer_of_that_site() -> None:
    story = [*stay(0, 120.1, 600), *way(600, 120.1, 120.15, 300), *stay(900, 120.15, 300)]
    story += [*way(1_200, 120.15, 120.17, 120), weighing(1_300, 30_000.0), weighing(1_319, 30_000.0)]
    trip = after(story).trucks()[PLATE].trip
    assert trip is not None
    assert trip.origin_zone is None
