"""From a snapshot to the words and numbers of the status strip and the cards. No Streamlit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import LegNow, Snapshot, WatchRow
from ingest import Choice
from market import SECOND_US, SIMULATED_VENUE
from pair import PairSettings, Relation
from ui import format as f

Part = list[Any]
Row = dict[str, Any]

SIGNALS = {
    1: ("\u25b2 LONG SPREAD", "good"),
    -1: ("\u25bc SHORT SPREAD", "bad"),
    0: ("FLAT", "muted"),
}
STATES = {
    "connecting": ("CONNECTING", "warn"),
    "live": ("LIVE", "good"),
    "reconnecting": ("RECONNECTING", "warn"),
    "silent": ("STALE", "bad"),
    "refused": ("REFUSED", "bad"),
    "ended": ("ENDED", "warn"),
    "stopped": ("STOPPED", "bad"),
}
MODEL_NAMES = {"ols": "OLS", "kalman": "Kalman", "huber": "Huber"}


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
    said = " ".join(choice.reasons)
    return {
        "label": "CONNECTING",
        "tone": "warn",
        "items": [
            {"parts": [["trying ", "", False], [choice.trying or "the first venue", "", True]]}
        ],
        "right": "",
        "said": said,
    }


# Is the data good? ----------------------------------------------------------------------


def status(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the feed: state, rate, delay, ages, gaps, and what is recorded."""
    feed = snapshot.feed
    label, tone = STATES[feed.state]
    gaps = max(snapshot.gaps, feed.gaps)
    if feed.venue == SIMULATED_VENUE and feed.state == "live":
        label, tone = "SIMULATED", "warn"
    elif feed.state == "live" and _is_stale(snapshot):
        label, tone = "STALE", "bad"
    items = [
        {"parts": [[feed.title, "", False]]},
        _price_item(snapshot.y, "y"),
        _price_item(snapshot.x, "x"),
        {"parts": [[f.number(feed.trades_per_s, 0), "", True], [" trades/s", "", False]]},
        {
            "parts": [["delay ", "", False], [_milliseconds(feed.delay_ms), "", True]],
            "hint": "Median time from the exchange's trade to this machine, clock skew removed.",
        },
        {"parts": _ages(snapshot), "id": "ages"},
        {
            "parts": [
                ["gaps ", "", False],
                [str(gaps) if gaps else "none", "bad" if gaps else "", True],
                [" in 24 h", "", False],
            ],
            "hint": "Jumps in the venue's trade ids that were not filled: trades that are missing.",
        },
    ]
    return {
        "label": label,
        "tone": tone,
        "items": items,
        "right": _recorded(snapshot),
        "said": "\n".join(sentences(snapshot)),
    }


def sentences(snapshot: Snapshot) -> list[str]:
    """Return what the user should be told: why this venue, what does not work, what to do."""
    said = []
    simulated = snapshot.feed.venue == SIMULATED_VENUE
    if snapshot.choice.reasons and snapshot.choice.venue == snapshot.feed.venue:
        said.append(" ".join(snapshot.choice.reasons))
    if simulated:
        said.append("These prices are simulated: nothing here can be traded.")
    if snapshot.feed.state != "live" or snapshot.feed.silent:
        said.append(snapshot.feed.text)
    if snapshot.feed.not_understood:
        said.append(
            f"{snapshot.feed.not_understood:,} of {snapshot.feed.messages:,} messages were not "
            "understood and were skipped; the others are recorded."
        )
    if snapshot.store.state not in ("recording", "reading"):
        said.append(snapshot.store.text)
    said += snapshot.feed.errors
    said += snapshot.notices
    return [sentence for sentence in said if sentence]


def _is_stale(snapshot: Snapshot) -> bool:
    view = snapshot.view
    return bool(view and len(view.columns["usable"]) and not view.columns["usable"][-1])


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
    limit = 30.0
    for leg in (snapshot.y, snapshot.x):
        seconds = (snapshot.now_us - leg.trade.received_us) / SECOND_US if leg.trade else math.nan
        tone = "bad" if seconds > limit else ""
        parts.append([f"{f.asset(leg.instrument)} {f.age(seconds)}", tone, True])
        parts.append([" \u00b7 ", "", False])
    return parts[:-1]


