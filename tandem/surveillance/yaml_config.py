"""The YAML file of the command line: few keys, each checked; a wrong one names the nearest."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.alerts.rules import CHANNELS, Rule, rule_from
from tandem.config import AUTO
from tandem.core.errors import DataError, SettingError
from tandem.venues.registry import VENUES

MOST_BYTES = 256 * 1024
MOST_ASSETS = 200
_CURRENCY = re.compile(r"[a-z]{2,10}")


@dataclass(frozen=True, slots=True)
class Headless:
    """What the command line watches.

    Attributes
    ----------
    assets : tuple of str
        As the venue names them.
    base_currency : str
        For CoinGecko; a venue's own symbols name theirs.
    interval_seconds : float
        Between two lines of prices.
    cycles : int
        Lines of prices; 0 for no end.
    window : int
        Prices or trades a z-score is measured against.
    folder : Path
        Where prices.csv and alerts.csv are written.
    channels : tuple of str
        Besides the screen and the CSV file.
    rules : tuple of Rule
        Besides those of anomaly_z.
    """

    assets: tuple[str, ...]
    venue: str = "coingecko"
    base_currency: str = "usd"
    interval_seconds: float = 60.0
    anomaly_z: float = 3.0
    cycles: int = 0
    window: int = 20
    folder: Path = Path("artifacts")
    channels: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


def read(path: Path) -> Headless:
    """Return the configuration in a YAML file.

    Raises
    ------
    SettingError
        The file cannot be read, or something in it cannot be; the text says what can.
    """
    import yaml

    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingError(f"{path} cannot be read ({error.strerror}).") from None
    if len(text) > MOST_BYTES:
        raise SettingError(
            f"{path} has {len(text)} bytes; a configuration has at most {MOST_BYTES}."
        )
    try:
        # The loader of plain data only: nothing in the file can make an object or run.
        given = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise SettingError(f"{path}{where} is not YAML; write key: value.") from None
    if not isinstance(given, dict):
        raise SettingError(f"{path} has no keys; start with assets: [bitcoin, ethereum].")
    return from_mapping(given)


def from_mapping(given: dict[Any, Any]) -> Headless:
    """Return the configuration in a mapping; raises SettingError."""
    known = [one.name for one in dataclasses.fields(Headless)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.4)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
            raise SettingError(f"{str(key)!r:.60} is not a configuration key. {hint}")
    names = _names(given, "assets")
    if not 1 <= len(names) <= MOST_ASSETS:
        raise SettingError(f"assets must list 1 to {MOST_ASSETS} assets, e.g. [bitcoin, ethereum].")
    base = str(given.get("base_currency", "usd")).lower()
    if not _CURRENCY.fullmatch(base):
        raise SettingError(f"base_currency is {base!r:.40}; use a code such as usd or eur.")
    return Headless(
        assets=names,
        venue=_choice("venue", given.get("venue", "coingecko"), (AUTO, *VENUES)),
        base_currency=base,
        interval_seconds=_number(given, "interval_seconds", 60.0, 0.05, 86_400.0),
        anomaly_z=_number(given, "anomaly_z", 3.0, 0.5, 100.0),
        cycles=_whole(given, "cycles", 0, 0, 10**9),
        window=_whole(given, "window", 20, 3, 100_000),
        folder=Path(str(given.get("folder", "artifacts"))),
        channels=tuple(_choice("channels", one, CHANNELS) for one in _names(given, "channels")),
        rules=_rules(given.get("rules") or []),
    )


def _names(given: dict[Any, Any], key: str) -> tuple[str, ...]:
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise SettingError(f"{key} must be a list of names, e.g. [bitcoin, ethereum].")
    return tuple(dict.fromkeys(value))


def _choice(key: str, value: Any, options: tuple[str, ...]) -> str:
    if value in options:
        return str(value)
    near = difflib.get_close_matches(str(value), options, 1, 0.4)
    hint = f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(options)}."
    raise SettingError(f"{key} has {str(value)!r:.40}. {hint}")


def _number(given: dict[Any, Any], key: str, default: float, low: float, high: float) -> float:
    value = given.get(key, default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise SettingError(f"{key} is {value!r:.40}; it must be a number from {low:g} to {high:g}.")
    return float(value)


def _whole(given: dict[Any, Any], key: str, default: int, low: int, high: int) -> int:
    value = _number(given, key, default, low, high)
    if value != int(value):
        raise SettingError(f"{key} is {value:g}; it must be an integer.")
    return int(value)


def _rules(given: Any) -> tuple[Rule, ...]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise SettingError(
            "rules must be a list of rules, each with name, measure, comparison and threshold."
        )
    try:
        return tuple(map(rule_from, given))
    except DataError as error:
        raise SettingError(str(error)) from None
