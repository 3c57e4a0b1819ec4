"""What a device sent and cannot be an event, as it is kept: with its reason, and no more of it than every log takes."""

from __future__ import annotations

from haulwatch.domain.errors import DeviceError
from haulwatch.wire import DeadLetter, printable

MAX_KEPT_BYTES = 256 * 1024


def dead_letter(error: DeviceError, source: str, raw: bytes, *, line: int | None = None) -> DeadLetter:
    """The beginning of `raw` with the reason."""
    return DeadLetter(reason=str(error), code=error.code, source=source, raw=printable(raw[:MAX_KEPT_BYTES]), line=line)
