"""Two related prices and the three models, for the tests of the mathematics."""

from __future__ import annotations

import numpy as np

from tandem import analytics

BATCH = {
    "ols": lambda y, x: analytics.rolling_ols(y, x, 30),
    "huber": lambda y, x: analytics.rolling_huber(y, x, 30),
    "kalman": lambda y, x: analytics.kalman(y, x, 30),
}
KINDS = ("rolling", "ewm", "robust")


def pair(seed, bars=400, base=60_000.0, step=1.0):
    rng = np.random.default_rng(seed)
    x = base + step * np.cumsum(rng.normal(size=bars))
    return 2.0 + 0.05 * x + step * rng.standard_t(3, bars), x


def wandering(seed, bars=600):
    rng = np.random.default_rng(seed)
    x = 60_000.0 + np.cumsum(rng.normal(size=bars))
    level = 3_000.0 + np.cumsum(rng.normal(scale=0.05, size=bars))
    beta = 0.5 + np.cumsum(rng.normal(scale=0.004, size=bars))
    return level + beta * (x - x.mean()) + rng.normal(scale=0.5, size=bars), x
