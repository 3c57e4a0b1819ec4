"""The bytes of a city's files as text, and problems located in it.

A file that cannot be read as text is one finding that says what the file probably is: most tables come out of Excel.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text


@dataclass(frozen=True)
class Source:
    """One file as text: without BOM, lines ended by `\\n`."""

    file: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.split("\n")

    def finding(
        self,
        code: str,
        text: Text,
        *,
        line: int = 0,
        column: int = 0,
        width: int = 1,
        hint: Text | None = None,
        severity: Literal["error", "warning"] = "error",
        place: str | None = None,
    ) -> Finding:
        """A problem of this file; `line` and `column` count from 1, line 0 is the file as a whole."""
        snippet = self.lines[line - 1] if 0 < line <= len(self.lines) else None
        return Finding(
            file=self.file,
            line=line,
            column=column,
            code=code,
            text=text,
            severity=severity,
            width=width,
            snippet=snippet,
            hint=hint,
            place=place,
        )


def read_source(file: str, data: bytes) -> Source | Finding:
    """The file as text, or C010 with a guess at the encoding it is in."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _wrong_encoding(file, data, error.start)
    if "\0" in text:
        return _wrong_encoding(file, data, data.index(b"\0"))
    return Source(file, text.replace("\r\n", "\n").replace("\r", "\n"))


def _wrong_encoding(file: str, data: bytes, start: int) -> Finding:
    """C010 at the line of the first byte that is not UTF-8."""
    guess = _guess(data)
    hint = Text(
        "另存为 UTF-8（Excel：CSV UTF-8（逗号分隔））后再试",
        "Save it again as UTF-8 (Excel: CSV UTF-8 (comma delimited))",
    )
    wide = guess == "UTF-16"
    line = 0 if wide or guess == "ZIP" else data.count(b"\n", 0, start) + 1
    snippet = None
    if guess == "GBK":
        snippet = data.split(b"\n")[line - 1].decode("gb18030", "replace").rstrip("\r")
    text = (
        Text("不是文本文件，而是 Excel 工作簿或压缩包", "Not a text file but an Excel workbook or an archive")
        if guess == "ZIP"
        else Text(f"文件不是 UTF-8 编码，看起来是 {guess}", f"The file is not UTF-8; it looks like {guess}")
        if guess
        else Text("文件不是 UTF-8 编码", "The file is not UTF-8")
    )
    return Finding(file=file, line=line, column=0, code="C010", text=text, snippet=snippet, hint=hint)


def _guess(data: bytes) -> Literal["UTF-16", "ZIP", "GBK"] | None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or data[1:2] == b"\0" or data[:1] == b"\0":
        return "UTF-16"
    if data.startswith(b"PK\x03\x04"):
        return "ZIP"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    return "GBK"
