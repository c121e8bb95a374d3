"""One writer per database, guarded by a lock of the operating system that dies with its process."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

from tandem.core.errors import StoreFull, StoreInUse
from tandem.core.files import PRIVATE

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_GROUP_WRITES = 0o020

if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes against reading too: lock one far behind the pid that others must read.
    def _try_lock(handle: int) -> None:
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(database: Path) -> bool:
    """Tell whether somebody records into a database; takes nothing."""
    try:
        handle = os.open(_lock_path(database), os.O_RDWR)
    except OSError:
        return False
    try:
        _try_lock(handle)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


class WriterLock:
    """The right to record into a database, held until `release` or the end of the process.

    Whoever may open the lock file can keep others from recording: by its mode, other users cannot.

    The lock is on ``<database>.lock``, which stays behind: removing it would let two processes
    lock two different files of the same name.

    Raises
    ------
    StoreInUse
        Another process (or another Store of this one) holds it.
    StoreFull
        The lock file cannot be written.
    """

    def __init__(self, database: Path, mode: int = PRIVATE) -> None:
        path = _lock_path(database)
        try:
            # Never through a link that somebody else may have put there.
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, PRIVATE)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StoreFull(
                    f"{path} is a link, through which Tandem locks nothing: it may lead to a file "
                    "that is not Tandem's. Remove the link to record here."
                ) from error
            raise StoreFull(
                f"Nothing can be written beside {database} ({error.strerror}). Live prices and "
                "signals work without the database; choose a writable folder with TANDEM_DATABASE."
            ) from error
        # Whoever may read it could hold it: only those who may record can open it. By the handle,
        # as the name may lead elsewhere by now; Windows has no such modes.
        if sys.platform != "win32":
            with contextlib.suppress(PermissionError):
                os.fchmod(self._handle, mode if mode & _GROUP_WRITES else PRIVATE)
        try:
            _try_lock(self._handle)
        except OSError:
            owner = os.read(self._handle, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            who = "this process" if owner == str(os.getpid()) else f"process {owner}"
            raise StoreInUse(
                f"{database} is in use for recording by {who}. Its data can be read here; to "
                "record here, stop that process or choose another file with TANDEM_DATABASE."
            ) from None
        self._note(str(os.getpid()))

    def release(self) -> None:
        """Let others record."""
        self._note("")
        os.close(self._handle)

    def _note(self, text: str) -> None:
        try:
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, text.encode("ascii"))
        except OSError:
            # A full disk: the lock holds all the same, only the pid cannot be told.
            return
