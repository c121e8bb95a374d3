"""What every venue's REST parser must bear, and holes to ask about."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import strategies as st

from tandem.core.clock import DAY_US, MINUTE_US
from tandem.core.errors import MessageError
from tandem.core.events import BAR, Gap, Trade
from tandem.venues.rest import Listing, Request, RestVenue

NOW_US = 1_795_000_000_000_000

RAW = st.binary(max_size=200) | st.text(max_size=100).map(str.encode)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["nan", "1e999", "-0", "0", "9" * 30, "١", "buy", "TRADING", ""])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["result", "data", "symbol", "last", "0"]), inner)
    ),
    max_leaves=6,
)


def clock() -> int:
    """Return a fixed now."""
    return NOW_US


def hole(instrument: str, start_us: int, end_us: int, ids: tuple[int, int] = (-1, -1)) -> Gap:
    """Return an open hole, known by its ids or by its time alone."""
    return Gap(instrument, *ids, start_us, end_us, "open")


def url(request: Request | None) -> str:
    """Return the address of a request that must be one."""
    assert request is not None
    return request.url


@st.composite
def mutations(draw: st.DrawFn, good: Any) -> bytes:
    """Draw a good answer with parts of it, however deep, replaced or taken away."""
    answer = orjson.loads(orjson.dumps({"answer": good}))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(answer))))
        if draw(st.booleans()) and holder is not answer:
            if isinstance(holder, dict):
                holder.pop(key, None)
            elif key < len(holder):
                del holder[key]
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = draw(VALUES)
    return orjson.dumps(answer["answer"])


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def survives(venue: RestVenue, instrument: str, body: bytes) -> None:
    """Check each parser of a venue: only MessageError escapes, what is parsed is sound."""
    for parse, check in (
        (lambda: venue.parse_trades(body, instrument, NOW_US), _sound_trades),
        (lambda: venue.parse_candles(body, instrument), _sound_candles),
        (lambda: venue.parse_listing(body), _sound_listing),
    ):
        _attempt(parse, check, instrument)
    assert venue.beyond_reach(400, body) in (True, False)


def _attempt(parse: Callable[[], Any], check: Callable[[Any, str], None], instrument: str) -> None:
    try:
        understood = parse()
    except MessageError as error:
        assert len(str(error)) < 100
        return
    check(understood, instrument)


def _sound_trades(trades: list[Trade], instrument: str) -> None:
    for trade in trades:
        assert trade.instrument == instrument
        assert 0.0 < trade.price < 1e15
        assert 0.0 < trade.quantity < 1e15
        assert trade.side in (1, -1)
        assert type(trade.trade_id) in (int, str)
        assert 0 < trade.time_us <= NOW_US + DAY_US
    keys = [trade.trade_id if type(trade.trade_id) is int else trade.time_us for trade in trades]
    assert keys == sorted(keys)


def _sound_candles(bars: np.ndarray, instrument: str) -> None:
    assert bars.dtype == BAR
    assert np.all(np.diff(bars["time_us"]) > 0)
    assert np.all(bars["time_us"] % MINUTE_US == 0)
    assert np.all(bars["last_us"] == bars["time_us"] + MINUTE_US - 1)
    assert np.all(bars["trades"] == -1)
    assert np.all((bars["low"] > 0.0) & (bars["high"] < 1e15) & (bars["low"] <= bars["high"]))
    assert np.all(bars["volume"] > 0.0)


def _sound_listing(found: list[Listing], instrument: str) -> None:
    assert found
    for listing in found:
        assert listing.symbol == listing.symbol.upper()
        assert listing.kind in ("spot", "perpetual", "future")
        assert min(listing.tick, listing.lot, listing.minimum_notional) >= 0.0


def refuses(parse: Callable[[], Any], cause: str = ".") -> None:
    """Check that something could not be parsed for a cause."""
    with pytest.raises(MessageError, match=cause):
        parse()
