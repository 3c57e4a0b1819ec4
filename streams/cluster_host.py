"""The partitions that a worker owns: claimed, restored, applied, told, saved, given up. Knows Kafka, not Faust.

What holds whatever is killed when:
- a record is applied once, in order: its offset must be the next of the saved state (`PartitionHost.next_offset`);
- what a record led to is with the broker before a state that includes the record is saved;
- an offset is committed to the consumer group only when a saved state includes all before it;
- two workers that both think they own a partition cannot mix their states: the later claim fences the earlier.
So after any crash the last saved state and the log behind it give the same breaches under the same ids.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.events import Tick
from haulwatch.domain.instants import to_datetime
from haulwatch.metrics import Sample
from haulwatch.topics import MAX_LETTER_BYTES, Topics
from haulwatch.wire import DeadLetter, encode_dead_letter, encode_events, partition
from streams import traces
from streams.cluster_figures import partition_samples
from streams.kafka_outputs import Headers, Outgoing, Outputs
from streams.kafka_places import Places, Seek
from streams.kafka_snapshots import SnapshotClaim
from streams.owned_partition import OwnedPartition
from streams.partition_host import Decided, PartitionHost
from streams.runtime import CityRuntime

RESTORES_AT_ONCE = 2
RETRY_S = 1.0
RECORD_OVERHEAD = 4096
"""Room for headers and framing within the broker's limit of a record."""
TOLD_PER_S = 1_000
"""Truck states told a second by one worker; maps of very large fleets are told less often."""

log = logging.getLogger(__name__)


CityOf = Callable[[str], CityRuntime | None]
"""Blocks until the city of a hash is built; None: Kafka has no such city. Raises HaulwatchError when it cannot tell."""


