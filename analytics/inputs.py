"""What the mathematics accepts, and giving back what it was given.

Everywhere in `analytics` a value is *usable* if it is finite and smaller than 1e100 in size (its
square is then finite too); a bar is usable if both legs are. Windows count usable bars.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from market import DataError

Floats = npt.NDArray[np.float64]

LIMIT = 1e100
# Bars per piece where a whole column in between would cost more memory than the answer.
PIECE = 65_536


def floats(values: Any, name: str) -> Floats:
    """Return `values` as a contiguous, writable float64 column.

    Raises
    ------
    DataError
        Where there are not numbers, or not in one dimension.
    """
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be numbers; convert or drop the rest.") from None
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}; give one column.")
    return np.require(column, requirements=["C", "W"])


def two_legs(y: Any, x: Any) -> tuple[Floats, Floats]:
    """Return both legs as columns of equal length, on one index if they have one."""
    same_index(y, x)
    y, x = floats(y, "y"), floats(x, "x")
    if len(y) != len(x):
        raise DataError(f"y has {len(y)} bars and x {len(x)}; align them first.")
    return y, x


def same_index(*columns: Any) -> None:
    """Refuse Series whose indexes differ, repeat or run backwards."""
    indexes = [column.index for column in columns if is_series(column)]
    for index in indexes:
        if not index.is_monotonic_increasing or index.has_duplicates:
            raise DataError("The index repeats or is not ascending; sort it and drop duplicates.")
        if not index.equals(indexes[0]):
            raise DataError("y and x have different indexes; join them on one index first.")


def is_series(values: Any) -> bool:
    """Tell whether this is a pandas Series, without importing pandas."""
    return type(values).__module__.startswith("pandas") and type(values).__name__ == "Series"


def like(template: Any, column: Floats, name: str) -> Any:
    """Return `column` as a Series on the template's index, if the template is one."""
    if not is_series(template):
        return column
    return type(template)(column, index=template.index, name=name)


def usable(*columns: Floats) -> npt.NDArray[np.bool_]:
    """Return where every column is usable."""
    mask = np.ones(len(columns[0]), dtype=np.bool_)
    # In pieces: sizes of a whole column would take as much memory as the column.
    for start in range(0, len(mask), PIECE):
        part = slice(start, start + PIECE)
        for column in columns:
            mask[part] &= np.abs(column[part]) < LIMIT
    return mask


def whole(value: Any, name: str, least: int, remedy: str = "") -> int:
    """Return a whole number of at least `least`.

    Raises
    ------
    DataError
        Names the value, the limit and what to do.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DataError(f"{name} is {value!r:.40}; give a whole number of at least {least}.")
    if value < least:
        text = remedy or f"give {least} or more"
        raise DataError(f"{name} is {value}; it must be at least {least}: {text}.")
    return int(value)


def positive(value: Any, name: str) -> float:
    """Return a finite number above zero."""
    if not isinstance(value, int | float | np.number) or not 0 < value < LIMIT:
        raise DataError(f"{name} is {value!r:.40}; give a number above 0.")
    return float(value)
