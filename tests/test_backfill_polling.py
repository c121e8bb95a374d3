"""Polling prices: CoinGecko's answers through the real client, from a stand-in."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backfill import Client, Gate, gate, poll, poll_once, polling
from feeds.coingecko import CoinGecko
from market import SECOND_US, FeedError, Trade, now_us
from tests.exchange import wait_until


class Stand:
    """Serves prepared answers, and keeps the headers it was asked with."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[tuple[str, str | None]] = []
        stand = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand.asked.append((self.path, self.headers.get("x-cg-demo-api-key")))
                status, body = stand.answers.pop(0) if stand.answers else (200, b"{}")
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def price(self, **prices: float) -> None:
        moment = now_us() // SECOND_US
        answer = {name: {"usd": price, "last_updated_at": moment} for name, price in prices.items()}
        self.answers.append((200, json.dumps(answer).encode()))


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    thread = threading.Thread(target=stand.server.serve_forever, args=(0.02,))
    thread.start()
    yield stand
    stand.server.shutdown()
    thread.join()
    stand.server.server_close()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def coingecko(stand: Stand, client: Client, key: str = "") -> tuple[CoinGecko, Gate]:
    feed = CoinGecko(stand.url, key)
    feed.budget = feed.budget._replace(spacing_s=0.0)
    return feed, Gate(feed.title, feed.budget, client, feed.throttled)


def test_prices_come_with_the_key_in_a_header_only(stand: Stand, client: Client) -> None:
    feed, way = coingecko(stand, client, "hush")
    stand.price(bitcoin=47_295.0)
    got: list[Sequence[Trade]] = []
    poll_once(feed, way, ["coingecko:BITCOIN"], got.append, threading.Event())
    ((trade,),) = got
    assert (trade.instrument, trade.price) == ("coingecko:BITCOIN", 47_295.0)
    ((path, key),) = stand.asked
    assert key == "hush"
    assert "hush" not in path


def test_the_key_is_in_no_error_and_no_log(
    stand: Stand, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for status, body in ((401, b"no"), (200, b"nonsense"), (500, b""), (429, b"")):
        feed, way = coingecko(stand, client, "hush")
        stand.answers.append((status, body))
        with pytest.raises(FeedError) as caught:
            poll_once(feed, way, ["coingecko:BITCOIN"], list, threading.Event())
        assert "hush" not in str(caught.value)
    assert "hush" not in caplog.text


def test_polling_goes_on_through_trouble_and_asks_at_once_for_what_is_new(
    stand: Stand, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_IDLE_S", 0.01)
    monkeypatch.setattr(gate, "_FIRST_RETRY_S", 0.01)
    feed, way = coingecko(stand, client)
    way = Gate(feed.title, feed.budget._replace(weight=1_000), client, feed.throttled)
    wanted: list[str] = []
    prices: list[Trade] = []
    told: list[str] = []
    stop = threading.Event()
    thread = threading.Thread(
        target=poll, args=(feed, way, lambda: list(wanted), prices.extend, told.append, stop)
    )
    thread.start()
    try:
        stand.answers.append((500, b""))
        wanted.append("coingecko:BITCOIN")
        wait_until(lambda: told)
        (text,) = told
        assert "could not answer (HTTP 500). The last prices stay; it is asked again in 60" in text
        stand.price(bitcoin=47_295.0, ethereum=3_561.2)
        wanted.append("coingecko:ETHEREUM")
        wait_until(lambda: len(prices) == 2)
        wait_until(lambda: told[-1] == "")
        assert len(stand.asked) == 2
    finally:
        stop.set()
        thread.join(20.0)
    assert not thread.is_alive()
