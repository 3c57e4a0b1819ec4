"""Service limits: how long each step of an order may take."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from haulwatch.domain.orders import ClockStep, Urgency


class Limit(Struct, frozen=True):
    """How long a step may take: `minutes` of working hours where `working`, else of wall time."""

    minutes: int
    working: bool = False


Limits = Mapping[ClockStep, Mapping[Urgency, Limit]]
"""Limits by step and urgency of the order."""
