"""Counters and gauges in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
DURATION_BOUNDS_S = (0.005, 0.025, 0.1, 0.5, 2.5)
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """One figure: `name` without the `haulwatch_` prefix, its labels and value."""

    name: str
    help: str
    value: float
    labels: Labels = ()
    type: Literal["counter", "gauge", "histogram"] = "gauge"
    suffix: str = ""


Source = Callable[[], Iterable[Sample]]
"""Asked at every scrape; must be quick."""


@dataclass
class Counters:
    """Counters of this process, by name and labels."""

    _values: dict[tuple[str, Labels], float] = field(default_factory=dict)
    _help: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, help_text: str, value: float = 1, **labels: str) -> None:
        """Adds `value` to the counter `name` with these labels."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._help.setdefault(name, help_text)
            self._values[key] = self._values.get(key, 0) + value

    def samples(self) -> list[Sample]:
        """All counters as they stand."""
        with self._lock:
            values = sorted(self._values.items())
        return [Sample(name, self._help[name], value, labels, "counter") for (name, labels), value in values]


class RequestMeter:
    """ASGI layer that times every request by route template, so that ids do not become labels."""

    def __init__(self, app: ASGIApp, durations: Durations) -> None:
        self.app = app
        self.durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Times one request up to the first byte of its answer (a live stream has no end worth timing)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                elapsed = time.perf_counter() - started
                self.durations.observe(scope["method"], route, message["status"], elapsed)
            await send(message)

        await self.app(scope, receive, send_timed)


@dataclass
class Durations:
    """A histogram of answer times per method, route and status."""

    _buckets: dict[Labels, list[int]] = field(default_factory=dict)
    _sums: dict[Labels, float] = field(default_factory=dict)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one answer."""
        labels = (("method", method), ("route", route), ("status", str(status)))
        buckets = self._buckets.setdefault(labels, [0] * (len(DURATION_BOUNDS_S) + 1))
        index = next((i for i, bound in enumerate(DURATION_BOUNDS_S) if seconds <= bound), len(DURATION_BOUNDS_S))
        buckets[index] += 1
        self._sums[labels] = self._sums.get(labels, 0.0) + seconds

    def samples(self) -> list[Sample]:
        """The histogram's buckets (cumulative), sums and counts."""
        found: list[Sample] = []
        for labels, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, DURATION_BOUNDS_S), "+Inf"), buckets, strict=True):
                total += count
                found.append(self._sample(total, (*labels, ("le", bound)), "_bucket"))
            found.append(self._sample(self._sums[labels], labels, "_sum"))
            found.append(self._sample(total, labels, "_count"))
        return found

    @staticmethod
    def _sample(value: float, labels: Labels, suffix: str) -> Sample:
        return Sample("http_answer_seconds", "Time to the first byte of an answer", value, labels, "histogram", suffix)


def render(samples: Iterable[Sample]) -> str:
    """The samples as Prometheus text, one HELP and TYPE a name, in order of names."""
    lines: list[str] = []
    announced = ""
    for sample in sorted(samples, key=lambda s: s.name):
        name = f"haulwatch_{sample.name}"
        if sample.name != announced:
            announced = sample.name
            lines += [f"# HELP {name} {sample.help}", f"# TYPE {name} {sample.type}"]
        labels = ",".join(f'{key}="{_escape(value)}"' for key, value in sample.labels)
        lines.append(f"{name}{sample.suffix}{'{' + labels + '}' if labels else ''} {sample.value!r}")
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
