"""What survives many tests, and many looks."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.universes import KINDS, universe
from tandem.analytics.finite_sample import finite_p, finite_ps
from tandem.core.errors import DataError
from tandem.scanner.multiple_testing import SPENDINGS, calibrated_q_values, q_values, spent
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import noise


@pytest.mark.parametrize(("any_dependence", "method"), [(False, "fdr_bh"), (True, "fdr_by")])
def test_q_values_equal_statsmodels(any_dependence: bool, method: str) -> None:
    p_values = np.random.default_rng(1).random(500) ** 3
    p_values[10] = p_values[20]
    want = multipletests(p_values, method=method)[1]
    np.testing.assert_allclose(q_values(p_values, any_dependence), want, rtol=1e-12)


def test_q_values_of_what_was_not_tested_are_nan_and_do_not_count() -> None:
    p_values = np.array([0.01, np.nan, 0.02, 0.9])
    known = ~np.isnan(p_values)
    np.testing.assert_allclose(q_values(p_values)[known], q_values(p_values[known]))
    assert np.isnan(q_values(p_values)[1])
    assert np.isnan(q_values(np.full(3, np.nan))).all()


def test_many_p_values_equal_those_of_one() -> None:
    statistics = np.r_[np.linspace(-12.0, 3.0, 61), np.nan]
    for trend, bars, searched in (("c", 120, True), ("n", 5_000, False), ("ct", 20, True)):
        want = [finite_p(value, trend, 2, bars, searched) for value in statistics]
        got = finite_ps(statistics, trend, 2, bars, searched)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-300)


def test_calibrated_q_values_by_hand() -> None:
    real = np.array([0.5, 0.001, 0.02, np.nan])
    runs = [np.array([0.01, 0.3]), np.array([0.6, 0.9])]
    # At 0.001: (1 + 0) / 2 over 1; at 0.02: (1 + 1) / 2 over 2; at 0.5: (1 + 2) / 2 over 3.
    np.testing.assert_allclose(calibrated_q_values(real, runs)[:3], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(
        calibrated_q_values(real, runs * 10)[:3], [(1 + 20) / 20 / 3, 1 / 20, (1 + 10) / 20 / 2]
    )
    assert np.isnan(calibrated_q_values(real, runs)[3])


@pytest.mark.parametrize("spending", SPENDINGS)
def test_what_all_looks_spend_is_the_whole(spending: str) -> None:
    levels = [spent(look, 24, 0.05, spending) for look in range(1, 25)]
    assert sum(levels) == pytest.approx(0.05)
    assert min(levels) >= 0.0
    if spending != "even":
        assert (levels == sorted(levels)) == (spending == "late")


@pytest.mark.parametrize(
    ("look", "looks", "alpha", "spending"),
    [(0, 5, 0.05, "even"), (6, 5, 0.05, "even"), (1, 5, 1.0, "even"), (1, 5, 0.05, "all")],
)
def test_looks_that_cannot_be_are_refused(
    look: int, looks: int, alpha: float, spending: str
) -> None:
    with pytest.raises(DataError):
        spent(look, looks, alpha, spending)


def day_has_an_alarm(seed: int, looks: int, spending: str) -> tuple[bool, bool]:
    """Scan an evening's window again and again; say whether anything was found, paid and unpaid."""
    window, step = 250, 20
    prices = universe("independent", 6, window + step * (looks - 1), seed)
    paid = unpaid = False
    for look in range(1, looks + 1):
        end = window + step * (look - 1)
        found = scan(prices.iloc[end - window : end], workers=1)
        least = np.min(found.figures["q_value_any"])
        paid |= bool(least <= spent(look, looks, 0.05, spending))
        unpaid |= bool(np.min(found.figures["p_value"]) <= 0.05)
    return paid, unpaid


def test_a_few_days_of_looks_are_quiet() -> None:
    paid, unpaid = zip(*(day_has_an_alarm(seed, 4, "even") for seed in range(12)), strict=True)
    # Chance of more than 4 where each has 5 %: one in four thousand. All kinds of noise, and the
    # rule of a watched venue: tests/scanner/live/test_calibration.py.
    assert sum(paid) <= 4
    # Without paying, most days have one: the test could fail.
    assert sum(unpaid) > 6


# False discoveries and power, by kind of noise --------------------------------------------


def truth(kind: str, seeds: range, runs: int) -> dict[str, float]:
    """Return the share of false findings and of pairs found, for nominal and calibrated q."""
    false, power, any_found = ({"q_value": [], "q_value_noise": []} for _ in range(3))
    for seed in seeds:
        prices = universe(kind, 24, 600, seed, related=4, half_life=5.0)
        found = scan(prices, ScanSettings())
        by_noise = noise(prices, runs=runs, seed=seed).p_values
        pairs = list(zip(found.y // 2, found.x // 2, found.y % 2, strict=True))
        known = np.array([a == b and a < 4 and first == 0 for a, b, first in pairs])
        q = {"q_value": found.figures["q_value"]}
        q["q_value_noise"] = calibrated_q_values(found.figures["p_value"], by_noise)
        for name, values in q.items():
            chosen = values <= 0.1
            false[name].append((chosen & ~known).sum() / max(chosen.sum(), 1))
            power[name].append((chosen & known).sum() / 4)
            any_found[name].append(chosen.any())
    return {
        f"{what} {name}": float(np.mean(values))
        for what, entries in (("false", false), ("power", power))
        for name, values in entries.items()
    }


def test_known_pairs_are_found_and_little_else() -> None:
    told = truth("independent", range(6), 20)
    assert told["power q_value"] > 0.8
    assert told["false q_value_noise"] < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_false_discoveries_by_kind_of_noise(kind: str) -> None:
    universes = 40
    told = truth(kind, range(universes), 20)
    # Legs of true pairs carry a slow noise, on which Engle and Granger's test with AIC finds too
    # much against any instrument: nominal q-values of 0.1 hide a third of false findings here.
    # Noise runs find it too, and take off about half. Deviation of a universe's share: 0.2.
    slack = 3.0 * 0.2 / np.sqrt(universes)
    assert told["false q_value_noise"] <= 0.2 + slack
    assert told["false q_value_noise"] < told["false q_value"] - 0.1
    assert told["power q_value_noise"] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_there_little_is_found(kind: str) -> None:
    universes = 100
    false = {"q_value": 0, "q_value_any": 0, "q_value_noise": 0}
    for seed in range(universes):
        prices = universe(kind, 20, 600, seed)
        found = scan(prices)
        runs = noise(prices, runs=40, seed=seed).p_values
        q = dict(found.figures)
        q["q_value_noise"] = calibrated_q_values(found.figures["p_value"], runs)
        for name in false:
            false[name] += bool((q[name] <= 0.05).any())
    slack = 3.0 * np.sqrt(0.05 * 0.95 / universes)
    assert false["q_value_any"] / universes <= (0.05 if kind == "independent" else 0.2) + slack
    if kind == "independent":
        assert false["q_value"] / universes <= 0.05 + slack
