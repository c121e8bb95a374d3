"""What to do, what it costs, and what the venue allows: frozen, checked when made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import YEAR_US
from tandem.core.errors import DataError
from tandem.kernels.trading.machine import x_per_y
from tandem.kernels.trading.records import RULES

Sizing = Literal["hedge", "dollar", "unit"]
Fill = Literal["open", "close"]
NegativeBeta = Literal["hold", "skip"]

SIZINGS: tuple[Sizing, ...] = ("hedge", "dollar", "unit")
FILLS: tuple[Fill, ...] = ("open", "close")
NEGATIVE_BETAS: tuple[NegativeBeta, ...] = ("hold", "skip")


@dataclass(frozen=True, slots=True)
class Rules:
    """When to trade and how much.

    Attributes
    ----------
    entry, exit, stop : float
        Thresholds of |z|, ``0 <= exit < entry < stop``; a stop of infinity is none.
    time_stop_bars : int
        Bars a position is held at most; 0 is no limit.
    sizing : {"hedge", "dollar", "unit"}
        What is held of X against a quantity q of Y: "hedge" -beta q units on raw prices and -beta
        times Y's notional on logs, "dollar" the same notional on the other side, "unit" -q units.
    notional : float
        Value of the Y leg at entry, in the quote currency.
    log_prices : bool
        Whether beta is a ratio of notionals (regression of logs) or of units (raw prices).
    fill_at : {"open", "close"}
        Which price of the next bar in which both legs trade an order fills at.
    cool_down_bars : int
        Closes after an exit at which no entry is asked for.
    rehedge_bars : int
        X is sized anew after so many bars; 0 is never. Y stays as it was entered.
    rehedge_percent : float
        X is sized anew when beta is so many percent away from the one X was sized with; 0 is never.
        Of the two policies the first that is due acts; both act under "hedge" sizing, only the
        first under "dollar", neither under "unit", where nothing changes.
    negative_beta : {"hold", "skip"}
        "hold": hedge sizing then has both legs on one side, which is the hedge; "skip": no entry
        and no re-hedge while beta is not above 0, under any sizing.
    most_gross : float
        Largest sum of both legs' values at entry: a larger position is scaled down, both legs
        alike; a re-hedge that would pass it is not made.
    """

    entry: float = 2.0
    exit: float = 0.5
    stop: float = 4.0
    time_stop_bars: int = 0
    sizing: Sizing = "hedge"
    notional: float = 10_000.0
    log_prices: bool = False
    fill_at: Fill = "open"
    cool_down_bars: int = 0
    rehedge_bars: int = 0
    rehedge_percent: float = 0.0
    negative_beta: NegativeBeta = "hold"
    most_gross: float = float("inf")

    def __post_init__(self) -> None:
        """Refuse rules that contradict each other."""
        if not 0.0 <= self.exit < self.entry < np.inf:
            raise DataError(
                f"Entry is {self.entry:g} and exit {self.exit:g}; "
                "set exit to 0 or more and entry above exit."
            )
        if not self.stop > self.entry:
            raise DataError(
                f"Stop is {self.stop:g} and entry {self.entry:g}; "
                "raise the stop above the entry, or set it to infinity for none."
            )
        if not 0.0 < self.notional < np.inf:
            raise DataError(f"The notional is {self.notional:g}; it must be a positive amount.")
        if not self.most_gross > 0.0:
            raise DataError(
                f"The maximum gross is {self.most_gross:g}; "
                "use a positive amount, or infinity for none."
            )
        self._check_counts()
        _choice("Sizing", self.sizing, SIZINGS)
        _choice("The fill", self.fill_at, FILLS)
        _choice("The rule for a negative beta", self.negative_beta, NEGATIVE_BETAS)

    def _check_counts(self) -> None:
        for name, value in (
            ("time stop", self.time_stop_bars),
            ("cool-down", self.cool_down_bars),
            ("re-hedge", self.rehedge_bars),
        ):
            if not 0 <= value < 2**53:
                raise DataError(f"The {name} is {value} bars; use 1 or more, or 0 for none.")
        if not 0.0 <= self.rehedge_percent < np.inf:
            raise DataError(
                f"Re-hedging at a beta {self.rehedge_percent:g} % away means nothing; "
                "use a percentage above 0, or 0 for never."
            )

    def quantities(self, side: int, y: float, x: float, beta: float) -> tuple[float, float]:
        """Return the units of Y and X held for `side` (+1 long, -1 short) at these prices.

        Prices must be positive. The Y leg is worth `notional`, less where `most_gross` says so.
        """
        y_quantity = side * (self.notional / y)
        x_quantity = y_quantity * float(
            x_per_y(SIZINGS.index(self.sizing), self.log_prices, y, x, beta)
        )
        gross = abs(y_quantity * y) + abs(x_quantity * x)
        share = self.most_gross / gross if gross > self.most_gross else 1.0
        return y_quantity * share, x_quantity * share

    def notional_ratio(self, y: float, x: float, beta: float) -> float:
        """Return the X leg's value per unit of the Y leg's value, always positive."""
        y_quantity, x_quantity = self.quantities(1, y, x, beta)
        return abs(x_quantity * x / (y_quantity * y))

    @property
    def rehedges(self) -> bool:
        """Whether a position's X leg may change while it is held."""
        return self.rehedge_bars > 0 or self.rehedge_percent > 0.0


def _choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DataError(f"{what} is {value!r:.40}; choose one of {', '.join(known)}.")


