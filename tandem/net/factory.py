"""The clients of a process: made once, from its settings."""

from __future__ import annotations

from tandem.config import Settings
from tandem.net.http import Client
from tandem.net.venue_client import Load, Save, VenueClients
from tandem.venues.registry import rest_venue


def venue_clients(
    settings: Settings, load: Load = lambda key: None, save: Save = lambda key, blob: None
) -> VenueClients:
    """Return the clients of venues under the settings; `load` and `save` as of `VenueClients`."""
    client = Client(connect_s=settings.connect_timeout_s)
    return VenueClients(lambda venue: rest_venue(venue, settings), client, load, save)
