"""The null test's p-values on noise and on mean-reverting pairs: writes docs/LUCK.md.

python -m benchmarks.luck [--sets 300] [--surrogates 99]
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.machine import describe
from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS, Null, null_test
from tandem.backtest.walk_forward import walk_forward
from tandem.core.bars import AlignedBars
from tandem.core.clock import DAY_US, HOUR_US
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup
from tests.support.paths import ROOT, SHARED

WRITTEN = ROOT / "docs" / "LUCK.md"
N_BARS = 500
GRID = Grid(
    Setup(model="ols", lookback=40, z_window=30, rules=Rules(stop=9.0), costs=Costs(0.0)),
    entries=[1.0, 1.5, 2.0],
    exits=[0.0, 0.5],
)
EWA_EWC = Grid(
    Setup(model="kalman", rules=Rules(stop=9.0), costs=Costs(2.0)),
    models=["ols", "kalman"],
    lookbacks=[60, 120],
    entries=[1.0, 1.5, 2.0],
    exits=[0.0, 0.5],
)
Floats = npt.NDArray[np.float64]
PAGE = """# Null test: p-values on noise and on mean-reverting pairs

Written by `python -m benchmarks.luck`. The null test runs the whole pipeline, selection of the best
variant included, on a pair and on B surrogates of it without error correction;
p = (1 + k) / (B + 1), where k surrogates did at least as well as the pair. "no correction": one
random sign per bar for both legs; "independent": one for each leg.

## On simulated pairs

{sets:,} pairs per row, {bars} hourly bars each, {variants} variants to choose from by Sharpe ratio,
no costs, B = {surrogates}. Under H0 p is at or below 0.05 in 5 % of the pairs and 0.5 on average;
for mean-reverting pairs, the share at or below 0.05 is the test's power.

{simulated}

## On EWA and EWC

The textbook pair: daily closes of April 2006 to April 2012 (from `TANDEM_SHARED`/data/pairs, not
shipped), {more} variants, each order filled a day later, 2 bp a fill, B = 999.

{published}

{machine}; {seconds:.0f} s altogether, beside other work.
"""


def independent(rng: np.random.Generator) -> Floats:
    """Return the moves of two legs that have nothing to do with each other."""
    return rng.normal(size=(2, N_BARS))


def alike(rng: np.random.Generator) -> Floats:
    """Return moves with a correlation of 0.8."""
    shock = rng.normal(size=(2, N_BARS))
    shock[1] = 0.8 * shock[0] + 0.6 * shock[1]
    return shock


def fat(rng: np.random.Generator) -> Floats:
    """Return moves with a correlation of 0.8 and Student's t with 3 degrees of freedom."""
    shock = rng.standard_t(3, (2, N_BARS))
    shock[1] = 0.8 * shock[0] + 0.6 * shock[1]
    return shock


def clustered(rng: np.random.Generator) -> Floats:
    """Return moves with a correlation of 0.8 whose size follows a GARCH(1, 1) of each leg."""
    shock, variance = alike(rng), np.ones(2)
    for t in range(N_BARS):
        shock[:, t] *= np.sqrt(variance)
        variance = 0.05 + 0.1 * shock[:, t] ** 2 + 0.85 * variance
    return shock


NOISE: dict[str, Callable[[np.random.Generator], Floats]] = {
    "two independent random walks": independent,
    "random walks, returns correlated 0.8": alike,
    "the same, fat tails (t, 3 degrees)": fat,
    "the same, clustered volatility (GARCH)": clustered,
}


def walks(seed: int, moves: Callable[[np.random.Generator], Floats]) -> AlignedBars:
    """Return hourly bars of two walks with these moves, 1 % a bar."""
    path = np.cumsum(0.01 * moves(np.random.default_rng(seed)), axis=1)
    y, x = 100.0 * np.exp(path)
    return bars_of(y, x, HOUR_US)


