"""Bitstamp, websocket v2: trades without a key, served in the United States.

Real messages::

    {"data":{"id":216000477,"timestamp":"1641343699","amount":0.0792,"amount_str":"0.07920000",
     "price":3805.44,"price_str":"3805.44","type":0,"microtimestamp":"1641343699596000",
     "buy_order_id":1443875737346049,"sell_order_id":1443875731320832},
     "channel":"live_trades_ethusd","event":"trade"}
    {"event":"bts:subscription_succeeded","channel":"live_trades_ethusd","data":{}}

and documented ones::

    {"event":"bts:heartbeat","channel":"","data":{"status":"success"}}
    {"event":"bts:request_reconnect","channel":"","data":""}
    {"event":"bts:error","channel":"","data":{"code":null,"message":"Incorrect JSON format."}}

Trade ids are numbers that rise over all pairs together, so a jump is no gap. Side: ``type`` is the
taker's, 0 bought, 1 sold. Liveness: a ``bts:heartbeat`` every 20 seconds is answered, pair or no
pair. Limits: a connection lives for 90 days at most; before maintenance the server asks for a new
one. A channel is subscribed by a frame of its own (the recorded session sent twenty within a
millisecond and had them all), so twenty pairs at most. Quotes: none; the book comes only by the
hundred levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import orjson

from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Event, Notice, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import Keepalive, Names, Route, plain_text, read_symbol
from tandem.venues.fields import json_object, moment, positive, trade_number, whole

_CHANNEL = "live_trades_"
_TAKER = {0: BUY, 1: SELL}
_KEEPALIVE = Keepalive('{"event":"bts:heartbeat"}', 20.0)
_RENEW_S = 89 * 86_400.0
_ACKNOWLEDGED = ("bts:subscription_succeeded", "bts:unsubscription_succeeded")


class Bitstamp:
    """Bitstamp spot. Symbols are shown in capitals and sent in small letters."""

    generated: ClassVar[Literal[False]] = False
    venue: ClassVar[str] = "bitstamp"
    title: ClassVar[str] = "Bitstamp"
    consecutive_ids: ClassVar[bool] = False
    quotes: ClassVar[bool] = False
    charges_funding: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSD", "ETHUSD", "XRPUSD", "SOLUSD", "LTCUSD", "ADAUSD", "LINKUSD", "DOGEUSD"),
        *("BTCEUR", "ETHEUR", "ETHBTC"),
    )
    max_instruments: ClassVar[int] = 20

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = Names(self.venue)

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in dollars unless it says otherwise."""
        asset, quote = read_symbol(text, self.venue)
        return instrument(self.venue, asset + (quote or "USD"))

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades."""
        wanted = sorted(instruments)
        frames = _frames("bts:subscribe", wanted)
        return Route("trades", self._url, frames, frozenset(wanted), _KEEPALIVE, _RENEW_S)

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return None: there are no quotes here."""
        return None

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove pairs on an open connection, one for each."""
        return (
            *_frames("bts:unsubscribe", sorted(removed)),
            *_frames("bts:subscribe", sorted(added)),
        )

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it is not understood."""
        message = json_object(raw)
        event = message.get("event")
        if event == "trade":
            try:
                return (self._trade(message["channel"], message["data"], received_us),)
            except KeyError as missing:
                raise MessageError(f"a trade without {missing}") from None
            except TypeError:
                raise MessageError("a trade with a field of the wrong type") from None
        if event == "bts:heartbeat":
            return (Notice("alive", ""),)
        if event == "bts:request_reconnect":
            return (Notice("closing", f"{self.title} is about to restart this server."),)
        if event == "bts:error":
            data = message.get("data")
            said = data.get("message", "an error") if type(data) is dict else "an error"
            return (Notice("error", f"{self.title}: {plain_text(said)}"),)
        if event in _ACKNOWLEDGED:
            return ()
        raise MessageError("an event of a kind not asked for")

    def _trade(self, channel: Any, data: dict[str, Any], received_us: int) -> Trade:
        if type(channel) is not str or not channel.startswith(_CHANNEL):
            raise MessageError("a trade of a channel not asked for")
        side = data["type"]
        if type(side) is not int or side not in _TAKER:
            raise MessageError("the side is not 0 or 1")
        return Trade(
            self._names[channel.removeprefix(_CHANNEL)],
            trade_number(data["id"]),
            moment(whole(data["microtimestamp"])),
            positive(data["price_str"]),
            positive(data["amount_str"]),
            _TAKER[side],
            received_us,
        )


def _frames(event: str, names: Sequence[str]) -> tuple[str, ...]:
    symbols = [name.partition(":")[2].lower() for name in names]
    return tuple(
        orjson.dumps({"event": event, "data": {"channel": _CHANNEL + symbol}}).decode()
        for symbol in symbols
    )
