"""The shipped books: clean, complete, one finding for one conduct, and every inline example true when really run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

import pytest

from haulwatch.city import City, build_city
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.testing import PLATE, START, city_files_of, square
from haulwatch.wire import decode_event
from rules.law_packs import load_references
from rules.loading import load_books
from rules.model import Example, Rule, RuleBook
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

FILES = sorted(
    (f"rules/books/{entry.name}", entry.read_bytes())
    for entry in files("rules").joinpath("books").iterdir()
    if entry.name.endswith(".yaml")
)


def shipped() -> RuleBook:
    book, findings = load_books(FILES, today=None)
    assert findings == []
    assert book is not None
    return book


BOOK = shipped()
STORIES = [(rule, example) for rule in BOOK.rules for example in rule.examples]


def test_every_rule_says_who_why_and_what_to_do() -> None:
    known = set(load_references())
    for rule in BOOK.rules:
        assert rule.law, rule.rule_id
        assert set(rule.law) <= known, rule.rule_id
        assert rule.runbook is not None, rule.rule_id
        assert rule.title.zh != rule.title.en, rule.rule_id
        assert rule.work_order.departments, rule.rule_id
        assert {bool(example.expect) for example in rule.examples} == {True, False}, rule.rule_id


def test_every_number_has_a_range_and_a_label_in_both_languages() -> None:
    for rule in BOOK.rules:
        for param in rule.params.values():
            assert param.minimum is not None, (rule.rule_id, param.name)
            assert param.maximum is not None, (rule.rule_id, param.name)
            assert param.label is not None, (rule.rule_id, param.name)
            assert param.label.zh != param.label.en, (rule.rule_id, param.name)


@pytest.mark.parametrize("category", ["overweight", "uncovered", "dumping", "tamper"])
def test_rules_that_see_the_same_conduct_share_its_episode(category: str) -> None:
    policies = {rule.episode for rule in BOOK.rules if rule.category == category}
    assert len({(policy.group, policy.key) for policy in policies}) == 1


def test_of_the_weighing_rules_the_best_founded_one_opens() -> None:
    """One weighing can satisfy several; rules are asked in the order of their ids."""
    ids = [rule.rule_id for rule in BOOK.rules if rule.rule_id.startswith("overweight-weighed")]
    assert ids == [
        "overweight-weighed",
        "overweight-weighed-expired",
        "overweight-weighed-unlisted",
        "overweight-weighed-unverified",
    ]


@pytest.mark.parametrize(
    ("rule", "example"), STORIES, ids=[f"{rule.rule_id}-{number}" for number, (rule, _) in enumerate(STORIES)]
)
def test_inline_example(rule: Rule, example: Example) -> None:
    """Run through the real processor with the whole book in force: what it expects of its category, and no more."""
    assert list(found_in(example, rule.category)) == [finding.at_ms for finding in example.expect]


def found_in(example: Example, category: str) -> Iterator[int]:
    """Offsets (ms) at which findings of the category open."""
    start_ms = to_ms(datetime.fromisoformat(example.start) if example.start else START)
    processor = PartitionProcessor(CityRuntime(city_of_example(example)))
    breaches = []
    for _arrives_ms, line in sorted(lines_of(example, start_ms)):
        breaches += processor.apply(decode_event(line))
    breaches += processor.advance_to(start_ms + example.until_ms + 3_001)
    for breach in breaches:
        if breach.phase == "opened" and breach.category == category:
            yield to_ms(datetime.fromisoformat(breach.detected_at)) - start_ms


def lines_of(example: Example, start_ms: int) -> Iterator[tuple[int, bytes]]:
    """The story's events as a gateway would write them, with their arrival."""
    for number, event in enumerate(example.events):
        fields = dict(event.fields)
        arrive_s = fields.pop("arrive", None)
        at_ms = start_ms + event.offset_ms
        arrives_ms = at_ms if arrive_s is None else start_ms + round(float(str(arrive_s)) * 1000)
        common = {"kind": event.kind, "event_id": f"e{number:03d}", "truck_id": PLATE}
        instants = {"at": rfc3339(at_ms), "received_at": rfc3339(arrives_ms)}
        yield arrives_ms, json.dumps(common | instants | fields).encode()


def city_of_example(example: Example) -> City:
    tables = {"trucks.csv": table([{"truck_id": PLATE, "axle_count": None, **example.truck}])}
    for name in ("stations", "cameras", "permits"):
        rows = example.extras.get(name)
        if isinstance(rows, list):
            tables[f"{name}.csv"] = table(rows)
    zones = [feature(zone) for zone in example.zones] or [square("Q", "district", 120.1, 30.86, 0.5)]
    city_files = city_files_of(None, zones=zones, tables=tables)
    return build_city(city_files | {f"rules/{name.split('/')[-1]}": data for name, data in FILES})


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = (
        [";".join(v) if isinstance(v := row.get(c), list) else "" if v is None else str(v) for c in columns]
        for row in rows
    )
    return "\n".join(",".join(row) for row in [columns, *cells]) + "\n"


def feature(zone: Mapping[str, Any]) -> dict[str, Any]:
    properties = dict(zone) | {"name": zone["zone_id"]}
    if "line" in properties:
        geometry = {"type": "LineString", "coordinates": [[float(x), float(y)] for x, y in properties.pop("line")]}
    else:
        geometry = {"type": "Point", "coordinates": [float(properties.pop("lon")), float(properties.pop("lat"))]}
        properties["radius_m"] = float(properties["radius_m"])
    return {"type": "Feature", "geometry": geometry, "properties": properties}
