"""Every failure Tandem raises on purpose; its text is for the user."""

from __future__ import annotations

# TandemError             every failure Tandem raises on purpose; its text is for the user
# ├── DataError           the input cannot give the answer asked for (also a ValueError)
# ├── SettingError        a setting is wrong; names the setting and what it accepts
# ├── FeedError           a venue cannot be read
# │   ├── VenueRefused    it answered no (region, ban); retrying at once is pointless
# │   ├── UnknownSymbol   it does not list the instrument
# │   └── MessageError    one message could not be parsed; counted and skipped
# │       └── UnknownKind it is of a kind not asked for: it held no trade
# ├── Cancelled           long work was told to stop, and did
# └── StoreError          the database cannot be written or read
#     ├── StoreInUse      another process is recording into the same file
#     ├── StoreUnusable   the file is damaged or is not a Tandem database
#     └── StoreFull       no space, or no permission to write; recording pauses


class TandemError(Exception):
    """A failure whose text tells the user what happened and what to do."""


class DataError(TandemError, ValueError):
    """Input that cannot give the answer: says what was there, what was needed, what to do."""


class Cancelled(TandemError):
    """Long work that was told to stop, and did."""


class SettingError(TandemError):
    """A setting with a value that cannot be used."""


class FeedError(TandemError):
    """A venue that cannot be read."""


class VenueRefused(FeedError):
    """A venue that answered no.

    Attributes
    ----------
    status : int
        The HTTP status it gave; 0 if none.
    wait_s : float or None
        How long it asks to be left alone; None where it does not say.
    """

    def __init__(self, text: str, status: int = 0, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.wait_s = wait_s


class UnknownSymbol(FeedError):
    """A symbol the venue does not list."""


class MessageError(FeedError):
    """One message that could not be parsed: it may have held trades."""


class UnknownKind(MessageError):
    """A message of a kind that was not asked for: it held no trade."""


class StoreError(TandemError):
    """The database cannot be written or read."""


class StoreInUse(StoreError):
    """Another process holds the database for writing."""


class StoreUnusable(StoreError):
    """The file is damaged, or it is not a Tandem database."""


class StoreFull(StoreError):
    """There is no space left, or no permission to write."""
