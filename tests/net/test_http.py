"""The HTTP client against servers that hang, drip, lie and lose their way."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.core.clock import now_us
from tandem.core.errors import FeedError
from tandem.net import http as client_module
from tandem.net.http import Client
from tests.support.exchange import DeafServer, unused_url
from tests.support.rest_exchange import RestExchange, Tape
from tests.support.waiting import wait_until


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client(connect_s=1.0, read_s=1.0, total_s=1.5, most_bytes=2**20)
    yield client
    client.close()


def page(exchange: RestExchange) -> str:
    return f"{exchange.url}/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1&limit=1000"


def test_answers_come_whole_with_status_and_headers(client: Client, exchange: RestExchange) -> None:
    answer = client.get(page(exchange))
    assert answer.status == 200
    assert answer.headers["x-mbx-used-weight-1m"] == "20"
    assert answer.body.startswith(b'[{"a": 1,')
    assert answer.body.endswith(b"}]")
    assert client.get(f"{exchange.url}/nothing").status == 404


def test_one_connection_serves_many_requests(client: Client, exchange: RestExchange) -> None:
    for _ in range(5):
        client.get(page(exchange))
    assert exchange.connections == 1


def test_a_connection_the_server_gave_up_is_opened_anew(
    client: Client, exchange: RestExchange
) -> None:
    client.get(page(exchange))
    # Not an answer at all on the second request of the kept connection.
    exchange.fail("reset")
    assert client.get(page(exchange)).status == 200
    assert exchange.connections == 2


def test_after_an_idle_time_connections_are_not_trusted(
    client: Client, exchange: RestExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_IDLE_S", -1.0)
    client.get(page(exchange))
    client.get(page(exchange))
    assert exchange.connections == 2


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("hang", "did not answer in time"),
        ("drip", "did not answer in time"),
        ("cut", "broke off in the middle of its answer"),
        ("oversized", "sent a body above the size limit"),
        ("endless", "sent a body above the size limit"),
        ("packed", "sent an encoding that was not asked for"),
        ("reset", "hung up before it had answered"),
        (302, "sent a redirect, which is not followed"),
    ],
)
def test_what_is_no_answer_says_why_and_the_next_is_served(
    client: Client, exchange: RestExchange, fault: int | str, cause: str
) -> None:
    exchange.fail(fault, location="http://192.0.2.1/")
    with pytest.raises(FeedError, match=cause):
        client.get(page(exchange))
    assert client.get(page(exchange)).status == 200


@pytest.mark.parametrize(
    "reply",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 two hundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9\r\n" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n" + b"x" * 3_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
        b"",
    ],
)
def test_replies_that_break_the_protocol_are_bounded_failures(client: Client, reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(reply)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    return  # the client had enough

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(FeedError, match=r"^127\.0\.0\.1 "):
            client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()


def test_nobody_there_is_told(client: Client) -> None:
    with pytest.raises(FeedError, match=r"nothing answers at 127\.0\.0\.1"):
        client.get(unused_url("http"))


def test_a_name_that_does_not_exist_is_told(client: Client) -> None:
    with pytest.raises(FeedError, match=r"the name nobody\.invalid could not be found|in time"):
        client.get("https://nobody.invalid/")


def test_a_resolver_that_hangs_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        ending.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(FeedError, match="did not answer in time"):
        client.get("https://example.invalid/")
    ending.set()


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a/", "file:///etc/passwd", "http://", "", "http://a:b", "http://user:word@a/"),
        *("http://[::1/", "http://a/\r\nX: y", "http://a/\u00e9", "http://a/ b\x00"),
    ],
)
def test_addresses_that_are_none_are_refused_unasked(client: Client, url: str) -> None:
    with pytest.raises(FeedError, match="check its REST address"):
        client.get(url)


def test_headers_are_sent_and_never_told(client: Client, exchange: RestExchange) -> None:
    exchange.fail("cut")
    with pytest.raises(FeedError) as caught:
        client.get(f"{page(exchange)}&secret=1", {"x-key": "hush"})
    assert "hush" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_header_that_breaks_the_line_is_refused(client: Client, exchange: RestExchange) -> None:
    with pytest.raises(FeedError):
        client.get(page(exchange), {"x-key": "a\r\nX-Other: b"})
    assert not exchange.asked


def test_closing_ends_a_request_that_waits() -> None:
    client = Client(connect_s=60.0, read_s=60.0, total_s=60.0)
    failures: list[str] = []

    def ask(url: str) -> None:
        try:
            client.get(url)
        except FeedError as error:
            failures.append(str(error))

    with DeafServer() as deaf:
        url = deaf.url.replace("ws:", "http:")
        thread = threading.Thread(target=ask, args=(url,))
        thread.start()
        connection, _ = deaf.accept()
        wait_until(lambda: client._flights)
        client.close()
        thread.join(20.0)
        connection.close()
    assert failures == ["127.0.0.1 was not waited for: Tandem is stopping"]
    ask(url)
    assert failures[1:] == ["127.0.0.1 was not asked: Tandem is stopping"]


# TLS ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a self-signed certificate for 127.0.0.1 with its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    key = path.with_suffix(".key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[RestExchange]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with RestExchange(context=context) as exchange:
        exchange.tapes["BTCUSDT"] = Tape(1, 5_000, now_us() - 3_600_000_000, 20_000)
        yield exchange


def test_a_certificate_nobody_vouches_for_is_refused(client: Client, secure: RestExchange) -> None:
    with pytest.raises(FeedError, match="certificate of 127.0.0.1 could not be verified"):
        client.get(page(secure))
    assert not secure.asked


def test_a_certificate_one_trusts_serves(certificate: Path, secure: RestExchange) -> None:
    client = Client(context=ssl.create_default_context(cafile=str(certificate)))
    assert client.get(page(secure)).status == 200
    assert client.get(page(secure)).status == 200
    assert secure.connections == 1
    client.close()


def test_hangs_and_closing_end_over_tls_too(certificate: Path, secure: RestExchange) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    client = Client(total_s=0.3, context=context)
    secure.fail("drip")
    with pytest.raises(FeedError, match="did not answer in time"):
        client.get(page(secure))
    client.close()


def test_a_server_without_tls_is_told(client: Client, exchange: RestExchange) -> None:
    with pytest.raises(FeedError, match=r"no secure connection to 127\.0\.0\.1|hung up|in time"):
        client.get(page(exchange).replace("http:", "https:"))
