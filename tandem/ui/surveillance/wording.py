"""What the detail of a watched instrument says: tables and sentences. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tandem.analytics.trend import SECONDS_PER_YEAR
from tandem.core.clock import SECOND_US
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import MOMENTUM_LIMIT, Momentum, yearly
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import Forecast
from tandem.ui.shared import format as f
from tandem.ui.shared.sheets import Cell, Sheet, cell, sheet
from tandem.ui.surveillance.overview import DIRECTIONS, FEATURE_NAMES, Scores

REALISED_S = 300

WALL_HELP = (
    "z: z-score of the last trade price against the preceding {trades} trades. Return z: z-score "
    "of the last 1 s return against the preceding {bars}. Both turn red beyond \u00b1{limit:g}. "
    "Anomaly: Isolation Forest score, red above its threshold. Trend: \u25b2 bullish or \u25bc "
    "bearish when all momentum horizons agree. Red edge: flagged in the last {hold} s; red row: "
    "unacknowledged critical alert in the last {alert} min; grey: stale."
)
SCORES_HELP = (
    "Red marks are flagged bars; hover for the reason. Return z: z-score of the 1 s return against "
    "the preceding {window} bars, flagged beyond \u00b1{limit:g}. Anomaly score: Isolation Forest "
    "score from 0 to 1; flagged above the threshold line."
)
FEATURES_HELP = (
    "Features available to the Isolation Forest (in use: {used}). RSI: relative strength index. "
    "Volatility: standard deviation of 1 s returns. Volume change and trade intensity: log ratio "
    "of this second to the mean of the preceding ones; 0 is normal. Order-flow imbalance: taker "
    "buys minus taker sells, over their sum. Window: {window} bars."
)
LIQUIDITY_HELP = (
    "Price impact and liquidity. Amihud: absolute return per million traded. Kyle's \u03bb: price "
    "change per unit of net buying. Roll: implied bid-ask spread from price reversals, undefined "
    "where there are none. Imbalance and intensity as under features. {shock} or more simultaneous "
    "outliers are a liquidity shock."
)
PROFILE_HELP = (
    "Volume by price over the last {trades:,} trades in memory. The point of control is the price "
    "with the most volume; the value area, {low} to {high}, holds {share:.0%} of the volume."
)
MOMENTUM_HELP = (
    "Least-squares slope of price against time, with its t-statistic. On a random walk this t "
    f"grows with the square root of the horizon, so the critical value is {MOMENTUM_LIMIT:g} "
    "\u00d7 \u221abars: 95 % of random walks stay within it, whereas |t| > 2 would flag nine in "
    "ten as trending."
)
VOLATILITY_HELP = (
    "Annualised. Realised: from squared 1 s returns over the last five minutes. EWMA: the "
    "same, exponentially weighted (decay {decay:g}). GARCH(1,1): forecast for the coming seconds, "
    "fitted on request."
)
APART_HELP = (
    "Moves of a pair's two legs over {within} s, in percent; flagged above {limit:g} % divergence."
)


# The model ------------------------------------------------------------------------------


def model_text(forest: Forest | None, problem: str, scores: Scores, settings: WatchSettings) -> str:
    """Describe the model in use and the next retraining, or why there is no model."""
    if forest is None:
        have = len(scores)
        text = problem or "No Isolation Forest has been trained yet."
        if have < settings.least_bars:
            left = f.duration(float(settings.least_bars - have))
            text += (
                f" Collected {have:,} of {settings.least_bars:,} bars; ready in about {left} if "
                "every second trades. z-scores, momentum and liquidity work without it."
            )
        return text
    new = int(np.count_nonzero(scores["time_us"] > forest.to_us))
    bars_left = settings.retrain_bars - new
    again = (
        f"after {bars_left:,} more bars (about {f.duration(float(bars_left))} "
        "if every second trades)"
        if bars_left > 0
        else "when the current training finishes"
    )
    share = f"{100.0 * forest.contamination:g} %"
    return (
        f"Isolation Forest {forest.version}, trained on {forest.bars:,} bars from "
        f"{f.day_clock(forest.from_us)} to {f.day_clock(forest.to_us)} UTC with "
        f"{_listed([FEATURE_NAMES[name] for name in forest.features])}; contamination {share}; "
        f"scores above {forest.cut:.3f} are flagged. Next retraining {again}. {problem}"
    ).strip()


def doubts(scores: Scores, settings: WatchSettings) -> list[str]:
    """Return what cannot be measured, and why: short history, constant price, no volume."""
    if not len(scores):
        return ["No bar has closed yet; numbers and charts appear with the first bars."]
    said = []
    if len(scores) <= settings.bar_window:
        said.append(
            f"Warming up: z-scores use a window of {settings.bar_window} bars and {len(scores)} "
            "are available; they become reliable as the window fills."
        )
    tail = scores[-settings.bar_window :]
    if len(tail) > settings.window and float(np.ptp(tail["price"])) == 0.0:
        said.append(
            f"The price has not moved in {len(tail)} bars: its variance is zero, so z-scores, "
            "momentum and GARCH are undefined until it does."
        )
    if not (tail["volume"] > 0.0).any():
        said.append(
            "This source provides prices without volume: volume change, order flow, liquidity and "
            "the volume profile are empty and unavailable to the Isolation Forest. Prices, returns "
            "and momentum are still monitored."
        )
    return said


# Tables ---------------------------------------------------------------------------------


def momentum_sheet(found: Sequence[Momentum], price: float) -> Sheet:
    """Return momentum, a row per horizon."""
    rows = []
    for one in found:
        arrow, word = DIRECTIONS[one.direction]
        per_minute = one.slope * 60.0 / price * 1e4 if price > 0.0 else math.nan
        rows.append(
            [
                f.duration(float(one.bars)),
                f"{f.signed(per_minute)} bp/min",
                f.signed(one.statistic, 1),
                f"\u00b1{MOMENTUM_LIMIT * math.sqrt(one.bars):.1f}",
                f"{arrow} {word}" if one.direction else word,
            ]
        )
    columns = [
        ("Horizon", "", "Number of 1 s bars; seconds without a trade have no bar."),
        ("Slope", "end", "Slope of the least-squares line through the prices."),
        ("t", "end", "Slope divided by its standard error."),
        ("Critical t", "end", "2.82 \u00d7 \u221abars."),
        ("Direction", "", "Bullish or bearish where |t| exceeds the critical value."),
    ]
    return sheet("momentum", "Momentum", MOMENTUM_HELP, columns, rows)


def realised(scores: Scores, seconds: int = REALISED_S) -> float:
    """Return the realised volatility of the last `seconds`, percent per year; NaN without bars."""
    if len(scores) < 2:
        return math.nan
    times = scores["time_us"]
    first = int(np.searchsorted(times, times[-1] - seconds * SECOND_US, "left"))
    elapsed_s = (times[-1] - times[first]) / SECOND_US
    squares = float(np.nansum(scores["return_"][first + 1 :] ** 2))
    if elapsed_s <= 0:
        return math.nan
    return 100.0 * math.sqrt(squares / elapsed_s * SECONDS_PER_YEAR)


def volatility_sheet(
    scores: Scores, settings: WatchSettings, forecast: Forecast | None, age_s: float = math.nan
) -> Sheet:
    """Return realised, weighted and forecast volatility."""
    weighted = yearly(scores[-1]) if len(scores) else math.nan
    decay = f"decay {settings.ewma_decay:g} per bar"
    rows = [
        _volatility("Realised, 5 min", realised(scores), REALISED_S, "squared returns"),
        _volatility("EWMA", weighted, 60, decay),
    ]
    if forecast is not None and len(scores) > 1:
        # It was fitted to bars, and a second without a trade has none.
        spacing_s = float(np.mean(np.diff(scores["time_us"]))) / SECOND_US
        span_s = len(forecast.deviation) * spacing_s
        expected = forecast.percent_per_year(spacing_s)
        fitted = (
            f"fitted {f.age(age_s)} ago on {forecast.returns:,} returns: \u03b1 "
            f"{forecast.alpha:.3f}, \u03b2 {forecast.beta:.3f}"
        )
        rows.append(_volatility(f"GARCH, next {f.duration(span_s)}", expected, span_s, fitted))
    columns = [
        ("Volatility", "", ""),
        ("Ann. vol, %", "end", "Annualised volatility."),
        ("1 \u03c3 move", "end", "One standard deviation of the return over the stated horizon."),
        ("Method", "long", ""),
    ]
    title_help = VOLATILITY_HELP.format(decay=settings.ewma_decay)
    return sheet("volatility", "Volatility", title_help, columns, rows)


def _volatility(name: str, yearly: float, span_s: float, how: str) -> list[str]:
    deviation = yearly / 100.0 * math.sqrt(span_s / SECONDS_PER_YEAR) * 1e4
    return [
        name,
        f.number(yearly, 1),
        f"{f.number(deviation, 1)} bp over {f.duration(span_s)}",
        how,
    ]


def apart_sheet(
    instrument: str, pairs: Mapping[str, Apart | None], settings: WatchSettings
) -> Sheet:
    """Return the leg divergence of this instrument's pairs."""
    rows: list[list[Cell | str]] = []
    for scope, now in pairs.items():
        y, _, x = scope.partition("~")
        if instrument not in (y, x):
            continue
        far = now is not None and abs(now.percent) > settings.divergence_percent
        percent, y_move, x_move = (
            (now.percent, now.y_move, now.x_move) if now else (math.nan, math.nan, math.nan)
        )
        rows.append(
            [
                f"{f.symbol_of(y)} and {f.symbol_of(x)}",
                cell(f.percent(percent / 100.0, 2), "bad" if far else ""),
                f.percent(y_move / 100.0, 2),
                f.percent(x_move / 100.0, 2),
            ]
        )
    title_help = APART_HELP.format(within=settings.divergence_s, limit=settings.divergence_percent)
    if not rows:
        title_help += " This instrument is not a leg of any running pair; open one on Live."
    columns = [
        ("Pair", "", ""),
        ("Divergence", "end", "First leg's move minus the second's."),
        ("First leg", "end", ""),
        ("Second leg", "end", ""),
    ]
    return sheet("apart", "Leg divergence by pair", title_help, columns, rows)


def settings_sheet(settings: WatchSettings) -> Sheet:
    """Return the monitoring settings, for those with read-only access."""
    rows = [
        ("Outlier threshold, |z|", f"{settings.anomaly_z:g}"),
        ("Isolation Forest features",
         _listed([FEATURE_NAMES[name] for name in settings.features])),
        ("Contamination", f"{100.0 * settings.contamination:g} %"),
        ("Retrain interval", f.duration(float(settings.retrain_bars))),
        ("Leg divergence threshold", f"{settings.divergence_percent:g} %"),
        ("Divergence window", f"{settings.divergence_s} s"),
    ]  # fmt: skip
    columns = [("Setting", "", ""), ("Value", "end", "")]
    return sheet("watch-settings", "Monitoring settings", "", columns, rows)


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
