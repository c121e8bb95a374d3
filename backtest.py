"""Two legs, real accounting: the trading state machine of the paper position and of backtests.

Profit is cash flows plus marks of two legs whose quantities are fixed at entry, never position
times the change of a spread. The rules, bar by bar:

1. *Fill.* An order raised at an earlier bar fills at the open of the first usable bar in which
   both legs traded; until then it waits, an exit too. Nothing fills in the bar that raised it.
2. *Funding* given for the bar is charged on the position held at its close.
3. *Decide*, at the close of a usable bar with a z. An unusable bar raises no signal and fills no
   order; a bar without a z changes nothing but may raise a time stop.

   - Flat: ``entry <= |z| < stop`` asks for an entry, long the spread where z is negative. A waiting
     entry is asked for anew at every such bar (with that bar's beta) and withdrawn at the first
     that no longer asks.
   - Long the spread: z >= -exit is an exit, z <= -stop a stop; short: mirrored. Then the time
     stop, once the position was held over `time_stop_bars` bars. An exit stands until it fills.
   - A position is never reversed in one step: it is closed first, and the bar in which that
     filled may ask for the other side.
   - After a stop or a time stop there is no entry until z came back to where the stopped trade
     would have taken its normal exit.

"Long the spread" is long Y and short X for a positive beta. Where beta is negative, hedge sizing
gives both legs the same sign: that is the hedge, not a fault. A beta of 0 or NaN gives no entry.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

import backtest_kernel as kernel
from market import DataError

Floats = npt.NDArray[np.float64]
Sizing = Literal["hedge", "dollar", "unit"]
Reason = Literal["exit", "stop", "time stop"]

SIZINGS: tuple[Sizing, ...] = ("hedge", "dollar", "unit")

# What happened at a bar, in the columns `event` (raised at its close) and `filled` (at its open).
EVENTS = ("none", "enter long", "enter short", "exit", "stop", "time stop", "withdrawn")
NONE, ENTER_LONG, ENTER_SHORT, EXIT, STOP, TIME_STOP, WITHDRAWN = range(7)

MOST_PARTS = 64  # arrays of closed trades before they are put together

_REASONS: dict[int, Reason] = {EXIT: "exit", STOP: "stop", TIME_STOP: "time stop"}


# What to do and what it costs -------------------------------------------------------------


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
    """

    entry: float = 2.0
    exit: float = 0.5
    stop: float = 4.0
    time_stop_bars: int = 0
    sizing: Sizing = "hedge"
    notional: float = 10_000.0
    log_prices: bool = False

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
        if self.time_stop_bars < 0:
            raise DataError(
                f"The time stop is {self.time_stop_bars} bars; use 1 or more, or 0 for none."
            )
        if self.sizing not in SIZINGS:
            raise DataError(f"Sizing is {self.sizing!r:.40}; choose one of {', '.join(SIZINGS)}.")
        if not 0.0 < self.notional < np.inf:
            raise DataError(f"The notional is {self.notional:g}; it must be a positive amount.")

    def quantities(self, side: int, y: float, x: float, beta: float) -> tuple[float, float]:
        """Return the units of Y and X held for `side` (+1 long, -1 short) at these prices.

        Prices must be positive. The Y leg is worth `notional`.
        """
        y_quantity = side * (self.notional / y)
        ratio = kernel.x_per_y(SIZINGS.index(self.sizing), self.log_prices, y, x, beta)
        return y_quantity, y_quantity * float(ratio)

    def notional_ratio(self, y: float, x: float, beta: float) -> float:
        """Return the X leg's value per unit of the Y leg's value, always positive."""
        y_quantity, x_quantity = self.quantities(1, y, x, beta)
        return abs(x_quantity * x / (y_quantity * y))


class RoundTrip(NamedTuple):
    """Cost of a round trip's four fills, in basis points of the Y leg's value."""

    fees_bp: float
    spread_bp: float

    @property
    def total_bp(self) -> float:
        """Fees, half-spreads and slippage together."""
        return self.fees_bp + self.spread_bp

    def break_even(self, y: float, log_prices: bool = False) -> float:
        """Return the move of the spread that pays for it, in units of the spread.

        Y's price units on raw prices, log points on logs.
        """
        fraction = self.total_bp / 1e4
        return fraction if log_prices else fraction * y


