"""Compiled loops: arrays in, arrays out. No checks here; `analytics` is the door."""

from tandem.kernels.adf import lag_sums, level_statistic, roll_adf
from tandem.kernels.huber import HUBER_COUNTS, HUBER_FIT, roll_huber
from tandem.kernels.kalman import KALMAN_STATE, kalman_likelihood, run_kalman, start_kalman
from tandem.kernels.ols import OLS_COUNTS, OLS_SUMS, roll_ols
from tandem.kernels.regression import take_out
from tandem.kernels.roots import roots_inside
from tandem.kernels.series import (
    less_hedge,
    relative_changes,
    relative_strength,
    root_mean_square_return,
    slope_against_time,
)
from tandem.kernels.steps import mean_squared_steps, variance_ratio_parts
from tandem.kernels.surveillance import (
    BAR_INPUTS,
    BAR_OUTPUTS,
    BAR_RING,
    BAR_STATE,
    MOMENTUM_STATE,
    score_forest,
    watch_bars,
    watch_momentum,
)
from tandem.kernels.watched_scores import LAST_STATE, PRICE_OUTPUTS, watch_columns, watch_prices
from tandem.kernels.zscore import Z_COUNTS, Z_SUMS, ewm_z, robust_z, roll_z

__all__ = [
    "BAR_INPUTS",
    "BAR_OUTPUTS",
    "BAR_RING",
    "BAR_STATE",
    "HUBER_COUNTS",
    "HUBER_FIT",
    "KALMAN_STATE",
    "MOMENTUM_STATE",
    "OLS_COUNTS",
    "OLS_SUMS",
    "LAST_STATE",
    "PRICE_OUTPUTS",
    "Z_COUNTS",
    "Z_SUMS",
    "ewm_z",
    "kalman_likelihood",
    "lag_sums",
    "less_hedge",
    "level_statistic",
    "mean_squared_steps",
    "relative_changes",
    "relative_strength",
    "robust_z",
    "roll_adf",
    "roll_huber",
    "roll_ols",
    "roll_z",
    "root_mean_square_return",
    "roots_inside",
    "run_kalman",
    "score_forest",
    "slope_against_time",
    "start_kalman",
    "take_out",
    "variance_ratio_parts",
    "watch_bars",
    "watch_columns",
    "watch_momentum",
    "watch_prices",
]
