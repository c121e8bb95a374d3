"""From a snapshot to the words and numbers of the status strip and the cards. No Streamlit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tandem.core.clock import SECOND_US
from tandem.core.instruments import REPLAY_VENUE, SIMULATED_VENUE
from tandem.ingest.status import Choice, FeedStatus
from tandem.pairs.cointegration import Relation
from tandem.pairs.snapshot import LegNow, Snapshot, WatchRow
from tandem.pairs.stream import PairSettings
from tandem.strategy.pair_model import MODEL_NAMES
from tandem.ui.shared import format as f
from tandem.ui.shared.sheets import item, strip

Part = list[Any]
Row = dict[str, Any]

FARTHEST_Z = 1_000
SIGNALS = {
    1: ("\u25b2 LONG SPREAD", "good"),
    -1: ("\u25bc SHORT SPREAD", "bad"),
    0: ("FLAT", "muted"),
}
# The worst last: two venues are as good as the worse of them.
STATES = {
    "live": ("LIVE", "good"),
    "connecting": ("CONNECTING", "warn"),
    "reconnecting": ("RECONNECTING", "warn"),
    "silent": ("STALE", "bad"),
    "refused": ("REFUSED", "bad"),
    "ended": ("ENDED", "warn"),
    "stopped": ("STOPPED", "bad"),
}
# What must never look like a market as it is now.
NOT_NOW = {SIMULATED_VENUE: "SIMULATED", REPLAY_VENUE: "REPLAY"}


def page(snapshot: Snapshot) -> dict[str, Any]:
    """Return everything the pulse component draws."""
    return {
        "status": status(snapshot),
        "watch": [chip(row, snapshot.settings) for row in snapshot.watch],
        "signal": signal(snapshot),
        "truth": truth(snapshot),
        "cost": cost(snapshot),
    }


def connecting(choice: Choice) -> dict[str, Any]:
    """Describe the search for a venue while none has been found."""
    trying = item("trying", choice.trying or "the first venue")
    return strip("CONNECTING", "warn", [trying], [" ".join(choice.reasons)])


# Is the data good? ----------------------------------------------------------------------


def status(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the feed: state, rate, delay, ages, gaps, and what is recorded."""
    feed, feeds = snapshot.feed, _feeds(snapshot)
    label, tone = STATES[max((one.state for one in feeds), key=list(STATES).index)]
    # The feeds count filled gaps too: their count is used only where nothing is recorded.
    found = sum(one.gaps for one in feeds)
    gaps = snapshot.gaps if snapshot.store.state == "recording" else max(snapshot.gaps, found)
    not_now = next((NOT_NOW[one.venue] for one in feeds if one.venue in NOT_NOW), "")
    if not_now and label == "LIVE":
        label, tone = not_now, "warn"
    elif feed.state == "live" and _is_stale(snapshot):
        label, tone = "STALE", "bad"
    items = [
        {"parts": [[" and ".join(one.title for one in feeds), "", False]]},
        _price_item(snapshot.y, "y"),
        _price_item(snapshot.x, "x"),
        {"parts": [[f.number(feed.trades_per_s, 0), "", True, 3], [" trades/s", "", False]]},
        {
            "parts": [["delay ", "", False], [_milliseconds(feed.delay_ms), "", True, 5]],
            "hint": "Median latency from exchange trade time to arrival, corrected for clock skew.",
        },
        {"parts": _ages(snapshot), "id": "ages"},
        {
            "parts": [
                ["gaps ", "", False],
                [str(gaps) if gaps else "none", "bad" if gaps else "", True],
                [" in 24 h", "", False],
            ],
            "hint": "Missing trades not yet backfilled; listed on the Data page.",
        },
    ]
    right_tone = "" if snapshot.store.state == "recording" else "bad"
    right = {"right": _recorded(snapshot), "right_tone": right_tone}
    return strip(label, tone, items, sentences(snapshot), **right)


def _feeds(snapshot: Snapshot) -> list[FeedStatus]:
    return [snapshot.feed, snapshot.x_feed] if snapshot.x_feed else [snapshot.feed]


