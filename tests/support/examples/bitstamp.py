"""Bitstamp's messages and answers, as known from real ones."""

from __future__ import annotations

from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

DATA = {
    **{"id": 216000477, "timestamp": "1641343699", "amount": 0.0792, "amount_str": "0.07920000"},
    **{"price": 3805.44, "price_str": "3805.44", "type": 0},
    **{"microtimestamp": "1641343699596000", "buy_order_id": 1443875737346049},
}
TRADE: dict[str, Any] = {"data": DATA, "channel": "live_trades_ethusd", "event": "trade"}
ERROR: dict[str, Any] = {
    **{"event": "bts:error", "channel": ""},
    "data": {"code": None, "message": "Incorrect JSON format."},
}

# By REST.

NAME = "bitstamp:BTCUSD"
TRADES = [
    {
        "date": "1551814435",
        "tid": "83581898",
        "price": "0.03532850",
        "type": "1",
        "amount": "0.85945907",
    },
    {
        "date": "1551814434",
        "tid": "83581896",
        "price": "0.03532851",
        "type": "0",
        "amount": "11.34130961",
    },
]
OHLC = {
    "data": {
        "pair": "BTC/USD",
        "ohlc": [
            {
                "high": "9064.77",
                "timestamp": "1593961440",
                "volume": "18.49436608",
                "low": "9040.87",
                "close": "9064.77",
                "open": "9040.87",
            }
        ],
    }
}
MARKET = {
    "name": "BTC/USD",
    "market_symbol": "btcusd",
    "base_currency": "BTC",
    "base_decimals": 8,
    "counter_currency": "USD",
    "counter_decimals": 0,
    "minimum_order_value": "10",
    "trading": "Enabled",
    "instant_order_counter_decimals": 2,
    "instant_and_market_orders": "Enabled",
    "description": "Bitcoin / U.S. dollar",
    "market_type": "SPOT",
}


STREAM = Stream(
    trade=DATA,
    message=lambda data: TRADE | {"data": data},
    means=Trade("bitstamp:ETHUSD", 216000477, 1641343699596000, 3805.44, 0.0792, 1, RECEIVED_US),
    other_side={"type": 1},
    wrong=(
        *({"price_str": bad} for bad in (3805.44, "0", "-1", "nan", None)),
        *({"amount_str": bad} for bad in (1, "0", "inf", ["1"])),
        *({"id": bad} for bad in ("216000477", -1, 1.5, True, 2**63)),
        *({"type": bad} for bad in (2, "0", True, None, [0])),
        *({"microtimestamp": bad} for bad in (1641343699596000, "0", "1641343699", "9" * 16)),
    ),
    needed=("id", "price_str", "amount_str", "type", "microtimestamp"),
    others=[ERROR],
    unasked=tuple(
        TRADE | {"channel": channel}
        for channel in ("", "live_trades_", "live_orders_ethusd", 7, "live_trades_<b>")
    ),
    names={
        **{"btc": "BTCUSD", "BTC/USD": "BTCUSD", "btc/usdt": "BTCUSDT", "eth-btc": "ETHBTC"},
        "bitstamp:BTCUSD": "BTCUSD",
    },
)
REST = Rest(
    instrument=NAME,
    trades=TRADES,
    past=[
        Trade(NAME, 83581896, 1551814434000000, 0.03532851, 11.34130961, 1, RECEIVED_US),
        Trade(NAME, 83581898, 1551814435000000, 0.0353285, 0.85945907, -1, RECEIVED_US),
    ],
    candles=OHLC,
    candle=(1593961440000000, 9040.87, 9064.77, 9040.87, 9064.77),
    listing=[MARKET],
    listed=[Listing("BTCUSD", "BTC", "USD", "spot", 1.0, 1e-8, 10.0)],
    listing_with=lambda changes: [MARKET, MARKET | {"market_symbol": "ethusd"} | changes],
    changes=[
        ({}, 2),
        ({"trading": "Disabled"}, 1),
        ({"market_type": "PERPETUAL"}, 1),
        ({"base_decimals": "8"}, 1),
    ],
)
