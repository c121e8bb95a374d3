"""Vendors' real files, whole and damaged. They lie beside the project and are skipped if absent."""

from __future__ import annotations

import numpy as np
import pytest

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.core.errors import DataError
from tandem.io.files import read
from tandem.io.model import interval_text
from tandem.io.pairing import pair_from
from tests.support.paths import SHARED

BARS, TICKS, PAIRS = (SHARED / "data" / folder for folder in ("bars", "ticks", "pairs"))

pytestmark = pytest.mark.skipif(
    not (SHARED / "data").is_dir(),
    reason="real data files are not beside the project (see TANDEM_SHARED)",
)

# file; instrument; rows kept, rows aside; interval; first and last time; first and last close
BAR_FILES = [
    ("BTCUSDT-1h-2021-Q1.csv", "file:BTCUSDT-1H-2021-Q1", 2157, 1, HOUR_US,
     "2021-01-01T00:00", "2021-03-31T23:00", 28995.13, 58740.55),
    ("Binance_BTCUSDT_1h.csv", "file:BTCUSDT", 36250, 0, HOUR_US,
     "2017-08-17T04:00", "2021-10-05T13:00", 4308.83, 50207.96),
    ("Binance_ETHUSDT_1h.csv", "file:ETHUSDT", 36250, 0, HOUR_US,
     "2017-08-17T04:00", "2021-10-05T13:00", 300.79, 3456.81),
    ("Binance_ETHUSDT_d.first20.csv", "file:ETH/USDT", 20, 1, DAY_US,
     "2021-07-14T00:00", "2021-08-02T00:00", 1994.58, 2567.0),
    ("ETH_BTC-5m.converted_from_feather.csv", "file:ETH_BTC-5M.CONVERTED_FROM_FEATHER", 5760, 0,
     5 * MINUTE_US, "2018-01-10T04:55", "2018-01-30T04:50", 0.0994766, 0.10441057000000001),
    ("LTC_BTC-5m.converted_from_feather.csv", "file:LTC_BTC-5M.CONVERTED_FROM_FEATHER", 5760, 0,
     5 * MINUTE_US, "2018-01-10T04:55", "2018-01-30T04:50", 0.01690701, 0.016145),
    ("XBTUSD_1440.csv", "file:XBTUSD_1440", 3178, 0, DAY_US,
     "2013-10-06T00:00", "2022-06-30T00:00", 122.0, 19949.9),
    ("cryptodatadownload_old_btcusd_1h.csv", "file:BTCUSD", 3997, 2, HOUR_US,
     "2019-05-03T20:00", "2019-10-17T09:00", 5689.78, 8035.88),
    ("investing_btc.csv", "file:INVESTING_BTC", 2587, 0, DAY_US,
     "2016-04-15T00:00", "2023-05-15T00:00", 428.7, 27379.8),
    ("investing_petr4_pt.csv", "file:INVESTING_PETR4_PT", 24, 0, DAY_US,
     "2024-03-04T00:00", "2024-04-04T00:00", 40.08, 38.97),
    ("orcl-2014.txt", "file:ORCL-2014", 252, 0, DAY_US,
     "2014-01-02T00:00", "2014-12-31T00:00", 35.166069, 42.303135),
    ("tradingview_btcusdt_1d.csv", "file:TRADINGVIEW_BTCUSDT_1D", 564, 0, DAY_US,
     "2022-09-24T00:00", "2024-04-09T00:00", 18920.5, 68772.01),
    ("tsla_us_d.excerpt.csv", "file:TSLA_US_D.EXCERPT", 20, 0, DAY_US,
     "2010-06-28T00:00", "2010-11-29T00:00", 1.13333, 2.28867),
]  # fmt: skip

# file; rows; first and last time in microseconds; first and last price; first and last side
TICK_FILES = [
    ("spot_BTCUSDT-aggTrades-2026-09-15.csv", 5,
     1789430400017025, 1789430400830198, 78189.2, 78189.21, -1, 1),
    ("um_BTCUSDT-aggTrades-2026-09-15.csv", 5,
     1789430400003000, 1789430400008000, 78153.0, 78152.3, 1, -1),
    ("usdm_btcusdt.DERIVED_aggTrades.csv", 8325,
     1723161256322000, 1723161599604000, 61800.3, 61659.8, 1, 1),
    ("usdm_ethusdt.DERIVED_aggTrades.csv", 5063,
     1723161256560000, 1723161600029000, 2681.62, 2681.38, -1, -1),
]  # fmt: skip


