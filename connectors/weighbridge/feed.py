"""The weighbridge connector at work: a thread a scale, and `POST /ingest/wim/{source}`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from fastapi import APIRouter

from connectors.gate import Gate, Tally
from connectors.weighbridge.scale import Scale
from connectors.weighbridge.settings import WeighbridgeSettings
from connectors.weighbridge.wim import WimIntake
from haulwatch.metrics import Sample


class WeighbridgeFeed:
    """A `Feed`. The devices of its figures are the indicators and the platforms, by their names."""

    def __init__(self, settings: WeighbridgeSettings, gate: Gate) -> None:
        """Raises WorldError where a secret is not at its place."""
        self._tally = Tally("weighbridge", [*settings.indicators, *settings.wim], gate.now_ms)
        self._scales = [Scale(name, one, gate, self._tally) for name, one in settings.indicators.items()]
        self.routers: Sequence[APIRouter] = ()
        if settings.wim:
            self.routers = (WimIntake(settings, gate, self._tally).router,)

    def start(self) -> None:
        """See `Feed`."""
        with contextlib.ExitStack() as started:
            for scale in self._scales:
                started.callback(scale.stop)
                scale.start()
            started.pop_all()

    def stop(self) -> None:
        """See `Feed`."""
        for scale in self._scales:
            scale.stop()

    def check(self) -> None:
        """See `Feed`."""
        for scale in self._scales:
            scale.check()

    def samples(self) -> Sequence[Sample]:
        """See `Feed`."""
        return [*self._tally.samples(), *(sample for scale in self._scales for sample in scale.samples())]
