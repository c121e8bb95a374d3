"""Large files of trades and bars: written in pieces, read in pieces, and hostile ones refused."""

from __future__ import annotations

import gzip
import io
import random
import time
import tracemalloc
import zipfile
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import DataError, StoreError
from tandem.core.events import BAR, CANDLE, Trade
from tandem.io import archive, writer
from tandem.io import files as tables
from tandem.io.archive import TradeArchive, import_trades, save_bars, save_trades
from tandem.storage.store import Store
from tandem.venues.replay import Replay
from tests.support.paths import SHARED

TICKS = SHARED / "data" / "ticks"
recordings = pytest.mark.skipif(not TICKS.is_dir(), reason=f"no recordings in {TICKS}")

START_US = 1_789_430_400 * SECOND_US
BTC = "binance-usdm:BTCUSDT"
FUTURES = """\
agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker
3449899747,78153.0,0.001,8078264332,8078264332,1789430400003,false
3449899748,78152.9,0.148,8078264333,8078264336,1789430400006,true
"""
SPOT = """\
4063759318,78189.20000000,0.00009000,6681954163,6681954164,1789430400017025,True,True
4063759319,78189.21000000,0.00010000,6681954165,6681954166,1789430400239592,False,True
"""
SINGLE = """\
id,price,qty,quote_qty,time,is_buyer_maker
501,78153.0,0.5,39076.5,1789430400003,true
"""
FUTURES_TRADES = [
    Trade(BTC, 3449899747, START_US + 3_000, 78153.0, 0.001, 1, START_US + 3_000),
    Trade(BTC, 3449899748, START_US + 6_000, 78152.9, 0.148, -1, START_US + 6_000),
]


class Sink:
    """Takes what a record would, as long as it is not full."""

    def __init__(self, room=10**9):
        self.taken, self.room, self.largest = [], room, 0

    def submit(self, events):
        self.taken += events
        self.largest = max(self.largest, len(events))

    def flush(self, timeout=None):
        return len(self.taken) <= self.room


def some_trades(count, instrument=BTC, seed=1):
    source = random.Random(seed)
    return [
        Trade(
            instrument,
            number if number % 5 else f"={number}+id",
            START_US + number * 1_700,
            50_000 + source.random(),
            source.random() + 1e-9,
            source.choice((-1, 0, 1)),
            START_US + number * 1_700 + 40_000,
        )
        for number in range(count)
    ]


def opened(text, form="plain", name="trades.csv"):
    raw = text.encode() if isinstance(text, str) else text
    if form == "gzip":
        return io.BytesIO(gzip.compress(raw))
    if form == "zip":
        return zipped({name: raw})
    return io.BytesIO(raw)


