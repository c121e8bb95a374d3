"""What each column is: by its name, by the layout of vendors' files without names, or by shape."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

Rows = Sequence[Sequence[str]]

# What a column can be taken for: the role, and what it is called.
ROLES = {
    "time": "time",
    "clock": "time of day",
    "open": "open price",
    "high": "high price",
    "low": "low price",
    "close": "close price",
    "price": "price",
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
PRICES = ("open", "high", "low", "close", "price")
AMOUNTS = ("quantity", "volume", "quote_volume", "buy_volume", "trades")

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
        # Ends of bars, where there is nothing else.
        "close_time", "closetime", "time_close", "end_time", "endtime", "end", "bar_end",
        "period_end"),
    "open": ("open", "open_price", "o", "opening", "abertura", "apertura", "otwarcie", "ouv",
        "ouverture", "eroffnung", "eroffn", "eroffnungskurs", "openen", "oppen", "acilis",
        "开盘", "开盘价", "開盤", "始値", "시가", "откр", "открытие"),
    "high": ("high", "high_price", "h", "maxima", "maximo", "max", "massimo", "najwyzszy",
        "plus_haut", "haut", "hoch", "tageshoch", "hoog", "hogst", "yuksek", "alto", "高",
        "最高", "最高价", "高値", "고가", "макс", "максимум"),
    "low": ("low", "low_price", "l", "minima", "minimo", "min", "najnizszy", "plus_bas", "bas",
        "tief", "tagestief", "laag", "lagst", "dusuk", "bajo", "低", "最低", "最低价", "安値",
        "저가", "мин", "минимум"),
    "close": ("close", "close_price", "c", "closing", "last", "last_price", "ultimo", "cierre",
        "chiusura", "zamkniecie", "ostatnio", "dernier", "cloture", "schluss", "schlusskurs",
        "zuletzt", "laatst", "slot", "senaste", "simdi", "kapanis", "fechamento", "settle",
        "settlement", "收盘", "收盘价", "收盤", "終値", "종가", "цена", "закрытие", "закр"),
    "price": ("price", "px", "rate", "value", "p", "preis", "kurs", "prix", "precio", "preco",
        "prezzo", "cena", "价格", "成交价", "価格", "가격"),
    "quantity": ("quantity", "qty", "size", "amount", "amt", "q", "sz", "menge", "quantite",
        "cantidad", "quantidade", "ilosc", "数量", "成交数量", "количество"),
    "volume": ("volume_base", "volume", "vol", "v", "wolumen", "wol", "volumen", "tickvol",
        "tick_volume", "base_volume", "volumefrom", "hac", "hacim", "umsatz", "交易量", "成交量",
        "出来高", "거래량", "объем"),
    "quote_volume": ("notional_quote", "quote_volume", "quote_asset_volume", "volumeto",
        "quote_qty", "quoteqty", "turnover", "成交额"),
    "buy_volume": ("buy_volume_base", "taker_buy_base_asset_volume", "taker_buy_base_volume",
        "taker_buy_volume", "taker_buy_base"),
    "trades": ("trades_count", "trades", "number_of_trades", "num_trades", "count", "tradecount",
        "trade_count"),
    "symbol": ("instrument", "symbol", "ticker", "pair", "market", "product_id", "product",
        "coin", "asset", "code", "代码", "股票代码"),
    "side": ("side", "direction", "taker_side"),
    "buyer_maker": ("is_buyer_maker", "isbuyermaker", "buyer_maker", "m"),
    "id": ("trade_id", "agg_trade_id", "aggtradeid", "id", "tid", "tradeid"),
    "received": ("received_us",),
    "last_trade": ("last_trade_us",),
    "y_instrument": ("y_instrument",),
    "x_instrument": ("x_instrument",),
}  # fmt: skip

# Known names that are no prices: never taken for a symbol of their own in a wide table.
_OTHER = re.compile(
    r"adj.*|first.*id|last.*id|is_best_match|best_match|ignore|.*change.*|var|chg.*|zmiana|"
    r"vwap|taker_buy.*|plot|age_us_.*|index|row|no|spread|<?vol>?|openint|dividends?|stock_splits?|year|"
    r"month|quarter|week|weekday|hour|minute|currency|exchange|marketcap|market_cap|sno|rank|name|"
    r"alpha.*|beta.*|usable|hedged.*|mean.*|deviation.*|z|signal.*|position.*|event|equity.*|"
    r"cash.*|.*quantity_[yx]|filled"
)
_PARTS = "open|high|low|close|price|last|volume|vol"
_WIDE = re.compile(rf"(?P<symbol>.+?)[_ .:/-]+(?P<part>{_PARTS})", re.IGNORECASE)
_WIDE_FRONT = re.compile(rf"(?P<part>{_PARTS})[_ .:/-]+(?P<symbol>.+)", re.IGNORECASE)
_PART_ROLE = {"price": "close", "last": "close", "vol": "volume"}

_NUMBER = re.compile(r"[-+]?(\d[\d.,\s']*|\.\d+)(e[-+]?\d+)?\s?[kmb%]?", re.IGNORECASE | re.ASCII)
_BOOLEAN = {"true", "false", "0", "1"}


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
    return re.sub(r"[\s_.\-/<>\"'%#]+", "_", kept.lower()).strip("_")


_ROLE_OF = {plain(name): role for role, names in ALIASES.items() for name in names}
_RANK = {plain(name): rank for names in ALIASES.values() for rank, name in enumerate(names)}


def is_known_name(name: str) -> bool:
    """Tell whether a cell is a column name known here."""
    return plain(name) in _ROLE_OF


def is_number(text: str) -> bool:
    """Tell whether a cell looks like a number, in any country's notation."""
    return bool(_NUMBER.fullmatch(text.strip()))


