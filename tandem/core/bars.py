"""Bars on a clock grid: from trades, coarser from finer, live as they close, and aligned in pairs.

Every sum runs left to right in trade order, so folding trades into a bar one by one, in batches
or all at once gives the same bits: a bar kept on disk can be compared with its trades exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR, CANDLE, TRADE, Trade

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Bars = npt.NDArray[np.void]
Trades = npt.NDArray[np.void]

# Age of a leg that has not traded yet; larger than any limit.
NEVER_US = int(np.iinfo(np.int64).max)

DELAY_BUCKET_US = 30 * SECOND_US

# Trades that come to the builder this long after they arrived are a backlog: more may follow.
BACKLOG_US = 2 * SECOND_US

_SUMS = ("volume", "buy_volume", "notional")


def trade_array(trades: Sequence[Trade]) -> Trades:
    """Return trades as an array of dtype TRADE, in the order given."""
    array = np.empty(len(trades), TRADE)
    if len(trades):
        # One transposition is three times cheaper than a structured array from tuples.
        _, _, times, prices, quantities, sides, received = zip(*trades, strict=True)
        array["time_us"] = times
        array["price"] = prices
        array["quantity"] = quantities
        array["side"] = sides
        array["received_us"] = received
    return array


def aggregate(trades: Trades, interval_us: int) -> Bars:
    """Build the bars of a set of trades.

    Parameters
    ----------
    trades : ndarray of dtype TRADE
        In arrival order; their times may be in any order. Within a bar trades count in order of
        (time, arrival), which decides open and close.
    interval_us : int
        Bar length; bars start at multiples of it since the epoch.

    Returns
    -------
    ndarray of dtype BAR
        Ascending in time; no row for an interval without a trade. ``buy_volume`` counts trades
        whose taker bought.

    Raises
    ------
    DataError
        If the interval is not positive.
    """
    _check_interval(interval_us)
    times = trades["time_us"]
    if np.any(times[1:] < times[:-1]):
        trades = trades[np.argsort(times, kind="stable")]
    return _combine(_single(trades), interval_us)


def resample(bars: Bars, interval_us: int) -> Bars:
    """Combine bars into coarser ones.

    Parameters
    ----------
    bars : ndarray of dtype BAR
        Ascending in time, on a grid that divides the interval.
    interval_us : int
        Length of the coarser bars; they start at multiples of it since the epoch.

    Returns
    -------
    ndarray of dtype BAR

    Raises
    ------
    DataError
        If the interval is not positive or the bars are not ascending.
    """
    _check_interval(interval_us)
    if np.any(bars["time_us"][1:] < bars["time_us"][:-1]):
        raise DataError("Bars go back in time; sort them before resampling.")
    return _combine(bars, interval_us)


def merge(bars: Bars, more: Bars) -> Bars:
    """Combine two sets of bars of the same grid.

    Where both have a bar of the same time they become one: `bars` gives its open, `more` its
    close. The caller guarantees that the trades in `more` came later in trade order.

    Parameters
    ----------
    bars, more : ndarray of dtype BAR
        In any order of time; `more` may hold a time several times, earlier trades first.

    Returns
    -------
    ndarray of dtype BAR
        Ascending in time, one row per time.
    """
    # np.concatenate spends longer on comparing the two dtypes than on the rows of a live batch.
    rows = np.empty(len(bars) + len(more), BAR)
    rows[: len(bars)] = bars
    rows[len(bars) :] = more
    return _combine(rows[np.argsort(rows["time_us"], kind="stable")], 1)


def extend(bars: Bars, trades: Trades, interval_us: int) -> Bars:
    """Fold later trades into bars.

    The result is bit for bit ``aggregate`` of all trades together, as long as no trade is older
    than the ``last_us`` of the bar it falls into.

    Parameters
    ----------
    bars : ndarray of dtype BAR
        On the grid of `interval_us`.
    trades : ndarray of dtype TRADE
        In arrival order.
    """
    ordered = trades[np.argsort(trades["time_us"], kind="stable")]
    more = _single(ordered)
    more["time_us"] -= more["time_us"] % interval_us
    return merge(bars, more)


def between(bars: Bars, start_us: int, end_us: int) -> Bars:
    """Return the bars that start in ``[start_us, end_us)``; they are ascending in time."""
    low, high = np.searchsorted(bars["time_us"], (start_us, end_us))
    return bars[low:high]


def _check_interval(interval_us: int) -> None:
    if interval_us <= 0:
        raise DataError(f"The bar interval is {interval_us} us; it must be positive.")


def _single(trades: Trades) -> Bars:
    """One bar per trade, starting at the trade's own time."""
    bars = np.empty(len(trades), BAR)
    bars["time_us"] = bars["last_us"] = trades["time_us"]
    for name in ("open", "high", "low", "close"):
        bars[name] = trades["price"]
    bars["volume"] = trades["quantity"]
    bars["buy_volume"] = np.where(trades["side"] > 0, trades["quantity"], 0.0)
    bars["notional"] = trades["price"] * trades["quantity"]
    bars["trades"] = 1
    return bars


