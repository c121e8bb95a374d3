"""`tandem db`: what each command prints, how it ends, and what it says of a file it cannot use."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tandem.cli import main
from tandem.core import cli
from tandem.core.clock import SECOND_US
from tandem.core.events import Gap, Trade
from tandem.io.archive import TradeArchive
from tandem.storage import schema
from tandem.storage.store import Store
from tests.support.paths import ROOT

NAME = "binance-usdm:ETHUSDT"
START_US = 1_750_032_000 * SECOND_US


def made_trades() -> list[Trade]:
    times = [START_US + n * 1_500_000 for n in range(100)]
    return [Trade(NAME, n, at, 2_500.0 + n, 1.0, 1, at) for n, at in enumerate(times)]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a database with a lost gap, which is that of the settings."""
    path = tmp_path / "ticks.sqlite"
    monkeypatch.setenv("TANDEM_DATABASE", str(path))
    store = Store.open(path)
    gap = Gap(NAME, 100, 120, START_US + 149 * SECOND_US, START_US + 200 * SECOND_US, "lost")
    store.submit([*made_trades(), gap])
    assert store.flush(30.0)
    store.close()
    return path


@pytest.fixture
def db(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def db(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(["db", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return db


Db = Callable[..., tuple[int, str, str]]


def test_check(db: Db, database: Path) -> None:
    gaps = "Gaps: 0 open, 0 filled, 0 candles, 1 lost."
    sound = f"{database}: no fault in 100 trades and their bars. {gaps}\n"
    assert db("check") == (cli.DONE, sound, "")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM trades WHERE trade_id = 50")
    code, out, err = db("check")
    assert (code, err) == (cli.FAILED, "")
    assert f"{NAME}: trades 50 to 50 (2025-06-16T00:01:13.500000Z to" in out


def test_stats(db: Db, database: Path) -> None:
    code, out, _ = db("stats")
    first, header, row = out.splitlines()
    assert code == cli.DONE
    assert first.startswith(f"{database}: format {len(schema.MIGRATIONS)}, 0.1 MB, ")
    assert first.endswith("not recorded into now. Gaps: 0 open, 0 filled, 0 candles, 1 lost.")
    assert header.split()[:5] == ["instrument", "trades", "seconds", "candles", "gaps"]
    times = ["2025-06-16T00:00:00Z", "2025-06-16T00:02:28Z"]
    assert row.split() == [NAME, "100", "100", "0", "1", *times, "0.0"]
    store = Store.open(database)
    assert "; recorded into now. " in db("stats")[1]
    store.close()


def test_gaps_are_listed_and_tried_again(db: Db) -> None:
    row = [NAME, "lost", "2025-06-16T00:02:29Z", "2025-06-16T00:03:20Z", "100", "120"]
    assert db("gaps")[1].splitlines()[1].split() == row
    assert len(db("gaps", "--state", "open")[1].splitlines()) == 1
    assert db("gaps", "--retry") == (
        cli.DONE,
        "1 lost gap is open again; the recording process backfills what is open.\n",
        "",
    )
    assert db("gaps", "--state", "open")[1].splitlines()[1].split()[1] == "open"


def test_backup_and_compact(db: Db, database: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    code, out, _ = db("backup", target)
    assert (code, out) == (cli.DONE, f"{target}: 0.1 MB, as of the moment the backup began.\n")
    assert db("check", "--db", target)[0] == cli.DONE
    code, out, _ = db("compact")
    assert (code, out) == (cli.DONE, f"{database}: 0.1 MB before, 0.1 MB now.\n")


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell, as cron does")
def test_a_backup_by_cron_replaces_the_earlier_one_once_it_is_whole(
    database: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "DATABASE.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"(?m)^15 3 \* \* \* (.+)$", text)
    # cron ends a command at a % without a backslash.
    assert not re.search(r"(?<!\\)%", line)
    line = line.replace(r"\%", "%").replace("$(date +%a)", "today")
    line = line.replace("/var/backups/tandem", str(tmp_path))
    line = line.replace("/opt/tandem/.venv/bin/tandem", f"{sys.executable} -m tandem")
    for name, held in ((tmp_path / "missing", b"earlier"), (database, b"SQLite ")):
        (tmp_path / "today.sqlite").write_bytes(b"earlier")
        subprocess.run(
            ["sh", "-c", line], env={**os.environ, "DB": str(name), "PYTHONPATH": str(ROOT)},
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert (tmp_path / "today.sqlite").read_bytes()[:7] == held


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_exported_trades_can_be_read_again(db: Db, tmp_path: Path, form: str) -> None:
    target = tmp_path / f"trades.{form}"
    span = ["--start", "2025-06-16T00:00:15", "--end", "2025-06-16T02:00:30+02:00"]
    assert db("export", NAME, target, *span) == (cli.DONE, f"{target}: 10 rows.\n", "")
    with target.open("rb") as file:
        read = [trade for part in TradeArchive(file, target.name, NAME) for trade in part]
    assert [trade.trade_id for trade in read] == list(range(10, 20))


def test_bars_are_exported_at_a_length(db: Db, tmp_path: Path) -> None:
    target = tmp_path / "bars.csv"
    assert db("export", NAME, target, "--kind", "bars", "--seconds", "60")[0] == cli.DONE
    lines = target.read_text().splitlines()
    assert len(lines) == 1 + 3 and "2025-06-16T00:00:00" in lines[1]


DAY = ["--start", "2025-06-16", "--end", "2025-06-17"]
# What goes wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", NAME, "x.json"], "must end in .csv or .parquet"),
        (["export", NAME, "{folder}/x.csv", "--kind", "candles", *DAY], "No candles of"),
        (["export", NAME, "{folder}/none/x.csv"], "the folder {folder}/none (No such file or dir"),
        (["export", NAME, "{folder}/x.csv", "--seconds", "7", "--kind", "bars"], "divide a day"),
        (["export", "ETHUSDT", "{folder}/x.csv"], "ETHUSDT"),
        (["backup", "{folder}/ticks.sqlite"], "exists already"),
        (["backup", "{folder}/none/b.sqlite"], "the folder {folder}/none (No such file or dir"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    db: Db, tmp_path: Path, arguments: list[str], told: str
) -> None:
    code, out, err = db(*(one.format(folder=tmp_path) for one in arguments))
    assert (code, out) == (cli.FAILED, "")
    assert told.format(folder=tmp_path) in err
    assert err.startswith("tandem db: ") and err.count("\n") == 1
    assert {one.name.split("-")[0] for one in tmp_path.iterdir()} == {
        "ticks.sqlite",
        "ticks.sqlite.lock",
    }


COMMANDS = [["check"], ["stats"], ["gaps"], ["gaps", "--retry"], ["backup", "{folder}/b"]]
COMMANDS += [["compact"], ["export", NAME, "{folder}/x.csv"]]


@pytest.fixture(params=["missing", "corrupt", "text", "folder", "locked"])
def unusable(
    request: pytest.FixtureRequest, database: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Make the database one that cannot be used; returns what is said of it."""
    if request.param == "locked":
        monkeypatch.setattr(schema, "LOCKED_S", 0.01)
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode = delete")
            other.execute("BEGIN EXCLUSIVE")
            yield f"Another program holds {database} locked"
        return
    if request.param == "corrupt":
        with database.open("r+b") as file:
            file.seek(4_096)
            file.write(b"\xff" * 40_960)
        yield f"{database} is damaged"
        return
    database.unlink()
    if request.param == "text":
        database.write_text("time,price\n")
    elif request.param == "folder":
        database.mkdir()
    yield {"missing": "There is no database", "text": "is not a database"}.get(
        request.param, "is a folder"
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_file_that_cannot_be_used_is_a_sentence(
    db: Db, tmp_path: Path, unusable: str, arguments: list[str]
) -> None:
    code, out, err = db(*(one.format(folder=tmp_path) for one in arguments))
    assert (code, out) == (cli.FAILED, "")
    assert unusable in err and err.startswith("tandem db: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["db"], ["db", "burn"], ["db", "backup"], ["db", "export", "a", "b", "--start", "noon"]],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == cli.WRONG_ARGUMENTS
    assert capsys.readouterr().err.startswith("usage: tandem db ")


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["backup", "{folder}/b"], ["compact"], ["export", NAME, "{folder}/b.csv"]],
)
def test_ctrl_c_ends_it(
    db: Db, arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {one.name for one in tmp_path.iterdir()}
    monkeypatch.setattr("tandem.storage.maintenance._TICK_STEPS", 1)
    monkeypatch.setattr(cli, "progress", lambda _title: interrupt)
    code, out, err = db(*(one.format(folder=tmp_path) for one in arguments))
    assert (code, out, err) == (cli.CANCELLED, "", "\ntandem db: cancelled.\n")
    left = {one.name for one in tmp_path.iterdir()} - before
    assert left <= {"ticks.sqlite-shm", "ticks.sqlite-wal", "ticks.sqlite.lock"}


def interrupt(_done: int, _total: int) -> None:
    signal.raise_signal(signal.SIGINT)
