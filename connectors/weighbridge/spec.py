"""The weighbridge connector's entry in the registry."""

from __future__ import annotations

from connectors.http.body import BODY_CODES
from connectors.http.credentials import DOOR_CODES
from connectors.http.pictures import PICTURE_CODES
from connectors.spec import Connector
from haulwatch.domain.text import Text

WEIGHBRIDGE = Connector(
    name="weighbridge",
    title=Text("地磅仪表和非现场称重", "Weigh indicators and weigh-in-motion"),
    section="weighbridge",
    guide="docs/weighbridge.md",
    codes=(
        *DOOR_CODES,
        *BODY_CODES,
        *PICTURE_CODES,
        "garbage",
        "bad_checksum",
        "no_weight",
        "out_of_range",
        "not_zeroed",
        "expanded",
        "other_unit",
        "pounds",
        "never_stable",
        "no_plate",
        "ambiguous_plate",
        "queue_full",
        "not_kept",
        "waiting_damaged",
        "bad_plate",
        "bad_value",
        "bad_time",
        "missing_field",
        "not_utf8",
        "not_json",
        "not_an_object",
        "no_records",
        "too_many",
        "bad_csv",
    ),
)
