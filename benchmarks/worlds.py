"""Simulated pairs of prices: related or not, by kind of noise; the same for the same seed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]

INDEPENDENT, GARCH, FACTOR, BOUNCE = range(4)
KINDS = {
    "independent": INDEPENDENT,
    "GARCH": GARCH,
    "common factor": FACTOR,
    "bid-ask bounce": BOUNCE,
}
# GARCH: what news and the variance before add to a variance. Their sum of 0.99 is persistent.
NEWS, MEMORY = 0.10, 0.89
# Common factor: each leg's own shocks beside the shared ones, in standard deviations.
OWN_SHARE = 0.5
# Bounce: half the bid-ask spread in standard deviations of a bar's change.
HALF_SPREAD = 1.5
BETA = 0.6
PAIR_HALF_LIFE = 10.0
# The relation that breaks: its level jumps half-way by so many deviations of the spread.
JUMP = 5.0


@compiled
def _clustered(shocks: Floats) -> None:
    """Give unit normal shocks the variances of a GARCH(1, 1) of unconditional variance 1."""
    variance = 1.0
    for t in range(len(shocks)):
        shocks[t] *= math.sqrt(variance)
        variance = (1.0 - NEWS - MEMORY) + NEWS * shocks[t] ** 2 + MEMORY * variance


@compiled
def _shocks(kind: int, bars: int, seed: int) -> tuple[Floats, Floats]:
    np.random.seed(seed)
    a, b = np.random.normal(0.0, 1.0, bars), np.random.normal(0.0, 1.0, bars)
    if kind in (GARCH, FACTOR):
        _clustered(a)
        _clustered(b)
    if kind == FACTOR:
        common = np.random.normal(0.0, 1.0, bars)
        _clustered(common)
        a, b = OWN_SHARE * a + common, OWN_SHARE * b + common
    return a, b


@compiled
def _bounced(price: Floats, kind: int) -> Floats:
    """Let every trade be at bid or at ask, at random."""
    if kind == BOUNCE:
        for t in range(len(price)):
            price[t] += HALF_SPREAD if np.random.random() < 0.5 else -HALF_SPREAD
    return price


@compiled
def unrelated(kind: int, bars: int, seed: int) -> tuple[Floats, Floats]:
    """Return two random walks without a relation between their levels."""
    a, b = _shocks(kind, bars, seed)
    return _bounced(100.0 + np.cumsum(a), kind), _bounced(100.0 + np.cumsum(b), kind)


@compiled
def related(kind: int, bars: int, seed: int, half_life: float) -> tuple[Floats, Floats]:
    """Return y = 3 + 0.6 x + u, with x a random walk and u an autoregression of that half-life.

    With a common factor the shocks of u and of x share it.
    """
    a, b = _shocks(kind, bars, seed)
    root, x, level = 0.5 ** (1.0 / half_life), 100.0 + np.cumsum(b), 0.0
    y = np.empty(bars)
    for t in range(bars):
        level = root * level + a[t]
        y[t] = 3.0 + BETA * x[t] + level
    return _bounced(y, kind), _bounced(x, kind)


def broken(kind: int, bars: int, seed: int) -> tuple[Floats, Floats]:
    """Return a pair whose relation holds until its level jumps half-way."""
    y, x = sound(kind, bars, seed)
    y[bars // 2 :] += JUMP / math.sqrt(1.0 - 0.25 ** (1.0 / PAIR_HALF_LIFE))
    return y, x


def sound(kind: int, bars: int, seed: int) -> tuple[Floats, Floats]:
    """Return a pair whose relation holds, of a half-life of ten bars."""
    return related(kind, bars, seed, PAIR_HALF_LIFE)
