"""The database's file: its size, whether it can be read, and moving it out of the way."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from itertools import count
from pathlib import Path

from tandem.core.errors import StoreUnusable
from tandem.core.files import take
from tandem.storage.schema import check_file, check_format, check_inside, explain, open_reader

# Of the database, its write-ahead log and the index of that.
_ENDS = ("", "-shm", "-wal")


def move_aside(path: Path) -> Path:
    """Give a database with its log a new name in its folder; return where it is now."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for number in count():
        extra = f"-{number}" if number else ""
        aside = path.with_name(f"{path.stem}.aside-{stamp}{extra}{path.suffix}")
        parts = [
            (path.with_name(path.name + end), aside.with_name(aside.name + end)) for end in _ENDS
        ]
        if not any(target.exists() for _, target in parts):
            break
    # The log first: the file without it would be another record, the log without it is nothing.
    for source, target in reversed(parts):
        if source.exists() or not source.name.endswith(_ENDS[1:]):
            source.rename(target)
    return aside


def take_files(path: Path, mode: int) -> None:
    """Give a database and its log this mode; SQLite makes a log with the mode of its database.

    One that its user has made read-only stays so.

    Raises
    ------
    StoreUnusable
        The file is another user's and lies where anybody may put one: that user would read, and
        could change, all that is recorded.
    """
    if path.exists():
        of_file = path.stat()
        is_foreign = hasattr(os, "geteuid") and of_file.st_uid != os.geteuid()
        if is_foreign and path.parent.stat().st_mode & stat.S_IWOTH:
            raise StoreUnusable(
                f"{path} belongs to another user, in a folder that anybody may write to. Choose a "
                "file in a folder of your own with TANDEM_DATABASE."
            )
        if not of_file.st_mode & stat.S_IWUSR:
            return
    for part in (path.with_name(path.name + end) for end in _ENDS):
        if part == path or part.exists():
            # What cannot be written is explained when it is opened.
            with contextlib.suppress(OSError):
                take(part, mode)


def check_there(path: Path) -> None:
    """Refuse what is no database of Tandem's by its first bytes, or is not there."""
    if not check_file(path):
        raise StoreUnusable(f"There is no database at {path}; record something first.")


def check_readable(path: Path, *, any_format: bool = False) -> None:
    """Refuse what is no record, or cannot be read; one of another format where that matters."""
    check_there(path)
    connection = open_reader(path)
    try:
        check_inside(connection, path)
        if not any_format:
            check_format(connection, path, read_only=True)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()


def size_of(path: Path) -> int:
    """Return the bytes of a database with its write-ahead log."""
    total = 0
    for part in (path, path.with_name(path.name + "-wal")):
        try:
            total += part.stat().st_size
        except OSError:
            # Not there (yet, or any more); health must be readable all the same.
            continue
    return total
