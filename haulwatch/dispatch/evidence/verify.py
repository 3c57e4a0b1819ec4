#!/usr/bin/env python3
"""校验证据包：任何一个字节的改动都会被指出。Checks an evidence pack: one changed byte anywhere is found and named.

    python3 verify.py [PACK.zip | FOLDER] [--sha256 HEX] [--lang zh|en] [--json]

Without PACK it checks the folder that it lies in. It needs Python 3.8 or later and nothing else. Exit code: 0 whole,
1 not as it was exported, 2 no evidence pack. With --sha256, the digest that was noted at export (of the ZIP file, or of
manifest.json), also a pack that somebody made anew from end to end is found.

This file is part of every pack. The program that makes packs uses the same file, so it is one text for both.
Long because it has to be a single file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "haulwatch-evidence-pack"
MANIFEST = "manifest.json"
SEAL = "manifest.json.sha256"
_PORTION = 1 << 20
_LONGEST_TEXT = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_DOS_EPOCH = 0x0021  # 1980-01-01: a pack carries no clock of the machine that wrote it
_STORED = 10  # "version needed": stored, nothing compressed
_MADE_BY = 0x0314  # Unix, so that the permissions below count
_PERMISSIONS = 0o100644 << 16


class Problem(NamedTuple):
    """One thing that is not as it was exported; `name` is the file of the pack, or what else it is about."""

    kind: str
    name: str
    zh: str
    en: str


class Digest(NamedTuple):
    """What a file of the pack is by its bytes."""

    sha256: str
    size: int


class Report(NamedTuple):
    """What was found: the manifest (empty when there is none), how many files were read, and every problem."""

    manifest: dict[str, Any]
    files: int
    problems: list[Problem]


class NoPack(Exception):  # noqa: N818 - named for what is the matter
    """This is no evidence pack at all; the arguments say so in Chinese and English."""


# The container: a ZIP whose every byte follows from the names, sizes and checksums of its files.


def local_header(name: str, crc: int, size: int) -> bytes:
    """What stands before a file's bytes."""
    raw = name.encode("ascii")
    fields = (0x04034B50, _STORED, 0, 0, 0, _DOS_EPOCH, crc, size, size, len(raw), 0)
    return struct.pack("<IHHHHHIIIHH", *fields) + raw


def central_record(name: str, crc: int, size: int, offset: int) -> bytes:
    """A file's line in the table of contents."""
    raw = name.encode("ascii")
    fields = (0x02014B50, _MADE_BY, _STORED, 0, 0, 0, _DOS_EPOCH, crc, size, size, len(raw), 0, 0, 0, 0, _PERMISSIONS)
    return struct.pack("<IHHHHHHIIIHHHHHII", *fields, offset) + raw


def end_record(count: int, size: int, offset: int) -> bytes:
    """What stands at the end: where the table of contents is."""
    return struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, size, offset, 0)


def _container_is_as_written(file: IO[bytes], infos: list[zipfile.ZipInfo]) -> bool:
    at, contents = 0, b""
    for info in infos:
        header = local_header(info.filename, info.CRC, info.file_size)
        file.seek(at)
        if file.read(len(header)) != header:
            return False
        contents += central_record(info.filename, info.CRC, info.file_size, at)
        at += len(header) + info.file_size
    file.seek(at)
    return file.read() == contents + end_record(len(infos), len(contents), at)


class _Zip:
    """The files of a pack in a ZIP."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error):
            raise NoPack("不是可读的 ZIP 文件", "not a readable ZIP file") from None
        self._infos = self._zip.infolist()

    def names(self) -> list[str]:
        return [info.filename for info in self._infos]

    def portions(self, name: str) -> Iterator[bytes]:
        with self._zip.open(name) as stream:
            while True:
                portion = stream.read(_PORTION)
                if not portion:
                    return
                yield portion

    def problems(self) -> Iterator[Problem]:
        infos = sorted(self._infos, key=lambda info: info.header_offset)
        safe = all(_NAME.fullmatch(info.filename) for info in infos)
        if not (safe and _container_is_as_written(self._file, infos)):
            zh = "压缩包本身（文件头、目录或附加内容）与导出时不同；其中各文件另行逐一校验"
            yield Problem(
                "container",
                "(zip)",
                zh,
                "the ZIP itself (headers, table of contents, additions) is not as "
                "it was exported; its files are checked one by one",
            )

    def sha256(self) -> str:
        digest = hashlib.sha256()
        self._file.seek(0)
        for portion in iter(lambda: self._file.read(_PORTION), b""):
            digest.update(portion)
        return digest.hexdigest()

    def close(self) -> None:
        self._zip.close()
        self._file.close()


class _Folder:
    """The files of a pack that somebody has taken out of its ZIP."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        found = (path for path in self._path.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(path.relative_to(self._path).as_posix() for path in found)

    def portions(self, name: str) -> Iterator[bytes]:
        path = self._path / name
        if path.is_symlink():
            raise OSError("symbolic link")
        with path.open("rb") as stream:
            yield from iter(lambda: stream.read(_PORTION), b"")

    def problems(self) -> Iterator[Problem]:
        return iter(())

    def sha256(self) -> str:
        return ""

    def close(self) -> None:
        pass


