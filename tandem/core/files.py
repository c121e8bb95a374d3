"""Files that other users of the machine cannot open, whatever the process's umask allows."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# The user's own; a group is let in by the modes below it.
PRIVATE = 0o600


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Create a folder and those above it, open to whom files of this mode are open.

    What exists stays as it is: it may hold more than Tandem's files.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.is_dir()]):
        missing.mkdir(exist_ok=True)
        # Who may read a file may enter its folder.
        os.chmod(missing, mode | (mode & 0o444) >> 2)


def take(path: Path, mode: int = PRIVATE) -> None:
    """Give a file this mode, whatever it was before; create it where there is none.

    Another user's file keeps its mode.
    """
    # One that exists is not opened: closing it would drop this process's locks on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    with contextlib.suppress(PermissionError):
        os.chmod(path, mode)
