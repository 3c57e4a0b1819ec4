"""How a connector is described: one entry of `connectors.registry`."""

from __future__ import annotations

from msgspec import Struct

from haulwatch.domain.text import Text


class Connector(Struct, frozen=True, kw_only=True):
    """One of them: `name` is its folder in `connectors`, `guide` a page of docs.

    `option` of `haulwatch run` and `haulwatch gateway`, or `section` of the file given as `--connectors`, switches it
    on. `codes` are the connector's own, beside those of `haulwatch.wire`; every one is in the guide.
    """

    name: str
    title: Text
    guide: str
    codes: tuple[str, ...]
    option: str | None = None
    section: str | None = None
