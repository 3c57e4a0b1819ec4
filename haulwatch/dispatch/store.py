"""The order store: the truth about work orders. Findings go in, commands change orders, everything is on record.

May be used from any number of threads and processes; each call is one transaction. SQLite by default, PostgreSQL by
URL. Long because everything that may be asked of the store is one class; what each does stands in modules beside it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Engine, false, func, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.audit import AuditReport, Checkpoint, verify
from haulwatch.dispatch.commands import Commander
from haulwatch.dispatch.database import open_engine, reading, writing
from haulwatch.dispatch.decisions import permitted
from haulwatch.dispatch.deliveries import Deliveries
from haulwatch.dispatch.duty import NO_PLAN, DutyPlan
from haulwatch.dispatch.intake import Intake
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.lifecycle import TRANSITIONS
from haulwatch.dispatch.narrowing import narrowed
from haulwatch.dispatch.outbox import OutboxReader
from haulwatch.dispatch.outcomes import Outcomes
from haulwatch.dispatch.pack_records import exported
from haulwatch.dispatch.people import People
from haulwatch.dispatch.photos import OriginalPhotos, Photos
from haulwatch.dispatch.reach import within
from haulwatch.dispatch.reads import Reads
from haulwatch.dispatch.records import (
    audit_entry_of,
    breach_of,
    instant,
    occurrence_of,
    order_of,
    order_row,
    select_occurrences,
    select_orders,
    storable,
)
from haulwatch.dispatch.retention.daily import DailyRetention
from haulwatch.dispatch.retention.pictures import PictureShelf
from haulwatch.dispatch.retention.rows import BATCH
from haulwatch.dispatch.retention.runs import Retention
from haulwatch.dispatch.sessions import SessionTerms
from haulwatch.dispatch.statistics import Statistics
from haulwatch.dispatch.sweeper import Sweeper
from haulwatch.domain.access import EVERYTHING
from haulwatch.domain.breaches import Breach
from haulwatch.domain.deliveries import DeliveryEntry
from haulwatch.domain.evidence import CityHistory, PhotoSource, PictureSource
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import (
    STAGES,
    Actor,
    BadCommand,
    Change,
    IntakeResult,
    Order,
    OrderDetail,
    OrderError,
    OrderFilter,
    OrderPage,
    Reach,
    Stage,
    Step,
    Transition,
    UnknownOrder,
)
from haulwatch.domain.text import Text

if TYPE_CHECKING:
    from haulwatch.dispatch.packs import Packs
    from haulwatch.dispatch.retention.keep import KeepDays
    from haulwatch.dispatch.rollouts import Rollouts

JOIN_WINDOW_MS = 30 * 60_000
"""How far apart two rules' findings of one truck and category may lie and still be the same conduct."""

MAX_PAGE = 500
EVERY_ORDER = OrderFilter()


def now_ms() -> int:
    """The wall clock: when people do things."""
    return time.time_ns() // 1_000_000


def open_store(
    url: str,
    *,
    timezone: str = "Asia/Shanghai",
    join_window_ms: int = JOIN_WINDOW_MS,
    plan: DutyPlan = NO_PLAN,
    clock_ms: Callable[[], int] = now_ms,
) -> OrderStore:
    """Opens (and makes or upgrades, where needed) the order database at `url`.

    `timezone` is the city's: order numbers begin anew each local day. `plan` says where orders go and how long they may
    take. Raises `WorldError` when the database cannot be
    reached, is no order store, or belongs to a newer version.
    """
    return OrderStore(open_engine(url), ZoneInfo(timezone), join_window_ms, plan, clock_ms)