def _recorded(snapshot: Snapshot) -> str:
    store = snapshot.store
    if store.state in ("paused", "closed"):
        return "not recording"
    behind = f" \u00b7 {f.count(store.queued)} waiting" if store.oldest_waiting_s > 2.0 else ""
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
    z = snapshot.provisional.z if snapshot.provisional else math.nan
    closed = view.columns["signal"] if view else np.empty(0)
    ready = bool(len(closed)) and math.isfinite(z)
    label, tone = SIGNALS[int(closed[-1])] if ready else ("WARMING UP", "warn")
    return {
        "label": label,
        "tone": tone,
        "z": [["z ", "muted", False], [f.signed(z), "", True]],
        "lines": _trade_lines(snapshot, z) if ready else _waiting_lines(snapshot),
        "gauge": _gauge(settings, z),
        "paper": _paper_line(snapshot),
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
        return [
            [
                [
                    "Prices are live. The models are being compiled or the pair is being opened.",
                    "",
                    False,
                ]
            ]
        ]
    seen, needed = view.progress
    bar_s = snapshot.settings.bar_us / SECOND_US
    name = MODEL_NAMES[snapshot.settings.model]
    return [
        [
            [f"{seen} of {needed} bars", "", True],
            [f" for {name} and its z-score; prices show as they arrive.", "", False],
        ],
        [
            [
                f"Ready in about {f.duration((needed - seen) * bar_s)}.",
                "",
                False,
            ]
        ],
    ]


def _trade_lines(snapshot: Snapshot, z: float) -> list[list[Part]]:
    """Describe the trade in units of each leg, and when it would open and close."""
    settings, view = snapshot.settings, snapshot.view
    rules = settings.rules
    assert view is not None
    assert snapshot.y.trade is not None
    assert snapshot.x.trade is not None
    signal = int(view.columns["signal"][-1])
    side = signal or (-1 if z > 0 else 1)
    quantities = rules.quantities(side, snapshot.y.trade.price, snapshot.x.trade.price, view.beta)
    verbs = ["buy" if quantity > 0 else "sell" for quantity in quantities]
    lead = "" if signal else f"a {'long' if side > 0 else 'short'} would "
    trade = [
        [f"{lead}{verbs[0]} ", "", False],
        [f"1.000 {f.asset(settings.y)}", "", True],
        [f" at {_price(snapshot.y)}, {verbs[1]} ", "", False],
        [f"{f.significant(abs(quantities[1] / quantities[0]))} {f.asset(settings.x)}", "", True],
        [f" at {_price(snapshot.x)}", "", False],
    ]
    stop = f" \u00b7 stop at {rules.stop:g}" if math.isfinite(rules.stop) else ""
    how = (
        f"enters beyond {rules.entry:g} \u00b7 exits at {rules.exit:g} or past it{stop} "
        "\u00b7 decided at each bar's close"
    )
    return [trade, [[how, "", False]]]


def _price(leg: LegNow) -> str:
    return f.price(leg.trade.price) if leg.trade else f.NONE


def _paper_line(snapshot: Snapshot) -> list[Part]:
    view = snapshot.view
    if view is None or not len(view.columns["equity"]):
        return [["Paper account", "", False], [f.NONE, "muted", False]]
    position = view.position
    if position is None:
        text = "Paper account: flat"
    else:
        side = "long" if position.side > 0 else "short"
        text = f"Paper: {side} since {f.clock(position.entry_us)} at z {f.signed(position.entry_z)}"
    profit = snapshot.paper
    tone = "good" if profit > 0 else "bad" if profit < 0 else "muted"
    return [[text, "", False], [f"{f.signed(profit)} after costs", tone, True]]


# Is the relation real? ------------------------------------------------------------------


def truth(snapshot: Snapshot) -> dict[str, Any]:
    """Describe the evidence that the two legs belong together."""
    relation = snapshot.relation
    if relation is None:
        rows = [
            _row(name, f.NONE)
            for name in (
                "Engle\u2013Granger",
                "Half-life",
                "Return correlation",
                "\u03b2 now \u00b7 drift",
            )
        ]
        return {"rows": rows, "note": "Tested once 50 usable bars have closed."}
    if relation.same_asset:
        return {
            "rows": [_row("R\u00b2", f.number(relation.r_squared, 6))],
            "note": "These two move as one: the same asset. No test of a relation applies.",
        }
    return {"rows": _truth_rows(snapshot, relation), "note": verdict(relation)}


def _truth_rows(snapshot: Snapshot, relation: Relation) -> list[Row]:
    settings = snapshot.settings
    tone = "good" if relation.p_value < 0.05 else "warn" if relation.p_value < 0.10 else "bad"
    bar_s = settings.bar_us / SECOND_US
    ratio = (
        "notional ratio"
        if settings.log_prices
        else f"{f.asset(settings.x)} per {f.asset(settings.y)}"
    )
    beta = snapshot.view.beta if snapshot.view else math.nan
    return [
        _row(
            f"Engle\u2013Granger, {relation.n_obs:,} bars, lag {relation.lags}",
            f"p {f.p_value(relation.p_value)}",
            tone,
            "Cointegration test of y on x, lag by AIC; p for this many bars, simulated "
            f"(MacKinnon's asymptotic p: {f.p_value(relation.p_value_asymptotic)}). "
            "Clustered volatility makes it reject more often than it should.",
            id="p-value",
        ),
        _row(
            "Half-life",
            f"{_bars(relation.half_life)} "
            f"({_bars(relation.half_life_low, '')} to {_bars(relation.half_life_high, '')})",
            hint="Of the residual of one fixed regression, with its 95 % interval; "
            f"a bar is {bar_s:g} s.",
        ),
        _row("Return correlation", f.number(relation.return_correlation)),
        _row(
            "\u03b2 now \u00b7 drift",
            f"{f.significant(beta)} \u00b7 {f.percent(relation.beta_drift)}",
            hint=f"Hedge ratio in {ratio}, and how far it moved over one lookback.",
        ),
    ]


def _bars(value: float, unit: str = " bars") -> str:
    if math.isinf(value):
        return "\u221e"
    return f"{f.number(value, 1 if value < 100 else 0)}{unit}"


def verdict(relation: Relation) -> str:
    """Say in one sentence what the p-value means."""
    if not math.isfinite(relation.p_value):
        return relation.note or "The test gave no answer on these bars."
    if relation.p_value >= 0.10:
        return "No sign of a lasting relation: unrelated pairs look like this all the time."
    one_in = round(1.0 / max(relation.p_value, 0.001))
    more = "Fewer than 1" if relation.p_value < 0.001 else "1"
    text = f"{more} in {one_in:,} unrelated pairs would look this good, at one look."
    return f"{text} But it shifted within these bars." if relation.breaking else text


# What would it cost? --------------------------------------------------------------------


def cost(snapshot: Snapshot) -> dict[str, Any]:
    """Describe what a round trip costs, in basis points of the Y leg's value."""
    estimate = snapshot.cost
    if estimate is None:
        names = (
            "4 fills",
            "Half-spreads and slippage",
            "Funding to exit",
            "Break-even move",
            "At most left at the exit",
        )
        return {"rows": [_row(name, f.NONE) for name in names], "note": ""}
    fee = snapshot.settings.costs.fee_bp
    rows = [
        _row(f"4 fills at {fee:g} bp", f"{f.number(estimate.fees_bp, 1)} bp"),
        _row(
            "Half-spreads and slippage" + (" (Roll)" if estimate.spreads_estimated else ""),
            f"{f.number(estimate.spreads_bp, 1)} bp",
            hint="From the best bid and ask now; Roll's estimate from the last trades where a "
            "venue has no quotes.",
        ),
        _row(
            "Funding to exit (expected)",
            f"{f.number(estimate.funding_bp, 2)} bp",
            hint="At the current rates, for the time the half-life gives; negative is received.",
        ),
        _row(
            "Break-even move",
            f"z {f.number(estimate.break_even_z)}",
            total=True,
            hint="The move in z that pays for the round trip.",
        ),
        _row(
            "At most left at the exit",
            f"{f.signed(estimate.left_bp, 1)} bp",
            "bad" if estimate.left_bp <= 0 else "",
            "If the spread alone came back. Often mean and hedge move instead, and two held "
            "legs then earn less: see what the paper trades kept.",
        ),
        _row(
            f"Last {snapshot.kept.trades} paper trades kept",
            f"{f.signed(snapshot.kept.net_bp, 1)} bp each",
            "good" if snapshot.kept.net_bp > 0 else "bad" if snapshot.kept.net_bp < 0 else "",
            "Mean profit of the last closed round trips after every cost.",
        ),
    ]
    return {"rows": rows, "note": "Of the Y leg's value, both legs together."}


def _row(label: str, value: str, tone: str = "", hint: str = "", **more: Any) -> Row:
    return {"label": label, "value": value, "tone": tone, "hint": hint, **more}
