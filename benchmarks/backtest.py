"""Times backtests, sweeps, walk-forward and the null test; vectorbt beside the sweep.

python -m benchmarks.backtest [--vectorbt PYTHON] [--large] [--cold]

`PYTHON` is an interpreter that has vectorbt (``python -m venv ENV; ENV/bin/pip install vectorbt``):
it has requirements of its own and is not among ours. `--large` times only the long tests on
100,000 bars, `--cold` only the compiling ahead, without and with a cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import describe
from benchmarks.memory import extra_mb
from tandem.backtest.grid import Grid
from tandem.backtest.null_test import null_test
from tandem.backtest.run import run
from tandem.backtest.runtime_estimate import pace_of
from tandem.backtest.sweep import sweep
from tandem.backtest.walk_forward import walk_forward
from tandem.core.bars import AlignedBars
from tandem.core.clock import HOUR_US
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup, signals

LOOKBACKS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 800)
ENTRIES = tuple(np.linspace(1.0, 3.0, 20).tolist())
EXITS = (0.0, 0.2, 0.4, 0.6, 0.8)
BASE = Setup(model="ols", rules=Rules(stop=np.inf), costs=Costs(5.0))


def made_bars(n_bars: int, half_life: float = 30.0) -> AlignedBars:
    """Return an hourly cointegrated pair that opens where it last closed."""
    rng = np.random.default_rng(0)
    x = 60_000.0 * np.exp(np.cumsum(rng.normal(0.0, 3e-4, n_bars)))
    pull = pd.Series(rng.normal(size=n_bars)).ewm(halflife=half_life).mean().to_numpy()
    y = 100.0 + 0.05 * x + 10.0 * pull
    opens = [np.concatenate((leg[:1], leg[:-1])) for leg in (y, x)]
    age, yes = np.zeros(n_bars, np.int64), np.ones(n_bars, np.bool_)
    times = 1_500_000_000_000_000 + np.arange(n_bars) * HOUR_US
    return AlignedBars(times, y, x, *opens, age, age, yes, ~yes)


def seconds(work: Callable[[], Any], rounds: int = 5) -> float:
    """Return the median time of a call, warm."""
    work()
    spent = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def pandas_sweep(bars: AlignedBars, setups: list[Setup], scores: dict[Any, Any]) -> list[float]:
    """Sweep one asset with plain pandas, a variant at a time: positions, return, Sharpe, fall."""
    price, found = pd.Series(bars.y), []
    change = price.diff().fillna(0.0)
    for setup in setups:
        z = scores[setup.signal_key]
        entry, leave = setup.rules.entry, setup.rules.exit
        side = pd.Series(np.nan, index=price.index)
        side[np.abs(z) <= leave] = 0.0
        side[z >= entry], side[z <= -entry] = -1.0, 1.0
        held = side.ffill().fillna(0.0).shift(1).fillna(0.0) * (10_000.0 / price)
        cost = held.diff().fillna(0.0).abs() * price * 5e-4
        equity = 20_000.0 + (held * change - cost).cumsum()
        returns = equity.diff().fillna(0.0) / 20_000.0
        fall = (1.0 - equity / equity.cummax()).max()
        found.append(float(returns.mean() / returns.std()) + fall + equity.iloc[-1])
    return found


def vectorbt_sweep(python: str, bars: AlignedBars, setups: list[Setup]) -> dict[str, Any]:
    """Run the peer in its own process and return what it says."""
    keys = list(dict.fromkeys(setup.signal_key for setup in setups))
    first = {setup.signal_key: setup for setup in reversed(setups)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signals.npz"
        np.savez(
            path,
            price=bars.y,
            z=np.nan_to_num(np.array([signals(bars, first[key]).z for key in keys])),
            group=np.array([keys.index(setup.signal_key) for setup in setups]),
            entry=np.array([setup.rules.entry for setup in setups]),
            exit=np.array([setup.rules.exit for setup in setups]),
        )
        script = Path(__file__).with_name("vectorbt_peer.py")
        done = subprocess.run(
            [python, str(script), str(path)], capture_output=True, text=True, check=True
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


# In a process of its own, which has compiled nothing.
_WARM_UP = """
import time, analytics, trading
for work in (analytics.warm_up, trading.warm_up):
    start = time.perf_counter()
    work()
    print(f"{time.perf_counter() - start:.2f}")
