"""Two legs out of files, on the grid that suits their bars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.analytics.defects import DefectKind, find_defects
from tandem.core.bars import AlignedBars, align, join
from tandem.core.clock import DAY_US
from tandem.core.errors import DataError
from tandem.io.model import time_text

Bars = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]

# A leg of a file is stale once it missed so many bars.
STALE_BARS = 2
MOST_BARS = 5_000_000
MOST_NAMED = 3


def aligned(y_bars: Bars, x_bars: Bars, interval_us: int, most: int = MOST_BARS) -> AlignedBars:
    """Put two legs together: on a clock grid inside the day, at common times for other bars.

    Parameters
    ----------
    y_bars, x_bars, interval_us
        As `tandem.io.pairing.pair_from` gives them.
    most : int
        Bars the grid may have.

    Raises
    ------
    DataError
        No bar in common, or a grid of too many bars.
    """
    if not (len(y_bars) and len(x_bars)):
        raise DataError("A leg has no bars; choose an instrument that has some.")
    start_us = max(int(y_bars["time_us"][0]), int(x_bars["time_us"][0]))
    on_grid = (np.any((leg["time_us"] - start_us) % interval_us) for leg in (y_bars, x_bars))
    if interval_us >= DAY_US or any(on_grid):
        return join(y_bars, x_bars, interval_us)
    end_us = min(int(y_bars["time_us"][-1]), int(x_bars["time_us"][-1])) + interval_us
    count = (end_us - start_us) // interval_us
    if count > most:
        raise DataError(
            f"The files span {count:,} bars; at most {most:,} are followed. "
            "Choose a longer bar or a shorter file."
        )
    stale_us = STALE_BARS * interval_us
    return align(y_bars, x_bars, interval_us, start_us, end_us, stale_us=stale_us)


def suspect_prices(bars: AlignedBars, y: str, x: str) -> tuple[str, ...]:
    """Say which prices of the legs look like no market's; see `analytics.find_defects`.

    At most three of each kind are named for each leg.
    """
    return tuple(
        sentence
        for name, leg in ((y, bars.y), (x, bars.x))
        for sentence in (
            *_without_log(name, bars, leg),
            *(one for kind in DefectKind for one in _named(name, kind, bars, leg)),
        )
    )


def _without_log(name: str, bars: AlignedBars, leg: Floats) -> list[str]:
    """Say at which bars a leg is not above zero: raw prices have them, logs cannot."""
    places = np.flatnonzero(bars.usable & (leg <= 0))
    if not len(places):
        return []
    many = "s" if len(places) > 1 else ""
    return [
        f"{name}: {len(places):,} price{many} of 0 or less, first at "
        f"{time_text(int(bars.time_us[places[0]]))} UTC; log prices leave such bars out."
    ]


def _named(name: str, kind: DefectKind, bars: AlignedBars, leg: Floats) -> list[str]:
    price = np.where(bars.usable, leg, np.nan)
    found = [one for one in find_defects(price) if one.kind is kind]
    lines = [
        f"{name}: {kind.value} at {time_text(int(bars.time_us[one.first]))} UTC"
        + (f", {one.bars:,} bars." if kind is DefectKind.FROZEN else f", {one.ratio:.4g} times.")
        for one in found[:MOST_NAMED]
    ]
    if len(found) > MOST_NAMED:
        lines.append(f"{name}: {len(found) - MOST_NAMED:,} more of the kind {kind.value}.")
    return lines
