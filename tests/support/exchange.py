"""A stand-in exchange on this machine that speaks the protocols of every venue.

::

    with Exchange() as exchange:
        recorder = ...  # with exchange.settings()
        exchange.trade("BTCUSDT", 61_000.0, 0.5, side=1)
        exchange.drop()

One address serves all: ``/market/stream`` and ``/public/stream`` as Binance USD-M does, ``/stream``
as Binance spot, ``/v2`` as Kraken and so on (`tests/support/dialects.py`); anything else as
Coinbase. As on the real ones, a misspelt symbol is acknowledged and stays silent (Binance) or is
answered with an error (elsewhere, for symbols in `unlisted`).
It listens on 127.0.0.1, on a port the system chooses.
"""

from __future__ import annotations

import asyncio
import atexit
import random
import socket
import threading
import time
import weakref
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tandem.config import Settings
from tandem.core.clock import now_us
from tests.support.dialects import BINANCE, Dialect, Sent, dialect_at
from tests.support.settings import declared, settings_of
from tests.support.waiting import PATIENCE_S, wait_until

__all__ = ["DeafServer", "Exchange", "Sent", "unused_url"]


class Exchange:
    """The exchange; every method may be called from any thread while it is entered.

    Parameters
    ----------
    heartbeat_s : float
        Seconds between heartbeats, where a venue sends them.
    idle_s : float
        Where a venue wants to be told that its client lives, it hangs up on one that was not
        heard of for so long.
    """

    def __init__(self, heartbeat_s: float = 1.0, idle_s: float = 30.0) -> None:
        self.sent: list[Sent] = []
        self.kept_alive = 0
        self.hung_up = 0
        self.opened = 0
        self.refused = 0
        self.unlisted: set[str] = set()
        self._heartbeat_s = heartbeat_s
        self._idle_s = idle_s
        self._ids: dict[str, int] = {}
        self._streams: dict[ServerConnection, set[str]] = {}
        self._dialects: dict[ServerConnection, Dialect] = {}
        self._frozen: set[ServerConnection] = set()
        self._delayed: dict[ServerConnection, list[str | bytes]] = {}
        self._refuse: dict[str, int] = {}
        self._refusal = "", ""
        self._hang = False
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._players: list[asyncio.Task[None]] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="exchange", daemon=True)
        self._server: Server | None = None
        self._ending: asyncio.Event | None = None
        self.port = 0

    def __enter__(self) -> Exchange:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S), "the stand-in exchange did not start"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._ending is not None
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the stand-in exchange did not stop"

    # Where it is --------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address for every venue's setting."""
        return f"ws://127.0.0.1:{self.port}"

    def settings(self, **others: Any) -> Settings:
        """Return settings in which every venue lives here."""
        paths = {
            **{"binance_usdm_url": "", "binance_spot_url": "", "binance_us_url": ""},
            **{"coinbase_url": "/coinbase", "kraken_url": "/v2", "bitstamp_url": "/bitstamp"},
            **{"okx_url": "/ws/v5/public", "bybit_url": "/v5/public/linear"},
        }
        urls = {name: self.url + path for name, path in paths.items()}
        # What is asked by REST has a stand-in of its own, where a test needs one.
        urls |= {name: "" for name in declared() if name.endswith("_rest_url")}
        return settings_of(**(urls | others))

    # The market ---------------------------------------------------------------------------

    def trade(
        self,
        symbol: str,
        price: float,
        quantity: float = 1.0,
        side: int = 1,
        time_us: int | None = None,
        trade_id: int | None = None,
    ) -> Sent:
        """Make a trade and send it to whoever subscribed; ids count up by one per symbol."""
        return self._call(self._trade(symbol, price, quantity, side, time_us, trade_id))

    def quote(
        self, symbol: str, bid: float, ask: float, sizes: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        """Send the best bid and ask."""
        self._call(self._quote(symbol, bid, ask, sizes))

    def funding(self, symbol: str, rate: float, mark_price: float, next_us: int) -> None:
        """Send the mark price and funding rate (futures only)."""
        self._call(self._send_to(*BINANCE.funding(symbol, rate, mark_price, next_us)))

    def play(
        self,
        rate: float,
        symbols: Iterable[str],
        prices: dict[str, float] | None = None,
        quotes: bool = True,
    ) -> None:
        """Trade by itself, `rate` trades a second and symbol, until `pause` or the end."""
        prices = prices or {}
        for symbol in symbols:
            self._call(self._start_player(symbol, rate, prices.get(symbol, 100.0), quotes))

    def pause(self) -> None:
        """Stop what `play` started."""
        self._call(self._stop_players())

    # Faults -------------------------------------------------------------------------------

    def skip_ids(self, symbol: str, count: int) -> None:
        """Make the next trade's id jump, as if `count` trades had been lost on the way."""
        self._ids[symbol] = self._ids.get(symbol, 999) + count

    def lose(self, symbol: str, count: int, time_us: int | None = None) -> list[Sent]:
        """Make trades that are sent to nobody, and return them."""
        made = []
        for _ in range(count):
            self._ids[symbol] = self._ids.get(symbol, 999) + 1
            moment = (now_us() if time_us is None else time_us) // 1000 * 1000
            made.append(Sent(symbol, self._ids[symbol], moment, 1.0, 1.0, 1))
        self.sent += made
        return made

    def shuffle(self, symbol: str, count: int, seed: int) -> None:
        """Make trades and send them out of order, some of them twice."""
        first, dice = self._ids.get(symbol, 999) + 1, random.Random(seed)
        self._ids[symbol] = first + count - 1
        now = now_us() // 1000 * 1000
        trades = [Sent(symbol, first + n, now + 1000 * n, 1.0, 1.0, 1) for n in range(count)]
        self.sent += trades
        for trade in dice.sample(trades + trades[: count // 2], count + count // 2):
            self.again(trade)

    def again(self, trade: Sent) -> None:
        """Send a trade a second time."""
        self._call(self._send_trade(trade))

    def raw(self, frame: str | bytes, as_text: bool = False) -> None:
        """Send any message to every connection; bytes in a text frame if asked."""
        self._call(self._send_all(frame, as_text))

    def drop(self) -> None:
        """Cut every connection without a goodbye."""
        self._call(self._drop())

    def drop_oldest(self) -> None:
        """Cut the connection that has been open longest."""
        self._call(self._drop(1))

    def delay_oldest(self) -> None:
        """Keep back what is for the connection open longest, until `deliver`."""
        self._delayed[next(iter(self._streams))] = []

    def deliver(self) -> None:
        """Send what was kept back."""
        self._call(self._deliver())

    def close(self, code: int = 1001, reason: str = "") -> None:
        """Close every connection politely."""
        self._call(self._close(code, reason))

    def freeze(self) -> None:
        """Leave every connection half open: nothing is read, answered or sent on it any more."""
        self._call(self._freeze())

    def refuse(self, status: int, path: str = "", retry_after: str = "", body: str = "") -> None:
        """Answer new connections (to paths that begin so) with an HTTP status; 0 serves again."""
        self._refuse[path] = status
        self._refusal = retry_after, body

    def hang(self, on: bool = True) -> None:
        """Leave new connections without any answer to their handshake."""
        self._hang = on

    # What it saw --------------------------------------------------------------------------

    def subscribed(self) -> set[str]:
        """Return every stream somebody listens to, as ``btcusdt@aggTrade`` or ``BTC-USD``."""
        return set().union(*list(self._streams.values())) if self._streams else set()

    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._streams)

    def wait_for_streams(self, *streams: str) -> None:
        """Wait until all of these are listened to."""
        wait_until(lambda: set(streams) <= self.subscribed(), f"subscription to {streams}")

    # Inside its own thread ----------------------------------------------------------------

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._ending = asyncio.Event()
        async with serve(
            self._connected,
            "127.0.0.1",
            0,
            process_request=self._asked,
            compression=None,
            ping_interval=None,
            max_queue=None,
            close_timeout=0.2,
        ) as server:
            self._server = server
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._ending.wait()
            await self._stop_players()
            await self._drop()
        # A client that comes while the door closes must not leave a task behind.
        late = asyncio.all_tasks() - {asyncio.current_task()}
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for transport in list(self._transports):
            transport.abort()
        await asyncio.sleep(0.01)  # a transport closes its socket some turns later

    async def _asked(self, connection: ServerConnection, request: Request) -> Response | None:
        self._transports.add(connection.transport)
        if self._hang:
            assert self._ending is not None
            await self._ending.wait()
        path = urlsplit(request.path).path
        status = max((s for p, s in self._refuse.items() if path.startswith(p)), default=0)
        if status:
            self.refused += 1
            retry_after, body = self._refusal
            response = connection.respond(status, body or "refused by the stand-in\n")
            if retry_after:
                response.headers["Retry-After"] = retry_after
            return response
        return None

    async def _connected(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        parts = urlsplit(connection.request.path)
        dialect = dialect_at(parts.path)
        self._streams[connection] = dialect.in_address(parts.query)
        self._dialects[connection] = dialect
        self.opened += 1
        beat = asyncio.create_task(self._beat(connection, dialect))
        try:
            await self._listen(connection, dialect)
        except ConnectionClosed:
            pass
        finally:
            beat.cancel()
            self._streams.pop(connection, None)
            self._dialects.pop(connection, None)
            self._frozen.discard(connection)

    async def _listen(self, connection: ServerConnection, dialect: Dialect) -> None:
        patience = self._idle_s if dialect.keepalive else None
        while True:
            try:
                frame = await asyncio.wait_for(connection.recv(decode=True), patience)
            except TimeoutError:
                self.hung_up += 1
                await connection.close(4004, "no data in time")
                return
            self.kept_alive += frame == dialect.keepalive
            asked = dialect.asked(frame, self)
            if connection in self._streams:
                self._streams[connection] |= asked.added
                self._streams[connection] -= asked.removed
            for answer in asked.answers:
                await self._send(connection, answer)

    async def _beat(self, connection: ServerConnection, dialect: Dialect) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for text in dialect.beats(list(self._streams.get(connection, ()))):
                await self._send(connection, text)

    # Sending ------------------------------------------------------------------------------

    async def _trade(
        self,
        symbol: str,
        price: float,
        quantity: float,
        side: int,
        time_us: int | None,
        trade_id: int | None,
    ) -> Sent:
        if trade_id is None:
            trade_id = self._ids[symbol] = self._ids.get(symbol, 999) + 1
        # Binance's times are whole milliseconds.
        time_us = (now_us() if time_us is None else time_us) // 1000 * 1000
        trade = Sent(symbol, trade_id, time_us, price, quantity, side)
        self.sent.append(trade)
        await self._send_trade(trade)
        return trade

    async def _send_trade(self, trade: Sent) -> None:
        for dialect in set(self._dialects.values()):
            await self._send_to(*dialect.trade(trade))

    async def _quote(self, symbol: str, bid: float, ask: float, sizes: tuple[float, float]) -> None:
        for dialect in set(self._dialects.values()):
            quoted = dialect.quote(symbol, bid, ask, sizes)
            if quoted:
                await self._send_to(*quoted)

    async def _send_to(self, stream: str, text: str) -> None:
        for connection, streams in list(self._streams.items()):
            if stream in streams:
                await self._send(connection, text)

    async def _send_all(self, frame: str | bytes, as_text: bool) -> None:
        for connection in list(self._streams):
            await self._send(connection, frame, as_text or None)

    async def _send(
        self, connection: ServerConnection, frame: str | bytes, as_text: bool | None = None
    ) -> None:
        if connection in self._frozen:
            return
        if connection in self._delayed:
            self._delayed[connection].append(frame)
            return
        try:
            await connection.send(frame, text=as_text)
        except ConnectionClosed:
            self._streams.pop(connection, None)

    async def _start_player(self, symbol: str, rate: float, price: float, quotes: bool) -> None:
        self._players.append(asyncio.create_task(self._player(symbol, rate, price, quotes)))

    async def _player(self, symbol: str, rate: float, price: float, quotes: bool) -> None:
        dice = random.Random(symbol)
        start, made = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - start) * rate) + 1
            for _ in range(made, due):
                price *= 1.0 + dice.gauss(0.0, 1e-4)
                side = 1 if dice.random() < 0.5 else -1
                quantity = round(dice.uniform(0.001, 2.0), 3)
                await self._trade(symbol, round(price, 4), quantity, side, None, None)
            if quotes and made != due:
                await self._quote(symbol, round(price * 0.9999, 4), round(price, 4), (1.0, 1.0))
            made = due
            await asyncio.sleep(min(0.05, 1.0 / rate))

    async def _stop_players(self) -> None:
        for task in self._players:
            task.cancel()
        await asyncio.gather(*self._players, return_exceptions=True)
        self._players.clear()

    async def _drop(self, most: int | None = None) -> None:
        for connection in list(self._streams)[:most]:
            connection.transport.abort()
            self._streams.pop(connection, None)

    async def _deliver(self) -> None:
        delayed, self._delayed = self._delayed, {}
        for connection, frames in delayed.items():
            for frame in frames:
                await self._send(connection, frame)

    async def _close(self, code: int, reason: str) -> None:
        for connection in list(self._streams):
            await connection.close(code, reason)

    async def _freeze(self) -> None:
        for connection in list(self._streams):
            self._frozen.add(connection)
            connection.transport.pause_reading()


class DeafServer:
    """Takes TCP connections and never says a word: a handshake that hangs."""

    def __enter__(self) -> DeafServer:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def accept(self) -> tuple[socket.socket, object]:
        """Take a connection by hand."""
        return self._socket.accept()

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@cache
def _unused_port() -> int:
    """Take a port and never listen at it, so that no other process is given it either."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    atexit.register(taken.close)
    return int(taken.getsockname()[1])


def unused_url(scheme: str = "ws") -> str:
    """Return an address of this machine at which nothing listens, as long as this process runs."""
    return f"{scheme}://127.0.0.1:{_unused_port()}"
