"""Two legs, real accounting: `python backtest.py y.csv x.csv` tests a pair without a screen.

The code is in `trading/`; its names can be had from here too.
"""

from __future__ import annotations

from tandem.strategy.rules import SIZINGS, Costs, Limits, RoundTrip, Rules, Sizing
from tandem.strategy.trader import (
    ENTER_LONG,
    ENTER_SHORT,
    EVENTS,
    EXIT,
    NONE,
    REHEDGE,
    STOP,
    TIME_STOP,
    WITHDRAWN,
    BarsIn,
    ClosedTrade,
    Fill,
    Mark,
    Order,
    Position,
    Reason,
    Trader,
    TraderBars,
)

__all__ = [
    "ENTER_LONG",
    "ENTER_SHORT",
    "EVENTS",
    "EXIT",
    "NONE",
    "REHEDGE",
    "SIZINGS",
    "STOP",
    "TIME_STOP",
    "WITHDRAWN",
    "BarsIn",
    "ClosedTrade",
    "Costs",
    "Fill",
    "Limits",
    "Mark",
    "Order",
    "Position",
    "Reason",
    "RoundTrip",
    "Rules",
    "Sizing",
    "Trader",
    "TraderBars",
]

if __name__ == "__main__":
    import sys

    from trading.command import main

    sys.exit(main())
