"""Holes of a real record, filled from a stand-in exchange: the difference is in the table."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backfill import Backfill, Client, Progress, gate, job, worker
from config import Settings
from feeds.rest import Budget, RestVenue, create
from feeds.rest.kraken import KrakenRest
from market import DAY_US, MINUTE_US, FeedError, Gap, now_us
from storage import Store
from tests.exchange import wait_until
from tests.rest_exchange import RestExchange, Tape

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


@pytest.fixture
def exchange() -> Iterator[RestExchange]:
    with RestExchange() as exchange:
        yield exchange


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits; what is waited for stays."""
    monkeypatch.setattr(worker, "POLL_S", 0.05)
    monkeypatch.setattr(job, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(job, "_LAST_WAIT_S", 0.1)
    monkeypatch.setattr(gate, "_FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(gate, "_LAST_RETRY_S", 0.1)
    monkeypatch.setattr(KrakenRest, "budget", Budget(100, 15.0, 0.0))


@contextlib.contextmanager
def desk_at(
    path: Path, exchange: RestExchange, venues: Callable[[str], RestVenue | None] | None = None
) -> Iterator[Desk]:
    store = Store.open(path / "tandem.sqlite", batch_ms=2)
    client = Client(connect_s=0.5, read_s=0.5, total_s=0.5)
    filler = Backfill(
        Settings(), store, venues or (lambda venue: create(venue, exchange.url)), client
    )
    try:
        yield Desk(exchange, store, filler, client)
    finally:
        assert filler.stop(5.0)
        store.close()


@pytest.fixture
def desk(tmp_path: Path, exchange: RestExchange) -> Iterator[Desk]:
    with desk_at(tmp_path, exchange) as desk:
        yield desk


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


# Every venue ----------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", [USDM, SPOT, COINBASE, KRAKEN])
@pytest.mark.parametrize("by_time", [False, True], ids=["by id", "by time"])
def test_a_hole_of_three_pages_is_filled_with_the_very_trades(
    desk: Desk, instrument: str, by_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tape(10_000)
    before_us = now_us()
    gap = hole(desk, instrument, made, 2_000, 4_499, by_time)
    desk.settle()
    assert desk.ids(instrument) == expected(made, 2_000, 4_499)
    (filled,) = desk.gaps()
    assert filled == gap._replace(state="filled", start_us=filled.start_us, end_us=filled.end_us)
    stored = desk.store.trades(instrument, made.time_of(2_000), made.time_of(4_499) + 1)
    for trade in stored:
        assert trade._replace(received_us=0) == made.trade(instrument, trade.trade_id)
        assert before_us <= trade.received_us <= now_us()


@pytest.mark.parametrize("instrument", [USDM, SPOT, COINBASE, KRAKEN])
def test_an_id_jump_of_one_is_filled(desk: Desk, instrument: str) -> None:
    made = tape(3_000)
    gap = hole(desk, instrument, made, 2_000, 2_000)
    desk.settle()
    assert desk.ids(instrument) == expected(made, 2_000, 2_000)
    assert desk.gaps()[0][:3] == gap[:3]
    assert [one.state for one in desk.gaps()] == ["filled"]


@pytest.mark.parametrize("instrument", [USDM, COINBASE, KRAKEN])
def test_ids_the_venue_does_not_have_are_lost_and_the_others_filled(
    desk: Desk, instrument: str
) -> None:
    made = tape(10_000, missing=frozenset([2_100, 2_101, 3_000]))
    gap = hole(desk, instrument, made, 2_000, 4_000)
    desk.settle()
    assert desk.ids(instrument) == expected(made, 2_000, 4_000)
    assert_whole(gap, desk.gaps())
    lost = [(one.first_id, one.last_id) for one in desk.gaps("lost")]
    assert lost == [(2_100, 2_101), (3_000, 3_000)]
    wait_until(lambda: "3 trades of" in (p.text if (p := desk.progress(instrument)) else ""))


def test_ids_missing_in_a_hole_by_time_are_recorded(desk: Desk) -> None:
    made = tape(10_000, missing=frozenset([2_500]))
    hole(desk, SPOT, made, 2_000, 4_000, by_time=True)
    desk.settle()
    assert desk.ids(SPOT) == expected(made, 2_000, 4_000)
    assert [one[1:3] for one in desk.gaps("lost")] == [(2_500, 2_500)]
    assert [one[1:3] for one in desk.gaps("filled")] == [(-1, -1)]


def test_listings_come_through_the_same_gate(desk: Desk) -> None:
    desk.exchange.tapes["ETHUSDT"] = tape(1)
    (listing,) = desk.backfill.fetch_listing("binance-usdm")
    assert (listing.symbol, listing.base, listing.quote) == ("ETHUSDT", "ETH", "USDT")
    with pytest.raises(FeedError, match="sim has no list"):
        desk.backfill.fetch_listing("sim")
    desk.exchange.fail(451)
    with pytest.raises(FeedError, match="HTTP 451: it does not serve this region"):
        desk.backfill.fetch_listing("binance-spot")
    # It is not asked again so soon.
    asked = len(desk.exchange.asked)
    with pytest.raises(FeedError, match="refuses this address"):
        desk.backfill.fetch_listing("binance-spot")
    assert len(desk.exchange.asked) == asked
