"""A scan's findings as a network on a circle: one driver is one knot. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.scanner.families import clusters
from tandem.scanner.result import Scan
from tandem.ui.scanner.charts import plain
from tandem.ui.shared.canvas import Canvas, Figure, axes_of
from tandem.ui.shared.format import p_value

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_EDGES = 200
# Families that are numbered in the picture, as they are in the table beside it.
MOST_NUMBERED = 12
HEIGHT, MARGIN = 366, 62
# Clusters of two and more, the largest first; later ones and single instruments are grey.
COLOURS = ("@y", "@x", "@spread", "#2ba3b5", "#cf6a9b", "#8d9a3a")
REST = "@other"
# Share of the circle that stays empty between clusters, and that instruments in findings get.
GAPS, IN_FINDINGS = 0.06, 0.6
# An instrument in a finding takes at most so much of the circle, in radians.
WIDEST = 0.25
# Names stand at least this far apart, in radians: a line of text on a phone's circle.
NAME_APART = 0.095
# Pixels from the circle to a name, and about half of a letter.
NAME_GAP, HALF_LETTER = 9, 3.0
LONGEST_NAME = 10
CURVE_POINTS = 17
WIDTHS = (1.2, 2.0, 3.0)
# q-values from which on a line is wider.
STRONGER = (1e-3, 1e-6)


def drawn_edges(chosen: Bools) -> Ints:
    """Return the findings that are drawn, the strongest first."""
    return np.flatnonzero(chosen)[:MOST_EDGES]


def circle(groups: Ints, is_in_finding: Bools) -> tuple[Ints, Floats]:
    """Place instruments on a circle: cluster by cluster, more room for those in a finding.

    Parameters
    ----------
    groups : ndarray of shape (instruments,)
        Each one's cluster.
    is_in_finding : ndarray of shape (instruments,)

    Returns
    -------
    order : ndarray of shape (instruments,)
        The instruments along the circle.
    angle : ndarray of shape (instruments,)
        Of each instrument, in radians, clockwise from the top.
    """
    count = len(groups)
    order: Ints = np.lexsort((np.arange(count), groups))
    found = int(np.count_nonzero(is_in_finding))
    room = 2.0 * np.pi * (1.0 - GAPS)
    # One in a finding never gets less than another.
    own = max(min(WIDEST, IN_FINDINGS * room / max(found, 1)), room / count)
    rest = (room - own * found) / max(count - found, 1)
    width = np.where(is_in_finding, own, rest)
    # Where the widest do not fill it, all take more.
    width *= room / width.sum()
    sizes = np.bincount(groups)
    # Instruments alone in their cluster stand together.
    breaks = np.diff(groups[order], prepend=-1) != 0
    breaks &= (sizes[groups[order]] > 1) | np.r_[True, sizes[groups[order]][:-1] > 1]
    gap = 2.0 * np.pi * GAPS / max(int(breaks.sum()), 1)
    ends = np.cumsum(width[order] + gap * breaks)
    angle = np.empty(count)
    angle[order] = ends - width[order] / 2.0
    return order, angle


def network_chart(found: Scan, chosen: Bools, called: Sequence[str], version: str) -> Figure:
    """Draw findings as lines between instruments on a circle.

    Parameters
    ----------
    found : Scan
        With the figures `family` and `leads`.
    chosen : ndarray of bool of shape (pairs,)
        The findings.
    called : sequence of str
        Names of the instruments, as the screen calls them; text from outside.
    """
    edges = drawn_edges(chosen)
    is_in_finding = np.zeros(len(found.names), np.bool_)
    is_in_finding[found.y[edges]] = is_in_finding[found.x[edges]] = True
    groups = clusters(found)
    order, angle = circle(groups, is_in_finding)
    names = [plain(name) for name in called]
    canvas = Canvas(version, [HEIGHT])
    canvas.values("v", np.zeros(1), 0)
    _add_edges(canvas, found, edges, angle, names)
    _add_ring(canvas, groups, order, angle, is_in_finding, names)
    _add_names(canvas, angle, names, _named(found, edges, angle))
    figure = canvas.figure(hovermode="closest", showlegend=False, dragmode=False)
    hidden = {"visible": False, "fixedrange": True, "range": [-1.03, 1.03]}
    figure["layout"]["xaxis"] = {**hidden, "anchor": "y", "scaleanchor": "y"}
    figure["layout"]["yaxis"] = {**hidden, "domain": [0, 1], "anchor": "x"}
    figure["layout"]["margin"] = dict.fromkeys("lrtb", MARGIN)
    figure["layout"]["height"] = HEIGHT + 2 * MARGIN
    return figure


def _at(angle: Any, radius: Any = 1.0) -> tuple[Any, Any]:
    return radius * np.sin(angle), radius * np.cos(angle)


# Lines ----------------------------------------------------------------------------------


def curve(first: float, second: float) -> tuple[Floats, Floats]:
    """Return a line between two places of the circle, bent inwards the more the farther apart."""
    (x0, y0), (x2, y2) = _at(first), _at(second)
    apart = abs(math.remainder(second - first, 2.0 * math.pi)) / math.pi
    middle = math.atan2(x0 + x2, y0 + y2)
    x1, y1 = _at(middle, 0.8 * (1.0 - math.sqrt(apart)))
    t = np.linspace(0.0, 1.0, CURVE_POINTS)
    a, b, c = (1.0 - t) ** 2, 2.0 * t * (1.0 - t), t**2
    return a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2


def _add_edges(
    canvas: Canvas, found: Scan, edges: Ints, angle: Floats, names: Sequence[str]
) -> None:
    q, leads, family = (found.figures[name] for name in ("q_value", "leads", "family"))
    lines: dict[tuple[bool, int], tuple[list[float | None], list[float | None]]] = {}
    spots: list[tuple[float, float, str]] = []
    numbered: set[int] = set()
    # The weakest first: the strongest lie on top.
    for place in edges[::-1].tolist():
        y, x = int(found.y[place]), int(found.x[place])
        xs, ys = curve(float(angle[y]), float(angle[x]))
        strength = sum(q[place] <= level for level in STRONGER)
        along, up = lines.setdefault((bool(leads[place]), strength), ([], []))
        along += [*(round(value, 4) for value in xs.tolist()), None]
        up += [*(round(value, 4) for value in ys.tolist()), None]
        text = f"{names[y]} \u00b7 {names[x]}<br>q {p_value(float(q[place]))}, family"
        middle = CURVE_POINTS // 2
        spots.append((float(xs[middle]), float(ys[middle]), f"{text} {family[place]:.0f}"))
    for (does_lead, strength), (along, up) in sorted(lines.items()):
        line = {"color": "@good" if does_lead else "@muted", "width": WIDTHS[strength]}
        line["dash"] = "solid" if does_lead else "dot"
        canvas.traces.append(_trace(f"findings {does_lead} {strength}", along, up, "lines")
                             | {"line": line, "hoverinfo": "skip",
                                "opacity": 0.9 if does_lead else 0.6})  # fmt: skip
    for place, (along_at, up_at, _) in zip(edges.tolist(), spots[::-1], strict=True):
        number = int(family[place])
        if number in numbered or number > MOST_NUMBERED:
            continue
        numbered.add(number)
        _note(canvas, along_at, up_at, str(number), 11, bgcolor="@paper")
    seen = _trace("pairs", [one[0] for one in spots], [one[1] for one in spots], "markers")
    seen |= {"text": [one[2] for one in spots], "hovertemplate": "%{text}<extra></extra>"}
    canvas.traces.append(seen | {"marker": {"size": 18, "color": "rgba(0,0,0,0)"}})


# The circle -----------------------------------------------------------------------------


def _add_ring(
    canvas: Canvas,
    groups: Ints,
    order: Ints,
    angle: Floats,
    is_in_finding: Bools,
    names: Sequence[str],
) -> None:
    sizes = np.bincount(groups)
    for group in np.flatnonzero(sizes > 1).tolist():
        own = angle[order[groups[order] == group]]
        sweep = np.linspace(own[0], own[-1], max(2, int(np.ptp(own) / 0.03)))
        xs, ys = _at(sweep, 1.0)
        arc = _trace(
            f"cluster {group}", np.round(xs, 4).tolist(), np.round(ys, 4).tolist(), "lines"
        )
        line = {"color": _colour(group, sizes), "width": 3}
        canvas.traces.append(arc | {"line": line, "opacity": 0.55, "hoverinfo": "skip"})
    for is_large in (False, True):
        shown = order[is_in_finding[order] == is_large]
        if not len(shown):
            continue
        xs, ys = _at(angle[shown])
        nodes = _trace(
            f"instruments {is_large}", np.round(xs, 4).tolist(), np.round(ys, 4).tolist(), "markers"
        )
        nodes |= {
            "text": [f"{names[k]}{_cluster_text(int(groups[k]), sizes)}" for k in shown.tolist()],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {
                "size": 10 if is_large else 4,
                "color": [_colour(int(groups[k]), sizes) for k in shown.tolist()],
                "line": {"width": 1.5 if is_large else 0, "color": "@paper"},
            },
        }
        canvas.traces.append(nodes)


def _colour(group: int, sizes: Ints) -> str:
    return COLOURS[group - 1] if sizes[group] > 1 and group <= len(COLOURS) else REST


def _cluster_text(group: int, sizes: Ints) -> str:
    return f"<br>moves with {sizes[group] - 1:,} others" if sizes[group] > 1 else ""


def _named(found: Scan, edges: Ints, angle: Floats) -> list[int]:
    """Return the instruments whose names have room, those of the strongest findings first."""
    named: list[int] = []
    for place in edges.tolist():
        for leg in (int(found.y[place]), int(found.x[place])):
            near = np.abs(np.remainder(angle[named] - angle[leg] + np.pi, 2.0 * np.pi) - np.pi)
            if leg not in named and not (near < NAME_APART).any():
                named.append(leg)
    return named


def _add_names(canvas: Canvas, angle: Floats, names: Sequence[str], named: Sequence[int]) -> None:
    for leg in named:
        # The venue is in the tooltip.
        short = names[leg].rpartition(":")[2]
        if len(short) > LONGEST_NAME:
            short = f"{short[: LONGEST_NAME - 1]}\u2026"
        reach = NAME_GAP + HALF_LETTER * len(short)
        along, up = _at(float(angle[leg]))
        turned = math.degrees(float(angle[leg])) % 360.0 - 90.0
        # No name stands on its head.
        style = {
            "textangle": turned if turned <= 90.0 else turned - 180.0,
            "xshift": round(reach * float(along), 1),
            "yshift": round(reach * float(up), 1),
        }
        _note(canvas, float(along), float(up), short, 10, **style)


def _note(canvas: Canvas, along: float, up: float, text: str, size: int, **style: Any) -> None:
    place = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle", "borderpad": 1}
    canvas.note(round(along, 4), round(up, 4), text, "text", size, **place, **style)


def _trace(name: str, along: Sequence[Any], up: Sequence[Any], mode: str) -> dict[str, Any]:
    axes = axes_of(0)
    return {"type": "scatter", "mode": mode, "name": name, "x": list(along), "y": list(up), **axes}
