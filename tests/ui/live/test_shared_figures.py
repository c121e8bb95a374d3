"""A figure is made once per pair and bar, whoever looks."""

from __future__ import annotations

from dataclasses import replace

from tandem.pairs.stream import PairSettings, PairStream
from tandem.pairs.tracker import LivePair, PairView
from tandem.ui.live.shared_figures import SharedFigures

PAIR = PairSettings("sim:ETHUSDT", "sim:BTCUSDT")


def view_of(settings: PairSettings = PAIR) -> PairView:
    live = LivePair(settings, 100)
    live.stream = PairStream(settings, 100)
    live.publish()
    assert live.view is not None
    return live.view


def test_a_figure_is_made_once_until_the_next_bar() -> None:
    shared, made = SharedFigures(), []

    def make() -> bytes:
        made.append(1)
        return b"figure %d" % len(made)

    first = view_of()
    assert [shared.of(first, ("pair", 900), make) for _ in range(3)] == [b"figure 1"] * 3
    assert shared.of(first, ("pair", 0), make) == b"figure 2", "another span"
    assert shared.of(view_of(replace(PAIR, model="huber")), ("pair", 900), make) == b"figure 3"
    assert shared.of(first, ("pair", 900), make) == b"figure 1"
    # The same bars of a pair that was opened anew are another view.
    assert shared.of(view_of(), ("pair", 900), make) == b"figure 4"
    assert shared.of(first, ("pair", 900), make) == b"figure 5", "only the newest is kept"


def test_the_least_recently_shown_figures_go_first() -> None:
    shared, view = SharedFigures(most=2), view_of()
    made: list[str] = []

    def show(name: str) -> None:
        shared.of(view, (name,), lambda: made.append(name) or b"")

    for name in ("a", "b", "a", "c", "a", "b"):
        show(name)
    assert made == ["a", "b", "c", "b"]
