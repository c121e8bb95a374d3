"""What the mathematics accepts, and giving back what it was given.

Everywhere in `analytics` a value is *usable* if it is finite and smaller than 1e50 in size (sums of
its fourth powers are then finite too); a bar is usable if both legs are. Windows count usable bars.
Changes smaller than 1e-70 lose digits the same way; choose larger units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]

LIMIT = 1e50
# No window of bars is longer: its memory is claimed before the bars are seen.
MOST = 10_000_000
# Bars per piece where a whole column in between would cost more memory than the answer.
PIECE = 65_536
# R2 from which two columns are one asset: statsmodels' limit, 1 - 100 sqrt(machine epsilon).
SAME_ASSET_R2 = 1.0 - 100.0 * math.sqrt(np.finfo(np.float64).eps)


def floats(values: Any, name: str) -> Floats:
    """Return `values` as a contiguous, writable float64 column; masked ones become NaN.

    A DataFrame of one column is that column.

    Raises
    ------
    DataError
        Where there are not numbers, or not in one dimension, or on an index that repeats or runs
        backwards.
    """
    same_index(values)
    column = numbers(values, name)
    if is_frame(values) and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}, and is one series; give one column.")
    return np.require(column, requirements=["C", "W"])


def numbers(values: Any, name: str) -> Floats:
    """Return `values` as float64, of any shape."""
    if is_frame(values):
        # By column: each may have its own way of telling that a value is missing.
        table = np.empty(values.shape)
        for place in range(values.shape[1]):
            table[:, place] = numbers(values.iloc[:, place], name)
        return table
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    kind = getattr(getattr(values, "dtype", None), "kind", "f")
    try:
        if kind in "mM" or np.iscomplexobj(values):
            raise TypeError
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{name} must be numbers; convert or drop the rest.") from None


def two_legs(y: Any, x: Any) -> tuple[Floats, Floats]:
    """Return both legs as columns of equal length, on one index if they have one."""
    same_index(y, x)
    y, x = floats(y, "y"), floats(x, "x")
    if len(y) != len(x):
        raise DataError(f"y has {len(y)} bars and x {len(x)}; align them first.")
    return y, x


def same_index(*columns: Any) -> None:
    """Refuse Series and DataFrames whose indexes differ, repeat or run backwards."""
    indexes = [column.index for column in columns if is_series(column) or is_frame(column)]
    for index in indexes:
        if not index.is_monotonic_increasing or index.has_duplicates:
            raise DataError("The index repeats or is not ascending; sort it and drop duplicates.")
        if not index.equals(indexes[0]):
            raise DataError("y and x have different indexes; join them on one index first.")


def is_series(values: Any) -> bool:
    """Tell whether this is a pandas Series, without importing pandas."""
    return _is_pandas(values, "Series")


def is_frame(values: Any) -> bool:
    """Tell whether this is a pandas DataFrame, without importing pandas."""
    return _is_pandas(values, "DataFrame")


def _is_pandas(values: Any, name: str) -> bool:
    return type(values).__module__.startswith("pandas") and type(values).__name__ == name


def like(template: Any, column: Floats, name: str) -> Any:
    """Return `column` as what the template is: a Series or DataFrame on its index, or as it is."""
    if is_frame(template):
        return type(template)(column[:, None], index=template.index, columns=template.columns)
    if not is_series(template):
        return column
    return type(template)(column, index=template.index, name=name)


def by_column(table: Any, name: str, work: Callable[[Any], Any]) -> Any:
    """Return what `work` makes of each column of a DataFrame, on its index and columns.

    Where that is a dataclass of columns, each of its fields is a DataFrame.

    Raises
    ------
    DataError
        There is no column.
    """
    if not table.shape[1]:
        raise DataError(f"{name} is a table without columns; give one or more.")
    return _together(table, [work(table.iloc[:, place]) for place in range(table.shape[1])])


def _together(table: Any, answers: Sequence[Any]) -> Any:
    first = answers[0]
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        parts = ([getattr(answer, name) for answer in answers] for name in names)
        return type(first)(*(_together(table, part) for part in parts))
    return type(table)(np.column_stack(answers), index=table.index, columns=table.columns)


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
    """Return a whole number from `least` to ten million.

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
    if value > MOST:
        raise DataError(f"{name} is {value:.3g}; {MOST:,} is the most: lower it.")
    return int(value)


def positive(value: Any, name: str) -> float:
    """Return a number above zero, of a size that a price or its square may have."""
    if not is_real(value) or not 0 < float(value) < LIMIT * LIMIT:
        raise DataError(f"{name} is {value!r:.40}; give a number above 0.")
    return float(value)


def one_of(value: Any, name: str, choices: Sequence[str]) -> None:
    """Refuse what is not one of these words."""
    if not isinstance(value, str) or value not in choices:
        raise DataError(f"{name} is {value!r:.40}; it can be {', '.join(choices)}.")


def check_trend(trend: str) -> None:
    """Refuse an unknown trend."""
    one_of(trend, "trend", ("n", "c", "ct"))


def flag(value: Any, name: str) -> bool:
    """Return a yes or no; numbers and arrays are neither."""
    if not isinstance(value, bool | np.bool_):
        raise DataError(f"{name} is {value!r:.40}; give True or False.")
    return bool(value)


def is_real(value: Any) -> bool:
    """Tell whether this is one real number that fits a double."""
    if not isinstance(value, int | float | np.floating | np.integer):
        return False
    return not isinstance(value, int) or abs(value) < 1e300
