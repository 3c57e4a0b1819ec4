"""Broken rule files: for each, what is told, exactly where, and what is suggested.

A case changes one thing in a good file. «…» marks the characters that the caret must underline; a case that is told
without a mark is about a whole file. Every case must give exactly one error: one mistake, one message.
"""

from __future__ import annotations

from datetime import date

import pytest

from rules.findings import CODES
from rules.loading import load_books

GOOD = """\
lists:
  night_sites: [S-001, S-007]
conditions:
  loaded: truck.load == "full" or truck.load == "half"
rules:
  - id: uncovered-on-road
    title: {zh: 未密闭运输，上路, en: Uncovered load}
    category: uncovered
    severity: major
    status: active
    owner: 渣土科
    law: [cn-air-116]
    params:
      min_confidence: {value: 0.8, min: 0.5, max: 1.0}
      grace: {value: 2m, min: 30s, max: 10m}
    match:
      sequence:
        - as: seen
          on: sighting
          where: cover == "open" and cover_confidence >= $min_confidence and loaded
        - as: not_corrected
          absent: cover_change
          where: cover == "closed" and trip.origin_zone not in night_sites
          for: $grace
      within: 15m
    unless: zones.construction_site or zones.disposal_site
    schedule: {active: ["22:00-05:00"]}
    episode: {key: [truck_id, trip_id], cooldown: 30m}
    work_order: {urgency: urgent, departments: [综合执法], evidence: [seen]}
    runbook: 到场后核对车牌。
    exceptions:
      - {truck_id: [浙E12345], reason: 抢险, approved_by: 王某, expires: 2026-12-31}
    examples:
      - name: 敞开
        truck: {axle_count: 4}
        events:
          - {t: 10s, on: sighting, cover: open, cover_confidence: 0.93}
        until: 5m
        expect: [{at: 2m10s, category: uncovered}]
      - name: 盖着
        events:
          - {t: 10s, on: sighting, cover: closed}
        expect: []
"""
TODAY = date(2026, 11, 22)
WHERE = 'cover == "open" and cover_confidence >= $min_confidence and loaded'

