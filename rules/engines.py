"""Which engine judges the conditions of a book: `native`, or `durable` where the extra is installed."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from haulwatch.domain.errors import WorldError
from haulwatch.domain.registry import Registry
from haulwatch.domain.text import Text
from rules.compiling import CompiledBook
from rules.facts import Law, World
from rules.model import RuleBook

EngineName = Literal["native", "durable"]


def compile_book(
    book: RuleBook, registry: Registry, law: Law, timezone: ZoneInfo, city_id: str, engine: EngineName = "native"
) -> CompiledBook:
    """Compiles the active and shadow rules of `book` for one city.

    `registry`, `law` and `timezone` are what names such as `truck.permitted`, `limit_kg()` and `trip.in_hours` rest on.
    WorldError where the engine is not installed; what `durable` cannot express is the caller's to refuse before
    (`rules.judgements.inexpressible`).
    """
    world = World(registry, law, timezone, city_id)
    if engine == "native":
        return CompiledBook(book, world)
    try:
        from rules.durable_book import DurableBook
    except ImportError as error:
        raise WorldError(
            Text(
                "city.yaml 要求规则引擎 durable，但没有安装 durable-rules："
                f"pip install 'haulwatch[durable]'（{error}）",
                "city.yaml asks for the rule engine durable, and durable-rules is not installed: "
                f"pip install 'haulwatch[durable]' ({error})",
            )
        ) from error
    return DurableBook(book, world)
