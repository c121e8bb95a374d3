"""What is compiled ahead: everything a backtest on the page needs, and no more than it takes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tandem.backtest import warmup as warm
from tests.support.paths import ROOT

# In a process of its own: here other tests have compiled what they liked.
COMPILED_LATER = """
import json, sys
import numba
import analytics, backtest
from numba.core.dispatcher import Dispatcher
from tandem.pairs.cointegration import assess

def compiled():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("tandem.kernels."):
            for one in vars(module).values():
                if isinstance(one, Dispatcher):
                    found[one.py_func.__name__] = len(one.signatures)
    return found

analytics.warm_up()
backtest.warm_up()
before = compiled()
bars, _, _ = backtest.crude()
setup = backtest.Setup(lookback=60, costs=backtest.Costs(5.0, y_borrow_percent=1.0))
grid = backtest.Grid(setup, entries=(1.0, 2.0))
funding = backtest.constant_funding(bars.time_us, 3_600_000_000, 0.01, 0.01)
for paid in (None, funding):
    backtest.run(bars, setup, paid)
    backtest.compare(bars, setup, funding=paid)
    backtest.sweep(bars, grid, paid)
    backtest.walk_forward(bars, grid, 60, 60, funding=paid)
    for null in backtest.NULLS:
        backtest.null_test(bars, grid, null, 19, funding=paid)
after = compiled()
print(json.dumps({name: [before[name], after[name]] for name in after}))
"""


@pytest.mark.slow  # runs every kernel in a process of its own
def test_a_backtest_after_the_warm_up_compiles_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPILED_LATER], cwd=ROOT, capture_output=True, text=True, check=True
    )
    counted = json.loads(done.stdout)
    assert {"run", "run_lean", "rebuild", "measure", "leave"} <= set(counted)
    assert {name: pair for name, pair in counted.items() if pair[0] != pair[1]} == {}


def test_a_process_that_stops_compiles_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    monkeypatch.setattr(warm, "_parts", lambda: (lambda n=n: done.append(n) for n in range(9)))
    warm.warm_up(lambda: len(done) == 2)
    assert done == [0, 1]
