"""Reading the database. Every read has its own short-lived connection and sees whole batches only.

A reader that stayed open would keep the write-ahead log from being folded back into the file.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US
from tandem.core.events import BAR, CANDLE, Funding, Gap, Quote, Trade
from tandem.storage.codec import LAST_MINUTE, Seconds, unpack
from tandem.storage.records import CANDLE_COLUMNS, Held, SignalRow, Span
from tandem.storage.schema import TRADES_BETWEEN, explain, open_reader, slot

_BY_TIME = "time_us, trade_id"
_TRADE_MINUTES = 60
GAP_STATES = ("open", "filled", "candles", "lost")


class Reader:
    """Everything that can be asked of a database; any thread may ask.

    All times are the trades' own, in microseconds; ranges exclude their end. An instrument that
    was never recorded has nothing, which is not an error.

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
        Every method, when the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def bars(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars (dtype BAR) that start in the range, ascending."""
        with self._read() as connection:
            number = _number(connection, instrument)
            if number is None:
                return np.empty(0, BAR)
            return _between(_seconds(connection, number, start_us, end_us), start_us, end_us).bars

    def trades(
        self,
        instrument: str,
        start_us: int,
        end_us: int,
        most: int = 1_000_000,
        newest: bool = False,
    ) -> list[Trade]:
        """Return trades in order of (time, trade id).

        Parameters
        ----------
        most : int
            Return at most so many.
        newest : bool
            Where there are more, return the last ones instead of the first.
        """
        found: list[Trade] = []
        with self._read() as connection:
            number = _number(connection, instrument)
            if number is None:
                return []
            start_us = max(start_us, _kept_from(connection, number))
            pieces = _pieces(connection, number, start_us, end_us)
            for first_us, stop_us in reversed(pieces) if newest else pieces:
                left = most - len(found)
                if left <= 0:
                    break
                narrow = _narrow(
                    _seconds(connection, number, first_us, stop_us), first_us, stop_us, left, newest
                )
                more = _trades(connection, instrument, number, *narrow, _BY_TIME)
                found = more[-left:] + found if newest else found + more[:left]
        return found

    def arrivals(self, instrument: str, start_us: int, end_us: int) -> list[Trade]:
        """Return trades in the order they were recorded, which is the order they arrived in."""
        with self._read() as connection:
            number = _number(connection, instrument)
            if number is None:
                return []
            start_us = max(start_us, _kept_from(connection, number))
            return _trades(connection, instrument, number, start_us, end_us, "arrival")

    def stream_trades(
        self, instrument: str, start_us: int, end_us: int, chunk: int = 10_000
    ) -> Iterator[list[Trade]]:
        """Yield trades in order of (time, trade id), some `chunk` at a time.

        Each part is a read of its own, so that a long export keeps nobody waiting. What is
        recorded meanwhile behind the part last given is not in it.

        Parameters
        ----------
        chunk : int
            Trades in a part; more only where a single second has more.
        """
        while start_us < end_us:
            with self._read() as connection:
                number = _number(connection, instrument)
                if number is None:
                    return
                start_us = max(start_us, _kept_from(connection, number))
                whole_us = start_us // SECOND_US * SECOND_US
                bars = _first_seconds(connection, number, whole_us, end_us, _TRADE_MINUTES).bars
                if not len(bars):
                    return
                fitting = np.searchsorted(np.cumsum(bars["trades"]), chunk, side="right")
                stop_us = int(bars["time_us"][max(int(fitting), 1) - 1]) + SECOND_US
                part = _trades(
                    connection, instrument, number, start_us, min(stop_us, end_us), _BY_TIME
                )
            if part:
                yield part
            start_us = stop_us

    def stream_bars(
        self, instrument: str, start_us: int, end_us: int, minutes: int = 600
    ) -> Iterator[npt.NDArray[np.void]]:
        """Yield one-second bars that start in the range, of some recorded `minutes` at a time.

        Each part is a read of its own, as with `stream_trades`.
        """
        while start_us < end_us:
            with self._read() as connection:
                number = _number(connection, instrument)
                if number is None:
                    return
                part = _first_seconds(connection, number, start_us, end_us, minutes).bars
            if not len(part):
                return
            yield part
            start_us = int(part["time_us"][-1]) + SECOND_US

    def last_trade(self, instrument: str) -> Trade | None:
        """Return the trade with the latest time."""
        with self._read() as connection:
            number = _number(connection, instrument)
            row = connection.execute(
                "SELECT max(slot) FROM bars_1s WHERE slot BETWEEN ? AND ?",
                (slot(number or 0, 0), slot(number or 0, LAST_MINUTE)),
            ).fetchone()
            if number is None or row[0] is None:
                return None
            minute_us = (row[0] & LAST_MINUTE) * MINUTE_US
            bars = _seconds(connection, number, minute_us, minute_us + MINUTE_US).bars
            last_us = int(bars["last_us"][-1])
            return _trades(connection, instrument, number, last_us, last_us + 1, "arrival")[-1]

    def spans(self) -> dict[str, Span]:
        """Return what is recorded of every instrument with a trade."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT name, first_us, last_us, trades FROM instruments "
                "WHERE trades > 0 ORDER BY name"
            ).fetchall()
        return {name: Span(*rest) for name, *rest in rows}

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-minute bars a venue told, ascending, by minutes that start in the range.

        Their ``trades`` is CANDLE, and NaN stands for what the venue did not say.
        """
        first, last = _minutes(start_us + MINUTE_US - 1, end_us - 1)
        with self._read() as connection:
            number = _number(connection, instrument)
            if number is None:
                return np.empty(0, BAR)
            rows = connection.execute(
                "SELECT slot, open, high, low, close, volume, buy_volume, notional FROM candles "
                "WHERE slot BETWEEN ? AND ? ORDER BY slot",
                (slot(number, first), slot(number, last)),
            ).fetchall()
        return _candle_bars(rows)

    def gaps(
        self,
        instrument: str | None = None,
        since_us: int = 0,
        states: Sequence[str] = GAP_STATES,
    ) -> list[Gap]:
        """Return known gaps in some states that end at or after `since_us`, in order of time.

        Of every instrument where none is named.
        """
        marks = ", ".join("?" * len(states))
        with self._read() as connection:
            rows = connection.execute(
                "SELECT name, first_id, last_id, start_us, end_us, state "
                "FROM gaps JOIN instruments ON instruments.id = gaps.instrument_id "
                f"WHERE end_us >= ? AND state IN ({marks}) AND (? IS NULL OR name = ?) "
                "ORDER BY start_us, first_id",
                (since_us, *states, instrument, instrument),
            ).fetchall()
        return list(map(Gap._make, rows))

    def gap_counts(self) -> dict[str, int]:
        """Return how many gaps there are in each state."""
        with self._read() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM gaps GROUP BY state"))

    def inventory(self) -> list[Held]:
        """Return what is held of every instrument, by name; costs no more for a long record."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT id, name, coalesce(first_us, 0), coalesce(last_us, 0), trades, seconds, "
                "minutes, kept_from_us "
                "FROM instruments ORDER BY name"
            ).fetchall()
            gaps = connection.execute(
                "SELECT instrument_id, state, count(*) FROM gaps GROUP BY instrument_id, state"
            ).fetchall()
        states: dict[int, dict[str, int]] = {}
        for number, state, count in gaps:
            states.setdefault(number, {})[state] = count
        return [
            Held._make((*held, states.get(number, {}), kept_from_us))
            for number, *held, kept_from_us in rows
        ]

    def quotes(self, instrument: str, start_us: int, end_us: int) -> list[Quote]:
        """Return the last quote of every second that had one."""
        return [
            Quote(instrument, *row)
            for row in self._rows(
                "SELECT time_us, bid, bid_quantity, ask, ask_quantity, received_us FROM quotes "
                "WHERE instrument_id = ? AND second >= ? AND second <= ? "
                "AND time_us >= ? AND time_us < ? ORDER BY second",
                instrument,
                start_us // SECOND_US,
                end_us // SECOND_US,
                start_us,
                end_us,
            )
        ]

    def fundings(self, instrument: str, start_us: int, end_us: int) -> list[Funding]:
        """Return funding rates at the times they changed."""
        return [
            Funding(instrument, *row)
            for row in self._rows(
                "SELECT time_us, rate, next_us, mark_price, received_us FROM funding "
                "WHERE instrument_id = ? AND time_us >= ? AND time_us < ? ORDER BY time_us",
                instrument,
                start_us,
                end_us,
            )
        ]

    def signals(self, pair: str, since_us: int = 0) -> list[SignalRow]:
        """Return the signals of a pair as they were shown; NaN where a number was unknown."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT time_us, kind, z, y_price, x_price, beta FROM signals "
                "WHERE pair = ? AND time_us >= ? ORDER BY time_us",
                (pair, since_us),
            ).fetchall()
        # SQLite keeps NaN as NULL.
        return [
            SignalRow(*row[:2], *(math.nan if value is None else value for value in row[2:]))
            for row in rows
        ]

    def documents(self, kind: str, most: int = 10_000) -> dict[str, bytes]:
        """Return the committed documents of a kind by key, ascending: the last `most` of them."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT key, body FROM documents WHERE kind = ? ORDER BY key DESC LIMIT ?",
                (kind, most),
            ).fetchall()
        return dict(reversed(rows))

    def load_state(self, key: str) -> bytes | None:
        """Return what was saved under a key."""
        dated = self.load_state_dated(key)
        return dated[0] if dated else None

    def load_state_dated(self, key: str) -> tuple[bytes, int] | None:
        """Return what was saved under a key, and when, in microseconds."""
        with self._read() as connection:
            row = connection.execute(
                "SELECT blob, saved_us FROM state WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else tuple(row)

    def _rows(self, query: str, instrument: str, *rest: int) -> list[tuple[Any, ...]]:
        with self._read() as connection:
            number = _number(connection, instrument)
            return [] if number is None else connection.execute(query, (number, *rest)).fetchall()

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        finally:
            connection.close()


def _number(connection: sqlite3.Connection, instrument: str) -> int | None:
    row = connection.execute("SELECT id FROM instruments WHERE name = ?", (instrument,)).fetchone()
    return None if row is None else int(row[0])


def _kept_from(connection: sqlite3.Connection, number: int) -> int:
    """Return from when on trades are kept; earlier ones may be gone in part."""
    (kept_from_us,) = connection.execute(
        "SELECT kept_from_us FROM instruments WHERE id = ?", (number,)
    ).fetchone()
    return int(kept_from_us)


def _first_seconds(
    connection: sqlite3.Connection, number: int, start_us: int, end_us: int, minutes: int
) -> Seconds:
    """Return the first seconds that start in a range: none only where there are none in it."""
    first, last = _minutes(start_us, end_us)
    rows = connection.execute(
        "SELECT slot, seconds FROM bars_1s WHERE slot BETWEEN ? AND ? ORDER BY slot LIMIT ?",
        # The range may begin behind all that its first minute has.
        (slot(number, first), slot(number, last), minutes + 1),
    ).fetchall()
    found = unpack([key & LAST_MINUTE for key, _ in rows], [blob for _, blob in rows])
    return _between(found, start_us, end_us)


def _seconds(connection: sqlite3.Connection, number: int, start_us: int, end_us: int) -> Seconds:
    """Return the seconds of every minute the range touches."""
    first, last = _minutes(start_us, end_us)
    rows = connection.execute(
        "SELECT slot, seconds FROM bars_1s WHERE slot BETWEEN ? AND ? ORDER BY slot",
        (slot(number, first), slot(number, last)),
    ).fetchall()
    return unpack([key & LAST_MINUTE for key, _ in rows], [blob for _, blob in rows])


def _candle_bars(rows: list[tuple[Any, ...]]) -> npt.NDArray[np.void]:
    bars = np.zeros(len(rows), BAR)
    if rows:
        slots, *columns = zip(*rows, strict=True)
        bars["time_us"] = (np.array(slots, np.int64) & LAST_MINUTE) * MINUTE_US
        bars["last_us"] = bars["time_us"] + MINUTE_US - 1
        bars["trades"] = CANDLE
        for name, column in zip(CANDLE_COLUMNS, columns, strict=True):
            bars[name] = np.array(column, np.float64)
    return bars


def _pieces(
    connection: sqlite3.Connection, number: int, start_us: int, end_us: int
) -> list[tuple[int, int]]:
    """Split a range into parts of a day's worth of recorded minutes, so that each is small."""
    first, last = _minutes(start_us, end_us)
    rows = connection.execute(
        "SELECT slot FROM bars_1s WHERE slot BETWEEN ? AND ? ORDER BY slot",
        (slot(number, first), slot(number, last)),
    ).fetchall()
    edges = [(key & LAST_MINUTE) * MINUTE_US for (key,) in rows[:: DAY_US // MINUTE_US]]
    return [
        (max(begin, start_us), min(stop, end_us))
        for begin, stop in zip(edges, [*edges[1:], end_us][: len(edges)], strict=True)
    ]


def _minutes(start_us: int, end_us: int) -> tuple[int, int]:
    """Return the first and last minute a range touches, within what a slot can hold."""
    first = min(max(start_us // MINUTE_US, 0), LAST_MINUTE)
    return first, min(max(end_us // MINUTE_US, 0), LAST_MINUTE)


def _between(seconds: Seconds, start_us: int, end_us: int) -> Seconds:
    first, stop = np.searchsorted(seconds.bars["time_us"], (start_us, end_us))
    bars, lowest_id, highest_id = seconds
    return Seconds(bars[first:stop], lowest_id[first:stop], highest_id[first:stop])


def _narrow(
    seconds: Seconds, start_us: int, end_us: int, most: int, newest: bool
) -> tuple[int, int]:
    """Shrink the range to the seconds that hold the trades asked for.

    The seconds at both ends may lie partly outside, so their trades are not counted on.
    """
    bars = _between(seconds, start_us // SECOND_US * SECOND_US, end_us).bars
    counts = bars["trades"]
    if len(bars) < 3 or counts[1:-1].sum() <= most:
        return start_us, end_us
    if newest:
        through = np.cumsum(counts[-2::-1])
        at = len(bars) - 2 - int(np.searchsorted(through, most))
        return max(start_us, int(bars["time_us"][at])), end_us
    at = 1 + int(np.searchsorted(np.cumsum(counts[1:]), most))
    return start_us, min(end_us, int(bars["time_us"][at]) + SECOND_US)


def _trades(
    connection: sqlite3.Connection,
    instrument: str,
    number: int,
    start_us: int,
    end_us: int,
    order: str,
) -> list[Trade]:
    seconds = _between(
        _seconds(connection, number, start_us, end_us), start_us // SECOND_US * SECOND_US, end_us
    )
    if not len(seconds.bars):
        return []
    rows = connection.execute(
        "SELECT :name, trade_id, time_us, price, quantity, side, received_us "
        f"FROM ({TRADES_BETWEEN}) ORDER BY {order}",
        {
            "name": instrument,
            "id": number,
            "lowest": int(seconds.lowest_id.min()),
            "highest": int(seconds.highest_id.max()),
            "start": start_us,
            "end": end_us,
        },
    )
    return list(map(Trade._make, rows))
