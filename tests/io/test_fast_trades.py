"""The quick reader of big files gives the very table the careful one gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem.core.bars import aggregate
from tandem.core.errors import Cancelled, DataError
from tandem.core.events import TRADE
from tandem.core.parallel import Watch
from tandem.io import fast_trades as quick
from tandem.io.model import Corrections, Table
from tandem.io.pairing import bars_of
from tandem.io.reader import read_text
from tandem.io.text import is_utf8

TOP = 60
GUESS = Corrections()


def line(number: int, cut: str = ",") -> str:
    price, quantity = 100 + number % 7 / 8, 1 + number % 5 / 100
    maker = "true" if number % 3 else "false"
    cells = (number + 50, f"{price:.3f}", quantity, 1, 2, 1_704_067_200_000 + 7 * number, maker)
    return cut.join(map(str, cells))


ODD = [
    "",
    "junk",
    "a,b,c,d,e,f,g",
    "1,2,3",
    "55,1,1,1,1,1704067200100,true,extra",
    '"9001","101.5","2",1,2,1704067200333,true',
    "9002,1e2,2,1,2,1704067200334,true",
    "9003,0,2,1,2,1704067200335,true",
    "9004,nan,2,1,2,1704067200336,true",
    "9005,100.123456789012345678,2,1,2,1704067200337,false",
    "9006,100,2,1,2,1,false",
    "9007,100,2,1,2,1704067200339,perhaps",
    "9008,-5,2,1,2,1704067200340,true",
    '9009,100,"2,1,2,1704067200341,true',
    "61,103,2,1,2,1704067200342,true",
    "9010,100.,2,x y,é,1704067200343,TRUE",
]


def same(ours: Table | None, twin: Table) -> None:
    assert ours is not None
    assert ours.instruments == twin.instruments
    (name,) = twin.instruments
    np.testing.assert_array_equal(ours.trades[name], twin.trades[name])
    asides = replace(ours.report, notes=()), replace(twin.report, notes=())
    assert asides[0] == asides[1]
    # Of rows that are there twice one of the two counts some more.
    notes = [
        {note for note in table.report.notes if "unrecognised side" not in note}
        for table in (ours, twin)
    ]
    assert notes[0] == notes[1]


# Whether the newest rows came first is here decided by the rows without a price.
@example(
    odd=[(at, ODD[kind]) for at, kind in ((1, 5), (289, 7), (1, 7), (108, 5), (4, 5), (346, 5))],
    order="shuffled",
    header=False,
    end="\n",
    cut_bytes=0,
    piece=300,
)
@settings(max_examples=25, deadline=None)
@given(
    odd=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(ODD)), max_size=12),
    order=st.sampled_from(["as it is", "newest first", "shuffled", "doubled"]),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    cut_bytes=st.integers(0, 40),
    piece=st.sampled_from([300, 5_000, 10**6]),
)
def test_the_quick_reader_is_the_careful_one(odd, order, header, end, cut_bytes, piece):
    texts = [line(i) for i in range(300)]
    if order == "newest first":
        texts = texts[::-1]
    elif order == "shuffled":
        texts = [texts[int(i)] for i in np.random.default_rng(3).permutation(len(texts))]
    elif order == "doubled":
        texts = texts + texts[:200]
    for at, text in odd:
        texts.insert(TOP + at, text)
    if header:
        texts.insert(0, "agg_trade_id,price,quantity,first_id,last_id,time,is_buyer_maker")
    raw = (end.join(texts) + end).encode()
    raw = raw[: len(raw) - cut_bytes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quick, "HEAD_BYTES", len(end.join(texts[:TOP])))
        patch.setattr(quick, "PIECE_BYTES", piece)
        ours = quick.read_quick(raw, "trades.csv", GUESS, least_bytes=0)
    if not is_utf8(raw):  # cut off within a letter
        assert ours is None
        return
    same(ours, read_text(raw, "trades.csv", GUESS))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_file_cut_within_a_letter_is_left_to_the_careful_reader(line_end, monkeypatch):
    monkeypatch.setattr(quick, "HEAD_BYTES", 2_000)
    accented = ODD[15]
    texts = [line(i) for i in range(300)]
    texts = [*texts[:130], accented, *texts[130:], accented, accented]
    raw = line_end.join(texts).encode()
    raw = raw[: raw.rindex("\u00e9".encode()) + 1]
    assert quick.read_quick(raw, "t.csv", GUESS, least_bytes=0) is None
    report = read_text(raw, "t.csv", GUESS).report
    assert report.encoding == "utf-8"
    assert [one.text for one in report.aside] == [accented, "9010,100.,2,x y,"]


@pytest.mark.parametrize("cut", [";", "\t", "|"])
def test_other_delimiters(cut, monkeypatch):
    monkeypatch.setattr(quick, "HEAD_BYTES", 2_000)
    raw = "\n".join(line(i, cut) for i in range(300)).encode()
    same(quick.read_quick(raw, "t.csv", GUESS, least_bytes=0), read_text(raw, "t.csv", GUESS))


@pytest.mark.parametrize(
    "text",
    [
        "time,close\n" + "".join(f"{1_704_067_200 + i},5\n" for i in range(200)),
        "time,price,qty\n" + "".join(f"2024-01-01 00:00:{i % 60:02},5,1\n" for i in range(200)),
        "time,price,qty\n" + "".join(f"{1_704_067_200 + i},5,0\n" for i in range(200)),
        "time;price;qty\n" + "".join(f"{1_704_067_200 + i};5,25;1\n" for i in range(200)),
        "time,symbol,price,qty\n" + "".join(f"{1_704_067_200 + i},A,5,1\n" for i in range(200)),
        "time,price,qty,id\n" + "".join(f"{1_704_067_200 + i},5,1,a{i}\n" for i in range(200)),
    ],
)
def test_other_files_are_left_to_the_careful_reader(text, monkeypatch):
    monkeypatch.setattr(quick, "HEAD_BYTES", 1_000)
    assert quick.read_quick(text.encode(), "t.csv", GUESS, least_bytes=0) is None


def test_a_file_with_many_odd_lines_is_left_to_the_careful_reader(monkeypatch):
    monkeypatch.setattr(quick, "HEAD_BYTES", 2_000)
    monkeypatch.setattr(quick, "MOST_ODD", 10)
    raw = "\n".join([line(i) for i in range(300)] + ["junk"] * 20).encode()
    assert quick.read_quick(raw, "t.csv", GUESS, least_bytes=0) is None


def test_reading_shows_progress_and_can_be_cancelled(monkeypatch):
    monkeypatch.setattr(quick, "HEAD_BYTES", 2_000)
    monkeypatch.setattr(quick, "PIECE_BYTES", 500)
    raw = "\n".join(line(i) for i in range(500)).encode()
    seen: list[float] = []
    watch = Watch(lambda done, total: seen.append(done / total))
    assert quick.read_quick(raw, "t.csv", GUESS, watch=watch, least_bytes=0) is not None
    assert seen == sorted(seen) and len(seen) > 5 and seen[-1] <= 1.0
    with pytest.raises(Cancelled):
        quick.read_quick(raw, "t.csv", GUESS, watch=Watch(is_cancelled=lambda: True), least_bytes=0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 50), st.floats(0.1, 9), st.floats(0.1, 9), st.sampled_from([-1, 0, 1])
        ),
        max_size=60,
    ),
    st.sampled_from([1, 3, 10, 1_000]),
)
def test_bars_of_trades_are_those_of_the_plain_twin(found, interval_us):
    trades = np.zeros(len(found), TRADE)
    for i, (time_us, price, quantity, side) in enumerate(sorted(found, key=lambda one: one[0])):
        trades[i] = (time_us, price, quantity, side, time_us)
    ours, twin = bars_of(trades, interval_us), aggregate(trades, interval_us)
    np.testing.assert_array_equal(ours, twin)


@pytest.mark.parametrize(
    "wrong",
    [
        {"decimal": "x"},
        {"date_order": "sideways"},
        {"time_unit": "days"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"encoding": "klingon"},
        {"delimiter": "ab"},
        {"roles": ((0, "colour"),)},
    ],
)
def test_corrections_are_checked(wrong):
    with pytest.raises(DataError):
        Corrections(**wrong)
