"""Findings on other windows, out-of-sample, among families, on noise, and from scan to scan."""

from __future__ import annotations

import dataclasses
import weakref

import numpy as np
import pandas as pd
import pytest

from benchmarks.universes import market_like, universe
from tandem import analytics
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.kernels import scan as scan_kernels
from tandem.kernels.universe import rebuild_universe
from tandem.scanner import surrogates
from tandem.scanner.columns import Columns, columns_of
from tandem.scanner.families import clusters, with_families
from tandem.scanner.persistence import out_of_sample, persistence
from tandem.scanner.result import changes
from tandem.scanner.scan import every_pair, p_values_of, scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import UniverseSurrogates, calibrated, noise, warm_up
from tandem.scanner.tiles import BARS


def test_held_counts_the_windows_a_pair_is_found_in() -> None:
    prices = market_like(10, 600, seed=3, related=2)
    prices.iloc[:320, 6] = np.nan
    found = persistence(prices, scan(prices), 4, 240)
    for row in found.table().itertuples():
        held = told = 0
        for start in (0, 120, 240, 360):
            legs = np.log(prices[[row.y, row.x]].iloc[start : start + 240]).dropna()
            if len(legs) >= 100:
                one = analytics.engle_granger(legs[row.y], legs[row.x])
                held, told = held + (one.p_value_searched <= 0.05), told + 1
        assert (row.held, row.windows) == (held, told)


def test_windows_that_do_not_fit_are_refused() -> None:
    prices = market_like(4, 300)
    found = scan(prices)
    with pytest.raises(DataError, match="does not fit"):
        persistence(prices, found, 3, 400)
    with pytest.raises(DataError, match="the limit is 100"):
        persistence(prices, found, 101)
    with pytest.raises(DataError, match="not the scanned prices"):
        persistence(prices.iloc[:, :3], found)


def test_later_bars_are_judged_by_the_hedge_of_the_first() -> None:
    prices = universe("independent", 20, 1_500, 3, related=4, half_life=8.0)
    later = out_of_sample(prices, split=0.6)
    assert later.cut == 900 and len(later.table) >= 4
    first = scan(prices.iloc[:900])
    pd.testing.assert_frame_equal(later.first.table(), first.table())
    row = later.table.iloc[0]
    logs = np.log(prices.iloc[900:])
    spread = logs[row["y"]] - row["alpha"] - row["beta"] * logs[row["x"]]
    test = analytics.adf(spread)
    assert row["later_p_value"] == pytest.approx(test.p_value_searched, rel=1e-9)
    assert row["later_shift"] * row["spread_volatility"] / 1e4 == pytest.approx(spread.mean())
    assert later.confirmed >= 4
    # Pairs that were not found: a test at 5 % confirms about one in twenty.
    assert later.control < 0.15


def test_an_instrument_that_ends_has_no_later_figures() -> None:
    prices = universe("independent", 8, 1_000, 3, related=2, half_life=5.0)
    prices.iloc[610:, 1] = np.nan
    table = out_of_sample(prices, split=0.6).table.astype({"y": str, "x": str})
    gone = table[(table["y"] == "C0001") | (table["x"] == "C0001")]
    assert len(gone) and gone["later_p_value"].isna().all()
    with pytest.raises(DataError, match="split earlier"):
        out_of_sample(prices, split=0.99)


def test_one_driver_is_one_family() -> None:
    rng = np.random.default_rng(0)
    prices = universe("independent", 12, 1_000, 5)
    for name in ("C0002", "C0003", "C0004"):
        prices[name] = prices["C0001"] ** 0.8 * np.exp(rng.normal(0.0, 2e-3, 1_000))
    prices["C0009"] = prices["C0008"] * np.exp(rng.normal(0.0, 2e-3, 1_000))
    found = scan(prices)
    chosen = found.found("q_value_any", 1e-6)
    told, families = with_families(found, chosen)
    assert [family.instruments for family in families] == [
        ("C0001", "C0002", "C0003", "C0004"),
        ("C0008", "C0009"),
    ]
    assert [(family.findings, family.independent) for family in families] == [(6, 3), (1, 1)]
    assert told.figures["leads"].sum() == 4
    assert np.isnan(told.figures["family"][~chosen]).all()
    assert (told.figures["leads"][~chosen] == 0).all()


