"""Cities to try rules in: a city folder with its own or with other rules, or no city at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from haulwatch.city import City, build_city, city_files
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

NOWHERE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [110.0, 30.0]},
    "properties": {"zone_id": "elsewhere", "name": "elsewhere", "kind": "parking", "radius_m": 100.0},
}
"""A city has a zone; one that is made up has one far away."""
BARE = {
    "city.yaml": json.dumps(
        {
            "id": "trial",
            "name": "trial",
            "timezone": "Asia/Shanghai",
            "datum": "wgs84",
            "law": ["cn-2016-62", "zj-2020"],
        }
    ).encode(),
    "geofences/nowhere.geojson": json.dumps({"type": "FeatureCollection", "features": [NOWHERE]}).encode(),
}
"""A city of which nothing is known: no zones, no registry. What a rule asks of them is unknown there."""


def trial_city(city: Path | None, rules: Path | None = None) -> City:
    """The city of `trial_files`. Raises AuthorError, WorldError."""
    return build_city(trial_files(city, rules))


def trial_files(city: Path | None, rules: Path | None = None) -> dict[str, bytes]:
    """The files of folder `city` (None: one of which nothing is known), with the rules at `rules` in place of its own.

    `rules`: a folder of books, with or without `local/`, one book, or a whole city folder, which is then taken as it
    is. Exceptions that have expired since are no error: what is tried is often older. Raises WorldError.
    """
    if rules is not None and (rules / "city.yaml").is_file():
        return city_files(rules)
    files = dict(BARE) if city is None else city_files(city)
    if rules is not None:
        files = {name: data for name, data in files.items() if not name.startswith("rules/")}
        files |= dict(_rule_files(rules))
    return files


def _rule_files(rules: Path) -> Iterator[tuple[str, bytes]]:
    if not rules.exists():
        raise WorldError(Text(f"没有规则文件或文件夹 {rules}", f"there is no rule file or folder {rules}"))
    found = [rules] if rules.is_file() else sorted(path for path in rules.rglob("*.yaml") if path.is_file())
    if not found:
        raise WorldError(Text(f"{rules} 中没有规则文件（*.yaml）", f"there are no rule files (*.yaml) in {rules}"))
    for path in found:
        name = path.name if rules.is_file() else path.relative_to(rules).as_posix()
        yield f"rules/{name}", path.read_bytes()
