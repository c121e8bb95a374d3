"""Recording headless: what it prints, when it ends, and what its exit code says."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.events import Gap, Trade
from tandem.core.threads import Supervisor
from tandem.ingest.cli import main
from tandem.ingest.headless import Headless, within_limits
from tandem.storage.records import Policy
from tandem.storage.store import Store
from tandem.venues.simulated import Simulated
from tests.support.exchange import Exchange, unused_url
from tests.support.rest_exchange import RestExchange, Tape
from tests.support.settings import settings_of
from tests.support.waiting import wait_until

BTC = "binance-usdm:BTCUSDT"
SIM = "sim:BTCUSDT"


# The command line -----------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("environment")
def test_the_command_records_the_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ticks.sqlite"
    assert main(["--instruments", "sim:BTCUSDT", "--db", str(path), "--seconds", "1"]) == 0
    out = capsys.readouterr().out
    assert "sim: live" in out
    with contextlib.closing(Store.open(path, read_only=True)) as store:
        span = store.spans()["sim:BTCUSDT"]
        committed = f"{path}: closed, {span.trades:,} trades committed, 0 waiting"
        assert f"{committed}, 0 dropped (queue full), gaps: 0 open, 0 lost" in out
        trades = store.trades("sim:BTCUSDT", 0, 2**62, 10**6)
    assert span.trades == len(trades) > 10_000
    whole = Simulated(7, 4.0).history("sim:BTCUSDT", trades[0].time_us, trades[-1].time_us + 1)
    assert [trade.trade_id for trade in trades] == [trade.trade_id for trade in whole]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("instruments", "words"),
    [
        ("BTCUSDT", "is not an instrument; write venue:SYMBOL"),
        ("mars:BTCUSD", "'mars' is not a venue"),
        ("sim:btcusdt", "the symbol is upper case"),
        (",", "No instrument given"),
    ],
)
def test_the_command_refuses_with_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, instruments: str, words: str
) -> None:
    code = main(["--instruments", instruments, "--db", str(tmp_path / "x.sqlite")])
    assert code == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x.sqlite").exists()


@pytest.mark.usefixtures("environment")
def test_the_command_says_when_nothing_came(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with Exchange() as exchange:
        exchange.refuse(451)
        monkeypatch.setenv("TANDEM_BINANCE_USDM_URL", exchange.url)
        code = main(["--instruments", BTC, "--db", str(tmp_path / "x.sqlite"), "--seconds", "0.5"])
    assert code == 1
    assert "no trades received from Binance USD-M" in capsys.readouterr().err


def count(path: Path) -> int:
    """Return how many trades another process finds in a database."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM trades").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet, or without its tables
        return 0


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_with_everything_written_also_while_another_holds_a_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / "ticks.sqlite"

    def interrupt() -> None:
        wait_until(lambda: count(path), "a trade")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            os.kill(os.getpid(), getattr(signal, name))
            # Longer than one attempt to write takes.
            time.sleep(1.5)
            other.execute("ROLLBACK")

    other = threading.Thread(target=interrupt)
    other.start()
    code = main(["--instruments", SIM, "--db", str(path)])
    other.join()
    out, error = capsys.readouterr()
    assert code == 0, error
    assert f"{path}: closed, {count(path):,} trades committed, 0 waiting" in out


