"""Which columns have prices: quotes, bars, closes and volumes told apart by what they contain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tandem.io.column import Column
from tandem.io.column_names import OTHER_NAMES, is_ticker, plain
from tandem.io.contents import Content, Rows, is_ohlc, is_price_like, value


def is_priced(column: Column, sample: Rows) -> bool:
    """Tell whether a name in capitals, as tickers are written, stands over prices."""
    is_style = column.name.isupper() and is_ticker(column.name)
    is_other = bool(OTHER_NAMES.fullmatch(plain(column.name)))
    return is_style and not is_other and is_price_like([row[column.index] for row in sample])


def are_quotes(columns: Sequence[Column], sample: Rows, symbol: str = "") -> bool:
    """Tell whether bid and ask are there and the bid is not above the ask, but for odd rows."""
    sides = {one.role: one.index for one in columns if one.symbol == symbol}
    if not {"bid", "ask"} <= set(sides):
        return False
    pairs = [(value(row[sides["bid"]]), value(row[sides["ask"]])) for row in sample]
    there = [bid <= ask for bid, ask in pairs if bid == bid and ask == ask]
    return sum(there) >= 0.9 * len(there)


def swapped(columns: list[Column], sample: Rows) -> list[Column]:
    """Take the price to buy at for the ask where it is above that to sell at, as dealers write."""
    roles = {"buy_price": "ask", "buyprice": "ask", "sell_price": "bid", "sellprice": "bid"}
    other = [replace(one, role=roles.get(plain(one.name), one.role)) for one in columns]
    is_so = not are_quotes(columns, sample) and are_quotes(other, sample)
    return other if is_so else columns


def are_bars(columns: list[Column], sample: Rows) -> bool:
    """Tell whether short names such as o, h, l, c are those of one instrument's bars or trades."""
    places = {column.role: column.index for column in columns}
    if {"open", "high", "low", "close"} <= set(places):
        four = [places[role] for role in ("open", "high", "low", "close")]
        return sum(is_ohlc([row[i] for i in four]) for row in sample) >= 0.9 * len(sample)
    return is_trades(columns) and not any(
        not column.role and column.name.isupper() for column in columns
    )


def bars_by_content(columns: list[Column], sample: Rows) -> list[Column] | None:
    """Find the four prices of bars whose names are of a language that is not known here.

    Returns
    -------
    columns : list of Column or None
        With the roles of the four where they stand in the usual order; with none where they are
        in another, which leaves open apart from close in doubt; None where no four are bars.
    """
    usual = ("open", "high", "low", "close")
    for start in range(len(columns) - 3):
        four = columns[start : start + 4]
        if all(one.role in ("", part) for one, part in zip(four, usual, strict=True)):
            places = [one.index for one in four]
            if all(one.role for one in four) or any(
                is_ticker(one.name) and one.name.isupper() for one in four
            ):
                continue
            for order, is_usual in (((0, 1, 2, 3), True), ((0, 2, 3, 1), False)):
                if _are_narrow([[row[places[i]] for i in order] for row in sample]):
                    return [
                        replace(one, role=usual[one.index - start] if is_usual else "")
                        if one.index in places
                        else one
                        for one in columns
                    ]
    return None


def _are_narrow(bars: Rows) -> bool:
    """Tell whether rows are open, high, low and close, as near each other as those of bars are."""
    there = [[value(cell) for cell in row] for row in bars if all(row)]
    if len(there) < _FEWEST_BARS or not all(is_ohlc(row) for row in bars if all(row)):
        return False
    widths = sorted(high / low for _, high, low, _ in there if low > 0)
    return len(widths) == len(there) and 1.0 < widths[len(widths) // 2] < _WIDEST_BAR


_FEWEST_BARS, _WIDEST_BAR = 5, 1.2

CLOSES = ("close", "price", "adjusted")
UNMISTAKABLE = ("close", "price", "last")


def own_analysis(columns: list[Column]) -> list[Column]:
    """Read the columns of our own export of aligned bars."""
    known = {
        f"{name}_{leg}": (role, leg)
        for leg in "yx"
        for name, role in (("price", "close"), ("open", "open"), ("age_us", "age"))
    }
    kept = {"time_us": "time", "y_instrument": "y_instrument", "x_instrument": "x_instrument"}
    return [
        replace(column, role=known[name][0], symbol=known[name][1])
        if name in known
        else replace(column, role=kept.get(name, ""))
        for column in columns
        for name in (plain(column.name),)
    ]


def quoted(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Use bid and ask where both are there and no price is there as often; else neither.

    A bid that is above its ask is none.
    """
    symbols = {column.symbol for column in columns if column.role in ("bid", "ask")}
    for symbol in symbols:
        mine = {column.role: column for column in columns if column.symbol == symbol}
        prices = [mine[role] for role in ("close", "price") if role in mine]
        filled = max((contents[column.index].readable for column in prices), default=0.0)
        quotes = [contents[mine[role].index].readable for role in ("bid", "ask") if role in mine]
        is_quote = len(quotes) == 2 and are_quotes(columns, sample, symbol)
        is_used = is_quote and filled < 0.5 * min(quotes)
        unused = ("close", "price", "open", "high", "low") if is_used else ("bid", "ask")
        columns = [
            replace(column, role="", symbol="")
            if column.symbol == symbol and column.role in unused
            else column
            for column in columns
        ]
    return columns


def two_volumes(columns: list[Column], sample: Rows) -> list[Column]:
    """Where two volumes are given, the one that is the other times the price is the quote's."""
    volumes = [column for column in columns if column.role == "volume"]
    close = next((column for column in columns if column.role in ("close", "price")), None)
    if len(volumes) != 2 or close is None:
        return columns
    for base, quote in (volumes, volumes[::-1]):
        ratios = [
            value(row[quote.index]) / (value(row[base.index]) * value(row[close.index]))
            for row in sample
            if value(row[base.index]) * value(row[close.index]) > 0
        ]
        if ratios and sum(0.8 < ratio < 1.25 for ratio in ratios) > 0.5 * len(ratios):
            return [
                replace(column, role="quote_volume") if column is quote else column
                for column in columns
            ]
    return columns


def is_trades(columns: Sequence[Column]) -> bool:
    """Tell a table of trades from one of bars."""
    roles = {column.role for column in columns}
    if roles & {"open", "high", "low", "close"}:
        return False
    return "price" in roles and bool(roles & {"quantity", "side", "buyer_maker", "id"})
