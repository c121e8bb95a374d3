"""Large arrays go back to the system when they are freed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scanning.memory import give_back_large_arrays

ROOT = Path(__file__).parents[1]

# What a scan does to the heap: a few large arrays first, then many smaller ones among such as stay.
SCRIPT = """
import sys
import numpy as np
from scanning.memory import give_back_large_arrays

def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "told":
    assert give_back_large_arrays()
for _ in range(3):
    np.ones(3_000_000)
arrays, kept = [], []
for _ in range(20):
    arrays.append(np.ones(1_000_000))
    kept.append(np.ones(1_000))
full = resident()
arrays.clear()
print((full - resident()) / (20 * 8_000_000))
"""


def freed(told: str) -> float:
    """Return the share of freed arrays that went back to the system, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(not give_back_large_arrays(), reason="the C library is not glibc")
def test_freed_arrays_go_back_once_the_library_is_told() -> None:
    assert freed("told") > 0.9
    assert freed("not told") < 0.5


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = give_back_large_arrays.__wrapped__
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not plain()
    monkeypatch.setattr("sys.platform", "darwin")
    assert not plain()
