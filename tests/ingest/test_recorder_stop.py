"""The recorder stops within its limit, whatever it is doing."""

import contextlib
import threading
import time

from tandem.config import Settings
from tandem.ingest.connection import Timing
from tandem.ingest.recorder import Recorder
from tandem.venues.binance import BinanceUsdm
from tandem.venues.coinbase import Coinbase
from tandem.venues.simulated import Simulated
from tests.support.exchange import DeafServer, Exchange, unused_url
from tests.support.recorder_desk import BTC, Desk, live, stop_within_limit
from tests.support.waiting import wait_until


def test_stop_while_live(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, quoted={BTC})
    exchange.play(100.0, ["BTCUSDT"])
    wait_until(live(recorder))
    stop_within_limit(recorder)
    wait_until(lambda: exchange.connections() == 0)


def test_stop_while_half_open(desk: Desk, exchange: Exchange) -> None:
    patient = Timing(ping_s=60.0, dead_s=600.0)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC, timing=patient)
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.freeze()
    stop_within_limit(recorder)


def test_stop_while_waiting_to_retry(desk: Desk) -> None:
    recorder = desk.record(BinanceUsdm(unused_url()), BTC, backoff=lambda: iter([600.0] * 3))
    wait_until(recorder.failure)
    stop_within_limit(recorder)


def test_stop_while_refused(desk: Desk, exchange: Exchange) -> None:
    exchange.refuse(451)
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    wait_until(recorder.failure)
    stop_within_limit(recorder)


def test_stop_while_the_handshake_hangs(desk: Desk) -> None:
    with DeafServer() as server:
        recorder = desk.record(BinanceUsdm(server.url), BTC, timing=Timing(connect_s=600.0))
        wait_until(lambda: recorder.status().state == "connecting")
        time.sleep(0.1)  # into the handshake; stopping before it is as good
        stop_within_limit(recorder)


def test_stop_while_nothing_is_wanted_and_before_it_began(desk: Desk, exchange: Exchange) -> None:
    stop_within_limit(desk.record(BinanceUsdm(exchange.url)))
    idle = Recorder(BinanceUsdm(exchange.url), desk.sink, desk.buffer, Settings())
    stop_within_limit(idle)


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
    stop_within_limit(recorder)


def test_instruments_beyond_the_venues_limit_are_left_out_and_named(
    desk: Desk, exchange: Exchange
) -> None:
    feed = Coinbase(exchange.url)
    names = [f"coinbase:A{n}-USD" for n in range(feed.max_instruments + 2)]
    recorder = desk.record(feed, *names)
    exchange.wait_for_streams("A0-USD")
    assert "2 of 102 are skipped" in recorder.status().errors[0]
