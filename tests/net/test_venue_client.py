"""A venue that asks for fewer requests is asked less and less, whatever pause it names."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator

import pytest

from tandem.backfill.history import download_candles, download_funding, download_seconds
from tandem.core.clock import HOUR_US, MINUTE_US, now_us
from tandem.core.errors import FeedError, VenueRefused
from tandem.net.http import Client
from tandem.net.venue_client import Refused, Throttled, VenueClient, VenueClients
from tandem.venues.coingecko import CoinGecko
from tandem.venues.registry import create_rest
from tandem.venues.rest import Budget, Request
from tests.support.architecture import MODULES
from tests.support.rest_exchange import RestExchange, Tape

YEARS = Tape(1, 10, 1_700_000_000_000_000, 1_000_000)


def test_short_pauses_asked_for_again_and_again_grow() -> None:
    now_s = 1_000.0
    client = Client()
    with RestExchange() as exchange, contextlib.closing(client):
        exchange.tapes["BTCUSDT"] = YEARS
        exchange.fail(429, times=1_000, retry_after="0")
        gate = VenueClient("Venue", Budget(2_400, 60.0, 0.0), client, clock=lambda: now_s)
        request = Request(f"{exchange.url}/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1")
        asked, end_s = 0, now_s + 3_600.0
        while now_s < end_s:
            wait_s = gate.admit(request.weight)
            if wait_s:
                now_s += wait_s
                continue
            asked += 1
            try:
                gate.ask(request)
            except Throttled:
                continue
    assert 3 <= asked < 20


# One client per venue -------------------------------------------------------------------------

USDM, SPOT = "binance-usdm:BTCUSDT", "binance-spot:BTCUSDT"


@pytest.fixture
def exchange() -> Iterator[RestExchange]:
    with RestExchange() as one:
        one.tapes["BTCUSDT"] = YEARS
        yield one


@pytest.fixture
def clients(exchange: RestExchange) -> Iterator[VenueClients]:
    one = VenueClients(lambda venue: create_rest(venue, exchange.url), Client())
    yield one
    one.close()


def askers(clients: VenueClients, venue: str) -> list[Callable[[], object]]:
    """Return everything that asks a venue over REST, each as a call."""
    name, stop, end_us = f"{venue}:BTCUSDT", threading.Event(), now_us()
    span = (name, end_us - HOUR_US, end_us)
    known = clients.get(venue)
    assert known is not None
    asks: list[Callable[[], object]] = [
        lambda: download_candles(*span, clients, stop),
        lambda: clients.fetch_candles(*span, stop),
        lambda: clients.fetch_listing(known[0], stop),
    ]
    if known[0].has_seconds:
        asks.append(lambda: download_seconds(*span, clients, stop))
    if known[0].has_funding:
        asks.append(lambda: download_funding(*span, clients, stop))
    return asks


@pytest.mark.parametrize("venue", ["binance-usdm", "binance-spot"])
@pytest.mark.parametrize(("status", "kind"), [(418, Throttled), (429, Throttled), (451, Refused)])
def test_a_pause_that_a_venue_asks_for_holds_for_everybody(
    exchange: RestExchange, clients: VenueClients, venue: str, status: int, kind: type[FeedError]
) -> None:
    asks = askers(clients, venue)
    exchange.fail(status, times=1_000, retry_after="600")
    for ask in [*asks, *asks]:
        with pytest.raises(kind):
            ask()
    assert len(exchange.asked) == 1


def test_what_one_spends_is_not_there_for_the_next(
    exchange: RestExchange, clients: VenueClients
) -> None:
    known = clients.get("binance-usdm")
    assert known is not None
    client = known[1]
    before = client.ready_in(1_920)
    download_candles(USDM, now_us() - 5 * MINUTE_US, now_us(), clients, threading.Event())
    assert before == 0.0 < client.ready_in(1_920)


def test_a_polled_feed_and_its_list_have_one_client(clients: VenueClients) -> None:
    first, again = CoinGecko("https://x.test"), CoinGecko("https://x.test")
    assert clients.client(first) is clients.client(again)


def test_a_refusal_stays_a_refusal_for_who_asks_later(
    exchange: RestExchange, clients: VenueClients
) -> None:
    exchange.fail(403)
    known = clients.get("binance-spot")
    assert known is not None
    for _ in range(2):
        with pytest.raises(VenueRefused) as caught:
            clients.fetch_listing(known[0], threading.Event())
        assert caught.value.status == 403


TEXTS = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}


@pytest.mark.parametrize(
    ("made", "by"),
    [
        ("VenueClient", {"tandem.net.venue_client"}),
        ("VenueClients", {"tandem.net.factory"}),
        # The process's own; without one, where a part is used by itself.
        (
            "venue_clients",
            {
                *("tandem.engine", "tandem.ingest.headless"),
                *("tandem.ingest.service", "tandem.surveillance.headless"),
            },
        ),
        # Of venues, and of the channels of alerts.
        (
            "Client",
            {"tandem.net.factory", "tandem.net.venue_client", "tandem.alerts.channels.factory"},
        ),
        (
            "retry_after_s",
            {"tandem.net.venue_client", "tandem.alerts.channels.web", "tandem.ingest.errors"},
        ),
    ],
)
def test_who_makes_clients(made: str, by: set[str]) -> None:
    # Dask has a client of its own.
    texts = {name: text for name, text in TEXTS.items() if "from distributed import" not in text}
    call = re.compile(rf"(?<!class )(?<!def )(?<![\w.]){made}\(")
    assert {name for name, text in texts.items() if call.search(text)} == by


def test_retry_after_is_parsed_in_one_place() -> None:
    parsing = {name for name, text in TEXTS.items() if '"retry-after"' in text.lower()}
    assert parsing == {"tandem.net.rate_limit"}
