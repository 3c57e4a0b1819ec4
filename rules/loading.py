"""From the bytes of rule files to a checked rule book, with every error of every file. Pure: no files, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from yaml.nodes import MappingNode, Node

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text
from rules import expressions, linting, schema, typing_
from rules.findings import Report, Spot
from rules.hashing import book_hash
from rules.lexing import Tell
from rules.model import RuleBook
from rules.overlays import Overlays, is_local, read_overlay
from rules.reading import Reader
from rules.rule_reader import RuleReader
from rules.scopes import NamedList, Names
from rules.sheets import Sheet
from rules.yaml_source import compose

_TOP = ("rules", "lists", "conditions")


def load_books(files: Sequence[tuple[str, bytes]], *, today: date | None) -> tuple[RuleBook | None, list[Finding]]:
    """The rule book of `files` (name, content), and all findings, in the order of files and lines.

    The book is None when any finding is an error. Names under `rules/local/` are local adjustments of the others.
    `today` (local date) decides which exceptions have expired; None leaves that open.
    """
    report = Report()
    overlays, roots = _read_all(sorted(files), today, report)
    sheets = [_sheet(reader, root, overlays, today) for reader, root in roots]
    _twice(sheets, report)
    ids = {rule.rule_id for sheet in sheets for rule in sheet.rules}
    overlays.tell_orphans(ids, {name for sheet in sheets for name in sheet.names.lists})
    linting.lint(sheets, today, report)
    order = {name: i for i, (name, _) in enumerate(sorted(files))}
    findings = sorted(report.findings, key=lambda f: (order.get(f.file, 0), f.line, f.column, f.code))
    if report.errors:
        return None, findings
    rules = sorted(
        (r.rule for sheet in sheets for r in sheet.rules if r.rule is not None), key=lambda rule: rule.rule_id
    )
    return RuleBook(tuple(rules), book_hash(tuple(rules))), findings


def _read_all(
    files: Sequence[tuple[str, bytes]], today: date | None, report: Report
) -> tuple[Overlays, list[tuple[Reader, MappingNode]]]:
    """The local adjustments, and the top mappings of the vendor's files."""
    overlays = Overlays()
    roots = []
    for name, data in files:
        source, root = compose(name, data, report)
        if root is None:
            continue
        reader = Reader(source, report)
        if is_local(name):
            read_overlay(reader, root, today, overlays)
        else:
            roots.append((reader, root))
    return overlays, roots


def _sheet(reader: Reader, root: MappingNode, overlays: Overlays, today: date | None) -> Sheet:
    anchors = tuple(key.value for key, _ in root.value if str(key.value).startswith("x-"))
    entries = reader.mapping(root, (*_TOP, *anchors), Text("规则文件", "rule file")) or {}
    sheet = Sheet(reader.source.name)
    names = Names(None)
    if "lists" in entries:
        _lists(reader, entries["lists"].value, overlays, sheet, names)
    if "conditions" in entries:
        for name, node in _named(reader, entries["conditions"].value, "conditions", sheet, names).items():
            condition = expressions.read_named(reader, name, node)
            if condition is None:
                names.broken.add(name)
            else:
                names.conditions[name] = condition
    sheet.names = names
    if "rules" in entries:
        rule_reader = RuleReader(reader, names, today, overlays.rules)
        read = (rule_reader.read(item) for item in reader.items(entries["rules"].value, Text("rules ", "rules")))
        sheet.rules = [rule for rule in read if rule is not None]
    _check_unused(sheet)
    return sheet


def _lists(reader: Reader, node: Node, overlays: Overlays, sheet: Sheet, names: Names) -> None:
    for name, items in _named(reader, node, "lists", sheet, names).items():
        before = reader.report.errors
        values = reader.each(items, Text(f"名单 {name} ", f"list {name}"), reader.reference)
        if reader.report.errors > before:
            names.broken.add(name)
        else:
            names.lists[name] = NamedList(name, overlays.apply_list(name, values))


def _named(reader: Reader, node: Node, key: str, sheet: Sheet, names: Names) -> dict[str, Node]:
    """The entries of `lists:` or `conditions:` whose names can be used in expressions."""
    found: dict[str, Node] = {}
    for name, entry in (reader.mapping(node, (), Text(f"{key} ", key), open_keys=True) or {}).items():
        sheet.spots[name] = reader.source.spot(entry.key)
        if reader.identifier(entry.key, Text("名称", "name")) is None:
            names.broken.add(name)
        elif name in schema.RESERVED or name in names.lists or any(name in f for f in schema.EVENT_FIELDS.values()):
            names.broken.add(name)
            reader.error(
                entry.key,
                "E029",
                f'"{name}" 已是字段名、名单或保留字',
                f'"{name}" is a field, a list or a reserved word',
            )
        else:
            found[name] = entry.value
    return found


def _check_unused(sheet: Sheet) -> None:
    """A condition that no rule uses is still checked: as if on the kind of event that it fits best."""
    for condition in sheet.names.conditions.values():
        if condition.used:
            continue
        best: list[_Told] | None = None
        for kind in (None, *schema.KINDS):
            told: list[_Told] = []
            typing_.check_condition(condition.parsed, sheet.names.on(kind), _collector(told))
            # A condition may name a param that only the rules that use it have.
            told = [t for t in told if t[2] != "E038"]
            if best is None or len(told) < len(best):
                best = told
        for trouble in best or ():
            condition.tell(*trouble)


_Told = tuple[int, int, str, str, str, Text | None]


def _collector(told: list[_Told]) -> Tell:
    def tell(offset: int, width: int, code: str, zh: str, en: str, hint: Text | None) -> None:
        told.append((offset, width, code, zh, en, hint))

    return tell


def _twice(sheets: Sequence[Sheet], report: Report) -> None:
    first: dict[str, Spot] = {}
    for sheet in sheets:
        for rule in sheet.rules:
            if not rule.rule_id:
                continue
            spot = rule.spots["id"]
            known = first.setdefault(rule.rule_id, spot)
            if known is not spot:
                hint = Text(f"已用于 {known.file}:{known.line}", f"already used at {known.file}:{known.line}")
                report.error(spot, "E018", f'规则编号 "{rule.rule_id}" 重复', f'rule id "{rule.rule_id}" twice', hint)
