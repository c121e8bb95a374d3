"""What each column is: by its name, by the layout of vendors' files without names, or by shape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tandem.core.errors import DataError
from tandem.io.bare_clocks import bare_clocks
from tandem.io.contents import (
    CLOCK,
    Content,
    Rows,
    are_points,
    content,
    is_boolean,
    is_date,
    is_number,
    is_ohlc,
    is_price_like,
    month_of,
    value,
)

# What a column can be taken for: the role, and what it is called.
ROLES = {
    "time": "time",
    "clock": "time of day",
    "month": "month, beside a year as time",
    "day": "day of the month",
    "open": "open price",
    "high": "high price",
    "low": "low price",
    "close": "close price",
    "price": "price",
    "bid": "bid price",
    "ask": "ask price",
    "adjusted": "adjusted close price",
    "split": "ratio of a split",
    "dividend": "dividend",
    "quantity": "quantity",
    "volume": "volume",
    "quote_volume": "volume in quote currency",
    "buy_volume": "volume bought by takers",
    "trades": "number of trades",
    "symbol": "instrument",
    "side": "side of the taker",
    "buyer_maker": "whether the buyer was the maker",
    "id": "trade id",
    "received": "time of receipt",
    "last_trade": "time of the last trade",
    "age": "age of the last trade",
    "y_instrument": "instrument of Y",
    "x_instrument": "instrument of X",
}
DATED = ("time", "clock", "month", "day")
PRICES = ("open", "high", "low", "close", "price", "bid", "ask", "adjusted")
EVENTS = ("split", "dividend")
AMOUNTS = ("quantity", "volume", "quote_volume", "buy_volume", "trades")

# Names, as `plain` leaves them, of a time that is a bar's end; used where no other time is there.
END_OF_HOUR = "hour_ending"
END_NAMES = (
    *("close_time", "closetime", "time_close", "timeclose", "candle_close_time", "close_at"),
    *("end_time", "endtime", "time_end", "timeend", "end", "ende", "end_date", "enddate", "to"),
    *("bar_end", "bar_end_time", "bar_close", "bar_close_time", "candle_end"),
    *("period_end", "period_ending", "interval_end", "interval_ending", "window_end"),
    *("week_end", "week_ending", "month_end", "month_ending", "quarter_end", "date_end"),
    *(END_OF_HOUR, "hour_end", "he", "end_timestamp", "close_timestamp", "end_datetime"),
)

# Names as `plain` leaves them. Where several columns have the same role, the name that stands
# earlier here wins, then the earlier column.
ALIASES: dict[str, tuple[str, ...]] = {
    "time": ("time_us", "open_time", "opentime", "unix", "unix_timestamp", "unix_time", "epoch",
        "timestamp", "timestamp_ms", "time_ms", "transact_time", "trade_time", "time_utc",
        "datetime", "date_time", "gmt_time", "utc_time", "local_time", "time", "ts", "t", "date",
        "dt", "data", "datum", "fecha", "fecha_hora", "day", "trade_date", "open_date",
        "created_at", "executed_at", "start", "per", "日期", "时间", "時間", "日時", "日付け",
        "日付", "交易日期", "日期时间", "날짜", "시간", "дата", "время", "tarih", "zeit",
        "zeitpunkt", "uhrzeit", "heure", "hora", "ora", "czas", "tijd",
        "timestamp_utc", "snapped_at", "dates", "observation_date", "window_start",
        "ts_event", "created_time", "timeopen", "time_open", "日時時刻", "データ日付", "일자",
        "日期時間",
        "年月日", "date_utc", "datetime_utc", "fechas", "giorno", "dia", "jour",
        *END_NAMES),
    "open": ("open", "open_price", "o", "opening", "abertura", "apertura", "otwarcie", "ouv",
        "ouverture", "eroffnung", "eroffn", "eroffnungskurs", "openen", "oppen", "acilis",
        "开盘", "开盘价", "開盤", "始値", "시가", "откр", "открытие",
        "px_open", "adj_open", "apertura_eur", "openprice", "開盤價", "開盤価", "시작가"),
    "high": ("high", "high_price", "h", "maxima", "maximo", "max", "massimo", "najwyzszy",
        "plus_haut", "haut", "hoch", "tageshoch", "hoog", "hogst", "yuksek", "alto", "高",
        "最高", "最高价", "高値", "고가", "макс", "максимум",
        "px_high", "highprice", "最高價", "최고가"),
    "low": ("low", "low_price", "l", "minima", "minimo", "min", "najnizszy", "plus_bas", "bas",
        "tief", "tagestief", "laag", "lagst", "dusuk", "bajo", "低", "最低", "最低价", "安値",
        "저가", "мин", "минимум",
        "px_low", "lowprice", "最低價", "최저가"),
    "close": ("close", "close_price", "c", "closing", "last", "last_price", "ultimo", "cierre",
        "chiusura", "zamkniecie", "ostatnio", "dernier", "cloture", "schluss", "schlusskurs",
        "zuletzt", "laatst", "slot", "senaste", "simdi", "kapanis", "fechamento", "settle",
        "settlement", "收盘", "收盘价", "收盤", "終値", "종가", "цена", "закрытие", "закр",
        "px_last", "close_last", "latest", "last_trade_price", "latest_price", "px_close",
        "px_settle", "settle_price", "settlement_price", "closeprice", "closing_price",
        "收盤價", "최종가"),
    "price": ("price", "px", "rate", "value", "p", "preis", "kurs", "prix", "precio", "preco",
        "prezzo", "cena", "价格", "成交价", "価格", "가격"),
    "quantity": ("quantity", "qty", "size", "amount", "amt", "q", "sz", "menge", "quantite",
        "cantidad", "quantidade", "ilosc", "数量", "成交数量", "количество",
        "trade_quantity", "base_qty", "homenotional"),
    "volume": ("volume_base", "volume", "vol", "v", "wolumen", "wol", "volumen", "tickvol",
        "tick_volume", "base_volume", "volumefrom", "hac", "hacim", "umsatz", "交易量", "成交量",
        "出来高", "거래량", "объем",
        "total_volume", "px_volume", "成交股數"),
    "quote_volume": ("notional_quote", "quote_volume", "quote_asset_volume", "volumeto",
        "quote_qty", "quoteqty", "turnover", "成交额"),
    "buy_volume": ("buy_volume_base", "taker_buy_base_asset_volume", "taker_buy_base_volume",
        "taker_buy_volume", "taker_buy_base"),
    "trades": ("trades_count", "trades", "number_of_trades", "num_trades", "count", "tradecount",
        "trade_count",
        "transactions"),
    "symbol": ("instrument", "symbol", "ticker", "pair", "market", "product_id", "product",
        "coin", "asset", "code", "代码", "股票代码",
        "instrument_name", "instid", "inst_id", "security", "contract", "ric", "ts_code",
        "company", "stock", "currency_pair", "trading_pair", "sym", "股票名称", "证券代码",
        "證券代號",
        "銘柄コード", "종목코드", "종목명"),
    "bid": ("bid", "bid_price", "bidprice", "best_bid", "bid_close", "bid_px_00", "geld", "买价",
        "bid_px", "px_bid", "best_bid_price", "buy_price", "buyprice"),
    "ask": ("ask", "ask_price", "askprice", "best_ask", "ask_close", "ask_px_00", "offer", "brief",
        "卖价", "ask_px", "px_ask", "best_ask_price", "offer_price", "offerprice", "offer_px",
        "best_offer", "sell_price", "sellprice"),
    "adjusted": ("adj_close", "adjclose", "adjusted_close", "adjustedclose", "close_adj",
        "adj_last",
        "close_adjusted", "adjusted", "adj_close_price", "adjusted_closing_price", "调整收盘价"),
    "split": ("split_coefficient", "stock_splits", "splits", "split_ratio", "split", "splitfactor",
        "split_factor"),
    "dividend": ("dividend_amount", "dividends", "dividend", "divcash", "ex_dividend"),
    "side": ("side", "direction", "taker_side"),
    "buyer_maker": ("is_buyer_maker", "isbuyermaker", "buyer_maker", "m"),
    "id": ("trade_id", "trdmatchid", "agg_trade_id", "aggtradeid", "id", "tid", "tradeid"),
    "received": ("received_us",),
    "last_trade": ("last_trade_us",),
    "y_instrument": ("y_instrument",),
    "x_instrument": ("x_instrument",),
}  # fmt: skip

# Known names that are no prices: never taken for a symbol of their own in a wide table.
_OTHER = re.compile(
    r"adj.*|first.*id|last.*id|is_best_match|best_match|ignore|.*change.*|var|chg.*|zmiana|"
    r"vwap|rtype|publisher_id|instrument_id|tickdirection|taker_buy.*|plot|age_us_.*|index|row|no|spread|<?vol>?|openint|dividends?|stock_splits?|year|"
    r"month|quarter|week|weekday|hour|minute|currency|exchange|marketcap|market_cap|split.*|sno|rank|name|"
    r"alpha.*|beta.*|usable|hedged.*|mean.*|deviation.*|z|signal.*|position.*|event|equity.*|"
    r"cash.*|.*quantity_[yx]|filled|"
    # What is beside the price of a quote.
    r"(best_)?(bid|ask|offer|buy|sell)_?"
    r"(sz|size|qty|quantity|vol|volume|amount|count|ct|depth|orders|exchange|time)(_\d+)?"
)
_PARTS = "open|high|low|close|price|last|bid|ask|volume|vol"
_WIDE = re.compile(rf"(?P<symbol>.+?)[_ .:/-]+(?P<part>{_PARTS})", re.IGNORECASE)
_WIDE_FRONT = re.compile(rf"(?P<part>{_PARTS})[_ .:/-]+(?P<symbol>.+)", re.IGNORECASE)
_PART_ROLE = {"price": "close", "last": "close", "vol": "volume"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its place, its name in the file, what it is taken for, and for which symbol.

    `role` is empty where the column is not used; `symbol` is empty but in a wide table.
    """

    index: int
    name: str
    role: str
    symbol: str = ""


