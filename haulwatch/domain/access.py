"""Who may see what: one place that decides about orders, trucks and plates, used by every route and every stream.

Roles at a desk see every order of their jurisdiction (() is the whole city). A squad member sees the orders that its
squad has, or has a task of. A wall sees figures only, a device nothing.
"""

from __future__ import annotations

import msgspec

from haulwatch.domain.orders import Actor, Order, OrderFilter, Reach, Role

DESK: tuple[Role, ...] = (
    "dispatcher",
    "duty_officer",
    "verifier",
    "operator",
    "rule_approver",
    "auditor",
    "administrator",
)
"""Roles that read the orders of their jurisdiction, whoever they were given to."""
READERS: tuple[Role, ...] = (*DESK, "squad")
"""Roles that read orders at all."""
PEOPLE: tuple[Role, ...] = (*READERS, "wall")
"""Roles of people: everybody but devices."""
LOOKERS: tuple[Role, ...] = ("operator", "rule_approver", "duty_officer", "auditor", "administrator")
"""Roles that see how the city is tuned."""
TUNERS: tuple[Role, ...] = ("operator", "rule_approver")
"""Roles that try changes, and that may go back to a city that was in force."""
COMMANDERS: tuple[Role, ...] = ("dispatcher", "duty_officer", "verifier", "squad")
"""Roles that may give some command; which one in which stage is the life cycle's to say."""
PLATES: tuple[Role, ...] = READERS
"""Roles that see number plates whole."""
EXPORTED_PLATES: tuple[Role, ...] = ("dispatcher", "duty_officer", "verifier", "auditor")
"""Roles whose tables have number plates whole: those who work on cases or look into them. A file goes on its own way,
and who tunes rules, looks after accounts or drives to the place needs no list of plates."""


EVERYTHING = Reach()
NOTHING = Reach(nothing=True)


def reach_of(actor: Actor) -> Reach:
    """The orders that the actor may see."""
    if not actor.roles.isdisjoint(DESK):
        return Reach(actor.jurisdiction)
    if "squad" in actor.roles and actor.squad_id:
        return Reach(actor.jurisdiction, actor.squad_id)
    return NOTHING


def may_see(actor: Actor, order: Order) -> bool:
    """Whether the actor may know of this order; where not, it does not exist for it."""
    return holds(reach_of(actor), order)


def holds(reach: Reach, order: Order) -> bool:
    """Whether the order is within the reach."""
    if reach.nothing:
        return False
    if reach.jurisdictions and not set(reach.jurisdictions).intersection(order.jurisdictions):
        return False
    return reach.squad_id is None or reach.squad_id in squads_of(order)


def visible(actor: Actor, where: OrderFilter) -> OrderFilter:
    """The filter, limited to what the actor may see besides what it asks for."""
    return msgspec.structs.replace(where, reach=reach_of(actor))


def squads_of(order: Order) -> frozenset[str]:
    """The squads that have the order, or a task of it."""
    return frozenset(squad for squad in (order.squad_id, *(task.squad_id for task in order.tasks)) if squad)


def sees_plates(actor: Actor, *, exported: bool = False) -> bool:
    """Whether number plates are shown to the actor as they are, on a page or in a file that leaves the house."""
    return not actor.roles.isdisjoint(EXPORTED_PLATES if exported else PLATES)


def masked_plate(plate: str) -> str:
    """A number plate that names nobody: `浙E·1**45` for `浙E12345`. The province, the letter and the last two stay;
    of a text that is no such plate only the last two characters do.
    """
    head = plate[:2] if len(plate) >= 7 else ""
    middle = plate[len(head) : -2]
    if not head:
        return "*" * len(middle) + plate[-2:] if middle else "*" * len(plate)
    return f"{head}·{middle[:1]}{'*' * (len(middle) - 1)}{plate[-2:]}"
