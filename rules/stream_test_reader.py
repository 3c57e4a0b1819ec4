"""Stream tests (`*.test.yaml`): stories in virtual time with late and double arrival, restarts and exact expectation.

```yaml
tests:
  - name: 重启后不重报
    rules: [uncovered-seen]        # only these; without: the whole book
    trucks: [{truck_id: 浙E12345, axle_count: 4}]
    zones: […]                     # zones, stations, cameras, permits, city, start: as in inline examples
    restart_at: [30s, 2m]          # the processor goes away and comes back from its snapshot
    events:
      - {t: 0s, on: position, speed_kmh: 40, load: full}
      - {t: 10s, arrive: 12s, on: sighting, cover: open, cover_confidence: 0.93, duplicates: 2}
    until: 5m
    expect:                        # every breach that is opened, and no other
      - {at: 2m10s, rule: uncovered-seen, truck_id: 浙E12345, late: false, occurrences: 1, ended: 2m10s}
```

Of an expectation only `at` must be there; what is not written is not looked at. `ended` and `occurrences` are those at
the end of the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yaml.nodes import MappingNode, Node, SequenceNode

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text
from rules.example_reader import read_examples
from rules.findings import Report
from rules.model import Example, ExampleEvent
from rules.reading import Reader
from rules.yaml_source import compose

_TEST_KEYS = ("rules", "trucks", "restart_at")
_EVENT_KEYS = ("duplicates",)
_EXPECT_KEYS = ("rule", "truck_id", "late", "occurrences", "ended")
Keys = dict[str, Node]


@dataclass(frozen=True)
class ExpectedBreach:
    """One opened breach: offset of `detected_at`, and whatever else the author wrote (`wanted`, by name)."""

    at_ms: int
    wanted: dict[str, object]


@dataclass(frozen=True)
class StreamTest:
    """One test as written: the story as an inline example tells it, and what a test can say beside.

    `rules` are the ids that take part, empty for the whole book; `trucks` are rows of the registry.
    """

    story: Example
    rules: tuple[str, ...]
    trucks: tuple[dict[str, object], ...]
    restart_at_ms: tuple[int, ...]
    expect: tuple[ExpectedBreach, ...]


def load_stream_tests(files: Sequence[tuple[str, bytes]]) -> tuple[list[StreamTest], list[Finding]]:
    """The tests of `files` (name, content) in order, and every error of every file."""
    report = Report()
    tests: list[StreamTest] = []
    for name, data in sorted(files):
        source, root = compose(name, data, report)
        if root is None:
            continue
        reader = Reader(source, report)
        entries = reader.mapping(root, ("tests",), Text("测试文件", "test file")) or {}
        if "tests" in entries:
            items = reader.items(entries["tests"].value, Text("tests ", "tests"))
            tests += [test for item in items if (test := _test(reader, item)) is not None]
        else:
            reader.error(root, "E011", "测试文件缺少 tests", "test file without tests")
    return tests, sorted(report.findings, key=lambda found: (found.file, found.line, found.column))


# a test is an inline example with more keys: they are taken out, and what is left is read as one


def _test(reader: Reader, node: Node) -> StreamTest | None:
    before = reader.report.errors
    bare, own = _split(node, _TEST_KEYS)
    bare, events = _split_items(bare, "events", _EVENT_KEYS)
    bare, expect = _split_items(bare, "expect", _EXPECT_KEYS)
    examples = read_examples(reader, SequenceNode(node.tag, [bare], node.start_mark, node.end_mark), "")
    restarts = [_duration(reader, item, "restart_at") for item in _listed(reader, own, "restart_at")]
    rules = [reader.reference(item, Text("规则编号", "rule id")) or "" for item in _listed(reader, own, "rules")]
    trucks = [reader.plain(item, Text("trucks ", "trucks")) for item in _listed(reader, own, "trucks")]
    wanted = [_wanted(reader, keys) for keys in expect]
    copies = [_copies(reader, keys) for keys in events]
    if not examples or reader.report.errors > before:
        return None
    example = examples[0]
    told = tuple(_copied(event, number) for event, number in zip(example.events, copies, strict=True))
    expected = tuple(
        ExpectedBreach(entry.at_ms, more | ({"category": entry.category} if entry.category else {}))
        for entry, more in zip(example.expect, wanted, strict=True)
    )
    return StreamTest(
        story=replace(example, events=told),
        rules=tuple(rules),
        trucks=tuple(truck for truck in trucks if isinstance(truck, dict)),
        restart_at_ms=tuple(restarts),
        expect=expected,
    )


def _split(node: Node, keys: Sequence[str]) -> tuple[Node, Keys]:
    """The mapping without `keys`, and their values; anything else as it is."""
    if not isinstance(node, MappingNode):
        return node, {}
    taken = {key.value: value for key, value in node.value if key.value in keys}
    rest = [(key, value) for key, value in node.value if key.value not in keys]
    return MappingNode(node.tag, rest, node.start_mark, node.end_mark), taken


def _split_items(node: Node, name: str, keys: Sequence[str]) -> tuple[Node, list[Keys]]:
    """The mapping in which the items of list `name` are without `keys`, and those of each item."""
    if not isinstance(node, MappingNode):
        return node, []
    taken: list[Keys] = []
    pairs = []
    for key, value in node.value:
        if key.value == name and isinstance(value, SequenceNode):
            split = [_split(item, keys) for item in value.value]
            taken = [own for _, own in split]
            value = SequenceNode(value.tag, [item for item, _ in split], value.start_mark, value.end_mark)
        pairs.append((key, value))
    return MappingNode(node.tag, pairs, node.start_mark, node.end_mark), taken


def _listed(reader: Reader, keys: Keys, name: str) -> list[Node]:
    return reader.items(keys[name], Text(f"{name} ", name)) if name in keys else []


def _duration(reader: Reader, node: Node, name: str) -> int:
    return round((reader.duration(node, Text(f"{name} ", name)) or 0.0) * 1000)


def _whole(reader: Reader, node: Node, name: str) -> int:
    number = reader.number(node, Text(f"{name} ", name)) or 0.0
    if number != int(number) or number < 0:
        reader.error(node, "E014", f"{name} 应当是整数", f"{name} must be a whole number")
    return int(number)


def _copies(reader: Reader, keys: Keys) -> int:
    return _whole(reader, keys["duplicates"], "duplicates") if "duplicates" in keys else 0


def _copied(event: ExampleEvent, copies: int) -> ExampleEvent:
    return replace(event, fields={**event.fields, "duplicates": copies}) if copies else event


def _wanted(reader: Reader, keys: Keys) -> dict[str, object]:
    """What an expectation says beside `at` and `category`; `ended: null` is a breach that goes on."""
    found: dict[str, object] = {}
    for name, node in keys.items():
        what = Text(f"{name} ", name)
        if name == "late":
            found[name] = reader.switch(node, what)
        elif name == "occurrences":
            found[name] = _whole(reader, node, name)
        elif name == "ended":
            found[name] = None if reader.plain(node, what) is None else _duration(reader, node, name)
        else:
            found[name] = reader.reference(node, what)
    return found
