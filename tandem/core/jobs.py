"""Long work beside the screen: watched, bounded, cancelled when nobody looks any more.

Each queue has one thread, so that nobody waits for another's long test to see a file's report. None
is the executor of the live models, which therefore go on; see `tandem.core.parallel` for why both
may run at once.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

from tandem.core.errors import Cancelled, DataError, TandemError
from tandem.core.parallel import Watch

log = logging.getLogger("tandem.jobs")

State = Literal["waiting", "running", "done", "cancelled", "failed"]
Queue = Literal["test", "read"]
QUEUES: tuple[Queue, ...] = ("test", "read")

# Work that nobody has looked at for so long is given up: a tab in the background still asks about
# once a minute.
FORGOTTEN_S = 150.0
MOST_WAITING = 8
# What one owner may have running and waiting in a queue: others find a place too.
MOST_OWNED = 4
# Below this share done nothing is said of the time left.
LEAST_SHARE = 0.02


class Job:
    """One piece of long work; ask `share` while it runs and `result` once it is done.

    Parameters
    ----------
    work : callable
        Given a `Watch`, returns the result.
    most_s : float
        Seconds it may run.
    owner : str
        Whose places it takes.
    queue : {"test", "read"}
    """

    def __init__(
        self, work: Callable[..., Any], most_s: float, owner: str = "", queue: Queue = "test"
    ) -> None:
        self.owner, self.queue = owner, queue
        self._work: Callable[..., Any] | None = work
        self._most_s = most_s
        self._is_cancelled = threading.Event()
        self._is_over = threading.Event()
        self._seen_s = time.monotonic()
        self._began_s = 0.0
        self.state: State = "waiting"
        self.share = 0.0
        self.took_s = 0.0
        self.result: Any = None
        self.text = ""

    @property
    def is_going_on(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ("waiting", "running")

    @property
    def left_s(self) -> float:
        """Seconds it should take yet, by what it has taken; NaN while too little is done to say."""
        if not self._began_s or self.share < LEAST_SHARE:
            return math.nan
        return (time.monotonic() - self._began_s) * (1.0 - self.share) / self.share

    def wait(self, most_s: float) -> None:
        """Wait until it is over, but no longer than so."""
        self._is_over.wait(most_s)

    def look(self) -> None:
        """Say that somebody still waits for it."""
        self._seen_s = time.monotonic()

    def cancel(self) -> None:
        """Tell it to stop; what it found so far is dropped."""
        self._is_cancelled.set()

    def run(self) -> Any:
        """Do the work, in the thread that calls."""
        self._began_s = time.monotonic()
        self.state = "running"
        assert self._work is not None
        watch = Watch(self._progress, self._must_stop)
        watch.check()
        return self._work(watch=watch)

    def _progress(self, done: int, total: int) -> None:
        self.share = done / max(total, 1)

    def _must_stop(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._began_s > self._most_s:
            raise DataError(
                f"Stopped at the time limit of {self._most_s:,.0f} s. Try fewer variants, "
                "surrogates or instruments, longer bars or a smaller file."
            )
        return self._is_cancelled.is_set() or now_s - self._seen_s > FORGOTTEN_S

    def close(self, future: Future[Any]) -> None:
        """Take over what came of it."""
        # The work holds the data; a result may outlive them.
        self._work = None
        self.took_s = time.monotonic() - self._began_s if self._began_s else 0.0
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, Cancelled):
            self.state = "cancelled"
        elif error is None:
            self.result, self.share, self.state = future.result(), 1.0, "done"
        else:
            self.text = str(error) if isinstance(error, TandemError) else _BROKE
            if not isinstance(error, TandemError):
                log.error("A long job failed", exc_info=error)
            self.state = "failed"
        self._is_over.set()


_BROKE = "Failed because of an internal error (see the log). Please report it."


class Jobs:
    """The long work of all sessions: one thread for each queue."""

    def __init__(self) -> None:
        self._pools = {queue: ThreadPoolExecutor(1, f"tandem-{queue}") for queue in QUEUES}
        self._lock = threading.Lock()
        self._open: list[Job] = []

    def start(
        self,
        work: Callable[..., Any],
        most_s: float = float("inf"),
        *,
        owner: str = "",
        queue: Queue = "test",
    ) -> Job:
        """Begin work, or let it wait for what was begun before in its queue.

        Parameters
        ----------
        work, most_s, queue
            As in `Job`.
        owner : str
            Who may have only some of the places; empty for the operator, who may have all.

        Raises
        ------
        DataError
            Too much waits already, or the process ends.
        """
        job = Job(work, most_s, owner, queue)
        with self._lock:
            self._open = [one for one in self._open if one.is_going_on]
            self._require_place(job)
            try:
                future = self._pools[queue].submit(job.run)
            except RuntimeError as error:
                raise DataError("Tandem is shutting down; no new job can start.") from error
            self._open.append(job)
        future.add_done_callback(job.close)
        return job

    def _require_place(self, job: Job) -> None:
        taken = [one for one in self._open if one.queue == job.queue]
        if len(taken) > MOST_WAITING:
            raise DataError(
                f"{len(taken)} long jobs are running or queued, which is the limit. Try again in a "
                "minute."
            )
        owned = sum(one.owner == job.owner for one in taken)
        if job.owner and owned >= MOST_OWNED:
            raise DataError(
                f"{owned} of your jobs are running or queued, which is the limit for a visitor. "
                "Cancel one, or wait until it is done."
            )

    def before(self, job: Job) -> int:
        """Return how many others of its queue come before this one."""
        with self._lock:
            going = [one for one in self._open if one.is_going_on and one.queue == job.queue]
        return going.index(job) if job in going else 0

    def stop(self) -> None:
        """Tell all work to stop; what waits is dropped. Stopping twice is harmless."""
        with self._lock:
            going, self._open = self._open, []
        for job in going:
            job.cancel()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
