"""Both engines find the same, word for word, on random books and streams, and lack knowledge in the same rules."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rules.engine import Engine
from rules.engines import EngineName, compile_book
from rules.judgements import inexpressible
from rules.model import Rule, RuleBook
from tests.durable import durable_or_skip
from tests.properties.naive_values import World
from tests.properties.random_books import a_book
from tests.properties.random_streams import a_registry, a_stream, a_truck
from tests.properties.test_engine_oracle import PerAxle, of_detection, run_engine

durable_or_skip()


def found(rng: Random, book: tuple[Rule, ...], engine_name: EngineName) -> tuple[Any, ...]:
    calls, truck, world = a_stream(rng), a_truck(rng), World(a_registry(rng))
    law = PerAxle(world.kg_per_axle)
    compiled = compile_book(RuleBook(book, "random"), world.registry, law, world.tz, world.city_id, engine_name)
    engine = Engine(compiled, world.tz)
    detections = run_engine(engine, truck, calls, restarts=rng.random() < 0.5)
    lacking = {rule_id for rule_id, _ in compiled.unknowns}
    return [of_detection(detection) for detection in detections], engine.counters, lacking


def agree(seed: int) -> tuple[int, int]:
    """Compares both engines on what the second can express; how many rules that are, and how many findings."""
    rng = Random(seed)
    book = tuple(rule for rule in a_book(rng) if not inexpressible([rule]))
    stream_seed = rng.randrange(1 << 32)
    native = found(Random(stream_seed), book, "native")
    durable = found(Random(stream_seed), book, "durable")
    assert durable == native
    return len(book), len(native[0])


@pytest.mark.parametrize("seed", range(0, 200, 50))
def test_both_engines_find_the_same(seed: int) -> None:
    sums = [agree(seed) for seed in range(seed, seed + 50)]
    assert sum(rules for rules, _ in sums) > 50, "too few rules are left to compare"
    assert sum(findings for _, findings in sums) > 50, "too few findings to compare"


@pytest.mark.slow
def test_both_engines_find_the_same_ten_thousand_times() -> None:
    assert sum(agree(seed)[1] for seed in range(20_000, 30_000)) > 10_000
