"""`haulwatch doctor`: is the system well, and what to do where it is not."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import msgspec

from haulwatch.bootstrap.doctor import State
from haulwatch.bootstrap.doctor_cluster import examine
from haulwatch.cli.cluster import add_answer_options, add_kafka_options
from haulwatch.domain.text import Lang, Text
from haulwatch.settings import cluster_settings

MARKS: dict[State, str] = {"well": "✓", "ill": "✗", "unknown": "–"}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("doctor", help="检查集群和本机 · is the cluster well, is this machine")
    add_kafka_options(parser)
    parser.add_argument("--database", metavar="URL", help="工单库 · order store (HAULWATCH_DATABASE)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="看这个文件夹的剩余空间 · room left in this folder")
    add_answer_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A line a check; 1 when one found something, 3 when no service that was named answers."""
    lang: Lang = options.lang
    settings = cluster_settings(kafka=options.kafka, topic_prefix=options.topic_prefix, database=options.database)
    _ = settings.topics  # an unusable prefix is said at once
    if sys.stderr.isatty():
        print(Text("正在检查…", "asking…").lang(lang), file=sys.stderr)
    checks = examine(settings, options.data)
    counts = Counter(check.state for check in checks)
    if options.json:
        whole = {"checks": checks, "well": counts["well"], "ill": counts["ill"], "unknown": counts["unknown"]}
        print(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
    else:
        for check in checks:
            print(f"{MARKS[check.state]} {check.name:<10} {check.text.lang(lang)}")
            if check.mend is not None:
                print(f"    → {check.mend.lang(lang)}")
    reached = [check.reached for check in checks if check.reached is not None]
    if reached and not any(reached):
        return 3
    return 1 if counts["ill"] else 0
