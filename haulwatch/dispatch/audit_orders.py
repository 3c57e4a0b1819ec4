"""Are orders and findings as the audit says? Each entry of an order carries the digest of all that it then is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select, tuple_

from haulwatch.dispatch import tables
from haulwatch.dispatch.clocks import columns_of_clock
from haulwatch.dispatch.ledger import state_hash
from haulwatch.dispatch.lifecycle import COLLECTING
from haulwatch.dispatch.membership import squads_of
from haulwatch.dispatch.records import breach_of, columns_of, instant, order_of, select_orders
from haulwatch.dispatch.service_terms import Terms
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Order

CHUNK = 500
_orders, _occurrences, _inbox = tables.orders, tables.occurrences, tables.inbox


class Wrong(Struct, frozen=True):
    """An order that is not as the audit says: by the entry `seq` (0: the audit does not know it), and in what."""

    order_id: str
    seq: int
    columns: tuple[str, ...] = ()
    finding: bool = False


class _Told(Struct):
    """What the audit says of an order: its last entry, and what it says of its beginning."""

    seq: int
    stage: str
    version: int
    state_sha256: str | None
    collecting: bool
    opened_change_id: int | None


class _Episode(Struct):
    """What the audit's findings say of an episode."""

    seq: int
    order_id: str
    rule_id: str
    occurrences: int
    ended_at: str | None


def check_orders(connection: Connection) -> Wrong | None:
    """The first order or finding that is not as the audit says. The chain must have been found whole before."""
    return _Check(connection).run()


