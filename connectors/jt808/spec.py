"""The JT/T 808 connector's entry in the registry."""

from __future__ import annotations

from connectors.jt808.parts import PART_FAULTS
from connectors.jt808.protocol import FAULTS
from connectors.spec import Connector
from haulwatch.domain.text import Text

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
