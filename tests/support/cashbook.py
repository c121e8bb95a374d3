"""The trading rules followed one bar at a time, slowly, every flow of money in one list."""

from __future__ import annotations

import math

from tandem.strategy.rules import Costs, Limits, Rules
from tandem.strategy.trader import BarsIn

YEAR_US = 365.25 * 86_400_000_000


class Cashbook:
    """A trader that knows nothing but what it holds and what it was paid."""

    def __init__(self, rules: Rules, costs: Costs, limits: Limits) -> None:
        self.rules, self.costs, self.limits = rules, costs, limits
        self.flows: list[tuple[str, float]] = []  # what for, amount received
        self.fills: list[tuple[int, str, float, float, float, float]] = []
        self.held = {"y": 0.0, "x": 0.0}
        self.marks = {"y": math.nan, "x": math.nan}
        self.side = self.bars = self.barred = self.cooling = 0
        self.waiting: tuple[str, float] | None = None  # order, beta
        self.hedge: tuple[float, int] = (math.nan, 0)  # beta, closes since
        self.time_us: int | None = None
        self.refused = 0
        self.traded = 0.0

    # Fills --------------------------------------------------------------------------------

    def fill(self, time_us: int, leg: str, quantity: float, price: float) -> None:
        if quantity == 0.0:
            return
        fee_bp = dict(zip("yx", self.costs.fees_bp, strict=True))[leg]
        slip_bp = dict(zip("yx", self.costs.slips_bp, strict=True))[leg]
        tick = getattr(self.limits, f"{leg}_tick")
        way = 1.0 if quantity > 0 else -1.0
        executed = price + way * price * slip_bp / 1e4
        if tick:
            steps = executed / tick
            steps = math.ceil(steps - 1e-9) if quantity > 0 else math.floor(steps + 1e-9)
            executed = steps * tick
        fee, lost = abs(quantity * price) * fee_bp / 1e4, abs(quantity) * abs(executed - price)
        self.held[leg] += quantity
        self.traded += abs(quantity * price)
        self.flows += [("legs", -quantity * price), ("fees", -fee), ("spread_cost", -lost)]
        self.fills.append((time_us, leg, quantity, price, fee, lost))

    def lots(self, leg: str, quantity: float) -> float:
        lot = getattr(self.limits, f"{leg}_lot")
        if not lot:
            return quantity
        return math.copysign(math.floor(abs(quantity) / lot + 1e-9) * lot, quantity)

    def size_of_x(self, y_quantity: float, y: float, x: float, beta: float) -> float:
        if self.rules.sizing == "unit":
            return -y_quantity
        if self.rules.sizing == "dollar":
            return -y_quantity * y / x
        return -beta * y_quantity * (y / x if self.rules.log_prices else 1.0)

    def enter(self, time_us: int, order: str, beta: float, y: float, x: float) -> bool:
        side = 1 if order == "enter long" else -1
        sizes = {"y": side * self.rules.notional / y}
        sizes["x"] = self.size_of_x(sizes["y"], y, x, beta)
        gross = abs(sizes["y"] * y) + abs(sizes["x"] * x)
        share = min(1.0, self.rules.most_gross / gross)
        sizes = {leg: self.lots(leg, share * size) for leg, size in sizes.items()}
        for leg, price in (("y", y), ("x", x)):
            value = abs(sizes[leg] * price)
            if sizes[leg] == 0.0 or value < getattr(self.limits, f"{leg}_minimum"):
                self.refused += 1
                return False
        self.side, self.bars, self.hedge = side, 0, (beta, 0)
        self.fill(time_us, "y", sizes["y"], y)
        self.fill(time_us, "x", sizes["x"], x)
        return True

    def rehedge(self, time_us: int, beta: float, y: float, x: float) -> None:
        change = self.size_of_x(self.held["y"], y, x, beta) - self.held["x"]
        change = self.lots("x", change)
        self.hedge = (beta, 0)
        after = self.held["x"] + change
        too_small = abs(change * x) < self.limits.x_minimum
        if change and not too_small and self.lots("x", after) == 0.0:
            self.refused += 1
            return
        too_large = abs(self.held["y"] * y) + abs(after * x) > self.rules.most_gross
        if not too_small and not (too_large and abs(after) > abs(self.held["x"])):
            self.fill(time_us, "x", change, x)

    def leave(self, time_us: int, order: str, y: float, x: float) -> None:
        self.fill(time_us, "y", -self.held["y"], y)
        self.fill(time_us, "x", -self.held["x"], x)
        self.barred = self.side if order != "exit" else self.barred
        self.side, self.cooling = 0, self.rules.cool_down_bars
        self.held = {"y": 0.0, "x": 0.0}

    def carry_out(self, time_us: int, y: float, x: float) -> None:
        order, beta = self.waiting
        if self.side == 0:
            if self.enter(time_us, order, beta, y, x):
                self.waiting = None
            return
        if order == "re-hedge":
            self.rehedge(time_us, beta, y, x)
        else:
            self.leave(time_us, order, y, x)
        self.waiting = None

    # A bar --------------------------------------------------------------------------------

    def step(self, time_us, y, x, y_open, x_open, z, beta, usable, funding_y, funding_x) -> str:
        if self.side:
            years = (time_us - self.time_us) / YEAR_US
            for leg in "yx":
                rate = getattr(self.costs, f"{leg}_borrow_percent") / 100.0
                short = max(-self.held[leg] * self.marks[leg], 0.0)
                self.flows.append(("borrow", -short * rate * years))
        both_traded = not (math.isnan(y_open) or math.isnan(x_open))
        can_fill = usable and both_traded and self.waiting is not None
        if can_fill and self.rules.fill_at == "open":
            self.carry_out(time_us, y_open, x_open)
        self.marks = {"y": y, "x": x}
        if self.side:
            self.bars += 1
            self.hedge = (self.hedge[0], self.hedge[1] + 1)
            self.flows.append(("funding", -self.held["y"] * y * funding_y))
            self.flows.append(("funding", -self.held["x"] * x * funding_x))
        if can_fill and self.rules.fill_at == "close":
            self.carry_out(time_us, y, x)
        event = self.decide(z, beta) if usable else "none"
        if self.cooling and not self.side:
            self.cooling -= 1
        self.time_us = time_us
        return event

    def decide(self, z: float, beta: float) -> str:
        rules = self.rules
        before = self.waiting[0] if self.waiting else None
        if self.side and before not in (None, "re-hedge"):
            return "none"
        if math.isnan(z):
            if self.side and rules.time_stop_bars and self.bars >= rules.time_stop_bars:
                self.waiting = ("time stop", beta)
                return "time stop"
            return "none"
        wanted = self.wish_held(z, beta) if self.side else self.wish_flat(z, beta)
        self.waiting = (wanted, beta) if wanted else None
        if wanted == before:
            return "none"
        return wanted or "withdrawn"

    def wish_held(self, z: float, beta: float) -> str | None:
        rules, score = self.rules, z * self.side
        if score <= -rules.stop:
            return "stop"
        if score >= -rules.exit:
            return "exit"
        if rules.time_stop_bars and self.bars >= rules.time_stop_bars:
            return "time stop"
        sized, closes = self.hedge
        moved = rules.rehedge_percent and rules.sizing == "hedge"
        moved = moved and abs(beta - sized) > rules.rehedge_percent / 100.0 * abs(sized)
        due = (rules.rehedge_bars and closes >= rules.rehedge_bars) or moved
        return "re-hedge" if due and self.may_size(beta) else None

    def wish_flat(self, z: float, beta: float) -> str | None:
        rules = self.rules
        if self.barred and z * self.barred >= -rules.exit:
            self.barred = 0
        asked = not self.barred and not self.cooling and rules.entry <= abs(z) < rules.stop
        if not asked or not self.may_size(beta):
            return None
        return "enter long" if z < 0 else "enter short"

    def may_size(self, beta: float) -> bool:
        if self.rules.negative_beta == "skip" and not beta > 0.0:
            return False
        return self.rules.sizing != "hedge" or (math.isfinite(beta) and beta != 0.0)

    # Money --------------------------------------------------------------------------------

    @property
    def equity(self) -> float:
        marks = sum(self.held[leg] * self.marks[leg] for leg in "yx") if self.side else 0.0
        return math.fsum(amount for _, amount in self.flows) + marks

    def total(self, what: str) -> float:
        return math.fsum(amount for name, amount in self.flows if name == what)


def follow(bars: BarsIn, rules: Rules, costs: Costs, limits: Limits | None = None):
    """Return the cashbook, and for each bar event, side, both quantities and equity."""
    book = Cashbook(rules, costs, limits or Limits())
    rows = []
    for t in range(len(bars.time_us)):
        funding = (0.0, 0.0) if bars.funding_y is None else (bars.funding_y[t], bars.funding_x[t])
        names = ("time_us", "y", "x", "y_open", "x_open", "z", "beta", "usable")
        event = book.step(*(getattr(bars, name)[t].item() for name in names), *funding)
        rows.append((event, book.side, book.held["y"], book.held["x"], book.equity))
    return book, rows
