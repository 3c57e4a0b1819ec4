"""A city with rules that have params, and people who tune and approve them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haulwatch.city import pack_city
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor
from haulwatch.testing import city_files_of, city_of

RULES = """\
rules:
  - id: fast
    title: {zh: 超速, en: Fast}
    category: speed
    severity: minor
    status: active
    owner: 渣土科
    law: [cn-air-116]
    runbook: {zh: 核对, en: check}
    params: {limit: {value: 80, min: 40, max: 120, label: {zh: 限速, en: limit}}}
    match: {on: position, where: speed_kmh > $limit}
    episode: {key: [truck_id], cooldown: 30m}
    work_order: {urgency: normal}
    examples:
      - {name: 快, events: [{t: 0s, on: position, speed_kmh: 90}], until: 1m, expect: [{at: 0s, category: speed}]}
      - {name: 慢, events: [{t: 0s, on: position, speed_kmh: 30}], until: 1m, expect: []}
  - id: stand
    title: {zh: 久停, en: Stands}
    category: route
    severity: minor
    status: active
    owner: 渣土科
    law: [cn-air-116]
    runbook: {zh: 核对, en: check}
    params: {stay: {value: 2m, min: 1m, max: 1h}}
    match: {while: not truck.moving, for: $stay}
    episode: {key: [truck_id], cooldown: 30m}
    work_order: {urgency: normal}
    examples:
      - {name: 停, events: [{t: 0s, on: position, speed_kmh: 0}, {t: 60s, on: position, speed_kmh: 0},
         {t: 130s, on: position, speed_kmh: 0}], until: 4m, expect: [{at: 3m, category: route}]}
      - {name: 走, events: [{t: 0s, on: position, speed_kmh: 30}], until: 3m, expect: []}
"""
FILES = city_files_of(RULES)
CITY_HASH = city_of(RULES).city_hash
OPERATOR = Actor("operator", frozenset(("operator",)))
APPROVER = Actor("approver", frozenset(("rule_approver",)))
BOTH = Actor("both", frozenset(("operator", "rule_approver")))


def faster(limit: int) -> dict[str, bytes]:
    """The city's files with another limit."""
    return {**FILES, "rules/test.yaml": RULES.replace("value: 80", f"value: {limit}").encode()}


@pytest.fixture
def store(database_url: str) -> Iterator[OrderStore]:
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def desk(store: OrderStore) -> Rollouts:
    """With the city in force."""
    desk = store.rollouts()
    desk.found(CITY_HASH, pack_city(FILES), folder=True)
    return desk
