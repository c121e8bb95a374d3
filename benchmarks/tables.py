"""The importer: what it makes of every format it knows of, and its speed on a big file of ticks.

python -m benchmarks.tables --formats    writes docs/FORMATS.md: real files, shapes made here
python -m benchmarks.tables --speed      5 million trades to aligned bars, time and memory
"""

from __future__ import annotations

import argparse
import gzip
import io
import multiprocessing
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from benchmarks.machine import describe
from tandem.core.bars import align
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.io.files import read, read_files
from tandem.io.model import Table, interval_text
from tandem.io.pairing import pair_from
from tests.support.paths import ROOT, SHARED

PAGE = ROOT / "docs" / "FORMATS.md"
START_S = 1_704_067_200  # 2024-01-01
ROWS = 30
TICKS = 5_000_000


TOP = """# Files that can be read

Written by `python -m benchmarks.tables --formats`: every file is read without any hint, as an upload is. [GUIDE.md](GUIDE.md#files) says what a
file may contain, and what is rejected. *Skipped* counts rows that are not used, *missing* bars absent between the first and the last one,
over all instruments. Real files are downloads, excerpts of them and conversions; they are not part of this project.
"""  # noqa: E501
HEAD = (
    "| file | recognised as | content | encoding | times | instruments | kept | skipped | "
    "missing | reason skipped |",
    "|---|---|---|---|---|---:|---:|---:|---:|---|",
)


# Formats ----------------------------------------------------------------------------------


def _stamp(i: int, form: str) -> str:
    return time.strftime(form, time.gmtime(START_S + 3_600 * i))


def _day(i: int, form: str) -> str:
    return time.strftime(form, time.gmtime(START_S + 86_400 * i))


def _ohlc(i: int) -> str:
    return f"{100 + i}.5,{103 + i}.25,{99 + i}.75,{102 + i}.0"


def _bars(header: str, row: str, newest_first: bool = False) -> str:
    """Fill `row`: {s} epoch seconds, {day}, {iso}, {clock}, {o} four prices, {i} the row."""
    order = range(ROWS)[::-1] if newest_first else range(ROWS)
    lines = (
        row.format(
            i=i,
            s=START_S + 3_600 * i,
            day=_day(i, "%Y-%m-%d"),
            dots=_day(i, "%d.%m.%Y"),
            compact=_day(i, "%Y%m%d"),
            english=_day(i, "%b %d, %Y"),
            slashes=_day(i, "%m/%d/%Y"),
            cjk=_day(i, "%Y年%m月%d日"),
            korean=_day(i, "%Y- %m- %d"),
            iso=_stamp(i, "%Y-%m-%d %H:%M:%S"),
            ampm=_stamp(i, "%Y-%m-%d %I-%p"),
            mt=_stamp(i, "%Y.%m.%d,%H:%M"),
            mt5=_stamp(i, "%Y.%m.%d\t%H:%M:%S"),
            o=_ohlc(i),
            tabs=_ohlc(i).replace(",", "\t"),
            semi=_ohlc(i).replace(",", ";").replace(".", ","),
            quoted='"' + _ohlc(i).replace(",", '","') + '"',
            comma='"' + _ohlc(i).replace(",", '","').replace(".", ",") + '"',
            half=(102 + i) / 2,
            serial=45_292 + i / 24,
        )
        for i in order
    )
    return (header and header + "\n") + "".join(line + "\n" for line in lines)


