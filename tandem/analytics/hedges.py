"""How much x hedges one y: rolling least squares and rolling Huber regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tandem.analytics.inputs import Floats, floats, like, positive, two_legs, whole
from tandem.analytics.resumable import Resumable
from tandem.core.errors import DataError
from tandem.kernels.huber import HUBER_COUNTS, HUBER_FIT, roll_huber
from tandem.kernels.ols import OLS_COUNTS, OLS_SUMS, roll_ols
from tandem.kernels.series import less_hedge


@dataclass(frozen=True, slots=True)
class Hedge:
    """A hedge through time: ``y = alpha + beta * x``.

    Attributes
    ----------
    alpha, beta : ndarray, Series or DataFrame of shape (n_bars,)
        Known at the end of each bar. NaN while warming up, at unusable bars, and where the window
        cannot give an answer (constant x). On raw prices beta is a ratio of units, on log prices a
        ratio of notionals.
    innovation, innovation_var : ndarray, Series or DataFrame of shape (n_bars,)
        Kalman only, NaN otherwise: y minus its forecast from the state before the bar, and the
        variance of that.
    """

    alpha: Any
    beta: Any
    innovation: Any
    innovation_var: Any

    def spread(self, y: Any, x: Any, lag: int = 1) -> Any:
        """Return y less its hedge.

        ``spread[t] = y[t] - (alpha[k] + beta[k] * x[t])`` with k the last bar strictly before t
        that has a hedge. With ``lag=0`` k is t itself: the textbook residual, which has seen the
        bar it prices, for comparison only.

        Parameters
        ----------
        y, x : array, Series or one-column DataFrame of shape (n_bars,)
            What the hedge was estimated on.
        lag : {1, 0}

        Returns
        -------
        ndarray, Series or DataFrame of shape (n_bars,)
            NaN at unusable bars and before the first hedge.
        """
        check_lag(lag)
        first, second = two_legs(y, x)
        alpha, beta = floats(self.alpha, "alpha"), floats(self.beta, "beta")
        if len(first) != len(alpha):
            raise DataError(
                f"The hedge has {len(alpha)} bars and y {len(first)}; "
                "give the prices it was estimated on."
            )
        spread = np.empty(len(first))
        less_hedge(first, second, alpha, beta, lag, spread)
        return like(y, spread, "spread")

    @property
    def z(self) -> Any:
        """Kalman's own z-score: innovation / sqrt(innovation_var), from the prior state."""
        return self.innovation / np.sqrt(self.innovation_var)


def check_lag(lag: int) -> None:
    """Refuse a lag that is neither 1 nor 0."""
    if isinstance(lag, bool) or not isinstance(lag, int | np.integer) or lag not in (0, 1):
        raise DataError(f"lag is {lag!r:.20}; give 1 (known before the bar) or 0 (textbook).")


class ResumableHedge(Resumable):
    """A hedge carried bar by bar; ``_known`` says where its parts hold the one known last."""

    _known: ClassVar[tuple[str, int, int]]

    @property
    def last_alpha(self) -> float:
        """The hedge known for the next bar: its level (NaN before the first)."""
        return float(self._parts[self._known[0]][self._known[1]])

    @property
    def last_beta(self) -> float:
        """The hedge known for the next bar: its ratio (NaN before the first)."""
        return float(self._parts[self._known[0]][self._known[2]])


class RollingOls(ResumableHedge):
    """Least squares of y on x over the last `window` usable bars, carried bar by bar.

    ``beta = sum (x - mean x)(y - mean y) / sum (x - mean x)^2``,
    ``alpha = mean y - beta * mean x``.

    Sums are kept about a point that follows the price and refreshed from scratch every eight
    windows, so an answer after a million bars equals a fresh one to 1e-9.

    Parameters
    ----------
    window : int
        Usable bars per regression, at least 2.
    """

    _known = "sums", -2, -1

    def __init__(self, window: int) -> None:
        window = whole(window, "window", 2)
        super().__init__(
            parameters=np.array([window], dtype=np.float64),
            ring_y=np.zeros(window),
            ring_x=np.zeros(window),
            sums=np.full(OLS_SUMS, np.nan),
            counts=np.zeros(OLS_COUNTS, dtype=np.int64),
        )
        self.bars_needed = window

    def extend(self, y: Any, x: Any) -> Hedge:
        """Take in new bars and return the hedge for each of them.

        Parameters
        ----------
        y, x : array of shape (n_new,)
            Prices or log prices; a bar with NaN or infinity in either leg is skipped and gets NaN.
        """
        y, x = two_legs(y, x)
        alpha, beta, nothing = np.empty(len(y)), np.empty(len(y)), np.empty(0)
        parts = self._parts
        roll_ols(
            y, x, parts["ring_y"], parts["ring_x"], parts["sums"], parts["counts"],
            alpha, beta, nothing,
        )  # fmt: skip
        return _without_innovation(alpha, beta)


