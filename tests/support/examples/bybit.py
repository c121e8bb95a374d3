"""Bybit's messages and answers, as documented."""

from __future__ import annotations

from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

TRADE = {
    **{"T": 1672304486865, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50"},
    **{"L": "PlusTick", "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False},
}
PUSH: dict[str, Any] = {
    **{"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1672304486868},
    "data": [TRADE],
}
BOOK: dict[str, Any] = {
    **{"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": 1672304484978},
    "data": {
        **{"s": "BTCUSDT", "b": [["16493.50", "0.006"]], "a": [["16611.00", "0.029"]]},
        **{"u": 18521288, "seq": 7961638724},
    },
    "cts": 1672304484976,
}
REFUSAL: dict[str, Any] = {
    **{"success": False, "conn_id": "d266e4e6", "op": "subscribe"},
    "ret_msg": "error:handler not found,topic:publicTrade.FOOUSDT",
}

# By REST.

NAME = "bybit:BTCUSDT"
PAST_TRADE = {
    "execId": "5706445b-8543-59bc-8988-93e0f4a3f0f9",
    "symbol": "BTCUSDT",
    "price": "16814.50",
    "size": "0.001",
    "side": "Buy",
    "time": "1671970297430",
    "isBlockTrade": False,
}
TRADES = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": [PAST_TRADE]}}
KLINES = {
    "retCode": 0,
    "retMsg": "OK",
    "result": {
        "symbol": "BTCUSDT",
        "category": "linear",
        "list": [["1670608800000", "17071", "17073", "17027", "17055.5", "268.611", "4584216.2"]],
    },
}
CONTRACT = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
    "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001", "minNotionalValue": "5"},
    "settleCoin": "USDT",
}
CONTRACTS = {
    "retCode": 0,
    "retMsg": "OK",
    "result": {"category": "linear", "list": [CONTRACT], "nextPageCursor": ""},
}


STREAM = Stream(
    trade=TRADE,
    message=lambda trade: PUSH | {"data": [trade]},
    # The time is the trade's own, and the id is text.
    means=Trade(
        *("bybit:BTCUSDT", "20f43950-d8dd-5b31-9112-a178eb6023af", 1672304486865000),
        *(16578.5, 0.001, 1, RECEIVED_US),
    ),
    other_side={"S": "Sell"},
    wrong=(
        *({"p": bad} for bad in (16578.5, "0", "-1", "nan", None)),
        *({"v": bad} for bad in (1, "0", "inf", ["1"])),
        *({"i": bad} for bad in (7, "", "x" * 65, "<script>", None)),
        *({"S": bad} for bad in ("buy", "", ["Buy"], None)),
        *({"s": bad} for bad in ("", 7, "<b>", None)),
        *({"T": bad} for bad in ("1672304486865", 0, 1672304486, 4200000000000, 1.5)),
    ),
    needed=("s", "S", "p", "v", "i", "T"),
    others=[BOOK, REFUSAL],
    unasked=({}, PUSH | {"topic": "tickers.BTCUSDT"}, PUSH | {"topic": 7}, {"op": "auth"}),
    names={
        **{"btc": "BTCUSDT", "BTC/USDT": "BTCUSDT", "btc-usd": "BTCUSDT", "btc/usdc": "BTCPERP"},
        **{"BTCPERP": "BTCPERP", "perp": "PERPUSDT", "shib": "SHIB1000USDT"},
        **{"pepe": "1000PEPEUSDT", "1000PEPEUSDT": "1000PEPEUSDT"},
        **{"BTCUSDT-25DEC26": "BTCUSDT-25DEC26", "bybit:BTCUSDT": "BTCUSDT"},
    },
)
REST = Rest(
    instrument=NAME,
    trades=TRADES,
    past=[Trade(NAME, str(PAST_TRADE["execId"]), 1671970297430000, 16814.5, 0.001, 1, RECEIVED_US)],
    candles=KLINES,
    candle=(1670608800000000, 17071.0, 17073.0, 17027.0, 17055.5),
    listing=CONTRACTS,
    listed=[Listing("BTCUSDT", "BTC", "USDT", "perpetual", 0.1, 0.001, 5.0)],
    listing_with=lambda changes: {
        "retCode": 0,
        "result": {
            "list": [CONTRACT, CONTRACT | {"symbol": "ETHUSDT"} | changes],
            "nextPageCursor": "",
        },
    },
    changes=[
        ({}, 2),
        ({"contractType": "LinearFutures"}, 2),
        ({"status": "PreLaunch"}, 1),
        ({"contractType": "InversePerpetual"}, 1),
        ({"lotSizeFilter": None}, 1),
    ],
    streamed={
        **{"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1671970297431},
        "data": [
            {
                **{"T": 1671970297430, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16814.50"},
                "i": "5706445b-8543-59bc-8988-93e0f4a3f0f9",
            }
        ],
    },
)
