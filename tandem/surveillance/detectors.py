"""Many instruments and pairs: trades and closed bars in, readings out, rows for the screen."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.alerts.rules import Reading
from tandem.core.bars import Trades, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR, Trade
from tandem.core.instruments import is_simulated
from tandem.surveillance.divergence import Apart, Divergence
from tandem.surveillance.instrument import (
    InstrumentWatch,
    Momentum,
    bar_readings,
    trade_readings,
    yearly,
)
from tandem.surveillance.isolation_forest import Forest, Reason
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import Forecast, garch_forecast

log = logging.getLogger("tandem.surveillance")

Array = npt.NDArray[np.void]

SPARK_POINTS = 60
# How old something may be and still be told of.
FRESH_S = 30.0
# Far beyond what feeds let through: products of such numbers are still numbers.
_LEAST, _MOST = 1e-50, 1e50
_LATEST_US = 2**53
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class WallRow:
    """One instrument of the wall, at one moment; NaN where a number is not known yet.

    Attributes
    ----------
    move_percent : float
        Against the price 60 s before.
    z : float
        Of the newest trade's price; `bar_z` of the newest bar's return.
    anomaly, anomaly_cut : float
        Score of the newest bar, and the score from which a bar is flagged.
    reason : Reason or None
        Why the newest bar was flagged.
    momentum : int
        1 bullish, -1 bearish, 0 neither.
    volatility : float
        Exponentially weighted, in percent per year.
    age_s : float
        Of the last trade, by the time given to `wall`.
    spark : ndarray
        The last closes.
    text : str
        What keeps a model away, as a sentence; empty where nothing does.
    """

    instrument: str
    price: float
    move_percent: float
    z: float
    bar_z: float
    anomaly: float
    anomaly_cut: float
    reason: Reason | None
    momentum: int
    volatility: float
    shock: int
    age_s: float
    is_simulated: bool
    spark: npt.NDArray[np.float64]
    text: str


class Closed(NamedTuple):
    """An instrument's one-second bars since the last ones, and the end of the last second."""

    bars: Array
    until_us: int


@dataclass
class _Watched:
    """One instrument: its watch, its last closed second, and the model on its way."""

    watch: InstrumentWatch
    until_us: int = 0
    last_us: int = 0
    price: float = math.nan
    z: float = math.nan
    training: Future[Forest | None] | None = None


