"""Law packs: limits and penalty scales as dated files in `rules/law/`, checked, with every error located.

A pack is one edition of one text. Editions change, so a revision is a new file beside the old one, never an edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, SequenceNode

from haulwatch.domain.errors import AuthorError, Finding, did_you_mean
from haulwatch.domain.text import Text
from rules.findings import Report, Spot
from rules.yaml_source import Source, compose

REFERENCES_FILE = "references.yaml"
Topic = Literal["mass_limits", "overweight_penalty"]
Verified = Literal["read", "excerpt", "unverified"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_AnyModel = TypeVar("_AnyModel", bound=_Model)


class Bilingual(_Model):
    """A text in both languages, as written in a pack."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def text(self) -> dict[str, str]:
        """As it goes into a suggestion."""
        return {"zh": self.zh, "en": self.en}


class Jurisdiction(Bilingual):
    """Where a text holds; `code` is ISO 3166 (`CN`, `CN-ZJ`)."""

    code: str


class LimitRow(_Model):
    """Gross mass limit (kg) of one class of vehicle; `air_suspension_kg` more when the registry says it has that."""

    axles: int = Field(ge=1, le=20)
    or_more: bool = False
    body: Literal["rigid", "articulated", "any"]
    limit_kg: float = Field(gt=0)
    air_suspension_kg: float = Field(default=0.0, ge=0)


class MassLimits(_Model):
    """The table of limits of one edition."""

    article: Bilingual
    capped_by_registered_mass: bool
    rows: list[LimitRow] = Field(min_length=1)


class Band(_Model):
    """What happens above an excess: given in kg or in percent of the limit, exclusive.

    A fine is `yuan` per `per_kg` of the whole excess or of the part inside this band; `rounding` says what a
    remainder of `per_kg` counts.
    """

    above_kg: float | None = Field(default=None, ge=0)
    above_pct: float | None = Field(default=None, ge=0)
    consequence: Literal["education", "warning", "fine"]
    yuan: float = Field(default=0.0, ge=0)
    per_kg: float = Field(default=1000.0, gt=0)
    of: Literal["whole", "part"] = "part"
    rounding: Literal["up", "down", "none"] = "none"

    @model_validator(mode="after")
    def _one_measure(self) -> Band:
        if (self.above_kg is None) == (self.above_pct is None):
            raise ValueError("above_kg 与 above_pct 二选一 / exactly one of above_kg, above_pct")
        if (self.consequence == "fine") != (self.yuan > 0):
            raise ValueError("罚款档必须有 yuan，其他档不得有 / a fine needs yuan, nothing else has it")
        return self

    def start_kg(self, limit_kg: float) -> float:
        """The excess (kg) above which the band begins."""
        return self.above_kg if self.above_kg is not None else limit_kg * (self.above_pct or 0.0) / 100


class PenaltyScale(_Model):
    """A scale of consequences by excess, lowest band first, capped."""

    article: Bilingual
    cap_yuan: float = Field(gt=0)
    bands: list[Band] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> PenaltyScale:
        measures = {band.above_kg is None for band in self.bands}
        starts = [band.above_kg if band.above_kg is not None else band.above_pct or 0.0 for band in self.bands]
        if len(measures) > 1 or starts != sorted(set(starts)):
            raise ValueError("各档须用同一计量并由低到高 / bands must share one measure and rise")
        if any(band.of == "whole" for band in self.bands[:-1]):
            raise ValueError("只有最高一档可以按全部超限量计 / only the highest band may count the whole excess")
        return self


class OpenQuestion(_Model):
    """What the text leaves open, and how it is read here."""

    topic: Topic
    id: str
    zh: str
    en: str


