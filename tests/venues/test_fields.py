"""The checks every venue's parser shares: times, numbers and ids of messages."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.clock import DAY_US
from tandem.core.errors import MessageError
from tandem.core.events import NoQuote, Quote
from tandem.venues import fields
from tandem.venues.fields import EARLIEST_US, LATEST_US

RECEIVED_US = 1_795_000_000_000_000


@pytest.mark.parametrize("time_us", [EARLIEST_US, RECEIVED_US + 400 * DAY_US, LATEST_US])
def test_a_time_is_taken_whatever_this_machines_clock(time_us: int) -> None:
    assert fields.moment(time_us) == time_us


@pytest.mark.parametrize("time_us", [EARLIEST_US - 1, LATEST_US + 1, -1, 2**70])
def test_a_time_in_another_unit_is_refused(time_us: int) -> None:
    with pytest.raises(MessageError, match="not plausible"):
        fields.moment(time_us)


@given(st.integers(EARLIEST_US, RECEIVED_US))
def test_iso_times_keep_their_microseconds(time_us: int) -> None:
    text = datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert fields.iso_time(f"{text}.{time_us % 1_000_000:06d}Z") == time_us


@pytest.mark.parametrize(
    ("check", "good", "value"),
    [
        (fields.number, "-0.5", -0.5),
        (fields.amount, "0", 0.0),
        (fields.positive, "61800.30", 61800.3),
        (fields.whole, "130639474", 130639474),
        (fields.trade_number, 2**63 - 1, 2**63 - 1),
    ],
)
def test_what_is_taken(check: Callable[[Any], Any], good: object, value: object) -> None:
    assert check(good) == value


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        *((fields.number, bad) for bad in ("", "abc", None, 1, ["1"])),
        *((fields.amount, bad) for bad in ("-1", "nan", "inf", "1e300")),
        *((fields.positive, bad) for bad in ("0", "-1", "nan", "1e15", 1.0)),
        *((fields.whole, bad) for bad in ("", "-1", "1.0", " 1", "1_0", "١٢", "9" * 20, 7, None)),
        *((fields.trade_number, bad) for bad in ("1", -1, True, 2**63, 1.0, None)),
    ],
)
def test_what_is_refused(check: Callable[[Any], Any], bad: object) -> None:
    with pytest.raises(MessageError):
        check(bad)


TIMES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.datetimes().map(str)
)


@given(value=TIMES)
def test_only_message_errors_escape_from_times(value: Any) -> None:
    for check in (fields.milliseconds, fields.iso_time):
        try:
            time_us = check(value)
        except MessageError:
            continue
        assert EARLIEST_US <= time_us <= LATEST_US


@given(raw=st.binary(max_size=100) | st.text(max_size=100))
def test_only_message_errors_escape_from_bytes(raw: bytes | str) -> None:
    try:
        assert type(fields.json_object(raw)) is dict
    except MessageError:
        return


@given(text=st.text(max_size=20))
def test_numbers_are_finite_where_they_must_be(text: str) -> None:
    try:
        assert math.isfinite(fields.amount(text))
    except MessageError:
        return


def test_a_quote_is_a_bid_and_an_ask_that_is_not_below() -> None:
    name, ended = "okx:BTC-USDT", NoQuote("okx:BTC-USDT", 5, 7)
    assert fields.quote_of(name, 5, (1.5, 2.0), (1.5, 3.0), 7) == Quote(
        name, 5, 1.5, 2.0, 1.5, 3.0, 7
    )
    for bid, ask in ((1.6, 1.5), (0.0, 1.5), (1.5, 0.0), (0.0, 0.0)):
        assert fields.quote_of(name, 5, (bid, 1.0), (ask, 1.0), 7) == ended


def test_a_side_of_the_book_may_be_empty() -> None:
    assert [fields.best(text) for text in ("", "0.00", "1.5")] == [0.0, 0.0, 1.5]
    assert fields.top([]) == (0.0, 0.0)
    assert fields.top([["1.5", "2"], ["1.4", "3"]]) == (1.5, 2.0)
    with pytest.raises(MessageError, match="negative"):
        fields.best("-1")


@pytest.mark.parametrize("value", ["Buy", "", None, 1, True, 1.0, [], b"buy"])
def test_a_side_is_one_of_the_venues_words(value: Any) -> None:
    assert fields.side_of("buy", {"buy": 1, "sell": -1}) == 1
    with pytest.raises(MessageError, match="the side is not buy or sell"):
        fields.side_of(value, {"buy": 1, "sell": -1})


@pytest.mark.parametrize("value", ["0", True, 0.0, 2])
def test_a_side_in_numbers_is_a_whole_number(value: Any) -> None:
    assert fields.side_of(0, {0: 1, 1: -1}) == 1
    with pytest.raises(MessageError, match="the side is not 0 or 1"):
        fields.side_of(value, {0: 1, 1: -1})
