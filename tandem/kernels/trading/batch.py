"""The state machine over a whole history, keeping only what the figures need."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled_over
from tandem.kernels.trading import machine
from tandem.kernels.trading.machine import EXIT, NONE, TIME_STOP, step

compiled = compiled_over(machine)

# Places in what `run_lean` counts; sums of money are over closed trades.
TRADES, WINS, GAINS, LOSSES, HELD_US, HELD_BARS, FEES, SPREAD_COST = range(8)
FUNDING, BORROW, CONVERGENCE, HEDGE_DRIFT, BARS_IN, TRADED, REFUSED = range(8, 15)
COUNTS = 15


@compiled
def count_trade(trade: Any, counts: npt.NDArray[np.float64]) -> None:
    """Add one closed trade to the sums."""
    counts[TRADES] += 1
    if trade.net > 0.0:
        counts[WINS] += 1
        counts[GAINS] += trade.net
    else:
        counts[LOSSES] -= trade.net
    counts[HELD_US] += trade.exit_us - trade.entry_us
    counts[HELD_BARS] += trade.bars
    counts[FEES] += trade.fees
    counts[SPREAD_COST] += trade.spread_cost
    counts[FUNDING] += trade.funding
    counts[BORROW] += trade.borrow
    counts[CONVERGENCE] += trade.convergence
    counts[HEDGE_DRIFT] += trade.hedge_drift


@compiled
def count_trades(closed: npt.NDArray[np.void], counts: npt.NDArray[np.float64]) -> None:
    """Add up closed trades as `run_lean` does."""
    for trade in closed:
        count_trade(trade, counts)


@compiled
def _wait(
    now: Any,
    rules: Any,
    t: int,
    time_us: npt.NDArray[np.int64],
    z: npt.NDArray[np.float64],
    usable: npt.NDArray[np.bool_],
    equity: npt.NDArray[np.float64],
    gross: npt.NDArray[np.float64],
) -> int:
    """Pass over the bars at which a flat trader has nothing to do; return the first that may ask.

    Marks are left as they are: an entry sets them.
    """
    cash, entry, begin = now.cash, rules.entry, t
    while t < len(time_us) and not (usable[t] and abs(z[t]) >= entry):
        equity[t] = cash
        gross[t] = 0.0
        t += 1
    if t > begin:
        now.time_us = time_us[t - 1]
    return t


@compiled
def _hold(
    now: Any,
    rules: Any,
    t: int,
    time_us: npt.NDArray[np.int64],
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    z: npt.NDArray[np.float64],
    usable: npt.NDArray[np.bool_],
    equity: npt.NDArray[np.float64],
    gross: npt.NDArray[np.float64],
) -> int:
    """Pass over the bars at which a position that costs nothing to hold is only marked."""
    cash, side, begin, bars = now.cash, now.side, t, now.bars
    y_quantity, x_quantity = now.y_quantity, now.x_quantity
    y_mark, x_mark = now.y_mark, now.x_mark
    out, stop, most = rules.exit, rules.stop, rules.time_stop_bars
    while t < len(time_us):
        against = -side * z[t]
        if usable[t] and (against >= stop or against <= out or 0 < most <= bars + 1):
            break
        bars += 1
        if np.isfinite(y[t]):
            y_mark = y[t]
        if np.isfinite(x[t]):
            x_mark = x[t]
        y_value, x_value = y_quantity * y_mark, x_quantity * x_mark
        equity[t] = cash + (y_value + x_value)
        gross[t] = abs(y_value) + abs(x_value)
        t += 1
    if t > begin:
        now.time_us = time_us[t - 1]
        now.bars = bars
        now.y_mark, now.x_mark = y_mark, x_mark
    return t


@compiled
def run_lean(
    now_array: npt.NDArray[np.void],
    rules_array: npt.NDArray[np.void],
    first: int,
    time_us: npt.NDArray[np.int64],
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    y_open: npt.NDArray[np.float64],
    x_open: npt.NDArray[np.float64],
    z: npt.NDArray[np.float64],
    beta: npt.NDArray[np.float64],
    usable: npt.NDArray[np.bool_],
    funding_y: npt.NDArray[np.float64],
    funding_x: npt.NDArray[np.float64],
    alpha: npt.NDArray[np.float64],
    scratch: npt.NDArray[np.void],
    scratch_row: npt.NDArray[np.void],
    equity: npt.NDArray[np.float64],
    gross: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
) -> None:
    """Run as `run` does from bar `first` on, keeping only what the metrics need.

    `scratch` and `scratch_row` have one record each; `counts` is added to (see the places above).
    """
    now = now_array[0]
    rules = rules_array[0]
    has_funding, has_alpha = len(funding_y) > 0, len(alpha) > 0
    is_still = not has_funding and rules.y_borrow <= 0.0 and rules.x_borrow <= 0.0
    is_still = is_still and rules.rehedge_bars == 0 and rules.rehedge_drift <= 0.0
    trade, row = scratch[0], scratch_row[0]
    t = first
    while t < len(time_us):
        if now.order == NONE:
            if now.side == 0 and now.cool == 0 and now.blocked == 0:
                t = _wait(now, rules, t, time_us, z, usable, equity, gross)
            elif now.side != 0 and is_still:
                before = t
                t = _hold(now, rules, t, time_us, y, x, z, usable, equity, gross)
                counts[BARS_IN] += t - before
            if t >= len(time_us):
                break
        filled, _ = step(
            now, rules, time_us[t], y[t], x[t], y_open[t], x_open[t], z[t],
            alpha[t] if has_alpha else np.nan, beta[t], usable[t],
            funding_y[t] if has_funding else 0.0, funding_x[t] if has_funding else 0.0,
            trade, row,
        )  # fmt: skip
        if EXIT <= filled <= TIME_STOP:
            count_trade(trade, counts)
        if now.side != 0:
            y_value, x_value = now.y_quantity * now.y_mark, now.x_quantity * now.x_mark
            equity[t] = now.cash + (y_value + x_value)
            gross[t] = abs(y_value) + abs(x_value)
            counts[BARS_IN] += 1
        else:
            equity[t] = now.cash
            gross[t] = 0.0
        t += 1
    counts[TRADED] += now.traded
    counts[REFUSED] += now.refused
