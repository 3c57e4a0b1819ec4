"""Where the second engine is not installed its tests are skipped with the reason, except in CI, where they fail."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

NO_DURABLE = None
if importlib.util.find_spec("durable_rules_engine") is None:
    NO_DURABLE = "no durable-rules: pip install 'haulwatch[durable]' needs a C compiler and Python below 3.13"


ENGINES = [
    "native",
    pytest.param("durable", marks=pytest.mark.skipif(NO_DURABLE is not None, reason=str(NO_DURABLE))),
]
"""For tests that both engines must pass."""


def durable_or_skip() -> None:
    """Skips the calling module or test where durable-rules is not installed; fails in CI where it could be."""
    if NO_DURABLE is None:
        return
    if os.environ.get("CI") == "true" and sys.version_info < (3, 13):
        pytest.fail(NO_DURABLE)
    pytest.skip(NO_DURABLE, allow_module_level=True)
