"""Many tests at once: which findings survive, and what repeated looks may spend."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from tandem.analytics.inputs import whole
from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]
Spending = Literal["even", "early", "late"]

SPENDINGS: tuple[Spending, ...] = ("even", "early", "late")


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
