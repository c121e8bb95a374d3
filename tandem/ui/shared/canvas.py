"""One figure under construction: columns, traces, shapes, and lines thinned to what is seen.

A figure is a dictionary ``{version, columns, traces, layout}`` in Plotly's terms, where the text
``"$name"`` stands for a column and ``"@name"`` for a colour of the chart component's palette.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.clock import DAY_US

Figure = dict[str, Any]

# Up to this many bars are drawn one by one; older ones by the extremes of fixed groups.
POINTS = 900

_TITLE_PX = 20
# Names at a scale stand at least this far apart.
_NAME_PX = 15
EMPTY = "shown once enough bars have closed"


# Thinning -------------------------------------------------------------------------------


def keep_extremes(values: npt.NDArray[np.float64], first: int, most: int) -> npt.NDArray[np.intp]:
    """Choose the rows to draw: the lowest and highest of each group of bars.

    Groups are counted from the first bar ever, not from the first one shown, so a new bar changes
    the last group only and the rest of the line stands still.

    Parameters
    ----------
    values : ndarray of shape (n_bars,)
        May hold NaN.
    first : int
        How many bars came before the first of `values`.
    most : int
        About how many rows to keep.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    size = 2 ** math.ceil(math.log2(2 * count / most))
    group = (np.arange(count) + first) // size
    starts = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    order_low = np.where(np.isnan(values), np.inf, values)
    order_high = np.where(np.isnan(values), -np.inf, values)
    lows = _first_equal(order_low, np.minimum.reduceat(order_low, starts), group, starts)
    highs = _first_equal(order_high, np.maximum.reduceat(order_high, starts), group, starts)
    return np.unique(np.concatenate((lows, highs, [0, count - 1])))


