"""What is not on record is asked of the officer, and nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Station, Truck
from rules.law import load_law

AT = to_ms(datetime(2026, 5, 1, tzinfo=UTC))
LAW = load_law(["cn-2016-62", "zj-2020"])
KNOWN = Truck(truck_id="浙E12345", axle_count=4, body="rigid", air_suspension=False, registered_gross_kg=31_000.0)
STATION = Station(station_id="W-1", tolerance_pct=5.0, verified_until=date(2026, 5, 1))
ALWAYS = ["review", "source-cn-2016-62"]


def asked(truck: Truck, station: Station | None, axle_count: int | None = None) -> dict[str, str]:
    found = LAW.suggestion("overweight", truck, 40_000, 38_000.0, AT, axle_count, station)
    assert found is not None
    assert all(question["zh"] != question["en"] for question in found["to_check"])
    return {question["id"]: question["zh"] for question in found["to_check"]}


def test_of_a_truck_and_a_station_on_record_only_the_review_and_the_unread_text_are_left() -> None:
    questions = asked(KNOWN, STATION, axle_count=4)
    assert list(questions) == ALWAYS
    assert "2016-08-19 版" in questions["source-cn-2016-62"]
    assert "摘录" in questions["source-cn-2016-62"]


@pytest.mark.parametrize(
    ("truck", "seen", "expected"),
    [
        (Truck(truck_id="浙E12345", body="rigid", air_suspension=True, registered_gross_kg=31_000.0), 4, ["axles"]),
        (KNOWN, 3, ["axles-differ"]),
        (Truck(truck_id="浙E12345", axle_count=4), 4, ["body", "air-suspension", "registered-mass"]),
        (Truck(truck_id="浙E12345", axle_count=2), 2, ["registered-mass"]),
    ],
)
def test_what_the_registry_does_not_know_of_the_truck(truck: Truck, seen: int, expected: list[str]) -> None:
    assert list(asked(truck, STATION, seen)) == [*expected, *ALWAYS]


@pytest.mark.parametrize(
    ("station", "expected"),
    [
        (None, ["station"]),
        (Station(station_id="W-1"), ["tolerance", "verification"]),
        (Station(station_id="W-1", tolerance_pct=5.0, verified_until=date(2026, 4, 30)), ["verification-expired"]),
    ],
)
def test_what_is_open_about_the_station(station: Station | None, expected: list[str]) -> None:
    assert list(asked(KNOWN, station)) == [*expected, *ALWAYS]
