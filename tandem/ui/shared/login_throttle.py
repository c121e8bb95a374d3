"""How long a guess of the operator's secret waits: longer after each wrong one."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FREE = 3
FIRST_S = 0.5
LONGEST_S = 8.0
FORGET_S = 900.0


@dataclass
class _Guesser:
    wrong: int = 0
    turn_s: float = 0.0


class Guesses:
    """Slows down whoever guesses wrong, and shuts nobody out.

    Each guess takes a turn, counted for every name its maker goes by: an address, or the session
    and all that cannot be told apart. Right or wrong it waits for its turn, so that the answer's
    delay gives nothing away, but never longer than `LONGEST_S`: a stranger's guesses cannot keep
    the operator out. Safe to call from any thread.

    Parameters
    ----------
    now : callable
        A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._guessers: dict[str, _Guesser] = {}

    def wait_s(self, names: Sequence[str]) -> float:
        """Take the next turn of `names`; return in how many seconds it comes."""
        with self._lock:
            now = self._now()
            self._guessers = {
                name: one for name, one in self._guessers.items() if now - one.turn_s < FORGET_S
            }
            known = [self._guessers[name] for name in names if name in self._guessers]
            turn_s = min(max([now, *(one.turn_s for one in known)]), now + LONGEST_S)
            for one in known:
                one.turn_s = turn_s + _delay_s(one.wrong)
            return turn_s - now

    def is_right(self, names: Sequence[str], given: str, secret: str) -> bool:
        """Compare a guess whose turn has come, in constant time.

        A right one clears the first of the names, which is its maker's own.
        """
        is_right = bool(secret) and hmac.compare_digest(given.encode(), secret.encode())
        with self._lock:
            if is_right:
                self._guessers.pop(names[0], None)
                return True
            now = self._now()
            for name in names:
                one = self._guessers.setdefault(name, _Guesser())
                one.wrong += 1
                one.turn_s = max(one.turn_s, now + _delay_s(one.wrong))
        return False


def _delay_s(wrong: int) -> float:
    return min(FIRST_S * 2.0 ** min(wrong - FREE, 20), LONGEST_S) if wrong >= FREE else 0.0
