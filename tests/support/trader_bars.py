"""Bars with a z of their own, for the tests of the trader."""

from __future__ import annotations

import dataclasses

import numpy as np

from tandem.strategy.rules import Costs
from tandem.strategy.trader import EVENTS, BarsIn

COSTS = Costs(fee_bp=5.0, y_half_spread_bp=1.0, x_half_spread_bp=3.0, slippage_bp=0.5)
FREE = Costs(fee_bp=0.0)


def random_bars(seed: int, n_bars: int, *, z=None, holes: float = 0.2, funding: bool = True):
    """Two independent walks with holes, stale bars and a z of its own."""
    rng = np.random.default_rng(seed)
    y = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    x = 40.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    if z is None:
        z = 1.6 * rng.normal(size=n_bars)
        z[rng.random(n_bars) < holes / 4] = np.nan
    return BarsIn(
        time_us=np.arange(n_bars, dtype=np.int64) * 5_000_000,
        y=y,
        x=x,
        y_open=np.where(rng.random(n_bars) < holes, np.nan, y * np.exp(rng.normal(0, 0.002))),
        x_open=np.where(rng.random(n_bars) < holes, np.nan, x * np.exp(rng.normal(0, 0.002))),
        z=np.asarray(z, float),
        beta=rng.normal(1.5, 1.0, n_bars),
        usable=rng.random(n_bars) >= holes / 2,
        funding_y=rng.normal(0, 1e-4, n_bars) if funding else None,
        funding_x=rng.normal(0, 1e-4, n_bars) if funding else None,
    )


def cut(bars: BarsIn, start: int, stop: int) -> BarsIn:
    values = {f.name: getattr(bars, f.name) for f in dataclasses.fields(bars)}
    return BarsIn(**{k: None if v is None else v[start:stop] for k, v in values.items()})


def plain_bars(z, y=None, x=None, beta=2.0, **more) -> BarsIn:
    """Bars where both legs trade every second and the open is the last close."""
    n_bars = len(z)
    y = np.full(n_bars, 100.0) if y is None else np.asarray(y, float)
    x = np.full(n_bars, 50.0) if x is None else np.asarray(x, float)
    columns = {
        "time_us": np.arange(n_bars, dtype=np.int64) * 1_000_000,
        "y": y,
        "x": x,
        "y_open": np.concatenate((y[:1], y[:-1])),
        "x_open": np.concatenate((x[:1], x[:-1])),
        "z": np.asarray(z, float),
        "beta": np.full(n_bars, beta),
        "usable": np.ones(n_bars, bool),
    }
    return BarsIn(**columns | more)


def events(done) -> list[tuple[int, str]]:
    return [(t, EVENTS[code]) for t, code in enumerate(done.event) if code]