@dataclass(frozen=True, slots=True)
class Costs:
    """What a fill costs, in basis points (1/10,000) of that fill's value.

    Attributes
    ----------
    fee_bp : float
        The venue's taker fee; below 0 where it pays a rebate.
    y_half_spread_bp, x_half_spread_bp : float
        Half of each leg's bid-ask spread.
    slippage_bp : float
        What a fill loses beyond the best quote.
    """

    fee_bp: float = 5.0
    y_half_spread_bp: float = 0.0
    x_half_spread_bp: float = 0.0
    slippage_bp: float = 0.0

    def __post_init__(self) -> None:
        """Refuse costs that are no numbers, or below 0 where that means nothing."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            low = -100.0 if field.name == "fee_bp" else 0.0
            if not low <= value <= 10_000.0:
                raise DataError(
                    f"{field.name} is {value:g}; use basis points from {low:g} to 10000 "
                    "(5 is 0.05 %)."
                )

    def round_trip_bp(self, notional_ratio: float) -> RoundTrip:
        """Return what two fills of each leg cost.

        Parameters
        ----------
        notional_ratio : float
            Value of the X leg per unit of the Y leg's value; its sign does not matter.
        """
        weight = abs(notional_ratio)
        y_slip = self.y_half_spread_bp + self.slippage_bp
        x_slip = self.x_half_spread_bp + self.slippage_bp
        return RoundTrip(2.0 * self.fee_bp * (1.0 + weight), 2.0 * (y_slip + weight * x_slip))


# Bars in, bars out ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BarsIn:
    """New bars for `Trader.extend`; arrays of shape (n_bars,), oldest first.

    Attributes
    ----------
    time_us : int64
        Start of each bar, increasing.
    y, x : float64
        Closes, forward-filled; NaN only before a leg's first trade.
    y_open, x_open : float64
        First trade in the bar; NaN when the leg did not trade in it.
    z : float64
        What the bar's close says; NaN while the model warms up.
    beta : float64
        The hedge ratio known before the bar.
    usable : bool
        Whether both legs are fresh enough to be believed.
    funding_y, funding_x : float64, optional
        Fraction of the leg's notional charged at the bar; a long position pays a positive rate.
    """

    time_us: npt.NDArray[np.int64]
    y: Floats
    x: Floats
    y_open: Floats
    x_open: Floats
    z: Floats
    beta: Floats
    usable: npt.NDArray[np.bool_]
    funding_y: Floats | None = None
    funding_x: Floats | None = None


@dataclass(frozen=True, slots=True)
class TraderBars:
    """What the trader did at each bar; arrays of shape (n_bars,).

    Attributes
    ----------
    signal : int8
        Side the rules want after the bar's close: +1 long the spread, -1 short, 0 flat. Where it
        differs from `position`, an order waits.
    event : int8
        Order raised (or withdrawn) at the bar's close, index into `EVENTS`.
    filled : int8
        Order filled at the bar's open, index into `EVENTS`.
    position : int8
        Side held at the close.
    y_quantity, x_quantity : float64
        Units held at the close.
    cash, equity : float64
        Cash after all flows; cash plus the legs at their last prices.
    """

    signal: npt.NDArray[np.int8]
    event: npt.NDArray[np.int8]
    filled: npt.NDArray[np.int8]
    position: npt.NDArray[np.int8]
    y_quantity: Floats
    x_quantity: Floats
    cash: Floats
    equity: Floats


# What was done ----------------------------------------------------------------------------


class Fill(NamedTuple):
    """One leg's fill. `price` is the open it filled at; costs are booked beside it, not in it."""

    time_us: int
    leg: Literal["y", "x"]
    quantity: float
    price: float
    fee: float
    spread_cost: float


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One round trip. ``net = gross - fees - spread_cost - funding``.

    `signal_us` and `exit_signal_us` are the bars that asked, `entry_us` and `exit_us` the bars that
    filled; `entry_z`, `exit_z` (NaN for a time stop without one) and `beta` are those of the
    asking bars. `bars` counts closes at which the position was held. `gross` is the price profit of
    both legs, `spread_cost` half-spreads and slippage, `funding` what was paid (negative: earned).
    """

    side: int
    bars: int
    signal_us: int
    entry_us: int
    exit_signal_us: int
    exit_us: int
    y_quantity: float
    x_quantity: float
    entry_y: float
    entry_x: float
    exit_y: float
    exit_x: float
    entry_z: float
    exit_z: float
    beta: float
    gross: float
    fees: float
    spread_cost: float
    funding: float
    net: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Order:
    """An order that waits for both legs to trade."""

    event: int
    signal_us: int
    z: float
    beta: float


@dataclass(frozen=True, slots=True)
class Position:
    """What is held. Fees and spread cost are those of the entry, funding what was paid so far."""

    side: int
    bars: int
    signal_us: int
    entry_us: int
    y_quantity: float
    x_quantity: float
    entry_y: float
    entry_x: float
    entry_z: float
    beta: float
    fees: float
    spread_cost: float
    funding: float


class Mark(NamedTuple):
    """A position's profit if it were closed at given prices, exit costs included."""

    gross: float
    fees: float
    spread_cost: float
    funding: float

    @property
    def net(self) -> float:
        """Profit after every cost."""
        return self.gross - self.fees - self.spread_cost - self.funding


