"""What a channel is, how it words alerts and failures; secrets that cannot be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tandem.alerts.rules import Alert
from tandem.core.clock import iso
from tandem.core.errors import TandemError
from tandem.core.redaction import redact

MOST_WAIT_S = 3_600.0


class NotSent(TandemError):
    """An attempt that failed.

    Attributes
    ----------
    is_final : bool
        Trying again cannot help: a wrong token, an address that is gone.
    wait_s : float
        How long the service asked to be left alone; 0 where it did not say.
    """

    def __init__(self, text: str, is_final: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.is_final = is_final
        self.wait_s = min(max(wait_s, 0.0), MOST_WAIT_S)


class Secret:
    """Text that shows itself nowhere but to whom asks for it by `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")

    def reveal(self) -> str:
        """Return the text."""
        return self._text


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a service may be written to: `per_minute`, and `gap_s` between two messages."""

    gap_s: float
    per_minute: int


class Channel(Protocol):
    """One way to tell somebody. `send` may take its time: it has a thread of its own."""

    name: str
    pace: Pace
    most: int  # alerts one message may hold

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one message; raises NotSent."""
        ...

    def close(self) -> None:
        """Cut what is under way."""
        ...


def redacted(text: str, secrets: Sequence[Secret] = ()) -> str:
    """Return text without secrets."""
    return redact(text, (secret.reveal() for secret in secrets if secret))


def lines(alerts: Sequence[Alert], most: int) -> str:
    """Return alerts as plain lines within so many characters, saying how many are left out."""
    shown: list[str] = []
    used = 0
    for number, alert in enumerate(alerts):
        # With its time: what waited for a service must not look new.
        when = iso(alert.time_us, "milliseconds")
        line = f"{alert.severity.upper()} {alert.text} at {when}"
        left = f"and {len(alerts) - number} more"
        if used + len(line) + len(left) + 2 > most:
            shown.append(left)
            break
        shown.append(line)
        used += len(line) + 1
    return "\n".join(shown)
