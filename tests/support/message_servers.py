"""Local stand-ins for Telegram, webhooks and a mail server, with the faults of the real ones."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO


class PostServer:
    """Takes POSTs on a port of this machine; `plan` says how the next ones are answered.

    A step of the plan is a status, ``(status, headers, body)``, ``"hang"`` (never answers) or
    ``"drop"`` (takes the message and hangs up). With an empty plan all is 200.
    """

    def __init__(self) -> None:
        self.plan: deque[Any] = deque()
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.accepted: list[tuple[str, dict[str, str], bytes]] = []
        self.changed = threading.Condition()
        self.release = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = (self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                with stand_in.changed:
                    stand_in.taken.append(message)
                    step = stand_in.plan.popleft() if stand_in.plan else 200
                    stand_in.changed.notify_all()
                if step == "hang":
                    stand_in.release.wait(30)
                if step in ("hang", "drop"):
                    self.close_connection = True
                    return
                status, headers, answer = step if isinstance(step, tuple) else (step, {}, b"{}")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                if 200 <= status < 300:
                    with stand_in.changed:
                        stand_in.accepted.append(message)
                        stand_in.changed.notify_all()

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> PostServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, what: str = "accepted", timeout: float = 20.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(getattr(self, what)) >= count, timeout), (
                f"{len(getattr(self, what))} of {count} {what}"
            )

    def texts(self) -> list[str]:
        """Return the texts of the messages that were accepted."""
        return [json.loads(body)["text"] for _, _, body in self.accepted]


class MailServer:
    """Takes mail on a port of this machine; `plan` holds answers to DATA, ``"hang"`` or ``"drop"``.

    With `tls` it encrypts from the first byte, or, where `starttls` is set, once asked to;
    ``starttls="refused"`` offers that and then does not do it.
    """

    def __init__(
        self,
        refuses_password: bool = False,
        tls: ssl.SSLContext | None = None,
        starttls: str = "",
        offers: str = "AUTH PLAIN LOGIN",
    ) -> None:
        self._tls, self._starttls, self._offers = tls, starttls, offers
        self.plan: deque[str] = deque()
        self.mails: list[str] = []
        self.heard: list[str] = []
        self.changed = threading.Condition()
        self._refuses = refuses_password
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._release = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> MailServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def wait_for(self, count: int, timeout: float = 20.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.mails) >= count, timeout)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None and not self._starttls:
            connection = self._tls.wrap_socket(connection, server_side=True)
        self._converse(connection, "220 stand-in")

    def _converse(self, connection: socket.socket, greeting: str = "") -> None:
        with connection, connection.makefile("rb") as lines:
            self._answer(connection, lines, greeting)

    def _answer(self, connection: socket.socket, lines: BinaryIO, greeting: str) -> None:
        def say(text: str) -> None:
            connection.sendall(text.encode() + b"\r\n")

        if greeting:
            say(greeting)
        while line := lines.readline():
            command = line.decode(errors="replace").strip()
            self.heard.append(command)
            word = command.split()[0].upper() if command else ""
            if word in ("EHLO", "HELO"):
                is_open = self._starttls and not isinstance(connection, ssl.SSLSocket)
                say(f"250-stand-in\r\n250 {'STARTTLS' if is_open else self._offers}")
            elif word == "STARTTLS" and self._starttls == "refused":
                say("454 not now")
            elif word == "STARTTLS" and self._tls is not None:
                say("220 go on")
                self._converse(self._tls.wrap_socket(connection, server_side=True))
                return
            elif word == "AUTH":
                say(f"535 no, {command}" if self._refuses else "235 yes")
            elif word == "DATA":
                step = self.plan.popleft() if self.plan else "250 taken"
                if step == "hang":
                    self._release.wait(30)
                    return
                if step == "drop":
                    return
                say("354 go on")
                mail = []
                while (part := lines.readline()) not in (b".\r\n", b""):
                    mail.append(part.decode())
                say(step)
                if step.startswith("2"):
                    with self.changed:
                        self.mails.append("".join(mail))
                        self.changed.notify_all()
            elif word == "QUIT":
                say("221 bye")
                return
            else:
                say("250 yes")
