"""`sequence:` steps that follow one another, and absences before, between and after them."""

from __future__ import annotations

from collections.abc import Sequence

from haulwatch.domain.breaches import Condition
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS
from haulwatch.domain.trucks import Applied, Capture, Partial, RuleMemory, TruckState
from rules.compiling import CompiledBook
from rules.matching.firing import Gate
from rules.matching.moments import (
    MAX_PARTIALS,
    Counters,
    Detection,
    Moment,
    capture_of,
    forget_if_empty,
    memory_of,
    within_condition,
)
from rules.model import Rule, SequenceMatch, Step


class SequenceMatcher:
    """Open partial matches of one rule; each takes the first event that fits the step it waits for.

    Absence is definite: an event of which it is unknown whether it fits ends the wait like one that fits.
    A leading absent step looks back from the first event: nothing in `[t - for, t)`, and the truck observed that long.
    """

    def __init__(
        self, compiled: CompiledBook, gate: Gate, counters: Counters, index: int, match: SequenceMatch
    ) -> None:
        self._compiled = compiled
        self._gate = gate
        self._counters = counters
        self._index = index
        self._rule: Rule = compiled.rules[index]
        self._steps = match.steps
        self._within_ms = match.within_ms
        self._first = next(k for k, step in enumerate(match.steps) if not step.absent)

    def heads_of(self, kind: str) -> tuple[int, ...]:
        """The leading absent steps that events of this kind can contradict."""
        return tuple(k for k, step in enumerate(self._steps[: self._first]) if step.kind == kind)

    def awaits(self, kind: str) -> bool:
        """Whether events of this kind can mean something to an open match."""
        return any(step.kind == kind for step in self._steps[self._first + 1 :])

    def advance(self, moment: Moment, fits: bool) -> Detection | None:
        """Shows the event to every open partial, oldest first, then to a new one."""
        memory = moment.state.rules.get(self._rule.rule_id)
        complete = self._feed(memory, moment) if memory is not None and memory.partials else None
        if complete is None and fits and self._heads_are_clear(memory, moment):
            complete = self._open(moment)
        return None if complete is None else self._finish(complete, moment)

    def note_head(self, moment: Moment, step: int) -> None:
        """Remembers that an event came which contradicts, or may contradict, a leading absent step."""
        if self._value(step, moment, ()) is False:
            return
        heads = memory_of(moment.state, self._rule.rule_id).heads
        last_ms, before_ms = heads.get(step, (NEVER_MS, NEVER_MS))
        if moment.at_ms > last_ms:
            heads[step] = (moment.at_ms, last_ms)
        else:
            heads[step] = (last_ms, before_ms)

    def _feed(self, memory: RuleMemory, moment: Moment) -> Partial | None:
        """The oldest partial that the event completes; the others take their step, or are ended by it."""
        kept: list[Partial] = []
        for partial in memory.partials:
            if self._steps[partial.step].absent:
                if self._contradicts(partial, moment):
                    continue
            elif self._fits(partial, moment):
                self._take(partial, moment)
                if partial.step == len(self._steps):
                    return partial
            kept.append(partial)
        if len(kept) < len(memory.partials):
            memory.partials = kept
            forget_if_empty(moment.state, self._rule.rule_id, memory)
        return None

    def _contradicts(self, partial: Partial, moment: Moment) -> bool:
        if moment.at_ms <= partial.wait_from_ms or not self._is_kind(partial.step, moment.event):
            return False
        return self._value(partial.step, moment, partial.captures) is not False

    def _fits(self, partial: Partial, moment: Moment) -> bool:
        return self._is_kind(partial.step, moment.event) and self._value(partial.step, moment, partial.captures) is True

    def _is_kind(self, step: int, event: Applied | None) -> bool:
        return event is not None and event.__struct_config__.tag == self._steps[step].kind

    def _value(self, step: int, moment: Moment, captures: Sequence[Capture]) -> bool | None:
        return self._compiled.test(
            self._index, ("step", step), moment.event, moment.at_ms, moment.state, moment.truck, captures
        )

    def _take(self, partial: Partial, moment: Moment) -> None:
        assert moment.event is not None  # steps are events
        step = self._steps[partial.step]
        slot = ("step", partial.step)
        partial.captures.append(
            capture_of(self._compiled, self._index, slot, step.alias, moment, moment.event, partial.captures)
        )
        partial.step += 1
        partial.wait_from_ms = moment.at_ms

    def _heads_are_clear(self, memory: RuleMemory | None, moment: Moment) -> bool:
        return all(self.head_is_clear(k, memory, moment) for k in range(self._first))

    def head_is_clear(self, k: int, memory: RuleMemory | None, moment: Moment) -> bool:
        """Whether leading absent step `k` is satisfied at the moment: observed for long enough, and nothing came."""
        since_ms = moment.at_ms - self._steps[k].for_ms
        return self.head_came_ms(k, memory, moment) < since_ms and moment.state.first_ms <= since_ms

    def head_came_ms(self, k: int, memory: RuleMemory | None, moment: Moment) -> int:
        """When an event that contradicts leading absent step `k` last came before the moment; NEVER_MS for never."""
        heads = memory.heads if memory is not None else {}
        last_ms, before_ms = heads.get(k, (NEVER_MS, NEVER_MS))
        return before_ms if last_ms == moment.at_ms else last_ms

    def _open(self, moment: Moment) -> Partial | None:
        partial = Partial(step=self._first, started_ms=moment.at_ms, wait_from_ms=moment.at_ms)
        self._take(partial, moment)
        if partial.step == len(self._steps):
            return partial
        memory = memory_of(moment.state, self._rule.rule_id)
        memory.partials.append(partial)
        if len(memory.partials) > MAX_PARTIALS:
            del memory.partials[0]
            self._counters.partials_dropped[self._rule.rule_id] += 1
        return None

    def _finish(self, partial: Partial, moment: Moment) -> Detection | None:
        """A complete match clears all partials of the rule, whether the gate lets it out or not."""
        memory = moment.state.rules.get(self._rule.rule_id)
        if memory is not None:
            memory.partials = []
            forget_if_empty(moment.state, self._rule.rule_id, memory)
        captures = tuple(partial.captures)
        if not self._gate.opens(self._index, moment, captures):
            return None
        conditions = [_absence(step) for step in self._steps if step.absent]
        conditions.append(within_condition(moment.at_ms - partial.started_ms, self._within_ms))
        opened = captures[0].event.event_id
        return Detection(self._rule, "fired", partial.started_ms, moment.at_ms, captures, opened, tuple(conditions))

    def expire(self, moment: Moment) -> Detection | None:
        """Ends absences that have lasted, then partials whose time is over, then what heads need no longer know."""
        memory = moment.state.rules.get(self._rule.rule_id)
        if memory is None:
            return None
        for partial in memory.partials:
            self._end_absences(partial, moment.at_ms)
            if partial.step == len(self._steps):
                return self._finish(partial, moment)
        self._drop_old(memory, moment.at_ms)
        forget_if_empty(moment.state, self._rule.rule_id, memory)
        return None

    def _end_absences(self, partial: Partial, at_ms: int) -> None:
        """Steps over the absences that have lasted at `at_ms`."""
        for step in self._steps[partial.step :]:
            if not step.absent or partial.wait_from_ms + step.for_ms > at_ms:
                break
            partial.step += 1
            partial.wait_from_ms = at_ms

    def _drop_old(self, memory: RuleMemory, at_ms: int) -> None:
        memory.partials = [p for p in memory.partials if p.started_ms + self._within_ms > at_ms]
        memory.heads = {k: seen for k, seen in memory.heads.items() if seen[0] + self._steps[k].for_ms > at_ms}

    def next_deadline(self, memory: RuleMemory) -> int:
        """The nearest end of an absence, of a window, or of what a leading absence looks back at."""
        deadline_ms = FOREVER_MS
        for partial in memory.partials:
            step = self._steps[partial.step]
            due_ms = partial.started_ms + self._within_ms
            if step.absent:
                due_ms = min(due_ms, partial.wait_from_ms + step.for_ms)
            if due_ms < deadline_ms:
                deadline_ms = due_ms
        for k, (last_ms, _) in memory.heads.items():
            due_ms = last_ms + self._steps[k].for_ms
            if due_ms < deadline_ms:
                deadline_ms = due_ms
        return deadline_ms

    def start_blind(self, state: TruckState) -> None:
        """For a rule that has only now come into force: what came before is not known to be absent."""
        for k, step in enumerate(self._steps[: self._first]):
            if state.first_ms <= state.applied_ms and step.for_ms > 0:
                memory_of(state, self._rule.rule_id).heads[k] = (state.applied_ms, NEVER_MS)


def _absence(step: Step) -> Condition:
    where = "" if step.where is None else f" where {step.where.text}"
    seconds = step.for_ms / 1000
    return Condition(
        text=f"absent {step.kind}{where}",
        name=step.alias,
        observed=seconds,
        operator=">=",
        threshold=seconds,
        unit="s",
    )
