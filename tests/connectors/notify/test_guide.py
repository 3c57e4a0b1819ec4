"""The guide: its example is a file that works, and it names all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from connectors.notify.settings import GATEWAY_FIELDS, TEXT_FIELDS, Channel, NotifyFile, Route
from connectors.notify.steps import STEPS
from tests.connectors.notify.conftest import file_of

GUIDE = (Path(__file__).parents[3] / "docs/notify.md").read_text(encoding="utf-8")
SOURCES = sorted((Path(__file__).parents[3] / "connectors/notify").glob("*.py"))


def test_its_example_is_right() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert {channel.type for channel in file_of(example).channels.values()} == {"webhook", "dingtalk", "wecom", "sms"}


@pytest.mark.parametrize("model", [NotifyFile, Channel, Route])
def test_it_names_every_setting(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if f"`{name}" not in GUIDE] == []


def test_it_names_every_step_field_code_and_figure() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    figures = set(re.findall(r'"(notify_\w+)"', code))
    assert figures
    named = [*STEPS, *(f"{{{name}}}" for name in (*TEXT_FIELDS, *GATEWAY_FIELDS)), *figures]
    assert [name for name in named if name not in GUIDE] == []
    assert set(re.findall(r'"(M\d{3})"', code)) == set(re.findall(r"\bM\d{3}\b", GUIDE))
