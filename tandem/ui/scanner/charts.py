"""Pictures of a scan: the universe as a map, one pair, real beside noise. No Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.scanner.families import clusters
from tandem.scanner.result import Scan
from tandem.scanner.surrogates import Noise
from tandem.ui.shared.canvas import Canvas, Figure, value_axis, without_markup

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A side of the map; with more instruments a cell stands for the most striking pair of several.
MOST_CELLS = 150
# With more than so many a side, names at the scales would run into each other.
MOST_NAMED = 70
BINS = 40
# From the most striking to none: what a cell's number stands for, and its colour.
STEPS = (0.001, 0.01, 0.05, 0.2, 0.5, 1.0)
STEP_TEXTS = ("\u2264 .001", "\u2264 .01", "\u2264 .05", "\u2264 .2", "\u2264 .5", "\u2264 1")
_OPACITIES = (1.0, 0.72, 0.5, 0.26, 0.13, 0.05)
_COLOUR = "24,160,128"
_REST = "142,150,166"


def map_order(found: Scan) -> Ints:
    """Return the instruments in the map's order: cluster by cluster, the largest first."""
    groups = clusters(found)
    order: Ints = np.lexsort((np.arange(len(groups)), groups))
    return order


def map_values(found: Scan, name: str, order: Ints) -> Floats:
    """Return a figure of every pair as a square, both halves alike; NaN where there is none."""
    count = len(found.names)
    values = np.full((count, count), np.nan)
    values[found.y, found.x] = values[found.x, found.y] = found.figures[name]
    return values[np.ix_(order, order)]


def shrunk(values: Floats, most: int) -> tuple[Floats, Ints]:
    """Return the minimum of each block so that a side has `most` cells, and block starts."""
    count = len(values)
    starts = np.unique(np.linspace(0, count, min(count, most), endpoint=False).astype(np.int64))
    filled = np.where(np.isnan(values), np.inf, values)
    rows = np.minimum.reduceat(filled, starts, axis=0)
    cells = np.minimum.reduceat(rows, starts, axis=1)
    return np.where(np.isinf(cells), np.nan, cells), starts


def pairs_in_cells(values: Floats, starts: Ints) -> Ints:
    """Return how many pairs each cell stands for; a pair within one block stands there twice."""
    known = (~np.isnan(values)).astype(np.int64)
    counts: Ints = np.add.reduceat(np.add.reduceat(known, starts, axis=0), starts, axis=1)
    counts[np.diag_indices(len(counts))] //= 2
    return counts


def map_chart(found: Scan, name: str, called: Sequence[str], version: str) -> Figure:
    """Draw the universe: a cell for each pair, dark where it is striking, ordered by clusters.

    Parameters
    ----------
    name : str
        "q_value", "q_value_any", "q_value_noise" or "p_value".
    called : sequence of str
        Names of the instruments, as the screen calls them; text from outside.
    """
    order = map_order(found)
    values = map_values(found, name, order)
    cells, starts = shrunk(values, MOST_CELLS)
    if name == "p_value":
        # Of several p-values the least is small by itself.
        cells = np.minimum(cells * np.maximum(pairs_in_cells(values, starts), 1), 1.0)
    side = len(cells)
    names = [_cell_name(called, order, starts, k) for k in range(side)]
    steps = np.searchsorted(STEPS, np.nan_to_num(cells, nan=2.0))
    shown = [
        [None if k > len(STEPS) - 1 else int(k) for k in row]
        for row in np.minimum(steps, len(STEPS)).tolist()
    ]
    canvas = Canvas(version, [min(max(10 * side, 320), 620)])
    canvas.values("v", np.zeros(1), 0)
    canvas.traces.append(
        {
            "type": "heatmap",
            "name": "map",
            "x": list(range(side)),
            "y": list(range(side)),
            "z": shown,
            "hoverongaps": False,
            "text": _hover(cells, names) if side <= MOST_NAMED else None,
            "hovertemplate": "%{text}<extra></extra>"
            if side <= MOST_NAMED
            else f"{len(order)} instruments, cell %{{x}} \u00d7 %{{y}}<extra></extra>",
            "colorscale": _scale(),
            "zmin": -0.5,
            "zmax": len(STEPS) - 0.5,
            "xgap": 1 if side <= MOST_NAMED else 0,
            "ygap": 1 if side <= MOST_NAMED else 0,
            "colorbar": {
                "orientation": "h",
                "tickvals": list(range(len(STEPS))),
                "ticktext": list(STEP_TEXTS),
                "thickness": 8,
                "outlinewidth": 0,
                "tickfont": {"size": 10, "color": "@muted"},
                "x": 0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "bottom",
                "len": 1.0,
            },
        }
    )
    figure = canvas.figure(hovermode="closest")
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(side)) if side <= MOST_NAMED else [],
        "ticktext": names if side <= MOST_NAMED else [],
        "tickfont": {"size": 9 if side > 30 else 11},
        "gridcolor": "rgba(0,0,0,0)",
        "linecolor": "@edge",
        "zeroline": False,
        "range": [-0.5, side - 0.5],
        "automargin": True,
    }
    # Columns stand in the order of the rows: their names would only run into each other.
    figure["layout"]["xaxis"] = {**ticks, "anchor": "y", "tickvals": [], "ticktext": []}
    figure["layout"]["yaxis"] |= {**ticks, "range": [side - 0.5, -0.5], "nticks": 0}
    figure["layout"]["margin"] = {"l": 20, "r": 12, "t": 44, "b": 12}
    return figure


