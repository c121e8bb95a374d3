"""What a venue's REST interface is: requests and pure parsers. No sockets live here.

A gap in the database is filled page by page::

    request = venue.trades(instrument, gap)
    while request is not None:
        page = venue.parse_page(fetch(request), instrument, received_us)
        request = venue.more(instrument, gap, page.trades)

Ids of trades are those of the venue's stream, so what is fetched twice is stored once. A page may
hold trades from outside the gap, or from the page before; the caller drops them, and stops when a
page brought nothing new.
"""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import nan
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from tandem.core.clock import MINUTE_US, now_us
from tandem.core.errors import MessageError
from tandem.core.events import BAR, Funding, Gap, Trade
from tandem.core.instruments import instrument as market_instrument
from tandem.core.instruments import split_instrument
from tandem.venues.fields import MOST_PRICE, amount, positive

log = logging.getLogger("tandem.venues")

T = TypeVar("T")

# No page of any venue has more; what has is not that page. The longest is a day of a busy pair's
# trades, which one venue sends whole.
MOST_TRADES = 200_000
MOST_CANDLES = 5_000
MOST_LISTINGS = 20_000

# So much of a budget is used. The rest is left for others at the same address, and for the venue
# counting a little earlier or later than we do.
SHARE = 0.8

_ASSET = re.compile(r"[^\W_][\w.-]{0,29}")


class Request(NamedTuple):
    """One GET without a key: its complete address, and what it costs of the venue's budget."""

    url: str
    weight: int = 1


class Budget(NamedTuple):
    """How much one address may ask of a venue.

    Attributes
    ----------
    weight : int
        The sum of `Request.weight` that the venue allows in any `window_s`: its own limit, so
        whoever spends it leaves room below it.
    window_s : float
        Seconds.
    spacing_s : float
        Least time between two requests.
    used_header : str or None
        Name of the header in which the venue says what was used of the current window.
    """

    weight: int
    window_s: float
    spacing_s: float
    used_header: str | None = None


class Listing(NamedTuple):
    """One instrument that trades now.

    ``symbol`` is as in the instrument's name. ``tick`` is the step of prices, ``lot`` that of
    quantities, ``minimum_notional`` the least order in the quote currency; 0.0 where the venue
    does not say. A ``future`` is one with a date of delivery.
    """

    symbol: str
    base: str
    quote: str
    kind: Literal["spot", "perpetual", "future"]
    tick: float
    lot: float
    minimum_notional: float


class Page(NamedTuple):
    """What an answer with trades says.

    Attributes
    ----------
    trades : list of Trade
        Ascending, with the ids of the venue's stream.
    unread : tuple of (int, int)
        From when to when, in microseconds, a trade was made that could not be parsed: between the
        times of its neighbours. A trade older than all others was made after 0, one newer than
        all before the answer came.
    cause : str
        Why the last of them could not be; empty where all could.
    """

    trades: list[Trade]
    unread: tuple[tuple[int, int], ...] = ()
    cause: str = ""


class RestSource(ABC):
    """Whatever is asked over REST: who it is, what it allows, and what it lists.

    Parameters
    ----------
    url : str
        Address without a path, as ``https://fapi.binance.com``.
    clock : callable, optional
        Gives this machine's time in microseconds; a few venues are asked by how long ago.

    Attributes
    ----------
    venue, title : str
        Name in instruments and on screen.
    budget : Budget
        What one address may ask.
    """

    venue: ClassVar[str]
    title: ClassVar[str]
    budget: Budget
    # The name of the code of an error in the body, and those that mean too many requests.
    _code: ClassVar[str] = "code"
    _throttling: ClassVar[tuple[object, ...]] = ()

    def __init__(self, url: str, clock: Callable[[], int] = now_us) -> None:
        self._url = url.rstrip("/")
        self._clock = clock

    def keep_time_by(self, clock: Callable[[], int]) -> None:
        """Take the time from this clock from now on: the venue's, where it is known."""
        self._clock = clock

    def headers(self) -> Mapping[str, str]:
        """Return the headers of every request; they may hold a key and are never shown."""
        return {}

    @abstractmethod
    def listing(self) -> Request:
        """Return the request for the list of what the venue trades."""

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return what trades now, in the venue's order; entries that cannot be parsed are left out.

        Raises
        ------
        MessageError
            If the answer as a whole cannot be parsed, or nothing in it can.
        """
        with reading("the list of symbols"):
            entries = self._listing_rows(body)
        return listings(self.venue, entries, self._listing)

    def _rows(self, body: bytes, most: int) -> list[Any]:
        """Return the rows of an answer, at most so many."""
        return json_list(body, most)

    def _listing_rows(self, body: bytes) -> list[Any]:
        """Return the entries of a list of symbols."""
        return self._rows(body, MOST_LISTINGS)

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        """Return what an entry says; None where it does not trade now."""
        raise NotImplementedError

    def more_listing(self, body: bytes) -> Request | None:
        """Return the request for the rest of a list of symbols; None where there is none."""
        return None

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked; some venues say so in the body."""
        if status in (418, 429) or not self._throttling or len(body) >= 1_000:
            return status in (418, 429)
        return json_or_empty(body).get(self._code) in self._throttling


