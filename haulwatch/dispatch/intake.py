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
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row, bindparam, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.clocks import STEP_OF, Clocks, started_clock
from haulwatch.dispatch.duty import DutyPlan
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.records import canonical, columns_of, instant, instant_ms, order_of, order_row, storable
from haulwatch.dispatch.routing import Route
from haulwatch.dispatch.service_terms import Terms, keep_terms
from haulwatch.dispatch.totals import totals_with
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.orders import Order
from haulwatch.domain.text import Text

LONGEST = {"breach_id": 128, "rule_id": 128, "rule_hash": 128, "city_hash": 128, "truck_id": 32}
MOST_OCCURRENCES = 2**31 - 1

Outcome = tuple[str, str | None]
"""`opened`, `joined`, `updated`, `shadow` or `unchanged`, and the order's id if there is one."""


_orders, _inbox, _occurrences, _numbers = tables.orders, tables.inbox, tables.occurrences, tables.order_numbers
# Statements are built once: building one takes longer than running it.
_KNOWN = select(_inbox.c.order_id, _inbox.c.occurrences, _inbox.c.ended_at).where(
    _inbox.c.breach_id == bindparam("of_breach")
)
_ON_FILE = select(_occurrences.c.breach_id).where(
    _occurrences.c.breach_id == bindparam("of_breach"),
    _occurrences.c.phase == bindparam("of_phase"),
    _occurrences.c.count == bindparam("of_count"),
)
_COLLECTING = select(_orders.c.order_id, _orders.c.detected_at, _orders.c.last_detected_at).where(
    _orders.c.dedup_key == bindparam("of_key"), _orders.c.collecting
)
_HAS_RULE = (
    select(_inbox.c.breach_id)
    .where(_inbox.c.order_id == bindparam("of_order"), _inbox.c.rule_id == bindparam("of_rule"))
    .limit(1)
)
_LAST_NUMBER = select(_numbers.c.last).where(_numbers.c.day == bindparam("of_day"))
_INSERT_NUMBER, _UPDATE_NUMBER = insert(_numbers), update(_numbers).where(_numbers.c.day == bindparam("of_day"))
_INSERT_ORDER, _UPDATE_ORDER = insert(_orders), update(_orders).where(_orders.c.order_id == bindparam("of_order"))
_INSERT_INBOX, _UPDATE_INBOX = insert(_inbox), update(_inbox).where(_inbox.c.breach_id == bindparam("of_breach"))
_INSERT_OCCURRENCE = insert(_occurrences)
_INSERT_AREA, _INSERT_SQUAD = insert(tables.order_areas), insert(tables.order_squads)


def check_fits(breach: Breach) -> None:
    """Raises `DeviceError` (`unfit_breach`) for a finding that no database could hold, whatever this one lets pass."""
    for name, longest in LONGEST.items():
        value: str = getattr(breach, name)
        if not 0 < len(value) <= longest or not storable(value):
            raise DeviceError(
                "unfit_breach",
                Text(f"{name} 应为 1 至 {longest} 个字符的文本", f"{name}: not a text of 1 to {longest} characters"),
            )
    if not 0 < breach.occurrences <= MOST_OCCURRENCES:
        text = Text(f"occurrences 应为 1 至 {MOST_OCCURRENCES}", f"occurrences: not from 1 to {MOST_OCCURRENCES}")
        raise DeviceError("unfit_breach", text)


def ended_instant(breach: Breach) -> str | None:
    """When the episode ended, as far as this record knows."""
    return None if breach.ended_at is None else instant(breach.ended_at)


def last_seen(breach: Breach) -> str:
    """The latest instant at which the conduct was seen: `detected_at` stays that of the episode's first finding."""
    return max(instant(at) for at in (breach.detected_at, breach.ended_at, *(e.at for e in breach.evidence)) if at)


Known = Row[str | None, int, str | None]
"""`order_id`, `occurrences` and `ended_at` of an episode in the inbox."""
Collecting = Row[str, str, str]
"""`order_id`, `detected_at` and `last_detected_at` of an order that findings may join."""


