"""Figures of the Backtest page. No Streamlit, and no colours: traces name palette entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.backtest.null_test import NullTest
from tandem.backtest.sweep import Heat
from tandem.strategy.trader import ClosedTrade, Position
from tandem.ui.backtest.wording import axis_value, figure
from tandem.ui.live.charts import Columns, draw_pair
from tandem.ui.shared import format as f
from tandem.ui.shared.canvas import Canvas, Figure, value_axis

Floats = npt.NDArray[np.float64]

# Marks beyond this would cover the lines they stand on.
MOST_MARKS = 1_500
# Cells beyond this are too small to be written into.
MOST_WRITTEN = 150
BINS = 30
# Height of the panels of a histogram over its tallest bar.
HEADROOM = 1.25

# Losses, nothing, gains: translucent, so that they do on dark and on light ground.
_SCALE = [
    [0.0, "rgba(214,69,80,0.85)"],
    [0.5, "rgba(142,150,166,0.10)"],
    [1.0, "rgba(24,160,128,0.85)"],
]  # noqa: E501
_NULL_COLOURS = ("x", "spread")


def equity_chart(columns: Columns, capital: float, version: str) -> Figure:
    """Draw equity and, below it, how far it is under its peak."""
    canvas = Canvas(version, [190, 100])
    time_us = columns["time_us"]
    canvas.title(0, "equity, quote")
    canvas.title(1, "drawdown, %")
    canvas.level(0, capital, "muted", "capital", "dot")
    canvas.line("equity", 0, time_us, columns["equity"], "good")
    last = float(columns["equity"][-1])
    canvas.tag(0, last, f.number(last, 0), "good")
    canvas.line(
        "drawdown", 1, time_us, 100.0 * columns["drawdown"], "bad", fill="tozeroy", width=1.2
    )
    return canvas.figure()


def pair_chart(
    columns: Columns, settings: Any, trades: Sequence[ClosedTrade], held: Position | None,
    version: str,
) -> Figure:  # fmt: skip
    """Draw prices, spread and z with a mark wherever a trade was filled."""
    canvas = Canvas(version, [210, 150, 130])
    draw_pair(canvas, columns, settings)
    time_us = columns["time_us"]
    scale = 1e4 if settings.log_prices else 1.0
    for name, colour, symbol, times in _fill_marks(trades, held):
        at = np.searchsorted(time_us, times)
        for panel, values in ((0, columns["y"]), (1, columns["spread"] * scale)):
            canvas.marks(f"{name} filled", panel, time_us[at], values[at], colour, symbol)
            canvas.traces[-1]["showlegend"] = panel == 0
    return canvas.figure()


def _fill_marks(
    trades: Sequence[ClosedTrade], held: Position | None
) -> list[tuple[str, str, str, npt.NDArray[np.int64]]]:
    """Return name, colour, symbol and times of the marks; none where there are too many."""
    if len(trades) > MOST_MARKS:
        return []
    entered = [(one.side, one.entry_us) for one in trades]
    entered += [(held.side, held.entry_us)] if held is not None else []
    kinds = [
        ("long", "good", "triangle-up", [at for side, at in entered if side > 0]),
        ("short", "bad", "triangle-down", [at for side, at in entered if side < 0]),
        ("exit", "muted", "circle-open", [one.exit_us for one in trades if one.reason == "exit"]),
        ("stop", "bad", "x-thin", [one.exit_us for one in trades if one.reason != "exit"]),
    ]
    return [
        (name, colour, symbol, np.array(times, np.int64))
        for name, colour, symbol, times in kinds
        if times
    ]


def models_chart(
    time_us: npt.NDArray[np.int64], equities: Mapping[str, Floats], used: str, version: str
) -> Figure:
    """Draw each model's equity; the one in use is solid."""
    canvas = Canvas(version, [230])
    canvas.title(0, "equity, quote")
    looks = zip(("x", "y", "spread"), ("dot", "dashdot", "dash"), strict=True)
    for (name, equity), (colour, dash) in zip(equities.items(), looks, strict=False):
        style = {"width": 2.0} if name == used else {"width": 1.3, "dash": dash}
        canvas.line(name, 0, time_us, equity, colour, **style)
    return canvas.figure()


def walk_chart(
    time_us: npt.NDArray[np.int64], equity: Floats, capital: float, starts: Sequence[int],
    version: str,
) -> Figure:  # fmt: skip
    """Draw equity out of sample, every other traded stretch shaded."""
    canvas = Canvas(version, [210])
    canvas.title(0, "equity, quote")
    canvas.level(0, capital, "muted", "capital", "dot")
    first = starts[0]
    canvas.line("out-of-sample", 0, time_us[first:], equity[first:], "good")
    edges = [*starts, len(time_us) - 1]
    for start, stop in zip(edges[:-1:2], edges[1::2], strict=False):
        canvas.span(int(time_us[start]), int(time_us[stop]), "rest")
    return canvas.figure()


