"""Reads `exceptions:` of a rule or of a local adjustment: whom it spares, why, by whose word and until when."""

from __future__ import annotations

from datetime import date

from yaml.nodes import Node, ScalarNode

from haulwatch.domain.text import Text
from rules.model import RuleException
from rules.reading import Reader

_EXCEPTION_KEYS = ("truck_id", "carrier_id", "zone", "reason", "approved_by", "expires")


def read_exceptions(reader: Reader, node: Node, today: date | None) -> tuple[RuleException, ...]:
    """Exceptions: whom a rule spares, with reason, approval and the last day."""
    found = (_exception(reader, item, today) for item in reader.items(node, Text("exceptions ", "exceptions")))
    return tuple(e for e in found if e is not None)


def _exception(reader: Reader, node: Node, today: date | None) -> RuleException | None:
    entries = reader.mapping(node, _EXCEPTION_KEYS, Text("例外", "exception"))
    if entries is None:
        return None
    missing = [key for key in ("reason", "approved_by", "expires") if key not in entries]
    if missing:
        words = ", ".join(missing)
        reader.error(node, "E011", f"例外缺少 {words}", f"exception without {words}")
    if not {"truck_id", "carrier_id", "zone"} & entries.keys():
        reader.error(
            node, "E011", "例外要写明 truck_id、carrier_id 或 zone", "exception of nobody: truck_id, carrier_id or zone"
        )
        missing.append("truck_id")
    ids = {key: _ids(reader, entries[key].value, key) if key in entries else frozenset() for key in _EXCEPTION_KEYS[:3]}
    reason = reader.text(entries["reason"].value, Text("reason ", "reason")) if "reason" in entries else None
    by = (
        reader.text(entries["approved_by"].value, Text("approved_by ", "approved_by"))
        if "approved_by" in entries
        else None
    )
    expires = reader.day(entries["expires"].value, Text("expires ", "expires")) if "expires" in entries else None
    if expires is not None and today is not None and expires < today:
        reader.error(
            entries["expires"].value,
            "E023",
            f"例外已于 {expires} 过期",
            f"exception expired on {expires}",
            Text("删除它，或重新审批", "remove it or have it approved again"),
        )
    if missing or reason is None or by is None or expires is None:
        return None
    return RuleException(ids["truck_id"], ids["carrier_id"], ids["zone"], reason, by, expires)


def _ids(reader: Reader, node: Node, key: str) -> frozenset[str]:
    what = Text(f"{key} ", key)
    if isinstance(node, ScalarNode):
        word = reader.reference(node, what)
        return frozenset({word}) if word is not None else frozenset()
    return frozenset(reader.each(node, what, reader.reference))
