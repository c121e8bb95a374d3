"""From what is uploaded to tables: open what it comes in, then read each text in it."""

from __future__ import annotations

from pathlib import Path

from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io import containers
from tandem.io import text as lines
from tandem.io.containers import Content
from tandem.io.fast_trades import read_quick
from tandem.io.model import Corrections, Table
from tandem.io.reader import read_text

LIMIT_BYTES = 400_000_000
_GUESS = Corrections()


def read(
    data: bytes | Path,
    name: str,
    limit_bytes: int = LIMIT_BYTES,
    corrections: Corrections = _GUESS,
    watch: Watch = UNWATCHED,
) -> Table:
    """Read a file of bars or trades, in any of the shapes people have.

    Parameters
    ----------
    data : bytes or Path
        The content, or the file itself: CSV, plain or in a zip or gzip, or Parquet.
    name : str
        File name: it names the instrument where the file does not, and appears in messages.
    limit_bytes : int
        Largest file read, packed or not.
    corrections : Corrections
        What is known about the file and need not be guessed.
    watch : Watch
        Shown progress and asked whether to go on, several times a second for big files of trades.

    Returns
    -------
    Table
        With its `report`.

    Raises
    ------
    Unclear
        The file could be read if it were told what its columns are, or how dates are written.
    DataError
        The file cannot be used at all; the sentence says why and what to do.
    Cancelled
        The watch said so.
    """
    found = read_files(data, name, limit_bytes, corrections, watch)
    if len(found) > 1:
        inside = ", ".join(lines.shown(table.report.name) for table in found[:4])
        raise DataError(
            f"{lines.shown(name)} holds {len(found)} tables ({inside}) where one is needed; give a "
            "zip with one file."
        )
    return found[0]


def read_files(
    data: bytes | Path,
    name: str,
    limit_bytes: int = LIMIT_BYTES,
    corrections: Corrections = _GUESS,
    watch: Watch = UNWATCHED,
) -> list[Table]:
    """Read a file that may be a zip of several tables; see `read`, whose arguments it takes.

    Returns
    -------
    list of Table
        In the order of the zip; one where it is no zip. Corrections go for all of them.
    """
    raw = lines.load(data, name, limit_bytes)
    found = containers.contents(raw, name, limit_bytes)
    return [
        _table(content, corrections, watch.part(place / len(found), (place + 1) / len(found)))
        for place, content in enumerate(found)
    ]


def _table(content: Content, corrections: Corrections, watch: Watch) -> Table:
    watch.check()
    quick = read_quick(content.raw, content.name, corrections, content.note, watch)
    return quick or read_text(content.raw, content.name, corrections, content.note, watch)
