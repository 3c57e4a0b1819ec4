"""The file that switches connectors on, and how they are run together."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulwatch.bootstrap.feeds import read_connectors
from haulwatch.domain.errors import AuthorError, WorldError


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"connectors\.yaml"):
        read_connectors(tmp_path / "connectors.yaml")


def test_an_unknown_section_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "connectors.yaml"
    path.write_text("# devices\ncoffee: {}\n", encoding="utf-8")
    with pytest.raises(AuthorError) as caught:
        read_connectors(path)
    [finding] = caught.value.findings
    assert (finding.file, finding.line, finding.column, finding.code) == (path.as_posix(), 2, 1, "C013")
