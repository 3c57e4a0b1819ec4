"""Logs for machines and for people: a JSON object or a readable line each; and ids that join what belongs together.

A message's own fields go into `extra={"fields": {...}}`; `trace` among them is a W3C trace id.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_NO_TRACE = "0" * 32

TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The `traceparent` of what this thread or task works on, where there is one."""


CHATTY = ("aiokafka", "faust", "kafka", "mode", "aiohttp.access")
"""Libraries that tell every connection they open; their warnings are worth hearing."""
REPEATED_EVERY_S = 30.0
SAID_KEPT = 1_000


def setup(form: Literal["json", "text"], process: str, level: int = logging.INFO) -> None:
    """Sends every log record of this process to standard error in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process) if form == "json" else ReadableLines())
    root = logging.getLogger()
    handler.addFilter(Repetitions())
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


class Repetitions(logging.Filter):
    """Lets a library say the same thing once in a while: without a broker they say it a hundred times a second."""

    def __init__(self, every_s: float = REPEATED_EVERY_S) -> None:
        super().__init__()
        self._every_s = every_s
        self._said: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told; one that is says how many like it were not."""
        if not record.name.startswith(CHATTY):
            return True
        key = (record.name, record.lineno)  # a place in the code: what it says may name a port or a time
        said_at, untold = self._said.get(key, (-self._every_s, 0))
        if record.created - said_at < self._every_s:
            self._said[key] = (said_at, untold + 1)
            return False
        if len(self._said) >= SAID_KEPT:
            self._said.clear()
        self._said[key] = (record.created, 0)
        if untold:
            record.fields = {**_fields(record), "repeated": untold}
        return True


class JsonLines(logging.Formatter):
    """One JSON object a record: `at`, `level`, `process`, `logger`, `message`, its fields, `error`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, Any] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class ReadableLines(logging.Formatter):
    """`22:58:06.120 info streams.host: message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; a traceback follows on its own lines."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        text = f"{_instant(record)[11:23]} {record.levelname.lower()} {record.name}: {record.getMessage()}{fields}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def traceparent(incoming: str | None = None) -> str:
    """A `traceparent` for what begins here: of the caller's trace if it sent a valid one, else of a new trace."""
    match = _TRACEPARENT.fullmatch(incoming or "")
    trace = match[1] if match and match[1] != _NO_TRACE else secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-01"


def trace_id(parent: str | bytes) -> str | None:
    """The trace id of a `traceparent`; None where it is not one."""
    text = parent.decode("ascii", "replace") if isinstance(parent, bytes) else parent
    match = _TRACEPARENT.fullmatch(text)
    return match[1] if match else None