def key_of(column: Column) -> str:
    """Return the name a column goes by in the data: its role, and its symbol in a wide table."""
    return f"{column.role} {column.symbol}" if column.symbol else column.role


def taken(columns: list[Column]) -> tuple[tuple[str, str], ...]:
    """Return each column's name and what it is taken for."""
    return tuple((column.name, _taken_for(column)) for column in columns)


def _taken_for(column: Column) -> str:
    if not column.role:
        return "not used"
    what = ROLES[column.role]
    return f"{what} of {column.symbol}" if column.symbol else what


# Letters that are no plain letter with a mark.
_LETTERS = str.maketrans("łŁıøØ", "lLioO")


def plain(name: str) -> str:
    """Return a name without case, accents, units in brackets and separators."""
    name = re.sub(r"\(.*?\)|\[.*?\]", "", name)
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\s_.\-/<>\"'%#*†‡]+", "_", kept.lower()).strip("_")


_ROLE_OF = {plain(name): role for role, names in ALIASES.items() for name in names}
_RANK = {plain(name): rank for names in ALIASES.values() for rank, name in enumerate(names)}


def is_known_name(name: str) -> bool:
    """Tell whether a cell is a column name known here."""
    return plain(name) in _ROLE_OF


def is_header(fields: Sequence[str]) -> bool:
    """Tell names from data: a known name, or no number among them."""
    if any(plain(field) in _ROLE_OF and not is_number(field) for field in fields):
        return True
    return not any(is_number(field) or is_boolean(field) for field in fields if field)


