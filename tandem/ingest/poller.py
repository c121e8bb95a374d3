"""A polled feed's recorder: asks for prices every so often, and hands on those that are new."""

from __future__ import annotations

import math
import statistics
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tandem.core.clock import SECOND_US, now_us, steady_s
from tandem.core.errors import FeedError, MessageError, StoreError, VenueRefused
from tandem.core.events import Gap, Trade
from tandem.core.threads import Supervisor
from tandem.ingest.connection import Timing
from tandem.ingest.status import SLOW_S, FeedStatus, Rate, State, VenueErrors, listed
from tandem.net.venue_client import PriceClient
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.protocols import Sink
from tandem.venues.rest import PolledFeed

# A price dated later than this beyond the feed's own clock would run its bars' clock ahead.
_AHEAD_US = 5 * SECOND_US
# The answers' date is given to the second.
_BELIEVED_SKEW_US = 2 * SECOND_US
_LEAST_WAIT_S = 0.05


class _Seen:
    """What is known of one instrument's prices. Written by one thread only."""

    __slots__ = ("heard", "known_us", "last_us", "since")

    def __init__(self, last_us: int, known_us: int) -> None:
        self.last_us = last_us
        self.known_us = known_us
        self.since = steady_s()
        self.heard = -math.inf


class Poller:
    """Asks a polled feed in a thread of its own; to others it looks like a `Recorder`.

    What is newly wanted is asked for at once, all of it every `feed.every_s`. After a failure
    nothing is asked until the client's pause is over, or for one more interval.

    Parameters
    ----------
    client : PriceClient
        Fetches; closed by `stop`.
    sink, buffer, timing, recorded
        As of a `Recorder`.
    """

    def __init__(
        self,
        feed: PolledFeed,
        client: PriceClient,
        sink: Sink,
        buffer: HotBuffer,
        timing: Timing,
        recorded: Callable[[str], Trade | None] = lambda instrument: None,
    ) -> None:
        self.feed = feed
        self.timing = timing
        self.stopping = threading.Event()
        self._client = client
        self._sink = sink
        self._buffer = buffer
        self._recorded = recorded
        self._lock = threading.Lock()
        self._stir = threading.Event()
        self._wanted: frozenset[str] = frozenset()
        self._requested: frozenset[str] = frozenset()
        self._seen: dict[str, _Seen] = {}
        self._life = Supervisor(
            f"{feed.title}: polling was ended by an internal error (see the log) and begun again. "
            "Recorded data is kept. Please report it."
        )
        self._thread = threading.Thread(
            target=self._life.keep,
            args=(self._run, self.stopping),
            name=f"ingest-{feed.venue}",
            daemon=True,
        )
        self._failure: FeedError | None = None
        self._next_s = 0.0
        self._answered: float | None = None
        self._submitting: float | None = None
        self._messages = self._not_understood = self._trades = self._gaps = 0
        self._delays: deque[int] = deque(maxlen=400)
        self._rate = Rate()
        self._errors = VenueErrors(feed.title)
        self._state: tuple[State, int] = ("connecting", now_us())

    # What others ask of it ---------------------------------------------------------------

    def start(self) -> None:
        """Begin; `watch` says what to ask for."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> bool:
        """End; returns whether the thread did within `timeout` seconds."""
        self.stopping.set()
        self._stir.set()
        self._client.close()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def watch(self, instruments: frozenset[str], quoted: frozenset[str] = frozenset()) -> None:
        """Set what is asked for; there are no quotes."""
        with self._lock:
            if instruments == self._requested:
                return
            self._requested = instruments
            wanted = self._within_limit(instruments)
            self._seen = {name: self._seen.get(name) or self._begun(name) for name in wanted}
            self._wanted = wanted
        self._stir.set()

    def status(self) -> FeedStatus:
        """Return how things stand, in numbers and in a sentence."""
        with self._lock:
            silent = self._silent()
            state, text = self._describe(silent)
            if state != self._state[0]:
                self._state = (state, now_us())
            skew_us = self._skew_us()
            delay_us = statistics.median(self._delays) if self._delays else math.nan
            waiting_s = self._waiting_s()
            return FeedStatus(
                venue=self.feed.venue,
                title=self.feed.title,
                state=state,
                text=text,
                since_us=self._state[1],
                messages=self._messages,
                not_understood=self._not_understood,
                trades=self._trades,
                trades_per_s=self._rate.mean(),
                delay_ms=(delay_us - skew_us) / 1000.0,
                clock_skew_ms=skew_us / 1000.0,
                last_trade_us={n: seen.last_us for n, seen in self._seen.items() if seen.last_us},
                silent=silent,
                gaps=self._gaps,
                errors=tuple(filter(None, (*self._errors.recent(), self._life.problem))),
                restarts=self._life.deaths,
                is_failing=self._life.is_hopeless,
                waiting_s=waiting_s if waiting_s > SLOW_S else 0.0,
            )

    def failure(self) -> FeedError | None:
        """Return why the prices do not come, while they do not."""
        return self._failure

    def clock_us(self) -> int:
        """Return what time it is at this side of the wire."""
        return now_us()

    def open_for(self) -> float:
        """Return for how many seconds it has been answered without a failure; 0 if it is not."""
        answered = self._answered
        return 0.0 if answered is None else steady_s() - answered

    # The work ----------------------------------------------------------------------------

    def _run(self) -> None:
        asked: frozenset[str] = frozenset()
        due_s = -math.inf
        while not self.stopping.is_set():
            self._stir.clear()
            wanted, now_s = self._wanted, steady_s()
            asked &= wanted
            is_round = now_s >= due_s
            names = wanted if is_round else wanted - asked
            if names and now_s >= self._next_s:
                if self._ask(names):
                    asked |= names
                    if is_round:
                        due_s = steady_s() + self.feed.every_s
                else:
                    due_s = self._next_s = steady_s() + self._pause_s()
                continue
            until_s = max(due_s, self._next_s) if wanted else math.inf
            if names:
                until_s = self._next_s
            self._stir.wait(min(max(until_s - now_s, _LEAST_WAIT_S), self.feed.every_s))

    def _pause_s(self) -> float:
        if isinstance(self._failure, VenueRefused):
            return max(self._client.paused_for, self.timing.refused_s)
        return self._client.paused_for or self.feed.every_s

    def _ask(self, names: frozenset[str]) -> bool:
        """Ask for prices once and hand them on; returns whether that went well."""
        try:
            for request in self.feed.requests(names):
                body = self._client.fetch(request, self.stopping, self.feed.every_s)
                self._take(self._understood(body))
        except FeedError as error:
            if not self.stopping.is_set():
                self._failed(error)
            return False
        self._failure = None
        if self._answered is None:
            self._answered = steady_s()
        return True

    def _failed(self, error: FeedError) -> None:
        self._failure = error
        self._answered = None

    def _understood(self, body: bytes) -> list[Trade]:
        with self._lock:
            self._messages += 1
        received_us = now_us()
        try:
            trades = self.feed.parse(body, received_us)
        except MessageError as error:
            self._count_not_understood(str(error), body)
            raise FeedError(f"{self.feed.title}: response could not be parsed ({error})") from None
        latest_us = received_us + self._client.ahead_us() + _AHEAD_US
        timely = [trade for trade in trades if trade.time_us <= latest_us]
        if len(timely) < len(trades):
            self._count_not_understood("dated ahead of the feed's clock", b"")
        return timely

    def _count_not_understood(self, cause: str, sample: bytes) -> None:
        with self._lock:
            self._not_understood += 1
        self._errors.not_understood(1, cause, sample)

    def _take(self, trades: Sequence[Trade]) -> None:
        """Give new prices to the buffer, then to the sink, with the gaps before them."""
        if self.stopping.is_set():
            return
        fresh: list[Trade] = []
        gaps: list[Gap] = []
        with self._lock:
            for trade in trades:
                seen = self._seen.get(trade.instrument)
                if seen is None or trade.time_us <= seen.last_us:
                    continue
                gaps += self._hole(seen, trade)
                seen.last_us = seen.known_us = trade.time_us
                seen.heard = steady_s()
                fresh.append(trade)
        if not fresh:
            return
        self._buffer.append(sorted(fresh))
        self._submit([*fresh, *gaps])
        with self._lock:
            self._trades += len(fresh)
            self._gaps += len(gaps)
            self._rate.add(len(fresh))
            self._delays.extend(trade.received_us - trade.time_us for trade in fresh)

    def _hole(self, seen: _Seen, trade: Trade) -> list[Gap]:
        """Return the time without a price where it is longer than a price is good for.

        Prices of the past cannot be asked for: it is lost.
        """
        stale_us = int(self.feed.stale_s * SECOND_US)
        if not seen.known_us or trade.time_us - seen.known_us <= stale_us:
            return []
        return [Gap(trade.instrument, -1, -1, seen.known_us, trade.time_us, "lost")]

    def _submit(self, events: Sequence[Trade | Gap]) -> None:
        self._submitting = steady_s()
        try:
            self._sink.submit(events)
        except StoreError as error:
            self._errors.note(str(error))
        finally:
            self._submitting = None

    # Words -------------------------------------------------------------------------------

    def _silent(self) -> tuple[str, ...]:
        if self._answered is None or self._waiting_s() > SLOW_S:
            return ()
        limit = steady_s() - self.feed.stale_s
        return tuple(
            name for name, seen in sorted(self._seen.items()) if max(seen.since, seen.heard) < limit
        )

    def _describe(self, silent: tuple[str, ...]) -> tuple[State, str]:
        title, failure = self.feed.title, self._failure
        if self.stopping.is_set():
            return "stopped", f"{title}: stopped."
        if failure is not None:
            return self._describe_failure(failure)
        if self._answered is None:
            return "connecting", f"Requesting prices from {title}."
        if (waiting_s := self._waiting_s()) > SLOW_S:
            return "live", (
                f"{title}: prices have been waiting for the database for {waiting_s:.0f} s. "
                "Nothing is lost; they resume when the disk catches up."
            )
        if silent:
            text = (
                f"{title}: responding, but without a new price for {listed(silent)} for "
                f"{self.feed.stale_s:g} s: check the symbol"
            )
            if len(silent) == len(self._seen):
                return "silent", f"{text}, or choose another venue."
            return "live", f"{text}. The other prices are live."
        return "live", f"{title}: prices only, polled every {self.feed.every_s:g} s."

    def _describe_failure(self, failure: FeedError) -> tuple[State, str]:
        again = f"next attempt in {max(self._next_s - steady_s(), 0.0):.0f} s"
        text = str(failure).rstrip(".")
        if isinstance(failure, VenueRefused):
            return "refused", (
                f"{text}. Recorded data is kept. Check the key, or choose another venue; {again}."
            )
        return "reconnecting", (
            f"{text}. Recorded data is kept, and prices shown are the last ones received; {again}."
        )

    # Small things ------------------------------------------------------------------------

    def _begun(self, instrument: str) -> _Seen:
        """Return what is known of an instrument: the buffer's last price, else the database's."""
        last = self._buffer.last(instrument)
        known = last or self._recorded(instrument)
        # A price that only the database has is given to the buffer again, and to the database,
        # which knows it by its second.
        return _Seen(last.time_us if last else 0, known.time_us if known else 0)

    def _skew_us(self) -> int:
        ahead_us = self._client.ahead_us()
        return -ahead_us if abs(ahead_us) > _BELIEVED_SKEW_US else 0

    def _waiting_s(self) -> float:
        began = self._submitting
        return 0.0 if began is None else steady_s() - began

    def _within_limit(self, instruments: frozenset[str]) -> frozenset[str]:
        most = self.feed.max_instruments
        if len(instruments) <= most:
            return instruments
        self._errors.note(
            f"{self.feed.title} is polled for at most {most} prices at once; "
            f"{len(instruments) - most} of {len(instruments)} instruments are skipped."
        )
        kept = sorted(instruments, key=lambda name: (name not in self._seen, name))
        return frozenset(kept[:most])