def made() -> Iterator[tuple[str, bytes]]:
    """Yield shapes of files, by a name that says what they are; all begin at the start of 2024."""
    investing = {
        "de": '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"',
        "fr": '"Date","Dernier","Ouv."," Plus Haut","Plus Bas","Vol.","Variation %"',
        "es": '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."',
        "it": '"Data","Ultimo","Apertura","Massimo","Minimo","Vol.","Var. %"',
        "pl": '"Data","Ostatnio","Otwarcie","Max.","Min.","Wol.","Zmiana%"',
        "ru": '"Дата","Цена","Откр.","Макс.","Мин.","Объём","Изм. %"',
        "tr": '"Tarih","Şimdi","Açılış","Yüksek","Düşük","Hac.","Fark %"',
        "nl": '"Datum","Laatst","Open","Hoog","Laag","Vol.","Verschil %"',
    }
    for language, header in investing.items():
        row = '"{dots}","10{i},0","10{i},5","10{i},9","9{i},1","1,25K","0,50%"'
        row = row.replace('"9{i},1"', '"1{i},1"')
        yield f"investing-{language}.csv", _bars(header, row, newest_first=True).encode("utf-8-sig")
    east = '"{0}","{1}","{2}","{3}","{4}","{5}","{6}"'
    row = ',"10{i}.0","10{i}.5","10{i}.9","1{i}.1","1.25K","0.50%"'
    chinese = east.format("日期", "收盘", "开盘", "高", "低", "交易量", "涨跌幅")
    yield "investing-zh.csv", _bars(chinese, '"{day}"' + row, True).encode()
    yield "investing-zh-gbk.csv", _bars(chinese, '"{cjk}"' + row, True).encode("gbk")
    japanese = east.format("日付け", "終値", "始値", "高値", "安値", "出来高", "変化率 %")
    yield "investing-ja.csv", _bars(japanese, '"{cjk}"' + row, True).encode()
    yield "investing-ja-sjis.csv", _bars(japanese, '"{cjk}"' + row, True).encode("shift_jis")
    korean = east.format("날짜", "종가", "시가", "고가", "저가", "거래량", "변동 %")
    yield "investing-ko.csv", _bars(korean, '"{korean}"' + row, True).encode()
    yield (
        "investing-ru-cp1251.csv",
        _bars(
            investing["ru"], '"{dots}","10{i},0","10{i},5","10{i},9","1{i},1","1,25K","0,50%"'
        ).encode("cp1251"),
    )
    for unit, scale in (("s", ""), ("ms", "000"), ("us", "000000"), ("ns", "000000000")):
        yield (
            f"epoch-{unit}.csv",
            _bars("time,open,high,low,close", "{s}" + scale + ",{o}").encode(),
        )
    kline = "{s}000,{o},12.5,{s}999,1000.5,42,6.1,600.2,0"
    yield "binance-klines-ms.csv", _bars("", kline).encode()
    yield "binance-klines-us.csv", _bars("", kline.replace("000,", "000000,", 1)).encode()
    yield (
        "binance-klines-header.csv",
        _bars(
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
            "taker_buy_volume,taker_buy_quote_volume,ignore",
            kline,
        ).encode(),
    )
    yield "binance-aggtrades.csv", _bars("", "{i},100.{i},0.5,{i},{i},{s}000,true").encode()
    spot = "{i},100.{i},0.5,{i},{i},{s}000000,False,True"
    yield "binance-spot-aggtrades-us.csv", _bars("", spot).encode()
    yield (
        "binance-trades.csv",
        _bars(
            "id,price,qty,quote_qty,time,is_buyer_maker", "{i},100.{i},0.5,50,{s}000,false"
        ).encode(),
    )
    yield (
        "cryptodatadownload.csv",
        _bars(
            "https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,"
            "Volume BTC,Volume USDT,tradecount",
            "{s}000,{iso},BTCUSDT,{o},2.5,251.5,12",
            newest_first=True,
        ).encode(),
    )
    yield (
        "cryptodatadownload-am.csv",
        _bars(
            "Timestamps are UTC timezone,https://www.CryptoDataDownload.com\n"
            "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD",
            "{ampm},BTCUSD,{o},2.5,251.5",
            newest_first=True,
        ).encode(),
    )
    yield "kraken-ohlcvt.csv", _bars("", "{s},{o},1.5,7").encode()
    yield "kraken-trades.csv", _bars("", "{s}.1234,100.{i},0.25").encode()
    yield (
        "coinbase-candles.csv",
        _bars("start,low,high,open,close,volume", "{s},99.5,105,10{i}.5,10{i},3").encode(),
    )
    yield (
        "coinbase-fills.csv",
        _bars(
            "trade_id,product,side,created at,size,price", "{i},BTC-USD,BUY,{iso},0.1,10{i}"
        ).encode(),
    )
    yield (
        "tradingview.csv",
        _bars("time,open,high,low,close,Volume,Plot", "{s},{o},55,1.5").encode(),
    )
    yield (
        "tradingview-iso.csv",
        _bars("time,open,high,low,close", "{iso}+02:00,{o}").encode(),
    )
    yield (
        "yahoo.csv",
        _bars("Date,Open,High,Low,Close,Adj Close,Volume", "{day},{o},{half},100").encode(),
    )
    yield (
        "stooq-ascii.txt",
        _bars(
            "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
            "EURUSD,D,{compact},000000,{o},5,0",
        ).encode(),
    )
    yield (
        "stooq-pl.csv",
        _bars("Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen", "{day},{o},5").encode(),
    )
    yield "metatrader4.csv", _bars("", "{mt},{o},17").encode()
    yield (
        "metatrader5.csv",
        _bars(
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
            "{mt5}\t{tabs}\t9\t0\t3",
        ).encode(),
    )
    yield (
        "kaggle-long.csv",
        _bars(
            "SNo,Name,Symbol,Date,High,Low,Open,Close,Volume,Marketcap",
            "{i},Bitcoin,BTC,{iso},120.0,80.0,10{i},10{i}.5,7,1\n{i},Ether,ETH,{iso},20,8,9,10,7,1",
        ).encode(),
    )
    yield "wide.csv", _bars("Date,BTC,ETH", "{day},10{i}.5,1{i}.25").encode()
    yield (
        "wide-ohlc.csv",
        _bars("time,BTC_close,BTC_volume,ETH_close", "{iso},10{i},5,1{i}").encode(),
    )
    yield "us-dates.csv", _bars("Date,Close", "{slashes},10{i}").encode()
    yield (
        "excel-decimal-comma.csv",
        _bars("Zeit;Open;High;Low;Close", "{iso};{semi}").encode("cp1252"),
    )
    yield "excel-serial.csv", _bars("Date,Close", "{serial},10{i}").encode()
    yield "utf16.csv", _bars("time,close", "{iso},10{i}").encode("utf-16")
    yield "quoted.csv", _bars('"time","open","high","low","close"', '"{iso}",{quoted}').encode()
    yield "thousands.csv", _bars("Date,Close,Volume", '"{english}","1,0{i:02}.50","1.5M"').encode()
    plain = _bars("time,close,volume", "{iso},10{i},5").encode()
    yield "packed.csv.gz", gzip.compress(plain)
    yield "one.zip", _zip({"one.csv": plain})
    yield "two.zip", _zip({"y.csv": plain, "x.csv": plain})
    sink = io.BytesIO()
    pq.write_table(pa_csv.read_csv(io.BytesIO(plain)), sink)
    yield "frame.parquet", sink.getvalue()
    ruined = plain.replace(b"103,5", b"########,5").replace(b"104,5", b"Mar-21,5")
    yield "excel-ruined-prices.csv", ruined
    yield "excel-ruined-ids.csv", _bars("trade_id,time,price,qty", "1.23E+11,{s},10{i},1").encode()
    yield "excel-ruined-times.csv", _bars("time,price", "1.7E+12,10{i}").encode()
    yield from _more()
    yield "ambiguous-dates.csv", b"date,close\n01/02/2024,1\n02/02/2024,2\n03/02/2024,3\n"


