"""Coinbase's messages and answers, as documented."""

from __future__ import annotations

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

MATCH = {
    "type": "match",
    "trade_id": 82007,
    "maker_order_id": "9d2861bd-1703-47f2-a7f4-7723565a7f5c",
    "taker_order_id": "dd068ce5-f175-4396-bae1-a1db56d209f5",
    "side": "buy",
    "size": "1008.2",
    "price": "0.5752",
    "product_id": "SKL-GBP",
    "sequence": 27883326,
    "time": "2021-04-17T16:43:29.571587Z",
}
TICKER = {
    "type": "ticker",
    "sequence": 37475248783,
    "product_id": "ETH-USD",
    "price": "1285.22",
    "best_bid": "1285.04",
    "best_bid_size": "0.46688654",
    "best_ask": "1285.27",
    "best_ask_size": "1.56637040",
    "side": "buy",
    "time": "2022-10-19T23:28:22.061769Z",
    "trade_id": 370843401,
    "last_size": "11.4396987",
}

# By REST.

NAME = "coinbase:BTC-USD"
TRADE = {
    "trade_id": 86326522,
    "side": "sell",
    "size": "0.00698254",
    "price": "268.262",
    "time": "2020-03-20T00:22:57.833897Z",
}
CANDLE = [1396224000, 0.32, 4.2, 0.35, 4.2, 12.3]
PRODUCT = {
    "id": "BTC-USD",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "quote_increment": "0.01",
    "base_increment": "0.00000001",
    "display_name": "BTC-USD",
    "min_market_funds": "1",
    "margin_enabled": False,
    "post_only": False,
    "limit_only": False,
    "cancel_only": False,
    "status": "online",
    "status_message": "",
    "trading_disabled": False,
    "fx_stablecoin": False,
    "max_slippage_percentage": "0.02000000",
    "auction_mode": False,
}


STREAM = Stream(
    trade=MATCH,
    message=lambda match: match,
    # The side on the wire is the maker's.
    means=Trade("coinbase:SKL-GBP", 82007, 1618677809571587, 0.5752, 1008.2, -1, RECEIVED_US),
    other_side={"side": "sell"},
    wrong=(
        *({"price": bad} for bad in ("nan", "-1", 1.5, "0")),
        *({"size": bad} for bad in ("0", "inf")),
        *({"trade_id": bad} for bad in ("82007", -3)),
        *({"side": bad} for bad in ("hold", ["buy"])),
        *({"product_id": bad} for bad in (None, ["SKL"])),
        *({"time": bad} for bad in ("yesterday", "2199-01-01T00:00:00Z", 5)),
        *({"time": bad} for bad in ("2021-04-17T16:43:29.571587", "0001-01-01T00:00:00Z")),
        *({"time": bad} for bad in ("9999-12-31T23:59:59Z", "2021-13-01Z", "Z")),
        *({"type": bad} for bad in ("l2update", None)),
    ),
    needed=("trade_id", "side", "size", "price", "product_id", "time"),
    others=[
        TICKER,
        {"type": "error", "message": "Failed to subscribe", "reason": "FOO-USD is not one"},
    ],
    unasked=({}, {"type": "l2update", "changes": []}),
    names={
        **{"btc": "BTC-USD", "BTC/USD": "BTC-USD", "BTCUSDT": "BTC-USD", "btc/usdt": "BTC-USD"},
        **{"BTC-USDT": "BTC-USDT", "ETH-BTC": "ETH-BTC", "coinbase:ETH-USD": "ETH-USD"},
    },
)
REST = Rest(
    instrument=NAME,
    trades=[TRADE, TRADE | {"trade_id": 2}],
    # The side is the maker's here as well.
    past=[
        Trade(NAME, number, 1584663777833897, 268.262, 0.00698254, 1, RECEIVED_US)
        for number in (2, 86326522)
    ],
    candles=[CANDLE],
    candle=(1396224000000000, 0.35, 4.2, 0.32, 4.2),
    listing=[PRODUCT],
    listed=[Listing("BTC-USD", "BTC", "USD", "spot", 0.01, 1e-8, 1.0)],
    listing_with=lambda changes: [PRODUCT, PRODUCT | {"id": "ETH-USD"} | changes],
    changes=[
        ({}, 2),
        ({"status": "delisted"}, 1),
        ({"trading_disabled": True}, 1),
        ({"id": "a b"}, 1),
        ({"base_increment": 1}, 1),
    ],
    streamed=TRADE | {"type": "match", "product_id": "BTC-USD"},
)
