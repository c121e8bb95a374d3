"""What the live page shows, taken at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.backfill.progress import Progress
from tandem.core.clock import HOUR_US
from tandem.core.events import Funding, Quote, Trade
from tandem.ingest.status import Choice, FeedStatus
from tandem.pairs.cointegration import Relation
from tandem.pairs.costs import TradeCost
from tandem.pairs.stream import PairSettings, Provisional
from tandem.pairs.tracker import PairView
from tandem.storage.records import StoreHealth

LAST_TRADES = 20


@dataclass(frozen=True, slots=True)
class LegNow:
    """One leg at this moment; its price says nothing about now once it is `stale_s` old."""

    instrument: str
    trade: Trade | None
    quote: Quote | None
    funding: Funding | None
    stale_s: float = 30.0


class PairNow(NamedTuple):
    """A pair that is computed, as of its last closed bar."""

    settings: PairSettings
    view: PairView
    relation: Relation | None


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One pair of the watchlist: what it says now."""

    settings: PairSettings
    z: float
    signal: int
    position: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the paper account's last round trips kept, in basis points of the Y leg's value."""

    trades: int
    net_bp: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the live page shows, taken at one moment.

    `feed` is the status of Y's venue, `x_feed` that of X's where it is another; `filling` tells of
    gaps in these legs that are being filled.
    """

    settings: PairSettings
    now_us: int
    feed: FeedStatus
    x_feed: FeedStatus | None
    choice: Choice
    store: StoreHealth
    recorded: int
    gaps: int
    filling: tuple[Progress, ...]
    y: LegNow
    x: LegNow
    view: PairView | None
    provisional: Provisional | None
    relation: Relation | None
    cost: TradeCost | None
    paper: float
    paper_since_us: int
    paper_trades: int
    kept: Kept
    watch: tuple[WatchRow, ...]
    notices: tuple[str, ...]


def kept(closed: npt.NDArray[np.void], settings: PairSettings) -> Kept:
    """Return what the last closed trades of a paper account kept."""
    last = closed["net"][-LAST_TRADES:]
    if not len(last):
        return Kept(0, float("nan"))
    return Kept(len(last), float(last.mean() / settings.rules.notional * 1e4))


def holding_hours(settings: PairSettings, z: float, relation: Relation | None) -> float:
    """Expect the time a spread at z needs to decay to the exit threshold at its half-life.

    NaN where that is unknown: no half-life, or an exit at zero, which decay alone never reaches.
    """
    half_life = relation.quality.half_life.half_life if relation else float("nan")
    if not np.isfinite(half_life) or settings.rules.exit <= 0.0:
        return float("nan")
    halvings = max(np.log2(abs(z) / settings.rules.exit), 0.0) if z else 0.0
    return float(half_life * halvings * settings.bar_us / HOUR_US)
