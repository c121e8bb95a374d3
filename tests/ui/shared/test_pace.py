"""Refresh intervals: longer while the server falls behind, and as asked again afterwards."""

from __future__ import annotations

import pytest

from tandem.ui.shared.pace import LEAST, LONGEST, MOST, WINDOW_S, Pace


class Clock:
    """Seconds that pass as a test says."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(pace: Pace, clock: Clock, viewers: int, took_s: float, seconds: float) -> None:
    """Let so many viewers refresh twice a second, or as seldom as the pace allows."""
    end = clock.now_s + seconds
    while clock.now_s < end:
        clock.now_s += 0.5 * pace.factor
        for _ in range(viewers):
            pace.spent(took_s)


def test_few_viewers_are_refreshed_as_they_ask(clock: Clock) -> None:
    pace = Pace(clock)
    run(pace, clock, 10, 0.005, 60.0)
    assert pace.factor == 1


def test_intervals_double_until_the_server_keeps_up_and_then_stay(clock: Clock) -> None:
    pace = Pace(clock)
    seen = []
    for _ in range(20):
        run(pace, clock, 100, 0.01, 2 * WINDOW_S)
        seen.append(pace.factor)
    # 100 viewers x 2 refreshes x 10 ms are twice what there is.
    assert seen[0] > 1
    assert set(seen[3:]) == {4}


def test_they_are_as_asked_again_when_viewers_have_left(clock: Clock) -> None:
    pace = Pace(clock)
    run(pace, clock, 100, 0.01, 60.0)
    run(pace, clock, 2, 0.005, 60.0)
    assert pace.factor == 1


def test_whoever_comes_after_a_while_does_not_wait_for_those_who_left(clock: Clock) -> None:
    pace = Pace(clock)
    run(pace, clock, 10_000, 1.0, 600.0)
    clock.now_s += 3_600.0
    pace.spent(0.005)
    assert pace.factor == 1


def test_there_is_a_longest_interval(clock: Clock) -> None:
    pace = Pace(clock)
    run(pace, clock, 10_000, 1.0, 600.0)
    assert pace.factor == LONGEST


def test_no_share_is_both_too_much_and_too_little_after_it_was_halved() -> None:
    assert MOST / 2 > LEAST
