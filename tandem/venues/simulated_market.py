"""The simulated market itself: prices, trades and quotes as a function of seed and time.

The market is a pure function of the seed and the time: the same second holds the same trades
whoever asks, in whatever pieces, after any restart. Nothing is remembered between calls.

How prices are made, in logs, at every second ``t``::

    log mid[i](t) = base[i] + loading[i] * F(t) + drift[i](t) + own[i](t) + break[i](t)

* ``F`` is the market factor: a Brownian motion whose speed follows a clustered volatility. It is
  laid between anchors 4,096 s apart which mean-revert over some days, so prices stay
  believable for ever; between two anchors it is the exact bridge, so no seam can be seen.
* ``own`` is a stationary Ornstein-Uhlenbeck process: what makes the pairs cointegrated. Its
  half-life and deviation are in `ASSETS`.
* ``drift`` makes the response to the factor's moves wander by 15 percent over hours: the hidden
  hedge ratio a model has to follow.
* ``break`` is zero while the relation is sound. The schedule (`SimulatedMarket.breaks`): each
  UTC day has three slots of eight hours; in one slot out of four, drawn per asset, the relation
  breaks 1 to 4 hours into the slot and runs away for 45 to 110 minutes, by 1 to 2.5 percent,
  then heals towards the end of the slot. BTC and DOGE never break.
* DOGE has no loading: its own random walk, related to nothing.

Trades come in clustered numbers, at the bid or the ask of a spread that widens with volatility,
and lean to the side the price is moving to.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import HOUR_US, SECOND_US
from tandem.core.errors import UnknownSymbol
from tandem.core.events import Funding, Quote, Trade
from tandem.core.instruments import SIMULATED_VENUE, split_instrument

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCK_S = 4096
SLOT_S = 8 * 3600
IDS_PER_SECOND = 100_000

_ANCHOR_MEMORY = 2048
_ANCHOR_PERSISTENCE = 0.99
_MOST_BLOCKS = 64
_FUNDING_PERIOD_US = 8 * HOUR_US


class Asset(NamedTuple):
    """What one simulated symbol is like.

    Attributes
    ----------
    price : float
        Level the price wanders around.
    tick, step : float
        Smallest change of price and of quantity.
    loading : float
        Log-price response to the market factor.
    walk : float
        Deviation of a random walk of its own, per square-root second.
    own, half_life_s : float
        Stationary deviation (log) and half-life of its mean-reverting part.
    spread : float
        Bid-ask spread in calm times, as a fraction of the price.
    breaks : bool
        Whether its relation to the market breaks now and then.
    """

    price: float
    tick: float
    step: float
    loading: float
    walk: float
    own: float
    half_life_s: float
    spread: float
    breaks: bool


class Break(NamedTuple):
    """One broken relation: it runs away from `start_us` to `end_us` and is healed at `healed_us`.

    `shift` is the log distance reached at `end_us`.
    """

    start_us: int
    end_us: int
    healed_us: int
    shift: float


FACTOR_VOLATILITY = 1.7e-4  # per square-root second: about 95 percent a year

ASSETS: dict[str, Asset] = {
    "BTCUSDT": Asset(61_000.0, 0.1, 0.001, 1.0, 0.0, 2e-4, 120.0, 0.4e-4, False),
    "ETHUSDT": Asset(3_400.0, 0.01, 0.001, 1.12, 0.0, 10e-4, 120.0, 0.6e-4, True),
    "SOLUSDT": Asset(148.0, 0.01, 0.01, 1.35, 0.0, 22e-4, 600.0, 1.0e-4, True),
    "BNBUSDT": Asset(575.0, 0.01, 0.01, 0.8, 4e-5, 9e-4, 300.0, 0.8e-4, True),
    "DOGEUSDT": Asset(0.1234, 0.00001, 1.0, 0.0, 1.6e-4, 6e-4, 60.0, 1.4e-4, False),
}


# Random numbers by address: no generator state, so any second can be made on its own ----------

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def _key(seed: int, *names: str) -> int:
    """Return the 64-bit key of a named stream of random numbers (FNV-1a over the names)."""
    value = (seed * _GOLDEN + 0xCBF29CE484222325) & _MASK
    for byte in "/".join(names).encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value


def _uniform(key: int, index: Integers) -> Floats:
    """Return numbers in (0, 1), one per index, by the splitmix64 finaliser."""
    x = index.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(key)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    uniform: Floats = ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform


def _normal(key: int, index: Integers) -> Floats:
    """Return standard normal numbers, one per index (Box and Muller, 1958)."""
    radius = np.sqrt(-2.0 * np.log(_uniform(key, 2 * index)))
    normal: Floats = radius * np.cos(2.0 * np.pi * _uniform(key, 2 * index + 1))
    return normal


def _smooth(key: int, seconds: Integers, period_s: int) -> Floats:
    """Return a smooth random curve that turns about every `period_s`, of deviation about 0.86."""
    knot = seconds // period_s
    part = (seconds - knot * period_s) / period_s
    weight = part * part * (3.0 - 2.0 * part)
    first = int(knot[0])
    knots = _normal(key, np.arange(first, int(knot[-1]) + 2, dtype=np.int64))
    place = knot - first
    curve: Floats = knots[place] * (1.0 - weight) + knots[place + 1] * weight
    return curve


def _day_curve(seconds: Integers) -> Floats:
    """Return the busyness of the hour, around 1, highest at 15:00 UTC."""
    curve: Floats = 1.0 + 0.35 * np.cos(2.0 * np.pi * ((seconds % 86_400) / 86_400 - 15 / 24))
    return curve


class _Second(NamedTuple):
    """Arrays for whole seconds: log mid at each second's start (one more at the end)."""

    first: int
    log_mid: Floats
    volatility: Floats


