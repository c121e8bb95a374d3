"""Whether a pair belongs together, from its kept bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tandem.pairs.cointegration import assess
from tandem.pairs.stream import PairSettings, PairStream
from tandem.strategy.rules import Rules
from tests.support.made_pairs import aligned, cointegrated

BASE = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", lookback=50, z_window=20)


def followed(bars, settings: PairSettings = BASE) -> PairStream:
    stream = PairStream(settings)
    stream.extend(bars)
    return stream


def test_the_relation_of_a_cointegrated_pair_is_found() -> None:
    view = followed(aligned(*cointegrated(2_000, 9))).view()
    relation = assess(view, BASE)
    assert relation is not None
    assert relation.p_value < 0.01
    assert relation.quality.half_life.low < 10.0 < relation.quality.half_life.high
    assert relation.quality.n_obs == 2_000
    assert relation.quality.test.beta == pytest.approx(0.05, rel=0.05)
    assert assess({name: column[:40] for name, column in view.items()}, BASE) is None


def test_pitfall_23_two_tickers_of_one_asset_are_called_so() -> None:
    _, x = cointegrated(500, 10)
    relation = assess(followed(aligned(2.0 * x, x)).view(), BASE)
    assert relation is not None
    assert relation.same_asset


def test_the_drift_of_beta_is_its_change_over_one_lookback() -> None:
    view = followed(aligned(*cointegrated(400, 12))).view()
    relation = assess(view, BASE)
    assert relation is not None
    beta = view["beta"]
    assert relation.quality.beta_drift == pytest.approx(beta[-1] / beta[-1 - BASE.lookback] - 1.0)
    early = {name: column[: 2 * BASE.lookback - 2] for name, column in view.items()}
    before = assess(early, BASE)
    assert before is not None and np.isnan(before.quality.beta_drift)


def test_stale_bars_are_left_out_and_counted() -> None:
    y, x = cointegrated(400, 13)
    usable = np.ones(400, bool)
    usable[100:140] = False
    y[100:140] = 1e6  # what a stale leg shows is looked at by nothing
    relation = assess(followed(aligned(y, x, usable=usable)).view(), BASE)
    assert relation is not None
    assert relation.quality.n_obs == 360
    assert relation.quality.stale_share == pytest.approx(0.1)
    assert relation.p_value < 0.01


def test_logs_are_tested_where_logs_are_traded() -> None:
    y, x = cointegrated(400, 14)
    logs = replace(BASE, rules=Rules(log_prices=True))
    relation = assess(followed(aligned(y, x), logs).view(), logs)
    raw = assess(followed(aligned(y, x)).view(), BASE)
    assert relation is not None and raw is not None
    assert relation.quality.test.beta == pytest.approx(0.05 * x.mean() / y.mean(), rel=0.1)
    assert relation.quality.test.beta != pytest.approx(raw.quality.test.beta, rel=0.1)


def test_a_pair_that_parts_is_breaking_and_one_that_holds_is_sound() -> None:
    y, x = cointegrated(2_000, 15)
    sound = assess(followed(aligned(y, x)).view(), BASE)
    random = np.random.default_rng(1)
    parted = y.copy()
    parted[1_000:] += np.cumsum(random.normal(0.0, 3.0 * np.std(np.diff(y - 0.05 * x)), 1_000))
    broken = assess(followed(aligned(parted, x)).view(), BASE)
    assert sound is not None and broken is not None
    assert sound.soundness.state == "sound"
    assert broken.soundness.state == "breaking"


@pytest.mark.filterwarnings("error")
def test_prices_of_nought_or_less_have_no_log_and_are_left_out() -> None:
    settings = replace(BASE, rules=Rules(log_prices=True))
    y, x = cointegrated(500, 12)
    clean = np.ones(500, bool)
    clean[[100, 101, 102, 300]] = False
    spoilt = y.copy(), x.copy()
    spoilt[0][[100, 101, 102]] = 0.0, -5.0, np.inf
    spoilt[1][300] = -1.0
    relation = assess(followed(aligned(*spoilt), settings).view(), settings)
    masked = assess(followed(aligned(y, x, usable=clean), settings).view(), settings)
    assert relation is not None
    assert masked is not None
    assert relation.quality.n_obs == 496
    assert relation.quality.test.statistic == masked.quality.test.statistic
    assert relation.soundness.p_value == masked.soundness.p_value
    assert assess(followed(aligned(-y, x), settings).view(), settings) is None
