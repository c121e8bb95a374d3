"""The Kalman hedge's variances by maximum likelihood, from a training prefix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tandem.analytics.inputs import Floats, one_of, two_legs, usable, whole
from tandem.analytics.kalman_filter import KalmanHedge
from tandem.core.errors import DataError
from tandem.kernels import kalman as places
from tandem.kernels.kalman import KALMAN_STATE, kalman_likelihood

# Ratios searched: from a hedge that stands still over any sample to one that is new at every bar.
LEAST, MOST = 1e-10, 1e4


@dataclass(frozen=True, slots=True)
class KalmanFit:
    """What was fitted, in the units of the data: `model` starts a filter with it.

    Attributes
    ----------
    observation_var : float
        Variance of the noise.
    centre : float
        Mean of the training x; "level" below is ``alpha + beta * centre``, which is known far
        better than alpha, the price of y should x be 0.
    process_cov : ndarray of shape (2, 2)
        Covariance of one step of (level, beta).
    state, cov : ndarray of shape (2,) and (2, 2)
        (level, beta) and their covariance *before* the first bar after the training bars.
    log_likelihood : float
        Of the training bars without the first two ("ml"), or as pykalman counts it ("em").
    method : {"ml", "em"}
    n_obs : int
        Usable training bars.
    """

    observation_var: float
    centre: float
    process_cov: Floats
    state: Floats
    cov: Floats
    log_likelihood: float
    method: str
    n_obs: int

    def model(self) -> KalmanHedge:
        """Return a filter that goes on where the training bars ended."""
        return KalmanHedge(
            observation_var=self.observation_var,
            process_cov=self.process_cov,
            initial_state=self.state,
            initial_cov=self.cov,
            centre=self.centre,
        )


def fit_kalman(
    y: Any, x: Any, method: Literal["ml", "em"] = "ml", iterations: int = 20
) -> KalmanFit:
    """Fit the variances of a wandering hedge to training bars.

    Give the training bars only: whatever is filtered with the result must come after them.
    x is centred and scaled by the training bars, so a change of units changes the result in step.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are left out.
    method : {"ml", "em"}
        Maximum likelihood over the ratios of the level's and the slope's step variance to the
        noise, found by search, steps of both independent where x is at its mean; or pykalman's
        expectation-maximisation of the full covariances, which climbs slowly and is for
        comparison.
    iterations : int
        Steps of "em".

    Raises
    ------
    DataError
        Fewer than 20 usable bars, constant x, or a perfect fit.
    """
    one_of(method, "method", ("ml", "em"))
    iterations = whole(iterations, "iterations", 1)
    first, second = two_legs(y, x)
    mask = usable(first, second)
    first, second = first[mask], second[mask]
    if len(first) < 20:
        raise DataError(f"{len(first)} usable bars are too few to fit; 20 are the least.")
    state = np.empty(KALMAN_STATE)
    if math.isnan(kalman_likelihood(first, second, 1e-4, 1e-4, state)):
        raise DataError("x is constant or the fit is perfect; there is no variance to estimate.")
    if method == "ml":
        return _by_likelihood(first, second, state)
    return _by_expectation(first, second, state, iterations)


def _by_likelihood(y: Floats, x: Floats, state: Floats) -> KalmanFit:
    def cost(logs: Floats) -> float:
        level, slope = np.exp(np.clip(logs, math.log(LEAST), math.log(MOST)))
        value = -kalman_likelihood(y, x, float(level), float(slope), state)
        # Outside the range the cost rises, so that the search turns round.
        return value + float(np.sum(np.maximum(np.abs(logs - _MIDDLE) - _REACH, 0.0)))

    # The likelihood may have two hills (a moving level, a moving slope): start from the best of a
    # coarse grid. Imported here: the live page does not need it.
    from scipy.optimize import minimize

    starts = [np.log([level, slope]) for level in _GRID for slope in _GRID]
    best = minimize(
        cost, min(starts, key=cost), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-8}
    )
    value = -cost(best.x)
    return _in_units(state, value, "ml", len(y))


_GRID = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
_MIDDLE = 0.5 * (math.log(LEAST) + math.log(MOST))
_REACH = 0.5 * (math.log(MOST) - math.log(LEAST))


def _by_expectation(y: Floats, x: Floats, state: Floats, iterations: int) -> KalmanFit:
    from pykalman import KalmanFilter

    centre, scale, offset = state[[places.CENTRE, places.SCALE, places.OFFSET]]
    u, v = (x - centre) / scale, y - offset
    size = float(np.std(v - np.polyval(np.polyfit(u, v, 1), u)))
    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(u)), u])[:, None, :],
        transition_covariance=1e-3 * np.eye(2),
        observation_covariance=1.0,
        initial_state_mean=[0.0, np.polyfit(u, v / size, 1)[0]],
        initial_state_covariance=places.DIFFUSE * np.eye(2),
        em_vars=["transition_covariance", "observation_covariance"],
    )
    peer = peer.em(v / size, n_iter=iterations)
    means, covariances = peer.filter(v / size)
    # Its steps leave rounding on one side of the diagonal only.
    process = 0.5 * (peer.transition_covariance + peer.transition_covariance.T)
    noise = float(peer.observation_covariance[0, 0])
    prior = covariances[-1] + process
    state[places.FACTOR] = size * size
    state[[places.LEVEL, places.SLOPE]] = means[-1] * size
    state[places.NOISE] = noise
    state[[places.P00, places.P01, places.P11]] = prior[0, 0], prior[0, 1], prior[1, 1]
    state[[places.W00, places.W01, places.W11]] = process[0, 0], process[0, 1], process[1, 1]
    likelihood = float(peer.loglikelihood(v / size)) - len(v) * math.log(size)
    return _in_units(state, likelihood, "em", len(y))


def _in_units(state: Floats, likelihood: float, method: str, count: int) -> KalmanFit:
    """Turn the slope per standard deviation of x into one per unit, variances into those of y."""
    scale, factor = state[[places.SCALE, places.FACTOR]]
    turn = np.diag([1.0, 1.0 / scale])
    process, cov = (
        factor * turn @ state[list(at)].reshape(2, 2) @ turn.T
        for at in (
            (places.W00, places.W01, places.W01, places.W11),
            (places.P00, places.P01, places.P01, places.P11),
        )
    )
    hedge = turn @ state[[places.LEVEL, places.SLOPE]] + np.array([state[places.OFFSET], 0.0])
    noise = float(state[places.NOISE] * factor)
    centre = float(state[places.CENTRE])
    return KalmanFit(noise, centre, process, hedge, cov, likelihood, method, count)
