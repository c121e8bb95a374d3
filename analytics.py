"""The mathematics: hedge ratios, cointegration, spreads and their z-scores.

    import analytics

    hedge = analytics.rolling_ols(y, x, window=100)
    z = analytics.zscore(hedge.spread(y, x), window=100)
    analytics.engle_granger(y, x).p_value

Arrays, Series and DataFrames go in; results have plain names. `help(analytics.engle_granger)`
says what one of them computes.
"""

from tandem.analytics import *  # noqa: F403
from tandem.analytics import __all__  # noqa: F401
