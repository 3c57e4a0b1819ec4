"""`haulwatch rules backtest`: findings by rule, day and truck, the verdicts on them, and any number of processes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from connectors.shares import Share
from haulwatch.bootstrap.backtest import backtest
from haulwatch.bootstrap.divided import try_divided
from haulwatch.bootstrap.recordings import RecordedFiles
from haulwatch.city import build_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.testing import city_files_of, manifest, position, sighting, tick
from streams.local_log import LOG_FILE, LocalLog
from streams.trials import Tried, together, try_rules
from tests.cli.trying import EVENTS, SPEEDS, Trying, speeding, write_city, write_events
from tests.streams.test_processor import SILENT, STAND, UNCOVERED


@pytest.fixture
def trying(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Trying:
    return Trying(tmp_path, capsys)


def test_every_finding_is_counted_by_rule_day_and_truck(trying: Trying) -> None:
    found = trying.json("backtest", *trying.data)
    (rule,) = found["rules"]
    assert (rule["findings"], rule["trucks"]) == (10, 5)
    assert rule["by_day"] == {"2026-05-01": 10}
    assert rule["by_truck"] == {plate: 2 for plate, speed in SPEEDS.items() if speed > 80}
    run = found["run"]
    assert (run["events"], run["trucks"], run["kinds"]) == (12, 6, {"position": 12})
    assert (run["from_at"], run["to_at"]) == ("2026-05-01T02:00:01.000Z", "2026-05-01T02:05:51.000Z")


def test_verdicts_of_closed_orders_give_the_precision(trying: Trying) -> None:
    (rule,) = trying.json("backtest", *trying.data)["rules"]
    assert rule["verdicts"] == {
        "confirmed": 4,
        "false_alarm": 4,
        "not_found": 0,
        "handed_over": 0,
        "open": 2,
        "other": 0,
        "unknown": 0,
    }
    assert rule["precision"] == 0.5
    (unjudged,) = trying.json("backtest", *trying.data[:-2])["rules"]
    assert (unjudged["verdicts"]["unknown"], unjudged["precision"]) == (10, None)


def test_observed_values_lie_in_bins_around_the_threshold(trying: Trying) -> None:
    (rule,) = trying.json("backtest", *trying.data)["rules"]
    (histogram,) = rule["histograms"]
    assert (histogram["param"], histogram["operator"], histogram["threshold"]) == ("limit", ">", 80.0)
    assert (histogram["minimum"], histogram["maximum"], histogram["unit"]) == (60.0, 120.0, "km/h")
    bins = histogram["bins"]
    assert bins[0]["low"] == 80.0, "an edge lies on the threshold"
    assert all(before["high"] == after["low"] for before, after in itertools.pairwise(bins))
    judged = {(one["low"], one["confirmed"], one["false_alarm"], one["other"]) for one in bins if one["high"]}
    assert {(81.0, 0, 2, 0), (84.0, 0, 2, 0), (88.0, 0, 0, 2), (96.0, 2, 0, 0), (99.0, 2, 0, 0)} <= judged
    assert sum(one["confirmed"] + one["false_alarm"] + one["other"] for one in bins) == 10


def test_other_rules_keep_the_verdicts_where_it_is_the_same_conduct(trying: Trying, tmp_path: Path) -> None:
    # With the limit at 85 the findings of the same trucks are the same; a rule of another name was never judged.
    (tmp_path / "other.yaml").write_text(speeding(85), encoding="utf-8")
    (rule,) = trying.json("backtest", *trying.data, "--rules", str(tmp_path / "other.yaml"))["rules"]
    assert (rule["findings"], rule["precision"]) == (6, 1.0)
    (tmp_path / "other.yaml").write_text(speeding(80, rule_id="renamed"), encoding="utf-8")
    (rule,) = trying.json("backtest", *trying.data, "--rules", str(tmp_path / "other.yaml"))["rules"]
    assert (rule["findings"], rule["verdicts"]["unknown"]) == (10, 10)


def test_the_table_is_for_people_in_both_languages(trying: Trying) -> None:
    chinese, english = (trying.run("backtest", *trying.data, "--lang", lang) for lang in ("zh", "en"))
    assert "准确率" in chinese
    assert "属实" in chinese
    assert "precision" in english
    for text in (chinese, english):
        assert "speeding" in text
        assert "50%" in text
        assert "浙E00003 2" in text


def test_a_draft_is_tried_too(tmp_path: Path) -> None:
    files = city_files_of(speeding(80).replace("status: active", "status: draft"))
    found = backtest(files, RecordedFiles([str(write_events(tmp_path / "e.ndjson", EVENTS))]))
    assert [(rule.status, rule.findings) for rule in found.rules] == [("draft", 10)]


def test_only_the_time_that_was_asked_for(trying: Trying) -> None:
    found = trying.json("backtest", *trying.data, "--from", "2026-05-01T02:04:00Z", "--to", "2026-05-01T02:05:20Z")
    assert found["run"]["events"] == 2


def test_the_log_of_a_running_system_will_do(trying: Trying, tmp_path: Path) -> None:
    log = LocalLog(tmp_path / LOG_FILE)
    log.begin()
    for number, line in enumerate(trying.events.read_bytes().splitlines()):
        log.append(str(number), line)
    log.commit()
    log.close()
    (rule,) = trying.json("backtest", "--data", str(tmp_path), "--city", str(trying.city))["rules"]
    assert (rule["findings"], rule["precision"]) == (10, 0.5)


def test_what_is_missing_is_said_in_a_sentence(trying: Trying, tmp_path: Path) -> None:
    assert "--events" in trying.run("backtest", "--city", str(trying.city), code=3)
    gone = str(tmp_path / "gone.ndjson")
    assert gone in trying.run("backtest", "--events", gone, "--city", str(trying.city), code=3)
    assert gone in trying.run("backtest", "--events", gone, "--city", str(trying.city), "--processes", "2", code=3)
    (tmp_path / "bad.yaml").write_text("rules: [{id: 1}]", encoding="utf-8")
    assert "bad.yaml:1:" in trying.run("backtest", *trying.data, "--rules", str(tmp_path / "bad.yaml"), code=2)


# shares of the trucks

HARD = city_files_of(speeding(80, STAND + UNCOVERED + SILENT))


def hard_day() -> list[Event]:
    """Trucks whose events come late, twice and in disorder, so that the log's clock decides what they mean."""
    events: list[Event] = []
    for n in range(12):
        plate = f"浙E{n:05d}"
        for t in range(0, 900, 10):
            if (t // 100 + n) % 4:
                speed = 90 if t % 110 == 10 * (n % 3) else 0 if (t // 200) % 2 else 40
                delay = 1 if (t + n) % 7 else 30 * n
                events.append(position(t + n / 7, truck_id=plate, speed_kmh=speed, received_s=t + n + delay))
        events.append(sighting(100 + n, truck_id=plate, cover="open", received_s=105 + 20 * n))
        events.append(manifest(50, truck_id=plate, status="issued", received_s=60))
    events.append(tick(400))
    return sorted(events, key=lambda event: event.received_at or event.at)


def shuffled(events: list[Event]) -> list[Event]:
    """Stretches of a log that came in one behind the other."""
    return [event for start in range(0, len(events), 40) for event in sorted(events[start : start + 40], key=str)]


@pytest.mark.parametrize("parts", [2, 5])
def test_shares_find_together_what_the_whole_finds(parts: int) -> None:
    log = shuffled(hard_day())
    whole = try_rules([build_city(HARD)], {"log": iter(log)})
    shares = [try_rules([build_city(HARD)], {"log": Share(number, parts).of_log(log)}) for number in range(parts)]
    assert len(whole.cities[0].findings) > 20
    assert {finding.late for finding in whole.cities[0].findings} == {False, True}
    assert_same(whole, together(shares))


def test_several_logs_in_shares_find_what_the_whole_finds() -> None:
    log = shuffled(hard_day())
    logs = {str(n): log[n::3] for n in range(3)}
    whole = try_rules([build_city(HARD)], {name: iter(part) for name, part in logs.items()})
    shares = [
        try_rules([build_city(HARD)], {name: Share(n, 2).of_log(part) for name, part in logs.items()}) for n in range(2)
    ]
    assert_same(whole, together(shares))


def assert_same(one: Tried, other: Tried) -> None:
    assert one.cities[0].findings == other.cities[0].findings
    assert one.cities[0].unknown == other.cities[0].unknown
    assert (one.kinds, one.trucks, one.first_ms, one.last_ms) == (
        other.kinds,
        other.trucks,
        other.first_ms,
        other.last_ms,
    )


def test_two_processes_find_what_one_finds_and_say_how_far_they_are(tmp_path: Path) -> None:
    write_city(tmp_path / "city", speeding(80))
    recording = RecordedFiles([str(write_events(tmp_path / "e.ndjson", shuffled(hard_day())))])
    seen: list[int] = []
    one, _ = try_divided([HARD], recording, processes=1)
    two, used = try_divided([HARD], recording, processes=2, on_progress=seen.append)
    assert used == 2
    assert_same(one, two)
    assert sum(seen) == sum(one.kinds.values())


def test_a_backtest_can_be_given_up(tmp_path: Path) -> None:
    recording = RecordedFiles([str(write_events(tmp_path / "e.ndjson", EVENTS))])

    def enough(_count: int) -> None:
        raise GivenUp

    with pytest.raises(GivenUp):
        try_divided([HARD], recording, processes=2, on_progress=enough)


class GivenUp(Exception):  # noqa: N818
    """Whatever the caller raises."""


def test_errors_come_out_of_another_process_as_they_were(tmp_path: Path) -> None:
    gone = RecordedFiles([str(tmp_path / "gone.ndjson")])
    with pytest.raises(WorldError) as raised:
        try_divided([HARD], gone, processes=2)
    assert raised.value.text.en.startswith("no such file")
