"""Secrets taken out of text: a last net, for what others put into their words."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TELEGRAM_TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{8,}")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return text without secrets, none of them empty, nor what looks like a Telegram token."""
    # The longest first: of a secret that begins with another the rest would be left.
    known = sorted(secrets, key=len, reverse=True)
    if known:
        text = re.sub("|".join(map(re.escape, known)), "***", text)
    return _TELEGRAM_TOKEN.sub("***", text)
