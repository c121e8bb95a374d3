"""Budgets by a clock that is turned by hand: never above the limit, whatever is asked when."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.errors import FeedError
from tandem.net import venue_client as gate_module
from tandem.net.http import Answer
from tandem.net.rate_limit import (
    BACKGROUND_SHARE,
    Backoff,
    Meter,
    http_date_s,
    retry_after_s,
    used_weight,
)
from tandem.net.venue_client import Refused, Throttled, VenueClient
from tandem.venues.rest import SHARE, Budget, Request


class Clock:
    """Time that passes on request."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 40.0),
        st.integers(1, 60),
        st.sampled_from([SHARE, BACKGROUND_SHARE]),
        st.none() | st.integers(0, 150),
    ),
    max_size=80,
)


@given(
    STEPS,
    st.integers(20, 120),
    st.sampled_from([1.0, 60.0]),
    st.sampled_from([0.0, 0.1]),
    st.data(),
)
def test_no_window_ever_holds_more_than_the_share(
    steps: list[tuple[float, int, float, int | None]],
    limit: int,
    window_s: float,
    spacing_s: float,
    data: st.DataObject,
) -> None:
    clock = Clock()
    meter = Meter(Budget(limit, window_s, spacing_s), clock)
    spent: list[tuple[float, int]] = []
    for pause_s, weight, share, told in steps:
        clock.now += pause_s
        # Often exactly when the meter itself says that there is room.
        if data.draw(st.booleans()):
            clock.now += meter.ready_in(weight, share)
        if meter.spend(weight, share) == 0.0:
            spent.append((clock.now, weight))
        if told is not None:
            meter.believe(told)
    for at, heavy in spent:
        together = sum(weight for when, weight in spent if at - window_s <= when <= at)
        assert together <= max(limit * SHARE, heavy)
    for (before, _), (after, _) in zip(spent, spent[1:], strict=False):
        assert after >= before + spacing_s


@given(st.integers(1, 100), st.integers(1, 100))
def test_what_the_meter_promises_it_keeps(first: int, second: int) -> None:
    clock = Clock()
    meter = Meter(Budget(100, 60.0, 0.5), clock)
    assert meter.spend(first) == 0.0
    clock.now += meter.ready_in(second)
    assert meter.spend(second) == 0.0


def test_all_of_the_share_is_used_and_no_more() -> None:
    clock = Clock()
    meter = Meter(Budget(2_400, 60.0, 0.0), clock)
    assert [meter.spend(20) for _ in range(96)] == [0.0] * 96
    assert meter.spend(20) == pytest.approx(60.001)
    clock.now += 60.002
    assert meter.spend(20) == 0.0


def test_background_work_leaves_room_for_what_is_looked_at() -> None:
    meter = Meter(Budget(100, 60.0, 0.0), Clock())
    while not meter.spend(10, BACKGROUND_SHARE):
        pass
    assert meter.ready_in(10, BACKGROUND_SHARE) > 0.0
    assert [meter.spend(10) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, pytest.approx(60.001)]


def test_the_venue_is_believed_when_it_counts_more() -> None:
    clock = Clock()
    meter = Meter(Budget(100, 60.0, 0.0), clock)
    meter.spend(10)
    meter.believe(75)
    assert meter.spend(5) == 0.0
    assert meter.spend(5) > 0.0
    # Less than we spent: its window began later.
    meter.believe(3)
    assert meter.spend(5) > 0.0
    clock.now += 61.0
    assert meter.spend(80) == 0.0


def test_nonsense_from_the_venue_stops_us_for_a_window_at_most() -> None:
    clock = Clock()
    meter = Meter(Budget(100, 60.0, 0.0), clock)
    meter.believe(10**9)
    assert meter.ready_in(1) == pytest.approx(60.001)


def test_a_request_heavier_than_the_share_goes_alone() -> None:
    clock = Clock()
    meter = Meter(Budget(10, 1.0, 0.0), clock)
    assert meter.spend(50) == 0.0
    assert meter.spend(1) > 0.0
    clock.now += 1.01
    assert meter.spend(50) == 0.0


