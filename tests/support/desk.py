"""The desk behind the pages of a test."""

from __future__ import annotations

from tandem.engine import Engine
from tandem.ui.app import start
from tandem.ui.shared import state


def engine() -> Engine:
    """Return the process's engine, started where nothing did before."""
    start()
    running = state.desk()
    assert isinstance(running, Engine)
    return running