def pulled(seed: int, half_life: float = 8.0) -> AlignedBars:
    """Return hourly bars of a pair whose log spread has this half-life, in bars."""
    rng, keep = np.random.default_rng(seed), 0.5 ** (1.0 / half_life)
    path = np.cumsum(0.01 * rng.normal(size=N_BARS))
    spread, shocks = np.zeros(N_BARS), 0.01 * rng.normal(size=N_BARS)
    for t in range(1, N_BARS):
        spread[t] = keep * spread[t - 1] + shocks[t]
    return bars_of(100.0 * np.exp(path + spread), 100.0 * np.exp(path), HOUR_US)


def bars_of(y: Floats, x: Floats, bar_us: int, y_open: Floats | None = None) -> AlignedBars:
    """Return bars that open where they last closed, or at their own close (one price a bar)."""
    opens = [np.concatenate((leg[:1], leg[:-1])) for leg in (y, x)]
    age, yes = np.zeros(len(y), np.int64), np.ones(len(y), np.bool_)
    times = 1_500_000_000_000_000 + np.arange(len(y)) * bar_us
    bars = AlignedBars(times, y, x, *opens, age, age, yes, ~yes)
    return bars if y_open is None else dataclasses.replace(bars, y_open=y_open, x_open=x)


def believed(made: Callable[[int], AlignedBars], null: Null, sets: int, surrogates: int) -> str:
    """Return a row's cells: share of p at or below 0.05 with its error, mean p, time."""
    start = time.perf_counter()
    found = np.array(
        [null_test(made(seed), GRID, null, surrogates).p_value for seed in range(sets)]
    )
    share, spent = float(np.mean(found <= 0.05)), time.perf_counter() - start
    error = math.sqrt(share * (1.0 - share) / sets)
    return (
        f"{100.0 * share:.1f} % \u00b1 {100.0 * error:.1f} | {np.mean(found):.3f} | {spent:.0f} s |"
    )


def noise_table(sets: int, surrogates: int) -> list[str]:
    """Return the lines on simulated pairs."""
    lines = ["| simulated pairs | null | p \u2264 0.05 | mean p | took |", "|---|---|---|---|---|"]
    for name, moves in NOISE.items():
        for null in NULLS if moves is independent else NULLS[:1]:
            cells = believed(lambda seed, m=moves: walks(seed, m), null, sets, surrogates)
            lines.append(f"| {name} | {null} | {cells}")
    for null in NULLS:
        cells = believed(pulled, null, sets, surrogates)
        lines.append(f"| **mean-reverting pair**, half-life 8 bars | {null} | {cells}")
    return lines


def published_table() -> list[str]:
    """Return the lines on EWA/EWC; a sentence where the prices are not there."""
    file = SHARED / "data" / "pairs" / "ewa_ewc_daily.csv"
    if not file.exists():
        return ["The prices of EWA and EWC were not there; set TANDEM_SHARED to their folder."]
    data = pd.read_csv(file)
    y, x = data.EWC.to_numpy(float), data.EWA.to_numpy(float)
    bars = bars_of(y, x, DAY_US, y)
    lines = [
        "| null | Sharpe | 95 % quantile of surrogates | p | took |",
        "|---|---|---|---|---|",
    ]
    for null in NULLS:
        start = time.perf_counter()
        found = null_test(bars, EWA_EWC, null, 999)
        spent, high = time.perf_counter() - start, float(np.quantile(found.surrogates, 0.95))
        lines.append(
            f"| {null} | {found.real:.3f} | {high:.3f} | {found.p_value:.3f} | {spent:.1f} s |"
        )
    walked = walk_forward(bars, EWA_EWC, 500, 125)
    lines += [
        "",
        f"Walk-forward over the same variants (500 days in-sample, 125 out-of-sample): Sharpe "
        f"{walked.fitted:.2f} in-sample, {walked.metrics.sharpe:.2f} out-of-sample.",
    ]
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--surrogates", type=int, default=99)
    options = parser.parse_args()
    begun = time.perf_counter()
    simulated = noise_table(options.sets, options.surrogates)
    published = published_table()
    page = PAGE.format(
        sets=options.sets,
        bars=N_BARS,
        variants=len(GRID.setups()),
        surrogates=options.surrogates,
        simulated="\n".join(simulated),
        more=len(EWA_EWC.setups()),
        published="\n".join(published),
        machine=describe("numpy", "numba"),
        seconds=time.perf_counter() - begun,
    )
    WRITTEN.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