def _more() -> Iterator[tuple[str, bytes]]:
    """Yield shapes that vendors' downloads have and people have trouble with."""
    rows = {
        "unnamed-index.csv": (",Open,High,Low,Close", "{day},{o}"),
        "coingecko.csv": ("snapped_at,price,market_cap,total_volume",
                          "{day} 00:00:00 UTC,10{i},9,8"),
        "coinmarketcap.csv": ("Date,Open*,High,Low,Close**,Volume", '"{english}",{o},"1,000"'),
        "bloomberg.csv": ("Dates,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST", "{slashes},{o}"),
        "barchart.csv": ("Time,Open,High,Low,Latest,Change,Volume", "{slashes},{o},0.1,1000"),
        "nasdaq.csv": ("Date,Close/Last,Volume,Open,High,Low", "{slashes},$10{i}.5,9,$1{i},$2,$1"),
        "fred.csv": ("observation_date,DCOILWTICO", "{day},10{i}.5"),
        "nikkei.csv": ("データ日付,終値,始値,高値,安値", "{day},10{i},10{i},11{i}0,1{i}"),
        "krx.csv": ("일자,종가,시가,고가,저가,거래량", "{day},10{i},10{i},11{i}0,1{i},5"),
        "polygon.csv": ("ticker,volume,open,close,high,low,window_start",
                        "AAA,9,10{i},10{i},20{i}0,1,{s}000000000"),
        "databento.csv": ("ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,"
                          "symbol", "{iso}.000000000Z,35,1,5,{o},9,ESH4"),
        "okx-trades.csv": ("instrument_name,trade_id,side,price,size,created_time",
                           "BTC-USDT,{i},buy,10{i}.5,0.1,{s}000"),
        "bitmex-trades.csv": ("timestamp,symbol,side,size,price,tickDirection,trdMatchID",
                              "{day}D00:00:00.045590000,XBTUSD,Sell,11,39{i},PlusTick,id-{i}"),
        "ninjatrader.txt": ("", "{compact} 000000;10{i};110{i};1;9{i};5"),
        "kibot-daily.txt": ("", "{slashes},{o},100"),
        "lean-daily.csv": ("", "{compact} 00:00,1010000,1090000,1000000,1020000,5"),
        "histdata-ticks.csv": ("", "{compact} 000000000,1.1000,1.1002,0"),
        "quotes.csv": ("timestamp,bid,ask", "{iso}+00:00,10{i}.25,10{i}.75"),
        "dukascopy.csv": ("Gmt time,Open,High,Low,Close", "{dots} 00:00:00.000,{o}"),
        "ibkr.csv": ("date,open,high,low,close", "{compact} 00:00:00 UTC,{o}"),
        "sep-line.csv": ("sep=;\nDate;Price", "{day};10{i}"),
        "split.csv": ("timestamp,open,high,low,close,adjusted_close,split_coefficient",
                      "{day},{o},{half},1.0"),
        "adjusted-only.csv": ("Date,Adj Close", "{day},10{i}"),
        "thirty-seconds.csv": ("date,close", "{day},110'{i:02}"),
        "scientific-comma.csv": ("Datum;Schlusskurs", "{day};1,0{i:02}E-06"),
        "long-any-name.csv": ("Datum;Fonds;Kurs",
                              "{day};Alpha AG;10{i}.5\n{day};Beta SE;2{i:02}.5"),
        "yfinance.csv": ("Price,Close,Close,Volume,Volume\nTicker,AAA,BBB,AAA,BBB\nDate,,,,",
                         "{day},10{i}.5,20{i}.5,5,6"),
        "tickers-that-are-words.csv": ("Date,AAPL,V,OPEN,ALL,DAY",
                                       "{day},10{i}.5,20{i}.5,30{i}.5,40{i}.5,50{i}.5"),
    }  # fmt: skip
    for name, (header, row) in rows.items():
        yield name, _bars(header, row).encode()


