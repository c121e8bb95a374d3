"""The wire under bytes that no well-behaved server would send."""

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websocket import (
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketProtocolException,
)

from tandem.core.clock import steady_s
from tandem.core.errors import FeedError, VenueRefused
from tandem.ingest.errors import explain
from tandem.ingest.socket import Wire
from tests.support.exchange import DeafServer, unused_url
from tests.support.waiting import wait_until

TEXT, PING, CLOSE = 0x1, 0x9, 0x8


def frame(payload: bytes, opcode: int = TEXT, final: bool = True) -> bytes:
    size = len(payload)
    first = (0x80 if final else 0) | opcode
    if size < 126:
        return bytes([first, size]) + payload
    if size > 65_535:
        return bytes([first, 127]) + size.to_bytes(8, "big") + payload
    return bytes([first, 126]) + size.to_bytes(2, "big") + payload


class Peer:
    """The other end of one websocket, byte by byte."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.wire = Wire()

    def connect(self) -> Wire:
        thread = threading.Thread(target=self._shake)
        thread.start()
        self.wire.open(self.url, 10.0)
        thread.join()
        return self.wire

    def _shake(self) -> None:
        self.socket, _ = self._listener.accept()
        request = b""
        while b"\r\n\r\n" not in request:
            request += self.socket.recv(4096)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
        assert key
        accept = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.socket.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n"
        )

    def gather(self, count: int) -> list[bytes]:
        """Gather until so many messages came."""
        messages: list[bytes] = []

        def more() -> bool:
            messages.extend(self.wire.gather(0.05))
            return len(messages) >= count

        wait_until(more)
        return messages

    def close(self) -> None:
        self.wire.release()
        self._listener.close()
        if hasattr(self, "socket"):
            self.socket.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    peer.connect()
    yield peer
    peer.close()


def test_many_messages_in_one_gulp(peer: Peer) -> None:
    sent = [b"%d" % n * (n % 300 + 1) for n in range(2_000)]
    peer.socket.sendall(b"".join(map(frame, sent)))
    assert peer.gather(len(sent)) == sent


class Chunks:
    """A socket that has given chunks of bytes and swallows what is sent."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def recv(self, size: int) -> bytes:
        if not self._chunks:
            raise BlockingIOError
        first = self._chunks.pop(0)
        if first[size:]:
            self._chunks.insert(0, first[size:])
        return first[:size]

    def send(self, data: bytes) -> int:
        return len(data)

    def gettimeout(self) -> float:
        return 0.0

    def close(self) -> None:
        self._chunks.clear()


SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536, 70_000])
KINDS = st.sampled_from(["text", "binary", "parts", "ping", "pong"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(KINDS, SIZES), max_size=12), st.lists(st.integers(1, 90_000), max_size=30)
)
def test_frames_of_every_kind_cut_anywhere_come_whole_and_in_order(
    frames: list[tuple[str, int]], cuts: list[int]
) -> None:
    sent, data = [], b""
    for number, (kind, size) in enumerate(frames):
        payload = bytes([number]) * size
        if kind in ("text", "binary"):
            data += frame(payload, TEXT if kind == "text" else 0x2)
            sent.append(payload)
        elif kind == "parts":
            parts = frame(payload, final=False) + frame(b"!", PING) + frame(payload, 0x0)
            data += parts
            sent.append(payload * 2)
        else:
            data += frame(payload[:125], PING if kind == "ping" else 0xA)
    chunks, at = [], 0
    for size in [*cuts, len(data)]:
        chunks += [data[at : at + size]] if data[at : at + size] else []
        at += size
    wire = Wire()
    wire.sock = Chunks(chunks)
    try:
        got = []
        while chunks:
            got += wire.gather(0.0)
        got += wire.gather(0.0)
    finally:
        wire.release()
    assert got == sent


def test_one_message_byte_by_byte(peer: Peer) -> None:
    for byte in frame(b"x" * 200):
        assert peer.wire.gather(0.0) == []
        peer.socket.sendall(bytes([byte]))
    assert peer.gather(1) == [b"x" * 200]


def test_a_message_in_parts_with_a_ping_between(peer: Peer) -> None:
    peer.socket.sendall(
        frame(b"one ", final=False) + frame(b"?", PING) + frame(b"two", 0x0) + frame(b"three")
    )
    assert peer.gather(2) == [b"one two", b"three"]
    pong = peer.socket.recv(100)
    assert pong[0] == 0x8A


def test_bytes_that_are_not_text_pass_unjudged(peer: Peer) -> None:
    peer.socket.sendall(frame(b"\xff\xfe\xc3"))
    assert peer.gather(1) == [b"\xff\xfe\xc3"]