def zipped(members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw in members.items():
            packed.writestr(name, raw, **options)
    return file


def everything(file, name="trades.csv", instrument=BTC, batch_rows=5_000):
    read = TradeArchive(file, name, instrument, batch_rows)
    return [trade for batch in read for trade in batch], read.report()


# Our own files come back ----------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_trades_come_back_to_the_last_bit(form):
    trades = some_trades(2_345)
    file = io.BytesIO()
    batches = [trades[at : at + 100] for at in range(0, len(trades), 100)]
    assert save_trades(batches, file, form) == len(trades)
    back, report = everything(file)
    assert back == trades
    assert (report.rows_read, report.rows_kept, report.aside) == (2_345, 2_345, ())
    assert (report.first_us, report.last_us) == (trades[0].time_us, trades[-1].time_us)
    assert "Tandem" in report.layout


def test_a_number_and_its_text_stay_two_ids_in_parquet():
    trades = [one._replace(trade_id=value) for one in some_trades(1) for value in (7, "7")]
    file = io.BytesIO()
    save_trades([trades], file, "parquet")
    assert everything(file)[0] == trades


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_no_trade_and_no_bar_make_a_file_all_the_same(form):
    for save in (save_trades, save_bars):
        file = io.BytesIO()
        assert save([], file, form) == 0
        if form == "parquet":
            assert pq.read_table(file).num_rows == 0


def test_a_csv_of_trades_uploads_again_and_plays_again(tmp_path):
    trades = some_trades(300)
    path = tmp_path / "trades.csv"
    with path.open("wb") as file:
        save_trades([trades], file, "csv")
    table = tables.read(path, path.name)
    (rows,) = table.trades.values()
    assert rows["price"].tolist() == [one.price for one in trades]
    assert rows["time_us"].tolist() == [one.time_us for one in trades]
    assert len(list(Replay(str(path), 0.0)._merged())) == 300


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_bars_come_back_to_the_last_bit(form):
    trades = trade_array(some_trades(5_000))
    own = aggregate(trades, SECOND_US)
    parts = [("sim:AUSDT", own[:3]), ("sim:AUSDT", own[3:]), ("sim:BUSDT", own[:2])]
    file = io.BytesIO()
    assert save_bars(parts, file, form) == len(own) + 2
    if form == "csv":
        assert file.getvalue().count(b"open_price") == 1
        table = tables.read(file.getvalue(), "bars.csv")
        assert table.bars["sim:AUSDT"].tobytes() == own.tobytes()
        assert table.bars["sim:BUSDT"].tobytes() == own[:2].tobytes()
    else:
        back = pq.read_table(file)
        assert back["instrument"].to_pylist() == ["sim:AUSDT"] * len(own) + ["sim:BUSDT"] * 2
        for field, column in writer.BAR_COLUMNS.items():
            assert np.array_equal(back[column].to_numpy()[: len(own)], own[field])


def test_candles_are_written_with_what_they_lack():
    bars = np.zeros(1, BAR)
    bars["time_us"], bars["trades"], bars["buy_volume"] = MINUTE_US, CANDLE, np.nan
    file = io.BytesIO()
    save_bars([("sim:AUSDT", bars)], file, "csv")
    header, row = file.getvalue().decode().splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert cells["buy_volume_base"] == ""
    assert cells["trades_count"] == "-1"


def test_formulas_are_defused_and_read_back():
    trade = some_trades(1)[0]._replace(trade_id="=cmd()")
    file = io.BytesIO()
    save_trades([[trade]], file, "csv")
    assert b"'=cmd()" in file.getvalue()
    assert everything(file)[0] == [trade]


# Four seconds to write as text what takes a tenth of one as Parquet.
@pytest.mark.parametrize("form", [pytest.param("csv", marks=pytest.mark.slow), "parquet"])
def test_many_trades_pass_without_filling_memory(form, tmp_path, monkeypatch):
    """Written and read in pieces: far less is held than the trades themselves (300 bytes each)."""
    count, size = 20_000, 500
    monkeypatch.setattr("tandem.io.writer.CHUNK_ROWS", size)
    trades = some_trades(size)

    def batches():
        for first in range(0, count, size):
            yield [one._replace(trade_id=first + n) for n, one in enumerate(trades)]

    path = tmp_path / "trades"
    with path.open("wb") as file:
        tracemalloc.start()
        assert save_trades(batches(), file, form) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 4e6
    with path.open("rb") as file:
        read = TradeArchive(file, "trades", BTC)
        tracemalloc.start()
        assert sum(len(batch) for batch in read) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 4e6


# Vendors' archives ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["plain", "gzip", "zip"])
@pytest.mark.parametrize("has_header", [True, False])
def test_a_futures_archive(form, has_header):
    text = FUTURES if has_header else FUTURES.partition("\n")[2]
    trades, report = everything(opened(text, form), "BTCUSDT-aggTrades-2026-09-15.zip")
    assert trades == FUTURES_TRADES
    assert report.layout == "Binance futures aggTrades"


def test_a_spot_archive_in_microseconds():
    trades, report = everything(opened(SPOT), "x.csv", "binance-spot:BTCUSDT")
    assert [(one.time_us - START_US, one.side) for one in trades] == [(17_025, -1), (239_592, 1)]
    assert report.layout == "Binance spot aggTrades"


def test_single_trades_go_where_their_ids_harm_nobody():
    trades, _ = everything(opened(SINGLE), "x.csv", "file:BTCUSDT")
    assert trades == [
        Trade("file:BTCUSDT", 501, START_US + 3_000, 78153.0, 0.5, -1, START_US + 3_000)
    ]
    without = SINGLE.partition("\n")[2].strip() + ",True\n"
    assert everything(opened(without), "x.csv", "file:BTCUSDT")[0] == trades


@pytest.mark.parametrize(
    ("text", "name", "instrument", "words"),
    [
        (SINGLE, "x.csv", BTC, "ids belong to no feed.*file:BTCUSDT"),
        (SPOT, "x.csv", BTC, "ids belong to binance-spot.*Import it as binance-spot:BTCUSDT"),
        (FUTURES, "x.csv", "coinbase:BTC-USD", "Import it as binance-usdm:BTC-USD"),
        (FUTURES, "ETHUSDT-aggTrades.csv", BTC, "holds ETHUSDT by its name, not BTCUSDT"),
        (FUTURES, "x.csv", "BTCUSDT", "is not an instrument"),
    ],
)
def test_trades_are_not_mixed_into_another_instrument(text, name, instrument, words):
    with pytest.raises(DataError, match=words):
        everything(opened(text), name, instrument)


def test_rows_of_another_instrument_are_set_aside():
    trades = [*some_trades(3), *some_trades(2, "bybit:BTCUSDT")]
    file = io.BytesIO()
    save_trades([trades], file, "csv")
    kept, report = everything(file)
    assert kept == trades[:3]
    assert report.reasons == {f"it does not belong to {BTC}": 2}
    # Under the venue of files the first one's, so that ids of two venues never meet.
    kept, report = everything(file, instrument="file:BTCUSDT")
    assert [one.trade_id for one in kept] == [one.trade_id for one in trades[:3]]
    assert report.rows_aside == 2


@recordings
@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("um_BTCUSDT-aggTrades-2026-09-15.csv", BTC),
        ("spot_BTCUSDT-aggTrades-2026-09-15.csv", "binance-spot:BTCUSDT"),
        ("usdm_btcusdt.DERIVED_aggTrades.csv", BTC),
    ],
)
def test_archives_as_published(name, instrument):
    with (TICKS / name).open("rb") as file:
        trades, report = everything(file, name, instrument)
    lines = (TICKS / name).read_text().splitlines()
    assert len(trades) == len(lines) - (not lines[0][0].isdigit())
    assert report.rows_aside == 0


