"""From columns to figures. No Streamlit here, and no colours: traces name palette entries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.pairs.stream import COLUMNS, PairSettings
from tandem.strategy.pair_model import MODEL_NAMES
from tandem.strategy.rules import Rules
from tandem.ui.shared import format as f
from tandem.ui.shared.canvas import POINTS, Canvas, Figure, value_axis

Columns = Mapping[str, npt.NDArray[Any]]


def empty() -> Columns:
    """Return the columns of a pair that has no bars yet."""
    return {name: np.empty(0, kind) for name, kind in COLUMNS.items()}


# The live chart -------------------------------------------------------------------------


def pair_chart(columns: Columns, settings: PairSettings, first: int, version: str) -> Figure:
    """Draw prices with the hedged leg, the spread with its bands, and z with thresholds and marks.

    Parameters
    ----------
    columns : mapping
        Columns of `pair.COLUMNS`, already cut to the span that is shown.
    first : int
        How many bars came before them.
    version : str
        Changes whenever the picture would.
    """
    canvas = Canvas(version, [230, 130, 150])
    draw_pair(canvas, columns, settings, first)
    return canvas.figure()


def draw_pair(canvas: Canvas, columns: Columns, settings: PairSettings, first: int = 0) -> None:
    """Draw a pair on three panels: prices, spread, z."""
    time_us = columns["time_us"]
    _draw_prices(canvas, columns, settings, first)
    _draw_spread(canvas, columns, settings, first)
    _draw_z(canvas, columns, settings, first)
    _shade(canvas, time_us, ~columns["usable"], settings.bar_us, "rest")
    _shade(canvas, time_us, columns["candles"], settings.bar_us, "candles", "from candles")


def _draw_prices(canvas: Canvas, columns: Columns, settings: PairSettings, first: int) -> None:
    y_name, x_name = f.symbol_of(settings.y), f.symbol_of(settings.x)
    time_us = columns["time_us"]
    canvas.line(y_name, 0, time_us, columns["y"], "y", first)
    canvas.line(f"hedge: \u03b1 + \u03b2\u00b7{x_name}", 0, time_us, columns["hedged"], "x", first)
    last = float(columns["y"][-1]) if len(time_us) else math.nan
    canvas.tag(0, last, f.price(last), "y")


def _draw_spread(canvas: Canvas, columns: Columns, settings: PairSettings, first: int) -> None:
    scale, unit = (1e4, "bp") if settings.log_prices else (1.0, f"{f.asset(settings.y)} price")
    name = "Kalman innovation" if settings.uses_innovation else "spread"
    canvas.title(1, f"{name}, {unit}")
    time_us = columns["time_us"]
    mean, deviation = columns["mean"] * scale, columns["deviation"] * scale
    rule = settings.rules.entry
    canvas.line(
        "low",
        1,
        time_us,
        mean - rule * deviation,
        "band",
        first,
        width=0,
        showlegend=False,
        hoverinfo="skip",
    )
    canvas.line(
        f"\u00b1{rule:g}\u03c3",
        1,
        time_us,
        mean + rule * deviation,
        "band",
        first,
        width=0,
        fill="tonexty",
        fillcolor="@band",
        hoverinfo="skip",
    )
    canvas.line("mean", 1, time_us, mean, "muted", first, width=1, dash="dot", showlegend=False)
    canvas.line(name, 1, time_us, columns["spread"] * scale, "spread", first)
    last = float(columns["spread"][-1] * scale) if len(time_us) else math.nan
    canvas.tag(1, last, f.signed(last), "spread")


def _draw_z(canvas: Canvas, columns: Columns, settings: PairSettings, first: int) -> None:
    canvas.title(2, "z at close")
    rules = settings.rules
    time_us, z, event = columns["time_us"], columns["z"], columns["event"]
    canvas.region(2, -rules.exit, rules.exit, "rest")
    canvas.level(2, rules.entry, "bad")
    canvas.level(2, -rules.entry, "good")
    if math.isfinite(rules.stop):
        canvas.level(2, rules.stop, "muted", dash="dot")
        canvas.level(2, -rules.stop, "muted", dash="dot")
    known = np.append(z[np.isfinite(z)], [rules.entry, -rules.entry])
    if math.isfinite(rules.stop):
        known = np.append(known, [rules.stop, -rules.stop])
    canvas.scale(2, _z_names(rules), float(known.min()), float(known.max()))
    canvas.line("z", 2, time_us, z, "z", first, width=1.4)
    for code, name, colour, symbol in MARKS:
        hit = np.isin(event, code)
        if hit.any():
            canvas.marks(name, 2, time_us[hit], z[hit], colour, symbol)
    last = float(z[-1]) if len(time_us) else math.nan
    canvas.tag(2, last, f.signed(last), "z")


def _z_names(rules: Rules) -> list[tuple[float, str, str]]:
    """Return what stands at the scale of z: thresholds, zero, then round numbers."""
    named = [
        (rules.entry, f"short {rules.entry:g}", "bad"),
        (-rules.entry, f"long {f.MINUS}{rules.entry:g}", "good"),
    ]
    if math.isfinite(rules.stop):
        named += [
            (rules.stop, f"stop {rules.stop:g}", "muted"),
            (-rules.stop, f"stop {f.MINUS}{rules.stop:g}", "muted"),
        ]
    named.append((0.0, "0", "muted"))
    for size in (1_000, 500, 200, 100, 50, 20, 10, 5):
        named += [(sign * size, f.number(sign * size, 0), "muted") for sign in (1, -1)]
    return named


# Codes of `backtest.EVENTS`: what each mark stands for.
MARKS: tuple[tuple[tuple[int, ...], str, str, str], ...] = (
    ((2,), "short", "bad", "triangle-down"),
    ((1,), "long", "good", "triangle-up"),
    ((3, 5), "exit", "muted", "circle-open"),
    ((4,), "stop", "bad", "x-thin"),
)


def _shade(
    canvas: Canvas,
    time_us: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
    bar_us: int,
    colour: str,
    text: str = "",
) -> None:
    """Shade stretches of bars: stale ones, in which nothing is estimated, or those of candles."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        canvas.span(int(time_us[start]), int(time_us[stop - 1]) + bar_us, colour, text)


