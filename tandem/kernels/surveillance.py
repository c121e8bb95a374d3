"""What is watched in prices and bars, carried from call to call, and the scoring of forests.

Windows of bars are summed afresh for every bar: they are short, nothing drifts, and any cutting of
the same bars into calls gives the same bits.

They keep the GIL: a call is about one bar or a few trades and takes microseconds, while each that
let it go would wait for it behind whatever thread is busy. Callers cut long arrays into pieces.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels import zscore
from tandem.kernels.compiled import held_over

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

held = held_over(zscore)

# Columns of what is given for each bar.
CLOSE, VOLUME, BUY, NOTIONAL, TRADES, GAP = range(6)
BAR_INPUTS = 6
# Columns of what is filled in for each bar.
RETURN, RSI, VOLATILITY, VOLUME_CHANGE, IMBALANCE, INTENSITY, AMIHUD, KYLE, ROLL, EWMA = range(10)
BAR_OUTPUTS = 10
# Rows of the ring: what the last bars were.
_RETURNS, _VOLUMES, _BUYS, _NOTIONALS, _TRADES, _CHANGES = range(6)
BAR_RING = 6
# The state between calls.
_SEEN, _LAST, _RISE, _FALL, _EWMA_SUM, _EWMA_WEIGHT = range(6)
BAR_STATE = 6

MOMENTUM_STATE = 1

# Columns of what is filled in for each price; the first is the caller's. After the price and after
# the return come its z, and the mean and deviation that is of.
PRICE, MOVED = 1, 5
PRICE_OUTPUTS = 9
# The last price's log and time in seconds, the usual time between prices, and how many there were.
LAST_PRICE, LAST_TIME, SPACING, PRICES = range(4)
LAST_STATE = 4
# A price is after a gap where it comes later than this, and later than so many usual spacings;
# what is usual is known after so many prices, and learned from about the last fifty.
HOLE_S = 60.0
_HOLE_SPACINGS, _SPACING_KNOWN, _SPACING_MEMORY = 20.0, 20, 50
# A gap counts as no more than this many usual spacings, or one would hide the next.
_SPACING_MOST = 10.0


@held
def watch_bars(
    bars: Floats, rsi_window: int, decay: float, state: Floats, ring: Floats, out: Floats
) -> None:
    """Fill the features of each bar from it and the last ``ring.shape[1]`` bars.

    A bar without a price above 0 gets NaN and changes nothing. One after a gap (above 0) gets NaN,
    too, and is the price the next one moves from. A feature that needs a volume is
    NaN while a volume of its window is unknown (NaN) or all are 0.
    """
    window = ring.shape[1]
    for t in range(len(bars)):
        out[t, :] = np.nan
        close = bars[t, CLOSE]
        if not (close > 0.0 and close < 1e50):
            continue
        seen = int(state[_SEEN])
        if seen == 0 or bars[t, GAP] > 0.0:
            state[_SEEN], state[_LAST] = max(seen, 1.0), close
            continue
        change = close - state[_LAST]
        log_return = math.log(close / state[_LAST])
        volume = bars[t, VOLUME]
        # Against the bars before this one: a burst must not raise what it is measured by.
        if seen > window:
            volumes = trades = 0.0
            for i in range(window):
                volumes += ring[_VOLUMES, i]
                trades += ring[_TRADES, i]
            if volumes > 0.0 and volume > 0.0:
                out[t, VOLUME_CHANGE] = math.log(volume * window / volumes)
            if trades > 0.0 and bars[t, TRADES] > 0.0:
                out[t, INTENSITY] = math.log(bars[t, TRADES] * window / trades)
        head = (seen - 1) % window
        ring[_RETURNS, head], ring[_CHANGES, head] = log_return, change
        ring[_VOLUMES, head], ring[_BUYS, head] = volume, bars[t, BUY]
        ring[_NOTIONALS, head], ring[_TRADES, head] = bars[t, NOTIONAL], bars[t, TRADES]
        rise, fall = max(change, 0.0), max(-change, 0.0)
        if seen <= rsi_window:
            state[_RISE] += rise / rsi_window
            state[_FALL] += fall / rsi_window
        else:
            state[_RISE] += (rise - state[_RISE]) / rsi_window
            state[_FALL] += (fall - state[_FALL]) / rsi_window
        state[_EWMA_SUM] = decay * state[_EWMA_SUM] + (1.0 - decay) * log_return * log_return
        state[_EWMA_WEIGHT] = decay * state[_EWMA_WEIGHT] + 1.0 - decay
        seen += 1
        state[_SEEN], state[_LAST] = seen, close
        out[t, RETURN] = log_return
        out[t, EWMA] = math.sqrt(state[_EWMA_SUM] / state[_EWMA_WEIGHT])
        moved = state[_RISE] + state[_FALL]
        if seen > rsi_window and moved > 0.0:
            out[t, RSI] = 100.0 * state[_RISE] / moved
        if seen <= window:
            continue
        mean = volumes = buys = 0.0
        for i in range(window):
            mean += ring[_RETURNS, i] / window
            volumes += ring[_VOLUMES, i]
            buys += ring[_BUYS, i]
        squares = 0.0
        for i in range(window):
            squares += (ring[_RETURNS, i] - mean) ** 2
        out[t, VOLATILITY] = math.sqrt(squares / (window - 1))
        if volumes > 0.0:
            out[t, IMBALANCE] = (2.0 * buys - volumes) / volumes
        _liquidity(ring, head, out[t])


@held
def _liquidity(ring: Floats, head: int, out: Floats) -> None:
    """Fill Amihud, Kyle's lambda and Roll's spread over the ring."""
    window = ring.shape[1]
    impact = mean_change = mean_flow = 0.0
    for i in range(window):
        if ring[_NOTIONALS, i] > 0.0:
            impact += abs(ring[_RETURNS, i]) / ring[_NOTIONALS, i] / window
        else:
            impact = np.nan
        mean_change += ring[_CHANGES, i] / window
        mean_flow += (2.0 * ring[_BUYS, i] - ring[_VOLUMES, i]) / window
    out[AMIHUD] = impact
    together = flows = serial = 0.0
    before = np.nan
    for step in range(window):
        i = (head + 1 + step) % window
        change = ring[_CHANGES, i] - mean_change
        flow = 2.0 * ring[_BUYS, i] - ring[_VOLUMES, i] - mean_flow
        together += change * flow
        flows += flow * flow
        if step > 0:
            serial += change * before
        before = change
    if flows > 0.0:
        out[KYLE] = together / flows
    if serial < 0.0:
        out[ROLL] = 2.0 * math.sqrt(-serial / (window - 1))


@held
def watch_momentum(
    price: Floats,
    gaps: npt.NDArray[np.bool_],
    state: Floats,
    ring: Floats,
    slope: Floats,
    statistic: Floats,
) -> None:
    """Fill the slope of the last ``len(ring)`` prices against their number, and its t-statistic.

    It begins anew after a gap.
    """
    window = len(ring)
    middle = (window - 1) / 2.0
    weight = window * (float(window) * window - 1.0) / 12.0
    for t in range(len(price)):
        slope[t] = statistic[t] = np.nan
        now = price[t]
        if not (now > 0.0 and now < 1e50):
            continue
        seen = 0 if gaps[t] else int(state[0])
        ring[seen % window] = now
        seen += 1
        state[0] = seen
        if seen < window:
            continue
        level = rising = 0.0
        for step in range(window):
            value = ring[(seen + step) % window] - now
            level += value / window
            rising += (step - middle) * value
        rising /= weight
        error = 0.0
        for step in range(window):
            value = ring[(seen + step) % window] - now
            error += (value - level - rising * (step - middle)) ** 2
        slope[t] = rising
        if window > 2 and error > 0.0:
            statistic[t] = rising / math.sqrt(error / (window - 2) / weight)


@held
def watch_prices(
    time_us: Whole,
    price: Floats,
    last: Floats,
    rings: Floats,
    sums: Floats,
    counts: Whole,
    gaps: npt.NDArray[np.bool_],
    out: Floats,
) -> None:
    """Fill the z-score of each price and of its log return, and what they were computed from.

    `last` holds what is above; the first row of the other states is the price's, the second the
    return's. A price that is none changes nothing. A return over a gap is none: it is of minutes,
    and would be measured by those of moments.
    """
    many = len(price)
    parts = np.empty((2, many))
    z, mean, deviation = np.empty(many), np.empty(many), np.empty(many)
    for t in range(many):
        out[t, PRICE] = price[t]
        parts[:, t], gaps[t] = np.nan, False
        if price[t] > 0.0 and price[t] < 1e50:
            log = math.log(price[t])
            gaps[t] = _follow(time_us[t] / 1e6, last)
            parts[0, t] = price[t]
            if not gaps[t]:
                parts[1, t] = log - last[LAST_PRICE]
            last[LAST_PRICE] = log
        out[t, MOVED] = parts[1, t]
    for i in range(2):
        zscore.roll_z(parts[i], 1, rings[i], sums[i], counts[i], z, mean, deviation)
        for t in range(many):
            first = PRICE if i == 0 else MOVED
            out[t, first + 1], out[t, first + 2] = z[t], mean[t]
            out[t, first + 3] = deviation[t]


@held
def _follow(now_s: float, last: Floats) -> bool:
    """Learn from a price's time how far apart prices are; tell whether it is after a gap."""
    is_gap = False
    if last[PRICES] > 0.0:
        gap = max(now_s - last[LAST_TIME], 0.0)
        if last[PRICES] > _SPACING_KNOWN:
            is_gap = gap > max(HOLE_S, _HOLE_SPACINGS * last[SPACING])
            gap = min(gap, _SPACING_MOST * max(last[SPACING], 1e-3))
        last[SPACING] += (gap - last[SPACING]) / min(last[PRICES], _SPACING_MEMORY)
    last[PRICES] += 1.0
    last[LAST_TIME] = max(now_s, last[LAST_TIME]) if last[PRICES] > 1.0 else now_s
    return is_gap


