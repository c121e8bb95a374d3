"""OKX's messages and answers, as documented."""

from __future__ import annotations

from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing
from tests.support.examples.kinds import RECEIVED_US, Rest, Stream

TRADE = {
    **{"instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306"},
    **{"side": "buy", "ts": "1630048897897", "count": "3", "source": "0", "seqId": 1234},
}
PUSH: dict[str, Any] = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [TRADE]}
TOP = {
    "asks": [["105252.6", "0.16271274", "0", "5"]],
    "bids": [["105252.5", "1.1133491", "0", "19"]],
    "ts": "1749044565306",
    "seqId": 55729075884,
}
BOOK: dict[str, Any] = {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [TOP]}
ERROR: dict[str, Any] = {
    **{"event": "error", "code": "60018", "connId": "a4d3ae55"},
    "msg": "Wrong URL or channel:trades,instId:FOO-USDT doesn't exist.",
}

# By REST.

NAME = "okx:BTC-USDT"
# The documented row begins at 1597026383085, which is not the beginning of a minute.
ROW = [
    *("1597026360000", "3.721", "3.743", "3.677", "3.708", "8422410", "22698348.04828491"),
    *("12698348.04828491", "1"),
]
CANDLES = {"code": "0", "msg": "", "data": [ROW]}
PAIR = {
    "instType": "SPOT",
    "instId": "LTC-USDT",
    "baseCcy": "LTC",
    "quoteCcy": "USDT",
    "tickSz": "0.01",
    "lotSz": "0.0001",
    "minSz": "0.1",
    "state": "live",
}
PAIRS = {"code": "0", "msg": "", "data": [PAIR]}


STREAM = Stream(
    trade=TRADE,
    message=lambda trade: PUSH | {"data": [trade]},
    means=Trade("okx:BTC-USDT", 130639474, 1630048897897000, 42219.9, 0.12060306, 1, RECEIVED_US),
    other_side={"side": "sell"},
    wrong=(
        *({"px": bad} for bad in (42219.9, "0", "-1", "nan", None)),
        *({"sz": bad} for bad in (1, "0", "inf", ["1"])),
        *({"tradeId": bad} for bad in (130639474, "-1", "1.5", "", "9" * 20, "a")),
        *({"side": bad} for bad in ("hold", "Buy", ["buy"], None)),
        *({"instId": bad} for bad in ("", 7, "<b>", None)),
        *({"ts": bad} for bad in (1630048897897, "0", "yesterday", "4200000000000")),
    ),
    needed=("instId", "side", "px", "sz", "tradeId", "ts"),
    others=[BOOK, ERROR],
    unasked=({}, PUSH | {"arg": {"channel": "books"}}, PUSH | {"arg": []}, {"event": "login"}),
    names={
        **{"btc": "BTC-USDT", "BTC/USDT": "BTC-USDT", "BTCUSDT": "BTC-USDT", "btcusd": "BTC-USDT"},
        **{"BTC-USD": "BTC-USD", "eth/btc": "ETH-BTC", "okx:BTC-USDT": "BTC-USDT"},
    },
)
REST = Rest(
    instrument=NAME,
    trades=None,
    past=[],
    candles=CANDLES,
    candle=(1597026360000000, 3.721, 3.743, 3.677, 3.708),
    listing=PAIRS,
    listed=[Listing("LTC-USDT", "LTC", "USDT", "spot", 0.01, 0.0001, 0.0)],
    listing_with=lambda changes: PAIRS | {"data": [PAIR, PAIR | {"instId": "ETH-USDT"} | changes]},
    changes=[
        ({}, 2),
        *(({name: value}, 1) for name, value in (("state", "suspend"), ("instType", "SWAP"))),
        *(({name: value}, 1) for name, value in (("tickSz", ""), ("instId", None))),
    ],
)
