"""A stretch of network between a recorder and the stand-in exchange that can be made bad."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading


class Proxy:
    """Passes bytes between a client and a port of this machine, and does worse on demand.

    Attributes
    ----------
    drip : int
        So many bytes towards clients are sent one by one.
    truncate : bool
        The next bytes towards a client are cut in half, and the connection with them.
    context : SSLContext or None
        What it shows to clients that come, if they are to be met with TLS.
    met : int
        Connections taken.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.drip = 0
        self.truncate = False
        self.context = context
        self.met = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        _hang_up(self._listener)
        for one in list(self._open):
            _hang_up(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.met += 1
            threading.Thread(target=self._join, args=(client,), name="proxy", daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _hang_up(client)
            return
        self._open += [client, server]
        upward = threading.Thread(target=self._pass_up, args=(client, server), daemon=True)
        upward.start()
        self._pass_down(server, client)
        upward.join()
        self._open.remove(client)
        self._open.remove(server)

    def _pass_up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                server.sendall(data)
        _hang_up(server)

    def _pass_down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if self.truncate:
                    self.truncate = False
                    client.sendall(data[: len(data) // 2])
                    break
                slowly = data[: self.drip]
                self.drip -= len(slowly)
                for byte in slowly:
                    client.sendall(bytes([byte]))
                client.sendall(data[len(slowly) :])
        _hang_up(client)
        _hang_up(server)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
