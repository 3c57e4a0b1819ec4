"""What goes wrong is one sentence and an exit code, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from haulwatch.cli.main import main
from haulwatch.testing import city_files_of, position
from haulwatch.wire import encode_event


@pytest.mark.parametrize(
    "option",
    [("--port", "99999"), ("--port", "-1"), ("--speed", "0"), ("--speed", "nan"), ("--speed", "-1"), ("--trucks", "0")],
)
def test_a_demo_that_cannot_be(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--no-browser", *option]) == 3
    assert capsys.readouterr().err.startswith("haulwatch: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("out", ["/dev/full", "-"])
def test_a_full_disk(out: str, tmp_path: Path) -> None:
    for name, content in city_files_of().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    events = tmp_path / "events.ndjson"
    log = [position(t, 120.3 + t * 3e-4, load="full", cover="open", speed_kmh=50) for t in range(0, 600, 10)]
    events.write_bytes(b"\n".join(map(encode_event, log)))
    command = [sys.executable, "-m", "haulwatch.cli.main", "replay", str(events), "--city", str(tmp_path), "--out", out]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert ended.returncode == 3
    assert ended.stderr.decode().splitlines() == ["haulwatch: [Errno 28] No space left on device"]
