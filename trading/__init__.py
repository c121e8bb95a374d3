"""Backtests: two legs with real accounting, and the question whether it was luck.

`run` trades a pair by one `Setup`; `compare` does so under several models, `sweep` by every variant
of a `Grid`, `walk_forward` by the variant that was best before, and `null_test` on surrogates in
which there is nothing to find. `judge` says what a Sharpe ratio is worth after all that is in a
`Ledger`. Long work takes a `Watch` for progress and cancelling, and its own threads, which may run
beside anything. `Trader` is the state machine below it all, the live paper account's too.
"""

from tandem.core.parallel import Watch
from tandem.strategy.rules import Costs, Limits, RoundTrip, Rules
from tandem.strategy.signals import MODELS, Z_KINDS, Setup, Signals, constant_funding, signals
from tandem.strategy.trader import BarsIn, ClosedTrade, Fill, Position, Trader, TraderBars
from trading.examples import crude
from trading.files import aligned
from trading.grid import AXES, Grid
from trading.ledger import Ledger, Trial, data_set_key, setup_name, setup_values, trial
from trading.luck import (
    Luck,
    effective_trials,
    expected_best,
    judge,
    probabilistic_sharpe,
)
from trading.metrics import DEFINITIONS, Metrics, Period, Periods, periods, sharpe_error
from trading.null import NULLS, NullTest, Surrogates, null_test
from trading.running import Result, compare, run
from trading.sweep import Cell, Heat, Sweep, sweep
from trading.walk import Fold, WalkForward, walk_forward
from trading.warm import warm_up

__all__ = [
    "AXES",
    "DEFINITIONS",
    "MODELS",
    "NULLS",
    "Z_KINDS",
    "BarsIn",
    "Cell",
    "ClosedTrade",
    "Costs",
    "Fill",
    "Fold",
    "Grid",
    "Heat",
    "Ledger",
    "Limits",
    "Luck",
    "Metrics",
    "NullTest",
    "Period",
    "Periods",
    "Position",
    "Result",
    "RoundTrip",
    "Rules",
    "Setup",
    "Signals",
    "Surrogates",
    "Sweep",
    "Trader",
    "TraderBars",
    "Trial",
    "WalkForward",
    "Watch",
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
