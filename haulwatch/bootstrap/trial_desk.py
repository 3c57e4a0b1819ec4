"""Trials for operators: what the rules in force find in recorded events, and what a draft would change of that.

One at a time, in processes of their own at low priority: whoever decides on live events comes first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

import msgspec

from haulwatch.bootstrap.backtest import backtest, difference, scorecard
from haulwatch.bootstrap.recordings import Recording, cores
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.outcomes import OutcomeReader
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text
from haulwatch.domain.trials import Scorecard
from haulwatch.domain.workbench import Draft, Trial

TRIALS_KEPT = 6
DAY_MS = 86_400_000
Recorded = Callable[[int | None], Recording]
"""The events received since an instant (ms since 1970; None: all there are)."""

log = logging.getLogger(__name__)


class Cancelled(Exception):  # noqa: N818 - no error
    """Nobody wants to know any more."""


class TrialDesk:
    """See `haulwatch.domain.workbench.Trials`."""

    def __init__(
        self,
        bench: CityWorkbench,
        outcomes: OutcomeReader,
        recorded: Recorded | None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._bench, self._outcomes, self._recorded, self._now_ms = bench, outcomes, recorded, now_ms
        self._trials: dict[int, Trial] = {}
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()
        self._number = 0

    def begin(self, draft: Draft, days: int | None) -> Trial:
        """Begins a trial of the last `days` (None: everything); of a draft that changes nothing, of what is in force.

        Raises AuthorError for a draft with errors, `RolloutRefused` while another trial runs or nothing is recorded.
        """
        if self._recorded is None:
            words = Text(
                "此处没有历史数据：控制台需指定归档 --archive", "no recorded events here: give the console an --archive"
            )
            raise RolloutRefused("no-recording", words)
        old = self._bench.city(draft.base_hash)[1]
        new = None if draft.empty else self._bench.drafted(draft)
        recording = self._recorded(None if days is None else self._now_ms() - days * DAY_MS)
        with self._lock:
            if any(trial.state == "running" for trial in self._trials.values()):
                raise RolloutRefused("busy", Text("另一次试算正在进行", "another trial is running"))
            self._number += 1
            trial = Trial(self._number, "running", rfc3339(self._now_ms()), events=0, total=None)
            self._trials[trial.trial_id] = trial
            for number in list(self._trials)[:-TRIALS_KEPT]:
                del self._trials[number]
        work = (trial.trial_id, old, new, recording)
        threading.Thread(target=self._run, args=work, name="trial", daemon=True).start()
        return trial

    def get(self, trial_id: int) -> Trial:
        """How far it is, and what it found. Raises `RolloutRefused` for one that is not known any more."""
        trial = self._trials.get(trial_id)
        if trial is None:
            raise RolloutRefused("not-found", Text(f"没有试算 {trial_id}", f"there is no trial {trial_id}"))
        return trial

    def cancel(self, trial_id: int) -> Trial:
        """Ends it soon. One that has ended stays as it is."""
        trial = self.get(trial_id)
        self._cancelled.add(trial_id)
        return trial

    def scorecard(self, days: int | None) -> Scorecard:
        """How each rule has done on orders of the last `days`."""
        workshop = self._bench.workshop()
        files = self._bench.city(workshop.city_hash)[1]
        since_ms = None if days is None else self._now_ms() - days * DAY_MS
        return scorecard(files, self._outcomes, since_ms=since_ms)

    def _run(
        self, number: int, old: Mapping[str, bytes], new: Mapping[str, bytes] | None, recording: Recording
    ) -> None:
        try:
            self._set(number, total=recording.total())
            # Never in this process: it serves people, and may be the one that decides.
            processes = max(2, cores())
            if new is None:
                found = backtest(
                    old, recording, self._outcomes, processes=processes, on_progress=lambda n: self._more(number, n)
                )
                self._set(number, state="done", backtest=msgspec.structs.replace(found, findings=[]))
            else:
                change = difference(
                    old,
                    new,
                    recording,
                    self._outcomes,
                    processes=processes,
                    on_progress=lambda n: self._more(number, n),
                )
                self._set(number, state="done", difference=change)
        except Cancelled:
            self._set(number, state="cancelled")
        except HaulwatchError as error:
            self._set(number, state="failed", trouble=error.text)
        except Exception:
            log.exception("a trial failed")
            self._set(number, state="failed", trouble=Text("试算出错，详见日志", "the trial failed; see the log"))

    def _more(self, number: int, events: int) -> None:
        if number in self._cancelled:
            raise Cancelled
        self._set(number, events=self._trials[number].events + events)

    def _set(self, number: int, **fields: object) -> None:
        self._trials[number] = msgspec.structs.replace(self._trials[number], **fields)
