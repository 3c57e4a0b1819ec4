"""Whether Kafka answers and its topics fit together, looked at from time to time for readiness."""

from __future__ import annotations

import threading

from connectors.kafka_topics import deviations, topic_states
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings

EVERY_S = 5.0


class TopicWatch:
    """Asks the broker every few seconds; `check` answers at once from what it found last."""

    def __init__(self, settings: ClusterSettings, every_s: float = EVERY_S) -> None:
        self._settings = settings
        self._every_s = every_s
        self._stopping = threading.Event()
        self._trouble: Text | None = None
        self.partitions = 0
        self._thread = threading.Thread(target=self._run, name="topic-watch", daemon=True)

    def start(self) -> None:
        """Looks once, then goes on looking. Raises WorldError where Kafka does not answer or topics do not fit.

        `partitions` is then the number of the log's partitions; another number later on is trouble.
        """
        self.partitions = fitting_partitions(self._settings)
        self._thread.start()

    def stop(self) -> None:
        """Looks no more. A look that has begun is left to end by itself."""
        self._stopping.set()

    def check(self) -> None:
        """Raises WorldError with what was found last, where that was not well."""
        if self._trouble is not None:
            raise WorldError(self._trouble, retryable=True)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                found = fitting_partitions(self._settings)
                self._trouble = None if found == self.partitions else _repartitioned(self.partitions, found)
            except WorldError as error:
                self._trouble = error.text


def _repartitioned(before: int, now: int) -> Text:
    return Text(
        f"观测日志从 {before} 个分区变成 {now} 个：车辆会被写到错误的分区，请恢复或重建",
        f"the log had {before} partitions and has {now}: trucks are written to wrong ones; make the topics anew",
    )


def fitting_partitions(settings: ClusterSettings) -> int:
    """How many partitions the log and all that goes with it have.

    Raises WorldError where Kafka does not answer, topics are missing, or partitions do not correspond.
    """
    states = topic_states(settings)
    findings = [f for f in deviations(settings, states) if f.code in ("missing", "partitions")]
    if not findings:
        return states[settings.topics.observations].partitions
    missing = [finding.topic for finding in findings if finding.code == "missing"]
    if missing:
        names = ", ".join(missing)
        raise WorldError(
            Text(
                f"Kafka 中没有主题 {names}：先运行 haulwatch topics create",
                f"Kafka has no topic {names}: run haulwatch topics create first",
            )
        )
    raise WorldError(
        Text(
            "；".join(f"主题 {finding.topic} {finding.text.zh}" for finding in findings),
            "; ".join(f"topic {finding.topic} {finding.text.en}" for finding in findings),
        )
    )
