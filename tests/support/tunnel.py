"""A stand-in for a network's proxy: CONNECT of HTTP, or SOCKS5 with or without a password."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

__all__ = ["Tunnel"]


class Tunnel:
    """Listens on this machine and connects whoever asks, or refuses them all.

    Parameters
    ----------
    kind : {"http", "socks5"}
    leads_to : (str, int), optional
        Where everything is connected to, whatever was asked for; what was asked for otherwise.
    refuses : bool
        Answer that the other side cannot be reached.

    Attributes
    ----------
    asked : list of (str, int)
        What it was asked to connect to, as it was written.
    passwords : list of str
        What users said of themselves.
    """

    def __init__(
        self, kind: str, leads_to: tuple[str, int] | None = None, refuses: bool = False
    ) -> None:
        self.asked: list[tuple[str, int]] = []
        self.passwords: list[str] = []
        self._kind = kind
        self._leads_to = leads_to
        self._refuses = refuses
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, name="tunnel", daemon=True).start()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def url(self, user: str = "") -> str:
        """Return its address as environments name it."""
        return f"{self._kind}://{user + '@' if user else ''}127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error), client:
            place = self._asked_by_http(client) if self._kind == "http" else self._by_socks(client)
            self.asked.append(place)
            if self._refuses:
                client.sendall(self._answer(502))
                return
            with socket.create_connection(self._leads_to or place, 5.0) as server:
                self._open.append(server)
                client.sendall(self._answer(200))
                back = threading.Thread(target=_pour, args=(server, client), daemon=True)
                back.start()
                _pour(client, server)
                back.join(5.0)

    def _answer(self, status: int) -> bytes:
        if self._kind == "http":
            return f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Gateway'}\r\n\r\n".encode()
        return bytes([5, 0 if status == 200 else 5, 0, 1, 0, 0, 0, 0, 0, 0])

    def _asked_by_http(self, client: socket.socket) -> tuple[str, int]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1) or b"\r\n\r\n"
        first, *lines = head.decode("latin-1").split("\r\n")
        self.passwords += [
            line for line in lines if line.lower().startswith("proxy-authorization:")
        ]
        method, target, _ = first.split(" ")
        assert method == "CONNECT"
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)

    def _by_socks(self, client: socket.socket) -> tuple[str, int]:
        _, count = _exactly(client, 2)
        kinds = _exactly(client, count)
        has_password = 2 in kinds
        client.sendall(bytes([5, 2 if has_password else 0]))
        if has_password:
            _, size = _exactly(client, 2)
            user = _exactly(client, size)
            word = _exactly(client, _exactly(client, 1)[0])
            self.passwords.append(f"{user.decode()}:{word.decode()}")
            client.sendall(b"\x01\x00")
        _, _, _, form = _exactly(client, 4)
        size = {1: 4, 4: 16}.get(form) or _exactly(client, 1)[0]
        raw = _exactly(client, size)
        host = (
            raw.decode()
            if form == 3
            else socket.inet_ntop(socket.AF_INET if form == 1 else socket.AF_INET6, raw)
        )
        return host, struct.unpack(">H", _exactly(client, 2))[0]


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = source.recv(size - len(found))
        if not piece:
            raise ValueError("hung up")
        found += piece
    return found


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
