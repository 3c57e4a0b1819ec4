"""A vendor's rule file after reading, with what lints want to know beside the rules themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.findings import Spot
from rules.rule_reader import ReadRule
from rules.scopes import Names


@dataclass(slots=True)
class Sheet:
    """One vendor's file as far as it could be read: for lints."""

    name: str
    rules: list[ReadRule] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names(None))
    spots: dict[str, Spot] = field(default_factory=dict)
