"""Who looks at which pairs, within the limits of a session and of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tandem.config import Settings
from tandem.pairs.stream import PairSettings


class Attention(NamedTuple):
    """Pairs that sessions look at now, and legs nobody does since a moment ago, oldest first."""

    pairs: set[PairSettings]
    lingering: list[str]


@dataclass
class _Session:
    """What one browser session looks at, and when it last asked."""

    pairs: tuple[PairSettings, ...] = ()
    seen: float = 0.0


class Sessions:
    """The browser sessions of a process; any thread may ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        # Leg -> when the last session released it.
        self._released: dict[str, float] = {}

    def watch(self, session: str, pairs: Iterable[PairSettings]) -> tuple[str, ...]:
        """Say what a session looks at now; returns sentences about what was refused."""
        wanted = tuple(dict.fromkeys(pairs))
        refused = []
        limit = self._settings.sessions_pairs
        if len(wanted) > limit:
            refused.append(
                f"A session can run {limit} pairs; the last {len(wanted) - limit} are queued."
            )
            wanted = wanted[:limit]
        with self._lock:
            running = {pair for one in self._sessions.values() for pair in one.pairs}
            fits = tuple(
                pair for pair in wanted if pair in running or self._has_room(running, pair)
            )
            if len(fits) < len(wanted):
                refused.append(
                    f"This deployment is at its limit of {self._settings.max_pairs} pairs or "
                    f"{self._settings.max_instruments} instruments; choose one that others watch, "
                    "or try again later."
                )
            now = time.monotonic()
            self._release(self._sessions.get(session, _Session()).pairs, now)
            self._sessions[session] = _Session(fits, now)
        return tuple(refused)

    @property
    def count(self) -> int:
        """How many sessions look at pairs."""
        with self._lock:
            return len(self._sessions)

    def attention(self, session_s: float, linger_s: float) -> Attention:
        """Return what is looked at, having forgotten who has not asked for `session_s`.

        Released legs are returned for `linger_s` more.
        """
        now = time.monotonic()
        with self._lock:
            for name in [n for n, one in self._sessions.items() if now - one.seen > session_s]:
                self._release(self._sessions.pop(name).pairs, now)
            pairs = {pair for one in self._sessions.values() for pair in one.pairs}
            self._released = {leg: at for leg, at in self._released.items() if now - at < linger_s}
            return Attention(pairs, list(self._released))

    def _has_room(self, running: set[PairSettings], pair: PairSettings) -> bool:
        """Tell whether one more pair may run, and note it as running if so."""
        legs = {leg for one in running for leg in (one.y, one.x)}
        legs |= {pair.y, pair.x}
        settings = self._settings
        if len(running) >= settings.max_pairs or len(legs) > settings.max_instruments:
            return False
        running.add(pair)
        return True

    def _release(self, pairs: Iterable[PairSettings], now: float) -> None:
        """Let the feeds of pairs nobody looks at any more run on for a while; models do not."""
        for pair in pairs:
            for leg in (pair.y, pair.x):
                self._released.pop(leg, None)
                self._released[leg] = now
