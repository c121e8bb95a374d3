"""Kraken's messages and answers, as documented."""

from __future__ import annotations

from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

TRADE = {
    "symbol": "MATIC/USD",
    "side": "sell",
    "price": 0.5117,
    "qty": 40.0,
    "ord_type": "market",
    "trade_id": 4665906,
    "timestamp": "2023-09-25T07:49:37.708706Z",
}
UPDATE: dict[str, Any] = {"channel": "trade", "type": "update", "data": [TRADE]}
TICKER: dict[str, Any] = {
    "channel": "ticker",
    "type": "snapshot",
    "data": [
        {
            **{"symbol": "ALGO/USD", "bid": 0.10025, "bid_qty": 740.0, "ask": 0.10036},
            **{"ask_qty": 1361.44813783, "last": 0.10035, "volume": 997038.98383185},
            **{"vwap": 0.10148, "low": 0.09979, "high": 0.10285, "change": -0.00017},
        }
    ],
}
STATUS: dict[str, Any] = {
    "channel": "status",
    "type": "update",
    "data": [{"version": "2.0.4", "system": "online", "api_version": "v2", "connection_id": 1}],
}
REFUSAL: dict[str, Any] = {
    "error": "Currency pair not supported FOO/USD",
    **{"method": "subscribe", "success": False, "symbol": "FOO/USD"},
}

# By REST.

NAME = "kraken:BTC/USD"
ROWS = [
    ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
    ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953],
    ["30243.30000", "0.01235716", 1688669602.698379, "s", "m", "", 61044956],
]
TRADES = {"error": [], "result": {"XXBTZUSD": ROWS, "last": "1688671969993150842"}}
OHLC = {
    "error": [],
    "result": {
        "XXBTZUSD": [
            *([1688671200, "30306.1", "30306.2", "30305.7", "30305.7", "30306.1", "3.39", 23],),
            *([1688671260, "30304.5", "30304.5", "30300.0", "30300.0", "30300.0", "4.42", 18],),
        ],
        "last": 1688672160,
    },
}
PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "ordermin": "0.0001",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
PAIRS = {"error": [], "result": {"XXBTZUSD": PAIR, "XETHZUSD": PAIR | {"wsname": "ETH/USD"}}}


STREAM = Stream(
    trade=TRADE,
    message=lambda trade: UPDATE | {"data": [trade]},
    means=Trade("kraken:MATIC/USD", 4665906, 1695628177708706, 0.5117, 40.0, -1, RECEIVED_US),
    other_side={"side": "buy"},
    wrong=(
        *({"price": bad} for bad in ("0.5", 0, -1, True, None, 1e300)),
        *({"qty": bad} for bad in ("40", 0, [40])),
        *({"trade_id": bad} for bad in ("1", -1, 1.5, 2**63)),
        *({"side": bad} for bad in ("hold", "Sell", ["sell"], None)),
        *({"symbol": bad} for bad in ("", 7, "<b>", None)),
        *({"timestamp": bad} for bad in ("yesterday", 1695628177, "2199-01-01T00:00:00Z")),
    ),
    needed=("symbol", "side", "price", "qty", "trade_id", "timestamp"),
    others=[TICKER, STATUS, REFUSAL],
    unasked=({}, {"channel": "book", "data": []}, {"channel": ["trade"]}),
    names={
        **{"btc": "BTC/USD", "XBT": "BTC/USD", "xdg/eur": "DOGE/EUR", "BTC-USD": "BTC/USD"},
        **{"BTCUSDT": "BTC/USD", "btc/usdt": "BTC/USDT", "eth/xbt": "ETH/BTC"},
        **{"kraken:BTC/USD": "BTC/USD", "kraken:BTC/USDT": "BTC/USDT"},
    },
)
REST = Rest(
    instrument=NAME,
    trades=TRADES,
    past=[
        Trade(NAME, 61044952, 1688669597827737, 30243.4, 0.34507674, 1, RECEIVED_US),
        Trade(NAME, 61044953, 1688669598280411, 30243.3, 0.0037696, -1, RECEIVED_US),
        Trade(NAME, 61044956, 1688669602698379, 30243.3, 0.01235716, -1, RECEIVED_US),
    ],
    candles=OHLC,
    candle=(1688671200000000, 30306.1, 30306.2, 30305.7, 30305.7),
    listing=PAIRS,
    # Under the names of the stream.
    listed=[
        Listing("BTC/USD", "BTC", "USD", "spot", 0.1, 1e-8, 0.5),
        Listing("ETH/USD", "ETH", "USD", "spot", 0.1, 1e-8, 0.5),
    ],
    listing_with=lambda changes: {
        "error": [],
        "result": {"A": PAIR, "B": PAIR | {"wsname": "A/B"} | changes},
    },
    changes=[
        ({}, 2),
        *(({name: value}, 1) for name, value in (("status", "cancel_only"), ("wsname", "XBTUSD"))),
        *(({name: value}, 1) for name, value in (("lot_decimals", 99), ("wsname", None))),
    ],
    streamed=UPDATE
    | {
        "data": [
            {
                **{"symbol": "BTC/USD", "side": "buy", "price": 30243.4, "qty": 0.34507674},
                **{"ord_type": "market", "trade_id": 61044952},
                "timestamp": "2023-07-06T18:53:17.827737Z",
            }
        ]
    },
)
