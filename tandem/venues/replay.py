"""A recording played back as if it happened now, at any speed.

What it plays, told by content and not by name:

* a raw recording: lines ``<local nanoseconds> <frame>`` of Binance or Coinbase, plain or ``.gz``;
* trades in a table: downloaded from Tandem, or a vendor's archive (see `replay_rows`), whose
  symbol is taken from the file's name;
* a Tandem database, read by a callable from outside.

Several files, separated by commas, are merged by their times of arrival: a pair's legs are often
recorded apart. Every instrument becomes ``replay:SYMBOL``, so that a replay is never mistaken for
a market; times stay those of the recording, and `Replay.clock_us` tells the recording's now.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import io
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal

from tandem.core.errors import DataError, MessageError, TandemError, UnknownSymbol
from tandem.core.events import Event, Trade
from tandem.core.instruments import REPLAY_VENUE, instrument, split_instrument
from tandem.venues.base import StoredTrades, read_symbol
from tandem.venues.binance import BinanceUsdm
from tandem.venues.coinbase import Coinbase
from tandem.venues.replay_rows import ARCHIVE_COLUMNS, OWN_COLUMNS, Layout, recognise, symbol_in
from tandem.venues.venue import Venue

_BEAT_S = 0.05
_BATCH = 2_000

_RAW_LINE = re.compile(rb"(\d{19}) (.*)", re.DOTALL)


class Replay:
    """The venue of recordings.

    Parameters
    ----------
    files : str
        One path, or several separated by commas.
    speed : float
        1 plays as it was, 60 a minute per second; 0 plays as fast as it can.
    stored : callable, optional
        Reads a Tandem database.
    """

    kind: ClassVar[Literal["generated"]] = "generated"
    venue: ClassVar[str] = REPLAY_VENUE
    title: ClassVar[str] = "Replay"
    begins_with_past: ClassVar[bool] = False
    charges_funding: ClassVar[bool] = True

    def __init__(self, files: str, speed: float, stored: StoredTrades | None = None) -> None:
        self._paths = [Path(part.strip()) for part in files.split(",") if part.strip()]
        self._speed = speed
        self._stored = stored
        self._popular: tuple[str, ...] | None = None
        self._clock_us = 0

    @property
    def popular(self) -> tuple[str, ...]:
        """Symbols near the beginning of the recording, most traded first."""
        if self._popular is None:
            counts: dict[str, int] = {}
            try:
                for path in self._paths:
                    for number, trade in enumerate(self._read(path)):
                        if number >= _BATCH:
                            break
                        symbol = trade.instrument.partition(":")[2]
                        counts[symbol] = counts.get(symbol, 0) + 1
            except TandemError:
                return ()  # said when it is played
            self._popular = tuple(sorted(counts, key=lambda symbol: -counts[symbol]))
        return self._popular

    def instrument(self, text: str) -> str:
        """Return the recorded instrument meant by `text`: "btc" finds BTCUSDT or BTC-USD."""
        asset, quote = read_symbol(text, REPLAY_VENUE)
        matches = [
            symbol
            for symbol in self.popular
            if (parts := read_symbol(symbol, REPLAY_VENUE))[0] == asset and quote in ("", parts[1])
        ]
        if not matches:
            recorded = ", ".join(self.popular[:8]) or "no trade that could be read"
            raise UnknownSymbol(f"The recording has no {text!r:.40}; it has {recorded}.")
        return f"{REPLAY_VENUE}:{matches[0]}"

    def clock_us(self) -> int:
        """Return what time it is in the recording; 0 before it begins."""
        return self._clock_us

    def batches(
        self, wanted: Callable[[], frozenset[str]], stop: threading.Event
    ) -> Iterator[Sequence[Event]]:
        """Yield the wanted trades when they are due, in the order in which they arrived."""
        if not self._paths:
            raise DataError("No recording is named; set TANDEM_REPLAY_FILE to a file.")
        pending: list[Trade] = []
        start = begin_us = None
        for trade in self._merged():
            if start is None or begin_us is None:
                start, begin_us = time.monotonic(), trade.received_us
            if self._speed:
                while not stop.is_set():
                    now_us = begin_us + int((time.monotonic() - start) * self._speed * 1e6)
                    if trade.received_us <= now_us:
                        break
                    if pending:
                        yield _chosen(pending, wanted())
                        pending = []
                    # Only now: no trade from before this moment may still be on its way.
                    self._clock_us = now_us
                    ahead_s = (trade.received_us - now_us) / 1e6 / self._speed
                    stop.wait(min(ahead_s, _BEAT_S))
            if stop.is_set():
                return
            pending.append(trade)
            if len(pending) >= _BATCH:
                yield _chosen(pending, wanted())
                pending = []
                self._clock_us = max(self._clock_us, trade.received_us)
        if pending:
            yield _chosen(pending, wanted())
            self._clock_us = max(self._clock_us, pending[-1].received_us)

    # Reading ----------------------------------------------------------------------------------

    def _merged(self) -> Iterator[Trade]:
        return heapq.merge(*map(self._read, self._paths), key=lambda trade: trade.received_us)

    def _read(self, path: Path) -> Iterator[Trade]:
        """Yield a file's trades under the replay's own venue."""
        try:
            with _opened(path) as file:
                head = file.peek(4096)[:4096]
                if head.startswith(b"SQLite format 3\x00"):
                    yield from self._from_store(path)
                elif _RAW_LINE.match(head) or head.startswith(b"wss://"):
                    yield from _from_frames(path, file)
                else:
                    yield from _from_table(path, file)
        except UnicodeDecodeError:
            raise DataError(f"{path.name} is not text; give a CSV or a raw recording.") from None
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or "it ends too early or is damaged"
            raise DataError(f"{path.name} could not be read: {reason}.") from None

    def _from_store(self, path: Path) -> Iterator[Trade]:
        if self._stored is None:
            raise DataError(f"{path.name} is a database, which cannot be played from here.")
        for trade in self._stored(path):
            symbol = split_instrument(trade.instrument)[1]
            yield trade._replace(instrument=instrument(REPLAY_VENUE, symbol))


def _chosen(trades: list[Trade], wanted: frozenset[str]) -> list[Event]:
    return [trade for trade in trades if trade.instrument in wanted]


def _opened(path: Path) -> io.BufferedReader:
    """Open a file for reading bytes, unpacked if it is gzip."""
    plain = path.open("rb")
    if plain.peek(2)[:2] != b"\x1f\x8b":
        return plain
    plain.close()
    return io.BufferedReader(gzip.open(path, "rb"))


def _from_frames(path: Path, file: io.BufferedReader) -> Iterator[Trade]:
    """Yield the trades of a raw recording; frames that are not trades are passed over."""
    feeds = (BinanceUsdm(""), Coinbase(""))
    found = 0
    for line in file:
        match = _RAW_LINE.match(line)
        if match is None:
            continue
        received_us = int(match[1]) // 1000
        feed = feeds[b'"e":' not in match[2][:200]]
        try:
            events = feed.parse(match[2], received_us)
        except MessageError:
            continue
        for event in events:
            if isinstance(event, Trade):
                found += 1
                symbol = event.instrument.partition(":")[2]
                yield event._replace(instrument=f"{REPLAY_VENUE}:{symbol}")
    if not found:
        raise DataError(
            f"{path.name} has no trade in it; a line of a raw recording is "
            "'<nanoseconds> <frame>', with frames of Binance or Coinbase."
        )


def _from_table(path: Path, file: io.BufferedReader) -> Iterator[Trade]:
    """Yield the trades of a CSV file: our own, or a vendor's archive."""
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        yield from _from_rows(path, csv.reader(text))


