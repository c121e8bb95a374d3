"""A hedge that wanders: the Kalman filter, and the surprise each bar was to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics.hedges import Hedge, ResumableHedge, hedge_like
from tandem.analytics.inputs import (
    LIMIT,
    Floats,
    floats,
    is_real,
    like,
    numbers,
    positive,
    two_legs,
    usable,
    whole,
)
from tandem.core.errors import DataError
from tandem.kernels import kalman as places
from tandem.kernels.kalman import KALMAN_STATE, run_kalman, start_kalman

# The default filter forgets over prefix / MEMORIES bars: slow enough to leave a spread to trade,
# quick enough that the prefix holds several memories to measure the innovations' variance on.
MEMORIES = 8


@dataclass(frozen=True, slots=True)
class KalmanStates:
    """The hedge before and after each bar was seen, with its uncertainty, in units of the data.

    Attributes
    ----------
    prior_alpha, prior_beta : ndarray, Series or DataFrame of shape (n_bars,)
        Forecast of the bar's hedge from the bars before it: ``innovation = y - prior_alpha -
        prior_beta * x``. NaN at unusable bars and in the prefix.
    prior_cov : ndarray of shape (n_bars, 2, 2)
        Covariance of (alpha, beta) then: ``innovation_var = [1, x] prior_cov [1, x]' + noise``.
    alpha, beta : ndarray, Series or DataFrame of shape (n_bars,)
        The hedge that has seen the bar, as in `Hedge`.
    cov : ndarray of shape (n_bars, 2, 2)
        Its covariance.
    """

    prior_alpha: Any
    prior_beta: Any
    prior_cov: Floats = field(repr=False)
    alpha: Any
    beta: Any
    cov: Floats = field(repr=False)


class KalmanHedge(ResumableHedge):
    """Level and slope of a hedge as random walks, filtered bar by bar.

    ``y[t] = level[t] + slope[t] * u[t] + noise``, with ``innovation[t] = y[t] - forecast`` and its
    variance taken from the state *before* the bar (the updated state has already moved towards it).

    Two ways of setting the variances:

    - Default, free of units and of tuning. u is x less a slowly following mean, in standard
      deviations of the prefix. Level and slope each have process variance ``delta / (1 - delta)``
      times the noise variance, and the noise variance is the one that makes the standardised
      innovations of the prefix have variance 1. Only the first `prefix` usable bars count, unless
      `variance_memory` lets the variance follow the market after them.
    - Explicit, in the units of the data: give `observation_var`. u is x, there is no prefix, and
      level and slope have process variance ``delta / (1 - delta)`` (or `process_cov`), as in Chan,
      Algorithmic Trading (2013), chapter 3.

    Parameters
    ----------
    prefix : int
        Usable bars the default sets itself from; at least 10. Results start at its end.
    delta : float, optional
        Between 0 and 1: how far the hedge may wander per bar. The default is chosen so that the
        filter forgets over ``prefix / 8`` bars; 1e-4 in explicit mode.
    observation_var : float, optional
        Variance of the noise. Giving it chooses the explicit mode.
    process_cov : array of shape (2, 2), optional
        Explicit mode: covariance of one step of (alpha, beta).
    initial_state : (alpha, beta), optional
        Explicit mode: mean of the state before the first bar; zeros.
    initial_cov : array of shape (2, 2), optional
        Explicit mode: covariance of the state before the first bar; zeros.
    centre : float
        Explicit mode: the covariances and initial state given are of (alpha + beta * centre, beta).
        0 by default; a value near x keeps digits where prices are large.
    variance_memory : float, optional
        Default mode: bars over which all variances go on following the squared standardised
        innovations, ``factor += (innovation^2 / variance - factor) / variance_memory``, always for
        the bars after. They stay those of the prefix if not given: right for a file, while a day
        of live trading sees calm and wild hours.
    """

    _known = "filter", places.LAST_ALPHA, places.LAST_BETA

    def __init__(
        self,
        prefix: int = 100,
        delta: float | None = None,
        observation_var: float | None = None,
        *,
        process_cov: npt.ArrayLike | None = None,
        initial_state: npt.ArrayLike | None = None,
        initial_cov: npt.ArrayLike | None = None,
        centre: float = 0.0,
        variance_memory: float | None = None,
    ) -> None:
        self._explicit = observation_var is not None
        if not self._explicit and not all(
            given is None for given in (process_cov, initial_state, initial_cov)
        ):
            raise DataError("Initial state and covariances need observation_var; give it too.")
        if self._explicit and variance_memory is not None:
            raise DataError("With observation_var the variance is fixed; drop variance_memory.")
        self._follow = 0.0
        if variance_memory is not None:
            self._follow = 1.0 / max(positive(variance_memory, "variance_memory"), 1.0)
        self._prefix = 0 if self._explicit else whole(prefix, "prefix", 10)
        self._ratio = _ratio(delta, self._prefix)
        state = np.full(KALMAN_STATE, np.nan)
        if observation_var is not None:
            state = _explicit_state(
                positive(observation_var, "observation_var"),
                _square(process_cov, "process_cov", self._ratio),
                _pair(initial_state),
                _square(initial_cov, "initial_cov", 0.0),
                _finite(centre),
            )
        super().__init__(
            parameters=np.concatenate(([self._prefix, self._ratio, self._follow], state)),
            prefix_y=np.zeros(self._prefix),
            prefix_x=np.zeros(self._prefix),
            filter=state.copy(),
            counts=np.array([0, int(self._explicit)]),
        )
        self.bars_needed = self._prefix

    def next_innovation_var(self, x: float) -> float:
        """Return the variance of the next bar's innovation, should its x be `x`."""
        state = self._parts["filter"]
        u = (x - state[places.CENTRE]) / state[places.SCALE]
        prior = state[places.P00] + u * (2.0 * state[places.P01] + u * state[places.P11])
        return float((prior + state[places.NOISE]) * state[places.FACTOR])

    def extend(self, y: Any, x: Any) -> Hedge:
        """Take in new bars and return hedge, innovation and its variance for each of them.

        Parameters
        ----------
        y, x : array of shape (n_new,)
            Prices or log prices; a bar with NaN or infinity in either leg is skipped and gets NaN.
        """
        return self._run(*two_legs(y, x), np.empty((0, 10)))

    def states(self, y: Any, x: Any) -> KalmanStates:
        """Take in new bars as `extend` does; return the state before and after each of them.

        Parameters
        ----------
        y, x : array, Series or one-column DataFrame of shape (n_new,)

        Returns
        -------
        KalmanStates
            On the index of `y`, if it has one. Takes 80 bytes per bar more than `extend`.
        """
        first, second = two_legs(y, x)
        kept = np.full((len(first), 10), np.nan)
        self._run(first, second, kept)
        prior_alpha, prior_beta, alpha, beta = (
            like(y, np.ascontiguousarray(kept[:, place]), name)
            for place, name in ((0, "prior_alpha"), (1, "prior_beta"), (5, "alpha"), (6, "beta"))
        )
        prior_cov, cov = (kept[:, [at, at + 1, at + 1, at + 2]].reshape(-1, 2, 2) for at in (2, 7))
        return KalmanStates(prior_alpha, prior_beta, prior_cov, alpha, beta, cov)

    def _run(self, y: Floats, x: Floats, states: Floats) -> Hedge:
        out = [np.full(len(y), np.nan) for _ in range(4)]
        parts = self._parts
        if self._explicit and not parts["counts"][0]:
            self._centre(y, x)
        start = 0 if parts["counts"][1] else self._gather(y, x, *out[:2])
        parts["counts"][0] += run_kalman(
            y[start:], x[start:], parts["filter"], *(part[start:] for part in (*out, states))
        )
        return Hedge(*out)

    def _centre(self, y: Floats, x: Floats) -> None:
        """Count x from the first usable one: far from 0, level and slope would share their digits.

        The same model in other coordinates; state and covariances turn with them.
        """
        mask = usable(y, x)
        if not mask.any():
            return
        first, state = float(x[np.argmax(mask)]), self._parts["filter"]
        away = first - state[places.CENTRE]
        state[places.CENTRE] = first
        state[places.LEVEL] += away * state[places.SLOPE]
        for p00, p01, p11 in (_PRIOR, _PROCESS):
            state[p00] += away * (2.0 * state[p01] + away * state[p11])
            state[p01] += away * state[p11]

    def _gather(self, y: Floats, x: Floats, alpha: Floats, beta: Floats) -> int:
        """Fill the prefix; return the place of the first bar left for the filter.

        A prefix of constant x or of a perfect fit has no scale: it slides on until it has one.
        """
        parts, counts = self._parts, self._parts["counts"]
        for t in range(len(y)):
            if not (abs(y[t]) < LIMIT and abs(x[t]) < LIMIT):
                continue
            for part, value in ((parts["prefix_y"], y[t]), (parts["prefix_x"], x[t])):
                part[:-1] = part[1:]
                part[-1] = value
            counts[0] += 1
            if counts[0] >= self._prefix and self._start():
                counts[1] = 1
                alpha[t], beta[t] = self.last_alpha, self.last_beta
                return t + 1
        return len(y)

    def _start(self) -> bool:
        parts = self._parts
        state = np.empty(KALMAN_STATE)
        started = start_kalman(
            parts["prefix_y"], parts["prefix_x"], self._ratio, self._ratio, self._prefix // 4,
            1.0 / self._prefix, self._follow, state,
        )  # fmt: skip
        if started:
            parts["filter"][:] = state
        return started


