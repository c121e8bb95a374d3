"""Which channels the settings allow, and why the others cannot be used."""

from __future__ import annotations

from collections.abc import Callable

from tandem.alerts.channels.address import Reach
from tandem.alerts.channels.base import Channel, Secret
from tandem.alerts.channels.local import CsvFile, Log
from tandem.alerts.channels.mail import Mail, MailServer
from tandem.alerts.channels.web import Discord, Slack, Telegram, Webhook
from tandem.config import Settings
from tandem.core.errors import SettingError
from tandem.net.http import Client


def reach_of(settings: Settings) -> Reach:
    """Return where alerts may be sent by these settings."""
    return Reach(
        private=settings.alert_private == "on" and not settings.is_public,
        loopback=not settings.is_public,
    )


def channels_from(
    settings: Settings, total_s: float = 20.0
) -> tuple[dict[str, Channel], dict[str, str]]:
    """Return the channels that are set up, and for each other one what it lacks.

    A setting that is wrong takes away its own channel only.

    Parameters
    ----------
    total_s : float
        Limit for one message altogether.
    """
    reach = reach_of(settings)

    def client() -> Client:
        return Client(
            connect_s=min(5.0, total_s),
            read_s=total_s,
            total_s=total_s,
            most_bytes=2**20,
            refused=reach.refused,
        )

    makers: dict[str, tuple[bool, Callable[[], Channel]]] = {
        "webhook": (
            bool(settings.webhook_address),
            lambda: Webhook(client(), settings.webhook_address, settings.webhook_key),
        ),
        "telegram": (
            bool(settings.telegram_token),
            lambda: Telegram(
                client(), settings.telegram_address, settings.telegram_token, settings.telegram_chat
            ),
        ),
        "slack": (bool(settings.slack_address), lambda: Slack(client(), settings.slack_address)),
        "discord": (
            bool(settings.discord_address),
            lambda: Discord(client(), settings.discord_address),
        ),
        "mail": (bool(settings.mail_host), lambda: Mail(_server(settings), reach, total_s)),
    }
    file = CsvFile(settings.alerts_file, settings.file_bits)
    made: dict[str, Channel] = {"log": Log(), "csv": file}
    missing: dict[str, str] = {}
    for name, (is_set, make) in makers.items():
        if not is_set:
            missing[name] = f"Not configured: set TANDEM_{_FIRST[name]}."
            continue
        try:
            made[name] = make()
        except SettingError as error:
            missing[name] = str(error)
    return made, missing


def secrets_of(settings: Settings) -> tuple[Secret, ...]:
    """Return what no text may hold."""
    return tuple(map(Secret, settings.secrets))


_FIRST = {
    "webhook": "WEBHOOK_ADDRESS",
    "telegram": "TELEGRAM_TOKEN and TANDEM_TELEGRAM_CHAT",
    "slack": "SLACK_ADDRESS",
    "discord": "DISCORD_ADDRESS",
    "mail": "MAIL_HOST, TANDEM_MAIL_FROM and TANDEM_MAIL_TO",
}


def _server(settings: Settings) -> MailServer:
    recipients = tuple(filter(None, (one.strip() for one in settings.mail_to.split(","))))
    return MailServer(
        settings.mail_host,
        settings.mail_port,
        settings.mail_security,
        settings.mail_user,
        Secret(settings.mail_password),
        settings.mail_from.strip(),
        recipients,
    )
