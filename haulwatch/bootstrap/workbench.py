"""The operators' workbench over the desk of deployments: the city in force as sheets, drafts checked and proposed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date

import yaml

from haulwatch.city import City, build_city, check_city, compare_cities
from haulwatch.city.comparing import shown_param
from haulwatch.city.drafts import drafted
from haulwatch.city.files import SHIPPED, belongs, shipped_files
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.domain.errors import AuthorError, Finding, WorldError
from haulwatch.domain.orders import Actor
from haulwatch.domain.rollouts import CityChanges, Rollout, RolloutRefused
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import Checked, CityFile, Draft, ExceptionSheet, ParamSheet, RuleSheet, Workshop
from rules.loading import load_books
from rules.model import Rule, RuleException
from rules.overlays import is_local
from streams.examples import run_examples

CITIES_KEPT = 3
EDITABLE = (".yaml", ".csv", ".geojson")


class CityWorkbench:
    """See `haulwatch.domain.workbench.Workbench`. Cities that were just looked at are kept."""

    def __init__(self, desk: Rollouts, today: Callable[[], date]) -> None:
        self._desk, self._today = desk, today
        self._kept: dict[str, tuple[City, dict[str, bytes]]] = {}

    def workshop(self) -> Workshop:
        """The city in force."""
        in_force = self.in_force()
        city, files = self.city(in_force.city_hash)
        tuned = _tuned(files)
        return Workshop(
            city_hash=city.city_hash,
            in_force=in_force,
            pending=[one for one in self._desk.list() if one.state in ("proposed", "approved")],
            rules=[_sheet(rule, tuned) for rule in city.book.rules],
            files=list(_texts(files)),
            today=self._today().isoformat(),
        )

    def in_force(self) -> Rollout:
        """The deployment that is in force. Raises WorldError before there is one."""
        in_force = self._desk.in_force()
        if in_force is None:
            raise WorldError(Text("还没有启用城市", "no city is in force yet"))
        return in_force

    def check(self, draft: Draft) -> Checked:
        """Findings of the draft's files, and what it changes."""
        base, files = self.laid(draft)
        findings = check_city(files, today=self._today())
        if any(finding.severity == "error" for finding in findings):
            return Checked(findings, CityChanges(), None)
        city = build_city(files, today=self._today())
        findings += _examples(files, draft.files)
        self._keep(city, files)
        return Checked(findings, compare_cities(base, city), city.city_hash)

    def propose(self, draft: Draft, note: str, *, actor: Actor) -> Rollout:
        """Puts the draft before a second person. Examples of rules that come out otherwise than said are errors."""
        checked = self.check(draft)
        wrong = [finding for finding in checked.findings if finding.severity == "error"]
        if wrong:
            raise AuthorError(wrong)
        in_force = self._desk.in_force()
        if in_force is None or in_force.city_hash != draft.base_hash:
            words = Text("其间已启用另一个城市，请刷新后重做", "another city came into force; reload and draft anew")
            raise RolloutRefused("stale", words)
        return self._desk.propose(self.laid(draft)[1], note, actor=actor)

    def drafted(self, draft: Draft) -> dict[str, bytes]:
        """The files of the city that the draft would make. Raises AuthorError, `RolloutRefused`."""
        files = self.laid(draft)[1]
        build_city(files, today=self._today())
        return files

    def city(self, city_hash: str) -> tuple[City, dict[str, bytes]]:
        """A city that was proposed or in force, and its files. Raises `RolloutRefused`."""
        kept = self._kept.get(city_hash)
        if kept is None:
            files = self._desk.files(city_hash)
            if files is None:
                raise RolloutRefused("no-city", Text(f"没有城市 {city_hash}", f"there is no city {city_hash}"))
            kept = (build_city(files), files)
            self._keep(*kept)
        return kept

    def laid(self, draft: Draft) -> tuple[City, dict[str, bytes]]:
        """The city that a draft is of, and its files with the draft laid over them, right or wrong."""
        base, files = self.city(draft.base_hash)
        return base, drafted(files, base.book, draft)

    def _keep(self, city: City, files: dict[str, bytes]) -> None:
        self._kept[city.city_hash] = (city, files)
        while len(self._kept) > CITIES_KEPT:
            del self._kept[next(iter(self._kept))]


def _examples(files: Mapping[str, bytes], edited: Iterable[str]) -> list[Finding]:
    """Of books that were edited; they speak of rules as they are written, so tuning a param plays none."""
    findings: list[Finding] = []
    for name in edited:
        if name in files and name.startswith("rules/") and not is_local(name) and not name.endswith(".test.yaml"):
            book, _ = load_books([(name, files[name])], today=None)
            if book is not None:
                findings += run_examples(book, files)
    return findings


def _tuned(files: Mapping[str, bytes]) -> set[str]:
    """Ids of rules that local files change."""
    found: set[str] = set()
    for name, data in files.items():
        if is_local(name):
            found |= {rule["id"] for rule in (yaml.safe_load(data) or {}).get("rules", ())}
    return found


def _texts(files: Mapping[str, bytes]) -> Iterator[CityFile]:
    """The city's own text files, and the shipped books where it has none."""
    own = {name: data for name, data in files.items() if not name.startswith(SHIPPED) and belongs(name)}
    for name in sorted(own):
        if name.endswith(EDITABLE) and not name.startswith("basemap/"):
            yield CityFile(name, own[name].decode("utf-8-sig", "replace"))
    if not any(name.startswith("rules/") and not is_local(name) and not name.endswith(".test.yaml") for name in own):
        for name, data in sorted(shipped_files(files).items()):
            if name.startswith("rules/"):
                yield CityFile(name, data.decode(), shipped=True)


def _sheet(rule: Rule, tuned: Collection[str]) -> RuleSheet:
    return RuleSheet(
        rule_id=rule.rule_id,
        title=rule.title,
        category=rule.category,
        severity=rule.severity,
        status=rule.status,
        owner=rule.owner,
        law=list(rule.law),
        file=rule.place.file,
        line=rule.place.line,
        tuned=rule.rule_id in tuned,
        rule_hash=rule.rule_hash,
        params=[
            ParamSheet(
                param.name, param.value, shown_param(param) or "", param.unit, param.minimum, param.maximum, param.label
            )
            for param in rule.params.values()
        ],
        exceptions=[_exception(one) for one in rule.exceptions],
        runbook=rule.runbook,
    )


def _exception(one: RuleException) -> ExceptionSheet:
    return ExceptionSheet(
        reason=one.reason,
        approved_by=one.approved_by,
        expires=one.expires.isoformat(),
        truck_id=sorted(one.truck_ids),
        carrier_id=sorted(one.carrier_ids),
        zone=sorted(one.zone_ids),
    )