def _combine(rows: Bars, interval_us: int) -> Bars:
    """Join neighbouring rows of the same interval; rows are ascending on that grid."""
    times = rows["time_us"] // interval_us * interval_us
    is_first = np.ones(len(rows), np.bool_)
    np.not_equal(times[1:], times[:-1], out=is_first[1:])
    firsts = np.flatnonzero(is_first)
    bars = np.empty(len(firsts), BAR)
    if not len(firsts):
        return bars
    group = np.cumsum(is_first) - 1
    bars["time_us"] = times[firsts]
    bars["open"] = rows["open"][firsts]
    bars["close"] = rows["close"][np.append(firsts[1:], len(rows)) - 1]
    bars["high"] = np.maximum.reduceat(rows["high"], firsts)
    bars["low"] = np.minimum.reduceat(rows["low"], firsts)
    bars["last_us"] = np.maximum.reduceat(rows["last_us"], firsts)
    bars["trades"] = np.add.reduceat(rows["trades"], firsts)
    for name in _SUMS:
        # bincount adds left to right; add.reduceat adds in pairs and would depend on the batches.
        bars[name] = np.bincount(group, weights=rows[name])
    return bars


# Live -----------------------------------------------------------------------------------


def _joined(pieces: list[Trades]) -> Trades:
    """Concatenate; numpy's own compares the kinds of records piece by piece, which is slow."""
    whole = np.empty(sum(map(len, pieces)), pieces[0].dtype)
    stop = 0
    for piece in pieces:
        stop += len(piece)
        whole[stop - len(piece) : stop] = piece
    return whole


