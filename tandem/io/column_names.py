"""What columns are called: the names of roles in many languages, and those of vendors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

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
OTHER_NAMES = re.compile(
    r"adj.*|first.*id|last.*id|is_best_match|best_match|ignore|.*change.*|var|chg.*|zmiana|"
    r"vwap|rtype|publisher_id|instrument_id|tickdirection|taker_buy.*|plot|age_us_.*|index|row|no|spread|<?vol>?|openint|dividends?|stock_splits?|year|"
    r"month|quarter|week|weekday|hour|minute|currency|exchange|marketcap|market_cap|split.*|sno|rank|name|"
    r"alpha.*|beta.*|usable|hedged.*|mean.*|deviation.*|z|signal.*|position.*|event|equity.*|"
    r"cash.*|.*quantity_[yx]|filled|"
    # What is beside the price of a quote.
    r"(best_)?(bid|ask|offer|buy|sell)_?"
    r"(sz|size|qty|quantity|vol|volume|amount|count|ct|depth|orders|exchange|time)(_\d+)?"
)

# Letters that are no plain letter with a mark.
_LETTERS = str.maketrans("łŁıøØ", "lLioO")


def plain(name: str) -> str:
    """Return a name without case, accents, units in brackets and separators."""
    name = re.sub(r"\(.*?\)|\[.*?\]", "", name)
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    kept = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\s_.\-/<>\"'%#*†‡]+", "_", kept.lower()).strip("_")


ROLES_BY_NAME = {plain(name): role for role, names in ALIASES.items() for name in names}
RANKS = {plain(name): rank for names in ALIASES.values() for rank, name in enumerate(names)}


def is_ticker(name: str) -> bool:
    """Return whether a name could be a ticker: short, and in capitals."""
    return name.isascii() and len(name) <= _TICKER and (name.isupper() or len(name) < 3)


_TICKER = 5


def role_of(name: str) -> str:
    """Return the role that a name tells, by itself or with a word added; empty where none."""
    if name in ROLES_BY_NAME:
        return ROLES_BY_NAME[name]
    return "volume" if re.fullmatch(r"vol(ume)?_[a-z0-9]{2,10}", name) else ""


def role_named(name: str) -> str:
    """Return the role a name says; of a name in two languages, its first half's."""
    first = name.split("/")[0] if "/" in name else ""
    return role_of(plain(name)) or ROLES_BY_NAME.get(plain(first), "")


# Names, as `plain` leaves them, of an hour of the day beside a date.
HOUR_NAMES = (
    *("hour", "hours", "hr", "he", "hour_ending", "hour_end", "hour_beginning", "hour_starting"),
    *("stunde", "heure", "hora", "ora", "uur", "hhmm", "hhmmss", "time_of_day", "clock"),
)

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
    roles = {role_of(name) for name in names}
    is_change_last = bool(header) and bool(_INVESTING.fullmatch(header[-1]))
    if not found and is_change_last and {"time", "open", "high", "low"} <= roles:
        return "Investing.com"
    return found
