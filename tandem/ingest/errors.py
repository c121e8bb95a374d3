"""What a failed connection means: decided here only."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from websocket import (
    WebSocketAddressException,
    WebSocketBadStatusException,
    WebSocketConnectionClosedException,
    WebSocketPayloadException,
    WebSocketTimeoutException,
)

from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import FeedError, VenueRefused
from tandem.ingest.socket import ClosedByVenue
from tandem.net.connect import ProxyFailed
from tandem.net.rate_limit import retry_after_s

# Waits after closings that mean "policy violation" (too many requests) and "try again later".
_CLOSE_WAITS_S = {1008: 30.0, 1013: 10.0}


def explain(error: Exception, title: str, url: str) -> FeedError:
    """Decide what a failed connection means, in one place, and say it.

    Returns
    -------
    FeedError
        A `VenueRefused` where trying again at once is pointless; any other is worth a retry.
    """
    host = _host(url)
    if isinstance(error, FeedError):
        return error
    if isinstance(error, WebSocketBadStatusException):
        return _explain_status(error, title)
    if isinstance(error, ClosedByVenue):
        return _explain_close(error, title)
    if isinstance(error, (WebSocketAddressException, socket.gaierror)):
        return FeedError(
            f"{title}: the host name {host} could not be resolved (no network, or no DNS)"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return FeedError(
            f"{title}: the certificate of {host} could not be verified (wrong system clock, or "
            "an intercepting proxy)"
        )
    if isinstance(error, ssl.SSLError):
        return FeedError(f"{title}: no secure connection to {host}")
    if isinstance(error, ConnectionRefusedError):
        return FeedError(f"{title}: connection refused by {host}")
    if isinstance(error, ProxyFailed):
        return FeedError(f"{title}: {host} could not be reached: {error}; check its settings")
    if isinstance(error, (WebSocketTimeoutException, TimeoutError)):
        return FeedError(f"{title}: {host} timed out")
    if isinstance(error, WebSocketPayloadException):
        return FeedError(f"{title}: message exceeds the size limit")
    if isinstance(error, (WebSocketConnectionClosedException, ConnectionError)):
        return FeedError(f"{title}: the connection was lost")
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return FeedError(f"{title}: {host} could not be reached ({reason})")
    return FeedError(f"{title}: {host} violated the websocket protocol")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return repr(url[:60])


def _explain_close(error: ClosedByVenue, title: str) -> FeedError:
    said = f"code {error.code}" + (f": {error.reason}" if error.reason else "")
    text = f"{title} closed the connection ({said})"
    wait_s = _CLOSE_WAITS_S.get(error.code)
    return FeedError(text) if wait_s is None else VenueRefused(text, 0, wait_s)


def _explain_status(error: WebSocketBadStatusException, title: str) -> FeedError:
    # A server that answers with an empty line has no status, whatever the type says.
    status, body = error.status_code or 0, bytes(error.resp_body or b"")
    headers = {str(name).lower(): value for name, value in (error.resp_headers or {}).items()}
    wait_s = retry_after_s(headers, now_us() / SECOND_US, body)
    if status in (403, 451):
        reason = (
            "not available in this region"
            if status == 451
            else "forbidden, possibly a region restriction"
        )
        text = f"{title} refused this address (HTTP {status}: {reason})"
        return VenueRefused(text, status, wait_s)
    if status in (418, 429):
        return VenueRefused(f"{title} rate-limited connections (HTTP {status})", status, wait_s)
    if 400 <= status < 500:
        return VenueRefused(
            f"{title} refused the request (HTTP {status}); check its address in the settings",
            status,
            wait_s,
        )
    if status < 400:
        return FeedError(f"{title}: the response is not from a websocket server")
    text = f"{title} is temporarily unavailable (HTTP {status})"
    return FeedError(text) if wait_s is None else VenueRefused(text, status, wait_s)
