"""One generated function per kind of event that finds every trigger which is definitely true on it.

Conditions of different triggers that begin with the same comparison share it: the function is a tree of `if`s, and a
comparison that fails sends all triggers below it away at once. Where a comparison comes out unknown, the triggers
below are looked at once more, so that those that are unknown as a whole are counted per rule and name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rules.generating import LAZY_COST, NOTHING_KNOWN, Known, Scribe
from rules.nodes import Junction, Node


@dataclass(frozen=True)
class Wanted:
    """A trigger and the comparisons that must all be true."""

    index: int
    parts: tuple[Node, ...]


def conjuncts(node: Node | None) -> tuple[Node, ...]:
    """`a and b and c` as (a, b, c)."""
    if node is None:
        return ()
    if isinstance(node, Junction) and node.op == "and":
        return tuple(part for item in node.items for part in conjuncts(item))
    return (node,)


class ScanWriter:
    """Writes the scan of one kind of event; `slots` gives the counter of (trigger, name)."""

    def __init__(self, scribe: Scribe, slots: dict[tuple[int, str], int]) -> None:
        self.scribe = scribe
        self.slots = slots
        self.lines: list[str] = []

    def write(self, triggers: list[tuple[int, Node | None]]) -> str:
        """The source of the function `scan(e, at, s, t)`."""
        wanted = [Wanted(index, conjuncts(node)) for index, node in triggers]
        self._branch(wanted, 1, NOTHING_KNOWN)
        prelude = ["    " + line for line in self.scribe.prelude()]
        ends = ["    if len(out) > 1:", "        out.sort()", "    return out or None"]
        return "\n".join(["def scan(e, at, s, t):", "    out = []", *prelude, *self.lines, *ends, ""])

    def _put(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def _branch(self, wanted: list[Wanted], depth: int, known: Known) -> None:
        while wanted:
            shared = self._shared(wanted)
            if shared is None:
                for one in wanted:
                    self._single(one, depth, known)
                return
            below = [Wanted(w.index, self._without(w.parts, shared)) for w in wanted if self._has(w, shared)]
            part = next(p for w in wanted for p in w.parts if self.scribe.true(p) == shared)
            self._test(part, below, depth, known)
            wanted = [w for w in wanted if not self._has(w, shared)]

    def _has(self, wanted: Wanted, code: str) -> bool:
        return any(self.scribe.true(part) == code for part in wanted.parts)

    def _without(self, parts: tuple[Node, ...], code: str) -> tuple[Node, ...]:
        return tuple(part for part in parts if self.scribe.true(part) != code)

    def _shared(self, wanted: list[Wanted]) -> str | None:
        """The cheap comparison that most triggers have in common."""
        counts: Counter[str] = Counter()
        for one in wanted:
            counts.update({self.scribe.true(p): 1 for p in one.parts if self.scribe.cost(p) < LAZY_COST})
        best = max(counts.items(), key=lambda item: item[1], default=("", 0))
        return best[0] if best[1] > 1 else None

    def _single(self, wanted: Wanted, depth: int, known: Known) -> None:
        parts = sorted(wanted.parts, key=self.scribe.cost)
        if not parts:
            self._put(depth, f"out.append({wanted.index})")
            return
        self._test(parts[0], [Wanted(wanted.index, tuple(parts[1:]))], depth, known)

    def _test(self, part: Node, below: list[Wanted], depth: int, known: Known) -> None:
        self._put(depth, f"if {self.scribe.true(part, known)}:")
        inner = known | self.scribe.implied(part)
        if len(below) == 1:
            self._single(below[0], depth + 1, inner)
        else:
            self._branch(below, depth + 1, inner)
        unknown = self.scribe.unknown(part, known)
        if unknown is None:
            return
        self._put(depth, f"elif {unknown}:")
        for one in below:
            self._count(one, part, depth + 1, known)

    def _count(self, wanted: Wanted, part: Node, depth: int, known: Known) -> None:
        """Counts a trigger whose `part` is unknown, unless something else makes it false."""
        others = sorted(wanted.parts, key=self.scribe.cost)
        if others:
            self._put(depth, f"if not ({' or '.join(self.scribe.false(other, known) for other in others)}):")
            depth += 1
        names: dict[str, str] = {}
        for node in (part, *others):
            names |= self.scribe.names(node)
        for name, code in names.items():
            slot = self.slots.setdefault((wanted.index, name), len(self.slots))
            self._put(depth, f"if {code}: counts[{slot}] += 1")
