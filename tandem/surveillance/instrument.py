"""One instrument, watched trade by trade and bar by bar; state is carried, so batch is one call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.alerts.rules import Reading
from tandem.analytics.trend import SECONDS_PER_YEAR
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.ring import RingBuffer
from tandem.kernels.surveillance import (
    BAR_INPUTS,
    BAR_OUTPUTS,
    BAR_RING,
    BAR_STATE,
    LAST_STATE,
    MOMENTUM_STATE,
    PRICE_OUTPUTS,
    watch_bars,
    watch_columns,
    watch_momentum,
    watch_prices,
)
from tandem.kernels.zscore import Z_COUNTS, Z_SUMS
from tandem.surveillance.isolation_forest import Forest, Reason, train
from tandem.surveillance.settings import WatchSettings

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.void]

TRADE_SCORE = np.dtype(
    [
        ("time_us", np.int64),
        ("price", np.float64),
        ("price_z", np.float64),
        ("price_mean", np.float64),
        ("price_deviation", np.float64),
        ("return_", np.float64),
        ("return_z", np.float64),
        ("return_mean", np.float64),
        ("return_deviation", np.float64),
    ]
)
FEATURES = ("rsi", "volatility", "volume_change", "imbalance", "intensity")
LIQUIDITY = ("amihud", "kyle", "roll", "intensity", "imbalance")
_MEASURED = ("return_", *FEATURES, "amihud", "kyle", "roll", "ewma")
# `spacing_s` is the time between bars, weighted as `ewma` is: where seconds pass without a trade, a
# bar's return is of more than one. `shock` counts the measures of liquidity that are outliers;
# `slope` and `slope_t` are of the longest horizon, which `slope_bars` says; `momentum` is 1 or -1
# where every horizon points that way; `reason` is a place in FEATURES or -1; `model` is the version
# of the model, as ASCII.
BAR_SCORE = np.dtype(
    [
        *TRADE_SCORE.descr,
        ("volume", np.float64),
        ("trades", np.int64),
        *((name, np.float64) for name in _MEASURED[1:]),
        ("spacing_s", np.float64),
        ("volume_z", np.float64),
        ("volume_z_mean", np.float64),
        ("volume_z_deviation", np.float64),
        ("shock", np.int64),
        ("slope_bars", np.int32),
        ("slope", np.float64),
        ("slope_t", np.float64),
        ("momentum", np.int8),
        ("anomaly", np.float64),
        ("anomaly_cut", np.float64),
        ("reason", np.int8),
        ("reason_deviations", np.float64),
        ("model", "S14"),
    ]
)
SHOCK_Z = 3.0
_MOST_BARS = 1_000
# On a random walk the slope's t grows with the root of the window (Durlauf and Phillips, 1988):
# 95 percent of windows stay within this many roots, where |t| > 2 would call 85 to 96 percent.
MOMENTUM_LIMIT = 2.82


class Momentum(NamedTuple):
    """Where the price points over one horizon, at the newest bar.

    Attributes
    ----------
    bars : int
        The horizon.
    slope : float
        Of least squares, in price per bar; NaN until there are `bars` prices.
    statistic : float
        The slope over its standard error; NaN also where the prices lie on one line.
    direction : int
        1 bullish, -1 bearish, 0 where a random walk would do the same: `statistic` within
        ``MOMENTUM_LIMIT * sqrt(bars)``.
    """

    bars: int
    slope: float
    statistic: float
    direction: int


class _Prices:
    """z-scores of prices and of returns, with all they were computed from."""

    def __init__(self, window: int) -> None:
        self._last = np.zeros(LAST_STATE)
        self._last[0] = np.nan
        self._rings, self._sums, self._counts = _z_state(2, window)

    def extend(
        self, time_us: npt.NDArray[np.int64], price: Floats
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return rows of TRADE_SCORE, and which of them come after a gap."""
        out = np.zeros(len(price), TRADE_SCORE)
        # Besides the time all is float64: the kernel fills the rows in place.
        numbers = out.view(np.float64).reshape(len(out), PRICE_OUTPUTS)
        gaps = np.empty(len(price), np.bool_)
        times = np.ascontiguousarray(time_us, np.int64)
        states = (self._last, self._rings, self._sums, self._counts)
        watch_prices(times, price, *states, gaps, numbers)
        out["time_us"] = time_us
        return out, gaps


