"""What is compared with what: one table that `make bench` times and the tests check.

Both sides get the same prices, peers have everything they need prepared beforehand, and both give
the same numbers. A peer that would take minutes is given fewer bars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem import analytics
from tandem.analytics.zscores import Z_KINDS, ZKind

Floats = npt.NDArray[np.float64]
Pair = tuple[Floats, Floats]
Peer = Callable[[Floats, Floats], Callable[[], Any]]

MILLION = 1_000_000


class Comparison(NamedTuple):
    """One row.

    Attributes
    ----------
    name, peer_name : str
    workload : callable
        ``bars -> y, x``.
    ours : callable
        ``(y, x) -> result``, timed as it stands.
    peer : callable, optional
        ``(y, x) -> work``, of which only ``work() -> result`` is timed. None where nothing
        compares.
    bars, peer_bars : int
        Bars each side is given.
    least : float, optional
        The ratio asked for.
    most_ms : float, optional
        Where no peer exists: the time asked for.
    by_bar : bool
        Whether a bar is the unit of time; otherwise one call is, on equal bars.
    close : float
        Both results agree to this fraction of the largest number in them.
    """

    name: str
    peer_name: str
    workload: Callable[[int], Pair]
    ours: Callable[[Floats, Floats], Any]
    peer: Peer | None
    bars: int
    peer_bars: int
    least: float | None = None
    most_ms: float | None = None
    by_bar: bool = True
    close: float = 1e-9


def standard_pair(bars: int) -> Pair:
    """Return a cointegrated pair with fat tails, both legs of mean 0 and deviation 1."""
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.normal(size=bars))
    y = 0.6 * x + rng.standard_t(4, bars)
    return (y - y.mean()) / y.std(), (x - x.mean()) / x.std()


def price_pair(bars: int) -> Pair:
    """Return the same as prices above 0, where returns are asked for."""
    y, x = standard_pair(bars)
    return 100.0 * np.exp(0.01 * y), 100.0 * np.exp(0.01 * x)


# The numbers of our results that the peers give too.
_COMPARED: dict[type, tuple[str, ...]] = {
    analytics.Hedge: ("beta",),
    analytics.ZScore: ("z",),
    analytics.Momentum: ("slope",),
    analytics.AdfTest: ("statistic", "p_value_asymptotic"),
    analytics.EngleGranger: ("statistic", "p_value_asymptotic"),
    analytics.VarianceRatio: ("ratio", "statistic"),
}


def numbers(result: Any) -> Floats:
    """Return what is compared of a result of either side."""
    names = _COMPARED.get(type(result))
    if names is not None:
        result = np.hstack([np.asarray(getattr(result, name)) for name in names])
    return np.asarray(result, dtype=np.float64)


def difference(row: Comparison, bars: int) -> float:
    """Return the largest difference of both results over the largest number in the peer's.

    Infinite where one side has a number and the other none.
    """
    if row.peer is None:
        raise ValueError(f"{row.name} has no peer.")
    y, x = row.workload(bars)
    ours, theirs = numbers(row.ours(y, x)), numbers(row.peer(y, x)())
    told = np.isfinite(theirs)
    if ours.shape != theirs.shape or not np.array_equal(np.isfinite(ours), told):
        return np.inf
    return float(np.abs(ours - theirs)[told].max() / np.abs(theirs[told]).max())


# Hedges -------------------------------------------------------------------------------------


def _statsmodels_ols(y: Floats, x: Floats) -> Callable[[], Any]:
    from statsmodels.regression.rolling import RollingOLS

    design = np.column_stack([np.ones(len(x)), x])
    return lambda: RollingOLS(y, design, 100).fit(params_only=True).params[:, 1]


def _pandas_ols(y: Floats, x: Floats) -> Callable[[], Any]:
    first, second = pd.Series(y), pd.Series(x)
    return lambda: second.rolling(100).cov(first) / second.rolling(100).var()


_PROCESS, _NOISE = 1e-4 * np.eye(2), 0.01


def _our_kalman(y: Floats, x: Floats) -> analytics.Hedge:
    return analytics.kalman(
        y, x, observation_var=_NOISE, process_cov=_PROCESS, initial_cov=np.eye(2)
    )


def _pykalman(y: Floats, x: Floats) -> Callable[[], Any]:
    from pykalman import KalmanFilter

    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(x)), x])[:, None, :],
        transition_covariance=_PROCESS,
        observation_covariance=_NOISE,
        initial_state_mean=[0.0, 0.0],
        initial_state_covariance=np.eye(2),
    )
    return lambda: peer.filter(y)[0][:, 1]


def _sklearn_huber(window: int) -> Peer:
    from sklearn.linear_model import HuberRegressor

    def prepare(y: Floats, x: Floats) -> Callable[[], Any]:
        # Each window is standardised beforehand: the solver needs it, and is not charged for it.
        ys, xs = _windows(y, window), _windows(x, window)
        size_y, size_x = ys.std(axis=1, keepdims=True), xs.std(axis=1, keepdims=True)
        vs = (ys - ys.mean(axis=1, keepdims=True)) / size_y
        us = ((xs - xs.mean(axis=1, keepdims=True)) / size_x)[:, :, None]
        turn = (size_y / size_x).ravel()

        def loop() -> Floats:
            beta = np.full(len(y), np.nan)
            for i in range(len(vs)):
                peer = HuberRegressor(alpha=0.0, max_iter=1_000).fit(us[i], vs[i])
                beta[window - 1 + i] = peer.coef_[0] * turn[i]
            return beta

        return loop

    return prepare


def _windows(values: Floats, window: int) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(values, window)


# Tests --------------------------------------------------------------------------------------


def _adfuller(series: Floats, most: int | None, choose: str | None) -> tuple[float, float]:
    from statsmodels.tsa.stattools import adfuller

    found = adfuller(series, maxlag=most, autolag=choose, result_object=True)
    return found.statistic, found.pvalue


def _adfuller_loop(y: Floats, x: Floats) -> Callable[[], Any]:
    def loop() -> Floats:
        found = np.full(len(x), np.nan)
        for t in range(249, len(x)):
            found[t] = _adfuller(x[t - 249 : t + 1], 1, None)[0]
        return found

    return loop


def _adfuller_once(y: Floats, x: Floats) -> Callable[[], Any]:
    return lambda: _adfuller(x, None, "aic")


def _coint(y: Floats, x: Floats) -> Callable[[], Any]:
    from statsmodels.tsa.stattools import coint

    return lambda: coint(y, x)[:2]


def _arch_variance_ratio(y: Floats, x: Floats) -> Callable[[], Any]:
    from arch.unitroot import VarianceRatio

    def test() -> tuple[float, float]:
        found = VarianceRatio(x, lags=10, robust=True, debiased=True, overlap=True)
        return found.vr, found.stat

    return test


# Scores and single prices -------------------------------------------------------------------


def _our_z(kind: ZKind) -> Callable[[Floats, Floats], Any]:
    return lambda y, x: analytics.zscore(y, 100, kind)


def _pandas_z(y: Floats, x: Floats) -> Callable[[], Any]:
    spread = pd.Series(y)
    return lambda: (spread - spread.rolling(100).mean().shift()) / spread.rolling(100).std().shift()


def _pandas_ewm_z(y: Floats, x: Floats) -> Callable[[], Any]:
    spread = pd.Series(y)

    def score() -> Any:
        past = spread.ewm(span=100, min_periods=100)
        return (spread - past.mean().shift()) / past.std().shift()

    return score


def _pandas_robust_z(y: Floats, x: Floats) -> Callable[[], Any]:
    spread = pd.Series(y)

    def deviation(values: Floats) -> float:
        return 1.482602218505602 * float(np.median(np.abs(values - np.median(values))))

    def score() -> Any:
        past = spread.rolling(100)
        return (spread - past.median().shift()) / past.apply(deviation, raw=True).shift()

    return score


def _pandas_correlation(y: Floats, x: Floats) -> Callable[[], Any]:
    first, second = pd.Series(y), pd.Series(x)
    return lambda: first.pct_change().rolling(100).corr(second.pct_change())


def _pandas_volatility(y: Floats, x: Floats) -> Callable[[], Any]:
    price = pd.Series(x)
    return lambda: (np.log(price).diff() ** 2).rolling(100).mean() ** 0.5


def _polyfit(y: Floats, x: Floats) -> Callable[[], Any]:
    # All windows in one call, which is its quickest way.
    bar, columns = np.arange(100), np.ascontiguousarray(_windows(x, 100).T)
    return lambda: np.concatenate([np.full(99, np.nan), np.polyfit(bar, columns, 1)[0]])


def _pandas_rsi(y: Floats, x: Floats) -> Callable[[], Any]:
    price = pd.Series(x)

    def index() -> Any:
        change = price.diff()
        rise, fall = _wilder(change.clip(lower=0.0), 14), _wilder(-change.clip(upper=0.0), 14)
        return 100.0 * rise / (rise + fall)

    return index


def _wilder(change: pd.Series, window: int) -> pd.Series:
    seeded = change.iloc[window:].copy()
    seeded.iloc[0] = change.iloc[1 : window + 1].mean()
    return seeded.ewm(alpha=1.0 / window, adjust=False).mean().reindex(change.index)


# What the page shows ------------------------------------------------------------------------


def _everything(window: int) -> Callable[[Floats, Floats], Any]:
    """All three models, the three z-scores of each spread, and Engle-Granger."""

    def work(y: Floats, x: Floats) -> Floats:
        last = []
        for hedge in (
            analytics.rolling_ols(y, x, window),
            analytics.rolling_huber(y, x, window),
            analytics.kalman(y, x, window),
        ):
            spread = hedge.spread(y, x)
            last += [analytics.zscore(spread, window, kind).z[-1] for kind in Z_KINDS]
        return np.array([*last, analytics.engle_granger(y, x).statistic])

    return work


def _relation(y: Floats, x: Floats) -> Floats:
    """Everything said of the residual of one fixed regression, and the verdict on it."""
    found = analytics.spread_quality(y, x, 5.0)
    held = analytics.soundness(y, x)
    life = found.half_life
    per_day = found.crossings_per_day
    return np.array([life.least_squares, life.low, found.hurst, per_day, held.p_value])


COMPARISONS = (
    Comparison(
        "rolling OLS, window 100", "statsmodels RollingOLS", standard_pair,
        lambda y, x: analytics.rolling_ols(y, x, 100), _statsmodels_ols,
        MILLION, 20_000, least=900.0,
    ),
    Comparison(
        "rolling OLS, window 100", "pandas rolling cov / var, beta only", standard_pair,
        lambda y, x: analytics.rolling_ols(y, x, 100), _pandas_ols,
        MILLION, MILLION, least=4.0,
    ),
    Comparison(
        "Kalman hedge", "pykalman filter", standard_pair, _our_kalman, _pykalman,
        MILLION, 3_000, least=3_000.0,
    ),
    Comparison(
        "rolling Huber, window 100", "loop of scikit-learn HuberRegressor", standard_pair,
        lambda y, x: analytics.rolling_huber(y, x, 100), _sklearn_huber(100),
        50_000, 349, least=500.0, close=1e-3,
    ),
    Comparison(
        "rolling Huber, window 500", "loop of scikit-learn HuberRegressor", standard_pair,
        lambda y, x: analytics.rolling_huber(y, x, 500), _sklearn_huber(500),
        50_000, 699, close=1e-3,
    ),
    Comparison(
        "rolling ADF, 1 lag, window 250", "loop of statsmodels adfuller", standard_pair,
        lambda y, x: analytics.rolling_adf(x, 250), _adfuller_loop,
        200_000, 1_249, least=200.0,
    ),
    Comparison(
        "Engle-Granger, lag by AIC, 5,000 bars", "statsmodels coint", standard_pair,
        lambda y, x: analytics.engle_granger(y, x), _coint,
        5_000, 5_000, least=100.0, by_bar=False,
    ),
    Comparison(
        "ADF, lag by AIC, 5,000 bars", "statsmodels adfuller", standard_pair,
        lambda y, x: analytics.adf(x), _adfuller_once, 5_000, 5_000, by_bar=False,
    ),
    Comparison(
        "variance ratio, q = 10, 5,000 bars", "arch VarianceRatio", standard_pair,
        lambda y, x: analytics.variance_ratio(x, 10), _arch_variance_ratio,
        5_000, 5_000, by_bar=False,
    ),
    Comparison(
        "z-score, window 100", "pandas rolling mean and std", standard_pair,
        _our_z("rolling"), _pandas_z, MILLION, MILLION,
    ),
    Comparison(
        "z-score, exponential, span 100", "pandas ewm mean and std", standard_pair,
        _our_z("ewm"), _pandas_ewm_z, MILLION, MILLION,
    ),
    Comparison(
        "z-score, median and MAD, window 100", "pandas rolling median and apply", standard_pair,
        _our_z("robust"), _pandas_robust_z, MILLION, 10_000,
    ),
    Comparison(
        "correlation of returns, window 100", "pandas pct_change, rolling corr", price_pair,
        lambda y, x: analytics.correlation(y, x, 100), _pandas_correlation, MILLION, MILLION,
    ),
    Comparison(
        "realised volatility, window 100", "pandas rolling mean of squares", price_pair,
        lambda y, x: analytics.realised_volatility(x, 100), _pandas_volatility, MILLION, MILLION,
    ),
    Comparison(
        "momentum, window 100", "numpy polyfit", standard_pair,
        lambda y, x: analytics.momentum(x, 100), _polyfit, MILLION, 20_000,
    ),
    Comparison(
        "RSI, window 14", "pandas ewm", standard_pair,
        lambda y, x: analytics.rsi(x, 14), _pandas_rsi, MILLION, MILLION,
    ),
    Comparison(
        "three models, nine z-scores, Engle-Granger, 5,000 bars, window 100", "", standard_pair,
        _everything(100), None, 5_000, 0, most_ms=30.0, by_bar=False,
    ),
    Comparison(
        "three models, nine z-scores, Engle-Granger, 5,000 bars, window 500", "", standard_pair,
        _everything(500), None, 5_000, 0, most_ms=100.0, by_bar=False,
    ),
    Comparison(
        "spread quality and soundness, 2,000 bars", "", standard_pair,
        _relation, None, 2_000, 0, by_bar=False,
    ),
)  # fmt: skip
