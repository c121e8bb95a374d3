"""A made-up venue, as CONTRIBUTING says to add one: one file and one line of the registry.

It speaks as Coinbase does, so that the stand-ins of the tests can answer for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from tandem.venues import registry
from tandem.venues.coinbase import Coinbase, CoinbaseRest
from tandem.venues.venue import exchange

NAME = "mars:BTC-USD"


class Mars(Coinbase):
    """The exchange of Mars."""

    venue: ClassVar[str] = "mars"
    title: ClassVar[str] = "Mars Exchange"


class MarsRest(CoinbaseRest):
    """The same by REST."""

    venue: ClassVar[str] = Mars.venue
    title: ClassVar[str] = Mars.title


VENUE = exchange(Mars, MarsRest, "wss://ws.mars.test", "https://api.mars.test")


@contextmanager
def known() -> Iterator[None]:
    """Add the line to the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.VENUES, VENUE.name, VENUE)
        yield
