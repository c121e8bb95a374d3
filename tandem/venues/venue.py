"""What a venue says of itself, once, at the end of its own file; the registry collects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tandem.config import Settings, VenueSetting
from tandem.venues.base import RecordedFeed, StoredTrades, WebsocketFeed
from tandem.venues.rest import PolledFeed, RestSource, RestVenue

Feed = RecordedFeed | PolledFeed


@dataclass(frozen=True)
class Venue:
    """One venue. What its feed and its REST interface can do stands in their classes.

    Attributes
    ----------
    name, title : str
        In instruments and on screen.
    feed : callable
        Makes its feed from the settings and what reads a Tandem database; opens nothing.
    rest : type of RestVenue, optional
        Its REST interface, asked at the address that `rest_url` sets.
    settings : tuple of VenueSetting
        What can be set of it, with its defaults.
    is_tried : bool
        Whether ``auto`` tries it, in the order of the registry.
    can_be_scanned : bool
        Whether all of its instruments can be watched at once: it is there now, and streams.
    needs : str
        The setting without which it is not offered.
    """

    name: str
    title: str
    feed: Callable[[Settings, StoredTrades | None], Feed]
    rest: type[RestVenue] | None = None
    rest_url: VenueSetting | None = None
    settings: tuple[VenueSetting, ...] = ()
    is_tried: bool = False
    can_be_scanned: bool = True
    needs: str = ""

    def rest_under(self, settings: Settings) -> RestVenue | None:
        """Return its REST interface; None where it has none, or its address is set to nothing."""
        url = settings.of(self.rest_url) if self.rest_url else ""
        return self.rest(url) if self.rest and url else None

    def source(self, settings: Settings) -> RestSource | None:
        """Return what its list is asked of: its REST interface, or the polled feed itself."""
        feed = self.feed(settings, None)
        return feed if feed.kind == "polled" else self.rest_under(settings)


def exchange(
    feed: Callable[[str], WebsocketFeed],
    rest: type[RestVenue],
    url: str,
    rest_url: str,
    *,
    is_tried: bool = False,
) -> Venue:
    """Return a venue that streams trades and is asked over REST, by its classes and addresses."""
    feed_url = address(rest.venue, rest.title, url, "websocket")
    asked_url = address(rest.venue, rest.title, rest_url, "REST")
    return Venue(
        rest.venue,
        rest.title,
        lambda settings, stored: feed(settings.of(feed_url)),
        rest,
        asked_url,
        (feed_url, asked_url),
        is_tried,
    )


def address(venue: str, title: str, url: str, kind: str) -> VenueSetting:
    """Return the setting of a venue's address, ``websocket`` or ``REST``."""
    name = venue.replace("-", "_") + ("_url" if kind == "websocket" else "_rest_url")
    return VenueSetting(name, url, f"{title} {kind} address")
