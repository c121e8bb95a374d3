"""What is freed goes back to the system, threads share two heaps, cycles are collected."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from tandem.core import memory
from tandem.core.memory import collect_until, give_back_large_arrays, share_heaps
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

# What a scan does to the heap: a few large arrays first, then many smaller ones among such as stay.
SCRIPT = """
import sys
import numpy as np
from tandem.core.memory import give_back_large_arrays

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
# What threads that work at the same time leave behind: the number of heaps beside the first.
HEAPS = """
import sys
import threading
from tandem.core.memory import share_heaps

if sys.argv[1] == "told":
    assert share_heaps()
begin, end = threading.Barrier(6), threading.Barrier(6)

def work():
    begin.wait()
    kept = [bytes(1_000 + n) for n in range(2_000)]
    end.wait()

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("/proc/self/maps", encoding="ascii") as file:
    spans = [line.split()[0].split("-") for line in file]
# A heap begins at a multiple of 64 MB.
print(sum(int(begin, 16) % 2**26 == 0 for begin, end in spans))
"""


def printed(script: str, told: str) -> float:
    """Return the number a script prints in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", script, told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(not give_back_large_arrays(), reason="the C library is not glibc")
def test_freed_arrays_go_back_once_the_library_is_told() -> None:
    # Untold it depends on what lies behind them.
    assert printed(SCRIPT, "told") > 0.9


@pytest.mark.skipif(not share_heaps(), reason="the C library is not glibc")
def test_threads_share_heaps_once_the_library_is_told() -> None:
    assert printed(HEAPS, "told") < printed(HEAPS, "not told")


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = (give_back_large_arrays.__wrapped__, share_heaps.__wrapped__)
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert not any(tell() for tell in plain)
    monkeypatch.setattr("sys.platform", "darwin")
    assert not any(tell() for tell in plain)


class Visitor:
    """Something that refers to itself, as a browser's session does."""

    def __init__(self) -> None:
        self.itself = self


def test_what_lives_is_frozen_and_what_comes_later_is_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "COLLECT_S", 0.01)
    stop = threading.Event()
    gc.unfreeze()
    thread = threading.Thread(target=collect_until, args=(stop,))
    gc.disable()
    try:
        thread.start()
        wait_until(gc.get_freeze_count)
        visitor = weakref.ref(Visitor())
        wait_until(lambda: visitor() is None)
    finally:
        gc.enable()
        stop.set()
        thread.join()
        gc.unfreeze()
