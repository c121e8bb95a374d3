"""Small files of the kinds people have reported: each read as its folder says is right."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from tandem.backtest import cli
from tandem.core.clock import DAY_US
from tandem.io.files import read_files
from tandem.io.model import Table, interval_text
from tests.support.reference_data import path as reference

FOLDER = "reports"
# file; instruments; rows of each; first close
RIGHT = [
    ("A5_business_month_end.csv", ("A5_BUSINESS_MONTH_END",), 131, 100.8),
    ("B4_bid_ask.csv", ("B4_BID_ASK",), 300, 86.03),
    ("D1_split_unadjusted.csv", ("D1_SPLIT_UNADJUSTED",), 129, 101.13),
    ("D3_thirtyseconds.csv", ("D3_THIRTYSECONDS",), 129, 110.0),
    ("D4_german_scientific.csv", ("D4_GERMAN_SCIENTIFIC",), 129, 1.01e-6),
    ("D5_negative_day.csv", ("D5_NEGATIVE_DAY",), 129, 33.68),
    ("E2_nasdaq_1.csv", ("E2_NASDAQ_1",), 129, 97.77),
    ("E2_nasdaq_2.csv", ("E2_NASDAQ_2",), 129, 195.55),
    ("F01_unnamed_index.csv", ("F01_UNNAMED_INDEX",), 129, 101.13),
    ("F02_yfinance_header.csv", ("AAA",), 129, 101.0288568739519),
    ("F02_yfinance_header_two.csv", ("AAA", "BBB"), 129, 101.0288568739519),
    ("F03_adj_close_only.csv", ("F03_ADJ_CLOSE_ONLY",), 129, 101.0288568739519),
    ("F04_coingecko.csv", ("F04_COINGECKO",), 129, 101.0288568739519),
    ("F05_coinmarketcap_old.csv", ("F05_COINMARKETCAP_OLD",), 129, 101.13),
    ("F06_bloomberg_dates.csv", ("F06_BLOOMBERG_DATES",), 129, 101.13),
    ("F07_barchart.csv", ("F07_BARCHART",), 129, 101.13),
    ("F08_okx_trades.csv", ("BTC-USDT",), 120, 42799.5),
    ("F08_okx_trades_old.csv", ("F08_OKX_TRADES_OLD",), 120, 42798.9),
    ("F09_bitmex_trades.csv", ("XBTUSD",), 120, 3900.3),
    ("F10_polygon_flat.csv", ("AAA",), 129, 101.03),
    ("F11_databento_ohlcv.csv", ("ESH4",), 129, 101.13),
    ("F12_ninjatrader.txt", ("F12_NINJATRADER",), 120, 100.1),
    ("F13_histdata_ticks.csv", ("F13_HISTDATA_TICKS",), 120, 1.1001),
    ("F14_kibot_daily.txt", ("F14_KIBOT_DAILY",), 129, 101.13),
    ("F15_dukascopy_local.csv", ("F15_DUKASCOPY_LOCAL",), 129, 101.13),
    ("F16_ibkr_zone_name.csv", ("F16_IBKR_ZONE_NAME",), 120, 100.1),
    ("F17_mt5_ticks.csv", ("F17_MT5_TICKS",), 120, 1.1001),
    ("F18_nikkei.csv", ("F18_NIKKEI",), 129, 101.03),
    ("F19_krx.csv", ("F19_KRX",), 129, 10103.0),
    ("F20_year_month.csv", ("F20_YEAR_MONTH",), 120, 1180.38),
    ("F21_fred_observation_date.csv", ("DCOILWTICO",), 129, 101.03),
    ("F22_sep_line.csv", ("F22_SEP_LINE",), 129, 101.03),
    ("F23_french_months.csv", ("F23_FRENCH_MONTHS",), 129, 101.03),
    ("F24_lean_daily.csv", ("F24_LEAN_DAILY",), 129, 101.0388),
    ("F25_timestamp_utc.csv", ("F25_TIMESTAMP_UTC",), 120, 100.1),
]


def table(name: str) -> Table:
    path = reference(f"{FOLDER}/{name}")
    (found,) = read_files(path, path.name)
    return found


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row[0])
def test_every_row_of_a_reported_file_is_read(row):
    name, instruments, rows, first = row
    found = table(name)
    assert found.instruments == tuple(f"file:{one}" for one in instruments)
    arrays = list((found.bars or found.trades).values())
    assert [len(one) for one in arrays] == [rows] * len(instruments)
    assert arrays[0]["close" if found.bars else "price"][0] == pytest.approx(first)
    assert not found.report.loss


def test_months_days_and_the_last_candle_are_what_the_files_say():
    months = table("A5_business_month_end.csv").report
    assert (interval_text(months.interval_us), months.gaps) == ("1 month", 0)
    local = table("F15_dukascopy_local.csv").bars["file:F15_DUKASCOPY_LOCAL"]["time_us"]
    assert not (local % DAY_US).any() and str(local[0].astype("M8[us]"))[:10] == "2024-01-02"
    split = table("D1_split_unadjusted.csv").bars["file:D1_SPLIT_UNADJUSTED"]
    assert np.abs(np.diff(np.log(split["open"]))).max() < 0.2
    raw = reference(f"{FOLDER}/D8_partial_then_finished_bar.csv").read_text().splitlines()
    candles = table("D8_partial_then_finished_bar.csv").bars["file:D8_PARTIAL_THEN_FINISHED_BAR"]
    assert candles["close"][-1] == float(raw[-1].split(",")[4])


def test_one_file_name_from_two_venues_is_two_legs():
    paths = [reference(f"{FOLDER}/{venue}/BTCUSDT.csv") for venue in ("binance", "bybit")]
    out = io.StringIO()
    assert cli.main([*map(str, paths), "--lookback", "50", "--json"], out) == 0
    told = json.loads(out.getvalue())
    assert (told["y"], told["x"]) == ("file:BINANCE-BTCUSDT", "file:BYBIT-BTCUSDT")
