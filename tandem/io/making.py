"""From checked rows to bars and trades, by instrument."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.events import BAR, BUY, CANDLE, SELL, TRADE, UNKNOWN_SIDE
from tandem.io import grid
from tandem.io.checking import amount_of, once, once_by_id, traded, valid_prices, valid_trades
from tandem.io.columns import Column
from tandem.io.model import Bars, Trades
from tandem.io.naming import key_of, stem, unique
from tandem.io.sheet import Sheet

MOST_TRADES = 2**53  # in a bar; more is a misread number

_MAKER_SIDES = {"true": SELL, "1": SELL, "false": BUY, "0": BUY}
_SIDES = {"buy": BUY, "b": BUY, "1": BUY, "+1": BUY, "sell": SELL, "s": SELL, "-1": SELL}


def bars_in(sheet: Sheet, data: pd.DataFrame, columns: list[Column]) -> Iterator[tuple[str, Bars]]:
    """Make the bars of each instrument in turn."""
    for name, used, part in _parts(sheet, data, columns):
        keys = {column.role: key_of(column) for column in used}
        if any(column.symbol for column in used):  # a leg may lack a price where another has one
            there = part[keys["close"]].notna().to_numpy()
            part = part if there.all() else part[there]
        if "age" in keys:
            part = grid.fresh(part, keys)
        prices = [keys[role] for role in ("open", "high", "low", "close") if role in keys]
        part = valid_prices(sheet, part, prices)
        part = once(sheet, traded(sheet, part, keys), keys)
        if len(part):
            sheet.kept[part["row"].to_numpy()] = True
            yield name, _bar_array(sheet, part, keys)


def trades_in(
    sheet: Sheet, data: pd.DataFrame, columns: list[Column]
) -> Iterator[tuple[str, Trades]]:
    """Make the trades of each instrument in turn."""
    for name, used, part in _parts(sheet, data, columns):
        keys = {column.role: key_of(column) for column in used}
        part = once_by_id(sheet, valid_trades(sheet, part, keys), keys)
        if len(part):
            sheet.kept[part["row"].to_numpy()] = True
            yield name, trade_array(sheet, part, keys)


def _parts(
    sheet: Sheet, data: pd.DataFrame, columns: list[Column]
) -> Iterator[tuple[str, list[Column], pd.DataFrame]]:
    """Take the rows apart by symbol column, by symbols in names, or as one."""
    used = [column for column in columns if column.role]
    symbols = [column.symbol for column in used if column.symbol and column.role == "close"]
    names: set[str] = set()
    if symbols:
        for symbol in symbols:
            given = f"{symbol}_instrument"
            named = str(data[given].iloc[0]) if given in data else symbol
            yield unique(named, names), [c for c in used if c.symbol in ("", symbol)], data
    elif any(c.role == "symbol" for c in used):
        missing = data["symbol"].isna().to_numpy()
        sheet.set_aside(missing, "the instrument is missing", data["row"])
        groups = list(data[~missing].groupby("symbol", sort=False))
        for label, part in sorted(groups, key=lambda group: int(group[1]["row"].min())):
            yield unique(str(label), names), used, part
    else:
        yield unique(stem(sheet.name), names), used, data


def _bar_array(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> Bars:
    bars = np.zeros(len(part), BAR)

    def given(role: str) -> npt.NDArray[np.float64]:
        return part[keys[role]].to_numpy() if role in keys else np.full(len(part), np.nan)

    bars["time_us"] = part["time_us"]
    bars["close"] = given("close")
    bars["open"] = given("open") if "open" in keys else bars["close"]
    top, bottom = (
        np.maximum(bars["open"], bars["close"]),
        np.minimum(bars["open"], bars["close"]),
    )
    bars["high"] = given("high") if "high" in keys else top
    bars["low"] = given("low") if "low" in keys else bottom
    odd = int(((bars["high"] < top) | (bars["low"] > bottom)).sum())
    if odd:
        sheet.notes.append(f"In {odd:,} bars open or close lie outside low and high.")
    bars["volume"], bars["buy_volume"] = given("volume"), given("buy_volume")
    bars["notional"] = given("quote_volume")
    counts = np.nan_to_num(given("trades"))
    bars["trades"] = np.clip(counts, 0, MOST_TRADES)
    if "last_trade" in part:
        bars["last_us"] = part["last_trade"]
        # Of our own exports: bars that were a venue's candles stay marked as such.
        bars["trades"][counts == CANDLE] = CANDLE
    return bars


def trade_array(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> Trades:
    """Return rows as trades, in their order."""
    amount = amount_of(part, keys)
    trades = np.zeros(len(part), TRADE)
    trades["time_us"] = part["time_us"]
    trades["price"] = part[keys["price"]]
    trades["quantity"] = part[amount] if amount else np.nan
    trades["side"] = _sides(sheet, part, keys)
    trades["received_us"] = part[keys.get("received", "time_us")]
    return trades


def _sides(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> npt.NDArray[np.int8]:
    """Return the taker's side of each trade."""
    column = keys.get("buyer_maker", keys.get("side"))
    if column is None:
        return np.zeros(len(part), np.int8)
    known = _MAKER_SIDES if "buyer_maker" in keys else _SIDES
    codes, texts = pd.factorize(part[column])  # few distinct ones; -1 stands for a missing one
    meanings = [known.get(str(text).strip().lower(), UNKNOWN_SIDE) for text in texts]
    sides = np.array([*meanings, UNKNOWN_SIDE], np.int8)[codes]
    unknown = int((sides == UNKNOWN_SIDE).sum())
    if unknown:
        sheet.notes.append(f"{unknown:,} trades have no side that is understood.")
    return sides