def test_clusters_are_those_that_move_together() -> None:
    rng = np.random.default_rng(1)
    driver = rng.normal(0.0, 1e-3, (500, 2))
    own = rng.normal(0.0, 3e-4, (500, 9))
    returns = np.c_[driver[:, [0] * 5], driver[:, [1] * 3], np.zeros(500)] + own
    prices = np.exp(np.cumsum(returns, axis=0))
    found = scan(prices, names=list("abcdefghi"))
    assert clusters(found).tolist() == [1, 1, 1, 1, 1, 2, 2, 2, 3]


def test_surrogates_keep_how_all_move_together_and_lose_the_pull() -> None:
    prices = market_like(20, 3_000, seed=2, related=4)
    prices.iloc[:400, 9], prices.iloc[50:60, 10] = np.nan, np.nan
    columns = columns_of(prices, ScanSettings())
    made = UniverseSurrogates(columns)
    drawn = made.draw(1)
    np.testing.assert_array_equal(np.isnan(drawn.levels), np.isnan(columns.levels))
    assert drawn.levels.tobytes() == made.draw(1).levels.tobytes()
    assert drawn.levels.tobytes() != made.draw(2).levels.tobytes()
    full = [0, 1, 5, 12, 15]
    real, other = (np.corrcoef(table.returns[full]) for table in (columns, drawn))
    np.testing.assert_allclose(real, other, atol=0.05)
    # The size of every move stays at its bar, so calm and wild hours do.
    sizes = [np.abs(table.returns[full]).mean(axis=0) for table in (columns, drawn)]
    assert np.corrcoef(*sizes)[0, 1] > 0.9
    assert scan(prices).count() >= 4
    by_noise = noise(prices, runs=8)
    assert by_noise.by_q.mean() < 1.5
    # Of 190 unrelated pairs about one in twenty has a p of 5 %.
    assert 3 < by_noise.by_p.mean() < 30


def test_one_universe_is_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = market_like(12, 601, seed=2)
    alive: list[weakref.ref[np.ndarray]] = []
    left: list[int] = []
    draw = UniverseSurrogates.draw

    def drawn(made: UniverseSurrogates, seed: int) -> Columns:
        left.append(sum(one() is not None for one in alive))
        told = draw(made, seed)
        # A table of slots cannot be watched; its levels can.
        alive.append(weakref.ref(told.levels))
        return told

    monkeypatch.setattr(UniverseSurrogates, "draw", drawn)
    noise(prices, runs=4)
    assert left == [0, 0, 0, 0]


def test_a_surrogate_with_every_sign_kept_is_the_real_one() -> None:
    columns = columns_of(market_like(6, 400, seed=2), ScanSettings())
    made = UniverseSurrogates(columns)

    class Kept:
        def random(self, count: int) -> np.ndarray:
            return np.ones(count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.random, "default_rng", lambda seed: Kept())
        np.testing.assert_allclose(made.draw(0).levels, columns.levels, atol=1e-12)


