"""Alerts as mail. The server is verified before a password is given to it."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from tandem.alerts.channels.address import Reach
from tandem.alerts.channels.base import NotSent, Pace, Secret, lines
from tandem.alerts.rules import Alert
from tandem.core.addresses import is_loopback
from tandem.core.errors import SettingError

_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and in whose name; a `Secret` keeps the password."""

    host: str
    port: int
    security: str
    user: str
    password: Secret
    sender: str
    recipients: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.security == "none" and not is_loopback(self.host):
            raise SettingError(
                "TANDEM_MAIL_SECURITY=none is allowed only for a server on this machine; use "
                "starttls or tls."
            )
        if not self.recipients or not all(map(_is_mailbox, (self.sender, *self.recipients))):
            raise SettingError(
                "TANDEM_MAIL_FROM and TANDEM_MAIL_TO must be e-mail addresses such as "
                "desk@example.com."
            )


class Mail:
    """A mail for every few alerts.

    Parameters
    ----------
    reach : Reach
        Which addresses may be connected to.
    total_s : float
        Limit for one mail altogether, however slowly the server answers.
    context : ssl.SSLContext, optional
        By default certificates are verified against the system's authorities.
    """

    name, title, most = "mail", "The mail server", 50
    pace = Pace(5.0, 6)

    def __init__(
        self,
        server: MailServer,
        reach: Reach,
        total_s: float = 30.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._reach = reach
        self._total_s = total_s
        self._context = context or ssl.create_default_context()
        self._open: _Line | None = None

    def send(self, alerts: Sequence[Alert]) -> None:
        """Deliver one mail; raises NotSent."""
        message = self._message(alerts)
        # What SMTP libraries say may quote what was sent to the server: it is left out.
        try:
            with self._line() as line:
                line.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            raise self._not_sent(
                "rejected the user name or password", error.smtp_code, True
            ) from None
        except smtplib.SMTPRecipientsRefused:
            raise self._not_sent("rejected every recipient", 550, True) from None
        except smtplib.SMTPResponseException as error:
            is_final = 500 <= error.smtp_code < 600
            raise self._not_sent("rejected the message", error.smtp_code, is_final) from None
        except smtplib.SMTPNotSupportedError:
            raise NotSent(
                f"{self.title} does not support authentication; leave TANDEM_MAIL_USER empty.", True
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise NotSent(
                f"{self.title}'s certificate could not be verified ({error.verify_message}); "
                "nothing was sent. Check TANDEM_MAIL_HOST, or point SSL_CERT_FILE to the CA."
            ) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotSent(f"{self.title} could not be used ({type(error).__name__}).") from None

    def close(self) -> None:
        """Cut what is under way."""
        if self._open is not None:
            self._open.cut()

    def _not_sent(self, what: str, code: int, is_final: bool) -> NotSent:
        return NotSent(f"{self.title} {what} ({code}).", is_final)

    @contextlib.contextmanager
    def _line(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        line = _Line(self._total_s, self._reach.refused)
        self._open = line
        guard = threading.Timer(self._total_s, line.cut)
        guard.daemon = True
        guard.start()
        try:
            if server.security == "tls":
                line.wrap = self._context
            line.connect(server.host, server.port)
            line.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                if not line.has_extn("starttls"):
                    raise NotSent(f"{self.title} does not offer STARTTLS; nothing was sent.", True)
                line.starttls(context=self._context)
                line.ehlo()
            if server.user:
                line.login(server.user, server.password.reveal())
            yield line
            line.quit()
        finally:
            guard.cancel()
            self._open = None
            line.close()

    def _message(self, alerts: Sequence[Alert]) -> EmailMessage:
        message = EmailMessage()
        worst = max(alerts, key=lambda alert: ("info", "warning", "critical").index(alert.severity))
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        message["Subject"] = f"{worst.text[:120]}{more}"
        message["From"] = self._server.sender
        message["To"] = ", ".join(self._server.recipients)
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="tandem.invalid")
        message.set_content(lines(alerts, _CHARACTERS))
        return message


class _Line(smtplib.SMTP):
    """SMTP to an address that was checked, which another thread can cut."""

    def __init__(self, total_s: float, refused: Callable[[str], str]) -> None:
        self._refused = refused
        self.wrap: ssl.SSLContext | None = None
        self._is_cut = False
        # A name of its own: the default looks this machine's name up, which can take long.
        super().__init__(local_hostname="tandem.invalid", timeout=total_s)

    def cut(self) -> None:
        """End what is under way."""
        self._is_cut = True
        if (held := self.sock) is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(held, socket.SHUT_RDWR)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        failure = OSError("no address")
        self._host = host
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            if reason := self._refused(str(address[0])):
                raise NotSent(f"The mail server is at {reason}, which is not allowed here.", True)
            trial = socket.socket(family, kind, protocol)
            trial.settimeout(timeout)
            self.sock = trial
            try:
                if self._is_cut:
                    raise ConnectionAbortedError("cut short")
                trial.connect(address)
            except OSError as error:
                failure = error
                trial.close()
                continue
            if self.wrap is not None:
                secured = self.wrap.wrap_socket(trial, server_hostname=host)
                self.sock = secured
                return secured
            return trial
        raise failure


def _is_mailbox(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(at and name and host) and text.isprintable() and not set(text) & set(" ,;<>\"'")
