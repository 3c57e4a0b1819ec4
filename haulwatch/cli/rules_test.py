"""`haulwatch rules test`: plays the inline examples and the stream tests of rules, and says what came out otherwise."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import msgspec

from haulwatch.cli.junit import Case, write_junit
from haulwatch.cli.rule_files import Files, rules_and_tests
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.text import Lang, Text
from rules.loading import load_books
from rules.model import RuleBook
from rules.overlays import is_local
from rules.stream_test_reader import load_stream_tests
from streams.coverage import Condition, ConditionWatch
from streams.examples import check_example
from streams.scenes import with_snippets
from streams.stream_tests import Cases, cases_of, run_stream_tests


@dataclass(frozen=True)
class Coverage:
    """The cases of every rule, and the conditions that no case made true."""

    rules: list[Cases]
    never_true: list[Condition]


@dataclass(frozen=True)
class Tested:
    """Everything that was played: the examples first, then the stream tests."""

    rules: int
    examples: list[Case]
    tests: list[Case]
    coverage: Coverage

    @property
    def failed(self) -> list[Case]:
        """The cases that came out otherwise than their author says."""
        return [case for case in (*self.examples, *self.tests) if case.findings]


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `test`."""
    parser = actions.add_parser(
        "test", help="运行规则自带的示例和测试文件 · play the examples and stream tests of rules"
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="规则文件、*.test.yaml 或文件夹；不写则测试随附的规则 · files or folders; the shipped books without any",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="正例反例、从未成立的条件 · cases per rule, conditions never true",
    )
    parser.add_argument("--junit", metavar="FILE", type=Path, help="另写一份 JUnit XML · also write JUnit XML")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints every failure and one line of sums; 1 when a case failed, 2 when files are broken."""
    lang: Lang = options.lang
    begun = time.perf_counter()
    rules, tests = rules_and_tests(options.paths)
    book, errors = load(rules, tests, date.today())
    if book is None or errors:
        if options.junit is not None:
            write_junit(options.junit, _broken(errors), lang, time.perf_counter() - begun)
        if not options.json:
            raise AuthorError(errors)
        _print_json({"errors": len(errors), "findings": errors})
        return 2
    tested = play_all(book, rules, tests)
    if options.junit is not None:
        write_junit(options.junit, [*tested.examples, *tested.tests], lang, time.perf_counter() - begun)
    if options.json:
        _print_json(_as_json(tested, options.coverage))
    else:
        for line in _told(tested, options.coverage, lang):
            print(line)
    return 1 if tested.failed else 0


def load(rules: Files, tests: Files, today: date) -> tuple[RuleBook | None, list[Finding]]:
    """The book in force, and every error of every file; the book is None when there are errors in the rules."""
    book, findings = load_books(rules, today=today)
    told = [*findings, *load_stream_tests(tests)[1]]
    return book, [finding for finding in told if finding.severity == "error"]


def play_all(book: RuleBook, rules: Files, tests: Files) -> Tested:
    """Plays everything. Examples speak of the rules as written, stream tests of the rules as locally adjusted."""
    watch = ConditionWatch()
    adjusted = any(is_local(name) for name, _ in rules)
    written = load_books([file for file in rules if not is_local(file[0])], today=None)[0] if adjusted else book
    examples = list(_examples(written or book, dict(rules), watch))
    outcomes = run_stream_tests(book, tests, watch)
    played = [
        Case(outcome.place, PurePosixPath(outcome.place.file).name.split(".")[0], outcome.name, outcome.findings)
        for outcome in outcomes
    ]
    return Tested(len(book.rules), examples, played, Coverage(cases_of(book, outcomes), watch.never_true(book)))


def _examples(book: RuleBook, sources: dict[str, bytes], watch: ConditionWatch) -> Iterator[Case]:
    for rule in book.rules:
        for example in rule.examples:
            findings = with_snippets(check_example(rule, example, watch), sources)
            yield Case(example.place, rule.rule_id, example.name, tuple(findings))


def _broken(errors: Iterable[Finding]) -> list[Case]:
    """For each file that cannot be read a case, so that a report never looks as if all were well."""
    by_file: dict[str, list[Finding]] = {}
    for error in errors:
        by_file.setdefault(error.file, []).append(error)
    return [Case.of_file(file, tuple(found)) for file, found in by_file.items()]


# what is shown


def _told(tested: Tested, coverage: bool, lang: Lang) -> Iterator[str]:
    for case in tested.failed:
        for finding in case.findings:
            yield finding.render(lang) + "\n"
    if coverage:
        yield from _coverage_told(tested.coverage, lang)
    yield _summary(tested).lang(lang)


def _coverage_told(coverage: Coverage, lang: Lang) -> Iterator[str]:
    width = max((len(cases.rule_id) for cases in coverage.rules), default=0)
    for cases in coverage.rules:
        missing = []
        if not cases.positive:
            missing.append(Text("缺少正例", "no positive case").lang(lang))
        if not cases.negative:
            missing.append(Text("缺少反例", "no negative case").lang(lang))
        counts = Text(
            f"正例 {cases.positive:>2}  反例 {cases.negative:>2}",
            f"positive {cases.positive:>2}  negative {cases.negative:>2}",
        )
        yield f"{cases.rule_id:<{width}}  {'  '.join([counts.lang(lang), *missing])}"
    yield ""
    if coverage.never_true:
        number = len(coverage.never_true)
        yield Text(f"从未成立的条件 {number} 个：", f"conditions that were never true ({number}):").lang(lang)
        yield from (
            f"  {_place(condition)}  {condition.rule_id}: {condition.shown}" for condition in coverage.never_true
        )
        yield ""


def _place(condition: Condition) -> str:
    return f"{condition.file}:{condition.line}:{condition.column}"


def _summary(tested: Tested) -> Text:
    examples, tests, failed = len(tested.examples), len(tested.tests), len(tested.failed)
    return Text(
        f"规则 {tested.rules} 条 · 示例 {examples} 个 · 测试 {tests} 个 · 未通过 {failed} 个",
        f"rules: {tested.rules}, examples: {examples}, stream tests: {tests}, failed: {failed}",
    )


def _print_json(found: dict[str, object]) -> None:
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def _as_json(tested: Tested, coverage: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "rules": tested.rules,
        "examples": len(tested.examples),
        "tests": len(tested.tests),
        "failed": len(tested.failed),
        "failures": [
            {"name": case.name, "group": case.group, "findings": list(case.findings)} for case in tested.failed
        ],
    }
    if coverage:
        found["coverage"] = {
            "rules": tested.coverage.rules,
            "never_true": [
                {
                    "rule_id": condition.rule_id,
                    "condition": condition.shown,
                    "file": condition.file,
                    "line": condition.line,
                    "column": condition.column,
                }
                for condition in tested.coverage.never_true
            ],
        }
    return found
