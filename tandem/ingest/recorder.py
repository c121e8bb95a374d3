"""A venue's recorder: its connections, what is wanted of them, and how they stand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from tandem.config import Settings
from tandem.core.clock import now_us, steady_s
from tandem.core.errors import FeedError, TandemError, VenueRefused
from tandem.core.events import Trade
from tandem.core.threads import Supervisor, backoff
from tandem.ingest.connection import Line, Timing
from tandem.ingest.intake import Intake
from tandem.ingest.status import (
    SLOW_S,
    FeedStatus,
    State,
    Stream,
    clock_hint,
    describe_closed,
    describe_open,
    describe_played,
    listed,
)
from tandem.net.venue_client import VenueClient
from tandem.observability.metrics import measured
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.protocols import Sink
from tandem.venues.base import GeneratedFeed, Kind, RecordedFeed, Route, WebsocketFeed

log = logging.getLogger("tandem.recorder")


class Recorder:
    """Reads one venue in threads of its own and hands on what it says.

    Parameters
    ----------
    feed : WebsocketFeed or GeneratedFeed
        The venue.
    sink : Sink
        Takes every batch after the hot buffer has it.
    buffer : HotBuffer
        Gets each trade once, in order of arrival.
    settings : Settings
        Gives the limits where `timing` does not.
    timing : Timing, optional
        How patient to be.
    backoff : callable, optional
        Makes the iterator of waits between attempts.
    clock : callable, optional
        Seconds that never go back, by which the age of a connection is told.
    recorded : callable, optional
        Gives an instrument's newest recorded trade: ids missing since then are a gap too, the ones
        that passed while nothing ran among them.
    client : VenueClient, optional
        By whom the venue is asked over REST, where it is: a ban holds for both.

    Attributes
    ----------
    intake : Intake
        Takes what the connections bring.
    """

    def __init__(
        self,
        feed: RecordedFeed,
        sink: Sink,
        buffer: HotBuffer,
        settings: Settings,
        timing: Timing | None = None,
        backoff: Callable[[], Iterator[float]] = backoff,
        clock: Callable[[], float] = steady_s,
        recorded: Callable[[str], Trade | None] = lambda instrument: None,
        client: VenueClient | None = None,
    ) -> None:
        self._client = client
        self.feed = feed
        self.timing = timing or Timing.under(settings)
        self.backoff = backoff
        self.clock = clock
        self.stopping = threading.Event()
        self.intake = Intake(feed, sink, buffer, recorded)
        self.intake.delays.histogram = measured(settings)
        self._lock = threading.Lock()
        self._asked: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._lines: list[Line] = []
        self._player: threading.Thread | None = None
        self._played: TandemError | Literal["", "end"] = ""
        self._life = Supervisor(
            f"{feed.title}: stopped because of an internal error (see the log)."
        )
        if feed.kind == "generated":
            self._player = threading.Thread(
                target=self._life.watch,
                args=(lambda: self._play(feed),),
                name=f"ingest-{feed.venue}",
                daemon=True,
            )
        else:
            self._lines.append(Line(self, "trades"))
            if feed.quotes:
                self._lines.append(Line(self, "quotes"))
        self._started: float | None = None
        self._state: tuple[State, int] = ("connecting", now_us())

    # What others ask of it ---------------------------------------------------------------

    def start(self) -> None:
        """Begin; `watch` says what to read."""
        self._started = steady_s()
        for thread in self._threads():
            thread.start()

    def stop(self, timeout: float = 2.0) -> bool:
        """End; returns whether every thread did within `timeout` seconds.

        A thread that could not (it hangs in the resolver, or the sink is full) hands on nothing
        new and ends by itself.
        """
        self.stopping.set()
        deadline = steady_s() + timeout
        threads = [thread for thread in self._threads() if thread.ident is not None]
        while True:
            # More than once: a line may just be between looking and opening.
            for line in self._lines:
                line.wake(stop=True)
            for thread in threads:
                thread.join(max(0.0, min(0.05, deadline - steady_s())))
            running = any(thread.is_alive() for thread in threads)
            if not running or steady_s() >= deadline:
                return not running

    def watch(self, instruments: frozenset[str], quoted: frozenset[str] = frozenset()) -> None:
        """Set what is read; open connections are kept and told the difference."""
        with self._lock:
            if (instruments, quoted) == self._asked:
                return
            self._asked = (instruments, quoted)
            self.intake.watch(self._within_limit(instruments), quoted)
        for line in self._lines:
            line.wake()

    def status(self) -> FeedStatus:
        """Return how things stand, in numbers and in a sentence."""
        intake = self.intake
        with self._lock, intake.lock:
            silent = self._silent()
            state, text = self._describe(silent)
            if state != self._state[0]:
                self._state = (state, now_us())
            delay_ms, skew_ms = intake.delays.report()
            hint = "" if self.feed.kind == "generated" else clock_hint(skew_ms, self.feed.title)
            waiting_s = intake.waiting_s()
            problems = (line.life.problem for line in self._lines)
            return FeedStatus(
                venue=self.feed.venue,
                title=self.feed.title,
                state=state,
                text=text,
                since_us=self._state[1],
                reconnects=sum(line.reconnects for line in self._lines),
                messages=intake.messages,
                not_understood=intake.not_understood,
                trades=intake.trades,
                trades_per_s=intake.rate.mean(),
                delay_ms=delay_ms,
                clock_skew_ms=skew_ms,
                last_trade_us={n: t.last_us for n, t in intake.tracks.items() if t.last_us},
                silent=silent,
                gaps=intake.gaps,
                errors=tuple(filter(None, (*intake.errors.recent(), hint, *problems))),
                renewals=sum(line.renewals for line in self._lines),
                restarts=sum(line.life.deaths for line in self._lines),
                is_failing=bool(self._life.problem)
                or any(line.life.is_hopeless for line in self._lines),
                waiting_s=waiting_s if waiting_s > SLOW_S else 0.0,
                ahead=intake.ahead,
                off_book=intake.off_book,
                delays=intake.delays.histogram,
            )

    def failure(self) -> TandemError | None:
        """Return why the trades do not come, while they do not."""
        if isinstance(self._played, TandemError):
            return self._played
        return self._lines[0].failure if self._lines else None

    def clock_us(self) -> int:
        """Return what time it is at the venue's side of the wire: a recording has its own now."""
        return self.feed.clock_us() if self.feed.kind == "generated" else now_us()

    def open_for(self) -> float:
        """Return for how many seconds the trades' connection has been open; 0 if it is not."""
        opened = self._lines[0].opened if self._lines else None
        return 0.0 if opened is None else steady_s() - opened

    # What its lines ask of it ------------------------------------------------------------

    def banned_for(self) -> float:
        """Return the seconds for which the venue, asked by REST, bans this address."""
        return 0.0 if self._client is None else self._client.banned_for

    def refused(self, failure: VenueRefused) -> None:
        """Tell whoever asks the venue by REST that it wants to be left alone."""
        if self._client is not None and failure.status in (418, 429) and failure.wait_s is not None:
            self._client.resume_pause(str(failure), failure.wait_s)

    def wanted(self, kind: Kind) -> frozenset[str]:
        """Return the instruments a line should carry."""
        return self.intake.wanted if kind == "trades" else self.intake.quoted

    def route(self, kind: Kind, instruments: frozenset[str]) -> Route:
        """Return the connection to open for these instruments."""
        feed = self._websocket_feed()
        if kind == "trades":
            return feed.trade_route(instruments)
        route = feed.quote_route(instruments)
        if route is None:
            raise FeedError(f"{feed.title} has no quotes")
        return route

    def change(self, route: Route, added: frozenset[str], removed: frozenset[str]) -> Sequence[str]:
        """Return the frames that change a subscription."""
        return self._websocket_feed().change(route, added, removed)

    # The work ----------------------------------------------------------------------------

    def _play(self, feed: GeneratedFeed) -> None:
        try:
            for batch in feed.batches(lambda: self.intake.wanted, self.stopping):
                self.intake.messages += 1
                self.intake.take(batch)
            self._played = "end"
        except TandemError as error:
            self._played = error
            log.warning("%s: %s", feed.title, error)

    # Words -------------------------------------------------------------------------------

    def _silent(self) -> tuple[str, ...]:
        opened = self._lines[0].opened if self._lines else self._started
        if opened is None or self.intake.waiting_s() > SLOW_S:
            return ()
        limit = steady_s() - self.timing.silence_s
        return tuple(
            name
            for name, track in self.intake.tracks.items()
            if max(opened, track.since, track.heard) < limit
        )

    def _describe(self, silent: tuple[str, ...]) -> tuple[State, str]:
        title = self.feed.title
        if self.stopping.is_set():
            return "stopped", f"{title}: stopped."
        if self._player is not None:
            return describe_played(self._stream(silent, None), self._played, self._life.problem)
        line = self._lines[0]
        failure, opened = line.failure, line.opened
        if line.life.problem and opened is None and failure is None:
            return "reconnecting", line.life.problem
        again: State = "reconnecting" if line.failures else "connecting"
        if failure is not None or opened is None:
            return describe_closed(title, failure, line.attempts, self.timing.refused_s, again)
        failures = (other.failure for other in self._lines[1:])
        quotes_failure = next((failure for failure in failures if failure is not None), None)
        return describe_open(self._stream(silent, opened), again, quotes_failure)

    def _stream(self, silent: tuple[str, ...], opened: float | None) -> Stream:
        heard = [track.heard for track in self.intake.tracks.values()]
        return Stream(
            title=self.feed.title,
            instruments=len(heard),
            silent=silent,
            silence_s=self.timing.silence_s,
            messages=self.intake.messages,
            not_understood=self.intake.not_understood,
            trades=self.intake.trades,
            is_heard=opened is not None and any(at >= opened for at in heard),
            waiting_s=self.intake.waiting_s(),
        )

    # Small things ------------------------------------------------------------------------

    def _threads(self) -> list[threading.Thread]:
        return [self._player] if self._player else [line.thread for line in self._lines]

    def _websocket_feed(self) -> WebsocketFeed:
        if self.feed.kind == "generated":
            raise FeedError(f"{self.feed.title} has no connection")
        return self.feed

    def _within_limit(self, instruments: frozenset[str]) -> frozenset[str]:
        most = len(instruments) if self._player else self._websocket_feed().max_instruments
        if len(instruments) <= most:
            return instruments
        kept = frozenset(sorted(instruments, key=lambda n: (n not in self.intake.tracks, n))[:most])
        skipped = listed(sorted(instruments - kept), len(instruments))
        self.intake.errors.note(
            f"{self.feed.title} accepts {most} instruments per connection; "
            f"{len(instruments) - most} of {len(instruments)} are skipped: {skipped}."
        )
        return kept
