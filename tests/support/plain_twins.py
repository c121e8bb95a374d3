"""Plain Python twins of the compiled loops: slow, short, and meant to be read."""

from __future__ import annotations

import math

import numpy as np


def usable_windows(window, *columns):
    """Yield (bar, window's values...) for every usable bar that ends a full window."""
    kept = []
    for t in range(len(columns[0])):
        if all(math.isfinite(column[t]) for column in columns):
            kept.append([column[t] for column in columns])
            if len(kept) >= window:
                yield t, *np.array(kept[-window:]).T


def rolling_ols(y, x, window):
    alpha, beta = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for t, ys, xs in usable_windows(window, y, x):
        if np.all(xs == xs[0]):
            continue
        dx, dy = xs - xs.mean(), ys - ys.mean()
        beta[t] = (dx @ dy) / (dx @ dx)
        alpha[t] = ys.mean() - beta[t] * xs.mean()
    return alpha, beta


def huber_objective(y, x, alpha, beta, sigma, epsilon=1.35):
    r = np.abs(y - alpha - beta * x) / sigma
    loss = np.where(r < epsilon, r * r, 2 * epsilon * r - epsilon**2)
    return np.sum(sigma + sigma * loss)


def huber_profile(y, x, alpha, beta, epsilon=1.35):
    """Return the least objective over sigma, for a given line (convex in sigma)."""
    size = np.abs(y - alpha - beta * x)
    low, high = math.log(1e-14 * np.ptp(y)), math.log(2 * np.ptp(y) + size.max())
    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if huber_objective(y, x, alpha, beta, math.exp(a), epsilon) < huber_objective(
            y, x, alpha, beta, math.exp(b), epsilon
        ):
            high = b
        else:
            low = a
    return huber_objective(y, x, alpha, beta, math.exp(low), epsilon)


def huber(y, x, epsilon=1.35, steps=1_000):
    """Minimise by iterated reweighting alone, on scaled columns, until nothing moves."""
    my, sy, mx, sx = y.mean(), y.std(), x.mean(), x.std()
    v, u = (y - my) / sy, (x - mx) / sx
    a, b, sigma = 0.0, u @ v / (u @ u), 1.0
    for _ in range(steps):
        before = a, b, sigma
        size = np.abs(v - a - b * u)
        out = size > epsilon * sigma
        w = np.where(out, epsilon * sigma / np.maximum(size, 1e-300), 1.0)
        mu, mv = (w @ u) / w.sum(), (w @ v) / w.sum()
        b = (w * (u - mu)) @ (v - mv) / ((w * (u - mu)) @ (u - mu))
        a = mv - b * mu
        rest = len(v) + np.sum(epsilon * (size[out] / sigma - epsilon))
        sigma = math.sqrt((w @ (v - a - b * u) ** 2) / rest)
        if max(abs(p - q) for p, q in zip(before, (a, b, sigma), strict=True)) < 1e-15:
            break
    beta = b * sy / sx
    return my + a * sy - beta * mx, beta, sigma * sy


def kalman(y, x, process, noise, state, cov):
    """Textbook filter in raw units; `cov` is the covariance before the first bar."""
    state, cov = np.array(state, float), np.array(cov, float)
    rows = []
    for t in range(len(y)):
        if not (math.isfinite(y[t]) and math.isfinite(x[t])):
            rows.append([np.nan] * 4)
            continue
        h = np.array([1.0, x[t]])
        variance = h @ cov @ h + noise
        gain = cov @ h / variance
        innovation = y[t] - h @ state
        state = state + gain * innovation
        cov = (np.eye(2) - np.outer(gain, h)) @ cov + process
        rows.append([state[0], state[1], innovation, variance])
    return np.array(rows).T


def rolling_z(values, window, kind, lag):
    """Return z, mean, deviation."""
    z, mean, deviation = (np.full(len(values), np.nan) for _ in range(3))
    kept = []
    for t, value in enumerate(values):
        if not math.isfinite(value):
            continue
        past = [*kept, value] if lag == 0 else kept
        kept = [*kept, value]
        if len(past) < window:
            continue
        mean[t], deviation[t] = _LOCATE[kind](np.array(past), window)
        if deviation[t] > 0:
            z[t] = (value - mean[t]) / deviation[t]
    return z, mean, deviation


def _plain(past, window):
    part = past[-window:]
    return part.mean(), (0.0 if np.all(part == part[0]) else part.std(ddof=1))


def _exponential(past, window):
    w = (1 - 2 / (window + 1)) ** np.arange(len(past))[::-1]
    mean = w @ past / w.sum()
    bias = w.sum() ** 2 / (w.sum() ** 2 - w @ w)
    return mean, math.sqrt(bias * (w @ (past - mean) ** 2) / w.sum())


def _robust(past, window):
    part = past[-window:]
    middle = np.median(part)
    return middle, 1.482602218505602 * np.median(np.abs(part - middle))


_LOCATE = {"rolling": _plain, "ewm": _exponential, "robust": _robust}


def slope(price, window):
    out = np.full(len(price), np.nan)
    for t, part in usable_windows(window, price):
        i = np.arange(window) - (window - 1) / 2
        out[t] = i @ part / (i @ i)
    return out


def dickey_fuller(series, lags, trend, most=None):
    """Return coefficient, error, residual sum of squares; rows start at `most` lags."""
    most = lags if most is None else most
    change = np.diff(series)
    rows = range(most, len(change))
    design, target = [], []
    for t in rows:
        row = [series[t]] + [change[t - k] for k in range(1, lags + 1)]
        row += {"n": [], "c": [1.0], "ct": [1.0, t - len(change) / 2]}[trend]
        design.append(row)
        target.append(change[t])
    design, target = np.array(design), np.array(target)
    weights, *_ = np.linalg.lstsq(design, target, rcond=None)
    rss = np.sum((target - design @ weights) ** 2)
    inverse = np.linalg.inv(design.T @ design)
    error = math.sqrt(rss / (len(target) - design.shape[1]) * inverse[0, 0])
    return weights[0], error, rss


def roots_inside(coefficient, damping, error, rows, table):
    """Return how far below 1 the largest root inside, the smallest and the median's lie."""
    decay = np.concatenate(([0.0], np.geomspace(1e-6, rows, 10_000)))
    distance = decay / rows
    t = (coefficient + distance * damping) / error
    low, middle, high = (np.interp(np.sqrt(decay), table[:, 0], q) for q in table.T[1:])
    inside = np.flatnonzero((t >= low) & (t <= high))
    if len(inside):
        longest, shortest = distance[inside[0]], distance[inside[-1]]
    else:
        longest = shortest = 0.0 if t[0] > high[0] else 1.0
    above = np.flatnonzero(t >= middle)
    return longest, shortest, distance[above[0]] if len(above) else 1.0
