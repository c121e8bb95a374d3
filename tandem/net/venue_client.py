"""The one way to a venue's REST: its budget, its refusals, and when to try again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Literal

from tandem.core.clock import SECOND_US, now_us, steady_s
from tandem.core.errors import FeedError, VenueRefused
from tandem.net.http import Answer, Client, Stopped
from tandem.net.rate_limit import SHARE, Backoff, Meter, http_date_s, retry_after_s, used_weight
from tandem.venues.fields import EARLIEST_US, LATEST_US
from tandem.venues.rest import Budget, Request

log = logging.getLogger("tandem.backfill")

Trouble = Literal["", "throttled", "refused", "unreachable"]

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 120.0
_FIRST_THROTTLED_S, _LAST_THROTTLED_S = 60.0, 3_600.0
# A ban is answered with its length; where it is not, this is the shortest that was seen.
_BANNED_S = 120.0
_REFUSED_S, _LAST_REFUSED_S = 900.0, 3_600.0
_LEAST_PAUSE_S = 1.0


class Throttled(FeedError):
    """A venue that wants to be asked less; nothing is sent to it until it may be."""


class Refused(VenueRefused):
    """A venue that does not serve this address; it is asked again much later."""


class Gate:
    """Lets requests to one venue through, as fast as it allows. Any thread may ask.

    Parameters
    ----------
    title : str
        The venue as sentences name it.
    budget : Budget
        The venue's limits; a share of them is never used.
    throttled : callable, optional
        Tells from status and body whether too much was asked; by default 418 and 429.
    clock : callable
        Seconds that never run backwards.

    Attributes
    ----------
    trouble : {"", "throttled", "refused", "unreachable"}
        What stands in the way.
    problem : str
        The same as a sentence without its full stop; empty where there is none.
    on_throttled : callable
        Called with `problem` and the seconds of a pause the venue asked for.
    """

    def __init__(
        self,
        title: str,
        budget: Budget,
        client: Client,
        throttled: Callable[[int, bytes], bool] | None = None,
        clock: Callable[[], float] = steady_s,
    ) -> None:
        self.title = title
        self._budget = budget
        self._client = client
        self._throttled = throttled or (lambda status, body: status in (418, 429))
        self._meter = Meter(budget, clock)
        self._lock = threading.Lock()
        self._failing = Backoff(_FIRST_RETRY_S, _LAST_RETRY_S)
        self._slowed = Backoff(_FIRST_THROTTLED_S, _LAST_THROTTLED_S)
        self._insisted = Backoff(_LEAST_PAUSE_S, _LAST_THROTTLED_S)
        self._refusing = Backoff(_REFUSED_S, _LAST_REFUSED_S)
        self._ahead_us: int | None = None
        self.trouble: Trouble = ""
        self.problem = ""
        self.on_throttled: Callable[[str, float], None] = lambda problem, wait_s: None

    def ready_in(self, weight: int = 1, share: float = SHARE) -> float:
        """Return the seconds until a request may go; 0.0 where it may now."""
        return self._meter.ready_in(weight, share)

    def admit(self, weight: int = 1, share: float = SHARE) -> float:
        """Take leave for one request: 0.0 (then `ask`), or the seconds until there is room."""
        return self._meter.spend(weight, share)

    @property
    def paused_for(self) -> float:
        """Seconds for which nothing is asked at all; 0.0 where only the budget counts."""
        return self._meter.paused_for

    def resume_pause(self, problem: str, wait_s: float) -> None:
        """Go on with a pause a venue asked for before this program started anew."""
        self._pause("throttled", problem, wait_s)

    def now_us(self) -> int:
        """Return the venue's time, as its last answer told it to the second."""
        return now_us() + (self._ahead_us or 0)

    @property
    def ahead_us(self) -> int | None:
        """How far the venue's clock is ahead of this machine's; None before it told."""
        return self._ahead_us

    def ask(
        self,
        request: Request,
        headers: Mapping[str, str] | None = None,
        client: Client | None = None,
    ) -> Answer:
        """Send a request that was admitted and return the answer: 2xx, or a 4xx about itself.

        Another client than the gate's own may carry it: what it learns counts all the same.

        Raises
        ------
        Throttled
            Too much was asked; nothing goes out until ``Retry-After`` is over.
        Refused
            This address is not served (451, 403).
        FeedError
            No answer, or 5xx; a pause that doubles with each begins.
        """
        try:
            answer = (client or self._client).get(request.url, headers)
        except Stopped:
            raise
        except FeedError as error:
            raise self._failed(str(error)) from None
        self._learn(answer)
        if self._throttled(answer.status, answer.body):
            raise self._slow_down(answer)
        if answer.status in (403, 451):
            raise self._refused(answer.status)
        if answer.status >= 500 or answer.status < 200:
            raise self._failed(f"{self.title} could not answer (HTTP {answer.status})", answer)
        self._served()
        return answer

    def wait_turn(self, weight: int, stop: threading.Event, limit_s: float) -> None:
        """Wait until a request is admitted, for at most `limit_s`.

        Raises
        ------
        FeedError
            There was no room in time; says what the venue's trouble is.
        """
        deadline_s = steady_s() + limit_s
        while wait_s := self.admit(weight):
            left_s = deadline_s - steady_s()
            if wait_s > left_s or stop.wait(wait_s):
                why = self.problem or f"the request budget of {self.title} is used up"
                raise FeedError(f"{why}; it is asked again in {wait_s:.0f} s.")

    def _learn(self, answer: Answer) -> None:
        used = used_weight(self._budget, answer.headers)
        if used is not None:
            self._meter.believe(used)
        sent_s = http_date_s(answer.headers.get("date", ""))
        if sent_s is not None:
            sent_us = int(sent_s * SECOND_US)
            # However far from this machine's clock: that may be wrong by years.
            if EARLIEST_US <= sent_us <= LATEST_US:
                self._ahead_us = sent_us - now_us()

    def _served(self) -> None:
        with self._lock:
            for backoff in (self._failing, self._slowed, self._insisted, self._refusing):
                backoff.reset()
            if self.trouble:
                log.info("%s answers again.", self.title)
            self.trouble, self.problem = "", ""

    def _failed(self, cause: str, answer: Answer | None = None) -> FeedError:
        with self._lock:
            wait_s = self._failing.next_s()
        asked_s = retry_after_s(answer.headers, now_us() / SECOND_US) if answer else None
        self._pause("unreachable", cause, wait_s if asked_s is None else max(asked_s, wait_s))
        return FeedError(cause)

    def _slow_down(self, answer: Answer) -> Throttled:
        asked_s = retry_after_s(answer.headers, now_us() / SECOND_US)
        with self._lock:
            wait_s = (self._slowed if asked_s is None else self._insisted).next_s()
        if asked_s is not None:
            # Whoever asks for a short pause again and again means a longer one.
            wait_s = max(asked_s, wait_s, _LEAST_PAUSE_S)
        elif answer.status == 418:
            wait_s = max(wait_s, _BANNED_S)
        cause = f"{self.title} asked for fewer requests (HTTP {answer.status})"
        self._pause("throttled", cause, wait_s)
        self.on_throttled(cause, wait_s)
        return Throttled(cause)

    def _refused(self, status: int) -> Refused:
        with self._lock:
            wait_s = self._refusing.next_s()
        reason = (
            "it does not serve this region"
            if status == 451
            else "forbidden, as in regions it does not serve"
        )
        cause = f"{self.title} refuses this address (HTTP {status}: {reason})"
        self._pause("refused", cause, wait_s)
        return Refused(cause, status)

    def _pause(self, trouble: Trouble, cause: str, wait_s: float) -> None:
        self._meter.pause(wait_s)
        with self._lock:
            is_new = (trouble, cause) != (self.trouble, self.problem)
            self.trouble, self.problem = trouble, cause
        if is_new:
            log.warning("%s; nothing is asked of it for %.0f s.", cause, wait_s)