CASES: list[tuple[str, str, str, str | None]] = [
    # YAML: syntax, tabs, duplicate keys, what is not allowed
    ("E001", "owner: 渣土科", "owner: 科«:» 渣土科", "引号"),
    ("E001", "law: [cn-air-116]", "law: [cn-air-116\n    params«:» x", None),
    ("E001", "runbook: 到场后核对车牌。", "runbook: «*missing»", "别名"),
    ("E002", "    owner: 渣土科", "«\t»   owner: 渣土科", "空格"),
    ("E002", "severity: major", "severity:«\t\t»major", "空格"),
    ("E004", "owner: 渣土科", "owner: 渣土科\n    «owner»: 二科", "第一次在第 11 行"),
    ("E004", "value: 2m, min: 30s", "value: 2m, min: 30s, «value»: 3m", None),
    ("E004", "conditions:\n", "«lists»: {}\nconditions:\n", "第一次在第 1 行"),
    ("E009", "owner: 渣土科", "owner: «!secret 渣土科»", None),
    ("E009", "owner: 渣土科", "owner: «!!python/name:os.system x»", None),
    # full-width punctuation
    ("E005", "owner: 渣土科", "owner«：»渣土科", "':'"),
    ("E005", "{value: 2m, min: 30s", "{value«：»2m, min: 30s", "':'"),
    ("E005", "[truck_id, trip_id]", "[truck_id«，»trip_id]", "','"),
    ("E005", 'cover == "open" and', "cover == «“»open\" and", "'\"'"),
    ("E005", "cover_confidence >= $", "cover_confidence «＞»= $", "'>'"),
    ("E005", "and loaded", "and «（»loaded)", "'('"),
    ("E005", "category: uncovered\n", "category: «“»uncovered”\n", None),
    ("E005", "within: 15m", "within: 1«５»m", "'5'"),
    # what YAML 1.1 reads as something else
    ("E006", "within: 15m", "within: «22:00»", '"22:00"'),
    ("E006", 'active: ["22:00-05:00"]', "active: [«22:00», \"23:00-05:00\"]", '"22:00"'),
    ("E007", "owner: 渣土科", "owner: «on»", '"on"'),
    ("E007", "cover: closed}", "cover: «off»}", "false"),
    ("E007", "status: active", "status: «yes»", "true"),
    ("E007", "approved_by: 王某", "approved_by: «True»", "true"),
    ("E007", "cn-air-116]", "«false»]", None),
    ("E008", "axle_count: 4", "axle_count: «010»", '"010"'),
    ("E008", "value: 0.8", "value: «07»", None),
    # keys
    ("E010", "    owner: 渣土科", "    «ownr»: 渣土科\n    owner: x", "owner"),
    ("E010", "cooldown: 30m}", "«cool_down»: 30m}", "cooldown"),
    ("E010", "          for: $grace", "          «fro»: 1m\n          for: $grace", "for"),
    ("E010", "lists:\n", "«lits»: {}\nlists:\n", "lists"),
    ("E010", "within: 15m", "within: 15m\n      «until»: loaded", "within"),
    ("E011", "    severity: major\n", "", None),
    ("E011", "as: seen\n          on", "on", None),
    ("E011", "reason: 抢险, ", "", None),
    ("E013", "law: [cn-air-116]", "law: «cn-air-116»", "[ … ]"),
    ("E013", "grace: {value: 2m, min: 30s, max: 10m}", "grace: «2m»", "value: 2m"),
    ("E013", "min: 0.5", 'min: «"0.5"»', "引号"),
    ("E014", "category: uncovered\n", "category: «uncoverd»\n", "uncovered"),
    ("E014", "severity: major", "severity: «majer»", "major"),
    ("E014", "status: active", "status: «actve»", "active"),
    ("E014", "on: sighting\n", "on: «sigthing»\n", "sighting"),
    ("E014", "urgency: urgent", "urgency: «urgnt»", "urgent"),
    ("E014", "[truck_id, trip_id]", "[truck_id, «trip»]", "trip_id"),
    ("E015", "id: uncovered-on-road", "id: «Uncovered_on road»", "uncovered-on-road"),
    ("E015", "      grace: {", "      «宽限 时间»: {value: 1}\n      grace: {", None),
    # durations, numbers, hours, days
    ("E016", "within: 15m", "within: «15»", "15s"),
    ("E016", "cooldown: 30m", "cooldown: «30 min»", "30s 5m"),
    ("E016", "{value: 2m, min: 30s", "{value: «120», min: 30s", "120s"),
    ("E016", "t: 10s, on: sighting, cover: open", "t: «10», on: sighting, cover: open", "10s"),
    ("E016", "and loaded", "and age(truck.load) > «30»", "30s"),
    ("E016", "and loaded", "and truck.speed_kmh > «30km/h»", "km/h"),
    ("E017", "value: 0.8", "value: «1.2»", None),
    ("E017", "value: 2m", "value: «10s»", None),
    ("E017", "cover_confidence: 0.93", "cover_confidence: «93»", None),
    ("E026", "value: 0.8, min: 0.5", "value: «80%», min: 0.5", "单位"),
    ("E026", "value: 0.8, min: 0.5", "value: «1_000», min: 0.5", "下划线"),
    ("E027", '"22:00-05:00"', '«"22:00-25:00"»', "24:00"),
    ("E027", '"22:00-05:00"', "«22-5»", "22:00-05:00"),
    ("E028", "expires: 2026-12-31", "expires: «2026-13-31»", "2026-12-31"),
    # what a rule must have
    ("E019", "    owner: 渣土科\n", "", "owner"),
    ("E019", "owner: 渣土科", "«owner»:", None),
    ("E020", "      within: 15m\n", "", "within"),
    ("E021", "expect: [{at: 2m10s, category: uncovered}]", "expect: []", None),
    ("E021", "        expect: []", "        expect: [{at: 1s}]", None),
    ("E022", "for: $grace", "for: «16m»", "within"),
    ("E022", "within: 15m", "within: 1m", None),
    ("E023", "expires: 2026-12-31", "expires: «2026-11-21»", None),
    ("E023", "expires: 2026-12-31", "expires: «2020-02-29»", None),
    ("E018", "as: not_corrected", "as: «seen»", None),
    ("E029", "as: seen", "as: «cover»", None),
    ("E029", "  loaded: truck", "  «truck»: truck.moving\n  loaded: truck", None),
    ("E042", "evidence: [seen]", "evidence: [«sen»]", "seen"),
    ("E042", "evidence: [seen]", "evidence: [«not_corrected»]", None),
    # expressions
    ("E012", "cover_confidence >= $", "«cover_conf» >= $", "cover_confidence"),
    ("E012", "and loaded", 'and truck.«lod» == "full"', "load"),
    ("E012", "and loaded", 'and «truk».load == "full"', "truck"),
    ("E012", "and loaded", "and «axle_count» > 3", "truck.axle_count"),
    ("E012", 'truck.load == "half"', 'truck.«cargo» == "half"', None),
    ("E012", "zones.disposal_site", "zones.«disposal_sit»", "disposal_site"),
    ("E012", "cover: open, cover_confidence", "cover: open, «cover_conf»", "cover_confidence"),
    ("E030", 'cover == "open" and', 'cover «=» "open" and', "=="),
    ("E030", "and loaded", "«&&» loaded", "and"),
    ("E030", "and loaded", "«AND» loaded", "and"),
    ("E031", "and loaded", "and «(x for x in y)»", None),
    ("E031", "and loaded", "and «truck.load[0]» == \"f\"", None),
    ("E037", "and loaded", "and «__import__»(\"os\")", None),
    ("E032", "and loaded", "and «cover_confidence > \"0.8\"»", "引号"),
    ("E032", "and loaded", "and «zones.forbidden == \"Z1\"»", "in"),
    ("E033", "and loaded", "and «truck.gross_kg > truck.speed_kmh»", None),
    ("E033", "cover_confidence >= $min_confidence", "«cover_confidence >= $grace»", None),
    ("E033", "for: $grace", "for: «$min_confidence»", None),
    ("E034", 'cover == "open" and', 'cover == «"opne"» and', "open"),
    ("E034", "and loaded", 'and truck.load in ("full", «"haf"»)', "half"),
    ("E034", "cover: closed}", "cover: «shut»}", None),
    ("E035", ">= $min_confidence", ">= $min_confidence and «cover_confidence > 1.2»", None),
    ("E035", "and loaded", "and cover_confidence / «0» > 1", None),
    ("E035", "and loaded", "and cover_confidence / («2 - 2») > 1", None),
    ("E035", WHERE, "«truck.speed_kmh > 50 and truck.speed_kmh < 30»", None),
    ("E035", WHERE, '«cover == "open" and cover == "half"»', None),
    ("E036", "and loaded", "and trip.trip_id == «null»", "absent"),
    ("E036", 'cover == "open" and', 'cover != «"unknown"» and', "absent"),
    ("E037", "and loaded", "and «distance»(here, camera) > 5", "distance_m"),
    ("E037", "and loaded", "and «age(truck.load, 3)» > 5m", None),
    ("E037", "and loaded", "and age(«truck.moving») > 5m", None),
    ("E038", ">= $min_confidence", ">= «$min_confidance»", "min_confidence"),
    ("E038", "for: $grace", "for: «$grase»", "grace"),
    ("E039", 'loaded: truck.load == "full" or', "loaded: «loaded» or", None),
    ("E040", "and loaded", "and «cover_confidence»", None),
    ("E040", "and loaded", "and «truck.load»", None),
    ("E041", "and loaded", "and «station.verified»", None),
    ("E041", "and loaded", "and «not_corrected.cover» == \"open\"", None),
]  # fmt: skip


