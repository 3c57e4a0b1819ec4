"""A cluster's gateway: HTTP in, observations log out."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass

from connectors.kafka import KafkaIntake, PackingProducer
from connectors.kafka_cities import CityShelf
from connectors.kafka_watch import TopicWatch
from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.serving import GRACE_S, ConsoleServer, http_server
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
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


def gateway(settings: ClusterSettings, host: str, port: int, allowed_hosts: Collection[str] = ()) -> Gateway:
    """Puts a gateway together. Raises WorldError where Kafka or its topics are not there."""
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
        app = create_gateway(
            intake,
            allowed_hosts={*LOCAL_HOSTS, host, *allowed_hosts},
            checks={"kafka": producer.check, "topics": watch.check, "city": lambda: city_deployed(shelf)},
            sources=[producer.samples, intake.samples],
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
