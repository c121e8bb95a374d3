"""What a venue's clock shows by its trades, and which trades cannot be of its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tandem.core.clock import SECOND_US
from tandem.core.events import Trade

# A trade may be so far ahead of the fastest ones before it: twice what lies between these and the
# median on this line, within limits. The least is below the half second that bars wait for late
# trades, so that on a good line nothing that passes can make another trade late.
_LEAST_AHEAD_US = SECOND_US // 4
_MOST_AHEAD_US = SECOND_US
# Before any were seen this machine's clock is believed that far.
_AHEAD_AT_FIRST_US = 5 * SECOND_US

_BUCKET_S = 10.0
_BUCKETS = 60
_FEWEST, _MOST = 20, 1_000
_PER_BATCH = 50

_HELD_S = 2.0
_FEWEST_VOTES, _ENOUGH_VOTES = 5, 100
_FRESH_US = 5 * SECOND_US


class VenueClock:
    """Keeps trades out that are dated ahead of their exchange's clock.

    One such trade would run the clock of its instrument's bars ahead, and every later trade would
    be late. What time it is there is learned from the trades themselves: a trade cannot arrive
    before it happens, so arrival minus trade time is the difference of the clocks plus a delay
    that is never negative. Of every ten seconds the fastest tenth is taken and of the last ten
    minutes the least of these: no trade alone moves it, and a clock of this machine that is wrong
    by hours does no harm.

    A trade ahead of that waits until others have spoken: those that come within two seconds
    after the first of them, at least five, at most a hundred. If most of them are ahead too it is
    the clock that has moved (or was wrong from the start): they are all let through in order, and
    nothing is lost. Otherwise they are refused. Trades dated behind are legal however late.

    Used by one thread only.
    """

    def __init__(self) -> None:
        # Of each bucket the fastest tenth, and how far the median lies above.
        self._buckets: deque[tuple[int, int]] = deque(maxlen=_BUCKETS)
        self._samples: list[int] = []
        self._began = 0.0
        self._held: list[Trade] = []
        self._held_since = 0.0
        self._in_time = 0
        # The most that trade time minus arrival may be, and the least that arrival minus it is.
        self._most_us = _AHEAD_AT_FIRST_US
        self._least_us = 0

    def venue_us(self, received_us: int) -> int:
        """Return what time it was at the venue when something arrived here, at the latest."""
        return received_us - self._least_us

    @property
    def is_known(self) -> bool:
        """Whether trades enough have shown what time it is there."""
        return bool(self._buckets)

    def is_ahead(self, time_us: int, received_us: int) -> bool:
        """Tell whether something is dated later than its arrival allows."""
        return time_us - received_us > self._most_us

    def admit(self, trades: Sequence[Trade], now: float) -> tuple[Sequence[Trade], Sequence[Trade]]:
        """Return the trades to go on with, in order, and those that are refused.

        Parameters
        ----------
        trades : sequence of Trade
            What has arrived; may be empty, since trades that wait are decided on with time.
        now : float
            Seconds of a clock that never goes back.
        """
        most_us = self._most_us
        ahead = [trade for trade in trades if trade[2] - trade[6] > most_us]
        if not ahead and not self._held:
            self._learn(trades, now)
            return trades, ()
        in_time = [trade for trade in trades if trade[2] - trade[6] <= most_us] if ahead else trades
        if not self._held:
            self._held_since, self._in_time = now, 0
        self._held += ahead
        self._in_time += sum(trade[2] - trade[6] > most_us - _FRESH_US for trade in in_time)
        if self._is_undecided(now):
            self._learn(in_time, now)
            return in_time, ()
        held, self._held = self._held, []
        if len(held) <= self._in_time:
            self._learn(in_time, now)
            return in_time, held
        self._start_anew(held, now)
        believed = [trade for trade in held if not self.is_ahead(trade.time_us, trade.received_us)]
        refused = [trade for trade in held if self.is_ahead(trade.time_us, trade.received_us)]
        return [*believed, *in_time], refused

    def _is_undecided(self, now: float) -> bool:
        votes = len(self._held) + self._in_time
        if votes >= _ENOUGH_VOTES or len(self._held) >= _ENOUGH_VOTES:
            return False
        return votes < _FEWEST_VOTES or now - self._held_since < _HELD_S

    def _learn(self, trades: Sequence[Trade], now: float) -> None:
        if not trades:
            return
        samples = self._samples
        if not samples:
            self._began = now
        if len(samples) < _MOST:
            samples += [trade[6] - trade[2] for trade in trades[-_PER_BATCH:]]
        if len(samples) >= _FEWEST and (not self._buckets or now - self._began >= _BUCKET_S):
            samples.sort()
            fastest, median = samples[len(samples) // 10], samples[len(samples) // 2]
            self._buckets.append((fastest, median - fastest))
            self._samples = []
            least = self._least_us = min(fastest for fastest, _ in self._buckets)
            spread = max(spread for _, spread in self._buckets)
            self._most_us = min(max(2 * spread, _LEAST_AHEAD_US), _MOST_AHEAD_US) - least

    def _start_anew(self, trades: Sequence[Trade], now: float) -> None:
        """Believe these trades about the clock, and nothing from before."""
        self._buckets.clear()
        self._samples, self._began = [trade[6] - trade[2] for trade in trades], now
        self._least_us = sorted(self._samples)[len(trades) // 2]
        self._most_us = _MOST_AHEAD_US - self._least_us
