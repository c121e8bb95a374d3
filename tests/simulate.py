"""The simulations behind the tables in `analytics`.

`python tests/simulate.py roots` prints those of `analytics/near_unit_root.py` (half a minute),
`python tests/simulate.py surfaces` those of `analytics/finite_sample.py` (ten minutes),
`python tests/simulate.py cusum` those of `analytics/drift.py`,
`python tests/simulate.py johansen` those of `analytics/system.py` (five minutes).
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


PROBABILITIES = (
    1e-4, 2e-4, 5e-4, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1,
    0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999,
)  # fmt: skip
LENGTHS = (25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000, 2000)
TERMS = {"n": 0, "c": 1, "ct": 2}


@njit
def _detrend(values, terms):
    """Take out, in place, the mean (1) and a straight line (2)."""
    if terms >= 1:
        values -= values.mean()
    if terms == 2:
        middle = (len(values) - 1) / 2.0
        slope = weight = 0.0
        for t in range(len(values)):
            slope += (t - middle) * values[t]
            weight += (t - middle) ** 2
        for t in range(len(values)):
            values[t] -= slope / weight * (t - middle)


@njit
def null_statistics(bars, terms, legs, repeats, seed):
    """Return Dickey-Fuller's t, no lags, for one walk or for one regressed on another."""
    np.random.seed(seed)
    found = np.empty(repeats)
    y, x = np.empty(bars), np.empty(bars)
    for i in range(repeats):
        a = b = 0.0
        for t in range(bars):
            a += np.random.normal()
            y[t] = a
            if legs == 2:
                b += np.random.normal()
                x[t] = b
        if legs == 2:
            _detrend(y, terms)
            _detrend(x, terms)
            y -= (x * y).sum() / (x * x).sum() * x
        before, change = y[:-1].copy(), y[1:] - y[:-1]
        freedom = bars - 2
        if legs == 1:
            _detrend(before, terms)
            _detrend(change, terms)
            freedom -= terms
        sll, sld, sdd = (before**2).sum(), (before * change).sum(), (change**2).sum()
        found[i] = sld / np.sqrt((sdd - sld * sld / sll) / freedom * sll)
    return found


def surface(trend, legs, scale, seed=1):
    """Return, for each probability, the quantile's polynomial in 1 / bars (MacKinnon's form)."""
    rows, weights = [], []
    for bars in LENGTHS:
        repeats = int(scale * min(1_000_000, 500_000_000 // bars))
        found = null_statistics(bars, TERMS[trend], legs, repeats, seed + bars)
        rows.append(np.quantile(found, PROBABILITIES))
        weights.append(np.sqrt(repeats))
    powers = (1.0 / np.array(LENGTHS)[:, None]) ** np.arange(4)
    weights = np.array(weights)[:, None]
    return np.linalg.lstsq(weights * powers, weights * np.array(rows), rcond=None)[0].T


@njit
def cusum_statistics(bars, repeats, seed):
    """Return the largest |partial sum| of residuals of noise on a constant and a walk."""
    np.random.seed(seed)
    found = np.empty(repeats)
    u, x = np.empty(bars), np.empty(bars)
    for i in range(repeats):
        walk = 0.0
        for t in range(bars):
            u[t] = np.random.normal()
            walk += np.random.normal()
            x[t] = walk
        _detrend(u, 1)
        _detrend(x, 1)
        u -= (x * u).sum() / (x * x).sum() * x
        found[i] = np.abs(np.cumsum(u)).max() / np.sqrt(bars)
    return found


def johansen_statistics(prices, bars, repeats, seed):
    """Return trace and largest eigenvalue by repeat, in the limit, of so many unrelated walks.

    The walks have no drift and the model a constant: ``sum dB F' (sum F F')^-1 sum F dB'`` with B
    the walks and F the walks less their means.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(0, repeats, 100):
        step = rng.normal(size=(100, bars, prices))
        walk = np.cumsum(step, axis=1) - step
        walk -= walk.mean(axis=1, keepdims=True)
        back = walk.transpose(0, 2, 1)
        cross = back @ step
        found.append(
            np.linalg.eigvalsh(cross.transpose(0, 2, 1) @ np.linalg.solve(back @ walk, cross))
        )
    eigenvalues = np.concatenate(found)
    return eigenvalues.sum(axis=1), eigenvalues[:, -1]


def print_roots():
    for name, rows in zip(("OBSERVED", "ESTIMATED"), table(), strict=True):
        sys.stdout.write(f"{name}\n")
        for decay, row in zip(DECAYS, rows, strict=True):
            sys.stdout.write(f"    ({decay:g}, {row[0]:.3f}, {row[1]:.3f}, {row[2]:.3f}),\n")


def print_surfaces():
    for legs in (1, 2):
        for trend in TERMS:
            sys.stdout.write(f'    ("{trend}", {legs}): (\n')
            # A repeat with two walks takes longer.
            for row in surface(trend, legs, 1.0 / legs**1.5):
                sys.stdout.write(f"        ({', '.join(f'{b:.4f}' for b in row)}),\n")
            sys.stdout.write("    ),\n")


def print_cusum():
    found = np.quantile(cusum_statistics(2_000, 100_000, 1), [0.90, 0.95, 0.99])
    sys.stdout.write(f"{found.round(3)}\n")


def print_johansen():
    rows = [johansen_statistics(prices, 1_000, 100_000, prices) for prices in range(1, 13)]
    for name, place in (("TRACE", 0), ("MAX_EIGENVALUE", 1)):
        sys.stdout.write(f"{name} = (\n")
        for row in rows:
            values = ", ".join(f"{v:.2f}" for v in np.quantile(row[place], [0.90, 0.95, 0.99]))
            sys.stdout.write(f"    ({values}),\n")
        sys.stdout.write(")\n")


if __name__ == "__main__":
    {
        "cusum": print_cusum,
        "johansen": print_johansen,
        "roots": print_roots,
        "surfaces": print_surfaces,
    }[sys.argv[1]]()
