"""`haulwatch rules check`: every error of every rule file, with its place and what was probably meant."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

import msgspec

from haulwatch.cli.rule_files import Files, rule_files, with_shipped
from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Lang
from rules.engines import EngineName
from rules.judgements import inexpressible
from rules.loading import load_books
from rules.overlays import is_local


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `check`."""
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
    check.add_argument(
        "--engine",
        choices=("native", "durable"),
        default="native",
        help="durable：另报告第二引擎无法表达的条件 · also what the second engine cannot express",
    )
    check.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Prints every finding and one line of sums; 1 when one of them is an error."""
    lang: Lang = options.lang
    files = rule_files(options.paths)
    findings = check(with_shipped(files), date.today(), options.engine)
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


def check(files: Files, today: date, engine: EngineName = "native") -> list[Finding]:
    """Everything wrong with these rule files, and every inline example that comes out otherwise than its author says.

    For the engine `durable` also what it cannot express; that needs no installation of it.
    Examples speak of the rules as they were written, so local adjustments are left out when they are played.
    """
    whole, findings = load_books(files, today=today)
    if whole is not None and engine == "durable":
        findings += inexpressible(whole.rules)
    written = [(name, data) for name, data in files if not is_local(name)]
    book = whole if len(written) == len(files) else load_books(written, today=None)[0]
    if book is not None:
        # Zones and registries are loaded for examples only: who has a typing error to mend need not wait for them.
        from streams.examples import run_examples

        findings += run_examples(book, dict(files))
    return findings


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
