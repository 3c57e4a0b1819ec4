"""Messages and what they become: every edition, every unit, every profile."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.jt808 import messages
from connectors.jt808.mapping import Reporter, phone_number, positions, sighting
from connectors.jt808.profiles import Profile, load_profiles, read_profiles
from geofences.datum import convert
from haulwatch.domain.errors import AuthorError, DeviceError
from haulwatch.domain.events import Image, Position, Sighting
from tests.connectors.jt808 import frames

NOW = datetime(2026, 5, 1, 8, 30, 2, tzinfo=UTC)
PROFILES = load_profiles()
PICTURE = Image(uri="sha256:aa", sha256="a" * 64)


def reporter(model: str = "standard", profile: Profile | None = None) -> Reporter:
    return Reporter("浙E12345", frames.PHONE, profile or PROFILES[model])


def one(body: bytes, model: str = "standard", profile: Profile | None = None, *, resent: bool = False) -> Position:
    mapped = positions((messages.location(body),), reporter(model, profile), NOW, resent=resent)
    assert mapped.letters == []
    [event] = mapped.events
    assert isinstance(event, Position)
    return event


def refused(body: bytes) -> str:
    mapped = positions((messages.location(body),), reporter(), NOW)
    assert mapped.events == []
    [letter] = mapped.letters
    assert letter.raw == body.hex()
    assert letter.source == "jt808:013800138000"
    return letter.code


def test_units_time_zone_and_status() -> None:
    items = frames.item(0x01, (123456).to_bytes(4, "big")) + frames.item(0x31, b"\x0b")
    found = one(frames.location(speed_kmh=45.6, alarm=1 << 4 | 1 << 8 | 1 << 1, items=items))
    assert found.at == datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
    assert found.received_at == NOW
    assert (found.lon, found.lat, found.speed_kmh, found.heading_deg) == (120.1, 30.86, 45.6, 90.0)
    assert (found.valid, found.ignition, found.mileage_km, found.satellites) == (True, True, 12345.6, 11)
    assert found.alarms == ["overspeed", "gnss_fault", "power_cut"]
    assert (found.truck_id, found.source, found.resent) == ("浙E12345", "jt808:013800138000", False)
    assert (found.load, found.cover, found.lift, found.load_kg) == (None, None, None, None)


def test_hemispheres() -> None:
    found = one(frames.location(status=0b1110))
    assert (found.lon, found.lat, found.ignition) == (-120.1, -30.86, False)


def test_what_is_sent_again_is_the_same_event() -> None:
    body = frames.location()
    assert one(body).event_id == one(body, resent=True).event_id
    assert one(body, resent=True).resent
    others = [frames.location(speed_kmh=31), frames.location(time="260501163001"), frames.location(lon=120.100001)]
    assert len({one(other).event_id for other in [body, *others]}) == 4


@pytest.mark.parametrize(
    ("bits", "believed", "loads"),
    [
        (0b00, "loaded", None),
        (0b01, "loaded", "half"),
        (0b11, "loaded", "full"),
        (0b10, "all", None),
        (0b00, "all", "empty"),
        (0b11, "all", "full"),
        (0b11, "none", None),
    ],
)
def test_load_bits_of_the_status(bits: int, believed: str, loads: str | None) -> None:
    profile = PROFILES["standard"].model_copy(update={"load_bits": believed})
    assert one(frames.location(status=0b11 | bits << 8), profile=profile).load == loads


@pytest.mark.parametrize(
    ("model", "items", "expected"),
    [
        ("load-55", frames.item(0x55, (185_005).to_bytes(8, "big")), {"load_kg": 18500.5}),
        ("load-55", frames.item(0x55, b"\xff" * 8), {"load_kg": None}),
        ("load-55", frames.item(0x55, b"\x01"), {"load_kg": None}),
        ("load-70", frames.item(0x70, (200_000).to_bytes(4, "big")), {"load_kg": 20000.0}),
        ("load-70", frames.item(0x71, b"\x02"), {"load": "full"}),
        ("standard", frames.item(0x70, (200_000).to_bytes(4, "big")), {"load_kg": None}),
        ("cover-da", frames.item(0xDA, b"\x00\x00\x08"), {"cover": "closed"}),
        ("cover-da", frames.item(0xDA, b"\x00\x08\x07"), {"cover": "open"}),
        ("ai-codes", frames.item(0x64, b"\x00\x00\x00\x01\x00\x81"), {"cover": "open", "load": None}),
        ("ai-codes", frames.item(0x64, b"\x00\x00\x00\x01\x00\x87"), {"cover": None, "load": "full"}),
        ("states-01", frames.item(0xE1, b"\x00") + frames.item(0xE2, b"\x01"), {"cover": "open", "lift": "raised"}),
        ("states-12", frames.item(0xE1, b"\x01") + frames.item(0xE2, b"\x01"), {"cover": "closed", "lift": "lowered"}),
        ("states-12", frames.item(0xE1, b"\x00") + frames.item(0xE2, b"\x00"), {"cover": None, "lift": None}),
    ],
)
def test_shipped_profiles(model: str, items: bytes, expected: dict[str, object]) -> None:
    found = one(frames.location(items=items), model)
    assert {name: getattr(found, name) for name in expected} == expected


def test_an_item_that_no_profile_reads_is_counted() -> None:
    body = frames.location(items=frames.item(0xE3, b"\x00") + frames.item(0x30, b"\x11"))
    mapped = positions((messages.location(body),) * 2, reporter(), NOW)
    assert mapped.unknown_items == {0xE3: 2}


def test_an_item_that_overruns_its_body_does_not_lose_the_position() -> None:
    body = frames.location(items=frames.item(0x31, b"\x09") + b"\xe3\x20\x00")
    assert messages.location(body).cut == 0xE3
    assert one(body).satellites == 9


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (frames.location(lon=0, lat=0), "null_island"),
        (frames.location(speed_kmh=250), "out_of_range"),
        (frames.location(lon=30.86, lat=120.1), "lat_lon_swapped"),
        (frames.location(heading_deg=400), "out_of_range"),
        (frames.location(time="260502003000"), "clock_ahead"),
        (frames.location(time="000000000000"), "bad_time"),
        (frames.location(time="26ab01163000"), "bad_time"),
    ],
)
def test_what_cannot_be_true_is_a_dead_letter_with_a_code(body: bytes, code: str) -> None:
    assert refused(body) == code


def test_a_terminal_whose_clock_is_utc_and_whose_map_is_shifted() -> None:
    profile = PROFILES["standard"].model_copy(update={"datum": "gcj02", "utc_offset_h": 0.0})
    lon, lat = convert(120.1, 30.86, "wgs84", "gcj02")
    found = one(frames.location(lon=lon, lat=lat, time="260501083000"), profile=profile)
    assert found.at == datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
    assert (found.lon, found.lat) == pytest.approx((120.1, 30.86), abs=2e-6)


def test_a_batch_from_a_blind_area() -> None:
    bodies = [frames.location(time=f"2605011629{second:02d}") for second in (10, 20, 30)]
    found = messages.batch(frames.batch(bodies, kind=1))
    assert found.resent
    assert [location.raw for location in found.locations] == bodies
    cut = messages.batch(frames.batch(bodies)[:-10])
    assert (len(cut.locations), cut.unread, cut.cut) == (2, 1, True)


@pytest.mark.parametrize("edition", [2011, 2013, 2019])
def test_registrations(edition: int) -> None:
    header = 2019 if edition == 2019 else 2013
    body = frames.registration(edition)
    found = messages.registration(body, header)
    assert (found.plate, found.plate_color, found.terminal_id, found.model) == ("浙E12345", 2, "T-0001", "M1")
    assert messages.is_2011(body, header) == (edition == 2011)


@pytest.mark.parametrize("edition", [2013, 2019])
def test_authentication_codes(edition: int) -> None:
    header = 2019 if edition == 2019 else 2013
    assert messages.authentication_code(frames.authentication("abc123", edition), header) == "abc123"


def test_a_picture_is_a_sighting_at_its_place() -> None:
    body = frames.media(b"\xff\xd8\xff\xe0jpeg", where=frames.location())
    found = messages.media(body)
    assert (found.media_id, found.kind, found.channel, found.data) == (7, 0, 1, b"\xff\xd8\xff\xe0jpeg")
    place, seen = sighting(found, PICTURE, reporter(), NOW).events
    assert isinstance(place, Position)
    assert isinstance(seen, Sighting)
    assert (seen.camera_id, seen.at, seen.images) == ("jt808:013800138000/1", place.at, [PICTURE])


def test_a_picture_of_2011_is_of_the_moment_it_came() -> None:
    found = messages.media(frames.media(b"\xff\xd8\xff\xe0jpeg", where=None))
    [seen] = sighting(found, PICTURE, reporter(), NOW).events
    [later] = sighting(found, PICTURE, reporter(), NOW + timedelta(seconds=9)).events
    assert isinstance(seen, Sighting)
    assert isinstance(later, Sighting)
    assert (seen.at, seen.event_id) == (NOW, later.event_id)


def test_one_number_in_all_editions() -> None:
    assert phone_number("00000000013800138000") == phone_number("013800138000") == "013800138000"
    assert phone_number("00000860123456789012") == "860123456789012"


@given(st.binary(max_size=200), st.sampled_from([2013, 2019]), st.sampled_from(sorted(PROFILES)))
def test_any_body_is_read_or_refused(body: bytes, edition: messages.Edition, model: str) -> None:
    readers = (
        lambda: messages.registration(body, edition),
        lambda: messages.authentication_code(body, edition),
        lambda: messages.terminal_answer(body),
        lambda: positions((messages.location(body),), reporter(model), NOW),
        lambda: positions(messages.batch(body).locations, reporter(model), NOW),
        lambda: positions((messages.location_answer(body)[1],), reporter(model), NOW),
        lambda: sighting(messages.media(body), PICTURE, reporter(model), NOW),
    )
    for read in readers:
        with contextlib.suppress(DeviceError):
            assert read() is not None


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        ("readings: [{tlv: 0x155, field: cover, values: {0: open}}]", "P001", 4),
        ("readings: [{tlv: 0x55, field: cover, values: {0: opened}}]", "P003", 4),
        ("readings: [{tlv: 0x55, field: load_kg, values: {0: open}}]", "P003", 4),
        ("readings: [{tlv: 0x55, field: lift}]", "P003", 4),
        ("readings: [{tlv: 0x55, field: load_kg, bit: 7, bits: 2}]", "P003", 4),
        ("readings: [{tlv: 0x55, field: weight}]", "C015", 4),
        ("utc_offset_h: 25", "P001", 4),
        ("dattum: gcj02", "C013", 4),
    ],
)
def test_a_wrong_profile_is_told_with_its_place(lines: str, code: str, line: int) -> None:
    text = f"model: m\ntitle: {{zh: 型号, en: Model}}\nverified: read\n{lines}\n"
    with pytest.raises(AuthorError) as raised:
        read_profiles({"m.yaml": text.encode()})
    [finding] = raised.value.findings
    assert (finding.file, finding.code, finding.line) == ("m.yaml", code, line)


def test_two_profiles_of_one_model() -> None:
    text = b"model: m\ntitle: {zh: a, en: a}\nverified: read\n"
    with pytest.raises(AuthorError) as raised:
        read_profiles({"a.yaml": text, "b.yaml": text})
    assert [finding.code for finding in raised.value.findings] == ["P004"]
