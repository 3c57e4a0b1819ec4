"""What a rule book finds in a finished stream, straight from the written definition (docs/decisions/0004).

Everything is known beforehand: sort, look forwards and backwards as often as needed, quadratic and obvious. Shares no
code with the engine or the compile step; only the shapes of rules and events.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import TruckState
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch, WhileMatch
from tests.properties.naive_values import EPOCH, Sight, World, in_hours, names_in, truth, witnesses

BASE = ("position", "weighing", "sighting", "manifest")
EVENT, DEADLINE = 0, 1
LAST = 10**6

When = tuple[int, int, int]
"""A place in the order of things: instant, EVENT before DEADLINE, number of the event."""


@dataclass(frozen=True)
class Seen:
    """One event as it was applied: `state` is the truck right after, `call` the base event it belongs to."""

    number: int
    call: int
    kind: str
    event: Any
    at_ms: int
    state: TruckState

    @property
    def when(self) -> When:
        return (self.at_ms, EVENT, self.number)


@dataclass(frozen=True)
class Taken:
    """A record that a finding rests on."""

    alias: str
    seen: Seen
    conditions: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Found:
    """A finding, with the place in the order at which it must be reported."""

    order: tuple[int, ...]
    rule_id: str
    phase: str
    started_ms: int
    detected_ms: int
    records: tuple[Taken, ...]
    measured: tuple[tuple[Any, ...], ...]


@dataclass
class Story:
    """A truck's finished stream, up to and including `end_ms`, and the rule that is looked at."""

    world: World
    truck: Truck
    seen: list[Seen]
    end_ms: int
    index: int = 0
    rule: Rule | None = None
    pushed_out: int = 0
    result: list[Found] = field(default_factory=list)

    # values

    def sight(self, seen: Seen | None, at_ms: int, state: TruckState, records: tuple[Taken, ...] = ()) -> Sight:
        earlier = {record.alias: (record.seen.event, record.seen.at_ms) for record in records}
        event = None if seen is None else seen.event
        return Sight(self.world, event, at_ms, state, self.truck, earlier)

    def says(self, expression: Any, seen: Seen, records: tuple[Taken, ...] = ()) -> bool | None:
        if expression is None:
            return True
        return truth(expression.tree, self.sight(seen, seen.at_ms, seen.state, records))

    def take(self, alias: str, expression: Any, seen: Seen, records: tuple[Taken, ...] = ()) -> Taken:
        if expression is None:
            return Taken(alias, seen)
        sight = self.sight(seen, seen.at_ms, seen.state, records)
        return Taken(alias, seen, tuple(witnesses(expression.tree, sight)))

    def state_at(self, when: When) -> TruckState:
        before = [s for s in self.seen if s.when <= when]
        return before[-1].state

    # the gate

    def may_fire(self, seen: Seen | None, when: When, records: tuple[Taken, ...]) -> bool:
        assert self.rule is not None
        state = self.state_at(when)
        local = (EPOCH + timedelta(milliseconds=when[0])).astimezone(self.world.tz)
        minute = local.hour * 60 + local.minute
        if self.rule.schedule and not any(in_hours(h.from_min, h.to_min, minute) for h in self.rule.schedule):
            return False
        spoken_of = {getattr(record.seen.event, "zone_id", None) for record in records}
        if seen is not None:
            spoken_of.add(getattr(seen.event, "zone_id", None))
        for spared in self.rule.exceptions:
            if local.date() > spared.expires:
                continue
            if self.truck.truck_id in spared.truck_ids or self.truck.carrier_id in spared.carrier_ids:
                return False
            if spared.zone_ids & (spoken_of | set(state.zones.view.ids)):
                return False
        if self.rule.unless is None:
            return True
        return truth(self.rule.unless.tree, self.sight(seen, when[0], state, records)) is False

    def report(self, order: tuple[int, ...], phase: str, at_ms: int, records: list[Taken], measured: Any) -> None:
        assert self.rule is not None
        started = records[0].seen.at_ms
        self.result.append(
            Found((*order, self.index), self.rule.rule_id, phase, started, at_ms, tuple(records), tuple(measured))
        )

    # the four forms

    def on(self, match: OnMatch) -> None:
        for seen in self.seen:
            if seen.kind == match.kind and self.says(match.where, seen) is True and self.may_fire(seen, seen.when, ()):
                record = self.take(match.kind, match.where, seen)
                self.report((*seen.when[:2], seen.call, seen.number), "fired", seen.at_ms, [record], [])

    def count(self, match: CountMatch) -> None:
        hits = [s for s in self.seen if s.kind == match.kind and self.says(match.where, s) is True]
        begin = 0
        for j, seen in enumerate(hits):
            window = [s for s in hits[begin : j + 1] if seen.at_ms - s.at_ms <= match.within_ms][-match.count :]
            records = [self.take(match.kind, match.where, s) for s in window]
            if len(window) == match.count and self.may_fire(seen, seen.when, tuple(records)):
                where = f" where {match.where.text}" if match.where else ""
                measured = [
                    (match.kind + where, "count", match.count, ">=", match.count, "count", None),
                    span(seen.at_ms - window[0].at_ms, match.within_ms),
                ]
                self.report((*seen.when[:2], seen.call, seen.number), "fired", seen.at_ms, records, measured)
                begin = j + 1

    def hold(self, match: WhileMatch) -> None:
        names_silent = ("truck", "silent") in names_in(match.condition.tree)
        looks = [s for s in self.seen if self.is_look(match.condition, s)]
        silences = [] if names_silent else [s for s in self.seen if s.kind == "silence"]
        after: When = (-LAST, 0, 0)
        while True:
            later = [s for s in looks if s.when > after]
            first = next((s for s in later if self.says(match.condition, s) is True), None)
            if first is None:
                return
            broken = [s.when for s in later if s.when > first.when and self.says(match.condition, s) is not True]
            broken += [s.when for s in silences if s.when > first.when]
            stop: When = min(broken, default=(10**18, 0, 0))
            fired = self.fire_hold(match, first, stop, looks)
            after = stop if fired is None else self.end_hold(match, first, fired, looks)

    def fire_hold(
        self, match: WhileMatch, first: Seen, stop: When, looks: list[Seen]
    ) -> tuple[When, list[Taken]] | None:
        """When the hold from `first` to before `stop` fires, if ever: at `first + for`, or at a later look."""
        due: When = (first.at_ms + match.for_ms, DEADLINE, 0)
        held = [s for s in looks if first.when <= s.when < stop]
        chances: list[tuple[When, Seen | None]] = [(due, None)] + [(s.when, s) for s in held if s.when > due]
        for when, look in chances:
            if when > stop or when[0] > self.end_ms:
                return None
            upto = [s for s in held if s.when <= when]
            ends = [upto[0]] if len(upto) == 1 else [upto[0], upto[-1]]
            records = [self.take(a, match.condition, s) for a, s in zip(("first", "last"), ends, strict=False)]
            bare = upto[-1] if upto[-1].kind == "position" else None
            if self.may_fire(bare, when, tuple(records)):
                order = (*when[:2], 0, 0) if look is None else (*when[:2], look.call, LAST)
                held_s = (when[0] - first.at_ms) / 1000
                self.report(order, "fired", when[0], records, [held_for(match, held_s)])
                return when, records
        return None

    def end_hold(self, match: WhileMatch, first: Seen, fired: tuple[When, list[Taken]], looks: list[Seen]) -> When:
        when, records = fired
        if match.until is None:
            over = [s for s in looks if s.when > when and self.says(match.condition, s) is not True]
        else:
            at = [s for s in self.seen if self.is_look(match.until, s) and s.when > when]
            over = [s for s in at if self.says(match.until, s) is True]
        if not over:
            return (10**18, 0, 0)
        end = over[0]
        held_s = (end.at_ms - first.at_ms) / 1000
        self.report((*end.when[:2], end.call, LAST), "ended", end.at_ms, records, [held_for(match, held_s)])
        return end.when

    def is_look(self, expression: Any, seen: Seen) -> bool:
        names = names_in(expression.tree)
        if {scope for scope, _ in names} & {"event", "station", "camera"}:
            return seen.kind == "position"
        return seen.kind in BASE or (seen.kind == "silence" and ("truck", "silent") in names)

    def sequence(self, match: SequenceMatch) -> None:
        head = next(k for k, step in enumerate(match.steps) if not step.absent)
        opening = match.steps[head]
        open_ones: list[Run] = []
        for seen in [s for s in self.seen if s.kind == opening.kind and self.says(opening.where, s) is True]:
            if self.settle(match, open_ones, seen.when) == seen.when:
                continue
            open_ones = [run for run in open_ones if run.end > seen.when]
            if not self.heads_clear(match, head, seen):
                continue
            open_ones.append(self.run(match, head, seen))
            if len(open_ones) > 8:
                del open_ones[0]
                self.pushed_out += 1
        self.settle(match, open_ones, (10**18, 0, 0))

    def settle(self, match: SequenceMatch, open_ones: list[Run], upto: When) -> When | None:
        """Lets the first match that is complete by `upto` fire; it clears all others. Returns when that was."""
        done = [run for run in open_ones if run.complete and run.end <= upto and run.end[0] <= self.end_ms]
        if not done:
            return None
        run = min(done, key=lambda r: (r.end, r.records[0].seen.when))
        open_ones.clear()
        completing = run.completing
        if self.may_fire(completing, run.end, tuple(run.records)):
            measured = [absence(step) for step in match.steps if step.absent]
            measured.append(span(run.end[0] - run.records[0].seen.at_ms, match.within_ms))
            order = (*run.end[:2], 0, 0)
            if completing is not None:
                order = (*run.end[:2], completing.call, completing.number)
            self.report(order, "fired", run.end[0], run.records, measured)
        return run.end

    def heads_clear(self, match: SequenceMatch, head: int, seen: Seen) -> bool:
        for step in match.steps[:head]:
            since = seen.at_ms - step.for_ms
            if self.seen[0].at_ms > since:
                return False
            looked = [s for s in self.seen if s.kind == step.kind and since <= s.at_ms < seen.at_ms]
            if any(self.says(step.where, s) is not False for s in looked):
                return False
        return True

    def run(self, match: SequenceMatch, head: int, seen: Seen) -> Run:
        """What becomes of a match that opens at `seen`, when nobody clears it."""
        records = [self.take(match.steps[head].alias, match.steps[head].where, seen)]
        latest = seen.at_ms + match.within_ms
        over: When = (latest, DEADLINE, 0)
        now: When = seen.when
        completing: Seen | None = seen
        for step in match.steps[head + 1 :]:
            fits = [s for s in self.seen if s.kind == step.kind and s.when > now]
            earlier = tuple(records)
            if step.absent:
                until = now[0] + step.for_ms
                waited = [s for s in fits if now[0] < s.at_ms <= min(until, latest)]
                against = [s for s in waited if self.says(step.where, s, earlier) is not False]
                if against:
                    return Run(records, against[0].when, complete=False)
                if until > latest:
                    return Run(records, over, complete=False)
                now, completing = (until, DEADLINE, 0), None
            else:
                found = next((s for s in fits if s.when <= over and self.says(step.where, s, earlier) is True), None)
                if found is None:
                    return Run(records, over, complete=False)
                records.append(self.take(step.alias, step.where, found, earlier))
                now, completing = found.when, found
        return Run(records, now, complete=True, completing=completing)


