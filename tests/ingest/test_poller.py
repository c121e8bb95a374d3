"""The recorder of a polled feed: CoinGecko's answers over HTTP, from a stand-in on this machine."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tandem.backfill.service import BackfillService
from tandem.config import Settings
from tandem.core.clock import SECOND_US, now_us, steady_s
from tandem.core.errors import FeedError
from tandem.core.events import Gap, Trade
from tandem.engine import Engine
from tandem.ingest.connection import Timing
from tandem.ingest.poller import Poller
from tandem.ingest.service import Ingest
from tandem.net import venue_client as gate
from tandem.net.factory import venue_clients
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.coingecko import CoinGecko
from tandem.venues.registry import create_feed, patience
from tests.support.exchange import unused_url
from tests.support.settings import settings_of
from tests.support.sinks import MemorySink
from tests.support.waiting import wait_until

BITCOIN, ETHEREUM = "coingecko:BITCOIN", "coingecko:ETHEREUM"
KEY = "CG-hush-hush"
ONE = frozenset({BITCOIN})
COINS = json.dumps(
    [
        {"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"},
        {"id": "ethereum", "symbol": "eth", "name": "Ethereum"},
        {"id": "jupiter-exchange-solana", "symbol": "jup", "name": "Jupiter"},
    ]
).encode()


class Stand:
    """Answers for prices as told, one after another; the last answer again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[tuple[str, str | None, float]] = []
        self.released = threading.Event()
        self.released.set()
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                key = self.headers.get("x-cg-demo-api-key")
                stand.asked.append((self.path, key, steady_s()))
                stand.released.wait(20.0)
                is_list = self.path.startswith("/api/v3/coins/list")
                status, body, headers = (200, COINS, {}) if is_list else stand.next()
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def next(self) -> tuple[int, bytes, dict[str, str]]:
        if not self.answers:
            return 200, b"{}", {}
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    def price(self, at_us: int | None = None, **prices: float) -> None:
        """Answer with prices computed at a time."""
        second = (now_us() if at_us is None else at_us) // SECOND_US
        entries = {n: {"usd": p, "last_updated_at": second} for n, p in prices.items()}
        self.say(200, json.dumps(entries).encode())


