"""A whole venue watched at once: minutes kept, pasts fetched, looks on schedule and paid for."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import FeedError, VenueRefused
from tandem.core.events import BAR, Trade
from tandem.scanner.live.calibration import SurrogateThreshold
from tandem.scanner.live.minute_prices import MinuteBoard
from tandem.scanner.live.schedule import Look, Schedule
from tandem.scanner.live.service import Universe
from tandem.scanner.multiple_testing import FEWEST_MINIMA
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tests.support.exchange import Exchange
from tests.support.waiting import wait_until

Bars = npt.NDArray[np.void]
START_US = 20_000 * DAY_US
NAMES = ("binance-usdm:AUSDT", "binance-usdm:BUSDT")


def trade(name: str, time_us: int, price: float) -> Trade:
    return Trade(
        instrument=name,
        trade_id=1,
        price=price,
        quantity=1.0,
        side=1,
        time_us=time_us,
        received_us=time_us,
    )


def candles(start_us: int, closes: list[float]) -> Bars:
    bars = np.zeros(len(closes), BAR)
    bars["time_us"] = start_us + np.arange(len(closes)) * MINUTE_US
    bars["last_us"] = bars["time_us"] + MINUTE_US - 1
    bars["close"] = closes
    bars["trades"] = -1
    return bars


# The board ------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 30 * 60 - 1), st.floats(1.0, 9.0)), max_size=60
    ),
    st.randoms(),
    st.integers(1, 7),
)
def test_any_order_and_any_batches_give_the_last_price_of_each_minute(
    made: list[tuple[int, int, float]], dice: Any, pieces: int
) -> None:
    times = {(leg, second): price for leg, second, price in made}
    trades = [
        trade(NAMES[leg], START_US + second * SECOND_US, price)
        for (leg, second), price in times.items()
    ]
    dice.shuffle(trades)
    board = MinuteBoard(NAMES, 40)
    for k in range(pieces):
        board.submit(trades[k::pieces])
    last: dict[tuple[int, int], tuple[int, float]] = {}
    for (leg, second), price in times.items():
        cell = (leg, second // 60)
        last[cell] = max(last.get(cell, (-1, 0.0)), (second, price))
    read = board.read(START_US + 30 * MINUTE_US)
    found = {
        (leg, int((time - START_US) // MINUTE_US)): price
        for time, row in zip(read.times_us, read.prices, strict=True)
        for leg, price in enumerate(row)
        if np.isfinite(price)
    }
    assert found == {cell: price for cell, (_, price) in last.items()}


def test_a_ring_that_has_gone_round_shows_nothing_of_the_lap_before() -> None:
    board = MinuteBoard(NAMES, 5)
    for minute in range(12):
        board.submit([trade(NAMES[0], START_US + minute * MINUTE_US, float(minute))])
    board.submit([trade(NAMES[1], START_US + 2 * MINUTE_US, 7.0)])
    read = board.read(START_US + 12 * MINUTE_US)
    assert read.prices[:, 0].tolist() == [7.0, 8.0, 9.0, 10.0, 11.0]
    assert np.isnan(read.prices[:, 1]).all()
    # A trade from before the ring changes nothing.
    board.submit([trade(NAMES[0], START_US + 2 * MINUTE_US, 99.0)])
    assert board.read(START_US + 12 * MINUTE_US).prices[:, 0].tolist() == [7, 8, 9, 10, 11]


def test_the_minute_still_going_on_is_not_read() -> None:
    board = MinuteBoard(NAMES, 5)
    board.submit([trade(NAMES[0], START_US, 1.0), trade(NAMES[0], START_US + MINUTE_US, 2.0)])
    assert board.read(START_US + MINUTE_US + 30 * SECOND_US).prices[:, 0].tolist() == [1.0]


def test_candles_fill_what_was_not_watched_and_end_with_what_has_ended() -> None:
    board = MinuteBoard(NAMES, 10)
    board.submit([trade(NAMES[0], START_US + 3 * MINUTE_US + 5, 30.0)])
    board.fill(NAMES[0], candles(START_US, [1.0, 2.0, 3.0, 4.0]), START_US + 3 * MINUTE_US + 9)
    read = board.read(START_US + 4 * MINUTE_US)
    assert read.prices[:, 0].tolist() == [1.0, 2.0, 3.0, 30.0]


def test_trades_of_others_are_passed_over() -> None:
    board = MinuteBoard(NAMES, 10)
    board.submit([trade("binance-usdm:CUSDT", START_US, 1.0)])
    assert not len(board.read(START_US + MINUTE_US).times_us)


# The schedule ---------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [5, 15, 60, 7, 1_440])
def test_the_looks_of_a_day_spend_its_chance_and_no_more(minutes: int) -> None:
    schedule = Schedule(minutes)
    looks = {schedule.look(START_US + minute * MINUTE_US) for minute in range(1_440)}
    assert sum(look.level for look in looks) == pytest.approx(0.05)
    assert {look.number for look in looks} == set(range(1, len(looks) + 1))
    assert schedule.look(START_US + DAY_US).key > max(look.key for look in looks)


def test_the_next_slot_begins_where_this_one_ends() -> None:
    schedule = Schedule(15)
    at = START_US + 7 * MINUTE_US
    assert schedule.next_us(at) == START_US + 15 * MINUTE_US
    assert schedule.next_us(START_US + DAY_US - 1) == START_US + DAY_US


# All together ---------------------------------------------------------------------------


def related(count: int, bars: int) -> npt.NDArray[np.float64]:
    """Return prices of instruments of which the first two belong together."""
    dice = np.random.default_rng(5)
    logs = np.cumsum(dice.normal(0.0, 1e-3, (bars, count)), axis=0)
    wobble = np.zeros(bars)
    for k in range(1, bars):
        wobble[k] = 0.3 * wobble[k - 1] + dice.normal(0.0, 5e-4)
    logs[:, 1] = logs[:, 0] + wobble
    return 100.0 * np.exp(logs)


def universe(exchange: Exchange, count: int, fetch: Any, **others: Any) -> Universe:
    names = [f"binance-usdm:S{k:03d}USDT" for k in range(count)]
    settings = exchange.settings(universe_minutes=600, scan_minutes=5, **others)
    return Universe(settings, lambda venue: names, fetch)


def test_a_venue_is_listened_to_given_a_past_and_scanned(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As few as a law can be fitted to.
    monkeypatch.setattr("tandem.scanner.live.calibration.FIRST_SURROGATES", FEWEST_MINIMA)
    count, bars = 120, 600
    end_us = now_us() // MINUTE_US * MINUTE_US
    prices = related(count, bars)
    asked = []

    def fetch(name: str, start_us: int, end: int, stop: threading.Event) -> Bars:
        asked.append(name)
        column = int(name.rsplit(":S")[1][:3])
        rows = candles(end_us - bars * MINUTE_US, prices[:, column].tolist())
        # An answer holds 400 minutes, as a venue's pages do.
        return rows[rows["time_us"] >= start_us][:400]

    watched = universe(exchange, count, fetch)
    watched.start("binance-usdm")
    try:
        exchange.wait_for_streams(*(f"s{k:03d}usdt@aggTrade" for k in range(count)))
        exchange.trade("S000USDT", 123.0)
        wait_until(lambda: watched.status().trades, "a trade")
        found = wait_until(watched.rescan, "a scan")
        status = watched.status()
        assert exchange.opened == 1
        assert (status.state, status.instruments, status.with_history) == ("watching", 120, 120)
        assert status.next_us > now_us()
        assert set(asked) == {f"binance-usdm:S{k:03d}USDT" for k in range(count)}
        read = found.minutes
        assert read.times_us[-1] == found.at_us - MINUTE_US
        # A minute may have ended between asking for the past and the look.
        assert bars - 1 <= len(read.times_us) <= bars
        alone = scan(
            read.prices,
            ScanSettings(level=found.look.level, bar_seconds=60.0),
            names=read.names,
        )
        assert found.scan.table().equals(alone.table())
        assert found.told.surrogates == found.told.pooled == FEWEST_MINIMA
        assert found.found == (("binance-usdm:S000USDT", "binance-usdm:S001USDT"),)
        assert found.changes.appeared == found.found
        assert not found.changes.held and not found.changes.broke
        assert [past.tested for past in watched.past] == [alone.tested]
    finally:
        watched.stop()
    assert watched.status().state == "off"
    wait_until(lambda: not exchange.subscribed(), "the connection to close")


def test_a_slot_is_looked_at_once(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    # Half way through a slot, which lasts.
    at_us = START_US + 7 * MINUTE_US
    monkeypatch.setattr("tandem.scanner.live.service.now_us", lambda: at_us)
    prices = related(3, 300)
    levels = []

    def fetch(name: str, start_us: int, end: int, stop: threading.Event) -> Bars:
        column = int(name.rsplit(":S")[1][:3])
        return candles(START_US - 250 * MINUTE_US, prices[:, column].tolist())

    def counted(*given: Any, **others: Any) -> Any:
        levels.append(given[1].level)
        return scan(*given, **others)

    monkeypatch.setattr("tandem.scanner.live.service.scan", counted)
    watched = universe(exchange, 3, fetch)
    watched.start("binance-usdm")
    wait_until(watched.rescan, "a scan")
    watched.start("binance-usdm")
    wait_until(lambda: watched.status().with_history == 3, "the past")
    assert watched.rescan() is None
    at_us += 5 * MINUTE_US
    wait_until(watched.rescan, "the next slot's scan")
    watched.stop()
    assert levels == pytest.approx([Schedule(5).look(START_US).level] * 2)


def test_a_look_that_could_test_nothing_spends_nothing(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_us = START_US + 2 * MINUTE_US
    monkeypatch.setattr("tandem.scanner.live.service.now_us", lambda: at_us)
    prices = related(3, 300)
    watched = universe(exchange, 3, lambda *_: None)
    watched.start("binance-usdm")
    wait_until(lambda: "Nothing could be tested" in watched.status().text, "the sentence")
    board = watched._board
    assert board is not None
    for k, name in enumerate(board.names):
        board.fill(name, candles(START_US - 250 * MINUTE_US, prices[:, k].tolist()), at_us)
    at_us += MINUTE_US
    found = wait_until(watched.rescan, "a scan in the same slot")
    watched.stop()
    assert found.look.number == 1


def test_a_look_finds_by_the_surrogates_and_never_more_than_the_nominal_rule(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = related(3, 300)
    board, end_us = MinuteBoard(["a:A", "a:B", "a:C"], 300), START_US + 300 * MINUTE_US
    for k, name in enumerate(board.names):
        board.fill(name, candles(START_US, prices[:, k].tolist()), end_us)
    figures = scan(prices, names=board.names).figures
    least, safe = figures["q_value"].min(), figures["q_value_any"].min()
    p = figures["p_value"].min()
    assert least < safe
    watched = universe(exchange, 3, lambda *_: None)
    for level, threshold, count in (
        ((least + safe) / 2.0, 1.0, 0),
        (1.01 * safe, 1.0, 1),
        (1.01 * safe, p, 1),
        (1.01 * safe, 0.99 * p, 0),
        (1.01 * safe, 0.0, 0),
    ):
        told = SurrogateThreshold(20, 60, threshold)
        monkeypatch.setattr(
            "tandem.scanner.live.service.Calibration.look", lambda *_, told=told: told
        )
        watched._scan(board, Look(20_000, 1, 96, level), end_us, threading.Event())
        found = watched.rescan()
        assert found is not None
        assert len(found.found) == count
        assert found.told == told
    # Each was compared with the one before.
    assert [(one.appeared, one.held, one.broke) for one in watched.past] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VenueRefused("The venue does not serve this address."), "from now on"),
        (FeedError("The venue did not answer."), "past of"),
    ],
)
def test_a_past_that_cannot_be_had_is_said(
    exchange: Exchange, error: FeedError, words: str
) -> None:
    def fetch(name: str, start_us: int, end: int, stop: threading.Event) -> Bars:
        raise error

    watched = universe(exchange, 8, fetch)
    watched.start("binance-usdm")
    try:
        wait_until(lambda: words in watched.status().text, "the sentence")
        assert watched.status().state == "watching"
    finally:
        watched.stop()


@pytest.mark.parametrize(
    ("members", "venue", "words"),
    [
        (FeedError("No list of symbols came."), "binance-usdm", "No list of symbols"),
        (["binance-usdm:AUSDT"], "binance-usdm", "a pair needs two"),
        (["coingecko:BITCOIN", "coingecko:ETHEREUM"], "coingecko", "not streamed"),
        (ZeroDivisionError("planted"), "binance-usdm", "unexpected"),
    ],
)
def test_what_cannot_be_watched_is_said(
    exchange: Exchange, members: Any, venue: str, words: str
) -> None:
    def listed(name: str) -> Any:
        if isinstance(members, Exception):
            raise members
        return members

    watched = Universe(exchange.settings(), listed, lambda *_: None)
    watched.start(venue)
    try:
        wait_until(lambda: watched.status().state == "failed", "the failure")
        assert words in watched.status().text
        assert "planted" not in watched.status().text
    finally:
        watched.stop()


def test_more_instruments_than_asked_for_are_left_out_and_said(exchange: Exchange) -> None:
    watched = universe(exchange, 9, lambda *_: None, universe_instruments=5)
    watched.start("binance-usdm")
    try:
        wait_until(lambda: watched.status().state == "watching", "watching")
        assert watched.status().instruments == 5
        assert "lists 9 instruments; the first 5" in watched.status().text
    finally:
        watched.stop()