@held
def watch_columns(
    columns: Floats,
    rings: Floats,
    sums: Floats,
    counts: Whole,
    z: Floats,
    mean: Floats,
    deviation: Floats,
) -> None:
    """Fill the z-scores of several columns, each a row of every array."""
    for i in range(len(columns)):
        zscore.roll_z(columns[i], 1, rings[i], sums[i], counts[i], z[i], mean[i], deviation[i])


@held
def score_forest(
    rows: npt.NDArray[np.float32],
    starts: Whole,
    feature: Whole,
    threshold: Floats,
    left: Whole,
    right: Whole,
    length: Floats,
    normal: float,
    out: Floats,
) -> None:
    """Fill the score of each row, from 0 to 1: ``2 ** -(mean path length / normal)``.

    Nodes of all trees stand in one row of arrays, tree k from ``starts[k]`` on; `feature` is -1 at
    a leaf, whose `length` is its depth plus what its samples would still take to part.
    """
    trees = len(starts)
    for t in range(len(rows)):
        total = 0.0
        for k in range(trees):
            node = starts[k]
            while feature[node] >= 0:
                value = rows[t, feature[node]]
                node = left[node] if value <= threshold[node] else right[node]
            total += length[node]
        out[t] = 2.0 ** (-total / (normal * trees))
