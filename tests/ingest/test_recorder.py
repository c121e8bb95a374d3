"""The recorder against a local exchange that speaks the real protocols and fails on demand."""

import contextlib
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tandem.config import Settings
from tandem.core.clock import now_us, steady_s
from tandem.core.errors import FeedError, StoreFull
from tandem.core.events import Funding, Gap, Quote, Trade
from tandem.ingest.connection import Timing
from tandem.ingest.recorder import Recorder
from tandem.ingest.sequence import Recent
from tandem.net.http import Answer, Client
from tandem.net.venue_client import VenueClient
from tandem.storage.hot_buffer import HotBuffer
from tandem.venues.base import Keepalive, Route
from tandem.venues.binance import BinanceSpot, BinanceUs, BinanceUsdm
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tandem.venues.rest import Budget, Request
from tandem.venues.simulated import Simulated
from tests.support.exchange import DeafServer, Exchange, unused_url
from tests.support.sinks import MemorySink
from tests.support.waiting import wait_until

BTC, ETH = "binance-usdm:BTCUSDT", "binance-usdm:ETHUSDT"
QUICK = Timing(connect_s=5.0, silence_s=0.5, ping_s=0.1, dead_s=0.6, refused_s=60.0, poll_s=0.05)


class Desk:
    """A recorder with its surroundings, and whatever must be stopped."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.buffer = HotBuffer(10_000)
        self.recorders: list[Recorder] = []

    def record(self, feed: Any, *instruments: str, **options: Any) -> Recorder:
        quoted = frozenset(options.pop("quoted", ()))
        options.setdefault("timing", QUICK)
        options.setdefault("backoff", lambda: iter([0.02] * 10_000))
        recorder = Recorder(feed, self.sink, self.buffer, Settings(), **options)
        self.recorders.append(recorder)
        recorder.watch(frozenset(instruments), quoted)
        recorder.start()
        return recorder


@pytest.fixture
def desk(exchange: Exchange) -> Iterator[Desk]:
    # After the exchange, so that its recorders end before it: none knocks at a closing door.
    desk = Desk()
    yield desk
    desk.sink.blocked.set()
    for recorder in desk.recorders:
        assert recorder.stop(10.0), "a recorder's thread did not end"


def live(recorder: Recorder) -> Callable[[], bool]:
    return lambda: recorder.status().state == "live"


def test_a_trade_goes_to_the_buffer_and_the_sink(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    sent = exchange.trade("BTCUSDT", 61_000.5, 0.25, side=-1)
    trade = wait_until(lambda: desk.buffer.last(BTC))
    assert trade[:6] == (BTC, sent.trade_id, sent.time_us, 61_000.5, 0.25, -1)
    assert trade.received_us >= trade.time_us
    wait_until(lambda: desk.sink.of(Trade) == [trade])
    status = wait_until(lambda: (s := recorder.status()).trades == 1 and s)
    assert (status.state, status.venue, status.text) == (
        "live",
        "binance-usdm",
        "Binance USD-M: live.",
    )
    assert status.last_trade_us == {BTC: sent.time_us}
    assert 0.0 <= status.delay_ms < 1_000.0
    assert (status.reconnects, status.gaps, status.not_understood) == (0, 0, 0)


def test_the_buffer_has_a_trade_before_the_sink_is_asked(desk: Desk, exchange: Exchange) -> None:
    desk.sink.blocked.clear()
    desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.trade("BTCUSDT", 61_000.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    assert not desk.sink.events


def test_reading_waits_for_a_full_record_says_so_and_loses_nothing(
    desk: Desk, exchange: Exchange
) -> None:
    desk.sink.blocked.clear()
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.play(200.0, ["BTCUSDT"], quotes=False)
    # Longer than a silence, and than a line may be quiet before it is called dead.
    status = wait_until(lambda: (s := recorder.status()).waiting_s > 1.2 and s)
    assert (status.state, status.silent) == ("live", ())
    assert "reading has been blocked by the database for 1 s. Nothing is lost" in status.text
    assert desk.buffer.count(BTC) < len(exchange.sent), "reading went on"
    desk.sink.blocked.set()
    wait_until(lambda: desk.buffer.count(BTC) > 300)
    exchange.pause()
    wait_until(lambda: len(desk.sink.of(Trade)) == len(exchange.sent))
    assert [trade.trade_id for trade in desk.sink.of(Trade)] == [s.trade_id for s in exchange.sent]
    status = recorder.status()
    assert (status.waiting_s, status.reconnects, status.gaps) == (0.0, 0, 0)
    assert exchange.opened == 1


def test_quotes_and_funding_of_the_watched_pair(desk: Desk, exchange: Exchange) -> None:
    desk.record(BinanceUsdm(exchange.url), BTC, ETH, quoted={BTC})
    exchange.wait_for_streams("btcusdt@bookTicker", "btcusdt@markPrice", "ethusdt@aggTrade")
    assert "ethusdt@bookTicker" not in exchange.subscribed()
    exchange.quote("BTCUSDT", 60_999.9, 61_000.0, (2.0, 3.0))
    quote = wait_until(lambda: desk.buffer.quote(BTC))
    assert quote[2:6] == (60_999.9, 2.0, 61_000.0, 3.0)
    exchange.funding("BTCUSDT", 0.0001, 61_001.0, 1_795_000_000_000_000)
    funding = wait_until(lambda: desk.buffer.funding(BTC))
    assert (funding.rate, funding.next_us) == (0.0001, 1_795_000_000_000_000)
    wait_until(lambda: desk.sink.of(Quote) and desk.sink.of(Funding))


VENUES: dict[str, tuple[Any, str, str]] = {
    "binance-spot": (BinanceSpot, "", "btcusdt@aggTrade"),
    "binance-us": (BinanceUs, "", "btcusdt@aggTrade"),
    "coinbase": (Coinbase, "/coinbase", "BTC-USD"),
    "kraken": (Kraken, "/v2", "kraken:BTC/USD"),
    "okx": (Okx, "/ws/v5/public", "okx:BTC-USDT"),
    "bybit": (Bybit, "/v5/public/linear", "bybit:BTCUSDT"),
    "bitstamp": (Bitstamp, "/bitstamp", "bitstamp:btcusd"),
}


@pytest.mark.parametrize("venue", VENUES)
def test_the_other_venues(desk: Desk, exchange: Exchange, venue: str) -> None:
    make, path, stream = VENUES[venue]
    feed = make(exchange.url + path)
    name, other = feed.instrument("btc"), feed.instrument("eth")
    recorder = desk.record(feed, name, quoted={name})
    exchange.wait_for_streams(stream)
    sent = exchange.trade(name.partition(":")[2], 61_000.0, 0.5, side=1)
    trade = wait_until(lambda: desk.buffer.last(name))
    assert (trade.time_us, trade.price, trade.quantity, trade.side) == (
        *(sent.time_us, 61_000.0, 0.5),
        1,
    )
    if feed.quotes:
        wait_until(lambda: exchange.connections() == 2)
        quoted = wait_until(lambda: _quoted(desk, exchange, name))
        assert quoted.ask == 61_000.0
    recorder.watch(frozenset({other}), frozenset())
    wait_until(lambda: stream not in exchange.subscribed())
    exchange.wait_for_streams(stream.replace("btc", "eth").replace("BTC", "ETH"))
    exchange.trade(other.partition(":")[2], 3_400.0, 2.0, side=-1)
    assert wait_until(lambda: desk.buffer.last(other)).side == -1
    assert recorder.status().not_understood == 0


def _quoted(desk: Desk, exchange: Exchange, name: str) -> Any:
    exchange.quote(name.partition(":")[2], 60_999.0, 61_000.0)
    return desk.buffer.quote(name)


@pytest.mark.parametrize("venue", ["coinbase", "kraken", "okx", "bybit", "bitstamp"])
def test_a_symbol_a_venue_does_not_list_is_told(desk: Desk, exchange: Exchange, venue: str) -> None:
    make, path, stream = VENUES[venue]
    feed = make(exchange.url + path)
    wrong = feed.instrument("foo")
    exchange.unlisted.add(wrong.partition(":")[2])
    recorder = desk.record(feed, wrong, feed.instrument("btc"))
    exchange.wait_for_streams(stream)
    (said,) = wait_until(lambda: recorder.status().errors)
    assert said.startswith(f"{feed.title}: ")


@pytest.mark.parametrize("venue", ["coinbase", "bybit"])
def test_names_a_venue_refuses_do_not_silence_those_asked_for_with_them(
    desk: Desk, exchange: Exchange, venue: str
) -> None:
    make, path, stream = VENUES[venue]
    feed = make(exchange.url + path)
    names = [feed.instrument(f"A{number}") for number in range(18)]
    wrong = {names[number] for number in (0, 5, 6, 7)}
    exchange.unlisted |= {name.partition(":")[2] for name in wrong}
    recorder = desk.record(feed, *names)
    exchange.wait_for_streams(
        *(name.removeprefix("coinbase:") for name in names if name not in wrong)
    )
    assert not exchange.subscribed() & {name.removeprefix("coinbase:") for name in wrong}
    assert recorder.status().errors[0].startswith(f"{feed.title}: ")


class Impatient(Okx):
    """OKX with a shorter breath."""

    def trade_route(self, instruments: Any) -> Route:
        return super().trade_route(instruments)._replace(keepalive=Keepalive("ping", 0.1))


def test_a_venue_that_wants_to_hear_of_its_client_does() -> None:
    with Exchange(idle_s=1.0) as exchange:
        desk = Desk()
        feed = Impatient(exchange.url + "/ws/v5/public")
        recorder = desk.record(feed, "okx:BTC-USDT")
        try:
            wait_until(lambda: recorder.open_for() > 2.5)
            status = recorder.status()
        finally:
            assert recorder.stop(10.0)
        assert exchange.kept_alive > 5
        assert (exchange.hung_up, status.reconnects) == (0, 0)
        assert status.not_understood == 0, "the answer to a ping is not JSON"


def test_a_client_that_says_nothing_is_hung_up_on_and_returns() -> None:
    with Exchange(idle_s=0.2) as exchange:
        desk = Desk()
        recorder = desk.record(Okx(exchange.url + "/ws/v5/public"), "okx:BTC-USDT")
        try:
            wait_until(lambda: recorder.status().reconnects)
        finally:
            assert recorder.stop(10.0)
        assert exchange.hung_up


def test_bybit_refuses_a_region_with_403(desk: Desk, exchange: Exchange) -> None:
    exchange.refuse(403, "/v5")
    recorder = desk.record(Bybit(exchange.url + "/v5/public/linear"), "bybit:BTCUSDT")
    told = wait_until(lambda: (s := recorder.status()).state == "refused" and s)
    assert told.text.startswith(
        "Bybit refused this address (HTTP 403: forbidden, possibly a region restriction). "
    )


def test_the_snapshot_of_kraken_fills_a_short_cut(desk: Desk, exchange: Exchange) -> None:
    name = "kraken:BTC/USD"
    recorder = desk.record(Kraken(exchange.url + "/v2"), name)
    exchange.wait_for_streams(name)
    exchange.trade("BTC/USD", 1.0)
    wait_until(lambda: desk.buffer.count(name) == 1)
    exchange.refuse(503, "/v2")
    exchange.drop()
    for price in (2.0, 3.0, 4.0):
        exchange.trade("BTC/USD", price)
    exchange.refuse(0, "/v2")
    wait_until(lambda: desk.buffer.count(name) == 4)
    assert [trade.price for trade in desk.buffer.tail(name, 9)] == [1.0, 2.0, 3.0, 4.0]
    assert recorder.status().gaps == 0


def test_a_burst_arrives_whole_and_in_order(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.play(5_000.0, ["BTCUSDT"], quotes=False)
    wait_until(lambda: len(exchange.sent) > 3_000)
    exchange.pause()
    count = len(exchange.sent)
    wait_until(lambda: len(desk.sink.of(Trade)) == count)
    assert [trade.trade_id for trade in desk.sink.of(Trade)] == [s.trade_id for s in exchange.sent]
    assert recorder.status().gaps == 0


def test_after_a_drop_it_reconnects_and_a_repeated_trade_enters_the_buffer_once(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    first = exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    exchange.drop()
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.again(first)
    exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: desk.buffer.count(BTC) == 2)
    assert [t.price for t in desk.buffer.tail(BTC, 10)] == [1.0, 2.0]
    wait_until(lambda: len(desk.sink.of(Trade)) == 3)
    status = wait_until(lambda: (s := recorder.status()).reconnects == 1 and s)
    assert (status.state, status.gaps, status.trades) == ("live", 0, 2)


def test_trades_lost_during_a_drop_are_a_gap(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    before = exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    exchange.skip_ids("BTCUSDT", 7)
    after = exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: desk.sink.of(Gap))
    assert desk.sink.of(Gap) == [
        Gap(BTC, before.trade_id + 1, before.trade_id + 7, before.time_us, after.time_us, "open")
    ]
    assert wait_until(lambda: recorder.status().gaps == 1)


@pytest.mark.parametrize("goodbye", ["drop", "close", "shutdown"])
def test_every_way_of_hanging_up_is_survived(desk: Desk, exchange: Exchange, goodbye: str) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    for number in range(1, 6):
        exchange.wait_for_streams("btcusdt@aggTrade")
        exchange.trade("BTCUSDT", float(number))
        wait_until(lambda n=number: desk.buffer.count(BTC) == n)
        if goodbye == "shutdown":
            exchange.raw('{"e":"serverShutdown","E":1770123456789}')
            wait_until(lambda n=number: exchange.opened == n + 1, "a new connection")
        else:
            getattr(exchange, goodbye)()
    assert [t.price for t in desk.sink.of(Trade)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert recorder.status().gaps == 0


def test_a_half_open_connection_is_noticed(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    exchange.freeze()
    wait_until(lambda: exchange.opened == 2, "a second connection")
    wait_until(lambda: recorder.status().reconnects == 1)


def test_a_line_is_given_up_as_soon_as_the_machine_wakes(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = desk.record(
        BinanceUsdm(exchange.url), BTC, timing=Timing(ping_s=600.0, dead_s=1_200.0, poll_s=0.05)
    )
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.freeze()
    monkeypatch.setattr("tandem.ingest.connection.steady_s", lambda: steady_s() + 3_600.0)
    wait_until(lambda: exchange.opened == 2, "a new connection")
    monkeypatch.undo()
    wait_until(lambda: recorder.status().reconnects == 1)


def test_what_is_generated_has_no_holes(desk: Desk) -> None:
    feed = Simulated(7, 50.0, history_s=0.0)
    eth, btc = feed.instrument("eth"), feed.instrument("btc")
    recorder = desk.record(feed, eth, btc)
    wait_until(lambda: desk.buffer.count(eth) and desk.buffer.count(btc))
    recorder.watch(frozenset({btc}))
    count = desk.buffer.count(btc)
    wait_until(lambda: desk.buffer.count(btc) > count + 20)
    recorder.watch(frozenset({eth, btc}))
    count = desk.buffer.count(eth)
    wait_until(lambda: desk.buffer.count(eth) > count)
    assert desk.sink.of(Gap) == []


def test_answers_to_pings_keep_a_quiet_connection(desk: Desk, exchange: Exchange) -> None:
    timing = Timing(silence_s=0.5, ping_s=0.1, dead_s=1.0, poll_s=0.05)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, timing=timing)
    # Nothing is sent: without its pings the line would be given up after one second.
    wait_until(lambda: recorder.open_for() > 2.0 * timing.dead_s)
    status = recorder.status()
    assert (status.state, status.silent) == ("silent", (BTC,))
    assert status.text == (
        "Binance USD-M: connected and subscribed, but no trades in BTCUSDT for 0.5 s: "
        "check the symbol, or choose another venue."
    )


@pytest.mark.parametrize("status", [403, 451])
def test_a_refusal_is_final_for_a_while_and_says_why(
    desk: Desk, exchange: Exchange, status: int
) -> None:
    exchange.refuse(status)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    told = wait_until(lambda: (s := recorder.status()).state == "refused" and s)
    assert told.text.startswith(f"Binance USD-M refused this address (HTTP {status}")
    assert "Recorded data is kept" in told.text
    assert exchange.refused == 1


@pytest.mark.parametrize("status", [418, 429])
def test_a_venue_that_asks_for_fewer_connections_is_left_alone(
    desk: Desk, exchange: Exchange, status: int
) -> None:
    exchange.refuse(status)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    told = wait_until(lambda: (s := recorder.status()).state == "refused" and s)
    assert told.text.startswith(
        f"Binance USD-M rate-limited connections (HTTP {status}). Recorded data is kept."
    )
    assert exchange.refused == 1


@pytest.mark.parametrize(
    ("retry_after", "body"),
    [("7200", ""), ("", '{"code":-1003,"msg":"IP banned until %d."}')],
)
def test_a_ban_lasts_as_long_as_the_venue_says_and_holds_for_rest_too(
    desk: Desk, exchange: Exchange, retry_after: str, body: str
) -> None:
    until_ms = now_us() // 1_000 + 7_200_000
    exchange.refuse(418, retry_after=retry_after, body=body and body % until_ms)
    client = VenueClient("Binance USD-M", Budget(2_400, 60.0, 0.0), Client())
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, client=client)
    told = wait_until(lambda: (s := recorder.status()).state == "refused" and s)
    assert "this one is retried every 120 min." in told.text
    wait_until(lambda: client.paused_for > 7_000.0)
    assert exchange.refused == 1


def test_a_stream_waits_for_the_end_of_a_ban_that_rest_met(desk: Desk, exchange: Exchange) -> None:
    client = VenueClient("Binance USD-M", Budget(2_400, 60.0, 0.0), Client())
    banned = Answer(418, {"retry-after": "7200"}, b"")
    with pytest.raises(FeedError):
        client.ask(Request("https://x"), client=Planted(banned))
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, client=client)
    told = wait_until(lambda: (s := recorder.status()).state == "refused" and s)
    assert told.text.startswith("Binance USD-M has banned this address (HTTP 418).")
    assert (exchange.opened, exchange.refused) == (0, 0)


class Planted(Client):
    """Gives one answer to whatever is asked."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def get(self, *_: Any, **__: Any) -> Answer:
        return self._answer


