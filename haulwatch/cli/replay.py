"""`haulwatch replay`: recorded events through the processor, offline; into a cluster's log; or out of it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from connectors.files.csv_map import read_csv_map
from connectors.recorded import Recorded
from connectors.window import Window
from haulwatch.bootstrap import load_runtime, open_order_store
from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.progress import Progress
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS
from haulwatch.domain.text import Text
from haulwatch.settings import cluster_settings
from haulwatch.synthetic.scoring import read_truths, score
from haulwatch.wire import Rejected
from streams.replay import Replay, ReplayStats

if TYPE_CHECKING:
    from haulwatch.bootstrap.kafka_replay import LogCheck

_encode = msgspec.json.Encoder().encode


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("replay", help="离线回放事件文件 / run recorded events through the rules, offline")
    parser.add_argument(
        "events", nargs="*", metavar="EVENTS", help="NDJSON, .gz, .zst, .parquet, .csv; - = stdin; DIR = archive"
    )
    parser.add_argument("--csv-map", type=Path, metavar="FILE", help="CSV 各列的含义 / what columns of CSV files mean")
    parser.add_argument(
        "--from", dest="since", metavar="INSTANT", help="从何时收到的起 / received from then on (RFC 3339)"
    )
    parser.add_argument("--to", dest="before", metavar="INSTANT", help="到何时为止（不含） / received before that")
    parser.add_argument("--city", type=Path, metavar="DIR", help="城市目录 / city folder")
    parser.add_argument("--out", metavar="FILE", help="研判结果 NDJSON / breaches as NDJSON (- = stdout)")
    parser.add_argument("--dead-letters", metavar="FILE", help="坏记录及原因 / bad records with their reasons")
    parser.add_argument(
        "--until", metavar="INSTANT", help="回放到此时刻 / move the clock on to this instant (RFC 3339)"
    )
    parser.add_argument("--truth", metavar="FILE", help="与真值比对 / score against truth")
    parser.add_argument("--orders", action="store_true", help="同时生成工单 / also make work orders and count them")
    parser.add_argument(
        "--partitions", type=int, default=1, metavar="N", help="分区数 / split the trucks like a cluster"
    )
    parser.add_argument("--stats", action="store_true", help="详细计数 / counters in detail")
    parser.add_argument("--json", action="store_true", help="以 JSON 输出结果 / result as JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    _add_cluster_ways(parser)
    parser.set_defaults(run=run, refuse=parser.error)


def _add_cluster_ways(parser: argparse.ArgumentParser) -> None:
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--to-kafka", metavar="HOST:PORT", help="写入集群的观测日志 / write the events into a cluster's log instead"
    )
    ways.add_argument(
        "--from-kafka",
        metavar="HOST:PORT",
        help="回放集群的观测日志，默认用其中的城市 / a cluster's log; its own cities decide unless --city",
    )
    parser.add_argument("--topic-prefix", metavar="NAME", help="主题前缀 / prefix of topic names")
    parser.add_argument("--speed", type=_speed, metavar="X", help="实时的几倍 / times real time (--to-kafka)")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError("> 0")
    return speed


def _check(options: argparse.Namespace) -> None:
    """Refuses what makes no sense together, as argparse does."""
    if options.to_kafka is not None:
        deciding = ("city", "out", "until", "truth", "orders")
        without = [name for name in deciding if getattr(options, name)]
        if without:
            options.refuse(f"--to-kafka: {', '.join(f'--{name}' for name in without)}")
    elif options.speed is not None:
        options.refuse("--speed: --to-kafka")
    if options.from_kafka is not None:
        if options.events:
            options.refuse("--from-kafka: EVENTS")
        if options.since or options.before or options.csv_map:
            options.refuse("--from, --to, --csv-map: EVENTS")
    elif not options.events:
        options.refuse("the following arguments are required: EVENTS")
    elif options.to_kafka is None and options.city is None:
        options.refuse("the following arguments are required: --city")


def run(options: argparse.Namespace) -> int:
    """Runs the command."""
    _check(options)
    return _run_into_kafka(options) if options.to_kafka is not None else _run_offline(options)


def _run_offline(options: argparse.Namespace) -> int:
    until_ms = instant_ms(options.until) if options.until else None
    truths = read_truths(options.truth) if options.truth else None
    kept: list[Breach] = []
    with contextlib.ExitStack() as stack:
        write_breach = _writer(stack, options.out)
        write_dead = _writer(stack, options.dead_letters)
        progress = stack.enter_context(Progress("事件 / events"))
        replay: Replay | LogCheck
        if options.from_kafka is not None:
            replay = _log_check(options, write_dead, progress)
            found = replay.run(until_ms=until_ms)
        else:
            replay = Replay(
                load_runtime(options.city),
                partitions=max(options.partitions, 1),
                on_rejected=_rejected_to(write_dead),
                on_progress=progress.advance,
            )
            found = replay.run(_recorded(options, progress).logs(), until_ms=until_ms)
        for breach in found:
            write_breach(_encode(breach))
            if truths is not None or options.orders:
                kept.append(breach)
    orders = _count_orders(kept) if options.orders else None
    result = score(kept, truths) if truths is not None else None
    stats = replay.stats()
    if options.out == "-":
        return 0
    if options.json:
        whole = {**msgspec.to_builtins(stats), "total": stats.total, "events_per_s": round(stats.events_per_s)}
        whole |= {} if orders is None else {"orders": orders}
        whole |= {} if result is None else {"score": msgspec.to_builtins(result)}
        print(msgspec.json.encode(whole).decode())
        return 0
    print(_told(stats, orders, detailed=options.stats))
    if result is not None:
        print(result.table(options.lang))
    return 0


def _recorded(options: argparse.Namespace, progress: Progress) -> Recorded:
    window = Window(
        instant_ms(options.since) if options.since else NEVER_MS,
        instant_ms(options.before) if options.before else FOREVER_MS,
    )
    csv = None if options.csv_map is None else read_csv_map(options.csv_map)
    recorded = Recorded(options.events, window, csv)
    if progress.shown:
        progress.expect(recorded.total())
    return recorded


def _log_check(options: argparse.Namespace, write_dead: Callable[[bytes], None], progress: Progress) -> LogCheck:
    from haulwatch.bootstrap.kafka_replay import LogCheck  # who replays files need not wait for a cluster's libraries

    settings = cluster_settings(kafka=options.from_kafka, topic_prefix=options.topic_prefix)
    return LogCheck(
        settings,
        options.city,
        on_dead=lambda letter: write_dead(_encode(letter)),
        on_progress=progress.advance,
    )


def _run_into_kafka(options: argparse.Namespace) -> int:
    """Says how many events the log has taken."""
    from haulwatch.bootstrap.kafka_replay import Player

    settings = cluster_settings(kafka=options.to_kafka, topic_prefix=options.topic_prefix)
    with contextlib.ExitStack() as stack:
        write_dead = _writer(stack, options.dead_letters)
        progress = stack.enter_context(Progress("事件 / events"))
        player = Player(
            settings, speed=options.speed, on_rejected=_rejected_to(write_dead), on_progress=progress.advance
        )
        stats = player.play(_recorded(options, progress).logs())
    if options.json:
        whole = {**msgspec.to_builtins(stats), "events_per_s": round(stats.events_per_s)}
        print(msgspec.json.encode(whole).decode())
        return 0
    print(f"写入 written {stats.events:,} · {stats.seconds:.1f} s · {stats.events_per_s:,.0f} events/s")
    print(f"跳过 skipped {stats.skipped:,} · 坏记录 dead letters {sum(stats.dead_letters.values()):,}")
    if options.stats:
        for code, number in sorted(stats.dead_letters.items()):
            print(f"  坏记录 dead letters  {code}: {number:,}")
    return 0


def _rejected_to(write_dead: Callable[[bytes], None]) -> Callable[[str, Rejected], None]:
    return lambda source, record: write_dead(_encode(record.dead_letter(source, line=record.index)))


def _writer(stack: contextlib.ExitStack, name: str | None) -> Callable[[bytes], None]:
    """Writes lines to a file, to stdout for `-`, nowhere for None."""
    if name is None:
        return lambda _line: None
    try:
        stream: IO[bytes] = sys.stdout.buffer
        if name != "-":
            stream = stack.enter_context(Path(name).open("wb"))  # noqa: SIM115 - the stack closes it
    except OSError as error:
        raise WorldError(Text(f"写不了文件 {name}：{error}", f"cannot write {name}: {error}")) from error

    def write(line: bytes) -> None:
        stream.write(line + b"\n")

    return write


def _count_orders(breaches: list[Breach]) -> int:
    store = open_order_store("sqlite://")
    try:
        for start in range(0, len(breaches), 500):
            store.intake(breaches[start : start + 500])
        return sum(store.counts().values())
    finally:
        store.close()


def _told(stats: ReplayStats, orders: int | None, *, detailed: bool) -> str:
    return "\n".join(_lines(stats, orders, detailed))


def _lines(stats: ReplayStats, orders: int | None, detailed: bool) -> Iterator[str]:
    yield (
        f"事件 events {stats.total:,} · 车辆 trucks {stats.trucks:,} · {stats.seconds:.1f} s"
        f" · {stats.events_per_s:,.0f} events/s"
    )
    opened = sum(n for name, n in stats.breaches.items() if name.endswith(".opened"))
    yield f"研判 breaches {opened:,} · 坏记录 dead letters {sum(stats.dead_letters.values()):,}"
    if orders is not None:
        yield f"工单 orders {orders:,}"
    if detailed:
        for title, counts in (
            ("事件 events", stats.events),
            ("研判 breaches", stats.breaches),
            ("坏记录 dead letters", stats.dead_letters),
            ("计数 counters", stats.counters),
        ):
            for name, number in counts.items():
                yield f"  {title}  {name}: {number:,}"
