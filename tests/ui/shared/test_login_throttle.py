"""Wrong guesses of the operator's secret wait longer and longer, and shut nobody out."""

from __future__ import annotations

import itertools

from tandem.ui.shared.login_throttle import FORGET_S, FREE, LONGEST_S, Guesses


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guess(guesses: Guesses, clock: Clock, name: str = "stranger", given: str = "barley") -> float:
    """Make a guess when its turn comes; return how long that took."""
    wait_s = guesses.wait_s((name,))
    clock.now_s += wait_s
    assert guesses.is_right((name,), given, "sesame") == (given == "sesame")
    return wait_s


def test_the_delay_grows_to_its_limit() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    waits = [guess(guesses, clock) for _ in range(12)]
    assert waits[:FREE] == [0.0] * FREE
    assert all(a < b or b == LONGEST_S for a, b in itertools.pairwise(waits[FREE - 1 :]))
    assert waits[-1] == LONGEST_S


def test_the_right_secret_is_let_in_after_any_number_of_wrong_ones() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(20):
        guess(guesses, clock)
    assert guess(guesses, clock, given="sesame") <= LONGEST_S
    assert guess(guesses, clock) == 0.0, "the count begins anew"


def test_a_stranger_s_guesses_do_not_delay_another_address() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(20):
        guess(guesses, clock)
    assert guesses.wait_s(("operator",)) == 0.0


def test_guesses_at_the_same_time_wait_for_one_another_within_the_limit() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(FREE):
        guess(guesses, clock)
    waits = [guesses.wait_s(("stranger",)) for _ in range(40)]
    assert all(a < b or b == LONGEST_S for a, b in itertools.pairwise(waits))
    assert waits[-1] == LONGEST_S


def test_what_cannot_be_told_apart_is_slowed_down_together() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for number in range(20):
        names = (f"session {number}", "unverified")
        clock.now_s += guesses.wait_s(names)
        assert not guesses.is_right(names, "barley", "sesame")
    assert 0.0 < guesses.wait_s(("session 99", "unverified")) <= LONGEST_S


def test_wrong_guesses_are_forgotten() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(20):
        guess(guesses, clock)
    clock.now_s += FORGET_S + LONGEST_S
    assert guess(guesses, clock) == 0.0


def test_no_secret_is_never_guessed_and_any_text_may_be_given() -> None:
    guesses = Guesses(Clock())
    assert not guesses.is_right(("one",), "", "")
    assert guesses.is_right(("one",), "p\u00e4ssw\u00f6rd", "p\u00e4ssw\u00f6rd")
