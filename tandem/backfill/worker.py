"""The thread that fills the gaps of the database, most important first, one request at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from tandem.backfill.jobs import RECORD_WAIT_S, Job, Jobs, left_of
from tandem.backfill.paging import CandlePages, Middle, TradePages
from tandem.backfill.planner import expected_trades, plan
from tandem.backfill.progress import Hindrance, Progress, describe
from tandem.backfill.reasons import Cause, Reason
from tandem.backfill.schedule import Schedule
from tandem.config import Settings
from tandem.core.clock import MINUTE_US, SECOND_US, now_us, steady_s
from tandem.core.errors import FeedError, MessageError, StoreError
from tandem.core.events import Filled, Gap
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.net.http import Answer
from tandem.net.venue_client import VenueClient, VenueClients
from tandem.storage.protocols import Database
from tandem.venues.rest import RestVenue, is_by_id

log = logging.getLogger("tandem.backfill")

# How often the table of gaps is looked at, and how much of a walk a crash may cost.
POLL_S = 2.0
SETTLE_S = 10.0
_PUBLISH_S = 0.2
_SHOWN_S = 600.0
# Around a gap known only by its time, the rate of trades is taken from so much of the database.
_AROUND_US = 10 * MINUTE_US
_PLAUSIBLE_RATE = 5.0
_DIED = (
    "Filling gaps was ended by an internal error (see the log) and begun again; recording, prices "
    "and what is recorded are not affected. Please report it."
)


class Backfill:
    """Fills open gaps of the database by REST, as `start`, `want`, `warm`, ..., `stop`.

    Trades where the venue still gives them and its budget allows, candles where not, and what
    neither can give is lost, with the reason in the log. All of it is in the database's table of
    gaps, so that a new start goes on where the last one ended. Trades arrive as late as they are:
    `received_us` is when they were fetched.

    Parameters
    ----------
    store : Database
        The database; a `Store`.
    clients : VenueClients
        Closed by `stop`.
    """

    def __init__(self, settings: Settings, store: Database, clients: VenueClients) -> None:
        self._store = store
        self._clients = clients
        self._most_queued = settings.queue_trades // 2
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._life = Supervisor(_DIED)
        self._thread = threading.Thread(
            target=self._life.keep, args=(self._run, self._stop), name="backfill", daemon=True
        )
        self._lock = threading.Lock()
        self._filled: list[Filled] = []
        self._progress: tuple[Progress, ...] = ()
        # The thread's own:
        self._jobs = Jobs(store, self._clients, now_us())
        self._schedule = Schedule(clients, POLL_S)
        self._pasts = self._jobs.pasts
        self._published_s = 0.0
        self._problem = ""

    # For other threads ------------------------------------------------------------------

    def start(self) -> None:
        """Begin to fill."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> bool:
        """End at once, whatever is under way; what was received is kept. False where it hangs.

        Call it before the database is closed. The clients of venues are closed too.
        """
        self._stop.set()
        self._wake.set()
        self._clients.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def want(self, instruments: Sequence[str]) -> None:
        """Say what is looked at now, most important first; cheap, call it as often as you like."""
        if self._schedule.want(instruments):
            self._wake.set()

    def warm(self, instrument: str, start_us: int) -> None:
        """Give an instrument that was not recorded before a past back to `start_us`.

        Candles first, in one or a few requests; then trades for the newest part, as soon as its
        stream has given one. Nothing happens where the database reaches back so far already, or
        where it was asked for before.
        """
        self._pasts.ask(instrument, start_us)
        self._wake.set()

    def note(self, gap: Gap) -> None:
        """Say that the table has a new gap, which would be found within seconds anyway."""
        self._jobs.look_at_s = 0.0
        self._wake.set()

    def progress(self) -> tuple[Progress, ...]:
        """Return how it goes for every instrument with something to fill, or lately filled."""
        return self._progress

    @property
    def problem(self) -> str:
        """What an unexpected error that ended the thread means; empty while there was none."""
        return self._life.problem

    def take_filled(self) -> list[Filled]:
        """Return what the database holds since the last call; it is committed."""
        with self._lock:
            filled, self._filled = self._filled, []
        return filled

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._round()
            self._leave()
        finally:
            # What has ended fills nothing, however it ended.
            self._progress = ()

    def _round(self) -> None:
        try:
            wait_s = self._turn()
        except StoreError as error:
            self._say_problem(str(error))
            wait_s = RECORD_WAIT_S
        if wait_s > 0.0 or steady_s() - self._published_s > _PUBLISH_S:
            self._publish()
        if wait_s > 0.0 and not self._stop.is_set():
            self._wake.wait(wait_s)
        self._wake.clear()

    def _turn(self) -> float:
        """Do one thing; return how long there is nothing to do."""
        health = self._store.health()
        if health.state != "recording" or health.queued > self._most_queued:
            self._say_problem(health.text)
            return RECORD_WAIT_S
        self._problem = ""
        if steady_s() >= self._jobs.look_at_s:
            self._poll()
        job, wait_s = self._schedule.choose(self._jobs.open.values())
        if job is None:
            return min(wait_s, max(0.0, self._jobs.look_at_s - steady_s()))
        self._step(job)
        return 0.0

    def _say_problem(self, text: str) -> None:
        if text != self._problem:
            log.warning("Filling waits for the database: %s", text)
        self._problem = text

    def _poll(self) -> None:
        """Learn from the table what is open, once everything done here is committed."""
        self._jobs.look_at_s = steady_s() + POLL_S
        if self._jobs.is_dirty:
            if not self._store.flush(1.0):
                return
            self._jobs.is_dirty = False
            with self._lock:
                self._filled += self._jobs.pending
            self._jobs.pending = []
        self._jobs.learn(self._store.gaps(None, 0, ("open",)))
        self._pasts.step()

    def _rate(self, gap: Gap) -> float:
        """Return the trades per second that the database has around a gap."""
        seconds, trades = 0.0, 0
        for start_us, end_us in (
            (gap.start_us - _AROUND_US, gap.start_us),
            (gap.end_us, gap.end_us + _AROUND_US),
        ):
            bars = self._store.bars(gap.instrument, start_us, end_us)
            if len(bars):
                first_us, last_us = int(bars["time_us"][0]), int(bars["time_us"][-1])
                seconds += (last_us - first_us) / SECOND_US + 1.0
                trades += int(bars["trades"].sum())
        return trades / seconds if seconds else _PLAUSIBLE_RATE

    def _venue(self, instrument: str) -> tuple[RestVenue, VenueClient] | None:
        return self._clients.get(split_instrument(instrument)[0])

    # One step of one job ----------------------------------------------------------------

    def _step(self, job: Job) -> None:
        venue = self._venue(job.gap.instrument)
        if venue is None:
            self._jobs.lose(job, (Reason(Cause.NO_REST),))
            return
        rest, client = venue
        if job.walk is None and not self._begin(job, rest, client):
            return
        request = job.walk.request if job.walk else None
        if request is None:
            self._jobs.end(job)
            return
        if client.admit(request.weight, self._schedule.share(job)):
            return
        try:
            answer = client.ask(request)
        except FeedError:
            # The client has said why, and lets nothing through for a while.
            return
        self._take(job, rest, answer)

    def _begin(self, job: Job, rest: RestVenue, client: VenueClient) -> bool:
        """Decide how to go on with a gap; False where it needs no request now."""
        gap = job.gap
        if job.needs_probe and rest.backwards and not job.no_trades:
            job.walk = Middle(rest, gap)
            if job.walk.request is not None:
                return True
            job.is_probed = True
        rate = 0.0 if is_by_id(gap) or job.is_warm_up else self._rate(gap)
        if rate:
            job.expected = expected_trades(gap, rate)
        chosen = plan(
            gap,
            rest,
            client.now_us(),
            rate,
            self._schedule.is_urgent(job),
            job.no_trades,
            job.no_candles,
        )
        if chosen.kind == "lost":
            self._jobs.lose(job, chosen.reason)
            return False
        job.plan, job.settled_s, job.candles = chosen, steady_s(), 0
        job.lost = self._store.health().lost
        if chosen.kind == "trades":
            job.walk = TradePages(rest, gap, chosen.ask, chosen.cost)
            return True
        walk = CandlePages(rest, gap.instrument, chosen.ask.start_us, chosen.ask.end_us)
        early_us = walk.is_over_us - client.now_us()
        if early_us > 0 and not job.is_warm_up:
            job.not_before_s = steady_s() + early_us / SECOND_US
            return False
        job.walk = walk
        return True

    def _take(self, job: Job, rest: RestVenue, answer: Answer) -> None:
        walk = job.walk
        try:
            if answer.status != 200:
                is_too_old = rest.beyond_reach(answer.status, answer.body)
                if isinstance(walk, Middle) and is_too_old:
                    self._jobs.end_probe(job, walk)
                elif isinstance(walk, TradePages) and is_too_old:
                    self._jobs.give_up_trades(job, Reason(Cause.TOO_LONG_AGO))
                else:
                    self._jobs.fail(job, Reason(Cause.HTTP_STATUS, answer.status))
            elif isinstance(walk, TradePages):
                self._take_trades(job, walk, answer)
            elif isinstance(walk, CandlePages):
                self._take_candles(job, walk, answer)
            elif isinstance(walk, Middle):
                walk.take(answer.body, now_us())
                if walk.request is None:
                    self._jobs.end_probe(job, walk)
        except MessageError as error:
            self._jobs.fail(job, Reason(Cause.UNREADABLE, detail=str(error)))

    def _take_trades(self, job: Job, walk: TradePages, answer: Answer) -> None:
        trades = walk.take(answer.body, now_us())
        if trades:
            self._store.submit(trades)
            self._jobs.tallies[job.gap.instrument].trades += len(trades)
            job.expected = max(0, job.expected - len(trades))
            job.tries = 0
        if walk.request is None:
            self._jobs.end(job)
        elif steady_s() - job.settled_s >= SETTLE_S and self._jobs.is_recorded(job):
            self._jobs.settle(job, walk)

    def _take_candles(self, job: Job, walk: CandlePages, answer: Answer) -> None:
        before = walk.minutes
        bars = walk.take(answer.body)
        job.candles += len(bars)
        if len(bars):
            self._store.put_candles(job.gap.instrument, bars)
            self._jobs.is_dirty = True
            self._jobs.tallies[job.gap.instrument].minutes += walk.minutes - before
            start_us, end_us = int(bars["time_us"][0]), int(bars["last_us"][-1])
            self._jobs.pending.append(Filled(job.gap.instrument, start_us, end_us, "candles"))
            self._jobs.look_soon()
        if walk.request is None:
            self._jobs.end(job)

    # What is said -----------------------------------------------------------------------

    def _publish(self) -> None:
        now = self._published_s = steady_s()
        groups: dict[str, list[Job]] = {}
        for job in sorted(
            self._jobs.open.values(),
            key=lambda job: (not job.walk, *self._schedule.importance(job)),
        ):
            groups.setdefault(job.gap.instrument, []).append(job)
        shown = []
        for name, tally in list(self._jobs.tallies.items()):
            jobs = groups.get(name, [])
            tally.is_warming = self._pasts.is_under_way(name)
            tally.ended_s = None if jobs or tally.is_warming else tally.ended_s or now
            if tally.ended_s is not None and now - tally.ended_s > _SHOWN_S:
                del self._jobs.tallies[name]
                continue
            shown.append(describe(name, tally, left_of(jobs), self._hindrance(name, jobs)))
        self._progress = tuple(shown)

    def _hindrance(self, name: str, jobs: Sequence[Job]) -> Hindrance:
        """Return why an instrument has to wait, and how long."""
        if self._problem:
            return Hindrance(self._problem.rstrip("."), RECORD_WAIT_S)
        venue = self._venue(name)
        if venue is None or not jobs:
            return Hindrance()
        client = venue[1]
        if client.problem:
            is_refused = client.trouble == "refused"
            return Hindrance(client.problem, client.paused_for, is_refused=is_refused)
        if all(job.missing and job.not_before_s > steady_s() for job in jobs):
            wait_s = min(job.not_before_s for job in jobs) - steady_s()
            return Hindrance("The venue left trades out of its answers", wait_s)
        wait_s = self._schedule.budget_wait_s(jobs[0])
        return Hindrance("", wait_s, wait_s > 1.0)

    def _leave(self) -> None:
        """Keep what was received, unless the database reports an error."""
        try:
            for job in list(self._jobs.open.values()):
                if isinstance(job.walk, TradePages) and self._jobs.is_recorded(job):
                    self._jobs.settle(job, job.walk)
        except StoreError as error:
            log.warning("What was fetched last will be fetched again: %s", error)