def sentences(snapshot: Snapshot) -> list[str]:
    """Return the messages for the user: venue choice, faults and remedies."""
    said = []
    venues = {feed.venue for feed in _feeds(snapshot)}
    if snapshot.choice.reasons and snapshot.choice.venue == snapshot.feed.venue:
        said.append(" ".join(snapshot.choice.reasons))
    if SIMULATED_VENUE in venues:
        said.append("Simulated prices: nothing here can be traded.")
    if REPLAY_VENUE in venues:
        said.append("Replaying a recording: these are historical prices.")
    for feed in _feeds(snapshot):
        shown = feed.text if feed.state != "live" or feed.silent else ""
        said.append(shown)
        if feed.not_understood and "could not be parsed" not in shown:
            said.append(
                f"{feed.not_understood:,} of {feed.messages:,} messages from {feed.title} could "
                "not be parsed and were skipped; all others are recorded."
            )
        said += feed.errors
    if snapshot.feed.state == "live" and not snapshot.feed.silent and _is_stale(snapshot):
        said.append(_stale_text(snapshot))
    if snapshot.store.state != "recording":
        said.append(snapshot.store.text)
    said += snapshot.store.notes
    said += [one.text for one in snapshot.filling]
    said += snapshot.notices
    return [sentence for sentence in said if sentence]


def _is_stale(snapshot: Snapshot) -> bool:
    view = snapshot.view
    return bool(view and len(view.columns["usable"]) and not view.columns["usable"][-1])


def _stale_text(snapshot: Snapshot) -> str:
    old = [
        f"{f.symbol_of(leg.instrument)} for {f.age(_age_s(snapshot, leg))}"
        for leg in (snapshot.y, snapshot.x)
        if _age_s(snapshot, leg) > leg.stale_s
    ]
    what = f"No trades in {' and '.join(old)}." if old else "One leg has no fresh trade."
    return f"{what} Stale bars are excluded from models and signals; trades are still recorded."


def _age_s(snapshot: Snapshot, leg: LegNow) -> float:
    """Return how long ago a leg's last trade arrived, NaN before the first."""
    return (snapshot.now_us - leg.trade.received_us) / SECOND_US if leg.trade else math.nan


def _price_item(leg: LegNow, tone: str) -> dict[str, Any]:
    shown = f.price(leg.trade.price) if leg.trade else "waiting"
    return {
        "parts": [[f"{f.asset(leg.instrument)} ", tone, False], [shown, "", True]],
        "id": f"price-{tone}",
    }


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if math.isfinite(value) else f.NONE


def _ages(snapshot: Snapshot) -> list[Part]:
    parts: list[Part] = [["last trade ", "", False]]
    for leg in (snapshot.y, snapshot.x):
        seconds = _age_s(snapshot, leg)
        tone = "bad" if seconds > leg.stale_s else ""
        parts.append([f"{f.asset(leg.instrument)} {f.age(seconds)}", tone, True])
        parts.append([" \u00b7 ", "", False])
    return parts[:-1]


def _recorded(snapshot: Snapshot) -> str:
    store = snapshot.store
    if store.state != "recording":
        return "not recording"
    behind = f" \u00b7 {f.count(store.queued)} queued" if store.oldest_waiting_s > 2.0 else ""
    return f"recorded {f.count(snapshot.recorded)} \u00b7 {f.size_of(store.bytes)}{behind}"


def chip(row: WatchRow, current: PairSettings) -> dict[str, Any]:
    """Describe one pair of the watchlist."""
    word, tone = {1: ("\u25b2 long", "good"), -1: ("\u25bc short", "bad"), 0: ("flat", "muted")}[
        row.signal
    ]
    return {
        "key": f"{row.settings.y}|{row.settings.x}",
        "pair": f"{f.asset(row.settings.y)}/{f.asset(row.settings.x)}",
        "z": f.signed(row.z),
        "state": word if math.isfinite(row.z) else "warming up",
        "tone": tone if math.isfinite(row.z) else "muted",
        "active": (row.settings.y, row.settings.x) == (current.y, current.x),
    }


# What is the signal? --------------------------------------------------------------------


