"""A trial of rules, divided over processes by truck. Each builds the cities and reads the data for itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from connectors.shares import Share
from haulwatch.bootstrap.recordings import Recording, cores
from haulwatch.city import build_city
from haulwatch.domain.errors import HaulwatchError, WorldError
from haulwatch.domain.text import Text
from streams.trials import Tried, together, try_rules

Files = Mapping[str, bytes]
OnProgress = Callable[[int], None]


def try_divided(
    cities: Sequence[Files],
    recording: Recording,
    *,
    processes: int | None = None,
    on_progress: OnProgress | None = None,
    watch: bool = False,
) -> tuple[Tried, int]:
    """`try_rules` for the cities of these files, and how many processes it took. Raises what reading raises."""
    count = processes or (cores() if recording.divisible else 1)
    if count == 1:
        return _try_share(cities, recording, Share(), watch, on_progress or (lambda _count: None)), 1
    workers = [_Worker(cities, recording, Share(number, count), watch) for number in range(count)]
    try:
        return together(_gathered(workers, on_progress or (lambda _count: None))), count
    finally:
        for worker in workers:
            worker.end()


def _try_share(
    cities: Sequence[Files], recording: Recording, share: Share, watch: bool, on_progress: OnProgress
) -> Tried:
    built = [build_city(files) for files in cities]
    return try_rules(built, recording.logs(share), on_progress=on_progress, watch=watch)


class _Worker:
    """A process that tries the cities on one share of the trucks."""

    def __init__(self, cities: Sequence[Files], recording: Recording, share: Share, watch: bool) -> None:
        # A forked process would inherit locks of whatever threads the caller has.
        context = multiprocessing.get_context("spawn")
        self.receiver, sender = context.Pipe(duplex=False)
        arguments = (sender, [dict(files) for files in cities], recording, share, watch)
        self.process: BaseProcess = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        sender.close()
        self.tried: Tried | None = None

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self.receiver.close()
        self.process.terminate()
        self.process.join()


def _work(sender: Connection, cities: list[Files], recording: Recording, share: Share, watch: bool) -> None:
    os.nice(10)  # whoever decides on live events on this machine comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began this is interrupted, too, and ends us
    try:
        sender.send(_try_share(cities, recording, share, watch, sender.send))
    except HaulwatchError as error:
        sender.send(error)
    except BrokenPipeError:
        pass  # nobody wants to know any more
    finally:
        sender.close()


def _gathered(workers: Sequence[_Worker], on_progress: OnProgress) -> list[Tried]:
    by_receiver = {worker.receiver: worker for worker in workers}
    waiting = set(by_receiver)
    while waiting:
        for receiver in wait(list(waiting)):
            assert isinstance(receiver, Connection)
            try:
                said = receiver.recv()
            except EOFError:
                raise _gone() from None
            if isinstance(said, int):
                on_progress(said)
            elif isinstance(said, Tried):
                by_receiver[receiver].tried = said
                waiting.discard(receiver)
            else:
                raise said
    return [worker.tried for worker in workers if worker.tried is not None]


def _gone() -> WorldError:
    return WorldError(
        Text("回测的一个进程意外结束（内存不足？）", "a process of the backtest is gone (out of memory?)"),
        retryable=True,
    )
