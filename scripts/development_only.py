"""Names the installed packages that only development needs: all but haulwatch and what it requires, however deep.

`requirements.lock` pins one environment for tests, checks and service alike; an image for service removes these again:
`python scripts/development_only.py | xargs python -m pip uninstall --yes`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "haulwatch"


def needed(root: str = ROOT) -> set[str]:
    """The packages that `root` needs to run in this environment, itself among them, by their canonical names."""
    seen: set[tuple[str, frozenset[str]]] = set()
    open_: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    while open_:
        wanted = open_.pop()
        if wanted not in seen:
            seen.add(wanted)
            open_.extend(_required_by(*wanted))
    return {name for name, _ in seen}


def _required_by(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def development_only() -> list[str]:
    """The installed packages that the system does without."""
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    return sorted(installed - needed() - {"pip"})  # which cannot take itself out; it goes last


if __name__ == "__main__":
    sys.stdout.write("\n".join(development_only()) + "\n")
