"""One partition while it is this worker's: claimed and restored, saved, given up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from streams.cluster_figures import Savings
from streams.kafka_snapshots import SnapshotClaim, SnapshotError
from streams.partition_host import PartitionHost
from streams.runtime import CityRuntime
from streams.snapshots import decode_head
from streams.traces import Traces

CHECKPOINT_S = 10.0
CHECKPOINT_EVENTS = 50_000
CHECKPOINT_SHARE = 20
"""The checkpoints of all partitions take at most one part in so many of the time."""
RETRY_S = 1.0

log = logging.getLogger(__name__)


class OwnedPartition:
    """`host` decides; `outstanding` is what its records led to and the broker has not confirmed."""

    def __init__(
        self,
        number: int,
        new_host: Callable[[], PartitionHost],
        claim: Callable[[], Awaitable[SnapshotClaim]],
        counters: Counter[str],
    ) -> None:
        self.number = number
        self.host = new_host()
        self.ready = asyncio.Event()
        self.gone = False
        self.claim: SnapshotClaim | None = None
        self.outstanding: list[asyncio.Future[None]] = []
        self.saved = Savings()
        self.traces = Traces()
        self._new_host = new_host
        self._take_claim = claim
        self._counters = counters
        self._saving = asyncio.Lock()

    # -- coming and going ---------------------------------------------------------------------------------------------

    async def open(self, city: Callable[[str], Awaitable[CityRuntime | None]]) -> None:
        """Claims and restores; tries until it succeeds or the partition is another's."""
        while not self.gone:
            began = time.monotonic()
            try:
                self.claim = await self._take_claim()
                await self._restore(self.claim, city)
            except (KafkaError, TimeoutError, OSError, WorldError) as error:
                self._counters["restore_retries"] += 1
                self._say("a partition is not restored yet", error=str(error))
                await self.give_back()
                await asyncio.sleep(RETRY_S)
                continue
            self.saved.offset = self.host.next_offset
            self.saved.at = time.monotonic()
            seconds, trucks = round(time.monotonic() - began, 3), len(self.host.processor.trucks())
            fields = {"partition": self.number, "offset": self.saved.offset, "trucks": trucks, "seconds": seconds}
            log.info("partition restored", extra={"fields": fields})
            return

    async def _restore(self, claim: SnapshotClaim, city: Callable[[str], Awaitable[CityRuntime | None]]) -> None:
        try:
            saved = await claim.read()
            if saved is None:
                return
            city_hash = decode_head(saved.head).city_hash
            if city_hash is not None and await city(city_hash) is None:
                text = Text(
                    f"Kafka 中没有快照所用的城市 {city_hash}", f"Kafka lacks the city {city_hash} of a snapshot"
                )
                raise WorldError(text, retryable=True)
            self.host.restore(saved)
        except (ValueError, msgspec.MsgspecError) as error:
            # The state of another version: the log has everything that it still keeps.
            self._counters["snapshot_unusable"] += 1
            self._say("the snapshot cannot be read; the log is replayed from its beginning", error=str(error))
            self.host = self._new_host()

    def leave(self) -> None:
        """The partition is another's from now on."""
        self.gone = True
        self.ready.set()

    async def retire(self) -> None:
        """Lets the claim go once a save that is under way has ended."""
        async with self._saving:
            await self.give_back()

    async def give_back(self) -> None:
        """Lets the claim go."""
        claim, self.claim = self.claim, None
        if claim is not None:
            await claim.close()

    # -- saving -------------------------------------------------------------------------------------------------------

    def save_due(self, partitions: int) -> bool:
        """Whether it is time to save; `partitions` is how many this worker owns."""
        if self.host.next_offset == self.saved.offset and not self.host.unsaved:
            return False
        since_s = time.monotonic() - self.saved.at
        interval_s = max(CHECKPOINT_S, CHECKPOINT_SHARE * self.saved.seconds * partitions)
        events = self.host.counters["events"] - self.saved.events
        return since_s >= interval_s or (events >= CHECKPOINT_EVENTS and since_s >= interval_s / 10)

    async def save(self) -> None:
        """Saves the state once what it implies is with the broker."""
        async with self._saving:
            if self.gone or (self.claim is None and not await self._claim_again()):
                return
            assert self.claim is not None
            began = time.monotonic()
            host, outstanding = self.host, list(self.outstanding)
            saved = Savings(host.next_offset, began, host.counters["events"])
            ticked, changes = host.ticked, host.changes()
            saved.seconds = time.monotonic() - began
            await asyncio.gather(*outstanding)
            try:
                saved.bytes = await self.claim.save(saved.offset, ticked, changes)
            except SnapshotError as error:
                self._counters["checkpoints_failed"] += 1
                self._say("a snapshot was not saved", error=str(error))
                host.save_all_again()
                await self.give_back()
                return
            self.saved = saved
            self.outstanding = [future for future in self.outstanding if not future.done()]
            self._counters["checkpoints"] += 1

    async def _claim_again(self) -> bool:
        """After a failed save: claims the partition again, unless it has been given to another."""
        try:
            self.claim = await self._take_claim()
        except (KafkaError, TimeoutError, OSError) as error:
            self._say("a partition cannot be claimed", error=repr(error))
            self.saved.at = time.monotonic() - CHECKPOINT_S + RETRY_S
            return False
        if self.gone:
            await self.give_back()
        return not self.gone

    def _say(self, message: str, **fields: Any) -> None:
        log.warning(message, extra={"fields": {"partition": self.number, **fields}})
