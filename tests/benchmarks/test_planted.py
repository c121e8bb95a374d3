"""Anomalies of known time and size are found by the detector made for them; calm is left alone."""

from functools import cache

import numpy as np
import pytest

from benchmarks.planted import KINDS, detectors, filled, judge, plant, readings_of, weigh
from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.surveillance.settings import WatchSettings
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.paths import ROOT

START_US = 1_790_000_000 * SECOND_US
TRAIN_S = 900
SETTINGS = WatchSettings(momentum_bars=(60,), contamination=0.01)


def simulated(symbol: str, seconds: int) -> np.ndarray:
    market = SimulatedMarket(7, 8.0)
    trades = market.history(f"sim:{symbol}", START_US, START_US + seconds * SECOND_US)
    return filled(aggregate(trade_array(trades), SECOND_US))


@cache
def market() -> tuple[np.ndarray, np.ndarray]:
    """Return bars of two instruments."""
    return simulated("ETHUSDT", 4_500), simulated("BTCUSDT", 4_500)


def found(kind: str, size: float, detector: str):
    bars, other = market()
    planted = plant(kind, size, bars, other, TRAIN_S + 300, 400)
    readings = readings_of(planted.bars, planted.other, SETTINGS, TRAIN_S)
    assert len(planted.starts_us) >= 5
    return weigh(
        planted, judge(readings, detectors(SETTINGS)[detector], int(bars["time_us"][TRAIN_S]))
    )


@pytest.mark.parametrize(
    ("kind", "size", "detector"),
    [
        ("price jump", 6, "plain z"),
        ("price jump", 10, "z beyond 6"),
        ("volume burst", 10, "forest"),
        ("volume burst", 8, "volume z beyond 5"),
        ("one-leg crash", 12, "divergence"),
        ("dead feed", 3, "silence"),
    ],
)
def test_each_kind_is_found_by_what_is_made_for_it(kind, size, detector) -> None:
    assert found(kind, size, detector).recall >= 0.8


def test_a_dead_feed_is_told_and_nothing_else_is_called_one() -> None:
    for size in (3, 8):
        one = found("dead feed", size, "silence")
        assert (one.recall, one.precision) == (1.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS[:3])
def test_larger_ones_are_found_at_least_as_often(kind: str) -> None:
    for detector in ("plain z", "forest"):
        assert found(kind, 12, detector).recall >= found(kind, 3, detector).recall


def test_nothing_planted_is_nothing_changed() -> None:
    for kind in KINDS[:4]:
        planted = plant(kind, 0, *market(), 600, 240)
        for name in ("close", "volume"):
            np.testing.assert_allclose(planted.bars[name], market()[0][name], rtol=1e-12)


def test_recall_and_precision_are_counted_by_hand() -> None:
    planted = plant("price jump", 5, *market(), 600, 600)
    starts = planted.starts_us
    second = SECOND_US
    alerts = [starts[0] + second, starts[0] + 2 * second, starts[1] + 60 * second, starts[2]]
    one = weigh(planted, alerts)
    assert one.alerts == 4
    assert one.recall == pytest.approx(1 / len(starts))
    assert one.precision == 0.5
    assert np.isnan(weigh(planted, []).precision)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DataError, match="price jump"):
        plant("meteor", 5, *market(), 600, 240)


def test_the_page_was_written_by_the_command() -> None:
    page = ROOT / "docs" / "SURVEILLANCE.md"
    text = page.read_text(encoding="utf-8")
    assert "Written by `python -m benchmarks.surveillance`" in text
    assert all(f"**{kind}**" in text for kind in KINDS)
