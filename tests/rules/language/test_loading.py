"""Loading several files: all errors of all of them, local adjustments, places, hashes, and never a crash."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.domain.errors import Finding
from rules.lexing import parse
from rules.loading import load_books
from rules.model import CountMatch, OnMatch, RuleBook, WhileMatch

RULE = """\
rules:
  - id: {id}
    title: {{zh: 超速, en: Speeding}}
    category: speed
    severity: minor
    status: active
    owner: 渣土科
    law: [x-1]
    params:
      limit_kmh: {{value: 60, min: 30, max: 100}}
    match:
      on: position
      where: {where}
    episode: {{cooldown: 10m}}
    runbook: 提醒
    examples:
      - {{name: 快, events: [{{t: 0s, on: position, speed_kmh: 90}}], expect: [{{at: 0s}}]}}
      - {{name: 慢, events: [{{t: 0s, on: position, speed_kmh: 20}}], expect: []}}
"""
TODAY = date(2026, 11, 22)


def vendor(rule_id: str = "speeding", where: str = "speed_kmh > $limit_kmh", tail: str = "") -> bytes:
    return (RULE.format(id=rule_id, where=where) + tail).encode()


def load(*files: tuple[str, bytes]) -> RuleBook:
    book, findings = load_books(files, today=TODAY)
    assert book is not None, "\n".join(f.render() for f in findings)
    return book


def errors(*files: tuple[str, bytes]) -> list[Finding]:
    return [f for f in load_books(files, today=TODAY)[1] if f.severity == "error"]


def codes(*files: tuple[str, bytes]) -> list[tuple[str, int, str]]:
    return [(f.file, f.line, f.code) for f in errors(*files)]


# many files, many errors


def test_every_error_of_every_file_is_told_in_one_run() -> None:
    first = vendor("a", where="sped_kmh > 5 and lod == 3").replace(b"severity: minor", b"severity: tiny")
    second = b"rules: [\n"
    third = vendor("b").replace("渣土科".encode(), "渣土科".encode("gbk"))
    assert codes(("rules/1.yaml", first), ("rules/2.yaml", second), ("rules/3.yaml", third)) == [
        ("rules/1.yaml", 5, "E014"),
        ("rules/1.yaml", 13, "E012"),
        ("rules/1.yaml", 13, "E012"),
        ("rules/2.yaml", 2, "E001"),
        ("rules/3.yaml", 7, "E003"),
    ]


def test_an_id_used_in_two_files_is_told_with_the_place_of_the_first() -> None:
    found = errors(("rules/a.yaml", vendor()), ("rules/b.yaml", vendor(where="speed_kmh > 99")))
    assert [(f.file, f.line, f.column, f.code) for f in found] == [("rules/b.yaml", 2, 9, "E018")]
    assert found[0].hint is not None
    assert "rules/a.yaml:2" in found[0].hint.zh


def test_files_without_rules_make_an_empty_book() -> None:
    assert load(("rules/a.yaml", b""), ("rules/b.yaml", b"# nothing\n"), ("rules/c.yaml", b"rules: []\n")).rules == ()


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b""])
def test_byte_order_mark_and_windows_line_ends_are_fine(prefix: bytes) -> None:
    book = load(("rules/a.yaml", prefix + vendor().replace(b"\n", b"\r\n")))
    assert [rule.rule_id for rule in book.rules] == ["speeding"]
    [wrong] = errors(("rules/a.yaml", prefix + vendor(where="sped > 5").replace(b"\n", b"\r\n")))
    assert (wrong.line, wrong.column, wrong.snippet) == (13, 14, "      where: sped > 5")


def test_anchors_and_merge_keys_may_be_used() -> None:
    text = vendor().replace(b"    episode: {cooldown: 10m}\n", b"    <<: *usual\n")
    book = load(("rules/a.yaml", b"x-usual: &usual {episode: {cooldown: 7m}, severity: major}\n" + text))
    assert (book.rules[0].episode.cooldown_ms, book.rules[0].severity) == (420_000, "minor")


def test_an_anchor_within_itself_and_a_bomb_are_refused() -> None:
    assert [c for *_, c in codes(("rules/a.yaml", b"rules: &a [*a]\n"))] == ["E009"]
    bomb = "x-0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"x-{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    assert {c for *_, c in codes(("rules/a.yaml", bomb.encode()))} == {"E009"}


DEEP = [b"[" * 200_000, b"- " * 200_000, b"? " * 200_000, b"{a: " * 200_000, b"a: [*b]", b"&a [x]: y",
        b"a: &x [b]\n*x : c",
        b"--- {a: b}\n--- {c: d}\n"]  # fmt: skip


@pytest.mark.parametrize("data", DEEP, ids=range(len(DEEP)))
def test_structures_that_make_no_sense_are_refused_with_one_message(data: bytes) -> None:
    assert len(errors(("rules/a.yaml", data))) == 1


def test_full_width_punctuation_that_breaks_the_structure_is_told_everywhere_in_the_file() -> None:
    text = vendor().decode().replace("owner: ", "owner：").replace("{value: 60, min", "{value: 60，min")
    found = errors(("rules/a.yaml", text.replace("runbook: 提醒", "runbook: 提醒：先到，后查").encode()))
    assert [(f.code, f.line, f.column) for f in found] == [("E005", 7, 10), ("E005", 10, 28)]


def test_an_anchor_does_not_shift_the_place_of_what_it_names() -> None:
    [found] = errors(("rules/a.yaml", vendor(where="&fast sped > 5")))
    assert (found.code, found.line, found.column, found.width) == ("E012", 13, 20, 4)


# places in scalars of every style

STYLES = [
    ("speed_kmh > 5 and sped > 6", 13, 32),
    ('"speed_kmh > 5 and sped > 6"', 13, 33),
    ("'load == \"full\" and ''x'' == sped'", 13, 43),
    ('"load == \\"full\\" and sped > 6"', 13, 36),
    ("speed_kmh > 5\n        and sped > 6", 14, 13),
    (">\n        speed_kmh > 5\n        and sped > 6", 15, 13),
    ("|\n        speed_kmh > 5 and\n\n          sped > 6", 16, 11),
]


@pytest.mark.parametrize(("where", "line", "column"), STYLES)
def test_a_wrong_name_is_pointed_at_in_scalars_of_every_style(where: str, line: int, column: int) -> None:
    found = [f for f in errors(("rules/a.yaml", vendor(where=where))) if f.code == "E012"]
    assert [(f.line, f.column, f.width) for f in found] == [(line, column, 4)]
    assert found[0].snippet is not None
    assert found[0].snippet[column - 1 : column + 3] == "sped"


def test_a_wrong_named_condition_is_told_once_where_it_is_defined() -> None:
    tail = "conditions:\n  fast: sped_kmh > 60\n"
    two = vendor(where="fast", tail=tail).replace(b"unless", b"")
    assert codes(("rules/a.yaml", two)) == [("rules/a.yaml", 20, "E012")]
    unused = vendor(tail="conditions:\n  fast: truck.sped > 60\n")
    assert codes(("rules/a.yaml", unused)) == [("rules/a.yaml", 20, "E012")]


# forms of match


def test_the_four_forms_are_read() -> None:
    count = vendor().replace(
        b"      on: position\n", b"      count: 3\n      within: 365d\n      of:\n        on: weighing\n"
    )
    count = count.replace(b"      where: speed_kmh > $limit_kmh", b"        where: over_ratio(gross_kg) > 0.05")
    held = vendor().replace(b"      on: position\n", b"      for: 2m30s\n      until: speed_kmh < 30\n")
    held = held.replace(b"where:", b"while:")
    matches = [load(("rules/a.yaml", text)).rules[0].match for text in (vendor(), held, count)]
    assert isinstance(matches[0], OnMatch)
    assert isinstance(matches[1], WhileMatch)
    assert (matches[1].for_ms, matches[1].until is not None) == (150_000, True)
    assert isinstance(matches[2], CountMatch)
    assert (matches[2].count, matches[2].kind, matches[2].within_ms) == (3, "weighing", 31_536_000_000)


def test_a_step_may_name_earlier_steps_only() -> None:
    steps = """sequence:
        - {as: a, on: sighting, where: b.cover == "open"}
        - {as: b, on: sighting, where: a.camera_id == camera_id}
      within: 5m"""
    old = b"on: position\n      where: speed_kmh > $limit_kmh"
    found = errors(("rules/a.yaml", vendor().replace(old, steps.encode())))
    assert [(f.code, f.line, f.column, f.width) for f in found] == [("E041", 13, 40, 7)]


# local adjustments


def test_a_local_file_changes_params_status_lists_and_exceptions() -> None:
    tail = "lists:\n  spared: [A, B]\n"
    where = "speed_kmh > $limit_kmh and truck_id not in spared"
    local = """\
