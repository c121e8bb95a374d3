"""How much prices move, and how much they will: realised, weighted, forecast by GARCH(1,1)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.analytics.trend import SECONDS_PER_YEAR
from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]

LEAST_RETURNS = 200
MOST_RETURNS = 20_000
# Log returns beyond are no market's, and their squares would overflow.
MOST_MOVE = 1e3


@dataclass(frozen=True, slots=True)
class Forecast:
    """A GARCH(1,1) forecast.

    ``variance[t] = omega + alpha return[t-1]^2 + beta variance[t-1]``, in fractions per bar.

    Attributes
    ----------
    deviation : ndarray of shape (horizon,)
        Of the return of each of the next bars, as a fraction.
    total : float
        Of the return over the whole horizon.
    returns : int
        How many it was fitted on.
    """

    omega: float
    alpha: float
    beta: float
    deviation: Floats
    total: float
    returns: int

    def percent_per_year(self, spacing_s: float) -> float:
        """Return the whole horizon's volatility a year, where bars come every so many seconds."""
        seconds = len(self.deviation) * spacing_s
        return 100.0 * self.total * math.sqrt(SECONDS_PER_YEAR / seconds)


def garch_forecast(returns: npt.ArrayLike, horizon: int) -> Forecast:
    """Fit GARCH(1,1) with zero mean to log returns and forecast `horizon` bars ahead.

    Parameters
    ----------
    returns : array of shape (n_bars,)
        NaN and infinities are left out; of more than 20,000 the last are used.
    horizon : int
        Bars, 1 to 10,000.

    Raises
    ------
    DataError
        Fewer than 200 returns, constant prices, or a fit that does not converge.
    """
    from arch import arch_model

    if not (isinstance(horizon, int) and 1 <= horizon <= 10_000):
        raise DataError(f"The horizon is {horizon!r:.40}; it must be from 1 to 10,000 bars.")
    values = np.asarray(returns, np.float64)
    values = values[np.abs(values) < MOST_MOVE][-MOST_RETURNS:]
    if len(values) < LEAST_RETURNS:
        raise DataError(
            f"GARCH has {len(values)} returns and needs {LEAST_RETURNS}; wait for more bars, or "
            "use the realised volatility."
        )
    scale = float(values.std())
    if not scale > 0.0:
        raise DataError("GARCH cannot be fitted: the price does not move.")
    with warnings.catch_warnings():
        # Its warnings are about fits that fail, which is asked for below.
        warnings.simplefilter("ignore")
        model = arch_model(values / scale, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
        fitted = model.fit(disp="off", show_warning=False)
        variance = fitted.forecast(horizon=horizon, reindex=False).variance.to_numpy()[-1]
    if fitted.convergence_flag != 0 or not np.isfinite(variance).all():
        raise DataError("GARCH did not converge on these returns; use the realised volatility.")
    omega, alpha, beta = (float(fitted.params[name]) for name in ("omega", "alpha[1]", "beta[1]"))
    deviation = np.sqrt(variance) * scale
    total = math.sqrt(float(np.sum(deviation**2)))
    return Forecast(omega * scale**2, alpha, beta, deviation, total, len(values))
