"""Settings for tests, those of venues named like the others."""

from __future__ import annotations

from typing import Any

from tandem.config import Settings, VenueSetting
from tandem.venues.registry import VENUES


def declared() -> dict[str, VenueSetting]:
    """Return every setting that a venue declares, by name."""
    return {one.name: one for venue in VENUES.values() for one in venue.settings}


def settings_of(**values: Any) -> Settings:
    """Return settings with some values, whoever declares them."""
    of_venues = {name: values.pop(name) for name in declared() if name in values}
    return Settings(**values, of_venues=of_venues)


def rest_urls() -> dict[str, str]:
    """Return the REST address of each venue by the venue's name."""
    return {
        name: next(one.default for one in venue.settings if one.name.endswith("_rest_url"))
        for name, venue in VENUES.items()
        if venue.settings
    }
