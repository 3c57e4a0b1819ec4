"""Whose fault is it? Three families of errors under one base; anything else is a bug and may crash.

- `DeviceError`: a device or a foreign system sent something wrong. Counted, dead-lettered, the rest goes on.
- `AuthorError`: a person wrote a wrong file. Every finding of every file is collected; the old version stays in force.
- `WorldError`: a disk, database or network is away. `retryable` says whether trying again can help.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from msgspec import Struct

from haulwatch.domain.text import Lang, Text


class HaulwatchError(Exception):
    """Base of every error that haulwatch raises on purpose; `text` is what a person is shown."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.zh if text.zh == text.en else f"{text.zh} / {text.en}")
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes as they are."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[HaulwatchError], args: tuple[Any, ...], attributes: dict[str, Any]) -> HaulwatchError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class DeviceError(HaulwatchError):
    """Bad input from a device or foreign system; `code` is a stable snake_case name to count by."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


class WorldError(HaulwatchError):
    """Something outside is missing or away."""

    def __init__(self, text: Text, *, retryable: bool = False) -> None:
        super().__init__(text)
        self.retryable = retryable


class Elsewhere(WorldError):  # noqa: N818  # where the trouble is
    """Somebody else's service is away and part of the work waits for it: worth telling, and no reason to stop the rest.

    In /readyz it is named while the process stays ready, so that a load balancer leaves its other work to it.
    """


class Finding(Struct, frozen=True):
    """One located problem in a file that a person wrote.

    `line` and `column` count from 1 (column in characters; 0 = the whole file); `width` is how many characters the
    caret underlines; `place` names what has no line in the usual sense ("feature 3").
    """

    file: str
    line: int
    column: int
    code: str
    text: Text
    severity: Literal["error", "warning"] = "error"
    width: int = 1
    snippet: str | None = None
    hint: Text | None = None
    place: str | None = None

    def render(self, lang: Lang = "zh") -> str:
        """The finding as a few lines of plain text: where, what, the source line with a caret, a suggestion."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        if self.place:
            where += f" ({self.place})"
        lines = [f"{where}  {self.severity}[{self.code}] {self.text.lang(lang)}"]
        if self.snippet is not None and self.line:
            number = f"{self.line:>4} | "
            lines.append(number + self.snippet)
            if self.column:
                lines.append(" " * (len(number) - 2) + "| " + caret_line(self.snippet, self.column, self.width))
        if self.hint is not None:
            lines.append(f"     = {self.hint.lang(lang)}")
        return "\n".join(lines)


def caret_line(snippet: str, column: int, width: int) -> str:
    """Carets under `width` characters from `column` on; a full-width character is two cells in a terminal."""
    before = sum(2 if ord(c) > 0x2E7F else 1 for c in snippet[: column - 1])
    under = sum(2 if ord(c) > 0x2E7F else 1 for c in snippet[column - 1 : column - 1 + max(width, 1)]) or 1
    return " " * before + "^" * under


def did_you_mean(name: str, known: Iterable[str]) -> Text | None:
    """The hint "was `…` meant?" when one of the `known` names is close to `name`, else None."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return Text(f"是否想写 {close[0]} ？", f"Did you mean {close[0]}?") if close else None


class AuthorError(HaulwatchError):
    """A folder or file of rules, zones or registry has errors; all of them are in `findings`."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        errors = sum(f.severity == "error" for f in findings)
        super().__init__(Text(f"文件中有 {errors} 处错误", f"{errors} errors in the files"))
        self.findings = tuple(findings)
