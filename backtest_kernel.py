"""The compiled loop of the trading state machine; `backtest.Trader` is its public face.

Arrays in, arrays out. What must survive from one call to the next lives in one record of type
`NOW`, so that any chunking of the same bars gives the same numbers to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

NONE, ENTER_LONG, ENTER_SHORT, EXIT, STOP, TIME_STOP, WITHDRAWN = range(7)
HEDGE, DOLLAR, UNIT = range(3)

RULES = np.dtype(
    [
        ("entry", np.float64),
        ("exit", np.float64),
        ("stop", np.float64),
        ("time_stop_bars", np.int64),
        ("sizing", np.int64),
        ("notional", np.float64),
        ("log_prices", np.bool_),
        ("fee", np.float64),  # these three: fraction of a fill's value
        ("y_slip", np.float64),
        ("x_slip", np.float64),
    ]
)

# The order that waits, the position it would change, and the money so far.
NOW = np.dtype(
    [
        ("time_us", np.int64),
        ("target", np.int64),
        ("blocked", np.int64),  # side of the stopped trade while re-entry is barred, else 0
        ("order", np.int64),
        ("order_us", np.int64),
        ("order_z", np.float64),
        ("order_beta", np.float64),
        ("side", np.int64),
        ("bars", np.int64),
        ("y_quantity", np.float64),
        ("x_quantity", np.float64),
        ("signal_us", np.int64),
        ("entry_us", np.int64),
        ("entry_y", np.float64),
        ("entry_x", np.float64),
        ("entry_z", np.float64),
        ("beta", np.float64),
        ("fees", np.float64),
        ("spread_cost", np.float64),
        ("funding", np.float64),
        ("cash", np.float64),
        ("y_mark", np.float64),
        ("x_mark", np.float64),
    ]
)

CLOSED = np.dtype(
    [
        ("side", np.int64),
        ("bars", np.int64),
        ("signal_us", np.int64),
        ("entry_us", np.int64),
        ("exit_signal_us", np.int64),
        ("exit_us", np.int64),
        ("y_quantity", np.float64),
        ("x_quantity", np.float64),
        ("entry_y", np.float64),
        ("entry_x", np.float64),
        ("exit_y", np.float64),
        ("exit_x", np.float64),
        ("entry_z", np.float64),
        ("exit_z", np.float64),
        ("beta", np.float64),
        ("gross", np.float64),
        ("fees", np.float64),
        ("spread_cost", np.float64),
        ("funding", np.float64),
        ("net", np.float64),
        ("reason", np.int64),
    ]
)

OUT = np.dtype(
    [
        ("signal", np.int8),
        ("event", np.int8),
        ("filled", np.int8),
        ("position", np.int8),
        ("y_quantity", np.float64),
        ("x_quantity", np.float64),
        ("cash", np.float64),
        ("equity", np.float64),
    ]
)


@compiled
def x_per_y(sizing: int, log_prices: bool, y: float, x: float, beta: float) -> float:
    """Return the units of X that go against one unit of Y (negative: the opposite side).

    hedge, raw prices: -beta; hedge, logs: -beta * y / x; dollar: -y / x; unit: -1.
    """
    if sizing == UNIT:
        return -1.0
    if sizing == DOLLAR:
        return -y / x
    if log_prices:
        return -beta * y / x
    return -beta


@compiled
def _pay(now: Any, rules: Any, y: float, x: float) -> None:
    """Book the costs of trading the two quantities held at these prices."""
    y_value = abs(now.y_quantity * y)
    x_value = abs(now.x_quantity * x)
    fees = rules.fee * (y_value + x_value)
    spread_cost = rules.y_slip * y_value + rules.x_slip * x_value
    now.fees += fees
    now.spread_cost += spread_cost
    now.cash -= fees + spread_cost


@compiled
def _open(now: Any, rules: Any, time_us: int, y: float, x: float) -> None:
    now.side = 1 if now.order == ENTER_LONG else -1
    now.bars = 0
    now.y_quantity = now.side * (rules.notional / y)
    ratio = x_per_y(rules.sizing, rules.log_prices, y, x, now.order_beta)
    now.x_quantity = now.y_quantity * ratio
    now.signal_us, now.entry_us = now.order_us, time_us
    now.entry_y, now.entry_x = y, x
    now.y_mark, now.x_mark = y, x
    now.entry_z, now.beta = now.order_z, now.order_beta
    now.fees, now.spread_cost, now.funding = 0.0, 0.0, 0.0
    now.cash -= now.y_quantity * y + now.x_quantity * x
    _pay(now, rules, y, x)


@compiled
def _close(now: Any, rules: Any, time_us: int, y: float, x: float, trade: Any) -> None:
    now.cash += now.y_quantity * y + now.x_quantity * x
    _pay(now, rules, y, x)
    trade.side, trade.bars, trade.reason = now.side, now.bars, now.order
    trade.signal_us, trade.entry_us = now.signal_us, now.entry_us
    trade.exit_signal_us, trade.exit_us = now.order_us, time_us
    trade.y_quantity, trade.x_quantity = now.y_quantity, now.x_quantity
    trade.entry_y, trade.entry_x, trade.exit_y, trade.exit_x = now.entry_y, now.entry_x, y, x
    trade.entry_z, trade.exit_z, trade.beta = now.entry_z, now.order_z, now.beta
    trade.gross = now.y_quantity * (y - now.entry_y) + now.x_quantity * (x - now.entry_x)
    trade.fees, trade.spread_cost, trade.funding = now.fees, now.spread_cost, now.funding
    trade.net = trade.gross - now.fees - now.spread_cost - now.funding
    if now.order != EXIT:
        now.blocked = now.side
    now.side, now.y_quantity, now.x_quantity = 0, 0.0, 0.0


@compiled
def _ask(now: Any, rules: Any, z: float, beta: float) -> int:
    """Return the order the rules ask for at the close of a usable bar (NONE: stay).

    Only called with no exit waiting; a waiting entry is asked for anew, or not.
    """
    if now.side != 0:
        against = -now.side * z  # how far z lies on the side the trade was entered on
        if against >= rules.stop:
            return STOP
        if against <= rules.exit:
            return EXIT
        if 0 < rules.time_stop_bars <= now.bars:
            return TIME_STOP
        return NONE
    if now.blocked != 0 and -now.blocked * z <= rules.exit:
        now.blocked = 0
    hedged = rules.sizing != HEDGE or (np.isfinite(beta) and beta != 0.0)
    if now.blocked != 0 or not hedged or not rules.entry <= abs(z) < rules.stop:
        return NONE
    return ENTER_LONG if z < 0.0 else ENTER_SHORT


@compiled
def _decide(now: Any, rules: Any, time_us: int, z: float, beta: float) -> int:
    """Raise, renew or withdraw the order; return the event to show at this bar."""
    if now.side != 0 and now.order != NONE:
        return NONE  # an exit stands until it fills
    if np.isfinite(z):
        asked = _ask(now, rules, z, beta)
    elif now.side != 0 and 0 < rules.time_stop_bars <= now.bars:
        asked = TIME_STOP
    else:
        return NONE
    before = now.order
    now.order = asked
    if asked == NONE:
        now.target = now.side
        return WITHDRAWN if before != NONE else NONE
    now.order_us, now.order_z, now.order_beta = time_us, z, beta
    now.target = 1 if asked == ENTER_LONG else -1 if asked == ENTER_SHORT else 0
    return asked if asked != before else NONE


@compiled
def _fill(now: Any, rules: Any, time_us: int, y: float, x: float, trade: Any) -> int:
    """Fill the waiting order where both legs traded; return its code, or NONE."""
    if now.order == NONE or not (np.isfinite(y) and np.isfinite(x)):
        return NONE
    if now.side == 0 and not (y > 0.0 and x > 0.0):
        return NONE
    filled = now.order
    if now.side == 0:
        _open(now, rules, time_us, y, x)
    else:
        _close(now, rules, time_us, y, x, trade)
    now.order = NONE
    return int(filled)


@compiled
def _carry(now: Any, y: float, x: float, funding_y: float, funding_x: float) -> None:
    """Mark the position at the close and charge the bar's funding on that value."""
    if np.isfinite(y):
        now.y_mark = y
    if np.isfinite(x):
        now.x_mark = x
    if now.side != 0:
        now.bars += 1
        paid = now.y_quantity * now.y_mark * funding_y + now.x_quantity * now.x_mark * funding_x
        now.funding += paid
        now.cash -= paid


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
    out: npt.NDArray[np.void],
    closed: npt.NDArray[np.void],
) -> int:
    """Run the state machine over new bars; return how many rows of `closed` were written.

    `now_array` and `rules_array` have one record each; the first is updated in place. Funding
    arrays may have length 0 (no funding). `closed` needs room for n_bars // 2 + 1 trades.
    """
    now = now_array[0]
    rules = rules_array[0]
    has_funding = len(funding_y) > 0
    n_closed = 0
    for t in range(len(time_us)):
        filled = NONE
        if usable[t]:
            filled = _fill(now, rules, time_us[t], y_open[t], x_open[t], closed[n_closed])
            if filled >= EXIT:
                n_closed += 1
        if has_funding:
            _carry(now, y[t], x[t], funding_y[t], funding_x[t])
        else:
            _carry(now, y[t], x[t], 0.0, 0.0)
        row = out[t]
        row.event = _decide(now, rules, time_us[t], z[t], beta[t]) if usable[t] else NONE
        row.filled = filled
        row.signal = now.target
        row.position = now.side
        row.y_quantity = now.y_quantity
        row.x_quantity = now.x_quantity
        row.cash = now.cash
        row.equity = now.cash
        if now.side != 0:
            row.equity += now.y_quantity * now.y_mark + now.x_quantity * now.x_mark
        now.time_us = time_us[t]
    return n_closed
