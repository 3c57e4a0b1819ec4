"""The cases of `tests/conformance/*.yaml`: what a rule means in time, as data.

A case is a stream test (docs/rules.md) with the match that it is about instead of the ids of rules: `match` is one rule
named `r`, `rules` are several; `unless`, `schedule` and `episode` are those of the rule. A case with `arrival: as
written` is about arrival itself: its events come as it says, and in no other order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rules.engines import EngineName
from rules.loading import load_books
from rules.model import Rule
from rules.stream_test_reader import StreamTest, load_stream_tests

FOLDER = Path(__file__).parent
OF_RULE = ("unless", "schedule", "episode")
OF_TEST = ("events", "until", "expect", "truck", "trucks", "zones", "stations", "cameras", "permits", "start")
QUIET: dict[str, object] = {"lateness": "10m", "gap": "1d"}
"""So that a case says what it is about: only where it says otherwise is data late, or a truck silent."""
AT_ONCE: dict[str, object] = {"key": ["truck_id"], "cooldown": "0s"}


@dataclass(frozen=True)
class Case:
    """One case as written."""

    section: str
    name: str
    written: dict[str, Any]

    @property
    def as_written(self) -> bool:
        """Whether it is about arrival itself."""
        return bool(self.written.get("arrival") == "as written")

    @property
    def fires(self) -> bool:
        """Whether anything is expected."""
        return bool(self.written["expect"])

    def rules(self) -> list[Rule]:
        """The rules that it is about, as a rule book would have them."""
        matches = self.written.get("rules") or {"r": self.written["match"]}
        given = {key: self.written[key] for key in OF_RULE if key in self.written}
        entries = [_rule(rule_id, match, given) for rule_id, match in matches.items()]
        book, findings = load_books([("case.yaml", json.dumps({"rules": entries}).encode())], today=None)
        assert book is not None, [finding.render("en") for finding in findings]
        return list(book.rules)

    def test(self, engine: EngineName) -> StreamTest:
        """The story and what is expected of it."""
        told = {key: self.written[key] for key in OF_TEST if key in self.written}
        told["expect"] = [entry if isinstance(entry, dict) else {"at": entry} for entry in told["expect"]]
        told["city"] = QUIET | self.written.get("city", {}) | {"rules_engine": engine}
        told.setdefault("until", "10m")
        data = json.dumps({"tests": [{"name": self.name, **told}]}).encode()
        tests, findings = load_stream_tests([("case.test.yaml", data)])
        assert tests, [finding.render("en") for finding in findings]
        return tests[0]


def _rule(rule_id: str, match: dict[str, object], given: dict[str, object]) -> dict[str, object]:
    quiet = {"events": [{"t": "0s", "on": "position"}], "until": "1s"}
    examples = [{"name": "fires", **quiet, "expect": [{"at": "0s"}]}, {"name": "does not", **quiet, "expect": []}]
    return {
        "id": rule_id,
        "title": rule_id,
        "category": "dumping",
        "severity": "minor",
        "status": "active",
        "owner": "conformance",
        "match": match,
        "episode": AT_ONCE,
        **given,
        "examples": examples,
    }


class CaseLoader(yaml.SafeLoader):
    """YAML as rule books read it: `on` is a word, a date is text."""


TRUE_OR_FALSE = ("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"))
KEPT = ("int", "float", "null", "merge")
CaseLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for letter in "tf":
    CaseLoader.yaml_implicit_resolvers.setdefault(letter, []).append(TRUE_OR_FALSE)


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of every file, in order."""
    return tuple(_read())


def _read() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for written in yaml.load(path.read_text(encoding="utf-8"), Loader=CaseLoader)["cases"]:
            yield Case(path.stem, f"{written['zh']} · {written['en']}", written)
