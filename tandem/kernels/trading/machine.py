"""One bar of the trading state machine: fill what waits, carry what is held, decide.

Numba freezes the codes below into the machine code, so they stand beside the kernels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tandem.kernels.compiled import compiled

NONE, ENTER_LONG, ENTER_SHORT, EXIT, STOP, TIME_STOP, WITHDRAWN, REHEDGE = range(8)
HEDGE, DOLLAR, UNIT = range(3)


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
def whole_lots(quantity: float, lot: float) -> float:
    """Round towards zero to whole lots; a lot of 0 is none.

    A quantity a rounding error short of a lot counts as that lot.
    """
    if lot <= 0.0:
        return quantity
    return math.copysign(math.floor(abs(quantity) / lot + 1e-9) * lot, quantity)


@compiled
def slip_cost(quantity: float, price: float, slip: float, tick: float) -> float:
    """Return what a fill loses against `price`: slip, then up to the next tick, against us."""
    if tick <= 0.0 or quantity == 0.0:
        return slip * abs(quantity * price)
    wanted = price + math.copysign(slip * price, quantity)
    # A price on the tick already must not be pushed to the next one by a rounding error.
    if quantity > 0.0:
        filled = math.ceil(wanted / tick - 1e-9) * tick
    else:
        filled = math.floor(wanted / tick + 1e-9) * tick
    return abs(quantity) * max(abs(filled - price), 0.0)


@compiled
def _pay(
    now: Any, rules: Any, y_quantity: float, x_quantity: float, y: float, x: float
) -> tuple[float, float]:
    """Book two fills, prices and costs; return fees and spread cost."""
    y_value = abs(y_quantity * y)
    x_value = abs(x_quantity * x)
    fees = rules.y_fee * y_value + rules.x_fee * x_value
    spread_cost = slip_cost(y_quantity, y, rules.y_slip, rules.y_tick)
    spread_cost += slip_cost(x_quantity, x, rules.x_slip, rules.x_tick)
    now.fees += fees
    now.spread_cost += spread_cost
    now.traded += y_value + x_value
    now.cash -= y_quantity * y + x_quantity * x
    now.cash -= fees + spread_cost
    return fees, spread_cost


@compiled
def spread_at(rules: Any, y: float, x: float, alpha: float, beta: float) -> float:
    """Return the spread at these prices by the hedge known before the bar."""
    if not rules.log_prices:
        return y - (alpha + beta * x)
    if y > 0.0 and x > 0.0:
        return math.log(y) - (alpha + beta * math.log(x))
    return np.nan


@compiled
def _open(now: Any, rules: Any, time_us: int, y: float, x: float, spread: float) -> bool:
    """Enter at these prices; False where limits leave no size for both legs."""
    side = 1 if now.order == ENTER_LONG else -1
    y_quantity = side * (rules.notional / y)
    x_quantity = y_quantity * x_per_y(rules.sizing, rules.log_prices, y, x, now.order_beta)
    gross = abs(y_quantity * y) + abs(x_quantity * x)
    if gross > rules.most_gross:
        y_quantity *= rules.most_gross / gross
        x_quantity *= rules.most_gross / gross
    y_quantity = whole_lots(y_quantity, rules.y_lot)
    x_quantity = whole_lots(x_quantity, rules.x_lot)
    if y_quantity == 0.0 or x_quantity == 0.0:
        return False
    if abs(y_quantity * y) < rules.y_least or abs(x_quantity * x) < rules.x_least:
        return False
    now.side, now.bars = side, 0
    now.y_quantity, now.x_quantity = y_quantity, x_quantity
    now.entry_x_quantity = x_quantity
    now.signal_us, now.entry_us = now.order_us, time_us
    now.entry_y, now.entry_x = y, x
    now.y_mark, now.x_mark = y, x
    now.entry_z, now.beta = now.order_z, now.order_beta
    now.hedge_beta, now.hedge_bars = now.order_beta, 0
    now.x_basis, now.realised, now.entry_spread = x, 0.0, spread
    now.fees, now.spread_cost, now.funding, now.borrow = 0.0, 0.0, 0.0, 0.0
    now.rehedges = 0
    _pay(now, rules, y_quantity, x_quantity, y, x)
    return True


@compiled
def close_position(
    now: Any, rules: Any, time_us: int, y: float, x: float, spread: float, trade: Any
) -> None:
    """Sell what is held at these prices and write the round trip down."""
    _pay(now, rules, -now.y_quantity, -now.x_quantity, y, x)
    trade.side, trade.bars, trade.reason = now.side, now.bars, now.order
    trade.signal_us, trade.entry_us = now.signal_us, now.entry_us
    trade.exit_signal_us, trade.exit_us = now.order_us, time_us
    trade.y_quantity, trade.x_quantity = now.y_quantity, now.entry_x_quantity
    trade.exit_x_quantity, trade.rehedges = now.x_quantity, now.rehedges
    trade.entry_y, trade.entry_x, trade.exit_y, trade.exit_x = now.entry_y, now.entry_x, y, x
    trade.entry_z, trade.exit_z, trade.beta = now.entry_z, now.order_z, now.beta
    gross = now.y_quantity * (y - now.entry_y) + now.x_quantity * (x - now.x_basis)
    gross += now.realised
    unit = now.y_quantity * now.entry_y if rules.log_prices else now.y_quantity
    trade.convergence = unit * (spread - now.entry_spread)
    trade.hedge_drift = gross - trade.convergence
    trade.gross = gross
    trade.fees, trade.spread_cost = now.fees, now.spread_cost
    trade.funding, trade.borrow = now.funding, now.borrow
    trade.net = gross - now.fees - now.spread_cost - now.funding - now.borrow
    if now.order != EXIT:
        now.blocked = now.side
    now.cool = rules.cool_down_bars
    now.side, now.y_quantity, now.x_quantity = 0, 0.0, 0.0


@compiled
def _resize(now: Any, rules: Any, time_us: int, y: float, x: float, row: Any) -> bool:
    """Bring X back to what the hedge asks for now; False where nothing needs to trade.

    A change below a lot or the minimum, or one that would pass the maximum gross, is not made; the
    hedge then counts as renewed all the same, so that it is not asked for at every bar. So it is
    with a change to no lot at all, which would leave Y without a hedge; that one is counted.
    """
    target = now.y_quantity * x_per_y(rules.sizing, rules.log_prices, y, x, now.order_beta)
    change = whole_lots(target - now.x_quantity, rules.x_lot)
    now.hedge_beta, now.hedge_bars = now.order_beta, 0
    after = now.x_quantity + change
    if change == 0.0 or abs(change * x) < rules.x_least:
        return False
    # Not compared with 0: lots that are no binary fractions leave a rounding error of nothing.
    if whole_lots(after, rules.x_lot) == 0.0:
        now.refused += 1
        return False
    grows = abs(after) > abs(now.x_quantity)
    if grows and abs(now.y_quantity * y) + abs(after * x) > rules.most_gross:
        return False
    now.realised += now.x_quantity * (x - now.x_basis)
    now.x_basis = x
    now.x_quantity = after
    now.rehedges += 1
    fees, spread_cost = _pay(now, rules, 0.0, change, y, x)
    row.signal_us, row.time_us = now.order_us, time_us
    row.quantity, row.price, row.beta = change, x, now.order_beta
    row.fee, row.spread_cost = fees, spread_cost
    return True


@compiled
def _hedges(rules: Any, beta: float) -> bool:
    """Tell whether a position may be sized with this beta."""
    if rules.skip_negative and not beta > 0.0:
        return False
    return rules.sizing != HEDGE or (np.isfinite(beta) and beta != 0.0)


@compiled
def _hedge_is_due(now: Any, rules: Any, beta: float) -> bool:
    if not _hedges(rules, beta):
        return False
    if 0 < rules.rehedge_bars <= now.hedge_bars:
        return True
    if rules.rehedge_drift <= 0.0 or rules.sizing != HEDGE:
        return False
    return bool(abs(beta - now.hedge_beta) > rules.rehedge_drift * abs(now.hedge_beta))


@compiled
def _ask(now: Any, rules: Any, z: float, beta: float) -> int:
    """Return the order the rules ask for at the close of a usable bar (NONE: stay).

    Only called with no exit waiting; a waiting entry or re-hedge is asked for anew, or not.
    """
    if now.side != 0:
        against = -now.side * z  # how far z lies on the side the trade was entered on
        if against >= rules.stop:
            return STOP
        if against <= rules.exit:
            return EXIT
        if 0 < rules.time_stop_bars <= now.bars:
            return TIME_STOP
        return REHEDGE if _hedge_is_due(now, rules, beta) else NONE
    if now.blocked != 0 and -now.blocked * z <= rules.exit:
        now.blocked = 0
    if now.blocked != 0 or now.cool > 0 or not rules.entry <= abs(z) < rules.stop:
        return NONE
    if not _hedges(rules, beta):
        return NONE
    return ENTER_LONG if z < 0.0 else ENTER_SHORT


@compiled
def _decide(now: Any, rules: Any, time_us: int, z: float, beta: float) -> int:
    """Raise, renew or withdraw the order; return the event to show at this bar."""
    if now.side != 0 and now.order != NONE and now.order != REHEDGE:
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
    if asked == REHEDGE:
        now.target = now.side
    else:
        now.target = 1 if asked == ENTER_LONG else -1 if asked == ENTER_SHORT else 0
    return asked if asked != before else NONE


@compiled
def _fill(
    now: Any, rules: Any, time_us: int, y: float, x: float, spread: float, trade: Any, row: Any
) -> int:
    """Fill the waiting order at these prices; return its code, or NONE."""
    # No size follows from a price that is not above zero; an exit needs none.
    if (now.side == 0 or now.order == REHEDGE) and not (y > 0.0 and x > 0.0):
        return NONE
    filled = now.order
    if now.side == 0:
        if not _open(now, rules, time_us, y, x, spread):
            now.refused += 1
            return NONE
    elif filled == REHEDGE:
        if not _resize(now, rules, time_us, y, x, row):
            filled = NONE
    else:
        close_position(now, rules, time_us, y, x, spread, trade)
    now.order = NONE
    return int(filled)


@compiled
def _lend(now: Any, rules: Any, time_us: int) -> None:
    """Charge what the short legs held since the bar before cost to borrow, at the last marks."""
    elapsed = float(time_us - now.time_us)
    cost = 0.0
    if now.y_quantity < 0.0:
        cost += abs(now.y_quantity * now.y_mark) * rules.y_borrow * elapsed
    if now.x_quantity < 0.0:
        cost += abs(now.x_quantity * now.x_mark) * rules.x_borrow * elapsed
    now.borrow += cost
    now.cash -= cost


@compiled
def _carry(now: Any, y: float, x: float, funding_y: float, funding_x: float) -> None:
    """Mark the position at the close and charge the bar's funding on that value."""
    if np.isfinite(y):
        now.y_mark = y
    if np.isfinite(x):
        now.x_mark = x
    if now.side != 0:
        now.bars += 1
        now.hedge_bars += 1
        paid = now.y_quantity * now.y_mark * funding_y + now.x_quantity * now.x_mark * funding_x
        now.funding += paid
        now.cash -= paid


