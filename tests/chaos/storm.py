"""A cluster under load from which things are taken away at random, and the verdict on what it left behind.

`python -m tests.chaos.storm [--seed N] [--kills N]`, or `make chaos`. The same seed does the same things in the same
order; when they hit is the machine's affair.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from haulwatch.bootstrap import load_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import to_ms
from haulwatch.synthetic.delivery import Arrival
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.live import live_events
from haulwatch.synthetic.plan import city_plan
from streams.runtime import CityRuntime
from tests.chaos.load import Foreigner, Poster
from tests.chaos.supervisor import Supervisor
from tests.chaos.verdict import Verdict, judge_breaches, judge_letters, judge_log, judge_orders, records_of, undisturbed
from tests.e2e.children import wait_until
from tests.e2e.cluster import PARTITIONS, Cluster
from tests.kafka.broker import Broker, new_broker
from tests.postgresql.server import Postgres

BOOKS = Path(__file__).parents[2] / "rules" / "books"
QUIET_S = 300.0
"""A machine with other work takes its time; what never comes to rest is found out all the same."""
FOREIGN_EVENTS = 60
FROZEN_S = 16.0
"""Longer than a consumer group's session."""

OWN_RULE = """
rules:
  - id: foreign-heavy
    title: {{zh: 外地超重, en: Foreign and heavy}}
    category: overweight
    severity: minor
    status: active
    owner: test
    match: {{on: weighing, where: gross_kg > {limit}}}
    episode: {{key: [truck_id], cooldown: 1m}}
    examples:
      - {{name: heavy, until: 1m, expect: [{{at: 0s, category: overweight}}], events: [
          {{t: 0s, on: weighing, station_id: W1, gross_kg: 90000}}]}}
      - {{name: light, until: 1m, expect: [], events: [{{t: 0s, on: weighing, station_id: W1, gross_kg: 9000}}]}}
"""


@dataclass(frozen=True)
class Plan:
    """How long and how hard. Times in seconds."""

    seed: int = 1
    kills: int = 50
    pause_s: tuple[float, float] = (2.0, 9.0)
    outage_s: float = 30.0
    trucks: int = 120
    recorded_h: float = 1.0
    per_s: float = 400.0


