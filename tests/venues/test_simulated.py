"""The simulated market: pure in seed and time, and alike enough to a market."""

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.stattools import coint

from tandem.core.clock import DAY_US, HOUR_US, SECOND_US
from tandem.core.errors import UnknownSymbol
from tandem.core.events import Funding, Notice, Quote, Trade
from tandem.venues.simulated import Simulated
from tandem.venues.simulated_market import ASSETS, IDS_PER_SECOND, SLOT_S

ETH, BTC, DOGE = "sim:ETHUSDT", "sim:BTCUSDT", "sim:DOGEUSDT"
START_US = 1_795_000_000 * SECOND_US


def _market(seed: int = 7, rate: float = 4.0) -> Simulated:
    return Simulated(seed, rate)


def test_same_seed_same_trades_from_another_object() -> None:
    end = START_US + 600 * SECOND_US
    assert _market().history(ETH, START_US, end) == _market().history(ETH, START_US, end)


def test_another_seed_is_another_market() -> None:
    end = START_US + 60 * SECOND_US
    assert _market(7).history(ETH, START_US, end) != _market(8).history(ETH, START_US, end)


@settings(max_examples=30, deadline=None)
@given(
    start=st.integers(0, 9_000 * SECOND_US),
    size=st.integers(1, 300 * SECOND_US),
    cuts=st.lists(st.integers(0, 300 * SECOND_US), max_size=6),
)
def test_any_cutting_of_a_window_gives_the_same_trades(
    start: int, size: int, cuts: list[int]
) -> None:
    first, end = START_US + start, START_US + start + size
    edges = sorted({first, end, *(first + cut for cut in cuts if cut < size)})
    market = _market()
    pieces = [market.history(ETH, a, b) for a, b in zip(edges, edges[1:], strict=False)]
    assert sum(pieces, []) == _market().history(ETH, first, end)


