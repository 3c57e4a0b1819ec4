"""Traffic for whole systems, how it is sent, and what is compared afterwards."""

from __future__ import annotations

import itertools
import random
import time
import urllib.error
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from haulwatch.bootstrap import load_city, open_order_store
from haulwatch.cli.main import main
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Event, Position
from haulwatch.wire import decode_lines, encode_event, partition
from streams.replay import Replay
from streams.runtime import CityRuntime
from tests.e2e.api import Api

BATCH_LINES = 400


def synthesise(folder: Path, *, trucks: int, hours: float, seed: int, noise: str, start: str | None = None) -> Path:
    """A synthetic city in `folder/city` and its traffic in `folder/events.ndjson`; returns the folder."""
    code = main(
        [
            "synth",
            *("--city-out", str(folder / "city"), "--events-out", str(folder / "events.ndjson")),
            *("--truth-out", str(folder / "truth.ndjson")),
            *("--trucks", str(trucks), "--hours", str(hours), "--seed", str(seed), "--noise", noise),
            *(("--start", start) if start else ()),
        ]
    )
    assert code == 0
    return folder


def events_of(lines: list[bytes]) -> list[Event]:
    """The good ones."""
    return decode_lines(b"\n".join(lines))[0]


def closing(lines: list[bytes], partitions: int) -> list[bytes]:
    """An hour after the last event, one of a stranger in every partition: so all that is waiting falls due."""
    at = max(event.received_at or event.at for event in events_of(lines)) + timedelta(hours=1)
    plates: dict[int, str] = {}
    for number in itertools.count():
        if len(plates) == partitions:
            break
        plates.setdefault(partition(f"闭{number:04d}", partitions), f"闭{number:04d}")
    return [
        encode_event(
            Position(
                event_id=f"closing-{plate}", truck_id=plate, at=at, received_at=at, lon=119.0, lat=29.0, valid=True
            )
        )
        for plate in plates.values()
    ]


def shaken(lines: list[bytes], rng: random.Random, window: int = 25) -> list[bytes]:
    """The same with neighbours in another order, every tenth one twice at once, and some again much later."""
    order = sorted(range(len(lines)), key=lambda place: place + rng.uniform(0, window))
    return list(_repeated([lines[place] for place in order], rng))


def _repeated(lines: list[bytes], rng: random.Random) -> Iterator[bytes]:
    for place, line in enumerate(lines):
        yield line
        if rng.random() < 0.1:
            yield line
        if rng.random() < 0.05:
            yield lines[rng.randrange(place + 1)]


def orders_offline(city: Path, lines: list[bytes], partitions: int = 1) -> list[dict[str, Any]]:
    """The orders that a replay of the same events leads to."""
    loaded, _files = load_city(city)
    replay = Replay(CityRuntime(loaded), partitions=partitions)
    return orders_from(list(replay.run({"events": iter(events_of(lines))})))


def orders_from(breaches: list[Breach]) -> list[dict[str, Any]]:
    """The orders that these findings lead to."""
    store = open_order_store("sqlite://")
    try:
        for start in range(0, len(breaches), 500):
            store.intake(breaches[start : start + 500])
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = store.list(cursor=cursor, limit=500)
            found += [msgspec.to_builtins(order) for order in page.orders]
            if (cursor := page.next_cursor) is None:
                return found
    finally:
        store.close()


def batches(lines: list[bytes]) -> list[bytes]:
    """Bodies to be posted, in order."""
    return [b"\n".join(lines[n : n + BATCH_LINES]) for n in range(0, len(lines), BATCH_LINES)]


def essence(orders: Iterable[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """What an order is, whenever and under whichever number it was filed."""
    return {(o["breach_id"], o["category"], o["truck_id"], o["detected_at"], o["late"]) for o in orders}


def post_until_answered(
    system: Api, body: bytes, ended: Callable[[], bool] = lambda: False
) -> tuple[int, dict[str, Any]] | None:
    """Posts a body, again and again while nobody takes it; None when `ended` before. The test's own limit bounds it."""
    while not ended():
        try:
            status, answer = system.post(body)
        except (OSError, urllib.error.URLError, ValueError):
            time.sleep(0.05)  # it has just been killed, perhaps in the middle of its answer
            continue
        if status in (202, 400):
            assert isinstance(answer, dict)
            return status, answer
        assert status in (429, 503), answer
        time.sleep(0.05)  # it is there, and waits for something that is not
    return None


def post_all(system: Api, bodies: list[bytes]) -> list[dict[str, Any]]:
    """Posts everything in order, each body until it is answered; the answers."""
    answers = (post_until_answered(system, body) for body in bodies)
    return [answer[1] for answer in answers if answer is not None]
