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
    return _compile(function, nogil=True)


def held(function: Callable[P, R]) -> Callable[P, R]:
    """Compile as `compiled`, but keep the GIL: for calls that take microseconds.

    Whoever lets it go beside a busy thread waits up to 5 ms to get it back, each time.
    """
    return _compile(function, nogil=False)


def _compile(function: Callable[P, R], nogil: bool) -> Callable[P, R]:
    try:
        kernel: Callable[P, R] = njit(cache=True, nogil=nogil)(function)
    except RuntimeError:
        kernel = njit(nogil=nogil)(function)
    return kernel


def held_over(*modules: ModuleType) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return `held` for kernels that call into these modules, as `compiled_over` does."""
    return _over(held, modules)


def compiled_over(*modules: ModuleType) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return `compiled` for kernels that call into these modules or use their constants.

    The cache goes by a kernel's name, which gets a digest of the modules' text: once that changes,
    nothing is found under the new name and the kernel is compiled anew.
    """
    return _over(compiled, modules)


def summing_over(*modules: ModuleType) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return `summing` for kernels that call into these modules, as `compiled_over` does."""
    return _over(summing, modules)


def _over(
    compiling: Callable[[Callable[P, R]], Callable[P, R]], modules: tuple[ModuleType, ...]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    text = "".join(inspect.getsource(module) for module in modules)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]

    def over(function: Callable[P, R]) -> Callable[P, R]:
        function.__qualname__ = f"{function.__qualname__}_{digest}"
        return compiling(function)

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
