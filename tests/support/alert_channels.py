"""Alerts with channels at stand-ins, and what becomes of them."""

from itertools import repeat

from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.rules import Alert, Reading, Rule
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.storage.null import NullStore
from tests.support.message_servers import PostServer

TOKEN = "987654321:AAHfakeTokenThatMustNeverShow_0123"

SECRETS = {
    *("telegram_token", "webhook_key", "mail_password"),
    *("slack_address", "discord_address", "webhook_address"),
}

WORD = "pa55-word-that-must-never-show"


def settings(server: PostServer | None = None, **more) -> Settings:
    url = server.url if server else "http://127.0.0.1:1"
    given = {"telegram_address": url, "telegram_token": TOKEN, "telegram_chat": "42"}
    return Settings(**(given | more))


def rule(*channels: str) -> Rule:
    return Rule("Far", "bar_return_z", "beyond", 3.0, cooldown_s=0.0, channels=channels)


def alerts_of(given: Settings, store=None, *channels: str, total_s: float = 5.0) -> Alerts:
    made, missing = channels_from(given, total_s)
    store = store or NullStore("none")
    rules = (rule(*(channels or ("telegram",))),)
    return Alerts(store, made, missing, secrets_of(given), rules, lambda: repeat(0.01))


def raise_one(alerts: Alerts, number: int = 0) -> Alert:
    numbers = {"price": 100.0 + number}
    (alert,) = alerts.observe([Reading("bar_return_z", f"sim:A{number}", number, 9.0, numbers)])
    return alert


def fate(alerts: Alerts, alert: Alert, channel: str = "telegram") -> str:
    for told in alerts.history.recent():
        if told.alert.id == alert.id:
            return next((one.fate for one in told.deliveries if one.channel == channel), "")
    return ""
