"""What is to be filled, one job a gap, and how each ends in the database's table of gaps."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tandem.backfill.paging import CandlePages, Middle, TradePages, pieces_ahead
from tandem.backfill.planner import TRADES_PER_PAGE, Plan, expected_trades, newest, outside
from tandem.backfill.progress import Left, Tally
from tandem.backfill.reasons import Cause, Reason, Reasons, words
from tandem.backfill.warmup import Pasts
from tandem.core.clock import DAY_US, steady_s
from tandem.core.events import Filled, Gap
from tandem.core.instruments import split_instrument
from tandem.net.rate_limit import Backoff
from tandem.net.venue_client import VenueClients
from tandem.storage.protocols import Database
from tandem.venues.rest import is_by_id

log = logging.getLogger("tandem.backfill")

# A gap whose pages fail is given up after so many tries: the first waits seconds, the last
# minutes, together about ten minutes. Trouble of the venue as a whole is not counted.
TRIES = 8
_FIRST_WAIT_S, _LAST_WAIT_S = 5.0, 600.0
# What a venue left out of its answers is asked for again, at growing pauses, as long as the venue
# may still have it: as far as it reaches back, or so long where that is further or not known.
PATIENCE_US = DAY_US
MISSING_TRIES = 3
_LAST_MISSING_WAIT_S = 3_600.0
# The middle of a gap by more ids is asked for before it is gone through: ids also jump where
# nothing was traded.
_PROBED_IDS = 20 * TRADES_PER_PAGE
# A database that had no room is given so long before what was lost is fetched again.
RECORD_WAIT_S = 1.0

Key = tuple[str, int, int, int]


@dataclass(eq=False)
class Job:
    """One open gap. `is_warm_up`: minutes from before the database began, which is no gap.

    `lost`: what the database had found no room for when the walk began. `missing`: how often the
    venue's answers left it out.
    """

    gap: Gap
    expected: int = 1
    is_warm_up: bool = False
    plan: Plan | None = None
    walk: TradePages | CandlePages | Middle | None = None
    settled_s: float = 0.0
    not_before_s: float = 0.0
    tries: int = 0
    missing: int = 0
    is_probed: bool = False
    candles: int = 0
    lost: int = 0
    no_trades: Reasons = ()
    no_candles: Reasons = ()
    waits: Backoff = field(default_factory=lambda: Backoff(_FIRST_WAIT_S, _LAST_WAIT_S))
    missing_waits: Backoff = field(
        default_factory=lambda: Backoff(_FIRST_WAIT_S, _LAST_MISSING_WAIT_S)
    )

    @property
    def needs_probe(self) -> bool:
        """Whether it is by so many ids that one page from its middle is worth a look."""
        gap = self.gap
        return not self.is_probed and is_by_id(gap) and gap.last_id - gap.first_id >= _PROBED_IDS

    @property
    def key(self) -> Key:
        """The gap as the database's table knows it."""
        return key_of(self.gap)

    @property
    def reason(self) -> Reasons:
        """Why it is not trades that are asked for, or not all of them; may be empty."""
        return self.plan.reason if self.plan else ()

    def start_over(self) -> None:
        """Leave what was planned, so that it is planned anew."""
        self.walk = self.plan = None


def key_of(gap: Gap) -> Key:
    """Return what tells one gap from another."""
    return gap[:4]


def left_of(jobs: Sequence[Job]) -> Left | None:
    """Return what is left to fill in jobs of one instrument, the one under way first."""
    if not jobs:
        return None
    first = jobs[0]
    walk = first.walk
    return Left(
        trades=sum(job.expected for job in jobs if not job.is_warm_up),
        is_past_only=all(job.is_warm_up for job in jobs),
        is_begun=walk is not None,
        minutes=(walk.minutes, walk.total) if isinstance(walk, CandlePages) else None,
        reason=first.reason,
    )


