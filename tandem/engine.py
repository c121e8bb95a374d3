"""The composition root: starts feed, record and desk, counts who watches what, answers the screen.

There is one `Engine` per process, however many browser sessions look at it. It runs without a
screen too. Nothing here knows Streamlit.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem import backtest
from tandem.analytics.trend import roll_spread
from tandem.analytics.warmup import warm_up
from tandem.backfill.service import Upkeep
from tandem.config import VENUES, Settings
from tandem.core.clock import DAY_US, SECOND_US
from tandem.core.errors import (
    DataError,
    FeedError,
    SettingError,
    StoreError,
    StoreInUse,
    UnknownSymbol,
)
from tandem.core.events import BAR, Trade
from tandem.core.instruments import split_instrument
from tandem.core.jobs import Jobs
from tandem.core.memory import share_heaps
from tandem.ingest.service import Ingest
from tandem.ingest.status import FeedStatus
from tandem.net.polling import PriceGates
from tandem.pairs.cointegration import Relation, assess
from tandem.pairs.costs import LegQuote, TradeCost, trade_cost
from tandem.pairs.pinned import Standing
from tandem.pairs.sessions import Sessions
from tandem.pairs.snapshot import LegNow, Snapshot, WatchRow, holding_hours, kept
from tandem.pairs.stream import PairSettings, Provisional
from tandem.pairs.tracker import Desk, Limits, PairView
from tandem.scanner.live.service import Universe
from tandem.storage.archive_import import Importer
from tandem.storage.export import Exporter
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.inventory import Holdings, Inventory
from tandem.storage.null import ForeignRecord, NullStore
from tandem.storage.store import Store
from tandem.storage.stored_trades import stored_trades
from tandem.surveillance.monitor import Desks, Lookout, PairNow
from tandem.venues.registry import Patience, create_feed, patience

log = logging.getLogger("tandem.engine")

STEP_S = 0.05
SESSION_S = 20.0
LINGER_S = 90.0
ASSESS_S = 2.0
UNWATCHED_S = 60.0
# How long compiling waits for the first price to be asked for, and then for its page to be drawn.
PRICE_FIRST_S = 2.0
PAGE_S = 1.0
GAPS_S = 3.0
READ_TRIES = 5
READ_WAIT_S = 0.2


@dataclass
class _Assessment:
    """The last test of a pair's relation, and whether another is on its way."""

    relation: Relation | None = None
    bars: int = -1
    at: float = 0.0
    running: bool = False


