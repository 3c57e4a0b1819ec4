"""Counters and gauges in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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