# The trader -------------------------------------------------------------------------------


class Trader:
    """The state machine of this module's rules; feed it new bars, any number at a time.

    Parameters
    ----------
    rules : Rules
    costs : Costs
    capital : float
        Cash at the start.

    Notes
    -----
    Any chunking of the same bars gives bit-identical results, also across `state` and `restore`.
    Every closed trade is kept (168 bytes each). One thread extends; others may read meanwhile:
    what they read is replaced and never changed.
    """

    def __init__(
        self, rules: Rules | None = None, costs: Costs | None = None, capital: float = 0.0
    ) -> None:
        self.rules = rules or Rules()
        self.costs = costs or Costs()
        self._rules = _rules_record(self.rules, self.costs)
        self._now = np.zeros(1, kernel.NOW)
        self._now["time_us"] = np.iinfo(np.int64).min
        self._now["cash"] = capital
        self._now["y_mark"] = self._now["x_mark"] = np.nan
        self._closed = [np.empty(0, kernel.CLOSED)]

    def extend(self, bars: BarsIn) -> TraderBars:
        """Follow the rules over new bars, later than all seen before.

        Raises
        ------
        DataError
            Arrays of different lengths, or times that do not increase.
        """
        arrays = self._checked(bars)
        n_bars = len(bars.time_us)
        out = np.empty(n_bars, kernel.OUT)
        closed = np.empty(n_bars // 2 + 1, kernel.CLOSED)
        now = self._now.copy()
        n_closed = kernel.run(*(now, self._rules, *arrays, out, closed))
        if n_closed:
            self._closed = [*self._closed, closed[:n_closed].copy()]
            if len(self._closed) > MOST_PARTS:
                self._closed = [np.concatenate(self._closed)]
        self._now = now
        return TraderBars(*(np.ascontiguousarray(out[name]) for name in _OUT_NAMES))

    def _checked(self, bars: BarsIn) -> list[npt.NDArray[Any]]:
        """Return the arrays in the kernel's order and types, or raise DataError."""
        given = [getattr(bars, field.name) for field in dataclasses.fields(bars)]
        if (given[-2] is None) != (given[-1] is None):
            raise DataError("Funding is given for one leg only; give both, with zeros for none.")
        lengths = {len(array) for array in given if array is not None}
        if len(lengths) != 1:
            raise DataError(f"Columns have {sorted(lengths)} bars; they must have the same number.")
        kinds = (np.int64, *(np.float64,) * 6, np.bool_, np.float64, np.float64)
        arrays: list[npt.NDArray[Any]] = [
            np.ascontiguousarray([] if array is None else array, dtype=kind)
            for array, kind in zip(given, kinds, strict=True)
        ]
        times = arrays[0]
        if len(times) and (times[0] <= self._now["time_us"][0] or np.any(np.diff(times) <= 0)):
            raise DataError("Bars are not in increasing time order; sort them and drop duplicates.")
        return arrays

    @property
    def position(self) -> Position | None:
        """What is held now, or None."""
        now = self._now[0]
        if not now["side"]:
            return None
        return Position(**{name: now[name].item() for name in _POSITION_NAMES})

    @property
    def order(self) -> Order | None:
        """The order that waits, or None."""
        now = self._now[0]
        if not now["order"]:
            return None
        return Order(*(now[name].item() for name in ("order", "order_us", "order_z", "order_beta")))

    @property
    def cash(self) -> float:
        """Cash after all flows so far."""
        return float(self._now["cash"][0])

    def mark(self, y: float, x: float) -> Mark | None:
        """Return the open position's profit if closed at these prices, or None when flat."""
        held = self.position
        if held is None:
            return None
        fees, spread_cost = self._fill_costs(held.y_quantity * y, held.x_quantity * x)
        return Mark(
            gross=held.y_quantity * (y - held.entry_y) + held.x_quantity * (x - held.entry_x),
            fees=held.fees + sum(fees),
            spread_cost=held.spread_cost + sum(spread_cost),
            funding=held.funding,
        )

    @property
    def closed(self) -> npt.NDArray[np.void]:
        """Every closed trade as one structured array (dtype `backtest_kernel.CLOSED`)."""
        return np.concatenate(self._closed)

    @property
    def trades(self) -> list[ClosedTrade]:
        """Every closed trade, oldest first."""
        rows: list[Any] = self.closed.tolist()
        return [ClosedTrade(*(*row[:-1], _REASONS[row[-1]])) for row in rows]

    @property
    def fills(self) -> list[Fill]:
        """Every fill, oldest first; the open position's entry included."""
        fills: list[Fill] = []
        for trade in self.trades:
            quantities = trade.y_quantity, trade.x_quantity
            fills += self._legs(trade.entry_us, quantities, (trade.entry_y, trade.entry_x))
            quantities = -trade.y_quantity, -trade.x_quantity
            fills += self._legs(trade.exit_us, quantities, (trade.exit_y, trade.exit_x))
        held = self.position
        if held is not None:
            quantities = held.y_quantity, held.x_quantity
            fills += self._legs(held.entry_us, quantities, (held.entry_y, held.entry_x))
        return fills

    def _legs(
        self, time_us: int, quantities: tuple[float, float], prices: tuple[float, float]
    ) -> tuple[Fill, Fill]:
        """Return the two fills of one order."""
        fees, spread_costs = self._fill_costs(quantities[0] * prices[0], quantities[1] * prices[1])
        return (
            Fill(time_us, "y", quantities[0], prices[0], fees[0], spread_costs[0]),
            Fill(time_us, "x", quantities[1], prices[1], fees[1], spread_costs[1]),
        )

    def _fill_costs(
        self, y_value: float, x_value: float
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return (fee y, fee x), (spread cost y, spread cost x) of fills of these values."""
        rules = self._rules[0]
        y_value, x_value = abs(y_value), abs(x_value)
        fee, y_slip, x_slip = (float(rules[name]) for name in ("fee", "y_slip", "x_slip"))
        return (fee * y_value, fee * x_value), (y_slip * y_value, x_slip * x_value)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything `restore` needs: two structured arrays."""
        return {"now": self._now.copy(), "closed": self.closed}

    def restore(self, parts: dict[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken; rules and costs must be the same.

        Raises
        ------
        DataError
            The arrays are not a state of this version; start the trader afresh.
        """
        kinds = {"now": kernel.NOW, "closed": kernel.CLOSED}
        for name, kind in kinds.items():
            if name not in parts or parts[name].dtype != kind:
                raise DataError(
                    f"The saved trader state has no fitting {name!r} part (another version wrote "
                    "it); start the paper position afresh."
                )
        if parts["now"].shape != (1,):
            raise DataError("The saved trader state is damaged; start the paper position afresh.")
        self._now = parts["now"].copy()
        self._closed = [parts["closed"].copy()]


_OUT_NAMES = [field.name for field in dataclasses.fields(TraderBars)]
_POSITION_NAMES = [field.name for field in dataclasses.fields(Position)]


def _rules_record(rules: Rules, costs: Costs) -> npt.NDArray[np.void]:
    record = np.zeros(1, kernel.RULES)
    for name in ("entry", "exit", "stop", "time_stop_bars", "notional", "log_prices"):
        record[name] = getattr(rules, name)
    record["sizing"] = SIZINGS.index(rules.sizing)
    record["fee"] = costs.fee_bp / 1e4
    record["y_slip"] = (costs.y_half_spread_bp + costs.slippage_bp) / 1e4
    record["x_slip"] = (costs.x_half_spread_bp + costs.slippage_bp) / 1e4
    return record