@pytest.mark.parametrize(("code", "state"), [(1001, "reconnecting"), (1008, "refused")])
def test_why_a_venue_closed_is_shown_and_acted_on(
    desk: Desk, exchange: Exchange, code: int, state: str
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, backoff=lambda: iter([600.0] * 3))
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.close(code, "Too many\x07 requests")
    told = wait_until(lambda: (s := recorder.status()).state == state and s)
    assert told.text.startswith(
        f"Binance USD-M closed the connection (code {code}: Too many requests)."
    )


@pytest.mark.parametrize("status", [500, 503])
def test_a_busy_venue_is_asked_again(desk: Desk, exchange: Exchange, status: int) -> None:
    exchange.refuse(status)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    wait_until(lambda: exchange.refused > 2)
    assert f"HTTP {status}" in recorder.status().text
    exchange.refuse(0)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.trade("BTCUSDT", 1.0)
    wait_until(live(recorder))


def test_nothing_listening_is_said_and_retried(desk: Desk) -> None:
    url = unused_url()
    recorder = desk.record(BinanceUsdm(url), BTC)
    status = wait_until(lambda: (s := recorder.status()).state == "reconnecting" and s)
    assert "connection refused by 127.0.0.1" in status.text
    assert "Reconnecting (attempt" in status.text