def _from_rows(path: Path, rows: Iterator[list[str]]) -> Iterator[Trade]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path.name} is empty; give a file with trades.")
    layout = recognise(first)
    if layout is None:
        header = ", ".join(cell.strip().lower() for cell in first)
        raise DataError(
            f"{path.name} has the columns {header[:120]!r}; needed are "
            f"{', '.join(OWN_COLUMNS)}, or a vendor's {', '.join(ARCHIVE_COLUMNS)}, transact_time "
            "and is_buyer_maker."
        )
    symbol = symbol_in(path.name) if layout.instrument is None else None
    if layout.instrument is None and symbol is None:
        raise DataError(
            f"{path.name} does not say which symbol it holds; "
            "name it like BTCUSDT-aggTrades-2026-09-15.csv."
        )
    if not layout.has_header:
        rows = chain([first], rows)
    for number, row in enumerate(rows, start=1 + layout.has_header):
        if row:
            try:
                yield layout.trade(row, instrument(REPLAY_VENUE, symbol or _symbol(row, layout)))
            except DataError as error:
                raise _bad_line(path, number, error) from None


def _symbol(row: list[str], layout: Layout) -> str:
    if layout.instrument is None or layout.instrument >= len(row):
        raise DataError("columns are missing")
    name = row[layout.instrument]
    return name.partition(":")[2] or name


def _bad_line(path: Path, number: int, error: DataError) -> DataError:
    return DataError(
        f"{path.name}, line {number}: {str(error).rstrip('.')}. Correct or remove the line; "
        "what was played before it stays."
    )


VENUE = Venue(
    Replay.venue,
    Replay.title,
    lambda settings, stored: Replay(settings.replay_file, settings.replay_speed, stored),
    can_be_scanned=False,
    needs="replay_file",
)
