"""Runs stream tests (`*.test.yaml`, see `rules.stream_test_reader`) and says what came out otherwise than expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import AuthorError, Finding, did_you_mean
from rules.model import Place, Rule, RuleBook
from rules.stream_test_reader import ExpectedBreach, StreamTest, load_stream_tests
from streams.coverage import ConditionWatch
from streams.examples import duration, scene_of
from streams.scenes import Played, Scene, play, trouble, with_snippets


@dataclass(frozen=True)
class Outcome:
    """One test that was run: what is wrong with it (nothing when it passed), and the rules that fired.

    `rules` are those that the test names; empty when the whole book took part.
    """

    name: str
    place: Place
    rules: tuple[str, ...]
    fired: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.findings


@dataclass(frozen=True)
class Cases:
    """How many examples and passed tests of a rule fire, and in how many it is kept from firing."""

    rule_id: str
    positive: int
    negative: int


def cases_of(book: RuleBook, outcomes: Sequence[Outcome]) -> list[Cases]:
    """The cases of every rule; a test without any finding speaks against the rules that it names."""
    passed = [outcome for outcome in outcomes if outcome.passed]
    found = []
    for rule in book.rules:
        positive = sum(bool(example.expect) for example in rule.examples)
        fired = sum(rule.rule_id in outcome.fired for outcome in passed)
        quiet = sum(rule.rule_id in outcome.rules and rule.rule_id not in outcome.fired for outcome in passed)
        found.append(Cases(rule.rule_id, positive + fired, len(rule.examples) - positive + quiet))
    return found


def run_stream_tests(
    book: RuleBook, files: Sequence[tuple[str, bytes]], watch: ConditionWatch | None = None
) -> list[Outcome]:
    """Every test of `files` under `book`, each with what is wrong with it. Raises AuthorError for unreadable files.

    `watch` notes which conditions were ever true.
    """
    tests, findings = load_stream_tests(files)
    if any(finding.severity == "error" for finding in findings):
        raise AuthorError(findings)
    return [_run(book, test, dict(files), watch) for test in tests]


def _run(book: RuleBook, test: StreamTest, sources: dict[str, bytes], watch: ConditionWatch | None) -> Outcome:
    known = {rule.rule_id: rule for rule in book.rules}
    ids = test.rules or tuple(rule_id for rule_id, rule in known.items() if rule.status in ("active", "shadow"))
    findings = [_no_rule(test, rule_id, known) for rule_id in ids if rule_id not in known]
    fired: frozenset[str] = frozenset()
    if not findings:
        try:
            played = play(scene_of_test(test), [known[rule_id] for rule_id in ids], watch)
        except AuthorError as error:
            findings = list(error.findings)
        else:
            fired = frozenset(breach.rule_id for breach in played.opened())
            findings = differences(test, played)
    story = test.story
    return Outcome(story.name, story.place, test.rules, fired, tuple(with_snippets(findings, sources)))


def scene_of_test(test: StreamTest) -> Scene:
    """The scene that a test tells."""
    scene = replace(scene_of(test.story), restart_at_ms=test.restart_at_ms)
    return replace(scene, trucks=test.trucks) if test.trucks else scene


def _no_rule(test: StreamTest, rule_id: str, known: Mapping[str, Rule]) -> Finding:
    text = f"没有规则 {rule_id}", f"there is no rule {rule_id}"
    return trouble(test.story.place, *text, hint=did_you_mean(rule_id, known))


# expectation


def differences(test: StreamTest, played: Played) -> list[Finding]:
    """Pairs expected and opened breaches in order of time; a test fails as a whole, with both lists told."""
    opened = [_seen(breach, played) for breach in played.opened()]
    left = list(opened)
    missing = []
    for expected in sorted(test.expect, key=lambda entry: (entry.at_ms, -len(entry.wanted))):
        fitting = next((seen for seen in left if _fits(expected, seen)), None)
        if fitting is None:
            missing.append(expected)
        else:
            left.remove(fitting)
    if not missing and not left:
        return []
    wanted = "; ".join(_told({"at": entry.at_ms, **entry.wanted}) for entry in missing)
    found = "; ".join(_told(seen) for seen in left)
    zh = f"测试 “{test.story.name}” 不符：缺少 {wanted or '无'}，多出 {found or '无'}"
    en = f'test "{test.story.name}": missing {wanted or "none"}, unexpected {found or "none"}'
    return [trouble(test.story.place, zh, en, code="T002")]


def _seen(breach: Breach, played: Played) -> dict[str, object]:
    """An opened breach as expectations name it, with how it stood at the end."""
    phases = [other for other in played.breaches if other.breach_id == breach.breach_id]
    ended = [played.offset_ms(other.ended_at) for other in phases if other.ended_at is not None]
    return {
        "at": played.offset_ms(breach.detected_at),
        "rule": breach.rule_id,
        "category": breach.category,
        "truck_id": breach.truck_id,
        "late": breach.late,
        "occurrences": phases[-1].occurrences,
        "ended": ended[-1] if ended else None,
    }


def _fits(expected: ExpectedBreach, seen: dict[str, object]) -> bool:
    return expected.at_ms == seen["at"] and all(seen[name] == value for name, value in expected.wanted.items())


def _told(seen: dict[str, object]) -> str:
    parts = []
    for name, value in seen.items():
        if name in ("at", "ended") and isinstance(value, int):
            value = duration(value)
        plain = str(value).lower() if isinstance(value, bool) else "null" if value is None else value
        parts.append(f"{name}: {plain}")
    return "{" + ", ".join(parts) + "}"