def test_a_pause_is_kept_and_never_shortened() -> None:
    clock = Clock()
    meter = Meter(Budget(100, 1.0, 0.0), clock)
    meter.pause(30.0)
    meter.pause(5.0)
    assert meter.paused_for == 30.0
    assert meter.spend(1) == 30.0
    clock.now += 30.0
    assert meter.spend(1) == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "34"}, 34.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 06:01:00 GMT"}, 60.0),
        ({"retry-after": "Sat, 21 Nov 2026 05:00:00 GMT"}, 0.0),
        # This machine's clock is wrong by a day, the answer's own date tells.
        (
            {
                "retry-after": "Fri, 20 Nov 2026 06:01:30 GMT",
                "date": "Fri, 20 Nov 2026 06:00:00 GMT",
            },
            90.0,
        ),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "0.75"}, 0.75),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        # The longest ban that was seen is the most that is believed.
        ({"retry-after": "1e9"}, 259_200.0),
        ({"retry-after": "9" * 40}, 259_200.0),
        ({"retry-after": "Sat, 21 Nov 2099 06:00:00 GMT"}, 259_200.0),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "Sat, 99 Nov 99999999999999 06:01:00 GMT"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    now_s = http_date_s("Sat, 21 Nov 2026 06:00:00 GMT")
    assert now_s == 1_795_240_800.0
    assert retry_after_s(headers, now_s) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"code":-1003,"msg":"Too much; IP banned until 1795240860000. Use websocket"}', 60.0),
        (b'{"error":["EService: Throttled: 1795240805"]}', 5.0),
        (b'{"error":["EService: Throttled: 1"]}', None),
        (b'{"error":["EGeneral:Temporary lockout"]}', None),
        (b"banned until 9999999999999", 259_200.0),
    ],
)
def test_the_time_in_a_body_counts_where_no_header_says_one(
    body: bytes, seconds: float | None
) -> None:
    assert retry_after_s({}, 1_795_240_800.0, body) == seconds
    assert retry_after_s({"retry-after": "7"}, 1_795_240_800.0, body) == 7.0


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    http_date_s(text)
    retry_after_s({"retry-after": text, "date": text}, 0.0)


@pytest.mark.parametrize(
    ("text", "used"),
    [("17", 17), ("", None), ("x", None), ("-1", None), ("1e3", None), ("1" * 30, None)],
)
def test_the_used_weight_is_read(text: str, used: int | None) -> None:
    budget = Budget(100, 60.0, 0.0, "X-Used")
    assert used_weight(budget, {"x-used": text}) == used
    assert used_weight(Budget(100, 60.0, 0.0), {"": text, "x-used": text}) is None


def test_backing_off_doubles_is_capped_and_starts_anew() -> None:
    backoff = Backoff(1.0, 10.0)
    waits = [backoff.next_s() for _ in range(2_000)]
    for number, wait_s in enumerate(waits):
        limit = min(2.0 ** min(number, 10), 10.0)
        assert limit / 2 <= wait_s <= limit
    backoff.reset()
    assert backoff.next_s() <= 1.0


# The gate -------------------------------------------------------------------------------


class Answers:
    """A client that gives prepared answers."""

    def __init__(self, *answers: Answer | FeedError) -> None:
        self.answers = list(answers)
        self.asked = 0

    def get(self, url: str, headers: object = None) -> Answer:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, FeedError):
            raise answer
        return answer


REQUEST = Request("http://venue/", 1)


def gate(clock: Clock, *answers: Answer | FeedError) -> VenueClient:
    return VenueClient("Venue", Budget(100, 60.0, 0.0, "X-Used"), Answers(*answers), clock=clock)


def failing(one: VenueClient, kind: type[FeedError]) -> str:
    assert one.admit() == 0.0
    with pytest.raises(kind) as caught:
        one.ask(REQUEST)
    assert one.problem == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("status", [429, 418])
