"""How every kernel is compiled: cached on disk, without the GIL, with NaN kept as NaN.

Numba notices a change of the file a kernel stands in, not of the files it calls into: a kernel
that calls another must stand in the same file, or be made by `compiled_over` the other file, or an
old cache would answer for new code.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on first call and keep the machine code for the next process.

    `fastmath` stays off: it would let the compiler assume that there are no NaN. Where no folder
    can be written to, the kernel is compiled anew in every process.
    """
    try:
        kernel: Callable[P, R] = njit(cache=True, nogil=True)(function)
    except RuntimeError:
        kernel = njit(nogil=True)(function)
    return kernel


def compiled_over(*modules: ModuleType) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return `compiled` for kernels that call into these modules or use their constants.

    The cache goes by a kernel's name, which gets a digest of the modules' text: once that changes,
    nothing is found under the new name and the kernel is compiled anew.
    """
    text = "".join(inspect.getsource(module) for module in modules)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]

    def over(function: Callable[P, R]) -> Callable[P, R]:
        function.__qualname__ = f"{function.__qualname__}_{digest}"
        return compiled(function)

    return over


def summing(function: Callable[P, R]) -> Callable[P, R]:
    """Compile as `compiled`, and let sums be taken in any order, as the processor likes them.

    NaN and infinities stay what they are; only the last digits of a sum may differ.
    """
    order = {"reassoc", "contract"}
    try:
        kernel: Callable[P, R] = njit(cache=True, nogil=True, fastmath=order)(function)
    except RuntimeError:
        kernel = njit(nogil=True, fastmath=order)(function)
    return kernel