def test_ids_are_unique_and_name_their_second() -> None:
    trades = _market(rate=50.0).history(BTC, START_US, START_US + 600 * SECOND_US)
    ids = [trade.trade_id for trade in trades]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert all(t.trade_id // IDS_PER_SECOND == t.time_us // SECOND_US for t in trades)


@pytest.mark.parametrize("symbol", ASSETS)
def test_trades_are_ordered_on_tick_and_arrive_after_they_happen(symbol: str) -> None:
    asset = ASSETS[symbol]
    trades = _market().history(f"sim:{symbol}", START_US, START_US + HOUR_US)
    times = [trade.time_us for trade in trades]
    arrivals = [trade.received_us for trade in trades]
    assert times == sorted(times)
    assert arrivals == sorted(arrivals)
    for trade in trades:
        assert 2_000 <= trade.received_us - trade.time_us <= 12_001
        assert trade.side in (1, -1)
        ticks, steps = trade.price / asset.tick, trade.quantity / asset.step
        assert ticks == pytest.approx(round(ticks), abs=1e-6)
        assert steps == pytest.approx(round(steps), abs=1e-6)
        assert trade.quantity > 0


def test_rate_is_the_mean_over_days() -> None:
    trades = _market(rate=4.0).history(BTC, START_US, START_US + DAY_US)
    assert len(trades) / 86_400 == pytest.approx(4.0, rel=0.15)
    busy = Counter(trade.time_us // SECOND_US for trade in trades)
    counts = np.array([busy.get(START_US // SECOND_US + n, 0) for n in range(86_400)])
    assert counts.var() > 1.2 * counts.mean(), "arrivals are not clustered"


def test_five_thousand_trades_a_second_fit_their_ids() -> None:
    trades = _market(rate=5_000.0).history(BTC, START_US, START_US + 3 * SECOND_US)
    assert 3_000 < len(trades) < 60_000
    assert len({trade.trade_id for trade in trades}) == len(trades)


def test_buyers_pay_the_ask_and_sides_lean_with_the_price() -> None:
    trades = _market().history(ETH, START_US, START_US + 6 * HOUR_US)
    price = np.array([trade.price for trade in trades])
    side = np.array([trade.side for trade in trades])
    assert abs(side.mean()) < 0.1
    turns = side[1:] != side[:-1]
    # A buyer after a seller pays about one spread more: the bounce Roll's estimate measures.
    bounce = np.mean(np.diff(price)[turns] * side[1:][turns]) / price.mean()
    assert 0.3e-4 < bounce < 2e-4
    flow = np.add.reduceat(side, np.arange(0, len(side), 40))[:-1]
    move = np.diff(price[::40])[: len(flow)]
    assert np.corrcoef(flow[: len(move)], move)[0, 1] > 0.15


def test_volatility_is_clustered_and_has_no_seam_at_blocks_or_days() -> None:
    market = _market()
    first = START_US // DAY_US * 86_400
    path = market.log_mid(BTC, first, first + 5 * 86_400)
    minute = np.abs(np.diff(path[::60]))
    assert np.corrcoef(minute[1:], minute[:-1])[0, 1] > 0.1
    steps = np.diff(path)
    edges = np.array([n for n in range(len(steps)) if (first + n + 1) % 4096 == 0])
    assert np.std(steps[edges]) < 2.0 * np.std(steps)
    days = steps[86_399::86_400]
    assert np.max(np.abs(days)) < 6.0 * np.std(steps)


def test_prices_stay_believable_for_years() -> None:
    market = _market()
    for symbol, asset in ASSETS.items():
        levels = [
            np.exp(market.log_mid(f"sim:{symbol}", t, t + 1)[0]) / asset.price
            for t in range(1_700_000_000, 1_900_000_000, 60 * 86_400)
        ]
        assert min(levels) > 0.5, symbol
        assert max(levels) < 2.0, symbol


def _sound_windows(market: Simulated, count: int) -> list[int]:
    """Return starts (s) of two-hour windows in which ETH's relation to BTC is sound."""
    starts = range(START_US // SECOND_US, START_US // SECOND_US + 10 * 86_400, 4 * 3600)
    sound = [s for s in starts if not market.breaks(ETH, s * SECOND_US, (s + 7_200) * SECOND_US)]
    return sound[:count]


def test_eth_and_btc_are_cointegrated_while_the_relation_is_sound_and_doge_is_not() -> None:
    market = _market()
    found, false = 0, 0
    windows = _sound_windows(market, 12)
    for start in windows:
        eth, btc, doge = (
            market.log_mid(name, start, start + 7_200)[::5] for name in (ETH, BTC, DOGE)
        )
        found += coint(eth, btc, maxlag=1, autolag=None)[1] < 0.05
        false += coint(doge, btc, maxlag=1, autolag=None)[1] < 0.05
    assert found >= 11
    assert false <= 3


def test_spread_reverts_in_minutes_and_is_a_dozen_basis_points_wide() -> None:
    market = _market()
    half_lives, widths = [], []
    for start in _sound_windows(market, 12):
        eth, btc = (market.log_mid(name, start, start + 7_200)[::5] for name in (ETH, BTC))
        slope, level = np.polyfit(btc, eth, 1)
        residual = eth - slope * btc - level
        persistence = np.polyfit(residual[:-1], residual[1:], 1)[0]
        half_lives.append(5 * np.log(0.5) / np.log(persistence))
        widths.append(residual.std() * 1e4)
    assert 60 < np.median(half_lives) < 400
    assert 8 < np.median(widths) < 18


def test_breaks_follow_their_schedule_and_move_the_relation() -> None:
    market = _market()
    end = START_US + 30 * DAY_US
    breaks = market.breaks(ETH, START_US, end)
    assert 10 < len(breaks) < 40
    assert not market.breaks(BTC, START_US, end)
    calm = Simulated(7, 4.0)
    for one in breaks:
        slot = one.start_us // (SLOT_S * SECOND_US)
        assert one.healed_us == (slot + 1) * SLOT_S * SECOND_US
        assert one.start_us < one.end_us < one.healed_us
        before, after = one.start_us // SECOND_US, one.end_us // SECOND_US
        gap = [
            calm.log_mid(ETH, t, t + 1)[0] - 1.12 * calm.log_mid(BTC, t, t + 1)[0]
            for t in (before, after)
        ]
        assert (gap[1] - gap[0]) * np.sign(one.shift) > 0.3 * abs(one.shift)


def test_quotes_straddle_the_mid_and_funding_names_its_next_charge() -> None:
    market = _market()
    quote = market.quote(ETH, START_US + 123_456)
    mid = np.exp(market.log_mid(ETH, START_US // SECOND_US, START_US // SECOND_US + 1)[0])
    assert quote.bid < quote.ask
    assert (quote.bid + quote.ask) / 2 == pytest.approx(mid, rel=1e-3)
    assert quote.bid_quantity > 0 and quote.ask_quantity > 0
    funding = market.funding(ETH, START_US)
    assert funding.next_us % (8 * HOUR_US) == 0
    assert START_US < funding.next_us <= START_US + 8 * HOUR_US
    assert abs(funding.rate) < 1e-3


@pytest.mark.parametrize("text", ["eth", "ETH/USDT", "eth-usd", "ETHUSDT", "sim:ETHUSDT", " eth "])
def test_common_names_find_the_symbol(text: str) -> None:
    assert _market().instrument(text) == ETH


@pytest.mark.parametrize(
    "text", ["", "FOO", "binance-usdm:ETHUSDT", "<b>", "ETHUSDT;drop", "é" * 50]
)
def test_unknown_names_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        _market().instrument(text)


class _Clock:
    """A wall clock that moves only when told, and a stop event whose wait moves it."""

    def __init__(self) -> None:
        self.now = START_US
        self.end = START_US + 10 * SECOND_US
        self.stop = threading.Event()
        self.stop.wait = self._wait  # type: ignore[method-assign, assignment]

    def _wait(self, timeout: float | None = None) -> bool:
        self.now += int((timeout or 0.0) * SECOND_US)
        if self.now >= self.end:
            self.stop.set()
        return self.stop.is_set()


def _play(market: Simulated, clock: _Clock, wanted: frozenset[str]) -> list[list]:
    return [list(batch) for batch in market.batches(lambda: wanted, clock.stop)]


def test_the_past_comes_first_then_each_trade_when_it_has_arrived() -> None:
    clock = _Clock()
    market = Simulated(7, 4.0, history_s=3_600, clock=lambda: clock.now)
    seen: list[Trade] = []
    for batch in market.batches(lambda: frozenset({ETH}), clock.stop):
        assert all(event.received_us <= clock.now + 12_001 for event in batch)
        seen += [event for event in batch if isinstance(event, Trade)]
    first, last = START_US - HOUR_US, clock.now
    due = [t for t in market.history(ETH, first, last) if t.received_us <= last - 50_000]
    assert seen[: len(due)] == due
    assert seen == market.history(ETH, first, last)[: len(seen)]


def test_the_past_of_an_instrument_comes_in_one_piece() -> None:
    clock = _Clock()
    batches = _play(Simulated(7, 4.0, 7_200, lambda: clock.now), clock, frozenset({ETH, BTC}))
    for batch in batches[:2]:
        assert len({event.instrument for event in batch}) == 1
        assert batch[0].time_us < START_US - 7_190 * SECOND_US
        assert batch[-1].time_us > START_US - 10 * SECOND_US
    live = [event for batch in batches[2:] for event in batch if isinstance(event, Trade)]
    assert min(trade.received_us for trade in live) > START_US - 2 * SECOND_US


def test_a_restart_continues_where_the_first_run_ended() -> None:
    clock = _Clock()
    first = _play(Simulated(7, 4.0, 600, lambda: clock.now), clock, frozenset({ETH}))
    again = _Clock()
    again.now = clock.now + 60 * SECOND_US
    again.end = again.now + 10 * SECOND_US
    second = _play(Simulated(7, 4.0, 600, lambda: again.now), again, frozenset({ETH}))
    both = {e.trade_id: e for run in (first, second) for b in run for e in b if type(e) is Trade}
    whole = Simulated(7, 4.0).history(ETH, START_US - 600 * SECOND_US, again.now - 50_000)
    assert [both[trade.trade_id] for trade in whole] == whole


def test_quotes_and_funding_come_with_the_trades() -> None:
    clock = _Clock()
    batches = _play(Simulated(7, 4.0, 60, lambda: clock.now), clock, frozenset({ETH, BTC}))
    kinds = Counter((type(e), e.instrument) for batch in batches for e in batch)
    assert kinds[Quote, ETH] == pytest.approx(40, abs=2)
    assert kinds[Funding, BTC] in (1, 2)


def test_an_instrument_wanted_later_brings_its_own_past() -> None:
    clock = _Clock()
    market = Simulated(7, 4.0, 600, lambda: clock.now)
    wanted = {ETH}
    seen: list[Trade] = []
    for batch in market.batches(lambda: frozenset(wanted), clock.stop):
        seen += [event for event in batch if isinstance(event, Trade)]
        if clock.now > START_US + 5 * SECOND_US:
            wanted.add(BTC)
    btc = [trade for trade in seen if trade.instrument == BTC]
    assert btc[0].time_us < START_US - 500 * SECOND_US
    ids = [trade.trade_id for trade in seen if trade.instrument == ETH]
    assert len(ids) == len(set(ids))


def test_history_is_shortened_at_high_rates() -> None:
    assert Simulated(7, 5_000.0).history_us == 12 * SECOND_US
    assert Simulated(7, 4.0).history_us == 7_200 * SECOND_US


def test_an_instrument_that_is_not_there_is_told_once_and_harms_nobody() -> None:
    clock = _Clock()
    foo = "sim:FOOUSDT"
    batches = _play(Simulated(7, 4.0, 60, lambda: clock.now), clock, frozenset({ETH, foo}))
    events = [event for batch in batches for event in batch]
    told = [event for event in events if isinstance(event, Notice)]
    assert [notice.kind for notice in told] == ["error"]
    assert told[0].text.startswith("The simulated market has no FOOUSDT; it has BTCUSDT")
    assert sum(isinstance(event, Trade) for event in events) > 100
