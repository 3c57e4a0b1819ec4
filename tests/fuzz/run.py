"""Coverage-guided fuzzing of every parser: `make fuzz ARGS="--inputs N"`, or `python -m tests.fuzz.run`.

Each parser runs in a process of its own under atheris; an input that raises anything but `DeviceError`, or takes longer
than a few seconds, is kept in `--keep` and told.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST_S = 5
"""For one input: more is a way to keep a gateway busy."""
LONGEST_RUN_S = 1800.0
MEMORY_MB = 2048


def fuzz(name: str, arguments: list[str]) -> None:
    """In the process of one parser: does not return."""
    import atheris

    with atheris.instrument_imports(include=["connectors", "haulwatch", "geofences"], enable_loader_override=False):
        from haulwatch.domain.errors import DeviceError
        from tests.fuzz.parsers import PARSERS
    read = next(parser.read for parser in PARSERS if parser.name == name)

    def one_input(data: bytes) -> None:
        with contextlib.suppress(DeviceError):
            read(data)

    atheris.Setup([name, *arguments], one_input)
    atheris.Fuzz()


def run(name: str, seeds: tuple[bytes, ...], max_bytes: int, inputs: int, seed: int, keep: Path) -> bool:
    """One parser in a child process; whether nothing was found."""
    with tempfile.TemporaryDirectory(prefix="haulwatch-fuzz-") as folder:
        for number, content in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(content)
        command = [
            *(sys.executable, "-m", "tests.fuzz.run", "--child", name, "--"),
            *(folder, f"-runs={inputs}", f"-seed={seed}", f"-max_len={max_bytes}", f"-timeout={LONGEST_S}"),
            *(f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={keep}/{name}-", "-print_final_stats=1"),
        ]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN_S, check=False)
        seconds = time.monotonic() - began
    figures = dict(
        line.removeprefix("stat::").split(":", 1) for line in done.stderr.splitlines() if line.startswith("stat::")
    )
    executed = int(figures.get("number_of_executed_units", "0"))
    sound = done.returncode == 0 and executed >= inputs
    print(f"{name:24} {executed:>12,} inputs {seconds:8.1f} s  {'' if sound else 'FAILED'}", flush=True)  # noqa: T201
    if not sound:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", flush=True)  # noqa: T201
    return sound


def main() -> int:
    """All parsers, or the named ones; 1 when something was found."""
    from tests.fuzz.parsers import PARSERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="of each parser (200000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parser", action="append", choices=[one.name for one in PARSERS])
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), help="folder for bad inputs")
    options = parser.parse_args()
    chosen = [one for one in PARSERS if not options.parser or one.name in options.parser]
    sound = [
        run(one.name, one.seeds, one.max_bytes, options.inputs, options.seed, options.keep.absolute()) for one in chosen
    ]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], sys.argv[sys.argv.index("--") + 1 :])
    else:
        sys.exit(main())
