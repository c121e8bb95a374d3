"""How each venue speaks, as the stand-in exchange needs it: requests, answers, trades and quotes.

A stream has the name of its venue's channel, made unique where two venues would share one:
``btcusdt@aggTrade`` (Binance), ``BTC-USD`` and ``BTC-USD@ticker`` (Coinbase),
``kraken:BTC/USD``, ``okx:BTC-USDT``, ``bybit:BTCUSDT``, ``bitstamp:btcusd``; quotes of the
last four end in ``@quote``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, unquote

from tandem.core.clock import now_us


class Sent(NamedTuple):
    """A trade the exchange made, whether or not anybody was listening."""

    symbol: str
    trade_id: int
    time_us: int
    price: float
    quantity: float
    side: int


class Asked(NamedTuple):
    """What a frame from the client came to: streams to add and to remove, and the answers."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    answers: tuple[str, ...] = ()


class Market(Protocol):
    """What a dialect may look up: symbols nobody lists, and the trades so far."""

    unlisted: set[str]
    sent: list[Sent]


class Dialect:
    """One venue's protocol. `keepalive` is the text it wants to hear now and then, if any."""

    path = "/"
    keepalive = ""

    def in_address(self, query: str) -> set[str]:
        """Return the streams an address asks for."""
        return set()

    def asked(self, frame: str, market: Market) -> Asked:
        """Understand a frame of the client."""
        raise NotImplementedError

    def trade(self, trade: Sent) -> tuple[str, str]:
        """Return the stream a trade belongs to, and its message."""
        raise NotImplementedError

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        """Return the stream a quote belongs to, and its message; None without quotes."""
        return None

    def beats(self, streams: Iterable[str]) -> list[str]:
        """Return the heartbeats due every second."""
        return []


