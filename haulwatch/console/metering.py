"""How long answers take: an ASGI layer and its histogram."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haulwatch.metrics import Labels, Sample

DURATION_BOUNDS_S = (0.005, 0.025, 0.1, 0.5, 2.5)


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
