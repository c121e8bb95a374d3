"""Large arrays are given back to the system when they are freed."""

from __future__ import annotations

import ctypes
import functools
import sys

# glibc's name for the size from which on an array is the system's own (malloc.h).
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 4 * 2**20


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
    if not sys.platform.startswith("linux"):
        return False
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    return option is not None and bool(option(M_MMAP_THRESHOLD, LARGE_BYTES))
