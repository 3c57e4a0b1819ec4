"""Findings become orders: one order per episode, once, whatever is sent again.

What decides where a finding goes, in this order:
1. A record (breach_id, phase, occurrences) that is on file changes nothing.
2. A known breach_id adds to its order, in whatever stage that is (a shadow finding stays without one).
3. A new breach_id of a shadow rule is kept without an order.
4. A new episode joins the truck's collecting order of the same category when another rule saw the same conduct: its
   rule is not in that order yet and it lies within the join window of the order's findings. The same rule's new
   episode is new conduct by that rule's own key and cooldown, so it opens an order and the older one collects no more.
5. A late finding joins by time alone, whatever its rule (a replayed gap sees again what was seen live); otherwise it
   opens a late order, apart from the live ones, with urgency low.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.records import canonical, instant, instant_ms, order_of, select_orders
from haulwatch.domain.breaches import Breach, Severity
from haulwatch.domain.orders import Order, Urgency

SEVERITY_RANK: dict[Severity, int] = {"info": 0, "minor": 1, "major": 2, "critical": 3}
URGENCY_RANK: dict[Urgency, int] = {"low": 0, "normal": 1, "urgent": 2}

Outcome = tuple[str, str | None]
"""`opened`, `joined`, `updated`, `shadow` or `unchanged`, and the order's id if there is one."""


def urgency_by_severity(breach: Breach) -> Urgency:
    """How urgent a finding is when nobody says otherwise."""
    by_severity: dict[Severity, Urgency] = {"info": "low", "minor": "normal", "major": "urgent", "critical": "urgent"}
    return by_severity[breach.severity]


def ended_instant(breach: Breach) -> str | None:
    """When the episode ended, as far as this record knows."""
    return None if breach.ended_at is None else instant(breach.ended_at)


def last_seen(breach: Breach) -> str:
    """The latest instant at which the conduct was seen: `detected_at` stays that of the episode's first finding."""
    return max(instant(at) for at in (breach.detected_at, breach.ended_at, *(e.at for e in breach.evidence)) if at)


