"""`haulwatch orders audit verify|checkpoint`: is the audit whole, and its head to be kept elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from haulwatch.cli.order_store import add_store, opened_store
from haulwatch.dispatch.audit import AuditReport, Checkpoint
from haulwatch.dispatch.checkpoints import append_checkpoint, parse_checkpoint, read_checkpoints
from haulwatch.domain.text import Lang, Text


def add(actions: Any) -> None:
    """Adds the action `audit` with its own actions."""
    audit = actions.add_parser("audit", help="审计 · the audit")
    audit_actions = audit.add_subparsers(dest="audit_action", required=True, metavar="ACTION")
    verify = audit_actions.add_parser(
        "verify", help="找出第一条被改动、删除、插入或截去的记录 · name the first broken entry"
    )
    verify.add_argument(
        "--checkpoint",
        type=_checkpoint,
        action="append",
        default=[],
        metavar="SEQ:HASH",
        help="另行保存的链首，可重复 · a head of the chain that was kept elsewhere; repeatable",
    )
    verify.add_argument(
        "--checkpoints", type=Path, metavar="FILE", help="校验点文件，逐一核对 · a file of them, all are checked"
    )
    add_store(verify, run_verify)
    checkpoint = audit_actions.add_parser(
        "checkpoint", help="打印审计链首，供另行保存 · print the audit's head, to be kept elsewhere"
    )
    checkpoint.add_argument("--out", type=Path, metavar="FILE", help="追加到此文件 · append it to this file")
    add_store(checkpoint, run_checkpoint)


def run_verify(options: argparse.Namespace) -> int:
    """Prints whether the audit is whole; 1 and the first broken entry when it is not."""
    kept: Sequence[Checkpoint] = options.checkpoint
    if options.checkpoints is not None:
        kept = [*kept, *read_checkpoints(options.checkpoints)]
    store = opened_store(options)
    try:
        report = store.verify(*kept)
    finally:
        store.close()
    if options.json:
        print(_json(report))
    else:
        print("\n".join(_told(report, len(kept), options.lang)))
    return 0 if report.problem is None else 1


def run_checkpoint(options: argparse.Namespace) -> int:
    """Prints `SEQ:HASH`; with `--out` that is appended to a file, durably."""
    store = opened_store(options)
    try:
        head = store.head()
    finally:
        store.close()
    if options.out is not None and head.seq > 0:
        append_checkpoint(options.out, head)
    print(_json(head) if options.json else f"{head.seq}:{head.hash}")
    return 0


def _told(report: AuditReport, kept: int, lang: Lang) -> list[str]:
    if report.problem is not None:
        order = f" ({report.problem.order_id})" if report.problem.order_id else ""
        return [f"[{report.problem.kind}] {report.problem.text.lang(lang)}{order}"]
    whole = Text(f"审计完整：{report.entries} 条", f"the audit is whole: {report.entries} entries")
    lines = [whole.lang(lang), f"{Text('链首', 'head').lang(lang)} {report.head.seq}:{report.head.hash}"]
    if kept:
        lines.append(Text(f"与 {kept} 个校验点相符", f"matches {kept} checkpoints").lang(lang))
    return lines


def _checkpoint(text: str) -> Checkpoint:
    found = parse_checkpoint(text)
    if found is None:
        raise argparse.ArgumentTypeError("SEQ:HASH")
    return found


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
