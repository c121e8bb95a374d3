"""How this process's memory is given back: by the C library and by the garbage collector."""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
import threading

# glibc's names (malloc.h) for the size from which on an array is the system's own, and for the
# number of heaps.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES = 4 * 2**20
HEAPS = 2
COLLECT_S = 60.0


@functools.cache
def give_back_large_arrays() -> bool:
    """Let the C library release large arrays immediately, for the rest of the process.

    glibc raises the size from which it does so with every large array it sees, up to 32 MB, and
    keeps what is freed below that for the thread that had it: a process whose threads scan again
    and again would hold several times what it uses. Elsewhere nothing is done.

    Returns
    -------
    bool
        Whether there was something to be told, and it was accepted.
    """
    return _ask("mallopt", M_MMAP_THRESHOLD, LARGE_BYTES)


@functools.cache
def share_heaps() -> bool:
    """Let all threads share two heaps, for the rest of the process; to be called early.

    glibc gives each thread a heap of its own, up to eight per processor, and each keeps what its
    thread once needed. Returns as `give_back_large_arrays`.
    """
    return _ask("mallopt", M_ARENA_MAX, HEAPS)


def collect_until(stop: threading.Event) -> None:
    """Put what lives now out of the collector's sight, then collect once a minute until `stop`.

    A thread's work, for when all is imported and compiled: some 300,000 objects, mostly modules,
    live as long as the process, and a collection that walks them stops every thread for 65 ms.
    What comes later stays in sight: a frozen cycle that dies would never be freed, and visitors
    come and go. What was freed goes back to the system, 20 MB after compiling.
    """
    gc.collect()
    gc.freeze()
    while not stop.wait(COLLECT_S):
        gc.collect()
        _ask("malloc_trim", 0)


def _ask(name: str, *numbers: int) -> bool:
    """Call a function of glibc's; returns whether there is one and it did something."""
    if not sys.platform.startswith("linux"):
        return False
    function = getattr(ctypes.CDLL(None), name, None)
    return function is not None and bool(function(*numbers))
