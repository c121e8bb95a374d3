"""What files come in: packed ones are opened, and refused where they are traps."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.core.errors import DataError
from tandem.io import containers
from tandem.io.files import read, read_files
from tandem.io.model import Table

PLAIN = b"time,close\n" + b"".join(
    f"2024-01-01 {hour:02}:00:00,{100 + hour}\n".encode() for hour in range(20)
)
CLOSES = [100.0 + hour for hour in range(20)]


def zipped(files: dict[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", packed) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return sink.getvalue()


def parquet(columns: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def closes(table: Table) -> list[float]:
    (found,) = table.bars.values()
    return found["close"].tolist()


@pytest.mark.parametrize(
    ("data", "name", "instrument"),
    [
        (zipped({"data/btc.csv": PLAIN}), "a.zip", "file:BTC"),
        (zipped({"btc.csv": PLAIN, "__MACOSX/._btc.csv": b"x", "d/": b""}), "a.zip", "file:BTC"),
        (zipped({"btc.csv": PLAIN, "d/README.txt": b"Read me"}), "a.zip", "file:BTC"),
        (zipped({"btc.csv": PLAIN}, zipfile.ZIP_STORED), "a.zip", "file:BTC"),
        (gzip.compress(PLAIN), "btc.csv.gz", "file:BTC"),
    ],
)
def test_packed_files_are_read_by_the_name_inside(data, name, instrument):
    table = read(data, name)
    assert table.instruments == (instrument,)
    assert closes(table) == CLOSES
    assert any("Unpacked" in note for note in table.report.notes)


def test_a_zip_of_two_gives_two_tables():
    data = zipped({"y.csv": PLAIN, "x.csv": PLAIN})
    found = read_files(data, "two.zip")
    assert [table.instruments for table in found] == [("file:Y",), ("file:X",)]
    with pytest.raises(DataError, match="holds 2 tables .'y.csv', 'x.csv'. where one is needed"):
        read(data, "two.zip")


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_parquet_with_times(zone):
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    times = pa.array(start + 3_600_000_000 * np.arange(20), pa.timestamp("us", tz=zone))
    labels = pa.array(["BTC"] * 20).dictionary_encode()
    table = read(
        parquet({"symbol": labels, "close": CLOSES, "__index_level_0__": times}), "btc.parquet"
    )
    (bars,) = table.bars.values()
    assert bars["close"].tolist() == CLOSES
    assert bars["time_us"][0] == start
    assert table.instruments == ("file:BTC",)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (zipped({"../../etc/passwd": PLAIN}), "a path that leads elsewhere"),
        (zipped({"/etc/passwd": PLAIN}), "a path that leads elsewhere"),
        (zipped({"..\\up.csv": PLAIN}), "a path that leads elsewhere"),
        (zipped({"C:/x.csv": PLAIN}), "a path that leads elsewhere"),
        (zipped({"in.zip": zipped({"a.csv": PLAIN})}), "the limit is one archive deep"),
        (zipped({"in.csv": gzip.compress(PLAIN)}), "the limit is one archive deep"),
        (gzip.compress(gzip.compress(PLAIN)), "the limit is one archive deep"),
        (zipped({f"{i}.csv": PLAIN for i in range(17)}), "holds 17 files; the limit is 16"),
        (zipped({"folder/": b""}), "holds no files"),
        (zipped({"a.csv": PLAIN}, zipfile.ZIP_LZMA), "only deflate is"),
        (lambda: zipped({"a.csv": bytes(30_000_000)}), "200 times the packed size"),
        (lambda: gzip.compress(bytes(30_000_000)), "200 times the packed size"),
        (zipped({"[Content_Types].xml": b"<x/>"}), "an Excel workbook"),
        (zipped({"a.csv": PLAIN})[:-30], "damaged or cannot be read"),
        (gzip.compress(PLAIN)[:-12], "damaged or cannot be read"),
        (
            lambda: parquet({f"c{i}": [1.0, 2.0] for i in range(1_001)}),
            "1,001 columns; the limit is 1,000",
        ),
        (parquet({"time": [1, 2], "volume": [1, 2], "close": [[1.0], [2.0]]}), "no price column"),
        (parquet({"time": [1, 2]})[:-5], "damaged or cannot be read"),
    ],
)
def test_traps_are_refused_with_the_limit_named(data, says):
    data = data if isinstance(data, bytes) else data()
    with pytest.raises(DataError, match=says):
        read_files(data, "x.zip")


def test_an_encrypted_zip_is_refused():
    data = bytearray(zipped({"a.csv": PLAIN}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + at
        (flags,) = struct.unpack_from("<H", data, place)
        struct.pack_into("<H", data, place, flags | 1)
    with pytest.raises(DataError, match="is encrypted; unpack it with its password"):
        read(bytes(data), "a.zip")


def test_a_link_in_a_zip_is_refused():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="a path that leads elsewhere"):
        read(sink.getvalue(), "a.zip")


def test_the_size_a_zip_tells_of_itself_is_not_believed():
    data = bytearray(zipped({"a.csv": bytes(3_000_000)}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + at, 100)
    with pytest.raises(DataError):
        read(bytes(data), "a.zip")


@pytest.mark.parametrize("pack", [lambda raw: zipped({"a": raw}), gzip.compress, lambda raw: raw])
def test_all_files_of_an_archive_share_one_limit(pack):
    with pytest.raises(DataError, match="limit"):
        read(pack(PLAIN * 3), "a.zip", limit_bytes=1_000)


def test_the_total_of_a_zip_is_limited():
    raw = bytes(np.random.default_rng(0).integers(48, 58, 600_000, np.uint8))
    data = zipped({"a.csv": raw, "b.csv": raw})
    with pytest.raises(DataError, match="1.0 MB altogether"):
        containers.contents(data, "x.zip", 1_000_000)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_archives_give_a_sentence(data):
    whole = data.draw(
        st.sampled_from(
            [
                zipped({"y.csv": PLAIN, "x.csv": PLAIN}),
                gzip.compress(PLAIN),
                parquet({"time": list(range(1_700_000_000, 1_700_000_020)), "close": CLOSES}),
            ]
        )
    )
    raw = bytearray(whole)
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(4, len(raw) - 1), st.integers(0, 255)), max_size=8)
    ):
        raw[at] = byte
    raw = raw[: data.draw(st.integers(4, len(raw)))]
    try:
        found = read_files(bytes(raw), "x.zip", 10_000_000)
    except DataError as error:
        assert str(error)
    else:
        assert all(table.report.rows_kept >= 2 for table in found)
