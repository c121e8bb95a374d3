"""How far a process is with starting, and the one executor of heavy work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Readiness:
    """What a starting process has reached; each is set once.

    Attributes
    ----------
    priced : threading.Event
        A price was asked for and was there: compiling no longer delays the first page.
    models, backtests : threading.Event
        Everything a live pair, or a backtest, runs is compiled.
    """

    def __init__(self) -> None:
        self.priced = threading.Event()
        self.models = threading.Event()
        self.backtests = threading.Event()


class HeavyWork:
    """One thread for heavy work, one piece after another.

    Two parallel compiled calls that overlap would end the process where Numba has no threading
    layer but its own.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="heavy")

    def submit(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        """Run work as soon as what was given before is done."""
        return self._pool.submit(work, *arguments, **named)

    def run(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run work and wait for what it returns."""
        return self._pool.submit(work, *arguments, **named).result()

    def stop(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
