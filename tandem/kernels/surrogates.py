"""Differences put together again after their shocks changed sign."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]


@compiled
def rebuild(
    changes: Floats, constant: Floats, weights: Floats, shocks: Floats, signs: Floats, out: Floats
) -> None:
    """Fill `out` with the differences that an autoregression gives under other signs.

    Parameters
    ----------
    changes : ndarray of shape (n, legs)
        The real differences; the first `lags` rows are taken as they are.
    constant : ndarray of shape (legs,)
    weights : ndarray of shape (lags, legs, legs)
        ``weights[k, i, j]``: what leg j's difference k + 1 bars back adds to leg i's.
    shocks : ndarray of shape (n - lags, legs)
        What the autoregression leaves unexplained.
    signs : ndarray of shape (n - lags, legs)
        +1 or -1 for each.
    """
    lags, legs = len(weights), changes.shape[1]
    for t in range(len(changes)):
        for i in range(legs):
            if t < lags:
                out[t, i] = changes[t, i]
                continue
            value = constant[i] + signs[t - lags, i] * shocks[t - lags, i]
            for k in range(lags):
                for j in range(legs):
                    value += weights[k, i, j] * out[t - 1 - k, j]
            out[t, i] = value
