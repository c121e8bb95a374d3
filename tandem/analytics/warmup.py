"""Compiling ahead of need."""

from __future__ import annotations

import numpy as np

from tandem.analytics.drift import cusum
from tandem.analytics.engle_granger import engle_granger
from tandem.analytics.hedges import RollingHuber, RollingOls
from tandem.analytics.kalman_filter import KalmanHedge
from tandem.analytics.persistence import half_life, hurst
from tandem.analytics.trend import correlation, momentum
from tandem.analytics.zscores import Z_KINDS, RollingZ


def warm_up() -> None:
    """Compile, or load from the cache, every kernel the live page uses.

    Takes tens of seconds where nothing is cached, a fraction of a second otherwise. Safe in a
    background thread; a kernel called meanwhile from elsewhere waits for its own compilation only.
    """
    bar = np.arange(60.0)
    x = 100.0 + np.sin(bar) + 0.1 * bar
    y = 2.0 * x + np.cos(1.7 * bar)
    for hedge in (RollingOls(10), RollingHuber(10), KalmanHedge(10)):
        hedge.extend(y, x).spread(y, x)
    for kind in Z_KINDS:
        RollingZ(10, kind).extend(y)
    momentum(y, 10)
    correlation(y, x, 10)
    residual = engle_granger(y, x).residual
    half_life(residual)
    hurst(residual)
    cusum(y, x)
