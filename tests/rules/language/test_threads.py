"""Several threads of a process read rules at the same time: those of its partitions, the console's drafts, tests."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rules.lexing import parse

EXPRESSION = "a.b > 3 and (c.d < 4 or not e.f) and g.h + 3 * (2 + i.j) > 4"


def gives_way(_phase: str, _about: dict[str, int]) -> None:
    time.sleep(1e-4)


@pytest.fixture
def collector_that_gives_way() -> Iterator[None]:
    """It runs all the time, also inside the parser, and lets other threads go on meanwhile."""
    thresholds = gc.get_threshold()
    gc.callbacks.append(gives_way)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(gives_way)


@pytest.mark.usefixtures("collector_that_gives_way")
def test_expressions_are_read_by_several_threads_at_once() -> None:
    def read(_number: int) -> bool:
        parsed = parse(EXPRESSION, lambda *_: None)
        return parsed is not None and parsed.segment(parsed.tree) == EXPRESSION

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(12_000)))
