"""A short storm; the long one is `make chaos`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.chaos.storm import Plan, storm
from tests.servers import NoServerError, unavailable

SHORT = Plan(seed=20260501, kills=8, pause_s=(1.0, 3.0), outage_s=8.0, trucks=60, recorded_h=0.5, per_s=300.0)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.postgresql
@pytest.mark.timeout(1200)
def test_what_a_storm_leaves_behind_is_what_the_log_says(tmp_path: Path) -> None:
    try:
        verdict = storm(SHORT, tmp_path, lambda text: print(text, file=sys.stderr))  # noqa: T201  # shown on failure
    except NoServerError as error:
        unavailable("cluster", [str(error)])
    assert not verdict.problems, verdict.table()
    assert verdict.counts["breach records"] != "0 (0 different), expected 0", "nothing is shown here"
