"""The settings that the guide shows are settings."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from haulwatch.bootstrap.feeds import ConnectorsFile
from haulwatch.city.documents import read_document

GUIDE = Path(__file__).parents[3] / "docs" / "isapi.md"


def test_the_example_of_the_guide_is_read() -> None:
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    found, findings = read_document("connectors.yaml", textwrap.dedent(blocks[0][1]).encode(), ConnectorsFile)
    assert findings == []
    assert found is not None
    assert found.isapi is not None
