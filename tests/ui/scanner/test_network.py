"""The picture of a scan's findings: a circle of instruments, a bounded number of lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from benchmarks.universes import universe
from tandem.scanner.families import clusters, with_families
from tandem.scanner.result import Scan
from tandem.scanner.scan import scan
from tandem.ui.scanner import network as scanner_network
from tandem.ui.scanner.network import circle, curve, drawn_edges, network_chart


@pytest.fixture(scope="module")
def found() -> Scan:
    told = scan(universe("common factors, GARCH", 30, 600, 3, related=4, half_life=5.0))
    return with_families(told, told.found("p_value"))[0]


def traces(figure: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [trace for trace in figure["traces"] if trace["name"].startswith(name)]


def drawn_lines(figure: dict[str, Any]) -> int:
    return sum(trace["x"].count(None) for trace in traces(figure, "findings"))


@pytest.mark.parametrize(("count", "in_findings"), [(2, 2), (58, 9), (58, 0), (700, 650), (700, 4)])
def test_every_instrument_has_a_place_of_its_own(count: int, in_findings: int) -> None:
    rng = np.random.default_rng(count)
    groups = np.sort(rng.integers(1, max(count // 3, 2), count))
    chosen = np.zeros(count, np.bool_)
    chosen[rng.permutation(count)[:in_findings]] = True
    order, angle = circle(groups, chosen)
    assert sorted(order.tolist()) == list(range(count))
    assert (np.diff(groups[order]) >= 0).all()
    along = angle[order]
    assert along[0] > 0.0 and along[-1] < 2.0 * math.pi and (np.diff(along) > 0.0).all()
    if 0 < in_findings < count:
        # Those in findings have more room to both sides.
        steps = np.diff(along)
        both = chosen[order][1:] & chosen[order][:-1]
        neither = ~chosen[order][1:] & ~chosen[order][:-1]
        if both.any() and neither.any():
            assert steps[both].min() >= steps[neither].min() - 1e-12


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.1), (6.2, 0.1), (1.0, 4.0), (0.5, 3.6)])
def test_a_line_joins_its_two_places_within_the_circle(first: float, second: float) -> None:
    xs, ys = curve(first, second)
    assert (xs[0], ys[0]) == pytest.approx((math.sin(first), math.cos(first)))
    assert (xs[-1], ys[-1]) == pytest.approx((math.sin(second), math.cos(second)))
    assert (np.hypot(xs, ys) <= 1.0 + 1e-12).all()


def test_every_finding_is_a_line_and_what_follows_is_dotted(found: Scan) -> None:
    chosen = found.found("p_value")
    figure = network_chart(found, chosen, found.names, "1")
    assert drawn_lines(figure) == np.count_nonzero(chosen)
    dotted = [one for one in traces(figure, "findings") if one["line"]["dash"] == "dot"]
    follows = np.count_nonzero(chosen & (found.figures["leads"] == 0.0))
    assert sum(one["x"].count(None) for one in dotted) == follows > 0
    # The strongest pair's line is told with its legs and its family.
    texts = traces(figure, "pairs")[0]["text"]
    y, x = found.names[found.y[0]], found.names[found.x[0]]
    assert texts[-1].startswith(f"{y} \u00b7 {x}<br>q ")
    assert texts[-1].endswith(f"family {found.figures['family'][0]:.0f}")
    # Families bear the numbers of the table beside.
    numbers = {note["text"] for note in figure["layout"]["annotations"]}
    families = {f"{k:.0f}" for k in found.figures["family"][chosen]}
    assert families <= numbers


def test_instruments_are_all_there_and_coloured_by_cluster(found: Scan) -> None:
    figure = network_chart(found, found.found("p_value"), found.names, "1")
    colour = {
        text.partition("<br>")[0]: shade
        for nodes in traces(figure, "instruments")
        for text, shade in zip(nodes["text"], nodes["marker"]["color"], strict=True)
    }
    assert set(colour) == set(found.names)
    groups = clusters(found)
    first = [found.names[k] for k in np.flatnonzero(groups == 1)]
    assert len(first) > 1 and {colour[name] for name in first} == {scanner_network.COLOURS[0]}


def test_the_picture_stays_bounded_and_says_the_same_twice(
    found: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner_network, "MOST_EDGES", 7)
    chosen = np.ones(found.tested, np.bool_)
    everything = with_families(found, chosen)[0]
    assert drawn_edges(chosen).tolist() == list(range(7))
    figure = network_chart(everything, chosen, found.names, "1")
    assert drawn_lines(figure) == 7
    again = network_chart(everything, chosen, found.names, "1")
    assert figure["traces"] == again["traces"]
    assert figure["layout"] == again["layout"]


def test_names_never_collide_and_never_become_markup(found: Scan) -> None:
    hostile = [f"$@<b>{k}</b>&{'x' * 80}" for k in range(len(found.names))]
    chosen = np.ones(found.tested, np.bool_)
    everything = with_families(found, chosen)[0]
    figure = network_chart(everything, chosen, hostile, "1")
    texts = [note["text"] for note in figure["layout"]["annotations"]]
    texts += [
        text.replace("<br>", "") for one in traces(figure, "instruments") for text in one["text"]
    ]
    assert not any(mark in text for text in texts for mark in "<>$@&")
    angles = [
        math.atan2(note["x"], note["y"])
        for note in figure["layout"]["annotations"]
        if "textangle" in note
    ]
    assert len(angles) > 10
    for k, one in enumerate(angles):
        for other in angles[:k]:
            apart = abs(math.remainder(one - other, 2.0 * math.pi))
            assert apart > 0.99 * scanner_network.NAME_APART
    assert all(
        -90.0 <= note.get("textangle", 0.0) <= 90.0 for note in figure["layout"]["annotations"]
    )


def test_a_universe_of_two_is_drawn() -> None:
    told = scan(universe("independent", 2, 300, 1, related=1, half_life=3.0))
    told = with_families(told, told.found())[0]
    assert drawn_lines(network_chart(told, told.found(), told.names, "1")) == told.count() == 1
