"""The recorder against a local exchange: trades, gaps, venues, and ids seen before."""

from typing import Any

import pytest

from tandem.core.events import Funding, Gap, Quote, Trade
from tandem.ingest.sequence import Recent
from tandem.venues.base import Keepalive, Route
from tandem.venues.binance import BinanceUsdm
from tandem.venues.bybit import Bybit
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tests.support.exchange import Exchange
from tests.support.recorder_desk import BTC, ETH, VENUES, Desk
from tests.support.waiting import wait_until


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


def test_ids_that_begin_anew_are_not_taken_for_repetitions(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BinanceUsdm(exchange.url), BTC)
    exchange.wait_for_streams("btcusdt@aggTrade")
    first = exchange.trade("BTCUSDT", 1.0, trade_id=5_000)
    exchange.trade("BTCUSDT", 2.0, trade_id=7, time_us=first.time_us + 1_000)
    exchange.trade("BTCUSDT", 3.0, trade_id=8, time_us=first.time_us + 2_000)
    wait_until(lambda: desk.buffer.count(BTC) == 3)
    assert recorder.status().gaps == 0


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