def test_a_name_that_does_not_exist_is_said(desk: Desk) -> None:
    recorder = desk.record(BinanceUsdm("ws://nowhere.invalid"), BTC)
    status = wait_until(lambda: (s := recorder.status()).state == "reconnecting" and s)
    assert "nowhere.invalid could not be resolved" in status.text


def test_garbage_is_counted_and_what_is_good_still_arrives(
    desk: Desk, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    junk: list[str | bytes] = ["{", "[]", b"\xff\xfe\x00", '{"data":7}', '{"e":"aggTrade"}', ""]
    for frame in junk:
        exchange.raw(frame)
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    status = wait_until(lambda: (s := recorder.status()).messages == len(junk) + 1 and s)
    assert status.not_understood == len(junk)
    assert f"{len(junk)} of {len(junk) + 1} messages" in recorder.status().text
    warned = [record for record in caplog.records if "could not be parsed" in record.getMessage()]
    assert len(warned) == 1


def test_a_venue_that_changes_its_format_is_not_taken_for_a_silent_one(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    for number in range(20):
        price = {"price": {"value": 61_000, "scale": 0}}
        exchange.raw(json.dumps({"data": {"e": "aggTrade", "s": "BTCUSDT", "a": number} | price}))
    words = "20 of 20 messages could not be parsed"
    status = wait_until(lambda: words in (s := recorder.status()).text and s)
    assert (status.messages, status.not_understood, status.trades) == (20, 20, 0)
    wait_until(lambda: recorder.status().silent)
    assert words in recorder.status().text, "a change of format is not silence"


def test_two_hundred_connections_in_a_row_leave_nothing_behind(
    desk: Desk, exchange: Exchange
) -> None:
    _reconnect(desk, exchange, 200)


@pytest.mark.slow
def test_ten_thousand_connections_in_a_row_leave_nothing_behind(
    desk: Desk, exchange: Exchange
) -> None:
    _reconnect(desk, exchange, 10_000)


def _reconnect(desk: Desk, exchange: Exchange, times: int) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, backoff=lambda: iter([0.0] * 20_000))
    used: list[tuple[int, int, int]] = []
    for number in range(1, times + 1):
        wait_until(lambda n=number: exchange.opened == n and exchange.connections() == 1)
        exchange.trade("BTCUSDT", float(number))
        wait_until(lambda n=number: desk.buffer.count(BTC) >= min(n, 10_000))
        if number in (times // 10, times):
            gc.collect()
            used.append((threading.active_count(), _open_files(), _memory_mb()))
        exchange.drop()
    (threads, files, memory_mb), (_, files_after, memory_after_mb) = used
    # A connection's helpers end shortly after it.
    wait_until(lambda: threading.active_count() <= threads, "the end of other threads")
    recorder.stop(10.0)
    assert files_after <= files + 2
    assert memory_after_mb < memory_mb + 20
    ids = [trade.trade_id for trade in desk.sink.of(Trade)]
    assert ids == [sent.trade_id for sent in exchange.sent]


def _open_files() -> int:
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.exists() else 0


def _memory_mb() -> int:
    return psutil.Process().memory_info().rss // 2**20


def test_an_oversized_message_ends_the_connection_not_the_program(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.raw("x" * 5_000_000)
    wait_until(lambda: exchange.opened == 2)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.trade("BTCUSDT", 1.0)
    wait_until(live(recorder))


def test_a_silent_instrument_is_named_while_the_others_are_live(
    desk: Desk, exchange: Exchange
) -> None:
    foo = "binance-usdm:FOOUSDT"
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, foo)
    exchange.wait_for_streams("btcusdt@aggTrade", "foousdt@aggTrade")
    exchange.play(50.0, ["BTCUSDT"])
    status = wait_until(lambda: (s := recorder.status()).silent == (foo,) and s)
    assert status.state == "live"
    assert status.text == (
        "Binance USD-M: connected and subscribed, but no trades in FOOUSDT for 0.5 s: "
        "check the symbol. The other instruments are live."
    )


def test_a_venue_that_complains_is_quoted(desk: Desk, exchange: Exchange) -> None:
    exchange.unlisted.add("FOO-USD")
    recorder = desk.record(Coinbase(exchange.url), "coinbase:FOO-USD", "coinbase:BTC-USD")
    wait_until(lambda: recorder.status().errors)
    assert recorder.status().errors == (
        "Coinbase: Failed to subscribe: FOO-USD is not a valid product",
    )
    exchange.wait_for_streams("BTC-USD")
    exchange.trade("BTC-USD", 61_000.0)
    wait_until(live(recorder))


def test_a_venue_that_complains_all_the_time_fills_no_log(
    desk: Desk, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    for number in range(200):
        exchange.raw(json.dumps({"error": {"code": 2, "msg": f"wrong {number}"}, "id": number}))
    wait_until(lambda: recorder.status().messages == 200)
    wait_until(lambda: recorder.status().errors[-1:] == ("Binance USD-M: wrong 199",))
    assert len(recorder.status().errors) == 5
    assert len([record for record in caplog.records if "reported" in record.getMessage()]) == 1


def test_instruments_come_and_go_on_the_open_connection(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, quoted={BTC})
    exchange.wait_for_streams("btcusdt@aggTrade", "btcusdt@bookTicker")
    recorder.watch(frozenset({ETH}), frozenset({ETH}))
    exchange.wait_for_streams("ethusdt@aggTrade", "ethusdt@bookTicker")
    wait_until(lambda: "btcusdt@aggTrade" not in exchange.subscribed())
    exchange.trade("ETHUSDT", 3_400.0)
    exchange.trade("BTCUSDT", 61_000.0)
    wait_until(lambda: desk.buffer.count(ETH) == 1)
    assert exchange.opened == 2  # trades and quotes, each opened once
    assert desk.buffer.count(BTC) == 0
    assert set(recorder.status().last_trade_us) == {ETH}


def test_trades_nobody_wants_any_more_are_left_out(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.raw(
        '{"data":{"e":"aggTrade","s":"ETHUSDT","a":1,"p":"1","q":"1","T":1795000000000,"m":true}}'
    )
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: recorder.status().trades == 1)
    assert desk.buffer.instruments() == [BTC]


def test_a_store_that_fails_does_not_stop_the_screen(desk: Desk, exchange: Exchange) -> None:
    desk.sink.fault = StoreFull("The disk is full.")
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.trade("BTCUSDT", 1.0)
    exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: desk.buffer.count(BTC) == 2)
    assert wait_until(lambda: recorder.status().errors) == ("The disk is full.",)


@pytest.mark.parametrize(("venue", "place"), [("binance-spot", "parse"), ("bybit", "buffer")])
def test_a_reading_thread_that_dies_is_begun_again_counted_and_misses_nothing_silently(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, venue: str, place: str
) -> None:
    make, path, stream = VENUES[venue]
    feed, due = make(exchange.url + path), [2]
    name = feed.instrument("btc")
    symbol = name.partition(":")[2]

    def fails_twice(work: Any) -> Any:
        def done(*arguments: Any) -> Any:
            if due[0] and desk.buffer.count(name):
                due[0] -= 1
                raise RuntimeError("planted")
            return work(*arguments)

        return done

    recorder = desk.record(feed, name)
    exchange.wait_for_streams(stream)
    first = exchange.trade(symbol, 1.0)
    wait_until(lambda: desk.buffer.count(name) == 1)
    holder, method = (feed, "parse") if place == "parse" else (desk.buffer, "append")
    monkeypatch.setattr(holder, method, fails_twice(getattr(holder, method)))
    for restarts in (1, 2):
        exchange.trade(symbol, 2.0)
        wait_until(lambda n=restarts: recorder.status().restarts == n)
        # The stand-in may hold the old connection for a while.
        wait_until(lambda n=restarts: exchange.opened == n + 1 and exchange.connections() == 1)
        exchange.wait_for_streams(stream)
    last = exchange.trade(symbol, 3.0)
    wait_until(lambda: desk.buffer.count(name) == 2)
    status = wait_until(lambda: (s := recorder.status()).state == "live" and s)
    assert "was ended by an internal error" in status.errors[-1]
    assert not status.is_failing
    (gap,) = wait_until(lambda: desk.sink.of(Gap))
    if feed.consecutive_ids:
        assert gap[1:3] == (first.trade_id + 1, last.trade_id - 1)
    assert gap.start_us <= first.time_us
    assert last.time_us <= gap.end_us


def test_ids_that_begin_anew_are_not_taken_for_repetitions(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    first = exchange.trade("BTCUSDT", 1.0, trade_id=5_000)
    exchange.trade("BTCUSDT", 2.0, trade_id=7, time_us=first.time_us + 1_000)
    exchange.trade("BTCUSDT", 3.0, trade_id=8, time_us=first.time_us + 2_000)
    wait_until(lambda: desk.buffer.count(BTC) == 3)
    assert recorder.status().gaps == 0


def test_wanted_while_the_handshake_was_on_its_way(desk: Desk, exchange: Exchange) -> None:
    exchange.hang()
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, timing=Timing(connect_s=0.5))
    recorder.watch(frozenset({BTC, ETH}))
    exchange.hang(False)
    exchange.wait_for_streams("btcusdt@aggTrade", "ethusdt@aggTrade")


def test_a_venue_that_drops_every_connection_is_not_hammered(
    desk: Desk, exchange: Exchange
) -> None:
    used: list[float] = []

    def waits() -> Iterator[float]:
        for wait in (0.01, 0.02, 600.0):
            used.append(wait)
            yield wait

    recorder = desk.record(BinanceUsdm(exchange.url), BTC, backoff=waits)
    for opened in (1, 2, 3):
        wait_until(lambda n=opened: exchange.opened == n)
        exchange.wait_for_streams("btcusdt@aggTrade")
        exchange.drop()
        wait_until(lambda n=opened: len(used) == n)
    assert used == [0.01, 0.02, 600.0], "the waits began again after a connection of no length"
    _stop_within_limit(recorder)


def test_a_second_recorder_does_not_repeat_what_the_buffer_has(
    desk: Desk, exchange: Exchange
) -> None:
    first = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    sent = exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    assert first.stop(5.0)
    wait_until(lambda: exchange.connections() == 0)
    desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.again(sent)
    exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: desk.buffer.count(BTC) == 2)


def test_text_ids_repeated_after_a_reconnect_enter_the_buffer_once(
    desk: Desk, exchange: Exchange
) -> None:
    name = "bybit:BTCUSDT"
    recorder = desk.record(Bybit(exchange.url + "/v5/public/linear"), name)
    exchange.wait_for_streams(name)
    first = [exchange.trade("BTCUSDT", float(price)) for price in (1, 2, 3)]
    wait_until(lambda: desk.buffer.count(name) == 3)
    exchange.drop()
    exchange.wait_for_streams(name)
    for trade in (first[2], first[0], first[1]):
        exchange.again(trade)
    exchange.trade("BTCUSDT", 4.0)
    wait_until(lambda: desk.buffer.count(name) == 4)
    assert [trade.price for trade in desk.buffer.tail(name, 9)] == [1.0, 2.0, 3.0, 4.0]
    wait_until(lambda: len(desk.sink.of(Trade)) == 7)  # the store knows what it has
    status = wait_until(lambda: (s := recorder.status()).trades == 4 and s)
    assert (status.gaps, status.reconnects) == (0, 1)


def test_a_second_recorder_knows_the_text_ids_of_the_buffer(desk: Desk, exchange: Exchange) -> None:
    name, url = "bybit:BTCUSDT", exchange.url + "/v5/public/linear"
    first = desk.record(Bybit(url), name)
    exchange.wait_for_streams(name)
    sent = [exchange.trade("BTCUSDT", float(price)) for price in (1, 2)]
    wait_until(lambda: desk.buffer.count(name) == 2)
    assert first.stop(5.0)
    wait_until(lambda: exchange.connections() == 0)
    desk.record(Bybit(url), name)
    exchange.wait_for_streams(name)
    for trade in sent:
        exchange.again(trade)
    exchange.trade("BTCUSDT", 3.0)
    wait_until(lambda: desk.buffer.count(name) == 3)


def test_remembered_ids_are_bounded_and_the_oldest_are_forgotten_first() -> None:
    recent = Recent(most=3)
    assert [recent.add(text) for text in "abcabcd"] == [True] * 3 + [False] * 3 + [True]
    assert len(recent) == 3
    assert [recent.add(text) for text in "dcb"] == [False] * 3
    assert recent.add("a")
    assert len(recent) == 3


def _stop_within_limit(recorder: Recorder) -> None:
    start = time.monotonic()
    ended = recorder.stop(2.0)
    assert time.monotonic() - start < 2.5
    assert ended
    assert recorder.status().state == "stopped"


def test_stop_while_live(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, quoted={BTC})
    exchange.play(100.0, ["BTCUSDT"])
    wait_until(live(recorder))
    _stop_within_limit(recorder)
    wait_until(lambda: exchange.connections() == 0)


def test_stop_while_half_open(desk: Desk, exchange: Exchange) -> None:
    patient = Timing(ping_s=60.0, dead_s=600.0)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, timing=patient)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.freeze()
    _stop_within_limit(recorder)


