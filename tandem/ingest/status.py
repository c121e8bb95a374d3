"""What the screen is told about a venue, and how its numbers are taken."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tandem.core.clock import SECOND_US, steady_s
from tandem.core.events import Trade

State = Literal["connecting", "live", "reconnecting", "silent", "refused", "ended", "stopped"]

_RATE_S = 5
_BELIEVED_DELAY_US = SECOND_US
_WRONG_S = 60.0
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which venue the whole process shows first, and why.

    `venue` is None while `trying` (a venue's title) is still being tried; `reasons` are sentences
    on the venues passed over.
    """

    venue: str | None
    trying: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the screen says about a venue.

    Attributes
    ----------
    text : str
        A sentence: what happened, what still works, what to do.
    since_us : int
        When this state began.
    waiting_s : float
        For how long reading has been waiting for the record, which is full; 0 when it is not.
    renewals : int
        Connections replaced by a new one before the venue cut them, without a break.
    not_understood : int
        Messages, of `messages`, that could not be parsed or were dated ahead of the exchange.
    trades_per_s : float
        Mean over the last five seconds.
    delay_ms : float
        Median over recent trades of arrival minus trade time, in ms; NaN before the first trade.
        Where the clocks evidently differ (see `clock_skew_ms`) it is what lies above the least.
    clock_skew_ms : float
        This machine's clock minus the exchange's, as far as it shows: the least difference
        between arrival and trade time of the last minutes where that is negative (a trade cannot
        arrive before it happens) or above one second (no network is so slow and so steady);
        otherwise 0. It contains the fastest trade's network delay.
    last_trade_us : dict
        Time of each instrument's newest trade.
    silent : tuple of str
        Instruments subscribed but without a trade for longer than the silence limit.
    gaps : int
        Holes found since the start: in trade ids or, where these do not count up, in time.
    errors : tuple of str
        What the venue complained about lately, and a clock of this machine that is wrong.
    """

    venue: str
    title: str
    state: State
    text: str
    since_us: int
    reconnects: int = 0
    messages: int = 0
    not_understood: int = 0
    trades: int = 0
    trades_per_s: float = 0.0
    delay_ms: float = math.nan
    clock_skew_ms: float = 0.0
    last_trade_us: dict[str, int] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    gaps: int = 0
    errors: tuple[str, ...] = ()
    renewals: int = 0
    waiting_s: float = 0.0


class Delays:
    """Arrival minus trade time over recent trades, and the least of the last minutes."""

    _BUCKET_S = 120.0

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=400)
        self._least = [math.inf, math.inf]
        self._turned = steady_s()

    def add(self, trades: Sequence[Trade]) -> None:
        """Take note of a batch."""
        values = [trade.received_us - trade.time_us for trade in trades[-50:]]
        if steady_s() - self._turned > self._BUCKET_S:
            self._least = [math.inf, self._least[0]]
            self._turned = steady_s()
        self._least[0] = min(self._least[0], *values)
        self._recent.extend(values)

    def report(self) -> tuple[float, float]:
        """Return the delay and the clock skew in milliseconds, by the rule of `FeedStatus`."""
        if not self._recent:
            return math.nan, 0.0
        least, median = min(self._least), statistics.median(self._recent)
        skew = 0.0 if 0 <= least <= _BELIEVED_DELAY_US else least
        return (median - skew) / 1000.0, skew / 1000.0


def clock_hint(skew_ms: float, title: str) -> str:
    """Return a sentence on a clock of this machine that is wrong by a minute and more, or none."""
    wrong_s = abs(skew_ms) / 1_000.0
    if wrong_s < _WRONG_S:
        return ""
    size = next((f"{wrong_s / s:.1f} {unit}" for s, unit in _UNITS if wrong_s >= s), "")
    side = "ahead of" if skew_ms > 0 else "behind"
    return (
        f"This machine's clock is {size} {side} {title}'s; trades are recorded by the exchange's "
        "time. Set the clock right and restart Tandem."
    )


class Rate:
    """Trades counted per second, for the mean of the last few."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._start = steady_s()

    def add(self, count: int) -> None:
        """Count trades now."""
        second = int(steady_s())
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        while self._counts[0][0] < second - _RATE_S:
            self._counts.popleft()

    def mean(self) -> float:
        """Return trades per second over the last five whole seconds, or since the start."""
        now = steady_s()
        whole = int(now)
        total = sum(count for second, count in self._counts if whole - _RATE_S <= second < whole)
        return total / min(max(now - self._start, 1.0), float(_RATE_S))
