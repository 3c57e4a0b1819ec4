"""JT/T 808 under load: thousands of terminals at one real `haulwatch run`, in peace and under attack.

Every terminal registers, authenticates and reports a position each interval; one in a hundred loses its connection
every minute and comes again. Told are the share of one core that the whole process takes (terminals, log, rules,
console), memory a connection, how long answers take (an answer means durable), and what was not answered: nothing. Then
the same for a smaller crowd while others trickle, flood, send rubbish, stay silent, lie about who they are, or connect
twice. Clients and attackers are processes of their own. Everything is on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from haulwatch.testing import city_files_of
from tests.connectors.jt808.attackers import ATTACKS
from tests.connectors.jt808.crowd import Crowd, quantile
from tests.e2e.children import Child
from tests.servers import free_port

DROPS_A_MINUTE = 0.01
SETTLE_S = 20.0
SPARE = 50
"""Terminals of the list that only attackers use."""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def phones(count: int) -> list[str]:
    """Numbers of terminals."""
    return [f"0139{n:08d}" for n in range(1, count + 1)]


def write_city(folder: Path, terminals: int) -> Path:
    """A district without sites, the shipped rules, and trucks with terminals."""
    rows = "".join(f"浙E{n:05d},4,{phone[1:]}\n" for n, phone in enumerate(phones(terminals), 1))
    for name, content in city_files_of(tables={"trucks.csv": f"truck_id,axle_count,terminal_id\n{rows}"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


class Gateway:
    """One `haulwatch run` with its terminals' port."""

    def __init__(self, folder: Path, terminals: int) -> None:
        self.data, self.port, http = folder / "data", free_port(), free_port()
        city = write_city(folder / "city", terminals)
        where = ("--http", f"127.0.0.1:{http}", "--jt808", f"127.0.0.1:{self.port}")
        arguments = ("run", "--city", str(city), "--data", str(self.data), *where)
        self.child = Child("run", arguments, f"http://127.0.0.1:{http}", folder / "stderr")

    def __enter__(self) -> Gateway:
        self.child.start()
        self.child.wait_ready()
        return self

    def __exit__(self, *_error: object) -> None:
        self.child.kill()

    @property
    def _proc(self) -> Path:
        assert self.child.process is not None
        return Path(f"/proc/{self.child.process.pid}")

    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def rss_kib(self) -> int:
        """Memory now."""
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def stored(self) -> set[str]:
        """Positions in its log, once it has stopped."""
        with sqlite3.connect(self.data / "log.sqlite") as log:
            rows = log.execute("SELECT event_id FROM log WHERE event_id IS NOT NULL")
            return {event_id.rpartition(":")[0] for (event_id,) in rows}


@contextmanager
def attacked(name: str, port: int, spare: Sequence[str]) -> Iterator[None]:
    """An attacker in a process of its own."""
    arguments = [sys.executable, "-m", "tests.connectors.jt808.attackers", name, str(port), *spare]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def crowded(gateway: Gateway, crowd: Crowd, options: argparse.Namespace) -> None:
    """The whole crowd, in peace."""
    empty_kib = gateway.rss_kib()
    rate = await crowd.enter()
    full_kib = gateway.rss_kib()
    print(f"{len(crowd.members):,} terminals let in at {rate:,.0f} a second")
    print(f"memory: {empty_kib / 1024:.0f} MiB before, {full_kib / 1024:.0f} MiB with all of them:", end=" ")
    print(f"{(full_kib - empty_kib) / len(crowd.members):.1f} KiB a connection")
    await crowd.report(options.interval, options.interval)  # the first round makes every truck's state
    await measured("in peace", gateway, crowd, options.seconds, options.interval)
    print(f"{crowd.reconnects} connections lost and made anew; memory at the end {gateway.rss_kib() / 1024:.0f} MiB")


async def measured(what: str, gateway: Gateway, crowd: Crowd, seconds: float, interval_s: float) -> None:
    """One row of the table."""
    crowd.take_latencies()
    crowd.lag_s = 0.0
    sent, cpu_s = crowd.sent, gateway.cpu_s()
    await crowd.report(seconds, interval_s, DROPS_A_MINUTE)
    share = (gateway.cpu_s() - cpu_s) / seconds
    missing = await crowd.settle(SETTLE_S)
    took = crowd.take_latencies()
    print(
        f"{what:<12} {(crowd.sent - sent) / seconds:7,.0f} positions/s  gateway {share:5.0%} of a core  answers"
        f" p50 {quantile(took, 0.5) * 1000:6.1f} ms  p99 {quantile(took, 0.99) * 1000:6.1f} ms"
        f"  worst {quantile(took, 1) * 1000:6.0f} ms  (client late by {crowd.lag_s * 1000:.0f} ms)"
        f"  unanswered {missing}",
        flush=True,
    )


def finished(gateway: Gateway, answered: set[str]) -> None:
    """Stops the gateway and compares."""
    assert gateway.child.stop() == 0
    lost = answered - gateway.stored()
    print(f"{len(answered):,} answered positions, {len(lost)} of them not in the log\n", flush=True)


def main() -> None:
    """Runs both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the measured stretch")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two positions of a terminal")
    parser.add_argument("--good", type=int, default=500, help="terminals that behave while others attack")
    parser.add_argument("--attack-seconds", type=float, default=8.0, help="of each attack; 0: none")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with TemporaryDirectory() as folder, Gateway(Path(folder), options.terminals) as gateway:

        async def in_peace() -> set[str]:
            crowd = Crowd(gateway.port, phones(options.terminals))
            await crowded(gateway, crowd, options)
            crowd.leave()
            return crowd.answered()

        finished(gateway, asyncio.run(in_peace()))
    if not options.attack_seconds:
        return
    with TemporaryDirectory() as folder, Gateway(Path(folder), options.good + SPARE) as gateway:
        everybody = phones(options.good + SPARE)

        async def under_attack() -> set[str]:
            crowd = Crowd(gateway.port, everybody[: options.good])
            await crowd.enter()
            await measured("in peace", gateway, crowd, options.attack_seconds, 1.0)
            for name in ATTACKS:
                with attacked(name, gateway.port, everybody[options.good :]):
                    await crowd.report(1.0, 1.0)  # while the attacker begins
                    await measured(name, gateway, crowd, options.attack_seconds, 1.0)
            crowd.leave()
            return crowd.answered()

        finished(gateway, asyncio.run(under_attack()))


if __name__ == "__main__":
    main()
