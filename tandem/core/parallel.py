"""Long work in threads: progress, cancelling, results in order.

The threads run compiled loops that release the GIL and start no threads of their own, so they may
overlap with anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from tandem.core.errors import Cancelled

Job = TypeVar("Job")
Done = TypeVar("Done")

MOST_WORKERS = 4
# How long a cancel may go unnoticed while a job runs.
LOOK_S = 0.2


def _nothing(done: int, total: int) -> None:
    """Ignore progress."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on while long work runs.

    Attributes
    ----------
    progress : callable
        Given the jobs done and their number, after each, in the thread that asked for the work.
    is_cancelled : callable
        Asked several times a second; once it says so, `Cancelled` is raised.
    """

    progress: Callable[[int, int], None] = _nothing
    is_cancelled: Callable[[], bool] = _never

    def check(self) -> None:
        """Raise `Cancelled` if the work was told to stop."""
        if self.is_cancelled():
            raise Cancelled("Cancelled; no result was kept.")

    def part(self, first: float, last: float, total: int = 1_000) -> Watch:
        """Return a watch whose whole is the share from `first` to `last` of this one."""

        def progress(done: int, jobs: int) -> None:
            share = first + (last - first) * done / max(jobs, 1)
            self.progress(round(share * total), total)

        return Watch(progress, self.is_cancelled)


UNWATCHED = Watch()


def workers_for(asked: int | None) -> int:
    """Return how many threads to use: what was asked for, or a thread per processor up to four."""
    return max(1, asked or min(os.cpu_count() or 1, MOST_WORKERS))


def each(
    jobs: Sequence[Job],
    work: Callable[[Job], Done],
    watch: Watch = UNWATCHED,
    workers: int | None = None,
) -> list[Done]:
    """Do every job and return the results in the jobs' order.

    Raises
    ------
    Cancelled
        When the watch says so; jobs under way are waited for, the others are dropped.
    """
    results: dict[int, Done] = {}
    watch.check()
    with ThreadPoolExecutor(workers_for(workers), "tandem-backtest") as pool:
        waiting: dict[Future[Done], int] = {}
        todo = iter(enumerate(jobs))
        try:
            while len(results) < len(jobs):
                # Few at a time: what is not submitted needs no cancelling.
                while len(waiting) < 2 * workers_for(workers):
                    place, job = next(todo, (-1, None))
                    if job is None:
                        break
                    waiting[pool.submit(work, job)] = place
                finished, _ = wait(waiting, LOOK_S, FIRST_COMPLETED)
                for future in finished:
                    results[waiting.pop(future)] = future.result()
                    watch.progress(len(results), len(jobs))
                watch.check()
        finally:
            for future in waiting:
                future.cancel()
    return [results[place] for place in range(len(jobs))]
