"""`haulwatch synth`: a fictional city, its events and the truth about them."""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

import msgspec

from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.progress import Progress
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import rfc3339, to_datetime
from haulwatch.domain.text import Text
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.truths import encode_rows
from haulwatch.synthetic.world import World

DEFAULT_START = "2026-05-11T00:00:00Z"
"""A Monday, 08:00 in Hekou."""
LOCAL = timedelta(hours=8)
BATCH = 500


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser(
        "synth", help="生成虚构城市、事件和真值 / a fictional city, its events and the truth about them"
    )
    parser.add_argument("--city-out", required=True, type=Path, metavar="DIR", help="城市目录 / city folder to write")
    parser.add_argument("--events-out", required=True, type=Path, metavar="FILE", help="事件 NDJSON，可为 .gz")
    parser.add_argument("--truth-out", required=True, type=Path, metavar="FILE", help="真值 NDJSON / violations")
    parser.add_argument("--innocents-out", type=Path, metavar="FILE", help="形似而合法的行为 / lawful look-alikes")
    parser.add_argument("--trucks", type=_count, default=120, metavar="N", help="车辆数 / trucks (120)")
    parser.add_argument("--hours", type=_hours, default=8.0, metavar="H", help="小时数 / hours (8)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="随机种子 / seed (1)")
    parser.add_argument("--noise", choices=("none", "low", "high"), default="low", help="噪声 / noise (low)")
    parser.add_argument("--start", default=DEFAULT_START, metavar="RFC3339", help=f"起始时刻 / start ({DEFAULT_START})")
    parser.add_argument("--json", action="store_true", help="以 JSON 输出结果 / result as JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the city, the events, the truth."""
    start_ms = instant_ms(options.start)
    world = World(options.seed, options.trucks, options.hours, start_ms, options.noise)
    try:
        for path in (options.events_out, options.truth_out, options.innocents_out):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
        write_city(options.city_out, options.seed, options.trucks, (to_datetime(start_ms) + LOCAL).date())
        events = _write_events(options.events_out, world)
        options.truth_out.write_bytes(encode_rows(world.truths))
        if options.innocents_out is not None:
            options.innocents_out.write_bytes(encode_rows(world.innocents))
    except OSError as error:
        raise WorldError(Text(f"写不了文件：{error}", f"cannot write: {error}")) from error
    _tell(options, world, events)
    return 0


def _write_events(path: Path, world: World) -> int:
    """Writes the log; returns how many lines."""
    count = 0
    with _opened(path) as stream, Progress("事件 / events") as progress:
        batch: list[bytes] = []
        for arrival in world.arrivals():
            batch.append(arrival.line)
            if len(batch) == BATCH:
                stream.write(b"\n".join(batch) + b"\n")
                count += BATCH
                progress.advance(BATCH)
                batch.clear()
        if batch:
            stream.write(b"\n".join(batch) + b"\n")
    return count + len(batch)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """The file, compressed when its name ends in .gz; without a time stamp, so that equal input gives equal bytes."""
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=5) as packed:
            yield packed


def _tell(options: argparse.Namespace, world: World, events: int) -> None:
    categories: dict[str, int] = {}
    for truth in world.truths:
        categories[truth.category] = categories.get(truth.category, 0) + 1
    observable = sum(truth.observable for truth in world.truths)
    if options.json:
        told = {
            "city": str(options.city_out),
            "events": events,
            "trucks": len(world.fleet),
            "start": rfc3339(world.start_ms),
            "hours": world.hours,
            "seed": world.seed,
            "noise": world.noise,
            "truths": len(world.truths),
            "observable": observable,
            "by_category": dict(sorted(categories.items())),
            "innocents": len(world.innocents),
        }
        print(msgspec.json.encode(told).decode())
        return
    print(f"城市 city {options.city_out} · 车辆 trucks {len(world.fleet)} · 事件 events {events:,}")
    print(
        f"违规 violations {len(world.truths)}（可见 observable {observable}）· 形似 look-alikes {len(world.innocents)}"
    )
    print("  " + " · ".join(f"{name} {count}" for name, count in sorted(categories.items())))


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 20_000:
        raise argparse.ArgumentTypeError("1 – 20000")
    return value


def _hours(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 24 * 31:
        raise argparse.ArgumentTypeError("0.05 – 744")
    return value
