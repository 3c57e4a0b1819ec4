"""A small fleet's recorded speeds, a rule with a threshold, and orders on which people have said their word."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from haulwatch.bootstrap.recordings import RecordedFiles
from haulwatch.city import build_city
from haulwatch.cli.main import main
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.events import Event
from haulwatch.domain.orders import Actor, Order
from haulwatch.testing import city_files_of, decide, position
from haulwatch.wire import encode_event
from tests.streams.test_processor import rule

SQUAD = Actor("squad", frozenset({"squad"}), squad_id="Q-1")
DESK = Actor("desk", frozenset({"duty_officer"}))
CLOSING = (
    ("file", DESK, {}),
    ("dispatch", DESK, {"squad_id": "Q-1"}),
    ("accept", SQUAD, {}),
    ("arrive", SQUAD, {}),
    ("handle", SQUAD, {"outcome": "到场"}),
    ("verify", DESK, {}),
)


def speeding(limit: float, more: str = "", rule_id: str = "speeding") -> str:
    """A book with a rule on speed, its threshold a param."""
    params = f"    params: {{limit: {{value: {limit}, min: 60, max: 120, label: {{zh: 限速, en: speed limit}}}}}}\n"
    episode = "    episode: {key: [truck_id], cooldown: 1m}\n"
    return "rules:\n" + rule(rule_id, "on: position\n      where: speed_kmh > $limit", "speed", params + episode) + more


SPEEDS = {"浙E00001": 81, "浙E00002": 84, "浙E00003": 96, "浙E00004": 99, "浙E00005": 70, "浙E00006": 88}
EVENTS: list[Event] = [
    position(10 * n + t, truck_id=plate, speed_kmh=speed, received_s=10 * n + t + 1)
    for t in (0, 300)
    for n, (plate, speed) in enumerate(SPEEDS.items())
]


def write_city(folder: Path, book: str) -> Path:
    """The folder of a city with these rules."""
    for name, data in city_files_of(book).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_events(path: Path, events: Iterable[Event]) -> Path:
    """A file of events."""
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event in events))
    return path


def closed(store: OrderStore, order: Order, verdict: Mapping[str, str]) -> None:
    """Leads an order to its end."""
    for command, actor, data in (*CLOSING, ("close", DESK, dict(verdict))):
        order = store.command(order.order_id, command, expected_version=order.version, actor=actor, data=data)


class Trying:
    """A city, its recorded day and its orders: the two fastest confirmed, the slowest two false, one still open."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.city = write_city(folder / "city", speeding(80))
        self.events = write_events(folder / "events.ndjson", EVENTS)
        self.recording = RecordedFiles([str(self.events)])
        self.database = sqlite_url(folder)
        self._orders()

    def _orders(self) -> None:
        store = open_store(self.database)
        store.intake(decide(build_city(city_files_of(speeding(80))), EVENTS))
        for order in store.list(limit=100).orders:
            if SPEEDS[order.truck_id] > 95:
                closed(store, order, {"verdict": "confirmed"})
            elif SPEEDS[order.truck_id] < 85:
                closed(store, order, {"verdict": "false_alarm", "reason_code": "device_fault"})
        store.close()

    def run(self, action: str, *arguments: str, code: int = 0) -> str:
        """What `haulwatch rules …` prints."""
        assert main(["rules", action, *arguments]) == code
        out = self.capsys.readouterr()
        return out.err if code > 1 else out.out

    def json(self, action: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The same with `--json`."""
        found: dict[str, Any] = json.loads(self.run(action, *arguments, "--json", code=code))
        return found

    @property
    def data(self) -> list[str]:
        """Options that name all of it."""
        return ["--events", str(self.events), "--city", str(self.city), "--database", self.database]
