"""The MQTT connector at work: one session a broker."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from connectors.gate import Gate, Tally
from connectors.mqtt.messages import Reader
from connectors.mqtt.session import BrokerSession
from connectors.mqtt.settings import MqttSettings
from connectors.truck_finder import TruckFinder
from haulwatch.domain.errors import Elsewhere
from haulwatch.metrics import Sample


class Mqtt:
    """A `Feed`. The devices of its figures are the brokers, by their names."""

    routers: Sequence[APIRouter] = ()

    def __init__(self, settings: MqttSettings, gate: Gate) -> None:
        """Raises WorldError where a secret or a certificate is not at its place."""
        self._tally = Tally("mqtt", [broker.name for broker in settings.brokers], gate.now_ms)
        finder = TruckFinder(gate.registry)
        self._sessions = [
            BrokerSession(broker, Reader(broker.subscriptions, finder), gate, self._tally)
            for broker in settings.brokers
        ]

    def start(self) -> None:
        """See `Feed`."""
        for session in self._sessions:
            session.start()

    def stop(self) -> None:
        """See `Feed`."""
        for session in self._sessions:
            session.stop()

    def check(self) -> None:
        """See `Feed`. What is wrong here comes before a broker that is away."""
        away: Elsewhere | None = None
        for session in self._sessions:
            try:
                session.check()
            except Elsewhere as error:
                away = away or error
        if away is not None:
            raise away

    def samples(self) -> Sequence[Sample]:
        """See `Feed`."""
        return [*self._tally.samples(), *(sample for session in self._sessions for sample in session.samples())]
