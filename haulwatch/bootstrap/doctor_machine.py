"""What the doctor looks at on this machine: Python, packages, names, disk."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import haulwatch
from haulwatch.bootstrap.doctor import Check, ill, unknown, well
from haulwatch.domain.text import Text
from haulwatch.topics import MIB

OUR_NAMES = ("haulwatch", "connectors", "streams", "rules", "geofences")
OLDEST, NEWEST = (3, 11), (3, 13)
LEAST_FREE_BYTES = 1024 * MIB
LEAST_FREE_SHARE = 0.05
ROOT = Path(haulwatch.__file__).parents[1]


def python_version() -> Check:
    """Is it a Python that the project is tested with?"""
    version = sys.version_info[:3]
    shown = ".".join(map(str, version))
    if OLDEST <= version[:2] <= NEWEST:
        return well("python", Text(f"Python {shown}", f"Python {shown}"))
    wanted = f"{OLDEST[0]}.{OLDEST[1]}-{NEWEST[0]}.{NEWEST[1]}"
    mend = Text(f"换用 Python {wanted}", f"use Python {wanted}")
    return ill("python", Text(f"Python {shown}，未经验证", f"Python {shown}, which is not tested"), mend)


def packages(lock: Path = ROOT / "requirements.lock") -> Check:
    """Are the packages those of the lock? Only where the lock is at hand, as in a checkout."""
    if not lock.is_file():
        return unknown("packages", Text("此处没有 requirements.lock", "no requirements.lock here"))
    locked: dict[str, list[str]] = {}  # some packages have a version for each Python
    for name, version in re.findall(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        locked.setdefault(name, []).append(version)
    different = []
    for name, versions in locked.items():
        installed = _installed(name)
        if installed is not None and installed not in versions:
            different.append(f"{name} {installed} ≠ {' | '.join(versions)}")
    if different:
        text = Text(f"与锁定版本不同：{'，'.join(different)}", f"not as locked: {', '.join(different)}")
        return ill("packages", text, Text("按 requirements.lock 重新安装", "install requirements.lock again"))
    return well("packages", Text(f"与锁定的 {len(locked)} 个包一致", f"as locked ({len(locked)} packages)"))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # an extra that this installation does without


def names(ours: Sequence[str] = OUR_NAMES) -> Check:
    """Is any of our import names another distribution's, or found somewhere else than beside us?"""
    owners = metadata.packages_distributions()
    trouble = []
    for name in ours:
        others = {owner for owner in owners.get(name, ()) if owner.lower() != "haulwatch"}
        spec = importlib.util.find_spec(name)
        place = Path(spec.origin) if spec is not None and spec.origin else None
        if others:
            trouble.append(f"{name}: {', '.join(sorted(others))}")
        elif place is None or ROOT not in place.parents:
            trouble.append(f"{name}: {place}")
    if trouble:
        text = Text(f"包名被占用：{'；'.join(trouble)}", f"import names taken: {'; '.join(trouble)}")
        mend = Text("把 haulwatch 装进单独的虚拟环境", "install haulwatch into an environment of its own")
        return ill("names", text, mend)
    return well("names", Text("包名没有被占用", "import names are ours alone"))


def disk(folder: Path) -> Check:
    """Is there room in the data folder?"""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        text = Text(f"读不到 {folder}：{error.strerror}", f"cannot read {folder}: {error.strerror}")
        return ill("disk", text, Text("检查 --data", "check --data"))
    share = usage.free / usage.total
    free = f"{usage.free / 1024**3:.1f} GiB ({share:.0%})"
    if usage.free < LEAST_FREE_BYTES or share < LEAST_FREE_SHARE:
        return ill("disk", Text(f"只剩 {free}", f"only {free} free"), Text("腾出空间", "free some space"))
    return well("disk", Text(f"剩余 {free}", f"{free} free"))
