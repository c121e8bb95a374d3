"""The state machine over new bars, with everything it did at each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled_over
from tandem.kernels.trading import machine
from tandem.kernels.trading.machine import (
    EXIT,
    NONE,
    REHEDGE,
    TIME_STOP,
    close_position,
    spread_at,
    step,
)

compiled = compiled_over(machine)


@compiled
def run(
    now_array: npt.NDArray[np.void],
    rules_array: npt.NDArray[np.void],
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
    out: tuple[npt.NDArray[Any], ...],
    closed: npt.NDArray[np.void],
    adjusted: npt.NDArray[np.void],
) -> tuple[int, int]:
    """Run the state machine over new bars; return how many trades and re-hedges were written.

    `now_array` and `rules_array` have one record each; the first is updated in place. `out` has an
    array for every name of `OUT`. Funding and
    `alpha` may have length 0 (no funding; level unknown). `closed` needs room for n_bars // 2 + 1
    trades, `adjusted` for n_bars + 1 re-hedges where there can be any, for one otherwise.
    """
    now = now_array[0]
    rules = rules_array[0]
    has_funding, has_alpha = len(funding_y) > 0, len(alpha) > 0
    signals, events, fills, sides, y_quantities, x_quantities, cash, equity, gross = out
    n_closed = n_adjusted = 0
    for t in range(len(time_us)):
        filled, event = step(
            now, rules, time_us[t], y[t], x[t], y_open[t], x_open[t], z[t],
            alpha[t] if has_alpha else np.nan, beta[t], usable[t],
            funding_y[t] if has_funding else 0.0, funding_x[t] if has_funding else 0.0,
            closed[n_closed], adjusted[n_adjusted],
        )  # fmt: skip
        n_closed += EXIT <= filled <= TIME_STOP
        n_adjusted += filled == REHEDGE
        signals[t] = now.target
        events[t] = event
        fills[t] = filled
        sides[t] = now.side
        y_quantities[t] = now.y_quantity
        x_quantities[t] = now.x_quantity
        cash[t] = now.cash
        equity[t] = now.cash
        gross[t] = 0.0
        if now.side != 0:
            y_value, x_value = now.y_quantity * now.y_mark, now.x_quantity * now.x_mark
            equity[t] += y_value + x_value
            gross[t] = abs(y_value) + abs(x_value)
    return n_closed, n_adjusted


@compiled
def leave(
    now_array: npt.NDArray[np.void],
    rules_array: npt.NDArray[np.void],
    time_us: int,
    y: float,
    x: float,
    alpha: float,
    beta: float,
    trade: npt.NDArray[np.void],
) -> bool:
    """Close what is held at these prices, whatever the rules say; False where nothing is held.

    Booked as a time stop asked for and filled at `time_us`. An order that waits is dropped.
    """
    now, rules = now_array[0], rules_array[0]
    now.order, now.target = NONE, 0
    if now.side == 0:
        return False
    now.order, now.order_us, now.order_z = TIME_STOP, time_us, np.nan
    spread = spread_at(rules, y, x, alpha, beta)
    close_position(now, rules, time_us, y, x, spread, trade[0])
    now.order = NONE
    return True
