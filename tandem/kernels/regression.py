"""Least squares on few columns, without the threads a linear algebra library would start."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]


@compiled
def take_out(columns: Floats, target: Floats) -> None:
    """Leave in `target`, in place, what the rows of `columns` cannot explain.

    Modified Gram-Schmidt; a row that follows from the earlier ones is passed over. `columns` is
    overwritten.
    """
    for i in range(len(columns)):
        row = columns[i]
        before = 0.0
        for t in range(len(row)):
            before += row[t] * row[t]
        for j in range(i):
            share = 0.0
            for t in range(len(row)):
                share += columns[j, t] * row[t]
            for t in range(len(row)):
                row[t] -= share * columns[j, t]
        size = 0.0
        for t in range(len(row)):
            size += row[t] * row[t]
        if not size > 1e-20 * before:
            row[:] = 0.0
            continue
        size = np.sqrt(size)
        share = 0.0
        for t in range(len(row)):
            row[t] /= size
            share += row[t] * target[t]
        for t in range(len(row)):
            target[t] -= share * row[t]