class Engine:
    """Start with `start`, read with `look`, end with `stop`.

    Parameters
    ----------
    settings : Settings
        Passed on, never looked up.
    exports : Path, optional
        Folder for files to download, where the server serves them; beside the database by default.
    """

    def __init__(self, settings: Settings, exports: Path | None = None) -> None:
        # Before there are threads: each would have a heap of its own.
        share_heaps()
        self.settings = settings
        self.buffer = HotBuffer(settings.hot_trades, settings.hot_total_trades)
        self.refusal: StoreError | None = None
        self.store: Store | NullStore = self._open_store()
        self.store.keep(settings.keep_days, settings.keep_bars_days, settings.keep_gb)
        gates = PriceGates()
        self.ingest = Ingest(
            settings, self.buffer, self.store, recorded=self._last_recorded, gates=gates
        )
        self.upkeep = Upkeep(settings, self.store, gates)
        self.universe = Universe(
            settings, self.upkeep.members, self.upkeep.fetch_candles, self.upkeep.is_busy
        )
        self._patience: dict[str, Patience] = {}
        self.standing = Standing(self.store)
        self.exporter = Exporter(exports or settings.database.parent / "exports", self.store)
        self.importer = Importer(self.store)
        self.jobs = Jobs()
        # Files are read beside it: nobody waits for another's long test to see a report.
        self.reading = Jobs()
        self._inventory = Inventory(self.store)
        self.desk = Desk(
            self.buffer,
            self.store,
            grace_us=settings.grace_ms * 1_000,
            stale_us=int(settings.stale_s * SECOND_US),
            keep=settings.history_bars,
            arriving=self.upkeep.is_arriving,
            limits=self._limits,
        )
        self.sessions = Sessions(settings)
        self._assessments: dict[PairSettings, _Assessment] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._backtests_ready = threading.Event()
        self._priced = threading.Event()
        self._problem = ""
        self._unreadable = ""
        self._venues: set[str] = set()
        self._charging: dict[str, bool] = {}
        # Instruments in memory that nobody reads -> since when.
        self._unread: dict[str, float] = {}
        self._recorded_before = self._count_recorded()
        self._gaps: dict[str, tuple[float, int]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="heavy")
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self.lookout = Lookout(
            settings,
            self.store,
            self.buffer,
            Desks(
                is_ready=self._ready.is_set,
                clock=self.ingest.now_us,
                grace_us=lambda instrument: self._limits(instrument).grace_us,
                feeds=self.ingest.statuses,
                choosing=lambda: self.ingest.choice().venue is None,
                pairs=self.pairs_now,
            ),
        )

    # Life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, record and compute."""
        self.ingest.resolve(self.settings.venue)
        self.upkeep.start()
        self.exporter.start()
        if self.settings.universe:
            self.universe.start(self.settings.universe)
        self._pool.submit(self._warm_up)
        self._thread.start()
        self.lookout.start()

    def stop(self) -> None:
        """Stop reading, keep what must survive, close the record; stopping twice is harmless."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._priced.set()
        self.ingest.stop()
        self.universe.stop()
        self.upkeep.stop()
        self.importer.stop()
        self.exporter.stop()
        self.jobs.stop()
        self.reading.stop()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.lookout.stop()
        self.desk.save()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.store.close()

    def _open_store(self) -> Store | NullStore:
        try:
            store = Store.open(
                self.settings.database, self.settings.batch_ms, self.settings.queue_trades
            )
            try:
                # A large record is not searched for damage before it is read.
                store.spans()
            except StoreError:
                store.close()
                raise
            return store
        except StoreInUse as error:
            log.error("Recording is off: %s", error)
            self.refusal = error
            return self._read_beside(error)
        except StoreError as error:
            log.error("Recording is off: %s", error)
            self.refusal = error
            return NullStore(f"{error} Live prices and signals work; nothing is recorded.")

    def _count_recorded(self) -> int:
        try:
            return sum(span.trades for span in self.store.spans().values())
        except StoreError as error:
            log.error("What was recorded before is not counted: %s", error)
            return 0

    def _read_beside(self, reason: StoreInUse) -> Store | NullStore:
        """Show the record of the process that has it, besides this one's own live prices."""
        try:
            return ForeignRecord(
                self.settings.database,
                f"{reason} Its record is shown, with prices and signals of this process; "
                "nothing is recorded from here.",
            )
        except StoreError as error:
            return NullStore(f"{reason} Live prices and signals work; nothing is recorded. {error}")

    def _last_recorded(self, instrument: str) -> Trade | None:
        # Without it the hole since then would not be found: a record that is busy is asked again.
        for _ in range(READ_TRIES):
            try:
                return self.store.last_trade(instrument)
            except StoreError as error:
                problem = error
                self._stop.wait(READ_WAIT_S)
        log.error("The last recorded trade of %s is unknown: %s", instrument, problem)
        return None

    def _warm_up(self) -> None:
        """Compile the kernels once; the desk waits for it, prices do not.

        The page that asked first is let go ahead: its browser fetches what it needs to draw a
        price from this very process, and both together would take a second longer.

        What lives by now lives as long as the process: some 200,000 objects, mostly modules. They
        are put out of the collector's sight, because Streamlit collects after every rerun, and
        walking them takes 65 ms during which no message leaves.
        """
        gc.freeze()
        if self._priced.wait(PRICE_FIRST_S):
            self._stop.wait(PAGE_S)
        warm_up()
        gc.collect()
        gc.freeze()
        self._ready.set()
        # Beside this executor, which live pairs wait for.
        threading.Thread(target=self._warm_up_backtests, name="warm-up").start()

    def _warm_up_backtests(self) -> None:
        backtest.warm_up(self._stop.is_set)
        self._backtests_ready.set()

    @property
    def is_ready_for_backtests(self) -> bool:
        """Whether everything a backtest runs is compiled."""
        return self._backtests_ready.is_set()

    def _run(self) -> None:
        while not self._ready.wait(STEP_S):
            self._subscribe()
            if self._stop.is_set():
                return
        while not self._stop.wait(STEP_S):
            try:
                self._subscribe()
                for filled in (*self.upkeep.take_filled(), *self.importer.take_filled()):
                    self.desk.amended(filled.instrument, filled.start_us, filled.end_us)
                self.desk.step(self.ingest.now_us)
                self._problem = ""
            except (DataError, FeedError, SettingError, StoreError) as error:
                self._problem = f"The models stopped at this bar: {error}"
                log.exception("A desk step failed")

    # Who watches what -------------------------------------------------------------------

    def pair_defaults(self) -> tuple[PairSettings, ...]:
        """Return the pairs watched from the start: every other asset priced in the second one.

        Assets the venue does not list are left out.
        """
        names = self.own_instruments(self.ingest.choice().venue)
        if len(names) < 2:
            return ()
        quote = names[1]
        pairs = [PairSettings(name, quote) for name in dict.fromkeys(names) if name != quote]
        return tuple(
            replace(pair, bar_us=self.least_bar_us(pair.bar_us, pair.y, pair.x)) for pair in pairs
        )

    def own_instruments(self, venue: str | None) -> list[str]:
        """Return the assets of the settings as a venue names them, those it lists."""
        if venue is None:
            return []
        feed = create_feed(venue, self.settings, stored_trades)
        names = []
        for text in self.settings.symbols.split(","):
            with contextlib.suppress(UnknownSymbol):
                names.append(feed.instrument(text.strip()))
        return names

    def least_bar_us(self, bar_us: int, *legs: str) -> int:
        """Return `bar_us`, or the shortest bar in which every leg has a new price, if longer."""
        least_s = max(self._patience_with(leg).least_bar_s for leg in legs)
        return max(bar_us, int(least_s * SECOND_US))

    def _patience_with(self, instrument: str) -> Patience:
        venue = split_instrument(instrument)[0]
        if venue not in self._patience:
            self._patience[venue] = patience(venue, self.settings)
        return self._patience[venue]

    def _limits(self, instrument: str) -> Limits:
        found = self._patience_with(instrument)
        return Limits(int(found.grace_s * SECOND_US), int(found.stale_s * SECOND_US))

    def resolve(self, venue: str, text: str) -> str:
        """Return the instrument a user means; ``venue:symbol`` names one on another venue.

        Raises
        ------
        UnknownSymbol
            The venue is known not to list it, or it cannot be a symbol.
        """
        named, colon, symbol = text.strip().partition(":")
        if colon and named.lower() in VENUES and named.lower() not in ("auto", venue):
            venue, text = named.lower(), symbol
        return self.upkeep.catalogue.resolve(venue, text)

    def _subscribe(self) -> None:
        """Turn what sessions look at into subscriptions, and forget sessions that went away."""
        now = time.monotonic()
        active, lingering = self.sessions.attention(SESSION_S, LINGER_S)
        pinned = tuple(dict.fromkeys((*self.pair_defaults(), *self.standing.pairs())))
        wanted = active | set(pinned)
        with self._lock:
            for pair in self._assessments.keys() - wanted:
                del self._assessments[pair]
        self.desk.want(wanted, pinned)
        # On screen before what merely runs along.
        ranked = list(dict.fromkeys(leg for pair in (*active, *pinned) for leg in (pair.y, pair.x)))
        self.upkeep.attend(ranked, ranked)
        legs = set(ranked)
        # Newest first, as far as the limit goes: a pair looked at again finds its feed running.
        for leg in reversed(lingering):
            if len(legs) < self.settings.max_instruments:
                legs.add(leg)
        venues: dict[str, set[str]] = {}
        for leg in legs:
            venues.setdefault(split_instrument(leg)[0], set()).add(leg)
        for venue in self._venues - venues.keys():
            self.ingest.watch(venue, frozenset())
        self._venues = set(venues)
        for venue, names in venues.items():
            self.ingest.watch(venue, frozenset(names), frozenset(names))
        self._forget_all_but(legs, now)

    def _forget_all_but(self, legs: set[str], now: float) -> None:
        """Drop from memory what nobody has read for a while; the record keeps it."""
        unread = set(self.buffer.instruments()) - legs
        self._unread = {name: self._unread.get(name, now) for name in unread}
        for name in [name for name, since in self._unread.items() if now - since > LINGER_S]:
            self.buffer.forget(name)
            self.desk.forget(name)

    # What the screen asks ---------------------------------------------------------------

    def look(
        self, session: str, settings: PairSettings, watchlist: Iterable[PairSettings] = ()
    ) -> Snapshot:
        """Return what a session sees now, and keep its pairs running."""
        watchlist = tuple(watchlist)
        notices = self.sessions.watch(session, (settings, *watchlist))
        now = self.ingest.now_us(split_instrument(settings.y)[0])
        y, x = self._leg(settings.y), self._leg(settings.x)
        if y.trade is not None and x.trade is not None:
            self._priced.set()
        view = self.desk.view(settings)
        provisional = self._provisional(settings, y, x)
        relation = self._relation(settings, view)
        closed = self.desk.closed(settings)
        if self._unreadable:
            notices += (self._unreadable,)
        if self._problem:
            notices += (self._problem,)
        notices += self.problems()
        if self._ready.is_set() and not self._thread.is_alive():
            notices += (
                "The models stopped because of an error in Tandem itself (see its log); "
                "prices and recording go on. Restart the app, and please report it.",
            )
        return Snapshot(
            settings=settings,
            now_us=now,
            feed=self.ingest.status(split_instrument(settings.y)[0]),
            x_feed=self._other_feed(settings),
            choice=self.ingest.choice(),
            store=self.store.health(),
            recorded=self._recorded_before + self.store.health().written,
            filling=tuple(
                one
                for one in self.upkeep.progress()
                if one.instrument in (settings.y, settings.x) and one.state != "done"
            ),
            gaps=sum(self._gaps_of(leg, now) for leg in (settings.y, settings.x)),
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
            notices=notices,
        )

    def pairs_now(self) -> list[PairNow]:
        """Return every pair that is computed, pinned ones first; their relation tested at leisure.

        For whoever watches without a screen. What visitors of a public desk open is left out: they
        choose thresholds, and nobody is to be told by rules of what a stranger typed.
        """
        found = []
        for pair, view in self.desk.views(pinned_only=self.settings.is_public):
            found.append(PairNow(pair, view, self._relation(pair, view, UNWATCHED_S)))
        return found

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each background thread that an unexpected error ended."""
        found = (
            *self.upkeep.problems(),
            self.exporter.problem,
            self.standing.problem,
            *self.lookout.problems,
        )
        return tuple(text for text in found if text)

    def seconds(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars of an instrument; none where the record cannot be read."""
        try:
            return self.desk.seconds(instrument, start_us, end_us)
        except StoreError as error:
            self._unreadable = f"The record cannot be read: {error} Prices and signals go on."
            return np.empty(0, BAR)

    def holdings(self) -> Holdings:
        """Return what the record holds and lacks, a few seconds old at most."""
        return self._inventory.now()

    def tape(self, instruments: Iterable[str], count: int) -> list[Trade]:
        """Return the newest trades of some instruments, newest first."""
        tails = [trade for name in instruments for trade in self.buffer.tail(name, count)]
        return sorted(tails, key=lambda trade: trade.received_us, reverse=True)[:count]

    def recorded(
        self, settings: PairSettings, start_us: int, end_us: int, most: int
    ) -> list[Trade]:
        """Return the recorded trades of both legs; what is in memory where nothing is recorded."""
        found: list[Trade] = []
        for leg in (settings.y, settings.x):
            try:
                stored = self.store.trades(leg, start_us, end_us, most // 2)
            except StoreError as error:
                log.error("Trades of %s come from memory: %s", leg, error)
                stored = []
            found += stored or self.buffer.tail(leg, most // 2)
        return sorted(found, key=lambda trade: trade.time_us)

    def run_heavy(self, work: Any, *arguments: Any) -> Any:
        """Run heavy work on the one executor and wait for it."""
        return self._pool.submit(work, *arguments).result()

    def _other_feed(self, settings: PairSettings) -> FeedStatus | None:
        """Return the status of X's venue where it is not Y's."""
        y_venue, x_venue = (split_instrument(leg)[0] for leg in (settings.y, settings.x))
        return None if x_venue == y_venue else self.ingest.status(x_venue)

    def _leg(self, instrument: str) -> LegNow:
        buffer = self.buffer
        return LegNow(
            instrument,
            buffer.last(instrument),
            buffer.quote(instrument),
            buffer.funding(instrument),
            self._patience_with(instrument).stale_s,
        )

    def _gaps_of(self, instrument: str, now: int) -> int:
        """Count the last day's holes that nothing stands in for; read anew every few seconds."""
        at, count = self._gaps.get(instrument, (-math.inf, 0))
        if time.monotonic() - at > GAPS_S:
            try:
                gaps = self.store.gaps(instrument, now - DAY_US, ("open", "lost"))
            except StoreError as error:
                self._unreadable = f"The record cannot be read: {error} Prices and signals go on."
            else:
                self._unreadable = ""
                count = len(gaps)
            self._gaps[instrument] = (time.monotonic(), count)
        return count

    def _provisional(self, settings: PairSettings, y: LegNow, x: LegNow) -> Provisional | None:
        if y.trade is None or x.trade is None or self._stale_leg(y) or self._stale_leg(x):
            return None
        return self.desk.provisional(settings, y.trade.price, x.trade.price)

    def _stale_leg(self, leg: LegNow) -> bool:
        """Tell whether a leg's last trade is too old for its price to say anything now."""
        if leg.trade is None:
            return True
        now = self.ingest.now_us(split_instrument(leg.instrument)[0])
        return now - leg.trade.received_us > leg.stale_s * SECOND_US

    def _paper(self, settings: PairSettings, y: LegNow, x: LegNow) -> float:
        if y.trade is None or x.trade is None:
            return float("nan")
        return self.desk.paper(settings, y.trade.price, x.trade.price)

    def _watch_row(self, settings: PairSettings) -> WatchRow:
        view = self.desk.view(settings)
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
        self, settings: PairSettings, view: PairView | None, every_s: float = ASSESS_S
    ) -> Relation | None:
        """Return the last test of the relation and start a new one when bars have closed since."""
        if view is None:
            return None
        with self._lock:
            last = self._assessments.setdefault(settings, _Assessment())
        # What was tried on too few bars is tried again soon, whoever asks.
        pause_s = every_s if last.relation else ASSESS_S
        due = last.bars != view.bars and time.monotonic() - last.at > pause_s
        if due and not last.running and not self._stop.is_set():
            last.running = True
            self._pool.submit(self._assess, settings, view, last)
        return last.relation

    def _assess(self, settings: PairSettings, view: PairView, last: _Assessment) -> None:
        try:
            last.relation = assess(view.columns, settings)
        except DataError as error:
            log.warning("The relation of %s and %s: %s", settings.y, settings.x, error)
        finally:
            last.bars, last.at, last.running = view.bars, time.monotonic(), False

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
        deviation = abs(provisional.spread / provisional.z) if provisional.z else float("nan")
        known = view.columns["deviation"][np.isfinite(view.columns["deviation"])]
        return trade_cost(
            settings,
            (y.trade.price, x.trade.price),
            view.beta,
            provisional.z,
            float(known[-1]) if len(known) else deviation,
            (
                self._half_spread(y, settings.costs.y_half_spread_bp),
                self._half_spread(x, settings.costs.x_half_spread_bp),
            ),
            (self._funding_per_hour(settings.y), self._funding_per_hour(settings.x)),
            holding_hours(settings, provisional.z, relation),
        )

    def _funding_per_hour(self, instrument: str) -> float:
        """Return what a long leg pays: nothing on a spot venue, NaN where nothing was announced."""
        venue = split_instrument(instrument)[0]
        if venue not in self._charging:
            self._charging[venue] = create_feed(venue, self.settings).charges_funding
        return self.desk.funding_per_hour(instrument) if self._charging[venue] else 0.0

    def _half_spread(self, leg: LegNow, assumed_bp: float) -> LegQuote:
        """Take half the quoted spread, or Roll's estimate where none is quoted.

        Prices that are no trades do not bounce between bid and ask: what is assumed holds.
        """
        if leg.quote is not None and leg.quote.ask >= leg.quote.bid > 0.0:
            middle = (leg.quote.ask + leg.quote.bid) / 2.0
            return LegQuote((leg.quote.ask - leg.quote.bid) / 2.0 / middle * 1e4, False)
        if leg.trade is not None and not leg.trade.quantity:
            return LegQuote(assumed_bp, True)
        prices = np.array([trade.price for trade in self.buffer.tail(leg.instrument, 500)])
        if len(prices) < 20:
            return LegQuote(0.0, True)
        spread = roll_spread(prices)
        return LegQuote(spread / 2.0 / prices[-1] * 1e4 if np.isfinite(spread) else 0.0, True)
