"""Many tests at once: which findings survive, what looks may spend, how small luck's best p is."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from tandem.analytics.inputs import whole
from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]
Spending = Literal["even", "early", "late"]

SPENDINGS: tuple[Spending, ...] = ("even", "early", "late")

# With fewer minima than this the fit says nothing.
FEWEST_MINIMA = 20
# Standard errors by which the quantile is put further out.
CAUTION = 2.0
# Where normal scores are finite.
LEAST_P, MOST_P = 1e-300, 1.0 - 1e-16
EULER = 0.5772156649015329


def q_values(p_values: Floats, any_dependence: bool = False) -> Floats:
    """Return the least false-discovery rate at which each test would be a finding.

    Benjamini and Hochberg (1995), "Controlling the False Discovery Rate", Journal of the Royal
    Statistical Society B 57: valid for independent tests and some kinds of positive dependence.

    Parameters
    ----------
    p_values : ndarray of shape (tests,)
        Of every test made, not of chosen ones. NaN stay NaN and do not count.
    any_dependence : bool
        Benjamini and Yekutieli (2001), Annals of Statistics 29: larger by 1 + 1/2 + ... + 1/tests,
        valid however the tests depend on each other.

    Examples
    --------
    >>> q_values(np.array([0.01, 0.5, 0.02, np.nan]))
    array([0.03, 0.5 , 0.03,  nan])
    """
    q = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    tests = len(known)
    if tests == 0:
        return q
    order = known[np.argsort(p_values[known], kind="stable")]
    factor = float(np.sum(1.0 / np.arange(1, tests + 1))) if any_dependence else 1.0
    raised = p_values[order] * (tests * factor) / np.arange(1, tests + 1)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q


def calibrated_q_values(p_values: Floats, noise: list[Floats]) -> Floats:
    """Return q-values by what the same scan found on noise.

    At each pair's p-value: findings of an average noise run (and one more over all runs, so that
    no finite number of runs gives 0) over findings of the real one, made monotone.

    Parameters
    ----------
    p_values : ndarray of shape (tests,)
    noise : list of ndarray
        The p-values of each run on surrogates.
    """
    q = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    real = p_values[order]
    drawn = np.sort(np.concatenate([run[~np.isnan(run)] for run in noise]))
    false = (1.0 + np.searchsorted(drawn, real, side="right")) / len(noise)
    found = np.searchsorted(real, real, side="right")
    raised = false / np.maximum(found, 1)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0) if len(order) else 0.0
    return q


def spent(look: int, looks: int, alpha: float = 0.05, spending: Spending = "even") -> float:
    """Return the level that one of several scheduled looks may use.

    The levels of all looks add up to `alpha`, so that the chance of any false alarm over all of
    them is at most `alpha`, however alike the looks are (Bonferroni's inequality). The shares
    are those of a spending function of the time gone (Lan and DeMets, 1983, "Discrete Sequential
    Boundaries for Clinical Trials", Biometrika 70).

    Parameters
    ----------
    look : int
        Which one, from 1.
    looks : int
        How many are scheduled, for example 24 hourly scans of a day.
    alpha : float
        Chance of a false alarm over all looks.
    spending : {"even", "early", "late"}
        The same at each look; most at the first ones (Pocock); most at the last ones
        (O'Brien and Fleming).

    Raises
    ------
    DataError
        A look outside the schedule, or a level that is no probability.
    """
    looks = whole(looks, "looks", 1)
    look = whole(look, "look", 1)
    if look > looks:
        raise DataError(f"Look {look} of {looks}: that many were not scheduled.")
    if not 0.0 < alpha < 1.0:
        raise DataError(f"alpha is {alpha!r:.20}; give a probability between 0 and 1.")
    if spending not in SPENDINGS:
        raise DataError(f"{spending!r:.20} is no spending; choose {', '.join(SPENDINGS)}.")
    before, now = (_spent_by(k / looks, alpha, spending) for k in (look - 1, look))
    return now - before


def _spent_by(time: float, alpha: float, spending: Spending) -> float:
    """Return what may have been spent when this share of the schedule is over."""
    if time <= 0.0:
        return 0.0
    if spending == "even":
        return alpha * time
    if spending == "early":
        return alpha * math.log(1.0 + (math.e - 1.0) * time)
    normal = NormalDist()
    return 2.0 - 2.0 * normal.cdf(normal.inv_cdf(1.0 - alpha / 2.0) / math.sqrt(time))


class Tail:
    """Smallest p-values of surrogate scans of one window and those just before it.

    With w the normal score of a scan's smallest p-value, ``p = Phi(-w)``, where nothing is related,
    the law fitted is Gumbel's, by the first two L-moments (Hosking 1990, "L-moments: Analysis and
    Estimation of Distributions using Linear Combinations of Order Statistics", Journal of the Royal
    Statistical Society B 52)::

        P(w <= x) = exp(-exp(-(x - location) / scale))
        scale     = max(lambda2 / ln 2, 1 / max(lambda1, 1)),   location = lambda1 - 0.5772 scale

    It is the law of the largest of many scores whose tail is exponential. A right p-value's score
    is normal, with a thinner tail, so that the law errs to the strict side there; so it does where
    the p-value's tail is a power of the right one. Under clustered volatility the statistic is a
    mixture over variances, and about exponential. The score is taken rather than -log p because
    that one's tail is too heavy then, so that its Gumbel law lets more than its level through.
    The least scale is that of right p-values: a tail thinner than theirs is not believed.

    Notes
    -----
    An extrapolation: from some hundred minima to one chance in a thousand. It is exact for no
    family of prices, and too lax where the score's tail is heavier than exponential. Minima that
    are NaN (nothing was tested) do not count; those of 0 count as 1e-300.
    """

    def __init__(self) -> None:
        self._windows: list[Floats] = []

    def __len__(self) -> int:
        """Return how many minima are pooled."""
        return sum(len(part) for part in self._windows)

    def add(self, minima: Floats) -> None:
        """Take the smallest p-value of each surrogate of one more window."""
        minima = np.asarray(minima, np.float64)
        minima = minima[~np.isnan(minima)]
        if ((minima < 0.0) | (minima > 1.0)).any():
            raise DataError("A smallest p-value is outside 0 to 1; give probabilities.")
        self._windows.append(minima)

    def law(self) -> tuple[float, float]:
        """Return location and scale of the score; NaN with fewer than 20 minima."""
        if len(self) < FEWEST_MINIMA:
            return math.nan, math.nan
        minima = np.clip(np.concatenate(self._windows), LEAST_P, MOST_P)
        scores = np.sort(-ndtri(minima))
        count, mean = len(scores), float(np.mean(scores))
        # lambda2 = 2 b1 - b0, with b1 the mean of the sorted values weighted by their rank.
        second = 2.0 * float(np.arange(count) @ scores) / (count * (count - 1)) - mean
        scale = max(second / math.log(2.0), 1.0 / max(mean, 1.0))
        return mean - EULER * scale, scale

    def threshold(self, level: float) -> float:
        """Return the p that the smallest p-value of a scan falls to with at most this chance.

        The quantile of the score is put out by two standard errors, so that few surrogates give a
        stricter threshold, not a looser one on average::

            x = location + scale y + 2 error,     y = -log(-log(1 - level))
            error = scale sqrt((1.1128 + 0.4574 y + 0.8046 y^2) / minima)

        which is the asymptotic error of a Gumbel quantile by L-moments.

        Parameters
        ----------
        level : float
            Chance, above 0 and below 1.

        Returns
        -------
        float
            At most the level. 0 with fewer than 20 minima: nothing can then be called a finding.

        Raises
        ------
        DataError
            A level that is no probability.
        """
        if not 0.0 < level < 1.0:
            raise DataError(f"level is {level!r:.20}; give a probability between 0 and 1.")
        location, scale = self.law()
        if math.isnan(location):
            return 0.0
        y = -math.log(-math.log1p(-level))
        error = scale * math.sqrt((1.1128 + 0.4574 * y + 0.8046 * y * y) / len(self))
        return min(float(ndtr(-(location + scale * y + CAUTION * error))), level)
