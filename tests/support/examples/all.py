"""The examples of every venue that has some, by its name."""

from __future__ import annotations

from tests.support.examples import binance, bitstamp, bybit, coinbase, kraken, okx
from tests.support.examples.kinds import Rest, Stream

_ONE_EACH = {
    **{"coinbase": coinbase, "kraken": kraken, "okx": okx, "bybit": bybit},
    "bitstamp": bitstamp,
}
STREAMS: dict[str, Stream] = {
    "binance-usdm": binance.STREAM,
    "binance-spot": binance.SPOT_STREAM,
    "binance-us": binance.US_STREAM,
    **{name: module.STREAM for name, module in _ONE_EACH.items()},
}
RESTS: dict[str, Rest] = {
    "binance-usdm": binance.REST,
    "binance-spot": binance.SPOT_REST,
    "binance-us": binance.US_REST,
    **{name: module.REST for name, module in _ONE_EACH.items()},
}
