"""What a call takes in memory beyond what it was given and gives back."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def extra_mb(work: Callable[[], Any]) -> float | None:
    """Return the megabytes that `work` takes at its peak beyond its result; None but on Linux.

    As the system counts them, so whatever allocates is seen, compiled code too. Memory kept back
    from earlier work is given back first, or it would be used again unseen. Runs `work` twice, the
    first time to compile and load what it needs.
    """
    if not (sys.platform == "linux" and RESET.exists()):
        return None
    output = size_mb(work())
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status_mb("VmRSS")
    RESET.write_text("5")
    work()
    return max(0.0, _status_mb("VmHWM") - before - output)


def size_mb(result: Any) -> float:
    """Return the megabytes of the arrays in a result; a value seen many times counts once."""
    if is_dataclass(result):
        return sum(size_mb(getattr(result, field.name)) for field in fields(result))
    if isinstance(result, np.ndarray) and any(result.strides):
        return result.nbytes / 2**20
    return 0.0


def _status_mb(name: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024.0
    raise OSError(f"{STATUS} has no {name}.")