"""


def cold_and_warm() -> None:
    """Time the compiling ahead: the live page's loops, then the backtests'."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("no cache", "cache"):
            done = subprocess.run(
                [sys.executable, "-c", _WARM_UP],
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            analytics_s, trading_s = done.stdout.split()
            print(f"compiling ahead, {name}: models {analytics_s} s, backtests {trading_s} s")


def large() -> None:
    """Time walk-forward and null test on 100,000 bars, beside what the page says beforehand."""
    bars = made_bars(100_000)
    grid = Grid(
        replace(BASE, model="kalman"),
        entries=(1.0, 1.5, 2.0, 2.5, 3.0),
        exits=(0.0, 0.25, 0.5, 0.75, 1.0),
    )
    count = len(grid.setups())
    pace_of(bars, grid)
    pace = pace_of(bars, grid)
    spent = seconds(lambda: walk_forward(bars, grid, 33_000, 16_000), 3)
    said = pace.walk_forward_s(100_000, 33_000, 16_000, False)
    print(f"walk-forward, {count} variants, 100,000 bars: {spent:.2f} s (said: {said:.2f} s)")
    start = time.perf_counter()
    null_test(bars, grid, count=199)
    spent, said = time.perf_counter() - start, pace.null_s(199, 1)
    print(
        f"null test, 199 surrogates, {count} variants, 100,000 bars: {spent:.0f} s "
        f"(said: {said:.0f} s)"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectorbt", default=sys.executable, help="an interpreter that has it")
    parser.add_argument("--large", action="store_true", help="only the long tests, 100,000 bars")
    parser.add_argument("--cold", action="store_true", help="only the compiling ahead")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    if options.large or options.cold:
        if options.large:
            large()
        if options.cold:
            cold_and_warm()
        print(f"{describe('numpy', 'numba')}; load average {before:.2f} at the start.")
        return
    million = made_bars(1_000_000)
    for model in ("ols", "kalman"):
        setup = Setup(model=model, rules=Rules(stop=np.inf), costs=Costs(5.0))
        said = signals(million, setup)
        whole = seconds(lambda setup=setup: run(million, setup))
        alone = seconds(lambda setup=setup, said=said: run(million, setup, said=said))
        print(f"1,000,000 bars, {model}: {whole * 1e3:.0f} ms; signals known: {alone * 1e3:.0f} ms")
    bars = made_bars(20_000)
    grid = Grid(BASE, lookbacks=LOOKBACKS, entries=ENTRIES, exits=EXITS)
    setups = grid.setups()
    spent = seconds(lambda: sweep(bars, grid, workers=2))
    extra = extra_mb(lambda: sweep(bars, grid, workers=2))
    print(f"sweep, {len(setups):,} variants, 20,000 bars, full metrics, 2 threads: {spent:.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  extra memory {extra or 0.0:.0f} MB; the process, million bars included: {peak:.0f} MB"
    )
    peer = vectorbt_sweep(options.vectorbt, bars, setups)
    if "error" in peer:
        print(f"  {peer['error']}: give --vectorbt an interpreter that has it")
    else:
        print(
            f"  vectorbt {peer['version']} from_signals, one asset, return, Sharpe and drawdown: "
            f"{peer['seconds']:.1f} s, {peer['peak_mb']:.0f} MB, {peer['seconds'] / spent:.0f}x"
        )
    scores = {setup.signal_key: signals(bars, setup).z for setup in setups}
    start = time.perf_counter()
    pandas_sweep(bars, setups[::10], scores)
    plain = 10.0 * (time.perf_counter() - start)
    print(f"  plain pandas, one asset: {plain:.1f} s (from 100 variants), {plain / spent:.0f}x")
    small = Grid(BASE, lookbacks=(100, 200), entries=(1.5, 2.0, 2.5), exits=(0.0, 0.5))
    few = made_bars(5_000)
    print(f"walk-forward, 12 variants, 5,000 bars, 8 folds: "
          f"{seconds(lambda: walk_forward(few, small, 1_000, 500), 3):.2f} s")  # fmt: skip
    print(f"null test, 199 surrogates, 12 variants, 5,000 bars: "
          f"{seconds(lambda: null_test(few, small), 3):.2f} s")  # fmt: skip
    print(f"{describe('numpy', 'numba', 'pandas')}; load average {before:.2f} at the start, "
          f"{os.getloadavg()[0]:.2f} at the end.")  # fmt: skip


if __name__ == "__main__":
    main()
