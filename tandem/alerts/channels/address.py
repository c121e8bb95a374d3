"""Where alerts may be sent: which addresses are never written to.

Web addresses are https, except on this machine. Addresses of private networks, link-local ones
(where clouds keep their secrets) and all that is not a plain host are refused, after the name was
looked up and for the very address that is connected to. A desk whose mail server or webhook is in
its own network allows private ones with ``TANDEM_ALERT_PRIVATE=on``; link-local ones never are.
In public mode neither private addresses nor this machine itself can be reached.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tandem.core.errors import SettingError

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Reach:
    """Which addresses alerts may go to.

    Parameters
    ----------
    private : bool
        Addresses of private networks, too.
    loopback : bool
        This machine, too.
    """

    def __init__(self, private: bool = False, loopback: bool = True) -> None:
        self._private = private
        self._loopback = loopback

    def refused(self, address: str) -> str:
        """Return what is wrong with a numeric address, or nothing."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "an invalid address"
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if found.is_loopback:
            return "" if self._loopback else "this machine"
        if found.is_global and not found.is_multicast:
            return ""
        is_network = found.is_private and not (
            found.is_link_local or found.is_unspecified or found.is_multicast or found.is_reserved
        )
        if is_network:
            return "" if self._private else "a private address"
        return "not a unicast host address"


def check_url(url: str, setting: str) -> str:
    """Return a web address alerts may be posted to; the errors never show it.

    Raises
    ------
    SettingError
        It is none, or not https although it is not on this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    is_plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    if not host or not is_plain or parts.scheme not in ("http", "https"):
        raise SettingError(f"{setting} is not a web address; use https://host/path.")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise SettingError(f"{setting} must start with https://, unless it is on this machine.")
    return url