def stacked(
    header: Sequence[str], more: Sequence[Sequence[str]]
) -> tuple[int, list[str], list[str]]:
    """Read two or three rows of names, as frames with a column for each part and ticker have.

    Returns
    -------
    count : int
        How many of `more` are names, too; 0 where there is one row of them.
    names : list of str
        What each column is.
    symbols : list of str
        The instrument of each column; empty where there is one row.
    """
    if not more or any(is_number(cell) or is_date(cell) for cell in more[0]):
        return 0, list(header), []
    rows = [list(header), list(more[0])]
    parts = [sum(bool(_role(plain(cell))) for cell in row[1:] if cell) for row in rows]
    if max(parts) < len([cell for cell in header[1:] if cell]) or not max(parts):
        return 0, list(header), []
    names, symbols = rows if parts[0] >= parts[1] else rows[::-1]
    is_third = len(more) > 1 and not any(more[1][1:]) and not is_date(more[1][0])
    first = more[1][0] if is_third else ""
    return 1 + is_third, [first or "time", *names[1:]], ["", *symbols[1:]]


def by_name(header: Sequence[str], sample: Rows, symbols: Sequence[str] = ()) -> list[Column]:
    """Take each column for what its name says, where its cells do not say otherwise.

    Parameters
    ----------
    header : sequence of str
    sample : sequence of rows
        The first rows, and some of the others.
    symbols : sequence of str
        The instrument of each column, where a second row of names has them.
    """
    if any(plain(name) == "price_y" for name in header):
        columns = [Column(i, name, _role(plain(name))) for i, name in enumerate(header)]
        return _own_analysis(columns)
    some = sample[:: max(len(sample) * len(header) // _CELLS, 1)]
    contents = [content([row[i] for row in some]) for i in range(len(header))]
    columns = [
        Column(i, name, _judged(_role_named(name), name, what))
        for i, (name, what) in enumerate(zip(header, contents, strict=True))
    ]
    columns = _year_month_day(columns, contents, sample)
    columns = _time_by_content(columns, contents, sample)
    if any(symbols):
        return _first_of_each(_under(columns, symbols), contents)
    columns = _two_volumes(columns, sample)
    wide = [_wide(column) if not column.role else column for column in columns]
    columns = _swapped(columns, sample)
    bars = _bars_by_content(columns, sample)
    if bars is not None:
        columns = bars
    elif _strong(columns, sample) or _are_bars(columns, sample):
        pass
    elif any(column.symbol for column in wide):
        columns = wide
    elif not _are_quotes(columns, sample):
        columns = _as_symbols(columns, contents, sample)
    columns = _quoted(_date_and_clock(columns, sample), contents, sample)
    return _first_of_each(columns, contents)


def _judged(role: str, name: str, what: Content) -> str:
    """Return the role, or none where the cells cannot be that."""
    if role == "time" and _is_ticker(name) and what.times < 0.5 < what.numbers:
        return ""
    if plain(name) in END_NAMES and what.times < 0.5:  # the close of a bar is a price as well
        return ""
    if role == "buyer_maker" and what.booleans < 0.8:
        return ""
    if role == "symbol" and what.fractions > 0.5:  # codes are whole
        return ""
    return role


# Names, as `plain` leaves them, of the parts of a date in columns of their own.
_DATE_PARTS = {
    "time": ("year", "yr", "yyyy", "jahr", "annee", "ano", "anno"),
    "month": ("month", "mon", "mm", "monat", "mois", "mes", "mese"),
    "day": ("day", "day_of_month", "dd", "tag", "jour", "dia", "giorno"),
}
_IN_DATE_PART = {
    "time": re.compile(r"(?:19|20)\d\d"),
    "month": re.compile(r"0?[1-9]|1[0-2]"),
    "day": re.compile(r"0?[1-9]|[12]\d|3[01]"),
}


def _year_month_day(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Find year, month and, where it is there, day, where no column has whole dates."""
    found: dict[int, str] = {}
    for role, names in _DATE_PARTS.items():
        for column in columns:
            cells = [row[column.index] for row in sample]
            is_part = all(
                _IN_DATE_PART[role].fullmatch(cell) or (role == "month" and month_of(cell))
                for cell in cells
            )
            if plain(column.name) in names and cells and is_part:
                found.setdefault(column.index, role)
                break
    is_dated = any(one.role == "time" and contents[one.index].moments > 0.5 for one in columns)
    if is_dated or not {"time", "month"} <= set(found.values()):
        return columns
    others = [replace(one, role="") if one.role == "time" else one for one in columns]
    return [replace(one, role=found.get(one.index, one.role), symbol="") for one in others]


def _time_by_content(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Find the time where no column is called so: the first whose cells are all times."""
    roles = {column.role for column in columns}
    if "month" in roles or any(
        column.role == "time" and contents[column.index].times > 0.5 for column in columns
    ):
        return columns
    for column in columns:
        what = contents[column.index]
        is_free = column.role in ("", "symbol", "id", "last_trade")
        is_time = what.filled > 0.5 and what.moments > 0.9
        if is_free and is_time and _ascends(column, sample):
            return [replace(one, role="time" if one is column else one.role) for one in columns]
    return columns


def _ascends(column: Column, sample: Rows) -> bool:
    """Tell times that are numbers from amounts: they go one way, or stay."""
    numbers = [value(row[column.index]) for row in sample if row[column.index]]
    if not all(number == number for number in numbers):  # dates in writing
        return True
    steps = [b - a for a, b in zip(numbers, numbers[1:], strict=False)]
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)


def _under(columns: list[Column], symbols: Sequence[str]) -> list[Column]:
    """Give columns the instruments that stand over or under their names."""
    return [
        replace(column, symbol=symbols[column.index])
        if symbols[column.index] and column.role not in ("", *DATED)
        else column
        for column in columns
    ]


def _strong(columns: list[Column], sample: Rows) -> bool:
    """Tell whether a column is called a price by a word that is no ticker, as RATE may be.

    LAST is one beside two other names of tickers over prices.
    """
    others = [column for column in columns if not column.role and _is_priced(column, sample)]
    weak = {"last"} if len(others) > 1 else set()
    return any(
        column.role in _CLOSES
        and (
            plain(column.name) in _UNMISTAKABLE
            and not (column.name.isupper() and plain(column.name) in weak)
            or not _is_ticker(column.name)
        )
        for column in columns
    )


def _is_priced(column: Column, sample: Rows) -> bool:
    """Tell whether a name in capitals, as tickers are written, stands over prices."""
    is_style = column.name.isupper() and _is_ticker(column.name)
    is_other = bool(_OTHER.fullmatch(plain(column.name)))
    return is_style and not is_other and is_price_like([row[column.index] for row in sample])


def _are_quotes(columns: Sequence[Column], sample: Rows, symbol: str = "") -> bool:
    """Tell whether bid and ask are there and the bid is not above the ask, but for odd rows."""
    sides = {one.role: one.index for one in columns if one.symbol == symbol}
    if not {"bid", "ask"} <= set(sides):
        return False
    pairs = [(value(row[sides["bid"]]), value(row[sides["ask"]])) for row in sample]
    there = [bid <= ask for bid, ask in pairs if bid == bid and ask == ask]
    return sum(there) >= 0.9 * len(there)


def _swapped(columns: list[Column], sample: Rows) -> list[Column]:
    """Take the price to buy at for the ask where it is above that to sell at, as dealers write."""
    roles = {"buy_price": "ask", "buyprice": "ask", "sell_price": "bid", "sellprice": "bid"}
    other = [replace(one, role=roles.get(plain(one.name), one.role)) for one in columns]
    is_so = not _are_quotes(columns, sample) and _are_quotes(other, sample)
    return other if is_so else columns


def _is_ticker(name: str) -> bool:
    return name.isascii() and len(name) <= _TICKER and (name.isupper() or len(name) < 3)


def _are_bars(columns: list[Column], sample: Rows) -> bool:
    """Tell whether short names such as o, h, l, c are those of one instrument's bars or trades."""
    places = {column.role: column.index for column in columns}
    if {"open", "high", "low", "close"} <= set(places):
        four = [places[role] for role in ("open", "high", "low", "close")]
        return sum(is_ohlc([row[i] for i in four]) for row in sample) >= 0.9 * len(sample)
    return is_trades(columns) and not any(
        not column.role and column.name.isupper() for column in columns
    )


def _bars_by_content(columns: list[Column], sample: Rows) -> list[Column] | None:
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
                _is_ticker(one.name) and one.name.isupper() for one in four
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


def _as_symbols(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Take columns of prices for the instruments they are named after, also V, OPEN, ALL or ID."""
    new = [_as_symbol(column, contents[column.index], sample) for column in columns]
    added = [column for column in new if column.symbol]

    def could_be(column: Column) -> bool:
        if column.symbol or column.role in DATED or not column.name:
            return False
        is_style = _is_ticker(column.name) and column.name.isupper()
        return is_style and is_price_like([row[column.index] for row in sample])

    others = {column.index for column in columns if could_be(column)}
    is_weak = any(column.role in ("close", "price") for column in columns)
    if is_weak and len(others) + len(added) < 2:
        return columns
    if not added and len(others) < 2:
        return columns
    return [
        replace(column, role="close", symbol=column.name) if column.index in others else column
        for column in new
    ]


_TICKER = 5
_FEWEST_BARS, _WIDEST_BAR = 5, 1.2
_CELLS = 20_000  # looked at to tell what columns hold
_CLOSES = ("close", "price", "adjusted")
_UNMISTAKABLE = ("close", "price", "last")


def _role(name: str) -> str:
    if name in _ROLE_OF:
        return _ROLE_OF[name]
    return "volume" if re.fullmatch(r"vol(ume)?_[a-z0-9]{2,10}", name) else ""


def _role_named(name: str) -> str:
    """Return the role a name says; of a name in two languages, its first half's."""
    first = name.split("/")[0] if "/" in name else ""
    return _role(plain(name)) or _ROLE_OF.get(plain(first), "")


def _own_analysis(columns: list[Column]) -> list[Column]:
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


def _wide(column: Column) -> Column:
    """Read names like BTCUSDT_close or close_BTCUSDT."""
    name = column.name.strip()
    found = _WIDE.fullmatch(name) or _WIDE_FRONT.fullmatch(name)
    if not found or _OTHER.fullmatch(plain(name)):
        return column
    part = found["part"].lower()
    return replace(column, role=_PART_ROLE.get(part, part), symbol=found["symbol"])


def _as_symbol(column: Column, what: Content, sample: Rows) -> Column:
    """Take an unknown column of numbers for the price of the symbol it is named after."""
    if column.role or not column.name or _OTHER.fullmatch(plain(column.name)):
        return column
    is_price = what.numbers >= 0.5 or are_points([row[column.index] for row in sample])
    if not what.filled or not is_price:
        return column
    return replace(column, role="close", symbol=column.name)


def _quoted(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Use bid and ask where both are there and no price is there as often; else neither.

    A bid that is above its ask is none.
    """
    symbols = {column.symbol for column in columns if column.role in ("bid", "ask")}
    for symbol in symbols:
        mine = {column.role: column for column in columns if column.symbol == symbol}
        prices = [mine[role] for role in ("close", "price") if role in mine]
        filled = max((contents[column.index].readable for column in prices), default=0.0)
        quotes = [contents[mine[role].index].readable for role in ("bid", "ask") if role in mine]
        is_quote = len(quotes) == 2 and _are_quotes(columns, sample, symbol)
        is_used = is_quote and filled < 0.5 * min(quotes)
        unused = ("close", "price", "open", "high", "low") if is_used else ("bid", "ask")
        columns = [
            replace(column, role="", symbol="")
            if column.symbol == symbol and column.role in unused
            else column
            for column in columns
        ]
    return columns


def _two_volumes(columns: list[Column], sample: Rows) -> list[Column]:
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


# Names, as `plain` leaves them, of an hour of the day beside a date.
HOUR_NAMES = (
    *("hour", "hours", "hr", "he", "hour_ending", "hour_end", "hour_beginning", "hour_starting"),
    *("stunde", "heure", "hora", "ora", "uur", "hhmm", "hhmmss", "time_of_day", "clock"),
)


def _date_and_clock(columns: list[Column], sample: Rows) -> list[Column]:
    """Find a date and a time of day in two columns; the clock's may have any name."""
    times = [column for column in columns if column.role == "time"]
    free = [column for column in columns if column.role in ("time", "")]
    is_split = any(column.role == "month" for column in columns)

    def cells(column: Column) -> list[str]:
        return [row[column.index] for row in sample]

    def is_bare(column: Column) -> bool:
        is_named = plain(column.name) in HOUR_NAMES
        is_time = column.role == "time" and not is_split and not _is_ticker(column.name)
        is_date_too = all(map(is_date, cells(column)))
        return (is_named or is_time) and not is_date_too and bare_clocks(cells(column)) is not None

    clock = next((one for one in free if sample and all(map(CLOCK.fullmatch, cells(one)))), None)
    if clock is None and (is_split or any(all(map(is_date, cells(one))) for one in times)):
        clock = next((column for column in free if is_bare(column)), None)
    dates = [column for column in times if column is not clock]
    if clock is None or not dates or any(":" in row[dates[0].index] for row in sample):
        return columns
    return [replace(column, role="clock") if column is clock else column for column in columns]


def _first_of_each(columns: list[Column], contents: list[Content]) -> list[Column]:
    """Keep one column per role and symbol: of those that read most rows the best named one.

    A lone price is the close.
    """

    def read(column: Column) -> float:
        what = contents[column.index]
        if column.role == "time":
            return what.filled * max(what.times, what.clocks)
        return what.readable if column.role in (*PRICES, *AMOUNTS, *EVENTS) else what.filled

    most: dict[tuple[str, str], float] = {}
    for column in columns:
        key = (column.role, column.symbol)
        most[key] = max(most.get(key, 0.0), read(column))
    best: dict[tuple[str, str], Column] = {}
    for column in sorted(columns, key=lambda c: (_RANK.get(plain(c.name), 99), c.index)):
        key = (column.role, column.symbol)
        if column.role and read(column) >= 0.9 * most[key]:
            best.setdefault(key, column)
    kept = {column.index for column in best.values()}
    columns = [c if c.index in kept else replace(c, role="", symbol="") for c in columns]
    for symbol in {column.symbol for column in columns}:
        roles = {column.role for column in columns if column.symbol == symbol}
        lone = next((one for one in ("price", "adjusted") if one in roles), "")
        if lone and not roles & {"close", "bid"} and not (lone == "price" and is_trades(columns)):
            columns = [
                replace(c, role="close") if (c.role, c.symbol) == (lone, symbol) else c
                for c in columns
            ]
    return columns


def is_trades(columns: Sequence[Column]) -> bool:
    """Tell a table of trades from one of bars."""
    roles = {column.role for column in columns}
    if roles & {"open", "high", "low", "close"}:
        return False
    return "price" in roles and bool(roles & {"quantity", "side", "buyer_maker", "id"})


# Whose format it looks like: the first whose names are all there.
_VENDORS = (
    ("our own bars", {"time_us", "open_price", "close_price"}),
    ("our own trades", {"time_us", "instrument", "trade_id"}),
    ("our own aligned bars", {"price_y", "price_x"}),
    ("CryptoDataDownload", {"unix", "date", "symbol", "close"}),
    ("CryptoDataDownload", {"date", "symbol", "volume_btc"}),
    ("Binance klines", {"open_time", "close_time", "close"}),
    ("Binance aggTrades", {"agg_trade_id", "transact_time"}),
    ("Binance trades", {"id", "price", "qty", "is_buyer_maker"}),
    ("Investing.com", {"price", "open", "change"}),
    ("Yahoo", {"date", "close", "adj_close"}),
    ("Stooq", {"per", "ticker", "openint"}),
    ("Stooq", {"data", "otwarcie", "zamkniecie"}),
    ("MetaTrader", {"date", "open", "tickvol"}),
    ("MetaTrader", {"date", "time", "open", "tick_volume"}),
    ("TradingView", {"time", "open", "close", "plot"}),
    ("Coinbase", {"trade_id", "product", "size"}),
    ("Kraken", {"time", "vwap", "count"}),
)
_INVESTING = re.compile(r".*(%|涨跌幅|[+]/-).*")


def vendor(header: Sequence[str]) -> str:
    """Return whose format the column names are, "" where they are nobody's in particular."""
    names = {plain(name) for name in header}
    found = next((vendor for vendor, needed in _VENDORS if needed <= names), "")
    roles = {_role(name) for name in names}
    is_change_last = bool(header) and bool(_INVESTING.fullmatch(header[-1]))
    if not found and is_change_last and {"time", "open", "high", "low"} <= roles:
        return "Investing.com"
    return found


def corrected(columns: Sequence[Column], told: Sequence[tuple[int | str, str]]) -> list[Column]:
    """Give columns the roles they are told to have; who had such a role before loses it.

    Raises
    ------
    DataError
        A column of a name that none has.
    """
    places = {_place(columns, which): role for which, role in told}
    roles = {index: role for index, role in places.items() if 0 <= index < len(columns)}
    symbols = _symbols_told(columns, roles)
    mine = {(role, symbols.get(index, "")) for index, role in roles.items() if role}
    is_one = not any(symbols.values()) and any(role in (*PRICES, *AMOUNTS) for role, _ in mine)
    kept = [
        replace(column, role="", symbol="")
        if (column.role, column.symbol) in mine or (is_one and column.symbol)
        else column
        for column in columns
    ]
    return [_told(column, roles, symbols) for column in kept]


def _told(column: Column, roles: dict[int, str], symbols: dict[int, str]) -> Column:
    if column.index not in roles:
        return column
    role, symbol = roles[column.index], symbols.get(column.index, "")
    return replace(column, role="close" if symbol and role == "price" else role, symbol=symbol)


def _symbols_told(columns: Sequence[Column], roles: dict[int, str]) -> dict[int, str]:
    """Return the instruments of the columns of a wide table that are told to be amounts or prices.

    A close is that of its column's instrument, another role needs a close of the same one. Where
    one has none, as where four columns are told to be open, high, low and close, or where there is
    one close in all, the table is of one instrument, and nothing is returned.
    """
    told = {index: role for index, role in roles.items() if role in (*PRICES, *AMOUNTS)}
    closes = [index for index, role in told.items() if role in ("close", "price")]
    if not any(column.symbol for column in columns) and len(closes) < 2:
        return {}
    symbols = {index: columns[index].symbol for index in told}
    symbols |= {index: columns[index].symbol or columns[index].name for index in closes}
    known = {symbols[index] for index in closes}
    known |= {
        column.symbol for column in columns if column.role == "close" and column.index not in roles
    }
    is_each = all(symbol in known - {""} for symbol in symbols.values())
    return symbols if is_each and len(known) > 1 else {}


def same_of(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Return two columns that are the same thing of one instrument; None where no two are."""
    there: dict[tuple[str, str], Column] = {}
    for column in columns:
        if not column.role:
            continue
        for symbol in {"", column.symbol} if column.symbol else _symbols(columns):
            if (column.role, symbol) in there:
                return there[column.role, symbol], column
        there[column.role, column.symbol] = column
    return None


def named_twice(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    """Return a price whose name another column has, too, and which nobody chose; None without one.

    Parameters
    ----------
    columns : sequence of Column
    names : sequence of str
        Names of all columns, each with its instrument where a row of names has them.
    """
    prices = [column for column in columns if column.role in PRICES]
    return next((one for one in prices if names.count(names[one.index]) > 1), None)


def _symbols(columns: Sequence[Column]) -> set[str]:
    return {"", *(column.symbol for column in columns)}


def own_dates(columns: Sequence[Column], sample: Rows) -> Column | None:
    """Return a second column of dates that instruments of their own follow; None without one.

    A spreadsheet has such tables where each list of prices was put in with its dates.
    """

    def are_dates(column: Column) -> bool:
        cells = [row[column.index] for row in sample]
        name, count = re.subn(r"[._]\d+$", "", column.name)  # Date.1
        if _role_named(name) == "time" and (column.role == "time" or count or not column.role):
            return content(cells).times > 0.9
        is_free = column.role in ("", "time")
        return is_free and sum(map(is_date, cells)) > 0.9 * len(cells)

    dates = [column for column in columns if are_dates(column)]
    prices = [one.index for one in columns if one.role == "close" and one.symbol]
    return next(
        (one for one in dates[1:] if prices and min(prices) < one.index < max(prices)), None
    )


def _place(columns: Sequence[Column], which: int | str) -> int:
    """Return the number from 0 of a column given by number, or by name."""
    if isinstance(which, int):
        return which
    for same in (lambda name: name == which, lambda name: plain(name) == plain(which)):
        for column in columns:
            if same(column.name):
                return column.index
    if which.isascii() and which.isdigit() and 1 <= int(which[:9]) <= len(columns):
        return int(which) - 1
    names = ", ".join(repr(column.name[:20]) for column in columns[:8])
    raise DataError(
        f"No column is called {which[:40]!r}; there are {names}. "
        "A column can be given by its number, too, from 1."
    )


# Files without names ----------------------------------------------------------------------


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
