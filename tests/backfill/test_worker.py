"""Holes of a real record, filled from a stand-in exchange: the difference is in the table."""

import threading
from email.utils import formatdate

import pytest

from tandem.core.clock import DAY_US, MINUTE_US, now_us
from tandem.core.errors import FeedError, VenueRefused
from tandem.core.events import Gap
from tandem.net.http import Answer
from tandem.venues.rest import Listing
from tests.support.backfill_desk import (
    COINBASE,
    KRAKEN,
    SPOT,
    USDM,
    Desk,
    assert_whole,
    expected,
    hole,
    tape,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("quick")


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
    wait_until(
        lambda: (
            f"3 {instrument.partition(':')[2]} trades"
            in (p.text if (p := desk.progress(instrument)) else "")
        )
    )


def test_ids_missing_in_a_hole_by_time_are_recorded(desk: Desk) -> None:
    made = tape(10_000, missing=frozenset([2_500]))
    hole(desk, SPOT, made, 2_000, 4_000, by_time=True)
    desk.settle()
    assert desk.ids(SPOT) == expected(made, 2_000, 4_000)
    assert [one[1:3] for one in desk.gaps("lost")] == [(2_500, 2_500)]
    assert [one[1:3] for one in desk.gaps("filled")] == [(-1, -1)]


def test_listings_come_through_the_same_gate(desk: Desk) -> None:
    stop, clients = threading.Event(), desk.backfill._clients

    def listed(venue: str) -> list[Listing]:
        known = clients.get(venue)
        assert known is not None
        return clients.fetch_listing(known[0], stop)

    desk.exchange.tapes["ETHUSDT"] = tape(1)
    (listing,) = listed("binance-usdm")
    assert (listing.symbol, listing.base, listing.quote) == ("ETHUSDT", "ETH", "USDT")
    assert clients.get("sim") is None
    desk.exchange.fail(451)
    with pytest.raises(FeedError, match="HTTP 451: it does not serve this region"):
        listed("binance-spot")
    # It is not asked again so soon.
    asked = len(desk.exchange.asked)
    with pytest.raises(VenueRefused, match="refuses this address"):
        listed("binance-spot")
    assert len(desk.exchange.asked) == asked


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_clock_years_ahead_does_not_cost_a_fresh_instrument_its_past(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, is_recorded: bool
) -> None:
    made = desk.exchange.tapes["BTCUSDT"] = tape(3_000, minutes_ago=60.0, step_us=1_000_000)

    def wrong_us() -> int:
        return now_us() + 3_650 * DAY_US

    for module in ("net.venue_client", "backfill.warmup", "backfill.worker"):
        monkeypatch.setattr(f"tandem.{module}.now_us", wrong_us)
    if is_recorded:
        desk.store.submit([made.trade(USDM, made.last_id)._replace(received_us=wrong_us())])
        desk.store.flush(5.0)
    desk.backfill.warm(USDM, wrong_us() - 60 * MINUTE_US)
    desk.backfill.start()
    wait_until(
        lambda: len(desk.store.candles(USDM, made.start_us - MINUTE_US, now_us())) > 40,
        "candles of the past",
    )


def test_a_venue_asked_by_how_long_ago_is_asked_by_its_own_clock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap = Gap("bitstamp:BTCUSD", 1, 2, now_us() - 10 * MINUTE_US, now_us() - 5 * MINUTE_US, "open")
    door = desk.backfill._clients.get("bitstamp")
    assert door is not None
    rest, gate = door
    wrong_us = now_us() + 3_650 * DAY_US
    monkeypatch.setattr("tandem.net.venue_client.now_us", lambda: wrong_us)
    assert rest.trades(gap.instrument, gap) is None
    date = formatdate((gap.end_us + 5 * MINUTE_US) / 1e6, usegmt=True)
    gate._learn(Answer(200, {"date": date}, b""))
    request = rest.trades(gap.instrument, gap)
    assert request is not None
    assert request.url.endswith("time=hour")
