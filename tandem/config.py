"""One frozen `Settings`, read once from secrets, environment and `.env`.

Nothing else in Tandem reads the environment. A later source fills only what an earlier one
left unset: Streamlit secrets, then environment variables, then `.env`, then the defaults below.
Every setting is named ``TANDEM_`` plus the field's name in capitals.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tandem.core.addresses import Network, check_url, host_of, is_loopback
from tandem.core.errors import SettingError

__all__ = [
    *("AUTO", "EVERYONE", "PREFIX"),
    *("Settings", "VenueSetting", "exposures", "host_and_port", "load", "on_community_cloud"),
]

PREFIX = "TANDEM_"
AUTO = "auto"
# What `public` has to say where everybody who reaches the desk from outside is its operator.
EVERYONE = "everyone-is-operator"
_SHORTEST_SECRET = 12

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_SECRETS = {
    *("operator_secret", "telegram_token", "webhook_key", "mail_password"),
    # Whoever knows such an address can write to it.
    *("webhook_address", "slack_address", "discord_address"),
}


def _is_secret(name: str) -> bool:
    return name in _SECRETS or name.endswith("_key")


def _setting(default: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    """Declare a setting: its default, the sentence that docs/SETTINGS.md prints, and its limits."""
    return field(default=default, metadata={"text": text, "low": low, "high": high})


class VenueSetting(NamedTuple):
    """A setting that a venue declares: its name without ``TANDEM_``, default, and meaning.

    An address to be asked ends in ``_rest_url``, one of a websocket in ``_url``, a secret in
    ``_key``.
    """

    name: str
    default: str
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside. Frozen: it is passed, never looked up."""

    database: Path = _setting(Path("data/tandem.sqlite"), "SQLite file of the database")
    file_mode: str = _setting(
        "600",
        "who may open its files: `600` this user alone, `640` its group to read, `660` to write",
    )
    venue: str = _setting(AUTO, "venue read first: `auto` tries one after another")
    symbols: str = _setting(
        "ETH,BTC,SOL,BNB", "assets recorded from the start, most important first; at least two"
    )
    hot_trades: int = _setting(50_000, "trades kept in memory per instrument", 1_000, 5_000_000)
    hot_total_trades: int = _setting(
        600_000,
        "trades kept in memory altogether, some 50 bytes each, 140 with text ids",
        10_000,
        50_000_000,
    )
    memory_hours: float = _setting(
        12.0, "hours of each instrument's seconds kept in memory, 0.33 MB an hour", 0.1, 240
    )
    batch_ms: int = _setting(100, "how long the writer gathers trades before a commit", 1, 5_000)
    queue_trades: int = _setting(500_000, "trades that may wait for the writer", 1_000, 5_000_000)
    keep_days: float = _setting(
        0.0, "days trades, quotes and funding rates are kept; 0: for ever", 0, 36_500
    )
    keep_bars_days: float = _setting(
        0.0, "days bars are kept, at least as long as their trades; 0: for ever", 0, 36_500
    )
    keep_gb: float = _setting(
        0.0, "gigabytes from which the oldest records are deleted; 0: no limit", 0, 100_000
    )
    grace_ms: int = _setting(500, "how long a bar waits for late trades after its end", 0, 60_000)
    stale_s: float = _setting(
        30.0, "age of a leg's last trade from which its bars are masked", 1, 86_400
    )
    silence_s: float = _setting(
        20.0, "seconds without a trade before an instrument is called silent", 2, 3_600
    )
    connect_timeout_s: float = _setting(10.0, "limit for opening a connection", 0.1, 120)
    history_bars: int = _setting(5_000, "bars a pair keeps for its models and charts", 200, 50_000)
    sessions_pairs: int = _setting(6, "pairs one browser session may keep running", 1, 50)
    max_pairs: int = _setting(48, "pairs the whole process keeps running", 1, 1_000)
    max_instruments: int = _setting(60, "instruments the whole process records at once", 2, 1_000)
    universe: str = _setting("", "venue whose instruments are all watched and scanned; none: empty")
    universe_instruments: int = _setting(400, "instruments watched for the scanner", 2, 1_000)
    universe_minutes: int = _setting(1_440, "minutes of prices kept of each of them", 120, 20_000)
    scan_minutes: int = _setting(15, "how often they are scanned", 5, 1_440)
    upload_mb: int = _setting(50, "largest CSV file that may be uploaded", 1, 2_000)
    upload_total_mb: int = _setting(
        150, "uploaded files all browser sessions together may hold", 1, 20_000
    )
    public: str = _setting(
        "auto",
        "`on`: visitors may only look; `off`: whoever opens it is the operator; `auto`: off on "
        "loopback alone, else on; `everyone-is-operator`: as `off`, also where others reach it",
    )
    operator_secret: str = _setting(
        "", "password that gives a visitor the operator's rights: 12 characters or more"
    )
    hosts: str = _setting("", "names this desk is reached by beside loopback, separated by commas")
    trusted_proxies: str = _setting(
        "",
        "addresses or networks of proxies whose `X-Forwarded-For` is believed, separated by commas",
    )
    simulation_seed: int = _setting(7, "seed of the simulated market", 0, 2**31 - 1)
    simulation_rate: float = _setting(4.0, "simulated trades per second and instrument", 0.1, 5_000)
    replay_file: str = _setting(
        "",
        "recordings the `replay` venue plays, separated by commas: CSV, raw frames or a database",
    )
    replay_speed: float = _setting(1.0, "replay speed; 0 plays as fast as possible", 0, 1_000)
    telegram_token: str = _setting("", "token of the Telegram bot that sends alerts")
    telegram_chat: str = _setting("", "Telegram chat the bot writes to: a number or @channel")
    telegram_address: str = _setting("https://api.telegram.org", "Telegram's address")
    webhook_address: str = _setting("", "address that gets each alert as JSON by POST")
    webhook_key: str = _setting("", "key the JSON is signed with (HMAC SHA-256)")
    slack_address: str = _setting("", "Slack's webhook address")
    discord_address: str = _setting("", "Discord's webhook address")
    mail_host: str = _setting("", "SMTP server that takes alerts as mail")
    mail_port: int = _setting(587, "port of the SMTP server", 1, 65_535)
    mail_security: str = _setting("starttls", "`starttls`, `tls`, or `none` (on this machine only)")
    mail_user: str = _setting("", "user name at the SMTP server")
    mail_password: str = _setting("", "password at the SMTP server")
    mail_from: str = _setting("", "sender of the mail")
    mail_to: str = _setting("", "its recipients, separated by commas")
    alerts_file: Path = _setting(
        Path("artifacts/alerts.csv"), "CSV file alerts are appended to, where a rule says so"
    )
    alert_private: str = _setting(
        "off", "`on`: alerts may be sent to private addresses; never in public mode"
    )
    log_level: str = _setting("INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`")
    log_format: str = _setting("text", "`text`, or `json`: one object a line")
    log_file: str = _setting("", "file that the app, record and watch also log to")
    log_file_mb: int = _setting(10, "size from which the log file is begun anew", 1, 10_000)
    log_files: int = _setting(5, "earlier log files kept, with a number behind the name", 1, 1_000)
    metrics: str = _setting(
        "", "`HOST:PORT` where Prometheus reads metrics, or a port of loopback; off: empty"
    )

    # What was set of venues, by name: what they declare is theirs.
    of_venues: Mapping[str, str] = field(default_factory=dict, hash=False)

    def of(self, declared: VenueSetting) -> str:
        """Return what a setting of a venue is."""
        return self.of_venues.get(declared.name, declared.default)

    def __repr__(self) -> str:
        """Show every setting but the secrets."""
        shown = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        shown.update(self.of_venues)
        del shown["of_venues"]
        for name, value in shown.items():
            if value and _is_secret(name):
                shown[name] = "***"
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may hold, each that is set."""
        own = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        named = (*own, *self.of_venues.items())
        return tuple(str(value) for name, value in named if value and _is_secret(name))

    @property
    def file_bits(self) -> int:
        """The mode of `file_mode` as a number."""
        return int(self.file_mode, 8)

    @property
    def host_names(self) -> frozenset[str]:
        """The names of `hosts`."""
        return frozenset(_listed(self.hosts))

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of `trusted_proxies`."""
        return tuple(map(ipaddress.ip_network, _listed(self.trusted_proxies)))

    @property
    def is_public(self) -> bool:
        """Whether visitors are read-only until they give the operator's secret."""
        return self.public == "on"


