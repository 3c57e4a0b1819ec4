"""`haulwatch city history|approve|rollback`, and `city deploy --by`: cities come into force by two people's word.

Who acts logs in: the password is asked for, or read from HAULWATCH_PASSWORD.
"""

from __future__ import annotations

import argparse
import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from haulwatch.cli.orders import table
from haulwatch.dispatch.database import check_exists, sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Actor
from haulwatch.domain.rollouts import CityChanges, Rollout
from haulwatch.domain.text import Lang, Text

WAIT_S = 15.0
LOOK_S = 0.3
STATES = {
    "proposed": Text("待审核", "proposed"),
    "approved": Text("正在启用", "coming into force"),
    "in_force": Text("现行", "in force"),
    "replaced": Text("曾启用", "was in force"),
    "rejected": Text("已驳回", "rejected"),
    "withdrawn": Text("已撤回", "withdrawn"),
}
KINDS = {
    "proposal": Text("申请", "proposal"),
    "rollback": Text("回退", "rollback"),
    "found": Text("直接部署", "past the desk"),
}
HEADINGS = (
    Text("编号", "number"),
    Text("状态", "state"),
    Text("类型", "kind"),
    Text("城市", "city"),
    Text("申请人", "by"),
    Text("审核人", "decided by"),
    Text("启用时间", "in force at"),
    Text("改动", "changes"),
    Text("理由", "why"),
)


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the actions."""
    history = actions.add_parser("history", help="部署历史 · what was in force, and what was proposed")
    _common(history, run_history)
    approve = actions.add_parser("approve", help="审核他人的部署申请 · decide about what another person proposed")
    approve.add_argument("number", type=int, metavar="NUMBER", help="部署编号 · number of the deployment")
    approve.add_argument("--reject", action="store_true", help="驳回 · reject it")
    _common(approve, run_approve)
    add_person(approve, note_needed=False)
    back = actions.add_parser("rollback", help="回退到先前启用过的城市 · go back to what was in force before")
    back.add_argument(
        "number", type=int, nargs="?", metavar="NUMBER", help="部署编号，默认上一个 · default: the one before"
    )
    _common(back, run_rollback)
    add_person(back)


def add_person(parser: argparse.ArgumentParser, *, note_needed: bool = True, needed: bool = True) -> None:
    """Adds who acts, and why."""
    parser.add_argument("--by", required=needed, metavar="ACCOUNT", help="登录名 · who you are")
    parser.add_argument("--note", required=needed and note_needed, default="", metavar="TEXT", help="理由 · why")


def add_place(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """Adds where deployments are kept."""
    where = parser.add_mutually_exclusive_group(required=needed)
    where.add_argument("--data", type=Path, metavar="DIR", help="数据文件夹 · data folder of `haulwatch run`")
    where.add_argument("--database", metavar="URL", help="数据库地址 · database URL")


def _common(parser: argparse.ArgumentParser, run: Callable[[OrderStore, argparse.Namespace], int]) -> None:
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=lambda options: with_store(options, run))


def with_store(options: argparse.Namespace, run: Callable[[OrderStore, argparse.Namespace], int]) -> int:
    """Runs on the order store."""
    if options.database is None and options.data is None:
        raise WorldError(Text("用 --data 或 --database 指明工单库", "say where the orders are: --data or --database"))
    url = options.database or sqlite_url(options.data)
    check_exists(url)
    store = open_store(url)
    try:
        return run(store, options)
    finally:
        store.close()


def run_history(store: OrderStore, options: argparse.Namespace) -> int:
    """Prints all deployments, the newest first."""
    found = store.rollouts().list()
    if options.json:
        _print_json({"rollouts": found})
        return 0
    lang: Lang = options.lang
    rows = [[heading.lang(lang) for heading in HEADINGS]]
    rows += [_row(rollout, lang) for rollout in found]
    for line in table(rows):
        print(line)
    return 0


def run_propose(files: dict[str, bytes], options: argparse.Namespace) -> int:
    """Proposes a folder's city."""

    def propose(store: OrderStore, options: argparse.Namespace) -> int:
        with logged_in(store, options.by) as actor:
            rollout = store.rollouts().propose(files, options.note, actor=actor)
        _tell(rollout, options)
        if not options.json:
            number = rollout.rollout_id
            words = Text(
                f"等待审核员批准：haulwatch city approve {number}，或在规则页面",
                f"waits for a rule approver: haulwatch city approve {number}, or on the rules page",
            )
            print(words.lang(options.lang))
        return 0

    return with_store(options, propose)


