"""The topics of the cluster: their names, what is in them, and how the broker is to keep them.

Names carry a prefix (default `haulwatch`), so that several cities can share one Kafka.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

DEFAULT_PREFIX = "haulwatch"
DEFAULT_PARTITIONS = 12
DAY_MS = 86_400_000
MIB = 1 << 20
MAX_FOREIGN_BYTES = 12 * MIB
"""What an inlet takes from others: more than any event, so that a record that is too large is kept with its reason."""
MAX_LETTER_BYTES = 20 * MIB
"""A dead letter holds such a record, Base64 and all."""

ACTIVE_CITY_KEY = b"active"
"""In the cities topic: which city is in force, as `{"city_hash", "at"}`. Every other key is a city hash, its value the
packed city."""
TRACE_HEADER = "traceparent"
"""Kafka header and HTTP header of the same name (W3C Trace Context). A record of many submissions carries several."""

_PREFIX = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,60}")


@dataclass(frozen=True)
class TopicSpec:
    """One topic as it should be: `partitioned` ones have as many partitions as the log, others one."""

    name: str
    partitioned: bool
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """The names under one prefix. Raises WorldError for a prefix that Kafka does not take."""

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise WorldError(
                Text(f"主题前缀不合要求：{self.prefix!r}", f"not a topic prefix: {self.prefix!r}"), retryable=False
            )

    @property
    def gps(self) -> str:
        """Inlet: positions of foreign producers, one JSON event a record, any key."""
        return f"{self.prefix}.gps.v1"

    @property
    def weighbridge(self) -> str:
        """Inlet: weighings."""
        return f"{self.prefix}.weighbridge.v1"

    @property
    def camera(self) -> str:
        """Inlet: sightings."""
        return f"{self.prefix}.camera.v1"

    @property
    def manifest(self) -> str:
        """Inlet: manifests."""
        return f"{self.prefix}.manifest.v1"

    @property
    def inlets(self) -> dict[str, str]:
        """Inlet topics, and the kind of event that belongs in each."""
        return {
            self.gps: "position",
            self.weighbridge: "weighing",
            self.camera: "sighting",
            self.manifest: "manifest",
        }

    @property
    def observations(self) -> str:
        """The log: records are JSON arrays of events, partitioned by truck; all that decides is here."""
        return f"{self.prefix}.observations.v1"

    @property
    def breaches(self) -> str:
        """Output: one JSON breach a record, keyed by truck."""
        return f"{self.prefix}.breaches.v1"

    @property
    def trucks(self) -> str:
        """Output, compacted: the last known state of each truck, keyed by truck."""
        return f"{self.prefix}.trucks.v1"

    @property
    def work_orders(self) -> str:
        """Output, compacted: each order as it is after a change, keyed by order id."""
        return f"{self.prefix}.work-orders.v1"

    @property
    def dead_letters(self) -> str:
        """What could not be read, each with its reason (`haulwatch.wire.DeadLetter`)."""
        return f"{self.prefix}.dead-letters.v1"

    @property
    def snapshots(self) -> str:
        """Compacted: the processors' state, partition by partition; only the workers read it."""
        return f"{self.prefix}.snapshots.v1"

    @property
    def cities(self) -> str:
        """Compacted: packed cities by their hash, and `ACTIVE_CITY_KEY`."""
        return f"{self.prefix}.cities.v1"

    @property
    def drivers(self) -> str:
        """What consoles ask the terminals in trucks, and what gateways say to it; of interest for a minute."""
        return f"{self.prefix}.driver-commands.v1"

    def specs(self) -> list[TopicSpec]:
        """Every topic with the settings it needs, in the order in which they are made."""
        week, month = {"retention.ms": str(7 * DAY_MS)}, {"retention.ms": str(30 * DAY_MS)}
        # The broker stamps what comes in: the time of receipt must not be the sender's word.
        stamped = {"message.timestamp.type": "LogAppendTime"}
        compacted = {"cleanup.policy": "compact"}
        foreign = {"max.message.bytes": str(MAX_FOREIGN_BYTES)}
        return [
            *(TopicSpec(name, True, {**week, **stamped, **foreign}) for name in self.inlets),
            TopicSpec(self.observations, True, {**month, **stamped, **foreign}),
            TopicSpec(self.breaches, True, {**month, "max.message.bytes": str(2 * MIB)}),
            TopicSpec(self.trucks, True, {**compacted, "segment.ms": "3600000"}),
            TopicSpec(self.work_orders, True, {**compacted, "max.message.bytes": str(2 * MIB)}),
            TopicSpec(self.dead_letters, False, {**month, "max.message.bytes": str(MAX_LETTER_BYTES)}),
            TopicSpec(
                self.snapshots,
                True,
                {**compacted, "max.message.bytes": str(8 * MIB), "segment.ms": "600000", "segment.bytes": "67108864"},
            ),
            TopicSpec(self.cities, False, {**compacted, "max.message.bytes": str(MAX_LETTER_BYTES)}),
            TopicSpec(self.drivers, False, {**week, **stamped}),
        ]
