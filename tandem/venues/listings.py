"""What each venue lists: searched by what people type, checked before anything is subscribed.

Lists are kept in the store with the history of their changes, so that what was listed on a day in
the past can still be said. No sockets live here: lists are fetched by a function given from
outside, in whatever thread calls `Catalogue.refresh`. Without a list nothing is refused.
"""

from __future__ import annotations

import difflib
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import MessageError, StoreError, UnknownSymbol
from tandem.core.instruments import instrument, split_instrument
from tandem.venues.base import plain_text, read_symbol
from tandem.venues.coingecko import IDS
from tandem.venues.rest import Listing
from tandem.venues.venue import Feed

log = logging.getLogger("tandem.catalogue")

REFRESH_US = DAY_US
RETRY_US = 10 * MINUTE_US

_VERSION = 1
# The store takes 8 MiB; the longest list there is has about 2.
_MOST_BYTES = 6 * 2**20
_MOST_LISTINGS = 60_000
_MOST_CHANGES = 400
_MOST_TEXT = 60

_OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_SPOKEN = {
    **{identifier: ticker for ticker, identifier in reversed(IDS.items())},
    **{"ether": "ETH", "ripple": "XRP", "avalanche": "AVAX", "polygon": "POL", "toncoin": "TON"},
    **{"binance coin": "BNB", "bitcoin cash": "BCH", "shiba inu": "SHIB", "hedera": "HBAR"},
    **{"ethereum classic": "ETC", "internet computer": "ICP", "cosmos hub": "ATOM"},
}
_QUOTES = ("USD", "USDT", "USDC", "FDUSD", "EUR", "BTC", "ETH")
_DOLLARS = {"USD", "USDT", "USDC"}

Load = Callable[[str], tuple[bytes, int] | None]
Save = Callable[[str, bytes], None]
Fetch = Callable[[str], Sequence[Listing] | None]


class Change(NamedTuple):
    """What a list gained and lost at one refresh."""

    time_us: int
    added: tuple[str, ...]
    removed: tuple[str, ...]


