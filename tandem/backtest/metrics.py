"""The usual figures of a backtest, with how each is defined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tandem.core.clock import DAY_US, YEAR_US
from tandem.kernels import performance as places
from tandem.kernels.trading import batch as counted

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Period = Literal["auto", "bar", "day"]

# Days from which on returns are counted by day rather than by bar.
ENOUGH_DAYS = 60
# A growth rate per year from less than this says nothing and can be any number.
LEAST_YEARS = 1.0 / 12.0


@dataclass(frozen=True, slots=True)
class Periods:
    """How returns are counted: by bar or by UTC day.

    Attributes
    ----------
    first : int
        The first bar that counts.
    ends : ndarray of int64
        The last bar of each period.
    per_year : float
        Periods per year of 365.25 days, as many as the data have: 252 or so where days are
        trading days, 365.25 where the market never closes.
    years : float
        Time from the first bar that counts to the end of the last.
    kind : {"bar", "day"}
    """

    first: int
    ends: Indices
    per_year: float
    years: float
    kind: Literal["bar", "day"]

    @property
    def text(self) -> str:
        """Describe the return period and the annualisation factor."""
        return (
            f"returns by {self.kind}, as % of initial capital; "
            f"{self.per_year:,.1f} per year, so ratios are multiplied by "
            f"{math.sqrt(self.per_year):.4g}"
        )


def periods(
    time_us: npt.NDArray[np.int64], bar_us: int, first: int = 0, period: Period = "auto"
) -> Periods:
    """Cut the bars from `first` on into periods.

    "auto" counts by UTC day where bars are shorter than a day and span at least 60 of them, by bar
    otherwise. A day without bars is no period.
    """
    time_us = time_us[first:]
    if not len(time_us):
        return Periods(first, np.empty(0, np.int64), math.nan, 0.0, "bar")
    years = float(time_us[-1] + bar_us - time_us[0]) / YEAR_US
    if period == "auto":
        days = int(time_us[-1] // DAY_US - time_us[0] // DAY_US)
        period = "day" if bar_us < DAY_US and days >= ENOUGH_DAYS else "bar"
    last = np.arange(len(time_us))
    if period == "day":
        day = time_us // DAY_US
        last = np.append(np.flatnonzero(day[1:] != day[:-1]), len(day) - 1)
    return Periods(first, last + first, len(last) / years, years, period)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a backtest earned; `DEFINITIONS` says how each figure is meant.

    Money is in the quote currency, times in microseconds, shares are fractions. NaN where there is
    nothing to count.
    """

    net: float
    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    sharpe_error: float
    sortino: float
    calmar: float
    max_drawdown: float
    drawdown_us: int
    under_water_us: int
    trades: int
    hit_rate: float
    profit_factor: float
    average_trade: float
    average_holding_us: float
    average_holding_bars: float
    time_in_market: float
    turnover: float
    mean_gross: float
    most_gross: float
    convergence: float
    hedge_drift: float
    fees: float
    spread_cost: float
    funding: float
    borrow: float
    open_profit: float
    refused: int
    lowest_equity: float
    period_sharpe: float
    skew: float
    kurtosis: float
    periods: int
    per_year: float
    years: float


DEFINITIONS: dict[str, str] = {
    "net": "final equity minus initial capital; an open position is marked to market",
    "total_return": "net / capital",
    "cagr": "(final equity / capital)^(1 / years) - 1; needs a month of data",
    "volatility": "standard deviation of the returns (n - 1) times \u221aperiods per year",
    "sharpe": "mean return / standard deviation, times \u221aperiods per year; no risk-free "
    "rate is deducted, since the figures already include financing of both legs",
    "sharpe_error": "standard error of the Sharpe ratio for the returns' own skew and kurtosis, "
    "annualised (Mertens 2002); assumes uncorrelated returns",
    "sortino": "mean return / downside deviation (root mean squared negative return), annualised "
    "like Sharpe",
    "calmar": "CAGR / max drawdown",
    "max_drawdown": "largest decline from peak equity, as a share of the peak, measured at every "
    "bar",
    "drawdown_us": "from the peak before the max drawdown to recovery, or to the end",
    "under_water_us": "longest time below a previous peak",
    "trades": "closed round trips",
    "hit_rate": "share of closed trades with a profit after all costs",
    "profit_factor": "gross profit of winning trades / gross loss of losing trades",
    "average_trade": "mean P&L of closed trades after all costs",
    "average_holding_us": "mean time from entry to exit fill",
    "average_holding_bars": "mean number of bar closes a trade was held",
    "time_in_market": "share of bar closes with an open position",
    "turnover": "value of all fills per year / capital",
    "mean_gross": "mean gross exposure over all bars / capital",
    "most_gross": "largest gross exposure at a close / capital",
    "convergence": "P&L of closed trades from the model's spread reverting",
    "hedge_drift": "P&L of closed trades from hedge re-estimation and from sizes other than beta",
    "fees": "fees of closed trades",
    "spread_cost": "half-spreads, slippage and ticks of closed trades",
    "funding": "funding paid by closed trades (negative: earned)",
    "borrow": "borrow cost of closed trades' short legs",
    "open_profit": "remainder of net: P&L of the open position, marked to market",
    "refused": "bars on which an entry, or a rebalance to zero X, was rejected by lot size or min "
    "notional",
    "lowest_equity": "lowest equity at a close; at or below 0 the account was wiped out",
    "period_sharpe": "Sharpe ratio per period, not annualised",
    "skew": "skewness of the returns",
    "kurtosis": "kurtosis of the returns (3 for normal ones)",
    "periods": "number of returns",
    "per_year": "periods per year",
    "years": "length of the sample used, in years of 365.25 days",
}


