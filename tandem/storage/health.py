"""How the record is doing, in numbers and in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tandem.storage.retention import Policy
from tandem.storage.writer import Writer

State = Literal["recording", "paused", "closed", "reading"]

_SAVED = (
    "The record's log was deleted while it was recorded into; what was in it is in the file. Leave "
    "the files that end in -wal and -shm alone while Tandem runs."
)


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the record is doing.

    Attributes
    ----------
    state : {"recording", "paused", "closed", "reading"}
    text : str
        What happened, what still works and what to do, for the screen.
    queued : int
        Entries that wait for the writer.
    written : int
        New trades committed since the start.
    oldest_waiting_s : float
        How long the oldest of the waiting entries has waited.
    bytes : int
        Size of the file with its write-ahead log.
    last_commit_us : int
        This machine's time of the last commit; 0 before the first.
    lost : int
        Trades and candles that found no room while recording was paused; the trades' place is
        recorded as a gap. What fills a gap is settled only where this has not grown meanwhile.
    refused : int
        Entries that no database could hold (not a number, out of range).
    expired : int
        Trades not taken because they are older than what is kept.
    pruned : int
        Trades removed since the start because they are older than what is kept.
    kept : Policy
        What is kept for how long.
    renumbered : dict
        By instrument, trades since the start that came under the number of an earlier one: the
        venue began to count anew. They are recorded, under their number and time.
    notes : tuple of str
        What happened since the start that the user should know although recording goes on.
    """

    state: Literal["recording", "paused", "closed", "reading"]
    text: str
    queued: int = 0
    written: int = 0
    oldest_waiting_s: float = 0.0
    bytes: int = 0
    last_commit_us: int = 0
    lost: int = 0
    refused: int = 0
    expired: int = 0
    pruned: int = 0
    kept: Policy = Policy()
    renumbered: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def notes_of(writer: Writer) -> tuple[str, ...]:
    """Say what happened to the record although it goes on."""
    notes = [_SAVED] if writer.saved_logs else []
    if anew := writer.renumbered:
        names = ", ".join(sorted(anew)[:3]) + (
            f" and {len(anew) - 3} more" if len(anew) > 3 else ""
        )
        notes.append(
            f"The venue counts its trades of {names} anew: {sum(anew.values())} came under numbers "
            "recorded before and are kept under their number and time."
        )
    return tuple(notes)
