"""The one way to a venue's REST: its budget, its refusals, and when to try again.

A venue is asked through one `VenueClient`, whoever asks: back-fill, downloads, scans, symbol lists
and polled prices. It counts what all of them spend, and a pause the venue asks for holds for all.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from tandem.core.clock import SECOND_US, now_us, steady_s
from tandem.core.errors import FeedError, StoreError, VenueRefused
from tandem.core.instruments import split_instrument
from tandem.net.http import Answer, Client, Stopped
from tandem.net.rate_limit import Backoff, Meter, http_date_s, retry_after_s, used_weight
from tandem.venues.fields import EARLIEST_US, LATEST_US
from tandem.venues.rest import SHARE, Budget, Listing, PolledFeed, Request, RestSource, RestVenue

log = logging.getLogger("tandem.net")

Trouble = Literal["", "throttled", "refused", "unreachable"]

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 120.0
_FIRST_THROTTLED_S, _LAST_THROTTLED_S = 60.0, 3_600.0
# A ban is answered with its length; where it is not, this is the shortest that was seen.
_BANNED_S = 120.0
_REFUSED_S, _LAST_REFUSED_S = 900.0, 3_600.0
_LEAST_PAUSE_S = 1.0

_LISTING_S = 30.0
_LISTING_PAGES = 30
# Longer than the minute in which budgets are counted.
_CANDLES_S = 90.0
_PAUSE_KEY = "pause:"


class Throttled(FeedError):
    """A venue that wants to be asked less; nothing is sent to it until it may be."""


class Refused(VenueRefused):
    """A venue that does not serve this address; it is asked again much later."""


class VenueClient:
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
        self._status = 0
        self._is_banned = False
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
    def used_weight(self) -> int:
        """Weight used of the venue's limit within its window."""
        return self._meter.used

    @property
    def paused_for(self) -> float:
        """Seconds for which nothing is asked at all; 0.0 where only the budget counts."""
        return self._meter.paused_for

    @property
    def banned_for(self) -> float:
        """Seconds for which the venue bans this address, whatever it is asked by; 0.0 if not."""
        return self.paused_for if self._is_banned else 0.0

    def resume_pause(self, problem: str, wait_s: float) -> None:
        """Go on with a pause a venue asked for elsewhere, or before this program started anew."""
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

        Another HTTP client than its own may carry it: what it learns counts all the same.

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
            There was no room in time: `Throttled` or `Refused` where the venue said no before.
        """
        deadline_s = steady_s() + limit_s
        while wait_s := self.admit(weight):
            left_s = deadline_s - steady_s()
            if wait_s > left_s or stop.wait(wait_s):
                why = self.problem or f"the request budget of {self.title} is used up"
                raise self._still(f"{why}; it is asked again in {wait_s:.0f} s.")

    def _still(self, text: str) -> FeedError:
        """Return the error of a pause that is not over yet."""
        if self.trouble == "refused":
            return Refused(text, self._status)
        return Throttled(text) if self.trouble == "throttled" else FeedError(text)

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
            self._is_banned = False

    def _failed(self, cause: str, answer: Answer | None = None) -> FeedError:
        with self._lock:
            wait_s = self._failing.next_s()
        asked_s = retry_after_s(answer.headers, now_us() / SECOND_US) if answer else None
        self._pause("unreachable", cause, wait_s if asked_s is None else max(asked_s, wait_s))
        return FeedError(cause)

    def _slow_down(self, answer: Answer) -> Throttled:
        asked_s = retry_after_s(answer.headers, now_us() / SECOND_US, answer.body)
        with self._lock:
            wait_s = (self._slowed if asked_s is None else self._insisted).next_s()
        if asked_s is not None:
            # Whoever asks for a short pause again and again means a longer one.
            wait_s = max(asked_s, wait_s, _LEAST_PAUSE_S)
        elif answer.status == 418:
            wait_s = max(wait_s, _BANNED_S)
        self._is_banned = answer.status == 418
        cause = f"{self.title} asked for fewer requests (HTTP {answer.status})"
        self._pause("throttled", cause, wait_s)
        self.on_throttled(cause, wait_s)
        return Throttled(cause)

    def _refused(self, status: int) -> Refused:
        with self._lock:
            self._status = status
            wait_s = self._refusing.next_s()
        reason = (
            "it does not serve this region"
            if status == 451
            else "forbidden, possibly a region restriction"
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


Load = Callable[[str], bytes | None]
Save = Callable[[str, bytes], None]


class VenueClients:
    """One client per venue of the process, made when it is first needed. Any thread may ask.

    Whoever asks a venue over REST does so through this: what one learns of its limits holds for
    all. Pauses that venues ask for outlast a restart where there is something to keep them.

    Parameters
    ----------
    venues : callable
        Gives the REST interface of a venue by name; None where it has none.
    http : Client
        Closed by `close`.
    load, save : callable, optional
        Return and keep something small under a key, as a store's `load_state` and `save_state`.
    """

    def __init__(
        self,
        venues: Callable[[str], RestVenue | None],
        http: Client,
        load: Load = lambda key: None,
        save: Save = lambda key, blob: None,
    ) -> None:
        self._venues = venues
        self._http = http
        self._load, self._save = load, save
        self._lock = threading.Lock()
        self._rests: dict[str, RestVenue | None] = {}
        self._clients: dict[str, VenueClient] = {}

    def get(self, venue: str) -> tuple[RestVenue, VenueClient] | None:
        """Return a venue's REST interface with its client; None where it has none."""
        with self._lock:
            if venue not in self._rests:
                self._rests[venue] = self._venues(venue)
            rest = self._rests[venue]
        return None if rest is None else (rest, self.client(rest))

    def client(self, source: RestSource) -> VenueClient:
        """Return the one client of whatever is asked over REST."""
        with self._lock:
            if source.venue not in self._clients:
                self._clients[source.venue] = self._make(source)
            client = self._clients[source.venue]
        # This machine's clock may be wrong by years.
        source.keep_time_by(client.now_us)
        return client

    def weights(self) -> dict[str, int]:
        """Return the weight used at each venue that was asked."""
        with self._lock:
            clients = dict(self._clients)
        return {venue: client.used_weight for venue, client in clients.items()}

    def prices(self, feed: PolledFeed) -> PriceClient:
        """Return a new way to ask for the prices of a polled feed, by the venue's one client."""
        return PriceClient(feed, self.client(feed))

    def fetch_listing(self, source: RestSource, stop: threading.Event) -> list[Listing]:
        """Return what a venue trades now, within its budget; on the caller's thread.

        Raises
        ------
        FeedError, MessageError
            It did not answer in time, or not with a list that can be parsed.
        """
        client = self.client(source)
        request: Request | None = source.listing()
        found: dict[str, Listing] = {}
        pages = 0
        while request is not None and pages < _LISTING_PAGES:
            pages += 1
            client.wait_turn(request.weight, stop, _LISTING_S)
            answer = client.ask(request, source.headers())
            if answer.status != 200:
                raise FeedError(f"{client.title} gave no list of symbols (HTTP {answer.status}).")
            found.update((one.symbol, one) for one in source.parse_listing(answer.body))
            request = source.more_listing(answer.body)
        return list(found.values())

    def fetch_candles(
        self, instrument: str, start_us: int, end_us: int, stop: threading.Event
    ) -> npt.NDArray[np.void] | None:
        """Return one-minute candles from a time on, within the budget; on the caller's thread.

        As many as one answer holds, none of them recorded. None where the venue has no REST
        interface here.

        Raises
        ------
        FeedError, MessageError
            The venue did not answer in time, or with something else.
        """
        venue = self.get(split_instrument(instrument)[0])
        if venue is None:
            return None
        rest, client = venue
        request = rest.candles(instrument, start_us, end_us)
        client.wait_turn(request.weight, stop, _CANDLES_S)
        answer = client.ask(request)
        if answer.status != 200:
            raise FeedError(f"{client.title} gave no candles (HTTP {answer.status}).")
        return rest.parse_candles(answer.body, instrument)

    def close(self) -> None:
        """Cut what is under way and ask nothing more; closing twice is harmless."""
        self._http.close()

    def _make(self, source: RestSource) -> VenueClient:
        client = VenueClient(source.title, source.budget, self._http, source.throttled)
        # A ban outlasts a restart, and asking during one makes it longer.
        until_us, problem = self._kept_pause(source.venue)
        if until_us > now_us():
            client.resume_pause(problem, (until_us - now_us()) / SECOND_US)
        client.on_throttled = functools.partial(self._keep_pause, source.venue)
        return client

    def _kept_pause(self, venue: str) -> tuple[int, str]:
        try:
            blob = self._load(_PAUSE_KEY + venue) or b""
        except StoreError as error:
            log.warning("Whether %s asked for a pause is unknown: %s", venue, error)
            return 0, ""
        until, _, problem = blob.decode("utf-8", "replace").partition(" ")
        is_time = until.isascii() and until.isdigit() and len(until) < 19
        return (int(until), problem) if is_time else (0, "")

    def _keep_pause(self, venue: str, problem: str, wait_s: float) -> None:
        until_us = now_us() + round(wait_s * SECOND_US)
        try:
            self._save(_PAUSE_KEY + venue, f"{until_us} {problem}".encode())
        except StoreError as error:
            log.warning("The pause %s asked for is not kept: %s", venue, error)


