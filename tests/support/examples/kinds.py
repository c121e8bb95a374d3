"""What a venue's examples tell: documented messages and answers, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.core.events import Trade
from tandem.venues.rest import Listing

RECEIVED_US = 1_795_000_000_000_000


@dataclass(frozen=True)
class Stream:
    """A venue's websocket.

    Attributes
    ----------
    trade : dict
        The fields of one documented trade.
    message : callable
        Makes the whole message of such fields.
    means : Trade
        What the documented message means.
    other_side : dict
        The change by which it was the other side that took.
    wrong : tuple of dict
        Changes that must be refused.
    needed : tuple of str
        Fields whose absence must be named.
    others : list of dict
        More messages in good health: quotes, heartbeats, errors.
    unasked : tuple
        Messages that nobody asked for.
    names : dict
        What people type, and the symbol they mean.
    """

    trade: dict[str, Any]
    message: Callable[[dict[str, Any]], dict[str, Any]]
    means: Trade
    other_side: dict[str, Any]
    wrong: tuple[dict[str, Any], ...]
    needed: tuple[str, ...]
    others: list[dict[str, Any]]
    unasked: tuple[Any, ...]
    names: Mapping[str, str]


@dataclass(frozen=True)
class Rest:
    """A venue's answers over HTTP.

    Attributes
    ----------
    instrument : str
        Of which the answers tell.
    trades, candles, listing
        Documented answers; no trades where the venue is not asked for them.
    past : list of Trade
        What the trades mean, oldest first.
    streamed : dict or None
        The stream's message of the first of them.
    candle : tuple
        Time, open, high, low and close of the first candle.
    listed : list of Listing
        What the listing means.
    listing_with : callable
        Makes a listing of the documented entry and of one like it with some changes.
    changes : list of tuple
        Such changes, and how many of the two are listed then.
    """

    instrument: str
    trades: Any
    past: list[Trade]
    candles: Any
    candle: tuple[float, ...]
    listing: Any
    listed: list[Listing]
    listing_with: Callable[[dict[str, Any]], Any]
    changes: list[tuple[dict[str, Any], int]]
    streamed: dict[str, Any] | None = field(default=None)
