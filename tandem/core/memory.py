"""What the C library is told about this process's memory."""

from __future__ import annotations

import ctypes
import functools
import sys

# glibc's names (malloc.h) for the size from which on an array is the system's own, and for the
# number of heaps.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES = 4 * 2**20
HEAPS = 2


@functools.cache
def give_back_large_arrays() -> bool:
    """Let the C library give large arrays back at once, for the rest of the process.

    glibc raises the size from which it does so with every large array it sees, up to 32 MB, and
    keeps what is freed below that for the thread that had it: a process whose threads scan again
    and again would hold several times what it uses. Elsewhere nothing is done.

    Returns
    -------
    bool
        Whether there was something to be told, and it was accepted.
    """
    return _tell(M_MMAP_THRESHOLD, LARGE_BYTES)


@functools.cache
def share_heaps() -> bool:
    """Let all threads share two heaps, for the rest of the process; to be called early.

    glibc gives each thread a heap of its own, up to eight per processor, and each keeps what its
    thread once needed. Returns as `give_back_large_arrays`.
    """
    return _tell(M_ARENA_MAX, HEAPS)


def _tell(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(option, value))
