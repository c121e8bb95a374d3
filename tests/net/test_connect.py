"""How a server is reached: every address of its name, the proxy of the environment, one TLS."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tandem.core.errors import FeedError
from tandem.ingest.errors import explain
from tandem.ingest.socket import Wire
from tandem.net.connect import Attempt, ProxyFailed, connected, proxy_for, verifying
from tandem.net.http import Client
from tests.support.exchange import Exchange
from tests.support.rest_exchange import RestExchange
from tests.support.tunnel import Tunnel

PAGE = "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1&limit=5"


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


# Addresses --------------------------------------------------------------------------------


def resolves_to(monkeypatch: pytest.MonkeyPatch, *places: tuple[int, str, int]) -> None:
    found = [(family, socket.SOCK_STREAM, 6, "", (host, port)) for family, host, port in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_an_unreachable_address_leads_to_the_next(
    monkeypatch: pytest.MonkeyPatch, exchange: RestExchange, client: Client
) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if address[0] == "192.0.2.1":
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    four, port = socket.AF_INET, port_of(exchange.url)
    resolves_to(monkeypatch, (four, "192.0.2.1", port), (four, "127.0.0.1", port))
    assert client.get(f"http://venue.test:{port}{PAGE}").status == 200


def test_silent_addresses_leave_time_for_the_one_that_answers(
    monkeypatch: pytest.MonkeyPatch, exchange: RestExchange
) -> None:
    real, waited = socket.socket.connect, []

    def connect(self: socket.socket, address: Any) -> None:
        if address[0] != "127.0.0.1":
            waited.append(self.gettimeout())
            raise TimeoutError
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    four, six, port = socket.AF_INET, socket.AF_INET6, port_of(exchange.url)
    resolves_to(
        monkeypatch,
        *((six, f"2001:db8::{n}", port) for n in (1, 2, 3)),
        (four, "192.0.2.1", port),
        (four, "127.0.0.1", port),
    )
    with Attempt(10.0) as attempt:
        connected(attempt, "venue.test", port, None, 10.0).close()
    # IPv6, IPv4, IPv6, and then the one: none may take all of the time.
    assert len(waited) == 3
    assert waited[0] == pytest.approx(2.0, abs=0.5)


def test_the_stream_tries_every_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if address[0] != "127.0.0.1":
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    with Exchange() as exchange:
        six, four, port = socket.AF_INET6, socket.AF_INET, exchange.port
        resolves_to(monkeypatch, (six, "2001:db8::1", port), (four, "127.0.0.1", port))
        wire = Wire()
        wire.open(f"ws://venue.test:{port}/market/stream?streams=btcusdt@aggTrade", 5.0)
        assert wire.connected
        wire.release()


# Proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_requests_go_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
    exchange: RestExchange,
    client: Client,
    kind: str,
    variable: str,
) -> None:
    with Tunnel(kind, ("127.0.0.1", port_of(exchange.url))) as tunnel:
        monkeypatch.setenv(variable, tunnel.url())
        # A name that nobody but the proxy knows.
        assert client.get(f"http://venue.invalid:8000{PAGE}").status == 200
        assert tunnel.asked == [("venue.invalid", 8000)]


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_streams_go_through_the_proxy(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with Exchange() as exchange, Tunnel(kind, ("127.0.0.1", exchange.port)) as tunnel:
        monkeypatch.setenv("http_proxy", tunnel.url())
        wire = Wire()
        wire.open("ws://venue.invalid/market/stream?streams=btcusdt@aggTrade", 5.0)
        assert wire.connected
        assert tunnel.asked == [("venue.invalid", 80)]
        wire.release()


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_user_is_named_to_the_proxy_and_to_nobody_else(
    monkeypatch: pytest.MonkeyPatch, exchange: RestExchange, client: Client, kind: str
) -> None:
    with Tunnel(kind, ("127.0.0.1", port_of(exchange.url)), refuses=True) as tunnel:
        monkeypatch.setenv("http_proxy", tunnel.url("trader:s3cret-word"))
        with pytest.raises(FeedError) as failed:
            client.get(f"http://venue.invalid{PAGE}")
        assert len(tunnel.passwords) == 1
    assert "s3cret-word" not in str(failed.value)


def test_the_proxy_is_blamed_and_not_the_exchange(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    with Tunnel("http", refuses=True) as tunnel:
        monkeypatch.setenv("http_proxy", tunnel.url())
        said = f"the proxy 127.0.0.1:{tunnel.port} did not connect to venue.invalid"
        with pytest.raises(FeedError, match=said):
            client.get("http://venue.invalid/")
        wire = Wire()
        with pytest.raises(ProxyFailed) as failed:
            wire.open("ws://venue.invalid/", 5.0)
        wire.release()
    assert said in str(explain(failed.value, "Venue", "ws://venue.invalid/"))
    with pytest.raises(FeedError, match=f"nothing answers at the proxy 127.0.0.1:{tunnel.port}"):
        client.get("http://venue.invalid/")


@pytest.mark.parametrize(
    ("host", "is_proxied"),
    [("venue.test", True), ("inside.corp.test", False), ("10.0.0.7", False)],
)
def test_names_of_no_proxy_are_reached_directly(
    monkeypatch: pytest.MonkeyPatch, host: str, is_proxied: bool
) -> None:
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    monkeypatch.setenv("no_proxy", "corp.test,10.0.0.7")
    found = proxy_for(host, True)
    assert (found is not None) is is_proxied
    assert found is None or found.name == "proxy.test:3128"
    assert proxy_for(host, False) is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://proxy.test", "proxy.test:80"),
        ("proxy.test", "proxy.test:80"),
        ("SOCKS5://proxy.test", "proxy.test:1080"),
        ("socks4a://proxy.test:9", "proxy.test:9"),
    ],
)
def test_a_proxy_without_a_port_has_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, url: str, name: str
) -> None:
    monkeypatch.setenv("https_proxy", url)
    found = proxy_for("venue.test", True)
    assert found is not None
    assert found.name == name


def test_a_password_is_given_as_it_is_and_not_as_addresses_write_it(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    with Tunnel("socks5", refuses=True) as tunnel:
        monkeypatch.setenv("http_proxy", tunnel.url("trader%40desk:p%3Ass%2Fword"))
        with pytest.raises(FeedError, match="the proxy"):
            client.get("http://venue.invalid/")
        assert tunnel.passwords == ["trader@desk:p:ss/word"]


@pytest.mark.parametrize("url", ["ftp://proxy.test", "http://", "http://proxy.test:port"])
def test_what_is_no_proxy_is_said_to_be_none(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(ProxyFailed, match="not an http or socks address"):
        proxy_for("venue.test", True)


def test_where_addresses_are_checked_no_proxy_looks_names_up(
    monkeypatch: pytest.MonkeyPatch, exchange: RestExchange
) -> None:
    with Tunnel("http") as tunnel:
        monkeypatch.setenv("http_proxy", tunnel.url())
        client = Client(refused=lambda address: "")
        assert client.get(exchange.url + PAGE).status == 200
        assert tunnel.asked == []
        client.close()


# TLS --------------------------------------------------------------------------------------


def test_the_same_certificates_serve_on_every_python() -> None:
    context = verifying()
    assert context.verify_flags == ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