def sharpe_error(period_sharpe: float, skew: float, kurtosis: float, count: int) -> float:
    """Return the standard error of a per-period Sharpe ratio from `count` returns.

    ``sqrt((1 - skew S + (kurtosis - 1) / 4 S^2) / (count - 1))`` (Mertens 2002), which is
    ``1 / sqrt(count - 1)`` for a ratio of zero.
    """
    if count < 2:
        return math.nan
    inside = 1.0 - skew * period_sharpe + (kurtosis - 1.0) / 4.0 * period_sharpe**2
    return math.sqrt(max(inside, 0.0) / (count - 1))


def metrics(
    figures: Floats,
    counts: Floats,
    cut: Periods,
    time_us: npt.NDArray[np.int64],
    bar_us: int,
    capital: float,
) -> Metrics:
    """Return the figures from the sums of the compiled loops.

    Those are `tandem.kernels.performance.measure` and `tandem.kernels.trading.batch.run_lean`.
    """
    mean, deviation = float(figures[places.MEAN]), float(figures[places.DEVIATION])
    root = math.sqrt(cut.per_year) if cut.per_year > 0.0 else math.nan
    one = mean / deviation if deviation > 0.0 else math.nan
    skew, kurtosis = float(figures[places.SKEW]), float(figures[places.KURTOSIS])
    final, drawdown = float(figures[places.FINAL]), float(figures[places.DRAWDOWN])
    growth = _growth(final / capital, cut.years)
    bars = len(time_us) - cut.first
    money: dict[str, Any] = {
        name: float(counts[place])
        for name, place in (
            ("convergence", counted.CONVERGENCE), ("hedge_drift", counted.HEDGE_DRIFT),
            ("fees", counted.FEES), ("spread_cost", counted.SPREAD_COST),
            ("funding", counted.FUNDING), ("borrow", counted.BORROW),
        )
    }  # fmt: skip
    return Metrics(
        net=final - capital,
        total_return=final / capital - 1.0,
        cagr=growth,
        volatility=deviation * root,
        sharpe=one * root,
        sharpe_error=sharpe_error(one, skew, kurtosis, len(cut.ends)) * root,
        sortino=_ratio(mean, float(figures[places.DOWNSIDE])) * root,
        calmar=_ratio(growth, drawdown),
        max_drawdown=drawdown,
        drawdown_us=_span(figures[places.PEAK_BAR], figures[places.RECOVERED_BAR], time_us, bar_us),
        under_water_us=_span(
            figures[places.LONGEST_FROM], figures[places.LONGEST_TO], time_us, bar_us
        ),
        **_per_trade(counts),
        time_in_market=_ratio(float(counts[counted.BARS_IN]), bars),
        turnover=_ratio(float(counts[counted.TRADED]) / capital, cut.years),
        mean_gross=float(figures[places.GROSS_MEAN]) / capital,
        most_gross=float(figures[places.GROSS_MOST]) / capital,
        **money,
        open_profit=final - capital - float(counts[counted.GAINS] - counts[counted.LOSSES]),
        refused=int(counts[counted.REFUSED]),
        lowest_equity=float(figures[places.LOWEST]),
        period_sharpe=one,
        skew=skew,
        kurtosis=kurtosis,
        periods=len(cut.ends),
        per_year=cut.per_year,
        years=cut.years,
    )


def _per_trade(counts: Floats) -> dict[str, Any]:
    trades = int(counts[counted.TRADES])
    gains, losses = float(counts[counted.GAINS]), float(counts[counted.LOSSES])
    factor = gains / losses if losses > 0.0 else math.inf if gains > 0.0 else math.nan
    return {
        "trades": trades,
        "hit_rate": _ratio(float(counts[counted.WINS]), trades),
        "profit_factor": factor,
        "average_trade": _ratio(gains - losses, trades),
        "average_holding_us": _ratio(float(counts[counted.HELD_US]), trades),
        "average_holding_bars": _ratio(float(counts[counted.HELD_BARS]), trades),
    }


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0.0 else math.nan


def _growth(multiple: float, years: float) -> float:
    if years < LEAST_YEARS:
        return math.nan
    if multiple <= 0.0:
        return -1.0
    return math.exp(min(math.log(multiple) / years, 700.0)) - 1.0


def _span(start: float, stop: float, time_us: npt.NDArray[np.int64], bar_us: int) -> int:
    """Return the time between two closes; bar -1 is the start of bar 0."""
    first, last = int(start), min(int(stop), len(time_us) - 1)
    if last <= first or last < 0:
        return 0
    begin = int(time_us[first]) + bar_us if first >= 0 else int(time_us[0])
    return int(time_us[last]) + bar_us - begin
