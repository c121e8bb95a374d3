"""What a scheduled look may tell: surrogates pooled as they should be, and the day's rate held."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.days import Plan, day
from benchmarks.universes import KINDS, universe
from tandem.core.clock import HOUR_US, MINUTE_US
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.scanner.live.calibration import FIRST_SURROGATES, LOOKS, SURROGATES, Calibration
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.multiple_testing import Tail
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import least_p_values, noise

BARS = 300
START_US = 20_000 * 24 * HOUR_US
SETTINGS = ScanSettings(level=0.002)


def minutes(instruments: int = 4, bars: int = BARS, seed: int = 0) -> Minutes:
    prices = universe("GARCH", instruments, bars, seed).to_numpy()
    names = tuple(f"a:{k}" for k in range(instruments))
    return Minutes(names, START_US + np.arange(bars) * MINUTE_US, prices)


# The smallest p-values --------------------------------------------------------------------


def test_they_are_the_smallest_of_the_noise_runs() -> None:
    prices = minutes().prices
    runs = noise(prices, SETTINGS, runs=6, seed=3, workers=1).p_values
    told = least_p_values(prices, SETTINGS, 6, seed=3, workers=1)
    assert told.tolist() == [run.min() for run in runs]


def test_no_surrogate_is_begun_when_time_is_over() -> None:
    assert len(least_p_values(minutes().prices, SETTINGS, 6, most_seconds=-1.0)) == 0


def test_they_can_be_cancelled() -> None:
    asked = iter([False] * 40 + [True] * 1_000)
    watch = Watch(is_cancelled=lambda: next(asked))
    with pytest.raises(Cancelled):
        least_p_values(minutes().prices, SETTINGS, 500, watch=watch, workers=1)


@pytest.mark.parametrize(("runs", "seed"), [(0, 0), (1_001, 0), (1, -1)])
def test_what_cannot_be_is_refused(runs: int, seed: int) -> None:
    with pytest.raises(DataError):
        least_p_values(minutes().prices, SETTINGS, runs, seed=seed)


# Pooling ----------------------------------------------------------------------------------


def test_the_first_look_scans_more_and_later_ones_are_pooled() -> None:
    calibration, board = Calibration(), minutes()
    told = [calibration.look(board, SETTINGS, START_US + k * MINUTE_US) for k in range(3)]
    assert [one.surrogates for one in told] == [FIRST_SURROGATES, SURROGATES, SURROGATES]
    assert [one.pooled for one in told] == [60, 80, 100]
    tail = Tail()
    for k, one in enumerate(told):
        seed = (START_US // MINUTE_US + k) % 10_000_000
        tail.add(least_p_values(board.prices, SETTINGS, one.surrogates, seed=seed, workers=1))
    assert told[-1].threshold == tail.threshold(0.002)


def test_the_pool_ends_after_twelve_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tandem.scanner.live.calibration.least_p_values",
        lambda *given, **_: np.full(given[2], 1e-3),
    )
    calibration, board = Calibration(), minutes()
    pooled = [
        calibration.look(board, SETTINGS, START_US + k * MINUTE_US).pooled for k in range(2 * LOOKS)
    ]
    assert max(pooled) == FIRST_SURROGATES + (LOOKS - 1) * SURROGATES
    assert pooled[-1] == LOOKS * SURROGATES


@pytest.mark.parametrize(
    ("later", "after_minutes"),
    [
        (minutes(instruments=5), 1),
        (minutes(bars=400), 1),
        # A quarter of the window is new.
        (minutes(), BARS // 4),
    ],
)
def test_other_universes_and_old_windows_begin_a_pool_anew(
    later: Minutes, after_minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tandem.scanner.live.calibration.least_p_values",
        lambda *given, **_: np.full(given[2], 1e-3),
    )
    calibration = Calibration()
    calibration.look(minutes(), SETTINGS, START_US)
    told = calibration.look(later, SETTINGS, START_US + after_minutes * MINUTE_US)
    assert (told.surrogates, told.pooled) == (FIRST_SURROGATES, FIRST_SURROGATES)


def test_a_look_without_time_tells_nothing_and_the_next_one_makes_up_for_it() -> None:
    calibration, board = Calibration(), minutes()
    told = calibration.look(board, SETTINGS, START_US, most_seconds=-1.0)
    assert told == (0, 0, 0.0)
    assert calibration.look(board, SETTINGS, START_US + MINUTE_US).surrogates == FIRST_SURROGATES


# The day's rate -----------------------------------------------------------------------------

SMALL = Plan(instruments=30, window=500, looks=8, step=20)


def test_a_pair_that_holds_is_told_at_a_look() -> None:
    told = day("independent", 1, SMALL, related=2, looks=1, half_life=2.0)
    assert told.told[0, 1] >= 1
    assert told.told[0, 0] <= told.nominal[0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_looks_give_a_false_alarm_on_one_day_in_twenty_at_most(kind: str) -> None:
    # At 5 % a day more come by chance once in two hundred such tests.
    days, most = (40, 6) if kind == "GARCH" else (15, 3)
    quiet = [day(kind, 1_000 + seed, SMALL) for seed in range(days)]
    told = sum(bool(one.told[:, 0].any()) for one in quiet)
    nominal = sum(bool(one.nominal[:, 0].any()) for one in quiet)
    assert told <= most
    assert told <= nominal
    if kind == "GARCH":
        # The p-values by their own word do not hold it: the test can fail.
        assert nominal > most
