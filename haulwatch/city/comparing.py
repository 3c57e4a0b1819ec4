"""What is different between two cities, and what a change does to what rules remember of trucks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from geofences.zones import Zone
from haulwatch.city.assembly import City
from haulwatch.domain.rollouts import CityChanges, FieldChange, Memory, RuleChange, TableChange, ZoneChange
from rules.hashing import same_meaning
from rules.model import Param, Rule
from rules.param_reader import duration_text

SETTINGS = ("city_id", "timezone", "datum", "lateness_ms", "gap_ms", "accuracy_m", "rules_engine")
TABLES = ("trucks", "stations", "cameras", "permits", "squads")
_SHORT = ("status", "severity", "category", "owner")
_IN_PARAMS = frozenset({"place", "rule_hash", "match_hash", "params", "examples"})


def compare_cities(old: City, new: City) -> CityChanges:
    """What `new` has otherwise than `old`, and which rules keep their memory.

    The memory of a rule is kept exactly when its match, params filled in, is the same in both (docs/rules.md).
    """
    memory = _memories(old, new)
    return CityChanges(
        settings=list(_settings(old, new)),
        rules=list(_rules(old, new, memory)),
        zones=list(zone_changes(old.zones, new.zones)),
        tables=list(_tables(old, new)),
        memory_kept=sum(state == "kept" for state in memory.values()),
        memory_dropped=sum(state == "dropped" for state in memory.values()),
    )


def _memories(old: City, new: City) -> dict[str, Memory]:
    """What becomes of each rule's memory, for rules that decide in one of both."""
    before = {rule.rule_id: rule.match_hash for rule in old.compiled.rules}
    after = {rule.rule_id: rule.match_hash for rule in new.compiled.rules}
    fresh: dict[str, Memory] = dict.fromkeys(after.keys() - before.keys(), "none")
    had: dict[str, Memory] = {
        rule_id: "kept" if after.get(rule_id) == match else "dropped" for rule_id, match in before.items()
    }
    return fresh | had


def _settings(old: City, new: City) -> Iterator[FieldChange]:
    for name in SETTINGS:
        before = str(getattr(old, name))
        after = str(getattr(new, name))
        if before != after:
            yield FieldChange(name, before, after)
    laws = [", ".join(pack.id for pack in city.law.packs) for city in (old, new)]
    if laws[0] != laws[1]:
        yield FieldChange("law", *laws)
    if (old.calendar, old.limits) != (new.calendar, new.limits):
        yield FieldChange("calendar")


def _rules(old: City, new: City, memory: Mapping[str, Memory]) -> Iterator[RuleChange]:
    before = {rule.rule_id: rule for rule in old.book.rules}
    after = {rule.rule_id: rule for rule in new.book.rules}
    for rule_id in sorted(before.keys() | after.keys()):
        was, now = before.get(rule_id), after.get(rule_id)
        state = memory.get(rule_id, "none")
        if was is None and now is not None:
            yield RuleChange(rule_id, now.title, "added", state, [FieldChange("status", None, now.status)])
        elif now is None and was is not None:
            yield RuleChange(rule_id, was.title, "removed", state, [FieldChange("status", was.status, None)])
        elif was is not None and now is not None:
            changed = [*_params(was, now), *_other(was, now)]
            if changed:
                yield RuleChange(rule_id, now.title, "changed", state, changed)


def _params(was: Rule, now: Rule) -> Iterator[FieldChange]:
    for name in {**was.params, **now.params}:
        old, new = (shown_param(rule.params.get(name)) for rule in (was, now))
        if old != new:
            yield FieldChange(f"params.{name}", old, new)


def shown_param(param: Param | None) -> str | None:
    """A param's value as its author writes it: `2m`, `0.8`."""
    if param is None:
        return None
    if isinstance(param.value, bool):
        return str(param.value).lower()
    if isinstance(param.value, str):
        return param.value
    return duration_text(param.value) if param.unit == "duration" else f"{param.value:g}"


def _other(was: Rule, now: Rule) -> Iterator[FieldChange]:
    """All but params; a match that differs by its params only is told by these."""
    for name in (field.name for field in fields(was)):
        old, new = getattr(was, name), getattr(now, name)
        if name in _IN_PARAMS or same_meaning(old, new):
            continue
        if name in ("match", "unless") and was.params != now.params:
            continue
        yield FieldChange(name, old, new) if name in _SHORT else FieldChange(name)


def zone_changes(old: Iterable[Zone], new: Iterable[Zone]) -> Iterator[ZoneChange]:
    """Zones that are new, gone or otherwise, by id."""
    before = {zone.zone_id: zone for zone in old}
    after = {zone.zone_id: zone for zone in new}
    for zone_id in sorted(before.keys() | after.keys()):
        was, now = before.get(zone_id), after.get(zone_id)
        if was is None and now is not None:
            yield ZoneChange(zone_id, now.name, "added")
        elif now is None and was is not None:
            yield ZoneChange(zone_id, was.name, "removed")
        elif was is not None and now is not None:
            changed = [field.name for field in fields(Zone) if not _same(was, now, field.name)]
            if changed:
                yield ZoneChange(zone_id, now.name, "changed", changed)


def _same(was: Zone, now: Zone, name: str) -> bool:
    old, new = getattr(was, name), getattr(now, name)
    return bool(old.equals_exact(new, 0.0)) if name in ("geometry", "outline") else bool(old == new)


def _tables(old: City, new: City) -> Iterator[TableChange]:
    for table in TABLES:
        before = getattr(old.registry, table)
        after = getattr(new.registry, table)
        added, removed = len(after.keys() - before.keys()), len(before.keys() - after.keys())
        changed = sum(before[key] != after[key] for key in before.keys() & after.keys())
        if added or removed or changed:
            yield TableChange(table, added, removed, changed)