@pytest.mark.parametrize("ending", [b"", frame(b"", CLOSE), frame(b"cut")[:3]])
def test_what_came_before_the_end_is_returned_before_the_end_is_told(
    peer: Peer, ending: bytes
) -> None:
    peer.socket.sendall(frame(b"one") + frame(b"two") + ending)
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.gather(2) == [b"one", b"two"]

    def ended() -> bool:
        try:
            return bool(peer.wire.gather(0.05))
        except (WebSocketConnectionClosedException, OSError):
            return True

    assert wait_until(ended)


def refuse(peer: Peer, data: bytes, error: type[Exception]) -> None:
    peer.socket.sendall(data)

    def refused() -> bool:
        try:
            assert peer.wire.gather(0.05) == []
        except error:
            return True
        return False

    wait_until(refused)


def test_a_length_too_large_is_refused_before_the_bytes_come(peer: Peer) -> None:
    announced = bytes([0x81, 127]) + (5_000_000_000).to_bytes(8, "big")
    refuse(peer, announced, WebSocketPayloadException)


def test_endless_parts_are_refused(peer: Peer) -> None:
    part = bytes([0x00, 127]) + (1_000_000).to_bytes(8, "big") + b"x" * 1_000_000
    sender = threading.Thread(
        target=lambda: peer.socket.sendall(frame(b"x", final=False) + part * 5), daemon=True
    )
    sender.start()
    refuse(peer, b"", WebSocketPayloadException)
    peer.wire.abort()
    sender.join(10.0)


@pytest.mark.parametrize("junk", [b"\xf1\x01x", b"\x83\x00", frame(b"", 0x0)])
def test_a_broken_protocol_is_an_error_not_a_message(peer: Peer, junk: bytes) -> None:
    refuse(peer, junk, WebSocketProtocolException)


def test_a_bell_ends_the_wait(peer: Peer) -> None:
    thread = threading.Timer(0.05, peer.wire.wake)
    thread.start()
    assert peer.wire.gather(60.0) == []
    thread.join()


def test_an_abort_from_another_thread_ends_the_wait(peer: Peer) -> None:
    thread = threading.Timer(0.05, peer.wire.abort)
    thread.start()
    with pytest.raises((WebSocketException, OSError)):
        peer.wire.gather(60.0)
    thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc x\r\n\r\n", b"\x16\x03\x01\r\n"],
)
def test_a_garbled_handshake_is_one_kind_of_error(answer: bytes) -> None:
    peer = Peer()

    def babble() -> None:
        peer.socket, _ = peer._listener.accept()
        peer.socket.recv(4096)
        peer.socket.sendall(answer)
        with contextlib.suppress(OSError):  # the client may be gone already
            peer.socket.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=babble)
    thread.start()
    with pytest.raises((WebSocketException, OSError)) as caught:
        peer.wire.open(peer.url, 10.0)
    thread.join()
    failure = explain(caught.value, "Venue", peer.url)
    assert str(failure).startswith("Venue: ")
    assert not isinstance(failure, VenueRefused)
    peer.close()


def test_a_handshake_that_drips_for_ever_is_cut() -> None:
    peer = Peer()
    done = threading.Event()

    def drip() -> None:
        peer.socket, _ = peer._listener.accept()
        try:
            while not done.wait(0.02):
                peer.socket.sendall(b"H")
        except OSError:
            return

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises((WebSocketException, OSError)):
        peer.wire.open(peer.url, 0.2)
    done.set()
    thread.join()
    peer.close()


def test_tls_to_a_server_without_it() -> None:
    peer = Peer()

    def plain() -> None:
        peer.socket, _ = peer._listener.accept()
        peer.socket.recv(4096)
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=plain)
    thread.start()
    url = peer.url.replace("ws:", "wss:")
    with pytest.raises(OSError) as caught:
        peer.wire.open(url, 10.0)
    thread.join()
    assert "no secure connection to 127.0.0.1" in str(explain(caught.value, "Venue", url))
    peer.close()


def attempt(url: str) -> FeedError:
    wire = Wire()
    try:
        with pytest.raises((WebSocketException, OSError)) as caught:
            wire.open(url, 5.0)
    finally:
        wire.release()
    return explain(caught.value, "Venue", url)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (unused_url, "connection refused by 127.0.0.1"),
        (lambda: "ws://nowhere.invalid", "nowhere.invalid could not be resolved"),
        (lambda: "ws://127.0.0.1:notaport", "violated the websocket protocol"),
        (lambda: "ws://" + "a" * 300 + ".test", "Venue: "),
    ],
)
def test_addresses_that_lead_nowhere(make: Callable[[], str], words: str) -> None:
    failure = attempt(make())
    assert words in str(failure)
    assert not isinstance(failure, VenueRefused)


def test_a_connection_that_was_cut_before_it_began_to_open_is_not_opened() -> None:
    with DeafServer() as server:
        wire = Wire()
        wire.abort()
        began = steady_s()
        with pytest.raises(OSError, match="cut short"):
            wire.open(server.url, 30.0)
        assert steady_s() - began < 10.0
        wire.release()