class ClusterHost:
    """All partitions of this worker. Everything runs on one event loop."""

    def __init__(
        self,
        connection: dict[str, Any],
        topics: Topics,
        partitions: int,
        city_of: CityOf,
        *,
        seek: Seek,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._partitions = partitions
        self._city_of = city_of
        self._seek = seek
        self._now_ms = now_ms
        self._runtimes: dict[str, CityRuntime] = {}
        self._owned: dict[int, OwnedPartition] = {}
        self._opening = asyncio.Semaphore(RESTORES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.outputs = Outputs(connection, MAX_LETTER_BYTES)
        self.counters: Counter[str] = Counter()
        self.places = Places(connection, seek, self.counters)

    # -- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connects the outputs. Raises KafkaError."""
        await self.outputs.start()
        for work in (self._save_forever, self._tick_forever, self._tell_forever):
            self._begin(work())

    async def stop(self) -> None:
        """Saves what every partition has come to, then lets go."""
        self._stopping = True
        for owned in list(self._owned.values()):
            if owned.ready.is_set() and owned.claim is not None and not owned.gone:
                await owned.save()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(owned.give_back() for owned in self._owned.values()))
        await self.outputs.stop()

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Not acknowledged and not saved: whatever it was, a restart puts it right.
            log.critical("a part of the worker failed", exc_info=task.exception())
            self.failed(task.exception())

    def failed(self, error: BaseException | None) -> None:
        """Called when the worker cannot go on; the one who runs it puts a reaction here."""

    # -- assignment -------------------------------------------------------------------------------------------------

    def assign(self, numbers: Collection[int]) -> None:
        """The partitions that are this worker's from now on; those it keeps go on from where they are."""
        self.counters["rebalances"] += 1
        for number in [number for number in self._owned if number not in numbers]:
            owned = self._owned.pop(number)
            owned.leave()
            self._begin(owned.retire())
        for number in numbers:
            if number not in self._owned:
                owned = self._owned[number] = self._new_owned(number)
                self._begin(self._open(owned))
        log.info("partitions assigned", extra={"fields": {"partitions": sorted(numbers)}})

    def _new_owned(self, number: int) -> OwnedPartition:
        log_topic, runtime_of = self._topics.observations, self._runtimes.get
        return OwnedPartition(
            number,
            lambda: PartitionHost(log_topic, number, self._partitions, runtime_of),
            lambda: SnapshotClaim.take(self._connection, self._topics.snapshots, number),
            self.counters,
        )

    async def _open(self, owned: OwnedPartition) -> None:
        """Claims and restores a partition, and has it read from where its state ends."""
        async with self._opening:
            await owned.open(self._city)
        if not owned.gone:
            await self._seek(self._topics.observations, owned.number, owned.host.next_offset)
            owned.ready.set()

    async def _city(self, city_hash: str) -> CityRuntime | None:
        """The city of a hash, built once; waits while Kafka is away."""
        while (runtime := self._runtimes.get(city_hash)) is None:
            try:
                found = await asyncio.get_running_loop().run_in_executor(None, self._city_of, city_hash)
            except HaulwatchError as error:
                log.warning("a city cannot be read yet", extra={"fields": {"city": city_hash, "error": str(error)}})
                await asyncio.sleep(RETRY_S)
                continue
            if found is None:
                return None
            self._runtimes[city_hash] = found
        return runtime

    # -- records ----------------------------------------------------------------------------------------------------

    async def take(
        self, number: int, value: bytes | None, timestamp_ms: int, offset: int, headers: Headers = ()
    ) -> None:
        """Takes a record that the consumer has read from the log: the next one, or else nothing comes of it."""
        owned = self._owned.get(number)
        if owned is None:
            return
        if not owned.ready.is_set():
            await owned.ready.wait()
        host = owned.host
        if owned.gone or offset < host.next_offset:
            return
        if not await self.places.is_next(self._topics.observations, number, host.next_offset, offset):
            return
        for city_hash in host.cities_named(value):
            await self._city(city_hash)
        owned.traces.note(headers, value)
        decided = host.apply(value, timestamp_ms, offset)
        if decided.breaches or decided.dead or decided.misplaced:
            await self._tell(owned, decided, headers)

    async def _tell(self, owned: OwnedPartition, decided: Decided, headers: Headers) -> None:
        topics, send, outstanding = self._topics, self.outputs.send, owned.outstanding
        if len(outstanding) > 1_000:
            outstanding[:] = [future for future in outstanding if not future.done()]
        for breach in decided.breaches:
            traced = owned.traces.of(breach)
            value, key = msgspec.json.encode(breach), breach.truck_id.encode()
            outstanding.append(await send(Outgoing(topics.breaches, value, key, headers=traced)))
            fields = {
                "rule": breach.rule_id,
                "truck": breach.truck_id,
                "phase": breach.phase,
                "breach": breach.breach_id,
            }
            log.info("breach", extra={"fields": {**fields, "trace": ",".join(traces.ids(traced))}})
        for letter in decided.dead:
            outstanding.append(await send(dead_letter_record(topics, letter)))
        for event in decided.misplaced:
            self.counters["carried_home"] += 1
            home = partition(event.truck_id, self._partitions)  # type: ignore[union-attr]
            outstanding.append(
                await send(Outgoing(topics.observations, encode_events([event]), partition=home, headers=headers))
            )

    # -- time, maps, state ------------------------------------------------------------------------------------------

    def _at_work(self) -> list[OwnedPartition]:
        return [owned for owned in self._owned.values() if owned.ready.is_set() and not owned.gone]

    async def _tick_forever(self) -> None:
        while not self._stopping:
            now_ms = self._now_ms()
            for owned in self._at_work():
                if owned.host.tick_due(now_ms):
                    at = to_datetime(now_ms)
                    value = encode_events([Tick(at=at, received_at=at)])
                    await self.outputs.send(Outgoing(self._topics.observations, value, partition=owned.host.number))
            await asyncio.sleep(0.5)

    async def _tell_forever(self) -> None:
        while not self._stopping:
            left = TOLD_PER_S
            for owned in self._at_work():
                told = owned.host.positions(max(1, left))
                left -= len(told)
                for position in told:
                    value = msgspec.json.encode(position)
                    await self.outputs.send(Outgoing(self._topics.trucks, value, position.truck_id.encode()))
            await asyncio.sleep(1.0)

    async def _save_forever(self) -> None:
        while not self._stopping:
            for owned in self._at_work():
                if owned.save_due(len(self._owned)):
                    await owned.save()
            await asyncio.sleep(0.25)

    # -- figures ----------------------------------------------------------------------------------------------------

    def saved_offsets(self) -> dict[int, int]:
        """Up to where each partition's state is saved."""
        return {owned.number: owned.saved.offset for owned in self._at_work()}

    def positions(self) -> dict[int, int]:
        """The next record of each partition that is at work."""
        return {owned.number: owned.host.next_offset for owned in self._at_work()}

    @property
    def unready(self) -> list[int]:
        """Partitions that are assigned and not yet restored."""
        return sorted(number for number, owned in self._owned.items() if not owned.ready.is_set())

    @property
    def owned(self) -> list[int]:
        """Partitions that are assigned."""
        return sorted(self._owned)

    def samples(self) -> Iterator[Sample]:
        """Figures of every partition and of the worker."""
        yield Sample("worker_partitions", "Partitions assigned to this worker", len(self._owned))
        yield Sample("worker_unacknowledged", "Output records that the broker has not confirmed", self.outputs.waiting)
        for name, value in sorted({**self.counters, **self.outputs.counters}.items()):
            yield Sample(f"worker_{name}_total", "Counts of the worker", value, type="counter")
        for owned in self._at_work():
            yield from partition_samples(owned.host, owned.saved, self._now_ms())


def dead_letter_record(topics: Topics, letter: DeadLetter) -> Outgoing:
    """A dead letter as a record of its topic."""
    headers = (("code", letter.code.encode()), ("source", letter.source.encode()))
    return Outgoing(
        topics.dead_letters, encode_dead_letter(letter, MAX_LETTER_BYTES - RECORD_OVERHEAD), headers=headers
    )