def run_approve(store: OrderStore, options: argparse.Namespace) -> int:
    """Decides, and waits a moment for it to come into force."""
    desk = store.rollouts()
    with logged_in(store, options.by) as actor:
        rollout = desk.decide(options.number, approve=not options.reject, note=options.note, actor=actor)
    _tell(_awaited(store, rollout), options)
    return 0


def run_rollback(store: OrderStore, options: argparse.Namespace) -> int:
    """Goes back, and waits a moment for it to come into force."""
    with logged_in(store, options.by) as actor:
        rollout = store.rollouts().roll_back(options.note, actor=actor, to=options.number)
    _tell(_awaited(store, rollout), options)
    return 0


def _awaited(store: OrderStore, rollout: Rollout) -> Rollout:
    """As it is once a running system has put it in force; as it is after a while where none runs."""
    deadline = time.monotonic() + WAIT_S
    while rollout.state == "approved" and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        rollout = store.rollouts().get(rollout.rollout_id)
    return rollout


@contextmanager
def logged_in(store: OrderStore, name: str) -> Iterator[Actor]:
    """Somebody who has given the right password, for as long as the command runs. Raises WorldError."""
    password = os.environ.get("HAULWATCH_PASSWORD")
    if password is None:
        password = getpass.getpass(f"{name} 密码 password: ")
    people = store.people()
    session = people.log_in(name, password, address="command line")
    try:
        if session.visitor.must_change:
            raise WorldError(Text("请先在网页登录并修改一次性密码", "log in on the page and change the password first"))
        yield session.visitor.actor
    finally:
        people.log_out(session.token)


def _tell(rollout: Rollout, options: argparse.Namespace) -> None:
    if options.json:
        _print_json(rollout)
        return
    lang: Lang = options.lang
    state = STATES[rollout.state].lang(lang)
    print(f"{rollout.rollout_id}  {rollout.city_hash}  {state}")
    for line in told(rollout.changes, lang):
        print(f"  {line}")
    if rollout.state == "approved":
        print(Text("已批准；运行中的系统会启用它", "approved; a running system will put it in force").lang(lang))


def told(changes: CityChanges, lang: Lang) -> Iterator[str]:
    """What a city changes, a line each, and what becomes of what rules remember."""
    for field in changes.settings:
        yield f"city.yaml {field.name}: {field.old or '…'} → {field.new or '…'}"
    memory = {
        "kept": Text("保留状态", "keeps its state"),
        "dropped": Text("状态清空", "its state is dropped"),
        "none": Text("", ""),
    }
    for rule in changes.rules:
        fields = "，".join(f"{f.name} {f.old} → {f.new}" if f.old or f.new else f.name for f in rule.fields)
        words = memory[rule.memory].lang(lang)
        yield f"{rule.rule_id}: {fields}" + (f"（{words}）" if words else "")
    for zone in changes.zones:
        yield f"{zone.zone_id} {zone.kind}: {', '.join(zone.fields)}".rstrip(": ")
    for one in changes.tables:
        yield f"{one.table}: +{one.added} −{one.removed} ~{one.changed}"
    kept = Text(
        f"{changes.memory_kept} 条规则保留状态，{changes.memory_dropped} 条清空",
        f"{changes.memory_kept} rules keep their state, {changes.memory_dropped} lose it",
    )
    yield kept.lang(lang)


def _row(rollout: Rollout, lang: Lang) -> list[str]:
    changes = rollout.changes
    counted = f"{len(changes.rules)}/{len(changes.zones)}/{len(changes.tables) + len(changes.settings)}"
    return [
        str(rollout.rollout_id),
        STATES[rollout.state].lang(lang),
        KINDS[rollout.kind].lang(lang),
        rollout.city_hash[:12],
        rollout.proposed_by,
        rollout.decided_by or "",
        rollout.in_force_at or "",
        counted,
        rollout.note,
    ]


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