@dataclass
class Storm:
    """One run: servers, cluster, load, and the hand that breaks them."""

    plan: Plan
    folder: Path
    broker: Broker
    postgres: Postgres
    say: Callable[[str], None]
    rng: random.Random = field(init=False)
    verdict: Verdict = field(default_factory=Verdict)
    stops: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)

    def run(self) -> Verdict:
        """Everything, from the first city to the verdict."""
        plan, started = self.plan, time.monotonic()
        cities = [self._city(name, limit) for name, limit in (("city", 42_000), ("another", 48_000))]
        arrivals = self._arrivals()
        database = self.postgres.url().render_as_string(hide_password=False)
        with Cluster(cities[0], self.folder / "cluster", self.broker.bootstrap, database, workers=1) as cluster:
            cluster.wait_ready()
            supervisor = Supervisor(cluster)
            poster = Poster(cluster, arrivals, plan.per_s)
            foreigner = Foreigner(self.broker.bootstrap, cluster.topics, PARTITIONS)
            supervisor.start()
            poster.start()
            poster.when_live(foreigner.start)  # its events are of now, and would make those of the past late
            self.say(f"seed {plan.seed}: {len(arrivals)} events ahead, up to {datetime.now(UTC):%H:%M:%S} recorded")
            self._break(cluster, supervisor, cities[1])
            self.say("nothing is broken any more")
            wait_until(lambda: poster.live or poster.failure is not None, "the load has caught up", QUIET_S)
            self.say("the load has caught up with the clock")
            wait_until(lambda: foreigner.sent >= FOREIGN_EVENTS, "some foreign events", QUIET_S)
            poster.stop()
            foreigner.stop()
            self._settle(cluster.settle)
            supervisor.stop()
            reached = self._stop(cluster)
            self.verdict.counts |= {
                "seconds": round(time.monotonic() - started),
                "posts answered": poster.posts,
                "events refused": poster.refused,
                "foreign events": foreigner.sent,
                "kills": ", ".join(f"{name} {count}" for name, count in sorted(supervisor.kills.items())),
                "unexpected ends (process, exit code)": dict(supervisor.unexpected) or "none",
                "asked to end, ended with": self.stops,
            }
            if poster.failure is not None:
                self.verdict.problems.append(f"an answer that is none: {poster.failure!r}")
            self._judge_ends(supervisor)
            self._judge(cluster, database, poster.acknowledged | foreigner.acknowledged, reached, cities)
        return self.verdict

    # -- what is there ------------------------------------------------------------------------------------------------

    def _city(self, name: str, limit_kg: int) -> Path:
        folder = self.folder / name
        write_city(folder, self.plan.seed, self.plan.trucks, datetime.now(UTC).date())
        (folder / "rules").mkdir(exist_ok=True)
        for book in BOOKS.glob("*.yaml"):
            if not book.name.endswith(".test.yaml"):
                shutil.copy(book, folder / "rules")
        (folder / "rules" / "foreign.yaml").write_text(OWN_RULE.format(limit=limit_kg))
        return folder

    def _arrivals(self) -> list[Arrival]:
        """Time that has passed, and more than enough to come, with violations in plenty."""
        plan = self.plan
        start = datetime.now(UTC) - timedelta(hours=plan.recorded_h)
        seconds = plan.recorded_h * 3600 + plan.kills * sum(plan.pause_s) / 2 + 6 * plan.outage_s + 2 * QUIET_S
        end = start + timedelta(seconds=seconds)
        traffic = live_events(city_plan(), plan.seed, start, plan.trucks, "high")
        return [
            Arrival(to_ms(received_at), 0, line)
            for line, received_at in takewhile(lambda event: event[1] < end, traffic)
        ]

    # -- breaking -----------------------------------------------------------------------------------------------------

    def _break(self, cluster: Cluster, supervisor: Supervisor, another: Path) -> None:
        plan = self.plan
        special = {
            round(plan.kills * share): act
            for share, act in (
                (0.10, lambda: self._scale(cluster, supervisor, 3)),
                (0.25, lambda: self._outage("broker", self.broker.stop, self._start_broker)),
                (0.35, lambda: self._freeze(cluster)),
                (0.45, lambda: self._scale(cluster, supervisor, 2)),
                (0.50, lambda: self._deploy(cluster, another)),
                (0.60, lambda: self._outage("PostgreSQL", self.postgres.stop, self.postgres.start)),
                (0.70, lambda: self._freeze(cluster)),
                (0.75, lambda: self._scale(cluster, supervisor, 1)),
                (0.85, lambda: self._scale(cluster, supervisor, 3)),
            )
        }
        for number in range(plan.kills):
            if number in special:
                special[number]()
            time.sleep(self.rng.uniform(*plan.pause_s))  # a random moment under load, not a wait for something
            victim = self.rng.choices(("worker", "gateway", "console", "broker"), (9, 4, 4, 3))[0]
            if victim == "broker":
                self.say(f"kill {number + 1}/{plan.kills}: broker")
                supervisor.kills["broker"] += 1
                self.broker.kill()
                time.sleep(self.rng.uniform(0.2, 3.0))
                self._start_broker()
            else:
                child = self.rng.choice(cluster.workers) if victim == "worker" else cluster.children[victim]
                self.say(f"kill {number + 1}/{plan.kills}: {child.name}{'' if child.running else ' (is away)'}")
                supervisor.kill(child)

    def _start_broker(self) -> None:
        self.broker.start()
        self.broker.wait_ready()

    def _scale(self, cluster: Cluster, supervisor: Supervisor, workers: int) -> None:
        self.say(f"workers: {len(cluster.workers)} → {workers}")
        with supervisor.at_work:
            self.stops += cluster.scale(workers)

    def _outage(self, name: str, stop: Callable[[], None], start: Callable[[], None]) -> None:
        self.say(f"{name} is away for {self.plan.outage_s:.0f} s")
        stop()
        time.sleep(self.plan.outage_s)
        start()
        self.say(f"{name} is back")

    def _freeze(self, cluster: Cluster) -> None:
        """A worker does nothing for longer than its group waits for it, then goes on as if it still had its share."""
        running = [child for child in cluster.workers if child.running]
        if not running:
            self.say("no worker to freeze")
            return
        child = self.rng.choice(running)
        self.say(f"{child.name} is frozen for {FROZEN_S:.0f} s")
        child.freeze()
        time.sleep(FROZEN_S)
        child.thaw()

    def _deploy(self, cluster: Cluster, city: Path) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.say(f"another city: {cluster.deploy(city)[:12]}")
                return
            except WorldError as error:
                if time.monotonic() > deadline:
                    raise
                self.say(f"again: {error}")

    # -- the end ------------------------------------------------------------------------------------------------------

    def _settle(self, settle: Callable[[float], None]) -> None:
        """What does not come to rest is a problem; what it has led to is judged all the same."""
        try:
            settle(QUIET_S)
            self.say("all is quiet")
        except AssertionError as error:
            self.say(str(error))
            self.verdict.problems.append(str(error))

    def _stop(self, cluster: Cluster) -> dict[int, int]:
        """Asks the workers to end, then the rest once it has taken in what they said; how far the workers got."""
        self.stops += [child.stop() for child in cluster.workers]
        reached = cluster.committed(cluster.topics.observations)
        self._settle(cluster.settle_breaches)
        self.stops += [child.stop() for child in (cluster.gateway, cluster.console)]
        return reached

    def _judge_ends(self, supervisor: Supervisor) -> None:
        """A process that cannot reach what it needs as it starts may say so and end with 3; nothing else may end."""
        odd = {end: count for end, count in supervisor.unexpected.items() if end[1] != 3}
        if odd:
            self.verdict.problems.append(f"processes ended by themselves: {odd}")
            self.verdict.problems += supervisor.last_words[:3]
        if any(self.stops):
            self.verdict.problems.append(f"asked to end, some ended with something else than 0: {self.stops}")

    def _judge(
        self, cluster: Cluster, database: str, acknowledged: set[str], reached: dict[int, int], cities: list[Path]
    ) -> None:
        self.say("reading the log back")
        settings, topics = cluster.settings, cluster.topics
        runtimes = {city.city_hash: CityRuntime(city) for city in (load_city(folder)[0] for folder in cities)}
        log = records_of(settings, topics.observations)
        truth = undisturbed(topics.observations, log, reached, runtimes.__getitem__)
        judge_log(self.verdict, acknowledged, truth)
        judge_breaches(self.verdict, truth, records_of(settings, topics.breaches))
        judge_letters(self.verdict, records_of(settings, topics.dead_letters))
        judge_orders(self.verdict, truth, database, records_of(settings, topics.work_orders))


def storm(plan: Plan, folder: Path, say: Callable[[str], None]) -> Verdict:
    """Runs a storm on servers of its own in `folder`."""
    broker, postgres = new_broker(), Postgres()
    try:
        broker.start()
        postgres.start()
        broker.wait_ready()
        return Storm(plan, folder, broker, postgres, say).run()
    finally:
        broker.remove()
        postgres.remove()


def main() -> int:
    """From the command line; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--keep", type=Path, help="folder for the logs of the processes (default: temporary)")
    options = parser.parse_args()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without taking the children along

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:7.1f} s  {text}\n")

    with tempfile.TemporaryDirectory(prefix="haulwatch-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        verdict = storm(Plan(seed=options.seed, kills=options.kills), folder, say)
    sys.stdout.write(f"seed {options.seed}\n{verdict.table()}\n")
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
