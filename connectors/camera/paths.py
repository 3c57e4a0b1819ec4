"""Where a value stands in a JSON document: `vehicle.plates.0.text`, or as a JSON pointer `/vehicle/plates/0/text`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

ALL = "*"
MAX_STEPS = 16
MAX_FOUND = 256
Steps: TypeAlias = "tuple[str, ...]"


def steps_of(path: Any) -> Steps:
    """A path as its steps. Raises the finding of an author's error."""
    if isinstance(path, str) and path.startswith("/"):
        steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    else:
        steps = tuple(path.split(".")) if isinstance(path, str) else ()
    if not steps or "" in steps or len(steps) > MAX_STEPS:
        raise author_error(
            "N050",
            Text("不是路径", "this is no path"),
            Text("写作 vehicle.plate 或 /vehicle/plate", "Write it like vehicle.plate or /vehicle/plate"),
        )
    return steps


JsonPath = Annotated[Steps, BeforeValidator(steps_of)]
"""The type of such a setting in a pydantic model."""


def values_at(value: Any, steps: Steps) -> list[Any]:
    """What stands there: nothing or one value, several where the path goes through `*`. At most `MAX_FOUND`."""
    found: list[Any] = []
    for one in _walk(value, steps):
        found.append(one)
        if len(found) == MAX_FOUND:
            break
    return found


def value_at(value: Any, steps: Steps) -> Any:
    """The first value there, None where there is none."""
    return next(_walk(value, steps), None)


def _walk(value: Any, steps: Steps) -> Iterator[Any]:
    if not steps:
        yield value
        return
    first, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if first in value:
            yield from _walk(value[first], rest)
        elif first == ALL:
            for one in value.values():
                yield from _walk(one, rest)
    elif isinstance(value, list):
        if first == ALL:
            for one in value:
                yield from _walk(one, rest)
        elif first.isascii() and first.isdigit() and len(first) < 7 and int(first) < len(value):
            yield from _walk(value[int(first)], rest)
