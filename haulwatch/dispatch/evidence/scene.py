"""The city as it was when an order opened: zones near the place, the rule in its author's words, the law's editions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from geofences.zones import feature_collection
from haulwatch.city import City, build_city
from haulwatch.city.files import shipped_files
from haulwatch.domain.breaches import Breach
from haulwatch.domain.evidence import LawEdition, Scene, SceneRule
from haulwatch.domain.orders import Order
from haulwatch.domain.text import Text
from rules.findings import Report
from rules.law_packs import REFERENCES_FILE
from rules.model import Rule
from rules.yaml_source import compose

NEAR_DEG = 0.01
"""About a kilometre: zones this near to the track are part of the scene."""
NO_ZONES: dict[str, Any] = {"type": "FeatureCollection", "features": []}

Box = tuple[float, float, float, float]


class CityThen:
    """A city put together again from its files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.city: City = build_city(files)
        self._shipped = shipped_files(files)

    def scene(self, order: Order, breach: Breach) -> Scene:
        """What of it concerns the order."""
        return Scene(
            order_id=order.order_id,
            city_hash=order.city_hash,
            exact=self.city.city_hash == order.city_hash,
            shown_city_hash=self.city.city_hash,
            timezone=self.city.timezone.key,
            zones=self._zones(order, breach),
            rule=self._rule(order.rule_id),
            law=list(self._law()),
        )

    def sources(self, scene: Scene) -> dict[str, bytes]:
        """The whole files that the scene's rule and law stand in, by their names in the city."""
        law = {f"law/{edition.pack}.yaml" for edition in scene.law} | {f"law/{REFERENCES_FILE}"}
        books = set() if scene.rule is None else {scene.rule.book, *scene.rule.adjustments}
        return {name: self._source(name) for name in sorted(law | books)}

    def basemap(self, layer: str) -> bytes | None:
        """A layer of the base map, if the city has it."""
        return self.files.get(f"basemap/{layer}.geojson")

    def _source(self, name: str) -> bytes:
        return self.files[name] if name in self.files else self._shipped[name]

    def _zones(self, order: Order, breach: Breach) -> dict[str, Any]:
        around = around_track(order, breach)
        named = {*order.zone_ids, *order.jurisdictions}
        near = [
            zone
            for zone in self.city.zones
            if zone.zone_id in named or (around is not None and _meet(around, zone.geometry.bounds))
        ]
        collection = feature_collection(near)
        for feature, zone in zip(collection["features"], near, strict=True):
            hours = [f"{_clock(span.from_min)}-{_clock(span.to_min)}" for span in zone.hours]
            days = {"valid_from": zone.valid_from, "valid_to": zone.valid_to}
            feature["properties"] |= {
                "at_the_place": zone.zone_id in order.zone_ids,
                **({"hours": hours} if hours else {}),
                **{name: day.isoformat() for name, day in days.items() if day is not None},
            }
        return collection

    def _rule(self, rule_id: str) -> SceneRule | None:
        rule = next((rule for rule in self.city.book.rules if rule.rule_id == rule_id), None)
        if rule is None:
            return None
        book = self._source(rule.place.file)
        return SceneRule(
            rule_id=rule_id,
            rule_hash=rule.rule_hash,
            title=rule.title,
            book=rule.place.file,
            book_sha256=hashlib.sha256(book).hexdigest(),
            line=rule.place.line,
            text=rule_text(book, rule),
            adjustments=[name for name in sorted(self.files) if self._adjusts(name, rule_id)],
        )

    def _adjusts(self, name: str, rule_id: str) -> bool:
        told = re.compile(rf"\bid\s*:\s*[\"']?{re.escape(rule_id)}\b")
        return name.startswith("rules/local/") and told.search(self.files[name].decode("utf-8", "replace")) is not None

    def _law(self) -> Iterator[LawEdition]:
        for pack in self.city.law.packs:
            source = self._source(f"law/{pack.id}.yaml")
            yield LawEdition(
                pack=pack.id,
                title=Text(pack.title.zh, pack.title.en),
                edition=pack.edition.isoformat(),
                verified=pack.verified,
                sha256=hashlib.sha256(source).hexdigest(),
            )


def no_scene(order: Order) -> Scene:
    """The scene of an order whose city nobody has kept."""
    return Scene(
        order_id=order.order_id,
        city_hash=order.city_hash,
        exact=False,
        shown_city_hash=None,
        timezone=None,
        zones=NO_ZONES,
        rule=None,
        law=[],
    )


def around_track(order: Order, breach: Breach) -> Box | None:
    """West, south, east, north of the finding's track and place with a margin; None when it has neither."""
    lons = [fix[1] for fix in breach.track] + ([] if order.lon is None else [order.lon])
    lats = [fix[2] for fix in breach.track] + ([] if order.lat is None else [order.lat])
    if not lons or not lats:
        return None
    return (min(lons) - NEAR_DEG, min(lats) - NEAR_DEG, max(lons) + NEAR_DEG, max(lats) + NEAR_DEG)


def _meet(one: Box, other: Sequence[float]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def rule_text(book: bytes, rule: Rule) -> str:
    """The rule's own lines of its book, without the other rules and without its indentation."""
    source, root = compose(rule.place.file, book, Report())
    entry = None if root is None else _entry(root, rule.rule_id)
    if entry is None:
        return ""
    first, last = entry.start_mark.line, entry.end_mark.line
    if entry.end_mark.column > 0 and last < len(source.lines) and source.lines[last][: entry.end_mark.column].strip():
        last += 1
    lines = source.lines[first:last]
    margin = entry.start_mark.column
    shown = [lines[0][margin:], *(line[margin:] if not line[:margin].strip() else line for line in lines[1:])]
    return "\n".join(shown).rstrip() + "\n"


def _entry(root: MappingNode, rule_id: str) -> MappingNode | None:
    for key, rules in root.value:
        if not (isinstance(key, ScalarNode) and key.value == "rules" and isinstance(rules, SequenceNode)):
            continue
        for entry in rules.value:
            if isinstance(entry, MappingNode) and any(
                isinstance(name, ScalarNode) and (name.value, getattr(value, "value", None)) == ("id", rule_id)
                for name, value in entry.value
            ):
                return entry
    return None