class _Check:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told: dict[str, _Told] = {}
        self._episodes: dict[str, _Episode] = {}
        self._findings = 0
        merged = select(_orders.c.order_id, _orders.c.merged_into).where(_orders.c.merged_into.is_not(None))
        self._merged: dict[str, str] = {row.order_id: row.merged_into for row in connection.execute(merged)}

    def run(self) -> Wrong | None:
        """Everything in turn; a wrong order comes before its findings, which may be wrong only because of it."""
        entries = self._entries()
        wrong = None
        while chunk := list(islice(entries, CHUNK)):
            wrong = wrong or self._check_findings(chunk)
        return self._check_orders() or wrong or self._check_episodes()

    def _entries(self) -> Iterator[tuple[Row[Any], dict[str, Any]]]:
        query = select(tables.audit).where(tables.audit.c.order_id.is_not(None)).order_by(tables.audit.c.seq)
        for row in self._connection.execute(query, execution_options={"yield_per": CHUNK}):
            detail = msgspec.json.decode(row.detail)
            self._take(row, detail)
            if "breach_sha256" in detail:
                yield row, detail

    def _take(self, row: Row[Any], detail: Mapping[str, Any]) -> None:
        before = self._told.get(row.order_id)
        stage: str = detail["stage"]
        collecting = stage in COLLECTING and (before is None or before.collecting)
        opened = detail.get("change_id") if before is None else before.opened_change_id
        state_sha256 = detail.get("state_sha256")
        self._told[row.order_id] = _Told(row.seq, stage, detail["version"], state_sha256, collecting, opened)

    # Findings

    def _check_findings(self, chunk: Sequence[tuple[Row[Any], dict[str, Any]]]) -> Wrong | None:
        stored = self._stored([(d["breach_id"], d["phase"], d["occurrences"]) for _, d in chunk])
        openers = self._openers([entry.order_id for entry, _ in chunk if entry.action == "opened"])
        for entry, detail in chunk:
            self._findings += 1
            row = stored.get((detail["breach_id"], detail["phase"], detail["occurrences"]))
            if entry.action == "opened" and openers.get(entry.order_id) != detail["breach_sha256"]:
                return Wrong(entry.order_id, entry.seq, ("breach",), finding=True)
            if row is None or _sha256(row.breach) != detail["breach_sha256"]:
                return Wrong(entry.order_id, entry.seq, ("breach",), finding=True)
            breach = breach_of(row.breach)
            differs = _differing(row, _columns_of(breach, self._place(entry.order_id), entry.at))
            if differs:
                return Wrong(entry.order_id, entry.seq, differs, finding=True)
            self._remember(entry, breach)
        return None

    def _place(self, order_id: str) -> str:
        """Where an order's findings are by now."""
        seen = {order_id}
        while (into := self._merged.get(order_id)) is not None and into not in seen:
            seen.add(into)
            order_id = into
        return order_id

    def _stored(self, keys: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], Row[Any]]:
        of_record = tuple_(_occurrences.c.breach_id, _occurrences.c.phase, _occurrences.c.count)
        found = self._connection.execute(select(_occurrences).where(of_record.in_(keys)))
        return {(row.breach_id, row.phase, row._mapping["count"]): row for row in found}

    def _openers(self, order_ids: Sequence[str]) -> dict[str, str]:
        query = select(_orders.c.order_id, _orders.c.breach).where(_orders.c.order_id.in_(order_ids))
        return {row.order_id: _sha256(row.breach) for row in self._connection.execute(query)}

    def _remember(self, entry: Row[Any], breach: Breach) -> None:
        known = self._episodes.get(breach.breach_id)
        ended_at = None if breach.ended_at is None else instant(breach.ended_at)
        reached = (breach.occurrences, breach.phase == "ended")
        if known is None:
            place = self._place(entry.order_id)
            self._episodes[breach.breach_id] = _Episode(entry.seq, place, breach.rule_id, breach.occurrences, ended_at)
        elif reached > (known.occurrences, known.ended_at is not None):
            known.occurrences, known.ended_at = breach.occurrences, ended_at

    def _check_episodes(self) -> Wrong | None:
        """The inbox says the same, and neither it nor the findings hold anything that the audit does not know."""
        left = dict(self._episodes)
        for row in self._connection.execute(select(_inbox).where(_inbox.c.order_id.is_not(None))):
            known = left.pop(row.breach_id, None)
            if known is None:
                return Wrong(row.order_id, 0, ("inbox",), finding=True)
            told = {name: getattr(known, name) for name in ("order_id", "rule_id", "occurrences", "ended_at")}
            differs = _differing(row, {**told, "status": "active"})
            if differs:
                return Wrong(known.order_id, known.seq, differs, finding=True)
        for known in left.values():
            return Wrong(known.order_id, known.seq, ("inbox",), finding=True)
        return self._unknown_finding()

    def _unknown_finding(self) -> Wrong | None:
        columns = (_occurrences.c.breach_id, _occurrences.c.phase, _occurrences.c.count, _occurrences.c.order_id)
        rows = self._connection.execute(select(*columns).where(_occurrences.c.order_id.is_not(None))).all()
        if len(rows) == self._findings:
            return None
        told = {(d["breach_id"], d["phase"], d["occurrences"]) for _, d in self._entries()}
        row = next(row for row in rows if tuple(row[:3]) not in told)
        return Wrong(row.order_id, 0, ("breach",), finding=True)

    # Orders

    def _check_orders(self) -> Wrong | None:
        query = select_orders().add_columns(_orders.c.collecting, _orders.c.opened_change_id)
        query = query.order_by(_orders.c.opened_change_id.desc())
        around = _Around(self._connection)
        newest: set[str] = set()
        wrong: list[Wrong] = []
        missing = dict(self._told)
        for row in self._connection.execute(query):
            told = missing.pop(row.order_id, None)
            if told is None:
                wrong.append(Wrong(row.order_id, 0))
                continue
            collecting = told.collecting and row.dedup_key not in newest
            newest.add(row.dedup_key)
            order = _readable(row)
            differs = self._differs(row, order, told, collecting=collecting)
            if differs is None and order is not None:
                differs = around.differs(order)
            if differs is not None:
                wrong.append(Wrong(row.order_id, told.seq, differs))
        wrong += [Wrong(order_id, told.seq) for order_id, told in missing.items()]
        return min(wrong, key=lambda one: one.seq, default=None)

    def _differs(self, row: Row[Any], order: Order | None, told: _Told, *, collecting: bool) -> tuple[str, ...] | None:
        """The columns of an order that are not as told, as far as they can be named; None when all is well."""
        told_columns = {"stage": told.stage, "version": told.version, "collecting": collecting}
        if told.opened_change_id is not None:
            told_columns["opened_change_id"] = told.opened_change_id
        differs = _differing(row, told_columns)
        if order is None:
            return (*differs, *self._columns_then(row, told.state_sha256))
        if told.state_sha256 is not None and state_hash(order) != told.state_sha256:
            return tuple(dict.fromkeys((*differs, *self._columns_then(row, told.state_sha256))))
        return differs or None

    def _columns_then(self, row: Row[Any], state_sha256: str | None) -> tuple[str, ...]:
        """Which columns are not as in the change that left the order as told, if that is still there."""
        table = tables.outbox
        query = select(table.c.payload).where(table.c.order_id == row.order_id).order_by(table.c.change_id.desc())
        for payload in self._connection.execute(query).scalars():
            try:
                then = msgspec.json.decode(payload, type=Order)
            except msgspec.MsgspecError:
                return ()
            if state_hash(then) == state_sha256:
                return _differing(row, columns_of({name: getattr(then, name) for name in then.__struct_fields__}))
        return ()


