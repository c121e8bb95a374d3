"""The scan gives every pair what the tests of one pair give it."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.stattools import adfuller, coint

from benchmarks.universes import market_like
from tandem import analytics
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.scanner.moments import cross_products, own_products, spectra, transform_length
from tandem.scanner.persistence import out_of_sample, persistence
from tandem.scanner.result import Scan
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import noise
from tandem.strategy.rules import Costs


def by_pair(found: Scan) -> pd.DataFrame:
    table = found.table()
    return table.set_index([table["y"].astype(str), table["x"].astype(str)]).sort_index()


@pytest.mark.parametrize(
    ("bars", "lags"), [(5_000, 32), (1_999, 26), (200, 19), (63, 19), (63, 0), (300, 140)]
)
def test_lagged_products_are_those_summed_one_by_one(bars: int, lags: int) -> None:
    rng = np.random.default_rng(bars)
    a, b = rng.standard_normal((5, bars)), rng.standard_normal((3, bars))
    one, two = spectra(a, lags), spectra(b, lags)

    def product(y: np.ndarray, x: np.ndarray, lag: int) -> float:
        return float(y[lag:] @ x[: bars - lag])

    lagged = range(lags + 1)
    both = [[[product(y, x, k) + product(x, y, k) for k in lagged] for x in b] for y in a]
    np.testing.assert_allclose(cross_products(one, two), both, rtol=0, atol=1e-12 * bars)
    own = [[product(y, y, k) for k in lagged] for y in a]
    np.testing.assert_allclose(own_products(one), own, rtol=0, atol=1e-12 * bars)
    assert transform_length(bars, lags) > 2 * lags


@pytest.mark.parametrize("trend", ["c", "n", "ct"])
@pytest.mark.parametrize("log_prices", [True, False])
def test_every_figure_is_that_of_the_pair_alone(trend: str, log_prices: bool) -> None:
    prices = market_like(9, 700, seed=3, related=2)
    settings = ScanSettings(trend=trend, log_prices=log_prices)
    found = scan(prices, settings)
    table = by_pair(found)
    levels = np.log(prices) if log_prices else prices
    for y, x in itertools.combinations(prices.columns, 2):
        one = analytics.engle_granger(levels[y], levels[x], trend)
        if one.same_asset:
            assert (y, x) in found.same_asset
            continue
        row = table.loc[(y, x)]
        assert row["statistic"] == pytest.approx(one.statistic, abs=1e-8)
        assert row["p_value"] == pytest.approx(one.p_value_searched, rel=1e-6, abs=1e-12)
        assert (row["lags"], row["bars"]) == (one.lags, one.n_obs)
        assert row["alpha"] == pytest.approx(one.alpha, rel=1e-7)
        assert row["beta"] == pytest.approx(one.beta, rel=1e-7)
        assert row["r_squared"] == pytest.approx(one.r_squared, abs=1e-10)
        life = analytics.half_life(one.residual)
        for name, one_life in (("", life.half_life), ("_low", life.low), ("_high", life.high)):
            assert row[f"half_life{name}"] == pytest.approx(one_life, rel=1e-6, nan_ok=True)
        assert row["hurst"] == pytest.approx(analytics.hurst(one.residual), abs=1e-10)
        assert row["crossings"] == analytics.zero_crossings(one.residual)
        deviation = np.std(one.residual) if trend != "n" else np.sqrt(np.mean(one.residual**2))
        scale = 1e4 if log_prices else 1e4 / prices[y].iloc[-1]
        assert row["spread_volatility"] == pytest.approx(deviation * scale, rel=1e-7)


def test_all_pairs_of_thirty_instruments_equal_statsmodels() -> None:
    prices = market_like(30, 600, seed=11, related=6)
    found = by_pair(scan(prices))
    logs = np.log(prices)
    assert len(found) == 30 * 29 // 2
    for y, x in itertools.combinations(prices.columns, 2):
        row = found.loc[(y, x)]
        one = analytics.engle_granger(logs[y], logs[x])
        assert abs(row["statistic"] - one.statistic) < 1e-6
        assert row["lags"] == one.lags
    # The reference for one pair is proved equal to statsmodels elsewhere; here for some again.
    for y, x in list(itertools.combinations(prices.columns, 2))[::88]:
        assert abs(found.loc[(y, x), "statistic"] - coint(logs[y], logs[x])[0]) < 1e-6


@pytest.mark.slow
def test_every_pair_of_sixty_instruments_equals_coint_itself() -> None:
    prices = market_like(60, 600, seed=4, related=6)
    found = by_pair(scan(prices))
    logs = np.log(prices).to_numpy()
    for place, (y, x) in enumerate(itertools.combinations(range(60), 2)):
        row = found.loc[(prices.columns[y], prices.columns[x])]
        # Another lag would give another statistic; it is asked for by itself where time allows.
        assert abs(row["statistic"] - coint(logs[:, y], logs[:, x])[0]) < 1e-6
        if place % 20 == 0:
            assert row["lags"] == reference_lags(logs[:, y], logs[:, x])


def reference_lags(y: np.ndarray, x: np.ndarray) -> int:
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    return int(adfuller(residual, regression="n", autolag="AIC", result_object=True).lags)


# Bad and missing input -------------------------------------------------------------------


def test_each_bad_column_is_named_with_its_reason() -> None:
    prices = market_like(4, 300, seed=1)
    prices["CONSTANT"] = 5.0
    prices["EMPTY"] = np.nan
    prices["SHORT"] = prices["C0000"].where(np.arange(300) >= 290)
    prices["TEXT"] = ["1.5"] * 299 + ["n/a"]
    prices["ZERO"] = prices["C0001"].where(np.arange(300) != 7, 0.0)
    prices["STALE"] = prices["C0002"].where(np.arange(300) < 200)
    prices["STUCK"] = np.r_[np.full(290, 2.0), np.linspace(2.0, 3.0, 10)]
    prices["FLAGS"] = True
    found = scan(prices)
    reasons = dict(found.left_out)
    assert found.tested == 6
    assert reasons["CONSTANT"] == "constant: 5 in all 300 bars"
    assert reasons["EMPTY"] == "no prices at all"
    assert reasons["SHORT"] == "10 bars with a price, 100 are needed"
    assert reasons["TEXT"] == "text in 1 of 300 cells, first 'n/a' in bar 300"
    assert "first in bar 8" in reasons["ZERO"] and "no logarithm" in reasons["ZERO"]
    assert reasons["STALE"] == "stale: no price in the last 100 bars"
    assert reasons["STUCK"] == "stale: the price repeats in 97.0% of the bars"
    assert reasons["FLAGS"] == "bool instead of prices"
    assert "ZERO" in scan(prices, ScanSettings(log_prices=False)).names


def test_a_column_given_twice_is_one_asset_and_no_finding() -> None:
    prices = market_like(5, 300, seed=2)
    prices["TWIN"] = 3.0 * prices["C0002"]
    found = scan(prices)
    assert found.same_asset == (("C0002", "TWIN"),)
    assert found.pairs_left_out == {"one asset to within rounding (R2 above 0.9999985)": 1}
    assert found.tested == 14 and np.isfinite(found.figures["statistic"]).all()


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (market_like(1, 300), "1 of 1 instruments can be tested; a pair needs two"),
        (market_like(3, 10), "10 bars with a price, 100 are needed"),
        (np.zeros(5), "give a table of bars by instruments"),
        (np.array([["a", "b"]]), "not a table of numbers"),
        (np.zeros((2, 6_000)), "5,000 instruments"),
        (pd.concat([market_like(2, 300)] * 2, axis=1), "names two columns"),
        (market_like(3, 300)[::-1], "sort it"),
        (pd.DataFrame({"A": ["x"] * 200, "B": ["y"] * 200}), "A: text in 200 of 200 cells"),
    ],
)
def test_what_cannot_be_scanned_is_refused_with_the_reason(prices: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        scan(prices)


@pytest.mark.parametrize(
    "wrong",
    [
        {"trend": "quadratic"},
        {"direction": "best"},
        {"level": 0.0},
        {"fewest_bars": 10},
        {"max_lags": 2_000},
        {"bar_seconds": -1.0},
    ],
)
def test_a_setting_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        ScanSettings(**wrong)


@pytest.mark.parametrize(("bars", "lags", "fit"), [(200, 99, 98), (201, 100, 99), (120, 500, 58)])
def test_lags_that_the_bars_have_no_rows_for_are_refused(bars: int, lags: int, fit: int) -> None:
    prices = market_like(4, bars, seed=1)
    said = f"max_lags is {lags}, for which {2 * lags + 3:,} bars .* there are {bars}; give {fit}"
    for work in (scan, noise):
        with pytest.raises(DataError, match=said):
            work(prices, ScanSettings(max_lags=lags))
    # As many as fit are tested, every pair of them.
    assert scan(prices, ScanSettings(max_lags=fit)).tested == 6


@pytest.mark.parametrize("alike", [1, 10])
def test_pairs_too_short_for_the_lags_say_so(alike: int) -> None:
    prices = market_like(20, 400, seed=3)
    prices.iloc[:150, :alike] = np.nan
    prices.iloc[345:, 10 : 10 + alike] = np.nan
    found = scan(prices, ScanSettings(max_lags=100))
    reason = "too few bars in common for 100 lags, which need 203"
    assert found.pairs_left_out == {reason: alike * alike}
    prices.iloc[:250, 0] = np.nan
    (left,) = scan(prices, ScanSettings(max_lags=100)).left_out
    assert left == ("C0000", "150 bars with a price, 203 are needed for 100 lags")


def test_a_window_too_short_for_the_lags_is_refused() -> None:
    prices = market_like(4, 300, seed=1)
    found = scan(prices, ScanSettings(max_lags=80))
    with pytest.raises(DataError, match="max_lags is 80, for which 163 bars .* there are 100"):
        persistence(prices, found, 5)


def moved_share(price: pd.Series) -> float:
    """Count, bar by bar, how often a price moved between its first and its last."""
    known = [k for k, value in enumerate(price) if value == value]
    last, moved = price.iloc[known[0]], 0
    for value in price.iloc[known[0] + 1 : known[-1] + 1]:
        if value == value and value != last:
            moved, last = moved + 1, value
    return moved / (known[-1] - known[0])


@pytest.mark.parametrize("log_prices", [True, False])
def test_activity_is_that_of_the_leg_that_moves_less_often(log_prices: bool) -> None:
    random = np.random.default_rng(4)
    prices = market_like(5, 400, seed=4)
    prices["LATE"] = prices["C0001"].where(np.arange(400) >= 150)
    prices["ENDS"] = prices["C0002"].where(np.arange(400) < 380)
    # Where nothing traded one table repeats the price and another has none: both say the same.
    prices["HOLES"] = prices["C0003"].where(random.random(400) < 0.6)
    prices["REPEATS"] = prices["HOLES"].ffill().bfill() * 2.0
    prices["ROUNDED"] = prices["C0004"].round(1)
    found = scan(prices, ScanSettings(log_prices=log_prices, fewest_bars=50))
    table = by_pair(found)
    for y, x in itertools.combinations(sorted(prices.columns), 2):
        if (y, x) in table.index:
            want = min(moved_share(prices[y]), moved_share(prices[x]))
            assert table.loc[(y, x), "activity"] == want
    assert table.loc[("C0000", "LATE"), "activity"] > 0.9
    assert table.loc[("C0000", "HOLES"), "activity"] == pytest.approx(0.57, abs=0.06)
    assert table.loc[("C0000", "REPEATS"), "activity"] == pytest.approx(0.57, abs=0.06)
    assert table.loc[("LATE", "ROUNDED"), "activity"] < 0.99


def test_a_seed_that_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="seed is -1; it must be at least 0"):
        noise(market_like(3, 200, seed=1), seed=-1)
    with pytest.raises(DataError, match="seed is -1; it must be at least 0"):
        out_of_sample(market_like(3, 200, seed=1), seed=-1)


def test_missing_prices_are_never_filled() -> None:
    rng = np.random.default_rng(0)
    prices = market_like(24, 600, seed=6, related=3)
    prices.iloc[:200, 8:17] = np.nan  # nine that started later: a block of their own
    prices.iloc[100:103, 1] = np.nan
    prices = prices.mask(rng.random(prices.shape) < np.where(np.arange(24) == 5, 0.1, 0.0))
    table, logs = by_pair(scan(prices)), np.log(prices)
    for y, x in itertools.combinations(prices.columns, 2):
        one = analytics.spread_quality(prices[y], prices[x], 60.0, log_prices=True)
        row = table.loc[(y, x)]
        assert row["bars"] == one.n_obs == (logs[y] + logs[x]).notna().sum()
        assert row["statistic"] == pytest.approx(one.test.statistic, abs=1e-8)
        assert row["p_value"] == pytest.approx(one.test.p_value_searched, rel=1e-6)
        assert row["alpha"] == pytest.approx(one.test.alpha, rel=1e-7)
        assert row["r_squared"] == pytest.approx(one.test.r_squared, abs=1e-10)
        assert row["half_life"] == pytest.approx(one.half_life.half_life, rel=1e-6)
        assert row["hurst"] == pytest.approx(one.hurst, abs=1e-10)
        assert row["correlation"] == pytest.approx(one.return_correlation, abs=1e-10)
        assert row["crossings_per_day"] == pytest.approx(one.crossings_per_day, rel=1e-9)


@pytest.mark.parametrize("alike", [1, 10])
def test_too_few_bars_in_common_are_counted(alike: int) -> None:
    prices = market_like(20, 400, seed=3)
    prices.iloc[:300, :alike] = np.nan
    prices.iloc[345:, 10 : 10 + alike] = np.nan
    found = scan(prices)
    assert found.pairs_left_out == {"too few bars in common": alike * alike}
    assert found.tested == 190 - alike * alike


def test_a_leg_constant_over_the_common_bars_is_counted() -> None:
    prices = market_like(12, 400, seed=3)
    prices.iloc[:200, 0] = np.nan
    prices.iloc[200:, 1] = 4.0
    found = scan(prices)
    assert found.pairs_left_out == {"a leg is constant over the bars both have": 1}


# What must not matter --------------------------------------------------------------------


def test_the_order_of_the_columns_changes_nothing() -> None:
    prices = market_like(30, 300, seed=8, related=3)
    shuffled = prices.iloc[:, np.random.default_rng(1).permutation(30)]
    for direction in ("name", "volatility"):
        settings = ScanSettings(direction=direction)
        one, other = scan(prices, settings).table(), scan(shuffled, settings).table()
        pd.testing.assert_frame_equal(
            one.astype({"y": str, "x": str}), other.astype({"y": str, "x": str})
        )


@pytest.mark.parametrize("log_prices", [True, False])
def test_units_change_nothing_that_has_none(log_prices: bool) -> None:
    prices = market_like(12, 300, seed=8, related=3)
    units = 10.0 ** np.random.default_rng(2).integers(-6, 7, 12)
    settings = ScanSettings(log_prices=log_prices)
    one, other = by_pair(scan(prices, settings)), by_pair(scan(prices * units, settings))
    free = ["statistic", "p_value", "q_value", "lags", "r_squared", "half_life", "hurst"]
    free += ["correlation", "crossings", "spread_volatility", "cost_bp", "break_even_z"]
    np.testing.assert_allclose(one[free], other[free], rtol=1e-6, atol=1e-9)


def test_the_direction_is_said_beforehand() -> None:
    prices = market_like(10, 300, seed=8)
    assert all(scan(prices).table().eval("y.astype('str') < x.astype('str')"))
    volatility = np.log(prices).diff().std()
    table = scan(prices, ScanSettings(direction="volatility")).table()
    assert all(volatility[y] > volatility[x] for y, x in zip(table["y"], table["x"], strict=True))
    backwards = scan(prices.iloc[:, ::-1], ScanSettings(direction="order")).table()
    assert all(backwards.eval("y.astype('str') > x.astype('str')"))


def test_both_directions_pay_for_two_looks() -> None:
    prices = market_like(8, 300, seed=9)
    logs, found = np.log(prices), by_pair(scan(prices, ScanSettings(direction="both")))
    for row in found.itertuples():
        ways = [
            analytics.engle_granger(logs[a], logs[b]).p_value_searched
            for a, b in ((row.y, row.x), (row.x, row.y))
        ]
        assert row.p_value == pytest.approx(min(1.0, 2.0 * min(ways)), rel=1e-6)
        assert ways[0] <= ways[1]


def test_only_pairs_within_a_group_are_tested() -> None:
    prices = market_like(40, 200, seed=1)
    prices.iloc[5, 3] = np.nan
    groups = {"a": ["C0001", "C0002", "C0003"], "b": ["C0003", "C0030"]}
    table = scan(prices, groups=groups).table()
    pairs = {tuple(pair) for pair in table[["y", "x"]].astype(str).to_numpy()}
    want = {("C0001", "C0002"), ("C0001", "C0003"), ("C0002", "C0003"), ("C0003", "C0030")}
    assert pairs == want
    with pytest.raises(DataError, match="'b' names 'NONE'"):
        scan(prices, groups={"b": ["NONE"]})


def test_costs_and_fixed_lags() -> None:
    prices = market_like(3, 300, seed=1)
    table = scan(prices, ScanSettings(costs=Costs(2.0, 1.0, 3.0), max_lags=0)).table()
    want = 2.0 * (3.0 + table["beta"].abs() * 5.0)
    np.testing.assert_allclose(table["cost_bp"], want)
    np.testing.assert_allclose(table["break_even_z"], want / table["spread_volatility"])
    one = analytics.engle_granger(
        np.log(prices[table["y"][0]]), np.log(prices[table["x"][0]]), lags=0
    )
    assert table["p_value"][0] == pytest.approx(one.p_value, rel=1e-9)


def test_legs_whose_changes_are_nearly_alike_keep_their_digits() -> None:
    rng = np.random.default_rng(3)
    prices = market_like(4, 2_000, seed=3)
    drift = 1e-4 * np.sin(np.arange(2_000) / 200.0) + rng.normal(0.0, 3e-7, 2_000)
    prices["TIGHT"] = np.exp(np.log(prices["C0001"]) + drift)
    logs, row = np.log(prices), by_pair(scan(prices)).loc[("C0001", "TIGHT")]
    # Of the products of changes less than a hundred-thousandth is left: they are summed anew.
    change = (logs["TIGHT"] - logs["C0001"]).diff()
    assert (change**2).sum() < 1e-5 * (logs["C0001"].diff() ** 2).sum()
    one = analytics.engle_granger(logs["C0001"], logs["TIGHT"])
    assert row["statistic"] == pytest.approx(one.statistic, abs=1e-6)
    assert row["lags"] == one.lags
    assert row["hurst"] == pytest.approx(analytics.hurst(one.residual), abs=1e-6)


# Progress and cancelling -----------------------------------------------------------------


def test_progress_ends_at_the_whole_and_cancel_stops() -> None:
    prices, steps = market_like(80, 200, seed=1), []

    def progress(done: int, total: int) -> None:
        steps.append(done / total)

    scan(prices, watch=Watch(progress))
    assert steps == sorted(steps) and steps[-1] == 1.0
    steps.clear()
    with pytest.raises(Cancelled):
        scan(prices, watch=Watch(progress, lambda: len(steps) >= 2))


def test_any_number_of_threads_gives_the_same() -> None:
    prices = market_like(70, 200, seed=1)
    one, other = scan(prices, workers=1).table(), scan(prices, workers=3).table()
    pd.testing.assert_frame_equal(one, other, check_exact=True)