class Desk:
    """A headless recorder in a thread of its own, and what it said."""

    def __init__(self, path: Path, *instruments: str, **settings: Any) -> None:
        self.lines: list[str] = []
        self.missing: list[str] | None = None
        self.stop = threading.Event()
        self.headless = Headless(settings_of(**settings), path, instruments, self.lines.append)
        self.store = self.headless._store
        self.thread = threading.Thread(target=self._run, name="headless", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.missing = self.headless.record(600.0, self.stop)

    def end(self) -> list[str]:
        self.stop.set()
        return self.ended()

    def ended(self) -> list[str]:
        wait_until(lambda: self.missing is not None, "the end")
        assert self.missing is not None
        return self.missing


Made = Callable[..., Desk]


@pytest.fixture
def made() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(*arguments: Any, **settings: Any) -> Desk:
        desks.append(Desk(*arguments, **settings))
        return desks[-1]

    yield make
    for desk in desks:
        desk.end()


def test_a_full_disk_is_said_and_what_it_cost_too(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "ticks.sqlite"
    desk = made(path, SIM, queue_trades=1_000)
    wait_until(lambda: count(path), "a trade")
    assert desk.store._writer is not None
    desk.store._writer._connection.execute("PRAGMA max_page_count = 1")
    other = Trade("sim:ETHUSDT", 0, now_us(), 1.0, 1.0, 1, now_us())
    while not desk.store.health().lost:
        other = other._replace(trade_id=int(other.trade_id) + 1)
        desk.store.submit([other])
    wait_until(lambda: any("full or fails" in line for line in desk.lines), "its reason")
    (missing,) = desk.end()
    assert f"not in {path} already are neither there nor in its table of gaps" in missing
    assert int(missing.split()[0].replace(",", "")) > 100
    assert "full or fails" in missing
    assert f"closed, {count(path):,} trades committed" in desk.lines[-1]
    assert 0 < count(path) == desk.store.health().written


def test_a_deleted_database_ends_it(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "ticks.sqlite"
    desk = made(path, SIM)
    wait_until(lambda: count(path), "a trade")
    path.unlink()
    missing = desk.ended()
    assert "moved or deleted" in missing[0]


def test_a_damaged_database_ends_it(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "ticks.sqlite"
    desk = made(path, SIM)
    wait_until(lambda: count(path), "a trade")
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    missing = desk.end()
    assert any(text.startswith(str(path)) for text in missing), missing


def test_a_reading_thread_that_cannot_be_kept_alive_ends_it(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("planted")

    monkeypatch.setattr(Simulated, "batches", fail)
    assert "fails again and again" in made(tmp_path / "t.sqlite", SIM).ended()[0]


def test_a_connection_whose_thread_dies_time_and_again_ends_it(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.core.threads.HOPELESS", 2)
    monkeypatch.setattr(Supervisor, "watch", lambda self, work: self.lose(RuntimeError("planted")))
    desk = made(tmp_path / "t.sqlite", BTC, binance_usdm_url=unused_url())
    assert "fails again and again" in desk.ended()[0]


def test_gaps_are_filled_and_a_past_is_fetched_as_the_app_does(made: Made, tmp_path: Path) -> None:
    path, step_us = tmp_path / "t.sqlite", SECOND_US // 4
    start_us = now_us() // MINUTE_US * MINUTE_US - HOUR_US
    tape = Tape(1, 7_000, start_us, step_us)
    with contextlib.closing(Store.open(path, batch_ms=1)) as store:
        store.submit([tape.trade(BTC, number) for number in (*range(1, 11), *range(51, 61))])
        store.submit([Gap(BTC, 11, 50, tape.time_of(10), tape.time_of(51), "open")])
        assert store.flush(10.0)
    with RestExchange() as rest:
        rest.tapes["BTCUSDT"] = tape
        desk = made(path, BTC, binance_usdm_url=unused_url(), binance_usdm_rest_url=rest.url)
        wait_until(lambda: not desk.store.gaps(BTC, 0, ("open",)), "the gap")
        wait_until(lambda: any("klines" in asked for asked in rest.asked), "its past")
        desk.end()
    assert count(path) == 60


def test_every_setting_of_the_database_applies(made: Made, tmp_path: Path) -> None:
    desk = made(
        tmp_path / "t.sqlite", SIM,
        keep_days=3.0, keep_bars_days=5.0, keep_gb=2.0, file_mode="640", hot_total_trades=12_345,
    )  # fmt: skip
    assert desk.store.health().kept == Policy(3.0, 5.0, 2.0)
    assert (tmp_path / "t.sqlite").stat().st_mode & 0o777 == 0o640
    desk.end()


def test_instruments_beyond_a_limit_are_refused_by_name_the_last_ones_first() -> None:
    names = [f"bitstamp:Z{number}USD" for number in range(25, 0, -1)]
    groups, refused = within_limits(settings_of(max_instruments=23), [*names, SIM])
    assert groups == {"bitstamp": names[:20]}
    assert refused == (
        "not recorded, beyond the limit of 23 instruments (TANDEM_MAX_INSTRUMENTS): "
        "bitstamp:Z2USD, bitstamp:Z1USD, sim:BTCUSDT.",
        "not recorded, beyond the 20 that Bitstamp accepts: "
        "bitstamp:Z5USD, bitstamp:Z4USD, bitstamp:Z3USD.",
    )


def test_an_instrument_that_its_venue_refuses_is_said(made: Made, tmp_path: Path) -> None:
    with Exchange() as exchange:
        exchange.unlisted.add("FOO-USD")
        desk = made(tmp_path / "t.sqlite", "coinbase:FOO-USD", coinbase_url=exchange.url)
        wait_until(lambda: any("FOO-USD is not a valid product" in one for one in desk.lines))
        (missing,) = desk.end()
    assert missing.startswith("no trades received from Coinbase.")
