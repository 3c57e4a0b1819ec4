"""A rule file as YAML nodes that know where they stand, and the traps that YAML itself sets.

Only composes: nothing is resolved to booleans, octal or base-60 numbers here. What a scalar means is decided by who
reads it (`rules.reading`), from its text and quoting style.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from haulwatch.domain.text import Text
from rules.composing import Composer
from rules.findings import Report, Spot

MAX_BYTES = 2_000_000
FULL_WIDTH = {"“": '"', "”": '"', "‘": "'", "’": "'", "、": ",", "。": ".", "【": "[", "】": "]", "　": " "}


def ascii_of(character: str) -> str | None:
    """The ASCII character that a full-width one stands for, or None when it is not full-width."""
    if character in FULL_WIDTH:
        return FULL_WIDTH[character]
    if "！" <= character <= "～":
        return unicodedata.normalize("NFKC", character)
    return None


def to_ascii(text: str) -> str:
    """`text` with every full-width character replaced by its ASCII one, position by position."""
    return "".join(ascii_of(c) or c for c in text)


@dataclass(frozen=True)
class Source:
    """One rule file: its name and text."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    def line(self, number: int) -> str | None:
        """Line `number` (from 1), or None."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else None

    def at(self, line: int, column: int, width: int = 1) -> Spot:
        """The spot at `line`, `column` (both from 1)."""
        return Spot(self.name, line, column, width, self.line(line))

    def spot(self, node: Node) -> Spot:
        """Where `node` stands; the caret covers a scalar, or the first line of a longer one."""
        start, end = node.start_mark, node.end_mark
        line = self.line(start.line + 1) or ""
        width = 1
        if isinstance(node, ScalarNode):
            width = (end.column if end.line == start.line else len(line)) - start.column
        return self.at(start.line + 1, start.column + 1, width)

    def inside(self, node: ScalarNode, offset: int, width: int = 1) -> Spot:
        """Where character `offset` of the scalar's value stands in the file.

        Exact for anything on one line; for folded and block scalars it follows the text over the line ends.
        """
        positions = self._positions(node)
        if not positions:
            return self.spot(node)
        index = positions[min(offset, len(positions) - 1)]
        line = self.text.count("\n", 0, index)
        start = self.text.rfind("\n", 0, index) + 1
        past = 1 if offset >= len(positions) else 0
        return self.at(line + 1, index - start + 1 + past, width)

    def _positions(self, node: ScalarNode) -> list[int]:
        """For each character of the value, its index in the file: both hold the same visible characters in order."""
        index = node.start_mark.index
        end = node.end_mark.index
        if node.style in ("'", '"'):
            index += 1
        elif node.style in ("|", ">"):
            index = self.text.find("\n", index) + 1
        positions: list[int] = []
        for character in node.value:
            if character.isspace():
                positions.append(index)
                if index < end and self.text[index].isspace():
                    index += 1
                continue
            while index < end and self.text[index] != character:
                index += 1
            positions.append(min(index, end))
            index += 1
            if node.style == "'" and character == "'":
                index += 1
        return positions


def compose(name: str, data: bytes, report: Report) -> tuple[Source, MappingNode | None]:
    """The file's top mapping, or None when it cannot be read (then `report` says why); an empty file is None too."""
    source = _decode(name, data, report)
    if source is None:
        return Source(name, ""), None
    tabs = _report_tabs(source, report)
    try:
        root = Composer(source.name, source.text.replace("\t", " "), source.lines, report).compose()
    except yaml.YAMLError as error:
        if not tabs:
            _report_syntax(source, error, report)
        return source, None
    if root is None:
        return source, None
    if not isinstance(root, MappingNode):
        spot = source.spot(root)
        if not (isinstance(root, ScalarNode) and _report_full_width(source, spot.line, report)):
            report.error(spot, "E013", "文件最外层应当是 键: 值", "the file must be a mapping of keys to values")
        return source, None
    return source, root


def _decode(name: str, data: bytes, report: Report) -> Source | None:
    if len(data) > MAX_BYTES:
        report.error(Spot(name, 0, 0), "E009", f"文件超过 {MAX_BYTES} 字节", f"file larger than {MAX_BYTES} bytes")
        return None
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start]
        spot = Spot(name, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        hint = Text("请在编辑器里另存为 UTF-8（现在可能是 GBK）", "save the file as UTF-8 (it may be GBK now)")
        report.error(spot, "E003", "文件不是 UTF-8 编码", "the file is not UTF-8", hint)
        return None


def _report_tabs(source: Source, report: Report) -> bool:
    found = False
    for number, line in enumerate(source.lines, 1):
        column = line.find("\t")
        if column < 0 or line.lstrip().startswith("#"):
            continue
        found = True
        width = len(line) - column - len(line[column:].lstrip("\t"))
        hint = Text("用空格代替，缩进每级两个空格", "use spaces instead, two for each level")
        report.error(source.at(number, column + 1, width), "E002", "不能使用制表符（Tab）", "tab character", hint)
    return found


def _report_syntax(source: Source, error: yaml.YAMLError, report: Report) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        report.error(Spot(source.name, 0, 0), "E001", f"YAML 写法错误：{error}", f"YAML syntax error: {error}")
        return
    # The parser stumbles where it stumbles; full-width punctuation anywhere before that may be why.
    numbers = [n for n in range(1, len(source.lines) + 1) if _report_full_width(source, n, report)]
    if numbers and numbers[0] <= mark.line + 1:
        return
    problem = getattr(error, "problem", None) or str(error)
    hint = Text(
        "检查缩进、冒号后的空格、引号和括号是否成对", "check indentation, the space after a colon, quotes and brackets"
    )
    if "could not find expected ':'" in problem or "mapping values are not allowed" in problem:
        hint = Text("含有冒号或引号的值要用引号括起来", "quote a value that contains a colon or quotes")
    spot = source.at(mark.line + 1, mark.column + 1)
    if mark.line >= len(source.lines):
        # Something is open when the file ends.
        spot = source.at(len(source.lines), len(source.lines[-1]) + 1)
    report.error(spot, "E001", f"YAML 写法错误：{problem}", f"YAML syntax error: {problem}", hint)


_STRUCTURAL = re.compile(
    r"""^\s*(?:-\s+)?[a-z][\w-]*(：)|[\[{,]\s*[a-z][\w-]*(：)|(，)(?=\s*[a-z][\w-]*\s*[:：])""", re.ASCII
)


def _report_full_width(source: Source, number: int, report: Report) -> bool:
    """Full-width punctuation that stands where YAML wants its own, on line `number`."""
    line = source.line(number) or ""
    found = False
    for match in _STRUCTURAL.finditer(line):
        group = match.lastindex or 0
        full_width(report, source.at(number, match.start(group) + 1), match.group(group))
        found = True
    return found


def full_width(report: Report, spot: Spot, characters: str) -> None:
    """Reports full-width characters where ASCII is needed."""
    plain = to_ascii(characters)
    hint = Text(f"改为半角 {plain!r}", f"write {plain!r} instead")
    report.error(spot, "E005", f"全角字符 {characters!r}", f"full-width character {characters!r}", hint)
