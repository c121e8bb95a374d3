"""Vendors' files without a header: known by the form of their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tandem.io.column import Column
from tandem.io.contents import CLOCK, Rows, is_boolean, is_date, is_number, is_ohlc, value


def _epoch(text: str) -> bool:
    number = value(text)
    return any(1e8 * unit <= number < 5e9 * unit for unit in (1, 1e3, 1e6, 1e9))


def _timely(text: str) -> bool:
    return _epoch(text) or is_date(text)


def _timed(row: Sequence[str]) -> bool:
    return is_date(row[0]) and bool(CLOCK.fullmatch(row[1]))


def _quotes(bid: str, ask: str) -> bool:
    return 0 < value(bid) <= value(ask)


@dataclass(frozen=True, slots=True)
class Layout:
    """A vendor's columns without names; `fits` is asked about every sample row of `width` cells."""

    name: str
    roles: tuple[str, ...]
    fits: Callable[[Sequence[str]], bool]


# Lean writes prices as ten-thousandths.
LEAN, LEAN_SCALE = "Lean bars", 10_000.0
_LEAN_TIME = re.compile(r"\d{8} \d\d:\d\d")
_BARS = ("time", "open", "high", "low", "close", "volume")
LAYOUTS = (
    Layout(
        "Binance klines",
        (*_BARS, "", "quote_volume", "trades", "buy_volume", "", ""),
        lambda row: _epoch(row[0]) and _epoch(row[6]) and is_ohlc(row[1:5]),
    ),
    Layout(
        "Binance spot aggTrades",
        ("id", "price", "quantity", "", "", "time", "buyer_maker", ""),
        lambda row: _epoch(row[5]) and is_boolean(row[6]) and is_boolean(row[7]),
    ),
    Layout(
        "Binance futures aggTrades",
        ("id", "price", "quantity", "", "", "time", "buyer_maker"),
        lambda row: _epoch(row[5]) and is_boolean(row[6]),
    ),
    Layout(
        "Binance spot trades",
        ("id", "price", "quantity", "", "time", "buyer_maker", ""),
        lambda row: _epoch(row[4]) and is_boolean(row[5]) and is_boolean(row[6]),
    ),
    Layout(
        "Binance futures trades",
        ("id", "price", "quantity", "", "time", "buyer_maker"),
        lambda row: _epoch(row[4]) and is_boolean(row[5]),
    ),
    Layout("Kraken OHLCVT", (*_BARS, "trades"), lambda row: _epoch(row[0]) and is_ohlc(row[1:5])),
    Layout(
        "MetaTrader bars",
        ("time", "clock", *_BARS[1:]),
        lambda row: "." in row[0] and _timed(row) and is_ohlc(row[2:6]),
    ),
    Layout("bars", ("time", "clock", *_BARS[1:]), lambda row: _timed(row) and is_ohlc(row[2:6])),
    Layout("bars", ("symbol", *_BARS), lambda row: is_date(row[1]) and is_ohlc(row[2:6])),
    Layout(
        "quotes",
        ("time", "bid", "ask", ""),
        lambda row: is_date(row[0]) and _quotes(row[1], row[2]) and value(row[3]) >= 0,
    ),
    Layout(
        "quotes",
        ("symbol", "time", "bid", "ask"),
        lambda row: is_date(row[1]) and _quotes(row[2], row[3]),
    ),
    Layout(
        LEAN,
        _BARS,
        lambda row: bool(_LEAN_TIME.fullmatch(row[0])) and all(map(str.isdigit, row[1:5])),
    ),
    Layout("bars", _BARS, lambda row: _timely(row[0]) and is_ohlc(row[1:5])),
    Layout(
        "bars",
        (*_BARS, ""),
        lambda row: is_date(row[0]) and is_ohlc(row[1:5]) and value(row[6]) >= 0,
    ),
    Layout("bars", _BARS[:5], lambda row: _timely(row[0]) and is_ohlc(row[1:5])),
    Layout(
        "Kraken trades",
        ("time", "price", "quantity"),
        lambda row: _epoch(row[0]) and is_number(row[1]) and is_number(row[2]),
    ),
    Layout(
        "times and prices",
        ("time", "close"),
        lambda row: _timely(row[0]) and is_number(row[1]),
    ),
)


def by_layout(sample: Rows) -> tuple[str, list[Column]] | None:
    """Recognise a vendor's file without names; returns its name and columns, or None."""
    width = len(sample[0]) if sample else 0
    for layout in LAYOUTS:
        if len(layout.roles) != width:
            continue
        if sum(layout.fits(row) for row in sample) >= 0.8 * len(sample):
            return layout.name, [
                Column(i, f"column {i + 1}", role) for i, role in enumerate(layout.roles)
            ]
    return None
