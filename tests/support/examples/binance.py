"""Binance's messages and answers, as documented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

AGGREGATE_TRADE = {
    "e": "aggTrade",
    "E": 1626992742291,
    "a": 14888302,
    "s": "AKROUSDT",
    "p": "0.01731",
    "q": "312",
    "nq": "312",
    "f": 27931348,
    "l": 27931348,
    "T": 1626992742134,
    "m": True,
    "st": 1,
}

# By REST.

NAME = "binance-usdm:BTCUSDT"
TRADE = {
    "a": 26129,
    "p": "0.01633102",
    "q": "4.70443515",
    "f": 27781,
    "l": 27781,
    "T": 1498793709153,
    "m": True,
    "M": True,
}
CANDLE: list[Any] = [
    *(1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100"),
    *("148976.11427815", 1499644799999, "2434.19055334", 308, "1756.87402397"),
    *("28.46694368", "17928899.62484339"),
]
FUTURES: dict[str, Any] = {
    "timezone": "UTC",
    "serverTime": 1565613908500,
    "rateLimits": [
        {"interval": "MINUTE", "intervalNum": 1, "limit": 2400, "rateLimitType": "REQUEST_WEIGHT"}
    ],
    "symbols": [
        {
            "symbol": "BLZUSDT",
            "pair": "BLZUSDT",
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1598252400000,
            "status": "TRADING",
            "baseAsset": "BLZ",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "maxPrice": "300",
                    "minPrice": "0.0001",
                    "tickSize": "0.0001",
                },
                {
                    "filterType": "LOT_SIZE",
                    "maxQty": "10000000",
                    "minQty": "1",
                    "stepSize": "1",
                },
                {"filterType": "MIN_NOTIONAL", "notional": "5.0"},
            ],
        }
    ],
}
SPOT: dict[str, Any] = {
    "symbols": [
        {
            "symbol": "ETHBTC",
            "status": "TRADING",
            "baseAsset": "ETH",
            "quoteAsset": "BTC",
            "isSpotTradingAllowed": True,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.00001000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00010000"},
                {"filterType": "NOTIONAL", "minNotional": "0.00010000"},
            ],
        }
    ]
}


QUOTE = {
    **{"e": "bookTicker", "u": 600859600576, "s": "SUSHIUSDT", "b": "7.6110", "B": "2"},
    **{"a": "7.6120", "A": "297", "T": 1626992741012, "E": 1626992741017},
}
MARK = {
    **{"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15000000"},
    **{"i": "11784.62659091", "P": "11784.25641265", "r": "0.00038167", "T": 1562306400000},
}


def frame(data: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a combined stream."""
    return {"stream": "akrousdt@aggTrade", "data": data}


def spot_symbols(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a listing of the documented symbol and of one like it."""
    good = SPOT["symbols"][0]
    return {"symbols": [good, good | {"symbol": "LTCBTC"} | changes]}


_TRADE = Trade("binance-usdm:AKROUSDT", 14888302, 1626992742134000, 0.01731, 312.0, -1, RECEIVED_US)
STREAM = Stream(
    trade=AGGREGATE_TRADE,
    message=frame,
    means=_TRADE,
    other_side={"m": False},
    wrong=(
        *({"p": bad} for bad in ("nan", "inf", "-1", "0", "1e300", "abc", 61800.3, None)),
        *({"q": bad} for bad in ("0", ["1"])),
        *({"a": bad} for bad in (-1, "14888302", 2**63, True, 1.5)),
        *({"T": bad} for bad in (0, 1626992742, 1626992742134000, "1626992742134")),
        *({"T": bad} for bad in (4_200_000_000_000,)),
        *({"m": bad} for bad in (1, None)),
        *({"s": bad} for bad in ("", 7, ["BTCUSDT"], "<script>", "X" * 1000)),
        *({"e": bad} for bad in ("depthUpdate", ["aggTrade"])),
    ),
    needed=("s", "p", "q", "a", "T", "m"),
    others=[
        *(frame(AGGREGATE_TRADE | {"e": "trade", "t": 1}), AGGREGATE_TRADE, frame(QUOTE)),
        *(frame(MARK), {"e": "serverShutdown", "E": 1770123456789}, {"result": None, "id": 1}),
        *({"error": {"code": 2, "msg": "Invalid request"}, "id": 3}, {"code": 2, "msg": "No"}),
    ],
    unasked=({}, {"data": []}, frame({"e": "depthUpdate"})),
    names={
        **{"btc": "BTCUSDT", "BTC/USDT": "BTCUSDT", "btc-usd": "BTCUSDT", "btcusdt": "BTCUSDT"},
        **{"binance-usdm:BTCUSDT": "BTCUSDT", "btcusdc": "BTCUSDC", "eth/btc": "ETHBTC"},
        **{"wbtc": "WBTCUSDT", "usdc": "USDCUSDT", "shib": "1000SHIBUSDT"},
        "BTCUSDT_261225": "BTCUSDT_261225",
    },
)
_SPOT_OTHERS = [message for message in STREAM.others if message != frame(MARK)]
SPOT_STREAM = replace(
    STREAM,
    others=_SPOT_OTHERS,
    means=_TRADE._replace(instrument="binance-spot:AKROUSDT"),
    names={"btc": "BTCUSDT", "BTC/USDT": "BTCUSDT", "eth/btc": "ETHBTC"},
)
US_STREAM = replace(
    STREAM,
    others=_SPOT_OTHERS,
    means=_TRADE._replace(instrument="binance-us:AKROUSDT"),
    names={"btc": "BTCUSDT", "BTC/USD": "BTCUSD", "btcusd": "BTCUSD", "eth/btc": "ETHBTC"},
)
REST = Rest(
    instrument=NAME,
    trades=[TRADE],
    past=[Trade(NAME, 26129, 1498793709153000, 0.01633102, 4.70443515, -1, RECEIVED_US)],
    candles=[CANDLE],
    candle=(1499040000000000, 0.0163479, 0.8, 0.015758, 0.015771),
    listing=FUTURES,
    listed=[Listing("BLZUSDT", "BLZ", "USDT", "perpetual", 0.0001, 1.0, 5.0)],
    listing_with=lambda changes: {
        "symbols": [FUTURES["symbols"][0], FUTURES["symbols"][0] | {"symbol": "ETHUSDT"} | changes]
    },
    changes=[
        ({}, 2),
        ({"status": "SETTLING"}, 1),
        ({"contractType": "PERPETUAL_DELIVERING"}, 1),
        ({"symbol": "ETH USDT"}, 1),
        ({"symbol": "BLZUSDT"}, 1),
        ({"filters": []}, 1),
        ({"baseAsset": 7}, 1),
    ],
    streamed={"stream": "btcusdt@aggTrade", "data": TRADE | {"e": "aggTrade", "s": "BTCUSDT"}},
)


def _of_spot(venue: str) -> Rest:
    name = f"{venue}:BTCUSDT"
    return replace(
        REST,
        instrument=name,
        past=[trade._replace(instrument=name) for trade in REST.past],
        listing=SPOT,
        listed=[Listing("ETHBTC", "ETH", "BTC", "spot", 0.00001, 0.0001, 0.0001)],
        listing_with=spot_symbols,
        changes=[({}, 2), ({"status": "BREAK"}, 1)],
    )


SPOT_REST, US_REST = _of_spot("binance-spot"), _of_spot("binance-us")
