"""Waiting for what another thread, process or server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60.0  # for a machine that is busy with other work as well


def wait_until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Return the condition's first true value; fails loudly after a generous limit."""
    end, pause_s = time.monotonic() + PATIENCE_S, 0.002
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        # A condition may cost as much as what is waited for.
        time.sleep(pause_s)
        pause_s = min(1.3 * pause_s, 0.05)
    raise AssertionError(f"{what} did not happen within {PATIENCE_S:g} s")
