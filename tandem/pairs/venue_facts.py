"""What is fixed about each venue: how patient to be, what it charges, what it calls things."""

from __future__ import annotations

import contextlib

from tandem.config import Settings
from tandem.core.clock import SECOND_US
from tandem.core.errors import UnknownSymbol
from tandem.core.instruments import split_instrument
from tandem.storage.stored_trades import stored_trades
from tandem.venues.registry import Patience, create_feed, patience


class VenueFacts:
    """What is fixed about each venue under these settings. Any thread may ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._patience: dict[str, Patience] = {}
        self._charging: dict[str, bool] = {}

    def patience(self, instrument: str) -> Patience:
        """Return how long to wait for an instrument's late prices, and until one is stale."""
        venue = split_instrument(instrument)[0]
        if venue not in self._patience:
            self._patience[venue] = patience(venue, self._settings)
        return self._patience[venue]

    def grace_us(self, instrument: str) -> int:
        """Return how long an instrument's second waits for late trades."""
        return int(self.patience(instrument).grace_s * SECOND_US)

    def stale_us(self, instrument: str) -> int:
        """Return the age of its last trade from which an instrument's bars are masked."""
        return int(self.patience(instrument).stale_s * SECOND_US)

    def least_bar_us(self, bar_us: int, *legs: str) -> int:
        """Return `bar_us`, or the shortest bar in which every leg has a new price, if longer."""
        least_s = max(self.patience(leg).least_bar_s for leg in legs)
        return max(bar_us, int(least_s * SECOND_US))

    def charges_funding(self, venue: str) -> bool:
        """Return whether positions on a venue pay or receive funding."""
        if venue not in self._charging:
            self._charging[venue] = create_feed(venue, self._settings).charges_funding
        return self._charging[venue]

    def own_instruments(self, venue: str | None) -> list[str]:
        """Return the assets of the settings as a venue names them, those it lists."""
        if venue is None:
            return []
        feed = create_feed(venue, self._settings, stored_trades)
        names = []
        for text in self._settings.symbols.split(","):
            with contextlib.suppress(UnknownSymbol):
                names.append(feed.instrument(text.strip()))
        return names
