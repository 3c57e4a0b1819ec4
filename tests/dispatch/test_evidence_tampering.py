"""A pack that is not as it was exported: every change is found, and the file is named."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.evidence import verify
from haulwatch.dispatch.evidence.container import PackWriter
from haulwatch.dispatch.store import open_store
from haulwatch.domain.orders import ROLES, Actor
from tests.dispatch.a_case import PICTURE, Album, new_case

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = open_store(sqlite_url(tmp_path_factory.mktemp("store")))
    case = new_case(store, Actor("li", frozenset(ROLES)))
    out = io.BytesIO()
    store.packs(case.history(), Album(PICTURE)).export(case.order_id, out, actor=Actor("li"))
    store.close()
    return out.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pack.zip"


def members(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files: Files) -> bytes:
    out = io.BytesIO()
    writer = PackWriter(out)
    for name, data in files.items():
        writer.add(name, data)
    writer.close()
    return out.getvalue()


def sealed(files: Files) -> Files:
    """The files with a manifest that fits them, as somebody would make it who knows how."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = [
        {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in files.items()
        if not name.startswith("manifest.json")
    ]
    data = json.dumps(manifest).encode()
    seal = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n".encode()
    return {**files, "manifest.json": data, "manifest.json.sha256": seal}


def problems(path: Path, data: bytes, sha256: str | None = None) -> set[tuple[str, str]]:
    path.write_bytes(data)
    return {(problem.kind, problem.name) for problem in verify.verify(path, sha256).problems}


def test_a_pack_as_it_was_exported_has_no_problems(pack: bytes, path: Path) -> None:
    assert problems(path, pack) == set()
    assert problems(path, packed(members(pack))) == set()
    assert problems(path, packed(sealed(members(pack)))) == set()


def test_one_changed_byte_in_any_file_is_found_and_named(pack: bytes, path: Path) -> None:
    files = members(pack)
    chosen = random.Random(1)
    for name, data in files.items():
        for at in {0, len(data) - 1, chosen.randrange(len(data))}:
            other = bytearray(data)
            other[at] ^= 1 << chosen.randrange(8)
            found = problems(path, packed({**files, name: bytes(other)}))
            wanted = "manifest.json" if name == "manifest.json.sha256" else name
            assert ("changed", wanted) in found, (name, at)


def test_one_changed_byte_anywhere_in_the_zip_is_found(pack: bytes, path: Path) -> None:
    """Also where no file is: in its headers, its table of contents, its end."""
    chosen = random.Random(2)
    places = [chosen.randrange(len(pack)) for _ in range(60)] + list(range(30)) + [len(pack) - n for n in range(1, 90)]
    for at in places:
        other = bytearray(pack)
        other[at] ^= 1 << chosen.randrange(8)
        try:
            assert problems(path, bytes(other)) != set(), at
        except verify.NoPack:
            continue


@pytest.mark.parametrize("there", [b"MZ in front", b""])
def test_bytes_before_or_behind_the_zip_are_found(pack: bytes, path: Path, there: bytes) -> None:
    other = there + pack if there else pack + b"behind"
    assert problems(path, other) == {("container", "(zip)")}


def test_every_missing_and_every_added_file_is_named(pack: bytes, path: Path) -> None:
    files = members(pack)
    for name in files:
        rest = {other: data for other, data in files.items() if other != name}
        if name == "manifest.json":
            with pytest.raises(verify.NoPack):
                problems(path, packed(rest))
            continue
        wanted = ("changed", "manifest.json") if name == "manifest.json.sha256" else ("missing", name)
        assert wanted in problems(path, packed(rest)), name
    assert problems(path, packed({**files, "events/9999-x.json": b"{}"})) == {("extra", "events/9999-x.json")}


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/passwd", "a/../../b", "C:/x", "a\\b", ".hidden", "a//b", "x/", "nul\n", "aux:x"]
)
def test_a_name_that_leads_elsewhere_is_not_read(pack: bytes, path: Path, name: str) -> None:
    files = members(pack)
    with zipfile.ZipFile(path, "w") as opened:
        for other, data in files.items():
            opened.writestr(other, data)
        opened.writestr(name, b"evil")
    found = {problem.kind for problem in verify.verify(path).problems}
    assert {"unsafe", "container"} <= found