def _zip(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return sink.getvalue()


_WITH_TEXTS = ("bars", "reports")


def _shared() -> Iterator[tuple[str, bytes]]:
    for folder in ("bars", "ticks", "pairs", "reports"):
        for path in sorted((SHARED / "data" / folder).glob("*")):
            if path.suffix == ".csv" or (folder in _WITH_TEXTS and path.suffix == ".txt"):
                yield f"{folder}/{path.name}", path.read_bytes()


def shown(name: str, raw: bytes) -> Iterator[str]:
    """Yield a row for each table of a file, or one that says why it is refused."""
    try:
        for table in read_files(raw, Path(name).name):
            report = table.report
            what = report.vendor or report.layout
            interval = interval_text(report.interval_us) if report.interval_us else ""
            content = f"bars of {interval}" if interval else report.kind
            why = "; ".join(f"{reason} ({count:,})" for reason, count in report.reasons.items())
            yield (
                f"| {name} | {what} | {content} | {report.encoding} | "
                f"{report.times} | {len(table.instruments)} | "
                f"{report.rows_kept:,} | {report.rows_aside:,} | {report.gaps:,} | {why} |"
            )
    except DataError as error:
        yield f"| {name} | refused: {error} | | | | | | | | |"


def page() -> Iterator[str]:
    """Yield the lines of the page of formats."""
    yield TOP
    found = list(_shared())
    if found:
        yield "## Files from vendors\n"
        yield from (*HEAD, *(row for name, raw in found for row in shown(name, raw)), "")
    yield "## Generated files\n"
    yield f"{ROWS} rows each, from the start of 2024; `benchmarks/tables.py` generates them.\n"
    yield from (*HEAD, *(row for name, raw in made() for row in shown(name, raw)))


def formats(is_dry: bool) -> None:
    """Print the table of formats, and write it into its page."""
    text = "".join(line + "\n" for line in page())
    sys.stdout.write(text)
    if not is_dry:
        PAGE.write_text(text, encoding="utf-8")


# Speed ------------------------------------------------------------------------------------


def write_ticks(path: Path, layout: str, rows: int = TICKS) -> None:
    """Write trades: `aggTrades` as Binance has them, or `short`, of about 37 bytes a line."""
    chance = np.random.default_rng(1)
    is_long = layout == "aggTrades"
    with path.open("w") as file:
        price, now_ms, number = 61_800.0, 1_723_161_256_322, 26_129
        file.write("" if is_long else "time,price,quantity,side\n")
        for _ in range(rows // 100_000):
            prices = price + np.cumsum(chance.normal(0, 0.3, 100_000))
            times = now_ms + np.cumsum(chance.integers(0, 60, 100_000))
            amounts = chance.exponential(0.05, 100_000) + 0.001
            rows = zip(
                times.tolist(),
                prices.tolist(),
                amounts.tolist(),
                (chance.random(100_000) < 0.5).tolist(),
                strict=True,
            )
            for t, p, q, maker in rows:
                number += 1
                pair = f"{2 * number},{2 * number + 1}"
                file.write(
                    f"{number},{p:.1f},{q:.3f},{pair},{t},{str(maker).lower()}\n"
                    if is_long
                    else f"{t},{p:.2f},{q:.4f},{'sell' if maker else 'buy'}\n"
                )
            price, now_ms = float(prices[-1]), int(times[-1])


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _to_aligned(path: Path) -> tuple[float, float, int]:
    """Return the seconds to read and to align, and the bars."""
    start = time.perf_counter()
    table = read(path, path.name)
    read_s = time.perf_counter() - start
    second = Table({}, {"file:X": table.trades[table.instruments[0]]}, table.report)
    y, x, _ = pair_from([table, second], table.instruments[0], "file:X", SECOND_US)
    first, last = int(y["time_us"][0]), int(y["time_us"][-1]) + SECOND_US
    aligned = align(y, x, SECOND_US, first, last, 10 * SECOND_US)
    return read_s, time.perf_counter() - start, len(aligned.time_us)


def _measured(path: Path, warm: Path) -> str:
    """Read a file three times in a process of its own, and say how long and how much it took."""
    _to_aligned(warm)
    before = _resident_mb()
    runs = [_to_aligned(path) for _ in range(3)]
    size, extra = path.stat().st_size / 1e6, _peak_mb() - before
    best, slowest = min(run[1] for run in runs), max(run[1] for run in runs)
    return (
        f"{path.stem}: {TICKS:,} trades, {size:.0f} MB: read {min(run[0] for run in runs):.2f} s, "
        f"to {runs[0][2]:,} aligned bars {best:.2f} s (best of 3; slowest {slowest:.2f} s), "
        f"peak memory {extra:.0f} MB more than before, {extra / size:.1f} times the file"
    )


def _arrow(path: Path) -> str:
    """Read a file with pyarrow alone, for comparison."""
    before, start = _resident_mb(), time.perf_counter()
    pa_csv.read_csv(path, pa_csv.ReadOptions(autogenerate_column_names=True))
    spent = time.perf_counter() - start
    return (
        f"pyarrow.csv {pa.__version__} alone, all columns, nothing checked: {spent:.2f} s, "
        f"{_peak_mb() - before:.0f} MB"
    )


def speed() -> None:
    """Print time and peak memory of 5 million trades to aligned bars."""
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for layout in ("short", "aggTrades"):
            path, warm = Path(folder) / f"{layout}.csv", Path(folder) / "warm.csv"
            write_ticks(path, layout)
            with path.open("rb") as file:
                warm.write_bytes(b"".join(file.readlines(8_000_000)))
            # A peak is for life: each measurement has a process of its own.
            with fresh.Pool(1, maxtasksperchild=1) as pool:
                sys.stdout.write(pool.apply(_measured, (path, warm)) + "\n")
                sys.stdout.write(pool.apply(_arrow, (path,)) + "\n")
    sys.stdout.write(f"{describe('numpy', 'numba', 'pandas', 'pyarrow')}\n")


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--dry", action="store_true", help="leave docs/FORMATS.md as it is")
    options = parser.parse_args()
    if options.formats or not options.speed:
        formats(options.dry)
    if options.speed:
        speed()


if __name__ == "__main__":
    main()
