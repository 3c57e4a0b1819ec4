"""`haulwatch connectors list|check`: which devices can be connected, and whether a connectors.yaml is sound."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from connectors.registry import CONNECTORS
from haulwatch.cli.cluster import add_answer_options
from haulwatch.domain.events import Event
from haulwatch.domain.registry import Registry
from haulwatch.domain.text import Lang
from haulwatch.wire import DeadLetter


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `connectors` with its two actions."""
    parser = subparsers.add_parser("connectors", help="设备接入 · devices that can be connected")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="所有接入方式 · every connector, what switches it on, its guide")
    listing.set_defaults(run=run_list)
    checking = actions.add_parser("check", help="检查 connectors.yaml · check a file, secrets included")
    checking.add_argument("file", type=Path, metavar="FILE", help="connectors.yaml")
    checking.set_defaults(run=run_check)
    for action in (listing, checking):
        add_answer_options(action)


def run_list(options: argparse.Namespace) -> int:
    """Prints a line each."""
    lang: Lang = options.lang
    if options.json:
        print(msgspec.json.encode(list(CONNECTORS.values())).decode())
        return 0
    for one in CONNECTORS.values():
        switch = one.option or f"connectors.yaml: {one.section}"
        print(f"{one.name:<12} {switch:<32} {one.guide:<22} {one.title.lang(lang)}")
    return 0


def run_check(options: argparse.Namespace) -> int:
    """Puts together what the file switches on, without starting any of it."""
    from haulwatch.bootstrap.feeds import MAKERS, Feeds, read_connectors  # `list` need not wait for the web's libraries

    file = read_connectors(options.file)
    Feeds(file, _refuse, Registry, None).stop()
    switched_on = [name for name in MAKERS if getattr(file, name) is not None]
    if options.json:
        print(msgspec.json.encode({"file": str(options.file), "sections": switched_on}).decode())
        return 0
    print(f"{options.file}: {', '.join(switched_on) or '—'}")
    return 0


def _refuse(events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
    raise AssertionError(f"nothing is started, so nothing comes: {len(events)}, {len(letters)}")
