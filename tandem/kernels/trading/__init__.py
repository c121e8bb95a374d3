"""The compiled trading state machine; `trading.Trader` is its public face.

Arrays in, arrays out. What must survive from one call to the next lives in one record of type
`NOW`, so that any chunking of the same bars gives the same numbers to the last bit.
"""

from tandem.kernels.trading.batch import (
    BARS_IN,
    BORROW,
    CONVERGENCE,
    COUNTS,
    FEES,
    FUNDING,
    GAINS,
    HEDGE_DRIFT,
    HELD_BARS,
    HELD_US,
    LOSSES,
    REFUSED,
    SPREAD_COST,
    TRADED,
    TRADES,
    WINS,
    count_trades,
    run_lean,
)
from tandem.kernels.trading.full import leave, run
from tandem.kernels.trading.machine import slip_cost, x_per_y
from tandem.kernels.trading.records import ADJUSTED, CLOSED, NOW, OUT, RULES

__all__ = [
    "ADJUSTED",
    "BARS_IN",
    "BORROW",
    "CLOSED",
    "CONVERGENCE",
    "COUNTS",
    "FEES",
    "FUNDING",
    "GAINS",
    "HEDGE_DRIFT",
    "HELD_BARS",
    "HELD_US",
    "LOSSES",
    "NOW",
    "OUT",
    "REFUSED",
    "RULES",
    "SPREAD_COST",
    "TRADED",
    "TRADES",
    "WINS",
    "count_trades",
    "leave",
    "run",
    "run_lean",
    "slip_cost",
    "x_per_y",
]
