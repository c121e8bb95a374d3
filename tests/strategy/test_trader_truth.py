"""Truth by simulation: on independent walks an honest backtest earns nothing before costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem.strategy.rules import Costs, Rules
from tandem.strategy.trader import BarsIn, Trader

WINDOW = 50


def rolling_hedge(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and beta of every window, plainly."""
    y_rows, x_rows = pd.Series(y).rolling(WINDOW), pd.Series(x).rolling(WINDOW)
    beta = (y_rows.cov(pd.Series(x)) / x_rows.var()).to_numpy()
    return y_rows.mean().to_numpy() - beta * x_rows.mean().to_numpy(), beta


def independent_walks(seed: int, n_bars: int) -> tuple[BarsIn, np.ndarray]:
    """Two unrelated walks traded on the z of their rolling spread; and the naive profit.

    The naive profit is pitfall 1: position times the change of a spread re-estimated every bar.
    """
    rng = np.random.default_rng(seed)
    y, x = 1_000.0 + np.cumsum(rng.normal(size=(2, n_bars)), axis=1)
    alpha, beta = rolling_hedge(y, x)
    known_alpha, known_beta = np.roll(alpha, 1), np.roll(beta, 1)
    known_alpha[0] = known_beta[0] = np.nan
    spread = pd.Series(y - known_alpha - known_beta * x)
    past = spread.shift(1).rolling(WINDOW)
    z = ((spread - past.mean()) / past.std()).to_numpy()
    # A walk's open is its last close: the fill at the next bar sees no step it could have known.
    y_open, x_open = np.roll(y, 1), np.roll(x, 1)
    y_open[0], x_open[0] = y[0], x[0]
    times = np.arange(n_bars, dtype=np.int64)
    bars = BarsIn(times, y, x, y_open, x_open, z, known_beta, np.ones(n_bars, bool))
    textbook = y - alpha - beta * x
    return bars, np.diff(textbook, prepend=np.nan)


def profits(n_paths: int, n_bars: int, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    honest, naive = np.empty(n_paths), np.empty(n_paths)
    for seed in range(n_paths):
        bars, change = independent_walks(seed, n_bars)
        done = Trader(rules, Costs(fee_bp=0.0)).extend(bars)
        honest[seed] = done.equity[-1]
        naive[seed] = np.nansum(done.position * change)
    return honest, naive


def assert_zero_mean(values: np.ndarray) -> None:
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean()) < 3.0 * error, f"{values.mean():g} with a standard error of {error:g}"


def test_pitfall_1_noise_earns_nothing_where_the_spread_claims_it_does():
    honest, naive = profits(150, 1_500, Rules())
    assert_zero_mean(honest)
    assert 0.35 < (honest > 0).mean() < 0.65
    assert (naive > 0).mean() > 0.95, "the mistake this test exists for has become invisible"


@pytest.mark.slow
@pytest.mark.parametrize("sizing", ["hedge", "dollar", "unit"])
@pytest.mark.parametrize("stop", [3.0, np.inf])
def test_noise_earns_nothing_under_any_rule(sizing, stop):
    honest, _ = profits(1_500, 2_000, Rules(sizing=sizing, stop=stop, time_stop_bars=40))
    assert_zero_mean(honest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [{"rehedge_bars": 5}, {"rehedge_percent": 10.0}, {"cool_down_bars": 20}, {"fill_at": "close"}],
)
def test_noise_earns_nothing_however_it_is_held(more):
    honest, _ = profits(1_500, 2_000, Rules(time_stop_bars=40, **more))
    assert_zero_mean(honest)
