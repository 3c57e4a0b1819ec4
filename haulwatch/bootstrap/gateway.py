"""A cluster's gateway: HTTP and terminals in, observations log out."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass

from connectors.jt808.profiles import load_profiles
from connectors.jt808.server import Jt808Server
from connectors.kafka import KafkaIntake, PackingProducer
from connectors.kafka_cities import CityShelf
from connectors.kafka_watch import TopicWatch
from haulwatch.bootstrap.jt808 import FleetInForce, Jt808Options, gateway_terminals
from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.operations import Check
from haulwatch.console.serving import GRACE_S, ConsoleServer, http_server
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Source
from haulwatch.settings import ClusterSettings

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
FINISH_S = GRACE_S - 1.0
"""How long what was taken may still wait for the broker at the end: its senders are answered before the server goes."""


@dataclass
class Gateway:
    """The parts of a running gateway."""

    producer: PackingProducer
    server: ConsoleServer
    parts: contextlib.ExitStack

    def serve(self) -> None:
        """Serves until it is told to stop. Raises WorldError when the address is taken or sending has failed."""
        self.server.serve_until_told()
        failure = self.producer.failure
        if failure is not None:
            raise WorldError(Text(f"系统已停止：{failure}", f"the system has stopped: {failure}")) from failure

    def stop(self) -> None:
        """Ends everything, within seconds even while the broker is away."""
        self.parts.close()


def gateway(
    settings: ClusterSettings,
    host: str,
    port: int,
    allowed_hosts: Collection[str] = (),
    jt808: Jt808Options | None = None,
) -> Gateway:
    """Puts a gateway together; with `jt808` it hears terminals already.

    Raises WorldError where Kafka or its topics are not there, or the terminals' address is taken.
    """
    with contextlib.ExitStack() as parts:
        watch = TopicWatch(settings)
        watch.start()
        parts.callback(watch.stop)
        shelf = CityShelf(settings)
        shelf.start()
        parts.callback(shelf.stop)
        producer = PackingProducer(settings, watch.partitions)
        parts.callback(producer.close, FINISH_S)
        intake = KafkaIntake(producer)
        checks: dict[str, Check] = {
            "kafka": producer.check,
            "topics": watch.check,
            "city": lambda: city_deployed(shelf),
        }
        sources: list[Source] = [producer.samples, intake.samples]
        terminals: Jt808Server | None = None
        if jt808 is not None:
            fleet = FleetInForce(shelf.active, load_profiles(jt808.profiles))
            terminals = _hearing(jt808, fleet, shelf, intake)
            parts.callback(terminals.stop)
            checks |= {"terminals": terminals.check, "trucks": fleet.check}
            sources.append(terminals.samples)
        app = create_gateway(
            intake,
            allowed_hosts={*LOCAL_HOSTS, host, *allowed_hosts},
            checks=checks,
            sources=sources,
            drivers=terminals,
        )
        server = http_server(app, host, port, lambda: producer.finish(FINISH_S))
        producer.on_failure = lambda _error: setattr(server, "should_exit", True)
        return Gateway(producer, server, parts.pop_all())


def _hearing(options: Jt808Options, fleet: FleetInForce, shelf: CityShelf, intake: KafkaIntake) -> Jt808Server:
    """The server for terminals, listening, with the trucks of each city that comes into force."""
    terminals = gateway_terminals(options, fleet, intake.submit_events)
    shelf.on_change = fleet.refresh
    fleet.refresh()
    terminals.start()
    return terminals


def city_deployed(shelf: CityShelf) -> None:
    """Raises WorldError before the first city is in force: until then the workers pass over what they are sent."""
    if shelf.active() is None:
        raise WorldError(
            Text(
                "还没有部署城市：先运行 haulwatch city deploy",
                "no city is deployed: run haulwatch city deploy first",
            )
        )
