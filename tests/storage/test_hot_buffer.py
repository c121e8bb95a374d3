"""The hot buffer: nothing twice, nothing out of order, and never more than its limit."""

from __future__ import annotations

import gc
import threading

from hypothesis import given
from hypothesis import strategies as st

from tandem.core.bars import trade_array
from tandem.core.events import Funding, Quote, Trade
from tandem.storage.hot_buffer import HotBuffer


def trade(number, instrument="sim:AUSDT"):
    return Trade(instrument, number, 1_000 + number, 10.0, 1.0, 1, 2_000 + number)


def numbered(number):
    return number


def named(number):
    """Return a UUID's length of text, as one venue numbers its trades."""
    return f"{number:036x}"


def renumbered(number):
    """Return a number or text in turns, as a venue that begins to count anew is given."""
    return f"{number}@1700000000000000" if number % 97 == 0 else number


@given(
    st.integers(1, 40) | st.integers(150, 400),
    st.sampled_from([numbered, named, renumbered]),
    st.lists(st.tuples(st.integers(0, 170), st.integers(0, 300), st.booleans()), max_size=15),
)
def test_a_reader_sees_every_kept_trade_once_and_in_order(limit, identified, steps):
    buffer, appended, seen, cursor = HotBuffer(limit), [], [], 0
    for more, most, reads in steps:
        numbers = range(len(appended), len(appended) + more)
        batch = [trade(number)._replace(trade_id=identified(number)) for number in numbers]
        buffer.append(batch)
        appended.extend(batch)
        if reads:
            kept_from = max(len(appended) - limit, 0)
            expected = appended[max(cursor, kept_from) :][:most]
            got, following = buffer.since("sim:AUSDT", cursor, most)
            assert got == expected
            rows, after = buffer.rows_since("sim:AUSDT", cursor, most)
            assert (rows.tolist(), after) == (trade_array(expected).tolist(), following)
            assert following == max(cursor, kept_from) + len(got)
            seen.extend(got)
            cursor = following
            assert all(type(one) is Trade for one in got)
            assert [type(one.trade_id) for one in got] == [type(one.trade_id) for one in expected]
    times = [one.time_us for one in seen]
    assert times == sorted(set(times))
    for count in (0, 7, 200):
        kept_from = max(len(appended) - min(count, limit), 0)
        assert buffer.tail("sim:AUSDT", count) == appended[kept_from:]
    assert buffer.count("sim:AUSDT") == len(appended)
    assert buffer.last("sim:AUSDT") == (appended[-1] if appended else None)


def test_the_collector_sees_the_newest_trades_alone():
    buffer = HotBuffer(50_000)
    for start in range(0, 5_000, 100):
        buffer.append([trade(number, "sim:SEEN") for number in range(start, start + 100)])
    seen = [one for one in gc.get_objects() if type(one) is Trade and one.instrument == "sim:SEEN"]
    assert 0 < len(seen) < 200
    assert len(buffer.tail("sim:SEEN", 5_000)) == 5_000


def test_instruments_of_one_batch_are_kept_apart():
    buffer = HotBuffer(10)
    buffer.append([trade(1), trade(1, "sim:BUSDT"), trade(2)])
    assert buffer.instruments() == ["sim:AUSDT", "sim:BUSDT"]
    assert buffer.since("sim:AUSDT", 0)[0] == [trade(1), trade(2)]
    assert buffer.since("sim:BUSDT", 0) == ([trade(1, "sim:BUSDT")], 1)


def test_an_unknown_instrument_is_empty():
    buffer = HotBuffer(10)
    assert buffer.since("sim:AUSDT", 0) == ([], 0)
    assert len(buffer.rows_since("sim:AUSDT", 0)[0]) == 0
    assert buffer.tail("sim:AUSDT", 5) == []
    assert buffer.last("sim:AUSDT") is None
    assert buffer.count("sim:AUSDT") == 0
    assert buffer.quote("sim:AUSDT") is None
    assert buffer.funding("sim:AUSDT") is None


def test_the_newest_quote_and_funding_are_kept():
    buffer = HotBuffer(10)
    for bid in (9.0, 9.5):
        buffer.put_quote(Quote("sim:AUSDT", 1, bid, 1.0, 10.0, 1.0, 2))
        buffer.put_funding(Funding("sim:AUSDT", 1, bid / 1e5, 8, 10.0, 2))
    assert buffer.quote("sim:AUSDT").bid == 9.5
    assert buffer.funding("sim:AUSDT").rate == 9.5e-5


def test_reading_while_another_thread_appends_loses_nothing():
    buffer, total = HotBuffer(50_000), 40_000

    def append():
        for first in range(0, total, 40):
            buffer.append([trade(number) for number in range(first, first + 40)])

    writer = threading.Thread(target=append)
    writer.start()
    seen, cursor = [], 0
    while len(seen) < total:
        got, cursor = buffer.since("sim:AUSDT", cursor, 997)
        seen.extend(one.trade_id for one in got)
        if not got and not writer.is_alive() and buffer.count("sim:AUSDT") == cursor:
            break
    writer.join()
    assert seen == list(range(total))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 20)), max_size=40))
def test_all_instruments_together_keep_no_more_than_the_total(steps):
    buffer = HotBuffer(30, total=50)
    appended: dict[str, list[Trade]] = {}
    for which, more in steps:
        name = f"sim:A{which}USDT"
        known = appended.setdefault(name, [])
        batch = [trade(len(known) + number, name) for number in range(more)]
        buffer.append(batch)
        known.extend(batch)
        kept = {one: buffer.tail(one, 1_000) for one in appended}
        assert sum(map(len, kept.values())) <= 50
        # What is left is the newest of each, and cursors still count from the first.
        for one, trades in kept.items():
            assert trades == appended[one][len(appended[one]) - len(trades) :]
            assert buffer.since(one, 0, 1_000) == (trades, len(appended[one]))


def test_a_busy_instrument_makes_room_for_quiet_ones():
    buffer = HotBuffer(1_000, total=1_000)
    buffer.append([trade(number, "sim:QUIET") for number in range(50)])
    for start in range(0, 5_000, 100):
        buffer.append([trade(number, "sim:BUSY") for number in range(start, start + 100)])
    assert len(buffer.tail("sim:QUIET", 1_000)) == 50
    assert 800 < len(buffer.tail("sim:BUSY", 1_000)) <= 950


def test_a_forgotten_instrument_begins_anew():
    buffer = HotBuffer(100, total=100)
    buffer.append([trade(number) for number in range(90)])
    buffer.forget("sim:AUSDT")
    buffer.forget("sim:NEVER")
    assert buffer.instruments() == []
    assert buffer.last("sim:AUSDT") is None
    buffer.append([trade(90)])
    assert buffer.since("sim:AUSDT", 0) == ([trade(90)], 1)