def heat_chart(heat: Heat, titles: Mapping[str, str], version: str) -> Figure:
    """Draw a figure over two axes: the plateau framed, the best cell starred.

    Rows and columns stand at equal distances, whatever their values.
    """
    rows, columns = heat.values.shape
    canvas = Canvas(version, [max(200, min(36 * rows, 560))])
    canvas.title(0, titles[heat.rows])
    known = heat.values[np.isfinite(heat.values)]
    most = float(np.abs(known).max()) if len(known) else 1.0
    words = [
        [_cell_text(heat, row, column, rows * columns) for column in range(columns)]
        for row in range(rows)
    ]
    canvas.values("v", heat.values.ravel(), 0)
    canvas.traces.append(
        {
            "type": "heatmap",
            "name": heat.by,
            "x": [axis_value(one) for one in heat.column_values],
            "y": [axis_value(one) for one in heat.row_values],
            "z": [[None if v != v else float(f"{v:.6g}") for v in row] for row in heat.values],
            "text": words,
            "texttemplate": "%{text}",
            "textfont": {"color": "@text"},
            "hovertemplate": f"{titles[heat.rows]} %{{y}}<br>{titles[heat.columns]} %{{x}}"
            "<br>%{z:.4g}<extra></extra>",
            "colorscale": _SCALE,
            "zmid": 0.0,
            "zmin": -most,
            "zmax": most,
            "xgap": 2,
            "ygap": 2,
            "showscale": False,
        }
    )
    _frame(canvas, heat.plateau)
    figure = canvas.figure(hovermode="closest")
    category = {"type": "category", "gridcolor": "rgba(0,0,0,0)", "linecolor": "@edge"}
    title = {"text": titles[heat.columns], "standoff": 4}
    figure["layout"]["xaxis"] = {**category, "anchor": "y", "title": title}
    figure["layout"]["yaxis"] |= {**category, "nticks": 0}
    return figure


def _cell_text(heat: Heat, row: int, column: int, cells: int) -> str:
    star = "\u2605" if (row, column) == heat.best else ""
    value = heat.values[row, column]
    if cells > MOST_WRITTEN or value != value:
        return star
    text = f.signed(value, 0) if heat.by == "net" else figure(heat.by, value)
    return f"{star} {text}".strip()


def _frame(canvas: Canvas, plateau: npt.NDArray[np.bool_]) -> None:
    """Draw the border between plateau and the rest, cell side by cell side."""
    padded = np.pad(plateau, 1)
    for down, across in ((0, 1), (1, 0)):
        other = np.roll(padded, (-down, -across), (0, 1))
        for row, column in zip(*np.nonzero(padded != other), strict=True):
            # Cell (r, c) has its middle at (c, r); the border lies half a cell further on.
            x, y = float(column - 1), float(row - 1)
            ends = (
                (x - 0.5, x + 0.5, y + 0.5, y + 0.5)
                if down
                else (x + 0.5, x + 0.5, y - 0.5, y + 0.5)
            )  # noqa: E501
            line = {"color": "@text", "width": 2.5}
            canvas.shape("line", ends[:2], ends[2:], xref="x", yref="y", line=line)


def null_chart(found: Sequence[NullTest], title: str, version: str) -> Figure:
    """Draw what the surrogates gave, a panel for each null, and where the real result falls."""
    canvas = Canvas(version, [150] * len(found))
    every = np.concatenate([*(one.surrogates for one in found), [one.real for one in found]])
    low, high = float(every.min()), float(every.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    most = 1
    for panel, one in enumerate(found):
        counts, _ = np.histogram(one.surrogates, edges)
        most = max(most, int(counts.max()))
        canvas.title(panel, "surrogates")
        middles = [float(f"{v:.6g}") for v in (edges[1:] + edges[:-1]) / 2.0]
        values = canvas.values("v", counts.astype(np.float64), panel)
        name, colour = null_name(one.null), _NULL_COLOURS[panel]
        canvas.bars(name, colour, middles, values, panel, opacity=0.75)
    real = found[0].real
    axes = {"xref": "x", "yref": "paper"}
    canvas.shape("line", (real, real), (0, 1), **axes, line={"color": "@good", "width": 2.5})
    side = "right" if real > (low + high) / 2.0 else "left"
    canvas.note(real, 1, "actual pair", "good", 12, **axes, xanchor=side, yanchor="top")
    figure = canvas.figure(bargap=0.06, hovermode="closest")
    for panel in range(len(found)):
        # Room above the tallest bar for the words beside the line.
        name = "yaxis" if panel == 0 else f"yaxis{panel + 1}"
        figure["layout"][name] |= {"range": [0.0, HEADROOM * most], "autorange": False}
    anchor = "y" if len(found) == 1 else f"y{len(found)}"
    figure["layout"]["xaxis"] = value_axis(title, anchor)
    return figure


def null_name(null: str) -> str:
    """Return a null in plain words."""
    return {
        "no correction": "correlated legs without error correction",
        "independent": "independent legs",
    }[null]