def signal(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the signal, the trade it stands for, and the paper position."""
    settings, view = snapshot.settings, snapshot.view
    if snapshot.relation is not None and snapshot.relation.same_asset:
        return _no_signal(snapshot)
    z = snapshot.provisional.z if snapshot.provisional else math.nan
    closed = view.columns["signal"] if view else np.empty(0)
    ready = bool(len(closed)) and math.isfinite(z)
    label, tone = SIGNALS[int(closed[-1])] if ready else ("WARMING UP", "warn")
    legs = _trade_legs(snapshot, z) if ready else []
    lines = [[[_when(settings) if legs else NO_X, "", False]]]
    return {
        "label": label,
        "tone": tone,
        "z": [["z (live) ", "muted", False], [f.signed(z), "", True]],
        "legs": legs,
        "lines": lines if ready else _waiting_lines(snapshot),
        "gauge": _gauge(settings, z),
        **_paper(snapshot),
    }


def _no_signal(snapshot: Snapshot) -> dict[str, Any]:
    """Stand in for the signal of a pair that is one asset."""
    reason = "Both legs are the same asset: the residual is rounding error, not a spread."
    return {
        "label": "NO SIGNAL",
        "tone": "warn",
        "z": [["z (live) ", "muted", False], [f.NONE, "", True]],
        "legs": [],
        "lines": [[[reason, "", False]], [["Choose a different hedge leg.", "", False]]],
        "gauge": _gauge(snapshot.settings, math.nan),
        **NO_PAPER,
    }


def _gauge(settings: PairSettings, z: float) -> dict[str, Any]:
    rules = settings.rules
    limit = rules.stop if math.isfinite(rules.stop) else 2.0 * rules.entry
    return {
        "limit": limit,
        "entry": rules.entry,
        "exit": rules.exit,
        "z": z if math.isfinite(z) else None,
    }


def _waiting_lines(snapshot: Snapshot) -> list[list[Part]]:
    view = snapshot.view
    if snapshot.y.trade is None or snapshot.x.trade is None:
        missing = [
            f.symbol_of(leg.instrument) for leg in (snapshot.y, snapshot.x) if leg.trade is None
        ]
        return [[["Waiting for the first trade of ", "", False], [" and ".join(missing), "", True]]]
    if view is None:
        return [[["Prices are live. Models are compiling or the pair is loading.", "", False]]]
    seen, needed = view.progress
    bar_s = snapshot.settings.bar_us / SECOND_US
    name = MODEL_NAMES[snapshot.settings.model]
    return [
        [
            [f"{seen:,} of {needed:,} bars", "", True],
            [f" for {name} and its z-score; prices are shown meanwhile.", "", False],
        ],
        [[f"Ready in about {f.duration((needed - seen) * bar_s)}.", "", False]],
    ]


def _trade_legs(snapshot: Snapshot, z: float) -> list[list[str]]:
    """Describe the trade leg by leg: lead, verb, quantity, asset, price."""
    settings, view = snapshot.settings, snapshot.view
    rules = settings.rules
    assert view is not None
    assert snapshot.y.trade is not None
    assert snapshot.x.trade is not None
    signal = int(view.columns["signal"][-1])
    side = signal or (-1 if z > 0 else 1)
    quantities = rules.quantities(side, snapshot.y.trade.price, snapshot.x.trade.price, view.beta)
    ratio = abs(quantities[1] / quantities[0])
    if not 0.0 < ratio < math.inf:
        return []
    # Of a coin worth next to nothing so many that what goes against them can be read.
    zeros = 0 if ratio >= 1e-6 else -3 - math.floor(math.log10(ratio))
    amounts = f.number(10.0**zeros, 0 if zeros else 3), f.significant(ratio * 10.0**zeros)
    verbs = ["buy" if quantity > 0 else "sell" for quantity in quantities]
    lead = "" if signal else f"If {'long' if side > 0 else 'short'}:"
    return [
        [lead if leg is snapshot.y else "", verb, amount, f.asset(leg.instrument), _price(leg)]
        for leg, verb, amount in zip((snapshot.y, snapshot.x), verbs, amounts, strict=True)
    ]


NO_X = "\u03b2 is 0 or undefined: the hedge leg cannot be sized and no position is opened."


def _when(settings: PairSettings) -> str:
    """Return the entry, exit and stop thresholds as text."""
    rules = settings.rules
    stop = f" \u00b7 stop \u00b1{rules.stop:g}" if math.isfinite(rules.stop) else ""
    return f"entry \u00b1{rules.entry:g} \u00b7 exit \u00b1{rules.exit:g}{stop}, on bar close"


def _price(leg: LegNow) -> str:
    return f.price(leg.trade.price) if leg.trade else f.NONE


NO_PAPER: dict[str, Any] = {
    "paper": [["Paper account", "", False], [f.NONE, "muted", False]],
    "since": "",
}


def _paper(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the paper account: what it holds and has earned, since when, in which units."""
    view, settings = snapshot.view, snapshot.settings
    if view is None or not len(view.columns["equity"]):
        return NO_PAPER
    trips = f.plural(snapshot.paper_trades, "round trip")
    held = "flat"
    if view.position is not None:
        side = "long" if view.position.side > 0 else "short"
        held = f"{side} from z {f.signed(view.position.entry_z)}"
    unit = f.quote(settings.y)
    profit = snapshot.paper
    tone = "good" if profit > 0 else "bad" if profit < 0 else "muted"
    return {
        "paper": [
            [f"Paper account, net of costs: {held}", "", False],
            [f"{f.signed(profit)} {unit}", tone, True],
        ],
        "since": f"{trips} since {f.day_minute(snapshot.paper_since_us)} UTC, "
        f"{f.number(settings.rules.notional, 0)} {unit} notional per Y leg",
    }


# Is the relation real? ------------------------------------------------------------------


TRUTH = (
    "Engle\u2013Granger",
    "Half-life",
    "Hurst \u00b7 mean crossings",
    "R\u00b2 \u00b7 return correlation",
    "\u03b2 (current) \u00b7 change over lookback",
    "Stale bars",
)


def truth(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the evidence that the two legs are cointegrated."""
    relation = snapshot.relation
    if relation is None:
        rows = [_row(name, f.NONE) for name in TRUTH]
        return {"rows": rows, "note": "Available after 50 usable bars."}
    if relation.same_asset:
        return {
            "rows": [_row("R\u00b2", f.number(relation.quality.r_squared, 6))],
            "note": "Both legs are the same asset: cointegration tests do not apply.",
        }
    return {
        "rows": _truth_rows(snapshot, relation),
        "note": verdict(relation),
        "tone": "bad" if relation.soundness.state == "breaking" else "",
    }


def _truth_rows(snapshot: Snapshot, relation: Relation) -> list[Row]:
    settings, quality = snapshot.settings, relation.quality
    test, life = quality.test, quality.half_life
    is_good = relation.p_value < 0.05 and relation.soundness.state != "breaking"
    tone = "good" if is_good else "warn" if relation.p_value < 0.10 else "bad"
    ratio = (
        "notional ratio"
        if settings.log_prices
        else f"{f.asset(settings.x)} per {f.asset(settings.y)}"
    )
    beta = snapshot.view.beta if snapshot.view else math.nan
    return [
        _row(
            f"{TRUTH[0]}, {quality.n_obs:,} bars, lag {test.lags}",
            f"p {f.p_value(relation.p_value)}",
            tone,
            "Engle\u2013Granger test of y on x, lag by AIC. Finite-sample p-value, simulated for "
            "this sample size and the lag search (MacKinnon's asymptotic p: "
            f"{f.p_value(test.p_value_asymptotic)}). Volatility clustering makes it over-reject.",
            id="p-value",
        ),
        _row(
            TRUTH[1],
            f.half_life(life.half_life, life.low, life.high),
            hint="Half-life of the residual of a single static regression, with a 95 % confidence "
            "interval that is valid near a unit root. "
            f"Bar interval: {f.duration(settings.bar_us / SECOND_US)}.",
        ),
        _row(
            TRUTH[2],
            f"{f.number(quality.hurst)} \u00b7 {f.number(quality.crossings_per_day, 0)} a day",
            hint="Hurst exponent of the residual: below 0.5 mean-reverting, 0.5 a random walk. "
            "Crossings: how often the residual crosses its mean.",
        ),
        _row(
            TRUTH[3],
            f"{f.number(quality.r_squared)} \u00b7 {f.number(quality.return_correlation)}",
            hint="Trending prices can have a high R\u00b2 even when unrelated (spurious "
            "regression); returns do not.",
        ),
        _row(
            TRUTH[4],
            f"{f.significant(beta)} \u00b7 {f.percent(quality.beta_drift)}",
            hint=f"Hedge ratio ({ratio}) and its change over one lookback.",
        ),
        _row(
            TRUTH[5],
            f"{f.number(100.0 * quality.stale_share, 1)} %",
            "warn" if quality.stale_share > 0.1 else "",
            "Share of tested bars excluded because a leg had no fresh trade.",
        ),
    ]


def verdict(relation: Relation) -> str:
    """Interpret the p-value in one sentence, including whether cointegration has broken."""
    if not math.isfinite(relation.p_value):
        return relation.quality.note or "The test could not be computed on these bars."
    if relation.soundness.state == "breaking":
        return f"Cointegration break. {relation.soundness.sentence}"
    if relation.p_value >= 0.10:
        return "No evidence of cointegration: unrelated pairs often score this well."
    one_in = round(1.0 / max(relation.p_value, 0.001))
    more = "Fewer than 1" if relation.p_value < 0.001 else "1"
    text = (
        f"Under the null, {more} in {one_in:,} unrelated pairs would score this well (single test)."
    )
    return text.replace("Fewer", "fewer")


# What would it cost? --------------------------------------------------------------------


def _break_even(z: float) -> str:
    # The spread of one asset with itself hardly moves: no move of it would pay for anything.
    return f"beyond z {FARTHEST_Z:,}" if z > FARTHEST_Z else f"z {f.number(z)}"


def cost(snapshot: Snapshot) -> dict[str, Any]:
    """Describe what a round trip costs, in basis points of the Y-leg notional."""
    estimate = snapshot.cost
    if estimate is None:
        names = (
            *("Fees (4 fills)", "Half-spreads and slippage", "Funding to exit"),
            *("Break-even move", "Expected edge after costs"),
        )
        return {"rows": [_row(name, f.NONE) for name in names], "note": ""}
    fee, known = snapshot.settings.costs.fee_bp, math.isfinite(estimate.funding_bp)
    rows = [
        _row(f"Fees (4 fills at {fee:g} bp)", f"{f.number(estimate.fees_bp, 1)} bp"),
        _row(
            "Half-spreads and slippage" + (" (estimated)" if estimate.spreads_estimated else ""),
            f"{f.number(estimate.spreads_bp, 1)} bp",
            hint="From the current best bid and ask; Roll's estimator on recent trades where the "
            "venue has no quotes; the half-spread set in the sidebar where only prices are "
            "available.",
        ),
        _row(
            "Funding to exit (expected)",
            f"{f.number(estimate.funding_bp, 2)} bp" if known else f.NONE,
            hint="At current funding rates over the holding time implied by the half-life; "
            "negative means received."
            if known
            else "Not available and excluded from the total: no funding rate has been published "
            "yet, or the half-life is not known to be finite.",
        ),
        _row(
            "Break-even move",
            _break_even(estimate.break_even_z),
            total=True,
            hint="Move in z that covers the round-trip cost.",
        ),
        _row(
            "Expected edge after costs",
            f"{f.signed(estimate.left_bp, 1)} bp" if math.isfinite(estimate.left_bp) else f.NONE,
            "bad" if estimate.left_bp <= 0 else "",
            "Spread move from the current z to the exit threshold, with mean and hedge ratio held "
            "fixed, minus the round-trip cost above. This is an upper bound: in practice the mean "
            "and hedge ratio move too and the two legs earn less; compare with the paper trades.",
        ),
        _row(
            f"Average net P&L, last {snapshot.kept.trades} paper trades",
            f"{f.signed(snapshot.kept.net_bp, 1)} bp",
            "good" if snapshot.kept.net_bp > 0 else "bad" if snapshot.kept.net_bp < 0 else "",
            "Mean P&L of the most recent closed round trips, net of all costs.",
        ),
    ]
    return {"rows": rows, "note": "Both legs combined, in basis points of the Y-leg notional."}


def _row(label: str, value: str, tone: str = "", hint: str = "", **more: Any) -> Row:
    return {"label": label, "value": value, "tone": tone, "hint": hint, **more}
