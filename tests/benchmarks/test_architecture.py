"""The picture of the architecture shows the imports as they are."""

from __future__ import annotations

import re

import pytest

from benchmarks.architecture import PATH, SVG, drawing, parts, size, structure, summary
from tests.support.architecture import LAYERS, PACKAGE, nearest, uses
from tests.support.paths import ROOT

LONGEST = 74  # characters that fit a room


def test_the_picture_is_current() -> None:
    kept = SVG.read_text(encoding="utf-8")
    assert structure(kept) == structure(drawing()), "run make architecture"


def test_only_sizes_may_be_out_of_date() -> None:
    svg = drawing()
    assert structure(svg.replace(f">{size('ui')}<", ">77,700 lines<")) == structure(svg)
    assert structure(svg.replace(summary("ui"), "something else")) != structure(svg)
    assert structure(svg.replace('data-to="engine"', 'data-to="core"')) != structure(svg)


def test_every_layer_is_drawn_and_every_arrow_points_down() -> None:
    svg = drawing()
    assert [part for part in LAYERS if f'class="part">{part}<' in _titles(svg)] == parts()
    arrows = set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', svg))
    needed = nearest({part: others - {"__main__"} for part, others in uses().items()})
    assert arrows == {(part, other) for part in parts() for other in needed[part]}
    assert all(LAYERS.index(below) > LAYERS.index(above) for above, below in arrows)


def _titles(svg: str) -> str:
    return re.sub(r'(class="part") [^>]*', r"\1", svg)


def test_every_part_of_the_package_has_a_layer() -> None:
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize("part", parts())
def test_a_part_says_in_one_line_what_it_holds(part: str) -> None:
    assert 20 <= len(summary(part)) <= LONGEST


def test_a_trade_passes_through_modules_that_exist() -> None:
    for step in PATH:
        for station in () if isinstance(step, str) else step:
            assert (ROOT / station.module).exists(), station


def test_what_a_longer_way_implies_is_left_out() -> None:
    graph = {
        "top": frozenset({"middle", "bottom"}),
        "middle": frozenset({"bottom"}),
        "bottom": frozenset[str](),
    }
    assert nearest(graph) == {"top": ["middle"], "middle": ["bottom"], "bottom": []}


def test_the_document_follows_a_trade_as_the_picture_does() -> None:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    journey = text.partition("## How a trade travels")[2].partition("\n## ")[0]
    modules = [one.module for step in PATH if not isinstance(step, str) for one in step]
    places = [journey.find(f"`{module}`") for module in modules if module]
    assert -1 not in places
    assert places == sorted(places)
