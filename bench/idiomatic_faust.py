"""The yardstick: a Faust app as Faust's own documentation teaches it, doing the same rule work.
A child of `bench/kafka_throughput.py`.

One event a record, a `faust.Record` as value type, `async for position in stream`, one `faust.Table` write an event
(the truck's small state, in the memory store, with its changelog topic), acknowledgement by Faust itself.

What makes it a fair one: the rule work is our own `PartitionProcessor`, one a partition, so both sides conclude the
same; it keeps its memory outside the table, so a write costs a small record and not the whole state; it has no inlet,
no checkpoint, no output topic; the topic is keyed by truck already, so `group_by` (another trip through Kafka) is only
there when asked for. Each of these favours this app: it would lose what it decided if it were killed. Its clock starts
with its first event, not with its process, and `--warm` has taught the zone index the streets by then.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import faust
import msgspec

from haulwatch.city import build_city, unpack_city
from haulwatch.domain.events import Position
from haulwatch.wire import decode_event
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime


class PositionRecord(faust.Record, serializer="json"):
    """A position as a foreign producer sends it."""

    kind: str
    event_id: str
    truck_id: str
    at: str
    lon: float
    lat: float
    received_at: str | None = None
    source: str | None = None
    speed_kmh: float | None = None
    heading_deg: float | None = None
    satellites: int | None = None
    valid: bool | None = None
    ignition: bool | None = None
    load: str | None = None
    cover: str | None = None
    lift: str | None = None


def make_app(options: argparse.Namespace) -> faust.App:
    """The app; it prints one line of JSON when it has seen the last event."""
    app = faust.App(
        options.name,
        broker=f"kafka://{options.kafka}",
        store="memory://",
        datadir=options.data,
        topic_partitions=options.partitions,
        topic_replication_factor=1,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    positions = app.topic(options.topic, value_type=PositionRecord)
    trucks = app.Table("trucks", default=dict, partitions=options.partitions)
    runtime = CityRuntime(build_city(unpack_city(options.city.read_bytes())))
    if options.warm is not None:
        warm_up(runtime, options.warm.read_bytes().splitlines())
    processors: dict[int, PartitionProcessor] = {}
    tally = Tally(options.events)

    async def watch(stream: Any) -> None:
        grouped = stream.group_by(PositionRecord.truck_id) if options.group_by else stream
        async for position in grouped:
            partition = faust.current_event().message.partition
            processor = processors.setdefault(partition, PartitionProcessor(runtime))
            breaches = processor.apply(msgspec.convert(position.asdict(), Position))
            trucks[position.truck_id] = {
                "at": position.at,
                "lon": position.lon,
                "lat": position.lat,
                "speed_kmh": position.speed_kmh,
                "load": position.load,
            }
            tally.count(len(breaches))

    app.agent(positions)(watch)
    return app


def warm_up(runtime: CityRuntime, events: list[bytes]) -> None:
    """Lets the city's cell cache learn the streets, as a worker's has that runs for a while."""
    processor = PartitionProcessor(runtime)
    for event in events:
        processor.apply(decode_event(event))


class Tally:
    """Events seen, from the first one's instant on."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._events = 0
        self._breaches = 0
        self._began = self._cpu = 0.0

    def count(self, breaches: int) -> None:
        """One more event, and what it led to."""
        if self._events == 0:
            self._began, self._cpu = time.monotonic(), time.process_time()
        self._events += 1
        self._breaches += breaches
        if self._events == self._expected:
            seconds = time.monotonic() - self._began
            cpu_s = time.process_time() - self._cpu
            result = {"events": self._events, "seconds": seconds, "cpu_s": cpu_s, "breaches": self._breaches}
            print(msgspec.json.encode(result).decode(), flush=True)


def main() -> None:
    """Runs the worker until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    parser.add_argument("--topic", required=True, help="single events, keyed by truck")
    parser.add_argument("--city", required=True, type=Path, help="a packed city")
    parser.add_argument("--events", required=True, type=int, help="how many events are in the topic")
    parser.add_argument("--warm", type=Path, help="events (NDJSON) to warm the zone index up with")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--name", default="idiomatic", help="consumer group; prefix of the changelog topic")
    parser.add_argument("--data", default="idiomatic-data")
    parser.add_argument("--group-by", action="store_true", help="repartition by truck, as for records of any key")
    options = parser.parse_args()
    app = make_app(options)
    sys.argv = sys.argv[:1]
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
