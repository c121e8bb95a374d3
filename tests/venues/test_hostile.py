"""Every venue's parser on its own messages bent out of shape, and what follows in the recorder."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.config import Settings
from tandem.core.errors import MessageError
from tandem.core.events import Trade
from tandem.ingest.recorder import Recorder
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.base import WebsocketFeed
from tandem.venues.binance import BinanceSpot, BinanceUs, BinanceUsdm
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tests.support import hostile_messages
from tests.support.dialects import DIALECTS, Dialect, Sent
from tests.support.hostile_messages import RECEIVED_US

binance, coinbase, kraken, okx, bybit, bitstamp = DIALECTS


class Venue(NamedTuple):
    make: Callable[[str], WebsocketFeed]
    dialect: Dialect


VENUES = {
    "binance-usdm": Venue(BinanceUsdm, binance),
    "binance-spot": Venue(BinanceSpot, binance),
    "binance-us": Venue(BinanceUs, binance),
    "coinbase": Venue(Coinbase, coinbase),
    "kraken": Venue(Kraken, kraken),
    "okx": Venue(Okx, okx),
    "bybit": Venue(Bybit, bybit),
    "bitstamp": Venue(Bitstamp, bitstamp),
}


def messages(venue: Venue) -> list[dict[str, Any]]:
    """Return what the venue sends in good health: a trade, and where it has them a quote and more.

    Its times are those of the trade, so that one changed field is all that is wrong.
    """
    feed, dialect = venue.make("ws://x"), venue.dialect
    symbol = feed.instrument("btc").partition(":")[2]
    texts = [dialect.trade(Sent(symbol, 7, RECEIVED_US - 50_000, 61_000.5, 0.25, 1))[1]]
    quote = dialect.quote(symbol, 61_000.0, 61_000.5, (1.0, 2.0))
    texts += [quote[1]] if quote else []
    if feed.charges_funding and dialect is binance:
        texts.append(binance.funding(symbol, 0.0001, 61_000.0, RECEIVED_US)[1])
    return [orjson.loads(text) for text in texts]


@pytest.mark.parametrize("name", VENUES)
def test_the_messages_are_good_before_they_are_bent(name: str) -> None:
    feed = VENUES[name].make("ws://x")
    first = feed.parse(orjson.dumps(messages(VENUES[name])[0]), RECEIVED_US)
    assert [type(event) for event in first] == [Trade]


@pytest.mark.parametrize("name", VENUES)
@settings(deadline=None)
@given(data=st.data())
def test_only_message_errors_escape_and_what_is_understood_is_sound(
    name: str, data: st.DataObject
) -> None:
    venue = VENUES[name]
    raw = data.draw(hostile_messages.RAW | hostile_messages.mutations(messages(venue)))
    hostile_messages.survives(venue.make("ws://x"), raw)


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"data":' + b"9" * 100_000 + b"}",
        b'{"a":1e99999}',
        b'{"e":"aggTrade",' + b'"p":"1",' * 50_000 + b'"q":"1"}',
        b'"' + b"\\u0000" * 10_000 + b'"',
        b"\xef\xbb\xbf{}",
    ],
    ids=["nested", "objects", "digits", "exponent", "repeated", "zeros", "mark"],
)
def test_junk_of_every_size_is_refused(name: str, raw: bytes) -> None:
    with pytest.raises(MessageError):
        VENUES[name].make("ws://x").parse(raw, RECEIVED_US)


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", VENUES)
def test_what_is_understood_can_be_recorded(name: str, tmp_path: Any) -> None:
    venue = VENUES[name]
    store = Store.open(tmp_path / "record.sqlite", 1, 100_000)
    feed = venue.make("ws://x")
    recorder = Recorder(feed, store, HotBuffer(1_000), Settings())
    instrument = feed.instrument("btc")
    recorder.watch(frozenset({instrument}), frozenset({instrument}))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(hostile_messages.mutations(messages(venue)), max_size=5))
    def pour(raws: list[bytes]) -> None:
        recorder.hand_on(recorder.understand(raws, RECEIVED_US))

    try:
        pour()
        assert store.flush(20.0)
        health = store.health()
        assert (health.state, health.refused) == ("recording", 0)
    finally:
        store.close()
