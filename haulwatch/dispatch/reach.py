"""What somebody may see, as conditions on a query of orders."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, or_, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.records import storable
from haulwatch.domain.orders import Reach


def within(reach: Reach) -> list[ColumnElement[bool]]:
    """Conditions that only orders within reach fulfil; none for who may see them all."""
    if reach.nothing:
        return [false()]
    conditions = []
    if reach.jurisdictions:
        conditions.append(_listed(tables.order_areas, tables.order_areas.c.zone_id, reach.jurisdictions))
    if reach.squad_id is not None:
        of_squad = _listed(tables.order_squads, tables.order_squads.c.squad_id, (reach.squad_id,))
        conditions.append(or_(tables.orders.c.squad_id == reach.squad_id, of_squad))
    return conditions


def _listed(table: Any, column: Any, wanted: tuple[str, ...]) -> ColumnElement[bool]:
    ids = select(table.c.order_id).where(column.in_([one for one in wanted if storable(one)]))
    return tables.orders.c.order_id.in_(ids)
