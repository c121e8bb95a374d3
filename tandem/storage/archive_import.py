"""A vendor's trade archive into the database: one at a time, on a thread of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import IO, Literal

from tandem.core.clock import steady_s
from tandem.core.errors import Cancelled, DataError, StoreError
from tandem.core.events import Filled
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.storage.protocols import Database

_DIED = (
    "The import stopped because of an internal error (see the log). What was committed "
    "stays; recording and screen go on. Please report it, with a few lines of the file."
)


@dataclass(frozen=True, slots=True)
class Import:
    """How an import goes.

    Attributes
    ----------
    state : {"running", "done", "ended", "failed"}
    rows : int
        Trades handed to the database and committed so far.
    left_out : int
        Rows that are no trade.
    aside : tuple of str
        Rows left out: line, reason and text of the first ones.
    text : str
        What happened, and what to do, for the screen.
    """

    name: str
    instrument: str
    state: Literal["running", "done", "ended", "failed"] = "running"
    rows: int = 0
    left_out: int = 0
    aside: tuple[str, ...] = ()
    first_us: int = 0
    last_us: int = 0
    seconds: float = 0.0
    text: str = ""


class Importer:
    """Imports one archive at a time; any thread may ask."""

    def __init__(self, record: Database) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: Import | None = None
        self._filled: list[Filled] = []

    def start(self, file: IO[bytes], name: str, instrument: str) -> None:
        """Begin to import.

        Parameters
        ----------
        file : binary file
            Seekable; read from another thread until the import has ended.
        name : str
            The file's name; text from outside.
        instrument : str
            Where the trades belong.

        Raises
        ------
        DataError
            Another import is running, or the instrument is none.
        StoreError
            Nothing is being recorded.
        """
        split_instrument(instrument)
        health = self._record.health()
        if health.state != "recording":
            raise StoreError(f"Nothing can be imported now. {health.text}")
        with self._lock:
            if self._told is not None and self._told.state == "running":
                raise DataError(
                    f"{self._told.name:.60} is being imported; wait for its end, or end it."
                )
            self._stop.clear()
            self._told = Import(name, instrument)
            self._thread = threading.Thread(
                target=self._run, args=(file,), name="import", daemon=True
            )
            self._thread.start()

    def now(self) -> Import | None:
        """Return how the last import goes; None before the first."""
        return self._told

    def end(self) -> None:
        """End the import; what is committed stays."""
        self._stop.set()

    def stop(self, timeout: float = 2.0) -> None:
        """End the import and wait; call it before the database is closed."""
        self.end()
        if self._thread is not None:
            self._thread.join(timeout)

    def take_filled(self) -> list[Filled]:
        """Return the spans imported since the last call."""
        with self._lock:
            filled, self._filled = self._filled, []
        return filled

    def _run(self, file: IO[bytes]) -> None:
        # Brings pandas and pyarrow, which nothing needs before the first import.
        from tandem.io import archive

        assert self._told is not None
        told = self._told
        began = steady_s()
        reader = archive.TradeArchive(file, told.name, told.instrument)

        def progress(rows: int) -> None:
            self._told = replace(told, rows=rows, seconds=steady_s() - began)
            if self._stop.is_set():
                raise Cancelled("The import was ended.")

        state: Literal["done", "ended", "failed"] = "done"
        text = ""
        try:
            archive.import_trades(reader, self._record, progress)
        except Cancelled:
            state = "ended"
            text = "The import was ended. What was committed stays; importing again goes on."
        except (DataError, StoreError) as error:
            state, text = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - a thread's last word
            # Whatever it is, the screen may not go on saying that it is running.
            life = Supervisor(_DIED)
            life.lose(error)
            self._told = replace(told, state="failed", rows=self._told.rows, text=life.problem)
            return
        report = reader.report()
        left_out = sum(report.reasons.values())
        rows = self._told.rows
        if rows:
            self._note(told.instrument, report.first_us, report.last_us)
        self._told = replace(
            told,
            state=state,
            rows=rows,
            left_out=left_out,
            aside=tuple(f"line {one.line}: {one.reason} ({one.text})" for one in report.aside),
            first_us=report.first_us,
            last_us=report.last_us,
            seconds=steady_s() - began,
            text=text,
        )

    def _note(self, instrument: str, first_us: int, last_us: int) -> None:
        with self._lock:
            self._filled.append(Filled(instrument, first_us, last_us + 1, "trades"))