class Intake:
    """Takes findings in, one after the other, within one transaction."""

    def __init__(
        self, recorder: Recorder, timezone: ZoneInfo, join_window_ms: int, urgency_of: Callable[[Breach], Urgency]
    ) -> None:
        self._recorder = recorder
        self._connection = recorder.connection
        self._timezone = timezone
        self._join_window_ms = join_window_ms
        self._urgency_of = urgency_of

    def take(self, breach: Breach) -> Outcome:
        """Files one finding and says what became of it."""
        inbox = tables.inbox
        known = self._connection.execute(select(inbox).where(inbox.c.breach_id == breach.breach_id)).one_or_none()
        if known is not None:
            return self._continue(known, breach)
        if breach.status == "shadow":
            self._register(breach, None)
            return "shadow", None
        key, target = self._target(breach)
        if target is not None:
            self._register(breach, target)
            self._refresh(target, breach, "joined")
            return "joined", target
        return "opened", self._open(key, breach)

    def _continue(self, known: Row[Any], breach: Breach) -> Outcome:
        table = tables.occurrences
        same = (table.c.breach_id, breach.breach_id), (table.c.phase, breach.phase), (table.c.count, breach.occurrences)
        on_file = select(table.c.breach_id).where(*(column == value for column, value in same))
        if self._connection.execute(on_file).first() is not None:
            return "unchanged", known.order_id
        # The record that has counted furthest says whether the episode is over; at the same count its end does.
        if (breach.occurrences, breach.phase == "ended") > (known.occurrences, known.ended_at is not None):
            inbox = tables.inbox
            seen = {"occurrences": breach.occurrences, "ended_at": ended_instant(breach)}
            self._connection.execute(update(inbox).where(inbox.c.breach_id == breach.breach_id).values(seen))
        self._file(breach, known.order_id)
        if known.order_id is None:
            return "shadow", None
        self._refresh(known.order_id, breach, "ended" if breach.phase == "ended" else "updated")
        return "updated", known.order_id

    def _target(self, breach: Breach) -> tuple[str, str | None]:
        """The dedup key under which `breach` belongs, and the order that it joins (None: it opens one)."""
        live = f"{breach.truck_id}|{breach.category}"
        order = self._collecting(live)
        if order is not None and self._near(order, breach) and (breach.late or not self._has_rule(order, breach)):
            return live, order.order_id
        if not breach.late:
            return live, None
        late = f"{live}|late"
        order = self._collecting(late)
        return late, order.order_id if order is not None and self._near(order, breach) else None

    def _collecting(self, dedup_key: str) -> Row[str, str, str] | None:
        table = tables.orders
        columns = select(table.c.order_id, table.c.detected_at, table.c.last_detected_at)
        found = columns.where(table.c.dedup_key == dedup_key, table.c.collecting)
        return self._connection.execute(found).one_or_none()

    def _near(self, order: Row[str, str, str], breach: Breach) -> bool:
        detected_ms = instant_ms(breach.detected_at)
        first_ms = instant_ms(order.detected_at) - self._join_window_ms
        return first_ms <= detected_ms <= instant_ms(order.last_detected_at) + self._join_window_ms

    def _has_rule(self, order: Row[str, str, str], breach: Breach) -> bool:
        inbox = tables.inbox
        same = select(inbox.c.breach_id).where(inbox.c.order_id == order.order_id, inbox.c.rule_id == breach.rule_id)
        return self._connection.execute(same.limit(1)).first() is not None

    def _open(self, dedup_key: str, breach: Breach) -> str:
        orders = tables.orders
        before = (orders.c.dedup_key == dedup_key, orders.c.collecting)
        self._connection.execute(update(orders).where(*before).values(collecting=False))
        order = self._new_order(dedup_key, breach)
        row = {name: getattr(order, name) for name in order.__struct_fields__}
        for name in ("title", "summary", "zone_ids"):
            row[name] = canonical(row[name])
        row |= {"opened_change_id": order.change_id, "collecting": True, "breach": canonical(breach)}
        self._connection.execute(insert(orders).values(row))
        self._register(breach, order.order_id)
        self._record(order, breach, "opened", "opened")
        return order.order_id

    def _new_order(self, dedup_key: str, breach: Breach) -> Order:
        detected_at = instant(breach.detected_at)
        return Order(
            order_id=self._number(detected_at),
            version=1,
            change_id=self._recorder.next_change(),
            stage="new",
            category=breach.category,
            severity=breach.severity,
            urgency="low" if breach.late else self._urgency_of(breach),
            title=breach.title,
            summary=breach.summary,
            truck_id=breach.truck_id,
            rule_id=breach.rule_id,
            rule_hash=breach.rule_hash,
            city_hash=breach.city_hash,
            breach_id=breach.breach_id,
            dedup_key=dedup_key,
            late=breach.late,
            occurrences=breach.occurrences,
            lon=breach.lon,
            lat=breach.lat,
            zone_ids=breach.zone_ids,
            started_at=instant(breach.started_at),
            detected_at=detected_at,
            last_detected_at=last_seen(breach),
            ended_at=ended_instant(breach),
            opened_at=self._recorder.at,
            stage_at=self._recorder.at,
        )

    def _number(self, detected_at: str) -> str:
        """The next number of the local day on which the finding was made: `HW-20260501-0007`."""
        day = datetime.fromisoformat(detected_at).astimezone(self._timezone).strftime("%Y%m%d")
        table = tables.order_numbers
        last = self._connection.execute(select(table.c.last).where(table.c.day == day)).scalar()
        if last is None:
            self._connection.execute(insert(table).values(day=day, last=1))
        else:
            self._connection.execute(update(table).where(table.c.day == day).values(last=last + 1))
        return f"HW-{day}-{(last or 0) + 1:04d}"

    def _register(self, breach: Breach, order_id: str | None) -> None:
        row = {
            "breach_id": breach.breach_id,
            "order_id": order_id,
            "status": "shadow" if order_id is None else "active",
            "rule_id": breach.rule_id,
            "occurrences": breach.occurrences,
            "ended_at": ended_instant(breach),
        }
        self._connection.execute(insert(tables.inbox).values(row))
        self._file(breach, order_id)

    def _file(self, breach: Breach, order_id: str | None) -> None:
        row = {
            "breach_id": breach.breach_id,
            "phase": breach.phase,
            "count": breach.occurrences,
            "order_id": order_id,
            "rule_id": breach.rule_id,
            "severity": breach.severity,
            "late": breach.late,
            "detected_at": instant(breach.detected_at),
            "ended_at": ended_instant(breach),
            "lon": breach.lon,
            "lat": breach.lat,
            "recorded_at": self._recorder.at,
            "breach": canonical(breach),
        }
        self._connection.execute(insert(tables.occurrences).values(row))

    def _refresh(self, order_id: str, breach: Breach, action: str) -> None:
        """Brings the order's totals up to date after a finding was filed for it.

        They are computed from the episodes, not added up, so the order in which the findings came makes no difference.
        """
        orders, inbox = tables.orders, tables.inbox
        of_order = inbox.c.order_id == order_id
        total = func.sum(inbox.c.occurrences), func.max(inbox.c.ended_at), func.count() - func.count(inbox.c.ended_at)
        count, ended_at, going_on = self._connection.execute(select(*total).where(of_order)).one()
        is_order = orders.c.order_id == order_id
        before = order_of(self._connection.execute(select_orders().where(is_order)).one())
        urgency = before.urgency if breach.late or before.late else self._urgency_of(breach)
        changed = {
            "change_id": self._recorder.next_change(),
            "occurrences": int(count),
            "ended_at": None if going_on else ended_at,
            "last_detected_at": max(before.last_detected_at, last_seen(breach)),
            "severity": max(before.severity, breach.severity, key=SEVERITY_RANK.__getitem__),
            "urgency": max(before.urgency, urgency, key=URGENCY_RANK.__getitem__),
        }
        self._connection.execute(update(orders).where(is_order).values(changed))
        after = order_of(self._connection.execute(select_orders().where(is_order)).one())
        self._record(after, breach, action, "finding")

    def _record(self, order: Order, breach: Breach, action: str, kind: str) -> None:
        detail = {
            "breach_id": breach.breach_id,
            "phase": breach.phase,
            "occurrences": breach.occurrences,
            "rule_id": breach.rule_id,
            "rule_hash": breach.rule_hash,
            "city_hash": breach.city_hash,
            "breach_sha256": hashlib.sha256(canonical(breach).encode()).hexdigest(),
            "stage": order.stage,
            "version": order.version,
        }
        self._recorder.audit(SYSTEM, action, order.order_id, detail)
        self._recorder.change(kind, order)
