"""The page's files: both languages complete, colours readable, nothing from elsewhere, libraries as pinned."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from haulwatch.console.pages import STATIC
from haulwatch.console.schemas import Observation
from haulwatch.dispatch.lifecycle import TRANSITIONS
from haulwatch.domain import derived
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import ROLES, STAGES, VERDICTS
from haulwatch.domain.trucks import ZONE_KINDS
from rules.schema import FUNCTIONS, SCOPES

SCRIPTS = sorted(STATIC.glob("js/**/*.js"))
SHEETS = sorted(STATIC.glob("css/*.css"))
ROOT = Path(__file__).resolve().parents[2]


def texts(lang: str) -> dict[str, str]:
    def no_repeats(pairs: list[tuple[str, str]]) -> dict[str, str]:
        found = dict(pairs)
        assert len(found) == len(pairs), "a key stands twice"
        return found

    path = STATIC / "i18n" / f"{lang}.json"
    return json.loads(path.read_text("utf-8"), object_pairs_hook=no_repeats)


def test_both_languages_have_the_same_keys_and_places_to_fill() -> None:
    zh, en = texts("zh"), texts("en")
    assert list(zh) == list(en)
    for key in zh:
        assert sorted(re.findall(r"\{\w+\}", zh[key])) == sorted(re.findall(r"\{\w+\}", en[key])), key
        assert zh[key].strip()
        assert en[key].strip()


def test_every_key_that_a_script_uses_exists() -> None:
    keys = set(texts("zh"))
    used = {key for script in SCRIPTS for key in re.findall(r'\bt\("([^"]+)"', script.read_text("utf-8"))}
    used |= set(re.findall(r'"(keys\.\w+)"', (STATIC / "js" / "keys.js").read_text("utf-8")))
    assert used - keys == set()
    assert len(used) > 80


def names_of(prefix: str, names: list[str] | tuple[str, ...]) -> set[str]:
    return {f"{prefix}.{name}" for name in names}


def test_everything_that_the_server_can_name_has_a_text() -> None:
    observed = [kind.__struct_config__.tag for kind in (*get_args(Observation), *get_args(derived.DerivedEvent))]
    choices = {f"{field.name}.{choice.code}" for row in TRANSITIONS for field in row.given for choice in field.choices}
    wanted = (
        names_of("stage", STAGES)
        | names_of("severity", get_args(Severity))
        | names_of("category", get_args(Category))
        | names_of("role", ROLES)
        | names_of("verdict", VERDICTS)
        | names_of("zone", ZONE_KINDS)
        | names_of("value", ZONE_KINDS)
        | names_of("kind", observed)
        | names_of("done", [row.command for row in TRANSITIONS])
        | choices
    )
    assert wanted - set(texts("zh")) == set()


def test_everything_that_a_condition_can_name_has_a_name() -> None:
    hidden = {"event_id", "truck_id", "at", "at_ms", "since_ms", "received_at", "source", "resent", "images"}
    hidden |= {"from_ms", "to_ms"}
    kinds = (*get_args(Observation), *get_args(derived.DerivedEvent))
    fields = {field for kind in kinds for field in kind.__struct_fields__} - hidden
    fields |= {field for scope in SCOPES.values() for field in scope}
    wanted = names_of("name", sorted(fields)) | names_of("scope", list(SCOPES)) | names_of("call", FUNCTIONS)
    assert wanted - set(texts("zh")) == set()


def test_no_file_names_another_origin_or_inlines_code() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for path in [*SCRIPTS, *SHEETS, STATIC / "index.html"]:
        text = path.read_text("utf-8")
        assert not re.search(r"https?://|['\"(]//\w", text), path
        assert not re.search(r'style=["$]|unsafeHTML|innerHTML', text), path


def test_every_imported_and_linked_file_exists() -> None:
    for script in SCRIPTS:
        for target in re.findall(
            r'(?:from|import\()\s*"(\.[^"]+)"|^import "(\.[^"]+)"', script.read_text("utf-8"), re.M
        ):
            assert (script.parent / (target[0] or target[1])).is_file(), (script, target)
    linked = re.findall(r'(?:src|href)="/static/([^"]+)"', (STATIC / "index.html").read_text("utf-8"))
    assert linked
    assert [path for path in linked if not (STATIC / path).is_file()] == []


def test_vendored_files_are_exactly_those_of_the_manifest() -> None:
    script = ROOT / "scripts" / "vendor_console.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for package in json.loads((STATIC / "vendor" / "manifest.json").read_text("utf-8"))["packages"]:
        assert (STATIC / "vendor" / package["licence_file"]).is_file()


def tokens(theme: str) -> dict[str, str]:
    sheet = (STATIC / "css" / "tokens.css").read_text("utf-8")
    (block,) = re.findall(rf':root\[data-theme="{theme}"\] \{{(.*?)\n\}}', sheet, re.S)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


TEXT_ON = [
    (text, ground)
    for text in ("text", "dim", "accent", "good", "bad", "warn")
    for ground in ("panel", "raised", "hover", "selected")
]
ON_COLOUR = [("on-severity", severity) for severity in get_args(Severity)] + [
    ("on-accent", "accent"),
    ("on-plate", "plate"),
]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("text", "ground"), [*TEXT_ON, *ON_COLOUR, ("map-label", "map-ground")])
def test_text_can_be_read(theme: str, text: str, ground: str) -> None:
    colours = tokens(theme)
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "mark", ["focus", "line-strong", "truck-loaded", "truck-empty", "truck-silent", "zone-forbidden"]
)
def test_marks_and_borders_can_be_seen(theme: str, mark: str) -> None:
    colours = tokens(theme)
    ground = "map-ground" if mark.startswith(("truck", "zone")) else "panel"
    assert contrast(colours[mark], colours[ground]) >= 3
