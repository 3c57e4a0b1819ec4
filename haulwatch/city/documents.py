"""A YAML file of the city as a checked model, every error located at the key or value it is about.

Scalars stay the text they are written as (`010`, `on`, `22:00` have no second meaning); the model gives them types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from haulwatch.domain.errors import AuthorError, Finding, WorldError, did_you_mean
from haulwatch.domain.text import Text
from rules.findings import Report
from rules.yaml_source import Source, compose

M = TypeVar("M", bound=BaseModel)
Spot = tuple[str | int, ...]

_WRONG_TYPE = {
    "string_type": Text("应为文字", "must be a text"),
    "list_type": Text("应为列表，如 [a, b]", "must be a list like [a, b]"),
    "tuple_type": Text("应为列表，如 [a, b]", "must be a list like [a, b]"),
    "dict_type": Text("应为“键: 值”", "must be a mapping of keys and values"),
    "model_type": Text("应为“键: 值”", "must be a mapping of keys and values"),
    "float_parsing": Text("应为数字", "must be a number"),
    "float_type": Text("应为数字", "must be a number"),
}


def author_error(
    code: str, text: Text, hint: Text | None = None, *, inside: Spot = (), at_key: bool = False
) -> PydanticCustomError:
    """What a validator of a model raises: a finding at its value, or at what is `inside` it (or at the key of that)."""
    context = {"code": code, "zh": text.zh, "en": text.en, "hint": hint, "inside": inside, "at_key": at_key}
    return PydanticCustomError("author", "{en}", context)


def read_document(file: str, data: bytes, model: type[M]) -> tuple[M | None, list[Finding]]:
    """The file as `model`, or all that is wrong with it."""
    report = Report()
    source, root = compose(file, data, report)
    if report.errors:
        return None, report.findings
    document = _Document(source, root)
    try:
        return model.model_validate(document.value), []
    except ValidationError as error:
        found = [document.located(detail, model) for detail in error.errors(include_url=False)]
        return None, sorted(found, key=lambda finding: (finding.line, finding.column))


def read_file(path: Path, model: type[M]) -> M:
    """A file that stands alone. Raises AuthorError with every finding; WorldError where it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorldError(Text(f"读不了 {path}：{error}", f"cannot read {path}: {error}")) from error
    found, findings = read_document(path.as_posix(), data, model)
    if found is None or findings:
        raise AuthorError(findings)
    return found


class _Document:
    """The plain value of composed YAML, and for each path in it the nodes of its key and its value."""

    def __init__(self, source: Source, root: MappingNode | None) -> None:
        self._source = source
        self._keys: dict[Spot, Node] = {}
        self._values: dict[Spot, Node] = {}
        self.value: Any = {} if root is None else self._plain(root, ())

    def _plain(self, node: Node, path: Spot) -> Any:
        self._values[path] = node
        if isinstance(node, MappingNode):
            mapping = {}
            for key, value in node.value:
                self._keys[(*path, key.value)] = key
                mapping[key.value] = self._plain(value, (*path, key.value))
            return mapping
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and not node.style and node.value in ("", "~", "null"):
            return None
        return node.value

    def _at(self, node: Node, code: str, text: Text, hint: Text | None = None) -> Finding:
        spot = self._source.spot(node)
        return Finding(
            file=spot.file,
            line=spot.line,
            column=spot.column,
            code=code,
            text=text,
            width=spot.width,
            snippet=spot.snippet,
            hint=hint,
        )

    def located(self, detail: ErrorDetails, model: type[BaseModel]) -> Finding:
        """A problem that the model found, as a finding at its key or value."""
        path = detail["loc"]
        name = ".".join(str(part) for part in path)
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "extra_forbidden":
            hint = _known_key_hint(str(path[-1]), path[:-1], model)
            return self._at(self._keys[path], "C013", Text(f"未知的键 “{name}”", f"Unknown key “{name}”"), hint)
        if kind == "missing":
            text = Text(f"缺少 “{name}”", f"“{name}” is missing")
            if len(path) == 1:
                return Finding(self._source.name, 0, 0, "C014", text)
            return self._at(self._nearest(path), "C014", text)
        if detail["input"] is None and path in self._keys:
            return self._at(self._keys[path], "C015", Text(f"“{name}” 没有值", f"“{name}” has no value"))
        if kind == "author":
            place = (*path, *context["inside"])
            node = self._keys[place] if context["at_key"] else self._nearest(place)
            return self._at(node, context["code"], Text(context["zh"], context["en"]), context["hint"])
        node = self._nearest(path)
        if kind == "literal_error":
            allowed = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            text = Text(f"“{name}” 应为其中之一：{allowed}", f"“{name}” must be one of: {allowed}")
            return self._at(node, "C015", text, did_you_mean(str(detail["input"]).lower(), allowed.split(", ")))
        text = _WRONG_TYPE.get(kind) or Text(f"的值无效（{detail['msg']}）", f"is not valid ({detail['msg']})")
        return self._at(node, "C015", Text(f"“{name}” {text.zh}", f"“{name}” {text.en}"))

    def _nearest(self, path: Spot) -> Node:
        """The value at `path`, or what encloses it."""
        while path not in self._values:
            path = path[:-1]
        return self._values[path]


def _known_key_hint(key: str, path: Spot, model: type[BaseModel]) -> Text | None:
    for part in path:
        # Only models within models can be followed; what a validator reads says itself which keys it knows.
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        model = field.annotation
    known = [field.alias or name for name, field in model.model_fields.items()]
    return did_you_mean(key, known) or Text(f"可用的键：{', '.join(known)}", f"Keys: {', '.join(known)}")
