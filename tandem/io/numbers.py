"""Numbers as files write them: decimal marks, units, currencies, and prices in fractions."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]

MISSING = {"", "-", "--", "nan", "null", "none", "na", "n/a", "#n/a", "."}

_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_SYMBOLS = r"[\s$€£¥₿₩₹'’\u00a0\u202f%*†‡]"
_CURRENCIES = (
    "usdt|usdc|usd|eur|gbp|jpy|chf|cny|rmb|krw|inr|brl|pln|rub|try|cad|aud|sek|nok|dkk|twd|hkd|kr"
)
_CURRENCY = re.compile(rf"(?i)^(?:{_CURRENCIES})\s?(?=[-+(\d])|(?<=[\d)])\s?(?:{_CURRENCIES})$")
# 110'16, 110-16+ and 110'16.5: whole points, 32nds or 64ths, and eighths or a half of one; 600'2:
# eighths of a point.
_POINTS = re.compile(r"(-?\d{1,4})['’-](\d\d)([0-9+]?|\.(?:0|25|5|50|75))")
_GRAIN = re.compile(r"(-?\d{1,4})['’-]([0-7])()")
_EIGHTHS = {
    "": 0.0,
    "0": 0.0,
    "1": 0.125,
    "2": 0.25,
    "3": 0.375,
    "4": 0.5,
    "5": 0.5,
    "6": 0.75,
    "7": 0.75,
    "8": 0.875,
    "9": 0.875,
    "+": 0.5,
    ".0": 0.0,
    ".25": 0.25,
    ".5": 0.5,
    ".50": 0.5,
    ".75": 0.75,
}
_FEWEST_POINTS = 8
_RATIO = r"(?i)^\s*(\d+(?:\.\d+)?)(?:\s*[:/]\s*|[\s-]*(?:for|to)[\s-]*)(\d+(?:\.\d+)?)\s*$"
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII)


def decimal_of(texts: pd.Series[Any]) -> str:
    """Return the decimal mark that the cells prove: ``"."``, ``","``, or ``""`` if none does.

    Raises
    ------
    DataError
        If some cells prove a comma and others a point.
    """
    cells = texts.astype(object).value_counts()
    proofs: Counter[str] = Counter()
    for cell, count in cells.items():
        proofs[_decimal_of_cell(cell)] += int(count)
    del proofs[""]
    if not proofs:
        return ""
    mark, count = proofs.most_common(1)[0]
    if count < 0.95 * proofs.total():
        raise DataError(
            "Some numbers have a decimal comma and some a decimal point; write them all in one way."
        )
    return mark


def _decimal_of_cell(cell: Any) -> str:
    text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", _CURRENCY.sub("", str(cell).strip()))
    text, power = re.subn(r"(?i)e[-+]?\d+$", "", text)
    if not text or not re.fullmatch(r"[-+]?[\d.,]+", text):
        return ""
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if comma < 0 and point < 0:
        return ""
    mark, at = (",", comma) if comma >= 0 else (".", point)
    if power and text.count(mark) == 1:  # nobody groups thousands before a power of ten
        return mark
    if text.count(mark) > 1:  # thousands, so the other one would be the decimal mark
        return "." if mark == "," else ","
    grouped = len(text) - at - 1 == 3 and re.fullmatch(r"[-+]?[1-9]\d{0,2}", text[:at])
    return "" if grouped else mark


def ambiguous_comma(texts: pd.Series[Any]) -> str:
    """Return a cell like 1,234 whose comma may be decimal or group thousands, or ""."""
    return _ambiguous(texts, ",")


def ambiguous_mark(texts: pd.Series[Any]) -> str:
    """Return a cell like 1,234 or 1.234, whose mark may be decimal or group thousands, or ""."""
    return _ambiguous(texts, "[.,]")


def _ambiguous(texts: pd.Series[Any], mark: str) -> str:
    for cell in texts.astype(object).unique():
        text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", str(cell))
        if re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}{mark}\d{{3}}", text):
            return str(cell)
    return ""


def numbers(column: pd.Series[Any], decimal: str = ".") -> Floats:
    """Read a column of cells as numbers; NaN where a cell is none.

    Parameters
    ----------
    column : Series
        Numbers as the parser read them, or text: with thousands separators, currency signs, ``%``
        (left out, not divided), or one of K, M, B, T behind.
    decimal : {".", ","}
    """
    if pd.api.types.is_bool_dtype(column.dtype):  # a column of True and False is no number
        return np.full(len(column), np.nan)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    # Codes: a column of text has few distinct cells or is short enough not to care.
    codes, cells = pd.factorize(column.astype(object))
    parts = points_of(cells)
    read = [_points(cell, parts) if parts else _number(cell, decimal) for cell in cells]
    values = np.array([*read, np.nan])
    found: Floats = values[codes]
    return found


def ratios(column: pd.Series[Any], decimal: str = ".") -> Floats:
    """Read ratios of splits, also such as 4:1, 2/1 and 2-for-1; NaN where a cell is none."""
    found = numbers(column, decimal)
    if column.dtype.kind in "iufb":
        return found
    parts = column.astype(str).str.extract(_RATIO).astype(float)
    new, old = parts[0].to_numpy(), parts[1].to_numpy()
    there = np.isnan(found) & (new > 0) & (old > 0)
    return np.where(there, new / np.where(old > 0, old, 1.0), found)


def points_of(cells: Any) -> int:
    """Return into how many parts points are divided in cells like 110'16: 8, 32 or 64; else 0.

    A part has two digits, or an eighth of it behind (110'162), which has to be proved, since
    thousands may be grouped so; an eighth of a point has one digit (600'2).
    """
    texts = [str(cell).strip() for cell in cells if str(cell).strip()]
    if texts and all(map(_GRAIN.fullmatch, texts)):
        return 8
    found = _parts_in(texts)
    if not found:
        return 0
    if _have_eighths(found) and not _are_eighths(found):
        return 0
    largest = max(int(match[2]) for match in found)
    return 0 if largest > 63 else 32 if largest < 32 else 64


def doubtful_points(cells: Any) -> str:
    """Return a cell like 11'200 that may be thousands or 32nds; "" where none is doubtful."""
    texts = [str(cell).strip() for cell in cells if str(cell).strip()]
    found = _parts_in(texts)
    could_be = bool(found) and _have_eighths(found) and _could_be_eighths(found)
    return texts[0] if could_be and not _are_eighths(found) else ""


def _parts_in(texts: list[str]) -> list[re.Match[str]]:
    """Return what the cells are made of; empty where one is no point with parts."""
    found = [match for match in map(_POINTS.fullmatch, texts) if match]
    return found if len(found) == len(texts) else []


def _have_eighths(found: list[re.Match[str]]) -> bool:
    return all(match[3].isdigit() for match in found)


def _could_be_eighths(found: list[re.Match[str]]) -> bool:
    endings = {match[3] for match in found}
    return endings <= {"0", "2", "5", "7"} and max(int(match[2]) for match in found) < 32


def _are_eighths(found: list[re.Match[str]]) -> bool:
    """Tell whether eighths are proved: round thousands end in 0 or 5, too."""
    endings = {match[3] for match in found}
    is_enough = len(found) >= _FEWEST_POINTS and bool(endings & {"2", "7"})
    return is_enough and _could_be_eighths(found)


def _points(cell: Any, parts: int) -> float:
    match = (_GRAIN if parts == 8 else _POINTS).fullmatch(str(cell).strip())
    if match is None:
        return float("nan")
    part = (int(match[2]) + _EIGHTHS[match[3]]) / parts
    return float(match[1]) + (-part if match[1].startswith("-") else part)


def _number(cell: Any, decimal: str) -> float:
    text = _CURRENCY.sub("", str(cell).strip().replace("\u2212", "-"))
    text = re.sub(_SYMBOLS, "", text).lower()
    if text in MISSING:
        return float("nan")
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    scale = _SCALE.get(text[-1], 1.0)
    if text[-1] in _SCALE:
        text = text[:-1]
    thousands = "." if decimal == "," else ","
    if thousands in text and not re.fullmatch(
        rf"[-+]?\d{{1,3}}({re.escape(thousands)}\d{{2,3}})+({re.escape(decimal)}\d*)?", text
    ):
        return float("nan")
    text = text.replace(thousands, "").replace(decimal, ".")
    return float(text) * scale if _PLAIN.fullmatch(text) else float("nan")