_PRIOR = places.P00, places.P01, places.P11
_PROCESS = places.W00, places.W01, places.W11


def kalman(
    y: Any,
    x: Any,
    prefix: int = 100,
    delta: float | None = None,
    observation_var: float | None = None,
    *,
    process_cov: npt.ArrayLike | None = None,
    initial_state: npt.ArrayLike | None = None,
    initial_cov: npt.ArrayLike | None = None,
    centre: float = 0.0,
    variance_memory: float | None = None,
) -> Hedge:
    """Filter the hedge of y by x; parameters as in `KalmanHedge`.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices. Bars with NaN or infinity in either leg are skipped.

    Returns
    -------
    Hedge
        With innovation and innovation_var; on the index of `y` if it has one. ``hedge.z`` is
        their ratio. Its alpha and beta have seen the bar; `KalmanHedge.states` gives the state
        before and after every bar with its covariance.
    """
    model = KalmanHedge(
        prefix,
        delta,
        observation_var,
        process_cov=process_cov,
        initial_state=initial_state,
        initial_cov=initial_cov,
        centre=centre,
        variance_memory=variance_memory,
    )
    two_legs(y, x)
    return hedge_like(y, model.extend(y, x))


def _ratio(delta: float | None, prefix: int) -> float:
    """Return process over noise variance, from delta or from the memory wished for.

    In the steady state of a local level the gain K and the ratio q satisfy q = K^2 / (1 - K), and
    the memory is 1 / K bars.
    """
    if delta is None:
        if not prefix:
            return 1e-4 / (1.0 - 1e-4)
        gain = min(0.5, MEMORIES / prefix)
        return gain * gain / (1.0 - gain)
    if not is_real(delta) or not 0.0 <= delta < 1.0:
        raise DataError(f"delta is {delta!r:.40}; it must be from 0 to below 1, 1e-4 is usual.")
    return delta / (1.0 - delta)


