"""Could any device have seen it? Decides whether a truth is observable, from what was reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haulwatch.synthetic.chapters import Chapter, Conduct
from haulwatch.synthetic.devices import SURE, Observation
from haulwatch.synthetic.fleet import TruckSpec
from haulwatch.synthetic.plan import CityPlan, Scale

Verdict = tuple[bool, str]
"""Whether something could have seen it, and by what (or why not)."""
CLEAR_ROAD_S = 300.0
BEGIN_S, BLIND_BEGIN_S = 20.0, 700.0
"""Nothing is known of a truck before its first reports; without a load sensor, before a whole stay at its site."""
MANIFEST_GRACE_S = 480.0
CLEAR_SILENCE_S = 2_400.0


class Witness:
    """What was reported of one truck in one chapter."""

    def __init__(
        self, plan: CityPlan, truck: TruckSpec, chapter: Chapter, observations: Sequence[Observation], horizon: float
    ) -> None:
        self._truck, self._chapter, self._horizon = truck, chapter, horizon
        self._scales = {scale.station_id: scale for scale in plan.scales}
        self._gates = {camera.camera_id for camera in plan.cameras if camera.at_gate}
        self._own = [seen for seen in observations if seen.about == truck.truck_id]

    def judge(self, conduct: Conduct) -> Verdict:
        """Whether a device could have seen it."""
        if conduct.kind.endswith("_unclear"):
            return False, "too close to the threshold to demand it"
        since = conduct.span.t0 if conduct.rests_on is None else conduct.rests_on
        if since < (BLIND_BEGIN_S if self._truck.device_class == "basic" else BEGIN_S):
            return False, "began before the recording"
        if conduct.span.t1 > self._horizon:
            return False, "the recording ends before it shows"
        return _JUDGES[conduct.category](self, conduct)

    def _during(self, conduct: Conduct, kind: str) -> list[Observation]:
        span = conduct.span
        return [seen for seen in self._own if seen.fields["kind"] == kind and span.t0 <= seen.t <= span.t1]

    def uncovered(self, conduct: Conduct) -> Verdict:
        """A cover sensor, or a camera that was sure of what it saw; at a gate an open cover proves nothing."""
        if self._truck.device_class == "full":
            if conduct.span.t1 - conduct.span.t0 < CLEAR_ROAD_S:
                return False, "too short for the cover sensor"
            return True, "cover sensor"
        for seen in self._during(conduct, "sighting"):
            if seen.fields["camera_id"] in self._gates:
                continue
            if seen.fields["cover"] == "open" and seen.fields["cover_confidence"] >= SURE[0]:
                return True, f"camera {seen.fields['camera_id']}"
        return False, "no cover sensor, and no camera on the road saw it clearly"

    def overweight(self, conduct: Conduct) -> Verdict:
        """A station on the way, or the load sensor."""
        for seen in self._during(conduct, "weighing"):
            scale: Scale = self._scales[seen.fields["station_id"]]
            if seen.fields["gross_kg"] * (1 - scale.tolerance_pct / 100) > self._truck.limit_kg + 1_000:
                return True, f"station {scale.station_id}"
        if self._sends_mass():
            return True, "load sensor"
        return False, "no scale on the way and no load in kg from the terminal"

    def dumping(self, conduct: Conduct) -> Verdict:
        """Lift or load sensor; without them the place, and that the load never arrived."""
        if self._truck.device_class == "basic" and conduct.kind == "dump_leak":
            return False, "no load sensor"
        if conduct.kind == "dump_leak" and not self._sends_mass():
            return True, "load sensor (levels)"
        return True, "terminal"

    def by_position(self, conduct: Conduct) -> Verdict:
        """Positions alone tell."""
        return (True, "positions") if self._during(conduct, "position") else (False, "no positions")

    def manifest(self, conduct: Conduct) -> Verdict:
        """That it is loaded must be known in time; without a sensor and a manifest others have to see it."""
        if self._truck.device_class != "basic" or conduct.kind == "manifest_reused":
            return True, "terminal"
        early = conduct.span.t1 - MANIFEST_GRACE_S
        if any(seen.t <= early for seen in self._during(conduct, "weighing")):
            return True, "scale"
        sightings = [seen for seen in self._during(conduct, "sighting") if seen.t <= early]
        sure = sum(seen.fields["load"] == "full" and seen.fields["load_confidence"] >= SURE[0] for seen in sightings)
        if sure >= 2 and sure == len(sightings):
            return True, "cameras"
        return False, "nothing shows in time that it is loaded"

    def tamper(self, conduct: Conduct) -> Verdict:
        """Silence that is long enough, a jump, a clone."""
        if conduct.kind == "tamper_silent" and conduct.span.t1 - conduct.span.t0 < CLEAR_SILENCE_S:
            return False, "silent too briefly"
        return True, "terminal and cameras"

    def _sends_mass(self) -> bool:
        return self._truck.device_class == "weight" or (
            self._truck.device_class == "full" and self._truck.index % 2 == 1
        )


_JUDGES: dict[str, Callable[[Witness, Conduct], Verdict]] = {
    "uncovered": Witness.uncovered,
    "overweight": Witness.overweight,
    "dumping": Witness.dumping,
    "route": Witness.by_position,
    "time": Witness.by_position,
    "permit": Witness.by_position,
    "manifest": Witness.manifest,
    "tamper": Witness.tamper,
}
