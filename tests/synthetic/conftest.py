"""One small recording for the tests that only look at one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from haulwatch.synthetic.delivery import Arrival
from haulwatch.synthetic.world import World

START_MS = 1_778_457_600_000
"""2026-05-11T00:00:00Z, a Monday, 08:00 in Hekou."""


@dataclass
class Recording:
    world: World
    arrivals: list[Arrival]


def _record(seed: int = 1, trucks: int = 24, hours: float = 5.0, noise: str = "low") -> Recording:
    world = World(seed, trucks, hours, START_MS, noise)
    return Recording(world, list(world.arrivals()))


@pytest.fixture(scope="session")
def record() -> Callable[..., Recording]:
    return _record


@pytest.fixture(scope="session")
def noisy() -> Recording:
    return _record(noise="high")


@pytest.fixture(scope="session")
def clean() -> Recording:
    return _record(noise="none")


@pytest.fixture(scope="session")
def day() -> Recording:
    """A long day of a larger fleet: something of everything."""
    return _record(seed=9, trucks=60, hours=9.0)
