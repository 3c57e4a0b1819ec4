"""The order desk as one actor sees it: what it may not see does not exist, whatever it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haulwatch.domain.access import may_see, reach_of, visible
from haulwatch.domain.deliveries import DeliveryEntry
from haulwatch.domain.orders import (
    STAGES,
    Actor,
    Order,
    OrderDesk,
    OrderDetail,
    OrderError,
    OrderFilter,
    OrderPage,
    Reach,
    Stage,
    Step,
    UnknownOrder,
)

EVERY_ORDER = OrderFilter()
FINAL: frozenset[Stage] = frozenset(("closed", "rejected", "void", "merged", "transferred"))
OPEN: tuple[Stage, ...] = tuple(stage for stage in STAGES if stage not in FINAL)
PAGE = 500


class Reached:
    """The desk within the reach of one actor; everything is done in its name."""

    def __init__(self, desk: OrderDesk, actor: Actor) -> None:
        self.desk, self.actor = desk, actor

    def list(self, where: OrderFilter = EVERY_ORDER, *, cursor: str | None = None, limit: int = 50) -> OrderPage:
        """A page of the orders that the actor may see."""
        return self.desk.list(visible(self.actor, where), cursor=cursor, limit=limit)

    def get(self, order_id: str) -> OrderDetail:
        """Everything about one order; raises `UnknownOrder` also where there is one out of reach."""
        detail = self.desk.get(order_id, self.actor)
        if not may_see(self.actor, detail.order):
            raise UnknownOrder(order_id)
        return detail

    def counts(self) -> dict[Stage, int]:
        """How many orders the actor may see in each stage."""
        return self.desk.counts(reach_of(self.actor))

    def notices(self, order_id: str) -> Sequence[DeliveryEntry]:
        """Who was told of an order."""
        self.get(order_id)
        return self.desk.notices(order_id)

    def command(
        self,
        order_id: str,
        command: str,
        *,
        expected_version: int,
        data: Mapping[str, Any],
        idempotency_key: str | None,
    ) -> Order:
        """Carries out a command on an order within reach, or answers its repeat."""
        return self.desk.command(
            order_id,
            command,
            expected_version=expected_version,
            actor=self.actor,
            data=data,
            idempotency_key=idempotency_key,
            reach=reach_of(self.actor),
        )

    def after(self, done: Order) -> OrderDetail:
        """Everything about an order that the actor has just changed; of one that it may no longer see (a squad returns
        it) what the actor made of it, and nothing of what happened to it."""
        detail = self.desk.get(done.order_id, self.actor)
        if may_see(self.actor, detail.order):
            return detail
        return msgspec.structs.replace(detail, order=done, occurrences=[], audit=[], commands=[])

    def bulk(
        self, command: str, steps: Sequence[Step], *, data: Mapping[str, Any], idempotency_key: str | None
    ) -> Sequence[Order | OrderError]:
        """The same command for many orders; one out of reach is unknown, as if it were not there."""
        return self.desk.bulk(
            command,
            steps,
            actor=self.actor,
            data=data,
            idempotency_key=idempotency_key,
            reach=reach_of(self.actor),
        )

    def note(self, order_id: str, action: str, *, detail: Mapping[str, Any]) -> None:
        """Puts on record that something was done about an order within reach."""
        self.get(order_id)
        self.desk.note(order_id, action, actor=self.actor, detail=detail)


def trucks_of(desk: OrderDesk, actor: Actor) -> frozenset[str] | None:
    """The trucks whose positions the actor may see: None for all, of a squad member those of its open orders."""
    reach = reach_of(actor)
    return None if reach.squad_id is None and not reach.nothing else open_trucks(desk, reach)


def open_trucks(desk: OrderDesk, reach: Reach) -> frozenset[str]:
    """The trucks of the orders within reach that are still open."""
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = desk.list(OrderFilter(stages=OPEN, reach=reach), cursor=cursor, limit=PAGE)
        found.update(order.truck_id for order in page.orders)
        cursor = page.next_cursor
        if cursor is None:
            return frozenset(found)
