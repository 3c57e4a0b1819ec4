"""Traffic for whole systems, how it is sent, and what is compared afterwards."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from haulwatch.cli.main import main
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
