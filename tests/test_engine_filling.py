"""The whole engine against stand-ins of a venue's stream and REST: holes filled, pasts given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem import engine as engine_module
from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.engine import Engine
from tandem.pairs.stream import PairSettings
from tests.support.exchange import Exchange
from tests.support.rest_exchange import RestExchange, Tape
from tests.support.waiting import wait_until

PAIR = PairSettings("binance-usdm:ETHUSDT", "binance-usdm:BTCUSDT", lookback=20, z_window=10)
SYMBOLS = ("ETHUSDT", "BTCUSDT")
STEP_US = SECOND_US // 4


@pytest.fixture
def venue() -> Iterator[tuple[Exchange, RestExchange]]:
    with Exchange() as stream, RestExchange() as rest:
        count = 2 * HOUR_US // STEP_US
        start_us = now_us() // STEP_US * STEP_US - count * STEP_US
        for symbol in SYMBOLS:
            rest.tapes[symbol] = Tape(1, count, start_us, STEP_US)
        yield stream, rest


def running(
    venue: tuple[Exchange, RestExchange], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Engine:
    monkeypatch.setattr(engine_module, "PAGE_S", 0.0)
    stream, rest = venue
    made = Engine(
        stream.settings(
            venue="binance-usdm",
            symbols="ETH,BTC",
            public="off",
            database=folder / "t.sqlite",
            binance_usdm_rest_url=rest.url,
        )
    )
    made.start()
    return made


def subscribed(stream: Exchange) -> None:
    stream.wait_for_streams(*(f"{symbol.lower()}@aggTrade" for symbol in SYMBOLS))


def send(venue: tuple[Exchange, RestExchange], trade_id: int) -> None:
    """Send a trade of the tape on the stream, as the venue did at its time."""
    stream, rest = venue
    for symbol in SYMBOLS:
        tape = rest.tapes[symbol]
        trade = tape.trade("", trade_id)
        stream.trade(symbol, trade.price, trade.quantity, trade.side, trade.time_us, trade_id)


def last_seen(engine: Engine) -> Any:
    """Return the id of the trade that arrived last on both legs."""
    newest = [engine.buffer.last(leg) for leg in (PAIR.y, PAIR.x)]
    return min((trade.trade_id for trade in newest if trade), default=None)


def ids(engine: Engine, instrument: str) -> list[Any]:
    trades = engine.store.trades(instrument, 0, now_us() + HOUR_US, 100_000)
    return sorted(trade.trade_id for trade in trades)


def test_what_was_missed_while_off_is_fetched_at_the_next_start(
    venue: tuple[Exchange, RestExchange],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = venue[1].tapes["ETHUSDT"].last_id
    monkeypatch.setattr("tandem.net.venue_client.VenueClients.get", lambda self, venue: None)
    first = running(venue, tmp_path, monkeypatch)
    subscribed(venue[0])
    send(venue, last - 2_400)
    wait_until(lambda: first.buffer.count(PAIR.y) and first.buffer.count(PAIR.x), "a trade")
    first.stop()
    monkeypatch.undo()

    second = running(venue, tmp_path, monkeypatch)
    try:
        subscribed(venue[0])
        send(venue, last)
        wait_until(lambda: second.store.gaps(states=("filled",)), "a hole to be filled")
        wait_until(lambda: not second.store.gaps(states=("open",)), "no open hole")
        assert not second.store.gaps(states=("lost",))
        for instrument in (PAIR.y, PAIR.x):
            assert ids(second, instrument)[-2_401:] == list(range(last - 2_400, last + 1))
        # The past that warms the pair up may be asked for meanwhile, a hole until it is here.
        wait_until(lambda: not second.snapshots.look("a", PAIR).gaps, "no hole on the page")
    finally:
        second.stop()


def test_a_fresh_instrument_has_models_within_seconds(
    venue: tuple[Exchange, RestExchange],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = running(venue, tmp_path, monkeypatch)
    try:
        subscribed(venue[0])
        send(venue, venue[1].tapes["ETHUSDT"].last_id)
        shot = wait_until(
            lambda: (
                (now := one.snapshots.look("a", PAIR)).view is not None
                and now.view.progress.seen == now.view.progress.needed
                and now
            ),
            "a model that speaks",
        )
        wait_until(
            lambda: one.snapshots.look("a", PAIR).view.columns["usable"].sum() > 100,
            "a longer history",
        )
        start_us = shot.now_us - 2 * HOUR_US
        minutes = one.store.candles(PAIR.y, start_us - MINUTE_US, shot.now_us)
        assert len(minutes) > 90, "candles cover what trades do not"
    finally:
        one.stop()


def test_a_power_cut_loses_the_end_of_the_log_and_the_next_start_fetches_it(
    venue: tuple[Exchange, RestExchange],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, rest = venue
    last = rest.tapes["ETHUSDT"].last_id
    monkeypatch.setattr("tandem.net.venue_client.VenueClients.get", lambda self, venue: None)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    first = running(venue, whole, monkeypatch)
    subscribed(stream)
    kept_bytes = 0
    log = whole / "t.sqlite-wal"
    for trade_id in range(last - 16, last - 3):
        send(venue, trade_id)
        wait_until(lambda sent=trade_id: last_seen(first) == sent, "the trade")
        assert first.store.flush(5.0)
        if trade_id == last - 10:
            kept_bytes = log.stat().st_size
    # What a power cut leaves: the file, and the log up to somewhere in its middle.
    for name in ("t.sqlite", "t.sqlite-wal"):
        (cut / name).write_bytes((whole / name).read_bytes())
    with (cut / "t.sqlite-wal").open("r+b") as torn:
        torn.truncate(kept_bytes + 1_000)
    assert ids(first, PAIR.y)[-1] == last - 4
    first.stop()
    monkeypatch.undo()

    second = running(venue, cut, monkeypatch)
    try:
        assert ids(second, PAIR.y)[-1] < last - 4, "the cut lost something"
        subscribed(stream)
        send(venue, last)
        wait_until(lambda: second.store.gaps(PAIR.y, states=("filled",)), "a hole to be filled")
        wait_until(lambda: not second.store.gaps(states=("open",)), "no open hole")
        for instrument in (PAIR.y, PAIR.x):
            assert ids(second, instrument)[-17:] == list(range(last - 16, last + 1))
    finally:
        second.stop()