class Intake:
    """Takes findings in, one after the other, within one transaction; `close` comes last."""

    def __init__(self, recorder: Recorder, timezone: ZoneInfo, join_window_ms: int, plan: DutyPlan) -> None:
        self._recorder = recorder
        self._connection = recorder.connection
        self._timezone = timezone
        self._join_window_ms = join_window_ms
        self._plan = plan
        self._last_numbers: dict[str, int] = {}

    def take(self, breach: Breach) -> Outcome:
        """Files one finding and says what became of it. Raises `DeviceError` for one that cannot be held."""
        check_fits(breach)
        known = self._connection.execute(_KNOWN, {"of_breach": breach.breach_id}).one_or_none()
        if known is not None:
            return self._continue(known, breach)
        stored = canonical(breach)
        if breach.status == "shadow":
            self._register(breach, stored, None)
            return "shadow", None
        key, collecting = self._place(breach)
        if collecting is None or not self._joins(collecting, breach):
            return "opened", self._open(key, collecting, breach, stored)
        self._register(breach, stored, collecting.order_id)
        self._refresh(collecting.order_id, breach, stored, "joined")
        return "joined", collecting.order_id

    def close(self) -> None:
        """Writes how far the order numbers have got."""
        for day, last in self._last_numbers.items():
            if self._connection.execute(_UPDATE_NUMBER, {"of_day": day, "last": last}).rowcount == 0:
                self._connection.execute(_INSERT_NUMBER, {"day": day, "last": last})

    def _continue(self, known: Known, breach: Breach) -> Outcome:
        record = {"of_breach": breach.breach_id, "of_phase": breach.phase, "of_count": breach.occurrences}
        if self._connection.execute(_ON_FILE, record).first() is not None:
            return "unchanged", known.order_id
        # The record that has counted furthest says whether the episode is over; at the same count its end does.
        if (breach.occurrences, breach.phase == "ended") > (known.occurrences, known.ended_at is not None):
            seen = {"occurrences": breach.occurrences, "ended_at": ended_instant(breach)}
            self._connection.execute(_UPDATE_INBOX, {"of_breach": breach.breach_id, **seen})
        stored = canonical(breach)
        self._file(breach, stored, known.order_id)
        if known.order_id is None:
            return "shadow", None
        self._refresh(known.order_id, breach, stored, "ended" if breach.phase == "ended" else "updated")
        return "updated", known.order_id

    def _place(self, breach: Breach) -> tuple[str, Collecting | None]:
        """The dedup key under which a new episode belongs, and the order that collects there."""
        live = f"{breach.truck_id}|{breach.category}"
        collecting = self._collecting(live)
        if not breach.late or (collecting is not None and self._joins(collecting, breach)):
            return live, collecting
        late = f"{live}|late"
        return late, self._collecting(late)

    def _collecting(self, dedup_key: str) -> Collecting | None:
        return self._connection.execute(_COLLECTING, {"of_key": dedup_key}).one_or_none()

    def _joins(self, order: Collecting, breach: Breach) -> bool:
        detected_ms = instant_ms(breach.detected_at)
        first_ms = instant_ms(order.detected_at) - self._join_window_ms
        if not first_ms <= detected_ms <= instant_ms(order.last_detected_at) + self._join_window_ms:
            return False
        same_rule = {"of_order": order.order_id, "of_rule": breach.rule_id}
        return breach.late or self._connection.execute(_HAS_RULE, same_rule).first() is None

    def _open(self, dedup_key: str, older: Collecting | None, breach: Breach, stored: str) -> str:
        if older is not None:
            self._connection.execute(_UPDATE_ORDER, {"of_order": older.order_id, "collecting": False})
        terms = self._plan.terms()
        route = self._plan.route(breach, instant_ms(self._recorder.at))
        order = self._new_order(dedup_key, breach, route, terms)
        row = columns_of({name: getattr(order, name) for name in order.__struct_fields__})
        row |= {"opened_change_id": order.change_id, "collecting": True, "breach": stored}
        self._connection.execute(_INSERT_ORDER, row)
        Clocks(self._recorder).opened(order, terms)
        self._place_order(order)
        self._register(breach, stored, order.order_id)
        self._record(order, breach, stored, "opened", "opened", routing=route.why)
        return order.order_id

    def _place_order(self, order: Order) -> None:
        """Writes who sees the order because of where it is, and whom it may concern."""
        areas = [{"zone_id": zone_id, "order_id": order.order_id} for zone_id in order.jurisdictions]
        squads = {task.squad_id for task in order.tasks if task.squad_id is not None}
        if areas:
            self._connection.execute(_INSERT_AREA, areas)
        if squads:
            self._connection.execute(
                _INSERT_SQUAD, [{"squad_id": s, "order_id": order.order_id} for s in sorted(squads)]
            )

    def _new_order(self, dedup_key: str, breach: Breach, route: Route, terms: Terms) -> Order:
        detected_at = instant(breach.detected_at)
        urgency = "low" if breach.late else self._plan.urgency_of(breach)
        return Order(
            order_id=self._number(detected_at),
            version=1,
            change_id=self._recorder.next_change(),
            stage="new",
            category=breach.category,
            severity=breach.severity,
            urgency=urgency,
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
            jurisdictions=list(route.jurisdictions),
            proposed_squad_id=route.squad_id,
            duty_desk=route.duty_desk,
            tasks=list(route.tasks),
            terms=keep_terms(self._connection, terms),
            clock=started_clock(terms, STEP_OF["new"], urgency, instant_ms(self._recorder.at)),
        )

    def _number(self, detected_at: str) -> str:
        """The next number of the local day on which the finding was made: `HW-20260501-0007`."""
        day = datetime.fromisoformat(detected_at).astimezone(self._timezone).strftime("%Y%m%d")
        if day not in self._last_numbers:
            self._last_numbers[day] = self._connection.execute(_LAST_NUMBER, {"of_day": day}).scalar() or 0
        self._last_numbers[day] += 1
        return f"HW-{day}-{self._last_numbers[day]:04d}"

    def _register(self, breach: Breach, stored: str, order_id: str | None) -> None:
        row = {
            "breach_id": breach.breach_id,
            "order_id": order_id,
            "status": "shadow" if order_id is None else "active",
            "rule_id": breach.rule_id,
            "occurrences": breach.occurrences,
            "ended_at": ended_instant(breach),
        }
        self._connection.execute(_INSERT_INBOX, row)
        self._file(breach, stored, order_id)

    def _file(self, breach: Breach, stored: str, order_id: str | None) -> None:
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
            "breach": stored,
        }
        self._connection.execute(_INSERT_OCCURRENCE, row)

    def _refresh(self, order_id: str, breach: Breach, stored: str, action: str) -> None:
        """Brings the order's totals up to date after a finding was filed for it."""
        row = order_row(self._connection, order_id)
        assert row is not None, f"the inbox knows order {order_id}, which is not there"
        before = order_of(row)
        urgency = before.urgency if breach.late or before.late else self._plan.urgency_of(breach)
        changed: dict[str, Any] = {"change_id": self._recorder.next_change()}
        changed |= totals_with(self._connection, before, last_seen(breach), breach.severity, urgency)
        self._connection.execute(_UPDATE_ORDER, {"of_order": order_id, **changed})
        self._record(msgspec.structs.replace(before, **changed), breach, stored, action, "finding")

    def _record(
        self, order: Order, breach: Breach, stored: str, action: str, kind: str, routing: tuple[Text, ...] = ()
    ) -> None:
        detail: dict[str, Any] = {
            "breach_id": breach.breach_id,
            "phase": breach.phase,
            "occurrences": breach.occurrences,
            "rule_id": breach.rule_id,
            "rule_hash": breach.rule_hash,
            "city_hash": breach.city_hash,
            "breach_sha256": hashlib.sha256(stored.encode()).hexdigest(),
        }
        if action == "opened":
            detail["change_id"] = order.change_id
        if routing:
            detail["routing"] = routing
        self._recorder.audit_order(SYSTEM, action, order, detail)
        self._recorder.change(kind, order)