class OrderStore:
    """See the module; made by `open_store`."""

    def __init__(
        self,
        engine: Engine,
        timezone: ZoneInfo,
        join_window_ms: int,
        plan: DutyPlan,
        clock_ms: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._timezone = timezone
        self._join_window_ms = join_window_ms
        self._plan = plan
        self._clock_ms = clock_ms
        self._reads = Reads(engine, clock_ms)

    def close(self) -> None:
        """Gives up the connections."""
        self._engine.dispose()

    def keep_days_of(self, timezone: str) -> None:
        """From now on order numbers begin anew each local day of this time zone (IANA name)."""
        self._timezone = ZoneInfo(timezone)

    # Findings

    def intake(self, breaches: Iterable[Breach]) -> IntakeResult:
        """Files a batch of findings in one transaction: all of it or, after an error, none. Safe to repeat.

        Raises `DeviceError` when one of them cannot be held by any database.
        """
        # Read before the transaction begins: whoever makes the findings must not keep other writers waiting.
        records = tuple(breaches)
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            intake = Intake(recorder, self._timezone, self._join_window_ms, self._plan)
            outcomes = [intake.take(breach) for breach in records]
            intake.close()
            recorder.close()

        def ids(wanted: str) -> tuple[str, ...]:
            return tuple(order_id for outcome, order_id in outcomes if outcome == wanted and order_id is not None)

        counts = Counter(outcome for outcome, _ in outcomes)
        return IntakeResult(
            opened=ids("opened"),
            joined=ids("joined"),
            updated=ids("updated"),
            shadow=counts["shadow"],
            unchanged=counts["unchanged"],
        )

    # Commands

    def command(
        self,
        order_id: str,
        command: str,
        *,
        expected_version: int,
        actor: Actor,
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> Order:
        """Carries out `command` and returns the order as it then is.

        Raises `UnknownOrder` (also for one out of `reach`), `Conflict`, `NotPermitted` or `BadCommand`; nothing has
        changed then. A repeated `idempotency_key` of the same actor returns what the first request returned, whatever
        happened since: also where the order has gone out of reach because of it.
        """
        step = Step(order_id, expected_version)
        (result,) = self.bulk(command, [step], actor=actor, data=data, idempotency_key=idempotency_key, reach=reach)
        if isinstance(result, OrderError):
            raise result
        return result

    def bulk(
        self,
        command: str,
        steps: Sequence[Step],
        *,
        actor: Actor,
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        reach: Reach = EVERYTHING,
    ) -> Sequence[Order | OrderError]:
        """The same command and data for many orders in one transaction; each succeeds or fails by itself."""
        results: list[Order | OrderError] = []
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            commander = Commander(recorder, command, actor, dict(data or {}), idempotency_key, reach)
            for step in steps:
                try:
                    results.append(commander.carry_out(step))
                except OrderError as error:
                    results.append(error)
            recorder.close()
        return results

    def note(self, order_id: str, action: str, *, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Puts on record that something was done about an order which leaves it as it is. Raises `UnknownOrder`."""
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            row = order_row(connection, order_id)
            if row is None:
                raise UnknownOrder(order_id)
            entry = {"from": row.stage, "data": dict(detail), "roles": sorted(actor.roles)}
            recorder.audit_order(actor.actor_id, action, order_of(row), entry)
            recorder.close()

    def note_read(self, action: str, order_id: str | None, *, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Puts on record that something was read: once an hour for each person and order. Raises `UnknownOrder`."""
        self._reads.note(action, order_id, actor=actor, detail=detail)

    def note_export(self, where: OrderFilter, *, actor: Actor, form: str, plates: bool) -> None:
        """Puts on record that the orders that `where` lets through leave the house as a table, and how many they are.

        `plates`: with their number plates whole. Raises `BadCommand` like `list`.
        """
        at = rfc3339(self._clock_ms())
        query = select(func.count()).select_from(tables.orders)
        query = query.where(*_conditions(where), *narrowed(where, at), *within(where.reach))
        asked = {name: said for name, said in msgspec.to_builtins(where).items() if name != "reach" and said}
        with writing(self._engine) as connection:
            recorder = Recorder(connection, at)
            told = {"filter": asked, "orders": connection.execute(query).scalar_one(), "form": form, "plates": plates}
            recorder.audit(actor.actor_id, "orders_exported", None, {**told, "roles": sorted(actor.roles)})
            recorder.close()

    def transitions(self) -> Sequence[Transition]:
        """The life cycle."""
        return TRANSITIONS

    # Questions

    def list(
        self,
        where: OrderFilter = EVERY_ORDER,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> OrderPage:
        """A page of the orders that `where` lets through, newest first.

        `cursor` is the previous page's `next_cursor`; orders that open while somebody pages do not shift the pages.
        Raises `BadCommand` for a cursor that is none or an instant that is none.
        """
        table = tables.orders
        size = max(1, min(limit, MAX_PAGE))
        query = select_orders().add_columns(table.c.opened_change_id).order_by(table.c.opened_change_id.desc())
        query = query.where(
            *_conditions(where), *narrowed(where, rfc3339(self._clock_ms())), *within(where.reach), *_after(cursor)
        ).limit(size + 1)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        more = len(rows) > size
        return OrderPage([order_of(row) for row in rows[:size]], str(rows[size - 1].opened_change_id) if more else None)

    def get(self, order_id: str, actor: Actor | None = None) -> OrderDetail:
        """Everything about one order, with the commands that `actor` may give now; raises `UnknownOrder`."""
        orders, audit = tables.orders, tables.audit
        with reading(self._engine) as connection:
            row = order_row(connection, order_id)
            if row is None:
                raise UnknownOrder(order_id)
            order = order_of(row)
            breach = connection.execute(select(orders.c.breach).where(orders.c.order_id == order_id)).scalar_one()
            found = connection.execute(select_occurrences(order_id)).all()
            entries = connection.execute(select(audit).where(audit.c.order_id == order_id).order_by(audit.c.seq)).all()
        return OrderDetail(
            order=order,
            breach=breach_of(breach),
            occurrences=[occurrence_of(one) for one in found],
            audit=[audit_entry_of(entry) for entry in entries],
            commands=permitted(order, actor),
        )

    def counts(self, reach: Reach = EVERYTHING) -> dict[Stage, int]:
        """How many orders within reach are in each stage, every stage named."""
        table = tables.orders
        query = select(table.c.stage, func.count().label("orders")).where(*within(reach)).group_by(table.c.stage)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        found = {row.stage: int(row.orders) for row in rows}
        return {stage: found.get(stage, 0) for stage in STAGES}

    def changes_since(self, change_id: int, limit: int = MAX_PAGE) -> Sequence[Change]:
        """At most `limit` changes after `change_id`, oldest first; ask again while the answer is full."""
        table = tables.outbox
        query = select(table).where(table.c.change_id > change_id).order_by(table.c.change_id).limit(limit)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            Change(
                change_id=row.change_id, kind=row.kind, at=row.at, order=msgspec.json.decode(row.payload, type=Order)
            )
            for row in rows
        ]

    def order_before(self, order_id: str, change_id: int) -> Order | None:
        """The order as it was before this change; None where it began with it."""
        table = tables.outbox
        earlier = select(table.c.payload).where(table.c.order_id == order_id, table.c.change_id < change_id)
        with reading(self._engine) as connection:
            payload = connection.execute(earlier.order_by(table.c.change_id.desc()).limit(1)).scalar()
        return None if payload is None else msgspec.json.decode(payload, type=Order)

    def outbox_reader(self, name: str) -> OutboxReader:
        """The reader `name` of the changes, which keeps its place in this database."""
        return OutboxReader(self._engine, name, self._clock_ms, self.changes_since)

    def sweeper(self) -> Sweeper:
        """What marks the service clocks of this database."""
        return Sweeper(self._engine, self._clock_ms)

    def notices(self, order_id: str) -> Sequence[DeliveryEntry]:
        """Who was told of an order, newest first. Raises `UnknownOrder`."""
        with reading(self._engine) as connection:
            if order_row(connection, order_id) is None:
                raise UnknownOrder(order_id)
        return self.deliveries().log(order_id=order_id)

    def deliveries(self) -> Deliveries:
        """The delivery log of this database."""
        return Deliveries(self._engine, self._clock_ms, self.changes_since)

    def packs(
        self,
        history: CityHistory | None = None,
        pictures: PictureSource | None = None,
        photos: PhotoSource | None = None,
    ) -> Packs:
        """Evidence packs of this database's orders; `history` has the cities as they were, the rest the pictures."""
        # Papers, maps and rule books are much to load for who only asks for a list.
        from haulwatch.dispatch.packs import NoHistory, Packs

        deliveries = self.deliveries()
        if photos is None and pictures is not None:
            photos = OriginalPhotos(self.photos(), pictures)
        return Packs(self._engine, self._clock_ms, deliveries, history or NoHistory(), pictures, photos)

    def photos(self) -> Photos:
        """Photos of this database's orders."""
        return Photos(self._engine, self._clock_ms)

    def pack_exported(self, order_id: str, sha256: str) -> bool:
        """Whether an evidence pack with this digest was exported of the order."""
        with reading(self._engine) as connection:
            return exported(connection, order_id, sha256)

    def retention(self, keep_days: KeepDays, shelf: PictureShelf | None = None, batch: int = BATCH) -> Retention:
        """What deletes records of this database that are out of their time, and their pictures on `shelf`."""
        return Retention(self._engine, self._clock_ms, keep_days, shelf, batch)

    def daily_retention(self, retention: Retention, hour: int, holder: str | None = None) -> DailyRetention:
        """What does so every night from this hour of the city's day on; `holder` is this process's own name."""
        return DailyRetention(self._engine, self._clock_ms, retention, hour, lambda: self._timezone, holder)

    def statistics(self) -> Statistics:
        """Figures over many orders of this database."""
        return Statistics(self._engine, lambda: self._timezone, self._clock_ms)

    def rule_outcomes(self) -> Outcomes:
        """What became of the findings of each rule."""
        return Outcomes(self._engine)

    def people(self, terms: SessionTerms | None = None) -> People:
        """The people and services that may use the system, kept in this database."""
        return People(self._engine, self._clock_ms, terms)

    def rollouts(self) -> Rollouts:
        """The cities that were proposed and came into force, kept in this database."""
        # Cities are much to load for who only asks for a list of orders.
        from haulwatch.dispatch.rollouts import Rollouts

        return Rollouts(self._engine, self._clock_ms, lambda: self._timezone)

    def verify(self, *checkpoints: Checkpoint) -> AuditReport:
        """Whether the audit is whole, with the first broken entry by name; `checkpoints` are heads kept elsewhere."""
        with reading(self._engine) as connection:
            return verify(connection, checkpoints)

    def head(self) -> Checkpoint:
        """The head of the audit's chain: kept elsewhere, it proves later that nothing was rewritten."""
        with reading(self._engine) as connection:
            row = connection.execute(select(tables.ledger.c.audit_seq, tables.ledger.c.audit_hash)).one()
        return Checkpoint(row.audit_seq, row.audit_hash)

    def last_change_id(self) -> int:
        """The newest change's id, 0 when nothing has happened: cheap to ask often."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(tables.ledger.c.change_id)).scalar_one())


def _conditions(where: OrderFilter) -> list[Any]:
    table = tables.orders
    several = (
        (table.c.stage, where.stages),
        (table.c.category, where.categories),
        (table.c.severity, where.severities),
    )
    conditions: list[Any] = [column.in_(list(filter(storable, values))) for column, values in several if values]
    if where.truck_id is not None:
        conditions.append(table.c.truck_id == where.truck_id if storable(where.truck_id) else false())
    if where.late is not None:
        conditions.append(table.c.late == where.late)
    if where.since is not None:
        try:
            conditions.append(table.c.detected_at >= instant(where.since))
        except (ValueError, OverflowError) as error:
            raise BadCommand({"since": Text("应为 RFC 3339 时刻", "not an RFC 3339 instant")}) from error
    return conditions


def _after(cursor: str | None) -> list[Any]:
    if cursor is None:
        return []
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadCommand({"cursor": Text("不是本列表给出的游标", "not a cursor of this list")})
    return [tables.orders.c.opened_change_id < int(cursor)]
