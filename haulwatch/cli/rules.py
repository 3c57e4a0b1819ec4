"""`haulwatch rules …`: one module an action."""

from __future__ import annotations

import argparse
import importlib

ACTIONS = ("check", "test", "explain", "backtest", "diff", "scorecard", "schema")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], action: str | None = None) -> None:
    """Adds the verb `rules`, with one action where that is named: `check` must not wait for what `backtest` needs."""
    parser = subparsers.add_parser("rules", help="规则文件 · rule books")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in [action] if action in ACTIONS else ACTIONS:
        importlib.import_module(f"haulwatch.cli.rules_{name}").add(actions)