def load(
    venues: Mapping[str, Sequence[VenueSetting]],
    secrets: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
    address: str | None = "localhost",
) -> Settings:
    """Build the settings from all sources.

    Parameters
    ----------
    venues : mapping of str to sequence of VenueSetting
        What each venue there is declares.
    secrets : mapping, optional
        Streamlit's secrets, as a plain mapping; keys as in the environment.
    environ : mapping, optional
        Environment variables; the process's own when None.
    env_file : Path
        File of ``NAME=value`` lines; ignored where it does not exist.
    address : str, optional
        What the server listens on; None for every interface.

    Raises
    ------
    SettingError
        A name nobody knows (with the nearest known one), a value out of its range, or one that
        gives everybody the operator's rights without saying so.
    """
    environ = os.environ if environ is None else environ
    sources = (_prefixed(secrets or {}), _prefixed(environ), _prefixed(_read_env_file(env_file)))
    known = {f.name: f for f in dataclasses.fields(Settings) if f.name != "of_venues"}
    declared = {one.name for settings in venues.values() for one in settings}
    values: dict[str, Any] = {}
    of_venues: dict[str, str] = {}
    for source in sources:
        for name, text in source.items():
            if name in declared:
                of_venues.setdefault(name, _checked_address(name, text))
            elif name in known:
                values.setdefault(name, _convert(known[name], text, tuple(venues)))
            else:
                raise SettingError(_unknown(name, [*known, *declared]))
    if len([name for name in values.get("symbols", "a,b").split(",") if name.strip()]) < 2:
        raise SettingError(f"{PREFIX}SYMBOLS must name at least two assets, as in ETH,BTC.")
    settings = Settings(**values, of_venues=of_venues)
    return dataclasses.replace(settings, public=_mode(settings, address, environ))