rules:
  - id: speeding
    override: replace
    status: shadow
    params: {limit_kmh: 80}
  - id: speeding
    override: append
    exceptions:
      - {zone: Z1, reason: 抢险, approved_by: 王某, expires: 2026-12-01}
lists:
  spared: {override: append, items: [B, C]}
"""
    rule = load(("rules/a.yaml", vendor(where=where, tail=tail)), ("rules/local/x.yaml", local.encode())).rules[0]
    assert (rule.status, rule.params["limit_kmh"].value) == ("shadow", 80.0)
    assert rule.params["limit_kmh"].maximum == 100
    assert [sorted(e.zone_ids) for e in rule.exceptions] == [["Z1"]]
    assert isinstance(rule.match, OnMatch)
    assert "('A', 'B', 'C')" in repr(rule.match.where)
    assert "80.0" in repr(rule.match.where)


LOCAL = [
    ("E024", "rules:\n  - {id: «speding», override: replace, status: draft}\n", "speeding"),
    ("E024", "rules:\n  - {id: speeding, override: replace, params: {«limit»: 70}}\n", "limit_kmh"),
    ("E024", "lists:\n  «sites»: {override: append, items: [a]}\n", None),
    ("E025", "rules:\n  - {id: «speeding», status: draft}\n", "override"),
    ("E025", "rules:\n  - {id: speeding, override: append, «status»: draft}\n", None),
    ("E025", "rules:\n  - {id: speeding, override: replace, «severity»: major}\n", None),
    ("E025", "lists:\n  «sites»: [a]\n", "override"),
    ("E014", "rules:\n  - {id: speeding, override: «replce», status: draft}\n", "replace"),
    ("E017", "rules:\n  - {id: speeding, override: replace, params: {limit_kmh: «120»}}\n", None),
    ("E026", "rules:\n  - {id: speeding, override: replace, params: {limit_kmh: «2m»}}\n", None),
    ("E010", "rules:\n  - {id: speeding, override: replace, params: {limit_kmh: {«max»: 120}}}\n", None),
    ("E023", "rules:\n  - id: speeding\n    override: append\n"
     "    exceptions:\n      [{zone: Z, reason: r, approved_by: b, expires: «2026-01-01»}]\n", None),
]  # fmt: skip


@pytest.mark.parametrize(("code", "local", "hint"), LOCAL)
def test_a_wrong_local_file_is_told_at_its_place(code: str, local: str, hint: str | None) -> None:
    start, end = local.find("«"), local.find("»")
    place = (local.count("\n", 0, start) + 1, start - local.rfind("\n", 0, start), end - start - 1)
    text = local.replace("«", "").replace("»", "").encode()
    [found] = errors(("rules/a.yaml", vendor()), ("rules/local/x.yaml", text))
    assert (found.file, found.code, (found.line, found.column, found.width)) == ("rules/local/x.yaml", code, place)
    assert hint is None or (found.hint is not None and hint in found.hint.zh)


def test_an_exception_expires_only_for_those_who_say_what_day_it_is() -> None:
    text = vendor(tail="    exceptions: [{zone: Z, reason: r, approved_by: b, expires: 2026-01-01}]\n")
    book, _ = load_books([("rules/a.yaml", text)], today=None)
    assert book is not None
    assert [c for *_, c in codes(("rules/a.yaml", text))] == ["E023"]


# hashes


def test_the_hash_of_a_rule_ignores_layout_wording_order_and_owner() -> None:
    plain = load(("rules/a.yaml", vendor(where="speed_kmh > $limit_kmh and ignition"))).rules[0]
    other = vendor(where='"(speed_kmh>$limit_kmh)   and ignition"').replace("渣土科".encode(), b"x")
    moved = load(("rules/z.yaml", b"# comment\n" + other)).rules[0]
    assert (plain.rule_hash, plain.match_hash) == (moved.rule_hash, moved.match_hash)


def test_the_hash_of_a_match_changes_with_a_param_it_uses_and_not_with_the_title() -> None:
    rule = load(("rules/a.yaml", vendor())).rules[0]
    retitled = load(("rules/a.yaml", vendor().replace(b"Speeding", b"Too fast"))).rules[0]
    tuned = load(("rules/a.yaml", vendor().replace(b"value: 60", b"value: 70"))).rules[0]
    assert (rule.match_hash == retitled.match_hash, rule.rule_hash == retitled.rule_hash) == (True, False)
    assert (rule.match_hash == tuned.match_hash, rule.rule_hash == tuned.rule_hash) == (False, False)


def test_the_hash_of_a_book_does_not_depend_on_the_order_of_files() -> None:
    a, b = ("rules/a.yaml", vendor("a")), ("rules/b.yaml", vendor("b"))
    assert load(a, b).book_hash == load(b, a).book_hash != load(a).book_hash
    assert [rule.rule_id for rule in load(b, a).rules] == ["a", "b"]


def test_hashes_stay_what_they_were_when_the_software_is_updated() -> None:
    rule = load(("rules/a.yaml", vendor())).rules[0]
    assert (rule.match_hash[:16], rule.rule_hash[:16]) == ("6f8b73fc1a8b60d3", "cd3bc8c309ed9879")


# more of what cannot be reached, begun or ended


def in_match(match: str) -> list[tuple[str, int, str]]:
    old = b"    match:\n      on: position\n      where: speed_kmh > $limit_kmh\n"
    text = vendor().replace(old, f"    match: {match}\n".encode())
    return codes(("rules/a.yaml", text))


SHORT = [
    ("{count: 3, of: {on: weighing}}", "E020"),
    ("{sequence: [{as: a, on: weighing}]}", "E020"),
    ("{sequence: [{as: a, absent: weighing, for: 5m}], within: 5m}", "E022"),
    ("{sequence: [{as: a, on: jump}, {as: b, absent: weighing, for: 5m}, {as: c, on: jump}], within: 4m}", "E022"),
    ("{sequence: [{as: a, on: jump}, {as: b, absent: jump, for: 3m}, {as: c, absent: silence, for: 3m}], within: 5m}",
     "E022"),
    ("{sequence: [], within: 5m}", "E013"),
    ("{sequence: [{as: a, on: jump, for: 5m}], within: 5m}", "E010"),
    ("{sequence: [{as: a, on: jump, absent: jump}], within: 5m}", "E011"),
    ("{count: 0, of: {on: weighing}, within: 5m}", "E014"),
    ("{count: 2.5, of: {on: weighing}, within: 5m}", "E014"),
    ("{count: 3, of: {where: loaded}, within: 5m}", "E011"),
    ("{while: speed_kmh > 5}", "E011"),
    ("{while: speed_kmh > 5, for: 5}", "E016"),
    ("{on: position, while: ignition}", "E010"),
    ("{}", "E011"),
]  # fmt: skip


@pytest.mark.parametrize(("match", "code"), SHORT)
def test_a_match_that_cannot_work_is_told(match: str, code: str) -> None:
    assert in_match(match) == [("rules/a.yaml", 11, code)]


HUGE = [
    ("speed_kmh > " + "9" * 400, "E026"),
    ("speed_kmh > 1e999", "E026"),
    ("age(truck.load) > " + "9" * 400 + "d", "E012"),
    ("not " * 500 + "ignition", "E031"),
    ("speed_kmh > 1" + " + lat" * 300, "E031"),
    ("(" * 200 + "ignition" + ")" * 200, "E031"),
    ("ignition" + " and ignition" * 1000, "E031"),
]


@pytest.mark.parametrize(("where", "code"), HUGE)
def test_what_is_too_large_is_refused(where: str, code: str) -> None:
    assert [c for *_, c in codes(("rules/a.yaml", vendor(where=where)))] == [code]


def test_conditions_that_multiply_each_other_are_refused() -> None:
    lines = ["conditions:", "  c0: ignition", *(f"  c{i}: c{i - 1} and c{i - 1}" for i in range(1, 40))]
    found = codes(("rules/a.yaml", vendor(where="c39", tail="\n".join(lines) + "\n")))
    assert [c for *_, c in found] == ["E031"]


# never a crash

GOOD_FILES = [p.read_bytes() for p in sorted((Path(__file__).parents[3] / "rules/books").glob("*.yaml"))]
SCRAPS = [
    "：", "“", "\t", "  ", "\n", "- ", ": ", "[", "}", "&a ", "*a", "!x ", "|\n", "on", "010", "22:00", "$x", "'", '"',
    "\x00", "\U0001f69a",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_mangled_file_gives_findings_inside_the_file_and_never_a_crash(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([*GOOD_FILES, vendor()])).decode()[:6000]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(st.sampled_from(SCRAPS) | st.text(max_size=3)) + text[at + cut :]
    encoded = text.encode("utf-8", "surrogatepass")
    _, findings = load_books([("rules/a.yaml", encoded)], today=TODAY)
    lines = text.removeprefix("\ufeff").split("\n")
    for finding in findings:
        assert 0 <= finding.line <= len(lines)
        assert finding.line == 0 or finding.column <= len(lines[finding.line - 1]) + 2
        assert finding.render("zh")
        assert finding.render("en")


TOKENS = [
    "cover", "speed_kmh", "truck.load", "zones.forbidden", "trip", ".", "==", "<", "and", "or", "not", "in", "(", ")",
    "[", ",", '"open"', "'", "5", "2m", "$p", "limit_kg()", "age(", "-", "*", "/", "null", "if", "lambda", "：",
    "。", "&&", ":=",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=2), max_size=12))
def test_any_text_as_an_expression_is_read_or_refused_with_a_place(words: list[str]) -> None:
    text = " ".join(words)
    told: list[int] = []
    parsed = parse(text, lambda offset, *_: told.append(offset))
    assert parsed is not None or told
    assert all(0 <= offset <= len(text) for offset in told)