def is_header(fields: Sequence[str]) -> bool:
    """Tell names from data: a known name, or no number among them."""
    if any(plain(field) in _ROLE_OF and not is_number(field) for field in fields):
        return True
    return not any(is_number(field) or field.lower() in _BOOLEAN for field in fields if field)


def by_name(header: Sequence[str], sample: Rows) -> list[Column]:
    """Take each column for what its name says."""
    columns = [Column(i, name, _role(plain(name)), "") for i, name in enumerate(header)]
    if any(plain(name) == "price_y" for name in header):
        return _own_analysis(columns)
    columns = _two_volumes(columns, sample)
    roles = {column.role for column in columns}
    wide = [_wide(column) if not column.role else column for column in columns]
    if not roles & {"close", "price"} and any(column.symbol for column in wide):
        columns = wide
    elif not roles & {"close", "price", "open", "high", "low"}:
        columns = [_as_symbol(column, sample) for column in columns]
    return _first_of_each(_date_and_clock(columns, sample))


def _role(name: str) -> str:
    if name in _ROLE_OF:
        return _ROLE_OF[name]
    return "volume" if re.fullmatch(r"vol(ume)?_[a-z0-9]{2,10}", name) else ""


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


def _as_symbol(column: Column, sample: Rows) -> Column:
    """Take an unknown column of numbers for the price of the symbol it is named after."""
    cells = [row[column.index] for row in sample if row[column.index]]
    numbers = sum(is_number(cell) for cell in cells)
    if column.role or not column.name or _OTHER.fullmatch(plain(column.name)):
        return column
    if not cells or numbers < 0.5 * len(cells):
        return column
    return replace(column, role="close", symbol=column.name)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return float("nan")


def _two_volumes(columns: list[Column], sample: Rows) -> list[Column]:
    """Where two volumes are given, the one that is the other times the price is the quote's."""
    volumes = [column for column in columns if column.role == "volume"]
    close = next((column for column in columns if column.role in ("close", "price")), None)
    if len(volumes) != 2 or close is None:
        return columns
    for base, quote in (volumes, volumes[::-1]):
        ratios = [
            _number(row[quote.index]) / (_number(row[base.index]) * _number(row[close.index]))
            for row in sample
            if _number(row[base.index]) * _number(row[close.index]) > 0
        ]
        if ratios and sum(0.8 < ratio < 1.25 for ratio in ratios) > 0.5 * len(ratios):
            return [
                replace(column, role="quote_volume") if column is quote else column
                for column in columns
            ]
    return columns


_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_BARE_CLOCK = re.compile(r"([01]\d|2[0-3])[0-5]\d([0-5]\d)?")
_BARE_DATE = re.compile(r"(19|20)\d{6}")


