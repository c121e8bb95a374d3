"""What the screen is told about a venue, and how its numbers are taken."""

from __future__ import annotations

import logging
import math
import statistics
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tandem.core.clock import SECOND_US, steady_s
from tandem.core.errors import FeedError, TandemError, VenueRefused
from tandem.core.events import Trade
from tandem.core.histogram import Histogram
from tandem.core.instruments import split_instrument

log = logging.getLogger("tandem.recorder")

State = Literal["connecting", "live", "reconnecting", "silent", "refused", "ended", "stopped"]

_LOG_EVERY_S = 10.0
_KEPT = 5
_KEPT_S = 600.0
_RATE_S = 5
# The sink is waited for so long before anybody is told.
SLOW_S = 1.0
_BELIEVED_DELAY_US = SECOND_US
_WRONG_S = 60.0
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which venue the whole process shows first, and why.

    `venue` is None while `trying` (a venue's title) is still being tried; `reasons` are sentences
    on the venues passed over.
    """

    venue: str | None
    trying: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What the screen says about a venue.

    Attributes
    ----------
    text : str
        A sentence: what happened, what still works, what to do.
    since_us : int
        When this state began.
    waiting_s : float
        For how long reading has been waiting for the database, which is full; 0 when it is not.
    restarts : int
        Times that an internal error ended a thread of it, which was begun again.
    is_failing : bool
        Whether that happens time and again, or the thread could not be begun again.
    renewals : int
        Connections replaced by a new one before the venue cut them, without a break.
    not_understood : int
        Messages, of `messages`, that could not be parsed or were dated ahead of the exchange.
    trades_per_s : float
        Mean over the last five seconds.
    delay_ms : float
        Median over recent trades of arrival minus trade time, in ms; NaN before the first trade.
        Where the clocks evidently differ (see `clock_skew_ms`) it is what lies above the least.
    clock_skew_ms : float
        This machine's clock minus the exchange's, as far as it shows: the least difference
        between arrival and trade time of the last minutes where that is negative (a trade cannot
        arrive before it happens) or above one second (no network is so slow and so steady);
        otherwise 0. It contains the fastest trade's network delay.
    last_trade_us : dict
        Time of each instrument's newest trade.
    silent : tuple of str
        Instruments subscribed but without a trade for longer than the silence limit.
    gaps : int
        Gaps found since the start: in trade ids or, where these do not count up, in time.
    errors : tuple of str
        What the venue complained about lately, a clock of this machine that is wrong, and
        threads begun again.
    ahead : int
        Of those that could not be parsed, what was dated ahead of the exchange.
    off_book : int
        Trades outside the order book, which are not recorded.
    delays : Histogram, optional
        Seconds from trade to arrival, where that is measured.
    """

    venue: str
    title: str
    state: State
    text: str
    since_us: int
    reconnects: int = 0
    messages: int = 0
    not_understood: int = 0
    trades: int = 0
    trades_per_s: float = 0.0
    delay_ms: float = math.nan
    clock_skew_ms: float = 0.0
    last_trade_us: dict[str, int] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    gaps: int = 0
    errors: tuple[str, ...] = ()
    renewals: int = 0
    waiting_s: float = 0.0
    restarts: int = 0
    is_failing: bool = False
    ahead: int = 0
    off_book: int = 0
    delays: Histogram | None = None


# Words ------------------------------------------------------------------------------------


class Stream(NamedTuple):
    """What the sentence on a stream of trades is made of.

    Attributes
    ----------
    instruments : int
        How many are read.
    silent : tuple of str
        Those of them without a trade for longer than `silence_s`.
    is_heard : bool
        A trade came over the connection there is now.
    waiting_s : float
        For how long reading has been waiting for the database.
    """

    title: str
    instruments: int
    silent: tuple[str, ...]
    silence_s: float
    messages: int
    not_understood: int
    trades: int
    is_heard: bool = False
    waiting_s: float = 0.0

    @property
    def garbled(self) -> str:
        """Share of messages that could not be parsed, as a clause; empty if all were."""
        if not self.not_understood:
            return ""
        return f"{self.not_understood:,} of {self.messages:,} messages could not be parsed"


def describe_closed(
    title: str, failure: FeedError | None, attempts: int, refused_s: float, again: State
) -> tuple[State, str]:
    """Return why a connection is not open, and what comes next.

    Parameters
    ----------
    attempts : int
        Failed ones since it was open.
    refused_s : float
        Wait after a refusal.
    again : State
        What connecting is called now: for the first time, or again.
    """
    if isinstance(failure, VenueRefused):
        return "refused", (
            f"{failure}. Recorded data is kept. Choose another venue; this one is retried every "
            f"{round((refused_s if failure.wait_s is None else failure.wait_s) / 60, 1):g} min."
        )
    if failure is not None:
        return again, (
            f"{failure}. Reconnecting (attempt {attempts + 1}); recorded data is kept, "
            "and prices shown are the last ones received."
        )
    return again, f"Connecting to {title}."


def describe_open(
    stream: Stream, again: State, quotes_failure: FeedError | None
) -> tuple[State, str]:
    """Return the state of an open connection; `again` is the state before its first trade."""
    title, garbled = stream.title, stream.garbled
    if stream.waiting_s > SLOW_S:
        return "live", (
            f"{title}: connected, but reading has been blocked by the database for "
            f"{stream.waiting_s:.0f} s. Nothing is lost; prices resume when the disk catches up."
        )
    if garbled and not stream.trades:
        return "silent" if stream.silent else again, (
            f"{title}: connected, but {garbled}; the message format may have changed. "
            "Choose another venue, and check for a newer version of Tandem."
        )
    if stream.silent:
        text = (
            f"{title}: connected and subscribed, but no trades in {listed(stream.silent)} for "
            f"{stream.silence_s:g} s{garbled and ', and ' + garbled}: check the symbol"
        )
        return _describe_silent(stream, text, ", or choose another venue.")
    if not stream.is_heard:
        return again, f"Connected to {title}; waiting for the first trade."
    if quotes_failure is not None:
        return "live", f"{title}: trades are live, quotes are not ({quotes_failure})."
    if garbled:
        return "live", f"{title}: live; {garbled} and skipped."
    return "live", f"{title}: live."


def describe_played(
    stream: Stream, played: TandemError | Literal["", "end"], problem: str
) -> tuple[State, str]:
    """Return the state of a source of its own events; `problem` says what ended its thread."""
    title = stream.title
    if isinstance(played, TandemError):
        return "refused", f"{title}: {played}"
    if played == "end":
        return "ended", f"{title}: replay finished."
    if problem:
        return "stopped", problem
    if stream.silent:
        text = f"{title}: no trades in {listed(stream.silent)} for {stream.silence_s:g} s"
        return _describe_silent(stream, text, "; choose other instruments.")
    if not stream.trades:
        return "connecting", f"{title}: starting."
    return "live", f"{title}: live."


def _describe_silent(stream: Stream, text: str, advice: str) -> tuple[State, str]:
    if len(stream.silent) == stream.instruments:
        return "silent", text + advice
    return "live", f"{text}. The other instruments are live."


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return symbols for a sentence: "A, B and 4 more"."""
    symbols = [split_instrument(name)[1] for name in names[:most]]
    text = ", ".join(symbols)
    return f"{text} and {len(names) - most} more" if len(names) > most else text


# Numbers ----------------------------------------------------------------------------------


class Delays:
    """Arrival minus trade time over recent trades, and the least of the last minutes."""

    _BUCKET_S = 120.0

    def __init__(self) -> None:
        # Where it is to be measured.
        self.histogram: Histogram | None = None
        self._recent: deque[int] = deque(maxlen=400)
        self._least = [math.inf, math.inf]
        self._turned = steady_s()

    def add(self, trades: Sequence[Trade]) -> None:
        """Take note of a batch."""
        values = [trade.received_us - trade.time_us for trade in trades[-50:]]
        if steady_s() - self._turned > self._BUCKET_S:
            self._least = [math.inf, self._least[0]]
            self._turned = steady_s()
        self._least[0] = min(self._least[0], *values)
        self._recent.extend(values)
        if self.histogram is not None:
            self.histogram.observe(*(value / SECOND_US for value in values))

    def report(self) -> tuple[float, float]:
        """Return the delay and the clock skew in milliseconds, by the rule of `FeedStatus`."""
        if not self._recent:
            return math.nan, 0.0
        least, median = min(self._least), statistics.median(self._recent)
        skew = 0.0 if 0 <= least <= _BELIEVED_DELAY_US else least
        return (median - skew) / 1000.0, skew / 1000.0


def clock_hint(skew_ms: float, title: str) -> str:
    """Return a warning if this machine's clock is off by a minute or more, else an empty string."""
    wrong_s = abs(skew_ms) / 1_000.0
    if wrong_s < _WRONG_S:
        return ""
    size = next((f"{wrong_s / s:.1f} {unit}" for s, unit in _UNITS if wrong_s >= s), "")
    side = "ahead of" if skew_ms > 0 else "behind"
    return (
        f"This machine's clock is {size} {side} {title}'s; trades are recorded with exchange "
        "time. Correct the clock and restart Tandem."
    )


class Rate:
    """Trades counted per second, for the mean of the last few."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._start = steady_s()

    def add(self, count: int) -> None:
        """Count trades now."""
        second = int(steady_s())
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        while self._counts[0][0] < second - _RATE_S:
            self._counts.popleft()

    def mean(self) -> float:
        """Return trades per second over the last five whole seconds, or since the start."""
        now = steady_s()
        whole = int(now)
        total = sum(count for second, count in self._counts if whole - _RATE_S <= second < whole)
        return total / min(max(now - self._start, 1.0), float(_RATE_S))


# Errors -----------------------------------------------------------------------------------


class VenueErrors:
    """The latest errors of one venue: kept for the screen, and sampled into the log.

    Errors it reported and messages that could not be parsed. Any thread may add and read.

    Parameters
    ----------
    title : str
        The venue's name in the log.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._kept: deque[tuple[float, str]] = deque(maxlen=_KEPT)
        self._said_s = self._misunderstood_s = -math.inf

    def note(self, text: str) -> None:
        """Keep a sentence for the screen; one that is there already is only renewed."""
        with self._lock:
            others = [(at, said) for at, said in self._kept if said != text]
            self._kept = deque([*others, (steady_s(), text)], _KEPT)

    def recent(self) -> tuple[str, ...]:
        """Return the sentences of the last ten minutes, oldest first."""
        oldest = steady_s() - _KEPT_S
        with self._lock:
            return tuple(text for at, text in self._kept if at > oldest)

    def said(self, text: str) -> None:
        """Take what the venue said; a venue that goes on and on fills no log."""
        now = steady_s()
        if now - self._said_s >= _LOG_EVERY_S:
            self._said_s = now
            log.warning("%s reported: %s", self._title, text)
        self.note(text)

    def not_understood(self, count: int, cause: str, sample: bytes = b"") -> None:
        """Log messages that could not be parsed, with the start of one, at most once a period."""
        now = steady_s()
        if now - self._misunderstood_s < _LOG_EVERY_S:
            return
        self._misunderstood_s = now
        log.warning(
            "%s: %d of the last messages could not be parsed (%s); one starts with %r",
            self._title,
            count,
            cause,
            sample[:80],
        )
