"""CSV out, in chunks of bytes: every float reads back to the same bits, no text acts as a formula.

Column names carry the unit: ``_us`` microseconds since 1970, ``_quote`` and ``_price`` the quote
currency, ``_base`` units of the instrument, ``_share`` a share of one. Missing values are empty
cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.events import Trade
from tandem.io.model import Bars

CHUNK_ROWS = 3_000  # the GIL is held for a chunk: about 17 ms of bars

# What a spreadsheet takes for the beginning of a formula.
_ACTIVE = ("=", "+", "-", "@", "\t")

BAR_COLUMNS = {
    "open": "open_price",
    "high": "high_price",
    "low": "low_price",
    "close": "close_price",
    "volume": "volume_base",
    "buy_volume": "buy_volume_base",
    "notional": "notional_quote",
    "trades": "trades_count",
    "last_us": "last_trade_us",
}
_ANALYSIS_COLUMNS = {
    "y": "price_y",
    "x": "price_x",
    "y_open": "open_y",
    "x_open": "open_x",
    "y_age_us": "age_us_y",
    "x_age_us": "age_us_x",
    "candles": "from_candles",
    "hedged": "hedged_price_y",
    "z": "z_score",
    "signal": "signal_side",
    "position": "position_side",
    "event": "event_code",
    "filled": "filled_code",
    "y_quantity": "quantity_y_base",
    "x_quantity": "quantity_x_base",
    "cash": "cash_quote",
    "equity": "equity_quote",
    "drawdown": "drawdown_share",
}
# Every field of a closed trade; beta's name depends on the prices it was estimated on.
_TRADE_COLUMNS = {
    "side": "side",
    "bars": "held_bars",
    "signal_us": "entry_signal_us",
    "entry_us": "entry_us",
    "exit_signal_us": "exit_signal_us",
    "exit_us": "exit_us",
    "y_quantity": "entry_quantity_y_base",
    "x_quantity": "entry_quantity_x_base",
    "entry_y": "entry_price_y",
    "entry_x": "entry_price_x",
    "exit_y": "exit_price_y",
    "exit_x": "exit_price_x",
    "entry_z": "entry_z_score",
    "exit_z": "exit_z_score",
    "gross": "gross_quote",
    "fees": "fees_quote",
    "spread_cost": "spread_cost_quote",
    "funding": "funding_quote",
    "borrow": "borrow_quote",
    "net": "net_quote",
    "convergence": "convergence_quote",
    "hedge_drift": "hedge_drift_quote",
    "rehedges": "rehedges_count",
    "exit_x_quantity": "exit_quantity_x_base",
    "reason": "exit_reason",
}


def write_bars(bars: Mapping[str, Bars] | Iterable[tuple[str, Bars]]) -> Iterator[bytes]:
    """Write bars of one or more instruments, one below the other.

    Parameters
    ----------
    bars : mapping of str to ndarray of dtype BAR, or pairs of these
        By instrument; pairs are written as they come.
    """
    head = True
    for name, rows in bars.items() if isinstance(bars, Mapping) else bars:
        for start in range(0, len(rows), CHUNK_ROWS):
            part = rows[start : start + CHUNK_ROWS]
            columns: dict[str, Any] = _times(part["time_us"]) | {
                "instrument": np.full(len(part), name, object)
            }
            columns |= {column: part[field] for field, column in BAR_COLUMNS.items()}
            yield _csv(columns, head)
            head = False


def write_trades(trades: Iterable[Trade]) -> Iterator[bytes]:
    """Write trades as they were recorded; the replay venue plays such a file."""
    rest = iter(trades)
    head = True
    while part := list(islice(rest, CHUNK_ROWS)):
        names, ids, times, prices, quantities, sides, received = zip(*part, strict=True)
        columns = {"time_us": np.array(times, np.int64), "instrument": names, "trade_id": ids}
        columns |= {"price": prices, "quantity": quantities, "side": sides}
        yield _csv(columns | {"received_us": received}, head)
        head = False


def write_analysis(
    columns: Mapping[str, npt.NDArray[Any]], y: str, x: str, log_prices: bool = False
) -> Iterator[bytes]:
    """Write aligned bars with everything the models said about them.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_bars,)
        `time_us`, `y` and `x`, and any others; those whose meaning depends on `log_prices`
        (alpha, beta, spread, its mean and deviation) get their unit in the name.
    y, x : str
        Instruments.
    log_prices : bool
        Whether the regression was of log prices.
    """
    n_bars = len(columns["time_us"])
    for start in range(0, max(n_bars, 1), CHUNK_ROWS):
        part = {name: column[start : start + CHUNK_ROWS] for name, column in columns.items()}
        times = part.pop("time_us")
        rows: dict[str, Any] = _times(times) | {
            "y_instrument": np.full(len(times), y, object),
            "x_instrument": np.full(len(times), x, object),
        }
        rows |= {_analysis_name(name, log_prices): column for name, column in part.items()}
        yield _csv(rows, start == 0)


def write_closed_trades(trades: Sequence[Any], log_prices: bool = False) -> Iterator[bytes]:
    """Write closed trades, one a row with every part of its profit.

    Parameters
    ----------
    trades : sequence of trading.ClosedTrade
    log_prices : bool
        Whether the regression was of log prices: beta is then a ratio of notionals.

    `side` is 1 for long Y and -1 for short; Y's quantity never changes while it is held.
    """
    if not trades:
        return
    names = [field.name for field in dataclasses.fields(trades[0])]
    for start in range(0, len(trades), CHUNK_ROWS):
        part = trades[start : start + CHUNK_ROWS]
        rows: dict[str, Any] = {
            "entry_utc": _utc(np.array([trade.entry_us for trade in part], np.int64)),
            "exit_utc": _utc(np.array([trade.exit_us for trade in part], np.int64)),
        }
        for name in names:
            column = _analysis_name(name, log_prices) if name == "beta" else _TRADE_COLUMNS[name]
            rows[column] = [getattr(trade, name) for trade in part]
        yield _csv(rows, start == 0)


def _analysis_name(name: str, log_prices: bool) -> str:
    if name == "beta" or name.startswith("beta_"):
        return f"{name}_{'notional_' if log_prices else ''}x_per_y"
    unit = "log" if log_prices else "price"
    if name in ("alpha", "spread"):
        return f"{name}_{unit}"
    if name in ("mean", "deviation"):
        return f"spread_{name}_{unit}"
    return _ANALYSIS_COLUMNS.get(name, name)


def _times(time_us: npt.NDArray[np.int64]) -> dict[str, Any]:
    return {"time_us": time_us, "time_utc": _utc(time_us)}


def _utc(time_us: npt.NDArray[np.int64]) -> list[str]:
    texts = np.datetime_as_string(np.ascontiguousarray(time_us).astype("M8[us]"), timezone="UTC")
    return [str(text) for text in texts]


def defused(value: Any) -> Any:
    """Return text on one line that no spreadsheet runs: before a formula stands a quote."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.splitlines())
    return "'" + text if text.lstrip(" ").startswith(_ACTIVE) else text


def _csv(columns: Mapping[str, Any], head: bool) -> bytes:
    rows: dict[str, Any] = {}
    for name, column in columns.items():
        values = np.asarray(column)
        if values.dtype.kind == "b":
            values = values.astype(np.int8)
        if values.dtype.kind in "OU":
            values = np.array([defused(value) for value in column], object)
        rows[defused(name)] = values
    text: str = pd.DataFrame(rows).to_csv(index=False, header=head, lineterminator="\n")
    return text.encode()
