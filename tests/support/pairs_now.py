"""Computed pairs at a moment, as far as rules watch them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from tandem.core.bars import NEVER_US
from tandem.core.clock import SECOND_US, now_us
from tandem.pairs.snapshot import PairNow
from tandem.pairs.stream import PairSettings


def pair_now(settings: PairSettings, z: float, bars: int = 1, state: str = "sound") -> PairNow:
    """Return a pair with one bar that has just closed; without a relation where z is NaN."""
    is_known = z == z
    columns = {
        "time_us": np.array([now_us() - settings.bar_us]),
        "z": np.array([z]),
        "usable": np.array([is_known]),
        "y_age_us": np.array([2 * SECOND_US if is_known else NEVER_US]),
        "x_age_us": np.array([SECOND_US]),
    }
    view: Any = SimpleNamespace(columns=columns, bars=bars)
    relation: Any = SimpleNamespace(p_value=0.4, soundness=SimpleNamespace(state=state))
    return PairNow(settings, view, relation if is_known else None)