def test_two_files_of_one_name_are_no_pack_of_ours(pack: bytes, path: Path) -> None:
    files = members(pack)
    out = io.BytesIO()
    writer = PackWriter(out)
    for name, data in [("order.json", b"{}"), *files.items()]:
        writer.add(name, data)
    writer.close()
    assert ("extra", "order.json") in problems(path, out.getvalue())


def test_a_pack_zipped_again_is_told_from_its_files(pack: bytes, path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members(pack).items():
            opened.writestr(name, data)
    assert problems(path, out.getvalue()) == {("container", "(zip)")}


def test_who_makes_the_manifest_anew_is_found_by_the_noted_digest(pack: bytes, path: Path) -> None:
    files = members(pack)
    noted = hashlib.sha256(pack).hexdigest(), hashlib.sha256(files["manifest.json"]).hexdigest()
    forged = packed(sealed({**files, "track.gpx": b"<gpx/>"}))
    assert problems(path, forged) == set()
    for digest in noted:
        assert problems(path, pack, digest) == set()
        assert problems(path, pack, digest.upper()) == set()
        assert problems(path, forged, digest) == {("digest", "manifest.json")}


def forged_audit(files: Files, change: str) -> Files:
    audit = json.loads(files["audit.json"])
    entries = audit["entries"]
    if change == "actor":
        entries[2]["actor"] = "another"
    elif change == "rehashed":
        entries[0]["actor"] = "another"
        entries[0]["hash"] = verify.entry_hash(entries[0])
        entries[1] |= {"seq": 2, "prev_hash": "0" * 64}
        entries[1]["hash"] = verify.entry_hash(entries[1])
    elif change == "removed":
        del entries[1]
    elif change == "swapped":
        entries[0], entries[1] = entries[1], entries[0]
    elif change == "head":
        audit["head"]["hash"] = "0" * 64
    return sealed({**files, "audit.json": json.dumps(audit).encode()})


@pytest.mark.parametrize("change", ["actor", "rehashed", "removed", "swapped", "head"])
def test_a_forged_audit_is_found_even_under_a_fitting_manifest(pack: bytes, path: Path, change: str) -> None:
    found = problems(path, packed(forged_audit(members(pack), change)))
    assert {kind for kind, _ in found} & {"audit", "missing", "order"}


def test_a_forged_finding_is_found_even_under_a_fitting_manifest(pack: bytes, path: Path) -> None:
    files = members(pack)
    finding = json.loads(files["findings/0001.json"])
    finding["lon"] = 121.0
    forged = sealed({**files, "findings/0001.json": verify.canonical(finding)})
    assert problems(path, packed(forged)) == {("audit", "findings/0001.json"), ("missing", "findings/")}
    order = json.loads(files["order.json"])
    order["breach"]["lon"] = 121.0
    forged = sealed({**files, "order.json": json.dumps(order).encode()})
    assert problems(path, packed(forged)) == {("order", "order.json")}


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"order": 1}', "\ufeff{}", "[" * 100_000, '{"entries": null}'])
@pytest.mark.parametrize("name", ["order.json", "audit.json", "manifest.json"])
def test_nonsense_is_told_not_thrown(pack: bytes, path: Path, name: str, text: str) -> None:
    assert problems(path, packed({**members(pack), name: text.encode()})) != set()


def test_what_is_no_pack_is_told_with_its_own_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.zip").write_bytes(packed({"a.txt": b"a"}))
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for name in ("other.zip", "text.zip", "folder", "nothing"):
        assert verify.main([str(tmp_path / name)]) == 2
    assert "Traceback" not in capsys.readouterr().err
