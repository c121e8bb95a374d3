"""The sidebar: which pair, which model, which thresholds. Every control lives in the URL."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from backtest import Costs, Rules
from config import VENUES
from engine import Engine
from market import MINUTE_US, SECOND_US, DataError, FeedError, split_instrument
from pair import DEFAULT_COSTS, PairSettings
from ui import format as f
from ui import say

BARS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300}
MODELS = {"OLS": "ols", "Kalman": "kalman", "Huber": "huber"}
Z_KINDS = {"model's own": "model", "rolling": "rolling", "exponential": "ewm", "robust": "robust"}
SHOWN = {"300": 300, "900": 900, "all": 0}
REFRESH = {"0.1 s": 0.1, "0.25 s": 0.25, "0.5 s": 0.5, "1 s": 1.0, "2 s": 2.0, "5 s": 5.0}
VENUE_NAMES = {
    "auto": "automatic",
    "binance-usdm": "Binance USD-M",
    "binance-spot": "Binance spot",
    "binance-us": "Binance.US",
    "coinbase": "Coinbase",
    "kraken": "Kraken",
    "okx": "OKX",
    "bybit": "Bybit",
    "bitstamp": "Bitstamp",
    "coingecko": "CoinGecko (prices only)",
    "sim": "Simulation",
    "replay": "Replay",
}
URL = "query-params"
MOST_OFFERED = 500


@dataclass(frozen=True)
class View:
    """What this session asked to see."""

    settings: PairSettings
    watchlist: tuple[PairSettings, ...]
    shown_bars: int
    refresh_s: float


@dataclass(frozen=True)
class Model:
    """The controls that do not name instruments; files use them too."""

    bar_us: int
    model: str
    lookback: int
    z_window: int
    z_kind: str
    rules: Rules
    costs: Costs

    def pair(self, y: str, x: str, bar_us: int = 0) -> PairSettings:
        """Return the settings of one pair under these controls."""
        return PairSettings(
            y,
            x,
            bar_us or self.bar_us,
            self.model,
            self.lookback,
            self.z_window,
            self.z_kind,
            self.rules,
            self.costs,
        )


def sidebar(engine: Engine, venue: str, pair_place: DeltaGenerator) -> View | None:
    """Draw the live page's controls, the pair in its place above the venue.

    Returns None, with the reason on screen, if they contradict each other.
    """
    offered = _offered(engine, venue)
    _take_chosen_pair(venue)
    y = pair_place.selectbox(
        "Pair: Y, priced in X", offered, index=0, key="y", bind=URL, accept_new_options=True
    )
    x = pair_place.selectbox(
        "X, the hedge",
        offered,
        index=1,
        key="x",
        bind=URL,
        accept_new_options=True,
        label_visibility="collapsed",
        help="Type what is not in the list; a leg on another venue as coinbase:BTC-USD.",
    )
    try:
        model = model_controls()
        settings = _pair(
            engine, model, engine.resolve(venue, y or ""), engine.resolve(venue, x or "")
        )
        watchlist = _watchlist(engine, model, settings)
    except (DataError, FeedError) as error:
        say.problem(str(error))
        return None
    if settings.bar_us > model.bar_us:
        st.caption(
            f"Bars are {settings.bar_us // MINUTE_US} minutes long here: a leg's price is only "
            "asked for now and then, and shorter bars would repeat it."
        )
    shown = st.session_state.get("show") or "300"
    refresh = st.session_state.get("refresh") or "0.25 s"
    return View(settings, watchlist, SHOWN[shown], REFRESH[refresh])


def _offered(engine: Engine, venue: str) -> list[str]:
    """Return the symbols to choose from: the recorded ones, then all the venue is known to list."""
    own = [f.symbol_of(name) for name in engine.own_instruments(venue)]
    listed = engine.upkeep.catalogue.search(venue, "", MOST_OFFERED)
    return list(dict.fromkeys([*own, *(listing.symbol for listing in listed)]))


def choose_pair(key: str) -> None:
    """Remember a pair picked outside the sidebar; its widgets take it on the next run."""
    y, _, x = key.partition("|")
    st.session_state["tandem_chosen"] = (y, x)
    st.rerun()


def _take_chosen_pair(venue: str) -> None:
    for key, name in zip("yx", st.session_state.pop("tandem_chosen", ()), strict=False):
        named, symbol = split_instrument(name)
        st.session_state[key] = symbol if named == venue else name


def venue_choice(engine: Engine) -> str | None:
    """Draw the venue box; return the venue to show, None while `auto` is still looking."""
    offered = [venue for venue in VENUES if venue != "replay" or engine.settings.replay_file]
    # Bound by hand: the URL of a bound box would hold the names shown, which may change.
    linked = _venue_linked(offered)
    asked = st.selectbox(
        "Venue",
        offered,
        index=offered.index(linked or engine.settings.venue),
        format_func=lambda venue: VENUE_NAMES[venue],
        key="venue_box",
        help="Automatic tries Binance USD-M and spot, Coinbase and Kraken, then the simulation.",
    )
    if asked != (linked or engine.settings.venue):
        st.query_params["venue"] = asked
    return engine.ingest.choice().venue if asked == "auto" else asked


def _venue_linked(offered: list[str]) -> str | None:
    """Return the venue the URL asks for; says so where there is none of that name."""
    asked = st.query_params.get("venue")
    if asked is None:
        return None
    if asked in offered:
        return asked
    by_title = {title: venue for venue, title in VENUE_NAMES.items() if venue in offered}
    if asked not in by_title:
        say.warning(
            f"The link asks for the venue {asked[:40]!r}, which is not one; choose one below."
        )
    return by_title.get(asked)


def model_controls(live: bool = True) -> Model:
    """Draw bar, model, windows, thresholds and costs."""
    bar_name = (
        st.segmented_control(
            "Bar", list(BARS), default="5s", key="bar", bind=URL, width="stretch", required=True
        )
        if live
        else "5s"
    )
    model = st.segmented_control(
        "Hedge model",
        list(MODELS),
        default="Kalman",
        key="model",
        bind=URL,
        width="stretch",
        required=True,
    )
    lookback = st.slider("Lookback, bars", 20, 2_000, 200, 10, key="lookback", bind=URL)
    z_window = st.slider("z window, bars", 10, 1_000, 100, 10, key="zwin", bind=URL)
    entry, leave, stop = st.columns(3)
    enter_at = entry.number_input(
        "Enter |z|", 0.1, 20.0, 2.0, 0.1, format="%.1f", key="enter", bind=URL
    )
    exit_at = leave.number_input(
        "Exit |z|", 0.0, 20.0, 0.5, 0.1, format="%.1f", key="exit", bind=URL
    )
    stop_at = stop.number_input(
        "Stop |z|", 0.1, 50.0, 4.0, 0.1, format="%.1f", key="stop", bind=URL
    )
    prices = st.segmented_control(
        "Prices",
        ["raw", "log"],
        default="raw",
        key="prices",
        bind=URL,
        width="stretch",
        required=True,
        help="Raw: the hedge ratio counts units of X per unit of Y. Log: a ratio of notionals.",
    )
    with st.expander("Advanced"):
        z_kind = st.selectbox(
            "z-score",
            list(Z_KINDS),
            key="z",
            bind=URL,
            help="Kalman's own z is its innovation over its standard deviation.",
        )
        sizing = st.selectbox(
            "Sizing",
            ["hedge", "dollar", "unit"],
            key="sizing",
            bind=URL,
            help="Quantities of X against Y: the hedge ratio, equal value, or one for one.",
        )
        notional = st.number_input(
            "Y leg, quote currency", 10.0, 1e9, 10_000.0, 1_000.0, key="notional", bind=URL
        )
        fee = st.number_input(
            "Fee per fill, bp", 0.0, 100.0, DEFAULT_COSTS.fee_bp, 0.5, key="fee", bind=URL
        )
        half = st.number_input(
            "Half-spread per fill, bp",
            0.0,
            100.0,
            DEFAULT_COSTS.y_half_spread_bp,
            0.1,
            key="half",
            bind=URL,
            help="What the paper account pays; the cost card uses the spread quoted now.",
        )
        slippage = st.number_input(
            "Slippage per fill, bp",
            0.0,
            100.0,
            DEFAULT_COSTS.slippage_bp,
            0.1,
            key="slippage",
            bind=URL,
        )
        if live:
            st.select_slider("Bars shown", list(SHOWN), "300", key="show", bind=URL)
            st.select_slider("Refresh", list(REFRESH), "0.25 s", key="refresh", bind=URL)
    return Model(
        bar_us=BARS[bar_name or "5s"] * SECOND_US,
        model=MODELS[model or "Kalman"],
        lookback=lookback,
        z_window=z_window,
        z_kind=Z_KINDS[z_kind],
        rules=Rules(
            entry=enter_at,
            exit=exit_at,
            stop=stop_at,
            sizing=sizing,
            notional=notional,
            log_prices=prices == "log",
        ),
        costs=Costs(fee_bp=fee, y_half_spread_bp=half, x_half_spread_bp=half, slippage_bp=slippage),
    )


def _watchlist(engine: Engine, model: Model, current: PairSettings) -> tuple[PairSettings, ...]:
    """Return the watched pairs: the desk's own on this venue, then those this session added."""
    venue = split_instrument(current.y)[0]
    legs = [
        (pair.y, pair.x) for pair in engine.pair_defaults() if split_instrument(pair.y)[0] == venue
    ]
    added = st.session_state.setdefault("tandem_watch", [])
    if (current.y, current.x) not in legs + added:
        added.append((current.y, current.x))
        del added[:-3]
    legs += [pair for pair in added if split_instrument(pair[0])[0] == venue]
    return tuple(_pair(engine, model, y, x) for y, x in dict.fromkeys(legs))


def _pair(engine: Engine, model: Model, y: str, x: str) -> PairSettings:
    """Return a pair under these controls, on bars no shorter than its legs' prices allow."""
    return model.pair(y, x, engine.least_bar_us(model.bar_us, y, x))


def named(settings: PairSettings) -> str:
    """Return a pair as it is called in headings and file names."""
    return f"{f.symbol_of(settings.y)}-{f.symbol_of(settings.x)}"
