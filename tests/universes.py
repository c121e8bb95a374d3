"""Universes of prices: some pairs related, the rest driven by common factors; seeded."""

from __future__ import annotations

import numpy as np
import pandas as pd


def market_like(
    instruments: int, bars: int, seed: int = 0, related: int = 0, half_life: float = 20.0
) -> pd.DataFrame:
    """Return prices with clustered volatility, three common factors and ticks.

    The first `related` pairs (columns 0 and 1, 2 and 3, ...) hold together with a spread of that
    half-life; no other two instruments do.
    """
    rng = np.random.default_rng(seed)
    turmoil = 0.5 * np.repeat(rng.standard_normal(-(-bars // 50)), 50)[:bars]
    factors = rng.standard_normal((bars, 3)) * np.exp(turmoil)[:, None]
    returns = factors @ rng.normal(0.0, 0.6, (3, instruments))
    returns += rng.standard_t(5, (bars, instruments)) * rng.uniform(0.5, 2.0, instruments)
    logs = rng.uniform(-2.0, 8.0, instruments) + np.cumsum(5e-4 * returns, axis=0)
    root = 0.5 ** (1.0 / half_life)
    for pair in range(related):
        spread = np.zeros(bars)
        shocks = 5e-4 * rng.standard_normal(bars)
        for t in range(1, bars):
            spread[t] = root * spread[t - 1] + shocks[t]
        logs[:, 2 * pair + 1] = 0.3 + rng.uniform(0.5, 1.5) * logs[:, 2 * pair] + spread
    prices = np.exp(logs)
    # Five digits, as venues quote them.
    tick = 10.0 ** (np.floor(np.log10(prices[0])) - 4)
    prices = np.maximum(np.round(prices / tick), 1.0) * tick
    names = [f"C{place:04d}" for place in range(instruments)]
    times = pd.date_range("2026-03-01", periods=bars, freq="1min", tz="UTC")
    return pd.DataFrame(prices, index=times, columns=names)