def test_stop_while_waiting_to_retry(desk: Desk) -> None:
    recorder = desk.record(BinanceUsdm(unused_url()), BTC, backoff=lambda: iter([600.0] * 3))
    wait_until(recorder.failure)
    _stop_within_limit(recorder)


def test_stop_while_refused(desk: Desk, exchange: Exchange) -> None:
    exchange.refuse(451)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    wait_until(recorder.failure)
    _stop_within_limit(recorder)


def test_stop_while_the_handshake_hangs(desk: Desk) -> None:
    with DeafServer() as server:
        recorder = desk.record(BinanceUsdm(server.url), BTC, timing=Timing(connect_s=600.0))
        wait_until(lambda: recorder.status().state == "connecting")
        time.sleep(0.1)  # into the handshake; stopping before it is as good
        _stop_within_limit(recorder)


def test_stop_while_nothing_is_wanted_and_before_it_began(desk: Desk, exchange: Exchange) -> None:
    _stop_within_limit(desk.record(BinanceUsdm(exchange.url)))
    idle = Recorder(BinanceUsdm(exchange.url), desk.sink, desk.buffer, Settings())
    _stop_within_limit(idle)


def test_a_handshake_that_hangs_is_given_up(desk: Desk, exchange: Exchange) -> None:
    exchange.hang()
    quick = Timing(connect_s=0.2)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, timing=quick)
    wait_until(recorder.failure)
    assert "timed out" in recorder.status().text
    exchange.hang(False)
    exchange.wait_for_streams("btcusdt@aggTrade")


