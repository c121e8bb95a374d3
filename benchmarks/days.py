"""Days of scheduled looks at simulated universes: how many give a false alarm, what is found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.universes import universe
from tandem.core.clock import MINUTE_US
from tandem.scanner.live.calibration import Calibration
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.multiple_testing import spent
from tandem.scanner.result import Scan
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings

# Where the simulated days begin; says which surrogates are drawn.
START_US = 1_000_000 * MINUTE_US
HALF_LIFE = 8.0


class Plan(NamedTuple):
    """What is looked at: instruments, bars of a window, looks of a day, bars between two."""

    instruments: int = 30
    window: int = 720
    looks: int = 24
    step: int = 15


class Day(NamedTuple):
    """Findings of each look of a day: of the watched venue's rule, and of the nominal one alone.

    Attributes
    ----------
    told, nominal : ndarray of shape (looks, 2)
        How many findings, and how many of them are of pairs that hold.
    thresholds : ndarray of shape (looks,)
    """

    told: npt.NDArray[np.int64]
    nominal: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.float64]


def day(
    kind: str,
    seed: int,
    plan: Plan,
    related: int = 0,
    looks: int | None = None,
    half_life: float = HALF_LIFE,
) -> Day:
    """Look again and again at one simulated universe, as a watched venue is looked at.

    Parameters
    ----------
    kind : str
        Of noise, one of `benchmarks.universes.KINDS`.
    seed : int
    plan : Plan
    related : int
        Pairs that hold.
    looks : int, optional
        The first so many only.
    half_life : float
        Of the pairs that hold, in bars.
    """
    bars = plan.window + plan.step * (plan.looks - 1)
    prices = universe(kind, plan.instruments, bars, seed, related, half_life).to_numpy()
    names = tuple(f"C{k:04d}" for k in range(plan.instruments))
    calibration, told, nominal, thresholds = Calibration(), [], [], []
    for k in range(looks or plan.looks):
        start = plan.step * k
        at_us = START_US + (start + plan.window) * MINUTE_US
        times = at_us + (np.arange(plan.window) - plan.window) * MINUTE_US
        minutes = Minutes(names, times, prices[start : start + plan.window])
        settings = ScanSettings(level=spent(k + 1, plan.looks), bar_seconds=60.0)
        found = scan(minutes.prices, settings, names=names, workers=1)
        rule = calibration.look(minutes, settings, at_us)
        told.append(_counted(found, rule.found(found), related))
        nominal.append(_counted(found, found.found("q_value_any"), related))
        thresholds.append(rule.threshold)
    return Day(np.array(told), np.array(nominal), np.array(thresholds))


def _counted(found: Scan, chosen: npt.NDArray[np.bool_], related: int) -> tuple[int, int]:
    known = (found.y // 2 == found.x // 2) & (found.y < 2 * related)
    return int(chosen.sum()), int((chosen & known).sum())