def _explicit_state(
    noise: float, process: Floats, mean: Floats, cov: Floats, centre: float
) -> Floats:
    state = np.zeros(KALMAN_STATE)
    state[places.CENTRE] = centre
    state[places.SCALE] = state[places.FACTOR] = 1.0
    state[places.NOISE] = noise
    state[places.LEVEL], state[places.SLOPE] = mean
    state[[places.P00, places.P01, places.P11]] = cov[0, 0], cov[0, 1], cov[1, 1]
    state[[places.W00, places.W01, places.W11]] = process[0, 0], process[0, 1], process[1, 1]
    state[places.LAST_ALPHA] = mean[0] - mean[1] * centre
    state[places.LAST_BETA] = mean[1]
    return state


def _pair(values: npt.ArrayLike | None) -> Floats:
    pair = np.zeros(2) if values is None else floats(values, "initial_state")
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise DataError("initial_state must be two numbers: alpha and beta.")
    return pair


def _finite(centre: float) -> float:
    if not is_real(centre) or not abs(float(centre)) < LIMIT:
        raise DataError(f"centre is {centre!r:.40}; give a price near those of x, or leave it out.")
    return float(centre)


def _square(values: npt.ArrayLike | None, name: str, diagonal: float) -> Floats:
    """Return a 2 by 2 covariance, checked to be one."""
    if values is None:
        return np.eye(2) * diagonal
    cov = numbers(values, name)
    if (
        cov.shape != (2, 2)
        or not np.isfinite(cov).all()
        or not math.isclose(cov[0, 1], cov[1, 0], rel_tol=1e-9, abs_tol=1e-300)
        or np.linalg.eigvalsh(cov)[0] < -1e-9 * np.abs(cov).max()
    ):
        raise DataError(f"{name} must be a symmetric 2 by 2 matrix without negative eigenvalues.")
    return cov