# The tabs -------------------------------------------------------------------------------


def hedge_chart(columns: Columns, settings: PairSettings, first: int, version: str) -> Figure:
    """Draw the hedge ratio of all three models over time; the one in use is solid."""
    canvas = Canvas(version, [230])
    unit = (
        "notional ratio"
        if settings.log_prices
        else f"{f.asset(settings.x)} per {f.asset(settings.y)}"
    )
    canvas.title(0, f"\u03b2, {unit}")
    dashes = {"kalman": "dashdot", "ols": "dot", "huber": "dash"}
    colours = {"kalman": "y", "ols": "x", "huber": "spread"}
    for model in ("kalman", "ols", "huber"):
        name = MODEL_NAMES[model] + ("" if model == "kalman" else f" {settings.lookback}")
        used = model == settings.model
        canvas.line(
            f"{name} (in use)" if used else name,
            0,
            columns["time_us"],
            columns[f"beta_{model}"],
            colours[model],
            first,
            width=2.0 if used else 1.2,
            dash="solid" if used else dashes[model],
        )
    return canvas.figure()


def tells_volume(bars: npt.NDArray[np.void]) -> bool:
    """Return whether bars carry volume; price-only sources have none."""
    return not len(bars) or bool((bars["volume"] > 0.0).any())