class Binance(Dialect):
    """Binance's combined streams; a misspelt symbol is acknowledged and stays silent."""

    path = "/stream"

    def in_address(self, query: str) -> set[str]:
        asked = parse_qs(query).get("streams", [""])[0]
        return {unquote(name) for name in asked.split("/") if name}

    def asked(self, frame: str, market: Market) -> Asked:
        message = json.loads(frame)
        streams = frozenset(message.get("params", ()))
        acknowledged = (json.dumps({"result": None, "id": message.get("id")}),)
        if message.get("method") == "SUBSCRIBE":
            return Asked(streams, frozenset(), acknowledged)
        if message.get("method") == "UNSUBSCRIBE":
            return Asked(frozenset(), streams, acknowledged)
        error = {"code": 2, "msg": "Invalid request: unknown method"}
        return Asked(answers=(json.dumps({"error": error, "id": message.get("id")}),))

    def trade(self, trade: Sent) -> tuple[str, str]:
        milliseconds = trade.time_us // 1000
        data = {
            **{"e": "aggTrade", "E": milliseconds + 1, "a": trade.trade_id, "s": trade.symbol},
            **{"p": repr(trade.price), "q": repr(trade.quantity), "nq": repr(trade.quantity)},
            **{"f": trade.trade_id, "l": trade.trade_id, "T": milliseconds},
            **{"m": trade.side < 0, "st": 1},
        }
        return self.wrap(f"{trade.symbol.lower()}@aggTrade", data)

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        now = now_us()
        data = {
            **{"e": "bookTicker", "u": now, "s": symbol, "E": now // 1000, "T": now // 1000},
            **{"b": repr(bid), "B": repr(sizes[0]), "a": repr(ask), "A": repr(sizes[1])},
        }
        return self.wrap(f"{symbol.lower()}@bookTicker", data)

    def funding(self, symbol: str, rate: float, mark_price: float, next_us: int) -> tuple[str, str]:
        """Return the mark price's message (futures only)."""
        data = {
            **{"e": "markPriceUpdate", "E": now_us() // 1000, "s": symbol},
            **{"p": f"{mark_price:.8f}", "i": f"{mark_price:.8f}", "P": f"{mark_price:.8f}"},
            **{"r": f"{rate:.8f}", "T": next_us // 1000},
        }
        return self.wrap(f"{symbol.lower()}@markPrice", data)

    @staticmethod
    def wrap(stream: str, data: dict[str, Any]) -> tuple[str, str]:
        """Return a stream and its combined frame."""
        return stream, json.dumps({"stream": stream, "data": data})


class Coinbase(Dialect):
    """Coinbase Exchange; one unlisted product spoils its whole request."""

    path = "/coinbase"

    def asked(self, frame: str, market: Market) -> Asked:
        message = json.loads(frame)
        products = set(message["product_ids"])
        wrong = sorted(products & market.unlisted)
        if wrong:
            said = {
                **{"type": "error", "message": "Failed to subscribe"},
                "reason": f"{wrong[0]} is not a valid product",
            }
            return Asked(answers=(json.dumps(said),))
        streams = frozenset(
            product if channel == "matches" else f"{product}@{channel}"
            for product in products
            for channel in message["channels"]
        )
        answers = (json.dumps({"type": "subscriptions", "channels": []}),)
        if message["type"] == "subscribe":
            return Asked(streams, frozenset(), answers)
        return Asked(frozenset(), streams, answers)

    def trade(self, trade: Sent) -> tuple[str, str]:
        match = {
            **{"type": "match", "trade_id": trade.trade_id, "product_id": trade.symbol},
            # The maker's side is the other one.
            **{"side": "sell" if trade.side > 0 else "buy", "sequence": trade.trade_id},
            **{"price": repr(trade.price), "size": repr(trade.quantity)},
            "time": iso(trade.time_us),
        }
        return trade.symbol, json.dumps(match)

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        ticker = {
            **{"type": "ticker", "product_id": symbol, "price": repr(bid), "time": iso(now_us())},
            **{"best_bid": repr(bid), "best_bid_size": repr(sizes[0])},
            **{"best_ask": repr(ask), "best_ask_size": repr(sizes[1])},
        }
        return f"{symbol}@ticker", json.dumps(ticker)

    def beats(self, streams: Iterable[str]) -> list[str]:
        products = [name.partition("@")[0] for name in streams if name.endswith("@heartbeat")]
        return [json.dumps({"type": "heartbeat", "product_id": name}) for name in products]


class Kraken(Dialect):
    """Kraken v2: each symbol answered on its own, and a snapshot of the last fifty trades."""

    path = "/v2"

    def asked(self, frame: str, market: Market) -> Asked:
        message = json.loads(frame)
        method, params = message["method"], message["params"]
        kind = "" if params["channel"] == "trade" else "@quote"
        streams, answers = set(), []
        for symbol in params["symbol"]:
            said = {"method": method, "success": symbol not in market.unlisted}
            if symbol in market.unlisted:
                answers.append(said | {"error": f"Currency pair not supported {symbol}"})
                continue
            streams.add(f"kraken:{symbol}{kind}")
            answers.append(said | {"result": {"channel": params["channel"], "symbol": symbol}})
            past = [trade for trade in market.sent if trade.symbol == symbol][-50:]
            if params.get("snapshot") and past and not kind:
                answers.append(self._trades("snapshot", past))
        told = tuple(json.dumps(answer) for answer in answers)
        if method == "subscribe":
            return Asked(frozenset(streams), frozenset(), told)
        return Asked(frozenset(), frozenset(streams), told)

    def trade(self, trade: Sent) -> tuple[str, str]:
        return f"kraken:{trade.symbol}", json.dumps(self._trades("update", [trade]))

    def _trades(self, kind: str, trades: list[Sent]) -> dict[str, Any]:
        data = [
            {
                **{"symbol": trade.symbol, "side": "buy" if trade.side > 0 else "sell"},
                **{"price": trade.price, "qty": trade.quantity, "ord_type": "market"},
                **{"trade_id": trade.trade_id, "timestamp": iso(trade.time_us)},
            }
            for trade in trades
        ]
        return {"channel": "trade", "type": kind, "data": data}

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        data = {
            **{"symbol": symbol, "bid": bid, "bid_qty": sizes[0], "ask": ask, "ask_qty": sizes[1]},
            **{"last": bid, "timestamp": iso(now_us())},
        }
        message = {"channel": "ticker", "type": "update", "data": [data]}
        return f"kraken:{symbol}@quote", json.dumps(message)

    def beats(self, streams: Iterable[str]) -> list[str]:
        return ['{"channel":"heartbeat"}'] if list(streams) else []


class Okx(Dialect):
    """OKX v5."""

    path = "/ws/v5/public"
    keepalive = "ping"

    def asked(self, frame: str, market: Market) -> Asked:
        if frame == "ping":
            return Asked(answers=("pong",))
        message = json.loads(frame)
        streams, answers = set(), []
        for one in message["args"]:
            if one["instId"] in market.unlisted:
                said = f"channel:{one['channel']},instId:{one['instId']} doesn't exist"
                answers.append({"event": "error", "code": "60018", "msg": said})
                continue
            kind = "" if one["channel"] == "trades" else "@quote"
            streams.add(f"okx:{one['instId']}{kind}")
            answers.append({"event": message["op"], "arg": one, "connId": "a4d3ae55"})
        told = tuple(json.dumps(answer) for answer in answers)
        if message["op"] == "subscribe":
            return Asked(frozenset(streams), frozenset(), told)
        return Asked(frozenset(), frozenset(streams), told)

    def trade(self, trade: Sent) -> tuple[str, str]:
        data = {
            **{"instId": trade.symbol, "tradeId": str(trade.trade_id), "px": repr(trade.price)},
            **{"sz": repr(trade.quantity), "side": "buy" if trade.side > 0 else "sell"},
            **{"ts": str(trade.time_us // 1000), "count": "1"},
        }
        return f"okx:{trade.symbol}", self._push("trades", trade.symbol, data)

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        data = {
            "asks": [[repr(ask), repr(sizes[1]), "0", "1"]],
            "bids": [[repr(bid), repr(sizes[0]), "0", "1"]],
            **{"ts": str(now_us() // 1000), "seqId": 1},
        }
        return f"okx:{symbol}@quote", self._push("bbo-tbt", symbol, data)

    @staticmethod
    def _push(channel: str, symbol: str, data: dict[str, Any]) -> str:
        return json.dumps({"arg": {"channel": channel, "instId": symbol}, "data": [data]})


class Bybit(Dialect):
    """Bybit v5 linear; trade ids are UUIDs."""

    path = "/v5/public/linear"
    keepalive = '{"op":"ping"}'

    def asked(self, frame: str, market: Market) -> Asked:
        message = json.loads(frame)
        if message["op"] == "ping":
            return Asked(answers=('{"success":true,"ret_msg":"pong","conn_id":"7","op":"ping"}',))
        topics = message["args"]
        wrong = [topic for topic in topics if topic.rpartition(".")[2] in market.unlisted]
        said = f"error:handler not found,topic:{wrong[0]}" if wrong else ""
        answer = {"success": not wrong, "ret_msg": said, "conn_id": "7", "op": message["op"]}
        streams = frozenset(
            f"bybit:{topic.rpartition('.')[2]}{'' if topic.startswith('public') else '@quote'}"
            for topic in topics
            if not wrong
        )
        told = (json.dumps(answer),)
        if message["op"] == "subscribe":
            return Asked(streams, frozenset(), told)
        return Asked(frozenset(), streams, told)

    def trade(self, trade: Sent) -> tuple[str, str]:
        data = {
            **{"T": trade.time_us // 1000, "s": trade.symbol, "v": repr(trade.quantity)},
            **{"S": "Buy" if trade.side > 0 else "Sell", "p": repr(trade.price)},
            **{"L": "PlusTick", "i": str(uuid.UUID(int=trade.trade_id)), "BT": False},
        }
        topic = f"publicTrade.{trade.symbol}"
        message = {"topic": topic, "type": "snapshot", "ts": now_us() // 1000, "data": [data]}
        return f"bybit:{trade.symbol}", json.dumps(message)

    def quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> Any:
        now = now_us() // 1000
        data = {
            "s": symbol,
            **{"b": [[repr(bid), repr(sizes[0])]], "a": [[repr(ask), repr(sizes[1])]]},
            **{"u": 1, "seq": 1},
        }
        message = {"topic": f"orderbook.1.{symbol}", "type": "snapshot", "ts": now, "cts": now}
        return f"bybit:{symbol}@quote", json.dumps(message | {"data": data})


class Bitstamp(Dialect):
    """Bitstamp; the client's heartbeats are answered."""

    path = "/bitstamp"
    keepalive = '{"event":"bts:heartbeat"}'

    def asked(self, frame: str, market: Market) -> Asked:
        message = json.loads(frame)
        event = message["event"]
        if event == "bts:heartbeat":
            answer = {"event": event, "channel": "", "data": {"status": "success"}}
            return Asked(answers=(json.dumps(answer),))
        channel = message["data"]["channel"]
        symbol = channel.removeprefix("live_trades_")
        if symbol.upper() in market.unlisted:
            data = {"code": None, "message": "Invalid channel provided."}
            return Asked(answers=(json.dumps({"event": "bts:error", "channel": "", "data": data}),))
        done = event.replace("subscribe", "subscription_succeeded")
        told = (json.dumps({"event": done, "channel": channel, "data": {}}),)
        streams = frozenset({f"bitstamp:{symbol}"})
        if event == "bts:subscribe":
            return Asked(streams, frozenset(), told)
        return Asked(frozenset(), streams, told)

    def trade(self, trade: Sent) -> tuple[str, str]:
        symbol = trade.symbol.lower()
        data = {
            **{"id": trade.trade_id, "timestamp": str(trade.time_us // 1_000_000)},
            **{"amount": trade.quantity, "amount_str": repr(trade.quantity)},
            **{"price": trade.price, "price_str": repr(trade.price)},
            **{"type": 0 if trade.side > 0 else 1, "microtimestamp": str(trade.time_us)},
        }
        message = {"data": data, "channel": f"live_trades_{symbol}", "event": "trade"}
        return f"bitstamp:{symbol}", json.dumps(message)


BINANCE = Binance()
DIALECTS: tuple[Dialect, ...] = (BINANCE, Coinbase(), Kraken(), Okx(), Bybit(), Bitstamp())


def dialect_at(path: str) -> Dialect:
    """Return the dialect spoken at a path of the stand-in; Coinbase's where there is none."""
    return next((one for one in DIALECTS if path.endswith(one.path)), DIALECTS[1])


def iso(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
