"""The composition root: which real thing stands behind which port. Nothing is decided here."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from geofences.zones import feature_collection
from haulwatch.city import City, build_city, city_files, pack_city
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.metrics import Sample
from haulwatch.console.ports import CityPicture
from haulwatch.console.serving import ConsoleServer, console_server
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Urgency
from haulwatch.domain.text import Text
from streams.local_host import LocalHost
from streams.local_log import Claim, LocalLog
from streams.runtime import CityRuntime

LOG_FILE = "log.sqlite"
INTAKE_CURSOR = "intake"
INTAKE_BATCH = 200
RETRY_S = 1.0
BASEMAP_LAYERS = ("water", "green", "roads", "labels")


def load_city(folder: Path) -> tuple[City, dict[str, bytes]]:
    """The city of a folder and its files.

    Raises AuthorError with every finding; WorldError without a folder, or where it asks for an engine that is not here.
    """
    files = city_files(folder)
    city = build_city(files, today=datetime.now(UTC).date())
    if city.rules_engine != "native":
        raise WorldError(
            Text(
                f"city.yaml 要求规则引擎 {city.rules_engine}，本版本只有 native",
                f"city.yaml asks for the rule engine {city.rules_engine}; this version has only native",
            )
        )
    return city, files


def load_runtime(folder: Path) -> CityRuntime:
    """A city ready to decide, for offline work."""
    return CityRuntime(load_city(folder)[0])


def open_order_store(url: str, city: City | None = None) -> OrderStore:
    """The order store at a database URL; with a city, orders take their urgency from its rules and its time zone."""
    if city is None:
        return open_store(url)
    return open_store(url, timezone=city.timezone.key, urgency_of=urgency_by_rule(city))


def urgency_by_rule(city: City) -> Callable[[Breach], Urgency]:
    """A finding is as urgent as its rule's `work_order` says; late findings never are."""
    policies: dict[str, Urgency] = {rule.rule_id: rule.work_order.urgency for rule in city.book.rules}
    return lambda breach: "low" if breach.late else policies.get(breach.rule_id, "normal")


def city_picture(city: City, files: dict[str, bytes]) -> CityPicture:
    """The city as the console draws it. Base map layers are drawn as they are; they decide nothing."""
    basemap = {
        name: msgspec.json.decode(files[f"basemap/{name}.geojson"])
        for name in BASEMAP_LAYERS
        if f"basemap/{name}.geojson" in files
    }
    return CityPicture(
        name=city.name,
        bounds=_bounds(city),
        zones=feature_collection(city.zones),
        basemap=basemap,
        stations=list(city.registry.stations.values()),
        cameras=list(city.registry.cameras.values()),
        squads=list(city.registry.squads.values()),
        runbooks={rule.rule_id: rule.runbook for rule in city.book.rules if rule.runbook is not None},
    )


def _bounds(city: City) -> tuple[float, float, float, float]:
    boxes: list[Any] = [zone.geometry.bounds for zone in city.zones]
    if not boxes:
        return (73.0, 18.0, 135.0, 54.0)  # China
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))


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

    def start(self) -> int:
        """Recovers and starts everything but the web server. Returns how many logged events were replayed."""
        replayed = self.host.start()
        self.forwarder.start()
        return replayed

    def serve(self) -> None:
        """Runs the web server until it is told to stop. Raises WorldError when the address is taken."""
        # The server ends in good order on these signals, then sends them on; by then they have had their effect.
        # One that comes before the server listens for them must not be lost.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self.server, "should_exit", True))
        try:
            self.server.run()
        except SystemExit as error:
            raise WorldError(
                Text(
                    f"无法监听 {self.server.config.host}:{self.server.config.port}",
                    f"cannot listen on {self.server.config.host}:{self.server.config.port}",
                )
            ) from error
        failure = self.host.failure or self.forwarder.failure
        if failure is not None:
            raise WorldError(Text(f"系统已停止：{failure}", f"the system has stopped: {failure}")) from failure

    def stop(self) -> None:
        """Finishes what was accepted, saves a snapshot, closes the files."""
        self.host.stop()
        self.forwarder.stop()
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
) -> Embedded:
    """Puts the embedded system together on the folder `data`.

    The console answers to this machine's own names, to the address it is bound to, and to `allowed_hosts`.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorldError(Text(f"无法使用目录 {data}：{error}", f"cannot use folder {data}: {error}")) from error
    log_path = data / LOG_FILE
    claim = Claim(log_path)
    store = open_order_store(database or sqlite_url(data), city)
    servers: list[ConsoleServer] = []

    def failed(_error: BaseException) -> None:
        for server in servers:
            server.should_exit = True

    forwarder = BreachForwarder(log_path, store, failed)
    clock = {} if now_ms is None else {"now_ms": now_ms}
    local = LocalHost(log_path, city, pack_city(files), on_breaches=forwarder.notify, on_failure=failed, **clock)
    settings = ConsoleSettings(allowed_hosts={*ConsoleSettings().allowed_hosts, host, *allowed_hosts})
    app = create_app(
        store,
        local.trucks,
        local,
        city_picture(city, files),
        settings=settings,
        checks={"log": local.check, "intake": forwarder.check},
        sources=[_figures(local, forwarder)],
    )
    servers.append(console_server(app, host, port))
    return Embedded(local, forwarder, store, servers[0], city, claim)


def _figures(host: LocalHost, forwarder: BreachForwarder) -> Callable[[], Iterable[Sample]]:
    def samples() -> Iterator[Sample]:
        yield Sample("intake_retries_total", "Times an order database was away", forwarder.retries, type="counter")
        for name, value in sorted(host.counters.items()):
            yield Sample(f"log_{name}_total", "Counts of the embedded log", value, type="counter")
        for name, value in sorted(host.processor_counters().items()):
            yield Sample(f"processor_{name}_total", "Counts of the processor", value, type="counter")

    return samples
