"""A whole universe's differences put together again after their shocks changed sign."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import summing

Floats = npt.NDArray[np.float64]


@summing
def rebuild_universe(
    changes: Floats,
    weights: Floats,
    constant: Floats,
    own: Floats,
    market: Floats,
    signs: Floats,
    out: Floats,
    markets: Floats,
    start: int,
    stop: int,
) -> None:
    """Fill bars of `out` with the differences that the regressions give under other signs.

    Bars before `start` must have been filled by calls before.

    Parameters
    ----------
    changes : ndarray of shape (instruments, bars)
        The real differences; the first rows are taken as they are, and each one's shock is what its
        regression on the real differences before leaves.
    weights : ndarray of shape (instruments,)
        Of each instrument in the market's difference.
    constant : ndarray of shape (instruments,)
    own, market : ndarray of shape (instruments, lags of its own) and (instruments, lags)
        What the instrument's own differences 1, 2, ... bars before add, and what the market's do.
    signs : ndarray of shape (bars,)
        +1 or -1 for each bar, one for all instruments.
    out : ndarray of shape (instruments, bars)
    markets : ndarray of shape (2, bars)
        The market's differences, real and drawn, which are filled too.
    start, stop : int
        Bars to fill.
    """
    instruments = changes.shape[0]
    own_lags, market_lags = own.shape[1], market.shape[1]
    most = max(own_lags, market_lags)
    real, drawn = markets[0], markets[1]
    for t in range(start, stop):
        real[t] = drawn[t] = 0.0
        for i in range(instruments):
            real[t] += weights[i] * changes[i, t]
        for i in range(instruments):
            if t < most:
                out[i, t] = changes[i, t]
            else:
                shock, value = changes[i, t] - constant[i], constant[i]
                for k in range(own_lags):
                    shock -= own[i, k] * changes[i, t - 1 - k]
                    value += own[i, k] * out[i, t - 1 - k]
                for k in range(market_lags):
                    shock -= market[i, k] * real[t - 1 - k]
                    value += market[i, k] * drawn[t - 1 - k]
                out[i, t] = value + signs[t] * shock
            drawn[t] += weights[i] * out[i, t]
