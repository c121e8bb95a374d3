"""From scored bars to figures. No Streamlit here, and no colours: traces name palette entries."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.surveillance.liquidity import VolumeProfile
from tandem.surveillance.settings import WatchSettings
from tandem.ui.shared import format as f
from tandem.ui.shared.canvas import Canvas, Figure, axes_of, value_axis
from tandem.ui.surveillance.overview import Scores, flagged, why

# As said to the reader: per million of quote currency, in basis points.
AMIHUD_BP_PER_MILLION = 1e10
# How tall each small panel is, in pixels.
_SMALL = 66


def score_chart(scores: Scores, settings: WatchSettings, version: str) -> Figure:
    """Draw the price with its flagged bars, the z-score of the return, and the forest's score.

    Parameters
    ----------
    scores : ndarray of BAR_SCORE
        Already cut to the span that is shown.
    version : str
        Changes whenever the picture would.
    """
    canvas = Canvas(version, [200, 110, 90])
    time_us = scores["time_us"]
    hits = flagged(scores, settings)
    canvas.title(0, "price")
    canvas.line("price", 0, time_us, scores["price"], "x", showlegend=False)
    last = float(scores["price"][-1]) if len(scores) else math.nan
    canvas.tag(0, last, f.price(last), "x")
    canvas.title(1, "1 s return z-score")
    limit = settings.anomaly_z
    for sign in (1.0, -1.0):
        canvas.level(1, sign * limit, "bad")
    canvas.line("return z", 1, time_us, scores["return_z"], "z", showlegend=False, width=1.2)
    canvas.title(2, "anomaly score, flagged above the line")
    cut = scores["anomaly_cut"]
    canvas.line("cut", 2, time_us, cut, "bad", showlegend=False, width=1.1, dash="dash")
    canvas.line("anomaly score", 2, time_us, scores["anomaly"], "other", showlegend=False)
    _mark(canvas, scores[hits], 0, scores["price"][hits], settings)
    beyond = np.abs(scores["return_z"]) > limit
    _mark(canvas, scores[beyond], 1, scores["return_z"][beyond], settings)
    above = scores["anomaly"] > cut
    _mark(canvas, scores[above], 2, scores["anomaly"][above], settings)
    return canvas.figure()


def _mark(
    canvas: Canvas,
    scores: Scores,
    panel: int,
    values: npt.NDArray[np.float64],
    settings: WatchSettings,
) -> None:
    """Mark flagged bars in red; the hover says why."""
    if not len(scores):
        return
    words = f"w{panel}"
    canvas.columns[words] = [why(score, settings) for score in scores]
    canvas.traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "flagged",
            "showlegend": panel == 0,
            **axes_of(panel),
            "x": canvas.times(scores["time_us"]),
            "y": canvas.values("v", values, panel),
            "text": f"${words}",
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"symbol": "circle", "size": 7, "color": "@bad"},
        }
    )


def feature_chart(scores: Scores, version: str) -> Figure:
    """Draw the Isolation Forest features, one panel each."""
    panels = [
        ("RSI, 0 to 100", scores["rsi"]),
        ("volatility of a bar, bp", scores["volatility"] * 1e4),
        ("volume change, log", scores["volume_change"]),
        ("order-flow imbalance, \u22121 to 1", scores["imbalance"]),
        ("trade intensity, log", scores["intensity"]),
    ]
    return _panels(scores, panels, version)


def liquidity_chart(scores: Scores, version: str) -> Figure:
    """Draw the liquidity measures, one panel each."""
    panels = [
        ("Amihud, bp per million", scores["amihud"] * AMIHUD_BP_PER_MILLION),
        ("Kyle's \u03bb, price per unit", scores["kyle"]),
        ("Roll's spread, bp", scores["roll"] / scores["price"] * 1e4),
        ("order-flow imbalance, \u22121 to 1", scores["imbalance"]),
        ("trade intensity, log", scores["intensity"]),
    ]
    return _panels(scores, panels, version)


def _panels(
    scores: Scores, panels: list[tuple[str, npt.NDArray[np.float64]]], version: str
) -> Figure:
    canvas = Canvas(version, [_SMALL] * len(panels))
    for at, (title, values) in enumerate(panels):
        canvas.title(at, title)
        canvas.line(title, at, scores["time_us"], values, "x", showlegend=False, width=1.2)
        known = values[np.isfinite(values)]
        if len(known) and len(values) and math.isfinite(values[-1]):
            canvas.tag(at, float(values[-1]), f.significant(float(values[-1]), 3), "x")
    figure = canvas.figure()
    for at in range(len(panels)):
        figure["layout"]["yaxis" if at == 0 else f"yaxis{at + 1}"]["nticks"] = 4
    return figure


def profile_chart(profile: VolumeProfile, asset: str, version: str) -> Figure:
    """Draw volume by price, the value area stronger, the point of control named."""
    canvas = Canvas(version, [300])
    canvas.title(0, "price")
    middle = (profile.edges[:-1] + profile.edges[1:]) / 2.0
    inside = (middle >= profile.low) & (middle <= profile.high)
    for name, mask, colour in (("value area", inside, "x"), ("outside", ~inside, "volume")):
        levels = canvas.values("p", middle[mask], 0)
        bars = canvas.values("v", profile.volume[mask], 0)
        canvas.bars(name, colour, bars, levels, orientation="h")
    canvas.level(
        0, profile.control, "text", f"point of control {f.price(profile.control)}", "solid"
    )
    # A name at the left end would stand on the bars.
    canvas.notes[-1] |= {"x": 0.997, "xanchor": "right"}
    figure = canvas.figure(barmode="overlay", bargap=0.12, hovermode="y")
    figure["layout"]["xaxis"] = value_axis(f"volume, {f.asset(asset)}")
    return figure
