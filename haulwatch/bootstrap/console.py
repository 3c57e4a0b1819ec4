"""A cluster's console: breaches into the order store, pages over it, order changes out again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from connectors.kafka_breaches import BreachReader
from connectors.kafka_cities import CityShelf
from connectors.kafka_drivers import KafkaDriverLine
from connectors.kafka_orders import OrderPublisher
from connectors.kafka_trucks import KafkaTrucks
from connectors.kafka_watch import TopicWatch
from connectors.notify.notifier import Notifier
from connectors.notify.settings import NotifyFile
from connectors.pictures import PictureFolder
from haulwatch.bootstrap.city_in_force import CityInForce
from haulwatch.bootstrap.notify import new_notifier
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.serving import ConsoleServer, console_server
from haulwatch.dispatch.store import open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings

PUBLISHER = "work-orders"
"""The outbox's reader that publishes; its place is kept under this name."""


@dataclass
class Console:
    """The parts of a running console."""

    city: CityInForce
    breaches: BreachReader
    trucks: KafkaTrucks
    publisher: OrderPublisher
    server: ConsoleServer
    parts: contextlib.ExitStack
    notifier: Notifier | None = None

    def serve(self) -> None:
        """Serves until it is told to stop. Raises WorldError when the address is taken, or a part has failed."""
        self.server.serve_until_told()
        failure = self.breaches.failure or self.trucks.failure or self.publisher.failure
        if failure is not None:
            raise WorldError(Text(f"系统已停止：{failure}", f"the system has stopped: {failure}")) from failure

    def stop(self) -> None:
        """Ends everything, within seconds even while Kafka or the database is away."""
        for part in (self.breaches, self.publisher, self.trucks):
            part.finish()  # all at once; then each is waited for
        if self.notifier is not None:
            self.notifier.finish()
        self.parts.close()


def console(
    settings: ClusterSettings,
    host: str,
    port: int,
    allowed_hosts: Collection[str] = (),
    notify: NotifyFile | None = None,
    pictures: Path | None = None,
) -> Console:
    """Puts a console together and starts all of it but the web server; `notify` says whom it tells of orders, and
    `pictures` is the folder where gateways keep them.

    Raises WorldError where the database, Kafka or its topics are not there.
    """
    with contextlib.ExitStack() as parts:
        watch = TopicWatch(settings)
        watch.start()
        parts.callback(watch.stop)
        shelf = CityShelf(settings)
        city = CityInForce(shelf.active)
        store = open_store(database_of(settings), urgency_of=city.urgency_of)
        parts.callback(store.close)
        city.on_timezone = store.keep_days_of
        shelf.on_change = lambda _hash: city.refresh()
        shelf.start()
        parts.callback(shelf.stop)
        city.refresh()
        trucks = KafkaTrucks(settings)
        publisher = OrderPublisher(settings, store.outbox_reader(PUBLISHER))
        breaches = BreachReader(settings, store.intake, on_taken=publisher.notify)
        drivers = KafkaDriverLine(settings)
        notifier = None
        if notify is not None:
            notifier = new_notifier(notify, store, lambda: city.squads, lambda: city.timezone)
        app = create_app(
            store,
            trucks,
            None,
            city,
            settings=ConsoleSettings(allowed_hosts={*ConsoleSettings().allowed_hosts, host, *allowed_hosts}),
            checks={
                "kafka": watch.check,
                "city": city.check,
                "intake": breaches.check,
                "trucks": trucks.check,
                "work-orders": publisher.check,
                "drivers": drivers.follower.check,
                **({} if notifier is None else {"notices": notifier.check}),
            },
            sources=[
                breaches.samples,
                trucks.samples,
                publisher.samples,
                city.samples,
                *([] if notifier is None else [notifier.samples]),
            ],
            drivers=drivers,
            pictures=None if pictures is None else PictureFolder(pictures),
        )
        server = console_server(app, host, port)
        drivers.follower.on_failure = lambda _error: setattr(server, "should_exit", True)
        drivers.start()
        parts.callback(drivers.stop)
        for part in (trucks, publisher, breaches):
            part.on_failure = lambda _error: setattr(server, "should_exit", True)
            part.start()
            parts.callback(part.stop)
        if notifier is not None:
            notifier.start()
            parts.callback(notifier.stop)
        return Console(city, breaches, trucks, publisher, server, parts.pop_all(), notifier)


def database_of(settings: ClusterSettings) -> str:
    """The URL of the order database. Raises WorldError where none is named."""
    if not settings.database:
        raise WorldError(
            Text(
                "没有指定工单库：用 --database URL 或环境变量 HAULWATCH_DATABASE",
                "no order database given: use --database URL or the environment variable HAULWATCH_DATABASE",
            )
        )
    return settings.database