class SimulatedMarket:
    """The market of one seed.

    Parameters
    ----------
    seed : int
        Names the market: another seed is another market.
    rate : float
        Mean trades per second and instrument.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self.seed = seed
        self.rate = rate
        self._blocks: dict[tuple[str, int], Floats] = {}

    # The market as a function of time ---------------------------------------------------------

    def history(self, instrument: str, start_us: int, end_us: int) -> list[Trade]:
        """Return the trades with ``start_us <= time_us < end_us``, in order of time.

        The same trades whatever the window they are asked for in.
        """
        symbol = self._symbol(instrument)
        trades = self._trades(symbol, start_us // SECOND_US, -(-end_us // SECOND_US))
        first = bisect_right(trades, start_us - 1, key=_time)
        return trades[first : bisect_right(trades, end_us - 1, key=_time)]

    def quote(self, instrument: str, time_us: int) -> Quote:
        """Return the best bid and ask at `time_us`."""
        symbol = self._symbol(instrument)
        asset = ASSETS[symbol]
        second = time_us // SECOND_US
        path = self._path(symbol, second, second + 1)
        at = np.array([(time_us - second * SECOND_US) / SECOND_US])
        bid, ask = _bid_ask(asset, path, np.zeros(1, dtype=np.int64), at)
        depth = np.exp(_normal(_key(self.seed, symbol, "depth"), np.array([time_us, ~time_us])))
        sizes = _round_quantity(asset, 20_000.0 / asset.price * depth)
        return Quote(
            instrument,
            time_us,
            float(bid[0]),
            float(sizes[0]),
            float(ask[0]),
            float(sizes[1]),
            time_us + self._latency_us(time_us),
        )

    def funding(self, instrument: str, time_us: int) -> Funding:
        """Return the funding rate in force at `time_us`, charged every eight hours."""
        symbol = self._symbol(instrument)
        period = time_us // _FUNDING_PERIOD_US
        draw = _normal(_key(self.seed, symbol, "funding"), np.array([period]))[0]
        log_mid = self._path(symbol, time_us // SECOND_US, time_us // SECOND_US + 1).log_mid[0]
        return Funding(
            instrument,
            time_us,
            round(1e-4 + 5e-5 * float(draw), 8),
            (period + 1) * _FUNDING_PERIOD_US,
            round(float(np.exp(log_mid)), 8),
            time_us + self._latency_us(time_us),
        )

    def breaks(self, instrument: str, start_us: int, end_us: int) -> list[Break]:
        """Return the breaks of the relation whose run or healing touches the window."""
        symbol = self._symbol(instrument)
        slots = range(start_us // (SLOT_S * SECOND_US), (end_us - 1) // (SLOT_S * SECOND_US) + 1)
        found = [b for b in (self._break(symbol, slot) for slot in slots) if b is not None]
        return [b for b in found if b.start_us < end_us and b.healed_us > start_us]

    def log_mid(self, instrument: str, start_s: int, end_s: int) -> Floats:
        """Return the log of the mid price at each whole second from `start_s`, end excluded."""
        return self._path(self._symbol(instrument), start_s, end_s).log_mid[:-1]

    # Making it --------------------------------------------------------------------------------

    def _symbol(self, instrument: str) -> str:
        symbol = split_instrument(instrument)[1]
        if symbol not in ASSETS:
            raise UnknownSymbol(f"The simulated market has no {symbol:.40}.")
        return symbol

    def _latency_us(self, time_us: int) -> int:
        return int(self._latencies(np.array([time_us], dtype=np.int64))[0])

    def _latencies(self, time_us: Integers) -> Integers:
        """Return network delays of 2 to 12 ms that change slowly, so that none overtakes."""
        second = time_us // SECOND_US
        part = (time_us - second * SECOND_US) / SECOND_US
        key = _key(self.seed, "latency")
        now, then = _uniform(key, second), _uniform(key, second + 1)
        return (2_000 + 10_000 * (now + (then - now) * part)).astype(np.int64)

    def _trades(self, symbol: str, first_s: int, end_s: int) -> list[Trade]:
        """Make every trade of the seconds from `first_s` to `end_s`, end excluded."""
        if end_s <= first_s:
            return []
        asset = ASSETS[symbol]
        path = self._path(symbol, first_s, end_s)
        seconds = np.arange(first_s, end_s, dtype=np.int64)
        counts = self._counts(symbol, seconds, path.volatility[:-1])
        row = np.repeat(np.arange(len(seconds)), counts)
        number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        ids = seconds[row] * IDS_PER_SECOND + number
        # A second's times lie inside it, so one sort orders every second on its own.
        offsets = (_uniform(_key(self.seed, symbol, "time"), ids) * SECOND_US).astype(np.int64)
        time_us = np.sort(seconds[row] * SECOND_US + offsets)
        part = (time_us - seconds[row] * SECOND_US) / SECOND_US
        bid, ask = _bid_ask(asset, path, row, part)
        side = self._sides(symbol, path, row, ids, seconds)
        quantity = self._quantities(symbol, ids)
        return list(
            map(
                Trade,
                repeat(f"{SIMULATED_VENUE}:{symbol}"),
                ids.tolist(),
                time_us.tolist(),
                np.where(side > 0, ask, bid).tolist(),
                quantity.tolist(),
                side.tolist(),
                (time_us + self._latencies(time_us)).tolist(),
            )
        )

    def _counts(self, symbol: str, seconds: Integers, volatility: Floats) -> Integers:
        """Return trades per second: clustered, busier in volatile and in busy hours."""
        busy = 0.4 + 0.6 * np.minimum(volatility, 4.0)
        key = _key(self.seed, symbol, "count")
        burst = -sum(np.log(_uniform(key, 4 * seconds + n)) for n in range(2)) / 2.0
        expected = self.rate * _day_curve(seconds) * busy * burst
        counts = np.floor(expected + _uniform(key, 4 * seconds + 2)).astype(np.int64)
        return np.minimum(counts, IDS_PER_SECOND - 1)

    def _sides(
        self, symbol: str, path: _Second, row: Integers, ids: Integers, seconds: Integers
    ) -> Integers:
        """Return taker sides: they lean to where the price goes, and persist for a while."""
        scale = FACTOR_VOLATILITY * max(ASSETS[symbol].loading, 1.0)
        push = np.diff(path.log_mid) / scale
        mood = _smooth(_key(self.seed, symbol, "mood"), seconds, 20)
        chance = 1.0 / (1.0 + np.exp(-(0.7 * push + 0.5 * mood)))
        buys = _uniform(_key(self.seed, symbol, "side"), ids) < chance[row]
        return np.where(buys, 1, -1)

    def _quantities(self, symbol: str, ids: Integers) -> Floats:
        """Return quantities: log-normal, worth about 900 at the median, with a long tail."""
        asset = ASSETS[symbol]
        worth = 900.0 * np.exp(1.4 * _normal(_key(self.seed, symbol, "quantity"), ids))
        return _round_quantity(asset, np.minimum(worth, 2e6) / asset.price)

    def _path(self, symbol: str, first_s: int, end_s: int) -> _Second:
        """Return log mid and relative volatility at each second from first to end, both included.

        Cut from whole blocks, so that a second's value never depends on the window asked for.
        """
        blocks = range(first_s // BLOCK_S, end_s // BLOCK_S + 1)
        start = first_s - blocks[0] * BLOCK_S
        size = end_s - first_s + 1
        log_mid = np.concatenate([self._block(symbol, b) for b in blocks])[start : start + size]
        speed = np.concatenate([self._block("speed", b) for b in blocks])[start : start + size]
        return _Second(first_s, log_mid, speed)

    def _block(self, name: str, block: int) -> Floats:
        """Return one block of a symbol's log mid, of the factor, or of the volatility."""
        kept = self._blocks.get((name, block))
        if kept is None:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            kept = self._make_block(name, block)
            self._blocks[name, block] = kept
        return kept

    def _make_block(self, name: str, block: int) -> Floats:
        seconds = np.arange(block * BLOCK_S, (block + 1) * BLOCK_S, dtype=np.int64)
        if name == "speed":
            return self._speed(seconds)
        if name == "factor":
            return self._walk("factor", block, seconds, FACTOR_VOLATILITY)
        asset = ASSETS[name]
        factor = self._block("factor", block)
        # The chord's share keeps its loading, so a drift of the hedge moves no level.
        ends = [self._anchor("factor", b, FACTOR_VOLATILITY) for b in (block, block + 1)]
        chord = np.linspace(ends[0], ends[1], BLOCK_S + 1)[:-1]
        drift = 0.15 * _smooth(_key(self.seed, name, "loading"), seconds, 2 * 3600)
        level = np.log(asset.price) + asset.loading * (factor + drift * (factor - chord))
        level = level + self._reverting(name, block, seconds)
        if asset.walk:
            level = level + self._walk(name, block, seconds, asset.walk)
        if asset.breaks:
            level = level + self._run_away(name, seconds)
        finished: Floats = level
        return finished

    def _speed(self, seconds: Integers) -> Floats:
        """Return the market's volatility relative to its long-run level: clustered at all scales.

        Mean square about 1: the logs of the three curves have a variance of 0.22 together.
        """
        slow = 0.40 * _smooth(_key(self.seed, "speed", "slow"), seconds, 7200)
        middle = 0.30 * _smooth(_key(self.seed, "speed", "middle"), seconds, 900)
        fast = 0.20 * _smooth(_key(self.seed, "speed", "fast"), seconds, 90)
        speed: Floats = np.exp(slow + middle + fast - 0.22) * np.sqrt(_day_curve(seconds))
        return speed

    def _anchor(self, name: str, block: int, volatility: float) -> float:
        """Return where a walk stands at the start of a block: an AR(1) over past blocks."""
        lags = np.arange(_ANCHOR_MEMORY, dtype=np.int64)
        pushes = _normal(_key(self.seed, name, "anchor"), block - lags)
        weights = _ANCHOR_PERSISTENCE**lags
        return float(volatility * np.sqrt(BLOCK_S) * np.sum(weights * pushes))

    def _walk(self, name: str, block: int, seconds: Integers, volatility: float) -> Floats:
        """Return a Brownian path between two anchors, run at the market's speed.

        With V the running sum of squared speeds, the bridge is
        ``S(t) - V(t)/V(end) * (S(end) - (anchor(next) - anchor))``.
        """
        start = self._anchor(name, block, volatility)
        move = self._anchor(name, block + 1, volatility) - start
        speed = self._block("speed", block)
        steps = volatility * speed * _normal(_key(self.seed, name, "step"), seconds)
        path = np.concatenate(([0.0], np.cumsum(steps)))
        clock = np.concatenate(([0.0], np.cumsum(speed * speed)))
        bridged: Floats = start + path - clock / clock[-1] * (path[-1] - move)
        return bridged[:-1]

    def _reverting(self, name: str, block: int, seconds: Integers) -> Floats:
        """Return the asset's mean-reverting part: an Ornstein-Uhlenbeck bridge between draws.

        Blocks are several half-lives long, so their ends are drawn independently.
        """
        asset = ASSETS[name]
        ends = asset.own * _normal(_key(self.seed, name, "own end"), np.array([block, block + 1]))
        theta = np.log(2.0) / asset.half_life_s
        time = np.arange(BLOCK_S + 1, dtype=np.float64)
        decay = np.exp(-theta * time)
        shocks = _normal(_key(self.seed, name, "own"), seconds)
        shocks = shocks * asset.own * np.sqrt(1.0 - decay[1] ** 2)
        # x[t] = decay[t] * (x[0] + sum of shocks / decay): the recursion without a loop
        path = decay * (ends[0] + np.concatenate(([0.0], np.cumsum(shocks / decay[1:]))))
        pull = np.sinh(theta * time) / np.sinh(theta * BLOCK_S)
        bridged: Floats = path + pull * (ends[1] - path[-1])
        return bridged[:-1]

    def _break(self, symbol: str, slot: int) -> Break | None:
        if not ASSETS[symbol].breaks:
            return None
        draws = _uniform(_key(self.seed, symbol, "break"), 8 * slot + np.arange(5, dtype=np.int64))
        if draws[0] >= 0.25:
            return None
        start = slot * SLOT_S + 3600 + int(draws[1] * 3 * 3600)
        end = start + 2700 + int(draws[2] * 3900)
        shift = (0.010 + 0.015 * float(draws[3])) * (1.0 if draws[4] < 0.5 else -1.0)
        healed = (slot + 1) * SLOT_S
        return Break(start * SECOND_US, end * SECOND_US, healed * SECOND_US, shift)

    def _run_away(self, name: str, seconds: Integers) -> Floats:
        """Return the broken relation's distance: away, then back, both smooth at their ends."""
        away = np.zeros(len(seconds))
        first, last = int(seconds[0]) * SECOND_US, int(seconds[-1]) * SECOND_US
        for slot in range(first // (SLOT_S * SECOND_US), last // (SLOT_S * SECOND_US) + 1):
            broken = self._break(name, slot)
            if broken is None:
                continue
            time = seconds * SECOND_US
            out = np.clip((time - broken.start_us) / (broken.end_us - broken.start_us), 0.0, 1.0)
            back = np.clip((time - broken.end_us) / (broken.healed_us - broken.end_us), 0.0, 1.0)
            inside = (time >= broken.start_us) & (time < broken.healed_us)
            shape = out * out * (3.0 - 2.0 * out) - back * back * (3.0 - 2.0 * back)
            away = away + np.where(inside, broken.shift * shape, 0.0)
        return away


def _time(trade: Trade) -> int:
    return trade.time_us


def _bid_ask(asset: Asset, path: _Second, row: Integers, part: Floats) -> tuple[Floats, Floats]:
    """Return bid and ask, on tick, `part` of the way through the seconds numbered `row`."""
    log_mid = path.log_mid[row] + (path.log_mid[row + 1] - path.log_mid[row]) * part
    mid = np.exp(log_mid)
    half = 0.5 * asset.spread * mid * np.clip(path.volatility[row], 0.7, 4.0)
    bid_ticks = np.floor((mid - half) / asset.tick + 0.5)
    ask_ticks = np.maximum(np.floor((mid + half) / asset.tick + 0.5), bid_ticks + 1.0)
    return _on_grid(bid_ticks, asset.tick), _on_grid(ask_ticks, asset.tick)


def _round_quantity(asset: Asset, quantity: Floats) -> Floats:
    return _on_grid(np.maximum(np.floor(quantity / asset.step + 0.5), 1.0), asset.step)


def _on_grid(count: Floats, step: float) -> Floats:
    """Return ``count * step`` as the nearest decimal, as an exchange would print it."""
    scale = round(1.0 / step)
    on_grid: Floats = count / scale
    return on_grid