def test_noise_calibrates_and_keeps_to_groups() -> None:
    prices = universe("independent", 20, 600, 2, related=3, half_life=4.0)
    groups = {"all but one": list(prices.columns[:-1])}
    by_noise = noise(prices, runs=30, groups=groups)
    assert {len(values) for values in by_noise.p_values} == {19 * 18 // 2}
    told = calibrated(scan(prices, groups=groups), by_noise)
    assert told.count("q_value_noise") >= 3
    assert list(told.figures)[2:5] == ["q_value", "q_value_any", "q_value_noise"]
    assert 0.0 <= by_noise.chance_of_any <= 1.0
    with pytest.raises(DataError, match="1,000 are the most"):
        noise(prices, runs=1_001)


def test_warming_up_compiles_every_kernel() -> None:
    warm_up()
    for name in ("scan_tile", "scan_one_by_one"):
        assert getattr(scan_kernels, name).signatures
    assert rebuild_universe.signatures


def test_all_of_it_can_be_cancelled() -> None:
    prices = market_like(10, 300)
    found = scan(prices)
    stop = Watch(is_cancelled=lambda: True)
    for work in (
        lambda: noise(prices, watch=stop),
        lambda: persistence(prices, found, watch=stop),
        lambda: out_of_sample(prices, watch=stop),
    ):
        with pytest.raises(Cancelled):
            work()


def counting(most: int | None = None) -> tuple[list[int], Watch]:
    """Return a watch, and a list of one that counts how often it was asked; it stops at `most`."""
    asked = [0]

    def is_cancelled() -> bool:
        asked[0] += 1
        return most is not None and asked[0] >= most

    return asked, Watch(is_cancelled=is_cancelled)


def test_surrogates_ask_at_every_instrument_and_every_piece_of_bars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = columns_of(market_like(12, 601, seed=2), ScanSettings())
    whole = UniverseSurrogates(columns).draw(3).levels
    asked, watch = counting()
    made = UniverseSurrogates(columns, watch)
    assert asked == [12]
    # 600 changes in pieces of 25 bars; what is put together does not depend on the pieces.
    monkeypatch.setattr(surrogates, "CELLS_AT_ONCE", 12 * 25)
    assert made.draw(3).levels.tobytes() == whole.tobytes()
    assert asked == [12 + 600 // 25]


@pytest.mark.parametrize("stage", ["columns", "regressions", "universe", "tiles"])
def test_a_noise_run_stops_where_it_is_cancelled(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = market_like(12, 601, seed=2)
    monkeypatch.setattr(surrogates, "CELLS_AT_ONCE", 12 * 25)
    # Columns are asked about twice, when read and when judged; then an instrument's regression,
    # then 24 pieces of bars, then the tiles.
    at = {"columns": 20, "regressions": 30, "universe": 50, "tiles": 62}[stage]
    asked, watch = counting(at)
    drawn: list[int] = []
    draw = UniverseSurrogates.draw
    monkeypatch.setattr(
        UniverseSurrogates, "draw", lambda made, seed: drawn.append(seed) or draw(made, seed)
    )
    with pytest.raises(Cancelled):
        noise(prices, runs=50, watch=watch)
    # Not asked again: what was under way stopped at once.
    assert asked == [at]
    assert len(drawn) == (0 if stage in ("columns", "regressions") else 1)


def test_a_scan_asks_at_every_column_and_every_length() -> None:
    prices = market_like(12, 300, seed=2)
    for place in range(12):
        prices.iloc[: 5 * place, place] = np.nan
    asked, watch = counting()
    columns_of(prices, ScanSettings(), watch=watch)
    assert asked == [24]
    found, _ = every_pair(columns_of(prices, ScanSettings()), ScanSettings())
    asked, watch = counting()
    p_values_of(found, ScanSettings(), watch)
    assert asked == [len(set(found[2 + BARS]))] == [12 - 1]


def test_what_appeared_held_and_broke() -> None:
    prices = universe("independent", 8, 1_200, 4, related=3, half_life=5.0)
    before = scan(prices.iloc[:600])
    broken = prices.copy()
    rng = np.random.default_rng(0)
    broken.iloc[600:, 0] = broken.iloc[600:, 0] * np.exp(np.cumsum(rng.normal(0, 5e-3, 600)))
    now = scan(broken.iloc[600:])
    told = changes(before, now)
    assert ("C0000", "C0001") in told.broke
    assert {("C0002", "C0003"), ("C0004", "C0005")} <= set(told.held)
    back = changes(now, before)
    assert set(back.appeared) == set(told.broke) and set(back.held) == set(told.held)
    nothing = changes(before, now, level=0.0)
    assert nothing.held == () and len(nothing.broke) == before.count()


def test_what_is_no_criterion_is_refused() -> None:
    found = scan(market_like(4, 200))
    with pytest.raises(DataError, match="does not say what a finding is"):
        found.found("q_value_noise")
    assert found.count("p_value", 1.0) == found.tested == 6
    assert found.expected_by_chance == pytest.approx(0.3)
    assert len(found.table(2)) == 2
    assert dataclasses.is_dataclass(found)
