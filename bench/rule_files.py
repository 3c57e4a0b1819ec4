"""How long `haulwatch rules check` takes for 200 rules in 20 files, one of them broken: `python bench/rule_files.py`.

The command as a person starts it, beside a Python that does nothing: reading YAML, checking every expression,
reporting. Broken files end there; examples are played only where there is no error.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

FILES, RULES = 20, 10
RUNS = 7
RULE = """\
  - id: uncovered-{number}
    title: {{zh: 未密闭运输, en: Uncovered load}}
    category: uncovered
    severity: major
    status: active
    owner: bench
    law: [cn-air-116]
    params:
      min_confidence: {{value: 0.8, min: 0.5, max: 1.0}}
      grace: {{value: 2m, min: 30s, max: 10m}}
    match:
      sequence:
        - {{as: seen, on: sighting, where: cover == "open" and cover_confidence >= $min_confidence and loaded}}
        - {{as: kept, absent: cover_change, where: cover == "closed", for: $grace}}
      within: 15m
    unless: zones.construction_site or zones.disposal_site
    episode: {{key: [truck_id], cooldown: 30m}}
    runbook: {{zh: 核对车牌, en: check the plate}}
    work_order: {{urgency: urgent, departments: [综合执法], evidence: [seen]}}
    examples:
      - name: open
        events:
          - {{t: 0s, on: position, load: full}}
          - {{t: 10s, on: sighting, cover: open, cover_confidence: 0.{percent}}}
        until: 5m
        expect: [{{at: 2m10s, category: uncovered}}]
      - {{name: closed, events: [{{t: 10s, on: sighting, {field}: closed}}], until: 5m, expect: []}}
"""


def main() -> None:
    """Writes the files, runs the command, prints its table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in range(FILES):
            rules = [_rule(file * RULES + n, broken=file == 0 and n == 0) for n in range(RULES)]
            head = 'conditions:\n  loaded: truck.load == "full" or truck.load == "half"\nrules:\n'
            (folder / f"{file:02}.yaml").write_text(head + "".join(rules), encoding="utf-8")
        check = [sys.executable, "-m", "haulwatch.cli.main", "rules", "check", str(folder)]
        said, seconds = _timed(check)
        _, nothing = _timed([sys.executable, "-c", "pass"])
        print(said.strip().splitlines()[-1])
        print(f"{FILES * RULES} rules in {FILES} files: {seconds:.2f} s, an empty Python {nothing:.2f} s")


def _rule(number: int, *, broken: bool) -> str:
    return RULE.format(number=number, percent=90 + number % 10, field="covr" if broken else "cover")


def _timed(command: Sequence[str]) -> tuple[str, float]:
    """What it printed, and the median of its runs."""
    runs = []
    for _ in range(RUNS):
        started = time.perf_counter()
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        runs.append(time.perf_counter() - started)
    return said, statistics.median(runs)


if __name__ == "__main__":
    main()