class Jobs:
    """The open gaps as jobs, and what was done so far. One thread uses it.

    Parameters
    ----------
    store : Database
        Whose table of gaps every end of a job is written into.
    started_us : int
        When this process began: gaps from before are of the time it did not run.

    Attributes
    ----------
    open : dict of Job
        By what tells one gap from another.
    tallies : dict of Tally
        By instrument.
    pasts : Pasts
        The fresh instruments, which are given a past.
    pending : list of Filled
        What the database holds once it has committed.
    is_dirty : bool
        Whether something was handed to the database since `pending` was last passed on.
    look_at_s : float
        When the table should be looked at again, in seconds of a steady clock.
    """

    def __init__(self, store: Database, clients: VenueClients, started_us: int) -> None:
        self._store = store
        self._clients = clients
        self._started_us = started_us
        self.open: dict[Key, Job] = {}
        self.tallies: dict[str, Tally] = {}
        self.pasts = Pasts(store, clients, self.add_past, self.changed)
        self.pending: list[Filled] = []
        self.is_dirty = False
        self.look_at_s = 0.0

    def learn(self, gaps: Iterable[Gap]) -> None:
        """Take over what the table has open, and forget what it has not."""
        known = {key_of(gap): gap for gap in gaps}
        for key in [k for k, job in self.open.items() if not job.is_warm_up and k not in known]:
            del self.open[key]
        for key, gap in known.items():
            if key not in self.open:
                self.add(Job(gap))

    def add_past(self, span: Gap) -> None:
        """Cover the time before an instrument's record with candles: that is no gap of it."""
        self.add(Job(span, is_warm_up=True, no_trades=(Reason(Cause.NOT_RECORDED),)))

    def add(self, job: Job) -> None:
        """Open a job; the instrument's tally begins anew where everything before was done."""
        # Of a gap without ids it is estimated when its turn comes.
        job.expected = expected_trades(job.gap, 0.0) if is_by_id(job.gap) else 0
        self.open[job.key] = job
        name = job.gap.instrument
        tally = self.tallies.setdefault(name, Tally())
        if tally.ended_s is not None:
            tally = self.tallies[name] = Tally()
        is_past = job.is_warm_up or self.pasts.covers(job.gap)
        tally.is_past |= is_past
        tally.while_off |= not is_past and job.gap.start_us < self._started_us

    def look_soon(self) -> None:
        """Have the table looked at in a moment."""
        self.look_at_s = min(self.look_at_s, steady_s() + 0.1)

    def changed(self) -> None:
        """Note that the table has something new."""
        self.is_dirty = True
        self.look_at_s = 0.0

    def _replace(self, old: Gap, pieces: Sequence[Gap]) -> None:
        self._store.replace_gap(old, pieces)
        self.is_dirty = True

    # How a job ends -----------------------------------------------------------------------

    def settle(self, job: Job, walk: TradePages) -> list[Gap]:
        """Write into the table what a walk has done; return what stays open, all its own jobs."""
        job.settled_s = steady_s()
        settled = walk.settle()
        if settled is None:
            return [walk.gap]
        old, pieces = settled
        self._replace(old, pieces)
        filled = [piece for piece in pieces if piece.state == "filled"]
        if filled:
            self.pending.append(
                Filled(
                    old.instrument,
                    min(piece.start_us for piece in filled),
                    max(piece.end_us for piece in filled),
                    "trades",
                )
            )
        left = [piece for piece in pieces if piece.state == "open"]
        backwards = self._is_backwards(old)
        self.open.pop(key_of(old), None)
        ahead = pieces_ahead(pieces, old, backwards)
        for piece in left:
            if piece is ahead and walk.request is not None:
                job.gap = piece
                self.open[job.key] = job
            else:
                self.add(Job(piece, no_trades=self._beyond(job, piece, old)))
        if job.plan and not backwards:
            # What was left out lies before the first page, and was told apart just now.
            job.plan = job.plan._replace(reason=())
        return left

    def _is_backwards(self, gap: Gap) -> bool:
        venue = self._clients.get(split_instrument(gap.instrument)[0])
        return venue is not None and venue[0].backwards

    def _beyond(self, job: Job, piece: Gap, old: Gap) -> Reasons:
        """Return why a piece was left out of what was asked for; empty where it was not."""
        is_lowest = (piece.first_id, piece.start_us) == (old.first_id, old.start_us)
        return job.reason if is_lowest else ()

    def is_recorded(self, job: Job) -> bool:
        """Return whether all that was fetched found room in the database; else it begins again."""
        if self._store.health().lost == job.lost:
            return True
        log.info("What fills a gap of %s may be lost; it is fetched again.", job.gap.instrument)
        job.start_over()
        job.not_before_s = steady_s() + RECORD_WAIT_S
        return False

    def end(self, job: Job) -> None:
        """Settle a job whose pages have all come, unless something of them was lost."""
        if not self.is_recorded(job):
            return
        if isinstance(job.walk, TradePages):
            self._end_trades(job, job.walk)
        else:
            self._end_candles(job)
        self.look_soon()

    def _end_trades(self, job: Job, walk: TradePages) -> None:
        for piece in self.settle(job, walk):
            left = self.open[key_of(piece)]
            left.start_over()
            left.tries, left.missing, left.is_probed = job.tries, job.missing, job.is_probed
            if left is not job and left.no_trades:
                continue
            if is_by_id(piece):
                page = self._page_of(left)
                # A venue that gives shorter pages than it says is asked on as long as it gives.
                page.missing = 0 if walk.has_taken else page.missing
                if not walk.has_taken:
                    self._miss(page, walk.cause)
            elif walk.is_stuck:
                self.fail(left, Reason(Cause.REPEATS))
            else:
                self._miss(left, walk.cause)

    def _page_of(self, job: Job) -> Job:
        """Set the page a walk did not get beyond apart from what it did not come to."""
        gap = job.gap
        if gap.last_id - gap.first_id < TRADES_PER_PAGE:
            return job
        if self._is_backwards(gap):
            part = newest(gap, 0, TRADES_PER_PAGE)
            rest = outside(gap, part)
        else:
            rest = [newest(gap, 0, gap.last_id - gap.first_id + 1 - TRADES_PER_PAGE)]
            part = outside(gap, rest[0])[0]
        self._replace(gap, [*rest, part])
        del self.open[job.key]
        for piece in (*rest, part):
            self.add(Job(piece))
        page = self.open[key_of(part)]
        page.tries, page.missing = job.tries, job.missing
        return page

    def _miss(self, job: Job, cause: str = "") -> None:
        """Note that a complete answer left out what a job is about; `cause`: it could not be read.

        It is asked for again, and given up once the venue cannot have it any more.
        """
        venue = self._clients.get(split_instrument(job.gap.instrument)[0])
        reach_us = PATIENCE_US
        if venue is not None and venue[0].reach_us is not None:
            reach_us = min(reach_us, venue[0].reach_us)
        now_us = venue[1].now_us() if venue is not None else job.gap.end_us
        job.missing += 1
        job.not_before_s = steady_s() + job.missing_waits.next_s()
        is_final = now_us - job.gap.end_us >= reach_us and job.missing >= MISSING_TRIES
        if not is_final and reach_us:
            return
        gap = job.gap
        reason = Reason(Cause.UNREADABLE, detail=cause) if cause else Reason(Cause.MISSING)
        if is_by_id(gap) and gap.last_id - gap.first_id < _PROBED_IDS:
            self.lose(job, (reason,))
        else:
            # Over so long, candles are better than nothing.
            job.no_trades = (reason if cause or reach_us else Reason(Cause.LATEST_ONLY),)
            job.not_before_s = 0.0

    def end_probe(self, job: Job, walk: Middle) -> None:
        """Set apart the ids that a look into a gap has shown to be absent."""
        job.start_over()
        job.is_probed = True
        if walk.absent is None:
            return
        gap = job.gap
        first_id, last_id = walk.absent
        below = newest(gap._replace(last_id=last_id), 0, last_id - first_id + 1)
        absent = below if last_id < gap.last_id else below._replace(end_us=gap.end_us)
        pieces = outside(gap, absent)
        if last_id < gap.last_id:
            above = newest(gap, 0, gap.last_id - last_id)
            absent = absent._replace(end_us=above.start_us)
            pieces.append(above)
        self._replace(gap, [*pieces, absent])
        del self.open[job.key]
        for piece in pieces:
            self.add(Job(piece))
        left = Job(absent, missing=job.missing, missing_waits=job.missing_waits)
        self.add(left)
        self._miss(left)

    def _end_candles(self, job: Job) -> None:
        self.open.pop(job.key, None)
        if job.is_warm_up or job.plan is None:
            return
        ask = job.plan.ask
        if not job.candles:
            no_candles = (Reason(Cause.NO_CANDLE),)
            no_trades = job.no_trades or job.plan.reason
            self.add(Job(job.gap, no_trades=no_trades, no_candles=no_candles))
            return
        before = outside(job.gap, ask)
        self._replace(job.gap, [*before, ask._replace(state="candles")])
        for piece in before:
            self.add(Job(piece, no_trades=job.plan.reason))

    # What does not work -------------------------------------------------------------------

    def fail(self, job: Job, reason: Reason) -> None:
        """Try a gap's pages again later; after enough of that by other means, or not at all."""
        job.tries += 1
        job.not_before_s = steady_s() + job.waits.next_s()
        log.info(
            "%s, %s to %s: %s (try %d of %d).",
            *(
                job.gap.instrument,
                job.gap.start_us,
                job.gap.end_us,
                words([reason]),
                job.tries,
                TRIES,
            ),
        )
        if job.tries < TRIES:
            return
        reason = reason._replace(tries=TRIES)
        if isinstance(job.walk, CandlePages):
            job.no_candles = (reason,)
            job.no_trades = job.no_trades or job.reason
            job.start_over()
            job.tries = 0
            if job.is_warm_up:
                del self.open[job.key]
        else:
            self.give_up_trades(job, reason)

    def give_up_trades(self, job: Job, reason: Reason) -> None:
        """Leave trades alone for what a walk has not received."""
        walk = job.walk
        left = (
            self.settle(job, walk) if isinstance(walk, TradePages) and self.is_recorded(job) else []
        )
        for one in {id(self.open[key_of(gap)]): self.open[key_of(gap)] for gap in left}.values():
            one.no_trades = one.no_trades or (reason,)
            one.start_over()
            one.tries = 0
        job.start_over()
        job.no_trades = job.no_trades or (reason,)
        job.tries = 0
        job.waits.reset()

    def lose(self, job: Job, reason: Reasons) -> None:
        """Give a gap up and write down that what it lacked is lost."""
        gap = job.gap
        self.open.pop(job.key, None)
        if job.is_warm_up:
            return
        self._replace(gap, [gap._replace(state="lost")])
        tally = self.tallies[gap.instrument]
        tally.lost += expected_trades(gap, 0.0) if is_by_id(gap) else job.expected
        tally.reason = reason
        log.warning(
            "Trades of %s are lost (ids %d to %d, %d to %d us): %s.", *gap[:-1], words(reason)
        )
