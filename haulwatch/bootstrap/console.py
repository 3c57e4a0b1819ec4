"""A cluster's console: breaches into the order store, pages over it, order changes out again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from connectors.kafka_breaches import BreachReader
from connectors.kafka_cities import CityShelf, publish_city
from connectors.kafka_drivers import KafkaDriverLine
from connectors.kafka_orders import OrderPublisher
from connectors.kafka_trucks import KafkaTrucks
from connectors.kafka_watch import TopicWatch
from connectors.notify.notifier import Notifier
from connectors.notify.settings import NotifyFile
from connectors.pictures import PictureFolder
from connectors.window import EVERYTHING, Window
from haulwatch.bootstrap.city_history import ShelfCities
from haulwatch.bootstrap.city_in_force import CityInForce
from haulwatch.bootstrap.notify import new_notifier
from haulwatch.bootstrap.prober import RuleProber
from haulwatch.bootstrap.recordings import RecordedFiles
from haulwatch.bootstrap.retention import new_retention
from haulwatch.bootstrap.rollouts import RolloutThread, noting
from haulwatch.bootstrap.trial_desk import TrialDesk
from haulwatch.bootstrap.version_desk import VersionDesk
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.bootstrap.zone_desk import ZoneDesk
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.ports import IdentityProvider
from haulwatch.console.serving import ConsoleServer, console_server
from haulwatch.dispatch.checkpoints import CheckpointKeeper
from haulwatch.dispatch.retention.keep import RetentionFile
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.dispatch.sweeper import SweeperThread
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
    store: OrderStore
    server: ConsoleServer
    parts: contextlib.ExitStack
    sweeper: SweeperThread
    notifier: Notifier | None = None

    def serve(self, listening: Callable[[], None] | None = None) -> None:
        """Serves until it is told to stop; calls `listening` once it takes connections.

        Raises WorldError when the address is taken, or a part has failed.
        """
        self.server.serve_until_told(listening)
        failure = self.breaches.failure or self.trucks.failure or self.publisher.failure or self.sweeper.failure
        if failure is not None:
            raise WorldError(Text(f"系统已停止：{failure}", f"the system has stopped: {failure}")) from failure

    def stop(self) -> None:
        """Ends everything, within seconds even while Kafka or the database is away."""
        for part in (self.breaches, self.publisher, self.trucks, self.sweeper):
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
    checkpoints: Path | None = None,
    retention: RetentionFile | None = None,
    archive: Path | None = None,
    identity: IdentityProvider | None = None,
) -> Console:
    """Puts a console together and starts all of it but the web server; `notify` says whom it tells of orders, and
    `pictures` is the folder where gateways keep them; `retention` how long records are kept;
    `archive` is a folder with the events as `haulwatch archive` keeps them, on which drafts of rules are tried;
    `identity` vouches for people.

    Raises WorldError where the database, Kafka or its topics are not there.
    """
    with contextlib.ExitStack() as parts:
        watch = TopicWatch(settings)
        watch.start()
        parts.callback(watch.stop)
        shelf = CityShelf(settings)
        city = CityInForce(shelf.active)
        store = open_store(database_of(settings), plan=city)
        parts.callback(store.close)
        city.on_timezone = store.keep_days_of
        desk = store.rollouts()
        note = noting(desk, shelf.active)

        def changed(_city_hash: str) -> None:
            city.refresh()
            note()

        shelf.on_change = changed
        shelf.start()
        parts.callback(shelf.stop)
        city.refresh()
        note()
        rollouts = RolloutThread(desk, lambda city_hash, packed: _deploy(settings, city_hash, packed))
        trucks = KafkaTrucks(settings)
        publisher = OrderPublisher(settings, store.outbox_reader(PUBLISHER))
        breaches = BreachReader(settings, store.intake, on_taken=publisher.notify)
        sweeper = SweeperThread(store.sweeper(), on_marked=publisher.notify)
        drivers = KafkaDriverLine(settings)
        keeper = None if checkpoints is None else CheckpointKeeper(checkpoints, store.head)
        notifier = None
        if notify is not None:
            notifier = new_notifier(notify, store, lambda: city.squads, lambda: city.timezone)
        album = None if pictures is None else PictureFolder(pictures)
        retained = new_retention(retention or RetentionFile(), store, album)
        bench = CityWorkbench(desk, city.today)
        app = create_app(
            store,
            store.people(),
            trucks,
            None,
            city,
            settings=ConsoleSettings(allowed_hosts={*ConsoleSettings().allowed_hosts, host, *allowed_hosts}),
            checks={
                "kafka": watch.check,
                "city": city.check,
                "intake": breaches.check,
                "clocks": sweeper.check,
                "retention": retained.check,
                "rollouts": rollouts.check,
                "trucks": trucks.check,
                "work-orders": publisher.check,
                "drivers": drivers.follower.check,
                **({} if notifier is None else {"notices": notifier.check}),
                **({} if keeper is None else {"checkpoints": keeper.check}),
            },
            sources=[
                breaches.samples,
                sweeper.samples,
                retained.samples,
                trucks.samples,
                publisher.samples,
                city.samples,
                *([] if notifier is None else [notifier.samples]),
                *([] if keeper is None else [keeper.samples]),
            ],
            drivers=drivers,
            photos=store.photos(),
            pictures=album,
            packs=store.packs(ShelfCities(shelf), album),
            rollouts=desk,
            workbench=bench,
            zones=ZoneDesk(bench),
            prober=RuleProber(bench),
            versions=VersionDesk(desk),
            identity=identity,
            trials=TrialDesk(bench, store.rule_outcomes(), None if archive is None else archived(archive)),
        )
        server = console_server(app, host, port)
        drivers.follower.on_failure = lambda _error: setattr(server, "should_exit", True)
        drivers.start()
        parts.callback(drivers.stop)
        for part in (trucks, publisher, breaches, sweeper):
            part.on_failure = lambda _error: setattr(server, "should_exit", True)
            part.start()
            parts.callback(part.stop)
        rollouts.start()
        parts.callback(rollouts.stop)
        retained.start()
        parts.callback(retained.stop)
        if keeper is not None:
            keeper.start()
            parts.callback(keeper.stop)
        if notifier is not None:
            notifier.start()
            parts.callback(notifier.stop)
        return Console(city, breaches, trucks, publisher, store, server, parts.pop_all(), sweeper, notifier)


def archived(folder: Path) -> Callable[[int | None], RecordedFiles]:
    """An archive's events since an instant."""

    def since(since_ms: int | None) -> RecordedFiles:
        return RecordedFiles([str(folder)], EVERYTHING if since_ms is None else Window(since_ms))

    return since


def _deploy(settings: ClusterSettings, city_hash: str, packed: bytes) -> None:
    publish_city(settings, city_hash, packed)


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
