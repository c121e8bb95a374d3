"""Wrong guesses of the operator's secret wait longer and longer."""

from __future__ import annotations

import itertools

from tandem.ui.shared.login_throttle import FREE, LONGEST_S, Guesses


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_delay_grows_and_ends() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    waits = []
    for _ in range(12):
        assert not guesses.is_right("barley", "sesame")
        waits.append(guesses.wait_s())
        clock.now_s += waits[-1]
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert all(a < b or b == LONGEST_S for a, b in itertools.pairwise(waits[FREE - 1 :]))
    assert waits[-1] == LONGEST_S


def test_even_the_right_secret_has_to_wait_and_then_sets_the_count_back() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(FREE):
        guesses.is_right("barley", "sesame")
    assert not guesses.is_right("sesame", "sesame")
    clock.now_s += guesses.wait_s()
    assert guesses.is_right("sesame", "sesame")
    assert not guesses.is_right("barley", "sesame")
    assert guesses.wait_s() == 0.0


def test_no_secret_is_never_guessed_and_any_text_may_be_given() -> None:
    guesses = Guesses(Clock())
    assert not guesses.is_right("", "")
    assert guesses.is_right("p\u00e4ssw\u00f6rd", "p\u00e4ssw\u00f6rd")
