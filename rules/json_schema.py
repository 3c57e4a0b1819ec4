"""JSON Schemas (2020-12) of rule books, local adjustments and stream tests, for editors.

They say how a file is built: keys, choices, durations, what must be there. What expressions mean, and whether names
exist, only `rules check` can say. Choices and fields come from where they are defined, so they cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.registry import Truck
from rules.model import Status
from rules.nodes import Type
from rules.overlays import Override
from rules.reading import DURATION, REFERENCE, RULE_ID
from rules.rule_reader import EPISODE_KEYS, URGENCIES
from rules.schema import BASE_KINDS, EVENT_FIELDS, KINDS

Schema = dict[str, Any]
Document = Literal["book", "overlay", "test"]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES: dict[Document, str] = {
    "book": "haulwatch 规则文件 · rule book",
    "overlay": "haulwatch 本地调整 · local adjustments (rules/local/)",
    "test": "haulwatch 规则测试 · stream tests (*.test.yaml)",
}
_STRUCTS = {"position": Position, "weighing": Weighing, "sighting": Sighting, "manifest": Manifest}


def json_schema(document: Document) -> Schema:
    """The schema of one kind of file."""
    body = {"book": _book, "overlay": _overlay, "test": _tests}[document]()
    return {"$schema": DIALECT, "title": _TITLES[document], **body, "$defs": _definitions()}


def _book() -> Schema:
    lists = {"type": "object", "additionalProperties": _list(_ref("reference"))}
    conditions = {"type": "object", "additionalProperties": _ref("expression")}
    keys = {"rules": _list(_ref("rule")), "lists": lists, "conditions": conditions}
    return _object(keys) | {"patternProperties": {"^x-": True}}


def _overlay() -> Schema:
    items = {"override": _choice(get_args(Override)), "items": _list(_ref("reference"))}
    lists = {"type": "object", "additionalProperties": _object(items, required=("override", "items"))}
    value = {"type": ["string", "number", "boolean"]}
    params = {"type": "object", "additionalProperties": {"anyOf": [value, _object({"value": value})]}}
    rule = _object(
        {
            "id": _ref("reference"),
            "override": _choice(get_args(Override)),
            "params": params,
            "status": _choice(get_args(Status)),
            "exceptions": _list(_ref("exception")),
        },
        required=("id", "override"),
    )
    appended = {"properties": {"override": {"const": "append"}}, "required": ["override"]}
    only_replaced = {"not": {"anyOf": [{"required": ["params"]}, {"required": ["status"]}]}}
    return _object({"rules": _list(rule | {"if": appended, "then": only_replaced}), "lists": lists})


def _tests() -> Schema:
    expect = {
        "at": _ref("duration"),
        "rule": _ref("reference"),
        "category": _choice(get_args(Category)),
        "truck_id": _text(),
        "late": {"type": "boolean"},
        "occurrences": {"type": "integer", "minimum": 0},
        "ended": {"anyOf": [_ref("duration"), {"type": "null"}]},
    }
    story = _story(_ref("testEvent"), _object(expect, required=("at",)))
    story["properties"] |= {
        "rules": _list(_ref("reference")),
        "trucks": _list(_ref("truck")),
        "restart_at": _list(_ref("duration")),
    }
    return _object({"tests": _list(story)}, required=("tests",))


# a rule


def _definitions() -> Schema:
    expect = _object({"at": _ref("duration"), "category": _choice(get_args(Category))}, required=("at",))
    return {
        "duration": {"type": "string", "pattern": f"^(?:{DURATION.pattern})$", "examples": ["30s", "2m10s", "1d"]},
        "param": {"type": "string", "pattern": r"^\$\w+$"},
        "expression": {"type": ["string", "boolean"], "minLength": 1},
        "reference": {"type": "string", "minLength": 1},
        "text": {"anyOf": [_text(), _object({"zh": _text(), "en": _text()}, required=("zh",))]},
        "rule": _rule(),
        "match": _match(),
        "exception": _exception(),
        "truck": _object({name: {} for name in Truck.__struct_fields__}),
        "event": _event({}),
        "testEvent": _event({"duplicates": {"type": "integer", "minimum": 0}}),
        "example": _story(_ref("event"), expect),
    }


_HOURS = r"^\s*([01]?\d|2[0-3]):[0-5]\d-(([01]?\d|2[0-3]):[0-5]\d|24:00)\s*$"


def _param() -> Schema:
    """A number or a duration with its range in the same kind, or a text or switch without one."""
    number, label = {"type": "number"}, _ref("text")
    forms = [
        _object({"value": kind, "min": kind, "max": kind, "label": label}, required=("value",))
        for kind in (number, _ref("duration"))
    ]
    plain = {"anyOf": [{"type": "boolean"}, {"type": "string"}]}
    return {"anyOf": [*forms, _object({"value": plain, "label": label}, required=("value",))]}


def _rule() -> Schema:
    hours = {"type": "string", "pattern": _HOURS, "examples": ["22:00-05:00"]}
    keys = {
        "id": {"type": "string", "pattern": "^" + RULE_ID.pattern.replace(r"\Z", "$") + "$"},
        "title": _ref("text"),
        "category": _choice(get_args(Category)),
        "severity": _choice(get_args(Severity)),
        "status": _choice(get_args(Status)),
        "owner": _text(),
        "law": _list({"type": "string", "pattern": f"^{REFERENCE.pattern}$"}),
        "params": {"type": "object", "additionalProperties": _param(), "propertyNames": {"pattern": r"^[^\W\d]\w*$"}},
        "match": _ref("match"),
        "unless": _ref("expression"),
        "schedule": _object({"active": _list(hours)}, required=("active",)),
        "episode": _object(
            {"key": _list(_choice(EPISODE_KEYS)), "cooldown": _span(), "group": {"type": "string"}},
        ),
        "work_order": _object(
            {"urgency": _choice(URGENCIES), "departments": _list(_text()), "evidence": _list(_text())},
        ),
        "summary": _ref("text"),
        "runbook": _ref("text"),
        "exceptions": _list(_ref("exception")),
        "examples": _list(_ref("example")) | {"minItems": 2},
    }
    must = ("id", "title", "category", "severity", "status", "owner", "match", "examples")
    return _object(keys, required=must)


def _match() -> Schema:
    kind, where = _choice(KINDS), _ref("expression")
    name = {"type": "string", "pattern": r"^[^\W\d]\w*$"}
    present = _object({"as": name, "on": kind, "where": where}, required=("as", "on"))
    absent = _object({"as": name, "absent": kind, "where": where, "for": _span()}, required=("as", "absent", "for"))
    count = {"anyOf": [{"type": "integer", "minimum": 1}, _ref("param")]}
    of = _object({"on": kind, "where": where}, required=("on",))
    forms = (
        _object({"on": kind, "where": where}, required=("on",)),
        _object({"while": where, "for": _span(), "until": where}, required=("while", "for")),
        _object(
            {"sequence": _list({"oneOf": [present, absent]}) | {"minItems": 1}, "within": _span()},
            required=("sequence", "within"),
        ),
        _object({"count": count, "of": of, "within": _span()}, required=("count", "of", "within")),
    )
    return {"oneOf": list(forms)}


def _exception() -> Schema:
    ids = {"anyOf": [_ref("reference"), _list(_ref("reference"))]}
    whom = ("truck_id", "carrier_id", "zone")
    day = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "format": "date"}
    keys = {**dict.fromkeys(whom, ids), "reason": _text(), "approved_by": _text(), "expires": day}
    found = _object(keys, required=("reason", "approved_by", "expires"))
    return found | {"anyOf": [{"required": [key]} for key in whom]}


# stories


def _story(event: Schema, expect: Schema) -> Schema:
    rows = _list({"type": "object"})
    keys = {
        "name": _text(),
        "truck": _ref("truck"),
        "events": _list(event),
        "until": _ref("duration"),
        "expect": _list(expect),
        "zones": rows,
        "start": _text(),
        "stations": rows,
        "cameras": rows,
        "permits": rows,
        "city": {"type": "object"},
    }
    return _object(keys, required=("name", "events", "expect"))


def _event(more: Schema) -> Schema:
    """One event of a story: the fields of its kind, each with the values that a device can send."""
    kinds = [_event_of(kind, more) for kind in BASE_KINDS]
    head = {"type": "object", "properties": {"on": _choice(BASE_KINDS)}, "required": ["t", "on"]}
    return head | {"oneOf": kinds}


def _event_of(kind: str, more: Schema) -> Schema:
    known = EVENT_FIELDS[kind]
    fields = {name: _values(known.get(name)) for name in _STRUCTS[kind].__struct_fields__}
    return _object({"t": _ref("duration"), "arrive": _ref("duration"), **more, **fields, "on": {"const": kind}})


def _values(found: Type | None) -> Schema:
    """What a field can hold; null is unknown."""
    if found is None:
        return {}
    if found.kind == "enum":
        return {"enum": [*found.values, "unknown", None]}
    if found.kind == "bool":
        return {"type": ["boolean", "null"]}
    if found.kind == "number":
        low = {} if found.low is None else {"minimum": found.low}
        high = {} if found.high is None else {"maximum": found.high}
        return {"type": ["number", "null"], **low, **high}
    return {}


# pieces


def _object(keys: Schema, required: Sequence[str] = ()) -> Schema:
    found: Schema = {"type": "object", "properties": keys, "additionalProperties": False}
    return found | ({"required": list(required)} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _choice(values: Sequence[str]) -> Schema:
    return {"enum": list(values)}


def _text() -> Schema:
    return {"type": "string", "minLength": 1}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _span() -> Schema:
    """A duration, or a param that is one."""
    return {"anyOf": [_ref("duration"), _ref("param")]}
