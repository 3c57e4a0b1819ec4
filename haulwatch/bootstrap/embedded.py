"""The embedded system: log, processor, orders and console in one process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.jt808.server import Jt808Server
from connectors.notify.notifier import Notifier
from connectors.notify.settings import NotifyFile
from connectors.pictures import PictureFolder
from connectors.window import EVERYTHING, Window
from haulwatch.bootstrap.city_history import LogCities
from haulwatch.bootstrap.city_in_force import CityInForce
from haulwatch.bootstrap.devices import EventsToken, trusts_local
from haulwatch.bootstrap.feeds import ConnectorsFile, Feeds
from haulwatch.bootstrap.jt808 import PICTURES_FOLDER, Jt808Options, embedded_terminals
from haulwatch.bootstrap.notify import new_notifier
from haulwatch.bootstrap.prober import RuleProber
from haulwatch.bootstrap.recordings import RecordedLog
from haulwatch.bootstrap.retention import new_retention
from haulwatch.bootstrap.rollouts import RolloutThread, embedded_switch, starting_city
from haulwatch.bootstrap.trial_desk import TrialDesk
from haulwatch.bootstrap.version_desk import VersionDesk
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.bootstrap.zone_desk import ZoneDesk
from haulwatch.city import City, pack_city
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.ports import IdentityProvider
from haulwatch.console.serving import ConsoleServer, console_server
from haulwatch.dispatch.checkpoints import CheckpointKeeper
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.retention.daily import RetentionThread
from haulwatch.dispatch.retention.keep import RetentionFile
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.dispatch.sweeper import SweeperThread
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample
from streams.local_host import LocalHost
from streams.local_log import LOG_FILE, Claim, LocalLog

INTAKE_CURSOR = "intake"
INTAKE_BATCH = 200
RETRY_S = 1.0


class BreachForwarder:
    """Carries breaches from the embedded log into the order store; repeats are the store's to recognise."""

    def __init__(self, path: Path, store: OrderStore, on_failure: Callable[[BaseException], None]) -> None:
        self._log = LocalLog(path)
        self._store = store
        self._on_failure = on_failure
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="breach-forwarder", daemon=True)
        self.retries = 0
        self.trouble: BaseException | None = None
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begins with what an earlier run left."""
        self._news.set()
        self._thread.start()

    def notify(self) -> None:
        """There are new breaches in the log."""
        self._news.set()

    def check(self) -> None:
        """Raises WorldError while breaches cannot be carried."""
        if self.trouble is not None:
            raise WorldError(Text(f"工单入库受阻：{self.trouble}", f"orders are not taken in: {self.trouble}"))

    def stop(self) -> None:
        """Carries what is there, then ends."""
        self._stopping = True
        self._news.set()
        self._thread.join()
        self._log.close()

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            try:
                self._carry()
                self.trouble = None
            except (WorldError, sqlite3.Error) as error:
                # A database is away: nothing is lost, the breaches are in the log. Again in a moment.
                self.trouble = error
                self.retries += 1
                self._log.rollback()
                if self._stopping:
                    return
                threading.Event().wait(RETRY_S)
                self._news.set()
            except BaseException as error:
                self.trouble = self.failure = error
                self._on_failure(error)
                raise
            if self._stopping and not self._news.is_set():
                return

    def _carry(self) -> None:
        position = self._log.cursor(INTAKE_CURSOR)
        while rows := self._log.breaches_after(position, INTAKE_BATCH):
            self._store.intake([breach for _number, breach in rows])
            position = rows[-1][0]
            self._log.begin()
            self._log.save_cursor(INTAKE_CURSOR, position)
            self._log.commit()


@dataclass
class Embedded:
    """The embedded system: log, processor, orders and console in one process."""

    host: LocalHost
    forwarder: BreachForwarder
    store: OrderStore
    server: ConsoleServer
    city: City
    claim: Claim
    feeds: Feeds
    terminals: Jt808Server | None = None
    notifier: Notifier | None = None
    sweeper: SweeperThread | None = None
    keeper: CheckpointKeeper | None = None
    retention: RetentionThread | None = None
    rollouts: RolloutThread | None = None

    def start(self) -> int:
        """Recovers and starts everything but the web server. Returns how many logged events were replayed.

        Raises WorldError, and has stopped everything, when devices cannot be listened for.
        """
        if self.keeper is not None:
            self.keeper.start()
        replayed = self.host.start()
        self.forwarder.start()
        if self.rollouts is not None:
            self.rollouts.start()
        if self.sweeper is not None:
            self.sweeper.start()
        if self.retention is not None:
            self.retention.start()
        if self.notifier is not None:
            self.notifier.start()
        try:
            if self.terminals is not None:
                self.terminals.start()
            self.feeds.start()
        except WorldError:
            self.stop()
            raise
        return replayed

    def serve(self, listening: Callable[[], None] | None = None) -> None:
        """Runs the web server until it is told to stop; calls `listening` once it takes connections.

        Raises WorldError when the address is taken.
        """
        self.server.serve_until_told(listening)
        failure = self.host.failure or self.forwarder.failure
        if self.sweeper is not None:
            failure = failure or self.sweeper.failure
        if failure is not None:
            raise WorldError(Text(f"系统已停止：{failure}", f"the system has stopped: {failure}")) from failure

    def stop(self) -> None:
        """Finishes what was accepted, saves a snapshot, closes the files."""
        if self.terminals is not None:
            self.terminals.stop()
        self.feeds.stop()
        if self.rollouts is not None:
            self.rollouts.stop()
        self.host.stop()
        self.forwarder.stop()
        if self.sweeper is not None:
            self.sweeper.stop()
        if self.retention is not None:
            self.retention.stop()
        if self.notifier is not None:
            self.notifier.stop()
        if self.keeper is not None:
            self.keeper.stop()
        self.store.close()
        self.claim.release()


def embedded(
    city: City,
    files: dict[str, bytes],
    data: Path,
    host: str,
    port: int,
    *,
    now_ms: Callable[[], int] | None = None,
    database: str | None = None,
    allowed_hosts: Collection[str] = (),
    jt808: Jt808Options | None = None,
    connectors: ConnectorsFile | None = None,
    pictures: Path | None = None,
    notify: NotifyFile | None = None,
    checkpoints: Path | None = None,
    retention: RetentionFile | None = None,
    events_token: EventsToken = "local",
    identity: IdentityProvider | None = None,
) -> Embedded:
    """Puts the embedded system together on the folder `data`; with `jt808` it hears terminals.

    `connectors` are the other devices that it hears, `notify` says whom it tells of orders,
    `retention` how long records are kept. `checkpoints` is the file, outside the data folder, to which the head of the
    audit is appended. `identity` vouches for people.

    `events_token`: whether events from this very machine need a token, too; where the address that it is bound to is
    not this machine's own they do in any case. The console answers to this machine's own names, to the address it is
    bound to, and to `allowed_hosts`.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorldError(Text(f"无法使用目录 {data}：{error}", f"cannot use folder {data}: {error}")) from error
    log_path = data / LOG_FILE
    claim = Claim(log_path)
    view = CityInForce(lambda: local.active())
    store = open_store(database or sqlite_url(data), plan=view)
    view.on_timezone = store.keep_days_of
    desk = store.rollouts()
    city, files = starting_city(desk, city, files)
    view.show(city, files)
    servers: list[ConsoleServer] = []

    def failed(_error: BaseException) -> None:
        for server in servers:
            server.should_exit = True

    forwarder = BreachForwarder(log_path, store, failed)
    sweeper = SweeperThread(store.sweeper(), on_failure=failed)
    keeper = None if checkpoints is None else CheckpointKeeper(checkpoints, store.head)
    clock = {} if now_ms is None else {"now_ms": now_ms}
    local = LocalHost(log_path, city, pack_city(files), on_breaches=forwarder.notify, on_failure=failed, **clock)
    rollouts = RolloutThread(desk, embedded_switch(local, view))
    terminals = None
    if jt808 is not None:
        terminals = embedded_terminals(jt808, lambda: local.city.registry, data, local.submit_events)
    feeds = Feeds(
        connectors or ConnectorsFile(),
        local.submit_events,
        lambda: local.city.registry,
        pictures or data / PICTURES_FOLDER,
    )
    album = PictureFolder(pictures or data / PICTURES_FOLDER)
    retained = new_retention(retention or RetentionFile(), store, album)
    notifier = None
    if notify is not None:
        notifier = new_notifier(notify, store, lambda: view.squads, lambda: view.timezone, data)
    settings = ConsoleSettings(
        allowed_hosts={*ConsoleSettings().allowed_hosts, host, *allowed_hosts},
        local_devices=trusts_local(host, events_token),
    )
    bench = CityWorkbench(desk, view.today)

    def recorded(since_ms: int | None) -> RecordedLog:
        return RecordedLog(log_path, EVERYTHING if since_ms is None else Window(since_ms))

    app = create_app(
        store,
        store.people(),
        local.trucks,
        local,
        view,
        settings=settings,
        checks={
            "log": local.check,
            "intake": forwarder.check,
            "clocks": sweeper.check,
            "retention": retained.check,
            "rollouts": rollouts.check,
            **({} if terminals is None else {"terminals": terminals.check}),
            **({} if notifier is None else {"notices": notifier.check}),
            **({} if keeper is None else {"checkpoints": keeper.check}),
            **feeds.checks,
        },
        sources=[
            _figures(local, forwarder),
            sweeper.samples,
            retained.samples,
            feeds.samples,
            *([] if terminals is None else [terminals.samples]),
            *([] if notifier is None else [notifier.samples]),
            *([] if keeper is None else [keeper.samples]),
        ],
        drivers=terminals,
        ingest=feeds.routers,
        source_feed=local.sources,
        photos=store.photos(),
        pictures=album,
        packs=store.packs(LogCities(log_path), album),
        rollouts=desk,
        workbench=bench,
        zones=ZoneDesk(bench, **clock),
        prober=RuleProber(bench),
        versions=VersionDesk(desk, **clock),
        identity=identity,
        trials=TrialDesk(bench, store.rule_outcomes(), recorded, **clock),
    )
    servers.append(console_server(app, host, port))
    return Embedded(
        host=local,
        forwarder=forwarder,
        store=store,
        server=servers[0],
        city=city,
        claim=claim,
        feeds=feeds,
        terminals=terminals,
        notifier=notifier,
        sweeper=sweeper,
        keeper=keeper,
        retention=retained,
        rollouts=rollouts,
    )


def _figures(host: LocalHost, forwarder: BreachForwarder) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterator[Sample]:
        yield Sample("intake_retries_total", "Times an order database was away", forwarder.retries, type="counter")
        for name, value in sorted(host.counters.items()):
            yield Sample(f"log_{name}_total", "Counts of the embedded log", value, type="counter")
        for name, value in sorted(host.processor_counters().items()):
            yield Sample(f"processor_{name}_total", "Counts of the processor", value, type="counter")

    return samples
