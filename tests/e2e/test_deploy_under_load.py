"""A city is deployed while events stream into three workers: every partition switches at one place of its log."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulwatch.bootstrap import open_order_store
from haulwatch.city import build_city, city_files
from haulwatch.cli.main import main
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Weighing
from haulwatch.settings import ClusterSettings
from haulwatch.wire import decode_events
from tests.cli.cluster.conftest import records
from tests.e2e.children import wait_until
from tests.e2e.cluster import PARTITIONS, Cluster
from tests.e2e.traffic import post_until_answered
from tests.e2e.village import weighing, write_village
from tests.logins import PASSWORD

WORKERS = 3
LIGHT_KG, HEAVY_KG = 35_000, 45_000
"""The first city asks for more than 40 t, the second for more than 30 t."""
A_BODY = 20
WAIT_S = 90.0
BREACHES = msgspec.json.Decoder(Breach)


class Load:
    """Trucks that are weighed one after the other, each once: light and heavy ones in turn."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._numbers = cluster, itertools.count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def more(self, count: int) -> None:
        """Returns when so many more have been acknowledged."""
        goal = self.sent + count
        wait_until(lambda: self.sent >= goal or not self._thread.is_alive(), f"{count} more events", WAIT_S)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                lines = [json.dumps(self._weighing(), ensure_ascii=False) for _ in range(A_BODY)]
                answer = post_until_answered(self._cluster, "\n".join(lines).encode())
                assert answer is not None
                assert answer[1]["accepted"] + answer[1]["duplicates"] == A_BODY, answer  # after a 503 it is sent again
                self.sent += A_BODY
                self._over.wait(0.05)  # four hundred a second: a load that two cores bear beside the test
        except BaseException as error:  # noqa: BLE001  # told where the test waits for it
            self.error = error

    def _weighing(self) -> dict[str, Any]:
        n = next(self._numbers)
        return weighing(f"w-{n}", HEAVY_KG if n % 2 else LIGHT_KG, truck_id=f"浙E{n:05}")


@pytest.fixture
def cities(tmp_path: Path) -> tuple[Path, Path]:
    """Two cities that differ by one threshold."""
    first, second = write_village(tmp_path / "first"), write_village(tmp_path / "second")
    (book,) = (second / "rules").glob("*.yaml")
    text = book.read_text(encoding="utf-8")
    assert "value: 40000" in text
    book.write_text(
        text.replace("value: 40000", "value: 30000").replace("gross_kg: 31000", "gross_kg: 29000"), encoding="utf-8"
    )
    return first, second


@pytest.fixture
def running(
    cluster: ClusterSettings, postgres_database: str, cities: tuple[Path, Path], tmp_path: Path
) -> Iterator[Cluster]:
    with Cluster(
        cities[0],
        tmp_path / "cluster",
        cluster.kafka,
        postgres_database,
        workers=WORKERS,
        prefix=cluster.topic_prefix,
    ) as found:
        yield found


def opened(lines: Iterator[bytes]) -> dict[str, tuple[str, str, str]]:
    """What was opened: by its id, the truck and the hashes of the rule and of the city that found it."""
    breaches = [BREACHES.decode(line) for line in lines]
    return {b.breach_id: (b.truck_id, b.rule_hash, b.city_hash) for b in breaches if b.phase == "opened"}


@pytest.mark.kafka
@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_every_partition_switches_at_one_place_and_a_replay_finds_the_same(
    running: Cluster,
    cities: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = running.settings
    for name, value in (
        ("KAFKA", settings.kafka),
        ("TOPIC_PREFIX", settings.topic_prefix),
        ("DATABASE", settings.database),
        ("PASSWORD", PASSWORD),
    ):
        monkeypatch.setenv(f"HAULWATCH_{name}", value)
    store = open_order_store(settings.database)
    store.people().add("op", roles=["operator"], password=PASSWORD)
    store.people().add("ap", roles=["rule_approver"], password=PASSWORD)
    store.close()

    def city(*words: str | Path) -> dict[str, Any]:
        assert main(["city", *map(str, words), "--database", settings.database, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    with Load(running) as load:
        load.more(400)
        proposal = city("deploy", cities[1], "--by", "op", "--note", "stricter")
        load.more(A_BODY)
        running.kill("worker-2")
        assert city("approve", str(proposal["rollout_id"]), "--by", "ap")["state"] == "in_force"
        running.restart("worker-2")
        load.more(400)
    running.settle()

    first, second = (build_city(city_files(folder)) for folder in cities)
    log = records(settings, settings.topics.observations)
    switches = [
        (r.partition, e.city_hash) for r in log for e in decode_events(r.value)[0] if isinstance(e, CityActivated)
    ]
    assert sorted(switches) == sorted((n, c.city_hash) for n in range(PARTITIONS) for c in (first, second))

    said = opened(record.value for record in records(settings, settings.topics.breaches))
    until = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert main(["replay", "--from-kafka", settings.kafka, "--until", until, "--out", str(tmp_path / "found")]) == 0
    assert said == opened(iter((tmp_path / "found").read_bytes().splitlines()))

    found = {truck_id: (rule_hash, city_hash) for truck_id, rule_hash, city_hash in said.values()}
    assert len(found) == len(said), "each truck was weighed once"
    old, new = ((c.book.rules[0].rule_hash, c.city_hash) for c in (first, second))
    assert set(found.values()) == {old, new}
    for partition in range(PARTITIONS):
        before, after = sides(log, partition, second.city_hash)
        for event in after:
            assert found.get(event.truck_id) == new, "what comes behind the switch is the new city's"
        # Up to one place of the log the old city decided; what was still waiting for stragglers at the switch is the
        # new one's.
        decided = next((n for n, event in enumerate(before) if found.get(event.truck_id) == new), len(before))
        for event in before[:decided]:
            assert found.get(event.truck_id) == (old if event.gross_kg == HEAVY_KG else None)
        for event in before[decided:]:
            assert found.get(event.truck_id) == new


def sides(log: list[Any], partition: int, city_hash: str) -> tuple[list[Weighing], list[Weighing]]:
    """The weighings of a partition before and after it switched to this city, in the order of the log."""
    events = [event for record in log if record.partition == partition for event in decode_events(record.value)[0]]
    (place,) = [n for n, e in enumerate(events) if isinstance(e, CityActivated) and e.city_hash == city_hash]
    weighed: Callable[[list[Any]], list[Weighing]] = lambda some: [e for e in some if isinstance(e, Weighing)]  # noqa: E731
    return weighed(events[:place]), weighed(events[place:])
