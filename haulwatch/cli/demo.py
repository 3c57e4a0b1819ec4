"""`haulwatch demo`: a fictional city, its live traffic, and the whole embedded system on one machine."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from haulwatch.bootstrap import Embedded, embedded, load_city
from haulwatch.bootstrap.demo_people import DemoLogin, demo_people
from haulwatch.cli.orders import table
from haulwatch.cli.run import address
from haulwatch.domain.errors import HaulwatchError, WorldError
from haulwatch.domain.instants import to_datetime, to_ms
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.live import live_events

FEED_EVERY_S = 0.1
FASTEST = 1000
SQUADS_A_LINE = 4
SHANGHAI = timedelta(hours=8)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("demo", help="演示：虚构城市与实时车流 / a fictional city with live traffic")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="时间倍速 / how fast its time runs")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--trucks", type=int, default=120)
    parser.add_argument("--data", type=Path, metavar="DIR", help="数据目录（默认临时）/ data folder")
    parser.add_argument("--no-browser", action="store_true", help="不打开浏览器 / do not open a browser")
    parser.set_defaults(run=run)


class SimulatedClock:
    """Time that runs `speed` times as fast as the wall clock, from `start_ms` on."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self.start_ms = start_ms
        self._speed = speed
        self._began = time.monotonic()

    def now_ms(self) -> int:
        """The simulated instant."""
        return self.start_ms + int((time.monotonic() - self._began) * 1000 * self._speed)


def run(options: argparse.Namespace) -> int:
    """Runs the demo until it is told to stop."""
    address(f"{options.host}:{options.port}")
    if not 0 < options.speed <= FASTEST or options.trucks < 1:
        raise WorldError(
            Text(
                f"--speed 应在 0 与 {FASTEST} 之间，--trucks 至少为 1",
                f"--speed must be above 0 and at most {FASTEST}, --trucks at least 1",
            )
        )
    with tempfile.TemporaryDirectory(prefix="haulwatch-demo-") as temporary:
        folder = options.data or Path(temporary)
        city_folder = folder / "city"
        now = datetime.now(UTC)
        city = write_city(city_folder, options.seed, options.trucks, (now + SHANGHAI).date())
        loaded, files = load_city(city_folder)
        clock = SimulatedClock(to_ms(now), options.speed)
        system = embedded(loaded, files, folder / "data", options.host, options.port, now_ms=clock.now_ms)
        system.start()
        events = live_events(city, options.seed, to_datetime(clock.start_ms), options.trucks)
        feeder = Feeder(system, clock, events)
        feeder.start()
        url = f"http://{options.host}:{options.port}/"
        logins = demo_people(system.store, list(loaded.registry.squads.values()))
        lines = told(Text(loaded.name.zh, loaded.name.en), url, logins)

        def listening() -> None:
            print("\n".join(lines), flush=True)
            if not options.no_browser:
                threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        try:
            system.serve(listening)
        finally:
            feeder.stop()
            system.stop()
    return 0


def told(city: Text, url: str, logins: Sequence[DemoLogin]) -> Iterator[str]:
    """What is printed: where to look, and a login for every role and squad."""
    yield f"haulwatch 演示 demo · {city.zh} {city.en} · {url}"
    yield "打开上面的网址登录，第一张工单几秒内出现；按 Ctrl-C 结束。"
    yield "Open the address above and log in: the first order appears within seconds. Ctrl-C ends it."
    yield ""
    squads = [login for login in logins if login.role == "squad"]
    people = [login for login in logins if login.role != "squad"]
    heading = ["账户 login", "密码 password", "角色 role"]
    yield from table([heading, *([who.account, who.password, f"{who.title.zh} · {who.title.en}"] for who in people)])
    if squads:
        phone = url.replace("//127.0.0.1:", "//localhost:") + "squad"
        yield ""
        yield f"队员 squads · {phone} · 密码 password {squads[0].password}"
        yield "（主机名与上面不同，同一浏览器里可以同时是两个身份）(another host name: one browser can be both at once)"
        for few in batched(squads, SQUADS_A_LINE):
            yield "  ".join(f"{squad.account} {squad.title.zh}" for squad in few)


def batched(logins: Sequence[DemoLogin], size: int) -> Iterator[Sequence[DemoLogin]]:
    """The logins in parts of `size`."""
    return (logins[first : first + size] for first in range(0, len(logins), size))


class Feeder:
    """Submits the traffic when its time comes; ends when told to, or when the system no longer takes anything."""

    def __init__(self, system: Embedded, clock: SimulatedClock, events: Iterator[tuple[bytes, datetime]]) -> None:
        self._system, self._clock, self._events = system, clock, events
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-traffic", daemon=True)

    def start(self) -> None:
        """Begins to submit."""
        self._thread.start()

    def stop(self) -> None:
        """Stops submitting."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        ahead = next(self._events, None)
        while ahead is not None and not self._ended.wait(FEED_EVERY_S):
            due: list[bytes] = []
            now = to_datetime(self._clock.now_ms())
            while ahead is not None and ahead[1] <= now:
                due.append(ahead[0])
                ahead = next(self._events, None)
            if due and not self._submitted(b"\n".join(due)):
                return

    def _submitted(self, body: bytes) -> bool:
        while not self._ended.is_set():
            try:
                self._system.host.submit(body, "application/x-ndjson")
            except Busy as busy:
                self._ended.wait(busy.retry_after_s)
            except HaulwatchError as error:
                print(f"haulwatch: {error}", file=sys.stderr)
                return False
            else:
                return True
        return False
