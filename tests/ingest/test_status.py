"""The numbers on a venue: delay and clock skew by their rule, and trades per second."""

import math

import pytest

from tandem.core.events import Trade
from tandem.ingest.status import Delays, Rate, clock_hint

START_US = 1_795_000_000_000_000


def trades(delays_ms: list[float]) -> list[Trade]:
    return [
        Trade("sim:X", n, START_US, 1.0, 1.0, 1, START_US + int(delay * 1000))
        for n, delay in enumerate(delays_ms)
    ]


def reported(*batches: list[float]) -> tuple[float, float]:
    delays = Delays()
    for batch in batches:
        delays.add(trades(batch))
    return delays.report()


def test_nothing_is_known_before_the_first_trade() -> None:
    delay, skew = Delays().report()
    assert math.isnan(delay)
    assert skew == 0.0


def test_a_believable_delay_is_the_median() -> None:
    assert reported([40.0, 55.0], [300.0]) == (55.0, 0.0)


def test_a_trade_that_arrives_before_it_happens_shows_a_slow_clock() -> None:
    # The recordings' machine was 1.27 s behind the exchange.
    delay, skew = reported([-1270.0, -1265.0, -1240.0])
    assert skew == -1270.0
    assert delay == pytest.approx(5.0)


def test_no_network_is_seconds_slow_for_every_trade() -> None:
    delay, skew = reported([5_020.0, 5_030.0, 5_040.0])
    assert (skew, delay) == (5_020.0, pytest.approx(10.0))


def test_one_slow_trade_is_no_skew() -> None:
    assert reported([60.0] * 10 + [9_000.0]) == (60.0, 0.0)


def test_the_least_is_forgotten_after_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 130.0, 130.0, 260.0, 260.0, 390.0, 390.0])
    monkeypatch.setattr("tandem.ingest.status.steady_s", lambda: next(times))
    delays = Delays()
    delays.add(trades([-500.0]))
    for _ in range(3):
        delays.add(trades([20.0] * 400))
    assert delays.report() == (20.0, 0.0)


def test_rate_is_the_mean_of_the_last_whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("tandem.ingest.status.steady_s", lambda: now)
    rate = Rate()
    assert rate.mean() == 0.0
    for second in range(100, 110):
        now = second + 0.5
        rate.add(second)
    now = 110.2
    assert rate.mean() == (105 + 106 + 107 + 108 + 109) / 5
    now = 130.0
    assert rate.mean() == 0.0


def test_rate_at_the_start_divides_by_the_time_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("tandem.ingest.status.steady_s", lambda: now)
    rate = Rate()
    rate.add(30)
    now = 102.0
    assert rate.mean() == 15.0


@pytest.mark.parametrize(
    ("skew_ms", "words"),
    [
        (-61_000, "is 1.0 minutes behind Kraken's"),
        (5 * 3.6e6, "is 5.0 hours ahead of Kraken's"),
        (-400 * 86.4e6, "is 400.0 days behind Kraken's"),
    ],
)
def test_a_clock_that_is_wrong_is_told_with_its_side(skew_ms: float, words: str) -> None:
    assert words in clock_hint(skew_ms, "Kraken")
    assert "recorded with exchange time" in clock_hint(skew_ms, "Kraken")


def test_a_clock_that_is_right_enough_needs_no_words() -> None:
    assert clock_hint(-59_000, "Kraken") == clock_hint(0.0, "Kraken") == ""