def microseconds(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


@pytest.mark.parametrize("row", BAR_FILES, ids=lambda row: row[0])
def test_vendors_bars_are_read_right(row):
    file, name, kept, aside, interval_us, first, last, first_close, last_close = row
    table = read(BARS / file, file)
    assert table.instruments == (name,)
    bars, report = table.bars[name], table.report
    assert (len(bars), report.rows_kept, report.rows_aside) == (kept, kept, aside)
    assert report.interval_us == interval_us
    assert (report.first_us, report.last_us) == (microseconds(first), microseconds(last))
    assert (bars["close"][0], bars["close"][-1]) == (first_close, last_close)
    assert np.all(np.diff(bars["time_us"]) > 0)
    assert np.all(bars["last_us"] == bars["time_us"] + interval_us - 1)


@pytest.mark.parametrize("row", TICK_FILES, ids=lambda row: row[0])
def test_vendors_trades_are_read_right(row):
    file, count, first_us, last_us, first_price, last_price, first_side, last_side = row
    table = read(TICKS / file, file)
    (trades,) = table.trades.values()
    assert len(trades) == table.report.rows_kept == count
    assert (trades["time_us"][0], trades["time_us"][-1]) == (first_us, last_us)
    assert (trades["price"][0], trades["price"][-1]) == (first_price, last_price)
    assert (trades["side"][0], trades["side"][-1]) == (first_side, last_side)


def test_details_of_the_vendors_shapes():
    klines = read(BARS / "BTCUSDT-1h-2021-Q1.csv", "k.csv")
    bar = klines.bars["file:K"][0]
    assert (bar["volume"], bar["buy_volume"]) == (2311.811445, 1215.359238)
    assert (bar["notional"], bar["trades"]) == (66768830.34010008, 58389)
    assert klines.report.gaps == 3, "two bars are missing and in one nothing traded"
    assert klines.report.layout == "Binance klines, without column names"
    old = read(BARS / "cryptodatadownload_old_btcusd_1h.csv", "o.csv")
    assert old.bars["file:BTCUSD"]["volume"][-1] == 61.25
    assert old.bars["file:BTCUSD"]["notional"][-1] == 492394.56
    assert old.report.aside[0].line == 1
    suffixed = read(BARS / "investing_btc.csv", "i.csv").bars["file:I"]
    assert suffixed["volume"][-1] == 44_970.0
    comma = read(BARS / "investing_petr4_pt.csv", "p.csv")
    assert (comma.report.decimal, comma.bars["file:P"]["volume"][-1]) == (",", 118_930_000.0)
    ragged = read(BARS / "tsla_us_d.excerpt.csv", "t.csv").bars["file:T"]
    assert np.isnan(ragged["volume"][0]) and ragged["volume"][1] == 281749140


def test_two_price_columns_are_two_legs():
    table = read(PAIRS / "ewa_ewc_daily.csv", "ewa_ewc_daily.csv")
    y, x, interval_us = pair_from([table], "file:EWC", "file:EWA")
    assert (len(y), len(x), interval_us) == (1500, 1500, DAY_US)
    assert (y["close"][0], x["close"][0]) == (22.95, 16.1)


def test_monthly_bars_meet_by_month():
    table = read(PAIRS / "crude_brent_wti_monthly.csv", "crude.csv")
    y, x, interval_us = pair_from([table], "file:BRENT", "file:WTI")
    assert (len(y), len(x)) == (393, 393)
    assert interval_text(interval_us) == "1 month"
    assert y["time_us"][0] == microseconds("1987-05-01")


def test_two_vendors_files_make_a_pair():
    found = [
        read(BARS / name, name) for name in ("Binance_BTCUSDT_1h.csv", "BTCUSDT-1h-2021-Q1.csv")
    ]
    y, x, interval_us = pair_from(found, "file:BTCUSDT", "file:BTCUSDT-1H-2021-Q1")
    assert interval_us == HOUR_US
    _, at_y, at_x = np.intersect1d(y["time_us"], x["time_us"], return_indices=True)
    assert len(at_x) == 2157
    assert np.median(np.abs(y["close"][at_y] / x["close"][at_x] - 1.0)) < 1e-3


def test_files_without_common_time_show_both_ranges():
    found = [read(BARS / name, name) for name in ("orcl-2014.txt", "investing_btc.csv")]
    with pytest.raises(DataError, match=r"2014-01-02.*2014-12-31.*2016-04-15.*2023-05-15"):
        pair_from(found, "file:ORCL-2014", "file:INVESTING_BTC")


# Damage -----------------------------------------------------------------------------------


def cut_short(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: int(rng.integers(1, len(raw)))]


def shuffled(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def doubled(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw + raw


def with_junk(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.splitlines(keepends=True)
    junk = [
        b'"\n',
        b",,,,,\n",
        b"=cmd()\n",
        b"\xff\xfe\xfd\n",
        b"1,2,3\n",
        b"a;b;c\n",
        b"9" * 400 + b"\n",
    ]
    for at in rng.integers(0, len(lines), 12):
        lines.insert(int(at), junk[int(rng.integers(len(junk)))])
    return b"".join(lines)


def overwritten(raw: bytes, rng: np.random.Generator) -> bytes:
    buffer = bytearray(raw)
    for at in rng.integers(0, len(buffer), 200):
        buffer[at] = int(rng.integers(1, 256))
    return bytes(buffer)


@pytest.mark.parametrize("damage", [cut_short, shuffled, doubled, with_junk, overwritten])
@pytest.mark.parametrize("row", BAR_FILES, ids=lambda row: row[0])
def test_damaged_files_give_a_report_or_a_sentence(row, damage):
    raw = (BARS / row[0]).read_bytes()[:30_000]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        try:
            table = read(damage(raw, rng), row[0])
        except DataError as error:
            assert str(error).endswith(".")
            continue
        report = table.report
        assert report.rows_kept + report.rows_aside == report.rows_read
        assert report.rows_kept >= 2
        for bars in table.bars.values():
            assert np.all(np.diff(bars["time_us"]) > 0)
            assert np.all(bars["close"] > 0)


@pytest.mark.parametrize(
    "file", ["binance_futures_2021.ws.txt", "http_trades.json", "usdm_btcusdt.trades.rawws.gz"]
)
def test_other_files_are_refused_with_a_sentence(file):
    with pytest.raises(DataError, match=r"rows? of data|JSON|column"):
        read(TICKS / file, file)
