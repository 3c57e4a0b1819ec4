"""`haulwatch rules …`; `check` here: every error of every rule file, with its place and what was probably meant."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import msgspec

from haulwatch.cli import rules_test
from haulwatch.cli.rule_files import Files, rule_files, with_shipped
from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Lang
from rules.loading import load_books
from rules.overlays import is_local
from streams.examples import run_examples


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `rules` with its actions."""
    parser = subparsers.add_parser("rules", help="规则文件 · rule books")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="检查全部规则文件，一次列出所有错误 · find every error of every file")
    check.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="文件或文件夹；不写则检查随附的规则 · files or folders; the shipped books without any",
    )
    check.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    check.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    check.set_defaults(run=run_check)
    rules_test.add(actions)


def run_check(options: argparse.Namespace) -> int:
    """Prints every finding and one line of sums; 1 when one of them is an error."""
    lang: Lang = options.lang
    files = rule_files(options.paths)
    findings = check(with_shipped(files), date.today())
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    if options.json:
        result = {"files": len(files), "errors": errors, "warnings": warnings, "findings": findings}
        print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
        return 1 if errors else 0
    for finding in findings:
        print(finding.render(lang), end="\n\n")
    print(f"{_count(len(files), 'file')}, {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return 1 if errors else 0


def check(files: Files, today: date) -> list[Finding]:
    """Everything wrong with these rule files, and every inline example that comes out otherwise than its author says.

    Examples speak of the rules as they were written, so local adjustments are left out when they are played.
    """
    findings = load_books(files, today=today)[1]
    written = [(name, data) for name, data in files if not is_local(name)]
    book, _ = load_books(written, today=None)
    if book is not None:
        findings += run_examples(book, dict(files))
    return findings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