def _date_and_clock(columns: list[Column], sample: Rows) -> list[Column]:
    """Find a date and a time of day in two columns."""
    times = [column for column in columns if column.role == "time"]

    def all_are(pattern: re.Pattern[str], column: Column) -> bool:
        return bool(sample) and all(pattern.fullmatch(row[column.index]) for row in sample)

    clock = next((column for column in times if all_are(_CLOCK, column)), None)
    if clock is None and any(all_are(_BARE_DATE, column) for column in times):
        clock = next((column for column in times if all_are(_BARE_CLOCK, column)), None)
    if clock is None or len(times) < 2:
        return columns
    return [replace(column, role="clock") if column is clock else column for column in columns]


def _first_of_each(columns: list[Column]) -> list[Column]:
    """Keep one column per role and symbol, the best named; a lone price is the close."""
    best: dict[tuple[str, str], Column] = {}
    for column in sorted(columns, key=lambda c: (_RANK.get(plain(c.name), 99), c.index)):
        if column.role:
            best.setdefault((column.role, column.symbol), column)
    kept = {column.index for column in best.values()}
    columns = [c if c.index in kept else replace(c, role="", symbol="") for c in columns]
    roles = {column.role for column in columns}
    if "price" in roles and "close" not in roles and not is_trades(columns):
        return [replace(c, role="close") if c.role == "price" else c for c in columns]
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


def corrected(columns: Sequence[Column], told: Sequence[tuple[int, str]]) -> list[Column]:
    """Give columns the roles they are told to have; who had such a role before loses it."""
    roles = {index: role for index, role in told if 0 <= index < len(columns)}
    taken = {role for role in roles.values() if role}
    kept = [
        replace(column, role="", symbol="")
        if column.role in taken and not column.symbol
        else column
        for column in columns
    ]
    return [
        replace(column, role=roles[column.index], symbol="") if column.index in roles else column
        for column in kept
    ]


# Files without names ----------------------------------------------------------------------


def _epoch(text: str) -> bool:
    value = _number(text)
    return any(1e8 * unit <= value < 5e9 * unit for unit in (1, 1e3, 1e6, 1e9))


def _boolean(text: str) -> bool:
    return text.lower() in _BOOLEAN


def _timely(text: str) -> bool:
    return _epoch(text) or bool(re.match(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}", text))


def _ohlc(cells: Sequence[str]) -> bool:
    open_, high, low, close = (_number(cell) for cell in cells)
    return low <= min(open_, close) <= max(open_, close) <= high


@dataclass(frozen=True, slots=True)
class Layout:
    """A vendor's columns without names; `fits` is asked about every sample row of `width` cells."""

    name: str
    roles: tuple[str, ...]
    fits: Callable[[Sequence[str]], bool]


_BARS = ("time", "open", "high", "low", "close", "volume")
LAYOUTS = (
    Layout(
        "Binance klines",
        (*_BARS, "", "quote_volume", "trades", "buy_volume", "", ""),
        lambda row: _epoch(row[0]) and _epoch(row[6]) and _ohlc(row[1:5]),
    ),
    Layout(
        "Binance spot aggTrades",
        ("id", "price", "quantity", "", "", "time", "buyer_maker", ""),
        lambda row: _epoch(row[5]) and _boolean(row[6]) and _boolean(row[7]),
    ),
    Layout(
        "Binance futures aggTrades",
        ("id", "price", "quantity", "", "", "time", "buyer_maker"),
        lambda row: _epoch(row[5]) and _boolean(row[6]),
    ),
    Layout(
        "Binance spot trades",
        ("id", "price", "quantity", "", "time", "buyer_maker", ""),
        lambda row: _epoch(row[4]) and _boolean(row[5]) and _boolean(row[6]),
    ),
    Layout(
        "Binance futures trades",
        ("id", "price", "quantity", "", "time", "buyer_maker"),
        lambda row: _epoch(row[4]) and _boolean(row[5]),
    ),
    Layout("Kraken OHLCVT", (*_BARS, "trades"), lambda row: _epoch(row[0]) and _ohlc(row[1:5])),
    Layout(
        "MetaTrader bars",
        ("time", "clock", "open", "high", "low", "close", "volume"),
        lambda row: _timely(row[0]) and bool(_CLOCK.fullmatch(row[1])) and _ohlc(row[2:6]),
    ),
    Layout("bars", _BARS, lambda row: _timely(row[0]) and _ohlc(row[1:5])),
    Layout("bars", _BARS[:5], lambda row: _timely(row[0]) and _ohlc(row[1:5])),
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
