"""Where a request comes from: through a proxy or not, and from which address."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence

from tandem.core.addresses import Network

# What proxies, tunnels and content networks add to the requests they pass on.
_FORWARDING = {
    *("forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "cf-ray"),
    *("x-client-ip", "x-cluster-client-ip", "fastly-client-ip", "x-envoy-external-address"),
}
_FORWARDED = "x-forwarded"


def is_forwarded(headers: Iterable[str]) -> bool:
    """Return whether one of a request's header names says that a proxy passed it on."""
    lower = (name.lower().replace("_", "-") for name in headers)
    return any(name in _FORWARDING or name.startswith(_FORWARDED) for name in lower)


def verified_address(
    peer: str, is_forwarded: bool, forwarded_for: Sequence[str], trusted: Collection[Network]
) -> str:
    """Return the address a request comes from; empty where it cannot be verified.

    Parameters
    ----------
    peer : str
        Who is connected.
    is_forwarded : bool
        The request says that it was passed on.
    forwarded_for : sequence of str
        Its ``X-Forwarded-For`` headers. What trusted proxies added stands last; whatever stands
        before that anybody may have written.
    trusted : collection of networks
    """
    if not is_forwarded:
        return peer
    chain = [one.strip() for line in forwarded_for for one in line.split(",")]
    for address in (peer, *reversed(chain)):
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return ""
        if not any(found in network for network in trusted):
            # A proxy that is not trusted says nothing of who is behind it.
            return "" if address == peer else str(found)
    return ""