class RestVenue(RestSource):
    """One venue's REST interface: what to ask, and what the answers mean.

    Every parser takes what may come from anyone and raises MessageError, with a short cause that
    quotes nothing, where it is not what the venue documents. A venue says where the rows of an
    answer are (`_trade_rows`, `_candle_rows`, `_listing_rows`) and what a row is (`_trade`,
    `_candle`, `_listing`).

    Attributes
    ----------
    has_trades : bool
        False where the venue's REST does not give the trades of its stream under the same ids:
        `trades` answers None for every gap, and candles are all there is.
    reach_us : int or None
        How far back from now trades can be asked for; None where no limit is known, 0 where there
        is only the most recent page.
    backwards : bool
        True where pages go from the newest trades of a gap to its oldest.
    consecutive_ids : bool
        True where ids count up by one, so that a page can be checked for being complete.
    time_step_us : int
        How coarse the times of trades are here where the stream's are finer: a trade from within
        a gap may bear a time up to this much before its start.
    candles_per_page : int
        Most minutes one answer holds.
    candle_reach_us : int or None
        How far back from now candles go; None where no limit is known.
    has_seconds : bool
        Whether there are candles of one second, too.
    has_funding : bool
        Whether funding rates of the past can be asked for.
    funding_per_page : int
        Most of them that one answer holds.
    """

    has_trades: ClassVar[bool] = True
    reach_us: ClassVar[int | None] = None
    backwards: ClassVar[bool] = False
    consecutive_ids: ClassVar[bool]
    time_step_us: ClassVar[int] = 1
    candles_per_page: ClassVar[int]
    candle_reach_us: ClassVar[int | None] = None
    has_seconds: ClassVar[bool] = False
    has_funding: ClassVar[bool] = False
    funding_per_page: ClassVar[int] = 0

    @abstractmethod
    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the first page of the trades in a gap.

        By id where the gap and the venue have them, else by time. None where the venue cannot be
        asked for it.
        """

    @abstractmethod
    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the page after `page`, which is all that `parse_trades` gave.

        None when the gap is covered or the venue gives no more.
        """

    def parse_page(self, body: bytes, instrument: str, received_us: int) -> Page:
        """Return what an answer with trades says; a trade that cannot be parsed costs only itself.

        Raises
        ------
        MessageError
            If the answer as a whole cannot be parsed, or none of its trades.
        """
        with reading("a trade"):
            rows = self._trade_rows(body)
        trades, causes = each_row(
            rows, "a trade", lambda row: self._trade(row, instrument, received_us)
        )
        unread = _around(trades, received_us) if causes else ()
        page = sorted((trade for trade in trades if trade is not None), key=self._order)
        return Page(page, unread, causes[-1] if causes else "")

    def parse_trades(self, body: bytes, instrument: str, received_us: int) -> list[Trade]:
        """Return the trades of an answer, as `parse_page` has them."""
        return self.parse_page(body, instrument, received_us).trades

    def _trade_rows(self, body: bytes) -> list[Any]:
        """Return the rows of an answer with trades."""
        return self._rows(body, MOST_TRADES)

    @staticmethod
    def _trade(row: Any, instrument: str, received_us: int) -> Trade:
        """Return the trade of a row."""
        raise NotImplementedError

    @staticmethod
    def _order(trade: Trade) -> Any:
        """Sort key of the trades of an answer."""
        return trade.trade_id

    def complete_since(self, gap: Gap, page: Sequence[Trade]) -> int:
        """Return the time since which a walk that ended with `page` left no trade of a gap out.

        The gap's start, except where a venue gives only its latest trades (`reached_by`).
        """
        return gap.start_us

    @abstractmethod
    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for one-minute candles that begin in [start_us, end_us).

        At most `candles_per_page` minutes are asked for; a longer span is cut at its end.
        """

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles as one-minute bars.

        Returns
        -------
        ndarray of dtype BAR
            Ascending, one row per minute that had a trade: venues repeat the last price through
            quiet minutes, and that is no price. ``trades`` is -1: these are candles.
            ``buy_volume`` and ``notional`` are NaN where the venue does not say. The minute still
            going on may be among them.
        """
        with reading("a candle"):
            rows = self._candle_rows(body)
        candles, causes = each_row(rows, "a candle", self._candle)
        if causes:
            log.warning(
                "%d of %d candles of %s were left out: %s.",
                *(len(causes), len(rows), instrument, causes[-1]),
            )
        return candle_bars([one for one in candles if one is not None])

    def _candle_rows(self, body: bytes) -> list[Any]:
        """Return the rows of an answer with candles."""
        return self._rows(body, MOST_CANDLES)

    @staticmethod
    def _candle(row: Any) -> Candle:
        """Return the candle of a row."""
        raise NotImplementedError

    def seconds(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for one-second candles, as `candles`, where `has_seconds`."""
        raise NotImplementedError

    def parse_seconds(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return one-second candles as bars, with their number of trades, ascending."""
        raise MessageError("candles of a second, which were not asked for")

    def funding(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for funding rates charged in [start_us, end_us), if `has_funding`.

        At most `funding_per_page`, the earliest of them.
        """
        raise NotImplementedError

    def parse_funding(self, body: bytes, instrument: str) -> list[Funding]:
        """Return the funding rates of an answer, each as of the time it was charged."""
        raise MessageError("funding rates, which were not asked for")

    def beyond_reach(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that what was asked for lies too far back."""
        return False


class PolledFeed(RestSource):
    """A feed of prices without trades: it says what to ask for and understands the answer.

    Attributes
    ----------
    kind : "polled"
        What tells it from a venue that is read as it trades.
    popular, max_instruments
        As of a `WebsocketFeed`.
    every_s : float
        Seconds from one poll to the next.
    stale_s : float
        Age of the last price from which it says nothing about now.
    grace_s : float
        How much later than another's a price may become known after it was made.
    least_bar_s : float
        Length of the shortest bar worth making of its prices.
    """

    kind: ClassVar[Literal["polled"]] = "polled"
    charges_funding: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]]
    max_instruments: ClassVar[int]
    grace_s: ClassVar[float]
    least_bar_s: ClassVar[float]
    every_s: float
    stale_s: float

    @abstractmethod
    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text`."""

    @abstractmethod
    def priced_in(self, currency: str) -> PolledFeed:
        """Return the same feed with prices in another currency."""

    @abstractmethod
    def requests(self, instruments: Iterable[str]) -> tuple[Request, ...]:
        """Return the requests for the prices of some instruments."""

    @abstractmethod
    def parse(self, body: bytes, received_us: int) -> list[Trade]:
        """Return an answer's new prices; raises MessageError if it cannot be parsed."""


def reached_by(gap: Gap, page: Sequence[Trade], step_us: int) -> int:
    """Return since when a page of a venue's latest trades, ascending, leaves none out.

    The database has the trade at a gap's start, so a page that goes back so far has it too; any
    other is believed as far as its first trade, and an empty one not at all.

    Parameters
    ----------
    step_us : int
        The step of the venue's times.
    """
    if not page:
        return gap.end_us + 1
    first_us = page[0].time_us
    return gap.start_us if first_us <= gap.start_us + step_us else first_us + step_us


class CandlesOnly(RestVenue):
    """A venue whose REST does not give the trades of its stream under the same ids."""

    has_trades: ClassVar[bool] = False
    reach_us: ClassVar[int | None] = 0

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return None: trades are not asked for."""
        return None

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return None: trades are not asked for."""
        return None

    def parse_page(self, body: bytes, instrument: str, received_us: int) -> Page:
        """Refuse whatever it is: trades are not asked for."""
        raise MessageError("trades were not asked for")


def symbol_of(instrument: str) -> str:
    """Return the venue's symbol within an instrument name."""
    return split_instrument(instrument)[1]


def json_list(body: bytes, most: int) -> list[Any]:
    """Return an answer as the list it must be, of at most so many items."""
    return listed(_json(body), most)


def json_dict(body: bytes) -> dict[str, Any]:
    """Return an answer as the object it must be."""
    value = _json(body)
    if type(value) is not dict:
        raise MessageError("not an object")
    return value


def listed(value: Any, most: int) -> list[Any]:
    """Return a value as the list it must be, of at most so many items."""
    if type(value) is not list:
        raise MessageError("not a list")
    if len(value) > most:
        raise MessageError("a list that is too long")
    return value


def json_or_empty(body: bytes) -> dict[str, Any]:
    """Return an answer as the object it should be; an empty one where it is something else."""
    try:
        return json_dict(body)
    except MessageError:
        return {}


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MessageError("not JSON") from None


class Candle(NamedTuple):
    """A candle as venues tell it. `buy_volume` and `notional` are NaN where unknown."""

    time_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    buy_volume: float
    notional: float
    trades: int = -1


def candle(
    time_us: int,
    prices: Sequence[Any],
    volume: Any,
    notional: Any = None,
    buy_volume: Any = None,
) -> Candle:
    """Return a candle from texts: open, high, low and close as `prices`; NaN for what is None."""
    open_, high, low, close = map(positive, prices)
    bought, value = (nan if one is None else amount(one) for one in (buy_volume, notional))
    return Candle(time_us, open_, high, low, close, amount(volume), bought, value)


def candle_bars(candles: Sequence[Candle], interval_us: int = MINUTE_US) -> npt.NDArray[np.void]:
    """Check candles and return them as bars, ascending, without those in which nothing traded.

    Of two candles of one time the last counts.
    """
    bars = np.zeros(len(candles), BAR)
    if not len(candles):
        return bars
    columns = np.array(candles, np.float64).T
    times = np.array([candle.time_us for candle in candles], np.int64)
    _, open_, high, low, close, volume, buy_volume, notional, _ = columns
    if np.any(times % interval_us):
        unit = "minute" if interval_us == MINUTE_US else "second"
        raise MessageError(f"a candle that does not begin with a {unit}")
    if not np.all((low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)):
        raise MessageError("a candle whose high or low is inside")
    if np.any(buy_volume > volume * (1 + 1e-9)):
        raise MessageError("a candle that bought more than it traded")
    bars["time_us"], bars["last_us"] = times, times + interval_us - 1
    bars["open"], bars["high"], bars["low"], bars["close"] = open_, high, low, close
    bars["volume"], bars["buy_volume"], bars["notional"] = volume, buy_volume, notional
    bars["trades"] = [candle.trades for candle in candles]
    latest = {int(time_us): row for row, time_us in enumerate(times)}
    bars = bars[[latest[time_us] for time_us in sorted(latest)]]
    return bars[bars["volume"] > 0.0]


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what goes wrong on taking an answer apart into MessageError.

    A symbol that cannot be an instrument is a DataError, and so a ValueError.
    """
    try:
        yield
    except KeyError as missing:
        raise MessageError(f"{what} without {missing}") from None
    except IndexError:
        raise MessageError(f"{what} with too few fields") from None
    except (TypeError, AttributeError, ValueError):
        raise MessageError(f"{what} with a field of the wrong type") from None


def each_row(
    rows: Sequence[Any], what: str, read: Callable[[Any], T]
) -> tuple[list[T | None], list[str]]:
    """Return what `read` makes of each row, None where it cannot, and the causes of those.

    Raises
    ------
    MessageError
        If none of the rows can be read: then they are not what is documented.
    """
    found: list[T | None] = []
    causes: list[str] = []
    for row in rows:
        try:
            with reading(what):
                found.append(read(row))
        except MessageError as error:
            found.append(None)
            causes.append(str(error))
    if len(causes) == len(rows) > 0:
        raise MessageError(causes[-1])
    return found, causes


def _around(trades: Sequence[Trade | None], received_us: int) -> tuple[tuple[int, int], ...]:
    """Return from when to when each missing trade was made, given trades in the venue's order."""
    times = [None if trade is None else trade.time_us for trade in trades]
    known = [time_us for time_us in times if time_us is not None]
    oldest, newest = (0, received_us) if known[0] <= known[-1] else (received_us, 0)
    spans = []
    for row, time_us in enumerate(times):
        if time_us is None:
            before = next((one for one in times[row::-1] if one is not None), oldest)
            after = next((one for one in times[row:] if one is not None), newest)
            spans.append((min(before, after), max(before, after)))
    return tuple(dict.fromkeys(spans))


def listings(
    venue: str, entries: Sequence[Any], read: Callable[[Any], Listing | None]
) -> list[Listing]:
    """Return what `read` makes of each entry, without those it refuses or cannot read."""
    found: dict[str, Listing] = {}
    for entry in entries:
        try:
            with reading("a symbol"):
                listing = read(entry)
                if listing is not None:
                    instrument = market_instrument(venue, listing.symbol)
                    found.setdefault(instrument, listing._replace(symbol=symbol_of(instrument)))
        except MessageError:
            continue
    if not found:
        raise MessageError(f"none of {len(entries)} symbols was understood as trading")
    return list(found.values())


def asset(value: Any) -> str:
    """Return the name of an asset, in capitals."""
    if type(value) is not str or not _ASSET.fullmatch(value):
        raise MessageError("an asset is not one")
    return value.upper()


def decimal_step(decimals: Any) -> float:
    """Return the step of numbers with so many decimals."""
    if type(decimals) is not int or not 0 <= decimals <= 18:
        raise MessageError("the decimals are not a small number")
    return float(f"1e-{decimals}")


def plain_number(value: Any) -> float:
    """Return a number that is not text, finite and not negative."""
    if type(value) is not float and type(value) is not int:
        raise MessageError("a number is not one")
    if not 0.0 <= value < MOST_PRICE:
        raise MessageError("a number is negative or not finite")
    return float(value)


def is_by_id(gap: Gap) -> bool:
    """Tell whether a gap says which ids are missing."""
    return 0 <= gap.first_id <= gap.last_id