class Detectors:
    """Start empty, `add` instruments and pairs, then hand in trades and closed bars.

    One thread calls `observe` and `take`; any may read. Without an executor models are trained
    where they are due, which makes a run over recorded trades come out the same every time; with
    one they take effect when they are done, and each score says which model it is of.

    Parameters
    ----------
    clock_us : callable
        Gives an instrument's exchange's time at a time of this machine.
    executor : Executor, optional
        Trains models.
    trained : callable, optional
        Told of each new model, to be kept.
    """

    def __init__(
        self,
        settings: WatchSettings,
        clock_us: Callable[[str, int], int],
        executor: Executor | None = None,
        trained: Callable[[str, Forest], None] = lambda instrument, forest: None,
    ) -> None:
        self.settings = settings
        self._clock_us = clock_us
        self._executor = executor
        self._trained = trained
        self._watched: dict[str, _Watched] = {}
        self._pairs: dict[str, Divergence] = {}
        self._lock = threading.RLock()

    # What is watched ---------------------------------------------------------------------

    def add(self, instrument: str) -> InstrumentWatch:
        """Watch an instrument; one that is watched already goes on.

        Raises
        ------
        DataError
            The name is none.
        """
        if not (0 < len(instrument) <= _LONGEST_NAME and instrument.isprintable()):
            raise DataError(
                f"{instrument!r:.60} is not an instrument name; use 1 to {_LONGEST_NAME} "
                "printable characters."
            )
        with self._lock:
            if instrument not in self._watched:
                self._watched[instrument] = _Watched(InstrumentWatch(instrument, self.settings))
            return self._watched[instrument].watch

    def add_pair(self, y: str, x: str) -> None:
        """Watch a pair for legs that move apart, and both of its legs."""
        pair = Divergence(y, x, self.settings.divergence_s)
        with self._lock:
            self.add(y)
            self.add(x)
            if pair.scope not in self._pairs:
                self._pairs[pair.scope] = pair
                for leg in (y, x):
                    self._look_back(pair, leg)

    def _look_back(self, pair: Divergence, leg: str) -> None:
        """Hand a new pair the bars of a leg that moves are measured against."""
        scores = self._watched[leg].watch.scores[-2 * self.settings.divergence_s :]
        if len(scores):
            past = np.zeros(len(scores), BAR)
            past["time_us"], past["close"] = scores["time_us"], scores["price"]
            pair.add(leg, past, int(scores["time_us"][-1]) + SECOND_US)

    def remove(self, instrument: str) -> None:
        """Forget an instrument and its pairs."""
        with self._lock:
            self._watched.pop(instrument, None)
            self._pairs = {
                scope: pair
                for scope, pair in self._pairs.items()
                if instrument not in (pair.y, pair.x)
            }

    def keep_pairs(self, scopes: Iterable[str]) -> None:
        """Forget all pairs but these (as ``Y~X``); their legs are watched on."""
        kept = set(scopes)
        with self._lock:
            self._pairs = {scope: pair for scope, pair in self._pairs.items() if scope in kept}

    def instruments(self) -> tuple[str, ...]:
        """Return what is watched."""
        with self._lock:
            return tuple(self._watched)

    def scopes(self) -> tuple[str, ...]:
        """Return everything readings are about: instruments and pairs."""
        with self._lock:
            return (*self._watched, *self._pairs)

    def warm(self, instrument: str, bars: Array) -> Array:
        """Take an instrument's recorded one-second bars before its first trade; returns scores.

        Its windows are then full when the first trade comes, and its model trained, or with an
        executor on its way. No readings: nobody is told of the past.
        """
        with self._lock:
            watched = self._watched[instrument]
            scores = watched.watch.bars(bars)
            if self._executor is not None:
                self._train_aside(instrument, watched)
            elif watched.watch.is_training_due:
                self._adopt(instrument, watched, watched.watch.train())
            return scores

    # The stream --------------------------------------------------------------------------

    def observe(
        self, trades: Sequence[Trade], now: Callable[[str], int] | None = None
    ) -> list[Reading]:
        """Take trades in the order they arrived; returns readings of each, by instrument.

        Trades of instruments that are not watched are passed over, and so are those whose price or
        time is none; a quantity that is none counts as not known. Where the time is given there
        are no readings of trades that are older than `FRESH_S` by their exchange's clock: nobody
        is to be told of a past that was just filled in, which may be long.
        """
        return self._observe(sound(trades), now)

    def observe_rows(
        self, instrument: str, trades: Trades, now: Callable[[str], int] | None = None
    ) -> list[Reading]:
        """Take one instrument's trades as `observe` does, given as an array of dtype TRADE."""
        return self._observe({instrument: _sound_rows(trades)}, now)

    def _observe(
        self, groups: Mapping[str, Trades], now: Callable[[str], int] | None
    ) -> list[Reading]:
        readings: list[Reading] = []
        with self._lock:
            for name, group in groups.items():
                watched = self._watched.get(name)
                if watched is None or not len(group):
                    continue
                times, prices = group["time_us"].copy(), group["price"].copy()
                scores = watched.watch.trades(times, prices)
                watched.last_us = max(watched.last_us, int(times.max()))
                watched.price = float(prices[-1])
                watched.z = float(scores["price_z"][-1])
                since_us = self._since(name, now(name)) if now else 0
                readings += trade_readings(name, scores[scores["time_us"] >= since_us])
        return readings

    def take(
        self,
        closed: Mapping[str, Closed],
        now: int | Callable[[str], int],
        only_fresh: bool = False,
    ) -> list[Reading]:
        """Score closed bars, train what is due; returns readings.

        Parameters
        ----------
        closed : mapping
            What has closed of every instrument that is watched; their trades were observed before.
        now : int or callable
            The time, or what gives it for an instrument where venues differ (a replay).
        only_fresh : bool
            No readings of what is older than `FRESH_S`, as in `observe`.
        """
        readings: list[Reading] = []
        with self._lock:
            for name, watched in self._watched.items():
                bars, until_us = closed[name]
                now_us = now(name) if callable(now) else now
                since_us = self._since(name, now_us) if only_fresh else 0
                if len(bars):
                    scores = self._score(name, watched, bars)
                    scores = scores[scores["time_us"] >= since_us - SECOND_US]
                    readings += bar_readings(name, scores)
                elif watched.training is not None:
                    self._train_aside(name, watched)
                # Once a second is often enough for all that follows.
                if until_us == watched.until_us:
                    continue
                watched.until_us = until_us
                if watched.last_us:
                    clock_us = self._clock_us(name, now_us)
                    age_s = max(0.0, (clock_us - watched.last_us) / SECOND_US)
                    numbers = {"age_s": age_s, "price": watched.price}
                    readings.append(Reading("trade_age", name, clock_us, age_s, numbers))
                for pair in self._pairs.values():
                    if name in (pair.y, pair.x):
                        found = pair.add(name, bars, until_us)
                        readings += pair.readings([one for one in found if one.time_us >= since_us])
        return readings

    def _since(self, instrument: str, now_us: int) -> int:
        """Return the exchange's time from which on something is about now."""
        return self._clock_us(instrument, now_us) - int(FRESH_S * SECOND_US)

    def _score(self, name: str, watched: _Watched, bars: Array) -> Array:
        """Score closed bars; a model that is due takes effect at the same bar however cut."""
        if self._executor is not None:
            scores = watched.watch.bars(bars)
            self._train_aside(name, watched)
            return scores
        pieces, at = [], 0
        while at < len(bars):
            stop = at + watched.watch.bars_to_training
            pieces.append(watched.watch.bars(bars[at:stop]))
            at = stop
            if watched.watch.is_training_due:
                self._adopt(name, watched, watched.watch.train())
        return np.concatenate(pieces) if pieces else watched.watch.bars(bars)

    def _train_aside(self, name: str, watched: _Watched) -> None:
        assert self._executor is not None
        if watched.training is None:
            if watched.watch.is_training_due:
                watched.training = self._executor.submit(watched.watch.train)
        elif watched.training.done():
            training, watched.training = watched.training, None
            self._adopt(name, watched, training.result())

    def _adopt(self, name: str, watched: _Watched, forest: Forest | None) -> None:
        if forest is None:
            log.info("%s: %s", name, watched.watch.problem)
            return
        watched.watch.use(forest)
        self._trained(name, forest)

    # What the screen shows ---------------------------------------------------------------

    def wall(self, now: int | Callable[[str], int]) -> list[WallRow]:
        """Return a row per instrument, in the order they were added; `now` as in `take`."""
        with self._lock:
            return [
                self._row(name, one, now(name) if callable(now) else now)
                for name, one in self._watched.items()
            ]

    def scores(self, instrument: str) -> Array:
        """Return the last scored bars, rows of `surveillance.BAR_SCORE`; raises DataError."""
        return self._found(instrument).watch.scores

    def trade_scores(self, instrument: str) -> Array:
        """Return the last scored trades, rows of `surveillance.TRADE_SCORE`; raises DataError."""
        return self._found(instrument).watch.trade_scores

    def momentum(self, instrument: str) -> tuple[Momentum, ...]:
        """Return where the price points by horizon, the shortest first; raises DataError."""
        return self._found(instrument).watch.momentum()

    def model(self, instrument: str) -> Forest | None:
        """Return the model in force; raises DataError."""
        return self._found(instrument).watch.forest

    def use_model(self, instrument: str, forest: Forest) -> None:
        """Score with a kept model until the next is trained; raises DataError."""
        with self._lock:
            self._found(instrument).watch.use(forest)

    def divergences(self) -> dict[str, Apart | None]:
        """Return each pair's legs at their last common second."""
        with self._lock:
            return {scope: pair.last for scope, pair in self._pairs.items()}

    def forecast(self, instrument: str, horizon: int = 300) -> tuple[Forecast, Reading]:
        """Return the GARCH forecast of an instrument's bars, and its reading; takes up to a second.

        Raises
        ------
        DataError
            Too few bars, a price that does not move, or a fit that fails.
        """
        scores = self.scores(instrument)
        found = garch_forecast(scores["return_"], horizon)
        elapsed_s = float(scores["time_us"][-1] - scores["time_us"][0]) / SECOND_US
        spacing_s = elapsed_s / (len(scores) - 1)
        value = found.percent_per_year(spacing_s)
        numbers = {
            "omega": found.omega,
            "alpha": found.alpha,
            "beta": found.beta,
            "bars": horizon,
            "spacing_s": spacing_s,
        }
        time_us = int(scores["time_us"][-1]) + SECOND_US
        return found, Reading("volatility_forecast", instrument, time_us, value, numbers)

    def _found(self, instrument: str) -> _Watched:
        with self._lock:
            watched = self._watched.get(instrument)
        if watched is None:
            raise DataError(f"{instrument!r:.60} is not monitored; add it first.")
        return watched

    def _row(self, name: str, watched: _Watched, now_us: int) -> WallRow:
        watch, scores = watched.watch, watched.watch.scores
        last = scores[-1] if len(scores) else None
        closes = scores["price"][-SPARK_POINTS:]
        move = math.nan
        if len(scores):
            before = np.searchsorted(
                scores["time_us"], scores["time_us"][-1] - 60 * SECOND_US, "right"
            )
            base = float(scores["price"][max(int(before) - 1, 0)])
            price = watched.price if watched.price > 0.0 else float(closes[-1])
            move = 100.0 * (price / base - 1.0) if base > 0.0 else math.nan

        def number(field: str) -> float:
            return math.nan if last is None else float(last[field])

        age_s = (self._clock_us(name, now_us) - watched.last_us) / SECOND_US
        return WallRow(
            instrument=name,
            price=watched.price,
            move_percent=move,
            z=watched.z,
            bar_z=number("return_z"),
            anomaly=number("anomaly"),
            anomaly_cut=number("anomaly_cut"),
            reason=None if last is None else watch.reason(last),
            momentum=0 if last is None else int(last["momentum"]),
            volatility=math.nan if last is None else yearly(last),
            shock=0 if last is None else int(last["shock"]),
            age_s=max(0.0, age_s) if watched.last_us else math.nan,
            is_simulated=is_simulated(name),
            spark=closes,
            text=watch.problem,
        )


