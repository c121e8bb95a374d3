"""Simulated universes of prices with known pairs, by kind of noise; the same for the same seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

KINDS = ("independent", "GARCH", "common factors, GARCH", "bid-ask bounce")
# GARCH: what news and the variance before add to a variance.
NEWS, MEMORY = 0.10, 0.89
# Deviation of a bar's return.
RETURN = 1e-3
# Half of the bid-ask spread in deviations of a bar's return.
HALF_SPREAD = 0.5


def universe(
    kind: str, instruments: int, bars: int, seed: int, related: int = 0, half_life: float = 15.0
) -> pd.DataFrame:
    """Return prices of which the first `related` pairs (columns 0 and 1, 2 and 3, ...) hold.

    y = 0.3 + b x + u in logs, with u an autoregression of that half-life and b between 0.5 and
    1.5. No other two instruments are related; with common factors all move together.
    """
    rng = np.random.default_rng((KINDS.index(kind), instruments, bars, seed))
    shocks = rng.standard_normal((bars, instruments))
    if kind in ("GARCH", "common factors, GARCH"):
        shocks = _clustered(shocks)
    pulls = shocks[:, 1 : 2 * related : 2].copy()
    if kind == "common factors, GARCH":
        factors = _clustered(rng.standard_normal((bars, 3)))
        shocks = 0.7 * shocks + factors @ rng.normal(0.0, 0.6, (3, instruments))
    logs = rng.uniform(-2.0, 8.0, instruments) + RETURN * np.cumsum(shocks, axis=0)
    root, level = 0.5 ** (1.0 / half_life), np.zeros(related)
    slopes = rng.uniform(0.5, 1.5, related)
    for bar in range(bars if related else 0):
        level = root * level + RETURN * pulls[bar]
        logs[bar, 1 : 2 * related : 2] = 0.3 + slopes * logs[bar, : 2 * related : 2] + level
    if kind == "bid-ask bounce":
        logs += HALF_SPREAD * RETURN * rng.choice((-1.0, 1.0), logs.shape)
    return _table(np.exp(logs))


def market_like(
    instruments: int, bars: int, seed: int = 0, related: int = 0, half_life: float = 20.0
) -> pd.DataFrame:
    """Return prices as a venue's: factors, clustered and fat-tailed returns, five digits."""
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
    tick = 10.0 ** (np.floor(np.log10(prices[0])) - 4)
    return _table(np.maximum(np.round(prices / tick), 1.0) * tick)


def _clustered(shocks: Floats) -> Floats:
    """Give unit normal shocks the variances of a GARCH(1, 1) of unconditional variance 1."""
    out, variance = np.empty_like(shocks), np.ones(shocks.shape[1])
    for bar, news in enumerate(shocks):
        out[bar] = np.sqrt(variance) * news
        variance = (1.0 - NEWS - MEMORY) + NEWS * out[bar] ** 2 + MEMORY * variance
    return out


def _table(prices: Floats) -> pd.DataFrame:
    names = [f"C{place:04d}" for place in range(prices.shape[1])]
    times = pd.date_range("2026-03-01", periods=len(prices), freq="1min", tz="UTC")
    return pd.DataFrame(prices, index=times, columns=names)
