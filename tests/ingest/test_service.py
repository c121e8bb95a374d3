"""One ingest per process: the venues in use, the automatic choice, and the command line."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.config import Settings
from tandem.core.errors import SettingError
from tandem.core.events import Trade
from tandem.core.threads import backoff
from tandem.ingest.connection import Timing
from tandem.ingest.errors import explain
from tandem.ingest.service import Ingest
from tandem.ingest.status import Choice
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.registry import VENUES, create_feed, tried
from tests.support.exchange import DeafServer, Exchange, unused_url
from tests.support.settings import settings_of
from tests.support.waiting import wait_until

QUICK = Timing(connect_s=5.0, silence_s=0.5, reach_s=1.0, poll_s=0.05)
BTC = "binance-usdm:BTCUSDT"


class NoSink:
    """Takes everything and keeps nothing."""

    def submit(self, events: Any) -> None:
        """Release the batch."""


@contextlib.contextmanager
def running(settings: Settings, timing: Timing = QUICK) -> Iterator[tuple[Ingest, HotBuffer]]:
    buffer = HotBuffer(10_000)
    one = Ingest(settings, buffer, NoSink(), timing, lambda: iter([0.02] * 10_000))
    try:
        yield one, buffer
    finally:
        one.stop(5.0)
    wait_until(lambda: not _threads(), "the end of every thread")


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("ingest-") and name != "ingest-probe"]


def test_watch_starts_changes_and_ends_a_venue(exchange: Exchange) -> None:
    with running(exchange.settings()) as (one, buffer):
        assert one.status("binance-usdm").state == "stopped"
        one.watch("binance-usdm", frozenset({BTC}))
        exchange.wait_for_streams("btcusdt@aggTrade")
        exchange.trade("BTCUSDT", 61_000.0)
        wait_until(lambda: buffer.last(BTC))
        one.watch("binance-usdm", frozenset({"binance-usdm:ETHUSDT"}))
        exchange.wait_for_streams("ethusdt@aggTrade")
        one.watch("binance-usdm", frozenset())
        wait_until(lambda: exchange.connections() == 0)
        assert one.status("binance-usdm").state == "stopped"
        assert one.statuses() == ()


def test_legs_on_two_venues(exchange: Exchange) -> None:
    with running(exchange.settings()) as (one, buffer):
        one.watch("binance-usdm", frozenset({BTC}))
        one.watch("coinbase", frozenset({"coinbase:BTC-USD"}))
        exchange.wait_for_streams("btcusdt@aggTrade", "BTC-USD")
        exchange.trade("BTCUSDT", 61_000.0)
        exchange.trade("BTC-USD", 61_005.0)
        wait_until(lambda: set(buffer.instruments()) == {BTC, "coinbase:BTC-USD"})
        assert {status.venue for status in one.statuses()} == {"binance-usdm", "coinbase"}


def test_a_named_venue_is_chosen_at_once() -> None:
    with running(Settings()) as (one, _):
        one.resolve("coinbase")
        assert one.choice() == Choice("coinbase")


def settled(one: Ingest) -> Choice:
    one.resolve("auto")
    assert one.choice().trying == "Binance USD-M"
    return wait_until(lambda: (choice := one.choice()).venue and choice, "a choice")


def test_auto_takes_the_first_venue_that_trades(exchange: Exchange) -> None:
    exchange.play(50.0, ["ETHUSDT", "BTCUSDT"])
    with running(exchange.settings()) as (one, buffer):
        assert settled(one) == Choice("binance-usdm")
        assert buffer.instruments()
        assert one.status("binance-usdm").state == "live"


def test_auto_passes_over_a_refusal_and_says_so(exchange: Exchange) -> None:
    exchange.refuse(451, "/market")
    exchange.play(50.0, ["ETHUSDT", "BTCUSDT"])
    with running(exchange.settings()) as (one, _):
        choice = settled(one)
        assert choice.venue == "binance-spot"
        assert choice.reasons == (
            "Binance USD-M refused this address (HTTP 451: not available in this region)",
        )
        assert one.status("binance-usdm").state == "stopped"


def test_auto_goes_down_the_whole_list_with_a_reason_each(exchange: Exchange) -> None:
    exchange.refuse(403, "/market")
    exchange.refuse(500, "/stream")
    with running(exchange.settings()) as (one, _):
        choice = settled(one)
        assert choice.venue == "sim"
        assert choice.reasons == (
            "Binance USD-M refused this address "
            "(HTTP 403: forbidden, possibly a region restriction)",
            "Binance spot is temporarily unavailable (HTTP 500)",
            "Coinbase connected but sent no trade within 0.5 s",
            "Kraken connected but sent no trade within 0.5 s",
        )
        wait_until(lambda: exchange.connections() == 0)


def test_auto_comes_to_kraken_when_those_before_it_refuse(exchange: Exchange) -> None:
    exchange.refuse(451, "/market")
    exchange.refuse(451, "/stream")
    exchange.refuse(429, "/coinbase")
    exchange.play(50.0, ["BTC/USD", "ETH/USD"])
    with running(exchange.settings()) as (one, buffer):
        choice = settled(one)
        assert choice == Choice(
            "kraken",
            "",
            (
                "Binance USD-M refused this address (HTTP 451: not available in this region)",
                "Binance spot refused this address (HTTP 451: not available in this region)",
                "Coinbase rate-limited connections (HTTP 429)",
            ),
        )
        assert one.status("kraken").state == "live"
        assert set(buffer.instruments()) <= {"kraken:BTC/USD", "kraken:ETH/USD"}
        assert [status.venue for status in one.statuses()] == ["kraken"]


def test_auto_without_a_network_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(
        binance_usdm_url="ws://nowhere.invalid",
        binance_spot_url=unused_url(),
        coinbase_url="wss://nowhere.invalid",
        kraken_url="wss://nowhere.invalid",
    )
    with running(settings) as (one, _):
        choice = settled(one)
    assert choice.venue == "sim"
    found, nobody, *_ = choice.reasons
    assert len(choice.reasons) == len(tried())
    assert "nowhere.invalid could not be resolved" in found
    assert "connection refused" in nobody


def test_addresses_that_swallow_everything_cost_one_limit_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def swallow(address: Any, timeout: float) -> Any:
        released.wait(20.0)
        raise TimeoutError

    monkeypatch.setattr("tandem.ingest.service.socket.create_connection", swallow)
    with running(Settings(), Timing(reach_s=0.2)) as (one, _):
        choice = settled(one)
        released.set()
    assert choice.venue == "sim"
    assert [reason.partition(":")[0] for reason in choice.reasons] == [
        "Binance USD-M",
        "Binance spot",
        "Coinbase",
        "Kraken",
    ]
    assert all("timed out" in reason for reason in choice.reasons)


def test_auto_behind_a_proxy_does_not_judge_by_bare_connections(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(
        "tandem.ingest.service._probe", lambda *_: pytest.fail("probed behind a proxy")
    )
    exchange.play(50.0, ["ETHUSDT"])
    with running(exchange.settings()) as (one, _):
        assert settled(one).venue == "binance-usdm"


def test_stop_while_choosing() -> None:
    with DeafServer() as server:
        names = ("binance_usdm_url", "binance_spot_url", "coinbase_url", "kraken_url")
        settings = settings_of(**dict.fromkeys(names, server.url))
        with running(settings, Timing()) as (one, _):
            one.resolve("auto")
            wait_until(lambda: one.status("binance-usdm").state == "connecting")
            one.stop(2.0)
            assert one.choice().venue is None


def test_what_the_user_asked_for_outlives_a_failed_attempt(exchange: Exchange) -> None:
    exchange.refuse(451, "/market")
    exchange.refuse(451, "/stream")
    exchange.play(50.0, ["BTC-USD", "ETH-USD"])
    with running(exchange.settings()) as (one, _):
        one.watch("binance-usdm", frozenset({BTC}))
        assert settled(one).venue == "coinbase"
        assert one.status("binance-usdm").state == "refused"


def test_every_venue_of_the_settings_has_a_feed() -> None:
    settings = Settings()
    for venue in VENUES:
        feed = create_feed(venue, settings)
        assert feed.venue == venue
        assert all(feed.instrument(symbol) == f"{venue}:{symbol}" for symbol in feed.popular)
    with pytest.raises(SettingError, match="'mars' is not a venue"):
        create_feed("mars", settings)


def test_backoff_is_jittered_doubles_and_is_capped() -> None:
    waits = [wait for wait, _ in zip(backoff(0.5, 8.0), range(200), strict=False)]
    assert all(wait <= limit for wait, limit in zip(waits, [0.5, 1, 2, 4, 8, 8], strict=False))
    assert max(waits) <= 8.0
    assert min(waits[10:]) < 4.0 < max(waits[10:])


def test_unknown_failures_are_worth_a_retry() -> None:
    error = explain(OSError(101, "Network is unreachable"), "Venue", "wss://host.test:9/x?token=1")
    assert str(error) == "Venue: host.test:9 could not be reached (Network is unreachable)"


def test_a_replay_of_the_store_has_its_own_now(tmp_path: Path) -> None:
    start = 1_795_000_000_000_000
    path = tmp_path / "tandem.sqlite"
    store = Store.open(path)
    sent = [Trade(BTC, n, start + n * 1_000, 5.0, 1.0, 1, start + n * 1_000) for n in range(50)]
    sent += [Trade("sim:ETHUSDT", 9, start, 4.0, 1.0, 1, start + 500)]
    store.submit(sent)
    assert store.flush(10.0)
    store.close()
    settings = Settings(replay_file=str(path), replay_speed=0.0)
    with running(settings) as (one, buffer):
        names = frozenset({"replay:BTCUSDT", "replay:ETHUSDT"})
        one.watch("replay", names)
        wait_until(lambda: one.status("replay").state == "ended")
        assert buffer.count("replay:BTCUSDT") == 50
        assert buffer.count("replay:ETHUSDT") == 1
        assert one.now_us("replay") == start + 49_000
        assert one.status("replay").text == "Replay: replay finished."


def test_a_replay_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("date,close\n")
    with running(Settings(replay_file=str(path))) as (one, _):
        one.watch("replay", frozenset({"replay:BTCUSDT"}))
        status = wait_until(lambda: (s := one.status("replay")).state == "refused" and s)
        assert "prices.csv has the columns 'date, close'" in status.text
