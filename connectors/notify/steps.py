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
    "approval_asked",
    "approved",
    "declined",
    "withdrawn",
    "on_hold",
    "resumed",
    "extended",
    "void",
    "merged",
    "transferred",
    "answered",
    "rated",
    "reminder",
    "overdue",
    "overdue_red",
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
    "approval_asked": Text("待批准", "Approval asked"),
    "approved": Text("已批准", "Approved"),
    "declined": Text("不批准", "Declined"),
    "withdrawn": Text("申请已撤回", "Request withdrawn"),
    "on_hold": Text("已挂账", "On hold"),
    "resumed": Text("已恢复", "Resumed"),
    "extended": Text("已延期", "Extended"),
    "void": Text("已作废", "Void"),
    "merged": Text("已并案", "Merged"),
    "transferred": Text("已移送", "Transferred"),
    "answered": Text("部门已答复", "Department answered"),
    "rated": Text("已评价", "Rated"),
    "reminder": Text("时限提醒", "Time is running out"),
    "overdue": Text("超时督办", "Overdue"),
    "overdue_red": Text("红色督办", "Overdue: red"),
}
"""Every step and what people call it. `finding`: one joined the order, went on or ended, or an order was merged in."""

_BY_COMMAND: dict[str, Step] = {
    "rework": "rework",
    "decline": "declined",
    "withdraw": "withdrawn",
    "resume": "resumed",
    "extend": "extended",
    "answer": "answered",
    "rate": "rated",
}
"""What a command is called where that is not the stage to which it led."""
_APPROVED_STAGES = ("rejected", "void", "on_hold")

MINUTE_MS = 60_000


def step_of(change: Change) -> Step | None:
    """The step that a change is; None for another kind.

    A command is called by the stage it led to, with the exceptions above; a request is `approval_asked`, and what is
    approved is called by what follows from it.
    """
    kind, order = change.kind, change.order
    if order.pending is not None and order.pending.command == kind:
        return "approval_asked"
    if kind == "approve":
        name: str = order.stage if order.stage in _APPROVED_STAGES else "extended"
    else:
        name = _BY_COMMAND.get(kind, order.stage if kind in COMMANDS else kind)
    return name if _is_step(name) else None


def names_of(change: Change) -> tuple[Step, ...]:
    """The names under which a route may ask for a change: its step; of an approval `approved`, too."""
    step = step_of(change)
    if step is None:
        return ()
    return (step, "approved") if change.kind == "approve" else (step,)


def _is_step(name: str) -> TypeGuard[Step]:
    return name in STEPS


def deliveries_of(
    change: Change, change_ms: int, file: NotifyFile, squads: Mapping[str, Squad]
) -> Iterator[NewDelivery]:
    """What follows from a change that was made at `change_ms`: at most one delivery a channel and delay.

    Channels of squads that the file does not have are left out: see `unknown_channel_of`.
    """
    names = names_of(change)
    if not names:
        return
    step = names[0]
    wanted: dict[tuple[str, int | None], None] = {}
    for route in file.routes:
        if fits(route, names, change.order):
            for name in _channels(route.channels, change.order, squads):
                wanted.setdefault((name, route.after_min))
    if not set(names).isdisjoint(file.squads_on):
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


def fits(route: Route, names: Iterable[Step], order: Order) -> bool:
    """Whether the route is for a step of one of these names; what a route does not name it does not ask."""
    return (
        not set(names).isdisjoint(route.on)
        and (not route.category or order.category in route.category)
        and (not route.severity or order.severity in route.severity)
        and (not route.urgency or order.urgency in route.urgency)
        and (not route.zones or not set(route.zones).isdisjoint(order.zone_ids))
        and (not route.squads or order.squad_id in route.squads)
        and (route.late is None or order.late == route.late)
    )


def unknown_channel_of(change: Change, file: NotifyFile, squads: Mapping[str, Squad]) -> str | None:
    """The channel that the order's squad names and the file does not have, where that concerns this change."""
    if set(names_of(change)).isdisjoint(file.squads_on):
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
