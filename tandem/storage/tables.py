"""The tables a batch is written into: instruments, trades with their bars, and all else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, compress, count, islice, repeat

import numpy as np

from tandem.core.bars import trade_array
from tandem.core.clock import MINUTE_US, SECOND_US, now_us
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
from tandem.storage.schema import TRADES_BETWEEN, slot

STATE_ROWS = 500

# One statement of many rows hands the interpreter lock over once instead of once per row: a
# thread that parses at full speed then slows the writer down 3 times less (measured).
_MOST_ROWS = 512
_TRADE_COLUMNS = 8


class Instrument:
    """What is known of an instrument without asking the database."""

    def __init__(self, number: int, arrivals: int, kept_from_us: int) -> None:
        self.number = number
        self.arrivals = arrivals
        self.kept_from_us = kept_from_us
        self.renumbered = 0
        self.funding: tuple[float, int] | None = None


class Instruments:
    """What is known of the instruments in the database. Forget it where a transaction fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, Instrument] = {}

    def forget(self) -> None:
        """Ask the database again from now on."""
        self._known.clear()

    def get(self, name: str) -> Instrument:
        """Return an instrument, which is added where it was not known."""
        known = self._known.get(name)
        if known is None:
            self._connection.execute(
                "INSERT INTO instruments (name) VALUES (?) ON CONFLICT DO NOTHING", (name,)
            )
            row = self._connection.execute(
                "SELECT id, arrivals, kept_from_us FROM instruments WHERE name = ?", (name,)
            ).fetchone()
            known = self._known[name] = Instrument(*row)
        return known


class TradeTable:
    """Trades, each once, and the one-second bars made of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, instrument: Instrument, trades: list[Trade]) -> int:
        """Write trades and their bars; return how many were new."""
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

    def _insert(self, instrument: Instrument, trades: list[Trade]) -> list[bool]:
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

    def _insert_others(self, instrument: Instrument, known: list[Trade]) -> list[Trade]:
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


_CANDLE_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in CANDLE_COLUMNS)


def _extent(gap: Gap) -> tuple[int, int]:
    """Return from where to where a gap goes: by its ids where it has them, else by time."""
    return gap[1:3] if gap.first_id >= 0 else (gap.start_us, gap.end_us)


class OtherTables:
    """Quotes, funding rates, gaps, candles, documents, signals and states."""

    def __init__(self, connection: sqlite3.Connection, instruments: Instruments) -> None:
        self._connection = connection
        self._instruments = instruments

    def write(self, entries: list[Entry]) -> None:
        """Write everything that is not a trade."""
        newest: dict[tuple[int, int], Quote] = {}
        for entry in entries:
            if isinstance(entry, Quote):
                key = (self._instruments.get(entry.instrument).number, entry.time_us // SECOND_US)
                if key not in newest or newest[key].time_us <= entry.time_us:
                    newest[key] = entry
            elif isinstance(entry, Funding):
                self._write_funding(entry)
            elif isinstance(entry, Gap):
                self._write_gap(entry)
            elif isinstance(entry, Replacement):
                self._delete_gap(entry.old)
                for piece in entry.pieces:
                    self._write_gap(self._joined(piece))
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
            (self._instruments.get(gap.instrument).number, *gap[1:]),
        )

    def _joined(self, gap: Gap) -> Gap:
        """Return a closed gap with those of its state it touches, which leave the table.

        What is filled page by page would else stay in it page by page.
        """
        if gap.state == "open":
            return gap
        is_by_id = gap.first_id >= 0
        kind = "first_id >= 0" if is_by_id else "first_id = -1 AND last_id = -1"
        name = "first_id" if is_by_id else "start_us"
        near = self._connection.execute(
            f"SELECT * FROM (SELECT * FROM gaps WHERE instrument_id = :number AND {kind} "
            f"AND {name} < :first ORDER BY {name} DESC LIMIT 1) UNION ALL "
            f"SELECT * FROM (SELECT * FROM gaps WHERE instrument_id = :number AND {kind} "
            f"AND {name} > :first ORDER BY {name} LIMIT 1)",
            {"number": self._instruments.get(gap.instrument).number, "first": _extent(gap)[0]},
        ).fetchall()
        for other in (Gap(gap.instrument, *row[1:]) for row in near):
            (first, last), (other_first, other_last) = _extent(gap), _extent(other)
            is_touching = other_first <= last + 1 and other_last >= first - 1
            if other.state == gap.state and is_touching:
                self._delete_gap(other)
                gap = gap._replace(
                    first_id=min(gap.first_id, other.first_id),
                    last_id=max(gap.last_id, other.last_id),
                    start_us=min(gap.start_us, other.start_us),
                    end_us=max(gap.end_us, other.end_us),
                )
        return gap

    def _delete_gap(self, gap: Gap) -> None:
        self._connection.execute(
            "DELETE FROM gaps WHERE instrument_id = ? "
            "AND first_id = ? AND last_id = ? AND start_us = ?",
            (self._instruments.get(gap.instrument).number, *gap[1:4]),
        )

    def _write_candles(self, candles: Candles) -> None:
        if not storable(candles):
            raise ValueError("a candle is not finite or out of range")
        number = self._instruments.get(candles.instrument).number
        rows = candles.rows
        columns = [rows[name].tolist() for name in CANDLE_COLUMNS]
        slots = [slot(number, minute) for minute in (rows["time_us"] // MINUTE_US).tolist()]
        self._connection.executemany(
            # Not REPLACE: its deletion is one that no trigger, and so no count, sees.
            "INSERT INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (slot) DO UPDATE SET {_CANDLE_CHANGES}",
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
        instrument = self._instruments.get(funding.instrument)
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

    def write_states(self, states: Mapping[str, bytes]) -> None:
        """Keep small things under their keys, as many as are kept."""
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
