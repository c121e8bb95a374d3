"""Pairs whose legs diverge, and gaps in time."""

import numpy as np
import pytest

from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import Trade
from tandem.surveillance.divergence import Divergence
from tandem.surveillance.instrument import (
    InstrumentWatch,
)
from tandem.surveillance.service import Surveillance, batch
from tests.support.watched_bars import bars_of, walk
from tests.support.watched_trades import BASE_US, BOTH, SMALL, TRADES


def apart(y, x, within=60):
    pair = Divergence("sim:Y", "sim:X", within)
    end = BASE_US + len(y) * SECOND_US
    found = pair.add("sim:Y", bars_of(y), end)
    return found + pair.add("sim:X", bars_of(x), end)


def test_legs_that_move_apart_are_found() -> None:
    y, x = np.full(100, 50.0), np.full(100, 20.0)
    y[80:] *= 0.99
    found = apart(y, x)
    assert [one.time_us for one in found] == [BASE_US + (s + 1) * SECOND_US for s in range(60, 100)]
    assert found[19].percent == 0.0
    assert found[20].percent == pytest.approx(-1.0)
    assert (found[20].y, found[20].x) == (49.5, 20.0)
    both = apart(y, x * y / 50.0)
    assert max(abs(one.percent) for one in both) < 1e-9


def test_a_leg_that_falls_silent_is_carried_forward() -> None:
    pair = Divergence("sim:Y", "sim:X", 10)
    end = BASE_US + 40 * SECOND_US
    pair.add("sim:X", bars_of(np.full(3, 20.0)), end)
    found = pair.add("sim:Y", bars_of(np.r_[np.full(20, 50.0), np.full(20, 51.0)]), end)
    assert max(one.percent for one in found) == pytest.approx(2.0)
    assert found[-1].x == 20.0


@pytest.mark.parametrize("hole", [1, 59, 60, 61, 62, 500])
def test_seconds_without_a_trade_are_the_same_however_they_come(hole: int) -> None:
    close = walk(300, 3)
    kept = np.r_[0:100, 100 + hole : 100 + hole + 200]
    y, x = bars_of(close), bars_of(walk(300, 4))
    y["time_us"] = x["time_us"] = BASE_US + kept * SECOND_US
    x = np.delete(x, slice(150, 170))
    end = BASE_US + (kept[-1] + 1) * SECOND_US
    whole, pieces = Divergence("sim:Y", "sim:X"), Divergence("sim:Y", "sim:X")
    expected = whole.add("sim:Y", y, end) + whole.add("sim:X", x, end)
    found = []
    for until in range(BASE_US, end + 1, SECOND_US):
        for name, bars in (("sim:Y", y), ("sim:X", x)):
            now = (bars["time_us"] < until) & (bars["time_us"] >= until - SECOND_US)
            found += pieces.add(name, bars[now], until)
    assert found == expected
    # The last 60 s after a trade are said, and the rest of a longer hole is not; nor is a move
    # since one of those seconds.
    assert len(found) == 240 + min(hole, 60) - min(max(hole - 60, 0), 60)


def test_a_leg_that_never_trades_fills_no_memory(monkeypatch) -> None:
    monkeypatch.setattr("tandem.surveillance.divergence.MOST_WAITING", 100)
    pair, close = Divergence("sim:Y", "sim:X", 10), walk(500)
    bars = bars_of(close)
    for at in range(0, 500, 7):
        assert pair.add("sim:Y", bars[at : at + 7], int(bars["time_us"][at]) + SECOND_US) == []
    assert len(pair._waiting["sim:Y"]) == 100
    end = int(bars["time_us"][-1]) + SECOND_US
    pair.add("sim:Y", bars[:0], end)
    found = pair.add("sim:X", bars[480:], end)
    assert [one.time_us for one in found] == (bars["time_us"][490:] + SECOND_US).tolist()
    assert max(abs(one.percent) for one in found) == 0.0


def test_a_hole_of_years_takes_no_time() -> None:
    pair = Divergence("sim:Y", "sim:X")
    bars = bars_of(np.full(2, 50.0))
    bars["time_us"][1] += 10**15
    end = int(bars["time_us"][1]) + SECOND_US
    found = pair.add("sim:Y", bars, end) + pair.add("sim:X", bars, end)
    assert [one.time_us for one in found] == [BASE_US + 61 * SECOND_US]