# What cannot be used --------------------------------------------------------------------


BAD_AMOUNT = "the price must be above zero and the quantity not below it"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2", "columns are missing"),
        ("1,x,1,1,1,1789430400003,true", "a value is not what its column holds"),
        ("1,nan,1,1,1,1789430400003,true", BAD_AMOUNT),
        ("1,-5,1,1,1,1789430400003,true", BAD_AMOUNT),
        ("1,1e300,1,1,1,1789430400003,true", BAD_AMOUNT),
        ("1,1,1,1,1,17894,true", "the time is not between 2009 and 2100 in this file's unit"),
        ("1,1,1,1,1,1789430400003,maybe", "a value is not what its column holds"),
        ("-1,1,1,1,1,1789430400003,true", "the trade id is out of range"),
        (f"{2**63},1,1,1,1,1789430400003,true", "the trade id is out of range"),
        ("9" * 5_000, "it is not UTF-8 text of at most 4096 bytes"),
        ('"1,2', "columns are missing"),
    ],
)
def test_a_line_that_is_no_trade_is_set_aside_with_its_number(line, reason):
    lines = FUTURES.splitlines()
    text = "\r\n".join([*lines[:2], line, "", lines[2]])
    trades, report = everything(opened(text))
    assert trades == FUTURES_TRADES
    assert (report.rows_read, report.rows_kept) == (3, 2)
    assert [(one.line, one.reason) for one in report.aside] == [(3, reason)]
    assert report.reasons == {reason: 1}


def test_a_line_that_is_not_text_is_set_aside():
    trades, report = everything(opened(FUTURES.encode() + b"\xff\xfe\x00\n"))
    assert trades == FUTURES_TRADES
    assert report.aside[0].line == 4


