"""The whole fleet at work: arrivals in the order of the log, and the truth about them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from haulwatch.domain.instants import rfc3339
from haulwatch.synthetic.chapters import Chapter, Span
from haulwatch.synthetic.delivery import Arrival, Uplink
from haulwatch.synthetic.devices import Observation, Terminal
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.evidence import Witness
from haulwatch.synthetic.fleet import TruckSpec, build_fleet
from haulwatch.synthetic.noise import LEVELS, NoiseLevel, NoiseName
from haulwatch.synthetic.plan import CityPlan, city_plan
from haulwatch.synthetic.shifts import Shift, Slots, plan_conduct
from haulwatch.synthetic.truths import Innocent, Truth

PHASE_S = 3_600.0
"""Who is at work when a recording begins has been so for up to this long."""
AT_WORK_SHARE = 0.7


class Devices:
    """All that observes one truck, and the network behind it."""

    def __init__(self, truck: TruckSpec, plan: CityPlan, level: NoiseLevel, start_ms: int, seed: int) -> None:
        key = f"{seed}/{truck.index}"
        self._plate, self._start_ms = truck.truck_id, start_ms
        self._terminal = Terminal(truck, plan, level, Random(f"{key}/devices"))
        self._uplink = Uplink(truck.terminal_id, truck.index, level, start_ms, Random(f"{key}/uplink"))

    def observe(self, chapter: Chapter, plates: Sequence[str]) -> list[Observation]:
        """What is reported of a chapter from second 0 on; a camera may take the truck for another one of `plates`."""
        seen = self._terminal.observe(chapter, [plate for plate in plates if plate != self._plate])
        return list(_from_now_on(seen)) if chapter.t0 < 0.0 else seen

    def send(self, observations: Sequence[Observation], until: float) -> Iterator[Arrival]:
        """Sends; what has arrived by `until` (seconds) comes back, in order."""
        self._uplink.send(observations)
        yield from self._uplink.arrived(self._start_ms + round(until * 1000))

    def rest(self) -> Iterator[Arrival]:
        """What is still on its way."""
        yield from self._uplink.arrived(None)


def _from_now_on(observations: Sequence[Observation]) -> Iterator[Observation]:
    """The manifest of a trip that began before is sent again when the recording begins."""
    for seen in observations:
        if seen.t >= 0.0:
            yield seen
        elif seen.fields["kind"] == "manifest":
            yield replace(seen, t=0.0)


@dataclass
class World:
    """A recording of `hours` of the city from `start_ms` on; everything follows from these numbers."""

    seed: int
    trucks: int
    hours: float
    start_ms: int
    noise: NoiseName = "low"
    truths: list[Truth] = field(default_factory=list)
    innocents: list[Innocent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan: CityPlan = city_plan()
        self.fleet: list[TruckSpec] = build_fleet(self.trucks, self.seed, self.plan.yards)

    @property
    def horizon_s(self) -> float:
        """Seconds recorded."""
        return self.hours * 3600

    def arrivals(self) -> Iterator[Arrival]:
        """All records in order of arrival. Afterwards `truths` and `innocents` are complete, in order of time."""
        level = LEVELS[self.noise]
        slots = plan_conduct(self.fleet, self.hours, self.seed, noisy=self.noise != "none")
        plates = [truck.truck_id for truck in self.fleet]
        streams = [self._truck(truck, level, slots[truck.index], plates) for truck in self.fleet]
        yield from heapq.merge(*streams)
        self.truths.sort(key=lambda truth: (truth.from_at, truth.truth_id))
        self.innocents.sort(key=lambda innocent: (innocent.from_at, innocent.truck_id, innocent.kind))

    def _truck(self, truck: TruckSpec, level: NoiseLevel, slots: Slots, plates: list[str]) -> Iterator[Arrival]:
        """One truck's records, chapter by chapter; most are at work when the recording begins."""
        devices = Devices(truck, self.plan, level, self.start_ms, self.seed)
        draw = Random(f"{self.seed}/{truck.index}/shift")
        at_work = draw.random() < AT_WORK_SHARE
        driver = Driver(truck, self.plan, draw, -draw.uniform(0.0, PHASE_S) if at_work else 0.0)
        if not at_work:
            driver.rest(draw.uniform(60.0, max(self.horizon_s * 0.15, 90.0)))
        for chapter in Shift(driver, self.start_ms, slots).chapters(self.horizon_s):
            observations = [seen for seen in devices.observe(chapter, plates) if seen.t <= self.horizon_s]
            self._note(truck, chapter, Witness(self.plan, truck, chapter, observations, self.horizon_s))
            yield from devices.send(observations, chapter.t1)
        yield from devices.rest()

    def _note(self, truck: TruckSpec, chapter: Chapter, witness: Witness) -> None:
        for number, conduct in enumerate(chapter.conducts):
            if not self._recorded(conduct.span):
                continue
            observable, by = witness.judge(conduct)
            begin, end = self._instants(conduct.span)
            self.truths.append(
                Truth(
                    truth_id=f"T-{truck.index:04d}-{max(round(conduct.span.t0), 0):06d}-{number}",
                    truck_id=truck.truck_id,
                    category=conduct.category,
                    from_at=begin,
                    to_at=end,
                    observable=observable,
                    note=f"{conduct.kind}: {conduct.note}; {by}",
                )
            )
        for look in chapter.look_alikes:
            if self._recorded(look.span):
                self.innocents.append(Innocent(truck.truck_id, look.kind, *self._instants(look.span), look.note))

    def _recorded(self, span: Span) -> bool:
        return span.t1 > 0.0 and span.t0 <= self.horizon_s

    def _instants(self, span: Span) -> tuple[str, str]:
        return rfc3339(self.start_ms + round(max(span.t0, 0.0) * 1000)), rfc3339(self.start_ms + round(span.t1 * 1000))