@compiled
def step(
    now: Any,
    rules: Any,
    time_us: int,
    y: float,
    x: float,
    y_open: float,
    x_open: float,
    z: float,
    alpha: float,
    beta: float,
    usable: bool,
    funding_y: float,
    funding_x: float,
    trade: Any,
    row: Any,
) -> tuple[int, int]:
    """Take one bar: fill, carry, decide; return what was filled and what was asked."""
    if now.side != 0 and (rules.y_borrow > 0.0 or rules.x_borrow > 0.0):
        _lend(now, rules, time_us)
    # A finite open says that the leg traded in the bar, whichever price the fill is at.
    can_fill = usable and now.order != NONE and np.isfinite(y_open) and np.isfinite(x_open)
    filled = NONE
    if can_fill and not rules.at_close:
        spread = spread_at(rules, y_open, x_open, alpha, beta)
        filled = _fill(now, rules, time_us, y_open, x_open, spread, trade, row)
    _carry(now, y, x, funding_y, funding_x)
    if can_fill and rules.at_close:
        spread = spread_at(rules, y, x, alpha, beta)
        filled = _fill(now, rules, time_us, y, x, spread, trade, row)
    event = _decide(now, rules, time_us, z, beta) if usable else NONE
    if now.cool > 0:
        now.cool -= 1
    now.time_us = time_us
    return filled, event