class Bench:
    """A poller with its surroundings; impatient, because markets are not."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.sink = MemorySink()
        self.buffer = HotBuffer(1_000)
        self.pollers: list[Poller] = []

    def poller(
        self,
        every_s: float = 0.1,
        stale_s: float = 180.0,
        key: str = "",
        url: str = "",
        **others: Any,
    ) -> Poller:
        feed = CoinGecko(url or self.stand.url, key)
        feed.stale_s = stale_s
        feed.every_s, feed.budget = every_s, feed.budget._replace(weight=10_000, spacing_s=0.0)
        door = venue_clients(Settings()).prices(feed)
        timing = Timing(refused_s=60.0)
        one = Poller(feed, door, self.sink, self.buffer, timing, **others)
        self.pollers.append(one)
        return one

    def started(self, names: frozenset[str] = ONE, **others: Any) -> Poller:
        one = self.poller(**others)
        one.watch(names)
        one.start()
        return one

    def prices(self) -> list[float]:
        return [trade.price for trade in self.sink.of(Trade)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(gate, "_FIRST_RETRY_S", 0.05)
    stand = Stand()
    thread = threading.Thread(target=stand.server.serve_forever, args=(0.02,))
    thread.start()
    one = Bench(stand)
    yield one
    stand.released.set()
    for poller in one.pollers:
        poller.stop(5.0)
    stand.server.shutdown()
    thread.join()
    stand.server.server_close()


def polls(bench: Bench, count: int) -> None:
    """Wait until it was asked `count` times more."""
    before = len(bench.stand.asked)
    wait_until(lambda: len(bench.stand.asked) >= before + count)


def test_prices_reach_buffer_and_record_once_however_often_they_are_repeated(bench: Bench) -> None:
    bench.stand.price(now_us() - 5 * SECOND_US, bitcoin=47_295.0, ethereum=3_561.2)
    one = bench.started(ONE | {ETHEREUM})
    polls(bench, 4)
    bench.stand.price(bitcoin=47_300.0, ethereum=3_562.0)
    wait_until(lambda: len(bench.prices()) == 4)
    polls(bench, 3)
    assert sorted(bench.prices()) == [3_561.2, 3_562.0, 47_295.0, 47_300.0]
    assert [trade.price for trade in bench.buffer.tail(BITCOIN, 10)] == [47_295.0, 47_300.0]
    status = one.status()
    assert (status.state, status.trades, status.gaps, status.silent) == ("live", 4, 0, ())
    assert status.last_trade_us[BITCOIN] == bench.buffer.tail(BITCOIN, 1)[0].time_us
    assert "prices only, polled every 0.1 s" in status.text
    assert one.failure() is None
    assert one.open_for() > 0.0


def test_a_price_of_minutes_ago_is_a_delay_and_no_wrong_clock(bench: Bench) -> None:
    bench.stand.price(now_us() - 90 * SECOND_US, bitcoin=47_295.0)
    one = bench.started()
    wait_until(bench.prices)
    status = wait_until(lambda: one.status() if one.status().trades else None)
    assert 85_000 < status.delay_ms < 120_000
    assert status.clock_skew_ms == 0.0


def test_nothing_is_asked_while_nothing_is_wanted_and_what_is_new_is_asked_for_at_once(
    bench: Bench,
) -> None:
    bench.stand.price(bitcoin=47_295.0)
    bench.stand.price(ethereum=3_561.2)
    one = bench.started(frozenset(), every_s=600.0)
    one.watch(ONE)
    wait_until(lambda: bench.prices() == [47_295.0])
    one.watch(ONE | {ETHEREUM})
    wait_until(lambda: 3_561.2 in bench.prices())
    (first, _, _), (second, _, _) = bench.stand.asked
    assert "ids=bitcoin&" in first
    assert "ids=ethereum&" in second


def test_prices_of_what_is_not_watched_are_left_out(bench: Bench) -> None:
    bench.stand.price(bitcoin=47_295.0, ethereum=3_561.2)
    bench.started()
    wait_until(bench.prices)
    polls(bench, 2)
    assert bench.prices() == [47_295.0]


def test_retry_after_is_honoured_and_then_prices_go_on(bench: Bench) -> None:
    bench.stand.say(429, b"{}", Retry_After="1")
    bench.stand.price(bitcoin=47_295.0)
    one = bench.started(every_s=0.05)
    status = wait_until(lambda: one.status() if one.failure() else None)
    assert status.state == "reconnecting"
    assert "asked for fewer requests (HTTP 429)" in status.text
    assert "Recorded data is kept" in status.text
    assert re.search(r"; next attempt in [01] s\.$", status.text)
    wait_until(bench.prices)
    (_, _, first), (_, _, second) = bench.stand.asked[:2]
    assert second - first >= 1.0
    wait_until(lambda: one.status().state == "live")


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"\xff\xfe", b'{"bitcoin":{"usd":-1}}', b'{"bitcoin":7}']
)
def test_garbage_is_counted_and_does_not_end_it(bench: Bench, body: bytes) -> None:
    bench.stand.say(200, body)
    one = bench.started()
    status = wait_until(lambda: one.status() if one.failure() else None)
    assert status.not_understood == status.messages > 0
    assert "could not be parsed" in status.text
    bench.stand.price(bitcoin=47_295.0)
    wait_until(lambda: bench.prices() == [47_295.0])
    wait_until(lambda: one.status().state == "live")


def test_a_price_dated_ahead_of_the_feeds_clock_is_not_understood(bench: Bench) -> None:
    bench.stand.price(now_us() + 3_600 * SECOND_US, bitcoin=1.0)
    bench.stand.price(bitcoin=47_295.0)
    one = bench.started()
    wait_until(lambda: one.status().not_understood == 1)
    assert bench.prices() == []


def test_an_asset_that_is_not_known_is_silent_while_the_others_are_live(bench: Bench) -> None:
    missing = "coingecko:NO-SUCH-COIN"
    one = bench.started(ONE | {missing}, every_s=0.05, stale_s=0.5)
    seconds = now_us() // SECOND_US - 1_000
    for step in range(400):
        bench.stand.price((seconds + step) * SECOND_US, bitcoin=47_000.0 + step)
    status = wait_until(lambda: one.status() if one.status().silent == (missing,) else None)
    assert status.state == "live"
    assert "without a new price for NO-SUCH-COIN for 0.5 s: check the symbol" in status.text
    assert status.text.endswith("The other prices are live.")


def test_where_every_price_is_missing_it_is_silent(bench: Bench) -> None:
    one = bench.started(every_s=0.05, stale_s=0.1)
    status = wait_until(lambda: one.status() if one.status().silent else None)
    assert status.state == "silent"
    assert "or choose another venue" in status.text


def test_the_key_goes_into_the_header_and_nowhere_else(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for status, body in ((401, b"no"), (200, b"nonsense"), (500, b""), (429, b"")):
        bench.stand.answers.clear()
        bench.stand.say(status, body)
        one = bench.started(key=KEY)
        wait_until(one.failure)
        assert KEY not in repr(one.status())
        assert KEY not in str(one.failure())
        one.stop(5.0)
    assert KEY not in caplog.text
    assert {key for _, key, _ in bench.stand.asked} == {KEY}
    assert not any("hush" in path for path, _, _ in bench.stand.asked)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not take the key"), (403, "403"), (451, "region")]
)
def test_a_refusal_is_said_and_not_repeated(bench: Bench, status: int, words: str) -> None:
    bench.stand.say(status)
    one = bench.started(every_s=0.01)
    said = wait_until(lambda: one.status() if one.failure() else None)
    assert said.state == "refused"
    assert words in said.text
    assert "Check the key, or choose another venue" in said.text
    one.watch(ONE | {ETHEREUM})
    assert len(bench.stand.asked) == 1


def test_failures_are_backed_off_and_got_over(bench: Bench) -> None:
    bench.stand.say(503)
    one = bench.started(every_s=0.01)
    wait_until(lambda: "could not answer (HTTP 503)" in one.status().text)
    polls(bench, 2)
    bench.stand.price(bitcoin=47_295.0)
    wait_until(lambda: bench.prices() == [47_295.0])
    wait_until(lambda: one.status().state == "live")


def test_where_nothing_answers_it_says_so(bench: Bench) -> None:
    one = bench.started(url=unused_url("http"))
    status = wait_until(lambda: one.status() if one.failure() else None)
    assert status.state == "reconnecting"
    assert "prices shown are the last ones received" in status.text


def test_it_stops_in_the_middle_of_a_hang(bench: Bench) -> None:
    bench.stand.released.clear()
    one = bench.started()
    wait_until(lambda: bench.stand.asked)
    assert one.stop(2.0)
    assert one.status().state == "stopped"
    assert bench.prices() == []


def test_it_stops_while_it_waits_and_before_it_began(bench: Bench) -> None:
    waiting = bench.started(every_s=600.0)
    wait_until(lambda: bench.stand.asked)
    assert waiting.stop(2.0)
    assert bench.poller().stop(2.0)


def test_a_restart_does_not_double_a_price_and_records_a_long_absence(bench: Bench) -> None:
    now = now_us() // SECOND_US * SECOND_US
    old = Trade(BITCOIN, 1, now - 3_600 * SECOND_US, 47_000.0, 0.0, 0, now - 3_600 * SECOND_US)
    recent = old._replace(time_us=now - 30 * SECOND_US, instrument=ETHEREUM)
    last = {BITCOIN: old, ETHEREUM: recent}
    bench.stand.price(now, bitcoin=47_295.0, ethereum=3_561.2)
    one = bench.started(ONE | {ETHEREUM}, recorded=last.get)
    wait_until(lambda: one.status().trades == 2)
    assert bench.sink.of(Gap) == [Gap(BITCOIN, -1, -1, old.time_us, now, "lost")]
    assert one.status().gaps == 1


def test_more_than_it_takes_are_left_out_and_it_says_so(bench: Bench) -> None:
    names = frozenset(f"coingecko:COIN-{number}" for number in range(301))
    one = bench.started(names)
    wait_until(lambda: len(bench.stand.asked) >= 3)
    assert "1 of 301 instruments are skipped" in " ".join(one.status().errors)
    asked = ",".join(path for path, _, _ in bench.stand.asked[:3])
    assert asked.count("coin-") == 300


def test_ingest_reads_it_like_any_other_venue(bench: Bench) -> None:
    bench.stand.price(bitcoin=47_295.0)
    settings = settings_of(coingecko_rest_url=bench.stand.url)
    ingest = Ingest(settings, bench.buffer, bench.sink)
    try:
        ingest.watch("coingecko", ONE)
        wait_until(lambda: ingest.status("coingecko").trades == 1)
        assert ingest.status("coingecko").state == "live"
        assert abs(ingest.now_us("coingecko") - now_us()) < 5 * SECOND_US
        ingest.watch("coingecko", frozenset())
        assert ingest.status("coingecko").state == "stopped"
    finally:
        ingest.stop()


def test_prices_and_the_list_of_assets_share_one_budget(bench: Bench, tmp_path: Path) -> None:
    bench.stand.say(429, Retry_After="3600")
    settings = settings_of(coingecko_rest_url=bench.stand.url)
    gates = venue_clients(settings)
    ingest = Ingest(settings, bench.buffer, bench.sink, clients=gates)
    store = Store.open(tmp_path / "t.sqlite")
    upkeep = BackfillService(settings, store, gates)
    try:
        ingest.watch("coingecko", ONE)
        wait_until(lambda: "fewer requests" in ingest.status("coingecko").text)
        with pytest.raises(FeedError, match="asked for fewer requests"):
            upkeep.members("coingecko")
        assert len(bench.stand.asked) == 1, "nothing is asked in a pause the venue asked for"
        # Nor by the one who asks for prices next.
        ingest.watch("coingecko", frozenset())
        ingest.watch("coingecko", ONE)
        wait_until(lambda: "fewer requests" in ingest.status("coingecko").text)
        assert len(bench.stand.asked) == 1
    finally:
        ingest.stop()
        upkeep.stop()
        store.close()


def test_polled_prices_are_given_more_time_and_others_are_not() -> None:
    settings = Settings()
    assert patience("binance-usdm", settings) == (0.5, 30.0, 1.0)
    slow = patience("coingecko", settings)
    feed = create_feed("coingecko", settings)
    assert isinstance(feed, CoinGecko)
    assert slow.stale_s > 2 * feed.every_s
    assert slow.grace_s > feed.every_s
    keyed = patience("coingecko", settings_of(coingecko_key=KEY))
    assert keyed.stale_s > slow.stale_s


def test_the_whole_engine_shows_its_prices_and_finds_its_symbols(
    bench: Bench, tmp_path: Path
) -> None:
    bench.stand.price(bitcoin=47_295.0, ethereum=3_561.2)
    running = Engine(
        settings_of(
            venue="coingecko",
            symbols="ETH,BTC",
            public="off",
            database=tmp_path / "t.sqlite",
            coingecko_rest_url=bench.stand.url,
            coingecko_key=KEY,
        )
    )
    running.start()
    try:
        (pair,) = running.subscriptions.default_pairs()
        assert (pair.y, pair.x, pair.bar_us) == (ETHEREUM, BITCOIN, 300 * SECOND_US)
        shot = wait_until(lambda: (now := running.snapshots.look("a", pair)).x.trade and now)
        assert (shot.x.trade.price, shot.x.trade.quantity) == (47_295.0, 0.0)
        assert shot.y.stale_s == 900.0
        # Polled prices do not bounce between bid and ask: nothing can be estimated from them.
        assert running.snapshots._half_spread(shot.x, 0.7) == (0.7, True)
        catalogue = running.backfill.catalogue
        wait_until(lambda: catalogue.listed_us("coingecko"), "a list of symbols")
        found = catalogue.search("coingecko", "jup")
        assert [listing.symbol for listing in found] == ["JUPITER-EXCHANGE-SOLANA"]
        resolve = running.subscriptions.resolve
        assert resolve("coingecko", "jup") == "coingecko:JUPITER-EXCHANGE-SOLANA"
        assert resolve("coingecko", "btc/usdt") == BITCOIN
    finally:
        running.stop()
    assert {key for _, key, _ in bench.stand.asked} == {KEY}