def volume_profile(
    bars: npt.NDArray[np.void], levels: int = 40
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum volume by price level.

    Parameters
    ----------
    bars : ndarray of BAR
        Each bar's volume is placed at its volume-weighted average price.

    Returns
    -------
    price, bought, sold : ndarray of shape (levels,)
        Middle of each level, and the volume takers bought and sold there.
    """
    traded = bars[bars["volume"] > 0.0]
    if not len(traded):
        return np.empty(0), np.empty(0), np.empty(0)
    price = traded["notional"] / traded["volume"]
    edges = np.linspace(price.min(), price.max(), levels + 1)
    if edges[0] == edges[-1]:
        edges = np.array([price[0] * (1 - 1e-6), price[0] * (1 + 1e-6)])
    bought, _ = np.histogram(price, edges, weights=traded["buy_volume"])
    sold, _ = np.histogram(price, edges, weights=traded["volume"] - traded["buy_volume"])
    return (edges[:-1] + edges[1:]) / 2.0, bought, sold


def profile_chart(bars: npt.NDArray[np.void], instrument: str, version: str) -> Figure:
    """Draw volume by price, bought to the right and sold to the left, its busiest level named."""
    canvas = Canvas(version, [260])
    price, bought, sold = volume_profile(bars)
    canvas.title(0, f.symbol_of(instrument))
    levels = canvas.values("p", price, 0)
    for name, values, colour in (("bought", bought, "good"), ("sold", -sold, "bad")):
        sizes = canvas.values("v", values, 0)
        canvas.bars(name, colour, sizes, levels, orientation="h", opacity=0.75)
    if len(price):
        busiest = float(price[np.argmax(bought + sold)])
        canvas.level(0, busiest, "muted", f"point of control {f.price(busiest)}", "dot")
    figure = canvas.figure(barmode="relative", bargap=0.12, hovermode="y")
    figure["layout"]["xaxis"] = value_axis(f"volume, {f.asset(instrument)}")
    return figure


def order_flow(
    bars: npt.NDArray[np.void], window: int = 20
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return volume and order-flow imbalance per bar.

    Imbalance is (bought - sold) / (bought + sold) over the last `window` bars, from -1 (takers
    only sold) to +1; NaN until a window holds a trade.
    """
    bought = np.cumsum(bars["buy_volume"])
    total = np.cumsum(bars["volume"])
    lag = np.maximum(np.arange(len(bars)) - window, -1)
    before_bought = np.where(lag >= 0, bought[lag], 0.0)
    before_total = np.where(lag >= 0, total[lag], 0.0)
    volume = total - before_total
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (bought - before_bought) / volume
    return bars["volume"], np.where(volume > 0.0, 2.0 * share - 1.0, np.nan)


def flow_chart(bars: npt.NDArray[np.void], instrument: str, version: str) -> Figure:
    """Draw volume per bar and the order-flow imbalance below it."""
    canvas = Canvas(version, [110, 130])
    canvas.title(0, f"volume, {f.asset(instrument)}")
    canvas.title(1, "order-flow imbalance")
    bars = bars[-POINTS:]
    volume, imbalance = order_flow(bars)
    canvas.bars("volume", "volume", canvas.times(bars["time_us"]), canvas.values("v", volume, 0))
    canvas.level(1, 0.0, "edge", dash="solid")
    canvas.line("imbalance, 20 bars", 1, bars["time_us"], imbalance, "x")
    figure = canvas.figure()
    figure["layout"]["yaxis2"]["range"] = [-1.05, 1.05]
    return figure


def equity_chart(columns: Columns, first: int, version: str, unit: str) -> Figure:
    """Draw the paper account's P&L, net of all costs."""
    canvas = Canvas(version, [170])
    canvas.title(0, f"net P&L, {unit}")
    canvas.level(0, 0.0, "edge", dash="solid")
    equity = columns["equity"]
    canvas.line("net P&L", 0, columns["time_us"], equity, "x", first, showlegend=False)
    last = float(equity[-1]) if len(equity) else math.nan
    canvas.tag(0, last, f.signed(last, 0), "x")
    return canvas.figure()
