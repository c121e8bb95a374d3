"""One pair, followed bar by bar: hedge, spread, z-score, signal and paper position.

`PairStream` takes aligned bars as they close and carries every model's state forward, so that
feeding a day in one call, bar by bar, or half before and half after a restart gives the same
numbers. The live page, the watchlist and uploaded files all go through it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.analytics.hedges import Hedge
from tandem.analytics.kalman_filter import KalmanHedge
from tandem.analytics.zscores import ZScore
from tandem.core.bars import AlignedBars
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.ring import RingBuffer
from tandem.strategy.pair_model import MODELS, PairModel
from tandem.strategy.rules import DEFAULT_COSTS, Costs
from tandem.strategy.signals import (
    Hedging,
    hedging,
    innovation_score,
    known_before,
    legs_of,
    levels,
    zscoring,
)
from tandem.strategy.trader import BarsIn, Trader

Floats = npt.NDArray[np.float64]

# Raised whenever the numbers kept in a saved state change their meaning.
STATE_VERSION = 4

# Kept for every bar. The second group is what the models said, the third what was done about it.
COLUMNS: dict[str, type] = {
    "time_us": np.int64,
    "y": np.float64,
    "x": np.float64,
    "y_open": np.float64,
    "x_open": np.float64,
    "y_age_us": np.int64,
    "x_age_us": np.int64,
    "usable": np.bool_,
    "candles": np.bool_,
    "alpha": np.float64,
    "beta": np.float64,
    "beta_ols": np.float64,
    "beta_kalman": np.float64,
    "beta_huber": np.float64,
    "hedged": np.float64,
    "spread": np.float64,
    "mean": np.float64,
    "deviation": np.float64,
    "z": np.float64,
    "signal": np.int8,
    "position": np.int8,
    "event": np.int8,
    "equity": np.float64,
}


@dataclass(frozen=True)
class Legs:
    """What a pair is made of.

    Attributes
    ----------
    y, x : str
        Instruments: the dependent leg and the hedge leg.
    bar_us : int
        Bar interval in microseconds.
    """

    y: str
    x: str
    bar_us: int = 5 * SECOND_US


@dataclass(frozen=True)
class PairSettings(PairModel, Legs):
    """What is computed for a pair: its legs and its model.

    Two sessions with equal settings share one stream.
    """

    costs: Costs = DEFAULT_COSTS

    def __post_init__(self) -> None:
        """Refuse settings that cannot give an answer."""
        PairModel.__post_init__(self)
        if self.y == self.x:
            raise DataError(f"Both legs are {self.y}; choose two different instruments.")
        if self.bar_us < SECOND_US or self.bar_us % SECOND_US:
            raise DataError(f"The bar is {self.bar_us} us; choose whole seconds.")

    @property
    def key(self) -> str:
        """A short name that is the same for equal settings, after a restart too."""
        text = json.dumps([STATE_VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


class Provisional(NamedTuple):
    """What the running bar says before it closes; no signal is raised on it."""

    spread: float
    z: float


class Progress(NamedTuple):
    """How many usable bars the model has seen, and how many it needs before it speaks."""

    seen: int
    needed: int


class PairStream:
    """The state of one pair: extend it with closed bars, read it at any time.

    Parameters
    ----------
    keep : int
        Bars kept for charts and tests of the relation; models need none of them.
    """

    def __init__(self, settings: PairSettings, keep: int = 5_000) -> None:
        self.settings = settings
        self._columns = {name: RingBuffer(kind, keep) for name, kind in COLUMNS.items()}
        self.bars = 0
        self.first_us = 0
        self._hedges = {model: hedging(model, settings.lookback) for model in MODELS}
        self._zscore = zscoring(settings.z_kind, settings.z_window)
        self.trader = Trader(settings.rules, settings.costs)

    @property
    def hedge(self) -> Hedging:
        """The hedge in use."""
        return self._hedges[self.settings.model]

    @property
    def progress(self) -> Progress:
        """How far the model and its z-score are from their first value."""
        hedge = self.hedge
        # The bar after the hedge is known has the first spread; z judges it by those before it.
        needed = hedge.bars_needed + 1
        if not self.settings.uses_innovation:
            needed += self._zscore.bars_needed
        return Progress(min(hedge.bars_seen, needed), needed)

    def extend(self, bars: AlignedBars, funding: tuple[Floats, Floats] | None = None) -> None:
        """Follow the pair over newly closed bars, in time order.

        Parameters
        ----------
        funding : (y, x), ndarrays of shape (n_bars,), optional
            Fraction of each leg's notional a long position pays at the bar; zero where none is due.
        """
        if not len(bars.time_us):
            return
        self.first_us = self.first_us or int(bars.time_us[0])
        y, x = legs_of(bars, self.settings.log_prices)
        before = self.hedge.last_alpha, self.hedge.last_beta
        hedges = {name: hedge.extend(y, x) for name, hedge in self._hedges.items()}
        used = hedges[self.settings.model]
        alpha = known_before(used.alpha, before[0])
        beta = known_before(used.beta, before[1])
        spread = y - (alpha + beta * x)
        score = self._score(used, spread)
        done = self.trader.extend(self._trader_input(bars, score.z, alpha, beta, funding))
        self._append(
            {
                "time_us": bars.time_us,
                "y": bars.y,
                "x": bars.x,
                "y_open": bars.y_open,
                "x_open": bars.x_open,
                "y_age_us": bars.y_age_us,
                "x_age_us": bars.x_age_us,
                "usable": bars.usable,
                "candles": bars.candles,
                "alpha": used.alpha,
                "beta": used.beta,
                **{f"beta_{name}": hedge.beta for name, hedge in hedges.items()},
                "hedged": self._unscale(alpha + beta * x),
                "spread": spread,
                "mean": score.mean,
                "deviation": score.deviation,
                "z": score.z,
                "signal": done.signal,
                "position": done.position,
                "event": done.event,
                "equity": done.equity,
            }
        )
        self.bars += len(bars.time_us)

    def view(self) -> dict[str, npt.NDArray[Any]]:
        """Return the kept bars by column (see `COLUMNS`), oldest first, read-only."""
        return {name: rows.view() for name, rows in self._columns.items()}

    def _append(self, columns: dict[str, npt.NDArray[Any]]) -> None:
        for name, rows in self._columns.items():
            rows.append(columns[name])

    def provisional(self, y_price: float, x_price: float) -> Provisional:
        """Return the spread and z that these prices would give if the bar closed now."""
        hedge = self.hedge
        y, x = levels(np.array([y_price, x_price]), self.settings.log_prices).tolist()
        spread = y - (hedge.last_alpha + hedge.last_beta * x)
        if isinstance(hedge, KalmanHedge) and self.settings.uses_innovation:
            return Provisional(spread, _ratio(spread, float(np.sqrt(hedge.next_innovation_var(x)))))
        return Provisional(
            spread, _ratio(spread - self._zscore.next_mean, self._zscore.next_deviation)
        )

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything `restore` needs, as plain arrays."""
        parts = {
            f"{name}.{key}": value
            for name, hedge in self._hedges.items()
            for key, value in hedge.state().items()
        }
        parts |= {f"zscore.{key}": value for key, value in self._zscore.state().items()}
        parts |= {f"trader.{key}": value for key, value in self.trader.state().items()}
        parts |= {f"history.{name}": column for name, column in self.view().items()}
        parts["bars"] = np.array([self.bars, self.first_us])
        return parts

    def restore(self, parts: dict[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken."""
        for name, hedge in self._hedges.items():
            hedge.restore(_part(parts, name))
        self._zscore.restore(_part(parts, "zscore"))
        self.trader.restore(_part(parts, "trader"))
        self._append(_part(parts, "history"))
        self.bars, self.first_us = (int(value) for value in parts["bars"])

    def _unscale(self, values: Floats) -> Floats:
        if not self.settings.log_prices:
            return values
        # Beyond this no double is left to hold the price.
        return np.exp(values, where=values < 700.0, out=np.full(len(values), np.nan))

    def _score(self, hedge: Hedge, spread: Floats) -> ZScore:
        if self.settings.uses_innovation:
            return innovation_score(spread, np.sqrt(hedge.innovation_var))
        return self._zscore.extend(spread)

    def _trader_input(
        self,
        bars: AlignedBars,
        z: Floats,
        alpha: Floats,
        beta: Floats,
        funding: tuple[Floats, Floats] | None,
    ) -> BarsIn:
        return BarsIn(
            time_us=bars.time_us,
            y=bars.y,
            x=bars.x,
            y_open=bars.y_open,
            x_open=bars.x_open,
            z=z,
            beta=beta,
            usable=bars.usable,
            funding_y=funding[0] if funding else None,
            funding_x=funding[1] if funding else None,
            alpha=alpha,
        )


def _ratio(surprise: float, deviation: float) -> float:
    """Divide, or return NaN where nothing moved and there is no scale to divide by."""
    return surprise / deviation if deviation > 0.0 else float("nan")


def _part(parts: dict[str, npt.NDArray[Any]], name: str) -> dict[str, npt.NDArray[Any]]:
    prefix = name + "."
    return {key[len(prefix) :]: value for key, value in parts.items() if key.startswith(prefix)}
