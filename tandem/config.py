"""One frozen `Settings`, read once from secrets, environment and `.env`.

Nothing else in Tandem reads the environment. A later source fills only what an earlier one
left unset: Streamlit secrets, then environment variables, then `.env`, then the defaults below.
Every setting is named ``TANDEM_`` plus the field's name in capitals.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.core.errors import SettingError

__all__ = ["PREFIX", "VENUES", "Settings", "load"]

PREFIX = "TANDEM_"
VENUES = (
    *("auto", "binance-usdm", "binance-spot", "binance-us", "coinbase", "kraken", "okx", "bybit"),
    *("bitstamp", "coingecko", "sim", "replay"),
)

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_SECRETS = {
    *("operator_secret", "coingecko_key", "telegram_token", "webhook_key", "mail_password"),
    # Whoever knows such an address can write to it.
    *("webhook_address", "slack_address", "discord_address"),
}


def _setting(default: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    """Declare a setting: its default, the sentence that docs/SETTINGS.md prints, and its limits."""
    return field(default=default, metadata={"text": text, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside. Frozen: it is passed, never looked up."""

    database: Path = _setting(Path("data/tandem.sqlite"), "SQLite file the record is kept in")
    venue: str = _setting("auto", ", ".join(f"`{venue}`" for venue in VENUES))
    symbols: str = _setting(
        "ETH,BTC,SOL,BNB", "assets recorded from the start, most important first; at least two"
    )
    hot_trades: int = _setting(50_000, "trades kept in memory per instrument", 1_000, 5_000_000)
    hot_total_trades: int = _setting(
        600_000, "trades kept in memory altogether, some 300 bytes each", 10_000, 50_000_000
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
        0.0, "gigabytes from which the oldest of the record goes; 0: no limit", 0, 100_000
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
        "auto", "`on`: visitors may only look; `auto`: on when hosted on Community Cloud"
    )
    operator_secret: str = _setting("", "password that gives a visitor the operator's rights")
    simulation_seed: int = _setting(7, "seed of the simulated market", 0, 2**31 - 1)
    simulation_rate: float = _setting(4.0, "simulated trades per second and instrument", 0.1, 5_000)
    replay_file: str = _setting(
        "",
        "recordings the `replay` venue plays, separated by commas: CSV, raw frames or a database",
    )
    replay_speed: float = _setting(1.0, "replay speed; 0 plays as fast as possible", 0, 1_000)
    binance_usdm_url: str = _setting("wss://fstream.binance.com", "Binance USD-M websocket address")
    binance_spot_url: str = _setting(
        "wss://data-stream.binance.vision", "Binance spot websocket address"
    )
    coinbase_url: str = _setting(
        "wss://ws-feed.exchange.coinbase.com", "Coinbase Exchange websocket address"
    )
    kraken_url: str = _setting("wss://ws.kraken.com/v2", "Kraken websocket address")
    okx_url: str = _setting("wss://ws.okx.com:8443/ws/v5/public", "OKX websocket address")
    bybit_url: str = _setting(
        "wss://stream.bybit.com/v5/public/linear", "Bybit websocket address of linear perpetuals"
    )
    bitstamp_url: str = _setting("wss://ws.bitstamp.net", "Bitstamp websocket address")
    binance_us_url: str = _setting("wss://stream.binance.us:9443", "Binance.US websocket address")
    binance_usdm_rest_url: str = _setting("https://fapi.binance.com", "Binance USD-M REST address")
    binance_spot_rest_url: str = _setting(
        "https://data-api.binance.vision", "Binance spot REST address"
    )
    binance_us_rest_url: str = _setting("https://api.binance.us", "Binance.US REST address")
    coinbase_rest_url: str = _setting(
        "https://api.exchange.coinbase.com", "Coinbase Exchange REST address"
    )
    kraken_rest_url: str = _setting("https://api.kraken.com", "Kraken REST address")
    okx_rest_url: str = _setting("https://www.okx.com", "OKX REST address")
    bybit_rest_url: str = _setting("https://api.bybit.com", "Bybit REST address")
    bitstamp_rest_url: str = _setting("https://www.bitstamp.net", "Bitstamp REST address")
    coingecko_rest_url: str = _setting("https://api.coingecko.com", "CoinGecko address")
    coingecko_key: str = _setting(
        "", "CoinGecko demo key; with one, prices are asked for every 5 minutes instead of 1"
    )
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

    def __repr__(self) -> str:
        """Show every setting but the secrets."""
        shown = {
            f.name: "***" if f.name in _SECRETS and getattr(self, f.name) else getattr(self, f.name)
            for f in dataclasses.fields(self)
        }
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def is_public(self) -> bool:
        """Whether visitors are read-only until they give the operator's secret."""
        return self.public == "on"


