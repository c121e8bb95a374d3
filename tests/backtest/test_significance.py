"""Sharpe ratios and what they are worth: published numbers, simulation, and the ledger."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from tandem.backtest.grid import Grid
from tandem.backtest.metrics import sharpe_error
from tandem.backtest.null_test import null_test
from tandem.backtest.run import compare, run
from tandem.backtest.significance import (
    effective_trials,
    expected_best,
    judge,
    probabilistic_sharpe,
)
from tandem.backtest.sweep import sweep
from tandem.backtest.trials import (
    MOST_TRIALS,
    SKETCH,
    Ledger,
    Trial,
    data_set_key,
    setup_name,
    setup_values,
    trial,
)
from tandem.backtest.walk_forward import walk_forward
from tandem.core.clock import HOUR_US
from tandem.core.errors import DataError
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup
from tests.support import made_pairs


def test_the_deflated_sharpe_ratios_published_example():
    """Bailey and Lopez de Prado (2014), section "A numerical example".

    100 trials with a variance of 1/2 of annual ratios, best 2.5 over 1,250 days, skew -3 and
    kurtosis 10: the benchmark is 0.1132 a day, the deflated ratio 0.9004.
    """
    benchmark = math.sqrt(1.0 / (2 * 250)) * expected_best(100)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    deflated = probabilistic_sharpe(2.5 / math.sqrt(250), benchmark, -3.0, 10.0, 1_250)
    assert deflated == pytest.approx(0.9004, abs=5e-5)


def test_probabilistic_sharpe_of_normal_returns():
    assert probabilistic_sharpe(0.0, 0.0, 0.0, 3.0, 100) == 0.5
    error = sharpe_error(0.1, 0.0, 3.0, 401)
    assert probabilistic_sharpe(0.1, 0.05, 0.0, 3.0, 401) == pytest.approx(norm.cdf(0.05 / error))
    assert math.isnan(probabilistic_sharpe(math.nan, 0.0, 0.0, 3.0, 100))


def test_the_standard_error_is_what_simulation_shows():
    rng = np.random.default_rng(1)
    returns = 0.02 + rng.exponential(0.1, (4_000, 500)) - 0.1
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    assert sharpe_error(0.2, 2.0, 9.0, 500) == pytest.approx(ratios.std(), rel=0.05)


@pytest.mark.parametrize("trials", [2, 5, 20, 200])
def test_expected_best_of_independent_numbers(trials):
    drawn = np.random.default_rng(0).normal(size=(20_000, trials)).max(axis=1).mean()
    assert expected_best(trials) == pytest.approx(drawn, abs=0.06)
    assert expected_best(1) == 0.0
    assert 0.0 < expected_best(1.5) < expected_best(2)


# Effective number of trials ---------------------------------------------------------------


def test_trials_that_are_all_the_same_are_one():
    one = np.random.default_rng(0).normal(size=SKETCH)
    assert effective_trials(np.tile(one, (50, 1))) == pytest.approx(1.0, abs=0.2)


def test_trials_that_share_nothing_all_count():
    sketches = np.random.default_rng(0).normal(size=(100, SKETCH))
    assert effective_trials(sketches) == pytest.approx(100, rel=0.15)


def test_groups_of_alike_trials_count_as_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(rng.normal(size=(10, SKETCH)), 30, axis=0)
    assert effective_trials(groups + 0.01 * rng.normal(size=groups.shape)) == pytest.approx(
        10, rel=0.25
    )


def test_a_common_part_makes_fewer_trials_of_many():
    rng = np.random.default_rng(0)
    common = rng.normal(size=SKETCH)
    alike = math.sqrt(0.5) * (common + rng.normal(size=(200, SKETCH)))
    assert 10 < effective_trials(alike) < 80


def test_trials_that_never_traded_are_none():
    assert effective_trials(np.zeros((5, SKETCH))) == 0.0
    one = np.random.default_rng(0).normal(size=(1, SKETCH))
    assert effective_trials(np.concatenate((one, np.zeros((5, SKETCH))))) == 1.0


# Ledger -----------------------------------------------------------------------------------


def made(name: str, sharpe: float = 0.5, seed: int = 0) -> Trial:
    sketch = np.random.default_rng(seed).normal(size=SKETCH)
    return Trial(name, sharpe, 0.1, 4.0, 250, 252.0, 10.0, sketch)


def test_the_ledger_comes_back_as_it_was():
    ledger = Ledger("key")
    ledger.add([made("one", seed=1), made("two", math.nan, seed=2)])
    again = Ledger.from_bytes(ledger.to_bytes(), "key")
    assert (again.count, again.data_set) == (2, "key")
    for ours, theirs in zip(ledger.trials, again.trials, strict=True):
        for field in dataclasses.fields(Trial):
            np.testing.assert_allclose(
                *(
                    np.asarray(getattr(one, field.name), float)
                    if field.name != "name"
                    else np.array([len(one.name)])
                    for one in (ours, theirs)
                ),
                rtol=1e-6,
            )
        assert ours.name == theirs.name


def test_an_empty_ledger_comes_back():
    assert Ledger.from_bytes(Ledger("key").to_bytes(), "key").count == 0


def test_the_same_variant_is_counted_once():
    ledger = Ledger("key")
    ledger.add([made("one", 0.1), made("two"), made("one", 0.2)])
    assert ledger.count == 2
    assert ledger.trials[0].sharpe == 0.2


def test_beyond_its_room_the_ledger_counts_on():
    ledger = Ledger("key")
    for _ in range(2):
        ledger.add(made(str(i)) for i in range(MOST_TRIALS + 7))
    assert (ledger.count, len(ledger.trials)) == (MOST_TRIALS + 7, MOST_TRIALS)
    assert Ledger.from_bytes(ledger.to_bytes(), "key").count == MOST_TRIALS + 7


@pytest.mark.parametrize("blob", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY", b"{}"])
def test_bytes_that_are_no_ledger_are_refused(blob):
    with pytest.raises(DataError, match="start a new one"):
        Ledger.from_bytes(blob, "key")


def test_a_ledger_cut_short_is_refused():
    blob = Ledger("key").to_bytes()
    for stop in range(1, len(blob), 97):
        with pytest.raises(DataError, match="start a new one"):
            Ledger.from_bytes(blob[:stop], "key")


def test_data_sets_are_known_by_their_bars():
    y, x = made_pairs.cointegrated(100)
    bars = made_pairs.aligned(y, x)
    assert data_set_key(bars) == data_set_key(made_pairs.aligned(y.copy(), x.copy()))
    assert data_set_key(bars) != data_set_key(made_pairs.aligned(y + 1e-9, x))


def test_a_window_without_a_say_makes_no_new_variant():
    kalman, ols = Setup(model="kalman"), Setup(model="ols")
    assert setup_name(kalman) == setup_name(dataclasses.replace(kalman, z_window=50))
    assert setup_name(ols) != setup_name(dataclasses.replace(ols, z_window=50))
    assert setup_name(ols) != setup_name(ols.with_rules(entry=2.5))


def test_what_is_earned_tells_variants_apart():
    base, nothing = Setup(model="ols"), (np.zeros(5), np.zeros(5))
    paid = (np.full(5, 1e-4), np.zeros(5))
    assert setup_name(base) == setup_name(base, nothing) != setup_name(base, paid)
    assert setup_name(base, paid) == setup_name(base, (paid[0].copy(), paid[1].copy()))
    assert setup_name(base) == setup_name(dataclasses.replace(base, capital=5_000.0))
    assert setup_name(base) != setup_name(dataclasses.replace(base, costs=Costs(1.0)))


def test_every_way_of_trying_counts_the_same_variants_once():
    y, x = made_pairs.cointegrated(600, seed=4, half_life=8)
    bars = made_pairs.aligned(y, x, bar_us=HOUR_US)
    base = Setup(model="ols", lookback=40, z_window=30, rules=Rules(stop=9.0))
    grid, ledger = Grid(base, entries=[1.0, 2.0], exits=[0.0, 0.5]), Ledger("key")
    for found in (
        sweep(bars, grid),
        walk_forward(bars, grid, 200, 100),
        walk_forward(bars, grid, 100, 100, anchored=True),
        null_test(bars, grid, count=19),
        null_test(bars, grid, "independent", 39, seed=1),
    ):
        alone = Ledger("key")
        alone.add(found.trials)
        assert alone.count == 4
        ledger.add(found.trials)
    assert ledger.count == 4
    other = run(bars, base.with_rules(entry=2.2))
    ledger.add([trial(other.setup, other.metrics, other.equity)])
    ledger.add(
        trial(one.setup, one.metrics, one.equity) for one in compare(bars, other.setup).values()
    )
    assert ledger.count == 4 + 3


def test_a_setup_is_plain_values():
    values = json.loads(json.dumps(setup_values(Setup(rules=Rules(stop=math.inf)))))
    assert values["rules"]["stop"] is None and values["rules"]["most_gross"] is None
    assert (values["model"], values["costs"]["fee_bp"]) == ("kalman", 5.0)


# Judging ----------------------------------------------------------------------------------


def backtest(seed: int, setup: Setup):
    y, x = made_pairs.cointegrated(2_500, seed=seed, half_life=15)
    return run(made_pairs.aligned(y, x, bar_us=HOUR_US), setup)


def test_one_trial_is_not_deflated():
    result = backtest(1, Setup(model="ols", lookback=100, rules=Rules(stop=9.0)))
    ledger = Ledger("key")
    ledger.add([trial(result.setup, result.metrics, result.equity)])
    found = judge(result.metrics, ledger)
    assert (found.trials, found.effective, found.expected_best) == (1, 1.0, 0.0)
    assert found.deflated == found.above_zero
    assert found.error == result.metrics.sharpe_error


def test_every_trial_more_takes_from_the_best():
    result = backtest(2, Setup(model="ols", lookback=100, rules=Rules(stop=9.0)))
    ledger, deflated = Ledger("key"), []
    for count in (1, 10, 100):
        ledger.add(
            dataclasses.replace(made(str(i), 0.0, seed=i), per_year=result.metrics.per_year)
            for i in range(count)
        )
        deflated.append(judge(result.metrics, ledger).deflated)
    assert deflated[0] > deflated[1] > deflated[2]


def test_the_sketch_adds_up_to_the_profit():
    result = backtest(3, Setup(model="ols", lookback=100))
    one = trial(result.setup, result.metrics, result.equity)
    assert one.sketch.sum() == pytest.approx(result.metrics.net)
    assert one.sketch.shape == (SKETCH,)


@pytest.mark.slow
def test_the_best_of_worthless_trials_is_seldom_believed():
    """A deflated ratio above 95 % where all trials are noise comes up about one time in twenty."""
    rng, believed, naive = np.random.default_rng(0), 0, 0
    for _ in range(200):
        returns = rng.normal(0.0, 0.01, (40, 512))
        ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        best = int(np.argmax(ratios))
        number = effective_trials(returns.reshape(40, SKETCH, 4).sum(axis=2))
        limit = math.sqrt(max(ratios.var(ddof=1), 1 / 511)) * expected_best(number)
        believed += probabilistic_sharpe(ratios[best], limit, 0.0, 3.0, 512) > 0.95
        naive += probabilistic_sharpe(ratios[best], 0.0, 0.0, 3.0, 512) > 0.95
    assert naive > 150, "the mistake this test exists for has become invisible"
    assert believed < 20
