"""Every connector there is: how it is called, what switches it on, where its guide is, which faults it counts.

A new one is added here by hand; nothing is looked for.
"""

from __future__ import annotations

from msgspec import Struct

from connectors.jt808.parts import PART_FAULTS
from connectors.jt808.protocol import FAULTS
from haulwatch.domain.text import Text


class Connector(Struct, frozen=True, kw_only=True):
    """One of them. `option` is that of `haulwatch run` and `haulwatch gateway`; `guide` a page of docs.

    `codes` are the connector's own, beside those of `haulwatch.wire`; every one is in the guide.
    """

    name: str
    title: Text
    option: str
    guide: str
    codes: tuple[str, ...]


JT808 = Connector(
    name="jt808",
    title=Text("JT/T 808 车载终端", "JT/T 808 terminals in trucks"),
    option="--jt808",
    guide="docs/jt808.md",
    codes=(
        *FAULTS,
        *PART_FAULTS,
        "body_too_short",
        "bad_time",
        "item_overrun",
        "batch_damaged",
        "batch_too_large",
        "not_on_the_list",
        "plate_differs",
        "not_authenticated",
        "not_a_picture",
        "pictures_not_kept",
        "pass_through_unknown",
        "message_unknown",
    ),
)
CONNECTORS: dict[str, Connector] = {connector.name: connector for connector in (JT808,)}
