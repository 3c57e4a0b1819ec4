"""The shipped books: clean, complete, one finding for one conduct, and every inline example true when really run."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest

from rules.law_packs import load_references, shipped_law
from rules.loading import load_books
from rules.model import Example, Rule, RuleBook
from streams.examples import check_example

FILES = sorted(
    (f"rules/books/{entry.name}", entry.read_bytes())
    for entry in files("rules").joinpath("books").iterdir()
    if entry.name.endswith(".yaml") and not entry.name.endswith(".test.yaml")
)


def shipped() -> RuleBook:
    book, findings = load_books(FILES, today=None)
    assert findings == []
    assert book is not None
    return book


BOOK = shipped()
STORIES = [(rule, example) for rule in BOOK.rules for example in rule.examples]


def test_every_rule_says_who_why_and_what_to_do() -> None:
    known = set(load_references(shipped_law()))
    for rule in BOOK.rules:
        assert rule.law, rule.rule_id
        assert set(rule.law) <= known, rule.rule_id
        assert rule.runbook is not None, rule.rule_id
        assert rule.title.zh != rule.title.en, rule.rule_id
        assert rule.work_order.departments, rule.rule_id
        assert {bool(example.expect) for example in rule.examples} == {True, False}, rule.rule_id


def test_every_number_has_a_range_and_a_label_in_both_languages() -> None:
    for rule in BOOK.rules:
        for param in rule.params.values():
            assert param.minimum is not None, (rule.rule_id, param.name)
            assert param.maximum is not None, (rule.rule_id, param.name)
            assert param.label is not None, (rule.rule_id, param.name)
            assert param.label.zh != param.label.en, (rule.rule_id, param.name)


@pytest.mark.parametrize("category", ["overweight", "uncovered", "dumping", "tamper", "permit", "manifest", "speed"])
def test_rules_that_see_the_same_conduct_share_its_episode(category: str) -> None:
    policies = {
        (rule.episode.group, rule.episode.key)
        for rule in BOOK.rules
        if rule.category == category and not rule.rule_id.startswith("repeat-")
    }
    assert len(policies) == 1


def test_of_the_weighing_rules_the_best_founded_one_opens() -> None:
    """One weighing can satisfy several; rules are asked in the order of their ids."""
    ids = [rule.rule_id for rule in BOOK.rules if rule.rule_id.startswith("overweight-weighed")]
    assert ids == [
        "overweight-weighed",
        "overweight-weighed-expired",
        "overweight-weighed-unlisted",
        "overweight-weighed-unverified",
    ]


@pytest.mark.parametrize(
    ("rule", "example"), STORIES, ids=[f"{rule.rule_id}-{number}" for number, (rule, _) in enumerate(STORIES)]
)
def test_inline_example(rule: Rule, example: Example) -> None:
    assert [finding.render() for finding in check_example(rule, example)] == []


def test_an_example_that_lies_is_noticed() -> None:
    rule, example = next((rule, example) for rule, example in STORIES if example.expect)
    assert check_example(rule, replace(example, expect=())) != []
