"""From the text of an expression to Python's own syntax tree, position for position.

`$param` and duration literals (`2m`) are no Python: each is replaced by as many underscores and remembered by its
offset, so that every offset in the tree is an offset in the text.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from haulwatch.domain.text import Text
from rules.reading import seconds
from rules.yaml_source import ascii_of, to_ascii

MAX_LENGTH = 4000
MAX_NESTING = 40
_ONE_AT_A_TIME = threading.Lock()
"""CPython 3.11 counts the depth of the trees it builds for all threads together: two at a time may fail."""

Tell = Callable[[int, int, str, str, str, Text | None], None]
"""(offset, width, code, zh, en, hint): tells what is wrong at a place of the expression's text."""

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<param>\$\w*)
    |(?P<wide>[＀-￯“”‘’、。【】　])
    |(?P<duration>(?<![\w.])(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]))+(?!\w))
    |(?P<unit>(?<![\w.])[0-9]+(?:\.[0-9]+)?(?P<suffix>[A-Za-z%][A-Za-z/]*))
    |(?P<foreign>&&|\|\||<>|!(?!=)|(?<![=<>!])=(?!=)|\#|\b(?:AND|OR|NOT|IN|And|Or|Not)\b)
    """,
    re.VERBOSE,
)
_MEANT = {"&&": "and", "||": "or", "<>": "!=", "!": "not", "=": "=="}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What stood where the tree has only underscores: `$name`, or a duration in seconds."""

    text: str
    param: str | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Parsed:
    """The Python tree of an expression and what its placeholders mean."""

    text: str
    tree: ast.expr
    placeholders: dict[int, Placeholder]
    offsets: list[int]

    def start(self, node: ast.expr) -> int:
        """Character offset at which `node` starts."""
        return self._offset(node.col_offset)

    def end(self, node: ast.expr) -> int:
        """Character offset after `node`."""
        return self._offset(node.end_col_offset or node.col_offset)

    def segment(self, node: ast.expr) -> str:
        """The author's own words for `node`."""
        return " ".join(self.text[self.start(node) : self.end(node)].split())

    def _offset(self, in_bytes: int) -> int:
        return self.offsets[in_bytes]


def parse(text: str, tell: Tell) -> Parsed | None:
    """The tree of `text`, or None after telling why there is none."""
    if len(text) > MAX_LENGTH:
        tell(0, 1, "E031", f"表达式超过 {MAX_LENGTH} 个字符", f"expression longer than {MAX_LENGTH} characters", None)
        return None
    lexer = _Lexer(tell)
    prepared = lexer.prepare(text)
    if lexer.hopeless:
        return None
    if _nesting(prepared) > MAX_NESTING:
        tell(0, 1, "E031", "括号嵌套过深", "brackets nested too deeply", None)
        return None
    lead = len(prepared) - len(prepared.lstrip())
    try:
        with _ONE_AT_A_TIME:
            tree = ast.parse(prepared[lead:], mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        _tell_syntax(error, text, lead, tell)
        return None
    if _depth(tree) > MAX_NESTING:
        tell(0, 1, "E031", "表达式嵌套过深", "expression nested too deeply", None)
        return None
    return Parsed(text, tree, lexer.placeholders, _byte_offsets(prepared[lead:], lead))


def _byte_offsets(text: str, lead: int) -> list[int]:
    """For each byte of `text` the offset of its character; Python's tree counts bytes from the first non-space."""
    if text.isascii():
        return list(range(lead, lead + len(text) + 1))
    offsets: list[int] = []
    for index, character in enumerate(text):
        offsets += [index + lead] * len(character.encode())
    return [*offsets, len(text) + lead]


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _depth(tree: ast.expr) -> int:
    """Levels of the tree, without recursion."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        depth += 1
    return depth


class _Lexer:
    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.placeholders: dict[int, Placeholder] = {}
        self.hopeless = False

    def prepare(self, text: str) -> str:
        """`text` with placeholders for what Python cannot read; full-width characters told and read as ASCII."""
        text = re.sub(r"\s", " ", text)
        wide = self._wide_outside_quotes(text)
        for offset in wide:
            plain = ascii_of(text[offset])
            hint = Text(f"改为半角 {plain!r}", f"write {plain!r} instead")
            self.tell(offset, 1, "E005", f"全角字符 {text[offset]!r}", f"full-width character {text[offset]!r}", hint)
            text = text[:offset] + to_ascii(text[offset]) + text[offset + 1 :]
        return _TOKEN.sub(self._replace, text)

    @staticmethod
    def _wide_outside_quotes(text: str) -> list[int]:
        return [m.start() for m in _TOKEN.finditer(text) if m.lastgroup == "wide" and ascii_of(m.group())]

    def _replace(self, match: re.Match[str]) -> str:
        word, offset = match.group(), match.start()
        if match["param"]:
            self.placeholders[offset] = Placeholder(word, param=word[1:])
            return "_" * len(word)
        if match["duration"]:
            self.placeholders[offset] = Placeholder(word, seconds=seconds(word))
            return "_" * len(word)
        if match["unit"]:
            return self._unit(match)
        if match["foreign"]:
            self.hopeless = True
            meant = _MEANT.get(word, word.lower())
            hint = Text("表达式里不能写注释", "no comments inside an expression") if word == "#" else None
            hint = hint or Text(f"是否想写 {meant} ？", f"did you mean {meant}?")
            self.tell(offset, len(word), "E030", f"不认识 {word}", f"{word} is not understood", hint)
        return word

    def _unit(self, match: re.Match[str]) -> str:
        word, suffix = match.group(), match["suffix"]
        if suffix.lower() in ("e",) or re.fullmatch(r"[0-9]+(?:\.[0-9]+)?[eE][0-9]*", word):
            return word
        self.hopeless = True
        hint = Text(
            "质量用 kg、速度用 km/h 的数，不写单位；时长写 30s 5m 2h 1d",
            "masses in kg and speeds in km/h without unit; durations 30s 5m 2h 1d",
        )
        if suffix == "%":
            hint = Text("百分比写成小数，例如 5% 写 0.05", "write 5% as 0.05")
        self.tell(
            match.start(), len(word), "E016", f"数后面的单位 {suffix} 不能用", f"unit {suffix} is not understood", hint
        )
        return word


def _tell_syntax(error: BaseException, text: str, lead: int, tell: Tell) -> None:
    offset, width = 0, 1
    if isinstance(error, SyntaxError) and error.offset:
        offset = min(error.offset - 1 + lead, max(len(text.rstrip()) - 1, 0))
    hint = Text(
        "检查括号、引号是否成对，and/or 两边是否都有条件",
        "check brackets and quotes, and that and/or stand between conditions",
    )
    if not text.strip():
        hint = Text("写一个条件", "write a condition")
    tell(offset, width, "E030", "表达式写法错误", "syntax error in the expression", hint)
