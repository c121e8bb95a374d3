"""How the trees of an Isolation Forest are grown (Liu, Ting and Zhou, 2008, algorithms 1 and 2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@compiled
def grow_forest(
    values: npt.NDArray[np.float32],
    samples: int,
    most_depth: int,
    seed: int,
    paths: Floats,
    starts: Whole,
    feature: Whole,
    threshold: Floats,
    left: Whole,
    right: Whole,
    length: Floats,
) -> int:
    """Fill the nodes of all trees, as `score_forest` reads them; returns how many there are.

    Each tree is grown on `samples` rows drawn without replacement. A node of several rows, less
    deep than `most_depth`, is split by a feature drawn among those that vary in it, at a value
    drawn between that feature's least and largest.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        Finite; float32, as rows are scored.
    paths : ndarray of shape (samples + 1,)
        The mean depth that so many rows would still take to be told apart.
    starts : ndarray of shape (n_trees,)
    feature, threshold, left, right, length : ndarray of shape (n_trees * (2 * samples - 1),)
    """
    np.random.seed(seed)
    rows, columns = values.shape
    order, drawn = np.arange(rows), np.arange(columns)
    # A node's number, its rows' first and last place in `order`, its depth.
    stack = np.empty((most_depth + 2, 4), np.int64)
    count = 0
    for tree in range(len(starts)):
        for at in range(samples):
            other = at + np.random.randint(rows - at)
            order[at], order[other] = order[other], order[at]
        starts[tree] = count
        stack[0] = (count, 0, samples, 0)
        count, waiting = count + 1, 1
        while waiting:
            waiting -= 1
            node, first, last, depth = stack[waiting]
            found, low, high = -1, np.float32(0.0), np.float32(0.0)
            if last - first > 1 and depth < most_depth:
                for k in range(columns):
                    other = k + np.random.randint(columns - k)
                    drawn[k], drawn[other] = drawn[other], drawn[k]
                    low = high = values[order[first], drawn[k]]
                    for at in range(first + 1, last):
                        value = values[order[at], drawn[k]]
                        low, high = min(low, value), max(high, value)
                    if high > low:
                        found = drawn[k]
                        break
            feature[node], threshold[node], left[node], right[node] = found, 0.0, 0, 0
            length[node] = 0.0
            if found < 0:
                length[node] = depth + paths[last - first]
                continue
            cut = low + (np.float64(high) - low) * np.random.random()
            if cut >= high:  # by rounding alone
                cut = np.float64(low)
            middle = first
            for at in range(first, last):
                if values[order[at], found] <= cut:
                    order[middle], order[at] = order[at], order[middle]
                    middle += 1
            threshold[node], left[node], right[node] = cut, count, count + 1
            stack[waiting] = (count, first, middle, depth + 1)
            stack[waiting + 1] = (count + 1, middle, last, depth + 1)
            count, waiting = count + 2, waiting + 2
    return count