# What is in it


def verify(path: Path, sha256: str | None = None) -> Report:
    """Checks the ZIP or folder `path`. Raises NoPack where there is none, OSError where it cannot be read."""
    pack = _Folder(path) if path.is_dir() else _Zip(path)
    try:
        return _Check(pack).run(sha256)
    finally:
        pack.close()


class _Check:
    def __init__(self, pack: Any) -> None:
        self._pack = pack
        self._names = pack.names()
        self._found: dict[str, Digest] = {}
        self._problems: list[Problem] = []

    def run(self, sha256: str | None) -> Report:
        if MANIFEST not in self._names:
            raise NoPack("没有 manifest.json，不是证据包", "no manifest.json: not an evidence pack")
        self._problems += self._pack.problems()
        self._read_all()
        manifest = self._manifest()
        self._check_seal(sha256)
        self._check_files(manifest)
        self._check_story(manifest)
        return Report(manifest, len(self._names), self._problems)

    def _tell(self, kind: str, name: str, zh: str, en: str) -> None:
        self._problems.append(Problem(kind, name, zh, en))

    def _read_all(self) -> None:
        for name in sorted(set(self._names)):
            if not _NAME.fullmatch(name):
                self._tell("unsafe", name, "文件名不安全，未读取", "an unsafe name; not read")
                continue
            if self._names.count(name) > 1:
                self._tell("extra", name, "同名文件不止一个", "there is more than one file of this name")
            try:
                self._found[name] = digest_of(self._pack.portions(name))
            except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
                self._tell("changed", name, "内容损坏，读不出", "damaged: it cannot be read")

    def _text(self, name: str) -> str | None:
        """A file that is there, as text; None when it cannot be read, which has been told then."""
        if name not in self._found or self._found[name].size > _LONGEST_TEXT:
            return None
        try:
            return b"".join(self._pack.portions(name)).decode("utf-8")
        except ValueError:
            self._tell("changed", name, "不是 UTF-8 文本", "not UTF-8 text")
            return None

    def _json(self, name: str) -> Any:
        text = self._text(name)
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            self._tell("changed", name, "不是 JSON", "not JSON")
            return None

    def _manifest(self) -> dict[str, Any]:
        manifest = self._json(MANIFEST)
        if isinstance(manifest, dict) and manifest.get("format") == FORMAT and isinstance(manifest.get("files"), list):
            return manifest
        self._tell("changed", MANIFEST, "不是证据包的清单", "not the manifest of an evidence pack")
        return {}

    def _check_seal(self, sha256: str | None) -> None:
        manifest = self._found.get(MANIFEST, Digest("", 0)).sha256
        if self._text(SEAL) != f"{manifest}  {MANIFEST}\n":
            self._tell("changed", MANIFEST, f"清单与 {SEAL} 不符", f"the manifest and {SEAL} do not match")
        if sha256 is not None and sha256.lower() not in (manifest, self._pack.sha256()):
            zh = "不是导出时登记的那一份：摘要不符"
            self._tell("digest", MANIFEST, zh, "not the pack that was noted at export: another digest")

    def _check_files(self, manifest: dict[str, Any]) -> None:
        told = {}
        for one in manifest.get("files", ()):
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                told[one["name"]] = Digest(str(one.get("sha256")), one.get("size", -1))
        for name in sorted(told.keys() - set(self._names)):
            self._tell("missing", name, "缺少此文件", "the file is missing")
        for name in sorted(set(self._names) - told.keys() - {MANIFEST, SEAL}):
            self._tell("extra", name, "清单中没有此文件", "the manifest does not know this file")
        for name in sorted(told.keys() & self._found.keys()):
            if self._found[name] != told[name]:
                self._tell("changed", name, "内容与清单中的摘要不符", "the content does not match the manifest")

    # The story that the files tell together

    def _check_story(self, manifest: dict[str, Any]) -> None:
        order, audit = self._json("order.json"), self._json("audit.json")
        try:
            self._check_order(manifest, order)
            self._check_chain(manifest, audit)
            self._check_findings(order, audit)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError):
            self._tell("order", "order.json", "工单与审计的内容不成形", "order and audit are not of the right form")

    def _check_order(self, manifest: dict[str, Any], order: Any) -> None:
        for name, value in manifest["order"].items():
            if order["order"][name] != value:
                self._tell("order", "order.json", f"{name} 与清单不符", f"{name} is not as the manifest says")

    def _check_chain(self, manifest: dict[str, Any], audit: Any) -> None:
        head, before = audit["head"], None
        if head != manifest["audit_head"]:
            self._tell("audit", "audit.json", "链首与清单不符", "the chain's head is not as the manifest says")
        for entry in audit["entries"]:
            seq = entry["seq"]
            if entry_hash(entry) != entry["hash"]:
                self._broken(seq, "内容与其哈希不符", "the content does not match its hash")
            if before is not None and seq <= before["seq"]:
                self._broken(seq, "顺序不对", "out of order")
            if before is not None and seq == before["seq"] + 1 and entry["prev_hash"] != before["hash"]:
                self._broken(seq, "与前一条不衔接", "does not continue the entry before it")
            if seq > head["seq"] or (seq == head["seq"] and entry["hash"] != head["hash"]):
                self._broken(seq, "与链首不符", "does not match the chain's head")
            before = entry

    def _broken(self, seq: int, zh: str, en: str) -> None:
        self._tell("audit", "audit.json", f"审计第 {seq} 条：{zh}", f"audit entry {seq}: {en}")

    def _check_findings(self, order: Any, audit: Any) -> None:
        """Every finding is the one whose digest stands in the audit, and the order tells what the audit tells."""
        known = {entry["detail"].get("breach_sha256") for entry in audit["entries"]} - {None}
        packed = {name: digest.sha256 for name, digest in self._found.items() if name.startswith("findings/")}
        for name in sorted(packed):
            if packed[name] not in known:
                self._tell("audit", name, "审计中没有这条线索", "the audit does not know this finding")
        for _ in known - set(packed.values()):
            self._tell("missing", "findings/", "审计中的线索不在包内", "a finding of the audit is not in the pack")
        if digest_of([canonical(order["breach"])]).sha256 not in known:
            self._tell("order", "order.json", "立单线索与审计不符", "its finding is not the one of the audit")
        own = [entry for entry in audit["entries"] if entry["order_id"] == order["order"]["order_id"]]
        if own != order["audit"]:
            self._tell("order", "order.json", "经过与审计不符", "its history is not that of the audit")
        for name in sorted(self._found):
            digest = re.fullmatch(r"(?:pictures|photos)/([0-9a-f]{64})\.[a-z]+", name)
            if digest is not None and digest.group(1) != self._found[name].sha256:
                self._tell("changed", name, "图片与其名称中的摘要不符", "the picture is not the one its name says")


