"""What the detail of a watched instrument says: tables and sentences. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tandem.analytics.trend import SECONDS_PER_YEAR
from tandem.core.clock import SECOND_US
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import MOMENTUM_LIMIT, Momentum, yearly
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import Forecast
from tandem.ui.shared import format as f
from tandem.ui.surveillance.overview import DIRECTIONS, FEATURE_NAMES, Scores

Sheet = dict[str, Any]

REALISED_S = 300

WALL_HELP = (
    "z: the last trade's price in deviations from the {trades} trades before it. Return z: the "
    "last second's return against the {bars} before it. Both are red beyond \u00b1{limit:g}. "
    "Anomaly: score of an Isolation Forest, red beyond its mark. Trend: \u25b2 bullish or \u25bc "
    "bearish where every horizon of momentum says so. Red edge: flagged in the last {hold} s; red "
    "row: a critical alert of the last {alert} min that nobody acknowledged; grey: stale."
)
SCORES_HELP = (
    "Red marks are flagged seconds; hover to read why. z of the return: how many deviations this "
    "second's return is from the mean of the {window} bars before it, flagged beyond "
    "\u00b1{limit:g}. Anomaly score: how quickly an Isolation Forest sets the bar apart from the "
    "others, from 0 to 1; flagged above its line."
)
FEATURES_HELP = (
    "What the forest may look at ({used} are used). RSI: rises against falls. Volatility: "
    "deviation of one-second returns. Volume change and trade intensity: log of this second over "
    "the mean of those before it; 0 is usual. Order-flow imbalance: bought minus sold by takers, "
    "over both. Over the last {window} bars."
)
LIQUIDITY_HELP = (
    "How easily the price moves. Amihud: move per million traded. Kyle's \u03bb: price change per "
    "unit bought net. Roll: bid-ask spread told by prices that bounce; a gap where they do not. "
    "Imbalance and intensity as at the features. {shock} or more of these far out at once are a "
    "liquidity shock."
)
PROFILE_HELP = (
    "Volume by price of the last {trades:,} trades in memory. The point of control is the price "
    "with the most volume; the value area holds {share:.0%} of it, {low} to {high}."
)
MOMENTUM_HELP = (
    "Least-squares slope of the price against time, with its t-statistic. On a random walk that t "
    f"grows with the root of the horizon, so the limit is {MOMENTUM_LIMIT:g} times the root of the "
    "bars: 95 % of random walks stay within it, where |t| > 2 would call nine of ten a trend."
)
VOLATILITY_HELP = (
    "Percent per year. Realised: squared one-second returns of the last five minutes. EWMA: the "
    "same, recent ones weighted more (decay {decay:g}). GARCH(1,1): what they say of the seconds "
    "to come, fitted when asked."
)
APART_HELP = (
    "Moves of a pair's two legs within {within} s, in percent; flagged from {limit:g} % apart."
)


# The model ------------------------------------------------------------------------------


def model_text(forest: Forest | None, problem: str, scores: Scores, settings: WatchSettings) -> str:
    """Say which model scores the bars, and when the next is trained; or why there is none."""
    if forest is None:
        have = len(scores)
        text = problem or "There is no Isolation Forest yet."
        if have < settings.least_bars:
            left = f.duration(float(settings.least_bars - have))
            text += (
                f" It has {have:,} of the {settings.least_bars:,} bars it needs, so {left} to go "
                "where every second trades. z-scores, momentum and liquidity work without it."
            )
        return text
    new = int(np.count_nonzero(scores["time_us"] > forest.to_us))
    bars_left = settings.retrain_bars - new
    again = (
        f"after {bars_left:,} more bars, in about {f.duration(float(bars_left))} "
        "where every second trades"
        if bars_left > 0
        else "as soon as the one on its way is done"
    )
    share = f"{100.0 * forest.contamination:g} %"
    return (
        f"Isolation Forest {forest.version}, trained on {forest.bars:,} bars from "
        f"{f.day_clock(forest.from_us)} to {f.day_clock(forest.to_us)} UTC with "
        f"{_listed([FEATURE_NAMES[name] for name in forest.features])}; contamination {share}, so "
        f"scores above {forest.cut:.3f} are flagged. Trained again {again}. {problem}"
    ).strip()


def doubts(scores: Scores, settings: WatchSettings) -> list[str]:
    """Say what cannot be measured, and why: too short a past, a still price, no volume."""
    if not len(scores):
        return ["No second has closed yet; numbers and charts appear with the first bars."]
    said = []
    if len(scores) <= settings.bar_window:
        said.append(
            f"Warming up: z-scores are measured against {settings.bar_window} bars and "
            f"{len(scores)} are there; they come to be trusted as the window fills."
        )
    tail = scores[-settings.bar_window :]
    if len(tail) > settings.window and float(np.ptp(tail["price"])) == 0.0:
        said.append(
            f"The price has not moved in {len(tail)} bars: there is no deviation to measure "
            "against, so z-scores, momentum and GARCH say nothing until it does."
        )
    if not (tail["volume"] > 0.0).any():
        said.append(
            "No volume is told, only prices: volume change, order flow, liquidity and the volume "
            "profile stay empty, and the Isolation Forest cannot use them. Prices, returns and "
            "momentum are watched all the same."
        )
    return said


# Tables ---------------------------------------------------------------------------------


def momentum_sheet(found: Sequence[Momentum], price: float) -> Sheet:
    """Return where the price points, a row per horizon."""
    rows = []
    for one in found:
        arrow, word = DIRECTIONS[one.direction]
        per_minute = one.slope * 60.0 / price * 1e4 if price > 0.0 else math.nan
        rows.append(
            [
                {"text": f.duration(float(one.bars))},
                {"text": f"{f.signed(per_minute)} bp a minute"},
                {"text": f.signed(one.statistic, 1)},
                {"text": f"\u00b1{MOMENTUM_LIMIT * math.sqrt(one.bars):.1f}"},
                {"text": f"{arrow} {word}" if one.direction else word},
            ]
        )
    columns = [
        ("Horizon", "", "One-second bars; seconds without a trade have none."),
        ("Slope", "end", "Of the least-squares line through the prices."),
        ("t", "end", "The slope over its standard error."),
        ("Limit of t", "end", "2.82 times the root of the bars."),
        ("Points", "", "Bullish or bearish where t is beyond its limit."),
    ]
    return _sheet("momentum", "Momentum", MOMENTUM_HELP, columns, rows)


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
    decay = f"decay {settings.ewma_decay:g} a bar"
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
        ("% a year", "end", "As if it stayed so all year."),
        ("One deviation", "end", "Of the return over the span named."),
        ("How", "long", ""),
    ]
    title_help = VOLATILITY_HELP.format(decay=settings.ewma_decay)
    return _sheet("volatility", "Volatility", title_help, columns, rows)


def _volatility(name: str, yearly: float, span_s: float, how: str) -> list[dict[str, Any]]:
    deviation = yearly / 100.0 * math.sqrt(span_s / SECONDS_PER_YEAR) * 1e4
    return [
        {"text": name},
        {"text": f.number(yearly, 1)},
        {"text": f"{f.number(deviation, 1)} bp in {f.duration(span_s)}"},
        {"text": how},
    ]


def apart_sheet(
    instrument: str, pairs: Mapping[str, Apart | None], settings: WatchSettings
) -> Sheet:
    """Return how far apart the legs of this instrument's pairs have moved."""
    rows = []
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
                {"text": f"{f.symbol_of(y)} and {f.symbol_of(x)}"},
                {"text": f.percent(percent / 100.0, 2), "tone": "bad" if far else ""},
                {"text": f.percent(y_move / 100.0, 2)},
                {"text": f.percent(x_move / 100.0, 2)},
            ]
        )
    title_help = APART_HELP.format(within=settings.divergence_s, limit=settings.divergence_percent)
    if not rows:
        title_help += " This instrument is no leg of a pair that is computed; open one on Live."
    columns = [
        ("Pair", "", ""),
        ("Apart", "end", "The first leg's move less the second's."),
        ("First leg", "end", ""),
        ("Second leg", "end", ""),
    ]
    return _sheet("apart", "Pairs it is a leg of", title_help, columns, rows)


def settings_sheet(settings: WatchSettings) -> Sheet:
    """Return the settings of the watch, for those who may only read them."""
    rows = [
        ("z beyond which a trade or bar is flagged", f"{settings.anomaly_z:g}"),
        ("Features of the Isolation Forest",
         _listed([FEATURE_NAMES[name] for name in settings.features])),
        ("Contamination", f"{100.0 * settings.contamination:g} %"),
        ("Trained again after", f.duration(float(settings.retrain_bars))),
        ("Legs are apart from", f"{settings.divergence_percent:g} %"),
        ("within", f"{settings.divergence_s} s"),
    ]  # fmt: skip
    columns = [("Setting", "", ""), ("Value", "end", "")]
    cells = [[{"text": name}, {"text": value}] for name, value in rows]
    return _sheet("watch-settings", "What is watched for", "", columns, cells)


def _sheet(
    name: str,
    title: str,
    note: str,
    columns: Sequence[tuple[str, str, str]],
    rows: list[list[dict[str, Any]]],
) -> Sheet:
    return {
        "id": name,
        "title": title,
        "note": note,
        "columns": [{"label": label, "kind": kind, "hint": hint} for label, kind, hint in columns],
        "rows": rows,
    }


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
