"""Instruments: ``venue:SYMBOL``, for example ``binance-usdm:BTCUSDT``.

Simulated instruments live under ``sim:`` and are never mixed with recorded ones.
"""

from __future__ import annotations

import re

from tandem.core.errors import DataError

SIMULATED_VENUE = "sim"
REPLAY_VENUE = "replay"

_VENUE = re.compile(r"[a-z][a-z0-9-]{0,23}")
_SYMBOL = re.compile(r"[^\W_][\w./-]{0,39}")


def instrument(venue: str, symbol: str) -> str:
    """Join a venue and a symbol into an instrument name.

    Parameters
    ----------
    venue : str
        Lower case, for example ``binance-usdm``.
    symbol : str
        The venue's own symbol, for example ``BTCUSDT`` or ``BTC-USD``.

    Raises
    ------
    DataError
        If either part has characters outside letters, digits and ``. _ / -``.
    """
    if not _VENUE.fullmatch(venue):
        raise DataError(f"{venue!r:.60} is not a venue name; use one like 'binance-usdm'.")
    if not _SYMBOL.fullmatch(symbol):
        raise DataError(
            f"{symbol!r:.60} is not a symbol; use letters, digits and . / - only, as in BTCUSDT."
        )
    return f"{venue}:{symbol.upper()}"


def split_instrument(name: str) -> tuple[str, str]:
    """Take ``venue:SYMBOL`` apart; raises DataError if it is not of that form."""
    venue, colon, symbol = name.partition(":")
    if not colon:
        raise DataError(f"{name!r:.60} is not an instrument; write venue:SYMBOL.")
    if instrument(venue, symbol) != name:
        raise DataError(f"{name!r:.60} is not an instrument; the symbol is upper case.")
    return venue, symbol


def is_simulated(name: str) -> bool:
    """Tell whether an instrument is one of the simulated market."""
    return name.partition(":")[0] == SIMULATED_VENUE
