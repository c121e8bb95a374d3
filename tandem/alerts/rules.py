"""Readings, the rules over them, and the alerts they raise, with their form in JSON."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple, get_args

import orjson

from tandem.core.errors import DataError

Comparison = Literal["above", "below", "beyond"]
Severity = Literal["info", "warning", "critical"]

CHANNELS = ("screen", "log", "csv", "webhook", "telegram", "slack", "discord", "mail")

# What can be measured, as shown on screen.
MEASURES: dict[str, str] = {
    "trade_price_z": "trade price z-score against preceding trades",
    "trade_return_z": "trade return z-score against preceding returns",
    "bar_price_z": "1 s bar price z-score against preceding bars",
    "bar_return_z": "1 s bar return z-score against preceding returns",
    "bar_volume_z": "1 s bar volume z-score (log volume relative to its 20-bar mean)",
    "anomaly": "Isolation Forest anomaly score of a 1 s bar, as a multiple of the model's "
    "threshold",
    "divergence": "divergence between the moves of a pair's legs, in percent",
    "momentum_t": "momentum: price slope t-statistic",
    "volatility": "realised volatility, annualised, in percent",
    "volatility_forecast": "GARCH volatility forecast, annualised, in percent",
    "liquidity_shock": "number of simultaneous liquidity outliers",
    "trade_age": "age of the last trade, in seconds",
    "pair_z": "spread z-score of a pair",
    "pair_entry": "|z| of a pair minus its entry threshold",
    "pair_exit": "exit threshold of a pair minus its |z|",
    "pair_stop": "|z| of a pair minus its stop threshold",
    "pair_p": "cointegration p-value of a pair",
    "pair_broken": "cointegration break of a pair (1 = broken)",
    "leg_age": "age of the older leg's last trade, in seconds",
    "feed_down": "feed downtime, in seconds",
    "gap_open": "age of the oldest open gap, in seconds",
    "disk_free": "free disk space, in gigabytes",
}

_NAME = re.compile(r"[A-Za-z0-9][\w .()%-]{0,59}")
_SCOPE = re.compile(r"[\w.:/*?~ -]{1,120}")
_MOST = 1e300
_LONGEST, _MOST_NUMBERS = 300, 100
# In the year 2255; dates of any day before can be written down.
_LATEST_US = 9 * 10**15
_WEEK_S = 7 * 86_400.0


class Reading(NamedTuple):
    """One number at one moment, with the numbers it was computed from.

    ``scope`` is an instrument, a pair (``Y~X``), a venue, or ``record``.
    """

    measure: str
    scope: str
    time_us: int
    value: float
    numbers: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Rule:
    """When to tell whom.

    Attributes
    ----------
    name : str
        Unique; letters, digits, spaces and ``_ . ( ) % -``.
    measure : str
        One of `MEASURES`.
    comparison : {"above", "below", "beyond"}
        Beyond looks at the size of the value alone.
    release : float, optional
        The value must come back past this before the rule can fire again; by default 20 percent
        of the threshold back from it.
    scope : str
        Instrument, pair, venue or ``record``; ``*`` and ``?`` stand for any text and any character.
    cooldown_s : float
        Least time between two alerts of one scope.
    severity : {"info", "warning", "critical"}
    channels : tuple of str
        Of `CHANNELS`.

    Raises
    ------
    DataError
        Something is not possible; the text says what is.
    """

    name: str
    measure: str
    comparison: Comparison
    threshold: float
    release: float | None = None
    scope: str = "*"
    cooldown_s: float = 300.0
    severity: Severity = "warning"
    channels: tuple[str, ...] = ("screen", "log")
    enabled: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise DataError(
                f"{self.name!r:.60} is not a valid rule name; use up to 60 letters, digits, "
                "spaces and _ . ( ) % -."
            )
        self._choose("measure", self.measure, tuple(MEASURES))
        self._choose("comparison", self.comparison, get_args(Comparison))
        self._choose("severity", self.severity, get_args(Severity))
        for channel in self.channels:
            self._choose("channel", channel, CHANNELS)
        if len(set(self.channels)) != len(self.channels):
            raise DataError(f"Rule {self.name} lists a channel twice; list each once.")
        if not isinstance(self.scope, str) or not _SCOPE.fullmatch(self.scope):
            raise DataError(
                f"Rule {self.name} has an invalid scope {self.scope!r:.60}; write an instrument as "
                "venue:SYMBOL or use * as a wildcard."
            )
        self._check_numbers()

    @property
    def release_at(self) -> float:
        """The value the reading must come back past."""
        if self.release is not None:
            return self.release
        back = 0.2 * abs(self.threshold)
        return self.threshold + back if self.comparison == "below" else self.threshold - back

    def judges(self, reading: Reading) -> bool:
        """Tell whether a reading is of this rule's measure and within its scope."""
        return (
            self.enabled
            and reading.measure == self.measure
            and (self.scope == "*" or fnmatchcase(reading.scope, self.scope))
        )

    def holds(self, value: float) -> bool:
        """Tell whether the condition holds; never for NaN."""
        if self.comparison == "below":
            return value < self.threshold
        return self._size(value) > self.threshold

    def is_over(self, value: float) -> bool:
        """Tell whether the value is back past the release; never for NaN."""
        if self.comparison == "below":
            return value > self.release_at or (self.release_at == self.threshold == value)
        return self._size(value) < self.release_at or (
            self.release_at == self.threshold == self._size(value)
        )

    def _size(self, value: float) -> float:
        return abs(value) if self.comparison == "beyond" else value

    def _choose(self, what: str, value: object, options: tuple[str, ...]) -> None:
        if value not in options:
            raise DataError(
                f"Rule {self.name} has an unknown {what}: {value!r:.60}."
                f"{_nearest(str(value), options)}"
            )

    def _check_numbers(self) -> None:
        given = [self.threshold, self.cooldown_s, 0.0 if self.release is None else self.release]
        # Within a range first: a whole number can be too large to become a float.
        if not all(_is_number(one) and abs(one) <= _MOST for one in given):
            raise DataError(
                f"Rule {self.name} has an invalid number; use finite values up to 1e300."
            )
        if not 0.0 <= self.cooldown_s <= _WEEK_S:
            raise DataError(f"Rule {self.name} needs a cool-down from 0 s to one week.")
        if self.comparison == "beyond" and self.threshold < 0.0:
            raise DataError(f"Rule {self.name} needs a threshold of 0 or more for 'beyond'.")
        ahead = self.release_at - self.threshold
        if (ahead < 0.0) if self.comparison == "below" else (ahead > 0.0):
            raise DataError(
                f"Rule {self.name} re-arms at {self.release_at:g}, beyond its threshold of "
                f"{self.threshold:g}; choose a re-arm level inside the threshold."
            )


