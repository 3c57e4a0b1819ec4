"""`haulwatch notify check|test|log|retry`: is the file right, does a channel work, what was sent to whom."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from connectors.notify.settings import NotifyFile
from connectors.notify.trial import send_trial
from haulwatch.bootstrap.notify import misfits_of, read_notify
from haulwatch.cli.orders import table
from haulwatch.dispatch.database import check_exists, sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.deliveries import DELIVERY_STATES, DeliveryEntry, DeliveryState
from haulwatch.domain.errors import WorldError, did_you_mean
from haulwatch.domain.text import Lang, Text

STATE_NAMES: dict[DeliveryState, Text] = {
    "queued": Text("待发", "queued"),
    "failed": Text("将重试", "failed, again later"),
    "sent": Text("已发", "sent"),
    "given_up": Text("已放弃", "given up"),
    "not_needed": Text("不再需要", "not needed"),
}
HEADINGS = (
    Text("应发时间", "wanted"),
    Text("工单", "order"),
    Text("步骤", "step"),
    Text("通道", "channel"),
    Text("状态", "state"),
    Text("次数", "attempts"),
    Text("完成时间", "done"),
    Text("说明", "reason"),
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `notify` with its actions."""
    parser = subparsers.add_parser("notify", help="通知 · notices of orders to groups, phones, platforms")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="检查配置文件 · check the file and its secrets")
    _add_file(check)
    check.add_argument("--city", type=Path, metavar="DIR", help="一并核对 squads.csv 和区域 · also against this city")
    _add_output(check, run_check)
    test = actions.add_parser("test", help="向一个通道发测试消息 · send a test message")
    _add_file(test)
    test.add_argument("channel", metavar="CHANNEL", help="通道名 · name of the channel")
    _add_output(test, run_test)
    log = actions.add_parser("log", help="发送记录，新的在前 · what was sent, newest first")
    _add_store(log)
    log.add_argument("--order", metavar="ID", help="只看一张工单 · of one order")
    log.add_argument("--channel", metavar="NAME", help="只看一个通道 · of one channel")
    log.add_argument("--state", action="append", choices=DELIVERY_STATES, default=[], help="状态，可重复 · repeatable")
    log.add_argument("--limit", type=int, default=100, metavar="N", help="最多多少条 · at most, up to 1000 (100)")
    _add_output(log, run_log)
    retry = actions.add_parser("retry", help="重发一个通道已放弃的 · send again what a channel had given up")
    retry.add_argument("channel", metavar="CHANNEL", help="通道名 · name of the channel")
    _add_store(retry)
    _add_output(retry, run_retry)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="通知配置 · notify.yaml")


def _add_store(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="数据文件夹 · data folder of `haulwatch run`")
    where.add_argument("--database", metavar="URL", help="数据库地址 · database URL")


def _add_output(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run_check(options: argparse.Namespace) -> int:
    """Prints the channels; 1 when something of the file does not fit the city."""
    file = read_notify(options.file)
    lang: Lang = options.lang
    misfits = [] if options.city is None else misfits_of(file, options.city)
    rows = [[name, one.type, f"{one.rate}/min", file.language(one)] for name, one in file.channels.items()]
    if options.json:
        channels = {name: {"type": one.type, "rate_per_minute": one.rate} for name, one in file.channels.items()}
        _print_json({"channels": channels, "routes": len(file.routes), "misfits": misfits})
    else:
        for line in table(rows):
            print(line)
        print(Text(f"路由 {len(file.routes)} 条", f"{len(file.routes)} routes").lang(lang))
        for text in misfits:
            print(text.lang(lang), file=sys.stderr)
    return 1 if misfits else 0


def run_test(options: argparse.Namespace) -> int:
    """Sends one message; 0 when it was taken. Raises WorldError when it was not."""
    file = read_notify(options.file)
    _check_channel(file, options.channel)
    answer = send_trial(file, options.channel)
    if answer.outcome != "sent":
        raise WorldError(Text(f"没有发出：{answer.reason}", f"not sent: {answer.reason}"))
    if options.json:
        _print_json(answer)
    else:
        print(Text(f"已发到 {options.channel}", f"sent to {options.channel}").lang(options.lang))
    return 0


def _check_channel(file: NotifyFile, name: str) -> None:
    if name in file.channels:
        return
    hint = did_you_mean(name, file.channels) or Text(f"有：{', '.join(file.channels)}", f"{', '.join(file.channels)}")
    raise WorldError(Text(f"没有通道 {name}。{hint.zh}", f"there is no channel {name}. {hint.en}"))


def run_log(options: argparse.Namespace) -> int:
    """Prints deliveries; none is no error."""
    store = _open(options)
    try:
        entries = store.deliveries().log(
            order_id=options.order, channel=options.channel, states=options.state, limit=options.limit
        )
    finally:
        store.close()
    if options.json:
        _print_json(entries)
        return 0
    lang: Lang = options.lang
    for line in table([[heading.lang(lang) for heading in HEADINGS], *(_row(entry, lang) for entry in entries)]):
        print(line)
    return 0


def run_retry(options: argparse.Namespace) -> int:
    """Queues again what was given up, and says how many deliveries that were."""
    store = _open(options)
    try:
        again = store.deliveries().retry(options.channel)
    finally:
        store.close()
    if options.json:
        _print_json({"queued": again})
    else:
        print(Text(f"重新排队 {again} 条", f"{again} queued again").lang(options.lang))
    return 0


def _row(entry: DeliveryEntry, lang: Lang) -> list[str]:
    state = STATE_NAMES[entry.state].lang(lang)
    bundled = f" ({entry.together})" if entry.together > 1 else ""
    done = entry.done_at or "-"
    attempts = str(entry.attempts)
    row = [entry.wanted_at, entry.order_id, entry.step, entry.channel, state + bundled, attempts, done]
    return [*row, entry.reason or ""]


def _open(options: argparse.Namespace) -> OrderStore:
    url = options.database or sqlite_url(options.data)
    check_exists(url)
    return open_store(url)


def _print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
