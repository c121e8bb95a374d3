"""Files for download: written from the database in pieces, one at a time, on a thread of their own.

A download button would hold a whole file in memory for every visitor. Here a file grows on the
disk, below the folder Streamlit serves, and is fetched from there under a name nobody can guess.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.bars import resample
from tandem.core.clock import DAY_US, SECOND_US, steady_s
from tandem.core.errors import Cancelled, DataError, StoreError
from tandem.core.events import BAR, Trade
from tandem.core.files import PRIVATE, make_folder, take
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.storage.protocols import Records

log = logging.getLogger("tandem.exporting")

KEPT_S = 1_800.0
MOST_EXPORTS = 8
MOST_WAITING = 20
# The end of 2100.
LATEST_US = 47_847 * DAY_US
# Streamlit serves no file above 200 MiB, and stops serving a folder above 1 GiB when it starts.
PART_BYTES = 190 * 10**6
MOST_BYTES = 800 * 10**6
# The database is on the same disk more often than not, and goes first.
SPARE_BYTES = 256 * 2**20

# Small, so that neither memory nor the wait of another thread grows with the range.
_SLICE_TRADES = 4_000
_SLICE_MINUTES = 120
_SLICE_CANDLES_US = 14 * DAY_US
# After each slice the threads that read and draw go first.
_YIELD_S = 0.002
_SWEEP_S = 60.0
_DIED = (
    "Exports stopped because of an internal error (see the log); recording and screen go "
    "on. Restart the app, and please report it."
)
_TOKEN = re.compile(r"[\w-]{20,}")

Kind = Literal["trades", "bars", "candles"]
Form = Literal["csv", "parquet"]
State = Literal["waiting", "running", "done", "failed"]


class Wanted(NamedTuple):
    """What a file shall hold: rows of one instrument whose time is in [start_us, end_us).

    `interval_us` is the length of the bars, a divisor of a day; it says nothing of the rest.
    """

    instrument: str
    kind: Kind
    start_us: int
    end_us: int
    form: Form = "csv"
    interval_us: int = SECOND_US


class Part(NamedTuple):
    """A finished file: its name, its place below the served folder, its size."""

    name: str
    place: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """How an export goes.

    Attributes
    ----------
    state : {"waiting", "running", "done", "failed"}
    rows, bytes : int
        Written so far.
    fraction : float
        Of the range's time, 0 to 1.
    seconds : float
        How long it has been writing.
    parts : tuple of Part
        Files that can be fetched; more than one where they would be too large to be served.
    text : str
        What happened and what to do, for the screen; empty while all is well.
    """

    wanted: Wanted
    state: State = "waiting"
    rows: int = 0
    bytes: int = 0
    fraction: float = 0.0
    seconds: float = 0.0
    parts: tuple[Part, ...] = ()
    text: str = ""

    @property
    def is_going_on(self) -> bool:
        """Whether more is coming."""
        return self.state in ("waiting", "running")


def check(wanted: Wanted) -> None:
    """Refuse what cannot be exported.

    Raises
    ------
    DataError
        The range is empty, the instrument is none, or the bars' length divides no day.
    """
    split_instrument(wanted.instrument)
    if wanted.end_us <= wanted.start_us:
        raise DataError("The range ends before it begins; choose a later end.")
    if wanted.start_us < 0 or wanted.end_us > LATEST_US:
        raise DataError("The range is not between 1970 and 2100; choose other ends.")
    if wanted.interval_us < SECOND_US or DAY_US % wanted.interval_us:
        raise DataError(
            f"Bars of {wanted.interval_us / SECOND_US:g} s do not divide a day; "
            "choose 1 s, 1 min or 1 h."
        )


def no_rows(wanted: Wanted) -> str:
    """Say that nothing of it is recorded."""
    return (
        f"No {wanted.kind} of {wanted.instrument} are recorded from "
        f"{_utc(wanted.start_us)} to {_utc(wanted.end_us)} UTC; choose a range inside what "
        "is recorded."
    )


class _Full(Exception):
    """The room for exports is used up; what is written stays."""


class _Job:
    """One export: what is told of it, and whether it shall end."""

    def __init__(self, owner: str, wanted: Wanted) -> None:
        self.owner = owner
        self.token = secrets.token_urlsafe(24)
        self.told = Export(wanted)
        self.stop = threading.Event()
        self.at = steady_s()


class Exporter:
    """Writes one export at a time. Any thread may ask; nothing here waits for a file.

    Parameters
    ----------
    folder : Path
        Where files go, each in a folder of its own; created when first needed. What lies there
        longer than half an hour is deleted, whoever wrote it.
    served_at : str
        The path under which the folder is served.
    file_mode : int
        Of the files.
    """

    def __init__(
        self,
        folder: Path,
        record: Records,
        served_at: str = "app/static/exports",
        file_mode: int = PRIVATE,
    ) -> None:
        self._folder, self._record, self._served_at = folder, record, served_at
        self._file_mode = file_mode
        self._jobs: dict[str, _Job] = {}
        self._wake = threading.Condition()
        self._ending = False
        self._life = Supervisor(_DIED)
        self._thread = threading.Thread(
            target=self._life.watch, args=(self._run,), name="exports", daemon=True
        )

    def start(self) -> None:
        """Begin; deletes what an earlier process left behind."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End whatever is written, and delete this process's files."""
        with self._wake:
            self._ending = True
            for job in self._jobs.values():
                job.stop.set()
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        for job in self._jobs.values():
            self._remove(job)

    def export(self, owner: str, wanted: Wanted) -> None:
        """Ask for a file; what the same owner had before is deleted.

        Parameters
        ----------
        owner : str
            Who asks: only they are told the file's place.

        Raises
        ------
        DataError
            The range is empty, the instrument is none, the bars' length divides no day, or too
            many exports are waiting.
        """
        check(wanted)
        with self._wake:
            self.drop(owner)
            waiting = sum(one.told.is_going_on for one in self._jobs.values())
            if waiting >= MOST_WAITING:
                raise DataError(
                    f"{waiting} exports of others are waiting; try again when they are written."
                )
            self._jobs[owner] = _Job(owner, wanted)
            self._wake.notify_all()

    def of(self, owner: str) -> Export | None:
        """Return how an owner's export goes; None without one, or once its time is over."""
        job = self._jobs.get(owner)
        if job is not None and self.problem and job.told.is_going_on:
            job.told = replace(job.told, state="failed", text=self.problem)
        return job.told if job else None

    def waiting_before(self, owner: str) -> int:
        """Return how many exports of others come before an owner's."""
        job = self._jobs.get(owner)
        if job is None or job.told.state != "waiting":
            return 0
        others = list(self._jobs.values())
        return sum(one.told.is_going_on and one.at < job.at for one in others)

    @property
    def problem(self) -> str:
        """What to say on screen once an unexpected error has ended the thread; else empty."""
        return self._life.problem

    def drop(self, owner: str) -> None:
        """End an owner's export and delete its files."""
        with self._wake:
            job = self._jobs.pop(owner, None)
        if job is not None:
            job.stop.set()
            self._remove(job)

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        swept = -_SWEEP_S
        while True:
            if steady_s() - swept >= _SWEEP_S:
                self._sweep()
                swept = steady_s()
            with self._wake:
                if self._ending:
                    return
                job = min(
                    (one for one in self._jobs.values() if one.told.state == "waiting"),
                    key=lambda one: one.at,
                    default=None,
                )
                if job is None:
                    self._wake.wait(_SWEEP_S)
                    continue
            self._write(job)

    def _write(self, job: _Job) -> None:
        began = steady_s()
        job.told = replace(job.told, state="running")
        writing = _Writing(
            self._folder / job.token, self._record, job, self._room(), self._file_mode
        )
        try:
            writing.all_parts()
            state, text = self._ended(job)
        except Cancelled:
            # Whoever ended it holds it no more: there is nobody left to tell.
            self._remove(job)
            return
        except _Full as error:
            state, text = ("done" if job.told.rows else "failed"), str(error)
        except (DataError, StoreError) as error:
            state, text = "failed", str(error)
        except OSError as error:
            log.warning("An export failed: %s", error)
            state, text = "failed", self._refused(error)
        parts = writing.parts if state == "done" else []
        told = tuple(
            Part(name, f"{self._served_at}/{job.token}/{name}", size) for name, size in parts
        )
        # Before it is shown: whoever reads that it failed finds nothing left behind.
        if state != "done":
            self._remove(job)
        job.told = replace(job.told, state=state, text=text, parts=told, seconds=steady_s() - began)
        if job.stop.is_set():
            self._remove(job)

    def _ended(self, job: _Job) -> tuple[State, str]:
        wanted = job.told.wanted
        if job.told.rows:
            return "done", ""
        return "failed", no_rows(wanted)

    def _refused(self, error: OSError) -> str:
        return (
            f"The file could not be written into {self._folder} ({error.strerror or error}). "
            "Recording and screen go on; make room there, or make the folder writable, and "
            "export again."
        )

    def _room(self) -> int:
        """Return how many bytes may be written, deleting the oldest exports where that helps."""
        with self._wake:
            finished = sorted(
                (one for one in self._jobs.values() if not one.told.is_going_on),
                key=lambda one: one.at,
            )
            while finished and (
                len(finished) >= MOST_EXPORTS or _size(self._folder) > MOST_BYTES // 2
            ):
                self.drop(finished.pop(0).owner)
        return max(MOST_BYTES - _size(self._folder), 0)

    def _remove(self, job: _Job) -> None:
        shutil.rmtree(self._folder / job.token, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what is too old to be fetched any more."""
        for owner, job in list(self._jobs.items()):
            if not job.told.is_going_on and steady_s() - job.at > KEPT_S + job.told.seconds:
                self.drop(owner)
        # Left behind by a process that was killed; one that lives may share the folder.
        with contextlib.suppress(OSError):
            for place in self._folder.iterdir():
                ours = _TOKEN.fullmatch(place.name) and place.is_dir() and not place.is_symlink()
                if ours and time.time() - _touched(place) > KEPT_S:
                    shutil.rmtree(place, ignore_errors=True)


class _Writing:
    """The files of one export as they grow."""

    def __init__(self, folder: Path, record: Records, job: _Job, room: int, file_mode: int) -> None:
        self._folder, self._record, self._job, self._room = folder, record, job, room
        self._file_mode = file_mode
        self._began = steady_s()
        self._earlier_bytes = 0
        self.parts: list[tuple[str, int]] = []

    def all_parts(self) -> None:
        """Write file after file until the range is done."""
        slices = self._slices()
        # Looked for before a file is made: a range without rows leaves none.
        first = next(slices, None)
        if first is not None:
            self._begin(first[1])
        wanted = self._job.told.wanted
        while first is not None:
            make_folder(self._folder, self._file_mode)
            name = _file_name(wanted, len(self.parts))
            take(self._folder / name, self._file_mode)
            full: list[str] = []
            with (self._folder / name).open("wb") as file:
                save(wanted, self._until_full(first, slices, file, full), file)
                size = file.tell()
            self._earlier_bytes += size
            self.parts.append((name, size))
            if full:
                raise _Full(full[0])
            first = next(slices, None)
        self._tell(0, 0, wanted.end_us)

    def _begin(self, rows: Any) -> None:
        """Let the range begin with its first row: names and progress count from there."""
        told = self._job.told
        first = rows[0]
        begin_us = first.time_us if isinstance(first, Trade) else int(first["time_us"])
        wanted = told.wanted._replace(start_us=max(told.wanted.start_us, begin_us))
        self._job.told = replace(told, wanted=wanted, fraction=0.0)

    def _until_full(
        self, first: Any, slices: Iterator[Any], file: IO[bytes], full: list[str]
    ) -> Iterator[Any]:
        """Pass slices on until the file should end; `full` says why, if the export should too."""
        piece = first
        while piece is not None:
            end_us, rows = piece
            if len(rows):
                yield rows
            self._tell(len(rows), file.tell(), end_us)
            reason = self._out_of_room(file.tell(), end_us)
            if reason:
                full.append(reason)
                return
            if file.tell() > PART_BYTES:
                return
            piece = next(slices, None)

    def _out_of_room(self, size: int, end_us: int) -> str:
        if end_us >= self._job.told.wanted.end_us:
            return ""
        rest = f"The files end at {_utc(end_us)} UTC; fetch them, then export the rest from there."
        if self._earlier_bytes + size > self._room:
            return f"There is room for {MOST_BYTES / 1e6:.0f} MB of exports at once. {rest}"
        if shutil.disk_usage(self._folder).free < SPARE_BYTES:
            return f"The disk is nearly full, and what is left is kept for recording. {rest}"
        return ""

    def _tell(self, rows: int, size: int, end_us: int) -> None:
        told = self._job.told
        _, _, start_us, stop_us, *_ = told.wanted
        self._job.told = replace(
            told,
            rows=told.rows + rows,
            bytes=self._earlier_bytes + size,
            fraction=min(max((end_us - start_us) / (stop_us - start_us), told.fraction), 1.0),
            seconds=steady_s() - self._began,
        )

    def _slices(self) -> Iterator[tuple[int, Any]]:
        """Yield the range in pieces: where each ends, and its rows."""
        wanted = self._job.told.wanted
        found = False
        for end_us, rows in in_pieces(self._record, wanted):
            if self._job.stop.wait(_YIELD_S):
                raise Cancelled("The export was ended.")
            found = found or bool(len(rows))
            if found:
                yield end_us, rows


def _trade_slices(record: Records, wanted: Wanted) -> Iterator[tuple[int, list[Trade]]]:
    for part in record.stream_trades(
        wanted.instrument, wanted.start_us, wanted.end_us, _SLICE_TRADES
    ):
        yield part[-1].time_us + 1, part


def _bar_slices(record: Records, wanted: Wanted) -> Iterator[tuple[int, npt.NDArray[np.void]]]:
    """Combine seconds into bars that start in the range, each made of all of its seconds."""
    length = wanted.interval_us
    start_us, stop_us = (-(-time_us // length) * length for time_us in wanted[2:4])
    waiting = np.empty(0, BAR)
    for part in record.stream_bars(wanted.instrument, start_us, stop_us, _SLICE_MINUTES):
        seconds = np.concatenate([waiting, part])
        whole = np.searchsorted(seconds["time_us"], seconds["time_us"][-1] // length * length)
        if length == SECOND_US:
            whole = len(seconds)
        waiting = seconds[whole:]
        if whole:
            combined = resample(seconds[:whole], length)
            yield int(combined["time_us"][-1]) + length, combined
    if len(waiting):
        yield stop_us, resample(waiting, length)


def _candle_slices(record: Records, wanted: Wanted) -> Iterator[tuple[int, npt.NDArray[np.void]]]:
    for start_us in range(wanted.start_us, wanted.end_us, _SLICE_CANDLES_US):
        stop_us = min(start_us + _SLICE_CANDLES_US, wanted.end_us)
        yield stop_us, record.candles(wanted.instrument, start_us, stop_us)


_SLICES: dict[Kind, Callable[[Records, Wanted], Iterator[tuple[int, Any]]]] = {
    "trades": _trade_slices,
    "bars": _bar_slices,
    "candles": _candle_slices,
}


def in_pieces(record: Records, wanted: Wanted) -> Iterator[tuple[int, Any]]:
    """Yield a range in pieces, each a read of its own: where it ends in time, and its rows."""
    return _SLICES[wanted.kind](record, wanted)


def save(wanted: Wanted, pieces: Iterator[Any], file: IO[bytes]) -> None:
    """Write pieces of rows into a file of the wanted form as they come."""
    # Brings pandas and pyarrow, which nothing needs before the first export.
    from tandem.io import archive

    if wanted.kind == "trades":
        archive.save_trades(pieces, file, wanted.form)
    else:
        archive.save_bars(((wanted.instrument, piece) for piece in pieces), file, wanted.form)


def _file_name(wanted: Wanted, part: int) -> str:
    """Name a file with letters, digits and dashes alone, whatever the instrument is called."""
    asset = re.sub(r"[^A-Za-z0-9]+", "-", wanted.instrument).strip("-")[:50]
    length = f"-{wanted.interval_us // SECOND_US}s" if wanted.kind == "bars" else ""
    times = "-".join(
        _utc(time_us).replace("-", "").replace(":", "").replace(" ", "T")
        for time_us in (wanted.start_us, wanted.end_us)
    )
    number = f"-{part + 1}" if part else ""
    return f"tandem-{asset}-{wanted.kind}{length}-{times}{number}.{wanted.form}"


def _utc(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // SECOND_US, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total


def _touched(folder: Path) -> float:
    """Return when something in a folder was last written."""
    times = [folder.stat().st_mtime]
    for place in folder.iterdir():
        with contextlib.suppress(OSError):
            times.append(place.stat().st_mtime)
    return max(times)
