"""A city as files: which of a folder belong to it, its content hash, and the pack in which hosts keep it."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files as resources
from pathlib import Path

import msgspec
import zstandard

from haulwatch.city.tables import TABLE_FILES
from haulwatch.domain.errors import Finding, WorldError, did_you_mean
from haulwatch.domain.text import Text
from rules.law_packs import shipped_law

SETTINGS_FILE = "city.yaml"
CALENDAR_FILE = "calendar.yaml"
_DECIDING = ("rules/*.yaml", "geofences/*.geojson")
_TEST_SUFFIX = ".test.yaml"
SHIPPED = "shipped:"
"""Marks files of a pack that came with the program; no file of a folder is named so."""
_UNDECIDING = ("basemap/*.geojson", "rules/*.test.yaml")
_FOLDERS = ("rules", "geofences", "basemap")
_MEANT_SUFFIXES = {
    "": {".yaml", ".yml", ".csv", ".geojson", ".xls", ".xlsx"},
    "rules": {".yaml", ".yml", ".json"},
    "geofences": {".geojson", ".json", ".kml", ".shp", ".zip"},
}
_MAX_PACK_BYTES = 1 << 30


def decides(name: str) -> bool:
    """Whether the file takes part in any decision, and so in the city's hash.

    The base map is only drawn, tests of rules are only run by hand.
    """
    if name in (SETTINGS_FILE, CALENDAR_FILE, *TABLE_FILES):
        return True
    return _matches(name, _DECIDING) and not name.endswith(_TEST_SUFFIX)


def belongs(name: str) -> bool:
    """Whether the file is part of a city."""
    return decides(name) or _matches(name, _UNDECIDING)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def city_files(folder: Path) -> dict[str, bytes]:
    """The city's files by their names relative to `folder` (with `/`), sorted.

    Files that look like they were meant to belong (a misspelt table, a zone file with another ending) are among them,
    so that `check_city` can say so; hidden files and everything else are not. WorldError where the folder is missing.
    """
    if not folder.is_dir():
        raise WorldError(Text(f"没有文件夹 {folder}", f"There is no folder {folder}"))
    found: dict[str, bytes] = {}
    for path in sorted(_candidates(folder)):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")) or not (belongs(name) or _looks_meant(name)):
            continue
        try:
            found[name] = path.read_bytes()
        except OSError as error:
            text = Text(f"无法读取 {path}：{error.strerror}", f"Cannot read {path}: {error.strerror}")
            raise WorldError(text) from error
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    """Files directly in the folder and anywhere in the folders of a city."""
    yield from (path for path in folder.iterdir() if path.is_file())
    for name in _FOLDERS:
        yield from (path for path in (folder / name).rglob("*") if path.is_file())


def _looks_meant(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return Path(file).suffix.lower() in _MEANT_SUFFIXES.get(folder, ())


def stray_findings(files: Mapping[str, bytes]) -> list[Finding]:
    """C003 for each file that looks like part of a city but is not read."""
    known = (SETTINGS_FILE, CALENDAR_FILE, *TABLE_FILES)
    findings = []
    for name in sorted(files):
        if belongs(name) or name.startswith(SHIPPED):
            continue
        hint = did_you_mean(name.lower(), known)
        if name.startswith("geofences/"):
            hint = Text("围栏文件的后缀应为 .geojson", "Zone files end in .geojson")
        text = Text("这个文件不属于城市文件夹，不会被读取", "This file is not part of a city and is not read")
        findings.append(Finding(name, 0, 0, "C003", text, severity="warning", hint=hint))
    return findings


def content_hash(files: Mapping[str, bytes], shipped: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over what decides: the city's own files and the `shipped` rule books and law packs it relies on.

    The order of files, a BOM and the kind of line ends make no difference.
    """
    digest = hashlib.sha256()
    deciding = {name: data for name, data in files.items() if decides(name)}
    deciding |= {f"{SHIPPED}{name}": data for name, data in shipped.items()}
    for name, data in sorted(deciding.items()):
        plain = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        for part in (name.encode(), plain):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def shipped_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The shipped rule books (`rules/…`) and law packs (`law/…`) that these files rely on.

    A packed city carries the ones that were shipped when it was packed: it decides the same under a later program.
    """
    carried = {name.removeprefix(SHIPPED): data for name, data in files.items() if name.startswith(SHIPPED)}
    if carried:
        return carried
    books = resources("rules").joinpath("books")
    shipped = {f"rules/{entry.name}": entry.read_bytes() for entry in books.iterdir() if decides(f"rules/{entry.name}")}
    return shipped | {f"law/{name}": data for name, data in shipped_law().items()}


def pack_city(files: Mapping[str, bytes]) -> bytes:
    """The files that belong to a city, and the shipped ones it relies on, as one compressed block.

    Equal files give equal bytes.
    """
    kept = {name: data for name, data in files.items() if belongs(name)}
    kept |= {f"{SHIPPED}{name}": data for name, data in shipped_files(files).items()}
    return zstandard.ZstdCompressor(level=10).compress(msgspec.msgpack.encode(sorted(kept.items())))


def unpack_city(packed: bytes) -> dict[str, bytes]:
    """The files of `pack_city`; WorldError where the block is damaged."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MAX_PACK_BYTES)
        return dict(msgspec.msgpack.decode(plain, type=list[tuple[str, bytes]]))
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise WorldError(Text("保存的城市文件已损坏", "The stored city is damaged")) from error