def test_of_very_many_bad_lines_the_first_are_shown_and_all_are_counted():
    _, report = everything(opened(FUTURES + "junk\n" * 10_000))
    assert len(report.aside) == 200
    assert report.reasons == {"columns are missing": 10_000}


def test_a_file_packed_to_fill_the_memory_is_refused_with_the_limit():
    for form in ("zip", "gzip"):
        bomb = opened(FUTURES + "\n" * 4_000_000, form)
        with pytest.raises(DataError, match=r"unpacks to more than \d+ MB, which is the limit"):
            everything(bomb)


def test_a_line_without_end_is_not_held_in_memory():
    bomb = opened(FUTURES.encode() + b"1" * 20_000_000)
    tracemalloc.start()
    trades, report = everything(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert trades == FUTURES_TRADES
    assert report.rows_aside == 1
    assert most < 2e6


def test_more_bytes_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 200)
    with pytest.raises(DataError, match="unpacks to more than 0 MB"):
        everything(opened(FUTURES * 3))


def test_more_rows_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MOST_ROWS", 1)
    with pytest.raises(DataError, match="more than 1 rows, which is the limit"):
        everything(opened(FUTURES))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (opened(""), "is not an archive of trades; its first line is ''"),
        (opened("date,close\n2024-01-01,5\n"), "first line is 'date,close'"),
        (opened(b"\xff\xff\xff\xff\n"), "first line is 'not text'"),
        (zipped({"a.csv": FUTURES, "b.csv": FUTURES}), "holds 2 files"),
        (zipped({}), "damaged or cannot be read|not an archive"),
        (zipped({"../a.csv": FUTURES}), "a path that leads outside"),
        (zipped({"/etc/a.csv": FUTURES}), "a path that leads outside"),
        (zipped({"a.csv": FUTURES}, compress_type=zipfile.ZIP_LZMA), "packed in a way not read"),
        (opened(zipped({"a.csv": FUTURES}).getvalue()[:-30]), "damaged or cannot be read"),
        (opened(gzip.compress(FUTURES.encode())[:-12]), "damaged or cannot be read"),
        (opened(b"\x1f\x8b but not gzip"), "damaged or cannot be read"),
        (opened(b"PAR1 but not Parquet"), "damaged or cannot be read"),
    ],
)
def test_a_file_that_is_no_archive_says_why(file, words):
    with pytest.raises(DataError, match=words):
        everything(file)


