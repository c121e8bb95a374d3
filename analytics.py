"""The mathematics: hedge ratios, cointegration, spreads and their z-scores.

    >>> import analytics, backtest
    >>> bars, y, x = backtest.crude()
    >>> hedge = analytics.rolling_ols(bars.y, bars.x, window=60)
    >>> z = analytics.zscore(hedge.spread(bars.y, bars.x), window=24).z
    >>> analytics.engle_granger(bars.y, bars.x).n_obs
    393

Arrays, Series and DataFrames go in; results have plain names. `help(analytics.engle_granger)`
says what one of them computes.
"""

from tandem.analytics import *  # noqa: F403
from tandem.analytics import __all__  # noqa: F401
