"""What an equity curve was worth: moments of its returns, drawdown, exposure."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# Places in what `measure` fills.
MEAN, DEVIATION, DOWNSIDE, SKEW, KURTOSIS = range(5)
DRAWDOWN, PEAK_BAR, TROUGH_BAR, RECOVERED_BAR, LONGEST_FROM, LONGEST_TO = range(5, 11)
GROSS_MEAN, GROSS_MOST, LOWEST, FINAL = range(11, 15)
FIGURES = 15


@compiled
def _moments(equity: Floats, ends: Indices, capital: float, figures: Floats) -> None:
    """Fill the moments of the returns from period to period, in shares of the capital."""
    count = len(ends)
    total = 0.0
    before = capital
    for i in range(count):
        total += (equity[ends[i]] - before) / capital
        before = equity[ends[i]]
    mean = total / count if count else np.nan
    second = third = fourth = below = 0.0
    before = capital
    for i in range(count):
        change = (equity[ends[i]] - before) / capital
        before = equity[ends[i]]
        away = change - mean
        square = away * away
        second += square
        third += square * away
        fourth += square * square
        if change < 0.0:
            below += change * change
    figures[MEAN] = mean
    figures[DEVIATION] = math.sqrt(second / (count - 1)) if count > 1 else np.nan
    figures[DOWNSIDE] = math.sqrt(below / count) if count else np.nan
    figures[SKEW] = figures[KURTOSIS] = np.nan
    if second > 0.0:
        variance = second / count
        figures[SKEW] = third / count / (variance * math.sqrt(variance))
        figures[KURTOSIS] = fourth / count / (variance * variance)


@compiled
def measure(
    equity: Floats, gross: Floats, first: int, ends: Indices, capital: float, figures: Floats
) -> None:
    """Fill the figures of the bars from `first` on.

    `equity` starts from `capital` just before bar `first`; `ends` are the last bars of the periods
    whose returns count. The drawdown is the largest fall below the highest equity so far, in shares
    of it; its peak is bar ``first - 1`` where that is the capital itself. RECOVERED_BAR is the
    first bar that regains the peak, or the number of bars where there is none. LONGEST_FROM and
    LONGEST_TO are the same two bars of the longest time below a peak.
    """
    _moments(equity, ends, capital, figures)
    bars = len(equity)
    peak, peak_bar = capital, first - 1
    worst, worst_peak, trough, recovered = 0.0, first - 1, first - 1, first - 1
    is_open = False
    longest, long_from, long_to = 0, first - 1, first - 1
    lowest, total, most = capital, 0.0, 0.0
    for t in range(first, bars):
        value = equity[t]
        if value >= peak:
            if t - peak_bar > longest and t - peak_bar > 1:
                longest, long_from, long_to = t - peak_bar, peak_bar, t
            if is_open:
                recovered, is_open = t, False
            peak, peak_bar = value, t
        else:
            if peak - value > worst * peak:
                worst, worst_peak = (peak - value) / peak, peak_bar
                trough, is_open = t, True
            if value < lowest:
                lowest = value
        total += gross[t]
        if gross[t] > most:
            most = gross[t]
    if is_open:
        recovered = bars
    if bars - peak_bar > longest and bars - 1 > peak_bar:
        long_from, long_to = peak_bar, bars
    figures[DRAWDOWN], figures[PEAK_BAR], figures[TROUGH_BAR] = worst, worst_peak, trough
    figures[RECOVERED_BAR], figures[LONGEST_FROM], figures[LONGEST_TO] = (
        recovered, long_from, long_to,
    )  # fmt: skip
    figures[GROSS_MEAN] = total / (bars - first) if bars > first else np.nan
    figures[GROSS_MOST], figures[LOWEST] = most, lowest
    figures[FINAL] = equity[bars - 1] if bars > first else capital
