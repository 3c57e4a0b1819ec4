"""From observations to the log: ids, instants, delays, repetitions, faults, and the order of arrival."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from haulwatch.domain.instants import rfc3339
from haulwatch.synthetic.devices import Observation
from haulwatch.synthetic.noise import NoiseLevel

_encode = msgspec.json.Encoder().encode
CLOCK_FAULTS_S = (28_800, 28_800, 95, 240, 900)
"""Eight hours is UTC+8 sent as UTC."""
ID_EPOCH_MS = 1_600_000_000_000
"""Subtracted from instants in event ids, to keep them short."""


class Arrival(NamedTuple):
    """A record as it reaches the gateway: when (ms), a tie breaker, and its bytes."""

    received_ms: int
    rank: int
    line: bytes


class Uplink:
    """The network between one truck's observers and the gateway."""

    def __init__(self, key: str, rank: int, level: NoiseLevel, start_ms: int, draw: Random) -> None:
        self._key, self._rank, self._level, self._start_ms, self._draw = key, rank, level, start_ms, draw
        self._waiting: list[tuple[int, int, bytes]] = []
        self._serial = 0
        self._faulty_left = 0
        self._fault_s = 0
        self._pushed = 0

    def send(self, observations: Sequence[Observation]) -> None:
        """Takes what devices reported; some of it is lost, some repeated, some spoiled."""
        draw, level = self._draw, self._level
        for observation in observations:
            position = observation.fields["kind"] == "position"
            if position and observation.late_until is None and draw.random() < level.dropout_share:
                continue
            received_ms = self._received_ms(observation)
            fields = self._stamped(observation)
            self._push(fields, received_ms)
            if draw.random() < level.duplicate_share:
                delay_s = draw.uniform(0.2, 2.0) if draw.random() < 0.6 else draw.uniform(30.0, 400.0)
                self._push(fields, received_ms + round(delay_s * 1000))
            if position and draw.random() < level.bad_record_share:
                self._push(self._spoiled(fields), received_ms)

    def arrived(self, until_ms: int | None) -> Iterator[Arrival]:
        """What has arrived before `until_ms` (None: everything), in order."""
        while self._waiting and (until_ms is None or self._waiting[0][0] < until_ms):
            received_ms, _, line = heapq.heappop(self._waiting)
            yield Arrival(received_ms, self._rank, line)

    def _received_ms(self, observation: Observation) -> int:
        draw, level = self._draw, self._level
        at_ms = self._start_ms + round(observation.t * 1000)
        if observation.late_until is not None:
            sent_ms = self._start_ms + round(observation.late_until * 1000) + 4_000 + self._serial % 40 * 25
            return max(sent_ms, at_ms + 200)
        delay_s = draw.uniform(*level.latency_s)
        if draw.random() < level.beyond_share and observation.fields["kind"] != "manifest":
            delay_s += draw.uniform(3.5, 30.0)
        return at_ms + round(delay_s * 1000)

    def _stamped(self, observation: Observation) -> dict[str, Any]:
        """The event as it is sent; `received_at` is filled in on arrival."""
        at_ms = self._start_ms + round(observation.t * 1000)
        self._serial += 1
        fields: dict[str, Any] = {
            "kind": observation.fields["kind"],
            "event_id": f"{self._key}-{at_ms - ID_EPOCH_MS:x}-{self._serial:x}",
            "truck_id": observation.about,
            "at": rfc3339(at_ms + self._clock_fault_ms(observation)),
            "received_at": "",
            "source": observation.source,
        }
        if observation.late_until is not None:
            fields["resent"] = True
        for name, value in observation.fields.items():
            if value is not None:
                fields[name] = value
        return fields

    def _clock_fault_ms(self, observation: Observation) -> int:
        """A terminal's clock runs ahead for a few reports, then is set right."""
        if observation.fields["kind"] != "position" or observation.late_until is not None:
            return 0
        if self._faulty_left == 0 and self._draw.random() < self._level.clock_fault_share:
            self._faulty_left = self._draw.randrange(2, 6)
            self._fault_s = self._draw.choice(CLOCK_FAULTS_S)
        if self._faulty_left == 0:
            return 0
        self._faulty_left -= 1
        return self._fault_s * 1000

    def _push(self, fields: dict[str, Any] | bytes, received_ms: int) -> None:
        if not isinstance(fields, bytes):
            fields["received_at"] = rfc3339(received_ms)
            fields = _encode(fields)
        self._pushed += 1
        heapq.heappush(self._waiting, (received_ms, self._pushed, fields))

    def _spoiled(self, fields: dict[str, Any]) -> dict[str, Any] | bytes:
        """One more record that nobody can use."""
        bad = fields | {"event_id": f"{fields['event_id']}-x"}
        match self._draw.randrange(6):
            case 0:
                return bad | {"lon": 0.0, "lat": 0.0, "valid": False}
            case 1:
                return bad | {"lon": fields["lat"], "lat": fields["lon"]}
            case 2:
                return bad | {"speed_kmh": 255.0}
            case 3:
                return {name: value for name, value in bad.items() if name != "lat"}
            case 4:
                return bad | {"load": "heavy"}
            case _:
                return _encode(bad)[:-25]