@dataclass(frozen=True, slots=True)
class Alert:
    """One condition that came true, with all it was decided on.

    Attributes
    ----------
    id : str
        Ascending in the order they were raised, also over restarts.
    time_us : int
        Of the reading (the exchange's time); `raised_us` is this machine's.
    numbers : dict
        What the value was computed from, so that it can be computed again.
    held_back : int
        How often the condition came true since the last alert, within the cool-down.
    """

    id: str
    rule: str
    measure: str
    scope: str
    time_us: int
    raised_us: int
    value: float
    comparison: Comparison
    threshold: float
    severity: Severity
    channels: tuple[str, ...]
    numbers: dict[str, float] = field(default_factory=dict)
    held_back: int = 0
    is_test: bool = False

    @property
    def text(self) -> str:
        """One line of plain text, as `[ALERT] bitcoin z=3.27 price=47295.0`."""
        label = "z" if self.measure.endswith("_z") else self.measure
        parts = [f"{label}={self.value:.4g}" if label != "z" else f"z={self.value:.2f}"]
        parts += [f"{name}={value!r}" for name, value in self.numbers.items() if name == "price"]
        more = f" ({self.held_back} suppressed)" if self.held_back else ""
        start = "[TEST]" if self.is_test else "[ALERT]"
        return f"{start} {self.scope} {' '.join(parts)} rule={self.rule}{more}"

    def holds(self) -> bool:
        """Return whether the stored numbers still satisfy the alert's condition."""
        size = abs(self.value) if self.comparison == "beyond" else self.value
        return size < self.threshold if self.comparison == "below" else size > self.threshold


def encode(thing: Rule | Alert) -> bytes:
    """Return a rule or alert as JSON; numbers that are none become null."""
    return orjson.dumps(dataclasses.asdict(thing))


def decode_rule(text: bytes | str) -> Rule:
    """Return the rule that `encode` made JSON of.

    Raises
    ------
    DataError
        It is no rule; a wrong key is named with the nearest right one.
    """
    return rule_from(_document(text, "rule"))


def rule_from(given: Mapping[str, Any]) -> Rule:
    """Return the rule described by a mapping of the attributes of `Rule`; raises DataError."""
    known = tuple(one.name for one in dataclasses.fields(Rule))
    for key in given:
        if key not in known:
            raise DataError(f"{key!r:.60} is not a rule key.{_nearest(str(key), known)}")
    missing = [n for n in ("name", "measure", "comparison", "threshold") if n not in given]
    if missing:
        raise DataError(f"A rule needs {', '.join(missing)}; got {', '.join(given)}.")
    values = dict(given)
    channels = values.get("channels", ("screen", "log"))
    if not isinstance(channels, (list, tuple)):
        raise DataError("A rule's channels must be a list, e.g. [screen, log].")
    values["channels"] = tuple(channels)
    if not isinstance(values.get("enabled", True), bool):
        raise DataError("A rule's enabled must be true or false.")
    return Rule(**values)


def decode_alert(text: bytes | str) -> Alert:
    """Return the alert that `encode` made JSON of; raises DataError."""
    given = _document(text, "alert")
    try:
        given["channels"] = tuple(given["channels"])
        for name in ("value", "threshold"):
            given[name] = math.nan if given[name] is None else float(given[name])
        given["numbers"] = {
            name: math.nan if number is None else float(number)
            for name, number in given["numbers"].items()
        }
        alert = Alert(**given)
        _check_alert(alert)
        return alert
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"A stored alert could not be parsed ({type(error).__name__}).") from None


def _check_alert(alert: Alert) -> None:
    """Refuse what would stop whoever shows or sends it; raises ValueError."""
    texts = (alert.id, alert.rule, alert.measure, alert.scope)
    whole = (alert.time_us, alert.raised_us, alert.held_back)
    is_sound = (
        all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in texts)
        and all(type(one) is int and abs(one) <= _LATEST_US for one in whole)
        and alert.severity in get_args(Severity)
        and alert.comparison in get_args(Comparison)
        and alert.measure in MEASURES
        and set(alert.channels) <= set(CHANNELS)
        and len(alert.numbers) <= _MOST_NUMBERS
    )
    if not is_sound:
        raise ValueError("not a valid alert")


def _document(text: bytes | str, what: str) -> dict[str, Any]:
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise DataError(f"A stored {what} could not be parsed; skipped.")
    return given


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _nearest(value: str, options: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, options, n=1, cutoff=0.5)
    if near:
        return f" Did you mean {near[0]}?"
    return f" Choose one of {', '.join(options)}."
