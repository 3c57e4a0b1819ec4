"""What happened to an order, in one word, and whom that concerns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, TypeGuard

from haulwatch.domain.deliveries import NewDelivery
from haulwatch.domain.orders import COMMANDS, Change, Order
from haulwatch.domain.registry import Squad
from haulwatch.domain.text import Text

if TYPE_CHECKING:
    from connectors.notify.settings import NotifyFile, Route

Step = Literal[
    "opened",
    "finding",
    "filed",
    "rejected",
    "dispatched",
    "returned",
    "accepted",
    "on_site",
    "handled",
    "verifying",
    "closed",
    "rework",
    "void",
]

STEPS: dict[Step, Text] = {
    "opened": Text("新工单", "New order"),
    "finding": Text("有新发现", "More findings"),
    "filed": Text("已立案", "Filed"),
    "rejected": Text("不予立案", "Rejected"),
    "dispatched": Text("已派遣", "Dispatched"),
    "returned": Text("已回退", "Returned"),
    "accepted": Text("已接单", "Accepted"),
    "on_site": Text("已到场", "On site"),
    "handled": Text("已处置", "Handled"),
    "verifying": Text("待核查", "To be verified"),
    "closed": Text("已结案", "Closed"),
    "rework": Text("返工", "Rework"),
    "void": Text("已作废", "Void"),
}
"""Every step and what people call it. `finding`: one joined the order, went on or ended."""

MINUTE_MS = 60_000


def step_of(change: Change) -> Step | None:
    """The step that a change is: a command is called by the stage it led to, except `rework`; None for another kind."""
    kind = change.kind
    name = change.order.stage if kind in COMMANDS and kind != "rework" else kind
    return name if _is_step(name) else None


def _is_step(name: str) -> TypeGuard[Step]:
    return name in STEPS


def deliveries_of(
    change: Change, change_ms: int, file: NotifyFile, squads: Mapping[str, Squad]
) -> Iterator[NewDelivery]:
    """What follows from a change that was made at `change_ms`: at most one delivery a channel and delay.

    Channels of squads that the file does not have are left out: see `unknown_channel_of`.
    """
    step = step_of(change)
    if step is None:
        return
    wanted: dict[tuple[str, int | None], None] = {}
    for route in file.routes:
        if fits(route, step, change.order):
            for name in _channels(route.channels, change.order, squads):
                wanted.setdefault((name, route.after_min))
    if step in file.squads_on:
        for name in _channels(["squad"], change.order, squads):
            wanted.setdefault((name, None))
    for name, after_min in wanted:
        if name in file.channels:
            yield NewDelivery(
                change_id=change.change_id,
                order_id=change.order.order_id,
                step=step if after_min is None else f"{step}+{after_min}m",
                channel=name,
                due_ms=change_ms + (after_min or 0) * MINUTE_MS,
                if_unchanged=after_min is not None,
            )


def fits(route: Route, step: Step, order: Order) -> bool:
    """Whether the route is for this step of this order; what a route does not name it does not ask."""
    return (
        step in route.on
        and (not route.category or order.category in route.category)
        and (not route.severity or order.severity in route.severity)
        and (not route.urgency or order.urgency in route.urgency)
        and (not route.zones or not set(route.zones).isdisjoint(order.zone_ids))
        and (not route.squads or order.squad_id in route.squads)
        and (route.late is None or order.late == route.late)
    )


def unknown_channel_of(change: Change, file: NotifyFile, squads: Mapping[str, Squad]) -> str | None:
    """The channel that the order's squad names and the file does not have, where that concerns this change."""
    step = step_of(change)
    if step is None or step not in file.squads_on:
        return None
    return next((name for name in _channels(["squad"], change.order, squads) if name not in file.channels), None)


def _channels(names: Iterable[str], order: Order, squads: Mapping[str, Squad]) -> Iterator[str]:
    for name in names:
        if name != "squad":
            yield name
            continue
        squad = squads.get(order.squad_id or "")
        if squad is not None and squad.channel:
            yield squad.channel
