"""When readings of a scale are a weighing: one a crossing, the heaviest at which the scale stood still.

A truck drives on axle by axle and may stop half-way, so the first steady weight may be that of its front axles only.
Therefore a crossing, from the floor up to where the scale is free again, is one weighing: its heaviest plateau, told
when the truck leaves or when the plateau has lasted for `hold_s`. Pure: instants are arguments.
"""

from __future__ import annotations

from collections import deque
from statistics import median_low
from typing import Literal

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.weighbridge.readings import Reading
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

MAX_WINDOW = 1_000
"""Readings looked at together; no indicator sends more in the longest `stable_s`."""
KEPT_FRAMES = 20
"""Of a weighing, as what it rests on."""


class WeighingRule(BaseModel):
    """When a scale stands still, when a truck has come and gone. Kilograms and seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor_kg: float = Field(default=2_000, gt=0, le=200_000)
    """A crossing begins at this weight: what is lighter is no truck."""
    rearm_kg: float = Field(default=500, ge=0, le=200_000)
    """Below this the scale is free, and the crossing over."""
    tolerance_kg: float = Field(default=40, gt=0, le=5_000)
    """Readings that differ by no more, all of them together, stand still."""
    samples: int = Field(default=5, ge=2, le=200)
    stable_s: float = Field(default=1.5, ge=0, le=60)
    """So many readings, over so long a time, without one that moves."""
    hold_s: float = Field(default=60, gt=0, le=3_600)
    """A plateau that has lasted so long is told although the truck has not left."""
    heavier_kg: float = Field(default=500, gt=0, le=200_000)
    """A plateau that comes after that and is heavier by more than this is told as well."""
    change_kg: float = Field(default=5_000, gt=0, le=200_000)
    """A truck that follows without the scale being free: the weight falls to half and rises again by more than this."""
    lost_s: float = Field(default=10, ge=1, le=600)
    """Without any weight for so long, nobody knows who is on the scale now: the crossing is over."""

    @model_validator(mode="after")
    def _order(self) -> WeighingRule:
        if self.rearm_kg >= self.floor_kg:
            text = Text("rearm_kg 应小于 floor_kg", "rearm_kg must be below floor_kg")
            raise author_error("N060", text, inside=("rearm_kg",))
        return self


Reason = Literal["left", "held", "next", "lost"]


class Crossed(Struct, frozen=True, kw_only=True):
    """A weighing: what the scale showed at `at_ms`, of a crossing that began at `from_ms` and was told at `to_ms`."""

    kg: float
    at_ms: int
    from_ms: int
    to_ms: int
    reason: Reason
    frames: tuple[bytes, ...]


class Unsettled(Struct, frozen=True, kw_only=True):
    """A crossing in which the scale never stood still; `highest_kg` is the most that it showed.

    `trouble` is what the indicator said last instead of a weight.
    """

    highest_kg: float
    trouble: str | None
    from_ms: int
    to_ms: int
    frames: tuple[bytes, ...]


class _Plateau(Struct):
    kg: float
    at_ms: int
    since_ms: int
    frames: tuple[bytes, ...]
    told: bool = False


class _Window:
    """The last readings that could be a plateau together."""

    def __init__(self, rule: WeighingRule) -> None:
        self._rule, self._span_ms = rule, round(rule.stable_s * 1000)
        self._readings: deque[tuple[int, Reading]] = deque(maxlen=max(MAX_WINDOW, rule.samples))

    def clear(self) -> None:
        self._readings.clear()

    def add(self, at_ms: int, reading: Reading) -> None:
        """Keeps it with those before it that it agrees with; of them as many as are needed."""
        kept = self._readings
        kept.append((at_ms, reading))
        low = high = reading.kg
        steady = 0
        for _, one in reversed(kept):
            low, high = min(low, one.kg), max(high, one.kg)
            if high - low > self._rule.tolerance_kg:
                break
            steady += 1
        while len(kept) > steady:
            kept.popleft()
        while len(kept) > self._rule.samples and kept[1][0] <= at_ms - self._span_ms:
            kept.popleft()

    def plateau(self) -> _Plateau | None:
        """What they are when they are enough."""
        kept = self._readings
        if len(kept) < self._rule.samples or kept[-1][0] - kept[0][0] < self._span_ms:
            return None
        frames = tuple(one.raw for _, one in kept)[-KEPT_FRAMES:]
        # The lower one of two in the middle: always a figure that the indicator has shown.
        return _Plateau(median_low(one.kg for _, one in kept), kept[-1][0], kept[-1][0], frames)


class Crossing:
    """One scale. Readings go in by time; weighings come out, at the latest when `wake` is called at `due_ms`."""

    def __init__(self, rule: WeighingRule) -> None:
        self._rule = rule
        self._window = _Window(rule)
        self._heard_ms: int | None = None
        self._from_ms: int | None = None
        self._best: _Plateau | None = None
        self._highest_kg = self._valley_kg = 0.0
        self._trouble: str | None = None
        self._last: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    @property
    def due_ms(self) -> int | None:
        """When it wants to be woken if no reading comes; None while the scale is free."""
        if self._from_ms is None or self._heard_ms is None:
            return None
        return self._heard_ms + round(self._rule.lost_s * 1000)

    def wake(self, now_ms: int) -> list[Crossed | Unsettled]:
        """What is over because nothing has been heard for too long."""
        due_ms = self.due_ms
        if due_ms is None or now_ms <= due_ms:
            return []
        assert self._heard_ms is not None
        return self._end(self._heard_ms, "lost")

    def take(self, reading: Reading, at_ms: int) -> list[Crossed | Unsettled]:
        """What this reading decides. A clock that goes back a little stands still; one that was set begins anew."""
        told = self._set_back(at_ms)
        at_ms = at_ms if self._heard_ms is None else max(at_ms, self._heard_ms)
        told += self.wake(at_ms)
        if reading.trouble is not None:
            self._window.clear()  # it says nothing of the weight, so nothing begins or ends with it
            self._trouble = reading.trouble
            self._last.append(reading.raw)
            return told
        self._heard_ms = at_ms
        if self._from_ms is None:
            if reading.kg < self._rule.floor_kg:
                return told
            self._begin(at_ms)
        elif reading.kg < self._rule.rearm_kg:
            return told + self._end(at_ms, "left")
        self._last.append(reading.raw)
        self._highest_kg = max(self._highest_kg, reading.kg)
        told += self._next_truck(reading.kg, at_ms)
        return told + self._weigh(reading, at_ms)

    def _set_back(self, at_ms: int) -> list[Crossed | Unsettled]:
        if self._heard_ms is None or at_ms >= self._heard_ms - round(self._rule.lost_s * 1000):
            return []
        told = [] if self._from_ms is None else self._end(self._heard_ms, "lost")
        self._heard_ms = None
        return told

    def _begin(self, at_ms: int) -> None:
        self._from_ms, self._best = at_ms, None
        self._highest_kg, self._trouble = 0.0, None
        self._last.clear()
        self._window.clear()

    def _weigh(self, reading: Reading, at_ms: int) -> list[Crossed | Unsettled]:
        if reading.in_motion:
            self._window.clear()
            return []
        self._window.add(at_ms, reading)
        plateau = self._window.plateau()
        if plateau is None or plateau.kg < self._rule.floor_kg:
            return []
        best, rule = self._best, self._rule
        if best is None or plateau.kg > best.kg + (rule.heavier_kg if best.told else rule.tolerance_kg):
            self._best, self._valley_kg = plateau, plateau.kg
            return []
        lasts = abs(plateau.kg - best.kg) <= rule.tolerance_kg
        if lasts and not best.told and at_ms - best.since_ms >= rule.hold_s * 1000:
            return self._tell(best, at_ms, "held")
        return []

    def _next_truck(self, kg: float, at_ms: int) -> list[Crossed | Unsettled]:
        """Another truck is on the scale when it was half empty since the best plateau and fills up again."""
        best = self._best
        if best is None:
            return []
        self._valley_kg = min(self._valley_kg, kg)
        if self._valley_kg > best.kg / 2 or kg - self._valley_kg <= self._rule.change_kg:
            return []
        told = self._end(at_ms, "next")
        self._begin(at_ms)
        self._highest_kg = kg
        return told

    def _tell(self, best: _Plateau, to_ms: int, reason: Reason) -> list[Crossed | Unsettled]:
        assert self._from_ms is not None
        best.told = True
        return [
            Crossed(kg=best.kg, at_ms=best.at_ms, from_ms=self._from_ms, to_ms=to_ms, reason=reason, frames=best.frames)
        ]

    def _end(self, to_ms: int, reason: Reason) -> list[Crossed | Unsettled]:
        assert self._from_ms is not None
        told: list[Crossed | Unsettled] = []
        if self._best is None:
            told = [
                Unsettled(
                    highest_kg=self._highest_kg,
                    trouble=self._trouble,
                    from_ms=self._from_ms,
                    to_ms=to_ms,
                    frames=tuple(self._last),
                )
            ]
        elif not self._best.told:
            told = self._tell(self._best, to_ms, reason)
        self._from_ms = self._best = None
        self._window.clear()
        return told