def load(
    secrets: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
) -> Settings:
    """Build the settings from all sources.

    Parameters
    ----------
    secrets : mapping, optional
        Streamlit's secrets, as a plain mapping; keys as in the environment.
    environ : mapping, optional
        Environment variables; the process's own when None.
    env_file : Path
        File of ``NAME=value`` lines; ignored where it does not exist.

    Raises
    ------
    SettingError
        A name nobody knows (with the nearest known one) or a value out of its range.
    """
    environ = os.environ if environ is None else environ
    sources = (_prefixed(secrets or {}), _prefixed(environ), _prefixed(_read_env_file(env_file)))
    known = {f.name: f for f in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for source in sources:
        for name, text in source.items():
            if name not in known:
                raise SettingError(_unknown(name, list(known)))
            values.setdefault(name, _convert(known[name], text))
    if len([name for name in values.get("symbols", "a,b").split(",") if name.strip()]) < 2:
        raise SettingError(f"{PREFIX}SYMBOLS must name at least two assets, as in ETH,BTC.")
    if values.get("public", "auto") == "auto":
        values["public"] = "on" if _on_community_cloud(environ) else "off"
    return Settings(**values)


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


def _convert(setting: dataclasses.Field[Any], text: str) -> Any:
    label = PREFIX + setting.name.upper()
    kind: Any = type(setting.default)
    if setting.name in _CHOICES:
        return _choice(label, text, *_CHOICES[setting.name])
    if kind in (int, float):
        return _number(label, text, kind, setting.metadata["low"], setting.metadata["high"])
    if setting.name.endswith("_rest_url"):
        if text and not text.startswith(("http://", "https://")):
            raise SettingError(
                f"{label} must start with https:// (or http:// for a local server), or be empty: "
                "then nothing is asked of it."
            )
    elif setting.name.endswith("_url") and not text.startswith(("ws://", "wss://")):
        raise SettingError(f"{label} must start with wss:// (or ws:// for a local server).")
    return kind(text)


def _choice(label: str, text: str, options: tuple[str, ...], tidy: Callable[[str], str]) -> str:
    value = tidy(text)
    if value not in options:
        raise SettingError(f"{label} is {text!r:.60}; it can be {', '.join(options)}.")
    return value


def _switch(text: str) -> str:
    value = text.lower()
    return "on" if value in _TRUE else "off" if value in _FALSE else value


_CHOICES: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "venue": (VENUES, str.lower),
    "universe": (("", *VENUES[1:]), str.lower),
    "public": (("auto", "on", "off"), _switch),
    "mail_security": (("starttls", "tls", "none"), str.lower),
    "alert_private": (("on", "off"), _switch),
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


def _on_community_cloud(environ: Mapping[str, str]) -> bool:
    """Tell whether this is Streamlit Community Cloud.

    It runs apps as `appuser` from below `/mount/src`; there is no documented variable.
    """
    return environ.get("HOME") == "/home/appuser" or Path.cwd().is_relative_to("/mount/src")
