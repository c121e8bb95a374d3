"""Where alerts may be sent: which addresses are never written to.

Addresses of private networks, those where clouds answer their machines' questions and all that is
not a plain host are refused, after the name was looked up and for the very address that is
connected to. A desk whose mail server or webhook is in its own network allows private ones with
``TANDEM_ALERT_PRIVATE=on``; link-local and metadata ones never are.
In public mode neither private addresses nor this machine itself can be reached.
"""

from __future__ import annotations

from tandem.core.addresses import kind_of


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
            kind = kind_of(address)
        except ValueError:
            return "an invalid address"
        if kind == "loopback":
            return "" if self._loopback else "this machine"
        if kind == "private":
            return "" if self._private else "a private address"
        return "" if kind == "global" else "an address that is not a unicast host's"
