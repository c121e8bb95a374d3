"""Isolation Forests that are trained in a tenth of the time, where a test is about other things."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.surveillance import instrument
from tandem.surveillance.isolation_forest import Forest, train

TREES = 5


def _train_few(
    rows: Any, features: Any, time_us: Any, contamination: float, _: int, least: int
) -> Forest:
    return train(rows, features, time_us, contamination, TREES, least)


def plant_few_trees(patch: pytest.MonkeyPatch) -> None:
    """Let engines that start from now on train a few trees for each instrument."""
    patch.setattr(instrument, "train", _train_few)
