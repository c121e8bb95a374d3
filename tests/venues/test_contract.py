"""What every venue of the registry must do, whoever it is; what is a venue's own is in its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem.config import Settings
from tandem.core.clock import MINUTE_US
from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Trade, Unread
from tandem.ingest.recorder import Recorder
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.registry import VENUES, create_feed, create_rest, patience
from tandem.venues.rest import RestVenue
from tests.support import hostile_messages, rest_answers
from tests.support.dialects import DIALECTS, Dialect, Sent
from tests.support.examples.all import RESTS, STREAMS
from tests.support.hostile_messages import RECEIVED_US
from tests.support.rest_answers import NOW_US, hole
from tests.support.settings import rest_urls

NAMED = list(VENUES)
STREAMED = [name for name in NAMED if create_feed(name, Settings()).kind == "streamed"]
ADDRESSES = rest_urls()
BEGIN_US = 1_794_000_000_000_000

binance, *_others = DIALECTS
SPOKEN: dict[str, Dialect] = {
    **dict.fromkeys(("binance-usdm", "binance-spot", "binance-us"), binance),
    **dict(zip(("coinbase", "kraken", "okx", "bybit", "bitstamp"), _others, strict=True)),
}


def feed(name: str) -> Any:
    return create_feed(name, Settings(replay_file="nothing.csv"))


def rest(name: str) -> RestVenue:
    venue = create_rest(name, ADDRESSES[name])
    assert venue is not None
    venue.keep_time_by(rest_answers.clock)
    return venue


def good(name: str) -> list[dict[str, Any]]:
    """Return what the venue sends in good health, as documented and as its stand-in sends it.

    The times of the stand-in are those of now, so that one changed field is all that is wrong.
    """
    documented = [STREAMS[name].message(STREAMS[name].trade), *STREAMS[name].others]
    return documented + spoken(name)


def spoken(name: str) -> list[dict[str, Any]]:
    dialect, symbol = SPOKEN[name], feed(name).instrument("btc").partition(":")[2]
    texts = [dialect.trade(Sent(symbol, 7, RECEIVED_US - 50_000, 61_000.5, 0.25, 1))[1]]
    quote = dialect.quote(symbol, 61_000.0, 61_000.5, (1.0, 2.0))
    texts += [quote[1]] if quote else []
    if feed(name).charges_funding and dialect is binance:
        texts.append(binance.funding(symbol, 0.0001, 61_000.0, RECEIVED_US)[1])
    return [orjson.loads(text) for text in texts]


def parsed(name: str, message: object) -> list[Any]:
    return list(feed(name).parse(orjson.dumps(message), RECEIVED_US))


def refusal(name: str, message: object) -> str:
    """Return why a message, or each trade in it, could not be parsed."""
    try:
        (unread,) = parsed(name, message)
    except MessageError as error:
        return str(error)
    assert type(unread) is Unread
    return unread.cause


def every(examples: dict[str, Any], pick: Callable[[Any], Any]) -> list[Any]:
    """Return each venue with each of what its examples hold."""
    return [
        pytest.param(name, one, id=f"{name}-{one!r:.40}")
        for name, found in examples.items()
        for one in pick(found)
    ]


# Every venue ----------------------------------------------------------------------------


def test_every_venue_with_a_stream_or_answers_has_examples() -> None:
    assert [*STREAMS] == [*RESTS] == STREAMED == [*SPOKEN]


@pytest.mark.parametrize("name", NAMED)
def test_a_venue_knows_its_name_and_what_its_prices_take(name: str) -> None:
    one = feed(name)
    assert one.venue == name
    assert one.title and one.title.isprintable()
    assert type(one.charges_funding) is bool
    needed = patience(name, Settings(replay_file="nothing.csv"))
    assert needed.grace_s > 0.0 and needed.stale_s > 0.0 and needed.least_bar_s >= 1.0


@pytest.mark.parametrize("name", STREAMED)
def test_ids_are_said_to_be_consecutive_where_they_are(name: str) -> None:
    # One message of OKX stands for several trades; Bitstamp's ids skip; Bybit's are no numbers.
    assert feed(name).consecutive_ids is (name not in ("okx", "bybit", "bitstamp"))


@pytest.mark.parametrize("name", [name for name in NAMED if name != "replay"])
def test_what_it_offers_are_instruments_of_its_own(name: str) -> None:
    one = feed(name)
    assert one.popular
    for symbol in one.popular:
        assert one.instrument(f"{name}:{symbol}") == f"{name}:{symbol}"
    found = one.instrument("btc")
    assert found.startswith(f"{name}:")
    assert one.instrument(found) == found


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("text", ["", " ", "elsewhere:BTC", "<b>", "a/b/c", "x" * 60, "b;c"])
def test_names_that_cannot_be_are_refused(name: str, text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed(name).instrument(text)


@pytest.mark.parametrize(("name", "names"), every(STREAMS, lambda one: one.names.items()))
def test_names_people_use(name: str, names: tuple[str, str]) -> None:
    text, symbol = names
    assert feed(name).instrument(text) == f"{name}:{symbol}"


# Streams --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMED)
def test_the_documented_trade(name: str) -> None:
    one = STREAMS[name]
    assert parsed(name, one.message(one.trade)) == [one.means]
    other = one.message(one.trade | one.other_side)
    assert parsed(name, other) == [one.means._replace(side=-one.means.side)]


@pytest.mark.parametrize("name", STREAMED)
def test_every_good_message_is_understood_before_it_is_bent(name: str) -> None:
    for message in good(name):
        parsed(name, message)
    assert [type(event) for event in parsed(name, spoken(name)[0])] == [Trade]


@pytest.mark.parametrize(("name", "change"), every(STREAMS, lambda one: one.wrong))
def test_a_wrong_field_is_refused_without_echoing_it(name: str, change: dict[str, Any]) -> None:
    one = STREAMS[name]
    assert 0 < len(refusal(name, one.message(one.trade | change))) < 80


@pytest.mark.parametrize(("name", "missing"), every(STREAMS, lambda one: one.needed))
def test_a_missing_field_is_named(name: str, missing: str) -> None:
    one = STREAMS[name]
    rest_of_it = {field: value for field, value in one.trade.items() if field != missing}
    assert missing in refusal(name, one.message(rest_of_it))


@pytest.mark.parametrize("name", STREAMED)
def test_a_field_nested_as_deep_as_json_may_be_ends_nothing(name: str) -> None:
    for raw in hostile_messages.nested(good(name)):
        hostile_messages.survives(feed(name), raw)


@pytest.mark.parametrize(("name", "message"), every(STREAMS, lambda one: one.unasked))
def test_what_was_not_asked_for_is_refused(name: str, message: object) -> None:
    with pytest.raises(MessageError):
        parsed(name, message)


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]", b"7", b"null", b'"text"', b"{}", b"\xff\xfe", b'{"a":"\xc3"}'),
        "\ud800",
        b"[" * 100_000,
        b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"data":' + b"9" * 100_000 + b"}",
        b'{"a":1e99999}',
        b'{"e":"aggTrade",' + b'"p":"1",' * 50_000 + b'"q":"1"}',
        b'"' + b"\\u0000" * 10_000 + b'"',
        b"\xef\xbb\xbf{}",
    ],
    ids=[
        *("nothing", "open", "list", "number", "null", "text", "empty", "bytes", "half a letter"),
        *("surrogate", "nested", "objects", "digits", "exponent", "repeated", "zeros", "mark"),
    ],
)
def test_junk_of_every_size_is_refused(name: str, raw: bytes | str) -> None:
    with pytest.raises(MessageError):
        feed(name).parse(raw, RECEIVED_US)


@pytest.mark.parametrize("name", STREAMED)
@given(raw=hostile_messages.RAW)
@example(raw="\ud800")
def test_only_message_errors_escape_from_any_bytes(name: str, raw: bytes | str) -> None:
    hostile_messages.survives(feed(name), raw)


@pytest.mark.parametrize("name", STREAMED)
@settings(max_examples=60)
@given(data=st.data())
def test_only_message_errors_escape_and_what_is_understood_is_sound(
    name: str, data: st.DataObject
) -> None:
    raw = data.draw(hostile_messages.mutations(good(name)))
    hostile_messages.survives(feed(name), raw)


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", STREAMED)
def test_what_is_understood_can_be_recorded(name: str, tmp_path: Any) -> None:
    store = Store.open(tmp_path / "record.sqlite", 1, 100_000)
    one = feed(name)
    recorder = Recorder(one, store, HotBuffer(1_000), Settings())
    instrument = one.instrument("btc")
    recorder.watch(frozenset({instrument}), frozenset({instrument}))

    @settings(max_examples=40)
    @given(st.lists(hostile_messages.mutations(spoken(name)), max_size=5))
    def pour(raws: list[bytes]) -> None:
        recorder.intake.take(recorder.intake.understand(raws, RECEIVED_US))

    try:
        pour()
        assert store.flush(20.0)
        health = store.health()
        assert (health.state, health.refused) == ("recording", 0)
    finally:
        store.close()


@pytest.mark.parametrize("name", STREAMED)
def test_a_connection_is_asked_for_what_is_wanted_and_no_more(name: str) -> None:
    one = feed(name)
    wanted = [f"{name}:{symbol}" for symbol in one.popular[:3]]
    route = one.trade_route(wanted[:2])
    assert route.url.startswith(VENUES[name].settings[0].default)
    assert route.carries == frozenset(wanted[:2])
    assert list(one.trade_route(wanted[1::-1]).frames) == list(route.frames)
    assert (one.quote_route(wanted[:1]) is not None) <= one.quotes
    assert one.change(route, [], []) == ()
    gone, came = one.change(route, wanted[2:], wanted[:1])
    assert gone != came
    for text in (*route.frames, gone, came):
        assert type(orjson.loads(text)) is dict


# Answers over HTTP ----------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMED)
def test_every_venue_has_an_interface_at_the_address_of_the_settings(name: str) -> None:
    venue = rest(name)
    assert venue.venue == name
    assert venue.listing().url.startswith("https://")
    assert venue.candles(f"{name}:BTC-USD", BEGIN_US, NOW_US).url.startswith(ADDRESSES[name])


@pytest.mark.parametrize("name", STREAMED)
def test_every_interface_says_what_must_be_known_of_it(name: str) -> None:
    text = type(rest(name)).__doc__ or ""
    for word in ("Trade ids:", "Side:", "Liveness:", "Limits:"):
        assert word in text


@pytest.mark.parametrize("name", STREAMED)
def test_no_request_weighs_more_than_the_budget(name: str) -> None:
    venue = rest(name)
    gap = hole(f"{name}:BTC-USD", NOW_US - MINUTE_US, NOW_US)
    requests = [venue.listing(), venue.candles(gap.instrument, BEGIN_US, NOW_US)]
    trades = venue.trades(gap.instrument, gap)
    assert venue.has_trades or trades is None
    for request in [*requests, *([trades] if trades else [])]:
        assert 0 < request.weight <= venue.budget.weight


@pytest.mark.parametrize("name", STREAMED)
def test_a_symbol_cannot_break_out_of_its_place(name: str) -> None:
    parts = urlsplit(rest(name).candles(f"{name}:BTC/USD..", BEGIN_US, NOW_US).url)
    assert f"{parts.scheme}://{parts.netloc}" == ADDRESSES[name]
    assert "/../" not in parts.path


@pytest.mark.parametrize("name", [name for name, one in RESTS.items() if one.trades])
def test_documented_trades_come_ascending(name: str) -> None:
    one = RESTS[name]
    assert rest(name).parse_trades(orjson.dumps(one.trades), one.instrument, NOW_US) == one.past


@pytest.mark.parametrize("name", [name for name, one in RESTS.items() if one.streamed])
def test_a_trade_by_rest_is_the_trade_of_the_stream(name: str) -> None:
    (streamed,) = parsed(name, RESTS[name].streamed)
    assert streamed in RESTS[name].past


@pytest.mark.parametrize("name", STREAMED)
def test_the_documented_candle(name: str) -> None:
    one = RESTS[name]
    bar = rest(name).parse_candles(orjson.dumps(one.candles), one.instrument)[0]
    assert tuple(bar[["time_us", "open", "high", "low", "close"]]) == one.candle
    assert bar["last_us"] == bar["time_us"] + MINUTE_US - 1
    assert bar["trades"] == -1


@pytest.mark.parametrize("name", STREAMED)
def test_the_documented_symbols(name: str) -> None:
    assert rest(name).parse_listing(orjson.dumps(RESTS[name].listing)) == RESTS[name].listed


@pytest.mark.parametrize(("name", "change"), every(RESTS, lambda one: one.changes))
def test_only_what_trades_and_is_understood_is_listed(
    name: str, change: tuple[dict[str, Any], int]
) -> None:
    changes, count = change
    body = orjson.dumps(RESTS[name].listing_with(changes))
    assert len(rest(name).parse_listing(body)) == count


@pytest.mark.parametrize("name", STREAMED)
@given(body=rest_answers.RAW)
def test_only_message_errors_escape_from_any_answer(name: str, body: bytes) -> None:
    rest_answers.survives(rest(name), RESTS[name].instrument, body)


@pytest.mark.parametrize("name", STREAMED)
@given(data=st.data())
def test_answers_bent_out_of_shape_are_refused_or_sound(name: str, data: st.DataObject) -> None:
    one = RESTS[name]
    answers = [answer for answer in (one.trades, one.candles, one.listing) if answer]
    body = data.draw(st.one_of(*map(rest_answers.mutations, answers)))
    rest_answers.survives(rest(name), one.instrument, body)
    rest(name).more_listing(body)
