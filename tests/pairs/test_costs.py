"""What a round trip would cost: four fills, half-spreads, funding with its sign."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tandem.pairs.costs import LegQuote, trade_cost
from tandem.pairs.stream import PairSettings
from tandem.strategy.rules import Costs, Rules

BASE = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", lookback=50, z_window=20)


def test_pitfall_11_a_round_trip_pays_four_fills_and_both_spreads() -> None:
    pair = replace(BASE, costs=Costs(fee_bp=5.0, slippage_bp=0.0), rules=Rules(exit=0.5))
    cost = trade_cost(
        pair, (3_000.0, 60_000.0), 0.05, 2.5, 6.0, (LegQuote(1.0, False), LegQuote(2.0, True))
    )
    assert cost.fees_bp == pytest.approx(20.0)
    assert cost.spreads_bp == pytest.approx(2.0 * 1.0 + 2.0 * 2.0)
    assert cost.total_bp == pytest.approx(26.0)
    assert cost.break_even_z == pytest.approx(26.0 / 20.0)
    assert cost.left_bp == pytest.approx(2.0 * 20.0 - 26.0)
    assert cost.spreads_estimated


def test_funding_is_paid_by_longs_and_earned_by_shorts() -> None:
    quotes = LegQuote(0.0, False), LegQuote(0.0, False)
    short = trade_cost(BASE, (3_000.0, 60_000.0), 0.05, 2.5, 6.0, quotes, (1e-5, 0.0), 2.0)
    long = trade_cost(BASE, (3_000.0, 60_000.0), 0.05, -2.5, 6.0, quotes, (1e-5, 0.0), 2.0)
    assert short.funding_bp == pytest.approx(-0.2)
    assert long.funding_bp == pytest.approx(0.2)
    both = trade_cost(BASE, (3_000.0, 60_000.0), 0.05, -2.5, 6.0, quotes, (1e-5, 1e-5), 2.0)
    assert both.funding_bp == pytest.approx(0.0, abs=1e-12)


def test_what_is_not_known_about_funding_is_not_free() -> None:
    quotes = LegQuote(0.0, False), LegQuote(0.0, False)
    prices = 3_000.0, 60_000.0
    for rates, hours in (((np.nan, 0.0), 2.0), ((1e-5, 0.0), np.nan), ((1e-5, 0.0), np.inf)):
        cost = trade_cost(BASE, prices, 0.05, 2.5, 6.0, quotes, rates, hours)
        assert np.isnan(cost.funding_bp)
        assert cost.total_bp == cost.fees_bp + cost.spreads_bp
    # Spot legs pay none, however long they are held.
    spot = trade_cost(BASE, prices, 0.05, 2.5, 6.0, quotes, (0.0, 0.0), np.nan)
    assert spot.funding_bp == 0.0


def test_nothing_is_left_of_a_spread_that_is_where_it_would_be_closed() -> None:
    quotes = LegQuote(0.0, False), LegQuote(0.0, False)
    cost = trade_cost(BASE, (3_000.0, 60_000.0), 0.05, 0.4, 6.0, quotes)
    assert np.isnan(cost.left_bp)


def test_a_log_beta_is_a_ratio_of_notionals() -> None:
    logs = replace(BASE, rules=Rules(log_prices=True), costs=Costs(fee_bp=5.0))
    quotes = LegQuote(0.0, False), LegQuote(0.0, False)
    cost = trade_cost(logs, (3_000.0, 60_000.0), 0.5, 2.5, 0.002, quotes)
    assert cost.fees_bp == pytest.approx(2 * 5.0 * 1.5)
    assert cost.break_even_z == pytest.approx(15.0 / 20.0)