def test_asked_to_wait_nothing_goes_out_until_it_is_over(status: int) -> None:
    clock = Clock()
    one = gate(clock, Answer(status, {"retry-after": "200"}, b""), Answer(200, {}, b"yes"))
    assert "asked for fewer requests" in failing(one, Throttled)
    for _ in range(199):
        clock.now += 1.0
        assert one.admit() > 0.0
    clock.now += 1.0
    assert one.admit() == 0.0
    assert one.ask(REQUEST).body == b"yes"
    assert one.trouble == one.problem == ""


def test_asked_to_wait_without_a_time_it_waits_longer_each_time() -> None:
    clock = Clock()
    one = gate(clock, *[Answer(429, {}, b"")] * 4)
    waits = []
    for _ in range(4):
        failing(one, Throttled)
        waits.append(one.paused_for)
        clock.now += one.paused_for
    assert waits[0] >= 30.0
    assert waits == sorted(waits)
    assert waits[3] >= 4 * waits[0] / 2


def test_a_ban_without_a_time_is_two_minutes_at_least() -> None:
    one = gate(Clock(), Answer(418, {}, b""))
    failing(one, Throttled)
    assert one.paused_for >= 120.0


def test_asking_to_wait_no_time_at_all_is_a_second() -> None:
    one = gate(Clock(), Answer(429, {"retry-after": "0"}, b""))
    failing(one, Throttled)
    assert one.paused_for == 1.0


@pytest.mark.parametrize(
    ("status", "words"), [(451, "does not serve this region"), (403, "forbidden, possibly a")]
)
def test_refusals_are_named_and_left_alone(status: int, words: str) -> None:
    one = gate(Clock(), Answer(status, {}, b""))
    assert words in failing(one, Refused)
    assert one.trouble == "refused"
    assert one.paused_for >= 450.0


def test_a_refusal_that_means_too_much_is_not_one() -> None:
    clock = Clock()
    client = Answers(Answer(403, {}, b"access too frequent"))
    one = VenueClient(
        "V", Budget(9, 1.0, 0.0), client, lambda status, body: b"frequent" in body, clock
    )
    failing(one, Throttled)


def test_trouble_of_the_venue_backs_off_and_is_over_with_the_first_answer() -> None:
    clock = Clock()
    one = gate(
        clock,
        FeedError("venue did not answer in time"),
        Answer(500, {}, b""),
        Answer(503, {"retry-after": "77"}, b""),
        Answer(404, {}, b"no such symbol"),
    )
    assert failing(one, FeedError) == "venue did not answer in time"
    assert 0.5 <= one.paused_for <= 1.0
    clock.now += 1.0
    assert failing(one, FeedError) == "Venue could not answer (HTTP 500)"
    clock.now += 2.0
    failing(one, FeedError)
    assert one.paused_for == 77.0
    clock.now += 77.0
    assert one.admit() == 0.0
    assert one.ask(REQUEST).status == 404
    assert one.trouble == ""


def test_the_venues_time_is_taken_from_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    one = gate(
        Clock(),
        Answer(200, {"date": "Sat, 21 Nov 2026 06:00:00 GMT"}, b""),
        Answer(200, {"date": "Sat, 21 Nov 1999 06:00:00 GMT"}, b""),
    )
    monkeypatch.setattr(gate_module, "now_us", lambda: 1_795_240_000_000_000)
    one.ask(REQUEST)
    assert one.now_us() == 1_795_240_800_000_000
    # An absurd date says nothing.
    one.ask(REQUEST)
    assert one.now_us() == 1_795_240_800_000_000


def test_waiting_for_a_turn_gives_up_with_the_reason() -> None:
    one = gate(Clock(), Answer(451, {}, b""))
    failing(one, Refused)
    with pytest.raises(FeedError, match="refuses this address .* asked again in"):
        one.wait_turn(1, threading.Event(), 1.0)
