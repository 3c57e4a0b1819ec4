"""Where events come from, and when each source was last heard: what a console shows as the age of its sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class SourceNews(Struct, frozen=True, kw_only=True):
    """One source (`isapi:cam-07`): when an event of it was last taken in (wall clock), and how many were."""

    source: str
    last_ms: int
    events: int


class SourceFeed(Protocol):
    """What has been heard from each source since this process began."""

    def sources(self) -> Sequence[SourceNews]:
        """Every source that was heard, in any order. May be called from any thread."""
        ...
