"""Waiting for what another thread, process or server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 30.0  # for a machine that is busy with other work as well


def wait_until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Return the condition's first true value; fails loudly after a generous limit."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what} did not happen within {PATIENCE_S:g} s")
