"""What columns are taken for: by name, by content, and by the table's shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem.core.errors import DataError
from tandem.io.files import read
from tandem.io.model import Corrections, Table, Unclear
from tandem.scanner.files import read_universe

DAYS = range(2, 13)
DATES = pd.bdate_range("2024-01-01", periods=120)
TICKERS = (
    *("AAPL", "V", "OPEN", "ALL", "DAY", "ID", "LOW", "HIGH", "COIN", "T", "Z", "C", "VAR"),
    *("RATE", "SLOT", "TIME", "BID", "SIZE", "PX"),
)


def walk(seed: int, count: int = len(DATES)) -> np.ndarray:
    return np.round(
        100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count))), 4
    )


def table(frame: pd.DataFrame, **options: object) -> Table:
    return read(frame.to_csv(**options).encode(), "prices.csv")


def bars(seed: int) -> pd.DataFrame:
    close = walk(seed)
    parts = {"Open": close - 0.1, "High": close + 0.5, "Low": close - 0.5, "Close": close}
    return pd.DataFrame({**parts, "Volume": 1000.0 + np.arange(len(close)) % 7}, DATES)


# Tickers that are words -------------------------------------------------------------------


@pytest.mark.parametrize("first", ["Date", "", "DATE", "time"])
def test_tickers_that_are_words_of_a_header_are_tickers(first):
    frame = pd.DataFrame({name: walk(place) for place, name in enumerate(TICKERS)}, DATES)
    found = table(frame, index_label=first)
    assert found.instruments == tuple(f"file:{name}" for name in TICKERS)
    assert found.report.rows_aside == 0
    assert found.bars["file:V"]["close"].tolist() == frame["V"].tolist()


def test_tickers_that_are_words_of_time_are_tickers_at_prices_like_day_numbers():
    names = ("IBM", "T", "DT", "TIME", "TO", "HE", "END")
    frame = pd.DataFrame({name: 100 * walk(at) - 0.03 for at, name in enumerate(names)}, DATES)
    assert table(frame, index_label="Date").instruments == tuple(f"file:{one}" for one in names)


def test_two_tickers_of_one_letter_are_a_pair_and_not_a_close_with_its_volume():
    frame = pd.DataFrame({"C": walk(1), "V": walk(2)}, DATES)
    assert table(frame, index_label="Date").instruments == ("file:C", "file:V")
    amounts = np.random.default_rng(1).integers(1, 10_000, len(DATES))
    found = table(frame.assign(V=amounts), index_label="t")
    assert found.instruments == ("file:PRICES",)


@pytest.mark.parametrize(
    "names",
    [
        "Date,OPEN,HIGH,LOW,CLOSE,VOL",
        "t,o,h,l,c,v",
        "DATE,O,H,L,C,V",
        "Date,Open,High,Low,Last,Vol",
    ],
)
def test_the_parts_of_a_bar_stay_parts(names):
    first, *others = names.split(",")
    frame = bars(1)
    frame.columns = others
    found = table(frame, index_label=first)
    assert len(found.instruments) == 1
    assert found.bars["file:PRICES"]["high"].tolist() == pytest.approx(walk(1) + 0.5)


def test_indicators_beside_a_close_are_no_instruments():
    frame = bars(1).assign(SMA=walk(2), EMA=walk(3))
    frame.columns = [name.upper() for name in frame]
    assert table(frame, index_label="DATE").instruments == ("file:PRICES",)


@pytest.mark.parametrize(
    "names",
    [
        "Datum,Öppningskurs,Högsta,Lägsta,Slutkurs,Antal",
        "Dato,Åbning,Højeste,Laveste,Luk,Mængde",
        "Datum,Otevření,Maximum,Minimum,Uzavření,Objem",
        "Dátum,Nyitó,Maximum,Minimum,Záró,Forgalom",
        "Ημερομηνία,Άνοιγμα,Υψηλό,Χαμηλό,Κλείσιμο,Όγκος",
    ],
)
@pytest.mark.parametrize("is_old", [False, True])
def test_bars_in_a_language_that_is_not_known_are_one_instrument(names, is_old):
    frame = bars(1)
    first, *frame.columns = names.split(",")
    old = "cp1252" if first.startswith("Dat") and "í" not in names else "cp1250"
    encoding = ("cp1253" if first.startswith("Η") else old) if is_old else "utf-8"
    raw = frame.round(4).to_csv(index_label=first).encode(encoding)
    found = read(raw, "prices.csv")
    assert found.instruments == ("file:PRICES",)
    one = found.bars["file:PRICES"]
    assert one["close"].tolist() == walk(1).tolist()
    assert one["low"].tolist() == pytest.approx(walk(1) - 0.5)


def test_bars_of_which_the_close_cannot_be_told_from_the_open_are_asked_about():
    frame = bars(1)[["Open", "Close", "High", "Low"]]
    frame.columns = ["Otevření", "Uzavření", "Maximum ceny", "Minimum ceny"]
    with pytest.raises(Unclear, match="no price column"):
        table(frame, index_label="Datum")


# Lists of bars ----------------------------------------------------------------------------


def test_a_blank_behind_a_name_makes_no_other_instrument():
    rows = "".join(
        f"2024-01-{d:02},{one}{' ' * (d % 2)},{d + 9}\n" for d in DAYS for one in ("A", "B")
    )
    found = read(f"date,symbol,close\n{rows}".encode(), "prices.csv")
    assert {name: len(rows) for name, rows in found.bars.items()} == {"file:A": 11, "file:B": 11}


@pytest.mark.parametrize("name", ["Company", "Security", "代码", "Country", "Fonds", "x"])
@pytest.mark.parametrize("is_block", [False, True])
@pytest.mark.parametrize("values", [("Alpha plc", "Beta AG", "Gamma"), (600519, 1, 300750)])
def test_the_instrument_may_be_called_anything(name, is_block, values):
    parts = [bars(place).assign(**{name: one}) for place, one in enumerate(values)]
    frame = pd.concat(parts)
    if not is_block:
        frame = frame.sort_index(kind="stable")
    found = table(frame, index_label="Date")
    assert len(found.instruments) == 3 and found.report.rows_kept == 3 * len(DATES)
    assert sorted(len(one) for one in found.bars.values()) == [len(DATES)] * 3


def test_a_name_for_the_instrument_that_tells_nothing_yields_to_one_that_does():
    parts = [
        bars(place).assign(market="NYSE", Sector="Banks", Company=one)
        for place, one in enumerate(("Alpha", "Beta"))
    ]
    found = table(pd.concat(parts), index_label="Date")
    assert found.instruments == ("file:ALPHA", "file:BETA")


def test_one_column_of_values_below_each_other_is_a_list_too():
    parts = [
        pd.DataFrame({"Country": one, "GDP": walk(place)}, DATES)
        for place, one in enumerate(("Chile", "Peru"))
    ]
    found = table(pd.concat(parts), index_label="Date")
    assert found.instruments == ("file:CHILE", "file:PERU")
    assert found.bars["file:PERU"]["close"].tolist() == walk(1).tolist()


def test_a_file_that_is_there_twice_is_one_instrument():
    frame = pd.concat([bars(1).assign(note="a"), bars(1).assign(note="b")])
    found = table(frame, index_label="Date")
    assert len(found.instruments) == 1 and found.report.duplicates == len(DATES)


# The better of two ------------------------------------------------------------------------


def test_of_two_prices_the_one_that_reads_most_rows_is_taken():
    frame = pd.DataFrame({"Last": np.nan, "Settle": walk(1)}, DATES)
    frame.iloc[::20, 0] = 1.0
    found = table(frame, index_label="Date")
    assert found.bars["file:PRICES"]["close"].tolist() == walk(1).tolist()


def test_a_date_is_better_than_times_a_spreadsheet_ruined():
    frame = pd.DataFrame({"unix": "1.7E+12", "close": walk(1)}, DATES)
    assert len(table(frame, index_label="date").bars["file:PRICES"]) == len(DATES)


@pytest.mark.parametrize(
    "name", ["", "snapped_at", "Dates", "observation_date", "window_start", "ts_event",
             "timestamp_utc", "일자", "何か", "Stichtag", "as_of"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y", "%Y%m%d", "ns"])
def test_the_time_is_found_by_its_cells(name, form):
    frame = bars(1)
    frame.index = DATES.as_unit("ns").asi8 if form == "ns" else DATES.strftime(form)
    found = table(frame, index_label=name)
    assert found.bars["file:PRICES"]["time_us"].tolist() == DATES.as_unit("us").asi8.tolist()


def test_a_clock_may_have_any_name():
    times = pd.date_range("2024-01-01 22:00", periods=200, freq="min")
    frame = pd.DataFrame({"Kurszeit": times.strftime("%H:%M"), "close": walk(1, 200)})
    found = table(frame.set_index(times.strftime("%Y-%m-%d")), index_label="Tag")
    assert found.bars["file:PRICES"]["time_us"].tolist() == times.as_unit("us").asi8.tolist()


# Quotes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("bid", "ask"), ("ASK", "BID"), ("Bid Price", "Ask Price")])
def test_bid_and_ask_are_quotes_of_one_instrument(names):
    side = {name: walk(1) + (0.02 if name[0] in "Aa" else -0.02) for name in names}
    found = table(pd.DataFrame(side, DATES), index_label="time")
    assert found.bars["file:PRICES"]["close"].tolist() == pytest.approx(walk(1).tolist())
    assert "mid of bid and ask" in found.report.notes[0]


def test_a_last_price_is_used_before_quotes_where_it_is_there():
    frame = pd.DataFrame({"bid": walk(1) - 1, "ask": walk(1) + 2, "last": walk(1)}, DATES)
    assert table(frame, index_label="time").bars["file:PRICES"]["close"][0] == walk(1)[0]
    empty = frame.assign(last=np.nan)
    assert table(empty, index_label="time").bars["file:PRICES"]["close"][0] == walk(1)[0] + 0.5


def test_amounts_below_zero_are_sales():
    rows = "".join(f"{i},{1_704_067_200_000 + i},{(-1) ** i * 0.5},{100 + i}\n" for i in range(60))
    found = read(f"ID,TIMESTAMP,AMOUNT,PRICE\n{rows}".encode(), "a.csv")
    (trades,) = found.trades.values()
    assert trades["side"][:3].tolist() == [1, -1, 1] and (trades["quantity"] == 0.5).all()


def test_big5_is_read_with_years_of_the_republic():
    names = "日期,成交股數,開盤價,最高價,最低價,收盤價\n"
    rows = "".join(
        f'"{day.year - 1911}/{day:%m/%d}","1,234,567",{c},{c + 1},{c - 1},{c}\n'
        for day, c in zip(DATES, walk(1), strict=True)
    )
    found = read((names + rows).encode("big5"), "a.csv")
    assert (found.report.encoding, found.instruments) == ("big5", ("file:A",))
    assert found.bars["file:A"]["time_us"].tolist() == DATES.as_unit("us").asi8.tolist()


# Rows of names ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("by", ["parts", "tickers"])
def test_columns_of_parts_and_tickers_are_every_ticker(count, by):
    tickers = [f"{chr(65 + place // 26)}{chr(65 + place % 26)}" for place in range(count)]
    frame = pd.concat({name: bars(place) for place, name in enumerate(tickers)}, axis=1)
    frame.columns.names, frame.index.name = ["Ticker", "Price"], "Date"
    if by == "parts":
        frame = frame.swaplevel(axis=1).sort_index(axis=1)
    found = table(frame)
    assert found.instruments == tuple(f"file:{name}" for name in tickers)
    for place, name in enumerate(tickers):
        assert found.bars[f"file:{name}"]["close"].tolist() == walk(place).tolist()
        assert found.bars[f"file:{name}"]["volume"][1] == 1001.0


def test_the_line_that_tells_a_spreadsheet_the_delimiter_is_heeded():
    text = "sep=;\nDate;Price\n" + "".join(
        f"{day.date()};{i + 1},5\n" for i, day in enumerate(DATES)
    )
    found = read(text.encode(), "prices.csv")
    assert found.bars["file:PRICES"]["close"][0] == 1.5
    assert found.report.rows_read == len(DATES)


def test_stars_of_footnotes_are_no_part_of_a_name():
    frame = bars(1).rename(columns={"Close": "Close**", "Open": "Open*"})
    assert table(frame, index_label="Date").bars["file:PRICES"]["open"][0] == walk(1)[0] - 0.1


# Adjusted prices --------------------------------------------------------------------------


def split_in_half(ratio: float = 7.0) -> pd.DataFrame:
    frame = bars(1)
    frame.iloc[:60, :4] *= ratio
    return frame


def test_bars_are_scaled_to_their_adjusted_close():
    for name in ("Adj Close", "adjusted_close", "AdjClose"):
        found = table(split_in_half().assign(**{name: walk(1)}), index_label="Date")
        (one,) = found.bars.values()
        assert one["close"].tolist() == walk(1).tolist()
        assert one["open"].tolist() == pytest.approx(walk(1) - 0.1)
        assert "scaled with the adjusted close" in " ".join(found.report.notes)


def test_splits_that_prices_jump_at_are_taken_out_and_others_are_not():
    ratios = np.ones(len(DATES))
    ratios[60] = 7.0
    raw = table(split_in_half().assign(split_coefficient=ratios), index_label="Date")
    assert raw.bars["file:PRICES"]["close"].tolist() == pytest.approx(walk(1))
    assert "1 split were divided" in " ".join(raw.report.notes).replace("splits", "split")
    done = table(bars(1).assign(**{"Stock Splits": ratios}), index_label="Date")
    assert done.bars["file:PRICES"]["close"].tolist() == walk(1).tolist()
    assert "adjusted already" in " ".join(done.report.notes)


@pytest.mark.parametrize("written", ["7:1", "7/1", "7-for-1", "7 for 1", "0.142857142857", "1:7"])
def test_ratios_of_splits_are_written_in_many_ways(written):
    ratios = np.full(len(DATES), "1", object)
    ratios[60] = written
    found = table(split_in_half().assign(split_ratio=ratios), index_label="Date")
    assert found.bars["file:PRICES"]["close"].tolist() == pytest.approx(walk(1))


def test_a_step_that_tells_nothing_of_a_split_is_not_said_to_be_adjusted():
    ratios = np.ones(len(DATES))
    ratios[60] = 1.05
    frame = split_in_half(walk(1)[60] / walk(1)[59] * 1.02)
    notes = " ".join(table(frame.assign(split=ratios), index_label="Date").report.notes)
    assert "adjusted for them cannot be told" in notes and "already" not in notes


def test_dividends_without_adjusted_prices_are_said():
    paid = np.zeros(len(DATES))
    paid[[10, 70]] = 0.4
    notes = table(bars(1).assign(Dividends=paid), index_label="Date").report.notes
    assert "whether its prices are adjusted for them is not known" in " ".join(notes)


# Currencies -------------------------------------------------------------------------------


def test_a_currency_that_changes_within_an_instrument_is_said():
    frame = bars(1).assign(Currency=["EUR"] * 60 + ["USD"] * 60)
    (said,) = (note for note in table(frame, index_label="Date").report.notes if "curr" in note)
    assert said == (
        "Prices change their currency ('EUR', 'USD' in column 'Currency'); they are not converted."
    )
    both = pd.concat([bars(1).assign(Symbol="A", Currency="EUR"),
                      bars(2).assign(Symbol="B", Currency="USD")])  # fmt: skip
    assert not any("curr" in note for note in table(both, index_label="Date").report.notes)


# Several instruments in one table ---------------------------------------------------------


def told(raw: str, *roles: tuple[int | str, str]) -> Table:
    return read(raw.encode(), "prices.csv", corrections=Corrections(roles=roles))


WIDE = "Date,AAPL,GOOG,foo\n" + "".join(f"2024-01-{d:02},{d},{d + 100},{d + 50}\n" for d in DAYS)


@pytest.mark.parametrize("name", ["AAPL", "GOOG", "foo"])
def test_a_close_told_in_a_table_of_several_is_the_close_of_its_own_instrument(name):
    found = told(WIDE, (name, "close"), ("Date", "time"))
    assert found.instruments == ("file:AAPL", "file:GOOG", "file:FOO")
    assert [bars["close"][0] for bars in found.bars.values()] == [2.0, 102.0, 52.0]


def test_four_prices_told_in_a_table_of_several_are_one_instrument():
    raw = "Date,A,B,C,D,E\n" + "".join(
        f"2024-01-{d:02},{d + 50},{d + 52},{d + 49},{d + 51},7\n" for d in DAYS
    )
    parts = (("A", "open"), ("B", "high"), ("C", "low"), ("D", "close"))
    bars = told(raw, *parts).bars
    assert list(bars) == ["file:PRICES"]
    row = bars["file:PRICES"][0]
    assert (row["open"], row["high"], row["low"], row["close"]) == (52.0, 54.0, 51.0, 53.0)


def test_two_closes_told_are_two_instruments():
    raw = "Date,Close,Settled\n" + "".join(f"2024-01-{d:02},{d},{d + 9}\n" for d in DAYS)
    found = told(raw, ("Close", "close"), ("Settled", "close"))
    assert {name: bars["close"][0] for name, bars in found.bars.items()} == {
        "file:CLOSE": 2.0,
        "file:SETTLED": 11.0,
    }


def test_no_instrument_has_two_columns_for_one_thing():
    raw = "Date,A_close,B_close,x\n" + "".join(f"2024-01-{d:02},{d},{d + 9},1\n" for d in DAYS)
    both = (("A_close", "volume"), ("x", "volume"))
    with pytest.raises(Unclear, match="two columns for the volume of one instrument"):
        told(raw, *both, ("B_close", "close"))


@pytest.mark.parametrize("names", ["Date,AAPL,Date,MSFT", "Date,AAPL,Date.1,MSFT", "x,AAPL,y,MSFT"])
def test_a_second_column_of_dates_in_a_table_of_several_is_never_ignored(names):
    raw = f"{names}\n" + "".join(f"2024-01-{d:02},{d},2024-01-{d + 1:02},{d + 9}\n" for d in DAYS)
    with pytest.raises(Unclear, match=r"second column of dates.*Save each column of dates"):
        told(raw)
    raw = f"{names}\n" + "".join(f"{d + 45_000},{d},{d + 45_001},{d + 9}\n" for d in DAYS)
    with pytest.raises(DataError):
        told(raw)


@pytest.mark.parametrize("names", ["Date,AAPL,MSFT,AAPL", "Date,Close,Volume,Close"])
def test_of_two_columns_of_one_name_none_is_dropped_in_silence(names):
    raw = f"{names}\n" + "".join(f"2024-01-{d:02},{d},{d + 90},{d + 9}\n" for d in DAYS)
    with pytest.raises(Unclear, match="several columns called"):
        told(raw)
    assert told(raw, (3, "close")).report.rows_kept == len(DAYS)


# Quotes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        "Bid Price,Offer Price",
        "bid_px,ask_px",
        "bid_px,bid_sz,ask_px,ask_sz",
        "Bid,Bid Size,Ask,Ask Size",
        "best_bid_price,best_bid_qty,best_ask_price,best_ask_qty",
        "BuyPrice,SellPrice",
        "Sell Price,Buy Price",
    ],
)
def test_quotes_of_other_names_are_quotes_and_their_sizes_no_prices(names):
    there = names.split(",")
    cells = [10, 5, 11, 7] if len(there) == 4 else [10, 11]
    rows = "".join(f"2024-01-{d:02},{','.join(str(one + d) for one in cells)}\n" for d in DAYS)
    found = read(f"Date,{names}\n{rows}".encode(), "prices.csv")
    assert found.instruments == ("file:PRICES",)
    assert found.bars["file:PRICES"]["close"][0] == 12.5


def test_a_bid_above_its_ask_is_no_quote():
    rows = "".join(f"2024-01-{d:02},{50 + d % 3},{10 + d % 5 / 9:.2f}\n" for d in DAYS)
    assert read(f"DATE,BID,ASK\n{rows}".encode(), "a.csv").instruments == ("file:BID", "file:ASK")
    with pytest.raises(Unclear, match="no price column"):
        read(f"Date,Bid Price,Ask Price\n{rows}".encode(), "a.csv")


# One answer everywhere --------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        *("LAST,AAPL,MSFT", "T,V,C", "DIA,SPY", "DAY,DT", "GELD,BRIEF", "BID,ASK", "Index,Rate"),
        *("DT,AAPL,MSFT", "A,Spread,B", "OPEN,LOW,V"),
    ],
)
@pytest.mark.parametrize("is_whole", [False, True])
def test_a_scan_reads_the_instruments_that_any_other_reader_does(names, is_whole):
    there = names.split(",")
    prices = np.stack([walk(i) * 5 / (1 + i) for i, _ in enumerate(there)], axis=1)
    frame = pd.DataFrame(np.round(prices) if is_whole else prices, DATES, there)
    raw = frame.to_csv(index_label="Date").encode()
    try:
        expected = [name.partition(":")[2] for name in read(raw, "a.csv").instruments]
    except DataError:
        expected = []
    try:
        scanned = [name.upper() for name in read_universe(raw, "a.csv").prices.columns]
    except DataError:
        scanned = []
    assert scanned == (expected if len(expected) > 1 else [])
    if names in ("LAST,AAPL,MSFT", "T,V,C", "DIA,SPY", "DT,AAPL,MSFT", "BID,ASK"):
        assert expected == there