def broken(old: str, new: str) -> tuple[bytes, tuple[int, int, int] | None]:
    """The changed file, and (line, column, width) of the mark."""
    assert GOOD.count(old) == 1, f"{old!r} must stand once in the good file"
    text = GOOD.replace(old, new)
    start, end = text.find("«"), text.find("»")
    if start < 0:
        return text.encode(), None
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return text.replace("«", "").replace("»", "").encode(), (line, column, end - start - 1)


def test_the_good_file_is_good() -> None:
    book, findings = load_books([("rules/a.yaml", GOOD.encode())], today=TODAY)
    assert findings == []
    assert book is not None


@pytest.mark.parametrize(("code", "old", "new", "hint"), CASES, ids=lambda value: str(value)[:40] if value else "-")
def test_one_mistake_gives_one_error_at_its_place(code: str, old: str, new: str, hint: str | None) -> None:
    data, place = broken(old, new)
    book, findings = load_books([("rules/a.yaml", data)], today=TODAY)
    errors = [f for f in findings if f.severity == "error"]
    assert [e.code for e in errors] == [code], [e.render() for e in errors]
    assert book is None
    if place is not None:
        assert (errors[0].line, errors[0].column, errors[0].width) == place, errors[0].render()
    if hint is not None:
        assert errors[0].hint is not None
        assert hint in errors[0].hint.zh
    assert errors[0].snippet is None or errors[0].snippet in data.decode().split("\n")
    assert errors[0].text.zh != errors[0].text.en


def test_all_of_them_in_one_run_are_told_each_at_its_place() -> None:
    files, wanted = [], {}
    for number, (code, old, new, _) in enumerate(CASES):
        data, place = broken(old, new)
        name = f"rules/{number:03}.yaml"
        files.append((name, data.replace(b"uncovered-on-road", f"uncovered-on-r{number:03}".encode())))
        wanted[name] = (code, place)
    book, findings = load_books(files, today=TODAY)
    assert book is None
    told = {
        finding.file: (finding.code, finding.line, finding.column)
        for finding in findings
        if finding.severity == "error"
    }
    assert len(wanted) >= 60
    for name, (code, place) in wanted.items():
        assert told[name][0] == code
        assert place is None or told[name][1:] == place[:2]


def test_every_code_of_an_error_is_provoked_here_or_in_the_other_tests() -> None:
    elsewhere = {"E003", "E024", "E025", "E043"}
    assert {code for code, *_ in CASES} | elsewhere == {code for code in CODES if code.startswith("E")}
