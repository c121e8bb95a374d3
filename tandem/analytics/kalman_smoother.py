"""What a wandering hedge was, seen from the end: for looking back, never for signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics.inputs import Floats, like, positive, two_legs, usable
from tandem.analytics.kalman_filter import KalmanHedge
from tandem.core.errors import DataError
from tandem.kernels import kalman as places


@dataclass(frozen=True, slots=True)
class SmoothedHedge:
    """A hedge through time, each bar's estimated from all bars, later ones too.

    Attributes
    ----------
    alpha, beta : ndarray, Series or DataFrame of shape (n_bars,)
        NaN at unusable bars. At the last usable bar they are the filter's.
    cov : ndarray of shape (n_bars, 2, 2)
        Covariance of (alpha + beta * centre, beta); NaN at unusable bars.
    """

    alpha: Any
    beta: Any
    cov: Floats


def smooth_kalman(
    y: Any,
    x: Any,
    observation_var: float,
    *,
    delta: float | None = None,
    process_cov: npt.ArrayLike | None = None,
    initial_state: npt.ArrayLike | None = None,
    initial_cov: npt.ArrayLike | None = None,
    centre: float = 0.0,
) -> SmoothedHedge:
    """Smooth the hedge of y by x, by pykalman's fixed-interval smoother.

    The model is that of `kalman` in its explicit mode, with the same arguments; for a fitted one
    give what `fit_kalman` found, from its training bars or from bars after them. Takes about 0.2 ms
    per bar.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices. Bars with NaN or infinity in either leg are skipped.
    observation_var, delta, process_cov, initial_state, initial_cov, centre
        As in `KalmanHedge`.

    Raises
    ------
    DataError
        No usable bars, or arguments that are no variances.
    """
    model = KalmanHedge(
        delta=delta,
        observation_var=positive(observation_var, "observation_var"),
        process_cov=process_cov,
        initial_state=initial_state,
        initial_cov=initial_cov,
        centre=centre,
    )
    first, second = two_legs(y, x)
    mask = usable(first, second)
    if not mask.any():
        raise DataError(f"None of {len(mask)} bars is usable; there is nothing to smooth.")
    means, covariances = _smooth(first[mask], second[mask] - centre, model.state()["filter"])
    alpha, beta = np.full((2, len(mask)), np.nan)
    cov = np.full((len(mask), 2, 2), np.nan)
    beta[mask] = means[:, 1]
    alpha[mask] = means[:, 0] - centre * means[:, 1]
    cov[mask] = covariances
    return SmoothedHedge(like(y, alpha, "alpha"), like(y, beta, "beta"), cov)


def _smooth(y: Floats, u: Floats, start: Floats) -> tuple[Floats, Floats]:
    # Imported here: the live page does not need it.
    from pykalman import KalmanFilter

    process, cov = (
        start[list(at)].reshape(2, 2)
        for at in (
            (places.W00, places.W01, places.W01, places.W11),
            (places.P00, places.P01, places.P01, places.P11),
        )
    )
    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(u)), u])[:, None, :],
        transition_covariance=process,
        observation_covariance=start[places.NOISE],
        initial_state_mean=start[[places.LEVEL, places.SLOPE]],
        initial_state_covariance=cov,
    )
    means, covariances = peer.smooth(y)
    return np.asarray(means), np.asarray(covariances)
