"""A venue's instruments watched all at once and scanned again and again, beside everything else."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tandem.config import Settings
from tandem.core.clock import MINUTE_US, SECOND_US, now_us
from tandem.core.errors import DataError, FeedError, TandemError
from tandem.core.parallel import Watch
from tandem.ingest.recorder import Recorder
from tandem.ingest.status import FeedStatus
from tandem.scanner.live.calibration import MOST_S, SLOT_SHARE, Calibration, SurrogateThreshold
from tandem.scanner.live.history import Candles, History
from tandem.scanner.live.minute_prices import MinuteBoard, Minutes
from tandem.scanner.live.schedule import Look, Schedule
from tandem.scanner.result import Changes, Scan, compared
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.storage.hot_buffer import HotBuffer
from tandem.venues.registry import create_feed

log = logging.getLogger("tandem.universe")

State = Literal["off", "listing", "watching", "failed"]

# Late trades of a minute are in by then.
GRACE_S = 2.0
CHECK_S = 0.5
STOP_S = 2.0
# A day of the shortest slots.
MOST_PAST = 288


class Rescan(NamedTuple):
    """One scheduled scan of what is watched.

    Attributes
    ----------
    look : Look
        Its place in the day, and the chance of a false alarm it may spend.
    at_us : int
        End of its last minute.
    minutes : Minutes
        What was scanned.
    told : SurrogateThreshold
        What is called a finding, by surrogates of this window.
    found : tuple of (str, str)
        Pairs told of, y first, the most striking first.
    changes : Changes
        Against the scan before; all that was found appeared where there was none.
    """

    look: Look
    at_us: int
    minutes: Minutes
    scan: Scan
    told: SurrogateThreshold
    found: tuple[tuple[str, str], ...]
    changes: Changes


class Past(NamedTuple):
    """A rescan as it is remembered once another has followed."""

    at_us: int
    tested: int
    appeared: int
    held: int
    broke: int


@dataclass(frozen=True, slots=True)
class Status:
    """How watching goes.

    Attributes
    ----------
    state : {"off", "listing", "watching", "failed"}
    text : str
        A sentence where there is something to say.
    instruments : int
        Watched.
    trades : int
        Taken since watching began.
    with_history : int
        Instruments whose past has been asked for.
    feed : FeedStatus or None
        Of the connection.
    next_us : int
        When the next look is due; 0 where none is.
    """

    state: State = "off"
    venue: str = ""
    text: str = ""
    instruments: int = 0
    trades: int = 0
    with_history: int = 0
    feed: FeedStatus | None = None
    next_us: int = 0
    scanning: bool = False


class Universe:
    """Watches one venue's instruments; start with `start`, end with `stop`. Any thread may ask.

    Nothing of it is recorded: it keeps a minute's last price of each instrument in memory, has a
    connection of its own, and scans in one thread whose loops leave the interpreter to others.

    Parameters
    ----------
    members : callable
        Gives a venue's instruments, most important first; may take long and raise FeedError or
        MessageError.
    candles : Candles
        Fetches an instrument's one-minute candles within the venue's budget.
    is_busy : callable, optional
        Whether something more important asks the venue: history waits for it.
    """

    def __init__(
        self,
        settings: Settings,
        members: Callable[[str], Sequence[str]],
        candles: Candles,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._members = members
        self._candles = candles
        self._is_busy = is_busy
        self._schedule = Schedule(settings.scan_minutes)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorder: Recorder | None = None
        self._history: History | None = None
        self._board: MinuteBoard | None = None
        self._status = Status()
        self._text = ""
        self._scanning = False
        self._used: tuple[int, int] = (-1, -1)
        self._calibration = Calibration()
        self._rescan: Rescan | None = None
        self.past: deque[Past] = deque(maxlen=MOST_PAST)

    def start(self, venue: str) -> None:
        """Watch a venue, instead of another one if there is one; returns at once."""
        self.stop()
        with self._lock:
            self._stop = threading.Event()
            self._status = Status("listing", venue)
            self._text = ""
            self._rescan = None
            self._calibration = Calibration()
            self.past.clear()
            self._thread = threading.Thread(
                target=self._run, args=(venue, self._stop), name="universe", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End watching, within two seconds."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread.is_alive():
            thread.join(STOP_S)
        with self._lock:
            self._status = Status()
            self._thread = None

    def status(self) -> Status:
        """Return how it goes."""
        with self._lock:
            told, board, history, recorder = (
                self._status,
                self._board,
                self._history,
                self._recorder,
            )
            text, scanning = self._text, self._scanning
        if told.state != "watching" or board is None or recorder is None:
            return told
        return Status(
            "watching",
            told.venue,
            text or (history.text if history else ""),
            len(board.names),
            board.trades,
            history.done if history else len(board.names),
            recorder.status(),
            self._schedule.next_us(now_us()),
            scanning,
        )

    def rescan(self) -> Rescan | None:
        """Return the latest scheduled scan."""
        return self._rescan

    # The thread -------------------------------------------------------------------------

    def _run(self, venue: str, stop: threading.Event) -> None:
        try:
            names = self._listed(venue)
            self._watch(venue, names, stop)
        except TandemError as error:
            self._failed(venue, stop, str(error))
        except Exception:
            # Whatever broke, the page must not go on showing a scan that nobody renews.
            log.exception("Watching %s ended", venue)
            self._failed(venue, stop, "An unexpected error ended it; the log has the details.")

    def _failed(self, venue: str, stop: threading.Event, cause: str) -> None:
        if stop.is_set():
            return
        log.warning("The instruments of %s are not watched: %s", venue, cause)
        text = f"The instruments of {venue} are not watched. {cause} Nothing else is affected."
        with self._lock:
            self._status = Status("failed", venue, text)

    def _listed(self, venue: str) -> list[str]:
        names = list(self._members(venue))
        kept = names[: self._settings.universe_instruments]
        if len(kept) < len(names):
            self._text = (
                f"{venue} lists {len(names)} instruments; the first {len(kept)} are watched "
                "(TANDEM_UNIVERSE_INSTRUMENTS)."
            )
        if len(kept) < 2:
            raise DataError(f"{venue} lists {len(kept)} instruments; a pair needs two.")
        return kept

    def _watch(self, venue: str, names: Sequence[str], stop: threading.Event) -> None:
        feed = create_feed(venue, self._settings)
        if feed.kind == "polled":
            raise FeedError("Its prices are asked for, not streamed: too few for bars of a minute.")
        limit = len(names) if feed.kind == "generated" else feed.max_instruments
        if len(names) > limit:
            self._text = (
                f"{feed.title} takes {limit} instruments on one connection; {len(names) - limit} "
                f"of {len(names)} are left out."
            )
        board = MinuteBoard(names[:limit], self._settings.universe_minutes)
        # Nobody reads trades one by one: the smallest buffer there is.
        recorder = Recorder(feed, board, HotBuffer(1, len(board.names)), self._settings)
        history = History(self._candles, self._is_busy, board, stop)
        recorder.start()
        recorder.watch(frozenset(board.names))
        history.start()
        with self._lock:
            if not stop.is_set():
                self._board, self._history, self._recorder = board, history, recorder
                self._status = Status("watching", venue)
        try:
            self._look_again_and_again(board, history, stop)
        finally:
            recorder.stop()
            history.join(STOP_S)

    def _look_again_and_again(
        self, board: MinuteBoard, history: History, stop: threading.Event
    ) -> None:
        tried_us = 0
        while not stop.wait(CHECK_S):
            now = now_us() - round(GRACE_S * SECOND_US)
            end = now // MINUTE_US * MINUTE_US
            look = self._schedule.look(now)
            if look.key <= self._used or end <= tried_us or not history.is_over:
                continue
            tried_us = end
            try:
                self._scan(board, look, end, stop)
            except DataError as error:
                # Nothing was tested, so nothing is spent: the slot may be tried again.
                self._text = f"Nothing could be tested at {_clock(end)} UTC: {error}"
            else:
                # A slot is used once: what its look may spend is spent.
                self._used = look.key

    def _scan(self, board: MinuteBoard, look: Look, end_us: int, stop: threading.Event) -> None:
        minutes = board.read(end_us)
        settings = ScanSettings(level=look.level, bar_seconds=60.0)
        most_s = min(MOST_S, SLOT_SHARE * 60.0 * self._settings.scan_minutes)
        watch, calibration = Watch(is_cancelled=stop.is_set), self._calibration
        self._scanning = True
        try:
            # One thread: the other processors are the market's and the page's.
            scanned = scan(minutes.prices, settings, names=minutes.names, watch=watch, workers=1)
            told = calibration.look(minutes, settings, end_us, watch, most_s)
        finally:
            self._scanning = False
        found = tuple(scanned.pairs(told.found(scanned)))
        before = self._rescan
        changed = compared(before.found if before is not None else (), found)
        counts = (len(part) for part in changed)
        self.past.append(Past(end_us, scanned.tested, *counts))
        self._text = ""
        self._rescan = Rescan(look, end_us, minutes, scanned, told, found, changed)


def _clock(time_us: int) -> str:
    minutes = time_us // MINUTE_US % 1_440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
