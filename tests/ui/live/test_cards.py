"""The words on the cards: each state of the feed, each signal, each kind of evidence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tandem.backfill.progress import Progress
from tandem.core.clock import SECOND_US
from tandem.core.events import Quote, Trade
from tandem.ingest.status import Choice, FeedStatus
from tandem.pairs.cointegration import Relation, assess
from tandem.pairs.costs import LegQuote, trade_cost
from tandem.pairs.snapshot import Kept, LegNow, Snapshot, WatchRow
from tandem.pairs.stream import PairSettings, PairStream
from tandem.pairs.tracker import PairView
from tandem.storage.records import StoreHealth
from tandem.strategy.rules import Rules
from tandem.ui.live import cards
from tandem.ui.shared import format as f
from tests.support.made_pairs import START_US, aligned, cointegrated

PAIR = PairSettings(
    "binance-usdm:ETHUSDT", "binance-usdm:BTCUSDT", model="ols", lookback=50, z_window=20
)
NOW_US = START_US + 3_600 * SECOND_US


def leg(name: str, price: float, age_s: float = 0.1) -> LegNow:
    time_us = NOW_US - int(age_s * SECOND_US)
    return LegNow(
        name,
        Trade(name, 1, time_us, price, 1.0, 1, time_us),
        Quote(name, time_us, price - 0.01, 1.0, price + 0.01, 1.0, time_us),
        None,
    )


def viewed(pair: PairSettings, n_bars: int = 400) -> tuple[PairView, PairStream]:
    stream = PairStream(pair)
    stream.extend(aligned(*cointegrated(n_bars, 1)))
    view = PairView(
        pair, stream.view(), stream.bars, stream.first_us, stream.progress, stream.trader.position,
        stream.hedge.last_alpha, stream.hedge.last_beta,
    )  # fmt: skip
    return view, stream


def snapshot(pair: PairSettings = PAIR, n_bars: int = 400, **changes) -> Snapshot:
    view, stream = viewed(pair, n_bars)
    y, x = leg(pair.y, float(view.columns["y"][-1])), leg(pair.x, float(view.columns["x"][-1]))
    now = stream.provisional(y.trade.price, x.trade.price)
    ready = math.isfinite(now.z)
    return replace(
        Snapshot(
            settings=pair,
            now_us=NOW_US,
            feed=FeedStatus(
                "binance-usdm", "Binance USD-M", "live", "Live.", NOW_US,
                trades_per_s=312.4, delay_ms=48.2,
            ),
            x_feed=None,
            choice=Choice("binance-usdm"),
            store=StoreHealth("recording", "", written=10_000, bytes=124_000_000),
            recorded=3_210_000,
            gaps=0,
            filling=(),
            y=y,
            x=x,
            view=view,
            provisional=now,
            relation=assess(view.columns, pair),
            cost=trade_cost(
                pair, (y.trade.price, x.trade.price), view.beta, now.z,
                float(view.columns["deviation"][-1]),
                (LegQuote(0.1, False), LegQuote(0.2, False)),
            ) if ready else None,
            paper=12.5,
            paper_since_us=view.first_us,
            paper_trades=3,
            kept=Kept(3, -4.0),
            watch=(WatchRow(pair, now.z, 0, 0),),
            notices=(),
        ),
        **changes,
    )  # fmt: skip


def text_of(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def test_a_live_page_is_complete_and_plain_data() -> None:
    page = cards.page(snapshot())
    json.dumps(page, allow_nan=False)
    assert page["status"]["label"] == "LIVE"
    assert page["status"]["said"] == ""
    assert page["status"]["right"] == "recorded 3.21 M · 124 MB"
    assert page["status"]["right_tone"] == ""
    text = text_of(page)
    assert "48 ms" in text
    assert "312" in text
    assert "+12.50 USDT" in text
    assert " UTC, 10,000 USDT notional per Y leg" in text


@pytest.mark.parametrize(
    ("state", "label"),
    [
        ("connecting", "CONNECTING"),
        ("reconnecting", "RECONNECTING"),
        ("silent", "STALE"),
        ("refused", "REFUSED"),
        ("ended", "ENDED"),
        ("stopped", "STOPPED"),
    ],
)
def test_every_state_has_its_badge_and_its_sentence(state: str, label: str) -> None:
    feed = replace(snapshot().feed, state=state, text="What happened, and what to do.")
    status = cards.status(snapshot(feed=feed))
    assert status["label"] == label
    assert "What happened" in status["said"]


def test_the_simulation_is_called_simulated_and_why_it_was_chosen_is_said() -> None:
    shot = snapshot()
    feed = replace(shot.feed, venue="sim", title="Simulated market")
    choice = Choice("sim", reasons=("Binance USD-M refused this address (HTTP 451).",))
    status = cards.status(replace(shot, feed=feed, choice=choice))
    assert status["label"] == "SIMULATED"
    assert "451" in status["said"]
    assert "Simulated prices" in status["said"]


@pytest.mark.parametrize(
    ("venue", "label", "said"),
    [("sim", "SIMULATED", "Simulated prices"), ("replay", "REPLAY", "historical prices")],
)
@pytest.mark.parametrize("leg", ["feed", "x_feed"])
def test_what_is_no_market_of_now_is_never_called_live(
    venue: str, label: str, said: str, leg: str
) -> None:
    shot = snapshot()
    status = cards.status(replace(shot, **{leg: replace(shot.feed, venue=venue, title="Other")}))
    assert status["label"] == label
    assert said in status["said"]


def test_a_hole_that_was_filled_is_no_gap_any_more() -> None:
    shot = snapshot()
    shot = replace(shot, feed=replace(shot.feed, gaps=1))
    assert _gaps(shot) == "none"
    unrecorded = replace(shot, store=replace(shot.store, state="paused"))
    assert _gaps(unrecorded) == "1"


def _gaps(shot: Snapshot) -> str:
    parts = [item["parts"] for item in cards.status(shot)["items"]]
    return str(next(one[1][0] for one in parts if one[0][0] == "gaps "))


def test_a_masked_last_bar_is_stale() -> None:
    shot = snapshot()
    columns = dict(shot.view.columns)
    columns["usable"] = np.append(columns["usable"][:-1], False)
    shot = replace(shot, view=replace(shot.view, columns=columns), y=leg(PAIR.y, 3_000.0, 3_600.0))
    status = cards.status(shot)
    assert status["label"] == "STALE"
    assert "No trades in" in status["said"]
    assert f.symbol_of(PAIR.y) in status["said"]
    assert f.symbol_of(PAIR.x) not in status["said"]


def test_a_paused_record_says_so() -> None:
    store = StoreHealth("paused", "The disk is full. Prices go on; recording waits.")
    status = cards.status(snapshot(store=store))
    assert status["right"] == "not recording"
    assert status["right_tone"] == "bad"
    assert "disk is full" in status["said"]


def test_what_happened_to_a_record_that_goes_on_is_said() -> None:
    store = StoreHealth("recording", "Recording.", notes=("Its log was deleted.",))
    assert "Its log was deleted." in cards.status(snapshot(store=store))["said"]


def test_warming_up_says_how_far_it_is() -> None:
    card = cards.signal(snapshot(n_bars=30))
    assert card["label"] == "WARMING UP"
    assert "30 of 71 bars" in text_of(card["lines"])
    assert "3 min" in text_of(card["lines"])
    assert card["gauge"]["z"] is None


def test_before_the_first_trade_it_says_what_it_waits_for() -> None:
    shot = snapshot()
    card = cards.signal(replace(shot, x=replace(shot.x, trade=None), provisional=None))
    assert "Waiting for the first trade of" in text_of(card["lines"])
    assert "BTCUSDT" in text_of(card["lines"])


@pytest.mark.parametrize(
    ("signal", "label", "verb"),
    [(1, "LONG", ["buy", "sell"]), (-1, "SHORT", ["sell", "buy"]), (0, "FLAT", None)],
)
def test_the_signal_names_the_trade_in_units_of_each_leg(
    signal: int, label: str, verb: list[str] | None
) -> None:
    shot = snapshot()
    columns = dict(shot.view.columns)
    columns["signal"] = np.append(columns["signal"][:-1], np.int8(signal))
    card = cards.signal(replace(shot, view=replace(shot.view, columns=columns)))
    assert label in card["label"]
    (lead, y_verb, one, y_asset, y_price), (_, x_verb, quantity, x_asset, _) = card["legs"]
    assert verb is None or [y_verb, x_verb] == verb
    assert bool(lead) is (signal == 0)
    assert (one, y_asset, x_asset) == ("1.000", "ETH", "BTC")
    assert y_price == f.price(shot.y.trade.price)
    assert float(quantity) == pytest.approx(shot.view.beta, rel=1e-3)


def test_a_log_beta_is_turned_into_units() -> None:
    shot = snapshot(replace(PAIR, rules=Rules(log_prices=True)))
    quantity = float(cards.signal(shot)["legs"][1][2])
    assert quantity == pytest.approx(
        shot.view.beta * shot.y.trade.price / shot.x.trade.price, rel=1e-3
    )


@pytest.mark.parametrize(
    ("beta", "amounts"),
    [
        (0.07, ["1.000", "0.07000"]),
        (1.234e-6, ["1.000", "0.000001234"]),
        (1.734e-10, ["10,000,000", "0.001734"]),
        (9.876e-13, ["10,000,000,000", "0.009876"]),
    ],
)
def test_a_quantity_of_x_never_reads_as_nothing(beta: float, amounts: list[str]) -> None:
    shot = snapshot()
    card = cards.signal(replace(shot, view=replace(shot.view, beta=beta)))
    assert [row[2] for row in card["legs"]] == amounts


@pytest.mark.parametrize("beta", [0.0, math.nan])
def test_no_trade_is_named_that_would_hold_y_alone(beta: float) -> None:
    shot = snapshot()
    card = cards.signal(replace(shot, view=replace(shot.view, beta=beta)))
    assert card["legs"] == [] and "no position is opened" in text_of(card["lines"])


FOUND = assess(viewed(PAIR)[0].columns, PAIR)
assert FOUND is not None
RELATION = FOUND


def with_p(p_value: float, **test: Any) -> Relation:
    """Return the relation with another p-value, and other fields of its test."""
    test = {"p_value_searched": p_value} | test
    quality = replace(RELATION.quality, test=replace(RELATION.quality.test, **test))
    return replace(
        RELATION, quality=quality, soundness=replace(RELATION.soundness, state="unknown")
    )


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (0.012, "Under the null, 1 in 83 unrelated pairs would score this well"),
        (0.0001, "fewer than 1 in 1,000"),
        (0.5, "No evidence"),
        (math.nan, "could not be computed"),
    ],
)
def test_the_verdict_is_what_the_p_value_means(p_value: float, words: str) -> None:
    assert words in cards.verdict(with_p(p_value))


def test_a_pair_that_breaks_is_said_to() -> None:
    soundness = replace(RELATION.soundness, state="breaking", sentence="Its level shifted.")
    text = cards.verdict(replace(with_p(0.001), soundness=soundness))
    assert text == "Cointegration break. Its level shifted."


def test_a_low_p_of_a_pair_that_breaks_is_not_painted_good() -> None:
    sound = replace(with_p(0.001), soundness=replace(RELATION.soundness, state="unknown"))
    broken = replace(sound, soundness=replace(RELATION.soundness, state="breaking"))
    tones = [
        cards.truth(snapshot(relation=relation))["rows"][0]["tone"] for relation in (sound, broken)
    ]
    assert tones == ["good", "warn"]


def test_messages_not_understood_are_said_once() -> None:
    said = "Connected, but 2 of 9 messages could not be parsed."
    feed = replace(snapshot().feed, state="silent", text=said, not_understood=2, messages=9)
    assert cards.sentences(snapshot(feed=feed)) == [said]


def test_a_residual_that_says_nothing_says_why() -> None:
    quality = replace(with_p(math.nan).quality, note="A leg is constant.")
    assert cards.verdict(replace(RELATION, quality=quality)) == "A leg is constant."


def test_the_quality_of_the_spread_is_on_the_card() -> None:
    life = replace(RELATION.quality.half_life, half_life=14.2, low=10.0, high=math.inf)
    quality = replace(
        RELATION.quality, half_life=life, hurst=0.4, crossings_per_day=1_240.0, stale_share=0.125,
        beta_drift=0.018, r_squared=0.98, return_correlation=0.83,
    )  # fmt: skip
    card = cards.truth(snapshot(relation=replace(RELATION, quality=quality)))
    values = [row["value"] for row in card["rows"]]
    assert values[1] == "14.2 bars (10.0 to ∞)"
    assert values[2:4] == ["0.40 · 1,240 a day", "0.98 · 0.83"]
    assert values[4].endswith("+1.8 %")
    assert values[5] == "12.5 %"


def test_funding_that_is_not_known_is_a_dash_with_its_reason() -> None:
    shot = snapshot()
    row = cards.cost(replace(shot, cost=replace(shot.cost, funding_bp=math.nan)))["rows"][2]
    assert row["value"] == f.NONE
    assert "Not available" in row["hint"]


def test_nothing_is_left_where_the_spread_is_home() -> None:
    shot = snapshot()
    row = cards.cost(replace(shot, cost=replace(shot.cost, left_bp=math.nan)))["rows"][4]
    assert row["value"] == f.NONE
    assert row["tone"] == ""


def test_one_asset_twice_has_no_signal() -> None:
    card = cards.signal(snapshot(relation=with_p(math.nan, same_asset=True)))
    assert card["label"] == "NO SIGNAL"
    assert f.NONE in text_of(card["z"])
    assert "same asset" in text_of(card["lines"])


def test_two_venues_are_as_good_as_the_worse() -> None:
    shot = snapshot()
    other = replace(
        shot.feed,
        venue="coinbase",
        title="Coinbase",
        state="reconnecting",
        text="It is gone.",
    )
    status = cards.status(replace(shot, x_feed=other))
    assert status["label"] == "RECONNECTING"
    assert "Binance USD-M and Coinbase" in text_of(status["items"])
    assert status["said"] == "It is gone."


def test_holes_being_filled_and_a_record_of_another_process_are_said() -> None:
    shot = snapshot()
    filling = (Progress(PAIR.y, "filling", 10, 90, "Filling 10 of 90 trades of ETHUSDT missed."),)
    store = replace(shot.store, state="reading", text="Process 7 records here.")
    status = cards.status(replace(shot, filling=filling, store=store))
    assert status["said"] == "Process 7 records here.\nFilling 10 of 90 trades of ETHUSDT missed."
    assert status["right"] == "not recording"


def test_two_tickers_of_one_asset_are_not_ranked() -> None:
    card = cards.truth(snapshot(relation=with_p(math.nan, same_asset=True)))
    assert "same asset" in card["note"]
    assert "p " not in text_of(card["rows"])


def test_a_spread_that_never_moves_has_no_break_even_in_figures() -> None:
    shot = snapshot()
    rows = cards.cost(replace(shot, cost=replace(shot.cost, break_even_z=7e12)))["rows"]
    assert rows[3]["value"] == "beyond z 1,000"


def test_the_cost_card_adds_up() -> None:
    shot = snapshot()
    card = cards.cost(shot)
    values = {row["label"]: row["value"] for row in card["rows"]}
    assert values["Fees (4 fills at 5 bp)"] == f"{shot.cost.fees_bp:.1f} bp"
    assert "(estimated)" not in text_of(card)
    estimated = replace(shot, cost=replace(shot.cost, spreads_estimated=True))
    assert "(estimated)" in text_of(cards.cost(estimated))


def test_a_page_without_anything_yet_is_designed() -> None:
    shot = replace(
        snapshot(), view=None, provisional=None, relation=None, cost=None, paper=math.nan,
        y=LegNow(PAIR.y, None, None, None), x=LegNow(PAIR.x, None, None, None), watch=(),
    )  # fmt: skip
    json.dumps(cards.page(shot), allow_nan=False)
    assert "Waiting for the first trade" in text_of(cards.page(shot))


def test_text_from_outside_arrives_as_it_is_for_textcontent_to_place() -> None:
    feed = replace(snapshot().feed, errors=("<img src=x onerror=alert(1)>",))
    assert "<img" in cards.status(snapshot(feed=feed))["said"]


def test_holes_in_the_record_are_counted() -> None:
    status = cards.status(snapshot(gaps=2))
    assert ["2", "bad", True] in [part for item in status["items"] for part in item["parts"]]
