"""Engines that are ready in half the time, where a test is about other things."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pytest

from tandem import engine
from tandem.backtest.warmup import warm_up
from tandem.surveillance import instrument
from tandem.surveillance.isolation_forest import Forest, train
from tandem.venues import simulated

TREES = 5
PAST_S = 3_600.0


def _train_few(
    rows: Any, features: Any, time_us: Any, contamination: float, _: int, least: int
) -> Forest:
    return train(rows, features, time_us, contamination, TREES, least)


@cache
def _warm_up_once() -> None:
    warm_up()


def make_light(patch: pytest.MonkeyPatch) -> None:
    """Let engines that start from now on train few trees, and simulate half the past.

    A process loads the backtests' loops with its first engine only.
    """
    patch.setattr(engine, "warm_up_backtests", lambda is_stopping: _warm_up_once())
    patch.setattr(instrument, "train", _train_few)
    patch.setattr(simulated, "Simulated", partial(simulated.Simulated, history_s=PAST_S))