def holed(trades: list[Trade], hole_s: float) -> list[Trade]:
    """Return trades with a hole in their middle, over which the price moves by 2 percent."""
    half = len(trades) // 2
    after = [
        one._replace(
            time_us=one.time_us + int(hole_s * SECOND_US),
            received_us=one.received_us + int(hole_s * SECOND_US),
            price=one.price * 1.02,
        )
        for one in trades[half:]
    ]
    return trades[:half] + after


def test_a_return_over_a_hole_is_none_and_alarms_nobody() -> None:
    trades = holed(TRADES, 600.0)
    surveillance, _ = batch(trades, SMALL)
    at = len(trades) // 2
    scores = surveillance.trade_scores("sim:ETHUSDT")[-len(trades) :]
    row = scores[scores["time_us"] == trades[at].time_us][0]
    assert np.isnan(row["return_"]) and np.isnan(row["return_z"])
    assert np.nanmax(np.abs(scores["return_"])) < 0.019
    bars = surveillance.scores("sim:ETHUSDT")
    first = np.flatnonzero(bars["time_us"] >= trades[at].time_us // SECOND_US * SECOND_US)[0]
    for name in ("return_", "return_z", "rsi", "volatility", "volume_change", "anomaly", "ewma"):
        assert np.isnan(bars[name][first]), name
    # What is remembered of the time before goes on with the next bar.
    assert np.isfinite(bars["volatility"][first + 1])
    assert np.nanmax(bars["volatility"]) < 0.01
    assert np.isnan(bars["slope"][first + 1])


@pytest.mark.parametrize(("spacing_s", "hole_s", "is_hole"), [
    (1.0, 59.0, False), (1.0, 61.0, True), (0.01, 61.0, True), (30.0, 300.0, False),
    (30.0, 700.0, True), (300.0, 3_000.0, False), (300.0, 7_000.0, True),
])  # fmt: skip
def test_what_a_hole_is_follows_from_how_often_prices_come(
    spacing_s: float, hole_s: float, is_hole: bool
) -> None:
    times = np.arange(200) * spacing_s
    times[150:] += hole_s
    watch = InstrumentWatch("sim:A", SMALL)
    scores = watch.trades((BASE_US + times * SECOND_US).astype(np.int64), walk(200))
    found = np.flatnonzero(np.isnan(scores["return_"]))
    assert found.tolist() == ([0, 150] if is_hole else [0])


def test_a_past_that_is_filled_in_is_scored_and_not_told() -> None:
    surveillance = Surveillance(SMALL)
    surveillance.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    now = BOTH[-1].received_us
    told = surveillance.observe(BOTH, lambda name: now) + surveillance.close(now, only_fresh=True)
    whole = Surveillance(SMALL)
    whole.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    everything = whole.observe(BOTH) + whole.close(now)
    scores, expected = (
        (one.trade_scores("sim:ETHUSDT"), one.scores("sim:ETHUSDT"))
        for one in (surveillance, whole)
    )
    assert [one.tobytes() for one in scores] == [one.tobytes() for one in expected]
    assert {one.measure for one in told} == {one.measure for one in everything}
    assert len(told) < len(everything) / 3
    assert min(one.time_us for one in told) >= now - 31 * SECOND_US
    # As text: what is not known is NaN, which equals nothing.
    late = [
        [repr(one) for one in readings if one.time_us > now - 29 * SECOND_US]
        for readings in (told, everything)
    ]
    assert late[0] == late[1]


def test_a_source_that_grows_slow_is_heard_again() -> None:
    times = np.cumsum(np.r_[np.ones(100), np.full(100, 600.0)])
    watch = InstrumentWatch("sim:A", SMALL)
    scores = watch.trades((BASE_US + times * SECOND_US).astype(np.int64), walk(200))
    assert np.isfinite(scores["return_"][-50:]).all()


def test_a_pair_of_one_instrument_is_refused() -> None:
    with pytest.raises(DataError, match="two different"):
        Divergence("sim:Y", "sim:Y")
    with pytest.raises(DataError, match="seconds"):
        Divergence("sim:Y", "sim:X", 0)
