"""How sure the cover is: cameras that agree, one that repeats itself, one that contradicts, the sensor."""

from __future__ import annotations

from typing import Any

import pytest

from haulwatch.domain.events import Event
from haulwatch.testing import PLATE, city_of, position, sighting
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

CAMERAS = "camera_id,trust\nC1,0.85\nC2,0.85\nC3,0.7\n"
CITY = city_of("rules: []\n", tables={"cameras.csv": CAMERAS})


def confidence(*events: Event) -> float | None:
    processor = PartitionProcessor(CityRuntime(CITY))
    for event in events:
        processor.apply(event)
    processor.advance_to(processor.clock_ms + 3_001)
    return processor.trucks()[PLATE].cover_confidence


def seen(t_s: float, camera_id: str, cover: str = "open", **fields: Any) -> Event:
    return sighting(t_s, camera_id=camera_id, cover=cover, **fields)


def test_nobody_has_seen_it() -> None:
    assert confidence(position(0)) is None


def test_one_camera_is_as_sure_as_experience_with_it() -> None:
    assert confidence(seen(0, "C1")) == pytest.approx(0.85)
    assert confidence(seen(0, "C3")) == pytest.approx(0.7)


def test_a_camera_that_doubts_counts_for_less() -> None:
    assert confidence(seen(0, "C1", cover_confidence=0.8)) == pytest.approx(0.85 * 0.8)
    assert confidence(seen(0, "C1", cover_confidence=0.55)) == pytest.approx(0.5)


def test_two_that_agree_are_surer_than_one_that_repeats_itself() -> None:
    assert confidence(seen(0, "C1"), seen(60, "C1")) == pytest.approx(0.85)
    assert confidence(seen(0, "C1"), seen(60, "C2")) == pytest.approx(0.85**2 / (0.85**2 + 0.15**2))


def test_a_contradiction_starts_anew() -> None:
    assert confidence(seen(0, "C1"), seen(60, "C2"), seen(120, "C3", "closed")) == pytest.approx(0.7)


def test_what_was_seen_more_than_an_hour_ago_supports_nothing() -> None:
    assert confidence(seen(0, "C1"), seen(3_700, "C2")) == pytest.approx(0.85)


def test_the_sensor_is_certain() -> None:
    sure = confidence(position(0, cover="open"))
    assert sure is not None
    assert sure > 0.99


def test_what_was_seen_before_this_load_says_nothing_about_it() -> None:
    empty = [position(t, lon=120.1 + t * 1e-4, speed_kmh=40.0, load="empty") for t in range(0, 60, 10)]
    loaded = [position(t, lon=120.1 + t * 1e-4, speed_kmh=40.0, load="full") for t in range(70, 120, 10)]
    assert confidence(*empty, seen(62, "C1"), *loaded, seen(122, "C2")) == pytest.approx(0.85)
