"""Anomalies of known time and size put into calm bars, and what each detector makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.alerts.evaluator import Evaluator
from tandem.alerts.rules import Reading, Rule
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.surveillance.divergence import Divergence
from tandem.surveillance.instrument import MOMENTUM_LIMIT, InstrumentWatch, bar_readings
from tandem.surveillance.settings import WatchSettings

Array = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]

KINDS = ("price jump", "volume burst", "one-leg crash", "dead feed", "slow drift")
# Seconds in which an anomaly must be told to count as found.
WINDOWS = {
    "price jump": 5,
    "volume burst": 5,
    "one-leg crash": 15,
    "dead feed": 60,
    "slow drift": 90,
}
DRIFT_S = 60
CRASH_S = 5
SILENCE_S = 10


@dataclass(frozen=True, slots=True)
class Planted:
    """Bars of two legs, the first with anomalies, and when they begin."""

    kind: str
    size: float
    bars: Array
    other: Array
    starts_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector made of planted anomalies.

    Attributes
    ----------
    recall : float
        Share of the anomalies that were told in time.
    precision : float
        Share of the alerts that were about one; NaN without an alert.
    alerts : int
    """

    recall: float
    precision: float
    alerts: int


def plant(
    kind: str, size: float, bars: Array, other: Array, first_s: int, every_s: int, seed: int = 0
) -> Planted:
    """Put anomalies of `size` deviations into bars.

    The deviation is that of what is disturbed, in the 300 bars before: of one-second returns for a
    jump and (times the root of 60 s) a drift; of the legs' difference in a minute's move for a
    crash of one leg; of the log of the volume against its mean of 20 bars for a burst. A dead feed
    is silent for 10 s per deviation.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    bars, other : ndarray of dtype BAR
        One-second bars of both legs, without holes.
    first_s, every_s : int
        Number of the bar of the first anomaly, and bars between two; moved by chance by up to a
        quarter of that.
    """
    if kind not in KINDS:
        raise DataError(f"{kind!r:.40} is no kind of anomaly; there is {', '.join(KINDS)}.")
    random = np.random.default_rng(seed)
    planted = bars.copy()
    returns = np.diff(np.log(bars["close"]), prepend=np.nan)
    kept = np.ones(len(bars), np.bool_)
    starts = []
    for at in range(first_s, len(bars) - every_s, every_s):
        begin = at + int(random.integers(0, every_s // 4))
        sign = float(random.choice((-1.0, 1.0)))
        sigma = float(np.std(returns[begin - 300 : begin]))
        starts.append(int(bars["time_us"][begin]))
        if kind == "price jump":
            _move(planted, np.where(np.arange(len(bars)) >= begin, sign * size * sigma, 0.0))
        elif kind == "one-leg crash":
            _move(planted, -size * _apart(bars, other, begin) * _ramp(len(bars), begin, CRASH_S))
        elif kind == "slow drift":
            total = sign * size * sigma * np.sqrt(DRIFT_S)
            _move(planted, total * _ramp(len(bars), begin, DRIFT_S))
        elif kind == "volume burst":
            volume = bars["volume"]
            before = np.convolve(volume, np.ones(20) / 20.0)[: len(volume)]
            change = np.log(volume[1:] / before[:-1])[begin - 300 : begin]
            factor = np.exp(size * np.std(change))
            for name in ("volume", "buy_volume", "notional"):
                planted[name][begin] *= factor
        else:
            kept[begin : begin + int(size * SILENCE_S)] = False
    return Planted(kind, size, planted[kept], other, tuple(starts))


def _ramp(count: int, begin: int, seconds: int) -> Floats:
    return np.clip((np.arange(count) - begin + 1.0) / seconds, 0.0, 1.0)


def _apart(bars: Array, other: Array, begin: int) -> float:
    """Return the deviation of the legs' difference in a minute's log move, before a bar."""
    part = slice(begin - 360, begin)
    ratio = np.log(bars["close"][part] / other["close"][part])
    return float(np.std(ratio[60:] - ratio[:-60]))


def _move(bars: Array, log_move: Floats) -> None:
    factor = np.exp(log_move)
    for name in ("open", "high", "low", "close", "notional"):
        bars[name] *= factor


def detectors(settings: WatchSettings) -> dict[str, tuple[Rule, ...]]:
    """Return what is compared: the plain z-score, the forest, and what was made for the kind."""
    momentum = MOMENTUM_LIMIT * np.sqrt(max(settings.momentum_bars))
    own = (
        Rule("divergence", "divergence", "beyond", settings.divergence_percent, cooldown_s=60.0),
        Rule("silent", "trade_age", "above", 15.0, 5.0, cooldown_s=60.0),
        Rule("trend", "momentum_t", "beyond", float(momentum), cooldown_s=60.0),
        Rule("shock", "liquidity_shock", "above", 1.5, 0.5, cooldown_s=60.0),
    )
    z = Rule(
        "z", "bar_return_z", "beyond", settings.anomaly_z, 0.7 * settings.anomaly_z, cooldown_s=10.0
    )
    far = Rule("far z", "bar_return_z", "beyond", 6.0, 3.0, cooldown_s=10.0)
    volume = Rule("volume z", "bar_volume_z", "above", 5.0, 2.5, cooldown_s=10.0)
    forest = Rule("forest", "anomaly", "above", 1.0, 0.95, cooldown_s=10.0)
    return {
        "plain z": (z,),
        "z beyond 6": (far,),
        "volume z beyond 5": (volume,),
        "forest": (forest,),
        "divergence": own[:1],
        "silence": own[1:2],
        "momentum": own[2:3],
        "liquidity shock": own[3:],
        "all but plain z": (far, volume, forest, *own),
    }


def readings_of(
    bars: Array, other: Array, settings: WatchSettings, train_bars: int
) -> list[Reading]:
    """Return every reading of a leg watched second by second.

    Its model is trained after `train_bars`, and again on schedule.
    """
    watch = InstrumentWatch("planted", settings)
    readings = bar_readings("planted", watch.bars(bars[:train_bars]))
    for start in range(train_bars, len(bars), settings.retrain_bars):
        watch.use(watch.train())
        readings += bar_readings("planted", watch.bars(bars[start : start + settings.retrain_bars]))
    pair = Divergence("planted", "other", settings.divergence_s)
    end = int(max(bars["time_us"][-1], other["time_us"][-1])) + SECOND_US
    pair.add("other", other, end)
    readings += pair.readings(pair.add("planted", bars, end))
    times = bars["time_us"]
    grid = np.arange(times[0] + SECOND_US, end, SECOND_US)
    last = np.searchsorted(times + SECOND_US, grid, "right") - 1
    ages = (grid - times[last] - SECOND_US) / SECOND_US
    readings += [
        Reading("trade_age", "planted", int(now), float(age), {"age_s": float(age)})
        for now, age in zip(grid, ages, strict=True)
    ]
    return sorted(readings, key=lambda one: one.time_us)


def judge(readings: Iterable[Reading], rules: Sequence[Rule], from_us: int) -> list[int]:
    """Return the times of the alerts these rules raise, from a moment on."""
    alerts = Evaluator(rules).observe(readings, 0)
    return [alert.time_us for alert in alerts if alert.time_us >= from_us]


def weigh(planted: Planted, alerts_us: Sequence[int]) -> Found:
    """Return recall and precision of alerts against what was planted."""
    window_us = WINDOWS[planted.kind] * SECOND_US
    alerts = np.asarray(sorted(alerts_us), np.int64)
    starts = np.asarray(planted.starts_us, np.int64)
    first = np.searchsorted(alerts, starts, "right")
    found = [
        at < len(alerts) and alerts[at] <= begin + window_us
        for at, begin in zip(first, starts, strict=True)
    ]
    at = np.searchsorted(starts, alerts, "left") - 1
    true = (at >= 0) & (alerts <= starts[np.maximum(at, 0)] + window_us)
    precision = float(np.mean(true)) if len(alerts) else float("nan")
    return Found(float(np.mean(found)), precision, len(alerts))


def filled(bars: Array) -> Array:
    """Return bars with one for every second: where nothing traded, the last close and no volume."""
    first, last = int(bars["time_us"][0]), int(bars["time_us"][-1])
    grid = np.arange(first, last + SECOND_US, SECOND_US)
    at = np.searchsorted(bars["time_us"], grid, "right") - 1
    out = np.zeros(len(grid), BAR)
    out[:] = bars[at]
    empty = bars["time_us"][at] != grid
    out["time_us"] = grid
    # A little volume, so that what compares volumes has something to compare.
    smallest = float(bars["volume"][bars["volume"] > 0].min())
    for name in ("open", "high", "low"):
        out[name][empty] = out["close"][empty]
    out["volume"][empty], out["trades"][empty] = smallest, 1
    out["buy_volume"][empty] = smallest / 2.0
    out["notional"][empty] = smallest * out["close"][empty]
    return out
