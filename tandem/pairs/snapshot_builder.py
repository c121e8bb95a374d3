"""What the live page shows of a pair, put together at one moment from every part of the process."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tandem.analytics.trend import roll_spread
from tandem.backfill.service import BackfillService
from tandem.config import Settings
from tandem.core.bars import resample, with_candles
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import StoreError
from tandem.core.events import BAR, Trade
from tandem.core.instruments import split_instrument
from tandem.core.parallel import UNWATCHED, Watch
from tandem.core.startup import Readiness
from tandem.ingest.service import Ingest
from tandem.ingest.status import FeedStatus
from tandem.pairs.cointegration import CointegrationTests, Relation
from tandem.pairs.costs import LegQuote, TradeCost, trade_cost
from tandem.pairs.sessions import Sessions
from tandem.pairs.snapshot import LegNow, PairNow, Snapshot, WatchRow, holding_hours, kept
from tandem.pairs.stream import PairSettings, Provisional
from tandem.pairs.tracker import PairTracker, PairView
from tandem.pairs.venue_facts import VenueFacts
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.protocols import Database

log = logging.getLogger("tandem.pairs")

UNWATCHED_S = 60.0
GAPS_S = 3.0
PIECE_US = 6 * HOUR_US
_UNREADABLE = "The database cannot be read: {error} Prices and signals continue."


class SnapshotBuilder:
    """Answers the screen. Any thread may ask.

    Parameters
    ----------
    recorded_before : int
        Trades in the database when the process began.
    problems : callable
        A sentence for each part of the process that an unexpected error ended.
    """

    def __init__(
        self,
        settings: Settings,
        venues: VenueFacts,
        buffer: HotBuffer,
        database: Database,
        recorded_before: int,
        ingest: Ingest,
        backfill: BackfillService,
        sessions: Sessions,
        tracker: PairTracker,
        tests: CointegrationTests,
        readiness: Readiness,
        problems: Callable[[], Sequence[str]],
    ) -> None:
        self._settings = settings
        self._venues = venues
        self._buffer = buffer
        self._database = database
        self._recorded_before = recorded_before
        self._ingest = ingest
        self._backfill = backfill
        self._sessions = sessions
        self._tracker = tracker
        self._tests = tests
        self._readiness = readiness
        self._problems = problems
        self._unreadable = ""
        self._gaps: dict[str, tuple[float, int]] = {}

    def look(
        self, session: str, settings: PairSettings, watchlist: Iterable[PairSettings] = ()
    ) -> Snapshot:
        """Return what a session sees now, and keep its pairs running."""
        watchlist = tuple(watchlist)
        notices = self._sessions.watch(session, (settings, *watchlist))
        now = self._ingest.now_us(split_instrument(settings.y)[0])
        y, x = self._leg(settings.y), self._leg(settings.x)
        if y.trade is not None and x.trade is not None:
            self._readiness.priced.set()
        view = self._tracker.view(settings)
        provisional = self._provisional(settings, y, x)
        relation = self._relation(settings, view)
        closed = self._tracker.closed(settings)
        health = self._database.health()
        gaps = sum(self._gaps_of(leg, now) for leg in (settings.y, settings.x))
        return Snapshot(
            settings=settings,
            now_us=now,
            feed=self._ingest.status(split_instrument(settings.y)[0]),
            x_feed=self._other_feed(settings),
            choice=self._ingest.choice(),
            store=health,
            recorded=self._recorded_before + health.written,
            filling=tuple(
                one
                for one in self._backfill.progress()
                if one.instrument in (settings.y, settings.x) and one.state != "done"
            ),
            gaps=gaps,
            y=y,
            x=x,
            view=view,
            provisional=provisional,
            relation=relation,
            cost=self._cost(settings, y, x, view, provisional, relation),
            paper=self._paper(settings, y, x),
            paper_since_us=view.first_us if view else 0,
            paper_trades=len(closed),
            kept=kept(closed, settings),
            watch=tuple(self._watch_row(pair) for pair in watchlist),
            notices=(*notices, *self.problems()),
        )

    def pairs_now(self) -> list[PairNow]:
        """Return every pinned pair; their relation tested at leisure.

        For headless surveillance. What else is open is left out: visitors and those who
        try settings choose thresholds, and nobody is to be alerted by what was merely looked at.
        """
        return [
            PairNow(pair, view, self._relation(pair, view, UNWATCHED_S))
            for pair, view in self._tracker.pinned_views()
        ]

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each part of the process that does not do its work."""
        return tuple(text for text in (self._unreadable, *self._problems()) if text)

    def seconds(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars of an instrument; none where the database cannot be read."""
        try:
            return self._tracker.seconds(instrument, start_us, end_us)
        except StoreError as error:
            self._unreadable = _UNREADABLE.format(error=error)
            return np.empty(0, BAR)

    def bars(
        self,
        instrument: str,
        bar_us: int,
        start_us: int,
        end_us: int,
        watch: Watch = UNWATCHED,
    ) -> npt.NDArray[np.void]:
        """Return recorded bars of an instrument from `start_us` on; the bar still open is left out.

        Bars of whole minutes take the venue's candles where seconds are missing. Read and resampled
        piece by piece: a week of seconds is never in memory at once.
        """
        start_us, end_us = start_us // bar_us * bar_us, end_us // bar_us * bar_us
        piece_us = PIECE_US - PIECE_US % bar_us
        pieces = [np.empty(0, BAR)]
        for piece in range(start_us, end_us, piece_us):
            watch.check()
            stop = min(piece + piece_us, end_us)
            seconds = self.seconds(instrument, piece, stop)
            if bar_us % MINUTE_US == 0:
                seconds = with_candles(seconds, self._database.candles(instrument, piece, stop))
            pieces.append(resample(seconds, bar_us))
        return np.concatenate(pieces)

    def tape(self, instruments: Iterable[str], count: int) -> list[Trade]:
        """Return the newest trades of some instruments, newest first."""
        tails = [trade for name in instruments for trade in self._buffer.tail(name, count)]
        return sorted(tails, key=lambda trade: trade.received_us, reverse=True)[:count]

    def recorded(
        self, settings: PairSettings, start_us: int, end_us: int, most: int
    ) -> list[Trade]:
        """Return the recorded trades of both legs; what is in memory where nothing is recorded."""
        found: list[Trade] = []
        for leg in (settings.y, settings.x):
            try:
                stored = self._database.trades(leg, start_us, end_us, most // 2)
            except StoreError as error:
                log.error("Trades of %s come from memory: %s", leg, error)
                stored = []
            found += stored or self._buffer.tail(leg, most // 2)
        return sorted(found, key=lambda trade: trade.time_us)

    def _other_feed(self, settings: PairSettings) -> FeedStatus | None:
        """Return the status of X's venue where it is not Y's."""
        y_venue, x_venue = (split_instrument(leg)[0] for leg in (settings.y, settings.x))
        return None if x_venue == y_venue else self._ingest.status(x_venue)

    def _leg(self, instrument: str) -> LegNow:
        buffer = self._buffer
        return LegNow(
            instrument,
            buffer.last(instrument),
            buffer.quote(instrument),
            buffer.funding(instrument),
            self._venues.patience(instrument).stale_s,
        )

    def _gaps_of(self, instrument: str, now: int) -> int:
        """Count the last day's gaps that nothing stands in for; read anew every few seconds."""
        at, count = self._gaps.get(instrument, (-math.inf, 0))
        if time.monotonic() - at > GAPS_S:
            try:
                gaps = self._database.gaps(instrument, now - DAY_US, ("open", "lost"))
            except StoreError as error:
                self._unreadable = _UNREADABLE.format(error=error)
            else:
                self._unreadable = ""
                count = len(gaps)
            self._gaps[instrument] = (time.monotonic(), count)
        return count

    def _provisional(self, settings: PairSettings, y: LegNow, x: LegNow) -> Provisional | None:
        if y.trade is None or x.trade is None or self._is_stale(y) or self._is_stale(x):
            return None
        return self._tracker.provisional(settings, y.trade.price, x.trade.price)

    def _is_stale(self, leg: LegNow) -> bool:
        """Tell whether a leg's last trade is too old for its price to say anything now."""
        if leg.trade is None:
            return True
        now = self._ingest.now_us(split_instrument(leg.instrument)[0])
        return now - leg.trade.received_us > leg.stale_s * SECOND_US

    def _paper(self, settings: PairSettings, y: LegNow, x: LegNow) -> float:
        if y.trade is None or x.trade is None:
            return float("nan")
        return self._tracker.paper(settings, y.trade.price, x.trade.price)

    def _watch_row(self, settings: PairSettings) -> WatchRow:
        view = self._tracker.view(settings)
        now = self._provisional(settings, self._leg(settings.y), self._leg(settings.x))
        if view is None or not len(view.columns["signal"]):
            return WatchRow(settings, float("nan"), 0, 0)
        columns = view.columns
        return WatchRow(
            settings,
            now.z if now else float("nan"),
            int(columns["signal"][-1]),
            int(columns["position"][-1]),
        )

    def _relation(
        self, settings: PairSettings, view: PairView | None, *every_s: float
    ) -> Relation | None:
        """Return the last test of the relation; a new one is begun when bars have closed since."""
        if view is None:
            return None
        return self._tests.latest(settings, view.bars, view.columns, *every_s)

    def _cost(
        self,
        settings: PairSettings,
        y: LegNow,
        x: LegNow,
        view: PairView | None,
        provisional: Provisional | None,
        relation: Relation | None,
    ) -> TradeCost | None:
        if view is None or provisional is None or y.trade is None or x.trade is None:
            return None
        if not np.isfinite(provisional.z):
            return None
        known = _last_finite(view.columns["deviation"])
        if known is None:
            known = abs(provisional.spread / provisional.z) if provisional.z else float("nan")
        return trade_cost(
            settings,
            (y.trade.price, x.trade.price),
            view.beta,
            provisional.z,
            known,
            (
                self._half_spread(y, settings.costs.y_half_spread_bp),
                self._half_spread(x, settings.costs.x_half_spread_bp),
            ),
            (self._funding_per_hour(settings.y), self._funding_per_hour(settings.x)),
            holding_hours(settings, provisional.z, relation),
        )

    def _funding_per_hour(self, instrument: str) -> float:
        """Return what a long leg pays: nothing on a spot venue, NaN where nothing was announced."""
        if not self._venues.charges_funding(split_instrument(instrument)[0]):
            return 0.0
        return self._tracker.funding_per_hour(instrument)

    def _half_spread(self, leg: LegNow, assumed_bp: float) -> LegQuote:
        """Take half the quoted spread, or Roll's estimate where none is quoted.

        Prices that are no trades do not bounce between bid and ask: what is assumed holds.
        """
        if leg.quote is not None and leg.quote.ask >= leg.quote.bid > 0.0:
            middle = (leg.quote.ask + leg.quote.bid) / 2.0
            return LegQuote((leg.quote.ask - leg.quote.bid) / 2.0 / middle * 1e4, False)
        if leg.trade is not None and not leg.trade.quantity:
            return LegQuote(assumed_bp, True)
        prices = np.array([trade.price for trade in self._buffer.tail(leg.instrument, 500)])
        if len(prices) < 20:
            return LegQuote(0.0, True)
        spread = roll_spread(prices)
        return LegQuote(spread / 2.0 / prices[-1] * 1e4 if np.isfinite(spread) else 0.0, True)


def _last_finite(values: npt.NDArray[np.float64]) -> float | None:
    """Return the newest finite value; most often that is the last."""
    if len(values) and np.isfinite(values[-1]):
        return float(values[-1])
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else None
