"""Every connector has its option, its guide, and its codes in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS
from connectors.spec import Connector
from haulwatch.bootstrap.feeds import MAKERS, ConnectorsFile
from haulwatch.cli.main import build_parser

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=CONNECTORS.values(), ids=CONNECTORS)
def connector(request: pytest.FixtureRequest) -> Connector:
    found: Connector = request.param
    return found


def test_the_guide_names_every_code(connector: Connector) -> None:
    guide = (ROOT / connector.guide).read_text(encoding="utf-8")
    assert [code for code in connector.codes if f"`{code}`" not in guide] == []


def test_no_code_is_counted_that_is_not_listed(connector: Connector) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "connectors" / connector.name).glob("*.py"))
    counted = set(re.findall(r'(?:count_fault|DeviceError|fault)\(\s*"(\w+)"', sources))
    assert counted
    assert counted <= set(connector.codes)


@pytest.mark.parametrize("verb", ["run", "gateway"])
def test_processes_know_its_option(connector: Connector, verb: str) -> None:
    if connector.option is None:
        assert connector.section in ConnectorsFile.model_fields, "a section of connectors.yaml switches it on"
        return
    given = ["run", "--city", "c", "--data", "d"] if verb == "run" else ["gateway"]
    options = build_parser([verb]).parse_args([*given, connector.option, "127.0.0.1:9"])
    assert getattr(options, connector.option.strip("-").replace("-", "_")) == "127.0.0.1:9"


def test_every_section_has_its_connector() -> None:
    assert set(ConnectorsFile.model_fields) == set(MAKERS)
    assert set(MAKERS) == {connector.section for connector in CONNECTORS.values() if connector.section is not None}