class RoundTrip(NamedTuple):
    """Cost of a round trip's four fills, in basis points of the Y leg's value."""

    fees_bp: float
    spread_bp: float

    @property
    def total_bp(self) -> float:
        """Fees, half-spreads and slippage together."""
        return self.fees_bp + self.spread_bp


@dataclass(frozen=True, slots=True)
class Costs:
    """What a fill costs, in basis points (1/10,000) of that fill's value, and what holding costs.

    Attributes
    ----------
    fee_bp : float
        The venue's taker fee; below 0 where it pays a rebate.
    y_half_spread_bp, x_half_spread_bp : float
        Half of each leg's bid-ask spread.
    slippage_bp : float
        What a fill loses beyond the best quote.
    x_fee_bp, x_slippage_bp : float, optional
        Fee and slippage of the X leg, where it trades elsewhere; those of Y if not given.
    y_borrow_percent, x_borrow_percent : float
        What borrowing a short leg costs, in percent of its value per year of 365.25 days, by the
        time that passes from bar to bar.
    """

    fee_bp: float = 5.0
    y_half_spread_bp: float = 0.0
    x_half_spread_bp: float = 0.0
    slippage_bp: float = 0.0
    x_fee_bp: float | None = None
    x_slippage_bp: float | None = None
    y_borrow_percent: float = 0.0
    x_borrow_percent: float = 0.0

    def __post_init__(self) -> None:
        """Refuse costs that are no numbers, or below 0 where that means nothing."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            low = -100.0 if field.name in ("fee_bp", "x_fee_bp") else 0.0
            high, unit = 10_000.0, "basis points"
            if field.name.endswith("percent"):
                high, unit = 1_000.0, "percent per year"
            if not low <= value <= high:
                raise DataError(
                    f"{field.name} is {value:g}; use {unit} from {low:g} to {high:g} "
                    "(5 basis points are 0.05 %)."
                )

    @property
    def fees_bp(self) -> tuple[float, float]:
        """Fee of each leg, (y, x)."""
        return self.fee_bp, self.fee_bp if self.x_fee_bp is None else self.x_fee_bp

    @property
    def slips_bp(self) -> tuple[float, float]:
        """Half-spread and slippage of each leg, (y, x)."""
        x_slippage = self.slippage_bp if self.x_slippage_bp is None else self.x_slippage_bp
        return self.y_half_spread_bp + self.slippage_bp, self.x_half_spread_bp + x_slippage

    def round_trip_bp(self, notional_ratio: float) -> RoundTrip:
        """Return what two fills of each leg cost.

        Parameters
        ----------
        notional_ratio : float
            Value of the X leg per unit of the Y leg's value; its sign does not matter.
        """
        weight = abs(notional_ratio)
        (y_fee, x_fee), (y_slip, x_slip) = self.fees_bp, self.slips_bp
        return RoundTrip(2.0 * (y_fee + weight * x_fee), 2.0 * (y_slip + weight * x_slip))


# What a fill costs until something else is chosen, on every page and in every command.
DEFAULT_COSTS = Costs(fee_bp=5.0, y_half_spread_bp=0.5, x_half_spread_bp=0.5, slippage_bp=0.5)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue accepts; 0 is no limit.

    Attributes
    ----------
    y_lot, x_lot : float
        Quantities are whole multiples of it, rounded towards zero.
    y_tick, x_tick : float
        After half-spread and slippage a buy fills at the next multiple up, a sale at the next down;
        the difference is spread cost.
    y_minimum, x_minimum : float
        Min notional of an entry's or a re-hedge's fill. An entry in which either leg comes out
        smaller, or at no lot at all, is not made, nor a re-hedge down to no lot of X; an exit
        always is.
    """

    y_lot: float = 0.0
    x_lot: float = 0.0
    y_tick: float = 0.0
    x_tick: float = 0.0
    y_minimum: float = 0.0
    x_minimum: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value < np.inf:
                raise DataError(f"{field.name} is {value:g}; use a size of 0 (none) or more.")


def rules_record(rules: Rules, costs: Costs, limits: Limits) -> npt.NDArray[np.void]:
    """Return all three as the kernel reads them."""
    values: dict[str, Any] = {
        name: getattr(rules, name)
        for name in (
            *("entry", "exit", "stop", "time_stop_bars", "notional", "log_prices"),
            *("cool_down_bars", "rehedge_bars", "most_gross"),
        )
    }
    values["sizing"] = SIZINGS.index(rules.sizing)
    values["at_close"] = rules.fill_at == "close"
    values["rehedge_drift"] = rules.rehedge_percent / 100.0
    values["skip_negative"] = rules.negative_beta == "skip"
    for leg, fee_bp, slip_bp in zip("yx", costs.fees_bp, costs.slips_bp, strict=True):
        values[f"{leg}_fee"] = fee_bp / 1e4
        values[f"{leg}_slip"] = slip_bp / 1e4
        values[f"{leg}_borrow"] = getattr(costs, f"{leg}_borrow_percent") / 100.0 / YEAR_US
        values[f"{leg}_lot"] = getattr(limits, f"{leg}_lot")
        values[f"{leg}_tick"] = getattr(limits, f"{leg}_tick")
        values[f"{leg}_least"] = getattr(limits, f"{leg}_minimum")
    record = np.zeros(1, RULES)
    for name, value in values.items():
        record[name] = value
    return record
