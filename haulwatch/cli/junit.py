"""JUnit XML, which build servers read: one suite per file, one case per example or test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from haulwatch.domain.errors import Finding, WorldError
from haulwatch.domain.text import Lang, Text
from rules.model import Place

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (https://www.w3.org/TR/xml/#charsets)."""


@dataclass(frozen=True)
class Case:
    """One example or test and what is wrong with it; `group` is its rule, or the name of its file."""

    place: Place
    group: str
    name: str
    findings: tuple[Finding, ...]

    @classmethod
    def of_file(cls, file: str, findings: tuple[Finding, ...]) -> Case:
        """A file that could not be read."""
        return cls(Place(file, 0, 0), file, file, findings)


def write_junit(path: Path, cases: Iterable[Case], lang: Lang, seconds: float) -> None:
    """Writes the report; WorldError when `path` cannot be written. `seconds` is how long everything took."""
    root = junit(list(cases), lang, seconds)
    ElementTree.indent(root)
    try:
        path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        text = Text(f"写不了文件 {path}：{error.strerror}", f"cannot write {path}: {error.strerror}")
        raise WorldError(text) from error


def junit(cases: list[Case], lang: Lang, seconds: float) -> ElementTree.Element:
    """The report as a tree."""
    root = ElementTree.Element("testsuites", {"name": "haulwatch rules", **_sums(cases), "time": f"{seconds:.3f}"})
    for file in dict.fromkeys(case.place.file for case in cases):
        inside = [case for case in cases if case.place.file == file]
        suite = ElementTree.SubElement(root, "testsuite", {"name": _plain(file), **_sums(inside), "skipped": "0"})
        for case in inside:
            _add_case(suite, case, lang)
    return root


def _sums(cases: list[Case]) -> dict[str, str]:
    errors = sum(_is_error(case) for case in cases)
    failures = sum(bool(case.findings) for case in cases) - errors
    return {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors)}


def _is_error(case: Case) -> bool:
    """A case that could not be played at all, which is something else than one that came out otherwise."""
    return any(finding.code != "T002" for finding in case.findings)


def _add_case(suite: ElementTree.Element, case: Case, lang: Lang) -> None:
    place = {"file": _plain(case.place.file), "line": str(case.place.line)}
    element = ElementTree.SubElement(
        suite, "testcase", {"classname": _plain(case.group), "name": _plain(case.name), **place}
    )
    if case.findings:
        first = case.findings[0]
        told = {"message": _plain(first.text.lang(lang)), "type": first.code}
        trouble = ElementTree.SubElement(element, "error" if _is_error(case) else "failure", told)
        trouble.text = _plain("\n\n".join(finding.render(lang) for finding in case.findings))


def _plain(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
