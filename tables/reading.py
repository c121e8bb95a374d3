"""From a file to its table: find the columns, check the rows, make bars or trades."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from market import (
    BAR,
    BUY,
    SELL,
    TRADE,
    UNKNOWN_SIDE,
    DataError,
)
from tables import cells, grid, lines, roles
from tables.lines import Lines, shown
from tables.model import (
    ASIDE_SHOWN,
    TEXT_SHOWN,
    Aside,
    Bars,
    Corrections,
    Report,
    Table,
    Trades,
    Unclear,
)
from tables.naming import FILE_VENUE as FILE_VENUE
from tables.naming import key_of, stem, taken, unique
from tables.roles import Column
from trading.work import UNWATCHED, Watch

SAMPLE_ROWS = 5
MOST_TRADES = 2**53  # in a bar; more is a misread number

# Floats to the last bit: the default from pandas 3.1 on, where naming it is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT_FLOATS: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}

_PRICES = ("open", "high", "low", "close", "price")
_AMOUNTS = ("quantity", "volume", "quote_volume", "buy_volume", "trades")
_MAKER_SIDES = {"true": SELL, "1": SELL, "false": BUY, "0": BUY}
_SIDES = {"buy": BUY, "b": BUY, "1": BUY, "+1": BUY, "sell": SELL, "s": SELL, "-1": SELL}
AGAIN = (
    "the same bar again",
    "another bar of the same time; the first is kept",
    "the same trade id again",
)
_EXCEL = (
    (r"#{3,}", "a spreadsheet wrote ##### because its column was too narrow"),
    (
        r"(?i)\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
        r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*-\d{2,4}",
        "a spreadsheet turned the number into a date",
    ),
    (r"(?i)#(value|ref|name|num|div/0|null)[!?]?", "a spreadsheet wrote an error for the number"),
)


def read_text(
    raw: bytes, name: str, told: Corrections, note: str = "", watch: Watch = UNWATCHED
) -> Table:
    """Read the text of one table; see `tables.read`."""
    reading = Reading(lines.split(raw, name, told), name, told)
    watch.progress(1, 3)
    watch.check()
    if note:
        reading.notes.append(note)
    return reading.table()


@dataclass
class Reading:
    """One file on its way to a table."""

    lines: Lines
    name: str
    told: Corrections = field(default_factory=Corrections)
    aside: list[Aside] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    decimal: str = "."
    times: str = ""
    zone: str = ""
    texts: dict[str, pd.Series[Any]] = field(default_factory=dict)
    kept: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def table(self) -> Table:
        """Read it."""
        if len(self.lines.numbers) < 2:
            raise DataError(self._too_short())
        self.kept = np.zeros(len(self.lines.numbers), bool)
        layout, columns = self.columns()
        try:
            data = self._in_order(self.data(self.frame(columns), columns))
        except DataError as error:
            raise self._unclear(str(error), columns) from None
        if roles.is_trades(columns):
            bars, trades = {}, dict(self._trades(data, columns))
        else:
            bars, trades = dict(self._bars(data, columns)), {}
        return Table(bars, trades, self.report(bars, trades, layout, columns))

    # Columns

    def _too_short(self) -> str:
        count = len(self.lines.numbers)
        what = "a single row of data" if count else "no rows of data"
        left_out = Counter(entry.reason for entry in self.lines.aside)
        why = "".join(f" ({count:,} left out: {one})" for one, count in left_out.most_common(1))
        return f"{shown(self.name)} has {what}{why}; at least two rows of prices are needed."

    def columns(self) -> tuple[str, list[Column]]:
        """Return the layout's name and what each column is; raises where that cannot do."""
        header, sample, told = self.lines.header, self.lines.sample, self.told.roles
        if header is not None:
            layout, columns = "named columns", roles.by_name(header, sample)
        else:
            layout, columns = self._without_names(bool(told))
        columns = roles.corrected(columns, told)
        self._require(columns)
        return layout, columns

    def _unclear(self, text: str, columns: list[Column]) -> Unclear:
        """Return the error with what is needed to correct it."""
        return Unclear(text, taken(columns), self._sample())

    def _sample(self) -> tuple[tuple[str, ...], ...]:
        rows = self.lines.sample[:SAMPLE_ROWS]
        return tuple(tuple(cell[:TEXT_SHOWN] for cell in row) for row in rows)

    def _without_names(self, is_told: bool) -> tuple[str, list[Column]]:
        found = roles.by_layout(self.lines.sample)
        if found is None:
            columns = [Column(i, f"column {i + 1}", "") for i in range(self.lines.width)]
            if is_told:
                return "columns as corrected", columns
            raise self._unclear(
                f"{shown(self.name)} has no column names, and its {self.lines.width} columns "
                "are of no layout known here; add a first line like time,open,high,low,close.",
                columns,
            )
        return f"{found[0]}, without column names", found[1]

    def _require(self, columns: list[Column]) -> None:
        found = {column.role for column in columns}
        names = ", ".join(shown(column.name, 20) for column in columns[:8])
        more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
        if "time" not in found:
            raise self._unclear(
                f"{shown(self.name)} has no time column; its columns are {names}{more}. "
                "Name one time, date or timestamp.",
                columns,
            )
        if not found & {"close", "price"}:
            raise self._unclear(
                f"{shown(self.name)} has no price column; its columns are {names}{more}. "
                "Name one close or price.",
                columns,
            )

    def frame(self, columns: list[Column]) -> pd.DataFrame:
        """Parse the used columns; text stays text where it is no plain number."""
        used = [column for column in columns if column.role]
        texts_of = {"symbol", "side"}
        if any(column.role == "clock" for column in used):
            texts_of |= {"time", "clock"}  # 093000 has a zero in front
        as_text: dict[int, type] = {c.index: str for c in used if c.role in texts_of}
        frame = self._parse([column.index for column in used], as_text)
        times = [c.index for c in used if c.role == "time" and frame[c.index].dtype.kind == "f"]
        if times and (b"E+" in self.lines.text or b"e+" in self.lines.text):
            as_text |= dict.fromkeys(times, str)  # to see which times a spreadsheet shortened
            frame = self._parse([column.index for column in used], as_text)
        number_columns = [c for c in used if c.role in (*_PRICES, *_AMOUNTS)]
        texts = [frame[c.index] for c in number_columns if frame[c.index].dtype.kind not in "iufb"]
        cells_of_text = pd.concat(texts).dropna() if texts else pd.Series([], dtype=object)
        proved = self.told.decimal or cells.decimal_of(cells_of_text)
        self.decimal = proved or "."
        if self.decimal == ",":  # columns that looked like plain numbers have thousands points
            as_text |= {c.index: str for c in number_columns}
            frame = self._parse([column.index for column in used], as_text)
        elif not proved:
            doubt = cells.ambiguous_comma(cells_of_text)
            if doubt:
                raise DataError(
                    f"In {shown(self.name)} it cannot be told whether the comma in {shown(doubt)} "
                    "is a decimal comma or groups thousands; write numbers as 1234.5."
                )
        return frame

    def _parse(self, indexes: list[int], as_text: dict[int, type]) -> pd.DataFrame:
        try:
            frame: pd.DataFrame = pd.read_csv(
                io.BytesIO(self.lines.text),
                sep=self.lines.delimiter,
                header=None,
                names=list(range(self.lines.width)),
                usecols=indexes,
                dtype=as_text,
                keep_default_na=False,
                na_values=[""],
                skip_blank_lines=False,
                skipinitialspace=True,
                low_memory=False,
                index_col=False,
                encoding="utf-8",
                **_EXACT_FLOATS,
            )
        except (pd.errors.ParserError, ValueError, OverflowError) as error:
            raise DataError(
                f"{shown(self.name)} cannot be read as a table: {shown(str(error), 80)}."
            ) from None
        if len(frame) != len(self.lines.numbers):
            raise DataError(
                f"{shown(self.name)} has cells that run over several lines; write one row a line."
            )
        return frame

    # Rows

    def _set_aside(self, wrong: npt.NDArray[np.bool_], reason: str, rows: Any) -> None:
        """Note the rows (positions in the data) that are wrong."""
        positions = np.asarray(rows)[wrong]
        if not len(positions):
            return
        self.reasons[reason] += len(positions)
        for position in positions[: max(ASIDE_SHOWN - len(self.aside), 0)]:
            start, end = self._line_ends[position : position + 2]
            text = self.lines.text[start + 1 : end].decode(errors="replace")
            self.aside.append(Aside(int(self.lines.numbers[position]), reason, text))

    @cached_property
    def _line_ends(self) -> npt.NDArray[np.int64]:
        ends = np.flatnonzero(np.frombuffer(self.lines.text, np.uint8) == ord("\n"))
        return np.concatenate((np.array([-1]), ends))

    def data(self, frame: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
        """Return one row per line with a valid time, numbers as floats, `row` its position."""
        time_column = next(c for c in columns if c.role == "time")
        text = frame[time_column.index]
        clock = next((c for c in columns if c.role == "clock"), None)
        if clock is not None:
            text = text.astype(str).str.cat(frame[clock.index].astype(str), sep=" ")
        self._require_whole_times(time_column)
        found = cells.times(text, time_column.name, self.told)
        self.times, self.zone = found.taken_for, found.zone
        self.notes += [found.note] if found.note else []
        if not found.valid.any():
            example = next((str(cell) for cell in text if str(cell)), "")
            raise DataError(
                f"{shown(self.name)}: the times in column {shown(time_column.name)} are not "
                f"understood, for example {shown(example)}. Write them as 2024-12-31 23:59:59 "
                "or in milliseconds since 1970."
            )
        self._set_aside_times(text, found)
        data: dict[str, npt.NDArray[Any]] = {
            "row": np.arange(len(frame)),
            "time_us": found.time_us,
        }
        for column in columns:
            if column.role in (*_PRICES, *_AMOUNTS, "age"):
                data[key_of(column)] = cells.numbers(frame[column.index], self.decimal)
                if frame[column.index].dtype.kind not in "iufb":
                    self.texts[key_of(column)] = frame[column.index]
                self._note_no_numbers(frame[column.index], data[key_of(column)], column)
            elif column.role in ("last_trade", "received"):
                data[key_of(column)] = cells.times(
                    frame[column.index], column.name, self.told
                ).time_us
            elif column.role and column.role not in ("time", "clock"):
                data[key_of(column)] = frame[column.index].to_numpy()
        return pd.DataFrame(data, copy=False)[found.valid]

    def _require_whole_times(self, column: Column) -> None:
        """Refuse times like 1.7E+12: what is left of them is the same for weeks."""
        sample = [row[column.index] for row in self.lines.sample if row[column.index]]
        ruined = [cell for cell in sample if re.fullmatch(cells.SHORTENED, cell)]
        if len(ruined) > 0.5 * len(sample):
            raise DataError(
                f"A spreadsheet shortened the times in column {shown(column.name)} to a few digits "
                f"(like {shown(ruined[0])}); they are lost. Use the file as it was downloaded."
            )

    def _set_aside_times(self, text: pd.Series[Any], found: cells.ReadTimes) -> None:
        """Set aside the rows without a time, those apart whose time a spreadsheet cut short."""
        wrong = ~found.valid
        if not wrong.any():
            return
        texts = text[wrong].astype(str)
        for pattern, reason in (
            (cells.SHORTENED, "a spreadsheet shortened the time to a few digits"),
            *_EXCEL[:1],
        ):
            ruined = wrong.copy()
            ruined[wrong] = texts.str.fullmatch(pattern).to_numpy(bool)
            self._set_aside(ruined, reason, np.arange(len(text)))
            wrong &= ~ruined
            texts = text[wrong].astype(str)
        self._set_aside(wrong, "the time is not understood", np.arange(len(text)))

    def _ruined(self, part: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        """Set aside the rows in whose price a spreadsheet put something else."""
        for name in names:
            if name not in self.texts:
                continue
            missing = part[name].isna().to_numpy()
            rows = part["row"].to_numpy()
            cells_there = self.texts[name].iloc[rows[missing]].astype(str).str.strip()
            for pattern, reason in _EXCEL:
                wrong = missing.copy()
                wrong[missing] = cells_there.str.fullmatch(pattern).to_numpy(bool)
                self._set_aside(wrong, reason, part["row"])
                part, missing = part[~wrong], missing[~wrong]
                rows = part["row"].to_numpy()
                cells_there = self.texts[name].iloc[rows[missing]].astype(str).str.strip()
        return part

    def _note_no_numbers(
        self, text: pd.Series[Any], values: npt.NDArray[np.float64], column: Column
    ) -> None:
        """Say where amounts are left empty; a price that is no number sets its row aside."""
        if column.role not in _AMOUNTS or text.dtype.kind in "iuf":
            return
        given = text[np.isnan(values) & text.notna().to_numpy()].astype(str)
        count = int((~given.str.strip().str.lower().isin(cells.MISSING)).sum())
        if count:
            self.notes.append(
                f"{count:,} cells of column {shown(column.name)} are no numbers; they stay empty."
            )

    def _in_order(self, data: pd.DataFrame) -> pd.DataFrame:
        """Sort by time; rows of one time stay in file order, also where the newest come first."""
        steps = np.diff(data["time_us"].to_numpy())
        if "symbol" in data:  # one instrument below the other is in order
            symbols = data["symbol"].to_numpy()
            steps = steps[symbols[1:] == symbols[:-1]]
            if not (steps < 0).any():
                return data.sort_values("time_us", kind="stable")
        back, forth = int((steps < 0).sum()), int((steps > 0).sum())
        if not back:
            return data
        if back > forth:
            data = data[::-1]
            self.notes.append("The newest rows came first; they were turned round.")
            back = forth
        if back:
            self.notes.append(f"{back:,} rows were out of time order; they were sorted.")
        return data.sort_values("time_us", kind="stable")

    def _valid_prices(self, part: pd.DataFrame, names: list[str]) -> pd.DataFrame:
        checks: tuple[tuple[Callable[[Any], Any], str], ...] = (
            (np.isnan, "a price or quantity is missing or is no number"),
            (np.isinf, "a price or quantity is infinite"),
            (lambda values: values <= 0, "a price or quantity is not above zero"),
        )
        part = self._ruined(part, names)
        for check, reason in checks:
            wrong = check(part[names].to_numpy()).any(axis=1)
            self._set_aside(wrong, reason, part["row"])
            part = part[~wrong]
        return part

    # Instruments

    def _parts(
        self, data: pd.DataFrame, columns: list[Column]
    ) -> Iterator[tuple[str, list[Column], pd.DataFrame]]:
        """Take the rows apart by symbol column, by symbols in names, or as one."""
        used = [column for column in columns if column.role]
        symbols = [column.symbol for column in used if column.symbol and column.role == "close"]
        names: set[str] = set()
        if symbols:
            for symbol in symbols:
                given = f"{symbol}_instrument"
                named = str(data[given].iloc[0]) if given in data else symbol
                yield unique(named, names), [c for c in used if c.symbol in ("", symbol)], data
        elif any(c.role == "symbol" for c in used):
            missing = data["symbol"].isna().to_numpy()
            self._set_aside(missing, "the instrument is missing", data["row"])
            groups = list(data[~missing].groupby("symbol", sort=False))
            for label, part in sorted(groups, key=lambda group: int(group[1]["row"].min())):
                yield unique(str(label), names), used, part
        else:
            yield unique(stem(self.name), names), used, data

    # Bars

    def _bars(self, data: pd.DataFrame, columns: list[Column]) -> Iterator[tuple[str, Bars]]:
        for name, used, part in self._parts(data, columns):
            keys = {column.role: key_of(column) for column in used}
            if any(
                column.symbol for column in used
            ):  # a leg may lack a price where another has one
                part = part[part[keys["close"]].notna()]
            if "age" in keys:
                part = grid.fresh(part, keys)
            prices = [keys[role] for role in ("open", "high", "low", "close") if role in keys]
            part = self._valid_prices(part, prices)
            part = self._once(self._traded(part, keys), keys)
            if len(part):
                self.kept[part["row"].to_numpy()] = True
                yield name, self._bar_array(part, keys)

    def _bar_array(self, part: pd.DataFrame, keys: dict[str, str]) -> Bars:
        bars = np.zeros(len(part), BAR)

        def given(role: str) -> npt.NDArray[np.float64]:
            return part[keys[role]].to_numpy() if role in keys else np.full(len(part), np.nan)

        bars["time_us"] = part["time_us"]
        bars["close"] = given("close")
        bars["open"] = given("open") if "open" in keys else bars["close"]
        top, bottom = (
            np.maximum(bars["open"], bars["close"]),
            np.minimum(bars["open"], bars["close"]),
        )
        bars["high"] = given("high") if "high" in keys else top
        bars["low"] = given("low") if "low" in keys else bottom
        odd = int(((bars["high"] < top) | (bars["low"] > bottom)).sum())
        if odd:
            self.notes.append(f"In {odd:,} bars open or close lie outside low and high.")
        bars["volume"], bars["buy_volume"] = given("volume"), given("buy_volume")
        bars["notional"] = given("quote_volume")
        bars["trades"] = np.clip(np.nan_to_num(given("trades")), 0, MOST_TRADES)
        if "last_trade" in part:
            bars["last_us"] = part["last_trade"]
        return bars

    def _traded(self, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
        """Leave out bars in which nothing traded: they only repeat the last price."""
        if "volume" not in keys or not {"open", "high", "low"} <= set(keys):
            return part
        dead = (part[keys["volume"]] == 0).to_numpy()
        flat = (part[keys["high"]] == part[keys["low"]]).to_numpy()
        if dead.all():
            return part
        self._set_aside(dead & flat, "no trade in the bar (volume 0)", part["row"])
        return part[~(dead & flat)]

    def _once(self, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
        """Keep the first bar of each time."""
        again = part.duplicated("time_us").to_numpy()
        same = part.duplicated(["time_us", keys["close"]]).to_numpy()
        self._set_aside(again & same, AGAIN[0], part["row"])
        self._set_aside(again & ~same, AGAIN[1], part["row"])
        return part[~again]

    # Trades

    def _trades(self, data: pd.DataFrame, columns: list[Column]) -> Iterator[tuple[str, Trades]]:
        for name, used, part in self._parts(data, columns):
            keys = {column.role: key_of(column) for column in used}
            part = self._once_by_id(self.valid_trades(part, keys), keys)
            if len(part):
                self.kept[part["row"].to_numpy()] = True
                yield name, self.trade_array(part, keys)

    def valid_trades(self, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
        """Set aside the rows without a price or a quantity; `keys` is the column of each role."""
        amount = self._amount(part, keys)
        return self._valid_prices(part, [keys["price"]] + ([amount] if amount else []))

    def _amount(self, part: pd.DataFrame, keys: dict[str, str]) -> str | None:
        # Prices that are only told come with no quantity at all: it is unknown.
        amount = keys.get("quantity", keys.get("volume"))
        return None if amount and (part[amount] == 0.0).all() else amount

    def _once_by_id(self, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
        if "id" not in keys or self._are_ids_ruined(part[keys["id"]]):
            return part
        again = (part.duplicated(keys["id"]) & part[keys["id"]].notna()).to_numpy()
        self._set_aside(again, AGAIN[2], part["row"])
        return part[~again]

    def trade_array(self, part: pd.DataFrame, keys: dict[str, str]) -> Trades:
        """Return rows as trades, in their order."""
        amount = self._amount(part, keys)
        trades = np.zeros(len(part), TRADE)
        trades["time_us"] = part["time_us"]
        trades["price"] = part[keys["price"]]
        trades["quantity"] = part[amount] if amount else np.nan
        trades["side"] = self._sides(part, keys)
        trades["received_us"] = part[keys.get("received", "time_us")]
        return trades

    def _are_ids_ruined(self, ids: pd.Series[Any]) -> bool:
        """Tell ids a spreadsheet cut short, as 1.23E+11: many are then alike, and prove nothing."""
        if ids.dtype.kind in "iu":
            return False
        texts = ids.iloc[:10_000].map(
            lambda cell: f"{cell:.15g}" if isinstance(cell, float) else str(cell)
        )
        shortened = texts.str.fullmatch(cells.SHORTENED) | texts.str.fullmatch(r"[1-9]\d{0,5}0{5,}")
        if shortened.mean() < 0.5:
            return False
        self.notes.append(
            "A spreadsheet shortened the trade ids to a few digits (like 1.23E+11); they are not "
            "used, so that trades that are there twice count twice."
        )
        return True

    def _sides(self, part: pd.DataFrame, keys: dict[str, str]) -> npt.NDArray[np.int8]:
        """Return the taker's side of each trade."""
        column = keys.get("buyer_maker", keys.get("side"))
        if column is None:
            return np.zeros(len(part), np.int8)
        known = _MAKER_SIDES if "buyer_maker" in keys else _SIDES
        codes, texts = pd.factorize(part[column])  # few distinct ones; -1 stands for a missing one
        meanings = [known.get(str(text).strip().lower(), UNKNOWN_SIDE) for text in texts]
        sides = np.array([*meanings, UNKNOWN_SIDE], np.int8)[codes]
        unknown = int((sides == UNKNOWN_SIDE).sum())
        if unknown:
            self.notes.append(f"{unknown:,} trades have no side that is understood.")
        return sides

    # Report

    def report(
        self,
        bars: dict[str, Bars],
        trades: dict[str, Trades],
        layout: str,
        columns: list[Column],
    ) -> Report:
        """Return what was made of the file."""
        arrays = [*bars.values(), *trades.values()]
        if sum(map(len, arrays)) < 2:
            raise DataError(self._nothing_left())
        intervals = [grid.usual_interval(rows["time_us"]) for rows in bars.values()]
        interval_us = min((interval for interval in intervals if interval), default=0)
        for rows in bars.values():
            unknown = rows["last_us"] == 0
            rows["last_us"][unknown] = rows["time_us"][unknown] + max(interval_us, 1) - 1
        if bars:
            self.notes.append("Times are taken as the start of each bar.")
        aside = sorted([*self.lines.aside, *self.aside])[:ASIDE_SHOWN]
        reasons = self.reasons + Counter(entry.reason for entry in self.lines.aside)
        return Report(
            name=self.name,
            kind="bars" if bars else "trades",
            layout=layout,
            rows_read=len(self.lines.numbers) + len(self.lines.aside),
            rows_kept=int(self.kept.sum()),
            aside=tuple(entry._replace(text=entry.text[:TEXT_SHOWN]) for entry in aside),
            reasons=dict(reasons.most_common()),
            columns=taken(columns),
            first_us=min(int(array["time_us"][0]) for array in arrays),
            last_us=max(int(array["time_us"][-1]) for array in arrays),
            interval_us=interval_us,
            gaps=sum(grid.gaps(rows["time_us"], interval_us) for rows in bars.values()),
            encoding=self.lines.encoding,
            delimiter=self.lines.delimiter,
            decimal=self.decimal,
            times=self.times,
            notes=tuple(self.notes),
            vendor=self._vendor(layout),
            time_zone=self.zone,
            duplicates=sum(reasons[reason] for reason in AGAIN),
            sample=self._sample(),
        )

    def _vendor(self, layout: str) -> str:
        if self.lines.header is not None:
            return roles.vendor(self.lines.header)
        named = layout.split(",")[0]
        return named if named.startswith(("Binance", "Kraken", "MetaTrader")) else ""

    def _nothing_left(self) -> str:
        why = "; ".join(f"{count:,}: {reason}" for reason, count in self.reasons.most_common(3))
        return (
            f"{shown(self.name)} has {len(self.lines.numbers):,} rows, but fewer than two can be "
            f"used ({why or 'they hold no prices'})."
        )
