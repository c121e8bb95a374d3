"""What is to be filled, how far it is, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tandem.backfill.paging import CandlesWalk, TradesWalk
from tandem.backfill.planner import Plan
from tandem.core.events import Gap
from tandem.core.instruments import split_instrument
from tandem.net.rate_limit import Backoff

# A hole whose pages fail is given up after so many tries: the first waits seconds, the last
# minutes, together about ten minutes. Trouble of the venue as a whole is not counted.
TRIES = 8
# Ids the venue left out of complete pages are asked for so often before they are lost.
MISSING_TRIES = 3
_FIRST_WAIT_S, _LAST_WAIT_S = 5.0, 600.0

Key = tuple[str, int, int, int]
State = Literal["waiting", "filling", "candles", "paused", "refused", "done"]


class Progress(NamedTuple):
    """How filling one instrument goes.

    Attributes
    ----------
    state : {"waiting", "filling", "candles", "paused", "refused", "done"}
    done, total : int
        Trades; `total` is an estimate where holes are known only by their time.
    text : str
        What happened, what still works and what to do, for the screen.
    """

    instrument: str
    state: State
    done: int
    total: int
    text: str


@dataclass(eq=False)
class Job:
    """One open hole. `is_warm_up`: minutes from before the record began, which is no hole.

    `lost`: what the record had found no room for when the walk began.
    """

    gap: Gap
    expected: int = 1
    is_warm_up: bool = False
    plan: Plan | None = None
    walk: TradesWalk | CandlesWalk | None = None
    settled_s: float = 0.0
    not_before_s: float = 0.0
    tries: int = 0
    missing: int = 0
    candles: int = 0
    lost: int = 0
    no_trades: str = ""
    no_candles: str = ""
    waits: Backoff = field(default_factory=lambda: Backoff(_FIRST_WAIT_S, _LAST_WAIT_S))

    @property
    def key(self) -> Key:
        """The hole as the record's table knows it."""
        return key_of(self.gap)


def key_of(gap: Gap) -> Key:
    """Return what tells one hole from another."""
    return gap[:4]


@dataclass
class Tally:
    """What was done for one instrument since it last had nothing to do."""

    trades: int = 0
    minutes: int = 0
    lost: int = 0
    while_off: bool = False
    is_past: bool = False
    is_warming: bool = False
    reason: str = ""
    ended_s: float | None = None


def describe(
    instrument: str,
    tally: Tally,
    jobs: Iterable[Job],
    trouble: str,
    paused_s: float,
    is_budget: bool,
) -> Progress:
    """Say how filling one instrument goes.

    Parameters
    ----------
    jobs : iterable of Job
        What is left, the one under way first.
    trouble : str
        Why nothing can be asked now; empty where it can.
    paused_s : float
        Seconds until it can.
    is_budget : bool
        Whether only the request budget has to be waited for.
    """
    jobs = list(jobs)
    symbol = split_instrument(instrument)[1]
    total = tally.trades + sum(job.expected for job in jobs if not job.is_warm_up)
    state, text = _say(symbol, tally, jobs, total, trouble, paused_s, is_budget)
    return Progress(instrument, state, tally.trades, total, text)


def _say(
    symbol: str,
    tally: Tally,
    jobs: list[Job],
    total: int,
    trouble: str,
    paused_s: float,
    is_budget: bool,
) -> tuple[State, str]:
    if not jobs and tally.is_warming:
        return "waiting", f"Earlier trades of {symbol} follow once its stream has given one."
    if not jobs:
        return "done", _ended(symbol, tally)
    missed = "missed while Tandem was not running" if tally.while_off else "missed"
    if tally.is_past:
        missed = "from before it was recorded"
    what = f"{tally.trades:,} of {total:,} trades of {symbol} {missed}"
    if all(job.is_warm_up for job in jobs):
        what = f"earlier minutes of {symbol}"
    if trouble:
        return "refused" if "refuses" in trouble else "paused", (
            f"{_capital(trouble)}. Filling {what} waits {_duration(paused_s)} and then goes on by "
            "itself; live prices do not depend on it."
        )
    if is_budget:
        return "paused", (
            f"Filling {what} pauses {_duration(paused_s)}: the venue allows so many requests and "
            "no more. Live prices go on."
        )
    walk = jobs[0].walk
    if walk is None:
        return "waiting", f"Filling {what} waits its turn."
    if isinstance(walk, CandlesWalk):
        why = f" ({jobs[0].plan.reason})" if jobs[0].plan and jobs[0].plan.reason else ""
        return "candles", (
            f"Covering {walk.minutes:,} of {walk.total:,} minutes of {symbol} with candles{why}."
        )
    return "filling", f"Filling {what}."


def _ended(symbol: str, tally: Tally) -> str:
    parts = []
    if tally.trades:
        parts.append(f"Filled {tally.trades:,} trades of {symbol}.")
    if tally.minutes:
        parts.append(f"{tally.minutes:,} minutes of {symbol} are covered by candles.")
    if tally.lost:
        parts.append(f"{tally.lost:,} trades of {symbol} are lost: {tally.reason}.")
    return " ".join(parts) or f"Nothing of {symbol} is missing."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