class BarBuilder:
    """One instrument's one-second bars as they close, from trades in arrival order.

    A second closes when the exchange's clock has passed its end by the grace. That clock is
    estimated as arrival time minus the smallest delay of the last 30 to 60 s of arrivals, so a
    machine whose clock is wrong by any constant closes the same seconds. A trade that arrives
    for a closed second is late: it is counted, and never changes a bar already given out.

    Which trades are late depends on the sequence of (time, arrival time) alone. The bars of a
    replay in arrival order are therefore the live bars, however calls were chunked, provided that
    ``close(now_us)`` is never called with a time later than the arrival of a trade added after it:
    take the time first, add what has arrived, then close. Where that is broken the trades
    concerned count as late. A backlog may be added in pieces: as long as what is added arrived
    over 2 s ago, and for 2 s after, seconds close by arrivals alone.

    Parameters
    ----------
    grace_us : int
        How long a second waits after its end.

    Attributes
    ----------
    late : int
        Trades that came too late for their bar.
    """

    def __init__(self, instrument: str, grace_us: int) -> None:
        self.instrument = instrument
        self.late = 0
        self._grace_us = grace_us
        self._open: list[Trades] = []
        self._oldest_us = NEVER_US
        self._clock_us = 0
        self._closed_until_us = 0
        self._received_us = 0
        self._has_added = False
        self._backlog_until_us = 0
        self._bucket = 0
        self._delays: tuple[int, int] | None = None

    @property
    def closed_until_us(self) -> int:
        """End of the last closed second, with or without a trade; 0 before the first trade."""
        return self._closed_until_us

    def clock_us(self, now_us: int) -> int:
        """Return the exchange's time at this machine's time `now_us`."""
        return now_us - (min(self._delays) if self._delays else 0)

    def add(self, trades: Trades) -> None:
        """Take trades (dtype TRADE) in the order they arrived."""
        if not len(trades):
            return
        clock_us = self._clocks(trades)
        closed_us = np.maximum(self._whole_seconds(clock_us), self._closed_until_us)
        in_time = trades["time_us"] >= closed_us
        kept = trades if in_time.all() else trades[in_time]
        self.late += len(trades) - len(kept)
        self._clock_us = int(clock_us[-1])
        self._received_us = int(trades["received_us"][-1])
        self._has_added = True
        if len(kept):
            self._open.append(kept)
            self._oldest_us = min(self._oldest_us, int(kept["time_us"].min()))

    def close(self, now_us: int) -> Bars:
        """Return the bars that closed since the last call, ascending; each is given once.

        Parameters
        ----------
        now_us : int
            This machine's time, taken before the trades added so far were collected.

        Returns
        -------
        ndarray of dtype BAR
        """
        if self._delays is None:
            return np.empty(0, BAR)
        if self._has_added:
            is_backlog = now_us - self._received_us > BACKLOG_US
            self._backlog_until_us = now_us + BACKLOG_US if is_backlog else 0
            self._has_added = False
        if now_us >= self._backlog_until_us:
            self._clock_us = max(self._clock_us, self.clock_us(now_us))
        closed_us = int(self._whole_seconds(np.int64(self._clock_us)))
        self._closed_until_us = max(self._closed_until_us, closed_us)
        if self._oldest_us >= self._closed_until_us:
            return np.empty(0, BAR)
        waiting = _joined(self._open)
        over = waiting["time_us"] < self._closed_until_us
        left = waiting[~over]
        self._open = [left] if len(left) else []
        self._oldest_us = int(left["time_us"].min()) if len(left) else NEVER_US
        return aggregate(waiting[over], SECOND_US)

    def _whole_seconds(self, clock_us: Times | np.int64) -> Times | np.int64:
        return (clock_us - self._grace_us) // SECOND_US * SECOND_US

    def _clocks(self, array: Trades) -> Times:
        """Return the furthest the exchange's clock had come when each trade arrived.

        The delay falls with a faster arrival and rises when an old bucket is forgotten. The clock
        may not go back over that: it counts the delay known just before the arrival as well as
        the one known with it, since `close` may have been called between the two.
        """
        received = array["received_us"]
        delay = received - array["time_us"]
        clock = np.empty(len(array), np.int64)
        bucket = received // DELAY_BUCKET_US
        edges = np.flatnonzero(bucket[1:] != bucket[:-1]) + 1
        for first, stop in zip((0, *edges), (*edges, len(array)), strict=True):
            before = min(self._delays) if self._delays else NEVER_US
            older, newest = self._rotate(int(bucket[first]))
            smallest = np.minimum.accumulate(delay[first:stop])
            self._delays = (older, min(newest, int(smallest[-1])))
            np.minimum(smallest, min(older, newest), out=smallest)
            # Within a run the smallest delay only falls: only its first trade can see a rise.
            clock[first:stop] = received[first:stop] - smallest
            clock[first] = received[first] - min(before, int(smallest[0]))
        clock[0] = max(int(clock[0]), self._clock_us)
        return np.maximum.accumulate(clock)

    def _rotate(self, bucket: int) -> tuple[int, int]:
        """Return the smallest delays of the bucket before and of this one, before this arrival.

        The bucket just left still takes stragglers; any other step back is a clock set back.
        """
        if self._delays is None:
            self._bucket = bucket
            return NEVER_US, NEVER_US
        older, newest = self._delays
        if bucket in (self._bucket, self._bucket - 1):
            return older, newest
        self._bucket = bucket
        return newest, NEVER_US


# Pairs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlignedBars:
    """Two legs on one full clock grid, each carried forward from its last trade.

    Attributes
    ----------
    time_us : ndarray of int64, shape (n_bars,)
        Start of each bar.
    y, x : ndarray of float64
        Price of the last trade in or before the bar; NaN before the first.
    y_open, x_open : ndarray of float64
        First price in the bar; NaN where the leg did not trade in it.
    y_age_us, x_age_us : ndarray of int64
        Bar end minus the time of that last trade; ``NEVER_US`` before the first.
    usable : ndarray of bool
        Both prices are known and neither is older than the staleness limit.
    candles : ndarray of bool
        A leg's price comes from the venue's own candle, not from trades that were recorded.
    """

    time_us: Times
    y: Floats
    x: Floats
    y_open: Floats
    x_open: Floats
    y_age_us: Times
    x_age_us: Times
    usable: npt.NDArray[np.bool_]
    candles: npt.NDArray[np.bool_]


