"""What one batch does to the database, in one transaction: trades, their bars, and all else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, compress, count, islice, repeat
from pathlib import Path

import numpy as np

from tandem.core.bars import trade_array
from tandem.core.clock import MINUTE_US, SECOND_US, now_us
from tandem.core.errors import StoreInUse, StoreUnusable
from tandem.core.events import TRADE, Funding, Gap, Quote, Trade, TradeId, renumbered
from tandem.storage.codec import Array, Integers, Mask, Seconds, fold, pack, rebuild, unpack
from tandem.storage.records import (
    CANDLE_COLUMNS,
    END_US,
    Candles,
    Document,
    Entry,
    Replacement,
    Signals,
    storable,
)
from tandem.storage.retention import Keeper
from tandem.storage.schema import TRADES_BETWEEN, open_writer, slot, transaction

STATE_ROWS = 500

# One statement of many rows hands the interpreter lock over once instead of once per row: a
# thread that parses at full speed then slows the writer down 3 times less (measured).
_MOST_ROWS = 512
_TRADE_COLUMNS = 8


class _Instrument:
    """What is known of an instrument without asking the database."""

    def __init__(self, number: int, arrivals: int, kept_from_us: int) -> None:
        self.number = number
        self.arrivals = arrivals
        self.kept_from_us = kept_from_us
        self.renumbered = 0
        self.funding: tuple[float, int] | None = None


class Writer:
    """The one connection that writes. Not shared between threads at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_writer(path)
        self._file = _identity(path)
        self._logs = self._find_logs()
        self._instruments: dict[str, _Instrument] = {}
        self.keeper = Keeper(self._connection, path)
        self.expired = 0
        # How often the log was deleted under the record, and all of it saved.
        self.saved_logs = 0
        # By instrument, trades that came under the number of another; replaced, never changed.
        self.renumbered: dict[str, int] = {}

    def keep(self, seconds: float) -> bool:
        """Remove what is not kept for so long at most; False where nothing was to be done.

        Raises
        ------
        sqlite3.Error, StoreError
            It can be tried again.
        """
        self._check_in_place()
        end = time.monotonic() + seconds
        while worked := self.keeper.step():
            if time.monotonic() >= end:
                break
        if self.keeper.has_raised:
            self.keeper.has_raised = False
            self._instruments.clear()
        return worked

    def close(self) -> None:
        """Close the connection; SQLite then folds the write-ahead log into the file.

        Where another file took this one's place, the log that is left is put aside: SQLite would
        play it into that file.
        """
        log = self._path.with_name(self._path.name + "-wal")
        own_log = _identity(log)
        self._connection.close()
        if _identity(self._path) != self._file and own_log and _identity(log) == own_log:
            log.rename(self._path.with_name(f"{self._path.name}-wal-left-{time.time_ns()}"))
            self._path.with_name(self._path.name + "-shm").unlink(missing_ok=True)

    def write(self, entries: Iterable[Entry], states: Mapping[str, bytes]) -> int:
        """Commit everything given and return how many trades were new.

        Raises
        ------
        sqlite3.Error
            Nothing was written.
        StoreUnusable
            The file is no longer where it was.
        StoreInUse
            Its log is not, and a reader is in the way of saving what is in it.
        ValueError, OverflowError, TypeError
            An entry cannot be stored (`storable` tells which); nothing was written.
        """
        self._check_in_place()
        trades: dict[str, list[Trade]] = {}
        others: list[Entry] = []
        for entry in entries:
            if type(entry) is Trade:
                trades.setdefault(entry.instrument, []).append(entry)
            else:
                others.append(entry)
        try:
            with transaction(self._connection):
                written = expired = 0
                anew: dict[str, int] = {}
                for name, group in trades.items():
                    instrument = self._instrument(name)
                    kept = group
                    if instrument.kept_from_us:
                        kept = [one for one in group if one.time_us >= instrument.kept_from_us]
                    expired += len(group) - len(kept)
                    if kept:
                        before = instrument.renumbered
                        written += self._write_trades(instrument, kept)
                        anew[name] = instrument.renumbered - before
                self._write_others(others)
                self._write_states(states)
        except BaseException:
            # What was rolled back must not be remembered.
            self._instruments.clear()
            raise
        self.expired += expired
        if any(anew.values()):
            known = self.renumbered
            self.renumbered = known | {
                name: known.get(name, 0) + more for name, more in anew.items() if more
            }
        return written

    def _check_in_place(self) -> None:
        """Refuse to write into a file that was deleted or replaced: nobody would find it."""
        if _identity(self._path) != self._file:
            raise StoreUnusable(
                f"{self._path} was moved or deleted while it was recorded into. Put it back, or "
                "leave it: a restart begins a new record."
            )
        if self._find_logs() != self._logs:
            self._save_log()

    def _find_logs(self) -> list[tuple[int, int] | None]:
        return [_identity(self._path.with_name(self._path.name + end)) for end in ("-wal", "-shm")]

    def _save_log(self) -> None:
        """Write what is in a deleted log into the file, and begin a new log.

        The deleted one can be written and read by this connection alone: nobody else would see what
        is recorded, and with the process all of it since the last fold would be gone.
        """
        (is_busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise StoreInUse(
                f"The log beside {self._path} was deleted while it was recorded into, and a reader "
                "holds the file. All of it is written into the file as soon as that lets go."
            )
        self._connection.close()
        self._connection = self.keeper.connection = open_writer(self._path)
        self._instruments.clear()
        self._logs = self._find_logs()
        self.saved_logs += 1

    def _instrument(self, name: str) -> _Instrument:
        known = self._instruments.get(name)
        if known is None:
            self._connection.execute(
                "INSERT INTO instruments (name) VALUES (?) ON CONFLICT DO NOTHING", (name,)
            )
            row = self._connection.execute(
                "SELECT id, arrivals, kept_from_us FROM instruments WHERE name = ?", (name,)
            ).fetchone()
            known = self._instruments[name] = _Instrument(*row)
        return known

    # Trades and bars --------------------------------------------------------------------

    def _write_trades(self, instrument: _Instrument, trades: list[Trade]) -> int:
        array = trade_array(trades)
        with np.errstate(over="ignore"):
            if not np.isfinite(array["price"] * array["quantity"]).all():
                raise ValueError("a price or quantity is not a finite number")
        if not 0 <= array["time_us"].min() <= array["time_us"].max() < END_US:
            raise ValueError("a time is out of range")
        ids, is_number = _ids([trade.trade_id for trade in trades])
        is_new = self._insert(instrument, trades)
        if not all(is_new):
            new = list(compress(trades, is_new))
            known = [trade for trade, found in zip(trades, is_new, strict=True) if not found]
            new += self._insert_others(instrument, known)
            if not new:
                return 0
            array = trade_array(new)
            ids, is_number = _ids([trade.trade_id for trade in new])
        seconds = self._write_bars(instrument.number, array, ids, is_number)
        times = array["time_us"]
        self._connection.execute(
            "UPDATE instruments SET trades = trades + :new, arrivals = :arrivals, "
            "seconds = seconds + :seconds, "
            "first_us = min(coalesce(first_us, :first), :first), "
            "last_us = max(coalesce(last_us, :last), :last) WHERE id = :id",
            {
                "new": len(array),
                "seconds": seconds,
                "arrivals": instrument.arrivals,
                "first": int(times.min()),
                "last": int(times.max()),
                "id": instrument.number,
            },
        )
        return len(array)

    def _insert(self, instrument: _Instrument, trades: list[Trade]) -> list[bool]:
        """Insert what is not there yet; tells for each trade whether it was new."""
        _, *columns = zip(*trades, strict=True)
        first = instrument.arrivals
        instrument.arrivals += len(trades)
        rows = zip(repeat(instrument.number), *columns, count(first))
        new: list[bool] = []
        for size in _statement_sizes(len(trades)):
            values = list(chain.from_iterable(islice(rows, size)))
            inserted = self._connection.execute(_insert_sql(size), values).rowcount
            if inserted == size:
                new.extend(repeat(True, size))
            else:
                ids = values[1::_TRADE_COLUMNS]
                new.extend(self._arrived(instrument.number, first + len(new), ids))
        return new

    def _insert_others(self, instrument: _Instrument, known: list[Trade]) -> list[Trade]:
        """Insert, of trades whose ids are taken, those that are others; return what was new.

        A venue that begins to count anew gives numbers again. A number whose trade is dated over a
        second from the recorded one (some venues tell a trade's time in whole seconds when asked
        for it later) is another trade's, which is kept under its number with its time.
        """
        others = [
            trade._replace(trade_id=renumbered(trade.trade_id, trade.time_us))
            for trade, time_us in zip(known, self._times(instrument.number, known), strict=True)
            if isinstance(trade.trade_id, int) and abs(trade.time_us - time_us) > SECOND_US
        ]
        if not others:
            return []
        new = list(compress(others, self._insert(instrument, others)))
        instrument.renumbered += len(new)
        return new

    def _times(self, number: int, known: list[Trade]) -> list[int]:
        """Return the recorded times of ids that are recorded."""
        times: dict[TradeId, int] = {}
        for first in range(0, len(known), _MOST_ROWS):
            ids = [trade.trade_id for trade in known[first : first + _MOST_ROWS]]
            marks = ", ".join(repeat("?", len(ids)))
            times.update(
                self._connection.execute(
                    "SELECT trade_id, time_us FROM trades "
                    f"WHERE instrument_id = ? AND trade_id IN ({marks})",
                    (number, *ids),
                )
            )
        return [times[trade.trade_id] for trade in known]

    def _arrived(self, number: int, first: int, ids: list[TradeId]) -> list[bool]:
        """Tell which of the trades numbered from `first` on are the ones in the table."""
        marks = ", ".join(repeat("?", len(ids)))
        (text,) = self._connection.execute(
            "SELECT group_concat(arrival) FROM trades "
            f"WHERE instrument_id = ? AND arrival >= ? AND trade_id IN ({marks})",
            (number, first, *ids),
        ).fetchone()
        arrived = set(map(int, text.split(","))) if text else set()
        return [arrival in arrived for arrival in range(first, first + len(ids))]

    def _write_bars(self, number: int, trades: Array, ids: Integers, is_number: Mask) -> int:
        """Bring the bars up to date; returns how many seconds had none before."""
        stored = self._seconds(number, trades)
        seconds, stale = fold(stored, trades, ids, is_number)
        for start_us in stale.tolist():
            rebuild(seconds, start_us, self._trades_of_second(number, seconds, start_us))
        self._connection.executemany(
            "REPLACE INTO bars_1s VALUES (?, ?)",
            [(slot(number, minute), blob) for minute, blob in pack(seconds)],
        )
        return len(seconds.bars) - len(stored.bars)

    def _seconds(self, number: int, trades: Array) -> Seconds:
        """Return the stored bars of every minute the trades fall into."""
        minutes, blobs = [], []
        for minute in np.unique(trades["time_us"] // MINUTE_US).tolist():
            row = self._connection.execute(
                "SELECT seconds FROM bars_1s WHERE slot = ?", (slot(number, minute),)
            ).fetchone()
            if row is not None:
                minutes.append(minute)
                blobs.append(row[0])
        return unpack(minutes, blobs)

    def _trades_of_second(self, number: int, seconds: Seconds, start_us: int) -> Array:
        at = int(np.searchsorted(seconds.bars["time_us"], start_us))
        rows = self._connection.execute(
            "SELECT time_us, price, quantity, side, received_us "
            f"FROM ({TRADES_BETWEEN}) ORDER BY arrival",
            {
                "id": number,
                "lowest": int(seconds.lowest_id[at]),
                "highest": int(seconds.highest_id[at]),
                "start": start_us,
                "end": start_us + SECOND_US,
            },
        ).fetchall()
        return np.array(rows, TRADE)

    # Everything else --------------------------------------------------------------------

    def _write_others(self, entries: list[Entry]) -> None:
        newest: dict[tuple[int, int], Quote] = {}
        for entry in entries:
            if isinstance(entry, Quote):
                key = (self._instrument(entry.instrument).number, entry.time_us // SECOND_US)
                if key not in newest or newest[key].time_us <= entry.time_us:
                    newest[key] = entry
            elif isinstance(entry, Funding):
                self._write_funding(entry)
            elif isinstance(entry, Gap):
                self._write_gap(entry)
            elif isinstance(entry, Replacement):
                self._connection.execute(
                    "DELETE FROM gaps WHERE instrument_id = ? "
                    "AND first_id = ? AND last_id = ? AND start_us = ?",
                    (self._instrument(entry.old.instrument).number, *entry.old[1:4]),
                )
                for piece in entry.pieces:
                    self._write_gap(piece)
            elif isinstance(entry, Candles):
                self._write_candles(entry)
            elif isinstance(entry, Document):
                self._write_document(entry)
            elif isinstance(entry, Signals):
                self._connection.executemany(
                    "INSERT INTO signals VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    [(entry.pair, *row) for row in entry.rows],
                )
        self._connection.executemany(
            "INSERT INTO quotes VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (instrument_id, second) DO UPDATE SET "
            "time_us = excluded.time_us, bid = excluded.bid, bid_quantity = excluded.bid_quantity, "
            "ask = excluded.ask, ask_quantity = excluded.ask_quantity, "
            "received_us = excluded.received_us "
            "WHERE excluded.time_us >= quotes.time_us",
            [(*key, *quote[1:]) for key, quote in newest.items()],
        )

    def _write_gap(self, gap: Gap) -> None:
        self._connection.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (instrument_id, first_id, last_id, start_us) "
            "DO UPDATE SET end_us = excluded.end_us, state = excluded.state",
            (self._instrument(gap.instrument).number, *gap[1:]),
        )

    def _write_candles(self, candles: Candles) -> None:
        if not storable(candles):
            raise ValueError("a candle is not finite or out of range")
        number = self._instrument(candles.instrument).number
        rows = candles.rows
        columns = [rows[name].tolist() for name in CANDLE_COLUMNS]
        slots = [slot(number, minute) for minute in (rows["time_us"] // MINUTE_US).tolist()]
        self._connection.executemany(
            "REPLACE INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            zip(slots, *columns, strict=True),
        )

    def _write_document(self, document: Document) -> None:
        if document.body is None:
            self._connection.execute(
                "DELETE FROM documents WHERE kind = ? AND key = ?", document[:2]
            )
        else:
            self._connection.execute("REPLACE INTO documents VALUES (?, ?, ?)", document)

    def _write_funding(self, funding: Funding) -> None:
        """Record a rate when it changes; venues repeat it every second."""
        instrument = self._instrument(funding.instrument)
        if instrument.funding is None:
            instrument.funding = self._connection.execute(
                "SELECT rate, next_us FROM funding WHERE instrument_id = ? "
                "ORDER BY time_us DESC LIMIT 1",
                (instrument.number,),
            ).fetchone()
        if instrument.funding != (funding.rate, funding.next_us):
            self._connection.execute(
                "INSERT INTO funding VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (instrument.number, *funding[1:]),
            )
            instrument.funding = (funding.rate, funding.next_us)

    def _write_states(self, states: Mapping[str, bytes]) -> None:
        if not states:
            return
        self._connection.executemany(
            "REPLACE INTO state VALUES (?, ?, ?)",
            [(key, now_us(), blob) for key, blob in states.items()],
        )
        self._connection.execute(
            "DELETE FROM state WHERE key IN "
            "(SELECT key FROM state ORDER BY saved_us DESC, rowid DESC LIMIT -1 OFFSET ?)",
            (STATE_ROWS,),
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _statement_sizes(rows: int) -> Iterator[int]:
    """Split into powers of two, so that a dozen prepared statements serve every batch."""
    size = _MOST_ROWS
    while rows:
        if rows >= size:
            rows -= size
            yield size
        else:
            size //= 2


@cache
def _insert_sql(rows: int) -> str:
    row = f"({', '.join(repeat('?', _TRADE_COLUMNS))})"
    return f"INSERT INTO trades VALUES {', '.join(repeat(row, rows))} ON CONFLICT DO NOTHING"


def _ids(ids: list[TradeId]) -> tuple[Integers, Mask]:
    """Return numeric ids and where they are; text ids have a 0 there."""
    kinds = set(map(type, ids))
    if kinds == {int}:
        return np.array(ids, np.int64), np.ones(len(ids), np.bool_)
    if not kinds <= {int, str}:
        raise TypeError("a trade id is neither a whole number nor text")
    numbers = [one if isinstance(one, int) else 0 for one in ids]
    return np.array(numbers, np.int64), np.array([isinstance(one, int) for one in ids])
