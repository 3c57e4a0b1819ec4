"""Rules over recorded data, on as many cores as there are, joined with the verdicts of orders: one book, two, a score.

Trucks are split over processes; what is found does not depend on how many. Commands and the operator's page call this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from haulwatch.bootstrap.divided import try_divided
from haulwatch.bootstrap.recordings import Recording
from haulwatch.city import build_city
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.outcomes import OutcomeIndex, OutcomeReader
from haulwatch.domain.trials import Backtest, Difference, Scorecard
from streams.backtesting import backtest_of, trial_run
from streams.differing import difference_of
from streams.scoring import scores
from streams.trials import Tried

DAY_MS = 86_400_000


def backtest(
    files: Mapping[str, bytes],
    recording: Recording,
    outcomes: OutcomeReader | None = None,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Backtest:
    """What the rules of the city with these files find in the recording, and what became of such findings.

    `processes`: None for as many as are worth while. What `on_progress` raises ends it. Raises AuthorError for a city
    with mistakes, WorldError where data or orders cannot be read.
    """
    started = time.perf_counter()
    city = build_city(files)
    tried, used = try_divided([files], recording, processes=processes, on_progress=on_progress)
    run = trial_run(tried, used, time.perf_counter() - started)
    return backtest_of(city, tried.cities[0], outcomes_of(tried, outcomes), run)


def difference(
    old: Mapping[str, bytes],
    new: Mapping[str, bytes],
    recording: Recording,
    outcomes: OutcomeReader | None = None,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Difference:
    """Which findings appear and which go when the files of one city take the place of another's; the data is read once.

    Otherwise like `backtest`.
    """
    started = time.perf_counter()
    cities = build_city(old), build_city(new)
    tried, used = try_divided([old, new], recording, processes=processes, on_progress=on_progress)
    run = trial_run(tried, used, time.perf_counter() - started)
    return difference_of(cities, tried.cities, outcomes_of(tried, outcomes), run)


def scorecard(
    files: Mapping[str, bytes],
    outcomes: OutcomeReader,
    recording: Recording | None = None,
    *,
    since_ms: int | None = None,
    before_ms: int | None = None,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Scorecard:
    """How the rules of the city have done on findings detected between the two instants (None: no limit).

    With a `recording` also what they find there, which of their conditions are never true, and what was unknown.
    Otherwise like `backtest`.
    """
    started = time.perf_counter()
    city = build_city(files)
    since, before = (None if ms is None else rfc3339(ms) for ms in (since_ms, before_ms))
    found = run = None
    if recording is not None:
        tried, used = try_divided([files], recording, processes=processes, on_progress=on_progress, watch=True)
        found, run = tried.cities[0], trial_run(tried, used, time.perf_counter() - started)
    rules = scores(city, outcomes.outcomes(since, before), found)
    return Scorecard(book_hash=city.book.book_hash, since=since, before=before, run=run, rules=rules)


def outcomes_of(tried: Tried, outcomes: OutcomeReader | None) -> OutcomeIndex:
    """What became of findings in the time of the data, a day more on both sides."""
    if outcomes is None or not tried.kinds:
        return OutcomeIndex(())
    return OutcomeIndex(outcomes.outcomes(rfc3339(tried.first_ms - DAY_MS), rfc3339(tried.last_ms + DAY_MS)))
