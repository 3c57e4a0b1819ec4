"""Which rule files and stream tests the paths of a command mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.resources import files as resources
from pathlib import Path

from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.text import Text
from rules.overlays import is_local

Files = list[tuple[str, bytes]]
_SUFFIXES = (".yaml", ".yml")
_TESTS = (".test.yaml", ".test.yml")


def rule_files(paths: Sequence[Path]) -> Files:
    """The rule files at `paths` by name, folders searched through; AuthorError when one cannot be read.

    No paths mean the shipped books. Files of stream tests (`*.test.yaml`) are left out of folders.
    """
    return _read(_below(paths, is_rules)) if paths else shipped_books()


def rules_and_tests(paths: Sequence[Path]) -> tuple[Files, Files]:
    """The rule files and the stream tests at `paths`; AuthorError when one cannot be read or there is none.

    No paths mean the shipped books and their tests. Tests alone are tests of the rule files in their folders, and of
    the shipped books where there are none.
    """
    if not paths:
        return shipped_books(), shipped_tests()
    found = [*_below(paths, lambda path: is_rules(path) or is_tests(path))]
    tests = [file for file in found if is_tests(file)]
    rules = [file for file in found if not is_tests(file)]
    if not found:
        text = Text("没有规则文件，也没有测试文件", "neither rule files nor tests")
        raise AuthorError([Finding(path.as_posix(), 0, 0, "E001", text) for path in paths])
    if not rules:
        rules = [*_below(dict.fromkeys(file.parent for file in tests if file.exists()), is_rules)]
    return with_shipped(_read(rules)), _read(tests)


def is_tests(path: Path) -> bool:
    """Whether a file holds stream tests, by its name."""
    return path.name.endswith(_TESTS)


def is_rules(path: Path) -> bool:
    """Whether a file in a folder of rules holds rules or local adjustments, by its name."""
    return path.suffix in _SUFFIXES and not is_tests(path)


def _below(paths: Iterable[Path], wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """The files themselves, whatever their name, and the wanted ones in the folders."""
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if wanted(file) and file.is_file())
        else:
            yield path


def _read(paths: Iterable[Path]) -> Files:
    found: dict[str, bytes] = {}
    findings: list[Finding] = []
    for file in paths:
        try:
            found[file.as_posix()] = file.read_bytes()
        except OSError as error:
            text = Text(f"读不了文件：{error.strerror}", f"cannot read the file: {error.strerror}")
            findings.append(Finding(file.as_posix(), 0, 0, "E001", text))
    if findings:
        raise AuthorError(findings)
    return list(found.items())


def shipped_books() -> Files:
    """The books that come with the software, by name."""
    return _shipped(is_rules)


def shipped_tests() -> Files:
    """The stream tests of the shipped books, by name."""
    return _shipped(is_tests)


def _shipped(wanted: Callable[[Path], bool]) -> Files:
    entries = sorted(resources("rules").joinpath("books").iterdir(), key=lambda entry: entry.name)
    return [(f"rules/books/{entry.name}", entry.read_bytes()) for entry in entries if wanted(Path(entry.name))]


def with_shipped(files: Files) -> Files:
    """Local adjustments alone are laid over the shipped books; so is nothing at all."""
    return files if any(not is_local(name) for name, _ in files) else [*shipped_books(), *files]