class Catalogue:
    """The symbol lists of all venues. Safe to use from several threads.

    Parameters
    ----------
    load : callable
        Gives what was saved under a key and when (microseconds), or None.
    save : callable
        Keeps bytes under a key.
    fetch : callable
        Gives a venue's list as of now; may take long and raise FeedError. None where the venue
        has no list (a simulation): its feed's popular symbols are all it has.
    feed : callable
        Gives a venue's feed, which reads what users type as that venue means it.
    clock : callable, optional
        This machine's time in microseconds.
    """

    def __init__(
        self,
        load: Load,
        save: Save,
        fetch: Fetch,
        feed: Callable[[str], Feed],
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._load, self._save, self._fetch = load, save, fetch
        self._feed, self._clock = feed, clock
        self._lock = threading.RLock()
        self._lists: dict[str, _List | None] = {}
        self._tried: dict[str, int] = {}
        self._listless: set[str] = set()
        # Venues whose list in use is not the one the store has, and why.
        self._unkept: dict[str, str] = {}

    # What is known ----------------------------------------------------------------------------

    def known(self, venue: str) -> bool:
        """Tell whether there is a list of a venue, fresh or old."""
        return self._list(venue) is not None

    def listed_us(self, venue: str) -> int | None:
        """Return when a venue's list was fetched; None without one."""
        found = self._list(venue)
        return None if found is None else found.listed_us

    def describe(self, venue: str) -> str:
        """Say what is known of a venue's list, since when, and whether a restart will find it."""
        found = self._list(venue)
        title = self._feed(venue).title
        if found is None:
            return f"No list of {title}'s symbols is at hand; they are taken as typed."
        unkept = self._unkept.get(venue, "")
        return (
            f"{len(found.listings):,} symbols of {title}, listed {_date(found.listed_us)}.{unkept}"
        )

    def find(self, name: str) -> Listing | None:
        """Return what a venue says of an instrument; None where it or its list is not known."""
        venue, symbol = split_instrument(name)
        found = self._list(venue)
        return None if found is None else found.by_symbol.get(symbol)

    def listed_at(self, venue: str, time_us: int) -> frozenset[str] | None:
        """Return the symbols that were listed at a time in the past.

        None for times before the first list that is known. Between two refreshes a list is taken
        to be what it was at the first of them.
        """
        found = self._list(venue)
        if found is None or time_us < found.since_us:
            return None
        symbols = set(found.by_symbol)
        for change in reversed(found.changes):
            if change.time_us > time_us:
                symbols.difference_update(change.added)
                symbols.update(change.removed)
        return frozenset(symbols)

    # Searching --------------------------------------------------------------------------------

    def search(self, venue: str, text: str, most: int = 20) -> list[Listing]:
        """Return what is listed under `text`, best first: a base, a pair in any spelling, a part.

        A base alone finds the venue's main quote first. No text gives the popular symbols.
        """
        found = self._list(venue) or _popular(self._feed(venue), venue)
        wish = self._wish(venue, text, found)
        if not wish.compact:
            first = [found.by_symbol[s] for s in self._feed(venue).popular if s in found.by_symbol]
            return (first + [each for each in found.listings if each not in first])[:most]
        return [listing for _, listing in _ranked(found, wish)][:most]

    def resolve(self, venue: str, text: str) -> str:
        """Return the instrument a user means by `text`.

        A dollar the venue does not quote the base in stands for those it does: "BTC/USDT" is
        BTC-USD where there is no BTC-USDT.

        Raises
        ------
        UnknownSymbol
            If the venue does not list it, with up to three that are near; without a list, only
            if its feed cannot read it.
        """
        feed, found = self._feed(venue), self._list(venue)
        prefix, colon, _ = text.rpartition(":")
        if found is None or (colon and prefix.strip().lower() != venue):
            return feed.instrument(text)
        wish = self._wish(venue, text, found)
        if not wish.compact:
            return feed.instrument(text)
        if wish.exact in found.by_symbol:
            return instrument(venue, wish.exact)
        ranked = _ranked(found, wish)
        if ranked and ranked[0][0] <= _PAIR:
            return instrument(venue, ranked[0][1].symbol)
        if wish.quote in _DOLLARS:
            for _, listing in ranked:
                if listing.base == wish.base and listing.quote in _DOLLARS:
                    return instrument(venue, listing.symbol)
        raise UnknownSymbol(
            f"{plain_text(text, 40)} is not listed by {feed.title}{_near(found, wish, ranked)}"
        )

    # Refreshing -------------------------------------------------------------------------------

    def members(self, venue: str) -> list[str]:
        """Return the instruments of a venue that are quoted alike: what a scan compares.

        Those in the quote most of them have, perpetuals where there are any, else spot; the popular
        ones first, then by name. The list must be known.
        """
        found = self._list(venue) or _popular(self._feed(venue), venue)
        listings = list(found.by_symbol.values())
        kinds = {one.kind for one in listings}
        kind = "perpetual" if "perpetual" in kinds else "spot"
        alike = [one for one in listings if one.kind == kind]
        if not alike:
            return []
        (quote, _), *_ = Counter(one.quote for one in alike).most_common(1)
        popular = {symbol: place for place, symbol in enumerate(self._feed(venue).popular)}
        chosen = sorted(
            (one.symbol for one in alike if one.quote == quote),
            key=lambda symbol: (popular.get(symbol, len(popular)), symbol),
        )
        return [instrument(venue, symbol) for symbol in chosen]

    def due(self, venue: str) -> bool:
        """Tell whether a venue's list should be fetched: none, or a day old, and not just tried."""
        with self._lock:
            if venue in self._listless:
                return False
            tried = self._tried.get(venue)
        now = self._clock()
        # A clock set back must not keep a list for ever.
        if tried is not None and abs(now - tried) < RETRY_US:
            return False
        listed = self.listed_us(venue)
        return listed is None or abs(now - listed) >= REFRESH_US

    def refresh(self, venue: str) -> bool:
        """Fetch a venue's list and keep it; True if it differs from the one before.

        Raises
        ------
        FeedError
            If it cannot be fetched; the list before stays.
        """
        with self._lock:
            self._tried[venue] = self._clock()
        fetched = self._fetch(venue)
        if fetched is None:
            with self._lock:
                self._listless.add(venue)
            return False
        with self._lock:
            before = self._list(venue)
            after = _renewed(before, fetched, self._clock())
            self._lists[venue] = after
        self._keep(venue, after)
        return before is None or len(after.changes) != len(before.changes)

    def _keep(self, venue: str, found: _List) -> None:
        blob = _encode(found)
        self._unkept.pop(venue, None)
        if len(blob) > _MOST_BYTES:
            log.warning("the symbol list of %s is too long to be kept", venue)
            self._unkept[venue] = (
                f" With its {len(found.changes)} changes it is too long to be kept "
                f"({len(blob) / 2**20:.1f} MB, at most {_MOST_BYTES / 2**20:g}): it holds until "
                "Tandem ends, then the last one that was kept does until a new one is fetched."
            )
            return
        try:
            self._save(_key(venue), blob)
        except StoreError as error:
            log.warning("the symbol list of %s could not be kept: %s", venue, error)

    def _list(self, venue: str) -> _List | None:
        with self._lock:
            if venue not in self._lists:
                self._lists[venue] = self._loaded(venue)
            return self._lists[venue]

    def _loaded(self, venue: str) -> _List | None:
        try:
            saved = self._load(_key(venue))
        except StoreError as error:
            log.warning("the symbol list of %s could not be read: %s", venue, error)
            return None
        if saved is None:
            return None
        try:
            return _decode(*saved)
        except MessageError as error:
            log.warning(
                "the kept symbol list of %s is damaged (%s); it is fetched anew", venue, error
            )
            return None

    def _wish(self, venue: str, text: str, found: _List) -> _Wish:
        feed = self._feed(venue)
        base, quote = _parts(text, venue)
        try:
            exact = split_instrument(feed.instrument(text))[1]
        except UnknownSymbol:
            exact = ""
        try:
            main = found.by_symbol[split_instrument(feed.instrument("BTC"))[1]].quote
        except (UnknownSymbol, KeyError):
            main = ""
        return _Wish(exact, base, quote, _compact(base + quote), main)


# Lists as they are kept -------------------------------------------------------------------------


@dataclass(frozen=True)
class _List:
    """One venue's list, and the changes that led to it, oldest first."""

    listed_us: int
    since_us: int
    listings: tuple[Listing, ...]
    changes: tuple[Change, ...]
    by_symbol: dict[str, Listing]
    compact: tuple[str, ...]


def _listed(
    listed_us: int, since_us: int, listings: Sequence[Listing], changes: Sequence[Change]
) -> _List:
    by_symbol = {listing.symbol: listing for listing in listings}
    rows = tuple(by_symbol.values())
    compact = tuple(_compact(listing.symbol) for listing in rows)
    return _List(listed_us, since_us, rows, tuple(changes), by_symbol, compact)


def _renewed(before: _List | None, fetched: Sequence[Listing], now: int) -> _List:
    fetched = fetched[:_MOST_LISTINGS]
    if before is None:
        return _listed(now, now, fetched, ())
    old, new = set(before.by_symbol), {listing.symbol for listing in fetched}
    changes, since_us = list(before.changes), before.since_us
    if old != new:
        changes.append(Change(now, tuple(sorted(new - old)), tuple(sorted(old - new))))
    while len(changes) > _MOST_CHANGES:
        since_us = changes.pop(0).time_us
    return _listed(now, since_us, fetched, changes)


def _encode(found: _List) -> bytes:
    return orjson.dumps(
        {
            "version": _VERSION,
            "since_us": found.since_us,
            "listings": [tuple(listing) for listing in found.listings],
            "changes": [tuple(change) for change in found.changes],
        }
    )


def _decode(blob: bytes, saved_us: int) -> _List:
    if len(blob) > _MOST_BYTES:
        raise MessageError("too long")
    try:
        kept = orjson.loads(blob)
        if kept["version"] != _VERSION:
            raise MessageError("of another version")
        listings = [_decode_listing(row) for row in kept["listings"][:_MOST_LISTINGS]]
        changes = [_decode_change(row) for row in kept["changes"][-_MOST_CHANGES:]]
        since_us = kept["since_us"]
    except (ValueError, TypeError, KeyError):
        raise MessageError("not as it was written") from None
    if type(since_us) is not int or not listings:
        raise MessageError("incomplete")
    return _listed(saved_us, since_us, listings, changes)


def _decode_listing(row: Any) -> Listing:
    listing = Listing(*row)
    texts = (listing.symbol, listing.base, listing.quote)
    steps = (listing.tick, listing.lot, listing.minimum_notional)
    if not all(type(text) is str for text in texts) or listing.kind not in _KINDS:
        raise MessageError("with a symbol that is not one")
    if not all(type(step) in (int, float) for step in steps):
        raise MessageError("with a step that is no number")
    # Whatever comes out of here is shown and subscribed to.
    instrument("x", listing.symbol)
    return listing


def _decode_change(row: Any) -> Change:
    time_us, added, removed = row
    symbols = [*added, *removed]
    if type(time_us) is not int or not all(type(symbol) is str for symbol in symbols):
        raise MessageError("with a change that is not one")
    return Change(time_us, tuple(added), tuple(removed))


_KINDS = ("spot", "perpetual", "future")


def _key(venue: str) -> str:
    return f"symbols:{venue}"


def _date(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%d %H:%M} UTC"


def _popular(feed: Feed, venue: str) -> _List:
    """Make a list of the symbols a feed knows by itself."""
    listings = []
    for symbol in feed.popular:
        base, quote = _parts(symbol, venue)
        listings.append(Listing(symbol, base, quote, "spot", 0.0, 0.0, 0.0))
    return _listed(0, 0, listings, ())


# What a user means ------------------------------------------------------------------------------

# Ranks, best first. Up to `_PAIR` it is what was asked for.
_EXACT, _SPELLED, _PAIR, _QUOTE_BEGUN, _BEGUN, _BASE, _WITHIN = range(7)


class _Wish(NamedTuple):
    """What was typed: as the venue's feed reads it, in parts, and without separators."""

    exact: str
    base: str
    quote: str
    compact: str
    main_quote: str


def _compact(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).upper()


def _parts(text: str, venue: str) -> tuple[str, str]:
    """Take a text apart into a base and a quote, each of which may be empty or unfinished."""
    text = text[:_MOST_TEXT].strip().rpartition(":")[2].strip()
    spoken = _SPOKEN.get(text.lower())
    if spoken:
        return spoken, ""
    pieces = [piece.upper() for piece in re.split(r"[\s/_-]+", text) if piece]
    if len(pieces) > 1:
        base, quote = pieces[0], "".join(pieces[1:])
    else:
        try:
            base, quote = read_symbol(text, venue)
        except UnknownSymbol:
            base, quote = "".join(pieces), ""
    return _OLD_NAMES.get(base, base), _OLD_NAMES.get(quote, quote)


def _rank(listing: Listing, compact: str, wish: _Wish) -> int | None:
    if listing.symbol == wish.exact:
        return _EXACT
    if compact == wish.compact:
        return _SPELLED
    if listing.base == wish.base:
        if wish.quote in ("", listing.quote):
            return _PAIR
        return _QUOTE_BEGUN if listing.quote.startswith(wish.quote) else _BASE
    if compact.startswith(wish.compact) or listing.base.startswith(wish.compact):
        return _BEGUN
    return _WITHIN if len(wish.compact) > 1 and wish.compact in compact else None


def _ranked(found: _List, wish: _Wish) -> list[tuple[int, Listing]]:
    """Return what matches, best first; perpetuals before futures, the main quote before others."""
    quotes = (wish.main_quote, *_QUOTES)

    def order(match: tuple[int, Listing]) -> tuple[int, bool, int, int, str]:
        rank, listing = match
        quote = quotes.index(listing.quote) if listing.quote in quotes else len(quotes)
        return rank, listing.kind == "future", quote, len(listing.symbol), listing.symbol

    matches = []
    for listing, compact in zip(found.listings, found.compact, strict=True):
        rank = _rank(listing, compact, wish)
        if rank is not None:
            matches.append((rank, listing))
    return sorted(matches, key=order)


def _near(found: _List, wish: _Wish, ranked: Sequence[tuple[int, Listing]]) -> str:
    """Say which symbols are near: those of the same base, then those spelled alike."""
    same = [listing.symbol for rank, listing in ranked if rank in (_QUOTE_BEGUN, _BASE)]
    alike = {
        compact: listing.symbol
        for listing, compact in zip(found.listings, found.compact, strict=True)
        if abs(len(compact) - len(wish.compact)) <= 3
    }
    close = difflib.get_close_matches(wish.compact, alike, n=3, cutoff=0.7)
    near = list(dict.fromkeys([*same, *(alike[compact] for compact in close)]))[:3]
    if not near:
        return f" as of {_date(found.listed_us)}."
    *others, last = near
    return f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