def digest_of(portions: Any) -> Digest:
    """SHA-256 and size of what comes in portions."""
    digest, size = hashlib.sha256(), 0
    for portion in portions:
        digest.update(portion)
        size += len(portion)
    return Digest(digest.hexdigest(), size)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: the form that digests are taken of."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def entry_hash(entry: dict[str, Any]) -> str:
    """The hash of an audit entry: SHA-256 of the previous entry's hash followed by the entry's canonical JSON."""
    said = {name: entry[name] for name in ("seq", "at", "actor", "action", "order_id", "detail")}
    return hashlib.sha256(entry["prev_hash"].encode("utf-8") + canonical(said)).hexdigest()


# The command


def told(report: Report, lang: str | None) -> Iterator[str]:
    """The report as lines, in one language or (None) in both."""

    def line(zh: str, en: str) -> str:
        return {"zh": zh, "en": en}.get(lang or "", f"{zh} / {en}")

    for problem in report.problems:
        yield f"[{problem.kind}] {problem.name}: {line(problem.zh, problem.en)}"
    if report.problems:
        count = len(report.problems)
        yield line(f"证据包与导出时不同：{count} 处", f"the pack is not as it was exported: {count} problems")
        return
    order, head, exported = (report.manifest.get(name, {}) for name in ("order", "audit_head", "exported"))
    yield line(f"证据包完整：{report.files} 个文件", f"the pack is whole: {report.files} files")
    yield line("工单", "order") + f" {order.get('order_id')} v{order.get('version')}"
    yield line("导出", "exported") + f" {exported.get('at')} {exported.get('by')}"
    yield line("审计链首", "head of the audit") + f" {head.get('seq')}:{head.get('hash')}"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description="校验证据包 · check an evidence pack")
    parser.add_argument("pack", nargs="?", type=Path, metavar="PACK", help="ZIP 或已解压的文件夹 · ZIP or folder")
    parser.add_argument("--sha256", metavar="HEX", help="导出时登记的摘要 · the digest that was noted at export")
    parser.add_argument("--lang", choices=("zh", "en"), help="语言 · language (both)")
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    options = parser.parse_args(arguments)
    return check(options.pack or Path(__file__).resolve().parent, options.sha256, options.lang, as_json=options.json)


def check(path: Path, sha256: str | None, lang: str | None, *, as_json: bool) -> int:
    """Checks the pack and prints what was found; returns the exit code."""
    try:
        report = verify(path, sha256)
    except (NoPack, OSError) as error:
        both: tuple[Any, ...] = error.args if isinstance(error, NoPack) else (str(error), str(error))
        print({"zh": both[0], "en": both[1]}.get(lang or "", " / ".join(dict.fromkeys(both))), file=sys.stderr)
        return 2
    if as_json:
        found = [problem._asdict() for problem in report.problems]
        print(json.dumps({"whole": not found, "files": report.files, "problems": found}, ensure_ascii=False, indent=2))
    else:
        print("\n".join(told(report, lang)))
    return 1 if report.problems else 0


if __name__ == "__main__":
    for _stream in (sys.stdout, sys.stderr):
        _stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a console that has no Chinese
    sys.exit(main())
