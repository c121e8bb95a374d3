"""Numbers as a trader reads them: aligned, signed, with units. Text only, no Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

MINUS = "\u2212"
NONE = "\u2013"


def number(value: float, decimals: int = 2) -> str:
    """Write with thousands separators and a real minus sign; a dash where there is no number."""
    if not math.isfinite(value):
        return NONE
    text = f"{abs(value):,.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and float(text.replace(",", "")) else text


def signed(value: float, decimals: int = 2) -> str:
    """Write with its sign, plus or minus."""
    text = number(value, decimals)
    return text if text.startswith((MINUS, NONE)) else f"+{text}"


def price(value: float) -> str:
    """Write a price with as many decimals as its size needs (six significant digits or cents)."""
    if not math.isfinite(value) or value == 0.0:
        return number(value)
    return number(value, price_decimals(value))


def price_decimals(value: float) -> int:
    """Return how many decimals a price of this size is written with."""
    return max(2, 5 - math.floor(math.log10(abs(value)))) if value else 2


def significant(value: float, digits: int = 4) -> str:
    """Write with a number of significant digits, never in exponent form for ordinary sizes."""
    if not math.isfinite(value):
        return NONE
    if value == 0.0:
        return "0"
    decimals = min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), 10)
    return number(value, decimals)


def percent(value: float, decimals: int = 1) -> str:
    """Write a fraction as a signed percentage."""
    return f"{signed(100.0 * value, decimals)} %" if math.isfinite(value) else NONE


def p_value(value: float) -> str:
    """Write a probability: three decimals, or that it is below them."""
    if not math.isfinite(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def age(seconds: float) -> str:
    """Write how long ago something was."""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    return duration(seconds)


def duration(seconds: float) -> str:
    """Write a span of time in its largest sensible unit."""
    if not math.isfinite(seconds):
        return NONE
    for size, unit in ((172_800, "d"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            scale = {"d": 86_400, "h": 3_600, "min": 60}[unit]
            return f"{seconds / scale:.0f} {unit}"
    return f"{seconds:.0f} s"


def count(value: float) -> str:
    """Write a count, shortened to K, M or G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "K")):
        if value >= size:
            scale = {"G": 1e9, "M": 1e6, "K": 1e3}[unit]
            return f"{value / scale:.2f} {unit}" if unit != "K" else f"{value / scale:.1f} {unit}"
    return f"{value:,.0f}"


def plural(number: int, one: str, many: str = "") -> str:
    """Write a count with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def times(times_us: Iterable[int]) -> npt.NDArray[np.datetime64]:
    """Return times as tables take them."""
    return np.fromiter(times_us, np.int64).astype("M8[us]")


def short_scope(scope: str) -> str:
    """Return a scope without its venues: ``sim:A~sim:B`` as ``A ~ B``."""
    return " ~ ".join(leg.partition(":")[2] or leg for leg in scope.split("~"))


def size_of(count_bytes: float) -> str:
    """Write a file size."""
    if count_bytes >= 1e9:
        return f"{count_bytes / 1e9:.2f} GB"
    return f"{count_bytes / 1e6:.0f} MB" if count_bytes >= 1e6 else f"{count_bytes / 1e3:.0f} kB"


def minute(time_us: int) -> datetime:
    """Return the minute a time is in, UTC, as boxes for times take it."""
    return datetime.fromtimestamp(time_us // 60_000_000 * 60, UTC).replace(tzinfo=None)


def clock(time_us: int) -> str:
    """Write a time of day, UTC."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%H:%M:%S")


def day_clock(time_us: int) -> str:
    """Write a date and a time of day, UTC."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def day_minute(time_us: int) -> str:
    """Write a day and a time of day, UTC, for a time of the last months: ``21 Nov 06:23``."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%d %b %H:%M")


def asset(instrument: str) -> str:
    """Shorten an instrument to what a trader calls it: ``binance-usdm:ETHUSDT`` to ``ETH``."""
    return _parts(instrument)[0]


def quote(instrument: str) -> str:
    """Return the quote currency of an instrument: ``USDT``; words where it is not known."""
    return _parts(instrument)[1] or "quote currency"


def _parts(instrument: str) -> tuple[str, str]:
    symbol = instrument.partition(":")[2]
    for name in ("USDT", "USDC", "USD", "EUR"):
        base = symbol.removesuffix(name).rstrip("-/_.")
        if base and base != symbol:
            return base, name
    return symbol, ""


def symbol_of(instrument: str) -> str:
    """Return an instrument's symbol."""
    return instrument.partition(":")[2]


def half_life(estimate: float, low: float, high: float) -> str:
    """Write a half-life in bars with its interval; either may be infinite."""
    return f"{bars(estimate)} ({bars(low, '')} to {bars(high, '')})"


def bars(value: float, unit: str = " bars") -> str:
    """Write a number of bars, which may be infinite."""
    if math.isinf(value):
        return "\u221e"
    return f"{number(value, 1 if value < 100 else 0)}{unit}"
