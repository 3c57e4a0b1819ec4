"""Runs one rule over a story written as lines: `10s sighting cover=open`, findings as `2m10s fired since 10s: …`.

A line `10s truck load=full zones.forbidden=S-1` changes what is known of the truck; it has to stand before the event
that sees it. Kinds of derived events that time makes (`silence`) come alone; a line that begins with `+` is derived
from the event above it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from haulwatch.domain import derived, events
from haulwatch.domain.instants import NEVER_MS, to_datetime
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.trucks import TruckState, ZoneView
from rules.compiling import CompiledBook
from rules.engine import Detection, Engine
from rules.engines import compile_book
from rules.law import load_law
from rules.loading import load_books
from rules.reading import seconds

ZERO_MS = 1_767_225_600_000
"""2026-01-01T08:00 local time."""
PLATE = "浙E12345"
SHANGHAI = ZoneInfo("Asia/Shanghai")
STRUCTS: dict[str, Any] = {
    str(struct.__struct_config__.tag): struct
    for struct in (*events.Observation.__args__, *derived.DerivedEvent.__args__)
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "position": {"lon": 120.1, "lat": 30.86},
    "weighing": {"station_id": "W-1", "gross_kg": 30_000},
    "sighting": {"camera_id": "cam-1"},
    "manifest": {"manifest_id": "M-1", "status": "issued"},
    "zone_enter": {"zone_kind": "construction_site", "since_ms": 0},
    "cover_change": {"cover_before": None, "basis": "camera"},
    "load_change": {"load_before": None, "blind_s": 0.0, "basis": "camera"},
    "silence": {"since_ms": 0},
}
BOOK = """
rules:
  - id: {rule_id}
    title: {{zh: 规则, en: Rule}}
    category: uncovered
    severity: major
    status: active
    owner: 渣土科
    match:
{match}
{rest}
    episode: {{key: [truck_id]}}
    work_order: {{urgency: normal, departments: [综合执法]}}
    examples:
      - {{name: a, events: [{{t: 0s, on: position}}], expect: [{{at: 0s}}]}}
      - {{name: b, events: [{{t: 0s, on: position}}], expect: []}}
"""


def compiled(match: str, rest: str = "", rule_id: str = "rule") -> CompiledBook:
    """A book of one rule, from the text of its `match` and of whatever else it has."""
    indented = textwrap.indent(textwrap.dedent(match).strip(), " " * 6)
    others = textwrap.indent(textwrap.dedent(rest).strip(), " " * 4)
    text = BOOK.format(rule_id=rule_id, match=indented, rest=others)
    book, findings = load_books([("rules/test.yaml", text.encode())], today=None)
    assert book is not None, "\n".join(finding.render("en") for finding in findings)
    return compile_book(book, Registry(), load_law(("cn-2016-62",)), SHANGHAI, "test")


class Timeline:
    """One truck under one engine; `tell` takes lines, `until` lets time pass; `found` are the findings so far."""

    def __init__(self, book: CompiledBook, truck: Truck | None = None) -> None:
        self.engine = Engine(book, SHANGHAI)
        self.truck = truck or Truck(truck_id=PLATE)
        self.state = TruckState(PLATE)
        self.found: list[Detection] = []
        self._number = 0

    def tell(self, lines: Iterable[str]) -> None:
        """Takes the lines in order; what is derived goes with its base event."""
        pending: list[Any] = []
        for line in [*lines, ""]:
            if line.startswith("+"):
                pending.append(self._event(f"x {line[1:]}", pending[0][0]))
                continue
            if pending:
                self._apply(pending[0][0], [event for _, event in pending])
                pending = []
            if line:
                at_ms = ZERO_MS + ms(line.split()[0])
                if line.split()[1] == "truck":
                    self._change(line, at_ms)
                else:
                    pending = [self._event(line, at_ms)]

    def until(self, offset: str) -> None:
        """Lets everything fall that is due up to and including `offset`."""
        self.found += self.engine.on_deadline(self.state, self.truck, ZERO_MS + ms(offset))

    def _apply(self, at_ms: int, told: list[Any]) -> None:
        self.found += self.engine.on_deadline(self.state, self.truck, at_ms - 1)
        self.state.first_ms = min(self.state.first_ms, at_ms)
        self.state.applied_ms = at_ms
        if isinstance(told[0], events.Observation):
            self.found += self.engine.on_event(self.state, self.truck, told[0], at_ms, told[1:])
        else:
            self.found += self.engine.on_derived(self.state, self.truck, told[0], at_ms)

    def _event(self, line: str, at_ms: int) -> tuple[int, Any]:
        _, kind, *fields = line.split()
        self._number += 1
        values = (
            DEFAULTS.get(kind, {}) | dict(map(_field, fields)) | {"truck_id": PLATE, "event_id": f"e{self._number}"}
        )
        if issubclass(STRUCTS[kind], events.Observed):
            values["at"] = to_datetime(at_ms)
        else:
            values["at_ms"] = at_ms
        return at_ms, msgspec.convert(values, STRUCTS[kind], strict=False)

    def _change(self, line: str, at_ms: int) -> None:
        for name, value in map(_field, line.split()[2:]):
            if name.startswith("zones"):
                ids = () if value is None else (str(value),)
                kind = name.partition(".")[2]
                self.state.zones.known = True
                self.state.zones.view = ZoneView(ids=ids, **({kind: ids} if kind else {}))
            else:
                setattr(self.state, name, value)
                if hasattr(self.state, f"{name}_ms"):
                    setattr(self.state, f"{name}_ms", at_ms)


def play(match: str, *lines: str, rest: str = "", until: str = "1h", truck: Truck | None = None) -> list[str]:
    """The findings of one rule over one story, one short line each."""
    timeline = Timeline(compiled(match, rest), truck)
    timeline.tell(lines)
    timeline.until(until)
    assert not timeline.state.rules or timeline.state.rule_deadline_ms > NEVER_MS
    return [said(detection) for detection in timeline.found]


def said(found: Detection) -> str:
    """`2m10s fired since 10s: seen=e2`."""
    records = " ".join(f"{capture.alias}={capture.event.event_id}" for capture in found.captures)
    since = offset(found.started_ms - ZERO_MS)
    return f"{offset(found.detected_ms - ZERO_MS)} {found.phase} since {since}: {records}"


def ms(text: str) -> int:
    """`2m10s` in milliseconds."""
    found = seconds(text)
    assert found is not None, text
    return round(found * 1000)


def offset(at_ms: int) -> str:
    """Milliseconds as `2m10s`."""
    hours, rest = divmod(at_ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest / 1000:g}s" if rest else ""]
    return "".join(parts) or "0s"


def _field(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    words = {"none": None, "true": True, "false": False}
    if value in words:
        return name, words[value]
    try:
        return name, float(value)
    except ValueError:
        return name, value
