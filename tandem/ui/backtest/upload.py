"""One file dropped on the Backtest page: read in a thread of its own, and again once corrected."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from dataclasses import replace
from functools import partial

from tandem.core.errors import DataError
from tandem.core.jobs import Job
from tandem.core.parallel import Watch
from tandem.io.files import read_files
from tandem.io.model import Corrections, Table, Unclear
from tandem.ui.shared.jobs import begin

Columns = tuple[tuple[str, str], ...]


class Upload:
    """A file, what was said about it, and what was made of it.

    Parameters
    ----------
    raw : bytes
        Its content; not kept, since Streamlit keeps it.
    name : str
        As given; text from outside.
    limit_bytes : int
        Largest file read, packed or not.
    """

    def __init__(self, raw: bytes, name: str, limit_bytes: int) -> None:
        self.name = name
        self.told = Corrections()
        self._limit_bytes = limit_bytes
        self._guessed: Columns = ()
        self._refused = ""
        self.job: Job | None = None
        self._start(raw)

    def _start(self, raw: bytes) -> None:
        work = partial(_read, raw, self.name, self._limit_bytes, self.told)
        self._refused = ""
        try:
            self.job = begin(work, "read")
        except DataError as error:
            self.job, self._refused = None, str(error)

    def correct(self, raw: bytes, told: Corrections) -> None:
        """Read it again with other corrections; roles of columns that are no more are dropped."""
        self.guessed()
        cut = ("delimiter", "encoding", "header")
        if any(getattr(told, name) != getattr(self.told, name) for name in cut):
            told, self._guessed = replace(told, roles=()), ()
        self.close()
        self.told = told
        self._start(raw)

    def again(self, raw: bytes) -> None:
        """Read it again as before."""
        self.correct(raw, self.told)

    def close(self) -> None:
        """Stop reading, and release what was read."""
        if self.job is not None:
            self.job.cancel()
        self.job = None

    @property
    def _result(self) -> list[Table] | Unclear | None:
        found: list[Table] | Unclear | None = self.job.result if self.job else None
        return found

    @property
    def tables(self) -> list[Table]:
        """What it holds; nothing until it is read, or where it cannot be."""
        return self._result if isinstance(self._result, list) else []

    @property
    def unclear(self) -> Unclear | None:
        """Why a correction is needed."""
        return self._result if isinstance(self._result, Unclear) else None

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty where it can."""
        if self.unclear:
            return str(self.unclear)
        return self._refused or (self.job.text if self.job else "")

    @property
    def columns(self) -> Columns:
        """Each column's name and what it is taken for; empty where its tables differ in them."""
        if self.unclear:
            return self.unclear.columns
        found = {table.report.columns for table in self.tables}
        return found.pop() if len(found) == 1 else ()

    @property
    def sample(self) -> tuple[tuple[str, ...], ...]:
        """The first rows as text."""
        if self.unclear:
            return self.unclear.sample
        return self.tables[0].report.sample if self.tables else ()

    def guessed(self) -> Columns:
        """Return what the columns are taken for where nothing is said of their use."""
        if not self.told.roles and self.columns:
            self._guessed = self.columns
        return self._guessed or self.columns


def _read(
    raw: bytes, name: str, limit_bytes: int, told: Corrections, watch: Watch
) -> list[Table] | Unclear:
    try:
        return read_files(raw, name, limit_bytes, told, watch)
    except Unclear as unclear:
        return unclear
    finally:
        _give_back()


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps it for the thread, which may read no more."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library has no such call
            ctypes.CDLL(None).malloc_trim(0)
