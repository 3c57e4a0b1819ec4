"""The daily run: once a night for one database, whichever of its consoles comes first.

That it is due stands in the database, so a night in which nothing ran is made up for. Who runs has a lease, prolonged
in each of its transactions: after a crash another process, or the next start, goes on where it ended. The first night
is the one after the first start, so that there is a day in which to look at what would go.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import SYSTEM
from haulwatch.dispatch.retention.report import RetentionReport
from haulwatch.dispatch.retention.runs import Retention
from haulwatch.dispatch.retention_tables import retention_run
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.instants import rfc3339, to_datetime, to_ms
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample

LEASE_MS = 10 * 60_000
LOOK_S = 60.0
STOP_S = 20.0

log = logging.getLogger(__name__)


def due_since_ms(now_ms: int, hour: int, timezone: ZoneInfo) -> int:
    """The latest beginning of the hour `hour` in the city that has passed."""
    now = to_datetime(now_ms).astimezone(timezone)
    begins = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return to_ms(begins if begins <= now else begins - timedelta(days=1))


class DailyRetention:
    """One process's part in it."""

    def __init__(
        self,
        engine: Engine,
        clock_ms: Callable[[], int],
        retention: Retention,
        hour: int,
        timezone: Callable[[], ZoneInfo],
        holder: str | None = None,
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._retention = retention
        self._hour = hour
        self._timezone = timezone
        self._holder = holder or f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._stopping = False

    def run_if_due(self) -> RetentionReport | None:
        """Runs when a night's run is due and nobody else is at it; None otherwise."""
        if not self._due() or not self._claim():
            return None
        report: RetentionReport | None = None
        try:
            report = self._retention.run(SYSTEM, self._hold)
        finally:
            self._release(finished=report is not None and report.complete)
        return report

    def finish(self) -> None:
        """A run that is under way ends with its transaction."""
        self._stopping = True

    def _due(self) -> bool:
        with reading(self._engine) as connection:
            finished_at = connection.execute(select(retention_run.c.finished_at)).scalar()
        return finished_at is None or finished_at < self._since()

    def _since(self) -> str:
        return rfc3339(due_since_ms(self._clock_ms(), self._hour, self._timezone()))

    def _claim(self) -> bool:
        now = self._clock_ms()
        with writing(self._engine) as connection:
            connection.execute(select(tables.ledger).with_for_update()).one()
            row = connection.execute(select(retention_run)).one_or_none()
            if row is None:
                connection.execute(insert(retention_run).values(id=1, finished_at=rfc3339(now)))
                return False
            taken = row.holder not in (None, self._holder) and row.held_until > rfc3339(now)
            if taken or row.finished_at >= self._since():
                return False
            self._prolong(connection)
        return True

    def _hold(self, connection: Connection) -> bool:
        """Whether the run is still this process's; prolongs the lease."""
        return not self._stopping and self._prolong(connection, ours=True)

    def _prolong(self, connection: Connection, *, ours: bool = False) -> bool:
        lease = {"holder": self._holder, "held_until": rfc3339(self._clock_ms() + LEASE_MS)}
        change = update(retention_run).values(lease)
        if ours:
            change = change.where(retention_run.c.holder == self._holder)
        return connection.execute(change).rowcount == 1

    def _release(self, *, finished: bool) -> None:
        given_up: dict[str, str | None] = {"holder": None, "held_until": None}
        if finished:
            given_up["finished_at"] = rfc3339(self._clock_ms())
        with writing(self._engine) as connection:
            ours = retention_run.c.holder == self._holder
            connection.execute(update(retention_run).where(ours).values(given_up))


class RetentionThread:
    """Looks every minute whether the run is due, until it is stopped."""

    def __init__(self, daily: DailyRetention, *, look_s: float = LOOK_S) -> None:
        self._daily = daily
        self._look_s = look_s
        self._stopping = threading.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self.counters = Counters()

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def finish(self) -> None:
        """Begins no other transaction. Does not wait."""
        self._stopping.set()
        self._daily.finish()

    def stop(self) -> None:
        """Ends after the transaction that is under way."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises Elsewhere while deletion is held up: everything else goes on, somebody has to look."""
        if self._trouble is not None:
            raise Elsewhere(Text(f"到期数据未删除：{self._trouble}", f"retention is held up: {self._trouble}"))

    def samples(self) -> list[Sample]:
        """What was deleted, by class, and how many runs were finished or held up."""
        return list(self.counters.samples())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                report = self._daily.run_if_due()
                self._trouble = None
            except WorldError as error:
                self._say(error)
            except BaseException as error:
                self._trouble = error
                raise
            else:
                if report is not None:
                    self._count(report)
            self._stopping.wait(self._look_s)

    def _count(self, report: RetentionReport) -> None:
        for one in report.classes:
            self.counters.add(
                "retention_deleted_total", "Rows and files out of their time, deleted", one.due, kind=one.name
            )
        if report.complete:
            self.counters.add("retention_runs_total", "Daily runs that were finished by this process")
            log.info("retention: %d deleted", report.due)

    def _say(self, error: WorldError) -> None:
        self._trouble = error
        self.counters.add("retention_failures_total", "Times that the daily run was held up")
        log.warning("retention is held up", extra={"fields": {"error": str(error)}})
