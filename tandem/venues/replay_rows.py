"""The rows of trade files: which layout a file has, and each row's trade.

Told by content, with a header or without:

* trades downloaded from Tandem: ``instrument``, ``trade_id``, ``time_us``, ``price``, ``quantity``,
  ``side`` and perhaps ``received_us``, in any order of columns;
* Binance's archive of aggregate trades: ``agg_trade_id,price,quantity,first_trade_id,
  last_trade_id,transact_time,is_buyer_maker`` (futures), and ``is_best_match`` (spot);
* Binance's archive of single trades: ``id,price,qty,quote_qty,time,is_buyer_maker`` (futures), and
  ``is_best_match`` (spot).

An archive's times are milliseconds, or microseconds in spot files since 2025.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.core.errors import DataError
from tandem.core.events import Trade, TradeId
from tandem.venues.fields import EARLIEST_US, LATEST_US, MOST_ID, MOST_PRICE

MOST_ID_TEXT = 64

OWN_COLUMNS = ("instrument", "trade_id", "time_us", "price", "quantity", "side")
ARCHIVE_COLUMNS = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id")
_SINGLE_COLUMNS = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")

_SYMBOL_IN_NAME = re.compile(r"(?i)(?:^|[^a-z0-9])([a-z0-9]{2,15}(?:usdt|usdc|fdusd|usd|btc|eth))")
_SIDES = {"1": 1, "+1": 1, "buy": 1, "-1": -1, "sell": -1, "0": 0, "": 0, "unknown": 0}
# By whether the buyer was the maker: then the taker sold.
_TAKERS = {"true": -1, "false": 1}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what a trade is made of: the index of each column.

    Attributes
    ----------
    title : str
        For the screen.
    venue : str
        The venue whose ids these are; "" where no feed of Tandem counts so, or each row tells.
    has_header : bool
        Whether the first line holds names.
    instrument, received : int or None
        None where the file does not tell.
    """

    title: str
    venue: str
    has_header: bool
    trade_id: int
    time: int
    price: int
    quantity: int
    side: int
    instrument: int | None = None
    received: int | None = None

    def trade(self, cells: Sequence[str], instrument: str) -> Trade:
        """Return a row's trade under the name of `instrument`; raises DataError with the reason."""
        try:
            side = cells[self.side].strip().lower()
            if self.instrument is None:
                # Their ids are numbers always.
                trade_id: TradeId = int(cells[self.trade_id])
                stamp = int(cells[self.time])
                time_us = stamp if stamp > LATEST_US // 1000 else stamp * 1000
                taker = _TAKERS[side]
            else:
                trade_id = _trade_id(cells[self.trade_id])
                time_us = int(cells[self.time])
                taker = _SIDES[side]
            price, quantity = float(cells[self.price]), float(cells[self.quantity])
            received_us = time_us if self.received is None else int(cells[self.received])
        except IndexError:
            raise DataError("columns are missing") from None
        except (KeyError, ValueError):
            raise DataError("a value is not what its column holds") from None
        return checked(Trade(instrument, trade_id, time_us, price, quantity, taker, received_us))


def checked(trade: Trade) -> Trade:
    """Return the trade where it is possible; raises DataError with the reason otherwise."""
    _, trade_id, time_us, price, quantity, _, received_us = trade
    # Nothing was traded at a price that is only told, as CoinGecko's are.
    if not (0.0 < price < MOST_PRICE and 0.0 <= quantity < MOST_PRICE):
        raise DataError("the price must be above zero and the quantity not below it")
    if not (EARLIEST_US <= time_us <= LATEST_US and EARLIEST_US <= received_us <= LATEST_US):
        raise DataError("the time is not between 2009 and 2100 in this file's unit")
    if isinstance(trade_id, int):
        if not 0 <= trade_id <= MOST_ID:
            raise DataError("the trade id is out of range")
    elif not (0 < len(trade_id) <= MOST_ID_TEXT and trade_id.isprintable()):
        raise DataError(f"the trade id is not a number and not text of 1 to {MOST_ID_TEXT} letters")
    return trade


def recognise(first: Sequence[str]) -> Layout | None:
    """Return the layout of a file by its first line's cells; None where it is none of them."""
    names = [cell.strip().lower() for cell in first]
    if set(OWN_COLUMNS) <= set(names):
        place = {name: names.index(name) for name in OWN_COLUMNS}
        return Layout(
            "trades downloaded from Tandem",
            "",
            True,
            place["trade_id"],
            place["time_us"],
            place["price"],
            place["quantity"],
            place["side"],
            place["instrument"],
            names.index("received_us") if "received_us" in names else None,
        )
    if names[:5] == list(ARCHIVE_COLUMNS):
        return _aggregate(len(names), True)
    if names[:6] == list(_SINGLE_COLUMNS):
        return _single(True)
    if not all(_is_number(cell) for cell in first[:5]):
        return None
    booleans = [name in _TAKERS for name in names[5:]]
    if len(names) in (7, 8) and not booleans[0] and _is_number(first[5]):
        return _aggregate(len(names), False)
    if len(names) in (6, 7) and all(booleans):
        return _single(False)
    return None


def symbol_in(name: str) -> str | None:
    """Return the symbol that a file's name tells."""
    match = _SYMBOL_IN_NAME.search(name)
    return None if match is None else match[1].upper()


def _aggregate(width: int, has_header: bool) -> Layout:
    venue = "binance-spot" if width == 8 else "binance-usdm"
    market = "spot" if width == 8 else "futures"
    return Layout(f"Binance {market} aggTrades", venue, has_header, 0, 5, 1, 2, 6)


def _single(has_header: bool) -> Layout:
    return Layout("Binance trades", "", has_header, 0, 4, 1, 2, 5)


def _trade_id(text: str) -> TradeId:
    # Before what a spreadsheet would take for a formula stands a quote in our own files.
    if text[:1] == "'" and text[1:].lstrip(" ").startswith(("=", "+", "-", "@", "\t")):
        return text[1:]
    return int(text) if text.isdecimal() and text.isascii() else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