class RollingHuber(ResumableHedge):
    """Huber regression of y on x over the last `window` usable bars, carried bar by bar.

    Minimises ``sum sigma + sigma * rho(residual / sigma)`` jointly over alpha, beta, sigma, with
    ``rho(z) = z^2`` inside epsilon and ``2 epsilon |z| - epsilon^2`` outside: the objective of
    scikit-learn's HuberRegressor without its penalty (Huber 1981, section 7.7). Each window is
    solved to convergence, starting from the one before.

    Parameters
    ----------
    window : int
        Usable bars per regression, at least 3.
    epsilon : float
        Residuals larger than this many sigma count linearly; above 1. 1.35 keeps 95 % efficiency
        on normal noise.
    """

    _known = "fit", -2, -1

    def __init__(self, window: int, epsilon: float = 1.35) -> None:
        window = whole(window, "window", 3)
        if not positive(epsilon, "epsilon") > 1.0:
            raise DataError(f"epsilon is {epsilon!r:.40}; it must be above 1, 1.35 is usual.")
        super().__init__(
            parameters=np.array([window, epsilon]),
            ring_y=np.zeros(window),
            ring_x=np.zeros(window),
            fit=np.full(HUBER_FIT, np.nan),
            counts=np.zeros(HUBER_COUNTS, dtype=np.int64),
        )
        self.bars_needed = window
        self._epsilon = float(epsilon)

    @property
    def windows_given_up(self) -> int:
        """Windows that did not converge and gave NaN: some per million where prices hardly move."""
        return int(self._parts["counts"][4])

    def extend(self, y: Any, x: Any) -> Hedge:
        """Take in new bars and return the hedge for each of them (see `RollingOls.extend`)."""
        y, x = two_legs(y, x)
        alpha, beta, scale = np.empty(len(y)), np.empty(len(y)), np.empty(len(y))
        parts = self._parts
        roll_huber(
            y, x, self._epsilon, parts["ring_y"], parts["ring_x"], parts["fit"], parts["counts"],
            alpha, beta, scale,
        )  # fmt: skip
        return _without_innovation(alpha, beta)


def _without_innovation(alpha: Floats, beta: Floats) -> Hedge:
    # One NaN seen n times: a million bars of nothing would cost more than the regression.
    nothing = np.broadcast_to(np.nan, alpha.shape)
    return Hedge(alpha, beta, nothing, nothing)


def _batch(model: RollingOls | RollingHuber, y: Any, x: Any) -> Hedge:
    two_legs(y, x)
    return hedge_like(y, model.extend(y, x))


def hedge_like(y: Any, hedge: Hedge) -> Hedge:
    """Put the hedge on the index of `y`, if it has one."""
    return Hedge(
        like(y, hedge.alpha, "alpha"),
        like(y, hedge.beta, "beta"),
        like(y, hedge.innovation, "innovation"),
        like(y, hedge.innovation_var, "innovation_var"),
    )


def rolling_ols(y: Any, x: Any, window: int) -> Hedge:
    """Regress y on x by least squares over every window of `window` usable bars.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices. Bars with NaN or infinity in either leg are skipped.
    window : int
        Usable bars per regression, at least 2; the first ``window - 1`` bars give NaN, and all of
        them where there are fewer.

    Returns
    -------
    Hedge
        On the index of `y` if it is a Series.

    Raises
    ------
    DataError
        Legs of different length or index, not one-dimensional, or a window below 2.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 4.0, 3.0])
    >>> hedge = rolling_ols(3.0 + 2.0 * x, x, window=3)
    >>> hedge.alpha.round(6), hedge.beta.round(6)
    (array([nan, nan,  3.,  3.]), array([nan, nan,  2.,  2.]))
    """
    return _batch(RollingOls(window), y, x)


def rolling_huber(y: Any, x: Any, window: int, epsilon: float = 1.35) -> Hedge:
    """Regress y on x by Huber's loss, scale estimated jointly, over every window.

    Parameters and return as in `rolling_ols`; `epsilon` as in `RollingHuber`.
    """
    return _batch(RollingHuber(window, epsilon), y, x)
