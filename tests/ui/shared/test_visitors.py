"""Whose forwarded address counts: what trusted proxies say, and nothing else."""

from __future__ import annotations

import ipaddress

import pytest

from tandem.ui.shared.visitors import is_forwarded, verified_address

PROXIES = (ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For",
        "forwarded",
        "Via",
        "X-Real-IP",
        "x-forwarded-proto",
        "CF-Ray",
        "X-Client-IP",
        "X_Forwarded_For",
        "X-Forwarded",
    ],
)
def test_a_request_that_a_proxy_passed_on_is_known(name: str) -> None:
    assert is_forwarded(["Host", name])
    assert not is_forwarded(["Host", "Origin", "Cookie", "User-Agent"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        ("127.0.0.1", ["203.0.113.5", "10.1.2.3"], "203.0.113.5"),
        # What stands before the address a trusted proxy saw, anybody may have written.
        ("127.0.0.1", ["127.0.0.1, 203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", [], ""),
        ("127.0.0.1", ["unknown"], ""),
        ("127.0.0.1", ["10.1.2.3"], ""),
        # A proxy that is not trusted.
        ("192.0.2.9", ["203.0.113.5"], ""),
    ],
)
def test_a_forwarded_address_is_the_last_that_no_trusted_proxy_has(
    peer: str, forwarded_for: list[str], address: str
) -> None:
    assert verified_address(peer, True, forwarded_for, PROXIES) == address


def test_a_direct_request_comes_from_its_peer() -> None:
    assert verified_address("192.0.2.9", False, [], PROXIES) == "192.0.2.9"