def _cell_name(called: Sequence[str], order: Ints, starts: Ints, cell: int) -> str:
    first = int(starts[cell])
    name = plain(called[order[first]])
    last = int(starts[cell + 1]) if cell + 1 < len(starts) else len(order)
    return name if last - first <= 1 else f"{name} \u2026"


def plain(name: str) -> str:
    """Keep a name from outside from being read as Plotly's markup, a column or a colour."""
    return without_markup(name if len(name) <= 24 else f"{name[:23]}\u2026")


def _hover(cells: Floats, names: Sequence[str]) -> list[list[str]]:
    return [
        [f"{y} \u00b7 {x}: {cell:.3g}" for x, cell in zip(names, row, strict=True)]
        for y, row in zip(names, cells.tolist(), strict=True)
    ]


def _scale() -> list[list[float | str]]:
    """Return a scale of steps: each number one colour."""
    scale: list[list[float | str]] = []
    count = len(_OPACITIES)
    for k, opacity in enumerate(_OPACITIES):
        base = _COLOUR if k < 3 else _REST
        colour = f"rgba({base},{opacity})"
        scale += [[k / count, colour], [(k + 1) / count, colour]]
    return scale


def pair_chart(
    time_us: npt.NDArray[np.int64],
    y: Floats,
    hedged: Floats,
    spread: Floats,
    names: tuple[str, str],
    version: str,
) -> Figure:
    """Draw Y with hedged X, and the standardised residual with bands at ±2.

    Parameters
    ----------
    y, hedged : ndarray of shape (bars,)
        Price of Y, and what the regression makes of X's.
    spread : ndarray of shape (bars,)
        In its own standard deviations.
    """
    canvas = Canvas(version, [210, 150])
    canvas.title(0, f"{names[0]} and hedged {names[1]}")
    canvas.line(names[0], 0, time_us, y, "y")
    canvas.line(f"{names[1]} hedged", 0, time_us, hedged, "x", width=1.2)
    canvas.title(1, "standardised residual")
    canvas.region(1, -2.0, 2.0, "band")
    canvas.level(1, 0.0, "muted", dash="dot")
    canvas.line("spread", 1, time_us, spread, "spread", width=1.2)
    return canvas.figure()


def noise_chart(found: Scan, noise: Noise, version: str) -> Figure:
    """Draw the p-value histogram: actual prices, surrogates on average, and the uniform null."""
    canvas = Canvas(version, [240])
    canvas.title(0, "pairs by p-value")
    edges = np.linspace(0.0, 1.0, BINS + 1)
    real, _ = np.histogram(found.figures["p_value"], edges)
    every = np.concatenate(noise.p_values)
    drawn, _ = np.histogram(every, edges)
    middles = [float(f"{v:.4g}") for v in (edges[1:] + edges[:-1]) / 2.0]
    for name, counts, colour, kind in (
        ("actual prices", real.astype(np.float64), "x", "bar"),
        ("surrogates, mean", drawn / noise.runs, "spread", "line"),
        ("uniform (expected by chance)", np.full(BINS, found.tested / BINS), "muted", "line"),
    ):
        trace: dict[str, Any] = {
            "type": "bar" if kind == "bar" else "scatter",
            "name": name,
            "x": middles,
            "y": canvas.values("v", counts, 0),
            "xaxis": "x",
            "yaxis": "y",
        }
        if kind == "bar":
            trace |= {"marker": {"color": f"@{colour}"}, "opacity": 0.7}
        else:
            dash = "dot" if colour == "muted" else "solid"
            trace |= {"mode": "lines", "line": {"color": f"@{colour}", "dash": dash, "width": 1.8}}
            trace["line"]["shape"] = "hvh"
        canvas.traces.append(trace)
    figure = canvas.figure(bargap=0.08, hovermode="x unified")
    figure["layout"]["xaxis"] = value_axis("p-value", range=[0, 1])
    figure["layout"]["xaxis"]["title"]["standoff"] = 4
    return figure
