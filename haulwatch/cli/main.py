"""`haulwatch VERB …`: finds the verb, turns errors into one readable message and an exit code, never a traceback.

Exit codes (contract): 0 success · 1 findings or failed tests · 2 bad input files · 3 bad configuration or unreachable
service.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from haulwatch import __version__
from haulwatch.domain.errors import AuthorError, DeviceError, HaulwatchError
from haulwatch.domain.text import Lang

VERBS = (
    "demo",
    "run",
    "replay",
    "rules",
    "zones",
    "city",
    "orders",
    "people",
    "retention",
    "synth",
    "gateway",
    "topics",
    "dead-letters",
    "doctor",
    "worker",
    "console",
    "jt808",
    "connectors",
    "notify",
    "archive",
)

WITH_ACTIONS = ("rules",)
"""Verbs whose actions are modules of their own, imported like verbs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(_named_verb(arguments), arguments[1] if len(arguments) > 1 else None)
    options = parser.parse_args(arguments)
    lang: Lang = "en" if getattr(options, "lang", "zh") == "en" else "zh"
    try:
        return int(options.run(options))
    except AuthorError as error:
        for finding in error.findings:
            print(finding.render(lang), file=sys.stderr)
        print(f"haulwatch: {error.text.lang(lang)}", file=sys.stderr)
        return 2
    except HaulwatchError as error:
        print(f"haulwatch: {error.text.lang(lang)}", file=sys.stderr)
        return 2 if isinstance(error, DeviceError) else 3
    except BrokenPipeError:
        _give_up_stdout()  # the reader of our output went away (`| head`)
        return 0
    except OSError as error:
        # A disk that is full, a device that is gone: what opens files has said so in its own words.
        _give_up_stdout()
        print(f"haulwatch: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("haulwatch: 已中断 / interrupted", file=sys.stderr)
        return 130


def _give_up_stdout() -> None:
    """Points stdout at nothing, so that the flush at exit is silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _named_verb(arguments: Sequence[str]) -> Sequence[str]:
    """Only the named verb's module is imported: `haulwatch zones` must not wait for the console's libraries."""
    return [arguments[0]] if arguments and arguments[0] in VERBS else VERBS


def build_parser(verbs: Sequence[str] = VERBS, action: str | None = None) -> argparse.ArgumentParser:
    """The argument parser with the given verbs; `action` is the word behind the verb."""
    parser = argparse.ArgumentParser(
        prog="haulwatch", description="渣土车事件规则引擎 · event-driven rules engine for construction-waste trucks"
    )
    parser.add_argument("--version", action="version", version=f"haulwatch {__version__}")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in verbs:
        module = importlib.import_module(f"haulwatch.cli.{verb.replace('-', '_')}")
        module.add(subparsers, action) if verb in WITH_ACTIONS else module.add(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
