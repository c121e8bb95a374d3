"""How filling goes, by instrument: what was done, what is left, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from tandem.backfill.reasons import Reasons, words
from tandem.core.instruments import split_instrument

State = Literal["waiting", "filling", "candles", "paused", "refused", "done"]


class Progress(NamedTuple):
    """How filling one instrument goes.

    Attributes
    ----------
    state : {"waiting", "filling", "candles", "paused", "refused", "done"}
    done, total : int
        Trades; `total` is an estimate where gaps are known only by their time.
    text : str
        What happened, what still works and what to do, for the screen.
    """

    instrument: str
    state: State
    done: int
    total: int
    text: str


@dataclass
class Tally:
    """What was done for one instrument since it last had nothing to do."""

    trades: int = 0
    minutes: int = 0
    lost: int = 0
    while_off: bool = False
    is_past: bool = False
    is_warming: bool = False
    reason: Reasons = ()
    ended_s: float | None = None


class Left(NamedTuple):
    """What is left to fill of one instrument.

    Attributes
    ----------
    trades : int
        How many are expected to be missing.
    is_past_only : bool
        Nothing but minutes from before the database began.
    is_begun : bool
        Something is being fetched.
    minutes : (int, int) or None
        Covered and to be covered, where candles are being fetched.
    reason : tuple of Reason
        Why candles and not trades; may be empty.
    """

    trades: int
    is_past_only: bool
    is_begun: bool
    minutes: tuple[int, int] | None
    reason: Reasons


class Hindrance(NamedTuple):
    """Why nothing can be asked now: `trouble` as a sentence, or only the request budget.

    `paused_s` is how many seconds until it can, `is_refused` whether the venue does not serve this
    address.
    """

    trouble: str = ""
    paused_s: float = 0.0
    is_budget: bool = False
    is_refused: bool = False


def describe(instrument: str, tally: Tally, left: Left | None, hindrance: Hindrance) -> Progress:
    """Say how filling one instrument goes; `left` is None where there is nothing to fill."""
    symbol = split_instrument(instrument)[1]
    total = tally.trades + (left.trades if left else 0)
    state, text = _say(symbol, tally, left, total, hindrance)
    return Progress(instrument, state, tally.trades, total, text)


def _say(
    symbol: str, tally: Tally, left: Left | None, total: int, hindrance: Hindrance
) -> tuple[State, str]:
    if left is None and tally.is_warming:
        return "waiting", f"Backfill of earlier {symbol} trades starts after the first live trade."
    if left is None:
        return "done", _ended(symbol, tally)
    missed = "missed while Tandem was not running" if tally.while_off else "missed"
    if tally.is_past:
        missed = "from before recording started"
    what = f"{tally.trades:,} of {total:,} {symbol} trades {missed}"
    if left.is_past_only:
        what = f"earlier {symbol} minutes"
    trouble, pause = hindrance.trouble, _duration(hindrance.paused_s)
    if trouble:
        return "refused" if hindrance.is_refused else "paused", (
            f"{_capital(trouble)}. Backfill of {what} resumes automatically in {pause}; "
            "live prices are unaffected."
        )
    if hindrance.is_budget:
        return "paused", (
            f"Backfill of {what} paused for {pause}: the venue's rate limit is "
            "reached. Live prices are unaffected."
        )
    if not left.is_begun:
        return "waiting", f"Backfill of {what} is queued."
    if left.minutes is not None:
        done, of = left.minutes
        why = f" ({words(left.reason)})" if left.reason else ""
        return "candles", f"Covering {done:,} of {of:,} {symbol} minutes with candles{why}."
    return "filling", f"Backfilling {what}."


def _ended(symbol: str, tally: Tally) -> str:
    parts = []
    if tally.trades:
        parts.append(f"Backfilled {tally.trades:,} {symbol} trades.")
    if tally.minutes:
        parts.append(f"{tally.minutes:,} {symbol} minutes covered by candles.")
    if tally.lost:
        parts.append(f"{tally.lost:,} {symbol} trades are lost: {words(tally.reason)}.")
    return " ".join(parts) or f"No {symbol} trades are missing."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
