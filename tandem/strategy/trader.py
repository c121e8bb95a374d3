"""Two legs, real accounting: the trading state machine of the paper position and of backtests.

Profit is cash flows plus marks of two legs whose quantities are fixed at entry, never position
times the change of a spread. The rules, bar by bar:

1. *Borrow.* A short leg pays for the time since the bar before, on its last mark.
2. *Fill.* An order raised at an earlier bar fills in the first usable bar in which both legs
   traded, at its open (or at its close, then after 3); until then it waits, an exit too. Nothing
   fills in the bar that raised it. Only an exit fills at prices that are not above zero.
3. *Funding* given for the bar is charged on the position held at its close.
4. *Decide*, at the close of a usable bar with a z. An unusable bar raises no signal and fills no
   order; a bar without a z changes nothing but may raise a time stop.

   - Flat: ``entry <= |z| < stop`` asks for an entry, long the spread where z is negative. A waiting
     entry is asked for anew at every such bar (with that bar's beta) and withdrawn at the first
     that no longer asks.
   - Long the spread: z >= -exit is an exit, z <= -stop a stop; short: mirrored. Then the time
     stop, once the position was held over `time_stop_bars` bars. An exit stands until it fills.
     Then the re-hedge, which waits and is renewed as an entry is; it trades X only.
   - A position is never reversed in one step: it is closed first, and the bar in which that
     filled may ask for the other side, unless a cool-down runs.
   - After a stop or a time stop there is no entry until z came back to where the stopped trade
     would have taken its normal exit.

"Long the spread" is long Y and short X for a positive beta. Where beta is negative, hedge sizing
gives both legs the same sign: that is the hedge, not a fault (`Rules.negative_beta` can refuse
it). A beta of 0 or NaN gives no entry. An entry for which the venue's limits leave either leg no
size waits and is counted. A re-hedge that would leave no X is not made and is counted: Y is never
held alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError
from tandem.kernels.trading import full as kernel
from tandem.kernels.trading.machine import slip_cost
from tandem.kernels.trading.records import ADJUSTED, CLOSED, NOW, OUT
from tandem.strategy.rules import Costs, Limits, Rules, rules_record

Floats = npt.NDArray[np.float64]
Reason = Literal["exit", "stop", "time stop"]

# What happened at a bar, in the columns `event` (raised at its close) and `filled` (in it).
EVENTS = ("none", "enter long", "enter short", "exit", "stop", "time stop", "withdrawn", "re-hedge")
NONE, ENTER_LONG, ENTER_SHORT, EXIT, STOP, TIME_STOP, WITHDRAWN, REHEDGE = range(8)

MOST_PARTS = 64  # arrays of closed trades before they are put together

_REASONS: dict[int, Reason] = {EXIT: "exit", STOP: "stop", TIME_STOP: "time stop"}


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
    alpha : float64, optional
        The hedge's level known before the bar. Without it a trade's profit cannot be split into
        convergence and hedge drift; both are then NaN.
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
    alpha: Floats | None = None


# The kernel's order of columns is that of `BarsIn`.
_KINDS = (np.int64, *(np.float64,) * 6, np.bool_, *(np.float64,) * 3)


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
        Order filled in the bar, index into `EVENTS`.
    position : int8
        Side held at the close.
    y_quantity, x_quantity : float64
        Units held at the close.
    cash, equity : float64
        Cash after all flows; cash plus the legs at their last prices.
    gross : float64
        Sum of both legs' values at their last prices, whatever their signs.
    """

    signal: npt.NDArray[np.int8]
    event: npt.NDArray[np.int8]
    filled: npt.NDArray[np.int8]
    position: npt.NDArray[np.int8]
    y_quantity: Floats
    x_quantity: Floats
    cash: Floats
    equity: Floats
    gross: Floats


# What was done ----------------------------------------------------------------------------


