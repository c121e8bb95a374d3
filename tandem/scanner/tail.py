"""How small the smallest p-value of a scan gets where nothing is related: its law, far out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]

# With fewer minima than this the fit says nothing.
FEWEST_MINIMA = 20
# Standard errors by which the quantile is put further out.
CAUTION = 2.0
# Where normal scores are finite.
LEAST_P, MOST_P = 1e-300, 1.0 - 1e-16
EULER = 0.5772156649015329


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
