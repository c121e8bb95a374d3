"""Every setting: those of the program, and what each venue declares of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem import config
from tandem.config import PREFIX, Settings
from tandem.venues.registry import VENUES

__all__ = ["PREFIX", "Settings", "load"]


def load(
    secrets: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
    address: str | None = "localhost",
) -> Settings:
    """Build the settings from all sources; parameters and errors as of `tandem.config.load`."""
    declared = {name: venue.settings for name, venue in VENUES.items()}
    return config.load(declared, secrets, environ, env_file, address)
