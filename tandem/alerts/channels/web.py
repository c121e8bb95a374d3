"""Channels over HTTPS: a signed webhook, Telegram, Slack and Discord."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import orjson

from tandem.alerts.channels.base import NotSent, Pace, Secret, lines
from tandem.alerts.rules import Alert, encode
from tandem.core.addresses import check_url
from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import FeedError, SettingError
from tandem.net.http import Answer, Client
from tandem.net.rate_limit import pause_s, retry_after_s

# Answers of a service that will be the same however often it is asked.
_FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
_TELEGRAM_CHARACTERS = 4_096
_DISCORD_CHARACTERS = 2_000
_SLACK_CHARACTERS = 3_000


class _Post:
    """Common to all four: one POST, and the meaning of the response."""

    name = ""
    title = ""
    most = 20
    # Where an answer in JSON says how long to wait.
    wait_path: tuple[str, ...] = ()

    def __init__(self, client: Client, url: Secret) -> None:
        self._client = client
        self._url = url

    def close(self) -> None:
        """Cut what is under way."""
        self._client.close()

    def _post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        # The address may hold a secret: no error of what is below may carry it on.
        try:
            answer = self._client.post(
                url, body, {"Content-Type": "application/json"} | (headers or {})
            )
        except FeedError as error:
            raise NotSent(f"{self.title}: {error}.") from None
        if not 200 <= answer.status < 300:
            raise NotSent(
                f"{self.title} returned {answer.status}{self._meaning(answer)}.",
                is_final=answer.status in _FINAL,
                wait_s=self._asked_wait_s(answer),
            )

    def _meaning(self, answer: Answer) -> str:
        known = {
            401: "the key or token is wrong",
            403: "posting is not permitted",
            404: "no such address",
            410: "the address no longer exists",
            429: "too many messages",
        }
        if answer.status in known:
            return f" ({known[answer.status]})"
        return " (server error)" if answer.status >= 500 else ""

    def _asked_wait_s(self, answer: Answer) -> float:
        in_header = retry_after_s(answer.headers, now_us() / SECOND_US) or 0.0
        in_body = pause_s(_told(answer, *self.wait_path)) if self.wait_path else None
        return max(in_header, in_body or 0.0)


class Webhook(_Post):
    """One alert as JSON, signed.

    ``X-Tandem-Time`` is the time of sending in whole seconds; ``X-Tandem-Signature`` is
    ``sha256=`` and the HMAC SHA-256 of that time, a point and the body, in hexadecimal.
    ``X-Tandem-Id`` is the alert's: it comes again where an answer was lost.
    """

    name, title, most = "webhook", "The webhook", 1
    pace = Pace(0.2, 120)

    def __init__(self, client: Client, url: str, key: str = "") -> None:
        super().__init__(client, Secret(check_url(url, "TANDEM_WEBHOOK_ADDRESS")))
        self._key = Secret(key)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one message; raises NotSent."""
        body = encode(alerts[0])
        headers = {"X-Tandem-Id": alerts[0].id, "X-Tandem-Time": str(now_us() // 1_000_000)}
        if self._key:
            headers["X-Tandem-Signature"] = signature(
                self._key.reveal(), headers["X-Tandem-Time"], body
            )
        self._post(self._url.reveal(), body, headers)


def signature(key: str, time: str, body: bytes) -> str:
    """Return the signature of a webhook's message; compare it in constant time."""
    digest = hmac.new(key.encode(), time.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


class Telegram(_Post):
    """A bot's message to one chat. The token is in the address, which is therefore never shown."""

    name, title = "telegram", "Telegram"
    wait_path = ("parameters", "retry_after")
    pace = Pace(1.0, 20)

    def __init__(self, client: Client, url: str, token: str, chat: str) -> None:
        if not token.isascii() or not token.isprintable() or "/" in token or " " in token:
            raise SettingError("TANDEM_TELEGRAM_TOKEN is not valid; expected 123456:ABC-def.")
        if not chat.strip():
            raise SettingError("TANDEM_TELEGRAM_CHAT is missing: set the chat the bot posts to.")
        base = check_url(url, "TANDEM_TELEGRAM_ADDRESS").rstrip("/")
        super().__init__(client, Secret(f"{base}/bot{token}/sendMessage"))
        self._chat = chat.strip()

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one message; raises NotSent."""
        text = lines(alerts, _TELEGRAM_CHARACTERS)
        # No parse mode: the text is plain, whatever is in it.
        preview = {"is_disabled": True}
        message = {"chat_id": self._chat, "text": text, "link_preview_options": preview}
        self._post(self._url.reveal(), orjson.dumps(message))

    def _meaning(self, answer: Answer) -> str:
        if answer.status == 400:
            return " (unknown chat; send the bot a message first)"
        return super()._meaning(answer)


class Slack(_Post):
    """A message to a Slack-style webhook."""

    name, title = "slack", "Slack"
    pace = Pace(1.0, 50)

    def __init__(self, client: Client, url: str) -> None:
        super().__init__(client, Secret(check_url(url, "TANDEM_SLACK_ADDRESS")))

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one message; raises NotSent."""
        text = lines(alerts, _SLACK_CHARACTERS)
        # Slack reads these three as markup: mentions and links are made of them.
        for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(mark, entity)
        self._post(self._url.reveal(), orjson.dumps({"text": text, "mrkdwn": False}))


class Discord(_Post):
    """A message to a Discord-style webhook; nobody is mentioned, whatever the text says."""

    name, title = "discord", "Discord"
    wait_path = ("retry_after",)
    pace = Pace(1.0, 30)

    def __init__(self, client: Client, url: str) -> None:
        super().__init__(client, Secret(check_url(url, "TANDEM_DISCORD_ADDRESS")))

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one message; raises NotSent."""
        text = lines(alerts, _DISCORD_CHARACTERS)
        self._post(
            self._url.reveal(),
            orjson.dumps({"content": text, "allowed_mentions": {"parse": []}}),
        )


def _told(answer: Answer, *path: str) -> Any:
    """Return what stands in a JSON answer, or None."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
