"""Whose weight it was: one truck's, or nobody's."""

from __future__ import annotations

import msgspec
import pytest

from connectors.plate_board import SeenPlate
from connectors.weighbridge.crossing import Crossed, Unsettled
from connectors.weighbridge.joining import Joiner, letter, unsettled_error, weighing, window_of
from connectors.weighbridge.settings import Indicator, PlateWindow
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Image, Weighing
from haulwatch.domain.instants import to_datetime
from tests.connectors.weighbridge.device import yaohua

T0 = 1_777_600_000_000
PLATES = PlateWindow(camera_id=("cam-07",))
INDICATOR = Indicator.model_validate(
    {
        "protocol": "xk3190",
        "address": "tcp://10.0.0.5:4001",
        "station_id": "W1",
        "lane": "2",
        "plates": {"camera_id": ["cam-07"]},
    }
)
IMAGE = Image(uri="picture:" + "0" * 64, sha256="0" * 64)


def crossed(from_s: float = 0, to_s: float = 30, kg: float = 52_900) -> Crossed:
    from_ms, to_ms = T0 + round(from_s * 1000), T0 + round(to_s * 1000)
    return Crossed(
        kg=kg, at_ms=from_ms + 5_000, from_ms=from_ms, to_ms=to_ms, reason="left", frames=(yaohua(kg), yaohua(kg))
    )


def seen(truck_id: str, at_s: float, confidence: float | None = 0.9, images: tuple[Image, ...] = ()) -> SeenPlate:
    return SeenPlate(truck_id, "cam-07", T0 + round(at_s * 1000), confidence, images)


def joiner(plates: PlateWindow = PLATES, registered: tuple[str, ...] = ()) -> Joiner:
    return Joiner(plates, lambda truck_id: truck_id in registered)


@pytest.mark.parametrize(
    ("around", "window_s"),
    [("crossing", (-20, 35)), ("arrival", (-20, 5)), ("departure", (10, 35))],
)
def test_the_window_is_around_the_crossing_or_one_end_of_it(around: str, window_s: tuple[int, int]) -> None:
    plates = PlateWindow.model_validate({"camera_id": ["cam-07"], "around": around})
    assert window_of(crossed(), plates) == tuple(T0 + second * 1000 for second in window_s)


def test_one_truck_seen_more_than_once_is_that_truck_by_its_best_sighting() -> None:
    found = joiner().join(crossed(), [seen("浙E1", 1, 0.7), seen("浙E1", 2, 0.9, (IMAGE,)), seen("浙E1", 3, None)])
    assert found == seen("浙E1", 2, 0.9, (IMAGE,))


def test_two_trucks_or_none_are_nobody() -> None:
    with pytest.raises(DeviceError) as none:
        joiner().join(crossed(), [])
    with pytest.raises(DeviceError, match="浙E1, 浙E2") as two:
        joiner().join(crossed(), [seen("浙E2", 1), seen("浙E1", 2)])
    assert (none.value.code, two.value.code) == ("no_plate", "ambiguous_plate")


def test_sightings_can_be_made_to_count_by_confidence_and_by_the_list() -> None:
    both = [seen("浙E2", 1, 0.4), seen("浙E1", 2, 0.9)]
    sure = PlateWindow(camera_id=("cam-07",), min_confidence=0.5)
    listed = PlateWindow(camera_id=("cam-07",), registered=True)
    assert joiner(sure).join(crossed(), both).truck_id == "浙E1"
    assert joiner(listed, ("浙E2",)).join(crossed(), both).truck_id == "浙E2"


def test_what_was_seen_of_the_truck_before_does_not_name_the_next() -> None:
    one = joiner()
    first, second = [seen("浙E1", 1), seen("浙E1", 34)], seen("浙E2", 36)
    assert one.join(crossed(0, 30), first).truck_id == "浙E1"
    assert one.join(crossed(40, 70), [*first, second]).truck_id == "浙E2"
    with pytest.raises(DeviceError, match="no camera"):
        one.join(crossed(72, 80), [second])


def test_the_same_truck_may_come_back_and_may_be_told_twice_of_one_crossing() -> None:
    one = joiner()
    assert one.join(crossed(0, 30), [seen("浙E1", 1)]).truck_id == "浙E1"
    assert one.join(crossed(0, 90), [seen("浙E1", 1)]).truck_id == "浙E1"
    assert one.join(crossed(100, 130), [seen("浙E1", 101)]).truck_id == "浙E1"


def test_a_weighing_says_what_the_scale_showed_and_the_camera_saw() -> None:
    received_at = to_datetime(T0 + 40_000)
    one = weighing("bridge-1", INDICATOR, crossed(), seen("浙E1", 1, 0.9, (IMAGE,)), received_at)
    again = weighing("bridge-1", INDICATOR, crossed(), seen("浙E1", 1, 0.9, (IMAGE,)), received_at)
    assert one == again
    assert isinstance(one, Weighing)
    assert (one.truck_id, one.at, one.received_at) == ("浙E1", to_datetime(T0 + 5_000), received_at)
    assert (one.station_id, one.lane, one.gross_kg, one.axle_count) == ("W1", "2", 52_900, None)
    assert (one.source, one.plate_confidence, one.images) == ("xk3190:bridge-1", 0.9, [IMAGE])
    assert one.event_id.startswith(f"xk3190:bridge-1:{T0 + 5_000}:")


def test_a_weight_that_cannot_be_is_no_event() -> None:
    with pytest.raises(DeviceError) as caught:
        weighing("bridge-1", INDICATOR, crossed(kg=250_000), seen("浙E1", 1), to_datetime(T0 + 40_000))
    assert caught.value.code == "out_of_range"


def test_letters_keep_frames_and_plates() -> None:
    with pytest.raises(DeviceError) as caught:
        joiner().join(crossed(), both := [seen("浙E2", 1), seen("浙E1", 2)])
    kept = letter("bridge-1", INDICATOR, crossed(), caught.value, both)
    raw = msgspec.json.decode(kept.raw)
    assert (kept.code, kept.source) == ("ambiguous_plate", "xk3190:bridge-1")
    assert [bytes.fromhex(frame) for frame in raw["frames"]] == [yaohua(52_900)] * 2
    assert [one["truck_id"] for one in raw["plates"]] == ["浙E2", "浙E1"]
    assert (raw["gross_kg"], raw["station_id"]) == (52_900, "W1")


@pytest.mark.parametrize(("trouble", "code"), [(None, "never_stable"), ("out_of_range", "out_of_range")])
def test_a_crossing_without_a_weight_says_why(trouble: str | None, code: str) -> None:
    one = Unsettled(highest_kg=61_000, trouble=trouble, from_ms=T0, to_ms=T0 + 9_000, frames=(b"\x02",))
    kept = letter("bridge-1", INDICATOR, one, unsettled_error(one))
    assert kept.code == code
    assert "61,000 kg" in kept.reason
    assert msgspec.json.decode(kept.raw)["highest_kg"] == 61_000