class _Columns:
    """z-scores of several numbers of each bar."""

    def __init__(self, count: int, window: int) -> None:
        self._rings, self._sums, self._counts = _z_state(count, window)

    def extend(self, columns: Floats) -> Floats:
        """Return z, mean and deviation of arrays of shape (count, n_bars), in that shape each."""
        out = np.empty((3, *columns.shape))
        watch_columns(columns, self._rings, self._sums, self._counts, *out)
        return out


def _z_state(count: int, window: int) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return what `RollingZ` begins with, a row for each of several."""
    return (
        np.zeros((count, window)),
        np.full((count, Z_SUMS), np.nan),
        np.zeros((count, Z_COUNTS), np.int64),
    )


class InstrumentWatch:
    """Everything that is watched of one instrument.

    Trades and bars may come in any pieces: the scores are the same to the last bit. A model scores
    the bars that come after it was given; each score keeps the model's version.

    Attributes
    ----------
    problem : str
        Why there is no model, or an older one; a sentence for the screen.
    """

    def __init__(self, instrument: str, settings: WatchSettings) -> None:
        self.instrument = instrument
        self.settings = settings
        self.forest: Forest | None = None
        self.problem = "The Isolation Forest is waiting for its first bars."
        self._trades = _Prices(settings.trade_window)
        self._bars = _Prices(settings.bar_window)
        self._state = np.zeros(BAR_STATE)
        # The last bar's time, and the weighted sum of the times between bars with its weights.
        self._spacing = (math.nan, 0.0, 0.0)
        self._ring = np.zeros((BAR_RING, settings.window))
        self._slopes = {
            n: (np.zeros(MOMENTUM_STATE), np.zeros(n)) for n in sorted(set(settings.momentum_bars))
        }
        self._momentum = tuple(Momentum(n, np.nan, np.nan, 0) for n in self._slopes)
        # Of the volume's change first, then of each measure of liquidity.
        self._columns = _Columns(1 + len(LIQUIDITY), settings.bar_window)
        # What the screen shows, and, longer, only what a model learns from.
        spare = settings.keep // 4
        self._scores = RingBuffer(BAR_SCORE, settings.keep, spare)
        self._trade_scores = RingBuffer(TRADE_SCORE, settings.keep, spare)
        learned = [("time_us", np.int64), *((name, np.float64) for name in settings.features)]
        self._learned = RingBuffer(learned, settings.train_bars, settings.train_bars // 8)
        self._untrained = 0

    # Trades -----------------------------------------------------------------------------

    def trades(self, time_us: npt.NDArray[np.int64], price: Floats) -> Array:
        """Score trades in the order they arrived; returns rows of dtype TRADE_SCORE."""
        out, _ = self._trades.extend(time_us, np.ascontiguousarray(price, np.float64))
        self._trade_scores.append(out)
        return out

    def flagged(self, scores: Array) -> npt.NDArray[np.bool_]:
        """Tell which rows are beyond the threshold, in price or in return."""
        size = np.fmax(np.abs(scores["price_z"]), np.abs(scores["return_z"]))
        return np.asarray(size > self.settings.anomaly_z)

    # Bars -------------------------------------------------------------------------------

    def bars(self, bars: Array) -> Array:
        """Score closed one-second bars (dtype BAR), ascending; returns rows of dtype BAR_SCORE."""
        # In pieces, so that no other thread waits long for what is computed of a long record.
        starts = range(0, max(len(bars), 1), _MOST_BARS)
        pieces = [self._score(bars[start : start + _MOST_BARS]) for start in starts]
        return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]

    def _score(self, bars: Array) -> Array:
        out = np.zeros(len(bars), BAR_SCORE)
        out["volume"], out["trades"] = bars["volume"], bars["trades"]
        close = np.ascontiguousarray(bars["close"], np.float64)
        prices, gaps = self._bars.extend(bars["time_us"], close)
        for name in prices.dtype.names or ():
            out[name] = prices[name]
        given = np.empty((len(bars), BAR_INPUTS))
        for at, name in enumerate(("close", "volume", "buy_volume", "notional", "trades")):
            given[:, at] = bars[name]
        given[:, -1] = gaps
        measured = np.empty((len(bars), BAR_OUTPUTS))
        windows = (self.settings.rsi_window, self.settings.ewma_decay)
        watch_bars(given, *windows, self._state, self._ring, measured)
        # The return stays the one its z was computed from, to the last digit.
        for at, name in enumerate(_MEASURED[1:], start=1):
            out[name] = measured[:, at]
        out["spacing_s"] = self._space(out["time_us"], gaps)
        self._judge_volume(out)
        self._judge_momentum(out, gaps)
        self._judge_forest(out)
        self._scores.append(out)
        learned = np.empty(len(out), self._learned.view().dtype)
        for name in learned.dtype.names:
            learned[name] = out[name]
        self._learned.append(learned)
        self._untrained += len(out)
        return out

    def _space(self, time_us: npt.NDArray[np.int64], gaps: npt.NDArray[np.bool_]) -> list[float]:
        """Return the time between bars up to each, weighted as the volatility; NaN at the first."""
        decay = self.settings.ewma_decay
        last_s, total, weight = self._spacing
        found = []
        for now_s, is_gap in zip((time_us / SECOND_US).tolist(), gaps.tolist(), strict=True):
            if last_s == last_s and not is_gap:
                total = decay * total + (1.0 - decay) * (now_s - last_s)
                weight = decay * weight + (1.0 - decay)
            last_s = now_s
            found.append(total / weight if weight else math.nan)
        self._spacing = (last_s, total, weight)
        return found

    def _judge_volume(self, out: Array) -> None:
        """Fill the z-score of the volume, and how many measures of liquidity are outliers."""
        columns = np.empty((1 + len(LIQUIDITY), len(out)))
        for at, name in enumerate(("volume_change", *LIQUIDITY)):
            columns[at] = out[name]
            if name in ("amihud", "roll"):
                values = columns[at]
                values[~(values > 0.0)] = np.nan
                np.log(values, out=values)
        z, mean, deviation = self._columns.extend(columns)
        for name, found in (("", z), ("_mean", mean), ("_deviation", deviation)):
            out[f"volume_z{name}"] = found[0]
        sizes = z[1:]
        flow = LIQUIDITY.index("imbalance")
        sizes[flow] = np.abs(sizes[flow])
        # Where a z is NaN nothing is out.
        out["shock"] = np.count_nonzero(sizes > SHOCK_Z, axis=0)

    def _judge_momentum(self, out: Array, gaps: npt.NDArray[np.bool_]) -> None:
        """Fill the slope of the longest horizon, and where all horizons point."""
        if not len(out):
            return
        points, newest = [], []
        price = np.ascontiguousarray(out["price"])
        for bars, (state, ring) in self._slopes.items():
            slope, statistic = np.empty(len(out)), np.empty(len(out))
            watch_momentum(price, gaps, state, ring, slope, statistic)
            limit = MOMENTUM_LIMIT * np.sqrt(bars)
            points.append(
                (statistic > limit).astype(np.int8) - (statistic < -limit).astype(np.int8)
            )
            out["slope_bars"], out["slope"], out["slope_t"] = bars, slope, statistic
            newest.append(
                Momentum(bars, float(slope[-1]), float(statistic[-1]), int(points[-1][-1]))
            )
        low, high = np.min(points, axis=0), np.max(points, axis=0)
        out["momentum"] = np.where(low > 0, 1, np.where(high < 0, -1, 0))
        self._momentum = tuple(newest)

    def momentum(self) -> tuple[Momentum, ...]:
        """Return where the price points at the newest bar, by horizon, the shortest first."""
        return self._momentum

    def _judge_forest(self, out: Array) -> None:
        out["anomaly"] = out["anomaly_cut"] = out["reason_deviations"] = np.nan
        out["reason"] = -1
        forest = self.forest
        if forest is None or not len(out):
            return
        rows = np.stack([out[name] for name in forest.features], axis=1)
        out["anomaly"], out["anomaly_cut"] = forest.score(rows), forest.cut
        out["model"] = forest.version.encode()
        for at in np.flatnonzero(out["anomaly"] > forest.cut):
            reason = forest.explain(rows[at])
            out["reason"][at] = FEATURES.index(reason.feature)
            out["reason_deviations"][at] = reason.deviations

    # The model --------------------------------------------------------------------------

    @property
    def is_training_due(self) -> bool:
        """Whether there are enough new bars for a (new) model."""
        return self._untrained >= self._needed

    @property
    def bars_to_training(self) -> int:
        """Bars until training is due, at least 1."""
        return max(1, self._needed - self._untrained)

    @property
    def _needed(self) -> int:
        return self.settings.retrain_bars if self.forest else self.settings.least_bars

    def train(self) -> Forest | None:
        """Train on the last bars and return the model, without using it yet; None where it fails.

        May run on another thread than the one that hands in bars.
        """
        self._untrained = 0
        learned = self._learned.view()
        try:
            rows = np.stack([learned[name] for name in self.settings.features], axis=1)
            forest = train(
                rows, self.settings.features, learned["time_us"], self.settings.contamination,
                self.settings.trees, self.settings.least_bars,
            )  # fmt: skip
        except DataError as error:
            self.problem = str(error)
            # Bars that are not complete do not count: it is tried again a minute on.
            self._untrained = max(0, self._needed - 60)
            return None
        self.problem = ""
        return forest

    def use(self, forest: Forest | None) -> None:
        """Score with this model from the next bar on; raises DataError if it cannot be."""
        if forest is not None and not set(forest.features) <= set(FEATURES):
            raise DataError("The model uses unknown features; retrain it.")
        self.forest = forest
        self.problem = "" if forest else self.problem

    def reason(self, score: np.void) -> Reason | None:
        """Return why a bar was flagged by its model; None where it was not."""
        if score["reason"] < 0:
            return None
        name = FEATURES[score["reason"]]
        return Reason(name, float(score[name]), float(score["reason_deviations"]))

    @property
    def scores(self) -> Array:
        """The last scored bars, oldest first."""
        return self._scores.view()

    @property
    def trade_scores(self) -> Array:
        """The last scored trades, oldest first."""
        return self._trade_scores.view()


def yearly(score: np.void) -> float:
    """Return a scored bar's weighted volatility in percent per year; NaN where there is none."""
    spacing_s = float(score["spacing_s"])
    if not spacing_s > 0.0:
        return math.nan
    return 100.0 * float(score["ewma"]) * math.sqrt(SECONDS_PER_YEAR / spacing_s)


