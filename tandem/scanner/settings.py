"""What a scan is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tandem.analytics.critical_values import Trend
from tandem.analytics.inputs import check_trend, positive, whole
from tandem.core.errors import DataError
from tandem.strategy.rules import DEFAULT_COSTS, Costs

Direction = Literal["name", "volatility", "order", "both"]
DIRECTIONS: tuple[Direction, ...] = ("name", "volatility", "order", "both")
# With fewer bars than this nothing is tested, whatever is asked for.
FEWEST = 50


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """How every pair of a table is tested.

    Attributes
    ----------
    log_prices : bool
        Test log prices; beta is then a ratio of notionals. An instrument with a price of 0 or less
        is left out.
    trend : {"c", "n", "ct"}
        Terms beside x in the regression: a constant, nothing, a constant and a trend.
    max_lags : int, optional
        Most lagged changes AIC may choose; by default ``12 (bars / 100)^(1/4)``, and only then are
        p-values raised for the search.
    direction : {"name", "volatility", "order", "both"}
        Which leg is y, said before any statistic is seen: the first by name; the one whose returns
        vary more; the one whose column comes first. "both" tests both ways and doubles the smaller
        p-value (Bonferroni).
    fewest_bars : int
        Bars both legs need, 50 at the least.
    stale_bars : int
        An instrument without a price in the table's last so many bars is left out.
    most_unchanged : float
        An instrument whose price repeats the one before in a larger share of its bars is left out.
    level : float
        Which p-value or q-value is called a finding.
    bar_seconds : float, optional
        Length of a bar; by default the usual step of the table's times. Without either, crossings
        per day are not known.
    costs : Costs
        Of a fill, for the move of the spread that pays for a round trip.
    """

    log_prices: bool = True
    trend: Trend = "c"
    max_lags: int | None = None
    direction: Direction = "name"
    fewest_bars: int = 100
    stale_bars: int = 60
    most_unchanged: float = 0.9
    level: float = 0.05
    bar_seconds: float | None = None
    costs: Costs = DEFAULT_COSTS

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_trend(self.trend)
        if self.direction not in DIRECTIONS:
            names = ", ".join(DIRECTIONS)
            raise DataError(f"direction is {self.direction!r:.20}; it can be {names}.")
        if self.max_lags is not None and whole(self.max_lags, "max_lags", 0) > 1_000:
            raise DataError(f"max_lags is {self.max_lags}; 1,000 is the most.")
        whole(self.fewest_bars, "fewest_bars", FEWEST)
        whole(self.stale_bars, "stale_bars", 1)
        for name in ("most_unchanged", "level"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise DataError(f"{name} is {value!r:.20}; give a share above 0, at most 1.")
        if self.bar_seconds is not None:
            positive(self.bar_seconds, "bar_seconds")

    @property
    def bars_needed(self) -> int:
        """Bars a pair needs: those asked for, and enough for the regression with the most lags."""
        if self.max_lags is None:
            return self.fewest_bars
        # With k lags there are bars - 1 - k rows for k + 1 coefficients and something left over.
        return max(self.fewest_bars, 2 * self.max_lags + 3)

    def check_bars(self, bars: int) -> None:
        """Refuse lags that so many bars have no rows for.

        Raises
        ------
        DataError
            It names the lags, the bars there are and the lags that fit.
        """
        needed = 2 * (self.max_lags or 0) + 3
        if self.max_lags and bars < needed:
            fit = max((bars - 3) // 2, 0)
            raise DataError(
                f"max_lags is {self.max_lags:,}, for which {needed:,} bars are needed, and there "
                f"are {bars:,}; give {fit:,} lags at most, or more bars."
            )

    @property
    def terms(self) -> int:
        """Deterministic terms of the regression."""
        return 0 if self.trend == "n" else len(self.trend)
