"""Rows of bars and trades as the arrays that everything else computes with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.events import BAR, BUY, CANDLE, SELL, TRADE, UNKNOWN_SIDE
from tandem.io.bar_times import usual_interval
from tandem.io.model import Bars, Trades
from tandem.io.sheet import Sheet, amount_of

MOST_TRADES = 2**53  # in a bar; more is a misread number

_MAKER_SIDES = {"true": SELL, "1": SELL, "false": BUY, "0": BUY}
_SIDES = {"buy": BUY, "b": BUY, "1": BUY, "+1": BUY, "sell": SELL, "s": SELL, "-1": SELL}


def bar_array(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> Bars:
    """Return an instrument's rows as bars, each with the prices it has."""
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
        sheet.notes.append(f"{unknown:,} trades have an unrecognised side.")
    return sides


def fresh(part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the bars in which the leg traded, as told by the age of its last trade at their end.

    The first row's price may be older than its bar: it is put into the bar it comes from, whose
    other prices are not known.
    """
    interval_us = max(usual_interval(part["time_us"].to_numpy()), 1)
    last_us = (part["time_us"] + interval_us - part[keys["age"]]).astype(np.int64)
    traded = (last_us >= part["time_us"]).to_numpy().copy()
    traded[:1] = True
    time_us = np.minimum(part["time_us"], last_us // interval_us * interval_us)
    part = part.assign(time_us=time_us, last_trade=last_us)[traded]
    first = part.index[:1]
    if "open" in keys and part.loc[first, keys["open"]].isna().all():
        part.loc[first, keys["open"]] = part.loc[first, keys["close"]]
    return part
