"""Tests of the relation against the libraries and printed results, and their size on noise."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.adfvalues import mackinnoncrit, mackinnonp
from statsmodels.tsa.stattools import adfuller, coint

from tandem import analytics
from tandem.analytics.critical_values import asymptotic_p, critical_values
from tandem.analytics.finite_sample import SURFACES, finite_p
from tandem.core.errors import DataError
from tests.support import reference_data, simulate


def walks(seed, bars, legs=2):
    return 100.0 + np.cumsum(np.random.default_rng(seed).normal(size=(legs, bars)), axis=1)


def cointegrated(seed, bars, root=0.9):
    rng = np.random.default_rng(seed)
    x, u = 100.0 + np.cumsum(rng.normal(size=bars)), np.zeros(bars)
    for t in range(1, bars):
        u[t] = root * u[t - 1] + rng.normal()
    return 3.0 + 0.6 * x + u, x


# Against the libraries ------------------------------------------------------------------


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("bars", [25, 60, 300, 900])
@pytest.mark.parametrize("make", [walks, cointegrated])
def test_engle_granger_equals_coint(make, bars, trend):
    y, x = make(bars, bars)
    ours = analytics.engle_granger(y, x, trend)
    statistic, p_value, critical = coint(y, x, trend=trend)
    assert ours.statistic == pytest.approx(statistic, abs=1e-8)
    assert ours.p_value_asymptotic == pytest.approx(p_value, abs=1e-9)
    np.testing.assert_allclose(list(ours.critical_values.values()), critical, rtol=1e-12)
    peer = adfuller(ours.residual, regression="n", result_object=True)
    assert ours.lags == peer.lags


@pytest.mark.parametrize("max_lags", [0, 1, 7])
def test_engle_granger_takes_the_same_limit_on_lags(max_lags):
    y, x = cointegrated(1, 400)
    ours = analytics.engle_granger(y, x, max_lags=max_lags)
    assert ours.statistic == pytest.approx(coint(y, x, maxlag=max_lags)[0], abs=1e-8)
    fixed = analytics.engle_granger(y, x, lags=max_lags)
    peer = coint(y, x, maxlag=max_lags, autolag=None)
    assert (fixed.statistic, fixed.lags) == (pytest.approx(peer[0], abs=1e-8), max_lags)


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("bars", [25, 60, 300, 1_500])
@pytest.mark.parametrize("lags", [None, 0, 3])
def test_adf_equals_adfuller(bars, trend, lags):
    series = walks(bars, bars)[0]
    ours = analytics.adf(series, lags, trend)
    peer = adfuller(
        series, maxlag=lags, regression=trend, autolag=None if lags is not None else "aic",
        result_object=True,
    )  # fmt: skip
    assert ours.statistic == pytest.approx(peer.statistic, abs=1e-8)
    assert ours.p_value_asymptotic == pytest.approx(peer.pvalue, abs=1e-9)
    assert (ours.lags, ours.n_obs) == (peer.lags, peer.nobs)
    assert ours.critical_values == pytest.approx(peer.critical_values, rel=1e-12)


def test_engle_granger_equals_arch_on_its_own_lag():
    from arch.unitroot.cointegration import engle_granger as peer

    y, x = cointegrated(2, 500)
    ours = analytics.engle_granger(y, x, lags=3)
    theirs = peer(y, pd.DataFrame({"x": x}), trend="c", lags=3)
    assert ours.statistic == pytest.approx(theirs.stat, abs=1e-8)


def test_rolling_adf_equals_a_loop_of_adfuller():
    series = pd.Series(walks(8, 400)[0])
    ours = analytics.rolling_adf(series, 250)
    for t in range(249, 400, 30):
        peer = adfuller(series.iloc[t - 249 : t + 1], maxlag=1, autolag=None, result_object=True)
        assert ours.iloc[t] == pytest.approx(peer.statistic, rel=1e-9)
    assert np.isnan(analytics.rolling_adf(np.full(50, 3.0), 20)).all()
    assert np.isnan(ours.iloc[:249]).all()


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("series", [1, 2])
def test_the_table_of_mackinnon_is_complete(trend, series):
    for statistic in np.linspace(-30.0, 5.0, 400):
        expected = mackinnonp(statistic, trend, series)
        assert asymptotic_p(statistic, trend, series) == pytest.approx(expected, abs=1e-14)
    if (trend, series) == ("n", 2):
        assert all(math.isnan(value) for value in critical_values(trend, series, 100).values())
    else:
        ours = list(critical_values(trend, series, 123).values())
        np.testing.assert_allclose(ours, mackinnoncrit(series, trend, 123), rtol=1e-14)


def test_phillips_ouliaris_is_archs_and_agrees_with_the_printed_crude_oil():
    data = np.log(reference_data.table("pairs/crude_brent_wti_monthly.csv")[["Brent", "WTI"]])
    printed = reference_data.facts("pairs/crude_reference.json")["arch_phillips_ouliaris_Zt_c"]
    found = analytics.phillips_ouliaris(data.WTI, data.Brent)
    assert found.statistic == pytest.approx(printed["stat"], rel=1e-8)
    assert list(found.critical_values) == ["1%", "5%", "10%"]
    with pytest.raises(DataError, match="follows from"):
        analytics.phillips_ouliaris(2.0 * data.WTI, data.WTI)


@pytest.mark.parametrize("key", [key for key in SURFACES if key != ("n", 2)])
@pytest.mark.parametrize("bars", [25, 37, 100, 700, 100_000])
def test_p_values_and_mackinnons_critical_values_agree(key, bars):
    critical = critical_values(*key, bars - 1)
    for level, value in critical.items():
        told = float(level.removesuffix("%")) / 100.0
        assert finite_p(value, *key, bars) == pytest.approx(told, rel=0.05)


@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("key", SURFACES)
def test_p_values_rise_with_the_statistic_and_end_as_the_asymptotic_ones(key, searched):
    statistics = np.linspace(-12.0, 4.0, 400)
    for bars in (10, 25, 60, 1_000):
        p = np.array([finite_p(statistic, *key, bars, searched) for statistic in statistics])
        assert (np.diff(p) >= 0.0).all()
        assert p[0] < (1e-2 if searched else 1e-6)
        assert p[-1] > (0.99 if searched else 0.999)
    for statistic in np.linspace(-5.0, -1.0, 20):
        endless = asymptotic_p(statistic, *key)
        assert finite_p(statistic, *key, 10**7, searched) == pytest.approx(endless, abs=0.004)


@pytest.mark.slow
@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("legs", [1, 2])
@pytest.mark.parametrize("bars", [33, 400])
def test_p_values_are_uniform_on_new_walks(trend, legs, bars):
    found = simulate.null_statistics(bars, simulate.TERMS[trend], legs, 40_000, 12_345)
    p = np.array([finite_p(statistic, trend, legs, bars) for statistic in found])
    for level in (0.01, 0.05, 0.1, 0.5):
        error = math.sqrt(level * (1.0 - level) / len(p))
        assert np.mean(p < level) == pytest.approx(level, abs=4.0 * error)


def assert_uniform_where_the_lags_were_searched(trend, legs, bars, repeats):
    _, found = simulate.searched_statistics(bars, simulate.TERMS[trend], legs, repeats, 54_321)
    p = np.array([finite_p(statistic, trend, legs, bars, True) for statistic in found])
    for level in (0.01, 0.05, 0.1, 0.5):
        error = math.sqrt(level * (1.0 - level) / repeats)
        assert np.mean(p < level) == pytest.approx(level, abs=5.0 * error)


@pytest.mark.parametrize("bars", [33, 100, 400])
def test_p_values_are_uniform_where_the_lags_were_searched(bars):
    assert_uniform_where_the_lags_were_searched("c", 1, bars, 4_000)


@pytest.mark.slow  # 360,000 searches for lags
@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("legs", [1, 2])
@pytest.mark.parametrize("bars", [33, 100, 400])
def test_p_values_of_every_surface_are_uniform_where_the_lags_were_searched(trend, legs, bars):
    assert_uniform_where_the_lags_were_searched(trend, legs, bars, 20_000)


def test_the_simulated_search_is_the_tests_own():
    # Numba's generator is its own: the walks are had back by drawing them from it again.
    found = simulate.searched_statistics(60, 1, 2, 1, 7)[:, 0]
    y, x = simulate.two_walks(60, 7)
    assert found[0] == pytest.approx(analytics.engle_granger(y, x, lags=0).statistic, abs=1e-9)
    assert found[1] == pytest.approx(analytics.engle_granger(y, x).statistic, abs=1e-9)


@pytest.mark.parametrize("bars", [50, 100])
def test_the_search_for_lags_is_allowed_for_in_short_samples(bars):
    tests = [analytics.engle_granger(*walks(seed, bars)) for seed in range(1_500)]
    plain, searched = (
        np.mean([getattr(test, name) < 0.05 for test in tests])
        for name in ("p_value", "p_value_searched")
    )
    assert 0.035 < searched < 0.065 < plain + 0.005
    given = analytics.engle_granger(*walks(1, bars), lags=2)
    assert given.p_value_searched == given.p_value
    assert analytics.adf(walks(1, bars)[0], 2).p_value_searched == pytest.approx(
        analytics.adf(walks(1, bars)[0], 2).p_value
    )


def test_no_p_value_of_a_search_that_was_not_simulated():
    y, x = walks(9, 100)
    # 12 is what 100 bars get by default.
    default, same, other, none, given = (
        analytics.engle_granger(y, x, **how)
        for how in ({}, {"max_lags": 12}, {"max_lags": 3}, {"max_lags": 0}, {"lags": 3})
    )
    assert same.p_value_searched == default.p_value_searched
    assert not (default.searched_note or same.searched_note or none.searched_note)
    assert math.isfinite(other.p_value)
    assert math.isnan(other.p_value_searched)
    assert "default max_lags alone" in other.searched_note
    assert (none.p_value_searched, given.p_value_searched) == (none.p_value, given.p_value)
    assert not other.note
    rolled = analytics.rolling_engle_granger(y, x, 100, max_lags=3)
    assert rolled[-1] == other.p_value


def test_johansen_equals_the_published_run():
    data = reference_data.table("pairs/ewa_ewc_daily.csv")
    found = analytics.johansen(data[["EWA", "EWC"]])
    printed = reference_data.facts("pairs/ewa_ewc_reference.json")["EWA_EWC"]
    np.testing.assert_allclose(found.trace, printed["johansen_trace"]["reproduced"], atol=1e-6)
    np.testing.assert_allclose(
        found.max_eigenvalue, printed["johansen_eigen"]["reproduced"], atol=1e-6
    )
    np.testing.assert_allclose(found.vectors[0], 1.0)


# Printed results ------------------------------------------------------------------------


def test_ewa_ewc_engle_granger():
    data = reference_data.table("pairs/ewa_ewc_daily.csv")
    printed = reference_data.facts("pairs/ewa_ewc_reference.json")["EWA_EWC"]
    found = analytics.engle_granger(data.EWC, data.EWA)
    line = printed["hedge_ratio_OLS_EWC_on_EWA_with_const"]
    assert found.beta == pytest.approx(line["reproduced"], rel=1e-12)
    assert found.alpha == pytest.approx(line["intercept"], rel=1e-11)
    aic = printed["coint(EWC,EWA) default aic"]
    assert found.statistic == pytest.approx(aic["stat"], abs=1e-8)
    assert found.p_value_asymptotic == pytest.approx(aic["p"], abs=1e-9)
    one = analytics.engle_granger(data.EWC, data.EWA, lags=1)
    urca = printed["adf_on_OLS_residual_no_const_lag1"]["R urca ur.df(resid,type='none',lags=1)"]
    assert one.statistic == pytest.approx(urca, abs=1e-9)


def test_crude_oil_engle_granger():
    data = np.log(reference_data.table("pairs/crude_brent_wti_monthly.csv")[["Brent", "WTI"]])
    printed = reference_data.facts("pairs/crude_reference.json")
    for lags in (0, 1, 2):
        found = analytics.engle_granger(data.WTI, data.Brent, lags=lags)
        assert found.statistic == pytest.approx(printed[f"EG_resid_ADF_lag{lags}"], abs=1e-9)
    assert found.r_squared == pytest.approx(printed["log_WTI_on_log_Brent_const"]["r2"], rel=1e-12)


def test_stata_and_r_print_the_same_adf():
    data = reference_data.table("certified/us_macro_1959_2009.csv")
    printed = reference_data.facts("certified/adf_reference.json")
    for row in printed["stata"]:
        found = analytics.adf(data[row["series"]], row["lags"], row["reg"])
        assert found.statistic == pytest.approx(row["stat"], abs=2e-5)
        if "p" in row:
            assert found.p_value_asymptotic == pytest.approx(row["p"], abs=1e-5)
    urca = printed["R_urca_ur_df"]["infl_lags1"]
    names = {"n": "none", "c": "drift", "ct": "trend"}
    for trend, name in names.items():
        found = analytics.adf(data["infl"], 1, trend)
        assert found.statistic == pytest.approx(urca[name], abs=1e-9)


# Properties -----------------------------------------------------------------------------


@pytest.mark.parametrize("trend", ["c", "ct"])
def test_units_and_shifts_do_not_change_the_test(trend):
    y, x = cointegrated(3, 400)
    plain = analytics.engle_granger(y, x, trend)
    for c, d in ((1e-6, 1e5), (1e4, 1e-3)):
        other = analytics.engle_granger(c * y + 7 * c, d * x - 3 * d, trend)
        assert other.statistic == pytest.approx(plain.statistic, rel=1e-7)
        assert (other.lags, other.beta) == (plain.lags, pytest.approx(plain.beta * c / d))


def test_gaps_are_left_out():
    y, x = cointegrated(4, 300)
    kept = np.ones(300, bool)
    kept[[10, 11, 150]] = False
    broken = np.where(kept, y, np.nan)
    ours = analytics.engle_granger(broken, x)
    plain = analytics.engle_granger(y[kept], x[kept])
    assert ours.statistic == plain.statistic
    assert np.isnan(ours.residual[~kept]).all()
    np.testing.assert_array_equal(ours.residual[kept], plain.residual)


# Without an answer ----------------------------------------------------------------------


def test_constant_legs_are_said_to_be_constant():
    y, x = walks(5, 100)
    for legs, name in (((np.full(100, 0.1), x), "y"), ((y, np.full(100, 0.1)), "x")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = analytics.engle_granger(*legs)
        assert math.isnan(found.statistic)
        assert math.isnan(found.p_value)
        assert found.note.startswith(f"{name} is constant")


def test_a_constant_series_has_no_adf():
    found = analytics.adf(np.full(100, 5.0))
    assert math.isnan(found.statistic)
    assert found.note


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, x: analytics.engle_granger(y[:10], x[:10]), "10 usable bars"),
        (lambda y, x: analytics.engle_granger(y, x, "ctt"), "n, c, ct"),
        (lambda y, x: analytics.engle_granger(y, x, max_lags=90), "at most"),
        (lambda y, x: analytics.engle_granger(y, x[:-1]), "align"),
        (lambda y, x: analytics.adf(y, lags=-1), "lags is -1"),
        (lambda y, x: analytics.rolling_adf(y, 11), "window is 11"),
        (lambda y, x: analytics.johansen(y), "shape"),
        (lambda y, x: analytics.johansen(np.column_stack([y, 2 * y])), "follows from the others"),
        (lambda y, x: analytics.johansen(np.column_stack([y, x])[:10]), "10 usable bars"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(call, words):
    with pytest.raises(DataError, match=words):
        call(*walks(6, 100))


# Size and power -------------------------------------------------------------------------


def rejections(make, repeats, bars, level=0.05):
    found = [analytics.engle_granger(*make(seed, bars)).p_value for seed in range(repeats)]
    return float(np.mean(np.array(found) < level))


def test_engle_granger_holds_its_size_roughly_and_has_power():
    assert 0.025 < rejections(walks, 600, 1_000) < 0.08
    assert rejections(cointegrated, 40, 1_000) == 1.0


@pytest.mark.slow
def test_engle_granger_rejects_four_to_six_percent_of_independent_walks():
    # 20,000 repeats: the standard error is 0.15 %.
    assert 0.04 < rejections(walks, 20_000, 1_000) < 0.06
