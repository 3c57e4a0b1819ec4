"""Reads `params:` of a rule, the part that is tuned day by day, and lays local values over it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from yaml.nodes import Node, ScalarNode

from haulwatch.domain.text import Text
from rules.findings import Spot, suggestion
from rules.model import Param
from rules.overlays import RuleOverlay
from rules.reading import DURATION, Reader, is_plain

_KEYS = ("value", "min", "max", "label")
ParamUnit = Literal["duration", "number", "text", "switch"]


def read_params(reader: Reader, node: Node) -> tuple[dict[str, Param], set[str], dict[str, Spot]]:
    """The params that could be read, the names (`$name`) of the others, and the place of each."""
    params: dict[str, Param] = {}
    broken: set[str] = set()
    spots: dict[str, Spot] = {}
    entries = reader.mapping(node, (), Text("params ", "params"), open_keys=True) or {}
    for name, entry in entries.items():
        spots[f"params.{name}"] = reader.source.spot(entry.key)
        if reader.identifier(entry.key, Text("参数名", "param name")) is None:
            broken.add("$" + name)
            continue
        param = _param(reader, name, entry.value)
        if param is None:
            broken.add("$" + name)
        else:
            params[name] = param
    return params, broken, spots


def _param(reader: Reader, name: str, node: Node) -> Param | None:
    what = Text(f"参数 {name} ", f"param {name}")
    if isinstance(node, ScalarNode):
        hint = Text(
            f"写成 {name}: {{value: {node.value}, min: …, max: …}}",
            f"write {name}: {{value: {node.value}, min: …, max: …}}",
        )
        reader.error(
            node,
            "E013",
            f"{what.zh}应当是 {{value, min, max, label}}",
            f"{what.en} must be {{value, min, max, label}}",
            hint,
        )
        return None
    entries = reader.mapping(node, _KEYS, what)
    if entries is None:
        return None
    if "value" not in entries:
        reader.error(node, "E011", f"{what.zh}缺少 value", f"{what.en} has no value")
        return None
    value_node = entries["value"].value
    unit = _unit(value_node, [entries[k].value for k in ("min", "max") if k in entries])
    value = _value(reader, value_node, unit, Text(f"{what.zh}的 value ", f"value of {what.en}"))
    bounds: dict[str, float | None] = {"min": None, "max": None}
    sound = value is not None
    for key in ("min", "max"):
        if key not in entries:
            continue
        if unit not in ("duration", "number"):
            reader.error(
                entries[key].key, "E010", f"{what.zh}不是数，不能有 {key}", f"{what.en} is no number, it has no {key}"
            )
            return None
        bound = _value(reader, entries[key].value, unit, Text(f"{what.zh}的 {key} ", f"{key} of {what.en}"))
        sound = sound and bound is not None
        bounds[key] = bound if isinstance(bound, float) else None
    label = reader.bilingual(entries["label"].value, Text("label ", "label")) if "label" in entries else None
    if not sound or value is None:
        return None
    param = Param(name, value, unit, bounds["min"], bounds["max"], label)
    return param if in_range(reader, value_node, param) else None


def _unit(node: Node, bounds: list[Node]) -> ParamUnit:
    """What the value is; a bare number between durations is a duration that lacks its unit."""
    if not isinstance(node, ScalarNode) or not is_plain(node):
        return "text"
    written = [n.value for n in [node, *bounds] if isinstance(n, ScalarNode)]
    if any(DURATION.fullmatch(w) for w in written):
        return "duration"
    if node.value in ("true", "false"):
        return "switch"
    return "number" if bounds or node.value[:1].isdigit() or node.value[:1] in "+-." else "text"


def _value(reader: Reader, node: Node, unit: ParamUnit, what: Text) -> float | str | bool | None:
    if unit == "duration":
        return reader.duration(node, what)
    if unit == "number":
        return reader.number(node, what)
    return reader.switch(node, what) if unit == "switch" else reader.token(node, what)


def in_range(reader: Reader, node: Node, param: Param) -> bool:
    """Whether the value lies within its own min and max; told when not."""
    value, low, high = param.value, param.minimum, param.maximum
    if not isinstance(value, float):
        return True
    if low is not None and high is not None and low > high:
        reader.error(node, "E017", f"参数 {param.name} 的 min 大于 max", f"min of param {param.name} is above its max")
        return False
    if (low is None or value >= low) and (high is None or value <= high):
        return True
    shown = f"[{_shown(param, low)}, {_shown(param, high)}]"
    zh = f"参数 {param.name} = {_shown(param, value)} 超出范围 {shown}"
    reader.error(node, "E017", zh, f"param {param.name} = {_shown(param, value)} is outside {shown}")
    return False


def _shown(param: Param, value: float | None) -> str:
    if value is None:
        return "…"
    return duration_text(value) if param.unit == "duration" else f"{value:g}"


def duration_text(value: float) -> str:
    """Seconds as an author would write them: `2m10s`."""
    if value < 60 or value != int(value):
        return f"{value:g}s"
    parts = []
    rest = int(value)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts)


def adjust(params: dict[str, Param], overlay: RuleOverlay) -> dict[str, Param]:
    """The params with an overlay's values, checked against the vendor's ranges."""
    for name, node in overlay.params.items():
        reader = overlay.reader
        if name not in params:
            hint = suggestion(name, params)
            reader.error(
                overlay.param_keys[name], "E024", f"规则没有参数 {name}", f"the rule has no param {name}", hint
            )
            continue
        old = params[name]
        value = _value(reader, node, old.unit, Text(f"参数 {name} ", f"param {name}"))
        if value is None:
            continue
        new = replace(old, value=value)
        if in_range(reader, node, new):
            params = {**params, name: new}
    return params