def test_an_answer_that_is_no_handshake_is_survived(desk: Desk) -> None:
    with DeafServer() as server:

        def babble() -> None:
            # Until the server is closed.
            with contextlib.suppress(OSError):
                for _ in range(2):
                    connection, _ = server.accept()
                    connection.sendall(b"\x16\x03\x01 hello \r\n\r\n")
                    connection.close()

        threading.Thread(target=babble, daemon=True).start()
        recorder = desk.record(BinanceUsdm(server.url), BTC)
        wait_until(lambda: recorder.status().state == "reconnecting")


def test_the_simulation_is_recorded_like_a_venue(desk: Desk) -> None:
    feed = Simulated(7, 50.0, history_s=60.0)
    name = feed.instrument("eth")
    recorder = desk.record(feed, name, quoted={name})
    wait_until(lambda: desk.buffer.count(name) > 1_000)
    wait_until(lambda: desk.buffer.quote(name) and desk.buffer.funding(name))
    status = wait_until(lambda: (s := recorder.status()).trades_per_s > 1.0 and s)
    assert status.state == "live"
    assert status.trades_per_s < 500.0, "the past is not a rate of now"
    ids = [trade.trade_id for trade in desk.buffer.tail(name, 10_000)]
    assert ids == sorted(set(ids))
    _stop_within_limit(recorder)


def test_instruments_beyond_the_venues_limit_are_left_out_and_named(
    desk: Desk, exchange: Exchange
) -> None:
    feed = Coinbase(exchange.url)
    names = [f"coinbase:A{n}-USD" for n in range(feed.max_instruments + 2)]
    recorder = desk.record(feed, *names)
    exchange.wait_for_streams("A0-USD")
    assert "2 of 102 are skipped" in recorder.status().errors[0]
