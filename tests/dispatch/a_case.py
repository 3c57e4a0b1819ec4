"""A case with everything in it: a city that was in force, a truck's track, a picture, two findings, commands."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from haulwatch.city import build_city
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach, Condition, Evidence, LawNote
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor
from haulwatch.domain.text import Text
from haulwatch.testing import city_files_of
from tests.dispatch.conftest import MORNING_MS, a_breach

RULE = """\
# 车速
rules:
  - id: other
    title: {zh: 别的, en: Another}
    category: speed
    severity: minor
    status: shadow
    owner: test
    match: {on: position, where: speed_kmh > 150}
    episode: {key: [truck_id], cooldown: 10m}
    examples:
      - {name: fast, until: 1m, expect: [{at: 0s, category: speed}], events: [
          {t: 0s, on: position, speed_kmh: 160, lon: 120.1, lat: 30.86}]}
      - {name: slow, until: 1m, expect: [], events: [{t: 0s, on: position, speed_kmh: 60, lon: 120.1, lat: 30.86}]}
  - id: speeding
    title: {zh: 超速, en: Speeding}
    category: speed
    severity: major
    status: active
    owner: 渣土科
    law: [cn-air-116]
    params: {limit: {value: 80, min: 40, max: 120, label: {zh: 限速}}}
    # 一次就算
    match: {on: position, where: speed_kmh > $limit}
    episode: {key: [truck_id], cooldown: 10m}
    examples:
      - {name: fast, until: 1m, expect: [{at: 0s, category: speed}], events: [
          {t: 0s, on: position, speed_kmh: 160, lon: 120.1, lat: 30.86}]}
      - {name: slow, until: 1m, expect: [], events: [{t: 0s, on: position, speed_kmh: 60, lon: 120.1, lat: 30.86}]}
"""


def a_picture(colour: tuple[int, int, int]) -> bytes:
    """A JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (320, 200), colour).save(out, "JPEG")
    return out.getvalue()


PICTURE = a_picture((200, 40, 40))
DIGEST = hashlib.sha256(PICTURE).hexdigest()
ELSEWHERE = "https://cameras.example/9.jpg"


class Album:
    """A `PictureSource` of what it was given."""

    def __init__(self, *pictures: bytes) -> None:
        self._pictures = {hashlib.sha256(data).hexdigest(): data for data in pictures}

    def get(self, sha256: str) -> bytes | None:
        """See `PictureSource`."""
        return self._pictures.get(sha256)


class Cities:
    """A `CityHistory` of what it was given."""

    def __init__(self, *cities: Mapping[str, bytes]) -> None:
        self._cities = {build_city(files).city_hash: files for files in cities}

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """See `CityHistory`."""
        return self._cities.get(city_hash)


@dataclass(frozen=True)
class Case:
    """An order that was filed, and what its pack is made from."""

    store: OrderStore
    order_id: str
    city: dict[str, bytes]

    def history(self) -> Cities:
        """The city as it was."""
        return Cities(self.city)


def a_city() -> dict[str, bytes]:
    """The city that was in force."""
    return city_files_of(RULE)


def speeding(breach_id: str, city_hash: str, minute: float, **changes: object) -> Breach:
    """A finding of the rule `speeding` with a track, a record with pictures, and law."""
    at_ms = MORNING_MS + round(minute * 60_000)
    images = [{"uri": f"picture:{DIGEST}", "sha256": DIGEST}, {"uri": ELSEWHERE}]
    record = {"kind": "sighting", "event_id": f"e-{breach_id}", "truck_id": "浙E12345", "images": images}
    fields: dict[str, object] = {
        "rule_id": "speeding",
        "rule_hash": "r" * 64,
        "city_hash": city_hash,
        "category": "speed",
        "conditions": [Condition("speed_kmh > $limit", "speed_kmh", 93.5, ">", 80.0, "km/h", f"e-{breach_id}")],
        "evidence": [Evidence(f"e-{breach_id}", "sighting", "seen", rfc3339(at_ms), record)],
        "track": [
            (at_ms - 10_000 * back, 120.1 - 0.001 * back, 30.86 + 0.0004 * back, 90.0 - back) for back in range(30)
        ][::-1],
        "law": LawNote(["《大气污染防治法》第一百一十六条"], {"text": {"zh": "建议", "en": "suggestion"}}),
        "title": Text("超速", "Speeding"),
        "summary": Text("浙E12345 时速 93.5 公里", "浙E12345 at 93.5 km/h"),
    }
    return a_breach(breach_id, minute=minute, **{**fields, **changes})


def new_case(store: OrderStore, anyone: Actor) -> Case:
    """Takes two findings in (one conduct, seen by two rules), files the order, and adds an order of another truck."""
    city = a_city()
    city_hash = build_city(city).city_hash
    first = speeding("b1", city_hash, 30)
    second = speeding("b2", city_hash, 33, rule_id="other", severity="minor")
    bystander = a_breach("b3", minute=31, truck_id="浙E999")
    (order_id, _) = store.intake([first, bystander, second]).opened
    store.command(order_id, "file", expected_version=1, actor=anyone, data={"note": "看过视频"})
    return Case(store, order_id, city)
