"""What devices and networks do to the truth: drift, loss, repetition, disorder, bad clocks, bad eyes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

NoiseName = Literal["none", "low", "high"]


@dataclass(frozen=True)
class NoiseLevel:
    """How bad it is. `*_share` are probabilities per record; `drift_m` is the spread of the GPS random walk."""

    name: NoiseName
    drift_m: float = 0.0
    multipath_share: float = 0.0
    invalid_share: float = 0.0
    dropout_share: float = 0.0
    duplicate_share: float = 0.0
    latency_s: tuple[float, float] = (0.2, 0.2)
    beyond_share: float = 0.0
    camera_error: float = 0.0
    misread_share: float = 0.0
    clock_fault_share: float = 0.0
    bad_record_share: float = 0.0
    speed_noise_kmh: float = 0.0
    load_noise_kg: float = 0.0
    wim_error: float = 0.0
    static_error: float = 0.0


LEVELS: dict[NoiseName, NoiseLevel] = {
    "none": NoiseLevel("none"),
    "low": NoiseLevel(
        "low",
        drift_m=4.0,
        multipath_share=0.001,
        invalid_share=0.002,
        dropout_share=0.01,
        duplicate_share=0.005,
        latency_s=(0.1, 1.8),
        camera_error=0.15,
        misread_share=0.01,
        clock_fault_share=0.00002,
        bad_record_share=0.0002,
        speed_noise_kmh=0.6,
        load_noise_kg=120.0,
        wim_error=0.012,
        static_error=0.002,
    ),
    "high": NoiseLevel(
        "high",
        drift_m=8.0,
        multipath_share=0.004,
        invalid_share=0.008,
        dropout_share=0.03,
        duplicate_share=0.02,
        latency_s=(0.1, 2.9),
        beyond_share=0.003,
        camera_error=0.15,
        misread_share=0.03,
        clock_fault_share=0.0001,
        bad_record_share=0.001,
        speed_noise_kmh=1.2,
        load_noise_kg=250.0,
        wim_error=0.015,
        static_error=0.003,
    ),
}


def bell(draw: Random) -> float:
    """About normal, mean 0, spread 1, within ±3.5; sums of uniforms are exact on every machine."""
    total = draw.random() + draw.random() + draw.random() + draw.random()
    return (total - 2.0) * 1.7320508


class Drift:
    """The random walk of a terminal's fixes around the truth, in metres east and north."""

    def __init__(self, draw: Random, spread_m: float) -> None:
        self._draw = draw
        self.spread_m = spread_m
        self.east = self.north = 0.0

    def step(self, extra_m: float = 0.0) -> tuple[float, float]:
        """The next error; `extra_m` widens the walk (bad sky)."""
        spread = self.spread_m + extra_m
        self.east = self.east * 0.92 + bell(self._draw) * spread * 0.39
        self.north = self.north * 0.92 + bell(self._draw) * spread * 0.39
        return self.east, self.north
