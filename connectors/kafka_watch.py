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
        self._thread = threading.Thread(target=self._run, name="topic-watch", daemon=True)

    def start(self) -> None:
        """Looks once, then goes on looking. Raises WorldError where Kafka does not answer or topics do not fit."""
        check_topics(self._settings)
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
                check_topics(self._settings)
                self._trouble = None
            except WorldError as error:
                self._trouble = error.text


def check_topics(settings: ClusterSettings) -> None:
    """Raises WorldError where Kafka does not answer, topics are missing, or partitions do not correspond."""
    findings = [f for f in deviations(settings, topic_states(settings)) if f.code in ("missing", "partitions")]
    if not findings:
        return
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
