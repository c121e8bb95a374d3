"""A record with holes, a stand-in exchange, and what fills them: for the tests of backfill."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tandem.backfill import jobs as job
from tandem.backfill import worker
from tandem.backfill.progress import Progress
from tandem.backfill.worker import Backfill
from tandem.config import Settings
from tandem.core.clock import DAY_US, MINUTE_US, now_us
from tandem.core.events import Gap
from tandem.net import venue_client as gate
from tandem.net.http import Client
from tandem.net.venue_client import VenueClients
from tandem.storage.store import Store
from tandem.venues.coinbase import CoinbaseRest
from tandem.venues.kraken import KrakenRest
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Budget, RestVenue
from tests.support.rest_exchange import RestExchange, Tape
from tests.support.waiting import wait_until

USDM, SPOT = "binance-usdm:BTCUSDT", "binance-spot:BTCUSDT"
COINBASE, KRAKEN = "coinbase:BTC-USD", "kraken:BTC/USD"
SYMBOLS = {USDM: "BTCUSDT", SPOT: "BTCUSDT", COINBASE: "BTC-USD", KRAKEN: "XBTUSD"}


@dataclass
class Desk:
    """A record with a hole, an exchange that has what is missing, and who fills it."""

    exchange: RestExchange
    store: Store
    backfill: Backfill
    client: Client

    def gaps(self, *states: str) -> list[Gap]:
        self.store.flush(5.0)
        return self.store.gaps(None, 0, states or ("open", "filled", "candles", "lost"))

    def settle(self) -> None:
        """Wait until no hole is open."""
        self.backfill.start()
        self.wait_settled()

    def wait_settled(self) -> None:
        wait_until(lambda: not self.gaps("open"), "filling")

    def ids(self, instrument: str) -> list[Any]:
        self.store.flush(5.0)
        trades = self.store.trades(instrument, 0, now_us() + DAY_US, 10_000_000)
        return sorted(trade.trade_id for trade in trades)

    def progress(self, instrument: str) -> Progress | None:
        return next((p for p in self.backfill.progress() if p.instrument == instrument), None)


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits; what is waited for stays."""
    monkeypatch.setattr(worker, "POLL_S", 0.05)
    monkeypatch.setattr(job, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(job, "_LAST_WAIT_S", 0.1)
    monkeypatch.setattr(job, "_LAST_MISSING_WAIT_S", 0.1)
    monkeypatch.setattr(job, "PATIENCE_US", 1)
    monkeypatch.setattr(gate, "_FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(gate, "_LAST_RETRY_S", 0.1)
    monkeypatch.setattr(KrakenRest, "budget", Budget(100, 15.0, 0.0))
    monkeypatch.setattr(CoinbaseRest, "budget", Budget(100, 1.0, 0.0))


@contextlib.contextmanager
def desk_at(
    path: Path,
    exchange: RestExchange,
    venues: Callable[[str], RestVenue | None] | None = None,
    total_s: float = 60.0,
) -> Iterator[Desk]:
    """Open the database in a folder and what fills it, waiting at most so long for an answer."""
    store = Store.open(path / "tandem.sqlite", batch_ms=2)
    client = Client(connect_s=total_s, read_s=total_s, total_s=total_s)
    asked = venues or (lambda venue: create(venue, exchange.url))
    clients = VenueClients(asked, client, store.load_state, store.save_state)
    filler = Backfill(Settings(), store, clients)
    try:
        yield Desk(exchange, store, filler, client)
    finally:
        assert filler.stop(5.0)
        store.close()


def tape(count: int, minutes_ago: float = 60.0, step_us: int = 20_000, **others: Any) -> Tape:
    start_us = (now_us() - int(minutes_ago * MINUTE_US)) // 1000 * 1000
    return Tape(1_000, count, start_us, step_us, **others)


def hole(
    desk: Desk, instrument: str, made: Tape, first: int, last: int, by_time: bool = False
) -> Gap:
    """Record a tape without some trades, and the hole as the recorder would."""
    desk.exchange.tapes[SYMBOLS[instrument]] = made
    around = [*range(max(first - 50, made.first_id), first)]
    around += [*range(last + 1, min(last + 51, made.last_id + 1))]
    trades = [made.trade(instrument, one) for one in around if one not in made.missing]
    ids = (-1, -1) if by_time else (first, last)
    gap = Gap(instrument, *ids, made.time_of(first - 1), made.time_of(last + 1), "open")
    desk.store.submit([*trades, gap])
    desk.store.flush(5.0)
    return gap


def expected(made: Tape, first: int, last: int) -> list[int]:
    return [one for one in range(first - 50, last + 51) if one not in made.missing]


def assert_whole(gap: Gap, pieces: list[Gap]) -> None:
    """Check that pieces by id are exactly a hole by id."""
    pieces = sorted(pieces, key=lambda piece: piece.first_id)
    assert pieces[0].first_id == gap.first_id
    assert pieces[-1].last_id == gap.last_id
    for before, after in zip(pieces, pieces[1:], strict=False):
        assert after.first_id == before.last_id + 1
