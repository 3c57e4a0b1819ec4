"""Truck by truck, whatever the stretches and the shares: byte for byte what the processor of a whole log concludes."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from connectors.shares import Share
from haulwatch.city import City
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Event
from haulwatch.testing import finish, tick
from haulwatch.wire import Rejected
from streams.runtime import CityRuntime
from streams.truckwise import Stretches, TruckwiseProcessor
from tests.properties.test_processor_properties import END_S, run, told, traffic
from tests.properties.traffic import city


@pytest.fixture(scope="module")
def town() -> City:
    return city()


def truckwise(town: City, log: Iterable[Event | Rejected], size: int) -> list[Breach]:
    processor, stretches = TruckwiseProcessor(CityRuntime(town)), Stretches(size)
    good = (event for event in log if not isinstance(event, Rejected))
    found = [
        breach
        for by_truck in stretches.of(good)
        for truck_id, arrived in by_truck.items()
        for breach in processor.take(truck_id, arrived)
    ]
    processor.clock_ms = stretches.clock_ms
    return found + finish(processor, END_S)


def disordered(seed: int) -> list[Event]:
    """A log whose writers waited for one another: its times of receipt go back now and then."""
    rng = Random(seed)
    log: list[Event] = [*traffic(seed), *(tick(round(rng.uniform(0, 8_000), 3)) for _ in range(50))]
    log.sort(key=lambda event: event.received_at or event.at)
    for _ in range(40):
        start = rng.randrange(len(log))
        log[start : start + 30] = rng.sample(log[start : start + 30], len(log[start : start + 30]))
    return log


@pytest.mark.parametrize("seed", range(12))
def test_truck_by_truck_the_same_is_concluded(town: City, seed: int) -> None:
    log = disordered(seed)
    whole = run(town, log)
    assert told(truckwise(town, log, Random(seed).choice((1, 7, 300, 100_000)))) == whole
    shares = [truckwise(town, Share(number, 3).of_log(log), 200) for number in range(3)]
    assert told(breach for share in shares for breach in share) == whole
