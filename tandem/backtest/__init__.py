"""Backtests, sweeps, walk-forward; null test, deflated Sharpe ratio.

`run` trades a pair by one `Setup`; `compare` does so under several models, `sweep` by every variant
of a `Grid`, `walk_forward` by the variant that was best before, and `null_test` on surrogates in
which there is nothing to find. `judge` says what a Sharpe ratio is worth after all that is in a
`Ledger`. Long work takes a `Watch` for progress and cancelling, and its own threads, which may run
beside anything. `Trader` is the state machine below it all, the live paper account's too.
"""

from tandem.backtest.examples import crude
from tandem.backtest.files import aligned
from tandem.backtest.grid import AXES, Grid
from tandem.backtest.metrics import DEFINITIONS, Metrics, Period, Periods, periods, sharpe_error
from tandem.backtest.null_test import NULLS, NullTest, Surrogates, null_test
from tandem.backtest.run import Result, compare, run
from tandem.backtest.significance import (
    Luck,
    effective_trials,
    expected_best,
    judge,
    probabilistic_sharpe,
)
from tandem.backtest.sweep import Cell, Heat, Sweep, sweep
from tandem.backtest.trials import Ledger, Trial, data_set_key, setup_name, setup_values, trial
from tandem.backtest.walk_forward import Fold, WalkForward, walk_forward
from tandem.backtest.warmup import warm_up
from tandem.core.parallel import Watch
from tandem.strategy.pair_model import MODELS, Z_KINDS
from tandem.strategy.rules import SIZINGS, Costs, Limits, RoundTrip, Rules, Sizing
from tandem.strategy.signals import Setup, Signals, constant_funding, signals
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
    "AXES",
    "BarsIn",
    "Cell",
    "ClosedTrade",
    "Costs",
    "DEFINITIONS",
    "ENTER_LONG",
    "ENTER_SHORT",
    "EVENTS",
    "EXIT",
    "Fill",
    "Fold",
    "Grid",
    "Heat",
    "Ledger",
    "Limits",
    "Luck",
    "MODELS",
    "Mark",
    "Metrics",
    "NONE",
    "NULLS",
    "NullTest",
    "Order",
    "Period",
    "Periods",
    "Position",
    "REHEDGE",
    "Reason",
    "Result",
    "RoundTrip",
    "Rules",
    "SIZINGS",
    "STOP",
    "Setup",
    "Signals",
    "Sizing",
    "Surrogates",
    "Sweep",
    "TIME_STOP",
    "Trader",
    "TraderBars",
    "Trial",
    "WITHDRAWN",
    "WalkForward",
    "Watch",
    "Z_KINDS",
    "aligned",
    "compare",
    "constant_funding",
    "crude",
    "data_set_key",
    "effective_trials",
    "expected_best",
    "judge",
    "null_test",
    "periods",
    "probabilistic_sharpe",
    "run",
    "setup_name",
    "setup_values",
    "sharpe_error",
    "signals",
    "sweep",
    "trial",
    "walk_forward",
    "warm_up",
]
