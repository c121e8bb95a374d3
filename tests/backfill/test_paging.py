"""Walks through holes of invented venues: whatever comes in whatever order, the pieces are true."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.backfill.paging import CandlePages, Middle, TradePages
from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import MessageError
from tandem.core.events import Gap, Trade, TradeId
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Budget, Listing, Page, Request, RestVenue, is_by_id

NAME = "venue:BTC"


class Invented(RestVenue):
    """A venue with every habit as a choice; its pages are told by the test."""

    venue: ClassVar[str] = "venue"
    budget: ClassVar[Budget] = Budget(100, 60.0, 0.0)
    candles_per_page: ClassVar[int] = 10

    def __init__(self, **habits: Any) -> None:
        super().__init__("http://venue")
        self.backwards = habits.get("backwards", False)
        self.consecutive_ids = habits.get("consecutive_ids", True)
        self.time_step_us = habits.get("time_step_us", 1)
        self.latest_only = habits.get("latest_only", False)
        self.page = habits.get("page", 10)

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        return Request("http://venue/first")

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        if not page or self.latest_only:
            return None
        if self.backwards:
            over = (
                page[0].trade_id <= gap.first_id
                if is_by_id(gap)
                else page[0].time_us < gap.start_us
            )
        else:
            over = len(page) < self.page or (
                page[-1].trade_id >= gap.last_id if is_by_id(gap) else page[-1].time_us > gap.end_us
            )
        return None if over else Request("http://venue/more")

    def parse_page(self, body: bytes, instrument: str, received_us: int) -> Page:
        if body == b"bad":
            raise MessageError("bad")
        return Page(
            [
                Trade(instrument, trade_id, time_us, 1.0, 1.0, 1, received_us)
                for trade_id, time_us in orjson.loads(body)
            ]
        )

    def complete_since(self, gap: Gap, page: Sequence[Trade]) -> int:
        if self.latest_only and page and page[0].time_us >= gap.start_us:
            return page[0].time_us + 1
        return gap.start_us

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        return Request(f"http://venue/{start_us}/{end_us}")

    def parse_candles(self, body: bytes, instrument: str) -> np.ndarray:
        raise NotImplementedError

    def listing(self) -> Request:
        raise NotImplementedError

    def parse_listing(self, body: bytes) -> list[Listing]:
        raise NotImplementedError


def body(rows: Sequence[tuple[TradeId, int]]) -> bytes:
    return orjson.dumps(rows)


@given(st.data())
def test_whatever_a_venue_gives_the_pieces_are_true(data: st.DataObject) -> None:
    """Trades with gaps in their ids and shared times, walked either way, settled at any page."""
    steps = data.draw(
        st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3)), min_size=5, max_size=60)
    )
    # A gap lies between trades that the venue has too.
    tape, trade_id, time_us = [(99, 999)], 100, 1_000
    for id_step, time_step in steps:
        trade_id, time_us = trade_id + id_step, time_us + time_step
        tape.append((trade_id, time_us))
    tape.append((trade_id + 4, time_us + 4))
    backwards, by_id = data.draw(st.booleans()), data.draw(st.booleans())
    size = data.draw(st.integers(5, 12))
    rest = Invented(backwards=backwards, page=size)
    if by_id:
        first = data.draw(st.integers(100, trade_id))
        last = data.draw(st.integers(first, trade_id + 3))
        gap = Gap(NAME, first, last, 1_000, time_us + 1, "open")
        wanted = [row for row in tape if first <= row[0] <= last]
    else:
        start = data.draw(st.integers(1_000, time_us))
        end = data.draw(st.integers(start, time_us + 3))
        gap = Gap(NAME, -1, -1, start, end, "open")
        wanted = [row for row in tape if start <= row[1] <= end]
    walk = TradePages(rest, gap, gap, len(tape))
    got: list[Trade] = []
    table = {gap[:4]: gap}
    # Pages overlap by a moment, as a venue asked by time gives them.
    at = len(tape) if backwards else 0
    while walk.request is not None:
        page = tape[max(0, at - size) : at] if backwards else tape[at : at + size]
        at = at - size if backwards else at + size
        at = max(at, 0) if backwards else at
        if data.draw(st.booleans()):
            with pytest.raises(MessageError):
                walk.take(b"bad", 0)
        got += walk.take(body(page), 0)
        if walk.request is None or data.draw(st.booleans()):
            settle(walk, table)
    assert not walk.is_stuck
    assert sorted((t.trade_id, t.time_us) for t in got) == wanted
    have = {row[0] for row in wanted}
    if by_id:
        told = {i: g.state for g in table.values() for i in range(g.first_id, g.last_id + 1)}
        assert told == {
            i: "filled" if i in have else "open" for i in range(gap.first_id, gap.last_id + 1)
        }
        assert sum(g.last_id - g.first_id + 1 for g in table.values()) == len(told)
    else:
        spans = sorted(g for g in table.values() if not is_by_id(g))
        assert {g.state for g in spans} == {"filled"}
        assert (spans[0].start_us, spans[-1].end_us) == (gap.start_us, gap.end_us)
        # Ids that were left out between trades of the hole are holes of their own.
        ids = {i for g in table.values() if is_by_id(g) for i in range(g.first_id, g.last_id + 1)}
        inner = set(range(min(have), max(have) + 1)) - have if have else set()
        assert inner <= ids
        assert not ids & {row[0] for row in tape}


def settle(walk: TradePages, table: dict[Any, Gap]) -> None:
    """Do to a table what the database does."""
    settled = walk.settle()
    if settled is not None:
        del table[settled.old[:4]]
        for piece in settled.pieces:
            assert piece[:4] not in table
            table[piece[:4]] = piece


def test_a_venue_with_only_its_latest_trades_fills_the_end_of_a_hole() -> None:
    rest = Invented(backwards=True, consecutive_ids=False, latest_only=True)
    gap = Gap(NAME, -1, -1, 1_000, 2_000, "open")
    walk = TradePages(rest, gap, gap, 100)
    got = walk.take(body([("c", 1_500), ("a", 1_600), ("b", 1_600), ("z", 2_500)]), 7)
    assert [trade.trade_id for trade in got] == ["c", "a", "b"]
    assert walk.request is None
    settled = walk.settle()
    assert settled is not None
    assert settled.pieces == [
        gap._replace(end_us=1_500),
        gap._replace(start_us=1_501, state="filled"),
    ]
    assert walk.settle() is None


def test_a_hole_before_the_latest_trades_stays_as_it_is() -> None:
    rest = Invented(backwards=True, consecutive_ids=False, latest_only=True)
    gap = Gap(NAME, -1, -1, 1_000, 2_000, "open")
    walk = TradePages(rest, gap, gap, 100)
    assert walk.take(body([("c", 2_500)]), 7) == []
    settled = walk.settle()
    assert settled is not None
    assert settled.pieces == [gap]


def test_times_in_whole_seconds_belong_to_the_hole_they_may_be_from() -> None:
    rest = Invented(backwards=True, consecutive_ids=False, time_step_us=1_000_000)
    gap = Gap(NAME, -1, -1, 5_400_000, 7_100_000, "open")
    walk = TradePages(rest, gap, gap, 100)
    got = walk.take(body([(1, 4_000_000), (2, 5_000_000), (3, 7_000_000), (4, 8_000_000)]), 7)
    assert [trade.trade_id for trade in got] == [2, 3]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_venue_that_repeats_itself_is_left(backwards: bool) -> None:
    rest = Invented(backwards=backwards, page=2)
    gap = Gap(NAME, 1, 100, 0, 100, "open")
    walk = TradePages(rest, gap, gap, 100)
    page = body([(50, 50), (51, 51)])
    assert len(walk.take(page, 0)) == 2
    assert walk.request is not None
    assert walk.take(page, 0) == []
    assert walk.request is None
    assert walk.is_stuck


def test_a_venue_without_an_end_is_left() -> None:
    rest = Invented(backwards=True, page=1)
    gap = Gap(NAME, -1, -1, 0, 10, "open")
    walk = TradePages(rest, gap, gap, 10)
    pages = 0
    while walk.request is not None:
        pages += 1
        walk.take(body([(10_000 - pages, 10_000 - pages)]), 0)
    assert walk.is_stuck
    assert pages < 30


def test_only_the_newest_part_may_be_asked_for() -> None:
    gap = Gap(NAME, 1, 100, 1, 100, "open")
    walk = TradePages(Invented(page=50), gap, gap._replace(first_id=91, start_us=91), 10)
    walk.take(body([(one, one) for one in range(91, 101)]), 0)
    settled = walk.settle()
    assert settled is not None
    assert settled.pieces == [
        Gap(NAME, 1, 90, 1, 91, "open"),
        Gap(NAME, 91, 100, 91, 100, "filled"),
    ]


def test_a_trade_of_years_after_its_hole_costs_itself() -> None:
    gap = Gap(NAME, 1, 10, 1, 10, "open")
    walk = TradePages(Invented(), gap, gap, 10)
    with pytest.raises(MessageError, match="dated over a day after"):
        walk.take(body([(2, 2 * DAY_US)]), 0)
    page = [(one, 2 * DAY_US if one == 2 else one) for one in range(1, 11)]
    assert [trade.trade_id for trade in walk.take(body(page), 0)] == [1, *range(3, 11)]
    settled = walk.settle()
    assert settled is not None
    assert [one[1:3] for one in settled.pieces if one.state == "open"] == [(2, 2)]


@pytest.mark.parametrize("backwards", [False, True])
def test_an_empty_page_proves_nothing(backwards: bool) -> None:
    gap = Gap(NAME, -1, -1, 1_000, 2_000, "open")
    walk = TradePages(Invented(backwards=backwards), gap, gap, 10)
    assert walk.take(b"[]", 0) == []
    assert walk.request is None
    assert walk.settle() is None


def test_a_page_that_ends_before_its_hole_fills_it_so_far() -> None:
    gap = Gap(NAME, -1, -1, 1_000, 2_000, "open")
    walk = TradePages(Invented(), gap, gap, 10)
    walk.take(body([(1, 1_200), (2, 1_700)]), 0)
    settled = walk.settle()
    assert settled is not None
    assert settled.pieces == [
        gap._replace(end_us=1_700, state="filled"),
        gap._replace(start_us=1_701),
    ]


def test_a_trade_that_cannot_be_parsed_leaves_the_time_between_its_neighbours_open() -> None:
    rest = create("bitstamp", "http://venue")
    assert rest is not None
    base = 1_600_000_000
    gap = Gap("bitstamp:BTC/USD", -1, -1, (base + 3) * SECOND_US, (base + 7) * SECOND_US, "open")
    rows = [
        {"date": str(one), "tid": str(one), "type": "0", "price": "1.0", "amount": "1.0"}
        for one in range(base + 8, base + 1, -1)
    ]
    rows[3] |= {"price": "much"}
    walk = TradePages(rest, gap, gap, 10)
    got = walk.take(orjson.dumps(rows), (base + 9) * SECOND_US)
    assert [trade.trade_id - base for trade in got] == [3, 4, 6, 7]
    assert walk.cause == "a number is not one"
    settled = walk.settle()
    assert settled is not None
    assert settled.pieces == [
        gap._replace(end_us=(base + 4) * SECOND_US - 1, state="filled"),
        gap._replace(start_us=(base + 4) * SECOND_US, end_us=(base + 6) * SECOND_US),
        gap._replace(start_us=(base + 6) * SECOND_US + 1, state="filled"),
    ]


def test_candles_cover_every_minute_a_span_touches() -> None:
    base = now_us() // MINUTE_US * MINUTE_US - 1_000 * MINUTE_US
    rest = create("binance-spot", "http://venue")
    assert rest is not None
    walk = CandlePages(rest, "binance-spot:BTCUSDT", base + 30_000_000, base + 1 + 3 * MINUTE_US)
    assert walk.total == 4
    assert walk.is_over_us > base + 4 * MINUTE_US
    assert walk.request is not None
    assert (
        f"startTime={base // 1000}&endTime={(base + 4 * MINUTE_US) // 1000 - 1}" in walk.request.url
    )
    rows = [
        [(base + k * MINUTE_US) // 1000, "1", "1", "1", "1", "2", 0, "2", 1, "1", "1", "0"]
        for k in range(-1, 6)
    ]
    with pytest.raises(MessageError):
        walk.take(b"bad")
    bars = walk.take(orjson.dumps(rows))
    # What was not asked for is not taken.
    assert bars["time_us"].tolist() == [base + k * MINUTE_US for k in range(4)]
    assert walk.request is None
    assert walk.minutes == 4


def test_candles_of_a_long_span_come_in_pages() -> None:
    rest = create("coinbase", "http://venue")
    assert rest is not None
    end_us = now_us() // MINUTE_US * MINUTE_US
    walk = CandlePages(rest, "coinbase:BTC-USD", end_us - 1_000 * MINUTE_US, end_us - 1)
    pages = 0
    while walk.request is not None:
        pages += 1
        assert len(walk.take(b"[]")) == 0
    assert (pages, walk.minutes, walk.total) == (4, 1_000, 1_000)


def looked_into(name: str, gap: Gap, tape: Sequence[int]) -> tuple[Middle, int]:
    """Answer a look into a gap as Binance or Coinbase does; returns it and how often it asked."""
    rest = create(name, "http://venue")
    assert rest is not None
    walk, asked = Middle(rest, gap), 0
    while walk.request is not None:
        query = parse_qs(urlsplit(walk.request.url).query)
        if "fromId" in query:
            ids = [one for one in tape if one >= int(query["fromId"][0])][:1_000]
            rows: list[Any] = [
                {"a": one, "T": 1_700_000_000_000, "p": "1", "q": "1", "m": True} for one in ids
            ]
        else:
            ids = [one for one in tape if one < int(query["after"][0])][-1_000:]
            time = "2026-01-02T03:04:05Z"
            rows = [
                {"trade_id": one, "time": time, "price": "1", "size": "1", "side": "buy"}
                for one in ids
            ]
        walk.take(orjson.dumps(rows), now_us())
        asked += 1
    return walk, asked


@pytest.mark.parametrize("name", ["binance-usdm", "coinbase"])
def test_a_million_ids_that_never_were_are_found_out_with_two_or_three_pages(name: str) -> None:
    gap = Gap(f"{name}:BTC-USD", 5_000, 1_004_999, 0, 1_000, "open")
    tape = [*range(3_000, 5_000), *range(1_005_000, 1_007_000)]
    walk, asked = looked_into(name, gap, tape)
    assert walk.absent == (5_000, 1_004_999)
    assert asked <= 3


@pytest.mark.parametrize("name", ["binance-usdm", "coinbase"])
def test_ids_that_are_there_are_seen_with_one_page(name: str) -> None:
    gap = Gap(f"{name}:BTC-USD", 5_000, 1_004_999, 0, 1_000, "open")
    walk, asked = looked_into(name, gap, range(3_000, 1_007_000))
    assert (walk.absent, asked) == (None, 1)


def test_what_is_absent_up_to_the_next_id_is_told_from_the_rest() -> None:
    gap = Gap("binance-usdm:BTCUSDT", 5_000, 1_004_999, 0, 1_000, "open")
    walk, asked = looked_into("binance-usdm", gap, [4_999, *range(900_000, 1_007_000)])
    assert (walk.absent, asked) == ((504_999, 899_999), 1)


def test_an_empty_page_from_the_middle_says_nothing() -> None:
    gap = Gap("binance-usdm:BTCUSDT", 5_000, 1_004_999, 0, 1_000, "open")
    walk, asked = looked_into("binance-usdm", gap, [])
    assert (walk.absent, asked) == (None, 1)
