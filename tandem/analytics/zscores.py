"""How unusual a spread is against its own recent past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tandem.analytics.hedges import check_lag
from tandem.analytics.inputs import by_column, floats, is_frame, like, one_of, whole
from tandem.analytics.resumable import Resumable
from tandem.kernels.zscore import Z_COUNTS, Z_SUMS, ewm_z, robust_z, roll_z

ZKind = Literal["rolling", "ewm", "robust"]
Z_KINDS: tuple[ZKind, ...] = ("rolling", "ewm", "robust")


@dataclass(frozen=True, slots=True)
class ZScore:
    """A z-score and what it was measured with.

    Attributes
    ----------
    z, mean, deviation : ndarray, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        ``z = (spread - mean) / deviation``. Mean and deviation are those used for the bar, so with
        lag 1 they end at the usable bar before it. NaN while warming up and at unusable bars; z is
        NaN where the deviation is 0.
    """

    z: Any
    mean: Any
    deviation: Any


class RollingZ(Resumable):
    """A spread's z-score over its last `window` usable bars, carried bar by bar.

    Parameters
    ----------
    window : int
        Usable bars, at least 2.
    kind : {"rolling", "ewm", "robust"}
        Mean and standard deviation (n - 1); exponentially weighted mean and bias-corrected
        deviation with span `window`, from `window` bars on (pandas' ``ewm(span, ignore_na=True)``);
        median and MAD times 1.4826.
    lag : {1, 0}
        1: mean and deviation end before the bar they judge. 0: the textbook form that includes it,
        which cannot exceed ``(window - 1) / sqrt(window)``.
    """

    def __init__(self, window: int, kind: ZKind = "rolling", lag: int = 1) -> None:
        window = whole(window, "window", 2)
        check_lag(lag)
        one_of(kind, "kind", Z_KINDS)
        ring = np.zeros(0 if kind == "ewm" else window)
        super().__init__(
            parameters=np.array([window, Z_KINDS.index(kind), lag], dtype=np.float64),
            ring=ring,
            ordered=np.zeros(window if kind == "robust" else 0),
            sums=np.full(Z_SUMS, np.nan),
            counts=np.zeros(Z_COUNTS, dtype=np.int64),
        )
        self.bars_needed = window
        self._window, self._kind, self._lag = window, kind, lag

    @property
    def next_mean(self) -> float:
        """Mean (or median) of the bars so far: what the next bar is judged by with lag 1."""
        return float(self._parts["sums"][0])

    @property
    def next_deviation(self) -> float:
        """Deviation of the bars so far: what the next bar is judged by with lag 1."""
        return float(self._parts["sums"][1])

    def extend(self, spread: Any) -> ZScore:
        """Take in new bars and return the score of each of them."""
        spread = floats(spread, "spread")
        z, mean, deviation = (np.empty(len(spread)) for _ in range(3))
        out = (z, mean, deviation)
        parts, lag = self._parts, self._lag
        sums, counts = parts["sums"], parts["counts"]
        if self._kind == "ewm":
            ewm_z(spread, lag, self._window, sums, counts, *out)
        elif self._kind == "robust":
            robust_z(spread, lag, parts["ring"], parts["ordered"], sums, counts, *out)
        else:
            roll_z(spread, lag, parts["ring"], sums, counts, *out)
        return ZScore(*out)


def zscore(spread: Any, window: int, kind: ZKind = "rolling", lag: int = 1) -> ZScore:
    """Score every bar of a spread against the window before it.

    Parameters
    ----------
    spread : array, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        Any unit; NaN and infinities are skipped. The columns of a DataFrame are spreads of their
        own.
    window, kind, lag
        As in `RollingZ`.

    Returns
    -------
    ZScore
        On the index (and columns) of `spread` if it has them. With lag 1 the first score is at
        usable bar number ``window + 1``.

    Examples
    --------
    >>> spread = np.array([1.0, 3.0, 2.0, 5.0])
    >>> zscore(spread, window=3).z.round(3)
    array([nan, nan, nan,  3.])
    """
    if is_frame(spread):
        scores: ZScore = by_column(spread, "spread", lambda one: zscore(one, window, kind, lag))
        return scores
    score = RollingZ(window, kind, lag).extend(spread)
    return ZScore(
        like(spread, score.z, "z"),
        like(spread, score.mean, "mean"),
        like(spread, score.deviation, "deviation"),
    )
