"""Models and settings of surveillance in the database."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

from tandem.core.errors import DataError, StoreError
from tandem.storage.protocols import Database
from tandem.surveillance.isolation_forest import Forest, load
from tandem.surveillance.settings import WatchSettings, settings_from

log = logging.getLogger("tandem.monitor")

_SETTINGS = "watch-settings"


def stored_settings(store: Database) -> tuple[WatchSettings, str]:
    """Return the stored settings, or the defaults and a message where they cannot be used."""
    try:
        kept = store.load_state(_SETTINGS)
        return settings_from(json.loads(kept)) if kept else WatchSettings(), ""
    except (DataError, StoreError, ValueError) as error:
        said = f"Stored monitoring settings could not be used: {error} Enter them again."
        log.error("%s", said)
        return WatchSettings(), said


def save_settings(store: Database, settings: WatchSettings) -> None:
    """Store settings; raises StoreError."""
    store.save_state(_SETTINGS, json.dumps(asdict(settings)).encode())


def stored_model(store: Database, instrument: str, settings: WatchSettings) -> Forest | None:
    """Return an instrument's stored model if it was trained for these settings."""
    try:
        kept = store.load_state(f"forest/{instrument}")
        forest = load(kept) if kept is not None else None
    except (DataError, StoreError) as error:
        log.warning("The stored model of %s could not be used: %s", instrument, error)
        return None
    wanted = settings.features, settings.contamination
    is_wanted = forest is not None and (forest.features, forest.contamination) == wanted
    return forest if is_wanted else None


def save_model(store: Database, instrument: str, forest: Forest) -> None:
    """Store an instrument's model; where that fails the log says so."""
    try:
        store.save_state(f"forest/{instrument}", forest.to_bytes())
    except (DataError, StoreError) as error:
        log.warning("The model of %s could not be saved: %s", instrument, error)
