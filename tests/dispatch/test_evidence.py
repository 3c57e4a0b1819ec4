"""Evidence packs: what is in one, that the same case gives the same bytes, and that it is on record who took it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from haulwatch.city import build_city
from haulwatch.dispatch.evidence import verify
from haulwatch.dispatch.ledger import entry_hash
from haulwatch.dispatch.packs import Packs
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.evidence import PackReceipt
from haulwatch.domain.orders import Actor, UnknownOrder
from tests.dispatch.a_case import DIGEST, ELSEWHERE, PICTURE, Album, Case, new_case
from tests.dispatch.conftest import a_breach

LI = Actor("li", frozenset({"auditor"}))


@pytest.fixture
def case(store: OrderStore, anyone: Actor) -> Case:
    return new_case(store, anyone)


@pytest.fixture
def packs(case: Case) -> Packs:
    return case.store.packs(case.history(), Album(PICTURE))


def exported(packs: Packs, order_id: str) -> tuple[bytes, PackReceipt]:
    out = io.BytesIO()
    receipt = packs.export(order_id, out, actor=LI)
    return out.getvalue(), receipt


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_order_and_all_it_rests_on_is_in_the_pack(packs: Packs, case: Case) -> None:
    data, receipt = exported(packs, case.order_id)
    files = members(data)
    order, audit = json.loads(files["order.json"]), json.loads(files["audit.json"])
    assert order["order"]["order_id"] == case.order_id
    assert [one["rule_id"] for one in order["occurrences"]] == ["speeding", "other"]
    assert [entry["action"] for entry in audit["entries"]] == ["opened", "joined", "file"]
    assert audit["head"]["seq"] == receipt.audit_seq == 4
    assert [json.loads(files[f"findings/000{n}.json"])["breach_id"] for n in (1, 2)] == ["b1", "b2"]
    assert [json.loads(files[f"events/000{n}-sighting.json"])["event_id"] for n in (1, 2)] == ["e-b1", "e-b2"]
    assert files[f"pictures/{DIGEST}.jpg"] == PICTURE
    assert files["verify.py"] == Path(verify.__file__).read_bytes()
    readme = files["README.txt"].decode("utf-8-sig")
    assert case.order_id in readme
    assert "证据包" in readme
    assert "evidence pack" in readme


def test_the_manifest_lists_every_file_and_what_could_not_be_had(packs: Packs, case: Case) -> None:
    data, receipt = exported(packs, case.order_id)
    files = members(data)
    manifest = json.loads(files.pop("manifest.json"))
    assert files.pop("manifest.json.sha256").decode().split()[0] == receipt.manifest_sha256
    told = {one["name"]: (one["sha256"], one["size"]) for one in manifest["files"]}
    assert told == {name: (hashlib.sha256(file).hexdigest(), len(file)) for name, file in files.items()}
    assert manifest["order"]["version"] == receipt.version == 2
    assert manifest["exported"] == {"by": "li", "roles": ["auditor"], "at": receipt.exported_at}
    assert manifest["absent"] == [{"name": ELSEWHERE, "why": "elsewhere"}]
    assert manifest["raw_frames"] == "not_kept"
    assert (receipt.sha256, receipt.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_zones_rule_and_law_are_those_of_that_city(packs: Packs, case: Case) -> None:
    files = members(exported(packs, case.order_id)[0])
    rule = yaml.safe_load(files["rule.yaml"])
    assert rule["city_hash"] == build_city(case.city).city_hash
    assert rule["text"].startswith("id: speeding\ntitle: {zh: 超速, en: Speeding}\n")
    assert "# 一次就算" in rule["text"]
    assert "other" not in rule["text"]
    book = rule["book"]
    assert hashlib.sha256(files[f"city/{book}"]).hexdigest() == rule["book_sha256"]
    assert files[f"city/{book}"] == case.city[book]
    assert files[f"city/{book}"].decode().splitlines()[rule["line"] - 1].strip() == "- id: speeding"
    assert [edition["pack"] for edition in rule["law"]] == ["cn-2016-62", "zj-2020"]
    assert all(f"city/law/{edition['pack']}.yaml" in files for edition in rule["law"])
    zones = json.loads(files["zones.geojson"])
    assert zones["type"] == "FeatureCollection"


def test_without_that_city_there_are_no_zones_rather_than_others(case: Case) -> None:
    data, _ = exported(case.store.packs(), case.order_id)
    files = members(data)
    assert json.loads(files["manifest.json"])["city"]["exact"] is False
    assert {"zones.geojson", "rule.yaml"} & files.keys() == set()
    assert {"name": f"pictures/{DIGEST}", "why": "not_kept"} in json.loads(files["manifest.json"])["absent"]


def test_the_same_case_gives_the_same_bytes(case: Case, packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Packs, "_note", lambda *_: None)  # on record, the second one would be another case
    monkeypatch.setattr(packs, "_clock_ms", lambda: 1_777_600_000_000)
    assert exported(packs, case.order_id) == exported(packs, case.order_id)


def test_who_took_a_pack_is_on_record(packs: Packs, case: Case) -> None:
    _, receipt = exported(packs, case.order_id)
    last = case.store.get(case.order_id).audit[-1]
    assert (last.actor, last.action, last.detail["data"]["sha256"]) == ("li", "exported", receipt.sha256)
    assert last.detail["version"] == 2
    assert packs.of_order(case.order_id) == [receipt]
    assert case.store.verify().problem is None


def test_a_transfer_can_ask_whether_a_pack_is_this_orders(packs: Packs, case: Case) -> None:
    _, receipt = exported(packs, case.order_id)
    asked = case.store.pack_exported
    assert asked(case.order_id, receipt.sha256)
    assert asked(case.order_id, receipt.manifest_sha256.upper())
    assert not asked("HW-20260501-0002", receipt.sha256)
    assert not asked(case.order_id, "0" * 64)
    assert not asked(case.order_id, "\0")


def test_an_order_that_is_not_there_has_no_pack(packs: Packs) -> None:
    out = io.BytesIO()
    with pytest.raises(UnknownOrder):
        packs.export("HW-20260501-0099", out, actor=LI)
    assert out.getvalue() == b""


def test_the_scene_tells_whether_it_is_that_city(packs: Packs, case: Case) -> None:
    scene = packs.scene(case.order_id, actor=LI)
    assert (scene.exact, scene.shown_city_hash) == (True, scene.city_hash)
    assert scene.rule is not None
    assert scene.rule.rule_id == "speeding"
    assert case.store.get(case.order_id).audit[-1].action == "scene_read"
    nothing = case.store.packs().scene(case.order_id, actor=LI)
    assert (nothing.exact, nothing.shown_city_hash, nothing.zones["features"]) == (False, None, [])
    assert case.store.verify().problem is None


def test_the_verifier_hashes_entries_as_the_ledger_does(packs: Packs, case: Case) -> None:
    for entry in json.loads(members(exported(packs, case.order_id)[0])["audit.json"])["entries"]:
        said = [entry[name] for name in ("prev_hash", "seq", "at", "actor", "action", "order_id", "detail")]
        assert verify.entry_hash(entry) == entry_hash(*said) == entry["hash"]


def test_a_person_without_the_system_checks_it(packs: Packs, case: Case, tmp_path: Path) -> None:
    """By the program in the pack, in an interpreter without any of our packages."""
    data, receipt = exported(packs, case.order_id)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        opened.extractall(tmp_path / "pack")
    (tmp_path / "pack.zip").write_bytes(data)
    program = [sys.executable, "-I", "-S", str(tmp_path / "pack" / "verify.py")]
    for arguments in (
        [],
        ["--sha256", receipt.manifest_sha256],
        [str(tmp_path / "pack.zip"), "--sha256", receipt.sha256],
    ):
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "证据包完整" in done.stdout
    (tmp_path / "pack" / "order.json").write_text("{}", encoding="utf-8")
    done = subprocess.run([*program, "--lang", "en"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "[changed] order.json" in done.stdout


def test_what_was_merged_brings_all_that_had_been_merged_into_it(store: OrderStore, anyone: Actor) -> None:
    found = [a_breach(f"m{n}", minute=30 + n, truck_id=f"浙E0000{n}") for n in range(4)]
    first, second, third, other = store.intake(found).opened
    for source, target in ((first, second), (second, third)):
        version = store.get(source).order.version
        store.command(source, "merge", expected_version=version, actor=anyone, data={"into": target})
    files = members(exported(store.packs(), third)[0])
    told = {entry["order_id"] for entry in json.loads(files["audit.json"])["entries"]}
    assert told == {first, second, third}
    findings = [json.loads(data)["breach_id"] for name, data in files.items() if name.startswith("findings/")]
    assert sorted(findings) == ["m0", "m1", "m2"]
    assert other not in files["audit.json"].decode()