# Readings -------------------------------------------------------------------------------


def trade_readings(instrument: str, scores: Array) -> list[Reading]:
    """Return the readings of scored trades: z of price and of return, and what they are made of."""
    readings = []
    for time_us, price, *rest in scores.tolist():
        price_z, mean, deviation, moved, return_z, return_mean, return_deviation = rest
        if price_z == price_z:
            numbers = {"price": price, "mean": mean, "deviation": deviation}
            readings.append(Reading("trade_price_z", instrument, time_us, price_z, numbers))
        if return_z == return_z:
            numbers = {
                "price": price,
                "return": moved,
                "mean": return_mean,
                "deviation": return_deviation,
            }
            readings.append(Reading("trade_return_z", instrument, time_us, return_z, numbers))
    return readings


def bar_readings(instrument: str, scores: Sequence[np.void] | Array) -> list[Reading]:
    """Return the readings of scored bars, dated at the bar's close; what is missing is left out."""
    readings = []
    for row in scores:
        time_us = int(row["time_us"]) + SECOND_US
        price = {"price": float(row["price"])}
        for name in ("price", "return"):
            numbers = price | {
                "mean": float(row[f"{name}_mean"]),
                "deviation": float(row[f"{name}_deviation"]),
            }
            if name == "return":
                numbers["return"] = float(row["return_"])
            readings.append(
                Reading(f"bar_{name}_z", instrument, time_us, float(row[f"{name}_z"]), numbers)
            )
        numbers = price | {
            "volume": float(row["volume"]),
            "volume_change": float(row["volume_change"]),
            "mean": float(row["volume_z_mean"]),
            "deviation": float(row["volume_z_deviation"]),
        }
        readings.append(
            Reading("bar_volume_z", instrument, time_us, float(row["volume_z"]), numbers)
        )
        if row["anomaly"] == row["anomaly"]:
            numbers = price | {name: float(row[name]) for name in FEATURES}
            numbers |= {"score": float(row["anomaly"]), "cut": float(row["anomaly_cut"])}
            ratio = float(row["anomaly"] / row["anomaly_cut"])
            readings.append(Reading("anomaly", instrument, time_us, ratio, numbers))
        numbers = price | {name: float(row[name]) for name in LIQUIDITY}
        readings.append(
            Reading("liquidity_shock", instrument, time_us, float(row["shock"]), numbers)
        )
        numbers = price | {
            "horizon_s": float(row["slope_bars"]),
            "slope": float(row["slope"]),
            "direction": float(row["momentum"]),
        }
        readings.append(Reading("momentum_t", instrument, time_us, float(row["slope_t"]), numbers))
        numbers = price | {"deviation": float(row["ewma"]), "spacing_s": float(row["spacing_s"])}
        readings.append(Reading("volatility", instrument, time_us, yearly(row), numbers))
    return [one for one in readings if one.value == one.value]