class _Around:
    """What is stored beside an order and follows from it: its areas, its squads, and the clock that runs."""

    def __init__(self, connection: Connection) -> None:
        self._areas = _grouped(connection, tables.order_areas.c.order_id, tables.order_areas.c.zone_id)
        self._squads = _grouped(connection, tables.order_squads.c.order_id, tables.order_squads.c.squad_id)
        running = select(tables.clocks).where(tables.clocks.c.stopped_at.is_(None))
        self._clocks = {row.order_id: row for row in connection.execute(running)}
        self._terms = {
            row.terms: msgspec.json.decode(row.stored, type=Terms)
            for row in connection.execute(select(tables.terms))
            if _sha256(row.stored) == row.terms
        }

    def differs(self, order: Order) -> tuple[str, ...] | None:
        """The tables that do not fit the order; None when all do."""
        fits = {
            "order_areas": self._areas.get(order.order_id, set()) == set(order.jurisdictions),
            "order_squads": self._squads.get(order.order_id, set()) == squads_of(order),
            "terms": order.terms is None or order.terms in self._terms,
            "clocks": self._clock_fits(order),
        }
        return tuple(name for name, fit in fits.items() if not fit) or None

    def _clock_fits(self, order: Order) -> bool:
        row, clock = self._clocks.get(order.order_id), order.clock
        if row is None or clock is None:
            return row is None and clock is None
        terms = self._terms.get(order.terms or "")
        if terms is None:
            return False
        told = {"step": clock.step, "started_at": clock.started_at, "working": clock.working}
        return not _differing(row, {**told, **columns_of_clock(clock, terms)})


def _readable(row: Row[Any]) -> Order | None:
    try:
        return order_of(row)
    except msgspec.MsgspecError:
        return None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _grouped(connection: Connection, key: Any, value: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for order_id, one in connection.execute(select(key, value)):
        found.setdefault(order_id, set()).add(one)
    return found


def _columns_of(breach: Breach, order_id: str, recorded_at: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "rule_id": breach.rule_id,
        "severity": breach.severity,
        "late": breach.late,
        "detected_at": instant(breach.detected_at),
        "ended_at": None if breach.ended_at is None else instant(breach.ended_at),
        "lon": breach.lon,
        "lat": breach.lat,
        "recorded_at": recorded_at,
    }


def _differing(row: Row[Any], told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, value in told.items() if row._mapping[name] != value)
