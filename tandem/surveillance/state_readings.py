"""Readings of what the process knows besides prices: feeds, the database, pinned pairs."""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tandem.alerts.rules import Reading
from tandem.core.bars import NEVER_US
from tandem.core.clock import DAY_US, SECOND_US, now_us
from tandem.core.errors import StoreError
from tandem.core.instruments import split_instrument
from tandem.ingest.status import FeedStatus
from tandem.net.venue_client import VenueClients
from tandem.pairs.snapshot import PairNow
from tandem.pairs.stream import PairSettings
from tandem.storage.protocols import Database

log = logging.getLogger("tandem.monitor")

_DOWN = ("connecting", "reconnecting", "silent", "refused")


@dataclass(frozen=True, slots=True)
class MonitorInputs:
    """What the monitor asks of the rest of the process, each a function of any thread.

    Attributes
    ----------
    is_ready : callable
        Whether the page that came first is served, so that compiling may begin.
    clock : callable
        Time for a venue's trades, in microseconds.
    feeds : callable
        How every venue in use stands.
    choosing : callable
        Whether no venue has been found yet.
    pairs : callable
        Every pinned pair.
    own : callable
        The desk's own instruments and those of pinned pairs: rules watch these and no others,
        whatever visitors open.
    clients : VenueClients
        By whom venues are asked for what they remember.
    """

    is_ready: Callable[[], bool]
    clock: Callable[[str], int]
    feeds: Callable[[], Iterable[FeedStatus]]
    choosing: Callable[[], bool]
    pairs: Callable[[], list[PairNow]]
    own: Callable[[], Collection[str]]
    clients: VenueClients


class StateReadings:
    """One thread asks for readings; any may ask what a rule can name.

    Parameters
    ----------
    database : Path
        The file whose disk may fill up.
    """

    def __init__(self, database: Path, store: Database, inputs: MonitorInputs) -> None:
        self._database = database.absolute()
        self._store = store
        self._inputs = inputs
        self._bars_told: dict[PairSettings, int] = {}
        self._down_since: dict[str, float] = {}
        self._oldest_gap_us = 0

    def is_own(self, scope: str) -> bool:
        """Whether readings are of the desk's own instruments or of pinned pairs."""
        # Pairs are pinned ones: no others are watched.
        return "~" in scope or scope in self._inputs.own()

    def scopes(self) -> tuple[str, ...]:
        """Return what a rule may name besides instruments."""
        venues = (status.venue for status in self._own_feeds())
        return (*named_pairs(self._inputs.pairs()), *venues, "record")

    def feeds(self, now: int) -> list[Reading]:
        """Return for how long each venue in use has been down."""
        states = {status.venue: status.state in _DOWN for status in self._own_feeds()}
        if self._inputs.choosing():
            states["auto"] = True
        now_s, known = time.monotonic(), self._down_since
        self._down_since = {name: known.get(name, now_s) for name, down in states.items() if down}
        down_s = {name: now_s - self._down_since.get(name, now_s) for name in states}
        return [
            Reading("feed_down", name, now, since, {"down_s": since})
            for name, since in down_s.items()
        ]

    def database(self, now: int) -> list[Reading]:
        """Return the age of the oldest gap found by `look_for_gaps`, and the free disk space."""
        age_s = (now - self._oldest_gap_us) / SECOND_US if self._oldest_gap_us else 0.0
        age_s = max(age_s, 0.0)
        try:
            # Before anything was recorded its folder need not be there.
            folder = next(one for one in self._database.parents if one.exists())
            free = shutil.disk_usage(folder).free / 1e9
        except OSError as error:
            log.warning("Free disk space is unknown: %s", error)
            return []
        return [
            Reading("gap_open", "record", now, age_s, {"age_s": age_s}),
            Reading("disk_free", "record", now, free, {"gigabytes": free}),
        ]

    def look_for_gaps(self) -> None:
        """Find the oldest open gap of the last day."""
        try:
            gaps = self._store.gaps(None, now_us() - DAY_US, ("open",))
        except StoreError as error:
            # The page says so beside the database; the gaps known so far stand.
            log.warning("Gaps cannot be read: %s", error)
            return
        own = self._inputs.own()
        self._oldest_gap_us = min((gap.end_us for gap in gaps if gap.instrument in own), default=0)

    def pair(self, scope: str, pair: PairNow) -> list[Reading]:
        """Return a pair's readings at its newest bar, once per bar."""
        has_bars = len(pair.view.columns["time_us"]) > 0
        if not has_bars or self._bars_told.get(pair.settings) == pair.view.bars:
            return []
        if len(self._bars_told) > 1_000:
            self._bars_told.clear()
        self._bars_told[pair.settings] = pair.view.bars
        return pair_readings(scope, pair)

    def _own_feeds(self) -> list[FeedStatus]:
        venues = {split_instrument(name)[0] for name in self._inputs.own()}
        return [status for status in self._inputs.feeds() if status.venue in venues]


def named_pairs(pairs: Iterable[PairNow]) -> dict[str, PairNow]:
    """Name pairs: by their legs, and by bar and model where the same legs are computed twice.

    Pairs that differ in less share a name, and the first of them is watched.
    """
    named: dict[str, PairNow] = {}
    for pair in pairs:
        one = pair.settings
        legs = f"{one.y}~{one.x}"
        full = f"{legs} {one.bar_us // SECOND_US} s {one.model}"
        named.setdefault(full if legs in named else legs, pair)
    return named


def pair_readings(scope: str, pair: PairNow) -> list[Reading]:
    """Return a pair's readings at its newest bar's close; what is not known is left out."""
    columns, rules, relation = pair.view.columns, pair.settings.rules, pair.relation
    time_us = int(columns["time_us"][-1]) + pair.settings.bar_us
    z = float(columns["z"][-1]) if columns["usable"][-1] else math.nan
    thresholds = {"z": z, "entry": rules.entry, "exit": rules.exit, "stop": rules.stop}
    p_value = relation.p_value if relation else math.nan
    is_broken = float(relation is not None and relation.soundness.state == "breaking")
    tested = {"p_value": p_value, "is_broken": is_broken}
    age_us = max(int(columns["y_age_us"][-1]), int(columns["x_age_us"][-1]))
    age_s = age_us / SECOND_US if age_us < NEVER_US else math.nan
    found = [
        Reading("pair_z", scope, time_us, z, thresholds),
        Reading("pair_entry", scope, time_us, abs(z) - rules.entry, thresholds),
        Reading("pair_exit", scope, time_us, rules.exit - abs(z), thresholds),
        Reading("pair_stop", scope, time_us, abs(z) - rules.stop, thresholds),
        Reading("pair_broken", scope, time_us, is_broken, tested),
        Reading("pair_p", scope, time_us, p_value, tested),
        Reading("leg_age", scope, time_us, age_s, {"age_s": age_s}),
    ]
    return [one for one in found if not math.isnan(one.value)]