def exposures(
    settings: Settings, address: str | None, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Return each reason to expect visitors from outside, as a clause; none on loopback alone."""
    found = {
        "it runs on Community Cloud": on_community_cloud(environ),
        f"{PREFIX}OPERATOR_SECRET is set": bool(settings.operator_secret),
        f"{PREFIX}HOSTS is set": bool(settings.hosts),
        f"it listens on {address or 'every interface'}": not is_loopback(address or ""),
    }
    return tuple(reason for reason, holds in found.items() if holds)


def _mode(settings: Settings, address: str | None, environ: Mapping[str, str]) -> str:
    reasons = exposures(settings, address, environ)
    if settings.public == "auto":
        return "on" if reasons else "off"
    if settings.public == "off" and reasons:
        raise SettingError(
            f"{PREFIX}PUBLIC is off, but {' and '.join(reasons)}: everybody who reaches this desk "
            f"would be its operator. Leave {PREFIX}PUBLIC out; or, if that is meant, set it to "
            f"{EVERYONE}."
        )
    return settings.public


def _prefixed(source: Mapping[str, Any]) -> dict[str, str]:
    return {
        name[len(PREFIX) :].lower(): str(value)
        for name, value in source.items()
        if name.upper().startswith(PREFIX)
    }


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    values = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise SettingError(f"{path}, line {number}: write NAME=value.")
        values[name.strip()] = value.strip().strip("'\"")
    return values


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {PREFIX}{near[0].upper()}?" if near else ""
    return f"{PREFIX}{name.upper():.60} is not a setting.{hint}"


def _convert(setting: dataclasses.Field[Any], text: str, venues: tuple[str, ...]) -> Any:
    label = PREFIX + setting.name.upper()
    kind: Any = type(setting.default)
    if setting.name in _CHOICES:
        return _choice(label, text, *_CHOICES[setting.name])
    if setting.name in _VENUE_OR:
        return _choice(label, text, (_VENUE_OR[setting.name], *venues), str.lower)
    if kind in (int, float):
        return _number(label, text, kind, setting.metadata["low"], setting.metadata["high"])
    if setting.name in _CHECKED:
        return _CHECKED[setting.name](label, text)
    return kind(text)


def _checked_address(name: str, text: str) -> str:
    """Return what is set of a venue, if it is an address where it must be one."""
    label = PREFIX + name.upper()
    if name.endswith("_rest_url"):
        # An empty one: nothing is asked of it.
        return check_url(text, label) if text else text
    if name.endswith("_url"):
        return check_url(text, label, "wss", "ws")
    return text


def _choice(label: str, text: str, options: tuple[str, ...], tidy: Callable[[str], str]) -> str:
    value = tidy(text)
    if value not in options:
        raise SettingError(f"{label} is {text!r:.60}; it can be {', '.join(options)}.")
    return value


def _listed(text: str) -> list[str]:
    return [one for one in re.split(r"[\s,]+", text) if one]


def _host_names(label: str, text: str) -> str:
    names = [name.lower().rstrip(".") for name in _listed(text)]
    for name in names:
        if host_of(name) != name.strip("[]"):
            raise SettingError(
                f"{label} holds {name!r:.60}; give names without scheme and port, as desk.example."
            )
    return ",".join(map(host_of, names))


def _networks(label: str, text: str) -> str:
    for one in _listed(text):
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise SettingError(
                f"{label} holds {one!r:.60}; give addresses or networks, as 10.0.0.0/8."
            ) from None
    return text


def _long_enough(label: str, text: str) -> str:
    if 0 < len(text) < _SHORTEST_SECRET:
        raise SettingError(
            f"{label} is too short; use {_SHORTEST_SECRET} characters or more that nobody guesses."
        )
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; of a port alone, loopback's; ValueError for others."""
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 1 <= number <= 65_535:
        raise ValueError(text)
    return host.strip("[]") or "127.0.0.1", number


def _listening(label: str, text: str) -> str:
    try:
        if text:
            host_and_port(text)
    except ValueError:
        raise SettingError(
            f"{label} is {text!r:.60}; give HOST:PORT, as 127.0.0.1:9464, or a port alone."
        ) from None
    return text


_CHECKED: dict[str, Callable[[str, str], str]] = {
    "hosts": _host_names,
    "trusted_proxies": _networks,
    "operator_secret": _long_enough,
    "metrics": _listening,
}


def _switch(text: str) -> str:
    value = text.lower()
    return "on" if value in _TRUE else "off" if value in _FALSE else value


# A venue, or what stands for none.
_VENUE_OR = {"venue": AUTO, "universe": ""}
_CHOICES: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "public": (("auto", "on", "off", EVERYONE), _switch),
    "file_mode": (("600", "640", "660"), lambda text: text.removeprefix("0")),
    "mail_security": (("starttls", "tls", "none"), str.lower),
    "alert_private": (("on", "off"), _switch),
    "log_format": (("text", "json"), str.lower),
    "log_level": (("DEBUG", "INFO", "WARNING", "ERROR"), str.upper),
}


def _number(label: str, text: str, kind: type, low: float, high: float) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise SettingError(f"{label} is {text!r:.60}; it must be a number.") from None
    if not low <= value <= high:
        raise SettingError(f"{label} is {text:.60}; it must be from {low:g} to {high:g}.")
    return value


def on_community_cloud(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is Streamlit Community Cloud.

    It runs apps as `appuser` from below `/mount/src`; there is no documented variable.
    """
    return environ.get("HOME") == "/home/appuser" or Path.cwd().is_relative_to("/mount/src")
