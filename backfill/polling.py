"""A price feed without a stream: asked every so often, through a gate of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from backfill.gate import Gate
from feeds.rest import Budget, Request
from market import FeedError, MessageError, Trade, now_us, steady_s

log = logging.getLogger("tandem.backfill")

_IDLE_S = 0.5


class Polled(Protocol):
    """What a polled feed says about itself; `feeds.coingecko.CoinGecko` is one."""

    title: str
    every_s: float
    budget: Budget

    def requests(self, instruments: Iterable[str]) -> tuple[Request, ...]:
        """Return the requests for the prices of some instruments."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers of every request; they may hold a key and are never shown."""

    def parse(self, body: bytes, received_us: int) -> list[Trade]:
        """Return the prices of an answer."""


def poll_once(
    feed: Polled,
    gate: Gate,
    instruments: Iterable[str],
    hand_on: Callable[[Sequence[Trade]], None],
    stop: threading.Event,
) -> None:
    """Ask for the prices of some instruments once, within the budget, and hand them on.

    Raises
    ------
    FeedError
        No answer, or none that is understood; what came before it was handed on.
    """
    for request in feed.requests(instruments):
        gate.wait_turn(request.weight, stop, feed.every_s)
        answer = gate.ask(request, feed.headers())
        if answer.status != 200:
            raise FeedError(f"{feed.title} gave no prices (HTTP {answer.status})")
        try:
            prices = feed.parse(answer.body, now_us())
        except MessageError as error:
            raise FeedError(f"{feed.title}: the answer was not understood ({error})") from None
        if prices:
            hand_on(prices)


def poll(
    feed: Polled,
    gate: Gate,
    wanted: Callable[[], Iterable[str]],
    hand_on: Callable[[Sequence[Trade]], None],
    tell: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Ask for prices every `feed.every_s` until `stop`; what is newly wanted is asked for at once.

    Parameters
    ----------
    wanted : callable
        Gives the instruments that are wanted now.
    hand_on : callable
        Takes the prices.
    tell : callable
        Takes the trouble as a sentence, and an empty text when it is over.
    """
    asked: frozenset[str] = frozenset()
    due_s = 0.0
    while not stop.wait(_IDLE_S):
        names = frozenset(wanted())
        if not names or (names <= asked and steady_s() < due_s):
            continue
        asked, due_s = names, steady_s() + feed.every_s
        try:
            poll_once(feed, gate, sorted(names), hand_on, stop)
        except FeedError as error:
            if not stop.is_set():
                log.warning("%s", error)
                why = str(error).rstrip(".")
                tell(f"{why}. The last prices stay; it is asked again in {feed.every_s:.0f} s.")
        else:
            tell("")