def align(
    y_bars: Bars, x_bars: Bars, interval_us: int, start_us: int, end_us: int, stale_us: int
) -> AlignedBars:
    """Put two legs on one clock grid, using nothing after each bar's end.

    Parameters
    ----------
    y_bars, x_bars : ndarray of dtype BAR
        Ascending in time, on a grid that divides the interval (one second, usually). They may
        begin before `start_us`: what lies there is carried forward.
    interval_us : int
        Bar length.
    start_us, end_us : int
        The grid, end excluded; a multiple of the interval apart.
    stale_us : int
        Largest age of a leg's last trade at which a bar is still usable.

    Returns
    -------
    AlignedBars
        ``(end_us - start_us) / interval_us`` bars.

    Raises
    ------
    DataError
        If the interval is not positive or the grid does not end on a bar.
    """
    _check_interval(interval_us)
    if (end_us - start_us) % interval_us:
        raise DataError(
            f"The grid from {start_us} to {end_us} us does not start and end on a bar of "
            f"{interval_us} us; round both to multiples of it."
        )
    time_us = np.arange(start_us, end_us, interval_us, dtype=np.int64)
    y, y_open, y_age_us = _leg(y_bars, time_us, interval_us)
    x, x_open, x_age_us = _leg(x_bars, time_us, interval_us)
    usable = (y_age_us <= stale_us) & (x_age_us <= stale_us)
    usable &= np.isfinite(y) & np.isfinite(x)
    candles = _from_candles(y_bars, time_us, interval_us)
    candles |= _from_candles(x_bars, time_us, interval_us)
    return AlignedBars(time_us, y, x, y_open, x_open, y_age_us, x_age_us, usable, candles)


def with_candles(seconds: Bars, candles: Bars) -> Bars:
    """Put a venue's one-minute candles where no second of the minute was recorded.

    Parameters
    ----------
    seconds, candles : ndarray of dtype BAR
        Ascending; one-second bars, and candles that start on the minute.
    """
    recorded = np.unique(seconds["time_us"] // MINUTE_US)
    missing = candles[~np.isin(candles["time_us"] // MINUTE_US, recorded)]
    if not len(missing):
        return seconds
    both = np.concatenate((seconds, missing))
    return both[np.argsort(both["time_us"], kind="stable")]


def _from_candles(bars: Bars, time_us: Times, interval_us: int) -> npt.NDArray[np.bool_]:
    """Tell which bars of the grid close on a candle."""
    through = np.searchsorted(bars["time_us"], time_us + interval_us)
    is_candle = np.concatenate(([False], bars["trades"] == CANDLE))
    return is_candle[through]


def _leg(bars: Bars, time_us: Times, interval_us: int) -> tuple[Floats, Floats, Times]:
    if not len(bars):
        missing = np.full(len(time_us), np.nan)
        return missing, missing.copy(), np.full(len(time_us), NEVER_US)
    starts = np.ascontiguousarray(bars["time_us"])
    before = np.searchsorted(starts, time_us)
    through = np.searchsorted(starts, time_us + interval_us)
    last = np.maximum(through - 1, 0)
    price = np.where(through > 0, bars["close"][last], np.nan)
    age_us = np.where(through > 0, time_us + interval_us - bars["last_us"][last], NEVER_US)
    first = np.minimum(before, len(bars) - 1)
    opened = np.where(through > before, bars["open"][first], np.nan)
    return price, opened, age_us


def join(y_bars: Bars, x_bars: Bars, interval_us: int) -> AlignedBars:
    """Pair two legs at the times both have a bar; nothing is carried forward.

    For files with gaps of their own (nights, weekends, months of different length), where a
    clock grid would be mostly empty.

    Parameters
    ----------
    y_bars, x_bars : ndarray of dtype BAR
        Ascending in time.
    interval_us : int
        Bar length, for the ages.

    Raises
    ------
    DataError
        If the legs have no time in common.
    """
    time_us, at_y, at_x = np.intersect1d(
        y_bars["time_us"], x_bars["time_us"], assume_unique=True, return_indices=True
    )
    if not len(time_us):
        raise DataError(
            "The two legs have no bar at the same time; choose files of the same interval and zone."
        )
    y, x = y_bars[at_y], x_bars[at_x]
    ends = time_us + interval_us
    usable = np.isfinite(y["close"]) & np.isfinite(x["close"])
    return AlignedBars(
        time_us=time_us,
        y=y["close"].copy(),
        x=x["close"].copy(),
        y_open=y["open"].copy(),
        x_open=x["open"].copy(),
        y_age_us=np.maximum(ends - y["last_us"], 0),
        x_age_us=np.maximum(ends - x["last_us"], 0),
        usable=usable,
        candles=np.zeros(len(time_us), np.bool_),
    )