class Fill(NamedTuple):
    """One leg's fill. `price` is the bar's; costs are booked beside it, not in it."""

    time_us: int
    leg: Literal["y", "x"]
    quantity: float
    price: float
    fee: float
    spread_cost: float


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One round trip.

    ``gross = convergence + hedge_drift`` and
    ``net = gross - fees - spread_cost - funding - borrow``.

    `signal_us` and `exit_signal_us` are the bars that asked, `entry_us` and `exit_us` the bars that
    filled; `entry_z`, `exit_z` (NaN for a time stop without one) and `beta` are those of the
    asking bars. `bars` counts closes at which the position was held. `x_quantity` was entered,
    `exit_x_quantity` left, after `rehedges` changes.

    `gross` is the price profit of both legs. Of it `convergence` is what the model's own spread
    gave, ``y_quantity (spread out - spread in)`` (times Y's entry price on logs), each spread by
    the hedge known before its bar; `hedge_drift` is the rest: what the re-estimated level and ratio
    took back, sizes other than beta, and rounding to lots. Both are NaN where alpha was not given.

    `spread_cost` is half-spreads, slippage and ticks, `funding` what was paid (negative: earned),
    `borrow` what the short leg cost.
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
    borrow: float
    net: float
    convergence: float
    hedge_drift: float
    rehedges: int
    exit_x_quantity: float
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
    """What is held.

    Fees and spread cost are those paid so far, as are funding and borrow. `realised` is what
    changes of the X leg booked, `x_basis` the price from which the rest of X's profit counts.
    """

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
    borrow: float
    rehedges: int
    x_basis: float
    realised: float

    def gross(self, y: float, x: float) -> float:
        """Return the price profit of both legs at these prices."""
        y_gain = self.y_quantity * (y - self.entry_y)
        return y_gain + self.x_quantity * (x - self.x_basis) + self.realised


class Mark(NamedTuple):
    """A position's profit if it were closed at given prices, exit costs included."""

    gross: float
    fees: float
    spread_cost: float
    funding: float
    borrow: float

    @property
    def net(self) -> float:
        """Profit after every cost."""
        return self.gross - self.fees - self.spread_cost - self.funding - self.borrow


# The trader -------------------------------------------------------------------------------


class Trader:
    """The state machine of this module's rules; feed it new bars, any number at a time.

    Parameters
    ----------
    capital : float
        Cash at the start.
    limits : Limits
        What the venue accepts.

    Notes
    -----
    Any chunking of the same bars gives bit-identical results, also across `state` and `restore`.
    Every closed trade is kept (208 bytes each). One thread extends; others may read meanwhile:
    what they read is replaced and never changed.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        costs: Costs | None = None,
        capital: float = 0.0,
        limits: Limits | None = None,
    ) -> None:
        self.rules = rules or Rules()
        self.costs = costs or Costs()
        self.limits = limits or Limits()
        self._rules = rules_record(self.rules, self.costs, self.limits)
        self._now = start(capital)
        self._closed = [np.empty(0, CLOSED)]
        self._adjusted = np.empty(0, ADJUSTED)

    def extend(self, bars: BarsIn) -> TraderBars:
        """Follow the rules over new bars, later than all seen before.

        Raises
        ------
        DataError
            Arrays of different lengths, or times that do not increase.
        """
        arrays = columns(bars, after_us=int(self._now["time_us"][0]))
        n_bars = len(bars.time_us)
        out: Any = tuple(np.empty(n_bars, OUT[name]) for name in _OUT_NAMES)
        closed = np.empty(n_bars // 2 + 1, CLOSED)
        adjusted = np.empty(n_bars + 1 if self.rules.rehedges else 1, ADJUSTED)
        now = self._now.copy()
        given: Any = (now, self._rules, *arrays, out, closed, adjusted)
        n_closed, n_adjusted = kernel.run(*given)
        if n_closed:
            self._closed = [*self._closed, closed[:n_closed].copy()]
            if len(self._closed) > MOST_PARTS:
                self._closed = [np.concatenate(self._closed)]
        if n_adjusted:
            self._adjusted = np.concatenate((self._adjusted, adjusted[:n_adjusted]))
        self._now = now
        return TraderBars(*out)

    def leave(self, time_us: int, y: float, x: float, alpha: float, beta: float) -> None:
        """Close what is held at these prices, whatever the rules say; costs are paid.

        Booked as a time stop of the bar at `time_us`; does nothing when flat. `alpha` and `beta`
        are the hedge known before the bar.
        """
        now, trade = self._now.copy(), np.empty(1, CLOSED)
        if kernel.leave(now, self._rules, time_us, y, x, alpha, beta, trade):
            self._closed = [*self._closed, trade]
        self._now = now

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

    @property
    def traded(self) -> float:
        """Value of all fills so far."""
        return float(self._now["traded"][0])

    @property
    def refused(self) -> int:
        """Bars in which an entry or a re-hedge would have left one leg no size the venue takes."""
        return int(self._now["refused"][0])

    def mark(self, y: float, x: float) -> Mark | None:
        """Return the open position's profit if closed at these prices, or None when flat."""
        held = self.position
        if held is None:
            return None
        legs = self._legs(0, (-held.y_quantity, -held.x_quantity), (y, x))
        return Mark(
            gross=held.gross(y, x),
            fees=held.fees + legs[0].fee + legs[1].fee,
            spread_cost=held.spread_cost + legs[0].spread_cost + legs[1].spread_cost,
            funding=held.funding,
            borrow=held.borrow,
        )

    @property
    def closed(self) -> npt.NDArray[np.void]:
        """Every closed trade as one structured array, dtype `kernels.trading.records.CLOSED`."""
        return np.concatenate(self._closed)

    @property
    def adjusted(self) -> npt.NDArray[np.void]:
        """Every re-hedge as one structured array, dtype `kernels.trading.records.ADJUSTED`."""
        return self._adjusted

    @property
    def trades(self) -> list[ClosedTrade]:
        """Every closed trade, oldest first."""
        return closed_trades(self.closed)

    @property
    def fills(self) -> list[Fill]:
        """Every fill, oldest first; the open position's included."""
        fills: list[Fill] = []
        for trade in self.trades:
            quantities = trade.y_quantity, trade.x_quantity
            fills += self._legs(trade.entry_us, quantities, (trade.entry_y, trade.entry_x))
            quantities = -trade.y_quantity, -trade.exit_x_quantity
            fills += self._legs(trade.exit_us, quantities, (trade.exit_y, trade.exit_x))
        held = self.position
        if held is not None:
            quantities = held.y_quantity, float(self._now["entry_x_quantity"][0])
            fills += self._legs(held.entry_us, quantities, (held.entry_y, held.entry_x))
        rows: list[Any] = self._adjusted[list(_CHANGE_NAMES)].tolist()
        fills += [Fill(row[0], "x", *row[1:]) for row in rows]
        return sorted(fills, key=lambda fill: fill.time_us)

    def _legs(
        self, time_us: int, quantities: tuple[float, float], prices: tuple[float, float]
    ) -> tuple[Fill, Fill]:
        """Return the two fills of one order."""
        rules = self._rules[0]
        y, x = (
            Fill(
                time_us,
                leg,
                quantity,
                price,
                float(rules[f"{leg}_fee"]) * abs(quantity * price),
                float(slip_cost(quantity, price, rules[f"{leg}_slip"], rules[f"{leg}_tick"])),
            )
            for leg, quantity, price in zip(_LEGS, quantities, prices, strict=True)
        )
        return y, x

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything `restore` needs: structured arrays."""
        return {"now": self._now.copy(), "closed": self.closed, "adjusted": self._adjusted.copy()}

    def restore(self, parts: dict[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken; rules and costs must be the same.

        Raises
        ------
        DataError
            The arrays are not a state of this version; start the trader afresh.
        """
        kinds = {"now": NOW, "closed": CLOSED, "adjusted": ADJUSTED}
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
        self._adjusted = parts["adjusted"].copy()


_LEGS: tuple[Literal["y", "x"], Literal["y", "x"]] = ("y", "x")
_CHANGE_NAMES = ("time_us", "quantity", "price", "fee", "spread_cost")
_OUT_NAMES = [field.name for field in dataclasses.fields(TraderBars)]
_POSITION_NAMES = [field.name for field in dataclasses.fields(Position)]


def start(capital: float) -> npt.NDArray[np.void]:
    """Return the state before the first bar."""
    now = np.zeros(1, NOW)
    now["time_us"] = np.iinfo(np.int64).min
    now["cash"] = capital
    now["y_mark"] = now["x_mark"] = np.nan
    return now


def closed_trades(closed: npt.NDArray[np.void]) -> list[ClosedTrade]:
    """Return rows of dtype `kernels.trading.records.CLOSED` as `ClosedTrade`."""
    rows: list[Any] = closed.tolist()
    return [ClosedTrade(*(*row[:-1], _REASONS[row[-1]])) for row in rows]


def columns(bars: BarsIn, after_us: int) -> list[npt.NDArray[Any]]:
    """Return the arrays in the kernel's order and types, or raise DataError."""
    given = [getattr(bars, field.name) for field in dataclasses.fields(bars)]
    if (bars.funding_y is None) != (bars.funding_x is None):
        raise DataError("Funding is given for one leg only; give both, with zeros for none.")
    lengths = {len(array) for array in given if array is not None}
    if len(lengths) != 1:
        raise DataError(f"Columns have {sorted(lengths)} bars; they must have the same number.")
    arrays: list[npt.NDArray[Any]] = [
        np.ascontiguousarray([] if array is None else array, dtype=kind)
        for array, kind in zip(given, _KINDS, strict=True)
    ]
    times = arrays[0]
    if len(times) and (times[0] <= after_us or np.any(times[1:] <= times[:-1])):
        raise DataError("Bars are not in increasing time order; sort them and drop duplicates.")
    return arrays
