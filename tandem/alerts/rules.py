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

# What can be read, with the sentence the screen shows.
MEASURES: dict[str, str] = {
    "trade_price_z": "price of a trade against the trades before it, in deviations",
    "trade_return_z": "return of a trade against the returns before it, in deviations",
    "bar_price_z": "price of a one-second bar against the bars before it, in deviations",
    "bar_return_z": "return of a one-second bar against the returns before it, in deviations",
    "bar_volume_z": "log of a one-second bar's volume over its mean of 20 bars, in deviations",
    "anomaly": "Isolation Forest score of a one-second bar over its model's threshold",
    "divergence": "moves of a pair's two legs apart, in percent",
    "momentum_t": "slope of the price over its standard error",
    "volatility": "realised volatility, in percent per year",
    "volatility_forecast": "GARCH forecast of the volatility, in percent per year",
    "liquidity_shock": "measures of liquidity that are far out at once",
    "trade_age": "age of the last trade, in seconds",
    "pair_z": "z-score of a pair's spread",
    "pair_entry": "how far a pair's z is beyond its entry threshold",
    "pair_exit": "how far a pair's z is back inside its exit threshold",
    "pair_stop": "how far a pair's z is beyond its stop",
    "pair_p": "p-value of no cointegration of a pair",
    "pair_broken": "1 while a test says that a pair's relation has broken",
    "leg_age": "age of a pair's older leg, in seconds",
    "feed_down": "seconds without a working feed",
    "gap_open": "age of the oldest gap that is not filled, in seconds",
    "disk_free": "free space for the record, in gigabytes",
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

    ``scope`` is what it is about: an instrument, a pair (``Y~X``), a venue, or ``record``.
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
    threshold : float
    release : float, optional
        The value must come back past this before the rule can fire again; by default 20 percent
        of the threshold back from it.
    scope : str
        What it is about; ``*`` and ``?`` stand for any text and any character.
    cooldown_s : float
        Least time between two alerts of one scope.
    severity : {"info", "warning", "critical"}
    channels : tuple of str
        Of `CHANNELS`.
    enabled : bool

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
                f"{self.name!r:.60} is no name for a rule; use up to 60 letters, digits, spaces "
                "and _ . ( ) % -."
            )
        self._choose("measure", self.measure, tuple(MEASURES))
        self._choose("comparison", self.comparison, get_args(Comparison))
        self._choose("severity", self.severity, get_args(Severity))
        for channel in self.channels:
            self._choose("channel", channel, CHANNELS)
        if len(set(self.channels)) != len(self.channels):
            raise DataError(f"The rule {self.name} names a channel twice; name each once.")
        if not isinstance(self.scope, str) or not _SCOPE.fullmatch(self.scope):
            raise DataError(
                f"The rule {self.name} names {self.scope!r:.60}; write an instrument as "
                "venue:SYMBOL or use * for any text."
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
                f"The rule {self.name} has the {what} {value!r:.60}, which there is not."
                f"{_nearest(str(value), options)}"
            )

    def _check_numbers(self) -> None:
        given = [self.threshold, self.cooldown_s, 0.0 if self.release is None else self.release]
        # Within a range first: a whole number can be too large to become a float.
        if not all(_is_number(one) and abs(one) <= _MOST for one in given):
            raise DataError(
                f"The rule {self.name} has a number that is none; give finite ones up to 1e300."
            )
        if not 0.0 <= self.cooldown_s <= _WEEK_S:
            raise DataError(f"The rule {self.name} needs a cool-down from 0 s to a week.")
        if self.comparison == "beyond" and self.threshold < 0.0:
            raise DataError(f"The rule {self.name} needs a threshold of 0 or more to be beyond.")
        ahead = self.release_at - self.threshold
        if (ahead < 0.0) if self.comparison == "below" else (ahead > 0.0):
            raise DataError(
                f"The rule {self.name} is released at {self.release_at:g}, which is beyond its "
                f"threshold of {self.threshold:g}; choose a release on the calm side."
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
        more = f" ({self.held_back} more held back)" if self.held_back else ""
        start = "[TEST]" if self.is_test else "[ALERT]"
        return f"{start} {self.scope} {' '.join(parts)} rule={self.rule}{more}"

    def holds(self) -> bool:
        """Tell whether the kept numbers still say what the alert says."""
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
            raise DataError(f"{key!r:.60} is no part of a rule.{_nearest(str(key), known)}")
    missing = [n for n in ("name", "measure", "comparison", "threshold") if n not in given]
    if missing:
        raise DataError(f"A rule needs {', '.join(missing)}; it was given {', '.join(given)}.")
    values = dict(given)
    channels = values.get("channels", ("screen", "log"))
    if not isinstance(channels, (list, tuple)):
        raise DataError("A rule's channels are a list, as [screen, log].")
    values["channels"] = tuple(channels)
    if not isinstance(values.get("enabled", True), bool):
        raise DataError("A rule is enabled or not: true or false.")
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
        raise DataError(f"A kept alert is not understood ({type(error).__name__}).") from None


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
        raise ValueError("no alert")


def _document(text: bytes | str, what: str) -> dict[str, Any]:
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise DataError(f"A kept {what} is not understood; it is left out.")
    return given


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _nearest(value: str, options: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(value, options, n=1, cutoff=0.5)
    if near:
        return f" Did you mean {near[0]}?"
    return f" There is {', '.join(options)}."
