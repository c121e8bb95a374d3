"""Recordings played back: every kind of file, at every speed, and files that cannot be played."""

import gzip
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tandem.core.errors import DataError, UnknownSymbol
from tandem.core.events import Trade
from tandem.io.writer import write_trades
from tandem.venues.replay import Replay
from tests.support.paths import SHARED

TICKS = SHARED / "data" / "ticks"
recordings = pytest.mark.skipif(not TICKS.is_dir(), reason=f"no recordings in {TICKS}")

BTC, ETH = "replay:BTCUSDT", "replay:ETHUSDT"
START_US = 1_795_000_000_000_000

FRAMES = """\
1795000000000000000 {"stream":"x","data":{"e":"aggTrade","E":1,"s":"BTCUSDT","a":5,"p":"61000.1",\
"q":"0.5","T":1795000000000,"m":false}}
1795000000100000000 {"result":null,"id":1}
1795000000250000000 {"e":"trade","E":1,"s":"BTCUSDT","t":6,"p":"61000.0","q":"0.1",\
"T":1795000000240,"m":true}
1795000000300000000 {"type":"match","trade_id":9,"side":"sell","size":"2","price":"3400.5",\
"product_id":"ETH-USD","time":"2026-11-18T10:26:40.290000Z"}
"""

ARCHIVE = """\
agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker
3449899747,78153.0,0.001,8078264332,8078264332,1789430400003,false
3449899748,78152.9,0.148,8078264333,8078264336,1789430400006,true
"""

ARCHIVE_IN_MICROSECONDS = """\
4063759318,78189.20000000,0.00009000,6681954163,6681954164,1789430400017025,True,True
4063759319,78189.21000000,0.00010000,6681954165,6681954166,1789430400239592,False,True
"""


def everything(replay: Replay, wanted: Iterable[str] | None = None) -> list[Trade]:
    names = frozenset(wanted or {f"replay:{symbol}" for symbol in replay.popular})
    return [t for batch in replay.batches(lambda: names, threading.Event()) for t in batch]


def saved(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_raw_frames_of_either_venue(tmp_path: Path) -> None:
    replay = Replay(saved(tmp_path, "desk.raw", FRAMES), 0.0)
    assert everything(replay) == [
        Trade(BTC, 5, 1795000000000000, 61000.1, 0.5, 1, 1795000000000000),
        Trade(BTC, 6, 1795000000240000, 61000.0, 0.1, -1, 1795000000250000),
        Trade("replay:ETH-USD", 9, 1794997600290000, 3400.5, 2.0, 1, 1795000000300000),
    ]


def test_gzip_is_told_by_content(tmp_path: Path) -> None:
    path = saved(tmp_path, "frames.dat", gzip.compress(FRAMES.encode()))
    assert len(everything(Replay(path, 0.0))) == 3


def test_a_vendors_archive(tmp_path: Path) -> None:
    path = saved(tmp_path, "um_BTCUSDT-aggTrades-2026-09-15.csv", ARCHIVE)
    assert everything(Replay(path, 0.0)) == [
        Trade(BTC, 3449899747, 1789430400003000, 78153.0, 0.001, 1, 1789430400003000),
        Trade(BTC, 3449899748, 1789430400006000, 78152.9, 0.148, -1, 1789430400006000),
    ]


def test_a_vendors_archive_without_header_in_microseconds(tmp_path: Path) -> None:
    path = saved(tmp_path, "ETHUSDT-aggTrades.csv", ARCHIVE_IN_MICROSECONDS)
    trades = everything(Replay(path, 0.0))
    assert [(t.time_us, t.side) for t in trades] == [
        (1789430400017025, -1),
        (1789430400239592, 1),
    ]


def test_a_file_downloaded_here_plays_again(tmp_path: Path) -> None:
    trades = [
        Trade("binance-usdm:BTCUSDT", 7, START_US, 61_000.5, 0.25, 1, START_US + 40_000),
        Trade("bybit:BTCUSDT", "a-uuid", START_US + 1, 61_000.25, 1.0, -1, START_US + 50_000),
        # A price without a trade, as CoinGecko tells it.
        Trade("coingecko:BTCUSDT", 9, START_US + 2, 61_000.0, 0.0, 0, START_US + 60_000),
    ]
    path = saved(tmp_path, "trades.csv", b"".join(write_trades(trades)))
    assert everything(Replay(path, 0.0)) == [t._replace(instrument=BTC) for t in trades]


@recordings
def test_two_recordings_are_merged_by_arrival() -> None:
    files = f"{TICKS}/usdm_btcusdt.trades.rawws.gz, {TICKS}/usdm_ethusdt.trades.rawws.gz"
    trades = everything(Replay(files, 0.0), [BTC, ETH])
    assert len(trades) == 21_313 + 14_076
    arrivals = [trade.received_us for trade in trades]
    assert arrivals == sorted(arrivals)
    assert {trade.instrument for trade in trades} == {BTC, ETH}


@recordings
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("usdm_btcusdt.DERIVED_aggTrades.csv", None),
        ("um_BTCUSDT-aggTrades-2026-09-15.csv", 5),
        ("spot_BTCUSDT-aggTrades-2026-09-15.csv", 5),
    ],
)
def test_vendor_files(name: str, count: int | None) -> None:
    trades = everything(Replay(str(TICKS / name), 0.0), [BTC])
    lines = (TICKS / name).read_text().splitlines()
    assert len(trades) == (count or len(lines) - 1)


