"""The law of a scan's smallest p-value: held on what it is exact for, careful where it is not."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtr, ndtri

from tandem.core.errors import DataError
from tandem.scanner.multiple_testing import FEWEST_MINIMA, Tail

Floats = npt.NDArray[np.float64]
TESTS = 400


def minima(seed: int, count: int, power: float = 1.0) -> Floats:
    """Return smallest p-values of independent tests whose tail is a power of the right one."""
    uniform = np.random.default_rng(seed).random(count)
    return (-np.expm1(np.log1p(-uniform) / TESTS)) ** power


def chance(threshold: float, power: float = 1.0) -> float:
    """Return how often such a smallest p-value is at most this."""
    return float(-np.expm1(TESTS * np.log1p(-(threshold ** (1.0 / power)))))


def fitted(values: Floats) -> Tail:
    tail = Tail()
    tail.add(values)
    return tail


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.5])
@pytest.mark.parametrize("level", [0.05, 0.002, 0.0005])
def test_many_minima_give_the_level_of_their_own_law(scale: float, level: float) -> None:
    scores = np.random.default_rng(3).gumbel(4.0, scale, 400_000)
    tail = fitted(ndtr(-scores))
    assert tail.law() == pytest.approx((4.0, scale), rel=0.01)
    got = -math.expm1(-math.exp((4.0 + ndtri(tail.threshold(level))) / scale))
    assert 0.93 * level < got < level


@pytest.mark.parametrize("count", [20, 60, 280])
def test_few_minima_hold_the_level_on_average(count: int) -> None:
    level, got = 0.002, []
    for seed in range(400):
        scores = np.random.default_rng(seed).gumbel(4.0, 0.7, count)
        far = -ndtri(fitted(ndtr(-scores)).threshold(level))
        got.append(-math.expm1(-math.exp((4.0 - far) / 0.7)))
    # Of the mean over all tries: a smaller pool is worse only by being stricter.
    assert np.mean(got) <= level
    # Not by telling nothing.
    assert np.median(got) > level / 20.0


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("level", [0.05, 0.002, 0.0005])
def test_right_p_values_and_powers_of_them_are_on_the_safe_side(power: float, level: float) -> None:
    got = chance(fitted(minima(1, 100_000, power)).threshold(level), power)
    assert level / 40.0 < got < 1.05 * level
    # The same threshold by the p-values' own word would be far too loose.
    nominal = level / TESTS
    assert power == 1.0 or chance(nominal, power) > level


def test_second_moment_is_half_the_mean_difference_of_two() -> None:
    values = minima(7, 60, 3.0)
    scores = -ndtri(values)
    pairs = [abs(a - b) for k, a in enumerate(scores) for b in scores[:k]]
    _, scale = fitted(values).law()
    assert scale == pytest.approx(0.5 * np.mean(pairs) / math.log(2.0))


def test_a_smaller_level_and_fewer_minima_are_stricter() -> None:
    values = minima(2, 300, 2.0)
    tail = fitted(values)
    assert tail.threshold(0.05) > tail.threshold(0.002) > tail.threshold(0.0005)
    few = fitted(np.quantile(values, (np.arange(30) + 0.5) / 30))
    assert few.threshold(0.002) < tail.threshold(0.002)


def test_too_few_minima_tell_nothing() -> None:
    tail = fitted(minima(0, FEWEST_MINIMA - 1))
    assert tail.threshold(0.05) == 0.0
    tail.add(minima(1, 1))
    assert len(tail) == FEWEST_MINIMA
    assert 0.0 < tail.threshold(0.05) < 1.0
    assert Tail().threshold(0.05) == 0.0


def test_equal_minima_and_narrow_ones_are_not_believed() -> None:
    # No spread at all would put the threshold at the minima themselves.
    assert 0.0 < fitted(np.full(100, 1e-3)).threshold(0.002) < 1e-3 * 0.002
    assert fitted(np.full(100, 1.0)).threshold(0.002) <= 0.002
    narrow = minima(4, 5_000, 0.5)
    assert chance(fitted(narrow).threshold(0.002), 0.5) < 0.002


def test_missing_minima_do_not_count_and_zeros_make_it_stricter() -> None:
    values = minima(5, 60)
    tail = fitted(np.append(values, np.full(30, np.nan)))
    assert len(tail) == 60
    assert tail.threshold(0.002) == fitted(values).threshold(0.002)
    assert fitted(np.append(values, 0.0)).threshold(0.002) < tail.threshold(0.002)


def test_windows_are_pooled() -> None:
    values, tail = minima(9, 100, 2.0), Tail()
    for part in np.split(values, 4):
        tail.add(part)
    assert len(tail) == 100
    assert tail.threshold(0.002) == fitted(values).threshold(0.002)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        fitted(minima(0, 50)).threshold(level)


@pytest.mark.parametrize("value", [-0.1, 1.5, math.inf])
def test_a_minimum_that_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="outside"):
        Tail().add(np.array([0.1, value]))