class PriceClient:
    """Fetches what a polled feed asks for. One thread asks; any may close.

    It has connections of its own, so that a feed can be stopped in the middle of a request while
    others go on asking the venue.

    Parameters
    ----------
    feed : PolledFeed
        Gives the headers, which are sent and never shown.
    venue : VenueClient
        Shared with everybody who asks it.
    """

    def __init__(self, feed: PolledFeed, venue: VenueClient) -> None:
        self._feed = feed
        self._client = Client()
        self._venue = venue

    @property
    def paused_for(self) -> float:
        """Seconds for which nothing may be asked: after a refusal, a failure, or on request."""
        return self._venue.paused_for

    def ahead_us(self) -> int:
        """Return how far the feed's clock is ahead of this machine's, to the second."""
        return self._venue.now_us() - now_us()

    def fetch(self, request: Request, stop: threading.Event, limit_s: float) -> bytes:
        """Return the body of an answer, waiting for at most `limit_s` until it may be asked for.

        Raises
        ------
        VenueRefused
            This address, or the key, is not served.
        FeedError
            No answer in time, or one that is none.
        """
        self._venue.wait_turn(request.weight, stop, limit_s)
        answer = self._venue.ask(request, self._feed.headers(), self._client)
        if answer.status == 401:
            raise VenueRefused(f"{self._feed.title} does not take the key in the settings", 401)
        if answer.status != 200:
            raise FeedError(f"{self._feed.title} gave no prices (HTTP {answer.status})")
        return answer.body

    def close(self) -> None:
        """Cut what is under way and ask nothing more; closing twice is harmless."""
        self._client.close()
