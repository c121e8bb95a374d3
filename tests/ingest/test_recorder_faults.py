"""The recorder against an exchange that hangs, bans, closes and talks nonsense."""

import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tandem.core.clock import now_us, steady_s
from tandem.core.errors import FeedError, StoreFull
from tandem.core.events import Gap, Trade
from tandem.ingest.connection import Timing
from tandem.net.http import Answer, Client
from tandem.net.venue_client import VenueClient
from tandem.venues.binance import BinanceUsdm
from tandem.venues.coinbase import Coinbase
from tandem.venues.rest import Budget, Request
from tandem.venues.simulated import Simulated
from tests.support.exchange import Exchange, unused_url
from tests.support.recorder_desk import BTC, ETH, VENUES, Desk, live, stop_within_limit
from tests.support.waiting import wait_until


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
    stop_within_limit(recorder)
