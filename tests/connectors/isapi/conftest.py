"""What the tests of the receiver share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.held_log import HeldLog
from tests.connectors.isapi.served import Served


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(HeldLog(), tmp_path)
