"""Time: ``int64`` microseconds since the Unix epoch, UTC, in every field named ``*_us``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
# Of every annualised number and yearly rate.
YEAR_US = 365.25 * DAY_US

#
# Time within the process runs by one clock that nobody can set: a step of the machine's clock
# would otherwise close an hour of bars at once, or none for an hour. It counts while the machine
# sleeps (`time.monotonic` does not, on Linux), so what fell silent over night is noticed on waking.

_STEADY = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def _steady_ns() -> int:
    return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)


_EPOCH_NS = time.time_ns() - _steady_ns()


def now_us() -> int:
    """Return the time in microseconds: this machine's clock at the start, plus what has passed.

    It never steps, whatever is done to the machine's clock meanwhile.
    """
    return (_EPOCH_NS + _steady_ns()) // 1_000


def steady_s() -> float:
    """Return seconds that never go back and go on while the machine sleeps; for every timer."""
    return _steady_ns() / 1e9


def iso(time_us: int, digits: str = "microseconds") -> str:
    """Return a time in UTC as ISO 8601, to ``seconds``, ``milliseconds`` or ``microseconds``."""
    moment = EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec=digits).replace("+00:00", "Z")