def sound(trades: Iterable[Trade]) -> dict[str, Trades]:
    """Return by instrument the trades that can be computed with: those with a price and a time."""
    groups: dict[str, list[Trade]] = {}
    for trade in trades:
        # What is dated otherwise may fit into no array.
        if _is_dated(trade.time_us, trade.received_us):
            groups.setdefault(trade.instrument, []).append(trade)
    found = {name: _sound_rows(trade_array(group)) for name, group in groups.items()}
    return {name: rows for name, rows in found.items() if len(rows)}


def _sound_rows(trades: Trades) -> Trades:
    price = trades["price"]
    is_dated = _is_dated(trades["time_us"], trades["received_us"])
    kept = is_dated & (price > _LEAST) & (price < _MOST)
    found = trades if kept.all() else trades[kept]
    unknown = ~((found["quantity"] >= 0.0) & (found["quantity"] < _MOST))
    if unknown.any():
        found = found.copy()
        found["quantity"][unknown] = np.nan
    return found


def _is_dated(times: Any, received: Any) -> Any:
    """Tell whether times can be computed with: of one trade, or of each in two columns."""
    return (times >= 0) & (times < _LATEST_US) & (received >= 0) & (received < _LATEST_US)


def fresh(readings: Iterable[Reading], now_us: int, within_s: float = FRESH_S) -> list[Reading]:
    """Return the readings that are about now: nobody is told of a past that was just filled in."""
    oldest_us = now_us - int(within_s * SECOND_US)
    return [reading for reading in readings if reading.time_us >= oldest_us]
