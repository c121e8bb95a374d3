"""Host names and numeric addresses: which are this machine, a private network, or the internet."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from tandem.core.errors import SettingError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["loopback", "private", "global", "special"]

_AUTHORITY = re.compile(
    r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?))\.?(?::\d{1,5})?"
)
# Where clouds answer their machines' questions, secrets included, outside the link-local ranges.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("192.0.0.192", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
# An IPv6 address that stands for an IPv4 one, and how many bits lie below that one.
_EMBEDDED = tuple(
    (ipaddress.IPv6Network(text), below)
    for text, below in (
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("::/96", 0),
        ("2002::/16", 80),
    )
)


def host_of(authority: str) -> str:
    """Return the host of ``host`` or ``host:port`` in lower case; empty where it is malformed."""
    found = _AUTHORITY.fullmatch(authority.lower())
    return (found[1] or found[2]) if found else ""


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or number; nothing is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, setting: str, secure: str = "https", plain: str = "http") -> str:
    """Return an address that nothing travels to in clear; the errors never show it.

    Raises
    ------
    SettingError
        It is none, or not encrypted although it is not on this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    is_sound = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    if not host or not is_sound or parts.scheme not in (secure, plain):
        raise SettingError(f"{setting} is no address; give it as {secure}://host/path.")
    if parts.scheme == plain and not is_loopback(host):
        raise SettingError(f"{setting} must start with {secure}://, unless it is on this machine.")
    return url


def kind_of(address: str) -> Kind:
    """Return where a numeric address leads; what embeds an IPv4 address is at best private.

    `special` ones belong to no host that anybody means: link-local, metadata, multicast, reserved.

    Raises
    ------
    ValueError
        It is no address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.is_loopback:
        return "loopback"
    inner = _embedded(found)
    if inner is not None:
        kind = kind_of(str(inner))
        if found in _EMBEDDED[0][0]:  # the same host, spelt as IPv6
            return kind
        return "private" if kind in ("private", "global") else "special"
    if found in _METADATA or found.is_link_local or found.is_multicast or found.is_unspecified:
        return "special"
    if isinstance(found, ipaddress.IPv6Address) and found.is_site_local:
        return "private"
    if found.is_reserved:
        return "special"
    if found.is_global:
        return "global"
    return "private" if found.is_private else "special"


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv6Address) and not address.is_unspecified:
        for network, below in _EMBEDDED:
            if address in network:
                return ipaddress.IPv4Address(int(address) >> below & 0xFFFFFFFF)
    return None
