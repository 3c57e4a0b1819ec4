"""Where a value stands in decoded JSON: `gps.lon`, `axles.0.kg`, or as a JSON pointer (RFC 6901) `/gps/lon`.

A step that is `*` goes through every item of a list, or every value of an object without such a key. A pointer is for
keys that have dots in them and others below; `~1` in it is a slash, `~0` a tilde.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic_core import PydanticCustomError

from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

ALL = "*"
MAX_STEPS = 16
MAX_FOUND = 256
_KNOWN = 4_096
_Step = tuple[str, str | None]
"""A name, and with all that follows in the path, for keys that have dots in them."""


class Several(list[Any]):
    """What a path with `*` in it finds."""


def is_path(text: str) -> bool:
    """Whether it can be one; `*` counts as a step."""
    names = [name for name, _ in _steps(text)]
    return 0 < len(names) <= MAX_STEPS and "" not in names


def no_path(*inside: str | int) -> PydanticCustomError:
    """The finding of an author's error."""
    hint = Text("写作 vehicle.plate 或 /vehicle/plate", "Write it like vehicle.plate or /vehicle/plate")
    return author_error("N037", Text("不是路径", "this is no path"), hint, inside=inside)


def at_path(value: Any, path: str) -> Any:
    """What stands there: one value, None where there is none; `Several` where the path goes through `*`."""
    found = values_at(value, path)
    if ALL in path and any(name == ALL for name, _ in _steps(path)):
        return Several(found)
    return found[0] if found else None


def values_at(value: Any, path: str) -> list[Any]:
    """All that stands there, null too: nothing or one value, and at most `MAX_FOUND` with `*`."""
    found: list[Any] = []
    _walk(value, _steps(path), found)
    return found


def records_at(value: Any, path: str | None) -> list[Any] | None:
    """The items of a list there (without a path: of `value`), of every list with `*`; an object is a list of itself.

    None where there is neither.
    """
    found = [value] if path is None else values_at(value, path)
    lists = [one if isinstance(one, list) else [one] for one in found if isinstance(one, dict | list)]
    return [item for items in lists for item in items] if lists else None


@lru_cache(_KNOWN)
def _steps(path: str) -> tuple[_Step, ...]:
    if path.startswith("/"):
        return tuple((name.replace("~1", "/").replace("~0", "~"), None) for name in path[1:].split("/"))
    names = path.split(".")
    return tuple((name, ".".join(names[number:])) for number, name in enumerate(names))


def _walk(value: Any, steps: tuple[_Step, ...], found: list[Any]) -> None:
    if len(found) == MAX_FOUND:
        return
    for number, (name, whole) in enumerate(steps, 1):
        if isinstance(value, dict):
            if whole in value:
                found.append(value[whole])
                return
            if name in value:
                value = value[name]
                continue
        elif not isinstance(value, list):
            return
        elif name.isascii() and name.isdigit() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
            continue
        if name == ALL:
            for one in value.values() if isinstance(value, dict) else value:
                _walk(one, steps[number:], found)
        return
    found.append(value)