class LawPack(_Model):
    """One edition of one text; in force from `effective_from` to `effective_to`, both days included."""

    id: str
    title: Bilingual
    jurisdiction: Jurisdiction
    edition: date
    effective_from: date
    effective_to: date | None = None
    verified: Verified
    mass_limits: MassLimits | None = None
    overweight_penalty: PenaltyScale | None = None
    open_questions: list[OpenQuestion] = []

    def in_force(self, day: date) -> bool:
        """Whether this edition holds on `day` (legal time of China)."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    def questions(self, topic: Topic) -> list[dict[str, str]]:
        """The open questions of a topic, as they go into a suggestion."""
        return [{"id": q.id, "zh": q.zh, "en": q.en} for q in self.open_questions if q.topic == topic]


class Reference(_Model):
    """An article that rules cite by key: its title, what it says in a sentence, how far that was verified."""

    title: Bilingual
    gist: Bilingual
    verified: Verified


class References(_Model):
    """The file of cited articles."""

    references: dict[str, Reference]


def available_packs() -> tuple[str, ...]:
    """Names of the shipped law packs, sorted."""
    folder = files("rules").joinpath("law")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml") and n != REFERENCES_FILE))


def shipped_law() -> dict[str, bytes]:
    """The files of the shipped law packs and of the cited articles by name."""
    folder = files("rules").joinpath("law")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".yaml")}


def load_packs(names: Sequence[str], law_files: Mapping[str, bytes]) -> tuple[LawPack, ...]:
    """The packs by name, in this order; AuthorError with every finding when one is unknown or wrong."""
    known = sorted(n.removesuffix(".yaml") for n in law_files if n != REFERENCES_FILE)
    report = Report()
    packs: list[LawPack] = []
    findings: list[Finding] = []
    for name in names:
        if name not in known:
            findings.append(_unknown_pack(name, known))
            continue
        pack = read_pack(f"rules/law/{name}.yaml", law_files[f"{name}.yaml"], report)
        if pack is not None:
            packs.append(pack)
    findings += report.findings
    if findings:
        raise AuthorError(findings)
    return tuple(packs)


def load_references(law_files: Mapping[str, bytes]) -> dict[str, Reference]:
    """The cited articles by key."""
    report = Report()
    found = _read(References, f"rules/law/{REFERENCES_FILE}", law_files[REFERENCES_FILE], report)
    if found is None:
        raise AuthorError(report.findings)
    return found.references


def read_pack(name: str, data: bytes, report: Report) -> LawPack | None:
    """One pack from the bytes of its file; findings go to `report`, and then there is no pack."""
    return _read(LawPack, name, data, report)


def _unknown_pack(name: str, known: Sequence[str]) -> Finding:
    return Finding(
        file="city.yaml",
        line=0,
        column=0,
        code="E014",
        text=Text(f'没有名为 "{name}" 的法规包', f'no law pack "{name}"'),
        hint=did_you_mean(name, known) or Text(f"可用: {', '.join(known)}", f"available: {', '.join(known)}"),
        place="law",
    )


def _read(model: type[_AnyModel], name: str, data: bytes, report: Report) -> _AnyModel | None:
    before = report.errors
    source, root = compose(name, data, report)
    if root is None or report.errors > before:
        if report.errors == before:
            report.error(Spot(name, 0, 0), "E011", "文件是空的", "the file is empty")
        return None
    try:
        # Only text out of YAML: dates and numbers are read by the model, which can tell where they are wrong.
        return model.model_validate(yaml.load(source.text, Loader=yaml.BaseLoader))
    except ValidationError as error:
        for problem in error.errors():
            _report(source, root, problem, report)
        return None


_CODES = {"extra_forbidden": "E010", "missing": "E011", "literal_error": "E014"}


def _report(source: Source, root: MappingNode, problem: ErrorDetails, report: Report) -> None:
    path = ".".join(str(part) for part in problem["loc"]) or "文件"
    spot = source.spot(_node_at(root, problem["loc"], key=problem["type"] == "extra_forbidden"))
    message = problem["msg"].removeprefix("Value error, ")
    zh, _, en = message.partition(" / ")
    if problem["type"] == "extra_forbidden":
        zh, en = "未知的键", "unknown key"
    elif problem["type"] == "missing":
        zh, en = "缺少必需的键", "a required key is missing"
    elif not en:
        zh, en = f"值不对（{message}）", message
    report.error(spot, _CODES.get(problem["type"], "E013"), f"{path}：{zh}", f"{path}: {en}")


def _node_at(root: Node, path: Sequence[int | str], *, key: bool) -> Node:
    """The deepest node on the way (with `key` the last key itself); a missing key is the mapping that lacks it."""
    node = root
    for depth, part in enumerate(path, 1):
        if isinstance(node, MappingNode):
            pair = next((p for p in node.value if p[0].value == str(part)), None)
            match = pair and pair[0 if key and depth == len(path) else 1]
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            match = node.value[part]
        else:
            match = None
        if match is None:
            break
        node = match
    return node
