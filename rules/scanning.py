"""One generated function per kind of event that finds every trigger which is definitely true on it.

Comparisons that triggers have in common are asked once: the function is a tree of `if`s, and a comparison that fails
sends all triggers below it away at once. Where a comparison comes out unknown, the triggers below are looked at once
more, so that those that are unknown as a whole are counted per rule and name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rules.generating import LAZY_COST, NOTHING_KNOWN, Known, Scribe
from rules.nodes import Junction, Node, Not


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """One of the comparisons that must all be true for a trigger."""

    node: Node
    code: str
    cost: int


@dataclass(frozen=True, eq=False, slots=True)
class Wanted:
    """A trigger and its parts by their code, cheap ones first."""

    index: int
    parts: dict[str, Part]

    def without(self, code: str) -> Wanted:
        """What is left once `code` has been asked."""
        return Wanted(self.index, {c: p for c, p in self.parts.items() if c != code})

    @property
    def only_costly(self) -> bool:
        """Whether nothing cheap is left to ask."""
        return all(part.cost >= LAZY_COST for part in self.parts.values())


def conjuncts(node: Node | None) -> tuple[Node, ...]:
    """`a and b and not (c or d)` as (a, b, not c, not d)."""
    if node is None:
        return ()
    if isinstance(node, Junction) and node.op == "and":
        return tuple(part for item in node.items for part in conjuncts(item))
    if isinstance(node, Not):
        inner = node.item
        if isinstance(inner, Not):
            return conjuncts(inner.item)
        if isinstance(inner, Junction) and inner.op == "or":
            return tuple(part for item in inner.items for part in conjuncts(Not(item, f"not {item.text}")))
    return (node,)


class ScanWriter:
    """Writes the scan of one kind of event; `slots` are the counters: sets of (trigger, unknown name)."""

    def __init__(self, scribe: Scribe, slots: dict[frozenset[tuple[int, str]], int]) -> None:
        self.scribe = scribe
        self.slots = slots
        self.lines: list[str] = []

    def write(self, triggers: Sequence[tuple[int, Node | None]]) -> str:
        """The source of the function `scan(e, at, s, t)`."""
        self._branch([self._wanted(index, node) for index, node in triggers], 1, NOTHING_KNOWN)
        prelude = ["    " + line for line in self.scribe.prelude()]
        ends = ["    if len(out) > 1:", "        out.sort()", "    return out or None"]
        return "\n".join(["def scan(e, at, s, t):", "    out = []", *prelude, *self.lines, *ends, ""])

    def _wanted(self, index: int, node: Node | None) -> Wanted:
        parts = [Part(part, self.scribe.true(part), self.scribe.cost(part)) for part in conjuncts(node)]
        return Wanted(index, {part.code: part for part in sorted(parts, key=lambda part: part.cost)})

    def _put(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def _branch(self, wanted: list[Wanted], depth: int, known: Known) -> None:
        """Code that appends the triggers of `wanted` that are true."""

        def ask(part: Part, below: list[Wanted]) -> None:
            self._put(depth, f"if {self.scribe.true(part.node, known)}:")
            self._branch(below, depth + 1, known | self.scribe.implied(part.node))
            unknown = self.scribe.unknown(part.node, known)
            if unknown is not None:
                self._put(depth, f"elif {unknown}:")
                self._count(below, (part,), depth + 1, known)

        for done in _share_out(wanted, ask):
            self._put(depth, f"out.append({done.index})")

    def _count(self, wanted: list[Wanted], seen: tuple[Part, ...], depth: int, known: Known) -> None:
        """Code that counts the triggers of `wanted`, none of which is true, unless a part left makes it false."""

        def ask(part: Part, below: list[Wanted]) -> None:
            self._put(depth, f"if not ({self.scribe.false(part.node, known)}):")
            self._count(below, (*seen, part), depth + 1, known)

        done = _share_out(wanted, ask)
        names: dict[str, str] = {}
        for part in seen if done else ():
            names |= self.scribe.names(part.node)
        for name, code in names.items():
            slot = self.slots.setdefault(frozenset((one.index, name) for one in done), len(self.slots))
            self._put(depth, f"if {code}: counts[{slot}] += 1")


def _share_out(wanted: list[Wanted], ask: Callable[[Part, list[Wanted]], None]) -> list[Wanted]:
    """Asks part after part, the most common first, each for all that have it; gives back those with no part left."""
    done = [one for one in wanted if not one.parts]
    wanted = [one for one in wanted if one.parts]
    while wanted:
        code = _most_common(wanted)
        part = next(one.parts[code] for one in wanted if code in one.parts)
        ask(part, [one.without(code) for one in wanted if code in one.parts])
        wanted = [one for one in wanted if code not in one.parts]
    return done


def _most_common(wanted: list[Wanted]) -> str:
    """The comparison that most triggers have; what is costly only where nothing cheap is left; ties go to the first."""
    counts: Counter[str] = Counter()
    for one in wanted:
        counts.update(code for code, part in one.parts.items() if part.cost < LAZY_COST or one.only_costly)
    return max(counts, key=counts.__getitem__)
