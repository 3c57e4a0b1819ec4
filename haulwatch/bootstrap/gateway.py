"""A cluster's gateway: HTTP and terminals in, observations log out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from connectors.jt808.profiles import load_profiles
from connectors.jt808.server import Jt808Server
from connectors.kafka import KafkaIntake, PackingProducer
from connectors.kafka_cities import CityShelf
from connectors.kafka_drivers import DriverCommands
from connectors.kafka_watch import TopicWatch
from haulwatch.bootstrap.devices import EventsToken, TokenBook, trusts_local
from haulwatch.bootstrap.feeds import ConnectorsFile, Feeds
from haulwatch.bootstrap.jt808 import FleetInForce, Jt808Options, gateway_terminals
from haulwatch.bootstrap.registry_in_force import RegistryInForce
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

    def serve(self, listening: Callable[[], None] | None = None) -> None:
        """Serves until it is told to stop; calls `listening` once it takes connections.

        Raises WorldError when the address is taken or sending has failed.
        """
        self.server.serve_until_told(listening)
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
    connectors: ConnectorsFile | None = None,
    pictures: Path | None = None,
    events_token: EventsToken = "local",
) -> Gateway:
    """Puts a gateway together; with `jt808` it hears terminals already, with `connectors` other devices.

    Devices come with one of the tokens of the settings; `events_token` says whether those of this very machine do, too.

    Raises WorldError where Kafka or its topics are not there, or an address is taken.
    """
    tokens = TokenBook(settings.gateway_tokens.splitlines())
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
        registry = RegistryInForce(shelf.active)
        shelf.on_change = registry.refresh
        registry.refresh()
        checks["registry"] = registry.check
        terminals: Jt808Server | None = None
        if jt808 is not None:
            terminals = gateway_terminals(
                jt808, FleetInForce(registry, load_profiles(jt808.profiles)), intake.submit_events
            )
            terminals.start()
            parts.callback(terminals.stop)
            commands = DriverCommands(settings, terminals)
            commands.start()
            parts.callback(commands.stop)
            checks |= {"terminals": terminals.check, "drivers": commands.follower.check}
            sources += [terminals.samples, commands.samples]
        feeds = Feeds(connectors or ConnectorsFile(), intake.submit_events, registry, pictures)
        parts.callback(feeds.stop)
        feeds.start()
        app = create_gateway(
            intake,
            tokens,
            allowed_hosts={*LOCAL_HOSTS, host, *allowed_hosts},
            checks=checks | feeds.checks,
            sources=[*sources, feeds.samples],
            drivers=terminals,
            ingest=feeds.routers,
            local_devices=trusts_local(host, events_token),
        )
        server = http_server(app, host, port, lambda: producer.finish(FINISH_S))
        producer.on_failure = lambda _error: setattr(server, "should_exit", True)
        return Gateway(producer, server, parts.pop_all())


def city_deployed(shelf: CityShelf) -> None:
    """Raises WorldError before the first city is in force: until then the workers pass over what they are sent."""
    if shelf.active() is None:
        raise WorldError(
            Text(
                "还没有部署城市：先运行 haulwatch city deploy",
                "no city is deployed: run haulwatch city deploy first",
            )
        )
