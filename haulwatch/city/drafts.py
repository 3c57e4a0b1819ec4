"""A draft's changes laid over the files of a city. What is tuned goes into one local file, by the ids of rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

from haulwatch.city.files import SHIPPED, belongs, shipped_files
from haulwatch.city.zone_drafts import with_zones
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import Draft, ExceptionSheet, ParamValue, RuleDraft
from rules.model import RuleBook
from rules.param_reader import duration_text

TUNED_FILE = "rules/local/zz-console.yaml"
"""Named so that it is read last: what is set in the console holds."""
MAX_FILES = 200
_HEAD = (
    "# 由规则页面维护；手工调整请放在别的文件。 Kept by the operators' page; adjustments by hand go to other files.\n"
)


def drafted(files: Mapping[str, bytes], book: RuleBook, draft: Draft) -> dict[str, bytes]:
    """The files of a city (`book` is its own) with a draft's changes. Raises `RolloutRefused` for a file that no city
    has; everything else that is wrong is found when the city is checked."""
    changed = _with_files(files, draft.files)
    if draft.rules:
        changed[TUNED_FILE] = _tuned(changed.get(TUNED_FILE, b""), book, draft.rules)
    return with_zones(changed, draft.zones) if draft.zones else changed


def _with_files(files: Mapping[str, bytes], edits: Mapping[str, str | None]) -> dict[str, bytes]:
    changed = dict(files)
    for name in edits:
        if not belongs(name) or ".." in name.split("/") or len(edits) > MAX_FILES:
            raise RolloutRefused("not-a-city-file", Text(f"{name} 不是城市文件", f"{name} is no file of a city"))
    own_books = any(_is_book(name) for name in files)
    if not own_books and any(_is_book(name) for name in edits):
        # A city with a book of its own has only its own: the shipped ones become that, or the others would be gone.
        changed |= {name: data for name, data in shipped_files(files).items() if _is_book(name)}
    for name, text in edits.items():
        if text is None:
            changed.pop(name, None)
        else:
            changed[name] = text.encode("utf-8", "replace")
    return changed


def _is_book(name: str) -> bool:
    return name.startswith("rules/") and not name.startswith(("rules/local/", SHIPPED)) and not _is_test(name)


def _is_test(name: str) -> bool:
    return name.endswith(".test.yaml")


def _tuned(before: bytes, book: RuleBook, rules: Mapping[str, RuleDraft]) -> bytes:
    document = yaml.safe_load(before) or {}
    kept: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in document.get("rules", ())}
    units = {rule.rule_id: {name: param.unit for name, param in rule.params.items()} for rule in book.rules}
    for rule_id, draft in rules.items():
        entry = kept.setdefault(rule_id, {"id": rule_id, "override": "replace"})
        if draft.params:
            of_rule = units.get(rule_id, {})
            written = {name: _written(value, of_rule.get(name)) for name, value in draft.params.items()}
            entry["params"] = {**entry.get("params", {}), **written}
        if draft.status is not None:
            entry["status"] = draft.status
        if draft.exceptions is not None:
            entry["exceptions"] = [_exception(one) for one in draft.exceptions]
    document["rules"] = [kept[rule_id] for rule_id in sorted(kept)]
    return (_HEAD + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)).encode()


def _written(value: ParamValue, unit: str | None) -> ParamValue | int:
    if isinstance(value, (bool, str)):
        return value
    if unit == "duration":
        return duration_text(value)
    return int(value) if value == int(value) else value


def _exception(sheet: ExceptionSheet) -> dict[str, Any]:
    of_whom = {"truck_id": sheet.truck_id, "carrier_id": sheet.carrier_id, "zone": sheet.zone}
    told = {key: list(ids) for key, ids in of_whom.items() if ids}
    return told | {"reason": sheet.reason, "approved_by": sheet.approved_by, "expires": _day(sheet.expires)}


def _day(text: str) -> date | str:
    """A day as YAML writes days; what is none is told by the check, at its place."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text