class _Time:
    """Monotonic time and a stop event that only waiting moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.stop = threading.Event()
        self.stop.wait = self._wait  # type: ignore[method-assign, assignment]
        monkeypatch.setattr("tandem.venues.replay.time.monotonic", lambda: self.now)

    def _wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.stop.is_set()


@pytest.mark.parametrize("speed", [1.0, 10.0, 1000.0])
def test_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    rows = [
        Trade("sim:BTCUSDT", n, START_US + n * 500_000, 1.0, 1.0, 1, START_US + n * 500_000)
        for n in range(21)
    ]
    replay = Replay(saved(tmp_path, "t.csv", b"".join(write_trades(rows))), speed)
    time = _Time(monkeypatch)
    seen: list[Trade] = []
    for batch in replay.batches(lambda: frozenset({BTC}), time.stop):
        for trade in batch:
            due = (trade.received_us - START_US) / 1e6 / speed
            assert -1e-6 <= time.now - 1_000.0 - due <= 0.051
        # The recording's clock never runs ahead of a trade that is still to come.
        assert all(trade.received_us >= replay.clock_us() for trade in batch)
        seen += batch
    assert len(seen) == 21
    assert time.now - 1_000.0 == pytest.approx(10.0 / speed, abs=0.051)
    assert replay.clock_us() == rows[-1].received_us


def test_stop_ends_it_at_once(tmp_path: Path) -> None:
    stop = threading.Event()
    replay = Replay(saved(tmp_path, "desk.raw", FRAMES), 1.0)
    batches = replay.batches(lambda: frozenset({BTC}), stop)
    next(batches)
    stop.set()
    assert list(batches) == []


def test_only_what_is_wanted_is_played(tmp_path: Path) -> None:
    replay = Replay(saved(tmp_path, "desk.raw", FRAMES), 0.0)
    assert {t.instrument for t in everything(replay, [BTC])} == {BTC}


def test_a_database_is_read_by_the_callable(tmp_path: Path) -> None:
    path = saved(tmp_path, "tandem.sqlite", b"SQLite format 3\x00" + bytes(100))
    trade = Trade("binance-usdm:BTCUSDT", 1, START_US, 1.0, 1.0, 1, START_US)
    replay = Replay(path, 0.0, lambda given: [trade] if str(given) == path else [])
    assert everything(replay) == [trade._replace(instrument=BTC)]
    with pytest.raises(DataError, match="is a database"):
        everything(Replay(path, 0.0), [BTC])


def test_names_are_those_of_the_recording(tmp_path: Path) -> None:
    replay = Replay(saved(tmp_path, "desk.raw", FRAMES), 0.0)
    assert replay.popular == ("BTCUSDT", "ETH-USD")
    assert replay.instrument("btc") == BTC
    assert replay.instrument("ETH/USD") == "replay:ETH-USD"
    assert replay.instrument("replay:BTCUSDT") == BTC
    with pytest.raises(UnknownSymbol, match="BTCUSDT, ETH-USD"):
        replay.instrument("sol")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "date,close\n2024-01-01,5\n", "has the columns 'date, close'"),
        ("a.csv", b"\xff\xfe\x00\x01\x02 not text", "is not text"),
        ("frames.raw", "1795000000000000000 {}\n", "has no trade in it"),
        ("aggTrades.csv", ARCHIVE, "does not say which symbol"),
        ("BTCUSDT.csv", ARCHIVE + "1,2\n", "line 4: columns are missing"),
        ("BTCUSDT.csv", ARCHIVE + "1,x,1,1,1,1789430400003,true\n", "line 4: a value is not"),
        ("BTCUSDT.csv", ARCHIVE + "1,nan,1,1,1,1789430400003,true\n", "line 4: the price"),
        ("BTCUSDT.csv", ARCHIVE + "1,1,1,1,1,17894,true\n", "line 4: the time is not"),
        ("BTCUSDT.csv", ARCHIVE + "1,1,1,1,1,1789430400003,maybe\n", "line 4: a value is not"),
        ("BTCUSDT.csv", ARCHIVE + "-1,1,1,1,1,1789430400003,true\n", "line 4: the trade id"),
        ("a.gz", gzip.compress(FRAMES.encode())[:-20], "ends too early or is damaged"),
        ("a.gz", b"\x1f\x8b but not gzip", "damaged"),
    ],
)
def test_a_file_that_cannot_be_played_says_why(
    tmp_path: Path, name: str, text: str | bytes, words: str
) -> None:
    replay = Replay(saved(tmp_path, name, text), 0.0)
    with pytest.raises(DataError, match=words):
        everything(replay, [BTC])


def test_a_missing_file_and_no_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.csv could not be read: No such file"):
        everything(Replay(str(tmp_path / "gone.csv"), 0.0), [BTC])
    with pytest.raises(DataError, match="TANDEM_REPLAY_FILE"):
        everything(Replay("", 0.0), [BTC])
    assert Replay(str(tmp_path / "gone.csv"), 0.0).popular == ()
