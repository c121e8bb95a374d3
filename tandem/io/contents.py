"""What cells look like: times, numbers, names of months, prices of one thing after another."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

Rows = Sequence[Sequence[str]]

_NUMBER = re.compile(
    r"([a-z]{3}\s?)?[-+(\u2212]?[^\w\s.,()+-]?\s?(\d[\d.,\s'’]*|\.\d+)(e[-+]?\d+)?"
    r"\s?([kmbt%)]|[a-z]{3}|[^\w\s.,()-]{1,2})?",
    re.IGNORECASE | re.ASCII,
)
_POINTS = re.compile(r"\d{1,3}-[0-6]\d[0-9+]?", re.ASCII)
_BOOLEAN = {"true", "false", "0", "1"}
# Years 1990 to 2100 as seconds; a number outside is nobody's epoch unless its name says so.
_EPOCH_LOW, _EPOCH_HIGH = 6.3e8, 4.11e9
# Whole days since 1970 from 1990 on, and those of a spreadsheet, with a clock or without, to 2100.
_DAY_NUMBER_LOW, _SERIAL_LOW, _DAY_NUMBER_HIGH = 7_305, 20_000, 73_051
_LONGEST_TIME = 48
_YEAR = r"(?:1[89]|20)\d\d"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATES = (
    rf"{_YEAR}([-./]){_MONTH}\1{_DAY}(?!\d).*",
    rf"{_YEAR}-{_MONTH}",
    rf"(?:{_DAY}([./-]){_MONTH}|{_MONTH}([./-]){_DAY})[./-](?:{_YEAR}|\d\d)(?!\d).*",
    rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])([ T_-]?\d\d:?\d\d(:?\d\d)?.*)?",
    rf"{_YEAR}[ -]?[QM](?:[1-4]|0[1-9]|1[0-2])",
    rf"Q[1-4][ -/]{_YEAR}",
    rf"{_MONTH}[/-]{_YEAR}",
    rf"{_YEAR}[ -]?W(?:0[1-9]|[1-4]\d|5[0-3])(?:-?[1-7])?",
    rf"{_YEAR}-[0-3]\d\d",
    rf"{_YEAR}\s*[年년].*",
    rf"1\d\d/{_MONTH}/{_DAY}",
)
_DATE = re.compile("|".join(f"(?:{one.replace(chr(92) + '1', '[-./]')})" for one in _DATES), re.I)
CLOCK = re.compile(
    r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[ap]\.?m\.?)?"
    r"( ?(Z|UTC|GMT|(UTC|GMT)?[+-]\d\d:?\d\d))?",
    re.IGNORECASE,
)


class Content(NamedTuple):
    """Shares of a column's cells: filled ones of all, then of the filled ones.

    `moments` are times whatever the column is called; `times` may be, if its name says so (clocks,
    a spreadsheet's day numbers).
    """

    filled: float
    numbers: float
    times: float
    moments: float
    clocks: float
    booleans: float
    fractions: float

    @property
    def readable(self) -> float:
        """Share of all rows that are numbers."""
        return self.filled * self.numbers


def is_number(text: str) -> bool:
    """Tell whether a cell looks like a number, in any country's notation."""
    return bool(_NUMBER.fullmatch(text.strip()))


def are_points(cells: Sequence[str]) -> bool:
    """Tell whether all cells are points and their 32nds behind a dash, as 110-16 and 110-16+."""
    there = [cell for cell in cells if cell]
    return bool(there) and all(map(_POINTS.fullmatch, there))


def is_boolean(text: str) -> bool:
    """Tell whether a cell is true or false."""
    return text.lower() in _BOOLEAN


def is_epoch(text: str, low: float = _EPOCH_LOW) -> bool:
    """Tell whether a cell counts seconds, or smaller parts of one, since 1970.

    A spreadsheet's 1.7E+12 has lost what it counted.
    """
    try:
        value = 0.0 if "+" in text else float(text)
    except ValueError:
        return False
    return any(low * unit <= value < _EPOCH_HIGH * unit for unit in (1, 1e3, 1e6, 1e9))


def is_date(text: str) -> bool:
    """Tell whether a cell is a date in writing, with a clock or without."""
    if len(text) > _LONGEST_TIME or not any(one.isdigit() for one in text):
        return False
    return bool(_DATE.fullmatch(text)) or (_has_month(text))


def _has_month(text: str) -> bool:
    words = re.findall(r"[^\W\d_]{3,}", text)
    is_short = len(words) <= 3 and all(len(word) <= 12 for word in words)
    return is_short and bool(re.search(r"\d\d", text)) and any(map(month_of, words))


def content(cells: Sequence[str]) -> Content:
    """Return what a column's cells look like."""
    there = [cell for cell in cells if cell]
    count = max(len(there), 1)
    kinds = [_kinds(cell) for cell in there]
    shares = [sum(kind) / count for kind in zip(*kinds, strict=True)] or [0.0] * 6
    return Content(len(there) / max(len(cells), 1), *shares)


def _kinds(cell: str) -> tuple[bool, bool, bool, bool, bool, bool]:
    """Return which of the shares of `Content` a cell counts for, in their order."""
    try:
        number = float(cell)
    except ValueError:
        is_clock = bool(CLOCK.fullmatch(cell))
        is_moment = not is_clock and is_date(cell)
        is_time = is_clock or is_moment
        is_fraction = "," in cell and is_number(cell)
        return is_number(cell), is_time, is_moment, is_clock, is_boolean(cell), is_fraction
    is_moment = number >= _EPOCH_LOW and is_epoch(cell) or (cell.isdigit() and is_date(cell))
    is_time = (
        is_moment
        or (_DAY_NUMBER_LOW if cell.isdigit() else _SERIAL_LOW) <= number < _DAY_NUMBER_HIGH
        or (number >= 1e8 and is_epoch(cell, 1e8))
    )
    return True, is_time, is_moment, False, cell in ("0", "1"), "." in cell


def value(text: str) -> float:
    """Return a cell's number; NaN where it is written otherwise than plainly."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return math.nan


def is_price_like(cells: Sequence[str]) -> bool:
    """Tell a price from an amount or a count: above zero, it moves little and not by ones."""
    found = [number for number in map(value, cells) if math.isfinite(number)]
    if len(found) < 2 or min(found) <= 0:
        return False
    steps = [abs(math.log(b / a)) for a, b in zip(found, found[1:], strict=False)]
    is_count = all(b - a == 1 for a, b in zip(found, found[1:], strict=False))
    return sorted(steps)[len(steps) // 2] < 0.15 and not is_count


def is_ohlc(cells: Sequence[str]) -> bool:
    """Tell whether four cells can be the prices of one bar."""
    open_, high, low, close = map(value, cells)
    return low <= min(open_, close) <= max(open_, close) <= high


# Names of months --------------------------------------------------------------------------

# Enough of each name to know it by, January to December; short forms begin alike.
_NAMES = (
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "janv fev mars avr mai juin juil aout sept octo nove dece",
    "janu febr marz april maig juni juli augu septe okt novem dez",
    "ene febre marzo abr mayo junio julio ago setiem octu noviem dic",
    "janei fever marc abril maio junh julh agos set out novemb dezem",
    "gen febb marzo apri mag giu lug agost sett ott novembre dicem",
    "sty lut marca kwi maj cze lip sie wrz paz lis gru",
    "stycz luty marzec kwiet maja czer lipi sierp wrze pazdz listo grudz",
    "янв фев мар апр май июн июл авг сен окт ноя дек",
    "янва февр март апре мая июня июля авгу сент октя нояб дека",
    "jan feb maa apr mei jun jul aug sep okt nov dec",
    "oca sub mart nis mayis haz tem agu eyl eki kas ara",
)
_LETTERS = str.maketrans("łŁıøØ", "lLioO")
_SHORTEST = 3


def _plain(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.translate(_LETTERS).casefold())
    return "".join(one for one in letters if not unicodedata.combining(one))


_MONTHS: dict[str, int] = {}
for _line in _NAMES:
    for _number, _name in enumerate(_line.split(), 1):
        _MONTHS.setdefault(_plain(_name), _number)
_LONGEST = max(map(len, _MONTHS))


def month_of(word: str) -> int:
    """Return the month a word names, 1 to 12, by its longest known beginning; 0 where it is none.

    What follows that beginning is not looked at: languages change the endings.
    """
    plain = _plain(word)
    for length in range(min(len(plain), _LONGEST), _SHORTEST - 1, -1):
        if plain[:length] in _MONTHS:
            return _MONTHS[plain[:length]]
    return 0
