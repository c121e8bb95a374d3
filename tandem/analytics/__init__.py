"""The mathematics of a pair: hedge, cointegration, spread, z-score.

What is given comes back: arrays for arrays, Series on their index, a DataFrame of one column (for a
series or a leg of a pair) on its index and column. A function that makes a column of one series
takes a DataFrame of several and works column by column; where several make no sense it says so.
Everything at bar t uses data up to and including t. A bar with NaN or infinity in either leg is not
usable: it gets NaN, changes no state, and windows count usable bars only. Arguments that cannot
give an answer raise `tandem.core.errors.DataError`; bars that cannot give one are NaN.
"""

from tandem.analytics.defects import Defect, DefectKind, find_defects
from tandem.analytics.drift import Cusum, cusum, rolling_engle_granger
from tandem.analytics.engle_granger import AdfTest, EngleGranger, adf, engle_granger, rolling_adf
from tandem.analytics.hedges import Hedge, RollingHuber, RollingOls, rolling_huber, rolling_ols
from tandem.analytics.kalman_filter import KalmanHedge, KalmanStates, kalman
from tandem.analytics.kalman_fit import KalmanFit, fit_kalman
from tandem.analytics.kalman_smoother import SmoothedHedge, smooth_kalman
from tandem.analytics.persistence import (
    HalfLife,
    VarianceRatio,
    half_life,
    hurst,
    variance_ratio,
    zero_crossings,
)
from tandem.analytics.quality import SpreadQuality, spread_quality
from tandem.analytics.system import Johansen, PhillipsOuliaris, johansen, phillips_ouliaris
from tandem.analytics.trend import (
    Momentum,
    correlation,
    momentum,
    realised_volatility,
    roll_spread,
    rsi,
)
from tandem.analytics.verdict import Soundness, soundness
from tandem.analytics.warmup import warm_up
from tandem.analytics.zscores import RollingZ, ZScore, zscore

__all__ = [
    "AdfTest",
    "Cusum",
    "Defect",
    "DefectKind",
    "EngleGranger",
    "HalfLife",
    "Hedge",
    "Johansen",
    "KalmanFit",
    "KalmanHedge",
    "KalmanStates",
    "Momentum",
    "PhillipsOuliaris",
    "RollingHuber",
    "RollingOls",
    "RollingZ",
    "SmoothedHedge",
    "Soundness",
    "SpreadQuality",
    "VarianceRatio",
    "ZScore",
    "adf",
    "correlation",
    "cusum",
    "engle_granger",
    "find_defects",
    "fit_kalman",
    "half_life",
    "hurst",
    "johansen",
    "kalman",
    "momentum",
    "phillips_ouliaris",
    "realised_volatility",
    "roll_spread",
    "rolling_adf",
    "rolling_engle_granger",
    "rolling_huber",
    "rolling_ols",
    "rsi",
    "smooth_kalman",
    "soundness",
    "spread_quality",
    "variance_ratio",
    "warm_up",
    "zero_crossings",
    "zscore",
]
