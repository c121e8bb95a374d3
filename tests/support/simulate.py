"""The simulations behind the tables in `analytics`.

``python -m tests.support.simulate TABLE`` prints those of one module:

roots : `tandem/analytics/critical_values.py` (half a minute)
surfaces : the quantiles in `tandem/analytics/finite_sample.csv` (ten minutes)
searches : the last four columns there (ten minutes)
cusum : `tandem/analytics/drift.py` (three minutes)
johansen : `tandem/analytics/system.py` (five minutes)
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import worlds
from tandem import analytics
from tandem.analytics.finite_sample import shortness
from tandem.kernels import adf
from tandem.kernels.adf import lag_sums, level_statistic
from tandem.kernels.compiled import compiled, compiled_over

DECAYS = (
    0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 40.0, 50.0,
    65.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0,
)  # fmt: skip
QUANTILES = (0.025, 0.5, 0.975)


@compiled
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


@compiled
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


@compiled
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


# Up to longer ones: a search among many lags costs more than shortness does.
SEARCHED_LENGTHS = (25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000, 2000, 5000)


@compiled
def two_walks(bars, seed):
    """Return the first pair that `searched_statistics` draws."""
    np.random.seed(seed)
    steps = np.random.normal(0.0, 1.0, (bars, 2))
    return np.cumsum(steps[:, 0]), np.cumsum(steps[:, 1])


@compiled_over(adf)
def searched_statistics(bars, terms, legs, repeats, seed):
    """Return Dickey-Fuller's t with no lags, and with as many as AIC chooses, of the same walks."""
    np.random.seed(seed)
    found = np.empty((2, repeats))
    y, x, answer = np.empty(bars), np.empty(bars), np.empty(3)
    inside = terms if legs == 1 else 0
    most = int(min(np.ceil(12.0 * (bars / 100.0) ** 0.25), bars // 2 - inside - 1))
    rows = bars - 1
    both = np.ones((2, rows))
    both[1] = (np.arange(rows) - (rows - 1) / 2.0) / rows
    deterministic, sums = both[:inside].copy(), np.empty(most + 1)
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
        elif terms:
            y -= y.mean()
        before, change = y[:-1].copy(), y[1:] - y[:-1]
        lag_sums(before, change, deterministic, most, sums)
        cost = (rows - most) * np.log(sums) + 2.0 * np.arange(most + 1)
        level_statistic(before, change, deterministic, 0, answer)
        found[0, i] = answer[0] / answer[1]
        level_statistic(before, change, deterministic, np.argmin(cost), answer)
        found[1, i] = answer[0] / answer[1]
    return found


def search(trend, legs, scale, seed=1):
    """Return, for each probability, what AIC's search adds to the quantile, by `shortness`.

    Of the same walks, so that most of the luck is in both.
    """
    rows, weights = [], []
    for bars in SEARCHED_LENGTHS:
        repeats = int(scale * min(1_000_000, 60_000_000 // bars))
        plain, found = searched_statistics(bars, TERMS[trend], legs, repeats, seed + bars)
        rows.append(np.quantile(found, PROBABILITIES) - np.quantile(plain, PROBABILITIES))
        weights.append(np.sqrt(repeats))
    inside = TERMS[trend] if legs == 1 else 0
    columns = np.array([shortness(bars, inside) for bars in SEARCHED_LENGTHS])
    weights = np.array(weights)[:, None]
    return np.linalg.lstsq(weights * columns, weights * np.array(rows), rcond=None)[0].T


CUSUM_DECAYS = (15.0, 20.0, 25.0, 32.0, 40.0, 50.0, 65.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0)
CUSUM_QUANTILES = (0.99, 0.95, 0.90)


@compiled
def cusum_statistics(bars, decays, repeats, seed):
    """Return the largest |partial sum| by (repeat, decay), of a residual that was stationary.

    An autoregression with root ``1 - decay / bars``, regressed on a constant and a walk; the sums
    over its long-run deviation and the root of `bars`. A decay of `bars` is noise without memory.
    """
    np.random.seed(seed)
    found = np.empty((repeats, len(decays)))
    shocks, u, x = np.empty(bars), np.empty(bars), np.empty(bars)
    for i in range(repeats):
        walk, start = 0.0, np.random.normal()
        for t in range(bars):
            shocks[t] = np.random.normal()
            walk += np.random.normal()
            x[t] = walk
        x -= x.mean()
        for k in range(len(decays)):
            pull = decays[k] / bars
            level = start / np.sqrt(1.0 - (1.0 - pull) ** 2)
            for t in range(bars):
                level = (1.0 - pull) * level + shocks[t]
                u[t] = level
            u -= u.mean()
            u -= (x * u).sum() / (x * x).sum() * x
            found[i, k] = np.abs(np.cumsum(u)).max() * pull / np.sqrt(bars)
    return found


def cusum_table(repeats=100_000, seed=1):
    """Return the quantiles by decay; the last row is for an endless one."""
    decays = np.array([*CUSUM_DECAYS, 2_000.0])
    return np.quantile(cusum_statistics(2_000, decays, repeats, seed), CUSUM_QUANTILES, axis=0).T


def cusum_excess(bars, half_life, repeats, seed=0):
    """Return CUSUM's statistic over its own 5 % limit, for pairs that hold."""
    found = []
    for i in range(seed, seed + repeats):
        test = analytics.cusum(*worlds.related(worlds.INDEPENDENT, bars, i, half_life))
        found.append(test.statistic / test.critical_values["5%"])
    return np.array(found)


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


def print_searches():
    for legs in (1, 2):
        for trend in TERMS:
            sys.stdout.write(f'    ("{trend}", {legs}): (\n')
            for row in search(trend, legs, 1.0):
                sys.stdout.write(f"        ({', '.join(f'{b:.3f}' for b in row)}),\n")
            sys.stdout.write("    ),\n")


def print_cusum():
    for decay, row in zip((*CUSUM_DECAYS, np.inf), cusum_table(), strict=True):
        sys.stdout.write(f"    ({decay:g}, {row[0]:.3f}, {row[1]:.3f}, {row[2]:.3f}),\n")
    # What the limits were already raised by is in them: fitted where it leaves 1.
    for bars in (50, 70, 100, 150, 250, 500):
        over = np.quantile(cusum_excess(bars, 2.0, 3_000), 0.95)
        sys.stdout.write(f"{bars} bars: 5 % limit, as it stands, times {over:.3f}\n")


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
        "searches": print_searches,
        "surfaces": print_surfaces,
    }[sys.argv[1]]()
