"""Messages that no well-behaved venue would send, for every parser."""

from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import strategies as st

from tandem.core.errors import MessageError
from tandem.core.events import Funding, Notice, Quote, Trade
from tandem.venues.base import WebsocketFeed
from tandem.venues.fields import LATEST_US

RECEIVED_US = 1_795_000_000_000_000

RAW = st.binary(max_size=200) | st.text(max_size=200)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["nan", "1e999", "-0", "0", "9999-12-31T23:59:59Z", "Z", "9" * 30, "١", "buy", "Sell"]
    )
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "channel", "symbol", "0", "T"]), inner)
    ),
    max_leaves=6,
)


@st.composite
def mutations(draw: st.DrawFn, good: list[dict[str, Any]]) -> bytes:
    """Draw one of the good messages with fields, however deep, replaced or taken away."""
    message = orjson.loads(orjson.dumps(draw(st.sampled_from(good))))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(message))))
        if isinstance(holder, dict) and draw(st.booleans()):
            holder.pop(key, None)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = draw(VALUES)
    return orjson.dumps(message)


def nested(good: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield each of the good messages with each of its fields nested as deep as JSON may be."""
    mark, deep = "-deep-", b"[" * 1_000 + b"]" * 1_000
    for message in good:
        for holder, key in list(_places(message)):
            kept, holder[key] = holder[key], mark
            yield orjson.dumps(message).replace(b'"-deep-"', deep)
            holder[key] = kept


def _places(value: Any) -> Any:
    """Yield each container within a value with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
    if not keys:
        yield {}, ""


def survives(feed: WebsocketFeed, raw: bytes | str) -> None:
    """Check that only MessageError escapes and that what is parsed is sound."""
    try:
        events = feed.parse(raw, RECEIVED_US)
    except MessageError as error:
        assert len(str(error)) < 100
        return
    for event in events:
        if isinstance(event, Trade):
            assert 0.0 < event.price < 1e15
            assert 0.0 < event.quantity < 1e15
            assert event.side in (1, -1)
            assert type(event.trade_id) in (int, str)
        if isinstance(event, Quote):
            assert 0.0 < event.bid <= event.ask < 1e15
        if isinstance(event, (Trade, Quote)):
            assert event.instrument.startswith(f"{feed.venue}:")
            assert 0 < event.time_us <= LATEST_US
        if isinstance(event, Notice):
            assert event.text.isprintable()
            assert len(event.text) < 300
        if isinstance(event, Funding):
            assert feed.charges_funding
            assert -1.0 < event.rate < 1.0
            assert 0.0 < event.mark_price < 1e15
