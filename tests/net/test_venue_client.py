"""A venue that asks for fewer requests is asked less and less, whatever pause it names."""

import contextlib

from tandem.net.http import Client
from tandem.net.venue_client import Throttled, VenueClient
from tandem.venues.rest import Budget, Request
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