def _first_equal(
    values: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    starts: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Return, for each group, the first row whose value is the wanted one."""
    hits = np.flatnonzero(values == wanted[group - group[0]])
    _, at = np.unique(group[hits], return_index=True)
    return hits[at]


def numbers(values: npt.NDArray[np.float64], digits: int = 9) -> list[float | None]:
    """Turn an array into what JSON can carry: NaN becomes a gap in the line."""
    return [float(f"{value:.{digits}g}") if value == value else None for value in values.tolist()]


def times(time_us: npt.NDArray[np.int64]) -> list[float]:
    """Turn times into Plotly's milliseconds since the epoch (shown as UTC)."""
    found: list[float] = (time_us / 1_000).tolist()
    return found


def hover_format(time_us: npt.NDArray[np.int64]) -> str:
    """Return how much of a time the reader needs: the date where there are several, or only it."""
    if not np.any(time_us % DAY_US):
        return "%a %d %b %Y"
    return "%H:%M:%S" if time_us[-1] - time_us[0] < DAY_US else "%a %d %b %Y %H:%M"


# Building blocks ------------------------------------------------------------------------


class Canvas:
    """Collects columns and traces of one figure."""

    def __init__(self, version: str, heights: list[int]) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.traces: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self._version = version
        self._heights = heights
        self._titles = [""] * len(heights)
        self._filled: set[int] = set()
        self._scaled: set[int] = set()
        self._span: tuple[float, float] | None = None
        self._hover = "%H:%M:%S"

    def title(self, panel: int, text: str) -> None:
        """Name a panel, above its upper left corner."""
        self._titles[panel] = without_markup(text)

    def line(
        self,
        name: str,
        panel: int,
        time_us: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        colour: str,
        first: int = 0,
        **style: Any,
    ) -> None:
        """Add a line, thinned to what the eye can see."""
        rows = keep_extremes(values, first, POINTS)
        if np.isfinite(values).any():
            self._filled.add(panel)
        if len(time_us):
            self._hover = hover_format(time_us)
            start, stop = time_us[0] / 1_000, time_us[-1] / 1_000
            low, high = self._span or (start, stop)
            self._span = min(low, start), max(high, stop)
        x = self._column("t", times(time_us[rows]))
        y = self._column("v", numbers(values[rows]))
        line = {
            "color": f"@{colour}",
            "width": style.pop("width", 1.6),
            "dash": style.pop("dash", "solid"),
        }
        self.traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": without_markup(name),
                "x": x,
                "y": y,
                "line": line,
                "connectgaps": False,
                **axes_of(panel),
                **style,
            }
        )

    def marks(
        self,
        name: str,
        panel: int,
        time_us: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        colour: str,
        symbol: str,
    ) -> None:
        """Add marks at single bars."""
        self.traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                **axes_of(panel),
                "x": self._column("t", times(time_us)),
                "y": self._column("v", numbers(values)),
                "marker": {
                    "symbol": symbol,
                    "size": 9,
                    "color": f"@{colour}",
                    "line": {"width": 1.5, "color": f"@{colour}"},
                },
            }
        )

    def values(self, kind: str, values: npt.NDArray[np.float64], panel: int) -> str:
        """Add a column for a trace of another kind and return its name."""
        if np.isfinite(values).any():
            self._filled.add(panel)
        return self._column(kind, numbers(values, 6))

    def times(self, time_us: npt.NDArray[np.int64]) -> str:
        """Add a column of times and return its name."""
        return self._column("t", times(time_us))

    def level(
        self, panel: int, value: float, colour: str, text: str = "", dash: str = "dash"
    ) -> None:
        """Add a horizontal line across a panel, named at its left end, far from new bars."""
        axes = {"xref": "x domain", "yref": _axis("y", panel)}
        line = {"color": f"@{colour}", "width": 1.1, "dash": dash}
        self.shape("line", (0, 1), (value, value), **axes, layer="below", line=line)
        if text:
            above = "bottom" if value >= 0 else "top"
            self.note(0.003, value, text, colour, 11, **axes, xanchor="left", yanchor=above)

    def scale(
        self, panel: int, levels: Sequence[tuple[float, str, str]], low: float, high: float
    ) -> None:
        """Write names at a panel's scale in place of numbers.

        Parameters
        ----------
        levels : sequence of (value, name, colour)
            The most important first: those out of reach, or too near to an earlier one, are left
            out.
        low, high : float
            What the panel shows.
        """
        self._scaled.add(panel)
        near = _NAME_PX * (high - low) / self._heights[panel]
        written: list[float] = []
        for value, text, colour in levels:
            if not low <= value <= high or any(abs(value - other) < near for other in written):
                continue
            written.append(value)
            style = {"xref": "x domain", "yref": _axis("y", panel), "xanchor": "right"}
            self.note(0, value, text, colour, 11, **style, xshift=-3, borderpad=0)

    def region(self, panel: int, low: float, high: float, colour: str) -> None:
        """Shade a band of values across a panel."""
        style = {"fillcolor": f"@{colour}", "line": {"width": 0}, "layer": "below"}
        axes = {"xref": "x domain", "yref": _axis("y", panel)}
        self.shape("rect", (0, 1), (low, high), **axes, **style)

    def span(self, start_us: int, end_us: int, colour: str, text: str = "") -> None:
        """Shade a stretch of time across all panels, named at its upper left."""
        style = {"fillcolor": f"@{colour}", "line": {"width": 0}, "layer": "below"}
        axes = {"xref": "x", "yref": "paper"}
        self.shape("rect", (start_us / 1_000, end_us / 1_000), (0, 1), **axes, **style)
        if text:
            self.note(start_us / 1_000, 1, text, "muted", 11, **axes, xanchor="left", yanchor="top")

    def tag(self, panel: int, value: float, text: str, colour: str) -> None:
        """Write the last value beside the panel, on the axis."""
        if not math.isfinite(value):
            return
        axes = {"xref": "paper", "yref": _axis("y", panel)}
        style = {"xanchor": "left", "bgcolor": f"@{colour}", "borderpad": 2}
        self.note(1.004, value, text, "paper", 11, **axes, **style)

    def note(
        self, x: float, y: float, text: str, colour: str = "muted", size: int = 12, **style: Any
    ) -> None:
        """Write a text at a place of the figure."""
        font = {"color": f"@{colour}", "size": size}
        self.notes.append({"x": x, "y": y, "text": text, "showarrow": False, "font": font, **style})

    def shape(
        self, kind: str, x: tuple[float, float], y: tuple[float, float], **style: Any
    ) -> None:
        """Draw a line or a rectangle from one corner to the other."""
        ends = {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}
        self.shapes.append({"type": kind, **ends, **style})

    def bars(self, name: str, colour: str, x: Any, y: Any, panel: int = 0, **style: Any) -> None:
        """Add bars; `x` and `y` are what `times` and `values` return, or lists."""
        bars = {"type": "bar", "name": name, "x": x, "y": y, "marker": {"color": f"@{colour}"}}
        self.traces.append({**bars, **axes_of(panel), **style})

    def figure(self, **layout: Any) -> Figure:
        """Return the finished figure.

        Traces are told apart by name and panel, so that one the viewer has hidden stays hidden when
        others come and go.
        """
        for trace in self.traces:
            key = f"{trace['name']}/{trace.get('yaxis', '')}"
            # Plotly makes selectors of it, so it may hold letters and digits only.
            trace["uid"] = f"u{zlib.crc32(key.encode()):08x}"
        total = sum(self._heights)
        height = total + 84
        # Titles of lower panels stand between them.
        gap = _TITLE_PX / total if len(self._heights) > 1 else 0.0
        axes: dict[str, Any] = {}
        top = 1.0
        room = 1.0 - gap * (len(self._heights) - 1)
        for panel, own in enumerate(self._heights):
            share = room * own / total
            axes[_long_axis("y", panel)] = {
                "domain": [max(top - share, 0.0), top],
                "gridcolor": "@grid",
                "zeroline": False,
                "linecolor": "@edge",
                "nticks": 6,
                "automargin": False,
                "exponentformat": "none",
                "separatethousands": True,
            }
            if self._titles[panel]:
                self._say_title(panel, top)
            if panel in self._scaled:
                axes[_long_axis("y", panel)]["showticklabels"] = False
            top -= share + gap
        for panel in set(range(len(self._heights))) - self._filled:
            self._say_empty(axes[_long_axis("y", panel)], panel)
        axes["xaxis"] = {
            "type": "date",
            "anchor": _axis("y", len(self._heights) - 1),
            "gridcolor": "@grid",
            "linecolor": "@edge",
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "dot",
            "spikecolor": "@muted",
            "hoverformat": self._hover,
            # Without a bar there is no time, and the browser would make one up.
            "showticklabels": bool(self._filled),
        }
        if self._span is not None:
            # Marks would widen the axis, and the picture would jump when one comes or goes.
            low, high = self._span
            axes["xaxis"]["autorangeoptions"] = {"clipmin": low, "clipmax": high}
        return {
            "version": self._version,
            "columns": self.columns,
            "traces": self.traces,
            "layout": {
                "height": height,
                "margin": {"l": 60, "r": 66, "t": 36, "b": 44},
                "paper_bgcolor": "rgba(0,0,0,0)",
                "plot_bgcolor": "rgba(0,0,0,0)",
                "font": {"color": "@muted", "size": 12},
                "hovermode": "x unified",
                "hoverlabel": {
                    "bgcolor": "@paper",
                    "bordercolor": "@edge",
                    "font": {"color": "@text", "size": 12},
                },
                "legend": {
                    "orientation": "h",
                    "traceorder": "normal",
                    "x": 1,
                    "xanchor": "right",
                    "y": 1.0,
                    "yanchor": "bottom",
                    "font": {"size": 12},
                },
                "uirevision": "kept",
                "dragmode": "zoom",
                "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@muted", "activecolor": "@text"},
                "shapes": self.shapes,
                "annotations": self.notes,
                **axes,
                **layout,
            },
        }

    def _say_title(self, panel: int, top: float) -> None:
        axes = {"xref": "paper", "yref": "paper"}
        self.note(
            0, top, self._titles[panel], "muted", 12, **axes, xanchor="left", yanchor="bottom"
        )

    def _say_empty(self, axis: dict[str, Any], panel: int) -> None:
        """Show a sentence instead of a scale that stands for nothing."""
        axis["showticklabels"] = False
        self.note(0.5, sum(axis["domain"]) / 2.0, EMPTY, xref="paper", yref="paper")

    def _column(self, kind: str, values: list[Any]) -> str:
        name = f"{kind}{len(self.columns)}"
        self.columns[name] = values
        return f"${name}"


def value_axis(title: str, anchor: str = "y", **style: Any) -> dict[str, Any]:
    """Return a horizontal axis of values in place of times."""
    colours = {"gridcolor": "@grid", "zerolinecolor": "@edge"}
    return {"title": {"text": title}, **colours, "anchor": anchor, **style}


def without_markup(text: str) -> str:
    """Keep names from outside from being read as Plotly's markup or as a column or colour."""
    return text.replace("<", "\u2039").replace(">", "\u203a").replace("&", "+").lstrip("$@")


def _axis(letter: str, panel: int) -> str:
    return letter if panel == 0 else f"{letter}{panel + 1}"


def _long_axis(letter: str, panel: int) -> str:
    return f"{letter}axis" if panel == 0 else f"{letter}axis{panel + 1}"


def axes_of(panel: int) -> dict[str, str]:
    """Return the axes a trace of a panel is drawn on."""
    return {"xaxis": "x", "yaxis": _axis("y", panel)}
