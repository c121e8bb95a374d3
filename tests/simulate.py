"""Simulations the tests share: noise of several kinds, and the table of the half-life interval.

`python tests/simulate.py` prints the table in `analytics/near_unit_root.py` anew (two minutes).
"""

from __future__ import annotations

import sys

import numpy as np
from numba import njit

DECAYS = (
    0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 40.0, 50.0,
    65.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0,
)  # fmt: skip
QUANTILES = (0.025, 0.5, 0.975)


@njit
def root_statistics(bars, decays, repeats, seed):
    """Return t of the true root, by (repeat, decay), for an observed and for an estimated spread.

    The spread is an autoregression with root ``1 - decay / bars`` that starts at 0. Observed: its
    change is regressed on a constant and its level. Estimated: the spread is first regressed on a
    constant and an independent random walk, and the residual's change on its level alone.
    """
    np.random.seed(seed)
    observed = np.empty((repeats, len(decays)))
    estimated = np.empty((repeats, len(decays)))
    shocks, x, u = np.empty(bars), np.empty(bars), np.empty(bars)
    for i in range(repeats):
        walk = 0.0
        for t in range(bars):
            shocks[t] = np.random.normal()
            walk += np.random.normal()
            x[t] = walk
        x -= x.mean()
        sxx = (x * x).sum()
        for k in range(len(decays)):
            step = -decays[k] / bars
            level = 0.0
            for t in range(bars):
                level += step * level + shocks[t]
                u[t] = level
            m0 = u[:-1].mean()
            md = (u[-1] - u[0]) / (bars - 1)
            sll = sld = sdd = 0.0
            for t in range(1, bars):
                before, change = u[t - 1] - m0, u[t] - u[t - 1] - md
                sll += before * before
                sld += before * change
                sdd += change * change
            rss = sdd - sld * sld / sll
            observed[i, k] = (sld / sll - step) / np.sqrt(rss / (bars - 3) / sll)
            u -= u.mean()
            b = (x * u).sum() / sxx
            sll = sld = sdd = 0.0
            for t in range(1, bars):
                before = u[t - 1] - b * x[t - 1]
                change = u[t] - b * x[t] - before
                sll += before * before
                sld += before * change
                sdd += change * change
            rss = sdd - sld * sld / sll
            estimated[i, k] = (sld / sll - step) / np.sqrt(rss / (bars - 2) / sll)
    return observed, estimated


def table(bars=1000, repeats=100_000, seed=1):
    """Return quantiles by decay, for an observed and for an estimated spread."""
    both = root_statistics(bars, np.array(DECAYS), repeats, seed)
    return [np.quantile(part, QUANTILES, axis=0).T for part in both]


if __name__ == "__main__":
    for name, rows in zip(("OBSERVED", "ESTIMATED"), table(), strict=True):
        sys.stdout.write(f"{name}\n")
        for decay, row in zip(DECAYS, rows, strict=True):
            sys.stdout.write(f"    ({decay:g}, {row[0]:.3f}, {row[1]:.3f}, {row[2]:.3f}),\n")
