"""Could the best of so many tries be luck? Sharpe ratios with what they are worth.

Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012) and The Deflated Sharpe Ratio
(2014). All ratios here are per period, not annualised, unless it says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from tandem.backtest.metrics import Metrics, sharpe_error
from tandem.backtest.trials import Ledger, Trial

Floats = npt.NDArray[np.float64]

# Draws from which the expected best of correlated trials is computed, and how many at once.
DRAWS, AT_ONCE = 4_000, 250


def probabilistic_sharpe(
    period_sharpe: float, benchmark: float, skew: float, kurtosis: float, count: int
) -> float:
    """Return the probability that the true Sharpe ratio is above `benchmark`.

    Parameters
    ----------
    period_sharpe, benchmark : float
        Per period.
    skew, kurtosis : float
        Of the returns; 0 and 3 for normal ones.
    count : int
        Number of returns.
    """
    error = sharpe_error(period_sharpe, skew, kurtosis, count)
    if not error > 0.0:
        return math.nan
    return float(ndtr((period_sharpe - benchmark) / error))


def expected_best(trials: float) -> float:
    """Return the expected largest of so many independent standard normal numbers.

    ``(1 - g) q(1 - 1 / N) + g q(1 - 1 / (N e))``, g Euler's constant and q the normal quantile; 0
    for one trial, and on the straight line to the value of two in between.

    Examples
    --------
    >>> round(expected_best(100), 3)
    2.531
    """
    if trials <= 1.0:
        return 0.0
    if trials < 2.0:
        return (trials - 1.0) * expected_best(2.0)
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * math.e))
    return float((1.0 - np.euler_gamma) * first + np.euler_gamma * second)


def effective_trials(sketches: Floats, seed: int = 0) -> float:
    """Return how many independent trials would have as lucky a best as these correlated ones.

    The best of N alike trials is less lucky than the best of N different ones. Sharpe ratios of
    trials without any skill are drawn with the correlations that the sketches have; the answer is
    the N for which `expected_best` is the mean of their largest.

    Parameters
    ----------
    sketches : ndarray of shape (n_trials, n_pieces)
        What each trial earned in each piece of the data. A trial that never traded is none.
    """
    away = sketches - sketches.mean(axis=1, keepdims=True)
    length = np.sqrt((away * away).sum(axis=1))
    shape = away[length > 0.0] / length[length > 0.0, None]
    if len(shape) < 2:
        return float(len(shape))
    random = np.random.default_rng(seed)
    total = 0.0
    for _ in range(DRAWS // AT_ONCE):
        total += float((shape @ random.normal(size=(shape.shape[1], AT_ONCE))).max(axis=0).sum())
    return _trials_with(total / DRAWS, len(shape))


def _trials_with(best: float, most: int) -> float:
    """Return the N at which `expected_best` is `best`."""
    low, high = 1.0, float(most)
    if best >= expected_best(high):
        return high
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if expected_best(middle) < best else (low, middle)
    return low


@dataclass(frozen=True, slots=True)
class Luck:
    """What a Sharpe ratio is worth after all that was tried.

    Attributes
    ----------
    sharpe, error : float
        Annualised, with its standard error.
    above_zero : float
        Probabilistic Sharpe ratio: probability that the true ratio is above 0, had this been the
        only variant.
    trials : int
        Variants in the ledger.
    effective : float
        Independent trials they are worth.
    expected_best : float
        Expected maximum annualised Sharpe ratio of as many zero-skill trials.
    deflated : float
        Deflated Sharpe ratio: probability that the true ratio exceeds that maximum.
    periods : int
        Number of returns.
    """

    sharpe: float
    error: float
    above_zero: float
    trials: int
    effective: float
    expected_best: float
    deflated: float
    periods: int


def judge(measured: Metrics, ledger: Ledger) -> Luck:
    """Judge one backtest by all that were tried on its data set.

    The spread of worthless trials' Sharpe ratios is taken as the larger of the spread found among
    the trials and that of pure chance, ``1 / (returns - 1)``.
    """
    known = [one for one in ledger.trials if np.isfinite(one.sharpe)]
    effective = _effective(known, ledger)
    chance = 1.0 / (measured.periods - 1) if measured.periods > 1 else math.nan
    found = [one.sharpe for one in known]
    root = math.sqrt(measured.per_year) if measured.per_year > 0.0 else math.nan
    among = float(np.var(found, ddof=1)) / measured.per_year if len(found) > 1 else 0.0
    best = math.sqrt(max(among, chance)) * expected_best(effective)
    shape = measured.period_sharpe, measured.skew, measured.kurtosis, measured.periods
    return Luck(
        sharpe=measured.sharpe,
        error=measured.sharpe_error,
        above_zero=probabilistic_sharpe(shape[0], 0.0, *shape[1:]),
        trials=ledger.count,
        effective=effective,
        expected_best=best * root,
        deflated=probabilistic_sharpe(shape[0], best, *shape[1:]),
        periods=measured.periods,
    )


def _effective(known: list[Trial], ledger: Ledger) -> float:
    beyond = ledger.count - len(ledger.trials)
    if not known:
        return float(beyond)
    effective = effective_trials(np.array([one.sketch for one in known]))
    # What was tried beyond the ledger's room was as much alike as what is in it.
    return effective * (1.0 + beyond / len(known))