@dataclass(frozen=True)
class Run:
    """A match that was opened: its records, when it is over, and whether it is then complete."""

    records: list[Taken]
    end: When
    complete: bool
    completing: Seen | None = None


def span(ms: int, within_ms: int) -> tuple[Any, ...]:
    return ("within", "within", ms / 1000, "<=", within_ms / 1000, "s", None)


def absence(step: Any) -> tuple[Any, ...]:
    where = f" where {step.where.text}" if step.where else ""
    return (f"absent {step.kind}{where}", step.alias, step.for_ms / 1000, ">=", step.for_ms / 1000, "s", None)


def held_for(match: WhileMatch, held_s: float) -> tuple[Any, ...]:
    return (match.condition.text, "held", held_s, ">=", match.for_ms / 1000, "s", None)


def findings(rules: tuple[Rule, ...], story: Story) -> list[Found]:
    """All findings of all rules in the order in which they must be reported."""
    found: list[Found] = []
    for index, rule in enumerate(rules):
        own = replace(story, index=index, rule=rule, result=[], pushed_out=0)
        forms = {OnMatch: own.on, CountMatch: own.count, WhileMatch: own.hold, SequenceMatch: own.sequence}
        forms[type(rule.match)](rule.match)  # type: ignore[operator]
        found += own.result
        story.pushed_out += own.pushed_out
    return sorted(found, key=lambda f: f.order)
