"""The column that says which instrument a row is of, where its name does not tell.

In a list of bars a time is there once for each instrument. Where times repeat with other prices,
the column that tells these rows apart is the instrument, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.io.column import Column, key_of
from tandem.io.column_names import HOUR_NAMES, plain
from tandem.io.contents import Rows, is_number

Texts = Callable[[list[int]], pd.DataFrame]

# Share of rows whose time was there before with another price; below, they are just repeats.
_REPEATS = 0.02
_MOST_COLUMNS = 40


def with_symbols(
    rows: pd.DataFrame, columns: list[Column], sample: Rows, texts: Texts
) -> tuple[pd.DataFrame, list[Column], list[str]]:
    """Find the column that says which instrument a row is of.

    Parameters
    ----------
    rows : DataFrame
        As `parsing.data` gives them.
    columns : list of Column
    sample : sequence of rows
    texts : callable
        Returns the cells of columns, by index, of all lines of the file.

    Returns
    -------
    rows, columns
        With the column found as the instrument; as they were where none is needed.
    notes : list of str
    """
    prices = [column for column in columns if column.role in ("close", "bid", "price")]
    if len({column.symbol for column in columns if column.role}) > 2 or not prices:
        return rows, columns, []  # a column for each instrument
    close = key_of(prices[0])
    named = next((column for column in columns if column.role == "symbol"), None)
    now = _repeated(rows, close, rows["symbol"] if named is not None else None)
    if now <= _REPEATS:
        return rows, columns, []
    best, symbols = _telling(rows, columns, sample, texts, close, now)
    if best is None:
        return rows, columns, []
    note = f"Times repeat with other prices; column {best.name!r:.40} tells the instruments apart."
    roles = {best.index: "symbol"} | ({named.index: ""} if named is not None else {})
    rows = rows.rename(columns={key_of(one): one.role for one in columns if one.symbol})
    columns = [replace(one, role=roles.get(one.index, one.role), symbol="") for one in columns]
    return rows.assign(symbol=symbols), columns, [note]


def _repeated(rows: pd.DataFrame, close: str, symbols: pd.Series | None) -> float:
    """Return the share of rows whose time (and instrument) was there before, at another price."""
    time_us = rows["time_us"].to_numpy()
    codes = np.zeros(len(rows), np.intp) if symbols is None else pd.factorize(symbols)[0]
    if _is_each_time_once(time_us, codes):
        return 0.0
    keys = pd.DataFrame({"time": time_us, "price": rows[close].to_numpy(), "symbol": codes})
    by_time = [name for name in keys if name != "price"]
    again = keys.duplicated(by_time).to_numpy() & ~keys.duplicated().to_numpy()
    return float(again.mean())


def _is_each_time_once(time_us: npt.NDArray[np.int64], codes: npt.NDArray[np.intp]) -> bool:
    """Return whether times only rise, or only fall, within every instrument."""
    if codes.any():
        together = np.argsort(codes, kind="stable")
        time_us, codes = time_us[together], codes[together]
    steps = np.diff(time_us)[np.diff(codes) == 0]
    return bool((steps > 0).all() or (steps < 0).all())


def _telling(
    rows: pd.DataFrame,
    columns: list[Column],
    sample: Rows,
    texts: Texts,
    close: str,
    now: float,
) -> tuple[Column | None, pd.Series | None]:
    """Return the column after which fewest rows are repeats, and its cells."""
    free = [column for column in columns if column.role == "" and _may_name(sample, column)]
    free = free[:_MOST_COLUMNS]
    if not free:
        return None, None
    cells_of = texts([column.index for column in free]).iloc[rows["row"].to_numpy()]
    found: list[tuple[float, bool, float, Column]] = []
    for column in free:
        cells = cells_of[column.index]
        count = cells.nunique()
        if 2 <= count <= max(len(rows) // 2, 2):
            left = _repeated(rows, close, cells)
            is_code = bool(is_number(str(cells.iloc[0])))
            found.append((round(left, 3), is_code, float(cells.str.len().mean()), column))
    best = min(found, key=lambda one: one[:3], default=None)
    if best is None or best[0] > max(_REPEATS, 0.1 * now):
        return None, None
    symbols = cells_of[best[3].index]
    symbols.index = rows.index
    return best[3], symbols


def _may_name(sample: Rows, column: Column) -> bool:
    """Tell columns of names and codes from columns of amounts."""
    cells = [row[column.index] for row in sample if row[column.index]]
    if not cells:
        return False
    if sum(map(is_number, cells)) < 0.5 * len(cells):
        return True
    is_whole = all(cell.isdigit() for cell in cells)
    return is_whole and plain(column.name) not in (
        *HOUR_NAMES,
        "rank",
        "no",
        "sno",
        "index",
        "row",
        "year",
    )