def test_an_encrypted_zip_is_refused():
    raw = bytearray(zipped({"a.csv": FUTURES}).getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    with pytest.raises(DataError, match="is encrypted"):
        everything(opened(bytes(raw)))


def test_a_parquet_file_of_another_program_is_refused(monkeypatch):
    file = io.BytesIO()
    pq.write_table(pa.table({"time": [1], "price": [2.0]}), file)
    with pytest.raises(DataError, match="another program, with the columns 'time, price'"):
        everything(file)
    own = io.BytesIO()
    save_trades([some_trades(10)], own, "parquet")
    monkeypatch.setattr(archive, "_GROUP_BYTES", 10)
    with pytest.raises(DataError, match="row group above"):
        everything(own)


def test_rows_of_parquet_that_are_no_trades_are_set_aside():
    good = some_trades(2)
    file = io.BytesIO()
    bad = [good[0]._replace(price=float("nan")), good[0]._replace(side=5)]
    save_trades([[good[0], *bad, good[1]]], file, "parquet")
    table = pq.read_table(file)
    holed = table.set_column(5, "quantity", pa.array([None, 1.0, 1.0, 1.0]))
    for one, kept in ((table, good), (holed, [good[1]._replace(quantity=1.0)])):
        pq.write_table(one, file := io.BytesIO())
        trades, report = everything(file)
        assert trades == kept
        assert report.rows_aside == 4 - len(kept)
        assert report.aside[0].line in (1, 2)


@given(st.binary(max_size=300), st.sampled_from(["plain", "gzip", "zip"]))
def test_any_bytes_give_trades_or_a_reason(raw, form):
    for data in (raw, FUTURES.encode() + raw):
        try:
            trades, report = everything(opened(data, form))
        except DataError as error:
            assert len(str(error)) > 20
        else:
            assert len(trades) == report.rows_kept
            assert report.rows_read == report.rows_kept + sum(report.reasons.values())


# Into a record --------------------------------------------------------------------------


def test_an_import_hands_over_batches_and_tells_how_far_it_is():
    trades = some_trades(1_000)
    file = io.BytesIO()
    save_trades([trades], file, "csv")
    sink, told = Sink(), []
    report = import_trades(TradeArchive(file, "trades.csv", BTC, 300), sink, told.append)
    assert sink.taken == trades
    assert sink.largest == 300
    assert told == [300, 600, 900, 1_000]
    assert report.rows_kept == 1_000


def test_a_record_that_takes_nothing_ends_the_import():
    file = io.BytesIO()
    save_trades([some_trades(1_000)], file, "csv")
    with pytest.raises(StoreError, match="after the first 300. Import it again"):
        import_trades(TradeArchive(file, "trades.csv", BTC, 300), Sink(room=500))


def test_an_archive_without_a_trade_says_why():
    text = FUTURES.splitlines()[0] + "\n1,2\n"
    with pytest.raises(DataError, match="no trade that can be used .line 2: columns are missing"):
        import_trades(TradeArchive(opened(text), "x.csv", BTC), Sink())
    with pytest.raises(DataError, match="no trade that can be used.$"):
        import_trades(TradeArchive(opened(text[:-5]), "x.csv", BTC), Sink())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_imports_into_another_record_and_twice_changes_nothing(form, tmp_path):
    trades = some_trades(700)
    with closing(Store.open(tmp_path / "one.sqlite", batch_ms=1)) as one:
        one.submit(trades)
        assert one.flush(10)
        file = io.BytesIO()
        assert save_trades(one.stream_trades(BTC, 0, 2**62, chunk=90), file, form) == 700
        bars = one.bars(BTC, 0, 2**62)
    with closing(Store.open(tmp_path / "two.sqlite", batch_ms=1)) as two:
        for _ in range(2):
            import_trades(TradeArchive(file, "trades", BTC, 300), two)
        assert two.trades(BTC, 0, 2**62) == trades
        assert two.bars(BTC, 0, 2**62).tobytes() == bars.tobytes()
        assert two.health().written == 700


def test_a_trade_dated_after_today_is_set_aside():
    later = int((time.time() + 2 * 86_400) * 1_000)
    lines = FUTURES.splitlines()
    text = "\n".join([*lines, f"999,1,1,1,1,{later},true"])
    trades, report = everything(opened(text))
    assert trades == FUTURES_TRADES
    assert report.reasons == {"it is dated after today": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b'agg_trade_id,"price\r1\n',
        (FUTURES + '1,"2\r3",1,1,1,1789430400003,true\n').encode(),
        b"PAR1 and nothing of it",
    ],
)
def test_what_libraries_do_not_understand_is_a_sentence_or_set_aside(raw):
    try:
        _, report = everything(opened(raw))
        assert report.aside
    except DataError as error:
        assert "trades.csv" in str(error)


def test_a_zip_of_a_later_kind_is_a_sentence():
    file = zipped({"trades.csv": FUTURES})
    raw = bytearray(file.getvalue())
    place = raw.index(b"PK\x01\x02")
    raw[place + 6] = 255
    with pytest.raises(DataError, match="damaged or cannot be read"):
        everything(io.BytesIO(bytes(raw)))


def test_a_parquet_file_of_one_long_text_is_refused_before_it_is_spread_out():
    rows = 2_000
    columns = {name: [1] * rows for name in archive._TRADES.names}
    columns |= {"instrument": ["x" * 100_000] * rows, "trade_id_text": [None] * rows}
    file = io.BytesIO()
    pq.write_table(pa.table(columns, archive._TRADES), file)
    assert file.tell() < 200_000
    tracemalloc.start()
    with pytest.raises(DataError, match="has a text of over 400 bytes"):
        everything(file)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
