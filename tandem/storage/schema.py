"""The database file: its tables, how it is opened, and what its errors mean to a user."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem.core.clock import now_us
from tandem.core.errors import StoreError, StoreFull, StoreInUse, StoreUnusable
from tandem.core.files import make_folder
from tandem.storage.codec import SECOND_BYTES

APPLICATION_ID = 0x54_4E_44_4D  # "TNDM"
_MAGIC = b"SQLite format 3\x00"
_PAGE_BYTES = 4_096
_CHECKED_BYTES = 64 * 2**20
# How long a read or a word from outside waits for whoever has the file locked.
LOCKED_S = 5.0


def _iso(column: str) -> str:
    """Return SQL for microseconds as ISO 8601, which `strftime` gives to the millisecond only."""
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000, 'unixepoch') "
        f"|| printf('.%06dZ', {column} % 1000000)"
    )


_NAMED = "JOIN instruments ON instruments.id = {}.instrument_id"
# For whoever reads the file without Tandem; docs/DATABASE.md describes them. Part of the
# migrations: a changed view is a new migration.
_VIEWS = {
    "trades": f"""
        SELECT name AS instrument, trade_id, {_iso("time_us")} AS time, time_us, price,
            quantity AS size, CASE side WHEN 1 THEN 'buy' WHEN -1 THEN 'sell' END AS side,
            {_iso("received_us")} AS received, received_us
        FROM trades {_NAMED.format("trades")} WHERE time_us >= kept_from_us
    """,
    "quotes": f"""
        SELECT name AS instrument, {_iso("time_us")} AS time, time_us, bid,
            bid_quantity AS bid_size, ask, ask_quantity AS ask_size,
            {_iso("received_us")} AS received, received_us
        FROM quotes {_NAMED.format("quotes")}
    """,
    "funding": f"""
        SELECT name AS instrument, {_iso("time_us")} AS time, time_us, rate,
            {_iso("next_us")} AS next_time, next_us, mark_price
        FROM funding {_NAMED.format("funding")}
    """,
    "candles": f"""
        SELECT name AS instrument, {_iso("(slot & 4294967295) * 60000000")} AS time,
            (slot & 4294967295) * 60000000 AS time_us, open, high, low, close, volume, buy_volume,
            notional
        FROM candles JOIN instruments ON instruments.id = candles.slot >> 32
    """,
    "gaps": f"""
        SELECT name AS instrument, first_id, last_id, {_iso("start_us")} AS start_time, start_us,
            {_iso("end_us")} AS end_time, end_us, state
        FROM gaps {_NAMED.format("gaps")}
    """,
    "signals": f"""
        SELECT pair, {_iso("time_us")} AS time, time_us, kind, z, y_price, x_price, beta
        FROM signals
    """,
    "instruments": f"""
        SELECT name AS instrument, {_iso("first_us")} AS first_time, {_iso("last_us")} AS last_time,
            trades, seconds, minutes FROM instruments
    """,
}

# Appended to, never edited: a file on somebody's disk has applied the earlier ones.
# `trade_id` has no type: numbers stay numbers and text stays text.
MIGRATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "record trades, bars, quotes, funding, gaps, signals and state",
        (
            """
            CREATE TABLE instruments (
                id INTEGER PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                first_us INTEGER,
                last_us INTEGER,
                trades INTEGER NOT NULL DEFAULT 0,
                arrivals INTEGER NOT NULL DEFAULT 0,
                highest_id INTEGER
            )
            """,
            """
            CREATE TABLE trades (
                instrument_id INTEGER NOT NULL,
                trade_id NOT NULL,
                time_us INTEGER NOT NULL,
                price REAL NOT NULL,
                quantity REAL NOT NULL,
                side INTEGER NOT NULL,
                received_us INTEGER NOT NULL,
                arrival INTEGER NOT NULL,
                PRIMARY KEY (instrument_id, trade_id)
            ) WITHOUT ROWID
            """,
            # Numeric ids are found by time through the ids kept with the bars; this index is
            # empty, and free, where a venue counts its trades.
            """
            CREATE INDEX trades_text_time ON trades (instrument_id, time_us)
            WHERE typeof(trade_id) = 'text'
            """,
            # slot = instrument_id << 32 | minutes since the epoch
            "CREATE TABLE bars_1s (slot INTEGER PRIMARY KEY, seconds BLOB NOT NULL)",
            """
            CREATE TABLE quotes (
                instrument_id INTEGER NOT NULL,
                second INTEGER NOT NULL,
                time_us INTEGER NOT NULL,
                bid REAL NOT NULL,
                bid_quantity REAL NOT NULL,
                ask REAL NOT NULL,
                ask_quantity REAL NOT NULL,
                received_us INTEGER NOT NULL,
                PRIMARY KEY (instrument_id, second)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE funding (
                instrument_id INTEGER NOT NULL,
                time_us INTEGER NOT NULL,
                rate REAL NOT NULL,
                next_us INTEGER NOT NULL,
                mark_price REAL NOT NULL,
                received_us INTEGER NOT NULL,
                PRIMARY KEY (instrument_id, time_us)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE gaps (
                instrument_id INTEGER NOT NULL,
                first_id INTEGER NOT NULL,
                last_id INTEGER NOT NULL,
                start_us INTEGER NOT NULL,
                end_us INTEGER NOT NULL,
                state TEXT NOT NULL,
                PRIMARY KEY (instrument_id, first_id, last_id, start_us)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE signals (
                pair TEXT NOT NULL,
                time_us INTEGER NOT NULL,
                kind TEXT NOT NULL,
                z REAL,
                y_price REAL,
                x_price REAL,
                beta REAL,
                PRIMARY KEY (pair, time_us)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE state (
                key TEXT PRIMARY KEY,
                saved_us INTEGER NOT NULL,
                blob BLOB NOT NULL
            )
            """,
        ),
    ),
    (
        "keep venues' candles apart from bars of trades, and count seconds",
        (
            # The slot of bars_1s. What a venue does not say is NULL.
            """
            CREATE TABLE candles (
                slot INTEGER PRIMARY KEY,
                open REAL NOT NULL,
                high REAL NOT NULL,
                low REAL NOT NULL,
                close REAL NOT NULL,
                volume REAL NOT NULL,
                buy_volume REAL,
                notional REAL
            )
            """,
            "ALTER TABLE instruments ADD COLUMN seconds INTEGER NOT NULL DEFAULT 0",
            f"""
            UPDATE instruments SET seconds = (
                SELECT coalesce(sum(length(seconds)), 0) / {SECOND_BYTES} FROM bars_1s
                WHERE slot BETWEEN instruments.id << 32 AND (instruments.id << 32) + 4294967295
            )
            """,
        ),
    ),
    (
        "note from when on trades are kept",
        (
            "ALTER TABLE instruments ADD COLUMN kept_from_us INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE instruments ADD COLUMN pruned_to_us INTEGER NOT NULL DEFAULT 0",
        ),
    ),
    (
        "keep alerts, what is to be sent of them, and the rules they come from",
        (
            """
            CREATE TABLE documents (
                kind TEXT NOT NULL,
                key TEXT NOT NULL,
                body BLOB NOT NULL,
                PRIMARY KEY (kind, key)
            ) WITHOUT ROWID
            """,
        ),
    ),
    (
        "find open gaps however many are closed",
        ("CREATE INDEX gaps_by_state ON gaps (state, start_us)",),
    ),
    (
        "count candles as they come and go",
        (
            "ALTER TABLE instruments ADD COLUMN minutes INTEGER NOT NULL DEFAULT 0",
            """
            UPDATE instruments SET minutes = (
                SELECT count(*) FROM candles
                WHERE slot BETWEEN instruments.id << 32 AND (instruments.id << 32) + 4294967295
            )
            """,
            *(
                f"""
                CREATE TRIGGER candles_{name} AFTER {event} ON candles BEGIN
                    UPDATE instruments SET minutes = minutes {change} WHERE id = {row}.slot >> 32;
                END
                """
                for name, event, change, row in (
                    ("counted", "INSERT", "+ 1", "new"),
                    ("discounted", "DELETE", "- 1", "old"),
                )
            ),
        ),
    ),
    (
        "show every table with names and plain columns",
        tuple(f"CREATE VIEW {name}_utc AS {query}" for name, query in _VIEWS.items()),
    ),
)

# Numeric ids by the range the bars of that time have seen, text ids by their index.
TRADES_BETWEEN = """
    SELECT trade_id, time_us, price, quantity, side, received_us, arrival FROM trades
    WHERE instrument_id = :id AND trade_id BETWEEN :lowest AND :highest
        AND time_us >= :start AND time_us < :end
    UNION ALL
    SELECT trade_id, time_us, price, quantity, side, received_us, arrival FROM trades
    WHERE instrument_id = :id AND typeof(trade_id) = 'text'
        AND time_us >= :start AND time_us < :end
"""


def slot(instrument_id: int, minute: int) -> int:
    """Return the key of a minute's bars: one integer, so that a minute lies in one page."""
    return instrument_id << 32 | minute


# Errors ---------------------------------------------------------------------------------

_NO_SPACE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_NO_PERMISSION = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def error_code(error: sqlite3.Error) -> int:
    """Return what kind of error it is."""
    # The low byte is the error; the rest only says where it came from.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """Turn an error of SQLite into one whose text tells the user what to do."""
    code = error_code(error)
    if code in _NO_SPACE:
        return StoreFull(f"The disk of {path} is full or fails ({error}). Free some space.")
    if code == sqlite3.SQLITE_CANTOPEN and not path.exists():
        return StoreUnusable(f"There is no database at {path}: it was moved or deleted.")
    if code in _NO_PERMISSION:
        return _unwritable(path, str(error))
    if code in _BUSY:
        return StoreInUse(f"Another program holds {path} locked ({error}). Close it there.")
    if code in _DAMAGED:
        return damaged(path, str(error))
    return StoreUnusable(
        f"{path} cannot be used as a database ({error}). Choose another file with TANDEM_DATABASE."
    )


def _unwritable(path: Path, detail: str) -> StoreFull:
    return StoreFull(
        f"{path} cannot be opened for writing ({detail}). Make it and its folder writable, or "
        "choose another file with TANDEM_DATABASE."
    )


def damaged(path: Path, detail: str) -> StoreUnusable:
    """Return the error for a file that is broken inside."""
    return StoreUnusable(
        f"{path} is damaged ({detail}). It was left as it is: quarantine it to start a new "
        "database, or restore it from a backup."
    )


# Opening --------------------------------------------------------------------------------


def make_place(path: Path, mode: int) -> None:
    """Create the folder a database will lie in; raises StoreFull where that is not allowed."""
    try:
        make_folder(path.parent, mode)
    except OSError as error:
        raise StoreFull(
            f"The folder {path.parent} cannot be made ({error.strerror}). Live prices and signals "
            "work without the database; choose a writable folder with TANDEM_DATABASE."
        ) from error


def check_file(path: Path) -> bool:
    """Tell whether a database exists at `path`, refusing anything that is not one, untouched.

    The identification is written before the journal mode changes, so that it is always in the
    file's own first page and can be read without opening the file as a database.
    """
    if path.is_dir():
        raise StoreUnusable(f"{path} is a folder; name a file with TANDEM_DATABASE.")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be read ({error.strerror}).") from error
    if not header:
        return False
    if not header.startswith(_MAGIC) or len(header) < 100:
        raise StoreUnusable(
            f"{path} is not a database. It was left as it is: choose another file with "
            "TANDEM_DATABASE, or move this one aside."
        )
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StoreUnusable(
            f"{path} is a database of another program. It was left as it is: choose another file "
            "with TANDEM_DATABASE."
        )
    return True


def open_writer(path: Path) -> sqlite3.Connection:
    """Open or create the database for writing; the caller holds the writer lock.

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
    """
    exists = check_file(path)
    # SQLite would open it for reading, and fail with the first trade.
    if exists and not os.access(path, os.W_OK):
        raise _unwritable(path, "read-only")
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        if not exists:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            # Only before the first table: later it would need the whole file rewritten.
            connection.execute("PRAGMA auto_vacuum = incremental")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        check_inside(connection, path)
        check_format(connection, path)
        _migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path) from error
    except StoreError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for one read; the caller closes the connection.

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
    """
    uri = path.absolute().as_uri()
    try:
        try:
            return _connect_reading(f"{uri}?mode=ro")
        except sqlite3.OperationalError as error:
            if os.path.exists(f"{path}-wal") or error_code(error) in _BUSY:
                raise
            # A file on a read-only disk has no shared memory; nobody can be writing to it.
            return _connect_reading(f"{uri}?mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _connect_reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCKED_S)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def check_inside(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is damaged, as far as that is quick to see."""
    # The whole file only where that is quick; elsewhere damage shows when it is met.
    if path.stat().st_size <= _CHECKED_BYTES:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(path, " ".join(verdict.split())[:120])


def check_format(connection: sqlite3.Connection, path: Path, read_only: bool = False) -> None:
    """Refuse a database that was written by another version of Tandem.

    An older one is brought up to date where it may be written.
    """
    applied = _applied(connection)
    if applied > len(MIGRATIONS):
        raise StoreUnusable(
            f"{path} was written by a newer Tandem (format {applied}, this one knows "
            f"{len(MIGRATIONS)}). Update Tandem, or choose another file with TANDEM_DATABASE."
        )
    if read_only and applied < len(MIGRATIONS):
        raise StoreUnusable(
            f"{path} was written by an older Tandem (format {applied} of {len(MIGRATIONS)}). "
            "Record into it once, which brings it up to date, then read it."
        )


def _applied(connection: sqlite3.Connection) -> int:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone()
    if known is None:
        return 0
    (applied,) = connection.execute("SELECT coalesce(max(id), 0) FROM migrations").fetchone()
    return int(applied)


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply what the file has not seen, each step with its own record in one transaction."""
    for number, (name, statements) in enumerate(MIGRATIONS, start=1):
        if number <= _applied(connection):
            continue
        with transaction(connection):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations "
                "(id INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_us INTEGER NOT NULL)"
            )
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, name, now_us()))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; takes the write lock at once, since a later upgrade can fail."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
