"""Counters and gauges in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
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


class Histogram:
    """How often a figure was at most each of the bounds; observed by any thread."""

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]) -> None:
        self._name, self._help, self._bounds = name, help_text, tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Counts one value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._sum += value

    def samples(self) -> list[Sample]:
        """The buckets (cumulative), sum and count."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        cumulative = list(accumulate(counts))
        bounds = (*(f"{bound:g}" for bound in self._bounds), "+Inf")
        buckets = [self._sample(n, "_bucket", (("le", bound),)) for n, bound in zip(cumulative, bounds, strict=True)]
        return [*buckets, self._sample(total, "_sum"), self._sample(cumulative[-1], "_count")]

    def _sample(self, value: float, suffix: str, labels: Labels = ()) -> Sample:
        return Sample(self._name, self._help, value, labels, "histogram", suffix)


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
