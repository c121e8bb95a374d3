"""Made pairs for tests: prices whose relation is known, on a clock grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.core.bars import AlignedBars
from tandem.core.clock import SECOND_US

START_US = 1_780_000_000 * SECOND_US


def cointegrated(
    n_bars: int, seed: int = 0, beta: float = 0.05, half_life: float = 10.0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return y and x with y = 100 + beta x + an autoregression of known half-life."""
    random = np.random.default_rng(seed)
    x = 60_000.0 + np.cumsum(random.normal(0.0, 20.0, n_bars))
    decay = 0.5 ** (1.0 / half_life)
    noise = random.normal(0.0, 1.0, n_bars)
    spread = np.zeros(n_bars)
    for bar in range(1, n_bars):
        spread[bar] = decay * spread[bar - 1] + noise[bar]
    return 100.0 + beta * x + spread, x


def aligned(
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    bar_us: int = 5 * SECOND_US,
    usable: npt.NDArray[np.bool_] | None = None,
) -> AlignedBars:
    """Return bars that open where the last one closed."""
    n_bars = len(y)
    if usable is None:
        usable = np.ones(n_bars, bool)
    age = np.where(usable, 100_000, 60 * SECOND_US)
    return AlignedBars(
        time_us=START_US + np.arange(n_bars) * bar_us,
        y=y,
        x=x,
        y_open=np.concatenate((y[:1], y[:-1])),
        x_open=np.concatenate((x[:1], x[:-1])),
        y_age_us=age,
        x_age_us=age.copy(),
        usable=usable,
        candles=np.zeros(n_bars, bool),
    )


def part(bars: AlignedBars, start: int, stop: int) -> AlignedBars:
    """Return some of the bars."""
    return AlignedBars(*(getattr(bars, name)[start:stop] for name in AlignedBars.__slots__))
